"""Two sides of an edge become a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from tropix.arrays import FloatArray
from tropix.diagram._rows import Edge, Row, Verdict
from tropix.errors import TropixError

Subject = TypeVar("Subject")
COLD = "every temperature is 0: the network is its own tropical limit"
"""Why a network has no edges that need heat."""


def compared(
    edge: Edge,
    subject: str,
    heat: float,
    difference: FloatArray,
    least: float,
    most: float,
    tolerance: FloatArray | float,
    left: str,
    right: str,
    points: FloatArray,
) -> Row:
    """The row for differences (n,) that must lie in [least, most], give or take tolerances (n,); NaN violates.

    Nothing is compared where there is no point, or where a tolerance is not finite.
    """
    allowed = np.broadcast_to(np.asarray(tolerance, dtype=np.float64), difference.shape)
    if not len(difference):
        return not_applicable(edge, subject, heat, "there is no point to compare at")
    if not np.isfinite(allowed).all():
        return not_applicable(edge, subject, heat, "bounds of rounding errors leave the range of float64: rescale")
    excess = np.maximum(least - difference, difference - most) - allowed
    excess = np.where(np.isnan(excess), np.inf, excess)
    violated = bool((excess > 0).any())
    worst = int(excess.argmax() if violated else np.abs(difference).argmax())
    verdict = Verdict.VIOLATED if violated else Verdict.HOLDS
    return Row(
        edge, subject, heat, verdict, "", float(difference.min()), float(difference.max()), least + 0.0, most + 0.0,
        float(allowed[worst]), left, right, len(difference), points[worst].copy(),
    )  # fmt: skip


def not_applicable(edge: Edge, subject: str, heat: float, reason: str) -> Row:
    """A row that says why an edge says nothing about a subject."""
    return Row(edge, subject, heat, Verdict.NOT_APPLICABLE, reason)


def tried(edge: Edge, name: str, heat: float, check: Callable[[Subject], Row], subject: Subject) -> Row:
    """The row of a check; what tropix cannot do is not applicable, with its reason."""
    try:
        return check(subject)
    except TropixError as error:
        return not_applicable(edge, name, heat, str(error))

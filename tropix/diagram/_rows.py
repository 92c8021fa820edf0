"""The rows of the table: what was compared along an edge, and what it showed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from tropix.arrays import FloatArray


class Verdict(StrEnum):
    """What a row says."""

    HOLDS = "holds"
    VIOLATED = "violated"
    NOT_APPLICABLE = "not applicable"


class Edge(StrEnum):
    """The edges of the diagram, and the ways around its squares."""

    LIMIT = "network-tropical"
    HOPF_COLE = "network-viscous"
    EQUATION = "viscous-equation"
    VISCOSITY = "viscous-inviscid"
    HOPF_LAX = "tropical-inviscid"
    FENCHEL = "network-conjugate"
    CONJUGATE_LIMIT = "conjugate-limit"
    TROPICAL_FENCHEL = "tropical-conjugate"
    SQUARE = "square"


STATEMENTS = {
    Edge.LIMIT: "0 <= f_eps - f_0 <= eps log N, or delta(eps)",
    Edge.HOPF_COLE: "u_eps = |x|^2/4t - f_eps + (d eps/2) log(4 pi eps t)",
    Edge.EQUATION: "u_t + |grad u|^2 = eps lap u",
    Edge.VISCOSITY: "-eps log N <= u_eps - (d eps/2) log(4 pi eps t) - u_0 <= 0",
    Edge.HOPF_LAX: "u_0 = |x|^2/4t - f_0",
    Edge.FENCHEL: "f_eps(x) + f_eps*(y) = <x, y> at y = grad f_eps(x)",
    Edge.CONJUGATE_LIMIT: "-eps log N <= f_eps* - f_0* <= 0",
    Edge.TROPICAL_FENCHEL: "f_0(x) + f_0*(y) = <x, y> at y in the subdifferential",
    Edge.SQUARE: "both ways from f_eps to u_0, and to f_0*, agree within the sum of the edges' bounds",
}
"""What each edge states, in plain text."""


@dataclass(frozen=True, eq=False)
class Row:
    """One edge for one subject (an output, or a layer) at one heat.

    ``low`` and ``high`` are the extremes of left − right over the sample; the statement is that they lie between
    ``least`` and ``most``, to within ``tolerance``, which bounds rounding and solver errors. ``supremum`` holds a
    certified enclosure of the largest gap on the box, where there is one. ``left`` and ``right`` say how the sides were
    computed, ``worst`` (d,) is the point of the largest gap (of the largest excess, if violated), ``points`` how many
    were compared. Where the edge does not apply, ``reason`` says why.
    """

    edge: Edge
    subject: str
    heat: float
    verdict: Verdict
    reason: str = ""
    low: float = math.nan
    high: float = math.nan
    least: float = math.nan
    most: float = math.nan
    tolerance: float = math.nan
    left: str = ""
    right: str = ""
    points: int = 0
    worst: FloatArray | None = None
    supremum: tuple[float, float] | None = None

    @property
    def gap(self) -> float:
        """The largest difference between the two sides."""
        return max(abs(self.low), abs(self.high))

    @property
    def bound(self) -> float:
        """The certified bound on that difference."""
        return max(abs(self.least), abs(self.most))

    def to_json(self) -> dict[str, Any]:
        """The row as plain data; numbers that are not finite as null."""
        data: dict[str, Any] = {
            "edge": self.edge.value,
            "statement": STATEMENTS[self.edge],
            "subject": self.subject,
            "heat": self.heat,
            "verdict": self.verdict.value,
        }
        if self.verdict is Verdict.NOT_APPLICABLE:
            return {**data, "reason": self.reason}
        numbers = {
            "gap": self.gap, "bound": self.bound, "low": self.low, "high": self.high,
            "least": self.least, "most": self.most, "tolerance": self.tolerance,
        }  # fmt: skip
        return {
            **data,
            **{name: value if math.isfinite(value) else None for name, value in numbers.items()},
            "left": self.left,
            "right": self.right,
            "points": self.points,
            "worst": None if self.worst is None else self.worst.tolist(),
            "supremum": None if self.supremum is None else list(self.supremum),
        }


def worst_row(rows: Sequence[Row], subject: str) -> Row:
    """One row for many units: one that is violated, else that of the largest gap; all points are counted."""
    applicable = [row for row in rows if row.verdict is not Verdict.NOT_APPLICABLE]
    if not applicable:
        return replace(rows[0], subject=subject)
    shown = max(applicable, key=lambda row: (row.verdict is Verdict.VIOLATED, row.gap))
    name = subject if len(rows) == 1 else f"{subject}, worst {shown.subject}"
    return replace(shown, subject=name, points=sum(row.points for row in applicable))

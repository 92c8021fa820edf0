"""What every way to certify is asked and answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from tropix.arrays import FloatArray, IntArray
from tropix.boxes import Box
from tropix.certify._attack import Witness
from tropix.certify._norms import Norm
from tropix.deadline import Deadline
from tropix.errors import InvalidInput

Method: TypeAlias = Literal[
    "auto", "lipschitz", "local", "second-order", "tangent", "combined", "transfer", "interval", "linear", "branching",
    "cells", "exact",
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Request:
    """Points (n, d) that lie in the box, their labels (n,) if given, and how their radii are wanted.

    ``first`` is the number of the first point where they are a block of more.
    """

    points: FloatArray
    labels: npt.ArrayLike | None
    norm: Norm
    asked: float | None
    box: Box | None
    method: Method
    gap: float
    seed: int
    first: int = 0


@dataclass(frozen=True, eq=False)
class Answer:
    """A radius with its evidence, which names its kind, and the nearest counterexample that was found."""

    radius: float
    witness: Witness | None
    method: str
    evidence: dict[str, Any]


class Engine(Protocol):
    """Labels and margins (n,) of the points of a request, and one answer after another."""

    labels: IntArray
    margins: FloatArray

    def answer(self, i: int, deadline: Deadline) -> Answer:
        """The answer for point i."""
        ...


def labels_of(request: Request, values: FloatArray) -> IntArray:
    """The labels asked about, else those of the values (n, K) of the classes."""
    if request.labels is None:
        return np.asarray(values.argmax(axis=1), dtype=np.int64)
    read = np.asarray(request.labels)
    if read.dtype.kind not in "iu" or read.shape != (len(values),):
        raise InvalidInput(f"labels: expected {len(values)} integers, one a point")
    wrong = np.flatnonzero((read < 0) | (read >= values.shape[1]))
    if wrong.size:
        raise InvalidInput(
            f"label {read[wrong[0]]} of point {request.first + wrong[0]}: "
            f"the model has classes 0 to {values.shape[1] - 1}"
        )
    return read.astype(np.int64)


def margins_of(values: FloatArray, labels: IntArray) -> FloatArray:
    """The label's value minus the largest other one, (n,)."""
    everyone = np.arange(len(values))
    others = values.copy()
    others[everyone, labels] = -np.inf
    return np.asarray(values[everyone, labels] - others.max(axis=1))

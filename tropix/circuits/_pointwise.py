"""The smooth functions that a `Pointwise` node may apply; none of them has an identity over S_ε."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from tropix.arrays import FloatArray

FunctionName: TypeAlias = Literal["erf", "exp", "log", "reciprocal", "sqrt"]


@dataclass(frozen=True)
class SmoothFunction:
    """A function of one variable, and what is known of it on its domain.

    ``value`` and ``derivative`` are NaN or infinite outside the domain. ``curvature`` is +1 (convex), −1 (concave) or
    0; ``slope`` is a global Lipschitz constant, +∞ where there is none. ``monotone``: increasing on its domain.
    """

    value: Callable[[FloatArray], FloatArray]
    derivative: Callable[[FloatArray], FloatArray]
    monotone: bool
    curvature: int
    slope: float = math.inf


def _erf(values: FloatArray) -> FloatArray:
    from scipy.special import erf

    return np.asarray(erf(values))


def _bell(values: FloatArray) -> FloatArray:
    return np.asarray(2 / math.sqrt(math.pi) * np.exp(-(values**2)))


FUNCTIONS: dict[FunctionName, SmoothFunction] = {
    "erf": SmoothFunction(_erf, _bell, True, 0, 1.1283791670955127),  # 2/√π, rounded up
    "exp": SmoothFunction(np.exp, np.exp, True, 1),
    "log": SmoothFunction(np.log, lambda values: 1 / values, True, -1),
    "reciprocal": SmoothFunction(lambda values: 1 / values, lambda values: -1 / values**2, False, 0),
    "sqrt": SmoothFunction(np.sqrt, lambda values: 0.5 / np.sqrt(values), True, -1),
}

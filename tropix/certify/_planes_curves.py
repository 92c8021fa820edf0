"""Planes below and above functions of one variable: sigmoid, erf, exp, log, sqrt, reciprocal.

For any slope k the plane kx + min(f − kx) lies below f; the minimum over [l, u] is at an end or where f′ = k. The slope
is the best of a few at the middle of the interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tropix.arrays import FloatArray
from tropix.circuits import FunctionName


@dataclass(frozen=True)
class Curve:
    """A function, its derivative, and the points where the derivative has a given value (NaN where there are none)."""

    value: Callable[[FloatArray], FloatArray]
    derivative: Callable[[FloatArray], FloatArray]
    tangent_points: Callable[[FloatArray], list[FloatArray]]
    least: float = -math.inf
    """The function is used on arguments above this alone."""


@dataclass(frozen=True, eq=False)
class CurvePlanes:
    """Slopes and constants of a plane below and one above; ``size`` bounds the terms of the constants."""

    lower: FloatArray
    lower_constant: FloatArray
    upper: FloatArray
    upper_constant: FloatArray
    size: FloatArray


def sigmoid(eps: float) -> Curve:
    """1/(1 + e^{−x/ε})."""

    def value(x: FloatArray) -> FloatArray:
        small = np.exp(-np.abs(x) / eps)
        return np.where(x >= 0, 1.0, small) / (1.0 + small)

    def derivative(x: FloatArray) -> FloatArray:
        small = np.exp(-np.abs(x) / eps)
        return np.asarray(small / (1.0 + small) ** 2 / eps)

    def points(slope: FloatArray) -> list[FloatArray]:
        share = (1.0 + np.sqrt(1.0 - 4.0 * slope * eps)) / 2.0
        point = eps * (np.log(share) - np.log(slope * eps / share))
        return [point, -point]

    return Curve(value, derivative, points)


def _erf(x: FloatArray) -> FloatArray:
    from scipy.special import erf

    return np.asarray(erf(x))


def _erf_points(slope: FloatArray) -> list[FloatArray]:
    point = np.sqrt(-np.log(slope * (math.sqrt(math.pi) / 2)))
    return [point, -point]


CURVES: dict[FunctionName, Curve] = {
    "erf": Curve(_erf, lambda x: np.asarray(2 / math.sqrt(math.pi) * np.exp(-(x**2))), _erf_points),
    "exp": Curve(np.exp, np.exp, lambda slope: [np.log(slope)]),
    "log": Curve(np.log, lambda x: 1 / x, lambda slope: [1 / slope], 0.0),
    "sqrt": Curve(np.sqrt, lambda x: 0.5 / np.sqrt(x), lambda slope: [0.25 / slope**2], 0.0),
    "reciprocal": Curve(
        lambda x: 1 / x, lambda x: -1 / x**2, lambda slope: [1 / np.sqrt(-slope), -1 / np.sqrt(-slope)], 0.0
    ),
}


def curve_planes(curve: Curve, low: FloatArray, high: FloatArray) -> CurvePlanes:
    """Planes of a curve on intervals; slopes 0 and infinite constants where it is not finite there.

    A `reciprocal` of negative numbers is left to its bounds. The planes hold up to rounding of their terms.
    """
    with np.errstate(all="ignore"):
        inside = (low > curve.least) & np.isfinite(low) & np.isfinite(high)
        start, end = np.where(inside, low, 1.0), np.where(inside, high, 1.0)
        middle = 0.5 * (start + end)
        ends = curve.value(start), curve.value(end)
        steepness = [curve.derivative(point) for point in (start, middle, end)]
        secant = np.where(end > start, (ends[1] - ends[0]) / np.where(end > start, end - start, 1.0), steepness[1])
        best: list[FloatArray] = []
        for slope in (secant, *steepness):
            usable = np.isfinite(slope)
            slope = np.where(usable, slope, 0.0)
            touching = [np.where(np.isnan(p), start, np.clip(p, start, end)) for p in curve.tangent_points(slope)]
            points = [start, end, *touching]
            rests = np.stack([curve.value(point) - slope * point for point in points])
            below, above = rests.min(axis=0), rests.max(axis=0)
            weight = np.abs(slope) * np.maximum(np.abs(start), np.abs(end)) + np.abs(rests).max(axis=0)
            if not best:
                best = [slope, below, slope, above, weight]
                continue
            lower = usable & (slope * middle + below > best[0] * middle + best[1])
            upper = usable & (slope * middle + above < best[2] * middle + best[3])
            best[0], best[1] = np.where(lower, slope, best[0]), np.where(lower, below, best[1])
            best[2], best[3] = np.where(upper, slope, best[2]), np.where(upper, above, best[3])
            best[4] = np.maximum(best[4], weight)
        finite = inside & np.isfinite(np.stack(best)).all(axis=0)
    zero = np.zeros_like(low)
    return CurvePlanes(
        np.where(finite, best[0], zero),
        np.where(finite, best[1], -np.inf),
        np.where(finite, best[2], zero),
        np.where(finite, best[3], np.inf),
        np.where(finite, best[4], zero),
    )

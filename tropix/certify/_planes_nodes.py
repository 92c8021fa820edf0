"""Planes of every kind of node on a batch of boxes, as what backward substitution multiplies by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tropix.arrays import BoolArray, FloatArray, IntArray
from tropix.certify._planes import Layout, segment_planes
from tropix.certify._planes_curves import CURVES, CurvePlanes, curve_planes, sigmoid
from tropix.circuits import Gibbs, LogSumExp, Pointwise, Product

Nonlinear = LogSumExp | Gibbs | Product | Pointwise


@dataclass(frozen=True, eq=False)
class Ends:
    """Lower and upper bounds (B, n) of the values of a node over each box of a batch."""

    lower: FloatArray
    upper: FloatArray

    @property
    def size(self) -> FloatArray:
        """Bounds of the absolute values."""
        return np.maximum(np.abs(self.lower), np.abs(self.upper))

    def meet(self, other: Ends) -> Ends:
        """The intersection; where rounding leaves none, the first."""
        lower, upper = np.maximum(self.lower, other.lower), np.minimum(self.upper, other.upper)
        empty = lower > upper
        return (
            Ends(np.where(empty, self.lower, lower), np.where(empty, self.upper, upper))
            if empty.any()
            else Ends(lower, upper)
        )


@dataclass(frozen=True, eq=False)
class Tap:
    """Slopes towards one source: output ``owner[t]`` reads entry t (``columns[t]`` if given) of it.

    lower and upper (B, R or 1, T) are the slopes of the planes below and above.
    """

    source: int
    owner: IntArray
    columns: IntArray | None
    lower: FloatArray
    upper: FloatArray


@dataclass(frozen=True, eq=False)
class Planes:
    """Planes of a node's K outputs: constants (B, 1 or R, K), and ``size`` (B, K) which bounds the terms they sum."""

    taps: tuple[Tap, ...]
    lower: FloatArray
    upper: FloatArray
    size: FloatArray


@dataclass(frozen=True, eq=False)
class Differences:
    """Bounds (B, K, W) of the differences of a segment's entries to its pivot (B, K); −∞ where an entry is out."""

    lower: FloatArray
    upper: FloatArray
    pivot: IntArray


def log_sum_exp_planes(
    node: LogSumExp, layout: Layout, inner: Ends, gaps: Differences, grid: float | None = None
) -> Planes:
    """Planes of ⊕_ε; their slopes are multiples of 1/``grid`` if it is given."""
    low, high, broken = _tame(gaps)
    planes = segment_planes(low, high, gaps.pivot, node.eps, grid)
    below = np.where(broken, -np.inf, planes.lower_constant)
    above = np.where(broken, np.inf, planes.upper_constant)
    lower, upper = layout.flat(planes.lower), layout.flat(planes.upper)
    size = planes.size + _sums(layout, np.maximum(np.abs(lower), np.abs(upper)) * inner.size)
    tap = Tap(node.source, layout.owner, None, lower[:, None], upper[:, None])
    return Planes((tap,), below[:, None], above[:, None], size)


def gibbs_planes(node: Gibbs, layout: Layout, inner: Ends, gaps: Differences, own: Ends) -> Planes:
    """Planes of the Gibbs weights of pairs: sigmoids of y_0 − y_1 and what is left to 1. Wider ones are constants."""
    paired = layout.widths == 2
    lower, upper, size = own.lower.copy(), own.upper.copy(), own.size
    if node.eps == 0.0 or not paired.any():
        return Planes((), lower[:, None], upper[:, None], size)
    low, high, broken = _tame(gaps)
    curve = curve_planes(sigmoid(node.eps), low[:, paired, 0], high[:, paired, 0])
    usable = np.isfinite(curve.lower_constant) & np.isfinite(curve.upper_constant) & ~broken[:, paired]
    first, second = layout.entries[paired, 0], layout.entries[paired, 1]
    below, above = np.zeros_like(lower), np.zeros_like(lower)
    for column, slopes, rests in (
        (first, (curve.lower, curve.upper), (curve.lower_constant, curve.upper_constant)),
        (second, (curve.upper, curve.lower), (1.0 - curve.upper_constant, 1.0 - curve.lower_constant)),
    ):
        below[:, column], above[:, column] = (np.where(usable, slope, 0.0) for slope in slopes)
        lower[:, column] = np.where(usable, rests[0], lower[:, column])
        upper[:, column] = np.where(usable, rests[1], upper[:, column])
        size[:, column] += np.where(usable, curve.size + 1.0, 0.0)
    partner = np.arange(node.size)
    partner[first], partner[second] = second, first
    steep = np.maximum(np.abs(below), np.abs(above))
    size += steep * np.where(steep > 0.0, inner.size + inner.size[:, partner], 0.0)
    owner = np.arange(node.size)
    taps = (
        Tap(node.source, owner, None, below[:, None], above[:, None]),
        Tap(node.source, owner, partner, -below[:, None], -above[:, None]),
    )
    return Planes(taps, lower[:, None], upper[:, None], size)


def product_planes(node: Product, left: Ends, right: Ends) -> Planes:
    """McCormick's planes (1976) of a product, of the two on each side the better one in the middle of the box."""
    with np.errstate(all="ignore"):
        middle = 0.5 * (left.lower + left.upper), 0.5 * (right.lower + right.upper)
        sides = []
        for first, second, sign in (
            ((right.lower, left.lower), (right.upper, left.upper), 1.0),
            ((right.upper, left.lower), (right.lower, left.upper), -1.0),
        ):
            heights = [sign * (a * middle[0] + b * middle[1] - a * b) for a, b in (first, second)]
            chosen = heights[0] >= heights[1]
            slopes = [np.where(chosen, a, b) for a, b in zip(first, second, strict=True)]
            sides.append((slopes[0], slopes[1], -slopes[0] * slopes[1]))
        size = left.size * right.size
    finite = np.isfinite(size) & np.isfinite(sides[0][2]) & np.isfinite(sides[1][2])
    weights = [[np.where(finite, side[i], 0.0)[:, None] for side in sides] for i in range(2)]
    owner = np.arange(node.size)
    taps = tuple(Tap(source, owner, None, *pair) for source, pair in zip(node.sources, weights, strict=True))
    below, above = np.where(finite, sides[0][2], -np.inf), np.where(finite, sides[1][2], np.inf)
    return Planes(taps, below[:, None], above[:, None], np.where(finite, 4.0 * size, 0.0))


def pointwise_planes(node: Pointwise, inner: Ends, own: Ends) -> Planes:
    """Planes of a function of each entry; its bounds where there are none."""
    curve: CurvePlanes = curve_planes(CURVES[node.function], inner.lower, inner.upper)
    finite = np.isfinite(curve.lower_constant) & np.isfinite(curve.upper_constant)
    below = np.where(finite, curve.lower_constant, own.lower)
    above = np.where(finite, curve.upper_constant, own.upper)
    steep = np.maximum(np.abs(curve.lower), np.abs(curve.upper))
    size = np.where(finite, curve.size + steep * np.where(finite, inner.size, 0.0), own.size)
    tap = Tap(node.source, np.arange(node.size), None, curve.lower[:, None], curve.upper[:, None])
    return Planes((tap,), below[:, None], above[:, None], size)


def _tame(gaps: Differences) -> tuple[FloatArray, FloatArray, BoolArray]:
    """The bounds with 0 in segments where one is infinite, and which (B, K) those are."""
    alive = gaps.upper > -np.inf
    loose = alive & ~(np.isfinite(gaps.lower) & np.isfinite(gaps.upper))
    broken = np.asarray(loose.any(axis=2))
    if not broken.any():
        return gaps.lower, gaps.upper, broken
    away = broken[..., None] & alive
    return np.where(away, 0.0, gaps.lower), np.where(away, 0.0, gaps.upper), broken


def _sums(layout: Layout, values: FloatArray) -> FloatArray:
    """Sums of the entries (B, M) of each segment; 0·∞ counts as 0."""
    return np.asarray(np.add.reduceat(np.where(np.isnan(values), 0.0, values), layout.segments[:-1], axis=1))

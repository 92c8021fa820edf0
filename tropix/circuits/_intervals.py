"""Interval arithmetic through a circuit: sound bounds of every node on a box, rounded outwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tropix.arrays import FloatArray
from tropix.boxes import Box
from tropix.circuits._matrices import UNIT, parts
from tropix.circuits._nodes import Affine, Gibbs, Input, LogSumExp, Matrix, Pointwise, Product
from tropix.circuits._pointwise import FUNCTIONS

if TYPE_CHECKING:
    from tropix.circuits._circuit import Circuit

LIBRARY_ULPS = 8
"""Accuracy assumed of exp, log and erf, in units in the last place."""


@dataclass(frozen=True, eq=False)
class Interval:
    """Componentwise lower and upper bounds; ends may be infinite."""

    lower: FloatArray
    upper: FloatArray


def interval_bounds(circuit: Circuit, box: Box, *, every_temperature: bool = False) -> tuple[Interval, ...]:
    """Bounds of each node over the box; every step is widened by a bound on its own rounding.

    With ``every_temperature`` they hold for ``circuit.heat(s)`` at every s ≥ 0: max ≤ ⊕_ε < ∞.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # overflow is an infinite end
        return _bounded(circuit, box, every_temperature)


def _bounded(circuit: Circuit, box: Box, every_temperature: bool) -> tuple[Interval, ...]:
    from tropix.kernels import segment_log_sum_exp

    found: list[Interval] = []
    for node in circuit.nodes:
        if isinstance(node, Input):
            found.append(Interval(box.lower, box.upper))
        elif isinstance(node, Affine):
            found.append(_affine(node, found))
        elif isinstance(node, LogSumExp):
            inner = found[node.source]
            if every_temperature and node.eps > 0.0:
                found.append(_any_temperature(node, inner))
                continue
            ends = [
                segment_log_sum_exp(end[:, None], node.segments, node.eps)[:, 0] for end in (inner.lower, inner.upper)
            ]
            found.append(Interval(*(_widen(ends[0], ends[1], _join_slack(node, inner)))))
        elif isinstance(node, Gibbs):
            inner = _unbounded(node.segments[-1]) if every_temperature else found[node.source]
            found.append(_gibbs(node, inner))
        elif isinstance(node, Product):
            found.append(_product(found[node.left], found[node.right]))
        else:
            found.append(_pointwise(node, found[node.source]))
    return tuple(found)


def affine_interval(matrix: Matrix, inner: Interval) -> Interval:
    """Bounds of matrix·v for v in an interval, widened by the rounding of the two products."""
    positive, negative = parts(matrix)
    lower = _times(positive, inner.lower) - _times(negative, inner.upper)
    upper = _times(positive, inner.upper) - _times(negative, inner.lower)
    ends = np.abs(inner.lower), np.abs(inner.upper)
    unit = (2 * matrix.shape[1] + 4) * UNIT
    below = _times(positive, ends[0]) + _times(negative, ends[1])
    above = _times(positive, ends[1]) + _times(negative, ends[0])
    return Interval(*_widen(lower, upper, below * unit, above * unit))


def _affine(node: Affine, found: list[Interval]) -> Interval:
    lower, upper = node.bias.copy(), node.bias.copy()
    below = above = np.abs(node.bias)
    for term in node.terms:
        part = affine_interval(term.matrix, found[term.source])
        lower, upper = lower + part.lower, upper + part.upper
        below, above = below + np.abs(part.lower), above + np.abs(part.upper)
    unit = (len(node.terms) + 2) * 2 * UNIT
    return Interval(*_widen(lower, upper, below * unit, above * unit))


def _any_temperature(node: LogSumExp, inner: Interval) -> Interval:
    lower = np.maximum.reduceat(inner.lower, node.segments[:-1])
    return Interval(lower, np.where(node.widths == 1, inner.upper[node.segments[:-1]], np.inf))


def _unbounded(size: int) -> Interval:
    return Interval(np.full(size, -np.inf), np.full(size, np.inf))


def _join_slack(node: LogSumExp, inner: Interval) -> FloatArray:
    """Rounding of ⊕_ε: none at ε = 0."""
    if node.eps == 0.0:
        return np.zeros(node.size)
    size = np.maximum(np.abs(inner.lower), np.abs(inner.upper))
    largest = np.maximum.reduceat(np.where(np.isfinite(size), size, 0.0), node.segments[:-1])
    relative = (node.widths + 3 * LIBRARY_ULPS) * UNIT
    own = node.eps * (1 + np.log(node.widths))
    return np.asarray(UNIT * (4 + 2 * LIBRARY_ULPS) * (largest + own) + own * relative)


def _gibbs(node: Gibbs, inner: Interval) -> Interval:
    """π_j = e^{(z_j − ⊕z)/ε} lies between e^{(l_j − ⊕u)/ε} and e^{(u_j − ⊕l)/ε}."""
    from tropix.kernels import segment_log_sum_exp

    if node.eps == 0.0 or not (np.isfinite(inner.lower).all() and np.isfinite(inner.upper).all()):
        alone = np.repeat(node.widths == 1, node.widths).astype(np.float64)
        return Interval(alone, np.ones(node.size))
    totals = [segment_log_sum_exp(end[:, None], node.segments, node.eps)[:, 0] for end in (inner.lower, inner.upper)]
    low_total, high_total = (np.repeat(total, node.widths) for total in totals)
    slack = 16 * UNIT * (np.abs(inner.lower) + np.abs(inner.upper) + np.abs(low_total) + np.abs(high_total))
    slack = slack / node.eps + (np.repeat(node.widths, node.widths) + 4 * LIBRARY_ULPS) * UNIT
    with np.errstate(over="ignore", under="ignore"):
        lower = np.exp((inner.lower - high_total) / node.eps - slack)
        upper = np.exp((inner.upper - low_total) / node.eps + slack)
    return Interval(np.clip(lower, 0.0, 1.0), np.clip(upper + 5e-324, 0.0, 1.0))


def _product(left: Interval, right: Interval) -> Interval:
    with np.errstate(invalid="ignore", over="ignore"):
        corners = np.array([a * b for a in (left.lower, left.upper) for b in (right.lower, right.upper)])
    corners = np.where(np.isnan(corners), 0.0, corners)
    return Interval(np.nextafter(corners.min(axis=0), -np.inf), np.nextafter(corners.max(axis=0), np.inf))


def _pointwise(node: Pointwise, inner: Interval) -> Interval:
    """Images of the ends where the function is monotone; outside its domain nothing is promised."""
    function = FUNCTIONS[node.function]
    with np.errstate(all="ignore"):
        first, second = function.value(inner.lower), function.value(inner.upper)
    if function.monotone:
        floor = {"log": -np.inf, "sqrt": 0.0}.get(node.function, -np.inf)
        lower, upper = np.where(np.isnan(first), floor, first), second
        upper = np.where(np.isnan(upper), np.inf, upper)
    else:
        spans = (inner.lower <= 0) & (inner.upper >= 0)
        lower, upper = np.where(spans, -np.inf, second), np.where(spans, np.inf, first)
    size = np.where(np.isfinite(lower), np.abs(lower), 0.0), np.where(np.isfinite(upper), np.abs(upper), 0.0)
    slack = 2 * LIBRARY_ULPS * UNIT * np.maximum(size[0], size[1]) + 1e-300
    return Interval(*_widen(lower, upper, slack))


def _widen(
    lower: FloatArray, upper: FloatArray, below: FloatArray, above: FloatArray | None = None
) -> tuple[FloatArray, FloatArray]:
    with np.errstate(invalid="ignore"):
        low, high = lower - below, upper + (below if above is None else above)
    return np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high)


def _times(matrix: Matrix, vector: FloatArray) -> FloatArray:
    """A·v for A ≥ 0 where v may hold infinities of one sign or both (0·∞ counts as 0; ∞ − ∞ is NaN)."""
    finite = np.where(np.isfinite(vector), vector, 0.0)
    product = np.asarray(matrix @ finite)
    for sign in (1.0, -1.0):
        infinite = vector == sign * np.inf
        if infinite.any():
            with np.errstate(invalid="ignore"):
                product = product + np.where(np.asarray(matrix @ infinite.astype(np.float64)) > 0, sign * np.inf, 0.0)
    return product

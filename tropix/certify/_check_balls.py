"""Arb balls of the checker: numbers, lists, matrices and NumPy arrays of them.

A comparison of balls is True only if it holds for all numbers in them, and False with NaN; least and largest of NaN and
anything are NaN. So every decision of the checker has the form "proved if this comparison is True". Ends of ranges are
balls that hold a number that is a bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import flint
import numpy as np

from tropix.arrays import ObjectArray
from tropix.exact import Rationals

Ball = Any
"""A flint.arb: its package has no types."""
Ends = tuple[list[Any], list[Any]]
"""Lower and upper ends, as balls."""
Slopes = tuple[Any, Any]
"""Lower and upper ends of derivatives, as matrices of balls."""
ZERO: Ball = flint.arb(0)
ONE: Ball = flint.arb(1)

# -- numbers and lists ------------------------------------------------------------------------------------------------


def ball(value: Fraction) -> Ball:
    """An enclosure of a rational."""
    return flint.arb(flint.fmpq(value.numerator, value.denominator))


def least(values: Sequence[Ball]) -> Ball:
    """An enclosure of the minimum."""
    found = values[0]
    for value in values[1:]:
        found = found.min(value)
    return found


def largest(values: Sequence[Ball]) -> Ball:
    """An enclosure of the maximum."""
    found = values[0]
    for value in values[1:]:
        found = found.max(value)
    return found


def log_sum_exp(values: Sequence[Ball], eps: Ball) -> Ball:
    """⊕_ε, also where ε is so small that the exponentials say nothing: max ≤ ⊕_ε ≤ max + ε log N."""
    top = largest(values)
    if len(values) == 1 or eps == 0:
        return top
    most, middle = top + eps * flint.arb(len(values)).log(), top.mid()
    found = middle + eps * sum((((v - middle) / eps).exp() for v in values), ZERO).log()
    return found.max(top).min(most) if found.is_finite() else top.union(most)


def share(gaps: Sequence[Ball]) -> Ball:
    """1/(1 + Σ e^gap), between 0 and 1."""
    found = 1 / (1 + sum((gap.exp() for gap in gaps), ZERO))
    return found.max(ZERO).min(ONE) if found.is_finite() else ZERO.union(ONE)


def gibbs(values: Sequence[Ball], place: int, eps: Ball) -> Ball:
    """One Gibbs weight; at ε = 0 of a tie that the balls leave open, anything from 0 to 1."""
    value, others = values[place], [v for j, v in enumerate(values) if j != place]
    if eps != 0:
        return share([(v - value) / eps for v in others])
    if all(value > v for v in others):
        return ONE
    return ZERO if any(value < v for v in others) else ZERO.union(ONE)


def mean(values: Sequence[Ball], low: Sequence[Ball], high: Sequence[Ball]) -> Ball:
    """An upper bound of Σ π_i v_i over weights between ends."""
    top = largest(values)
    best = top - sum((a * (top - v) for a, v in zip(low, values, strict=True)), ZERO)
    t = values[max(range(len(values)), key=lambda i: float(high[i].mid()))]  # any t proves something
    other = sum((((v - t) * a).max((v - t) * b) for v, a, b in zip(values, low, high, strict=True)), t)
    return best.min(other)


# -- matrices ---------------------------------------------------------------------------------------------------------


def column(values: Sequence[Ball]) -> Any:
    """A column of balls."""
    return flint.arb_mat(len(values), 1, list(values))


def matrix(numerators: ObjectArray, denominator: int) -> Any:
    """Rationals as a matrix of balls."""
    rows, columns = numerators.shape
    return flint.arb_mat(flint.fmpz_mat(rows, columns, numerators.ravel().tolist())) * (ONE / denominator)


def split(rows: Rationals) -> tuple[Any, Any]:
    """A⁺ and A⁻."""
    n = rows.numerators
    return matrix(np.maximum(n, 0), rows.denominator), matrix(np.maximum(-n, 0), rows.denominator)


def times(rows: Slopes, inner: Slopes) -> Slopes:
    """The product of two enclosed matrices; where one factor has a sign, its ends are the best."""
    (low, high), (below, above) = [_halves(end) for end in rows], [_halves(end) for end in inner]
    plus = low[0], high[0]  # of the entries' positive parts
    minus = high[1], low[1]  # of their negative ones
    lower = plus[0] * below[0] - plus[1] * below[1] - minus[1] * above[0] + minus[0] * above[1]
    upper = plus[1] * above[0] - plus[0] * above[1] - minus[0] * below[0] + minus[1] * below[1]
    return lower, upper


def _halves(end: Any) -> tuple[Any, Any]:
    entries = end.entries()
    shape = end.nrows(), end.ncols()
    plus, minus = [e.max(ZERO) for e in entries], [(-e).max(ZERO) for e in entries]
    return flint.arb_mat(*shape, plus), flint.arb_mat(*shape, minus)


def meet(one: Slopes, other: Slopes) -> Slopes:
    """The intersection of two enclosures."""
    shape = one[0].nrows(), one[0].ncols()
    lower = [a.max(b) for a, b in zip(one[0].entries(), other[0].entries(), strict=True)]
    upper = [a.min(b) for a, b in zip(one[1].entries(), other[1].entries(), strict=True)]
    return flint.arb_mat(*shape, lower), flint.arb_mat(*shape, upper)


# -- NumPy arrays -----------------------------------------------------------------------------------------------------


def array(values: Sequence[Ball]) -> ObjectArray:
    """Balls as an array."""
    return np.array(values, dtype=object)


def balls(values: Sequence[Fraction]) -> ObjectArray:
    """Enclosures of rationals."""
    return array([ball(v) for v in values])


def zeros(*shape: int) -> ObjectArray:
    """An array of zeros."""
    found: ObjectArray = np.full(shape, ZERO, dtype=object)
    return found


def larger(one: ObjectArray, other: ObjectArray) -> ObjectArray:
    """The larger one, entry by entry."""
    return array([a.max(b) for a, b in zip(one, other, strict=True)])


def span(corners: Sequence[ObjectArray]) -> tuple[ObjectArray, ObjectArray]:
    """Bounds of the least and the largest of some values, entry by entry."""
    low, high = -corners[0], corners[0]
    for corner in corners[1:]:
        low, high = larger(low, -corner), larger(high, corner)
    return -low, high


def ends(pairs: Sequence[tuple[Ball, Ball]]) -> tuple[ObjectArray, ObjectArray]:
    """Pairs of lower and upper ends as two arrays."""
    return array([a for a, _ in pairs]), array([b for _, b in pairs])


def exact_parts(values: ObjectArray) -> tuple[ObjectArray, ObjectArray]:
    """Midpoints and radii, both exact balls."""
    return _MID(values), _RAD(values)


def applied(rows: ObjectArray, table: Any) -> ObjectArray:
    """Rows (R, n) times a matrix of balls (n, m)."""
    found = flint.arb_mat(len(rows), rows.shape[1], rows.ravel().tolist()) * table
    return array(found.entries()).reshape(len(rows), table.ncols())


_MID = np.frompyfunc(lambda value: value.mid(), 1, 1)
_RAD = np.frompyfunc(lambda value: value.rad(), 1, 1)

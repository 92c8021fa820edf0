"""Ends of ranges and of derivatives as Arb balls: each ball holds a number that is a bound."""

from __future__ import annotations

from collections.abc import Sequence
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
ZERO, ONE = flint.arb(0), flint.arb(1)


def least(values: Sequence[Any]) -> Any:
    """The smallest of some balls."""
    found = values[0]
    for value in values[1:]:
        found = found.min(value)
    return found


def largest(values: Sequence[Any]) -> Any:
    """The largest of some balls."""
    found = values[0]
    for value in values[1:]:
        found = found.max(value)
    return found


def matrix(numerators: ObjectArray, denominator: int) -> Any:
    """Rationals as a matrix of balls."""
    rows, columns = numerators.shape
    return flint.arb_mat(flint.fmpz_mat(rows, columns, numerators.ravel().tolist())) * (ONE / denominator)


def split(rows: Rationals) -> tuple[Any, Any]:
    """A⁺ and A⁻."""
    n = rows.numerators
    return matrix(np.maximum(n, 0), rows.denominator), matrix(np.maximum(-n, 0), rows.denominator)


def column(values: Sequence[Any]) -> Any:
    """A column of balls."""
    return flint.arb_mat(len(values), 1, list(values))


def times(rows: Slopes, inner: Slopes) -> Slopes:
    """The product of two enclosed matrices; where one factor has a sign, its ends are the best."""
    (low, high), (below, above) = [halves(end) for end in rows], [halves(end) for end in inner]
    plus = low[0], high[0]  # of the entries' positive parts
    minus = high[1], low[1]  # of their negative ones
    lower = plus[0] * below[0] - plus[1] * below[1] - minus[1] * above[0] + minus[0] * above[1]
    upper = plus[1] * above[0] - plus[0] * above[1] - minus[0] * below[0] + minus[1] * below[1]
    return lower, upper


def halves(end: Any) -> tuple[Any, Any]:
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


def joined(values: list[Any], eps: Any) -> Any:
    """⊕_ε, also where ε is so small that the exponentials say nothing."""
    top = largest(values)
    if len(values) == 1 or eps == 0:
        return top
    total = sum(((v - top) / eps).exp() for v in values)
    found = top + eps * total.log()
    most = top + eps * flint.arb(len(values)).log()
    return found.max(top).min(most) if found.is_finite() else top.union(most)


def share(gaps: list[Any]) -> Any:
    """1/(1 + Σ e^gap), between 0 and 1."""
    found = 1 / (1 + sum((gap.exp() for gap in gaps), ZERO))
    return found.max(ZERO).min(ONE) if found.is_finite() else ZERO.union(ONE)


def bell(low: Any, high: Any) -> tuple[Any, Any]:
    """The range of π(1 − π)."""
    half = flint.arb(0.5)
    inside = low.max(half.min(high))
    return (low * (1 - low)).min(high * (1 - high)), (inside * (1 - inside)).min(half * half)


def corners(left: Ends, right: Ends) -> Ends:
    low, high = [], []
    for a, b, c, d in zip(*left, *right, strict=True):
        products = [a * c, a * d, b * c, b * d]
        low.append(least(products))
        high.append(largest(products))
    return low, high


def image(function: str, low: Any, high: Any) -> tuple[Any, Any]:
    """The range of a smooth function; not finite where it leaves its domain."""
    if function == "reciprocal":
        return (1 / high, 1 / low) if low > 0 or high < 0 else (flint.arb.nan(), flint.arb.nan())
    apply = {"erf": flint.arb.erf, "exp": flint.arb.exp, "log": flint.arb.log, "sqrt": flint.arb.sqrt}[function]
    return apply(low), apply(high)


def rate(function: str, low: Any, high: Any) -> tuple[Any, Any]:
    """The range of its derivative."""
    if function == "exp":
        return low.exp(), high.exp()
    if function == "erf":
        near, far = low.max(-high).max(ZERO), (-low).max(high)
        scale = 2 / flint.arb.pi().sqrt()
        return scale * (-(far * far)).exp(), scale * (-(near * near)).exp()
    if function == "reciprocal":
        if not (low > 0 or high < 0):
            return flint.arb.nan(), flint.arb.nan()
        ends = -1 / (low * low), -1 / (high * high)
        return ends[0].min(ends[1]), ends[0].max(ends[1])
    if not low > 0:
        return flint.arb.nan(), flint.arb.nan()
    return (1 / high, 1 / low) if function == "log" else (1 / (2 * high.sqrt()), 1 / (2 * low.sqrt()))

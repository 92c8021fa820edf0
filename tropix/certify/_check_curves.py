"""Smooth functions of one variable in Arb balls: their values, ranges, rates, and extremes against a line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flint

from tropix.certify._check_balls import ZERO, Ball, Ends, largest, least

FUNCTIONS: dict[str, Callable[[Ball], Ball]] = {
    "erf": lambda x: x.erf(),
    "exp": lambda x: x.exp(),
    "log": lambda x: x.log(),
    "sqrt": lambda x: x.sqrt(),
    "reciprocal": lambda x: 1 / x,
}
"""The functions of `Pointwise` nodes; NaN outside their domain. All rise but 1/x, which falls on either side of 0."""


def image(function: str, low: Ball, high: Ball) -> tuple[Ball, Ball]:
    """The range of a function; not finite where it leaves its domain."""
    if function == "reciprocal":
        return (1 / high, 1 / low) if low > 0 or high < 0 else (flint.arb.nan(), flint.arb.nan())
    return FUNCTIONS[function](low), FUNCTIONS[function](high)


def rate(function: str, low: Ball, high: Ball) -> tuple[Ball, Ball]:
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


def bell(low: Ball, high: Ball) -> tuple[Ball, Ball]:
    """The range of π(1 − π)."""
    half = flint.arb(0.5)
    inside = low.max(half.min(high))
    return (low * (1 - low)).min(high * (1 - high)), (inside * (1 - inside)).min(half * half)


def corners(left: Ends, right: Ends) -> Ends:
    """The range of products, entry by entry."""
    low, high = [], []
    for a, b, c, d in zip(*left, *right, strict=True):
        products = [a * c, a * d, b * c, b * d]
        low.append(least(products))
        high.append(largest(products))
    return low, high


def excess_ends(curve: str | Ball, low: Ball, high: Ball, slope: Ball) -> tuple[Ball, Ball]:
    """The least and largest value of f(x) − kx for low ≤ x ≤ high, outwards: at the ends, or where f′ = k.

    The curve is the name of a `Pointwise` function or, for 1/(1 + e^{−x/ε}), the ball ε. The sign of k is certain.
    """

    def value(x: Any) -> Any:
        return (FUNCTIONS[curve](x) if isinstance(curve, str) else 1 / (1 + (-x / curve).exp())) - slope * x

    if curve == "reciprocal" and not (low > 0 or high < 0):
        return flint.arb.neg_inf(), flint.arb.pos_inf()
    found = [value(low), value(high)]
    found += [value(point) for point in _touching(curve, slope) if not (point < low or point > high)]
    return least(found), largest(found)


def _touching(curve: str | Ball, k: Ball) -> list[Ball]:
    """Where the derivative is k."""
    if not isinstance(curve, str):
        if not k > 0 or 4 * k * curve > 1:
            return []
        root = (1 - 4 * k * curve).nonnegative_part().sqrt()
        point = curve * (((1 + root) / 2) ** 2 / (k * curve)).log()
        return [point, -point]
    if curve == "reciprocal":
        return [side / (-k).sqrt() for side in (1, -1)] if k < 0 else []
    if not k > 0:
        return []
    if curve == "erf":
        height = -(k * flint.arb.pi().sqrt() / 2).log()
        return [side * height.nonnegative_part().sqrt() for side in (1, -1)] if not height < 0 else []
    return [{"exp": lambda: k.log(), "log": lambda: 1 / k, "sqrt": lambda: 1 / (4 * k * k)}[curve]()]

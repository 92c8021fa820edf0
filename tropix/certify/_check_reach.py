"""The ball of a certificate in its box, and the maximum of a linear function over it, in rational numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property
from operator import mul
from typing import Any

import flint
import numpy as np

from tropix.arrays import FloatArray
from tropix.certify._check_fields import Fault

Room = list[tuple[Fraction | None, Fraction | None]]
"""How far each coordinate may fall (≤ 0) and rise (≥ 0), None without limit."""
DIGITS = 128
"""Bits to which rooms are rounded where they are divided by scales."""
NONE: Any = flint.fmpq(0)


def room_of(box: tuple[Sequence[float], Sequence[float]], point: Sequence[Fraction]) -> Room:
    """What a box leaves around a point."""
    lower, upper = box
    if len(lower) != len(point) or len(upper) != len(point):
        raise Fault("the box does not fit the model")
    if not all(a <= x <= b for a, x, b in zip(lower, point, upper, strict=True)):
        raise Fault("the point lies outside the box")
    return [
        (None if a == -np.inf else Fraction(a) - x, None if b == np.inf else Fraction(b) - x)
        for a, x, b in zip(lower, point, upper, strict=True)
    ]


def ends_of(radius: Fraction, scales: Sequence[Fraction], room: Room | None) -> tuple[list[Fraction], list[Fraction]]:
    """The lowest and highest δ of each coordinate in {‖δ/s‖_p ≤ r}, whatever p, and the room."""
    wide = [radius * s for s in scales]
    if room is None:
        return [-w for w in wide], wide
    pairs = list(zip(wide, room, strict=True))
    low = [-w if a is None else max(-w, a) for w, (a, _) in pairs]
    return low, [w if b is None else min(w, b) for w, (_, b) in pairs]


class Reach:
    """The set S = {δ : ‖δ/s‖_p ≤ r, δ in the room}, r > 0, with p = 1, 2 or ∞ and 0 in the room."""

    def __init__(self, radius: Fraction, p: float, scales: Sequence[Fraction], room: Room | None) -> None:
        if radius < 0:
            raise Fault("a radius must not be negative")
        self.radius, self.p, self.scales = radius, p, scales
        self.room = room if room is not None and any(end is not None for pair in room for end in pair) else None
        self.unit = math.lcm(*(s.denominator for s in scales))
        self.units = [int(s * self.unit) for s in scales]

    def bound(self, slope: Sequence[Any], denominator: int) -> tuple[Any, Any]:
        """Rationals (q, h) ≥ 0 with v·δ ≤ q + √h on S, v = slope/denominator; the maximum, or very nearly.

        In ‖·‖_p with scales alone the maximum is r‖s·v‖_q, which is rational but for p = 2. In a box, with
        w = |δ|/s ≤ cap and a = s·|v|, for every t > 0

            p = 1: Σ a w ≤ t r + Σ (a − t)⁺ cap,        p = 2: Σ a w ≤ r²/(2t) + Σ max {a w − w²/(2t) : w ≤ cap}.

        Floats choose t, integers evaluate it.
        """
        if self.p == np.inf and self.room is not None:
            caps, scale = self._sided(slope)[0]
            return flint.fmpq(sum(abs(int(v)) * w for v, w in zip(slope, caps, strict=True)), denominator * scale), NONE
        scaled = [abs(int(v)) * s for v, s in zip(slope, self.units, strict=True)]
        power = denominator * self.unit
        radius = flint.fmpq(self.radius.numerator, self.radius.denominator)
        if self.p != 2:
            whole = radius * flint.fmpq(max(scaled, default=0) if self.p == 1 else sum(scaled), power), NONE
        else:
            whole = NONE, radius * radius * flint.fmpq(sum(map(mul, scaled, scaled)), power * power)
        if self.room is None or not any(scaled):
            return whole
        q = self._in_room(slope, scaled, denominator)
        return (q, NONE) if q * q < whole[0] * whole[0] + whole[1] else whole

    def below(self, level: Any, slope: Sequence[Any], denominator: int) -> bool:
        """Whether level + v·δ < 0 on S, for a rational level at δ = 0."""
        if level >= 0:
            return False
        q, h = self.bound(slope, denominator)
        rest = -level - q
        return bool(rest > 0 and h < rest * rest)

    def _in_room(self, slope: Sequence[Any], scaled: list[int], denominator: int) -> Any:
        """The bound for p = 1 or 2 in a box, with slopes relative to the largest one and t in units of the radius."""
        (caps, scale), (rooms, bits) = self._sided(slope)
        top, power, sizes = max(scaled), denominator * self.unit, [abs(int(a)) for a in slope]
        v = np.array([a / top for a in scaled])
        above, below = self.radius.denominator, self.radius.numerator << bits
        relative = np.array([w * above / below for w in rooms])
        r = flint.fmpq(self.radius.numerator, self.radius.denominator)
        if self.p == 1:
            place = _price(v, relative)
            t = 0 if place is None else scaled[place]
            # a·cap = |v||δ| exactly; t·cap is subtracted, with a cap that is rounded downwards
            held = [i for i, a in enumerate(scaled) if a > t]
            price = flint.fmpq(t, power)
            fixed = flint.fmpq(sum(sizes[i] * caps[i] for i in held), denominator * scale)
            return price * r + fixed - price * flint.fmpq(sum(rooms[i] for i in held), 1 << bits)
        length = Fraction(_stretch(v, relative)) * self.radius
        m, n = length.numerator << bits, length.denominator * top
        # coordinates for which t·a ≥ cap for certain stop at their cap; for others the maximum over ℝ is a bound too
        held = [i for i, (a, w) in enumerate(zip(scaled, rooms, strict=True)) if m * a >= (w + 1) * n]
        free = sum(map(mul, scaled, scaled)) - sum(scaled[i] * scaled[i] for i in held)
        fixed = flint.fmpq(sum(sizes[i] * caps[i] for i in held), denominator * scale)
        taken = flint.fmpq(sum(rooms[i] * rooms[i] for i in held), 1 << 2 * bits)
        stretch = flint.fmpq(length.numerator, length.denominator)
        rest = (r * r - taken) / (2 * stretch) + stretch * flint.fmpq(free, 2 * top * top)
        return fixed + rest * flint.fmpq(top, power)

    def _sided(self, slope: Sequence[Any]) -> tuple[tuple[list[int], int], tuple[list[int], int]]:
        """How far δ may go where a slope rises, over a denominator, and δ/s, rounded downwards, over 2^bits."""
        (falls, rises, scale), (narrow, wide, bits) = self._caps
        up = [v > 0 for v in slope]
        caps = [b if rising else a for rising, a, b in zip(up, falls, rises, strict=True)]
        return (caps, scale), ([b if rising else a for rising, a, b in zip(up, narrow, wide, strict=True)], bits)

    @cached_property
    def _caps(self) -> tuple[tuple[list[int], list[int], int], tuple[list[int], list[int], int]]:
        low, high = ends_of(self.radius, self.scales, self.room)
        scale = math.lcm(*(end.denominator for end in (*low, *high)))
        falls, rises = [int(-a * scale) for a in low], [int(b * scale) for b in high]
        bits = scale.bit_length() + max((s.bit_length() for s in self.units), default=0) + DIGITS
        narrow, wide = (
            [(w * self.unit << bits) // (scale * s) for w, s in zip(side, self.units, strict=True)]
            for side in (falls, rises)
        )
        return (falls, rises, scale), (narrow, wide, bits)


def _price(v: FloatArray, room: FloatArray) -> int | None:
    """The coordinate at whose slope the steeper ones have used up the radius 1, None if all do not."""
    order = np.argsort(-v, kind="stable")
    place = int(np.searchsorted(np.cumsum(room[order]), 1.0))
    return int(order[place]) if place < len(v) else None


def _stretch(v: FloatArray, room: FloatArray) -> float:
    """The t > 0 for which min(t·v, room) is about 1 long; the largest v is 1."""
    held, t = np.zeros(len(v), dtype=np.bool_), 0.0
    for _ in range(len(v) + 1):
        left, steep = 1 - float((room[held] ** 2).sum()), float(np.linalg.norm(v[~held]))
        if not (left > 0 and steep > 0):
            return max(t, 1e15)
        t = math.sqrt(left) / steep
        found = t * v >= room
        if (found == held).all():
            break
        held = found
    return t

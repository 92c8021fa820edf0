"""Parts of the ball of a certificate in its box, cut and tied by splits, and linear functions on them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import flint
import numpy as np

from tropix.arrays import ObjectArray
from tropix.certify._check_balls import ZERO, ball, balls
from tropix.certify._check_reach import Room, ends_of


@dataclass(frozen=True, eq=False)
class Part:
    """The δ with ‖δ/s‖_p ≤ r and low ≤ δ ≤ high, at points where decided ties hold.

    ``ties`` by node: entries a and b of its source and a level t, with v_a − v_b ≥ t.
    """

    radius: Fraction
    p: float
    scales: list[Fraction]
    low: list[Fraction]
    high: list[Fraction]
    ties: dict[int, list[tuple[int, int, Fraction]]] = field(default_factory=dict)

    @classmethod
    def around(cls, radius: Fraction, p: float, scales: list[Fraction], room: Room | None) -> Part:
        """The ball within the room that a box leaves."""
        return cls(radius, p, scales, *ends_of(radius, scales, room))

    def cut(self, axis: int, at: Fraction) -> tuple[Part, Part]:
        """The parts below and above δ_axis = at."""
        high, low = list(self.high), list(self.low)
        high[axis], low[axis] = min(high[axis], at), max(low[axis], at)
        return replace(self, high=high), replace(self, low=low)

    def tied(self, node: int, first: int, second: int, level: Fraction) -> tuple[Part, Part]:
        """The parts where the difference of two entries is at least a level, and at most."""
        held = self.ties.get(node, [])
        sides = (first, second, level), (second, first, -level)
        one, other = ({**self.ties, node: [*held, side]} for side in sides)
        return replace(self, ties=one), replace(self, ties=other)

    @property
    def empty(self) -> bool:
        """Whether no δ of the ball lies between the ends."""
        ends = list(zip(self.low, self.high, self.scales, strict=True))
        if any(a > b for a, b, _ in ends):
            return True
        sizes = [max(a, -b, Fraction(0)) / s for a, b, s in ends]
        if self.p == 2:
            return sum(v * v for v in sizes) > self.radius**2
        return (sum(sizes) if self.p == 1 else max(sizes)) > self.radius

    def ends(self) -> tuple[ObjectArray, ObjectArray]:
        """Balls around low and high."""
        return balls(self.low), balls(self.high)

    def least(self, rows: ObjectArray) -> ObjectArray:
        """Lower bounds (R,) of rows·δ, rows (R, d) of exact balls.

        In the box: the better end of each coordinate. In a ball also, with a multiplier μ ≥ 0 of the radius and
        v = −row: −v·δ ≥ −μ r^p − Σ max {v δ − μ |δ/s|^p : low ≤ δ ≤ high}.
        """
        low, high = self.ends()
        bound = np.where(rows > 0, rows * low, rows * high).sum(axis=1)
        if self.p == np.inf or not rows.shape[1]:
            return np.asarray(bound)
        radius, scales = ball(self.radius), balls(self.scales)
        multipliers = self._multipliers(rows)
        for r, row in enumerate(rows):
            mu = flint.arb(float(multipliers[r]))
            if mu > 0:
                total = -mu * (radius * radius if self.p == 2 else radius)
                for v, s, a, b in zip(-row, scales, low, high, strict=True):
                    total -= _rise(v, mu, s, a, b, self.p)
                bound[r] = bound[r].max(total)
            if self.p == 2:  # Cauchy
                bound[r] = bound[r].max(-radius * sum((row * scales) ** 2, ZERO).sqrt())
        return np.asarray(bound)

    def _multipliers(self, rows: ObjectArray) -> np.ndarray:
        """Good μ (R,), in floats: any ones prove something."""
        v = np.abs(rows.astype(float) * np.array([float(s) for s in self.scales]))
        ends = [
            np.array([float(e / s) for e, s in zip(side, self.scales, strict=True)]) for side in (self.low, self.high)
        ]
        side = np.where(rows.astype(float) > 0, -ends[0], ends[1])
        nearest, farthest = np.maximum(ends[0], -ends[1]).clip(0), np.maximum(side, 0.0)
        floor, ceiling = np.zeros((len(v), 1)), 1e6 * v.max(axis=1, keepdims=True) / max(float(self.radius), 1e-300)
        ceiling = ceiling if self.p == 2 else v.max(axis=1, keepdims=True)
        for _ in range(90):
            middle = 0.5 * (floor + ceiling)
            with np.errstate(divide="ignore", invalid="ignore"):
                free = v / (2 * middle) if self.p == 2 else np.where(v > middle, np.inf, 0.0)
            size = np.clip(np.nan_to_num(free, nan=0.0, posinf=np.inf), nearest, np.maximum(farthest, nearest))
            long = ((size**self.p).sum(axis=1) > float(self.radius) ** self.p)[:, None]
            floor, ceiling = np.where(long, middle, floor), np.where(long, ceiling, middle)
        return np.asarray(ceiling[:, 0])


def _rise(v: Any, mu: Any, s: Any, low: Any, high: Any, p: float) -> Any:
    """An upper bound of v δ − μ |δ/s|^p for low ≤ δ ≤ high."""
    if p == 1:
        found = (v * low - mu * abs(low) / s).max(v * high - mu * abs(high) / s)
        return found if low > 0 or high < 0 else found.max(ZERO)
    best = v * s * s / (2 * mu)
    if best >= high:
        return v * high - mu * (high / s) ** 2
    if best <= low:
        return v * low - mu * (low / s) ** 2
    return v * best / 2

"""One input and its perturbations: margins in the ball, and the best multipliers against a mixture of rival pieces."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tropix.arrays import FloatArray
from tropix.boxes import Box
from tropix.certify._heads import CAP, UNIT, Heads
from tropix.kernels import best_multipliers, dual_norm, plane, snap, support


@dataclass(frozen=True, eq=False)
class Plane:
    """A bound of (q·y − F_c)(x+δ) by an affine function: height at x, slope v, and an error of ‖v‖_q."""

    multipliers: FloatArray
    height: float
    slope: FloatArray
    blur: float


@dataclass(frozen=True, eq=False)
class Ball:
    """The perturbations of a point x (d,) with a label, in the units of the norm: x' = x + s δ."""

    heads: Heads
    point: FloatArray
    label: int
    box: Box | None = None

    @cached_property
    def _at_point(self) -> tuple[FloatArray, FloatArray]:
        logits, errors = self.heads.logits(self.point[None, :])
        return logits[0], errors[0]

    @cached_property
    def room(self) -> tuple[FloatArray, FloatArray, bool]:
        """The least and largest δ in the box, (d,) each, and whether it limits any."""
        low, high, bounded = self.heads.room(self.point[None, :], self.box)
        return low[0], high[0], bounded

    def moved(self, shift: FloatArray) -> FloatArray:
        """The point x + s δ, in the box."""
        point = self.point + self.heads.norm.scales(self.heads.dimension) * shift
        return point if self.box is None else np.clip(point, self.box.lower, self.box.upper)

    def excess(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """F_k − F_c at points (n, d) for all k, (n, K), −∞ for the label; and bounds (n,) of its errors."""
        logits, errors = self.heads.logits(points)
        values = self.heads.values(logits)
        found = values - values[:, self.label : self.label + 1]
        found[:, self.label] = -np.inf
        widest = int(np.diff(self.heads.offsets).max())
        error = 2 * errors.max(axis=1) + 16 * UNIT * (np.abs(values).max(axis=1) + widest * self.heads.eps.max())
        return found, error

    def gibbs(self, point: FloatArray, k: int) -> FloatArray:
        """The weights of the rival's pieces at a point."""
        return np.asarray(self.heads.gibbs(self.heads.logits(point[None, :])[0], k)[0])

    def best(self, k: int, mixture: FloatArray, radius: float, tolerance: float) -> tuple[Plane, FloatArray]:
        """The best plane above q·y − F_c on the ball, and about the δ where the maximum is."""
        heads, own = self.heads, self.heads.part(self.label)
        logits, _ = self._at_point
        target = mixture @ heads.slopes[heads.part(k)]
        multipliers, shift = np.empty(own.stop - own.start), np.empty(heads.dimension)
        low, high, _ = self.room
        best_multipliers(
            heads.slopes[own], logits[own], float(heads.eps[self.label]), target, heads.norm.code, radius, low, high,
            tolerance, multipliers, shift,
        )  # fmt: skip
        snap(multipliers)
        length = float(np.linalg.norm(shift, ord=heads.norm.p))
        if length > radius:  # the barrier stopped where rounding hid the way
            shift *= radius / length
        return self.plane(k, mixture, multipliers), shift

    def plane(self, k: int, mixture: FloatArray, multipliers: FloatArray) -> Plane:
        """The plane that multipliers give, rounded upwards."""
        heads, own, rival = self.heads, self.heads.part(self.label), self.heads.part(k)
        logits, errors = self._at_point
        slope = np.empty(heads.dimension)
        target, level = mixture @ heads.slopes[rival], float(mixture @ logits[rival])
        count = rival.stop - rival.start
        level_error = float(mixture @ errors[rival]) + (count + 2) * UNIT * float(mixture @ np.abs(logits[rival]))
        target_norm = (count + 2) * float(mixture @ heads.norms[rival])
        height, blur = plane(
            multipliers, heads.slopes[own], logits[own], errors[own], heads.norms[own], float(heads.eps[self.label]),
            target, level, level_error, target_norm, slope,
        )  # fmt: skip
        return Plane(multipliers, height, slope, blur)

    def ceiling(self, bound: Plane, radius: float) -> float:
        """The largest value of a plane on the ball, rounded upwards."""
        low, high, bounded = self.room
        p = self.heads.norm.code
        rise = support(bound.slope, p, radius, low, high) if bounded else radius * dual_norm(bound.slope, p)
        total = bound.height + rise * (1 + (self.heads.dimension + 8) * UNIT) + radius * bound.blur
        return float(total + 4 * UNIT * abs(total))

    def reach(self, bound: Plane, level: float) -> float:
        """The radius at which the largest value of a plane, plus a level, is 0."""
        height = bound.height + level
        if height >= 0:
            return 0.0
        if not self.room[2]:
            length = dual_norm(bound.slope, self.heads.norm.code)
            return min(CAP, -height / length) if length > 0 else CAP
        floor, ceiling = 0.0, 1.0
        while self.ceiling(bound, ceiling) + level < 0:
            floor, ceiling = ceiling, 4 * ceiling
            if ceiling > CAP:
                return CAP
        for _ in range(60):
            middle = (floor + ceiling) / 2
            if self.ceiling(bound, middle) + level < 0:
                floor = middle
            else:
                ceiling = middle
        return floor

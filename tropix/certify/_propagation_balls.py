"""Balls of a norm inside the boxes of a batch: affine functions are least there, not at corners of the boxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tropix.arrays import FloatArray
from tropix.boxes import Box
from tropix.certify._norms import Norm

UNIT = 2.0**-53


@dataclass(frozen=True, eq=False)
class Balls:
    """The points with ‖(x − centre)/s‖ ≤ radius: centres (B, d), radii (B,)."""

    centres: FloatArray
    radii: FloatArray
    norm: Norm

    def boxes(self, box: Box | None) -> tuple[FloatArray, FloatArray]:
        """The smallest boxes (B, d) around the balls in the valid inputs, rounded outwards."""
        reach = self.radii[:, None] * self.norm.scales(self.centres.shape[1]) * (1 + 4 * UNIT)
        lower = np.where(reach > 0, np.nextafter(self.centres - reach, -np.inf), self.centres)
        upper = np.where(reach > 0, np.nextafter(self.centres + reach, np.inf), self.centres)
        return (lower, upper) if box is None else (np.maximum(lower, box.lower), np.minimum(upper, box.upper))

    def take(self, index: np.ndarray) -> Balls:
        """Some of the balls."""
        return Balls(self.centres[index], self.radii[index], self.norm)

    def least(self, slopes: FloatArray, constant: FloatArray, lower: FloatArray, upper: FloatArray) -> FloatArray:
        """Lower bounds (B, R) of slopes·x + constant over the balls within boxes (B, d), rounded downwards.

        Where no box cuts a ball, by Hölder's inequality; else by a multiplier of the radius.
        """
        from tropix.kernels import ball_supports

        d = self.centres.shape[1]
        scales = self.norm.scales(d)
        moved = slopes * scales
        with np.errstate(invalid="ignore", over="ignore"):
            low, high = (lower - self.centres) / scales, (upper - self.centres) / scales
            slack = 4 * UNIT * (np.abs(self.centres) / scales + self.radii[:, None])
            low, high = low - slack, high + slack
            cut = ((low > -self.radii[:, None]) | (high < self.radii[:, None])).any(axis=1)
            q = {1.0: np.inf, 2.0: 2.0, np.inf: 1.0}[self.norm.p]
            depth = np.linalg.norm(moved, ord=q, axis=2) * self.radii[:, None]
            if cut.any():
                part = ball_supports(-moved[cut], self.norm.code, self.radii[cut], low[cut], high[cut])
                depth[cut] = np.minimum(depth[cut], part)
            middle = (slopes @ self.centres[:, :, None])[..., 0]
            size = np.maximum(np.abs(low), np.abs(high)) + self.radii[:, None]
            weight = (np.abs(slopes) @ np.abs(self.centres)[:, :, None])[..., 0] + np.abs(constant)
            weight = weight + (np.abs(moved) @ size[:, :, None])[..., 0] + np.abs(depth)
            bound = middle + constant - depth - (8 * d + 64) * UNIT * weight
        return np.where(np.isnan(bound), -np.inf, bound)

    def lowest(self, slopes: FloatArray, lower: FloatArray, upper: FloatArray) -> FloatArray:
        """About where slopes·x is least, (B, R, d)."""
        moved = slopes * self.norm.scales(slopes.shape[2])
        if self.norm.p == 2:
            direction = moved / np.maximum(np.linalg.norm(moved, axis=2, keepdims=True), 1e-300)
        elif self.norm.p == 1:
            top = np.abs(moved).argmax(axis=2)[..., None]
            direction = np.zeros_like(moved)
            np.put_along_axis(direction, top, np.sign(np.take_along_axis(moved, top, axis=2)), axis=2)
        else:
            direction = np.sign(moved)
        shift = self.radii[:, None, None] * self.norm.scales(slopes.shape[2]) * direction
        return np.asarray(np.clip(self.centres[:, None] - shift, lower[:, None], upper[:, None]))

"""Least distances to polyhedra with the multipliers that prove them, in floats: they propose, the check decides.

min {‖δ‖_p : G δ ≥ h} has the dual max {h·λ : ‖Gᵀλ‖_q ≤ 1, λ ≥ 0}. For p = 2 it is a nonnegative least-squares problem
(Lawson and Hanson, *Solving Least Squares Problems*, 1974, chapter 23), for 1 and ∞ a linear program.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tropix.arrays import FloatArray, IntArray
from tropix.kernels import EMPTY, OPTIMAL, distance_program

FAR = 1e13
"""Larger distances are as good as none."""
TINY = 1e-300


@dataclass(frozen=True, eq=False)
class Distance:
    """What multipliers (1 + m,) prove, on one row and those of a polyhedron, and a δ (d,) near which it is attained."""

    bound: float
    multipliers: FloatArray
    shift: FloatArray | None


def dual_lengths(rows: FloatArray, p: float) -> FloatArray:
    """‖row‖_q for each row, 1/p + 1/q = 1."""
    if p == 2:
        return np.asarray(np.sqrt((rows * rows).sum(axis=-1)))
    sizes = np.abs(rows)
    return np.asarray(sizes.max(axis=-1, initial=0.0) if p == 1 else sizes.sum(axis=-1))


@dataclass(frozen=True, eq=False)
class Polyhedron:
    """{slopes·δ + levels ≥ 0, low ≤ δ ≤ high} with rows of size one, and the rows (m,) that are no constants.

    ``normals`` and ``limits`` say normals·δ ≥ limits; behind those of the rows come those of finite ends.
    ``contradiction`` is a constant row that is negative.
    """

    p: float
    rows: IntArray
    lengths: FloatArray
    normals: FloatArray
    limits: FloatArray
    contradiction: int | None

    @classmethod
    def of(cls, table: FloatArray, p: float, room: FloatArray) -> Polyhedron:
        """From rows (m, d+1) of slopes and levels, and the ends (2, d)."""
        slopes, levels = table[:, :-1], table[:, -1]
        lengths = dual_lengths(slopes, p)
        rows = np.flatnonzero(lengths > 0)
        low, high = (np.flatnonzero(np.isfinite(end)) for end in room)
        unit = np.eye(slopes.shape[1])
        normals = np.concatenate([slopes[rows] / lengths[rows, None], unit[low], -unit[high]])
        limits = np.concatenate([-levels[rows] / lengths[rows], room[0][low], -room[1][high]])
        wrong = np.flatnonzero((lengths == 0) & (levels < 0))
        return cls(p, rows, lengths, normals, limits, int(wrong[0]) if wrong.size else None)

    def distance(self, row: FloatArray) -> Distance:
        """The distance from 0 to the part where one more row (d+1) is ≥ 0.

        The bound is computed from the multipliers, so that it is as good as they are, whatever the solver did.
        """
        multipliers = np.zeros(1 + len(self.lengths))
        length = float(dual_lengths(row[:-1], self.p))
        if self.contradiction is not None or (length == 0.0 and row[-1] < 0):
            multipliers[0 if self.contradiction is None else 1 + self.contradiction] = 1.0
            return Distance(np.inf, multipliers, None)
        normals, limits, count = self.normals, self.limits, len(self.rows)
        if length > 0.0:
            normals = np.concatenate([normals, row[None, :-1] / length])
            limits = np.append(limits, -row[-1] / length)
        counted = np.append(np.arange(count), np.arange(len(self.limits), len(limits)))
        unit = float(limits[counted].max(initial=0.0))
        if unit <= TINY:
            return Distance(0.0, multipliers, np.zeros(len(row) - 1))
        limits = limits / unit
        alone = np.zeros(len(limits))
        alone[counted[limits[counted].argmax()]] = 1.0  # all weight on the row that is farthest away
        weights, shift = (_by_least_squares if self.p == 2 else _by_linear_program)(normals, limits, self.p)
        bound = 0.0 if weights is None else _proved(normals, limits, weights, self.p)
        if weights is None or bound < 1.0 - 1e-12:
            bound, weights = 1.0, alone
        multipliers[1 + self.rows] = weights[:count] / self.lengths[self.rows]
        if length > 0.0:
            multipliers[0] = weights[-1] / length
        multipliers /= multipliers.max()
        return Distance(bound * unit, multipliers, None if shift is None or bound * unit >= FAR else shift * unit)


def _proved(normals: FloatArray, limits: FloatArray, weights: FloatArray, p: float) -> float:
    value, length = float(limits @ weights), float(dual_lengths(weights @ normals, p))
    if value <= 0:
        return 0.0
    return value / length if length > 0 else np.inf


def _by_least_squares(normals: FloatArray, limits: FloatArray, p: float) -> tuple[FloatArray | None, FloatArray | None]:
    from scipy.optimize import nnls

    system = np.concatenate([normals.T, limits[None, :]])
    goal = np.zeros(len(system))
    goal[-1] = 1.0
    try:
        weights = nnls(system, goal)[0]
    except RuntimeError:  # too many steps
        return None, None
    weights = _polished(normals, limits, weights)
    normal = weights @ normals
    length = float(normal @ normal)
    return weights, normal * (float(limits @ weights) / length if length > TINY else 0.0)


def _polished(normals: FloatArray, limits: FloatArray, weights: FloatArray) -> FloatArray:
    """The multipliers of the nearest point of the active rows' intersection, if they prove more."""
    active = np.flatnonzero(weights > 0)
    rows, right = normals[active], limits[active]
    normal = weights[active] @ rows
    length, value = float(normal @ normal), float(right @ weights[active])
    if not active.size or length <= TINY or value <= 0:
        return weights
    if np.abs(rows @ normal * (value / length) - right).max() <= 1e-11 * (1 + value / np.sqrt(length)):
        return weights
    nearest = np.linalg.lstsq(rows, right, rcond=None)[0]
    fresh = np.zeros_like(weights)
    fresh[active] = np.maximum(np.linalg.lstsq(rows.T, nearest, rcond=None)[0], 0.0)
    return fresh if _proved(normals, limits, fresh, 2.0) > _proved(normals, limits, weights, 2.0) else weights


def _by_linear_program(
    normals: FloatArray, limits: FloatArray, p: float
) -> tuple[FloatArray | None, FloatArray | None]:
    status, weights, shift = distance_program(normals, limits, p == 1)
    if status in (OPTIMAL, EMPTY):
        return weights, shift if status == OPTIMAL else None
    return None, None

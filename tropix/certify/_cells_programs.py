"""Least distances to polyhedra with the multipliers that prove them, in floats: they propose, the check decides.

min {‖δ‖_p : G δ ≥ h, low ≤ δ ≤ high} has the dual max {(h·λ + low·α − high·β) : ‖Gᵀλ + α − β‖_q ≤ 1}. For p = 2 it is
a nonnegative least-squares problem (Lawson and Hanson, *Solving Least Squares Problems*, 1974, chapter 23); for 1 and ∞
the dual, which always has a solution once Σ λ is bounded, is given to HiGHS.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from tropix.arrays import FloatArray

FAR = 1e13
"""Larger distances are as good as none."""
MOST_WEIGHT = 1e7
"""Bound of the multipliers of linear programs, the rows being of size one."""
SUSPICIOUS = 1e4
"""Larger multipliers may belong to an empty polyhedron."""
TINY = 1e-300


@dataclass(frozen=True, eq=False)
class Distance:
    """What multipliers (m,) on the rows prove, and a point δ (d,) near which it is attained, if there is one."""

    bound: float
    multipliers: FloatArray
    shift: FloatArray | None


def dual_lengths(rows: FloatArray, p: float) -> FloatArray:
    """‖row‖_q for each row, 1/p + 1/q = 1."""
    if p == 2:
        return np.asarray(np.sqrt((rows * rows).sum(axis=-1)))
    sizes = np.abs(rows)
    return np.asarray(sizes.max(axis=-1, initial=0.0) if p == 1 else sizes.sum(axis=-1))


def least_distance(slopes: FloatArray, levels: FloatArray, p: float, room: FloatArray) -> Distance:
    """The distance from 0 to {slopes·δ + levels ≥ 0, room[0] ≤ δ ≤ room[1]}; slopes (m, d), levels (m,), room (2, d).

    The bound is computed from the multipliers, so that it is as good as they are, whatever the solver did.
    """
    lengths = dual_lengths(slopes, p)
    multipliers = np.zeros(len(levels))
    impossible = np.flatnonzero((lengths == 0) & (levels < 0))
    if impossible.size:
        multipliers[impossible[0]] = 1.0
        return Distance(np.inf, multipliers, None)
    rows = np.flatnonzero(lengths > 0)
    normals, limits = slopes[rows] / lengths[rows, None], -levels[rows] / lengths[rows]
    unit = float(limits.max(initial=0.0))
    if unit <= TINY:
        return Distance(0.0, multipliers, np.zeros(slopes.shape[1]))
    limits /= unit
    low, high = (np.flatnonzero(np.isfinite(end)) for end in room)
    walls = np.concatenate([np.eye(slopes.shape[1])[low], -np.eye(slopes.shape[1])[high]])
    table = np.concatenate([normals, walls])
    right = np.concatenate([limits, room[0][low] / unit, -room[1][high] / unit])
    solve = _by_least_squares if p == 2 else _by_linear_program
    weights, shift = solve(table, right, len(rows), p)
    bound, weights = max(
        ((_proved(table, right, w, p), w) for w in (weights, _single(right, len(rows)))), key=lambda pair: pair[0]
    )
    multipliers[rows] = weights[: len(rows)] / lengths[rows]
    largest = multipliers.max(initial=0.0)
    if largest > 0:
        multipliers /= largest
    reached = shift is not None and bound * unit < FAR
    return Distance(bound * unit, multipliers, shift * unit if reached and shift is not None else None)


def _proved(table: FloatArray, right: FloatArray, weights: FloatArray, p: float) -> float:
    value, length = float(right @ weights), float(dual_lengths(weights @ table, p))
    if value <= 0:
        return 0.0
    return value / length if length > 0 else np.inf


def _single(right: FloatArray, count: int) -> FloatArray:
    """All weight on the row that is farthest away on its own."""
    weights = np.zeros(len(right))
    weights[right[:count].argmax()] = 1.0
    return weights


def _by_least_squares(table: FloatArray, right: FloatArray, count: int, p: float) -> tuple[FloatArray, FloatArray]:
    from scipy.optimize import nnls

    system = np.concatenate([table.T, right[None, :]])
    goal = np.zeros(len(system))
    goal[-1] = 1.0
    try:
        weights = nnls(system, goal)[0]
    except RuntimeError:  # too many steps
        weights = _single(right, count)
    weights = _polished(table, right, weights)
    normal = weights @ table
    length = float(normal @ normal)
    return weights, normal * (float(right @ weights) / length if length > TINY else 0.0)


def _polished(table: FloatArray, right: FloatArray, weights: FloatArray) -> FloatArray:
    """The multipliers of the nearest point of the active rows' intersection, if they prove more."""
    active = np.flatnonzero(weights > 0)
    rows, limits = table[active], right[active]
    normal = weights[active] @ rows
    length = float(normal @ normal)
    value = float(limits @ weights[active])
    if not active.size or length <= TINY or value <= 0:
        return weights
    if np.abs(rows @ normal * (value / length) - limits).max() <= 1e-11 * (1 + value / np.sqrt(length)):
        return weights
    nearest = np.linalg.lstsq(rows, limits, rcond=None)[0]
    fresh = np.zeros_like(weights)
    fresh[active] = np.maximum(np.linalg.lstsq(rows.T, nearest, rcond=None)[0], 0.0)
    return fresh if _proved(table, right, fresh, 2.0) > _proved(table, right, weights, 2.0) else weights


@cache
def _solver() -> Any:
    import highspy

    solver = highspy.Highs()
    for name, value in (
        ("output_flag", False),
        ("threads", 1),
        ("presolve", "off"),
        ("solver", "simplex"),
        ("primal_feasibility_tolerance", 1e-10),
        ("dual_feasibility_tolerance", 1e-10),
    ):
        solver.setOptionValue(name, value)
    return solver


def _by_linear_program(
    table: FloatArray, right: FloatArray, count: int, p: float
) -> tuple[FloatArray, FloatArray | None]:
    weights, shift = _dual(table, right, p, 1.0)
    if weights is None:
        return _single(right, count), None
    if weights.sum() > SUSPICIOUS:  # perhaps the polyhedron is empty: multipliers with Gᵀλ + α − β = 0 say so
        ray, _ = _dual(table, right, p, 0.0)
        if ray is not None and _proved(table, right, ray, p) > _proved(table, right, weights, p):
            return ray, None
    return weights, shift


def _dual(table: FloatArray, right: FloatArray, p: float, length: float) -> tuple[FloatArray | None, FloatArray | None]:
    """The best multipliers with ‖tableᵀλ‖_q ≤ length and Σ λ bounded, and the row duals δ.

    Columns are λ, and for p = ∞ the parts u − v of tableᵀλ; rows tableᵀλ, Σ λ, and for p = ∞ the sum of u + v.
    """
    import highspy

    m, d = table.shape
    parts = 2 * d if p == np.inf else 0
    matrix = np.zeros((d + 1 + (parts > 0), m + parts))
    matrix[:d, :m], matrix[d, :m] = table.T, 1.0
    limit = np.full(d, length if p == 1 else 0.0)
    upper = np.append(limit, MOST_WEIGHT if length else 1.0)
    if parts:
        matrix[:d, m : m + d], matrix[:d, m + d :] = -np.eye(d), np.eye(d)
        matrix[d + 1, m:] = 1.0
        upper = np.append(upper, length)
    problem: Any = highspy.HighsLp()
    problem.num_col_, problem.num_row_ = matrix.shape[1], matrix.shape[0]
    problem.col_cost_ = np.concatenate([-right, np.zeros(parts)])
    problem.col_lower_, problem.col_upper_ = np.zeros(m + parts), np.full(m + parts, np.inf)
    problem.row_lower_ = np.concatenate([-limit, np.full(len(matrix) - d, -np.inf)])
    problem.row_upper_ = upper
    columns, places = np.nonzero(matrix.T)
    problem.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    problem.a_matrix_.start_ = np.searchsorted(columns, np.arange(matrix.shape[1] + 1)).astype(np.int32)
    problem.a_matrix_.index_, problem.a_matrix_.value_ = places.astype(np.int32), matrix.T[columns, places]
    solver = _solver()
    solver.passModel(problem)
    solver.run()
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return None, None
    solution = solver.getSolution()
    return np.maximum(np.array(solution.col_value)[:m], 0.0), -np.array(solution.row_dual)[:d]

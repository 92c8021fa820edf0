"""Distances to polyhedra in the norms 1 and ∞: linear programs by the dual simplex method, from the origin outwards.

    min { ‖δ‖ : G δ ≥ h }

At δ = 0 a basis of the norm's own inequalities is dual feasible, so that no first phase is needed: the most violated
row enters until none is violated, which takes about as many steps as there are rows that matter.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from tropix.arrays import FloatArray

TOLERANCE = 1e-12
PIVOT = 1e-10
OPTIMAL, EMPTY, STUCK = 0, 1, 2


def distance_program(rows: FloatArray, limits: FloatArray, one: bool) -> tuple[int, FloatArray, FloatArray]:
    """Solve one program for rows G (m, d) of size about one and h (m,), in the norm 1 or else ∞.

    Returns a status, multipliers λ (m,) ≥ 0 and δ (d,). `OPTIMAL`: ‖Gᵀλ‖ = 1 in the dual norm, h·λ = ‖δ‖. `EMPTY`: the
    polyhedron is empty, Gᵀλ ≈ 0 and h·λ > 0. `STUCK`: too many steps.
    """
    multipliers, shift = np.zeros(len(limits)), np.zeros(rows.shape[1])
    status = _solve(np.ascontiguousarray(rows), np.ascontiguousarray(limits), one, multipliers, shift)
    return int(status), multipliers, shift


def distance_program_numpy(rows: FloatArray, limits: FloatArray, one: bool) -> float:
    """The least distance by scipy's linear programming, ∞ for an empty polyhedron: the specification."""
    from scipy.optimize import linprog

    d = rows.shape[1]
    unit = np.eye(d)
    sizes = unit if one else np.ones((d, 1))
    zero = np.zeros((len(rows), sizes.shape[1]))
    table = np.vstack([np.hstack([-rows, zero]), np.hstack([unit, -sizes]), np.hstack([-unit, -sizes])])
    right = np.concatenate([-limits, np.zeros(2 * d)])
    cost = np.concatenate([np.zeros(d), np.ones(sizes.shape[1])])
    answer = linprog(cost, A_ub=table, b_ub=right, bounds=(None, None))
    return float(answer.fun) if answer.status == 0 else np.inf


@njit(cache=True, nogil=True, error_model="numpy")
def _solve(rows, limits, one, multipliers, shift):  # type: ignore[no-untyped-def]
    """Variables are δ and τ ≥ |δ_i| for ∞, the parts δ⁺ and δ⁻ for 1; inequality m + i is the i-th one of the norm.

    ``inverse`` holds the columns of the basis's inverse as its rows; ``weights`` are the multipliers of the basis.
    """
    m, d = rows.shape
    n = 2 * d if one else d + 1
    basis, weights = np.empty(n, dtype=np.int64), np.zeros(n)
    inverse, step, entering_row, y = np.zeros((n, n)), np.empty(n), np.zeros(n), np.empty(n)
    for j in range(n):
        basis[j] = m + j
        if one:
            inverse[j, j] = 1.0
            weights[j] = 1.0
        elif j < d:
            inverse[j, j] = -1.0
    if not one:  # τ − δ_i for all i, and τ + δ_0
        for i in range(n):
            inverse[0, i] = 0.5
            inverse[d, i] = 0.5
        inverse[0, 0] = -0.5
        weights[0] = 0.5
        weights[d] = 0.5
    for _ in range(60 * n + 20 * m):
        for i in range(n):
            y[i] = 0.0
        for j in range(n):
            if basis[j] < m and limits[basis[j]] != 0.0:
                for i in range(n):
                    y[i] += limits[basis[j]] * inverse[j, i]
        size = 0.0
        for i in range(d):
            shift[i] = y[i] - y[d + i] if one else y[i]
            size = max(size, abs(shift[i]))
        worst, entering = TOLERANCE * (1.0 + size), -1
        for k in range(m):
            gap = limits[k]
            for i in range(d):
                gap -= rows[k, i] * shift[i]
            if gap > worst:
                worst, entering = gap, k
        for i in range(2 * d):
            bound = y[i] if one else y[d] - y[i] if i < d else y[d] + y[i - d]
            gap = -bound
            if gap > worst:
                worst, entering = gap, m + i
        if entering < 0:
            for j in range(n):
                if basis[j] < m:
                    multipliers[basis[j]] = max(weights[j], 0.0)
            return OPTIMAL
        for i in range(n):
            entering_row[i] = 0.0
        if entering < m:
            for i in range(d):
                entering_row[i] = rows[entering, i]
                if one:
                    entering_row[d + i] = -rows[entering, i]
        elif one:
            entering_row[entering - m] = 1.0
        else:
            entering_row[d] = 1.0
            i = entering - m
            entering_row[i if i < d else i - d] = -1.0 if i < d else 1.0
        leaving, ratio, pivot = -1, np.inf, 0.0
        for j in range(n):
            total = 0.0
            for i in range(n):
                total += inverse[j, i] * entering_row[i]
            step[j] = total
            if total > PIVOT:
                here = max(weights[j], 0.0) / total
                if here < ratio - 1e-13 or (here <= ratio + 1e-13 and total > pivot):
                    leaving, ratio, pivot = j, min(here, ratio), total
        if leaving < 0:
            for j in range(n):
                if basis[j] < m:
                    multipliers[basis[j]] = max(-step[j], 0.0)
            if entering < m:
                multipliers[entering] = 1.0
            return EMPTY
        ratio = max(weights[leaving], 0.0) / pivot
        for i in range(n):
            inverse[leaving, i] /= pivot
        for j in range(n):
            if j != leaving:
                weights[j] -= ratio * step[j]
                if step[j] != 0.0:
                    for i in range(n):
                        inverse[j, i] -= step[j] * inverse[leaving, i]
        weights[leaving] = ratio
        basis[leaving] = entering
    return STUCK

"""Small linear programs by the thousand: how far is a cell of a common refinement from being empty?

For max-affine functions p_g(x) = max_k (w_gk·x + c_gk), g = 1…G, and a choice of one row (v_g, b_g) for each of them,

    z* = min { z : (w_gk − v_g)·x + (c_gk − b_g) ≤ z for all g, k;  lower ≤ x ≤ upper }.

z* < 0 exactly if the chosen rows are strictly the largest together at some x. The dual, which is solved,

    max { Σ λ_gk (c_gk − b_g) − upper·α + lower·β : Σ λ_gk (w_gk − v_g) + α − β = 0, Σ λ = 1, λ, α, β ≥ 0 },

has d + 1 rows and few iterations, so that pricing against the shared table of columns is nearly all the work.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from tropix.arrays import FloatArray, IntArray
from tropix.kernels._threads import over_rows

TOLERANCE = 1e-9
NOISE = 1e-13
"""Columns whose reduced cost exceeds TOLERANCE + NOISE·|x|₁ enter the basis; rows are expected to be of size one."""


def cell_programs(
    table: FloatArray, offsets: IntArray, bases: FloatArray, skipped: IntArray, ends: FloatArray, far: float
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Solve one program for each of Q choices; returns z* (Q,), the points x (Q, d), and the dual's bases (Q, d+1).

    ``table`` (d+1, M) holds the rows (w, c) of all functions as columns, function g in ``offsets[g]:offsets[g+1]``;
    ``bases`` (Q, G, d+1) the chosen rows, which need not be in the table, and ``skipped`` (Q, G) their columns in it
    (−1 where they are not). ``ends`` (2, d) are the lower and upper ends, infinite where there are none; |x| ≤ ``far``
    holds in any case. Basis entries are columns of the table, then M + i for the upper and M + d + i for the lower end
    of coordinate i, and M + 2d + i or more where ``far`` bounds it. A program that took too many steps has z* = NaN.
    """
    count, dimension = len(bases), len(table) - 1
    gaps, points = np.empty(count), np.empty((count, dimension))
    columns = np.empty((count, dimension + 1), dtype=np.int64)
    bounds = np.concatenate([ends[1], -ends[0], np.full(2 * dimension, far)])

    def run(start: int, stop: int) -> None:
        part = slice(start, stop)
        _solve(table, offsets, bases[part], skipped[part], bounds, gaps[part], points[part], columns[part])

    over_rows(run, count, count * table.size * 8)
    return gaps, points, columns


def cell_programs_numpy(
    table: FloatArray, offsets: IntArray, bases: FloatArray, skipped: IntArray, ends: FloatArray, far: float
) -> FloatArray:
    """The optimal values z* (Q,) by scipy's linear programming: the specification of `cell_programs`."""
    from scipy.optimize import linprog

    dimension = len(table) - 1
    owner = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    bounds = [(max(low, -far), min(high, far)) for low, high in ends.T] + [(None, None)]
    gaps = np.empty(len(bases))
    for q, (chosen, without) in enumerate(zip(bases, skipped, strict=True)):
        rows = (table.T - chosen[owner])[~np.isin(np.arange(table.shape[1]), without)]
        left = np.column_stack([rows[:, :-1], -np.ones(len(rows))])
        answer = linprog(np.append(np.zeros(dimension), 1.0), A_ub=left, b_ub=-rows[:, -1], bounds=bounds)
        gaps[q] = answer.fun
    return gaps


@njit(cache=True, nogil=True, error_model="numpy")
def _solve(table, offsets, bases, skipped, bounds, gaps, points, columns):  # type: ignore[no-untyped-def]
    size, count = table.shape
    dimension = size - 1
    groups = len(offsets) - 1
    inverse = np.empty((size, size))
    column, step, multipliers = np.empty(size), np.empty(size), np.empty(size)
    costs = np.empty(size)
    values = np.empty(count)
    for q in range(len(bases)):
        chosen, without, basis, x = bases[q], skipped[q], columns[q], points[q]
        # The start: one row of the table, and for each coordinate the far bound that balances it.
        first_group = 0
        while offsets[first_group + 1] - offsets[first_group] <= (1 if without[first_group] >= 0 else 0):
            first_group += 1
        first = offsets[first_group]
        if first == without[first_group]:
            first += 1
        for i in range(size):  # loops, not slices: those compile to a second of code for error messages
            for j in range(size):
                inverse[i, j] = 0.0
        inverse[0, dimension] = 1.0
        basis[0] = first
        costs[0] = table[dimension, first] - chosen[first_group, dimension]
        for i in range(dimension):
            slope = table[i, first] - chosen[first_group, i]
            sign = -1.0 if slope > 0 else 1.0
            inverse[i + 1, i] = sign
            inverse[i + 1, dimension] = -sign * slope
            basis[i + 1] = count + (2 if sign > 0 else 3) * dimension + i
            costs[i + 1] = -bounds[(2 if sign > 0 else 3) * dimension + i]
        gaps[q] = np.nan
        for _ in range(100 + 40 * size):
            for i in range(size):
                total = 0.0
                for j in range(size):
                    total += costs[j] * inverse[j, i]
                multipliers[i] = total
            level = multipliers[dimension]
            for i in range(dimension):
                x[i] = -multipliers[i]
            # Pricing: every row at x, against the chosen row of its function.
            for k in range(count):
                values[k] = table[dimension, k]
            for i in range(dimension):
                factor = x[i]
                for k in range(count):
                    values[k] += factor * table[i, k]
            best, entering = TOLERANCE, -1
            for i in range(dimension):
                best += NOISE * abs(x[i])
            for g in range(groups):
                reference = chosen[g, dimension] + level
                for i in range(dimension):
                    reference += x[i] * chosen[g, i]
                if without[g] >= 0:
                    values[without[g]] = -np.inf
                for k in range(offsets[g], offsets[g + 1]):
                    excess = values[k] - reference
                    if excess > best:
                        best, entering = excess, k
            for e in range(4 * dimension):
                i = e % dimension
                excess = (x[i] if (e // dimension) % 2 == 0 else -x[i]) - bounds[e]
                if excess > best:
                    best, entering = excess, count + e
            if entering < 0:
                gaps[q] = level
                break
            for i in range(size):
                column[i] = 0.0
            if entering < count:
                group = 0
                while entering >= offsets[group + 1]:
                    group += 1
                for i in range(dimension):
                    column[i] = table[i, entering] - chosen[group, i]
                column[dimension] = 1.0
                cost = table[dimension, entering] - chosen[group, dimension]
            else:
                end = entering - count
                column[end % dimension] = 1.0 if (end // dimension) % 2 == 0 else -1.0
                cost = -bounds[end]
            leaving, ratio, pivot = -1, np.inf, 0.0
            for i in range(size):
                total = 0.0
                level_i = inverse[i, dimension]
                for j in range(size):
                    total += inverse[i, j] * column[j]
                step[i] = total
                if total > 1e-11:
                    here = max(level_i, 0.0) / total
                    if here < ratio - 1e-12 or (here <= ratio + 1e-12 and total > pivot):
                        leaving, ratio, pivot = i, min(here, ratio), total
            if leaving < 0:
                break
            for j in range(size):
                inverse[leaving, j] /= pivot
            for i in range(size):
                if i != leaving and step[i] != 0.0:
                    factor = step[i]
                    for j in range(size):
                        inverse[i, j] -= factor * inverse[leaving, j]
            basis[leaving] = entering
            costs[leaving] = cost

"""Small linear programs over the rows of a cell, in polar form, and what they prove in floating point.

A cell is {x : a_j·x + b_j ≤ 0}. With p inside and s_j = −(a_j·p + b_j) > 0, row j carries a facet exactly if
v_j = a_j / s_j is a vertex of conv({0} ∪ {v_k}) (polarity). A point beyond row j alone proves that it does; multipliers
λ ≥ 0 with v_j = Σ λ_k v_k and Σ λ_k < 1 prove that it does not.
"""

from __future__ import annotations

import numpy as np
from numba import njit

UNIT = 2.0**-53
TINY = 1e-300
NEAR, FAR = 16.0, 1e7
"""Half-widths of the boxes, in units of the cell, that keep programs over unbounded cells finite: near ones first."""


@njit(cache=True, nogil=True, error_model="numpy")
def _invert(matrix, inverse, size):  # type: ignore[no-untyped-def]
    """Gauss–Jordan with pivoting on a copy; whether it succeeded."""
    work = matrix.copy()
    for i in range(size):
        for j in range(size):
            inverse[i, j] = 1.0 if i == j else 0.0
    for k in range(size):
        pivot = k
        for i in range(k + 1, size):
            if abs(work[i, k]) > abs(work[pivot, k]):
                pivot = i
        if abs(work[pivot, k]) < 1e-250:
            return False
        if pivot != k:
            for j in range(size):
                work[k, j], work[pivot, j] = work[pivot, j], work[k, j]
                inverse[k, j], inverse[pivot, j] = inverse[pivot, j], inverse[k, j]
        factor = 1.0 / work[k, k]
        for j in range(size):
            work[k, j] *= factor
            inverse[k, j] *= factor
        for i in range(size):
            if i != k and work[i, k] != 0.0:
                factor = work[i, k]
                for j in range(size):
                    work[i, j] -= factor * work[k, j]
                    inverse[i, j] -= factor * inverse[k, j]
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def _far(far, name, dimension):  # type: ignore[no-untyped-def]
    """The far bound of a coordinate; they differ, for equal ones would tie."""
    return far * (1.0 + 0.37 * ((-1 - name) % dimension) / dimension)


@njit(cache=True, nogil=True, error_model="numpy")
def _bounded_program(polar, known, size, row, dimension, far, ends, inverse, basis, level, y, column, step):  # type: ignore[no-untyped-def]
    """Max { v_row·y : v_k·y ≤ 1 for known k ≠ row, v_row·y ≤ 2, |y| ≤ far }, by the simplex method on the dual.

    Stops as soon as the maximum is known to lie well below 1. Returns the bound reached; NaN if it took too long.
    Basis: the number of a row, or −1 − i (upper) and −1 − d − i (lower) for the far bounds of coordinate i.
    """
    for i in range(dimension):
        for j in range(dimension):
            inverse[i, j] = 0.0
        upper = polar[row, i] >= 0.0
        wall = ends[1 if upper else 0, i]
        if wall >= 0:
            inverse[i, i] = 1.0 / polar[wall, i]
            basis[i] = wall
            level[i] = polar[row, i] / polar[wall, i]
        else:
            inverse[i, i] = 1.0 if upper else -1.0
            basis[i] = -1 - i if upper else -1 - dimension - i
            level[i] = abs(polar[row, i])
    for _ in range(60 + 20 * dimension):
        value, near = 0.0, True
        for j in range(dimension):
            y[j] = 0.0
        for i in range(dimension):
            near = near and basis[i] >= 0
            cost = _far(far, basis[i], dimension) if basis[i] < 0 else (2.0 if basis[i] == row else 1.0)
            value += cost * level[i]
            for j in range(dimension):
                y[j] += cost * inverse[i, j]
        if value < 0.999 and near:
            return value
        best, entering = 1e-9, row
        found = False
        size_y = 0.0
        for j in range(dimension):
            size_y += abs(y[j])
        best += 1e-13 * size_y
        for n in range(size + 1):
            k = row if n == size else known[n]
            if n < size and k == row:
                continue  # as a limit it stands at 2
            excess = -2.0 if n == size else -1.0
            for j in range(dimension):
                excess += polar[k, j] * y[j]
            if excess > best:
                best, entering, found = excess, k, True
        for j in range(dimension):
            excess = abs(y[j]) - _far(far, -1 - j, dimension)
            if excess > best + 1e-6 * far:
                best, entering, found = excess, -1 - j if y[j] > 0 else -1 - dimension - j, True
        if not found:
            return value
        for j in range(dimension):
            column[j] = 0.0
        if entering >= 0:
            for j in range(dimension):
                column[j] = polar[entering, j]
        elif entering >= -dimension:
            column[-1 - entering] = 1.0
        else:
            column[-1 - dimension - entering] = -1.0
        leaving, ratio, pivot = -1, np.inf, 0.0
        for i in range(dimension):
            total = 0.0
            for j in range(dimension):
                total += inverse[i, j] * column[j]
            step[i] = total
            if total > 1e-11:
                here = max(level[i], 0.0) / total
                if here < ratio - 1e-12 or (here <= ratio + 1e-12 and total > pivot):
                    leaving, ratio, pivot = i, min(here, ratio), total
        if leaving < 0:
            return np.nan
        for j in range(dimension):
            inverse[leaving, j] /= pivot
        for i in range(dimension):
            if i != leaving and step[i] != 0.0:
                factor = step[i]
                for j in range(dimension):
                    inverse[i, j] -= factor * inverse[leaving, j]
        basis[leaving] = entering
        for i in range(dimension):
            total = 0.0
            for j in range(dimension):
                total += inverse[i, j] * polar[row, j]
            level[i] = total
    return np.nan


@njit(cache=True, nogil=True, error_model="numpy")
def small_program(polar, known, size, row, dimension, ends, inverse, basis, level, y, column, step):  # type: ignore[no-untyped-def]
    """The program within a near box, and within farther ones as long as only the box keeps the row from being met."""
    far = NEAR
    while True:
        reached = _bounded_program(
            polar, known, size, row, dimension, far, ends, inverse, basis, level, y, column, step
        )
        held = False
        for i in range(dimension):
            held = held or basis[i] < 0
        if reached > 1.0 + 1e-7 or not held or far >= FAR:
            return reached
        far *= 64.0


@njit(cache=True, nogil=True, error_model="numpy")
def row_values(rows, errors, count, d, point, value, doubt):  # type: ignore[no-untyped-def]
    """Every row at a point, with bounds of the errors."""
    gamma = (d + 3) * UNIT * 1.01
    for j in range(count):
        total, size, noise = rows[j, d], abs(rows[j, d]), errors[j, d]
        for c in range(d):
            term = rows[j, c] * point[c]
            total += term
            size += abs(term)
            noise += errors[j, c] * abs(point[c])
        value[j] = total
        doubt[j] = noise * 1.000001 + gamma * size + TINY


@njit(cache=True, nogil=True, error_model="numpy")
def redundant(  # type: ignore[no-untyped-def]
    rows, errors, slack, doubt, scale, point, reach, row, basis, level, d, bounded, matrix, inverse
):
    """Whether multipliers on the basis prove that the row is implied, with room to spare, by those it names.

    On a bounded domain what the multipliers leave over is estimated over the whole of it; otherwise the exact
    multipliers are shown to exist near the computed ones (Rump, *Verification methods*, Acta Numerica 2010, §10).
    """
    gamma = (d + 3) * UNIT * 1.01
    if bounded:
        room = slack[row] - doubt[row]
        used = 0.0
        for i in range(d):
            if basis[i] >= 0 and level[i] > 0.0:
                if basis[i] == row:
                    return False
                multiplier = level[i] * slack[row] / slack[basis[i]]
                used += multiplier * (slack[basis[i]] + doubt[basis[i]])
        room -= used * (1.0 + 1e-12)
        for c in range(d):
            rest, noise, size = rows[row, c], errors[row, c], abs(rows[row, c])
            for i in range(d):
                if basis[i] >= 0 and level[i] > 0.0:
                    multiplier = level[i] * slack[row] / slack[basis[i]]
                    term = multiplier * rows[basis[i], c]
                    rest -= term
                    size += abs(term)
                    noise += multiplier * errors[basis[i], c]
            far = max(reach[1, c] - point[c], point[c] - reach[0, c])
            room -= (abs(rest) + noise * 1.000001 + gamma * size) * far * 1.000001
        return room > 1e-12 * slack[row] + TINY
    for i in range(d):
        if basis[i] < 0 or basis[i] == row or not level[i] > 0.0:
            return False
        for c in range(d):
            matrix[c, i] = rows[basis[i], c] / slack[basis[i]] / scale[c]
    if not _invert(matrix, inverse, d):
        return False
    norm, off = 0.0, 0.0
    for i in range(d):
        total, here = 0.0, 0.0
        for j in range(d):
            total += abs(inverse[i, j])
            product, size, noise = 0.0, 0.0, 0.0
            for c in range(d):
                term = inverse[i, c] * matrix[c, j]
                product += term
                size += abs(term)
                k = basis[j]
                noise += abs(inverse[i, c]) * (errors[k, c] / slack[k] / scale[c] + 4 * UNIT * abs(matrix[c, j]))
            here += abs(product - (1.0 if i == j else 0.0)) + gamma * (size + 1.0) + noise * 1.000001
        norm, off = max(norm, total), max(off, here)
    if not off < 0.5:
        return False
    miss = 0.0
    for c in range(d):
        own = rows[row, c] / slack[row] / scale[c]
        rest, size = own, abs(own)
        noise = errors[row, c] / slack[row] / scale[c] + 4 * UNIT * abs(own)
        for i in range(d):
            term = level[i] * matrix[c, i]
            rest -= term
            size += abs(term)
            noise += level[i] * (errors[basis[i], c] / slack[basis[i]] / scale[c] + 4 * UNIT * abs(matrix[c, i]))
        miss = max(miss, abs(rest) + noise * 1.000001 + gamma * size)
    shift = norm * miss / (1.0 - off) * 1.000001
    total = 0.0
    for i in range(d):
        if not level[i] > shift:
            return False
        total += (level[i] + shift) * (1.0 + doubt[basis[i]] / slack[basis[i]] * 1.000001 + 4 * UNIT)
    return total * (1.0 + 1e-12) < 1.0 - doubt[row] / slack[row] * 1.000001 - 4 * UNIT


@njit(cache=True, nogil=True, error_model="numpy")
def shoot(rows, errors, polar, scale, count, d, point, y, trial):  # type: ignore[no-untyped-def]
    """The row that a ray from the point meets first, if a point beyond it alone is certain, else −1; and its v·y."""
    best, second, hit = 0.0, 0.0, -1
    for j in range(count):
        along = 0.0
        for c in range(d):
            along += polar[j, c] * y[c]
        if along > best:
            best, second, hit = along, best, j
        elif along > second:
            second = along
    if hit < 0:
        return -1, 0.0
    length = 2.0 / (best + second) if second > 0.25 * best else 1.6 / best
    for c in range(d):
        trial[c] = point[c] + length * y[c] / scale[c]
    gamma = (d + 3) * UNIT * 1.01
    for j in range(count):
        at, size, noise = rows[j, d], abs(rows[j, d]), errors[j, d]
        for c in range(d):
            term = rows[j, c] * trial[c]
            at += term
            size += abs(term)
            noise += errors[j, c] * abs(trial[c])
        noise = noise * 1.000001 + gamma * size + TINY
        if (j == hit and not at > noise) or (j != hit and not at < -noise):
            return -1, 0.0
    return hit, best

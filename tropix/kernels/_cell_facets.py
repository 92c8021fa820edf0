"""Facets of activation cells, proved in floating point where rounding allows, by the thousand.

A cell is {x : a_j·x + b_j ≤ 0}: one row for each entry of a segment that does not attain the maximum, and the walls of
the domain. With p inside and s_j = −(a_j·p + b_j) > 0, row j carries a facet exactly if v_j = a_j / s_j is a vertex of
conv({0} ∪ {v_k}) (polarity). A point beyond row j alone proves that it does; multipliers λ ≥ 0 with v_j = Σ λ_k v_k
and Σ λ_k < 1 prove that it does not. Only rows already known as facets enter these programs (Clarkson, *More
output-sensitive geometric algorithms*, FOCS 1994), so they are small. Every float carries a bound of its error.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from tropix.arrays import FloatArray, IntArray

UNIT = 2.0**-53
TINY = 1e-300
NEAR, FAR = 16.0, 1e7
"""Half-widths of the boxes, in units of the cell, that keep programs over unbounded cells finite: near ones first."""

SETTLED, UNSETTLED, EMPTY = 0, 1, 2
"""A cell's status: all decided; rounding or ties left something open; the pattern has no cell around the point."""


class Expansion(NamedTuple):
    """What is behind each of B cells: see `expand_cells`.

    ``status`` (B,), ``points`` (B, d); facet i of cell q is in row ``q·cap + i`` for i < ``counts[q]``: its
    ``segments`` (−1 for a wall) and ``entries`` (or the wall's number), the ``crossings`` and ``directions`` (d,) of a
    ray through it, and the ``patterns`` (S,) behind it.
    """

    status: IntArray
    points: FloatArray
    counts: IntArray
    segments: IntArray
    entries: IntArray
    crossings: FloatArray
    directions: FloatArray
    patterns: Any


def expand_cells(
    flat: tuple[Any, ...], walls: FloatArray, reach: FloatArray, patterns: Any, starts: FloatArray, rays: FloatArray,
    cap: int, strict: bool = True,
) -> Expansion:  # fmt: skip
    """Decide the facets of B cells. Releases the GIL.

    ``flat`` are the arrays of a tape; ``walls`` (H, d+1) exact rows (a, b) of the domain, ``reach`` (2, d) its ends,
    infinite where there are none. ``patterns`` (B, S); the cell is looked for on the ray from ``starts`` along ``rays``
    (B, d): at the start itself if the ray is zero, else halfway to where the ray leaves it. ``cap`` bounds the facets
    of a cell. Without ``strict`` what is nearly certain passes for certain.
    """
    inputs, start, source, weight, bias, segment, owner, entry, _, unit = flat
    count, d = starts.shape
    out = Expansion(
        np.full(count, UNSETTLED, dtype=np.int64),
        np.empty((count, d)),
        np.zeros(count, dtype=np.int64),
        np.empty(count * cap, dtype=np.int32),
        np.empty(count * cap, dtype=np.int32),
        np.empty((count * cap, d)),
        np.empty((count * cap, d)),
        np.empty((count * cap, patterns.shape[1]), dtype=patterns.dtype),
    )
    _expand(
        inputs, start, source, weight, bias, segment, owner, entry, unit, walls, reach, patterns, starts, rays, cap,
        strict, *out,
    )  # fmt: skip
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def forms_of_pattern(inputs, start, source, weight, bias, segment, unit, pattern, form, error):  # type: ignore[no-untyped-def]
    """The affine forms (n, d+1) of all values under a pattern, and bounds of their errors."""
    width = inputs + 1
    for v in range(len(bias)):
        for c in range(width):
            form[v, c] = 0.0
            error[v, c] = 0.0
        if v < inputs:
            form[v, v] = 1.0
            continue
        a, b = start[v], start[v + 1]
        if segment[v] >= 0:
            chosen = source[a + pattern[segment[v]]]
            for c in range(width):
                form[v, c] = form[chosen, c]
                error[v, c] = error[chosen, c]
            continue
        form[v, inputs] = bias[v]
        error[v, inputs] = unit * abs(bias[v])
        if a == b:
            continue
        if b == a + 1 and bias[v] == 0.0 and weight[a] == 1.0 and unit == 0.0:
            for c in range(width):
                form[v, c] = form[source[a], c]
                error[v, c] = error[source[a], c]
            continue
        # Rounding errors are computed, not estimated: where all sums and products are exact the bound is 0.
        for k in range(a, b):
            w, j = weight[k], source[k]
            size = abs(w)
            plain = size == 1.0
            for c in range(width):
                factor = form[j, c]
                if factor == 0.0 and error[j, c] == 0.0:
                    continue
                term = w * factor
                before = form[v, c]
                total = before + term
                virtual = total - before
                noise = abs((before - (total - virtual)) + (term - virtual)) + unit * abs(term)
                if not plain:
                    noise += _product_error(w, factor, term)
                if error[j, c] != 0.0:
                    noise += size * error[j, c] * 1.000001
                form[v, c] = total
                if noise != 0.0:
                    error[v, c] = (error[v, c] + noise) * (1.0 + 4.0 * UNIT) + TINY


@njit(cache=True, nogil=True, error_model="numpy")
def _product_error(a, b, product):  # type: ignore[no-untyped-def]
    """|a·b − product| where product = fl(a·b), exactly; a bound of it for very large or small numbers (Dekker 1971)."""
    size = abs(product)
    if not (1e-200 < size < 1e200 and 1e-100 < abs(a) < 1e100 and 1e-100 < abs(b) < 1e100):
        return UNIT * size + TINY if product != 0.0 or (a != 0.0 and b != 0.0) else 0.0
    big = 134217729.0 * a
    a_high = big - (big - a)
    a_low = a - a_high
    big = 134217729.0 * b
    b_high = big - (big - b)
    b_low = b - b_high
    return abs(a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low))


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
def _program(polar, known, size, row, dimension, ends, inverse, basis, level, y, column, step):  # type: ignore[no-untyped-def]
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
def _values(rows, errors, count, d, point, value, doubt):  # type: ignore[no-untyped-def]
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
def _redundant(  # type: ignore[no-untyped-def]
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
def _shoot(rows, errors, polar, scale, count, d, point, y, trial):  # type: ignore[no-untyped-def]
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


@njit(cache=True, nogil=True, error_model="numpy")
def _expand(  # type: ignore[no-untyped-def]
    inputs, start, source, weight, bias, segment, owner, entry, unit, walls, reach, patterns, starts, rays, cap, strict,
    status, points, counts, segments, entries, crossings, directions, behind,
):  # fmt: skip
    d = inputs
    total_rows = entry[len(entry) - 1] - len(owner) + len(walls)
    form, error = np.empty((len(bias), d + 1)), np.empty((len(bias), d + 1))
    rows, errors = np.empty((total_rows, d + 1)), np.empty((total_rows, d + 1))
    row_segment, row_entry = np.empty(total_rows, dtype=np.int64), np.empty(total_rows, dtype=np.int64)
    value, doubt, slack = np.empty(total_rows), np.empty(total_rows), np.empty(total_rows)
    polar, scale = np.empty((total_rows, d)), np.empty(d)
    state = np.empty(total_rows, dtype=np.int64)
    known = np.empty(total_rows, dtype=np.int64)
    inverse, matrix, other = np.empty((d, d)), np.empty((d, d)), np.empty((d, d))
    basis, level, y, column, step = np.empty(d, dtype=np.int64), np.empty(d), np.empty(d), np.empty(d), np.empty(d)
    trial = np.empty(d)
    tied = np.empty(len(owner), dtype=np.bool_)
    slopes, slope_error = np.empty(len(bias)), np.empty(len(bias))
    ends = np.full((2, d), -1)  # the walls across each coordinate axis
    for h in range(len(walls)):
        axis = -1
        for c in range(d):
            if walls[h, c] != 0.0:
                axis = c if axis == -1 else -2
        if axis >= 0:
            ends[1 if walls[h, axis] > 0.0 else 0, axis] = h
    bounded = True
    for c in range(d):
        if not (np.isfinite(reach[0, c]) and np.isfinite(reach[1, c])):
            bounded = False
    for q in range(len(starts)):
        pattern, p, seed = patterns[q], points[q], 1
        status[q], counts[q] = UNSETTLED, 0
        forms_of_pattern(inputs, start, source, weight, bias, segment, unit, pattern, form, error)
        # The rows: walls first, then all entries against the one that attains the maximum.
        count, ties, good = 0, 0, True
        for h in range(len(walls)):
            for c in range(d + 1):
                rows[count, c], errors[count, c] = walls[h, c], 0.0
            row_segment[count], row_entry[count] = -1, h
            count += 1
        for s in range(len(owner)):
            tied[s] = False
            first = start[owner[s]]
            winner = source[first + pattern[s]]
            for e in range(entry[s + 1] - entry[s]):
                if e == pattern[s]:
                    continue
                v = source[first + e]
                zero, flat_row, high = True, True, 0.0
                for c in range(d + 1):
                    here = form[v, c] - form[winner, c]
                    noise = error[v, c] + error[winner, c]
                    if noise != 0.0 or (here != 0.0 and unit != 0.0):
                        noise = noise * 1.000001 + UNIT * abs(here) + TINY
                    elif here != 0.0:
                        noise = UNIT * abs(here)
                    rows[count, c], errors[count, c] = here, noise
                    if here != 0.0 or noise != 0.0:
                        zero = False
                        if c < d:
                            flat_row = False
                    if c < d:
                        high += (
                            max(here * reach[0, c], here * reach[1, c])
                            + noise * max(abs(reach[0, c]), abs(reach[1, c]))
                            if here != 0.0 or noise != 0.0
                            else 0.0
                        )
                    else:
                        high += here + noise
                if zero:
                    if e < pattern[s]:
                        good = False
                    tied[s] = True
                    ties += 1
                    continue
                if flat_row:
                    if rows[count, d] + errors[count, d] < 0.0:
                        continue
                    good = False
                    continue
                size = abs(rows[count, d])
                for c in range(d):
                    if rows[count, c] != 0.0:
                        size += abs(rows[count, c]) * max(abs(reach[0, c]), abs(reach[1, c]))
                if high + (d + 3) * UNIT * size + TINY < 0.0:
                    continue  # implied by the ends of the domain alone, with room to spare
                row_segment[count], row_entry[count] = s, e
                count += 1
        if not good:
            continue
        # The point: halfway along the ray, then in the middle of a few chords.
        for c in range(d):
            p[c] = starts[q, c]
        moving = False
        for c in range(d):
            moving = moving or rays[q, c] != 0.0
        for turn in range(d + 1):
            if turn == 0 and not moving:
                continue
            if turn > 0:
                _values(rows, errors, count, d, p, value, doubt)
            ahead, back = np.inf, np.inf
            for j in range(count):
                at, rate = rows[j, d], 0.0
                if turn == 0:
                    for c in range(d):
                        at += rows[j, c] * p[c]
                        rate += rows[j, c] * rays[q, c]
                else:
                    at, rate = value[j], rows[j, turn - 1]
                if rate > 0.0:
                    ahead = min(ahead, max(0.0, -at / rate))
                elif rate < 0.0:
                    back = min(back, max(0.0, at / rate))
            if turn == 0:
                ahead = min(1.0, 0.5 * ahead)
                for c in range(d):
                    p[c] += ahead * rays[q, c]
            elif ahead < np.inf and back < np.inf:
                p[turn - 1] += 0.5 * (ahead - back)
        _values(rows, errors, count, d, p, value, doubt)
        for j in range(count):
            slack[j] = -value[j]
            if not slack[j] > doubt[j]:
                good = False
        if not good:
            continue
        for c in range(d):
            scale[c] = 0.0
            for j in range(count):
                polar[j, c] = rows[j, c] / slack[j]
                scale[c] = max(scale[c], abs(polar[j, c]))
            if scale[c] == 0.0:
                scale[c] = 1.0
            for j in range(count):
                polar[j, c] /= scale[c]
        facets, limits = 0, len(walls)  # walls bound every program; other rows once they are known as facets
        for j in range(count):
            state[j] = 0
        for j in range(limits):
            known[j] = j
        for i in range(count):
            if state[i] != 0:
                continue
            for c in range(d):  # straight at the row first: that settles the nearest ones
                y[c] = polar[i, c]
            hit, best = _shoot(rows, errors, polar, scale, count, d, p, y, trial)
            for _ in range(count + 2):
                if hit >= 0 and state[hit] == 0:
                    if facets == cap:
                        break
                    state[hit] = 1
                    if hit >= len(walls):
                        known[limits] = hit
                        limits += 1
                    place = q * cap + facets
                    segments[place], entries[place] = row_segment[hit], row_entry[hit]
                    for c in range(d):
                        directions[place, c] = y[c] / best
                    if not bounded:
                        _nearer(polar, count, d, hit, directions[place], column)
                    for c in range(d):
                        directions[place, c] /= scale[c]
                        crossings[place, c] = p[c] + directions[place, c]
                    facets += 1
                if state[i] != 0:
                    break
                reached = _program(polar, known, limits, i, d, ends, inverse, basis, level, y, column, step)
                if reached < 1.0:
                    if _redundant(
                        rows, errors, slack, doubt, scale, p, reach, i, basis, level, d, bounded, matrix, other
                    ) or (not strict and reached < 1.0 - 1e-9):
                        state[i] = 2
                    break
                if not reached <= 2.1:
                    break
                hit, best = _shoot(rows, errors, polar, scale, count, d, p, y, trial)
                for _ in range(4):  # at a tie: a little beside it
                    if hit >= 0 and state[hit] == 0:
                        break
                    size = 0.0
                    for c in range(d):
                        size = max(size, abs(y[c]))
                    for c in range(d):
                        seed = (seed * 1103515245 + 12345) % 2147483648
                        y[c] += size * 1e-4 * (seed / 1073741824.0 - 1.0)
                    hit, best = _shoot(rows, errors, polar, scale, count, d, p, y, trial)
                if hit < 0 or state[hit] != 0:
                    break
            if state[i] == 0:
                good = False
                break
        if not good:
            continue
        for i in range(facets):
            place = q * cap + i
            s = segments[place]
            for k in range(len(pattern)):
                behind[place, k] = pattern[k]
            if s < 0:
                continue
            behind[place, s] = entries[place]
            if ties and not _untie(
                inputs, start, source, weight, bias, segment, owner, entry, unit, pattern, tied, directions[place],
                behind[place], form, error, slopes, slope_error,
            ):  # fmt: skip
                good = False
        if good:
            status[q], counts[q] = SETTLED, facets


@njit(cache=True, nogil=True, error_model="numpy")
def _nearer(polar, count, d, row, y, foot):  # type: ignore[no-untyped-def]
    """Move a point y of a facet, far away on an unbounded cell, towards the foot of the perpendicular from 0."""
    square, far = 0.0, 0.0
    for c in range(d):
        square += polar[row, c] ** 2
        far += y[c] ** 2
    if far * square < 1e4:  # not a hundred times as far as the foot, which lies 1/|v| away
        return
    for c in range(d):
        foot[c] = polar[row, c] / square
    share = 1.0
    for j in range(count):
        if j == row:
            continue
        at, rate = -1.0, 0.0
        for c in range(d):
            at += polar[j, c] * y[c]
            rate += polar[j, c] * (foot[c] - y[c])
        if rate > 0.0:
            share = min(share, 0.999 * max(0.0, -at / rate))
    for c in range(d):
        y[c] += share * (foot[c] - y[c])


def propose_facets(rows: FloatArray, point: FloatArray, reach: FloatArray) -> tuple[IntArray, IntArray, FloatArray]:
    """What floating point thinks of each of k rows a·x + b ≤ 0 (k, d+1) around a point strictly inside.

    Rows are nearest floats of exact ones, ``reach`` (2, d) the ends of the domain. Returns 1 for facets, 2 for implied
    rows, 3 for rows that are proved to be implied, 0 where it has no opinion (k,); for implied rows those d that carry
    the multipliers, −1 for none (k, d); for facets a point beyond that row alone (k, d).
    """
    count, d = len(rows), rows.shape[1] - 1
    states, bases = np.zeros(count, dtype=np.int64), np.full((count, d), -1, dtype=np.int64)
    witnesses = np.zeros((count, d))
    _propose(np.ascontiguousarray(rows), np.ascontiguousarray(point), reach, states, bases, witnesses)
    return states, bases, witnesses


@njit(cache=True, nogil=True, error_model="numpy")
def _propose(rows, point, reach, states, bases, witnesses):  # type: ignore[no-untyped-def]
    count, d = len(rows), rows.shape[1] - 1
    polar, scale = np.empty((count, d)), np.zeros(d)
    errors, trial, y = 2.0 * UNIT * np.abs(rows) + TINY, np.empty(d), np.empty(d)
    value, doubt, slacks = np.empty(count), np.empty(count), np.empty(count)
    matrix, other = np.empty((d, d)), np.empty((d, d))
    bounded = bool(np.isfinite(reach).all())
    _values(rows, errors, count, d, point, value, doubt)
    known, ends = np.empty(count, dtype=np.int64), np.full((2, d), -1)
    inverse, level, column, step = np.empty((d, d)), np.empty(d), np.empty(d), np.empty(d)
    for j in range(count):
        slack = -rows[j, d]
        for c in range(d):
            slack -= rows[j, c] * point[c]
        slacks[j] = slack
        for c in range(d):
            polar[j, c] = rows[j, c] / slack
            scale[c] = max(scale[c], abs(polar[j, c]))
    for c in range(d):
        if not (scale[c] > 0.0 and scale[c] < np.inf):
            scale[c] = 1.0
        for j in range(count):
            polar[j, c] /= scale[c]
    limits = 0
    for i in range(count):
        if states[i] != 0:
            continue
        for c in range(d):
            y[c] = polar[i, c]
        hit, _ = _shoot(rows, errors, polar, scale, count, d, point, y, trial)
        for _ in range(count + 2):
            if hit >= 0 and states[hit] == 0:
                states[hit], known[limits] = 1, hit
                limits += 1
                for c in range(d):
                    witnesses[hit, c] = trial[c]
            if states[i] != 0:
                break
            reached = _program(polar, known, limits, i, d, ends, inverse, bases[i], level, y, column, step)
            if reached <= 1.0 + 1e-7:
                states[i] = 2
                if (
                    reached < 1.0
                    and slacks.min() > 0.0
                    and _redundant(
                        rows, errors, slacks, doubt, scale, point, reach, i, bases[i], level, d, bounded, matrix, other
                    )
                ):
                    states[i] = 3
                for k in range(d):
                    if bases[i, k] < 0 or bases[i, k] == i or not level[k] > 1e-12:
                        bases[i, k] = -1
                break
            if not reached <= 2.1:
                break
            hit, _ = _shoot(rows, errors, polar, scale, count, d, point, y, trial)
            if hit < 0 or states[hit] != 0:
                break


@njit(cache=True, nogil=True, error_model="numpy")
def _untie(  # type: ignore[no-untyped-def]
    inputs, start, source, weight, bias, segment, owner, entry, unit, pattern, tied, direction, behind, form, error,
    slopes, doubts,
):  # fmt: skip
    """Choose among entries that are equal on the cell by their slopes behind the facet; whether that was certain.

    In the segment that ties on the facet, the one whose winner ``behind`` differs, no entry of the cell wins behind it.
    """
    for v in range(len(bias)):
        if v < inputs:
            slopes[v], doubts[v] = direction[v], 0.0
            continue
        a, b = start[v], start[v + 1]
        s = segment[v]
        if s < 0:
            total, noise = 0.0, 0.0
            gamma = (b - a + 2) * UNIT * 1.01
            for k in range(a, b):
                term = weight[k] * slopes[source[k]]
                total += term
                if term != 0.0 or doubts[source[k]] != 0.0:
                    noise += abs(weight[k]) * doubts[source[k]] * 1.000001 + (gamma + unit) * abs(term) + TINY
            if b == a + 1 and weight[a] == 1.0 and unit == 0.0:
                noise = doubts[source[a]]
            slopes[v], doubts[v] = total, noise
            continue
        if tied[s] and behind[s] == pattern[s]:
            winner = source[a + pattern[s]]
            best = -1
            for e in range(b - a):
                j = source[a + e]
                same = True
                for c in range(inputs + 1):
                    if form[j, c] != form[winner, c] or error[j, c] != 0.0 or error[winner, c] != 0.0:
                        same = False
                if not same:
                    continue
                if best < 0:
                    best = e
                    continue
                k = source[a + best]
                gap, noise = slopes[j] - slopes[k], doubts[j] + doubts[k]
                if gap > noise:
                    best = e
                elif not gap < -noise and not (gap == 0.0 and noise == 0.0):
                    return False
            behind[s] = best
        chosen = source[a + behind[s]]
        slopes[v], doubts[v] = slopes[chosen], doubts[chosen]
    return True

"""Facets of activation cells, proved in floating point where rounding allows, by the thousand.

A cell is {x : a_j·x + b_j ≤ 0}: one row for each entry of a segment that does not attain the maximum, and the walls of
the domain. Which rows carry facets is decided by small programs in polar form; only rows already known as facets enter
them (Clarkson, *More output-sensitive geometric algorithms*, FOCS 1994), so they are small. Every float carries a bound
of its error.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from tropix.arrays import FloatArray, IntArray
from tropix.kernels._cell_forms import forms_of_pattern
from tropix.kernels._facet_programs import TINY, UNIT, redundant, row_values, shoot, small_program

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
                row_values(rows, errors, count, d, p, value, doubt)
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
        row_values(rows, errors, count, d, p, value, doubt)
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
            hit, best = shoot(rows, errors, polar, scale, count, d, p, y, trial)
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
                reached = small_program(polar, known, limits, i, d, ends, inverse, basis, level, y, column, step)
                if reached < 1.0:
                    if redundant(
                        rows, errors, slack, doubt, scale, p, reach, i, basis, level, d, bounded, matrix, other
                    ) or (not strict and reached < 1.0 - 1e-9):
                        state[i] = 2
                    break
                if not reached <= 2.1:
                    break
                hit, best = shoot(rows, errors, polar, scale, count, d, p, y, trial)
                for _ in range(4):  # at a tie: a little beside it
                    if hit >= 0 and state[hit] == 0:
                        break
                    size = 0.0
                    for c in range(d):
                        size = max(size, abs(y[c]))
                    for c in range(d):
                        seed = (seed * 1103515245 + 12345) % 2147483648
                        y[c] += size * 1e-4 * (seed / 1073741824.0 - 1.0)
                    hit, best = shoot(rows, errors, polar, scale, count, d, p, y, trial)
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

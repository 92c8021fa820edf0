"""What floating point says of the rows of one cell that are given as exact integers, rounded once."""

from __future__ import annotations

import numpy as np
from numba import njit

from tropix.arrays import FloatArray, IntArray
from tropix.kernels._facet_programs import TINY, UNIT, redundant, row_values, shoot, small_program

FACET, PERHAPS_IMPLIED, IMPLIED = 1, 2, 3


def propose_facets(rows: FloatArray, point: FloatArray, reach: FloatArray) -> tuple[IntArray, IntArray, FloatArray]:
    """What floating point says of each of k rows a·x + b ≤ 0 (k, d+1) around a point strictly inside.

    Rows are nearest floats of exact ones, ``reach`` (2, d) the ends of the domain. Returns FACET, PERHAPS_IMPLIED,
    IMPLIED or 0, which is no opinion (k,); for implied rows those d that carry the multipliers, −1 for none (k, d); for
    facets a point beyond that row alone (k, d). FACET and IMPLIED are proved, error bounds included.
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
    row_values(rows, errors, count, d, point, value, doubt)
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
        hit, _ = shoot(rows, errors, polar, scale, count, d, point, y, trial)
        for _ in range(count + 2):
            if hit >= 0 and states[hit] == 0:
                states[hit], known[limits] = FACET, hit
                limits += 1
                for c in range(d):
                    witnesses[hit, c] = trial[c]
            if states[i] != 0:
                break
            reached = small_program(polar, known, limits, i, d, ends, inverse, bases[i], level, y, column, step)
            if reached <= 1.0 + 1e-7:
                states[i] = PERHAPS_IMPLIED
                if (
                    reached < 1.0
                    and slacks.min() > 0.0
                    and redundant(
                        rows, errors, slacks, doubt, scale, point, reach, i, bases[i], level, d, bounded, matrix, other
                    )
                ):
                    states[i] = IMPLIED
                for k in range(d):
                    if bases[i, k] < 0 or bases[i, k] == i or not level[k] > 1e-12:
                        bases[i, k] = -1
                break
            if not reached <= 2.1:
                break
            hit, _ = shoot(rows, errors, polar, scale, count, d, point, y, trial)
            if hit < 0 or states[hit] != 0:
                break

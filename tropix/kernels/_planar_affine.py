"""Affine steps of forms in the plane, with bounds of their errors; only columns that changed are taken again."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from tropix.arrays import FloatArray, IntArray

UNIT = 2.0**-53
TINY = 1e-300
"""Added to every error bound that is not zero, for products that underflow."""
ROOM = 1.0 + 1e-9
"""Factor on error bounds, for the rounding of the bounds themselves."""
REPEATS = 4
"""Sums are taken anew when as many terms have been exchanged as this times the number of columns."""


class PlanarScratch(NamedTuple):
    """What affine steps remember.

    ``spread`` (B,): bounds on the Euclidean length of the errors of a block. ``last`` (C, 3): the forms of the columns
    that are in the sums at present. ``history`` (steps, 4): how many terms were added (−1: none), the largest sizes
    and masses of the columns since sums were taken anew, and the length of a block's rounding errors. ``places``,
    ``terms`` (C, 3): columns to be added.
    """

    spread: FloatArray
    last: FloatArray
    history: FloatArray
    places: IntArray
    terms: FloatArray


@njit(cache=True, nogil=True, error_model="numpy")
def affine_step(program, forms, scratch, step):  # type: ignore[no-untyped-def]
    """Σ A_i v_i + b for the forms of a step: rows a, b, c and error of its block, and the spread of the block.

    Errors of a sum: those of its terms, by Cauchy and Schwarz over the columns, where their length is known for whole
    blocks too (‖A‖₂ times the spread before); and rounding, by the number of terms. They are zero where all terms are
    exact and sums stay below ``limit``.
    """
    if program.step_full[step]:
        _full_step(program, forms, scratch, step)
    else:
        _sparse_step(program, forms, scratch, step)
    # the length of the errors of the whole block
    first, size = program.step_first[step], program.step_size[step]
    error, squares = forms[3], 0.0
    for i in range(first, first + size):
        squares += error[i] * error[i]
    spread = scratch.spread
    total = scratch.history[step, 3]
    for part in range(program.step_parts[step], program.step_parts[step + 1]):
        total += program.part_norm[part] * spread[program.part_block[part]]
    spread[program.step_block[step]] = min(total, np.sqrt(squares)) * ROOM


@njit(cache=True, nogil=True, error_model="numpy")
def _full_step(program, forms, scratch, step):  # type: ignore[no-untyped-def]
    """A step whose matrices have no zeros in the columns that they use at all."""
    first, size = program.step_first[step], program.step_size[step]
    begin, end = program.step_columns[step], program.step_columns[step + 1]
    wide, high = program.reach[0], program.reach[1]
    a, b, c, error = forms[0], forms[1], forms[2], forms[3]
    column_value, column_start = program.column_value, program.column_start
    last, history, places, terms = scratch.last, scratch.history, scratch.places, scratch.terms
    inherited, sizes, mass, changed, active = 0.0, 0.0, 0.0, 0, 0
    for column in range(begin, end):
        v = column_value[column]
        fa, fb, fc = a[v], b[v], c[v]
        inherited += error[v] * error[v]
        length = abs(fa) * wide + abs(fb) * high + abs(fc)
        sizes += length * length
        length = abs(fa) + abs(fb) + abs(fc) if error[v] == 0.0 else np.inf
        if length > 0.0:
            mass += length * length
            active += 1
        if fa != last[column, 0] or fb != last[column, 1] or fc != last[column, 2]:
            changed += 1
    sizes, mass = np.sqrt(sizes) * ROOM, np.sqrt(mass) * ROOM
    anew = history[step, 0] < 0.0 or 2 * changed > active or history[step, 0] + changed > REPEATS * (end - begin)
    if anew:
        for i in range(size):
            a[first + i], b[first + i], c[first + i] = 0.0, 0.0, program.bias[first + i]
        history[step, 0], history[step, 1], history[step, 2] = 0.0, 0.0, 0.0
    count = 0
    for column in range(begin, end):
        v = column_value[column]
        fa, fb, fc = a[v], b[v], c[v]
        da, db, dc = fa, fb, fc
        if not anew:
            da, db, dc = fa - last[column, 0], fb - last[column, 1], fc - last[column, 2]
        last[column, 0], last[column, 1], last[column, 2] = fa, fb, fc
        if da != 0.0 or db != 0.0 or dc != 0.0:
            places[count] = column_start[column]
            terms[count, 0], terms[count, 1], terms[count, 2] = da, db, dc
            count += 1
    _add_columns(program.weights, places, terms, count, a, b, c, first, size)
    # a partial sum may hold the old form of one column and the new one of another; each exchange rounds twice more
    history[step, 0] += count if anew else 2 * count
    history[step, 1], history[step, 2] = max(history[step, 1], sizes), max(history[step, 2], mass)
    double = 1.0 if anew else 2.0
    rounding = (history[step, 0] + 4.0) * UNIT + program.step_unit[step]
    largest, heaviest = double * history[step, 1], double * history[step, 2]
    known = 0.0
    for part in range(program.step_parts[step], program.step_parts[step + 1]):
        known += scratch.spread[program.part_block[part]] ** 2
    reach = np.sqrt(min(inherited, known)) * ROOM + rounding * largest * ROOM
    bias, norm, limit = program.bias, program.norm, program.limit
    for i in range(first, first + size):
        if (norm[i] * heaviest + abs(bias[i])) * ROOM < limit[i]:
            error[i] = 0.0
        else:
            error[i] = (norm[i] * reach + rounding * abs(bias[i])) * ROOM
            if error[i] > 0.0:
                error[i] += TINY
    history[step, 3] = rounding * (program.step_rounding[step] * largest + program.step_bias[step]) * ROOM + TINY


@njit(cache=True, nogil=True, error_model="numpy")
def _add_columns(weights, places, terms, count, a, b, c, first, size):  # type: ignore[no-untyped-def]
    """Add multiples of columns to the block, four at a time."""
    a, b, c = a[first : first + size], b[first : first + size], c[first : first + size]
    k = 0
    while k + 4 <= count:
        v, w = weights[places[k] : places[k] + size], weights[places[k + 1] : places[k + 1] + size]
        x, y = weights[places[k + 2] : places[k + 2] + size], weights[places[k + 3] : places[k + 3] + size]
        p, q, r, s = terms[k, 0], terms[k + 1, 0], terms[k + 2, 0], terms[k + 3, 0]
        for i in range(size):
            a[i] += ((v[i] * p + w[i] * q) + x[i] * r) + y[i] * s
        p, q, r, s = terms[k, 1], terms[k + 1, 1], terms[k + 2, 1], terms[k + 3, 1]
        for i in range(size):
            b[i] += ((v[i] * p + w[i] * q) + x[i] * r) + y[i] * s
        p, q, r, s = terms[k, 2], terms[k + 1, 2], terms[k + 2, 2], terms[k + 3, 2]
        for i in range(size):
            c[i] += ((v[i] * p + w[i] * q) + x[i] * r) + y[i] * s
        k += 4
    while k < count:
        v = weights[places[k] : places[k] + size]
        p, q, r = terms[k, 0], terms[k, 1], terms[k, 2]
        for i in range(size):
            a[i] += v[i] * p
        for i in range(size):
            b[i] += v[i] * q
        for i in range(size):
            c[i] += v[i] * r
        k += 1


@njit(cache=True, nogil=True, error_model="numpy")
def _sparse_step(program, forms, scratch, step):  # type: ignore[no-untyped-def]
    """A step whose matrices have zeros: entry by entry."""
    first, size, margin = program.step_first[step], program.step_size[step], program.step_margin[step]
    wide, high = program.reach[0], program.reach[1]
    weights, rows, bias, limit = program.weights, program.rows, program.bias, program.limit
    column_value, column_start = program.column_value, program.column_start
    a, b, c, error, mass = forms[0], forms[1], forms[2], forms[3], forms[4]
    for i in range(first, first + size):
        a[i] = 0.0
        b[i] = 0.0
        c[i] = bias[i]
        error[i] = margin * abs(bias[i])
        mass[i] = abs(bias[i])
    squares = 0.0
    for column in range(program.step_columns[step], program.step_columns[step + 1]):
        v = column_value[column]
        fa, fb, fc = a[v], b[v], c[v]
        length = abs(fa) * wide + abs(fb) * high + abs(fc)
        off = error[v] + margin * length
        if off == 0.0:
            continue
        off += TINY
        squares += length * length
        heavy = abs(fa) + abs(fb) + abs(fc) if error[v] == 0.0 else np.inf
        for k in range(column_start[column], column_start[column + 1]):
            i, w = first + rows[k], weights[k]
            a[i] += w * fa
            b[i] += w * fb
            c[i] += w * fc
            error[i] += abs(w) * off + TINY
            mass[i] += abs(w) * heavy
    for i in range(first, first + size):
        error[i] = 0.0 if mass[i] * ROOM < limit[i] else error[i] * ROOM
    local = program.step_rounding[step] * np.sqrt(squares) + program.step_bias[step]
    scratch.history[step, 3] = margin * local * ROOM + TINY

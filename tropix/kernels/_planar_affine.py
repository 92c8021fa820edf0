"""Affine steps of forms over a basis, with bounds of their errors.

A form is a·x + b·y + c + Σ k_q u_q. The symbols u_q are values whose own forms are left open; their formal size, that
of any form that may take their place, is at most ``scales[0, q]``. Errors are bounds on the box |x| ≤ X, |y| ≤ Y,
|u_q| ≤ scales[0, q] of the basis, all coordinates independent of each other.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from tropix.kernels._borrows import borrows

UNIT = 2.0**-53
TINY = 1e-300
"""Added to every error bound that is not zero, for products that underflow."""
ROOM = 1.0 + 1e-9
"""Factor on error bounds, for the rounding of the bounds themselves."""
ERROR, MASS, SYMBOLS = 3, 4, 5
"""Rows of forms behind a, b and c: the error, scratch, the coefficients of symbols."""


@njit(cache=True, nogil=True, error_model="numpy")
def affine_step(program, forms, spread, scales, symbols, step):  # type: ignore[no-untyped-def]
    """Σ A_i v_i + b for the forms (5 + Q, n) of a step over ``symbols`` ≤ Q symbols, and the ``spread`` of its block.

    Errors of a sum: those of its terms, by Cauchy and Schwarz over the columns, where their length is known for whole
    blocks too (‖A‖₂ times the spread before); and rounding, by the number of terms. They are zero where all terms are
    exact and sums stay below ``limit``: ``scales[1, q]`` bounds |a| + |b| + |c| of what may take the place of u_q.
    """
    if program.step_full[step]:
        local = _full_step(program, forms, spread, scales, symbols, step)
    else:
        local = _sparse_step(program, forms, scales, symbols, step)
    # the length of the errors of the whole block
    first, size = program.step_first[step], program.step_size[step]
    squares = 0.0
    for i in range(first, first + size):
        squares += forms[ERROR, i] * forms[ERROR, i]
    for part in range(program.step_parts[step], program.step_parts[step + 1]):
        local += program.part_norm[part] * spread[program.part_block[part]]
    spread[program.step_block[step]] = min(local, np.sqrt(squares)) * ROOM


@borrows
def _begin(program, forms, symbols, first, size):  # type: ignore[no-untyped-def]
    for row in range(SYMBOLS + symbols):
        for i in range(first, first + size):
            forms[row, i] = 0.0
    for i in range(first, first + size):
        forms[2, i] = program.bias[i]


@borrows
def sizes_of(forms, v, scales, symbols, wide, high):  # type: ignore[no-untyped-def]
    """Of a value's form: the largest |value| on the box of the basis, and the mass |a| + |b| + |c| + Σ |k_q|·mass."""
    size, mass = abs(forms[0, v]) * wide + abs(forms[1, v]) * high, abs(forms[0, v]) + abs(forms[1, v])
    size, mass = size + abs(forms[2, v]), mass + abs(forms[2, v])
    for q in range(symbols):
        k = abs(forms[SYMBOLS + q, v])
        size += k * scales[0, q]
        mass += k * scales[1, q]
    return size * ROOM, mass * ROOM


@njit(cache=True, nogil=True, error_model="numpy")
def _full_step(program, forms, spread, scales, symbols, step):  # type: ignore[no-untyped-def]
    """A step whose matrices have no zeros in the columns that they use at all; returns the length of its rounding."""
    first, size = program.step_first[step], program.step_size[step]
    begin, end = program.step_columns[step], program.step_columns[step + 1]
    wide, high, error = program.reach[0], program.reach[1], forms[ERROR]
    places = np.empty(end - begin, dtype=np.int64)
    terms = np.empty((end - begin, 3 + symbols))
    inherited, sizes, masses, count = 0.0, 0.0, 0.0, 0
    for column in range(begin, end):
        v = program.column_value[column]
        length, mass = sizes_of(forms, v, scales, symbols, wide, high)
        if error[v] != 0.0:  # or NaN
            inherited += error[v] * error[v]
            mass = np.inf
        if not mass > 0.0:
            continue
        sizes += length * length
        masses += mass * mass
        places[count] = program.column_start[column]
        for row in range(3):
            terms[count, row] = forms[row, v]
        for q in range(symbols):
            terms[count, 3 + q] = forms[SYMBOLS + q, v]
        count += 1
    _begin(program, forms, symbols, first, size)
    _add_columns(program.weights, places, terms, count, forms, first, size)
    sizes, masses = np.sqrt(sizes) * ROOM, np.sqrt(masses) * ROOM
    # four columns are summed at a time: a term is in at most 4 + count/4 + 3 sums, after its product
    rounding = (count // 4 + 10.0) * UNIT + program.step_unit[step]
    known = 0.0
    for part in range(program.step_parts[step], program.step_parts[step + 1]):
        known += spread[program.part_block[part]] ** 2
    reach = np.sqrt(min(inherited, known)) * ROOM + rounding * sizes * ROOM
    bias, norm, limit = program.bias, program.norm, program.limit
    for i in range(first, first + size):
        if not (norm[i] * masses + abs(bias[i])) * ROOM < limit[i]:
            error[i] = (norm[i] * reach + rounding * abs(bias[i])) * ROOM
            if error[i] > 0.0:
                error[i] += TINY
            elif error[i] != 0.0:
                error[i] = np.inf  # not NaN, which compares as if it were nothing
    return rounding * (program.step_rounding[step] * sizes + program.step_bias[step]) * ROOM + TINY


@borrows
def _add_columns(weights, places, terms, count, forms, first, size):  # type: ignore[no-untyped-def]
    """Add multiples of columns to the block, four at a time."""
    k = 0
    while k + 4 <= count:
        v, w = weights[places[k] : places[k] + size], weights[places[k + 1] : places[k + 1] + size]
        x, y = weights[places[k + 2] : places[k + 2] + size], weights[places[k + 3] : places[k + 3] + size]
        for term in range(terms.shape[1]):
            p, q, r, s = terms[k, term], terms[k + 1, term], terms[k + 2, term], terms[k + 3, term]
            if p != 0.0 or q != 0.0 or r != 0.0 or s != 0.0:
                row = forms[term if term < 3 else SYMBOLS + term - 3, first : first + size]
                for i in range(size):
                    row[i] += ((v[i] * p + w[i] * q) + x[i] * r) + y[i] * s
        k += 4
    while k < count:
        v = weights[places[k] : places[k] + size]
        for term in range(terms.shape[1]):
            p = terms[k, term]
            if p != 0.0:
                row = forms[term if term < 3 else SYMBOLS + term - 3, first : first + size]
                for i in range(size):
                    row[i] += v[i] * p
        k += 1


@borrows
def _sparse_step(program, forms, scales, symbols, step):  # type: ignore[no-untyped-def]
    """A step whose matrices have zeros: entry by entry; returns the length of its rounding."""
    first, size, margin = program.step_first[step], program.step_size[step], program.step_margin[step]
    wide, high = program.reach[0], program.reach[1]
    weights, rows, bias, limit = program.weights, program.rows, program.bias, program.limit
    column_start, error, mass = program.column_start, forms[ERROR], forms[MASS]
    _begin(program, forms, symbols, first, size)
    for i in range(first, first + size):
        error[i] = margin * abs(bias[i])
        mass[i] = abs(bias[i])
    squares = 0.0
    for column in range(program.step_columns[step], program.step_columns[step + 1]):
        v = program.column_value[column]
        length, heavy = sizes_of(forms, v, scales, symbols, wide, high)
        off = error[v] + margin * length
        if off == 0.0 and heavy == 0.0:
            continue
        off += TINY
        squares += length * length
        if error[v] != 0.0:  # or NaN
            heavy = np.inf
        begin, end = column_start[column], column_start[column + 1]
        for k in range(begin, end):
            i, w = first + rows[k], abs(weights[k])
            error[i] += w * off + TINY
            mass[i] += w * heavy
        for term in range(3 + symbols):
            row = term if term < 3 else SYMBOLS + term - 3
            f = forms[row, v]
            if f != 0.0:
                for k in range(begin, end):
                    forms[row, first + rows[k]] += weights[k] * f
    for i in range(first, first + size):
        error[i] = 0.0 if mass[i] * ROOM < limit[i] else error[i] * ROOM
        if not error[i] >= 0.0:
            error[i] = np.inf
    local = program.step_rounding[step] * np.sqrt(squares) + program.step_bias[step]
    return margin * local * ROOM + TINY

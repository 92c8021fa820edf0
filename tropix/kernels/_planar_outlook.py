"""Small functions that stand for the stages to come on a small polygon, and enclosures of values on it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tropix.arrays import FloatArray, IntArray
from tropix.kernels._borrows import borrows
from tropix.kernels._planar_affine import ERROR, ROOM, SYMBOLS, TINY, UNIT, sizes_of
from tropix.kernels._planar_cells import middle

OWNER, FIRST, STOP, FIRST_COEF, STOP_COEF, FIRST_ROW, STOP_ROW = range(7)
"""Columns of a level: the frame whose polygon it holds on, then what it takes of symbols, coefficients and rows."""
SEGMENT, COEF, BEFORE, ROW, FRESH = range(5)
"""Columns of a symbol."""
FAR = 1e-6
"""Vertices that are less certain than this, in widths of the domain, are not looked from."""


class Outlook(NamedTuple):
    """Levels of small functions, one inside the other, and room for the next one.

    ``levels`` (L, 7) see above. ``symbols`` (Q, 5): the segment, where its coefficients begin, how many symbols are
    of earlier stages, and its first row in ``errors``; each of its entries has the coefficients of x, y, 1 and those.
    ``scales`` (2, Q): bounds on the size and the mass of its forms, see `affine_step`. The last column is the number
    of a symbol in the next level, −1 where it is decided there.

    For the look at hand: ``slots`` (S,) the symbol that a segment is, ``chords`` (5, M) symbols as affine functions
    a, b, c up to an error, and their size; ``values`` (5, E) entries in the same way; ``chosen`` (M, 6 + M) error, size
    and mass, and the form of the entry that wins a decided symbol; ``spread`` as in `affine_step`.
    """

    levels: IntArray
    symbols: IntArray
    scales: FloatArray
    errors: FloatArray
    coefs: FloatArray
    slots: npt.NDArray[np.int32]
    chords: FloatArray
    values: FloatArray
    chosen: FloatArray
    spread: FloatArray


@borrows
def begin_level(program, stack, outlook, f, level):  # type: ignore[no-untyped-def]
    """Start a level behind the last one; false if there is no room or the polygon is not known well enough."""
    vertices, start, levels = stack.vertices, stack.frames[f, 0], outlook.levels
    for i in range(start, start + stack.frames[f, 1]):
        if not vertices[i, 2] <= FAR * (program.reach[0] + program.reach[1]):
            return False
    if level == len(levels):
        return False
    levels[level] = 0
    levels[level, OWNER] = f
    if level > 0:
        for first, stop in ((FIRST, STOP), (FIRST_COEF, STOP_COEF), (FIRST_ROW, STOP_ROW)):
            levels[level, first] = levels[level, stop] = levels[level - 1, stop]
    return True


@borrows
def room_for_symbol(outlook, level, width, before):  # type: ignore[no-untyped-def]
    """Whether a segment with so many entries over so many symbols can be added."""
    last = outlook.levels[level]
    return (
        last[STOP] - last[FIRST] < outlook.chords.shape[1]
        and last[STOP] < len(outlook.symbols)
        and last[STOP_COEF] + width * (3 + before) <= len(outlook.coefs) - 3  # a form at work
        and last[STOP_ROW] + width <= len(outlook.errors)
    )


@borrows
def add_symbol(program, outlook, level, s, before, size, mass):  # type: ignore[no-untyped-def]
    """Keep a segment whose coefficients and errors have been written behind the others; returns its number."""
    last, width = outlook.levels[level], program.entry[s + 1] - program.entry[s]
    symbol = outlook.symbols[last[STOP]]
    symbol[SEGMENT], symbol[COEF], symbol[BEFORE], symbol[ROW] = s, last[STOP_COEF], before, last[STOP_ROW]
    # no multiple of a symbol may be taken for exact if it is not when the symbol is as small as it can be
    quantum = program.limit[program.owner[s]] * UNIT
    outlook.scales[0, last[STOP]], outlook.scales[1, last[STOP]] = size * ROOM + TINY, max(mass, quantum) * ROOM
    last[STOP_COEF] += width * (3 + before)
    last[STOP_ROW] += width
    last[STOP] += 1
    return last[STOP] - 1 - last[FIRST]


@borrows
def add_from_forms(program, outlook, forms, level, s, before):  # type: ignore[no-untyped-def]
    """Keep a segment whose entries are forms over the first symbols of the level; returns its number, −1: no room."""
    entry, entry_value, wide, high = program.entry, program.entry_value, program.reach[0], program.reach[1]
    if not room_for_symbol(outlook, level, entry[s + 1] - entry[s], before):
        return -1
    last = outlook.levels[level]
    scales = outlook.scales[:, last[FIRST] :]
    place, row, largest, heaviest = last[STOP_COEF], last[STOP_ROW], 0.0, 0.0
    for e in range(entry[s], entry[s + 1]):
        v = entry_value[e]
        for i in range(3):
            outlook.coefs[place + i] = forms[i, v]
        for q in range(before):
            outlook.coefs[place + 3 + q] = forms[SYMBOLS + q, v]
        outlook.errors[row] = forms[ERROR, v]
        size, mass = sizes_of(forms, v, scales, before, wide, high)
        largest, heaviest = max(largest, size + forms[ERROR, v]), max(heaviest, mass)
        place, row = place + 3 + before, row + 1
    return add_symbol(program, outlook, level, s, before, largest, heaviest)


@borrows
def enclosed(program, stack, outlook, f, first, width, q):  # type: ignore[no-untyped-def]
    """The winner on the whole polygon among ``values[:, first:first+width]``; −1 if open, then chord q encloses it.

    The larger of two values, whose gap g is between l < 0 and u > 0, is λ·g + μ up to μ above the first one, where
    λ = u/(u − l), μ = −λl/2; that of many is a leader and the largest excess over it.
    """
    values, chords, vertices = outlook.values, outlook.chords, stack.vertices
    start, stop = stack.frames[f, 0], stack.frames[f, 0] + stack.frames[f, 1]
    wide, high, lead = program.reach[0], program.reach[1], first
    if width > 2:
        x, y = middle(vertices, start, stop - start)
        top = -np.inf
        for e in range(first, first + width):
            value = values[0, e] * x + values[1, e] * y + values[2, e]
            if value > top:
                lead, top = e, value
    low, up, size, known = np.inf, -np.inf, 0.0, True
    for e in range(first, first + width):
        size = max(size, abs(values[0, e]) * wide + abs(values[1, e]) * high + abs(values[2, e]))
    slack = 64.0 * UNIT * size + TINY
    for e in range(first, first + width):
        if e == lead:
            continue
        a, b, c = values[0, e] - values[0, lead], values[1, e] - values[1, lead], values[2, e] - values[2, lead]
        doubt = values[3, e] + values[3, lead] + slack
        steep = abs(a) + abs(b)
        for i in range(start, stop):
            value, off = a * vertices[i, 0] + b * vertices[i, 1] + c, steep * vertices[i, 2] + doubt
            known = known and abs(value) + off < np.inf  # false for NaN
            low, up = min(low, value - off), max(up, value + off)
    if not known:
        for i in range(3):
            chords[i, q] = 0.0
        chords[3, q] = chords[4, q] = np.inf
        return -1
    if up < 0.0:
        return lead - first
    if width == 2:
        if low > 0.0:
            return 1
        share = up / (up - low)
        rest, drift = 1.0 - share, -0.5 * share * low
        for i in range(4):
            chords[i, q] = rest * values[i, first] + share * values[i, first + 1]
    else:
        drift = 0.5 * up
        for i in range(4):
            chords[i, q] = values[i, lead]
    chords[2, q] += drift
    chords[3, q] = (chords[3, q] + drift + slack + 8.0 * UNIT * drift) * ROOM
    chords[4, q] = (abs(chords[0, q]) * wide + abs(chords[1, q]) * high + abs(chords[2, q]) + chords[3, q]) * ROOM
    return -1


@borrows
def values_of_run(program, outlook, forms, begin, end, base, symbols):  # type: ignore[no-untyped-def]
    """Enclose entries on the polygon: ``values[:, e − base]`` are a, b, c, error and scratch, symbols as chords."""
    entry_value, chords, wide, high = program.entry_value, outlook.chords, program.reach[0], program.reach[1]
    while begin < end:
        stop = begin + 1
        while stop < end and entry_value[stop] == entry_value[stop - 1] + 1:
            stop += 1
        v, size = entry_value[begin], stop - begin
        values = outlook.values[:, begin - base : stop - base]
        a, b, c, error, total = values[0], values[1], values[2], values[3], values[4]
        for i in range(size):
            a[i], b[i], c[i] = forms[0, v + i], forms[1, v + i], forms[2, v + i]
            error[i] = forms[ERROR, v + i]
            total[i] = abs(a[i]) * wide + abs(b[i]) * high + abs(c[i])
        for q in range(symbols):
            k, a_, b_, c_ = forms[SYMBOLS + q, v : v + size], chords[0, q], chords[1, q], chords[2, q]
            error_, size_ = chords[3, q], chords[4, q]
            for i in range(size):
                a[i] += k[i] * a_
                b[i] += k[i] * b_
                c[i] += k[i] * c_
                error[i] += abs(k[i]) * error_
                total[i] += abs(k[i]) * size_
        for i in range(size):
            error[i] = (error[i] + (2.0 * symbols + 16.0) * UNIT * total[i]) * ROOM
        begin = stop


@borrows
def value_of_row(outlook, place, symbols, error, wide, high, e):  # type: ignore[no-untyped-def]
    """Enclose one form on the polygon, as `values_of_run` does."""
    coefs, chords, values = outlook.coefs, outlook.chords, outlook.values
    a, b, c = coefs[place], coefs[place + 1], coefs[place + 2]
    total = abs(a) * wide + abs(b) * high + abs(c)
    for q in range(symbols):
        k = coefs[place + 3 + q]
        if k != 0.0:
            a += k * chords[0, q]
            b += k * chords[1, q]
            c += k * chords[2, q]
            error += abs(k) * chords[3, q]
            total += abs(k) * chords[4, q]
    values[0, e], values[1, e], values[2, e] = a, b, c
    values[3, e] = (error + (2.0 * symbols + 16.0) * UNIT * total) * ROOM

"""Look-ahead of the planar subdivision: on a small polygon most maxima of all later stages have one winner.

Once such winners are known and put in, the rest of the function is a small one: a level of the `Outlook`, in which the
few segments that are open on the polygon are symbols, and the entries of each are forms over x, y, 1 and the symbols of
earlier stages. Stages are entered, and the next look is taken, in that small function. Winners are those of enclosures
on the polygon, strictly and with all rounding; the forms keep bounds of their errors as everywhere.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from tropix.arrays import FloatArray, IntArray
from tropix.kernels._borrows import borrows
from tropix.kernels._planar_affine import ERROR, ROOM, SYMBOLS, TINY, UNIT, affine_step, sizes_of
from tropix.kernels._planar_cells import middle
from tropix.kernels._planar_forms import set_tie

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
def _begin_level(program, stack, outlook, f, level):  # type: ignore[no-untyped-def]
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
def _room_for_symbol(outlook, level, width, before):  # type: ignore[no-untyped-def]
    """Whether a segment with so many entries over so many symbols can be added."""
    last = outlook.levels[level]
    return (
        last[STOP] - last[FIRST] < outlook.chords.shape[1]
        and last[STOP] < len(outlook.symbols)
        and last[STOP_COEF] + width * (3 + before) <= len(outlook.coefs) - 3  # a form at work
        and last[STOP_ROW] + width <= len(outlook.errors)
    )


@borrows
def _add_symbol(program, outlook, level, s, before, size, mass):  # type: ignore[no-untyped-def]
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
def _add_from_forms(program, outlook, forms, level, s, before):  # type: ignore[no-untyped-def]
    """Keep a segment whose entries are forms over the first symbols of the level; returns its number, −1: no room."""
    entry, entry_value, wide, high = program.entry, program.entry_value, program.reach[0], program.reach[1]
    if not _room_for_symbol(outlook, level, entry[s + 1] - entry[s], before):
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
    return _add_symbol(program, outlook, level, s, before, largest, heaviest)


@borrows
def _enclosed(program, stack, outlook, f, first, width, q):  # type: ignore[no-untyped-def]
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
    low, up, size = np.inf, -np.inf, 0.0
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
            low, up = min(low, value - off), max(up, value + off)
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


@njit(cache=True, nogil=True, error_model="numpy")
def look_far(program, stack, outlook, forms, f, level):  # type: ignore[no-untyped-def]
    """A first level: take all later stages with the open maxima as symbols; how many others are decided.

    −1 if there are too many symbols.
    """
    frames, patterns, slots, stage = stack.frames, stack.patterns, outlook.slots, stack.frames[f, 2]
    entry, stage_segments = program.entry, program.stage_segments
    if not _begin_level(program, stack, outlook, f, level):
        return -1
    first_symbol = outlook.levels[level, FIRST]
    scales = outlook.scales[:, first_symbol:]
    for s in range(stage_segments[stage], stage_segments[stage + 1]):
        slots[s] = -1
    for p in range(frames[f, 3], frames[f, 3] + frames[f, 4]):
        s = stack.pending[p]
        q = _add_from_forms(program, outlook, forms, level, s, 0)
        if q < 0:
            return -1
        slots[s] = q
        _values_of_run(program, outlook, forms, entry[s], entry[s + 1], entry[s], 0)
        _enclosed(program, stack, outlook, f, 0, entry[s + 1] - entry[s], q)
    known, decided = 0, 0
    for later in range(stage + 1, len(stage_segments) - 1):
        symbols = outlook.levels[level, STOP] - first_symbol
        _put_in_winners(program, patterns, outlook, forms, f, later - 1, known, symbols)
        known = symbols
        for step in range(program.stage_steps[later], program.stage_steps[later + 1]):
            affine_step(program, forms, outlook.spread, scales, symbols, step)
        begin, end = stage_segments[later], stage_segments[later + 1]
        base = entry[begin]
        _values_of_run(program, outlook, forms, base, entry[end], base, symbols)
        for s in range(begin, end):
            slots[s] = -1
            patterns[f, s] = 0
            width = entry[s + 1] - entry[s]
            if width < 2:
                continue
            fresh = outlook.levels[level, STOP] - first_symbol
            if fresh == outlook.chords.shape[1]:
                return -1
            winner = _enclosed(program, stack, outlook, f, entry[s] - base, width, fresh)
            if winner >= 0:
                patterns[f, s] = winner
                decided += 1
            else:
                slots[s] = _add_from_forms(program, outlook, forms, level, s, symbols)
                if slots[s] < 0:
                    return -1
    return decided


@borrows
def _put_in_winners(program, patterns, outlook, forms, f, stage, known, symbols):  # type: ignore[no-untyped-def]
    """Values of the maxima of a stage: the form of the winner over the ``known`` symbols, or a symbol of their own."""
    entry, entry_value, owner, slots = program.entry, program.entry_value, program.owner, outlook.slots
    begin, end = program.stage_segments[stage], program.stage_segments[stage + 1]
    for q in range(known, symbols):
        forms[SYMBOLS + q] = 0.0
    for row in range(SYMBOLS + known):
        form = forms[row]
        for s in range(begin, end):
            form[owner[s]] = form[entry_value[entry[s] + patterns[f, s]]] if slots[s] < 0 else 0.0
    for s in range(begin, end):
        if slots[s] >= 0:
            forms[SYMBOLS + slots[s], owner[s]] = 1.0
    for m in range(program.stage_maxima[stage], program.stage_maxima[stage + 1]):
        outlook.spread[program.max_block[m]] = outlook.spread[program.max_source[m]]


@borrows
def _values_of_run(program, outlook, forms, begin, end, base, symbols):  # type: ignore[no-untyped-def]
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
def _choose(program, outlook, forms, v, p):  # type: ignore[no-untyped-def]
    """Symbol p is a value whose form is known."""
    chosen, wide, high = outlook.chosen, program.reach[0], program.reach[1]
    a, b, c, error = forms[0, v], forms[1, v], forms[2, v], forms[ERROR, v]
    chosen[p, 0], chosen[p, 1], chosen[p, 2] = error, abs(a) * wide + abs(b) * high + abs(c), abs(a) + abs(b) + abs(c)
    chosen[p, 3], chosen[p, 4], chosen[p, 5] = a, b, c


@borrows
def _substitute(program, outlook, scales, first, before, place, row, v, target, symbols):  # type: ignore[no-untyped-def]
    """The form at ``place`` with decided symbols put in, written to ``target``; returns error, size and mass.

    ``first`` is the number of the first symbol of its level, ``symbols`` that of new ones it may hold.
    """
    coefs, chosen, numbers = outlook.coefs, outlook.chosen, outlook.symbols
    wide, high = program.reach[0], program.reach[1]
    a, b, c, error = coefs[place], coefs[place + 1], coefs[place + 2], outlook.errors[row]
    size, mass, exact = abs(a) * wide + abs(b) * high + abs(c), abs(a) + abs(b) + abs(c), error == 0.0
    for q in range(symbols):
        coefs[target + 3 + q] = 0.0
    for p in range(before):
        k = coefs[place + 3 + p]
        if k == 0.0:
            continue
        q = numbers[first + p, FRESH]
        if q >= 0:
            coefs[target + 3 + q] += k
            size += abs(k) * scales[0, q]
            mass += abs(k) * scales[1, q]
            continue
        a += k * chosen[p, 3]
        b += k * chosen[p, 4]
        c += k * chosen[p, 5]
        inner = -1 - q
        for q in range(inner):
            coefs[target + 3 + q] += k * chosen[p, 6 + q]
        error += abs(k) * chosen[p, 0]
        size += abs(k) * chosen[p, 1]
        mass += abs(k) * chosen[p, 2]
        exact = exact and chosen[p, 0] == 0.0
    coefs[target], coefs[target + 1], coefs[target + 2] = a, b, c
    if exact and mass * ROOM < program.limit[v]:
        return 0.0, size * ROOM, mass * ROOM
    error = (error + (before + 8.0) * UNIT * size) * ROOM
    return error + TINY if error > 0.0 else 0.0, size * ROOM, mass * ROOM


@borrows
def look_near(program, stack, outlook, forms, f, level):  # type: ignore[no-untyped-def]
    """A level inside the last one: put in what was decided since, and decide more: how much, or −1, no room."""
    frames, patterns, slots, stage = stack.frames, stack.patterns, outlook.slots, stack.frames[f, 2]
    entry, entry_value, stage_segments = program.entry, program.entry_value, program.stage_segments
    if not _begin_level(program, stack, outlook, f, level):
        return -1
    numbers, chosen, coefs, levels = outlook.symbols, outlook.chosen, outlook.coefs, outlook.levels
    first, stop, begin = levels[level - 1, FIRST], levels[level - 1, STOP], levels[level, FIRST]
    scales, wide, high = outlook.scales[:, begin:], program.reach[0], program.reach[1]
    for n in range(first, stop):
        slots[numbers[n, SEGMENT]] = -1
    for p in range(frames[f, 3], frames[f, 3] + frames[f, 4]):
        slots[stack.pending[p]] = 0
    later, before, decided = stage, 0, 0
    for n in range(first, stop):
        s, p = numbers[n, SEGMENT], n - first
        width = entry[s + 1] - entry[s]
        if s < stage_segments[stage + 1]:
            if slots[s] < 0:
                _choose(program, outlook, forms, entry_value[entry[s] + patterns[f, s]], p)
                numbers[n, FRESH] = -1
            else:
                q = _add_from_forms(program, outlook, forms, level, s, 0)
                if q < 0:
                    return -1
                numbers[n, FRESH] = q
                _values_of_run(program, outlook, forms, entry[s], entry[s + 1], entry[s], 0)
                _enclosed(program, stack, outlook, f, 0, width, q)
            continue
        if s >= stage_segments[later + 1]:
            while s >= stage_segments[later + 1]:
                later += 1
            before = levels[level, STOP] - begin
        if not _room_for_symbol(outlook, level, width, before):
            return -1
        target, row, largest, heaviest = levels[level, STOP_COEF], levels[level, STOP_ROW], 0.0, 0.0
        for e in range(width):
            old = numbers[n, BEFORE]
            place = numbers[n, COEF] + e * (3 + old)
            error, size, mass = _substitute(
                program,
                outlook,
                scales,
                first,
                old,
                place,
                numbers[n, ROW] + e,
                entry_value[entry[s] + e],
                target,
                before,
            )
            outlook.errors[row] = error
            _value_of_row(outlook, target, before, error, wide, high, e)
            largest, heaviest = max(largest, size + error), max(heaviest, mass)
            target, row = target + 3 + before, row + 1
        q = levels[level, STOP] - begin
        winner = _enclosed(program, stack, outlook, f, 0, width, q)
        if winner < 0:
            numbers[n, FRESH] = _add_symbol(
                program, outlook, level, s, before, min(largest, outlook.scales[0, n]), heaviest
            )
            continue
        patterns[f, s] = winner
        decided += 1
        place = levels[level, STOP_COEF] + winner * (3 + before)
        # bounds for the largest entry hold for the winner
        chosen[p, 0], chosen[p, 1], chosen[p, 2] = outlook.errors[levels[level, STOP_ROW] + winner], largest, heaviest
        for i in range(3 + before):
            chosen[p, 3 + i] = coefs[place + i]
        numbers[n, FRESH] = -1 - before
    return decided


@borrows
def _value_of_row(outlook, place, symbols, error, wide, high, e):  # type: ignore[no-untyped-def]
    """Enclose one form on the polygon, as `_values_of_run` does."""
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


@borrows
def enter_ahead(program, stack, outlook, forms, ties, f, level):  # type: ignore[no-untyped-def]
    """Compute the forms of the entries that are open in the stage of the top cell; returns how many segments are.

    Their segments are put on its list.
    """
    frames, patterns, pending, numbers = stack.frames, stack.patterns, stack.pending, outlook.symbols
    entry, entry_value, stage, list_start = program.entry, program.entry_value, frames[f, 2], frames[f, 3]
    first, stop = outlook.levels[level, FIRST], outlook.levels[level, STOP]
    begin, end = program.stage_segments[stage], program.stage_segments[stage + 1]
    target, size = outlook.levels[level, STOP_COEF], 0
    for n in range(first, stop):
        s = numbers[n, SEGMENT]
        if s >= end:
            break
        if s < begin:
            _choose(program, outlook, forms, entry_value[entry[s] + patterns[f, s]], n - first)
            numbers[n, FRESH] = -1
            continue
        before = numbers[n, BEFORE]
        for e in range(entry[s + 1] - entry[s]):
            v, place = entry_value[entry[s] + e], numbers[n, COEF] + e * (3 + before)
            error, _, _ = _substitute(
                program, outlook, outlook.scales, first, before, place, numbers[n, ROW] + e, v, target, 0
            )
            for i in range(3):
                forms[i, v] = outlook.coefs[target + i]
            forms[ERROR, v] = error
        set_tie(program, forms, ties, s)
        patterns[f, s] = 0
        pending[list_start + size] = s
        size += 1
    return size

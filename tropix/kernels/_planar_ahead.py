"""Look-ahead of the planar subdivision: on a small polygon most maxima of all later stages have one winner.

Once such winners are known and put in, the rest of the function is a small one: a level of the `Outlook`, in which the
few segments that are open on the polygon are symbols, and the entries of each are forms over x, y, 1 and the symbols of
earlier stages. Stages are entered, and the next look is taken, in that small function. Winners are those of enclosures
on the polygon, strictly and with all rounding; the forms keep bounds of their errors as everywhere.
"""

from __future__ import annotations

from numba import njit

from tropix.kernels._borrows import borrows
from tropix.kernels._planar_affine import ERROR, ROOM, SYMBOLS, TINY, UNIT, affine_step
from tropix.kernels._planar_forms import set_tie
from tropix.kernels._planar_outlook import (
    BEFORE,
    COEF,
    FIRST,
    FRESH,
    ROW,
    SEGMENT,
    STOP,
    STOP_COEF,
    STOP_ROW,
    add_from_forms,
    add_symbol,
    begin_level,
    enclosed,
    room_for_symbol,
    value_of_row,
    values_of_run,
)


@njit(cache=True, nogil=True, error_model="numpy")
def look_far(program, stack, outlook, forms, f, level):  # type: ignore[no-untyped-def]
    """A first level: take all later stages with the open maxima as symbols; how many others are decided.

    −1 if there are too many symbols.
    """
    frames, patterns, slots, stage = stack.frames, stack.patterns, outlook.slots, stack.frames[f, 2]
    entry, stage_segments = program.entry, program.stage_segments
    if not begin_level(program, stack, outlook, f, level):
        return -1
    first_symbol = outlook.levels[level, FIRST]
    scales = outlook.scales[:, first_symbol:]
    for s in range(stage_segments[stage], stage_segments[stage + 1]):
        slots[s] = -1
    for p in range(frames[f, 3], frames[f, 3] + frames[f, 4]):
        s = stack.pending[p]
        q = add_from_forms(program, outlook, forms, level, s, 0)
        if q < 0:
            return -1
        slots[s] = q
        values_of_run(program, outlook, forms, entry[s], entry[s + 1], entry[s], 0)
        enclosed(program, stack, outlook, f, 0, entry[s + 1] - entry[s], q)
    known, decided = 0, 0
    for later in range(stage + 1, len(stage_segments) - 1):
        symbols = outlook.levels[level, STOP] - first_symbol
        _put_in_winners(program, patterns, outlook, forms, f, later - 1, known, symbols)
        known = symbols
        for step in range(program.stage_steps[later], program.stage_steps[later + 1]):
            affine_step(program, forms, outlook.spread, scales, symbols, step)
        begin, end = stage_segments[later], stage_segments[later + 1]
        base = entry[begin]
        values_of_run(program, outlook, forms, base, entry[end], base, symbols)
        for s in range(begin, end):
            slots[s] = -1
            patterns[f, s] = 0
            width = entry[s + 1] - entry[s]
            if width < 2:
                continue
            fresh = outlook.levels[level, STOP] - first_symbol
            if fresh == outlook.chords.shape[1]:
                return -1
            winner = enclosed(program, stack, outlook, f, entry[s] - base, width, fresh)
            if winner >= 0:
                patterns[f, s] = winner
                decided += 1
            else:
                slots[s] = add_from_forms(program, outlook, forms, level, s, symbols)
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
    return 0.0 if error == 0.0 else error + TINY, size * ROOM, mass * ROOM


@borrows
def look_near(program, stack, outlook, forms, f, level):  # type: ignore[no-untyped-def]
    """A level inside the last one: put in what was decided since, and decide more: how much, or −1, no room."""
    frames, patterns, slots, stage = stack.frames, stack.patterns, outlook.slots, stack.frames[f, 2]
    entry, entry_value, stage_segments = program.entry, program.entry_value, program.stage_segments
    if not begin_level(program, stack, outlook, f, level):
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
                q = add_from_forms(program, outlook, forms, level, s, 0)
                if q < 0:
                    return -1
                numbers[n, FRESH] = q
                values_of_run(program, outlook, forms, entry[s], entry[s + 1], entry[s], 0)
                enclosed(program, stack, outlook, f, 0, width, q)
            continue
        if s >= stage_segments[later + 1]:
            while s >= stage_segments[later + 1]:
                later += 1
            before = levels[level, STOP] - begin
        if not room_for_symbol(outlook, level, width, before):
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
            value_of_row(outlook, target, before, error, wide, high, e)
            largest, heaviest = max(largest, size + error), max(heaviest, mass)
            target, row = target + 3 + before, row + 1
        q = levels[level, STOP] - begin
        winner = enclosed(program, stack, outlook, f, 0, width, q)
        if winner < 0:
            numbers[n, FRESH] = add_symbol(
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

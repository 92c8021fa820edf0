"""Affine forms and inequalities of activation cells in 64-bit integers.

Weights and biases take the place of a tape's floats; the caller answers for it that forms stay below 2⁶¹.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from tropix.arrays import FloatArray, IntArray
from tropix.kernels._threads import over_rows


def integer_forms(
    flat: tuple[Any, ...], weights: IntArray, bias: IntArray, patterns: Any, values: IntArray
) -> IntArray:
    """The forms (C, k, d+1) of k values under each pattern."""
    inputs, start, source, _, _, segment, *_ = flat
    forms = np.empty((len(patterns), len(values), inputs + 1), dtype=np.int64)

    def run(first: int, stop: int) -> None:
        _some_forms(inputs, start, source, weights, bias, segment, values, patterns[first:stop], forms[first:stop])

    over_rows(run, len(patterns), len(patterns) * len(source) * (inputs + 1))
    return forms


def integer_rows(
    flat: tuple[Any, ...], weights: IntArray, bias: IntArray, pattern: IntArray, walls: IntArray, reach: FloatArray
) -> tuple[IntArray, IntArray, IntArray, IntArray] | None:
    """The different inequalities a·x + b ≤ 0 of a pattern: rows (k, d+1), divided by their common factors.

    First those of the walls (W, d+1), below 2⁶² and with a slope, then those of all ties that are not certainly
    negative on the box ``reach`` (2, d). With them come the segments and entries of the ties (T,), and the row of each
    wall and tie (W + T,). None if an inequality says 0 < 0.
    """
    inputs, start, source, _, _, segment, owner, entry, *_ = flat
    room = len(walls) + int(entry[-1])
    slots = 4
    while slots < 2 * room:
        slots *= 2
    rows, place = np.empty((room, inputs + 1), dtype=np.int64), np.empty(room, dtype=np.int64)
    segments, entries = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.int64)
    found, ties = _rows(
        inputs, start, source, weights, bias, segment, owner, entry, pattern, walls, np.ascontiguousarray(reach),
        np.full(slots, -1), rows, segments, entries, place,
    )  # fmt: skip
    if found < 0:
        return None
    return rows[:found].copy(), segments[:ties].copy(), entries[:ties].copy(), place[: len(walls) + ties].copy()


@njit(cache=True, nogil=True, error_model="numpy")
def _forms(inputs, start, source, weights, bias, segment, pattern, form):  # type: ignore[no-untyped-def]
    for v in range(len(bias)):
        for c in range(inputs + 1):
            form[v, c] = 0
        if v < inputs:
            form[v, v] = 1
        elif segment[v] >= 0:
            chosen = source[start[v] + pattern[segment[v]]]
            for c in range(inputs + 1):
                form[v, c] = form[chosen, c]
        else:
            form[v, inputs] = bias[v]
            for k in range(start[v], start[v + 1]):
                for c in range(inputs + 1):
                    form[v, c] += weights[k] * form[source[k], c]


@njit(cache=True, nogil=True, error_model="numpy")
def _some_forms(inputs, start, source, weights, bias, segment, values, patterns, forms):  # type: ignore[no-untyped-def]
    form = np.empty((len(bias), inputs + 1), dtype=np.int64)
    for q in range(len(patterns)):
        _forms(inputs, start, source, weights, bias, segment, patterns[q], form)
        for k in range(len(values)):
            for c in range(inputs + 1):
                forms[q, k, c] = form[values[k], c]


@njit(cache=True, nogil=True, error_model="numpy")
def _rows(  # type: ignore[no-untyped-def]
    inputs, start, source, weights, bias, segment, owner, entry, pattern, walls, reach, table, rows, segments, entries,
    place,
):  # fmt: skip
    """Fill rows, segments, entries and place; the numbers of rows and ties, or −1."""
    form = np.empty((len(bias), inputs + 1), dtype=np.int64)
    _forms(inputs, start, source, weights, bias, segment, pattern, form)
    count, ties = 0, 0
    for w in range(len(walls)):
        for c in range(inputs + 1):
            rows[count, c] = walls[w, c]
        place[w] = _number(table, rows, count)
        count = max(count, place[w] + 1)
    for s in range(len(owner)):
        here, best = start[owner[s]], pattern[s]
        winner = source[here + best]
        for e in range(entry[s + 1] - entry[s]):
            level, high, size = True, 0.0, 0.0
            for c in range(inputs + 1):
                value = form[source[here + e], c] - form[winner, c]
                rows[count, c] = value
                if c < inputs:
                    if value != 0:
                        level = False
                        high += value * (reach[1, c] if value > 0 else reach[0, c])
                        size += abs(value) * max(abs(reach[0, c]), abs(reach[1, c]))
                else:
                    high += value
                    size += abs(value)
            if level:
                if rows[count, inputs] > 0 or (rows[count, inputs] == 0 and e < best):
                    return -1, 0
                continue
            if high < -(inputs + 5) * 2.0**-51 * size:  # nowhere near; false where the box is unbounded
                continue
            segments[ties], entries[ties] = s, e
            place[len(walls) + ties] = _number(table, rows, count)
            count = max(count, place[len(walls) + ties] + 1)
            ties += 1
    return count, ties


@njit(cache=True, nogil=True, error_model="numpy")
def _number(table, rows, last):  # type: ignore[no-untyped-def]
    """Divide row ``last`` by its common factor; the number of the row before it that is the same, or its own."""
    divisor = 0
    for c in range(rows.shape[1]):
        other = abs(rows[last, c])
        while other != 0:
            divisor, other = other, divisor % other
    mixed = 0
    for c in range(rows.shape[1]):
        rows[last, c] //= divisor
        mixed = (mixed ^ rows[last, c]) * -7046029254386353131
        mixed ^= (mixed >> 29) & 0x7FFFFFFFF
    slot = mixed & (len(table) - 1)
    while table[slot] >= 0:
        other, same = table[slot], True
        for c in range(rows.shape[1]):
            same = same and rows[other, c] == rows[last, c]
        if same:
            return other
        slot = (slot + 1) & (len(table) - 1)
    table[slot] = last
    return last

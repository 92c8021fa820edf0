"""Affine forms under the patterns of activation cells, with bounds of errors, and which segments they depend on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from tropix.arrays import FloatArray, IntArray
from tropix.kernels._threads import over_rows

UNIT = 2.0**-53
TINY = 1e-300
UNUSED = np.iinfo(np.uint16).max
"""Stands in a pattern for a segment that the output does not depend on."""


def output_forms(flat: tuple[Any, ...], patterns: Any) -> tuple[FloatArray, FloatArray]:
    """The forms (C, m, d+1) of the output under each pattern (C, S), and bounds of their rounding errors."""
    inputs, start, source, weight, bias, segment, _, _, outputs, unit = flat
    shape = (len(patterns), len(outputs), inputs + 1)
    forms, errors = np.empty(shape), np.empty(shape)

    def run(first: int, stop: int) -> None:
        _output_forms(
            inputs, start, source, weight, bias, segment, outputs, unit, patterns[first:stop], forms[first:stop],
            errors[first:stop],
        )  # fmt: skip

    over_rows(run, len(patterns), len(patterns) * len(source) * (inputs + 1))
    return forms, errors


def used_patterns(flat: tuple[Any, ...], patterns: Any) -> Any:
    """The patterns (C, S) as uint16 with `UNUSED` where the output does not depend on a segment there.

    A value depends on all values with a nonzero weight, a maximum on the entry that attains it. Cells whose patterns
    agree in this have the same affine map, exactly.
    """
    inputs, start, source, _, bias, segment, _, _, outputs, _ = flat
    used = np.full(patterns.shape, UNUSED, dtype=np.uint16)

    def run(first: int, stop: int) -> None:
        _used(inputs, start, source, segment, outputs, len(bias), patterns[first:stop], used[first:stop])

    over_rows(run, len(patterns), len(patterns) * len(source))
    return used


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
def _rounded_forms(inputs, start, source, weight, bias, segment, unit, pattern, form, error, live):  # type: ignore[no-untyped-def]
    """The affine forms (n, d+1) of all values under a pattern, and bounds of their errors by the number of terms.

    ``live`` says which are not zero; others are passed over, which are half of them behind a ReLU.
    """
    width = inputs + 1
    sizes = np.empty(width)
    for v in range(len(bias)):
        live[v] = True
        for c in range(width):
            form[v, c] = error[v, c] = sizes[c] = 0.0
        if v < inputs:
            form[v, v] = 1.0
            continue
        if segment[v] >= 0:
            chosen = source[start[v] + pattern[segment[v]]]
            live[v] = live[chosen]
            for c in range(width):
                form[v, c], error[v, c] = form[chosen, c], error[chosen, c]
            continue
        form[v, inputs], sizes[inputs], terms = bias[v], abs(bias[v]), 0
        for k in range(start[v], start[v + 1]):
            w, j = weight[k], source[k]
            if not live[j]:
                continue
            terms += 1
            for c in range(width):
                term = w * form[j, c]
                form[v, c] += term
                sizes[c] += abs(term)
                error[v, c] += abs(w) * error[j, c]
        live[v] = terms > 0 or bias[v] != 0.0
        for c in range(width):
            relative = (terms + 2) * UNIT + unit
            error[v, c] = (error[v, c] * (1 + unit) + relative * sizes[c]) * (1 + 1e-9 + 4 * terms * UNIT)
            if live[v]:
                error[v, c] += TINY


@njit(cache=True, nogil=True, error_model="numpy")
def _output_forms(inputs, start, source, weight, bias, segment, outputs, unit, patterns, forms, errors):  # type: ignore[no-untyped-def]
    form, error = np.empty((len(bias), inputs + 1)), np.empty((len(bias), inputs + 1))
    live = np.empty(len(bias), dtype=np.bool_)
    for q in range(len(patterns)):
        _rounded_forms(inputs, start, source, weight, bias, segment, unit, patterns[q], form, error, live)
        for k in range(len(outputs)):
            for c in range(inputs + 1):
                forms[q, k, c] = form[outputs[k], c]
                errors[q, k, c] = error[outputs[k], c]


@njit(cache=True, nogil=True, error_model="numpy")
def _used(inputs, start, source, segment, outputs, count, patterns, used):  # type: ignore[no-untyped-def]
    needed = np.empty(count, dtype=np.bool_)
    for q in range(len(patterns)):
        for v in range(count):
            needed[v] = False
        for k in range(len(outputs)):
            needed[outputs[k]] = True
        for v in range(count - 1, inputs - 1, -1):
            if not needed[v]:
                continue
            s = segment[v]
            if s >= 0:
                used[q, s] = patterns[q, s]
                needed[source[start[v] + patterns[q, s]]] = True
            else:
                for k in range(start[v], start[v + 1]):
                    needed[source[k]] = True


def facet_rows(
    flat: tuple[Any, ...], walls: FloatArray, patterns: Any, offsets: IntArray, segments: IntArray, entries: IntArray
) -> FloatArray:
    """The rows (a, b), |a| = 1, of the inequalities a·x + b ≤ 0 of facets (F, d+1), in floating point.

    Facets ``offsets[q]:offsets[q+1]`` belong to pattern q; each is the tie of a segment's winner with an entry, or,
    where the segment is −1, a row of ``walls``.
    """
    inputs, start, source, weight, bias, segment, owner, _, _, unit = flat
    rows = np.empty((len(segments), inputs + 1))

    def run(first: int, stop: int) -> None:
        _facet_rows(
            inputs, start, source, weight, bias, segment, owner, unit, walls, patterns, offsets, segments, entries,
            first, stop, rows,
        )  # fmt: skip

    over_rows(run, len(patterns), len(patterns) * len(source) * (inputs + 1))
    return rows


@njit(cache=True, nogil=True, error_model="numpy")
def _facet_rows(  # type: ignore[no-untyped-def]
    inputs, start, source, weight, bias, segment, owner, unit, walls, patterns, offsets, segments, entries, first, stop,
    rows,
):  # fmt: skip
    form, error = np.empty((len(bias), inputs + 1)), np.empty((len(bias), inputs + 1))
    live = np.empty(len(bias), dtype=np.bool_)
    for q in range(first, stop):
        _rounded_forms(inputs, start, source, weight, bias, segment, unit, patterns[q], form, error, live)
        for f in range(offsets[q], offsets[q + 1]):
            s, square = segments[f], 0.0
            for c in range(inputs + 1):
                if s < 0:
                    rows[f, c] = walls[entries[f], c]
                else:
                    here = start[owner[s]]
                    rows[f, c] = form[source[here + entries[f]], c] - form[source[here + patterns[q, s]], c]
                if c < inputs:
                    square += rows[f, c] * rows[f, c]
            length = np.sqrt(square)
            for c in range(inputs + 1):
                rows[f, c] /= length

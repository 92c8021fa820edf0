"""Affine forms of two variables, with bounds on their rounding errors: what the subdivision of the plane compares.

A form is a·x + b·y + c with an ``error``: the form that is meant differs from it by at most that anywhere in the domain
|x| ≤ X, |y| ≤ Y. Its ``size`` is |a|X + |b|Y + |c|. Signs are certain or left open (2); never guessed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from tropix.arrays import BoolArray, FloatArray, IntArray
from tropix.kernels._borrows import borrows
from tropix.kernels._planar_affine import ROOM, TINY, UNIT, affine_step

FLAT = 1e-150
"""Smallest determinant of two lines whose meeting point is located, far above where products underflow."""


class PlanarProgram(NamedTuple):
    """A tape in stages: the affine steps ``stage_steps[t]:stage_steps[t+1]``, then the maxima of stage t.

    Step o computes the values ``step_first[o] + i``, i < ``step_size[o]``, of the block ``step_block[o]``: bias + Σ
    over the columns ``step_columns[o]:step_columns[o+1]`` of weight·(value ``column_value``), sorted by row; if
    ``step_full``, no column has zeros. For error bounds: ``step_margin`` bounds the relative rounding error of a sum,
    ``step_unit`` that of the weights, ``norm`` the length of a value's weights, ``step_rounding`` the norm ‖|A|‖₂ and
    ``step_bias`` the length of the bias; parts ``step_parts[o]:step_parts[o+1]`` are the blocks that it reads, with
    norms ‖A_i‖₂. Every value is a multiple of a power of two, and ``limit`` is 2⁵³ times that: sums of smaller size
    are exact.

    Segments ``stage_segments[t]:stage_segments[t+1]`` belong to stage t; segment s has the entries
    ``entry[s]:entry[s+1]`` with values ``entry_value`` and is itself value ``owner[s]``. Blocks of maxima
    ``stage_maxima[t]:stage_maxima[t+1]`` are ``max_block`` and read ``max_source``. ``reach`` is (X, Y), ``centre``
    where x = y = 0 lies.
    """

    stage_steps: IntArray
    step_first: IntArray
    step_size: IntArray
    step_columns: IntArray
    step_block: IntArray
    step_full: BoolArray
    step_margin: FloatArray
    step_unit: FloatArray
    step_rounding: FloatArray
    step_bias: FloatArray
    step_parts: IntArray
    part_block: IntArray
    part_norm: FloatArray
    column_value: IntArray
    column_start: IntArray
    rows: IntArray
    weights: FloatArray
    bias: FloatArray
    norm: FloatArray
    limit: FloatArray
    stage_segments: IntArray
    entry: IntArray
    entry_value: IntArray
    owner: IntArray
    stage_maxima: IntArray
    max_block: IntArray
    max_source: IntArray
    reach: FloatArray
    centre: FloatArray


@njit(cache=True, nogil=True, error_model="numpy")
def enter_stage(program, forms, spread, ties, patterns, f, stage):  # type: ignore[no-untyped-def]
    """Compute the forms (5 + Q, n) of a stage where the maxima before it are as pattern f says, and its ties (S, 6).

    The tie of a segment with two entries is the second minus the first: a, b, c, error, then what a value at a point of
    the domain may be off by, and |a| + |b|.
    """
    entry, entry_value, owner, stage_segments = (
        program.entry,
        program.entry_value,
        program.owner,
        program.stage_segments,
    )
    if stage > 0:
        for s in range(stage_segments[stage - 1], stage_segments[stage]):
            chosen, target = entry_value[entry[s] + patterns[f, s]], owner[s]
            for i in range(4):
                forms[i, target] = forms[i, chosen]
        for m in range(program.stage_maxima[stage - 1], program.stage_maxima[stage]):
            spread[program.max_block[m]] = spread[program.max_source[m]]
    scales = np.empty((2, 0))
    for step in range(program.stage_steps[stage], program.stage_steps[stage + 1]):
        affine_step(program, forms, spread, scales, 0, step)
    for s in range(stage_segments[stage], stage_segments[stage + 1]):
        set_tie(program, forms, ties, s)


@borrows
def set_tie(program, forms, ties, s):  # type: ignore[no-untyped-def]
    """The tie of a segment, if it has two entries."""
    first, wide, high = program.entry[s], program.reach[0], program.reach[1]
    if program.entry[s + 1] - first == 2:
        values, limit = program.entry_value, program.limit
        a, b, c, error, bound, steep = difference(forms, values, limit, wide, high, first + 1, first)
        ties[s, 0], ties[s, 1], ties[s, 2], ties[s, 3], ties[s, 4], ties[s, 5] = a, b, c, error, bound, steep


@borrows
def difference(forms, values, limit, wide, high, entry, other):  # type: ignore[no-untyped-def]
    """The form of one entry minus that of another: a, b, c, error, bound of a value's error, |a| + |b|."""
    i, j = values[entry], values[other]
    a, b, c = forms[0, i] - forms[0, j], forms[1, i] - forms[1, j], forms[2, i] - forms[2, j]
    size = abs(a) * wide + abs(b) * high + abs(c)
    error = forms[3, i] + forms[3, j]
    mass = abs(forms[0, i]) + abs(forms[1, i]) + abs(forms[2, i])
    mass += abs(forms[0, j]) + abs(forms[1, j]) + abs(forms[2, j])
    if error > 0.0 or not mass * ROOM < min(limit[i], limit[j]):
        error = (error + UNIT * size) * ROOM
        if size > 0.0:
            error += TINY
    bound = error + 8.0 * UNIT * size
    if bound > 0.0:
        bound += TINY
    return a, b, c, error, bound, (abs(a) + abs(b)) * ROOM


@borrows
def certain_sign(a, b, c, bound, steep, x, y, off):  # type: ignore[no-untyped-def]
    """Sign of a form at a point known up to ``off`` in each coordinate; 2 where rounding leaves it open."""
    value = a * x + b * y + c
    if steep > 0.0:
        bound = bound + steep * off
    if value > bound:
        return 1
    if value < -bound:
        return -1
    return 0 if bound == 0.0 and value == 0.0 else 2


@borrows
def meeting_point(a, b, c, error, a_, b_, c_, error_, wide, high):  # type: ignore[no-untyped-def]
    """Where two lines (a, b, c, error) meet, given that this is in the domain: x, y, bound of the error of both.

    Where the residuals of the computed point are r₁, r₂ it is off by M⁻¹(r₁, r₂), M the matrix of the true slopes.
    """
    det = a * b_ - a_ * b
    x = min(max((b * c_ - b_ * c) / det, -wide), wide)
    y = min(max((c * a_ - c_ * a) / det, -high), high)
    if not (abs(x) <= wide and abs(y) <= high):
        return 0.0, 0.0, np.inf
    off = abs(a * x + b * y + c) + error + 8.0 * UNIT * (abs(a * x) + abs(b * y) + abs(c)) + TINY
    off_ = abs(a_ * x + b_ * y + c_) + error_ + 8.0 * UNIT * (abs(a_ * x) + abs(b_ * y) + abs(c_)) + TINY
    da, db, da_, db_ = error / wide, error / high, error_ / wide, error_ / high
    doubt = abs(a) * db_ + abs(b_) * da + da * db_ + abs(a_) * db + abs(b) * da_ + da_ * db
    least = abs(det) - (doubt + 4.0 * UNIT * (abs(a * b_) + abs(a_ * b))) * ROOM
    if not least > FLAT:
        return x, y, np.inf
    in_x = (abs(b_) + db_) * off + (abs(b) + db) * off_
    in_y = (abs(a_) + da_) * off + (abs(a) + da) * off_
    return x, y, max(in_x, in_y) / least * ROOM + FLAT

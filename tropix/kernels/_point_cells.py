"""The activation cell of each of many points, and how far the point is from the inequalities that bound it.

Values and gradients are computed in floats with bounds of their errors. As in `_line_traversal`, what the bounds do not
decide is left to the caller: which of some entries is the largest (`DECIDE`), and whether an entry that is equal to the
winner at the point is the same function of x (`SAME`). Values beyond the range of floats end it (`OVERFLOW`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from tropix.arrays import BoolArray, FloatArray, IntArray
from tropix.kernels._line_traversal import DECIDE, DONE, Flags, LineProgram

SAME, OVERFLOW = 4, 5
POINT, POSITION, CHOSEN, EXACT = range(4)
"""Positions in ``control``: the point under way, from which value on, the answer to `DECIDE` or −1, whether to ask."""
EQUAL, IDENTICAL, DIFFERENT = 1, 2, 3
"""Marks in ``tied``: equal at the point, and then the same function or not."""


class PointState(NamedTuple):
    """Values (n, 2) with bounds of their errors, gradients (n, d), their 1-norms and bounds of errors (n, 2).

    With gradients of no columns distances are not computed.
    """

    values: FloatArray
    gradients: FloatArray
    norms: FloatArray
    pattern: IntArray
    tied: Flags
    control: IntArray


class PointCells(NamedTuple):
    """Patterns (N, S); for p = 1, 2, ∞ the distance, a lower and an upper bound (N, 3, 3), and the entry (N, 3)."""

    patterns: npt.NDArray[np.int16]
    distances: FloatArray
    entries: IntArray


def point_cells(program: LineProgram, points: FloatArray, state: PointState, found: PointCells) -> int:
    """Go on from ``control[POINT]`` to the last point or the next question: `DONE`, `DECIDE`, `SAME`, `OVERFLOW`."""
    return int(_point_cells(program, points, state, found))


def point_distances_numpy(
    rows: FloatArray, slacks: FloatArray, skipped: BoolArray
) -> tuple[tuple[float, float, float], tuple[int, int, int]]:
    """The specification of the distances: inequalities rows·δ ≤ slacks (k, d), (k,); for p = 1, 2, ∞ the nearest."""
    nearest, which = [], []
    for order in (np.inf, 2, 1):
        with np.errstate(divide="ignore", invalid="ignore"):
            apart = slacks / np.linalg.norm(rows, ord=order, axis=1)
        apart = np.where(skipped | np.isnan(apart), np.inf, apart)
        which.append(int(np.argmin(apart)) if np.isfinite(apart).any() else -1)
        nearest.append(float(apart.min(initial=np.inf)))
    return (nearest[0], nearest[1], nearest[2]), (which[0], which[1], which[2])


@njit(cache=True, nogil=True, error_model="numpy")
def _point_cells(program, points, state, found):  # type: ignore[no-untyped-def]
    control = state.control
    values = len(program.bias)
    for i in range(control[POINT], len(points)):
        control[POINT] = i
        if control[POSITION] == 0:
            for v in range(program.inputs):
                state.values[v, 0] = points[i, v]
            for e in range(len(state.tied)):
                state.tied[e] = 0
        for v in range(max(control[POSITION], program.inputs), values):
            if program.segment[v] < 0:
                _affine(program, state, v)
            elif not _maximum(program, state, v):
                control[POSITION] = v
                return DECIDE
        control[POSITION] = values
        for v in range(values):
            if not (abs(state.values[v, 0]) < np.inf and state.values[v, 1] < np.inf and state.norms[v, 1] < np.inf):
                return OVERFLOW
        for s in range(len(state.pattern)):
            found.patterns[i, s] = state.pattern[s]
        if state.gradients.shape[1] and not _distances(program, state, found.distances[i], found.entries[i]):
            return SAME
        control[POSITION] = 0
    return DONE


@njit(cache=True, nogil=True, error_model="numpy")
def _affine(program, state, v):  # type: ignore[no-untyped-def]
    first, last, bias = program.start[v], program.start[v + 1], program.bias[v]
    values, gradients, norms = state.values, state.gradients, state.norms
    columns = gradients.shape[1]
    value, size, error, norm, norm_error, some = bias, 0.0, 0.0, 0.0, 0.0, False
    for j in range(columns):
        gradients[v, j] = 0.0
    for p in range(first, last):
        w, u = program.weight[p], program.source[p]
        a = abs(w)
        value += w * values[u, 0]
        size += a * abs(values[u, 0])
        error += a * values[u, 1]
        some = some or values[u, 0] != 0.0 or values[u, 1] != 0.0
        if norms[u, 0] != 0.0:
            norm += a * norms[u, 0]
            for j in range(columns):
                gradients[v, j] += w * gradients[u, j]
        norm_error += a * norms[u, 1]
    count = last - first
    copied = count == 0 or (count == 1 and bias == 0.0 and abs(program.weight[first]) == 1.0)
    rounding = 2.0 * program.unit + (0.0 if copied else (count + 2) * 2.0**-53)
    underflow = 1e-280 if some and size < 1e-280 and not copied else 0.0
    if some or program.unit > 0.0:
        size += abs(bias)  # otherwise the bias alone is the value, without rounding
    values[v, 0] = value
    # the factor covers the rounding of the bounds themselves, for up to 10⁸ terms
    values[v, 1] = (error + rounding * size) * (1.0 + 1e-7) + underflow
    total = 0.0
    for j in range(columns):
        total += abs(gradients[v, j])
    underflow = 0.0
    if norm < 1e-280 and not copied:
        for p in range(first, last):
            if norms[program.source[p], 0] != 0.0 or norms[program.source[p], 1] != 0.0:
                underflow = 1e-280
    norms[v, 0] = total
    norms[v, 1] = (norm_error + rounding * norm) * (1.0 + 1e-7) + underflow


@njit(cache=True, nogil=True, error_model="numpy")
def _maximum(program, state, v):  # type: ignore[no-untyped-def]
    """The largest entry, of equal ones the first, marking those; False if that is not certain."""
    s, base = program.segment[v], program.start[v]
    entry, width = program.entry[s], program.entry[s + 1] - program.entry[s]
    values, control = state.values, state.control
    winner = 0
    if control[CHOSEN] >= 0:
        winner = control[CHOSEN]
        control[CHOSEN] = -1
    else:
        for k in range(1, width):
            if values[program.source[base + k], 0] > values[program.source[base + winner], 0]:
                winner = k
        best = program.source[base + winner]
        for k in range(width):
            if k != winner:
                u = program.source[base + k]
                gap = values[best, 0] - values[u, 0]
                error = _gap_error(values, best, u, gap)
                if not gap > error:
                    if control[EXACT] == 1 and error != 0.0:
                        return False
                    state.tied[entry + k] = EQUAL
    state.pattern[s] = winner
    u = program.source[base + winner]
    for j in range(2):
        values[v, j] = values[u, j]
        state.norms[v, j] = state.norms[u, j]
    for j in range(state.gradients.shape[1]):
        state.gradients[v, j] = state.gradients[u, j]
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def _gap_error(values, u, v, gap):  # type: ignore[no-untyped-def]
    error = values[u, 1] + values[v, 1]
    return error * (1.0 + 1e-15) + abs(gap) * 2.0**-53 + 5e-324 if error != 0.0 or gap != 0.0 else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def _distances(program, state, distances, entries):  # type: ignore[no-untyped-def]
    """Distances to all inequalities; False if it is not certain whether some entry is the same function."""
    values, norms = state.values, state.norms
    rounding = (state.gradients.shape[1] + 8) * 2.0**-52
    lengths = np.empty(3)
    for j in range(3):
        entries[j] = -1
        for k in range(3):
            distances[j, k] = np.inf
    for s in range(len(state.pattern)):
        base = program.start[program.owner[s]]
        entry, width = program.entry[s], program.entry[s + 1] - program.entry[s]
        w = program.source[base + state.pattern[s]]
        for k in range(width):
            e = entry + k
            if k == state.pattern[s] or state.tied[e] == IDENTICAL:
                continue
            u = program.source[base + k]
            _lengths(state.gradients, w, u, lengths)
            error = norms[w, 1] + norms[u, 1]
            gap = values[w, 0] - values[u, 0]
            gap_error = _gap_error(values, w, u, gap)
            if state.tied[e]:
                known = lengths[2] * (1.0 - rounding) > error
                if state.control[EXACT] == 1:
                    if not known and state.tied[e] == EQUAL:
                        if error == 0.0 and lengths[2] == 0.0:
                            continue
                        state.control[CHOSEN] = e
                        return False
                    gap, gap_error = 0.0, 0.0
                elif not known:  # taken for the same function, but nothing is proved
                    for j in range(3):
                        distances[j, 1] = 0.0
                    continue
            for j in range(3):
                length = lengths[j]
                distance = gap / length if gap != 0.0 or length != 0.0 else 0.0
                # `_gap_error` is 5e-324 at least, so that neither bound is 0/0 but at ties that are none
                lower = (gap - gap_error) / (length * (1.0 + rounding) + error * (1.0 + 1e-15)) * (1.0 - 1e-15)
                shortest = length * (1.0 - rounding) - error * (1.0 + 1e-15)
                upper = (gap + gap_error) / shortest * (1.0 + 1e-15) if shortest > 0.0 else np.inf
                if state.tied[e] == DIFFERENT:
                    distance, lower, upper = 0.0, 0.0, 0.0
                if not lower > 0.0:
                    lower = 0.0
                if distance < distances[j, 0]:
                    distances[j, 0] = distance
                    entries[j] = e
                distances[j, 1] = min(distances[j, 1], lower)
                distances[j, 2] = min(distances[j, 2], upper)
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def _lengths(gradients, w, u, lengths):  # type: ignore[no-untyped-def]
    """The norms dual to p = 1, 2, ∞ of a difference of gradients."""
    largest, squares, total = 0.0, 0.0, 0.0
    for j in range(gradients.shape[1]):
        difference = abs(gradients[w, j] - gradients[u, j])
        largest = max(largest, difference)
        squares += difference * difference
        total += difference
    if largest > 0.0 and not 1e-140 < largest < 1e140:
        squares = 0.0
        for j in range(gradients.shape[1]):
            ratio = (gradients[w, j] - gradients[u, j]) / largest
            squares += ratio * ratio
        lengths[1] = largest * np.sqrt(squares)
    else:
        lengths[1] = np.sqrt(squares)
    lengths[0], lengths[2] = largest, total

"""A piecewise-linear function along a line: sweep from breakpoint to breakpoint in floats with proved error bounds.

On a piece every value is c + s·t. ``forms`` (n, 4) holds c, s and bounds of their errors. A segment keeps its winner w
until another entry e overtakes it, at t* = (c_w − c_e)/(s_e − s_w); bounds of t* are kept for every entry, and the next
breakpoint is the smallest t*. After it the values behind the switched segment are computed anew, all others kept.

What the bounds do not decide is left to the caller: which of some entries is the largest from here on (`DECIDE`), or
which of some entries come first (`CLUSTER`). Entries that are the same function as the winner are marked as ``tied``.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from tropix.arrays import FloatArray, IntArray

DONE, DECIDE, CLUSTER, FULL = 0, 1, 2, 3
"""Why the sweep stopped: at the end, for one of the two questions, or since the record is full."""
SEARCH, SETTLE = 0, 1
PHASE, POSITION, NOW, PIECES, SWITCHES, CHOSEN, EXACT, STALLED = range(8)
"""Positions in ``control``: what to do next; from which value on; the number of the piece; how many pieces and switches
the record holds; the answer to `DECIDE` or −1; whether to ask at all; if not, how many breakpoints in a row lay at the
same t."""

Flags = npt.NDArray[np.uint8]


class LineProgram(NamedTuple):
    """Values, each an affine form or a maximum of earlier ones (see `Flat`), and who reads each of them."""

    inputs: int
    start: IntArray
    source: IntArray
    weight: FloatArray
    bias: FloatArray
    segment: IntArray
    owner: IntArray
    entry: IntArray
    entry_segment: IntArray
    readers_start: IntArray
    readers: IntArray
    outputs: IntArray
    unit: float


class LineState(NamedTuple):
    """Where the sweep is: ``stamp`` (n,) is the piece on which a value took its form, ``time`` bounds the last one."""

    forms: FloatArray
    dirty: Flags
    stamp: IntArray
    pattern: IntArray
    tied: Flags
    active: Flags
    lower: FloatArray
    upper: FloatArray
    time: FloatArray
    previous: FloatArray
    control: IntArray


class LineRecord(NamedTuple):
    """What was found: where pieces begin (k, 2), their output forms (k, m, 4), whether the output bends there
    (0 no, 1 yes, 2 unknown), and the switches (piece, segment, from, to).
    """

    begins: FloatArray
    outputs: FloatArray
    bends: Flags
    switches: IntArray


def sweep_line(program: LineProgram, state: LineState, record: LineRecord) -> int:
    """Sweep on until the end or the next question; returns `DONE`, `DECIDE`, `CLUSTER` or `FULL`."""
    return int(_sweep(program, state, record))


def sweep_line_fractions(
    program: LineProgram, start: list[Fraction], end: list[Fraction]
) -> tuple[list[Fraction], list[list[int]]]:
    """The specification, without tied weights or state: breakpoints in (0, 1) and the pattern of each piece."""
    here = Fraction(0)
    breakpoints: list[Fraction] = []
    patterns: list[list[int]] = []
    while True:
        forms = [(a, b - a) for a, b in zip(start, end, strict=True)]
        pattern, until = [0] * len(program.owner), Fraction(1)
        for v in range(program.inputs, len(program.bias)):
            places = range(program.start[v], program.start[v + 1])
            sources = [forms[program.source[p]] for p in places]
            if program.segment[v] < 0:
                weights = [Fraction(float(program.weight[p])) for p in places]
                forms.append((
                    Fraction(float(program.bias[v])) + sum(w * c for w, (c, _) in zip(weights, sources, strict=True)),
                    sum((w * s for w, (_, s) in zip(weights, sources, strict=True)), Fraction(0)),
                ))  # fmt: skip
                continue
            best = max(range(len(sources)), key=lambda k: (sources[k][0] + here * sources[k][1], sources[k][1]))
            c, s = sources[best]
            until = min([until, *((c - other) / (slope - s) for other, slope in sources if slope > s)])
            pattern[program.segment[v]] = best
            forms.append(sources[best])
        patterns.append(pattern)
        if until >= 1:
            return breakpoints, patterns
        breakpoints.append(until)
        here = until


@njit(cache=True, nogil=True, error_model="numpy")
def _sweep(program, state, record):  # type: ignore[no-untyped-def]
    control = state.control
    while True:
        if control[PHASE] == SETTLE:
            stuck = _settle(program, state, record)
            if stuck >= 0:
                control[POSITION] = stuck
                return DECIDE
            _note(program, state, record)
            control[PHASE] = SEARCH
        if control[PIECES] == len(record.begins) or control[SWITCHES] + len(state.pattern) > len(record.switches):
            return FULL
        found = _next(program, state)
        if found >= 0:
            return found


@njit(cache=True, nogil=True, error_model="numpy")
def _next(program, state):  # type: ignore[no-untyped-def]
    """Go to the next breakpoint if it is certain which one that is: −1, else why not."""
    lower, upper = state.lower, state.upper
    soonest = np.inf
    for e in range(len(upper)):
        soonest = min(soonest, upper[e])
    first, count = -1, 0
    for e in range(len(lower)):
        if lower[e] <= soonest and lower[e] < 1.0:
            first = e
            count += 1
    if count == 0:
        return DONE
    if state.control[EXACT] == 1:
        if count > 1 or not soonest < 1.0:
            return CLUSTER
        state.time[0], state.time[1] = lower[first], soonest
        _activate(program, state, first)
    else:
        if not soonest < 1.0:
            return DONE
        state.control[STALLED] = state.control[STALLED] + 1 if soonest <= state.time[0] else 0
        if state.control[STALLED] > len(lower):  # rounding makes the same entries overtake each other for ever
            for e in range(len(lower)):
                if lower[e] <= soonest:
                    lower[e] = np.inf
                    upper[e] = np.inf
            return -1
        # all that may come at once comes at once; entries known to be as good as parallel never come
        state.time[0] = max(soonest, state.time[0])
        state.time[1] = state.time[0]
        for e in range(len(lower)):
            if lower[e] <= soonest and upper[e] < np.inf:
                _activate(program, state, e)
    _begin(state)
    return -1


@njit(cache=True, nogil=True, error_model="numpy")
def _activate(program, state, e):  # type: ignore[no-untyped-def]
    state.active[e] = 1
    state.dirty[program.owner[program.entry_segment[e]]] = 1


@njit(cache=True, nogil=True, error_model="numpy")
def _begin(state):  # type: ignore[no-untyped-def]
    state.control[NOW] += 1
    state.control[POSITION] = 0
    state.control[PHASE] = SETTLE


@njit(cache=True, nogil=True, error_model="numpy")
def _settle(program, state, record):  # type: ignore[no-untyped-def]
    """Bring all dirty values up to date in order; returns the value of a segment that cannot be decided, or −1."""
    now = state.control[NOW]
    for v in range(max(state.control[POSITION], program.inputs), len(program.bias)):
        if not state.dirty[v]:
            continue
        if program.segment[v] < 0:
            _affine(program, state.forms, v)
            changed = True
        else:
            answer = _maximum(program, state, record, v)
            if answer < 0:
                return v
            changed = answer == 1
        state.dirty[v] = 0
        if changed:
            state.stamp[v] = now
            for r in range(program.readers_start[v], program.readers_start[v + 1]):
                state.dirty[program.readers[r]] = 1
    return -1


@njit(cache=True, nogil=True, error_model="numpy")
def _affine(program, forms, v):  # type: ignore[no-untyped-def]
    first, last, bias = program.start[v], program.start[v + 1], program.bias[v]
    c, s, c_size, s_size, c_error, s_error = bias, 0.0, 0.0, 0.0, 0.0, 0.0
    for p in range(first, last):
        w, u = program.weight[p], program.source[p]
        a = abs(w)
        c += w * forms[u, 0]
        s += w * forms[u, 1]
        c_size += a * abs(forms[u, 0])
        s_size += a * abs(forms[u, 1])
        c_error += a * forms[u, 2]
        s_error += a * forms[u, 3]
    count = last - first
    copied = count == 0 or (count == 1 and bias == 0.0 and abs(program.weight[first]) == 1.0)
    rounding = 2.0 * program.unit + (0.0 if copied else (count + 2) * 2.0**-53)
    forms[v, 0], forms[v, 1] = c, s
    for j in range(2):
        size, error = (c_size, c_error) if j == 0 else (s_size, s_error)
        underflow = 0.0
        if size < 1e-280 and not copied:
            for p in range(first, last):
                u = program.source[p]
                if forms[u, j] != 0.0 or forms[u, 2 + j] != 0.0:
                    underflow = 1e-280
        if j == 0 and (size > 0.0 or underflow > 0.0 or program.unit > 0.0):
            size += abs(bias)  # otherwise the bias alone is the value, without rounding
        # the factor covers the rounding of the bounds themselves, for up to 10⁸ terms
        forms[v, 2 + j] = (error + rounding * size) * (1.0 + 1e-7) + underflow


@njit(cache=True, nogil=True, error_model="numpy")
def _maximum(program, state, record, v):  # type: ignore[no-untyped-def]
    """Settle one maximum: 1 if its form changed, 0 if not, −1 if it cannot be decided who wins."""
    control = state.control
    now, s, base = control[NOW], program.segment[v], program.start[v]
    entry, width = program.entry[s], program.entry[s + 1] - program.entry[s]
    winner = state.pattern[s]
    moved, contest = False, now == 0 or control[CHOSEN] >= 0
    winner_moved = state.stamp[program.source[base + winner]] == now
    for k in range(width):
        changed = state.stamp[program.source[base + k]] == now
        moved = moved or changed
        if state.active[entry + k] or (k != winner and state.tied[entry + k] and (changed or winner_moved)):
            contest = True
    chosen = winner
    if contest and width > 1:
        if control[CHOSEN] >= 0:
            chosen = control[CHOSEN]
            control[CHOSEN] = -1
        else:
            chosen = _decide(program, state, v)
            if chosen < 0:
                return -1
    if chosen != winner:
        if now > 0:
            i = control[SWITCHES]
            record.switches[i, 0] = now
            record.switches[i, 1] = s
            record.switches[i, 2] = winner
            record.switches[i, 3] = chosen
            control[SWITCHES] = i + 1
        state.pattern[s] = chosen
    if width > 1 and (contest or moved):
        _overtaking(program, state, v)
    u = program.source[base + chosen]
    for j in range(4):
        state.forms[v, j] = state.forms[u, j]
    return 1 if now == 0 or chosen != winner or state.stamp[u] == now else 0


@njit(cache=True, nogil=True, error_model="numpy")
def _decide(program, state, v):  # type: ignore[no-untyped-def]
    """The entry that is the largest just behind the breakpoint, of those that are equal at it; −1: not certain."""
    s, base = program.segment[v], program.start[v]
    entry, width = program.entry[s], program.entry[s + 1] - program.entry[s]
    forms, active, tied, exact = state.forms, state.active, state.tied, state.control[EXACT] == 1
    certain = True
    winner = state.pattern[s]
    if state.control[NOW] == 0:
        winner = 0
        for k in range(width):
            if forms[program.source[base + k], 0] > forms[program.source[base + winner], 0]:
                winner = k
        best = program.source[base + winner]
        for k in range(width):
            u = program.source[base + k]
            gap = forms[best, 0] - forms[u, 0]
            error = _gap_error(forms, best, u, 0, gap)
            active[entry + k] = 0 if gap > error else 1
            if k != winner and not gap > error and error != 0.0:
                certain = False
    if exact and not certain:
        return -1
    leader = winner
    for k in range(width):
        if active[entry + k] or tied[entry + k]:
            here, there = forms[program.source[base + k], 1], forms[program.source[base + leader], 1]
            if here > there or (here == there and k < leader):
                leader = k
    best = program.source[base + leader]
    for k in range(width):
        if k != leader and (k == winner or active[entry + k] or tied[entry + k]):
            u = program.source[base + k]
            gap = forms[best, 1] - forms[u, 1]
            error = _gap_error(forms, best, u, 1, gap)
            if exact and not gap > error and error != 0.0:
                return -1
    chosen = leader
    for k in range(width):
        held = k in (leader, winner) or active[entry + k] or tied[entry + k]
        if held:
            u = program.source[base + k]
            gap = forms[best, 1] - forms[u, 1]
            held = k == leader or not gap > _gap_error(forms, best, u, 1, gap)
        tied[entry + k] = 1 if held else 0
        active[entry + k] = 0
        if held and k < chosen:
            chosen = k
    return chosen


@njit(cache=True, nogil=True, error_model="numpy")
def _gap_error(forms, u, v, j, gap):  # type: ignore[no-untyped-def]
    """A bound of the error of forms[u, j] − forms[v, j]; 0 only where that is exactly the computed 0."""
    error = forms[u, 2 + j] + forms[v, 2 + j]
    return error * (1.0 + 1e-15) + abs(gap) * 2.0**-53 + 5e-324 if error != 0.0 or gap != 0.0 else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def _overtaking(program, state, v):  # type: ignore[no-untyped-def]
    """Bounds of the t at which each other entry overtakes the winner, ∞ if not before t = 1."""
    s, base = program.segment[v], program.start[v]
    entry, width = program.entry[s], program.entry[s + 1] - program.entry[s]
    forms, lower, upper = state.forms, state.lower, state.upper
    winner = state.pattern[s]
    w = program.source[base + winner]
    for k in range(width):
        e = entry + k
        lower[e] = np.inf
        upper[e] = np.inf
        if k == winner or state.tied[e]:
            continue
        u = program.source[base + k]
        gap, rate = forms[w, 0] - forms[u, 0], forms[w, 1] - forms[u, 1]
        gap_error, rate_error = _gap_error(forms, w, u, 0, gap), _gap_error(forms, w, u, 1, rate)
        # nonnegative at the breakpoint, it stays so if it grows, is constant, or is positive at t = 1
        if rate > rate_error or rate_error == 0.0:
            continue
        if gap + rate > (gap_error + rate_error) * (1.0 + 1e-15) + 2.0**-51 * (abs(gap) + abs(rate)):
            continue
        soonest = (gap - gap_error) / (abs(rate) + rate_error) * (1.0 - 1e-15)
        latest = (gap + gap_error) / (-rate - rate_error) * (1.0 + 1e-15) if rate < -rate_error else np.inf
        if not soonest >= state.time[0]:
            soonest = state.time[0]
        if not latest >= soonest:
            latest = np.inf
        if soonest < 1.0:
            lower[e] = soonest
            upper[e] = latest


@njit(cache=True, nogil=True, error_model="numpy")
def _note(program, state, record):  # type: ignore[no-untyped-def]
    """Write the new piece down."""
    control = state.control
    i, now = control[PIECES], control[NOW]
    record.begins[i, 0] = state.time[0]
    record.begins[i, 1] = state.time[1]
    bends = 0
    for k in range(len(program.outputs)):
        v = program.outputs[k]
        for j in range(4):
            record.outputs[i, k, j] = state.forms[v, j]
        if state.stamp[v] == now:
            change = abs(state.forms[v, 1] - state.previous[k, 0])
            error = state.forms[v, 3] + state.previous[k, 1]
            if change > error * (1.0 + 1e-15) + change * 2.0**-53:
                bends = 1
            elif bends == 0 and (change != 0.0 or error != 0.0):
                bends = 2
        state.previous[k, 0] = state.forms[v, 1]
        state.previous[k, 1] = state.forms[v, 3]
    record.bends[i] = bends
    control[PIECES] = i + 1

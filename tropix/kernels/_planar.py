"""Subdivision of a convex polygon by the maxima of a piecewise-linear function, cell by cell and stage by stage.

Cells wait on a stack. The top one takes the maxima of its stage: those with one winner on the whole polygon are settled
at its vertices; one that is not splits it, a central one, so that the lists of the rest halve; when none is left the
next stage is entered, whose forms are affine on the cell. A cell with few open maxima looks ahead, see
`tropix.kernels._planar_ahead`. Work and memory beside the output do not depend on the number of cells, and the time for
each cell does not either.

Edges are matched without geometry. The two sides of every cut are linked lists of edges, split as their cells are
split, in counterclockwise order; as the function is continuous both sides end with the same pieces, in opposite order.

Signs that rounding leaves open are asked for (status ASK) and answered by ranks of a segment's entries at a vertex.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from tropix.kernels._borrows import borrows
from tropix.kernels._planar_ahead import enter_ahead, look_far, look_near
from tropix.kernels._planar_cells import (
    AHEAD,
    ASK,
    BASES,
    BUDGET,
    CELLS,
    DEPTH,
    DONE,
    EDGES,
    EXACT,
    FLUSH,
    GROW,
    KNOWN,
    LAST,
    LEVELS,
    NODE,
    PAUSE,
    QUESTIONS,
    RANK,
    RANKS,
    TIED,
    WON,
    ask,
    copy_edge,
    copy_line,
    copy_vertex,
    drop_parent,
    fits,
    insert_after,
    middle,
    new_cut,
    open_sign,
    place_vertex,
    push_sibling,
    sign_at,
)
from tropix.kernels._planar_fan import split_by_fan
from tropix.kernels._planar_forms import certain_sign, difference, enter_stage
from tropix.kernels._planar_outlook import FIRST, OWNER, STOP

AGAIN = 0.5
"""The part of the open maxima that are left when it is time for the next look."""
MANY = 64
"""Open maxima of the stage at hand with which it does not pay to look ahead at all."""
FEW = 6
"""Symbols of a level inside which it does not pay to look again."""
COARSE = 1e-9
"""Largest error of a vertex, in widths of the domain, that passes without a second look."""


@njit(cache=True, nogil=True, error_model="numpy")
def advance(program, stack, outlook, forms, ties, sides, chunk, answers, stages, state):  # type: ignore[no-untyped-def]
    """Work until something else must be done; returns what.

    ``stages`` (T+1, 2): how many rank rows belong to earlier stages, and the number of the base that was entered last.
    """
    last = len(program.stage_segments) - 1
    frames, entry, stage_segments, pending = stack.frames, program.entry, program.stage_segments, stack.pending
    signs = np.empty(len(stack.vertices), dtype=np.int64)
    while state[DEPTH] > 0:
        if state[BUDGET] <= 0:
            return PAUSE
        f = state[DEPTH] - 1
        while state[LEVELS] > 0 and outlook.levels[state[LEVELS] - 1, OWNER] > f:
            state[LEVELS] -= 1
        state[QUESTIONS] = 0
        start, count, stage, first = frames[f, 0], frames[f, 1], frames[f, 2], frames[f, 3]
        if stage < state[LAST]:
            state[RANKS] = stages[stage + 1, 0]
        state[LAST] = stage
        if frames[f, 4] < 0:
            if stage == last:
                if state[CELLS] == len(chunk.sizes) or state[EDGES] + count > len(chunk.tags):
                    return FLUSH
                _emit(program, stack, chunk, f, state)
                state[DEPTH] = f
                state[BUDGET] -= 1
                continue
            wanted = stage_segments[stage + 1] - stage_segments[stage]
            if not fits(stack, sides, state, f, start + count, first + wanted, 0, 0):
                return GROW
            _open_stage(program, stack, outlook, forms, ties, f, state)
            stages[stage, 1] = state[BASES]
            state[BASES] += 1
        if not _settle_all(program, stack, forms, ties, answers, f, state):
            return ASK
        kept = frames[f, 4]
        if kept == 0:
            state[KNOWN] = 0
            frames[f, 2], frames[f, 4] = stage + 1, -1
            stages[stage + 1, 0] = state[RANKS]
            continue
        if kept <= frames[f, 5] and _worthwhile(outlook, state[LEVELS]):
            _look(program, stack, outlook, forms, f, state)
        place = _central(program, stack, forms, ties, f)
        s = pending[first + place]
        if entry[s + 1] - entry[s] == 2:
            if not fits(stack, sides, state, f + 2, start + 3 * count + 8, first + 2 * kept, 4, 1):
                return GROW
            if not _all_signs(stack, answers, f, ties, s, entry[s] - entry[stage_segments[stage]], signs, state):
                return ASK
            _split(program, stack, sides, f, place, ties, signs, state)
            state[KNOWN] = 0
        else:
            status = split_by_fan(program, stack, forms, sides, answers, f, place, state)
            if status != DONE:
                return status
        state[BUDGET] -= 1
    return DONE


@njit(cache=True, nogil=True, error_model="numpy")
def _open_stage(program, stack, outlook, forms, ties, f, state):  # type: ignore[no-untyped-def]
    """Compute the forms of a stage and put all segments that are open on the list of the top cell."""
    frames, patterns, pending, tags = stack.frames, stack.patterns, stack.pending, stack.tags
    entry, stage_segments = program.entry, program.stage_segments
    start, stage, first, size = frames[f, 0], frames[f, 2], frames[f, 3], 0
    for i in range(start, start + frames[f, 1]):
        tags[i, RANK] = -1
    if state[LEVELS] > 0:
        size = enter_ahead(program, stack, outlook, forms, ties, f, state[LEVELS] - 1)
        frames[f, 5] = int(size * AGAIN)
    else:
        enter_stage(program, forms, outlook.spread, ties, patterns, f, stage)
        for s in range(stage_segments[stage], stage_segments[stage + 1]):
            patterns[f, s] = 0
            if entry[s + 1] - entry[s] > 1:
                pending[first + size] = s
                size += 1
        frames[f, 5] = min(MANY, outlook.chords.shape[1] // (len(stage_segments) - 1 - stage))
    frames[f, 4] = size
    if stage == len(stage_segments) - 2:
        frames[f, 5] = -1


@borrows
def _worthwhile(outlook, level):  # type: ignore[no-untyped-def]
    """Whether so many symbols are left that fewer of them would save more than a look takes."""
    levels = outlook.levels
    return level == 0 or levels[level - 1, STOP] - levels[level - 1, FIRST] > FEW


@njit(cache=True, nogil=True, error_model="numpy")
def _look(program, stack, outlook, forms, f, state):  # type: ignore[no-untyped-def]
    """Look ahead from the top cell; if there are too many symbols, its parts try again."""
    frames, level = stack.frames, state[LEVELS]
    if level > 0:
        decided = look_near(program, stack, outlook, forms, f, level)
    else:
        decided = look_far(program, stack, outlook, forms, f, level)
    if decided >= 0:
        state[LEVELS] += 1
        state[AHEAD] += decided
    frames[f, 5] = int(frames[f, 4] * AGAIN)


@njit(cache=True, nogil=True, error_model="numpy")
def _settle_all(program, stack, forms, ties, answers, f, state):  # type: ignore[no-untyped-def]
    """Take the settled segments from the list of the top cell; false if questions must be answered first.

    A segment with two entries is settled where their tie has one sign at all vertices.
    """
    frames, patterns, pending, entry = stack.frames, stack.patterns, stack.pending, program.entry
    vertices, lines, tags, ranks = (
        stack.vertices,
        stack.lines,
        stack.tags,
        answers.ranks,
    )  # each access counts references
    start, count, first, size = frames[f, 0], frames[f, 1], frames[f, 3], frames[f, 4]
    base, exact = entry[program.stage_segments[frames[f, 2]]], state[EXACT]
    kept, open_signs = 0, False
    for p in range(first, first + size):
        s = pending[p]
        column = entry[s] - base
        if entry[s + 1] - entry[s] == 2:
            a, b, c, bound, steep = ties[s, 0], ties[s, 1], ties[s, 2], ties[s, 4], ties[s, 5]
            above, below, unknown = False, False, False
            for i in range(start, start + count):
                sign = certain_sign(a, b, c, bound, steep, vertices[i, 0], vertices[i, 1], vertices[i, 2])
                if sign == 2:
                    before = i - 1 if i > start else start + count - 1
                    sign = open_sign(a, b, c, ties[s, 3], lines, tags, before, i, ranks, column + 1, column, exact)
                if sign == 2:
                    unknown = True
                elif sign > 0:
                    above = True
                elif sign < 0:
                    below = True
                if above and below:
                    break
            if above and below:
                winner = -1
            elif unknown:
                winner = -2
                _ask_pair(stack, answers, ties, s, column, start, count, state)
            else:
                winner = 1 if above else 0
        else:
            winner = _settle_many(program, stack, forms, answers, s, base, start, count, state)
        if winner >= 0:
            patterns[f, s] = winner
        else:
            pending[first + kept] = s
            kept += 1
            open_signs = open_signs or winner == -2
    frames[f, 4] = kept
    return not open_signs


@njit(cache=True, nogil=True, error_model="numpy")
def _ask_pair(stack, answers, ties, s, column, start, count, state):  # type: ignore[no-untyped-def]
    """Ask for all open signs of a tie at the vertices of the top cell."""
    vertices, lines, tags, ranks = stack.vertices, stack.lines, stack.tags, answers.ranks
    a, b, c, error, bound, steep = ties[s, 0], ties[s, 1], ties[s, 2], ties[s, 3], ties[s, 4], ties[s, 5]
    before = start + count - 1
    for i in range(start, start + count):
        sign = sign_at(a, b, c, error, bound, steep, vertices, lines, tags, before, i, ranks, column + 1, column, True)
        if sign == 2:
            ask(answers, i - start, s, 0, 0, 0, 0, state)
        before = i


@njit(cache=True, nogil=True, error_model="numpy")
def _settle_many(program, stack, forms, answers, s, base, start, count, state):  # type: ignore[no-untyped-def]
    """The winner of a segment, the smallest index of equal ones; −1 if there are several, −2 if that is open."""
    vertices, lines, tags, ranks, exact = stack.vertices, stack.lines, stack.tags, answers.ranks, state[EXACT]
    entry_value, limit, wide, high = program.entry_value, program.limit, program.reach[0], program.reach[1]
    first, stop = program.entry[s], program.entry[s + 1]
    x, y = middle(stack.vertices, start, count)
    best, top = first, -np.inf
    for e in range(first, stop):
        v = entry_value[e]
        value = forms[0, v] * x + forms[1, v] * y + forms[2, v]
        if value > top:
            best, top = e, value
    winner, unknown = best, False
    for e in range(first, stop):
        if e == best:
            continue
        a, b, c, error, bound, steep = difference(forms, entry_value, limit, wide, high, e, best)
        equal, before, one, two = True, start + count - 1, e - base, best - base
        for i in range(start, start + count):
            sign = sign_at(a, b, c, error, bound, steep, vertices, lines, tags, before, i, ranks, one, two, exact)
            before = i
            if sign == 2:
                unknown = True
            elif sign == 1:
                return -1
            if sign != 0:
                equal = False
        if equal and e < winner:
            winner = e
    if not unknown:
        return winner - first
    for i in range(start, start + count):
        rank = tags[i, RANK]
        if rank < 0 or ranks[rank, first - base] < 0:
            ask(answers, i - start, s, 0, 0, 0, 0, state)
    return -2


@borrows
def _central(program, stack, forms, ties, f):  # type: ignore[no-untyped-def]
    """The position in the list of the segment whose two largest entries tie nearest to the middle of the cell."""
    frames, pending, entry, entry_value = stack.frames, stack.pending, program.entry, program.entry_value
    list_start, size = frames[f, 3], frames[f, 4]
    limit, wide, high = program.limit, program.reach[0], program.reach[1]
    if size == 1:
        return 0
    x, y = middle(stack.vertices, frames[f, 0], frames[f, 1])
    place, nearest = 0, np.inf
    for p in range(size):
        s = pending[list_start + p]
        first, stop = entry[s], entry[s + 1]
        if stop - first == 2:
            distance = abs(ties[s, 0] * x + ties[s, 1] * y + ties[s, 2]) / ties[s, 5]
        else:
            best, second, top, lower = first, first, -np.inf, -np.inf
            for e in range(first, stop):
                v = entry_value[e]
                value = forms[0, v] * x + forms[1, v] * y + forms[2, v]
                if value > top:
                    best, second, top, lower = e, best, value, top
                elif value > lower:
                    second, lower = e, value
            distance = (top - lower) / difference(forms, entry_value, limit, wide, high, best, second)[5]
        if distance < nearest:
            place, nearest = p, distance
    return place


@njit(cache=True, nogil=True, error_model="numpy")
def _all_signs(stack, answers, f, ties, s, column, signs, state):  # type: ignore[no-untyped-def]
    """The signs of a tie at all vertices of the top cell; false if some must be asked first."""
    start, count = stack.frames[f, 0], stack.frames[f, 1]
    vertices, lines, tags, ranks, exact = stack.vertices, stack.lines, stack.tags, answers.ranks, state[EXACT]
    a, b, c, error, bound, steep = ties[s, 0], ties[s, 1], ties[s, 2], ties[s, 3], ties[s, 4], ties[s, 5]
    before, upper = start + count - 1, column + 1
    for i in range(count):
        here = start + i
        signs[i] = sign_at(
            a, b, c, error, bound, steep, vertices, lines, tags, before, here, ranks, upper, column, exact
        )
        before = here
        if signs[i] == 2:
            ask(answers, i, s, 0, 0, 0, 0, state)
    return state[QUESTIONS] == 0


@borrows
def _split(program, stack, sides, f, place, ties, signs, state):  # type: ignore[no-untyped-def]
    """Replace the top cell by its parts below and above a tie that crosses it.

    The part above is a run of vertices; the cut leaves the boundary at the point ``out`` behind it and comes back at
    ``back`` before it, either old vertices or new ones on the edges there.
    """
    frames, vertices, lines, tags = stack.frames, stack.vertices, stack.lines, stack.tags
    following, patterns = sides.following, stack.patterns
    start, count, first, kept = frames[f, 0], frames[f, 1], frames[f, 3], frames[f, 4]
    wide, high = program.reach[0], program.reach[1]
    s = stack.pending[first + place]
    low_entry = program.entry[s]
    a, b, c, error = ties[s, 0], ties[s, 1], ties[s, 2], ties[s, 3]
    head = 0
    while not (signs[head] > 0 and signs[head - 1 if head > 0 else count - 1] <= 0):
        head += 1
    behind = head
    while signs[behind] > 0:
        behind = behind + 1 if behind + 1 < count else 0
    before = head - 1 if head > 0 else count - 1
    tail = behind - 1 if behind > 0 else count - 1
    new_out, new_back = signs[behind] < 0, signs[before] < 0
    cut = new_cut(following, sides.heads, state)
    lower = start + count
    size = lower
    # the part below: from out along the vertices that are not above to back, and home along the cut
    if new_out:
        copy_line(lines, tags, start + tail, size)
        place_vertex(vertices, lines, tags, start + tail, start + behind, a, b, c, error, size, wide, high)
        size += 1
    i = behind
    while i != head:
        copy_edge(vertices, lines, tags, start + i, size)
        size += 1
        i = i + 1 if i + 1 < count else 0
    if new_back:
        place_vertex(vertices, lines, tags, start + before, start + head, a, b, c, error, size, wide, high)
        size += 1
    lines[size - 1, 0], lines[size - 1, 1], lines[size - 1, 2], lines[size - 1, 3] = a, b, c, error
    tags[size - 1, WON], tags[size - 1, TIED], tags[size - 1, NODE] = low_entry, low_entry + 1, cut
    # the part above: from back along the run to out, and home along the other side of the cut
    upper = size
    copy_vertex(vertices, tags, upper - 1 if new_back else start + before, size)
    copy_line(lines, tags, start + before, size)
    if new_back:
        tags[size, NODE] = insert_after(following, tags[start + before, NODE], state)
    size += 1
    i = head
    while i != behind:
        copy_edge(vertices, lines, tags, start + i, size)
        size += 1
        i = i + 1 if i + 1 < count else 0
    copy_vertex(vertices, tags, lower if new_out else start + behind, size)
    if new_out:
        tags[lower, NODE] = insert_after(following, tags[start + tail, NODE], state)
    lines[size, 0], lines[size, 1], lines[size, 2], lines[size, 3] = -a, -b, -c, error
    tags[size, WON], tags[size, TIED], tags[size, NODE] = low_entry + 1, low_entry, cut + 1
    size += 1
    drop_parent(stack, f, place, lower, size)
    frames[f, 1] = upper - lower
    patterns[f, s] = 0
    push_sibling(stack, f, f + 1, start + upper - lower, size - upper, first + kept - 1)
    patterns[f + 1, s] = 1
    state[DEPTH] += 1


@borrows
def _emit(program, stack, chunk, f, state):  # type: ignore[no-untyped-def]
    """Write the top cell to the chunk."""
    vertices, lines, tags = stack.vertices, stack.lines, stack.tags
    patterns, rows, corners, ties, points = stack.patterns, chunk.patterns, chunk.vertices, chunk.tags, chunk.points
    start, count = stack.frames[f, 0], stack.frames[f, 1]
    cell, edge = state[CELLS], state[EDGES]
    row, pattern = rows[cell], patterns[f]
    for s in range(len(pattern)):
        row[s] = pattern[s]
    x, y = middle(vertices, start, count)
    wide, high, right, up = program.reach[0], program.reach[1], program.centre[0], program.centre[1]
    points[cell, 0], points[cell, 1] = x + right, y + up
    x, y = points[cell, 0] - right, points[cell, 1] - up
    away = 1e-15 * (abs(right) + abs(up) + wide + high)
    sure = True
    for i in range(count):
        a, b, c = lines[start + i, 0], lines[start + i, 1], lines[start + i, 2]
        bound = lines[start + i, 3] + 1e-15 * (abs(a) * wide + abs(b) * high + abs(c))
        sure = sure and certain_sign(a, b, c, bound, abs(a) + abs(b), x, y, away) == -1
        sure = sure and vertices[start + i, 2] <= COARSE * (wide + high)
        corners[edge + i, 0], corners[edge + i, 1] = vertices[start + i, 0] + right, vertices[start + i, 1] + up
        for j in range(3):
            ties[edge + i, j] = tags[start + i, j]
    chunk.sure[cell] = sure
    chunk.sizes[cell] = count
    state[CELLS] += 1
    state[EDGES] += count


@njit(cache=True, nogil=True, error_model="numpy")
def match_sides(following, heads, cell_of, partner):  # type: ignore[no-untyped-def]
    """Fill ``partner`` with the node on the other side of each node's cut; returns the number of cuts that do not fit.

    ``cell_of`` is −1 for nodes of cells that were not finished: all nodes of their cuts get the partner −2. Walls keep
    the −1 that stands there before.
    """
    misfits = 0
    other = np.empty(64, dtype=np.int64)
    for h in range(len(heads)):
        size, whole = 0, heads[h, 1] >= 0
        node = heads[h, 1]
        while node >= 0:
            if size == len(other):
                longer = np.empty(2 * size, dtype=np.int64)
                longer[:size] = other
                other = longer
            other[size] = node
            whole = whole and cell_of[node] >= 0
            size += 1
            node = following[node]
        length, node = 0, heads[h, 0]
        while node >= 0:
            whole = whole and cell_of[node] >= 0
            length += 1
            node = following[node]
        if whole and length != size:
            misfits += 1
            whole = False
        node, i = heads[h, 0], size
        while node >= 0:
            i -= 1
            partner[node] = other[i] if whole else -2
            node = following[node]
        node = heads[h, 0]
        for i in range(size - 1, -1, -1):
            partner[other[i]] = node if whole else -2
            if whole:
                node = following[node]
    return misfits

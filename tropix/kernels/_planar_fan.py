"""A cell cut by one maximum over many entries at once: each winner's part is clipped out of the polygon by itself."""

from __future__ import annotations

import numpy as np
from numba import njit

from tropix.kernels._planar_cells import (
    ASK,
    DEPTH,
    DONE,
    EXACT,
    GROW,
    HEADS,
    KNOWN,
    NODE,
    RANK,
    TIED,
    WON,
    ask,
    copy_edge,
    copy_line,
    drop_parent,
    fits,
    insert_after,
    new_cut,
    place_vertex,
    push_sibling,
    sign_at,
)
from tropix.kernels._planar_forms import difference

ORIGIN, PARENT = 0, 1
"""Columns that only parts have: which vertex of the cell a vertex is, on which edge of it an edge lies; or −1."""


@njit(cache=True, nogil=True, error_model="numpy")
def split_by_fan(program, stack, forms, sides, answers, f, place, state):  # type: ignore[no-untyped-def]
    """Replace the top cell by the parts on which one entry of a segment wins; returns DONE, ASK or GROW.

    Parts are built above the top of the stack and moved down when no sign is open any more.
    """
    frame = stack.frames[f]
    start, count, first, kept = frame[0], frame[1], frame[3], frame[4]
    s = stack.pending[first + place]
    width = program.entry[s + 1] - program.entry[s]
    # a subdivision into `width` convex parts has at most 3·width cuts, each with two ends on the boundary
    longest = 4 * count + 28 * width + 64
    scratch = start + count + longest
    if not fits(
        stack, sides, state, f + width, scratch + count + width + 8, first + (width + 1) * kept, longest, 3 * width
    ):
        return GROW
    base = program.entry[program.stage_segments[frame[2]]]
    alive = _undominated(program, stack, forms, answers, s, base, start, count, state)
    extra = np.full((scratch + count + width + 8 - start - count, 2), -1, dtype=np.int64)
    bounds = np.empty(width + 1, dtype=np.int64)
    owner = np.empty(width, dtype=np.int64)
    parts, top, asked = 0, start + count, False
    for e in range(program.entry[s], program.entry[s + 1]):
        if not alive[e - program.entry[s]]:
            continue
        if top + count + width + 8 > scratch:
            break  # only where signs contradict each other: never in exact mode
        size = _clip(program, stack, forms, answers, s, e, alive, base, f, top, scratch, extra, state)
        if size == -2:
            asked = True
        elif size > 0:
            bounds[parts], owner[parts] = top, e
            parts += 1
            top += size
    bounds[parts] = top
    if asked:
        return ASK
    if parts < 2:
        winner = owner[0] if parts == 1 else program.entry[s]
        stack.patterns[f, s] = winner - program.entry[s]
        frame[4] -= 1
        for p in range(first + place, first + frame[4]):
            stack.pending[p] = stack.pending[p + 1]
        state[KNOWN] = 0
        return DONE
    if not _thread_boundary(program, stack, forms, sides, answers, s, base, f, bounds, owner, parts, extra, state):
        return ASK
    _join_cuts(stack, sides, bounds, owner, parts, extra, start + count, state)
    lowest = start + count
    drop_parent(stack, f, place, lowest, top)
    shift = count
    frame[1] = bounds[1] - bounds[0]
    stack.patterns[f, s] = owner[0] - program.entry[s]
    for q in range(1, parts):
        list_start = first + q * frame[4]
        push_sibling(stack, f, f + q, bounds[q] - shift, bounds[q + 1] - bounds[q], list_start)
        stack.patterns[f + q, s] = owner[q] - program.entry[s]
    state[DEPTH] += parts - 1
    state[KNOWN] = 0
    return DONE


@njit(cache=True, nogil=True, error_model="numpy")
def _undominated(program, stack, forms, answers, s, base, start, count, state):  # type: ignore[no-untyped-def]
    """For each entry, whether it may win somewhere in the cell: it is not below one winner at all vertices."""
    first, stop = program.entry[s], program.entry[s + 1]
    vertices, lines, tags, ranks, exact = stack.vertices, stack.lines, stack.tags, answers.ranks, state[EXACT]
    entry_value, limit, wide, high = program.entry_value, program.limit, program.reach[0], program.reach[1]
    alive = np.ones(stop - first, dtype=np.bool_)
    for i in range(start, start + count):
        leader, top = first, -np.inf
        for e in range(first, stop):
            v = entry_value[e]
            value = forms[0, v] * vertices[i, 0] + forms[1, v] * vertices[i, 1] + forms[2, v]
            if value > top:
                leader, top = e, value
        for e in range(first, stop):
            if e == leader or not alive[e - first] or not alive[leader - first]:
                continue
            a, b, c, error, bound, steep = difference(forms, entry_value, limit, wide, high, e, leader)
            below, equal, before, one, two = True, True, start + count - 1, e - base, leader - base
            for j in range(start, start + count):
                sign = sign_at(a, b, c, error, bound, steep, vertices, lines, tags, before, j, ranks, one, two, exact)
                before = j
                if sign > 0:  # or open
                    below = False
                    break
                equal = equal and sign == 0
            if below:
                if equal and e < leader:
                    alive[leader - first] = False
                else:
                    alive[e - first] = False
    return alive


@njit(cache=True, nogil=True, error_model="numpy")
def _clip(program, stack, forms, answers, s, e, alive, base, f, target, scratch, extra, state):  # type: ignore[no-untyped-def]
    """Write the part of the top cell where entry e wins to ``target``; returns its size, 0, or −2: signs are open."""
    frame = stack.frames[f]
    start, count = frame[0], frame[1]
    vertices, lines, tags, ranks, exact = stack.vertices, stack.lines, stack.tags, answers.ranks, state[EXACT]
    floor = start + count
    entry_value, limit, wide, high = program.entry_value, program.limit, program.reach[0], program.reach[1]
    for i in range(count):
        copy_edge(vertices, lines, tags, start + i, target + i)
        extra[target + i - floor, ORIGIN] = extra[target + i - floor, PARENT] = i
    size = count
    signs = np.empty(count + len(alive) + 8, dtype=np.int64)
    for rival in range(program.entry[s], program.entry[s + 1]):
        if rival == e or not alive[rival - program.entry[s]]:
            continue
        a, b, c, error, bound, steep = difference(forms, entry_value, limit, wide, high, rival, e)
        above, below, touching, unknown = 0, 0, 0, False
        last, one, two = target + size - 1, rival - base, e - base
        for i in range(size):
            here = target + i
            sign = sign_at(a, b, c, error, bound, steep, vertices, lines, tags, last, here, ranks, one, two, exact)
            last = here
            signs[i] = sign
            if sign == 2:
                unknown = True
                _ask(stack, answers, s, target, size, i, extra[target + i - floor, ORIGIN], state)
            elif sign > 0:
                above += 1
            elif sign < 0:
                below += 1
            else:
                touching += 1
        if unknown:
            return -2
        if above == 0:
            if below == 0:
                if rival < e:
                    return 0
            elif touching >= 2:
                for i in range(size):
                    j = i + 1 if i + 1 < size else 0
                    if signs[i] == 0 and signs[j] == 0 and extra[target + i - floor, PARENT] < 0:
                        steeper = _steeper(
                            program, stack, forms, answers, s, rival, base, target, size, i, extra, floor, state
                        )
                        if steeper == 2:
                            return -2
                        if steeper:
                            lines[target + i, 0], lines[target + i, 1] = a, b
                            lines[target + i, 2], lines[target + i, 3] = c, error
                            tags[target + i, TIED] = rival
            continue
        if below == 0:
            return 0
        # keep what is not above: from behind the run of vertices above to before it
        head = 0
        while not (signs[head] > 0 and signs[head - 1 if head > 0 else size - 1] <= 0):
            head += 1
        behind = head
        while signs[behind] > 0:
            behind = behind + 1 if behind + 1 < size else 0
        before = head - 1 if head > 0 else size - 1
        tail = behind - 1 if behind > 0 else size - 1
        fresh = scratch
        if signs[behind] < 0:
            copy_line(lines, tags, target + tail, fresh)
            place_vertex(vertices, lines, tags, target + tail, target + behind, a, b, c, error, fresh, wide, high)
            stack.tags[fresh, RANK] = _known_rank(stack, answers, target + tail, e, rival, state)
            extra[fresh - floor, ORIGIN] = -1
            extra[fresh - floor, PARENT] = extra[target + tail - floor, PARENT]
            fresh += 1
        i = behind
        while i != head:
            copy_edge(vertices, lines, tags, target + i, fresh)
            extra[fresh - floor, ORIGIN] = extra[target + i - floor, ORIGIN]
            extra[fresh - floor, PARENT] = extra[target + i - floor, PARENT]
            fresh += 1
            i = i + 1 if i + 1 < size else 0
        if signs[before] < 0:
            place_vertex(vertices, lines, tags, target + before, target + head, a, b, c, error, fresh, wide, high)
            stack.tags[fresh, RANK] = _known_rank(stack, answers, target + before, e, rival, state)
            extra[fresh - floor, ORIGIN] = -1
            fresh += 1
        lines[fresh - 1, 0], lines[fresh - 1, 1], lines[fresh - 1, 2], lines[fresh - 1, 3] = a, b, c, error
        tags[fresh - 1, WON], tags[fresh - 1, TIED], tags[fresh - 1, NODE] = e, rival, -1
        extra[fresh - 1 - floor, PARENT] = -1
        size = fresh - scratch
        for i in range(size):
            copy_edge(vertices, lines, tags, scratch + i, target + i)
            extra[target + i - floor, ORIGIN] = extra[scratch + i - floor, ORIGIN]
            extra[target + i - floor, PARENT] = extra[scratch + i - floor, PARENT]
    return size


@njit(cache=True, nogil=True, error_model="numpy")
def _steeper(program, stack, forms, answers, s, rival, base, target, size, i, extra, floor, state):  # type: ignore[no-untyped-def]
    """Whether a rival that ties along edge i of a part wins behind it against the one that was there; 2 if open."""
    vertices, lines, tags, ranks, exact = stack.vertices, stack.lines, stack.tags, answers.ranks, state[EXACT]
    entry_value, limit, wide, high = program.entry_value, program.limit, program.reach[0], program.reach[1]
    other = tags[target + i, TIED]
    a, b, c, error, bound, steep = difference(forms, entry_value, limit, wide, high, rival, other)
    j, before = (i + 2) % size, target + (i + 1) % size
    one, two = rival - base, other - base
    sign = sign_at(a, b, c, error, bound, steep, vertices, lines, tags, before, target + j, ranks, one, two, exact)
    if sign == 2:
        _ask(stack, answers, s, target, size, j, extra[target + j - floor, ORIGIN], state)
        return 2
    return 1 if sign < 0 or (sign == 0 and rival < other) else 0


@njit(cache=True, nogil=True, error_model="numpy")
def _ask(stack, answers, s, target, size, i, origin, state):  # type: ignore[no-untyped-def]
    """Ask about vertex i of a part: one of the cell by its number, another by its two lines in a fixed order."""
    if origin >= 0:
        ask(answers, origin, s, 0, 0, 0, 0, state)
        return
    tags, one, two = stack.tags, target + (i - 1 if i > 0 else size - 1), target + i
    if (tags[one, WON], tags[one, TIED]) > (tags[two, WON], tags[two, TIED]):
        one, two = two, one
    ask(answers, -1, s, tags[one, WON], tags[one, TIED], tags[two, WON], tags[two, TIED], state)


@njit(cache=True, nogil=True, error_model="numpy")
def _known_rank(stack, answers, line, won, tied, state):  # type: ignore[no-untyped-def]
    """The ranks at the point where an edge meets the tie of two entries, if they were asked for; else −1."""
    known = answers.known
    won_, tied_ = stack.tags[line, WON], stack.tags[line, TIED]
    if (won, tied) > (won_, tied_):
        won, tied, won_, tied_ = won_, tied_, won, tied
    for i in range(state[KNOWN]):
        if known[i, 1] == won and known[i, 2] == tied and known[i, 3] == won_ and known[i, 4] == tied_:
            return known[i, 0]
    return -1


@njit(cache=True, nogil=True, error_model="numpy")
def _thread_boundary(program, stack, forms, sides, answers, s, base, f, bounds, owner, parts, extra, state):  # type: ignore[no-untyped-def]
    """Give nodes to the edges of parts on the cell's boundary, in order; false, and no change, if signs are open.

    Along an edge of the cell the winners follow one another as their values at its beginning fall.
    """
    start, count = stack.frames[f, 0], stack.frames[f, 1]
    vertices, lines, tags, ranks, exact = stack.vertices, stack.lines, stack.tags, answers.ranks, state[EXACT]
    entry_value, limit, wide, high = program.entry_value, program.limit, program.reach[0], program.reach[1]
    floor = start + count
    total = 0
    for j in range(bounds[0], bounds[parts]):
        total += 1 if extra[j - floor, PARENT] >= 0 else 0
    edges = np.empty(total, dtype=np.int64)
    winners = np.empty(total, dtype=np.int64)
    ends = np.zeros(count + 1, dtype=np.int64)
    for q in range(parts):
        for j in range(bounds[q], bounds[q + 1]):
            if extra[j - floor, PARENT] >= 0:
                ends[extra[j - floor, PARENT] + 1] += 1
    for i in range(count):
        ends[i + 1] += ends[i]
    fill = ends.copy()
    unknown = False
    for q in range(parts):
        for j in range(bounds[q], bounds[q + 1]):
            i = extra[j - floor, PARENT]
            if i < 0:
                continue
            place = fill[i]
            fill[i] += 1
            while place > ends[i]:
                a, b, c, error, bound, steep = difference(
                    forms, entry_value, limit, wide, high, owner[q], winners[place - 1]
                )
                one, two, here = owner[q] - base, winners[place - 1] - base, start + i
                before = start + (i - 1 if i > 0 else count - 1)
                sign = sign_at(
                    a, b, c, error, bound, steep, vertices, lines, tags, before, here, ranks, one, two, exact
                )
                if sign == 2:
                    ask(answers, i, s, 0, 0, 0, 0, state)
                    unknown = True
                if sign != 1:
                    break
                edges[place], winners[place] = edges[place - 1], winners[place - 1]
                place -= 1
            edges[place], winners[place] = j, owner[q]
    if unknown:
        return False
    for i in range(count):
        node = stack.tags[start + i, NODE]
        for place in range(ends[i], ends[i + 1]):
            if place > ends[i]:
                node = insert_after(sides.following, node, state)
            stack.tags[edges[place], NODE] = node
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def _join_cuts(stack, sides, bounds, owner, parts, extra, floor, state):  # type: ignore[no-untyped-def]
    """New cuts between the parts: the edge of one where it ties with another belongs to an edge of that."""
    for q in range(parts):
        for j in range(bounds[q], bounds[q + 1]):
            if extra[j - floor, PARENT] >= 0 or stack.tags[j, NODE] >= 0:
                continue
            fresh = new_cut(sides.following, sides.heads, state)
            stack.tags[j, NODE] = fresh
            other = 0
            while other < parts and owner[other] != stack.tags[j, TIED]:
                other += 1
            found = -1
            if other < parts:
                for k in range(bounds[other], bounds[other + 1]):
                    if extra[k - floor, PARENT] < 0 and stack.tags[k, TIED] == owner[q] and stack.tags[k, NODE] < 0:
                        found = k
            if found >= 0:
                stack.tags[found, NODE] = fresh + 1
            else:  # only where signs contradict each other
                sides.heads[state[HEADS] - 1, 1] = -1

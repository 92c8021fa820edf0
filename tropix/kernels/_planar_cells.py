"""The data of the planar subdivision, and the steps that all kinds of cuts share."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from tropix.arrays import FloatArray, IntArray
from tropix.kernels._borrows import borrows
from tropix.kernels._planar_determinant import determinant_sign
from tropix.kernels._planar_forms import certain_sign, meeting_point


class PlanarStatus(IntEnum):
    """Why `advance` came back: no cell is left, the chunk is full, a stack is too short, questions, budget spent."""

    DONE, FLUSH, GROW, ASK, PAUSE = range(5)


DONE, FLUSH, GROW, ASK, PAUSE = range(5)

DEPTH, NODES, HEADS, CELLS, EDGES, RANKS, QUESTIONS, KNOWN, LAST, EXACT, BUDGET, BASES, LEVELS, AHEAD, NEED = range(15)
"""Places in the state.

Numbers of used rows; the stage last worked on; the mode; what is left to do; levels of the outlook, and maxima that
looks ahead have decided; what is needed.
"""
STATE_SIZE = NEED + 5

WON, TIED, NODE, RANK = range(4)
"""Columns of a tag: the entries whose tie is the edge (−1 − wall and −1 for a wall), its node, the vertex's ranks."""


class Stack(NamedTuple):
    """Cells that wait: frames (D, 6) of polygon start, vertices, stage, start and length of the list of open segments.

    The length is −1 until the stage has been entered; when it has fallen to the last number it is time to look ahead.
    Edge i of a polygon leads from vertex i to vertex i + 1, counterclockwise. ``vertices`` (P, 3) are x, y and the
    bound of their error, ``lines`` (P, 4) forms that are negative inside, ``tags`` (P, 4) see above.
    """

    frames: IntArray
    patterns: npt.NDArray[np.uint16]
    pending: IntArray
    vertices: FloatArray
    lines: FloatArray
    tags: IntArray


class Sides(NamedTuple):
    """Linked lists: the node that follows each node (−1 at the end), and the first nodes (H, 2) of both sides."""

    following: npt.NDArray[np.int32]
    heads: npt.NDArray[np.int32]


class Chunk(NamedTuple):
    """Finished cells: patterns, inner points, numbers of vertices, whether all that is good enough; then the edges."""

    patterns: npt.NDArray[np.uint16]
    points: FloatArray
    sizes: IntArray
    sure: npt.NDArray[np.bool_]
    vertices: FloatArray
    tags: IntArray


class Answers(NamedTuple):
    """``ranks`` (R, W) of a stage's entries at a vertex, −1 where unknown; what is asked; ``known`` (K, 5) points.

    A question (Q, 6) is the number of a vertex of the top polygon, or −1; the entries that tie on the two lines that
    meet there; and the segment. A known point is a row of ranks and its two lines.
    """

    ranks: npt.NDArray[np.int32]
    questions: IntArray
    known: IntArray


@borrows
def fits(stack, sides, state, frames, polygon, pending, nodes, heads):  # type: ignore[no-untyped-def]
    """Whether the stacks are long enough; if not the state says how long they must be."""
    state[NEED], state[NEED + 1], state[NEED + 2] = frames + 1, polygon + 1, pending + 1
    state[NEED + 3], state[NEED + 4] = state[NODES] + nodes, state[HEADS] + heads
    return (
        state[NEED] <= len(stack.frames)
        and state[NEED + 1] <= len(stack.vertices)
        and state[NEED + 2] <= len(stack.pending)
        and state[NEED + 3] <= len(sides.following)
        and state[NEED + 4] <= len(sides.heads)
    )


@borrows
def middle(vertices, start, count):  # type: ignore[no-untyped-def]
    """The mean of a polygon's vertices."""
    x, y = 0.0, 0.0
    for i in range(start, start + count):
        x += vertices[i, 0]
        y += vertices[i, 1]
    return x / count, y / count


@njit(cache=True, nogil=True, error_model="numpy")
def sign_at(  # type: ignore[no-untyped-def]
    a, b, c, error, bound, steep, vertices, lines, tags, before, i, ranks, column, other, exact
):
    """Sign of entry ``column`` minus ``other`` at vertex i, ``before`` the one before it; 2 if it must be asked.

    It is taken from floats, from ranks, or from the exact floats of the three lines.
    """
    sign = certain_sign(a, b, c, bound, steep, vertices[i, 0], vertices[i, 1], vertices[i, 2])
    if sign == 2:
        return open_sign(a, b, c, error, lines, tags, before, i, ranks, column, other, exact)
    return sign


@njit(cache=True, nogil=True, error_model="numpy")
def open_sign(a, b, c, error, lines, tags, before, i, ranks, column, other, exact):  # type: ignore[no-untyped-def]
    """The sign that rounding leaves open. Edges turn left, so the determinant's sign is that of the value."""
    rank = tags[i, RANK]
    if rank >= 0 and ranks[rank, column] >= 0:
        return np.int64(np.sign(ranks[rank, column] - ranks[rank, other]))
    if not exact:
        return 0
    if error == 0.0 and lines[before, 3] == 0.0 and lines[i, 3] == 0.0:
        a_, b_, c_ = lines[i, 0], lines[i, 1], lines[i, 2]
        return determinant_sign(lines[before, 0], lines[before, 1], lines[before, 2], a_, b_, c_, a, b, c)
    return 2


@njit(cache=True, nogil=True, error_model="numpy")
def ask(answers, place, segment, won, tied, won_, tied_, state):  # type: ignore[no-untyped-def]
    """Ask for the ranks of a segment's entries at a vertex of the top polygon, or where two lines meet (place −1)."""
    if state[QUESTIONS] < len(answers.questions):
        questions, q = answers.questions, state[QUESTIONS]
        questions[q, 0], questions[q, 1], questions[q, 2] = place, won, tied
        questions[q, 3], questions[q, 4], questions[q, 5] = won_, tied_, segment
        state[QUESTIONS] = q + 1


@borrows
def copy_vertex(vertices, tags, source, target):  # type: ignore[no-untyped-def]
    """Copy a vertex and what is known of it."""
    for i in range(3):
        vertices[target, i] = vertices[source, i]
    tags[target, RANK] = tags[source, RANK]


@borrows
def copy_line(lines, tags, source, target):  # type: ignore[no-untyped-def]
    """Copy an edge."""
    for i in range(4):
        lines[target, i] = lines[source, i]
    for i in range(3):
        tags[target, i] = tags[source, i]


@borrows
def copy_edge(vertices, lines, tags, source, target):  # type: ignore[no-untyped-def]
    """Copy a vertex with the edge that leaves it."""
    for i in range(3):
        vertices[target, i] = vertices[source, i]
    for i in range(4):
        lines[target, i] = lines[source, i]
        tags[target, i] = tags[source, i]


@borrows
def place_vertex(vertices, lines, tags, p, q, a, b, c, error, target, wide, high):  # type: ignore[no-untyped-def]
    """A new vertex where a tie crosses the edge from vertex p to vertex q."""
    x, y, off = meeting_point(lines[p, 0], lines[p, 1], lines[p, 2], lines[p, 3], a, b, c, error, wide, high)
    slack = max(vertices[p, 2], vertices[q, 2])
    if slack < np.inf:
        x = min(max(x, min(vertices[p, 0], vertices[q, 0]) - slack), max(vertices[p, 0], vertices[q, 0]) + slack)
        y = min(max(y, min(vertices[p, 1], vertices[q, 1]) - slack), max(vertices[p, 1], vertices[q, 1]) + slack)
    vertices[target, 0], vertices[target, 1], vertices[target, 2] = x, y, off
    tags[target, RANK] = -1


@borrows
def insert_after(following, node, state):  # type: ignore[no-untyped-def]
    """A new node behind another in its list."""
    fresh = state[NODES]
    state[NODES] += 1
    following[fresh] = following[node]
    following[node] = fresh
    return fresh


@borrows
def new_cut(following, heads, state):  # type: ignore[no-untyped-def]
    """Two lists of one node each, for the sides of a new cut; returns the first node, the second is the next one."""
    fresh, cut = state[NODES], state[HEADS]
    following[fresh] = following[fresh + 1] = -1
    heads[cut, 0], heads[cut, 1] = fresh, fresh + 1
    state[NODES] += 2
    state[HEADS] += 1
    return fresh


@borrows
def drop_parent(stack, f, place, first, stop):  # type: ignore[no-untyped-def]
    """Move the parts of the top cell to where it was, and take the segment that split it from its list."""
    frames, pending, vertices, lines, tags = stack.frames, stack.pending, stack.vertices, stack.lines, stack.tags
    start = frames[f, 0]
    for i in range(stop - first):
        copy_edge(vertices, lines, tags, first + i, start + i)
    frames[f, 4] -= 1
    for p in range(frames[f, 3] + place, frames[f, 3] + frames[f, 4]):
        pending[p] = pending[p + 1]


@borrows
def push_sibling(stack, f, target, start, count, first):  # type: ignore[no-untyped-def]
    """A frame with the pattern and the list of frame f and a polygon of its own."""
    frames, pending, patterns = stack.frames, stack.pending, stack.patterns
    size, source = frames[f, 4], frames[f, 3]
    frames[target, 0], frames[target, 1], frames[target, 2] = start, count, frames[f, 2]
    frames[target, 3], frames[target, 4], frames[target, 5] = first, size, frames[f, 5]
    for p in range(size):
        pending[first + p] = pending[source + p]
    row, other = patterns[f], patterns[target]
    for s in range(len(row)):
        other[s] = row[s]

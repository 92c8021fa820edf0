"""The planar subdivision as an object: arrays that grow, finished cells in chunks, questions and answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tropix.arrays import BoolArray, FloatArray, IntArray
from tropix.kernels import _planar_cells as cells
from tropix.kernels._planar import advance, match_sides
from tropix.kernels._planar_affine import SYMBOLS
from tropix.kernels._planar_forms import PlanarProgram
from tropix.kernels._planar_outlook import Outlook

CHUNK = 4096
"""Cells that are finished before `PlanarMachine.run` comes back."""
MOST_SYMBOLS = 256
"""Maxima that a look ahead leaves open at most."""
MOST_NUMBERS = 1 << 25
"""Numbers that the forms of all values over all symbols take at most."""
LONGEST_CHUNK = 1 << 25
"""Bytes that the patterns of a chunk take at most."""


@dataclass(frozen=True, eq=False)
class PlanarCellChunk:
    """Finished cells: patterns (n, S), inner points (n, 2), numbers of vertices (n,).

    ``sure`` (n,) says whether floats prove that the point is inside, and that the vertices are nearly exact.

    Then for all edges, cell by cell, the vertex (E, 2) where it begins, counterclockwise, the entries (E, 2) that tie
    on it, the winner's first, or (−1 − wall, −1), and its node (E,) for `PlanarMachine.partners`.
    """

    patterns: npt.NDArray[np.uint16]
    points: FloatArray
    sure: BoolArray
    sizes: IntArray
    vertices: FloatArray
    ties: IntArray
    nodes: IntArray


Ranks = tuple[int, list[int]]
Tie = tuple[int, int]
"""The line of an edge: the entries that tie on it, or (−1 − wall, −1)."""


@dataclass(frozen=True, eq=False)
class PlanarQuestions:
    """What must be known of the top cell: the ranks of segments' entries at points in which two lines meet.

    ``asked`` holds for each point its number among the vertices, −1 if it is none yet, its lines and the segments.
    ``pattern`` (S,) holds for the stages before ``stage``; ``bases`` (T,) number the forms that the kernel works with.
    """

    stage: int
    pattern: npt.NDArray[np.uint16]
    bases: IntArray
    asked: list[tuple[int, Tie, Tie, list[int]]]


class PlanarMachine:
    """Subdivides a convex polygon; see `tropix.kernels._planar`.

    ``vertices`` (k, 3) and ``lines`` (k, 4) are the polygon's, relative to the centre of the program, ``walls`` (k,)
    its edges' numbers. Where ``exact`` is false, signs that rounding leaves open count as zero.
    """

    def __init__(
        self, program: PlanarProgram, vertices: FloatArray, lines: FloatArray, walls: IntArray, *, exact: bool
    ) -> None:
        self._program = program
        segments, count = len(program.owner), len(vertices)
        stages = len(program.stage_segments) - 1
        widths = program.entry[program.stage_segments]
        self._stack = cells.Stack(
            np.zeros((64, 6), dtype=np.int64),
            np.zeros((64, segments), dtype=np.uint16),
            np.zeros(1024, dtype=np.int64),
            np.zeros((1024, 3)),
            np.zeros((1024, 4)),
            np.zeros((1024, 4), dtype=np.int64),
        )
        self._sides = cells.Sides(np.full(1 << 12, -1, dtype=np.int32), np.zeros((1 << 11, 2), dtype=np.int32))
        room = max(1, min(CHUNK, LONGEST_CHUNK // (2 * segments + 1)))
        self._chunk = cells.Chunk(
            np.zeros((room, segments), dtype=np.uint16),
            np.zeros((room, 2)),
            np.zeros(room, dtype=np.int64),
            np.zeros(room, dtype=np.bool_),
            np.zeros((8 * room + 64, 2)),
            np.zeros((8 * room + 64, 3), dtype=np.int64),
        )
        self._answers = cells.Answers(
            np.zeros((16, int(np.diff(widths).max(initial=1))), dtype=np.int32),
            np.zeros((4096, 6), dtype=np.int64),
            np.zeros((16, 5), dtype=np.int64),
        )
        self._outlook = _outlook(program)
        self._forms = np.zeros((SYMBOLS + self._outlook.chords.shape[1], len(program.bias)))
        self._forms[:3, :2] = np.stack([*np.eye(2), program.centre])
        self._ties = np.zeros((segments, 6))
        self._stages = np.zeros((stages + 2, 2), dtype=np.int64)
        self._state = np.zeros(cells.STATE_SIZE, dtype=np.int64)
        self._state[cells.DEPTH], self._state[cells.NODES], self._state[cells.EXACT] = 1, count, exact
        self._grow(polygon=count, nodes=count)
        self._stack.frames[0] = [0, count, 0, 0, -1, -1]
        none = np.full(count, -1)
        self._stack.vertices[:count] = vertices
        self._stack.lines[:count] = lines
        self._stack.tags[:count] = np.column_stack([-1 - walls, none, np.arange(count), none])

    def run(self, budget: int) -> int:
        """Work on at most ``budget`` cells, until the chunk is full, a question must be answered, or all is done."""
        self._state[cells.BUDGET] = budget
        while True:
            status = int(
                advance(
                    self._program,
                    self._stack,
                    self._outlook,
                    self._forms,
                    self._ties,
                    self._sides,
                    self._chunk,
                    self._answers,
                    self._stages,
                    self._state,
                )
            )
            if status == cells.FLUSH and self._state[cells.CELLS] == 0:
                self._chunk = self._chunk._replace(
                    vertices=_longer(self._chunk.vertices, 2 * len(self._chunk.vertices)),
                    tags=_longer(self._chunk.tags, 2 * len(self._chunk.tags)),
                )
            elif status == cells.GROW:
                self._grow(*self._state[cells.NEED :].tolist())
            else:
                return status

    def _grow(self, frames: int = 0, polygon: int = 0, pending: int = 0, nodes: int = 0, heads: int = 0) -> None:
        stack, sides = self._stack, self._sides
        self._stack = cells.Stack(
            _longer(stack.frames, frames),
            _longer(stack.patterns, frames),
            _longer(stack.pending, pending),
            _longer(stack.vertices, polygon),
            _longer(stack.lines, polygon),
            _longer(stack.tags, polygon),
        )
        following = _longer(sides.following, nodes)
        following[len(sides.following) :] = -1
        self._sides = cells.Sides(following, _longer(sides.heads, heads))

    @property
    def waiting(self) -> int:
        """Number of polygons on the stack."""
        return int(self._state[cells.DEPTH])

    @property
    def decided_ahead(self) -> int:
        """Number of maxima that looks ahead have decided."""
        return int(self._state[cells.AHEAD])

    def take(self) -> PlanarCellChunk:
        """The cells finished since the last time."""
        cell_count, edge_count = int(self._state[cells.CELLS]), int(self._state[cells.EDGES])
        self._state[[cells.CELLS, cells.EDGES]] = 0
        chunk = self._chunk
        return PlanarCellChunk(
            chunk.patterns[:cell_count],
            chunk.points[:cell_count],
            chunk.sure[:cell_count],
            chunk.sizes[:cell_count],
            chunk.vertices[:edge_count],
            chunk.tags[:edge_count, : cells.NODE],
            chunk.tags[:edge_count, cells.NODE],
        )

    def questions(self) -> PlanarQuestions:
        """What must be answered before it can go on."""
        top = int(self._state[cells.DEPTH]) - 1
        start, count, stage = self._stack.frames[top, :3].tolist()
        corners = self._stack.tags[start : start + count, : cells.NODE].tolist()
        points: dict[tuple[int, ...], list[int]] = {}
        for *point, segment in self._answers.questions[: self._state[cells.QUESTIONS]].tolist():
            segments = points.setdefault(tuple(point), [])
            if segment not in segments:
                segments.append(segment)
        asked = []
        for (place, *ties), segments in points.items():
            one, two = (corners[place - 1], corners[place]) if place >= 0 else (ties[:2], ties[2:])
            asked.append((place, (one[0], one[1]), (two[0], two[1]), segments))
        return PlanarQuestions(stage, self._stack.patterns[top], self._stages[:-1, 1], asked)

    def answer(self, place: int, one: Tie, two: Tie, point: tuple[float, float, float], ranks: list[Ranks]) -> None:
        """The point (x, y and their error) and for segments the place of their entries in the stage and their ranks."""
        tags, state = self._stack.tags, self._state
        row = -1
        if place >= 0:
            vertex = int(self._stack.frames[state[cells.DEPTH] - 1, 0]) + place
            row = int(tags[vertex, cells.RANK])
        if row < 0:
            row = int(state[cells.RANKS])
            state[cells.RANKS] = row + 1
            if row == len(self._answers.ranks):
                self._answers = self._answers._replace(ranks=_longer(self._answers.ranks, row + 1))
            self._answers.ranks[row] = -1
            if place >= 0:
                tags[vertex, cells.RANK] = row
                self._stack.vertices[vertex] = point
            else:
                known = _longer(self._answers.known, int(state[cells.KNOWN]) + 1)
                known[state[cells.KNOWN]] = (row, *min((*one, *two), (*two, *one)))
                self._answers = self._answers._replace(known=known)
                state[cells.KNOWN] += 1
        for first, values in ranks:
            self._answers.ranks[row, first : first + len(values)] = values

    def partners(self, nodes: IntArray) -> tuple[npt.NDArray[np.int32], int]:
        """For the edges of all finished cells (their nodes, in order) the edge behind it; −1 at a wall, −2 if unknown.

        Also the number of cuts whose sides do not fit together: 0 unless signs contradicted each other.
        """
        edge_of = np.full(int(self._state[cells.NODES]), -1, dtype=np.int32)
        edge_of[nodes] = np.arange(len(nodes), dtype=np.int32)
        partner = np.full(len(edge_of), -1, dtype=np.int32)
        misfits = match_sides(self._sides.following, self._sides.heads[: self._state[cells.HEADS]], edge_of, partner)
        partner = partner[nodes]
        return np.where(partner >= 0, edge_of[partner], partner), int(misfits)


def _outlook(program: PlanarProgram) -> Outlook:
    """Room for looks ahead: none where the function has one stage, or more values than can be held for all symbols."""
    stages, widths = len(program.stage_segments) - 1, program.entry[program.stage_segments]
    most = min(MOST_SYMBOLS, max(16, len(program.owner) // 4), MOST_NUMBERS // max(1, len(program.bias)))
    symbols = most if stages > 1 else 0
    levels = 48 if symbols else 0
    longest = max(int(np.diff(widths).max(initial=0)), int(np.diff(program.entry).max(initial=0)))
    return Outlook(
        np.zeros((levels, 7), dtype=np.int64),
        np.zeros((levels * symbols, 5), dtype=np.int64),
        np.zeros((2, levels * symbols)),
        np.zeros(4 * levels * symbols),
        np.zeros(levels * symbols * (symbols + 3) + 3),
        np.zeros(len(program.owner), dtype=np.int32),
        np.zeros((5, symbols)),
        np.zeros((5, longest if symbols else 0)),
        np.zeros((symbols, symbols + 6)),
        np.zeros(int(max(program.step_block.max(initial=0), program.max_block.max(initial=0))) + 1),
    )


def _longer(array: Any, length: int) -> Any:
    """The array, or a longer one with its rows in front."""
    if len(array) >= length:
        return array
    longer = np.empty((max(length, 2 * len(array)), *array.shape[1:]), dtype=array.dtype)
    longer[: len(array)] = array
    return longer

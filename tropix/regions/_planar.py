"""Activation cells of a function of two variables, by subdivision of the domain's polygon."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from tropix.arrays import FloatArray, IntArray
from tropix.boxes import Box
from tropix.deadline import Deadline
from tropix.exact import Rationals
from tropix.kernels import PlanarCellChunk, PlanarMachine
from tropix.kernels import PlanarStatus as Status
from tropix.regions._domain import Domain
from tropix.regions._planar_exact import ExactForms, Patterns, meeting_point
from tropix.regions._planar_program import Line, PolygonDomain, Stages
from tropix.regions._tape import Tape

STEPS = 4096
"""Cells worked on between two looks at the clock."""


@dataclass(frozen=True, eq=False)
class PlanarCells:
    """Cells in the plane, C of them with E edges in all; edges of cell i are ``offsets[i]:offsets[i+1]``.

    ``patterns`` (C, S) and ``points`` (C, 2), one strictly inside each cell. Edge e begins at ``vertices[e]`` (E, 2),
    counterclockwise, is made by the tie ``ties[e]`` = (segment, entry) with the winner of that segment, or by a wall of
    the domain (−1, its number), and leads to the cell ``neighbours[e]``: −1 at a wall, −2 where cells are missing.
    ``complete`` says whether all cells were found, ``exact`` whether every decision is proved; else signs within the
    rounding error counted as zero, and ``misfits`` cuts have sides that do not fit together (0 where exact).
    ``exact_points`` holds an inner point for each cell in which no float near its middle lies; its row of ``points``
    is the nearest float.
    """

    patterns: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
    points: FloatArray
    offsets: IntArray
    vertices: FloatArray
    ties: npt.NDArray[np.int32]
    neighbours: npt.NDArray[np.int32]
    complete: bool
    exact: bool
    misfits: int
    exact_points: dict[int, Rationals]

    def __len__(self) -> int:
        return len(self.patterns)

    def areas(self) -> FloatArray:
        """The area (C,) of each cell."""
        following = np.arange(1, len(self.vertices) + 1)
        following[self.offsets[1:] - 1] = self.offsets[:-1]
        shift = np.repeat(self.vertices[self.offsets[:-1]], np.diff(self.offsets), axis=0)
        p, q = self.vertices - shift, self.vertices[following] - shift
        return np.asarray(np.add.reduceat(p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0], self.offsets[:-1]) / 2)


def planar_cells(
    tape: Tape,
    box: Box,
    *,
    exact: bool = True,
    deadline: Deadline | None = None,
    progress: Callable[[int, int], None] | None = None,
    limit: int | None = None,
) -> PlanarCells:
    """All activation cells of a function of two inputs on a bounded box or polygon.

    The time is proportional to the number of cells. With ``exact`` every decision whose sign is not certain in floating
    point is made in integers; without it such signs count as zero. ``progress`` is called with the numbers of finished
    and of known cells; at the ``deadline`` or the ``limit`` the cells found so far come back, not ``complete``.
    Raises `InvalidInput` for another number of inputs, a domain without interior or an unbounded one.
    """
    domain = PolygonDomain.of(Domain.of(box, tape.inputs))
    run = _Run(tape, domain, exact)
    run.work(deadline or Deadline(None), progress, limit)
    return run.cells()


BLOCK = 48 << 20
"""Bytes of the arrays in which finished cells wait: so large that each is given back to the system by itself."""


class _Rows:
    """Rows of arrays of one shape, appended again and again, and joined without being held twice."""

    def __init__(self) -> None:
        self._blocks: list[Any] = []
        self._fill = 0
        self._like: Any = None

    def append(self, rows: Any) -> None:
        """Copy some rows to the end."""
        self._like = rows[:0]
        size = max(1, BLOCK // max(1, rows.dtype.itemsize * int(np.prod(rows.shape[1:]))))
        while len(rows):
            if not self._blocks or self._fill == len(self._blocks[-1]):
                self._blocks.append(np.empty((size, *rows.shape[1:]), dtype=rows.dtype))
                self._fill = 0
            part = rows[: size - self._fill]
            self._blocks[-1][self._fill : self._fill + len(part)] = part
            self._fill += len(part)
            rows = rows[len(part) :]

    def joined(self) -> Any:
        """All rows in one array; the blocks are given up on the way."""
        if not self._blocks:
            return self._like
        size = len(self._blocks[0])
        whole = np.empty((size * (len(self._blocks) - 1) + self._fill, *self._like.shape[1:]), dtype=self._like.dtype)
        while self._blocks:
            last = len(self._blocks) - 1
            block = self._blocks.pop()
            whole[last * size : (last + 1) * size] = block[: len(whole) - last * size]
        return whole


@dataclass
class _Output:
    """Finished cells, chunk by chunk."""

    patterns: _Rows = field(default_factory=_Rows)
    points: _Rows = field(default_factory=_Rows)
    sizes: _Rows = field(default_factory=_Rows)
    vertices: _Rows = field(default_factory=_Rows)
    ties: _Rows = field(default_factory=_Rows)
    nodes: _Rows = field(default_factory=_Rows)


class _Run:
    """One subdivision: the kernel's machine, exact forms for its questions, and what is finished."""

    def __init__(self, tape: Tape, domain: PolygonDomain, exact: bool) -> None:
        self._stages = Stages.of(tape)
        self._domain, self._exact = domain, exact
        walls = np.array(domain.walls, dtype=np.int64)
        program = self._stages.program(domain)
        self._machine = PlanarMachine(program, domain.vertices, domain.lines, walls, exact=exact)
        self._forms = ExactForms(self._stages, domain)
        self._output = _Output()
        self._count = 0
        self._done = False
        widths = np.diff(self._stages.entry)
        self._dtype = np.uint8 if widths.max(initial=0) <= 256 else np.uint16
        self._order = np.argsort(self._stages.segments)
        self._in_order = bool((np.diff(self._stages.segments) == 1).all())
        self._exact_points: dict[int, Rationals] = {}
        self._segment_of = np.repeat(self._stages.segments, widths)
        self._place_of = np.arange(len(self._segment_of)) - np.repeat(self._stages.entry[:-1], widths)

    def work(self, deadline: Deadline, progress: Callable[[int, int], None] | None, limit: int | None) -> None:
        """Go on until all cells are found, the time is over, there are enough, or it is interrupted."""
        try:
            self._work(deadline, progress, limit)
        except KeyboardInterrupt:
            self._store(self._machine.take())

    def _work(self, deadline: Deadline, progress: Callable[[int, int], None] | None, limit: int | None) -> None:
        while not self._done and (limit is None or self._count < limit):
            status = self._machine.run(STEPS if limit is None else min(STEPS, limit))
            if status == Status.ASK:
                self._answer()
            else:
                self._store(self._machine.take())
                self._done = status == Status.DONE
                if progress is not None:
                    progress(self._count, self._count + self._machine.waiting)
            if deadline.passed:
                self._store(self._machine.take())
                break

    def _answer(self) -> None:
        asked = self._machine.questions()
        forms = self._forms
        forms.update(asked.stage, asked.pattern, asked.bases)
        forms.require([entry for _, one, two, segments in asked.asked for entry in forms.entries(one, two, segments)])
        first = int(self._stages.entry[self._stages.stage_segments[asked.stage]])
        for place, one, two, segments in asked.asked:
            point = meeting_point(forms.line(*one), forms.line(*two))
            ranks = [forms.ranks(segment, point, first) for segment in segments]
            self._machine.answer(place, one, two, forms.floats(point), ranks)

    def _store(self, chunk: PlanarCellChunk) -> None:
        output, ties = self._output, chunk.ties
        points, vertices = chunk.points.copy(), chunk.vertices.copy()
        if self._exact:
            ends = np.cumsum(chunk.sizes)
            for i in np.flatnonzero(~chunk.sure).tolist():
                edges = slice(ends[i] - chunk.sizes[i], ends[i])
                vertices[edges], points[i] = self._exactly(self._count + i, chunk.patterns[i], ties[edges], points[i])
        tie = ties[:, 1] >= 0
        named = np.empty((len(ties), 2), dtype=np.int32)
        named[~tie, 0], named[~tie, 1] = -1, -1 - ties[~tie, 0]
        named[tie, 0], named[tie, 1] = self._segment_of[ties[tie, 1]], self._place_of[ties[tie, 1]]
        patterns: Any = chunk.patterns.astype(self._dtype)
        output.patterns.append(patterns if self._in_order else patterns[:, self._order])
        output.points.append(points)
        output.sizes.append(chunk.sizes)
        output.vertices.append(vertices)
        output.ties.append(named)
        output.nodes.append(chunk.nodes.astype(np.int32))
        self._count += len(chunk.sizes)

    def _exactly(
        self, cell: int, pattern: Patterns, ties: IntArray, near: FloatArray
    ) -> tuple[list[list[float]], FloatArray]:
        """The vertices of a cell, rounded once, and a float strictly inside it; a rational point if that is not found.

        The exact middle of the vertices is inside; a float next to it need not be.
        """
        lines = self._forms.lines_of(pattern, ties)
        meetings = [meeting_point(lines[i - 1], line) for i, line in enumerate(lines)]
        corners = [[Fraction(n, q) for n in (x, y)] for x, y, q in meetings]
        rounded = [[float(value) for value in corner] for corner in corners]
        middle = [sum(axis, Fraction(0)) / len(corners) for axis in zip(*corners, strict=True)]
        for candidate in (near, np.array([float(m) for m in middle])):
            if np.isfinite(candidate).all() and _inside(lines, *(Fraction(float(value)) for value in candidate)):
                return rounded, candidate
        bits = 64
        while not _inside(lines, *(short := [Fraction(round(m * (1 << bits)), 1 << bits) for m in middle])):
            bits *= 2
        self._exact_points[cell] = Rationals(np.array([int(f * (1 << bits)) for f in short], dtype=object), 1 << bits)
        return rounded, np.array([float(m) for m in middle])

    def cells(self) -> PlanarCells:
        """What was found, with neighbours."""
        output = self._output
        sizes = output.sizes.joined()
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        behind, misfits = self._machine.partners(output.nodes.joined())
        owner = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
        neighbours = np.where(behind >= 0, owner[behind], behind).astype(np.int32)
        return PlanarCells(
            output.patterns.joined(),
            output.points.joined(),
            offsets,
            output.vertices.joined(),
            output.ties.joined(),
            neighbours,
            self._done,
            self._exact,
            misfits,
            self._exact_points,
        )


def _inside(lines: list[Line], x: Fraction, y: Fraction) -> bool:
    return all(a * x + b * y + c < 0 for a, b, c in lines)

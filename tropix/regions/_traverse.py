"""Linear regions along a line segment: every breakpoint, and the pieces between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from tropix.arrays import BoolArray, FloatArray, IntArray, points_array
from tropix.deadline import Deadline
from tropix.errors import InvalidInput
from tropix.exact import Rationals
from tropix.kernels import over_rows
from tropix.regions._line import ExactForms, LineFunction
from tropix.regions._sweep import Sweep
from tropix.regions._tape import AffineStep, Function, MaxStep, Tape


@dataclass(frozen=True)
class Switch:
    """A segment whose largest entry changes: number ``index`` of the node ``name``."""

    segment: int
    name: str
    index: int
    old: int
    new: int


@dataclass(frozen=True, eq=False)
class Piece:
    """An interval of t with one pattern (S,), where F(x(t)) = value + t·slope, both (m,)."""

    start: float
    end: float
    pattern: IntArray
    value: FloatArray
    slope: FloatArray


@dataclass(frozen=True, eq=False)
class Traversal:
    """A piecewise-linear function along x(t) = start + t·(end − start), 0 ≤ t ≤ 1.

    Pieces are the maximal intervals of positive length with one pattern: for each segment the entry that attains the
    maximum, the smallest of entries that are the same function of t there. ``breakpoints`` (P − 1,) lie between them,
    rounded, ``bounds`` (P − 1, 2) enclose them; ``values`` and ``slopes`` (P, m) are the affine map in t of each piece.
    With ``exact`` the breakpoints are all there are, in the right order, and the patterns are proved; without it ties
    are decided by rounded numbers, and pieces may have length 0. If the time ran out, ``complete`` is False and the
    pieces end at ``until`` < 1.
    """

    tape: Tape
    start: FloatArray
    end: FloatArray
    breakpoints: FloatArray
    bounds: FloatArray
    values: FloatArray
    slopes: FloatArray
    exact: bool
    until: float
    switches: IntArray = field(repr=False)
    first_pattern: IntArray = field(repr=False)
    bends: npt.NDArray[np.uint8] = field(repr=False)

    def __len__(self) -> int:
        return self.n_pieces

    def __iter__(self) -> Iterator[Piece]:
        ends = np.concatenate([[0.0], self.breakpoints, [self.until]])
        pattern = self.first_pattern.copy()
        for i in range(self.n_pieces):
            for _, segment, _, new in self._switches_at(i):
                pattern[segment] = new
            yield Piece(float(ends[i]), float(ends[i + 1]), pattern.copy(), self.values[i], self.slopes[i])

    def __repr__(self) -> str:
        state = "exact" if self.exact else "in floats"
        return f"<Traversal: {self.n_pieces} pieces, {state}{'' if self.complete else ', partial'}>"

    @property
    def complete(self) -> bool:
        """Whether the pieces reach t = 1."""
        return self.until == 1.0

    @property
    def n_pieces(self) -> int:
        """Number of pieces P: activation cells of the line."""
        return len(self.values)

    @property
    def n_affine_pieces(self) -> int:
        """Number of maximal intervals on which the output is one affine function of t."""
        return 1 + int(self.kinks.sum())

    @cached_property
    def kinks(self) -> BoolArray:
        """For each breakpoint whether the output's slope changes there; elsewhere only hidden maxima switch."""
        bends = self.bends.copy()
        for k in np.flatnonzero(bends == 2).tolist() if self.exact else []:
            before, after = (self.exact_map(i)[:, 1] for i in (k, k + 1))
            bends[k] = not before.equals(after)
        return np.asarray(bends == 1)

    def _switches_at(self, piece: int) -> list[list[int]]:
        """The rows (piece, segment, from, to) of the breakpoint in front of a piece."""
        first, last = np.searchsorted(self.switches[:, 0], [piece, piece + 1])
        return [[int(number) for number in row] for row in self.switches[first:last]]

    def switched(self, k: int) -> tuple[Switch, ...]:
        """Which segments switch at breakpoint k, in the order of computation."""
        units = self.tape.units
        return tuple(Switch(s, *units[s], old, new) for _, s, old, new in self._switches_at(self._known(k, -1) + 1))

    def pattern(self, i: int) -> IntArray:
        """The pattern (S,) of piece i."""
        self._known(i)
        pattern = self.first_pattern.copy()
        rows = self.switches[: np.searchsorted(self.switches[:, 0], i + 1)]
        pattern[rows[:, 1]] = rows[:, 3]  # of repeated segments the last one counts
        return pattern

    @property
    def patterns(self) -> IntArray:
        """The patterns (P, S) of all pieces."""
        return np.stack([piece.pattern for piece in self])

    def piece_at(self, t: npt.ArrayLike) -> IntArray:
        """The piece that holds each t in [0, 1]; at a breakpoint the one behind it."""
        return np.asarray(np.searchsorted(self.breakpoints, t, side="right"))

    def __call__(self, t: npt.ArrayLike) -> FloatArray:
        """F(x(t)) for an array of t in [0, until], in floats: its shape and (m,)."""
        places = np.asarray(t, dtype=np.float64)
        if not ((places >= 0) & (places <= self.until)).all():
            raise InvalidInput(f"t must be in [0, {self.until:g}], where the pieces are known")
        pieces = self.piece_at(places)
        return np.asarray(self.values[pieces] + places[..., None] * self.slopes[pieces])

    def gradient(self, i: int) -> FloatArray:
        """The Jacobian (m, d) of F on the cell of piece i, in floats."""
        return pattern_gradient(self.tape, self.pattern(i))

    def exact_map(self, i: int) -> Rationals:
        """Value and slope (m, 2) of the output on piece i as rational numbers."""
        line, pattern = self._exact_line(), self.pattern(i)
        line.find(self._function.program.outputs.tolist(), pattern)
        return line.outputs()

    def exact_breakpoint(self, k: int) -> Fraction:
        """Breakpoint k as a rational number: where the first segment that switches there has equal entries."""
        _, segment, old, new = self._switches_at(self._known(k, -1) + 1)[0]
        line, program = self._exact_line(), self._function.program
        first = int(program.start[program.owner[segment]])
        winner, other = int(program.source[first + old]), int(program.source[first + new])
        line.find([winner, other], self.pattern(k))
        met = line.meeting(winner, other)
        if met is None:
            raise InvalidInput("this traversal was made in floats and has a switch that is none: use exact=True")
        return met

    def _known(self, i: int, less: int = 0) -> int:
        if not 0 <= i < self.n_pieces + less:
            raise InvalidInput(f"number {i}: expected 0 to {self.n_pieces + less - 1}")
        return i

    @cached_property
    def _function(self) -> LineFunction:
        return LineFunction(self.tape)

    def _exact_line(self) -> ExactForms:
        return ExactForms.through(self._function, self.start, self.end)


def traverse(
    function: Function | Tape,
    start: npt.ArrayLike,
    end: npt.ArrayLike,
    *,
    exact: bool = True,
    time_limit: float | None = None,
) -> Traversal:
    """All pieces of a piecewise-linear function on the segment from ``start`` to ``end``, points (d,) of any dimension.

    Floats with proved error bounds find the breakpoints; ties and breakpoints too close to each other are decided in
    rational arithmetic, unless ``exact`` is False. Breakpoints are those with 0 < t < 1; the ends may be equal.
    The statements are about the real function with the stored weights, not about float32 execution.

    Raises `InvalidInput` for points of another length and where values leave float64, and what `Tape.of` raises.

    >>> from tropix import TropicalPolynomial
    >>> traverse(TropicalPolynomial([[1], [-1]], [0, 0]), [-1], [3]).breakpoints
    array([0.25])
    """
    shared = LineFunction.of(function)
    ends = [points_array(point, shared.tape.inputs) for point in (start, end)]
    if not all(single for _, single in ends):
        raise InvalidInput(f"a segment has two ends of shape ({shared.tape.inputs},); traverse_many takes several")
    return _traversal(shared, ends[0][0][0], ends[1][0][0], exact, Deadline(time_limit))


def traverse_many(
    function: Function | Tape,
    starts: npt.ArrayLike,
    ends: npt.ArrayLike,
    *,
    exact: bool = True,
    threads: int | None = None,
) -> tuple[Traversal, ...]:
    """The traversals of n segments with ends (n, d) and (n, d), on several threads; see `traverse`.

    Raises `InvalidInput` for points of another shape.
    """
    return traversals(*_segments(function, starts, ends), exact, threads)


def count_pieces(
    function: Function | Tape,
    starts: npt.ArrayLike,
    ends: npt.ArrayLike,
    *,
    exact: bool = True,
    threads: int | None = None,
) -> IntArray:
    """The number of pieces (n,) on each of n segments with ends (n, d) and (n, d); keeps nothing else.

    >>> from tropix import TropicalPolynomial
    >>> count_pieces(TropicalPolynomial([[1], [-1]], [0, 0]), [[-1], [1]], [[1], [2]])
    array([2, 1])
    """
    shared, first, second = _segments(function, starts, ends)
    counts = np.ones(len(first), dtype=np.int64)

    def run(i: int) -> None:
        sweep = Sweep.along(shared, first[i], second[i], exact)
        while not sweep.advance():
            pass
        counts[i] = sweep.pieces

    _on_threads(shared, len(first), run, threads)
    return counts


def traversals(
    shared: LineFunction, starts: FloatArray, ends: FloatArray, exact: bool, threads: int | None
) -> tuple[Traversal, ...]:
    """What `traverse_many` does, for a function that was read."""
    found: list[Traversal | None] = [None] * len(starts)

    def run(i: int) -> None:
        found[i] = _traversal(shared, starts[i], ends[i], exact, Deadline(None))

    _on_threads(shared, len(starts), run, threads)
    return tuple(traversal for traversal in found if traversal is not None)


def _segments(
    function: Function | Tape, starts: npt.ArrayLike, ends: npt.ArrayLike
) -> tuple[LineFunction, FloatArray, FloatArray]:
    shared = LineFunction.of(function)
    first, second = (points_array(points, shared.tape.inputs)[0] for points in (starts, ends))
    if first.shape != second.shape:
        raise InvalidInput(f"{len(first)} starts and {len(second)} ends: expected as many of each")
    return shared, first, second


def _on_threads(shared: LineFunction, count: int, run: Callable[[int], None], threads: int | None) -> None:
    program = shared.program  # made before the threads want it

    def some(first: int, last: int) -> None:
        for i in range(first, last):
            run(i)

    over_rows(some, count, count * 100 * len(program.weight), threads)


def _traversal(shared: LineFunction, start: FloatArray, end: FloatArray, exact: bool, deadline: Deadline) -> Traversal:
    sweep = Sweep.along(shared, start, end, exact)
    records, finished = [], False
    while not finished:
        finished = sweep.advance()
        records.append(sweep.drain())
        if deadline.passed:
            break
    begins, outputs, bends, switches = (np.concatenate(parts) for parts in zip(*records, strict=True))
    if not np.isfinite(outputs[:, :, :2]).all():
        raise InvalidInput("values exceed the range of float64 on this segment: rescale the model or the points")
    breakpoints = np.maximum.accumulate(begins[1:, 0] + (begins[1:, 1] - begins[1:, 0]) / 2)
    until, pieces = 1.0, len(begins)
    if not finished:  # where the last piece ends is not known
        pieces -= 1
        until = float(breakpoints[-1])
        switches = switches[switches[:, 0] < pieces]
    return Traversal(
        shared.tape,
        start,
        end,
        breakpoints[: pieces - 1],
        begins[1:pieces],
        outputs[:pieces, :, 0].copy(),
        outputs[:pieces, :, 1].copy(),
        exact,
        until,
        switches,
        sweep.first_pattern,
        bends[1:pieces],
    )


def pattern_gradient(tape: Tape, pattern: IntArray) -> FloatArray:
    """The Jacobian (m, d) of a tape where a pattern (S,) attains the maxima, in floats, from the output backwards."""
    size = tape.sizes[tape.output]
    adjoints: dict[int, FloatArray] = {tape.output: np.eye(size)}
    for block in range(tape.output, 0, -1):
        adjoint = adjoints.pop(block, None)
        if adjoint is None:
            continue
        for source, amount in _pushed(tape, tape.steps[block - 1], pattern, adjoint):
            adjoints[source] = adjoints[source] + amount if source in adjoints else amount
    return adjoints.get(0, np.zeros((size, tape.inputs)))


def _pushed(
    tape: Tape, step: AffineStep | MaxStep, pattern: IntArray, adjoint: FloatArray
) -> list[tuple[int, FloatArray]]:
    if isinstance(step, MaxStep):
        amount = np.zeros((len(adjoint), tape.sizes[step.source]))
        amount[:, step.segments[:-1] + pattern[step.first : step.first + step.size]] = adjoint
        return [(step.source, amount)]
    return [
        (source, np.asarray((sp.csr_array(matrix).T @ adjoint.T).T))
        for source, matrix in zip(step.sources, step.matrices, strict=True)
    ]

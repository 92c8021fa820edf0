"""Data sets and linear regions: which cells the points visit, how far they are from the boundary, what lies between."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tropix.arrays import FloatArray, IntArray, points_array
from tropix.errors import InvalidInput
from tropix.kernels import PointCells, PointState, over_rows, point_cells
from tropix.kernels._line_traversal import DECIDE, DONE
from tropix.kernels._point_cells import CHOSEN, DIFFERENT, EQUAL, EXACT, IDENTICAL, OVERFLOW, POINT, POSITION
from tropix.regions._line import ExactForms, LineFunction
from tropix.regions._tape import Function, Tape
from tropix.regions._traverse import traversals

NORMS = {1: 0, 2: 1, np.inf: 2}
TOGETHER = 64
"""Segments whose traversals are held at the same time."""


@dataclass(frozen=True, eq=False)
class Visits:
    """The activation cells in which points lie, in the order in which they were met.

    ``patterns`` (C, S) of the cells, ``cell`` (n,) the cell of each point, ``counts`` (C,) how many points each holds.
    A point on a boundary counts to the pattern with the smallest of its equal entries.
    """

    tape: Tape
    patterns: IntArray
    cell: IntArray
    counts: IntArray
    exact: bool

    @property
    def n_cells(self) -> int:
        """Number of distinct cells C."""
        return len(self.patterns)


@dataclass(frozen=True, eq=False)
class BoundaryDistances:
    """How far points are from the boundary of their activation cell, in the p-norm; ∞ where the cell is all of ℝ^d.

    ``distances`` (n,) in floats, ``lower`` and ``upper`` (n,) proved bounds; segment and entry (n,) name the maximum
    that ties at the nearest boundary, −1 where there is none.
    """

    visits: Visits
    p: float
    distances: FloatArray
    lower: FloatArray
    upper: FloatArray
    segment: IntArray
    entry: IntArray = field(repr=False)

    def neuron(self, i: int) -> tuple[str, int] | None:
        """Name of the node, and the number in it, of the maximum that makes the boundary nearest to point i."""
        segment = int(self.segment[i])
        return None if segment < 0 else self.visits.tape.units[segment]


@dataclass(frozen=True, eq=False)
class SegmentVisits:
    """The cells on segments between points: ``pairs`` (k, 2) of numbers of points, ``pieces`` (k,) on each segment.

    ``n_cells`` is the number of distinct patterns on all of them together, ends included.
    """

    pairs: IntArray
    pieces: IntArray
    n_cells: int


def visited_cells(
    function: Function | Tape, points: npt.ArrayLike, *, exact: bool = True, threads: int | None = None
) -> Visits:
    """The activation cells of points (n, d).

    With ``exact`` patterns are proved: near ties are decided in rational arithmetic. Raises `InvalidInput` for points
    of another shape and where values leave float64, and what `Tape.of` raises.

    >>> from tropix import TropicalPolynomial
    >>> visited_cells(TropicalPolynomial([[1], [-1]], [0, 0]), [[1.0], [-2.0], [3.0]]).counts
    array([2, 1])
    """
    shared, rows = _read(function, points)
    return _visits(shared, _locate(shared, rows, 0, exact, threads).patterns, exact)


def boundary_distances(
    function: Function | Tape,
    points: npt.ArrayLike,
    p: float = 2,
    *,
    exact: bool = True,
    threads: int | None = None,
) -> BoundaryDistances:
    """The distance of points (n, d) to the boundary of their activation cell in the p-norm, p = 1, 2 or ``inf``.

    Cells are convex: it is the smallest of slack / ‖row‖_q over all inequalities of the cell, facets or not, 1/p + 1/q
    = 1. Only entries that are the same function as the winner on the cell make no inequality. ``lower`` ≤ distance ≤
    ``upper`` holds for the real numbers. They are far apart only where two entries differ by less than rounding, or
    where ``exact`` is False and a tie is not certain.

    Raises `InvalidInput` for another p, points of another shape and where values leave float64.

    >>> from tropix import TropicalPolynomial
    >>> boundary_distances(TropicalPolynomial([[1], [-1]], [0, 0]), [[1.0], [-2.0]]).distances
    array([1., 2.])
    """
    if p not in NORMS:
        raise InvalidInput(f"distance in the {p}-norm: expected p = 1, 2 or inf")
    shared, rows = _read(function, points)
    found = _locate(shared, rows, shared.tape.inputs, exact, threads)
    bounds, entries = found.distances[:, NORMS[p]], found.entries[:, NORMS[p]]
    program = shared.program
    segment = np.full(len(rows), -1)
    some = entries >= 0
    segment[some] = program.entry_segment[entries[some]]
    place = np.where(some, entries - program.entry[segment], -1)
    distances = np.clip(bounds[:, 0], bounds[:, 1], bounds[:, 2])
    visits = _visits(shared, found.patterns, exact)
    return BoundaryDistances(visits, p, distances, bounds[:, 1].copy(), bounds[:, 2].copy(), segment, place)


def visited_between(
    function: Function | Tape,
    points: npt.ArrayLike,
    pairs: npt.ArrayLike | None = None,
    *,
    exact: bool = True,
    threads: int | None = None,
) -> SegmentVisits:
    """The activation cells on the segments between points (n, d): by default from each point to the next one.

    ``pairs`` (k, 2) holds numbers of points. Raises `InvalidInput` for pairs of another shape or numbers out of range.
    """
    shared, rows = _read(function, points)
    steps = np.arange(max(len(rows) - 1, 0))
    chosen = _pairs(np.column_stack([steps, steps + 1]) if pairs is None else pairs, len(rows))
    pieces = np.zeros(len(chosen), dtype=np.int64)
    seen: set[bytes] = set()
    for first in range(0, len(chosen), TOGETHER):
        part = chosen[first : first + TOGETHER]
        found = traversals(shared, rows[part[:, 0]], rows[part[:, 1]], exact, threads)
        for i, traversal in enumerate(found, first):
            pieces[i] = len(traversal)
            seen.update(piece.pattern.astype(np.int16).tobytes() for piece in traversal)
    return SegmentVisits(chosen, pieces, len(seen))


def _pairs(pairs: npt.ArrayLike, count: int) -> IntArray:
    array = np.asarray(pairs)
    if array.ndim != 2 or array.shape[1] != 2 or array.dtype.kind not in "iu":
        raise InvalidInput(f"pairs have shape {array.shape} and type {array.dtype}: expected integers (k, 2)")
    if array.size and not (array.min() >= 0 and array.max() < count):
        raise InvalidInput(f"pairs name points {array.min()} to {array.max()}: there are {count}")
    return array.astype(np.int64)


def _read(function: Function | Tape, points: npt.ArrayLike) -> tuple[LineFunction, FloatArray]:
    shared = LineFunction.of(function)
    return shared, points_array(points, shared.tape.inputs)[0]


def _visits(shared: LineFunction, patterns: npt.NDArray[np.int16], exact: bool) -> Visits:
    numbers: dict[bytes, int] = {}
    cell = np.array([numbers.setdefault(row.tobytes(), len(numbers)) for row in patterns], dtype=np.int64)
    _, first = np.unique(cell, return_index=True)
    return Visits(shared.tape, patterns[first].astype(np.int64), cell, np.bincount(cell, minlength=len(first)), exact)


def _locate(shared: LineFunction, rows: FloatArray, columns: int, exact: bool, threads: int | None) -> PointCells:
    """Patterns of points and, with gradients of d columns, distances; memory for gradients is that of one point."""
    program = shared.program
    count, segments = len(rows), len(program.owner)
    found = PointCells(
        np.zeros((count, segments), dtype=np.int16), np.zeros((count, 3, 3)), np.full((count, 3), -1, dtype=np.int64)
    )

    def run(start: int, stop: int) -> None:
        cut = slice(start, stop)
        part = PointCells(found.patterns[cut], found.distances[cut], found.entries[cut])
        _locate_part(shared, rows[cut], columns, exact, part)

    over_rows(run, count, count * len(program.weight) * (1 + columns), threads)
    return found


def _locate_part(shared: LineFunction, points: FloatArray, columns: int, exact: bool, found: PointCells) -> None:
    program = shared.program
    values = len(program.bias)
    control = np.zeros(4, dtype=np.int64)
    control[[CHOSEN, EXACT]] = -1, exact
    gradients, norms = np.zeros((values, columns)), np.zeros((values, 2))
    gradients[:columns] = np.eye(columns)
    norms[:columns, 0] = 1.0
    pattern, tied = np.zeros(len(program.owner), dtype=np.int64), np.zeros(int(program.entry[-1]), dtype=np.uint8)
    state = PointState(np.zeros((values, 2)), gradients, norms, pattern, tied, control)
    exactly: tuple[int, ExactForms | None] = (-1, None)
    while (answer := point_cells(program, points, state, found)) != DONE:
        i = int(control[POINT])
        if answer == OVERFLOW:
            raise InvalidInput(f"values exceed the range of float64 at {points[i]}: rescale the model or the points")
        if exactly[0] != i or exactly[1] is None or (answer != DECIDE and exactly[1].forms.shape[1] == 1):
            exactly = i, _exact_forms(shared, points[i], answer == DECIDE)
        assert exactly[1] is not None
        (_decide if answer == DECIDE else _compare)(exactly[1], state)


def _exact_forms(shared: LineFunction, point: FloatArray, values_only: bool) -> ExactForms:
    around = ExactForms.around(shared, point)
    return ExactForms(shared, around.forms[:, :1].copy(), around.denominator, around.seen) if values_only else around


def _decide(exactly: ExactForms, state: PointState) -> None:
    """Say which entry of a segment is the largest at the point, and which others are equal to it."""
    program = exactly.function.program
    v = int(state.control[POSITION])
    segment = int(program.segment[v])
    span = slice(int(program.entry[segment]), int(program.entry[segment + 1]))
    sources = program.source[program.start[v] : program.start[v + 1]]
    exactly.find(sources.tolist(), state.pattern)
    values = exactly.forms[sources, 0].tolist()
    winner = values.index(max(values))
    state.tied[span] = [EQUAL if k != winner and value == values[winner] else 0 for k, value in enumerate(values)]
    state.control[CHOSEN] = winner


def _compare(exactly: ExactForms, state: PointState) -> None:
    """Say whether an entry that is equal to the winner at the point is the same function."""
    program = exactly.function.program
    entry = int(state.control[CHOSEN])
    segment = int(program.entry_segment[entry])
    base = int(program.start[program.owner[segment]])
    pair = [int(program.source[base + k]) for k in (state.pattern[segment], entry - program.entry[segment])]
    exactly.find(pair, state.pattern)
    same = bool((exactly.forms[pair[0]] == exactly.forms[pair[1]]).all())
    state.tied[entry] = IDENTICAL if same else DIFFERENT
    state.control[CHOSEN] = -1

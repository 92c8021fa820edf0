"""Decision boundaries: where two outputs tie, as polyhedra, one piece a cell."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from tropix.arrays import FloatArray, ObjectArray
from tropix.boxes import BoxLike
from tropix.errors import InvalidInput, Unsupported
from tropix.exact import Rationals
from tropix.regions._cell import Cell
from tropix.regions._domain import inner_point
from tropix.regions._enumerate import enumerate as enumerate_regions
from tropix.regions._exact_cells import facet_witnesses
from tropix.regions._regions import Regions
from tropix.regions._search import WALL
from tropix.regions._tape import Function, MaxStep


@dataclass(frozen=True, eq=False)
class BoundaryPiece:
    """A piece {x : a·x = b, A x ≤ c} of the set where two outputs tie, in one cell.

    ``kind`` is "crossing" if the hyperplane goes through the cell, "facet" if it is a facet of it (listed once for the
    two cells that share it), "area" if the outputs are equal on the whole cell: then there is no equation, and the
    piece has dimension d. ``exact_equation`` (d+1,) holds (a, b), ``exact_inequalities`` (k, d+1) rows (A, c), some
    of them perhaps redundant, ``exact_point`` a point of the relative interior, all proved.
    """

    cell: int
    kind: str
    exact_equation: Rationals | None
    exact_inequalities: Rationals
    exact_point: Rationals

    @property
    def dimension(self) -> int:
        """D − 1, or d for an area."""
        return self.exact_inequalities.shape[1] - (2 if self.exact_equation is not None else 1)

    @property
    def point(self) -> FloatArray:
        """A point (d,) of the relative interior, nearest floats."""
        return self.exact_point.floats()

    @property
    def normal(self) -> FloatArray | None:
        """Unit normal (d,) of the hyperplane, from the first output's side to the second's; None for an area."""
        return None if self.exact_equation is None else _unit(self.exact_equation)[:-1]

    @property
    def offset(self) -> float | None:
        """The b of normal·x = b; None for an area."""
        return None if self.exact_equation is None else float(_unit(self.exact_equation)[-1])

    @cached_property
    def exact_ends(self) -> tuple[Rationals | None, Rationals | None]:
        """In d = 2 the end points of a piece that is no area, None where it goes on for ever; in rational numbers."""
        if self.exact_equation is None or self.dimension != 1:
            raise Unsupported("end points are those of a line in the plane: take the inequalities instead")
        direction = self._direction
        along, at = _values(self.exact_inequalities, direction), _values(self.exact_inequalities, self.exact_point)
        bounds = self.exact_inequalities.fractions()[:, -1]
        forward = [(b - v) / s for s, v, b in zip(along, at, bounds, strict=True) if s > 0]
        backward = [(b - v) / s for s, v, b in zip(along, at, bounds, strict=True) if s < 0]

        def end(step: Fraction | None) -> Rationals | None:
            return None if step is None else self.exact_point + direction * Rationals.of(np.array([step], dtype=object))

        return end(max(backward, default=None)), end(min(forward, default=None))

    @property
    def ends(self) -> tuple[FloatArray | None, FloatArray | None]:
        """`exact_ends` as nearest floats."""
        first, last = self.exact_ends
        return None if first is None else first.floats(), None if last is None else last.floats()

    @property
    def direction(self) -> FloatArray:
        """In d = 2 the unit vector from the first end to the second."""
        vector = _unit(self._direction, all_entries=True)
        return np.asarray(vector)

    @property
    def _direction(self) -> Rationals:
        assert self.exact_equation is not None
        a, b = self.exact_equation.numerators[:2].tolist()
        return Rationals(np.array([-b, a], dtype=object), 1)

    def to_dict(self) -> dict[str, Any]:
        """The piece as JSON data: numbers as floats."""
        rows = self.exact_inequalities
        found: dict[str, Any] = {
            "cell": self.cell,
            "kind": self.kind,
            "dimension": self.dimension,
            "point": self.point.tolist(),
            "normal": None if self.normal is None else self.normal.tolist(),
            "offset": self.offset,
            "inequalities": [_unit(rows[i]).tolist() for i in range(len(rows))],
        }
        if self.exact_equation is not None and self.dimension == 1:
            found["ends"] = [None if end is None else end.tolist() for end in self.ends]
            found["direction"] = self.direction.tolist()
        return found


def boundary(
    function: Regions | Function,
    a: int,
    b: int | None = None,
    *,
    box: BoxLike | None = None,
    pair_only: bool = False,
    time_limit: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[BoundaryPiece, ...]:
    """The pieces of {x : F_a(x) = F_b(x)} where no other output is larger; with ``pair_only`` wherever they tie.

    ``function`` is a function with a ``box`` as in `enumerate`, or its `Regions`; of partial ones the pieces in the
    cells found. Without ``b`` output a is compared with 0, for models with one score. Whether a hyperplane meets the
    inside of a cell is proved, and so are ties on whole cells and on facets between cells; facets on walls of the
    domain are left out, as is what has fewer than d − 1 dimensions (a tie at a single point, say).
    Outputs that nowhere tie leave no pieces. Raises `InvalidInput` for outputs that do not exist, and where
    ``time_limit`` is too short to find all cells.

    >>> from tropix import TropicalMap, TropicalPolynomial
    >>> f = TropicalMap([TropicalPolynomial([[1, 0], [-1, 0]], [0, 0]), TropicalPolynomial([[0, 1]], [0])])
    >>> [piece.ends[0] is None for piece in boundary(f, 0, 1)]  # |x| = y: two rays from the origin
    [True, False]
    """
    if isinstance(function, Regions):
        if box is not None:
            raise InvalidInput("these regions have their own domain: leave out the box")
        regions = function
    else:
        regions = enumerate_regions(function, box, time_limit=time_limit)
        if not regions.complete:
            raise InvalidInput(
                f"{regions.stopped} with {regions.n_cells} cells found: give more time, a smaller box, "
                "or the partial regions themselves"
            )
    if regions.n_cells > 1 and not len(regions.facet_segments):
        raise InvalidInput("these regions were found without their facets: enumerate them with adjacency")
    outputs = regions.tape.sizes[regions.tape.output]
    for output in (a,) if b is None else (a, b):
        if not 0 <= output < outputs:
            raise InvalidInput(f"output {output}: the function has outputs 0 to {outputs - 1}")
    if a == b:
        raise InvalidInput(f"outputs {a} and {b} are the same: name two different ones")
    others = () if pair_only or b is None else tuple(k for k in range(outputs) if k not in (a, b))
    question = _Question(regions, a, b, others)
    found: list[BoundaryPiece] = []
    for number in range(len(regions)):
        found += _pieces(question, number)
        if progress is not None:
            progress(number + 1, len(regions))
    return tuple(found)


@dataclass(frozen=True)
class _Facts:
    """One cell in rational arithmetic: rows of its facets, of F_b − F_a, and of F_k − F_a for all others.

    Rows are primitive integer vectors; those of facets are in the order in which the regions hold them.
    """

    number: int
    facets: list[tuple[int, ...]]
    tie: tuple[int, ...]
    larger: list[tuple[int, ...]]

    def area(self) -> tuple[ObjectArray, Rationals] | None:
        """Rows and an inner point of what the cell has in common with the boundary, if that has an interior."""
        if any(self.tie):
            return None
        rows = _distinct([*self.facets, *(row for row in self.larger if any(row))], len(self.tie))
        point = inner_point(rows, len(self.tie) - 1)
        return None if point is None else (rows, point)


@dataclass(frozen=True)
class _Question:
    """Which outputs are compared, in which regions."""

    regions: Regions
    a: int
    b: int | None
    others: tuple[int, ...]

    def facts(self, number: int) -> _Facts:
        """The exact rows of a cell; no others of its inequalities are formed."""
        regions, tape = self.regions, self.regions.tape
        pattern = regions.patterns[number].astype(np.int64)
        table = tape.exact.table(pattern).astype(object)  # it may hold 64-bit integers
        output = int(tape.offsets[tape.output])
        forms = table[output : output + tape.sizes[tape.output]]
        tie = -forms[self.a] if self.b is None else forms[self.b] - forms[self.a]
        part = slice(int(regions.facet_offsets[number]), int(regions.facet_offsets[number + 1]))
        facets = []
        names = zip(regions.facet_segments[part].tolist(), regions.facet_entries[part].tolist(), strict=True)
        for segment, entry in names:
            if segment < 0:
                row = regions.domain.walls.numerators[entry]
            else:
                step = self.steps[segment]
                start = int(tape.offsets[step.source] + step.segments[segment - step.first])
                row = table[start + entry] - table[start + int(pattern[segment])]
            facets.append(_primitive(row))
        larger = [_primitive(forms[k] - forms[self.a]) for k in self.others]
        return _Facts(number, facets, _primitive(tie), larger)

    @cached_property
    def steps(self) -> list[MaxStep]:
        """For each segment the step of maxima to which it belongs."""
        return [step for step in self.regions.tape.steps if isinstance(step, MaxStep) for _ in range(step.size)]


def _pieces(question: _Question, number: int) -> list[BoundaryPiece]:
    """The pieces in one cell."""
    facts = question.facts(number)
    found = facts.area()
    if found is not None:
        return [_piece(number, "area", None, *found)]
    tie, larger, facets = facts.tie, facts.larger, facts.facets
    pieces = []
    for place, row in enumerate(facets):
        if (not any(tie) or row in (tie, _opposite(tie))) and _owns(question, number, place):
            side = tie if any(tie) else row
            pieces += _on(number, "facet", side, facets[:place] + facets[place + 1 :], larger)
    if any(tie):
        lines = [tie] if any(tie[:-1]) and not {tie, _opposite(tie)} & set(facets) else []
        lines = [line for line in lines if _crosses(question.regions[number], facts)]
    else:  # the outputs are equal, but others are larger, except perhaps where two of these change places
        lines = [row for row in dict.fromkeys(larger) if any(row[:-1]) and row < _opposite(row) in larger]
    for line in lines:
        pieces += _on(number, "crossing", line, facets, larger)
    return pieces


def _on(
    number: int, kind: str, line: tuple[int, ...], facets: list[tuple[int, ...]], larger: list[tuple[int, ...]]
) -> list[BoundaryPiece]:
    """What a hyperplane has in common with the cell of some facets, where no other output is larger."""
    point = _inner_point_on(line, facets, larger)
    if point is None:
        return []
    rows = [*facets, *(row for row in larger if any(row) and row not in (line, _opposite(line)))]
    return [_piece(number, kind, line, _distinct(rows, len(line)), point)]


def _owns(question: _Question, number: int, place: int) -> bool:
    """Whether a tie on a facet is listed here: by the cell of the smaller number, if no area behind contains it."""
    regions = question.regions
    behind = int(regions.neighbours[regions.facet_offsets[number] + place])
    if behind < 0:
        return behind != WALL
    return number < behind and question.facts(behind).area() is None


def _opposite(row: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(-value for value in row)


def _crosses(cell: Cell, facts: _Facts) -> bool:
    """Whether F_a = F_b, which is none of the facets, is a hyperplane through the inside of the cell."""
    tie, point = facts.tie, cell.exact_point
    value = sum(int(v) * int(x) for v, x in zip(tie, point.numerators, strict=False)) + tie[-1] * point.denominator
    if value == 0:
        return True
    row = tie if value < 0 else _opposite(tie)
    # with the point inside {row < 0}, there is one beyond it in the cell exactly if the row carries a facet of both
    rows = np.array([*facts.facets, row], dtype=object)
    return len(facts.facets) in facet_witnesses(rows, point, cell.domain)


def _inner_point_on(
    tie: tuple[int, ...], strict: list[tuple[int, ...]], larger: list[tuple[int, ...]]
) -> Rationals | None:
    """A point of the hyperplane with all strict rows negative, and the others negative or zero on all of it."""
    pivot = max(range(len(tie) - 1), key=lambda c: abs(tie[c]))
    weak = [row for row in (_eliminated(row, tie, pivot) for row in larger) if any(row)]
    rows = _distinct([*(_eliminated(row, tie, pivot) for row in strict), *weak], len(tie) - 1)
    point = inner_point(rows, len(tie) - 2)
    if point is None:
        return None
    left = point.fractions().tolist()
    rest = [value for c, value in enumerate(tie[:-1]) if c != pivot]
    missing = -(sum((v * x for v, x in zip(rest, left, strict=True)), Fraction(0)) + tie[-1]) / tie[pivot]
    return Rationals.of(np.array([*left[:pivot], missing, *left[pivot:]], dtype=object))


def _eliminated(row: tuple[int, ...], tie: tuple[int, ...], pivot: int) -> tuple[int, ...]:
    """The row on the hyperplane, where x_pivot = −(Σ tie_c x_c + tie_d) / tie_pivot, times |tie_pivot|."""
    sign = 1 if tie[pivot] > 0 else -1
    reduced = [sign * (v * tie[pivot] - row[pivot] * w) for v, w in zip(row, tie, strict=True)]
    del reduced[pivot]
    return _primitive(reduced)


def _piece(number: int, kind: str, tie: tuple[int, ...] | None, rows: ObjectArray, point: Rationals) -> BoundaryPiece:
    bounds = rows.copy()
    bounds[:, -1] = -bounds[:, -1]
    equation = None if tie is None else Rationals(np.array([*tie[:-1], -tie[-1]], dtype=object), 1)
    return BoundaryPiece(number, kind, equation, Rationals(bounds, 1), point)


def _distinct(rows: Sequence[tuple[int, ...]], width: int) -> ObjectArray:
    found = list(dict.fromkeys(rows))
    table = np.empty((len(found), width), dtype=object)
    for i, row in enumerate(found):
        table[i] = row
    return table


def _primitive(row: Sequence[int]) -> tuple[int, ...]:
    numbers = [int(value) for value in row]
    divisor = math.gcd(*numbers) or 1
    return tuple(value // divisor for value in numbers)


def _values(rows: Rationals, point: Rationals) -> list[Fraction]:
    """a·x of each row (a, b) at a point."""
    column = Rationals(point.numerators[:, None], point.denominator)
    return [Fraction(value) for value in (rows[:, :-1] @ column).fractions()[:, 0]]


def _unit(row: Rationals, all_entries: bool = False) -> FloatArray:
    """A row (a, b) over the length of a, in floats."""
    numbers = [int(value) for value in row.numerators.tolist()]
    size = max(abs(value) for value in (numbers if all_entries else numbers[:-1])) or 1
    floats = np.array([value / size for value in numbers])
    return np.asarray(floats / np.linalg.norm(floats if all_entries else floats[:-1]))

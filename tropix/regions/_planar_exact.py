"""Exact answers to the kernel's questions: which entries are largest at a vertex, in integers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import flint
import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from tropix.arrays import IntArray
from tropix.exact import Rationals
from tropix.regions._planar_program import Line, PolygonDomain, Stages
from tropix.regions._tape import AffineStep, MaxStep

Patterns: TypeAlias = "npt.NDArray[np.uint16]"
Value = tuple[int, int]
SPARSE = 0.25
"""Matrices with a smaller share of entries are applied row by row, and only to rows that are asked for."""


class ExactForms:
    """The affine forms of a tape's values on the cell at hand, as integer rows over one denominator a block.

    The bases of stages are numbered by the kernel: what was computed for one is kept until another takes its place.
    """

    def __init__(self, stages: Stages, domain: PolygonDomain) -> None:
        self._stages = stages
        self._centre = [float(m).as_integer_ratio() for m in domain.centre]
        self._walls = [_line(row) for row in domain.domain.walls.numerators.tolist()]
        self._bases = [-1] * len(stages.maxima)
        self._pattern: Patterns = np.zeros(0, dtype=np.uint16)
        self._rows: dict[int, dict[int, Line]] = {0: {0: (1, 0, 0), 1: (0, 1, 0)}}
        self._denominators = {0: 1}
        self._steps: dict[int, _Affine | _Max] = {}
        self._prepare()

    def _prepare(self) -> None:
        self._entries: list[Value] = []
        first = 0
        for affine, maxima in zip(self._stages.affine, self._stages.maxima, strict=True):
            for block in affine:
                step = self._stages.step(block)
                assert isinstance(step, AffineStep)
                self._steps[block] = _Affine(step, [self._denominators[source] for source in step.sources])
                self._denominators[block] = self._steps[block].denominator
            for block in maxima:
                step = self._stages.step(block)
                assert isinstance(step, MaxStep)
                self._steps[block] = _Max(step, first, self._denominators[step.source])
                self._denominators[block] = self._denominators[step.source]
                self._entries += [(step.source, i) for i in range(int(step.segments[-1]))]
                first += step.size
        self._order = sorted(self._steps)
        self._rows.update({block: {} for block in self._order})

    def update(self, stage: int, pattern: Patterns, bases: IntArray) -> None:
        """Forget the forms of the stages up to this one from the first that has another base than before."""
        numbers = bases.tolist()
        for t in range(stage + 1):
            if self._bases[t] != numbers[t]:
                self._bases = numbers[: stage + 1] + [-1] * (len(self._bases) - stage - 1)
                self._pattern = pattern.copy()
                for later in range(t, len(self._bases)):
                    before = self._stages.maxima[later - 1] if later else ()
                    for block in (*before, *self._stages.affine[later]):
                        self._rows[block].clear()
                return

    def entries(self, one: tuple[int, int], two: tuple[int, int], segments: Sequence[int]) -> list[int]:
        """The entries whose forms decide the order of segments' entries where two lines meet."""
        found = [entry for won, tied in (one, two) if tied >= 0 for entry in (won, tied)]
        for s in segments:
            found += range(int(self._stages.entry[s]), int(self._stages.entry[s + 1]))
        return found

    def require(self, entries: Iterable[int]) -> None:
        """Compute the forms of entries, and of what they are made of, where they are not known."""
        wanted: dict[int, set[int]] = {}
        for entry in entries:
            block, i = self._entries[entry]
            if i not in self._rows[block]:
                wanted.setdefault(block, set()).add(i)
        if not wanted:
            return
        for block in reversed(self._order):
            if block in wanted:
                for source, i in self._steps[block].needs(wanted[block], self._pattern):
                    if i not in self._rows[source]:
                        wanted.setdefault(source, set()).add(i)
        for block in self._order:
            if block in wanted:
                self._steps[block].fill(self._rows[block], wanted[block], self._rows, self._pattern)

    def lines_of(self, pattern: Patterns, ties: IntArray) -> list[Line]:
        """The lines of all edges of a finished cell, negative inside; the bases at hand are given up."""
        stages = len(self._bases)
        self._bases = [-1] * stages
        self.update(stages - 1, pattern, np.full(stages, -2))
        self._bases = [-1] * stages
        names = [(won, tied) for won, tied in ties.tolist()]
        self.require(entry for name in names for entry in name if name[1] >= 0)
        return [self.line(won, tied) for won, tied in names]

    def row(self, entry: int) -> Line:
        """The form of an entry, over the denominator of its block; it must have been required."""
        block, i = self._entries[entry]
        return self._rows[block][i]

    def line(self, won: int, tied: int) -> Line:
        """The line of an edge: where two entries tie, or a wall."""
        if tied < 0:
            return self._walls[-1 - won]
        (a, b, c), (a_, b_, c_) = self.row(tied), self.row(won)
        return a - a_, b - b_, c - c_

    def ranks(self, segment: int, point: Line, base: int) -> tuple[int, list[int]]:
        """The segment's first entry, counted from ``base``, and its entries' ranks at a point: equal values, equal ranks."""
        x, y, q = point
        first, stop = int(self._stages.entry[segment]), int(self._stages.entry[segment + 1])
        values = [a * x + b * y + c * q for a, b, c in map(self.row, range(first, stop))]
        order = {value: i for i, value in enumerate(sorted(set(values)))}
        return first - base, [order[value] for value in values]

    def floats(self, point: Line) -> tuple[float, float, float]:
        """The point relative to the centre, and a bound of the error of both floats."""
        x, y, q = point
        (mx, dx), (my, dy) = self._centre
        right, up = (x * dx - mx * q) / (q * dx), (y * dy - my * q) / (q * dy)
        return right, up, max(abs(right), abs(up)) * 2.0**-52 + 1e-300


class _Max:
    """A block of maxima: the rows that the pattern chooses."""

    def __init__(self, step: MaxStep, first: int, denominator: int) -> None:
        self.denominator = denominator
        self._source, self._first, self._starts = step.source, first, step.segments[:-1].tolist()

    def needs(self, wanted: Iterable[int], pattern: Patterns) -> list[Value]:
        return [(self._source, self._starts[k] + int(pattern[self._first + k])) for k in wanted]

    def fill(
        self, rows: dict[int, Line], wanted: Iterable[int], known: dict[int, dict[int, Line]], pattern: Patterns
    ) -> None:
        source = known[self._source]
        for k in wanted:
            rows[k] = source[self._starts[k] + int(pattern[self._first + k])]


class _Affine:
    """An affine step over integers: dense matrices go through flint, sparse ones row by row."""

    def __init__(self, step: AffineStep, below: Sequence[int]) -> None:
        self._size, self._sources = step.size, step.sources
        matrices = step.matrices if step.exact is None else step.exact[0]
        bias = Rationals.of(step.bias) if step.exact is None else step.exact[1]
        parts = [_split(matrix) for matrix in matrices]
        totals = [denominator * d for (_, _, denominator), d in zip(parts, below, strict=True)]
        self.denominator = math.lcm(bias.denominator, *totals)
        self._scales = [self.denominator // total for total in totals]
        self._bias = [int(n) * (self.denominator // bias.denominator) for n in bias.numerators.tolist()]
        self._dense = [(s, matrix, f) for s, (matrix, _, _), f in zip(step.sources, parts, self._scales, strict=True)
                       if matrix is not None]  # fmt: skip
        self._sparse: list[list[tuple[int, int, int]]] = [[] for _ in range(step.size)]
        for source, (_, entries, _), scale in zip(step.sources, parts, self._scales, strict=True):
            for i, j, number in entries:
                self._sparse[i].append((source, j, number * scale))

    def needs(self, wanted: set[int], pattern: Patterns) -> list[Value]:
        if self._dense:
            wanted.update(range(self._size))
        found = [(source, j) for i in wanted for source, j, _ in self._sparse[i]]
        for source, matrix, _ in self._dense:
            found += [(source, j) for j in range(matrix.ncols())]
        return found

    def fill(
        self, rows: dict[int, Line], wanted: set[int], known: dict[int, dict[int, Line]], pattern: Patterns
    ) -> None:
        for i in wanted:
            a, b, c = 0, 0, self._bias[i]
            for source, j, w in self._sparse[i]:
                a_, b_, c_ = known[source][j]
                a, b, c = a + w * a_, b + w * b_, c + w * c_
            rows[i] = a, b, c
        for source, matrix, scale in self._dense:
            table = known[source]
            flat = [number for j in range(matrix.ncols()) for number in table[j]]
            product = [int(n) for n in (matrix * flint.fmpz_mat(matrix.ncols(), 3, flat)).entries()]
            for i in range(self._size):
                a, b, c = rows[i]
                rows[i] = a + scale * product[3 * i], b + scale * product[3 * i + 1], c + scale * product[3 * i + 2]


def _split(matrix: Any) -> tuple[Any, list[tuple[int, int, int]], int]:
    """A matrix over its denominator: as a dense one, or as a list of (row, column, numerator)."""
    if isinstance(matrix, Rationals):
        return matrix.to_flint(), [], matrix.denominator
    count = matrix.nnz if sp.issparse(matrix) else np.count_nonzero(matrix)
    if count >= SPARSE * matrix.shape[0] * matrix.shape[1] and not sp.issparse(matrix):
        exact = Rationals.of(matrix)
        return exact.to_flint(), [], exact.denominator
    listed = sp.coo_array(matrix)
    exact = Rationals.of(listed.data)
    numbers = [int(n) for n in exact.numerators.tolist()]
    rows, columns = (axis.tolist() for axis in listed.coords)
    return None, list(zip(rows, columns, numbers, strict=True)), exact.denominator


def meeting_point(one: Line, two: Line) -> Line:
    """The point (X/Q, Y/Q) where two lines meet, as (X, Y, Q) with Q > 0."""
    (a, b, c), (a_, b_, c_) = one, two
    x, y, q = b * c_ - b_ * c, c * a_ - c_ * a, a * b_ - a_ * b
    return (x, y, q) if q > 0 else (-x, -y, -q)


def _line(row: Sequence[int]) -> Line:
    a, b, c = row
    return int(a), int(b), int(c)

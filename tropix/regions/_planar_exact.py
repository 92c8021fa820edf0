"""Exact answers to the kernel's questions: which entries are largest at a vertex, in integers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from tropix.arrays import IntArray
from tropix.regions._planar_program import Line, PolygonDomain, Stages
from tropix.regions._tape import MaxStep

Patterns: TypeAlias = "npt.NDArray[np.uint16]"


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
        self._exact = stages.tape.exact
        self._rows: list[dict[int, list[int]]] = [{} for _ in self._exact.denominators]
        self._rows[0] = {0: [1, 0, 0], 1: [0, 1, 0]}
        self._entries: list[tuple[int, int]] = []
        self._first: dict[int, int] = {}
        first = 0
        for block in (block for group in stages.maxima for block in group):
            step = stages.step(block)
            assert isinstance(step, MaxStep)
            self._entries += [(step.source, i) for i in range(int(step.segments[-1]))]
            self._first[block] = first
            first += step.size
        self._order = sorted(block for group in (*stages.affine, *stages.maxima) for block in group)

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
                for source, rows in self._needs(block, wanted[block]):
                    missing = [i for i in rows if i not in self._rows[source]]
                    if missing:
                        wanted.setdefault(source, set()).update(missing)
        for block in self._order:
            if block in wanted:
                affine = self._exact.affine[block]
                if affine is not None:
                    self._rows[block].update(affine.rows(sorted(wanted[block]), self._rows, 3))
                else:
                    ((source, chosen),) = self._needs(block, wanted[block])
                    table = self._rows[source]
                    self._rows[block].update((k, table[i]) for k, i in zip(wanted[block], chosen, strict=True))

    def _needs(self, block: int, wanted: set[int]) -> list[tuple[int, Iterable[int]]]:
        affine = self._exact.affine[block]
        if affine is not None:
            return affine.needs(wanted)
        step, first = self._stages.step(block), self._first[block]
        assert isinstance(step, MaxStep)
        return [(step.source, [int(step.segments[k]) + int(self._pattern[first + k]) for k in wanted])]

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
        a, b, c = self._rows[block][i]
        return a, b, c

    def line(self, won: int, tied: int) -> Line:
        """The line of an edge: where two entries tie, or a wall."""
        if tied < 0:
            return self._walls[-1 - won]
        (a, b, c), (a_, b_, c_) = self.row(tied), self.row(won)
        return a - a_, b - b_, c - c_

    def ranks(self, segment: int, point: Line, base: int) -> tuple[int, list[int]]:
        """Where the segment begins, counted from ``base``, and the ranks of its entries at a point, equal on ties."""
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


def meeting_point(one: Line, two: Line) -> Line:
    """The point (X/Q, Y/Q) where two lines meet, as (X, Y, Q) with Q > 0."""
    (a, b, c), (a_, b_, c_) = one, two
    x, y, q = b * c_ - b_ * c, c * a_ - c_ * a, a * b_ - a_ * b
    return (x, y, q) if q > 0 else (-x, -y, -q)


def _line(row: Sequence[int]) -> Line:
    a, b, c = row
    return int(a), int(b), int(c)

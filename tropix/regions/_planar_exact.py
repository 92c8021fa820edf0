"""Exact answers to the kernel's questions: which entries are largest at a vertex, in integers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import flint
import numpy as np
import scipy.sparse as sp

from tropix.arrays import IntArray
from tropix.exact import Rationals
from tropix.regions._planar_program import Line, PolygonDomain, Stages
from tropix.regions._tape import AffineStep, MaxStep

Rows = list[Line]


class ExactForms:
    """The affine forms of a tape's values on the cell at hand, as integer rows over one denominator a block.

    The bases of stages are numbered by the kernel: what was computed for one is kept until another takes its place.
    """

    def __init__(self, stages: Stages, domain: PolygonDomain) -> None:
        self._stages, self._domain = stages, domain
        self._walls = [_line(row) for row in domain.domain.walls.numerators.tolist()]
        self._blocks: dict[int, tuple[Rows, int]] = {0: ([(1, 0, 0), (0, 1, 0)], 1)}
        self._bases = [-1] * len(stages.maxima)
        self._steps: dict[int, _Affine] = {}
        self._entry_block, self._entry_place = self._places()

    def _places(self) -> tuple[list[int], list[int]]:
        blocks: list[int] = []
        places: list[int] = []
        for group in self._stages.maxima:
            for block in group:
                step = self._stages.step(block)
                assert isinstance(step, MaxStep)
                blocks += [step.source] * int(step.segments[-1])
                places += range(int(step.segments[-1]))
        return blocks, places

    def update(self, stage: int, pattern: IntArray, bases: IntArray) -> None:
        """Compute the forms of the stages up to this one where they are not those of the given bases."""
        stale = False
        for t in range(stage + 1):
            stale = stale or self._bases[t] != bases[t]
            if stale:
                self._enter(t, pattern)
                self._bases[t] = int(bases[t])
        if stale:
            self._bases[stage + 1 :] = [-1] * len(self._bases[stage + 1 :])

    def _enter(self, t: int, pattern: IntArray) -> None:
        if t > 0:
            s = int(self._stages.stage_segments[t - 1])
            for block in self._stages.maxima[t - 1]:
                step = self._stages.step(block)
                assert isinstance(step, MaxStep)
                rows, denominator = self._blocks[step.source]
                chosen = step.segments[:-1] + pattern[s : s + step.size]
                self._blocks[block] = ([rows[i] for i in chosen.tolist()], denominator)
                s += step.size
        for block in self._stages.affine[t]:
            step = self._stages.step(block)
            assert isinstance(step, AffineStep)
            if block not in self._steps:
                self._steps[block] = _Affine(step)
            self._blocks[block] = self._steps[block].apply([self._blocks[source] for source in step.sources])

    def row(self, entry: int) -> Line:
        """The form of an entry, over the denominator of its block."""
        return self._blocks[self._entry_block[entry]][0][self._entry_place[entry]]

    def line(self, won: int, tied: int) -> Line:
        """The line of an edge: where two entries tie, or a wall."""
        if tied < 0:
            return self._walls[-1 - won]
        (a, b, c), (a_, b_, c_) = self.row(tied), self.row(won)
        return a - a_, b - b_, c - c_

    def lines_of(self, pattern: IntArray, ties: IntArray) -> list[Line]:
        """The lines of all edges of a finished cell, negative inside; the bases at hand are given up."""
        stages = len(self._bases)
        self._bases = [-1] * stages
        self.update(stages - 1, pattern, np.full(stages, -2))
        self._bases = [-1] * stages
        return [self.line(won, tied) for won, tied in ties.tolist()]

    def ranks(self, segments: Sequence[int], point: Line) -> list[tuple[int, list[int]]]:
        """For each segment its first entry and the ranks of its entries at a point: equal values, equal ranks."""
        x, y, q = point
        found = []
        for s in segments:
            first, stop = int(self._stages.entry[s]), int(self._stages.entry[s + 1])
            values = [a * x + b * y + c * q for a, b, c in map(self.row, range(first, stop))]
            order = {value: i for i, value in enumerate(sorted(set(values)))}
            found.append((first, [order[value] for value in values]))
        return found

    def floats(self, point: Line) -> tuple[float, float, float]:
        """The point relative to the centre, and a bound of the error of both floats."""
        x, y, q = map(int, point)
        ends = [Fraction(n, q) - Fraction(float(m)) for n, m in zip((x, y), self._domain.centre, strict=True)]
        floats = [float(end) for end in ends]
        off = max(abs(end - Fraction(value)) for end, value in zip(ends, floats, strict=True))
        return floats[0], floats[1], math.nextafter(float(off), math.inf) if off else 0.0


def meeting_point(one: Line, two: Line) -> Line:
    """The point (X/Q, Y/Q) where two lines meet, as (X, Y, Q) with Q > 0."""
    (a, b, c), (a_, b_, c_) = one, two
    x, y, q = b * c_ - b_ * c, c * a_ - c_ * a, a * b_ - a_ * b
    return (x, y, q) if q > 0 else (-x, -y, -q)


class _Affine:
    """An affine step over integers: dense matrices go through flint, sparse ones row by row."""

    def __init__(self, step: AffineStep) -> None:
        self._size = step.size
        self._parts: list[tuple[Any, int]] = []
        if step.exact is None:
            for matrix in step.matrices:
                self._parts.append(_sparse(matrix) if sp.issparse(matrix) else _dense(Rationals.of(matrix)))
            bias = Rationals.of(step.bias)
        else:
            self._parts = [_dense(matrix) for matrix in step.exact[0]]
            bias = step.exact[1]
        self._bias, self._bias_denominator = [int(n) for n in bias.numerators.tolist()], bias.denominator

    def apply(self, sources: list[tuple[Rows, int]]) -> tuple[Rows, int]:
        """Σ A_i v_i + b for rows of forms."""
        terms = []
        for (matrix, denominator), (rows, below) in zip(self._parts, sources, strict=True):
            terms.append((_product(matrix, rows), denominator * below))
        total = math.lcm(self._bias_denominator, *(denominator for _, denominator in terms))
        scale = total // self._bias_denominator
        result = [(0, 0, b * scale) for b in self._bias]
        for rows, denominator in terms:
            scale = total // denominator
            result = [
                (a + scale * a_, b + scale * b_, c + scale * c_)
                for (a, b, c), (a_, b_, c_) in zip(result, rows, strict=True)
            ]
        return result, total


def _product(matrix: Any, rows: Rows) -> Rows:
    if isinstance(matrix, list):
        return [
            (
                sum(w * rows[j][0] for j, w in row),
                sum(w * rows[j][1] for j, w in row),
                sum(w * rows[j][2] for j, w in row),
            )
            for row in matrix
        ]
    product = matrix * flint.fmpz_mat(len(rows), 3, [number for row in rows for number in row])
    numbers = [int(number) for number in product.entries()]
    return list(zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True))


def _dense(matrix: Rationals) -> tuple[Any, int]:
    return matrix.to_flint(), matrix.denominator


def _sparse(matrix: sp.csr_array) -> tuple[list[list[tuple[int, int]]], int]:
    """Rows of (column, numerator)."""
    matrix = sp.csr_array(matrix)
    data = Rationals.of(matrix.data)
    numbers, columns, ends = data.numerators.tolist(), matrix.indices.tolist(), matrix.indptr.tolist()
    rows = [[(columns[k], int(numbers[k])) for k in range(start, stop)] for start, stop in pairwise(ends)]
    return rows, data.denominator


def _line(row: Sequence[int]) -> Line:
    a, b, c = row
    return int(a), int(b), int(c)

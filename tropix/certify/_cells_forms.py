"""Activation patterns of piecewise-linear circuits and their affine functions, in integers.

A pattern chooses one entry of each segment of each maximum. It makes every value of the circuit one affine function;
these are the true values wherever the chosen entry of every segment is the largest, which is the cell of the pattern.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from operator import mul, sub
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import flint
import numpy as np

from tropix.arrays import FloatArray
from tropix.certify._models import Subject
from tropix.circuits import Affine, Circuit, LogSumExp, exact_matrix
from tropix.errors import InvalidInput, Unsupported
from tropix.exact import Rationals

Pattern: TypeAlias = tuple[int, ...]
KEPT_NUMBERS = 4_000_000
"""So many integers are kept for patterns that are asked about again."""


@dataclass(frozen=True, eq=False)
class CellForms:
    """The affine functions of one pattern, each a row of d slopes and a constant over a denominator.

    Row e of ``gaps`` is the chosen entry of e's segment minus entry e: the cell is where all of them are ≥ 0. Row k of
    ``outputs`` is output k. ``canonical`` is the pattern with, in each segment, the first of the entries that are the
    same function as the chosen one: it has the same functions and the same cell.
    """

    pattern: Pattern
    canonical: Pattern
    gaps: list[list[Any]]
    outputs: list[list[Any]]
    tables: dict[tuple[int, ...], tuple[list[int], FloatArray]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Maximum:
    """A maximum node: its source, the offsets of its segments, and where its segments and entries are counted from."""

    source: int
    segments: list[int]
    segment: int
    entry: int


@dataclass(frozen=True, eq=False)
class _Sum:
    """An affine node over integers: sources, matrices times factors, and a bias over the node's denominator."""

    sources: tuple[int, ...]
    matrices: tuple[Any, ...]
    factors: tuple[int, ...]
    bias: list[int]


class PatternForms:
    """A circuit of affine maps and maxima, for many patterns. Raises `Unsupported` for other circuits.

    ``owner`` (E,) is the segment of each entry, ``first`` (S,) the first entry of each segment, ``denominators`` (E,)
    those of the rows of gaps, ``output_denominator`` that of the outputs.
    """

    def __init__(self, circuit: Circuit) -> None:
        self.circuit = Subject(circuit).circuit
        self.inputs, self.classes = self.circuit.input_size, self.circuit.output_size
        nodes, needed = self.circuit.nodes, {self.circuit.output}
        for place in range(self.circuit.output, -1, -1):
            if place in needed:
                needed.update(nodes[place].sources)
        self._steps: dict[int, _Maximum | _Sum] = {}
        self._denominators = {0: 1}
        self.owner: list[int] = []
        self.first: list[int] = []
        self.denominators: list[int] = []
        for place in sorted(needed - {0}):
            self._steps[place] = self._step(place)
        self.output_denominator = self._denominators[self.circuit.output]
        self._known: dict[Pattern, CellForms] = {}
        self._free, self._constant = self._without_maxima()

    def _step(self, place: int) -> _Maximum | _Sum:
        node, name = self.circuit.nodes[place], self.circuit.names[place]
        if isinstance(node, Affine):
            return self._sum(place, node)
        if not isinstance(node, LogSumExp) or (node.eps > 0 and (node.widths > 1).any()):
            kind = "a smooth maximum" if isinstance(node, LogSumExp) else f"a {type(node).__name__}"
            raise Unsupported(f"node {name!r} is {kind}: cells are those of affine maps and maxima alone")
        found = _Maximum(node.source, node.segments.tolist(), len(self.first), len(self.owner))
        self.owner += (np.repeat(np.arange(node.size), node.widths) + len(self.first)).tolist()
        self.first += (node.segments[:-1] + found.entry).tolist()
        self._denominators[place] = self._denominators[node.source]
        self.denominators += [self._denominators[node.source]] * int(node.segments[-1])
        return found

    def _sum(self, place: int, node: Affine) -> _Sum:
        bias, matrices = Rationals.of(node.bias), [exact_matrix(term.matrix) for term in node.terms]
        totals = [m.denominator * self._denominators[t.source] for m, t in zip(matrices, node.terms, strict=True)]
        whole = math.lcm(bias.denominator, *totals)
        self._denominators[place] = whole
        return _Sum(
            node.sources,
            tuple(m.to_flint() for m in matrices),
            tuple(whole // total for total in totals),
            [int(n) * (whole // bias.denominator) for n in bias.numerators],
        )

    def _without_maxima(self) -> tuple[set[int], dict[int, Any]]:
        """The nodes that no maximum comes before, and their tables."""
        free, tables = {0}, {0: flint.fmpz_mat(np.eye(self.inputs, self.inputs + 1, dtype=int).tolist())}
        for place, step in self._steps.items():
            if isinstance(step, _Sum) and free.issuperset(step.sources):
                free.add(place)
                tables[place] = self._added(step, tables)
        return free, tables

    def _added(self, step: _Sum, tables: dict[int, Any]) -> Any:
        d = self.inputs
        table = flint.fmpz_mat([[0] * d + [b] for b in step.bias])
        for source, matrix, factor in zip(step.sources, step.matrices, step.factors, strict=True):
            table += matrix * tables[source] * factor
        return table

    def first_pattern(self, point: Rationals) -> Pattern:
        """A pattern whose cell contains a point (d,)."""
        values, pattern = self.circuit.exact_values(point[None, :]), []
        for step in self._steps.values():
            if isinstance(step, _Maximum):
                entries = values[step.source].numerators[0].tolist()
                for start, stop in pairwise(step.segments):
                    part = entries[start:stop]
                    pattern.append(part.index(max(part)))
        return self.of(tuple(pattern)).canonical

    def fits(self, pattern: Pattern) -> bool:
        """Whether it chooses one entry of each segment."""
        starts = [*self.first, len(self.owner)]
        widths = (stop - start for start, stop in pairwise(starts))
        return len(pattern) == len(self.first) and all(
            0 <= choice < width for choice, width in zip(pattern, widths, strict=True)
        )

    def flipped(self, pattern: Pattern, entry: int) -> Pattern:
        """The pattern with another entry chosen in its segment."""
        s = self.owner[entry]
        return (*pattern[:s], entry - self.first[s], *pattern[s + 1 :])

    def of(self, pattern: Pattern) -> CellForms:
        """The functions of a pattern."""
        if pattern not in self._known:
            if len(self._known) * (len(self.owner) + self.classes) * (self.inputs + 1) > KEPT_NUMBERS:
                self._known.clear()
            self._known[pattern] = self._compute(pattern)
        return self._known[pattern]

    def _compute(self, pattern: Pattern) -> CellForms:
        tables, canonical, gaps = dict(self._constant), list(pattern), []
        zero = [flint.fmpz(0)] * (self.inputs + 1)
        for place, step in self._steps.items():
            if place in self._free:
                continue
            if isinstance(step, _Sum):
                tables[place] = self._added(step, tables)
                continue
            rows, chosen = tables[step.source].tolist(), []
            for k, (start, stop) in enumerate(pairwise(step.segments)):
                best = start + pattern[step.segment + k]
                winner = rows[best]
                part = [zero if i == best else list(map(sub, winner, rows[i])) for i in range(start, stop)]
                canonical[step.segment + k] = next(i for i, row in enumerate(part) if row is zero or not any(row))
                chosen.append(winner)
                gaps += part
            tables[place] = flint.fmpz_mat(chosen)
        return CellForms(pattern, tuple(canonical), gaps, tables[self.circuit.output].tolist())

    def margins(self, cell: CellForms, label: int) -> list[tuple[int, list[Any]]]:
        """The rivals k with the rows F_c − F_k."""
        own = cell.outputs[label]
        return [(k, list(map(sub, own, row))) for k, row in enumerate(cell.outputs) if k != label]

    def table(self, cell: CellForms, label: int, column: Sequence[int]) -> tuple[list[int], FloatArray]:
        """The rivals, and the gaps and below them the margins F_c − F_k as floats (see `floats_at`), kept for one x."""
        key = (label, *column)
        if key not in cell.tables:
            margins = self.margins(cell, label)
            rows = [*cell.gaps, *(row for _, row in margins)]
            units = [*self.denominators, *[self.output_denominator] * len(margins)]
            cell.tables.clear()
            cell.tables[key] = [k for k, _ in margins], floats_at(rows, units, column)
        return cell.tables[key]


_known: WeakKeyDictionary[Circuit, PatternForms] = WeakKeyDictionary()


def forms_of(circuit: Circuit) -> PatternForms:
    """The forms of a circuit, kept as long as it lives."""
    if circuit not in _known:
        _known[circuit] = PatternForms(circuit)
    return _known[circuit]


def floats_at(rows: Sequence[list[Any]], denominators: Sequence[int], column: Sequence[int]) -> FloatArray:
    """Rows (n, d+1) with the constant replaced by the value at x, relative errors at most 2⁻⁵².

    ``column`` (d+1) is x over its denominator, which comes last. Raises `InvalidInput` where numbers exceed float64.
    """
    table = np.zeros((len(rows), len(column)))
    try:
        for i, (row, unit) in enumerate(zip(rows, denominators, strict=True)):
            if any(row):
                table[i, :-1] = _quotients(row[:-1], unit)
                table[i, -1] = int(sum(map(mul, row, column))) / (unit * column[-1])
    except OverflowError:
        raise InvalidInput("an affine function exceeds the range of float64: rescale the model") from None
    return table


def _quotients(row: Sequence[Any], unit: int) -> FloatArray:
    """Integers over one denominator, both of which exceed the range of floats in deep circuits."""
    try:
        return np.array(list(map(float, row))) / float(unit)
    except OverflowError:
        return np.array([int(n) / unit for n in row])

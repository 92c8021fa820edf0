"""The exact distance from a point to the decision boundary of a piecewise-linear circuit, cell by cell.

Cells of activation patterns are visited in the order of their distance from the point (GeoCert: Jordan, Lewis and
Dimakis, *Provable certificates for adversarial examples*, 2019). Within a cell the circuit is affine, so that the
distances to its facets and to its part of the boundary are convex programs. What remains open is a queue of lower
bounds; a program is solved only once its bound, at first that of one halfspace, is the least of all.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tropix.arrays import FloatArray
from tropix.boxes import Box
from tropix.certify._cells_forms import CellForms, Pattern, PatternForms, forms_of
from tropix.certify._cells_programs import Distance, Polyhedron, dual_lengths
from tropix.certify._check_cells import check_cells
from tropix.certify._check_fields import Fault
from tropix.certify._heads import CAP
from tropix.certify._norms import Norm
from tropix.circuits import Circuit
from tropix.deadline import Deadline
from tropix.errors import InvalidInput
from tropix.exact import Rationals

MARGINS = (1e-9, 1e-8, 1e-7, 1e-6, 1e-4, 1e-2, 0.5, 0.99, 0.9999, 0.99999999)
"""By which shares of the distance the radius stays below it, until the check agrees."""
RAY = (0.0, 1e-15, 1e-14, 1e-13, 1e-12, 1e-11, 1e-10)
BEHIND = (1e-12, 1e-10, 1e-8)
"""How much farther along the ray, and behind the boundary, points are tried, as shares."""
SEARCHING = 0.7
"""The share of the time for the search; the rest is for the check of its evidence."""
TIGHT = 1e-12
"""Bounds that a program raises by a smaller share are its answer."""


@dataclass(frozen=True, eq=False)
class CellsAnswer:
    """A radius that `check_cells` proves with the evidence, and the nearest point found with another label.

    ``upper`` is its distance, rounded upwards, ∞ without one. ``complete`` says that the search reached the boundary,
    or ran out of cells: then the radius is the exact one but for its rounding. A radius of `CAP` says that there is no
    boundary up to there.
    """

    radius: float
    witness: FloatArray | None
    upper: float
    evidence: dict[str, Any]
    complete: bool
    cells: int


def nearest_boundary(
    circuit: Circuit,
    point: FloatArray,
    label: int,
    norm: Norm,
    box: Box | None,
    *,
    asked: float | None = None,
    deadline: Deadline,
    gap: float = 0.0,
    most_cells: int = 10_000,
) -> CellsAnswer:
    """The distance from a point (d,), in the box, to the nearest one at which another output reaches the label's.

    The circuit consists of affine maps and maxima; a single output f decides between the classes 0 (f < 0) and 1. The
    search stops early where the radius ``asked`` is decided, the relative ``gap`` is closed, time or cells run out: the
    radius is then what the cells visited so far prove. Raises `Unsupported` for other circuits.

    >>> from tropix.circuits import CircuitBuilder
    >>> b = CircuitBuilder(2)
    >>> net = b.build(b.affine([(b.relu(0), [[1.0, 1.0]])], [-1.0]))
    >>> nearest_boundary(net, np.zeros(2), 0, Norm(2.0), None, deadline=Deadline(None)).radius
    0.7071067804...
    """
    forms = forms_of(circuit)
    search = _Search(forms, point, label, norm, box)
    column = Rationals.of(point)[None, :]
    if search.changed(column):
        return CellsAnswer(0.0, np.array(point), 0.0, {"cells": []}, True, 0)
    reached, complete = search.run(asked, deadline, gap, most_cells)
    witness, upper = search.witness()
    radius, evidence = search.proved(circuit, min(reached, CAP, upper), box)
    near = radius >= min(upper, reached, CAP) * (1 - 1e-6)
    return CellsAnswer(radius, witness, upper, evidence, complete and near, len(search.visited))


def _late(deadline: Deadline) -> bool:
    """Whether what is left of the time is needed for the check."""
    return deadline.seconds is not None and deadline.elapsed > SEARCHING * deadline.seconds


@dataclass(frozen=True, eq=False)
class _Cell:
    """A cell in floats, in the units of the norm: gaps (E, d+1) and margins (K−1, d+1), the last column taken at x.

    ``proofs`` are the multipliers found so far, by entry, or −1 − k for rival k.
    """

    forms: CellForms
    gaps: FloatArray
    margins: FloatArray
    rivals: list[int]
    polyhedron: Polyhedron
    proofs: dict[int, FloatArray] = field(default_factory=dict)

    def row(self, item: int) -> FloatArray:
        """What must become ≤ 0: the gap of an entry, or the margin to rival k for item −1 − k."""
        return np.asarray(self.gaps[item] if item >= 0 else self.margins[self.rivals.index(-1 - item)])


class _Search:
    """The queue of (bound, number, cell, item, whether its program was solved), and the cells visited."""

    def __init__(self, forms: PatternForms, point: FloatArray, label: int, norm: Norm, box: Box | None) -> None:
        self.forms, self.point, self.label, self.norm = forms, np.asarray(point, dtype=np.float64), label, norm
        if self.point.shape != (forms.inputs,) or not 0 <= label < forms.classes:
            raise InvalidInput(f"point {self.point.shape}, label {label}: the model has {forms.inputs} inputs")
        self.scales = norm.scales(forms.inputs)
        self.ends = np.array([np.full(forms.inputs, -np.inf), np.full(forms.inputs, np.inf)])
        if box is not None:
            self.ends = np.array([box.lower, box.upper])
        self.room = (self.ends - self.point) / self.scales
        exact = Rationals.of(self.point)
        self._column = [*map(int, exact.numerators), exact.denominator]
        self.visited: dict[Pattern, _Cell] = {}
        self.queue: list[tuple[float, int, _Cell, int, bool]] = []
        self._count = 0
        self._nearest: tuple[float, FloatArray] | None = None
        self._first = forms.first_pattern(exact)

    def changed(self, column: Rationals) -> bool:
        """Whether another output is at least the label's at a point (1, d), in rational arithmetic."""
        values = self.forms.circuit.exact(column).numerators[0].tolist()
        return bool(max(v for k, v in enumerate(values) if k != self.label) >= values[self.label])

    # -- the search -----------------------------------------------------------------------------------------------

    def run(self, asked: float | None, deadline: Deadline, gap: float, most_cells: int) -> tuple[float, bool]:
        """The bound that was reached, and whether it is the distance itself."""
        self._visit(self._first)
        reached = 0.0  # the distance of the last cell; unsolved bounds below it are only not yet known
        while self.queue:
            bound, _, cell, item, solved = self.queue[0]
            if item >= 0 and self.forms.flipped(cell.forms.canonical, item) in self.visited:
                heapq.heappop(self.queue)
                continue
            if bound >= CAP or (item < 0 and solved):
                return bound, True
            if solved or bound >= reached:
                upper = np.inf if self._nearest is None else self._nearest[0]
                decided = asked is not None and (bound * (1 - MARGINS[0]) >= asked or upper <= asked)
                if decided or bound >= upper * (1 - gap) or _late(deadline):
                    return bound, bound >= upper * (1 - max(gap, MARGINS[0]))
                if solved and len(self.visited) >= most_cells:
                    return bound, False
            heapq.heappop(self.queue)
            if solved:
                reached = max(reached, bound)
                self._visit(self.forms.of(self.forms.flipped(cell.forms.canonical, item)).canonical)
            else:
                self._push(self._solved(cell, item, bound), cell, item, True)
        return np.inf, True

    def _push(self, bound: float, cell: _Cell, item: int, solved: bool) -> None:
        self._count += 1
        heapq.heappush(self.queue, (bound, self._count, cell, item, solved))

    def _visit(self, pattern: Pattern) -> None:
        if pattern in self.visited:
            return
        cell = self._cell(pattern)
        self.visited[pattern] = cell
        for table, items in (
            (cell.gaps, np.arange(len(cell.gaps))),
            (cell.margins, -1 - np.array(cell.rivals, dtype=np.int64)),
        ):
            lengths = dual_lengths(table[:, :-1], self.norm.p)
            with np.errstate(divide="ignore", invalid="ignore"):
                bounds = np.where(table[:, -1] > 0, table[:, -1] / lengths, 0.0)
            same = (lengths == 0) & (table[:, -1] == 0) & (items >= 0)
            for i in np.flatnonzero(~same & (bounds < CAP)).tolist():
                self._push(float(bounds[i]), cell, int(items[i]), False)

    def _cell(self, pattern: Pattern) -> _Cell:
        found = self.forms.of(pattern)
        rivals, table = self.forms.table(found, self.label, self._column)
        table = table * np.append(self.scales, 1.0)
        gaps = table[: len(found.gaps)]
        return _Cell(found, gaps, table[len(gaps) :], rivals, Polyhedron.of(gaps, self.norm.p, self.room))

    def _solved(self, cell: _Cell, item: int, known: float) -> float:
        """The distance to the part of the cell where the item's row is ≤ 0, with its multipliers kept."""
        row = cell.row(item)
        found = cell.polyhedron.distance(-row)
        if item < 0 and (self._nearest is None or found.bound < self._nearest[0]):
            self._propose(cell, row, found)
        if found.bound <= known * (1 + TIGHT):
            return known
        cell.proofs[item] = found.multipliers
        return found.bound

    # -- counterexamples ------------------------------------------------------------------------------------------

    def _propose(self, cell: _Cell, row: FloatArray, found: Distance) -> None:
        """Try the point at which a cell's part of the boundary is nearest, and points just behind it."""
        if found.shift is None:
            return
        if any(self._try(found.shift * (1 + step)) for step in RAY):
            return
        size = np.abs(row[-1]) + np.abs(row[:-1]) @ np.abs(found.shift)
        for share in BEHIND:
            shift = cell.polyhedron.distance(-np.append(row[:-1], row[-1] + share * size)).shift
            if shift is None or self._try(shift):
                return

    def _try(self, shift: FloatArray) -> bool:
        """Whether the label is another one at a point; if so, keep it if it is nearer than others."""
        point = self._moved(shift)
        if not self.changed(Rationals.of(point)[None, :]):
            return False
        distance = self.norm.distance(point - self.point)
        if self._nearest is None or distance < self._nearest[0]:
            self._nearest = (distance, point)
        return True

    def _moved(self, shift: FloatArray) -> FloatArray:
        return np.asarray(np.clip(self.point + shift * self.scales, *self.ends))

    def witness(self) -> tuple[FloatArray | None, float]:
        """The nearest point with another label that was found, and its distance."""
        return (None, np.inf) if self._nearest is None else (self._nearest[1], self._nearest[0])

    # -- evidence -------------------------------------------------------------------------------------------------

    def proved(self, circuit: Circuit, reached: float, box: Box | None) -> tuple[float, dict[str, Any]]:
        """The largest radius, a little below what was reached, that the check proves."""
        if reached > 0:
            evidence = self._evidence()
            for margin in MARGINS:
                radius = float(reached * (1 - margin)) if reached < CAP or margin > MARGINS[0] else CAP
                try:
                    check_cells(circuit, self.point.tolist(), self.label, radius, self.norm, box, evidence)
                    return radius, evidence
                except Fault:
                    continue
        return 0.0, {"cells": []}

    def _evidence(self) -> dict[str, Any]:
        return {"cells": [self._written(pattern, cell) for pattern, cell in self.visited.items()]}

    def _written(self, pattern: Pattern, cell: _Cell) -> dict[str, Any]:
        rivals, flips = [], []
        for item, weights in sorted(cell.proofs.items()):
            others = np.flatnonzero(weights[1:])
            proof = [float(weights[0]), [[int(e), float(weights[1 + e])] for e in others]]
            if item < 0:
                rivals.append([-1 - item, *proof])
            elif self.forms.flipped(pattern, item) not in self.visited:
                flips.append([item, *proof])
        return {"pattern": list(pattern), "rivals": rivals, "flips": flips}

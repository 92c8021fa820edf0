"""Exact pruning: the irredundant monomials of a max-affine function, with the evidence for each verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, overload

import numpy as np

from tropix.arrays import FloatArray, IntArray
from tropix.boxes import Box
from tropix.exact import Rationals
from tropix.kernels import max_affine
from tropix.polynomials._cells import Cells, Progress
from tropix.polynomials._dominance import DominanceTest, Domination, box_ends
from tropix.polynomials._reduction import Reduction, wall_rows

if TYPE_CHECKING:
    from tropix.polynomials._tropical import TropicalPolynomial

LARGE = 500
"""From this many monomials on, a sample of those that are needed is found first; the rest is held against it."""


@dataclass(frozen=True)
class Pruning:
    """The irredundant form of a tropical polynomial on a domain, and why.

    ``kept`` are indices into ``original`` (in its order), ``witnesses[i]`` is a rational point of the domain where
    monomial ``kept[i]`` is strictly larger than every other one (copies of itself apart), and ``dropped`` has for each
    of the rest a convex combination of other monomials that dominates it on the domain. That is enough to leave all of
    them out at once: inside the region of a needed monomial no combination of other functions reaches it. Copies
    (equal functions on the domain) are dominated by a monomial that is no dropped copy.
    """

    original: TropicalPolynomial
    box: Box | None
    kept: IntArray
    witnesses: Rationals
    dropped: Sequence[Domination]

    @property
    def polynomial(self) -> TropicalPolynomial:
        """The pruned polynomial; it equals the original as a function on the domain."""
        return self.original.take(self.kept)

    def verify(self) -> bool:
        """Recheck all evidence in rational arithmetic, without any solver."""
        rows = self.original.exact
        dropped = list(self.dropped)
        if sorted([*self.kept.tolist(), *(d.index for d in dropped)]) != list(range(len(rows))):
            return False
        if self.witnesses.shape != (len(self.kept), self.original.dimension):
            return False
        if not all(dominates(rows, domination, self.box) for domination in dropped):
            return False
        twins = {d.index for d in dropped if _is_twin(rows, d, self.box)}
        for domination in dropped:
            if domination.index in twins and domination.support[0] in twins:
                return False
            if domination.index not in twins and not self._has_others(rows, domination):
                return False
        if not self._witnesses_in_domain():
            return False
        others = np.array([j for j in range(len(rows)) if j not in twins], dtype=np.int64)
        return all(DominanceTest(rows, self.box).strict_at(self.witnesses, self.kept, others))

    def _has_others(self, rows: Rationals, domination: Domination) -> bool:
        """Whether the combination holds a function that differs from the dropped one on the domain."""
        pairs = zip(domination.support, domination.weights, strict=True)
        return any(
            weight > 0 and not _is_twin(rows, Domination(domination.index, (j,), (Fraction(1),)), self.box)
            for j, weight in pairs
        )

    def _witnesses_in_domain(self) -> bool:
        points = self.witnesses.fractions()
        ends = box_ends(self.box, self.original.dimension)
        walls = wall_rows(self.box)
        if walls is not None and len(points):
            beyond = self.witnesses @ walls[:, :-1].transpose + walls[:, -1]
            if (beyond.numerators > 0).any():
                return False
        return all(sign * (end - value) >= 0 for i, sign, end in ends for value in points[:, i])


def _is_twin(rows: Rationals, domination: Domination, box: Box | None) -> bool:
    """Whether the dropped monomial is the same function on the domain as the one that dominates it."""
    if len(domination.support) != 1 or domination.walls:
        return False
    swapped = Domination(domination.support[0], (domination.index,), (Fraction(1),))
    return dominates(rows, domination, box) and dominates(rows, swapped, box)


def dominates(rows: Rationals, domination: Domination, box: Box | None) -> bool:
    """Whether (row k·Σ weights − Σ weights·rows − Σ wall_weights·walls)(x) is ≤ 0 on the whole box, in Fractions."""
    weights, wall_weights = domination.weights, domination.wall_weights
    if len(domination.support) != len(weights) or len(domination.walls) != len(wall_weights):
        return False
    if not all(isinstance(weight, int | Fraction) for weight in [*weights, *wall_weights]):  # floats would round
        return False
    if min([*weights, *wall_weights], default=Fraction(-1)) < 0 or sum(weights) + sum(wall_weights) != 1:
        return False
    walls = wall_rows(box)
    if not all(0 <= j < len(rows) for j in domination.support) or not sum(weights):
        return False
    if not all(walls is not None and 0 <= h < len(walls) for h in domination.walls):
        return False
    support = rows[list(domination.support)].fractions()
    difference = rows[domination.index].fractions() * sum(weights) - np.array(weights, dtype=object) @ support
    if walls is not None and domination.walls:
        difference = difference - np.array(wall_weights, dtype=object) @ walls[list(domination.walls)].fractions()
    supremum = Fraction(difference[-1])
    ends = {(i, sign): end for i, sign, end in box_ends(box, len(difference) - 1)}
    for i, slope in enumerate(difference[:-1]):
        if slope != 0:
            end = ends.get((i, 1 if slope > 0 else -1))
            if end is None:
                return False
            supremum += slope * end
    return supremum <= 0


def prune(polynomial: TropicalPolynomial, box: Box | None, progress: Progress | None = None) -> Pruning:
    """Find the irredundant monomials on ℝ^d (``box`` None) or on a box; see :class:`Pruning`.

    Of equal monomials, and of monomials that are equal functions on the box, the first stays. A monomial that
    reaches the maximum only together with others (a tie everywhere it is active) is redundant and goes.
    """
    reduction = Reduction.of([polynomial.exact], box)
    rows, index = reduction.functions[0], np.array(reduction.index[0], dtype=np.int64)
    if len(rows) == 0 or (len(rows) == 1 and reduction.walls is None):
        points = DominanceTest(rows, reduction.box).base_point()
        witnesses = Rationals.of(np.array([points] * len(rows), dtype=object).reshape(len(rows), rows.shape[1] - 1))
        return Pruning(polynomial, box, index, reduction.lift(witnesses), tuple(reduction.duplicates[0]))
    cells = Cells([rows], reduction.box, reduction.walls)
    chosen = np.arange(len(rows))
    gone, bases = np.zeros(0, dtype=np.int64), np.zeros((0, cells.dimension + 1), dtype=np.int64)
    if len(rows) >= LARGE:
        chosen, gone, bases = _outsiders(cells, progress)
    verdicts = cells.decide(chosen[:, None], chosen, progress=progress)
    lost = np.flatnonzero(~verdicts.interior)
    settled = {len(gone) + i: verdicts.settled[q] for i, q in enumerate(lost.tolist()) if q in verdicts.settled}
    evidence = _Evidence(
        reduction.duplicates[0],
        cells,
        index,
        np.concatenate([gone, chosen[lost]]),
        np.concatenate([bases, verdicts.bases[lost]]),
        settled,
    )
    kept = index[chosen[verdicts.interior]]
    return Pruning(polynomial, box, kept, reduction.lift(verdicts.points), evidence)


def _outsiders(cells: Cells, progress: Progress | None) -> tuple[IntArray, IntArray, IntArray]:
    """Rows that may be needed, rows that these dominate, and the bases that show it (Clarkson, FOCS 1994).

    A row that the sample does not dominate has a point where it is above the sample; the largest row there joins.
    """
    weights, constants = (np.ascontiguousarray(part) for part in np.split(cells.table[: cells.own], [-1], axis=1))
    constants = constants[:, 0]

    def largest(points: FloatArray) -> IntArray:
        return max_affine(np.ascontiguousarray(points), weights, constants)[1]

    sample = np.unique(largest(cells.sample(2000)))
    open_rows = np.setdiff1d(np.arange(cells.own), sample)
    gone, bases = [open_rows[:0]], [np.zeros((0, cells.dimension + 1), dtype=np.int64)]
    while len(open_rows):
        above = []
        for start in range(0, len(open_rows), cells.block):
            part = open_rows[start : start + cells.block]
            proposals = cells.propose(part[:, None], sample)
            empty = cells.empty(part[:, None], proposals.bases, proposals.gaps)
            gone.append(part[empty])
            bases.append(proposals.bases[empty])
            winners = largest(proposals.points[~empty] / cells.slopes)
            # where the winner was known already, floating point cannot tell: the row itself is looked at exactly
            above.append(np.where(np.isin(winners, sample), part[~empty], winners))
            if progress is not None:
                progress(cells.own - len(open_rows) + start, cells.own)
        sample = np.union1d(sample, np.concatenate(above))
        open_rows = np.setdiff1d(open_rows, np.concatenate([sample, *gone]))
    dominated = np.concatenate(gone)
    # a dominated row may tie with others where it joined the sample
    return np.setdiff1d(sample, dominated), dominated, np.concatenate(bases)


@dataclass(frozen=True, eq=False)
class _Evidence(Sequence[Domination]):
    """Duplicates, then dominations that are computed when they are looked at: rows of the cells and their bases."""

    duplicates: list[Domination]
    cells: Cells
    names: IntArray
    rows: IntArray
    bases: IntArray
    settled: dict[int, Domination]

    def __len__(self) -> int:
        return len(self.duplicates) + len(self.rows)

    @overload
    def __getitem__(self, key: int) -> Domination: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[Domination, ...]: ...
    def __getitem__(self, key: int | slice) -> Domination | tuple[Domination, ...]:
        if isinstance(key, slice):
            return tuple(self[i] for i in range(*key.indices(len(self))))
        position = range(len(self))[key] - len(self.duplicates)
        if position < 0:
            return self.duplicates[position]
        found = self.settled.get(position)
        if found is None:
            found = self.cells.multipliers(self.rows[position : position + 1], self.bases[position])
            assert found is not None
        support = tuple(int(self.names[j]) for j in found.support)
        index = int(self.names[self.rows[position]])
        return Domination(index, support, found.weights, found.walls, found.wall_weights)

"""The irredundant monomials of a tropical product, found from its factors: pairs of cells that overlap."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tropix.arrays import IntArray
from tropix.boxes import Box
from tropix.errors import InvalidInput
from tropix.exact import Rationals
from tropix.polynomials._cells import Cells, Progress, Verdicts
from tropix.polynomials._dominance import Domination
from tropix.polynomials._pruning import dominates
from tropix.polynomials._reduction import Reduction
from tropix.polynomials._tropical import TropicalPolynomial


@dataclass(frozen=True, eq=False)
class ProductPruning:
    """The irredundant form of f ⊗ g on a domain, and why.

    Monomial k is f's ``pairs[k, 0]`` times g's ``pairs[k, 1]``; at the point ``witnesses[k]`` of the domain both are
    strictly the largest of their polynomials. Of every other pair the cells have no interior in common.
    """

    factors: tuple[TropicalPolynomial, TropicalPolynomial]
    box: Box | None
    pairs: IntArray
    witnesses: Rationals
    _reduction: Reduction
    _names: tuple[IntArray, IntArray]
    _cells: Cells
    _choices: IntArray
    _verdicts: Verdicts

    @property
    def polynomial(self) -> TropicalPolynomial:
        """The pruned product; it equals f ⊗ g as a function on the domain."""
        first, second = (factor.exact[self.pairs[:, i]] for i, factor in enumerate(self.factors))
        return TropicalPolynomial.from_rationals(first + second)

    def verify(self) -> bool:
        """Recheck each pair in rational arithmetic, without any solver: a strict witness, or multipliers against it.

        Pairs of the factors' irredundant monomials: those are what their own `Pruning` shows, or were taken as given.
        """
        verdicts, cells = self._verdicts, self._cells
        i, j = self._choices[verdicts.interior].T
        pairs = np.column_stack([self._names[0][i], self._names[1][j - len(self._names[0])]])
        if not np.array_equal(self.pairs, pairs):
            return False
        if not self.witnesses.equals(self._reduction.lift(verdicts.points)):
            return False
        if not self._in_box(verdicts.points):
            return False
        position = np.cumsum(verdicts.interior) - 1
        for q, choice in enumerate(cells.complete(self._choices)):
            if verdicts.interior[q]:
                if not cells.holds_strictly(choice, verdicts.points[position[q] : position[q] + 1]):
                    return False
            else:
                found = verdicts.settled.get(q) or cells.multipliers(choice, verdicts.bases[q])
                if found is None or not self._is_empty(choice, found):
                    return False
        return True

    def _in_box(self, points: Rationals) -> bool:
        ends, values = self._cells.exact_ends, points.fractions()
        return all(sign * (end - value) >= 0 for i, sign, end in ends for value in values[:, i])

    def _is_empty(self, choice: IntArray, found: Domination) -> bool:
        """Whether the multipliers make Σ λ (row − chosen row of its polynomial) nonnegative on the domain."""
        cells = self._cells
        rows = np.array([*found.support, *(cells.own + 1 + h for h in found.walls)], dtype=np.int64)
        chosen = choice[np.searchsorted(cells.offsets, rows, side="right") - 1]
        zero = Rationals(np.zeros((1, cells.dimension + 1), dtype=object), 1)
        table = Rationals.concatenate([zero, cells.rows[rows] - cells.rows[chosen]])
        weights = (*found.weights, *found.wall_weights)
        plain = replace(found, index=0, support=tuple(range(1, len(table))), weights=weights, walls=(), wall_weights=())
        return bool(found.support) and dominates(table, plain, cells.box)


def prune_product(
    f: TropicalPolynomial,
    g: TropicalPolynomial,
    box: Box | None,
    progress: Progress | None = None,
    *,
    irredundant: bool = False,
) -> ProductPruning:
    """Find the irredundant monomials of f ⊗ g on ℝ^d (``box`` None) or on a box, without forming the product.

    A pair of monomials is needed exactly if the cells in which they are the largest overlap in an open set: the cells
    of f ⊗ g are those of the common refinement (dually, the mixed subdivision of the Minkowski sum). Factors known to
    be ``irredundant`` are not pruned first.
    """
    if f.dimension != g.dimension:
        raise InvalidInput(f"polynomials in {f.dimension} and {g.dimension} variables do not combine")
    kept = [np.arange(len(p)) if irredundant else p.pruning(box).kept for p in (f, g)]
    reduction = Reduction.of([f.exact[kept[0]], g.exact[kept[1]]], box)
    cells = Cells(reduction.functions, reduction.box, reduction.walls)
    names = [part[index] for part, index in zip(kept, reduction.index, strict=True)]
    sizes = [len(part) for part in names]
    i, j = np.divmod(np.arange(sizes[0] * sizes[1]), max(1, sizes[1]))
    choices = np.column_stack([i, sizes[0] + j])
    verdicts = cells.decide(choices, progress=progress)
    inside = verdicts.interior
    pairs = np.column_stack([names[0][i[inside]], names[1][j[inside]]])
    return ProductPruning(
        (f, g), box, pairs, reduction.lift(verdicts.points), reduction, (names[0], names[1]), cells, choices, verdicts
    )

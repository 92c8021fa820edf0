"""The max–min normal form of piecewise-linear functions, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

import flint
import numpy as np
import numpy.typing as npt

from tropix.arrays import BoolArray, FloatArray, IntArray
from tropix.boxes import Box, BoxLike
from tropix.errors import InvalidInput, Unsupported
from tropix.exact import Rationals, maximize
from tropix.polynomials._dominance import box_ends
from tropix.polynomials._equivalence import Function
from tropix.polynomials._print import row_texts
from tropix.polynomials._product import prune_product
from tropix.polynomials._rational import TropicalRational
from tropix.polynomials._reduction import wall_rows
from tropix.polynomials._tropical import TropicalPolynomial

MAX_PRODUCT = 20_000
MAX_QUESTIONS = 40_000
"""Largest numbers of candidate cells, and of pairs of a cell and a piece, that are looked at."""
MAX_EXPANSION = 20_000
"""Largest number of monomials that the way back to a rational function may form at once."""


@dataclass(frozen=True, eq=False)
class LatticeForm:
    """f(x) = max_i min_{j ∈ S_i} ℓ_j(x), with the distinct affine pieces ℓ_j of f and sets S_i of their indices.

    ``pieces`` (m, d+1) holds rows (slope, constant), ``sets`` the S_i; on ``box`` (ℝ^d if None) the form equals f.
    Each piece is a value of f on some open set.
    """

    pieces: Rationals
    sets: tuple[tuple[int, ...], ...]
    box: Box | None = None

    def __post_init__(self) -> None:
        if not self.sets or not all(self.sets) or not all(0 <= j < len(self.pieces) for s in self.sets for j in s):
            raise InvalidInput(f"sets must be nonempty and hold indices of {len(self.pieces)} pieces")

    @property
    def dimension(self) -> int:
        """Number of variables d."""
        return self.pieces.shape[1] - 1

    def __repr__(self) -> str:
        return f"<LatticeForm: {len(self.sets)} minima of {len(self.pieces)} pieces in {self.dimension} variables>"

    def __str__(self) -> str:
        """Text such as ``max(min(x0, 1), -x0)`` that `TropicalRational.parse` reads."""
        pieces = row_texts(self.pieces)
        terms = [f"min({', '.join(pieces[j] for j in s)})" if len(s) > 1 else pieces[s[0]] for s in self.sets]
        return f"max({', '.join(terms)})" if len(terms) > 1 else terms[0]

    @overload
    def __call__(self, points: npt.ArrayLike) -> FloatArray: ...
    @overload
    def __call__(self, points: Rationals) -> Rationals: ...
    def __call__(self, points: npt.ArrayLike | Rationals) -> FloatArray | Rationals:
        """Values at points (n, d) → (n,), or at one point; for `Rationals` exact."""
        lowest = [-self._least(s)(points) for s in self.sets]
        if isinstance(points, Rationals):
            columns = Rationals.concatenate([values[:, None] for values in lowest if isinstance(values, Rationals)], 1)
            return Rationals(columns.numerators.max(axis=1), columns.denominator)
        return np.asarray(np.max([np.asarray(values) for values in lowest], axis=0))

    def _least(self, indices: Sequence[int]) -> TropicalPolynomial:
        """−min over the set, a maximum."""
        return TropicalPolynomial.from_rationals(-self.pieces[list(indices)])

    def to_rational(self) -> TropicalRational:
        """The form as p ⊘ q on its box, both sides pruned there.

        min_{j∈S} ℓ_j is 0 ⊘ max_{j∈S}(−ℓ_j), and a maximum of quotients goes over the product of the denominators:
        raises `Unsupported` where that grows beyond 20000 monomials.
        """
        zero = TropicalPolynomial.constant(0, self.dimension)
        total: TropicalRational | None = None
        for indices in sorted(self.sets, key=len):
            term = TropicalRational(zero, self._least(indices))
            if total is not None:
                size = total.size[0] * len(indices) + total.size[1]
                if max(size, total.size[1] * len(indices)) > MAX_EXPANSION:
                    raise Unsupported(
                        f"the denominators multiply out to more than {MAX_EXPANSION} monomials: use a box"
                    )
                total = total + term
            total = (total or term).simplify(self.box)
        assert total is not None
        return total


def lattice_form(function: Function, box: BoxLike | None = None) -> LatticeForm:
    """The max–min form of a piecewise-linear function, on ℝ^d or on a box; exact.

    For each cell R_i with piece ℓ_i let S_i = {j : ℓ_j ≥ ℓ_i on R_i}; then f = max_i min_{j∈S_i} ℓ_j, if no ℓ_j − ℓ_i
    changes sign in R_i. Cells are the monomials of p ⊗ q that exact pruning keeps, split by such a difference where
    the minimum is not ≤ f; that, and each inclusion of half-spaces, is decided exactly. Sets are thinned to the pieces
    that their minimum needs, and terms to a choice that reaches f on every cell, so the form is short but not always
    shortest. On a box it has the pieces that f has there.
    Raises `Unsupported` for more than 20000 candidate cells or 40000 pairs of a cell and a piece.
    Source: Tarela and Martínez, *Region configurations for realizability of lattice piecewise-linear models* (1999);
    Ovchinnikov, *Max–min representation of piecewise linear functions* (2002), Theorem 2.1.

    >>> print(lattice_form(TropicalRational.parse("max(x, 0) - max(x - 1, 0)")))
    max(min(1, x0), 0)
    """
    f = function if isinstance(function, TropicalRational) else TropicalRational.of(function)
    domain = None if box is None else Box.of(box, f.dimension)
    p, q = f.numerator.prune(domain), f.denominator.prune(domain)
    if len(p) * len(q) > MAX_PRODUCT:
        raise Unsupported(
            f"{len(p)} over {len(q)} monomials have {len(p) * len(q)} candidate cells, more than {MAX_PRODUCT}: "
            "take a smaller box"
        )
    cells = _Cells(p, q, domain)
    above, thinned = _below_everywhere(cells, cells.above())
    chosen = _cover(above, thinned)
    used = sorted({j for s in chosen for j in s})
    place = {j: i for i, j in enumerate(used)}
    sets = tuple(sorted(tuple(place[j] for j in s) for s in chosen))
    return LatticeForm(cells.pieces[used], sets, domain)


class _Cells:
    """The full-dimensional cells of p ⊘ q: a pair of monomials, the piece there, and a point inside."""

    def __init__(self, p: TropicalPolynomial, q: TropicalPolynomial, box: Box | None) -> None:
        self.p, self.q, self.box = p, q, box
        pruning = prune_product(p, q, box, irredundant=True)
        self.tops, self.bottoms = pruning.pairs.T
        self.witnesses = pruning.witnesses
        rows = p.exact[self.tops] - q.exact[self.bottoms]
        keys = rows.keys()
        first = {key: i for i, key in reversed(list(enumerate(keys)))}
        distinct = sorted(first.values())
        number = {keys[i]: j for j, i in enumerate(distinct)}
        self.pieces = rows[distinct]
        self.piece: IntArray = np.array([number[key] for key in keys], dtype=np.int64)
        if len(keys) * len(distinct) > MAX_QUESTIONS:
            raise Unsupported(
                f"{len(keys)} cells and {len(distinct)} pieces: more than {MAX_QUESTIONS} pairs. Take a smaller box."
            )

    def above(self) -> BoolArray:
        """For each cell and piece, whether the piece is ≥ the cell's own one on the whole cell."""
        values = self.witnesses @ self.pieces[:, :-1].transpose + self.pieces[:, -1]
        own = values.numerators[np.arange(len(self.piece)), self.piece]
        result: BoolArray = np.array(values.numerators >= own[:, None], dtype=np.bool_)
        for i, k in enumerate(self.piece.tolist()):
            cell = _Cell(self.constraints(i))
            for j in np.flatnonzero(result[i]).tolist():
                if j != k:
                    result[i, j] = cell.nonnegative(self.pieces[j] - self.pieces[k])
        return result

    def constraints(self, i: int) -> Rationals:
        """Rows (c, e) with c·x + e ≥ 0 on the cell."""
        a, b = int(self.tops[i]), int(self.bottoms[i])
        sides = []
        for polynomial, k in ((self.p, a), (self.q, b)):
            others = [j for j in range(len(polynomial)) if j != k]
            sides.append(polynomial.exact[[k] * len(others)] - polynomial.exact[others])
        for coordinate, sign, end in box_ends(self.box, self.p.dimension):
            row = np.zeros(self.p.dimension + 1, dtype=object)
            row[coordinate], row[-1] = -sign, sign * end
            sides.append(Rationals.of(row[None, :]))
        walls = wall_rows(self.box)
        return Rationals.concatenate(sides if walls is None else [*sides, -walls])


class _Cell:
    """{x : c_r·x + e_r ≥ 0 for all r}, with interior; asks which affine forms are nonnegative there."""

    def __init__(self, constraints: Rationals) -> None:
        rows = constraints.numerators.tolist()
        self.rows = len(rows)
        self.dimension = constraints.shape[1] - 1
        self.normals = flint.fmpq_mat(flint.fmpz_mat(self.rows, self.dimension, [v for r in rows for v in r[:-1]]))
        self.costs = [-row[-1] for row in rows]

    def nonnegative(self, form: Rationals) -> bool:
        """Whether u·x + v ≥ 0 on the cell: Farkas's multipliers λ ≥ 0 with u = Σ λ_r c_r and v ≥ Σ λ_r e_r."""
        *slope, constant = form.numerators.tolist()
        answer = maximize(self.normals.transpose(), slope, self.costs)
        if answer.status != "optimal":
            return False
        pairs = [(j, v) for j, v in zip(answer.basis, answer.values, strict=True) if j < self.rows]
        best: Any = sum((self.costs[j] * v for j, v in pairs), flint.fmpq(0))
        return bool(best >= -constant)


def _below_everywhere(cells: _Cells, above: BoolArray) -> tuple[BoolArray, list[tuple[int, ...]]]:
    """The rows of ``above``, of parts of cells where need be, and their thinned sets, whose minima are all ≤ f."""
    rows: list[BoolArray] = []
    terms: list[tuple[int, ...]] = []
    known: dict[tuple[int, ...], bool] = {}
    parts = [(k, row, cells.constraints(i)) for i, (k, row) in enumerate(zip(cells.piece.tolist(), above, strict=True))]
    while parts:
        k, row, constraints = parts.pop()
        term = _thinned(cells.pieces, row, cells.box)
        if term not in known:
            known[term] = _below(cells, term)
        if known[term]:
            rows.append(row)
            terms.append(term)
            continue
        # where no difference changes sign any more the minimum is ≤ f, so there is one that does
        cell = _Cell(constraints)
        differences = (cells.pieces[[j]] - cells.pieces[[k]] for j in np.flatnonzero(~row).tolist())
        crossing = next(form for form in differences if not cell.nonnegative((-form)[0]))
        for side in (crossing, -crossing):
            narrower = Rationals.concatenate([constraints, side])
            inside = _Cell(narrower)
            wider = [
                bool(holds) or inside.nonnegative(cells.pieces[j] - cells.pieces[k]) for j, holds in enumerate(row)
            ]
            parts.append((k, np.array(wider, dtype=np.bool_), narrower))
        if (len(parts) + len(rows)) * len(cells.pieces) > MAX_QUESTIONS:
            raise Unsupported(f"more than {MAX_QUESTIONS} pairs of a part of a cell and a piece: take a smaller box")
    return np.array(rows), terms


def _below(cells: _Cells, term: tuple[int, ...]) -> bool:
    """Whether the minimum over a term is ≤ p ⊘ q: then q ≤ p ⊗ max(−ℓ_j), so that q adds nothing to that product."""
    if len(cells.q) == 1:
        return True
    product = cells.p.multiply(TropicalPolynomial.from_rationals(-cells.pieces[list(term)]), cells.box)
    return (product + cells.q).equals(product, cells.box)


def _thinned(pieces: Rationals, row: BoolArray, box: Box | None) -> tuple[int, ...]:
    """The pieces of a set that its minimum needs."""
    indices = np.flatnonzero(row)
    kept = TropicalPolynomial.from_rationals(-pieces[indices]).pruning(box).kept
    return tuple(indices[kept].tolist())


def _cover(above: BoolArray, thinned: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Terms that reach f on every cell, few of them: term k reaches it on cell i if S_k ⊆ {j : ℓ_j ≥ ℓ_i on R_i}."""
    terms = list(dict.fromkeys(thinned))
    reaches = np.array([above[:, list(term)].all(axis=1) for term in terms])
    open_cells = np.ones(len(above), dtype=np.bool_)
    chosen = []
    while open_cells.any():
        best = int(np.argmax((reaches & open_cells).sum(axis=1)))
        chosen.append(terms[best])
        open_cells &= ~reaches[best]
    return chosen

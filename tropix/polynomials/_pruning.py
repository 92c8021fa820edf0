"""Exact pruning: the irredundant monomials of a max-affine function, with the evidence for each verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from tropix.arrays import FloatArray, IntArray
from tropix.boxes import Box
from tropix.exact import Rationals
from tropix.polynomials._dominance import DominanceTest, Domination, box_ends
from tropix.polynomials._proposals import DominanceProgram, Scaling, upper_hull

if TYPE_CHECKING:
    from tropix.polynomials._tropical import TropicalPolynomial

Progress = Callable[[int, int], None]

HULL_DIMENSION = 4
HULL_COUNT = 48
"""Qhull proposes from this many monomials on and up to that dimension; linear programs do elsewhere."""


@dataclass(frozen=True)
class Pruning:
    """The irredundant form of a tropical polynomial on a domain, and why.

    ``kept`` are indices into ``original`` (in its order), ``witnesses[i]`` is a rational point of the domain where
    monomial ``kept[i]`` is strictly larger than every other one (copies of itself apart), and ``dropped`` lists the
    rest in the order of removal, each with a convex combination of monomials not removed before it that dominates it
    on the domain.
    """

    original: TropicalPolynomial
    box: Box | None
    kept: IntArray
    witnesses: Rationals
    dropped: tuple[Domination, ...]

    @property
    def polynomial(self) -> TropicalPolynomial:
        """The pruned polynomial; it equals the original as a function on the domain."""
        return self.original.take(self.kept)

    def verify(self) -> bool:
        """Recheck all evidence in rational arithmetic, without any solver."""
        rows = self.original.exact
        everyone = set(range(len(rows)))
        if sorted([*self.kept.tolist(), *(d.index for d in self.dropped)]) != sorted(everyone):
            return False
        if self.witnesses.shape != (len(self.kept), self.original.dimension):
            return False
        gone: set[int] = set()
        for domination in self.dropped:
            gone.add(domination.index)
            if not everyone - gone >= set(domination.support) or not _dominates(rows, domination, self.box):
                return False
        if not self._witnesses_in_domain():
            return False
        twins = {d.index for d in self.dropped if _is_twin(rows, d, self.box)}
        others = np.array([j for j in range(len(rows)) if j not in twins], dtype=np.int64)
        return all(DominanceTest(rows, self.box).strict_at(self.witnesses, self.kept, others))

    def _witnesses_in_domain(self) -> bool:
        points = self.witnesses.fractions()
        ends = box_ends(self.box, self.original.dimension)
        return all(sign * (end - value) >= 0 for i, sign, end in ends for value in points[:, i])


def _is_twin(rows: Rationals, domination: Domination, box: Box | None) -> bool:
    """Whether the dropped monomial is the same function on the domain as the one that dominates it."""
    if len(domination.support) != 1:
        return False
    swapped = Domination(domination.support[0], (domination.index,), (Fraction(1),))
    return _dominates(rows, domination, box) and _dominates(rows, swapped, box)


def _dominates(rows: Rationals, domination: Domination, box: Box | None) -> bool:
    """Whether max over the domain of (row k − Σ weights·rows)(x) is ≤ 0, in Fractions."""
    if len(domination.support) != len(domination.weights) or min(domination.weights, default=Fraction(-1)) < 0:
        return False
    if sum(domination.weights) != 1:
        return False
    support = rows[list(domination.support)].fractions()
    difference = rows[domination.index].fractions() - np.array(domination.weights, dtype=object) @ support
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
    reduction = _Reduction.of(polynomial.exact, box)
    kept, points, dropped = _prune_distinct(reduction.rows, reduction.box, progress)
    dropped_all = [
        *reduction.duplicates,
        *(
            Domination(reduction.index[d.index], tuple(reduction.index[j] for j in d.support), d.weights)
            for d in dropped
        ),
    ]
    indices = np.array([reduction.index[k] for k in kept], dtype=np.int64)
    order = np.argsort(indices)
    witnesses = reduction.lift(points)
    return Pruning(polynomial, box, indices[order], witnesses[order], tuple(dropped_all))


@dataclass(frozen=True)
class _Reduction:
    """Distinct rows in affinely independent coordinates; the way back is ``index`` and :meth:`lift`."""

    rows: Rationals
    box: Box | None
    index: list[int]
    duplicates: list[Domination]
    coordinates: list[int]
    base: Rationals

    @classmethod
    def of(cls, rows: Rationals, box: Box | None) -> _Reduction:
        dimension = rows.shape[1] - 1
        base = Rationals.of(np.zeros(dimension))
        coordinates = list(range(dimension))
        if box is not None:
            fixed = np.flatnonzero(box.lower == box.upper)
            coordinates = np.flatnonzero(box.lower < box.upper).tolist()
            base = Rationals.of(np.where(box.lower == box.upper, box.lower, 0.0))
            values = rows[:, fixed] @ base[fixed][:, None] + rows[:, -1:]
            rows = Rationals.concatenate([rows[:, coordinates], values], axis=1)
            box = Box(box.lower[coordinates], box.upper[coordinates])
        index, duplicates = _distinct(rows)
        rows = rows[index]
        if box is None:
            independent = _independent_coordinates(rows)
            coordinates = [coordinates[i] for i in independent]
            rows = rows[:, [*independent, -1]]
        return cls(rows, box, index, duplicates, coordinates, base)

    def lift(self, points: Rationals) -> Rationals:
        """Points in all coordinates."""
        full = np.zeros((len(points), len(self.base)), dtype=object)
        lifted = Rationals(full, 1) + self.base
        scaled = points.numerators * lifted.denominator
        numerators = lifted.numerators * points.denominator
        numerators[:, self.coordinates] = scaled
        return Rationals(numerators, lifted.denominator * points.denominator)


def _distinct(rows: Rationals) -> tuple[list[int], list[Domination]]:
    """Of rows with equal exponents the one with the largest coefficient, the first among equals."""
    best: dict[tuple[int, ...], tuple[int, int]] = {}
    keys = rows.keys()
    for i, key in enumerate(keys):
        exponent, coefficient = key[:-1], key[-1]
        if exponent not in best or coefficient > best[exponent][1]:
            best[exponent] = (i, coefficient)
    index = sorted(i for i, _ in best.values())
    staying = set(index)
    return index, [
        Domination(i, (best[key[:-1]][0],), (Fraction(1),)) for i, key in enumerate(keys) if i not in staying
    ]


def _independent_coordinates(rows: Rationals) -> list[int]:
    """Coordinates on which the affine hull of the exponents projects injectively (as many as its dimension)."""
    exponents = rows[:, :-1]
    count, dimension = exponents.shape
    if count == 0:
        return []
    differences = exponents - exponents[:1]
    if count > dimension > 0 and _full_rank(exponents, differences, dimension):
        return list(range(dimension))
    reduced, _, rank = differences.to_flint().rref()
    return [next(j for j in range(dimension) if reduced[i, j] != 0) for i in range(rank)]


def _full_rank(exponents: Rationals, differences: Rationals, dimension: int) -> bool:
    """Whether d rows, chosen in floating point, have a nonzero determinant (exactly)."""
    from scipy.linalg import qr

    images = exponents.floats()
    with np.errstate(over="ignore"):
        floats = images - images[0]
    if not np.isfinite(floats).all():
        return False
    _, pivots = qr(floats.T, mode="r", pivoting=True)
    return bool(differences[pivots[:dimension]].to_flint().det() != 0)


def _prune_distinct(
    rows: Rationals, box: Box | None, progress: Progress | None
) -> tuple[list[int], Rationals, list[Domination]]:
    count, dimension = rows.shape[0], rows.shape[1] - 1
    test = DominanceTest(rows, box)
    if count <= 1 or dimension == 0:
        base = test.base_point()
        return (
            list(range(count)),
            Rationals.of(np.array([base] * count, dtype=object).reshape(count, dimension)),
            [],
        )
    floats = rows.floats()
    return _Search(test, Scaling.of(floats[:, :-1], floats[:, -1]), progress).run()


class _Search:
    """Proposals in, exact verdicts out: Qhull, then linear programs, then the exact simplex method."""

    def __init__(self, test: DominanceTest, scaling: Scaling, progress: Progress | None) -> None:
        self.test = test
        self.scaling = scaling
        self.progress = progress
        self.dropped: list[Domination] = []
        self.alive = np.ones(test.count, dtype=np.bool_)
        self.witnesses: dict[int, list[Fraction]] = {}

    def run(self) -> tuple[list[int], Rationals, list[Domination]]:
        if self.test.dimension <= HULL_DIMENSION and self.test.count >= HULL_COUNT:
            self._use_hull()
        self._use_programs()
        kept = np.flatnonzero(self.alive).tolist()
        if self.test.box is not None and self.dropped:
            self._leave_ties(self.test.box, kept)
        points = Rationals.of(np.array([self.witnesses[k] for k in kept], dtype=object))
        return kept, points, self.dropped

    def _drop(self, domination: Domination) -> None:
        self.dropped.append(domination)
        self.alive[domination.index] = False
        if self.progress is not None and len(self.dropped) % 64 == 0:
            self.progress(len(self.dropped) + len(self.witnesses), self.test.count)

    def _use_hull(self) -> None:
        proposal = upper_hull(self.scaling)
        if proposal is None:
            return
        for k in proposal.above:
            # Supports are proposed vertices, which this stage never drops: no verdict rests on itself.
            for columns in proposal.supports(self.scaling.weights, k):
                found = self.test.by_basis(k, columns)
                if found is not None:
                    self._drop(found)
                    break
        if self.test.box is None:
            self._accept({k: x for k, x in proposal.witnesses.items() if self.alive[k]})

    def _accept(self, points: dict[int, FloatArray]) -> None:
        """Keep the monomials whose proposed point is a strict witness, exactly."""
        points = {k: x for k, x in points.items() if np.isfinite(x).all()}
        if not points:
            return
        owners = np.array(list(points), dtype=np.int64)
        exact = Rationals.of(np.array(list(points.values())).reshape(len(owners), self.test.dimension))
        verdicts = self.test.strict_at(exact, owners, np.flatnonzero(self.alive))
        values = exact.fractions()
        for i, (k, strict) in enumerate(zip(owners.tolist(), verdicts, strict=True)):
            if strict:
                self.witnesses[k] = list(values[i])

    def _use_programs(self) -> None:
        open_questions = [int(k) for k in np.flatnonzero(self.alive) if int(k) not in self.witnesses]
        if not open_questions:
            return
        ends = [(i, sign, float(end)) for i, sign, end in self.test.ends]
        program = DominanceProgram(self.scaling, self.test.box, ends)
        for gone in self.dropped:
            program.remove(gone.index)
        candidates: dict[int, FloatArray] = {}
        for done, k in enumerate(reversed(open_questions)):
            proposal = program.propose(k)
            domination: Domination | None = None
            if proposal is not None and proposal.gap < 1e-6:
                domination = self.test.by_basis(k, proposal.columns) or self.test.restricted(k, proposal.columns)
            if domination is not None:
                self._drop(domination)
                program.remove(k)
            elif proposal is not None:
                candidates[k] = self._into_domain(proposal.point)
            if self.progress is not None and done % 16 == 0:
                self.progress(self.test.count - len(open_questions) + done, self.test.count)
        self._accept(candidates)
        for k in reversed(open_questions):
            if self.alive[k] and k not in self.witnesses:
                self._decide(k)

    def _leave_ties(self, box: Box, kept: list[int]) -> None:
        """Move witnesses off points of the boundary where a dropped monomial ties with the kept one.

        A dropped monomial can only tie on a hyperplane, so nearly every small step into the box ends that.
        """
        rng = np.random.default_rng(0)
        everyone = np.arange(self.test.count)
        step = Fraction(1)
        tied = kept
        while True:
            points = Rationals.of(np.array([self.witnesses[k] for k in tied], dtype=object))
            verdicts = self.test.strict_at(points, np.array(tied, dtype=np.int64), everyone)
            still = [k for k, strict in zip(tied, verdicts, strict=True) if not strict]
            if step == 1:
                anchors = {k: self.witnesses[k] for k in still}
            if not still:
                return
            step /= 16
            tied = still
            for k in tied:
                inner = Rationals.of(box.sample(1, rng)[0]).fractions()
                self.witnesses[k] = [x + step * (c - x) for x, c in zip(anchors[k], inner, strict=True)]

    def _into_domain(self, point: FloatArray) -> FloatArray:
        box = self.test.box
        return point if box is None else np.clip(point, box.lower, box.upper)

    def _decide(self, k: int) -> None:
        answer = self.test.decide(k, np.flatnonzero(self.alive).tolist())
        if isinstance(answer, Domination):
            self._drop(answer)
        else:
            self.witnesses[k] = answer

"""Circuit → tropical rational function: the exact limit ε → 0 of any output, convex or not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from tropix.arrays import IntArray
from tropix.boxes import Box, BoxLike
from tropix.circuits import Affine, Circuit, Gibbs, LogSumExp, Pointwise, Product
from tropix.deadline import Deadline
from tropix.errors import InvalidInput, Unsupported
from tropix.exact import Rationals
from tropix.polynomials import ProductPruning, TropicalPolynomial, TropicalRational, prune_product
from tropixc.lowerings._activations import Pattern, activation_patterns
from tropixc.lowerings._affine_rows import AffineRows
from tropixc.lowerings._dependencies import dependencies_first
from tropixc.lowerings._polynomial import MAX_PRODUCT, Progress

OutputProgress = Callable[[int, int], None]
"""Called with the output at work and the number of monomials formed so far."""

ADVICE = "compile on a smaller box (--box, or --around with --radius), one output (--output), or an earlier layer"


@dataclass(frozen=True, eq=False)
class RationalLowering:
    """One output of a circuit's tropical limit as a rational function on ``box`` (ℝ^d if None).

    ``expanded`` counts the monomials formed on the way; what several outputs share counts once, for the first of them.
    ``atoms`` counts the distinct convex functions that the output is a combination of, and ``cancelled`` those that
    were formed on the way and are no part of it, nor of its atoms: they cancelled, or were dominated.
    """

    circuit: Circuit
    output: int
    box: Box | None
    function: TropicalRational
    expanded: int
    atoms: int
    cancelled: int

    @property
    def polynomial(self) -> TropicalPolynomial | None:
        """The function as a polynomial where nothing is subtracted, so that it is convex; else None."""
        simple = self.function.denominator == TropicalPolynomial.constant(0, self.function.dimension)
        return self.function.numerator if simple else None

    @cached_property
    def pieces(self) -> ProductPruning:
        """The pairs of a numerator's and a denominator's monomial that are active together, with a point of each.

        On the overlap of the two regions the function is affine: numerator monomial minus denominator monomial.
        """
        return prune_product(self.function.numerator, self.function.denominator, self.box, irredundant=True)

    @cached_property
    def activations(self) -> list[Pattern]:
        """For each pair of :attr:`pieces`, the entry that wins each segment of each max node at the pair's point.

        A monomial of one side comes from the patterns of all pairs that hold it. Neurons whose effects cancel may
        change within a pair's region.
        """
        return activation_patterns(self.circuit, self.pieces.witnesses)


def lower_to_rational(
    circuit: Circuit,
    output: int,
    box: BoxLike | None = None,
    *,
    progress: Progress | None = None,
    time_limit: float | None = None,
) -> RationalLowering:
    """The tropical limit of one output as p ⊘ q, exact in every digit.

    Every node is kept as an affine function plus a combination Σ c_k F_k of convex atoms, with rational c_k. Affine
    nodes add combinations, so that what is common to both signs cancels; a maximum of combinations takes out
    Σ_k min_j c_jk F_k and expands the rest, which is convex, into one new atom, pruned exactly. Atoms that differ by an
    affine function and a positive factor are one. In the end the positive part is p and the negative part q.
    Raises `Unsupported` for Gibbs, product and pointwise nodes, and if the expansion grows too large or takes longer
    than ``time_limit`` seconds; the text says how far it got.
    """

    def formed(output: int, count: int) -> None:
        if progress is not None:
            progress(count)

    return lower_all_to_rational(circuit, [output], box, progress=formed, time_limit=time_limit)[0]


def lower_all_to_rational(
    circuit: Circuit,
    outputs: Sequence[int],
    box: BoxLike | None = None,
    *,
    progress: OutputProgress | None = None,
    time_limit: float | None = None,
) -> list[RationalLowering]:
    """Several outputs as by `lower_to_rational`, with one expansion: atoms and nodes that they share are computed once.

    ``progress(output, formed)`` is called with the number of monomials formed so far for all outputs; what it raises
    ends the work. ``time_limit`` is in seconds for each output.
    """
    for output in outputs:
        if not 0 <= output < circuit.output_size:
            raise InvalidInput(f"output {output}: the model has outputs 0 to {circuit.output_size - 1}")
    culprits = _culprits(circuit)
    for output in outputs:
        if culprits[output] >= 0:
            node, name = circuit.nodes[culprits[output]], circuit.names[culprits[output]]
            raise Unsupported(
                f"node {name!r} ({node.size} values) is a {type(node).__name__}: it has no tropical rational function. "
                f"Output {output} depends on it: compile the logits in front of it."
            )
    domain = None if box is None else Box.of(box, circuit.input_size)
    expansion = _Expansion(circuit, domain, progress, time_limit)
    return [expansion.lower(output) for output in outputs]


def _culprits(circuit: Circuit) -> IntArray:
    """For each output the last node without rational function that it depends on; −1 where there is none."""
    found: list[IntArray] = []
    for position, node in enumerate(circuit.nodes):
        last = np.full(node.size, -1, dtype=np.int64)
        if isinstance(node, Gibbs | Product | Pointwise):
            last[:] = position
        elif isinstance(node, LogSumExp):
            last = np.maximum.reduceat(found[node.source], node.segments[:-1])
        elif isinstance(node, Affine):
            for term in node.terms:
                rows = sp.csr_array(term.matrix)
                used = np.where(rows.data != 0, found[term.source][rows.indices], -1)
                np.maximum.at(last, np.repeat(np.arange(node.size), np.diff(rows.indptr)), used)
        found.append(last)
    return found[circuit.output]


@dataclass(frozen=True, eq=False)
class _Combination:
    """An affine function (a row (1, d+1)) plus Σ weights[k]·atom_k, with the atoms ``used`` on the way to it."""

    linear: Rationals
    weights: dict[int, Fraction]
    used: frozenset[int] = frozenset()


class _Expansion:
    """Components of nodes as combinations of atoms, computed once each."""

    def __init__(
        self, circuit: Circuit, box: Box | None, progress: OutputProgress | None, time_limit: float | None
    ) -> None:
        self.circuit = circuit
        self.box = box
        self.formed = 0
        self.output = 0
        self.done: list[int] = []
        self.progress = progress
        self.deadline = Deadline(time_limit)
        self.atoms: list[TropicalPolynomial] = []
        self.parts: list[set[int]] = []
        self._known: dict[tuple[object, ...], int] = {}
        self._components: dict[tuple[int, int], _Combination] = {}
        self._rows = AffineRows(circuit)

    def lower(self, output: int) -> RationalLowering:
        """One output; the clock starts anew, and what was computed for others is used."""
        self.output, self.deadline = output, Deadline(self.deadline.seconds)
        before = self.formed
        total = self.component(self.circuit.output, output)
        function = self.function(total)
        self.done.append(output)
        cancelled = total.used.difference(total.weights, *(self.parts[k] for k in total.weights))
        formed = self.formed - before
        return RationalLowering(self.circuit, output, self.box, function, formed, len(total.weights), len(cancelled))

    def component(self, position: int, index: int) -> _Combination:
        """The combination of v[index]; what it needs is computed first, for networks may be deep."""
        return dependencies_first((position, index), self._needs, lambda key: self._compute(*key), self._components)

    def _needs(self, key: tuple[int, int]) -> list[tuple[int, int]]:
        position, index = key
        node = self.circuit.nodes[position]
        if self._rows.of(position) is not None:
            return []
        if isinstance(node, LogSumExp):
            return [(node.source, j) for j in range(int(node.segments[index]), int(node.segments[index + 1]))]
        assert isinstance(node, Affine)
        return [(term.source, j) for term in node.terms for j in sp.csr_array(term.matrix[[index]]).indices.tolist()]

    def function(self, combination: _Combination) -> TropicalRational:
        """The combination as numerator and denominator."""
        width = self.circuit.input_size
        up = {k: weight for k, weight in combination.weights.items() if weight > 0}
        down = {k: -weight for k, weight in combination.weights.items() if weight < 0}
        numerator = self._product(combination.linear, up)
        denominator = self._product(Rationals.of(np.zeros((1, width + 1))), down)
        return TropicalRational(self._prune(numerator), self._prune(denominator))

    def _compute(self, position: int, index: int) -> _Combination:
        rows = self._rows.of(position)
        if rows is not None:
            return _Combination(rows[index : index + 1], {})
        node = self.circuit.nodes[position]
        if isinstance(node, Affine):
            return self._sum(node, index)
        assert isinstance(node, LogSumExp)
        entries = range(int(node.segments[index]), int(node.segments[index + 1]))
        return self._join([self.component(node.source, j) for j in entries])

    def _sum(self, node: Affine, index: int) -> _Combination:
        width = self.circuit.input_size
        linear = Rationals.of(np.append(np.zeros(width), node.bias[index]))[None, :]
        weights: dict[int, Fraction] = {}
        used: set[int] = set()
        for term in node.terms:
            row = sp.csr_array(term.matrix[[index]])
            inners = [self.component(term.source, j) for j in row.indices.tolist()]
            if not inners:
                continue
            linear = linear + Rationals.of(row.data)[None, :] @ Rationals.concatenate([one.linear for one in inners])
            for inner, value in zip(inners, row.data.tolist(), strict=True):
                used |= inner.used
                for k, weight in inner.weights.items():
                    weights[k] = weights.get(k, Fraction(0)) + Fraction(value) * weight
        return _Combination(linear, {k: weight for k, weight in weights.items() if weight}, frozenset(used))

    def _join(self, parts: Sequence[_Combination]) -> _Combination:
        """The maximum of combinations: what all of them share, plus one atom."""
        names = sorted({k for part in parts for k in part.weights})
        used = frozenset[int]().union(*(part.used for part in parts))
        common = {k: min(part.weights.get(k, Fraction(0)) for part in parts) for k in names}
        pieces = []
        for part in parts:
            rest = {k: part.weights.get(k, Fraction(0)) - common[k] for k in names}
            pieces.append(self._product(part.linear, {k: weight for k, weight in rest.items() if weight}))
        self._count(sum(len(piece) for piece in pieces))
        joined = self._prune(TropicalPolynomial.from_rationals(Rationals.concatenate([p.exact for p in pieces])))
        weights = {k: weight for k, weight in common.items() if weight}
        if len(joined) == 1:
            return _Combination(joined.exact, weights, used)
        atom, scale, shift = self._atom(joined)
        for k in names:
            if any(part.weights.get(k, Fraction(0)) != common[k] for part in parts):
                self.parts[atom] |= {k} | self.parts[k]
        weights[atom] = weights.get(atom, Fraction(0)) + scale
        return _Combination(shift, {k: weight for k, weight in weights.items() if weight}, used | {atom})

    def _atom(self, polynomial: TropicalPolynomial) -> tuple[int, Fraction, Rationals]:
        """The number of an atom F, a factor s > 0 and an affine function ℓ with polynomial = s·F + ℓ."""
        rows = sorted(tuple(row) for row in polynomial.exact.fractions())
        first = rows[0]
        moved = [tuple(a - b for a, b in zip(row, first, strict=True)) for row in rows]
        scale = abs(next(value for value in moved[1] if value))
        key = tuple(tuple(value / scale for value in row) for row in moved)
        if key not in self._known:
            self._known[key] = len(self.atoms)
            self.parts.append(set())
            self.atoms.append(TropicalPolynomial.from_rationals(Rationals.of(np.array(key, dtype=object))))
        return self._known[key], scale, Rationals.of(np.array([first], dtype=object))

    def _product(self, linear: Rationals, weights: dict[int, Fraction]) -> TropicalPolynomial:
        """Linear ⊗ ∏ atom_k^{weights_k}, pruned after every factor."""
        total = TropicalPolynomial.from_rationals(linear)
        for k in sorted(weights, key=lambda k: len(self.atoms[k])):
            size = len(total) * len(self.atoms[k])
            if size > MAX_PRODUCT:
                raise Unsupported(
                    f"output {self.output}: the expansion needs a product of {len(total)} and {len(self.atoms[k])} "
                    f"monomials, more than {MAX_PRODUCT}{self._so_far}: {ADVICE}"
                )
            self._count(size)
            atom = self.atoms[k].scale(weights[k])
            if len(total) == 1:
                total = total * atom
            else:
                total = prune_product(total, atom, self.box, self._watch, irredundant=True).polynomial
        return total

    def _count(self, formed: int) -> None:
        self.formed += formed
        self._watch()
        if self.progress is not None:
            self.progress(self.output, self.formed)

    def _watch(self, done: int = 0, total: int = 0) -> None:
        if self.deadline.passed:
            raise Unsupported(
                f"output {self.output}: the expansion reached its time limit of {self.deadline.seconds:g} s "
                f"after forming {self.formed} monomials and {len(self.atoms)} convex parts"
                f"{self._so_far}: {ADVICE}, or allow more time (--time-limit)"
            )

    @property
    def _so_far(self) -> str:
        return f" (done: outputs {', '.join(map(str, self.done))})" if self.done else ""

    def _prune(self, polynomial: TropicalPolynomial) -> TropicalPolynomial:
        return polynomial.prune(self.box, progress=self._watch)

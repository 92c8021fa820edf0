"""Circuit → tropical polynomial: the exact limit ε → 0 of a convex output, monomial by monomial."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from tropix.boxes import Box, BoxLike
from tropix.circuits import Affine, Circuit, Gibbs, LogSumExp, Pointwise, Product, exact_matrix
from tropix.deadline import Deadline
from tropix.errors import InvalidInput, Unsupported
from tropix.exact import Rationals
from tropix.polynomials import Pruning, TropicalPolynomial, prune_product
from tropixc.lowerings._activations import Pattern, activation_patterns
from tropixc.lowerings._affine_rows import AffineRows
from tropixc.lowerings._dependencies import dependencies_first

Progress = Callable[[int], None]

MAX_PRODUCT = 2_000_000
"""Largest number of monomials that one tropical product may form before it is pruned."""


@dataclass(frozen=True, eq=False)
class PolynomialLowering:
    """One output of a circuit's tropical limit as an irredundant polynomial on ``box`` (ℝ^d if None).

    ``expanded`` counts the monomials formed on the way, before pruning. The way back from monomials to neurons is
    :attr:`activations`.
    """

    circuit: Circuit
    output: int
    box: Box | None
    polynomial: TropicalPolynomial
    expanded: int

    @cached_property
    def pruning(self) -> Pruning:
        """Evidence that the polynomial is irredundant: a witness point for each monomial."""
        return self.polynomial.pruning(self.box)

    @cached_property
    def activations(self) -> list[Pattern]:
        """For each monomial, the entry that wins each segment of each max node at the monomial's witness point."""
        return activation_patterns(self.circuit, self.pruning.witnesses)


def lower_to_polynomial(
    circuit: Circuit,
    output: int,
    box: BoxLike | None = None,
    *,
    progress: Progress | None = None,
    time_limit: float | None = None,
) -> PolynomialLowering:
    """The tropical limit of one output as a tropical polynomial, exact in every digit.

    Every float weight is taken as the rational number it is; sums and products are rational; after each tropical
    sum and product dominated monomials are pruned exactly, on the box if one is given. ``progress(formed)`` is called
    after each of them with the number of monomials formed so far; what it raises ends the work.
    Raises `Unsupported` if the output is not convex by the signs of its weights, or if the expansion grows too large or
    takes longer than ``time_limit`` seconds; the text says how far it got.
    """
    if not 0 <= output < circuit.output_size:
        raise InvalidInput(f"output {output}: the model has outputs 0 to {circuit.output_size - 1}")
    domain = None if box is None else Box.of(box, circuit.input_size)
    _require_convex(circuit, output)
    expansion = _Expansion(circuit, domain, progress, time_limit)
    polynomial = expansion.component(circuit.output, output, 1)
    if domain is not None:
        polynomial = polynomial.prune(domain)
    return PolynomialLowering(circuit, output, domain, polynomial, expansion.formed)


def _require_convex(circuit: Circuit, output: int) -> None:
    flags = circuit.curvature_flags[circuit.output]
    if flags.convex[output]:
        return
    name = circuit.names[circuit.output]
    if flags.concave[output]:
        raise Unsupported(
            f"output {output} of node {name!r} is concave: a tropical polynomial is convex. Compile its negative."
        )
    if flags.exact:
        raise Unsupported(
            f"output {output} of node {name!r} is a difference of convex functions, because negative weights follow a "
            "maximum or log-sum-exp: its limit is a tropical rational function, not a polynomial. Compile to 'rational'"
            " (--to rational); polynomials need nonnegative weights behind the first nonlinearity (input-convex nets)."
        )
    culprit = next(i for i, node in enumerate(circuit.nodes) if isinstance(node, Gibbs | Product | Pointwise))
    node = circuit.nodes[culprit]
    kind = "Gibbs weights (a softmax)" if isinstance(node, Gibbs) else "a product of computed values"
    if isinstance(node, Pointwise):
        kind = f"the function {node.function}"
    raise Unsupported(
        f"node {circuit.names[culprit]!r} ({node.size} values) is {kind}: it has no tropical polynomial. "
        "Compile the logits in front of it."
    )


class _Expansion:
    """Components of nodes as polynomials of ±v, computed once each."""

    def __init__(self, circuit: Circuit, box: Box | None, progress: Progress | None, time_limit: float | None) -> None:
        self.circuit = circuit
        self.box = box
        self.formed = 0
        self.progress = progress
        self.deadline = Deadline(time_limit)
        self._components: dict[tuple[int, int, int], TropicalPolynomial] = {}
        self._rows = AffineRows(circuit)

    def component(self, node: int, index: int, sign: int) -> TropicalPolynomial:
        """The polynomial of sign·v[index]; what it needs is computed first, for networks may be deep."""
        return dependencies_first((node, index, sign), self._needs, lambda key: self._compute(*key), self._components)

    def _needs(self, key: tuple[int, int, int]) -> list[tuple[int, int, int]]:
        position, index, sign = key
        node = self.circuit.nodes[position]
        if self._rows.of(position) is not None or isinstance(node, Gibbs):
            return []
        if isinstance(node, LogSumExp):
            return [(node.source, j, sign) for j in range(int(node.segments[index]), int(node.segments[index + 1]))]
        assert isinstance(node, Affine)
        needed = []
        for term in node.terms:
            if self._rows.of(term.source) is None:
                row = sp.csr_array(term.matrix[[index]])
                pairs = zip(row.indices.tolist(), row.data, strict=True)
                needed += [(term.source, j, sign if weight > 0 else -sign) for j, weight in pairs]
        return needed

    def _compute(self, position: int, index: int, sign: int) -> TropicalPolynomial:
        rows = self._rows.of(position)
        if rows is not None:
            return TropicalPolynomial.from_rationals(_signed(rows[index : index + 1], sign))
        node = self.circuit.nodes[position]
        if isinstance(node, Affine):
            return self._affine_component(node, index, sign)
        if isinstance(node, Gibbs):  # convex only where it is the constant 1: a segment of one entry
            return TropicalPolynomial.constant(float(sign), self.circuit.input_size)
        assert isinstance(node, LogSumExp)
        start, stop = int(node.segments[index]), int(node.segments[index + 1])
        parts = [self.component(node.source, j, sign) for j in range(start, stop)]
        self._count(sum(len(part) for part in parts))
        joined = TropicalPolynomial.from_rationals(Rationals.concatenate([part.exact for part in parts]))
        return self._prune(joined)

    def _affine_component(self, node: Affine, index: int, sign: int) -> TropicalPolynomial:
        width = self.circuit.input_size
        linear = Rationals.of(np.append(np.zeros(width), node.bias[index]))[None, :]
        factors: list[TropicalPolynomial] = []
        for term in node.terms:
            row = sp.csr_array(term.matrix[[index]])
            rows = self._rows.of(term.source)
            if rows is not None:
                linear = linear + exact_matrix(row) @ rows
                continue
            for j, weight in zip(row.indices, row.data, strict=True):
                inner = self.component(term.source, int(j), sign if weight > 0 else -sign)
                factors.append(inner.scale(abs(float(weight))))
        total = TropicalPolynomial.from_rationals(_signed(linear, sign))
        for factor in sorted(factors, key=len):
            total = self._product(total, factor)
        return total

    def _count(self, formed: int) -> None:
        self.formed += formed
        self._watch()
        if self.progress is not None:
            self.progress(self.formed)

    def _watch(self, done: int = 0, total: int = 0) -> None:
        if self.deadline.passed:
            raise Unsupported(
                f"the expansion reached its time limit of {self.deadline.seconds:g} s "
                f"after forming {self.formed} monomials: "
                "compile on a smaller box, or an earlier layer, or allow more time"
            )

    def _prune(self, polynomial: TropicalPolynomial) -> TropicalPolynomial:
        return polynomial.prune(self.box, progress=self._watch)

    def _product(self, left: TropicalPolynomial, right: TropicalPolynomial) -> TropicalPolynomial:
        size = len(left) * len(right)
        if size > MAX_PRODUCT:
            raise Unsupported(
                f"the expansion needs a product of {len(left)} and {len(right)} monomials, more than {MAX_PRODUCT}: "
                "compile on a smaller box, or an earlier layer"
            )
        self._count(size)
        if min(len(left), len(right)) <= 1:
            return left * right
        return prune_product(left, right, self.box, self._watch, irredundant=True).polynomial


def _signed(rows: Rationals, sign: int) -> Rationals:
    return rows if sign > 0 else -rows

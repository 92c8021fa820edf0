"""Exact division of tropical polynomials, and what a numerator and a denominator have in common."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from tropix.arrays import FloatArray
from tropix.boxes import Box, BoxLike
from tropix.errors import InvalidInput
from tropix.exact import Rationals
from tropix.polynomials._product import prune_product
from tropix.polynomials._reduction import on_box
from tropix.polynomials._tropical import TropicalPolynomial

if TYPE_CHECKING:
    from tropix.polynomials._rational import TropicalRational

LARGEST = 400
"""Above so many monomials a side, common factors are not looked for."""
TRIED = 200
"""At most so many binomials are tried."""


def divide(p: TropicalPolynomial, s: TropicalPolynomial, box: BoxLike | None = None) -> TropicalPolynomial | None:
    """The polynomial h with h ⊗ s = p on ℝ^d or on a box, irredundant; None if there is none.

    p − s must be convex: every cell of p then lies in one cell of s, and h has the differences of their monomials.
    That candidate is multiplied out again, exactly. Raises `InvalidInput` for polynomials without monomials.

    >>> x, y, zero = ([[1, 0]], [0]), ([[0, 1]], [0]), ([[0, 0]], [0])
    >>> s, h = (TropicalPolynomial(*v) + TropicalPolynomial(*zero) for v in (x, y))
    >>> divide(h * s, s).equals(h), divide(h, s) is None
    (True, True)
    """
    if not len(p) or not len(s):
        raise InvalidInput("the zero polynomial -inf neither divides nor is divided")
    domain = None if box is None else Box.of(box, p.dimension)
    pruning, divisor = p.pruning(domain), s.prune(domain)
    rows = pruning.polynomial.exact
    weights = divisor.exact
    values = pruning.witnesses @ weights[:, :-1].transpose + weights[:, -1]
    candidate = rows - weights[values.numerators.argmax(axis=1)]
    heights = (pruning.witnesses @ candidate[:, :-1].transpose + candidate[:, -1]).numerators
    if (heights.max(axis=1) > heights.diagonal()).any():  # the candidate is not convex
        return None
    quotient = TropicalPolynomial.from_rationals(candidate).prune(domain)
    product = prune_product(quotient, divisor, domain, irredundant=True).polynomial
    return quotient if _same(product.exact, rows, domain) else None


def _same(first: Rationals, second: Rationals, box: Box | None) -> bool:
    """Whether two irredundant polynomials on the domain have the same monomials."""
    if len(first) != len(second):
        return False
    keys = Rationals.concatenate([on_box(first, box), on_box(second, box)]).keys()
    return sorted(keys[: len(first)]) == sorted(keys[len(first) :])


@dataclass(frozen=True, eq=False)
class Cancellation:
    """A rational function after what both sides had in common was divided out.

    ``before`` and ``after`` count the monomials (numerator, denominator); ``factors`` are the common factors found.
    """

    function: TropicalRational
    before: tuple[int, int]
    after: tuple[int, int]
    factors: tuple[TropicalPolynomial, ...]


def cancel(function: TropicalRational, box: BoxLike | None = None) -> Cancellation:
    """Divide numerator and denominator by common factors, exactly, on ℝ^d or on a box.

    Tried are one side by the other, and the powers of binomials c ⊗ (1 ⊕ x^a)^r whose hyperplane bends both sides, as
    neurons that were used with both signs leave behind. Other common factors are not looked for: in more than one
    variable tropical factorisation is neither unique nor cheap.
    """
    from tropix.polynomials._rational import TropicalRational

    domain = None if box is None else Box.of(box, function.dimension)
    p, q = function.numerator.prune(domain), function.denominator.prune(domain)
    before = (len(p), len(q))
    factors: list[TropicalPolynomial] = []
    if max(before) <= LARGEST:
        p, q, factors = _without_common(p, q, domain)
    if len(q) == 1:
        p = TropicalPolynomial.from_rationals(p.exact - q.exact)
        q = TropicalPolynomial.constant(0, function.dimension)
    return Cancellation(TropicalRational(p, q), before, (len(p), len(q)), tuple(factors))


def _without_common(
    p: TropicalPolynomial, q: TropicalPolynomial, box: Box | None
) -> tuple[TropicalPolynomial, TropicalPolynomial, list[TropicalPolynomial]]:
    one = TropicalPolynomial.constant(0, p.dimension)
    if 1 < len(q) <= len(p) and (quotient := divide(p, q, box)) is not None:
        return quotient, one, [q]
    if 1 < len(p) < len(q) and (quotient := divide(q, p, box)) is not None:
        return one, quotient, [p]
    factors: list[TropicalPolynomial] = []
    for binomial in _common_binomials(p, q)[:TRIED]:
        halves = divide(p, binomial, box), divide(q, binomial, box)
        if halves[0] is not None and halves[1] is not None:
            p, q = halves[0], halves[1]
            factors.append(binomial)
    return p, q, factors


def _common_binomials(p: TropicalPolynomial, q: TropicalPolynomial) -> list[TropicalPolynomial]:
    """Powers of binomials 1 ⊕ x^a whose hyperplane is that of two monomials of p and of two of q; the larger first.

    Floating point proposes which hyperplanes are the same.
    """
    keys = [_hyperplanes(side) for side in (p, q)]
    shared = set(keys[0]) & set(keys[1])
    found: dict[tuple[Fraction, ...], TropicalPolynomial] = {}
    for side, pairs in zip((p, q), keys, strict=True):
        for key in shared:
            for i, j in pairs[key]:
                difference = (side.exact[[j]] - side.exact[[i]]).fractions()[0]
                lead = next(value for value in difference if value)
                rows = np.array([difference * 0, difference if lead > 0 else -difference])
                found.setdefault(tuple(rows[1]), TropicalPolynomial.from_rationals(Rationals.of(rows)))
    return sorted(found.values(), key=lambda binomial: -float(np.abs(binomial.exponents).max()))


def _hyperplanes(side: TropicalPolynomial) -> dict[bytes, list[tuple[int, int]]]:
    """Pairs of monomials by the hyperplane on which they are equal: differences up to a factor, rounded."""
    rows: FloatArray = np.column_stack([side.exponents, side.coefficients])
    i, j = np.triu_indices(len(rows), 1)
    differences = rows[j] - rows[i]
    lead = np.take_along_axis(differences, np.abs(differences).argmax(axis=1)[:, None], axis=1)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        scaled = np.round(differences / lead, 9) + 0.0
    groups: dict[bytes, list[tuple[int, int]]] = {}
    for key, a, b in zip(scaled, i.tolist(), j.tolist(), strict=True):
        groups.setdefault(key.tobytes(), []).append((a, b))
    return groups

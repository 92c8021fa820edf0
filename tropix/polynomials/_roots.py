"""Roots and factors of tropical polynomials in one variable, exactly."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from tropix.errors import InvalidInput, Unsupported
from tropix.exact import Rationals

if TYPE_CHECKING:
    from tropix.polynomials._tropical import TropicalPolynomial

MINUS_INFINITY = float("-inf")


@dataclass(frozen=True)
class TropicalRoot:
    """A point where the slope of f jumps, by ``multiplicity``; −∞ where f has no term of exponent 0 or below."""

    point: Fraction | float
    multiplicity: Fraction


@dataclass(frozen=True)
class Factorisation:
    """f = c ⊗ x^{⊗ power} ⊗ ⊗_i (x ⊕ r_i)^{⊗ m_i}, so f(x) = c + power·x + Σ m_i max(x, r_i), as functions.

    ``coefficient`` c is the coefficient of the highest monomial (−∞ for the zero polynomial), ``power`` the lowest
    exponent, ``roots`` are finite and ascend.
    """

    coefficient: Fraction | float
    power: Fraction
    roots: tuple[TropicalRoot, ...]

    def polynomial(self) -> TropicalPolynomial:
        """The product multiplied out, without monomials that are never needed."""
        from tropix.polynomials._tropical import TropicalPolynomial

        if self.coefficient == MINUS_INFINITY:
            return TropicalPolynomial.zero(1)
        # The monomial that leads between two roots takes x from the factors below and r_i from those above.
        level = Fraction(self.coefficient) + sum((r.multiplicity * Fraction(r.point) for r in self.roots), Fraction(0))
        rows = [(self.power, level)]
        for root in self.roots:
            slope, level = rows[-1]
            rows.append((slope + root.multiplicity, level - root.multiplicity * Fraction(root.point)))
        return TropicalPolynomial.from_rationals(Rationals.of(np.array(rows, dtype=object)))


def factor(polynomial: TropicalPolynomial) -> Factorisation:
    """See `TropicalPolynomial.factor`."""
    if polynomial.dimension != 1:
        raise Unsupported(f"a polynomial in {polynomial.dimension} variables does not split into linear factors: one")
    chain = _upper_chain(polynomial)
    if not chain:
        return Factorisation(MINUS_INFINITY, Fraction(0), ())
    roots = tuple(
        TropicalRoot((low - high) / (steep - flat), steep - flat) for (flat, low), (steep, high) in pairwise(chain)
    )
    return Factorisation(chain[-1][1], chain[0][0], roots)


def roots(polynomial: TropicalPolynomial) -> tuple[TropicalRoot, ...]:
    """See `TropicalPolynomial.roots`."""
    factors = factor(polynomial)
    if factors.coefficient == MINUS_INFINITY:
        raise InvalidInput("the zero polynomial is -inf everywhere: every point is a root")
    if factors.power > 0:
        return (TropicalRoot(MINUS_INFINITY, factors.power), *factors.roots)
    return factors.roots


def _upper_chain(polynomial: TropicalPolynomial) -> list[tuple[Fraction, Fraction]]:
    """The vertices (exponent, coefficient) of the upper hull from left to right (Andrew's monotone chain)."""
    chain: list[tuple[Fraction, Fraction]] = []
    for e, c in sorted((e, c) for e, c in polynomial.exact.fractions().tolist()):
        if chain and chain[-1][0] == e:
            chain.pop()
        while len(chain) > 1 and not _turns_down(chain[-2], chain[-1], (e, c)):
            chain.pop()
        chain.append((e, c))
    return chain


def _turns_down(a: tuple[Fraction, Fraction], b: tuple[Fraction, Fraction], c: tuple[Fraction, Fraction]) -> bool:
    return (b[1] - a[1]) * (c[0] - b[0]) > (c[1] - b[1]) * (b[0] - a[0])

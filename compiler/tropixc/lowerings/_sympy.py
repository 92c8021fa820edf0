"""Tropical polynomial → sympy, with exact rational numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tropix.polynomials import TropicalPolynomial
from tropixc.lowerings._text import variables


def to_sympy(polynomial: TropicalPolynomial, names: Sequence[str] | None = None) -> Any:
    """A sympy expression ``Max(…)`` of the monomials with `sympy.Rational` numbers in real symbols x0, x1, …

    The zero polynomial is ``-oo``; a single monomial is returned as it is.
    """
    import sympy

    symbols = [sympy.Symbol(name, real=True) for name in variables(polynomial.dimension, names)]
    monomials = []
    for row in polynomial.exact.fractions():
        *exponents, constant = [sympy.Rational(value.numerator, value.denominator) for value in row]
        monomials.append(sympy.Add(constant, *(c * x for c, x in zip(exponents, symbols, strict=True))))
    if not monomials:
        return -sympy.oo
    return monomials[0] if len(monomials) == 1 else sympy.Max(*monomials, evaluate=False)

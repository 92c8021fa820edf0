"""From classical polynomials to tropical ones: coefficients become their valuations."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from tropix.errors import InvalidInput, Unsupported
from tropix.exact import Rationals
from tropix.polynomials._tropical import TropicalPolynomial


def tropicalize(polynomial: Any, *, prime: int | None = None, parameter: Any = None) -> TropicalPolynomial:
    """The tropicalisation max_j (e_j·w − val(a_j)) of a `sympy.Poly` Σ_j a_j x^{e_j}, in the order of its terms.

    The convention is (max, −val): with ``prime`` p, −val(a) = log_p |a|_p for rational a; with a symbol
    ``parameter`` t, val(a) is the lowest exponent of t in a, which may be a quotient of sums of rational powers of t
    with constant coefficients (Puiseux series); with neither, val(a) is 0. Variables are the generators, in order.
    val is multiplicative and val(a + b) ≥ min(val a, val b), so the tropicalisation of a product is the product, as
    functions (Gauss's lemma). Raises `Unsupported` for other coefficients, `InvalidInput` for p that is no prime.
    Source: Maclagan and Sturmfels, *Introduction to Tropical Geometry* (2015), §2.1, §3.1, with −val for min.

    >>> from sympy import Poly, symbols
    >>> x, t = symbols("x t", positive=True)
    >>> tropicalize(Poly(x**2 + 6 * x + 8, x), prime=2).coefficients
    array([ 0., -1., -3.])
    >>> str(tropicalize(Poly((1 + t) * x**2 + x / t + t**2, x), parameter=t))
    'max(2*x0, x0 + 1, -2)'
    """
    import sympy

    if not isinstance(polynomial, sympy.Poly):
        raise InvalidInput(f"expected a sympy.Poly, found {type(polynomial).__name__}: write Poly(expression, x, y)")
    if prime is not None and parameter is not None:
        raise InvalidInput("a prime and a parameter: one valuation at a time")
    if prime is not None and (isinstance(prime, bool) or not isinstance(prime, int) or not sympy.isprime(prime)):
        raise InvalidInput(f"{prime!r} is no prime")
    if parameter is not None and not isinstance(parameter, sympy.Symbol):
        raise InvalidInput(f"parameter {parameter!r}: expected a sympy symbol")
    if not all(isinstance(generator, sympy.Symbol) for generator in polynomial.gens) or parameter in polynomial.gens:
        raise Unsupported(f"generators {polynomial.gens}: expected symbols, other than the parameter")
    if polynomial.is_zero:
        return TropicalPolynomial.zero(len(polynomial.gens))
    rows = np.array(
        [[*map(Fraction, map(int, powers)), -_valuation(a, prime, parameter)] for powers, a in polynomial.terms()],
        dtype=object,
    )
    return TropicalPolynomial.from_rationals(Rationals.of(rows))


def degree(polynomial: TropicalPolynomial, variable: int | None) -> Fraction:
    """See `TropicalPolynomial.degree`."""
    if not len(polynomial):
        raise InvalidInput("the zero polynomial has no degree: it is -inf everywhere")
    if variable is not None and variable not in range(polynomial.dimension):
        raise InvalidInput(f"variable {variable!r}: the polynomial has variables 0 to {polynomial.dimension - 1}")
    exponents = polynomial.exact[:, :-1]
    totals = exponents.numerators.sum(axis=1) if variable is None else exponents.numerators[:, int(variable)]
    return Fraction(int(max(totals)), exponents.denominator)


def _valuation(coefficient: Any, prime: int | None, parameter: Any) -> Fraction:
    if parameter is not None:
        return _order(coefficient, parameter)
    if prime is None:
        return Fraction(0)
    if not coefficient.is_Rational:
        raise Unsupported(f"coefficient {coefficient}: p-adic valuations are those of rational numbers")
    return Fraction(_multiplicity(int(coefficient.p), prime) - _multiplicity(int(coefficient.q), prime))


def _multiplicity(number: int, prime: int) -> int:
    count = 0
    while number % prime == 0:
        number //= prime
        count += 1
    return count


def _order(expression: Any, t: Any) -> Fraction:
    """The lowest exponent of t in a quotient of sums of rational powers of t."""
    import sympy

    above, below = sympy.fraction(sympy.together(expression))
    return _lowest(above, t) - _lowest(below, t)


def _lowest(expression: Any, t: Any) -> Fraction:
    import sympy

    totals: dict[Any, Any] = {}
    for term in sympy.Add.make_args(sympy.expand(expression)):
        factor, power = term.as_coeff_exponent(t)
        if factor.has(t) or not power.is_Rational:
            raise Unsupported(f"{term} is no rational power of {t} times a constant: expand the series first")
        totals[power] = totals.get(power, sympy.Integer(0)) + factor
    for power in sorted(totals):
        total = sympy.expand(totals[power])
        vanishes = total.equals(0) if total.is_number else total.is_zero
        if vanishes is None:
            raise Unsupported(f"it is not known whether the coefficient {total} of {t}**({power}) is zero")
        if not vanishes:
            return Fraction(int(power.p), int(power.q))
    raise Unsupported(f"a coefficient of the polynomial is zero: {expression}")

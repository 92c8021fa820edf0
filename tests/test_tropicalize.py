"""Valuations of classical polynomials: roots with known valuations, Gauss's lemma, Puiseux series."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Poly, Rational, sqrt

from tropix import InvalidInput, TropicalPolynomial, Unsupported
from tropix.polynomials import tropicalize

X, Y = sympy.symbols("x y")
T = sympy.Symbol("t", positive=True)


def corners(f: TropicalPolynomial) -> dict[Fraction, int]:
    """Tropical roots of a polynomial in one variable with their multiplicities, from its pruned monomials."""
    rows = sorted(f.prune().exact.fractions().tolist())
    return {(a[1] - b[1]) / (b[0] - a[0]): int(b[0] - a[0]) for a, b in pairwise(rows)}


def valuation(a: Fraction, p: int) -> int:
    count = 0
    while a.numerator % p == 0:
        a, count = a / p, count + 1
    while a.denominator % p == 0:
        a, count = a * p, count - 1
    return count


roots = st.lists(
    st.tuples(st.integers(-36, 36).filter(bool), st.integers(1, 36)).map(lambda t: Fraction(*t)), min_size=1, max_size=5
)


@given(roots, st.sampled_from([2, 3, 5]))
def test_tropical_roots_are_valuations_of_roots(values: list[Fraction], p: int) -> None:
    """Newton's polygon: −val of each root, with multiplicity, is a corner."""
    product = sympy.prod([X - Rational(r.numerator, r.denominator) for r in values])
    f = tropicalize(Poly(product, X), prime=p)
    assert corners(f) == Counter(Fraction(-valuation(r, p)) for r in values)


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=3))
def test_puiseux_roots(parts: list[tuple[int, int, int]]) -> None:
    """Roots c·t^{a/b}(1 + t) have valuation a/b."""
    product = sympy.prod([X - c * T ** Rational(a, b) * (1 + T) for a, b, c in parts])
    f = tropicalize(Poly(product, X), parameter=T)
    assert corners(f) == Counter(Fraction(-a, b) for a, b, _ in parts)


coefficients = st.integers(-12, 12).map(sympy.Integer)


def dense(values: list[Any]) -> Poly:
    monomials = [1, X, Y, X * Y, X**2, Y**2]
    return Poly(sum(c * m for c, m in zip(values, monomials, strict=True)), X, Y)


@settings(max_examples=50)
@given(*[st.lists(coefficients, min_size=6, max_size=6).filter(any)] * 2, st.sampled_from([2, 3, None]))
def test_gauss_lemma(a: list[Any], b: list[Any], p: int | None) -> None:
    f, g = dense(a), dense(b)
    if p is not None:
        assert tropicalize(f * g, prime=p).equals(tropicalize(f, prime=p) * tropicalize(g, prime=p))
    f, g = (Poly(h.as_expr().subs(X, X + T**2).subs(Y, Y / T), X, Y) for h in (f, g))
    assert tropicalize(f * g, parameter=T).equals(tropicalize(f, parameter=T) * tropicalize(g, parameter=T))


def test_known_answers() -> None:
    line = Poly(X + 2 * Y + 4, X, Y)
    assert tropicalize(line, prime=2) == TropicalPolynomial([[1, 0], [0, 1], [0, 0]], [0, -1, -2])
    assert tropicalize(line) == TropicalPolynomial([[1, 0], [0, 1], [0, 0]], [0, 0, 0])
    half = tropicalize(Poly(X / 8 + Rational(3, 5), X), prime=2)
    assert half.coefficients.tolist() == [3.0, 0.0]
    series = Poly(sqrt(T) * X + (T + T**3) / (T**2 - T**5) + (1 + T) ** 2 - 1 - 2 * T, X)
    assert tropicalize(series, parameter=T) == TropicalPolynomial([[1], [0]], [Fraction(-1, 2), 1])
    cancelling = Poly(X + (1 + T) ** 2 - 1 - 2 * T, X)
    assert tropicalize(cancelling, parameter=T).coefficients.tolist() == [0.0, -2.0]
    hidden = sqrt(3 + 2 * sqrt(2)) - sqrt(2) - 1  # zero, which no expansion shows
    assert tropicalize(Poly(X + hidden * T + T**2, X), parameter=T).coefficients.tolist() == [0.0, -2.0]
    assert len(tropicalize(Poly(0, X, Y))) == 0
    assert tropicalize(Poly(0, X, Y)).dimension == 2
    assert tropicalize(Poly(sqrt(2) * X + 1, X), parameter=T).coefficients.tolist() == [0.0, 0.0]


def test_degree() -> None:
    f = TropicalPolynomial([[2, 0], [1, 3], [0, 0]], [0, -100, 5])
    assert [f.degree(), f.degree(0), f.degree(1)] == [4, 2, 3]
    far = np.array([[1e6, 1e6], [2e6, 2e6]])
    assert (f(far)[1] - f(far)[0]) / 1e6 == float(f.degree())
    assert TropicalPolynomial([[Fraction(1, 3)], [-1]], [0, 0]).degree() == Fraction(1, 3)
    assert (f * f).degree() == 2 * f.degree()
    assert TropicalPolynomial([[-2]], [0]).degree() == -2
    for variable in (2, -1, 0.5, "x"):
        with pytest.raises(InvalidInput, match="variables 0 to 1"):
            f.degree(variable)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="no degree"):
        TropicalPolynomial.zero(1).degree()


@pytest.mark.parametrize(
    ("polynomial", "options", "error", "message"),
    [
        (X + 1, {}, InvalidInput, r"expected a sympy\.Poly"),
        (Poly(X), {"prime": 4}, InvalidInput, "4 is no prime"),
        (Poly(X), {"prime": True}, InvalidInput, "no prime"),
        (Poly(X), {"prime": 2, "parameter": T}, InvalidInput, "one valuation"),
        (Poly(X), {"parameter": "t"}, InvalidInput, "expected a sympy symbol"),
        (Poly(X + 1 / X), {"prime": 2}, Unsupported, "generators"),
        (Poly(X + T), {"parameter": T}, Unsupported, "generators"),
        (Poly(sqrt(2) * X, X), {"prime": 2}, Unsupported, "rational numbers"),
        (Poly(sympy.exp(T) * X, X), {"parameter": T}, Unsupported, "no rational power"),
        (Poly(Y * X, X), {"parameter": T}, Unsupported, "not known whether the coefficient y"),
    ],
)
def test_what_is_refused(polynomial: Any, options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        tropicalize(polynomial, **options)

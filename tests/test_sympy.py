"""sympy in and out: exact, by evaluation in sympy's own arithmetic."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sympy import Abs, Max, Min, Rational
from test_parse import polynomials

import tropixc
from tropix import InvalidInput, TropicalPolynomial, TropicalRational, Unsupported
from tropix.exact import Rationals

X, Y = sympy.symbols("x y", real=True)
leaves = st.sampled_from([X, Y, sympy.Integer(2), Rational(-1, 3), sympy.Float(0.1), X - Y, 2 * X + 1])


def larger(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.tuples(st.sampled_from([Max, Min, sympy.Add]), st.lists(inner, min_size=2, max_size=3)).map(
            lambda t: t[0](*t[1])
        ),
        st.tuples(st.sampled_from([Rational(-1, 2), sympy.Integer(3)]), inner).map(lambda t: t[0] * t[1]),
        inner.map(Abs),
    )


@settings(max_examples=80)
@given(st.recursive(leaves, larger, max_leaves=5))
def test_expressions_are_read_as_sympy_evaluates_them(expression: Any) -> None:
    f = TropicalRational.from_sympy(expression, [X, Y])
    points = [(Fraction(a, 2), Fraction(b, 3)) for a in (-3, 1, 4) for b in (-5, 0, 2)]
    exact = expression.xreplace({n: Rational(n) for n in expression.atoms(sympy.Float)})
    for x, y in points:
        at = exact.subs({X: Rational(x.numerator, x.denominator), Y: Rational(y.numerator, y.denominator)})
        found = f(Rationals.of(np.array([[x, y]], dtype=object))).fractions()[0]
        assert sympy.simplify(at - Rational(found.numerator, found.denominator)) == 0


@settings(max_examples=50)
@given(polynomials(1, 2), polynomials(1, 2))
def test_out_and_in_again(p: TropicalPolynomial, q: TropicalPolynomial) -> None:
    symbols = sympy.symbols("x0 x1", real=True)
    assert TropicalPolynomial.from_sympy(p.to_sympy(), symbols).equals(p)
    assert TropicalPolynomial.from_sympy(p.to_sympy(["u", "v"]), sympy.symbols("u v", real=True)).equals(p)
    f = TropicalRational(p, q)
    # the comparison adds the exponents of both sides, and sums beyond float64 are refused
    assume(all(abs(number) < 1e300 for side in (p, q) for number in side.exact.floats().flat))
    assert TropicalRational.from_sympy(f.to_sympy([X, Y]), [X, Y]).equivalent(f)
    assert tropixc.to_sympy(f) == f.to_sympy()


def test_order_and_constants() -> None:
    x2, x10 = sympy.symbols("x2 x10")
    assert TropicalPolynomial.from_sympy(x10 * 2 + x2).exponents.tolist() == [[1, 2]]
    assert TropicalPolynomial.from_sympy(sympy.Float(0.1) * x2).exact.fractions()[0, 0] == Fraction(0.1)
    assert len(TropicalPolynomial.from_sympy(-sympy.oo)) == 0
    assert TropicalPolynomial.zero(2).to_sympy() == -sympy.oo
    assert TropicalPolynomial.from_sympy(sympy.Integer(3), [x2]).equals(TropicalPolynomial.constant(3, 1))


@pytest.mark.parametrize(
    ("expression", "error", "message"),
    [
        ("max(x, 0)", InvalidInput, "text is not interpreted"),
        (X * Y, Unsupported, "not piecewise linear"),
        (X**2, Unsupported, "not piecewise linear"),
        (sympy.pi * X, Unsupported, "not piecewise linear"),
        (sympy.Piecewise((X, X > 0), (0, True)), Unsupported, "not piecewise linear"),
        (Min(X, Y), InvalidInput, r"TropicalRational\.from_sympy"),
        (sympy.oo, InvalidInput, r"TropicalRational\.from_sympy"),
        (sympy.nan, InvalidInput, "no finite number"),
        (sympy.Float((0, 1, 10**15, 1)) * X, InvalidInput, "more than 65536 bits"),
        (sympy.Float((0, 1, -(10**15), 1)) + X, InvalidInput, "more than 65536 bits"),
        (X + sympy.Symbol("z"), InvalidInput, "z is none of the symbols"),
    ],
)
def test_what_is_refused(expression: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        TropicalPolynomial.from_sympy(expression, [X, Y])
    with pytest.raises(InvalidInput, match="distinct"):
        TropicalPolynomial.from_sympy(X, [X, X])

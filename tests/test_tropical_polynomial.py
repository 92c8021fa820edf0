"""Tropical polynomials: laws, evaluation as a homomorphism, exactness, errors."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tropix import InvalidInput, TropicalPolynomial
from tropix.exact import Rationals

small = st.integers(-4, 4).map(lambda k: k / 2)


@st.composite
def polynomials(draw: st.DrawFn, dimension: int = 2, most: int = 5) -> TropicalPolynomial:
    count = draw(st.integers(1, most))
    rows = draw(
        st.lists(st.lists(small, min_size=dimension + 1, max_size=dimension + 1), min_size=count, max_size=count)
    )
    table = np.array(rows)
    return TropicalPolynomial(table[:, :-1], table[:, -1])


POINTS = Rationals.of(np.random.default_rng(0).integers(-40, 41, size=(60, 2)) / 8)


@given(polynomials(), polynomials())
def test_evaluation_is_a_homomorphism(f: TropicalPolynomial, g: TropicalPolynomial) -> None:
    at_f, at_g = f(POINTS).fractions(), g(POINTS).fractions()
    assert list((f + g)(POINTS).fractions()) == [max(a, b) for a, b in zip(at_f, at_g, strict=True)]
    assert list((f * g)(POINTS).fractions()) == [a + b for a, b in zip(at_f, at_g, strict=True)]
    assert list((f ** Fraction(5, 3))(POINTS).fractions()) == [a * Fraction(5, 3) for a in at_f]


@settings(max_examples=40)
@given(polynomials(most=4), polynomials(most=4), polynomials(most=4))
def test_semiring_laws_as_functions(f: TropicalPolynomial, g: TropicalPolynomial, h: TropicalPolynomial) -> None:
    assert (f + g).equals(g + f)
    assert (f * g).equals(g * f)
    assert ((f + g) + h).equals(f + (g + h))
    assert ((f * g) * h).equals(f * (g * h))
    assert (f * (g + h)).equals(f * g + f * h)
    assert (f + TropicalPolynomial.zero(2)).equals(f)
    assert (f * TropicalPolynomial.constant(0.0, 2)).equals(f)
    assert (f + f).equals(f)


@settings(max_examples=40)
@given(polynomials(), polynomials(), st.integers(1, 4))
def test_frobenius(f: TropicalPolynomial, g: TropicalPolynomial, n: int) -> None:
    assert ((f + g) ** n).equals(f**n + g**n)
    repeated = f
    for _ in range(n - 1):
        repeated = repeated * f
    assert (f**n).equals(repeated)


@given(polynomials(), st.lists(small, min_size=6, max_size=6), st.lists(small, min_size=2, max_size=2))
def test_substitution(f: TropicalPolynomial, entries: list[float], offset: list[float]) -> None:
    matrix = np.array(entries).reshape(2, 3)
    points = np.random.default_rng(1).integers(-8, 9, size=(20, 3)) / 4
    inner = points @ matrix.T + offset
    assert f.substitute(matrix, offset)(Rationals.of(points)).equals(f(Rationals.of(inner)))


def test_operations_are_exact_beyond_float64() -> None:
    f = TropicalPolynomial([[1.0]], [1.0])
    g = TropicalPolynomial([[2.0**-60]], [2.0**-80])
    product = f * g
    assert product.exact.fractions()[0].tolist() == [1 + Fraction(1, 2**60), 1 + Fraction(1, 2**80)]
    assert product.exponents[0, 0] == 1.0
    assert not product.equals(f)
    assert (f ** Fraction(1, 3)).exact.fractions()[0].tolist() == [Fraction(1, 3), Fraction(1, 3)]


def test_float_evaluation_and_active_monomial() -> None:
    f = TropicalPolynomial([[0, 0], [1, 0], [0, 1], [1, 0]], [0, -1, -1, -1])
    assert f([[3.0, 0.0], [0.0, 0.0]]).tolist() == [2.0, 0.0]
    assert f.active([[3.0, 0.0], [0.0, 0.0]]).tolist() == [1, 0]
    assert f([3.0, 0.0]) == 2.0
    assert f(np.zeros((0, 2))).shape == (0,)
    assert f(np.asfortranarray(np.ones((4, 2)))).tolist() == [0.0] * 4


def test_the_zero_polynomial() -> None:
    zero = TropicalPolynomial([[1.0], [2.0]], [-np.inf, -np.inf])
    assert len(zero) == 0
    assert zero([[1.0]])[0] == -np.inf
    assert zero.active([[1.0]])[0] == -1
    assert len(zero.prune()) == 0
    assert zero.equals(TropicalPolynomial.zero(1))
    assert len(zero * TropicalPolynomial([[1.0]], [0.0])) == 0
    assert (zero**0)([[5.0]])[0] == 0.0
    with pytest.raises(InvalidInput, match="zero polynomial"):
        zero(Rationals.of([[1.0]]))


def test_minus_infinity_among_fractions() -> None:
    coefficients = np.array([Fraction(1, 3), -np.inf], dtype=object)
    assert len(TropicalPolynomial([[1], [2]], coefficients)) == 1


def test_equality_and_hash_are_about_the_monomials() -> None:
    f = TropicalPolynomial([[0.0], [1.0]], [0, 0])
    assert f == TropicalPolynomial([[-0.0], [1]], [0, -0.0])
    assert hash(f) == hash(TropicalPolynomial([[-0.0], [1]], [0, -0.0]))
    assert f != f.take([1, 0])
    assert f.equals(f.take([1, 0]))
    assert not f.equals(TropicalPolynomial([[0.0], [1.0]], [0, 2.0**-1000]))
    assert f.equals(TropicalPolynomial([[0.0]], [0.0]), box=(-2, -1))
    assert not f.equals(TropicalPolynomial([[0.0]], [0.0]), box=(-1, 1))
    assert f.equals(TropicalPolynomial([[3.0]], [-4.0]), box=(2, 2))


def test_objects_are_immutable() -> None:
    f = TropicalPolynomial([[1.0]], [0.0])
    with pytest.raises(ValueError, match="read-only"):
        f.exponents[0, 0] = 2.0
    with pytest.raises(AttributeError):
        f.exponents = np.zeros((1, 1))  # type: ignore[misc]


def test_callers_arrays_are_not_shared() -> None:
    weights = np.ones((1, 1))
    f = TropicalPolynomial(weights, [0.0])
    weights[0, 0] = 5.0
    assert f.exponents[0, 0] == 1.0


def test_deformation() -> None:
    f = TropicalPolynomial([[1.0], [-1.0]], [0.0, 0.5])
    points = np.linspace(-3, 3, 50)[:, None]
    gap = f.deform(0.3)(points) - f(points)
    assert (gap >= 0).all()
    assert (gap <= 0.3 * np.log(2) + 1e-15).all()
    assert f.deform(0.3).limit() == f


def test_lipschitz() -> None:
    f = TropicalPolynomial([[3.0, 4.0], [1.0, 0.0]], [0, 0])
    assert [f.lipschitz(p) for p in (1, 2, np.inf)] == [4.0, 5.0, 7.0]
    with pytest.raises(InvalidInput, match="norm"):
        f.lipschitz(0.5)


@pytest.mark.parametrize(
    ("exponents", "coefficients", "message"),
    [
        ([[1.0]], [0.0, 1.0], "1 exponent vectors but 2"),
        ([1.0], [0.0], "axes"),
        ([[np.nan]], [0.0], "NaN"),
        ([[np.inf]], [0.0], "inf"),
        ([[-np.inf]], [0.0], "-inf"),
        ([[1.0]], [np.inf], r"\+inf"),
        ([[1.0]], [np.nan], "NaN"),
        ([["a"]], [0.0], "real numbers"),
    ],
)
def test_bad_constructions(exponents: object, coefficients: object, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        TropicalPolynomial(exponents, coefficients)  # type: ignore[arg-type]


@pytest.mark.parametrize("points", [[[1.0]], [[1.0, np.nan]], [[np.inf, 0.0]], [[[1.0, 2.0]]], "x", 3.0])
def test_bad_points(points: object) -> None:
    with pytest.raises(InvalidInput, match="points"):
        TropicalPolynomial([[1.0, 2.0]], [0.0])(points)  # type: ignore[call-overload]


def test_bad_operands() -> None:
    f, g = TropicalPolynomial([[1.0]], [0.0]), TropicalPolynomial([[1.0, 2.0]], [0.0])
    with pytest.raises(InvalidInput, match="variables"):
        f + g
    with pytest.raises(InvalidInput, match="power"):
        f**-1
    with pytest.raises(InvalidInput, match="matrix"):
        f.substitute([[1.0], [2.0]], [0.0])
    with pytest.raises(InvalidInput, match="range of float64"):
        TropicalPolynomial([[1e308]], [0.0]) ** 10


def test_integers_beyond_float64_are_exact() -> None:
    assert TropicalPolynomial([[2**53 + 1]], [0]).exact.numerators[0, 0] == 2**53 + 1


@pytest.mark.parametrize(
    "bad", [[[1j]], [[True]], [["1"]], [[None]], [[1], [1, 2]], np.array([[1]], dtype="datetime64[s]")]
)
def test_what_is_no_number(bad: object) -> None:
    with pytest.raises(InvalidInput):
        TropicalPolynomial(bad, [0.0])  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        TropicalPolynomial([[1.0]], [0.0])(bad)  # type: ignore[call-overload]


def test_values_beyond_float64_are_refused_and_exact_ones_are_not() -> None:
    f = TropicalPolynomial([[1e308, -1e308, 1e308, -1e308]], [0])
    with pytest.raises(InvalidInput, match="range of float64"):
        f([[10.0] * 4])
    with pytest.raises(InvalidInput, match="range of float64"):
        f.deform(1.0).gradient([[10.0] * 4])
    assert f(Rationals.of([[10.0] * 4])).fractions().tolist() == [0]


def test_no_variables() -> None:
    f = TropicalPolynomial(np.zeros((2, 0)), [1.0, 2.0])
    assert f(np.zeros((3, 0))).tolist() == [2.0] * 3

"""Roots and factors in one variable against the dual subdivision, exact evaluation and classical roots."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tropix import InvalidInput, TropicalPolynomial, Unsupported
from tropix.exact import Rationals

quarter = st.integers(-12, 12).map(lambda k: Fraction(k, 4))


@st.composite
def polynomials(draw: st.DrawFn) -> TropicalPolynomial:
    table = np.array(draw(st.lists(st.tuples(quarter, quarter), min_size=1, max_size=8)), dtype=object)
    return TropicalPolynomial(table[:, :1], table[:, 1])


@given(polynomials())
def test_factors_multiply_back(f: TropicalPolynomial) -> None:
    factors = f.factor()
    assert factors.polynomial().equals(f)
    assert len(factors.polynomial()) == len(f.prune())
    points = [Fraction(k, 5) for k in range(-60, 61)] + [root.point for root in factors.roots]
    values = f(Rationals.of(np.array(points, dtype=object)[:, None])).fractions().tolist()
    for x, value in zip(points, values, strict=True):
        product = sum(root.multiplicity * max(x, root.point) for root in factors.roots)
        assert factors.coefficient + factors.power * x + product == value


@given(polynomials())
def test_roots_are_the_vertices_of_the_complex(f: TropicalPolynomial) -> None:
    subdivision = f.dual_subdivision()
    finite = [(root.point, root.multiplicity) for root in f.roots() if root.point != float("-inf")]
    if subdivision.dimension < 1:
        assert finite == []
    else:
        points = [row[0] for row in subdivision.vertices.tolist()]
        assert finite == sorted(zip(points, subdivision.volumes, strict=True))
    lowest = f.newton_polytope().vertices[0].fractions()[0]
    at_the_bottom = [root.multiplicity for root in f.roots() if root.point == float("-inf")]
    assert at_the_bottom == ([lowest] if lowest > 0 else [])


@given(polynomials(), polynomials())
def test_roots_of_a_product_are_those_of_the_factors(f: TropicalPolynomial, g: TropicalPolynomial) -> None:
    def jumps(*several: TropicalPolynomial) -> dict[Fraction | float, Fraction]:
        total: dict[Fraction | float, Fraction] = {}
        for h in several:
            for root in h.factor().roots:
                total[root.point] = total.get(root.point, Fraction(0)) + root.multiplicity
        return total

    assert jumps(f * g) == jumps(f, g)


def test_roots_are_the_valuations_of_classical_roots() -> None:
    """With coefficients t^c the classical roots have modulus about t^r for large t (Puiseux, Viro)."""
    coefficients = [0, 3, 1, 2, -4, 1]
    f = TropicalPolynomial([[j] for j in range(6)], coefficients)
    expected = sorted(float(root.point) for root in f.roots() for _ in range(int(root.multiplicity)))
    with mpmath.workdps(400):
        t = mpmath.mpf(10) ** 60
        signs = [1, -3, 2, 5, 1, -2]
        classical = mpmath.polyroots(
            [s * t**c for s, c in zip(signs[::-1], coefficients[::-1], strict=True)], maxsteps=2000, extraprec=2000
        )
        found = sorted(float(mpmath.log(abs(z)) / mpmath.log(t)) for z in classical)
    np.testing.assert_allclose(found, expected, atol=0.05)


def test_small_cases() -> None:
    zero = TropicalPolynomial.zero(1)
    assert zero.factor().polynomial() == zero
    with pytest.raises(InvalidInput, match="every point is a root"):
        zero.roots()
    assert TropicalPolynomial([[0]], [5]).roots() == ()
    assert TropicalPolynomial([[0]], [5]).factor().coefficient == 5
    (bottom,) = TropicalPolynomial([[1.5]], [5]).roots()
    assert (bottom.point, bottom.multiplicity) == (float("-inf"), Fraction(3, 2))
    laurent = TropicalPolynomial([[-2], [1], [1], [0]], [0, -7, 3, -9])
    assert [(root.point, root.multiplicity) for root in laurent.roots()] == [(-1, 3)]
    assert laurent.factor().power == -2
    for call in ("roots", "factor"):
        with pytest.raises(Unsupported, match="2 variables"):
            getattr(TropicalPolynomial([[1, 2]], [0]), call)()

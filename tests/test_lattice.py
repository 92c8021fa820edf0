"""Max–min forms: the same function, decided exactly; order statistics, whose form is known."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tropix import Box, InvalidInput, Polyhedron, TropicalPolynomial, TropicalRational, Unsupported, equivalent
from tropix.exact import Rationals
from tropix.polynomials import LatticeForm, _lattice, lattice_form


def rational(rng: np.random.Generator, dimension: int, most: int = 4) -> TropicalRational:
    def side() -> TropicalPolynomial:
        count = int(rng.integers(1, most + 1))
        rows = rng.integers(-4, 5, size=(count, dimension + 1))
        return TropicalPolynomial(rows[:, :-1] / 2, rows[:, -1] / 2)

    return TropicalRational(side(), side())


def by_hand(form: LatticeForm, points: Rationals) -> list[Fraction]:
    """max min of the pieces in Python's fractions."""
    pieces = form.pieces.fractions()
    return [
        max(min(sum(c * v for c, v in zip(pieces[j], [*x, 1], strict=True)) for j in s) for s in form.sets)
        for x in points.fractions().tolist()
    ]


@settings(max_examples=50)
@given(st.integers(0, 10**6), st.integers(1, 3), st.sampled_from([None, (-1.0, 2.0), (0.0, np.inf), (0.5, 0.5)]))
def test_the_form_is_the_function(seed: int, dimension: int, box: Any) -> None:
    rng = np.random.default_rng(seed)
    f = rational(rng, dimension)
    form = lattice_form(f, box)
    low, high = (-4, 4) if box is None else (2 * box[0], min(2 * box[1], 8))
    points = Rationals.of(rng.integers(int(low), int(high) + 1, size=(30, dimension)) / 2)
    expected = f(points).fractions().tolist()
    assert by_hand(form, points) == expected
    assert form(points).fractions().tolist() == expected
    np.testing.assert_allclose(form(points.floats()), np.array(expected, dtype=float), rtol=1e-14)
    assert equivalent(form.to_rational(), f, box)
    assert equivalent(TropicalRational.parse(str(form)), f, box)


@settings(max_examples=30)
@given(st.integers(0, 10**6))
def test_pieces_are_the_affine_maps_of_the_function(seed: int) -> None:
    """In one variable: slopes and constants seen between neighbouring points of a fine grid."""
    f = rational(np.random.default_rng(seed), 1)
    steps = Rationals.of(np.arange(-20 * 840, 20 * 840 + 1, 97)[:, None] / 840.0)
    x, v = steps.fractions()[:, 0], f(steps).fractions()
    seen: dict[tuple[Fraction, Fraction], int] = {}
    for i in range(len(x) - 2):
        slope = (v[i + 1] - v[i]) / (x[i + 1] - x[i])
        if v[i + 2] - v[i + 1] == slope * (x[i + 2] - x[i + 1]):
            key = slope, v[i] - slope * x[i]
            seen[key] = seen.get(key, 0) + 1
    pieces = {tuple(row) for row in lattice_form(f).pieces.fractions().tolist()}
    assert {key for key, count in seen.items() if count > 1} <= pieces
    for term in lattice_form(f).sets:
        assert term == tuple(sorted(set(term)))


@pytest.mark.parametrize(("count", "rank"), [(3, 1), (3, 2), (4, 2), (4, 3), (4, 4)])
def test_order_statistics(count: int, rank: int) -> None:
    """The rank-th largest of n inputs is the maximum over subsets of that size of the minimum."""
    names = [f"x{i}" for i in range(count)]
    terms = [f"min({', '.join(s)})" for s in combinations(names, rank)]
    f = TropicalRational.parse(f"max({', '.join(terms)})", names)
    form = lattice_form(f)
    assert len(form.pieces) == count
    assert sorted(len(s) for s in form.sets) == [rank] * len(terms)
    assert len(set(form.sets)) == len(terms)
    x = np.random.default_rng(0).normal(size=(20, count))
    np.testing.assert_array_equal(form(x), np.sort(x, axis=1)[:, -rank])


def test_convex_concave_and_affine() -> None:
    convex = TropicalPolynomial.parse("max(x, -x, 2*x - 3)")
    assert lattice_form(convex).sets == ((0,), (1,), (2,))
    concave = TropicalRational.parse("min(x, -x)")
    assert lattice_form(concave).sets == ((0, 1),)
    line = TropicalRational.parse("max(x, 0) - max(-x, 0)")
    form = lattice_form(line)
    assert str(form) == "x0"
    assert repr(form) == "<LatticeForm: 1 minima of 1 pieces in 1 variables>"
    assert form.to_rational().size == (1, 1)
    assert form([2.5]) == 2.5
    constant = lattice_form(TropicalPolynomial.constant(Fraction(1, 3), 2))
    assert str(constant) == "0*x0 + 0*x1 + 1/3"
    assert constant(Rationals.of([[1, 2]])).fractions().tolist() == [Fraction(1, 3)]


def test_cells_in_which_pieces_cross() -> None:
    """The set of all pieces that are larger on a whole cell of this function has a minimum that is not below it."""
    top = TropicalPolynomial(
        [[-1, 2, -1], [-3, 0, 3], [0, 2, 1], [-2, -2, 2], [-1, -2, 2]],
        [1, -3, 3, 2, 0],
    )
    f = TropicalRational(top, TropicalPolynomial([[3, 1, -3], [2, -3, -3], [3, -3, -3]], [-2, -3, 3]))
    form = lattice_form(f)
    points = Rationals.of(np.random.default_rng(0).integers(-24, 25, (2000, 3)) / 4)
    assert form(points).equals(f(points))
    assert by_hand(form, points) == f(points).fractions().tolist()
    assert equivalent(form.to_rational(), f)


@pytest.mark.parametrize(
    ("text", "box"),
    [
        (
            "max(-2*x0 - x1 - 1, 2*x0, x0 + x1 + 2) - max(2*x0 + 2*x1, x0 + 2*x1 + 1, -2*x0 - x1 - 2)",
            Box.of((-1, 1), 2),
        ),
        ("max(2*x0, x0 - 2*x1 + 2) - max(-2*x0 + x1 + 1, x0 - 2*x1 - 2)", Polyhedron.where([[1, 1]], [1], (-2, 2))),
    ],
)
def test_the_domain_bounds_the_cells(text: str, box: Box) -> None:
    f = TropicalRational.parse(text)
    grid = np.array(np.meshgrid(*[np.linspace(-2, 2, 33)] * 2)).reshape(2, -1).T
    points = Rationals.of(grid[box.contains(grid)])
    assert lattice_form(f, box)(points).equals(f(points))


def test_on_a_box_only_its_pieces_occur() -> None:
    f = TropicalRational.parse("max(x, 0) - max(x - 1, 0)")
    assert len(lattice_form(f).pieces) == 3
    assert str(lattice_form(f, (0.0, 1.0))) == "x0"
    assert str(lattice_form(f, (-5.0, 0.5))) in ("max(x0, 0)", "max(0, x0)")


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    f = rational(np.random.default_rng(8), 2)
    form = lattice_form(f)
    assert len(form.sets) > 1
    monkeypatch.setattr(_lattice, "MAX_EXPANSION", 2)
    with pytest.raises(Unsupported, match="more than 2 monomials"):
        form.to_rational()
    monkeypatch.setattr(_lattice, "MAX_QUESTIONS", 1)
    with pytest.raises(Unsupported, match="more than 1 pairs"):
        lattice_form(f)
    monkeypatch.setattr(_lattice, "MAX_PRODUCT", 1)
    with pytest.raises(Unsupported, match="candidate cells, more than 1: take a smaller box"):
        lattice_form(f)
    for sets in ((), ((),), ((0, 7),), ((-1,),)):
        with pytest.raises(InvalidInput, match="nonempty"):
            LatticeForm(Rationals.of([[1, 0]]), sets)

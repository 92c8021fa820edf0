"""Interpolation: exact at every point, or a certificate; convexity against scipy's linear programs."""

from __future__ import annotations

import pickle
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from tropix import InvalidInput, TropicalPolynomial
from tropix.exact import Rationals
from tropix.polynomials import NotConvex, _interpolation, interpolate


def interpolates(points: object, values: object) -> TropicalPolynomial:
    f = interpolate(points, values)  # type: ignore[arg-type]
    assert f(Rationals.of(points)).equals(Rationals.of(values))  # type: ignore[arg-type]
    assert len(f) <= len(Rationals.of(values))
    return f


def convex(points: np.ndarray, values: np.ndarray) -> bool:
    """For each point: no convex combination of points with that mean has a smaller mean value (HiGHS)."""
    equations = np.vstack([points.T, np.ones(len(points))])
    for x, v in zip(points, values, strict=True):
        answer = linprog(values, A_eq=equations, b_eq=np.append(x, 1.0))
        if answer.fun < v - 1e-7:
            return False
    return True


@settings(max_examples=80)
@given(st.integers(0, 10**6), st.integers(1, 3), st.integers(1, 9), st.booleans())
def test_data_on_a_grid(seed: int, dimension: int, count: int, bent: bool) -> None:
    """Small integers: ties, repeated and collinear points are the rule; half of the data are convex by construction."""
    rng = np.random.default_rng(seed)
    points = rng.integers(-2, 3, size=(count, dimension))
    slopes = rng.integers(-2, 3, size=(4, dimension))
    values = (points @ slopes.T + rng.integers(-2, 3, size=4)).max(axis=1)
    if bent:
        values = values + rng.integers(0, 2, size=count)
    expected = convex(points, values)
    assert expected or bent
    if expected:
        interpolates(points, values)
    else:
        with pytest.raises(NotConvex) as refused:
            interpolate(points, values)
        assert refused.value.verify(points, values)


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.integers(1, 5))
def test_floats_and_rationals(seed: int, dimension: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(40, dimension)) * 10.0 ** rng.integers(-3, 4)
    exact = Rationals.of(points)
    squares = Rationals.of((exact * exact).fractions().sum(axis=1))
    f = interpolates(exact, squares)
    rounded = np.array([float(v) for v in squares.fractions()])
    if convex(points / np.abs(points).max(), rounded / rounded.max()):
        interpolates(points, rounded)
    inside = exact.fractions().sum(axis=0) / 40
    assert f(Rationals.of(inside[None, :])).fractions()[0] <= squares.fractions().sum() / 40


def test_known_answers() -> None:
    grid = np.stack(np.meshgrid(np.arange(-3, 4), np.arange(-3, 4)), axis=-1).reshape(-1, 2)
    f = interpolates(grid, np.abs(grid).sum(axis=1))
    assert f.equals(TropicalPolynomial([[1, 1], [1, -1], [-1, 1], [-1, -1]], [0, 0, 0, 0]))
    line = interpolates([[0], [Fraction(1, 3)], [1]], [0, Fraction(1, 3), 1])
    assert line == TropicalPolynomial([[1]], [0])
    on_a_line = np.column_stack([np.arange(6), 2 * np.arange(6)])
    interpolates(on_a_line, (np.arange(6) - 2) ** 2)
    interpolates(np.zeros((3, 0)), [2, 2, 2])
    interpolates([[1, 2]], [5])
    interpolates([[0], [0]], [1, 1])
    assert len(interpolate(np.zeros((0, 2)), [])) == 0
    steep = interpolates([[0.0], [1e-200], [1.0]], [0.0, 0.0, 1e300])
    assert steep.exponents.max() >= 1e300


def test_certificates() -> None:
    points, values = [[0, 0], [2, 0], [0, 2], [1, 1]], [0, 1, 1, 2]
    with pytest.raises(NotConvex, match=r"point 3 = 1/2 \* point \d \+ 1/2 \* point \d, but its value") as refused:
        interpolate(points, values)
    claim = refused.value
    assert (claim.index, sorted(claim.support), set(claim.weights)) == (3, [1, 2], {Fraction(1, 2)})
    again = pickle.loads(pickle.dumps(claim))
    assert again.verify(points, values)
    assert not claim.verify(points, [0, 1, 1, 1])
    assert not claim.verify([[0, 0], [2, 0], [0, 3], [1, 1]], values)
    half = Fraction(1, 2)
    assert not NotConvex(3, (1, 2), (Fraction(1), Fraction(1))).verify(points, values)
    assert not NotConvex(3, (1, 2, 0), (half, half, Fraction(-0))).verify(points, [0, 2, 2, 2])
    assert not NotConvex(3, (0, 1), (-half, Fraction(3, 2))).verify(points, values)
    assert not NotConvex(3, (1,), (half, half)).verify(points, values)
    with pytest.raises(NotConvex) as twice:
        interpolate([[0], [0]], [0, 1])
    assert twice.value.verify([[0], [0]], [0, 1])


def test_the_exact_simplex_method_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without proposals, and with proposals that are wrong, the answer is right."""
    rng = np.random.default_rng(3)
    points = rng.integers(-3, 4, size=(12, 2))
    for proposed in (lambda *_: None, lambda *_: None):
        monkeypatch.setattr(_interpolation._Faces, "_proposed", proposed)
        interpolates(points, (points**2).sum(axis=1))
        monkeypatch.setattr(_interpolation._Faces, "_tangent", proposed)
    interpolates(points, (points**2).sum(axis=1))
    with pytest.raises(NotConvex):
        interpolate(points, -(points**2).sum(axis=1))


def test_long_numbers_do_not_pile_up() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(300, 3))
    f = interpolates(points, (points**2).sum(axis=1))
    assert f.exact.denominator.bit_length() < 2 * _interpolation.SHORT


def test_bad_shapes() -> None:
    with pytest.raises(InvalidInput, match=r"points \(2,\) and values \(2,\)"):
        interpolate([1, 2], [1, 2])
    with pytest.raises(InvalidInput, match="NaN"):
        interpolate([[np.nan]], [1.0])


def test_a_proof_needs_weights_of_sum_one() -> None:
    points, values = [[0], [0]], [1, 1]
    assert not NotConvex(0, (1,), (Fraction(1, 2),)).verify(points, values)
    assert not NotConvex(0, (1,), (Fraction(1),)).verify(points, values)
    assert NotConvex(0, (1,), (Fraction(1),)).verify(points, [1, 0])

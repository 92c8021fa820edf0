"""The convex calculus against brute force on grids, closed forms and exact arithmetic."""

from __future__ import annotations

from fractions import Fraction

import cvxpy
import numpy as np
import pytest

from tropix import InvalidInput, LogSumExp, TropicalPolynomial
from tropix.convex import (
    Posynomial,
    TropicalConjugate,
    biconjugate,
    conjugate,
    fenchel_young,
    infimal_convolution,
    normal_cone,
    perspective,
    proximal,
    recession,
    subdifferential,
)


def functions(dimension: int) -> list[LogSumExp | TropicalPolynomial]:
    rng = np.random.default_rng(dimension)
    weights, bias = rng.normal(size=(9, dimension)), rng.normal(size=9)
    return [LogSumExp(weights, bias, 0.4), LogSumExp(weights, bias, 0.0), TropicalPolynomial(weights, bias)]


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_biconjugate_is_the_function(kind: int) -> None:
    f = functions(2)[kind]
    points = np.random.default_rng(0).normal(size=(6, 2))
    lower, upper = biconjugate(f, points)
    np.testing.assert_allclose(upper, f(points), rtol=1e-15)
    np.testing.assert_allclose(lower, upper, atol=1e-10)
    assert (lower <= upper + 1e-12).all()


def test_subdifferential_and_its_inequality() -> None:
    f = TropicalPolynomial([[0, 0], [1, 0], [0, 1], [2, 2]], [0, 0, 0, -3])
    at_origin = subdifferential(f, [0.0, 0.0])
    assert at_origin.vertices.floats().tolist() == [[0, 0], [0, 1], [1, 0]]
    assert subdifferential(f, [0.5, -1.0]).vertices.floats().tolist() == [[1, 0]]
    tenth = TropicalPolynomial([[0], [3]], [0, -0.3])
    assert len(subdifferential(tenth, [0.1]).vertices) == 1  # 3·0.1 is not 0.3 in rational arithmetic
    points = np.random.default_rng(1).normal(size=(50, 2)) * 3
    for corner in at_origin.vertices.floats():
        assert (f(points) >= float(f([0.0, 0.0])) + points @ corner - 1e-12).all()
    with pytest.raises(InvalidInput, match="gradient"):
        subdifferential(LogSumExp([[0.0]], [0.0], 1.0), [0.0])


def test_normal_cones_of_a_square() -> None:
    f = TropicalPolynomial([[0, 0], [2, 0], [0, 2], [2, 2], [1, 1]], np.zeros(5))
    assert normal_cone(f, [2.0, 2.0]).rays == ((0, 1), (1, 0))
    assert normal_cone(f, [2.0, 1.0]).rays == ((1, 0),)
    assert normal_cone(f, [1.0, 1.0]).rays == ()
    assert normal_cone(TropicalPolynomial([[0, 0], [1, 1]], [0, 0]), [0.5, 0.5]).lineality in (((1, -1),), ((-1, 1),))
    with pytest.raises(InvalidInput, match="outside"):
        normal_cone(f, [2.0, 2.1])


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_perspective_and_recession(kind: int) -> None:
    f = functions(2)[kind]
    points = np.random.default_rng(2).normal(size=(5, 2))
    np.testing.assert_allclose(perspective(f, points, 2.0), 2 * f(points / 2), rtol=1e-14)
    np.testing.assert_allclose(perspective(f, points, 1e-9), perspective(f, points, 0.0), atol=1e-7)
    weights = f.exponents if isinstance(f, TropicalPolynomial) else f.weights
    np.testing.assert_allclose(recession(f)(points), (points @ weights.T).max(axis=1), rtol=1e-14)
    with pytest.raises(InvalidInput, match="t >= 0"):
        perspective(f, points, -1.0)


def test_fenchel_young_of_the_logistic_loss() -> None:
    """Of Σ-softmax: f(x) + f*(e_k) − x_k = −log softmax(x)_k."""
    f = LogSumExp(np.eye(3), np.zeros(3), 1.0)
    x = np.array([[0.3, -1.0, 2.0], [0.0, 0.0, 0.0]])
    truth = -np.log(f.gibbs(x)[:, 1])
    np.testing.assert_allclose(fenchel_young(f, x, np.tile([0.0, 1.0, 0.0], (2, 1))), truth, atol=1e-13)
    np.testing.assert_allclose(fenchel_young(f, x, f.gradient(x)), 0, atol=1e-13)
    assert np.isposinf(fenchel_young(f, x[0], [1.0, 1.0, 0.0]))


@pytest.mark.parametrize("kind", [0, 1, 2])
@pytest.mark.parametrize("t", [0.1, 2.0])
def test_proximal_map_against_a_grid(kind: int, t: float) -> None:
    f = functions(1)[kind]
    for x in (-1.0, 0.2, 3.0):
        answer = proximal(f, [x], t)
        grid = np.linspace(x - 5, x + 5, 200_001)[:, None]
        values = f(grid) + (grid[:, 0] - x) ** 2 / (2 * t)
        assert values.min() - 1e-4 <= answer.envelope <= values.min() + 1e-10
        assert answer.point[0] == pytest.approx(grid[values.argmin(), 0], abs=2e-4)
        assert 0 <= answer.gap <= 1e-9
        # Moreau: prox of f and of f* add up, x = prox_{tf}(x) + t·prox_{f*/t}(x/t), whose second part is Wᵀp
        weights = f.exponents if isinstance(f, TropicalPolynomial) else f.weights
        assert answer.point[0] + t * float(answer.p @ weights[:, 0]) == pytest.approx(x, abs=1e-9)


def test_infimal_convolution() -> None:
    f, g = LogSumExp([[0.0], [1.0]], [0, 0], 0.5), LogSumExp([[-1.0], [0.7]], [0.2, 0], 0.3)
    answer = infimal_convolution(f, g, [0.4])
    grid = np.linspace(-20, 20, 400_001)
    brute = (f(grid[:, None]) + g(0.4 - grid[:, None])).min()
    assert answer.upper == pytest.approx(brute, abs=1e-7)
    assert answer.lower <= answer.upper + 1e-12
    assert answer.upper - answer.lower <= 1e-7
    apart = infimal_convolution(f, LogSumExp([[5.0], [6.0]], [0, 0], 0.3), [0.0])
    assert (answer.lower > -np.inf, apart.upper) == (True, -np.inf)


def test_posynomials() -> None:
    f = LogSumExp([[1.0, -0.5], [0.0, 2.0], [0.0, 0.0]], [0.3, -0.2, 0.1], 0.5)
    posynomial = Posynomial.of(f)
    x = np.random.default_rng(3).normal(size=(4, 2))
    np.testing.assert_allclose(posynomial(np.exp(x / 0.5)), np.exp(f(x) / 0.5), rtol=1e-13)
    back = posynomial.to_lse(0.5)
    np.testing.assert_allclose(back(x), f(x), atol=1e-14)
    t = cvxpy.Variable(2, pos=True)
    expression = posynomial.to_cvxpy(t)
    assert expression.is_dgp()
    problem = cvxpy.Problem(cvxpy.Minimize(expression), [t[0] >= 2, t[1] >= 0.1])
    problem.solve(gp=True)
    u = cvxpy.Variable(2)
    from tropix.convex import as_cvxpy

    other = cvxpy.Problem(cvxpy.Minimize(as_cvxpy(f, u)), [u[0] >= 0.5 * np.log(2), u[1] >= 0.5 * np.log(0.1)])
    assert 0.5 * np.log(problem.value) == pytest.approx(other.solve(), abs=1e-6)
    with pytest.raises(InvalidInput, match="eps = 0"):
        Posynomial.of(LogSumExp(f.weights, f.bias, 0.0))


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_precomputed_hull_and_linear_program_agree(dimension: int) -> None:
    rng = np.random.default_rng(dimension)
    f = TropicalPolynomial(rng.integers(-4, 5, size=(25, dimension)), rng.normal(size=25))
    hull = TropicalConjugate(f)
    points = np.concatenate(
        [rng.dirichlet(np.ones(25), size=8) @ f.exponents, f.exponents[:4], rng.normal(size=(6, dimension)) * 9]
    )
    expected = conjugate(f, points)
    np.testing.assert_allclose(hull(points), expected.value, atol=1e-11)
    inside = np.isfinite(expected.value)
    x = hull.maximiser(points[inside])
    np.testing.assert_allclose((x * points[inside]).sum(axis=1) - f(x), expected.value[inside], atol=1e-11)
    assert hull(points[0]).shape == ()


def test_precomputed_hull_of_a_flat() -> None:
    f = TropicalPolynomial([[0, 0], [1, 1], [2, 2]], [0, Fraction(1, 2), 0])
    hull = TropicalConjugate(f)
    assert hull([[1.0, 1.0], [0.5, 0.5], [0.5, 0.6]]).tolist() == [-0.5, -0.25, np.inf]
    with pytest.raises(InvalidInput, match="zero polynomial"):
        TropicalConjugate(TropicalPolynomial.zero(2))

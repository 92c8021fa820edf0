"""Linear systems, spans and hulls against enumeration on small grids."""

from __future__ import annotations

from fractions import Fraction
from itertools import product as every
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from matrices import ARITHMETICS, INF, SEMIRINGS

from tropix.linalg import (
    Divergent,
    convex_hull_vertices,
    exact,
    extreme_generators,
    in_convex_hull,
    least_solution,
    matmul,
    project,
    residuate,
    separate,
    solve,
    two_sided,
)

GRID = [-INF, -2.0, -1.0, 0.0, 1.0, 2.0]


def small(rng: np.random.Generator, *shape: int, finite: float = 0.75, span: int = 1) -> np.ndarray:
    a = rng.integers(-span, span + 1, size=shape).astype(float)
    a[rng.random(shape) > finite] = -INF
    return a


@pytest.mark.parametrize("semiring", SEMIRINGS)
@pytest.mark.parametrize("arithmetic", ["float64", "float32", "exact", "sparse"])
def test_solvability_against_all_points_of_a_grid(arithmetic: str, semiring: Any) -> None:
    rng, seen = np.random.default_rng(0), {True: 0, False: 0}
    points = np.array(list(every(GRID, repeat=2))).T
    for _ in range(80):
        a, b = small(rng, 3, 2), small(rng, 3, finite=0.9)
        sign = 1 if semiring == "max" else -1
        given = ARITHMETICS[arithmetic](sign * a)
        answer = solve(given, ARITHMETICS["exact" if arithmetic == "exact" else "float64"](sign * b), semiring)
        # differences of entries in −1 … 1 stay in −2 … 2, so that the grid holds a solution if there is one
        images = np.maximum(a[:, :1] + points[0], a[:, 1:] + points[1])
        assert bool(answer) is bool((images == b[:, None]).all(axis=0).any())
        seen[bool(answer)] += 1
        reached = matmul(given, answer.principal, semiring)
        assert np.flatnonzero(reached != sign * b).tolist() == answer.uncovered.tolist()
        for i in answer.uncovered:
            assert not (images[i][(images <= b[:, None]).all(axis=0)] == b[i]).any()
    assert min(seen.values()) > 5


def test_solvability_is_decided_beyond_rounding() -> None:
    a, x = np.array([[0.1], [0.2]]), 0.3
    rounded = a[:, 0] + x  # the two sums round differently
    assert Fraction(0.1) + Fraction(rounded[1]) != Fraction(0.2) + Fraction(rounded[0])
    assert not solve(a, rounded)
    assert solve(exact(a), exact(a)[:, 0] + Fraction(x))


def test_residuals_may_be_the_dual_infinity() -> None:
    a = np.array([[-INF, 1.0], [-INF, 2.0]])
    x = residuate(a, [3.0, -INF])
    assert x.tolist() == [INF, -INF]
    assert matmul(a, x).tolist() == [-INF, -INF]
    assert residuate(exact(a), exact([3.0, -INF])).tolist() == [INF, -INF]
    assert residuate(a, [INF, 0.0]).tolist() == [INF, -2.0]
    assert residuate(-a, [-3.0, INF], "min").tolist() == [-INF, INF]
    assert residuate(np.zeros((0, 2)), np.zeros(0)).tolist() == [INF, INF]
    big = exact([[0.0, INF]]) * (1 << 60)
    assert matmul(big, exact([-INF, -INF])).tolist() == [-INF]
    assert matmul(big, exact([-INF, 0.0])).tolist() == [INF]


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("semiring", SEMIRINGS)
def test_two_sided_systems_against_a_grid(semiring: Any, same: bool) -> None:
    rng, seen = np.random.default_rng(2), {"solution": 0, "only trivial": 0}
    values = [-INF, *np.arange(-4.0, 5.0)]
    grid = np.array([p for p in every(values, repeat=2) if max(p) > -INF]).T
    sign = 1 if semiring == "max" else -1
    for _ in range(60):
        a, b = small(rng, 2, 2, finite=0.8, span=2), small(rng, 2, 2, finite=0.8, span=2)
        left = np.maximum(a[:, :1] + grid[0], a[:, 1:] + grid[1])
        right = np.maximum(b[:, :1] + grid[0], b[:, 1:] + grid[1])
        if same:
            exists = bool((left == right).all(axis=0).any())
        else:
            images = {tuple(column) for column in right.T} | {(-INF, -INF)}
            exists = any(tuple(column) in images for column in left.T)
        for p, q in ((sign * a, sign * b), (exact(sign * a), exact(sign * b))):
            answer = two_sided(p, q, semiring, same=same)
            assert answer.status == ("solution" if exists else "only trivial")
            if exists:
                assert np.isfinite(answer.x.astype(float)).any()
                image = matmul(exact(sign * a), answer.x, semiring)
                assert image.tolist() == matmul(exact(sign * b), answer.y, semiring).tolist()
                assert not same or answer.x.tolist() == answer.y.tolist()
        seen[answer.status] += 1
    assert min(seen.values()) > 3


def test_two_sided_systems_with_fractions_and_limits() -> None:
    half = exact([[0.5, -0.25], [0.0, 1.0]])
    answer = two_sided(half, half)
    assert (answer.status, answer.iterations) == ("solution", 0)
    a, b = [[0, 1000], [0, 0]], [[1, 0], [0, 0]]
    assert two_sided(a, b).status == "solution"
    slow = two_sided([[0, -INF], [-INF, 0]], [[-INF, 1], [1, -INF]])
    assert slow.status == "only trivial"
    creeping = (np.array([[0, 100], [1, 101]]), np.array([[-1, 0], [0, 0]]))
    full = two_sided(*creeping)
    cut = two_sided(*creeping, limit=0)
    assert full.status != "iteration limit"
    assert cut.status == "iteration limit"
    assert two_sided(*creeping, time_limit=0.0).status == "time limit"


def test_projections_and_separating_halfspaces() -> None:
    rng, outside = np.random.default_rng(3), 0
    for semiring, sign in (("max", 1), ("min", -1)):
        for _ in range(40):
            a, y = small(rng, 3, 2, span=3), small(rng, 3, finite=0.9, span=3)
            p = project(sign * a, sign * y, semiring)
            assert (sign * p <= y).all()
            assert project(sign * a, p, semiring).tolist() == p.tolist()
            halfspace = separate(sign * a, sign * y, semiring)
            assert (halfspace is None) is bool(solve(sign * a, sign * y, semiring))
            if halfspace is None:
                continue
            outside += 1
            assert sign * y not in halfspace
            for x in every(GRID, repeat=2):
                assert matmul(sign * a, sign * np.array(x), semiring) in halfspace
    assert outside > 20


def test_extreme_generators_span_everything_and_none_is_redundant() -> None:
    rng = np.random.default_rng(4)
    for semiring, sign in (("max", 1), ("min", -1)):
        for _ in range(30):
            a = sign * small(rng, 3, 5, span=2)
            kept = list(extreme_generators(a, semiring))
            for j in range(5):
                assert solve(a[:, kept], a[:, j], semiring)
            for j in kept:
                assert not solve(a[:, [k for k in kept if k != j]], a[:, j], semiring)
    assert extreme_generators(np.zeros((3, 0))) == ()
    assert extreme_generators(np.full((2, 2), -INF)) == ()
    assert extreme_generators([[0, 1], [0, 1]]) == (1,)


def test_tropical_convex_hulls() -> None:
    rng = np.random.default_rng(5)
    grid = [np.array(p) for p in every(range(-3, 4), repeat=2)]
    for _ in range(10):
        points = rng.integers(-2, 3, size=(3, 2))
        weights = [np.array(w) for w in every([-INF, -4, -3, -2, -1, 0], repeat=3) if max(w) == 0]
        hull = {tuple((w[:, None] + points).max(axis=0)) for w in weights}
        for y in grid:
            answer = in_convex_hull(points, y)
            assert bool(answer) is (tuple(y) in hull)
            assert bool(in_convex_hull(-points, -y, "min")) is bool(answer)
        vertices = list(convex_hull_vertices(points))
        assert all(in_convex_hull(points[vertices], p) for p in points)
        for v in vertices:
            assert not in_convex_hull(points[[u for u in vertices if u != v]].reshape(-1, 2), points[v])


def test_solutions_of_two_sided_systems_may_need_zeros() -> None:
    """x₀ = x₁ + 1 and x₁ = x₀ + 1 leave −∞ only, which iterates approach for ever."""
    z = -INF
    a, b = [[0, z, z], [z, 0, z]], [[z, 1, z], [1, z, z]]
    answer = two_sided(a, b)
    assert answer.status == "solution"
    assert answer.x.tolist() == [z, z, 0]
    assert two_sided(a, b, limit=1).status == "iteration limit"


def test_what_follows_from_zeros_in_a_two_sided_system() -> None:
    """As above, and x₂ ⊕ x₀ ⊗ 9 = x₂ ⊗ (−3) ⊕ x₃: with x₀ = −∞ still to be met."""
    z = -INF
    a, b = [[0, z, z, z], [z, 0, z, z], [9, z, 0, z]], [[z, 1, z, z], [1, z, z, z], [z, z, -3, 0]]
    answer = two_sided(a, b, limit=60)
    assert answer.status == "solution"
    assert answer.x.tolist()[:2] == [z, z]
    assert matmul(np.array(a), answer.x.astype(float)).tolist() == matmul(np.array(b), answer.x.astype(float)).tolist()


def test_sparse_integers_are_decided_exactly() -> None:
    """0 → 2 → 0 has weight 1, which the slack of floats for entries of this size hides."""
    heights = np.array([57, -62, -6]) << 40
    a = heights[:, None] - heights + np.array([[-1, -1, 1], [0, 0, -2], [0, 0, 0]])
    for given in (a, sp.csr_array((a.ravel(), np.indices(a.shape).reshape(2, -1)), shape=a.shape)):
        with pytest.raises(Divergent) as caught:
            least_solution(given, np.zeros(3, dtype=int))
        assert caught.value.mean == Fraction(1, 2)


def test_mixed_operands_are_decided_before_rounding() -> None:
    third = 1 / 3
    assert not solve([[Fraction(1, 3)], [0]], np.array([third, 0.0]))
    assert solve(exact([[third], [0]]), np.array([third, 0.0]))
    assert not in_convex_hull(np.array([[2**53 + 1, 0]]), np.array([2.0**53, 0.0]))
    assert solve(sp.csr_array([[1.0], [2.0]]), [3, 4])


def test_separation_is_decided_beyond_rounding() -> None:
    point = [0.2, 0.1 + 0.2]  # in floats 0.2 ⊗ (0, 0.1)
    wall = separate([[0.0], [0.1]], point)
    assert wall is not None
    assert point not in wall


def test_unused_columns_of_a_two_sided_system_have_finite_coefficients() -> None:
    found = two_sided([[1]], [[0, -INF]], same=False)
    assert found.status == "solution"
    assert found.y[0] == found.x[0] + 1
    assert found.y[1] < INF

"""Linear algebra over S_ε: against the real matrices exp(A/ε), mpmath, and the sandwich with the limit."""

from __future__ import annotations

import math
from itertools import permutations

import mpmath
import numpy as np
import pytest
from matrices import INF

from tropix.errors import InvalidInput, Unsupported
from tropix.linalg import (
    Divergent,
    add,
    adjugate,
    barvinok_rank,
    critical_graph,
    determinant,
    eigenvalue,
    least_solution,
    matmul,
    plus,
    power,
    project,
    residuate,
    solve,
    spectrum,
    star,
    transient,
    tropical_rank,
    two_sided,
)
from tropix.semirings import MAX_PLUS, MIN_PLUS, Deformed

TEMPERATURES = [1e-3, 0.05, 1.0, 30.0]
SLACK = 1e-12


def cases(count: int, seed: int, finite: float = 0.7) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        n = int(rng.integers(1, 6))
        a = np.where(rng.random((n, n)) < finite, rng.normal(size=(n, n)), -INF)
        if rng.random() < 0.5:
            a = np.rint(a)
        found.append(a)
    return found


def precise(a: np.ndarray, eps: float) -> mpmath.matrix:
    """exp(A/ε) with many digits."""
    return mpmath.matrix([[mpmath.exp(mpmath.mpf(float(v)) / eps) if v > -INF else 0 for v in row] for row in a])


def logarithm(value: mpmath.mpf, eps: float) -> float:
    return float(eps * mpmath.log(value)) if value > 0 else -INF


@pytest.mark.parametrize("eps", TEMPERATURES)
def test_products_and_powers(eps: float) -> None:
    ring = Deformed(eps)
    for a, b in zip(cases(15, 0), cases(15, 0)[::-1], strict=True):
        n = min(len(a), len(b))
        a, b = a[:n, :n], b[:n, :n]
        with mpmath.workdps(40):
            image = precise(a, eps) * precise(b, eps)
            cube = precise(a, eps) ** 3
            expected = [[logarithm(image[i, j], eps) for j in range(n)] for i in range(n)]
            third = [[logarithm(cube[i, j], eps) for j in range(n)] for i in range(n)]
        np.testing.assert_allclose(matmul(a, b, ring), expected, rtol=1e-12, atol=SLACK)
        np.testing.assert_allclose(matmul(a, b[:, 0], ring), np.array(expected)[:, 0], rtol=1e-12, atol=SLACK)
        np.testing.assert_allclose(power(a, 3, ring), third, rtol=1e-12, atol=SLACK)
        for smooth, limit, bound in (
            (matmul(a, b, ring), matmul(a, b), eps * math.log(n)),
            (power(a, 3, ring), power(a, 3), 2 * eps * math.log(n)),
            (add(a, b, ring), add(a, b), eps * math.log(2)),
        ):
            finite = limit > -INF
            assert ((smooth > -INF) == finite).all()
            gap = (smooth[finite] - limit[finite]) if finite.any() else np.zeros(1)
            assert gap.min() >= -SLACK
            assert gap.max() <= bound + SLACK


@pytest.mark.parametrize("eps", [0.02, *TEMPERATURES[1:]])
def test_stars_are_neumann_series(eps: float) -> None:
    ring, existing = Deformed(eps), 0
    for a in cases(40, 1):
        a = a - 1.5 - (eps if eps < 2 else 60.0)
        n = len(a)
        root = eigenvalue(a, ring).value
        if root > -1e-9:
            if root > 1e-9:
                with pytest.raises(Divergent, match="eigenvalue over S_eps"):
                    star(a, ring)
            continue
        existing += 1
        with mpmath.workdps(400):
            whole = (mpmath.eye(n) - precise(a, eps)) ** -1
            expected = [[logarithm(whole[i, j], eps) for j in range(n)] for i in range(n)]
        result = star(a, ring)
        np.testing.assert_allclose(result, expected, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(plus(a, ring), matmul(a, result, ring), rtol=1e-9, atol=1e-9)
        b = np.arange(n) - 1.0
        np.testing.assert_allclose(least_solution(a, b, ring), matmul(result, b, ring), rtol=1e-9, atol=1e-9)
        limit = star(a)
        assert (result >= limit - 1e-9).all()
        best = eigenvalue(a)
        if best.value > -INF and n * math.exp(best.value / eps) < 1:
            v, ratio = best.potential, math.exp(best.value / eps)
            roof = v[:, None] - v + eps * math.log1p(ratio / (1 - n * ratio))
            assert (result <= roof + 1e-9).all()
    assert existing > 10


@pytest.mark.parametrize("eps", TEMPERATURES)
def test_eigenvalues_are_perron_roots(eps: float) -> None:
    ring = Deformed(eps)
    for a in cases(40, 2):
        n = len(a)
        result, limit = eigenvalue(a, ring), eigenvalue(a)
        if limit.value == -INF:
            assert result.value == -INF
            continue
        assert -SLACK <= result.value - limit.value <= eps * math.log(n) + SLACK
        assert result.gap <= 1e-9 * max(1.0, eps)
        shifted = np.exp((a - limit.value) / min(eps, 1e300)) if eps >= 0.05 else None
        if shifted is not None:
            root = np.abs(np.linalg.eigvals(shifted)).max()
            assert result.value == pytest.approx(limit.value + eps * math.log(root), abs=1e-6)
        x = result.potential
        nodes = np.flatnonzero(x > -INF)
        image = matmul(a[np.ix_(nodes, nodes)], x[nodes], ring)
        np.testing.assert_allclose(image, x[nodes] + result.value, atol=1e-8 * max(1.0, eps))


@pytest.mark.parametrize("eps", TEMPERATURES)
def test_determinants_are_permanents(eps: float) -> None:
    for a in cases(20, 3):
        n, result, limit = len(a), determinant(a, Deformed(eps)), determinant(a)
        if limit.value == -INF:
            assert result.value == -INF
            continue
        terms = np.array([sum(a[i, p[i]] for i in range(n)) for p in permutations(range(n))])
        top = terms.max()
        expected = top + eps * math.log(np.exp((terms - top) / eps).sum())
        assert result.value == pytest.approx(expected, abs=1e-10)
        assert -SLACK <= result.value - limit.value <= eps * math.log(math.factorial(n)) + SLACK
        assert (result.permutation, result.singular) == (limit.permutation, limit.singular)


def test_small_entries_of_a_star_keep_their_digits() -> None:
    a = np.array([[-1.0, -400.0], [-INF, -2.0]])
    result = star(a, Deformed(1.0))
    expected = -400.0 - math.log1p(-math.exp(-1.0)) - math.log1p(-math.exp(-2.0))
    assert result[0, 1] == pytest.approx(expected, rel=1e-14)
    assert result[1, 0] == -INF


def test_what_does_not_exist_over_s_eps_is_refused() -> None:
    ring, a = Deformed(1.0), np.zeros((2, 2))
    for call in (
        lambda: residuate(a, a, ring),
        lambda: solve(a, a[0], ring),
        lambda: two_sided(a, a, ring),
        lambda: project(a, a, ring),
        lambda: adjugate(a, ring),
        lambda: spectrum(a, ring),
        lambda: critical_graph(a, ring),
        lambda: transient(a, ring),
        lambda: tropical_rank(a, ring),
        lambda: barvinok_rank(a, ring),
    ):
        with pytest.raises(Unsupported, match="S_eps"):
            call()
    with pytest.raises(Unsupported, match="permanent"):
        determinant(np.zeros((21, 21)), ring)


def test_semirings_may_be_objects() -> None:
    a = np.array([[0.0, 3.0], [1.0, 2.0]])
    assert matmul(a, a, MAX_PLUS).tolist() == matmul(a, a, "max").tolist()
    assert matmul(a, a, MIN_PLUS).tolist() == matmul(a, a, "min").tolist()


def test_a_series_that_diverges_by_its_sums_alone() -> None:
    with pytest.raises(Divergent, match="eigenvalue over S_eps") as caught:
        star(np.full((2, 2), -0.1), Deformed(1.0))
    assert caught.value.mean == pytest.approx(math.log(2) - 0.1)


def test_temperatures_that_leave_the_floats() -> None:
    apart = np.array([[-1.0, -INF, 0.0], [-INF, -INF, -1000.0], [-INF, -1000.0, -INF]])
    assert eigenvalue(apart, Deformed(1e-3)).value == -1.0  # the other component vanishes
    with pytest.raises(InvalidInput, match="overflow"):
        star([[-INF, 1e300], [-INF, -INF]], Deformed(1e-20))

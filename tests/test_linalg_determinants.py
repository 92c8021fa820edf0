"""Determinants, ranks and independence against enumeration of permutations, minors and coefficients."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations, permutations
from itertools import product as every
from typing import Any

import numpy as np
import pytest
from matrices import ARITHMETICS, INF, SEMIRINGS, random_matrices
from scipy.optimize import linear_sum_assignment

from tropix.errors import Unsupported
from tropix.linalg import (
    adjugate,
    barvinok_rank,
    determinant,
    exact,
    identity,
    independent,
    kapranov_rank,
    matmul,
    tropical_rank,
)
from tropix.linalg._factorization import potentials
from tropix.linalg._minors import both_parities


def sums(a: np.ndarray) -> list[Any]:
    n = len(a)
    return [sum((a[i, p[i]] for i in range(n)), 0) for p in permutations(range(n))]


def best(a: np.ndarray) -> tuple[Any, bool]:
    """The determinant and whether the matrix is singular, by all permutations."""
    values = sums(a)
    top = max(values)
    return top, top == -INF or values.count(top) > 1


@pytest.mark.parametrize("semiring", SEMIRINGS)
@pytest.mark.parametrize("arithmetic", ["float64", "float32", "exact", "thirds", "beyond 2^53", "sparse"])
def test_determinants_and_adjugates(arithmetic: str, semiring: Any) -> None:
    scale = {"thirds": Fraction(1, 3), "beyond 2^53": 1 << 60}.get(arithmetic, 1)
    sign = 1 if semiring == "max" else -1
    for a in random_matrices(40, 0, finite=0.75, span=3):
        given, n = ARITHMETICS[arithmetic](sign * a), len(a)
        result = determinant(given, semiring)
        value, singular = best(exact(a) * scale if n else a)
        assert result.value == sign * value
        assert result.singular is singular
        adjoint = adjugate(given, semiring)
        for i in range(n):
            for j in range(n):
                minor = np.delete(np.delete(exact(a) * scale, j, axis=0), i, axis=1)
                assert float(adjoint[i, j]) == pytest.approx(float(sign * best(minor)[0]), abs=1e-12)
        if value == -INF:
            assert result.permutation is None
            continue
        check_permutations(exact(a) * scale, result, value)
        entries, rows, columns = exact(a) * scale, result.rows * sign, result.columns * sign
        for i in range(n):
            for j in range(n):
                assert entries[i, j] <= rows[i] + columns[j]
        assert sum(rows) + sum(columns) == value


def check_permutations(a: np.ndarray, result: Any, value: Any) -> None:
    assert result.permutation is not None
    found = [result.permutation] if result.second is None else [result.permutation, result.second]
    assert len(set(found)) == (2 if result.singular else 1)
    for permutation in found:
        assert sorted(permutation) == list(range(len(a)))
        assert sum(a[i, j] for i, j in enumerate(permutation)) == value


def test_adjugates_times_the_matrix() -> None:
    for a in random_matrices(30, 1, 4, finite=0.8):
        det = determinant(a).value
        image = matmul(a, adjugate(a))
        assert (image.diagonal() == det).all()
        assert (image >= identity(len(a)) + (det if det > -INF else -INF)).all()


def test_singularity_is_decided_beyond_rounding() -> None:
    a = np.array([[0.1, 0.3], [0.3, 0.5]])  # 0.1 + 0.5 and 0.3 + 0.3 agree in floats
    assert 0.1 + 0.5 == 0.3 + 0.3
    assert Fraction(0.1) + Fraction(0.5) != 2 * Fraction(0.3)
    result = determinant(a)
    assert not result.singular
    assert result.permutation == ((0, 1) if Fraction(0.1) + Fraction(0.5) > 2 * Fraction(0.3) else (1, 0))
    tie = np.array([[0.5, 0.25], [0.75, 0.5]])
    assert determinant(tie).singular


def test_large_determinants_are_assignment_problems() -> None:
    rng = np.random.default_rng(2)
    for a in (rng.normal(size=(60, 60)), rng.integers(0, 9, size=(60, 60)).astype(float), np.zeros((40, 40))):
        rows, columns = linear_sum_assignment(a, maximize=True)
        result = determinant(a)
        assert result.value == pytest.approx(a[rows, columns].sum())
        # potentials prove optimality without any solver
        n = len(a)
        slack = result.rows[:, None] + result.columns[None, :] - exact(a)
        assert (slack >= 0).all()
        assert (slack[np.arange(n), list(result.permutation)] == 0).all()
    assert determinant(np.zeros((40, 40))).singular
    assert not determinant(rng.normal(size=(60, 60))).singular


def test_the_empty_matrix() -> None:
    result = determinant(np.zeros((0, 0)))
    assert (result.value, result.permutation, result.singular) == (0.0, (), False)
    for rank in (tropical_rank, barvinok_rank, kapranov_rank):
        for shape in ((0, 0), (0, 3), (2, 0)):
            assert (rank(np.zeros(shape)).lower, rank(np.zeros(shape)).upper) == (0, 0)
        zero = rank(np.full((2, 3), -INF))
        assert (zero.lower, zero.upper) == (0, 0)


def minors_rank(a: np.ndarray) -> int:
    m, n = a.shape
    return max(
        (
            k
            for k in range(min(m, n) + 1)
            for rows in combinations(range(m), k)
            for columns in combinations(range(n), k)
            if not best(a[np.ix_(rows, columns)])[1]
        ),
        default=0,
    )


@pytest.mark.parametrize("semiring", SEMIRINGS)
def test_tropical_ranks(semiring: Any) -> None:
    rng, sign = np.random.default_rng(3), 1 if semiring == "max" else -1
    seen = set()
    for _ in range(60):
        a = rng.integers(0, 3, size=rng.integers(1, 5, size=2)).astype(float)
        a[rng.random(a.shape) > 0.85] = -INF
        rank = tropical_rank(sign * a, semiring)
        assert rank.decided
        assert rank.lower == minors_rank(a)
        assert rank.minor is not None
        assert not best(a[np.ix_(*rank.minor)])[1]
        seen.add(rank.lower)
    assert {1, 2, 3} <= seen
    with pytest.raises(Unsupported, match="minors"):
        tropical_rank(np.zeros((11, 11)))


def test_barvinok_ranks() -> None:
    rng = np.random.default_rng(4)
    for _ in range(40):
        k = int(rng.integers(1, 4))
        left, right = rng.integers(-3, 4, size=(4, k)), rng.integers(-3, 4, size=(k, 4))
        a = matmul(left, right)
        rank = barvinok_rank(a)
        assert rank.decided
        assert rank.upper <= k
        assert rank.factors is not None
        assert matmul(*rank.factors).tolist() == a.tolist()
        assert tropical_rank(a).lower <= rank.lower
        assert (barvinok_rank(-a, "min").upper, rank.upper == 1) == (rank.upper, tropical_rank(a).upper == 1)
    for _ in range(20):
        a = rng.integers(0, 3, size=(3, 3)).astype(float)
        a[rng.random((3, 3)) > 0.8] = -INF
        rank = barvinok_rank(a)
        assert rank.decided
        assert matmul(*rank.factors).tolist() == exact(a).tolist() or rank.upper == 0
        assert (rank.upper <= 2) is of_factor_rank_two(a)


def of_factor_rank_two(a: np.ndarray) -> bool:
    """Whether a 3×3 matrix with entries in 0 … 2 and −∞ is B ⊗ C with two inner indices: by residuation over a grid.

    C may be scaled so that its rows have maximum 0, then to entries of B's greatest solution; differences of entries
    that matter stay within −8 … 0.
    """
    values = [-INF, *range(-4, 1)]
    rows = [np.array(r) for r in every(values, repeat=3) if max(r) == 0]
    covers = []
    for row in rows:
        with np.errstate(invalid="ignore"):
            u = np.where(row == -INF, INF, a - row).min(axis=1)
        covers.append((u[:, None] + row == a).ravel() if (u < INF).all() else np.zeros(9, dtype=bool))
        covers[-1] |= (a == -INF).ravel()
    unique = np.unique(np.array(covers), axis=0)
    return bool((unique[:, None] | unique[None]).all(axis=2).any())


def test_ranks_differ_where_the_literature_says_so() -> None:
    """The cocircuit matrix of the Fano plane has tropical rank 3 and Kapranov rank 4 (Develin, Santos, Sturmfels)."""
    lines = [(0, 1, 2), (0, 3, 4), (0, 5, 6), (1, 3, 5), (1, 4, 6), (2, 3, 6), (2, 4, 5)]
    fano = np.zeros((7, 7), dtype=int)
    for line, points in enumerate(lines):
        fano[list(points), line] = 1
    assert tropical_rank(fano, "min").lower == 3
    kapranov = kapranov_rank(fano, "min", limit=300)
    assert kapranov.lower == 3
    assert kapranov.upper >= 4
    # minus the unit matrix: tropical rank 2, Barvinok rank grows (Develin, Santos, Sturmfels, Proposition 2.2)
    for n, expected in ((3, 3), (4, 4), (5, 4), (6, 4)):
        a = np.zeros((n, n), dtype=int)
        np.fill_diagonal(a, 1)
        rank = barvinok_rank(a, "min")
        assert tropical_rank(a, "min").lower == 2
        assert kapranov_rank(a, "min").upper == 2
        assert (rank.lower, rank.upper) == (expected, expected)


def test_bounds_where_the_search_is_cut() -> None:
    a = np.random.default_rng(6).integers(0, 9, size=(5, 5))
    rank = barvinok_rank(a, limit=1)
    assert rank.lower <= rank.upper <= 5
    full = barvinok_rank(a)
    assert rank.lower <= full.lower <= full.upper <= rank.upper


KINDS: list[Any] = ["weak", "gondran-minoux", "strong"]


def relations(a: np.ndarray, kind: str) -> bool:
    """Whether coefficients on a grid make the columns dependent."""
    n = a.shape[1]
    values = [-INF, *np.arange(-4.0, 5.0)]
    grid = np.array([x for x in every(values, repeat=n) if max(x) == 0])
    terms = a[None] + grid[:, None, :]
    if kind == "strong":
        ordered = np.sort(terms, axis=2)
        return bool((ordered[:, :, -1] == ordered[:, :, -2]).all(axis=1).any()) if n > 1 else bool((a == -INF).all())
    sizes = [1] if kind == "weak" else range(1, n)
    for size in sizes:
        for left in combinations(range(n), size):
            right = [j for j in range(n) if j not in left]
            both = terms[:, :, list(left)].max(axis=2, initial=-INF), terms[:, :, right].max(axis=2, initial=-INF)
            agree = (both[0] == both[1]).all(axis=1)
            if kind == "weak":
                agree &= grid[:, left[0]] > -INF
            if agree.any():
                return True
    return bool(kind != "weak" and n == 1 and (a == -INF).all())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("semiring", SEMIRINGS)
def test_independence_against_all_coefficients_of_a_grid(semiring: Any, kind: Any) -> None:
    rng, sign = np.random.default_rng(7), 1 if semiring == "max" else -1
    seen = {True: 0, False: 0}
    for shape in [(2, 2), (3, 2), (3, 3), (4, 3), (2, 3), (2, 1)] * 8:
        a = rng.integers(0, 3, size=shape).astype(float)
        a[rng.random(shape) > 0.85] = -INF
        answer = independent(sign * a, kind, semiring)
        assert bool(answer) is not relations(a, kind), a
        seen[bool(answer)] += 1
        if answer.coefficients is not None:
            x, given = answer.coefficients, exact(sign * a)
            assert np.isfinite(x.astype(float)).any()
            assert set(answer.left).isdisjoint(answer.right)
            sides = [matmul(given[:, list(s)], x[list(s)], semiring).tolist() for s in (answer.left, answer.right)]
            assert sides[0] == sides[1]
    assert min(seen.values()) > 5


def test_kinds_of_independence_imply_each_other() -> None:
    rng = np.random.default_rng(8)
    for _ in range(60):
        a = rng.integers(0, 3, size=(3, 3))
        strong, middle, weak = (bool(independent(a, kind)) for kind in reversed(KINDS))
        assert strong <= middle <= weak
    square = np.array([[0, 0, 0], [0, 1, 2], [0, 2, 4]])
    assert bool(independent(square, "strong"))


def test_parities_of_optimal_permutations() -> None:
    def parity(p: tuple[int, ...]) -> int:
        return sum(p[i] > p[j] for i in range(len(p)) for j in range(i + 1, len(p))) % 2

    for a in random_matrices(80, 9, 5, finite=0.8, span=2):
        values: list[Any] = [-INF, -INF]
        for p, value in zip(permutations(range(len(a))), sums(a), strict=True):
            values[parity(p)] = max(values[parity(p)], value)
        assert both_parities(a) is bool(values[0] == values[1])


def test_entries_that_fit_in_pairs_but_not_together() -> None:
    a = exact([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
    diagonal = [(0, 0), (1, 1), (2, 2)]
    assert all(potentials(a, list(pair)) is not None for pair in combinations(diagonal, 2))
    assert potentials(a, diagonal) is None
    rank = barvinok_rank(a)
    assert rank.decided
    assert rank.factors is not None
    assert matmul(*rank.factors).tolist() == a.tolist()
    # the transposed permutation matrix of these signs holds the same in every order of entries
    for order in permutations(range(3)):
        assert barvinok_rank(a[list(order)]).upper == rank.upper


def test_many_entries_leave_bounds_of_the_barvinok_rank() -> None:
    large = np.add.outer(np.arange(29), np.arange(29))
    found = barvinok_rank(large)
    assert (found.lower, found.upper) == (1, 29)
    assert "finite entries" in found.reason
    assert barvinok_rank(large[:, :27]).upper == 1


def test_tall_matrices_may_be_dependent_in_the_sense_of_gondran_and_minoux() -> None:
    columns = [[0, 0, -1, -1, -2], [-1, -2, 0, 0, 0], [0, -1, 0, -2, 0], [-2, 0, -1, 0, -1]]
    a = np.array(columns).T  # the maximum of two is that of the two others
    assert independent(a, "weak")
    found = independent(a, "gondran-minoux")
    assert not found
    x = found.coefficients
    sides = [matmul(a[:, part], x[list(part)]).tolist() for part in (found.left, found.right)]
    assert sides[0] == sides[1]

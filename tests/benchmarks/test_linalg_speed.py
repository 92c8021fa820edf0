"""Speed of linear algebra, as ratios to a peer in the same run. Command: python -m pytest tests/benchmarks -s

Nothing here asserts a time; the ratios are for reading. Needs the extra ``bench``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import linear_sum_assignment
from scipy.sparse.csgraph import floyd_warshall
from timing import best_time

from tropix import linalg
from tropix.semirings import Deformed


def report(benchmark: Any, what: str, ours: Callable[[], object], peer: Callable[[], object], name: str) -> None:
    reference = best_time(peer, 1)
    benchmark.pedantic(ours, rounds=3, warmup_rounds=1)
    ratio = reference / benchmark.stats.stats.min
    benchmark.extra_info["ratio"] = ratio
    print(f"\n{what}: {1000 * benchmark.stats.stats.min:.1f} ms, {ratio:.1f} times as fast as {name}")


@pytest.mark.parametrize("n", [500, 1000, 2000])
def test_eigenvalue_by_howard_against_karp(benchmark: Any, n: int) -> None:
    a = np.random.default_rng(0).normal(size=(n, n))
    report(
        benchmark,
        f"eigenvalue, n={n}",
        lambda: linalg.eigenvalue(a),
        lambda: linalg.eigenvalue(a, method="karp"),
        "Karp",
    )


def test_eigenvalue_of_a_sparse_matrix(benchmark: Any) -> None:
    n, rng = 20_000, np.random.default_rng(1)
    rows, columns = np.repeat(np.arange(n), 10), rng.integers(0, n, size=10 * n)
    columns[::10] = (np.arange(n) + 1) % n
    a = sp.coo_array((rng.normal(size=10 * n), (rows, columns)), shape=(n, n)).tocsr()
    small = a[:4000, :4000]
    report(
        benchmark,
        f"sparse eigenvalue, n={n}, 10 a row",
        lambda: linalg.eigenvalue(a),
        lambda: linalg.eigenvalue(small, method="karp"),
        "Karp at n=4000",
    )


@pytest.mark.parametrize("n", [500, 1000])
def test_proved_eigenvalue(benchmark: Any, n: int) -> None:
    a = np.random.default_rng(0).normal(size=(n, n))
    report(
        benchmark,
        f"eigenvalue proved in rational arithmetic, n={n}",
        lambda: linalg.eigenvalue(a, exact=True),
        lambda: linalg.eigenvalue(a, method="karp"),
        "Karp in floats",
    )


@pytest.mark.parametrize("n", [500, 1000])
def test_star_against_floyd_warshall(benchmark: Any, n: int) -> None:
    a = -np.random.default_rng(2).random((n, n)) - 0.01
    report(benchmark, f"star, n={n}", lambda: linalg.star(a), lambda: floyd_warshall(-a), "scipy floyd_warshall")


@pytest.mark.parametrize("n", [200, 1000])
def test_determinant_against_the_assignment_alone(benchmark: Any, n: int) -> None:
    a = np.random.default_rng(3).normal(size=(n, n))
    report(
        benchmark,
        f"determinant with its proof, n={n}",
        lambda: linalg.determinant(a),
        lambda: linear_sum_assignment(a, maximize=True),
        "scipy linear_sum_assignment without one",
    )


def test_deformed_star_against_an_inverse(benchmark: Any) -> None:
    n = 200
    a = np.random.default_rng(4).normal(size=(n, n)) - 10.0
    report(
        benchmark,
        f"star over S_1, n={n}",
        lambda: linalg.star(a, Deformed(1.0)),
        lambda: np.log(np.linalg.inv(np.eye(n) - np.exp(a))),
        "log of numpy's inverse",
    )

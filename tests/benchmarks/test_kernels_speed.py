"""Speed of the kernels, as ratios to peers and to the vector units themselves in the same run.

Command: python -m pytest tests/benchmarks/test_kernels_speed.py -s. Nothing here asserts a time.
Memory is measured in test_speed.py.
GF/s counts an addition and a maximum for each term: 2 n m K per product.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest
from numba import njit
from scipy.sparse.csgraph import floyd_warshall
from scipy.special import logsumexp
from timing import best_time

from tropix import kernels
from tropix.kernels._max_plus_tiles import max_plus_tile
from tropix.kernels._simd import ROWS, TILE_BYTES

DEPTH = 128


@njit(nogil=True)
def _one_tile(a: Any, b: Any, c: Any, repeats: int) -> None:
    for _ in range(repeats):
        max_plus_tile(a, 0, b, 0, DEPTH, c, 0, TILE_BYTES // a.itemsize)


def peak(kind: type) -> float:
    """GF/s of the tile alone, again and again on operands in the first-level cache: adds and maxima in registers."""
    tile = TILE_BYTES // np.dtype(kind).itemsize
    a, b, c = np.ones(ROWS * DEPTH, kind), np.ones(tile * DEPTH, kind), np.zeros(ROWS * tile, kind)
    repeats = 20_000
    return 2 * ROWS * tile * DEPTH * repeats / best_time(lambda: _one_tile(a, b, c, repeats), 5) / 1e9


def matrices(n: int, kind: type = np.float64) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, n)).astype(kind), rng.normal(size=(n, n)).astype(kind)


def numpy_rows(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The fastest way in NumPy: a row of the result at a time, in one working array."""
    columns, out, sums = np.ascontiguousarray(b.T), np.empty((len(a), b.shape[1])), np.empty(b.T.shape)
    for i, row in enumerate(a):
        np.add(columns, row, out=sums)
        np.max(sums, axis=1, out=out[i])
    return out


def numpy_terms(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Another: a term of all sums at a time."""
    out, sums = np.full((len(a), b.shape[1]), -np.inf), np.empty((len(a), b.shape[1]))
    for k in range(len(b)):
        np.add(a[:, k, None], b[k], out=sums)
        np.maximum(out, sums, out=out)
    return out


def speed(n: int, seconds: float) -> float:
    return 2 * n**3 / seconds / 1e9


@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize("n", [256, 1000, 1024, 2048, 4096])
def test_product_against_the_peak(benchmark: Any, n: int, kind: type) -> None:
    a, b = matrices(n, kind)
    limit = peak(kind)
    two = speed(n, best_time(lambda: kernels.max_plus_product(a, b, threads=2), 2))
    benchmark.pedantic(lambda: kernels.max_plus_product(a, b, threads=1), rounds=3, warmup_rounds=1)
    one = speed(n, benchmark.stats.stats.min)
    limit = max(limit, peak(kind))
    benchmark.extra_info.update(peak=limit, one=one, two=two)
    print(
        f"\n{kind.__name__}, n={n}: {one:.1f} GF/s on one thread, {100 * one / limit:.0f} % of the peak {limit:.1f}; "
        f"two threads {two / one:.2f} times that"
    )


@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize("n", [1024, 2048])
def test_product_with_indices_against_the_peak(benchmark: Any, n: int, kind: type) -> None:
    a, b = matrices(n, kind)
    limit = peak(kind)
    benchmark.pedantic(lambda: kernels.max_plus_product_argmax(a, b, threads=1), rounds=3, warmup_rounds=1)
    one = speed(n, benchmark.stats.stats.min)
    benchmark.extra_info.update(peak=limit, one=one)
    print(f"\nargmax, {kind.__name__}, n={n}: {one:.1f} GF/s, {100 * one / limit:.0f} % of the peak {limit:.1f}")


def test_product_against_numpy_and_a_library(benchmark: Any) -> None:
    n = 1024
    a, b = matrices(n)
    peers = {"NumPy by rows": lambda: numpy_rows(a, b), "NumPy by terms": lambda: numpy_terms(a, b)}
    if importlib.util.find_spec("tropical_gemm"):
        import tropical_gemm

        peers["tropical_gemm"] = lambda: tropical_gemm.maxplus_matmul_2d_f64(a, b)
    times = {name: best_time(peer, 1) for name, peer in peers.items()}
    benchmark.pedantic(lambda: kernels.max_plus_product(a, b, threads=1), rounds=5, warmup_rounds=1)
    for name, reference in times.items():
        ratio = reference / benchmark.stats.stats.min
        benchmark.extra_info[name] = ratio
        print(f"\nn={n}, one thread: {ratio:.1f} times as fast as {name} ({speed(n, reference):.2f} GF/s)")


@pytest.mark.parametrize("n", [500, 1000, 2000])
@pytest.mark.parametrize("threads", [1, 2])
def test_star_against_scipy(benchmark: Any, n: int, threads: int) -> None:
    a = -np.random.default_rng(0).random((n, n)) * 10
    reference = best_time(lambda: floyd_warshall(-a), 1)
    benchmark.pedantic(lambda: kernels.max_plus_star(a, threads=threads), rounds=3, warmup_rounds=1)
    ratio = reference / benchmark.stats.stats.min
    benchmark.extra_info["ratio"] = ratio
    print(f"\nstar, n={n}, {threads} threads: {ratio:.1f} times as fast as scipy's floyd_warshall")


@pytest.mark.parametrize("shape", [(100_000, 2, 64), (100_000, 16, 1024), (10_000, 784, 1000)])
@pytest.mark.parametrize("what", ["max and argmax", "value", "value and gradient", "Hessian product"])
def test_batches_against_numpy_and_scipy(benchmark: Any, shape: tuple[int, int, int], what: str) -> None:
    n, d, pieces = shape
    rng = np.random.default_rng(0)
    points, weights, bias, vectors = (rng.normal(size=s) for s in ((n, d), (pieces, d), (pieces,), (n, d)))

    def value_and_gradient() -> object:
        logits = points @ weights.T + bias
        values = logsumexp(logits, axis=1)
        return values, np.exp(logits - values[:, None]) @ weights

    ours, peer = {
        "max and argmax": (
            lambda: kernels.max_affine(points, weights, bias),
            lambda: kernels.max_affine_numpy(points, weights, bias),
        ),
        "value": (
            lambda: kernels.log_sum_exp(points, weights, bias, 1.0),
            lambda: logsumexp(points @ weights.T + bias, axis=1),
        ),
        "value and gradient": (
            lambda: kernels.log_sum_exp(points, weights, bias, 1.0, gradient=True),
            value_and_gradient,
        ),
        "Hessian product": (
            lambda: kernels.log_sum_exp_hessian_product(points, weights, bias, 1.0, vectors),
            lambda: kernels.log_sum_exp_hessian_product_numpy(points, weights, bias, 1.0, vectors),
        ),
    }[what]
    reference = best_time(peer, 1)
    benchmark.pedantic(ours, rounds=5, warmup_rounds=1)
    ratio = reference / benchmark.stats.stats.min
    benchmark.extra_info["ratio"] = ratio
    name = "scipy" if what.startswith("value") else "NumPy"
    print(f"\n{what}, n={n}, d={d}, N={pieces}: {ratio:.1f} times as fast as {name}")


@pytest.mark.parametrize("eps", [1e-2, 1.0])
def test_log_sum_exp_product_against_numpy(benchmark: Any, eps: float) -> None:
    n = 500
    a, b = matrices(n)
    reference = best_time(lambda: kernels.log_sum_exp_product_numpy(a, b, eps), 1)
    benchmark.pedantic(lambda: kernels.log_sum_exp_product(a, b, eps, threads=1), rounds=3, warmup_rounds=1)
    ratio = reference / benchmark.stats.stats.min
    benchmark.extra_info["ratio"] = ratio
    print(f"\nlog-sum-exp product, n={n}, eps={eps}, one thread: {ratio:.0f} times as fast as NumPy")


def test_matrix_times_vector_against_blas(benchmark: Any) -> None:
    a, x = matrices(4000)[0], np.ones(4000)
    reference = best_time(lambda: a @ x, 5)
    for name, matrix in (("", a), ("transposed, ", np.asfortranarray(a))):
        ratio = reference / best_time(lambda matrix=matrix: kernels.max_plus_vector(matrix, x), 5)
        print(f"\nmatrix times vector, {name}n=4000: {ratio:.2f} times as fast as the plus-times product of BLAS")
    benchmark.pedantic(lambda: kernels.max_plus_vector(a, x), rounds=5)

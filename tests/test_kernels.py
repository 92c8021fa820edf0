"""Kernels against their NumPy twins, and against mpmath at 50 digits on the hard inputs."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from tropix import kernels
from tropix.kernels._exponential import _exp_nonpositive

SHAPES = [(1, 1, 1), (5, 3, 4), (300, 1, 7), (129, 16, 33), (64, 5, 32), (65, 2, 65), (0, 3, 4), (700, 9, 100)]


def problem(n: int, d: int, pieces: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    bias = rng.normal(size=pieces)
    if pieces > 3:
        bias[2] = -np.inf
    return rng.normal(size=(n, d)), rng.normal(size=(pieces, d)), bias


@pytest.mark.parametrize("shape", SHAPES)
def test_max_affine_equals_its_twin(shape: tuple[int, int, int]) -> None:
    points, weights, bias = problem(*shape)
    values, pieces = kernels.max_affine(points, weights, bias)
    expected, index = kernels.max_affine_numpy(points, weights, bias)
    np.testing.assert_allclose(values, expected, rtol=1e-14, atol=1e-14)
    np.testing.assert_array_equal(pieces, index)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("eps", [1e-3, 0.3, 1.0, 1e3, 1e8])
def test_log_sum_exp_equals_its_twin(shape: tuple[int, int, int], eps: float) -> None:
    points, weights, bias = problem(*shape)
    values, gradient = kernels.log_sum_exp(points, weights, bias, eps, gradient=True)
    only, nothing = kernels.log_sum_exp(points, weights, bias, eps)
    expected, slope = kernels.log_sum_exp_numpy(points, weights, bias, eps)
    np.testing.assert_allclose(values, expected, rtol=1e-14, atol=1e-14)
    np.testing.assert_array_equal(only, values)
    assert nothing is None
    assert gradient is not None
    np.testing.assert_allclose(gradient, slope, rtol=1e-10, atol=2e-14 / min(eps, 1.0))


def test_threads_change_nothing() -> None:
    points, weights, bias = problem(20_000, 8, 64)
    values, gradient = kernels.log_sum_exp(points, weights, bias, 0.1, gradient=True)
    best, _ = kernels.max_affine(points, weights, bias)
    assert gradient is not None
    parts = [kernels.log_sum_exp(points[i : i + 500], weights, bias, 0.1, gradient=True) for i in range(0, 20_000, 500)]
    np.testing.assert_array_equal(values, np.concatenate([v for v, _ in parts]))
    np.testing.assert_array_equal(gradient, np.concatenate([g for _, g in parts if g is not None]))
    np.testing.assert_array_equal(
        best, np.concatenate([kernels.max_affine(points[i : i + 500], weights, bias)[0] for i in range(0, 20_000, 500)])
    )


def test_views_are_read_as_they_are() -> None:
    points, weights, bias = problem(40, 6, 5)
    np.testing.assert_array_equal(
        kernels.max_affine(points[::2], weights, bias)[0], kernels.max_affine(points[::2].copy(), weights, bias)[0]
    )


@pytest.mark.parametrize("eps", [1e-8, 1e-4, 1.0, 1e4, 1e8])
def test_log_sum_exp_against_fifty_digits(eps: float) -> None:
    # Integer data: every logit up to 1e4 is exact in float64, so only exp, sum and log can err.
    rng = np.random.default_rng(1)
    points = rng.integers(-100, 101, size=(20, 2)).astype(float)
    weights = rng.integers(-50, 51, size=(12, 2)).astype(float)
    bias = rng.integers(-10, 11, size=12).astype(float)
    weights[3], bias[3] = weights[4], bias[4]  # a tie everywhere
    bias[5] = -np.inf
    values, gradient = kernels.log_sum_exp(points, weights, bias, eps, gradient=True)
    probabilities = kernels.gibbs(points, weights, bias, eps)
    entropies = kernels.entropy(points, weights, bias, eps)
    assert gradient is not None
    with mpmath.workdps(50):
        for i, x in enumerate(points):
            logits = [(mpmath.mpf(float(w @ x)) + b) / eps for w, b in zip(weights, map(float, bias), strict=True)]
            top = max(logits)
            terms = [mpmath.exp(z - top) if z > -mpmath.inf else mpmath.mpf(0) for z in logits]
            total = mpmath.fsum(terms)
            exact = eps * (top + mpmath.log(total))
            assert abs(values[i] - exact) <= 4e-16 * max(abs(exact), eps)
            share = [t / total for t in terms]
            np.testing.assert_allclose(probabilities[i], [float(p) for p in share], rtol=2e-12, atol=1e-300)
            slope = [float(mpmath.fsum(p * w for p, w in zip(share, weights[:, k], strict=True))) for k in range(2)]
            np.testing.assert_allclose(gradient[i], slope, rtol=1e-12, atol=1e-12)
            entropy = -mpmath.fsum(p * mpmath.log(p) for p in share if p > 0)
            assert abs(entropies[i] - entropy) <= 1e-14 * max(1, entropy)


@pytest.mark.parametrize("eps", [0.0, 1e-8, 1.0])
def test_minus_infinity_alone(eps: float) -> None:
    points, weights = np.zeros((3, 2)), np.ones((4, 2))
    bias = np.full(4, -np.inf)
    if eps:
        values, gradient = kernels.log_sum_exp(points, weights, bias, eps, gradient=True)
        np.testing.assert_array_equal(values, -np.inf)
        np.testing.assert_array_equal(gradient, 0.0)
    values, pieces = kernels.max_affine(points, weights, bias)
    np.testing.assert_array_equal(values, -np.inf)
    np.testing.assert_array_equal(pieces, -1)
    np.testing.assert_array_equal(kernels.gibbs(points, weights, bias, eps), 0.0)
    np.testing.assert_array_equal(kernels.entropy(points, weights, bias, eps), 0.0)


def test_minus_infinity_in_the_first_chunk_only() -> None:
    # The first 32 pieces are one chunk of the kernel: it must not spoil those behind it.
    bias = np.concatenate([np.full(32, -np.inf), [1.0, 2.0]])
    weights = np.zeros((34, 1))
    values, _ = kernels.log_sum_exp(np.zeros((2, 1)), weights, bias, 1.0)
    np.testing.assert_allclose(values, np.logaddexp(1.0, 2.0), rtol=1e-15)


def test_ties_go_to_the_lowest_index() -> None:
    _, pieces = kernels.max_affine(np.ones((1, 1)), np.array([[0.0], [1.0], [1.0]]), np.zeros(3))
    assert pieces[0] == 1
    np.testing.assert_array_equal(
        kernels.gibbs(np.ones((1, 1)), np.array([[0.0], [1.0], [1.0]]), np.zeros(3), 0.0), [[0.0, 0.5, 0.5]]
    )


def test_vector_exponential() -> None:
    t = -np.concatenate([np.linspace(0, 1, 1000), np.linspace(1, 720, 3000), [745.2, 1e6, np.inf, 0.0, 5e-324]])
    result = t.copy()
    _exp_nonpositive(result, len(result))
    inside = t >= -708
    with mpmath.workdps(40):
        exact = np.array([float(mpmath.exp(v)) for v in t[inside]])
    np.testing.assert_allclose(result[inside], exact, rtol=4.5e-16)
    np.testing.assert_array_equal(result[~inside], 0.0)


@pytest.mark.parametrize("eps", [0.0, 1e-3, 1.0])
def test_segments_equal_their_twins(eps: float) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(9, 50))
    values[2:5, 0] = -np.inf
    values[2:5, 1] = 7.0
    offsets = np.array([0, 1, 2, 5, 9])
    twin = kernels.segment_log_sum_exp_numpy(values, offsets, eps)
    np.testing.assert_allclose(kernels.segment_log_sum_exp(values, offsets, eps), twin, rtol=1e-14, atol=1e-14)
    weights = kernels.segment_gibbs(values, offsets, eps)
    np.testing.assert_allclose(weights, kernels.segment_gibbs_numpy(values, offsets, eps), rtol=1e-13, atol=1e-300)
    totals = np.add.reduceat(weights, offsets[:-1], axis=0)
    assert totals[2, 0] == 0.0
    np.testing.assert_allclose(np.delete(totals.ravel(), 100), 1.0, rtol=1e-14)


@pytest.mark.parametrize("eps", [0.0, 1e-3])
def test_segments_pass_nan_and_infinities_on(eps: float) -> None:
    values = np.array([[np.nan, 1.0, 2.0, np.inf, np.inf, -np.inf], [1.0, np.nan, 3.0, -np.inf, np.inf, -np.inf]])
    found = kernels.segment_log_sum_exp(values, np.array([0, 2]), eps)
    np.testing.assert_array_equal(found, [[np.nan, np.nan, 3.0, np.inf, np.inf, -np.inf]])


def test_softplus_far_below_zero_keeps_its_digits() -> None:
    values = np.vstack([np.linspace(-700.0, 0.0, 150), np.zeros(150)])
    found = kernels.segment_log_sum_exp(values, np.array([0, 2]), 1.0)[0]
    with mpmath.workdps(400):
        exact = [float(mpmath.log1p(mpmath.exp(mpmath.mpf(z)))) for z in values[0]]
    np.testing.assert_allclose(found, exact, rtol=1e-15)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(0, 12),
    inner=st.integers(1, 40),
    points=st.sampled_from([1, 2, 39, 40, 41, 120, 129]),
    density=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    odd=st.sampled_from([0.0, np.inf, -np.inf, np.nan]),
    index=st.sampled_from([np.int32, np.int64]),
    seed=st.integers(0, 100),
)
def test_sparse_products_equal_their_twin(
    rows: int, inner: int, points: int, density: float, odd: float, index: type, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    # small integers: sums are exact in any order, so that both must agree to the last bit
    dense = rng.integers(-9, 10, size=(rows, inner)) * (rng.random((rows, inner)) < density)
    matrix = sp.csr_array(dense.astype(np.float64))
    matrix.indices, matrix.indptr = matrix.indices.astype(index), matrix.indptr.astype(index)
    columns = rng.integers(-99, 100, size=(inner, points)).astype(np.float64)
    columns[rng.integers(inner), rng.integers(points)] += odd
    found = rng.integers(-99, 100, size=(rows, points)).astype(np.float64)
    expected = found.copy()
    kernels.add_sparse_product(matrix, columns, found)
    kernels.add_sparse_product_numpy(matrix, columns, expected)
    np.testing.assert_array_equal(found, expected)


def test_sparse_products_of_views() -> None:
    matrix, columns = sp.csr_array(np.arange(12.0).reshape(3, 4)), np.arange(400.0).reshape(50, 8)
    out = np.zeros((3, 50))
    kernels.add_sparse_product(matrix, columns[:, ::2].T, out)
    np.testing.assert_array_equal(out, matrix.toarray() @ columns[:, ::2].T)
    with pytest.raises(AssertionError):
        kernels.add_sparse_product(matrix, np.zeros((4, 3)), np.zeros((3, 3)).T)


def test_threads_cover_all_rows_also_from_within_and_after_errors() -> None:
    from tropix.kernels._threads import over_rows

    seen = np.zeros(101, dtype=np.int64)

    def inner(start: int, stop: int) -> None:
        seen[start:stop] += 1

    def outer(start: int, stop: int) -> None:
        over_rows(lambda a, b: inner(start + a, start + b), stop - start, 10**9)

    over_rows(outer, len(seen), 10**9)
    assert (seen == 1).all()

    def broken(start: int, stop: int) -> None:
        if stop == len(seen):
            raise ValueError("the last part")

    for _ in range(3):
        with pytest.raises(ValueError, match="the last part"):
            over_rows(broken, len(seen), 10**9)
    over_rows(inner, len(seen), 10**9)
    assert (seen == 2).all()


@pytest.mark.parametrize("d", [0, 3, 17])
def test_no_pieces(d: int) -> None:
    points, weights, bias = np.ones((5, d)), np.empty((0, d)), np.empty(0)
    values, gradients = kernels.log_sum_exp(points, weights, bias, 0.5, gradient=True)
    assert (values == -np.inf).all()
    assert gradients is not None
    assert gradients.tolist() == np.zeros((5, d)).tolist()
    assert not kernels.log_sum_exp_hessian_product(points, weights, bias, 0.5, points).any()
    assert kernels.gibbs(points, weights, bias, 0.5).shape == (5, 0)
    assert (kernels.max_affine(points, weights, bias)[1] == -1).all()

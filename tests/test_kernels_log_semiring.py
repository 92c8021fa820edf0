"""Log-sum-exp products, Hessian products and single precision, against mpmath and finite differences."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from tropix import InvalidInput, kernels

TYPES = [np.float64, np.float32]
ROUNDOFF = {np.float64: 2.0**-53, np.float32: 2.0**-24}
TEMPERATURES = [1e-8, 1e-3, 0.1, 1.0, 1e3, 1e8]


def exact_product(a: np.ndarray, b: np.ndarray, eps: float) -> np.ndarray:
    """The product over S_ε at 50 digits, rounded to float64."""
    with mpmath.workdps(50):
        rows = []
        for row in a.astype(float):
            for column in b.T.astype(float):
                logits = [mpmath.mpf(p) + mpmath.mpf(q) for p, q in zip(row, column, strict=True) if p + q > -np.inf]
                if not logits:
                    rows.append(-np.inf)
                    continue
                top = max(logits)
                rows.append(float(top + eps * mpmath.log(mpmath.fsum(mpmath.exp((z - top) / eps) for z in logits))))
    return np.array(rows).reshape(len(a), b.shape[1])


def within_the_bound(found: np.ndarray, exact: np.ndarray, inner: int, eps: float, kind: type) -> None:
    dead = exact == -np.inf
    np.testing.assert_array_equal(found == -np.inf, dead)
    allowed = ROUNDOFF[kind] * (4 * np.abs(exact[~dead]) + (inner + 300) * eps)
    assert (np.abs(found[~dead] - exact[~dead]) <= allowed).all()


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("eps", TEMPERATURES)
@pytest.mark.parametrize("spread", [1.0, 1e4])
def test_products_keep_their_bound_at_fifty_digits(eps: float, spread: float, kind: type) -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=(9, 31)) * spread).astype(kind), (rng.normal(size=(31, 6)) * spread).astype(kind)
    a[rng.random(a.shape) < 0.3] = b[rng.random(b.shape) < 0.3] = -np.inf
    a[4] = b[:, 3] = -np.inf
    found = kernels.log_sum_exp_product(a, b, eps)
    assert found.dtype == kind
    within_the_bound(found, exact_product(a, b, eps), 31, eps, kind)


def test_entries_whose_maxima_do_not_meet() -> None:
    # the largest entries of row and column face −∞ or numbers that are far below: the shifted product underflows
    a, b = np.array([[0.0, -800.0, -801.0]]), np.array([[-np.inf], [-900.0], [0.0]])
    within_the_bound(kernels.log_sum_exp_product(a, b, 1.0), np.array([[-801.0]]), 3, 1.0, np.float64)
    a, b = np.array([[0.0, -np.inf]]), np.array([[-np.inf], [0.0]])
    assert kernels.log_sum_exp_product(a, b, 1.0)[0, 0] == -np.inf
    a, b = np.array([[0.0, -30.0, -30.0]]), np.array([[-30.0], [0.0], [0.0]])
    exact = float(-30 + mpmath.log(3))
    within_the_bound(kernels.log_sum_exp_product(a, b, 1.0), np.array([[exact]]), 3, 1.0, np.float64)


@pytest.mark.parametrize(
    "shape", [(0, 3, 4), (3, 0, 4), (4, 3, 0), (1, 1, 1), (8, 256, 24), (9, 257, 49), (97, 13, 50)]
)
@pytest.mark.parametrize("eps", [1e-3, 0.5])
def test_products_equal_their_twin(shape: tuple[int, int, int], eps: float) -> None:
    n, inner, m = shape
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(n, inner)), rng.normal(size=(inner, m))
    found, expected = kernels.log_sum_exp_product(a, b, eps), kernels.log_sum_exp_product_numpy(a, b, eps)
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-13)
    assert found.shape == (n, m)
    np.testing.assert_array_equal(kernels.log_sum_exp_product(np.asfortranarray(a), b[:, ::-1], eps)[:, ::-1], found)


@pytest.mark.parametrize("eps", [1e-2, 1.0])
def test_threads_change_no_bit_of_a_product(eps: float) -> None:
    rng = np.random.default_rng(0)
    for n, m in ((130, 90), (7, 1000)):
        a, b = rng.normal(size=(n, 400)), rng.normal(size=(400, m))
        serial = kernels.log_sum_exp_product(a, b, eps, threads=1)
        for threads in (2, 3):
            assert kernels.log_sum_exp_product(a, b, eps, threads=threads).tobytes() == serial.tobytes()


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), eps=st.sampled_from([0.01, 1.0, 50.0]))
def test_products_lie_above_the_maximum(seed: int, eps: float) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(4, 6)), rng.normal(size=(6, 5))
    gap = kernels.log_sum_exp_product(a, b, eps) - kernels.max_plus_product(a, b)
    assert (gap >= -1e-13 * max(1.0, eps)).all()
    assert (gap <= eps * np.log(6) + 1e-13 * max(1.0, eps)).all()


def layer(n: int, d: int, pieces: int, kind: type = np.float64) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(n + d + pieces)
    bias = rng.normal(size=pieces)
    if pieces > 3:
        bias[2] = -np.inf
    arrays = (rng.normal(size=(n, d)), rng.normal(size=(pieces, d)), bias, rng.normal(size=(n, d)))
    return tuple(array.astype(kind) for array in arrays)


LAYERS = [(0, 2, 3), (1, 1, 1), (5, 3, 4), (100, 2, 49), (30, 9, 100), (60, 17, 50), (49, 8, 48)]


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("shape", LAYERS)
@pytest.mark.parametrize("eps", [1e-2, 1.0, 1e3])
def test_hessian_products_equal_their_twin(shape: tuple[int, int, int], eps: float, kind: type) -> None:
    points, weights, bias, vectors = layer(*shape, kind=kind)
    found = kernels.log_sum_exp_hessian_product(points, weights, bias, eps, vectors)
    wide = [array.astype(np.float64) for array in (points, weights, bias)]
    expected = kernels.log_sum_exp_hessian_product_numpy(*wide, eps, vectors.astype(np.float64))
    assert found.dtype == kind
    np.testing.assert_allclose(found, expected, rtol=0, atol=2000 * ROUNDOFF[kind] * max(1 / eps, 1 / eps**2))


def test_hessian_products_are_derivatives_of_the_gradient() -> None:
    points, weights, bias, vectors = layer(20, 5, 30)
    h = 1e-5

    def gradient(shift: float) -> np.ndarray:
        found = kernels.log_sum_exp(points + shift * vectors, weights, bias, 0.4, gradient=True)[1]
        assert found is not None
        return found

    found = kernels.log_sum_exp_hessian_product(points, weights, bias, 0.4, vectors)
    np.testing.assert_allclose(found, (gradient(h) - gradient(-h)) / (2 * h), atol=1e-8)


@pytest.mark.parametrize("lead", [0.0, 5.0, 60.0, 600.0])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_small_hessian_products_keep_their_digits(lead: float, offset: float) -> None:
    # one piece leads by far, all weights have a large common part: moments about anything else would cancel
    weights, bias = np.array([[2.0, 1.0], [0.0, 5.0], [1.0, 1.0]]) + offset, np.array([lead, 0.0, -1.0])
    vector = np.array([[1.0, 2.0]])
    with mpmath.workdps(700):
        terms = [mpmath.exp(b) for b in bias.tolist()]
        shares = [term / mpmath.fsum(terms) for term in terms]
        slopes = [mpmath.mpf(w[0]) + 2 * mpmath.mpf(w[1]) for w in weights.tolist()]
        mean = mpmath.fsum(p * s for p, s in zip(shares, slopes, strict=True))
        expected = [
            float(
                mpmath.fsum(p * (s - mean) * w for p, s, w in zip(shares, slopes, weights[:, k].tolist(), strict=True))
            )
            for k in range(2)
        ]
    found = kernels.log_sum_exp_hessian_product(np.zeros((1, 2)), weights, bias, 1.0, vector)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-14 * (1 + offset))


def test_hessian_products_in_threads_without_pieces_and_of_wrong_shape() -> None:
    points, weights, bias, vectors = layer(3000, 6, 90)
    found = kernels.log_sum_exp_hessian_product(points, weights, bias, 0.3, vectors)
    parts = [
        kernels.log_sum_exp_hessian_product(points[i : i + 100], weights, bias, 0.3, vectors[i : i + 100])
        for i in range(0, 3000, 100)
    ]
    np.testing.assert_array_equal(found, np.concatenate(parts))
    none = kernels.log_sum_exp_hessian_product(points, weights, np.full(90, -np.inf), 0.3, vectors)
    np.testing.assert_array_equal(none, 0.0)
    with pytest.raises(InvalidInput, match="vectors"):
        kernels.log_sum_exp_hessian_product(points, weights, bias, 0.3, vectors[:2])


@pytest.mark.parametrize("eps", [0.0, 1e-3, 1.0])
def test_gibbs_weights_of_many_blocks_are_a_softmax(eps: float) -> None:
    points, weights, bias, _ = layer(3001, 4, 200)
    weights[7], bias[7] = weights[8], bias[8]
    found = kernels.gibbs(points, weights, bias, eps)
    logits = points @ weights.T + bias
    expected = softmax(logits / eps, axis=1) if eps else logits == logits.max(axis=1, keepdims=True)
    np.testing.assert_allclose(
        found, expected / expected.sum(axis=1, keepdims=True), rtol=1e-9, atol=1e-13 / (eps or 1)
    )
    again = kernels.gibbs(points, weights, bias, eps)
    assert again.tobytes() == found.tobytes()


@pytest.mark.parametrize("shape", LAYERS)
def test_single_precision_is_double_precision_rounded(shape: tuple[int, int, int]) -> None:
    points, weights, bias, _ = layer(*shape, kind=np.float32)
    wide = [array.astype(np.float64) for array in (points, weights, bias)]
    values, pieces = kernels.max_affine(points, weights, bias)
    assert values.dtype == np.float32
    assert pieces.dtype == np.int64
    np.testing.assert_allclose(values, kernels.max_affine(*wide)[0], rtol=1e-5, atol=1e-5)
    logits = wide[0] @ wide[1].T + wide[2]
    np.testing.assert_allclose(logits[np.arange(len(points)), pieces], values, rtol=1e-5, atol=1e-5)
    for eps in (1e-6, 0.3, 1e4):
        value, gradient = kernels.log_sum_exp(points, weights, bias, eps, gradient=True)
        expected, slope = kernels.log_sum_exp(*wide, eps, gradient=True)
        assert value.dtype == np.float32
        assert gradient is not None
        assert slope is not None
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-5 * max(1.0, eps))
        if eps > 0.1:  # at a low temperature a logit's rounding decides which piece leads
            np.testing.assert_allclose(gradient, slope, atol=1e-4)


@pytest.mark.parametrize("d", [1, 7, 8, 9, 300])
def test_many_weights_take_several_tiles_at_once(d: int) -> None:
    # above 65536 weights, tiles of points share one reading of them
    points, weights, bias, _ = layer(150, d, 66_000 // d if d > 1 else 70_000)
    few = slice(0, len(bias), 7)
    for chosen in (slice(None), few):
        logits = points @ weights[chosen].T + bias[chosen]
        values, pieces = kernels.max_affine(points, weights[chosen], bias[chosen])
        np.testing.assert_allclose(values, logits.max(axis=1), rtol=1e-12, atol=1e-12)
        np.testing.assert_array_equal(pieces, logits.argmax(axis=1))
        value, gradient = kernels.log_sum_exp(points, weights[chosen], bias[chosen], 0.5, gradient=True)
        expected, slope = kernels.log_sum_exp_numpy(points, weights[chosen], bias[chosen], 0.5)
        np.testing.assert_allclose(value, expected, rtol=1e-12)
        np.testing.assert_allclose(gradient, slope, atol=1e-11)

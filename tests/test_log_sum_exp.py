"""Log-sum-exp functions against their identities (finite differences, the sandwich, closed forms)."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp, softmax

from tropix import InvalidInput, LogSumExp


@pytest.fixture(scope="module")
def case() -> tuple[LogSumExp, np.ndarray]:
    rng = np.random.default_rng(0)
    return LogSumExp(rng.normal(size=(7, 3)), rng.normal(size=7), 0.4), rng.normal(size=(25, 3))


def test_value_and_weights_against_scipy(case: tuple[LogSumExp, np.ndarray]) -> None:
    f, x = case
    logits = x @ f.weights.T + f.bias
    np.testing.assert_allclose(f(x), f.eps * logsumexp(logits / f.eps, axis=1), rtol=1e-13)
    np.testing.assert_allclose(f.gibbs(x), softmax(logits / f.eps, axis=1), rtol=1e-12)


def test_variational_identity(case: tuple[LogSumExp, np.ndarray]) -> None:
    f, x = case
    pi = f.gibbs(x)
    linear = (pi * (x @ f.weights.T + f.bias)).sum(axis=1)
    np.testing.assert_allclose(f(x), linear + f.eps * f.entropy(x), rtol=1e-12)


def test_derivatives_against_finite_differences(case: tuple[LogSumExp, np.ndarray]) -> None:
    f, x = case
    h = 1e-5
    for k in range(3):
        step = np.eye(3)[k] * h
        np.testing.assert_allclose(f.gradient(x)[:, k], (f(x + step) - f(x - step)) / (2 * h), atol=1e-9)
        np.testing.assert_allclose(
            f.hessian(x)[:, k], (f.gradient(x + step) - f.gradient(x - step)) / (2 * h), atol=1e-8
        )
    hot, cold = (LogSumExp(f.weights, f.bias, f.eps + e) for e in (h, -h))
    np.testing.assert_allclose(f.entropy(x), (hot(x) - cold(x)) / (2 * h), atol=1e-9)


def test_sandwich_and_refined_gap(case: tuple[LogSumExp, np.ndarray]) -> None:
    f, x = case
    gap = f(x) - f.limit()(x)
    np.testing.assert_allclose(gap, -f.eps * np.log(f.gibbs(x).max(axis=1)), atol=1e-13)
    assert (gap >= 0).all()
    assert (gap <= f.eps * np.log(len(f)) + 1e-13).all()
    logits = x @ f.weights.T + f.bias
    for delta in (0.1, 1.0):
        near = (logits >= logits.max(axis=1, keepdims=True) - delta).sum(axis=1)
        assert (gap <= f.eps * np.log(near + (len(f) - near) * np.exp(-delta / f.eps)) + 1e-13).all()


def test_bounds(case: tuple[LogSumExp, np.ndarray]) -> None:
    f, x = case
    for p, q in ((1, np.inf), (2, 2), (np.inf, 1)):
        steepest = np.linalg.norm(f.gradient(x * 1000), ord=q, axis=1).max()
        assert steepest <= f.lipschitz(p) + 1e-12
        assert f.lipschitz(p) == pytest.approx(np.linalg.norm(f.weights, ord=q, axis=1).max())
    curvature = max(np.linalg.norm(h, 2) for h in f.hessian(x))
    assert curvature <= f.curvature()
    assert f.curvature() <= np.linalg.norm(f.weights, axis=1).max() ** 2 / f.eps + 1e-12
    assert (np.linalg.eigvalsh(f.hessian(x)) >= -1e-12).all()


def test_zero_temperature() -> None:
    f = LogSumExp([[1.0], [-1.0], [1.0]], [0.0, 0.0, 0.0], 0.0)
    assert f([[2.0], [-3.0], [0.0]]).tolist() == [2.0, 3.0, 0.0]
    assert f.gradient([[2.0], [0.0]]).ravel().tolist() == pytest.approx([1.0, 1 / 3])
    assert f.entropy([[2.0], [0.0]]).tolist() == pytest.approx([np.log(2), np.log(3)])
    assert f.curvature() == np.inf
    with pytest.raises(InvalidInput, match="Hessian"):
        f.hessian([[0.0]])


def test_one_piece_and_one_dimension() -> None:
    f = LogSumExp([[3.0]], [1.0], 1e8)
    assert f([[2.0]])[0] == 7.0
    assert f.hessian([[2.0]])[0, 0, 0] == 0.0
    assert f.entropy([2.0]) == 0.0
    assert f.curvature() == 0.0
    assert f(2.0 * np.ones(1)).shape == ()


def test_absent_pieces_do_not_count() -> None:
    f = LogSumExp([[100.0], [1.0]], [-np.inf, 0.0], 0.5)
    assert f([[1.0]])[0] == 1.0
    assert f.lipschitz() == 1.0
    assert f.curvature() == 0.0
    assert len(f.limit()) == 1
    nothing = LogSumExp([[1.0]], [-np.inf], 0.5)
    assert nothing([[1.0]])[0] == -np.inf
    assert len(nothing.limit()) == 0


@pytest.mark.parametrize("eps", [-1.0, np.nan, np.inf, 1e-320])
def test_bad_temperature(eps: float) -> None:
    with pytest.raises(InvalidInput, match="eps"):
        LogSumExp([[1.0]], [0.0], eps)


def test_bad_shapes() -> None:
    with pytest.raises(InvalidInput, match="biases"):
        LogSumExp([[1.0]], [0.0, 1.0], 1.0)

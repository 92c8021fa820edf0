"""The entropy of Gibbs weights and local slopes, against 50 digits, sampling and definitions."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest

from tropix import InvalidInput, LogSumExp


def entropy(f: LogSumExp, x: Any, eps: Any) -> Any:
    """H(π) from its definition."""
    z = [sum((mpmath.mpf(w) * v for w, v in zip(row, x, strict=True)), mpmath.mpf(b)) for row, b in
         zip(f.weights.tolist(), f.bias.tolist(), strict=True)]  # fmt: skip
    top = max(z)
    powers = [mpmath.exp((v - top) / eps) for v in z]
    total = mpmath.fsum(powers)
    return -mpmath.fsum(power / total * mpmath.log(power / total) for power in powers)


@pytest.mark.parametrize("eps", [0.05, 0.7, 20.0])
@pytest.mark.parametrize("seed", range(3))
def test_derivatives_of_the_entropy_at_50_digits(eps: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    f = LogSumExp(rng.normal(size=(5, 2)), 0.2 * rng.normal(size=5), eps)
    x = 0.1 * rng.normal(size=2)
    found = f.entropy_landscape([x])
    assert found.value[0] == pytest.approx(float(f.entropy([x])[0]), rel=1e-12)
    with mpmath.workdps(50):

        def at(a: Any, b: Any, s: Any) -> Any:
            return entropy(f, (a, b), s)

        point = (mpmath.mpf(x[0]), mpmath.mpf(x[1]), mpmath.mpf(eps))

        def partial(*orders: int) -> float:
            return float(mpmath.diff(at, point, orders))

        gradient = [partial(1, 0, 0), partial(0, 1, 0)]
        hessian = [[partial(2, 0, 0), partial(1, 1, 0)], [partial(1, 1, 0), partial(0, 2, 0)]]
        rates = [partial(1, 0, 1), partial(0, 1, 1)]
        np.testing.assert_allclose(found.gradient[0], gradient, rtol=1e-9, atol=1e-14)
        np.testing.assert_allclose(found.hessian[0], hessian, rtol=1e-9, atol=1e-13)
        assert found.rate[0] == pytest.approx(partial(0, 0, 1), rel=1e-9)
        np.testing.assert_allclose(found.gradient_rate[0], rates, rtol=1e-9, atol=1e-13)


def test_one_piece_and_ties() -> None:
    one = LogSumExp([[1.0, 2.0]], [0.0], 1.0).entropy_landscape([[0.3, 0.4]])
    assert all(not getattr(one, name).any() for name in ("value", "gradient", "hessian", "rate", "gradient_rate"))
    tie = LogSumExp([[1.0], [-1.0]], [0.0, 0.0], 0.5).entropy_landscape([[0.0]])
    assert tie.value[0] == pytest.approx(math.log(2))
    assert tie.gradient[0, 0] == 0
    assert tie.hessian[0, 0, 0] == pytest.approx(-4.0)  # H = h(tanh(x/ε)), a maximum: −1/ε²
    nothing = LogSumExp([[1.0]], [-np.inf], 0.5).entropy_landscape([[0.0]])
    assert not nothing.value.any()
    with pytest.raises(InvalidInput, match="eps = 0"):
        LogSumExp([[1.0]], [0.0], 0.0).entropy_landscape([[0.0]])


def test_influence_is_the_weight() -> None:
    """∂f/∂b_j = π_j and ∂f/∂w_j = π_j x, by finite differences of the parameters."""
    rng = np.random.default_rng(4)
    weights, bias, x, step = rng.normal(size=(4, 3)), rng.normal(size=4), rng.normal(size=3), 1e-6
    f = LogSumExp(weights, bias, 0.4)
    for j in range(4):
        moved = np.eye(4)[j] * step
        slope = (LogSumExp(weights, bias + moved, 0.4)(x) - LogSumExp(weights, bias - moved, 0.4)(x)) / (2 * step)
        assert slope == pytest.approx(f.gibbs(x)[j], abs=1e-8)
        for k in range(3):
            shift = np.zeros((4, 3))
            shift[j, k] = step
            slope = (LogSumExp(weights + shift, bias, 0.4)(x) - LogSumExp(weights - shift, bias, 0.4)(x)) / (2 * step)
            assert slope == pytest.approx(f.gibbs(x)[j] * x[k], abs=1e-8)


@pytest.mark.parametrize("p", [1.0, 2.0, np.inf])
@pytest.mark.parametrize("eps", [0.0, 0.05, 1.0])
@pytest.mark.parametrize("radius", [0.0, 0.1, 2.0])
def test_local_slopes_are_bounded(p: float, eps: float, radius: float) -> None:
    rng = np.random.default_rng(7)
    dual = {1.0: np.inf, 2.0: 2, np.inf: 1}[p]
    for _ in range(5):
        f = LogSumExp(rng.normal(size=(12, 3)), rng.normal(size=12), eps)
        x = rng.normal(size=3)
        bound = f.local_lipschitz(x, radius, p)
        steps = rng.normal(size=(4000, 3))
        steps *= radius * rng.uniform(size=(4000, 1)) / np.linalg.norm(steps, p, axis=1, keepdims=True)
        slopes = np.linalg.norm(f.gradient(x + steps), dual, axis=1)
        assert slopes.max() <= bound
        assert bound <= 2 * f.lipschitz(p) + max(np.linalg.norm(w, dual) for w in f.weights)
        if radius == 0.0 and eps > 0.0:
            assert bound >= slopes.max()
    assert LogSumExp([[1.0]], [-np.inf], eps).local_lipschitz([0.0], 1.0) == 0.0


def test_unreachable_pieces_keep_weight() -> None:
    """The largest ‖w_j‖ of active pieces is no bound for ε > 0: here none but the first is active in the ball."""
    f = LogSumExp([[0.0], [1.0]], [0.0, -2.0], 1.0)
    x, radius = [0.0], 1.0
    assert f.limit()([1.0]) == 0.0
    assert LogSumExp(f.weights, f.bias, 0.0).local_lipschitz(x, radius) == 0.0
    largest = float(f.gradient([1.0])[0])
    assert 0.2 < largest <= f.local_lipschitz(x, radius) < 0.5
    with pytest.raises(InvalidInput, match="radius"):
        f.local_lipschitz(x, -1.0)
    with pytest.raises(InvalidInput, match="one point"):
        f.local_lipschitz([[0.0]], 1.0)

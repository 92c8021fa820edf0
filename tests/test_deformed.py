"""Arithmetic over S_ε: values against mpmath at 50 digits, the sandwich, temperatures, sizes."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
from mpmath import mpf

from tropix import InvalidInput, LogSumExp, TropicalPolynomial, TropicalRational, Unsupported
from tropix.polynomials import DeformedRational, _deformed_algebra

TEMPERATURES = [1e-8, 1e-3, 0.5, 1.0, 7.0, 1e8]


def reference(f: LogSumExp, point: np.ndarray) -> Any:
    """ε log Σ exp((w·x + b)/ε) with 50 digits."""
    with mpmath.workdps(50):
        logits = [
            mpmath.fsum(mpf(w) * mpf(x) for w, x in zip(row, point.tolist(), strict=True)) + mpf(b)
            for row, b in zip(f.weights.tolist(), f.bias.tolist(), strict=True)
            if b > -np.inf
        ]
        top = max(logits)
        total = mpmath.fsum(mpmath.exp((z - top) / mpf(f.eps)) for z in logits)
        return top + mpf(f.eps) * mpmath.log(total)


def random(seed: int, eps: float, count: int = 4) -> LogSumExp:
    rng = np.random.default_rng(seed)
    bias = rng.normal(size=count)
    bias[rng.uniform(size=count) < 0.2] = -np.inf
    bias[0] = 0.25
    return LogSumExp(rng.normal(size=(count, 2)), bias, eps)


POINTS = np.vstack([np.zeros((1, 2)), np.random.default_rng(5).normal(size=(3, 2)) * [[1], [10], [1000]]])


@pytest.mark.parametrize("eps", TEMPERATURES)
@pytest.mark.parametrize("seed", range(3))
def test_values_against_mpmath(eps: float, seed: int) -> None:
    f, g = random(seed, eps), random(seed + 10, eps, 3)
    for k, x in enumerate(POINTS):
        with mpmath.workdps(50):
            at_f, at_g = reference(f, x), reference(g, x)
            e = mpf(eps)
            top = max(at_f, at_g)
            joined = top + e * mpmath.log(mpmath.exp((at_f - top) / e) + mpmath.exp((at_g - top) / e))
            expected = {
                "sum": (f + g, joined),
                "product": (f * g, at_f + at_g),
                "power": (f**5, 5 * at_f),
                "one": (f**0, mpf(0)),
                "scaled": (f.scale(Fraction(3, 7)), at_f * 3 / 7),
                "merged": ((f + f).merge(), at_f + e * mpmath.log(2)),
                "quotient": (DeformedRational(f, g), at_f - at_g),
                "inverse": (DeformedRational(f, g) ** -2, -2 * (at_f - at_g)),
            }
        size = 1 + 6 * np.abs(x).sum() + 5 * eps
        for name, (function, value) in expected.items():
            assert abs(float(function(x) - value)) <= 4e-15 * size, (name, k)


def test_multinomial_coefficients() -> None:
    f = LogSumExp([[1, 0], [0, 1], [0, 0]], [0, 0, 0], 0.5)
    cube = f**3
    real = np.exp(cube.bias / 0.5).round().astype(int)
    by_degree = {tuple(row.astype(int)): int(c) for row, c in zip(cube.weights, real, strict=True)}
    assert by_degree == {
        (3, 0): 1, (0, 3): 1, (0, 0): 1, (2, 1): 3, (2, 0): 3, (1, 2): 3, (0, 2): 3, (1, 0): 3, (0, 1): 3, (1, 1): 6,
    }  # fmt: skip
    assert len(LogSumExp([[1.0]], [0.0], 1.0) ** 1000) == 1
    assert (LogSumExp([[0.1]], [0.0], 1.0) ** 3).weights[0, 0] == float(3 * Fraction(0.1))
    zero = LogSumExp.zero(2, 0.5)
    assert len(zero**3) == 0
    assert (zero**0)([0.0, 0.0]) == 0.0
    for points in (np.zeros((3, 2)), np.zeros((0, 2))):
        assert (zero(points) == -np.inf).all()
        np.testing.assert_array_equal(zero.gradient(points), np.zeros_like(points))
    cold = LogSumExp([[0], [1]], [0, 0], 0.0)
    assert (cold**2).limit() == TropicalPolynomial([[0.0], [1.0], [2.0]], [0.0, 0.0, 0.0])


@pytest.mark.parametrize("eps", [0.0, 1e-3, 0.5, 1e3])
def test_limits_and_the_sandwich(eps: float) -> None:
    f, g = random(1, eps), random(2, eps)
    assert (f + g).limit() == f.limit() + g.limit()
    points = np.random.default_rng(0).normal(size=(50, 2))
    np.testing.assert_allclose((f * g).limit()(points), (f.limit() * g.limit())(points), rtol=1e-14, atol=1e-14)
    for h, low, high in (
        (f + g, (f.limit() + g.limit())(points), len(f) + len(g)),
        (f * g, (f.limit() * g.limit())(points), len(f) * len(g)),
        (f**3, (f.limit() ** 3)(points), len(f) ** 3),
    ):
        gap = h(points) - low
        assert (gap >= -1e-12 * (1 + eps)).all()
        assert (gap <= eps * np.log(high) + 1e-12 * (1 + eps)).all()
    excess = (f**3).limit()(points) - (f.limit() ** 3)(points)
    assert (excess >= -1e-12).all()
    assert (excess <= eps * np.log(6) + 1e-12).all()


def test_rational_functions_and_their_limit() -> None:
    f = TropicalRational.parse("max(x, 0, y - 1) - max(y, 2*x)")
    points = np.random.default_rng(0).normal(size=(40, 2))
    smooth = f.deform(0.25)
    gap = smooth(points) - f(points)
    assert (gap <= 0.25 * np.log(3)).all()
    assert (gap >= -0.25 * np.log(2)).all()
    assert smooth.limit().numerator == f.numerator
    assert smooth.limit().denominator == f.denominator
    h = 1e-5
    for k in range(2):
        step = h * np.eye(2)[k]
        slope = (smooth(points + step) - smooth(points - step)) / (2 * h)
        np.testing.assert_allclose(smooth.gradient(points)[:, k], slope, atol=1e-8)
    assert str(DeformedRational.of(f.numerator.deform(0.5))) == "lse[0.5](x0, 0, x1 - 1) - lse[0.5](0)"
    assert smooth(points[0]).shape == ()


def test_substitution() -> None:
    f = random(3, 0.5)
    matrix, offset = np.array([[1.0, 2.0, 0.0], [0.5, 0.0, -1.0]]), np.array([0.25, -1.0])
    points = np.random.default_rng(0).normal(size=(20, 3))
    np.testing.assert_allclose(f.substitute(matrix, offset)(points), f(points @ matrix.T + offset), rtol=1e-13)


def test_what_does_not_combine(monkeypatch: pytest.MonkeyPatch) -> None:
    f = random(0, 0.5)
    for other in (random(0, 0.25), random(0, 0.0)):
        for operation in ("__add__", "__mul__"):
            with pytest.raises(InvalidInput, match=r"temperatures 0\.5 and .* differ"):
                getattr(f, operation)(other)
        with pytest.raises(InvalidInput, match="both must agree"):
            DeformedRational(f, other)
    with pytest.raises(InvalidInput, match="2 and 1 variables"):
        f + LogSumExp([[1.0]], [0.0], 0.5)
    for power in (-1, 0.5, Fraction(2), True):
        with pytest.raises(InvalidInput, match="expected an integer >= 0"):
            f**power  # type: ignore[operator]
    with pytest.raises(InvalidInput, match="vanishes"):
        LogSumExp([[1.0]], [0.0], 1e-300).scale(1e-300)
    for factor in (0, -1.5):
        with pytest.raises(InvalidInput, match="expected a number > 0"):
            f.scale(factor)
    with pytest.raises(InvalidInput, match="no reciprocal"):
        DeformedRational(f, LogSumExp.zero(2, 0.5))
    with pytest.raises(InvalidInput, match="found LogSumExp and TropicalPolynomial"):
        DeformedRational(f, f.limit())  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="expected an integer >= 0"):
        DeformedRational.of(f) ** "2"  # type: ignore[operator]
    with pytest.raises(InvalidInput, match="range of float64"):
        LogSumExp([[1.0], [2.0]], [0, 0], 1e308) ** 5
    with pytest.raises(InvalidInput, match="range of float64"):
        LogSumExp([[1e308]], [0], 1.0) * LogSumExp([[1e308]], [0], 1.0)
    with pytest.raises(InvalidInput, match="range of float64"):
        LogSumExp([[1]], [-1e308], 1.0) * LogSumExp([[1]], [-1e308], 1.0)
    with pytest.raises(Unsupported, match="10428396 pieces"):
        LogSumExp(np.zeros((4, 1)), np.arange(4), 1.0) ** 395
    with pytest.raises(Unsupported, match="4001 times 4000 pieces"):
        LogSumExp(np.zeros((2, 1)), np.arange(2), 1.0) ** 4000
    monkeypatch.setattr(_deformed_algebra, "MAX_PIECES", 7)
    for make in (lambda: f * f, lambda: f + f, lambda: f**4):
        with pytest.raises(Unsupported, match="more than 7"):
            make()
    with pytest.raises(TypeError):
        f + 1.0  # type: ignore[operator]

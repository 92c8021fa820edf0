"""The viscous solution against mpmath at 50 digits, sympy, finite differences, quadrature and ball arithmetic."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from tropix import InvalidInput, LogSumExp, Unsupported
from tropix.kernels import atomic_sums, atomic_sums_numpy
from tropix.pde import HopfCole
from tropix.pde._quadrature import hermite_rule

SHAPES = [(1, 1), (2, 1), (7, 3), (50, 2), (100, 10)]


def random_solution(count: int, d: int, eps: float, t: float, seed: int = 0) -> tuple[HopfCole, np.ndarray]:
    rng = np.random.default_rng(seed)
    u = HopfCole(rng.normal(size=(count, d)), rng.normal(size=count), eps, t)
    return u, 2 * rng.normal(size=(12, d))


def exact(u: HopfCole, x: Any, t: Any = None) -> Any:
    """The definition, at the precision of mpmath's context."""
    time, eps = mpmath.mpf(u.t if t is None else t), mpmath.mpf(u.eps)
    total = mpmath.fsum(
        mpmath.exp(-(g + sum((a - mpmath.mpf(b)) ** 2 for a, b in zip(x, y, strict=True)) / (4 * time)) / eps)
        for y, g in zip(u.sites.tolist(), u.costs.tolist(), strict=True)
    )
    return -eps * mpmath.log(total) + len(x) * eps / 2 * mpmath.log(4 * mpmath.pi * eps * time)


@pytest.mark.parametrize(("count", "d"), SHAPES)
@pytest.mark.parametrize("eps", [1e-8, 1e-3, 1.0, 1e8])
@pytest.mark.parametrize("t", [1e-6, 1.0, 1e6])
def test_values_to_rounding(count: int, d: int, eps: float, t: float) -> None:
    u, x = random_solution(count, d, eps, t)
    values = u.value(x)
    with mpmath.workdps(50):
        for row, value in zip(x[:4], values, strict=False):
            terms = np.abs(u.costs).max() + ((row - u.sites) ** 2).sum(axis=1).max() / (4 * t)
            scale = terms + eps * (np.log(count) + d * abs(np.log(4 * np.pi * eps * t)))
            assert abs(value - exact(u, row.tolist())) <= 1e-14 * scale


def test_values_far_from_the_origin_do_not_cancel() -> None:
    u, x = random_solution(20, 3, 0.1, 0.5)
    moved = HopfCole(u.sites + 2.0**20, u.costs, u.eps, u.t)
    near = HopfCole(moved.sites - 2.0**20, u.costs, u.eps, u.t)
    np.testing.assert_allclose(moved.value(x.round(3) + 2.0**20), near.value(x.round(3) + 2.0**20 - 2.0**20), rtol=1e-8)
    with mpmath.workdps(50):
        place = x[0] + 2.0**20
        assert abs(moved.value(place) - exact(moved, place.tolist())) < 1e-13


@pytest.mark.parametrize(("count", "d"), SHAPES)
def test_derivatives_against_mpmath(count: int, d: int) -> None:
    """Central differences at 50 digits, step 1e-12: their error is far below float64."""
    u, x = random_solution(count, d, 0.3, 0.8)
    gradient, laplacian, dt = u.gradient(x), u.laplacian(x), u.dt(x)
    with mpmath.workdps(50):
        step = mpmath.mpf(10) ** -12

        def moved(row: list[Any], k: int, by: Any) -> Any:
            return exact(u, [c + (by if i == k else 0) for i, c in enumerate(row)])

        for i in range(2):
            row = [mpmath.mpf(c) for c in x[i].tolist()]
            centre = exact(u, row)
            curvature = mpmath.mpf(0)
            for k in range(d):
                ahead, behind = moved(row, k, step), moved(row, k, -step)
                assert abs((ahead - behind) / (2 * step) - gradient[i, k]) < 1e-13
                curvature += (ahead - 2 * centre + behind) / step**2
            assert abs(curvature - laplacian[i]) < 1e-12 * d
            late, early = exact(u, row, u.t + step), exact(u, row, u.t - step)
            assert abs((late - early) / (2 * step) - dt[i]) < 1e-12 * d


@pytest.mark.parametrize(("count", "d"), SHAPES)
@pytest.mark.parametrize("eps", [1e-2, 1.0])
def test_residual_is_rounding(count: int, d: int, eps: float) -> None:
    u, x = random_solution(count, d, eps, 0.7)
    assert np.abs(u.residual(x)).max() <= 1e-10
    assert u.residual_enclosure(x[:2]).max() <= 1e-40
    far = HopfCole([[0.0], [1.0]], [0.0, 0.0], 1e-300, 1.0).residual_enclosure([[0.3]])
    assert not np.isnan(far).any()


def test_the_series_are_the_derivatives() -> None:
    from tropix.pde import _enclosure

    u, x = random_solution(5, 2, 0.5, 1.0)
    series = _enclosure._expand(x[0].tolist(), u.sites, u.costs, u.eps, u.t, None)
    assert abs(float(series[0].mid()) - u.value(x[0])) < 1e-14
    assert abs(float(series[1].mid()) - u.dt(x[0])) < 1e-13
    along = _enclosure._expand(x[0].tolist(), u.sites, u.costs, u.eps, u.t, 1)
    assert abs(float(along[1].mid()) - u.gradient(x[0])[1]) < 1e-13


@pytest.mark.parametrize(("count", "d"), SHAPES)
@pytest.mark.parametrize("t", [1e-3, 1.0, 50.0])
def test_identity_with_the_layer(count: int, d: int, t: float) -> None:
    """f + u − |x|²/(4t) − (dε/2) log(4πεt) = 0: u is not computed through f."""
    rng = np.random.default_rng(3)
    f = LogSumExp(rng.normal(size=(count, d)), rng.normal(size=count), 0.2)
    u, x = HopfCole.from_lse(f, t), 2 * rng.normal(size=(30, d))
    square = (x**2).sum(axis=1) / (4 * t)
    size = 1 + square + np.abs(f(x)) + np.abs(u.costs).max() + ((x[:, None] - u.sites) ** 2).sum(axis=2).max() / (4 * t)
    gap = f(x) + u.value(x) - square - 0.5 * d * 0.2 * np.log(4 * np.pi * 0.2 * t)
    assert (np.abs(gap) <= 1e-14 * size).all()
    np.testing.assert_allclose(u.gradient(x), x / (2 * t) - f.gradient(x), atol=1e-13 * (1 + 1 / t))


@given(seed=st.integers(0, 10_000), t=st.floats(1e-3, 1e3), eps=st.floats(1e-6, 1e6))
def test_weights_round_trip(seed: int, t: float, eps: float) -> None:
    rng = np.random.default_rng(seed)
    count, d = int(rng.integers(1, 8)), int(rng.integers(1, 5))
    f = LogSumExp(rng.normal(size=(count, d)), np.where(rng.random(count) < 0.2, -np.inf, rng.normal(size=count)), eps)
    back = HopfCole.from_lse(f, t).to_lse()
    assert back.eps == eps
    np.testing.assert_allclose(back.weights, f.weights, rtol=1e-15)
    size = 1 + t * (f.weights**2).sum(axis=1)
    present = np.isfinite(f.bias)
    assert (np.isfinite(back.bias) == present).all()
    assert (np.abs(back.bias[present] - f.bias[present]) <= 1e-15 * (d + 4) * (np.abs(f.bias) + size)[present]).all()


@pytest.mark.parametrize(("count", "d"), [(1, 1), (3, 1), (40, 1), (1, 2), (7, 2), (4, 3)])
@pytest.mark.parametrize("eps", [0.05, 1.0, 1e3])
@pytest.mark.parametrize("s", [0.1, 1.0, 10.0])
def test_semigroup_by_quadrature(count: int, d: int, eps: float, s: float) -> None:
    rng = np.random.default_rng(5)
    u = HopfCole(0.5 * rng.normal(size=(count, d)), 0.2 * rng.normal(size=count), eps, 0.6)
    x = rng.normal(size=(4, d))
    expected = u.evolve(0.6 + s).value(x)
    np.testing.assert_allclose(
        u.evolve_by_quadrature(x, s), expected, atol=1e-12 * (1 + np.abs(expected).max()), rtol=0
    )


def test_semigroup_at_a_shock_with_little_viscosity() -> None:
    u = HopfCole([[-0.3], [0.3]], [0.0, 0.0], 1e-3, 1.0)
    x = np.array([[0.0], [1e-3], [0.4]])
    np.testing.assert_allclose(u.evolve_by_quadrature(x, 1.0), u.evolve(2.0).value(x), atol=1e-13)
    with pytest.raises(Unsupported, match="widths apart"):
        HopfCole([[-3.0], [3.0]], [0.0, 0.0], 1e-3, 1.0).evolve_by_quadrature([0.0], 1.0)
    with pytest.raises(Unsupported, match="nodes at"):
        random_solution(5, 6, 0.1, 1.0)[0].evolve_by_quadrature(np.zeros(6), 1.0)


@pytest.mark.parametrize("s", [1e-300, 1e-20, 1e-8, 1e8, 1e20, 1e300])
@pytest.mark.parametrize("d", [1, 2])
def test_semigroup_over_very_short_and_very_long_times(s: float, d: int) -> None:
    u, x = random_solution(3, d, 1.0, 1.0)
    expected = u.evolve(1.0 + s).value(x)
    np.testing.assert_allclose(u.evolve_by_quadrature(x, s), expected, atol=1e-14 * (1 + np.abs(expected).max()))


def test_convolution_against_adaptive_quadrature() -> None:
    """The Gauss–Hermite sum against scipy's quad of the heat kernel times exp(−u/ε)."""
    u, s = HopfCole([[-1.0], [0.4], [2.0]], [0.3, 0.0, -0.2], 0.5, 0.4), 0.7

    def integrand(z: float) -> float:
        kernel = np.exp(-((0.25 - z) ** 2) / (4 * u.eps * s)) / np.sqrt(4 * np.pi * u.eps * s)
        return float(kernel * np.exp(-u.value([z]) / u.eps))

    integral = quad(integrand, -15, 15, epsabs=1e-14, epsrel=1e-13, limit=200)[0]
    assert abs(-u.eps * np.log(integral) - u.evolve_by_quadrature([0.25], s)) < 1e-12


@pytest.mark.parametrize("count", [1, 2, 25, 150, 640])
def test_hermite_rule_integrates_monomials(count: int) -> None:
    nodes, logs = hermite_rule(count)
    weights = np.exp(logs - nodes**2)
    for k in range(0, min(2 * count, 40), 2):
        expected = float(sympy.gamma(sympy.Rational(k + 1, 2)))
        assert abs((weights * nodes**k).sum() - expected) <= 1e-11 * expected


@pytest.mark.parametrize(("count", "d"), [(1, 1), (2, 1), (3, 1), (2, 2), (1, 3)])
def test_sympy_reduces_the_residual(count: int, d: int) -> None:
    rng = np.random.default_rng(1)
    u = HopfCole(rng.integers(-2, 3, (count, d)), rng.integers(-2, 3, count), 0.5, 1.0)
    symbolic = u.sympy()
    assert symbolic.reduced() == 0
    place = [sympy.Rational(k + 1, 3) for k in range(d)]
    value = symbolic.solution.subs(dict(zip(symbolic.x, place, strict=True)) | {symbolic.t: 1})
    assert abs(float(value.evalf(30)) - u.value([float(p) for p in place])) < 1e-14


def test_sympy_without_the_normalisation_is_another_equation() -> None:
    u = HopfCole([[0.0], [1.0]], [0.0, 1.0], 0.5, 1.0)
    symbolic = u.sympy()
    bare = symbolic.solution - sympy.log(4 * sympy.pi * symbolic.t / 2) / 4
    slope = sympy.diff(bare, symbolic.x[0])
    residual = sympy.diff(bare, symbolic.t) + slope**2 - sympy.diff(slope, symbolic.x[0]) / 2
    assert sympy.simplify(residual + sympy.Rational(1, 4) / symbolic.t) == 0  # −dε/(2t)


def test_one_site_is_a_paraboloid() -> None:
    u = HopfCole([[1.0, -2.0]], [0.5], 0.3, 2.0)
    x = np.array([[0.0, 0.0], [3.0, 1.0]])
    expected = 0.5 + ((x - [1, -2]) ** 2).sum(axis=1) / 8 + 0.3 * np.log(4 * np.pi * 0.3 * 2)
    np.testing.assert_allclose(u.value(x), expected, rtol=1e-15)
    np.testing.assert_allclose(u.laplacian(x), [0.5, 0.5], rtol=1e-15)


def test_duplicates_and_absent_sites() -> None:
    x = np.linspace(-2, 2, 9)[:, None]
    one = HopfCole([[0.5]], [1.0], 0.4, 1.0)
    three = HopfCole([[0.5], [0.5], [9.0]], [1.0, 1.0, np.inf], 0.4, 1.0)
    np.testing.assert_allclose(three.value(x), one.value(x) - 0.4 * np.log(2), rtol=1e-14)
    np.testing.assert_allclose(three.gradient(x), one.gradient(x), rtol=1e-14)


@pytest.mark.parametrize("sites", [np.zeros((0, 2)), np.zeros((3, 2))])
def test_nothing_present(sites: np.ndarray) -> None:
    u = HopfCole(sites, np.full(len(sites), np.inf), 1.0, 1.0)
    x = np.ones((2, 2))
    assert (u.value(x) == np.inf).all()
    assert (u.evolve_by_quadrature(x, 1.0) == np.inf).all()
    for derivative in (u.gradient(x), u.laplacian(x), u.dt(x), u.residual(x)):
        assert (derivative == 0).all()
    for call in (u.sympy, lambda: u.residual_enclosure(x), lambda: u.plot((0, 1))):
        with pytest.raises(InvalidInput, match="present sites"):
            call()


@pytest.mark.filterwarnings("error")
def test_refusals_say_what_is_wrong() -> None:
    with pytest.raises(InvalidInput, match="t is -1: expected a finite number > 0"):
        HopfCole([[0.0]], [0.0], 1.0, -1)
    with pytest.raises(InvalidInput, match="costs must be an array of real numbers"):
        HopfCole([[0.0]], "abc", 1.0, 1.0)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="range of float64"):
        HopfCole([[1.0]], [0.0], 1.0, 1e-300).value([0.0])


def test_one_point_and_no_point() -> None:
    u, _ = random_solution(4, 2, 0.5, 1.0)
    assert u.value([0.0, 1.0]).shape == u.dt([0.0, 1.0]).shape == u.laplacian([0.0, 1.0]).shape == ()
    assert u.gradient([0.0, 1.0]).shape == (2,)
    assert u.residual_enclosure([0.0, 1.0]).shape == u.residual([0.0, 1.0]).shape == ()
    assert u.value(np.zeros((0, 2))).shape == (0,)
    assert u.gradient(np.zeros((0, 2))).shape == (0, 2)
    assert len(u) == 4
    assert repr(u) == "<HopfCole: 4 sites in 2 dimensions, eps=0.5, t=1>"


def test_huge_and_tiny_times() -> None:
    """At t = 1e300 the sites are one heat source of mass Σ e^{−g/ε}; at t = 1e-100 a point on a site sees it alone."""
    late = HopfCole([[0.0], [1.0]], [0.0, 0.0], 1.0, 1e300)
    assert late.value([0.5]) == pytest.approx(-np.log(2) + 0.5 * np.log(4e300 * np.pi), rel=1e-14)
    early = HopfCole([[0.0], [1.0]], [0.25, 0.0], 1.0, 1e-100)
    assert early.value([0.0]) == pytest.approx(0.25 + 0.5 * np.log(4e-100 * np.pi), rel=1e-14)
    with pytest.raises(InvalidInput, match="range of float64"):
        HopfCole([[0.0], [1e60]], [0.0, 0.0], 1.0, 1e-200).value([0.0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[0.0]], [0.0, 1.0], 1.0, 1.0), "1 sites but 2 costs"),
        (([[0.0]], [-np.inf], 1.0, 1.0), "-inf"),
        (([[0.0]], [np.nan], 1.0, 1.0), "NaN"),
        (([[np.inf]], [0.0], 1.0, 1.0), "sites"),
        (([0.0], [0.0], 1.0, 1.0), "expected 2 axes"),
        (([[0.0]], [0.0], 0.0, 1.0), "eps is 0"),
        (([[0.0]], [0.0], -1.0, 1.0), "eps is -1.0"),
        (([[0.0]], [0.0], 1.0, 0.0), "t is 0"),
        (([[0.0]], [0.0], 1.0, 1e-310), "t is 1e-310"),
    ],
)
def test_refusals(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        HopfCole(*arguments)  # type: ignore[arg-type]


def test_layers_that_have_no_solution() -> None:
    with pytest.raises(InvalidInput, match=r"HopfLax\.from_tropical"):
        HopfCole.from_lse(LogSumExp([[1.0]], [0.0], 0.0), 1.0)
    with pytest.raises(InvalidInput, match="take t smaller"):
        HopfCole.from_lse(LogSumExp([[1e200]], [0.0], 1.0), 1.0)
    with pytest.raises(InvalidInput, match="take t larger"):
        HopfCole([[1e200]], [0.0], 1.0, 1e-200).to_lse()


@given(
    st.integers(0, 60), st.integers(1, 4), st.integers(1, 120), st.sampled_from([0.01, 0.3, 5.0]), st.integers(0, 99)
)
def test_the_kernel_is_its_specification(n: int, d: int, count: int, eps: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y, g = rng.normal(size=(n, d)), rng.normal(size=(count, d)), rng.normal(size=count)
    for ours, twin in zip(atomic_sums(x, y, g, eps, 0.4, 2), atomic_sums_numpy(x, y, g, eps, 0.4), strict=True):
        np.testing.assert_allclose(ours, twin, atol=1e-12)
    values = atomic_sums(x, y, g, eps, 0.4, 0)
    assert [len(part) for part in values] == [n, 0, 0, 0]

"""Conjugates against closed forms, mpmath at 50 digits, cvxpy and scipy; proofs against rational arithmetic."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from tropix import InvalidInput, LogSumExp, TropicalPolynomial
from tropix.convex import conjugate, conjugate_program
from tropix.kernels import conjugate_bounds, conjugate_newton, conjugate_newton_numpy


def random_case(count: int, dimension: int, eps: float, seed: int = 0) -> tuple[LogSumExp, np.random.Generator]:
    rng = np.random.default_rng(seed)
    return LogSumExp(rng.normal(size=(count, dimension)), rng.normal(size=count), eps), rng


def facet_weights(sites: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Weights of the point where a ray from the mean leaves the hull."""
    count, dimension = sites.shape
    table = np.zeros((dimension + 1, count + 1))
    table[:-1, :-1], table[:-1, -1], table[-1, :-1] = sites.T, -direction, 1
    answer = linprog(
        np.append(np.zeros(count), -1.0),
        A_eq=table,
        b_eq=np.append(sites.mean(axis=0), 1.0),
        bounds=[(0, None)] * (count + 1),
    )
    weights = np.where(answer.x[:-1] > 1e-9, answer.x[:-1], 0)
    return np.asarray(weights / weights.sum())


def by_mpmath(f: LogSumExp, y: np.ndarray, start: np.ndarray) -> mpmath.mpf:
    """Newton's method at 50 digits from a point near the maximiser."""
    with mpmath.workdps(50):
        d = f.dimension
        sites = [[mpmath.mpf(float(v)) - mpmath.mpf(float(t)) for v, t in zip(w, y, strict=True)] for w in f.weights]
        bias, eps = [mpmath.mpf(float(b)) for b in f.bias], mpmath.mpf(f.eps)
        x = mpmath.matrix([mpmath.mpf(float(v)) for v in start])
        for _ in range(8):
            z = [sum(a[i] * x[i] for i in range(d)) + b for a, b in zip(sites, bias, strict=True)]
            top = max(z)
            terms = [mpmath.exp((v - top) / eps) for v in z]
            total = sum(terms)
            p = [t / total for t in terms]
            g = mpmath.matrix([sum(q * a[i] for q, a in zip(p, sites, strict=True)) for i in range(d)])
            h = mpmath.matrix(d, d)
            for i in range(d):
                for k in range(d):
                    h[i, k] = sum(q * a[i] * a[k] for q, a in zip(p, sites, strict=True)) - g[i] * g[k]
            x = x - eps * mpmath.lu_solve(h, g)
        assert max(abs(v) for v in g) < mpmath.mpf(10) ** -30
        return -(top + eps * mpmath.log(total))


@pytest.mark.parametrize("eps", [1e-3, 1e-2, 0.1, 1.0, 30.0])
@pytest.mark.parametrize(("count", "dimension"), [(6, 1), (12, 2), (40, 4)])
def test_bounds_enclose_fifty_digits(count: int, dimension: int, eps: float) -> None:
    f, rng = random_case(count, dimension, eps)
    points = rng.dirichlet(np.ones(count), size=3) @ f.weights
    answer = conjugate(f, points)
    for q, y in enumerate(points):
        truth = by_mpmath(f, y, answer.x[q])
        assert mpmath.mpf(float(answer.lower[q])) <= truth <= mpmath.mpf(float(answer.upper[q]))
        assert answer.gap[q] <= 1e-11
    assert set(answer.status) == {"attained"}


@pytest.mark.parametrize("eps", [1e-3, 1e-2, 0.1, 1.0])
@pytest.mark.parametrize(("count", "dimension"), [(10, 2), (100, 2), (100, 10), (1000, 10), (100, 50), (1000, 50)])
@pytest.mark.parametrize("where", ["inside", "near", "face"])
def test_gap_inside_near_the_boundary_and_on_faces(count: int, dimension: int, eps: float, where: str) -> None:
    f, rng = random_case(count, dimension, eps, 1)
    if where == "inside":
        weights = rng.dirichlet(np.ones(count), size=2)
    else:
        weights = np.array([facet_weights(f.weights, rng.normal(size=dimension))])
        if where == "near":
            weights = (1 - 1e-6) * weights + 1e-6 / count
    points = weights @ f.weights
    answer = conjugate(f, points)
    assert (answer.gap <= 1e-10).all()
    np.testing.assert_allclose(answer.p @ f.weights, points, atol=1e-8)
    if where == "face":
        assert ((answer.p > 0) <= (weights > 0)).all()
        assert set(answer.status) <= {"moved", "boundary"}
        assert (answer.shift <= 64 * 2.0**-52 * np.abs(f.weights).max()).all()
        far = answer.x + 1e4 * answer.ray
        along = (far * points).sum(axis=1) - f(far)
        np.testing.assert_allclose(along, answer.value, atol=1e-6)
    else:
        np.testing.assert_allclose((answer.x * points).sum(axis=1) - f(answer.x), answer.value, atol=1e-9)


@pytest.mark.parametrize("eps", [0.0, 0.05, 1.0])
def test_agrees_with_the_conic_program(eps: float) -> None:
    f, rng = random_case(30, 4, eps, 2)
    points = rng.dirichlet(np.ones(30), size=5) @ f.weights
    answer, program = conjugate(f, points), conjugate_program(f)
    for q, y in enumerate(points):
        assert program.solve_at(y) == pytest.approx(float(answer.value[q]), abs=1e-8)
        np.testing.assert_allclose(program.x, answer.x[q], atol=1e-4)
        assert program.total.dual_value == pytest.approx(float(f(answer.x[q])) - eps, abs=1e-4)
    other = conjugate(f, points, method="program")
    np.testing.assert_allclose(other.value, answer.value, atol=1e-10)
    assert (other.gap <= 1e-10).all()


def test_temperature_is_a_parameter() -> None:
    f, rng = random_case(8, 2, 0.5, 3)
    y, program = rng.dirichlet(np.ones(8)) @ f.weights, conjugate_program(f)
    for eps in (1.0, 0.2, 0.5):
        expected = conjugate(LogSumExp(f.weights, f.bias, eps), y).value
        assert program.solve_at(y, eps) == pytest.approx(float(expected), abs=1e-7)
    assert program.is_dpp()
    assert set(program.param_dict) == {"y", "eps"}
    assert set(program.var_dict) == {"p"}
    linear = conjugate_program(f.limit())
    assert linear.is_lp()
    with pytest.raises(InvalidInput, match="temperature"):
        linear.solve_at(y, 0.5)


@pytest.mark.parametrize("eps", [0.3, 1.0])
def test_softplus_in_closed_form(eps: float) -> None:
    """F*(y) = ε (y log y + (1 − y) log(1 − y)) on [0, 1], so 0 at the ends."""
    f = LogSumExp([[0.0], [1.0]], [0.0, 0.0], eps)
    inner = np.linspace(0.001, 0.999, 9)
    answer = conjugate(f, inner[:, None])
    np.testing.assert_allclose(answer.value, eps * (inner * np.log(inner) + (1 - inner) * np.log1p(-inner)), atol=1e-14)
    np.testing.assert_allclose(answer.x[:, 0], eps * np.log(inner / (1 - inner)), rtol=1e-9, atol=1e-12)
    ends = conjugate(f, [[0.0], [1.0], [1.0 + 2**-52], [1 + 1e-9], [-3.0]])
    assert ends.status.tolist() == ["boundary", "boundary", "moved", "outside", "outside"]
    np.testing.assert_allclose(ends.value, [0, 0, 0, np.inf, np.inf], atol=1e-14)
    assert ends.ray[:2, 0].tolist() == [-1, 1]
    assert ends.separation[2:, 0].tolist() == [1, 1, -1]
    assert ends.gap[3] == 0


def test_degenerate_functions() -> None:
    one = conjugate(LogSumExp([[2.0, 1.0]] * 3, [0.0, 0.0, 1.0], 0.5), [[2.0, 1.0], [2.0, 1.1]])
    assert one.value[0] == pytest.approx(-0.5 * np.log(2 + np.exp(2)))
    assert one.status.tolist() == ["attained", "outside"]
    np.testing.assert_allclose(one.p[0], np.array([1, 1, np.e**2]) / (2 + np.e**2))
    nothing = conjugate(LogSumExp([[1.0]], [-np.inf], 1.0), [0.0])
    assert (float(nothing.value), nothing.status) == (np.inf, "outside")
    absent = conjugate(LogSumExp([[0.0], [1.0], [5.0]], [0.0, 0.0, -np.inf], 1.0), [[0.5], [3.0]])
    assert absent.status.tolist() == ["attained", "outside"]
    assert absent.p[0].tolist() == pytest.approx([0.5, 0.5, 0])
    no_rows = conjugate(LogSumExp([[0.0], [1.0]], [0.0, 0.0], 1.0), np.empty((0, 1)))
    assert no_rows.value.shape == (0,)
    assert no_rows.p.shape == (0, 2)
    with pytest.raises(InvalidInput, match="method"):
        conjugate(LogSumExp([[0.0]], [0.0], 1.0), [0.0], method="guess")  # type: ignore[arg-type]


@pytest.mark.parametrize("eps", [1e-3, 0.01, 0.1])
def test_at_the_sites_of_a_paraboloid(eps: float) -> None:
    """All weight sits on one or two pieces: the covariance vanishes and a smaller flat bounds f*."""
    rng = np.random.default_rng(4)
    sites = rng.normal(size=(40, 3))
    f = LogSumExp(sites, -(sites**2).sum(axis=1), eps)
    points = np.concatenate([sites[:6], (sites[:3] + sites[3:6]) / 2])
    answer = conjugate(f, points)
    assert (answer.gap <= 1e-10).all()
    limit = conjugate(f.limit(), points).value
    assert (answer.value <= limit + 1e-12).all()
    assert (answer.value >= limit - eps * np.log(40) - 1e-12).all()


def test_sites_in_a_flat() -> None:
    rng = np.random.default_rng(5)
    inner, frame = rng.integers(-8, 9, size=(20, 2)).astype(float), np.array([[1.0, 2.0, 0.0], [0.0, 1.0, -1.0]])
    bias = rng.normal(size=20)
    whole, plane = LogSumExp(inner @ frame, bias, 0.3), LogSumExp(inner, bias, 0.3)
    points = np.round(rng.dirichlet(np.ones(20), size=3) @ inner * 64) / 64  # so that the products are exact
    answer, expected = conjugate(whole, points @ frame), conjugate(plane, points)
    np.testing.assert_allclose(answer.value, expected.value, atol=1e-12)
    assert set(answer.status) == {"attained"}
    assert (answer.gap <= 1e-11).all()
    np.testing.assert_allclose(answer.x @ np.cross(*frame), 0, atol=1e-12)
    np.testing.assert_allclose(answer.x @ frame.T, expected.x, atol=1e-7)
    off = conjugate(whole, points[0] @ frame + [1e-9, 0, 0])
    assert off.status == "outside"
    bent = LogSumExp(inner @ frame @ np.linalg.qr(rng.normal(size=(3, 3)))[0], bias, 0.3)  # flat up to rounding
    near = conjugate(bent, bent.weights.mean(axis=0))
    assert near.status == "moved"
    assert near.value == pytest.approx(float(conjugate(plane, inner.mean(axis=0)).value), abs=1e-12)


def test_separations_hold_in_rational_arithmetic() -> None:
    f, rng = random_case(25, 3, 0.2, 6)
    points = np.concatenate([rng.normal(size=(6, 3)) * 6, f.weights[:1] * (1 + 1e-7) * 5])
    answer = conjugate(f, points)
    assert set(answer.status) == {"outside"}
    for y, w in zip(points, answer.separation, strict=True):

        def dot(a: np.ndarray, w: np.ndarray = w) -> Fraction:
            return sum((Fraction(s) * Fraction(t) for s, t in zip(a.tolist(), w.tolist(), strict=True)), Fraction(0))

        assert dot(y) > max(dot(site) for site in f.weights)
    assert np.isposinf(answer.value).all()


@pytest.mark.parametrize("dimension", [1, 2, 5])
def test_tropical_conjugate_is_the_linear_program(dimension: int) -> None:
    rng = np.random.default_rng(7)
    f = TropicalPolynomial(rng.normal(size=(30, dimension)), rng.normal(size=30))
    points = np.concatenate([rng.dirichlet(np.ones(30), size=8) @ f.exponents, f.exponents[:2]])
    answer = conjugate(f, points)
    for q, y in enumerate(points):
        solved = linprog(
            -f.coefficients,
            A_eq=np.vstack([f.exponents.T, np.ones(30)]),
            b_eq=np.append(y, 1.0),
            bounds=[(0, None)] * 30,
        )
        assert answer.value[q] == pytest.approx(solved.fun, abs=1e-9)
    assert (answer.gap <= 1e-11).all()
    np.testing.assert_allclose(answer.p @ f.exponents, points, atol=1e-12)
    assert (answer.p >= 0).all()


def test_kernel_and_its_specification() -> None:
    f, rng = random_case(30, 3, 0.5, 8)
    points = rng.dirichlet(np.ones(30), size=6) @ f.weights
    x, state = conjugate_newton(points, f.weights, f.bias, 0.5, 1.0)
    assert not state.any()
    for y, found in zip(points, x, strict=True):
        np.testing.assert_allclose(found, conjugate_newton_numpy(y, f.weights, f.bias, 0.5), atol=1e-7)


def test_the_proof_trusts_no_solver() -> None:
    """From a wrong x the bounds still hold, and the gap says how wrong it is."""
    f, rng = random_case(30, 3, 0.5, 9)
    points = rng.dirichlet(np.ones(30), size=20) @ f.weights
    truth = conjugate(f, points)
    for noise in (1e-6, 1e-3, 0.1, 1.0):
        x = truth.x + noise * rng.normal(size=truth.x.shape)
        lower, upper = conjugate_bounds(points, f.weights, f.bias, 0.5, x)
        assert (lower <= truth.upper).all()
        assert (upper >= truth.lower).all()
    assert (upper > truth.upper + 1e-3).all()
    outside = points + 20
    lower, upper = conjugate_bounds(outside, f.weights, f.bias, 0.5, truth.x)
    assert np.isposinf(upper).all()


@given(st.integers(0, 10_000), st.sampled_from([0.05, 0.5, 2.0]))
@settings(max_examples=25, deadline=None)
def test_fenchel_laws(seed: int, eps: float) -> None:
    """f*(∇f(x)) = ⟨x, ∇f(x)⟩ − f(x); −ε log N ≤ f_ε* − f_0* ≤ 0; lattice sites: ties, duplicates, flats."""
    rng = np.random.default_rng(seed)
    count, dimension = int(rng.integers(1, 8)), int(rng.integers(1, 4))
    f = LogSumExp(rng.integers(-2, 3, size=(count, dimension)), rng.integers(-2, 3, size=count), eps)
    x = rng.normal(size=dimension)
    y = f.gradient(x)
    answer = conjugate(f, y)
    assert answer.status in ("attained", "moved", "boundary")
    assert float(answer.value) == pytest.approx(float(x @ y - f(x)), abs=1e-9)
    corner = f.weights[0]
    smooth, sharp = conjugate(f, corner), conjugate(f.limit(), corner)
    assert sharp.gap <= 1e-12
    assert smooth.gap <= 1e-12
    assert -eps * np.log(count) - 1e-12 <= float(smooth.value - sharp.value) <= 1e-12


def test_bounds_see_pieces_whose_logits_leave_the_range_of_floats() -> None:
    """A far site whose products overflow: f*(1e305) ≤ −50/1500, as p = (1499, 0, 1)/1500 shows."""
    points, sites, bias = np.array([[1e305]]), np.array([[0.0], [1e305], [1.5e308]]), np.array([0.0, 0.0, 50.0])
    lower, upper = conjugate_bounds(points, sites, bias, 1.0, np.zeros((1, 1)))
    assert lower[0] <= -50 / 1500 <= upper[0]


def test_bounds_of_a_moved_point_are_in_order() -> None:
    """Next to a thin cell of the dual subdivision both bounds are those of the same point."""
    sites = np.array([[-2, -3], [2, 3], [0, -2], [0, -2], [3, -2], [2, -3]]) / 3.0
    bias = [
        -286829.9223040428, -558385.9676856746, -952939.1557968435, 2755464.9603434065, -473681.3609718669,
        -2611821.9997328436,
    ]  # fmt: skip
    answer = conjugate(LogSumExp(sites, bias, 1e4), [-0.6002007416358346, -0.966767037484584], tolerance=1.0)
    assert answer.status == "moved"
    assert answer.lower <= answer.upper

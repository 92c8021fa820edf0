"""The inviscid solution against brute force, linear programs, exact arithmetic and the viscous limit."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize_scalar
from scipy.spatial import HalfspaceIntersection

from tropix import InvalidInput, TropicalPolynomial, Unsupported
from tropix.exact import Rationals
from tropix.kernels import atomic_minimum, atomic_minimum_numpy
from tropix.pde import HopfCole, HopfLax, viscous_gap


def random_solution(count: int, d: int, t: float, seed: int = 0) -> HopfLax:
    rng = np.random.default_rng(seed)
    return HopfLax(rng.normal(size=(count, d)), 0.2 * rng.normal(size=count), t)


def brute_force(u: HopfLax, x: list[float]) -> list[Fraction]:
    place = [Fraction(c) for c in x]
    return [
        Fraction(g) + sum((a - Fraction(b)) ** 2 for a, b in zip(place, y, strict=True)) / (4 * Fraction(u.t))
        for y, g in zip(u.sites.tolist(), u.costs.tolist(), strict=True)
    ]


@pytest.mark.parametrize(("count", "d"), [(1, 1), (5, 1), (30, 2), (200, 5)])
@pytest.mark.parametrize("t", [1e-4, 1.0, 1e4])
def test_values_minimisers_and_gradients(count: int, d: int, t: float) -> None:
    u = random_solution(count, d, t)
    x = 2 * np.random.default_rng(1).normal(size=(20, d))
    values, which, slopes = u.value(x), u.minimiser(x), u.gradient(x)
    assert isinstance(which, np.ndarray)
    for i, row in enumerate(x.tolist()):
        terms = brute_force(u, row)
        assert terms[which[i]] == min(terms)
        assert abs(Fraction(values[i]) - min(terms)) <= Fraction(d + 4, 2**53) * (abs(min(terms)) + 1)
        np.testing.assert_allclose(slopes[i], (x[i] - u.sites[which[i]]) / (2 * t), rtol=1e-15)


def test_ties_are_exact() -> None:
    u = HopfLax([[0, 0], [1, 0], [0, 1], [1, 1], [0, 0]], [0, 0, 0, 0, 0], 0.5)
    points = [[0.5, 0.5], [0.5, 0.25], [-1, -1], [0.5, 0.5 + 2.0**-52]]
    assert u.minimiser(points, ties=True) == ((0, 1, 2, 3, 4), (0, 1, 4), (0, 4), (2, 3))
    assert u.minimiser([0.5, 0.5], ties=True) == ((0, 1, 2, 3, 4),)
    tenth = HopfLax([[0.1], [0.3]], [0.0, 0.0], 1.0)  # 0.2 is not the middle of these floats
    assert tenth.minimiser([[0.2]], ties=True) == ((int(Fraction(0.1) + Fraction(0.3) < 2 * Fraction(0.2)),),)


def test_ties_that_rounding_hides() -> None:
    """Permuted coordinates have the same length, but their squares add up to different floats."""
    sites = np.array(list(permutations([0.1, 0.7, 1.3, 2.1])))
    assert len({float(total) for total in np.add.accumulate(sites**2, axis=1)[:, -1]}) > 1
    assert HopfLax(sites, np.zeros(24), 0.3).minimiser(np.zeros(4), ties=True) == (tuple(range(24)),)


@given(st.integers(0, 1000), st.integers(1, 3))
def test_exact_minimisers_against_fractions(seed: int, d: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 9))
    u = HopfLax(rng.integers(-2, 3, (count, d)), rng.integers(0, 3, count) / 4, 0.25)
    x = rng.integers(-4, 5, (5, d)) / 2
    for row, found in zip(x.tolist(), u.minimiser(x, ties=True), strict=True):
        terms = brute_force(u, row)
        assert found == tuple(j for j, term in enumerate(terms) if term == min(terms))


@pytest.mark.parametrize(("count", "d"), [(1, 1), (6, 2), (20, 3)])
def test_the_linear_part_is_exact(count: int, d: int) -> None:
    u = random_solution(count, d, 0.3)
    f = u.to_tropical()
    x = np.random.default_rng(2).normal(size=(10, d))
    values = f(Rationals.of(x)).fractions()
    for row, value in zip(x.tolist(), values.tolist(), strict=True):
        assert value == sum(Fraction(c) ** 2 for c in row) / (4 * Fraction(0.3)) - min(brute_force(u, row))
    back = HopfLax.from_tropical(f, 0.3)
    assert (back.sites == u.sites).all()
    assert (back.costs == u.costs).all()


def test_viscosity_vanishes() -> None:
    """−ε log N ≤ u_ε − (dε/2) log(4πεt) − u_0 ≤ 0."""
    u = random_solution(12, 2, 0.7)
    x = np.random.default_rng(3).normal(size=(50, 2))
    for eps in (1e-6, 1e-2, 1.0, 100.0):
        viscous = u.viscous(eps)
        gap = viscous.value(x) - viscous.normalisation - u.value(x)
        assert (gap <= 1e-14).all()
        assert (gap >= -eps * np.log(12) - 1e-14).all()
    assert (viscous.limit().sites == u.sites).all()
    assert np.abs(u.viscous(1e-9).gradient(x) - u.gradient(x)).max() < 1e-12


def test_active_sites_and_shocks_on_a_line() -> None:
    """Points of indifference of neighbours, computed by hand: (g_j − g_i)2t/(y_j − y_i) + (y_i + y_j)/2."""
    u = HopfLax([[0.0], [1.0], [2.0], [4.0], [9.0]], [0.0, 5.0, 0.0, 1.0, np.inf], 0.5)
    assert u.active_sites().tolist() == [0, 2, 3]
    assert u.shock_points() == (Fraction(1), Fraction(7, 2))
    assert u.volumes((-1, 5)).tolist() == [2.0, 0.0, 2.5, 1.5, 0.0]
    assert random_solution(1, 1, 1.0).shock_points() == ()


@pytest.mark.parametrize("seed", range(3))
def test_cells_against_sampling_and_qhull(seed: int) -> None:
    u = random_solution(25, 2, 0.5, seed)
    areas = u.volumes((-2, 3))
    assert sum(Fraction(a) for a in areas) == pytest.approx(25.0, rel=1e-14)
    assert set(np.flatnonzero(areas)) <= set(u.active_sites())
    x = np.random.default_rng(4).uniform(-2, 3, size=(4000, 2))
    which = u.minimiser(x)
    square = np.array([[1, 0, -3], [-1, 0, -2], [0, 1, -3], [0, -1, -2]], dtype=float)
    for site in u.active_sites():
        cell = u.cell(int(site))
        assert (cell.contains(x) == (which == site)).all()
        if not (which == site).any():
            continue
        halfspaces = np.vstack([np.column_stack([cell.weights, -cell.bounds]), square])
        inside = x[which == site]
        depth = (halfspaces[:, :2] @ inside.T + halfspaces[:, 2:]).max(axis=0)
        corners = HalfspaceIntersection(halfspaces, inside[depth.argmin()]).intersections
        turn = np.argsort(np.arctan2(*(corners - corners.mean(axis=0)).T))
        a, b = corners[turn], np.roll(corners[turn], -1, axis=0)
        assert abs(np.abs((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / 2 - areas[site]) < 1e-9


@pytest.mark.parametrize("d", [1, 3, 4])
def test_cells_in_other_dimensions(d: int) -> None:
    u = random_solution(8, d, 1.0, 5)
    x = 3 * np.random.default_rng(5).normal(size=(500, d))
    which = u.minimiser(x)
    for site in u.active_sites():
        assert (u.cell(int(site)).contains(x) == (which == site)).all()


def test_shocks_are_where_two_sites_tie() -> None:
    u = random_solution(15, 2, 0.5, 6)
    curve = u.shock_curve()
    for vertex, cell in zip(curve.vertices, u.subdivision().cells, strict=True):
        terms = [
            Fraction(g) + sum((a - Fraction(b)) ** 2 for a, b in zip(vertex, y, strict=True)) / 2
            for y, g in zip(u.sites.tolist(), u.costs.tolist(), strict=True)
        ]
        assert tuple(j for j, term in enumerate(terms) if term == min(terms)) == cell.monomials


def test_equal_sites_collinear_sites_and_one_site() -> None:
    u = HopfLax([[0, 0], [0, 0], [2, 0], [0, 0]], [1, 0, 0, 0], 1.0)
    assert u.active_sites().tolist() == [1, 2]
    assert len(u.shock_curve().lines) == 1
    assert u.volumes(([-1, -1], [3, 1])).tolist() == [0.0, 4.0, 4.0, 0.0]
    corners = HopfLax([[0, 0], [1, 1]], [0, 0], 1.0)  # the shock runs through two corners of the box
    assert corners.volumes((0, 1)).tolist() == [0.5, 0.5]
    one = HopfLax([[3.0, 4.0]], [1.0], 1.0)
    assert one.value([0.0, 0.0]) == 1 + 25 / 4
    assert one.volumes((0, 2)).tolist() == [4.0]
    assert len(one.cell(0).bounds) == 0


@pytest.mark.parametrize("count", [0, 3])
def test_nothing_present(count: int) -> None:
    u = HopfLax(np.zeros((count, 2)), np.full(count, np.inf), 1.0)
    assert u.value([0.0, 1.0]) == np.inf
    assert u.minimiser([0.0, 1.0]) == -1
    assert u.minimiser([[0.0, 1.0]], ties=True) == ((),)
    assert (u.gradient([0.0, 1.0]) == 0).all()
    assert len(u.active_sites()) == len(u.to_tropical()) == 0
    assert (u.volumes((0, 1)) == np.zeros(count)).all()
    assert HopfLax(np.zeros((count, 1)), np.full(count, np.inf), 1.0).shock_points() == ()


def test_refusals() -> None:
    u = HopfLax([[0.0], [1.0], [0.5]], [0.0, 0.0, 9.0], 1.0)
    with pytest.raises(InvalidInput, match="site 2 is not active"):
        u.cell(2)
    with pytest.raises(InvalidInput, match="bounded box"):
        u.volumes((-np.inf, 0))
    with pytest.raises(Unsupported, match="shock_curve"):
        random_solution(3, 2, 1.0).shock_points()
    with pytest.raises(Unsupported, match="one and two"):
        random_solution(3, 3, 1.0).volumes((0, 1))
    with pytest.raises(InvalidInput, match="t is 0"):
        HopfLax([[0.0]], [0.0], 0.0)


def test_only_the_envelope_of_the_data_is_readable() -> None:
    """g_j ≥ f_0*(y_j/2t) − |y_j|²/(4t), with equality at active sites; f_0* by a linear program."""
    u = random_solution(12, 2, 0.5, 7)
    f, t, active = u.to_tropical(), u.t, set(u.active_sites().tolist())
    assert 0 < len(active) < 12
    for j, (y, g) in enumerate(zip(u.sites, u.costs, strict=True)):
        a_eq = np.vstack([f.exponents.T, np.ones(12)])
        conjugate = linprog(-f.coefficients, A_eq=a_eq, b_eq=np.append(y / (2 * t), 1.0)).fun
        read = conjugate - (y**2).sum() / (4 * t)
        assert (abs(read - g) < 1e-9) == (j in active)
        assert read < g + 1e-9
    dearer = HopfLax(u.sites, np.where(np.isin(np.arange(12), list(active)), u.costs, u.costs + 1), t)
    assert dearer.to_tropical().equals(f)


def test_semigroup_of_the_inviscid_solution() -> None:
    """u(x, t+s) = min_z u(z, t) + |x−z|²/(4s), by a search for the best z around each site's foot."""
    u = random_solution(6, 1, 0.4, 8)
    for x in (-1.0, 0.2, 1.5):
        feet = x + (u.sites[:, 0] - x) * 0.5 / 0.9
        best = min(
            minimize_scalar(
                lambda z, x=x: float(u.value([z])) + (x - z) ** 2 / 2,
                bracket=(foot - 1e-3, foot + 1e-3),
            ).fun
            for foot in feet
        )
        assert abs(best - u.evolve(0.9).value([x])) < 1e-9


def test_a_polynomial_read_as_a_solution() -> None:
    f = TropicalPolynomial([[0], [1]], [0, 0])
    u = HopfLax.from_tropical(f, 1.0)  # ReLU is |x|²/4t − min over y ∈ {0, 2t} with g = (0, −t)
    assert u.sites.ravel().tolist() == [0.0, 2.0]
    assert u.costs.tolist() == [0.0, -1.0]
    x = np.linspace(-3, 3, 13)
    np.testing.assert_allclose(x**2 / 4 - u.value(x[:, None]), np.maximum(x, 0), atol=1e-15)
    assert len(HopfLax.from_tropical(TropicalPolynomial.zero(2), 1.0)) == 0


@pytest.mark.parametrize("eps", [0.3, 1e-3, 1e-9])
def test_viscous_gap_against_quadrature(eps: float) -> None:
    """At the kink, where the gap is largest: −ε log(2 ∫_0^∞ e^{−y/ε} K(y) dy) = −ε log(e^{t/ε} erfc(√(t/ε)))."""
    import mpmath

    found = viscous_gap(eps, t=0.5)
    with mpmath.workdps(60):
        ratio = mpmath.mpf(0.5) / mpmath.mpf(eps)
        kink = -eps * (ratio + mpmath.log(mpmath.erfc(mpmath.sqrt(ratio))))
    assert found.gap == pytest.approx(float(kink), rel=1e-12)
    assert found.ratio == pytest.approx(found.gap / (eps * np.log(1 / eps)))


def test_viscous_gap_away_from_the_kink() -> None:
    """The formula on both sides of |x| = 2t against many atoms on a fine grid (the integral's Riemann sum)."""
    from tropix.pde._rates import _difference

    eps, t, h = 0.1, 0.5, 1e-3
    y = np.arange(-8, 8 + h / 2, h)
    atoms = HopfCole(y[:, None], np.abs(y) - eps * np.log(h), eps, t)
    x = np.array([0.0, 0.3, 0.9, 1.0, 1.1, 2.5])
    inviscid = np.where(x <= 2 * t, x**2 / (4 * t), x - t)
    np.testing.assert_allclose(_difference(x, eps, t), atoms.value(x[:, None]) - inviscid, atol=1e-5)


def test_the_rate_of_the_viscous_arrow_tends_to_one_half() -> None:
    excess = [viscous_gap(10.0**-k).ratio - 0.5 for k in (4, 16, 64, 256)]
    np.testing.assert_allclose(excess, np.log(np.pi) / (2 * np.log(10.0) * np.array([4, 16, 64, 256])), rtol=1e-3)
    assert viscous_gap(1e-200, dimension=3).ratio == pytest.approx(1.5, abs=0.01)
    with pytest.raises(InvalidInput, match="0 < eps < 1"):
        viscous_gap(1.0)


@given(st.integers(0, 60), st.integers(1, 4), st.integers(1, 60), st.integers(0, 99))
def test_the_kernel_is_its_specification(n: int, d: int, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y, g = rng.integers(-3, 4, (n, d)) / 2, rng.integers(-3, 4, (count, d)) / 2, rng.integers(0, 3, count) / 2
    ours, twin = atomic_minimum(x, y, g, 0.5), atomic_minimum_numpy(x, y, g, 0.5)
    assert (ours[0] == twin[0]).all()
    assert (ours[1] == twin[1]).all()


def test_pictures() -> None:
    from tropix.boxes import Box
    from tropix.pde._plot import shock_segments

    line, plane = random_solution(5, 1, 0.5), random_solution(9, 2, 0.5)
    ax = line.plot((-2, 2))
    shocks = [float(p) for p in line.shock_points() if abs(p) <= 2]
    assert sorted(ax.lines[-1].get_xdata()) == shocks
    line.viscous(0.1).plot((-2, 2))
    ax = plane.plot((-2, 2), pixels=50)
    plane.viscous(0.1).plot((-2, 2), ax, pixels=50)
    segments = shock_segments(plane, Box.of((-2, 2), 2))
    curve = plane.shock_curve()
    assert len(segments) == len(curve.edges) + len(curve.rays)
    for first, second in segments:
        middle = 0.7 * first + 0.3 * second
        terms = np.sort(plane.costs + ((middle - plane.sites) ** 2).sum(axis=1) / 2)
        assert terms[1] - terms[0] < 1e-9 * (1 + terms[0])
    assert len(shock_segments(HopfLax([[0, 0], [1, 0]], [0, 0], 1.0), Box.of((-2, 2), 2))) == 1
    with pytest.raises(Unsupported, match="one or two"):
        random_solution(3, 3, 1.0).plot((0, 1))
    with pytest.raises(InvalidInput, match="bounded box"):
        line.plot((0, np.inf))

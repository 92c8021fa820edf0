"""The grid solver against closed forms, the method of characteristics, and solutions that it knows nothing of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tropix import InvalidInput, LogSumExp, Unsupported
from tropix.kernels import laplacian, largest_differences, one_sided_slopes, one_sided_slopes_numpy
from tropix.pde import Grid, HopfCole, HopfLax, convergence_table, solve_on_grid

SHOCK = 1 / (2 * np.pi**2)
"""When −cos(πx) first breaks under u_t + u_x² = 0."""


def cosine(x: np.ndarray) -> np.ndarray:
    return -np.cos(np.pi * x[:, 0])


def characteristics(x: np.ndarray, t: float) -> np.ndarray:
    """The solution from −cos(πx) by bisection for the foot y of x = y + 2πt sin(πy), on the branch of the minimum."""
    place = np.abs((x[:, 0] + 1) % 2 - 1)
    low, high = np.zeros_like(place), place.copy()
    if t > SHOCK:
        high = np.minimum(high, np.arccos(-SHOCK / t) / np.pi)
    for _ in range(100):
        middle = (low + high) / 2
        short = middle + 2 * np.pi * t * np.sin(np.pi * middle) < place
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    return -np.cos(np.pi * low) + (place - low) ** 2 / (4 * t)


def test_the_reference_is_the_hopf_lax_formula() -> None:
    x, y = np.linspace(-1, 1, 41)[:, None], np.linspace(-3, 3, 60_001)
    for t in (0.5 * SHOCK, 3 * SHOCK):
        brute = (-np.cos(np.pi * y) + (x - y) ** 2 / (4 * t)).min(axis=1)
        np.testing.assert_allclose(characteristics(x, t), brute, atol=1e-6)


def test_orders_of_weno_before_and_after_the_shock() -> None:
    early, late = 0.5 * SHOCK, 3 * SHOCK
    smooth = convergence_table(cosine, lambda x: characteristics(x, early), (-1, 1), early, [40, 80, 160, 320])
    assert all(row.max_order >= 4.5 for row in smooth[1:])
    assert smooth[-1].max_error < 1e-8
    broken = convergence_table(cosine, lambda x: characteristics(x, late), (-1, 1), late, [40, 80, 160])
    assert all(0.9 < row.max_order < 1.2 for row in broken[1:])
    assert np.isnan(broken[0].max_order)
    assert [row.size for row in broken] == [40, 80, 160]


@pytest.mark.parametrize("share", [0.5, 3.0])
def test_the_monotone_scheme_is_of_first_order(share: float) -> None:
    t = share * SHOCK
    rows = convergence_table(
        cosine, lambda x: characteristics(x, t), (-1, 1), t, [80, 160, 320], scheme="lax-friedrichs"
    )
    assert all(0.9 < row.max_order < 1.1 for row in rows[1:])


@pytest.mark.parametrize("scheme", ["weno5", "lax-friedrichs"])
def test_diffusion_of_a_wave(scheme: str) -> None:
    """With H = 0 a sine decays as e^{−ε|k|²t}, in both dimensions."""
    for shape in ((48,), (40, 48)):
        grid = Grid((0, 2 * np.pi), shape, periodic=True)
        solution = solve_on_grid(
            lambda x: np.sin(x).sum(axis=1), grid, 0.5, eps=0.3,
            hamiltonian=lambda p: 0.0 * p[0], scheme=scheme, speeds=(0.0,) * len(shape),
        )  # fmt: skip
        errors = solution.errors(lambda x: np.exp(-0.15) * np.sin(x).sum(axis=1))
        assert errors.max() < (1e-5 if scheme == "weno5" else 2e-3)


def test_viscous_layers_in_the_plane_with_given_boundary_values() -> None:
    """A trained layer's solution at time t, evolved by the grid from t to t + s, is the closed form at t + s."""
    rng = np.random.default_rng(0)
    u = HopfCole.from_lse(LogSumExp(rng.normal(size=(5, 2)), 0.3 * rng.normal(size=5), 0.25), 1.0)
    errors = []
    for size in (20, 40):
        grid = Grid((-1, 1), (size, size))
        solution = solve_on_grid(u.value, grid, 1.2, eps=u.eps, start=1.0, boundary=lambda x, t: u.evolve(t).value(x))
        errors.append(solution.errors(u.evolve(1.2).value).max())
    assert errors[1] < 6e-6
    assert np.log2(errors[0] / errors[1]) > 4.5
    dropped = u.value(grid.points).reshape(grid.shape) - u.normalisation  # what the wrong formula starts from
    wrong = solve_on_grid(dropped, grid, 1.2, eps=u.eps, start=1.0, boundary=lambda x, t: u.evolve(t).value(x))
    late = u.evolve(1.2)
    assert wrong.errors(lambda x: late.value(x) - late.normalisation).max() > 1e-2


def test_viscous_shock_on_a_line_by_the_user_interface() -> None:
    """One dimension, both ways to give H = p², against the closed form."""
    u = HopfCole([[-1.0], [0.2], [1.5]], [0.0, 0.1, -0.2], 0.1, 0.5)
    grid = Grid((-2, 2), (200,))
    shared = {"eps": u.eps, "start": 0.5, "boundary": lambda x, t: u.evolve(t).value(x)}
    fused = solve_on_grid(u.value, grid, 0.7, **shared)
    given = solve_on_grid(
        u.value, grid, 0.7, hamiltonian=lambda p: p[0] ** 2,
        speeds=lambda low, high: 2 * np.maximum(np.abs(low), np.abs(high)), **shared,
    )  # fmt: skip
    np.testing.assert_allclose(fused.values, given.values, atol=1e-12)
    assert fused.steps == given.steps
    assert fused.errors(u.evolve(0.7).value).max() < 1e-5
    estimated = solve_on_grid(u.value, grid, 0.7, hamiltonian=lambda p: p[0] ** 2, **shared)
    assert estimated.steps >= fused.steps
    assert estimated.errors(u.evolve(0.7).value).max() < 1e-5


def test_inviscid_cells_with_shocks_in_the_plane() -> None:
    u = HopfLax([[-1, 0], [1, 0.5], [0, -1]], [0.0, 0.1, -0.1], 0.5)
    errors = [
        solve_on_grid(u.value, Grid((-1, 1), (size, size)), 0.8, start=0.5).errors(u.evolve(0.8).value).max()
        for size in (25, 50)
    ]
    assert errors[1] < 0.7 * errors[0] < 0.05


@pytest.mark.parametrize("scheme", ["weno5", "lax-friedrichs"])
def test_other_hamiltonians(scheme: str) -> None:
    """H = |p| moves the level sets of a cone outwards: u = |x| − t where |x| ≥ t; H = p_1 + 2p_2 translates."""
    grid = Grid((-2, 2), (81, 81))
    solution = solve_on_grid(
        lambda x: np.hypot(x[:, 0], x[:, 1]), grid, 0.5, hamiltonian=lambda p: np.hypot(p[0], p[1]), scheme=scheme
    )  # fmt: skip
    radius = np.hypot(*grid.points.T).reshape(grid.shape)
    errors = solution.errors(lambda x: np.maximum(np.hypot(x[:, 0], x[:, 1]) - 0.5, 0.0))
    assert errors[radius > 1].max() < (1e-3 if scheme == "weno5" else 0.02)
    torus = Grid((0, 1), (60, 50), periodic=True)

    def wave(x: np.ndarray) -> np.ndarray:
        return np.sin(2 * np.pi * x[:, 0]) + np.cos(2 * np.pi * x[:, 1])

    moved = solve_on_grid(
        wave, torus, 0.1, hamiltonian=lambda p: p[0] + 2 * p[1], speeds=(1.0, 2.0), scheme=scheme, max_step=2e-3
    )
    errors = moved.errors(lambda x: wave(x - np.array([0.1, 0.2])))
    assert errors.max() < (1e-4 if scheme == "weno5" else 0.35)


def test_axes_are_not_confused() -> None:
    """A function of one coordinate stays one, and is the one-dimensional solution, on a grid of unequal sides."""
    line = solve_on_grid(cosine, Grid((-1, 1), (40,), periodic=True), 0.04, max_step=1e-3)
    for k in range(2):
        grid = Grid((-1, 1), (40, 8) if k == 0 else (8, 40), periodic=True)
        plane = solve_on_grid(lambda x, k=k: cosine(x[:, k:]), grid, 0.04, max_step=1e-3)
        rows = plane.values if k == 0 else plane.values.T
        np.testing.assert_allclose(rows, np.repeat(line.values[:, None], 8, axis=1), atol=1e-13)


@given(st.integers(0, 500))
def test_the_monotone_scheme_compares(seed: int) -> None:
    """Larger data give a larger solution (same speeds and steps), and constants commute: so it is nonexpansive."""
    rng = np.random.default_rng(seed)
    grid = Grid((0, 1), (12, 9), periodic=True)
    u = 0.1 * rng.normal(size=grid.shape)
    v = u + 0.05 * rng.random(grid.shape)
    bound = float(
        2 * max(np.abs(np.diff(w, axis=k, append=w.take([0], axis=k))).max() * 12 for w in (u, v) for k in (0, 1))
    )

    def run(values: np.ndarray) -> np.ndarray:
        return solve_on_grid(
            values, grid, 0.02, eps=0.01, hamiltonian=lambda p: p[0] ** 2 + p[1] ** 2,
            speeds=(bound, bound), scheme="lax-friedrichs", cfl=1.0,
        ).values  # fmt: skip

    assert (run(v) >= run(u) - 1e-14).all()
    np.testing.assert_allclose(run(u + 3.0), run(u) + 3.0, atol=1e-13)


@pytest.mark.parametrize("shape", [(7, 11), (1, 9), (40, 8)])
@pytest.mark.parametrize("weno", [False, True])
def test_slopes_against_their_specification(shape: tuple[int, int], weno: bool) -> None:
    u = np.random.default_rng(0).normal(size=(shape[0] + 6 if shape[0] > 1 else 1, shape[1] + 6))
    spacing = np.array([0.1, 0.3])[-(2 if shape[0] > 1 else 1) :]
    ours = one_sided_slopes(u, spacing, weno)
    np.testing.assert_allclose(ours, one_sided_slopes_numpy(u, spacing, weno), atol=1e-12)
    assert ours.shape == (2, len(spacing), *shape)


def test_slopes_are_exact_for_polynomials() -> None:
    """WENO is exact for quadratics, and of order 5 for others; the Laplacian for quintics."""
    x = 0.1 * np.arange(-3, 13)
    slopes = one_sided_slopes((x**2)[None, :], np.array([0.1]), True)
    np.testing.assert_allclose(slopes[0, 0, 0], 2 * x[3:-3], atol=1e-12)
    np.testing.assert_allclose(slopes[1, 0, 0], 2 * x[3:-3], atol=1e-12)
    np.testing.assert_allclose(laplacian((x**5)[None, :], np.array([0.1]), True)[0], 20 * x[3:-3] ** 3, atol=1e-10)
    steps = largest_differences(np.array([[0.0, 1.0, -2.0, 0.5]]))
    assert steps.tolist() == [0.0, 3.0]
    assert np.isnan(largest_differences(np.array([[0.0, np.nan, 1.0, 9.0]]))[1])


def test_grids() -> None:
    grid = Grid(([0, -1], [1, 1]), (5, 4))
    np.testing.assert_allclose(grid.spacing, [0.25, 2 / 3])
    assert grid.points[:5, 1].tolist() == [*grid.axes[1], grid.axes[1][0]]
    assert repr(grid) == "<Grid 5x4>"
    solution = solve_on_grid(lambda x: x[:, 0], grid, 0.0)
    assert solution.steps == 0
    assert (solution.values == grid.points[:, 0].reshape(5, 4)).all()
    plane = solve_on_grid(lambda x: x @ [1.0, -2.0], grid, 0.3)  # a plane moves at speed −|p|²
    np.testing.assert_allclose(plane.values, (grid.points @ [1.0, -2.0] - 0.3 * 5).reshape(5, 4), atol=1e-13)
    flat = solve_on_grid(np.ones((5, 4)), grid, 7.0)
    assert flat.steps == 1
    assert (flat.values == 1).all()


def test_refusals() -> None:
    grid = Grid((0, 1), (8,))
    with pytest.raises(Unsupported, match="one and two"):
        Grid((0, 1), (8, 8, 8))
    with pytest.raises(InvalidInput, match="at least 4"):
        Grid((0, 1), (3,))
    with pytest.raises(InvalidInput, match="bounded box"):
        Grid((0, np.inf), (8,))
    data = np.zeros(8)
    cases = [
        ({"scheme": "upwind"}, "one of lax-friedrichs, weno5"),
        ({"cfl": 0.0}, "cfl"),
        ({"start": 2.0}, "start <= t"),
        ({"max_step": 0.0}, "max_step > 0"),
        ({"eps": -1.0}, "eps"),
        ({"speeds": (1.0, 2.0)}, "1 finite numbers"),
        ({"hamiltonian": lambda p: p}, "expected"),
        ({"hamiltonian": lambda p: p, "speeds": (1.0,)}, "the Hamiltonian maps"),
        ({"boundary": lambda x, t: x}, "boundary gave shape"),
    ]
    for options, message in cases:
        with pytest.raises(InvalidInput, match=message):
            solve_on_grid(data, grid, 1.0, **options)  # type: ignore[arg-type]
    for initial in (np.zeros(7), np.full(8, np.nan), lambda x: np.full(len(x), np.inf)):
        with pytest.raises(InvalidInput, match="initial"):
            solve_on_grid(initial, grid, 1.0)
    with pytest.raises(InvalidInput, match="no boundary"):
        solve_on_grid(data, Grid((0, 1), (8,), periodic=True), 1.0, boundary=lambda x, t: x[:, 0])
    with pytest.raises(InvalidInput, match="no bounds"), np.errstate(all="ignore"):
        solve_on_grid(np.sin(np.arange(8.0)), Grid((0, 1), (8,), periodic=True), 1e4, speeds=(1e-3,))
    with pytest.raises(InvalidInput, match="ascending"):
        convergence_table(cosine, cosine, (-1, 1), 0.1, [40, 20])


def test_long_marches_can_be_watched_and_stopped() -> None:
    grid = Grid((-1, 1), (64,), periodic=True)

    def wave(x: np.ndarray) -> np.ndarray:
        return np.asarray(-np.cos(np.pi * x[:, 0]))

    seen: list[float] = []
    whole = solve_on_grid(wave, grid, 0.02, progress=lambda time, t: seen.append(time / t))
    assert whole.complete
    assert len(seen) == whole.steps
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    none = solve_on_grid(wave, grid, 0.02, time_limit=0.0)
    assert (none.complete, none.t, none.steps) == (False, 0.0, 0)
    assert np.array_equal(none.values, wave(grid.points))

    def stop(time: float, t: float) -> None:
        if time > t / 2:
            raise KeyboardInterrupt

    part = solve_on_grid(wave, grid, 0.02, progress=stop)
    assert not part.complete
    assert 0.01 < part.t < 0.02
    again = solve_on_grid(part.values, grid, 0.02, start=part.t)
    assert np.abs(again.values - whole.values).max() < 1e-6
    with pytest.raises(InvalidInput, match="each axis"):
        Grid((-1, 1), 64)  # type: ignore[arg-type]

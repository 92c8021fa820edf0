"""Speed of tropix.pde. Command: python -m pytest tests/benchmarks/test_pde_speed.py -s

Nothing here asserts a time; the figures are for reading. Needs the extra ``bench``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import logsumexp
from timing import best_time

from tropix.kernels import one_sided_slopes_numpy
from tropix.pde import Grid, HopfCole, HopfLax, solve_on_grid

TURN = 2 * np.pi


def waves(x: np.ndarray) -> np.ndarray:
    return np.sin(TURN * x[:, 0]) * np.cos(TURN * x[:, 1])


@pytest.mark.parametrize("eps", [0.0, 1e-4])
def test_a_hundred_steps_of_weno_in_the_plane(benchmark: Any, eps: float) -> None:
    """The peer is NumPy: the slopes of one stage alone, times the 300 stages of 100 steps."""
    grid = Grid((0, 1), (512, 512), periodic=True)
    start = waves(grid.points).reshape(grid.shape)
    solution = benchmark.pedantic(
        lambda: solve_on_grid(start, grid, 1e-3, eps=eps, max_step=1e-5), rounds=3, warmup_rounds=1
    )
    assert solution.steps == 100
    padded = np.pad(start, 3, mode="wrap")
    peer = 300 * best_time(lambda: one_sided_slopes_numpy(padded, grid.spacing, True), 1)
    seconds = benchmark.stats.stats.min
    benchmark.extra_info["ratio"] = peer / seconds
    print(f"\nWENO5, 512 x 512, 100 steps, eps={eps:g}: {seconds:.2f} s, {peer / seconds:.0f} times as fast as NumPy")


@pytest.mark.parametrize(("n", "d", "count"), [(10_000, 2, 1_000), (10_000, 16, 1_000)])
def test_values_and_gradients(benchmark: Any, n: int, d: int, count: int) -> None:
    rng = np.random.default_rng(0)
    u = HopfCole(rng.normal(size=(count, d)), rng.normal(size=count), 0.1, 1.0)
    x = rng.normal(size=(n, d))

    def peer() -> object:
        squares = ((x**2).sum(axis=1)[:, None] - 2 * x @ u.sites.T + (u.sites**2).sum(axis=1)) / 4
        return logsumexp(-(u.costs + squares) / u.eps, axis=1)

    reference = best_time(peer, 1)
    benchmark.pedantic(lambda: u.value(x), rounds=5, warmup_rounds=1)
    values = benchmark.stats.stats.min
    gradient = best_time(lambda: u.gradient(x))
    residual = best_time(lambda: u.residual(x))
    minimum = best_time(lambda: HopfLax(u.sites, u.costs, 1.0).value(x))
    benchmark.extra_info["ratio"] = reference / values
    print(
        f"\nn={n}, d={d}, N={count}: values {1000 * values:.1f} ms, {reference / values:.0f} times as fast as scipy "
        f"with expanded squares; gradients {1000 * gradient:.1f} ms, residuals {1000 * residual:.1f} ms, "
        f"minima {1000 * minimum:.1f} ms"
    )

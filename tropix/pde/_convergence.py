"""Errors and observed orders of the grid solver on a sequence of grids."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from tropix.boxes import Box, BoxLike
from tropix.errors import InvalidInput
from tropix.pde._grid import Data, Grid
from tropix.pde.grid import solve_on_grid


@dataclass(frozen=True)
class ConvergenceRow:
    """Errors on one grid; orders are log(e_before/e)/log(h_before/h), NaN in the first row."""

    size: int
    spacing: float
    steps: int
    max_error: float
    mean_error: float
    max_order: float
    mean_order: float


def convergence_table(
    initial: Data,
    exact: Data,
    box: BoxLike,
    t: float,
    sizes: Sequence[int],
    *,
    dimension: int = 1,
    periodic: bool = True,
    **options: Any,
) -> tuple[ConvergenceRow, ...]:
    """Solve on grids of ``sizes`` points an axis, ascending, and compare with ``exact`` at time t.

    ``options`` are those of `solve_on_grid`. With "weno5" (its default scheme) steps are also kept below c·h^{5/3}, c
    from the steps on the coarsest grid, so that the third order in time does not hide the fifth in space.
    Raises `InvalidInput` for sizes that do not ascend, and as `solve_on_grid`.
    """
    if not sizes or any(b <= a for a, b in pairwise(sizes)):
        raise InvalidInput(f"sizes {list(sizes)}: expected ascending numbers of points")
    power = 5 / 3 if options.get("scheme", "weno5") == "weno5" else 1.0
    domain, rows, step = Box.of(box, dimension), list[ConvergenceRow](), options.pop("max_step", math.inf)
    for size in sizes:
        grid = Grid(domain, (size,) * dimension, periodic=periodic)
        h = float(grid.spacing.max())
        limit = step * (h / rows[0].spacing) ** power if rows else step
        solution = solve_on_grid(initial, grid, t, max_step=limit, **options)
        if not rows and solution.steps:
            step = min(step, (t - options.get("start", 0.0)) / solution.steps)
        errors = solution.errors(exact)
        rows.append(_row(size, h, solution.steps, float(errors.max()), float(errors.mean()), rows[-1:]))
    return tuple(rows)


def _row(size: int, h: float, steps: int, largest: float, mean: float, before: list[ConvergenceRow]) -> ConvergenceRow:
    orders = [math.nan, math.nan]
    if before:
        old = before[0]
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = np.log(np.array([old.max_error, old.mean_error]) / np.array([largest, mean]))
        orders = (ratios / math.log(old.spacing / h)).tolist()
    return ConvergenceRow(size, h, steps, largest, mean, *orders)

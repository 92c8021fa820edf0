"""What both solutions with atomic initial data share: sites, costs, the time, and points that stay in range."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

from tropix.arrays import LARGEST_LOGIT, FloatArray, IntArray, frozen, points_array, real_array, temperature
from tropix.errors import InvalidInput
from tropix.exact import Rationals


class Atoms:
    """Sites (N, d) with costs (N,), of which infinite ones are absent."""

    sites: FloatArray
    costs: FloatArray

    @property
    def dimension(self) -> int:
        """Number of space variables d."""
        return int(self.sites.shape[1])

    def __len__(self) -> int:
        return len(self.costs)

    @cached_property
    def _present(self) -> tuple[FloatArray, FloatArray, IntArray]:
        """The sites of finite cost, their costs, their indices."""
        indices = np.flatnonzero(np.isfinite(self.costs))
        return np.ascontiguousarray(self.sites[indices]), self.costs[indices], indices


def costs_array(costs: npt.ArrayLike) -> FloatArray:
    """Costs (N,), real or +∞ (a site that is absent). Raises `InvalidInput` for NaN, −∞ and other shapes."""
    array = np.array(costs, dtype=np.float64) if np.size(costs) == 0 else np.asarray(costs)
    if array.dtype.kind not in "fiub":
        return real_array(array, "costs", 1)  # which refuses it
    absent = np.isposinf(array) if array.dtype.kind == "f" else np.zeros(array.shape, dtype=np.bool_)
    if array.dtype.kind == "f" and np.isneginf(array).any():
        raise InvalidInput("costs contain -inf: expected real numbers, or +inf for a site that is absent")
    result = np.array(real_array(np.where(absent, 0.0, array), "costs", 1))
    result[absent] = np.inf
    frozen(result)
    return result


def sites_array(sites: npt.ArrayLike, costs: FloatArray) -> FloatArray:
    """Sites (N, d), finite, one for each cost."""
    array = real_array(sites, "sites", 2)
    if len(array) != len(costs):
        raise InvalidInput(f"{len(array)} sites but {len(costs)} costs")
    return array


def positive(number: float, name: str) -> float:
    """A normal float64 > 0; raises `InvalidInput` otherwise."""
    try:
        value = temperature(number, name)
    except InvalidInput:
        value = 0.0
    if value == 0.0:
        raise InvalidInput(f"{name} is {number!r}: expected a finite number > 0, not subnormal")
    return value


def checked_points(points: npt.ArrayLike, sites: FloatArray, costs: FloatArray, time: float) -> tuple[FloatArray, bool]:
    """Points as (n, d), and whether one point was given; `InvalidInput` where a term could leave float64."""
    rows, single = points_array(points, sites.shape[1])
    if rows.size and sites.size:
        with np.errstate(over="ignore"):
            reach = np.abs(rows).max(axis=0) + np.abs(sites).max(axis=0)
            largest = (reach**2).sum() / (4 * time) + np.abs(costs).max()
            steepest = (reach.max() / time) ** 2
        if not (largest < LARGEST_LOGIT and steepest < LARGEST_LOGIT):
            raise InvalidInput(
                "|x-y|^2/(4t) may exceed the range of float64 at these points: rescale x, or take t larger"
            )
    return rows, single


def squared_lengths(rows: Rationals) -> Rationals:
    """|v|² of each row, exactly."""
    squares = rows * rows
    return Rationals(np.asarray(squares.numerators.sum(axis=1, initial=0), dtype=object), squares.denominator)

"""Sums over atoms, batched: minima and soft minima of g_j + c|x−y_j|² over sites y_j, with their first moments.

Distances are computed from differences x − y_j, never by expanding the square, so that nothing cancels when points and
sites are far from the origin.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from tropix.arrays import FloatArray, IntArray
from tropix.kernels._affine_tiles import tile_exponentials
from tropix.kernels._panels import CHUNK
from tropix.kernels._simd import TILE_BYTES
from tropix.kernels._threads import over_rows

TILE = TILE_BYTES // 8


class AtomicSums(NamedTuple):
    """Soft minimum (n,), and under the Gibbs weights π: Σπ(x−y) (n, d), Σπ|x−y|² (n,), Σπ|y − Σπy|² (n,).

    What was not asked for has no rows.
    """

    values: FloatArray
    displacement: FloatArray
    squares: FloatArray
    spread: FloatArray


def atomic_sums(
    points: FloatArray, sites: FloatArray, costs: FloatArray, eps: float, scale: float, order: int
) -> AtomicSums:
    """−ε log Σ_j exp(−z_j/ε) with z_j = g_j + scale·|x−y_j|², and moments of its Gibbs weights.

    points (n, d), sites (N, d), costs (N,), all finite; eps > 0 and scale > 0 normal. ``order`` 0: the values alone,
    1: displacement and squares too, 2: all. Without sites the values are +∞ and the moments 0.
    Terms below e^{−708} of the largest are taken as 0. Needs O(d) extra memory for each thread.
    """
    n, d = points.shape
    rows = [n if order >= least else 0 for least in (1, 1, 2)]
    sums = AtomicSums(np.empty(n), np.empty((rows[0], d)), np.empty(rows[1]), np.empty(rows[2]))
    points = np.ascontiguousarray(points)

    def run(start: int, stop: int) -> None:
        _sums(points, sites, costs, float(eps), 1.0 / eps, float(scale), order, start, stop, *sums)

    over_rows(run, n, (points.size * (1 + order) + 8 * n) * len(costs))
    return sums


def atomic_sums_numpy(points: FloatArray, sites: FloatArray, costs: FloatArray, eps: float, scale: float) -> AtomicSums:
    """The specification of :func:`atomic_sums` for at least one site: forms the n×N×d differences."""
    steps = points[:, None, :] - sites[None, :, :]
    squares = (steps**2).sum(axis=2)
    terms = costs + scale * squares
    least = terms.min(axis=1, keepdims=True)
    weights = np.exp((least - terms) / eps)
    total = weights.sum(axis=1, keepdims=True)
    weights /= total
    displacement = (weights[:, :, None] * steps).sum(axis=1)
    spread = (weights * ((steps - displacement[:, None, :]) ** 2).sum(axis=2)).sum(axis=1)
    return AtomicSums((least - eps * np.log(total))[:, 0], displacement, (weights * squares).sum(axis=1), spread)


def atomic_minimum(
    points: FloatArray, sites: FloatArray, costs: FloatArray, scale: float
) -> tuple[FloatArray, IntArray]:
    """min_j (g_j + scale·|x−y_j|²) and the lowest j that attains it; +∞ and −1 without sites."""
    values, indices = np.empty(len(points)), np.empty(len(points), dtype=np.int64)
    points = np.ascontiguousarray(points)

    def run(start: int, stop: int) -> None:
        _minimum(points, sites, costs, float(scale), start, stop, values, indices)

    over_rows(run, len(points), points.size * len(costs))
    return values, indices


def atomic_minimum_numpy(
    points: FloatArray, sites: FloatArray, costs: FloatArray, scale: float
) -> tuple[FloatArray, IntArray]:
    """The specification of :func:`atomic_minimum` for at least one site."""
    terms = costs + scale * ((points[:, None, :] - sites[None, :, :]) ** 2).sum(axis=2)
    return terms.min(axis=1), terms.argmin(axis=1)


@njit(cache=True, nogil=True, error_model="numpy")
def _load(points, start, stop, x):  # type: ignore[no-untyped-def]
    """Coordinates (d, points in lanes) of a tile; unused lanes repeat the last point."""
    for lane in range(TILE):
        for k in range(points.shape[1]):
            x[k * TILE + lane] = points[min(start + lane, stop - 1), k]


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"}, inline="always")
def _square(sites, j, x, square):  # type: ignore[no-untyped-def]
    """square[l] = |x_l − y_j|²."""
    for lane in range(TILE):
        square[lane] = 0.0
    for k in range(sites.shape[1]):
        y = sites[j, k]
        for lane in range(TILE):
            step = x[k * TILE + lane] - y
            square[lane] += step * step


@njit(cache=True, nogil=True, error_model="numpy")
def _terms(sites, costs, scale, first, height, x, square, z):  # type: ignore[no-untyped-def]
    """z[j, l] = −(g_j + scale·|x_l − y_j|²) for ``height`` sites, −∞ beyond them."""
    for j in range(CHUNK):
        if j >= height:
            for lane in range(TILE):
                z[j * TILE + lane] = -np.inf
            continue
        _square(sites, first + j, x, square)
        for lane in range(TILE):
            z[j * TILE + lane] = -(costs[first + j] + scale * square[lane])


@njit(cache=True, nogil=True, error_model="numpy")
def _sums(  # type: ignore[no-untyped-def]
    points, sites, costs, eps, inverse, scale, order, start, stop, values, displacement, squares, spread
):
    d, count = points.shape[1], costs.size
    x, z, square = np.empty(d * TILE), np.empty(CHUNK * TILE), np.empty(TILE)
    top, total, factor = np.empty(TILE), np.empty(TILE), np.empty(TILE)
    steps, second, width, again = np.empty(d * TILE), np.empty(TILE), np.empty(TILE), np.empty(TILE)
    for begin in range(start, stop, TILE):
        _load(points, begin, stop, x)
        top[:] = -np.inf
        total[:] = 0.0
        steps[:] = 0.0
        second[:] = 0.0
        for first in range(0, count, CHUNK):
            height = min(CHUNK, count - first)
            _terms(sites, costs, scale, first, height, x, square, z)
            tile_exponentials(z, 0, CHUNK, inverse, top, total, factor, 0)
            if order == 0:
                continue
            for lane in range(TILE):
                second[lane] *= factor[lane]
            for k in range(d):
                for lane in range(TILE):
                    steps[k * TILE + lane] *= factor[lane]
            for j in range(height):
                square[:] = 0.0
                for k in range(d):
                    y = sites[first + j, k]
                    for lane in range(TILE):
                        step = x[k * TILE + lane] - y
                        square[lane] += step * step
                        steps[k * TILE + lane] += z[j * TILE + lane] * step
                for lane in range(TILE):
                    second[lane] += z[j * TILE + lane] * square[lane]
        lanes = min(TILE, stop - begin)
        for lane in range(lanes):
            values[begin + lane] = -(top[lane] + eps * np.log(total[lane]))
        if order == 0:
            continue
        for lane in range(TILE):
            factor[lane] = 1.0 / total[lane] if total[lane] > 0.0 else 0.0
        for k in range(d):
            for lane in range(TILE):
                steps[k * TILE + lane] *= factor[lane]
        for lane in range(lanes):
            squares[begin + lane] = second[lane] * factor[lane]
            for k in range(d):
                displacement[begin + lane, k] = steps[k * TILE + lane]
        if order == 1:
            continue
        width[:] = 0.0
        again[:] = 0.0
        for first in range(0, count, CHUNK):
            height = min(CHUNK, count - first)
            _terms(sites, costs, scale, first, height, x, square, z)
            tile_exponentials(z, 0, CHUNK, inverse, top, again, square, 0)
            for j in range(height):
                square[:] = 0.0
                for k in range(d):
                    y = sites[first + j, k]
                    for lane in range(TILE):
                        step = x[k * TILE + lane] - y - steps[k * TILE + lane]
                        square[lane] += step * step
                for lane in range(TILE):
                    width[lane] += z[j * TILE + lane] * square[lane]
        for lane in range(lanes):
            spread[begin + lane] = width[lane] * factor[lane]


@njit(cache=True, nogil=True, error_model="numpy")
def _minimum(points, sites, costs, scale, start, stop, values, indices):  # type: ignore[no-untyped-def]
    x, square = np.empty(points.shape[1] * TILE), np.empty(TILE)
    best, which = np.empty(TILE), np.empty(TILE, dtype=np.int64)
    for begin in range(start, stop, TILE):
        _load(points, begin, stop, x)
        best[:] = np.inf
        which[:] = -1
        for j in range(costs.size):
            _square(sites, j, x, square)
            for lane in range(TILE):
                term = costs[j] + scale * square[lane]
                smaller = term < best[lane]
                which[lane] = j if smaller else which[lane]
                best[lane] = term if smaller else best[lane]
        for lane in range(min(TILE, stop - begin)):
            values[begin + lane] = best[lane]
            indices[begin + lane] = which[lane]

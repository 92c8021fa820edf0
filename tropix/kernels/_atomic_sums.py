"""Sums over atoms, batched: minima and soft minima of g_j + c|x−y_j|² over sites y_j, with their first moments.

Distances are computed from differences x − y_j, never by expanding the square, so that nothing cancels when points and
sites are far from the origin.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from tropix.arrays import FloatArray, IntArray
from tropix.kernels._affine_tiles import tile_exponentials, tile_maxima
from tropix.kernels._distance_tiles import PAIR, distance_tile, weighted_differences
from tropix.kernels._panels import CHUNK, load_points, pack_pieces
from tropix.kernels._simd import ROWS, TILE_BYTES
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
    Terms below e^{−708} of the largest are taken as 0.
    Needs the sites twice more and O(d) extra memory: the n×N matrix of terms is never formed.
    """
    n, d = points.shape
    rows = [n if order >= least else 0 for least in (1, 1, 2)]
    sums = AtomicSums(np.empty(n), np.empty((rows[0], d)), np.empty(rows[1]), np.empty(rows[2]))
    points, packed, pairs = np.ascontiguousarray(points), pack_pieces(sites, -costs), _pack_pairs(sites)

    def run(start: int, stop: int) -> None:
        _sums(points, packed, pairs, float(eps), 1.0 / eps, float(scale), order, start, stop, *sums)

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
    points, packed = np.ascontiguousarray(points), pack_pieces(sites, -costs)

    def run(start: int, stop: int) -> None:
        _minimum(points, packed, float(scale), start, stop, values, indices)

    over_rows(run, len(points), points.size * len(costs))
    return values, indices


def atomic_minimum_numpy(
    points: FloatArray, sites: FloatArray, costs: FloatArray, scale: float
) -> tuple[FloatArray, IntArray]:
    """The specification of :func:`atomic_minimum` for at least one site."""
    terms = costs + scale * ((points[:, None, :] - sites[None, :, :]) ** 2).sum(axis=2)
    return terms.min(axis=1), terms.argmin(axis=1)


def _pack_pairs(sites: FloatArray) -> FloatArray:
    """Panels (N, PAIR) of coordinates, N padded to a multiple of ROWS, d to one of PAIR."""
    count, d = sites.shape
    padded = np.zeros((-(-count // ROWS) * ROWS, -(-d // PAIR) * PAIR))
    padded[:count, :d] = sites
    return np.ascontiguousarray(padded.reshape(len(padded), padded.shape[1] // PAIR, PAIR).transpose(1, 0, 2)).reshape(
        -1
    )


@njit(cache=True, nogil=True, error_model="numpy")
def _sums(  # type: ignore[no-untyped-def]
    points, sites, pairs, eps, inverse, scale, order, start, stop, values, displacement, squares, spread
):
    """Sites as packed by `pack_pieces` and `_pack_pairs`, with −g_j for biases. Holds O(d) numbers a lane."""
    d = points.shape[1]
    wide = (d + PAIR - 1) // PAIR * PAIR
    count = sites.size // (d + 1)
    x, z, zero = np.zeros((wide + 1) * TILE), np.empty(CHUNK * TILE), np.zeros(PAIR * TILE)
    top, total, factor, share = np.empty(TILE), np.empty(TILE), np.empty(TILE), np.empty(TILE)
    steps, second, unused = np.empty(wide * TILE), np.empty(TILE), np.empty(PAIR * TILE)
    for begin in range(start, stop, TILE):
        load_points(points, begin, stop, 1.0, x, 0)
        top[:] = -np.inf
        total[:] = 0.0
        steps[:] = 0.0
        second[:] = 0.0
        for first in range(0, count, CHUNK):
            height = min(CHUNK, count - first)
            for j in range(0, height, ROWS):
                distance_tile(sites, (first + j) * (d + 1), x, 0, d, -scale, z, j * TILE)
            tile_exponentials(z, 0, height, inverse, top, total, factor, 0)
            if order == 0:
                continue
            for lane in range(TILE):
                second[lane] *= factor[lane]
            for k in range(0, wide, PAIR):
                for i in range(PAIR):
                    for lane in range(TILE):
                        steps[(k + i) * TILE + lane] *= factor[lane]
                at, place = k * count + first * PAIR, (k + 1) * TILE
                weighted_differences(pairs, at, x, place, zero, 0, z, height, steps, k * TILE, second)
        lanes = min(TILE, stop - begin)
        for lane in range(TILE):
            share[lane] = 1.0 / total[lane] if total[lane] > 0.0 else 0.0
        for lane in range(lanes):
            values[begin + lane] = -(top[lane] + eps * np.log(total[lane]))
        if order == 0:
            continue
        for k in range(wide):
            for lane in range(TILE):
                steps[k * TILE + lane] *= share[lane]
        for lane in range(lanes):
            squares[begin + lane] = second[lane] * share[lane]
            for k in range(d):
                displacement[begin + lane, k] = steps[k * TILE + lane]
        if order == 1:
            continue
        second[:] = 0.0
        for first in range(0, count, CHUNK):
            height = min(CHUNK, count - first)
            for j in range(0, height, ROWS):
                distance_tile(sites, (first + j) * (d + 1), x, 0, d, -scale, z, j * TILE)
            tile_exponentials(z, 0, height, inverse, top, total, factor, 0)
            for k in range(0, wide, PAIR):
                at, place = k * count + first * PAIR, (k + 1) * TILE
                unused[:] = 0.0
                weighted_differences(pairs, at, x, place, steps, k * TILE, z, height, unused, 0, second)
        for lane in range(lanes):
            spread[begin + lane] = second[lane] * share[lane]


@njit(cache=True, nogil=True, error_model="numpy")
def _minimum(points, sites, scale, start, stop, values, indices):  # type: ignore[no-untyped-def]
    """Sites as packed by `pack_pieces`, with −g_j for biases."""
    d = points.shape[1]
    count = sites.size // (d + 1)
    x, z = np.empty((d + 1) * TILE), np.empty(CHUNK * TILE)
    top, index = np.empty(TILE), np.empty(TILE, dtype=np.int64)
    for begin in range(start, stop, TILE):
        load_points(points, begin, stop, 1.0, x, 0)
        top[:] = -np.inf
        index[:] = -1
        for first in range(0, count, CHUNK):
            height = min(CHUNK, count - first)
            for j in range(0, height, ROWS):
                distance_tile(sites, (first + j) * (d + 1), x, 0, d, -scale, z, j * TILE)
            tile_maxima(z, 0, height, first, top, index, 0)
        for lane in range(min(TILE, stop - begin)):
            values[begin + lane] = -top[lane]
            indices[begin + lane] = index[lane]

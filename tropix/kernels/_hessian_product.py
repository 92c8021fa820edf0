"""Hessians of log-sum-exp functions times vectors, without the Hessians."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from tropix.arrays import FloatArray
from tropix.errors import InvalidInput
from tropix.kernels._affine_tiles import (
    PAIR,
    affine_tile,
    tile_exponentials,
    tile_maxima,
    weighted_pair,
    weighted_tile,
)
from tropix.kernels._log_sum_exp import gibbs
from tropix.kernels._operands import Real, common_type, readable
from tropix.kernels._panels import CHUNK, load_points, pack_coordinates, pack_pieces
from tropix.kernels._simd import ROWS, TILE_BYTES
from tropix.kernels._threads import over_rows


def log_sum_exp_hessian_product(
    points: npt.NDArray[Real],
    weights: npt.NDArray[Real],
    bias: npt.NDArray[Real],
    eps: float,
    vectors: npt.NDArray[Real],
) -> npt.NDArray[Real]:
    """∇²f_ε(x) v = Cov_π(W) v / ε at each row x of ``points``, with v the same row of ``vectors``.

    points, vectors (n, d) finite, weights (N, d) finite, bias (N,) with −∞ allowed, eps > 0; all float64, or all
    float32 → (n, d); 0 without a finite bias. Moments are taken about the leading piece, whose term is then exactly 0:
    where one piece leads by far, the tiny result keeps its digits. Needs the weights twice more and O(d) extra memory.

    Raises :class:`InvalidInput` where ``vectors`` is not of the shape of ``points``.
    """
    if vectors.shape != points.shape:
        raise InvalidInput(f"vectors have shape {vectors.shape}: expected that of the points, {points.shape}")
    kind = common_type(points, weights, bias, vectors)
    points, vectors, weights = readable(points, kind), readable(vectors, kind), readable(weights, kind)
    result: Any = np.empty(points.shape, dtype=kind)
    pieces, coordinates, inverse = pack_pieces(weights, bias), pack_coordinates(weights), kind(1.0 / eps)

    def run(start: int, stop: int) -> None:
        index = np.empty(TILE_BYTES // result.itemsize, dtype=np.int32 if kind == np.float32 else np.int64)
        _rows(points, vectors, weights, pieces, coordinates, inverse, start, stop, index, result)

    over_rows(run, len(points), (5 * points.size + 8 * len(points)) * len(bias))
    return result  # type: ignore[no-any-return]


def log_sum_exp_hessian_product_numpy(
    points: FloatArray, weights: FloatArray, bias: FloatArray, eps: float, vectors: FloatArray
) -> FloatArray:
    """The specification of :func:`log_sum_exp_hessian_product`: forms n×N matrices."""
    probabilities = gibbs(points, weights, bias, eps)
    slopes = vectors @ weights.T
    centred = slopes - (probabilities * slopes).sum(axis=1, keepdims=True)
    return np.asarray((probabilities * centred) @ weights / eps)


@njit(cache=True, nogil=True, error_model="numpy")
def _rows(points, vectors, weights, pieces, coordinates, inverse, start, stop, index, result):  # type: ignore[no-untyped-def]
    """With t the leading piece, e_j = e^{(z_j − z_t)/ε}, Z = Σ e_j and c_j = e_j (w_j − w_t)·v,

    Cov v = Σ c_j (w_j − w_t)/Z − (Σ c_j/Z) Σ e_j (w_j − w_t)/Z.
    """
    tile = TILE_BYTES // points.itemsize
    d = points.shape[1]
    count = pieces.size // (d + 1)
    full = d // ROWS * ROWS
    wide = full + (d - full + PAIR - 1) // PAIR * PAIR
    x, v = np.empty((d + 1) * tile, dtype=points.dtype), np.empty((d + 1) * tile, dtype=points.dtype)
    z, c = np.empty(CHUNK * tile, dtype=points.dtype), np.empty(CHUNK * tile, dtype=points.dtype)
    means, moments = np.empty(wide * tile, dtype=points.dtype), np.empty(wide * tile, dtype=points.dtype)
    top, total = np.empty(tile, dtype=points.dtype), np.empty(tile, dtype=points.dtype)
    slope, slopes = np.empty(tile, dtype=points.dtype), np.empty(tile, dtype=points.dtype)
    one = np.ones(tile, dtype=points.dtype)
    for first in range(start, stop, tile):
        load_points(points, first, stop, 1.0, x, 0)
        load_points(vectors, first, stop, 0.0, v, 0)
        top[:] = -np.inf
        index[:] = -1
        for piece in range(0, count, CHUNK):
            height = min(CHUNK, count - piece)
            for j in range(0, height, ROWS):
                affine_tile(pieces, (piece + j) * (d + 1), x, 0, d + 1, z, j * tile)
            tile_maxima(z, 0, height, piece, top, index, 0)
        for lane in range(tile):
            slope[lane] = 0.0
            for k in range(d if index[lane] >= 0 else 0):
                slope[lane] += weights[index[lane], k] * v[(k + 1) * tile + lane]
        total[:] = 0.0
        slopes[:] = 0.0
        means[:] = 0.0
        moments[:] = 0.0
        for piece in range(0, count, CHUNK):
            height = min(CHUNK, count - piece)
            for j in range(0, height, ROWS):
                affine_tile(pieces, (piece + j) * (d + 1), x, 0, d + 1, z, j * tile)
                affine_tile(pieces, (piece + j) * (d + 1) + ROWS, v, tile, d, c, j * tile)
            tile_exponentials(z, 0, height, inverse, top, total, one, 0)
            for j in range(height):
                for lane in range(tile):
                    leads = index[lane] == piece + j
                    term = z[j * tile + lane] * (c[j * tile + lane] - slope[lane])
                    c[j * tile + lane] = 0.0 if leads else term
                    slopes[lane] += c[j * tile + lane]
            one[:] = 1.0  # also where everything is −∞
            for k in range(0, full, ROWS):
                weighted_tile(coordinates, k * count + piece * ROWS, z, 0, height, one, 0, means, k * tile)
                weighted_tile(coordinates, k * count + piece * ROWS, c, 0, height, one, 0, moments, k * tile)
            for k in range(full, wide, PAIR):
                weighted_pair(coordinates, k * count + piece * PAIR, z, 0, height, one, 0, means, k * tile)
                weighted_pair(coordinates, k * count + piece * PAIR, c, 0, height, one, 0, moments, k * tile)
        for lane in range(min(tile, stop - first)):
            share = 1.0 / total[lane] if index[lane] >= 0 else 0.0
            for k in range(d):
                lead = weights[index[lane], k] if index[lane] >= 0 else 0.0
                moment = (moments[k * tile + lane] - slopes[lane] * lead) * share
                mean = means[k * tile + lane] * share - lead
                result[first + lane, k] = (moment - slopes[lane] * share * mean) * inverse

"""Batched max-affine functions: max_j (w_j·x + b_j) and the piece that attains it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from tropix.arrays import FloatArray, IntArray
from tropix.kernels._affine_tiles import affine_tile, tile_maxima
from tropix.kernels._operands import Real, common_type, readable
from tropix.kernels._panels import CHUNK, group_size, load_points, pack_pieces
from tropix.kernels._simd import ROWS, TILE_BYTES
from tropix.kernels._threads import over_rows


def max_affine(
    points: npt.NDArray[Real], weights: npt.NDArray[Real], bias: npt.NDArray[Real]
) -> tuple[npt.NDArray[Real], IntArray]:
    """Value and argmax of x ↦ max_j (w_j·x + b_j) at each row of ``points``.

    points (n, d) finite, weights (N, d) finite, bias (N,) with −∞ allowed → values (n,), pieces (n,).
    Ties go to the lowest index. Without pieces, or with none but −∞, the value is −∞ and the piece −1.
    All float64, or all float32, which takes half the time. Needs the weights once more and O(d) extra memory: the n×N
    matrix of pieces is never formed.
    """
    kind = common_type(points, weights, bias)
    points, weights = readable(points, kind), np.asarray(weights, dtype=kind)
    values: Any = np.empty(len(points), dtype=kind)
    pieces = np.empty(len(points), dtype=np.int64)
    packed = pack_pieces(weights, bias)
    group = group_size(weights)

    def run(start: int, stop: int) -> None:
        index = np.empty(group * TILE_BYTES // points.itemsize, dtype=np.int32 if kind == np.float32 else np.int64)
        _rows(points, packed, start, stop, group, values, pieces, index)

    over_rows(run, len(points), points.size * len(bias))
    return values, pieces


def max_affine_numpy(points: FloatArray, weights: FloatArray, bias: FloatArray) -> tuple[FloatArray, IntArray]:
    """The specification of :func:`max_affine`: forms the n×N matrix."""
    if len(bias) == 0:
        return np.full(len(points), -np.inf), np.full(len(points), -1, dtype=np.int64)
    logits = points @ weights.T + bias
    pieces = logits.argmax(axis=1)
    values = logits.max(axis=1)
    return values, np.where(values == -np.inf, -1, pieces)


@njit(cache=True, nogil=True, error_model="numpy")
def _rows(points, weights, start, stop, group, values, pieces, index):  # type: ignore[no-untyped-def]
    """Weights as packed by `pack_pieces`; ``index`` is working memory of integers as wide as the numbers."""
    tile = TILE_BYTES // points.itemsize
    d = points.shape[1]
    count = weights.size // (d + 1)
    x = np.empty(group * (d + 1) * tile, dtype=points.dtype)
    z = np.empty(group * CHUNK * tile, dtype=points.dtype)
    top = np.empty(group * tile, dtype=points.dtype)
    for first in range(start, stop, group * tile):
        tiles = (min(group * tile, stop - first) + tile - 1) // tile
        for t in range(tiles):
            load_points(points, first + t * tile, stop, 1.0, x, t * (d + 1) * tile)
        top[:] = -np.inf
        index[:] = -1
        for piece in range(0, count, CHUNK):
            height = min(CHUNK, count - piece)
            for j in range(0, height, ROWS):
                for t in range(tiles):
                    affine_tile(weights, (piece + j) * (d + 1), x, t * (d + 1) * tile, d + 1, z, (t * CHUNK + j) * tile)
            for t in range(tiles):
                tile_maxima(z, t * CHUNK * tile, height, piece, top, index, t * tile)
        for lane in range(min(group * tile, stop - first)):
            values[first + lane] = top[lane]
            pieces[first + lane] = index[lane]

"""Weights and points in the order in which the tiles of `_affine_tiles` read them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from tropix.kernels._affine_tiles import PAIR
from tropix.kernels._simd import ROWS, TILE_BYTES

CHUNK = 48
"""Pieces whose logits are held at once, a multiple of the rows of all tiles: they stay in the first-level cache."""
FEW_WEIGHTS = 65_536
"""Up to here the weights stay in the second-level cache and are read again for each tile of points."""
GROUP = 4
"""Tiles of points for one reading of more weights than that."""


def group_size(weights: npt.NDArray[Any]) -> int:
    """How many tiles of points share one reading of the weights."""
    return 1 if weights.size <= FEW_WEIGHTS else GROUP


def pack_pieces(weights: npt.NDArray[Any], bias: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Panels (d+1, ROWS) of pieces, the bias first, as the weight of a coordinate that is 1. Absent pieces are −∞."""
    count, d = weights.shape
    panels = -(-count // ROWS)
    padded = np.zeros((panels * ROWS, d + 1), dtype=weights.dtype)
    padded[:, 0] = -np.inf
    padded[:count, 0], padded[:count, 1:] = bias, weights
    return np.ascontiguousarray(padded.reshape(panels, ROWS, d + 1).transpose(0, 2, 1)).reshape(-1)


def pack_coordinates(weights: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Panels (N, ROWS) of coordinates, then panels (N, PAIR) of those left over; N padded to a multiple of ROWS."""
    count, d = weights.shape
    padded = np.zeros((-(-count // ROWS) * ROWS, padded_coordinates(d)), dtype=weights.dtype)
    padded[:count, :d] = weights
    full = d // ROWS * ROWS
    parts = [(padded[:, :full], ROWS), (padded[:, full:], PAIR)]
    return np.concatenate(
        [part.reshape(len(part), part.shape[1] // rows, rows).transpose(1, 0, 2).reshape(-1) for part, rows in parts]
    )


def padded_coordinates(d: int) -> int:
    """The number of coordinates in panels: d, plus one where a pair needs it."""
    return d // ROWS * ROWS + -(-(d % ROWS) // PAIR) * PAIR


@njit(cache=True, nogil=True, error_model="numpy")
def load_points(points, start, stop, constant, x, at):  # type: ignore[no-untyped-def]
    """A tile (d+1, points in lanes) at x[at:]: ``constant``, then the coordinates; unused lanes hold 0."""
    tile = TILE_BYTES // x.itemsize
    d = points.shape[1]
    count = min(tile, stop - start)
    for lane in range(tile):
        x[at + lane] = constant
    for lane in range(count):
        for k in range(d):
            x[at + (k + 1) * tile + lane] = points[start + lane, k]
    for lane in range(count, tile):
        for k in range(d):
            x[at + (k + 1) * tile + lane] = 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def store_rows(sums, at, factor, start, stop, out):  # type: ignore[no-untyped-def]
    """out[start + lane, k] ← sums[k, lane] factor[lane] for a tile (…, points in lanes) of sums at ``at``."""
    tile = TILE_BYTES // sums.itemsize
    for lane in range(min(tile, stop - start)):
        for k in range(out.shape[1]):
            out[start + lane, k] = sums[at + k * tile + lane] * factor[lane]

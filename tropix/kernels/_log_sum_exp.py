"""Batched log-sum-exp: ε log Σ_j exp((w_j·x + b_j)/ε), its Gibbs weights, gradient and entropy."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from tropix.arrays import FloatArray
from tropix.kernels._affine_tiles import PAIR, affine_tile, tile_exponentials, weighted_pair, weighted_tile
from tropix.kernels._operands import Real, common_type, readable
from tropix.kernels._panels import CHUNK, group_size, load_points, pack_coordinates, pack_pieces, store_rows
from tropix.kernels._simd import ROWS, TILE_BYTES
from tropix.kernels._threads import over_rows


def log_sum_exp(
    points: npt.NDArray[Real],
    weights: npt.NDArray[Real],
    bias: npt.NDArray[Real],
    eps: float,
    *,
    gradient: bool = False,
) -> tuple[npt.NDArray[Real], npt.NDArray[Real] | None]:
    """Value and, on request, gradient of f_ε(x) = ε log Σ_j exp((w_j·x + b_j)/ε) at each row of ``points``.

    points (n, d) finite, weights (N, d) finite, bias (N,) with −∞ allowed, eps > 0 (normal float64)
    → values (n,), gradient Wᵀπ (n, d) or None. Without a finite bias the value is −∞ and the gradient 0.
    Terms below e^{−708} of the largest are taken as 0 (absolute error < N·1e-307 in the sum, which is ≥ 1).
    All float64, or all float32 in half the time (then terms below e^{−87} are 0, and eps is normal in float32).
    Needs the weights twice more and O(d) extra memory: the n×N matrix of logits is never formed.
    """
    kind = common_type(points, weights, bias)
    points, weights = readable(points, kind), np.asarray(weights, dtype=kind)
    n, d = points.shape
    values: Any = np.empty(n, dtype=kind)
    gradients: Any = np.empty((n if gradient else 0, d), dtype=kind)
    pieces = pack_pieces(weights, bias)
    coordinates = pack_coordinates(weights) if gradient else np.empty(0, dtype=kind)
    group, inverse = group_size(weights), kind(1.0 / eps)

    def run(start: int, stop: int) -> None:
        _rows(points, pieces, coordinates, float(eps), inverse, start, stop, group, values, gradients)

    over_rows(run, n, (points.size * (1 + gradient) + 8 * n) * len(bias))
    return values, gradients if gradient else None


def log_sum_exp_numpy(
    points: FloatArray, weights: FloatArray, bias: FloatArray, eps: float
) -> tuple[FloatArray, FloatArray]:
    """The specification of :func:`log_sum_exp` with its gradient: forms the n×N matrix."""
    if not np.isfinite(bias).any():
        return np.full(len(points), -np.inf), np.zeros_like(points)
    logits = points @ weights.T + bias
    top = logits.max(axis=1, keepdims=True)
    terms = np.exp((logits - top) / eps)
    total = terms.sum(axis=1, keepdims=True)
    return (top + eps * np.log(total))[:, 0], (terms / total) @ weights


def gibbs(points: FloatArray, weights: FloatArray, bias: FloatArray, eps: float) -> FloatArray:
    """Gibbs weights π = softmax((Wx + b)/ε), shape (n, N); at ε = 0 their limit, uniform on the active pieces.

    Without a finite bias every weight is 0.
    """
    if eps == 0.0:
        return _shifted_terms(points, weights, bias, eps)[0]
    points, packed = readable(points, np.float64), pack_pieces(np.asarray(weights, dtype=np.float64), bias)
    result = np.empty((len(points), len(bias)))

    def run(start: int, stop: int) -> None:
        _gibbs_rows(points, packed, 1.0 / eps, start, stop, result)

    over_rows(run, len(points), (points.size + 8 * len(points)) * len(bias))
    return result


def entropy(points: FloatArray, weights: FloatArray, bias: FloatArray, eps: float) -> FloatArray:
    """Entropy H(π) = −Σ π_j log π_j of the Gibbs weights, in nats, shape (n,); 0 without a finite bias.

    Summed as log Σ exp(t_j) − Σ π_j t_j with t_j = (z_j − max z)/ε ≤ 0: no term cancels.
    """
    block = max(1, 1_000_000 // max(1, len(bias)))
    result = np.zeros(len(points))
    for start in range(0, len(points), block):
        rows = slice(start, start + block)
        probabilities, exponents, total = _shifted_terms(points[rows], weights, bias, eps)
        finite = np.where(probabilities > 0, exponents, 0.0)
        result[rows] = np.log(total) - (probabilities * finite).sum(axis=1)
    return result


def _shifted_terms(
    points: FloatArray, weights: FloatArray, bias: FloatArray, eps: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Gibbs weights, exponents (z − max z)/ε (at ε = 0: 0 or −∞) and Σ exp of them; a dead row counts as total 1."""
    n = len(points)
    if not np.isfinite(bias).any():
        return np.zeros((n, len(bias))), np.full((n, len(bias)), -np.inf), np.ones(n)
    shifted = points @ weights.T
    shifted += bias
    shifted -= shifted.max(axis=1, keepdims=True)
    if eps == 0.0:
        shifted[shifted < 0] = -np.inf
    else:
        with np.errstate(over="ignore"):
            shifted /= eps
    terms = np.exp(shifted)
    total = terms.sum(axis=1)
    return terms / total[:, None], shifted, total


@njit(cache=True, nogil=True, error_model="numpy")
def _rows(points, pieces, coordinates, eps, inverse, start, stop, group, values, gradients):  # type: ignore[no-untyped-def]
    tile = TILE_BYTES // points.itemsize
    d = points.shape[1]
    count = pieces.size // (d + 1)
    gradient = gradients.shape[0] > 0
    full = d // ROWS * ROWS
    wide = (full + (d - full + PAIR - 1) // PAIR * PAIR) if gradient else 0
    x = np.empty(group * (d + 1) * tile, dtype=points.dtype)
    z = np.empty(group * CHUNK * tile, dtype=points.dtype)
    sums = np.empty(group * wide * tile, dtype=points.dtype)
    top, total = np.empty(group * tile, dtype=points.dtype), np.empty(group * tile, dtype=points.dtype)
    scale, share = np.empty(group * tile, dtype=points.dtype), np.empty(tile, dtype=points.dtype)
    for first in range(start, stop, group * tile):
        tiles = (min(group * tile, stop - first) + tile - 1) // tile
        for t in range(tiles):
            load_points(points, first + t * tile, stop, 1.0, x, t * (d + 1) * tile)
        top[:] = -np.inf
        total[:] = 0.0
        sums[:] = 0.0
        for piece in range(0, count, CHUNK):
            height = min(CHUNK, count - piece)
            for j in range(0, height, ROWS):
                for t in range(tiles):
                    affine_tile(pieces, (piece + j) * (d + 1), x, t * (d + 1) * tile, d + 1, z, (t * CHUNK + j) * tile)
            for t in range(tiles):
                at = t * CHUNK * tile
                tile_exponentials(z, at, height, inverse, top, total, scale, t * tile)
                for k in range(0, min(full, wide), ROWS):
                    w, to = k * count + piece * ROWS, (t * wide + k) * tile
                    weighted_tile(coordinates, w, z, at, height, scale, t * tile, sums, to)
                for k in range(full, wide, PAIR):
                    w, to = k * count + piece * PAIR, (t * wide + k) * tile
                    weighted_pair(coordinates, w, z, at, height, scale, t * tile, sums, to)
        for t in range(tiles):
            for lane in range(min(tile, stop - first - t * tile)):
                values[first + t * tile + lane] = top[t * tile + lane] + eps * np.log(total[t * tile + lane])
            if gradient:
                for lane in range(tile):
                    share[lane] = 1.0 / total[t * tile + lane] if total[t * tile + lane] > 0.0 else 0.0
                store_rows(sums, t * wide * tile, share, first + t * tile, stop, gradients)


@njit(cache=True, nogil=True, error_model="numpy")
def _gibbs_rows(points, pieces, inverse, start, stop, out):  # type: ignore[no-untyped-def]
    """Holds the logits of a tile of points for all pieces."""
    tile = TILE_BYTES // points.itemsize
    d = points.shape[1]
    count = pieces.size // (d + 1)
    x, z = np.empty((d + 1) * tile, dtype=points.dtype), np.empty(count * tile, dtype=points.dtype)
    top, total = np.empty(tile, dtype=points.dtype), np.empty(tile, dtype=points.dtype)
    scale = np.empty(tile, dtype=points.dtype)
    for first in range(start, stop, tile):
        load_points(points, first, stop, 1.0, x, 0)
        top[:] = -np.inf
        total[:] = 0.0
        for j in range(0, count, ROWS):
            affine_tile(pieces, j * (d + 1), x, 0, d + 1, z, j * tile)
        tile_exponentials(z, 0, count, inverse, top, total, scale, 0)
        for lane in range(tile):
            total[lane] = 1.0 / total[lane] if total[lane] > 0.0 else 0.0
        store_rows(z, 0, total, first, stop, out)

"""Batched max-affine functions: max_j (w_j·x + b_j) and the piece that attains it."""

from __future__ import annotations

import numpy as np
from numba import njit

from tropix.arrays import FloatArray, IntArray
from tropix.kernels._threads import over_rows

TILE = 128
"""Points handled together; they lie in the vector lanes."""


def max_affine(points: FloatArray, weights: FloatArray, bias: FloatArray) -> tuple[FloatArray, IntArray]:
    """Value and argmax of x ↦ max_j (w_j·x + b_j) at each row of ``points``.

    points (n, d) finite, weights (N, d) finite, bias (N,) with −∞ allowed → values (n,), pieces (n,).
    Ties go to the lowest index. Without pieces, or with none but −∞, the value is −∞ and the piece −1.
    Needs O(d) extra memory; the n×N matrix of pieces is never formed.
    """
    points = np.ascontiguousarray(points)
    values = np.empty(len(points))
    pieces = np.empty(len(points), dtype=np.int64)

    def run(start: int, stop: int) -> None:
        _max_affine_rows(points, weights, bias, start, stop, values, pieces)

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


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _affine_tile(xt, weights, bias, piece, row):  # type: ignore[no-untyped-def]
    """row[p] = bias[piece] + Σ_k weights[piece, k] xt[k, p], four coordinates at a time."""
    d, width = xt.shape
    start = bias[piece]
    for p in range(width):
        row[p] = start
    k = 0
    while k + 4 <= d:
        w0, w1 = weights[piece, k], weights[piece, k + 1]
        w2, w3 = weights[piece, k + 2], weights[piece, k + 3]
        for p in range(width):
            row[p] += w0 * xt[k, p] + w1 * xt[k + 1, p] + (w2 * xt[k + 2, p] + w3 * xt[k + 3, p])
        k += 4
    while k < d:
        w0 = weights[piece, k]
        for p in range(width):
            row[p] += w0 * xt[k, p]
        k += 1


@njit(cache=True, nogil=True, error_model="numpy")
def _load_tile(points, start, count, xt):  # type: ignore[no-untyped-def]
    """Transpose ``count`` points into the lanes of ``xt``; unused lanes repeat zero."""
    d, width = xt.shape
    for p in range(count):
        for k in range(d):
            xt[k, p] = points[start + p, k]
    for p in range(count, width):
        for k in range(d):
            xt[k, p] = 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def _max_affine_rows(points, weights, bias, start, stop, values, pieces):  # type: ignore[no-untyped-def]
    d = points.shape[1]
    xt = np.empty((d, TILE))
    row = np.empty(TILE)
    best = np.empty(TILE)
    index = np.empty(TILE, dtype=np.int64)
    for tile in range(start, stop, TILE):
        count = min(TILE, stop - tile)
        _load_tile(points, tile, count, xt)
        for p in range(TILE):
            best[p] = -np.inf
            index[p] = -1
        for j in range(bias.shape[0]):
            _affine_tile(xt, weights, bias, j, row)
            for p in range(TILE):
                larger = row[p] > best[p]
                best[p] = row[p] if larger else best[p]
                index[p] = j if larger else index[p]
        for p in range(count):
            values[tile + p] = best[p]
            pieces[tile + p] = index[p]

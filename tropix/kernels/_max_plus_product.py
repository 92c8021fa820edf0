"""Max-plus matrix products: out_ij = max_k (a_ik + b_kj), and the k that attains it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from numba import njit

from tropix.arrays import IntArray
from tropix.kernels._max_plus_tiles import max_plus_argmax_tile, max_plus_tile
from tropix.kernels._operands import Real, operands
from tropix.kernels._simd import HALF, ROWS, TILE_BYTES
from tropix.kernels._threads import over_rows

DEPTH, HEIGHT, WIDTH = 256, 96, 3072
"""Terms, rows and columns of a block: a panel of the right factor stays near the first-level cache, a block of the left
one in the second. HEIGHT and WIDTH are multiples of all tiles."""
STRIP = TILE_BYTES // 4
"""Columns of a strip: a multiple of all tiles."""
NUMPY_BLOCK = 1_000_000
"""Numbers that a NumPy twin holds at once."""


def max_plus_product(a: npt.NDArray[Real], b: npt.NDArray[Real], *, threads: int | None = None) -> npt.NDArray[Real]:
    """out_ij = max_k (a_ik + b_kj), the product of matrices over (ℝ ∪ {−∞}, max, +).

    a (n, K), b (K, m), both float64 or both float32, any strides → (n, m) of the same type. Each entry is the largest
    of the rounded sums a_ik + b_kj: only these are rounded. −∞ is zero: it absorbs, also +∞; K = 0 gives −∞. NaN is not
    allowed. Min-plus is this with a, b and the result negated, which is exact.
    ``threads`` limits the threads (None: all cores); the result does not depend on it.
    """
    a, b = operands(a, b)
    out: npt.NDArray[Real] = np.full((a.shape[0], b.shape[1]), -np.inf, dtype=a.dtype)

    def run(first: int, last: int, left: int, right: int) -> None:
        accumulate(a, b, first, last, left, right, out, 0)

    over_blocks(run, out.shape, a.shape[1], threads)
    return out


def max_plus_product_argmax(
    a: npt.NDArray[Real], b: npt.NDArray[Real], *, threads: int | None = None
) -> tuple[npt.NDArray[Real], IntArray]:
    """The product of :func:`max_plus_product`, and for each entry the lowest k that attains it, −1 where it is −∞."""
    a, b = operands(a, b)
    out: npt.NDArray[Real] = np.full((a.shape[0], b.shape[1]), -np.inf, dtype=a.dtype)
    indices = np.full(out.shape, -1, dtype=np.int64)

    def run(first: int, last: int, left: int, right: int) -> None:
        _accumulate_argmax(a, b, first, last, left, right, out, indices)

    over_blocks(run, out.shape, a.shape[1], threads)
    return out, indices


def over_blocks(
    run: Callable[[int, int, int, int], None], shape: tuple[int, int], inner: int, threads: int | None
) -> None:
    """Call ``run(first, last, left, right)`` on a partition of a matrix into strips along its longer axis."""
    n, m = shape

    def rows(start: int, stop: int) -> None:
        run(start * ROWS, min(n, stop * ROWS), 0, m)

    def columns(start: int, stop: int) -> None:
        run(0, n, start * STRIP, min(m, stop * STRIP))

    work = n * m * inner // 8  # a tile does so many terms in the time of one multiply-add elsewhere
    if n >= m:
        over_rows(rows, -(-n // ROWS), work, threads)
    else:
        over_rows(columns, -(-m // STRIP), work, threads)


def max_plus_product_numpy(a: npt.NDArray[Real], b: npt.NDArray[Real]) -> npt.NDArray[Real]:
    """The specification of :func:`max_plus_product`, a block of rows at a time."""
    return max_plus_product_argmax_numpy(a, b)[0]


def max_plus_product_argmax_numpy(a: npt.NDArray[Real], b: npt.NDArray[Real]) -> tuple[npt.NDArray[Real], IntArray]:
    """The specification of :func:`max_plus_product_argmax`, a block of rows at a time."""
    (n, inner), m = a.shape, b.shape[1]
    out = np.full((n, m), -np.inf, dtype=a.dtype)
    indices = np.full((n, m), -1, dtype=np.int64)
    block = max(1, NUMPY_BLOCK // max(1, inner * m))
    for start in range(0, n if inner and m else 0, block):
        rows = slice(start, start + block)
        with np.errstate(invalid="ignore", over="ignore"):
            sums: npt.NDArray[Real] = a[rows, :, None] + b[None, :, :]
        sums[np.isnan(sums)] = -np.inf  # −∞ + ∞
        indices[rows] = sums.argmax(axis=1)
        out[rows] = sums.max(axis=1)
    indices[out == -np.inf] = -1
    return out, indices


@njit(cache=True, nogil=True, error_model="numpy")
def _pack_left(a, i0, height, k0, depth, packed):  # type: ignore[no-untyped-def]
    """Panels (depth, ROWS) of a[i0:i0+height, k0:k0+depth]; rows that are not there are −∞."""
    p = 0
    for i in range(i0, i0 + height, ROWS):
        there = min(ROWS, i0 + height - i)
        for r in range(ROWS):
            if r < there:
                for k in range(depth):
                    packed[p + k * ROWS + r] = a[i + r, k0 + k]
            else:
                for k in range(depth):
                    packed[p + k * ROWS + r] = -np.inf
        p += ROWS * depth


@njit(cache=True, nogil=True, error_model="numpy")
def _pack_right(b, k0, depth, j0, width, packed):  # type: ignore[no-untyped-def]
    """Panels (depth, tile) of b[k0:k0+depth, j0:j0+width]; columns that are not there are −∞."""
    tile = TILE_BYTES // b.itemsize
    p = 0
    for j in range(j0, j0 + width, tile):
        there = min(tile, j0 + width - j)
        for k in range(k0, k0 + depth):
            for lane in range(there):
                packed[p + lane] = b[k, j + lane]
            for lane in range(there, tile):
                packed[p + lane] = -np.inf
            p += tile


@njit(cache=True, nogil=True, error_model="numpy")
def accumulate(a, b, first, last, left, right, out, offset):  # type: ignore[no-untyped-def]
    """out[offset + i, j] ← max(out[offset + i, j], (a ⊗ b)_ij) for first ≤ i < last and left ≤ j < right."""
    if first >= last or left >= right:
        return
    tile = TILE_BYTES // b.itemsize
    inner, width = a.shape[1], out.shape[1]
    flat = out.reshape(out.size)
    depth = min(DEPTH, inner)
    block, strip = min(HEIGHT, last - first + ROWS), min(WIDTH, right - left + tile)
    packed_left = np.empty(block // ROWS * ROWS * depth, dtype=a.dtype)
    packed_right = np.empty(strip // tile * tile * depth, dtype=a.dtype)
    edge = np.empty(ROWS * tile, dtype=a.dtype)
    for jc in range(left, right, WIDTH):
        columns = min(WIDTH, right - jc)
        for kc in range(0, inner, DEPTH):
            count = min(DEPTH, inner - kc)
            _pack_right(b, kc, count, jc, columns, packed_right)
            for ic in range(first, last, HEIGHT):
                rows = min(HEIGHT, last - ic)
                _pack_left(a, ic, rows, kc, count, packed_left)
                for j in range(0, columns, tile):
                    for i in range(0, rows, ROWS):
                        start = (offset + ic + i) * width + jc + j
                        if i + ROWS <= rows and j + tile <= columns:
                            max_plus_tile(packed_left, i * count, packed_right, j * count, count, flat, start, width)
                        else:
                            edge[:] = -np.inf
                            max_plus_tile(packed_left, i * count, packed_right, j * count, count, edge, 0, tile)
                            for r in range(min(ROWS, rows - i)):
                                for lane in range(min(tile, columns - j)):
                                    t, v = edge[r * tile + lane], flat[start + r * width + lane]
                                    flat[start + r * width + lane] = t if t > v else v


@njit(cache=True, nogil=True, error_model="numpy")
def _accumulate_argmax(a, b, first, last, left, right, out, indices):  # type: ignore[no-untyped-def]
    """As :func:`accumulate` with offset 0; where an entry grows, its index becomes the k that attains it first."""
    tile = TILE_BYTES // b.itemsize
    inner, width = a.shape[1], out.shape[1]
    flat, flat_indices = out.reshape(out.size), indices.reshape(out.size)
    depth = min(DEPTH, inner)
    block, strip = min(HEIGHT, last - first + ROWS), min(WIDTH, right - left + tile)
    packed_left = np.empty(block // ROWS * ROWS * depth, dtype=a.dtype)
    packed_right = np.empty(strip // tile * tile * depth, dtype=a.dtype)
    edge, edge_indices = np.empty(HALF * tile, dtype=a.dtype), np.empty(HALF * tile, dtype=np.int64)
    for jc in range(left, right, WIDTH):
        columns = min(WIDTH, right - jc)
        for kc in range(0, inner, DEPTH):
            count = min(DEPTH, inner - kc)
            _pack_right(b, kc, count, jc, columns, packed_right)
            for ic in range(first, last, HEIGHT):
                rows = min(HEIGHT, last - ic)
                _pack_left(a, ic, rows, kc, count, packed_left)
                for j in range(0, columns, tile):
                    for i in range(0, rows, HALF):
                        start, panel = (ic + i) * width + jc + j, i // ROWS * ROWS * count + i % ROWS
                        if i + HALF <= rows and j + tile <= columns:
                            max_plus_argmax_tile(
                                packed_left, panel, packed_right, j * count, count, kc, flat, flat_indices, start, width
                            )
                        else:
                            edge[:] = -np.inf
                            max_plus_argmax_tile(
                                packed_left, panel, packed_right, j * count, count, kc, edge, edge_indices, 0, tile
                            )
                            for r in range(min(HALF, rows - i)):
                                for lane in range(min(tile, columns - j)):
                                    if edge[r * tile + lane] > flat[start + r * width + lane]:
                                        flat[start + r * width + lane] = edge[r * tile + lane]
                                        flat_indices[start + r * width + lane] = edge_indices[r * tile + lane]

"""Matrix products over S_ε: out_ij = ε log Σ_k exp((a_ik + b_kj)/ε)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from tropix.kernels._affine_tiles import exponentials, product_tile, tile_exponentials
from tropix.kernels._max_plus_product import DEPTH, HEIGHT, NUMPY_BLOCK, WIDTH, over_blocks
from tropix.kernels._operands import Real, operands
from tropix.kernels._panels import CHUNK
from tropix.kernels._simd import ROWS, TILE_BYTES


def log_sum_exp_product(
    a: npt.NDArray[Real], b: npt.NDArray[Real], eps: float, *, threads: int | None = None
) -> npt.NDArray[Real]:
    """out_ij = ε log Σ_k exp((a_ik + b_kj)/ε), the product of matrices over S_ε.

    a (n, K), b (K, m), both float64 or both float32, any strides, finite or −∞, eps > 0 normal in that type → (n, m).
    −∞ absorbs; K = 0 gives −∞. With the unit roundoff u, the error is at most u (4 |out_ij| + (K + 300) ε).

    Rows of a and columns of b are shifted to maximum 0, so that this is a product of matrices of exponentials. Where
    that product is below 2⁻⁴⁰ (2⁻²⁰ in float32), the terms that count may have underflowed, or have lost digits to the
    shift: such entries are summed again, term by term, about their own maximum. For small ε these are most of them, and
    cost as much as n·m·K exponentials.
    """
    a, b = operands(a, b)
    kind = a.dtype.type
    out: npt.NDArray[Real] = np.zeros((a.shape[0], b.shape[1]), dtype=kind)
    rows, columns = a.max(axis=1, initial=-np.inf), b.max(axis=0, initial=-np.inf)
    least, absent = (2.0**-20, -43.0) if kind == np.float32 else (2.0**-40, -346.0)

    def run(first: int, last: int, left: int, right: int) -> None:
        inverse = kind(1.0 / eps)
        _add_scaled(a, b, rows, columns, inverse, kind(absent), first, last, left, right, out)
        _finish(a, b, rows, columns, float(eps), inverse, least, first, last, left, right, out)

    over_blocks(run, out.shape, a.shape[1], threads)
    return out


def log_sum_exp_product_numpy(a: npt.NDArray[Real], b: npt.NDArray[Real], eps: float) -> npt.NDArray[Real]:
    """The specification of :func:`log_sum_exp_product`, a block of rows at a time, in float64."""
    (n, inner), m = a.shape, b.shape[1]
    out: Any = np.full((n, m), -np.inf, dtype=np.result_type(a, b))
    block = max(1, NUMPY_BLOCK // max(1, inner * m))
    for start in range(0, n if inner and m else 0, block):
        rows = slice(start, start + block)
        logits = a[rows, :, None].astype(np.float64) + b[None, :, :]
        top = logits.max(axis=1)
        shift = np.where(top == -np.inf, 0.0, top)
        with np.errstate(divide="ignore", over="ignore"):
            out[rows] = shift + eps * np.log(np.exp((logits - shift[:, None, :]) / eps).sum(axis=1))
    return out  # type: ignore[no-any-return]


@njit(cache=True, nogil=True, error_model="numpy")
def _pack_left(a, tops, inverse, absent, i0, height, k0, depth, packed):  # type: ignore[no-untyped-def]
    """Panels (depth, ROWS) of e^{(a_ik − top_i)/ε}; what is below e^absent is 0, so that no product is subnormal."""
    p = 0
    for i in range(i0, i0 + height, ROWS):
        there = min(ROWS, i0 + height - i)
        for r in range(ROWS):
            for k in range(depth):
                t = (a[i + r, k0 + k] - tops[i + r]) * inverse if r < there else -np.inf
                packed[p + k * ROWS + r] = t if t >= absent else -np.inf
        p += ROWS * depth
    exponentials(packed, p)


@njit(cache=True, nogil=True, error_model="numpy")
def _pack_right(b, tops, inverse, absent, k0, depth, j0, width, packed):  # type: ignore[no-untyped-def]
    """Panels (depth, tile) of e^{(b_kj − top_j)/ε}, likewise."""
    tile = TILE_BYTES // b.itemsize
    p = 0
    for j in range(j0, j0 + width, tile):
        there = min(tile, j0 + width - j)
        for k in range(k0, k0 + depth):
            for lane in range(there):
                t = (b[k, j + lane] - tops[j + lane]) * inverse
                packed[p + lane] = t if t >= absent else -np.inf
            for lane in range(there, tile):
                packed[p + lane] = -np.inf
            p += tile
    exponentials(packed, p)


@njit(cache=True, nogil=True, error_model="numpy")
def _add_scaled(a, b, rows, columns, inverse, absent, first, last, left, right, out):  # type: ignore[no-untyped-def]
    """out_ij += Σ_k e^{(a_ik − rows_i)/ε} e^{(b_kj − columns_j)/ε}, in the blocks of `_max_plus_product`."""
    tile = TILE_BYTES // b.itemsize
    inner, width = a.shape[1], out.shape[1]
    if first >= last or left >= right:
        return
    flat = out.reshape(out.size)
    depth = min(DEPTH, inner)
    block, strip = min(HEIGHT, last - first + ROWS), min(WIDTH, right - left + tile)
    packed_left = np.empty(block // ROWS * ROWS * depth + tile, dtype=a.dtype)
    packed_right = np.empty(strip // tile * tile * depth + tile, dtype=a.dtype)
    edge = np.empty(ROWS * tile, dtype=a.dtype)
    for jc in range(left, right, WIDTH):
        across = min(WIDTH, right - jc)
        for kc in range(0, inner, DEPTH):
            count = min(DEPTH, inner - kc)
            _pack_right(b, columns, inverse, absent, kc, count, jc, across, packed_right)
            for ic in range(first, last, HEIGHT):
                down = min(HEIGHT, last - ic)
                _pack_left(a, rows, inverse, absent, ic, down, kc, count, packed_left)
                for j in range(0, across, tile):
                    for i in range(0, down, ROWS):
                        start = (ic + i) * width + jc + j
                        if i + ROWS <= down and j + tile <= across:
                            product_tile(packed_left, i * count, packed_right, j * count, count, flat, start, width)
                        else:
                            edge[:] = 0.0
                            product_tile(packed_left, i * count, packed_right, j * count, count, edge, 0, tile)
                            for r in range(min(ROWS, down - i)):
                                for lane in range(min(tile, across - j)):
                                    flat[start + r * width + lane] += edge[r * tile + lane]


@njit(cache=True, nogil=True, error_model="numpy")
def _finish(a, b, rows, columns, eps, inverse, least, first, last, left, right, out):  # type: ignore[no-untyped-def]
    """Logarithms of the sums in ``out``, and the sums below ``least`` again."""
    tile = TILE_BYTES // b.itemsize
    inner = a.shape[1]
    panel = np.empty(inner * tile, dtype=a.dtype)
    z = np.empty(CHUNK * tile, dtype=a.dtype)
    top, total, scale = np.empty(tile, dtype=a.dtype), np.empty(tile, dtype=a.dtype), np.empty(tile, dtype=a.dtype)
    for j in range(left, right, tile):
        there = min(tile, right - j)
        packed = False
        for i in range(first, last):
            again = False
            for lane in range(there):
                again |= out[i, j + lane] < least and rows[i] + columns[j + lane] > -np.inf
            if again and not packed:
                packed = True
                for k in range(inner):
                    for lane in range(tile):
                        panel[k * tile + lane] = b[k, j + lane] if lane < there else -np.inf
            if again:
                top[:] = -np.inf
                total[:] = 0.0
                for k in range(0, inner, CHUNK):
                    count = min(CHUNK, inner - k)
                    for c in range(count):
                        entry = a[i, k + c]
                        for lane in range(tile):
                            z[c * tile + lane] = entry + panel[(k + c) * tile + lane]
                    if count % 2:
                        z[count * tile : (count + 1) * tile] = -np.inf
                    tile_exponentials(z, 0, count + count % 2, inverse, top, total, scale, 0)
            for lane in range(there):
                s = out[i, j + lane]
                if rows[i] + columns[j + lane] == -np.inf:
                    out[i, j + lane] = -np.inf
                elif s >= least:
                    out[i, j + lane] = rows[i] + columns[j + lane] + eps * np.log(s)
                else:
                    out[i, j + lane] = top[lane] + eps * np.log(total[lane])

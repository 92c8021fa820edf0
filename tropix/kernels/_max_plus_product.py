"""Max-plus matrix products: out_ij = max_k (a_ik + b_kj), and the k that attains it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from tropix.arrays import IntArray
from tropix.kernels._operands import Real, operands
from tropix.kernels._threads import over_rows

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
    out = np.empty((a.shape[0], b.shape[1]), dtype=a.dtype)

    def run(start: int, stop: int) -> None:
        _product_rows(a, b, start, stop, out)

    over_rows(run, len(out), out.size * a.shape[1], threads)
    return out


def max_plus_product_argmax(
    a: npt.NDArray[Real], b: npt.NDArray[Real], *, threads: int | None = None
) -> tuple[npt.NDArray[Real], IntArray]:
    """The product of :func:`max_plus_product`, and for each entry the lowest k that attains it, −1 where it is −∞."""
    a, b = operands(a, b)
    out = np.empty((a.shape[0], b.shape[1]), dtype=a.dtype)
    indices = np.empty(out.shape, dtype=np.int64)

    def run(start: int, stop: int) -> None:
        _argmax_rows(a, b, start, stop, out, indices)

    over_rows(run, len(out), out.size * a.shape[1], threads)
    return out, indices


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
def _product_rows(a, b, start, stop, out):  # type: ignore[no-untyped-def]
    for i in range(start, stop):
        for j in range(b.shape[1]):
            out[i, j] = -np.inf
        for k in range(a.shape[1]):
            entry = a[i, k]
            for j in range(b.shape[1]):
                t, v = entry + b[k, j], out[i, j]
                out[i, j] = t if t > v else v


@njit(cache=True, nogil=True, error_model="numpy")
def _argmax_rows(a, b, start, stop, out, indices):  # type: ignore[no-untyped-def]
    for i in range(start, stop):
        for j in range(b.shape[1]):
            out[i, j], indices[i, j] = -np.inf, -1
        for k in range(a.shape[1]):
            entry = a[i, k]
            for j in range(b.shape[1]):
                t = entry + b[k, j]
                if t > out[i, j]:
                    out[i, j], indices[i, j] = t, k

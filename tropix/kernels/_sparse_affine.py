"""Sparse matrix times a block of points: the affine nodes that come of convolutions, pooling and reshapes."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numba import njit

from tropix.arrays import FloatArray


def add_sparse_product(matrix: sp.csr_array, columns: FloatArray, out: FloatArray) -> None:
    """Out += A·columns in place, one thread.

    matrix (m, k) sparse, columns (k, n) with a point in each column, out (m, n); both C-contiguous. Infinities and NaN
    are plain arithmetic's; entries that the matrix does not store multiply nothing. Fastest where k·n floats fit in the
    second-level cache.
    """
    _add_rows(matrix.data, matrix.indices, matrix.indptr, columns, out)


def add_sparse_product_numpy(matrix: sp.csr_array, columns: FloatArray, out: FloatArray) -> None:
    """The specification of :func:`add_sparse_product`."""
    with np.errstate(over="ignore", invalid="ignore"):
        out += matrix @ columns


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _add_rows(data, indices, indptr, columns, out):  # type: ignore[no-untyped-def]
    """Points lie in the vector lanes; eight entries of a row share one pass over its sums."""
    width = columns.shape[1]
    for row in range(out.shape[0]):
        k, stop = indptr[row], indptr[row + 1]
        while k + 8 <= stop:
            w0, w1, w2, w3 = data[k], data[k + 1], data[k + 2], data[k + 3]
            w4, w5, w6, w7 = data[k + 4], data[k + 5], data[k + 6], data[k + 7]
            c0, c1, c2, c3 = indices[k], indices[k + 1], indices[k + 2], indices[k + 3]
            c4, c5, c6, c7 = indices[k + 4], indices[k + 5], indices[k + 6], indices[k + 7]
            for p in range(width):
                low = w0 * columns[c0, p] + w1 * columns[c1, p] + (w2 * columns[c2, p] + w3 * columns[c3, p])
                high = w4 * columns[c4, p] + w5 * columns[c5, p] + (w6 * columns[c6, p] + w7 * columns[c7, p])
                out[row, p] += low + high
            k += 8
        while k < stop:
            w, c = data[k], indices[k]
            for p in range(width):
                out[row, p] += w * columns[c, p]
            k += 1

"""Max-plus product of a sparse matrix and a dense one; entries that are not stored are −∞."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from tropix.errors import InvalidInput
from tropix.kernels._max_plus_tiles import max_plus_entries
from tropix.kernels._operands import Real, common_type, readable
from tropix.kernels._simd import TILE_BYTES
from tropix.kernels._threads import over_rows


def max_plus_sparse_product(
    data: npt.NDArray[Real],
    indices: npt.NDArray[Any],
    indptr: npt.NDArray[Any],
    b: npt.NDArray[Real],
    *,
    threads: int | None = None,
) -> npt.NDArray[Real]:
    """out_ij = max over the stored (i, k) of a_ik + b_kj, with A in compressed sparse rows; an empty row gives −∞.

    data, indices (nnz,), indptr (n+1,) as in scipy.sparse (int32 or int64; duplicates are joined by max), b (K, m) or
    (K,) → (n, m) or (n,). −∞ absorbs, also +∞. A stored 0 is the number 0, the semiring's one. No NaN.

    Raises :class:`InvalidInput` where a column index is not below K, or indptr does not fit the data.
    """
    kind = common_type(data, b)
    dense = readable(b[:, None] if b.ndim == 1 else b, kind)
    data = readable(data, kind)
    indices, indptr = readable(indices, indices.dtype), readable(indptr, indptr.dtype)
    _check(data, indices, indptr, len(b))
    out: npt.NDArray[Real] = np.full((len(indptr) - 1, dense.shape[1]), -np.inf, dtype=kind)

    def run(start: int, stop: int) -> None:
        _sparse_rows(data, indices, indptr, dense, start, stop, out)

    over_rows(run, len(out), len(data) * dense.shape[1], threads)
    return out[:, 0] if b.ndim == 1 else out


def max_plus_sparse_product_numpy(
    data: npt.NDArray[Real], indices: npt.NDArray[Any], indptr: npt.NDArray[Any], b: npt.NDArray[Real]
) -> npt.NDArray[Real]:
    """The specification of :func:`max_plus_sparse_product`: forms all nnz·m sums."""
    out: npt.NDArray[Real] = np.full((len(indptr) - 1, *b.shape[1:]), -np.inf, dtype=np.result_type(data, b))
    for i, (first, stop) in enumerate(pairwise(indptr)):
        with np.errstate(invalid="ignore", over="ignore"):
            sums = (data[first:stop] + b[indices[first:stop]].T).T
        sums[np.isnan(sums)] = -np.inf  # −∞ + ∞
        out[i] = sums.max(axis=0, initial=-np.inf)
    return out


def _check(data: npt.NDArray[Any], indices: npt.NDArray[Any], indptr: npt.NDArray[Any], columns: int) -> None:
    """Refuse what would be read outside the arrays."""
    if indptr[0] != 0 or indptr[-1] > min(len(data), len(indices)) or (np.diff(indptr) < 0).any():
        raise InvalidInput(f"indptr does not rise from 0 to at most {min(len(data), len(indices))}, the entries given")
    if len(indices) and (indices.min() < 0 or indices.max() >= columns):
        found = indices.min() if indices.min() < 0 else indices.max()
        raise InvalidInput(f"the sparse matrix has an entry in column {found}: the other factor has {columns} rows")


@njit(cache=True, nogil=True, error_model="numpy")
def _sparse_rows(data, indices, indptr, b, start, stop, out):  # type: ignore[no-untyped-def]
    tile = TILE_BYTES // b.itemsize
    width = b.shape[1]
    tiled = width // tile * tile
    flat, target = b.reshape(b.size), out.reshape(out.size)
    for i in range(start, stop):
        first, last = np.int64(indptr[i]), np.int64(indptr[i + 1])
        for j in range(0, tiled, tile):
            max_plus_entries(data, indices, first, last, flat, width, j, target, i * width + j)
        if width == 1:
            even, odd = out[i, 0], out[i, 0]  # two chains, because each waits for its last step
            for p in range(first, last - 1, 2):
                s, t = data[p] + flat[indices[p]], data[p + 1] + flat[indices[p + 1]]
                even, odd = s if s > even else even, t if t > odd else odd
            if (last - first) % 2 == 1:
                t = data[last - 1] + flat[indices[last - 1]]
                odd = t if t > odd else odd
            out[i, 0] = even if even > odd else odd
        elif tiled < width:
            for p in range(first, last):
                entry, k = data[p], indices[p]
                for j in range(tiled, width):
                    t, v = entry + b[k, j], out[i, j]
                    out[i, j] = t if t > v else v

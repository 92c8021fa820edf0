"""Max-plus product of two sparse matrices in compressed rows (Gustavson's algorithm)."""

from __future__ import annotations

from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numba import njit

from tropix.arrays import FloatArray, IntArray

Rows: TypeAlias = tuple[FloatArray, IntArray, IntArray]
"""data, indices, indptr of a matrix in compressed rows."""


def max_plus_csr_product(a: Rows, b: Rows, columns: int) -> Rows:
    """out_ij = max_k (a_ik + b_kj) over stored entries; columns of a row ascend, −∞ is not stored."""
    parts = [(data, indices.astype(np.int64), indptr.astype(np.int64)) for data, indices, indptr in (a, b)]
    indptr = np.zeros(len(parts[0][2]), dtype=np.int64)
    empty = np.empty(0, dtype=np.int64)
    _multiply(*parts[0], *parts[1], columns, indptr, empty, np.empty(0, dtype=a[0].dtype), False)
    indptr = np.cumsum(indptr)
    indices, data = np.empty(indptr[-1], dtype=np.int64), np.empty(indptr[-1], dtype=a[0].dtype)
    _multiply(*parts[0], *parts[1], columns, indptr, indices, data, True)
    return data, indices, indptr


def max_plus_csr_product_numpy(a: Rows, b: Rows, columns: int) -> Rows:
    """The specification of :func:`max_plus_csr_product`, by dense rows."""
    data: list[float] = []
    indices: list[int] = []
    indptr = [0]
    for first, stop in pairwise(a[2].tolist()):
        row = np.full(columns, -np.inf)
        for p in range(first, stop):
            k = a[1][p]
            part = slice(b[2][k], b[2][k + 1])
            row[b[1][part]] = np.maximum(row[b[1][part]], a[0][p] + b[0][part])
        indices += np.flatnonzero(row > -np.inf).tolist()
        data += row[row > -np.inf].tolist()
        indptr.append(len(indices))
    return np.array(data, dtype=a[0].dtype), np.array(indices, dtype=np.int64), np.array(indptr, dtype=np.int64)


@njit(cache=True, nogil=True, error_model="numpy")
def _multiply(a, a_indices, a_starts, b, b_indices, b_starts, columns, indptr, indices, data, store):  # type: ignore[no-untyped-def]
    last = np.full(columns, -1, dtype=np.int64)
    best = np.empty(columns, dtype=a.dtype)
    seen = np.empty(columns, dtype=np.int64)
    for i in range(len(a_starts) - 1):
        count = 0
        for p in range(a_starts[i], a_starts[i + 1]):
            k = a_indices[p]
            for q in range(b_starts[k], b_starts[k + 1]):
                j = b_indices[q]
                total = a[p] + b[q]
                if last[j] != i:
                    last[j] = i
                    best[j] = total
                    seen[count] = j
                    count += 1
                elif total > best[j]:
                    best[j] = total
        if not store:
            indptr[i + 1] = count
            continue
        order = np.sort(seen[:count])
        for c in range(count):
            indices[indptr[i] + c] = order[c]
            data[indptr[i] + c] = best[order[c]]

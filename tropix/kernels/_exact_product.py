"""Sparse matrix products that say, row by row, whether float64 holds them exactly."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import scipy.sparse as sp
from numba import njit

from tropix.arrays import BoolArray, FloatArray, IntArray

TINY = 2.0**-900
"""Nothing smaller is accepted as exact, so that underflow cannot occur."""
FINEST = -1000
"""Smallest exponent of a last significant bit that is accepted."""


def exact_product(left: sp.csr_array, right: sp.csr_array) -> tuple[sp.csr_array, BoolArray]:
    """left·right, and for each row whether no entry of it is rounded, whatever the order of summation.

    An entry Σ a·b is exact if all its products are multiples of one power of two, 2⁵³ of which exceed Σ |a·b|: float64
    holds every such multiple. (The rounded Σ |a·b| decides that too, since rounding is monotone and keeps 2⁵³ units.)
    Nothing below 2⁻⁹⁰⁰ is accepted. Entries that are 0 are not stored.
    """
    parts = [
        (matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64), matrix.data, last_bits(matrix.data))
        for matrix in (left, right)
    ]
    # The scratch arrays are made here: compiled code that makes them takes half a second longer to compile.
    lengths, seen = np.zeros(left.shape[0], dtype=np.int64), np.full(right.shape[1], -1, dtype=np.int64)
    _row_lengths(*parts[0][:2], *parts[1][:2], seen, lengths)
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    indices, data = np.empty(indptr[-1], dtype=np.int64), np.empty(indptr[-1])
    exact = np.ones(left.shape[0], dtype=np.bool_)
    seen[:] = -1
    scratch = seen, np.zeros(right.shape[1]), np.zeros(right.shape[1], dtype=np.int64)
    _multiply(*parts[0], *parts[1], *scratch, indptr, indices, data, exact)
    product = sp.csr_array((data, indices, indptr), shape=(left.shape[0], right.shape[1]))
    product.eliminate_zeros()
    product.sort_indices()
    return product, exact


def exact_product_fractions(left: FloatArray, right: FloatArray) -> tuple[FloatArray, BoolArray]:
    """The specification for dense matrices: rounded products of rationals, and which rows need no rounding.

    `exact_product` may call a row inexact that this calls exact, never the other way round.
    """
    rows = [
        [sum((Fraction(float(a)) * Fraction(float(b)) for a, b in zip(row, column, strict=True)), Fraction(0))
         for column in right.T]
        for row in left
    ]  # fmt: skip
    rounded = np.array([[float(value) for value in row] for row in rows]).reshape(len(left), right.shape[1])
    exact = [
        all(Fraction(v) == f for v, f in zip(given, row, strict=True)) for given, row in zip(rounded, rows, strict=True)
    ]
    return rounded, np.array(exact, dtype=np.bool_)


def last_bits(values: FloatArray) -> IntArray:
    """The exponent of the last significant bit of each float; 0 for 0 and what is not finite."""
    with np.errstate(invalid="ignore"):
        mantissa, exponent = np.frexp(np.where(np.isfinite(values), values, 0.0))
    integers = np.abs(mantissa * 2.0**53).astype(np.int64)
    zeros = np.frexp((integers & -integers).astype(np.float64))[1].astype(np.int64) - 1
    return np.where(integers != 0, exponent - 53 + zeros, 0)


@njit(cache=True, nogil=True, error_model="numpy")
def _row_lengths(a_ptr, a_idx, b_ptr, b_idx, seen, lengths):  # type: ignore[no-untyped-def]
    for i in range(len(a_ptr) - 1):
        for p in range(a_ptr[i], a_ptr[i + 1]):
            for q in range(b_ptr[a_idx[p]], b_ptr[a_idx[p] + 1]):
                if seen[b_idx[q]] != i:
                    seen[b_idx[q]] = i
                    lengths[i] += 1


@njit(cache=True, nogil=True, error_model="numpy")
def _multiply(  # type: ignore[no-untyped-def]
    a_ptr, a_idx, a_data, a_unit, b_ptr, b_idx, b_data, b_unit, place, size, unit, ptr, idx, data, exact
):
    for i in range(len(a_ptr) - 1):
        end = ptr[i]
        for p in range(a_ptr[i], a_ptr[i + 1]):
            for q in range(b_ptr[a_idx[p]], b_ptr[a_idx[p] + 1]):
                j = b_idx[q]
                product = a_data[p] * b_data[q]
                last = a_unit[p] + b_unit[q]
                if place[j] < ptr[i] or place[j] >= end or idx[place[j]] != j:
                    place[j] = end
                    idx[end] = j
                    data[end] = product
                    size[j] = abs(product)
                    unit[j] = last
                    end += 1
                else:
                    data[place[j]] += product
                    size[j] += abs(product)
                    unit[j] = min(unit[j], last)
        for p in range(ptr[i], end):
            j = idx[p]
            fine = size[j] >= TINY and size[j] < math.inf and unit[j] >= FINEST
            if fine and unit[j] < 970:  # otherwise 2⁵³ units exceed all floats
                fine = size[j] < math.ldexp(1.0, unit[j] + 53)
            if not fine:
                exact[i] = False

"""Matrix products that are only returned when float64 holds them exactly."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from tropix.arrays import FloatArray
from tropix.circuits import Matrix

TINY = 2.0**-900
DENSE_SHARE = 0.25
"""Above this share of nonzero entries a matrix is kept dense."""


def exact_product(left: Matrix, right: Matrix) -> Matrix | None:
    """left·right if no entry of it is rounded, whatever the order of summation; None otherwise.

    An entry that is one product a·b is exact if the odd parts of a and b together have at most 53 bits. A sum is
    exact if all its partial sums are multiples of one power of two, less than 2⁵³ of which bound the sum of |a·b|.
    Nothing smaller than 2⁻⁹⁰⁰ is accepted, so underflow cannot occur.
    """
    a, b = sp.csr_array(left), sp.csr_array(right)
    product = a @ b
    if not np.isfinite(product.data).all():
        return None
    nonzero_a, nonzero_b = _mapped(a, np.ones_like(a.data)), _mapped(b, np.ones_like(b.data))
    # All entries of these three are positive, so they have one pattern unless something underflowed.
    counts = _sorted(nonzero_a @ nonzero_b)
    bits = _sorted(_mapped(a, _bits(a.data)) @ nonzero_b + nonzero_a @ _mapped(b, _bits(b.data)))
    magnitude = _sorted(abs(a) @ abs(b))
    if not magnitude.nnz == counts.nnz == bits.nnz or (magnitude.data < TINY).any():
        return None
    single = counts.data <= 1
    if (bits.data[single] > 53).any():
        return None
    if not single.all():
        rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
        units = _least_units(a)[rows] + _least_units(b.T.tocsr())[counts.indices]
        limits = np.ldexp(1.0, np.clip(units + 53, -1000, 1000).astype(np.int64))
        if (magnitude.data >= limits)[~single].any():
            return None
    return economical(product)


def economical(matrix: Matrix) -> Matrix:
    """The matrix, dense or sparse, whichever suits its share of zeros."""
    sparse = sp.csr_array(matrix, copy=True)
    sparse.eliminate_zeros()
    full = sparse.shape[0] * sparse.shape[1]
    return np.asarray(sparse.toarray()) if sparse.nnz > DENSE_SHARE * full else sparse


def _mapped(matrix: sp.csr_array, data: FloatArray) -> sp.csr_array:
    return sp.csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)


def _sorted(matrix: sp.csr_array) -> sp.csr_array:
    matrix.sort_indices()
    return matrix


def _trailing(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Number of significant bits of each nonzero float, and the exponent of its last one."""
    mantissa, exponent = np.frexp(values)
    integers = np.abs(mantissa * 2.0**53).astype(np.int64)
    zeros = np.frexp((integers & -integers).astype(np.float64))[1] - 1
    return np.asarray(53.0 - zeros), np.asarray(exponent - 53.0 + zeros)


def _bits(values: FloatArray) -> FloatArray:
    return _trailing(values)[0]


def _least_units(matrix: sp.csr_array) -> FloatArray:
    """For each row the smallest exponent of a last significant bit; 0 for empty rows."""
    units = np.zeros(matrix.shape[0])
    _, exponents = _trailing(matrix.data)
    filled = np.flatnonzero(np.diff(matrix.indptr))
    if len(filled):
        units[filled] = np.minimum.reduceat(exponents, matrix.indptr[filled])
    return units

"""Matrix products that are only used where float64 holds them exactly."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from tropix import kernels
from tropix.arrays import BoolArray
from tropix.circuits import Matrix

DENSE_SHARE = 0.25
"""Above this share of nonzero entries a matrix is kept dense."""


def exact_product(left: Matrix, right: Matrix) -> Matrix | None:
    """left·right if no entry of it is rounded, whatever the order of summation; None otherwise."""
    product, exact = exact_rows(left, right)
    return economical(product) if exact.all() else None


def exact_rows(left: Matrix, right: Matrix) -> tuple[sp.csr_array, BoolArray]:
    """left·right, and for each of its rows whether it is exact; see `tropix.kernels.exact_product`."""
    return kernels.exact_product(sp.csr_array(left), sp.csr_array(right))


def economical(matrix: Matrix) -> Matrix:
    """The matrix, dense or sparse, whichever suits its share of zeros."""
    sparse = sp.csr_array(matrix, copy=True)
    sparse.eliminate_zeros()
    full = sparse.shape[0] * sparse.shape[1]
    return np.asarray(sparse.toarray()) if sparse.nnz > DENSE_SHARE * full else sparse

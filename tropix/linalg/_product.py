"""Sums, products and powers of matrices over max-plus, min-plus and S_ε."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from tropix import kernels
from tropix.errors import InvalidInput
from tropix.linalg._carrier import Arithmetic, Array, Matrix, SemiringLike, is_sparse, read, signed_eps
from tropix.semirings import Deformed


def matmul(A: Matrix, B: Matrix, semiring: SemiringLike = "max") -> Any:
    """A ⊗ B: (A ⊗ B)_ij = ⊕_k a_ik + b_kj. B may be a vector (K,), then the result is one.

    A (n, K), B (K, m). Dense, or scipy.sparse with entries that are not stored equal to zero (−∞, in min-plus +∞); the
    result is CSR if both are sparse. Exact for integers and rationals (see `exact`); floats round each sum once. The
    dual infinity (+∞ in max-plus) is admitted in dense operands, as residuation yields it; zero absorbs it.
    Over `Deformed(eps)` the entries are ε log Σ_k exp((a_ik + b_kj)/ε), and
    0 ≤ (A ⊗_ε B)_ij − (A ⊗_0 B)_ij ≤ ε log K. Raises `InvalidInput` for other shapes and for NaN.

    >>> matmul([[0, 3], [-np.inf, 1]], [[1, 2], [0, 0]])
    array([[3., 3.], [1., 1.]])
    """
    arithmetic, (a, b) = read(semiring, [A, B], top=True)
    if a.ndim != 2 or b.ndim not in (1, 2) or a.shape[1] != b.shape[0]:
        raise InvalidInput(f"operands have shapes {a.shape} and {b.shape}: expected (n, K) and (K, m) or (K,)")
    if arithmetic.eps:
        return _deformed(a, b, arithmetic.eps)
    out = product(a, b)
    return arithmetic.write_sparse(out) if is_sparse(out) else arithmetic.write(out)


def add(A: Matrix, B: Matrix, semiring: SemiringLike = "max") -> Any:
    """A ⊕ B, entry by entry; shapes must agree. Sparse if both operands are.

    Over `Deformed(eps)` an entry exceeds the maximum by at most ε log 2.
    """
    arithmetic, (a, b) = read(semiring, [A, B], top=True)
    if a.shape != b.shape:
        raise InvalidInput(f"operands have shapes {a.shape} and {b.shape}: expected equal ones")
    if is_sparse(a) and is_sparse(b) and not arithmetic.eps:
        return arithmetic.write_sparse(_sparse_sum(a, b))
    a, b = dense(a), dense(b)
    return Deformed(arithmetic.eps).add(a, b) if arithmetic.eps else arithmetic.write(np.maximum(a, b))


def identity(n: int, semiring: SemiringLike = "max", dtype: npt.DTypeLike = np.float64) -> Array:
    """The unit matrix I (n, n): 0 on the diagonal, the semiring's zero elsewhere; exact with ``dtype=object``."""
    if not isinstance(n, (int, np.integer)) or n < 0:
        raise InvalidInput(f"order {n!r}: expected a whole number >= 0")
    if np.dtype(dtype).kind not in "fO":
        raise InvalidInput(f"an identity of {np.dtype(dtype)} has no infinite entries: use a float type or object")
    out = np.full((n, n), -signed_eps(semiring)[0] * np.inf, dtype=dtype)
    np.fill_diagonal(out, 0)
    return out


def power(A: Matrix, k: int, semiring: SemiringLike = "max") -> Any:
    """A^{⊗ k} for k ≥ 0 by repeated squaring: entry (i, j) is the largest weight of a walk of k edges from i to j.

    Over `Deformed(eps)`: 0 ≤ (A^k)_ij − (its limit) ≤ (k − 1) ε log n for k ≥ 1.

    >>> power([[0, -1], [2, -np.inf]], 3)
    array([[1., 0.], [3., 1.]])
    """
    if not isinstance(k, (int, np.integer)) or k < 0:
        raise InvalidInput(f"exponent {k!r}: expected a whole number >= 0")
    arithmetic, (a,) = read(semiring, [A], growth=max(2, int(k)))
    square(a)
    if arithmetic.eps:
        a = dense(a)
    if not arithmetic.exact and _largest(a) * max(1, int(k)) > np.finfo(arithmetic.kind).max:
        raise InvalidInput(f"entries of the power {k} may overflow {arithmetic.kind}: rescale, or use `exact`")
    base, result, rest = a.copy() if k == 1 else a, None, int(k)
    while rest:
        if rest & 1:
            result = base if result is None else multiply(result, base, arithmetic)
        rest >>= 1
        if rest:
            base = multiply(base, base, arithmetic)
    if result is None:
        return identity(a.shape[0], semiring, object if arithmetic.exact else arithmetic.kind)
    return arithmetic.write_sparse(result) if is_sparse(result) else arithmetic.write(result)


def _largest(a: Any) -> Fraction:
    values = a.data if is_sparse(a) else a
    return Fraction(float(np.abs(values[values != -np.inf]).max(initial=0.0)))


def multiply(a: Any, b: Any, arithmetic: Arithmetic) -> Any:
    """The product of two operands that were read, max-plus or deformed."""
    return _deformed(a, b, arithmetic.eps) if arithmetic.eps else product(a, b)


def product(a: Any, b: Any) -> Any:
    """The max-plus product of operands that were read: float arrays, object arrays or CSR matrices."""
    if is_sparse(a) and is_sparse(b):
        import scipy.sparse as sp

        from tropix.kernels._max_plus_csr import max_plus_csr_product

        rows = [(m.data, m.indices, m.indptr) for m in (a, b)]
        return sp.csr_array(max_plus_csr_product(rows[0], rows[1], b.shape[1]), shape=(a.shape[0], b.shape[1]))
    if is_sparse(a):
        if b.dtype == object:
            return _object_product(dense(a).astype(object), b)
        return kernels.max_plus_sparse_product(a.data, a.indices, a.indptr, b)
    if is_sparse(b):
        transposed = b.T.tocsr()
        return kernels.max_plus_sparse_product(transposed.data, transposed.indices, transposed.indptr, a.T).T
    if a.dtype == object or b.dtype == object:
        return _object_product(a, b)
    return kernels.max_plus_vector(a, b) if b.ndim == 1 else kernels.max_plus_product(a, b)


def dense(matrix: Any) -> Array:
    """A dense array of a matrix that was read; what is not stored becomes −∞."""
    if not is_sparse(matrix):
        return np.asarray(matrix)
    out = np.full(matrix.shape, -np.inf, dtype=matrix.dtype)
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    out[rows, matrix.indices] = matrix.data
    return out


def square(matrix: Any) -> int:
    """The number of rows of a square matrix; `InvalidInput` for others."""
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise InvalidInput(f"matrix has shape {matrix.shape}: expected a square one")
    return int(matrix.shape[0])


def _deformed(a: Any, b: Any, eps: float) -> Array:
    a, b = dense(a), dense(b)
    if (a == np.inf).any() or (b == np.inf).any():
        raise InvalidInput("+inf is no element of S_eps")
    out = kernels.log_sum_exp_product(a, b[:, None] if b.ndim == 1 else b, eps)
    return np.asarray(out[:, 0] if b.ndim == 1 else out)


def _object_product(a: Array, b: Array) -> Array:
    columns = b[:, None] if b.ndim == 1 else b
    out = np.full((a.shape[0], columns.shape[1]), -np.inf, dtype=object)
    below = columns == -np.inf
    for i, row in enumerate(a):
        for k in np.flatnonzero(row != -np.inf):
            infinite = row[k] == np.inf
            terms = np.where(below[k], -np.inf, np.inf).astype(object) if infinite else row[k] + columns[k]
            out[i] = np.maximum(out[i], terms)
    return np.asarray(out[:, 0] if b.ndim == 1 else out)


def _sparse_sum(a: Any, b: Any) -> Any:
    import scipy.sparse as sp

    rows = np.concatenate([np.repeat(np.arange(m.shape[0]), np.diff(m.indptr)) for m in (a, b)])
    columns, data = np.concatenate([a.indices, b.indices]), np.concatenate([a.data, b.data])
    order = np.lexsort((-data, columns, rows))
    rows, columns, data = rows[order], columns[order], data[order]
    first = np.ones(len(data), dtype=np.bool_)
    first[1:] = (rows[1:] != rows[:-1]) | (columns[1:] != columns[:-1])  # the largest comes first
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows[first], minlength=a.shape[0]))])
    return sp.csr_array((data[first], columns[first], starts), shape=a.shape)

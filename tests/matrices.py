"""Matrices for the tests of linear algebra: small integers with zeros of the semiring, in every arithmetic."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp
from hypothesis import strategies as st

from tropix.linalg import exact

INF = np.inf


def to_exact(values: np.ndarray) -> Any:
    return exact(values)


def to_thirds(values: np.ndarray) -> Any:
    """Exact fractions: a third of the given numbers."""
    out = exact(values)
    flat = out.reshape(-1)
    flat[:] = [v if v in (INF, -INF) else Fraction(v, 3) for v in flat]
    return out


def to_sparse(values: np.ndarray) -> Any:
    """CSR, with the semiring's zeros (the infinities) left out and stored zeros kept."""
    if values.ndim == 1:
        return values
    rows, columns = np.nonzero(np.isfinite(values))
    return sp.csr_array((values[rows, columns], (rows, columns)), shape=values.shape)


def to_dense(values: Any, zero: float) -> np.ndarray:
    if not sp.issparse(values):
        return np.asarray(values)
    out = np.full(values.shape, zero, dtype=object if values.dtype.kind == "i" else values.dtype)
    matrix = values.tocoo()
    out[matrix.row, matrix.col] = matrix.data
    return out


ARITHMETICS = {
    "float64": lambda v: v.astype(np.float64),
    "float32": lambda v: v.astype(np.float32),
    "exact": to_exact,
    "thirds": to_thirds,
    "beyond 2^53": lambda v: to_exact(v) * (1 << 60),
    "sparse": to_sparse,
    "sparse float32": lambda v: to_sparse(v.astype(np.float32)),
    "sparse integers": lambda v: to_sparse(v).astype(np.int64) if v.ndim == 2 else to_exact(v),
}
SEMIRINGS = ["max", "min"]


@st.composite
def square(draw: Any, count: int = 1, smallest: int = 0, largest: int = 5, low: int = -6, high: int = 6) -> Any:
    """Square max-plus matrices of one order: integers and −∞, as float64."""
    n = draw(st.integers(smallest, largest))
    entry = st.one_of(st.just(-INF), st.integers(low, high))
    matrices = [
        np.array(draw(st.lists(entry, min_size=n * n, max_size=n * n)), dtype=np.float64).reshape(n, n)
        for _ in range(count)
    ]
    return matrices if count > 1 else matrices[0]


@st.composite
def rectangular(draw: Any, sides: int = 3, count: int = 1, largest: int = 4) -> Any:
    """``count`` matrices whose shapes chain: (s0, s1), (s1, s2), …"""
    sizes = [draw(st.integers(0, largest)) for _ in range(sides)]
    entry = st.one_of(st.just(-INF), st.integers(-6, 6))
    out = []
    for m, n in list(pairwise(sizes))[:count]:
        out.append(np.array(draw(st.lists(entry, min_size=m * n, max_size=m * n)), dtype=np.float64).reshape(m, n))
    return out


def random_matrices(count: int, seed: int, largest: int = 5, *, finite: float = 0.6, span: int = 4) -> Any:
    """Random integer matrices with −∞, orders 0 … largest."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        n = int(rng.integers(0, largest + 1))
        a = rng.integers(-span, span + 1, size=(n, n)).astype(float)
        a[rng.random((n, n)) > finite] = -INF
        yield a

"""Max-plus matrix times vector: one pass over the matrix, as fast as memory delivers it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from tropix.errors import InvalidInput
from tropix.kernels._max_plus_tiles import max_plus_dot
from tropix.kernels._operands import Real, common_type, readable
from tropix.kernels._simd import BYTES
from tropix.kernels._threads import over_rows


def max_plus_vector(a: npt.NDArray[Real], x: npt.NDArray[Real], *, threads: int | None = None) -> npt.NDArray[Real]:
    """out_i = max_k (a_ik + x_k).

    a (n, K), x (K,), both float64 or both float32, any strides → (n,). −∞ absorbs, also +∞; K = 0 gives −∞; no NaN.
    The transposed product is ``max_plus_vector(a.T, x)``, which makes no copy of a C-contiguous ``a``.
    """
    if a.ndim != 2 or x.shape != a.shape[1:]:
        raise InvalidInput(f"matrix and vector have shapes {a.shape} and {x.shape}: expected (n, K) and (K,)")
    kind = common_type(a, x)
    x = readable(x, kind)
    out: npt.NDArray[Real] = np.full(len(a), -np.inf, dtype=kind)
    if a.flags.f_contiguous and not a.flags.c_contiguous:
        transposed = readable(a.T, kind)
        over_rows(lambda start, stop: _by_columns(transposed, x, start, stop, out), len(out), a.size, threads)
    else:
        rows = readable(a, kind)
        over_rows(lambda start, stop: _by_rows(rows, x, start, stop, out), len(out), a.size, threads)
    return out


def max_plus_vector_numpy(a: npt.NDArray[Real], x: npt.NDArray[Real]) -> npt.NDArray[Real]:
    """The specification of :func:`max_plus_vector`."""
    with np.errstate(invalid="ignore", over="ignore"):
        sums = a + x
    sums[np.isnan(sums)] = -np.inf  # −∞ + ∞
    return np.asarray(sums.max(axis=1, initial=-np.inf))


@njit(cache=True, nogil=True, error_model="numpy")
def _by_rows(a, x, start, stop, out):  # type: ignore[no-untyped-def]
    flat, inner = a.reshape(a.size), len(x)
    whole = inner // (4 * BYTES // a.itemsize) * (4 * BYTES // a.itemsize)
    for i in range(start, stop):
        top = max_plus_dot(flat, i * inner, x, 0, whole)
        for k in range(whole, inner):
            t = a[i, k] + x[k]
            top = t if t > top else top
        out[i] = top


@njit(cache=True, nogil=True, error_model="numpy")
def _by_columns(a, x, start, stop, out):  # type: ignore[no-untyped-def]
    """A is the transposed matrix; four of its rows at a time, so that ``out`` is read a fourth as often."""
    inner = len(x)
    whole = inner // 4 * 4
    for k in range(0, whole, 4):
        x0, x1, x2, x3 = x[k], x[k + 1], x[k + 2], x[k + 3]
        for i in range(start, stop):
            t0, t1, t2, t3, v = a[k, i] + x0, a[k + 1, i] + x1, a[k + 2, i] + x2, a[k + 3, i] + x3, out[i]
            v = t0 if t0 > v else v
            v = t1 if t1 > v else v
            v = t2 if t2 > v else v
            out[i] = t3 if t3 > v else v
    for k in range(whole, inner):
        entry = x[k]
        for i in range(start, stop):
            t, v = a[k, i] + entry, out[i]
            out[i] = t if t > v else v

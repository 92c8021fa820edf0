"""Max-plus matrix times vector: one pass over the matrix, as fast as memory delivers it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from tropix.errors import InvalidInput
from tropix.kernels._operands import Real, common_type, readable
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
    for i in range(start, stop):
        top = out[i]
        for k in range(len(x)):
            t = a[i, k] + x[k]
            top = t if t > top else top
        out[i] = top


@njit(cache=True, nogil=True, error_model="numpy")
def _by_columns(a, x, start, stop, out):  # type: ignore[no-untyped-def]
    for k in range(len(x)):
        entry = x[k]
        for i in range(start, stop):
            t, v = a[k, i] + entry, out[i]
            out[i] = t if t > v else v

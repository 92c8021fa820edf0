"""Matrix products over S_ε: out_ij = ε log Σ_k exp((a_ik + b_kj)/ε)."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from tropix.kernels._max_plus_product import NUMPY_BLOCK
from tropix.kernels._operands import Real, operands
from tropix.kernels._threads import over_rows


def log_sum_exp_product(
    a: npt.NDArray[Real], b: npt.NDArray[Real], eps: float, *, threads: int | None = None
) -> npt.NDArray[Real]:
    """out_ij = ε log Σ_k exp((a_ik + b_kj)/ε), the product of matrices over S_ε; eps > 0.

    a (n, K), b (K, m), both float64 or both float32, finite or −∞ → (n, m) of the same type. K = 0 gives −∞.
    """
    a, b = operands(a, b)
    out = np.empty((a.shape[0], b.shape[1]), dtype=a.dtype)

    def run(start: int, stop: int) -> None:
        _log_sum_exp_product_rows(a, b, eps, start, stop, out)

    over_rows(run, len(out), 8 * out.size * a.shape[1], threads)
    return out


def log_sum_exp_product_numpy(a: npt.NDArray[Real], b: npt.NDArray[Real], eps: float) -> npt.NDArray[Real]:
    """The specification of :func:`log_sum_exp_product`, a block of rows at a time."""
    (n, inner), m = a.shape, b.shape[1]
    out: npt.NDArray[Real] = np.full((n, m), -np.inf, dtype=np.result_type(a, b))
    block = max(1, NUMPY_BLOCK // max(1, inner * m))
    for start in range(0, n if inner and m else 0, block):
        rows = slice(start, start + block)
        logits = a[rows, :, None].astype(np.float64) + b[None, :, :]
        top = logits.max(axis=1)
        shift = np.where(top == -np.inf, 0.0, top)
        with np.errstate(divide="ignore", over="ignore"):
            out[rows] = shift + eps * np.log(np.exp((logits - shift[:, None, :]) / eps).sum(axis=1))
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _log_sum_exp_product_rows(a, b, eps, start, stop, out):  # type: ignore[no-untyped-def]
    for i in range(start, stop):
        for j in range(b.shape[1]):
            top = -np.inf
            for k in range(a.shape[1]):
                top = max(top, a[i, k] + b[k, j])
            total = 0.0
            if top > -np.inf:
                for k in range(a.shape[1]):
                    total += math.exp((a[i, k] + b[k, j] - top) / eps)
            out[i, j] = top + eps * math.log(total) if total > 0.0 else -np.inf

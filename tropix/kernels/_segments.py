"""Log-sum-exp and softmax of consecutive segments of a vector: the nonlinear nodes of a circuit."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from tropix.arrays import FloatArray, IntArray
from tropix.kernels._threads import over_rows


def segment_log_sum_exp(values: FloatArray, offsets: IntArray, eps: float) -> FloatArray:
    """out[i, k] = ⊕_ε of values[i, offsets[k]:offsets[k+1]]; max at ε = 0.

    values (n, M), −∞ allowed; offsets (K+1,) increasing from 0 to M, segments not empty → (n, K).
    """
    values = np.ascontiguousarray(values)
    out = np.empty((len(values), len(offsets) - 1))

    def run(start: int, stop: int) -> None:
        _segment_rows(values, offsets, eps, start, stop, out)

    over_rows(run, len(values), values.size * (1 if eps == 0.0 else 8))
    return out


def segment_gibbs(values: FloatArray, offsets: IntArray, eps: float) -> FloatArray:
    """Out = softmax(values/ε) within each segment, (n, M); at ε = 0 uniform on the maximal entries.

    A segment of −∞ alone has weights 0.
    """
    values = np.ascontiguousarray(values)
    out = np.empty_like(values)

    def run(start: int, stop: int) -> None:
        _gibbs_rows(values, offsets, eps, start, stop, out)

    over_rows(run, len(values), values.size * (1 if eps == 0.0 else 8))
    return out


def segment_log_sum_exp_numpy(values: FloatArray, offsets: IntArray, eps: float) -> FloatArray:
    """The specification of :func:`segment_log_sum_exp`."""
    top = np.maximum.reduceat(values, offsets[:-1], axis=1)
    if eps == 0.0:
        return np.asarray(top)
    finite = np.where(top == -np.inf, 0.0, top)
    terms = np.exp((values - np.repeat(finite, np.diff(offsets), axis=1)) / eps)
    with np.errstate(divide="ignore"):
        return np.asarray(finite + eps * np.log(np.add.reduceat(terms, offsets[:-1], axis=1)))


def segment_gibbs_numpy(values: FloatArray, offsets: IntArray, eps: float) -> FloatArray:
    """The specification of :func:`segment_gibbs`."""
    widths = np.diff(offsets)
    top = np.maximum.reduceat(values, offsets[:-1], axis=1)
    shifted = values - np.repeat(np.where(top == -np.inf, 0.0, top), widths, axis=1)
    terms = np.exp(shifted / eps) if eps > 0.0 else (shifted == 0.0).astype(np.float64)
    total = np.add.reduceat(terms, offsets[:-1], axis=1)
    return np.asarray(terms / np.repeat(np.where(total == 0.0, 1.0, total), widths, axis=1))


@njit(cache=True, nogil=True, error_model="numpy")
def _segment_rows(values, offsets, eps, start, stop, out):  # type: ignore[no-untyped-def]
    for i in range(start, stop):
        for k in range(offsets.shape[0] - 1):
            low, high = offsets[k], offsets[k + 1]
            best = low
            for j in range(low + 1, high):
                best = j if values[i, j] > values[i, best] else best
            top = values[i, best]
            if eps == 0.0 or top == -np.inf or high - low == 1:
                out[i, k] = top
                continue
            rest = 0.0
            for j in range(low, high):
                if j != best:
                    rest += math.exp((values[i, j] - top) / eps)
            # log1p keeps the digits of a softplus far below zero
            out[i, k] = top + eps * math.log1p(rest)


@njit(cache=True, nogil=True, error_model="numpy")
def _gibbs_rows(values, offsets, eps, start, stop, out):  # type: ignore[no-untyped-def]
    for i in range(start, stop):
        for k in range(offsets.shape[0] - 1):
            low, high = offsets[k], offsets[k + 1]
            top = values[i, low]
            for j in range(low + 1, high):
                top = values[i, j] if values[i, j] > top else top
            total = 0.0
            for j in range(low, high):
                if top == -np.inf:
                    term = 0.0
                elif eps == 0.0:
                    term = 1.0 if values[i, j] == top else 0.0
                else:
                    term = math.exp((values[i, j] - top) / eps)
                out[i, j] = term
                total += term
            if total > 0.0:
                for j in range(low, high):
                    out[i, j] /= total

"""Log-sum-exp and softmax of consecutive segments of a vector: the nonlinear nodes of a circuit."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from tropix.arrays import FloatArray, IntArray
from tropix.kernels._alignment import aligned_empty
from tropix.kernels._exponential import _exp_nonpositive

TILE = 64
"""Points whose exponentials are taken together."""


def segment_log_sum_exp(columns: FloatArray, offsets: IntArray, eps: float) -> FloatArray:
    """out[k, i] = ⊕_ε of columns[offsets[k]:offsets[k+1], i]; max at ε = 0.

    columns (M, n) with a point in each column, −∞ allowed; offsets (K+1,) increasing from 0 to M, no segment empty
    → (K, n). NaN spreads to the segment that holds it. Terms below e^{−708} of the largest are taken as 0.
    """
    columns = np.ascontiguousarray(columns)
    out = aligned_empty(len(offsets) - 1, columns.shape[1])
    if eps == 0.0:
        _segment_maxima(columns, offsets, out)
    else:
        _segment_sums(columns, offsets, eps, out)
    return out


def segment_gibbs(columns: FloatArray, offsets: IntArray, eps: float) -> FloatArray:
    """Out = softmax(columns/ε) within each segment, (M, n); at ε = 0 uniform on the maximal entries.

    A segment of −∞ alone has weights 0.
    """
    columns = np.ascontiguousarray(columns)
    out = aligned_empty(*columns.shape)
    _segment_weights(columns, offsets, eps, out)
    return out


def segment_log_sum_exp_numpy(columns: FloatArray, offsets: IntArray, eps: float) -> FloatArray:
    """The specification of :func:`segment_log_sum_exp`."""
    top = np.maximum.reduceat(columns, offsets[:-1], axis=0)
    if eps == 0.0:
        return np.asarray(top)
    finite = np.where(top == -np.inf, 0.0, top)
    terms = np.exp((columns - np.repeat(finite, np.diff(offsets), axis=0)) / eps)
    with np.errstate(divide="ignore"):
        return np.asarray(finite + eps * np.log(np.add.reduceat(terms, offsets[:-1], axis=0)))


def segment_gibbs_numpy(columns: FloatArray, offsets: IntArray, eps: float) -> FloatArray:
    """The specification of :func:`segment_gibbs`."""
    widths = np.diff(offsets)
    top = np.maximum.reduceat(columns, offsets[:-1], axis=0)
    shifted = columns - np.repeat(np.where(top == -np.inf, 0.0, top), widths, axis=0)
    terms = np.exp(shifted / eps) if eps > 0.0 else (shifted == 0.0).astype(np.float64)
    total = np.add.reduceat(terms, offsets[:-1], axis=0)
    return np.asarray(terms / np.repeat(np.where(total == 0.0, 1.0, total), widths, axis=0))


@njit(cache=True, nogil=True, error_model="numpy")
def _segment_maxima(columns, offsets, out):  # type: ignore[no-untyped-def]
    width = columns.shape[1]
    for k in range(offsets.shape[0] - 1):
        low = offsets[k]
        for p in range(width):
            out[k, p] = columns[low, p]
        for j in range(low + 1, offsets[k + 1]):
            for p in range(width):
                entry, top = columns[j, p], out[k, p]
                out[k, p] = entry if (entry > top) | (entry != entry) else top


@njit(cache=True, nogil=True, error_model="numpy")
def _segment_sums(columns, offsets, eps, out):  # type: ignore[no-untyped-def]
    width = columns.shape[1]
    top, rest, terms = np.empty(TILE), np.empty(TILE), np.empty(TILE)
    best = np.empty(TILE, dtype=np.int64)
    for k in range(offsets.shape[0] - 1):
        low, high = offsets[k], offsets[k + 1]
        for lane in range(0, width, TILE):
            count = min(TILE, width - lane)
            for p in range(count):
                top[p], best[p], rest[p] = columns[low, lane + p], low, 0.0
            for j in range(low + 1, high):
                for p in range(count):
                    entry = columns[j, lane + p]
                    larger = (entry > top[p]) | (entry != entry)
                    top[p] = entry if larger else top[p]
                    best[p] = j if larger else best[p]
            for j in range(low, high if high - low > 1 else low):
                for p in range(count):
                    # the largest term is the 1 of log1p, which keeps the digits of a softplus far below zero
                    shifted = (columns[j, lane + p] - top[p]) / eps
                    terms[p] = shifted if (best[p] != j) & (shifted <= 0.0) else -np.inf
                _exp_nonpositive(terms, count)
                for p in range(count):
                    rest[p] += terms[p]
            for p in range(count):
                out[k, lane + p] = top[p] + eps * math.log1p(rest[p])


@njit(cache=True, nogil=True, error_model="numpy")
def _segment_weights(columns, offsets, eps, out):  # type: ignore[no-untyped-def]
    for k in range(offsets.shape[0] - 1):
        low, high = offsets[k], offsets[k + 1]
        for p in range(columns.shape[1]):
            top = columns[low, p]
            for j in range(low + 1, high):
                top = columns[j, p] if columns[j, p] > top else top
            total = 0.0
            for j in range(low, high):
                if top == -np.inf:
                    term = 0.0
                elif eps == 0.0:
                    term = 1.0 if columns[j, p] == top else 0.0
                else:
                    term = math.exp((columns[j, p] - top) / eps)
                out[j, p] = term
                total += term
            if total > 0.0:
                for j in range(low, high):
                    out[j, p] /= total

"""Batched log-sum-exp: ε log Σ_j exp((w_j·x + b_j)/ε), its Gibbs weights, gradient and entropy."""

from __future__ import annotations

import numpy as np
from numba import njit

from tropix.arrays import FloatArray
from tropix.kernels._max_affine import _affine_tile, _load_tile
from tropix.kernels._threads import over_rows

TILE = 64
"""Points handled together."""
CHUNK = 32
"""Pieces whose logits are held at once: TILE·CHUNK float64 fit in the first-level cache."""

# exp(t) for t ≤ 0: Cody–Waite reduction t = k ln 2 + r and the Taylor polynomial of degree 13 on |r| ≤ ½ ln 2.
_ROUND = 1.5 * 2.0**52
_ROUND_BITS = int(np.float64(_ROUND).view(np.int64))
_LOG2E = 1.4426950408889634
_LN2_HIGH = 0.693147180369123816490
_LN2_LOW = 1.90821492927058770002e-10
_SMALLEST = -708.0


def log_sum_exp(
    points: FloatArray, weights: FloatArray, bias: FloatArray, eps: float, *, gradient: bool = False
) -> tuple[FloatArray, FloatArray | None]:
    """Value and, on request, gradient of f_ε(x) = ε log Σ_j exp((w_j·x + b_j)/ε) at each row of ``points``.

    points (n, d) finite, weights (N, d) finite, bias (N,) with −∞ allowed, eps > 0 (normal float64)
    → values (n,), gradient Wᵀπ (n, d) or None. Without a finite bias the value is −∞ and the gradient 0.
    Terms below e^{−708} of the largest are taken as 0 (absolute error < N·1e-307 in the sum, which is ≥ 1).
    Needs O(d) extra memory; the n×N matrix of logits is never formed.
    """
    points = np.ascontiguousarray(points)
    n, d = points.shape
    values = np.empty(n)
    gradients = np.zeros((n, d) if gradient else (0, d))

    def run(start: int, stop: int) -> None:
        _log_sum_exp_rows(points, weights, bias, eps, start, stop, values, gradients, gradient)

    over_rows(run, n, (points.size + 8 * n) * len(bias))
    return values, gradients if gradient else None


def log_sum_exp_numpy(
    points: FloatArray, weights: FloatArray, bias: FloatArray, eps: float
) -> tuple[FloatArray, FloatArray]:
    """The specification of :func:`log_sum_exp` with its gradient: forms the n×N matrix."""
    if not np.isfinite(bias).any():
        return np.full(len(points), -np.inf), np.zeros_like(points)
    logits = points @ weights.T + bias
    top = logits.max(axis=1, keepdims=True)
    terms = np.exp((logits - top) / eps)
    total = terms.sum(axis=1, keepdims=True)
    return (top + eps * np.log(total))[:, 0], (terms / total) @ weights


def gibbs(points: FloatArray, weights: FloatArray, bias: FloatArray, eps: float) -> FloatArray:
    """Gibbs weights π = softmax((Wx + b)/ε), shape (n, N); at ε = 0 their limit, uniform on the active pieces.

    Without a finite bias every weight is 0.
    """
    return _shifted_terms(points, weights, bias, eps)[0]


def entropy(points: FloatArray, weights: FloatArray, bias: FloatArray, eps: float) -> FloatArray:
    """Entropy H(π) = −Σ π_j log π_j of the Gibbs weights, in nats, shape (n,); 0 without a finite bias.

    Summed as log Σ exp(t_j) − Σ π_j t_j with t_j = (z_j − max z)/ε ≤ 0: no term cancels.
    """
    block = max(1, 1_000_000 // max(1, len(bias)))
    result = np.zeros(len(points))
    for start in range(0, len(points), block):
        rows = slice(start, start + block)
        probabilities, exponents, total = _shifted_terms(points[rows], weights, bias, eps)
        finite = np.where(probabilities > 0, exponents, 0.0)
        result[rows] = np.log(total) - (probabilities * finite).sum(axis=1)
    return result


def _shifted_terms(
    points: FloatArray, weights: FloatArray, bias: FloatArray, eps: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Gibbs weights, exponents (z − max z)/ε (at ε = 0: 0 or −∞) and Σ exp of them; a dead row counts as total 1."""
    n = len(points)
    if not np.isfinite(bias).any():
        return np.zeros((n, len(bias))), np.full((n, len(bias)), -np.inf), np.ones(n)
    shifted = points @ weights.T
    shifted += bias
    shifted -= shifted.max(axis=1, keepdims=True)
    if eps == 0.0:
        shifted[shifted < 0] = -np.inf
    else:
        with np.errstate(over="ignore"):
            shifted /= eps
    terms = np.exp(shifted)
    total = terms.sum(axis=1)
    return terms / total[:, None], shifted, total


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _exp_nonpositive(t, count):  # type: ignore[no-untyped-def]
    """t[i] ← exp(t[i]) for t[i] ≤ 0 or −∞; vectorises, relative error below 4e-16."""
    scale = np.empty(count)
    bits = scale.view(np.int64)
    for i in range(count):
        scale[i] = max(t[i], _SMALLEST) * _LOG2E + _ROUND
    for i in range(count):
        alive = t[i] >= _SMALLEST
        clamped = t[i] if alive else _SMALLEST
        k = scale[i] - _ROUND
        r = (clamped - k * _LN2_HIGH) - k * _LN2_LOW
        q = 1.0 / 6227020800.0
        q = q * r + 1.0 / 479001600.0
        q = q * r + 1.0 / 39916800.0
        q = q * r + 1.0 / 3628800.0
        q = q * r + 1.0 / 362880.0
        q = q * r + 1.0 / 40320.0
        q = q * r + 1.0 / 5040.0
        q = q * r + 1.0 / 720.0
        q = q * r + 1.0 / 120.0
        q = q * r + 1.0 / 24.0
        q = q * r + 1.0 / 6.0
        q = q * r + 0.5
        q = q * r + 1.0
        q = q * r + 1.0
        t[i] = q if alive else 0.0
    for i in range(count):
        bits[i] = (bits[i] - _ROUND_BITS + 1023) << 52
    for i in range(count):
        t[i] *= scale[i]


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _log_sum_exp_rows(points, weights, bias, eps, start, stop, values, gradients, gradient):  # type: ignore[no-untyped-def]
    n_pieces, d = weights.shape
    inverse = 1.0 / eps
    xt = np.empty((d, TILE))
    slopes = np.empty((d if gradient else 0, TILE))
    logits = np.empty((CHUNK, TILE))
    flat = logits.reshape(CHUNK * TILE)
    rescale = np.empty(TILE)
    top = np.empty(TILE)
    total = np.empty(TILE)
    for tile in range(start, stop, TILE):
        count = min(TILE, stop - tile)
        _load_tile(points, tile, count, xt)
        top[:] = -np.inf
        total[:] = 0.0
        slopes[:] = 0.0
        for first in range(0, n_pieces, CHUNK):
            height = min(CHUNK, n_pieces - first)
            for p in range(TILE):
                rescale[p] = top[p]
            for j in range(height):
                row = logits[j]
                _affine_tile(xt, weights, bias, first + j, row)
                for p in range(TILE):
                    top[p] = row[p] if row[p] > top[p] else top[p]
            for p in range(TILE):
                # −∞ − −∞: no finite piece yet, and nothing to rescale
                rescale[p] = (rescale[p] - top[p]) * inverse if top[p] > -np.inf else 0.0
            _exp_nonpositive(rescale, TILE)
            for p in range(TILE):
                total[p] *= rescale[p]
            for k in range(slopes.shape[0]):
                for p in range(TILE):
                    slopes[k, p] *= rescale[p]
            for j in range(height):
                row = logits[j]
                for p in range(TILE):
                    row[p] = (row[p] - top[p]) * inverse if top[p] > -np.inf else -np.inf
            _exp_nonpositive(flat, height * TILE)
            for j in range(height):
                row = logits[j]
                for p in range(TILE):
                    total[p] += row[p]
                if gradient:
                    for k in range(d):
                        w = weights[first + j, k]
                        for p in range(TILE):
                            slopes[k, p] += w * row[p]
        for p in range(count):
            values[tile + p] = top[p] + eps * np.log(total[p]) if top[p] > -np.inf else -np.inf
        if gradient:
            for p in range(count):
                share = 1.0 / total[p] if total[p] > 0.0 else 0.0
                for k in range(d):
                    gradients[tile + p, k] = slopes[k, p] * share

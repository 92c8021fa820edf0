"""Bounds of a conjugate that hold for the real numbers, from any point x and floating-point arithmetic alone.

Below, for every x: f_ε*(y) ≥ −h(x), h(x) = ε log Σ_j exp((a_j·x + b_j)/ε), a_j = w_j − y. Above, for every p ≥ 0 with
Σ p = 1 and Σ p_j a_j = 0: f_ε*(y) ≤ ε Σ p log p − b·p = −h(x) + ε KL(p‖π), π the Gibbs weights at x. With
p_j = π_j (1 + μ·(R a_j, 1)), R any regular matrix, both conditions say G μ = −(r, 0), where r = Σ π_j R a_j and
G = Σ π_j (R a_j, 1)(R a_j, 1)ᵀ. If ‖G − I‖ ≤ η < 1 that has a solution with |μ| ≤ |r|/(1 − η); then
KL(p‖π) ≤ Σ (p_j − π_j)²/π_j = μᵀGμ ≤ |r|²/(1 − η), and p ≥ 0 wherever |μ| max_j |(R a_j, 1)| ≤ 1. So an exactly
feasible p exists though none is written down, and its weights are positive: y lies in the relative interior, and the
a_j span ℝ^d. R is the inverse Cholesky factor of the covariance in floating point, so G is close to I.

Every quantity is taken with a bound of its rounding error (Higham, *Accuracy and Stability of Numerical Algorithms*,
2002, §3): the logits', multiplied by the weights, and those of sums of N terms.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from tropix.arrays import FloatArray
from tropix.kernels._conjugate import CHUNK, _add_products, _cholesky, _moments, _weigh
from tropix.kernels._threads import over_rows

UNIT = 2.0**-53
SPLIT = 134217729.0
EXPONENTIAL = 1e-15
"""Relative error of the exponential, with room to spare."""
CUT = -60.0
"""Weights whose exponent is certainly below are summed up in one bound."""


def conjugate_bounds(
    points: FloatArray, weights: FloatArray, bias: FloatArray, eps: float, at: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Proved bounds lower ≤ f_ε*(y) ≤ upper for each row y of ``points`` from a point x, a row of ``at`` (n, d).

    points (n, d), weights (N, d) and bias (N,) finite, N ≥ 1, eps > 0. ``upper`` is +∞ where nothing is proved above,
    ``lower`` −∞ where the arithmetic left its range. A finite ``upper`` proves that y lies in the interior of
    conv{w_j}.
    """
    sites = np.ascontiguousarray(weights.T)
    lower, upper = np.full(len(points), -np.inf), np.full(len(points), np.inf)

    def run(start: int, stop: int) -> None:
        rows = slice(start, stop)
        _prove(sites, bias, points[rows], float(eps), at[rows], lower[rows], upper[rows])

    over_rows(run, len(points), points.size * weights.size * 10)
    return lower, upper


@njit(cache=True, nogil=True, error_model="numpy")
def _logits(sites, bias, y, x, z, low, size):  # type: ignore[no-untyped-def]
    """Logits (w_j − y)·x + b_j as unevaluated sums z_j + low_j, and the sums of the magnitudes of their terms.

    Differences, products and sums are split without error (Dekker 1971, Knuth), so that the error of z_j + low_j is
    at most (d + 8)²·u²·size_j. No fused operations: the function must not be compiled with fastmath.
    """
    dimension, count = sites.shape
    for j in range(count):
        z[j], low[j], size[j] = bias[j], 0.0, abs(bias[j])
    for i in range(dimension):
        _add_term(sites[i], y[i], x[i], z, low, size)
    for j in range(count):
        total = z[j] + low[j]
        low[j] = low[j] - (total - z[j])
        z[j] = total


@njit(cache=True, nogil=True, error_model="numpy")
def _add_term(row, shift, slope, z, low, size):  # type: ignore[no-untyped-def]
    big = SPLIT * slope
    head = big - (big - slope)
    tail = slope - head
    for j in range(len(row)):
        site = row[j]
        a = site - shift
        part = a - site
        lost = (site - (a - part)) - (shift + part)
        term = a * slope
        big_a = SPLIT * a
        head_a = big_a - (big_a - a)
        tail_a = a - head_a
        error = ((head_a * head - term) + head_a * tail + tail_a * head) + tail_a * tail
        total = z[j] + term
        part = total - z[j]
        carried = (z[j] - (total - part)) + (term - part)
        z[j] = total
        low[j] += (carried + error) + lost * slope
        size[j] += abs(term)


@njit(cache=True, nogil=True, error_model="numpy")
def _invert(factor, inverse):  # type: ignore[no-untyped-def]
    """The inverse of a lower triangle, and its Frobenius norm."""
    dimension, square = len(factor), 0.0
    for k in range(dimension):
        for i in range(dimension):
            inverse[i, k] = 0.0
        for i in range(k, dimension):
            value = 1.0 if i == k else 0.0
            for m in range(k, i):
                value -= factor[i, m] * inverse[m, k]
            inverse[i, k] = value / factor[i, i]
            square += inverse[i, k] ** 2
    return np.sqrt(square)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _whiten(inverse, right, size, left, terms, start):  # type: ignore[no-untyped-def]
    """Left ← R·right for a chunk of columns, then right ← left·weights."""
    dimension = len(inverse)
    for i in range(dimension):
        for c in range(size):
            left[i, c] = 0.0
        for k in range(i + 1):
            value = inverse[i, k]
            for c in range(size):
                left[i, c] += value * right[k, c]
    for i in range(dimension):
        for c in range(size):
            right[i, c] = left[i, c] * terms[start + c]


@njit(cache=True, nogil=True, error_model="numpy")
def _prove(sites, bias, points, eps, at, lowers, uppers):  # type: ignore[no-untyped-def]
    dimension, count = sites.shape
    z, low, size, none = np.empty(count), np.empty(count), np.empty(count), np.zeros(count)
    index, terms, exponents = np.empty(count + 1, dtype=np.uint32), np.empty(count + 1), np.zeros(count + 1)
    left, right = np.empty((dimension, CHUNK)), np.empty((dimension, CHUNK))
    mean, mixed = np.empty(dimension), np.empty(dimension)
    covariance, factor = np.empty((dimension, dimension)), np.empty((dimension, dimension))
    inverse = np.empty((dimension, dimension))
    gram, residual = np.empty((dimension, dimension)), np.empty(dimension)
    lengths, far = np.empty(CHUNK), np.empty(CHUNK)
    few = (dimension + 8) * UNIT
    many = (count + 16) * UNIT
    for q in range(len(points)):
        y, x = points[q], at[q]
        _logits(sites, bias, y, x, z, low, size)
        alive, top, total = _weigh(z, none, 0.0, eps, CUT, 2.0, index, terms)
        if not (abs(top) < 1e300 and total >= 1.0 and total < 1e300):
            continue
        # rejected pieces are certainly small, and errors of the others are certainly small
        certain, blur = True, 0.0
        for j in range(count):
            exponent = (z[j] - top) / eps
            error = (2 * UNIT * abs(z[j]) + few * few * size[j]) / eps + 4 * UNIT * abs(exponent)
            if exponent <= 0.99 * CUT and not exponent + error <= 0.97 * CUT:
                certain = False
            if not exponent <= 1.0:  # NaN: the arithmetic left its range
                certain = False
        for c in range(alive):
            j = index[c]
            exponent = (z[j] - top) / eps
            error = 1.01 * (2 * UNIT * abs(z[j]) + few * few * size[j]) / eps + 4 * UNIT * abs(exponent) + EXPONENTIAL
            if not error < 0.05:
                certain = False
            exponents[c] = 1.05 * error  # from here on: relative errors of the weights
            blur += terms[c] * exponents[c]
        if not certain:
            continue
        rest = 1.01 * count * np.exp(0.97 * CUT)
        blur = 1.01 * (blur + rest) / total + many  # relative error of the sum of weights
        value = top + eps * np.log(total)
        error = 1.05 * eps * blur + 4 * UNIT * (eps * abs(np.log(total)) + abs(top) + abs(value)) + 1e-300
        lowers[q] = -value - error
        _moments(sites, y, index, terms, alive, total, none, mean, mixed, covariance, left, right)
        for i in range(dimension):
            for k in range(i + 1):
                covariance[i, k] += mean[i] * mean[k]
        if not _cholesky(covariance, factor, 0.0):
            continue
        norm = 1.01 * _invert(factor, inverse)
        for i in range(dimension):
            residual[i] = 0.0
            for k in range(dimension):
                gram[i, k] = 0.0
        loss, drift, squares, first = 0.0, 0.0, 0.0, 0.0
        widest = 0.0
        for i in range(dimension):
            edge = 0.0
            for j in range(count):
                edge = max(edge, abs(sites[i, j] - y[i]))
            widest += edge * edge
        widest = 1.01 * norm * np.sqrt(widest)  # bounds |R a_j| for every piece
        for start in range(0, alive, CHUNK):
            width = min(CHUNK, alive - start)
            for c in range(width):
                lengths[c] = 1.0
                far[c] = 0.0
            for i in range(dimension):
                for c in range(width):
                    right[i, c] = sites[i, index[start + c]] - y[i]
                    far[c] += right[i, c] ** 2
            _whiten(inverse, right, width, left, terms, start)
            for i in range(dimension):
                for c in range(width):
                    lengths[c] += left[i, c] ** 2
                    residual[i] += right[i, c]
            _add_products(right, left, width, gram)
            for c in range(width):
                weight, spread = terms[start + c], exponents[start + c]
                length, slip = np.sqrt(lengths[c]), few * norm * np.sqrt(far[c])
                loss += weight * (spread * lengths[c] + 2.2 * length * slip + 1.1 * slip * slip)
                drift += weight * (spread * length + 1.1 * slip)
                squares += weight * lengths[c]
                first += weight * length
        distance, offset = 0.0, 0.0
        for i in range(dimension):
            offset += (residual[i] / total) ** 2
            distance += 2.0 * (residual[i] / total) ** 2
            for k in range(i):
                distance += 2.0 * (gram[i, k] / total) ** 2
            distance += (gram[i, i] / total - 1.0) ** 2
        loss = 1.05 * (loss + many * squares + rest * (1.0 + widest * widest)) / total
        drift = 1.05 * (drift + many * first + rest * (1.0 + widest)) / total
        if not (blur < 0.05 and loss < 0.2):
            continue
        eta = (1.01 * np.sqrt(distance) + loss + blur) / (1.0 - blur) + 8 * UNIT
        away = 1.01 * (np.sqrt(offset) + drift) / (1.0 - blur)
        if eta < 0.5 and 1.01 * away / (1.0 - eta) * (2.0 + widest) <= 1.0:
            uppers[q] = (-value + error) + 1.01 * eps * away * away / (1.0 - eta)
            uppers[q] += 2 * UNIT * abs(uppers[q])

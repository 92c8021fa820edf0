"""The largest value of a linear function plus entropy on a part of the simplex, with the tangent that proves it."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from tropix.arrays import FloatArray
from tropix.kernels._head_radii import UNIT, snap
from tropix.kernels._multipliers import cholesky_solve

SMALLEST = 2.0**-40


@njit(cache=True, nogil=True, error_model="numpy")
def part_bound(corners: FloatArray, heights: FloatArray, eps: float, slope: FloatArray, shares: FloatArray) -> float:
    """Max μ·T + ε H(μQ) over μ in the simplex, rounded upwards: corners Q (V, N), heights T (V,).

    For any h in the simplex it is at most max_v (T_v − ε Σ_j q_vj log h_j), and equal to that at h = μQ for the best
    μ, which a barrier method finds. Writes h (N,), a multiple of 2⁻⁴⁰, and μ (V,).
    """
    size, width = corners.shape
    mu, h, step = np.full(size, 1.0 / size), np.empty(width), np.empty(size)
    hessian, right = np.empty((size, size)), np.empty((size, 2))
    scale = heights.max() - heights.min() + eps
    barrier, last, best = 0.1 * scale, 1e-11 * scale, math.inf
    fresh = np.empty(width)
    slope[:], shares[:] = 1.0 / width, 1.0 / size
    for _ in range(80):
        h[:] = mu @ corners
        for v in range(size):
            gradient = heights[v] + barrier / mu[v]
            for j in range(width):
                if corners[v, j] > 0:
                    gradient -= eps * corners[v, j] * math.log(h[j])
            right[v, 0], right[v, 1] = gradient, 1.0
            for k in range(v + 1):
                total = 0.0
                for j in range(width):
                    if h[j] > 0:
                        total += corners[v, j] * corners[k, j] / h[j]
                hessian[v, k] = eps * total
            hessian[v, v] += barrier / (mu[v] * mu[v])
        fresh[:] = np.maximum(h, SMALLEST)
        fresh /= fresh.sum()
        snap(fresh)
        bound = -math.inf
        for v in range(size):
            value = heights[v]
            for j in range(width):
                if corners[v, j] > 0:
                    value -= eps * corners[v, j] * math.log(fresh[j])
            bound = max(bound, value)
        if bound < best:
            best = bound
            slope[:], shares[:] = fresh, mu
        slopes = right[:, 0].copy()
        if not cholesky_solve(hessian, right, size):
            break
        ratio = right[:, 0].sum() / right[:, 1].sum()
        decrement, length = 0.0, 1.0
        for v in range(size):
            step[v] = right[v, 0] - ratio * right[v, 1]
            decrement += step[v] * slopes[v]
            if step[v] < 0:
                length = min(length, -0.9 * mu[v] / step[v])
        root = math.sqrt(max(decrement, 0.0) / barrier)
        if root > 0.25:  # self-concordance: this step stays inside and descends
            length = min(length, max(1 / (1 + root), 0.3))
        mu += length * step
        mu /= mu.sum()
        if root < 0.5:
            if barrier <= last:
                break
            barrier = max(last, 0.1 * barrier)
    return float(best + 8 * UNIT * (abs(best) + np.abs(heights).max() + 30 * eps))

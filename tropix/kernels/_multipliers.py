"""Best multipliers of affine pieces: a barrier method on the simplex, for balls of the norms 1, 2 and ∞."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from tropix.arrays import FloatArray
from tropix.kernels._multipliers_box import curve_in_box

MAX_STEPS = 200


@njit(cache=True, nogil=True, error_model="numpy")
def _curve(
    p: int,
    radius: float,
    low: FloatArray,
    high: FloatArray,
    v: FloatArray,
    s: float,
    mu: float,
    boxed: bool,
    slope: FloatArray,
    bend: FloatArray,
    twist: FloatArray,
) -> tuple[float, float, float, float]:
    """The support function of the ball at v, smoothed by its barrier: value, rank-one bend, and slope, bend in s.

    ``slope`` and ``bend`` receive the gradient and the diagonal of the Hessian in v, ``twist`` its part between v and
    s. The value is +∞ outside.
    """
    d = len(v)
    if boxed:
        total, first, second = curve_in_box(p, radius, low, high, v, s, mu, slope, bend, twist)
        return total, 0.0, first, second
    value, cross, slope_s, bend_s = 0.0, 0.0, 0.0, 0.0
    if p == 2:
        m, square = mu / radius, 0.0
        for i in range(d):
            square += v[i] * v[i]
        root = math.sqrt(m * m + square)
        top = m + root
        value = radius * top - mu * math.log(top)
        cross = -radius / (root * top * top)
        for i in range(d):
            slope[i] = radius * v[i] / top
            bend[i] = radius / top
    elif p == 0:
        for i in range(d):
            right, left = min(radius, high[i]), -min(radius, -low[i])
            half, middle = 0.5 * (right - left), 0.5 * (right + left)
            if half > 0:
                m = mu / half
                root = math.sqrt(m * m + v[i] * v[i])
                top = m + root
                value += middle * v[i] + half * top - mu * math.log(top)
                slope[i] = middle + half * v[i] / top
                bend[i] = half * m / (root * top)
            else:
                slope[i], bend[i] = 0.0, 0.0
    else:
        value, slope_s = radius * s, radius
        for i in range(d):
            gap = (s - abs(v[i])) * (s + abs(v[i]))
            if not (gap > 0 and s > 0):
                return math.inf, 0.0, 0.0, 0.0
            value -= mu * math.log(gap)
            slope[i] = 2 * mu * v[i] / gap
            bend[i] = 2 * mu * (s * s + v[i] * v[i]) / (gap * gap)
            twist[i] = -4 * mu * s * v[i] / (gap * gap)
            slope_s -= 2 * mu * s / gap
            bend_s += bend[i]
    return value, cross, slope_s, bend_s


@njit(cache=True, nogil=True, error_model="numpy")
def cholesky_solve(hessian: FloatArray, right: FloatArray, size: int) -> bool:
    """Solve in place by Cholesky for the columns of ``right``; False where the matrix is not positive."""
    for i in range(size):
        for j in range(i + 1):
            total = hessian[i, j]
            for k in range(j):
                total -= hessian[i, k] * hessian[j, k]
            if i == j:
                if not total > 0:
                    return False
                hessian[i, i] = math.sqrt(total)
            else:
                hessian[i, j] = total / hessian[j, j]
    for c in range(right.shape[1]):
        for i in range(size):
            total = right[i, c]
            for k in range(i):
                total -= hessian[i, k] * right[k, c]
            right[i, c] = total / hessian[i, i]
        for i in range(size - 1, -1, -1):
            total = right[i, c]
            for k in range(i + 1, size):
                total -= hessian[k, i] * right[k, c]
            right[i, c] = total / hessian[i, i]
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def best_multipliers(
    weights: FloatArray,
    logits: FloatArray,
    eps: float,
    target: FloatArray,
    p: int,
    radius: float,
    low: FloatArray,
    high: FloatArray,
    tolerance: float,
    multipliers: FloatArray,
    shift: FloatArray,
) -> int:
    """Minimise −λ·z + ε Σ λ_j log λ_j + sup {(u − Wᵀλ)·δ : ‖δ‖_p ≤ r} over the simplex, to an absolute tolerance.

    ``weights`` W (N, d), ``logits`` z (N,), ``target`` u (d,); p is 1, 2 or 0 for ∞, and moreover
    low ≤ δ ≤ high. Writes λ and the maximiser δ of the dual problem max {u·δ − ⊕_ε (z + Wδ)} (inside the ball);
    returns the number of Newton steps. λ is positive with sum 1 up to rounding. The barriers −μ log are
    self-concordant, so that the gap is (N + barriers)·μ at the end of the path (Nesterov and Nemirovskii 1994).
    """
    count, d = weights.shape
    boxed = False  # the box cuts the ball
    for i in range(d):
        boxed = boxed or (p != 0 and (high[i] < radius or -low[i] < radius))
    joint = p == 1 or boxed
    size = count + 1 if joint else count
    lam, trial = np.full(size, 1.0 / count), np.zeros(size)
    v, slope, bend, twist = np.empty(d), np.zeros(d), np.zeros(d), np.zeros(d)
    hessian, right = np.empty((size, size)), np.empty((size, 2))
    across = np.empty(count)
    top, square = 0.0, 0.0
    for i in range(d):
        total = target[i]
        for n in range(count):
            total -= weights[n, i] / count
        v[i] = total
        top = max(top, abs(total))
        square += total * total
    scale = logits.max() - logits.min() + eps * math.log(count) + radius * top
    barriers = count + (2 if p == 2 and not boxed else 4 * d + 1 if p == 1 and boxed else 2 * d + 1)
    last = tolerance / barriers
    mu = max(last, 0.1 * scale / (2 if p == 2 and not boxed else 1 + 0.1 * d))
    s = float(2 * top + mu / radius)
    if p == 2:
        s = math.sqrt(square) / radius + mu / (radius * radius)
    if joint:
        lam[count] = s
    shift[:] = 0.0
    steps = 0
    while steps < MAX_STEPS:
        value, cross, slope_s, bend_s = _curve(p, radius, low, high, v, s, mu, boxed, slope, bend, twist)
        for n in range(count):
            g, dot = -logits[n] + eps * (1 + math.log(lam[n])) - mu / lam[n], 0.0
            for i in range(d):
                g -= weights[n, i] * slope[i]
                dot += weights[n, i] * v[i]
            right[n, 0], right[n, 1], across[n] = -g, 1.0, dot
            value += lam[n] * (eps * math.log(lam[n]) - logits[n]) - mu * math.log(lam[n])
        for n in range(count):
            for k in range(n + 1):
                total = cross * across[n] * across[k]
                for i in range(d):
                    total += weights[n, i] * weights[k, i] * bend[i]
                hessian[n, k] = total
            hessian[n, n] += eps / lam[n] + mu / (lam[n] * lam[n])
        if joint:
            right[count, 0], right[count, 1] = -slope_s, 0.0
            hessian[count, count] = bend_s
            for n in range(count):
                total = 0.0
                for i in range(d):
                    total -= weights[n, i] * twist[i]
                hessian[count, n] = total
        slopes = -right[:, 0].copy()
        if not cholesky_solve(hessian, right, size):
            break
        below, above = 0.0, 0.0
        for n in range(count):
            below += right[n, 0]
            above += right[n, 1]
        decrement = 0.0
        for n in range(size):
            right[n, 0] -= right[n, 1] * below / above
            decrement -= right[n, 0] * slopes[n]
        steps += 1
        step = 1.0
        for n in range(count):
            if right[n, 0] < 0:
                step = min(step, -0.95 * lam[n] / right[n, 0])
        moved = False
        for _ in range(30):
            fresh = 0.0
            for n in range(size):
                trial[n] = lam[n] + step * right[n, 0]
            for i in range(d):
                total = target[i]
                for n in range(count):
                    total -= weights[n, i] * trial[n]
                v[i] = total
            s = float(trial[count]) if joint else 0.0
            fresh = _curve(p, radius, low, high, v, s, mu, boxed, slope, bend, twist)[0]
            for n in range(count):
                fresh += trial[n] * (eps * math.log(trial[n]) - logits[n]) - mu * math.log(trial[n])
            if fresh <= value - 0.1 * step * decrement or (decrement < 1e-6 * mu and fresh < value + mu):
                moved = True
                break
            step *= 0.5
        if moved:
            lam[:] = trial
        else:  # rounding hides the descent: this stage is over
            for i in range(d):
                total = target[i]
                for n in range(count):
                    total -= weights[n, i] * lam[n]
                v[i] = total
            s = float(lam[count]) if joint else 0.0
        if decrement <= (0.2 if mu > last else 1e-8) * mu or not moved:
            if moved:  # near the path, the slope of the smoothed support function lies inside the ball
                shift[:] = slope
            if mu <= last:
                break
            mu = max(last, (0.03 if boxed else 0.1) * mu)
    total = 0.0
    for n in range(count):
        total += lam[n]
    multipliers[:] = lam[:count] / total
    return steps

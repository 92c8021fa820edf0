"""Radii in which one log-sum-exp of affine functions stays above the others, with the multipliers that prove them."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from tropix.arrays import FloatArray, IntArray
from tropix.kernels._multipliers import best_multipliers
from tropix.kernels._multipliers_box import stretch
from tropix.kernels._threads import over_rows

UNIT = 2.0**-53
GRID = 2.0**40
"""Multipliers are multiples of 1/GRID with sum 1 exactly."""
ROUNDS = 8


@njit(cache=True, nogil=True, error_model="numpy")
def dual_norm(v: FloatArray, p: int) -> float:
    """‖v‖_q for p = 1, 2 or 0 (∞)."""
    total = 0.0
    for value in v:
        if p == 2:
            total += value * value
        elif p == 0:
            total += abs(value)
        else:
            total = max(total, abs(value))
    return math.sqrt(total) if p == 2 else total


@njit(cache=True, nogil=True, error_model="numpy")
def support(v: FloatArray, p: int, radius: float, low: FloatArray, high: FloatArray) -> float:
    """An upper bound, up to rounding, of max {v·δ : ‖δ‖_p ≤ r, low ≤ δ ≤ high}; exact for p = 1 and ∞."""
    d, total = len(v), 0.0
    if p == 0:
        for i in range(d):
            total += v[i] * min(radius, high[i]) if v[i] > 0 else v[i] * -min(radius, -low[i])
        return total
    if p == 1:
        left = radius
        for i in np.argsort(-np.abs(v)):
            room = min(left, high[i] if v[i] > 0 else -low[i])
            total += abs(v[i]) * room
            left -= room
            if not left > 0:
                break
        return total
    size = dual_norm(v, 2)
    if not (size > 0 and radius > 0):
        return 0.0
    # max v·δ − (|δ|² − r²)/(2t) over the box bounds it for every t > 0; the best t makes |δ| = r
    t = stretch(v, radius, low, high)
    if t == math.inf:
        for i in range(d):
            total += v[i] * (high[i] if v[i] > 0 else low[i]) if v[i] != 0 else 0.0
        return min(total, radius * size)
    total = radius * radius / (2 * t)
    for i in range(d):
        step = min(high[i], max(low[i], t * v[i]))
        total += v[i] * step - step * step / (2 * t)
    return min(total, radius * size)


@njit(cache=True, nogil=True, error_model="numpy")
def snap(multipliers: FloatArray) -> None:
    """Round to multiples of 1/GRID that add up to 1 exactly."""
    total, best = 0.0, 0
    for i in range(len(multipliers)):
        multipliers[i] = math.floor(max(multipliers[i], 0.0) * GRID) / GRID
        total += multipliers[i]
        if multipliers[i] > multipliers[best]:
            best = i
    multipliers[best] += 1.0 - total


@njit(cache=True, nogil=True, error_model="numpy")
def plane(
    multipliers: FloatArray,
    weights: FloatArray,
    logits: FloatArray,
    errors: FloatArray,
    norms: FloatArray,
    eps: float,
    target: FloatArray,
    level: float,
    level_error: float,
    target_norm: float,
    v: FloatArray,
) -> tuple[float, float]:
    """Y − λ·z + ε Σ λ log λ rounded upwards, and an error of ‖v‖_q for v = u − Wᵀλ, which is written."""
    count, d = weights.shape
    v[:] = target
    base, size, blur, length = level, abs(level), level_error, target_norm
    for n in range(count):
        m = multipliers[n]
        if m > 0:
            entropy = eps * math.log(m)
            base += m * (entropy - logits[n])
            size += m * (abs(logits[n]) - entropy)
            blur += m * errors[n]
            length += m * norms[n]
            for i in range(d):
                v[i] -= m * weights[n, i]
    return base + blur + (count + 6) * UNIT * size, (count + 6) * UNIT * length


@njit(cache=True, nogil=True, error_model="numpy")
def _total(
    radius: float,
    start: int,
    stop: int,
    eps: float,
    base: FloatArray,
    v: FloatArray,
    length: FloatArray,
    blur: FloatArray,
    p: int,
    low: FloatArray,
    high: FloatArray,
    bounded: bool,
    values: FloatArray,
) -> float:
    """⊕_ε of the bounds of the pieces of a rival minus the label's function, rounded upwards."""
    top, d = -math.inf, v.shape[1]
    for j in range(start, stop):
        rise = radius * length[j]
        if bounded:
            rise = support(v[j], p, radius, low, high)
        values[j] = base[j] + rise * (1 + (d + 8) * UNIT) + radius * blur[j]
        values[j] += 4 * UNIT * abs(values[j])
        top = max(top, values[j])
    if eps == 0 or top == -math.inf:
        return top
    total = 0.0
    for j in range(start, stop):
        total += math.exp((values[j] - top) / eps)
    extra = eps * math.log(total)
    return top + extra + 8 * UNIT * (abs(top) + extra + eps * (stop - start))


@njit(cache=True, nogil=True, error_model="numpy")
def _root(
    cap: float,
    start: int,
    stop: int,
    eps: float,
    base: FloatArray,
    v: FloatArray,
    length: FloatArray,
    blur: FloatArray,
    p: int,
    low: FloatArray,
    high: FloatArray,
    bounded: bool,
    values: FloatArray,
) -> float:
    """The largest radius, up to 1e-13, at which the total is below 0; at most ``cap``."""
    if not _total(0.0, start, stop, eps, base, v, length, blur, p, low, high, bounded, values) < 0:
        return 0.0
    if _total(cap, start, stop, eps, base, v, length, blur, p, low, high, bounded, values) < 0:
        return cap
    floor, ceiling = 0.0, cap
    for _ in range(1100):
        if ceiling - floor <= 1e-13 * ceiling:
            break
        # the geometric mean finds the scale, halving the digits
        far = floor == 0.0 or ceiling > 4 * floor
        middle = math.sqrt(max(floor, 1e-300) * ceiling) if far else 0.5 * (floor + ceiling)
        if not floor < middle < ceiling:
            break
        if _total(middle, start, stop, eps, base, v, length, blur, p, low, high, bounded, values) < 0:
            floor = middle
        else:
            ceiling = middle
    return floor


@njit(cache=True, nogil=True, error_model="numpy")
def _one_point(
    weights: FloatArray,
    norms: FloatArray,
    logits: FloatArray,
    errors: FloatArray,
    offsets: IntArray,
    eps: FloatArray,
    label: int,
    p: int,
    low: FloatArray,
    high: FloatArray,
    bounded: bool,
    cap: float,
    enough: float,
    optimise: bool,
    radii: FloatArray,
    multipliers: FloatArray,
) -> None:
    first, last = offsets[label], offsets[label + 1]
    count, d, pieces = last - first, weights.shape[1], len(logits)
    own, z, own_errors, own_norms = weights[first:last], logits[first:last], errors[first:last], norms[first:last]
    heat = eps[label]
    base, length, blur = np.empty(pieces), np.empty(pieces), np.empty(pieces)
    v, values = np.empty((pieces, d)), np.empty(pieces)
    lam, shift, fresh = np.empty(count), np.empty(d), np.empty(d)
    top, tangent = z.max(), np.zeros(count)
    for n in range(count):
        tangent[n] = math.exp((z[n] - top) / heat) if heat > 0 else (1.0 if z[n] == top else 0.0)
    tangent /= tangent.sum()
    snap(tangent)
    for k in range(len(eps)):
        if k == label:
            radii[k] = cap
            continue
        start, stop = offsets[k], offsets[k + 1]
        for j in range(start, stop):
            multipliers[j, :count] = tangent
            base[j], blur[j] = plane(
                tangent, own, z, own_errors, own_norms, heat, weights[j], logits[j], errors[j], norms[j], v[j]
            )
            length[j] = dual_norm(v[j], p)
        if optimise and eps[k] == 0 and not bounded:
            # a single piece of the label may do better than the tangent; each piece of a maximum counts alone
            for j in range(start, stop):
                for n in range(count):
                    lam[:] = 0.0
                    lam[n] = 1.0
                    level, error = plane(
                        lam, own, z, own_errors, own_norms, heat, weights[j], logits[j], errors[j], norms[j], fresh
                    )
                    size = dual_norm(fresh, p)
                    if -level * length[j] > -base[j] * size and level < 0:
                        base[j], blur[j], length[j] = level, error, size
                        v[j], multipliers[j, :count] = fresh, lam
        radii[k] = _root(cap, start, stop, eps[k], base, v, length, blur, p, low, high, bounded, values)
    if not optimise:
        return
    done = np.zeros(len(eps), dtype=np.bool_)
    done[label] = True
    while True:
        k = int(np.argmin(radii))
        if done[k] or radii[k] >= enough or radii[k] <= 0:
            return
        start, stop = offsets[k], offsets[k + 1]
        done[k] = True
        for _ in range(ROUNDS + 4 * (stop - start)):
            radius = radii[k]
            total = _total(radius, start, stop, eps[k], base, v, length, blur, p, low, high, bounded, values)
            top, margin = -math.inf, math.inf
            for j in range(start, stop):
                top, margin = max(top, values[j]), min(margin, -base[j])
            for j in range(start, stop):
                if values[j] < top - 16 * eps[k] - 1e-12 * abs(total):
                    continue
                best_multipliers(own, z, heat, weights[j], p, radius, low, high, 1e-8 * margin, lam, shift)
                snap(lam)
                level, error = plane(
                    lam, own, z, own_errors, own_norms, heat, weights[j], logits[j], errors[j], norms[j], fresh
                )
                size = dual_norm(fresh, p)
                rise = support(fresh, p, radius, low, high) if bounded else radius * size
                if level + rise < values[j]:
                    base[j], blur[j], length[j] = level, error, size
                    v[j], multipliers[j, :count] = fresh, lam
            radii[k] = _root(cap, start, stop, eps[k], base, v, length, blur, p, low, high, bounded, values)
            if radii[k] <= radius * (1 + 1e-9) or radii[k] >= enough:
                break


def head_radii(
    weights: FloatArray,
    norms: FloatArray,
    logits: FloatArray,
    errors: FloatArray,
    offsets: IntArray,
    eps: FloatArray,
    labels: IntArray,
    p: int,
    room: tuple[FloatArray, FloatArray],
    bounded: bool,
    cap: float,
    enough: float,
    *,
    optimise: bool,
) -> tuple[FloatArray, FloatArray]:
    """Radii (n, K) in which the label's function stays above each other one, and multipliers (n, P, N) that show it.

    ``weights`` W (P, d) are the pieces of K functions, function k those from offsets[k] on at temperature eps[k];
    ``norms`` (P,) their dual norms, ``logits`` and ``errors`` (n, P) their values and error bounds. p is 1, 2 or 0 for
    ∞; room (low, high), each (n, d), bounds δ if ``bounded``. Radii are rounded down, and at most ``cap``. For piece j
    of a rival, F_c(x+δ) ≥ λ·z(x+δ) + ε_c H(λ) for any λ in the simplex, so that

        F_k − F_c ≤ ε_k log Σ_j exp((y_j − λ_j·z − ε_c H(λ_j) + max_δ (u_j − Wᵀλ_j)·δ)/ε_k).

    Without ``optimise`` every λ_j is the tangent, the Gibbs weights at x; with it they are the best, for the rivals
    that decide, until all radii are at least ``enough``.
    """
    n, widest = len(logits), int(np.diff(offsets).max())
    radii, multipliers = np.zeros((n, len(eps))), np.zeros((n, len(norms), widest))

    def run(start: int, stop: int) -> None:
        for i in range(start, stop):
            _one_point(
                weights, norms, logits[i], errors[i], offsets, eps, int(labels[i]), p, room[0][i], room[1][i],
                bounded, cap, enough, optimise, radii[i], multipliers[i],
            )  # fmt: skip

    over_rows(run, n, n * weights.size * (2000 if optimise else 20))
    return radii, multipliers

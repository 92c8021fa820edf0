"""The largest values of linear functions on balls cut by boxes, row by row."""

from __future__ import annotations

import numpy as np
from numba import njit

from tropix.arrays import FloatArray
from tropix.kernels._threads import over_rows


def ball_supports(slopes: FloatArray, p: int, radii: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """Upper bounds, up to rounding, of max {v·δ : ‖δ‖_p ≤ r, low ≤ δ ≤ high} for rows v, (B, R).

    slopes (B, R, d), p = 1, 2 or 0 for ∞, radii (B,), low and high (B, d). Exact where the box holds 0. With a
    multiplier μ ≥ 0, p = 2: μ r²/2 + Σ max (v δ − μ δ²/2) over the box; p = 1: μ r + Σ max (v δ − μ |δ|).
    """
    out = np.empty(slopes.shape[:2])

    def run(start: int, stop: int) -> None:
        _supports(slopes, p, radii, low, high, out, start, stop)

    over_rows(run, len(slopes), slopes.size * (30 if p == 2 else 8))
    return out


def ball_supports_numpy(
    slopes: FloatArray, p: int, radii: FloatArray, low: FloatArray, high: FloatArray, steps: int = 60
) -> FloatArray:
    """The specification of :func:`ball_supports`, by bisection for μ."""
    low, high, r = low[:, None], high[:, None], radii[:, None, None]
    if p == 0:
        low, high = np.maximum(low, -r), np.minimum(high, r)
        return np.asarray(np.maximum(slopes * low, slopes * high).sum(axis=2))
    zero = np.clip(0.0, low, high)

    def step(mu: FloatArray) -> FloatArray:
        if p == 2:
            return np.clip(slopes / mu, low, high)
        return np.where(np.abs(slopes) > mu, np.where(slopes > 0, high, low), zero)

    floor, ceiling = np.zeros((*slopes.shape[:2], 1)), np.abs(slopes).max(axis=2, keepdims=True) + 1e-300
    while p == 2 and ((step(ceiling) ** 2).sum(axis=2) > radii[:, None] ** 2).any() and ceiling.max() < 1e300:
        ceiling = 4 * ceiling
    for _ in range(steps):
        middle = np.maximum(0.5 * (floor + ceiling), 1e-300)
        sizes = (step(middle) ** 2).sum(axis=2) if p == 2 else np.abs(step(middle)).sum(axis=2)
        long = (sizes > radii[:, None] ** p)[..., None]
        floor, ceiling = np.where(long, middle, floor), np.where(long, ceiling, middle)
    mu = np.maximum(ceiling, 1e-300)
    at = step(mu)
    if p == 2:
        return np.asarray(mu[..., 0] * radii[:, None] ** 2 / 2 + (slopes * at - mu * at * at / 2).sum(axis=2))
    return np.asarray(mu[..., 0] * radii[:, None] + (slopes * at - mu * np.abs(at)).sum(axis=2))


@njit(cache=True, nogil=True, error_model="numpy")
def _supports(
    slopes: FloatArray,
    p: int,
    radii: FloatArray,
    low: FloatArray,
    high: FloatArray,
    out: FloatArray,
    start: int,
    stop: int,
) -> None:
    d = slopes.shape[2]
    for b in range(start, stop):
        r = radii[b]
        for k in range(slopes.shape[1]):
            v = slopes[b, k]
            total = 0.0
            if p == 0:
                for i in range(d):
                    total += max(v[i] * max(low[b, i], -r), v[i] * min(high[b, i], r))
                out[b, k] = total
                continue
            if p == 1:
                order = np.argsort(-np.abs(v))
                left = r
                for i in range(d):  # what the box asks for comes first
                    left -= max(low[b, i], -high[b, i], 0.0)
                mu = 0.0
                for i in order:
                    near = min(max(0.0, low[b, i]), high[b, i])
                    left -= abs((high[b, i] if v[i] > 0 else low[b, i]) - near)
                    if left <= 0.0:
                        mu = abs(v[i])
                        break
                total = mu * r
                for i in range(d):
                    near = min(max(0.0, low[b, i]), high[b, i])
                    at = (high[b, i] if v[i] > 0 else low[b, i]) if abs(v[i]) > mu else near
                    total += v[i] * at - mu * abs(at)
                out[b, k] = total
                continue
            square = 0.0
            for i in range(d):
                square += v[i] * v[i]
            if not (square > 0.0 and r > 0.0):
                out[b, k] = 0.0
                continue
            # |clip(v/μ)| falls as μ rises, from the free length at μ = |v|/r on: Newton's steps on free coordinates
            mu = np.sqrt(square) / r
            floor, ceiling = 1e-12 * mu, mu
            for _ in range(40):
                fixed, free = 0.0, 0.0
                for i in range(d):
                    at = v[i] / mu
                    if at > high[b, i]:
                        fixed += high[b, i] * high[b, i]
                    elif at < low[b, i]:
                        fixed += low[b, i] * low[b, i]
                    else:
                        free += v[i] * v[i]
                length = fixed + free / (mu * mu)
                if length > r * r:
                    floor = mu
                else:
                    ceiling = mu
                if abs(length - r * r) <= 1e-12 * r * r or ceiling - floor <= 1e-13 * ceiling:
                    break
                room = r * r - fixed
                fresh = np.sqrt(free / room) if room > 0.0 and free > 0.0 else 0.0
                mu = fresh if floor < fresh < ceiling else 0.5 * (floor + ceiling)
            total = 0.5 * mu * r * r
            for i in range(d):
                at = min(max(v[i] / mu, low[b, i]), high[b, i])
                total += v[i] * at - 0.5 * mu * at * at
            out[b, k] = total

"""Support functions of a ball in a box, smoothed by their barriers: what `best_multipliers` minimises there.

For p = 1 and 2 the ball is a bound on Σ|δ_i| or Σ δ_i²/2, taken into the value with a multiplier s > 0: what is left
of the maximum is one term a coordinate.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from tropix.arrays import FloatArray


@njit(cache=True, nogil=True, error_model="numpy")
def side(a: float, width: float, mu: float) -> tuple[float, float, float]:
    """Max {a t + μ log t + μ log(width − t)} over 0 < t < width, up to a constant; the t, and its slope in a."""
    half = 0.5 * width
    m = mu / half
    root = math.hypot(m, a)
    top = m + root
    # a + √(a² + m²), where a < 0 without cancellation
    rest = m * m / (root - a) if a < 0 else a + root
    return (
        half * (m + rest) - mu * math.log(top),
        half * (m + rest if a < 0 else top + a) / top,
        half * m / (root * top),
    )


@njit(cache=True, nogil=True, error_model="numpy")
def inside(a: float, b: float, mu: float) -> float:
    """The u = 1 − y in (0, 1] with a − b y = 2μ y/(1 − y²), for a ≥ 0, b > 0: Newton's method from below."""
    c = a / (2 * mu)
    far = math.sqrt(1 + 4 * c * c)
    u = max((1 + 1 / (far + 2 * c)) / (1 + far), 1 - a / b)
    for _ in range(60):
        both = u * (2 - u)
        value = a - b * (1 - u) - 2 * mu * (1 - u) / both
        step = -value / (b + 2 * mu * (both + 2 * (1 - u) * (1 - u)) / (both * both))
        u = min(1.0, u + step)
        if not step > 1e-14 * u:
            break
    return u


@njit(cache=True, nogil=True, error_model="numpy")
def curve_in_box(
    p: int,
    radius: float,
    low: FloatArray,
    high: FloatArray,
    v: FloatArray,
    s: float,
    mu: float,
    slope: FloatArray,
    bend: FloatArray,
    twist: FloatArray,
) -> tuple[float, float, float]:
    """The smoothed support function for p = 1 or 2 at v and s: value, and slope and bend in s.

    ``slope``, ``bend`` and ``twist`` receive the gradient in v, the diagonal of the Hessian, and its part between v
    and s. The value is +∞ for s ≤ 0.
    """
    if not s > 0:
        return math.inf, 0.0, 0.0
    bound = radius if p == 1 else 0.5 * radius * radius
    value, slope_s, bend_s = bound * s - mu * math.log(s), bound - mu / s, mu / (s * s)
    for i in range(len(v)):
        right, left = min(radius, high[i]), min(radius, -low[i])
        slope[i], bend[i], twist[i] = 0.0, 0.0, 0.0
        if p == 1:
            if right > 0:
                part, step, curve = side(v[i] - s, right, mu)
                value += part
                slope[i] += step
                bend[i] += curve
                twist[i] -= curve
                slope_s -= step
                bend_s += curve
            if left > 0:
                part, step, curve = side(-v[i] - s, left, mu)
                value += part
                slope[i] -= step
                bend[i] += curve
                twist[i] += curve
                slope_s -= step
                bend_s += curve
            continue
        half, middle = 0.5 * (right + left), 0.5 * (right - left)
        if not half > 0:
            continue
        a = (v[i] - s * middle) * half
        u = inside(abs(a), s * half * half, mu)
        step = middle + math.copysign(half * (1 - u), a)
        curve = s + mu / (half * u) ** 2 + mu / (half * (2 - u)) ** 2
        value += v[i] * step - 0.5 * s * step * step + mu * math.log(u * (2 - u))
        slope[i], bend[i], twist[i] = step, 1 / curve, -step / curve
        slope_s -= 0.5 * step * step
        bend_s += step * step / curve
    return value, slope_s, bend_s


@njit(cache=True, nogil=True, error_model="numpy")
def stretch(v: FloatArray, radius: float, low: FloatArray, high: FloatArray) -> float:
    """The t for which min(max(t v, low), high) has length r; +∞ where it is shorter for every t."""
    t, before = 0.0, -1
    for _ in range(len(v) + 1):
        held, free, count = 0.0, 0.0, 0
        for i in range(len(v)):
            end = high[i] if v[i] > 0 else low[i]
            if t > 0 and abs(t * v[i]) >= abs(end):
                held += end * end
                count += 1
            else:
                free += v[i] * v[i]
        if count == before:
            break
        if held >= radius * radius or free == 0.0:
            return np.inf if held < radius * radius else t
        t, before = math.sqrt((radius * radius - held) / free), count
    return t

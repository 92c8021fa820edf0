"""Finite differences for u_t + H(∇u) = εΔu on a rectangle: one-sided slopes, and one stage of a Runge–Kutta method.

Arrays carry HALO more entries on each side of each axis. In one dimension there is one row, without a halo.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from tropix.arrays import FloatArray
from tropix.kernels._threads import over_rows

HALO = 3
"""Entries beyond the ends that the widest stencil reads."""


def largest_differences(u: FloatArray) -> FloatArray:
    """The largest |u_{i+1} − u_i| along each axis of a padded array, halo included; NaN where one is."""
    best = np.zeros((2, u.shape[1]))
    _largest_differences(u, best)
    return np.asarray(best.max(axis=1))


def one_sided_slopes(u: FloatArray, spacings: FloatArray, weno: bool) -> FloatArray:
    """Slopes from the left and from the right along each axis, (2, d, rows, columns), of a padded array.

    With ``weno`` the fifth-order reconstruction of Jiang and Peng (2000) from five differences, else the first one.
    """
    plane = len(spacings) == 2
    rows = u.shape[0] - 2 * HALO if plane else 1
    out = np.empty((2, len(spacings), rows, u.shape[1] - 2 * HALO))
    inverse = 1.0 / spacings
    _slopes(u, inverse, weno, plane, 0, rows, out)
    return out


def one_sided_slopes_numpy(u: FloatArray, spacings: FloatArray, weno: bool) -> FloatArray:
    """The specification of :func:`one_sided_slopes`."""
    plane = len(spacings) == 2
    parts = []
    for axis, spacing in enumerate(spacings):
        along = axis if plane else 1
        inner = u[HALO:-HALO] if plane and along == 1 else u[:, HALO:-HALO] if plane else u
        v = np.moveaxis(np.diff(inner, axis=along), along, 0) / spacing
        count = len(v) - 5
        stencil = [v[k : k + count] for k in range(6)]
        if weno:
            floor = 1e-6 * np.max([s**2 for s in stencil], axis=0) + 1e-40
            pair = [_weno_numpy(stencil[:5], floor), _weno_numpy(stencil[:0:-1], floor)]
        else:
            pair = [stencil[2], stencil[3]]
        parts.append([np.moveaxis(p, 0, along) for p in pair])
    return np.array([[part[side] for part in parts] for side in range(2)])


def _weno_numpy(v: list[FloatArray], floor: FloatArray) -> FloatArray:
    a, b, c, d, e = v
    smooth = [
        13 / 12 * (a - 2 * b + c) ** 2 + 0.25 * (a - 4 * b + 3 * c) ** 2,
        13 / 12 * (b - 2 * c + d) ** 2 + 0.25 * (b - d) ** 2,
        13 / 12 * (c - 2 * d + e) ** 2 + 0.25 * (3 * c - 4 * d + e) ** 2,
    ]
    parts = [a / 3 - 7 * b / 6 + 11 * c / 6, -b / 6 + 5 * c / 6 + d / 3, c / 3 + 5 * d / 6 - e / 6]
    shares = [share / (s + floor) ** 2 for share, s in zip((0.1, 0.6, 0.3), smooth, strict=True)]
    return np.asarray(sum(w * p for w, p in zip(shares, parts, strict=True)) / sum(shares))


def quadratic_stage(
    u: FloatArray,
    base: FloatArray,
    shares: tuple[float, float],
    step: float,
    spacings: FloatArray,
    eps: float,
    dissipation: FloatArray,
    weno: bool,
    out: FloatArray,
) -> None:
    """Out ← shares[0]·base + shares[1]·(u + step·L(u)) inside the halo, for H(p) = |p|².

    L(u) = −|(p⁻ + p⁺)/2|² + Σ_k ½ dissipation_k (p_k⁺ − p_k⁻) + εΔu (Lax and Friedrichs), Δ of order 4 with
    ``weno``, else 2.
    """
    plane = len(spacings) == 2
    rows = u.shape[0] - 2 * HALO if plane else 1
    inverse, half = 1.0 / spacings, 0.5 * dissipation

    def run(start: int, stop: int) -> None:
        _stage(u, base, shares[0], shares[1], step, inverse, eps, half, weno, plane, start, stop, out)

    over_rows(run, rows, (100 if weno else 10) * u.size)


def laplacian(u: FloatArray, spacings: FloatArray, weno: bool) -> FloatArray:
    """Δu inside the halo, by central differences of order 4 with ``weno``, else 2."""
    plane = len(spacings) == 2
    total: FloatArray = np.zeros(1)
    for axis, spacing in enumerate(spacings):
        along = axis if plane else 1
        inner = u[HALO:-HALO] if plane and along == 1 else u[:, HALO:-HALO] if plane else u
        v = np.moveaxis(inner, along, 0)
        n = len(v) - 2 * HALO
        s = [v[k : k + n] for k in range(7)]
        second = (16 * (s[2] + s[4]) - (s[1] + s[5]) - 30 * s[3]) / 12 if weno else s[2] - 2 * s[3] + s[4]
        total = total + np.moveaxis(second, 0, along) / spacing**2
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def _largest_differences(u, best):  # type: ignore[no-untyped-def]
    rows, columns = u.shape
    first, last = (HALO, rows - HALO) if rows > 1 else (0, 1)
    for i in range(first, last):
        for j in range(columns - 1):
            step = abs(u[i, j + 1] - u[i, j])
            old = best[1, j]
            best[1, j] = old if (old >= step) | (old != old) else step
    for i in range(rows - 1):
        for j in range(HALO, columns - HALO):
            step = abs(u[i + 1, j] - u[i, j])
            old = best[0, j]
            best[0, j] = old if (old >= step) | (old != old) else step


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"}, inline="always")
def _weno(a, b, c, d, e, floor):  # type: ignore[no-untyped-def]
    """The slope in the middle of c and d from five differences: weights as in Jiang and Shu, over one denominator."""
    r, s, t = a - 2.0 * b + c, b - 2.0 * c + d, c - 2.0 * d + e
    f, g, h = a - 4.0 * b + 3.0 * c, b - d, 3.0 * c - 4.0 * d + e
    k = 13.0 / 12.0
    left = k * r * r + 0.25 * f * f + floor
    middle = k * s * s + 0.25 * g * g + floor
    right = k * t * t + 0.25 * h * h + floor
    left, middle, right = left * left, middle * middle, right * right
    x, y, z = middle * right, 6.0 * left * right, 3.0 * left * middle
    top = x * (2.0 * a - 7.0 * b + 11.0 * c) + y * (5.0 * c - b + 2.0 * d) + z * (2.0 * c + 5.0 * d - e)
    return top / (6.0 * (x + y + z))


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"}, inline="always")
def _larger(a, b):  # type: ignore[no-untyped-def]
    """The larger of two numbers; unlike ``max`` it vectorises, and keeps a NaN in the first place only."""
    return b if b > a else a


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"}, inline="always")
def _pair(a, b, c, d, e, f, g):  # type: ignore[no-untyped-def]
    """Differences at the middle of seven values from the left and from the right."""
    p, q, r, s, t, v = b - a, c - b, d - c, e - d, f - e, g - f
    floor = _larger(_larger(_larger(p * p, q * q), _larger(r * r, s * s)), _larger(t * t, v * v)) * 1e-6 + 1e-40
    return _weno(p, q, r, s, t, floor), _weno(v, t, s, r, q, floor)


@njit(cache=True, nogil=True, error_model="numpy")
def _windows(u, i, j, down, right, n):  # type: ignore[no-untyped-def]
    """Seven rows of n numbers, the middle one from (i, j), neighbours apart by (down, right).

    Loops read them at indices that are not negative by construction: that lets LLVM use vectors.
    """
    return (
        u[i - 3 * down, j - 3 * right : j - 3 * right + n],
        u[i - 2 * down, j - 2 * right : j - 2 * right + n],
        u[i - down, j - right : j - right + n],
        u[i, j : j + n],
        u[i + down, j + right : j + right + n],
        u[i + 2 * down, j + 2 * right : j + 2 * right + n],
        u[i + 3 * down, j + 3 * right : j + 3 * right + n],
    )


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _weno_slopes(windows, inverse, low, high):  # type: ignore[no-untyped-def]
    a, b, c, d, e, f, g = windows
    for j in range(low.size):
        p, q = _pair(a[j], b[j], c[j], d[j], e[j], f[j], g[j])
        low[j], high[j] = p * inverse, q * inverse


@njit(cache=True, nogil=True, error_model="numpy")
def _first_slopes(windows, inverse, low, high):  # type: ignore[no-untyped-def]
    _, _, c, d, e, _, _ = windows
    for j in range(low.size):
        low[j], high[j] = (d[j] - c[j]) * inverse, (e[j] - d[j]) * inverse


@njit(cache=True, nogil=True, error_model="numpy")
def _slopes(u, inverse, weno, plane, start, stop, out):  # type: ignore[no-untyped-def]
    n = u.shape[1] - 2 * HALO
    for row in range(start, stop):
        i = row + HALO if plane else 0
        for axis in range(inverse.size):
            down = 1 if plane and axis == 0 else 0
            windows = _windows(u, i, HALO, down, 1 - down, n)
            if weno:
                _weno_slopes(windows, inverse[axis], out[0, axis, row], out[1, axis, row])
            else:
                _first_slopes(windows, inverse[axis], out[0, axis, row], out[1, axis, row])


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _weno_change(windows, x, dissipation, diffusion, change):  # type: ignore[no-untyped-def]
    """Adds one axis' part of L(u) to a row."""
    a, b, c, d, e, f, g = windows
    for j in range(change.size):
        low, high = _pair(a[j], b[j], c[j], d[j], e[j], f[j], g[j])
        mean = 0.5 * (low + high) * x
        second = 16.0 * (c[j] + e[j]) - (b[j] + f[j]) - 30.0 * d[j]
        change[j] += dissipation * (high - low) - mean * mean + diffusion * second


@njit(cache=True, nogil=True, error_model="numpy")
def _first_order_change(windows, x, dissipation, diffusion, change):  # type: ignore[no-untyped-def]
    _, _, c, d, e, _, _ = windows
    for j in range(change.size):
        mean = 0.5 * (e[j] - c[j]) * x
        change[j] += (dissipation + diffusion) * (c[j] - 2.0 * d[j] + e[j]) - mean * mean


@njit(cache=True, nogil=True, error_model="numpy")
def _stage(u, base, old, new, step, inverse, eps, half, weno, plane, start, stop, out):  # type: ignore[no-untyped-def]
    n = u.shape[1] - 2 * HALO
    change = np.empty(n)
    for row in range(start, stop):
        i = row + HALO if plane else 0
        change[:] = 0.0
        for axis in range(inverse.size):
            down, x = 1 if plane and axis == 0 else 0, inverse[axis]
            windows = _windows(u, i, HALO, down, 1 - down, n)
            if weno:
                _weno_change(windows, x, half[axis] * x, eps * x * x / 12.0, change)
            else:
                _first_order_change(windows, x, half[axis] * x, eps * x * x, change)
        here, before, after = u[i, HALO : HALO + n], base[i, HALO : HALO + n], out[i, HALO : HALO + n]
        for j in range(n):
            after[j] = old * before[j] + new * (here[j] + step * change[j])

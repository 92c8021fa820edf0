"""The exact sign of a 3×3 determinant of floats, as a sum of floats without rounding (Shewchuk 1997)."""

from __future__ import annotations

import numpy as np
from numba import njit

SPLITTER = 134217729.0
LEAST, MOST = 1e-60, 1e60
"""Sizes of entries between which no product of three, nor its rounding error, underflows or overflows."""


@njit(cache=True, nogil=True, error_model="numpy")
def determinant_sign(a, b, c, a_, b_, c_, p, q, r):  # type: ignore[no-untyped-def]
    """Sign of p(b·c' − b'·c) + q(c·a' − c'·a) + r(a·b' − a'·b), or 2 where entries are too small or too large."""
    for value in (a, b, c, a_, b_, c_, p, q, r):
        if value != 0.0 and not LEAST < abs(value) < MOST:
            return 2
    parts = np.empty(24)
    size = 0
    for one, two, three in ((p, b, c_), (-p, b_, c), (q, c, a_), (-q, c_, a), (r, a, b_), (-r, a_, b)):
        high, low = _product(one, two)
        for factor in (low, high):
            top, rest = _product(factor, three)
            size = _grow(parts, size, rest)
            size = _grow(parts, size, top)
    if size == 0:
        return 0
    return 1 if parts[size - 1] > 0.0 else -1


@njit(cache=True, nogil=True, error_model="numpy")
def _product(x, y):  # type: ignore[no-untyped-def]
    """The rounded product and its rounding error (Dekker 1971)."""
    product = x * y
    t = SPLITTER * x
    xh = t - (t - x)
    xl = x - xh
    t = SPLITTER * y
    yh = t - (t - y)
    yl = y - yh
    return product, xl * yl - (((product - xh * yh) - xl * yh) - xh * yl)


@njit(cache=True, nogil=True, error_model="numpy")
def _grow(parts, size, value):  # type: ignore[no-untyped-def]
    """Add a number to a nonoverlapping sum in order of size, without zeros."""
    kept = 0
    for i in range(size):
        total = value + parts[i]
        virtual = total - value
        rest = (value - (total - virtual)) + (parts[i] - virtual)
        value = total
        if rest != 0.0:
            parts[kept] = rest
            kept += 1
    if value != 0.0:
        parts[kept] = value
        kept += 1
    return kept

"""The exponential in numba's own loops, for kernels whose arrays have no fixed shape."""

from __future__ import annotations

import numpy as np
from numba import njit

# exp(t) for t ≤ 0: Cody–Waite reduction t = k ln 2 + r and the Taylor polynomial of degree 13 on |r| ≤ ½ ln 2.
_ROUND = 1.5 * 2.0**52
_ROUND_BITS = int(np.float64(_ROUND).view(np.int64))
_LOG2E = 1.4426950408889634
_LN2_HIGH = 0.693147180369123816490
_LN2_LOW = 1.90821492927058770002e-10
_SMALLEST = -708.0


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

"""How far rounding may move the two sides of an identity: the tolerances of the checks."""

from __future__ import annotations

import numpy as np

from tropix.arrays import FloatArray
from tropix.polynomials import LogSumExp

UNIT = 2.0**-53
BLOCK = 2_000_000
"""Logits that are formed at once."""
OPERATIONS = 16
"""Roundings of a logit besides those of its d products, counted generously."""


def rounding_of_values(f: LogSumExp, points: FloatArray, t: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Bounds, (n,) each, for f_ε, f_0 and their solutions of Hamilton–Jacobi at points (n, d), and of π.

    Each logit w_j·x + b_j, or −g_j − |x−y_j|²/(4t), errs by at most δ_j = (2d + 16)·2⁻⁵³·(|b_j| + 2t|w_j|² + |x||w_j| +
    |x|²/(4t)), which includes the rounding of the weights, sites and costs. Then f_ε errs by ε log Σ π_j e^{δ_j/ε} and
    the rounding of the sum of exponentials, f_0 by the most that the maximum of z_j ± δ_j moves, and the logarithms of
    π by twice the largest δ_j/ε of a piece that counts.
    """
    present = np.isfinite(f.bias)
    weights, bias = f.weights[present], f.bias[present]
    n, d = points.shape
    smooth, sharp, relative = np.zeros(n), np.zeros(n), np.zeros(n)
    if not len(bias):
        return smooth, sharp, relative
    lengths = np.sqrt((weights**2).sum(axis=1))
    own = np.abs(bias) + 2 * t * lengths**2
    step = max(1, BLOCK // len(bias))
    for start in range(0, n, step):
        part = slice(start, start + step)
        size = np.sqrt((points[part] ** 2).sum(axis=1))
        errors = own + np.outer(size, lengths) + (size**2 / (4 * t))[:, None]
        errors *= (2 * d + OPERATIONS) * UNIT * 1.01
        logits = points[part] @ weights.T + bias
        top = logits.max(axis=1)
        leader = np.take_along_axis(errors, logits.argmax(axis=1)[:, None], axis=1)[:, 0]
        sharp[part] = np.maximum((logits + errors).max(axis=1) - top, leader)
        if f.eps > 0:
            z = (logits - top[:, None]) / f.eps
            with np.errstate(over="ignore"):
                grown = np.log(np.exp(z + errors / f.eps).sum(axis=1)) - np.log(np.exp(z).sum(axis=1))
            own_rounding = f.eps * (len(bias) + 40) * UNIT + 4 * UNIT * np.abs(top)
            smooth[part] = np.where(np.isfinite(grown), f.eps * grown, errors.max(axis=1)) + own_rounding
            relative[part] = 2 * np.where(z > -800, errors, 0.0).max(axis=1) / f.eps
        else:
            smooth[part] = sharp[part]
    return smooth, sharp, relative

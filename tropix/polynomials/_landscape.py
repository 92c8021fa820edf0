"""How the entropy of Gibbs weights varies in space and temperature, and slopes in a ball: moments of the pieces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tropix.arrays import FloatArray
from tropix.polynomials._tropical import dual_norms

if TYPE_CHECKING:
    from tropix.polynomials._log_sum_exp import LogSumExp

UNIT = 2.0**-53
BLOCK = 4_000_000
"""Products of weights that are formed at once."""


@dataclass(frozen=True, eq=False)
class EntropyLandscape:
    """H(π) in nats at n points, with its derivatives in x and ε.

    ``value`` H (n,), ``gradient`` ∇H (n, d), ``hessian`` ∇²H (n, d, d), ``rate`` ∂H/∂ε (n,) and ``gradient_rate``
    ∂_ε∇H (n, d).
    """

    value: FloatArray
    gradient: FloatArray
    hessian: FloatArray
    rate: FloatArray
    gradient_rate: FloatArray


def entropy_landscape(f: LogSumExp, points: FloatArray) -> EntropyLandscape:
    """See `LogSumExp.entropy_landscape`."""
    present = np.isfinite(f.bias)
    weights, bias, (n, d) = f.weights[present], f.bias[present], points.shape
    found = EntropyLandscape(np.zeros(n), np.zeros((n, d)), np.zeros((n, d, d)), np.zeros(n), np.zeros((n, d)))
    if not len(bias):
        return found
    for i, point in enumerate(points):
        z = weights @ point + bias
        s = (z - z.max()) / f.eps
        powers = np.exp(s)
        pi = powers / powers.sum()
        found.value[i] = np.log(powers.sum()) - pi @ s
        off, across = s - pi @ s, weights - pi @ weights
        mixed = (pi * off) @ across  # Cov(s, W)
        square = (pi * off**2) @ across  # κ₃(s, s, W): third central moments are third cumulants
        found.gradient[i] = -mixed / f.eps
        found.hessian[i] = -(across.T * (pi * (1 + off))) @ across / f.eps**2
        found.rate[i] = (pi @ off**2) / f.eps
        found.gradient_rate[i] = (2 * mixed + square) / f.eps**2
    return found


def local_lipschitz(f: LogSumExp, point: FloatArray, radius: float, p: float) -> float:
    """See `LogSumExp.local_lipschitz`."""
    present = np.isfinite(f.bias)
    weights, bias = f.weights[present], f.bias[present]
    if not len(bias):
        return 0.0
    logits = weights @ point + bias
    size = np.abs(weights) @ np.abs(point) + np.abs(bias)
    error = (len(point) + 4) * UNIT * size
    leader = int(logits.argmax())
    apart = dual_norms(weights - weights[leader], p) * (1 + 4 * (len(point) + 4) * UNIT)
    if f.eps == 0.0:
        near = logits + error + radius * apart >= logits[leader] - error[leader]
        return float(dual_norms(weights[near], p).max() * (1 + 4 * (len(point) + 4) * UNIT))
    high = np.empty(len(bias))
    step = max(1, BLOCK // max(1, weights.size))
    for start in range(0, len(bias), step):
        part = slice(start, start + step)
        gaps = dual_norms((weights[None] - weights[part, None]).reshape(-1, len(point)), p).reshape(-1, len(bias))
        powers = (logits - logits[part, None] - radius * gaps - error - error[part, None]) / f.eps
        with np.errstate(over="ignore"):
            high[part] = 1.0 / np.exp(powers).sum(axis=1)
    # the largest Σ p_j ‖w_j − w_*‖ with p_j ≤ π_j^hi: fill up from the farthest piece
    total, left = 0.0, 1.0
    for j in np.argsort(-apart):
        share = min(left, float(high[j]) * (1 + 1e-12))
        total += share * float(apart[j])
        left -= share
        if left <= 0:
            break
    own = float(dual_norms(weights[leader : leader + 1], p)[0])
    return (own + total) * (1 + 8 * (len(point) + len(bias) + 8) * UNIT)

"""How fast the viscous solution tends to the inviscid one, for data that are no atoms."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tropix.arrays import FloatArray
from tropix.errors import InvalidInput
from tropix.pde._atoms import positive

SAMPLES = 4001


@dataclass(frozen=True)
class ViscousGap:
    """sup_x |u_ε − u_0| at one ε, and its ratio to ε log(1/ε), which tends to d/2 as ε → 0."""

    eps: float
    gap: float
    ratio: float


def viscous_gap(eps: float, t: float = 1.0, dimension: int = 1) -> ViscousGap:
    """The viscous arrow for g(y) = |y_1| + … + |y_d|: sup over x of |u_ε(x, t) − u_0(x, t)|, for 0 < ε < 1.

    Both solutions are known in closed form, e^{−u_ε/ε} by complementary error functions, u_0 = min_y |y| + (x−y)²/(4t);
    both are sums over coordinates. In each the gap is (ε/2) log(πt/ε) + O(ε²) at the kink x = 0, so the ratio to
    ε log(1/ε) tends to d/2, no faster than 1/log(1/ε); for Lipschitz data this rate is optimal. The supremum is taken
    over 4001 points in |x| ≤ 4t and as many on the scale √(εt) around 0; nothing cancels, however small ε is.

    Raises `InvalidInput` for ε ≥ 1, and where ε or t is not a normal number > 0.

    >>> [round(viscous_gap(10.0 ** -k).ratio, 2) for k in (2, 8, 32, 128)]
    [0.63, 0.53, 0.51, 0.5]
    """
    temperature, time = positive(eps, "eps"), positive(t, "t")
    if temperature >= 1.0 or dimension < 1:
        raise InvalidInput(f"eps = {eps}, dimension = {dimension}: expected 0 < eps < 1 and dimension >= 1")
    near = np.linspace(0, 8, SAMPLES) * math.sqrt(temperature * time)
    x = np.concatenate([np.linspace(0, 4 * time, SAMPLES), near])
    gap = dimension * float(np.abs(_difference(x, temperature, time)).max())
    return ViscousGap(temperature, gap, gap / (temperature * math.log(1 / temperature)))


def _difference(x: FloatArray, eps: float, t: float) -> FloatArray:
    """u_ε − u_0 at x ≥ 0 for d = 1: −ε log of the sum of ∫ exp((u_0(x) − |y|)/ε) K(x−y) dy over y > 0 and y < 0.

    The halves are ½ e^{(u_0 + t ∓ x)/ε} erfc(z), z = (2t ∓ x)/(2√(εt)); where z ≥ 0 with e^{z²} erfc(z) instead, the
    rest of the exponent being (u_0 − x²/(4t))/ε.
    """
    from scipy.special import erfcx, log_ndtr

    width = 2 * math.sqrt(eps * t)
    with np.errstate(over="ignore"):
        beyond = -((np.maximum(x - 2 * t, 0.0) / width) ** 2)  # (u_0 − x²/(4t))/ε
    ahead = np.where(
        x <= 2 * t,
        np.log(erfcx(np.maximum(2 * t - x, 0.0) / width) / 2),
        log_ndtr(math.sqrt(2) * (np.maximum(x - 2 * t, 0.0) / width)),
    )
    behind = beyond + np.log(erfcx((2 * t + x) / width) / 2)
    return np.asarray(-eps * np.logaddexp(ahead, behind))

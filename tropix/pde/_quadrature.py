"""The heat semigroup by Gauss–Hermite quadrature, in logarithms."""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tropix.arrays import FloatArray
from tropix.errors import Unsupported
from tropix.pde._atoms import checked_points

if TYPE_CHECKING:
    from tropix.pde._hopf_cole import HopfCole

NEGLIGIBLE = 45.0
"""Feet of less than e^{−45} of the largest share need no nodes."""
MARGIN = 7.0
"""Nodes reach so far beyond the outermost foot, in widths: e^{−49} remains."""
MOST_NODES = 2_000_000
LARGEST_RULE = 640
"""Beyond, Hermite functions underflow at the middle of the recurrence."""


def convolve(solution: HopfCole, points: npt.ArrayLike, s: float) -> FloatArray:
    """See `HopfCole.evolve_by_quadrature`.

    φ(x, t+s) = (4πεs)^{−d/2} ∫ exp(−(u(z, t) + |x−z|²/(4s))/ε) dz. About one site the integrand is a Gaussian around
    the foot x + (y−x)s/(t+s) of its characteristic, of width τ = 2√(ε ts/(t+s)) in the sense of e^{−|ξ|²}. The rule's
    centre is that of the box of all feet that count. Sites say where nodes go; the values are those of u(·, t).
    """
    sites, costs, _ = solution._present
    rows, single = checked_points(points, sites, costs, solution.t)
    values = np.full(len(rows), np.inf)
    if len(costs):
        values[:] = [_at(solution, x, s) for x in rows]
    return values.reshape(()) if single else values


def _at(solution: HopfCole, x: FloatArray, s: float) -> float:
    eps, t, d = solution.eps, solution.t, solution.dimension
    share = 1 / (1 + t / s)  # of s in t + s, which may leave float64
    width = 2 * math.sqrt(eps) * math.sqrt(t) * math.sqrt(share)
    centre, reach = _feet(solution, x, s, share)
    rules = [hermite_rule(_size(r / width)) for r in reach]
    count = math.prod(len(nodes) for nodes, _ in rules)
    if count > MOST_NODES:
        raise Unsupported(
            f"quadrature needs {count} nodes at {x}, more than {MOST_NODES}: take eps or s larger, or d < 4"
        )
    steps = centre + width * np.array(list(product(*(nodes for nodes, _ in rules)))).reshape(count, d)
    logs = np.array(list(product(*(logs for _, logs in rules)))).reshape(count, d).sum(axis=1)
    kernel = ((steps / (2 * math.sqrt(s))) ** 2).sum(axis=1)  # of z − x itself: near x the sum z is rounded
    terms = logs - (solution.value(x + steps) + kernel) / eps
    top = terms.max()
    # width^d over the heat kernel's (4πεs)^{d/2}, the root of (1 − share)/π a coordinate
    factor = -0.5 * d * (math.log1p(s / t) + math.log(math.pi))
    return float(-eps * (top + math.log(math.fsum(np.exp(terms - top))) + factor))


def _feet(solution: HopfCole, x: FloatArray, s: float, share: float) -> tuple[FloatArray, FloatArray]:
    """Centre and half-widths of the box of the feet that count at x, seen from x."""
    sites, costs, _ = solution._present
    terms = (costs + ((x - sites) ** 2).sum(axis=1) / 4 / (solution.t + s)) / solution.eps
    feet = (sites[terms <= terms.min() + NEGLIGIBLE] - x) * share
    return (feet.max(axis=0) + feet.min(axis=0)) / 2, np.ptp(feet, axis=0) / 2


def _size(reach: float) -> int:
    """Nodes so that the outermost, near √(2m), lies MARGIN beyond the feet."""
    size = math.ceil((reach + MARGIN) ** 2 / 2)
    if size > LARGEST_RULE:
        raise Unsupported(
            f"the feet of characteristics are {2 * reach:.0f} widths apart: quadrature needs {size} nodes an axis, "
            f"more than {LARGEST_RULE}; take eps or s larger, or points away from shocks"
        )
    return size


@lru_cache(maxsize=64)
def hermite_rule(count: int) -> tuple[FloatArray, FloatArray]:
    """Nodes ξ and logarithms of w e^{ξ²}: ∫F ≈ Σ_i exp(log_i) F(ξ_i), exact for e^{−ξ²} times degree 2·count − 1.

    Nodes are eigenvalues of the Jacobi matrix with one Newton step (Golub and Welsch 1969); w e^{ξ²} = 1/(m ψ²) with
    the Hermite function ψ of index m − 1, which neither overflows nor underflows where weights do.
    """
    from scipy.linalg import eigh_tridiagonal

    nodes = eigh_tridiagonal(np.zeros(count), np.sqrt(np.arange(1, count) / 2), eigvals_only=True)
    last, before = _hermite_functions(count, nodes)
    nodes = nodes - last / (math.sqrt(2 * count) * before - nodes * last)
    _, before = _hermite_functions(count, nodes)
    return nodes, -np.log(count * before**2)


def _hermite_functions(count: int, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Orthonormal Hermite functions of index ``count`` and ``count`` − 1."""
    before, last = np.zeros_like(x), math.pi**-0.25 * np.exp(-(x**2) / 2)
    for k in range(1, count + 1):
        before, last = last, math.sqrt(2 / k) * x * last - math.sqrt((k - 1) / k) * before
    return last, before

"""Derivatives of sums of Gaussians by Taylor arithmetic, for checking formulas that were derived by hand.

A jet is the value of a function along a line, with its first and second derivative: sums, products, exp and log follow
the rules of truncated power series, and nothing here knows the closed forms of gradients or Laplacians.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tropix.arrays import FloatArray


@dataclass(frozen=True, eq=False)
class Jet:
    """f(s), f'(s), f''(s) at s = 0, elementwise."""

    value: FloatArray
    first: FloatArray
    second: FloatArray

    @classmethod
    def variable(cls, value: FloatArray, rate: float = 1.0) -> Jet:
        """The function value + rate·s."""
        return cls(value, np.full_like(value, rate), np.zeros_like(value))

    @classmethod
    def constant(cls, value: FloatArray) -> Jet:
        """A function that does not depend on s."""
        return cls(value, np.zeros_like(value), np.zeros_like(value))

    def __add__(self, other: Jet) -> Jet:
        return Jet(self.value + other.value, self.first + other.first, self.second + other.second)

    def __sub__(self, other: Jet) -> Jet:
        return Jet(self.value - other.value, self.first - other.first, self.second - other.second)

    def __mul__(self, other: Jet) -> Jet:
        return Jet(
            self.value * other.value,
            self.first * other.value + self.value * other.first,
            self.second * other.value + 2 * self.first * other.first + self.value * other.second,
        )

    def scale(self, factor: float) -> Jet:
        """The function times a number."""
        return Jet(self.value * factor, self.first * factor, self.second * factor)

    def reciprocal(self) -> Jet:
        """1 / f."""
        value = 1.0 / self.value
        return Jet(value, -self.first * value**2, (2 * self.first**2 * value - self.second) * value**2)

    def exp(self) -> Jet:
        """The exponential of f."""
        value = np.exp(self.value)
        return Jet(value, self.first * value, (self.second + self.first**2) * value)

    def log(self) -> Jet:
        """The logarithm of f > 0."""
        rate = self.first / self.value
        return Jet(np.log(self.value), rate, self.second / self.value - rate**2)

    def sum(self) -> Jet:
        """The sum over the last axis."""
        return Jet(self.value.sum(axis=-1), self.first.sum(axis=-1), self.second.sum(axis=-1))


@dataclass(frozen=True, eq=False)
class Derivatives:
    """u (n,), u_t (n,), ∇u (n, d) and Δu (n,)."""

    value: FloatArray
    along_t: FloatArray
    gradient: FloatArray
    laplacian: FloatArray


def hopf_cole_derivatives(
    sites: FloatArray, costs: FloatArray, eps: float, t: float, points: FloatArray
) -> Derivatives:
    """The Hopf–Cole solution with atoms and its derivatives, differentiated along t and along each coordinate.

    u(x, t) = −ε log Σ_j exp(−(g_j + |x − y_j|²/(4t))/ε) + (dε/2) log(4πεt). sites (N, d), costs (N,) finite, points
    (n, d).
    """
    n, d = points.shape
    squares = np.zeros((n, len(sites)))
    for k in range(d):
        squares += (points[:, k : k + 1] - sites[:, k]) ** 2
    lowest = (costs + squares / (4 * t)).min(axis=1, keepdims=True)

    def potential(kinetic: Jet, normalisation: Jet) -> Jet:
        logits = (Jet.constant(costs - lowest) + kinetic).scale(-1.0 / eps)
        top = logits.value.max(axis=1)  # 0 but for rounding, which 1/eps may blow up
        total = (logits - Jet.constant(np.broadcast_to(top[:, None], logits.value.shape))).exp().sum().log()
        return (total + Jet.constant(top)).scale(-eps) + normalisation.scale(0.5 * d * eps)

    time = Jet.variable(np.full((n, 1), t))
    along_t = potential(
        Jet.constant(squares) * time.scale(4.0).reciprocal(),
        Jet.variable(np.full(n, t)).scale(4 * np.pi * eps).log(),
    )
    gradient, laplacian = np.empty((n, d)), np.zeros(n)
    still = Jet.constant(np.full(n, np.log(4 * np.pi * eps * t)))
    for k in range(d):
        across = Jet.variable(points[:, k : k + 1] - sites[:, k])
        rest = Jet.constant(squares - across.value**2)
        step = potential((rest + across * across).scale(1 / (4 * t)), still)
        gradient[:, k], laplacian = step.first, laplacian + step.second
    return Derivatives(along_t.value + lowest[:, 0], along_t.first, gradient, laplacian)

"""The viscous Hamilton–Jacobi equation with atomic initial data: the Hopf–Cole solution, in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tropix.arrays import FloatArray
from tropix.errors import InvalidInput
from tropix.pde._atoms import Atoms, checked_points, costs_array, positive, sites_array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from tropix.boxes import BoxLike
    from tropix.kernels import AtomicSums
    from tropix.pde._hopf_lax import HopfLax
    from tropix.pde._symbolic import SymbolicSolution
    from tropix.polynomials import LogSumExp


@dataclass(frozen=True, eq=False, repr=False)
class HopfCole(Atoms):
    """The solution at time t of u_t + |∇u|² = ε Δu with e^{−u/ε} = Σ_j e^{−g_j/ε} δ_{y_j} at time 0.

    u(x, t) = −ε log Σ_j exp(−(g_j + |x−y_j|²/(4t))/ε) + (dε/2) log(4πεt): minus ε times the logarithm of a sum of heat
    kernels, of which the last term is the normalisation. Without it another equation is solved.

    ``sites`` y (N, d) finite, ``costs`` g (N,) real or +∞ (a site that is absent), ``eps`` > 0, ``t`` > 0.
    Methods take points (n, d), or one point (d,). Without present sites u is +∞ and its derivatives are 0.
    The sum and its moments are taken over differences x − y_j and shifted by the largest term: the error of the value
    is a few units of 2⁻⁵³ of (d+4)·max(|g_j|, |x−y_j|²/(4t)) over the terms that count, plus ε(log N + |log(4πεt)|).

    Raises `InvalidInput` for NaN, −∞, mismatched shapes, an ε or t that is not a normal number > 0, and where a term
    could exceed 1e300. Source: Hopf (1950), Cole (1951); Evans, *Partial Differential Equations*, §4.4.1.

    >>> u = HopfCole([[-1.0], [1.0]], [0.0, 0.0], eps=0.5, t=1.0)
    >>> u.value([[0.0], [2.0]]).round(6), u.gradient([0.0])
    (array([0.362896, 0.700394]), array([0.]))
    """

    sites: FloatArray
    costs: FloatArray
    eps: float
    t: float

    def __init__(self, sites: npt.ArrayLike, costs: npt.ArrayLike, eps: float, t: float) -> None:
        object.__setattr__(self, "costs", costs_array(costs))
        object.__setattr__(self, "sites", sites_array(sites, self.costs))
        object.__setattr__(self, "eps", positive(eps, "eps"))
        object.__setattr__(self, "t", positive(t, "t"))

    @classmethod
    def from_lse(cls, f: LogSumExp, t: float) -> HopfCole:
        """The solution that a log-sum-exp layer is, read at time t: y_j = 2t w_j, g_j = −b_j − t|w_j|².

        u(x, t) = |x|²/(4t) − f(x) + (dε/2) log(4πεt) holds at that t alone; every t > 0 gives a solution. Numbers are
        computed in float64, with an error of (d+2)·2⁻⁵³·(|b_j| + t|w_j|²) in a cost. Raises `InvalidInput` at ε = 0.
        """
        if f.eps == 0.0:
            raise InvalidInput("a layer at eps = 0 is an inviscid solution: use HopfLax.from_tropical")
        time = positive(t, "t")
        with np.errstate(over="ignore"):
            sites, costs = 2 * time * f.weights, -f.bias - time * (f.weights**2).sum(axis=1)
        if not (np.isfinite(sites).all() and np.isfinite(costs[np.isfinite(f.bias)]).all()):
            raise InvalidInput(f"sites 2t·w or costs exceed the range of float64 at t = {time}: take t smaller")
        return cls(sites, costs, f.eps, time)

    def to_lse(self) -> LogSumExp:
        """The layer with f(x) = |x|²/(4t) − u(x, t) + (dε/2) log(4πεt): w_j = y_j/(2t), b_j = −g_j − |y_j|²/(4t).

        The inverse of `from_lse` to rounding, (d+2)·2⁻⁵³·(|g_j| + |y_j|²/(4t)) in a bias.
        """
        from tropix.polynomials import LogSumExp

        with np.errstate(over="ignore"):
            weights = self.sites / (2 * self.t)
            bias = -self.costs - (self.sites * weights / 2).sum(axis=1)
        if not (np.isfinite(weights).all() and np.isfinite(bias[np.isfinite(self.costs)]).all()):
            raise InvalidInput(f"weights y/(2t) or biases exceed the range of float64 at t = {self.t}: take t larger")
        return LogSumExp(weights, bias, self.eps)

    def __repr__(self) -> str:
        return f"<HopfCole: {len(self)} sites in {self.dimension} dimensions, eps={self.eps:g}, t={self.t:g}>"

    @property
    def normalisation(self) -> float:
        """The term (dε/2) log(4πεt) of the heat kernel, a function of time."""
        return 0.5 * self.dimension * self.eps * (math.log(4 * math.pi) + math.log(self.eps) + math.log(self.t))

    def _sums(self, points: npt.ArrayLike, order: int) -> tuple[AtomicSums, bool]:
        from tropix.kernels import atomic_sums

        sites, costs, _ = self._present
        rows, single = checked_points(points, sites, costs, self.t)
        sums: AtomicSums = atomic_sums(rows, sites, costs, self.eps, 0.25 / self.t, order)
        return sums, single

    def value(self, points: npt.ArrayLike) -> FloatArray:
        """Values u(x, t), (n,), with the normalisation."""
        sums, single = self._sums(points, 0)
        values = sums.values + self.normalisation
        return values.reshape(()) if single else values

    def gradient(self, points: npt.ArrayLike) -> FloatArray:
        """∇u = Σ_j π_j (x−y_j)/(2t), (n, d), π the Gibbs weights: the mean slope of the sites."""
        sums, single = self._sums(points, 1)
        result = sums.displacement / (2 * self.t)
        return result[0] if single else result

    def laplacian(self, points: npt.ArrayLike) -> FloatArray:
        """Δu = d/(2t) − tr Cov_π(y)/(4t²ε), (n,). It is at most d/(2t) (semiconcavity)."""
        sums, single = self._sums(points, 2)
        result = self._laplacian(sums)
        return result.reshape(()) if single else result

    def dt(self, points: npt.ArrayLike) -> FloatArray:
        """∂u/∂t = dε/(2t) − Σ_j π_j |x−y_j|²/(4t²), (n,)."""
        sums, single = self._sums(points, 1)
        result = self._dt(sums)
        return result.reshape(()) if single else result

    def _laplacian(self, sums: AtomicSums) -> FloatArray:
        constant = 0.5 * self.dimension / self.t if len(self._present[1]) else 0.0
        return np.asarray(constant - sums.spread / (2 * self.t) / (2 * self.t) / self.eps)

    def _dt(self, sums: AtomicSums) -> FloatArray:
        constant = 0.5 * self.dimension * self.eps / self.t if len(self._present[1]) else 0.0
        return np.asarray(constant - sums.squares / (2 * self.t) / (2 * self.t))

    def residual(self, points: npt.ArrayLike) -> FloatArray:
        """u_t + |∇u|² − ε Δu from the closed forms, (n,): 0 up to rounding in the largest |x−y_j|²/(4t²) + dε/t.

        It relates three moments that are summed apart from each other, not the value; `residual_enclosure` starts from
        the value.
        """
        sums, single = self._sums(points, 2)
        slopes = sums.displacement / (2 * self.t)
        result: FloatArray = self._dt(sums) + (slopes**2).sum(axis=1) - self.eps * self._laplacian(sums)
        return result.reshape(()) if single else result

    def residual_enclosure(self, points: npt.ArrayLike, digits: int = 50) -> FloatArray:
        """Proved upper bounds of |u_t + |∇u|² − ε Δu| at points, (n,), from the definition of u alone.

        The value is expanded in power series with ball arithmetic of about ``digits`` digits (Arb), so the derivatives
        come from no formula of this class. A bound near 10^−digits times the size of the terms says that the definition
        solves the equation at that point. Raises `InvalidInput` without present sites.
        """
        from tropix.pde._enclosure import residual_bounds

        sites, costs, _ = self._present
        rows, single = checked_points(points, sites, costs, self.t)
        result = residual_bounds(rows, sites, costs, self.eps, self.t, digits)
        return result.reshape(()) if single else result

    def evolve(self, t: float) -> HopfCole:
        """The same initial data at another time t > 0: sites and costs stay, the weights become y_j/(2t)."""
        return HopfCole(self.sites, self.costs, self.eps, t)

    def evolve_by_quadrature(self, points: npt.ArrayLike, s: float) -> FloatArray:
        """u(x, t+s), (n,), from u(·, t) alone: e^{−u/ε} convolved with the heat kernel by Gauss–Hermite quadrature.

        A tensor grid of nodes around the feet of the characteristics, as many as their distance asks for; the sum is
        taken in logarithms. It agrees with ``evolve(t + s)`` to rounding of the values at the nodes, which is how the
        semigroup law is checked. Raises `Unsupported` for more than two million nodes a point (d ≥ 4, or feet far
        apart on the scale √(εs), as at a shock with small ε).
        """
        from tropix.pde._quadrature import convolve

        return convolve(self, points, positive(s, "s"))

    def limit(self) -> HopfLax:
        """The inviscid solution with the same sites, costs and time: −ε log N ≤ u_ε − normalisation − u_0 ≤ 0."""
        from tropix.pde._hopf_lax import HopfLax

        return HopfLax(self.sites, self.costs, self.t)

    def sympy(self) -> SymbolicSolution:
        """The solution as a sympy expression in x0, x1, … and t, with its residual; see `SymbolicSolution`."""
        from tropix.pde._symbolic import symbolic

        return symbolic(self)

    def plot(self, box: BoxLike, ax: Axes | None = None, *, pixels: int = 400) -> Axes:
        """Draw u (d = 1) or its level lines (d = 2) on a bounded box, with the shocks of its limit."""
        from tropix.pde._plot import plot_solution

        return plot_solution(self, box, ax, pixels)

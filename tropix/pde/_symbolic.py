"""The Hopf–Cole solution and its residual as sympy expressions with rational numbers."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from tropix.errors import InvalidInput

if TYPE_CHECKING:
    from tropix.pde._hopf_cole import HopfCole


@dataclass(frozen=True)
class SymbolicSolution:
    """u(x, t) in real symbols ``x`` = (x0, x1, …) and a positive symbol ``t``; floats are the rationals they are.

    ``solution`` is −ε log Σ_j exp(−(g_j + |x−y_j|²/(4t))/ε) + (dε/2) log(4πεt), ``residual`` is
    u_t + Σ_i u_{x_i}² − ε Σ_i u_{x_i x_i} as sympy differentiates it, not simplified.
    """

    x: tuple[Any, ...]
    t: Any
    solution: Any
    residual: Any

    def reduced(self) -> Any:
        """``sympy.simplify`` of the residual: 0, in a few seconds for N·d up to ten."""
        import sympy

        return sympy.simplify(self.residual)


def symbolic(solution: HopfCole) -> SymbolicSolution:
    """See `HopfCole.sympy`. Raises `InvalidInput` without present sites, where u is +∞."""
    import sympy

    sites, costs, _ = solution._present
    if not len(costs):
        raise InvalidInput("without present sites u is +inf: there is no expression")
    x = tuple(sympy.Symbol(f"x{i}", real=True) for i in range(solution.dimension))
    t = sympy.Symbol("t", positive=True)

    def number(value: float) -> Any:
        fraction = Fraction(value)
        return sympy.Rational(fraction.numerator, fraction.denominator)

    eps = number(solution.eps)
    terms = []
    for site, cost in zip(sites.tolist(), costs.tolist(), strict=True):
        squares = sum(((place - number(y)) ** 2 for place, y in zip(x, site, strict=True)), sympy.Integer(0))
        terms.append(sympy.exp(-(number(cost) + squares / (4 * t)) / eps))
    u = -eps * sympy.log(sum(terms)) + eps * len(x) * sympy.log(4 * sympy.pi * eps * t) / 2
    slopes = [sympy.diff(u, place) for place in x]
    curvature = sum(sympy.diff(slope, place) for slope, place in zip(slopes, x, strict=True))
    residual = sympy.diff(u, t) + sum(slope**2 for slope in slopes) - eps * curvature
    return SymbolicSolution(x, t, u, residual)

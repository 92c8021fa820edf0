"""Rational functions over S_ε: differences of two log-sum-exps of one temperature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tropix.arrays import FloatArray
from tropix.errors import InvalidInput
from tropix.polynomials._log_sum_exp import LogSumExp
from tropix.polynomials._rational import TropicalRational


@dataclass(frozen=True, eq=False)
class DeformedRational:
    """f_ε = p_ε ⊘ q_ε, that is p_ε(x) − q_ε(x): a smooth function, the deformation of p ⊘ q.

    −ε log M ≤ f_ε − f_0 ≤ ε log N for N and M pieces. ``+ * / **`` are ⊕_ε, ⊗, ⊘ and integer powers: these functions
    are a semifield, up to rounding. Raises `InvalidInput` if temperatures or dimensions differ, or a side is −∞.

    >>> f = TropicalRational.parse("max(0, x) - max(0, -x)").deform(0.5)  # x for every temperature
    >>> f([[1.25]])
    array([1.25])
    """

    numerator: LogSumExp
    denominator: LogSumExp

    def __post_init__(self) -> None:
        sides = (self.numerator, self.denominator)
        if not all(isinstance(side, LogSumExp) for side in sides):
            found = " and ".join(type(side).__name__ for side in sides)
            raise InvalidInput(f"expected two log-sum-exps, found {found}")
        if len({side.dimension for side in sides}) > 1 or len({side.eps for side in sides}) > 1:
            raise InvalidInput(
                f"numerator in {sides[0].dimension} variables at eps={sides[0].eps}, denominator in "
                f"{sides[1].dimension} at eps={sides[1].eps}: both must agree"
            )
        if not all(np.isfinite(side.bias).any() for side in sides):
            raise InvalidInput("a rational function needs a piece on each side: -inf has no reciprocal")

    @classmethod
    def of(cls, polynomial: LogSumExp) -> DeformedRational:
        """A polynomial over S_ε as a rational function."""
        return cls(polynomial, LogSumExp.constant(0.0, polynomial.dimension, polynomial.eps))

    @property
    def eps(self) -> float:
        """The temperature ε."""
        return self.numerator.eps

    @property
    def dimension(self) -> int:
        """Number of variables d."""
        return self.numerator.dimension

    def __str__(self) -> str:
        return f"{self.numerator} - {self.denominator}"

    def __call__(self, points: npt.ArrayLike) -> FloatArray:
        """Values at points (n, d) → (n,), or at one point."""
        return np.asarray(self.numerator(points) - self.denominator(points))

    def gradient(self, points: npt.ArrayLike) -> FloatArray:
        """∇f_ε = ∇p_ε − ∇q_ε, (n, d)."""
        return np.asarray(self.numerator.gradient(points) - self.denominator.gradient(points))

    def __add__(self, other: DeformedRational) -> DeformedRational:
        """F ⊕_ε g = (p₁q₂ ⊕ p₂q₁) ⊘ q₁q₂."""
        if not isinstance(other, DeformedRational):
            return NotImplemented
        crossed = self.numerator * other.denominator + other.numerator * self.denominator
        return DeformedRational(crossed, self.denominator * other.denominator)

    def __mul__(self, other: DeformedRational) -> DeformedRational:
        """F ⊗ g = f + g."""
        if not isinstance(other, DeformedRational):
            return NotImplemented
        return DeformedRational(self.numerator * other.numerator, self.denominator * other.denominator)

    def __truediv__(self, other: DeformedRational) -> DeformedRational:
        """F ⊘ g = f − g."""
        if not isinstance(other, DeformedRational):
            return NotImplemented
        return DeformedRational(self.numerator * other.denominator, self.denominator * other.numerator)

    def __pow__(self, power: int) -> DeformedRational:
        """f^{⊗ k} = k·f for an integer k; negative powers exchange the sides."""
        if isinstance(power, int | np.integer) and power < 0:
            return DeformedRational(self.denominator ** (-power), self.numerator ** (-power))
        return DeformedRational(self.numerator**power, self.denominator**power)

    def limit(self) -> TropicalRational:
        """The tropical limit p_0 ⊘ q_0."""
        return TropicalRational(self.numerator.limit(), self.denominator.limit())

"""Tropical rational functions: differences of tropical polynomials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

from tropix.arrays import FloatArray, IntArray
from tropix.boxes import Box, BoxLike
from tropix.errors import InvalidInput
from tropix.exact import Rationals
from tropix.polynomials import _print
from tropix.polynomials._tropical import TropicalPolynomial

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from tropix.polynomials._deformed_rational import DeformedRational
    from tropix.polynomials._division import Cancellation
    from tropix.polynomials._equivalence import Equivalence


@dataclass(frozen=True, eq=False, repr=False)
class TropicalRational:
    """f = p ⊘ q, that is f(x) = p(x) − q(x) with tropical polynomials p and q: a piecewise-linear function.

    Every continuous piecewise-linear function with finitely many pieces is one, in many ways: adding the same
    polynomial to both sides changes nothing. ``+``, ``*``, ``/`` and ``**`` are the tropical ⊕, ⊗, ⊘ and power; they
    are exact and do not prune. Raises `InvalidInput` if the dimensions differ or a side has no monomials (−∞).
    Source: Zhang, Naitzat, Lim, *Tropical geometry of deep neural networks* (2018).

    >>> x = TropicalPolynomial([[1]], [0])
    >>> zero = TropicalPolynomial.constant(0, 1)
    >>> f = TropicalRational(x, zero) + TropicalRational(zero, x)  # max(x, -x)
    >>> f([[-2], [3]])
    array([2., 3.])
    """

    numerator: TropicalPolynomial
    denominator: TropicalPolynomial

    def __post_init__(self) -> None:
        if self.numerator.dimension != self.denominator.dimension:
            raise InvalidInput(
                f"numerator in {self.numerator.dimension} variables, denominator in {self.denominator.dimension}"
            )
        if not len(self.numerator) or not len(self.denominator):
            raise InvalidInput("a tropical rational function needs a monomial on each side: -inf has no reciprocal")

    @classmethod
    def of(cls, polynomial: TropicalPolynomial) -> TropicalRational:
        """A polynomial as a rational function."""
        return cls(polynomial, TropicalPolynomial.constant(0, polynomial.dimension))

    @property
    def dimension(self) -> int:
        """Number of variables d."""
        return self.numerator.dimension

    @property
    def size(self) -> tuple[int, int]:
        """Numbers of monomials of numerator and denominator."""
        return len(self.numerator), len(self.denominator)

    @classmethod
    def parse(cls, text: str, variables: Sequence[str] | None = None, *, floats: bool = False) -> TropicalRational:
        """Read text such as ``max(x, 0) - 2*max(y, min(x, 1))``, exactly; rules as for `TropicalPolynomial.parse`.

        Raises `FormatError` with the column of the fault; `Unsupported` where multiplying out takes too many monomials.

        >>> print(TropicalRational.parse("max(x, 0) - max(1, -x)/2"))
        max(x0, 0) - max(0.5, -0.5*x0)
        """
        from tropix.polynomials._parse import parse_rational

        return parse_rational(text, variables, floats)

    def to_text(self, names: Sequence[str] | None = None, *, floats: bool = False) -> str:
        """Text such as ``max(0, x0) - max(x1, 1)`` that `parse` reads back: the same monomials on both sides."""
        return _print.rational_text(self, names, floats)

    def to_latex(self, names: Sequence[str] | None = None) -> str:
        """LaTeX of numerator − denominator, without dollar signs."""
        return _print.rational_latex(self, names)

    def to_sympy(self, symbols: Sequence[Any] | None = None) -> Any:
        """``Max(…) - Max(…)``; see `TropicalPolynomial.to_sympy`."""
        from tropix.polynomials._sympy import rational_to_sympy

        return rational_to_sympy(self, symbols)

    @classmethod
    def from_sympy(cls, expression: Any, symbols: Sequence[Any] | None = None) -> TropicalRational:
        """Read an expression of sums, rational multiples, Max, Min and Abs; see `TropicalPolynomial.from_sympy`."""
        from tropix.polynomials._sympy import rational_from_sympy

        return rational_from_sympy(expression, symbols)

    def __repr__(self) -> str:
        return _print.rational_repr(self)

    def __str__(self) -> str:
        return self.to_text()

    def _repr_latex_(self) -> str | None:
        return _print.notebook(self)

    @overload
    def __call__(self, points: npt.ArrayLike) -> FloatArray: ...
    @overload
    def __call__(self, points: Rationals) -> Rationals: ...
    def __call__(self, points: npt.ArrayLike | Rationals) -> FloatArray | Rationals:
        """Values at points (n, d) → (n,), or at one point; for `Rationals` exact."""
        if isinstance(points, Rationals):
            return self.numerator(points) - self.denominator(points)
        return np.asarray(self.numerator(points) - self.denominator(points))

    def __add__(self, other: TropicalRational) -> TropicalRational:
        """F ⊕ g = max(f, g) = (p₁q₂ ⊕ p₂q₁) ⊘ q₁q₂."""
        if not isinstance(other, TropicalRational):
            return NotImplemented
        if self.denominator == other.denominator:
            return TropicalRational(self.numerator + other.numerator, self.denominator)
        crossed = self.numerator * other.denominator + other.numerator * self.denominator
        return TropicalRational(crossed, self.denominator * other.denominator)

    def __mul__(self, other: TropicalRational) -> TropicalRational:
        """F ⊗ g = f + g."""
        if not isinstance(other, TropicalRational):
            return NotImplemented
        return TropicalRational(self.numerator * other.numerator, self.denominator * other.denominator)

    def __truediv__(self, other: TropicalRational) -> TropicalRational:
        """F ⊘ g = f − g."""
        if not isinstance(other, TropicalRational):
            return NotImplemented
        return TropicalRational(self.numerator * other.denominator, self.denominator * other.numerator)

    def __pow__(self, power: float | Fraction) -> TropicalRational:
        """f^{⊗ c} = c·f for any real c; negative powers exchange the sides."""
        if power < 0:
            return TropicalRational(self.denominator ** (-power), self.numerator ** (-power))
        return TropicalRational(self.numerator**power, self.denominator**power)

    def substitute(self, matrix: npt.ArrayLike, offset: npt.ArrayLike) -> TropicalRational:
        """The composition y ↦ f(M y + c), exactly; matrix M (d, m), offset c (d,)."""
        return TropicalRational(self.numerator.substitute(matrix, offset), self.denominator.substitute(matrix, offset))

    def cancel(self, box: BoxLike | None = None) -> Cancellation:
        """The same function on ℝ^d, or on a box: sides pruned, common factors divided out; see `Cancellation`."""
        from tropix.polynomials._division import cancel

        return cancel(self, box)

    def simplify(self, box: BoxLike | None = None) -> TropicalRational:
        """The function that `cancel` leaves, with a monomial in the denominator divided out as well.

        >>> x, zero = TropicalPolynomial([[1]], [0]), TropicalPolynomial.constant(0, 1)
        >>> relu, absolute = x + zero, x + TropicalPolynomial([[-1]], [0])
        >>> TropicalRational(relu * absolute, absolute).simplify().size
        (2, 1)
        """
        return self.cancel(box).function

    def compose(self, inner: Sequence[TropicalRational], box: BoxLike | None = None) -> TropicalRational:
        """The function x ↦ f(g_1(x), …, g_d(x)), both sides pruned on ℝ^n or on a box of x, exactly."""
        from tropix.polynomials._map import compose

        return compose(self, inner, box)

    def active(self, points: npt.ArrayLike) -> IntArray:
        """Points (n, d) → (n, 2), or one point → (2,): the largest monomials of numerator and denominator there."""
        return np.stack([self.numerator.active(points), self.denominator.active(points)], axis=-1)

    def lipschitz(self, p: float = 2.0) -> float:
        """An upper bound of the Lipschitz constant on ℝ^d in ‖·‖_p.

        max_{j,k} ‖e_j − e'_k‖_q over the monomials of numerator and denominator, 1/p + 1/q = 1; with more than 10⁷
        pairs, which is never less, max_j ‖e_j − m‖_q + max_k ‖e'_k − m‖_q for a vector m between them. A bound only:
        not every pair is active together. Rounded to nearest, like `TropicalPolynomial.lipschitz`.
        """
        from tropix.polynomials._steepness import largest_difference

        return largest_difference(self.numerator.exponents, self.denominator.exponents, p)

    def plot(self, box: BoxLike, ax: Axes | None = None, *, pixels: int = 800) -> Axes:
        """Draw the graph (d = 1) or the regions with level lines (d = 2) on a bounded box.

        A region is where one pair of monomials, of numerator and denominator, is active; as `TropicalPolynomial.plot`.
        """
        from tropix.polynomials._plot import plot

        return plot(self, Box.of(box, self.dimension), ax, pixels)

    def deform(self, eps: float) -> DeformedRational:
        """The deformation p_ε ⊘ q_ε with float64 weights; −ε log M ≤ f_ε − f ≤ ε log N for N over M monomials."""
        from tropix.polynomials._deformed_rational import DeformedRational

        return DeformedRational(self.numerator.deform(eps), self.denominator.deform(eps))

    def equivalent(self, other: TropicalRational, box: BoxLike | None = None) -> Equivalence:
        """Whether both are the same function on ℝ^d or on a box; see `tropix.equivalent`."""
        from tropix.polynomials._equivalence import equivalent

        return equivalent(self, other, box)

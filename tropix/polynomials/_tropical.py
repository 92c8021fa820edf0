"""Tropical (max-plus) polynomials with real exponents: convex piecewise-linear functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, overload

import numpy as np
import numpy.typing as npt

from tropix.arrays import FloatArray, IntArray, check_logits, frozen, points_array, real_array, temperature
from tropix.boxes import Box, BoxLike
from tropix.errors import InvalidInput
from tropix.exact import Rationals
from tropix.polynomials import _print

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from tropix.polynomials._cells import Progress
    from tropix.polynomials._curves import TropicalCurve
    from tropix.polynomials._log_sum_exp import LogSumExp
    from tropix.polynomials._newton import NewtonPolytope
    from tropix.polynomials._pruning import Pruning
    from tropix.polynomials._roots import Factorisation, TropicalRoot
    from tropix.polynomials._subdivision import DualSubdivision


@dataclass(frozen=True, eq=False, repr=False)
class TropicalPolynomial:
    """f(x) = ⊕_j c_j ⊗ x^{⊗ e_j} = max_j (e_j·x + c_j) with real exponents e_j and coefficients c_j.

    ``exponents`` (N, d) and ``coefficients`` (N,) may hold floats, integers or `fractions.Fraction`. Every float is
    taken as the rational number it is; :attr:`exact` holds the numbers, the two arrays are their nearest float64.
    A coefficient −∞ is the semiring's zero: such monomials are not stored. Without monomials f ≡ −∞.
    ``+``, ``*`` and ``**`` are the tropical operations ⊕, ⊗ and power, and are exact.

    Raises `InvalidInput` for NaN, +∞, infinite exponents or shapes that do not match.
    Source: Maclagan and Sturmfels, *Introduction to Tropical Geometry* (2015), §1.1, with real exponents.

    >>> f = TropicalPolynomial([[0], [1], [2]], [0, 0, -1])
    >>> f([[-1], [0.5], [3]])
    array([0. , 0.5, 5. ])
    >>> (f ** 2).coefficients
    array([ 0.,  0., -2.])
    """

    exponents: FloatArray
    coefficients: FloatArray
    _exact: Rationals | None = field(init=False, default=None)

    def __init__(self, exponents: npt.ArrayLike, coefficients: npt.ArrayLike) -> None:
        exact = None
        try:
            kinds = {np.asarray(values).dtype.kind for values in (exponents, coefficients)}
        except ValueError as error:
            raise InvalidInput(f"exponents and coefficients must be arrays of real numbers: {error}") from None
        if kinds & set("Oiu"):
            exact = _exact_rows(exponents, coefficients)
            images = exact.floats()
            exponents, coefficients = images[:, :-1], images[:, -1]
        weights = real_array(exponents, "exponents", 2)
        constants = real_array(coefficients, "coefficients", 1, minus_infinity=True)
        if len(weights) != len(constants):
            raise InvalidInput(f"{len(weights)} exponent vectors but {len(constants)} coefficients")
        finite = np.isfinite(constants)
        if not finite.all():
            weights, constants = weights[finite], constants[finite]
        self._set(weights, constants, exact)

    def _set(self, exponents: FloatArray, coefficients: FloatArray, exact: Rationals | None) -> None:
        for name, array in (("exponents", exponents), ("coefficients", coefficients)):
            contiguous = np.ascontiguousarray(array)
            frozen(contiguous)
            object.__setattr__(self, name, contiguous)
        object.__setattr__(self, "_exact", exact)

    @classmethod
    def from_rationals(cls, rows: Rationals) -> Self:
        """The polynomial whose row j of ``rows`` (N, d+1) is (e_j, c_j)."""
        images = rows.floats()
        polynomial = cls.__new__(cls)
        polynomial._set(images[:, :-1], images[:, -1], rows)
        return polynomial

    @classmethod
    def parse(cls, text: str, variables: Sequence[str] | None = None, *, floats: bool = False) -> TropicalPolynomial:
        """Read text such as ``max(0, 2*x + y + 1, 3*x - 1/2)``, exactly: ``parse(str(f)) == f``.

        Numbers, ``+ - * /``, parentheses, nested ``max`` and ``min``, ``-inf``; ``⊕ ⊗ ⊘`` are max, + and −. Decimals
        are the rational numbers that they spell; with ``floats`` they stand for their float64. Variables are those
        given, else those found, x2 before x10. Nothing is pruned. Raises `FormatError` with the column of the fault,
        also for minima and negated maxima; `Unsupported` for more than two million coefficients.

        >>> TropicalPolynomial.parse("max(0, 2*x + y + 1, 3*x - 1/2)")
        TropicalPolynomial([[0, 0], [2, 1], [3, 0]], [0, 1, -0.5])
        """
        from tropix.polynomials._parse import parse_polynomial

        return parse_polynomial(text, variables, floats)

    def to_text(self, names: Sequence[str] | None = None, *, floats: bool = False) -> str:
        """Text such as ``max(0, 2*x0 + x1 + 0.5)`` that `parse` reads back exactly.

        Every variable is named at least once. With ``floats`` (as in `parse`) the shortest decimal of a float64 stands
        for it, and variables that do not occur are left out.
        """
        return _print.polynomial_text(self, names, floats)

    def to_latex(self, names: Sequence[str] | None = None) -> str:
        r"""LaTeX such as ``\max\left\{0,\ 2 x_{0} + 0.5\right\}``, without dollar signs."""
        return _print.polynomial_latex(self, names)

    def to_sympy(self, symbols: Sequence[Any] | None = None) -> Any:
        """``Max(…)`` of the monomials with rational numbers, in real symbols x0, x1, …, or in names or symbols given.

        The zero polynomial is ``-oo``; a single monomial is returned as it is.
        """
        from tropix.polynomials._sympy import polynomial_to_sympy

        return polynomial_to_sympy(self, symbols)

    @classmethod
    def from_sympy(cls, expression: Any, symbols: Sequence[Any] | None = None) -> TropicalPolynomial:
        """Read an expression of sums, rational multiples, Max, Min and Abs, exactly; a Float is the number it stores.

        Variables are the symbols given, else those found, x2 before x10. Raises `Unsupported` for other operations,
        `InvalidInput` for what is no maximum of affine forms, and for text: nothing is sympified.
        """
        from tropix.polynomials._sympy import polynomial_from_sympy

        return polynomial_from_sympy(expression, symbols)

    @classmethod
    def zero(cls, dimension: int) -> Self:
        """The semiring's zero: f ≡ −∞, without monomials."""
        return cls(np.zeros((0, dimension)), np.zeros(0))

    @classmethod
    def constant(cls, value: float | Fraction, dimension: int) -> Self:
        """The constant polynomial; 0 is the semiring's one."""
        coefficients = np.array([value], dtype=object if isinstance(value, Fraction) else np.float64)
        return cls(np.zeros((1, dimension)), coefficients)

    @cached_property
    def exact(self) -> Rationals:
        """The rows (e_j, c_j), shape (N, d+1), as rational numbers."""
        if self._exact is not None:
            return self._exact
        return Rationals.of(np.column_stack([self.exponents, self.coefficients]))

    @property
    def dimension(self) -> int:
        """Number of variables d."""
        return int(self.exponents.shape[1])

    def __len__(self) -> int:
        return len(self.coefficients)

    def __repr__(self) -> str:
        return _print.polynomial_repr(self)

    def __str__(self) -> str:
        return self.to_text()

    def _repr_latex_(self) -> str | None:
        return _print.notebook(self)

    def __eq__(self, other: object) -> bool:
        """Whether both have the same monomials in the same order; for equality as functions see `equals`."""
        if not isinstance(other, TropicalPolynomial):
            return NotImplemented
        return self.exact.equals(other.exact)

    def __hash__(self) -> int:
        return hash((self.exponents.tobytes(), self.coefficients.tobytes()))

    @overload
    def __call__(self, points: npt.ArrayLike) -> FloatArray: ...
    @overload
    def __call__(self, points: Rationals) -> Rationals: ...
    def __call__(self, points: npt.ArrayLike | Rationals) -> FloatArray | Rationals:
        """Values at points (n, d) → (n,), or at one point (d,) → a 0-d array; for `Rationals` the values are exact.

        In floating point the error is at most (d+2)·2⁻⁵³·max_j(|e_j|·|x| + |c_j|); where that sum might exceed 1e300
        `InvalidInput` is raised.
        """
        if isinstance(points, Rationals):
            return self._exact_values(points)
        from tropix.kernels import max_affine

        rows, single = points_array(points, self.dimension)
        check_logits(rows, self.exponents, self.coefficients)
        values, _ = max_affine(rows, self.exponents, self.coefficients)
        return values.reshape(()) if single else values

    def _exact_values(self, points: Rationals) -> Rationals:
        if len(points.shape) != 2 or points.shape[1] != self.dimension:
            raise InvalidInput(f"points have shape {points.shape}: expected (n, {self.dimension})")
        if len(self) == 0:
            raise InvalidInput("the zero polynomial is -inf everywhere, which is no rational number")
        logits = points @ self.exact[:, :-1].transpose + self.exact[:, -1]
        return Rationals(logits.numerators.max(axis=1), logits.denominator)

    def active(self, points: npt.ArrayLike) -> IntArray:
        """Index of the monomial that attains the maximum, (n,); ties (in float64) go to the lowest, −1 if none."""
        from tropix.kernels import max_affine

        rows, single = points_array(points, self.dimension)
        check_logits(rows, self.exponents, self.coefficients)
        _, pieces = max_affine(rows, self.exponents, self.coefficients)
        return pieces.reshape(()) if single else pieces

    def take(self, indices: npt.ArrayLike) -> TropicalPolynomial:
        """The polynomial of the monomials with the given indices, in that order."""
        index = np.asarray(indices, dtype=np.int64)
        polynomial = TropicalPolynomial.__new__(TropicalPolynomial)
        exact = None if self._exact is None else self._exact[index]
        polynomial._set(self.exponents[index], self.coefficients[index], exact)
        return polynomial

    def _check_same_dimension(self, other: TropicalPolynomial) -> None:
        if self.dimension != other.dimension:
            raise InvalidInput(f"polynomials in {self.dimension} and {other.dimension} variables do not combine")

    def __add__(self, other: TropicalPolynomial) -> TropicalPolynomial:
        """Tropical sum f ⊕ g = max(f, g); monomials are joined, not pruned."""
        if not isinstance(other, TropicalPolynomial):
            return NotImplemented
        self._check_same_dimension(other)
        return TropicalPolynomial.from_rationals(Rationals.concatenate([self.exact, other.exact]))

    def __mul__(self, other: TropicalPolynomial) -> TropicalPolynomial:
        """Tropical product f ⊗ g = f + g; N·M monomials, not pruned."""
        if not isinstance(other, TropicalPolynomial):
            return NotImplemented
        self._check_same_dimension(other)
        total = self.exact[:, None, :] + other.exact[None, :, :]
        return TropicalPolynomial.from_rationals(
            Rationals(total.numerators.reshape(-1, self.dimension + 1), total.denominator)
        )

    def __pow__(self, power: float | Fraction) -> TropicalPolynomial:
        """Tropical power f^{⊗ c} = c·f for a real c ≥ 0: every monomial is scaled.

        That is the whole product as a function, since max_j c·z_j = c·max_j z_j; products of different monomials
        never exceed it. f^{⊗ 0} is the semiring's one. Raises `InvalidInput` for c < 0: use a rational function.
        """
        return self.scale(power) if power else TropicalPolynomial.constant(0.0, self.dimension)

    def scale(self, factor: float | Fraction) -> TropicalPolynomial:
        """c·f for c > 0, exactly."""
        number = Rationals.of(np.array([factor]))
        if number.numerators[0] <= 0:
            raise InvalidInput(f"power {factor} of a tropical polynomial: expected a number >= 0")
        return TropicalPolynomial.from_rationals(self.exact * number)

    def substitute(self, matrix: npt.ArrayLike, offset: npt.ArrayLike) -> TropicalPolynomial:
        """The composition y ↦ f(M y + c), exactly; matrix M (d, m), offset c (d,).

        Exponents become E M and coefficients E c + coefficients.
        """
        shape = (np.shape(matrix), np.shape(offset))
        if len(shape[0]) != 2 or shape[0][0] != self.dimension or shape[1] != (self.dimension,):
            raise InvalidInput(
                f"matrix {shape[0]} and offset {shape[1]}: expected ({self.dimension}, m) and ({self.dimension},)"
            )
        weights = self.exact[:, :-1]
        exponents = weights @ Rationals.of(matrix)
        constants = weights @ Rationals.of(offset)[:, None] + self.exact[:, -1:]
        return TropicalPolynomial.from_rationals(Rationals.concatenate([exponents, constants], axis=1))

    def pruning(self, box: BoxLike | None = None, *, progress: Progress | None = None) -> Pruning:
        """The irredundant monomials on ℝ^d or on a box, with evidence that :meth:`Pruning.verify` rechecks."""
        from tropix.polynomials._pruning import prune

        return prune(self, None if box is None else Box.of(box, self.dimension), progress)

    def prune(self, box: BoxLike | None = None, *, progress: Progress | None = None) -> TropicalPolynomial:
        """The irredundant monomials on ℝ^d, or on a box, in their order: the unique smallest form there.

        Exact: a monomial goes only if a convex combination of others dominates it, and stays only with a point
        where it is strictly the largest; both are decided in rational arithmetic. Of duplicates the first stays;
        a monomial that is never alone at the maximum goes. ``progress(done, total)`` is called now and then.

        >>> TropicalPolynomial([[0], [1], [2]], [0, -1, 0]).prune().exponents.ravel()
        array([0., 2.])
        """
        return self.pruning(box, progress=progress).polynomial

    def multiply(
        self, other: TropicalPolynomial, box: BoxLike | None = None, *, progress: Progress | None = None
    ) -> TropicalPolynomial:
        """The irredundant monomials of f ⊗ g on ℝ^d or on a box: ``(f * g).prune(box)`` without forming all pairs."""
        from tropix.polynomials._product import prune_product

        return prune_product(self, other, None if box is None else Box.of(box, self.dimension), progress).polynomial

    def equals(self, other: TropicalPolynomial, box: BoxLike | None = None) -> bool:
        """Whether both are the same function on ℝ^d or on a box, decided exactly."""
        self._check_same_dimension(other)
        from tropix.polynomials._reduction import on_box

        domain = None if box is None else Box.of(box, self.dimension)
        ours, theirs = self.prune(domain).exact, other.prune(domain).exact
        ours, theirs = on_box(ours, domain), on_box(theirs, domain)
        if ours.shape != theirs.shape:
            return False
        both = Rationals.concatenate([ours, theirs]).keys()
        return sorted(both[: len(ours)]) == sorted(both[len(ours) :])

    def deform(self, eps: float) -> LogSumExp:
        """The deformation f_ε(x) = ε log Σ_j exp((e_j·x + c_j)/ε); 0 ≤ f_ε − f ≤ ε log N.

        `LogSumExp` computes in float64, so its weights are the nearest floats to the rational numbers here.
        """
        from tropix.polynomials._log_sum_exp import LogSumExp

        return LogSumExp(self.exponents, self.coefficients, temperature(eps))

    def degree(self, variable: int | None = None) -> Fraction:
        """The degree max_j Σ_i e_ji, or max_j e_ji in one variable i: the slope of f far along (1, …, 1), or along e_i.

        Raises `InvalidInput` for the zero polynomial.
        """
        from tropix.polynomials._classical import degree

        return degree(self, variable)

    def lipschitz(self, p: float = 2.0) -> float:
        """Lipschitz constant on ℝ^d in ‖·‖_p of the irredundant form; an upper bound if redundant ones are stored.

        max_j ‖e_j‖_q with 1/p + 1/q = 1, p ≥ 1.
        """
        return float(np.max(dual_norms(self.exponents, p), initial=0.0))

    def newton_polytope(self) -> NewtonPolytope:
        """The convex hull of the exponents, exactly; see `NewtonPolytope`."""
        from tropix.polynomials._newton import NewtonPolytope

        return NewtonPolytope.of(self.exact[:, :-1])

    def dual_subdivision(self) -> DualSubdivision:
        """The regular subdivision of the Newton polytope by the coefficients, exactly; see `DualSubdivision`."""
        from tropix.polynomials._subdivision import DualSubdivision

        return DualSubdivision.of(self)

    def curve(self) -> TropicalCurve:
        """The tropical curve in the plane (d = 2): where f bends, exactly; see `TropicalCurve`."""
        return self.dual_subdivision().curve()

    def roots(self) -> tuple[TropicalRoot, ...]:
        """Where f bends (d = 1), ascending, with multiplicities; −∞ first where the lowest exponent is positive.

        Raises `Unsupported` for d ≠ 1, `InvalidInput` for the zero polynomial, of which every point is a root.

        >>> [(str(r.point), int(r.multiplicity)) for r in TropicalPolynomial([[1], [2], [4]], [0, 0, -3]).roots()]
        [('-inf', 1), ('0', 1), ('3/2', 2)]
        """
        from tropix.polynomials._roots import roots

        return roots(self)

    def factor(self) -> Factorisation:
        """The factors c ⊗ x^k ⊗ ⊗_i (x ⊕ r_i)^{m_i} (d = 1), real exponents allowed; see `Factorisation`.

        Unique as functions: the tropical numbers are algebraically closed. Raises `Unsupported` for d ≠ 1.
        """
        from tropix.polynomials._roots import factor

        return factor(self)

    def plot(self, box: BoxLike, ax: Axes | None = None, *, pixels: int = 800) -> Axes:
        """Draw the graph (d = 1) or the linear regions with level lines (d = 2) on a bounded box.

        Regions are sampled on a grid of ``pixels`` points an axis: a picture, not a proof. Draws on ``ax``, or on a
        new figure (``plot(…).figure.savefig(…)``). Raises `Unsupported` for d > 2, `InvalidInput` for other boxes.
        """
        from tropix.polynomials._plot import plot

        return plot(self, Box.of(box, self.dimension), ax, pixels)


def dual_norms(vectors: FloatArray, p: float) -> FloatArray:
    """‖v‖_q of each row, q the dual exponent of p ∈ [1, ∞]."""
    if not p >= 1:
        raise InvalidInput(f"norm exponent {p}: expected 1 <= p <= inf")
    q = np.inf if p == 1 else 1.0 if p == np.inf else p / (p - 1)
    largest = np.abs(vectors).max(axis=1, initial=0.0)
    # scaled by the largest entry, so that no power overflows or vanishes
    scaled = vectors / np.where(largest == 0.0, 1.0, largest)[:, None]
    return np.asarray(np.linalg.norm(scaled, ord=q, axis=1) * largest) if vectors.size else largest


def _exact_rows(exponents: npt.ArrayLike, coefficients: npt.ArrayLike) -> Rationals:
    weights, constants = np.asarray(exponents), np.asarray(coefficients)
    if weights.ndim != 2 or constants.shape != (len(weights),):
        raise InvalidInput(f"exponents {weights.shape} and coefficients {constants.shape}: expected (N, d) and (N,)")
    stored = np.array([not (isinstance(c, float) and c == -np.inf) for c in constants.tolist()], dtype=np.bool_)
    return Rationals.concatenate([Rationals.of(weights[stored]), Rationals.of(constants[stored])[:, None]], axis=1)

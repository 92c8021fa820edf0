"""Log-sum-exp functions: polynomials over S_ε, the smooth deformations of tropical polynomials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tropix.arrays import FloatArray, check_logits, points_array, real_array, temperature
from tropix.errors import InvalidInput
from tropix.polynomials import _deformed_algebra, _print
from tropix.polynomials._tropical import TropicalPolynomial, dual_norms

if TYPE_CHECKING:
    from tropix.polynomials._landscape import EntropyLandscape
    from tropix.polynomials._newton import NewtonPolytope


@dataclass(frozen=True, eq=False, repr=False)
class LogSumExp:
    """f_ε(x) = ε log Σ_j exp((w_j·x + b_j)/ε), a polynomial over S_ε; at ε = 0 max_j (w_j·x + b_j).

    ``weights`` (N, d) finite, ``bias`` (N,) real or −∞ (a piece that is absent), ``eps`` ≥ 0.
    Methods take points (n, d), or one point (d,), and are stable for logits of ±1e4 and ε from 1e-8 to 1e8.
    With no finite bias the value is −∞ and Gibbs weights, gradient, Hessian and entropy are 0.

    Raises `InvalidInput` for NaN, +∞, mismatched shapes, or a temperature that is negative or subnormal.
    Source: Calafiore, Gaubert and Possieri, *Log-sum-exp neural networks and posynomial models* (2020).

    >>> softplus = LogSumExp([[0.0], [1.0]], [0.0, 0.0], eps=1.0)
    >>> softplus([[0.0]]).round(6), softplus.limit()([[-2.0], [3.0]])
    (array([0.693147]), array([0., 3.]))
    """

    weights: FloatArray
    bias: FloatArray
    eps: float

    def __init__(self, weights: npt.ArrayLike, bias: npt.ArrayLike, eps: float) -> None:
        object.__setattr__(self, "weights", real_array(weights, "weights", 2))
        object.__setattr__(self, "bias", real_array(bias, "bias", 1, minus_infinity=True))
        object.__setattr__(self, "eps", temperature(eps))
        if len(self.weights) != len(self.bias):
            raise InvalidInput(f"{len(self.weights)} weight vectors but {len(self.bias)} biases")

    @property
    def dimension(self) -> int:
        """Number of variables d."""
        return int(self.weights.shape[1])

    def __len__(self) -> int:
        return len(self.bias)

    def __repr__(self) -> str:
        return _print.log_sum_exp_repr(self)

    def __str__(self) -> str:
        return self.to_text()

    def to_text(self, names: Sequence[str] | None = None) -> str:
        """Text such as ``lse[0.5](0, x0)`` for people; a decimal stands for its float64."""
        return _print.log_sum_exp_text(self, names)

    def to_latex(self, names: Sequence[str] | None = None) -> str:
        """LaTeX of ε log Σ_j exp((w_j·x + b_j)/ε), without dollar signs."""
        return _print.log_sum_exp_latex(self, names)

    def _repr_latex_(self) -> str | None:
        return _print.notebook(self)

    @classmethod
    def zero(cls, dimension: int, eps: float) -> LogSumExp:
        """The zero of the polynomials over S_ε: −∞, without pieces."""
        return cls(np.zeros((0, dimension)), np.zeros(0), eps)

    @classmethod
    def constant(cls, value: float, dimension: int, eps: float) -> LogSumExp:
        """The constant polynomial; 0 is the one of S_ε, and ``constant(c, d, eps) * f`` is f + c."""
        return cls(np.zeros((1, dimension)), np.array([value], dtype=np.float64), eps)

    def __add__(self, other: LogSumExp) -> LogSumExp:
        """F ⊕_ε g = ε log(e^{f/ε} + e^{g/ε}): the pieces of both.

        Raises `InvalidInput` for different temperatures or dimensions, here and in ``*``.
        """
        return _deformed_algebra.add(self, other) if isinstance(other, LogSumExp) else NotImplemented

    def __mul__(self, other: LogSumExp) -> LogSumExp:
        """F ⊗ g = f + g: N·M pieces, weights and biases added (and rounded to float64)."""
        return _deformed_algebra.multiply(self, other) if isinstance(other, LogSumExp) else NotImplemented

    def __pow__(self, power: int) -> LogSumExp:
        """f^{⊗ k} = k·f for an integer k ≥ 0, expanded by the multinomial theorem.

        One piece for each multiset of k pieces, C(N+k−1, k) of them: Σ_j k_j w_j, Σ_j k_j b_j + ε log(k!/∏ k_j!).
        Sums are rounded once. The limit of the result keeps these logarithms: limit(f)^k ≤ limit(f^k) ≤ limit(f)^k +
        ε log k!. Raises `InvalidInput` for other powers (see :meth:`scale`), `Unsupported` for sizes
        beyond two million pieces.

        >>> (LogSumExp([[0], [1]], [0, 0], eps=1.0) ** 2).bias.round(6)
        array([0.      , 0.693147, 0.      ])
        """
        return _deformed_algebra.power(self, power)

    def scale(self, factor: float | Fraction) -> LogSumExp:
        """c·f_ε for a real c > 0: the pieces times c at the temperature c·ε, so a polynomial over S_{cε}."""
        return _deformed_algebra.scale(self, factor)

    def substitute(self, matrix: npt.ArrayLike, offset: npt.ArrayLike) -> LogSumExp:
        """The composition y ↦ f(M y + c); matrix M (d, m), offset c (d,). Computed exactly, then rounded once."""
        return _deformed_algebra.substitute(self, matrix, offset)

    def merge(self) -> LogSumExp:
        """The same function with pieces of equal weights joined, b = b_1 ⊕_ε b_2 ⊕_ε …, and absent pieces left out."""
        return _deformed_algebra.merge(self)

    def _points(self, points: npt.ArrayLike) -> tuple[FloatArray, bool]:
        rows, single = points_array(points, self.dimension)
        check_logits(rows, self.weights, self.bias)
        return rows, single

    def __call__(self, points: npt.ArrayLike) -> FloatArray:
        """Values f_ε(x), (n,)."""
        rows, single = self._points(points)
        if self.eps == 0.0:
            from tropix.kernels import max_affine

            values, _ = max_affine(rows, self.weights, self.bias)
        else:
            from tropix.kernels import log_sum_exp

            values, _ = log_sum_exp(rows, self.weights, self.bias, self.eps)
        return values.reshape(()) if single else values

    def gibbs(self, points: npt.ArrayLike) -> FloatArray:
        """Gibbs weights π = softmax((Wx + b)/ε), (n, N); at ε = 0 their limit: uniform on the active pieces."""
        from tropix.kernels import gibbs

        rows, single = self._points(points)
        weights = gibbs(rows, self.weights, self.bias, self.eps)
        return weights[0] if single else weights

    def gradient(self, points: npt.ArrayLike) -> FloatArray:
        """∇f_ε = Wᵀπ, (n, d). At ε = 0 the subgradient that is the limit ε → 0 at fixed x."""
        rows, single = self._points(points)
        if self.eps == 0.0:
            from tropix.kernels import gibbs

            result = gibbs(rows, self.weights, self.bias, self.eps) @ self.weights
        else:
            from tropix.kernels import log_sum_exp

            _, gradient = log_sum_exp(rows, self.weights, self.bias, self.eps, gradient=True)
            assert gradient is not None
            result = gradient
        return result[0] if single else result

    def hessian(self, points: npt.ArrayLike) -> FloatArray:
        """∇²f_ε = Cov_π(W)/ε, (n, d, d), symmetric positive semidefinite. Raises `InvalidInput` at ε = 0."""
        if self.eps == 0.0:
            raise InvalidInput("a tropical polynomial has no Hessian: it is piecewise linear (eps = 0)")
        from tropix.kernels import gibbs

        rows, single = self._points(points)
        result = np.empty((len(rows), self.dimension, self.dimension))
        for i in range(len(rows)):
            weights = gibbs(rows[i : i + 1], self.weights, self.bias, self.eps)[0]
            centred = self.weights - weights @ self.weights
            scaled = np.sqrt(weights / self.eps)[:, None] * centred
            result[i] = scaled.T @ scaled
        return result[0] if single else result

    def entropy(self, points: npt.ArrayLike) -> FloatArray:
        """Entropy H(π) = −Σ π_j log π_j ∈ [0, log N] in nats, (n,); equals ∂f_ε/∂ε."""
        from tropix.kernels import entropy

        rows, single = self._points(points)
        values = entropy(rows, self.weights, self.bias, self.eps)
        return values.reshape(()) if single else values

    def entropy_landscape(self, points: npt.ArrayLike) -> EntropyLandscape:
        """H(π) with ∇H, ∇²H, ∂H/∂ε and ∂_ε∇H at points (n, d), in closed form.

        With s = z/ε: ∇H = −Cov_π(s, W)/ε, ∇²H = −(Cov_π(W) + κ₃(s, W, W))/ε², ∂H/∂ε = Var_π(s)/ε and
        ∂_ε∇H = (2 Cov_π(s, W) + κ₃(s, s, W))/ε², κ₃ the third joint central moment. Raises `InvalidInput` at ε = 0.
        """
        from tropix.polynomials._landscape import entropy_landscape

        if self.eps == 0.0:
            raise InvalidInput("at eps = 0 the entropy is log of the number of active pieces: it has no slope")
        rows, _ = self._points(points)
        return entropy_landscape(self, rows)

    def local_lipschitz(self, point: npt.ArrayLike, radius: float, p: float = 2.0) -> float:
        """An upper bound of the Lipschitz constant in ‖·‖_p on the ball ‖x' − x‖_p ≤ radius, rounded upwards.

        At ε = 0 the largest ‖w_j‖_q of pieces that may be active in the ball. For ε > 0 unreachable pieces keep weight:
        ‖w_*‖_q + max {Σ p_j ‖w_j − w_*‖_q : 0 ≤ p_j ≤ π_j^hi, Σ p = 1}, w_* the leading piece and
        π_j^hi = 1/Σ_i exp((z_i − z_j − r‖w_i − w_j‖_q)/ε). Raises `InvalidInput` for a negative radius.
        """
        from tropix.polynomials._landscape import local_lipschitz

        if not 0 <= radius < float("inf"):
            raise InvalidInput(f"radius {radius}: expected a finite number >= 0")
        rows, single = self._points(point)
        if not single:
            raise InvalidInput(f"one point (d,) is expected, found shape {rows.shape}")
        return local_lipschitz(self, rows[0], radius, p)

    def limit(self) -> TropicalPolynomial:
        """The tropical limit f_0(x) = max_j (w_j·x + b_j); 0 ≤ f_ε − f_0 ≤ ε log N."""
        return TropicalPolynomial(self.weights, self.bias)

    def newton_polytope(self) -> NewtonPolytope:
        """The convex hull of the weights of all present pieces, the closure of ∇f_ε(ℝ^d) for every ε ≥ 0."""
        return self.limit().newton_polytope()

    def lipschitz(self, p: float = 2.0) -> float:
        """Lipschitz constant on ℝ^d in ‖·‖_p: max_j ‖w_j‖_q, a supremum that is not attained for ε > 0."""
        present = self.weights[np.isfinite(self.bias)]
        return float(np.max(dual_norms(present, p), initial=0.0))

    def curvature(self) -> float:
        """The bound ‖∇²f_ε(x)‖₂ ≤ diam(W)²/(4ε) for every x (Popoviciu); +∞ at ε = 0 unless all slopes agree."""
        from scipy.spatial.distance import pdist

        present = self.weights[np.isfinite(self.bias)]
        diameter = float(pdist(present).max()) if len(present) > 1 else 0.0
        if diameter == 0.0:
            return 0.0
        return float("inf") if self.eps == 0.0 else diameter**2 / (4 * self.eps)

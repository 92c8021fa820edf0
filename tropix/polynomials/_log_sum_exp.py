"""Log-sum-exp functions: polynomials over S_ε, the smooth deformations of tropical polynomials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tropix.arrays import FloatArray, check_logits, points_array, real_array, temperature
from tropix.errors import InvalidInput
from tropix.polynomials._tropical import TropicalPolynomial, dual_norms

if TYPE_CHECKING:
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
        return f"<LogSumExp: {len(self)} pieces in {self.dimension} variables, eps={self.eps:g}>"

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

"""Log-sum-exp functions as posynomials, for geometric programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tropix.arrays import FloatArray, real_array
from tropix.errors import InvalidInput
from tropix.polynomials import LogSumExp


@dataclass(frozen=True, eq=False, init=False)
class Posynomial:
    """Σ_j c_j ∏_i t_i^{a_ji} for t > 0: ``coefficients`` c (N,) > 0, ``exponents`` a (N, d) real.

    With t = e^{x/ε} and the function f of `to_lse`, it equals e^{f(x)/ε}. Raises `InvalidInput` for other shapes and
    for coefficients that are not positive.
    Source: Calafiore, Gaubert and Possieri (2020), §II; Boyd et al., *A tutorial on geometric programming* (2007).

    >>> Posynomial([2.0, 1.0], [[1.0], [-0.5]])([[4.0]])
    array([8.5])
    """

    coefficients: FloatArray
    exponents: FloatArray

    def __init__(self, coefficients: npt.ArrayLike, exponents: npt.ArrayLike) -> None:
        object.__setattr__(self, "coefficients", real_array(coefficients, "coefficients", 1))
        object.__setattr__(self, "exponents", real_array(exponents, "exponents", 2))
        if len(self.coefficients) != len(self.exponents) or not (self.coefficients > 0).all():
            raise InvalidInput("a posynomial has one positive coefficient for each vector of exponents")

    @classmethod
    def of(cls, f: LogSumExp) -> Posynomial:
        """e^{f/ε} in t = e^{x/ε}: coefficients e^{b_j/ε}, exponents w_j. Raises `InvalidInput` at ε = 0 or overflow."""
        if f.eps == 0.0:
            raise InvalidInput("a tropical polynomial (eps = 0) is no posynomial: deform it first")
        present = np.isfinite(f.bias)
        with np.errstate(over="ignore", under="ignore"):
            coefficients = np.exp(f.bias[present] / f.eps)
        if not (np.isfinite(coefficients) & (coefficients > 0)).all():
            raise InvalidInput("coefficients exp(b/eps) leave the range of float64: shift the bias or raise eps")
        return cls(coefficients, f.weights[present])

    def to_lse(self, eps: float = 1.0) -> LogSumExp:
        """The function f with e^{f(x)/ε} equal to the posynomial at t = e^{x/ε}: b_j = ε log c_j."""
        return LogSumExp(self.exponents, eps * np.log(self.coefficients), eps)

    def __call__(self, points: npt.ArrayLike) -> FloatArray:
        """Values at points t > 0, (n, d) → (n,)."""
        rows = np.atleast_2d(real_array(points, "points", np.ndim(points)))
        if not (rows > 0).all():
            raise InvalidInput("a posynomial is evaluated at positive points")
        return np.asarray(np.exp(np.log(rows) @ self.exponents.T) @ self.coefficients)

    def to_cvxpy(self, variable: Any) -> Any:
        """The posynomial of a positive cvxpy variable (d,): log-log convex, for problems solved with ``gp=True``."""
        import cvxpy

        if variable.shape != (self.exponents.shape[1],):
            raise InvalidInput(f"variable has shape {variable.shape}: expected ({self.exponents.shape[1]},)")
        terms = []
        for coefficient, exponents in zip(self.coefficients.tolist(), self.exponents.tolist(), strict=True):
            term: Any = cvxpy.Constant(coefficient)
            for i, exponent in enumerate(exponents):
                if exponent:
                    term = term * variable[i] ** exponent
            terms.append(term)
        return cvxpy.sum(cvxpy.hstack(terms)) if len(terms) > 1 else terms[0]

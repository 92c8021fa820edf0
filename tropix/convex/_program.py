"""The conjugate as a conic program for cvxpy, with what its dual variables mean."""

from __future__ import annotations

import warnings
from typing import Any

import cvxpy
import numpy as np
import numpy.typing as npt

from tropix.arrays import FloatArray, points_array
from tropix.errors import InvalidInput
from tropix.polynomials import LogSumExp, TropicalPolynomial

TIGHT = {"tol_gap_abs": 1e-12, "tol_gap_rel": 1e-12, "tol_feas": 1e-12}


class ConjugateProgram(cvxpy.Problem):  # type: ignore[misc]
    """min {ε Σ p log p − b·p : Wᵀp = y, Σ p = 1, p ≥ 0}, f*(y), a `cvxpy.Problem` that follows the DPP rules.

    Its variable is "p" (N,), its parameters "y" (d,) and, for ε > 0, "eps": attributes too. Of the dual variables,
    ``moments.dual_value`` (d,) of Wᵀp = y is −x, x the maximiser of ⟨x, y⟩ − f(x), and ``total.dual_value`` of
    Σ p = 1 is f(x) − ε, for ε = 0 f(x). The dual of p ≥ 0 is (part of the variable and) at ε = 0 the slack
    f(x) − (w_j·x + b_j). Absent pieces (bias −∞) have no entry in p.

    At y on the boundary of conv{w_j} the value is finite, but at ε > 0 no x exists and solvers return a large one;
    1e-6 outside solvers disagree. `conjugate` decides such points.
    """

    def __init__(self, f: LogSumExp) -> None:
        present = np.isfinite(f.bias)
        weights, bias = f.weights[present], f.bias[present]
        if not len(bias):
            raise InvalidInput("f has no piece, so f = -inf and its conjugate is +inf everywhere: there is no program")
        self.p: Any = cvxpy.Variable(len(bias), name="p", nonneg=True)
        self.y: Any = cvxpy.Parameter(f.dimension, name="y")
        self.eps: Any = cvxpy.Parameter(name="eps", nonneg=True, value=f.eps) if f.eps > 0.0 else None
        self.moments: Any = weights.T @ self.p == self.y
        self.total: Any = cvxpy.sum(self.p) == 1
        objective = -bias @ self.p
        if self.eps is not None:
            objective = objective - self.eps * cvxpy.sum(cvxpy.entr(self.p))
        super().__init__(cvxpy.Minimize(objective), [self.moments, self.total])

    @property
    def x(self) -> FloatArray:
        """The maximiser (d,) after a solve: minus the dual variable of Wᵀp = y."""
        if self.moments.dual_value is None:
            raise InvalidInput("the program has no dual solution: solve it first, at a y in conv{w_j}")
        return -np.asarray(self.moments.dual_value, dtype=np.float64).reshape(-1)

    def solve_at(self, y: npt.ArrayLike, eps: float | None = None, **options: Any) -> float:
        """Set the parameters, solve by Clarabel (or ``solver=…``), return the value; +∞ where infeasible."""
        self.y.value = np.asarray(y, dtype=np.float64)
        if eps is not None:
            if self.eps is None:
                raise InvalidInput("the program of a tropical polynomial has no temperature")
            self.eps.value = eps
        options.setdefault("solver", cvxpy.CLARABEL)
        return float(self.solve(**options))

    def attempt(self, y: FloatArray) -> tuple[float, FloatArray] | None:
        """Value and x at y by a solver that is asked for all it can do; None where it fails. Nothing is proved."""
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="Solution may be inaccurate")
                value, x = self.solve_at(y, **TIGHT), self.x
        except (cvxpy.SolverError, InvalidInput):
            return None
        return (value, x) if np.isfinite(x).all() else None


def conjugate_program(f: LogSumExp | TropicalPolynomial) -> ConjugateProgram:
    """The program of f*; parameters y and ε may be changed between solves. ε = 0 gives a linear program.

    Raises `InvalidInput` where f has no present piece.

    >>> program = conjugate_program(LogSumExp([[0.0], [1.0]], [0.0, 0.0], eps=1.0))
    >>> round(program.solve_at([0.5]), 6), program.is_dpp()
    (-0.693147, True)
    """
    return ConjugateProgram(f.deform(0.0) if isinstance(f, TropicalPolynomial) else f)


def maximiser(f: LogSumExp, y: FloatArray) -> FloatArray:
    """The maximiser x of ⟨x, y⟩ − f(x) by Clarabel, from the entropy form or else the epigraph form."""
    if not f.dimension:
        return np.zeros(0)
    answer = conjugate_program(f).attempt(y)
    if answer is not None:
        return answer[1]
    from tropix.convex._expressions import as_cvxpy

    point = cvxpy.Variable(f.dimension)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Solution may be inaccurate")
            cvxpy.Problem(cvxpy.Maximize(y @ point - as_cvxpy(f, point))).solve(solver=cvxpy.CLARABEL, **TIGHT)
    except cvxpy.SolverError:
        return np.zeros(f.dimension)
    found = point.value
    return np.zeros(f.dimension) if found is None else points_array(found, f.dimension)[0][0]

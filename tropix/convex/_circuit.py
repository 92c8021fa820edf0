"""Conjugates of convex circuits of any depth: the lower bound is proved, the upper one measured."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tropix.arrays import FloatArray, points_array
from tropix.circuits import Circuit, Curvature
from tropix.convex._conjugate import Conjugate
from tropix.convex._expressions import as_cvxpy
from tropix.errors import InvalidInput, Unsupported

UNIT = 2.0**-53


def conjugate_circuit(circuit: Circuit, y: npt.ArrayLike, *, tolerance: float = 1e-10) -> Conjugate:
    """F*(y) = sup_x ⟨x, y⟩ − F(x) for a convex circuit with one output, by Clarabel; y (n, d) or (d,).

    ``lower`` is proved: ⟨x, y⟩ − F(x) for the x found, with running bounds of its rounding. ``upper`` is not: F* has
    the subgradient x at g = ∇F(x), and F*(g) = ⟨x, g⟩ − F(x), so that F*(y) ≈ F*(g) + ⟨x, y − g⟩ to first order;
    ``gap`` is |⟨x, y − g⟩| beyond rounding; at kinks (ε = 0) it is the solver's own duality gap. Status is "measured",
    with value +∞ where the program is unbounded, and "unproved" where the gap exceeds ``tolerance`` or no x was found.

    Raises `InvalidInput` for several outputs, `Unsupported` for a circuit that is not convex.
    """
    import cvxpy

    if circuit.output_size != 1:
        raise InvalidInput(f"the circuit has {circuit.output_size} outputs: a conjugate needs one")
    if circuit.curvature() not in (Curvature.CONVEX, Curvature.AFFINE):
        raise Unsupported(f"the circuit is {circuit.curvature().value}: only convex ones have a conjugate to compute")
    rows, single = points_array(y, circuit.input_size)
    n, d = rows.shape
    point, target = cvxpy.Variable(d, name="x"), cvxpy.Parameter(d, name="y")
    problem = cvxpy.Problem(cvxpy.Maximize(target @ point - as_cvxpy(circuit, point)[0]))
    x, lower, upper = np.full((n, d), np.nan), np.full(n, -np.inf), np.full(n, np.inf)
    status = np.full(n, "unproved", dtype="<U8")
    for q in range(n):
        target.value = rows[q]
        try:
            problem.solve(solver=cvxpy.CLARABEL)
        except cvxpy.SolverError:
            continue
        if problem.status in ("unbounded", "unbounded_inaccurate"):
            status[q], lower[q] = "measured", np.inf
        elif point.value is not None:
            x[q] = _polished(circuit, rows[q], np.asarray(point.value))
            lower[q], upper[q] = _bounds(circuit, rows[q], x[q], float(problem.value))
            status[q] = "measured"
    gap = np.where(np.isposinf(lower), 0.0, np.inf)
    known = np.isfinite(lower) & np.isfinite(upper)
    gap[known] = upper[known] - lower[known]
    status[gap > tolerance] = "unproved"
    value = np.where(np.isposinf(lower), np.inf, np.nan)
    value[known] = (lower[known] + upper[known]) / 2
    zero, none, still = np.zeros((n, d)), np.full((n, d), np.nan), np.zeros(n)
    answer = Conjugate(value, gap, x, lower, upper, status, zero, none, still, None)
    return answer.first() if single else answer


def _polished(circuit: Circuit, y: FloatArray, x: FloatArray) -> FloatArray:
    """The root of ∇F(x) = y near x, where a root finder comes nearer to it."""
    from scipy.optimize import root

    if not all(eps > 0.0 for eps in circuit.temperatures):
        return x

    def residual(at: FloatArray) -> FloatArray:
        return np.asarray(circuit.gradient(at)[0] - y)

    with np.errstate(all="ignore"):
        found = root(residual, x, tol=1e-14).x
    better = np.isfinite(found).all() and np.abs(residual(found)).max() < np.abs(residual(x)).max()
    return np.asarray(found) if better else x


def _bounds(circuit: Circuit, y: FloatArray, x: FloatArray, solved: float) -> tuple[float, float]:
    """The proved lower bound, and the measured upper one."""
    value = float(circuit(x)[0])
    error = float(circuit.rounding_bound(x[None], UNIT)[0, 0])
    error += (len(x) + 3) * UNIT * (float(np.abs(x) @ np.abs(y)) + abs(value))
    lower = float(np.nextafter(float(x @ y) - value - error, -np.inf))
    smooth = all(eps > 0.0 for eps in circuit.temperatures)
    slack = abs(float(x @ (y - circuit.gradient(x)[0]))) if smooth else abs(solved - (float(x @ y) - value))
    return lower, lower + 2 * error + slack

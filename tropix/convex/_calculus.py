"""Convex calculus of log-sum-exp functions and tropical polynomials."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from tropix.arrays import FloatArray, points_array, real_array
from tropix.convex._conjugate import conjugate
from tropix.errors import InvalidInput
from tropix.exact import Rationals
from tropix.polynomials import LogSumExp, TropicalPolynomial
from tropix.polynomials._newton import NewtonPolytope
from tropix.polynomials._vectors import Normal

Function = LogSumExp | TropicalPolynomial


def subdifferential(f: Function, x: npt.ArrayLike) -> NewtonPolytope:
    """∂f_0(x) = conv{w_j : w_j·x + b_j = f_0(x)} for a tropical polynomial (or ε = 0) at one point (d,), exactly.

    x is taken as the rational point that its floats are; ties are decided in rational arithmetic. Raises `InvalidInput`
    at ε > 0, where the gradient is the only subgradient, and for f ≡ −∞.

    >>> subdifferential(TropicalPolynomial([[0], [1]], [0, 0]), [0.0]).vertices.floats().ravel()
    array([0., 1.])
    """
    polynomial = _tropical(f)
    point = Rationals.of(real_array(x, "x", 1))
    if point.shape != (polynomial.dimension,):
        raise InvalidInput(f"x has shape {point.shape}: expected ({polynomial.dimension},)")
    rows = polynomial.exact
    logits = (rows[:, :-1] @ point[:, None])[:, 0] + rows[:, -1]
    active = np.flatnonzero(logits.numerators == logits.numerators.max())
    return NewtonPolytope.of(rows[active][:, :-1])


@dataclass(frozen=True)
class NormalCone:
    """{x : ⟨x, z − y⟩ ≤ 0 for all z of a polytope} = cone(``rays``) + span(``lineality``), in integers."""

    rays: tuple[Normal, ...]
    lineality: tuple[Normal, ...]


def normal_cone(f: Function, y: npt.ArrayLike) -> NormalCone:
    """The normal cone of conv{w_j} at one of its points y (d,), exactly: where f* is finite, ∂f* + it = ∂f*.

    0 alone (no rays, no lineality) in the interior of a full-dimensional polytope. Raises `InvalidInput` outside.
    """
    polytope = (f if isinstance(f, TropicalPolynomial) else f.limit()).newton_polytope()
    point = real_array(y, "y", 1)
    if not polytope.contains(point[None])[0]:
        raise InvalidInput("y lies outside the convex hull of the slopes, where there is no normal cone")
    exact = [Fraction(v) for v in point.tolist()]
    rays = tuple(
        facet.normal
        for facet in polytope.facets
        if sum((a * v for a, v in zip(facet.normal, exact, strict=True)), Fraction(0)) == facet.offset
    )
    return NormalCone(rays, tuple(normal for normal, _ in polytope.equations))


def recession(f: Function) -> TropicalPolynomial:
    """The recession function f_∞(d) = lim_{t → ∞} f(x + t·d)/t = max_j w_j·d, the same for every ε ≥ 0.

    It is the support function of the Newton polytope conv{w_j}. Raises `InvalidInput` for f ≡ −∞.
    """
    polynomial = f if isinstance(f, TropicalPolynomial) else f.limit()
    if not len(polynomial):
        raise InvalidInput("f = -inf has no recession function")
    slopes = polynomial.exact[:, :-1]
    zeros = Rationals(np.zeros((len(slopes), 1), dtype=object), 1)
    return TropicalPolynomial.from_rationals(Rationals.concatenate([slopes, zeros], axis=1))


support_function = recession


def perspective(f: Function, x: npt.ArrayLike, t: npt.ArrayLike) -> FloatArray:
    """The perspective (x, t) ↦ t·f(x/t) for t > 0, at t = 0 its closure f_∞(x); x (n, d), t a number or (n,) → (n,).

    Jointly convex; its conjugate is the indicator of {(y, s) : s ≤ −f*(y)}. Raises `InvalidInput` for t < 0.
    """
    rows, single = points_array(x, f.dimension)
    scales = np.broadcast_to(np.asarray(t, dtype=np.float64), (len(rows),))
    if not (scales >= 0).all() or not np.isfinite(scales).all():
        raise InvalidInput("the perspective needs finite t >= 0")
    values = np.empty(len(rows))
    positive = scales > 0
    if positive.any():
        values[positive] = scales[positive] * f(rows[positive] / scales[positive, None])
    if not positive.all():
        values[~positive] = recession(f)(rows[~positive])
    return values.reshape(()) if single else values


def fenchel_young(f: Function, x: npt.ArrayLike, y: npt.ArrayLike) -> FloatArray:
    """The Fenchel–Young loss f(x) + f*(y) − ⟨x, y⟩ ≥ 0 of rows x and y, (n, d) → (n,); 0 exactly if y ∈ ∂f(x).

    Rounding below 0 is cut off. +∞ where y lies outside conv{w_j}.
    Source: Blondel, Martins and Niculae, *Learning with Fenchel–Young losses* (2020).
    """
    rows, single = points_array(x, f.dimension)
    targets, _ = points_array(y, f.dimension)
    if len(targets) not in (1, len(rows)) and len(rows) != 1:
        raise InvalidInput(f"{len(rows)} points x and {len(targets)} points y do not pair")
    loss = np.asarray(np.maximum(f(rows) + conjugate(f, targets).value - (rows * targets).sum(axis=1), 0.0))
    return loss.reshape(()) if single and np.ndim(y) == 1 else loss


def biconjugate(f: Function, x: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Bounds of f**(x) = sup_y ⟨x, y⟩ − f*(y) = f(x) at points x (n, d): (lower, upper), (n,) each.

    ``lower`` is ⟨x, y⟩ − f*(y) at y = ∇f(x) (at ε = 0 a subgradient) with the upper bound of `conjugate`, which
    knows nothing of f(x); ``upper`` is f(x), since f** ≤ f. Both up to the rounding of ⟨x, y⟩ and f(x), and of y
    where that lies on a face (`Conjugate.shift`).
    """
    rows, _ = points_array(x, f.dimension)
    lse = f.deform(0.0) if isinstance(f, TropicalPolynomial) else f
    slopes = f.exponents[f.active(rows)] if isinstance(f, TropicalPolynomial) else lse.gradient(rows)
    answer = conjugate(f, slopes)
    return np.asarray((rows * slopes).sum(axis=1) - answer.upper), np.asarray(f(rows))


@dataclass(frozen=True, eq=False)
class Proximal:
    """``point`` u = prox_{tf}(x) (d,), the Moreau ``envelope`` min_u f(u) + |u − x|²/2t, and a duality ``gap``.

    ``p`` (N,) are weights of the pieces with u = x − t Wᵀp, so that Wᵀp is the envelope's gradient. The gap is the
    value at u minus that of the dual, b·p + ⟨x, Wᵀp⟩ − ε Σ p log p − t|Wᵀp|²/2, both evaluated in floating point;
    |u − prox|² ≤ 2t·gap.
    """

    point: FloatArray
    envelope: float
    gap: float
    p: FloatArray


def proximal(f: Function, x: npt.ArrayLike, t: float = 1.0) -> Proximal:
    """The proximal map and Moreau envelope of f at one point x (d,), t > 0.

    ε > 0: Newton's method with Hessian Cov_π(W)/ε + I/t and a line search; ε = 0: the dual quadratic program over the
    simplex by Clarabel. Raises `InvalidInput` for t ≤ 0 or f ≡ −∞.
    Source: Moreau (1965); Parikh and Boyd, *Proximal algorithms* (2014).

    >>> softplus = LogSumExp([[0.0], [1.0]], [0.0, 0.0], eps=0.0)
    >>> proximal(softplus, [2.0], 0.5).point.round(6)
    array([1.5])
    """
    centre = points_array(x, f.dimension)[0][0]
    lse = f.deform(0.0) if isinstance(f, TropicalPolynomial) else f
    if not (t > 0 and np.isfinite(t)):
        raise InvalidInput(f"t is {t}: expected a finite number > 0")
    present = np.flatnonzero(np.isfinite(lse.bias))
    if not len(present):
        raise InvalidInput("f = -inf has no proximal map")
    g = LogSumExp(lse.weights[present], lse.bias[present], lse.eps)
    if g.eps > 0.0:
        point = _descend(g, centre, t)
        weights = g.gibbs(point)
    else:
        weights = _quadratic(g, centre, t)
        point = centre - t * (weights @ g.weights)
    slope = weights @ g.weights
    envelope = float(g(point)) + float((point - centre) @ (point - centre)) / (2 * t)
    used = weights[weights > 0]
    dual = float(g.bias @ weights + centre @ slope - t * (slope @ slope) / 2 - g.eps * (used @ np.log(used)))
    full = np.zeros(len(lse))
    full[present] = weights
    return Proximal(point, envelope, max(envelope - dual, 0.0), full)


def _descend(g: LogSumExp, centre: FloatArray, t: float) -> FloatArray:
    point = centre.copy()

    def value(at: FloatArray) -> float:
        return float(g(at)) + float((at - centre) @ (at - centre)) / (2 * t)

    for _ in range(200):
        slope = g.gradient(point) + (point - centre) / t
        step = -np.linalg.solve(g.hessian(point) + np.eye(len(point)) / t, slope)
        fall = float(slope @ step)
        if fall > -1e-28 * (1 + abs(value(point))):
            break
        length, here = 1.0, value(point)
        while value(point + length * step) > here + 1e-4 * length * fall + 1e-15 * abs(here) and length > 1e-12:
            length /= 2
        point = point + length * step
        if length == 1.0 and fall > -1e-16 * (1 + abs(here)):
            break
    return point


def _quadratic(g: LogSumExp, centre: FloatArray, t: float) -> FloatArray:
    import cvxpy

    p = cvxpy.Variable(len(g), nonneg=True)
    mean = g.weights.T @ p
    objective = t / 2 * cvxpy.sum_squares(mean) - (g.bias + g.weights @ centre) @ p
    cvxpy.Problem(cvxpy.Minimize(objective), [cvxpy.sum(p) == 1]).solve(
        solver=cvxpy.CLARABEL, tol_gap_abs=1e-12, tol_gap_rel=1e-12, tol_feas=1e-12
    )
    weights = np.maximum(np.asarray(p.value), 0.0)
    return np.asarray(weights / weights.sum())


@dataclass(frozen=True, eq=False)
class InfimalConvolution:
    """(f □ g)(x) = inf_u f(u) + g(x − u) between ``lower`` and ``upper``; ``u`` (d,) is where upper is taken.

    ``lower`` = ⟨x, y⟩ − f*(y) − g*(y) with a common slope y and proved bounds of the conjugates; −∞ where the polytopes
    do not meet, or no such y was found.
    """

    lower: float
    upper: float
    u: FloatArray


def infimal_convolution(f: Function, g: Function, x: npt.ArrayLike) -> InfimalConvolution:
    """F □ g at one point x (d,) by Clarabel, with both bounds; (f □ g)* = f* + g*.

    −∞ (both bounds) where the Newton polytopes do not meet. The lower bound is that at the common slope that the solver
    finds: −∞ where this lies outside a polytope, and where it is on a face to rounding only that of the nearby slope
    (`Conjugate.shift`), which is measured, not proved. Raises `InvalidInput` for different dimensions.
    Source: Rockafellar, *Convex Analysis* (1970), Theorem 16.4.
    """
    import cvxpy

    from tropix.convex._expressions import as_cvxpy

    if f.dimension != g.dimension:
        raise InvalidInput(f"functions of {f.dimension} and {g.dimension} variables have no infimal convolution")
    at = points_array(x, f.dimension)[0][0]
    u = cvxpy.Variable(f.dimension)
    problem = cvxpy.Problem(cvxpy.Minimize(as_cvxpy(f, u) + as_cvxpy(g, at - u)))
    problem.solve(solver=cvxpy.CLARABEL)
    if problem.status in ("unbounded", "unbounded_inaccurate"):
        return InfimalConvolution(-np.inf, -np.inf, np.full(f.dimension, np.nan))
    if u.value is None:  # the solver gave up: nothing is known
        return InfimalConvolution(-np.inf, np.inf, np.full(f.dimension, np.nan))
    point = np.asarray(u.value, dtype=np.float64)
    slope = _slope(f, g, at)
    first, second = conjugate(f, slope), conjugate(g, slope)
    lower = float(at @ slope) - float(first.upper) - float(second.upper)
    return InfimalConvolution(lower, float(f(point)) + float(g(at - point)), point)


def _slope(f: Function, g: Function, x: FloatArray) -> FloatArray:
    """The y that maximises ⟨x, y⟩ − f*(y) − g*(y), a point of both polytopes."""
    import cvxpy

    y, total, objective, limits = cvxpy.Variable(f.dimension), [], 0, []
    for h in (f, g):
        lse = h.deform(0.0) if isinstance(h, TropicalPolynomial) else h
        present = np.isfinite(lse.bias)
        p = cvxpy.Variable(int(present.sum()), nonneg=True)
        objective = objective + lse.bias[present] @ p + lse.eps * cvxpy.sum(cvxpy.entr(p))
        limits += [lse.weights[present].T @ p == y, cvxpy.sum(p) == 1]
        total.append(p)
    cvxpy.Problem(cvxpy.Maximize(objective + x @ y), limits).solve(solver=cvxpy.CLARABEL)
    return np.asarray(y.value, dtype=np.float64)


def _tropical(f: Function) -> TropicalPolynomial:
    if isinstance(f, LogSumExp):
        if f.eps > 0.0:
            raise InvalidInput(f"eps is {f.eps}: a smooth function has its gradient alone, see LogSumExp.gradient")
        f = f.limit()
    if not len(f):
        raise InvalidInput("f = -inf has no subdifferential")
    return f

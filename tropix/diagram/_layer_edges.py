"""The edges of the diagram for one log-sum-exp of affine functions: two sides each, computed apart."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from tropix.arrays import FloatArray
from tropix.boxes import Box, Polyhedron
from tropix.diagram._comparison import compared, not_applicable, tried
from tropix.diagram._errors import UNIT, rounding_of_values
from tropix.diagram._jets import hopf_cole_derivatives
from tropix.diagram._rows import Edge, Row, Verdict
from tropix.diagram._supremum import gap_supremum
from tropix.polynomials import LogSumExp

if TYPE_CHECKING:
    from tropix.pde import HopfCole

SUPREMUM_DIMENSION = 4
"""The supremum of the gap is searched by branch and bound in at most so many dimensions."""
SUPREMUM_SECONDS = 2.0
DERIVATIVE_POINTS = 16
"""Points at which derivatives are taken by Taylor arithmetic."""
RESOLVED = 2.0**-4
"""Relative rounding of the Gibbs weights up to which a residual says anything."""
SOLVER = 1e-7
"""Accuracy asked of a conic solver, relative to the sizes in its problem."""


@dataclass(frozen=True, eq=False)
class LayerSubject:
    """A function f, read from the weights, beside the ``values`` (n,) that the network itself has at ``points`` (n, d).

    ``limits`` (n,) are those of its tropical limit; ``errors`` (n,) bound the rounding of both. ``t`` is the time at
    which the weights are read as sites, ``solves`` the number of conic programs.
    """

    name: str
    f: LogSumExp
    heat: float
    points: FloatArray
    values: FloatArray
    limits: FloatArray
    errors: FloatArray
    t: float
    box: Box | None
    solves: int

    def row(
        self,
        edge: Edge,
        difference: FloatArray,
        least: float,
        most: float,
        tolerance: FloatArray | float,
        left: str,
        right: str,
        points: FloatArray | None = None,
    ) -> Row:
        """The row for differences (n,) that must lie in [least, most], give or take tolerances (n,)."""
        return compared(edge, self.name, self.heat, difference, least, most, tolerance, left, right,
                        self.points if points is None else points)  # fmt: skip

    @cached_property
    def spread(self) -> float:
        """ε log N, for the pieces that are present."""
        count = int(np.isfinite(self.f.bias).sum())
        return self.f.eps * math.log(count) * (1 + 4 * UNIT) if count > 1 else 0.0

    @cached_property
    def quadratic(self) -> FloatArray:
        """|x|²/(4t) at the points."""
        return np.asarray((self.points**2).sum(axis=1) / (4 * self.t))

    @property
    def normalisation(self) -> float:
        """(dε/2) log(4πεt), as it stands in the theory."""
        return 0.5 * self.f.dimension * self.f.eps * math.log(4 * math.pi * self.f.eps * self.t)

    @cached_property
    def viscous(self) -> HopfCole:
        """The viscous solution with the sites and costs of f."""
        from tropix.pde import HopfCole

        return HopfCole.from_lse(self.f, self.t)

    @cached_property
    def viscous_values(self) -> FloatArray:
        """u_ε (n,) at the points."""
        return self.viscous.value(self.points)

    @cached_property
    def inviscid_values(self) -> FloatArray:
        """u_0 (n,) at the points, by its own formula."""
        from tropix.pde import HopfLax

        return HopfLax.from_tropical(self.f.limit(), self.t).value(self.points)

    @property
    def arrow(self) -> FloatArray:
        """u_ε − (dε/2) log(4πεt) − u_0 (n,)."""
        return self.viscous_values - self.normalisation - self.inviscid_values

    @cached_property
    def roundings(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Bounds (n,) for u_ε against f_ε, for u_0 against f_0, and of the relative rounding of the Gibbs weights."""
        smooth, sharp, relative = rounding_of_values(self.f, self.points, self.t)
        constant = 16 * UNIT * (abs(self.normalisation) if self.f.eps > 0 else 0.0)
        both = 4 * UNIT * self.quadratic + self.errors
        return 2 * smooth + constant + both, 2 * sharp + both, relative


def layer_rows(subject: LayerSubject, edges: frozenset[Edge]) -> list[Row]:
    """The rows of all edges asked for, in their order."""
    checks: dict[Edge, Callable[[LayerSubject], Row]] = {
        Edge.LIMIT: _limit,
        Edge.HOPF_COLE: _hopf_cole,
        Edge.EQUATION: _equation,
        Edge.VISCOSITY: _viscosity,
        Edge.HOPF_LAX: _hopf_lax,
        Edge.FENCHEL: _fenchel,
        Edge.CONJUGATE_LIMIT: _conjugate_limit,
        Edge.TROPICAL_FENCHEL: _tropical_fenchel,
        Edge.SQUARE: _square,
    }
    needs_heat = {Edge.LIMIT, Edge.HOPF_COLE, Edge.EQUATION, Edge.VISCOSITY, Edge.FENCHEL, Edge.CONJUGATE_LIMIT,
                  Edge.SQUARE}  # fmt: skip
    rows = []
    for edge, check in checks.items():
        if edge not in edges:
            continue
        if edge in needs_heat and subject.f.eps == 0.0:
            reason = "its temperature is 0: the network is its own tropical limit"
            rows.append(not_applicable(edge, subject.name, subject.heat, reason))
            continue
        rows.append(tried(edge, subject.name, subject.heat, check, subject))
    return rows


def _limit(subject: LayerSubject) -> Row:
    row = subject.row(
        Edge.LIMIT, subject.values - subject.limits, 0.0, subject.spread, subject.errors,
        "the network", "the network with maxima",
    )  # fmt: skip
    box = subject.box
    if box is None or not box.bounded or isinstance(box, Polyhedron) or subject.f.dimension > SUPREMUM_DIMENSION:
        return row
    found = gap_supremum(subject.f, box, time_limit=SUPREMUM_SECONDS)
    verdict = row.verdict if row.high <= found.upper + row.tolerance else Verdict.VIOLATED
    return replace(
        row,
        verdict=verdict,
        supremum=(max(found.lower, min(row.high - float(subject.errors.max()), found.upper)), found.upper),
    )


def _hopf_cole(subject: LayerSubject) -> Row:
    smooth, _, _ = subject.roundings
    expected = subject.quadratic - subject.values + subject.normalisation
    return subject.row(
        Edge.HOPF_COLE, subject.viscous_values - expected, 0.0, 0.0, smooth,
        "the sum over sites and costs", "the network",
    )  # fmt: skip


def _equation(subject: LayerSubject) -> Row:
    """The residual, with derivatives by Taylor arithmetic, and the closed forms of derivatives beside them."""
    corner, points = subject.viscous, subject.points[:DERIVATIVE_POINTS]
    present = np.isfinite(corner.costs)
    _, _, relative = (part[:DERIVATIVE_POINTS] for part in subject.roundings)
    resolved = relative < RESOLVED
    if not resolved.any():
        reason = "rounding of the terms exceeds eps: the sums say nothing about derivatives; take t nearer to 1"
        return not_applicable(Edge.EQUATION, subject.name, subject.heat, reason)
    points, relative = points[resolved], relative[resolved]
    corner.value(points)  # which refuses what leaves the range of floats
    found = hopf_cole_derivatives(corner.sites[present], corner.costs[present], corner.eps, corner.t, points)
    kinetic = (found.gradient**2).sum(axis=1)
    residual = found.along_t + kinetic - corner.eps * found.laplacian
    gradient = corner.gradient(points)
    # each closed form against its own derivative, in the units of the residual
    closed = np.abs(corner.dt(points) - found.along_t) + corner.eps * np.abs(corner.laplacian(points) - found.laplacian)
    closed += 2 * np.sqrt(kinetic) * np.sqrt(((gradient - found.gradient) ** 2).sum(axis=1))
    squares = ((points[:, None, :] - corner.sites[present]) ** 2).sum(axis=2)
    logits = -(corner.costs[present] + squares / (4 * subject.t)) / corner.eps
    # sites whose weight is below rounding add no error of their own size
    reach = (squares * np.exp(np.minimum(logits - logits.max(axis=1, keepdims=True) + 60.0, 0.0))).max(axis=1)
    size = reach / (4 * subject.t**2) + (subject.f.dimension / subject.t) * corner.eps
    roundings = (8 * (subject.f.dimension + 8) + int(present.sum())) * UNIT
    return subject.row(
        Edge.EQUATION, np.abs(residual) + closed, 0.0, 0.0, 8 * size * (relative + roundings),
        "derivatives by Taylor arithmetic", "the equation, and the derivatives in closed form", points,
    )  # fmt: skip


def _viscosity(subject: LayerSubject) -> Row:
    smooth, sharp, _ = subject.roundings
    return subject.row(
        Edge.VISCOSITY, subject.arrow, -subject.spread, 0.0, smooth + sharp,
        "the sum over sites and costs", "the minimum over sites and costs",
    )  # fmt: skip


def _hopf_lax(subject: LayerSubject) -> Row:
    _, sharp, _ = subject.roundings
    difference = subject.inviscid_values - (subject.quadratic - subject.limits)
    return subject.row(
        Edge.HOPF_LAX, difference, 0.0, 0.0, sharp, "the minimum over sites and costs", "the network with maxima"
    )


def _square(subject: LayerSubject) -> Row:
    smooth, sharp, _ = subject.roundings
    return subject.row(
        Edge.SQUARE, subject.values - subject.limits + subject.arrow, 0.0, 0.0, smooth + sharp + subject.errors,
        "f_eps to f_0 to u_0", "f_eps to u_eps to u_0",
    )  # fmt: skip


def _slopes(subject: LayerSubject) -> tuple[FloatArray, FloatArray]:
    """The first points, and the gradients of f there."""
    points = subject.points[: subject.solves]
    return points, subject.f.gradient(points)


def _scale(subject: LayerSubject, points: FloatArray) -> float:
    present = np.isfinite(subject.f.bias)
    reach = np.abs(points @ subject.f.weights[present].T + subject.f.bias[present]).max(initial=0.0)
    return float(1.0 + reach + np.abs(subject.f.bias[present]).max(initial=0.0) + subject.spread)


def _fenchel(subject: LayerSubject) -> Row:
    """Equality at (x, ∇f(x)), and at the solver's own maximiser, which its dual variables give.

    Where a slope lies on the boundary of the hull no maximiser exists, and where the solver fails there is none: there
    the proved value of `conjugate` takes the program's place, if there is one. Elsewhere it is compared as well.
    """
    from tropix.convex import conjugate, conjugate_program

    points, slopes = _slopes(subject)
    proved, program = conjugate(subject.f, slopes), conjugate_program(subject.f)
    values, found = np.array(proved.value), points.copy()
    solved = 0
    for i in np.flatnonzero(np.asarray(proved.status) != "boundary").tolist():
        answer = program.attempt(slopes[i])
        if answer is not None and math.isfinite(answer[0]):
            values[i], found[i] = answer
            solved += 1
    known = np.isfinite(values)
    if not known.any():
        reason = "its slopes lie outside the hull of the weights by rounding, and the solver finds no value there"
        return not_applicable(Edge.FENCHEL, subject.name, subject.heat, reason)
    at_points = values + subject.values[: len(points)] - (points * slopes).sum(axis=1)
    at_duals = values + subject.f(found) - (found * slopes).sum(axis=1)
    difference = np.where(np.abs(at_duals) > np.abs(at_points), at_duals, at_points)
    moved = np.asarray(proved.shift) * (np.abs(points).sum(axis=1) + np.abs(found).sum(axis=1))
    tolerance = SOLVER * _scale(subject, np.concatenate([points, found])) + subject.errors[: len(points)] + moved
    how = f"the conic program over the simplex ({solved} solved, {known.sum() - solved} on faces or by Newton's method)"
    # the value of Newton's method has its own proved gap: it must meet the network's more closely than a solver does
    at_proved = proved.value + subject.values[: len(points)] - (points * slopes).sum(axis=1)
    sizes = _scale(subject, points) + (np.abs(points) * np.abs(slopes)).sum(axis=1)
    close = np.asarray(proved.gap) + 1e-11 * sizes + subject.errors[: len(points)]
    off = (np.asarray(proved.status) == "attained") & (np.abs(at_proved) > close)
    difference, tolerance = np.where(off, at_proved, difference), np.where(off, close, tolerance)
    return subject.row(
        Edge.FENCHEL, difference[known], 0.0, 0.0, tolerance[known], how, "the network, at its points and at the duals",
        points[known],
    )  # fmt: skip


def _conjugate_limit(subject: LayerSubject) -> Row:
    """Half-way between gradients and the mean of the weights, so that most slopes are well inside the hull."""
    from tropix.convex import conjugate

    points, gradients = _slopes(subject)
    slopes = 0.5 * gradients + 0.5 * subject.f.weights[np.isfinite(subject.f.bias)].mean(axis=0)
    smooth, sharp = conjugate(subject.f, slopes), conjugate(subject.f.limit(), slopes)
    known = np.isfinite(smooth.value) & np.isfinite(sharp.value)
    if not known.any():
        reason = "its slopes lie outside the hull of the weights by rounding"
        return not_applicable(Edge.CONJUGATE_LIMIT, subject.name, subject.heat, reason)
    gaps = np.asarray(smooth.gap) + np.asarray(sharp.gap) + 1e-12 * _scale(subject, points)
    return subject.row(
        Edge.CONJUGATE_LIMIT, np.asarray(smooth.value)[known] - np.asarray(sharp.value)[known], -subject.spread, 0.0,
        gaps[known], "Newton's method in x", "the linear program over the simplex", slopes[known],
    )  # fmt: skip


def _tropical_fenchel(subject: LayerSubject) -> Row:
    from tropix.convex import conjugate

    points = subject.points[: subject.solves]
    slopes = LogSumExp(subject.f.weights, subject.f.bias, 0.0).gradient(points)
    solved = conjugate(subject.f.limit(), slopes)
    difference = solved.value + subject.limits[: len(points)] - (points * slopes).sum(axis=1)
    tolerance = 1e-9 * _scale(subject, points) + np.asarray(solved.gap) + subject.errors[: len(points)]
    return subject.row(
        Edge.TROPICAL_FENCHEL, difference, 0.0, 0.0, tolerance,
        "the linear program over the simplex", "the network with maxima", points,
    )  # fmt: skip

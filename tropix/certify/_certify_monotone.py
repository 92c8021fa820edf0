"""Monotonicity: balls in which derivatives keep their signs, and points where they do not."""

from __future__ import annotations

import time
from collections.abc import Mapping
from fractions import Fraction

import flint
import numpy as np
import numpy.typing as npt

from tropix.arrays import FloatArray
from tropix.boxes import Box, BoxLike
from tropix.certify._certificate import Certificate, status_of
from tropix.certify._certify_properties import one_point
from tropix.certify._certify_slopes import PRECISION, ROOM, region_of
from tropix.certify._check_monotone import signed
from tropix.certify._descent import steepest
from tropix.certify._engine import Request
from tropix.certify._heads import CAP
from tropix.certify._models import Subject
from tropix.certify._norms import Norm, NormLike
from tropix.certify._properties import monotone
from tropix.certify._slopes import Balls, Slopes
from tropix.certify._steps import Steps
from tropix.circuits import Circuit
from tropix.deadline import Deadline
from tropix.errors import InvalidInput

DIRECTIONS = 64
LENGTHS = 4.0 ** np.arange(-8, 10)


def certify_monotone(
    circuit: Circuit,
    x: npt.ArrayLike,
    inputs: Mapping[int, int],
    *,
    output: int = 0,
    norm: NormLike = 2,
    radius: float | None = None,
    box: BoxLike | None = None,
    time_limit: float | None = None,
    seed: int = 0,
) -> Certificate:
    """A radius around x (d,) in which an output F_j rises (1) or falls (−1) in each input named, not strictly.

    It holds where every ∂F_j/∂x_i, times its sign, has a lower bound ≥ 0 by interval arithmetic (where F_j has kinks:
    the derivatives of either side); such bounds on all of ℝ^d give the radius 1e12. For one ⊕_ε of affine functions
    the bound on ℝ^d is exact, min_j w_ji. ``margin`` is the least signed derivative at x; a witness is a point where
    one is certainly < 0, found along random rays. F_j is the model's own output. Raises `InvalidInput` for unknown
    inputs or outputs and other signs.

    >>> from tropix.circuits import CircuitBuilder
    >>> builder = CircuitBuilder(2)
    >>> rising = builder.build(builder.affine([(builder.relu(0), [[1.0, 2.0]])], [0.0]))
    >>> certify_monotone(rising, [0.0, 1.0], {0: 1, 1: 1}).radius
    1000000000000.0
    """
    started, deadline = time.perf_counter(), Deadline(time_limit)
    point = one_point(circuit, x) + 0.0
    subject = Subject(circuit, monotone(circuit, inputs, output))
    domain = None if box is None else Box.of(box, circuit.input_size)
    if domain is not None and (type(domain) is not Box or domain.outside(point[None, :])):
        raise InvalidInput("the valid inputs must be a box that holds the point")
    if radius is not None and not 0 < radius < CAP:
        raise InvalidInput(f"radius {radius!r}: expected a number > 0 and below {CAP:g}")
    request = Request(
        point[None, :], None, Norm.of(norm, circuit.input_size), radius, domain, "local", 1e-3, seed
    )  # fmt: skip
    assert subject.property is not None
    search = _Search(subject.steps, request, subject.property["inputs"], circuit, output)
    with flint.ctx.workprec(PRECISION):
        margin = search.margin()
        region, found = search.proved(deadline) if margin >= 0 else ("ball", 0.0)
        witness = None
        if found < CAP and (radius is None or found < radius):
            witness = search.witness(found, deadline)
    upper = np.inf if witness is None else request.norm.distance(witness - point)
    evidence = {"kind": "slopes", "region": region}
    if witness is not None:
        evidence["witness"] = witness.tolist()
    return Certificate(
        model=subject.digest, point=tuple(point.tolist()), label=0, margin=margin, radius=found, upper=upper,
        method="monotone", status=status_of(found, upper, radius), evidence=evidence,
        seconds=time.perf_counter() - started, norm=request.norm,
        box=None if domain is None else (tuple(domain.lower.tolist()), tuple(domain.upper.tolist())),
        asked=radius, property=dict(subject.property),
    )  # fmt: skip


class _Search:
    """Both sides for one point."""

    def __init__(self, steps: Steps, request: Request, inputs: list[list[int]], circuit: Circuit, output: int) -> None:
        self.steps, self.request, self.inputs = steps, request, inputs
        self.point, self.circuit, self.output = request.points[0], circuit, output
        self.places = np.array([i for i, _ in inputs])
        self.signs = np.array([float(s) for _, s in inputs])

    def margin(self) -> float:
        """The least signed derivative at the point."""
        ends = signed(self.steps, region_of(self.request, 0, Fraction(0)), self.inputs)
        if ends is None:
            raise InvalidInput("the output has no bounded derivative at the point")
        return min(float(low.mid()) for low, _ in ends) + 0.0

    def proved(self, deadline: Deadline) -> tuple[str, float]:
        """Where signs are kept: everywhere, in the whole box, or in the largest ball."""
        if self._kept(None):
            return "everywhere", CAP
        tried = [CAP] if self.request.asked is None else [CAP, self.request.asked]
        for radius in tried:
            if self._kept(radius):
                return "ball", radius
        largest = self._halved(deadline)
        for slack in (ROOM, 1e-6, 1e-3, 0.5):
            radius = largest * (1 - slack)
            if radius > 0 and self._kept(radius):
                return "ball", radius
        return "ball", 0.0

    def _kept(self, radius: float | None) -> bool:
        region = region_of(self.request, 0, None if radius is None else Fraction(radius))
        ends = signed(self.steps, region, self.inputs)
        return ends is not None and all(bool(low >= 0) for low, _ in ends)

    def _halved(self, deadline: Deadline) -> float:
        """The largest radius, to ten digits, at which signs are kept in floats."""
        floor, ceiling = 0.0, CAP
        for _ in range(100):
            middle = 0.5 * (floor + ceiling) if 0.25 * ceiling < floor else np.sqrt(max(floor, 1e-12) * ceiling)
            if not floor < middle < ceiling or ceiling - floor <= 1e-10 * ceiling or deadline.passed:
                break
            floor, ceiling = (middle, ceiling) if self._kept_in_floats(middle) else (floor, middle)
        return float(floor)

    def _kept_in_floats(self, radius: float) -> bool:
        low, high = np.full((2, 1, len(self.point)), -np.inf)
        high = -high
        if self.request.box is not None:
            low, high = self.request.box.lower - self.point[None], self.request.box.upper - self.point[None]
        slopes = Slopes(self.steps, Balls(self.point[None], np.array([radius]), self.request.norm, low, high))
        rows = {base: table.floats()[None] for base, table in self.steps.output.terms.items()}
        below, above = (end[0, 0, self.places] * self.signs for end in slopes.jacobian(rows, 1))
        return bool((np.minimum(below, above) >= 0).all())

    # -- counterexamples ------------------------------------------------------------------------------------------

    def witness(self, radius: float, deadline: Deadline) -> FloatArray | None:
        """The nearest point found where a derivative has the wrong sign."""
        if self._wrong(self.point):
            return np.asarray(self.point)
        rng, d = np.random.default_rng(self.request.seed), len(self.point)
        scales = self.request.norm.scales(d)
        falling = self._falling(max(radius, 1e-3) * scales) / scales
        rays = np.concatenate([falling, np.eye(d), -np.eye(d), rng.normal(size=(DIRECTIONS, d))]) * scales
        rays /= self.request.norm.length(rays)[:, None]
        best: FloatArray | None = None
        reach = np.inf if self.request.asked is None else self.request.asked
        for length in LENGTHS * max(radius, 1e-3):
            shifts = rays * min(float(length), reach * (1 - 1e-12))
            for k in np.flatnonzero(self._wrong_in_floats(self._inside(self.point + shifts))).tolist():
                best = self._first(shifts[k], best)
            if best is not None or length > reach or deadline.passed:
                return best
        return None

    def _falling(self, steps: FloatArray) -> FloatArray:
        """Directions in which the signed derivatives fall fastest, by differences."""
        around = np.concatenate([self.point[None], self.point + np.diag(steps), self.point - np.diag(steps)])
        try:
            slopes = self.circuit.gradient(around)[:, self.output, self.places] * self.signs
        except InvalidInput:  # values leave float64
            return np.zeros((0, len(steps)))
        ahead, behind = slopes[1 : len(steps) + 1] - slopes[0], slopes[len(steps) + 1 :] - slopes[0]
        bends = np.concatenate([ahead - behind, np.minimum(ahead, 0.0) - np.minimum(behind, 0.0)], axis=1).T
        moves = -steepest(bends, self.request.norm.p) * steps
        return np.asarray(moves[np.abs(moves).max(axis=1, initial=0.0) > 0])

    def _first(self, shift: FloatArray, best: FloatArray | None) -> FloatArray | None:
        """The first point of a ray with a wrong sign, if it is nearer than the best."""
        floor, ceiling = 0.0, 1.0
        for _ in range(50):
            middle = 0.5 * (floor + ceiling)
            wrong = self._wrong_in_floats(self._inside(self.point + middle * shift)[None])[0]
            floor, ceiling = (floor, middle) if wrong else (middle, ceiling)
        for share in (ceiling, ceiling * (1 + 1e-9), min(1.0, ceiling * 1.001), 1.0):
            point = self._inside(self.point + share * shift)
            near = self.request.norm.length(point - self.point)[0]
            if best is not None and near >= self.request.norm.length(best - self.point)[0]:
                return best
            if self._wrong(point):
                return point
        return best

    def _inside(self, points: FloatArray) -> FloatArray:
        box = self.request.box
        return points if box is None else np.asarray(np.clip(points, box.lower, box.upper))

    def _wrong_in_floats(self, points: FloatArray) -> npt.NDArray[np.bool_]:
        try:
            slopes = self.circuit.gradient(points)[:, self.output, self.places] * self.signs
        except InvalidInput:  # values leave float64
            return np.zeros(len(points), dtype=np.bool_)
        return np.asarray((slopes < 0).any(axis=1))

    def _wrong(self, point: FloatArray) -> bool:
        ends = signed(self.steps, region_of(self.request, 0, Fraction(0), point), self.inputs)
        return ends is not None and any(bool(high < 0) for _, high in ends)

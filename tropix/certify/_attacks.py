"""Attacks on the labels of points: counterexamples in a ball, or the nearest ones that can be found."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tropix.arrays import FloatArray, IntArray
from tropix.boxes import Box, BoxLike
from tropix.certify._attack import Witness, cross, descend, distance, polish
from tropix.certify._attack_circuits import Target, polished
from tropix.certify._attack_circuits import descend as descend_circuit
from tropix.certify._ball import Ball
from tropix.certify._engine import Request, labels_of, margins_of
from tropix.certify._heads import CAP, Heads
from tropix.certify._models import Model, Subject
from tropix.certify._norms import NormLike
from tropix.certify._requests import request_of
from tropix.circuits import Circuit
from tropix.errors import InvalidInput, Unsupported

WIDER = (4.0, 16.0, 64.0, 256.0)
"""Times the radius, where the nearest counterexample is wanted and none is within the radius."""
BEYOND = (0.0, 1e-14, 1e-12, 1e-10, 1e-8, 1e-6, 1e-4)
"""How much farther than the boundary a counterexample may lie, until the circuit's rounding is left behind."""


@dataclass(frozen=True)
class AttackResult:
    """What an attack on one point found.

    - ``success``: there is a counterexample within the radius; ``found`` is the class at ``point`` and ``distance``
      that of ``point``, rounded upwards. Without a counterexample these are None and ∞. With ``nearest`` a
      counterexample may also lie outside the radius.
    - ``label``: the class that was attacked; ``margin`` its function minus the largest other one at ``point``, else the
      least margin that was seen in the ball.
    """

    label: int
    success: bool
    distance: float
    margin: float
    found: int | None
    point: tuple[float, ...] | None

    def to_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON: an infinite distance is None."""
        return {
            "label": self.label,
            "success": self.success,
            "distance": self.distance if self.distance < math.inf else None,
            "margin": self.margin,
            "found": self.found,
            "point": None if self.point is None else list(self.point),
        }


def attack(
    model: Model,
    points: npt.ArrayLike,
    labels: Sequence[int] | npt.ArrayLike | None = None,
    *,
    radius: float,
    norm: NormLike = 2,
    box: BoxLike | None = None,
    restarts: int = 4,
    steps: int = 30,
    seed: int = 0,
    nearest: bool = False,
) -> list[AttackResult]:
    """Look for points of other classes within the radius of points (n, d), by projected gradient descent on the margin.

    All points and ``restarts`` take ``steps`` together (Madry and others 2018); what is found is moved to the nearest
    point of that boundary (convex-concave procedure). With ``nearest`` the search goes on at up to 256 times the radius
    where there is none. A counterexample counts once the margin in double precision is below its error bound, by the
    circuit too where the model is one. Labels default to the model's own. Raises what `certify_all` raises.

    >>> from tropix import LogSumExp
    >>> model = [LogSumExp([[0.0], [1.0]], [0.0, 0.0], 0.5), LogSumExp([[0.0]], [1.0], 0.5)]
    >>> [found] = attack(model, [[0.0]], radius=1.0, norm="inf")
    >>> found.success, found.label, found.found, round(found.distance, 5)
    (True, 1, 0, 0.92729)
    """
    for name, number in (("restarts", restarts), ("steps", steps)):
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise InvalidInput(f"{name} {number!r}: expected a whole number >= 1")
    subject = Subject(model)
    request = request_of(subject, points, labels, norm=norm, radius=radius, box=box, seed=seed)
    if not len(request.points):
        return []
    search = _search(subject, request, restarts, steps)
    values = search.values(request.points)
    chosen = labels_of(request, values)
    return _run(search, request.points, chosen, margins_of(values, chosen), radius, WIDER if nearest else ())


class _Search(Protocol):
    """How counterexamples of one kind of model are looked for; shifts are in units of the norm."""

    def values(self, points: FloatArray) -> FloatArray:
        """The functions of the classes at points (n, d), (n, K)."""
        ...

    def start(self, point: FloatArray, label: int) -> Witness | None:
        """The point itself, where its label is another one for certain."""
        ...

    def descend(self, points: FloatArray, labels: IntArray, radii: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Shifts (n, d) of least margin in balls of radii (n,), and those margins."""
        ...

    def at_boundary(self, points: FloatArray, labels: IntArray, shifts: FloatArray) -> list[Witness | None]:
        """Counterexamples near the boundary that shifts of margin ≤ 0 crossed, where they are certain."""
        ...


def _search(subject: Subject, request: Request, restarts: int, steps: int) -> _Search:
    try:
        classes = subject.classes
    except Unsupported:
        return _CircuitAttack(Target(subject.circuit, request.norm), request.box, restarts, steps, request.seed)
    return _HeadsAttack(subject, Heads.of(classes, request.norm), request.box, restarts, steps, request.seed)


def _run(
    search: _Search,
    points: FloatArray,
    labels: IntArray,
    margins: FloatArray,
    radius: float,
    wider: tuple[float, ...],
) -> list[AttackResult]:
    """Results for all points; ``wider`` are the factors of the radius at which to look where nothing is near."""
    found: list[Witness | None] = [None] * len(points)
    least = margins.copy()
    for i in np.flatnonzero(margins <= 0):
        found[i] = search.start(points[i], int(labels[i]))
    for factor in (1.0, *wider):
        todo = np.array([i for i in range(len(points)) if found[i] is None], dtype=np.int64)
        if not len(todo) or radius * factor >= CAP:
            break
        shifts, seen = search.descend(points[todo], labels[todo], np.full(len(todo), radius * factor))
        if factor == 1.0:
            least[todo] = np.minimum(least[todo], seen)
        hit = todo[seen <= 0]
        if len(hit):
            witnesses = search.at_boundary(points[hit], labels[hit], shifts[seen <= 0])
            for i, witness in zip(hit.tolist(), witnesses, strict=True):
                found[i] = witness
    return [
        _result(search, int(label), radius, witness, float(margin))
        for label, witness, margin in zip(labels, found, least, strict=True)
    ]


@dataclass(frozen=True, eq=False)
class _HeadsAttack:
    """The attack on classes that are each one ⊕_ε of affine functions."""

    subject: Subject
    heads: Heads
    box: Box | None
    restarts: int
    steps: int
    seed: int

    def values(self, points: FloatArray) -> FloatArray:
        return self.heads.values(self.heads.logits(points)[0])

    def start(self, point: FloatArray, label: int) -> Witness | None:
        ball = Ball(self.heads, point, label, self.box)
        excess, error = ball.excess(point[None, :])
        rival = int(excess[0].argmax())
        witness = Witness(point, 0.0, rival)
        return witness if excess[0, rival] >= error[0] and self._holds(ball, witness) else None

    def descend(self, points: FloatArray, labels: IntArray, radii: FloatArray) -> tuple[FloatArray, FloatArray]:
        return descend(
            self.heads, points, labels, radii, self.box, restarts=self.restarts, steps=self.steps, seed=self.seed
        )  # fmt: skip

    def at_boundary(self, points: FloatArray, labels: IntArray, shifts: FloatArray) -> list[Witness | None]:
        balls = [Ball(self.heads, x, int(label), self.box) for x, label in zip(points, labels, strict=True)]
        return [self._nearby(ball, shift) for ball, shift in zip(balls, shifts, strict=True)]

    def _nearby(self, ball: Ball, shift: FloatArray) -> Witness | None:
        """The counterexample on the ray of δ, brought near, as far behind the boundary as it takes to be sure."""
        crossed = cross(ball, shift)
        if crossed is None:
            return None
        for witness in (polish(ball, crossed), crossed):
            away = (witness.point - ball.point) / self.heads.norm.scales(self.heads.dimension)
            for farther in BEYOND:
                point = witness.point if farther == 0 else ball.moved((1 + farther) * away)
                moved = Witness(point, distance(ball, point), witness.rival)
                if self._holds(ball, moved):
                    return moved
        return None

    def _holds(self, ball: Ball, witness: Witness) -> bool:
        """Whether the circuit, in double precision, has another class there beyond its rounding."""
        if not isinstance(self.subject.model, Circuit):
            excess, error = ball.excess(witness.point[None, :])
            return bool(excess[0, witness.rival] >= error[0])
        return confirmed(self.subject.circuit, witness.point, ball.label)


@dataclass(frozen=True, eq=False)
class _CircuitAttack:
    """The attack on circuits of any depth."""

    target: Target
    box: Box | None
    restarts: int
    steps: int
    seed: int

    def values(self, points: FloatArray) -> FloatArray:
        return self.target.circuit(points)

    def start(self, point: FloatArray, label: int) -> Witness | None:
        return Witness(point, 0.0, -1) if confirmed(self.target.circuit, point, label) else None

    def descend(self, points: FloatArray, labels: IntArray, radii: FloatArray) -> tuple[FloatArray, FloatArray]:
        return descend_circuit(
            self.target, points, labels, radii, self.box, restarts=self.restarts, steps=self.steps, seed=self.seed
        )  # fmt: skip

    def at_boundary(self, points: FloatArray, labels: IntArray, shifts: FloatArray) -> list[Witness | None]:
        near = polished(self.target, points, labels, shifts, self.box)
        rows = zip(points, labels, near, shifts, strict=True)
        return [
            self._nearby(x, int(label), fresh) or self._nearby(x, int(label), first) for x, label, fresh, first in rows
        ]

    def _nearby(self, point: FloatArray, label: int, shift: FloatArray) -> Witness | None:
        if not np.isfinite(shift).all():
            return None
        for farther in BEYOND:
            place = self.target.moved(point[None], (1 + farther) * shift[None], self.box)[0]
            if confirmed(self.target.circuit, place, label):
                return Witness(place, self.target.norm.distance(place - point), -1)
        return None


def confirmed(circuit: Circuit, point: FloatArray, label: int) -> bool:
    """Whether another output of a circuit exceeds that of the label at a point, by more than both may be rounded."""
    values = circuit(point[None, :])[0]
    errors = circuit.rounding_bound(point[None, :], 2.0**-53)[0]
    lead = values - errors
    lead[label] = -np.inf
    return bool(lead.max() > values[label] + errors[label])


def _result(search: _Search, label: int, radius: float, witness: Witness | None, least: float) -> AttackResult:
    if witness is None:
        return AttackResult(label, False, math.inf, least, None, None)
    values = search.values(witness.point[None, :])
    margin = float(margins_of(values, np.array([label]))[0])
    others = values[0].copy()
    others[label] = -np.inf
    near = witness.distance <= radius
    return AttackResult(label, near, witness.distance, margin, int(others.argmax()), tuple(witness.point.tolist()))

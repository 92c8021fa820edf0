"""Radii of classes that are each one ⊕_ε of affine functions: from closed forms to the exact one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tropix.arrays import FloatArray
from tropix.certify._attack import Witness, cross, descend, nearest, polish
from tropix.certify._ball import Ball
from tropix.certify._engine import Answer, Request, labels_of, margins_of
from tropix.certify._heads import CAP, Heads
from tropix.certify._heads_exact import Simplices
from tropix.certify._pieces import Classes
from tropix.deadline import Deadline
from tropix.kernels import head_radii
from tropix.polynomials._steepness import largest_difference

MOST_CORNERS = 4000


@dataclass(frozen=True, eq=False)
class _Closed:
    """Radii (n, K) and multipliers (n, P, N), with the method behind each point's."""

    radii: FloatArray
    multipliers: FloatArray
    methods: list[str]


class HeadsBatch:
    """A batch of points with the values of the classes there."""

    def __init__(self, classes: Classes, request: Request) -> None:
        self.heads = heads = Heads.of(classes, request.norm)
        self.points, self.box, self.asked = request.points, request.box, request.asked
        self.method, self.gap, self.seed = request.method, request.gap, request.seed
        self.logits, self.errors = heads.logits(self.points)
        self.values = heads.values(self.logits)
        self.labels = labels_of(request, self.values)
        self.margins = margins_of(self.values, self.labels)

    def ball(self, i: int) -> Ball:
        """The perturbations of point i."""
        return Ball(self.heads, self.points[i], int(self.labels[i]), self.box)

    def at_point(self, i: int) -> Witness | None:
        """Point i itself, where another class is certainly not below its label's."""
        ball = self.ball(i)
        excess, error = ball.excess(ball.point[None, :])
        rival = int(excess[0].argmax())
        same = excess[0, rival] >= error[0] or not self.heads.eps.any()
        return Witness(ball.point, 0.0, rival) if same else None


class HeadsEngine(HeadsBatch):
    """Answers for a batch of points; the closed forms of all are found together."""

    def __init__(self, classes: Classes, request: Request) -> None:
        super().__init__(classes, request)
        self.found = self._closed_forms()

    # -- closed forms ---------------------------------------------------------------------------------------------

    def _closed_forms(self) -> _Closed:
        """The radii of the method, or those from which the search for the exact one starts."""
        n = len(self.points)
        if self.method == "lipschitz":
            tangent = self._radii(optimise=False)
            return _Closed(np.minimum(tangent.radii, self._lipschitz()), tangent.multipliers, ["lipschitz"] * n)
        if self.method == "tangent":
            return self._radii(optimise=False)
        if self.method == "transfer":
            return self._transfer()
        return self._radii(optimise=True)

    def _radii(self, *, optimise: bool) -> _Closed:
        heads, enough = self.heads, self.asked
        low, high, bounded = heads.room(self.points, self.box)
        limit = np.inf if enough is None or self.method != "auto" else enough
        radii, multipliers = head_radii(
            heads.slopes, heads.norms, self.logits, self.errors, heads.offsets, heads.eps, self.labels,
            heads.norm.code, (low, high), bounded, CAP, limit, optimise=optimise,
        )  # fmt: skip
        return _Closed(radii, multipliers, ["combined" if optimise else "tangent"] * len(self.points))

    def _lipschitz(self) -> FloatArray:
        heads = self.heads
        steep = np.zeros((len(heads), len(heads)))
        for c in range(len(heads)):
            for k in range(c):
                one, other = heads.slopes[heads.part(c)], heads.slopes[heads.part(k)]
                steep[c, k] = steep[k, c] = largest_difference(one, other, heads.norm.p) * (1 + 1e-12)
        everyone = np.arange(len(self.points))
        margins = np.maximum(self.values[everyone, self.labels][:, None] - self.values, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.where(steep[self.labels] > 0, margins / steep[self.labels], np.where(margins > 0, CAP, 0.0))
        found[everyone, self.labels] = CAP
        return np.asarray(np.minimum(found * (1 - 1e-12), CAP))

    def _transfer(self) -> _Closed:
        """The tropical limit with each rival raised by ε_k log N_k; its multipliers hold for the model itself."""
        heads = self.heads
        counts = np.diff(heads.offsets)
        raised = np.repeat(heads.eps * np.log(counts), counts)
        own = np.zeros_like(self.logits)
        for i, label in enumerate(self.labels):
            own[i, heads.part(int(label))] = raised[heads.part(int(label))]
        low, high, bounded = heads.room(self.points, self.box)
        logits = self.logits + raised - own
        errors = self.errors + 4 * 2.0**-53 * (np.abs(self.logits) + raised)
        radii, multipliers = head_radii(
            heads.slopes, heads.norms, logits, errors, heads.offsets, np.zeros(len(heads)), self.labels,
            heads.norm.code, (low, high), bounded, CAP, np.inf, optimise=True,
        )  # fmt: skip
        return _Closed(radii, multipliers, ["transfer"] * len(self.points))

    # -- one point ------------------------------------------------------------------------------------------------

    def answer(self, i: int, deadline: Deadline) -> Answer:
        """The answer for one point: counterexamples, and branch and bound where the method asks for it."""
        found = self.found
        if self.margins[i] <= 0:
            return Answer(0.0, self.at_point(i), found.methods[i], _evidence_of([]))
        ball = self.ball(i)
        radii = found.radii[i].copy()
        best = float(radii.min())
        rivals = [self._evidence(ball, k, found.multipliers[i]) for k in range(len(self.heads)) if k != ball.label]
        settled = best >= CAP or (self.asked is not None and best >= self.asked)
        if self.method not in ("auto", "exact") or settled:
            return Answer(min(best, CAP), None, found.methods[i], _evidence_of(rivals))
        witness = self._attack(ball, radii, found.multipliers[i])
        if self.asked is not None and witness is not None and witness.distance <= self.asked:
            return Answer(best, witness, found.methods[i], _evidence_of(rivals))
        return self._refine(ball, radii, found, i, witness, deadline)

    def _evidence(self, ball: Ball, k: int, multipliers: FloatArray) -> dict[str, Any]:
        own = self.heads.part(ball.label)
        rows = multipliers[self.heads.part(k), : own.stop - own.start]
        shared = bool((rows == rows[0]).all())
        return {"rival": k, "multipliers": (rows[:1] if shared else rows).tolist()}

    def _attack(self, ball: Ball, radii: FloatArray, multipliers: FloatArray) -> Witness | None:
        """The nearest counterexample: from the maxima of the bounds, then from descent, each polished."""
        witness: Witness | None = None
        for k in np.argsort(radii).tolist():
            if k == ball.label or (witness is not None and radii[k] >= witness.distance) or radii[k] >= CAP:
                continue
            for start in self._starts(ball, k, radii[k], multipliers):
                tight = start.distance <= radii[k] * (1 + 1e-7)
                found = start if tight else polish(ball, start)
                if witness is None or found.distance < witness.distance:
                    witness = found
                if tight:
                    break
        if witness is None:
            witness = self._descent(ball, float(radii.min()))
        return witness

    def _starts(self, ball: Ball, k: int, radius: float, multipliers: FloatArray) -> Iterator[Witness]:
        """Points behind the boundary to rival k: where single pieces of it rise most."""
        part, own = self.heads.part(k), self.heads.part(ball.label)
        count = part.stop - part.start
        heights = []
        for j, q in enumerate(np.eye(count)):
            bound = ball.plane(k, q, multipliers[part.start + j, : own.stop - own.start])
            heights.append(ball.ceiling(bound, radius))
        order = np.argsort(heights)[::-1]
        for j in order[: 3 if self.heads.eps[k] > 0 else count].tolist():
            if heights[j] < heights[order[0]] - max(8 * self.heads.eps[k], 0.05 * float(self.margins.max())):
                break
            shift = nearest(ball, k, np.eye(count)[j], radius)
            crossed = None if shift is None else cross(ball, shift, k, beyond=4.0)
            if crossed is not None:
                yield crossed
            if crossed is None or crossed.distance > radius * (1 + self.gap):
                # the rival may reach the label's function without ever exceeding it
                _, shift = ball.best(k, np.eye(count)[j], radius, 1e-9 * (abs(heights[j]) + radius))
                touched = cross(ball, shift, k, beyond=1 + 0.5 * self.gap)
                if touched is not None:
                    yield touched

    def _descent(self, ball: Ball, radius: float) -> Witness | None:
        for factor in (2.0, 8.0, 64.0):
            shift, margin = descend(
                self.heads, ball.point[None, :], np.array([ball.label]), np.array([max(radius, 1e-9) * factor]),
                self.box, seed=self.seed,
            )  # fmt: skip
            if margin[0] < 0:
                found = cross(ball, shift[0])
                if found is not None:
                    return polish(ball, found)
        return None

    def _refine(
        self, ball: Ball, radii: FloatArray, found: _Closed, i: int, witness: Witness | None, deadline: Deadline
    ) -> Answer:
        """Prove the radius up to the gap below the nearest counterexample, rival by rival."""
        own = self.heads.part(ball.label)
        searches: dict[int, Simplices] = {}
        goal = self.asked if witness is None else witness.distance * (1 - self.gap)
        stuck = False
        while goal is not None and float(radii.min()) < goal and not stuck:
            k = int(radii.argmin())
            if k not in searches:
                rows = found.multipliers[i][self.heads.part(k), : own.stop - own.start]
                searches[k] = Simplices(ball, k, rows)
            answer = searches[k].search(goal, deadline, MOST_CORNERS)
            if answer is True:
                radii[k] = goal
            elif isinstance(answer, np.ndarray):
                crossed = cross(ball, answer, k, beyond=1.01)
                better = None if crossed is None else polish(ball, crossed)
                if better is None or (witness is not None and better.distance >= witness.distance):
                    stuck = True
                else:
                    witness = better
                    goal = witness.distance * (1 - self.gap)
            else:
                stuck = True
        if stuck:
            k = int(radii.argmin())
            radii[k] = self._largest(searches[k], float(radii[k]), float(goal or radii[k]))
        best = float(radii.min())
        rivals = []
        for k in range(len(self.heads)):
            if k == ball.label:
                continue
            if k in searches and searches[k].holds(best):
                rivals.append(searches[k].evidence())
            else:
                rivals.append(self._evidence(ball, k, found.multipliers[i]))
        return Answer(best, witness, "exact" if searches else found.methods[i], _evidence_of(rivals))

    @staticmethod
    def _largest(search: Simplices, floor: float, ceiling: float) -> float:
        """The largest radius between two that the parts found so far prove."""
        for _ in range(20):
            middle = (floor + ceiling) / 2
            floor, ceiling = (middle, ceiling) if search.holds(middle) else (floor, middle)
        return floor


def _evidence_of(rivals: list[dict[str, Any]]) -> dict[str, Any]:
    return {"kind": "pieces", "rivals": rivals}

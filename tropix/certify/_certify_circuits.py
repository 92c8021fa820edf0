"""Radii of circuits of any depth: interval bounds, backward-substituted planes, and branch and bound."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tropix.arrays import FloatArray, IntArray
from tropix.certify._attack import Witness
from tropix.certify._attack_circuits import Target, confirmed, nearest_witnesses, polished
from tropix.certify._cells import nearest_boundary
from tropix.certify._circuit_branching import prove
from tropix.certify._circuit_margins import Bounds, Margins
from tropix.certify._circuit_radii import largest_radii
from tropix.certify._engine import Answer, Request, labels_of, margins_of
from tropix.certify._heads import CAP
from tropix.certify._models import Subject
from tropix.circuits import Affine, Gibbs, Input, LogSumExp
from tropix.deadline import Deadline

CIRCUIT_METHODS = ("interval", "linear", "branching")
PARTS, MOST_PARTS, FEW_PARTS = 200, 100_000, 64
"""Parts of a ball that are bounded for one point: without a time limit, with one, and for the first radii tried."""
SMALLEST_SHARE = 0.05
FEW_NUMBERS, MOST_CELLS = 3_000_000, 10_000
"""How large the affine functions of all cells may be that ``auto`` visits around one point, and those of all parts that
are bounded without a time limit; how many cells ``exact`` visits."""
COARSE, FINE = 0.03, 1e-4
"""How precise radii are that other bounds improve, and others."""


@dataclass(frozen=True, eq=False)
class Proved:
    """Radii (n,), the name of the method behind each, and its evidence."""

    radii: FloatArray
    methods: list[str]
    trees: list[dict[str, Any]]


@dataclass(frozen=True, eq=False)
class Refined:
    """What branch and bound proved, None if nothing new, and the nearest witness."""

    radius: float
    proofs: list[dict[str, Any]] | None
    witness: Witness | None


class CircuitEngine:
    """Answers for a batch of points; bounds of all are found together, until a deadline."""

    def __init__(self, subject: Subject, request: Request, deadline: Deadline) -> None:
        self.request, self.circuit = request, subject.circuit
        values = self.circuit(request.points)
        self.labels = labels_of(request, values)
        self.margins = margins_of(values, self.labels)
        self.bounds = Margins(self.circuit, request.points, self.labels, request.norm, request.box)
        self.found = self._linear(deadline)
        self.witnesses = self._attacked(deadline)
        self.cells = self._most_cells()

    # -- all points -----------------------------------------------------------------------------------------------

    def _linear(self, deadline: Deadline) -> Proved:
        """The largest radii of the bounds that the method names, cheapest first."""
        n = len(self.margins)
        steps: list[Bounds] = ["interval"] if self.request.method == "interval" else ["interval", "planes", "slopes"]
        radii, which = np.zeros(n), np.full(n, -1)
        hopeful = np.flatnonzero(self.margins > 0)
        if self.request.asked is not None:
            for s, step in enumerate(steps):
                open_ = hopeful[which[hopeful] < 0]
                asked = np.full(len(open_), self.request.asked)
                done = open_[self.bounds.worst(open_, asked, step) > 0] if len(open_) else open_
                radii[done], which[done] = self.request.asked, s
        limit, first = self.request.asked or np.inf, radii
        for s, step in enumerate(steps):
            if s and deadline.passed:
                break
            open_ = hopeful[radii[hopeful] < limit]
            precision = FINE if step == steps[-1] else COARSE
            self._grown(open_, radii, which, steps, s, radii[open_], precision, deadline if s else Deadline(None))
            first = radii.copy() if s == 0 else first
        rest = hopeful[(radii[hopeful] <= (1 + 2 * COARSE) * first[hopeful]) & (radii[hopeful] < limit)]
        if len(steps) > 1 and len(rest):  # planes bring little there: as precise as intervals alone would be
            self._grown(rest, radii, which, steps, 0, np.zeros(len(rest)), FINE, Deadline(None))
        return self._evidence(radii, which, steps)

    def _grown(
        self,
        points: IntArray,
        radii: FloatArray,
        which: IntArray,
        steps: list[Bounds],
        s: int,
        proved: FloatArray,
        precision: float,
        deadline: Deadline,
    ) -> None:
        """Enlarge radii by the bounds of one step, from what is proved on, in place."""
        starts = np.where(proved > 0, proved, self._guess(points))
        ceiling = self.request.asked or CAP
        better = largest_radii(self.bounds, points, steps[s], proved, starts, ceiling, precision, deadline)
        gained = better > radii[points]
        radii[points[gained]], which[points[gained]] = better[gained], s

    def _attacked(self, deadline: Deadline) -> list[Witness | None]:
        """The nearest counterexamples of points whose radius is not what was asked for yet."""
        request, radii = self.request, self.found.radii
        found: list[Witness | None] = [None] * len(radii)
        target = Target(self.circuit, request.norm)
        still = np.zeros(self.circuit.input_size)
        for i in np.flatnonzero(self.margins <= 0).tolist():
            found[i] = confirmed(target, request.points[i], int(self.labels[i]), still, request.box)
        if request.method in ("interval", "linear"):
            return found
        open_ = np.flatnonzero((self.margins > 0) & (radii < (CAP if request.asked is None else request.asked)))
        if len(open_):
            starts = np.maximum(radii[open_], self._guess(open_))
            near = nearest_witnesses(
                target,
                request.points[open_],
                self.labels[open_],
                starts,
                request.box,
                seed=request.seed,
                deadline=deadline,
            )
            for i, witness in zip(open_.tolist(), near, strict=True):
                found[i] = witness
        return found

    def _guess(self, which: IntArray) -> FloatArray:
        """The radius at which the margin would be 0 if it were linear."""
        if not len(which):
            return np.empty(0)
        slopes = self.circuit.gradient(self.request.points[which]) * self.request.norm.scales(self.circuit.input_size)
        own = slopes[np.arange(len(which)), self.labels[which]]
        q = {1.0: np.inf, 2.0: 2.0, np.inf: 1.0}[self.request.norm.p]
        steep = np.linalg.norm(own[:, None] - slopes, ord=q, axis=2).max(axis=1)
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            guess = 0.5 * self.margins[which] / steep
        return np.where((guess > 0) & (guess < CAP), guess, 1.0)

    def _evidence(self, radii: FloatArray, which: IntArray, steps: list[Bounds]) -> Proved:
        trees: list[dict[str, Any]] = [{}] * len(radii)
        for s, step in enumerate(steps):
            chosen = np.flatnonzero((which == s) & (radii > 0))
            for part, found in self.bounds.batches(chosen, radii[chosen], step):
                for b, i in enumerate(chosen[part].tolist()):
                    if found.bound[b].min() > 0:
                        trees[i] = found.leaf(b)
                    else:
                        radii[i] = 0.0
        names = ["interval" if step == "interval" else "linear" for step in steps]
        return Proved(radii, [names[w] for w in which.tolist()], trees)

    def _most_cells(self) -> int:
        """How many cells of a point are visited: none where the circuit has more than maxima of affine maps."""
        linear = all(isinstance(n, Input | Affine | LogSumExp) for n in self.circuit.nodes)
        if not linear or self.circuit.temperatures not in ((), (0.0,)) or self.request.method == "branching":
            return 0
        if self.request.method == "exact":
            return MOST_CELLS
        return min(MOST_CELLS, FEW_NUMBERS // self._numbers)

    @property
    def _numbers(self) -> int:
        """How many numbers all entries of segments have as affine functions of the input."""
        entries = sum(int(n.segments[-1]) for n in self.circuit.nodes if isinstance(n, LogSumExp | Gibbs))
        return max(1, entries * self.circuit.input_size)

    # -- one point ------------------------------------------------------------------------------------------------

    def answer(self, i: int, deadline: Deadline) -> Answer:
        """The answer for one point: from the bounds of all, then from cells, then by branch and bound."""
        proofs = [{"rivals": self.bounds.rivals[i].tolist(), "tree": self.found.trees[i]}]
        radius, witness = float(self.found.radii[i]), self.witnesses[i]
        best = Answer(radius, witness, self.found.methods[i], _planes(proofs if radius > 0 else []))
        if self._decided(i, best) or self.request.method in ("interval", "linear"):
            return best
        if self.cells and not deadline.passed:
            best = self._by_cells(i, best, deadline)
            if self._decided(i, best) or (best.witness is not None and best.radius >= self._limit(best.witness)):
                return best
        refined = self._refine(i, best.radius, best.witness, deadline)
        if refined.proofs is None:
            return replace(best, witness=refined.witness)
        return Answer(refined.radius, refined.witness, "branching", _planes(refined.proofs))

    def _decided(self, i: int, answer: Answer) -> bool:
        goal, witness = self.request.asked or CAP, answer.witness
        return bool(
            answer.radius >= goal or self.margins[i] <= 0 or (witness is not None and witness.distance <= goal < CAP)
        )

    def _limit(self, witness: Witness | None) -> float:
        """The radius at which the gap to the counterexample is closed, or all that is asked about is proved."""
        limit = CAP if witness is None else witness.distance * (1 - self.request.gap)
        return min(limit, self.request.asked or CAP)

    def _by_cells(self, i: int, known: Answer, deadline: Deadline) -> Answer:
        """The better of what is known and what the nearest cells say, in half of the time that is left."""
        request = self.request
        half = None if deadline.seconds is None else 0.5 * (deadline.seconds - deadline.elapsed)
        found = nearest_boundary(
            self.circuit, request.points[i], int(self.labels[i]), request.norm, request.box, asked=request.asked,
            deadline=Deadline(None if half is None else max(half, 0.0)), gap=request.gap, most_cells=self.cells,
        )  # fmt: skip
        witness = known.witness
        if found.witness is not None and (witness is None or found.upper < witness.distance):
            witness = Witness(found.witness, found.upper, -1)
        if found.radius <= known.radius:
            return replace(known, witness=witness)
        return Answer(found.radius, witness, "cells", {"kind": "cells", **found.evidence})

    def _refine(self, i: int, radius: float, witness: Witness | None, deadline: Deadline) -> Refined:
        """Larger radii by branch and bound: up to the gap below the nearest counterexample, as far as means reach.

        The radius asked about, or without one radii between what is proved and that limit: closer ones after a failure,
        then all again with more parts. Without a time limit `PARTS` parts are bounded in all.
        """
        request, proofs = self.request, None
        left = min(PARTS, FEW_NUMBERS // self._numbers) if deadline.seconds is None else MOST_PARTS
        few, share = (left, 1.0) if request.asked is not None else (FEW_PARTS, 0.5)
        box = request.box
        whole = witness is None and request.asked is None and box is not None and box.bounded
        while left > 0 and not deadline.passed:
            limit = self._limit(witness)
            if radius >= limit:
                break
            trial = limit if whole else self._trial(i, radius, limit, share)
            found = prove(self.bounds, i, trial, deadline, min(few, left))
            left -= found.parts
            nearer = None if found.point is None else self._counterexample(i, found.point)
            if found.proofs is not None:
                radius, proofs = trial, found.proofs
            elif nearer is not None and (witness is None or nearer.distance < witness.distance):
                witness = nearer
            elif whole:
                whole = False
            elif share > SMALLEST_SHARE:
                share *= 0.5
            else:
                few, share = 4 * few, 0.5
            if request.asked is not None and (proofs is None or radius >= request.asked):
                break
        return Refined(radius, proofs, witness)

    def _trial(self, i: int, radius: float, limit: float, share: float) -> float:
        """A radius between what is proved and the limit."""
        if radius == 0:
            return min(limit, share * float(self._guess(np.array([i]))[0]))
        far = min(limit, 4 * radius)
        return far if share == 1.0 or far <= 1.05 * radius else radius + share * (far - radius)

    def _counterexample(self, i: int, point: FloatArray) -> Witness | None:
        """A witness near a point behind the boundary."""
        request, target = self.request, Target(self.circuit, self.request.norm)
        here, label = request.points[i : i + 1], self.labels[i : i + 1]
        shift = (point - here) / request.norm.scales(self.circuit.input_size)
        moved = polished(target, here, label, shift, request.box)
        return confirmed(target, here[0], int(label[0]), moved[0], request.box)


def _planes(proofs: list[dict[str, Any]]) -> dict[str, Any]:
    return {"kind": "planes", "proofs": proofs}

"""Radii of circuits of any depth: interval bounds, backward-substituted planes, and branch and bound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tropix.arrays import FloatArray, IntArray
from tropix.certify._attack import Witness
from tropix.certify._attack_circuits import Target, confirmed, nearest_witnesses
from tropix.certify._circuit_margins import Bounds, Margins
from tropix.certify._circuit_radii import largest_radii
from tropix.certify._engine import Answer, Request, labels_of, margins_of
from tropix.certify._heads import CAP
from tropix.certify._models import Subject
from tropix.circuits import Affine, Input, LogSumExp
from tropix.deadline import Deadline

CIRCUIT_METHODS = ("interval", "linear", "branching")
SHRINK = 1 - 1e-6
"""Where slopes of other nodes than ⊕_ε are rounded, radii are so much smaller than those that were bounded."""


@dataclass(frozen=True, eq=False)
class Proved:
    """Radii (n,), the name of the method behind each, and its evidence."""

    radii: FloatArray
    methods: list[str]
    trees: list[dict[str, Any]]


class CircuitEngine:
    """Answers for a batch of points; bounds of all are found together."""

    def __init__(self, subject: Subject, request: Request) -> None:
        self.request, self.circuit = request, subject.circuit
        values = self.circuit(request.points)
        self.labels = labels_of(request, values)
        self.margins = margins_of(values, self.labels)
        self.bounds = Margins(self.circuit, request.points, self.labels, request.norm, request.box)
        self.found = self._linear()
        self.witnesses = self._attacked()

    # -- all points -----------------------------------------------------------------------------------------------

    def _linear(self) -> Proved:
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
        for s, step in enumerate(steps):
            open_ = hopeful[radii[hopeful] < (self.request.asked or np.inf)]
            starts = np.where(radii[open_] > 0, radii[open_], self._guess(open_))
            better = largest_radii(self.bounds, open_, step, radii[open_], starts, self.request.asked or CAP)
            gained = better > radii[open_]
            radii[open_[gained]], which[open_[gained]] = better[gained], s
        if any(not isinstance(node, Input | Affine | LogSumExp) for node in self.circuit.nodes):
            radii = np.where(radii == self.request.asked, radii, radii * SHRINK)
        return self._evidence(radii, which, steps)

    def _attacked(self) -> list[Witness | None]:
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
                target, request.points[open_], self.labels[open_], starts, request.box, seed=request.seed
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

    # -- one point ------------------------------------------------------------------------------------------------

    def answer(self, i: int, deadline: Deadline) -> Answer:
        """The answer for one point."""
        radius, method = float(self.found.radii[i]), self.found.methods[i]
        witness = self.witnesses[i]
        proofs = [{"rivals": self.bounds.rivals[i].tolist(), "tree": self.found.trees[i]}] if radius > 0 else []
        return Answer(radius, witness, method, {"kind": "planes", "proofs": proofs})

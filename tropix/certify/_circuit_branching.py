"""A proof of one radius by parts: the ball is split until planes bound every margin in every part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tropix.arrays import FloatArray
from tropix.certify._branching import FEW_INPUTS
from tropix.certify._circuit_margins import STEPS, Found, Margins
from tropix.certify._planes_nodes import Differences
from tropix.certify._propagation_backward import Bounded, Halfspaces
from tropix.certify._propagation_balls import Balls
from tropix.certify._propagation_slopes import Optimised, optimised, planes_at
from tropix.circuits import LogSumExp
from tropix.deadline import Deadline

LARGEST_BATCH = 64
FLAT = 1e-7
"""Differences that vary by less are not split."""


@dataclass(eq=False)
class Part:
    """A box, the ties decided in it (node, winner, loser, level), and its place in the tree."""

    lower: FloatArray
    upper: FloatArray
    tree: dict[str, Any]
    ties: list[tuple[int, int, int, float]] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Outcome:
    """The proofs, if all was proved; else maybe a point (d,) of margin ≤ 0, in floats. ``parts`` were bounded."""

    proofs: list[dict[str, Any]] | None
    point: FloatArray | None
    parts: int


def prove(margins: Margins, i: int, radius: float, deadline: Deadline, budget: int) -> Outcome:
    """Prove a radius around point i with at most ``budget`` parts for all rivals.

    One set of planes where it suffices for a rival; else parts of its own: halves of the box where few inputs are free,
    else the sides of a difference within a segment, at the node whose plane misses most at the point where the bound is
    least. The side's halfspace counts by a multiplier.
    """
    which, radii = np.array([i]), np.array([radius])
    whole = margins.bounded(which, radii, "slopes")
    good = whole.bound[0] > 0
    proofs = []
    if good.any():
        proofs.append({"rivals": margins.rivals[i][good].tolist(), "tree": whole.leaf(0, np.flatnonzero(good))})
    done = 1
    for r in np.argsort(-whole.bound[0]).tolist():
        if good[r]:
            continue
        found = _Search(margins, i, int(margins.rivals[i, r]), radius).run(deadline, budget - done)
        done += found.parts
        if found.proofs is None:
            return Outcome(None, found.point, done)
        proofs += found.proofs
    return Outcome(proofs, None, done)


class _Search:
    """Parts of one ball that still have to be proved against one rival."""

    def __init__(self, margins: Margins, i: int, rival: int, radius: float) -> None:
        self.margins, self.i, self.rival = margins, i, rival
        self.propagation = margins.planes
        self.label = int(margins.labels[i])
        row = np.zeros((1, 1, margins.circuit.output_size))
        row[0, 0, self.label], row[0, 0, rival] = 1.0, -1.0
        self.rows = {margins.circuit.output: row}
        self.centre, self.radius = margins.points[i], radius
        lower, upper = self._balls(1).boxes(margins.box)
        self.tree: dict[str, Any] = {}
        self.stack = [Part(lower[0], upper[0], self.tree)]
        segmented = any(isinstance(margins.circuit.nodes[n], LogSumExp) for n in self.propagation.needed)
        self.by_ties = segmented and int((lower < upper).sum()) > FEW_INPUTS
        self.batch = int(min(LARGEST_BATCH, margins.batch))

    def _balls(self, count: int) -> Balls:
        return Balls(
            np.broadcast_to(self.centre, (count, len(self.centre))), np.full(count, self.radius), self.margins.norm
        )

    def run(self, deadline: Deadline, budget: int) -> Outcome:
        """Bound and split parts until none is left, the budget is spent or the time is over."""
        done = 0
        while self.stack:
            if deadline.passed or done + len(self.stack) > budget:
                return Outcome(None, None, done)
            parts, self.stack = self.stack[-self.batch :], self.stack[: -self.batch]
            done += len(parts)
            point = self._step(parts)
            if point is not None:
                return Outcome(None, point, done)
        return Outcome([{"rivals": [self.rival], "tree": self.tree}], None, done)

    def _step(self, parts: list[Part]) -> FloatArray | None:
        lower, upper = np.stack([p.lower for p in parts]), np.stack([p.upper for p in parts])
        balls = self._balls(len(parts))
        with np.errstate(over="ignore", invalid="ignore"):
            state, gaps = self.propagation.bounded(lower, upper, self._known(parts), balls)
            best = optimised(self.propagation, state, gaps, self.rows, self._halfspaces(parts), STEPS)
        found = Found(self.propagation, state, gaps, best.bound, np.full((len(parts), 1), self.rival), best)
        proved = (best.bound[:, 0] > 0) | state.empty | self._far(lower, upper)
        for b in np.flatnonzero(proved).tolist():
            parts[b].tree.update(self._leaf(found, parts[b], b))
        left = np.flatnonzero(~proved)
        if not len(left):
            return None
        lowest = state.lowest(best.forms)[left, 0]
        values = self.margins.circuit(lowest)
        behind = values[:, self.label] - values[:, self.rival]
        if behind.min() <= 0:
            return np.asarray(lowest[int(behind.argmin())])
        ties = self._ties(state, gaps, best) if self.by_ties else {}
        for b in left.tolist():
            self._split(parts[b], ties.get(b), np.abs(best.forms.slopes[b, 0]) * (upper[b] - lower[b]))
        return None

    def _far(self, lower: FloatArray, upper: FloatArray) -> np.ndarray:
        """Whether no point of a box lies in the ball, beyond doubt."""
        scales = self.margins.norm.scales(len(self.centre))
        nearest = np.maximum(np.maximum(lower - self.centre, self.centre - upper), 0.0) / scales
        return np.asarray(np.linalg.norm(nearest, ord=self.margins.norm.p, axis=1) > self.radius * (1 + 1e-9))

    def _leaf(self, found: Found, part: Part, b: int) -> dict[str, Any]:
        leaf = found.leaf(b)
        assert found.best is not None
        for node, multipliers in found.best.multipliers.items():
            chosen = [multipliers[h, 0] for h in np.flatnonzero(self._held[node].box == b)]
            if any(chosen):
                own = leaf.setdefault("rivals", {}).setdefault(str(self.rival), {})
                own.setdefault("ties", {})[str(node)] = [float(v) for v in chosen]
        return leaf

    # -- ties -----------------------------------------------------------------------------------------------------

    def _known(self, parts: list[Part]) -> dict[int, Differences]:
        """What decided ties say about differences within segments; nothing else, since leaves are proved alone."""
        known: dict[int, Differences] = {}
        for b, part in enumerate(parts):
            for node, winner, loser, level in part.ties:
                layout, source = self.propagation.layouts[node], self.margins.circuit.nodes[node]
                if node not in known:
                    shape = len(parts), *layout.present.shape
                    pivots = np.broadcast_to(layout.widths - 1, shape[:2]).copy()
                    known[node] = Differences(np.full(shape, -np.inf), np.full(shape, np.inf), pivots)
                table, k = known[node], int(layout.owner[winner])
                first, second = winner - int(layout.segments[k]), loser - int(layout.segments[k])
                assert isinstance(source, LogSumExp)
                if source.eps == 0.0 and layout.present.shape[1] > 2:
                    table.lower[b, k, second] = table.upper[b, k, second] = -np.inf
                    continue
                pivot = int(table.pivot[b, k])
                if source.eps > 0.0 and pivot not in (first, second):
                    table.lower[b, k], table.upper[b, k] = -np.inf, np.inf
                    pivot = table.pivot[b, k] = second
                if pivot == second:
                    table.lower[b, k, first] = max(table.lower[b, k, first], level)
                else:
                    table.upper[b, k, second] = min(table.upper[b, k, second], -level)
        return known

    def _halfspaces(self, parts: list[Part]) -> Mapping[int, Halfspaces]:
        """The decided ties by node, in the order in which they were decided."""
        rows: dict[int, list[tuple[int, int, int, float]]] = {}
        for b, part in enumerate(parts):
            for node, winner, loser, level in part.ties:
                rows.setdefault(node, []).append((b, winner, loser, level))
        self._held = {}
        for node, held in rows.items():
            table = np.array([row[:3] for row in held], dtype=np.int64)
            levels = np.array([row[3] for row in held])
            self._held[node] = Halfspaces(table[:, 0], table[:, 1], table[:, 2], levels)
        return self._held

    def _ties(
        self, state: Bounded, gaps: Mapping[int, Differences], best: Optimised
    ) -> dict[int, tuple[int, int, int, float]]:
        """For each part the difference to split: that of the node whose plane misses most where the bound is least."""
        from tropix.kernels import segment_log_sum_exp

        record: dict[int, FloatArray] = {}
        self.propagation.forms(state, self.rows, None, None, record)
        values = planes_at(self.propagation, state.planes, record, state.lowest(best.forms))
        top = np.zeros(len(state.lower))
        found: dict[int, tuple[int, int, int, float]] = {}
        for i, table in gaps.items():
            node, layout = self.margins.circuit.nodes[i], self.propagation.layouts[i]
            if not isinstance(node, LogSumExp) or i not in record:
                continue
            inner = values[node.source][:, 0]
            alive = table.upper > -np.inf
            masked = np.where(layout.flat(alive), inner, -1e300)
            true = segment_log_sum_exp(np.ascontiguousarray(masked.T), node.segments, node.eps).T
            row = np.broadcast_to(record[i], (len(state.lower), 1, node.size))[:, 0]
            with np.errstate(invalid="ignore"):
                spread = np.where(alive, table.upper - table.lower, 0.0)
            missing = np.abs(row * (true - values[i][:, 0]))
            missing = np.where((alive.sum(axis=2) > 1) & (spread.max(axis=2) > FLAT), missing, 0.0)
            for b in np.flatnonzero(missing.max(axis=1) > top).tolist():
                k = int(missing[b].argmax())
                top[b] = missing[b, k]
                found[b] = self._tie(i, k, table, b, masked[b], node.eps)
        return found

    def _tie(
        self, i: int, k: int, table: Differences, b: int, values: FloatArray, eps: float
    ) -> tuple[int, int, int, float]:
        layout = self.propagation.layouts[i]
        start = int(layout.segments[k])
        if eps == 0.0:
            width = int(layout.widths[k])
            alive = np.where(table.upper[b, k, :width] > -np.inf, values[start : start + width], -np.inf)
            first, second = np.argsort(-alive, kind="stable")[:2].tolist()
            return i, start + first, start + second, 0.0
        low, high = (end[b, k, : layout.widths[k]] for end in (table.lower, table.upper))
        entry = int((high - low).argmax())
        cut = 0.5 * float(low[entry] + high[entry])
        if low[entry] < 0 < high[entry] and min(-low[entry], high[entry]) > 0.2 * (high[entry] - low[entry]):
            cut = 0.0
        return i, start + entry, start + int(table.pivot[b, k]), cut

    def _split(self, part: Part, tie: tuple[int, int, int, float] | None, score: FloatArray) -> None:
        children: list[dict[str, Any]] = [{}, {}]
        if tie is not None:
            node, first, second, level = tie
            part.tree.update({"tie": [node, first, second], "at": level, "parts": children})
            sides = (node, first, second, level), (node, second, first, -level)
            for child, side in zip(children, sides, strict=True):
                self.stack.append(Part(part.lower, part.upper, child, [*part.ties, side]))
            return
        middle = 0.5 * (part.lower + part.upper)
        axis = int(np.where((middle > part.lower) & (middle < part.upper), score + 1e-300, -1.0).argmax())
        at = float(middle[axis])
        part.tree.update({"input": axis, "at": at, "parts": children})
        ends = part.upper.copy(), part.lower.copy()
        ends[0][axis] = ends[1][axis] = at
        self.stack.append(Part(part.lower, ends[0], children[0], part.ties))
        self.stack.append(Part(ends[1], part.upper, children[1], part.ties))

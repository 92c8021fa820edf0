"""Lower bounds of the margins of a circuit on balls around many points, and the evidence that they leave."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from tropix.arrays import FloatArray, IntArray
from tropix.boxes import Box
from tropix.certify._norms import Norm
from tropix.certify._planes import Layout
from tropix.certify._planes_nodes import Differences
from tropix.certify._propagation import Propagation
from tropix.certify._propagation_backward import Bounded
from tropix.certify._propagation_balls import Balls
from tropix.certify._propagation_slopes import Optimised, optimised
from tropix.circuits import Circuit, Gibbs, LogSumExp, Pointwise, Product

GRID = 2.0**20
"""Slopes at ⊕_ε are multiples of 1/GRID, and written as integers."""
STEPS = 12
BATCH_VALUES = 2_000_000
MOST_POINTS = 256
"""So many floats the rows of one layer may have; so many points are bounded at once."""
Bounds: TypeAlias = Literal["interval", "planes", "slopes"]


@dataclass(frozen=True, eq=False)
class Found:
    """What bounds of a batch rest on: bounds (B, R) of the margins against rivals (B, R)."""

    propagation: Propagation
    state: Bounded
    gaps: Mapping[int, Differences]
    bound: FloatArray
    rivals: IntArray
    best: Optimised | None = None

    def leaf(self, b: int, ranks: IntArray | None = None) -> dict[str, Any]:
        """The evidence of one element of the batch, for all rivals or some."""
        if self.propagation.flat:
            flat = {str(i): {"pivot": places} for i in self.gaps if (places := self._pivots(i, b))}
            leaf: dict[str, Any] = {"nodes": flat} if flat else {}
            return leaf
        chosen = range(self.rivals.shape[1]) if ranks is None else ranks.tolist()
        nodes = {str(i): node_slopes(self.propagation, self.state, i, b) for i in self.state.whole}
        for i in self.gaps:
            if pivots := self._pivots(i, b):
                nodes[str(i)]["pivot"] = pivots
        leaf = {"nodes": nodes}
        if self.best is not None:
            own = {str(self.rivals[b, r]): self._own(b, int(r), nodes) for r in chosen}
            leaf["rivals"] = {k: value for k, value in own.items() if value}
        return leaf

    def _pivots(self, i: int, b: int) -> list[int]:
        """The entries that others of their segments are compared to, unless the last ones."""
        widths, pivots = self.propagation.layouts[i].widths, self.gaps[i].pivot[b]
        return [] if (pivots == widths - 1).all() else pivots.tolist()

    def _own(self, b: int, r: int, nodes: dict[str, Any]) -> dict[str, Any]:
        assert self.best is not None
        below = {}
        for i, weights in self.best.weights.items():
            numbers = numerators(self.propagation.layouts[i], weights[b, r])
            if numbers != nodes[str(i)]["below"]:
                below[str(i)] = numbers
        return {"below": below} if below else {}


class Margins:
    """The margins of a circuit's points with their labels, bounded on balls in a box."""

    def __init__(self, circuit: Circuit, points: FloatArray, labels: IntArray, norm: Norm, box: Box | None) -> None:
        self.circuit, self.points, self.labels, self.norm, self.box = circuit, points, labels, norm, box
        self.planes = Propagation(circuit, grid=GRID)
        self.flat = Propagation(circuit, flat=True)
        count = circuit.output_size
        table = np.array([[k for k in range(count) if k != c] for c in range(count)])
        self.rivals = table[labels]
        widest = max(node.size for node in circuit.nodes)
        self.batch = int(max(1, min(MOST_POINTS, BATCH_VALUES // (2 * widest * widest))))

    def rows(self, which: IntArray) -> dict[int, FloatArray]:
        """The rows F_c − F_k for all rivals of some points."""
        rivals = self.rivals[which]
        rows = np.zeros((*rivals.shape, self.circuit.output_size))
        rows[np.arange(len(which)), :, self.labels[which]] = 1.0
        np.put_along_axis(rows, rivals[..., None], -1.0, axis=2)
        return {self.circuit.output: rows}

    def batches(self, which: IntArray, radii: FloatArray, method: Bounds) -> Iterator[tuple[slice, Found]]:
        """Bounds on the balls of radii (n,) around points ``which`` (n,), batch by batch."""
        for start in range(0, len(which), self.batch):
            part = slice(start, start + self.batch)
            yield part, self.bounded(which[part], radii[part], method)

    def bounded(self, which: IntArray, radii: FloatArray, method: Bounds) -> Found:
        """Bounds on balls; ``planes`` as they are first made, ``slopes`` with those of the margins improved."""
        balls = Balls(self.points[which], radii, self.norm)
        propagation = self.flat if method == "interval" else self.planes
        with np.errstate(over="ignore", invalid="ignore"):
            state, gaps = propagation.bounded(*balls.boxes(self.box), balls=balls)
            rows = self.rows(which)
            if method == "slopes":
                best = optimised(propagation, state, gaps, rows, {}, STEPS)
                return Found(propagation, state, gaps, best.bound, self.rivals[which], best)
            bound = state.least(propagation.forms(state, rows))
        return Found(propagation, state, gaps, bound, self.rivals[which])

    def worst(self, which: IntArray, radii: FloatArray, method: Bounds) -> FloatArray:
        """The least bound of each point, (n,)."""
        found = np.empty(len(which))
        for part, bounds in self.batches(which, radii, method):
            found[part] = bounds.bound.min(axis=1)
        return found


def numerators(layout: Layout, slopes: FloatArray) -> list[int]:
    """Slopes (M,) of entries as multiples of 1/GRID, without the last of each segment."""
    numbers = np.rint(slopes * GRID).astype(np.int64)
    return [int(v) for v in np.delete(numbers, layout.segments[1:] - 1)]


def node_slopes(propagation: Propagation, state: Bounded, i: int, b: int) -> dict[str, Any]:
    """What names the planes of a node on an element of a batch."""
    node, planes = propagation.circuit.nodes[i], state.whole[i]
    if isinstance(node, LogSumExp):
        layout, tap = propagation.layouts[i], planes.taps[0]
        found: dict[str, Any] = {
            "below": numerators(layout, tap.lower[b, 0]), "above": numerators(layout, tap.upper[b, 0])
        }  # fmt: skip
        return found
    if isinstance(node, Product):
        pairs = [[tap.lower[b, 0], tap.upper[b, 0]] for tap in planes.taps]
        return {
            side: np.stack([pair[n] for pair in pairs], axis=1).tolist() for n, side in enumerate(("below", "above"))
        }
    assert isinstance(node, Gibbs | Pointwise)
    if not planes.taps:
        zero = [0.0] * node.size
        return {"below": zero, "above": zero}
    return {"below": planes.taps[0].lower[b, 0].tolist(), "above": planes.taps[0].upper[b, 0].tolist()}

"""Max-affine and ReLU circuits as mixed-integer constraints with certified big-M."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tropix.boxes import Box, BoxLike, Polyhedron
from tropix.circuits import Affine, Circuit, Input
from tropix.circuits import LogSumExp as LogSumExpNode
from tropix.circuits._matrices import dense
from tropix.errors import InvalidInput, Unsupported


@dataclass(frozen=True, eq=False)
class MixedInteger:
    """The graph {(x, F(x)) : x ∈ box} as mixed-integer linear ``constraints`` of cvxpy.

    ``x`` (d,) is the variable of the input, ``output`` (m,) an affine expression equal to F(x) wherever the constraints
    hold. ``binaries`` counts the 0-1 variables, ``largest`` is the largest big-M.
    """

    x: Any
    output: Any
    constraints: tuple[Any, ...]
    binaries: int
    largest: float


def mixed_integer(circuit: Circuit, box: BoxLike) -> MixedInteger:
    """The exact formulation of a circuit of affine maps and maxima (all ε = 0) on a bounded box.

    A maximum v = max_j z_j becomes v ≥ z_j, v ≤ z_j + M_j (1 − δ_j), Σ δ_j = 1, δ binary, with
    M_j = max_{k≠j} upper_k − lower_j from `Circuit.bounds` (outward-rounded interval arithmetic, so that no x of the
    box is cut off). Entries that another one always exceeds are left out; where one is left, no binary is needed. Solve
    with ``solver=cvxpy.HIGHS`` or another mixed-integer solver.

    Raises `InvalidInput` for an unbounded box, `Unsupported` for other nodes or temperatures above 0.
    Source: Tjeng, Xiao and Tedrake, *Evaluating robustness of neural networks with mixed integer programming* (2019).
    """
    import cvxpy

    domain = Box.of(box, circuit.input_size)
    if not domain.bounded:
        raise InvalidInput("the box is unbounded: big-M needs finite bounds")
    intervals = circuit.bounds(Box(domain.lower, domain.upper))
    x = cvxpy.Variable(circuit.input_size, name="x")
    constraints: list[Any] = [x >= domain.lower, x <= domain.upper]
    if isinstance(domain, Polyhedron):
        constraints.append(domain.weights @ x <= domain.bounds)
    values: list[Any] = []
    binaries, largest = 0, 0.0
    for node, name in zip(circuit.nodes, circuit.names, strict=True):
        if isinstance(node, Input):
            values.append(x)
        elif isinstance(node, Affine):
            total: Any = cvxpy.Constant(node.bias)
            for term in node.terms:
                total = total + dense(term.matrix) @ values[term.source]
            values.append(total)
        elif isinstance(node, LogSumExpNode) and (node.eps == 0.0 or (node.widths == 1).all()):
            interval = intervals[node.source]
            table = _Maxima(node, values[node.source], interval.lower, interval.upper)
            values.append(table.build(constraints, name))
            binaries, largest = binaries + table.binaries, max(largest, table.largest)
        else:
            raise Unsupported(
                f"node {name!r} ({type(node).__name__}) is not piecewise linear: take circuit.limit() for maxima"
            )
    return MixedInteger(x, values[circuit.output], tuple(constraints), binaries, largest)


class _Maxima:
    """The maxima of one node."""

    def __init__(self, node: LogSumExpNode, entries: Any, lower: Any, upper: Any) -> None:
        self.node, self.entries, self.lower, self.upper = node, entries, lower, upper
        self.binaries, self.largest = 0, 0.0

    def build(self, constraints: list[Any], name: str) -> Any:
        """Add the constraints; the values of the maxima."""
        import cvxpy

        starts, owner = self.node.segments[:-1], np.repeat(np.arange(self.node.size), self.node.widths)
        floor = np.maximum.reduceat(self.lower, starts)[owner]
        leader = np.array(
            [s + int(np.argmax(self.lower[s:e])) for s, e in zip(starts, self.node.segments[1:], strict=True)]
        )
        alive = self.upper > floor
        alive[leader] = True
        several = np.bincount(owner[alive], minlength=self.node.size) > 1
        kept = np.flatnonzero(alive & several[owner])
        # rows without a choice read their only entry
        read = np.zeros((self.node.size, len(owner)))
        read[np.flatnonzero(~several), leader[~several]] = 1.0
        if not len(kept):
            return read @ self.entries
        chosen, place = np.unique(owner[kept], return_inverse=True)
        value = cvxpy.Variable(len(chosen), name=f"{name}.max")
        delta = cvxpy.Variable(len(kept), name=f"{name}.active", boolean=True)
        pick = np.zeros((len(kept), len(owner)))
        pick[np.arange(len(kept)), kept] = 1.0
        spread = np.zeros((len(kept), len(chosen)))
        spread[np.arange(len(kept)), place] = 1.0
        candidates = pick @ self.entries
        big = np.nextafter(self._rivals(kept, place, len(chosen)) - self.lower[kept], np.inf)
        constraints += [
            spread @ value >= candidates,
            spread @ value <= candidates + cvxpy.multiply(big, 1 - delta),
            spread.T @ delta == 1,
        ]
        self.binaries, self.largest = len(kept), float(big.max())
        scatter = np.zeros((self.node.size, len(chosen)))
        scatter[chosen, np.arange(len(chosen))] = 1.0
        return read @ self.entries + scatter @ value

    def _rivals(self, kept: Any, place: Any, count: int) -> Any:
        """For each entry that may lead, the largest upper end among the others of its segment."""
        result = np.empty(len(kept))
        for group in range(count):
            rows = np.flatnonzero(place == group)
            tops = self.upper[kept[rows]]
            for row, own in zip(rows.tolist(), range(len(rows)), strict=True):
                result[row] = np.delete(tops, own).max()
        return result

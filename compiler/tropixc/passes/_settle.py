"""On a box, maxima whose winner is certain become affine, and pieces that cannot win are dropped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from tropix.arrays import BoolArray, FloatArray, IntArray
from tropix.boxes import Box
from tropix.circuits import Affine, Circuit, CircuitBuilder, Interval, LogSumExp, Node, affine_interval
from tropixc.passes._dominated import kept_pieces
from tropixc.passes._pass import rewrite

UNIT = 2.0**-53
"""Unit roundoff of float64."""


@dataclass(frozen=True, eq=False)
class SettleOnBox:
    """Bounds propagation: drop each piece of ⊕_0 that is nowhere on the box larger than the most promising one.

    Sound intervals, rounded outwards and valid at every temperature scale, bound the difference of two pieces over the
    box. A segment with one piece left is that piece: a stable ReLU becomes affine. The result equals the circuit on the
    box alone.
    """

    box: Box

    @np.errstate(over="ignore", invalid="ignore")  # NaN is no bound, and settles nothing
    def __call__(self, circuit: Circuit) -> Circuit:
        """Apply the pass."""
        bounds = circuit.bounds(self.box, every_temperature=True)

        def rule(builder: CircuitBuilder, old: int, node: Node) -> int:
            before = circuit.nodes[old]
            if not isinstance(node, LogSumExp) or not isinstance(before, LogSumExp) or node.eps > 0.0:
                return builder.add(node, circuit.names[old])
            keep = _can_win(circuit, before, bounds)
            if keep.all():
                return builder.add(node, circuit.names[old])
            return kept_pieces(builder, node, keep, circuit.names[old])

        return rewrite(circuit, rule)


def _can_win(circuit: Circuit, node: LogSumExp, bounds: tuple[Interval, ...]) -> BoolArray:
    """Pieces that may be larger than the piece of their segment with the largest lower bound."""
    inner = bounds[node.source]
    leader = _leaders(node, inner)
    source = circuit.nodes[node.source]
    loses = inner.upper <= inner.lower[leader]
    if isinstance(source, Affine):
        loses |= _difference(source, leader, bounds) <= 0
    loses[leader] = False
    return ~loses


def _difference(source: Affine, leader: IntArray, bounds: tuple[Interval, ...]) -> FloatArray:
    """Upper bounds, over the box, of each component minus its leader; NaN where there is none."""
    count = source.size
    spread = sp.csr_array((np.ones(count), (np.arange(count), leader)), shape=(count, count))
    upper = source.bias - source.bias[leader]
    size = np.abs(upper)
    for term in source.terms:
        matrix = sp.csr_array(term.matrix)
        difference = sp.csr_array(matrix - spread @ matrix)
        part = affine_interval(difference, bounds[term.source])
        # each weight of the difference is rounded once: by at most a unit of itself
        rounding = affine_interval(abs(difference), _magnitude(bounds[term.source]))
        upper = upper + part.upper
        size = size + np.abs(part.upper) + rounding.upper
    return np.asarray(upper + size * (2 * (len(source.terms) + 4) * UNIT))


def _magnitude(interval: Interval) -> Interval:
    size = np.maximum(np.abs(interval.lower), np.abs(interval.upper))
    return Interval(size, size)


def _leaders(node: LogSumExp, inner: Interval) -> IntArray:
    """For each entry, the entry of its segment with the largest lower bound (then the largest upper bound)."""
    segment = np.repeat(np.arange(node.size), node.widths)
    order = np.lexsort((-inner.upper, -inner.lower, segment))
    return np.asarray(np.repeat(order[node.segments[:-1]], node.widths), dtype=np.int64)

"""Pieces of a maximum that never win alone are dropped."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy.sparse as sp

from tropix.arrays import BoolArray, IntArray
from tropix.boxes import Box
from tropix.circuits import Affine, Circuit, CircuitBuilder, Input, LogSumExp, Node
from tropix.exact import Rationals
from tropix.polynomials import TropicalPolynomial
from tropixc.passes._common import piece_numbers
from tropixc.passes._pass import heavy, rewrite
from tropixc.passes._rows import Columns, numbered_rows


@dataclass(frozen=True, eq=False)
class DropDominated:
    """Drop duplicate and dominated pieces of ⊕_0, on ℝ^d or on a box.

    Dropped are: pieces that differ from another by a constant ≤ 0; of three and more pieces that are affine in x, those
    that exact pruning finds superfluous (`TropicalPolynomial.prune`), in nodes of at most ``limit`` pieces and segments
    of at most ``work`` exact numbers; minima over more pieces inside a maximum that holds a minimum over fewer of
    them, and the other way round. At ε > 0 every piece counts, so nothing is dropped.
    """

    box: Box | None = None
    limit: int = 2000
    work: int = 1000

    def __call__(self, circuit: Circuit) -> Circuit:
        """Apply the pass."""

        def rule(builder: CircuitBuilder, old: int, node: Node) -> int:
            if not isinstance(node, LogSumExp) or node.eps > 0.0 or not (node.widths > 1).any():
                return builder.add(node, circuit.names[old])
            if heavy(builder.node(node.source)):
                return builder.add(node, circuit.names[old])
            keep = _distinct(builder, node)
            keep = _absorbed(builder, node, keep)
            keep = self._undominated(builder, node, keep)
            if keep.all():
                return builder.add(node, circuit.names[old])
            return kept_pieces(builder, node, keep, circuit.names[old])

        return rewrite(circuit, rule)

    def _undominated(self, builder: CircuitBuilder, node: LogSumExp, keep: BoolArray) -> BoolArray:
        """Pieces that exact pruning keeps, where they are affine in x."""
        inner = builder.node(node.source)
        kept = np.add.reduceat(keep.astype(np.int64), node.segments[:-1])
        small = node.segments[-1] <= self.limit
        if not small or (kept < 3).all() or not isinstance(inner, Affine):
            return keep
        if not all(isinstance(builder.node(source), Input) for source in inner.sources):
            return keep
        rows = _exact_rows(inner, builder.size(0))
        result = keep.copy()
        for (start, stop), count in zip(pairwise(node.segments), kept, strict=True):
            chosen = start + np.flatnonzero(keep[start:stop])
            if count >= 3 and count * (builder.size(0) + 1) <= self.work:
                polynomial = TropicalPolynomial.from_rationals(rows[chosen])
                result[chosen] = False
                result[chosen[list(polynomial.pruning(self.box).kept)]] = True
        return result


def _exact_rows(node: Affine, inputs: int) -> Rationals:
    """An affine function of the input alone as rows (weights, constant)."""
    weights = Rationals.of(np.zeros((node.size, inputs)))
    for term in node.terms:
        weights = weights + Rationals.of(sp.csr_array(term.matrix).toarray())
    return Rationals.concatenate([weights, Rationals.of(node.bias[:, None])], axis=1)


def kept_pieces(builder: CircuitBuilder, node: LogSumExp, keep: BoolArray, name: str) -> int:
    """The node with some of its pieces alone."""
    rows = np.flatnonzero(keep)
    count = len(rows)
    selection = sp.csr_array((np.ones(count), (np.arange(count), rows)), shape=(count, len(keep)))
    source = builder.affine([(node.source, selection)], np.zeros(count), f"{name}/kept")
    counts = np.add.reduceat(keep.astype(np.int64), node.segments[:-1])
    return builder.log_sum_exp(source, 0.0, np.concatenate([[0], np.cumsum(counts)]), name)


def _distinct(builder: CircuitBuilder, node: LogSumExp) -> BoolArray:
    """Of pieces with one linear part in a segment, the first with the largest constant."""
    inner = builder.node(node.source)
    segment = np.repeat(np.arange(node.size), node.widths)
    if isinstance(inner, Affine):
        rows = Columns(builder, [inner]).rows(inner)
        linear, constant = numbered_rows(sp.csr_array(rows[:, : rows.shape[1] - 1])), inner.bias
    else:
        linear, constant = np.arange(len(segment)), np.zeros(len(segment))
    order = np.lexsort((np.arange(len(segment)), -constant, linear, segment))
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = (np.diff(segment[order]) != 0) | (np.diff(linear[order]) != 0)
    keep = np.zeros(len(order), dtype=np.bool_)
    keep[order[first]] = True
    return keep


def _absorbed(builder: CircuitBuilder, node: LogSumExp, keep: BoolArray) -> BoolArray:
    """Lattice absorption: max(min(a), min(a, b)) = min(a), max(max(a), max(a, b)) = max(a, b), piece by piece."""
    inner = builder.node(node.source)
    if not isinstance(inner, Affine) or inner.bias.any() or len(inner.terms) != 1:
        return keep
    below = builder.node(inner.terms[0].source)
    matrix = sp.csr_array(inner.terms[0].matrix)
    if not isinstance(below, LogSumExp) or below.eps > 0.0 or (np.diff(matrix.indptr) != 1).any():
        return keep
    if (np.abs(matrix.data) != 1).any():
        return keep
    numbers = piece_numbers(builder, below.source)
    sets = [frozenset(part.tolist()) for part in np.split(numbers, below.segments[1:-1])]
    result = keep.copy()
    for start, stop in pairwise(node.segments):
        held = start + np.flatnonzero(keep[start:stop])
        members = [(sets[matrix.indices[i]], bool(matrix.data[i] > 0)) for i in held]
        result[held[_superfluous(members)]] = False
    return result


LARGEST_COMPARISON = 500


def _superfluous(members: list[tuple[frozenset[int], bool]]) -> IntArray:
    """Positions of maxima whose pieces another maximum holds, and of minima that hold another minimum's pieces."""
    dropped: list[int] = []
    if len(members) > LARGEST_COMPARISON:
        return np.array(dropped, dtype=np.int64)
    for i, (own, is_maximum) in enumerate(members):
        for j, (other, same) in enumerate(members):
            if i == j or is_maximum != same or j in dropped:
                continue
            if (own <= other) if is_maximum else (other <= own):
                dropped.append(i)
                break
    return np.array(dropped, dtype=np.int64)

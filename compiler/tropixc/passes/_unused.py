"""Components that no output depends on are dropped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from tropix.arrays import BoolArray, IntArray
from tropix.circuits import Affine, Circuit, CircuitBuilder, Gibbs, Input, LogSumExp, Node, Pointwise, Product, Term


@dataclass(frozen=True)
class DropUnused:
    """Dead code: remove rows, segments and entries that are never read. All inputs and outputs stay."""

    def __call__(self, circuit: Circuit) -> Circuit:
        """Apply the pass."""
        needed = _needed(circuit)
        if all(mask.all() for mask in needed):
            return circuit
        builder = CircuitBuilder(circuit.input_size, circuit.names[0])
        place: dict[int, int] = {0: 0}
        for i, node in enumerate(circuit.nodes):
            if not isinstance(node, Input) and needed[i].any():
                place[i] = builder.add(_reduced(builder, node, i, needed, place), circuit.names[i])
        return builder.build(place[circuit.output])


def _needed(circuit: Circuit) -> list[BoolArray]:
    """For each node, which components some output depends on."""
    needed = [np.zeros(node.size, dtype=np.bool_) for node in circuit.nodes]
    needed[0][:] = True
    needed[circuit.output][:] = True
    for i in range(circuit.output, 0, -1):
        node = circuit.nodes[i]
        if not needed[i].any():
            continue
        if isinstance(node, Affine):
            for term in node.terms:
                rows = sp.csr_array(term.matrix)[np.flatnonzero(needed[i])]
                needed[term.source][rows.indices] = True
        else:
            for source in node.sources:
                needed[source] |= _entries(node, needed[i])
    return needed


def _entries(node: Node, mask: BoolArray) -> BoolArray:
    """The entries of the source that the marked components of a node read."""
    if isinstance(node, LogSumExp):
        return np.repeat(mask, node.widths)
    if isinstance(node, Gibbs):
        return np.repeat(np.logical_or.reduceat(mask, node.segments[:-1]), node.widths)
    return mask


def _reduced(builder: CircuitBuilder, node: Node, old: int, needed: list[BoolArray], place: dict[int, int]) -> Node:
    """The node with its needed components alone, reading the reduced sources."""
    mask = needed[old]
    if isinstance(node, Affine):
        rows = np.flatnonzero(mask)
        terms = []
        for term in node.terms:
            if needed[term.source].any() and term.source in place:
                matrix = term.matrix[rows][:, np.flatnonzero(needed[term.source])]
                terms.append(Term(place[term.source], matrix))
        return Affine(tuple(terms), node.bias[rows])
    wanted = _entries(node, mask)
    sources = [_selected(builder, place[source], needed[source], wanted) for source in node.sources]
    if isinstance(node, LogSumExp):
        segments = np.concatenate([[0], np.cumsum(node.widths[mask])])
        return LogSumExp(sources[0], node.eps, segments)
    if isinstance(node, Gibbs):
        whole = np.logical_or.reduceat(mask, node.segments[:-1])
        # a Gibbs node keeps whole segments: its own unread entries stay
        needed[old] = wanted
        return Gibbs(sources[0], node.eps, np.concatenate([[0], np.cumsum(node.widths[whole])]))
    if isinstance(node, Product):
        return Product(sources[0], sources[1], int(mask.sum()))
    assert isinstance(node, Pointwise)
    return Pointwise(sources[0], node.function, int(mask.sum()))


def _selected(builder: CircuitBuilder, source: int, held: BoolArray, wanted: BoolArray) -> int:
    """The wanted entries of a node of which the held ones are left."""
    if (held == wanted).all():
        return source
    columns: IntArray = np.cumsum(held)[wanted] - 1
    count = len(columns)
    selection = sp.csr_array((np.ones(count), (np.arange(count), columns)), shape=(count, builder.size(source)))
    return builder.affine([(source, selection)], np.zeros(count))

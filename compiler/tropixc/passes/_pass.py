"""What every pass is, and the walk that most of them share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import scipy.sparse as sp

from tropix.arrays import IntArray
from tropix.circuits import Affine, Circuit, CircuitBuilder, Gibbs, Input, LogSumExp, Node

Rewrite = Callable[[CircuitBuilder, int, Node], int]

HEAVY_WEIGHTS = 3_000_000
HEAVY_PIECES = 1_000_000
"""Nodes with more weights or components than this stay as they are: passes need several times their memory."""


class Pass(Protocol):
    """A semantics-preserving rewrite of circuits."""

    def __call__(self, circuit: Circuit) -> Circuit:
        """The rewritten circuit: the same function of x at every temperature scale."""
        ...


def rewrite(circuit: Circuit, rule: Rewrite) -> Circuit:
    """Rebuild a circuit: ``rule(builder, old position, node with renamed sources)`` returns the new position.

    Heavy nodes are copied without asking the rule. Where nothing changes, the circuit itself is returned.
    """
    builder = CircuitBuilder(circuit.input_size, circuit.names[0])
    place: dict[int, int] = {0: 0}
    changed = False
    for i, node in enumerate(circuit.nodes):
        if not isinstance(node, Input):
            read = node.reading(place)
            place[i] = builder.add(read, circuit.names[i]) if heavy(read) else rule(builder, i, read)
            changed = changed or place[i] != i or builder.node(i) is not read
    return builder.build(place[circuit.output]) if changed else circuit


def heavy(node: Node) -> bool:
    """Whether a node is too large for passes that build new matrices from its own."""
    if isinstance(node, Affine):
        weights = sum(t.matrix.size if isinstance(t.matrix, np.ndarray) else t.matrix.nnz for t in node.terms)
        return weights > HEAVY_WEIGHTS or node.size > HEAVY_PIECES
    return isinstance(node, LogSumExp | Gibbs) and int(node.segments[-1]) > HEAVY_PIECES


def use_counts(circuit: Circuit) -> list[int]:
    """How often each node is read; the output counts as read once more."""
    counts = [0] * len(circuit.nodes)
    counts[circuit.output] = 1
    for node in circuit.nodes:
        for source in node.sources:
            counts[source] += 1
    return counts


def component_uses(circuit: Circuit) -> list[IntArray]:
    """For each node, how often each of its components is read; the output is read once more."""
    counts = [np.zeros(node.size, dtype=np.int64) for node in circuit.nodes]
    counts[circuit.output] += 1
    for node in circuit.nodes:
        if isinstance(node, Affine):
            for term in node.terms:
                columns = sp.csr_array(term.matrix).indices
                counts[term.source] += np.bincount(columns, minlength=len(counts[term.source]))
        else:
            for source in node.sources:
                counts[source] += 1
    return counts

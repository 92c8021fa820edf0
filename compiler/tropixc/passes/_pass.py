"""What every pass is, and the walk that most of them share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tropix.circuits import Circuit, CircuitBuilder, Input, Node

Rewrite = Callable[[CircuitBuilder, int, Node], int]


class Pass(Protocol):
    """A semantics-preserving rewrite of circuits."""

    def __call__(self, circuit: Circuit) -> Circuit:
        """The rewritten circuit: the same function of x at every temperature scale."""
        ...


def rewrite(circuit: Circuit, rule: Rewrite) -> Circuit:
    """Rebuild a circuit: ``rule(builder, old position, node with renamed sources)`` returns the new position."""
    builder = CircuitBuilder(circuit.input_size, circuit.names[0])
    place: dict[int, int] = {0: 0}
    for i, node in enumerate(circuit.nodes):
        if not isinstance(node, Input):
            place[i] = rule(builder, i, node.reading(place))
    return builder.build(place[circuit.output])


def use_counts(circuit: Circuit) -> list[int]:
    """How often each node is read; the output counts as read once more."""
    counts = [0] * len(circuit.nodes)
    counts[circuit.output] = 1
    for node in circuit.nodes:
        for source in node.sources:
            counts[source] += 1
    return counts

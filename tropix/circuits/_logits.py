"""The logits of a classifier: what is in front of its softmax."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropix.circuits._nodes import Affine, Gibbs
from tropix.errors import Unsupported

if TYPE_CHECKING:
    from tropix.circuits._circuit import Circuit


def logits(circuit: Circuit) -> Circuit:
    """See `Circuit.logits`."""
    needed = {circuit.output}
    for position in range(circuit.output, -1, -1):
        if position in needed:
            needed.update(circuit.nodes[position].sources)
    weights = [position for position in needed if isinstance(circuit.nodes[position], Gibbs)]
    if not weights:
        return circuit
    last = max(weights)
    apart = {position for position in needed if position != last and not _passes(circuit, position, last)}
    if circuit.output in apart:
        raise _refusal(circuit, last, "the output also depends on values that do not go through it")
    behind = [position for position in needed if position > last and position not in apart]
    other = next((position for position in behind if not isinstance(circuit.nodes[position], Affine)), None)
    if other is not None:
        raise _refusal(circuit, last, f"{circuit.names[other]!r} behind it is not affine")
    source = circuit.nodes[last].sources[0]
    return type(circuit)(circuit.nodes[: source + 1], source, circuit.names[: source + 1])


def _passes(circuit: Circuit, position: int, gate: int) -> bool:
    """Whether every path from the input to a node goes through another."""
    free = {0}
    for node in range(1, position + 1):
        if node != gate and free.intersection(circuit.nodes[node].sources):
            free.add(node)
    return position not in free


def _refusal(circuit: Circuit, gate: int, reason: str) -> Unsupported:
    return Unsupported(
        f"softmax node {circuit.names[gate]!r} is not the last step of the model: {reason}. "
        "Cut the model in front of what is to be studied, for instance by naming a graph output"
    )

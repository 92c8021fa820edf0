"""Which nodes of a circuit its output depends on."""

from __future__ import annotations

from tropix.circuits import Circuit


def needed(circuit: Circuit) -> list[int]:
    """Positions of the nodes other than the input that the output depends on, in order."""
    found = {circuit.output}
    for i in range(circuit.output, 0, -1):
        if i in found:
            found.update(circuit.nodes[i].sources)
    return sorted(found - {0})

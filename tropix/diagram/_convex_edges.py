"""The edges to the conjugates for convex outputs of any depth."""

from __future__ import annotations

from tropix.arrays import FloatArray
from tropix.circuits import Circuit
from tropix.diagram._rows import Edge, Row


def convex_rows(
    circuit: Circuit,
    k: int,
    heat: float,
    points: FloatArray,
    values: FloatArray,
    limits: FloatArray,
    errors: FloatArray,
    solves: int,
    edges: frozenset[Edge],
) -> list[Row]:
    """The rows of one output of a deep circuit, at its values (n,) and those of its limit."""
    from tropix.diagram._layer_edges import not_applicable

    flags = circuit.curvature_flags[circuit.output]
    if not flags.convex[k]:
        reason = (
            "it is concave: take its negative" if flags.concave[k] else "it is not convex by the signs of its weights"
        )
        return [not_applicable(edge, f"output {k}", heat, reason) for edge in Edge if edge in edges]
    return []

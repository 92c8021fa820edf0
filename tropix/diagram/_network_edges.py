"""The edges of the diagram for a whole network: its outputs, and where those are deep its layers one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tropix.arrays import FloatArray
from tropix.boxes import Box
from tropix.circuits import Circuit, Gibbs, Layer, Pointwise, Product, layers, single_layer
from tropix.circuits import LogSumExp as LogSumExpNode
from tropix.diagram._comparison import COLD, compared, not_applicable
from tropix.diagram._convex_edges import convex_rows
from tropix.diagram._errors import UNIT
from tropix.diagram._layer_edges import LayerSubject, layer_rows
from tropix.diagram._rows import Edge, Row, worst_row
from tropix.errors import Unsupported
from tropix.polynomials import LogSumExp

UNITS = 16
"""Units of a layer that are checked one by one; of larger layers so many, spread evenly."""
POTENTIAL = (Edge.HOPF_COLE, Edge.EQUATION, Edge.VISCOSITY, Edge.HOPF_LAX, Edge.SQUARE)
"""Edges to the solutions of Hamilton–Jacobi equations."""
CONVEX = (Edge.FENCHEL, Edge.CONJUGATE_LIMIT, Edge.TROPICAL_FENCHEL)
"""Edges to the conjugates."""


@dataclass(frozen=True, eq=False)
class NetworkSample:
    """A circuit at one heat, its values at points (n, d), and those of its limit, with bounds of rounding."""

    circuit: Circuit
    heat: float
    points: FloatArray
    box: Box | None
    t: float
    solves: int
    values: list[FloatArray]
    limits: FloatArray
    errors: FloatArray

    @classmethod
    def of(
        cls, circuit: Circuit, heat: float, points: FloatArray, box: Box | None, t: float, solves: int
    ) -> NetworkSample:
        """Evaluate the circuit and its limit."""
        limit = circuit.limit()
        errors = circuit.rounding_bound(points, UNIT) + limit.rounding_bound(points, UNIT)
        return cls(circuit, heat, points, box, t, solves, circuit.values(points), limit(points), errors)

    def output(self, k: int) -> FloatArray:
        """The values (n,) of one output."""
        return np.asarray(self.values[self.circuit.output][:, k])


def network_rows(
    circuit: Circuit, heat: float, points: FloatArray, box: Box | None, t: float, solves: int, edges: frozenset[Edge]
) -> list[Row]:
    """The rows of all edges asked for: for outputs that are single layers, for the others, for layers below."""
    sample = NetworkSample.of(circuit, heat, points, box, t, solves)
    single: list[LayerSubject] = []
    deep: list[tuple[int, str]] = []
    for k in range(circuit.output_size):
        try:
            f = single_layer(circuit, k)
        except Unsupported as reason:
            deep.append((k, str(reason)))
            continue
        single.append(_output_subject(sample, k, f))
    rows: list[Row] = []
    if single:
        rows += _gathered([layer_rows(subject, edges) for subject in single], _count(len(single), "output"))
    if deep:
        rows += _gathered(
            [_deep_rows(sample, k, reason, edges) for k, reason in deep], _count(len(deep), "deep output")
        )
        for layer in layers(circuit):
            rows += _layer(sample, layer, edges)
    return rows


def _count(number: int, what: str) -> str:
    return f"the {what}" if number == 1 else f"{number} {what}s"


def _gathered(tables: Sequence[list[Row]], subject: str) -> list[Row]:
    """Edge by edge the worst of the rows of several subjects."""
    by_edge: dict[Edge, list[Row]] = {}
    for table in tables:
        for row in table:
            by_edge.setdefault(row.edge, []).append(row)
    return [worst_row(by_edge[edge], subject) for edge in Edge if edge in by_edge]


def _output_subject(sample: NetworkSample, k: int, f: LogSumExp) -> LayerSubject:
    return LayerSubject(
        f"output {k}", f, sample.heat, sample.points, sample.output(k), sample.limits[:, k], sample.errors[:, k],
        sample.t, sample.box, sample.solves,
    )  # fmt: skip


def _layer(sample: NetworkSample, layer: Layer, edges: frozenset[Edge]) -> list[Row]:
    """The rows of a log-sum-exp layer as a function of what it reads, at the values that reach it."""
    node = sample.circuit.nodes[layer.node]
    assert isinstance(node, LogSumExpNode)
    inputs, entries = layer.points(sample.values), sample.values[node.source]
    limits = np.maximum.reduceat(entries, node.segments[:-1], axis=1)
    units = layer.units
    chosen = np.unique(np.linspace(0, len(units) - 1, min(UNITS, len(units))).round().astype(int))
    tables = []
    for place in chosen.tolist():
        k, f, columns = int(units[place]), layer.functions[place], layer.columns[place]
        if not len(columns):
            continue  # a constant
        errors = _local_rounding(f, inputs[:, columns])
        subject = LayerSubject(
            f"unit {k}", f, sample.heat, inputs[:, columns], sample.values[layer.node][:, k], limits[:, k], errors,
            sample.t, None, sample.solves,
        )  # fmt: skip
        tables.append(layer_rows(subject, edges))
    if not tables:
        return []
    shown = f"{len(units)}" if len(chosen) == len(units) else f"{len(chosen)} of {len(units)}"
    return _gathered(tables, f"layer {layer.name} ({shown} units)")


def _local_rounding(f: LogSumExp, points: FloatArray) -> FloatArray:
    """How far the node's own arithmetic may be from f at the floats that it reads, (n,)."""
    size = np.abs(points) @ np.abs(f.weights).T + np.abs(f.bias)
    steps = 4 * f.dimension + 32
    return np.asarray(2 * UNIT * (steps * size.max(axis=1) + f.eps * (len(f.bias) + 40)))


def _deep_rows(sample: NetworkSample, k: int, reason: str, edges: frozenset[Edge]) -> list[Row]:
    """The rows of an output that is more than one layer."""
    name, rows = f"output {k}", []
    if Edge.LIMIT in edges:
        rows.append(_deformation(sample, k))
    rows += [not_applicable(edge, name, sample.heat, reason) for edge in POTENTIAL if edge in edges]
    few = slice(0, sample.solves)
    return rows + convex_rows(
        sample.circuit, k, sample.heat, sample.points[few], sample.output(k)[few], sample.limits[few, k],
        sample.errors[few, k], frozenset(CONVEX) & edges,
    )  # fmt: skip


def _deformation(sample: NetworkSample, k: int) -> Row:
    """The gap to the limit against δ(ε), the bound that is carried through the layers."""
    circuit, name = sample.circuit, f"output {k}"
    if not any(circuit.temperatures):
        reason = COLD
        if any(isinstance(node, Product | Pointwise) for node in circuit.nodes):
            reason = _structural(circuit, "it has no temperature to lower")
        return not_applicable(Edge.LIMIT, name, sample.heat, reason)
    deviation = circuit.deviations[circuit.output]
    below, above = float(deviation.below[k]), float(deviation.above[k])
    if not np.isfinite([below, above]).all():
        return not_applicable(Edge.LIMIT, name, sample.heat, _structural(circuit))
    return compared(
        Edge.LIMIT, name, sample.heat, sample.output(k) - sample.limits[:, k], -below, above, sample.errors[:, k],
        "the network", "the network with maxima", sample.points,
    )  # fmt: skip


def _structural(circuit: Circuit, why: str = "it has no bound on its deformation") -> str:
    for node, name in zip(circuit.nodes, circuit.names, strict=True):
        if isinstance(node, Product | Gibbs | Pointwise):
            kind = node.function if isinstance(node, Pointwise) else type(node).__name__.lower()
            return f"node {name!r} ({kind}) makes the network structural: {why}"
    return "no bound on its deformation is known"

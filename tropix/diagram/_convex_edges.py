"""The edges to the conjugates for convex outputs of any depth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tropix.arrays import FloatArray
from tropix.circuits import Circuit
from tropix.diagram._comparison import COLD, compared, not_applicable, tried
from tropix.diagram._rows import Edge, Row

SOLVER = 1e-6
"""Accuracy asked of a conic solver on a deep network, relative to the sizes of its values."""


@dataclass(frozen=True, eq=False)
class ConvexSubject:
    """One convex output of a circuit, as a circuit of its own, with its values and those of its limit at points."""

    name: str
    circuit: Circuit
    heat: float
    points: FloatArray
    values: FloatArray
    limits: FloatArray
    errors: FloatArray


def convex_rows(
    circuit: Circuit,
    k: int,
    heat: float,
    points: FloatArray,
    values: FloatArray,
    limits: FloatArray,
    errors: FloatArray,
    edges: frozenset[Edge],
) -> list[Row]:
    """The rows of one output of a deep circuit at points (n, d), with its values (n,) and those of its limit."""
    name, flags = f"output {k}", circuit.curvature_flags[circuit.output]
    wanted = [edge for edge in Edge if edge in edges]
    if not flags.convex[k]:
        concave = bool(flags.concave[k])
        reason = "it is concave: take its negative" if concave else "it is not convex by the signs of its weights"
        if not flags.exact:
            reason = "the network is structural (softmax weights, products or pointwise functions): not proved convex"
        return [not_applicable(edge, name, heat, reason) for edge in wanted]
    subject = ConvexSubject(name, circuit.select([k]), heat, points, values, limits, errors)
    checks = {Edge.FENCHEL: _fenchel, Edge.CONJUGATE_LIMIT: _limit, Edge.TROPICAL_FENCHEL: _tropical}
    rows = []
    for edge in wanted:
        if edge is not Edge.TROPICAL_FENCHEL and not any(circuit.temperatures):
            rows.append(not_applicable(edge, name, heat, COLD))
        else:
            rows.append(tried(edge, name, heat, checks[edge], subject))
    return rows


def _scale(subject: ConvexSubject, values: FloatArray) -> float:
    return float(1.0 + np.abs(subject.values).max(initial=0.0) + np.abs(values).max(initial=0.0))


def _fenchel(subject: ConvexSubject) -> Row:
    from tropix.convex import conjugate

    slopes = subject.circuit.gradient(subject.points)[:, 0]
    solved = conjugate(subject.circuit, slopes)
    difference = solved.value + subject.values - (subject.points * slopes).sum(axis=1)
    return compared(
        Edge.FENCHEL, subject.name, subject.heat, difference, 0.0, 0.0,
        SOLVER * _scale(subject, solved.value) + subject.errors, "the conic program of the network", "the network",
        subject.points,
    )  # fmt: skip


def _limit(subject: ConvexSubject) -> Row:
    from tropix.convex import conjugate

    slopes = subject.circuit.gradient(subject.points)[:, 0]
    deviation = subject.circuit.deviations[subject.circuit.output]
    smooth, sharp = conjugate(subject.circuit, slopes), conjugate(subject.circuit.limit(), slopes)
    inside = np.isfinite(sharp.value)  # a slope of f_ε may lie outside the hull by rounding
    difference = np.asarray(smooth.value - sharp.value)[inside]
    if not len(difference):
        return not_applicable(Edge.CONJUGATE_LIMIT, subject.name, subject.heat, "no slope is inside the domain of f_0*")
    return compared(
        Edge.CONJUGATE_LIMIT, subject.name, subject.heat, difference, -float(deviation.above[0]),
        float(deviation.below[0]), 2 * SOLVER * _scale(subject, sharp.value[inside]),
        "the conic program of the network", "the linear program of the network with maxima", slopes[inside],
    )  # fmt: skip


def _tropical(subject: ConvexSubject) -> Row:
    from tropix.convex import conjugate

    limit = subject.circuit.limit()
    slopes = limit.gradient(subject.points)[:, 0]
    solved = conjugate(limit, slopes)
    difference = solved.value + subject.limits - (subject.points * slopes).sum(axis=1)
    return compared(
        Edge.TROPICAL_FENCHEL, subject.name, subject.heat, difference, 0.0, 0.0,
        SOLVER * _scale(subject, solved.value) + subject.errors, "the linear program of the network with maxima",
        "the network with maxima", subject.points,
    )  # fmt: skip

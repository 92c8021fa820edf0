"""Values of a circuit at a rational point: rationals where every node has them, else Arb balls."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import flint

from tropix.certify._check_balls import Ball, ball, column, gibbs, log_sum_exp
from tropix.certify._check_curves import FUNCTIONS
from tropix.circuits import Affine, Circuit, Gibbs, Input, LogSumExp, Node, Product
from tropix.circuits._matrices import dense
from tropix.errors import Unsupported
from tropix.exact import Rationals


def circuit_values(circuit: Circuit, point: Rationals) -> list[Any]:
    """F(x) at a point (d,): rationals where every node has rational values, else enclosures."""
    try:
        return [flint.fmpq(v.numerator, v.denominator) for v in circuit.exact(point[None, :]).fractions()[0].tolist()]
    except Unsupported:
        values: list[list[Ball]] = []
        for node in circuit.nodes[: circuit.output + 1]:
            values.append(
                [ball(v) for v in point.fractions().tolist()] if isinstance(node, Input) else _enclosed(node, values)
            )
        return values[circuit.output]


def _enclosed(node: Node, values: list[list[Ball]]) -> list[Ball]:
    if isinstance(node, Affine):
        total = flint.arb_mat(node.size, 1, node.bias.tolist())
        for term in node.terms:
            total = total + flint.arb_mat(dense(term.matrix).tolist()) * column(values[term.source])
        return list(total.entries())
    if isinstance(node, LogSumExp | Gibbs):
        source, eps = values[node.source], flint.arb(node.eps)
        parts = [source[a:b] for a, b in pairwise(node.segments.tolist())]
        if isinstance(node, LogSumExp):
            return [log_sum_exp(part, eps) for part in parts]
        return [gibbs(part, i, eps) for part in parts for i in range(len(part))]
    if isinstance(node, Product):
        return [a * b for a, b in zip(values[node.left], values[node.right], strict=True)]
    assert not isinstance(node, Input)
    return [FUNCTIONS[node.function](v) for v in values[node.source]]

"""Values of a circuit at a rational point, and extremes of curves: rationals where there are any, else Arb balls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import flint
import numpy as np

from tropix.circuits import Affine, Circuit, Gibbs, Input, LogSumExp, Node, Product
from tropix.circuits._matrices import dense
from tropix.errors import Unsupported
from tropix.exact import Rationals

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "erf": lambda x: x.erf(),
    "exp": lambda x: x.exp(),
    "log": lambda x: x.log(),
    "sqrt": lambda x: x.sqrt(),
    "reciprocal": lambda x: 1 / x,
}


def circuit_values(circuit: Circuit, point: Rationals) -> list[Any]:
    """F(x) at a point (d,): rationals where every node has rational values, else enclosures."""
    try:
        return [flint.fmpq(v.numerator, v.denominator) for v in circuit.exact(point[None, :]).fractions()[0].tolist()]
    except Unsupported:
        values: list[list[Any]] = []
        for i, node in enumerate(circuit.nodes[: circuit.output + 1]):
            found = _inputs(point) if isinstance(node, Input) else _enclosed(circuit, i, node, values)
            values.append(found)
        return values[circuit.output]


def _inputs(point: Rationals) -> list[Any]:
    return [flint.arb(flint.fmpq(v.numerator, v.denominator)) for v in point.fractions().tolist()]


def _enclosed(circuit: Circuit, i: int, node: Node, values: list[list[Any]]) -> list[Any]:
    if isinstance(node, Affine):
        total = flint.arb_mat(node.size, 1, node.bias.tolist())
        for term in node.terms:
            matrix = flint.arb_mat(dense(term.matrix).tolist())
            total = total + matrix * flint.arb_mat(len(values[term.source]), 1, values[term.source])
        return list(total.entries())
    if isinstance(node, LogSumExp | Gibbs):
        source, ends = values[node.source], node.segments.tolist()
        parts = [source[a:b] for a, b in pairwise(ends)]
        if isinstance(node, LogSumExp):
            return [log_sum_exp(part, flint.arb(node.eps)) for part in parts]
        return [weight for part in parts for weight in gibbs(part, flint.arb(node.eps))]
    if isinstance(node, Product):
        return [a * b for a, b in zip(values[node.left], values[node.right], strict=True)]
    assert not isinstance(node, Input)
    return [FUNCTIONS[node.function](v) for v in values[node.source]]


def largest(values: Sequence[Any]) -> Any:
    """An enclosure of the maximum."""
    best = values[0]
    for value in values[1:]:
        best = best.max(value)
    return best


def log_sum_exp(values: Sequence[Any], eps: Any) -> Any:
    """⊕_ε of balls."""
    top = largest(values)
    if len(values) == 1 or eps == 0:
        return top
    top = top.mid()
    total = flint.arb(0)
    for value in values:
        total += ((value - top) / eps).exp()
    return top + eps * total.log()


def gibbs(values: Sequence[Any], eps: Any) -> list[Any]:
    """Gibbs weights of balls; at ε = 0 of a tie that the balls leave open, anything from 0 to 1."""
    if len(values) == 1:
        return [flint.arb(1)]
    if eps == 0:
        found = []
        for i, value in enumerate(values):
            others = [v for j, v in enumerate(values) if j != i]
            first, behind = all(value > v for v in others), any(value < v for v in others)
            found.append(flint.arb(1) if first else flint.arb(0) if behind else flint.arb(0.5, 0.5))
        return found
    return [1 / sum((((v - value) / eps).exp() for v in values), flint.arb(0)) for value in values]


def excess_ends(curve: str | Any, low: Any, high: Any, slope: Any) -> tuple[Any, Any]:
    """The least and largest value of f(x) − kx for low ≤ x ≤ high, outwards: at the ends, or where f′ = k.

    The curve is the name of a `Pointwise` function or, for 1/(1 + e^{−x/ε}), the ball ε.
    """

    def value(x: Any) -> Any:
        return (FUNCTIONS[curve](x) if isinstance(curve, str) else 1 / (1 + (-x / curve).exp())) - slope * x

    if curve == "reciprocal" and not (low > 0 or high < 0):
        return flint.arb.neg_inf(), flint.arb.pos_inf()
    found = [value(low), value(high)]
    found += [value(point) for point in _touching(curve, slope) if not (point < low or point > high)]
    return -largest([-v for v in found]), largest(found)


def _touching(curve: str | Any, k: Any) -> list[Any]:
    """Where the derivative is k."""
    if not isinstance(curve, str):
        if not k > 0 or 4 * k * curve > 1:
            return []
        root = (1 - 4 * k * curve).nonnegative_part().sqrt()
        point = curve * (((1 + root) / 2) ** 2 / (k * curve)).log()
        return [point, -point]
    if curve == "reciprocal":
        return [side / (-k).sqrt() for side in (1, -1)] if k < 0 else []
    if not k > 0:
        return []
    if curve == "erf":
        height = -(k * flint.arb.pi().sqrt() / 2).log()
        return [side * height.nonnegative_part().sqrt() for side in (1, -1)] if not height < 0 else []
    return [{"exp": lambda: k.log(), "log": lambda: 1 / k, "sqrt": lambda: 1 / (4 * k * k)}[curve]()]


def float_of(ball: Any) -> float:
    """About the value of a ball."""
    return float(ball.mid())


def exact_parts(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Midpoints and radii of an array of balls, both exact balls."""
    return _MID(values), _RAD(values)


_MID = np.frompyfunc(lambda ball: ball.mid(), 1, 1)
_RAD = np.frompyfunc(lambda ball: ball.rad(), 1, 1)

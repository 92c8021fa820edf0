"""VNN-LIB 2.0, parsed and checked by the `vnnlib` package; only its syntax tree is read here."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from tropix.certify._vnnlib import Formula, Junction, Linear, Property, compared, number, property_of
from tropix.errors import FormatError, Unsupported

_SIGNS = {
    "LessEqual": "<=", "GreaterEqual": ">=", "LessThan": "<", "GreaterThan": ">", "Equal": "==", "NotEqual": "!=",
}  # fmt: skip


def parse_second(text: str) -> Property:
    """Read a property of version 2.0 about one network; its inputs (and outputs) follow one another as declared."""
    query = parsed(text)
    network = query.networks[0]
    places: dict[str, tuple[str, int]] = {}
    totals = {"X": 0, "Y": 0}
    for kind, definitions in (("X", network.inputs), ("Y", network.outputs)):
        for definition in definitions:
            places[definition.name] = (kind, totals[kind])
            totals[kind] += math.prod(definition.shape)
    return property_of(totals["X"], totals["Y"], [_formula(a.expr, places) for a in query.assertions])


def parsed(text: str) -> Any:
    """The syntax tree of a query about one network without hidden values."""
    try:
        import vnnlib
    except ImportError:
        raise Unsupported(
            "the property is written in VNN-LIB 2.0, which is read by the package 'vnnlib': install it, "
            "or write the property in VNN-LIB 1.0"
        ) from None
    try:
        query = vnnlib.parse_query_string(text)
    except vnnlib.VNNLibException as error:
        raise FormatError(f"the text is not VNN-LIB 2.0: {error}") from None
    if len(query.networks) != 1:
        raise Unsupported(f"the property is about {len(query.networks)} networks: one is supported")
    if getattr(query.networks[0], "hidden", None):
        raise Unsupported("the property names hidden values: inputs and outputs are supported")
    return query


def _formula(node: Any, places: dict[str, tuple[str, int]]) -> Formula:
    kind = type(node).__name__
    if kind in ("And", "Or"):
        return Junction(tuple(_formula(part, places) for part in node.args), kind == "And")
    if kind not in _SIGNS:
        raise Unsupported(f"the property holds {kind}: comparisons, and, or are supported")
    return compared(_SIGNS[kind], _linear(node.lhs, places), _linear(node.rhs, places))


def _linear(node: Any, places: dict[str, tuple[str, int]]) -> Linear:
    kind = type(node).__name__
    if kind == "Var":
        if node.name not in places:
            raise Unsupported(f"the property names {node.name}, which is neither input nor output")
        side, start = places[node.name]
        position = 0
        for index, length in zip(node.indices, node.shape, strict=True):
            position = position * length + index
        return Linear({(side, start + position): Fraction(1)}, Fraction(0))
    if kind == "Negate":
        return Linear({}, Fraction(0)).plus(_linear(node.expr, places), Fraction(-1))
    if kind in ("Plus", "Multiply"):
        parts = [_linear(part, places) for part in node.args]
        total = parts[0]
        for part in parts[1:]:
            total = total.plus(part, Fraction(1)) if kind == "Plus" else total.times(part)
        return total
    if kind == "Minus":
        total = _linear(node.head, places)
        for part in node.rest:
            total = total.plus(_linear(part, places), Fraction(-1))
        return total
    if hasattr(node, "lexeme"):
        return Linear({}, number(node.lexeme))
    raise Unsupported(f"the property holds {kind}: linear terms are supported")

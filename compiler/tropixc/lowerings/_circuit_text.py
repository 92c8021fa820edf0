"""Circuit → text: one line a node, one line a row of an affine map, every number exact."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from tropix.arrays import FloatArray, IntArray
from tropix.circuits import Affine, Circuit, Gibbs, Input, LogSumExp, Matrix, Node, Pointwise, Product
from tropix.errors import Unsupported

HEADER = "tropix circuit"
VERSION = 1
MAX_NUMBERS = 20_000_000
"""Largest number of dense matrix entries, biases and segment offsets in a text, so that reading it stays bounded."""
MAX_INPUTS = 1 << 24
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def circuit_to_text(circuit: Circuit) -> str:
    """The circuit as text that people read and that `circuit_from_text` reads back as the identical circuit.

    A node that has a unique name of letters, digits and underscores is referred to by it, any other as ``#position``.
    Zero weights are left out. Raises `Unsupported` for circuits too large to be read back.

    >>> from tropix.circuits import CircuitBuilder
    >>> builder = CircuitBuilder(2, "x")
    >>> z = builder.affine([(0, [[2.0, 0.0], [1.0, -1.0]])], [0.5, 0.0], "z")
    >>> print(circuit_to_text(builder.build(builder.log_sum_exp(z, 0.0, [0, 2], "h"))))
    tropix circuit 1
    x = input 2
    z = affine 2: dense x
      2*x[0] + 0.5
      x[0] - x[1]
    h = max z [1 x 2]
    output h
    <BLANKLINE>
    """
    numbers = sum(_held_numbers(node) for node in circuit.nodes)
    if numbers > MAX_NUMBERS or circuit.input_size > MAX_INPUTS:
        raise Unsupported(
            f"the circuit holds {numbers} numbers and has {circuit.input_size} inputs: "
            f"at most {MAX_NUMBERS} and {MAX_INPUTS} are written as text"
        )
    lines = [f"{HEADER} {VERSION}"]
    labels = _labels(circuit.names)
    for position, (node, name) in enumerate(zip(circuit.nodes, circuit.names, strict=True)):
        given = f"#{position} {_quoted(name)}" if labels[position].startswith("#") else name
        lines.append(f"{given} = {_node(node, labels)}")
        if isinstance(node, Affine):
            lines.extend(f"  {row}" for row in _rows(node, labels))
    lines.append(f"output {labels[circuit.output]}")
    return "\n".join(lines) + "\n"


def _held_numbers(node: Node) -> int:
    """How many numbers reading the node allocates, whether the text spells them out or not."""
    if isinstance(node, Affine):
        dense = (term.matrix.size for term in node.terms if isinstance(term.matrix, np.ndarray))
        return node.size * (1 + len(node.terms)) + sum(dense)
    return len(node.segments) if isinstance(node, LogSumExp | Gibbs) else 0


def _quoted(name: str) -> str:
    r"""The name in double quotes, all but plain printable characters as \u{hex}."""
    escaped = (c if c.isprintable() and c not in '"\\' else f"\\u{{{ord(c):x}}}" for c in name)
    return f'"{"".join(escaped)}"'


def _labels(names: tuple[str, ...]) -> list[str]:
    count = Counter(names)
    return [
        name if count[name] == 1 and PLAIN.fullmatch(name) else f"#{position}" for position, name in enumerate(names)
    ]


def _node(node: Node, labels: list[str]) -> str:
    match node:
        case Input():
            return f"input {node.size}"
        case Affine():
            kinds = (
                f"{'dense' if isinstance(term.matrix, np.ndarray) else 'sparse'} {labels[term.source]}"
                for term in node.terms
            )
            return f"affine {node.size}" + (f": {', '.join(kinds)}" if node.terms else "")
        case LogSumExp() if node.eps == 0.0:
            return f"max {labels[node.source]} {_segments(node.segments)}"
        case LogSumExp() | Gibbs():
            kind = "lse" if isinstance(node, LogSumExp) else "gibbs"
            return f"{kind} {labels[node.source]} eps {_number(node.eps)} {_segments(node.segments)}"
        case Product():
            return f"product {labels[node.left]} {labels[node.right]}"
        case Pointwise():
            return f"{node.function} {labels[node.source]}"


def _segments(offsets: IntArray) -> str:
    """``[2 x 3]`` for two segments of three, else ``[0:2 2:3]``."""
    widths = np.diff(offsets)
    if (widths == widths[0]).all():
        return f"[{len(widths)} x {widths[0]}]"
    return f"[{' '.join(f'{low}:{high}' for low, high in pairwise(offsets))}]"


def _rows(node: Affine, labels: list[str]) -> Iterator[str]:
    count = Counter(node.sources)
    names = [labels[s] + (f".{k}" if count[s] > 1 else "") for k, s in enumerate(node.sources)]
    for i, bias in enumerate(node.bias.tolist()):
        text = ""
        for name, term in zip(names, node.terms, strict=True):
            columns, weights = _entries(term.matrix, i)
            for column, weight in zip(columns.tolist(), weights.tolist(), strict=True):
                size = "" if abs(weight) == 1.0 else f"{_number(abs(weight))}*"
                text += _signed(weight, f"{size}{name}[{column}]", not text)
        if bias or not text:
            text += _signed(bias, _number(abs(bias)), not text)
        yield text


def _entries(matrix: Matrix, row: int) -> tuple[IntArray, FloatArray]:
    """Columns, ascending, and values of the nonzero entries of a row."""
    if isinstance(matrix, np.ndarray):
        columns = np.flatnonzero(matrix[row])
        return columns, matrix[row, columns]
    part = slice(matrix.indptr[row], matrix.indptr[row + 1])
    return matrix.indices[part], matrix.data[part]


def _signed(value: float, text: str, first: bool) -> str:
    sign = "-" if value < 0 else "+"
    return (sign if value < 0 else "") + text if first else f" {sign} {text}"


def _number(value: float) -> str:
    return repr(value).removesuffix(".0")

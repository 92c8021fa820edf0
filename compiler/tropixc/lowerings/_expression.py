"""A circuit's output as nested maxima, minima, log-sum-exps and sums over affine leaves."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import scipy.sparse as sp

from tropix.circuits import Affine, Circuit, Gibbs, LogSumExp, Pointwise, Product
from tropix.errors import InvalidInput, Unsupported
from tropix.polynomials.text import joined, number, variables
from tropixc.lowerings._affine_rows import AffineRows
from tropixc.passes import component_uses

MAX_CHARACTERS = 2_000_000
"""Longest expression that is written."""


@dataclass(frozen=True)
class Expression:
    """One output: its value over named leaves (distinct affine functions of x) and named shared parts.

    ``str`` of it lists the value, then the shared parts, then the leaves, one a line.
    """

    output: int
    value: str
    shared: dict[str, str]
    leaves: dict[str, str]

    def __str__(self) -> str:
        lines = [f"f{self.output} = {self.value}"]
        lines += [f"{name} = {text}" for name, text in (*self.shared.items(), *self.leaves.items())]
        return "\n".join(lines)


def to_expression(circuit: Circuit, output: int = 0) -> Expression:
    """An output as text such as ``max(min(a0, a1), a2)`` over affine leaves a0, a1, …; numbers are exact.

    −max(−p, −q) is written min(p, q). Parts that are read more than once are named t0, t1, …. Exact for the circuit as
    it is; at temperatures > 0 a join is written ``lse[eps](…)``. Raises `Unsupported` for expressions of more than two
    million characters.
    """
    if not 0 <= output < circuit.output_size:
        raise InvalidInput(f"output {output}: the model has outputs 0 to {circuit.output_size - 1}")
    writer = _Writer(circuit)
    value = writer.part(circuit.output, output, 1)
    return Expression(output, value, writer.shared, {name: text for text, name in writer.leaves.items()})


class _Writer:
    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit
        self.rows = AffineRows(circuit)
        self.symbols = variables(circuit.input_size)
        self.uses = component_uses(circuit)
        self.leaves: dict[str, str] = {}
        self.shared: dict[str, str] = {}
        self.named: dict[tuple[int, int], str] = {}
        self.written = 0

    def part(self, position: int, index: int, sign: int) -> str:
        """The text of sign·v[index]."""
        rows = self.rows.of(position)
        if rows is not None:
            return self._leaf([sign * value for value in rows[index : index + 1].fractions()[0]])
        if self.uses[position][index] > 1:
            return self._shared(position, index, sign)
        return self._counted(self._text(position, index, sign))

    def _counted(self, text: str) -> str:
        self.written += len(text)
        if self.written > MAX_CHARACTERS:
            raise Unsupported(
                f"the expression has more than {MAX_CHARACTERS} characters: write one of an earlier layer"
            )
        return text

    def _leaf(self, row: list[Fraction]) -> str:
        text = joined(row, self.symbols, "*", number)
        if not any(row[:-1]):
            return text
        return self.leaves.setdefault(text, f"a{len(self.leaves)}")

    def _shared(self, position: int, index: int, sign: int) -> str:
        key = (position, index)
        if key not in self.named:
            text = self._counted(self._text(position, index, 1))
            self.named[key] = f"t{len(self.named)}"
            self.shared[self.named[key]] = text
        return self.named[key] if sign > 0 else f"-{self.named[key]}"

    def _text(self, position: int, index: int, sign: int) -> str:
        node = self.circuit.nodes[position]
        minus = "" if sign > 0 else "-"
        if isinstance(node, Affine):
            return self._sum(node, index, sign)
        if isinstance(node, LogSumExp | Gibbs):
            k = index if isinstance(node, LogSumExp) else int(np.searchsorted(node.segments, index, "right")) - 1
            entries = range(int(node.segments[k]), int(node.segments[k + 1]))
            pieces = [self.part(node.source, j, sign if node.eps == 0 else 1) for j in entries]
            if isinstance(node, Gibbs):
                chosen = self.part(node.source, index, 1)
                return f"{minus}gibbs[{number(Fraction(node.eps))}]({chosen}; {', '.join(pieces)})"
            if len(pieces) == 1:
                return pieces[0]
            if node.eps == 0:
                return f"{'max' if sign > 0 else 'min'}({', '.join(dict.fromkeys(pieces))})"
            return f"{minus}lse[{number(Fraction(node.eps))}]({', '.join(pieces)})"
        if isinstance(node, Product):
            return f"{minus}({self.part(node.left, index, 1)})*({self.part(node.right, index, 1)})"
        assert isinstance(node, Pointwise)
        return f"{minus}{node.function}({self.part(node.source, index, 1)})"

    def _sum(self, node: Affine, index: int, sign: int) -> str:
        """sign·Σ a_i v_i: what is affine in x as one leaf, the rest term by term."""
        width = self.circuit.input_size
        linear = [Fraction(0)] * width + [sign * Fraction(float(node.bias[index]))]
        terms: list[str] = []
        for term in node.terms:
            row = sp.csr_array(term.matrix[[index]])
            rows = self.rows.of(term.source)
            for j, weight in zip(row.indices.tolist(), row.data.tolist(), strict=True):
                factor = sign * Fraction(weight)
                if rows is not None:
                    inner = rows[j : j + 1].fractions()[0]
                    linear = [a + factor * b for a, b in zip(linear, inner, strict=True)]
                elif abs(factor) == 1:
                    terms.append(self.part(term.source, j, int(factor)))
                else:
                    terms.append(f"{number(factor)}*{_factor(self.part(term.source, j, 1))}")
        if any(linear) or not terms:
            terms.append(self._leaf(linear))
        return " + ".join(terms).replace("+ -", "- ")


def _factor(text: str) -> str:
    """The text in parentheses if it is a sum."""
    depth = 0
    for i, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0 and text[i : i + 3] in (" + ", " - "):
            return f"({text})"
    return text

"""Nodes that are affine functions of x, as exact rows (gradient, constant)."""

from __future__ import annotations

import numpy as np

from tropix.circuits import Affine, Circuit, Input, Matrix
from tropix.errors import Unsupported
from tropix.exact import Rationals
from tropixc.lowerings._dependencies import dependencies_first

MAX_TABLE = 5_000_000
"""Largest number of exact numbers that describe one node of affine functions."""


class AffineRows:
    """The rows of each node of a circuit that is affine in x, computed once and exactly."""

    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit
        self._held: dict[int, Rationals | None] = {}

    def of(self, position: int) -> Rationals | None:
        """The rows (size, d+1) of a node; None if it is not affine in x by its construction."""
        return dependencies_first(position, self._needs, self._compute, self._held)

    def _needs(self, position: int) -> list[int]:
        node = self.circuit.nodes[position]
        return [term.source for term in node.terms] if isinstance(node, Affine) else []

    def _compute(self, position: int) -> Rationals | None:
        node = self.circuit.nodes[position]
        width = self.circuit.input_size
        if not isinstance(node, Input | Affine):
            return None
        if isinstance(node, Affine) and any(self.of(term.source) is None for term in node.terms):
            return None
        if node.size * (width + 1) > MAX_TABLE:
            raise Unsupported(
                f"node {self.circuit.names[position]!r} has {node.size} affine functions of {width} inputs, more than "
                f"{MAX_TABLE} exact numbers: compile a part of the model"
            )
        if isinstance(node, Input):
            return Rationals.of(np.eye(width, width + 1))
        total = Rationals.of(np.column_stack([np.zeros((node.size, width)), node.bias]))
        for term in node.terms:
            source = self.of(term.source)
            assert source is not None
            total = total + exact_matrix(term.matrix) @ source
        return total


def exact_matrix(matrix: Matrix) -> Rationals:
    """A matrix of floats as the rationals they are."""
    return Rationals.of(matrix if isinstance(matrix, np.ndarray) else matrix.toarray())

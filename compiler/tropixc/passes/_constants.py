"""Nodes that do not depend on the input become constants, where their value is exact."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from tropix.arrays import FloatArray
from tropix.circuits import Affine, Circuit, CircuitBuilder, LogSumExp, Node, Product
from tropixc.passes._pass import rewrite


@dataclass(frozen=True)
class FoldConstants:
    """Maxima of constants become constants, products with constants become affine, trivial ⊕_ε nodes vanish.

    ⊕_ε of constants with ε > 0 stays: its value is not rational. (`FuseAffine` folds constants into biases.)
    """

    def __call__(self, circuit: Circuit) -> Circuit:
        """Apply the pass."""

        def rule(builder: CircuitBuilder, old: int, node: Node) -> int:
            if isinstance(node, LogSumExp):
                if (node.widths == 1).all():
                    return node.source
                held = _constant(builder, node.source)
                if held is not None and node.eps == 0.0:
                    return builder.affine([], np.maximum.reduceat(held, node.segments[:-1]), circuit.names[old])
            if isinstance(node, Product):
                for factor, other in ((node.left, node.right), (node.right, node.left)):
                    held = _constant(builder, factor)
                    if held is not None:
                        matrix = sp.dia_array((held[None, :], [0]), shape=(len(held), len(held))).tocsr()
                        return builder.affine([(other, matrix)], np.zeros(len(held)), circuit.names[old])
            return builder.add(node, circuit.names[old])

        return rewrite(circuit, rule)


def _constant(builder: CircuitBuilder, position: int) -> FloatArray | None:
    node = builder.node(position)
    return node.bias if isinstance(node, Affine) and not node.terms else None

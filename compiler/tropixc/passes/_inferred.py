"""The temperature of softmax weights is read off: Gibbs_ε(c·v) = Gibbs_{ε/c}(v)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from tropix.circuits import Affine, Circuit, CircuitBuilder, Gibbs, Node
from tropixc.passes._pass import rewrite


@dataclass(frozen=True)
class InferTemperatures:
    """Move one factor c > 0 in front of a `Gibbs` node into its temperature, where c is a power of two.

    Attention divides its logits by √d_k: for d_k = 4, 16, 64, … that is exact, and its weights have ε = √d_k.
    """

    def __call__(self, circuit: Circuit) -> Circuit:
        """Apply the pass."""

        def rule(builder: CircuitBuilder, old: int, node: Node) -> int:
            name = circuit.names[old]
            if not isinstance(node, Gibbs):
                return builder.add(node, name)
            inner = builder.node(node.source)
            factor = _common_factor(inner) if isinstance(inner, Affine) else None
            if factor is None or node.eps == 0.0:
                return builder.add(node, name)
            eps = node.eps / factor
            if not 1e-300 < eps < 1e300 or np.frexp(factor)[0] != 0.5:
                return builder.add(node, name)
            assert isinstance(inner, Affine)
            terms = [(term.source, sp.csr_array(term.matrix) / factor) for term in inner.terms]
            source = builder.affine(terms, np.zeros(inner.size), f"{name}/logits")
            return builder.add(Gibbs(source, eps, node.segments), name)

        return rewrite(circuit, rule)


def _common_factor(node: Affine) -> float | None:
    """The one magnitude of all entries, if it is a single one other than 1 and there are no constants."""
    if node.bias.any() or not node.terms:
        return None
    sizes = np.unique(np.concatenate([np.abs(sp.csr_array(term.matrix).data) for term in node.terms]))
    return float(sizes[0]) if len(sizes) == 1 and sizes[0] != 1.0 else None

"""Log-sum-exp written with a max-shift is recognised: ⊕_ε(v − m) = ⊕_ε(v) − m."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from tropix.circuits import Affine, Circuit, CircuitBuilder, Gibbs, LogSumExp, Matrix, Node, Term
from tropixc.passes._pass import rewrite


@dataclass(frozen=True)
class PullShifts:
    """Move a maximum that is added alike to all entries of a segment out of ⊕_ε, and drop it inside Gibbs weights.

    Exporters subtract the largest logit for numerical safety and add it again after the logarithm; once outside,
    both cancel (by `FuseAffine`). Sound at every temperature, and exact: entries are moved, not computed.
    """

    def __call__(self, circuit: Circuit) -> Circuit:
        """Apply the pass."""

        def rule(builder: CircuitBuilder, old: int, node: Node) -> int:
            name = circuit.names[old]
            if not isinstance(node, LogSumExp | Gibbs):
                return builder.add(node, name)
            inner = builder.node(node.source)
            if not isinstance(inner, Affine):
                return builder.add(node, name)
            shifts = [term for term in inner.terms if _is_shift(builder, term, node)]
            if not shifts:
                return builder.add(node, name)
            kept = tuple(term for term in inner.terms if term not in shifts)
            source = builder.add(Affine(kept, inner.bias), f"{name}/unshifted")
            core = builder.add(node.reading({node.source: source}), name)
            if isinstance(node, Gibbs):
                return core
            outside: list[tuple[int, Matrix]] = [(t.source, sp.csr_array(t.matrix)[node.segments[:-1]]) for t in shifts]
            return builder.affine(
                [(core, sp.eye_array(node.size, format="csr")), *outside], np.zeros(node.size), f"{name}/shift"
            )

        return rewrite(circuit, rule)


def _is_shift(builder: CircuitBuilder, term: Term, node: LogSumExp | Gibbs) -> bool:
    """Whether the term reads maxima and adds the same to all entries of each segment."""
    source = builder.node(term.source)
    if not isinstance(source, LogSumExp) or source.eps != 0.0:
        return False
    matrix = sp.csr_array(term.matrix)
    first = np.repeat(node.segments[:-1], node.widths)
    return bool((node.widths > 1).any() and (matrix - matrix[first]).nnz == 0)

"""Temperatures are read off: c·⊕_ε(v) = ⊕_{cε}(c·v)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from tropix.circuits import Affine, Circuit, CircuitBuilder, LogSumExp, Node, Term
from tropixc.passes._exact import exact_product
from tropixc.passes._pass import rewrite, use_counts


@dataclass(frozen=True)
class AbsorbScales:
    """Move one positive factor from behind a ⊕_ε node (ε > 0) into its temperature and its input.

    Networks scale logits by 1/ε, apply LogSumExp at temperature 1 and scale back. Applies where the node has one
    reader, whose matrix has a single nonzero value c > 0, and c·ε is exact; the scaling of the input becomes an affine
    node.
    """

    def __call__(self, circuit: Circuit) -> Circuit:
        """Apply the pass."""
        uses = use_counts(circuit)
        single: dict[int, bool] = {}

        def rule(builder: CircuitBuilder, old: int, node: Node) -> int:
            if isinstance(node, Affine):
                terms = tuple(self._absorb(builder, term, single) for term in node.terms)
                if any(new is not old_term for new, old_term in zip(terms, node.terms, strict=True)):
                    node = replace(node, terms=terms)
            new = builder.add(node, circuit.names[old])
            single[new] = uses[old] == 1
            return new

        return rewrite(circuit, rule)

    def _absorb(self, builder: CircuitBuilder, term: Term, single: dict[int, bool]) -> Term:
        node = builder.node(term.source)
        if not isinstance(node, LogSumExp) or node.eps == 0.0 or not single.get(term.source, False):
            return term
        matrix = sp.csr_array(term.matrix)
        values = np.unique(matrix.data)
        if len(values) != 1 or values[0] <= 0 or values[0] == 1.0:
            return term
        factor = float(values[0])
        if exact_product(np.array([[factor]]), np.array([[node.eps]])) is None:
            return term
        size = builder.size(node.source)
        name = builder.name(term.source)
        scaling = sp.eye_array(size, format="csr") * factor
        scaled = builder.affine([(node.source, scaling)], np.zeros(size), f"{name}/scaled")
        hot = builder.log_sum_exp(scaled, node.eps * factor, node.segments, f"{name}/eps")
        ones = sp.csr_array((np.ones_like(matrix.data), matrix.indices, matrix.indptr), shape=matrix.shape)
        return Term(hot, ones)

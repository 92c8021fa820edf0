"""Affine after affine becomes one affine node, where the product of their matrices is exact."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from tropix.arrays import FloatArray
from tropix.circuits import Affine, Circuit, CircuitBuilder, Matrix, Node, Term
from tropixc.passes._exact import exact_product
from tropixc.passes._pass import heavy, rewrite, use_counts
from tropixc.passes._rows import nonzeros


@dataclass(frozen=True)
class FuseAffine:
    """Compose affine nodes, merge terms that read the same node, drop terms that cancel, and identities.

    A source is absorbed if nothing else reads it, or if it only selects and scales. A composition that float64
    cannot hold exactly, or whose matrix would have more than ``fill`` times the entries of both parts, stays apart.
    With ``keep_scales`` so do nodes that only multiply by one number, which is how networks spell out temperatures;
    with ``keep_sums`` so do sums of several nodes, which is how they spell out residual connections.
    """

    fill: float = 1.5
    keep_scales: bool = False
    keep_sums: bool = False

    def __call__(self, circuit: Circuit) -> Circuit:
        """Apply the pass."""
        uses = use_counts(circuit)
        shared: dict[int, bool] = {}

        def rule(builder: CircuitBuilder, old: int, node: Node) -> int:
            if isinstance(node, Affine):
                node = self._fused(builder, node, shared)
                if len(node.terms) == 1 and not node.bias.any() and _is_identity(node.terms[0].matrix):
                    return node.terms[0].source
            new = builder.add(node, circuit.names[old])
            shared[new] = uses[old] > 1
            return new

        return rewrite(circuit, rule)

    def _fused(self, builder: CircuitBuilder, node: Affine, shared: dict[int, bool]) -> Affine:
        readable = [] if self.keep_scales and scaling(node) is not None else [t.source for t in node.terms]
        candidates = [s for s in readable if self._absorbable(builder.node(s), shared.get(s, True))]
        fused = self._compose(builder, node, set(candidates)) if candidates else None
        if fused is not None:
            return fused
        plain = len(set(readable)) == len(readable) and all(nonzeros(term.matrix) for term in node.terms)
        best, absorbed = (node if plain else self._compose(builder, node, set()) or node), set[int]()
        for source in candidates if len(candidates) > 1 else ():
            attempt = self._compose(builder, node, absorbed | {source})
            if attempt is not None:
                best, absorbed = attempt, absorbed | {source}
        return best

    def _absorbable(self, source: Node, shared: bool) -> bool:
        if not isinstance(source, Affine) or heavy(source) or (self.keep_scales and scaling(source) is not None):
            return False
        if self.keep_sums and len(source.terms) > 1:
            return False
        selection = all((np.diff(sp.csr_array(term.matrix).indptr) <= 1).all() for term in source.terms)
        return not shared or (selection and len(source.terms) <= 1)

    def _compose(self, builder: CircuitBuilder, node: Affine, absorbed: set[int]) -> Affine | None:
        """The node with the given sources composed into it; None when that is not exact or fills in."""
        pieces: dict[int, list[tuple[Matrix, Matrix]]] = {}
        lefts: list[Matrix] = [node.bias[:, None]]
        rights: list[FloatArray] = [np.ones(1)]
        for term in node.terms:
            source = builder.node(term.source)
            if term.source in absorbed and isinstance(source, Affine):
                lefts.append(term.matrix)
                rights.append(source.bias)
                for inner in source.terms:
                    pieces.setdefault(inner.source, []).append((term.matrix, inner.matrix))
            else:
                identity = sp.eye_array(builder.size(term.source), format="csr")
                pieces.setdefault(term.source, []).append((term.matrix, identity))
        bias = exact_product(sp.hstack([sp.csr_array(a) for a in lefts], format="csr"), np.concatenate(rights)[:, None])
        if bias is None:
            return None
        terms = []
        for position, pairs in pieces.items():
            matrix = self._merged(pairs)
            if matrix is None:
                return None
            if sp.csr_array(matrix).nnz:
                terms.append(Term(position, matrix))
        constants = bias if isinstance(bias, np.ndarray) else bias.toarray()
        return Affine(tuple(terms), constants[:, 0])

    def _merged(self, pairs: list[tuple[Matrix, Matrix]]) -> Matrix | None:
        if len(pairs) == 1 and _is_identity(pairs[0][1]):
            return pairs[0][0]
        left = sp.hstack([sp.csr_array(a) for a, _ in pairs], format="csr")
        right = sp.vstack([sp.csr_array(b) for _, b in pairs], format="csr")
        product = exact_product(left, right)
        if product is not None and sp.csr_array(product).nnz > self.fill * (left.nnz + right.nnz):
            return None
        return product


def scaling(node: Affine) -> float | None:
    """The number c ≠ 1 by which a node multiplies the entries it selects; None for other nodes."""
    if len(node.terms) != 1 or node.bias.any():
        return None
    matrix = sp.csr_array(node.terms[0].matrix)
    if (np.diff(matrix.indptr) != 1).any() or (matrix.data != matrix.data[0]).any() or abs(matrix.data[0]) == 1.0:
        return None
    return float(matrix.data[0])


def _is_identity(matrix: Matrix) -> bool:
    size = matrix.shape[0]
    if matrix.shape != (size, size):
        return False
    sparse = sp.csr_array(matrix)
    return bool(sparse.nnz == size and (sparse.diagonal() == 1.0).all())

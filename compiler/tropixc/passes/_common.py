"""Equal nodes, and equal components of a node, are computed once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from tropix.arrays import IntArray
from tropix.circuits import Affine, Circuit, CircuitBuilder, Gibbs, LogSumExp, Matrix, Node, Pointwise, Product
from tropixc.passes._pass import rewrite
from tropixc.passes._rows import Columns, numbered, row_keys


@dataclass(frozen=True)
class MergeCommon:
    """Common sub-expressions: equal nodes become one node, equal ⊕_ε segments of a node one component.

    Two segments are equal if they hold the same pieces in any order. What reads the second of two equal components
    then reads the first, through a selection that `FuseAffine` absorbs.
    """

    def __call__(self, circuit: Circuit) -> Circuit:
        """Apply the pass."""
        seen: dict[object, int] = {}

        def rule(builder: CircuitBuilder, old: int, node: Node) -> int:
            key = _key(node)
            if key in seen:
                return seen[key]
            smaller = _without_repeats(builder, node, circuit.names[old]) if isinstance(node, LogSumExp) else None
            seen[key] = builder.add(node, circuit.names[old]) if smaller is None else smaller
            return seen[key]

        return rewrite(circuit, rule)


def _key(node: Node) -> object:
    """Equal for nodes that compute the same from the same sources."""
    match node:
        case Affine():
            return (Affine, node.bias.tobytes(), tuple((term.source, _matrix_key(term.matrix)) for term in node.terms))
        case LogSumExp() | Gibbs():
            return (type(node), node.source, node.eps, node.segments.tobytes())
        case Product():
            return (Product, *sorted(node.sources))
        case Pointwise():
            return (Pointwise, node.source, node.function)
    return node


def _matrix_key(matrix: Matrix) -> object:
    sparse = sp.csr_array(matrix)
    sparse.sort_indices()
    return (sparse.shape, sparse.indptr.tobytes(), sparse.indices.tobytes(), sparse.data.tobytes())


def piece_numbers(builder: CircuitBuilder, source: int) -> IntArray:
    """For each component of a node a number; equal rows of an affine node have equal numbers."""
    node = builder.node(source)
    if not isinstance(node, Affine):
        return np.arange(node.size)
    return numbered(row_keys(Columns(builder, node.sources).rows(node)))


def _without_repeats(builder: CircuitBuilder, node: LogSumExp, name: str) -> int | None:
    """A node with one component a distinct segment, and a selection from it; None if all segments differ."""
    pieces = piece_numbers(builder, node.source)
    ordered = [np.sort(part).tobytes() for part in np.split(pieces, node.segments[1:-1])]
    group = numbered(ordered)
    firsts = np.unique(group, return_index=True)[1]
    if len(firsts) == len(group):
        return None
    kept = np.concatenate([np.arange(node.segments[k], node.segments[k + 1]) for k in firsts])
    selection = sp.csr_array((np.ones(len(kept)), (np.arange(len(kept)), kept)), shape=(len(kept), len(pieces)))
    source = builder.affine([(node.source, selection)], np.zeros(len(kept)), f"{name}/distinct")
    segments = np.concatenate([[0], np.cumsum(node.widths[firsts])])
    joined = builder.log_sum_exp(source, node.eps, segments, name)
    spread = sp.csr_array((np.ones(len(group)), (np.arange(len(group)), group)), shape=(len(group), len(firsts)))
    return builder.affine([(joined, spread)], np.zeros(len(group)), f"{name}/repeated")

"""Equal nodes, and equal components of a node, are computed once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from tropix.arrays import IntArray
from tropix.circuits import Affine, Circuit, CircuitBuilder, Gibbs, LogSumExp, Matrix, Node, Pointwise, Product
from tropixc.passes._pass import heavy, rewrite
from tropixc.passes._rows import Columns, nonzeros, numbered, numbered_rows


@dataclass(frozen=True)
class MergeCommon:
    """Common sub-expressions: equal nodes become one node, equal ⊕_ε segments of a node one component.

    Two segments are equal if they hold the same pieces in any order. What reads the second of two equal components
    then reads the first, through a selection that `FuseAffine` absorbs.
    """

    def __call__(self, circuit: Circuit) -> Circuit:
        """Apply the pass."""
        seen: dict[object, list[tuple[Node, int]]] = {}

        def rule(builder: CircuitBuilder, old: int, node: Node) -> int:
            alike = seen.setdefault(_key(node), [])
            for other, position in alike:
                if _same_numbers(node, other):
                    return position
            smaller = None
            if isinstance(node, LogSumExp) and not heavy(builder.node(node.source)):
                smaller = _without_repeats(builder, node, circuit.names[old])
            alike.append((node, builder.add(node, circuit.names[old]) if smaller is None else smaller))
            return alike[-1][1]

        return rewrite(circuit, rule)


def _key(node: Node) -> object:
    """Equal for nodes that compute the same from the same sources; of affine nodes also `_same_numbers` is asked."""
    match node:
        case Affine():
            return (Affine, node.size, *((term.source, *_extent(term.matrix)) for term in node.terms))
        case LogSumExp() | Gibbs():
            return (type(node), node.source, node.eps, node.segments.tobytes())
        case Product():
            return (Product, *sorted(node.sources))
        case Pointwise():
            return (Pointwise, node.source, node.function)
    return node


def _extent(matrix: Matrix) -> tuple[float, ...]:
    """What is soon found and tells most matrices apart: number, least and largest of the entries."""
    values = matrix if isinstance(matrix, np.ndarray) else matrix.data
    return nonzeros(matrix), float(values.min(initial=0.0)), float(values.max(initial=0.0))


def _same_numbers(one: Node, two: Node) -> bool:
    """Whether two nodes of one key agree in biases and matrices, if they have any."""
    if not (isinstance(one, Affine) and isinstance(two, Affine)):
        return True
    pairs = zip(one.terms, two.terms, strict=True)
    return np.array_equal(one.bias, two.bias) and all(
        (sp.csr_array(a.matrix) != sp.csr_array(b.matrix)).nnz == 0 for a, b in pairs
    )


def piece_numbers(builder: CircuitBuilder, source: int) -> IntArray:
    """For each component of a node a number; equal rows of an affine node have equal numbers."""
    node = builder.node(source)
    if not isinstance(node, Affine):
        return np.arange(node.size)
    return numbered_rows(Columns(builder, [node]).rows(node))


def _without_repeats(builder: CircuitBuilder, node: LogSumExp, name: str) -> int | None:
    """A node with one component a distinct segment, and a selection from it; None if all segments differ."""
    pieces = piece_numbers(builder, node.source)
    group = numbered(node.segments, pieces[np.lexsort((pieces, np.repeat(np.arange(node.size), node.widths)))])
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

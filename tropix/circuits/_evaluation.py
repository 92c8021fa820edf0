"""Values and gradients of a circuit's nodes at blocks of points; arrays here hold a point in each column."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tropix.arrays import FloatArray
from tropix.circuits._nodes import Affine, Gibbs, Input, LogSumExp, Node, Product
from tropix.circuits._pointwise import FUNCTIONS

BLOCK_VALUES = 4_000_000
"""So many points are handled at once that all node values together stay below this number of floats."""
BLOCK_POINTS = 120
"""Points of a block: three tiles of `add_sparse_product`, few enough that a layer's values stay in the cache."""
EXPONENTIAL_WORK = 16
"""An exponential costs as much as so many multiply-adds."""


def over_blocks(nodes: Sequence[Node], count: int, run: Callable[[int, int], None]) -> None:
    """Call ``run(start, stop)`` on blocks of ``range(count)``, over threads where that pays.

    Dense products have threads of their own in BLAS, so a circuit that mostly consists of them gets large blocks, one
    after the other.
    """
    from tropix.kernels import over_rows

    if count == 1:
        run(0, 1)
        return
    dense, other = _work(nodes)
    width = BLOCK_POINTS if other >= dense else 16 * BLOCK_POINTS
    width = max(1, min(width, BLOCK_VALUES // max(1, sum(node.size for node in nodes))))

    def blocks(start: int, stop: int) -> None:
        for block in range(start, stop):
            run(block * width, min((block + 1) * width, count))

    over_rows(blocks, -(-count // width), count * other if other >= dense else 0)


def _work(nodes: Sequence[Node]) -> tuple[int, int]:
    """Multiply-adds a point in dense products, and in all else."""
    dense, other = 0, 0
    for node in nodes:
        other += node.size
        if isinstance(node, Affine):
            for term in node.terms:
                if isinstance(term.matrix, np.ndarray):
                    dense += term.matrix.size
                else:
                    other += term.matrix.nnz
        elif isinstance(node, LogSumExp | Gibbs):
            other += int(node.segments[-1]) * (EXPONENTIAL_WORK if node.eps else 1)
    return dense, other


def node_values(nodes: Sequence[Node], points: FloatArray, keep: int | None = None) -> list[FloatArray]:
    """The values (size, n) of every node at points (n, d); NaN or infinite where they overflow.

    With ``keep`` only that node's values are wanted: those of others become empty once nothing reads them any more.
    """
    last_use = {source: i for i, node in enumerate(nodes) for source in node.sources}
    values: list[FloatArray] = []
    with np.errstate(all="ignore"):
        for i, node in enumerate(nodes):
            values.append(
                np.ascontiguousarray(points.T) if isinstance(node, Input) else _value(node, values, len(points))
            )
            for source in node.sources:
                if keep not in (None, source) and last_use[source] == i:
                    values[source] = np.empty((0, 0))
    return values


def _value(node: Node, values: list[FloatArray], count: int) -> FloatArray:
    from tropix.kernels import segment_gibbs, segment_log_sum_exp

    if isinstance(node, Affine):
        return _affine(node, values, count)
    if isinstance(node, LogSumExp):
        return segment_log_sum_exp(values[node.source], node.segments, node.eps)
    if isinstance(node, Gibbs):
        return segment_gibbs(values[node.source], node.segments, node.eps)
    if isinstance(node, Product):
        return values[node.left] * values[node.right]
    assert not isinstance(node, Input)
    return FUNCTIONS[node.function].value(values[node.source])


def _affine(node: Affine, values: list[FloatArray], count: int) -> FloatArray:
    from tropix.kernels import add_sparse_product, aligned_empty

    total = aligned_empty(node.size, count)
    total[:] = node.bias[:, None]
    for term in node.terms:
        if isinstance(term.matrix, np.ndarray):
            total += term.matrix @ values[term.source]
        else:
            add_sparse_product(term.matrix, values[term.source], total)
    return total


def pull_back(nodes: Sequence[Node], values: list[FloatArray], output: int, seed: FloatArray) -> FloatArray:
    """The gradient (d, n) of seed·(value of ``output``), seed (m, n), at the points whose ``values`` are given."""
    adjoints: list[FloatArray | None] = [None] * len(nodes)
    adjoints[output] = seed
    with np.errstate(all="ignore"):
        for i in range(output, 0, -1):
            adjoint = adjoints[i]
            if adjoint is None:
                continue
            adjoints[i] = None
            for source, amount in _pushed(nodes[i], values, values[i], adjoint):
                held = adjoints[source]
                adjoints[source] = amount if held is None else held + amount
    gradient = adjoints[0]
    return np.zeros_like(values[0]) if gradient is None else gradient


def _pushed(
    node: Node, values: list[FloatArray], value: FloatArray, adjoint: FloatArray
) -> list[tuple[int, FloatArray]]:
    """What a node's adjoint adds to those of its sources."""
    from tropix.kernels import add_sparse_product, aligned_empty, segment_gibbs

    if isinstance(node, Affine):
        pushed = []
        for term in node.terms:
            if isinstance(term.matrix, np.ndarray):
                amount = term.matrix.T @ adjoint
            else:
                amount = aligned_empty(term.matrix.shape[1], adjoint.shape[1])
                amount[:] = 0.0
                add_sparse_product(term.transposed, adjoint, amount)
            pushed.append((term.source, amount))
        return pushed
    if isinstance(node, LogSumExp):
        weights = segment_gibbs(values[node.source], node.segments, node.eps)
        weights *= np.repeat(adjoint, node.widths, axis=0)
        return [(node.source, weights)]
    if isinstance(node, Gibbs):
        return [(node.source, _gibbs_adjoint(node, value, adjoint))]
    if isinstance(node, Product):
        return [(node.left, adjoint * values[node.right]), (node.right, adjoint * values[node.left])]
    assert not isinstance(node, Input)
    return [(node.source, adjoint * FUNCTIONS[node.function].derivative(values[node.source]))]


def _gibbs_adjoint(node: Gibbs, weights: FloatArray, adjoint: FloatArray) -> FloatArray:
    """(diag π − π πᵀ) adjoint / ε, segment by segment."""
    if node.eps == 0.0:
        return np.zeros_like(adjoint)
    weighted = weights * adjoint
    means = np.add.reduceat(weighted, node.segments[:-1], axis=0)
    return np.asarray((weighted - weights * np.repeat(means, node.widths, axis=0)) / node.eps)

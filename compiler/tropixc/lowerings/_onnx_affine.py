"""Affine maps as ONNX operators: Gemm where dense, gathered sums where that would be large and mostly zeros."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import scipy.sparse as sp

from tropix.arrays import FloatArray, IntArray
from tropix.circuits import Affine, Matrix
from tropixc.lowerings._onnx_graph import OnnxGraph

SMALL = 4096
"""Matrices with at most so many entries are written dense."""
DENSE_SHARE = 0.25
"""So are larger ones with a larger share of nonzero entries."""


def affine_map(graph: OnnxGraph, node: Affine, values: Mapping[int, str]) -> str:
    """Σ A v + b: dense terms as Gemm, sparse ones as gathered sums; the bias goes into the first Gemm."""
    bias: str | None = graph.number(node.bias, "bias") if node.bias.any() or not node.terms else None
    if not node.terms:
        assert bias is not None
        return _constant(graph, bias, node.size, values[0])
    total: str | None = None
    for term in sorted(node.terms, key=lambda term: _sparse(term.matrix)):
        source, matrix = values[term.source], term.matrix
        if _identity(matrix):
            part = source
        elif _sparse(matrix):
            part = _sparse_product(graph, source, sp.csr_array(matrix))
        else:
            graph.check_room(matrix.shape[0] * matrix.shape[1])
            weights = graph.number(matrix if isinstance(matrix, np.ndarray) else matrix.toarray(), "weights")
            with_bias = () if bias is None else (bias,)
            bias = None
            part = graph.apply("Gemm", source, weights, *with_bias, transB=1)
        total = part if total is None else graph.apply("Add", total, part)
    assert total is not None
    return total if bias is None else graph.apply("Add", total, bias)


def _constant(graph: OnnxGraph, bias: str, size: int, point: str) -> str:
    """The bias, repeated for each row of the batch."""
    batch = graph.apply("Gather", graph.apply("Shape", point), graph.indices([0], "batch axis"), axis=0)
    shape = graph.apply("Concat", batch, graph.indices([size], "size"), axis=0)
    return graph.apply("Expand", bias, shape)


def _identity(matrix: Matrix) -> bool:
    height, width = matrix.shape
    return height == width == _filled(matrix) and bool((matrix.diagonal() == 1.0).all())


def _sparse(matrix: Matrix) -> bool:
    full = matrix.shape[0] * matrix.shape[1]
    return bool(full > SMALL and _filled(matrix) <= DENSE_SHARE * full)


def _filled(matrix: Matrix) -> int:
    return int(np.count_nonzero(matrix)) if isinstance(matrix, np.ndarray) else int(matrix.nnz)


def _sparse_product(graph: OnnxGraph, source: str, matrix: sp.csr_array) -> str:
    """A·v as gathered columns times weights, summed; rows of like length are padded to one length and go together."""
    parts = []
    for rows, length in _rows_of_like_length(matrix):
        graph.check_room(2 * len(rows) * length)
        columns, weights = _padded(matrix, rows, length)
        value = graph.columns(source, columns.ravel(), matrix.shape[1])
        if length > 1:
            value = graph.reshape(value, len(rows), length)
        if (weights != 1.0).any():
            value = graph.apply("Mul", value, graph.number(weights if length > 1 else weights.ravel(), "weights"))
        parts.append((value if length == 1 else graph.reduce("ReduceSum", value, keepdims=False), rows))
    return graph.gathered(parts)


def _rows_of_like_length(matrix: sp.csr_array) -> Iterator[tuple[IntArray, int]]:
    """Rows in classes by the number of their entries, up to the next power of two; empty rows count as one entry."""
    lengths = np.maximum(np.diff(matrix.indptr), 1)
    classes = np.ceil(np.log2(lengths)).astype(np.int64)
    for each in np.unique(classes):
        rows = np.flatnonzero(classes == each)
        yield rows, int(lengths[rows].max())


def _padded(matrix: sp.csr_array, rows: IntArray, length: int) -> tuple[IntArray, FloatArray]:
    """Columns and weights of the rows, (rows, length), padded with weight 0."""
    place = matrix.indptr[rows][:, None] + np.arange(length)
    filled = place < matrix.indptr[rows + 1][:, None]
    place = np.where(filled, place, 0)
    if not matrix.nnz:
        return np.zeros(place.shape, dtype=np.int64), np.zeros(place.shape)
    columns = np.where(filled, matrix.indices[place], 0).astype(np.int64)
    return columns, np.where(filled, matrix.data[place], 0.0)

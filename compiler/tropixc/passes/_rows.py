"""Affine nodes as rows over one common space of columns, so that passes can compute with them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import scipy.sparse as sp

from tropix.arrays import FloatArray, IntArray
from tropix.circuits import Affine, CircuitBuilder, Term
from tropixc.passes._exact import economical


class Columns:
    """The components of some nodes, side by side, and a last column for the constant 1."""

    def __init__(self, builder: CircuitBuilder, positions: Iterable[int]) -> None:
        self.builder = builder
        self.start: dict[int, int] = {}
        total = 0
        for position in dict.fromkeys(positions):
            self.start[position] = total
            total += builder.size(position)
        self.count = total + 1

    def of(self, position: int) -> IntArray:
        """The columns of a node."""
        return np.arange(self.start[position], self.start[position] + self.builder.size(position))

    def rows(self, node: Affine) -> sp.csr_array:
        """An affine node as a matrix (size, count)."""
        data: list[FloatArray] = [node.bias]
        rows: list[IntArray] = [np.arange(node.size)]
        columns: list[IntArray] = [np.full(node.size, self.count - 1)]
        for term in node.terms:
            part = sp.coo_array(term.matrix)
            data.append(part.data)
            rows.append(part.coords[0])
            columns.append(part.coords[1] + self.start[term.source])
        entries = (np.concatenate(data), (np.concatenate(rows), np.concatenate(columns)))
        matrix = sp.csr_array(entries, shape=(node.size, self.count))
        matrix.eliminate_zeros()
        return matrix

    def affine(self, matrix: sp.csr_array) -> Affine:
        """The affine node of a matrix (size, count)."""
        columns = sp.csc_array(matrix)
        terms = []
        for position, start in self.start.items():
            part = sp.csr_array(columns[:, start : start + self.builder.size(position)])
            if part.nnz:
                terms.append(Term(position, economical(part)))
        return Affine(tuple(terms), columns[:, [self.count - 1]].toarray()[:, 0])


def as_affine(builder: CircuitBuilder, position: int) -> Affine:
    """A node as an affine one: itself, or the identity of it."""
    node = builder.node(position)
    if isinstance(node, Affine):
        return node
    identity = sp.eye_array(builder.size(position), format="csr")
    return Affine((Term(position, identity),), np.zeros(builder.size(position)))


def row_keys(matrix: sp.csr_array) -> list[bytes]:
    """For each row a key that equal rows share."""
    matrix.sort_indices()
    ends = matrix.indptr
    return [matrix.indices[a:b].tobytes() + matrix.data[a:b].tobytes() for a, b in pairwise(ends)]


def numbered(keys: Iterable[object]) -> IntArray:
    """Small numbers for keys: equal numbers for equal keys, in the order of first appearance."""
    seen: dict[object, int] = {}
    return np.array([seen.setdefault(key, len(seen)) for key in keys], dtype=np.int64)

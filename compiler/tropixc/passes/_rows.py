"""Affine nodes as rows over one common space of columns, so that passes can compute with them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from tropix.arrays import FloatArray, IntArray
from tropix.circuits import Affine, CircuitBuilder, Matrix, Term
from tropixc.passes._exact import economical


class Columns:
    """The components of all nodes that some affine nodes read, side by side, and a last column for the constant 1.

    A node that one of them reads twice has columns for each time: adding the two weights could round.
    """

    def __init__(self, builder: CircuitBuilder, nodes: Sequence[Affine]) -> None:
        self.builder = builder
        self.start: dict[tuple[int, int], int] = {}
        total = 0
        for node in nodes:
            for key in _occurrences(node):
                if key not in self.start:
                    self.start[key] = total
                    total += builder.size(key[0])
        self.count = total + 1

    def of(self, position: int) -> IntArray:
        """The columns of a node, where it is read for the first time."""
        start = self.start[position, 0]
        return np.arange(start, start + self.builder.size(position))

    def rows(self, node: Affine) -> sp.csr_array:
        """An affine node as a matrix (size, count)."""
        data: list[FloatArray] = [node.bias]
        rows: list[IntArray] = [np.arange(node.size)]
        columns: list[IntArray] = [np.full(node.size, self.count - 1)]
        for term, key in zip(node.terms, _occurrences(node), strict=True):
            part = sp.coo_array(term.matrix)
            data.append(part.data)
            rows.append(part.coords[0])
            columns.append(part.coords[1] + self.start[key])
        entries = (np.concatenate(data), (np.concatenate(rows), np.concatenate(columns)))
        matrix = sp.csr_array(entries, shape=(node.size, self.count))
        matrix.eliminate_zeros()
        return matrix

    def affine(self, matrix: sp.csr_array) -> Affine:
        """The affine node of a matrix (size, count)."""
        columns = sp.csc_array(matrix)
        terms = []
        for (position, _), start in self.start.items():
            part = sp.csr_array(columns[:, start : start + self.builder.size(position)])
            if part.nnz:
                terms.append(Term(position, economical(part)))
        return Affine(tuple(terms), columns[:, [self.count - 1]].toarray()[:, 0])


def _occurrences(node: Affine) -> list[tuple[int, int]]:
    """The source of each term, and how often it was read before."""
    return [(source, node.sources[:i].count(source)) for i, source in enumerate(node.sources)]


def as_affine(builder: CircuitBuilder, position: int) -> Affine:
    """A node as an affine one: itself, or the identity of it."""
    node = builder.node(position)
    if isinstance(node, Affine):
        return node
    identity = sp.eye_array(builder.size(position), format="csr")
    return Affine((Term(position, identity),), np.zeros(builder.size(position)))


def nonzeros(matrix: Matrix) -> int:
    """Number of entries that are not 0."""
    return int(np.count_nonzero(matrix if isinstance(matrix, np.ndarray) else matrix.data))


def numbered_rows(matrix: sp.csr_array) -> IntArray:
    """A number for each row, the same for equal rows, in the order of first appearance."""
    matrix.sort_indices()
    return numbered(matrix.indptr, matrix.indices, matrix.data)


def numbered(ends: IntArray, *values: npt.NDArray[np.generic]) -> IntArray:
    """A number for each list values[ends[k]:ends[k + 1]], the same for equal lists, in the order of first appearance.

    Each of ``values`` holds one part of the entries (columns and data of sparse rows); equal means equal bits.
    Lists are grouped by checksums, and compared with the first of their group.
    """
    words = [(part.astype(np.int64) if part.dtype.kind == "i" else part).view(np.uint64) for part in values]
    lengths = np.diff(ends)
    sums = np.zeros(len(lengths), dtype=np.uint64)
    sums[lengths > 0] = np.add.reduceat(_mixed(words), ends[:-1][lengths > 0]) if len(words[0]) else 0
    first, group = np.unique(sums, return_index=True, return_inverse=True)[1:]
    leader = first[group]
    if not _all_equal(words, ends, leader):
        keys = [b"".join(part[a:b].tobytes() for part in words) for a, b in pairwise(ends)]
        seen: dict[bytes, int] = {}
        return np.array([seen.setdefault(key, len(seen)) for key in keys], dtype=np.int64)
    return np.asarray(np.unique(leader, return_inverse=True)[1], dtype=np.int64)


def _mixed(words: list[npt.NDArray[np.uint64]]) -> npt.NDArray[np.uint64]:
    """A checksum of each entry: multiply and shift, as in splitmix64."""
    total = np.full(len(words[0]), 0x9E3779B97F4A7C15, dtype=np.uint64)
    for part in words:
        total = (total ^ part) * np.uint64(0xBF58476D1CE4E5B9)
        total ^= total >> np.uint64(29)
    return total


def _all_equal(words: list[npt.NDArray[np.uint64]], ends: IntArray, leader: IntArray) -> bool:
    """Whether each list equals the one that leads it."""
    lengths = np.diff(ends)
    if (lengths != lengths[leader]).any():
        return False
    shift = np.repeat(ends[:-1][leader] - ends[:-1], lengths)
    place = np.arange(len(shift)) + shift
    return all(bool((part == part[place]).all()) for part in words)

"""The strongly connected components of a matrix's digraph, in topological order."""

from __future__ import annotations

from graphlib import TopologicalSorter
from typing import Any

import numpy as np

from tropix.arrays import IntArray
from tropix.linalg._carrier import Matrix, SemiringLike, read
from tropix.linalg._potential import edges
from tropix.linalg._product import square


def classes(A: Matrix, semiring: SemiringLike = "max") -> list[IntArray]:
    """The strongly connected components of the digraph with an edge i → j where a_ij is not the semiring's zero.

    Each is an ascending array of nodes. No edge leads from a component to a later one: those without edges to others
    come first. A matrix is irreducible if there is one component.

    >>> [c.tolist() for c in classes([[0, 1], [-np.inf, 0]])]
    [[1], [0]]
    """
    _, (a,) = read(semiring, [A])
    square(a)
    return ordered_classes(a)


def ordered_classes(matrix: Any) -> list[IntArray]:
    """:func:`classes` of a matrix that was read."""
    n = matrix.shape[0]
    if n == 0:
        return []
    if isinstance(matrix, np.ndarray) and matrix.dtype != object and (n == 1 or np.isfinite(matrix).all()):
        return [np.arange(n)]
    rows, columns, _ = edges(matrix)
    return classes_of_edges(n, rows, columns)


def classes_of_edges(n: int, rows: IntArray, columns: IntArray) -> list[IntArray]:
    """:func:`classes` of the digraph with these edges on n nodes."""
    import scipy.sparse as sp
    from scipy.sparse.csgraph import connected_components

    graph = sp.coo_array((np.ones(len(rows)), (rows, columns)), shape=(n, n)).tocsr()
    count, labels = connected_components(graph, connection="strong")
    order = np.argsort(labels, kind="stable")
    parts = np.split(order.astype(np.int64), np.cumsum(np.bincount(labels, minlength=count))[:-1])
    tail, head = labels[rows], labels[columns]
    apart = tail != head
    if (tail[apart] > head[apart]).all():
        return list(parts)
    followers: dict[int, set[int]] = {c: set() for c in range(count)}
    for t, h in zip(tail[apart].tolist(), head[apart].tolist(), strict=True):
        followers[t].add(h)
    return [parts[c] for c in TopologicalSorter(followers).static_order()]


def period(n: int, rows: IntArray, columns: IntArray) -> int:
    """The greatest common divisor of the lengths of all cycles of a strongly connected digraph (0 without a cycle)."""
    following: list[list[int]] = [[] for _ in range(n)]
    for i, j in zip(rows.tolist(), columns.tolist(), strict=True):
        following[i].append(j)
    level = {0: 0}
    queue = [0]
    for i in queue:
        for j in following[i]:
            if j not in level:
                level[j] = level[i] + 1
                queue.append(j)
    differences = np.array([level[i] + 1 - level[j] for i in range(n) for j in following[i]], dtype=np.int64)
    return int(np.gcd.reduce(np.abs(differences))) if len(differences) else 0

"""Critical graphs, eigenvectors and all eigenvalues of a matrix."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from tropix.arrays import IntArray
from tropix.errors import InvalidInput
from tropix.linalg._carrier import Arithmetic, Array, Matrix, Number, SemiringLike, read
from tropix.linalg._classes import classes_of_edges, ordered_classes, period
from tropix.linalg._eigenvalue import _rows, best_cycle, prove
from tropix.linalg._potential import Settled
from tropix.linalg._product import dense, square
from tropix.linalg._star import object_closure, scaled_closure

if TYPE_CHECKING:
    import networkx as nx

NO_EIGENVECTORS = "an irreducible matrix has one eigenvector there, the Perron vector: use eigenvalue"


@dataclass(frozen=True, eq=False)
class Critical:
    """What is critical in a matrix: λ, exactly, and the components (nodes, tails and heads of edges)."""

    mean: Fraction
    settled: Settled
    components: tuple[tuple[IntArray, IntArray, IntArray], ...]


def critical_graph(A: Matrix, semiring: SemiringLike = "max") -> nx.DiGraph[int]:
    """The digraph of all nodes and edges on cycles whose mean is λ(A), decided in rational arithmetic.

    Floats are taken as the rationals they are: ties that rounding broke are not there. Empty if A has no cycle.

    >>> sorted(critical_graph([[0, 3], [3, 3]]).edges)
    [(0, 1), (1, 0), (1, 1)]
    """
    import networkx as nx

    graph: nx.DiGraph[int] = nx.DiGraph()
    critical = _critical_of(A, semiring)
    for nodes, tails, heads in critical.components if critical else ():
        graph.add_nodes_from(nodes.tolist())
        graph.add_edges_from(zip(tails.tolist(), heads.tolist(), strict=True))
    return graph


def cyclicity(A: Matrix, semiring: SemiringLike = "max") -> int:
    """The cyclicity c of A: the least common multiple over critical components of the gcd of their cycles' lengths.

    For irreducible A there is T with A^{k+c} = c·λ ⊗ A^k for all k ≥ T, and c is the least number with that
    property (Cohen, Dubois, Quadrat, Viot 1985; Cohen, Moller, Quadrat, Viot 1983). 1 if A has no cycle.

    >>> cyclicity([[-np.inf, 1], [3, -np.inf]])
    2
    """
    critical = _critical_of(A, semiring)
    return cyclicity_of(critical) if critical else 1


def cyclicity_of(critical: Critical) -> int:
    """The least common multiple of the periods of the critical components."""
    periods = []
    for nodes, tails, heads in critical.components:
        periods.append(period(len(nodes), np.searchsorted(nodes, tails), np.searchsorted(nodes, heads)))
    return math.lcm(*periods)


def _critical_of(A: Matrix, semiring: SemiringLike) -> Critical | None:
    _, (a,) = read(semiring, [A], growth=4 * max(1, _rows(A)), deformed=NO_EIGENVECTORS)
    square(a)
    return critical_of(a)


def critical_of(matrix: Any) -> Critical | None:
    """λ and the critical components of a matrix that was read; None without a cycle. Floats count as rationals."""
    found = best_cycle(matrix, "howard")
    if found is None:
        return None
    mean, _, settled = prove(matrix, found[0], found[2], found[1])
    tails, heads = settled.tight
    parts = []
    for nodes in classes_of_edges(matrix.shape[0], tails, heads):
        inside = np.isin(tails, nodes) & np.isin(heads, nodes)
        if inside.any():
            parts.append((nodes, tails[inside], heads[inside]))
    return Critical(mean, settled, tuple(parts))


@dataclass(frozen=True, eq=False)
class Eigenspace:
    """The eigenvectors of one eigenvalue: all max-plus combinations of the columns of ``basis`` (n, k).

    No column is a combination of the others, and they are unique up to scaling. ``critical`` (k,) names a
    critical node of each column, where it is 0.
    """

    value: Number
    basis: Array
    critical: tuple[int, ...]


def spectrum(A: Matrix, semiring: SemiringLike = "max") -> tuple[Eigenspace, ...]:
    """All eigenvalues λ of A, largest first (in min-plus smallest), with bases of their eigenspaces.

    x ≠ zero is an eigenvector if A ⊗ x = λ ⊗ x. An irreducible matrix has one eigenvalue. In general λ(C) of a
    strongly connected component C is one exactly if no component from which C can be reached has a larger one; zero
    (−∞) is one if A has a column of zeros. Columns of the star of −λ ⊗ A, one for each critical component, form the
    basis. Which cycles are critical is decided in rational arithmetic; entries for floats are floats.
    (Gaubert 1992; Butkovič 2010, Theorems 4.4.4, 4.5.4.)

    >>> [space.value for space in spectrum([[1, 0], [-np.inf, 2]])]
    [2.0, 1.0]
    >>> [space.value for space in spectrum([[2, 0], [-np.inf, 1]])]
    [2.0]
    """
    arithmetic, (a,) = read(semiring, [A], growth=4 * max(1, _rows(A)), deformed=NO_EIGENVECTORS)
    n = square(a)
    a = dense(a)
    parts = ordered_classes(a)
    access = _access(a, parts)
    means = []
    for nodes in parts:
        critical = critical_of(a[np.ix_(nodes, nodes)])
        means.append(None if critical is None else critical.mean)
    values: dict[Fraction, list[int]] = {}
    for c, mean in enumerate(means):
        upstream = [means[d] for d in range(len(parts)) if access[d, c]]
        if mean is not None and all(other is None or other <= mean for other in upstream):
            values.setdefault(mean, []).append(c)
    spaces = []
    for mean in sorted(values, reverse=True):
        reaching = np.flatnonzero(access[:, values[mean]].any(axis=1))
        nodes = np.sort(np.concatenate([parts[d] for d in reaching]))
        basis, places = _basis(arithmetic, a[np.ix_(nodes, nodes)], mean)
        whole = np.full((n, basis.shape[1]), -np.inf, dtype=basis.dtype)
        whole[nodes] = basis
        value = arithmetic.number(mean if arithmetic.exact else float(mean))
        spaces.append(Eigenspace(value, arithmetic.write(whole), tuple(nodes[places].tolist())))
    empty = np.flatnonzero((a == -np.inf).all(axis=0)) if n else np.zeros(0, dtype=np.int64)
    if len(empty):
        unit = np.full((n, len(empty)), -np.inf, dtype=a.dtype)
        unit[empty, np.arange(len(empty))] = 0
        zero = -arithmetic.sign * np.inf
        spaces.append(Eigenspace(zero, arithmetic.write(unit), tuple(empty.tolist())))
    return tuple(spaces)


def eigenvectors(A: Matrix, semiring: SemiringLike = "max") -> Eigenspace:
    """The eigenspace of λ(A), the largest eigenvalue (see `spectrum`); raises `InvalidInput` for n = 0.

    >>> eigenvectors(np.array([[0, 3], [4, 1]])).basis.tolist()
    [[0], [Fraction(1, 2)]]
    """
    spaces = spectrum(A, semiring)
    if not spaces:
        raise InvalidInput("a matrix without rows has no eigenvectors")
    return spaces[0]


def _access(a: Array, parts: list[IntArray]) -> Any:
    """access[d, c]: whether a node of component c can be reached from one of d (components in order)."""
    label = np.empty(len(a), dtype=np.int64)
    for c, nodes in enumerate(parts):
        label[nodes] = c
    access = np.eye(len(parts), dtype=np.bool_)
    for d, nodes in enumerate(parts):  # edges lead to earlier components only
        following = np.unique(label[np.flatnonzero((a[nodes] != -np.inf).any(axis=0))])
        access[d] |= access[following].any(axis=0)
    return access


def _basis(arithmetic: Arithmetic, a: Array, mean: Fraction) -> tuple[Array, IntArray]:
    """One column of (−λ ⊗ A)* for each critical component of a matrix whose maximum cycle mean is λ."""
    critical = critical_of(a)
    assert critical is not None
    assert critical.mean == mean
    places = np.array([int(nodes[0]) for nodes, _, _ in critical.components], dtype=np.int64)
    if arithmetic.exact:
        shifted = a.astype(object)
        finite = shifted != -np.inf
        q, p = mean.denominator, mean.numerator
        shifted[finite] = [q * int(w) - p for w in shifted[finite]]
        columns = object_closure(shifted)[:, places]
        columns = np.where(columns == -np.inf, -np.inf, columns / Fraction(q)) if q > 1 else columns
    else:
        v = np.array([float(f) for f in critical.settled.fractions()])
        columns = scaled_closure(a, float(mean), v)[:, places].astype(a.dtype)
    columns[places, np.arange(len(places))] = 0
    return columns, places

"""The eigenvalue of a matrix: its maximum cycle mean, with a cycle and a potential as the certificate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from tropix.arrays import FloatArray, IntArray
from tropix.errors import InvalidInput, Unsupported
from tropix.linalg._carrier import Array, Matrix, Number, SemiringLike, is_sparse, read
from tropix.linalg._classes import ordered_classes
from tropix.linalg._potential import Settled, cycle_weight, edges, settle
from tropix.linalg._product import dense, square


@dataclass(frozen=True, eq=False)
class Eigenvalue:
    """The maximum cycle mean λ of a matrix, and why it is that.

    ``cycle`` i₀ → i₁ → … → i₀ attains ``value``; ``potential`` v (n,) has A ⊗ v ≤ (value + gap) ⊗ v (in min-plus
    A ⊗ v ≥ (value − gap) ⊗ v), so no cycle exceeds value + gap. ``proved`` says that both were decided exactly; then
    ``gap`` is 0. Without a cycle the value is the semiring's zero, and v_i > v_j for each edge i → j.
    """

    value: Number
    cycle: tuple[int, ...]
    potential: Array
    gap: float
    method: str
    proved: bool


def eigenvalue(
    A: Matrix, semiring: SemiringLike = "max", *, method: Literal["howard", "karp"] = "howard", exact: bool = False
) -> Eigenvalue:
    """λ(A) = max over cycles of (a_{i₀i₁} + … + a_{i_{k−1}i₀})/k, the largest eigenvalue of A; in min-plus the minimum.

    A (n, n), dense or sparse, may be reducible: each strongly connected component is treated apart. Integers and
    rationals give a rational λ and a potential that prove each other; so do floats, taken as rationals, with
    ``exact=True``. Otherwise λ is the nearest float to the mean of the cycle, and ``gap`` bounds what rounding missed.
    Over `Deformed(eps)`: ε log of the Perron root of exp(A/ε), with 0 ≤ λ_ε − λ_0 ≤ ε log n; ``cycle`` is then one of
    the limit, ``potential`` the Perron vector of the component that attains λ_ε (−∞ elsewhere), ``gap`` the distance
    of the Collatz–Wielandt bounds.

    Karp 1978; Cochet-Terrasson, Cohen, Gaubert, Mc Gettrick, Quadrat 1998 (Howard's algorithm).

    >>> result = eigenvalue([[0, 3], [4, 1]])
    >>> result.value, sorted(result.cycle), result.proved
    (Fraction(7, 2), [0, 1], True)
    """
    if method not in ("howard", "karp"):
        raise InvalidInput(f'method is {method!r}: expected "howard" or "karp"')
    arithmetic, (a,) = read(semiring, [A], growth=4 * max(1, _rows(A)))
    n = square(a)
    if arithmetic.eps:
        from tropix.linalg._deformed import perron

        if exact:
            raise Unsupported("eigenvalues over S_eps are logarithms: no rational number is exact")
        return perron(dense(a), arithmetic.eps)
    found = best_cycle(a, method)
    if found is None:
        ranks = np.empty(n)
        for rank, nodes in enumerate(ordered_classes(a)):
            ranks[nodes] = rank
        return Eigenvalue(-arithmetic.sign * np.inf, (), ranks, 0.0, method, True)
    cycle, guess, mean = found
    if exact:  # floats are rationals as they stand
        arithmetic = replace(arithmetic, kind="exact")
    if not arithmetic.exact:
        rounded = guess.astype(arithmetic.kind)
        gap = max(0.0, float(_above(_largest_step(a, rounded.astype(np.float64)) - float(mean))))
        return Eigenvalue(arithmetic.number(float(mean)), cycle, arithmetic.write(rounded), gap, method, False)
    mean, cycle, settled = prove(a, cycle, mean, guess)
    potential = np.empty(n, dtype=object)
    potential[:] = [arithmetic.number(v) for v in settled.fractions()]
    return Eigenvalue(arithmetic.number(mean), cycle, potential, 0.0, method, True)


def prove(
    matrix: Any, cycle: tuple[int, ...], mean: Fraction, guess: FloatArray
) -> tuple[Fraction, tuple[int, ...], Settled]:
    """The exact maximum cycle mean from a proposed one: each cycle that beats it takes its place."""
    graph = edges(matrix)
    while True:
        settled = settle(*graph, mean, guess)
        if settled.cycle is None:
            return mean, cycle, settled
        cycle = settled.cycle
        mean = cycle_weight(matrix, cycle) / len(cycle)


def best_cycle(matrix: Any, method: str) -> tuple[tuple[int, ...], FloatArray, Fraction] | None:
    """A cycle of (nearly) maximal mean, a potential in floats, the exact mean of that cycle; None without cycles."""
    parts = ordered_classes(matrix)
    potential = np.zeros(matrix.shape[0])
    best: tuple[Fraction, tuple[int, ...]] | None = None
    for nodes in parts:
        found = _of_class(matrix, nodes, method, whole=len(parts) == 1)
        if found is None:
            continue
        cycle, potential[nodes] = found
        mean = cycle_weight(matrix, cycle) / len(cycle)
        if best is None or mean > best[0]:
            best = mean, cycle
    if best is None:
        return None
    if len(parts) > 1:
        _join(matrix, parts, float(best[0]), potential)
    return best[1], potential, best[0]


def _of_class(matrix: Any, nodes: IntArray, method: str, whole: bool) -> tuple[tuple[int, ...], FloatArray] | None:
    from tropix.kernels import _cycle_mean as kernels

    if len(nodes) == 1:
        i = int(nodes[0])
        stored = matrix[i, i] != -np.inf if not is_sparse(matrix) else i in _row(matrix, i)
        return ((i,), np.zeros(1)) if stored else None
    if is_sparse(matrix):
        part = matrix if whole else matrix[nodes][:, nodes]
        rows = np.asarray(part.data, dtype=np.float64), part.indices.astype(np.int64), part.indptr.astype(np.int64)
        found = kernels.howard_sparse(*rows)[:2] if method == "howard" else kernels.karp_sparse(*rows)
    else:
        block = np.ascontiguousarray(matrix if whole else matrix[np.ix_(nodes, nodes)], dtype=np.float64)
        found = kernels.howard(block)[:2] if method == "howard" else kernels.karp(block)
    return tuple(nodes[found[0]].tolist()), found[1]


def _join(matrix: Any, parts: list[IntArray], mean: float, potential: FloatArray) -> None:
    """Lift the potential of each component until the edges to earlier ones hold as well."""
    earlier = np.zeros(len(potential), dtype=np.bool_)
    for nodes in parts:
        if is_sparse(matrix):
            rows, columns, weights = edges(matrix[nodes])
            leaving = earlier[columns]
            steps = weights[leaving] + potential[columns[leaving]] - potential[nodes[rows[leaving]]]
        else:
            block = matrix[np.ix_(nodes, earlier)].astype(np.float64)
            steps = block + potential[earlier] - potential[nodes][:, None]
        potential[nodes] += max(0.0, float(steps.max(initial=-np.inf)) - mean)
        earlier[nodes] = True


def _largest_step(matrix: Any, v: FloatArray) -> float:
    """An upper bound of the max over edges of a_ij + v_j − v_i, by a few units in the last place."""
    if is_sparse(matrix):
        rows, columns, weights = edges(matrix)
        reached, start = _above(weights + v[columns]), v[rows]
    else:
        from tropix.kernels import max_plus_vector

        reached, start = _above(max_plus_vector(np.asarray(matrix, dtype=np.float64), v)), v
    return float(_above(reached - start).max(initial=-np.inf))


def _above(values: Any) -> Any:
    """Floats above what was rounded to these."""
    return np.where(values == -np.inf, values, np.nextafter(values, np.inf))


def _row(matrix: Any, i: int) -> IntArray:
    return np.asarray(matrix.indices[matrix.indptr[i] : matrix.indptr[i + 1]])


def _rows(A: Matrix) -> int:
    """The number of rows of what may be a matrix; 0 for what has none, which `read` or `square` refuse."""
    return int(A.shape[0]) if getattr(A, "shape", ()) else len(A) if isinstance(A, Sequence) else 0

"""Tropical determinants and adjugates by optimal assignment, with exact certificates."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from tropix.arrays import FloatArray, IntArray
from tropix.linalg._carrier import Array, Matrix, Number, SemiringLike, is_sparse, read
from tropix.linalg._classes import classes_of_edges
from tropix.linalg._eigenvalue import _rows
from tropix.linalg._potential import Settled, edges, settle
from tropix.linalg._product import dense, square
from tropix.linalg._star import object_closure, scaled_closure


@dataclass(frozen=True, eq=False)
class Determinant:
    """The tropical determinant ⊕_σ Σ_i a_{iσ(i)}, and why it is that.

    ``permutation[i]`` is the column of row i in an optimal permutation, None where every permutation meets a zero.
    ``rows`` u and ``columns`` w are exact dual potentials: a_ij ≤ u_i + w_j (in min-plus ≥), with equality on the
    permutation, so no other is better. ``singular``: the optimum is attained twice (then ``second`` is another optimal
    permutation) or is zero. All of it is decided in rational arithmetic; for floats only ``value`` is rounded, once.
    """

    value: Number
    permutation: tuple[int, ...] | None
    singular: bool
    second: tuple[int, ...] | None = None
    rows: Array | None = None
    columns: Array | None = None


def determinant(A: Matrix, semiring: SemiringLike = "max") -> Determinant:
    """The tropical determinant (permanent) of A (n, n), dense or sparse: an assignment problem.

    Over `Deformed(eps)`: ε log perm exp(A/ε) for n ≤ 20, 0 ≤ det_ε − det_0 ≤ ε log n!; ``permutation`` and ``singular``
    are those of the limit. (Kuhn 1955; Butkovič 2010, §2; Develin, Santos, Sturmfels 2005 for singularity.)

    >>> det = determinant([[3, 1], [2, 2]])
    >>> det.value, det.permutation, det.singular
    (5, (0, 1), False)
    """
    arithmetic, (a,) = read(semiring, [A], growth=4 * max(1, _rows(A)))
    n = square(a)
    if is_sparse(a):
        a = dense(a)
    optimum = optimal(a)
    if optimum is None:
        return Determinant(-arithmetic.sign * np.inf, None, True)
    sigma, settled = optimum
    total = sum((_fraction(a[i, j]) for i, j in enumerate(sigma)), Fraction(0))
    second = _second(n, sigma, settled)
    u = settled.fractions()
    rows, columns = np.empty(n, dtype=object), np.empty(n, dtype=object)
    for i, j in enumerate(sigma):
        unit = arithmetic.sign * Fraction(1, arithmetic.denominator)
        rows[i], columns[j] = unit * u[i], unit * (_fraction(a[i, j]) - u[i])
    value = arithmetic.number(total if arithmetic.exact else float(total))
    if arithmetic.eps:
        from tropix.linalg._deformed import permanent

        value = permanent(a, arithmetic.eps)
    return Determinant(value, tuple(sigma), second is not None, second, rows, columns)


def optimal(a: Array) -> tuple[list[int], Settled] | None:
    """An optimal permutation σ with an exact potential of the exchange graph; None where the determinant is −∞.

    In the exchange graph the edge i → k has weight a_{iσ(k)} − a_{kσ(k)}: row i takes over the column of row k. σ is
    optimal exactly if no cycle is positive. scipy proposes σ in floats; a positive cycle improves it.
    """
    from scipy.optimize import linear_sum_assignment

    if not len(a):
        return [], Settled([], 1, (np.zeros(0, np.int64), np.zeros(0, np.int64)))
    approximate = a.astype(np.float64)
    try:
        sigma = linear_sum_assignment(approximate, maximize=True)[1].tolist()
    except ValueError:  # no permutation avoids −∞
        return None
    while True:
        tails, heads, weights, removed = _exchange(a, sigma)
        settled = settle(tails, heads, weights, Fraction(0), _guess(approximate, sigma), removed)
        if settled.cycle is None:
            return sigma, settled
        sigma = _rotated(sigma, settled.cycle)


def _rotated(sigma: list[int], cycle: tuple[int, ...]) -> list[int]:
    """σ after each row of the cycle took the column of the next one."""
    out = list(sigma)
    for i, k in zip(cycle, [*cycle[1:], cycle[0]], strict=True):
        out[i] = sigma[k]
    return out


def _exchange(a: Array, sigma: list[int]) -> tuple[IntArray, IntArray, Array, Array]:
    """Edges of the exchange graph without loops; weights in two parts, whose difference floats would round."""
    moved = a[:, sigma]
    tails, heads, weights = edges(moved)
    apart = tails != heads
    tails, heads, weights = tails[apart], heads[apart], weights[apart]
    return tails, heads, weights, moved.diagonal()[heads]


def _guess(a: FloatArray, sigma: list[int]) -> FloatArray:
    """A potential of the exchange graph in floats: longest walks that end anywhere."""
    from tropix.kernels import max_plus_vector

    moved = a[:, sigma]
    weights = moved - moved.diagonal()
    v = np.zeros(len(a))
    for _ in range(len(a)):
        following = np.maximum(v, max_plus_vector(weights, v))
        if (following - v <= 1e-13 * (1.0 + np.abs(following))).all():
            break
        v = following
    return v


def _second(n: int, sigma: list[int], settled: Settled) -> tuple[int, ...] | None:
    """Another optimal permutation: a cycle of tight edges of the exchange graph."""
    tails, heads = settled.tight
    for nodes in classes_of_edges(n, tails, heads) if n else []:
        if len(nodes) < 2:
            continue
        inside = set(nodes.tolist())
        following = {i: k for i, k in zip(tails.tolist(), heads.tolist(), strict=True) if i in inside and k in inside}
        path, node = [], int(nodes[0])
        while node not in path:
            path.append(node)
            node = following[node]
        return tuple(_rotated(sigma, tuple(path[path.index(node) :])))
    return None


def adjugate(A: Matrix, semiring: SemiringLike = "max") -> Array:
    """adj(A)_ij, the determinant of A without row j and column i, for all i, j: A (n, n) → (n, n).

    With an optimal permutation σ all of them come from one closure of its exchange graph (n³); where the
    determinant is zero, from n² assignment problems. det(A) ⊗ I ≤ A ⊗ adj(A). Raises `Unsupported` over S_ε.

    >>> adjugate([[3, 1], [2, 2]]).tolist()
    [[2, 1], [2, 3]]
    """
    reason = "adjugates are computed over max-plus and min-plus; take determinants of minors instead"
    arithmetic, (a,) = read(semiring, [A], growth=8 * max(1, _rows(A)), deformed=reason)
    n = square(a)
    a = dense(a)
    optimum = optimal(a)
    if optimum is None:
        return arithmetic.write(_by_minors(a))
    sigma, settled = optimum
    total = sum((_fraction(a[i, j]) for i, j in enumerate(sigma)), Fraction(0))
    moved = a[:, sigma]
    diagonal = moved.diagonal()
    out = np.full((n, n), -np.inf, dtype=object if arithmetic.exact else np.float64)
    if arithmetic.exact:
        weights = moved.astype(object)
        finite = weights != -np.inf
        weights[finite] = [int(w) for w in weights[finite]]
        closure = object_closure(weights - np.array([int(d) for d in diagonal], dtype=object))
        out[list(sigma)] = int(total) - np.array([int(d) for d in diagonal], dtype=object)[:, None] + closure
        out[list(sigma), np.arange(n)] = [int(total) - int(d) for d in diagonal]
    else:
        v = np.array([float(f) for f in settled.fractions()])
        wide, removed = moved.astype(np.float64), diagonal.astype(np.float64)
        closure = scaled_closure(wide - removed, 0.0, v)
        out[list(sigma)] = float(total) - removed[:, None] + closure
        out[list(sigma), np.arange(n)] = float(total) - removed
    return arithmetic.write(out)


def _by_minors(a: Array) -> Array:
    n = len(a)
    out = np.full((n, n), -np.inf, dtype=a.dtype)
    for i in range(n):
        for j in range(n):
            minor = np.delete(np.delete(a, j, axis=0), i, axis=1)
            found = optimal(minor)
            if found is not None:
                total = sum((_fraction(minor[r, c]) for r, c in enumerate(found[0])), Fraction(0))
                out[i, j] = float(total) if a.dtype != object else int(total)
    return out


def _fraction(value: Any) -> Fraction:
    return Fraction(value.item() if isinstance(value, np.generic) else value)

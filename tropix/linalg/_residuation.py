"""Residuation: greatest solutions of A ⊗ x ≤ b, and the test for A ⊗ x = b."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tropix.arrays import IntArray
from tropix.errors import InvalidInput
from tropix.linalg._carrier import Array, Matrix, SemiringLike, is_sparse, read
from tropix.linalg._product import dense, product

NO_ADJOINT = "the map x -> A ⊗ x has no adjoint there, since ⊕_eps is not idempotent"


def residuate(A: Matrix, b: Matrix, semiring: SemiringLike = "max") -> Array:
    """A \\ b, the greatest x with A ⊗ x ≤ b: x_j = min_i (b_i − a_ij). In min-plus the least x with A ⊗ x ≥ b.

    A (n, m), b (n,) or (n, k) → (m,) or (m, k). Galois adjoint of x ↦ A ⊗ x: A ⊗ x ≤ b ⇔ x ≤ A \\ b. Where nothing
    bounds x_j it is the dual infinity (+∞ in max-plus), also allowed in b; −∞ absorbs it. Floats round each
    difference once. Raises `Unsupported` over S_ε. (Blyth, Janowitz 1972; Cuninghame-Green 1979.)

    >>> residuate([[1, 0], [2, -np.inf]], [4, 3])
    array([1., 4.])
    """
    arithmetic, (a, y) = read(semiring, [A, b], top=True, deformed=NO_ADJOINT)
    _check(a, y)
    return arithmetic.write(adjoint(a, dense(y)))


def residuate_right(b: Matrix, A: Matrix, semiring: SemiringLike = "max") -> Array:
    """B / A, the greatest X with X ⊗ A ≤ b: X_ij = min_k (b_ik − a_jk). A (n, m), b (m,) or (k, m) → (n,) or (k, n).

    >>> residuate_right([4, 3], [[1, 2], [0, -np.inf]])
    array([1., 4.])
    """
    arithmetic, (a, y) = read(semiring, [A, b], top=True, deformed=NO_ADJOINT)
    a, y = a.T.tocsr() if is_sparse(a) else a.T, dense(y).T
    _check(a, y)
    return arithmetic.write(adjoint(a, y).T)


def adjoint(a: Any, y: Array) -> Array:
    """A \\ y of operands that were read: −(Aᵀ ⊗ (−y)), where −∞ absorbs +∞."""
    transposed = a.T.tocsr() if is_sparse(a) else a.T
    return np.asarray(-product(transposed, -y))


@dataclass(frozen=True, eq=False)
class Solution:
    """Whether A ⊗ x = b has a solution, decided exactly.

    ``principal`` is A \\ b, the greatest subsolution (the greatest solution, if there is one); ``uncovered`` lists the
    rows where A ⊗ principal misses b: no subsolution reaches b there.
    """

    solvable: bool
    principal: Array
    uncovered: IntArray

    def __bool__(self) -> bool:
        return self.solvable


def solve(A: Matrix, b: Matrix, semiring: SemiringLike = "max") -> Solution:
    """Decide whether A ⊗ x = b has a solution: if so, A \\ b is the greatest one. A (n, m), b (n,) without +∞.

    Floats are taken as rationals for the decision; ``principal`` is then rounded. (Cuninghame-Green 1960.)

    >>> bool(solve([[0, 1], [2, 0]], [3, 4])), bool(solve([[0, 1], [2, 0]], [0, 9]))
    (True, False)
    >>> solve([[0, 1], [2, 0]], [0, 9]).uncovered
    array([1])
    """
    arithmetic, (a, y) = read(semiring, [A, b], deformed=NO_ADJOINT)
    _check(a, y)
    if y.ndim != 1:
        raise InvalidInput(f"b has shape {y.shape}: expected a vector")
    if arithmetic.exact:
        x = adjoint(a, y)
        uncovered = np.flatnonzero(product(a, x) != y)
        return Solution(not len(uncovered), arithmetic.write(x), uncovered)
    # what was given, not what was read: mixed operands were rounded to floats
    given = arithmetic.write(dense(a)) if is_sparse(a) else A
    _, (precise, right) = read(semiring, [given, b], exact=True)
    uncovered = np.flatnonzero(product(precise, adjoint(precise, right)) != right)
    return Solution(not len(uncovered), arithmetic.write(adjoint(a, dense(y))), uncovered)


def _check(a: Any, y: Any) -> None:
    if a.ndim != 2 or y.ndim not in (1, 2) or a.shape[0] != y.shape[0]:
        raise InvalidInput(f"matrix and right side have shapes {a.shape} and {y.shape}: expected equal first axes")

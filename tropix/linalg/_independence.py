"""Linear independence over max-plus, in its three senses, decided in rational arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from tropix.errors import InvalidInput, Unsupported
from tropix.linalg._carrier import Array, Matrix, SemiringLike, read
from tropix.linalg._determinant import determinant
from tropix.linalg._minors import both_parities
from tropix.linalg._product import product
from tropix.linalg._rank import NO_RANK, _matrix, _tropical
from tropix.linalg._residuation import adjoint
from tropix.linalg._two_sided import two_sided

Kind = Literal["weak", "gondran-minoux", "strong"]
MAX_PARTITIONS = 12


@dataclass(frozen=True, eq=False)
class Independence:
    """Whether columns are independent. If not, with ``left`` and ``right`` disjoint sets of columns and coefficients x,
    ⊕_left a_j ⊗ x_j = ⊕_right a_j ⊗ x_j (not stored for the strong sense, where two terms tie in every row, nor where
    parities of permutations decided).
    """

    independent: bool
    kind: Kind
    left: tuple[int, ...] = ()
    right: tuple[int, ...] = ()
    coefficients: Array | None = None

    def __bool__(self) -> bool:
        return self.independent


def independent(A: Matrix, kind: Kind = "strong", semiring: SemiringLike = "max") -> Independence:
    """Whether the columns of A (m, n) are linearly independent.

    - ``weak``: no column is a max-plus combination of the others.
    - ``gondran-minoux``: no two disjoint sets of columns have combinations that agree, unless both are zero.
    - ``strong`` (tropical): no x ≠ zero makes two terms of ⊕_j a_ij ⊗ x_j tie for the maximum in every row (rows that
      are zero count as ties); equivalently the tropical rank is n.

    Strong implies Gondran–Minoux, which implies weak. Raises `Unsupported` where sizes are too large or the iteration
    for two-sided systems decides nothing. (Gondran, Minoux 1984; Izhakian, Rowen 2009; Akian, Gaubert, Guterman 2009.)

    >>> square = [[0, 0, 0], [0, 1, 2], [0, 2, 1]]
    >>> bool(independent(square, "strong")), bool(independent(square, "weak"))
    (True, True)
    """
    arithmetic, (a,) = read(semiring, [A], growth=8 * 64, exact=True, deformed=NO_RANK)
    a = _matrix(a)
    if kind == "strong":
        return Independence(_strong(a), kind)
    if kind not in ("weak", "gondran-minoux"):
        raise InvalidInput(f'kind is {kind!r}: expected "weak", "gondran-minoux" or "strong"')
    found = _weak(a) if kind == "weak" else _gondran_minoux(a)
    x = None if found.coefficients is None else arithmetic.write(found.coefficients)
    return Independence(found.independent, kind, found.left, found.right, x)


def _strong(a: Array) -> bool:
    m, n = a.shape
    if n > m:
        return False
    return not determinant(a).singular if m == n else _tropical(a).lower == n


def _weak(a: Array) -> Independence:
    n = a.shape[1]
    for j in range(n):
        others = [k for k in range(n) if k != j]
        x = adjoint(a[:, others], a[:, j])
        x[x == np.inf] = -np.inf
        if (product(a[:, others], x) == a[:, j]).all():
            coefficients = np.insert(x, j, 0)
            right = tuple(k for k in others if coefficients[k] != -np.inf)
            return Independence(False, "weak", (j,), right, coefficients)
    return Independence(True, "weak")


def _gondran_minoux(a: Array) -> Independence:
    m, n = a.shape
    kind: Kind = "gondran-minoux"
    weak = _weak(a)
    if not weak.independent:
        return Independence(False, kind, weak.left, weak.right, weak.coefficients)
    if m == n:
        return Independence(not both_parities(a), kind)
    if n < m and _strong(a):
        return Independence(True, kind)
    if n > MAX_PARTITIONS:
        raise Unsupported(f"Gondran-Minoux independence of {n} columns of length {m}: at most {MAX_PARTITIONS} columns")
    undecided = 0
    for size in range(1, n // 2 + 1):
        for left in combinations(range(n), size):
            right = tuple(j for j in range(n) if j not in left)
            found = two_sided(a[:, left], a[:, right], same=False)
            if found.status == "solution":
                coefficients = np.full(n, -np.inf, dtype=object)
                coefficients[list(left)], coefficients[list(right)] = found.x, found.y
                return Independence(False, kind, left, right, coefficients)
            undecided += found.status != "only trivial"
    if undecided:
        if n > m:  # more columns than rows are always dependent
            return Independence(False, kind)
        raise Unsupported("the alternating method left Gondran-Minoux independence undecided")
    return Independence(True, kind)

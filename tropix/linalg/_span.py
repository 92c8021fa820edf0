"""Max-plus spans and tropical convex hulls: projection, membership, extreme generators, separation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tropix.errors import InvalidInput
from tropix.linalg._carrier import Array, Matrix, SemiringLike, read, signed_eps
from tropix.linalg._product import dense, product
from tropix.linalg._rank import _matrix
from tropix.linalg._residuation import NO_ADJOINT, Solution, adjoint, solve


def project(A: Matrix, y: Matrix, semiring: SemiringLike = "max") -> Array:
    """A ⊗ (A \\ y): the greatest element below y of the span {A ⊗ x}. A (n, m), y (n,) or (n, k). In min-plus the least
    above.

    Equal to y exactly if y lies in the span; floats round twice (for a decision see `solve`).

    >>> project([[0, 0], [0, 2]], [5, 4])
    array([4, 4], dtype=object)
    """
    arithmetic, (a, b) = read(semiring, [A, y], growth=4, deformed=NO_ADJOINT)
    if a.ndim != 2 or b.ndim not in (1, 2) or a.shape[0] != b.shape[0]:
        raise InvalidInput(f"matrix and point have shapes {a.shape} and {b.shape}: expected equal first axes")
    return arithmetic.write(product(a, adjoint(a, dense(b))))


def extreme_generators(A: Matrix, semiring: SemiringLike = "max") -> tuple[int, ...]:
    """Columns of A that generate the span of all, none of them redundant; of proportional columns the last one stays.

    They are the extreme rays of the span, unique up to scaling (Butkovič, Schneider, Sergeev 2007). Decided exactly.

    >>> extreme_generators([[0, 0, 0], [0, 1, 2]])
    (0, 2)
    """
    _, (a,) = read(semiring, [A], growth=4, exact=True, deformed=NO_ADJOINT)
    a = _matrix(a)
    kept = [j for j in range(a.shape[1]) if (a[:, j] != -np.inf).any()]
    for j in list(kept):
        others = a[:, [k for k in kept if k != j]]
        if (product(others, adjoint(others, a[:, j])) == a[:, j]).all():
            kept.remove(j)
    return tuple(kept)


@dataclass(frozen=True, eq=False)
class Halfspace:
    """The tropical halfspace {x : max_i (left_i + x_i) ≥ max_i (right_i + x_i)}; in min-plus min and ≤.

    Coefficients (n,) may be ±∞; the semiring's zero absorbs. Exact coefficients decide exactly.
    """

    left: Array
    right: Array
    semiring: SemiringLike = "max"

    def __contains__(self, point: npt.ArrayLike) -> bool:
        _, (left, right, x) = read(self.semiring, [self.left, self.right, point], exact=True, top=True)
        if x.shape != left.shape:
            raise InvalidInput(f"point has shape {x.shape}: expected {left.shape}")
        return bool(product(left[None], x)[0] >= product(right[None], x)[0])


def separate(A: Matrix, y: Matrix, semiring: SemiringLike = "max") -> Halfspace | None:
    """A halfspace that holds the span of the columns of A but not y; None if y lies in the span.

    With p = A ⊗ (A \\ y) ≤ y it is {x : max_i (x_i − y_i) ≥ max_i (x_i − p_i)}. Coefficients are exact: floats count as
    rationals. (Cohen, Gaubert, Quadrat, Singer 2005.)

    >>> halfspace = separate([[0, 0], [0, 2]], [5, 4])
    >>> [1, 2] in halfspace, [5, 4] in halfspace
    (True, False)
    """
    arithmetic, (a, b) = read(semiring, [A, y], growth=4, exact=True, deformed=NO_ADJOINT)
    a = dense(a)
    if a.ndim != 2 or b.shape != a.shape[:1]:
        raise InvalidInput(f"matrix and point have shapes {a.shape} and {b.shape}: expected (n, m) and (n,)")
    p = product(a, adjoint(a, b))
    if (p == b).all():
        return None
    kind: SemiringLike = "max" if signed_eps(semiring)[0] == 1 else "min"
    return Halfspace(arithmetic.write(-b), arithmetic.write(-p), kind)


def in_convex_hull(points: Matrix, y: Matrix, semiring: SemiringLike = "max") -> Solution:
    """Whether y (d,) is ⊕_i λ_i ⊗ p_i with ⊕_i λ_i = 0 (the unit), p_i the rows of ``points`` (k, d). Decided exactly.

    ``principal`` holds the greatest coefficients λ (k,) of a point below y.

    >>> bool(in_convex_hull([[0, 0], [2, 1]], [1, 1])), bool(in_convex_hull([[0, 0], [2, 1]], [1, 2]))
    (False, False)
    >>> bool(in_convex_hull([[0, 0], [2, 1]], [1, 0]))
    True
    """
    given, target = _homogeneous(points, semiring), _homogeneous(y, semiring)
    if given.ndim != 2 or target.shape != given.shape[1:]:
        raise InvalidInput(f"points and y have shapes {np.shape(points)} and {np.shape(y)}: expected (k, d) and (d,)")
    return solve(given.T, target, semiring)


def convex_hull_vertices(points: Matrix, semiring: SemiringLike = "max") -> tuple[int, ...]:
    """The vertices of the tropical convex hull of the rows of ``points`` (k, d), exactly; of equal ones the last.

    >>> convex_hull_vertices([[0, 0], [1, 0], [2, 1]])
    (0, 2)
    """
    return extreme_generators(_homogeneous(points, semiring).T, semiring)


def _homogeneous(points: Matrix, semiring: SemiringLike) -> Array:
    """Points with a first coordinate 0, in the arithmetic they were given in."""
    arithmetic, (p,) = read(semiring, [points], deformed=NO_ADJOINT)
    if p.ndim not in (1, 2):
        raise InvalidInput(f"points have shape {p.shape}: expected (k, d), or (d,) for one")
    written = arithmetic.write(dense(p))
    return np.concatenate([np.zeros((*written.shape[:-1], 1), dtype=written.dtype), written], axis=-1)

"""Two-sided systems A ⊗ x = B ⊗ y and A ⊗ x = B ⊗ x by the alternating method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tropix.deadline import Deadline
from tropix.errors import InvalidInput
from tropix.linalg._carrier import Array, Matrix, SemiringLike, read
from tropix.linalg._product import dense, product
from tropix.linalg._residuation import NO_ADJOINT, adjoint

LIMIT = 10_000


@dataclass(frozen=True, eq=False)
class TwoSided:
    """The answer for A ⊗ x = B ⊗ y (x = y where one vector was asked for), decided in rational arithmetic.

    - ``solution``: x, y solve the system exactly, and x is not all zero (−∞). For floats they are exact too: object
      arrays of rationals.
    - ``only trivial``: no such solution exists. ``x`` is an iterate below the start in *every* entry; iterates
      stay above every solution that lies below the start, and any solution that is not trivial, moved up until it
      touches the start, would not.
    - ``iteration limit``, ``time limit``: unknown; x is the last iterate, above all solutions below the start.
    """

    status: Literal["solution", "only trivial", "iteration limit", "time limit"]
    x: Array
    y: Array
    iterations: int

    def __bool__(self) -> bool:
        return self.status == "solution"


def two_sided(
    A: Matrix,
    B: Matrix,
    semiring: SemiringLike = "max",
    *,
    same: bool = True,
    limit: int = LIMIT,
    time_limit: float | None = None,
) -> TwoSided:
    """Find x with A ⊗ x = B ⊗ x, or with ``same=False`` x, y with A ⊗ x = B ⊗ y, or prove that there is none.

    A (n, m), B (n, m) (or (n, k)). From x = 0 on, y = B \\ (A ⊗ x) and x = A \\ (B ⊗ y) alternate (for one vector,
    x ← x ∧ A \\ (B ⊗ x) ∧ B \\ (A ⊗ x)); iterates decrease towards the greatest solution below the start. For finite
    rational matrices this ends; the number of steps may grow with the entries. Entries that run away towards −∞ are
    tried as −∞. Exact: floats are taken as rationals. (Cuninghame-Green, Butkovič 2003.)

    >>> result = two_sided([[3, 0], [0, 2]], [[1, 2], [1, 2]])
    >>> result.status, result.x.tolist()
    ('solution', [-1, 0])
    """
    arithmetic, (a, b) = read(semiring, [A, B], growth=4, exact=True, deformed=NO_ADJOINT)
    a, b = dense(a).astype(object), dense(b).astype(object)
    a, b = _integers(a), _integers(b)
    if a.ndim != 2 or b.ndim != 2 or len(a) != len(b) or (same and a.shape != b.shape):
        raise InvalidInput(f"matrices have shapes {a.shape} and {b.shape}: expected equal ones (or equal first axes)")
    if same:
        status, x, steps = _one_vector(a, b, limit, time_limit)
        y = x
    else:
        status, x, y, steps = _two_vectors(a, b, limit, time_limit)
    return TwoSided(status, arithmetic.write(x), arithmetic.write(y), steps)


def _integers(values: Array) -> Array:
    out = values.copy()
    finite = values != -np.inf
    out[finite] = [int(v) for v in values[finite]]
    return out


def _one_vector(a: Array, b: Array, limit: int, time_limit: float | None) -> tuple[Any, Array, int]:
    def step(x: Array) -> Array:
        return np.minimum(np.minimum(x, adjoint(a, product(b, x))), adjoint(b, product(a, x)))

    def solves(x: Array) -> bool:
        return bool((product(a, x) == product(b, x)).all())

    return _iterate(step, solves, a.shape[1], _spread(a, b), limit, time_limit)


def _two_vectors(a: Array, b: Array, limit: int, time_limit: float | None) -> tuple[Any, Array, Array, int]:
    def partner(x: Array) -> Array:
        y = adjoint(b, product(a, x))
        y[y == np.inf] = 0  # a column of −∞ does not matter
        return y

    def step(x: Array) -> Array:
        return np.minimum(x, adjoint(a, product(b, partner(x))))

    def solves(x: Array) -> bool:
        return bool((product(a, x) == product(b, partner(x))).all())

    status, x, steps = _iterate(step, solves, a.shape[1], _spread(a, b), limit, time_limit)
    return status, x, partner(x), steps


def _spread(a: Array, b: Array) -> int:
    finite = [int(v) for m in (a, b) for v in m.ravel().tolist() if v != -np.inf]
    return max(finite, default=0) - min(finite, default=0) + 1


def _iterate(
    step: Any, solves: Any, size: int, spread: int, limit: int, time_limit: float | None
) -> tuple[Any, Array, int]:
    x = np.zeros(size, dtype=object)
    deadline = Deadline(time_limit)
    for count in range(limit + 1):
        if not size or (x == -np.inf).all():
            return "only trivial", x, count
        if solves(x):
            return "solution", x, count
        if (x < 0).all():
            return "only trivial", x, count
        if count & (count - 1) == 0:
            tried = _without_runaways(x, spread)
            for _ in range(size):
                if solves(tried) and not (tried == -np.inf).all():
                    return "solution", tried, count
                tried = step(tried)
        if deadline.passed:
            return "time limit", x, count
        if count < limit:
            x = step(x)
    return "iteration limit", x, limit


def _without_runaways(x: Array, spread: int) -> Array:
    """X with entries that fell behind the start by more than the matrices' spread replaced by −∞."""
    out = x.copy()
    out[np.array([v < -spread for v in x], dtype=np.bool_)] = -np.inf
    return out

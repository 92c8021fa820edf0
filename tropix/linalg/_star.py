"""Kleene stars and the least solution of x = A ⊗ x ⊕ b."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from tropix import kernels
from tropix.errors import InvalidInput
from tropix.linalg._carrier import EXACT_FLOATS, Arithmetic, Array, Matrix, Number, SemiringLike, read
from tropix.linalg._eigenvalue import _rows, best_cycle, prove
from tropix.linalg._product import dense, product, square


class Divergent(InvalidInput):
    """A star that does not exist: ``cycle`` has the mean weight ``mean`` > 0 (in min-plus < 0).

    Over S_ε ``mean`` is the eigenvalue λ_ε ≥ 0, and ``cycle`` one of maximal mean weight, which may be below 0.
    """

    def __init__(self, cycle: tuple[int, ...], mean: Number, eps: float = 0.0) -> None:
        self.cycle, self.mean = cycle, mean
        if eps:
            super().__init__(
                f"the star does not exist: the eigenvalue over S_eps (eps = {eps:g}) is {mean}, expected below 0"
            )
            return
        shown = " -> ".join(map(str, cycle[:8])) + (" -> ..." if len(cycle) > 8 else "")
        super().__init__(f"the star does not exist: cycle {shown} of {len(cycle)} nodes has mean weight {mean}")


def star(A: Matrix, semiring: SemiringLike = "max") -> Array:
    """A* = I ⊕ A ⊕ A² ⊕ …: the largest weight of a walk from i to j, the empty one included. Always dense.

    It exists if and only if no cycle has positive weight (in min-plus: negative), else `Divergent` names one,
    checked in rational arithmetic. Exact matrices are decided exactly; of floats, cycles that are positive
    by less than rounding may pass (apply `exact` to decide those too). A* ⊗ A* = A*.
    Over `Deformed(eps)` it is the Neumann series ε log (I − exp(A/ε))⁻¹, by elimination without subtractions; it exists
    if λ_ε(A) < 0, A*_ε ≥ A*, and if n·e^{λ_0/ε} < 1 then, for each v with A ⊗ v ≤ λ_0 ⊗ v,
    (A*_ε)_ij ≤ v_i − v_j + ε log(1 + e^{λ_0/ε}/(1 − n e^{λ_0/ε})).

    >>> star([[-1, 2], [-3, -np.inf]])
    array([[ 0., 2.], [-3., 0.]])
    """
    arithmetic, a = _read(A, semiring)
    out = _plus(a, arithmetic)
    np.fill_diagonal(out, _with_one(out.diagonal(), arithmetic))
    return arithmetic.write(out)


def plus(A: Matrix, semiring: SemiringLike = "max") -> Array:
    """A⁺ = A ⊕ A² ⊕ … = A ⊗ A*: walks of at least one edge. It exists where A* does; see `star`.

    >>> plus([[-1, 2], [-3, -np.inf]])
    array([[-1., 2.], [-3., -1.]])
    """
    arithmetic, a = _read(A, semiring)
    return arithmetic.write(_plus(a, arithmetic))


def least_solution(A: Matrix, b: Matrix, semiring: SemiringLike = "max") -> Array:
    """The least solution x = A* ⊗ b of x = A ⊗ x ⊕ b (in min-plus the greatest). A (n, n), b (n,) or (n, m).

    Sparse matrices stay sparse: x ← b ⊕ A ⊗ x is repeated until nothing changes, at most n times. Raises `Divergent`
    where that does not end, because a positive cycle leads to an entry of b.

    >>> least_solution([[-1, 2], [-3, -np.inf]], [0, 1])
    array([3., 1.])
    """
    arithmetic, (a, x) = read(semiring, [A, b], growth=2 * _rows(A) + 2)
    n = square(a)
    x = dense(x)
    if x.ndim not in (1, 2) or len(x) != n:
        raise InvalidInput(f"b has shape {x.shape}: expected ({n},) or ({n}, m)")
    if arithmetic.eps:
        from tropix.linalg._deformed import closure

        whole = closure(dense(a), arithmetic.eps)
        np.fill_diagonal(whole, _with_one(whole.diagonal(), arithmetic))
        out = kernels.log_sum_exp_product(whole, x[:, None] if x.ndim == 1 else x, arithmetic.eps)
        return np.asarray(out[:, 0] if x.ndim == 1 else out)
    for _ in range(n):
        following = np.maximum(x, product(a, x))
        unchanged, x = bool((following == x).all()), following
        if unchanged:
            break
    else:
        if n and (np.maximum(x, product(a, x)) != x).any():
            _refuse_positive_cycle(a, arithmetic)
    return arithmetic.write(x)


def _read(A: Matrix, semiring: SemiringLike) -> tuple[Arithmetic, Array]:
    arithmetic, (a,) = read(semiring, [A], growth=4 * max(1, _rows(A)))
    square(a)
    return arithmetic, dense(a)


def _with_one(diagonal: Array, arithmetic: Arithmetic) -> Array:
    if arithmetic.eps:
        return np.logaddexp(diagonal / arithmetic.eps, 0.0) * arithmetic.eps
    return np.maximum(diagonal, 0)


def _plus(a: Array, arithmetic: Arithmetic) -> Array:
    if arithmetic.eps:
        from tropix.linalg._deformed import closure

        return closure(a, arithmetic.eps)
    if a.dtype == object:
        _refuse_positive_cycle(a, arithmetic)
        return object_closure(a)
    out, diverges = kernels.max_plus_closure(a)
    if diverges:
        _refuse_positive_cycle(a, arithmetic)
        found = best_cycle(a, "howard")
        assert found is not None
        return scaled_closure(a, 0.0, found[1]).astype(a.dtype)
    return out


def object_closure(a: Array) -> Array:
    """A⁺ of an object array of integers without positive cycles (Floyd, Warshall); in float64 where that is exact."""
    finite = a != -np.inf
    if 4 * len(a) * max((abs(v) for v in a[finite]), default=0) < EXACT_FLOATS:
        floats = kernels.max_plus_closure(a.astype(np.float64))[0]
        out = floats.astype(object)
        out[floats > -np.inf] = floats[floats > -np.inf].astype(np.int64)
        return out
    out = a.copy()
    for k in range(len(a)):
        out = np.maximum(out, out[:, k, None] + out[k])
    return out


def scaled_closure(a: Array, mean: float, potential: Array) -> Array:
    """(A − mean)⁺ in floats for a mean that no cycle exceeds but by rounding.

    With the potential v, a_ij − mean + v_j − v_i is at most 0 up to rounding; cut off there, no cycle is positive.
    """
    v = potential.astype(np.float64)
    scaled = np.minimum(a.astype(np.float64) - mean + v - v[:, None], 0.0)
    return np.asarray(kernels.max_plus_closure(scaled)[0] + v[:, None] - v)


def _refuse_positive_cycle(a: Any, arithmetic: Arithmetic) -> None:
    found = best_cycle(a, "howard")
    if found is None:
        return
    cycle, guess, mean = found
    if mean <= 0 and arithmetic.exact:
        mean, cycle, _ = prove(a, cycle, mean, guess)
    if mean > 0:
        exact_mean: Fraction = mean
        raise Divergent(cycle, arithmetic.number(exact_mean if arithmetic.exact else float(exact_mean)))

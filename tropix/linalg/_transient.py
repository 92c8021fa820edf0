"""The transient of an irreducible matrix: when its powers become periodic."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from tropix.errors import Unsupported
from tropix.linalg._carrier import Array, Matrix, Number, SemiringLike, read
from tropix.linalg._classes import ordered_classes
from tropix.linalg._eigenspace import NO_EIGENVECTORS, critical_of, cyclicity_of
from tropix.linalg._eigenvalue import _rows
from tropix.linalg._product import dense, product, square


@dataclass(frozen=True)
class Transient:
    """The least T ≥ 0 with A^{k+c} = c·λ ⊗ A^k for all k ≥ T, or how far the search went.

    ``status`` is ``found``, or ``limit``: then T > ``transient``, the largest exponent that was tried.
    """

    status: Literal["found", "limit"]
    transient: int
    cyclicity: int
    eigenvalue: Number


def transient(A: Matrix, semiring: SemiringLike = "max", *, limit: int = 1 << 20) -> Transient:
    """The transient and the cyclicity of an irreducible matrix, exactly; floats are taken as rationals.

    The equation, once true, stays true: exponents 1, 2, 4, … ≤ ``limit`` are tried and the first true one is found
    between two of them. Raises `Unsupported` for reducible matrices, whose entries may grow at different rates.

    >>> transient([[0, -3], [-3, -1]])
    Transient(status='found', transient=6, cyclicity=1, eigenvalue=0)
    """
    arithmetic, (a,) = read(semiring, [A], growth=4 * max(1, _rows(A)), exact=True, deformed=NO_EIGENVECTORS)
    n = square(a)
    a = dense(a).astype(object)
    critical = critical_of(a)
    if len(ordered_classes(a)) != 1 or critical is None:
        raise Unsupported(f"transient of a reducible matrix of order {n}: take its irreducible classes one by one")
    period = cyclicity_of(critical)
    shifted = _normalized(a, critical.mean)
    powers = {0: _unit(n)}

    def periodic(k: int) -> bool:
        return bool((_power(shifted, powers, k + period) == _power(shifted, powers, k)).all())

    low, high = -1, 0
    while not periodic(high):
        if high >= limit:
            return Transient("limit", high, period, arithmetic.number(critical.mean))
        low, high = high, min(limit, max(1, 2 * high))
    while high - low > 1:
        middle = (low + high) // 2
        if periodic(middle):
            high = middle
        else:
            low = middle
    return Transient("found", high, period, arithmetic.number(critical.mean))


def _normalized(a: Array, mean: Fraction) -> Array:
    """q·(A − λ) with λ = p/q: integers, and no cycle is positive."""
    out = a.copy()
    finite = out != -np.inf
    out[finite] = [mean.denominator * int(w) - mean.numerator for w in out[finite]]
    return out


def _unit(n: int) -> Array:
    out = np.full((n, n), -np.inf, dtype=object)
    np.fill_diagonal(out, 0)
    return out


def _power(a: Array, known: dict[int, Array], k: int) -> Any:
    """A^k from remembered squares."""
    result, square_of, exponent = known[0], a, 1
    while k:
        if k & 1:
            result = square_of if result is known[0] else product(result, square_of)
        k >>= 1
        if k:
            exponent *= 2
            if exponent not in known:
                known[exponent] = product(square_of, square_of)
            square_of = known[exponent]
    return result

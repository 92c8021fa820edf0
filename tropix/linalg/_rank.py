"""Tropical, Kapranov and Barvinok rank of small matrices, decided in rational arithmetic where that is possible."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tropix.errors import InvalidInput
from tropix.linalg._carrier import Array, Matrix, SemiringLike, read
from tropix.linalg._factorization import MAX_ENTRIES, factorize
from tropix.linalg._minors import levels, members
from tropix.linalg._product import dense

NO_RANK = "S_eps is isomorphic to the nonnegative reals: take ranks of exp(A/eps) or of the limit"


@dataclass(frozen=True, eq=False)
class Rank:
    """A rank between ``lower`` and ``upper``, with a reason; ``decided`` where they agree.

    ``minor``: rows and columns of a nonsingular minor of order ``lower`` (tropical and Kapranov rank);
    ``factors``: matrices B (m, upper), C (upper, n) with B ⊗ C = A exactly (Barvinok rank).
    """

    lower: int
    upper: int
    reason: str
    minor: tuple[tuple[int, ...], tuple[int, ...]] | None = None
    factors: tuple[Array, Array] | None = None

    @property
    def decided(self) -> bool:
        """Whether the rank is known."""
        return self.lower == self.upper


def tropical_rank(A: Matrix, semiring: SemiringLike = "max") -> Rank:
    """The order of the largest nonsingular minor of A (m, n): one whose optimum is attained by one permutation only.

    All minors are looked at, in rational arithmetic; raises `Unsupported` beyond C(m + n, m) = 200 000 of them (10×10).
    (Develin, Santos, Sturmfels 2005.)

    >>> tropical_rank([[0, 0, 1], [0, 1, 0], [1, 0, 0]]).lower
    3
    """
    _, (a,) = read(semiring, [A], growth=8 * 64, exact=True, deformed=NO_RANK)
    return _tropical(_matrix(a))


def barvinok_rank(A: Matrix, semiring: SemiringLike = "max", *, limit: int = 20_000) -> Rank:
    """The least k with A = B ⊗ C, B (m, k), C (k, n): also called factor rank. NP-hard already for k = 3.

    The finite entries are split into sets that one matrix u ⊗ wᵀ ≤ A attains at once; the search visits at most
    ``limit`` partial splits for each k, then only bounds are known, as of matrices of more than 800 finite entries.
    Factors are exact.
    (Barvinok, Johnson, Woeginger, Woodroofe 1998; Develin, Santos, Sturmfels 2005.)

    >>> barvinok_rank([[0, 1], [2, 3]]).upper
    1
    """
    arithmetic, (a,) = read(semiring, [A], growth=8 * 64, exact=True, deformed=NO_RANK)
    a = _matrix(a)
    lower = 1 if (a != -np.inf).any() else 0
    found = factorize(a, lower, limit)
    left, right = (arithmetic.write(factor) for factor in found.factors)
    if found.lower == left.shape[1]:
        reason = "by search"
    elif (a != -np.inf).sum() > MAX_ENTRIES:
        reason = f"no search: more than {MAX_ENTRIES} finite entries"
    else:
        reason = f"search ended after {limit} splits"
    return Rank(found.lower, left.shape[1], reason, factors=(left, right))


def kapranov_rank(A: Matrix, semiring: SemiringLike = "max", *, limit: int = 20_000) -> Rank:
    """The least rank of a matrix over complex Puiseux series whose degrees are A.

    Always tropical rank ≤ Kapranov rank ≤ Barvinok rank, min(m, n). For finite entries the first two agree if the
    tropical rank r is at most 2 or at least min(m, n) − 1, or if r = 3 and min(m, n) ≤ 6. Otherwise the bounds are
    returned. (Develin, Santos, Sturmfels 2005; Chan, Jensen, Rubei 2011; Shitov 2013.)

    >>> kapranov_rank([[0, 0, 1], [0, 1, 0], [1, 0, 0]]).upper
    3
    """
    _, (a,) = read(semiring, [A], growth=8 * 64, exact=True, deformed=NO_RANK)
    a = _matrix(a)
    tropical = _tropical(a)
    r, smaller = tropical.lower, min(a.shape)
    if r == smaller:
        return Rank(r, r, "full tropical rank", tropical.minor)
    if (a != -np.inf).all() and (r <= 2 or r >= smaller - 1 or (r == 3 and smaller <= 6)):
        return Rank(r, r, f"minors of order {r + 1} are a tropical basis", tropical.minor)
    upper = min(smaller, factorize(a, r, limit).factors[0].shape[1])
    return Rank(r, upper, "tropical and Barvinok rank", tropical.minor)


def _matrix(a: Array) -> Array:
    a = dense(a)
    if a.ndim != 2:
        raise InvalidInput(f"matrix has shape {a.shape}: expected two axes")
    out = a.astype(object)
    finite = out != -np.inf
    out[finite] = [int(v) for v in out[finite]]
    return out


def _tropical(a: Array) -> Rank:
    minor: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
    for level in levels(a):
        regular = next((key for key, (_, unique) in level.items() if unique), None)
        if regular is None:  # a nonsingular minor contains a nonsingular one of each smaller order
            break
        minor = members(regular[0]), members(regular[1])
    return Rank(len(minor[0]), len(minor[0]), "all minors", minor)

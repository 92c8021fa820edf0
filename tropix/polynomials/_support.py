"""The points of a polynomial, made ready for exact hulls: distinct, in affinely independent coordinates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import flint

from tropix.exact import Rationals
from tropix.polynomials._vectors import Normal, primitive

PRIME = 2**61 - 1


@dataclass(frozen=True)
class Support:
    """Distinct points e_1 < e_2 < … (lexicographically) and the affine space that they span.

    ``points`` (n, d); ``members[i]`` are the indices of the given rows that stand for point i. ``basis`` are r integer
    vectors that span the directions, in reduced echelon form with leading ``coordinates``: on those the affine hull
    projects injectively. r is −1 without points.
    """

    points: Rationals
    heights: Rationals | None
    members: tuple[tuple[int, ...], ...]
    coordinates: tuple[int, ...]
    basis: tuple[Normal, ...]

    @classmethod
    def of(cls, points: Rationals, heights: Rationals | None = None) -> Support:
        """Of equal points only those with the largest height stay."""
        levels = [0] * len(points) if heights is None else heights.numerators.tolist()
        groups: dict[tuple[int, ...], list[int]] = {}
        for i, key in enumerate(points.keys()):
            group = groups.setdefault(key, [i])
            if levels[i] > levels[group[0]]:
                groups[key] = [i]
            elif levels[i] == levels[group[0]] and i != group[0]:
                group.append(i)
        members = tuple(tuple(groups[key]) for key in sorted(groups))
        first = [group[0] for group in members]
        coordinates, basis = _directions(points[first])
        return cls(points[first], None if heights is None else heights[first], members, coordinates, basis)

    @property
    def dimension(self) -> int:
        """Dimension of the affine hull, −1 without points."""
        return len(self.basis) if self.members else -1

    def vectors(self) -> list[tuple[int, ...]]:
        """The points in independent coordinates, then the heights, as vectors (D, D·e) for the hull."""
        rows = self.points[:, list(self.coordinates)]
        if self.heights is not None:
            rows = Rationals.concatenate([rows, self.heights[:, None]], axis=1)
        return [(rows.denominator, *row) for row in rows.numerators.tolist()]

    def normal(self, reduced: Normal, sign: int = 1) -> Normal:
        """A functional on the independent coordinates as one on ℝ^d: zero elsewhere."""
        full = [0] * self.points.shape[1]
        for i, value in zip(self.coordinates, reduced, strict=True):
            full[i] = sign * value
        return primitive(full)

    def orthogonal(self) -> tuple[Normal, ...]:
        """A basis of the integer vectors orthogonal to all directions, d − r rows."""
        dimension = self.points.shape[1]
        if not self.basis:
            return tuple(tuple(int(i == j) for j in range(dimension)) for i in range(dimension))
        kernel, nullity = flint.fmpz_mat(self.basis).nullspace()
        return tuple(_signed(primitive(int(v) for v in row)) for row in kernel.transpose().tolist()[:nullity])

    def lattice_factor(self) -> Fraction:
        """What a volume in the independent coordinates is multiplied by to measure it in the lattice ℤ^d ∩ span.

        The gcd of the maximal minors of the basis over its minor in those coordinates: the first is the index of the
        basis in the lattice, the second its volume.
        """
        if len(self.basis) == self.points.shape[1]:
            return Fraction(1)
        rank = len(self.basis)
        if not rank:
            return Fraction(1)
        echelon = flint.fmpz_mat(self.basis).transpose().hnf()
        index = math.prod(int(echelon[i, i]) for i in range(rank))
        return Fraction(index, math.prod(row[i] for row, i in zip(self.basis, self.coordinates, strict=True)))


def _signed(vector: Normal) -> Normal:
    """The vector or its negative, the first nonzero entry positive."""
    return vector if next(v for v in vector if v) > 0 else tuple(-v for v in vector)


def _directions(points: Rationals) -> tuple[tuple[int, ...], tuple[Normal, ...]]:
    count, dimension = points.shape
    if count < 2 or not dimension:
        return (), ()
    differences: list[list[int]] = (points[1:] - points[:1]).numerators.tolist()
    matrix = flint.nmod_mat(count - 1, dimension, [v % PRIME for row in differences for v in row], PRIME)
    if matrix.rank() == dimension:  # a rank modulo a prime is never too large
        unit = [tuple(int(i == j) for j in range(dimension)) for i in range(dimension)]
        return tuple(range(dimension)), tuple(unit)
    reduced: Any
    reduced, denominator, rank = flint.fmpz_mat(differences).rref()
    sign = 1 if denominator > 0 else -1
    basis = [primitive(sign * int(v) for v in row) for row in reduced.tolist()[:rank]]
    return tuple(next(i for i, v in enumerate(row) if v) for row in basis), tuple(basis)

"""Convex piecewise-linear functions through given values, or a proof that the values are not convex."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TypeAlias

import flint
import numpy as np
import numpy.typing as npt

from tropix.errors import InvalidInput
from tropix.exact import Rationals, fraction_of, maximize
from tropix.polynomials._envelope import EnvelopeProgram
from tropix.polynomials._tropical import TropicalPolynomial

SHORT = 2048
"""Size in bits up to which the common denominator of the pieces may grow while there is a choice."""


class NotConvex(InvalidInput):
    """Values that no convex function takes: x_k = Σ weights_j x_j, but value_k > Σ weights_j value_j.

    ``index`` is k, ``support`` the j; the weights are positive rationals with sum 1, so the claim can be rechecked.
    """

    def __init__(self, index: int, support: tuple[int, ...], weights: tuple[Fraction, ...]) -> None:
        super().__init__(index, support, weights)
        self.index, self.support, self.weights = index, support, weights

    def __str__(self) -> str:
        parts = list(zip(self.weights, self.support, strict=True))
        mean = " + ".join(f"{weight} * point {j}" for weight, j in parts[:5]) + (" + ..." if len(parts) > 5 else "")
        return f"the values are not convex: point {self.index} = {mean}, but its value exceeds that mean of the values"

    def verify(self, points: npt.ArrayLike | Rationals, values: npt.ArrayLike | Rationals) -> bool:
        """Recheck the claim in rational arithmetic."""
        table = _table(points, values).fractions()
        if len(self.support) != len(self.weights) or min(self.weights, default=Fraction(-1)) < 0:
            return False
        mean = np.array(self.weights, dtype=object) @ table[list(self.support)]
        place = table[self.index]
        return bool((mean[:-1] == place[:-1]).all()) and sum(self.weights) == 1 and mean[-1] < place[-1]


def interpolate(points: npt.ArrayLike | Rationals, values: npt.ArrayLike | Rationals) -> TropicalPolynomial:
    """A convex max-affine function f with f(x_i) = v_i exactly: points (n, d) and values (n,) of rational numbers.

    Its pieces are faces of the lower convex hull of the data, at least one at each point, and not all of them: between
    the points f may lie below that hull, and the number of pieces is not always the smallest. HiGHS proposes d+1 points
    that a face goes through, or a slope; a face is accepted only if it lies below all data in rational arithmetic, and
    an exact simplex method decides what is left. Without points f is the zero polynomial.
    Raises `NotConvex` with a convex combination as proof where no convex function takes the values.
    Source: Boyd and Vandenberghe, *Convex Optimization* (2004), §6.5.5.

    >>> f = interpolate([[-1], [0], [2], [3]], [1, 0, 2, 5])
    >>> str(f)
    'max(-x0, 3*x0 - 4)'
    """
    table = _table(points, values)
    count, dimension = table.shape[0], table.shape[1] - 1
    if not count:
        return TropicalPolynomial.zero(dimension)
    pieces = _Faces(table).pieces()
    return TropicalPolynomial.from_rationals(Rationals.of(np.array(pieces, dtype=object).reshape(-1, dimension + 1)))


Face: TypeAlias = tuple[list[Fraction], list[int]]


class _Faces:
    """Affine functions below the data (rows x_j, v_j), each equal to it at some points."""

    def __init__(self, table: Rationals) -> None:
        self.table = table
        self.count, self.dimension = table.shape[0], table.shape[1] - 1
        ones = np.full((self.count, 1), table.denominator, dtype=object)
        # rows (x_j, 1) and values, both times the common denominator
        self.lifted: list[list[int]] = np.concatenate([table[:, :-1].numerators, ones], axis=1).tolist()
        self.heights: list[int] = table[:, -1].numerators.tolist()
        self.matrix = flint.fmpz_mat(self.lifted)
        self.column = flint.fmpz_mat(self.count, 1, self.heights)
        self.denominator = 1

    def pieces(self) -> list[list[Fraction]]:
        """Pieces that together attain every value."""
        images = self.table.floats()
        program = EnvelopeProgram(images[:, :-1], images[:, -1])
        covered = np.zeros(self.count, dtype=np.bool_)
        found: list[Face] = []
        for k in range(self.count):
            if not covered[k]:
                face = self._at(program, k)
                found.append(face)
                covered[face[1]] = True
                self.denominator = math.lcm(self.denominator, *(value.denominator for value in face[0]))
        return _needed(found, self.count)

    def _at(self, program: EnvelopeProgram, k: int) -> Face:
        """A face through k: one through d+1 points if its numbers are short, else one with a slope of floats."""
        face = self._proposed(program, k)
        if face is not None and self._short(face[0]):
            return face
        return self._tangent(program, k) or face or self._decided(k)

    def _short(self, piece: list[Fraction]) -> bool:
        # all pieces get one common denominator, which must not grow with their number
        return math.lcm(self.denominator, *(value.denominator for value in piece)).bit_length() <= SHORT

    def _proposed(self, program: EnvelopeProgram, k: int) -> Face | None:
        """The face through the points of an optimal basis of floats, if it is one and holds k."""
        proposal = program.face(k)
        if proposal is None or len(proposal.points) != self.dimension + 1:
            return None
        chosen = proposal.points
        try:
            solution = flint.fmpz_mat([self.lifted[j] for j in chosen]).solve(
                flint.fmpz_mat(len(chosen), 1, [self.heights[j] for j in chosen])
            )
        except ZeroDivisionError:
            return None
        face = self._below([fraction_of(value) for value in solution.entries()])
        return face if face is not None and k in face[1] else None

    def _tangent(self, program: EnvelopeProgram, k: int) -> Face | None:
        """The face v_k + g·(x − x_k) with a proposed slope g of floats; it exists where k is a vertex of the hull."""
        proposal = program.face_below(k)
        if proposal is None or not np.isfinite(proposal.slope).all():
            return None
        slope = [Fraction(value) for value in proposal.slope.tolist()]
        *place, height = self.table[k].fractions().tolist()
        level = height - sum((g * x for g, x in zip(slope, place, strict=True)), Fraction(0))
        return self._below([*slope, level])

    def _below(self, piece: list[Fraction]) -> Face | None:
        """The piece with all points on it; None if it is above some value."""
        common = math.lcm(*(value.denominator for value in piece))
        numerators = [value.numerator * (common // value.denominator) for value in piece]
        slack = (common * self.column - self.matrix * flint.fmpz_mat(len(piece), 1, numerators)).entries()
        if any(value < 0 for value in slack):
            return None
        return piece, [j for j, value in enumerate(slack) if value == 0]

    def _decided(self, k: int) -> Face:
        """A face through k by the exact simplex method: min Σ λ_j v_j over convex combinations with mean x_k."""
        columns = flint.fmpq_mat(self.matrix).transpose()
        answer = maximize(columns, self.lifted[k], [-height for height in self.heights])
        face = self._below([-fraction_of(y) for y in answer.dual])
        assert face is not None
        if k not in face[1]:
            pairs = [(j, v) for j, v in zip(answer.basis, answer.values, strict=True) if j < self.count and v != 0]
            raise NotConvex(k, tuple(j for j, _ in pairs), tuple(fraction_of(v) for _, v in pairs))
        return face


def _needed(faces: list[Face], count: int) -> list[list[Fraction]]:
    """The pieces without those whose points all lie on others."""
    uses = np.zeros(count, dtype=np.int64)
    for _, touched in faces:
        uses[touched] += 1
    kept = []
    for piece, touched in faces:
        if (uses[touched] > 1).all():
            uses[touched] -= 1
        else:
            kept.append(piece)
    return kept


def _table(points: npt.ArrayLike | Rationals, values: npt.ArrayLike | Rationals) -> Rationals:
    places, heights = Rationals.of(points), Rationals.of(values)
    if len(places.shape) != 2 or heights.shape != places.shape[:1]:
        raise InvalidInput(f"points {places.shape} and values {heights.shape}: expected (n, d) and (n,)")
    return Rationals.concatenate([places, heights[:, None]], axis=1)

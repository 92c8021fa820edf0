"""The exact question of pruning: is a monomial below a convex combination of others on the whole domain?

With rows (w_j, b_j) and a domain ∏[l_i, u_i] (infinite ends allowed) monomial k is dominated iff

    max { Σ λ_j b_j − u·α + l·β  :  Σ λ_j w_j + α − β = w_k,  Σ λ_j = 1,  λ, α, β ≥ 0 }  ≥  b_k

(α_i, β_i exist only for finite ends); else some x in the domain has w_k·x + b_k > w_j·x + b_j for every j ≠ k.
That alternative is linear programming duality; here both sides are decided in rational arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import flint
import numpy as np

from tropix.arrays import IntArray
from tropix.boxes import Box
from tropix.exact import Rationals, fraction_of, maximize

Ends: TypeAlias = list[tuple[int, int, Fraction]]


@dataclass(frozen=True)
class Domination:
    """Why a monomial can go: on the domain it is at most a convex combination of others.

    In full: (1 − Σ ν)·(w_k·x + b_k) ≤ Σ_j weights_j (w_j·x + b_j) + Σ_h ν_h (a_h·x − r_h) on the box around the domain,
    where a_h·x ≤ r_h are the halfspaces ``walls`` of a polyhedron and ν their weights (none on ℝ^d and on boxes). All
    are nonnegative rationals with sum 1. A duplicate is dominated by its twin with weight 1.
    """

    index: int
    support: tuple[int, ...]
    weights: tuple[Fraction, ...]
    walls: tuple[int, ...] = ()
    wall_weights: tuple[Fraction, ...] = ()


class DominanceTest:
    """Exact decisions about rows (w_j, b_j) on a domain. Columns 0…N−1 are rows, then come the finite box ends."""

    def __init__(self, rows: Rationals, box: Box | None, ends: Ends | None = None) -> None:
        self.rows = rows
        self.count, self.dimension = rows.shape[0], rows.shape[1] - 1
        self.one = rows.denominator
        self.table: list[list[int]] = rows.numerators.tolist()
        self.ends = box_ends(box, self.dimension) if ends is None else ends
        self.box = box

    def column(self, j: int) -> list[Any]:
        """Column j of the constraint matrix, scaled by the rows' common denominator."""
        if j < self.count:
            return [*self.table[j][:-1], self.one]
        coordinate, sign, _ = self.ends[j - self.count]
        return [sign * (i == coordinate) for i in range(self.dimension)] + [0]

    def cost(self, j: int) -> Any:
        """Objective coefficient of column j, in the same scale."""
        if j < self.count:
            return self.table[j][-1]
        _, sign, end = self.ends[j - self.count]
        return flint.fmpq(-sign * end.numerator, end.denominator)

    def by_basis(self, k: int, columns: Sequence[int]) -> Domination | None:
        """Solve for the multipliers of d+1 columns; a `Domination` if they are valid, None if they prove nothing.

        A column of an end holds one coordinate alone, so the multipliers of the rows are solved for in the coordinates
        that no end covers; those of the ends follow.
        """
        if len(columns) != self.dimension + 1:
            return None
        rows = [j for j in columns if j < self.count]
        covered = {self.ends[j - self.count][0]: self.ends[j - self.count][1:] for j in columns if j >= self.count}
        if len(rows) + len(covered) != len(columns):
            return None
        free = [i for i in range(self.dimension) if i not in covered]
        table = [self.table[j] for j in rows]
        matrix = flint.fmpz_mat([[row[i] for row in table] for i in free] + [[1] * len(rows)])
        right = flint.fmpz_mat(len(rows), 1, [self.table[k][i] for i in free] + [1])
        try:
            values: Any = matrix.solve(right)
        except ZeroDivisionError:
            return None
        weights = values.entries()
        if any(weight < 0 for weight in weights):
            return None
        wanted = [*covered, self.dimension]
        left = flint.fmpz_mat([[row[i] for row in table] for i in wanted])
        sums = flint.fmpq_mat(left) * values
        rest = [sums[n, 0] - self.table[k][i] for n, i in enumerate(wanted)]
        level = rest[-1]
        for (sign, end), excess in zip(covered.values(), rest, strict=False):
            if sign * excess > 0:
                return None
            level += flint.fmpq(end.numerator, end.denominator) * excess
        if level < 0:
            return None
        pairs = [(j, weight) for j, weight in zip(rows, weights, strict=True) if weight != 0]
        return Domination(k, tuple(j for j, _ in pairs), tuple(fraction_of(weight) for _, weight in pairs))

    def _domination(self, k: int, columns: Sequence[int], values: list[Any]) -> Domination | None:
        if any(value < 0 for value in values):
            return None
        level = sum((value * self.cost(j) for j, value in zip(columns, values, strict=True)), flint.fmpq(0))
        if level < self.table[k][-1]:
            return None
        pairs = [(j, v) for j, v in zip(columns, values, strict=True) if j < self.count and v != 0]
        return Domination(k, tuple(j for j, _ in pairs), tuple(fraction_of(v) for _, v in pairs))

    def decide(self, k: int, columns: Sequence[int]) -> Domination | list[Fraction]:
        """Decide by the exact simplex method whether the given columns dominate k; else return a witness point.

        The witness lies in the domain and makes monomial k strictly larger than every given row.
        """
        chosen = [j for j in columns if j != k]
        named = set(chosen)
        chosen += [j for j in range(self.count, self.count + len(self.ends)) if j not in named]
        if not chosen:
            return self.base_point()
        matrix = flint.fmpq_mat(flint.fmpz_mat([self.column(j) for j in chosen]).transpose())
        answer = maximize(matrix, self.column(k), [self.cost(j) for j in chosen])
        point = [-fraction_of(y) for y in answer.dual[:-1]]
        if answer.status == "optimal":
            basis = [chosen[i] for i in answer.basis if i < len(chosen)]
            values = [v for i, v in zip(answer.basis, answer.values, strict=True) if i < len(chosen)]
            domination = self._domination(k, basis, values)
            if domination is not None:
                return domination
            return point
        # Infeasible: the point is a recession direction of the domain along which k outgrows every other row.
        return self._far_point(k, [j for j in chosen if j < self.count], point)

    def restricted(self, k: int, columns: Sequence[int]) -> Domination | None:
        """Like :meth:`decide` on a few columns only: cheap, and conclusive when it finds a domination."""
        answer = self.decide(k, columns)
        return answer if isinstance(answer, Domination) else None

    def base_point(self) -> list[Fraction]:
        """The point of the domain nearest to the origin, coordinate by coordinate."""
        point = [Fraction(0)] * self.dimension
        for coordinate, sign, end in self.ends:
            if (sign > 0 and point[coordinate] > end) or (sign < 0 and point[coordinate] < end):
                point[coordinate] = end
        return point

    def _far_point(self, k: int, others: list[int], direction: list[Fraction]) -> list[Fraction]:
        base = self.base_point()
        step = Fraction(1)
        fixed = [Fraction(v) for v in self.table[k]]
        for j in others:
            difference = [a - b for a, b in zip(fixed, self.table[j], strict=True)]
            slope = sum((c * v for c, v in zip(difference, direction, strict=False)), Fraction(0))
            start = sum((c * v for c, v in zip(difference, base, strict=False)), difference[-1])
            if start <= 0:
                step = max(step, 1 - start / slope)
        return [b + step * v for b, v in zip(base, direction, strict=True)]

    def strict_at(self, points: Rationals, owners: IntArray, among: IntArray) -> list[bool]:
        """For each point, whether its owner is strictly the largest of the rows ``among`` there (exactly)."""
        table = self.rows[among]
        position = {int(j): i for i, j in enumerate(among)}
        result: list[bool] = []
        block = max(1, 500_000 // max(1, len(among)))
        for start in range(0, len(owners), block):
            part = points[start : start + block]
            ones = np.full((1, len(part)), part.denominator, dtype=object)
            homogeneous = np.concatenate([part.numerators.T, ones], axis=0)
            product = table.to_flint() * Rationals(homogeneous, 1).to_flint()
            columns = product.transpose().tolist()
            for column, owner in zip(columns, owners[start : start + block], strict=True):
                top = column[position[int(owner)]]
                result.append(sum(1 for value in column if value >= top) == 1)
        return result


def box_ends(box: Box | None, dimension: int) -> Ends:
    """The finite ends of a box as (coordinate, +1 for upper or −1 for lower, value)."""
    if box is None:
        return []
    ends = []
    for i in range(dimension):
        if np.isfinite(box.upper[i]):
            ends.append((i, 1, Fraction(float(box.upper[i]))))
        if np.isfinite(box.lower[i]):
            ends.append((i, -1, Fraction(float(box.lower[i]))))
    return ends

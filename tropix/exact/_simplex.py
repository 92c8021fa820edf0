"""A revised simplex method in rational arithmetic: it decides what floating point could not settle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import flint

Vector = list[Any]


@dataclass(frozen=True)
class ExactSolution:
    """The exact answer to max{c·λ : Aλ = r, λ ≥ 0}, with its evidence.

    - ``optimal``: ``basis[i]`` is the column of the i-th basic variable and ``values[i]`` its value;
      ``dual`` y has y·A_j ≥ c_j for every column, and y·r is the optimum.
    - ``infeasible``: ``dual`` y has y·A_j ≥ 0 for every column and y·r < 0 (Farkas).
    - ``unbounded``: the objective has no upper bound; no evidence is stored.

    A redundant equation is represented by a basis entry ≥ the number of columns, with value 0.
    """

    status: Literal["optimal", "infeasible", "unbounded"]
    basis: list[int]
    values: Vector
    dual: Vector


def maximize(matrix: Any, right: Vector, costs: Vector) -> ExactSolution:
    """Solve max{costs·λ : matrix·λ = right, λ ≥ 0} over the rationals.

    ``matrix`` is a flint ``fmpq_mat`` with m rows and n columns. The entering column has the largest reduced cost;
    while pivots are degenerate, Bland's rule chooses instead, so the method terminates.
    """
    return _Simplex(matrix, right, costs).solve()


class _Simplex:
    """Working state: the columns, then one artificial column for each row."""

    def __init__(self, matrix: Any, right: Vector, costs: Vector) -> None:
        self.rows, self.columns = matrix.nrows(), matrix.ncols()
        zero, one = flint.fmpq(0), flint.fmpq(1)
        self.signs = [-one if flint.fmpq(value) < 0 else one for value in right]
        table = [[sign * entry for entry in row] for sign, row in zip(self.signs, matrix.tolist(), strict=True)]
        identity = [[one if i == j else zero for j in range(self.rows)] for i in range(self.rows)]
        self.matrix = flint.fmpq_mat([row + extra for row, extra in zip(table, identity, strict=True)])
        self.column_lists = list(zip(*(row + extra for row, extra in zip(table, identity, strict=True)), strict=True))
        self.right = flint.fmpq_mat(self.rows, 1, [s * flint.fmpq(v) for s, v in zip(self.signs, right, strict=True)])
        self.costs = [flint.fmpq(c) for c in costs]
        self.basis = list(range(self.columns, self.columns + self.rows))

    def solve(self) -> ExactSolution:
        zero = flint.fmpq(0)
        phase_one = [zero] * self.columns + [flint.fmpq(-1)] * self.rows
        self._iterate(phase_one, self.columns + self.rows)
        values, dual = self._state(phase_one)
        if any(v > 0 for v, j in zip(values, self.basis, strict=True) if j >= self.columns):
            return ExactSolution("infeasible", self.basis, values, self._unsigned(dual))
        self._drive_out_artificials()
        phase_two = self.costs + [zero] * self.rows
        if not self._iterate(phase_two, self.columns):
            return ExactSolution("unbounded", self.basis, [], [])
        values, dual = self._state(phase_two)
        return ExactSolution("optimal", self.basis, values, self._unsigned(dual))

    def _unsigned(self, dual: Vector) -> Vector:
        return [sign * y for sign, y in zip(self.signs, dual, strict=True)]

    def _inverse(self) -> Any:
        columns = [self.column_lists[j] for j in self.basis]
        return flint.fmpq_mat([list(row) for row in zip(*columns, strict=True)]).inv()

    def _state(self, costs: Vector) -> tuple[Vector, Vector]:
        inverse = self._inverse()
        basic_costs = flint.fmpq_mat(1, self.rows, [costs[j] for j in self.basis])
        return (inverse * self.right).entries(), (basic_costs * inverse).entries()

    def _iterate(self, costs: Vector, allowed: int) -> bool:
        """Pivot until no column below ``allowed`` improves; False when the objective is unbounded."""
        degenerate = False
        while True:
            inverse = self._inverse()
            values = (inverse * self.right).entries()
            basic_costs = flint.fmpq_mat(1, self.rows, [costs[j] for j in self.basis])
            priced = (basic_costs * inverse * self.matrix).entries()
            basic = set(self.basis)
            gains = [(costs[j] - priced[j], j) for j in range(allowed) if j not in basic]
            improving = [(gain, j) for gain, j in gains if gain > 0]
            if not improving:
                return True
            entering = improving[0][1] if degenerate else max(improving, key=lambda pair: pair[0])[1]
            column = flint.fmpq_mat(self.rows, 1, list(self.column_lists[entering]))
            direction = (inverse * column).entries()
            ratios = [
                (value / step, j, i)
                for i, (value, step, j) in enumerate(zip(values, direction, self.basis, strict=True))
                if step > 0
            ]
            if not ratios:
                return False
            length, _, leaving = min(ratios)
            degenerate = length == 0
            self.basis[leaving] = entering

    def _drive_out_artificials(self) -> None:
        """Replace artificial basic variables (all zero now) by columns; a row without one is redundant."""
        for position in range(self.rows):
            if self.basis[position] < self.columns:
                continue
            row = flint.fmpq_mat(1, self.rows, self._inverse().tolist()[position])
            entries = (row * self.matrix).entries()
            basic = set(self.basis)
            for j in range(self.columns):
                if entries[j] != 0 and j not in basic:
                    self.basis[position] = j
                    break

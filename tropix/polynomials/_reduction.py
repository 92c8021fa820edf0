"""Before cells are decided: distinct rows, in coordinates that no box fixes and no flat direction wastes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from tropix.boxes import Box, Polyhedron
from tropix.errors import InvalidInput
from tropix.exact import Rationals
from tropix.polynomials._dominance import Domination


@dataclass(frozen=True)
class Reduction:
    """Max-affine functions, each with rows that are distinct on the domain, in as few coordinates as they need.

    ``functions[g]`` holds the rows ``index[g]`` of function g; ``duplicates[g]`` the others, each with the row that is
    at least as large on the whole domain. ``walls`` are the rows (a, −r) of the halfspaces a·x ≤ r of a polyhedron. The
    way back for points is :meth:`lift`.
    """

    functions: list[Rationals]
    box: Box | None
    walls: Rationals | None
    index: list[list[int]]
    duplicates: list[list[Domination]]
    coordinates: list[int]
    base: Rationals

    @classmethod
    def of(cls, functions: Sequence[Rationals], box: Box | None) -> Reduction:
        """Reduce functions on ℝ^d (``box`` None) or on a box."""
        dimension = functions[0].shape[1] - 1
        base = Rationals.of(np.zeros(dimension))
        coordinates = list(range(dimension))
        tables = list(functions)
        walls = wall_rows(box)
        if box is not None:
            coordinates = np.flatnonzero(box.lower < box.upper).tolist()
            base = Rationals.of(np.where(box.lower == box.upper, box.lower, 0.0))
            tables = [on_box(rows, box) for rows in tables]
            walls = None if walls is None else _told(on_box(walls, box))
            box = Box(box.lower[coordinates], box.upper[coordinates])
        index, duplicates = [], []
        for g, rows in enumerate(tables):
            kept, twins = _distinct(rows)
            tables[g] = rows[kept]
            index.append(kept)
            duplicates.append(twins)
        if box is None:
            independent = _independent_coordinates(tables)
            coordinates = [coordinates[i] for i in independent]
            tables = [rows[:, [*independent, -1]] for rows in tables]
        return cls(tables, box, walls, index, duplicates, coordinates, base)

    def lift(self, points: Rationals) -> Rationals:
        """Points in all coordinates."""
        full = np.zeros((len(points), len(self.base)), dtype=object)
        lifted = Rationals(full, 1) + self.base
        scaled = points.numerators * lifted.denominator
        numerators = lifted.numerators * points.denominator
        numerators[:, self.coordinates] = scaled
        return Rationals(numerators, lifted.denominator * points.denominator)


def wall_rows(box: Box | None) -> Rationals | None:
    """The rows (a, −r) of the halfspaces a·x ≤ r of a polyhedron; None for other domains."""
    if not isinstance(box, Polyhedron) or not len(box.bounds):
        return None
    return Rationals.of(np.column_stack([box.weights, -box.bounds]))


def _told(walls: Rationals) -> Rationals:
    """Walls of which those that hold everywhere, 0·x ≤ r with r ≥ 0, are written 0 ≤ 1."""
    numerators = walls.numerators.copy()
    trivial = (numerators[:, :-1] == 0).all(axis=1) & (numerators[:, -1] <= 0)
    numerators[trivial, -1] = -walls.denominator
    return Rationals(numerators, walls.denominator)


def on_box(rows: Rationals, box: Box | None) -> Rationals:
    """Rows as functions on the box: the coordinates that it fixes are folded into the coefficient."""
    if box is None:
        return rows
    fixed = box.lower == box.upper
    if not fixed.any():
        return rows
    base = Rationals.of(np.where(fixed, box.lower, 0.0))
    values = rows[:, :-1] @ base[:, None] + rows[:, -1:]
    return Rationals.concatenate([rows[:, :-1][:, ~fixed], values], axis=1)


def _distinct(rows: Rationals) -> tuple[list[int], list[Domination]]:
    """Of rows with equal exponents the one with the largest coefficient, the first among equals."""
    best: dict[tuple[int, ...], tuple[int, int]] = {}
    keys = rows.keys()
    for i, key in enumerate(keys):
        exponent, coefficient = key[:-1], key[-1]
        if exponent not in best or coefficient > best[exponent][1]:
            best[exponent] = (i, coefficient)
    index = sorted(i for i, _ in best.values())
    staying = set(index)
    return index, [
        Domination(i, (best[key[:-1]][0],), (Fraction(1),)) for i, key in enumerate(keys) if i not in staying
    ]


def _independent_coordinates(functions: list[Rationals]) -> list[int]:
    """Coordinates on which the sum of the exponents' affine hulls projects injectively (as many as its dimension)."""
    parts = [rows[:, :-1] - rows[:1, :-1] for rows in functions if len(rows)]
    if not parts:
        return []
    differences = Rationals.concatenate(parts)
    count, dimension = differences.shape
    if count > dimension > 0 and _full_rank(differences, dimension):
        return list(range(dimension))
    reduced, _, rank = differences.to_flint().rref()
    return [next(j for j in range(dimension) if reduced[i, j] != 0) for i in range(rank)]


def _full_rank(differences: Rationals, dimension: int) -> bool:
    """Whether d rows, chosen in floating point, have a nonzero determinant (exactly)."""
    from scipy.linalg import qr

    try:
        floats = differences.floats()
    except InvalidInput:  # beyond the range of floats
        return False
    _, pivots = qr(floats.T, mode="r", pivoting=True)
    return bool(differences[pivots[:dimension]].to_flint().det() != 0)

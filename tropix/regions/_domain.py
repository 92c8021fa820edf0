"""Where regions are looked for: a box, a polyhedron, or all of ℝ^d, as inequalities."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from tropix.arrays import FloatArray, ObjectArray
from tropix.boxes import Box, Polyhedron
from tropix.errors import InvalidInput
from tropix.exact import Rationals
from tropix.polynomials import point_beyond


@dataclass(frozen=True, eq=False)
class Domain:
    """Where to look: all x with walls·(x, 1) ≤ 0, rows (a, −r). Ends of a box come first, lower then upper ones."""

    dimension: int
    walls: Rationals
    box: Box | None = None

    @classmethod
    def of(cls, box: Box | None, dimension: int) -> Domain:
        """The walls of a box or polyhedron; raises `InvalidInput` for a box without interior."""
        if box is None:
            return cls(dimension, Rationals(np.zeros((0, dimension + 1), dtype=object), 1))
        if (box.lower >= box.upper).any():
            i = int(np.argmax(box.lower >= box.upper))
            raise InvalidInput(
                f"coordinate {i} of the box has lower end {box.lower[i]:g} and upper end {box.upper[i]:g}: "
                "a region needs an interior; fix coordinates by a slice instead"
            )
        unit = np.eye(dimension)
        low, high = np.isfinite(box.lower), np.isfinite(box.upper)
        rows = [np.column_stack([-unit, box.lower])[low], np.column_stack([unit, -box.upper])[high]]
        if isinstance(box, Polyhedron):
            rows.append(np.column_stack([box.weights, -box.bounds]))
        return cls(dimension, Rationals.of(np.concatenate(rows)), box)

    @property
    def ends(self) -> FloatArray:
        """Lower and upper ends (2, d) of the box, infinite where there are none."""
        return (
            np.array([np.full(self.dimension, -np.inf), np.full(self.dimension, np.inf)])
            if self.box is None
            else (np.array([self.box.lower, self.box.upper]))
        )

    def room(self, point: Rationals, direction: Rationals) -> Fraction | None:
        """How far the ray from a point of the domain stays in it; None: for ever."""
        if not len(self.walls):
            return None
        at = self.walls[:, :-1] @ Rationals(point.numerators[:, None], point.denominator) + self.walls[:, -1:]
        rate = self.walls[:, :-1] @ Rationals(direction.numerators[:, None], direction.denominator)
        steps = [-a / r for a, r in zip(at.fractions()[:, 0], rate.fractions()[:, 0], strict=True) if r > 0]
        return min(steps, default=None)

    def centre(self) -> Rationals:
        """A point strictly inside; raises `InvalidInput` if there is none."""
        point = inner_point(self.walls.numerators, self.dimension)
        if point is None:
            raise InvalidInput("the domain has no interior: its halfspaces leave no open set")
        return point


def inner_point(rows: ObjectArray, dimension: int) -> Rationals | None:
    """A point where all rows a·x + b (k, d+1) of integers are negative, or None if there is none."""
    constant = ~(rows[:, :-1] != 0).any(axis=1)
    if (rows[constant, -1] >= 0).any():
        return None
    if constant.all():
        return Rationals(np.zeros(dimension, dtype=object), 1)
    always = np.zeros((1, dimension + 1), dtype=object)
    always[0, -1] = 1  # positive everywhere: it has a point beyond it inside all others wherever there is one inside
    return point_beyond(np.concatenate([always, rows[~constant]]), [0])[0]

"""The search over facets: from one cell to its neighbours, until no facet is left without one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from tropix.arrays import IntArray
from tropix.deadline import Deadline
from tropix.errors import InvalidInput
from tropix.exact import Rationals
from tropix.polynomials import has_interior_where
from tropix.regions._exact_cells import Domain, ExactCell, along_ray
from tropix.regions._tape import Tape

Progress = Callable[[int, int], None]


@dataclass
class Facet:
    """A facet of a found cell: one tie that makes it, or a wall (segment −1, entry its number), and what is behind."""

    segment: int
    entry: int
    neighbour: int


@dataclass
class Found:
    """Cells in the order in which they were met; those from ``len(facets)`` on have not been looked at yet."""

    patterns: list[IntArray] = field(default_factory=list)
    points: list[Rationals] = field(default_factory=list)
    facets: list[list[Facet]] = field(default_factory=list)
    index: dict[bytes, int] = field(default_factory=dict)

    def meet(self, pattern: IntArray, point: Rationals) -> int:
        """The number of a cell, a new one if it was not met before."""
        key = pattern.tobytes()
        number = self.index.setdefault(key, len(self.patterns))
        if number == len(self.patterns):
            self.patterns.append(pattern)
            self.points.append(point)
        return number


def search(tape: Tape, domain: Domain, deadline: Deadline, progress: Progress | None, limit: int | None) -> Found:
    """Every cell, by exact arithmetic alone."""
    found = Found()
    found.meet(*first_cell(tape, domain))
    while len(found.facets) < len(found.patterns):
        if deadline.passed or (limit is not None and len(found.facets) >= limit):
            break
        number = len(found.facets)
        cell = ExactCell.at(tape, domain, found.patterns[number], found.points[number])
        assert cell is not None
        found.points[number] = cell.point
        facets = []
        for i in cell.facets:
            plane = cell.hyperplanes[i]
            behind = cell.behind(i)
            if behind is None:
                facets.append(Facet(-1, plane.walls[0], -1))
            else:
                facets.append(Facet(*plane.ties[0], found.meet(*behind)))
        found.facets.append(facets)
        if progress is not None:
            progress(len(found.facets), len(found.patterns))
    return found


def first_cell(tape: Tape, domain: Domain) -> tuple[IntArray, Rationals]:
    """Pattern and inner point of a cell of the domain; raises `InvalidInput` if the domain has no interior."""
    centre = _centre(domain)
    rng = np.random.default_rng(0)
    while True:
        direction = Rationals.of(rng.integers(-1000, 1001, size=domain.dimension))
        pattern, length = along_ray(tape, centre, direction)
        rates = domain.walls[:, :-1] @ Rationals(direction.numerators[:, None], 1)
        rooms = domain.walls[:, :-1] @ Rationals(centre.numerators[:, None], centre.denominator) + domain.walls[:, -1:]
        lengths = [-a / r for a, r in zip(rooms.fractions()[:, 0], rates.fractions()[:, 0], strict=True) if r > 0]
        step = min([*lengths, *([] if length is None else [length]), 2]) / 2
        point = centre + direction * Rationals.of(np.array([step], dtype=object))
        if ExactCell.at(tape, domain, pattern, point) is not None:
            return pattern, point


def _centre(domain: Domain) -> Rationals:
    rows = domain.walls.numerators
    rows = rows[(rows[:, :-1] != 0).any(axis=1)]
    if not len(rows):
        return Rationals(np.zeros(domain.dimension, dtype=object), 1)
    # a row that is positive at no point (0·x − 1 < 0) asks for a point where all walls are strict
    trivial = np.zeros((1, domain.dimension + 1), dtype=object)
    trivial[0, -1] = 1
    point = has_interior_where(np.concatenate([trivial, rows]))[0]
    if point is None:
        raise InvalidInput("the domain has no interior: its halfspaces leave no open set")
    return point.reduced()

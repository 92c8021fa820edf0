"""One linear region: its inequalities, map, facets, size, exactly."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import flint
import numpy as np

from tropix.arrays import FloatArray, IntArray
from tropix.errors import Unsupported
from tropix.exact import Rationals
from tropix.regions._domain import Domain
from tropix.regions._exact_cells import ExactCell
from tropix.regions._tape import Tape
from tropix.regions._volume import exact_volume

EXACT_VOLUME = 4
HULL_VOLUME = 5
"""Volumes are exact up to this dimension, and measured by Qhull up to that one."""


@dataclass(frozen=True)
class Neuron:
    """One maximum of the network: the name of its node, its position there, and the entries that tie."""

    node: str
    unit: int
    entries: tuple[int, int]

    def __str__(self) -> str:
        return f"{self.node}[{self.unit}]"


@dataclass(frozen=True, eq=False)
class CellFacet:
    """A facet normal·x = offset of a cell, which lies where normal·x ≤ offset.

    ``neurons`` are all maxima that tie on it; ``wall`` is the number of a wall of the domain, or None. ``neighbour`` is
    the cell behind it, −1 behind a wall, None where that is not known.
    """

    normal: FloatArray
    offset: float
    neurons: tuple[Neuron, ...]
    wall: int | None
    neighbour: int | None

    def distance(self, point: FloatArray, p: float = 2.0) -> float:
        """Distance in the ℓp norm from a point to the hyperplane, negative on the other side."""
        dual = {1.0: np.inf, 2.0: 2.0, np.inf: 1.0}[p]
        return float((self.offset - self.normal @ point) / np.linalg.norm(self.normal, dual))


@dataclass(frozen=True, eq=False)
class Cell:
    """An activation cell {x : A x ≤ b}, its affine map, its facets. Everything is computed when it is asked for.

    ``pattern`` (S,) holds the winning entry of each segment, ``exact_point`` (d,) a point strictly inside.
    """

    tape: Tape
    domain: Domain
    pattern: IntArray
    exact_point: Rationals
    number: int | None = None
    _behind: tuple[int, ...] = ()
    _ties: tuple[tuple[int, int], ...] = ()

    @cached_property
    def exact(self) -> ExactCell:
        """The cell in rational arithmetic."""
        cell = ExactCell.around(self.tape, self.domain, self.pattern, self.exact_point)
        assert cell is not None, "the point of a cell lies inside it"
        return cell

    @property
    def point(self) -> FloatArray:
        """The point inside (d,), nearest floats."""
        return self.exact_point.floats()

    @cached_property
    def activation(self) -> dict[str, IntArray]:
        """For each node of maxima, by name, the winning entry of each of its segments."""
        found: dict[str, list[int]] = {}
        for (node, _), entry in zip(self.tape.units, self.pattern.tolist(), strict=True):
            found.setdefault(node, []).append(entry)
        return {node: np.array(entries, dtype=np.int64) for node, entries in found.items()}

    @cached_property
    def exact_map(self) -> Rationals:
        """The affine map x ↦ A x + b on the cell as rows (A, b), shape (m, d+1), in rational numbers."""
        return self.tape.exact.output(self.pattern)

    @property
    def affine_map(self) -> tuple[FloatArray, FloatArray]:
        """A (m, d) and b (m,) of the map x ↦ A x + b on the cell, nearest floats."""
        rows = self.exact_map.floats()
        return rows[:, :-1], rows[:, -1]

    @cached_property
    def exact_inequalities(self) -> Rationals:
        """Rows (a, b), shape (k, d+1), of the inequalities a·x ≤ b, one a facet, as primitive integer vectors."""
        rows = self.exact.rows[list(self.exact.facets)].copy()
        rows[:, -1] = -rows[:, -1]
        return Rationals(rows, 1)

    @property
    def inequalities(self) -> tuple[FloatArray, FloatArray]:
        """A (k, d) and b (k,) of {x : A x ≤ b} without redundancy, rows of A of length 1."""
        rows = self.exact_inequalities.numerators
        floats = np.zeros(rows.shape)
        for i, row in enumerate(rows.tolist()):
            largest = max(abs(value) for value in row[:-1])
            floats[i] = [value / largest for value in row]
        length = np.linalg.norm(floats[:, :-1], axis=1)
        return floats[:, :-1] / length[:, None] + 0.0, floats[:, -1] / length + 0.0

    @cached_property
    def facets(self) -> tuple[CellFacet, ...]:
        """The facets, in the order of `inequalities`."""
        normals, offsets = self.inequalities
        known = dict(zip(self._ties, self._behind, strict=True))
        found = []
        for place, i in enumerate(self.exact.facets):
            walls, ties = self.exact.origins.walls(i), self.exact.origins.ties(i)
            names = [(-1, wall) for wall in walls] + ties
            behind = next((known[name] for name in names if name in known), None)
            neurons = tuple(
                Neuron(*self.tape.units[segment], (int(self.pattern[segment]), entry)) for segment, entry in ties
            )
            wall = walls[0] if walls else None
            neighbour = -1 if wall is not None else (None if behind is None or behind < 0 else behind)
            found.append(CellFacet(normals[place], float(offsets[place]), neurons, wall, neighbour))
        return tuple(found)

    @cached_property
    def neighbours(self) -> tuple[int, ...]:
        """The numbers of the cells behind the facets, as far as they are known."""
        return tuple(number for number in self._behind if number >= 0)

    @cached_property
    def bounded(self) -> bool:
        """Whether the cell is bounded: whether its normals span ℝ^d with nonnegative weights, exactly."""
        from scipy.optimize import nnls

        rows = self.exact_inequalities
        normals, _ = self.inequalities
        d = self.tape.inputs
        if len(normals) <= d:
            return False
        for axis in range(2 * d):
            target = np.eye(d)[axis % d] * (1 if axis < d else -1)
            weights, rest = nnls(normals.T, target)
            if rest > 1e-7:
                return False
            support = np.flatnonzero(weights > 1e-12).tolist()
            if not _spans(rows, support, target):
                return self._bounded_by_simplex()
        return True

    def _bounded_by_simplex(self) -> bool:
        from tropix.exact import maximize

        rows = self.exact_inequalities.numerators[:, :-1].tolist()
        d, k = self.tape.inputs, len(rows)
        # 0 = Σ λ_j a_j with all λ_j ≥ 1, and normals of rank d: exactly then the recession cone is {0}
        if flint.fmpz_mat(rows).rank() < d:
            return False
        total = [-sum(row[c] for row in rows) for c in range(d)]
        table = flint.fmpq_mat(d, k, [flint.fmpq(int(rows[j][c])) for c in range(d) for j in range(k)])
        answer = maximize(table, [flint.fmpq(int(v)) for v in total], [flint.fmpq(0)] * k)
        return answer.status == "optimal"

    @cached_property
    def chebyshev(self) -> tuple[FloatArray, float]:
        """Centre and radius of a largest ball in the cell; radius ∞ where balls of every size fit. Measured."""
        from scipy.optimize import linprog

        normals, offsets = self.inequalities
        d = self.tape.inputs
        if not len(normals):
            return self.point, np.inf
        answer = linprog(
            np.append(np.zeros(d), -1.0),
            A_ub=np.column_stack([normals, np.ones(len(normals))]),
            b_ub=offsets,
            bounds=[(None, None)] * d + [(0, None)],
        )
        if answer.status == 3:
            return self.point, np.inf
        if answer.status != 0:
            return self.point, float(max(0.0, (offsets - normals @ self.point).min()))
        return np.asarray(answer.x[:-1]), float(answer.x[-1])

    @cached_property
    def exact_volume(self) -> Fraction:
        """The volume as a rational number; `Unsupported` beyond four dimensions or for unbounded cells."""
        if self.tape.inputs > EXACT_VOLUME:
            raise Unsupported(f"exact volumes in {self.tape.inputs} dimensions: up to {EXACT_VOLUME} are supported")
        if not self.bounded:
            raise Unsupported("the cell is unbounded: it has no volume. Give a box")
        return exact_volume(self.exact_inequalities)

    @property
    def volume(self) -> float:
        """The volume: exact up to rounding in d ≤ 4, by Qhull in d = 5, ∞ if unbounded; `Unsupported` beyond."""
        if not self.bounded:
            return np.inf
        if self.tape.inputs <= EXACT_VOLUME:
            return float(self.exact_volume)
        if self.tape.inputs > HULL_VOLUME:
            raise Unsupported(f"volumes in {self.tape.inputs} dimensions: up to {HULL_VOLUME} are supported")
        from scipy.spatial import ConvexHull

        return float(ConvexHull(self.vertices).volume)

    @cached_property
    def vertices(self) -> FloatArray:
        """The vertices (n, d), counterclockwise in d = 2; measured. `Unsupported` for unbounded cells."""
        if not self.bounded:
            raise Unsupported("the cell is unbounded: its vertices do not describe it. Give a box")
        from scipy.spatial import HalfspaceIntersection

        normals, offsets = self.inequalities
        if self.tape.inputs == 1:
            return np.array(sorted((offsets / normals[:, 0] + 0.0).tolist()))[:, None]
        centre, _ = self.chebyshev
        points = HalfspaceIntersection(np.column_stack([normals, -offsets]), centre).intersections
        _, first = np.unique(np.round(points, 12), axis=0, return_index=True)
        points = points[np.sort(first)]
        if self.tape.inputs == 2:
            around = points - points.mean(axis=0)
            points = points[np.argsort(np.arctan2(around[:, 1], around[:, 0]))]
        return np.asarray(points)

    def to_dict(self) -> dict[str, Any]:
        """The cell as JSON data: numbers as floats, facets with the names of their neurons."""
        weights, bias = self.affine_map
        return {
            "cell": self.number,
            "point": self.point.tolist(),
            "activation": {node: entries.tolist() for node, entries in self.activation.items()},
            "map": {"weights": weights.tolist(), "bias": bias.tolist()},
            "bounded": self.bounded,
            "facets": [
                {
                    "normal": facet.normal.tolist(),
                    "offset": facet.offset,
                    "neurons": [str(neuron) for neuron in facet.neurons],
                    "wall": facet.wall,
                    "neighbour": facet.neighbour,
                }
                for facet in self.facets
            ],
        }


def _spans(rows: Rationals, support: list[int], target: FloatArray) -> bool:
    """Whether the target is a combination of the normals in the support with nonnegative weights, exactly."""
    d, size = rows.shape[1] - 1, len(support)
    table = flint.fmpz_mat([[int(rows.numerators[j, c]) for j in support] + [int(target[c])] for c in range(d)])
    reduced, scale, rank = table.rref()
    if rank != size or any(reduced[k, k] == 0 for k in range(size)):
        return False
    return all(int(reduced[k, size]) * int(scale) >= 0 for k in range(size))

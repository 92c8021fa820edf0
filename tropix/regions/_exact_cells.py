"""One activation cell in rational arithmetic: its inequalities, its facets, and what lies behind them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TypeAlias

import flint
import numpy as np

from tropix.arrays import BoolArray, FloatArray, IntArray, ObjectArray
from tropix.exact import Rationals
from tropix.kernels import propose_facets
from tropix.polynomials import point_beyond
from tropix.regions._domain import Domain, inner_point
from tropix.regions._tape import MaxStep, Tape


@dataclass(frozen=True, eq=False)
class Hyperplane:
    """One inequality a·x + b ≤ 0 of a cell with all (segment, entry) ties, and walls of the domain, that share it."""

    row: tuple[int, ...]
    ties: tuple[tuple[int, int], ...]
    walls: tuple[int, ...]


Hyperplanes: TypeAlias = tuple[Hyperplane, ...]


@dataclass(frozen=True, eq=False)
class ExactCell:
    """An activation cell {x : a·x + b ≤ 0 for all hyperplanes}, with a point strictly inside.

    Hyperplanes are distinct; their rows are primitive integer vectors.
    """

    tape: Tape
    domain: Domain
    pattern: IntArray
    point: Rationals
    hyperplanes: Hyperplanes

    @classmethod
    def around(cls, tape: Tape, domain: Domain, pattern: IntArray, near: Rationals) -> ExactCell | None:
        """The cell of a pattern, if it has an interior; ``near`` (d,) is the point inside if it is inside."""
        maps = tape.exact.forms(pattern)
        planes = _hyperplanes(tape, domain, pattern, maps)
        if planes is None:
            return None
        cell = cls(tape, domain, pattern, near, planes)
        point = near if cell.holds_inside(near) else inner_point(cell.rows, tape.inputs)
        if point is None:
            return None
        found = cls(tape, domain, pattern, cell._short(point), planes)
        found.__dict__["rows"] = cell.rows
        return found

    @cached_property
    def rows(self) -> ObjectArray:
        """The rows (k, d+1) of all hyperplanes, integers."""
        rows = np.empty((len(self.hyperplanes), self.tape.inputs + 1), dtype=object)
        for i, plane in enumerate(self.hyperplanes):
            rows[i] = plane.row
        return rows

    def values(self, point: Rationals) -> ObjectArray:
        """The rows at a point, times its denominator."""
        return np.asarray(self.rows[:, :-1] @ point.numerators + self.rows[:, -1] * point.denominator, dtype=object)

    def holds_inside(self, point: Rationals) -> bool:
        """Whether all inequalities are strict at a point."""
        return bool((self.values(point) < 0).all())

    def contains(self, point: Rationals) -> bool:
        """Whether a point lies in the closed cell."""
        return bool((self.values(point) <= 0).all())

    def _short(self, point: Rationals) -> Rationals:
        """A point inside with few digits near the given one, if it can be had."""
        scale = max(1, *(abs(int(n)) // point.denominator for n in point.numerators)).bit_length()
        for bits in (6, 12, 24, 40, 52):
            shift = max(0, bits - scale)
            near = (point.numerators * (2 << shift) + point.denominator) // (2 * point.denominator)
            short = Rationals(np.asarray(near, dtype=object), 1 << shift)
            if self.holds_inside(short):
                return short.reduced()
        return point

    @cached_property
    def facets(self) -> dict[int, Rationals]:
        """For each hyperplane that carries a facet, a point beyond it and inside all others.

        Floating point proposes points and multipliers and proves some; rational arithmetic checks or decides the rest.
        """
        rows = self.rows
        states, bases, points = propose_facets(_scaled_floats(rows), self.point.floats(), self.domain.ends)
        witnesses: dict[int, Rationals] = {}
        unsure = []
        for i, state in enumerate(states.tolist()):
            if state == 1:
                point = Rationals.of(points[i])
                values = self.values(point)
                if values[i] > 0 and (np.delete(values, i) < 0).all():
                    witnesses[i] = point
                    continue
            if state != 3 and (state != 2 or not self._implied(i, [int(j) for j in bases[i] if j >= 0])):
                unsure.append(i)
        decided = point_beyond(rows, unsure) if unsure else []
        witnesses |= {i: point for i, point in zip(unsure, decided, strict=True) if point is not None}
        return dict(sorted(witnesses.items()))

    def _implied(self, i: int, basis: Sequence[int]) -> bool:
        """Whether multipliers λ ≥ 0 on a basis show that row i follows: a_i = Σ λ_j a_j, b_i ≤ Σ λ_j b_j."""
        if not basis:
            return False
        d, size = self.tape.inputs, len(basis)
        table = flint.fmpz_mat([[int(self.rows[j, c]) for j in basis] + [int(self.rows[i, c])] for c in range(d)])
        reduced, scale, rank = table.rref()
        if rank != size or any(reduced[k, k] == 0 for k in range(size)):
            return False  # dependent rows, or none such multipliers
        multipliers = [flint.fmpq(int(reduced[k, size]), int(scale)) for k in range(size)]
        level = sum((m * int(self.rows[j, d]) for m, j in zip(multipliers, basis, strict=True)), flint.fmpq(0))
        return all(m >= 0 for m in multipliers) and level >= int(self.rows[i, d])

    def behind(self, facet: int) -> tuple[IntArray, Rationals] | None:
        """Pattern and an inner point of the cell behind a facet; None where that is a wall of the domain."""
        plane = self.hyperplanes[facet]
        if plane.walls:
            return None
        beyond = self.facets[facet]
        here, there = (Fraction(int(self.values(p)[facet]), p.denominator) for p in (self.point, beyond))
        direction = beyond - self.point
        share = -here / (there - here)
        crossing = self.point + direction * Rationals.of(np.array([share], dtype=object))
        pattern, step = along_ray(self.tape, crossing, direction)
        room = self.domain.room(crossing, direction)
        steps = [s for s in (step, room) if s is not None]
        half = Fraction(1) if not steps else min(Fraction(1), min(steps) / 2)
        return pattern, crossing + direction * Rationals.of(np.array([half], dtype=object))


def _scaled_floats(rows: ObjectArray) -> FloatArray:
    """Rows of integers as floats of size one: each times a power of two, and rounded once."""
    try:
        floats = rows.astype(np.int64).astype(np.float64)
        largest = np.abs(floats).max(axis=1, initial=1.0)
        return np.asarray(np.ldexp(floats, -np.frexp(largest)[1][:, None]))
    except OverflowError:
        sizes = [max(abs(value) for value in row).bit_length() for row in rows.tolist()]
        return np.array([[v / (1 << n) for v in row] for row, n in zip(rows.tolist(), sizes, strict=True)])


def _hyperplanes(tape: Tape, domain: Domain, pattern: IntArray, maps: Sequence[ObjectArray]) -> Hyperplanes | None:
    """The distinct inequalities of a pattern; None if one of them says 0 < 0: that pattern has no cell."""
    walls: dict[tuple[int, ...], list[int]] = {}
    for w, key in enumerate(map(tuple, _primitive_rows(domain.walls.numerators).tolist())):
        if any(key[:-1]):
            walls.setdefault(key, []).append(w)
        elif key[-1] > 0:
            return None
    flat = tape.flat
    segment, entry, value = tape.rivals
    table = np.concatenate(maps)
    rows = table[value] - table[flat.source[flat.start[flat.owner] + pattern][segment]]
    level = ~(rows[:, :-1] != 0).any(axis=1)
    above = (rows[:, -1] > 0) | ((rows[:, -1] == 0) & (entry < pattern[segment]))
    if (level & above).any():
        return None
    kept = np.flatnonzero(~level & ~_far_away(rows, domain))
    keys, group = _distinct(_primitive_rows(rows[kept]))
    ties: list[list[tuple[int, int]]] = [[] for _ in keys]
    for place, s, e in zip(group, segment[kept].tolist(), entry[kept].tolist(), strict=True):
        ties[place].append((s, e))
    named = dict(zip(keys, ties, strict=True))
    return tuple(Hyperplane(row, tuple(named.get(row, ())), tuple(walls.get(row, ()))) for row in {**walls, **named})


def _distinct(rows: ObjectArray) -> tuple[list[tuple[int, ...]], list[int]]:
    """The different rows in the order of their first occurrence, and for each row which of them it is."""
    if rows.dtype == np.int64 and len(rows):
        blank = np.ascontiguousarray(rows).view(np.dtype((np.void, 8 * rows.shape[1]))).ravel()
        _, first, group = np.unique(blank, return_index=True, return_inverse=True)
        order = np.argsort(first)
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        return list(map(tuple, rows[first[order]].tolist())), place[group.ravel()].tolist()
    seen: dict[tuple[int, ...], int] = {}
    places = [seen.setdefault(tuple(row), len(seen)) for row in rows.tolist()]
    return list(seen), places


def _far_away(rows: ObjectArray, domain: Domain) -> BoolArray:
    """Rows a·x + b of 64-bit integers that are certainly negative on the whole box: no facet, and no need to look."""
    if rows.dtype != np.int64 or domain.box is None or not domain.box.bounded:
        return np.zeros(len(rows), dtype=np.bool_)
    floats = rows.astype(np.float64)
    slopes, constants = floats[:, :-1], floats[:, -1]
    lower, upper = domain.ends
    high = np.maximum(slopes * lower, slopes * upper).sum(axis=1) + constants
    size = np.abs(slopes) @ np.maximum(np.abs(lower), np.abs(upper)) + np.abs(constants)
    return np.asarray(high < -(len(lower) + 5) * 2.0**-52 * size)


def _primitive_rows(rows: ObjectArray) -> ObjectArray:
    """Rows of integers, each divided by its greatest common divisor."""
    return np.asarray(rows // np.maximum(np.gcd.reduce(rows, axis=1), 1)[:, None]) if len(rows) else rows


def along_ray(tape: Tape, point: Rationals, direction: Rationals) -> tuple[IntArray, Fraction | None]:
    """The pattern just behind a point in a direction, and for which length it lasts (None: for ever).

    Values are pairs (slope, value) ordered by value, then slope: those of x(t) = point + t·direction for small t > 0.
    Entries that agree in both are told apart by their position alone, so the direction must not lie in the hyperplane
    of two entries that are equal at the point.
    """
    unit = math.lcm(point.denominator, direction.denominator)
    columns = [vector.numerators * (unit // vector.denominator) for vector in (direction, point)]
    pattern, length = np.zeros(tape.segment_count, dtype=np.int64), None

    def choose(step: MaxStep, values: ObjectArray) -> IntArray:
        nonlocal length
        table, chosen = values.tolist(), []
        for k in range(step.size):
            first, stop = int(step.segments[k]), int(step.segments[k + 1])
            best = max(range(first, stop), key=lambda e: (table[e][1], table[e][0]))
            chosen.append(best)
            slope, value = table[best]
            for e in range(first, stop):
                if table[e][0] > slope:
                    here = Fraction(value - table[e][1], table[e][0] - slope)
                    length = here if length is None else min(length, here)
            pattern[step.first + k] = best - first
        return np.array(chosen, dtype=np.int64)

    tape.exact.run(np.column_stack(columns), choose, unit)
    return pattern, length


def first_cell(tape: Tape, domain: Domain) -> tuple[IntArray, Rationals]:
    """Pattern and inner point of a cell of the domain; raises `InvalidInput` if the domain has no interior."""
    centre = domain.centre()
    rng = np.random.default_rng(0)
    while True:
        direction = Rationals.of(rng.integers(-1000, 1001, size=domain.dimension))
        pattern, length = along_ray(tape, centre, direction)
        step = min(step for step in (domain.room(centre, direction), length, Fraction(2)) if step is not None) / 2
        point = centre + direction * Rationals.of(np.array([step], dtype=object))
        cell = ExactCell.around(tape, domain, pattern, point)
        if cell is not None:
            return pattern, cell.point

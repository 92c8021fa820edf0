"""One activation cell in rational arithmetic: its inequalities, its facets, and what lies behind them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Literal, TypeAlias

import flint
import numpy as np

from tropix.arrays import BoolArray, FloatArray, IntArray, ObjectArray
from tropix.exact import Rationals
from tropix.kernels import FACET, IMPLIED, PERHAPS_IMPLIED, integer_rows, propose_facets
from tropix.polynomials import point_beyond
from tropix.regions._domain import Domain, inner_point
from tropix.regions._tape import MaxStep, Tape


@dataclass(frozen=True, eq=False)
class Origins:
    """Which walls of the domain and which (segment, entry) ties say the same as each row of a cell."""

    wall_rows: IntArray
    segments: IntArray
    entries: IntArray
    tie_rows: IntArray

    def walls(self, row: int) -> list[int]:
        """The walls of a row."""
        found: list[int] = np.flatnonzero(self.wall_rows == row).tolist()
        return found

    def ties(self, row: int) -> list[tuple[int, int]]:
        """The ties of a row."""
        of_row = np.flatnonzero(self.tie_rows == row)
        return list(zip(self.segments[of_row].tolist(), self.entries[of_row].tolist(), strict=True))


@dataclass(frozen=True, eq=False)
class ExactCell:
    """An activation cell {x : a·x + b ≤ 0 for all rows (a, b)}, with a point strictly inside.

    Rows (k, d+1) are distinct primitive integer vectors; those that are certainly implied by a box are left out.
    """

    tape: Tape
    domain: Domain
    pattern: IntArray
    point: Rationals
    rows: ObjectArray
    origins: Origins

    @classmethod
    def around(
        cls, tape: Tape, domain: Domain, pattern: IntArray, near: Rationals, *, shorten: bool = True
    ) -> ExactCell | None:
        """The cell of a pattern, if it has an interior; ``near`` (d,) is the point inside if it is inside.

        Unless ``shorten`` is false the point may be moved to one of few digits.
        """
        found = _inequalities(tape, domain, pattern)
        if found is None:
            return None
        cell = cls(tape, domain, pattern, near, *found)
        point = near if cell.holds_inside(near) else inner_point(cell.rows, tape.inputs)
        if point is None:
            return None
        return replace(cell, point=cell._short(point) if shorten else point)

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
    def facets(self) -> dict[int, Rationals | FloatArray]:
        """For each row that carries a facet, a point beyond it and inside all others."""
        return facet_witnesses(self.rows, self.point, self.domain)

    def behind(self, facet: int) -> tuple[IntArray, Rationals] | None:
        """Pattern and an inner point of the cell behind a facet; None where that is a wall of the domain."""
        if self.origins.walls(facet):
            return None
        beyond, row = Rationals.of(self.facets[facet]), self.rows[facet]
        here, there = (Fraction(int(row[:-1] @ p.numerators), p.denominator) + row[-1] for p in (self.point, beyond))
        direction = beyond - self.point
        share = -here / (there - here)
        crossing = self.point + direction * Rationals.of(np.array([share], dtype=object))
        pattern, step = along_ray(self.tape, crossing, direction)
        room = self.domain.room(crossing, direction)
        steps = [s for s in (step, room) if s is not None]
        half = Fraction(1) if not steps else min(Fraction(1), min(steps) / 2)
        return pattern, crossing + direction * Rationals.of(np.array([half], dtype=object))


def facet_witnesses(rows: ObjectArray, point: Rationals, domain: Domain) -> dict[int, Rationals | FloatArray]:
    """For each of the distinct rows that carries a facet of {a·x + b ≤ 0}, a point beyond it and inside all others.

    ``point`` lies strictly inside. Floating point with error bounds proves what it can, multipliers that it proposes
    are checked in rational arithmetic, and that decides the rest.
    """
    states, bases, points = propose_facets(_scaled_floats(rows), point.floats(), domain.ends)
    witnesses: dict[int, Rationals | FloatArray] = {i: points[i] for i in np.flatnonzero(states == FACET).tolist()}
    proposed = np.flatnonzero(states == PERHAPS_IMPLIED).tolist()
    implied = {i for i in proposed if _implied(rows, i, [int(j) for j in bases[i] if j >= 0])}
    unsure = [i for i, state in enumerate(states.tolist()) if state not in (FACET, IMPLIED) and i not in implied]
    decided = point_beyond(rows, unsure) if unsure else []
    witnesses |= {i: point for i, point in zip(unsure, decided, strict=True) if point is not None}
    return dict(sorted(witnesses.items()))


def _implied(rows: ObjectArray, i: int, basis: Sequence[int]) -> bool:
    """Whether multipliers λ ≥ 0 on a basis show that row i follows: a_i = Σ λ_j a_j, b_i ≤ Σ λ_j b_j."""
    if not basis:
        return False
    d, size = rows.shape[1] - 1, len(basis)
    table = flint.fmpz_mat([[int(rows[j, c]) for j in basis] + [int(rows[i, c])] for c in range(d)])
    reduced, scale, rank = table.rref()
    if rank != size or any(reduced[k, k] == 0 for k in range(size)):
        return False  # dependent rows, or none such multipliers
    multipliers = [flint.fmpq(int(reduced[k, size]), int(scale)) for k in range(size)]
    level = sum((m * int(rows[j, d]) for m, j in zip(multipliers, basis, strict=True)), flint.fmpq(0))
    return all(m >= 0 for m in multipliers) and level >= int(rows[i, d])


def _scaled_floats(rows: ObjectArray) -> FloatArray:
    """Rows of integers as floats of size one: each times a power of two, and rounded once."""
    try:
        floats = rows.astype(np.int64).astype(np.float64)
        largest = np.abs(floats).max(axis=1, initial=1.0)
        return np.asarray(np.ldexp(floats, -np.frexp(largest)[1][:, None]))
    except OverflowError:
        sizes = [max(abs(value) for value in row).bit_length() for row in rows.tolist()]
        return np.array([[v / (1 << n) for v in row] for row, n in zip(rows.tolist(), sizes, strict=True)])


def _inequalities(tape: Tape, domain: Domain, pattern: IntArray) -> tuple[ObjectArray, Origins] | None:
    """The distinct inequalities of a pattern; None if one of them says 0 < 0: that pattern has no cell."""
    walls = domain.walls.numerators
    level = _level(walls)
    if (level & (walls[:, -1] > 0)).any():
        return None
    sloped = np.flatnonzero(~level)
    found = _short_rows(tape, domain, pattern, walls[sloped]) or _long_rows(tape, pattern, walls[sloped])
    if isinstance(found, str):
        return None
    rows, segments, entries, place = found
    wall_rows = np.full(len(walls), -1)
    wall_rows[sloped] = place[: len(sloped)]
    return rows, Origins(wall_rows, segments, entries, place[len(sloped) :])


Found: TypeAlias = tuple[ObjectArray, IntArray, IntArray, IntArray] | Literal["no cell"]
"""The different rows, segments and entries of ties, the row of each wall and tie."""


def _short_rows(tape: Tape, domain: Domain, pattern: IntArray, walls: ObjectArray) -> Found | None:
    """The inequalities by way of 64-bit integers, None if that is not possible."""
    if tape.exact.integers is None or any(abs(value) >= 1 << 62 for value in walls.ravel().tolist()):
        return None
    narrow = walls.astype(np.int64)
    found = integer_rows(tuple(tape.flat), *tape.exact.integers, pattern, narrow, domain.ends)
    return "no cell" if found is None else (found[0].astype(object), *found[1:])


def _long_rows(tape: Tape, pattern: IntArray, walls: ObjectArray) -> Found:
    """The inequalities in integers of any size."""
    flat = tape.flat
    segment, entry, value = tape.rivals
    table = tape.exact.table(pattern)
    rows = table[value] - table[flat.source[flat.start[flat.owner] + pattern][segment]]
    level = _level(rows)
    above = (rows[:, -1] > 0) | ((rows[:, -1] == 0) & (entry < pattern[segment]))
    if (level & above).any():
        return "no cell"
    kept = np.flatnonzero(~level)
    every = _primitive_rows(np.concatenate([walls, rows[kept]]).astype(object))
    seen: dict[tuple[int, ...], int] = {}
    place = [seen.setdefault(tuple(row), len(seen)) for row in every.tolist()]
    different = np.empty((len(seen), every.shape[1]), dtype=object)
    for number, row in enumerate(seen):
        different[number] = row
    return different, segment[kept], entry[kept], np.array(place, dtype=np.int64)


def _level(rows: ObjectArray) -> BoolArray:
    """Rows without a slope."""
    return np.asarray(~(rows[:, :-1] != 0).any(axis=1), dtype=np.bool_)


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

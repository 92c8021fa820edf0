"""What the planar subdivision starts from: a tape in stages, and the domain as a polygon."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from tropix.arrays import FloatArray, IntArray
from tropix.errors import InvalidInput
from tropix.kernels import PlanarProgram
from tropix.regions._domain import Domain
from tropix.regions._tape import AffineStep, MaxStep, Tape, joined_matrix

UNIT = 2.0**-53
Line = tuple[int, int, int]
Corner = tuple[Fraction, Fraction]


@dataclass(frozen=True, eq=False)
class Stages:
    """The steps of a tape by depth: ``affine[t]`` are the affine blocks before the maxima ``maxima[t]``.

    Segments and entries are numbered in the order of stages; ``segments`` says which segment of the tape each one is.
    """

    tape: Tape
    affine: tuple[tuple[int, ...], ...]
    maxima: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, tape: Tape) -> Stages:
        """Blocks that no maximum needs are left out."""
        level, needed = [0], set()
        for step in tape.steps:
            sources = step.sources if isinstance(step, AffineStep) else (step.source,)
            level.append(max((level[source] for source in sources), default=0) + isinstance(step, MaxStep))
        for block in range(len(tape.steps), 0, -1):
            step = tape.steps[block - 1]
            if isinstance(step, MaxStep):
                needed.add(step.source)
            elif block in needed:
                needed.update(step.sources)
        affine: list[list[int]] = [[] for _ in range(max(level) + 1)]
        maxima: list[list[int]] = [[] for _ in range(max(level))]
        for block, step in enumerate(tape.steps, 1):
            if isinstance(step, MaxStep):
                maxima[level[block] - 1].append(block)
            elif block in needed:
                affine[level[block]].append(block)
        return cls(tape, tuple(map(tuple, affine[: len(maxima)])), tuple(map(tuple, maxima)))

    def step(self, block: int) -> AffineStep | MaxStep:
        """The step that computes a block."""
        return self.tape.steps[block - 1]

    @cached_property
    def _blocks(self) -> tuple[tuple[int, MaxStep], ...]:
        blocks = [block for group in self.maxima for block in group]
        return tuple((block, step) for block in blocks if isinstance(step := self.step(block), MaxStep))

    @cached_property
    def segments(self) -> IntArray:
        """The segment of the tape that each segment is."""
        return _joint([np.arange(step.first, step.first + step.size) for _, step in self._blocks])

    @cached_property
    def entry(self) -> IntArray:
        """Where the entries of each segment begin (S+1,)."""
        return np.concatenate([[0], np.cumsum(_joint([np.diff(step.segments) for _, step in self._blocks]))]).astype(
            np.int64
        )

    @cached_property
    def entry_value(self) -> IntArray:
        """The value that each entry is."""
        return _joint([self.tape.offsets[step.source] + np.arange(step.segments[-1]) for _, step in self._blocks])

    @cached_property
    def stage_segments(self) -> IntArray:
        """Where the segments of each stage begin (T+1,)."""
        sizes = [sum(self.step(block).size for block in group) for group in self.maxima]
        return np.cumsum([0, *sizes]).astype(np.int64)

    def program(self, domain: PolygonDomain) -> PlanarProgram:
        """The arrays that the kernel reads."""
        total = int(self.tape.offsets[-1])
        bias, norm = np.zeros(total), np.zeros(total)
        first, size, margin, columns, per_stage = [], [], [], [0], [0]
        values, starts, rows, weights = [], [np.zeros(1)], [], []
        entries = 0
        for group in self.affine:
            for block in group:
                step = self.step(block)
                assert isinstance(step, AffineStep)
                begin = int(self.tape.offsets[block])
                matrix = joined_matrix(step, self.tape.sizes)
                longest = int(np.diff(matrix.indptr).max(initial=0))
                by_column = matrix.tocsc()
                by_column.sort_indices()
                counts = np.diff(by_column.indptr)
                used = np.flatnonzero(counts)
                places = [self.tape.offsets[s] + np.arange(self.tape.sizes[s]) for s in step.sources]
                values.append(_joint(places)[used])
                starts.append(entries + np.cumsum(counts[used]))
                rows.append(by_column.indices)
                weights.append(by_column.data)
                entries += by_column.nnz
                bias[begin : begin + step.size] = step.bias
                full = by_column[:, np.flatnonzero(counts == step.size)]
                norm[begin : begin + step.size] = np.sqrt(full.multiply(full).sum(axis=1)) * (1 + 1e-9)
                first.append(begin)
                size.append(step.size)
                margin.append((longest + 4) * UNIT * 1.01 + (0.0 if step.exact is None else UNIT))
                columns.append(columns[-1] + len(used))
            per_stage.append(len(first))
        owner = _joint([self.tape.offsets[block] + np.arange(step.size) for block, step in self._blocks])
        return PlanarProgram(
            np.array(per_stage, dtype=np.int64),
            np.array(first, dtype=np.int64),
            np.array(size, dtype=np.int64),
            np.array(columns, dtype=np.int64),
            np.array(margin, dtype=np.float64),
            _joint(values),
            np.concatenate(starts).astype(np.int64),
            _joint(rows),
            np.concatenate([*weights, np.zeros(0)]).astype(np.float64),
            bias,
            norm,
            self.stage_segments,
            self.entry,
            self.entry_value,
            owner,
            domain.reach,
            domain.centre,
        )


def _joint(parts: list[IntArray]) -> IntArray:
    return np.concatenate([*parts, np.zeros(0)]).astype(np.int64)


@dataclass(frozen=True, eq=False)
class PolygonDomain:
    """A bounded domain in the plane: corners counterclockwise, ``walls[i]`` the wall from corner i to the next."""

    domain: Domain
    corners: tuple[Corner, ...]
    walls: tuple[int, ...]

    @classmethod
    def of(cls, domain: Domain) -> PolygonDomain:
        """Raises `InvalidInput` for a domain that is not planar, not bounded or has no interior."""
        if domain.dimension != 2:
            raise InvalidInput(
                f"the function has {domain.dimension} inputs: the planar subdivision takes 2; use a slice"
            )
        rows = [tuple(map(int, row)) for row in domain.walls.numerators.tolist()]
        far = _beyond_all_corners(rows)
        square = [((-far, -far), -1), ((far, -far), -1), ((far, far), -1), ((-far, far), -1)]
        polygon: list[tuple[Corner, int]] = [((Fraction(x), Fraction(y)), wall) for (x, y), wall in square]
        for number, row in enumerate(rows):
            polygon = _clipped(polygon, row, number)
        if not polygon:
            raise InvalidInput("the domain has no interior: its halfspaces leave no open set")
        if any(wall < 0 for _, wall in polygon):
            raise InvalidInput("the domain is unbounded: the planar subdivision needs a bounded box or polygon")
        return cls(domain, tuple(corner for corner, _ in polygon), tuple(wall for _, wall in polygon))

    @cached_property
    def centre(self) -> FloatArray:
        """Where the kernel puts its origin."""
        ends = [(min(axis), max(axis)) for axis in zip(*self.corners, strict=True)]
        return np.array([float((low + high) / 2) for low, high in ends])

    @cached_property
    def reach(self) -> FloatArray:
        """A bound of |x − centre| for each coordinate."""
        spans = [max(abs(c[i] - Fraction(float(self.centre[i]))) for c in self.corners) for i in range(2)]
        return np.array([float(span) * (1 + 1e-12) for span in spans])

    @cached_property
    def vertices(self) -> FloatArray:
        """The corners (k, 3) relative to the centre, with bounds of their errors."""
        rows = []
        for corner in self.corners:
            exact = [c - Fraction(float(m)) for c, m in zip(corner, self.centre, strict=True)]
            floats = [float(c) for c in exact]
            off = max(abs(c - Fraction(value)) for c, value in zip(exact, floats, strict=True))
            rows.append([*floats, math.nextafter(float(off), math.inf) if off else 0.0])
        return np.array(rows)

    @cached_property
    def lines(self) -> FloatArray:
        """The walls (k, 4) as forms relative to the centre, of size about one, with bounds of their errors."""
        rows = []
        x, y = (Fraction(float(m)) for m in self.centre)
        for wall in self.walls:
            a, b, c = (Fraction(int(n)) for n in self.domain.walls.numerators[wall])
            scale = max(abs(a), abs(b))
            exact = [a / scale, b / scale, (c + a * x + b * y) / scale]
            floats = [float(value) for value in exact]
            gaps = [abs(value - Fraction(near)) for value, near in zip(exact, floats, strict=True)]
            off = gaps[0] * Fraction(self.reach[0]) + gaps[1] * Fraction(self.reach[1]) + gaps[2]
            rows.append([*floats, math.nextafter(float(off), math.inf) if off else 0.0])
        return np.array(rows)


def _beyond_all_corners(rows: list[tuple[int, ...]]) -> Fraction:
    far = Fraction(1)
    for i, (a, b, c) in enumerate(rows):
        for a_, b_, c_ in rows[:i]:
            det = a * b_ - a_ * b
            if det:
                far = max(far, abs(Fraction(b * c_ - b_ * c, det)), abs(Fraction(c * a_ - c_ * a, det)))
    return far + 1


def _clipped(polygon: list[tuple[Corner, int]], row: tuple[int, ...], number: int) -> list[tuple[Corner, int]]:
    """The part of a polygon with a·x + b·y + c ≤ 0; empty if that has no interior."""
    values = [row[0] * x + row[1] * y + row[2] for (x, y), _ in polygon]
    if not values or min(values) >= 0:
        return []
    kept: list[tuple[Corner, int]] = []
    for i, ((p, wall), here) in enumerate(zip(polygon, values, strict=True)):
        q, there = polygon[(i + 1) % len(polygon)][0], values[(i + 1) % len(polygon)]
        if here < 0 or (here == 0 and there < 0):
            kept.append((p, wall))
        elif here == 0 and values[i - 1] < 0:
            kept.append((p, number))
        if here * there < 0:
            share = here / (here - there)
            crossing = (p[0] + share * (q[0] - p[0]), p[1] + share * (q[1] - p[1]))
            kept.append((crossing, number if here < 0 else wall))
    return kept

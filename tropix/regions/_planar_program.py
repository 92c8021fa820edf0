"""What the planar subdivision starts from: a tape in stages, and the domain as a polygon."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp

from tropix.arrays import FloatArray, IntArray
from tropix.boxes import Box
from tropix.circuits import Matrix
from tropix.errors import InvalidInput
from tropix.kernels import PlanarProgram
from tropix.regions._domain import Domain
from tropix.regions._tape import AffineStep, MaxStep, Tape, joined_matrix

UNIT = 2.0**-53
LARGE = 1e140
"""Numbers beyond it, or below its inverse, are left to the facet search."""
DENSE = 2048
"""Matrices with more rows and columns than this have their norm bounded by sums of rows and columns alone."""
FINE = 900
"""Values that are multiples of a finer power of two than this are not taken to be multiples of any."""
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
        tape = self.tape
        total = int(tape.offsets[-1])
        bias, norm, finest = np.zeros(total), np.zeros(total), np.full(total, -FINE)
        finest[:2] = np.maximum(_finest_bits(domain.centre), 0.0)  # of the slope 1 and the centre
        steps = _Steps()
        for group, maxima in zip(self.affine, self.maxima, strict=True):
            for block in group:
                step = self.step(block)
                assert isinstance(step, AffineStep)
                place = slice(int(tape.offsets[block]), int(tape.offsets[block + 1]))
                bias[place] = step.bias
                norm[place], finest[place] = steps.add(tape, block, step, finest)
            for block in maxima:
                step = self.step(block)
                assert isinstance(step, MaxStep)
                begin, below = int(tape.offsets[block]), int(tape.offsets[step.source])
                entries_bits = finest[below : below + int(step.segments[-1])]
                finest[begin : begin + step.size] = np.maximum.reduceat(entries_bits, step.segments[:-1])
        return PlanarProgram(
            stage_steps=np.cumsum([0, *map(len, self.affine)]).astype(np.int64),
            **steps.arrays(),
            bias=bias,
            norm=norm,
            limit=np.where(finest < FINE, np.exp2(np.clip(53.0 - finest, -FINE, FINE)), 0.0),
            stage_segments=self.stage_segments,
            entry=self.entry,
            entry_value=self.entry_value,
            owner=_joint([tape.offsets[block] + np.arange(step.size) for block, step in self._blocks]),
            stage_maxima=np.cumsum([0, *map(len, self.maxima)]).astype(np.int64),
            max_block=np.array([block for block, _ in self._blocks], dtype=np.int64),
            max_source=np.array([step.source for _, step in self._blocks], dtype=np.int64),
            reach=domain.reach,
            centre=domain.centre,
        )


class _Steps:
    """The affine steps of a program, one after another, by the names of its fields."""

    def __init__(self) -> None:
        self._numbers: dict[str, list[float]] = {
            name: [] for name in ("first", "size", "block", "full", "margin", "unit", "rounding", "bias")
        }
        self._columns, self._parts = [0], [0]
        self._part_block: list[int] = []
        self._part_norm: list[float] = []
        self._values: list[IntArray] = []
        self._starts: list[IntArray] = [np.zeros(1, dtype=np.int64)]
        self._entries = 0
        self._rows: list[IntArray] = []
        self._weights: list[FloatArray] = [np.zeros(0)]

    def add(self, tape: Tape, block: int, step: AffineStep, finest: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Append a step; returns the lengths of its rows, and for each value the bits of its finest part."""
        matrix = joined_matrix(step, tape.sizes)
        by_column = matrix.tocsc()
        by_column.sort_indices()
        counts = np.diff(by_column.indptr)
        used = np.flatnonzero(counts)
        unit = 0.0 if step.exact is None else UNIT
        numbers = {
            "first": int(tape.offsets[block]),
            "size": step.size,
            "block": block,
            "full": bool((counts[used] == step.size).all()),
            "margin": (int(np.diff(matrix.indptr).max(initial=0)) + 4) * UNIT * (1 + 1e-9) + unit,
            "unit": unit,
            "rounding": _norm_of_sizes(matrix),
            "bias": float(np.linalg.norm(step.bias)) * (1 + 1e-9),
        }
        for name, number in numbers.items():
            self._numbers[name].append(number)
        places = _joint([tape.offsets[source] + np.arange(tape.sizes[source]) for source in step.sources])
        self._columns.append(self._columns[-1] + len(used))
        self._values.append(places[used])
        self._starts.append(self._entries + np.cumsum(counts[used]))
        self._entries += by_column.nnz
        self._rows.append(by_column.indices)
        self._weights.append(by_column.data)
        self._part_block += step.sources
        self._part_norm += [_norm(part) for part in step.matrices]
        self._parts.append(len(self._part_block))
        bits = _finest_bits(step.bias)
        np.maximum.at(bits, by_column.indices, _finest_bits(by_column.data) + finest[np.repeat(places, counts)])
        lengths = np.asarray(np.sqrt(matrix.multiply(matrix).sum(axis=1)) * (1 + 1e-9))
        return lengths, np.minimum(bits, FINE) if step.exact is None else np.full(step.size, float(FINE))

    def arrays(self) -> dict[str, Any]:
        """The fields of the program that steps have."""
        kinds = {"first": np.int64, "size": np.int64, "block": np.int64, "full": np.bool_}
        return {
            **{
                f"step_{name}": np.array(part, dtype=kinds.get(name, np.float64))
                for name, part in self._numbers.items()
            },
            "step_columns": np.array(self._columns, dtype=np.int64),
            "step_parts": np.array(self._parts, dtype=np.int64),
            "part_block": np.array(self._part_block, dtype=np.int64),
            "part_norm": np.array(self._part_norm, dtype=np.float64),
            "column_value": _joint(self._values),
            "column_start": _joint(self._starts),
            "rows": _joint(self._rows),
            "weights": np.concatenate(self._weights).astype(np.float64),
        }


def _norm_of_sizes(matrix: sp.csr_array) -> float:
    """A bound on the Euclidean norm of a matrix of absolute values: by rows and columns, or by all entries."""
    sizes = abs(matrix)
    rows, columns = (float(sizes.sum(axis=axis).max(initial=0.0)) for axis in (0, 1))
    return min(math.sqrt(rows) * math.sqrt(columns), float(np.linalg.norm(sizes.data))) * (1 + 1e-9)


def _norm(matrix: Matrix) -> float:
    """A bound on the Euclidean norm of a matrix A: that of powers of A·Aᵀ, if it is not too large."""
    bound = _norm_of_sizes(sp.csr_array(matrix))
    if sp.issparse(matrix) or min(matrix.shape) > DENSE or not 1e-100 < bound < 1e100:
        return bound
    dense = np.asarray(matrix) / bound
    power = dense @ dense.T if len(dense) <= dense.shape[1] else dense.T @ dense
    # ‖A‖² = ‖P₀‖ = f₀ ‖P₁‖^½ = f₀ f₁^½ ‖P₂‖^¼ = …, where f_k = ‖P_k‖_F ≥ ‖P_k‖ and P_(k+1) = (P_k / f_k)²
    square = 1.0
    for k in range(6):
        size = float(np.linalg.norm(power))
        square *= size ** (0.5**k)
        power = (power / size) @ (power / size)
    return min(bound, bound * math.sqrt(square) * (1 + 1e-6))


def _finest_bits(values: FloatArray) -> FloatArray:
    """For each float the least n for which it is a multiple of 2⁻ⁿ."""
    mantissa, exponent = np.frexp(values)
    odd = (mantissa * 2.0**53).astype(np.int64)
    trailing = np.frexp((odd & -odd).astype(np.float64))[1] - 1
    return np.where(odd == 0, -float(FINE), 53.0 - exponent - trailing)


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


def moderate(tape: Tape, box: Box) -> bool:
    """Whether squares of all numbers that the subdivision of a bounded box meets are far from the ends of floats.

    The largest forms are bounded by norms, the smallest coefficients by products of the smallest weights.
    """
    reach = max(1.0, float(np.abs(box.lower).max()), float(np.abs(box.upper).max()))
    high, low = [reach], [1.0]
    with np.errstate(over="ignore"):
        for step in tape.steps:
            if not isinstance(step, AffineStep):
                high.append(high[step.source])
                low.append(low[step.source])
                continue
            largest = float(np.abs(step.bias).max(initial=0.0))
            smallest = [float(np.abs(step.bias[step.bias != 0]).min(initial=1.0))]
            for source, matrix in zip(step.sources, step.matrices, strict=True):
                sizes = abs(sp.csr_array(matrix))
                largest += float(sizes.sum(axis=1).max(initial=0.0)) * high[source]
                smallest.append(float(sizes.data[sizes.data > 0].min(initial=1.0)) * low[source])
            high.append(largest)
            low.append(min(smallest))
    return max(high) < LARGE and min(low) > 1 / LARGE

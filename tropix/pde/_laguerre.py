"""Power (Laguerre) cells of weighted sites, and minimisers, decided in rational arithmetic."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from tropix.arrays import FloatArray
from tropix.boxes import Box, BoxLike, Polyhedron
from tropix.errors import InvalidInput, Unsupported
from tropix.exact import Rationals
from tropix.pde._atoms import squared_lengths

if TYPE_CHECKING:
    from tropix.pde._hopf_lax import HopfLax

SEARCHED_DIMENSION = 3
"""Up to here neighbours are read off the dual subdivision; beyond, hulls may be too large."""
Point = tuple[Fraction, Fraction]


def exact_minimisers(solution: HopfLax, points: FloatArray, values: FloatArray) -> tuple[tuple[int, ...], ...]:
    """All indices j that attain min_j (g_j + |x−y_j|²/(4t)), exactly; float64 only rules out others."""
    sites, costs, indices = solution._present
    if not len(costs):
        return ((),) * len(points)
    found = []
    place, price, four = Rationals.of(sites), Rationals.of(costs), Rationals.of(np.array([4 * Fraction(solution.t)]))
    for x, value in zip(points, values, strict=True):
        squares = ((x - sites) ** 2).sum(axis=1) / (4 * solution.t)
        terms = costs + squares
        # each term is off by less than (d+4) roundings of its parts, and the part of a candidate is near the value's
        doubt = (len(x) + 8) * 2.0**-52 * (np.abs(costs) + squares + abs(value)) + np.finfo(np.float64).tiny
        near = np.flatnonzero(terms - doubt <= (terms + doubt).min())
        exact = price[near] * four + squared_lengths(Rationals.of(x)[None, :] - place[near])
        least = exact.numerators.min()
        found.append(tuple(int(indices[near[i]]) for i in np.flatnonzero(exact.numerators == least)))
    return tuple(found)


def neighbours(solution: HopfLax, site: int) -> list[int]:
    """Present sites (their positions) whose cells may share a facet with that of ``site`` (a position)."""
    if solution.dimension > SEARCHED_DIMENSION:
        active = np.searchsorted(solution._present[2], solution._active)
        return [int(i) for i in active if i != site]
    pairs = [edge.corners for edge in solution.subdivision().faces(1)]
    return sorted({j for pair in pairs if site in pair for j in pair} - {site})


def cell(solution: HopfLax, site: int) -> Polyhedron:
    """See `HopfLax.cell`."""
    position = int(np.searchsorted(solution._present[2], site))
    rows = solution.to_tropical().exact
    others = rows[neighbours(solution, position)] - rows[position]
    return Polyhedron.where(others[:, :-1].floats(), (-others[:, -1]).floats())


def volumes(solution: HopfLax, box: BoxLike) -> Rationals:
    """See `HopfLax.volumes`; exact."""
    domain = Box.of(box, solution.dimension)
    if solution.dimension not in (1, 2):
        raise Unsupported(f"volumes of cells in {solution.dimension} dimensions: one and two are supported")
    if not domain.bounded or isinstance(domain, Polyhedron):
        raise InvalidInput("volumes of cells need a bounded box without halfspaces")
    sizes = [Fraction(0)] * len(solution)
    rows = solution.to_tropical().exact.fractions()
    ends = [[Fraction(end) for end in pair] for pair in zip(domain.lower.tolist(), domain.upper.tolist(), strict=True)]
    near = _adjacency(solution)
    for index in solution._active:
        position = int(np.searchsorted(solution._present[2], index))
        halfspaces = rows[near[position]] - rows[position]
        sizes[index] = _length(halfspaces, *ends[0]) if len(ends) == 1 else _area(halfspaces, ends)
    return Rationals.of(np.array(sizes, dtype=object))


def _adjacency(solution: HopfLax) -> dict[int, list[int]]:
    near: dict[int, list[int]] = {int(i): [] for i in range(len(solution._present[1]))}
    if len(solution._present[1]):
        for edge in solution.subdivision().faces(1):
            first, second = edge.corners
            near[first].append(second)
            near[second].append(first)
    return near


def _length(halfspaces: np.ndarray[tuple[int, ...], np.dtype[np.object_]], low: Fraction, high: Fraction) -> Fraction:
    """Length of {x : a x + c ≤ 0 for all rows (a, c)} in an interval."""
    for slope, constant in halfspaces.tolist():
        end = -constant / slope
        low, high = (low, min(high, end)) if slope > 0 else (max(low, end), high)
    return max(high - low, Fraction(0))


def _area(halfspaces: np.ndarray[tuple[int, ...], np.dtype[np.object_]], ends: list[list[Fraction]]) -> Fraction:
    """Area of {x : a·x + c ≤ 0 for all rows (a, c)} in a rectangle, by clipping (Sutherland and Hodgman 1974)."""
    (left, right), (bottom, top) = ends
    polygon: list[Point] = [(left, bottom), (right, bottom), (right, top), (left, top)]
    for a, b, c in halfspaces.tolist():
        heights = [a * x + b * y + c for x, y in polygon]
        polygon = _clip(polygon, heights)
        if not polygon:
            return Fraction(0)
    turned = [*polygon[1:], polygon[0]]
    return sum((p[0] * q[1] - p[1] * q[0] for p, q in zip(polygon, turned, strict=True)), Fraction(0)) / 2


def _clip(polygon: list[Point], heights: list[Fraction]) -> list[Point]:
    """The part of a convex polygon where a linear function with these values at its corners is ≤ 0."""
    kept: list[Point] = []
    for i, (corner, height) in enumerate(zip(polygon, heights, strict=True)):
        before, lower = polygon[i - 1], heights[i - 1]
        if (height < 0 < lower) or (lower < 0 < height):
            share = lower / (lower - height)
            kept.append((before[0] + share * (corner[0] - before[0]), before[1] + share * (corner[1] - before[1])))
        if height <= 0:
            kept.append(corner)
    return kept

"""Pictures of dual subdivisions and tropical curves: exact coordinates, rounded only to be drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tropix.arrays import FloatArray, ObjectArray
from tropix.boxes import Box, BoxLike
from tropix.errors import InvalidInput, Unsupported
from tropix.exact import Rationals
from tropix.polynomials._plot import pastels

if TYPE_CHECKING:
    from fractions import Fraction

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tropix.polynomials._curves import TropicalCurve
    from tropix.polynomials._subdivision import DualSubdivision

INK = "0.15"
LEGIBLE = 0.1
"""Shorter strokes, as a part of the window, carry no multiplicity."""
Segment = tuple[FloatArray, FloatArray]


def draw_duality(subdivision: DualSubdivision) -> Figure:
    """See `DualSubdivision.plot_duality`."""
    from matplotlib.figure import Figure

    curve = subdivision.curve()
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    draw_curve(curve, left, None)
    draw_subdivision(subdivision, right)
    return figure


def draw_subdivision(subdivision: DualSubdivision, ax: Axes | None) -> Axes:
    """See `DualSubdivision.plot`."""
    dimension = subdivision.polynomial.dimension
    if dimension not in (1, 2):
        raise Unsupported(f"a subdivision in {dimension} dimensions cannot be drawn: one or two can")
    ax = ax or _axes()
    points = subdivision.polynomial.exponents
    if dimension == 1:
        points = np.column_stack([points[:, 0], np.zeros(len(points))])
        ax.set_yticks([])
    fills = _fills(len(subdivision.cells))
    for cell, fill in zip(subdivision.cells, fills, strict=True):
        corners = _around(points[list(cell.corners)])
        ax.fill(corners[:, 0], corners[:, 1], facecolor=tuple(fill), edgecolor=INK, linewidth=1.2, zorder=1)
    used = np.zeros(len(points), dtype=np.bool_)
    used[[j for cell in subdivision.cells for j in cell.monomials]] = True
    ax.scatter(points[~used, 0], points[~used, 1], s=22, facecolors="white", edgecolors="0.6", linewidths=0.8, zorder=2)
    ax.scatter(points[used, 0], points[used, 1], s=22, color=INK, zorder=3)
    ax.set_xlabel("exponent of x0")
    if dimension == 2:
        ax.set_ylabel("exponent of x1")
        ax.set_aspect("equal", adjustable="datalim")
    return ax


def draw_curve(curve: TropicalCurve, ax: Axes | None, window: BoxLike | None) -> Axes:
    """See `TropicalCurve.plot`."""
    box = _window(curve) if window is None else Box.of(window, 2)
    if not box.bounded or (box.lower == box.upper).any():
        raise InvalidInput("a picture needs a bounded box with an interior")
    ax = ax or _axes()
    for first, second, multiplicity in _strokes(curve, box):
        ax.plot(
            [first[0], second[0]], [first[1], second[1]], color=INK, linewidth=1.4, solid_capstyle="round", zorder=1
        )
        if multiplicity != 1 and np.abs((second - first) / (box.upper - box.lower)).max() > LEGIBLE:
            label = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none"}
            x, y = (first + second) / 2
            ax.text(x, y, str(multiplicity), bbox=label, ha="center", va="center", fontsize=8, zorder=2)
    vertices = _floats(curve.vertices)
    inside = box.contains(vertices) if len(vertices) else np.zeros(0, dtype=np.bool_)
    fills = _fills(len(vertices))[inside]
    ax.scatter(vertices[inside, 0], vertices[inside, 1], s=36, c=fills, edgecolors=INK, zorder=3)
    ax.set_xlim(box.lower[0], box.upper[0])
    ax.set_ylim(box.lower[1], box.upper[1])
    ax.set_xlabel("x0")
    ax.set_ylabel("x1")
    return ax


def _strokes(curve: TropicalCurve, box: Box) -> list[tuple[FloatArray, FloatArray, Fraction]]:
    """The parts of edges, rays and lines in the box."""
    vertices = _floats(curve.vertices)
    parts = []
    for edge in curve.edges:
        start, stop = vertices[list(edge.ends)]
        parts.append((start, stop - start, 0.0, 1.0, edge.multiplicity))
    parts += [(vertices[ray.start], _unit(ray.direction), 0.0, np.inf, ray.multiplicity) for ray in curve.rays]
    for line in curve.lines:
        point = np.array([float(x) for x in line.point])
        parts.append((point, _unit(line.direction), -np.inf, np.inf, line.multiplicity))
    clipped = [(_clip(*part[:4], box), part[4]) for part in parts]
    return [(*segment, multiplicity) for segment, multiplicity in clipped if segment is not None]


def _unit(direction: tuple[int, ...]) -> FloatArray:
    largest = max(abs(v) for v in direction)
    return np.array([v / largest for v in direction])


def _clip(start: FloatArray, step: FloatArray, first: float, last: float, box: Box) -> Segment | None:
    """The part of {start + t·step : first ≤ t ≤ last} in the box (Liang and Barsky 1984)."""
    for i in range(2):
        if step[i] == 0.0:
            if not box.lower[i] <= start[i] <= box.upper[i]:
                return None
            continue
        ends = sorted([(box.lower[i] - start[i]) / step[i], (box.upper[i] - start[i]) / step[i]])
        first, last = max(first, ends[0]), min(last, ends[1])
    return (start + first * step, start + last * step) if first < last else None


def _window(curve: TropicalCurve) -> Box:
    """A square around the vertices, or around the points that lines were given, with a margin."""
    lines = [[float(x) for x in line.point] for line in curve.lines]
    points = np.array(lines) if lines else _floats(curve.vertices)
    if not len(points):
        points = np.zeros((1, 2))
    centre = (points.max(axis=0) + points.min(axis=0)) / 2
    reach = float(np.ptp(points, axis=0).max()) * 0.75 or 1.0
    return Box(centre - reach, centre + reach)


def _around(corners: FloatArray) -> FloatArray:
    """The corners of a polygon in cyclic order."""
    offset = corners - corners.mean(axis=0)
    return np.asarray(corners[np.argsort(np.arctan2(offset[:, 1], offset[:, 0]))])


def _fills(count: int) -> FloatArray:
    """A colour for each cell, which is that of its dual vertex."""
    return np.asarray(pastels(count)[:count])


def _floats(points: ObjectArray) -> FloatArray:
    return np.array([Rationals.of(point).floats() for point in points]).reshape(-1, 2)


def _axes() -> Axes:
    from matplotlib.figure import Figure

    return Figure(figsize=(5, 5), layout="constrained").subplots()

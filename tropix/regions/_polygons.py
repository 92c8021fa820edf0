"""Cells of one or two inputs as polygons in a window, in floating point: what pictures are made of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np

from tropix.arrays import FloatArray, IntArray
from tropix.boxes import Box, BoxLike
from tropix.errors import InvalidInput, Unsupported
from tropix.kernels import clip_polygons, output_forms
from tropix.regions._regions import Regions

FAR = 1e7
"""Unbounded cells are first clipped so far away, in units of the points, to see where their corners are."""


_Clipped: TypeAlias = tuple[IntArray, FloatArray, IntArray]


@dataclass(frozen=True, eq=False)
class Polygons:
    """Polygons in a window: ``cells`` (P,) says of which cell each is, ``classes`` (P,) which output is largest in it.

    Vertices of polygon i are ``vertices[offsets[i]:offsets[i+1]]``, counterclockwise; ``sides`` holds for each of them
    the facet on which the edge to the next one lies, negative for edges of the window and between classes. For one
    input they are rectangles of height 1.
    """

    regions: Regions
    window: Box
    cells: IntArray
    classes: IntArray
    offsets: IntArray
    vertices: FloatArray
    sides: IntArray

    def __len__(self) -> int:
        return len(self.cells)

    @cached_property
    def parts(self) -> list[FloatArray]:
        """The vertices (n_i, 2) of each polygon."""
        return np.split(self.vertices, self.offsets[1:-1]) if len(self) else []

    @cached_property
    def lines(self) -> tuple[FloatArray, IntArray]:
        """Segments (L, 2, 2) between cells, each once, and their facets (L,)."""
        following = np.arange(1, len(self.vertices) + 1)
        following[self.offsets[1:] - 1] = self.offsets[:-1]
        once = self.sides >= 0
        facets = self.sides[once]
        neighbours = self.regions.neighbours[facets]
        shown = (neighbours == -2) | (neighbours > self.regions.owners[facets])
        segments = np.stack([self.vertices[once], self.vertices[following[once]]], axis=1)
        return segments[shown], facets[shown]


def polygons(regions: Regions, window: BoxLike | None = None, *, by_class: bool = False) -> Polygons:
    """The cells in a window, by default the domain or, where it is unbounded, the part of it with the corners.

    With ``by_class`` cells are cut where another output becomes the largest; a single output is compared with 0.
    """
    dimension = regions.tape.inputs
    if dimension not in (1, 2):
        raise Unsupported(f"regions of {dimension} inputs cannot be drawn: draw a slice (tropix.regions.slice_through)")
    if regions.n_cells > 1 and not len(regions.facet_segments):
        raise InvalidInput("these regions were found without their facets: enumerate them with adjacency to draw them")
    rows = _in_the_plane(regions.facet_rows)
    seen = _window(regions, rows, window)
    cells = np.arange(regions.n_cells)
    clipped = clip_polygons(_corners(seen), regions.facet_offsets, rows)
    found = _filled(regions, seen, cells, np.full(len(cells), -1), clipped)
    return _by_class(found, rows) if by_class else found


def scores(regions: Regions, cells: IntArray, points: FloatArray) -> FloatArray:
    """Values (n, max(m, 2)) of the outputs at points (n, 2) of cells (n,); of a single output, 0 and the value."""
    values = np.einsum("nmk,nk->nm", _forms(regions)[cells], np.column_stack([points, np.ones(len(points))]))
    return np.column_stack([np.zeros(len(points)), values]) if values.shape[1] == 1 else values


def _forms(regions: Regions) -> FloatArray:
    forms, _ = output_forms(tuple(regions.tape.flat), regions.patterns)
    return _in_the_plane(forms)


def _in_the_plane(forms: FloatArray) -> FloatArray:
    """Forms of one input as forms of two, of which the second has no influence."""
    if forms.shape[-1] == 3:
        return forms
    return np.stack([forms[..., 0], np.zeros(forms.shape[:-1]), forms[..., 1]], axis=-1)


def _corners(window: Box) -> FloatArray:
    (left, bottom), (right, top) = _ends(window)
    return np.array([[left, bottom], [right, bottom], [right, top], [left, top]])


def _ends(window: Box) -> FloatArray:
    if window.dimension == 1:
        return np.array([[window.lower[0], 0.0], [window.upper[0], 1.0]])
    return np.array([window.lower, window.upper])


def _window(regions: Regions, rows: FloatArray, window: BoxLike | None) -> Box:
    dimension = regions.tape.inputs
    domain = regions.domain.box
    chosen = Box.of(window, dimension) if window is not None else domain
    if chosen is not None and chosen.bounded:
        if (chosen.lower == chosen.upper).any():
            raise InvalidInput("the window of a picture needs an interior")
        return Box(chosen.lower, chosen.upper)
    if window is not None:
        raise InvalidInput("the window of a picture must be bounded")
    reach = FAR * max(1.0, float(np.abs(regions.points).max(initial=0.0)))
    everywhere = Box(np.full(dimension, -reach), np.full(dimension, reach))
    offsets, vertices, sides = clip_polygons(_corners(everywhere), regions.facet_offsets, rows)
    before = np.arange(-1, len(vertices) - 1)
    filled = np.diff(offsets) > 0
    before[offsets[:-1][filled]] = offsets[1:][filled] - 1
    corners = (
        vertices[(sides >= 0) & (sides[before] >= 0)] if dimension == 2 else vertices[np.abs(vertices[:, 0]) < reach]
    )
    low, high = _middle(np.concatenate([corners[:, :dimension], regions.points]))
    if domain is not None:
        low = np.where(np.isfinite(domain.lower), domain.lower, np.minimum(low, domain.upper - 1))
        high = np.where(np.isfinite(domain.upper), domain.upper, np.maximum(high, domain.lower + 1))
    return Box(low, high)


def _middle(points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The part of the plane with most of the points: a few far away are left out."""
    centre = np.median(points, axis=0)
    away = np.abs(points - centre)
    reach = np.minimum(away.max(axis=0), 3 * np.quantile(away, 0.8, axis=0)) * 1.15
    reach = np.where(reach > 0, reach, 1.0)
    return centre - reach, centre + reach


def _filled(regions: Regions, window: Box, cells: IntArray, classes: IntArray, clipped: _Clipped) -> Polygons:
    """Without polygons of which nothing is left."""
    offsets, vertices, sides = clipped
    keep = np.diff(offsets) > 0
    kept = np.concatenate([[0], offsets[1:][keep]])
    return Polygons(regions, window, cells[keep], classes[keep], kept, vertices, sides)


def _by_class(whole: Polygons, rows: FloatArray) -> Polygons:
    """Polygons whose corners have one largest output have it everywhere; others are clipped again for each output."""
    regions, starts = whole.regions, whole.offsets[:-1]
    if not len(whole):
        return whole
    at_corners = scores(regions, np.repeat(whole.cells, np.diff(whole.offsets)), whole.vertices)
    best = at_corners.argmax(axis=1)
    classes = np.minimum.reduceat(best, starts)
    mixed = np.flatnonzero(classes != np.maximum.reduceat(best, starts))
    outputs = at_corners.shape[1]
    forms = _forms(regions)[whole.cells[mixed]]
    if forms.shape[1] < outputs:
        forms = np.concatenate([np.zeros_like(forms), forms], axis=1)
    groups, places = [], []
    for cell, form in zip(whole.cells[mixed].tolist(), forms, strict=True):
        facets = np.arange(regions.facet_offsets[cell], regions.facet_offsets[cell + 1])
        for k in range(outputs):
            groups.append(np.concatenate([rows[facets], np.delete(form - form[k], k, axis=0)]))
            places.append(np.concatenate([facets, np.full(outputs - 1, -1)]))
    cuts = np.cumsum([0, *map(len, groups)]).astype(np.int64)
    offsets, vertices, sides = clip_polygons(_corners(whole.window), cuts, np.concatenate([*groups, np.zeros((0, 3))]))
    sides = np.where(sides >= 0, np.concatenate([*places, [-1]]).astype(np.int64)[sides], sides)
    split = _filled(
        regions,
        whole.window,
        np.repeat(whole.cells[mixed], outputs),
        np.tile(np.arange(outputs), len(mixed)),
        (offsets, vertices, sides),
    )
    return _joined(_chosen(whole, np.setdiff1d(np.arange(len(whole)), mixed), classes), split)


def _chosen(found: Polygons, which: IntArray, classes: IntArray) -> Polygons:
    """Some of the polygons, with classes for all."""
    sizes = np.diff(found.offsets)
    keep = np.isin(np.repeat(np.arange(len(found)), sizes), which)
    offsets = np.concatenate([[0], np.cumsum(sizes[which])])
    return Polygons(
        found.regions,
        found.window,
        found.cells[which],
        classes[which],
        offsets,
        found.vertices[keep],
        found.sides[keep],
    )


def _joined(first: Polygons, second: Polygons) -> Polygons:
    return Polygons(
        first.regions,
        first.window,
        np.concatenate([first.cells, second.cells]),
        np.concatenate([first.classes, second.classes]),
        np.concatenate([first.offsets, first.offsets[-1] + second.offsets[1:]]),
        np.concatenate([first.vertices, second.vertices]),
        np.concatenate([first.sides, second.sides]),
    )

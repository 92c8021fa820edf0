"""Pictures of linear regions of one or two inputs."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tropix.arrays import FloatArray, IntArray
from tropix.boxes import Box, BoxLike
from tropix.errors import InvalidInput
from tropix.polynomials._plot import pastels
from tropix.regions._boundary import BoundaryPiece
from tropix.regions._polygons import Polygons, polygons, scores
from tropix.regions._regions import Regions

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEGEND = 10
"""Most entries of a legend."""
DEPTHS = ("#111111", "#c1272d", "#1f5fa8", "#1b7837", "#762a83", "#d07c00")
"""Colours of lines by the depth of their neurons, again from the first after the last."""
CLASSES = ("#a6c8e8", "#f6c79b", "#b5dcae", "#efaca9", "#cfbbe2", "#d2b8ae", "#f1c4e2", "#cccccc", "#dfdf9a", "#a5dde2")


class Colour(StrEnum):
    """What the colour of a cell says."""

    map = "map"
    region = "region"
    classes = "class"
    depth = "depth"


def plot_regions(
    regions: Regions,
    colour: str = "map",
    *,
    data: npt.ArrayLike | None = None,
    labels: npt.ArrayLike | None = None,
    window: BoxLike | None = None,
    boundary: Sequence[BoundaryPiece] = (),
    ax: Axes | None = None,
) -> Axes:
    """Draw cells of one or two inputs, coloured by what each is, their boundaries by the depth of the neuron.

    ``colour``: "map" (one colour an affine map), "region" (an affine region), "class" (the largest output; of a single
    output, its sign) or "depth" (the deepest neuron that bounds the cell). ``data`` (n, d) is drawn as points,
    coloured by ``labels`` (n,); ``boundary`` are pieces of `boundary`, drawn boldly. ``window`` is what is shown: by
    default the domain or, where that is unbounded, the part of it with most corners. Lines become thinner the more
    cells there are. With one input the outputs are drawn as curves. Raises `Unsupported` for other dimensions.
    """
    kind = colour_of(colour)
    drawn = polygons(regions, window, by_class=kind is Colour.classes)
    if ax is None:
        from matplotlib.figure import Figure

        ax = Figure(figsize=(7.5, 6), layout="constrained").subplots()
    _fill(drawn, kind, ax)
    _draw_lines(drawn, ax)
    if regions.tape.inputs == 1:
        _draw_curves(drawn, ax)
    _draw_boundary(boundary, drawn.window, ax)
    _draw_data(data, labels, regions.tape.inputs, ax)
    (left, *bottom), (right, *top) = drawn.window.lower.tolist(), drawn.window.upper.tolist()
    ax.set_xlim(left, right)
    ax.set_xlabel("x0")
    if bottom:
        ax.set_ylim(bottom[0], top[0])
        ax.set_ylabel("x1")
    _legend(drawn, kind, ax)
    return ax


def colour_of(name: str) -> Colour:
    """The colouring of a name; raises `InvalidInput` for unknown ones."""
    try:
        return Colour(name)
    except ValueError:
        raise InvalidInput(f"colour {name!r}: use one of {', '.join(Colour)}") from None


def fills(drawn: Polygons, kind: Colour) -> FloatArray:
    """A colour (P, 3) for each polygon."""
    from matplotlib.colors import to_rgb

    if kind is Colour.classes:
        return np.array([to_rgb(CLASSES[k % len(CLASSES)]) for k in drawn.classes.tolist()]).reshape(-1, 3)
    if kind is Colour.depth:
        return depth_shades(drawn.regions)[depths(drawn.regions)[drawn.cells]]
    labels = drawn.regions.map_labels if kind is Colour.map else drawn.regions.region_labels
    share = 0.6 if drawn.regions.tape.inputs == 2 else 0.35
    shades = 1 - share * (1 - pastels(int(labels.max(initial=0)) + 1))  # light, so that lines and data stand out
    return np.asarray(shades[labels[drawn.cells]])


def depths(regions: Regions) -> IntArray:
    """For each cell (C,) the depth of the deepest neuron that bounds it, 0 if none does."""
    found = np.zeros(regions.n_cells, dtype=np.int64)
    inner = regions.facet_segments >= 0
    np.maximum.at(found, regions.owners[inner], regions.tape.depth[regions.facet_segments[inner]])
    return found


def depth_shades(regions: Regions) -> FloatArray:
    """A colour for each depth from 0."""
    from matplotlib import colormaps

    count = int(regions.tape.depth.max(initial=0)) + 1
    return np.asarray(colormaps["YlGnBu"](np.linspace(0.0, 0.45, count))[:, :3])


def line_style(regions: Regions, depth: int, cells: int) -> tuple[str, float]:
    """Colour and width of boundaries of a depth, where so many cells are seen."""
    width = float(np.clip(1.5 * np.sqrt(200 / max(cells, 1)), 0.12, 1.5))
    return DEPTHS[(depth - 1) % len(DEPTHS)], width * max(0.55, 1 - 0.15 * (depth - 1))


def _fill(drawn: Polygons, kind: Colour, ax: Axes) -> None:
    from matplotlib.collections import PolyCollection

    colours = fills(drawn, kind)
    # a thin rim in the same colour hides the seams between neighbours
    cells = PolyCollection(drawn.parts, facecolors=colours, edgecolors=colours, linewidths=0.3, zorder=1)
    if drawn.regions.tape.inputs == 1:
        cells.set_transform(ax.get_xaxis_transform())
    ax.add_collection(cells, autolim=False)


def _draw_lines(drawn: Polygons, ax: Axes) -> None:
    from matplotlib.collections import LineCollection

    regions = drawn.regions
    segments, facets = drawn.lines
    line_depths = regions.tape.depth[regions.facet_segments[facets]]
    for depth in sorted(set(line_depths.tolist()), reverse=True):
        colour, width = line_style(regions, depth, len(drawn))
        chosen = line_depths == depth
        lines = LineCollection(segments[chosen], colors=colour, linewidths=width, zorder=2, capstyle="round")
        if regions.tape.inputs == 1:
            lines.set_transform(ax.get_xaxis_transform())
            lines.set_alpha(0.5)
        ax.add_collection(lines, autolim=False)


def _draw_curves(drawn: Polygons, ax: Axes) -> None:
    """The outputs of one input: on each cell a line."""
    ends = drawn.vertices[:, 0]
    low, high = np.minimum.reduceat(ends, drawn.offsets[:-1]), np.maximum.reduceat(ends, drawn.offsets[:-1])
    order = np.argsort(low)
    along = np.stack([low[order], high[order]], axis=1).ravel()
    values = scores(drawn.regions, np.repeat(drawn.cells[order], 2), np.column_stack([along, np.zeros(len(along))]))
    outputs = drawn.regions.tape.sizes[drawn.regions.tape.output]
    for k in range(outputs):
        column = values[:, k + values.shape[1] - outputs]
        ax.plot(along, column, linewidth=1.6, color=f"C{k % 10}", label=f"output {k}" if k < LEGEND else None, zorder=3)
    ax.set_ylabel("output" if outputs == 1 else "outputs")


def _draw_boundary(pieces: Sequence[BoundaryPiece], window: Box, ax: Axes) -> None:
    from matplotlib.collections import LineCollection

    if not pieces or window.dimension == 1:
        for piece in pieces:
            ax.axvline(float(piece.point[0]), color="black", linewidth=2.2, zorder=4)
        return
    segments = [segment_in(piece, window) for piece in pieces if piece.kind != "area"]
    ax.add_collection(
        LineCollection(segments, colors="white", linewidths=4.2, zorder=4, capstyle="round"), autolim=False
    )
    ax.add_collection(
        LineCollection(segments, colors="black", linewidths=2.2, zorder=4, capstyle="round"), autolim=False
    )


def segment_in(piece: BoundaryPiece, window: Box) -> FloatArray:
    """The ends (2, 2) of a piece in the plane; where it goes on for ever, points outside the window."""
    reach = float(np.abs(window.upper - window.lower).sum() + np.abs(piece.point - window.lower).sum())
    first, last = piece.ends
    return np.array(
        [
            piece.point - reach * piece.direction if first is None else first,
            piece.point + reach * piece.direction if last is None else last,
        ]
    )


def _draw_data(data: npt.ArrayLike | None, labels: npt.ArrayLike | None, dimension: int, ax: Axes) -> None:
    if data is None:
        return
    points = np.asarray(data, dtype=np.float64).reshape(-1, dimension)
    colours: list[str] | str = "black"
    if labels is not None:
        numbers = np.unique(np.asarray(labels), return_inverse=True)[1].ravel()
        if len(numbers) != len(points):
            raise InvalidInput(f"{len(numbers)} labels for {len(points)} points of data")
        colours = [f"C{k % 10}" for k in numbers.tolist()]
    size = float(np.clip(3000 / max(len(points), 1), 4, 30))
    if dimension == 1:
        heights = np.full(len(points), 0.02)
        ax.scatter(points[:, 0], heights, s=size, c=colours, marker="|", transform=ax.get_xaxis_transform(), zorder=5)
    else:
        ax.scatter(points[:, 0], points[:, 1], s=size, c=colours, edgecolors="white", linewidths=0.4, zorder=5)


def _legend(drawn: Polygons, kind: Colour, ax: Axes) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    regions = drawn.regions
    _, facets = drawn.lines
    found = sorted(set(regions.tape.depth[regions.facet_segments[facets]].tolist()))
    handles: list[Line2D | Patch] = []
    if kind is Colour.classes:
        single = regions.tape.sizes[regions.tape.output] == 1
        for k in sorted(set(drawn.classes.tolist()))[:LEGEND]:
            name = ("output ≤ 0", "output > 0")[k] if single else f"class {k}"
            handles.append(Patch(color=CLASSES[k % len(CLASSES)], label=name))
    elif kind is Colour.depth:
        shades = depth_shades(regions)
        handles += [
            Patch(color=tuple(shades[k]), label=f"depth {k}") for k in sorted(set(depths(regions).tolist()))[:LEGEND]
        ]
    if regions.tape.inputs == 1:
        curves = ax.get_legend_handles_labels()[0] if regions.tape.sizes[regions.tape.output] > 1 else []
        handles += [curve for curve in curves if isinstance(curve, Line2D)]
    if len(found) > 1:
        for depth in found[: LEGEND - len(handles)]:
            colour, _ = line_style(regions, depth, len(drawn))
            handles.append(Line2D([], [], color=colour, linewidth=1.5, label=f"bend at depth {depth}"))
    if handles:
        ax.legend(handles=handles, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize="small")

"""A page with the cells of a plane: pointing at a cell tells its number and its map. It loads nothing."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import numpy.typing as npt

from tropix.arrays import FloatArray
from tropix.boxes import BoxLike
from tropix.errors import InvalidInput, Unsupported
from tropix.kernels import output_forms
from tropix.regions._boundary import BoundaryPiece
from tropix.regions._plot import colour_of, fills, line_style, segment_in
from tropix.regions._polygons import Polygons, polygons
from tropix.regions._regions import Regions

WIDTH = 900.0
"""Width of the picture in its own units."""
SHOWN_OUTPUTS = 4
"""Outputs whose map a tooltip tells."""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 15px/1.4 sans-serif; margin: 1.5em; color: #222; }}
svg {{ max-width: 100%; height: auto; border: 1px solid #888; }}
polygon:hover {{ filter: brightness(0.8); }}
text {{ font: 13px sans-serif; fill: #222; }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{summary}</p>
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}">
{body}
</svg>
</body>
</html>
"""


def regions_html(
    regions: Regions,
    colour: str = "map",
    *,
    title: str = "Linear regions",
    data: npt.ArrayLike | None = None,
    window: BoxLike | None = None,
    boundary: Sequence[BoundaryPiece] = (),
) -> str:
    """A page of HTML with the cells of two inputs as in `plot_regions`; each says its number, region and map.

    Raises `Unsupported` for other dimensions.
    """
    kind = colour_of(colour)
    if regions.tape.inputs != 2:
        raise Unsupported(f"pages show regions of two inputs, not {regions.tape.inputs}: draw a slice, or a .png")
    drawn = polygons(regions, window, by_class=kind.value == "class")
    size = drawn.window.upper - drawn.window.lower
    height = WIDTH * float(np.clip(size[1] / size[0], 0.4, 1.2))
    body = [
        *_cells(drawn, fills(drawn, kind), height),
        *_lines(drawn, height),
        *_pieces(drawn, boundary, height),
        *_points(drawn, data, height),
    ]
    (left, bottom), (right, top) = drawn.window.lower.tolist(), drawn.window.upper.tolist()
    summary = (
        f"{regions.n_cells} activation cells, {regions.n_affine_regions} affine regions, {regions.n_affine_maps} "
        f"distinct affine maps{'' if regions.complete else ' (partial)'}; x0 from {left:g} to {right:g}, x1 from "
        f"{bottom:g} to {top:g}. Point at a cell."
    )
    return _PAGE.format(title=escape(title), summary=escape(summary), width=WIDTH, height=height, body="\n".join(body))


def _placed(drawn: Polygons, points: FloatArray, height: float) -> FloatArray:
    """Points in units of the picture, whose second coordinate runs down."""
    shares = (points - drawn.window.lower) / (drawn.window.upper - drawn.window.lower)
    return np.stack([shares[..., 0] * WIDTH, (1 - shares[..., 1]) * height], axis=-1)


def _cells(drawn: Polygons, colours: FloatArray, height: float) -> list[str]:
    regions = drawn.regions
    forms, _ = output_forms(tuple(regions.tape.flat), regions.patterns)
    maps, areas = regions.map_labels, regions.region_labels
    placed = np.split(_placed(drawn, drawn.vertices, height), drawn.offsets[1:-1]) if len(drawn) else []
    found = []
    for part, cell, rgb in zip(placed, drawn.cells.tolist(), np.rint(colours * 255).astype(int).tolist(), strict=True):
        path = " ".join(f"{x:.2f},{y:.2f}" for x, y in part.tolist())
        code = "#{:02x}{:02x}{:02x}".format(*rgb)
        told = f"cell {cell}, affine region {areas[cell]}, map {maps[cell]}\n{_formula(forms[cell])}"
        found.append(
            f'<polygon points="{path}" fill="{code}" stroke="{code}" stroke-width="0.4">'
            f"<title>{escape(told)}</title></polygon>"
        )
    return found


def _formula(form: FloatArray) -> str:
    lines = [f"f{k} = {a:.4g} x0 {b:+.4g} x1 {c:+.4g}" for k, (a, b, c) in enumerate(form[:SHOWN_OUTPUTS].tolist())]
    return "\n".join(lines + (["…"] if len(form) > SHOWN_OUTPUTS else []))


def _lines(drawn: Polygons, height: float) -> list[str]:
    regions = drawn.regions
    segments, facets = drawn.lines
    depth = regions.tape.depth[regions.facet_segments[facets]]
    placed = _placed(drawn, segments, height)
    found = []
    for level in sorted(set(depth.tolist()), reverse=True):
        colour, width = line_style(regions, level, len(drawn))
        path = "".join(f"M{a:.2f} {b:.2f}L{c:.2f} {d:.2f}" for (a, b), (c, d) in placed[depth == level].tolist())
        found.append(
            f'<path d="{path}" stroke="{colour}" stroke-width="{width:.2f}" fill="none" pointer-events="none"/>'
        )
    return found


def _pieces(drawn: Polygons, pieces: Sequence[BoundaryPiece], height: float) -> list[str]:
    found = []
    for piece in pieces:
        if piece.kind != "area":
            (a, b), (c, d) = _placed(drawn, segment_in(piece, drawn.window), height).tolist()
            line = f'd="M{a:.2f} {b:.2f}L{c:.2f} {d:.2f}" fill="none" stroke-linecap="round" pointer-events="none"'
            found.append(f'<path {line} stroke="black" stroke-width="3"/>')
    return found


def _points(drawn: Polygons, data: npt.ArrayLike | None, height: float) -> list[str]:
    if data is None:
        return []
    points = np.asarray(data, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise InvalidInput(f"data of shape {points.shape}: expected rows of 2 numbers")
    return [
        f'<circle cx="{x:.2f}" cy="{y:.2f}" r="3.5" fill="black" stroke="white"><title>row {i}</title></circle>'
        for i, (x, y) in enumerate(_placed(drawn, points, height).tolist())
    ]

"""Pictures of linear regions: polygons against Qhull and the shoelace formula, colours, lines, pages."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import LineCollection, PolyCollection

from tropix import Box, Circuit, InvalidInput, Polyhedron, TropicalMap, TropicalPolynomial, Unsupported, regions
from tropix.circuits import CircuitBuilder
from tropix.regions import boundary, plot_regions, regions_html
from tropix.regions._plot import depths
from tropix.regions._polygons import polygons


def relu_net(widths: list[int], seed: int = 0) -> Circuit:
    rng = np.random.default_rng(seed)
    builder, value = CircuitBuilder(widths[0]), 0
    for i, (m, n) in enumerate(pairwise(widths)):
        value = builder.affine([(value, rng.normal(size=(n, m)))], rng.normal(size=n) * 0.5)
        value = builder.relu(value) if i < len(widths) - 2 else value
    return builder.build(value)


def area(vertices: Any) -> float:
    x, y = np.asarray(vertices).T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def polynomial(text: str) -> TropicalPolynomial:
    return TropicalPolynomial.parse(text, variables=["x", "y"])


def test_polygons_are_the_cells() -> None:
    found = regions.enumerate(relu_net([2, 8, 6, 2]), (-2, 2))
    drawn = polygons(found)
    assert drawn.cells.tolist() == list(range(len(found)))
    for cell, part in zip(found, drawn.parts, strict=True):
        expected = cell.vertices  # by Qhull
        assert area(part) == pytest.approx(area(expected), rel=1e-9)
        gaps = np.linalg.norm(part[:, None] - expected[None], axis=2)
        assert gaps.min(axis=1).max() < 1e-9
        assert gaps.min(axis=0).max() < 1e-9


def test_unbounded_cells_fill_the_window() -> None:
    found = regions.enumerate(relu_net([2, 5, 4, 1]))
    drawn = polygons(found, ((-3, -1), (2, 4)))
    assert sum(map(area, drawn.parts)) == pytest.approx(25)
    points = np.random.default_rng(0).uniform((-3, -1), (2, 4), size=(50, 2))
    for point in points:
        number = found.locate(point)
        assert number is not None
        part = drawn.parts[drawn.cells.tolist().index(number)]
        edges = np.roll(part, -1, axis=0) - part
        turn = edges[:, 0] * (point - part)[:, 1] - edges[:, 1] * (point - part)[:, 0]
        assert (turn >= -1e-12).all()


def test_the_window_shows_the_corners() -> None:
    square = polynomial("max(x, -x, y - 1, 7 - y)")
    window = polygons(regions.enumerate(square)).window
    assert window.contains([[3, 4], [-3, 4]]).all()
    assert (window.upper - window.lower < 40).all()
    one = polygons(regions.enumerate(polynomial("x + y")))
    assert (one.window.lower < one.window.upper).all()
    half = regions.enumerate(square, ((0, -np.inf), (np.inf, np.inf)))
    assert polygons(half).window.lower[0] == 0


def test_polyhedral_domains_are_clipped() -> None:
    triangle = Polyhedron.where([[1, 1]], [1], (0, 1))
    drawn = polygons(regions.enumerate(polynomial("max(x, y)"), triangle))
    assert sum(map(area, drawn.parts)) == pytest.approx(0.5)


def test_lines_separate_cells_once() -> None:
    found = regions.enumerate(relu_net([2, 8, 6, 2]), (-2, 2))
    segments, facets = polygons(found).lines
    assert len(facets) == len(found.adjacency[0])
    assert (found.facet_segments[facets] >= 0).all()
    middle = segments.mean(axis=1)
    for point, facet in zip(middle, facets.tolist(), strict=True):
        for cell in (found[int(found.owners[facet])], found[int(found.neighbours[facet])]):
            normals, offsets = cell.inequalities
            assert (offsets - normals @ point).min() == pytest.approx(0, abs=1e-9)


def test_classes_cut_the_cells() -> None:
    circuit = relu_net([2, 8, 6, 3], 2)
    found = regions.enumerate(circuit, (-2, 2))
    drawn = polygons(found, by_class=True)
    assert sum(map(area, drawn.parts)) == pytest.approx(16)
    assert len(drawn) > len(found)
    for part, kind in zip(drawn.parts, drawn.classes.tolist(), strict=True):
        if area(part) > 1e-9:
            assert circuit(part.mean(axis=0)).argmax() == kind
    sample = circuit(np.random.default_rng(0).uniform(-2, 2, size=(100_000, 2))).argmax(axis=1)
    shares = [sum(area(p) for p, k in zip(drawn.parts, drawn.classes, strict=True) if k == c) / 16 for c in range(3)]
    assert shares == pytest.approx(np.bincount(sample, minlength=3) / 1e5, abs=0.01)


def test_a_class_inside_one_cell_that_no_corner_shows() -> None:
    f = TropicalMap([polynomial(text) for text in ("x", "-x", "y", "-y", "1/10")])
    drawn = polygons(regions.enumerate(f, (-1, 1)), by_class=True)
    inner = [part for part, kind in zip(drawn.parts, drawn.classes, strict=True) if kind == 4]
    assert [area(part) for part in inner] == pytest.approx([0.04])


def test_the_sign_of_a_single_output() -> None:
    drawn = polygons(regions.enumerate(polynomial("x - 1/2"), (-1, 1)), by_class=True)
    assert dict(zip(drawn.classes.tolist(), map(area, drawn.parts), strict=True)) == pytest.approx({0: 3.0, 1: 1.0})


@pytest.mark.parametrize("colour", ["map", "region", "class", "depth"])
@pytest.mark.parametrize("inputs", [1, 2])
def test_every_colouring_draws_every_cell(colour: str, inputs: int) -> None:
    found = regions.enumerate(relu_net([inputs, 6, 5, 2], 2), (-2, 2))
    data = np.random.default_rng(0).normal(size=(30, inputs))
    pieces = boundary(found, 0, 1)
    ax = plot_regions(found, colour, data=data, labels=np.arange(30) % 2, boundary=pieces)
    cells, *_ = (part for part in ax.collections if isinstance(part, PolyCollection))
    lines = [part for part in ax.collections if isinstance(part, LineCollection)]
    assert len(cells.get_paths()) == len(polygons(found, by_class=colour == "class"))
    drawn = sum(len(part.get_segments()) for part in lines[:2])
    assert drawn == len(found.adjacency[0]) or (colour == "class" and drawn > len(found.adjacency[0]))
    assert ax.get_xlim() == (-2, 2)
    legend = ax.get_legend()
    assert legend is not None
    texts = {text.get_text() for text in legend.get_texts()}
    assert {"bend at depth 1", "bend at depth 2"} <= texts
    assert colour != "class" or {"class 0", "class 1"} <= texts
    ax.figure.canvas.draw()  # type: ignore[union-attr]


def test_curves_of_one_input_are_the_outputs() -> None:
    circuit = relu_net([1, 6, 5, 2])
    ax = plot_regions(regions.enumerate(circuit, (-2, 2)))
    for k, line in enumerate(ax.get_lines()):
        x, y = np.asarray(line.get_data(), dtype=np.float64)
        assert y == pytest.approx(circuit(x[:, None])[:, k], abs=1e-9)
        assert (np.diff(x) >= 0).all()
        middle = (x[:-1] + x[1:]) / 2
        assert (y[:-1] + y[1:]) / 2 == pytest.approx(circuit(middle[:, None])[:, k], abs=1e-9)


def test_equal_maps_have_equal_colours() -> None:
    # |x| + |y| − |x| − … a cell of each quadrant, of which two have the same map
    builder = CircuitBuilder(2)
    absolute = builder.log_sum_exp(
        builder.affine([(0, [[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])], np.zeros(4)), 0.0, np.array([0, 2, 4])
    )
    circuit = builder.build(builder.affine([(absolute, [[0.0, 1.0]])], [0.0]))
    found = regions.enumerate(circuit, (-1, 1))
    ax = plot_regions(found)
    colours = [tuple(row) for row in ax.collections[0].get_facecolor()]  # type: ignore[attr-defined]
    assert (found.n_cells, found.n_affine_maps, len(set(colours))) == (4, 2, 2)
    assert depths(found).tolist() == [1, 1, 1, 1]


def test_a_partial_result_is_drawn() -> None:
    found = regions.enumerate(relu_net([2, 10, 8, 1]), (-2, 2), max_cells=7)
    assert len(plot_regions(found).collections[0].get_paths()) == found.n_cells


def test_pages_tell_cells_and_maps() -> None:
    found = regions.enumerate(relu_net([2, 6, 5, 2]), (-2, 2))
    page = regions_html(found, "class", title="a <b> & c", data=[[0.0, 0.0]], boundary=boundary(found, 0, 1))
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "a &lt;b&gt; &amp; c" in page
    svg = re.search(r"<svg.*</svg>", page, re.DOTALL)
    assert svg is not None
    root = ElementTree.fromstring(svg.group())
    names = "{http://www.w3.org/2000/svg}"
    cells = root.findall(f"{names}polygon")
    assert len(cells) == len(polygons(found, by_class=True))
    title = cells[0].find(f"{names}title")
    assert title is not None
    weights, bias = found[int(polygons(found, by_class=True).cells[0])].affine_map
    assert f"f0 = {weights[0, 0]:.4g} x0 {weights[0, 1]:+.4g} x1 {bias[0]:+.4g}" in str(title.text)
    assert len(root.findall(f"{names}circle")) == 1


def test_refusals() -> None:
    plane = regions.enumerate(polynomial("max(x, y)"), (-1, 1))
    space = regions.enumerate(relu_net([3, 4, 1]), (-1, 1))
    for draw in (plot_regions, regions_html):
        with pytest.raises(Unsupported, match="slice"):
            draw(space)
        with pytest.raises(InvalidInput, match="use one of map, region, class, depth"):
            draw(plane, "colour")
    with pytest.raises(InvalidInput, match="bounded"):
        plot_regions(plane, window=(-np.inf, 1))
    with pytest.raises(InvalidInput, match="needs an interior"):
        plot_regions(plane, window=Box(np.zeros(2), np.array([0.0, 1.0])))
    with pytest.raises(InvalidInput, match="2 labels for 1 points"):
        plot_regions(plane, data=[[0, 0]], labels=[1, 2])

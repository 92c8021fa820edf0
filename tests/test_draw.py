"""Pictures of curves and subdivisions: what is drawn is read back from the artists."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tropix import InvalidInput, TropicalPolynomial, Unsupported

CUBIC_POINTS = [(i, j) for i in range(4) for j in range(4 - i)]
CUBIC = TropicalPolynomial(CUBIC_POINTS, [-(i * i + j * j + i * j) for i, j in CUBIC_POINTS])


@pytest.mark.parametrize("box", [None, ((0, 0), (6, 6)), ((1.5, 2.5), (3.75, 4.25)), ((-9, -3), (-8, 40))])
def test_strokes_lie_on_the_curve_and_in_the_box(box: tuple[tuple[float, float], ...] | None) -> None:
    axes = CUBIC.curve().plot(box=box)
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    if box is not None:
        assert ((left, low), (right, high)) == box
    drawn = [np.asarray(line.get_xydata()) for line in axes.lines]
    assert len(drawn) == {-9: 3, 0: 18, 1.5: 6}[box[0][0] if box else 0]
    for segment in drawn:
        for t in np.linspace(0, 1, 5):
            x = segment[0] + t * (segment[1] - segment[0])
            assert left - 1e-9 <= x[0] <= right + 1e-9
            assert low - 1e-9 <= x[1] <= high + 1e-9
            logits = np.sort(CUBIC.exponents @ x + CUBIC.coefficients)
            assert logits[-1] - logits[-2] < 1e-9
    dots = np.asarray(axes.collections[0].get_offsets())
    inside = [v for v in CUBIC.curve().vertices.astype(float) if left <= v[0] <= right and low <= v[1] <= high]
    np.testing.assert_allclose(dots.reshape(-1, 2), np.array(inside).reshape(-1, 2))


def test_rays_reach_the_edge_of_the_window() -> None:
    axes = TropicalPolynomial([[0, 0], [1, 0], [0, 1]], [0, 0, 0]).curve().plot(box=((-1, -3), (2, 5)))
    ends = sorted(tuple(np.asarray(line.get_xydata())[1]) for line in axes.lines)
    assert ends == [(-1.0, 0.0), (0.0, -3.0), (2.0, 2.0)]


def test_polygons_of_the_subdivision() -> None:
    axes = (
        TropicalPolynomial([[0, 0], [2, 0], [0, 2], [2, 2], [1, 1], [1, 0]], [0, 0, 0, 0, -1, 1])
        .dual_subdivision()
        .plot()
    )
    assert sorted(len(patch.get_path().vertices) - 1 for patch in axes.patches) == [3, 3, 3]
    areas = [abs(shoelace(patch.get_path().vertices)) for patch in axes.patches]  # type: ignore[arg-type]
    assert sorted(areas) == [1, 1, 2]
    hollow, solid = (np.asarray(part.get_offsets()).tolist() for part in axes.collections)
    assert hollow == [[1, 1]]
    assert sorted(solid) == [[0, 0], [0, 2], [1, 0], [2, 0], [2, 2]]


def shoelace(corners: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    x, y = corners.T
    return float(x[:-1] @ y[1:] - x[1:] @ y[:-1]) / 2


def test_both_panels_share_colours(tmp_path: Path) -> None:
    subdivision = CUBIC.dual_subdivision()
    figure = subdivision.plot_duality()
    curve, cells = figure.axes
    dots = [tuple(np.round(c[:3], 6)) for c in np.asarray(curve.collections[0].get_facecolor())]
    fills = [tuple(np.round(np.asarray(patch.get_facecolor())[:3], 6)) for patch in cells.patches]
    assert len(set(fills)) == 9
    assert dots == fills
    figure.savefig(tmp_path / "both.svg")
    assert (tmp_path / "both.svg").read_bytes().startswith(b"<?xml")


def test_degenerate_pictures(tmp_path: Path) -> None:
    lines = TropicalPolynomial([[0, 0], [1, 1], [3, 3]], [0, 0, -9])
    axes = lines.curve().plot()
    assert len(axes.lines) == 2
    assert [text.get_text() for text in axes.texts] == ["2"]
    for f in (lines, TropicalPolynomial([[1, 2]], [0])):
        f.dual_subdivision().plot_duality().savefig(tmp_path / "flat.png")
    axes = TropicalPolynomial([[0], [1], [2], [5]], [0, -1, 0, -1]).dual_subdivision().plot()
    assert len(axes.patches) == 2
    assert TropicalPolynomial.zero(2).dual_subdivision().plot().patches[:] == []


def test_what_cannot_be_drawn() -> None:
    with pytest.raises(Unsupported, match="one or two"):
        TropicalPolynomial([[1, 2, 3]], [0]).dual_subdivision().plot()
    with pytest.raises(InvalidInput, match="bounded box"):
        CUBIC.curve().plot(box=((0, 0), (np.inf, 1)))

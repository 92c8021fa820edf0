"""Pictures: what is drawn is read back from the artists."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tropix import InvalidInput, TropicalPolynomial, TropicalRational, Unsupported
from tropixc.cli import main


def test_a_graph_is_drawn_piece_by_piece() -> None:
    f = TropicalPolynomial([[-1.0], [0.0], [2.0]], [0.0, 1.0, 0.0])
    axes = f.plot((-3, 3), pixels=601)
    drawn = [line.get_xydata() for line in axes.lines[:-1]]
    assert len(drawn) == 3
    for part in drawn:
        np.testing.assert_allclose(f(part[:, :1]), part[:, 1])  # type: ignore[call-overload, index]
    assert len({line.get_color() for line in axes.lines[:-1]}) == 3


def test_regions_have_one_colour_each() -> None:
    f = TropicalPolynomial([[1, 0], [0, 1], [-1, -1]], [0, 0, 0])
    axes = f.plot(((-1, -2), (1, 2)), pixels=101)
    image = np.asarray(axes.images[0].get_array())
    assert list(axes.images[0].get_extent()) == [-1.0, 1.0, -2.0, 2.0]
    grid = np.stack(np.meshgrid(np.linspace(-1, 1, 101), np.linspace(-2, 2, 101)), axis=-1)
    pieces = f.active(grid.reshape(-1, 2)).reshape(101, 101)
    colours = [tuple(c) for c in np.unique(image[image.mean(axis=-1) > 0.4].reshape(-1, 3), axis=0)]
    assert len(colours) == 3
    for piece in range(3):
        inside = image[pieces == piece]
        bright = inside[inside.mean(axis=-1) > 0.4]
        assert len(np.unique(bright, axis=0)) == 1


def test_a_rational_graph_changes_colour_where_a_pair_of_monomials_does() -> None:
    f = TropicalRational.parse("max(0, x) - max(0, 2*x - 1)")  # pairs change at 0 and at 1/2
    axes = f.plot((-1, 1), pixels=401)
    drawn = [np.asarray(line.get_xydata()) for line in axes.lines[:-1]]
    assert [(round(part[0, 0], 2), round(part[-1, 0], 2)) for part in drawn] == [(-1, 0.01), (0.01, 0.51), (0.51, 1)]
    for part in drawn:
        np.testing.assert_allclose(f(part[:, :1]), part[:, 1])
    assert len({line.get_color() for line in axes.lines[:-1]}) == 3


def test_rational_regions_are_pairs_of_monomials() -> None:
    f = TropicalRational.parse("max(0, x, y) - max(0, x - y)")
    axes = f.plot((-1, 1), pixels=101)
    image = np.asarray(axes.images[0].get_array())
    x, y = np.meshgrid(np.linspace(-1, 1, 101), np.linspace(-1, 1, 101))
    top = np.argmax([0 * x, x, y], axis=0)
    pairs = 2 * top + (x > y)
    inside = image.mean(axis=-1) > 0.4  # the others are drawn as borders
    colours = {pair: {tuple(c) for c in image[inside & (pairs == pair)]} for pair in np.unique(pairs[inside])}
    assert sorted(colours) == [0, 1, 3, 4]  # 0 on both sides of x = y, x and y on one
    assert all(len(found) == 1 for found in colours.values())
    assert len(set.union(*colours.values())) == 4
    levels = axes.collections[0]
    for level, paths in zip(levels.levels, levels.get_paths(), strict=True):  # type: ignore[attr-defined]
        np.testing.assert_allclose(f(paths.vertices), level, atol=0.02)


def test_a_constant_function_has_no_levels() -> None:
    for f in (TropicalPolynomial.constant(1, 2), TropicalRational.parse("max(x, y) - max(x, y)")):
        assert len(f.plot((-1, 1), pixels=21).collections) == 0


def test_what_cannot_be_drawn() -> None:
    with pytest.raises(Unsupported, match="one or two"):
        TropicalPolynomial([[1.0, 2.0, 3.0]], [0.0]).plot((-1, 1))
    with pytest.raises(Unsupported, match="one or two"):
        TropicalRational.parse("x + y - max(z, 0)").plot((-1, 1))
    with pytest.raises(InvalidInput, match="bounded box"):
        TropicalRational.parse("x - max(x, 0)").plot((0, np.inf))
    for box in ((-1, np.inf), (0, 0)):
        with pytest.raises(InvalidInput, match="bounded box"):
            TropicalPolynomial([[1.0]], [0.0]).plot(box)


def test_the_command_draws(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, start in (("p.png", b"\x89PNG"), ("p.svg", b"<?xml"), ("p.pdf", b"%PDF")):
        target = tmp_path / name
        monkeypatch.setattr("sys.argv", ["tropix", "compile", str(models / "iris_icnn.onnx"), "--plot", str(target)])
        with pytest.raises(SystemExit) as stop:
            main()
        assert stop.value.code in (0, None)
        assert target.read_bytes().startswith(start)
    for model, name in (("iris_icnn", "p.gif"), ("digits_lse", "q.png")):
        monkeypatch.setattr(
            "sys.argv", ["tropix", "compile", str(models / f"{model}.onnx"), "--plot", str(tmp_path / name)]
        )
        with pytest.raises(SystemExit) as stop:
            main()
        assert stop.value.code == 2
        assert not (tmp_path / name).exists()

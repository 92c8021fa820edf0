"""tropix regions and tropix boundary: counts, files, pictures, one region, slices, refusals."""

from __future__ import annotations

import dataclasses
import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from command_line import asked, saved

from tropix import Circuit, InvalidInput, regions
from tropix.circuits import CircuitBuilder, Gibbs


def relu_net(widths: list[int], seed: int = 0, softmax: bool = False) -> Circuit:
    rng = np.random.default_rng(seed)
    builder, value = CircuitBuilder(widths[0]), 0
    for i, (m, n) in enumerate(pairwise(widths)):
        value = builder.affine([(value, rng.normal(size=(n, m)))], rng.normal(size=n) * 0.5, f"layer{i}")
        value = builder.relu(value, f"relu{i}") if i < len(widths) - 2 else value
    if softmax:
        value = builder.add(Gibbs(value, 1.0, np.array([0, widths[-1]])), "softmax")
    return builder.build(value)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return saved(tmp_path, relu_net([2, 6, 5, 3]))


def test_counts_by_each_definition(tropix: Any, model: Path) -> None:
    report = asked(tropix, "regions", model, "--box", "-2,2", "--passes", "none")
    found = regions.enumerate(relu_net([2, 6, 5, 3]), (-2, 2))
    assert report["activation_cells"] == found.n_cells > 30
    assert report["affine_regions"] == found.n_affine_regions
    assert report["affine_maps"] == found.n_affine_maps
    assert (report["complete"], report["exact"], report["stopped"]) == (True, True, None)
    assert {int(k): v for k, v in report["facets_by_depth"].items()} == found.facets_by_depth
    assert {int(k): v for k, v in report["cells_by_depth"].items()} == found.cells_by_depth
    assert sum(report["facets_by_depth"].values()) == len(found.adjacency[0])
    assert report["ceiling"]["activation_cells"] == regions.serra_upper(2, [6, 5]) >= found.n_cells
    everywhere = asked(tropix, "regions", model, "--passes", "none")
    assert everywhere["activation_cells"] == regions.enumerate(relu_net([2, 6, 5, 3])).n_cells
    assert everywhere["box"] is None
    code, out, _ = tropix("regions", model, "--box", "-2,2")
    assert code == 0
    for text in (
        "[-2, 2]^2",
        f"activation cells      {report['activation_cells']}",
        "proved",
        "cells a second",
        "ceiling",
    ):
        assert text in out
    assert "all of R^2" in tropix("regions", model, "--fast", "--count-only")[1]


def test_count_only_and_fast(tropix: Any, model: Path) -> None:
    report = asked(tropix, "regions", model, "--box", "-2,2", "--count-only", "--fast")
    assert report["exact"] is False
    assert report["activation_cells"] == asked(tropix, "regions", model, "--box", "-2,2")["activation_cells"]
    proved = tropix("regions", model, "--box", "-2,2", "--fast", "--certify")[1]
    assert "proved afterwards" in proved
    assert "affine_maps" not in report
    assert "not proved" in tropix("regions", model, "--box", "-2,2", "--fast")[1]


def test_partial_results_say_so(tropix: Any, model: Path, tmp_path: Path) -> None:
    report = asked(tropix, "regions", model, "--box", "-2,2", "--max", 5)
    assert not report["complete"]
    assert "limit of 5 cells" in report["stopped"]
    out = tropix("regions", model, "--box", "-2,2", "--max", 5)[1]
    assert "at least" in out
    assert "partial: the limit of 5 cells was reached" in out
    picture = tmp_path / "cells.html"
    assert tropix("regions", model, "--box", "-2,2", "--max", 5, "--plot", picture)[0] == 0
    assert "more are missing" in picture.read_text()
    assert tropix("regions", model, "--box", "-2,2", "--plot", picture)[0] == 0
    assert "more are missing" not in picture.read_text()
    assert tropix("boundary", model, "--classes", "0,1", "--box", "-2,2", "--max", 5, "--plot", picture)[0] == 0
    assert "on the cells found" in picture.read_text()


def test_cells_are_written(tropix: Any, model: Path, tmp_path: Path) -> None:
    report = asked(tropix, "regions", model, "--box", "-2,2", "-o", tmp_path / "cells.json", "--passes", "none")
    cells = json.loads((tmp_path / "cells.json").read_text())["cells"]
    assert len(cells) == report["activation_cells"]
    assert report["files"] == [str(tmp_path / "cells.json")]
    circuit = relu_net([2, 6, 5, 3])
    for cell in cells[:5]:
        value = np.array(cell["map"]["weights"]) @ cell["point"] + cell["map"]["bias"]
        assert value == pytest.approx(circuit(cell["point"]))
    assert tropix("regions", model, "--box", "-2,2", "-o", tmp_path / "cells.csv")[0] == 0
    assert len((tmp_path / "cells.csv").read_text().splitlines()) == len(cells) + 1
    assert tropix("regions", model, "--passes", "none", "--box", "-2,2", "-o", tmp_path / "cells.npz")[0] == 0
    assert len(regions.load(tmp_path / "cells.npz", circuit.limit())) == len(cells)


@pytest.mark.parametrize(
    ("suffix", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF"), ("html", b"<!")]
)
def test_pictures(tropix: Any, model: Path, tmp_path: Path, suffix: str, start: bytes) -> None:
    target = tmp_path / f"cells.{suffix}"
    assert tropix("regions", model, "--box", "-2,2", "--plot", target, "--colour", "class")[0] == 0
    assert target.read_bytes().startswith(start)
    pieces = tmp_path / f"boundary.{suffix}"
    assert tropix("boundary", model, "--classes", "0,1", "--box", "-2,2", "--plot", pieces)[0] == 0
    assert pieces.read_bytes().startswith(start)


def test_the_region_of_a_point(tropix: Any, model: Path, tmp_path: Path) -> None:
    circuit = relu_net([2, 6, 5, 3])
    report = asked(tropix, "regions", model, "--at", "0.25,-0.5", "--box", "-2,2", "--passes", "none")
    cell = regions.describe(circuit, [0.25, -0.5], (-2, 2))
    assert report["value"] == pytest.approx(circuit([0.25, -0.5]).tolist())
    assert report["volume"] == pytest.approx(cell.volume)
    assert report["chebyshev_radius"] == pytest.approx(cell.chebyshev[1])
    distances = [facet["distance"] for facet in report["facets"]]
    assert distances == sorted(distances)
    assert distances == pytest.approx(sorted(facet.distance(np.array([0.25, -0.5])) for facet in cell.facets))
    names = {name.split("[")[0] for facet in report["facets"] for name in facet["neurons"]}
    assert names <= {"relu0", "relu1"} != set()
    point = tmp_path / "point.csv"
    point.write_text("0.25,-0.5\n")
    code, out, _ = tropix("regions", model, "--at", point, "--box", "-2,2", "--passes", "none")
    assert code == 0
    assert "Chebyshev radius" in out
    assert f"{distances[0]:.6g}" in out
    far = asked(tropix, "regions", model, "--at", "1e-2,1e6")
    assert (far["volume"], far["volume_unknown"], far["bounded"]) == (None, "unbounded", False)
    for wrong, message in (
        (("nan,1",), "NaN"),
        (("1,2", "--max", 3), "leave out --max"),
        (("1,2", "--fast"), "--fast"),
    ):
        code, _, err = tropix("regions", model, "--at", *wrong)
        assert code == 2
        assert message in err


def test_softmax_means_logits(tropix: Any, tmp_path: Path, model: Path) -> None:
    with_softmax = saved(tmp_path, relu_net([2, 6, 5, 3], softmax=True), "softmax.txt")
    left, right = (asked(tropix, "regions", path, "--box", "-2,2") for path in (with_softmax, model))
    assert left["activation_cells"] == right["activation_cells"]
    assert "logits" in " ".join(left["notes"])
    assert "logits" not in " ".join(right["notes"])
    assert "in front of the softmax" in tropix("regions", with_softmax, "--box", "-2,2")[1]


def test_one_output(tropix: Any, model: Path) -> None:
    report = asked(tropix, "regions", model, "--box", "-2,2", "--output", 1)
    assert report["outputs"] == 1
    assert report["activation_cells"] == regions.enumerate(relu_net([2, 6, 5, 3]), (-2, 2)).n_cells
    values = relu_net([2, 6, 5, 3])([0.25, -0.5])
    for k in range(3):
        assert asked(tropix, "regions", model, "--at", "0.25,-0.5", "--output", k)["value"] == pytest.approx(
            [values[k]]
        )


def test_the_box_around_data(tropix: Any, model: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    data.write_text("0,1\n1,-1\n0.5,0\n")
    report = asked(tropix, "regions", model, "--data", data, "--margin", "0.5", "--plot", tmp_path / "data.html")
    assert report["box"] == [["-0.5", "-1.5"], ["1.5", "1.5"]]
    assert (tmp_path / "data.html").read_text().count("<circle") == 3


def test_boxes_in_other_ways(tropix: Any, model: Path, tmp_path: Path) -> None:
    box = tmp_path / "box.csv"
    box.write_text("-1,-0.5\n1.5,2\n")
    report = asked(tropix, "regions", model, "--box", box)
    assert report["box"] == [["-1.0", "-0.5"], ["1.5", "2.0"]]
    for same in ("-1,1.5;-0.5,2", "-1:1.5,-0.5:2", "-1:1.5;-0.5:2"):
        again = asked(tropix, "regions", model, "--box", same)
        assert (again["box"], again["activation_cells"]) == (report["box"], report["activation_cells"])
    assert asked(tropix, "regions", model, "--box", "-1:1")["box"] == [["-1.0", "-1.0"], ["1.0", "1.0"]]
    box.write_text("-1,-0.5\n")
    code, _, err = tropix("regions", model, "--box", box)
    assert code == 2
    assert "1 rows: expected a row of lower and a row of upper ends" in err


def test_data_among_the_cells(tropix: Any, model: Path, tmp_path: Path) -> None:
    points = np.random.default_rng(0).normal(size=(40, 2))
    np.save(tmp_path / "data.npy", points)
    report = asked(tropix, "regions", model, "--data", tmp_path / "data.npy", "--margin", "0.5", "--passes", "none")
    circuit = relu_net([2, 6, 5, 3])
    found = regions.enumerate(circuit, (points.min(axis=0) - 0.5, points.max(axis=0) + 0.5))
    assert report["activation_cells"] == found.n_cells
    cells = [found[found.locate(point) or 0] for point in points]
    assert report["data"]["points"] == 40
    assert report["data"]["cells"] == len({cell.number for cell in cells})
    whole = [regions.describe(circuit, point) for point in points]  # walls of the box are no boundaries
    near = [min(facet.distance(point) for facet in cell.facets) for cell, point in zip(whole, points, strict=True)]
    assert report["data"]["nearest_boundary"] == pytest.approx(min(near))
    assert report["data"]["median_distance"] == pytest.approx(float(np.median(near)))


def test_certificates_and_resumption(tropix: Any, tmp_path: Path) -> None:
    model = saved(tmp_path, relu_net([3, 7, 5, 2]))
    whole = asked(tropix, "regions", model, "--box", "-1,1", "--certify")
    assert whole["certificate"] == {"kind": "volumes", "holds": True, "reason": None}
    part = tmp_path / "part.npz"
    report = asked(tropix, "regions", model, "--box", "-1,1", "--max", "20", "-o", part, "--certify")
    assert not report["complete"]
    assert report["certificate"]["holds"] is False
    rest = asked(tropix, "regions", model, "--box", "-1,1", "--resume", part)
    assert rest["complete"]
    assert rest["activation_cells"] == whole["activation_cells"]
    code, _, err = tropix("regions", saved(tmp_path, relu_net([3, 7, 5, 2], 1), "other.txt"), "--resume", part)
    assert code == 2
    assert "another function" in err


def test_a_search_goes_on_where_it_began(tropix: Any, tmp_path: Path) -> None:
    model, part = saved(tmp_path, relu_net([3, 7, 5, 2])), tmp_path / "part.npz"
    assert tropix("regions", model, "--box", "-1,1", "--passes", "none", "-o", part)[0] == 0
    for box in (("--box", "-2,2"), ("--box", "0,inf"), ()):
        code, _, err = tropix("regions", model, *box, "--passes", "none", "--resume", part)
        assert code == 2
        assert "another domain" in err or "part of the inputs" in err
    found = regions.load(part, relu_net([3, 7, 5, 2]).limit())
    with pytest.raises(InvalidInput, match="another domain"):
        regions.enumerate(relu_net([3, 7, 5, 2]), (-2, 2), resume=found)
    assert regions.enumerate(relu_net([3, 7, 5, 2]), (-1, 1), resume=found).n_cells == found.n_cells


def test_slices(tropix: Any, tmp_path: Path) -> None:
    circuit = relu_net([5, 6, 4, 2])
    path = saved(tmp_path, circuit)
    corners = np.random.default_rng(1).normal(size=(3, 5)).round(3)
    text = ";".join(",".join(map(str, row)) for row in corners.tolist())
    sliced = regions.enumerate(regions.slice_through(circuit, corners), (-0.5, 1.5))
    report = asked(tropix, "regions", path, "--slice", text, "--passes", "none", "--plot", tmp_path / "slice.html")
    assert (report["activation_cells"], report["inputs"]) == (sliced.n_cells, 2)
    assert (tmp_path / "slice.html").read_text().count("<circle") == 3
    file = tmp_path / "corners.csv"
    np.savetxt(file, corners[:2], delimiter=",")
    line = asked(tropix, "regions", path, "--slice", file, "--box", "0,1", "--passes", "none")
    assert line["activation_cells"] == regions.enumerate(regions.slice_through(circuit, corners[:2]), (0, 1)).n_cells
    picture = tmp_path / "line.svg"
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        assert tropix("regions", path, "--slice", file, "--plot", picture)[0] == 0
    labels = re.findall(r">([^<>]+)</text>", picture.read_text())
    assert "u" in labels
    assert "v" not in labels  # upwards is the output
    pieces = asked(tropix, "boundary", path, "--classes", "0,1", "--slice", text, "--box", "-2,2")["pieces"]
    for piece in pieces:
        u = np.array(piece["point"])
        values = circuit(corners[0] + u @ (corners[1:] - corners[0]))
        assert values[0] == pytest.approx(values[1], abs=1e-9)


def test_boundaries(tropix: Any, model: Path, tmp_path: Path) -> None:
    report = asked(tropix, "boundary", model, "--classes", "0,2", "--box", "-2,2", "-o", tmp_path / "pieces.json")
    circuit = relu_net([2, 6, 5, 3])
    expected = regions.boundary(circuit, 0, 2, box=(-2, 2))
    assert len(report["pieces"]) == len(expected)
    assert json.loads((tmp_path / "pieces.json").read_text()) == report
    every = asked(tropix, "boundary", model, "--classes", "0,2", "--box", "-2,2", "--pair-only")["pieces"]
    assert len(every) == len(regions.boundary(circuit, 0, 2, box=(-2, 2), pair_only=True)) >= len(expected)
    score = asked(tropix, "boundary", model, "--classes", "1", "--box", "-2,2")["pieces"]
    assert len(score) == len(regions.boundary(circuit, 1, box=(-2, 2)))
    assert all(map(len, (report["pieces"], every, score)))
    for piece in score:
        assert circuit(piece["point"])[1] == pytest.approx(0, abs=1e-9)
    out = tropix("boundary", model, "--classes", "1", "--box", "-2,2")[1]
    assert f"pieces  {len(score)}" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("regions", "--plot", "x.gif"), "use .png, .pdf, .svg, .html"),
        (("regions", "-o", "x.txt"), "use .json, .csv, .npz"),
        (("regions", "--at", "0,0", "--count-only"), "--at describes one region"),
        (("regions", "--at", "0,0,0"), "rows of 2 numbers"),
        (("regions", "--at", "9,9", "--box", "-1,1"), "outside the domain"),
        (("regions", "--output", "3"), "outputs 0 to 2"),
        (("regions", "--slice", "0,0;1,1;2,2"), "do not span 2"),
        (("regions", "--slice", "0,0"), "three for a plane"),
        (("regions", "--colour", "hue", "--plot", "x.png"), "use one of map"),
        (("regions", "--box", "1,1"), "a region needs an interior"),
        (("boundary", "--classes", "0,0"), "two different outputs"),
        (("boundary", "--classes", "0,7"), "outputs 0 to 2"),
        (("boundary", "--classes", "a,b"), "expected two outputs"),
        (("boundary", "--classes", "0,1", "-o", "x.csv"), "use .json"),
    ],
)
def test_refusals(tropix: Any, model: Path, arguments: tuple[str, ...], message: str) -> None:
    command, *rest = arguments
    code, _, err = tropix(command, model, *rest)
    assert code == 2
    assert message in err


def test_what_cannot_be_drawn_or_cut(tropix: Any, tmp_path: Path) -> None:
    path = saved(tmp_path, relu_net([3, 4, 2]))
    for command in (("regions",), ("boundary", "--classes", "0,1")):
        code, _, err = tropix(command[0], path, *command[1:], "--plot", tmp_path / "x.png")
        assert code == 2
        assert "--slice" in err
    data = tmp_path / "d.csv"
    data.write_text("0,0,0\n1,1,1\n")
    code, _, err = tropix("regions", path, "--data", data, "--box", "0,1")
    assert (code, "--data says what the domain is" in err) == (2, True)
    assert not (tmp_path / "x.png").exists()


def test_interrupted_searches_say_so(tropix: Any, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = regions.enumerate(relu_net([2, 6, 5, 3]), (-1, 1))
    stopped = dataclasses.replace(found, stopped="interrupted")
    monkeypatch.setattr(regions, "enumerate", lambda *_, **__: stopped)
    code, out, _ = tropix("regions", model, "--box", "-1,1", "-o", tmp_path / "part.csv")
    assert code == 130
    assert "partial: interrupted" in out
    assert (tmp_path / "part.csv").exists()
    assert tropix("boundary", model, "--box", "-1,1", "--classes", "0,1")[0] == 130


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--margin", "1"), "--data"),
        (("--colour", "red"), "colour"),
        (("--fast", "--resume", "x.npz"), "--fast"),
        (("--resume", "x.npz"), "no such file"),
    ],
)
def test_options_without_effect_are_refused(tropix: Any, model: Path, options: tuple[str, ...], message: str) -> None:
    code, _, err = tropix("regions", model, "--box", "-1,1", *options)
    assert code == 2
    assert message in err


def test_domains_at_the_end_of_floats(tropix: Any, model: Path) -> None:
    whole = asked(tropix, "regions", model, "--passes", "none")["activation_cells"]
    for end in ("1e300", "1e308"):
        code, out, err = tropix("regions", model, "--passes", "none", "--box", f"-{end},{end}", "--json")
        assert "Traceback" not in err
        if code == 0:
            assert json.loads(out)["activation_cells"] == whole
        else:
            assert "range of float64" in err

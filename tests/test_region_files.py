"""Regions as JSON, CSV and NPZ; searches that go on from a file."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_regions import one_layer, random_circuit, relu_net

from tropix import FormatError, InvalidInput, Polyhedron, TropicalPolynomial, regions


def same(a: regions.Regions, b: regions.Regions) -> None:
    assert {row.tobytes() for row in a.patterns} == {row.tobytes() for row in b.patterns}
    assert len(a.adjacency[0]) == len(b.adjacency[0])
    assert a.n_affine_regions == b.n_affine_regions


@pytest.mark.parametrize("box", [None, (-1, 1), Polyhedron.where([[1, 1]], [0.5], (-1, np.inf))])
def test_what_is_kept_comes_back(tmp_path: Path, box: Any) -> None:
    circuit = random_circuit("skip", 2, 4)
    found = regions.enumerate(circuit, box)
    path = tmp_path / "cells.npz"
    path.write_bytes(found.to_npz())
    again = regions.load(path, circuit)
    same(found, again)
    assert again.complete
    assert regions.certify_completeness(again, "facets")
    assert [cell.point.tolist() for cell in again] == [cell.point.tolist() for cell in found]


@pytest.mark.parametrize(
    "circuit", [relu_net([2, 16, 16, 1], 5), one_layer(np.random.default_rng(0).integers(-2, 3, (9, 3)))]
)
def test_a_search_goes_on_from_a_file(tmp_path: Path, circuit: Any) -> None:
    whole = regions.enumerate(circuit)
    part = regions.enumerate(circuit, max_cells=max(3, len(whole) // 4))
    path = tmp_path / "cells.npz"
    path.write_bytes(part.to_npz())
    read = regions.load(path, circuit)
    assert not read.complete
    same(regions.enumerate(circuit, resume=read), whole)


def test_polynomials(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    f = TropicalPolynomial(rng.integers(-2, 3, size=(30, 2)), rng.integers(-2, 3, size=30))
    found = regions.enumerate(f)
    path = tmp_path / "cells.npz"
    path.write_bytes(found.to_npz())
    same(regions.load(path, f), found)
    with pytest.raises(InvalidInput, match="another function"):
        regions.load(path, TropicalPolynomial(f.exponents, f.coefficients + 1.5 * np.arange(30)))


def test_functions_that_differ_by_rounding_are_not_mixed_up(tmp_path: Path) -> None:
    third, near = (
        TropicalPolynomial.parse(text, ["x"]) for text in ("max(x/3, 1 - x)", "max(0.3333333333333333*x, 1 - x)")
    )
    assert third.coefficients.tolist() == near.coefficients.tolist()
    assert third.exponents.tolist() == near.exponents.tolist()
    path = tmp_path / "cells.npz"
    path.write_bytes(regions.enumerate(third).to_npz())
    assert len(regions.load(path, third)) == 2
    with pytest.raises(InvalidInput, match="another function"):
        regions.load(path, near)


def test_json_and_csv() -> None:
    found = regions.enumerate(relu_net([2, 5, 1], 5), (-1, 1))
    data = json.loads(found.to_json())
    assert data["activation_cells"] == len(data["cells"]) == len(found)
    assert data["box"] == {"lower": [-1.0, -1.0], "upper": [1.0, 1.0]}
    for cell, entry in zip(found, data["cells"], strict=True):
        weights, bias = cell.affine_map
        assert entry["map"] == {"weights": weights.tolist(), "bias": bias.tolist()}
        assert {f["neighbour"] for f in entry["facets"]} - {-1} == set(cell.neighbours)
    assert "cells" not in json.loads(found.to_json(cells=False))
    rows = list(csv.DictReader(io.StringIO(found.to_csv())))
    assert [int(row["neighbours"]) for row in rows] == found.degrees.tolist()
    assert [[float(row["x0"]), float(row["x1"])] for row in rows] == found.points.tolist()
    assert [[int(v) for v in row["pattern"].split()] for row in rows] == found.patterns.tolist()


def test_bad_files(tmp_path: Path) -> None:
    circuit = relu_net([2, 5, 1], 5)
    path = tmp_path / "cells.npz"
    with pytest.raises(FormatError, match="no such file"):
        regions.load(path, circuit)
    path.write_bytes(b"PK nonsense")
    with pytest.raises(FormatError, match="not a file of regions"):
        regions.load(path, circuit)
    np.savez(path, version=np.array(1))
    with pytest.raises(FormatError, match="not a file of regions"):
        regions.load(path, circuit)
    found = regions.enumerate(circuit, max_cells=4)
    good = found.to_npz()
    path.write_bytes(good)
    with pytest.raises(InvalidInput, match="another function"):
        regions.load(path, relu_net([2, 5, 1], 6))
    arrays = dict(np.load(io.BytesIO(good)))
    for name, wrong in (
        ("neighbours", arrays["neighbours"] + 1000),
        ("points", arrays["points"][:, :1]),
        ("patterns", arrays["patterns"] + 7),
        ("facet_offsets", arrays["facet_offsets"][::-1]),
        ("frontier", arrays["frontier"][:-1]),
        ("facet_entries", arrays["facet_entries"] + 1000),
        ("facet_segments", arrays["facet_segments"] - 5),
        ("neighbours", arrays["neighbours"].astype(str)),
        ("points", arrays["points"].astype(str)),
        ("keys", arrays["keys"] + 7),
        ("counts", arrays["counts"][:-1]),
        ("behind", arrays["behind"] + 1000),
        ("entries", arrays["entries"] + 1000),
        ("segments", arrays["segments"].astype(np.float64)),
        ("void", np.array([1000])),
        ("version", np.array(2)),
    ):
        np.savez(path, **{**arrays, name: wrong})
        with pytest.raises(FormatError):
            regions.load(path, circuit)
    for seed in range(200):  # damage anywhere in the archive
        rng = np.random.default_rng(seed)
        damaged = bytearray(good)
        damaged[rng.integers(len(good))] = rng.integers(256)
        path.write_bytes(damaged)
        with contextlib.suppress(FormatError, InvalidInput):
            regions.load(path, circuit)
    np.savez(path, **{**arrays, "patterns": np.array([{}], dtype=object)})
    with pytest.raises(FormatError):
        regions.load(path, circuit)

"""tropix certify, verify, attack and verify-query: options, files, exit statuses, bad inputs, interrupted runs."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import asked, saved

import tropixc
from tropix import Circuit, InvalidInput
from tropix import certify as engine
from tropix.certify import Certificate, Norm, attack, certify_all, check, summarise
from tropix.circuits import CircuitBuilder
from tropix.circuits import LogSumExp as LogSumExpNode
from tropix.errors import FormatError
from tropixc.cli._labelled import read_labelled
from tropixc.replay import Replay, replay

POINTS = np.array([[0.5, 0.25], [-1.0, 0.5], [2.0, -1.0], [0.0, 0.125], [-0.25, -2.0]])
TRUTH = [0, 1, 0, 0, 1]


def heads() -> Circuit:
    """Three classes of two pieces each, ε = 1/4."""
    rng = np.random.default_rng(1)
    builder = CircuitBuilder(2)
    pieces = builder.affine([(0, np.round(rng.normal(size=(6, 2)), 2))], np.round(rng.normal(size=6), 2), "pieces")
    return builder.build(builder.add(LogSumExpNode(pieces, 0.25, np.array([0, 2, 4, 6])), "classes"))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return saved(tmp_path, heads())


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.npz"
    np.savez(path, x=POINTS, y=np.array(TRUTH))
    return path


def refused(tropix: Any, *arguments: object, code: int = 2) -> str:
    status, out, err = tropix(*arguments)
    assert status == code, (out, err)
    return str(err)


# -- certify ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", ["1", "2", "inf"])
def test_the_table_is_what_the_engine_finds(tropix: Any, model: Path, data: Path, norm: str) -> None:
    report = asked(tropix, "certify", model, "--data", data, "--norm", norm, "--radius", 0.1, "--radius", 0.4)
    found = certify_all(heads(), POINTS, norm=norm)
    assert report["semantics"] == "real"
    assert (report["partial"], report["norm"], report["radii"]) == (False, {"p": norm, "scale": None}, [0.1, 0.4])
    for i, (row, certificate) in enumerate(zip(report["points"], found, strict=True)):
        assert (row["point"], row["true_label"]) == (i, TRUTH[i])
        for name in ("label", "margin", "radius", "upper", "gap", "method"):
            assert row[name] == getattr(certificate, name)
        for r, status in row["statuses"].items():
            robust = certificate.radius >= float(r)
            assert status == ("robust" if robust else "falsified" if certificate.upper <= float(r) else "unknown")
    expected = summarise(found, None, TRUTH, [0.1, 0.4]).to_dict()
    for name in ("clean_accuracy", "accuracies", "average_radius", "median_gap", "methods", "points"):
        assert report["summary"][name] == expected[name]
    code, out, _ = tropix("certify", model, "--data", data, "--norm", norm, "--radius", 0.1, "--radius", 0.4)
    assert code == 0
    for text in ("at 0.1", "at 0.4", "certified accuracy at 0.4", "real arithmetic", f"l{norm}"):
        assert text in out


def test_one_radius_is_asked_about(tropix: Any, model: Path, data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "proofs"
    report = asked(tropix, "certify", model, "--data", data, "--radius", 0.2, "--certificates", folder)
    for row, certificate in zip(report["points"], certify_all(heads(), POINTS, radius=0.2), strict=True):
        assert row["status"] == certificate.status == row["statuses"]["0.2"]
        read = Certificate.from_json((folder / f"point-{row['point']:04d}.json").read_text())
        assert read.asked == 0.2
        assert check(read, heads())
    assert sorted(path.name for path in folder.iterdir()) == [f"point-{i:04d}.json" for i in range(5)]


def test_lines_for_other_programs(tropix: Any, model: Path, data: Path, tmp_path: Path) -> None:
    code, out, _ = tropix("certify", model, "--data", data, "--radius", 0.3, "--csv")
    assert code == 0
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["at 0.3"] for row in rows] == [c.status for c in certify_all(heads(), POINTS, radius=0.3)]
    for name in ("report.json", "report.csv"):
        code, out, _ = tropix("certify", model, "--data", data, "-o", tmp_path / name, "--plot", tmp_path / "c.svg")
        assert code == 0
        assert f"written to {tmp_path / name}" in out
    assert json.loads((tmp_path / "report.json").read_text())["summary"]["points"] == 5
    assert len(list(csv.DictReader(io.StringIO((tmp_path / "report.csv").read_text())))) == 5
    first = (tmp_path / "c.svg").read_bytes()
    assert b"<svg" in first
    tropix("certify", model, "--data", data, "--plot", tmp_path / "c.svg")
    assert (tmp_path / "c.svg").read_bytes() == first
    tropix("certify", model, "--data", data, "--plot", tmp_path / "c.png")
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


def test_methods_without_counterexamples_are_attacked(tropix: Any, model: Path, data: Path) -> None:
    report = asked(tropix, "certify", model, "--data", data, "--method", "lipschitz")
    exact = certify_all(heads(), POINTS)
    for row, certificate in zip(report["points"], exact, strict=True):
        assert row["method"] == "lipschitz"
        assert row["radius"] <= certificate.upper
        if row["upper"] is not None:
            assert row["upper"] >= certificate.radius
    assert sum(row["upper"] is not None for row in report["points"]) >= 4
    assert report["summary"]["median_gap"] > 0


def test_scales_boxes_and_chosen_points(tropix: Any, model: Path, data: Path, tmp_path: Path) -> None:
    units = tmp_path / "units.csv"
    units.write_text("0.5,2\n")
    for scale in ("0.5;2", units):
        report = asked(tropix, "certify", model, "--data", data, "--scale", scale, "--box", "-3,3", "--index", "3,1")
        norm = Norm(2.0, (0.5, 2.0))
        found = certify_all(heads(), POINTS[[3, 1]], norm=norm, box=(-3, 3))
        assert [row["point"] for row in report["points"]] == [3, 1]
        assert [row["radius"] for row in report["points"]] == [c.radius for c in found]
        assert report["norm"]["scale"] == [0.5, 2.0]
        assert report["box"] == [["-3.0", "-3.0"], ["3.0", "3.0"]]
    for option, value, numbers in (("--limit", 2, [0, 1]), ("--index", "2:4", [2, 3]), ("--index", ":2", [0, 1])):
        report = asked(tropix, "certify", model, "--data", data, option, value)
        assert [row["point"] for row in report["points"]] == numbers
    assert asked(tropix, "certify", model, "--data", data, "--limit", 99)["asked_points"] == 5


def test_workers_and_seeds_change_nothing(tropix: Any, model: Path, data: Path) -> None:
    def bare(report: dict[str, Any]) -> Any:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in report["points"]]

    alone = asked(tropix, "certify", model, "--data", data)
    assert bare(alone) == bare(asked(tropix, "certify", model, "--data", data, "--workers", 2))


def test_interrupted_runs_say_so(
    tropix: Any, model: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = engine.certify_each

    def stopping(*arguments: Any, **options: Any) -> Any:
        for i, certificate in enumerate(real(*arguments, **options)):
            if i == 2:
                raise KeyboardInterrupt
            yield certificate

    folder = tmp_path / "proofs"
    folder.mkdir()
    old = folder / "point-0003.json"
    old.write_text("an older run")
    monkeypatch.setattr(engine, "certify_each", stopping)
    code, out, _ = tropix("certify", model, "--data", data, "--certificates", folder, "-o", tmp_path / "r.json")
    assert code == 130
    assert "partial: interrupted after 2 of 5" in out
    assert json.loads((tmp_path / "r.json").read_text())["partial"] is True
    assert sorted(path.name for path in folder.iterdir()) == [f"point-{i:04d}.json" for i in (0, 1, 3)]
    assert old.read_text() == "an older run"


def test_an_interrupted_attack_keeps_the_certificates(
    tropix: Any, model: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopping(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(engine, "attack", stopping)
    code, out, _ = tropix("certify", model, "--data", data, "--method", "tangent", "--json")
    assert code == 130
    report = json.loads(out)
    assert (len(report["points"]), report["partial"]) == (5, True)


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal to a group of processes")
def test_ctrl_c_ends_all_processes(models: Path, tmp_path: Path) -> None:
    folder = tmp_path / "proofs"
    command = ["certify", models / "digits_lse.onnx", "--data", "digits", "--gap", "1e-4"]
    command += ["--workers", "2", "--certificates", folder, "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "tropixc.cli", *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    while process.poll() is None and len(list(folder.glob("point-*.json"))) < 3:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, b"")
    report = json.loads(out)
    assert report["partial"] is True
    assert 2 <= len(report["points"]) < report["asked_points"] == 450
    names = sorted(path.name for path in folder.iterdir())
    assert names == [f"point-{i:04d}.json" for i in range(len(names))]
    assert len(report["points"]) <= len(names) <= len(report["points"]) + 1
    assert not alive(process.pid)


def alive(group: int) -> bool:
    """Whether a process of a group is still there after some seconds."""
    for _ in range(200):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.05)
    return True


def test_a_write_that_is_interrupted_leaves_the_old_file(
    tropix: Any, model: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tropixc.lowerings import _files

    folder = tmp_path / "proofs"
    assert tropix("certify", model, "--data", data, "--certificates", folder)[0] == 0
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(_files.os, "fsync", interrupt)
    code, _, err = tropix("certify", model, "--data", data, "--certificates", folder, "--radius", 0.1)
    assert (code, err) == (130, "")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--norm", "3"], "--norm '3': expected 1, 2 or inf"),
        (["--radius", "0"], "--radius 0: expected a finite number > 0"),
        (["--radius", "-1"], "--radius -1: expected a finite number > 0"),
        (["--radius", "nan"], "--radius nan: expected a finite number > 0"),
        (["--scale", "1"], "1 units: the model has 2 inputs"),
        (["--scale", "1;x"], "expected numbers > 0 joined by ';'"),
        (["--scale", "1;0"], "finite and > 0"),
        (["--box", "0,1"], "point 1 lies outside the box"),
        (["--box", "1,-1"], "box is empty"),
        (["--box", "none"], "expected 'lower,upper'"),
        (["--method", "magic"], "expected one of auto"),
        (["--gap", "2"], "expected a number between 0 and 1"),
        (["--index", "9"], "the data has points 0 to 4"),
        (["--index", "a"], "expected numbers such as"),
        (["--index", "1,1"], "named twice"),
        (["--index", "1", "--limit", "1"], "give one of them"),
        (["-o", "x.txt"], "unknown suffix: use .json, .csv"),
        (["-o", "/nowhere/x.json"], "there is no folder"),
        (["--plot", "x.gif"], "unknown suffix: use .png, .pdf, .svg"),
        (["--certificates", "/nowhere/a/b"], "No such file"),
        (["--json", "--csv"], "give one of them"),
        (["--timeout", "3"], "say --time-limit"),
        (["--property", "p.vnnlib"], "one of both"),
        (["--labels", "missing.txt"], "No such file"),
        (["--labels", "-1"], "not a column"),
    ],
)
def test_bad_options(tropix: Any, model: Path, data: Path, options: list[str], says: str) -> None:
    assert says in refused(tropix, "certify", model, "--data", data, *options)


def test_neither_data_nor_property(tropix: Any, model: Path) -> None:
    assert "one of both" in refused(tropix, "certify", model)


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"x": np.zeros((3, 5))}, "expected rows of 2 numbers"),
        ({"x": np.zeros(2)}, "expected (n, 2)"),
        ({"x": np.full((2, 2), np.nan)}, "NaN"),
        ({"x": np.zeros((0, 2))}, "expected rows of 2 numbers"),
        ({"z": np.zeros((2, 2))}, "holds z: expected an array x"),
        ({"x": np.zeros((2, 2)), "y": np.zeros(3, dtype=int)}, "3 labels for 2 points"),
        ({"x": np.zeros((2, 2)), "y": np.array([0.5, 1])}, "labels must be whole numbers"),
        ({"x": np.zeros((2, 2)), "y": np.array([0, -1])}, "label -1"),
        ({"x": np.zeros((2, 2)), "y": np.array(["a", "b"])}, "whole numbers"),
        ({"x": np.array([[{}, {}]], dtype=object)}, "plain arrays"),
    ],
)
def test_bad_archives(tropix: Any, model: Path, tmp_path: Path, arrays: dict[str, Any], says: str) -> None:
    np.savez(tmp_path / "bad.npz", **arrays)
    assert says in refused(tropix, "certify", model, "--data", tmp_path / "bad.npz")


def test_data_in_other_files(tropix: Any, model: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    np.savetxt(table, np.column_stack([POINTS, TRUTH]), delimiter=",")
    first = tmp_path / "first.csv"
    np.savetxt(first, np.column_stack([TRUTH, POINTS]), delimiter=",")
    plain = tmp_path / "plain.npy"
    np.save(plain, POINTS)
    np.save(tmp_path / "labels.npy", np.array(TRUTH))
    (tmp_path / "labels.txt").write_text(" ".join(map(str, TRUTH)))
    shaped = tmp_path / "shaped.npz"
    np.savez(shaped, X=POINTS.reshape(5, 1, 2), labels=np.array(TRUTH, dtype=np.float32))
    cases = [
        (table, "-1"), (table, "2"), (first, "0"), (plain, tmp_path / "labels.npy"), (plain, tmp_path / "labels.txt"),
        (shaped, None),
    ]  # fmt: skip
    for path, labels in cases:
        found = read_labelled(str(path), None if labels is None else str(labels), 2)
        assert found.points.tolist() == POINTS.tolist()
        assert found.labels is not None
        assert found.labels.tolist() == TRUTH
    assert read_labelled(str(plain), None, 2).labels is None
    assert "say --labels -1" in refused(tropix, "certify", model, "--data", table)
    assert "the data has 3 columns" in refused(tropix, "certify", model, "--data", table, "--labels", "7")
    assert "whole numbers" in refused(tropix, "certify", model, "--data", table, "--labels", "0")
    assert "no such file" in refused(tropix, "certify", model, "--data", tmp_path / "none.csv")
    assert "no such file" in refused(tropix, "certify", model, "--data", tmp_path / "none.npz")
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 nonsense")
    assert "not a .npz file" in refused(tropix, "certify", model, "--data", tmp_path / "broken.npz")
    (tmp_path / "words.txt").write_text("one two")
    assert "expected whole numbers" in refused(
        tropix, "certify", model, "--data", plain, "--labels", tmp_path / "words.txt"
    )


def test_the_digits_are_those_of_the_examples(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(root / "examples"))
    import datasets  # type: ignore[import-not-found,unused-ignore]

    _, points, _, labels = datasets.digits()
    found = read_labelled("digits", None, 64)
    assert found.points.tolist() == points.tolist()
    assert found.labels is not None
    assert found.labels.tolist() == labels.tolist()
    with pytest.raises(InvalidInput, match="2 inputs: expected 64 pixels"):
        read_labelled("digits", None, 2)
    with pytest.raises(InvalidInput, match="bring their own labels"):
        read_labelled("digits", "-1", 64)


def test_digits_without_scikit_learn(tropix: Any, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    assert "needs scikit-learn" in refused(tropix, "certify", models / "digits_lse.onnx", "--data", "digits")


# -- verify -----------------------------------------------------------------------------------------------------------


def test_certificates_are_proved_anew(tropix: Any, model: Path, data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "proofs"
    tropix("certify", model, "--data", data, "--certificates", folder)
    code, out, _ = tropix("verify", folder, "--model", model)
    assert code == 0
    assert out.count(": proved") == 5
    assert "5 of 5 certificates proved" in out
    one = folder / "point-0000.json"
    text = one.read_text()
    radius = json.loads(text)["radius"]
    one.write_text(text.replace(repr(radius), repr(radius * 1.01)))
    code, out, _ = tropix("verify", one, folder / "point-0001.json", "--model", model)
    assert code == 1
    assert re.search(r"point-0000.json: not proved: .*digest", out)
    assert "1 of 2 certificates proved" in out
    code, out, _ = tropix("verify", folder, "--model", model, "--json")
    report = json.loads(out)
    assert (code, report["proved"]) == (1, 4)
    assert [row["proved"] for row in report["certificates"]] == [False, True, True, True, True]


def test_a_certificate_of_another_model(tropix: Any, model: Path, data: Path, tmp_path: Path, models: Path) -> None:
    folder = tmp_path / "proofs"
    tropix("certify", model, "--data", data, "--certificates", folder, "--limit", 1)
    code, out, _ = tropix("verify", folder, "--model", models / "digits_lse.onnx")
    assert code == 1
    assert "another model" in out


def test_unreadable_certificates(tropix: Any, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = tmp_path / "bad"
    bad.mkdir()
    assert "holds no .json file" in refused(tropix, "verify", bad, "--model", model)
    contents = {"no.json": b"{", "list.json": b"[1]", "other.json": b'{"format": "x"}', "binary.json": b"\xff\xfe\x00"}
    for name, content in contents.items():
        (bad / name).write_bytes(content)
    code, out, _ = tropix("verify", bad, tmp_path / "none.json", "--model", model)
    assert code == 2
    assert out.count("not proved") == 5
    assert "cannot be read" in out
    assert "is not text" in out
    assert "0 of 5" in out
    monkeypatch.setattr("tropixc.cli._verify.MAX_CERTIFICATE_BYTES", 1)
    code, out, _ = tropix("verify", bad / "list.json", "--model", model)
    assert (code, "at most 1 are read" in out) == (2, True)


# -- attack -----------------------------------------------------------------------------------------------------------


def test_attacks_and_their_files(tropix: Any, model: Path, data: Path, tmp_path: Path) -> None:
    options = ("--data", data, "--radius", 0.5, "--norm", "inf")
    report = asked(tropix, "attack", model, *options)
    found = attack(heads(), POINTS, TRUTH, radius=0.5, norm="inf")
    assert [row["success"] for row in report["points"]] == [r.success for r in found]
    assert [row["distance"] for row in report["points"]] == [r.to_dict()["distance"] for r in found]
    assert report["summary"]["successes"] == sum(r.success for r in found) > 0
    assert report["summary"]["accuracy"] == pytest.approx(1 - report["summary"]["successes"] / 5)
    assert report["summary"]["onnxruntime"] == {"no ONNX model": sum(r.point is not None for r in found)}
    code, out, _ = tropix("attack", model, *options, "--csv", "-o", tmp_path / "found.npz")
    assert code == 0
    assert [row["success"] == "True" for row in csv.DictReader(io.StringIO(out))] == [r.success for r in found]
    with np.load(tmp_path / "found.npz") as archive:
        assert archive["x"].tolist() == [list(r.point) for r in found if r.point is not None]
        assert archive["y"].tolist() == [r.label for r in found if r.point is not None]
    for name in ("found.json", "found.csv"):
        code, out, _ = tropix("attack", model, *options, "-o", tmp_path / name, "--nearest")
        assert code == 0
        assert "accuracy within 0.5 (linf)" in out
    assert len(json.loads((tmp_path / "found.json").read_text())["points"]) == 5


def test_counterexamples_are_run_by_onnxruntime(tropix: Any, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = models / "digits_lse.onnx"
    options = ("--data", "digits", "--limit", 40, "--radius", 0.3)
    report = asked(tropix, "attack", path, *options)
    words = [row["onnxruntime"] for row in report["points"] if row["counterexample"] is not None]
    assert len(words) >= 10
    assert set(words) == {"confirmed"}
    assert all(row["farther"] is None or row["farther"] <= 1e-3 for row in report["points"])
    assert report["summary"]["onnxruntime"] == {"confirmed": len(words)}
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    report = asked(tropix, "attack", path, *options)
    assert report["summary"]["onnxruntime"] == {"not installed": len(words)}


def test_replay(tmp_path: Path) -> None:
    """f = x0 − x1 against g = 0, in float32: what lies within its rounding of the boundary is not confirmed."""
    path = tmp_path / "two.onnx"
    builder = CircuitBuilder(2)
    circuit = builder.build(builder.affine([(0, [[1.0, -1.0], [0.0, 0.0]])], [0.0, 0.0], "two"))
    path.write_bytes(tropixc.to_onnx(circuit, dtype="float32").SerializeToString())
    points = [[1.0, 0.5], [1.0, 1.0 + 1e-12], [1.0, 1.5]]
    assert replay(path, points, [0, 0, 0]) == [
        Replay("not confirmed"), Replay("not confirmed"), Replay("confirmed"),
    ]  # fmt: skip
    origins = [[1.0, 0.5], [1.0, 0.0], [1.0, 0.0]]
    moved = replay(path, points, [0, 0, 0], origins=origins)
    assert [r.status for r in moved] == ["not confirmed", "confirmed", "confirmed"]
    assert 0 < moved[1].farther <= 1e-6
    assert "farther" in moved[1].text()
    assert replay(path, points, [0, 0, 0], origins=origins, room=[1, 1e-9, 1])[1] == Replay("not confirmed")
    assert replay(path, points, [1, 1, 1])[0] == Replay("confirmed")
    assert replay(path, np.zeros((0, 2)), []) == []
    with pytest.raises(InvalidInput, match="expected"):
        replay(path, [[1.0]], [0])
    with pytest.raises(InvalidInput, match="origins"):
        replay(path, points, [0, 0, 0], origins=[[0.0, 0.0]])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--radius", "0"], "radius 0.0: expected a number > 0"),
        (["--radius", "nan"], "expected a number > 0"),
        (["--radius", "1", "--norm", "l2"], "expected 1, 2 or inf"),
        (["--radius", "1", "--box", "5,6"], "lies outside the box"),
        (["--radius", "1", "-o", "x.txt"], "unknown suffix: use .json, .csv, .npz"),
        (["--radius", "1", "--json", "--csv"], "give one of them"),
    ],
)
def test_bad_attacks(tropix: Any, model: Path, data: Path, options: list[str], says: str) -> None:
    assert says in refused(tropix, "attack", model, "--data", data, *options)


def test_labels_that_the_model_does_not_have(tropix: Any, model: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=POINTS, y=np.array([0, 1, 2, 3, 0]))
    for command in (["attack", "--radius", 1], ["certify"]):
        err = refused(tropix, command[0], model, "--data", tmp_path / "d.npz", *command[1:])
        assert "label 3 of point 3: the model has classes 0 to 2" in err


# -- properties -------------------------------------------------------------------------------------------------------

DECLARED = "(declare-const X_0 Real)\n(declare-const X_1 Real)\n" + "".join(
    f"(declare-const Y_{k} Real)\n" for k in range(3)
)
BOX = "".join(f"(assert (>= X_{i} -1))\n(assert (<= X_{i} 1))\n" for i in range(2))


def written(folder: Path, text: str, name: str = "p.vnnlib") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_verdicts_come_first_and_name_the_status(tropix: Any, model: Path, tmp_path: Path) -> None:
    holds = written(tmp_path, DECLARED + BOX + "(assert (>= Y_0 100))", "holds.vnnlib")
    fails = written(tmp_path, DECLARED + BOX + "(assert (<= Y_0 100))", "fails.vnnlib")
    assert tropix("certify", model, "--property", holds)[:2] == (0, "unsat\n")
    code, out, _ = tropix("certify", model, "--property", fails)
    assert code == 1
    status, *witness = out.splitlines()
    assert status == "sat"
    assert witness[0].startswith("((X_0 ")
    assert witness[-1].endswith("))")
    values = {name: float(v) for name, v in re.findall(r"\((\w+) ([^()]+)\)", out)}
    x = np.array([[values["X_0"], values["X_1"]]])
    assert np.abs(x).max() <= 1
    assert heads()(x)[0] == pytest.approx([values[f"Y_{k}"] for k in range(3)])
    code, out, _ = tropix("certify", model, "--property", fails, "--json", "-o", tmp_path / "w.txt")
    report = json.loads(out)
    assert (code, report["status"], report["semantics"]) == (1, "sat", "real")
    assert (tmp_path / "w.txt").read_text().startswith("sat\n((X_0")
    code, _, _ = tropix("certify", model, "--property", holds, "-o", tmp_path / "w.json")
    assert (code, json.loads((tmp_path / "w.json").read_text())["witness"]) == (0, None)


def test_time_is_over(tropix: Any, model: Path, tmp_path: Path) -> None:
    values = heads()(np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]]))[:, 0]  # convex
    near = written(tmp_path, DECLARED + BOX + f"(assert (>= Y_0 {float(values.max()) + 1e-3!r}))")
    code, out, _ = tropix("certify", model, "--property", near, "--timeout", 0)
    assert (code, out) == (3, "timeout\n")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("(declare-const X_0 Real", "never closed"),
        ("nonsense", "line 1"),
        ("(declare-const X_0 Real)(declare-const Y_0 Real)(assert (>= X_0 0))(assert (<= X_0 1))", "inputs"),
        (DECLARED + BOX + "(assert (>= X_0 2))", "contradict"),
        (DECLARED + "(assert (>= Y_0 0))", "no lower bound"),
        (DECLARED + BOX + "(assert (>= (* X_0 X_1) 0))", "linear"),
    ],
)
def test_bad_properties(tropix: Any, model: Path, tmp_path: Path, text: str, says: str) -> None:
    assert says in refused(tropix, "certify", model, "--property", written(tmp_path, text))


def test_bad_files_and_options_of_properties(tropix: Any, model: Path, tmp_path: Path) -> None:
    assert "cannot be read" in refused(tropix, "certify", model, "--property", tmp_path / "none.vnnlib")
    path = written(tmp_path, DECLARED + BOX + "(assert (>= Y_0 0))")
    assert "--radius" in refused(tropix, "certify", model, "--property", path, "--radius", 1)
    others = ("--method", "exact", "--norm", "inf", "--gap", 0.1, "--workers", 2)
    assert "--method, --norm, --gap, --workers: a --property" in refused(
        tropix, "certify", model, "--property", path, *others
    )
    assert "unknown suffix" in refused(tropix, "certify", model, "--property", path, "-o", "w.csv")


# -- queries of VNN-LIB 2.0 -------------------------------------------------------------------------------------------

QUERY = """(vnnlib-version <2.0>)
(declare-network f (declare-input X real [1,2]) (declare-output Y real [3]))
(assert (and (>= X[0,0] -1.0) (<= X[0,0] 1.0) (>= X[0,1] -1.0) (<= X[0,1] 1.0)))
(assert (>= Y[0] BOUND))
"""
SECOND = pytest.mark.skipif(importlib.util.find_spec("vnnlib") is None, reason="needs the package vnnlib")


@SECOND
def test_queries(tropix: Any, model: Path, tmp_path: Path) -> None:
    fails = written(tmp_path, QUERY.replace("BOUND", "-100.0"), "fails.vnnlib")
    code, out, _ = tropix("verify-query", fails, "--network", f"f={model}")
    lines = out.splitlines()
    assert code == 1
    assert (lines[0], lines[1], lines[4]) == ("sat", "X real [1,2]", "Y real [3]")
    assert len(lines) == 8
    x = np.array([[float(lines[2]), float(lines[3])]])
    assert heads()(x)[0] == pytest.approx([float(v) for v in lines[5:]])
    holds = written(tmp_path, QUERY.replace("BOUND", "100.0"), "holds.vnnlib")
    assert tropix("verify-query", holds, "--network", f"f={model}")[:2] == (0, "unsat\n")
    values = heads()(np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]]))[:, 0]  # convex
    near = written(tmp_path, QUERY.replace("BOUND", f"{float(values.max()) + 1e-3:.12f}"), "near.vnnlib")
    code, out, _ = tropix("verify-query", near, "--network", f"f={model}", "--timeout", 0)
    assert (code, out) == (3, "timed-out\n")


@SECOND
def test_queries_that_are_refused(tropix: Any, model: Path, tmp_path: Path) -> None:
    good = written(tmp_path, QUERY.replace("BOUND", "1.0"))
    network = f"f={model}"
    assert "models are given for: none" in refused(tropix, "verify-query", good)
    assert "declares the network f" in refused(tropix, "verify-query", good, "--network", f"g={model}")
    assert "expected NAME=MODEL" in refused(tropix, "verify-query", good, "--network", "f")
    assert "given twice" in refused(tropix, "verify-query", good, "--network", network, "--network", network)
    single = written(tmp_path, good.read_text().replace("real", "float32"), "single.vnnlib")
    assert "X has the type float32" in refused(tropix, "verify-query", single, "--network", network)
    first = written(tmp_path, DECLARED + BOX, "first.vnnlib")
    assert "no query of VNN-LIB 2.0" in refused(tropix, "verify-query", first, "--network", network)
    broken = written(tmp_path, "(vnnlib-version <2.0>) (assert", "broken.vnnlib")
    assert "not VNN-LIB 2.0" in refused(tropix, "verify-query", broken, "--network", network)


def test_queries_without_their_reader(
    tropix: Any, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vnnlib", None)
    good = written(tmp_path, QUERY.replace("BOUND", "1.0"))
    assert "package 'vnnlib'" in refused(tropix, "verify-query", good, "--network", f"f={model}")


def test_the_statuses_are_in_the_help(tropix: Any) -> None:
    out = " ".join(tropix("--help")[1].split())
    for command in ("certify", "verify", "attack", "verify-query"):
        assert command in out
    assert "real" in tropix("certify", "--help")[1]


def test_messages_say_what_to_do(model: Path, tmp_path: Path, tropix: Any) -> None:
    np.savez(tmp_path / "wrong.npz", x=POINTS, y=[0, 1, 3, 0, 1])
    message = refused(tropix, "certify", model, "--data", tmp_path / "wrong.npz", "--method", "tangent")
    assert "label 3 of point 2: the model has classes 0 to 2" in message
    (tmp_path / "header.csv").write_text("width,height\n0.5,0.25\n")
    message = refused(tropix, "certify", model, "--data", tmp_path / "header.csv")
    assert "leave out a line of column names" in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "the field 'format' is missing"),
        ("null", "not the JSON object that tropix certify writes"),
        ("", "not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ('{"format": "%s"}' % ("x" * 10_000), "xxx..."),
    ],
)
def test_files_that_are_no_certificates(text: str, message: str) -> None:
    with pytest.raises(FormatError, match=re.escape(message)) as found:
        Certificate.from_json(text)
    assert len(str(found.value)) < 200
    assert "Error:" not in str(found.value)

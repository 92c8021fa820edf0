"""``tropix export``: what is written was executed and compared first."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from circuits_of_all_kinds import wide_and_sparse
from onnx_models import model, run, save

import tropixc
from tropix.circuits import CircuitBuilder, Pointwise
from tropixc.cli import _execution


@pytest.mark.parametrize("heat", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("name", ["iris_icnn", "breast_cancer_relu"])
def test_onnx_files_run(tropix, models: Path, tmp_path: Path, name: str, heat: float) -> None:  # type: ignore[no-untyped-def]
    target = tmp_path / "m.onnx"
    code, out, err = tropix("export", models / f"{name}.onnx", "-o", target, "--heat", heat, "--dtype", "float64")
    assert (code, err) == (0, "")
    assert f"written to {target}" in out
    last = out.strip().splitlines()[-1]
    found = re.fullmatch(
        r"agrees with the circuit, run by onnxruntime on 1000 points: "
        r"largest difference (\S+) \(measured\) <= (\S+) \(bound on rounding there\)",
        last,
    )
    assert found
    assert float(found[1]) <= float(found[2]) < 1e-9
    circuit = tropixc.load(models / f"{name}.onnx").heat(heat)
    points = np.random.default_rng(0).normal(size=(50, circuit.input_size))
    assert np.allclose(run(target, points), circuit(points), rtol=1e-12, atol=1e-12)


def test_the_precision_is_that_of_the_model(tropix, models: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    report = json.loads(tropix("export", models / "iris_icnn.onnx", "-o", tmp_path / "m.onnx", "--json")[1])
    assert report["dtype"] == "float32"
    kind = onnx.load(tmp_path / "m.onnx").graph.input[0].type.tensor_type
    assert kind.elem_type == onnx.TensorProto.FLOAT
    assert report["check"]["status"] == "holds"
    assert 0 < report["check"]["gap"] <= report["check"]["tolerance"]
    assert tropix("compile", tmp_path / "m.onnx")[0] == 0


def test_python_files(tropix, models: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    target = tmp_path / "digits.py"
    report = json.loads(tropix("export", models / "digits_lse.onnx", "-o", target, "--json")[1])
    assert (report["file"], report["check"]["status"], report["check"]["runtime"]) == (str(target), "holds", "Python")
    circuit = tropixc.load(models / "digits_lse.onnx")
    assert target.read_text() == tropixc.to_numpy_source(circuit)


def test_text_files(tropix, models: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    target = tmp_path / "diabetes.txt"
    code, out, _ = tropix("export", models / "diabetes_lse.onnx", "-o", target, "--heat", 0)
    assert code == 0
    assert out.strip().splitlines()[-1] == "reads back as the same circuit"
    circuit = tropixc.circuit_from_text(target.read_text())
    points = np.random.default_rng(0).normal(size=(50, 10))
    assert (circuit(points) == tropixc.load(models / "diabetes_lse.onnx").limit()(points)).all()


@pytest.mark.parametrize("suffix", [".onnx", ".py"])
@pytest.mark.parametrize("wrong", [np.full(4, 1e-3), np.array([np.nan, 0, 0, 0])])
def test_a_disagreement_writes_nothing(  # type: ignore[no-untyped-def]
    tropix, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, wrong: np.ndarray
) -> None:
    circuit = tropixc.load(models / "iris_icnn.onnx")

    def broken(points: np.ndarray, step: int) -> np.ndarray:
        return circuit(points) * (1 + np.resize(wrong, len(points))[:, None])

    monkeypatch.setattr(_execution, "onnx_run", lambda content, dtype: broken)
    monkeypatch.setattr(_execution, "python_run", lambda source: broken)
    target = tmp_path / f"m{suffix}"
    target.write_text("old")
    options = ("--dtype", "float64") if suffix == ".onnx" else ()
    code, out, err = tropix("export", models / "iris_icnn.onnx", "-o", target, *options)
    assert code == 1
    assert "DISAGREES with the circuit" in out
    assert "written to" not in out
    assert "nothing is written" in err
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]
    code, out, _ = tropix("export", models / "iris_icnn.onnx", "-o", target, "--json", *options)
    report = json.loads(out, parse_constant=lambda name: pytest.fail(name))
    assert (code, report["file"], report["check"]["status"]) == (1, None, "violated")


def test_a_runtime_that_fails_writes_nothing(  # type: ignore[no-untyped-def]
    tropix, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tropixc.lowerings, "to_numpy_source", lambda circuit: "raise SystemExit('no luck')")
    code, out, err = tropix("export", models / "iris_icnn.onnx", "-o", tmp_path / "m.py")
    assert (code, out) == (2, "")
    assert "the exported Python file fails: no luck" in err
    assert not list(tmp_path.iterdir())


def test_values_without_a_bound_are_named() -> None:
    builder = CircuitBuilder(1)
    inverse = builder.build(builder.add(Pointwise(builder.affine([(0, [[1.0]])], [0.0]), "reciprocal", 1)))
    points = np.array([[0.0], [1.0], [3.0]])

    def exact(points: np.ndarray, step: int) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.asarray(1 / points)

    found = _execution.compare(inverse, exact, "Python", points, "float64")
    assert (found.compared, found.unbounded, found.holds) == (2, 1, True)
    assert "(1 values without a bound on rounding left out)" in found.line
    assert _execution.compare(inverse, exact, "Python", points[:1], "float64").line.startswith("agreement unknown")


def test_blocks_of_points_give_the_same_values(monkeypatch: pytest.MonkeyPatch) -> None:
    circuit = wide_and_sparse(0, 30)
    points = np.random.default_rng(0).normal(size=(23, 30))
    runs = (
        _execution.python_run(tropixc.to_numpy_source(circuit)),
        _execution.onnx_run(tropixc.to_onnx(circuit, dtype="float64").SerializeToString(), "float64"),
    )
    for each in runs:
        assert np.allclose(each(points, 5), circuit(points), rtol=1e-12, atol=1e-12)
    monkeypatch.setattr(_execution, "BLOCK_VALUES", 1)
    assert _execution.compare(circuit, runs[1], "onnxruntime", points, "float64").holds


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-o", "m.json"), "unknown suffix: use .onnx, .py, .txt"),
        (("-o", "m.py", "--dtype", "float32"), "--dtype float32 is for .onnx files"),
        (("-o", "m.onnx", "--heat", "-1"), "heat -1.0: expected"),
        (("-o", "m.onnx", "--heat", "nan"), "heat nan: expected"),
        (("-o", "absent/m.onnx"), "cannot write"),
        (("-o", "model.onnx"), "is the model itself"),
        (("-o", "m.onnx", "--graph-output", "z"), "no output 'z'"),
    ],
)
def test_bad_usage_writes_nothing(  # type: ignore[no-untyped-def]
    tropix, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(models / "iris_icnn.onnx", "model.onnx")
    code, out, err = tropix("export", "model.onnx", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_weights_beyond_float32_are_refused(tropix, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    steep = model([onnx.helper.make_node("MatMul", ["x", "w"], ["y"], name="steep")], {"w": np.full((4, 1), 1e39)})
    path = save(steep, tmp_path / "m.onnx")
    code, _, err = tropix("export", path, "-o", tmp_path / "n.onnx", "--dtype", "float32")
    assert code == 2
    assert "node 'steep': weights exceed float32" in err
    assert tropix("export", path, "-o", tmp_path / "n.onnx")[0] == 0

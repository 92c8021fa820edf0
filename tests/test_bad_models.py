"""Files that are not what they say: one clear error each, exit status 2, nothing written."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx_cases import CASES as BASIC
from onnx_layer_cases import CASES as LAYERS
from onnx_models import model, save
from typer.testing import CliRunner

from tropix import FormatError, TropixError, Unsupported
from tropixc.cli import main
from tropixc.frontends.onnx import import_onnx

relu = helper.make_node("Relu", ["x"], ["y"], name="relu")


def good() -> onnx.ModelProto:
    return model([helper.make_node("Gemm", ["x", "w"], ["y"], name="gemm")], {"w": np.ones((4, 2))})


def truncated(path: Path) -> None:
    path.write_bytes(good().SerializeToString()[:-20])


def not_onnx(path: Path) -> None:
    path.write_text("this is not a protobuf message, whatever its suffix says")


def empty_file(path: Path) -> None:
    path.write_bytes(b"")


def empty_graph(path: Path) -> None:
    save(helper.make_model(helper.make_graph([], "nothing", [], [])), path)


def unknown_operator(path: Path) -> None:
    save(model([helper.make_node("Sin", ["x"], ["y"], name="sine")]), path)


def foreign_domain(path: Path) -> None:
    proto = model([helper.make_node("Binarizer", ["x"], ["y"], name="binarizer", domain="ai.onnx.ml", threshold=0.5)])
    proto.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
    proto.graph.output[0].type.tensor_type.shape.dim.add().dim_param = "batch"
    save(proto, path)


def dynamic_features(path: Path) -> None:
    save(model([relu], shape=("batch", "features")), path)


def negative_shape(path: Path) -> None:
    save(model([relu], shape=("batch", -4)), path)


def zero_shape(path: Path) -> None:
    save(model([relu], shape=("batch", 0)), path)


def fixed_batch(path: Path) -> None:
    save(model([relu], shape=(8, 4)), path)


def huge_input(path: Path) -> None:
    save(model([relu], shape=("batch", 2**31, 2**31)), path)


def nan_weights(path: Path) -> None:
    weights = np.ones((4, 2))
    weights[1, 1] = np.nan
    save(model([helper.make_node("Gemm", ["x", "w"], ["y"], name="gemm")], {"w": weights}), path)


def old_opset(path: Path) -> None:
    save(model([relu], opset=6), path)


def new_opset(path: Path) -> None:
    save(model([relu], opset=onnx.defs.onnx_opset_version() + 1), path)


def announced_ten_gigabytes(path: Path) -> None:
    proto = good()
    proto.graph.initializer[0].dims[:] = [50_000, 25_000]
    save(proto, path)
    assert path.stat().st_size < 1000


def announced_more_than_held(path: Path) -> None:
    proto = good()
    proto.graph.initializer[0].dims[:] = [4, 3]
    save(proto, path)


def announced_in_a_constant(path: Path) -> None:
    tensor = helper.make_tensor("value", TensorProto.DOUBLE, [1], [1.0])
    tensor.dims[:] = [2**40]
    constant = helper.make_node("Constant", [], ["c"], name="bomb", value=tensor)
    save(model([constant, helper.make_node("Add", ["x", "c"], ["y"], name="add")]), path)


def folded_bomb(path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["column", "row"], ["c"], name="bomb"),
        helper.make_node("Add", ["x", "c"], ["y"], name="add"),
    ]
    save(model(nodes, {"column": np.ones((20_000, 1)), "row": np.ones((1, 20_000))}), path)


def empty_but_huge(path: Path) -> None:
    proto = good()
    proto.graph.initializer[0].dims[:] = [2**60, 0]
    proto.graph.initializer[0].raw_data = b""
    save(proto, path)


def negative_dimension(path: Path) -> None:
    proto = good()
    proto.graph.initializer[0].dims[:] = [-4, -2]
    save(proto, path)


def external(location: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        proto = good()
        tensor = proto.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", "0"), ("length", "64")):
            entry = tensor.external_data.add()
            entry.key, entry.value = key, value
        (path.parent.parent / "secret.bin").write_bytes(bytes(64))
        save(proto, path)

    return write


def external_short(path: Path) -> None:
    (path.parent / "short.bin").write_bytes(bytes(10))
    external("short.bin")(path)


def external_link(path: Path) -> None:
    (path.parent.parent / "secret.bin").write_bytes(bytes(64))
    (path.parent / "link.bin").symlink_to(path.parent.parent / "secret.bin")
    external("link.bin")(path)


def strings(path: Path) -> None:
    proto = good()
    proto.graph.initializer.append(helper.make_tensor("s", TensorProto.STRING, [1], [b"text"]))
    save(proto, path)


def cyclic(path: Path) -> None:
    nodes = [helper.make_node("Add", ["x", "b"], ["a"], name="a"), helper.make_node("Add", ["x", "a"], ["b"], name="b")]
    save(model(nodes, output="b"), path)


def missing_input(path: Path) -> None:
    save(model([helper.make_node("Gemm", ["x"], ["y"], name="gemm")]), path)


def two_inputs(path: Path) -> None:
    proto = model([helper.make_node("Add", ["x", "z"], ["y"], name="add")])
    proto.graph.input.append(helper.make_tensor_value_info("z", TensorProto.DOUBLE, ["batch", 4]))
    save(proto, path)


def integer_input(path: Path) -> None:
    proto = model([relu])
    proto.graph.input[0].type.tensor_type.elem_type = TensorProto.INT64
    save(proto, path)


def local_function(path: Path) -> None:
    proto = model([helper.make_node("f", ["x"], ["y"], domain="mine")])
    body = [helper.make_node("Relu", ["a"], ["b"])]
    proto.functions.append(helper.make_function("mine", "f", ["a"], ["b"], body, [helper.make_opsetid("", 20)]))
    proto.opset_import.append(helper.make_opsetid("mine", 1))
    save(proto, path)


BAD: dict[Callable[[Path], None], tuple[type[TropixError], str]] = {
    truncated: (FormatError, "truncated|not an ONNX file"),
    not_onnx: (FormatError, "not an ONNX file"),
    empty_file: (FormatError, "no ONNX graph"),
    empty_graph: (FormatError, "no ONNX graph"),
    unknown_operator: (Unsupported, r"no rule for Sin \(node 'sine'\).*tropix operators"),
    foreign_domain: (Unsupported, r"ai.onnx.ml.Binarizer \(node 'binarizer'\)"),
    dynamic_features: (Unsupported, "only the first .batch. axis may be dynamic"),
    negative_shape: (FormatError, "must be positive"),
    zero_shape: (FormatError, "must be positive"),
    fixed_batch: (Unsupported, "fixed batch of 8"),
    huge_input: (FormatError, "more than"),
    nan_weights: (FormatError, "'w' contains NaN"),
    old_opset: (Unsupported, "opset 6: supported are 7 to"),
    new_opset: (Unsupported, "supported are 7 to"),
    announced_ten_gigabytes: (FormatError, r"initializer 'w': shape \[50000, 25000\] announces 1250000000 elements"),
    announced_more_than_held: (FormatError, "does not hold|not hold them"),
    announced_in_a_constant: (FormatError, "Constant node 'bomb'.*announces"),
    folded_bomb: (FormatError, "MatMul node 'bomb' would compute a constant of 400000000 elements"),
    empty_but_huge: (FormatError, "announces 0 elements|announces"),
    negative_dimension: (FormatError, "negative dimension"),
    external("../secret.bin"): (FormatError, "outside the model's folder"),
    external("/etc/hostname"): (FormatError, "outside the model's folder"),
    external("absent.bin"): (FormatError, "not found"),
    external_short: (FormatError, "does not hold the 64 bytes"),
    external_link: (FormatError, "outside the model's folder"),
    strings: (FormatError, "initializer 's'.*real numbers"),
    cyclic: (FormatError, "not a valid ONNX model|nothing before it computes"),
    missing_input: (FormatError, "not a valid ONNX model|lacks"),
    two_inputs: (Unsupported, "exactly one"),
    integer_input: (TropixError, "float32 and float64|not a valid"),
    local_function: (FormatError, "functions"),
}


@pytest.mark.parametrize(("write", "error"), BAD.items(), ids=[getattr(f, "__name__", "?") for f in BAD])
def test_bad_files(
    write: Callable[[Path], None],
    error: tuple[type[TropixError], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    path = folder / "model.onnx"
    write(path)
    before = sorted(folder.iterdir())
    kind, message = error
    with pytest.raises(kind, match=message) as caught:
        import_onnx(path)
    assert str(path) in str(caught.value)
    target = folder / "out.json"
    monkeypatch.setattr("sys.argv", ["tropix", "compile", str(path), "-o", str(target)])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("tropix: error: ")
    assert printed.err.count("\n") == 1
    assert sorted(folder.iterdir()) == before


def test_external_data_inside_the_folder_is_read(tmp_path: Path) -> None:
    values = np.arange(8.0)
    (tmp_path / "weights.bin").write_bytes(bytes(8) + values.tobytes())
    proto = good()
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "weights.bin"), ("offset", "8"), ("length", "64")):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    circuit = import_onnx(save(proto, tmp_path / "m.onnx")).circuit
    assert circuit(np.eye(4)).tolist() == values.reshape(4, 2).tolist()


def test_all_faults_of_a_file_are_reported_together(tmp_path: Path) -> None:
    proto = good()
    for i in range(30):
        tensor = helper.make_tensor(f"t{i}", TensorProto.FLOAT, [1], [1.0])
        tensor.dims[:] = [7]
        proto.graph.initializer.append(tensor)
    with pytest.raises(FormatError, match=r"'t0'.*'t1'.*'t19'.*and 10 more"):
        import_onnx(save(proto, tmp_path / "m.onnx"))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory can be limited and measured on Linux only")
@pytest.mark.parametrize("seed", range(4))
def test_mutated_files_raise_nothing_but_tropix_errors(seed: int, tmp_path: Path, models: Path) -> None:
    """500 mutants of 60 models each: nothing but `TropixError`, within 5 s and 1 GB of memory apiece."""
    cases = {**BASIC, **LAYERS}
    chosen = np.random.default_rng(seed).choice(sorted(cases), size=56, replace=False)
    sources = [models / f"{name}.onnx" for name in ("iris_icnn", "digits_lse", "diabetes_lse", "breast_cancer_relu")]
    for name in chosen:
        case = cases[str(name)]
        dtype = case.only or np.float32
        path = tmp_path / f"{name}.onnx"
        sources.append(
            save(model(case.nodes, case.constants, shape=case.shape, opset=case.opsets[-1], dtype=dtype), path)
        )
    command = [sys.executable, "tests/fuzzing.py", "500", str(seed), str(tmp_path), *map(str, sources)]
    result = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent.parent)
    assert result.returncode == 0, result.stderr[-2000:]
    *faults, summary = result.stdout.splitlines()
    assert faults == []
    assert int(summary.removeprefix("read ")) > 20  # many mutants are still sound models


def test_usage_errors_exit_with_2() -> None:
    from tropixc.cli._main import app

    assert CliRunner().invoke(app, ["compile"]).exit_code == 2
    assert CliRunner().invoke(app, ["nonsense"]).exit_code == 2

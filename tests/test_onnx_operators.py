"""Every ONNX operator against onnxruntime, over opsets and attributes; and the texts of refusals."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper
from onnx_cases import CASES as BASIC
from onnx_cases import THREE, B, W, rng
from onnx_layer_cases import CASES as LAYERS
from onnx_models import Case, axes, model, node, reference, run, save
from onnx_refusals import REFUSED

import tropixc
from tropix import FormatError, TropixError, Unsupported
from tropix.exact import Rationals
from tropixc.agreement import run_onnx
from tropixc.frontends.onnx import SUPPORTED_OPERATORS, import_onnx
from tropixc.frontends.onnx._operators import RULES

CASES: dict[str, Case] = {**BASIC, **LAYERS}


def expected_values(path: Path, points: np.ndarray) -> np.ndarray:
    """By onnxruntime, or by the reference implementation where it has no kernel for doubles."""
    try:
        return run(path, points)
    except Exception as error:
        if points.dtype != np.float64 or "NOT_IMPLEMENTED" not in str(error):
            raise
        return reference(path, points)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CASES)
def test_agrees_with_onnxruntime(name: str, dtype: type, tmp_path: Path) -> None:
    case = CASES[name]
    if case.only not in (None, dtype):
        pytest.skip(f"for {case.only} alone")
    for opset in case.opsets:
        path = save(model(case.nodes, case.constants, shape=case.shape, opset=opset, dtype=dtype), tmp_path / "m.onnx")
        sizes = [size for size in case.shape if isinstance(size, int)]
        count = 7 if isinstance(case.shape[0], str) else 1
        points = rng.normal(size=(count, *sizes) if isinstance(case.shape[0], str) else sizes).astype(dtype)
        points = np.abs(points) + dtype(0.1) if case.positive else points
        expected = expected_values(path, points).reshape(count, -1)
        flat = points.reshape(count, -1).astype(np.float64)
        imported = import_onnx(path)
        tolerance = 1e-6 if dtype is np.float32 else 1e-12
        scale = tolerance * max(1.0, float(np.abs(expected).max()))
        for circuit in (imported.circuit, tropixc.optimize(imported.circuit)):
            np.testing.assert_allclose(circuit(flat), expected, rtol=tolerance, atol=scale, err_msg=f"opset {opset}")


def test_every_rule_is_tested() -> None:
    used = {n.op_type for case in CASES.values() for n in case.nodes}
    elsewhere = {name for name in SUPPORTED_OPERATORS if name.startswith("ai.onnx.ml.")}  # in test_sklearn.py
    assert set(SUPPORTED_OPERATORS) - {"Greater", "ArgMax"} - elsewhere <= used
    assert set(RULES) <= set(SUPPORTED_OPERATORS)


def closed_form(nodes: list[Any], constants: dict[str, Any], tmp_path: Path, opset: int = 20) -> tuple[Any, Any]:
    """Points (-3, 3) and a double model's circuit there; the runtimes have only single precision for these."""
    path = save(model(nodes, constants, shape=("batch", 1), opset=opset), tmp_path / "m.onnx")
    x = np.linspace(-3, 3, 61)
    return x, import_onnx(path).circuit(x[:, None])[:, 0]


def test_structural_activations_in_double_precision(tmp_path: Path) -> None:
    from scipy.special import erf

    def gaussian(x: Any) -> Any:
        return x * (1 + erf(x / np.sqrt(2))) / 2

    def by_tanh(x: Any) -> Any:
        return x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))

    forms = {
        "erf": ([node("Erf", "x")], {}, erf),
        "gelu": ([node("Gelu", "x")], {}, gaussian),
        "gelu-tanh": ([node("Gelu", "x", approximate="tanh")], {}, by_tanh),
        "hard-swish": ([node("HardSwish", "x")], {}, lambda x: x * np.clip(x / 6 + 0.5, 0, 1)),
        "gelu-spelled": (
            [node("Mul", "x r", "z"), node("Erf", "z", "e"), node("Add", "e c", "p"), node("Mul", "x p")],
            {"r": np.sqrt(0.5), "c": 1.0},
            lambda x: 2 * gaussian(x),
        ),
    }
    for name, (nodes, constants, form) in forms.items():
        x, values = closed_form(nodes, constants, tmp_path)
        np.testing.assert_allclose(values, form(x), rtol=1e-12, atol=1e-13, err_msg=name)


def test_a_final_arg_max_is_left_out(tmp_path: Path) -> None:
    weights = rng.normal(size=(4, 3))
    nodes = [node("Gemm", "x w", "scores"), node("ArgMax", "scores", "label", axis=1), node("Cast", "label", to=1)]
    path = save(model(nodes, {"w": weights}, dtype=np.float32), tmp_path / "m.onnx")
    imported = import_onnx(path)
    assert imported.output_name == "scores"
    assert "final ArgMax" in imported.notes[-1]
    points = rng.normal(size=(50, 4)).astype(np.float32).astype(np.float64)
    assert (imported.circuit(points).argmax(axis=1) == run(path, points.astype(np.float32))[:, 0]).all()
    np.testing.assert_allclose(run_onnx(imported, points), imported.circuit(points), atol=1e-5)
    inner = [
        node("Gemm", "x w", "s"),
        node("ArgMax", "s", "l", axis=1),
        node("Cast", "l", "c", to=1),
        node("Relu", "c"),
    ]
    with pytest.raises(Unsupported, match="only the last step"):
        import_onnx(save(model(inner, {"w": weights}, dtype=np.float32), tmp_path / "m.onnx"))


def thresholded(beta: float, threshold: float, *, same: bool = True) -> list[Any]:
    return [
        node("Mul", "x beta", "z"),
        node("Softplus", "z", "s"),
        node("Div", "s beta", "p"),
        node("Greater", "z threshold", "big"),
        node("Where", "big x p" if same else "big z p"),
    ]


def test_softplus_with_a_threshold_is_softplus(tmp_path: Path) -> None:
    constants = {"beta": 4.0, "threshold": 20.0}
    path = save(model(thresholded(4.0, 20.0), constants, dtype=np.float32), tmp_path / "m.onnx")
    points = np.linspace(-10, 10, 4 * 50).reshape(50, 4).astype(np.float32)
    imported = import_onnx(path)
    np.testing.assert_allclose(imported.circuit(points.astype(float)), run(path, points), rtol=2e-6)
    assert "switches to the identity above 20" in imported.notes[0]
    assert tropixc.optimize(imported.circuit).temperatures == (0.25,)


def test_a_softplus_with_two_different_betas_is_refused(tmp_path: Path) -> None:
    nodes = thresholded(4.0, 20.0)
    nodes[2] = node("Div", "s other", "p")
    constants = {"beta": 1.0, "other": 1.0000005, "threshold": 20.0}
    path = save(model(nodes, constants, dtype=np.float32), tmp_path / "m.onnx")
    with pytest.raises(Unsupported, match="softplus with a threshold"):
        import_onnx(path)


ROWS_MAY_MIX = {
    "reduce-all": ([node("ReduceMax", "x", keepdims=0)], {}),
    "squeeze": ([node("Squeeze", "x", "s"), node("Relu", "s")], {}),
    "transpose": ([node("Transpose", "x", "t"), node("ReduceMax", "t axes")], axes([0])),
    "flatten": ([node("Reshape", "x s", "r"), node("Gemm", "r w")], {"s": np.array([2, 2]), "w": np.ones((2, 1))}),
    "shape": (
        [node("Shape", "x", "s"), node("Cast", "s", "n", to=11), node("ReduceSum", "n", "k"), node("Mul", "x k")],
        {},
    ),
}


@pytest.mark.parametrize("name", ROWS_MAY_MIX)
def test_a_fixed_batch_of_one_is_an_axis_like_any_other(name: str, tmp_path: Path) -> None:
    nodes, constants = ROWS_MAY_MIX[name]
    path = save(model(nodes, constants, shape=(1, 4)), tmp_path / "m.onnx")
    points = rng.normal(size=(1, 4))
    np.testing.assert_allclose(import_onnx(path).circuit(points), run(path, points), rtol=1e-13)


def test_parts_of_shapes(tmp_path: Path) -> None:
    nodes = [node("Shape", "x", "s", start=1), node("Concat", "b s", "t", axis=0), node("Reshape", "x t")]
    path = save(model(nodes, {"b": np.array([-1])}, shape=THREE), tmp_path / "m.onnx")
    assert import_onnx(path).circuit.output_size == 6


def test_rounded_constants_are_noted(tmp_path: Path) -> None:
    noted = {
        "reciprocal": ([node("Div", "x c")], {"c": 3.0}),
        "mean": ([node("ReduceMean", "x axes")], axes([1, 2])),
        "logarithm": ([node("Exp", "x", "e"), node("Mul", "e c", "s"), node("Log", "s")], {"c": 3.0}),
    }
    for word, (nodes, constants) in noted.items():
        shape = THREE if word == "mean" else ("batch", 4)
        notes = import_onnx(save(model(nodes, constants, shape=shape), tmp_path / "m.onnx")).notes
        assert len(notes) == 1, word
        assert "rounded" in notes[0] or "nearest" in notes[0]
    for nodes, constants in (
        ([node("Div", "x c")], {"c": -4.0}),
        ([node("Gemm", "x w c", beta=0.1, alpha=0.3)], {"w": W.T, "c": B}),
        ([node("Sum", "x c d")], {"c": 0.1, "d": 0.2}),
    ):
        imported = import_onnx(save(model(nodes, constants), tmp_path / "m.onnx"))
        assert imported.notes == ()
    exact = imported.circuit.exact(Rationals.of([[1.0] * 4])).fractions()[0, 0]
    assert exact == 1 + Fraction(0.1) + Fraction(0.2)


@pytest.mark.parametrize(
    ("dtype", "threshold", "same"), [(np.float64, 20.0, True), (np.float32, 3.0, True), (np.float32, 20.0, False)]
)
def test_other_thresholds_are_refused(dtype: type, threshold: float, same: bool, tmp_path: Path) -> None:
    constants = {"beta": 4.0, "threshold": threshold}
    path = save(model(thresholded(4.0, threshold, same=same), constants, dtype=dtype), tmp_path / "m.onnx")
    with pytest.raises(Unsupported, match=r"Where node 'Where/y': .*softplus with a threshold"):
        import_onnx(path)


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_name_the_node_and_the_reason(name: str, tmp_path: Path) -> None:
    nodes, constants, message, shape, opset = REFUSED[name]
    path = save(model(nodes, constants, shape=shape, opset=opset), tmp_path / "m.onnx")
    with pytest.raises((Unsupported, FormatError), match=message) as caught:
        import_onnx(path)
    assert str(path) in str(caught.value)
    named = [n.name for n in nodes] + ["output 'y'", "initializer 'c'"]
    assert any(name in str(caught.value) for name in named)


def test_all_unknown_operators_are_reported_at_once(tmp_path: Path) -> None:
    nodes = [node("Sin", "x", "a"), node("Cos", "a", "b"), node("Sin", "b")]
    path = save(model(nodes), tmp_path / "m.onnx")
    with pytest.raises(Unsupported, match=r"Cos \(node 'Cos/b'\); Sin \(node 'Sin/a', 'Sin/y'\)") as caught:
        import_onnx(path)
    assert "Supported operators: Abs, Add, " in str(caught.value)


def test_several_outputs_are_chosen_by_name(tmp_path: Path) -> None:
    proto = model([node("Relu", "x"), node("Neg", "x", "z")])
    proto.graph.output.append(helper.make_tensor_value_info("z", 11, ["batch", 4]))
    path = save(proto, tmp_path / "m.onnx")
    with pytest.raises(TropixError, match="outputs 'y', 'z'"):
        tropixc.load(path)
    assert tropixc.load(path, "z")([[1.0, 2.0, 3.0, 4.0]]).tolist() == [[-1.0, -2.0, -3.0, -4.0]]
    with pytest.raises(TropixError, match="no output 'w'"):
        tropixc.load(path, "w")

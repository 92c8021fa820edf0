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
from tropix.circuits import Exactness, Product
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


def test_the_axis_of_a_final_arg_max_may_be_squeezed(tmp_path: Path) -> None:
    nodes = [node("ArgMax", "x", "l", axis=1), node("Squeeze", "l axes")]
    assert import_onnx(save(model(nodes, axes([1])), tmp_path / "m.onnx")).output_name == "x"


def test_clips_at_the_largest_float_do_nothing(tmp_path: Path) -> None:
    largest = float(np.finfo(np.float32).max)
    for clip, constants, opset in (
        (node("Clip", "x lo hi"), {"lo": -largest, "hi": largest}, 13),
        (node("Clip", "x"), {}, 7),
    ):
        path = save(model([clip], constants, opset=opset, dtype=np.float32), tmp_path / "m.onnx")
        assert len(import_onnx(path).circuit.nodes) == 1


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
    assert "differ by at most 5.2e-10" in imported.notes[0]  # log(1 + e^-20)/4
    assert tropixc.optimize(imported.circuit).temperatures == (0.25,)


def test_a_softplus_with_two_different_betas_is_refused(tmp_path: Path) -> None:
    nodes = thresholded(4.0, 20.0)
    nodes[2] = node("Div", "s other", "p")
    constants = {"beta": 1.0, "other": 1.0000005, "threshold": 20.0}
    path = save(model(nodes, constants, dtype=np.float32), tmp_path / "m.onnx")
    with pytest.raises(Unsupported, match="softplus with a threshold"):
        import_onnx(path)


def test_a_softplus_with_a_beta_for_each_entry_is_refused(tmp_path: Path) -> None:
    constants = {"beta": [4.0, 5.0, 4.0, 4.0], "threshold": 20.0}
    path = save(model(thresholded(4.0, 20.0), constants, dtype=np.float32), tmp_path / "m.onnx")
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


ONE, TWO = {"c": 1.0}, {"c": 2.0}
GRADIENTS = {
    "softmax": ([node("Exp", "x", "e"), node("ReduceSum", "e axes", "s"), node("Div", "e s")], axes([1])),
    "sigmoid": ([node("Neg", "x", "n"), node("Exp", "n", "e"), node("Add", "e c", "d"), node("Div", "c d")], ONE),
    "other sigmoid": ([node("Exp", "x", "e"), node("Add", "e c", "d"), node("Div", "e d")], ONE),
    "sigmoid plus one": ([node("Sigmoid", "x", "s"), node("Add", "s c")], ONE),
    "twice a softmax": ([node("Softmax", "x", "s"), node("Mul", "s c")], TWO),
    "softmax of a view": ([node("Softmax", "x", "s"), node("Reshape", "s c")], {"c": np.array([-1, 2, 2])}),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_weights_are_recognised_as_gradients(name: str, tmp_path: Path) -> None:
    nodes, constants = GRADIENTS[name]
    circuit = import_onnx(save(model(nodes, constants), tmp_path / "m.onnx")).circuit
    assert circuit.exactness is Exactness.GRADIENT


def test_weights_stay_weights_in_products(tmp_path: Path) -> None:
    nodes = [node("Sigmoid", "x", "s"), node("Tanh", "x", "t"), node("Sigmoid", "t", "u"), node("Mul", "s u")]
    circuit = import_onnx(save(model(nodes), tmp_path / "m.onnx")).circuit
    assert isinstance(circuit.nodes[circuit.output], Product)


LINE = ("batch", 4, 9)
NOTED = {
    "reciprocal": ([node("Div", "x c")], {"c": 3.0}, THREE),
    "mean over axes": ([node("ReduceMean", "x axes")], axes([1, 2]), THREE),
    "mean of operands": ([node("Mean", "x c x")], {"c": 1.0}, THREE),
    "logarithm": ([node("Exp", "x", "e"), node("Mul", "e c", "s"), node("Log", "s")], {"c": 3.0}, THREE),
    "average-pool": ([node("AveragePool", "x", kernel_shape=[3])], {}, LINE),
    "hard-swish": ([node("HardSwish", "x")], {}, THREE),
    "gelu": ([node("Gelu", "x")], {}, THREE),
    "gelu-tanh": ([node("Gelu", "x", approximate="tanh")], {}, THREE),
    "selu": ([node("Selu", "x")], {}, THREE),
    "celu": ([node("Celu", "x", alpha=1.5)], {}, THREE),
    "batch-norm": ([node("BatchNormalization", "x c c c c")], {"c": np.ones(4)}, LINE),
    "layer-norm": ([node("LayerNormalization", "x c")], {"c": np.ones(3)}, THREE),
}


@pytest.mark.parametrize("name", NOTED)
def test_rounded_constants_are_noted(name: str, tmp_path: Path) -> None:
    nodes, constants, shape = NOTED[name]
    notes = import_onnx(save(model(nodes, constants, shape=shape), tmp_path / "m.onnx")).notes
    assert len(notes) == 1
    assert nodes[-1 if name != "logarithm" else 1].name in notes[0]
    assert "rounded" in notes[0] or "nearest" in notes[0]


def test_exact_constants_are_not_noted(tmp_path: Path) -> None:
    for nodes, constants in (
        ([node("Div", "x c")], {"c": -4.0}),
        ([node("Mean", "x c")], {"c": 1.0}),
        ([node("ReduceMean", "x axes")], axes([1])),
        ([node("Celu", "x", alpha=2.0)], {}),
        ([node("Unsqueeze", "x axes", "u"), node("AveragePool", "u", kernel_shape=[2])], axes([1])),
        ([node("Gemm", "x w c", beta=0.1, alpha=0.3)], {"w": W.T, "c": B}),
        ([node("Sum", "x c d")], {"c": 0.1, "d": 0.2}),
    ):
        imported = import_onnx(save(model(nodes, constants), tmp_path / "m.onnx"))
        assert imported.notes == ()
    exact = imported.circuit.exact(Rationals.of([[1.0] * 4])).fractions()[0, 0]
    assert exact == 1 + Fraction(0.1) + Fraction(0.2)


SOFTPLUS, BIG = node("Softplus", "x", "s"), node("Greater", "x threshold", "big")
OTHER_SWITCHES: dict[str, tuple[list[Any], type, Any]] = {
    "in doubles": (thresholded(4.0, 20.0), np.float64, 20.0),
    "too early": (thresholded(4.0, 16.0), np.float32, 16.0),
    "too early at one entry": (thresholded(4.0, 20.0), np.float32, [20.0, 16.0, 20.0, 20.0]),
    "to a multiple": (thresholded(4.0, 20.0, same=False), np.float32, 20.0),
    "to another value": ([SOFTPLUS, BIG, node("Relu", "x", "r"), node("Where", "big r s")], np.float32, 20.0),
    "from another value": (
        [node("Relu", "x", "r"), node("Softplus", "r", "s"), BIG, node("Where", "big x s")], np.float32, 20.0
    ),
    "from another multiple": (
        [node("Mul", "x beta", "z"), node("Relu", "z", "r"), node("Softplus", "r", "s"), node("Div", "s beta", "p"),
         node("Greater", "z threshold", "big"), node("Where", "big x p")],
        np.float32, 20.0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHER_SWITCHES)
def test_other_thresholds_are_refused(name: str, tmp_path: Path) -> None:
    nodes, dtype, threshold = OTHER_SWITCHES[name]
    constants = {"beta": 4.0, "threshold": threshold}
    path = save(model(nodes, constants, dtype=dtype), tmp_path / "m.onnx")
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


LARGE = {
    "contraction": ([node("MatMul", "w x")], {"w": np.ones((6, 4))}, ("batch", 4, 5)),
    "product of matrices": ([node("MatMul", "x x")], {}, ("batch", 5, 5)),
    "several matrices": ([node("MatMul", "x w")], {"w": np.ones((5, 4))}, ("batch", 6, 5)),
    "convolution": ([node("Conv", "x w")], {"w": np.ones((3, 3, 3))}, ("batch", 3, 8)),
    "transposed convolution": ([node("ConvTranspose", "x w")], {"w": np.ones((3, 3, 3))}, ("batch", 3, 6)),
    "windows": ([node("MaxPool", "x", kernel_shape=[5])], {}, ("batch", 4, 12)),
    "sum of many": ([node("Sum", "x x x")], {}, ("batch", 60)),
    "maximum of many": ([node("Max", "x x x")], {}, ("batch", 40)),
    "product": ([node("Mul", "x x")], {}, ("batch", 60)),
    "repeated entries": ([node("Tile", "x r")], {"r": np.array([1, 10**12])}, ("batch", 4)),
    "padding": ([node("Pad", "x p")], {"p": np.array([0, 0, 0, 10**12])}, ("batch", 4)),
    "the input": ([node("Relu", "x")], {}, ("batch", 101)),
}


@pytest.mark.parametrize("name", LARGE)
def test_sizes_are_bounded(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes, constants, shape = LARGE[name]
    path = save(model(nodes, constants, shape=shape), tmp_path / "m.onnx")
    monkeypatch.setattr("tropixc.frontends.onnx._values.MAX_COMPUTED", 100)
    monkeypatch.setattr("tropixc.frontends.onnx._values.MAX_TENSOR", 100)
    with pytest.raises(FormatError, match="numbers for one point, more than 100"):
        import_onnx(path)


def test_all_unknown_operators_are_reported_at_once(tmp_path: Path) -> None:
    nodes = [node("Sin", "x", "a"), node("Cos", "a", "b"), node("Sin", "b")]
    path = save(model(nodes), tmp_path / "m.onnx")
    with pytest.raises(Unsupported, match=r"Cos \(node 'Cos/b'\); Sin \(node 'Sin/a', 'Sin/y'\)") as caught:
        import_onnx(path)
    assert "'tropix operators' lists what is read" in str(caught.value)


def test_several_outputs_are_chosen_by_name(tmp_path: Path) -> None:
    proto = model([node("Relu", "x"), node("Neg", "x", "z")])
    proto.graph.output.append(helper.make_tensor_value_info("z", 11, ["batch", 4]))
    path = save(proto, tmp_path / "m.onnx")
    with pytest.raises(TropixError, match="outputs 'y', 'z'"):
        tropixc.load(path)
    assert tropixc.load(path, "z")([[1.0, 2.0, 3.0, 4.0]]).tolist() == [[-1.0, -2.0, -3.0, -4.0]]
    with pytest.raises(TropixError, match="no output 'w'"):
        tropixc.load(path, "w")


@pytest.mark.parametrize("kind", ["tile", "pad", "mean"])
def test_weights_of_repeated_entries_are_not_added_up(kind: str, tmp_path: Path) -> None:
    weights = np.array([1e16, 1.0, -1e16])
    nodes, constants, shape = {
        "tile": ([node("Tile", "x r", "t"), node("MatMul", "t w")], {"r": np.array([1, 3]), "w": weights[:, None]}, 1),
        "pad": (
            [node("Pad", "x p", "t", mode="edge"), node("Conv", "t w")],
            {"p": np.array([0, 0, 1, 0, 0, 1]), "w": weights[None, None]}, 2,
        ),
        "mean": (
            [node("Tile", "x r", "t"), node("Mul", "t c", "u"), node("ReduceSum", "u axes", keepdims=1)],
            {"r": np.array([1, 3]), "c": weights, **axes([1])}, 1,
        ),
    }[kind]  # fmt: skip
    proto = model(nodes, constants, shape=("batch", 1) if shape == 1 else ("batch", 1, 1))
    circuit = import_onnx(save(proto, tmp_path / "m.onnx")).circuit
    for simple in (circuit, tropixc.optimize(circuit)):
        assert simple.exact(Rationals.of(np.array([[3.0]]))).fractions().tolist() == [[Fraction(3)]]


def test_a_threshold_that_grows_the_shape_is_no_softplus(tmp_path: Path) -> None:
    nodes = [node("Softplus", "x", "s"), node("Greater", "x t", "g"), node("Where", "g x s")]
    path = save(model(nodes, {"t": np.full((1, 2, 4), 20.0)}, shape=(1, 1, 4), dtype=np.float32), tmp_path / "m.onnx")
    with pytest.raises(Unsupported, match="softplus with a threshold"):
        import_onnx(path)


def test_constants_have_a_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tropixc.frontends.onnx._importer.MAX_CONSTANTS", 30)
    nodes = [node("ConstantOfShape", "s", f"c{i}") for i in range(4)] + [node("Sum", "x c0 c1 c2 c3")]
    path = save(model(nodes, {"s": np.array([10])}, shape=("batch", 10), dtype=np.float32), tmp_path / "m.onnx")
    with pytest.raises(FormatError, match="computes more than 34 constant numbers"):
        import_onnx(path)

"""Every ONNX operator against onnxruntime, over opsets and attributes; and the texts of refusals."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper
from onnx_models import model, run, save

import tropixc
from tropix import FormatError, TropixError, Unsupported
from tropix.exact import Rationals
from tropixc.frontends.onnx import SUPPORTED_OPERATORS, import_onnx
from tropixc.frontends.onnx._operators import RULES

rng = np.random.default_rng(0)
W = rng.normal(size=(6, 4))
V = rng.normal(size=(4, 6))
B = rng.normal(size=6)
ROW = rng.normal(size=4)
POSITIVE = np.exp(rng.normal(size=4))


def node(kind: str, inputs: str, output: str = "y", **attributes: Any) -> Any:
    return helper.make_node(kind, inputs.split(), [output], name=f"{kind}/{output}", **attributes)


@dataclass(frozen=True)
class Case:
    nodes: list[Any]
    constants: dict[str, Any] = field(default_factory=dict)
    opsets: tuple[int, ...] = (13, 20)
    shape: tuple[int | str, ...] = ("batch", 4)
    single: bool = False  # onnxruntime has no double kernel


def axes(values: list[int]) -> dict[str, Any]:
    return {"axes": np.array(values, dtype=np.int64)}


THREE = ("batch", 2, 3)
CASES = {
    "pieces-as-rows": Case(
        [
            node("Reshape", "x s", "r"),
            node("ReduceLogSumExp", "r axes", "l", keepdims=0),
            node("Reshape", "l t"),
        ],
        {"s": np.array([-1, 2], dtype=np.int64), "t": np.array([-1, 2], dtype=np.int64), **axes([1])},
        (18, 20),
    ),
    "gemm": Case([node("Gemm", "x w b", transB=1)], {"w": W, "b": B}, (7, 9, 13, 20)),
    "gemm-scaled": Case([node("Gemm", "x w b", alpha=0.3, beta=0.7)], {"w": V, "b": B}, (9, 20)),
    "gemm-scalar-bias": Case([node("Gemm", "x w b")], {"w": V, "b": 0.5}, (11, 20)),
    "gemm-row-bias": Case([node("Gemm", "x w b", beta=0.5)], {"w": V, "b": B[None]}, (11, 20)),
    "gemm-one-bias": Case([node("Gemm", "x w b")], {"w": V, "b": [[0.5]]}, (11, 20)),
    "gemm-no-bias": Case([node("Gemm", "x w")], {"w": V}, (11, 20)),
    "matmul": Case([node("MatMul", "x w")], {"w": V}, (7, 13, 20)),
    "matmul-3d": Case([node("MatMul", "x w")], {"w": rng.normal(size=(3, 5))}, shape=THREE),
    "add": Case([node("Add", "x c")], {"c": ROW}, (7, 20)),
    "add-left": Case([node("Add", "c x")], {"c": ROW}),
    "add-broadcast": Case([node("Add", "x c")], {"c": rng.normal(size=(1, 2, 1))}, shape=THREE),
    "grow-features": Case([node("Mul", "x c")], {"c": rng.normal(size=(5,))}, shape=("batch", 1)),
    "add-two": Case([node("Relu", "x", "r"), node("Add", "x r")]),
    "add-itself": Case([node("Add", "x x")]),
    "sub": Case([node("Sub", "x c")], {"c": ROW}),
    "sub-left": Case([node("Sub", "c x")], {"c": ROW}),
    "sub-two": Case([node("Relu", "x", "r"), node("Sub", "x r")]),
    "mul": Case([node("Mul", "x c")], {"c": ROW}),
    "mul-left": Case([node("Mul", "c x")], {"c": -0.3}),
    "div": Case([node("Div", "x c")], {"c": ROW}),
    "neg": Case([node("Neg", "x")]),
    "sum": Case([node("Relu", "x", "r"), node("Sum", "x r c x")], {"c": ROW}),
    "reduce-sum": Case([node("ReduceSum", "x axes", keepdims=0)], axes([1]), shape=THREE),
    "reduce-sum-old": Case([node("ReduceSum", "x", axes=[2])], opsets=(7, 12), shape=THREE),
    "reduce-mean": Case([node("ReduceMean", "x axes")], axes([-1]), (18, 20), THREE),
    "reduce-mean-old": Case([node("ReduceMean", "x", axes=[1, 2])], opsets=(7, 17), shape=THREE),
    "relu": Case([node("Relu", "x")], opsets=(7, 14, 20)),
    "leaky-relu": Case([node("LeakyRelu", "x", alpha=0.2)], opsets=(7, 16), single=True),
    "leaky-relu-default": Case([node("LeakyRelu", "x")], single=True),
    "softplus": Case([node("Softplus", "x")], opsets=(7, 20), single=True),
    "max": Case([node("Neg", "x", "n"), node("Max", "x n c")], {"c": ROW}, (8, 13, 20)),
    "max-one": Case([node("Max", "x")]),
    "max-broadcast": Case([node("Max", "x c")], {"c": rng.normal(size=(1, 2, 1))}, shape=THREE),
    "reduce-max": Case([node("ReduceMax", "x axes", keepdims=0)], axes([1, 2]), (18, 20), THREE),
    "reduce-max-old": Case([node("ReduceMax", "x", axes=[1], keepdims=0)], opsets=(7, 13, 17), shape=THREE),
    "reduce-lse": Case([node("ReduceLogSumExp", "x axes", keepdims=0)], axes([-1]), (18, 20), THREE),
    "reduce-lse-old": Case([node("ReduceLogSumExp", "x", axes=[1])], opsets=(7, 17), shape=THREE),
    "log-softmax": Case([node("LogSoftmax", "x", axis=1)], opsets=(7, 12, 13, 20)),
    "log-softmax-3d": Case([node("LogSoftmax", "x")], shape=THREE),
    "log-softmax-3d-old": Case([node("LogSoftmax", "x")], opsets=(11,), shape=THREE),
    "softmax": Case([node("Softmax", "x", axis=-1)], opsets=(13, 20)),
    "softmax-middle": Case([node("Softmax", "x", axis=1)], shape=THREE),
    "softmax-3d-old": Case([node("Softmax", "x")], opsets=(7, 12), shape=THREE),
    "softmax-then-affine": Case([node("Softmax", "x", "s"), node("Gemm", "s w b")], {"w": V, "b": B}),
    "log-of-softmax": Case([node("Softmax", "x", "s"), node("Log", "s")]),
    "exp-sum-log": Case(
        [node("Exp", "x", "e"), node("ReduceSum", "e axes", "s"), node("Log", "s")], axes([1]), (13, 20)
    ),
    "exp-sum-log-shifted": Case(
        [
            node("ReduceMax", "x axes", "m"),
            node("Sub", "x m", "d"),
            node("Exp", "d", "e"),
            node("ReduceSum", "e axes", "s"),
            node("Log", "s", "l"),
            node("Add", "l m"),
        ],
        axes([1]),
        (18, 20),
    ),
    "softmax-spelled-out": Case(
        [node("Exp", "x", "e"), node("ReduceSum", "e axes", "s"), node("Div", "e s")], axes([1])
    ),
    "softplus-spelled-out": Case([node("Exp", "x", "e"), node("Add", "e c", "s"), node("Log", "s")], {"c": 1.0}),
    "exp-times-constant": Case(
        [
            node("Exp", "x", "e"),
            node("Mul", "e c", "s"),
            node("ReduceSum", "s axes", "t"),
            node("Div", "t d", "u"),
            node("Log", "u"),
        ],
        {"c": POSITIVE, "d": 3.0, **axes([1])},
    ),
    "product-of-exps": Case(
        [node("Exp", "x", "e"), node("Neg", "x", "n"), node("Exp", "n", "g"), node("Mul", "e g", "p"), node("Log", "p")]
    ),
    "sum-of-exps": Case(
        [node("Exp", "x", "e"), node("Neg", "x", "n"), node("Exp", "n", "g"), node("Add", "e g", "p"), node("Log", "p")]
    ),
    "flatten": Case([node("Flatten", "x", "f"), node("Gemm", "f w")], {"w": rng.normal(size=(6, 2))}, (11, 20), THREE),
    "reshape": Case(
        [node("Reshape", "x s", "r"), node("ReduceMax", "r", axes=[2], keepdims=0)],
        {"s": np.array([-1, 2, 2], dtype=np.int64)},
        (13, 17),
    ),
    "reshape-copy": Case([node("Reshape", "x s")], {"s": np.array([0, 3, 2], dtype=np.int64)}, shape=THREE),
    "transpose": Case([node("Transpose", "x", perm=[0, 2, 1])], shape=THREE),
    "unsqueeze-squeeze": Case(
        [node("Unsqueeze", "x axes", "u"), node("Relu", "u", "r"), node("Squeeze", "r axes")], axes([1])
    ),
    "unsqueeze-squeeze-old": Case(
        [node("Unsqueeze", "x", "u", axes=[2]), node("Squeeze", "u", axes=[2])], opsets=(7, 12)
    ),
    "identity-dropout-cast": Case(
        [node("Identity", "x", "i"), node("Dropout", "i", "d"), node("Cast", "d", to=11)], opsets=(13, 20)
    ),
    "folded-weights": Case(
        [
            node("Softplus", "w", "p"),
            node("Transpose", "p", "t"),
            node("MatMul", "x t"),
        ],
        {"w": W},
        single=True,
    ),
    "constant-node": Case(
        [node("Constant", "", "c", value_float=2.0), node("Cast", "c", "d", to=11), node("Mul", "x d")]
    ),
    "shape-driven-reshape": Case(
        [
            node("Shape", "x", "full"),
            node("Gather", "full zero", "n", axis=0),
            node("Concat", "n rest", "s", axis=0),
            node("Reshape", "x s", "r"),
            node("ReduceMax", "r axes", keepdims=0),
        ],
        {"zero": np.array([0], dtype=np.int64), "rest": np.array([2, 2], dtype=np.int64), **axes([2])},
        (18, 20),
    ),
    "no-batch": Case([node("Relu", "x")], shape=(4,)),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CASES)
def test_agrees_with_onnxruntime(name: str, dtype: type, tmp_path: Path) -> None:
    case = CASES[name]
    if dtype is np.float64 and case.single:
        pytest.skip("onnxruntime has no double kernel")
    if dtype is np.float32 and name in ("constant-node", "identity-dropout-cast"):
        pytest.skip("casts to double")
    for opset in case.opsets:
        path = save(model(case.nodes, case.constants, shape=case.shape, opset=opset, dtype=dtype), tmp_path / "m.onnx")
        sizes = [size for size in case.shape if isinstance(size, int)]
        if case.shape == (4,):
            points = rng.normal(size=(1, 4)).astype(dtype)
            expected = run(path, points[0]).reshape(1, -1)
        else:
            points = rng.normal(size=(7, *sizes)).astype(dtype)
            expected = run(path, points)
        flat = points.reshape(len(points), -1).astype(np.float64)
        imported = import_onnx(path)
        tolerance = 2e-6 if dtype is np.float32 else 1e-12
        np.testing.assert_allclose(imported.circuit(flat), expected, rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(tropixc.optimize(imported.circuit)(flat), expected, rtol=tolerance, atol=tolerance)


def test_every_rule_is_tested() -> None:
    used = {n.op_type for case in CASES.values() for n in case.nodes}
    assert set(SUPPORTED_OPERATORS) - {"Greater", "Where"} <= used
    assert set(RULES) <= set(SUPPORTED_OPERATORS)


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
    with pytest.raises(Unsupported, match="only softplus with a threshold"):
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
    with pytest.raises(Unsupported, match="Where node 'Where/y': only softplus with a threshold"):
        import_onnx(path)


REFUSED = {
    "product": ([node("Mul", "x x")], {}, "multiplies two computed tensors"),
    "matmul-two": ([node("MatMul", "x x")], {}, "multiplies two computed tensors"),
    "matmul-left": ([node("MatMul", "w x")], {"w": W}, "only tensor times constant matrix"),
    "quotient": ([node("Relu", "x", "r"), node("Div", "x r")], {}, "divides by a computed tensor"),
    "divide-by-zero": ([node("Div", "x c")], {"c": 0.0}, "divides by zero"),
    "bare-exp": ([node("Exp", "x", "e"), node("Relu", "e")], {}, "uses exp"),
    "exp-output": ([node("Exp", "x")], {}, "uses exp"),
    "exp-minus-one": ([node("Exp", "x", "e"), node("Add", "e c", "s"), node("Log", "s")], {"c": -1.0}, "positive"),
    "log": ([node("Log", "x")], {}, "logarithm"),
    "leaky": ([node("LeakyRelu", "x", alpha=2.0)], {}, "0 <= alpha < 1"),
    "batch-max": ([node("ReduceMax", "x axes")], axes([0]), "batch axis"),
    "batch-softmax": ([node("Softmax", "x", axis=0)], {}, "batch axis"),
    "all-axes": ([node("ReduceSum", "x")], {}, "batch axis"),
    "noop": ([node("ReduceSum", "x", noop_with_empty_axes=1)], {}, "noop_with_empty_axes"),
    "trans-a": ([node("Gemm", "x w", transA=1)], {"w": W}, "transA"),
    "computed-weights": ([node("Relu", "x", "r"), node("Gemm", "x r")], {}, "must be a constant"),
    "nan": ([node("Add", "x c")], {"c": [np.nan]}, "NaN"),
    "infinite": ([node("Add", "x c")], {"c": [np.inf]}, "infinity"),
    "wrong-width": ([node("MatMul", "x w")], {"w": W}, "columns"),
    "reshape": ([node("Reshape", "x s")], {"s": np.array([-1, 3])}, "does not reshape"),
    "axis": ([node("Softmax", "x", axis=5)], {}, "axis 5"),
    "int-cast": ([node("Cast", "x", "i", to=7), node("Cast", "i", to=11)], {}, "float32 or float64"),
    "constant-output": ([node("Constant", "", "y", value_float=2.0)], {}, "constant"),
    "unfit": ([node("Add", "x c")], {"c": np.ones(3)}, "do not broadcast"),
    "transpose-batch": ([node("Transpose", "x")], {}, "moves the batch axis"),
    "unsqueeze-batch": ([node("Unsqueeze", "x axes")], axes([0]), "before the batch axis"),
    "broadcast-batch": ([node("Add", "x c")], {"c": np.ones((3, 4))}, "along the batch axis"),
    "broadcast-rank": ([node("Max", "x c")], {"c": np.ones((3, 1, 4))}, "along the batch axis"),
    "reshape-fixed": ([node("Reshape", "x s")], {"s": np.array([1, -1])}, "fixes or moves the batch axis"),
    "reshape-rows": ([node("Reshape", "x s")], {"s": np.array([4, -1])}, "fixes or moves the batch axis"),
    "reshape-minus-two": ([node("Reshape", "x s")], {"s": np.array([-1, -2])}, "must be positive"),
    "flatten-batch": ([node("Flatten", "x", axis=0)], {}, "batch axis"),
    "squeeze-all": ([node("Squeeze", "x")], {}, "name the axes"),
    "batch-size": (
        [node("Shape", "x", "s"), node("Gather", "s i", "n"), node("Cast", "n", "m", to=11), node("Mul", "x m")],
        {"i": np.array(0)},
        "computes with the batch size",
    ),
    "keepdims": ([node("ReduceMax", "x axes", "m", keepdims=0), node("Sub", "x m")], axes([1]), "along the batch axis"),
    "vector": (
        [node("ReduceMax", "x axes", "m", keepdims=0), node("MatMul", "m w")],
        {**axes([1]), "w": np.ones((1, 2))},
        "contracts the batch axis",
    ),
    "axes-twice": ([node("ReduceMax", "x axes")], axes([1, -1]), "named twice"),
    "float-axes": ([node("ReduceMax", "x axes")], {"axes": [1.0]}, "expected integers|not a valid"),
    "bias": ([node("Gemm", "x w c")], {"w": W.T, "c": np.ones((5, 6))}, "bias"),
    "bias-column": ([node("Gemm", "x w c")], {"w": W.T, "c": np.ones((5, 1))}, "bias"),
    "no-elements": ([node("MatMul", "x w")], {"w": np.ones((4, 0))}, "holds nothing"),
    "tiny-divisor": ([node("Div", "x c")], {"c": 1e-310}, "too small"),
    "other-softplus": (
        [node("Relu", "x", "r"), node("Softplus", "r", "s"), node("Greater", "x c", "g"), node("Where", "g x s")],
        {"c": 20.0},
        "only softplus with a threshold",
    ),
    "foreign-sum": (
        [
            node("Exp", "x", "e"),
            node("Neg", "x", "n"),
            node("Exp", "n", "f"),
            node("ReduceSum", "f axes", "s"),
            node("Div", "e s", "q"),
            node("Relu", "q"),
        ],
        axes([1]),
        "uses exp",
    ),
    "compare": ([node("Greater", "x c", "g"), node("Relu", "g")], {"c": 1.0}, "comparison"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_name_the_node_and_the_reason(name: str, tmp_path: Path) -> None:
    nodes, constants, message = REFUSED[name]
    path = save(model(nodes, constants), tmp_path / "m.onnx")
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
    assert "Supported operators: Add, Cast" in str(caught.value)


def test_several_outputs_are_chosen_by_name(tmp_path: Path) -> None:
    proto = model([node("Relu", "x"), node("Neg", "x", "z")])
    proto.graph.output.append(helper.make_tensor_value_info("z", 11, ["batch", 4]))
    path = save(proto, tmp_path / "m.onnx")
    with pytest.raises(TropixError, match="outputs 'y', 'z'"):
        tropixc.load(path)
    assert tropixc.load(path, "z")([[1.0, 2.0, 3.0, 4.0]]).tolist() == [[-1.0, -2.0, -3.0, -4.0]]
    with pytest.raises(TropixError, match="no output 'w'"):
        tropixc.load(path, "w")

"""Blocks of a circuit: what they are called, their Hamilton–Jacobi reading, temperatures and Lipschitz constants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_models import axes, ints, model, node, save

import tropixc
from tropix.circuits import CircuitBuilder, uniform_segments
from tropixc.frontends.onnx import import_onnx
from tropixc.report import Block, describe_blocks

rng = np.random.default_rng(5)


def normal(*shape: int) -> Any:
    return rng.normal(size=shape)


def blocks(nodes: list[Any], constants: dict[str, Any], path: Path, shape: Any = ("batch", 4)) -> tuple[Block, ...]:
    imported = import_onnx(save(model(nodes, constants, shape=shape), path / "m.onnx"))
    return describe_blocks(imported.circuit, imported.operators)


def kinds(found: tuple[Block, ...]) -> list[str]:
    return [block.kind for block in found]


def test_layers_of_relu_and_softplus(tmp_path: Path) -> None:
    first, second = normal(4, 5), normal(5, 3)
    nodes = [
        node("Gemm", "x w", "a"), node("Relu", "a", "r"), node("Gemm", "r v", "b"), node("Mul", "b c", "m"),
        node("Softplus", "m", "s"), node("Div", "s c"),
    ]  # fmt: skip
    found = blocks(nodes, {"w": first, "v": second, "c": 4.0}, tmp_path)
    assert kinds(found) == ["ReLU", "softplus"]
    assert [block.temperature for block in found] == [0.0, 0.25]
    assert [block.viscosity for block in found] == [0.0, 0.25]
    assert {block.hamiltonian for block in found} == {"|p|²"}
    assert {block.exactness.value for block in found} == {"exact solution"}
    # a block's constant is that of each of its outputs in what it reads
    assert found[0].lipschitz == pytest.approx(np.linalg.norm(first, axis=0).max())
    assert found[1].lipschitz == pytest.approx(np.linalg.norm(second, axis=0).max())


def test_a_log_sum_exp_head(tmp_path: Path) -> None:
    nodes = [
        node("Gemm", "x w", "z"), node("Mul", "z c", "h"), node("Reshape", "h s", "r"),
        node("ReduceLogSumExp", "r axes", "l", keepdims=0), node("Div", "l c"),
    ]  # fmt: skip
    found = blocks(nodes, {"w": normal(4, 6), "c": 8.0, "s": ints(-1, 2, 3), **axes([2])}, tmp_path)
    assert kinds(found)[-1] == "LSE"
    assert found[-1].temperature == 0.125


def test_maxima_by_their_operators(tmp_path: Path) -> None:
    for kind, item in {
        "max pooling": node("MaxPool", "x", kernel_shape=[2]),
        "maxout": node("ReduceMax", "x axes"),
        "absolute value": node("Abs", "x"),
        "clip": node("Clip", "x lo hi"),
        "max pooling ": node("GlobalMaxPool", "x"),
        "average pooling ": node("GlobalAveragePool", "x"),
        "leaky ReLU": node("LeakyRelu", "x", alpha=0.25),
        "average pooling": node("AveragePool", "x", kernel_shape=[2]),
        "convolution": node("Conv", "x w"),
    }.items():
        constants = {"lo": -1.0, "hi": 1.0, "w": normal(2, 3, 3), **axes([1])}
        used = {name: value for name, value in constants.items() if name in item.input}
        assert kinds(blocks([item], used, tmp_path, ("batch", 3, 4))) == [kind.strip()]


def test_a_minimum_is_a_maximum_of_negatives(tmp_path: Path) -> None:
    for item in (node("Min", "x c"), node("ReduceMin", "x axes")):
        used = {name: value for name, value in {"c": 1.0, **axes([1])}.items() if name in item.input}
        assert kinds(blocks([item], used, tmp_path)) == ["minimum", "affine"]


def test_a_maximum_with_another_constant_is_no_relu(tmp_path: Path) -> None:
    assert kinds(blocks([node("Max", "c x")], {"c": 1.0}, tmp_path)) == ["maxout"]
    builder = CircuitBuilder(1)
    three = builder.affine([(0, [[0.0], [1.0], [2.0]])], np.zeros(3))
    assert kinds(describe_blocks(builder.build(builder.log_sum_exp(three, 0.0, uniform_segments(1, 3))))) == ["maxout"]


def test_pieces_that_several_read_are_a_block_of_their_own(tmp_path: Path) -> None:
    nodes = [
        node("Gemm", "x w", "z"), node("ReduceMax", "z axes", "a"), node("ReduceLogSumExp", "z axes", "b"),
        node("Concat", "a b", axis=1),
    ]  # fmt: skip
    found = blocks(nodes, {"w": normal(4, 3), **axes([1])}, tmp_path)
    assert sorted(kinds(found)[:3]) == ["LSE", "affine", "maxout"]


def test_structural_operators_have_no_temperature(tmp_path: Path) -> None:
    (block,) = blocks([node("Elu", "x")], {}, tmp_path)
    assert (block.kind, block.temperature, block.hamiltonian) == ("ELU", None, "")
    found = blocks([node("Sigmoid", "x", "s"), node("Log", "s")], {}, tmp_path)
    assert [(b.kind, b.temperature) for b in found] == [("log-sigmoid", 1.0)]


def test_lipschitz_constants_in_another_norm(tmp_path: Path) -> None:
    weights = normal(4, 5)
    path = save(model([node("Gemm", "x w", "z"), node("Relu", "z")], {"w": weights}), tmp_path / "m.onnx")
    (block,) = describe_blocks(import_onnx(path).circuit, p=np.inf)
    assert block.lipschitz == pytest.approx(np.abs(weights).sum(axis=0).max())


def residual(tmp_path: Path) -> tuple[Block, ...]:
    nodes = [
        node("Gemm", "x w", "h"), node("Relu", "h", "a"), node("Gemm", "a v", "b"), node("Relu", "b", "c"),
        node("Gemm", "c u", "d"), node("Add", "a d", "e"), node("Gemm", "e t"),
    ]  # fmt: skip
    weights = {"w": normal(4, 5), "v": normal(5, 6), "u": normal(6, 5), "t": normal(5, 2)}
    return blocks(nodes, weights, tmp_path)


def test_a_residual_block(tmp_path: Path) -> None:
    found = residual(tmp_path)
    assert kinds(found).count("residual block x + F(x)") == 1
    block = next(b for b in found if b.kind.startswith("residual"))
    assert (block.hamiltonian, block.viscosity) == ("p·F(x, θ)", 0.0)
    assert "Relu/a" in block.detail
    assert np.isfinite(block.lipschitz)


def test_a_sum_of_two_branches_is_no_residual_block(tmp_path: Path) -> None:
    nodes = [
        node("Gemm", "x w", "a"), node("Relu", "a", "p"), node("Gemm", "x v", "b"), node("Relu", "b", "q"),
        node("Add", "p q"),
    ]  # fmt: skip
    found = blocks(nodes, {"w": normal(4, 3), "v": normal(4, 3)}, tmp_path)
    assert "residual block x + F(x)" not in kinds(found)
    assert found[-1].lipschitz == pytest.approx(np.sqrt(2))  # of p + q in (p, q)


@pytest.mark.parametrize("skip", ["a multiple", "a part", "all affine"])
def test_other_sums_are_no_residual_blocks(skip: str, tmp_path: Path) -> None:
    own = {
        "a multiple": [node("Relu", "x", "r"), node("Mul", "r c", "t")],
        "a part": [node("Relu", "x", "r"), node("Slice", "r lo hi axes", "t")],
        "all affine": [node("Relu", "x", "t")],
    }[skip]
    size = 2 if skip == "a part" else 4
    inner = [node("Gemm", f"{own[0].output[0]} w", "h")]
    inner += [node("Identity", "h", "a")] if skip == "all affine" else [node("Relu", "h", "a")]
    constants = {"w": normal(4, 3), "v": normal(3, size), "c": 2.0, "lo": ints(0), "hi": ints(2), **axes([1])}
    nodes = [*own, *inner, node("Gemm", "a v", "d"), node("Add", "t d", "e"), node("Relu", "e")]
    used = {name for item in nodes for name in item.input}
    found = blocks(nodes, {name: value for name, value in constants.items() if name in used}, tmp_path)
    assert "residual block x + F(x)" not in kinds(found)


def test_a_concatenation_is_no_residual_block(tmp_path: Path) -> None:
    nodes = [
        node("Gemm", "x w", "h"), node("Relu", "h", "a"), node("Gemm", "a v", "b"), node("Relu", "b", "c"),
        node("Concat", "a c", "d", axis=1), node("Gemm", "d u"),
    ]  # fmt: skip
    found = blocks(nodes, {"w": normal(4, 5), "v": normal(5, 3), "u": normal(8, 2)}, tmp_path)
    assert "residual block x + F(x)" not in kinds(found)


def attention(width: int, scaling: str, *, mask: bool = False) -> tuple[list[Any], dict[str, Any]]:
    nodes = [node("MatMul", "x wq", "q"), node("MatMul", "x wk", "k"), node("MatMul", "x wv", "v")]
    if scaling == "both":
        nodes += [node("Mul", "q half", "q2"), node("Mul", "k half", "k2")]
    query, key = ("q2", "k2") if scaling == "both" else ("q", "k")
    nodes += [node("Transpose", key, "t", perm=[0, 2, 1]), node("MatMul", f"{query} t", "s")]
    scores = "s"
    if scaling == "scores":
        nodes.append(node("Div", "s root", "z"))
        scores = "z"
    if mask:
        nodes.append(node("Add", f"{scores} m", "masked"))
        scores = "masked"
    nodes += [node("Softmax", scores, "p", axis=-1), node("MatMul", "p v")]
    weights = {
        "wq": normal(4, width), "wk": normal(4, width), "wv": normal(4, 5), "root": np.sqrt(width),
        "half": float(width) ** -0.25, "m": np.where(np.tril(np.ones((3, 3))) > 0, 0.0, -np.inf),
    }  # fmt: skip
    used = {name for item in nodes for name in item.input}
    return nodes, {name: value for name, value in weights.items() if name in used}


@pytest.mark.parametrize("width", [1, 3, 4, 8])
@pytest.mark.parametrize("scaling", ["scores", "both"])
@pytest.mark.parametrize("mask", [False, True])
def test_attention_has_the_temperature_root_d_k(width: int, scaling: str, mask: bool, tmp_path: Path) -> None:
    nodes, constants = attention(width, scaling, mask=mask)
    found = blocks(nodes, constants, tmp_path, ("batch", 3, 4))
    block = next(b for b in found if b.kind == "attention")
    assert block.temperature == pytest.approx(np.sqrt(width))
    assert block.viscosity == block.temperature
    assert block.hamiltonian == "Gibbs average"
    assert block.exactness.value == "structural"
    assert f"{width} products" in block.detail


@pytest.mark.parametrize("change", [node("Neg", "s", "z"), node("Mul", "s uneven", "z")])
def test_other_scores_are_not_attention(change: Any, tmp_path: Path) -> None:
    nodes, constants = attention(3, "scores")
    nodes = [change if item.op_type == "Div" else item for item in nodes]
    constants = {name: value for name, value in constants.items() if name != "root"}
    constants |= {"uneven": np.array([1.0, 2.0, 3.0])} if "uneven" in change.input else {}
    assert "attention" not in kinds(blocks(nodes, constants, tmp_path, ("batch", 3, 4)))


def test_spelled_out_gates(tmp_path: Path) -> None:
    logistic = [
        node("Mul", "x x", "z"), node("Neg", "z", "n"), node("Exp", "n", "e"), node("Add", "e one", "d"),
        node("Div", "one d", "s"), node("Mul", "x s"),
    ]  # fmt: skip
    weights = [node("Gemm", "x w", "z"), node("Softmax", "z", "s"), node("Mul", "x s")]
    for nodes, constants in ((logistic, {"one": 1.0}), (weights, {"w": normal(4, 4)})):
        found = blocks(nodes, constants, tmp_path)
        assert "attention" not in kinds(found)
        assert next(b for b in found if b.kind == "gate").temperature == 1.0


def test_gates_are_not_attention(tmp_path: Path) -> None:
    nodes = [node("Gemm", "x w", "z"), node("Sigmoid", "z", "s"), node("Mul", "z s")]
    assert "attention" not in kinds(blocks(nodes, {"w": normal(4, 3)}, tmp_path))
    product = [node("Mul", "x x", "z"), *nodes[1:]]
    assert "attention" not in kinds(blocks(product, {}, tmp_path))


def test_batch_norm_and_layer_norm(tmp_path: Path) -> None:
    parameters = {"s": normal(4), "b": normal(4), "m": normal(4), "v": np.exp(normal(4))}
    nodes = [node("Relu", "x", "r"), node("BatchNormalization", "r s b m v", "n"), node("Relu", "n")]
    found = blocks(nodes, parameters, tmp_path)
    assert "batch norm" in kinds(found)
    assert next(b for b in found if b.kind == "batch norm").exactness.value == "exact solution"
    layer = blocks([node("LayerNormalization", "x s b")], {"s": normal(4), "b": normal(4)}, tmp_path, ("batch", 3, 4))
    assert kinds(layer) == ["layer norm"]
    assert (layer[0].exactness.value, layer[0].lipschitz) == ("structural", np.inf)


def test_an_unrolled_cell(tmp_path: Path) -> None:
    cell = {"w": normal(4, 4), "b": normal(4)}
    nodes, state = [], "x"
    for step in range(3):
        nodes += [node("Gemm", f"{state} w b", f"z{step}"), node("Relu", f"z{step}", f"h{step}")]
        state = f"h{step}"
    found = blocks([*nodes, node("Neg", state)], cell, tmp_path)
    block = next(b for b in found if b.kind == "recurrent cell, unrolled")
    assert "3 times" in block.detail
    other = blocks([node("Gemm", "x w b", "z"), node("Relu", "z")], cell, tmp_path)
    assert "recurrent cell, unrolled" not in kinds(other)


def test_the_longest_unrolled_cell_is_shown(tmp_path: Path) -> None:
    nodes, state = [], "x"
    for step, weights in enumerate("vvwww"):
        nodes += [node("Gemm", f"{state} {weights}", f"z{step}"), node("Relu", f"z{step}", f"h{step}")]
        state = f"h{step}"
    found = blocks([*nodes, node("Neg", state)], {"v": normal(4, 4), "w": normal(4, 4)}, tmp_path)
    assert "3 times" in next(b for b in found if b.kind == "recurrent cell, unrolled").detail


@pytest.mark.parametrize("weights", ["sums", "scalings", "side by side"])
def test_other_repetitions_are_no_recurrent_cells(weights: str, tmp_path: Path) -> None:
    nodes, state = [], "x"
    for step in range(3):
        layer = (
            node("Mul", f"{state} c", f"z{step}") if weights == "scalings" else node("Gemm", f"{state} w", f"z{step}")
        )
        nodes += [layer, node("Relu", f"z{step}", f"h{step}")]
        state = "x" if weights == "side by side" else f"h{step}"
    nodes.append(node("Sum", "h0 h1 h2") if weights == "side by side" else node("Neg", state))
    constants = {"c": normal(4)} if weights == "scalings" else {"w": np.ones((4, 4))}
    constants = {"w": normal(4, 4)} if weights == "side by side" else constants
    assert "recurrent cell, unrolled" not in kinds(blocks(nodes, constants, tmp_path))


def test_softmax_is_a_gradient(tmp_path: Path) -> None:
    found = blocks([node("Gemm", "x w", "z"), node("Softmax", "z", axis=-1)], {"w": normal(4, 3)}, tmp_path)
    assert found[-1].kind == "softmax"
    assert found[-1].exactness.value == "exact gradient"
    assert found[-1].hamiltonian == "∇ of |p|² solution"


def test_every_node_is_in_a_block(tmp_path: Path) -> None:
    found = residual(tmp_path)
    covered = sorted(i for block in found if not block.kind.startswith("residual") for i in block.nodes)
    assert covered == list(range(1, covered[-1] + 1))


def test_a_constant_is_a_block() -> None:
    builder = CircuitBuilder(1)
    assert kinds(describe_blocks(builder.build(builder.affine([], [2.0])))) == ["constant"]


def test_blocks_of_circuits_given_as_arrays() -> None:
    circuit = tropixc.from_arrays([([[1.0], [-1.0]], [0.0, 0.0], ("lse", 0.1, 2))])
    assert [(block.kind, block.temperature) for block in describe_blocks(circuit)] == [("LSE", 0.1)]

"""Circuit → ONNX: the network, or its tropical limit, as a model that other runtimes execute."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from onnx import TensorProto, helper

from tropix.arrays import FloatArray
from tropix.circuits import Affine, Circuit, Gibbs, Input, LogSumExp, Node, Pointwise, Product
from tropix.errors import InvalidInput
from tropixc.lowerings._files import write_atomically
from tropixc.lowerings._needed import needed
from tropixc.lowerings._onnx_affine import affine_map
from tropixc.lowerings._onnx_graph import OnnxGraph
from tropixc.lowerings._relu import relu_arguments

Precision = Literal["float32", "float64"]
DEFAULT_OPSET = 18
OLDEST_OPSET = 13
COLD = 2.0**-20
"""Below this temperature z/ε might overflow where z does not, so the maximum is subtracted first."""
ERF_POINTS = 24
"""Gauss–Legendre points with which erf errs by 3.2 units of 2⁻⁵³ at most on [−6, 6]; beyond, it rounds to ±1."""


def to_onnx(
    circuit: Circuit,
    *,
    dtype: Precision = "float32",
    opset: int = DEFAULT_OPSET,
    input_name: str = "x",
    output_name: str = "y",
) -> onnx.ModelProto:
    """The circuit as an ONNX model from (batch, d) to (batch, m) with a symbolic batch.

    Weights are rounded to ``dtype``. Temperature 0 becomes Relu or ReduceMax: `Circuit.limit` is a max network.
    ⊕_ε is ε·ReduceLogSumExp(z/ε), Gibbs weights are Softmax(z/ε), which do not overflow. Large sparse matrices
    become Gather, Mul and ReduceSum. Only operators that onnxruntime runs in both types are used; erf in float64, for
    which it has none, is (2x/√π) ∫_0^1 e^{−(xt)²} dt by a Gauss–Legendre rule whose own error is below rounding.

    Raises `Unsupported`, naming the node, where a number leaves the type or the model would be too large, and
    `InvalidInput` for other types, opsets or names.
    """
    if dtype not in ("float32", "float64"):
        raise InvalidInput(f"dtype {dtype!r}: expected 'float32' or 'float64'")
    if not OLDEST_OPSET <= opset <= onnx.defs.onnx_opset_version():
        raise InvalidInput(f"opset {opset}: expected {OLDEST_OPSET} to {onnx.defs.onnx_opset_version()}")
    names = (input_name, output_name)
    if not all(name and name.isprintable() for name in names) or input_name == output_name:
        raise InvalidInput(f"names {input_name!r} and {output_name!r}: expected two different, printable ones")
    graph = OnnxGraph(dtype, opset, names)
    values: dict[int, str] = {0: input_name}
    positions = needed(circuit)
    relus = relu_arguments(circuit, positions)
    inside = {circuit.nodes[position].sources[0] for position in relus}
    for position in positions:
        if position in inside:
            continue
        graph.enter(circuit.names[position])
        if position in relus:
            values[position] = graph.apply("Relu", affine_map(graph, relus[position], values))
        else:
            values[position] = _node(graph, circuit.nodes[position], values)
    graph.enter("output")
    graph.nodes.append(helper.make_node("Identity", [values[circuit.output]], [output_name], name="output"))
    kind = TensorProto.FLOAT if dtype == "float32" else TensorProto.DOUBLE
    proto = helper.make_graph(
        graph.nodes,
        "circuit",
        [helper.make_tensor_value_info(input_name, kind, ["batch", circuit.input_size])],
        [helper.make_tensor_value_info(output_name, kind, ["batch", circuit.output_size])],
        graph.initializers,
    )
    imports = [helper.make_opsetid("", opset)]
    version = max(8, helper.find_min_ir_version_for(imports, ignore_unknown=True))
    return helper.make_model(proto, producer_name="tropix", opset_imports=imports, ir_version=version)


def write_onnx(
    circuit: Circuit,
    path: str | Path,
    *,
    dtype: Precision = "float32",
    opset: int = DEFAULT_OPSET,
    input_name: str = "x",
    output_name: str = "y",
) -> None:
    """Write :func:`to_onnx` to a file, whole or not at all."""
    model = to_onnx(circuit, dtype=dtype, opset=opset, input_name=input_name, output_name=output_name)
    write_atomically(path, model.SerializeToString())


def _node(graph: OnnxGraph, node: Node, values: Mapping[int, str]) -> str:
    match node:
        case Affine():
            return affine_map(graph, node, values)
        case LogSumExp() | Gibbs():
            return _segments(graph, node, values[node.source])
        case Product():
            return graph.apply("Mul", values[node.left], values[node.right])
        case Pointwise(function="erf") if graph.dtype == np.float64:
            return _erf_in_double(graph, values[node.source], node.size)
        case Pointwise():
            return graph.apply(node.function.capitalize(), values[node.source])
        case Input():
            raise AssertionError("the input is node 0, and never visited")


def _segments(graph: OnnxGraph, node: LogSumExp | Gibbs, source: str) -> str:
    """⊕_ε or softmax of each segment; segments of one width are computed together, as (batch, segments, width)."""
    if node.eps > 0 and np.float64(node.eps).astype(graph.dtype) < np.finfo(graph.dtype).tiny:
        graph.refuse(f"temperature {node.eps!r} is no normal {graph.dtype}: export in float64, or the limit")
    size = int(node.segments[-1])
    parts = []
    for width in np.unique(node.widths).tolist():
        chosen = np.flatnonzero(node.widths == width)
        entries = (node.segments[chosen][:, None] + np.arange(width)).ravel()
        columns = graph.columns(source, entries, size)
        if isinstance(node, LogSumExp):
            parts.append((columns if width == 1 else _reduced(graph, columns, node.eps, len(chosen), width), chosen))
        else:
            parts.append((_weights(graph, columns, node.eps, len(chosen), width), entries))
    return graph.gathered(parts)


def _reduced(graph: OnnxGraph, value: str, eps: float, count: int, width: int) -> str:
    logits = graph.reshape(value, count, width)
    if eps == 0.0:
        return graph.reduce("ReduceMax", logits, keepdims=False)
    scale = graph.number(eps, "eps")
    if eps >= COLD:
        total = graph.reduce("ReduceLogSumExp", graph.apply("Div", logits, scale), keepdims=False)
        return graph.apply("Mul", total, scale)
    top = graph.reduce("ReduceMax", logits, keepdims=True)
    shifted = graph.apply("Div", graph.apply("Sub", logits, top), scale)
    total = graph.reduce("ReduceLogSumExp", shifted, keepdims=True)
    return graph.reshape(graph.apply("Add", graph.apply("Mul", total, scale), top), count)


def _weights(graph: OnnxGraph, value: str, eps: float, count: int, width: int) -> str:
    logits = graph.reshape(value, count, width)
    if eps >= COLD:
        weights = graph.apply("Softmax", graph.apply("Div", logits, graph.number(eps, "eps")), axis=2)
        return graph.reshape(weights, count * width)
    top = graph.reduce("ReduceMax", logits, keepdims=True)
    if eps > 0.0:
        shifted = graph.apply("Div", graph.apply("Sub", logits, top), graph.number(eps, "eps"))
        weights = graph.apply("Softmax", shifted, axis=2)
    else:
        kind = TensorProto.FLOAT if graph.dtype == np.float32 else TensorProto.DOUBLE
        maximal = graph.apply("Cast", graph.apply("Equal", logits, top), to=kind)
        weights = graph.apply("Div", maximal, graph.reduce("ReduceSum", maximal, keepdims=True))
    return graph.reshape(weights, count * width)


def _erf_in_double(graph: OnnxGraph, value: str, size: int) -> str:
    """(2x/√π) Σ_k w_k e^{−(x t_k)²}, x cut to [−6, 6]: all terms are positive, so no digits cancel."""
    nodes, weights = _quadrature()
    cut = graph.apply("Clip", value, graph.number(-6.0, "lower"), graph.number(6.0, "upper"))
    scaled = graph.apply("Mul", graph.reshape(cut, size, 1), graph.number(nodes, "points"))
    bell = graph.apply("Exp", graph.apply("Neg", graph.apply("Mul", scaled, scaled)))
    mean = graph.apply("MatMul", bell, graph.number(weights[:, None], "quadrature"))
    return graph.apply("Mul", cut, graph.reshape(mean, size))


@cache
def _quadrature() -> tuple[FloatArray, FloatArray]:
    """Points in [0, 1] and weights times 2/√π, correctly rounded; NumPy's own are off by 20 units."""
    from sympy import pi, sqrt
    from sympy.integrals.quadrature import gauss_legendre

    nodes, weights = gauss_legendre(ERF_POINTS, 25)
    root = sqrt(pi).evalf(25)
    return np.array([float((t + 1) / 2) for t in nodes]), np.array([float(w / root) for w in weights])

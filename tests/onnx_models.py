"""Small ONNX models for the tests, and onnxruntime as the oracle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

KINDS = {np.float32: TensorProto.FLOAT, np.float64: TensorProto.DOUBLE}
Floats = np.ndarray[Any, np.dtype[Any]]


def model(
    nodes: Sequence[onnx.NodeProto],
    constants: dict[str, Any] | None = None,
    *,
    shape: Sequence[int | str] = ("batch", 4),
    opset: int = 20,
    dtype: type = np.float64,
    output: str = "y",
) -> onnx.ModelProto:
    """A model with input x and one output; constants are cast to the model's type unless they are integers."""
    arrays = {}
    for name, value in (constants or {}).items():
        array = np.asarray(value)
        arrays[name] = array if array.dtype.kind in "ib" else array.astype(dtype)
    graph = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info("x", KINDS[dtype], list(shape))],
        [helper.make_tensor_value_info(output, KINDS[dtype], None)],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=min(10, 3 + opset))
    return with_output_shape(proto)


def with_output_shape(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Fill in the output's shape, which a valid model needs, where inference finds it; one unknown axis elsewhere."""
    output = proto.graph.output[0]
    kind = output.type.tensor_type
    try:
        found = onnx.shape_inference.infer_shapes(proto, data_prop=True).graph.output[0].type.tensor_type
    except onnx.shape_inference.InferenceError:
        found = kind
    kind.shape.CopyFrom(found.shape)
    return proto


def save(proto: onnx.ModelProto, path: Path) -> Path:
    path.write_bytes(proto.SerializeToString())
    return path


def node(kind: str, inputs: str, output: str = "y", **attributes: Any) -> Any:
    """A node by its operator, its inputs and outputs (separated by blanks; "-" is an omitted input)."""
    names = ["" if name == "-" else name for name in inputs.split()]
    return helper.make_node(kind, names, output.split(), name=f"{kind}/{output.split()[0]}", **attributes)


def axes(values: list[int]) -> dict[str, Any]:
    return {"axes": np.array(values, dtype=np.int64)}


def ints(*values: int) -> Any:
    return np.array(values, dtype=np.int64)


@dataclass(frozen=True)
class Case:
    """Nodes from x to y, run at several opsets; points are normal unless ``positive``."""

    nodes: list[Any]
    constants: dict[str, Any] = field(default_factory=dict)
    opsets: tuple[int, ...] = (13, 20)
    shape: tuple[int | str, ...] = ("batch", 4)
    positive: bool = False
    only: type | None = None


def reference(path: Path, points: Floats) -> Floats:
    """The model at points by ONNX's reference implementation, where onnxruntime has no kernel."""
    from onnx.reference import ReferenceEvaluator

    results = ReferenceEvaluator(str(path)).run(None, {"x": points})
    return np.asarray(results[0], dtype=np.float64).reshape(len(points), -1)  # type: ignore[index]


def run(path: Path, points: Floats) -> Floats:
    """The model at points, by onnxruntime, one row a point."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    result = np.asarray(session.run(None, {"x": points})[0], dtype=np.float64)
    return result.reshape(len(points), -1)

"""Nodes without computed inputs: evaluated once by ONNX's reference implementation, in the model's own precision."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from onnx import NodeProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from tropix.errors import FormatError, Unsupported
from tropixc.frontends.onnx._file import MAX_ELEMENTS, describe
from tropixc.frontends.onnx._values import Constant

SAME_SIZE = {
    "Abs", "Cast", "Ceil", "Exp", "Flatten", "Floor", "Identity", "LeakyRelu", "Log", "LogSoftmax", "Neg", "Reciprocal",
    "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "Relu", "Reshape", "Shape",
    "Sigmoid", "Slice", "Softmax", "Softplus", "Sqrt", "Squeeze", "Tanh", "Transpose", "Unsqueeze",
}  # fmt: skip
"""Operators whose result is at most as large as their first input."""
BROADCASTING = {"Add", "Clip", "Div", "Max", "Min", "Mul", "Pow", "Sub", "Sum"}
FOLDABLE = SAME_SIZE | BROADCASTING | {"Concat", "Constant", "Gather", "MatMul"}


def fold(node: NodeProto, inputs: list[Constant | None], opset: int) -> Constant:
    """The node's value; the size of the result is bounded before it is computed."""
    if node.op_type == "Constant":
        return _constant(node)
    size = _result_size(node, [value for value in inputs if value is not None])
    if size > MAX_ELEMENTS:
        raise FormatError(f"{describe(node)} would compute a constant of {size} elements, more than {MAX_ELEMENTS}")
    feeds: dict[str, Constant] = {
        str(name): value for name, value in zip(node.input, inputs, strict=True) if value is not None
    }
    types = {name: helper.np_dtype_to_tensor_dtype(value.dtype) for name, value in feeds.items()}
    graph = helper.make_graph(
        [node],
        "constant",
        [helper.make_tensor_value_info(name, types[name], value.shape) for name, value in feeds.items()],
        [helper.make_empty_tensor_value_info(node.output[0])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    try:
        with np.errstate(all="ignore"):
            results: Any = ReferenceEvaluator(model).run([node.output[0]], feeds)
    except Exception as error:
        raise FormatError(f"{describe(node)} cannot be computed from its constant inputs: {error}") from None
    return np.asarray(results[0])


def _constant(node: NodeProto) -> Constant:
    for attribute in node.attribute:
        if attribute.name == "value":
            return numpy_helper.to_array(attribute.t)
        if attribute.name in ("value_float", "value_floats"):
            return np.array(helper.get_attribute_value(attribute), dtype=np.float32)
        if attribute.name in ("value_int", "value_ints"):
            return np.array(helper.get_attribute_value(attribute), dtype=np.int64)
    raise Unsupported(f"{describe(node)}: only dense numeric constants are supported")


def _result_size(node: NodeProto, inputs: list[Constant]) -> int:
    shapes = [value.shape for value in inputs]
    if not shapes:
        raise FormatError(f"{describe(node)} has no inputs")
    try:
        if node.op_type in BROADCASTING:
            return math.prod(np.broadcast_shapes(*shapes))
        if node.op_type == "MatMul":
            return math.prod(shapes[0][:-1]) * math.prod(shapes[1][-1:])
        if node.op_type == "Gather":
            return math.prod(shapes[0]) * math.prod(shapes[1])
    except (ValueError, IndexError):
        raise FormatError(f"{describe(node)}: shapes {shapes} do not fit") from None
    return sum(math.prod(shape) for shape in shapes)

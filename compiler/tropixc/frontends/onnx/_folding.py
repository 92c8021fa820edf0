"""Nodes without computed inputs: evaluated once by ONNX's reference implementation, in the model's own precision."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from onnx import NodeProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from tropix.errors import FormatError, Unsupported
from tropixc.frontends.onnx._file import describe
from tropixc.frontends.onnx._values import Constant

MAX_FOLDED = 10_000_000
"""Largest number of elements of a computed constant, unless an input is larger."""
MAX_PRODUCTS = 10_000_000_000
"""Largest number of multiplications in one product of constants."""
SAME_SIZE = {
    "ArgMax", "BatchNormalization", "Cast", "Ceil", "Flatten", "Floor", "Identity", "LeakyRelu", "LogSoftmax",
    "ReduceL1", "ReduceL2", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum",
    "Reshape", "Round", "Shape", "Size", "Slice", "Softmax", "Split", "Squeeze", "Transpose", "Trilu", "Unsqueeze",
}  # fmt: skip
"""Operators whose results are together at most as large as their inputs."""
ELEMENTWISE = {
    "Abs", "Celu", "Elu", "Erf", "Exp", "Gelu", "HardSigmoid", "HardSwish", "Log", "Mish", "Neg", "Not", "Reciprocal",
    "Relu", "Selu", "Sigmoid", "Sign", "Softplus", "Softsign", "Sqrt", "Swish", "Tanh",
}  # fmt: skip
BROADCASTING = {
    "Add", "And", "Clip", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Mean", "Min",
    "Mod", "Mul", "Or", "PRelu", "Pow", "Sub", "Sum", "Where", "Xor",
}  # fmt: skip
ENTRYWISE = ELEMENTWISE | BROADCASTING | {"Cast", "Identity"}
"""Operators that treat the rows of a batch alike and apart."""
SIZED = {"Concat", "Constant", "ConstantOfShape", "Expand", "Gather", "Gemm", "MatMul", "Pad", "Range", "Tile"}
FOLDABLE = SAME_SIZE | ELEMENTWISE | BROADCASTING | SIZED


def fold(node: NodeProto, inputs: list[Constant | None], opset: int) -> list[Constant]:
    """The node's values; the size of the result is bounded before it is computed."""
    if node.op_type == "Constant":
        return [_constant(node)]
    given = [value for value in inputs if value is not None]
    size, limit = _result_size(node, given), max(MAX_FOLDED, *(value.size for value in given), 0)
    if size > limit:
        raise FormatError(f"{describe(node)} would compute a constant of {size} elements, more than {limit}")
    if node.op_type in ("MatMul", "Gemm") and size * given[0].size > MAX_PRODUCTS * max(given[0].shape[:1], default=1):
        raise FormatError(f"{describe(node)} would multiply constants with more than {MAX_PRODUCTS} products")
    if node.op_type in ("Softmax", "LogSoftmax") and opset < 13:
        return [_old_softmax(node, given[0])]
    feeds: dict[str, Constant] = {
        str(name): value for name, value in zip(node.input, inputs, strict=True) if value is not None
    }
    types = {name: helper.np_dtype_to_tensor_dtype(value.dtype) for name, value in feeds.items()}
    graph = helper.make_graph(
        [node],
        "constant",
        [helper.make_tensor_value_info(name, types[name], value.shape) for name, value in feeds.items()],
        [helper.make_empty_tensor_value_info(name) for name in node.output],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    try:
        with np.errstate(all="ignore"):
            results: Any = ReferenceEvaluator(model).run(list(node.output), feeds)
    except Exception as error:
        raise FormatError(f"{describe(node)} cannot be computed from its constant inputs: {error}") from None
    return [np.asarray(result) for result in results]


def _old_softmax(node: NodeProto, values: Constant) -> Constant:
    """Softmax before opset 13: over ``axis`` and all axes behind it together."""
    axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 1)
    if not -values.ndim <= axis <= values.ndim:
        raise FormatError(f"{describe(node)}: axis {axis} of a tensor with {values.ndim} axes")
    rows = math.prod(values.shape[: axis % values.ndim if axis < 0 else axis])
    flat = helper.make_node(node.op_type, ["x"], ["y"], name=node.name, axis=1)
    return fold(flat, [values.reshape(rows, -1)], 13)[0].reshape(values.shape)


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
        if node.op_type in SIZED:
            return _sized(node.op_type, inputs)
    except (ValueError, IndexError, TypeError, OverflowError):
        raise FormatError(f"{describe(node)}: inputs of shapes {shapes} do not fit") from None
    return sum(math.prod(shape) for shape in shapes)


def _sized(kind: str, inputs: list[Constant]) -> int:
    """The size of a result that depends on the values of some inputs."""
    first, numbers = inputs[0], [int(value) for value in inputs[1].ravel()[:100]] if len(inputs) > 1 else []
    match kind:
        case "Gemm":
            return int(max(first.shape)) * int(max(inputs[1].shape))
        case "MatMul":
            return math.prod(first.shape[:-1]) * math.prod(inputs[1].shape[-1:]) * math.prod(inputs[1].shape[:-2])
        case "Gather":
            return math.prod(first.shape) * math.prod(inputs[1].shape)
        case "ConstantOfShape":
            return math.prod(max(int(size), 0) for size in first.ravel()[:100])
        case "Expand":
            return math.prod(np.broadcast_shapes(first.shape, tuple(max(size, 0) for size in numbers)))
        case "Tile":
            return math.prod(first.shape) * math.prod(max(times, 0) for times in numbers)
        case "Pad":
            return math.prod(size + sum(map(abs, numbers)) for size in first.shape)
        case "Range":
            start, limit, step = (float(value.ravel()[0]) for value in inputs)
            return int(max((limit - start) / step, 0)) + 1 if step else 0
    return sum(math.prod(value.shape) for value in inputs)

"""The rules of the ONNX operators: one function each, registered by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp
from onnx import NodeProto, TensorProto, helper

from tropix.arrays import FloatArray
from tropix.circuits import CircuitBuilder, Gibbs, Matrix, uniform_segments
from tropix.errors import FormatError, Unsupported
from tropixc.frontends.onnx._file import describe
from tropixc.frontends.onnx._values import (
    Comparison,
    Constant,
    Exponential,
    Scaled,
    Softplus,
    Tensor,
    Value,
    combine,
    contiguous,
    join,
    ordinary,
    reduce_axes,
    reduction,
    whole,
)


@dataclass(frozen=True)
class Call:
    """One operator application: the node, its inputs (None where omitted), and where to write nodes."""

    node: NodeProto
    inputs: list[Value | None]
    builder: CircuitBuilder
    opset: int
    batched: bool
    unit_roundoff: float
    notes: list[str]

    @property
    def name(self) -> str:
        """Name for the circuit nodes that come of it."""
        return str(self.node.name or self.node.output[0])

    @property
    def what(self) -> str:
        """The node, as error messages name it."""
        return describe(self.node)

    def attribute(self, name: str, default: Any) -> Any:
        """An attribute's value, or the default of the operator's specification."""
        for attribute in self.node.attribute:
            if attribute.name == name:
                return helper.get_attribute_value(attribute)
        return default

    def input(self, index: int) -> Value:
        """A required input."""
        if index >= len(self.inputs) or (value := self.inputs[index]) is None:
            raise FormatError(f"{self.what} lacks its input {index}")
        return value

    def optional(self, index: int) -> Value | None:
        """An input that may be omitted."""
        return self.inputs[index] if index < len(self.inputs) else None

    def tensor(self, index: int) -> Tensor:
        """A required input that depends on the model's input."""
        return ordinary(self.input(index), self.what)

    def constant(self, index: int) -> Constant:
        """A required input that must be constant."""
        value = self.input(index)
        if not isinstance(value, np.ndarray):
            raise Unsupported(f"{self.what}: input {index} must be a constant, but it depends on the model's input")
        return value

    def weights(self, value: Constant) -> FloatArray:
        """A constant as float64, without NaN or infinities."""
        array = np.asarray(value, dtype=np.float64)
        if not np.isfinite(array).all():
            kind = "NaN" if np.isnan(array).any() else "an infinity"
            raise FormatError(f"{self.what} has {kind} among its constants: only finite weights are supported")
        return array

    def axes(self, rank: int, since: int) -> tuple[int, ...]:
        """The axes of a reduction: an attribute before opset ``since``, an input from then on; all by default."""
        given: Any = self.attribute("axes", None) if self.opset < since else self.optional(1)
        if given is None or (isinstance(given, (list, np.ndarray)) and len(given) == 0):
            if self.attribute("noop_with_empty_axes", 0):
                raise Unsupported(f"{self.what}: noop_with_empty_axes without axes is not supported")
            axes = tuple(range(rank))
        else:
            if not isinstance(given, (list, np.ndarray)):
                raise Unsupported(f"{self.what}: axes must be constant")
            axes = tuple(sorted({self.axis(int(axis), rank) for axis in given}))
        if self.batched and 0 in axes:
            raise Unsupported(f"{self.what} reduces over the batch axis: rows must stay independent")
        return axes

    def axis(self, axis: int, rank: int) -> int:
        """An axis in range, counted from the front."""
        if not -rank <= axis < rank:
            raise FormatError(f"{self.what}: axis {axis} of a tensor with {rank} axes")
        return axis % rank

    def shape_with(self, *values: Value) -> tuple[int, ...]:
        """The broadcast shape of the values."""
        try:
            return np.broadcast_shapes(*(value.shape for value in values))
        except ValueError:
            shapes = " and ".join(str(value.shape) for value in values)
            raise FormatError(f"{self.what}: shapes {shapes} do not broadcast") from None


Rule: TypeAlias = Callable[[Call], Value]
RULES: dict[str, Rule] = {}


def _rule(*names: str) -> Callable[[Rule], Rule]:
    def register(rule: Rule) -> Rule:
        for name in names:
            RULES[name] = rule
        return rule

    return register


# -- elementwise arithmetic -------------------------------------------------------------------------------------------


def _is_constant(value: Value) -> bool:
    return isinstance(value, np.ndarray)


def _signed_sum(call: Call, values: list[Value], signs: list[float]) -> Value:
    shape = call.shape_with(*values)
    parts: list[tuple[Tensor, FloatArray | float]] = []
    bias = np.zeros(shape)
    for value, sign in zip(values, signs, strict=True):
        if isinstance(value, np.ndarray):
            bias = bias + sign * call.weights(value)
        else:
            parts.append((ordinary(value, call.what), sign))
    return combine(call.builder, parts, bias, shape, call.name)


@_rule("Add", "Sum")
def _add(call: Call) -> Value:
    values = [call.input(i) for i in range(len(call.inputs))]
    if any(isinstance(value, Exponential) and value.value is None for value in values):
        logs: list[Tensor | Constant] = [_logarithm(call, value) for value in values]
        call.shape_with(*values)
        return Exponential(join(call.builder, logs, 1.0, call.name))
    return _signed_sum(call, values, [1.0] * len(values))


@_rule("Sub")
def _sub(call: Call) -> Value:
    return _signed_sum(call, [call.input(0), call.input(1)], [1.0, -1.0])


@_rule("Neg")
def _neg(call: Call) -> Value:
    return _signed_sum(call, [call.tensor(0)], [-1.0])


def _logarithm(call: Call, value: Value) -> Tensor | Constant:
    """The logarithm of a positive operand of an exponential."""
    if isinstance(value, Exponential):
        return value.log
    if isinstance(value, np.ndarray) and (call.weights(value) > 0).all():
        return np.log(np.asarray(value, dtype=np.float64))
    raise Unsupported(f"{call.what}: an exponential can be combined with exponentials and positive constants only")


def _scaled(call: Call, value: Value, factor: FloatArray) -> Value:
    shape = call.shape_with(value, factor)
    if isinstance(value, Exponential) and value.value is None:
        log = np.asarray(_logarithm(call, factor))
        return Exponential(combine(call.builder, [(value.log, 1.0)], log, shape, call.name))
    tensor = ordinary(value, call.what)
    product = combine(call.builder, [(tensor, factor)], 0.0, shape, call.name)
    return replace(product, origin=Scaled(tensor, float(factor.ravel()[0]))) if factor.size == 1 else product


@_rule("Mul")
def _mul(call: Call) -> Value:
    left, right = call.input(0), call.input(1)
    if isinstance(right, np.ndarray):
        return _scaled(call, left, call.weights(right))
    if isinstance(left, np.ndarray):
        return _scaled(call, right, call.weights(left))
    shape = call.shape_with(left, right)
    if isinstance(left, Exponential) and isinstance(right, Exponential):
        return Exponential(combine(call.builder, [(left.log, 1.0), (right.log, 1.0)], 0.0, shape, call.name))
    raise Unsupported(f"{call.what} multiplies two computed tensors: only products with constants are supported")


@_rule("Div")
def _div(call: Call) -> Value:
    left, right = call.input(0), call.input(1)
    if isinstance(right, np.ndarray):
        divisor = call.weights(right)
        if (divisor == 0).any():
            raise FormatError(f"{call.what} divides by zero")
        return _scaled(call, left, np.asarray(1.0 / divisor))
    shape = call.shape_with(left, right)
    if isinstance(left, Exponential) and isinstance(right, Exponential):
        log = combine(call.builder, [(left.log, 1.0), (right.log, -1.0)], 0.0, shape, call.name)
        value = None
        if right.summed is left and left.shape == shape:
            value = _gibbs_of_sum(call, left.log, right.log)
        return Exponential(log, value=value)
    raise Unsupported(f"{call.what} divides by a computed tensor: only softmax quotients and constants are supported")


def _gibbs_of_sum(call: Call, logits: Tensor, total: Tensor) -> Tensor | None:
    """Gibbs weights, where the sum ran over one axis that was kept."""
    if len(total.shape) != len(logits.shape):
        return None
    summed = [a for a, (n, m) in enumerate(zip(logits.shape, total.shape, strict=True)) if n != m]
    return _gibbs(call, logits, tuple(summed)) if summed else None


# -- linear maps ------------------------------------------------------------------------------------------------------


def _linear(call: Call, tensor: Tensor, matrix: FloatArray, bias: FloatArray) -> Tensor:
    """The last axis times a constant: matrix (m, k), bias broadcast to (…, m)."""
    *leading, width = tensor.shape
    if matrix.shape[1] != width:
        raise FormatError(f"{call.what}: a last axis of {width} meets a matrix of {matrix.shape[1]} columns")
    shape = (*leading, matrix.shape[0])
    groups = int(np.prod(leading))
    source = contiguous(call.builder, tensor, f"{call.name}/order")
    full: Matrix = matrix if groups == 1 else sp.kron(sp.eye_array(groups), sp.csr_array(matrix), format="csr")
    constant = np.broadcast_to(bias, shape).ravel()
    return whole(call.builder, call.builder.affine([(source, full)], constant, call.name), shape)


@_rule("Gemm")
def _gemm(call: Call) -> Value:
    if call.attribute("transA", 0):
        raise Unsupported(f"{call.what}: transA = 1 mixes the batch: only transA = 0 is supported")
    matrix = call.weights(call.constant(1))
    if matrix.ndim != 2:
        raise FormatError(f"{call.what}: weights of shape {matrix.shape}, expected a matrix")
    matrix = matrix if call.attribute("transB", 0) else matrix.T
    alpha, beta = float(call.attribute("alpha", 1.0)), float(call.attribute("beta", 1.0))
    tensor = call.tensor(0)
    if len(tensor.shape) != 2:
        raise FormatError(f"{call.what}: input of shape {tensor.shape}, expected (batch, features)")
    bias = np.zeros(1)
    if call.optional(2) is not None:
        bias = call.weights(call.constant(2))
        try:
            np.broadcast_shapes(bias.shape, (1, len(matrix)))
        except ValueError:
            raise FormatError(f"{call.what}: bias {bias.shape} does not fit {len(matrix)} outputs") from None
    product = _linear(call, tensor, matrix, bias if alpha == beta == 1.0 else np.zeros(1))
    if alpha == beta == 1.0:
        return product
    # alpha·(A v) + beta·c in two steps, so that no weight is rounded here
    return combine(call.builder, [(product, alpha)], beta * bias, product.shape, f"{call.name}/scale")


@_rule("MatMul")
def _matmul(call: Call) -> Value:
    if _is_constant(call.input(0)):
        raise Unsupported(f"{call.what}: constant times tensor: only tensor times constant matrix is supported")
    if not _is_constant(call.input(1)):
        raise Unsupported(f"{call.what} multiplies two computed tensors: only products with constants are supported")
    matrix = call.weights(call.constant(1))
    if matrix.ndim != 2:
        raise Unsupported(f"{call.what}: weights of shape {matrix.shape}: only matrices are supported")
    return _linear(call, call.tensor(0), matrix.T, np.zeros(1))


@_rule("ReduceSum", "ReduceMean")
def _reduce_sum(call: Call) -> Value:
    mean = call.node.op_type == "ReduceMean"
    value = call.input(0)
    keepdims = bool(call.attribute("keepdims", 1))
    axes = call.axes(len(value.shape), 18 if mean else 13)
    if isinstance(value, Exponential) and value.value is None:
        if mean:
            raise Unsupported(f"{call.what}: the mean of exponentials is not supported: use ReduceSum")
        return Exponential(reduce_axes(call.builder, value.log, axes, keepdims, 1.0, call.name), summed=value)
    groups, shape = reduction(ordinary(value, call.what), axes, keepdims)
    count, width = groups.shape
    weight = 1.0 / width if mean else 1.0
    entries = (np.full(count * width, weight), (np.repeat(np.arange(count), width), groups.index.ravel()))
    matrix = sp.csr_array(entries, shape=(count, call.builder.size(groups.source)))
    return whole(call.builder, call.builder.affine([(groups.source, matrix)], np.zeros(count), call.name), shape)


# -- maxima, log-sum-exp, softmax -------------------------------------------------------------------------------------


@_rule("Relu")
def _relu(call: Call) -> Value:
    return _with_zero(call, 0.0)


@_rule("Softplus")
def _softplus(call: Call) -> Value:
    return replace(_with_zero(call, 1.0), origin=Softplus(call.tensor(0)))


@_rule("Greater")
def _greater(call: Call) -> Value:
    left = call.tensor(0)
    return Comparison(left, call.constant(1), call.shape_with(left, call.constant(1)))


SAFE_THRESHOLD = 17.0
"""log(1 + e^{-z}) < 2⁻²⁴ for z beyond it: in float32, softplus(z) rounds to z there."""


@_rule("Where")
def _where(call: Call) -> Value:
    """Softplus as torch writes it, z where beta*z > 20 and log(1 + exp(beta*z))/beta elsewhere; nothing else."""
    condition, above, below = call.input(0), call.input(1), call.input(2)
    if isinstance(condition, Comparison) and isinstance(above, Tensor) and isinstance(below, Tensor):
        factor = _softplus_factor(condition.left, above, below)
        threshold = float(condition.right.min()) if condition.right.size else 0.0
        if factor is not None and threshold >= SAFE_THRESHOLD and call.unit_roundoff >= 2.0**-24:
            gap = np.log1p(np.exp(-threshold)) * factor
            call.notes.append(
                f"{call.what}: a softplus that switches to the identity above {threshold:g} is read as softplus; "
                f"in real arithmetic they differ by at most {gap:.2g}, in float32 not at all"
            )
            return below
    raise Unsupported(
        f"{call.what}: only softplus with a threshold, as torch exports it in float32, is supported "
        "(Where(beta*z > 20, z, softplus(beta*z)/beta))"
    )


def _softplus_factor(compared: Tensor, above: Tensor, below: Tensor) -> float | None:
    """1/beta if ``below`` is softplus(beta*z)/beta, ``above`` is z and ``compared`` is beta*z; else None."""
    if isinstance(below.origin, Softplus):
        return 1.0 if below.origin.of.same(compared) and above.same(compared) else None
    if not isinstance(below.origin, Scaled) or not isinstance(below.origin.of.origin, Softplus):
        return None
    scaled = compared.origin
    if not isinstance(scaled, Scaled) or not below.origin.of.origin.of.same(compared) or not above.same(scaled.of):
        return None
    factor = below.origin.factor
    return factor if factor > 0 and abs(factor * scaled.factor - 1) < 1e-6 else None


@_rule("LeakyRelu")
def _leaky_relu(call: Call) -> Value:
    slope = float(call.attribute("alpha", 0.01))
    if not 0 <= slope < 1:
        raise Unsupported(f"{call.what}: slope {slope}: only 0 <= alpha < 1 is a maximum of two lines")
    return _with_zero(call, 0.0, slope)


def _with_zero(call: Call, eps: float, slope: float = 0.0) -> Tensor:
    tensor = call.tensor(0)
    source = contiguous(call.builder, tensor, f"{call.name}/order")
    return whole(call.builder, call.builder.pairs_with_zero(source, eps, slope, call.name), tensor.shape)


@_rule("Max")
def _max(call: Call) -> Value:
    values = [call.input(i) for i in range(len(call.inputs))]
    call.shape_with(*values)
    operands: list[Tensor | Constant] = [
        call.weights(value) if isinstance(value, np.ndarray) else ordinary(value, call.what) for value in values
    ]
    return join(call.builder, operands, 0.0, call.name)


@_rule("ReduceMax")
def _reduce_max(call: Call) -> Value:
    tensor = call.tensor(0)
    axes = call.axes(len(tensor.shape), 18)
    return reduce_axes(call.builder, tensor, axes, bool(call.attribute("keepdims", 1)), 0.0, call.name)


@_rule("ReduceLogSumExp")
def _reduce_log_sum_exp(call: Call) -> Value:
    tensor = call.tensor(0)
    axes = call.axes(len(tensor.shape), 18)
    return reduce_axes(call.builder, tensor, axes, bool(call.attribute("keepdims", 1)), 1.0, call.name)


@_rule("Exp")
def _exp(call: Call) -> Value:
    return Exponential(call.tensor(0))


@_rule("Log")
def _log(call: Call) -> Value:
    value = call.input(0)
    if isinstance(value, Exponential):
        return value.log
    raise Unsupported(f"{call.what}: the logarithm of something that is no sum of exponentials has no exact rule")


def _softmax_axes(call: Call, rank: int) -> tuple[int, ...]:
    """The axes that Softmax normalises over: one from opset 13 on, ``axis`` and all behind it before."""
    axis = call.axis(int(call.attribute("axis", -1 if call.opset >= 13 else 1)), rank)
    axes = (axis,) if call.opset >= 13 else tuple(range(axis, rank))
    if call.batched and 0 in axes:
        raise Unsupported(f"{call.what} normalises over the batch axis: rows must stay independent")
    return axes


def _gibbs(call: Call, logits: Tensor, axes: tuple[int, ...]) -> Tensor:
    ordered, _ = reduction(logits, axes, True)
    source = contiguous(call.builder, ordered, f"{call.name}/order")
    segments = uniform_segments(*ordered.shape)
    kept = [axis for axis in range(len(logits.shape)) if axis not in axes]
    position = call.builder.add(Gibbs(source, 1.0, segments), call.name)
    moved = np.arange(logits.index.size).reshape([logits.shape[a] for a in (*kept, *axes)])
    return Tensor(position, moved.transpose(np.argsort([*kept, *axes])))


def _log_softmax_of(call: Call, logits: Tensor, axes: tuple[int, ...]) -> Tensor:
    total = reduce_axes(call.builder, logits, axes, True, 1.0, f"{call.name}/total")
    return combine(call.builder, [(logits, 1.0), (total, -1.0)], 0.0, logits.shape, f"{call.name}/log")


@_rule("Softmax")
def _softmax(call: Call) -> Value:
    logits = call.tensor(0)
    axes = _softmax_axes(call, len(logits.shape))
    return Exponential(_log_softmax_of(call, logits, axes), value=_gibbs(call, logits, axes))


@_rule("LogSoftmax")
def _log_softmax(call: Call) -> Value:
    logits = call.tensor(0)
    return _log_softmax_of(call, logits, _softmax_axes(call, len(logits.shape)))


# -- shapes -----------------------------------------------------------------------------------------------------------


def _reindexed(value: Value, change: Callable[[Any], Any]) -> Value:
    if isinstance(value, Tensor):
        return Tensor(value.source, change(value.index))
    if isinstance(value, Exponential):
        held = None if value.value is None else Tensor(value.value.source, change(value.value.index))
        return Exponential(Tensor(value.log.source, change(value.log.index)), value=held)
    if isinstance(value, Comparison):
        raise Unsupported("comparisons cannot be reshaped")
    return np.asarray(change(value))


@_rule("Identity")
def _identity(call: Call) -> Value:
    return call.input(0)


@_rule("Dropout")
def _dropout(call: Call) -> Value:
    mode = call.optional(2)
    if mode is not None and (not isinstance(mode, np.ndarray) or bool(mode.any())):
        raise Unsupported(f"{call.what} is in training mode: export the model in inference mode")
    return call.input(0)


@_rule("Cast")
def _cast(call: Call) -> Value:
    if int(call.attribute("to", 0)) not in (TensorProto.FLOAT, TensorProto.DOUBLE):
        raise Unsupported(f"{call.what} casts a computed tensor to another type than float32 or float64")
    return call.input(0)


@_rule("Flatten")
def _flatten(call: Call) -> Value:
    value = call.input(0)
    rank = len(value.shape)
    axis = int(call.attribute("axis", 1))
    axis = axis + rank if axis < 0 else axis
    if not 0 <= axis <= rank or (call.batched and axis == 0):
        raise Unsupported(f"{call.what}: axis {axis} of {rank}: the batch axis must stay in front")
    rows = int(np.prod(value.shape[:axis]))
    return _reindexed(value, lambda index: index.reshape(rows, -1))


@_rule("Reshape")
def _reshape(call: Call) -> Value:
    value = call.input(0)
    target = [int(size) for size in call.constant(1).ravel()]
    if not call.attribute("allowzero", 0):
        if any(size == 0 and i >= len(value.shape) for i, size in enumerate(target)):
            raise FormatError(f"{call.what}: shape {target} copies an axis that {value.shape} does not have")
        target = [value.shape[i] if size == 0 else size for i, size in enumerate(target)]
    try:
        return _reindexed(value, lambda index: index.reshape(target))
    except ValueError:
        raise FormatError(
            f"{call.what}: shape {value.shape} does not reshape to {target}; the batch axis counts as 1 "
            "(export with a symbolic batch axis, or a batch of 1)"
        ) from None


@_rule("Transpose")
def _transpose(call: Call) -> Value:
    value = call.input(0)
    order = call.attribute("perm", list(reversed(range(len(value.shape)))))
    if sorted(order) != list(range(len(value.shape))):
        raise FormatError(f"{call.what}: perm {list(order)} is no permutation of {len(value.shape)} axes")
    return _reindexed(value, lambda index: index.transpose(order))


def _listed_axes(call: Call, rank: int) -> list[int] | None:
    given = call.attribute("axes", None) if call.opset < 13 else call.optional(1)
    if given is None:
        return None
    if not isinstance(given, (list, np.ndarray)):
        raise Unsupported(f"{call.what}: axes must be constant")
    return [call.axis(int(axis), rank) for axis in given]


@_rule("Squeeze")
def _squeeze(call: Call) -> Value:
    value = call.input(0)
    axes = _listed_axes(call, len(value.shape))
    chosen = tuple(a for a, size in enumerate(value.shape) if size == 1) if axes is None else tuple(axes)
    if any(value.shape[axis] != 1 for axis in chosen):
        raise FormatError(f"{call.what}: axes {chosen} of shape {value.shape} do not all have length 1")
    if call.batched and 0 in chosen:
        raise Unsupported(f"{call.what} squeezes the batch axis: name the axes")
    return _reindexed(value, lambda index: np.squeeze(index, axis=chosen))


@_rule("Unsqueeze")
def _unsqueeze(call: Call) -> Value:
    value = call.input(0)
    given = call.attribute("axes", None) if call.opset < 13 else call.constant(1)
    axes = [] if given is None else [int(axis) for axis in given]
    rank = len(value.shape) + len(axes)
    chosen = tuple(call.axis(axis, rank) for axis in axes)
    return _reindexed(value, lambda index: np.expand_dims(index, axis=chosen))


@_rule("Shape")
def _shape(call: Call) -> Value:
    return np.array(call.input(0).shape, dtype=np.int64)


SUPPORTED_OPERATORS: tuple[str, ...] = tuple(sorted({*RULES, "Constant"}))

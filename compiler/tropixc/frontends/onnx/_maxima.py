"""Rules of maxima, log-sum-exp and softmax, however exporters write them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tropix.arrays import FloatArray, IntArray
from tropix.errors import FormatError, Unsupported
from tropixc.frontends.onnx._call import Call, rule
from tropixc.frontends.onnx._values import (
    Comparison,
    Constant,
    Exponential,
    Label,
    Scaled,
    Softplus,
    Tensor,
    Value,
    apply,
    assemble,
    combine,
    contiguous,
    gibbs,
    join,
    reduce_axes,
    whole,
)


@rule("Relu", summary="max(z, 0)")
def _relu(call: Call) -> Value:
    return _with_zero(call, 0.0)


@rule("Softplus", summary="log-sum-exp of (z, 0) at ε = 1, rescaled by what surrounds it")
def _softplus(call: Call) -> Value:
    return replace(_with_zero(call, 1.0), origin=Softplus(call.tensor(0)))


@rule("Greater", summary="softplus with a threshold, as torch exports it in float32")
def _greater(call: Call) -> Value:
    left = call.tensor(0)
    return Comparison(left, call.constant(1), call.shape_with(left, call.constant(1)))


SAFE_THRESHOLD = 17.0
"""log(1 + e^{-z}) < 2⁻²⁴ for z beyond it: in float32, softplus(z) rounds to z there."""


@rule("Where", summary="constant conditions (masks, also with -inf); softplus with a threshold, as torch exports it")
def _where(call: Call) -> Value:
    condition, above, below = call.input(0), call.input(1), call.input(2)
    if isinstance(condition, np.ndarray):
        return _selected(call, condition, above, below)
    if isinstance(condition, Comparison) and isinstance(above, Tensor) and isinstance(below, Tensor):
        factor = _softplus_factor(condition.left, above, below)
        threshold = float(condition.right.min()) if condition.right.size else 0.0
        same = call.shape_with(condition, above, below) == below.shape
        if same and factor is not None and threshold >= SAFE_THRESHOLD and call.context.unit_roundoff >= 2.0**-24:
            gap = np.log1p(np.exp(-threshold)) * factor
            call.note(
                f"a softplus that switches to the identity above {threshold:g} is read as softplus; "
                f"in real arithmetic they differ by at most {gap:.2g}, in float32 not at all"
            )
            return below
    raise Unsupported(
        f"{call.what}: only constant conditions and softplus with a threshold, as torch exports it in float32, are "
        "supported (Where(beta*z > 20, z, softplus(beta*z)/beta))"
    )


def _selected(call: Call, condition: Constant, above: Value, below: Value) -> Tensor:
    """Entries of one operand or the other by a constant mask."""
    shape = call.shape_with(condition, above, below)
    mask = np.broadcast_to(np.asarray(condition, dtype=np.bool_), shape).ravel()
    pieces: list[tuple[Tensor | Constant, IntArray]] = []
    for value, places in ((above, np.flatnonzero(mask)), (below, np.flatnonzero(~mask))):
        if isinstance(value, np.ndarray):
            constant = call.weights(value, minus_infinity=True)
            pieces.append((np.broadcast_to(constant, shape).ravel()[places], places))
        else:
            tensor = call.ordinary(value)
            pieces.append((Tensor(tensor.source, np.broadcast_to(tensor.index, shape).ravel()[places]), places))
    return assemble(call.builder, pieces, shape, call.name)


def _softplus_factor(compared: Tensor, above: Tensor, below: Tensor) -> float | None:
    """1/beta if ``below`` is softplus(beta*z)/beta, ``above`` is z and ``compared`` is beta*z; else None."""
    if isinstance(below.origin, Softplus):
        return 1.0 if below.origin.of.same(compared) and above.same(compared) else None
    if not isinstance(below.origin, Scaled) or not isinstance(below.origin.of.origin, Softplus):
        return None
    scaled = compared.origin
    if not isinstance(scaled, Scaled) or not below.origin.of.origin.of.same(compared) or not above.same(scaled.of):
        return None
    # the graph must divide by the very number it multiplied by: a ratio near 1 would be another function
    beta = scaled.factor if scaled.divisor is None else None
    return below.origin.factor if beta is not None and beta > 0 and below.origin.divisor == beta else None


def _with_zero(call: Call, eps: float) -> Tensor:
    tensor = call.tensor(0)
    source = contiguous(call.builder, tensor, f"{call.name}/order")
    return whole(call.builder, call.builder.pairs_with_zero(source, eps, name=call.name), tensor.shape)


def two_lines(call: Call, slope: FloatArray) -> Tensor:
    """X for x ≥ 0 and slope·x below: max(x, slope·x) where slope ≤ 1, min(x, slope·x) elsewhere."""
    tensor = call.tensor(0)
    sign = np.where(slope <= 1, 1.0, -1.0)
    operands: list[tuple[Tensor | Constant, FloatArray | float]] = [(tensor, sign * slope), (tensor, sign)]
    joined = join(call.builder, operands, 0.0, call.name)
    if (sign > 0).all():
        return joined
    return combine(call.builder, [(joined, sign)], 0.0, joined.shape, f"{call.name}/sign")


@rule("LeakyRelu", summary="max(z, alpha z); min for alpha > 1")
def _leaky_relu(call: Call) -> Value:
    return two_lines(call, np.asarray(call.number("alpha", 0.01)))


@rule("PRelu", summary="as LeakyRelu, with constant slopes")
def _prelu(call: Call) -> Value:
    slope = call.weights(call.constant(1))
    tensor = call.tensor(0)
    if call.shape_with(tensor, slope) != tensor.shape:
        raise FormatError(f"{call.what}: slopes of shape {slope.shape} do not fit {tensor.shape}")
    return two_lines(call, slope)


@rule("Abs", summary="max(z, -z)")
def _abs(call: Call) -> Value:
    return two_lines(call, np.asarray(-1.0))


@rule("Max", "Min", summary="maximum, minimum, with broadcasting")
def _max(call: Call) -> Value:
    sign = 1.0 if call.node.op_type == "Max" else -1.0
    values = [call.input(i) for i in range(len(call.inputs))]
    call.shape_with(*values)
    operands: list[tuple[Tensor | Constant, FloatArray | float]] = []
    for value in values:
        if isinstance(value, np.ndarray):
            operands.append((sign * call.weights(value, minus_infinity=sign > 0), 1.0))
        else:
            operands.append((call.ordinary(value), sign))
    return _signed(call, join(call.builder, operands, 0.0, call.name), sign)


def _signed(call: Call, tensor: Tensor, sign: float) -> Tensor:
    """The tensor or its negative."""
    if sign > 0:
        return tensor
    return combine(call.builder, [(tensor, -1.0)], 0.0, tensor.shape, f"{call.name}/negative")


@rule("ReduceMax", "ReduceMin", summary="maximum, minimum over axes")
def _reduce_max(call: Call) -> Value:
    sign = 1.0 if call.node.op_type == "ReduceMax" else -1.0
    tensor = call.tensor(0)
    axes = call.reduced_axes(len(tensor.shape), 18)
    if sign < 0:
        tensor = combine(call.builder, [(tensor, -1.0)], 0.0, tensor.shape, f"{call.name}/operands")
    reduced = reduce_axes(call.builder, tensor, axes, bool(call.attribute("keepdims", 1)), 0.0, call.name)
    return _signed(call, reduced, sign)


@rule("Clip", summary="min(max(z, low), high)")
def _clip(call: Call) -> Value:
    tensor = call.tensor(0)
    for index, name in ((1, "min"), (2, "max")):
        bound = _clip_bound(call, index, name)
        if bound is None:
            continue
        sign = 1.0 if name == "min" else -1.0
        operands: list[tuple[Tensor | Constant, FloatArray | float]] = [(np.asarray(sign * bound), 1.0), (tensor, sign)]
        tensor = _signed(call, join(call.builder, operands, 0.0, f"{call.name}/{name}"), sign)
    return tensor


LARGEST_SINGLE = float(np.finfo(np.float32).max)


def _clip_bound(call: Call, index: int, name: str) -> float | None:
    """A bound, or None if there is none: omitted, infinite, or the largest float32, as exporters write it."""
    if call.opset >= 11:
        if call.optional(index) is None:
            return None
        value = call.constant(index)
        if value.size != 1 or value.dtype.kind not in "fiu":
            raise FormatError(f"{call.what}: {name} of shape {value.shape} and type {value.dtype}: expected a number")
        bound = float(value.ravel()[0])
    else:
        bound = float(call.attribute(name, -LARGEST_SINGLE if name == "min" else LARGEST_SINGLE))
    if np.isnan(bound) or bound == (np.inf if name == "min" else -np.inf):
        raise FormatError(f"{call.what}: {name} is {bound}")
    # in float32 nothing lies beyond the largest float, so such a bound on its own side does nothing
    none = LARGEST_SINGLE if call.context.unit_roundoff >= 2.0**-24 else np.inf
    return None if (bound <= -none if name == "min" else bound >= none) else bound


@rule("ReduceLogSumExp", summary="log-sum-exp at ε = 1, rescaled by what surrounds it")
def _reduce_log_sum_exp(call: Call) -> Value:
    tensor = call.tensor(0)
    axes = call.reduced_axes(len(tensor.shape), 18)
    return reduce_axes(call.builder, tensor, axes, bool(call.attribute("keepdims", 1)), 1.0, call.name)


@rule("Exp", summary="in log-sum-exp and softmax patterns exact; else structural")
def _exp(call: Call) -> Value:
    tensor = call.tensor(0)
    call.context.exponents.append(tensor)
    return Exponential(tensor)


@rule("Log", summary="of sums of exponentials: log-sum-exp; else structural")
def _log(call: Call) -> Value:
    value = call.input(0)
    if isinstance(value, Exponential):
        call.context.logarithms.append(value.log)
        return value.log
    return apply(call.builder, "log", call.tensor(0), call.name)


def _softmax_axes(call: Call, rank: int) -> tuple[int, ...]:
    """The axes that Softmax normalises over: one from opset 13 on, ``axis`` and all behind it before."""
    axis = call.axis(int(call.attribute("axis", -1 if call.opset >= 13 else 1)), rank)
    axes = (axis,) if call.opset >= 13 else tuple(range(axis, rank))
    if call.batched and 0 in axes:
        raise Unsupported(f"{call.what} normalises over the batch axis: rows must stay independent")
    return axes


def _log_softmax_of(call: Call, logits: Tensor, axes: tuple[int, ...]) -> Tensor:
    total = reduce_axes(call.builder, logits, axes, True, 1.0, f"{call.name}/total")
    return combine(call.builder, [(logits, 1.0), (total, -1.0)], 0.0, logits.shape, f"{call.name}/log")


@rule("ArgMax", summary="as the last step: left out, the scores are the outputs")
def _arg_max(call: Call) -> Value:
    tensor = call.tensor(0)
    axis = call.axis(int(call.attribute("axis", 0)), len(tensor.shape))
    if call.batched and axis == 0:
        raise Unsupported(f"{call.what} compares along the batch axis: rows must stay independent")
    kept = bool(call.attribute("keepdims", 1))
    shape = tuple(1 if a == axis else n for a, n in enumerate(tensor.shape) if a != axis or kept)
    return Label(tensor, str(call.node.input[0]), shape)


@rule("Softmax", summary="Gibbs weights")
def _softmax(call: Call) -> Value:
    logits = call.tensor(0)
    axes = _softmax_axes(call, len(logits.shape))
    weights = gibbs(call.builder, logits, axes, call.name)
    return Exponential(_log_softmax_of(call, logits, axes), value=weights)


@rule("LogSoftmax", summary="z − LSE(z)")
def _log_softmax(call: Call) -> Value:
    logits = call.tensor(0)
    return _log_softmax_of(call, logits, _softmax_axes(call, len(logits.shape)))

"""Rules of maxima, log-sum-exp and softmax, however exporters write them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tropix.errors import Unsupported
from tropixc.frontends.onnx._call import Call, rule
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
    gibbs,
    join,
    ordinary,
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


@rule("Where", summary="softplus with a threshold, as torch exports it in float32")
def _where(call: Call) -> Value:
    """Softplus as torch writes it, z where beta*z > 20 and log(1 + exp(beta*z))/beta elsewhere; nothing else."""
    condition, above, below = call.input(0), call.input(1), call.input(2)
    if isinstance(condition, Comparison) and isinstance(above, Tensor) and isinstance(below, Tensor):
        factor = _softplus_factor(condition.left, above, below)
        threshold = float(condition.right.min()) if condition.right.size else 0.0
        if factor is not None and threshold >= SAFE_THRESHOLD and call.context.unit_roundoff >= 2.0**-24:
            gap = np.log1p(np.exp(-threshold)) * factor
            call.note(
                f"a softplus that switches to the identity above {threshold:g} is read as softplus; "
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
    # the graph must divide by the very number it multiplied by: a ratio near 1 would be another function
    beta = scaled.factor if scaled.divisor is None else None
    return below.origin.factor if beta is not None and beta > 0 and below.origin.divisor == beta else None


@rule("LeakyRelu", summary="max(z, alpha z)")
def _leaky_relu(call: Call) -> Value:
    slope = float(call.attribute("alpha", 0.01))
    if not 0 <= slope < 1:
        raise Unsupported(f"{call.what}: slope {slope}: only 0 <= alpha < 1 is a maximum of two lines")
    return _with_zero(call, 0.0, slope)


def _with_zero(call: Call, eps: float, slope: float = 0.0) -> Tensor:
    tensor = call.tensor(0)
    source = contiguous(call.builder, tensor, f"{call.name}/order")
    return whole(call.builder, call.builder.pairs_with_zero(source, eps, slope, call.name), tensor.shape)


@rule("Max", summary="maximum, with broadcasting")
def _max(call: Call) -> Value:
    values = [call.input(i) for i in range(len(call.inputs))]
    call.shape_with(*values)
    operands: list[Tensor | Constant] = [
        call.weights(value) if isinstance(value, np.ndarray) else ordinary(value, call.what) for value in values
    ]
    return join(call.builder, operands, 0.0, call.name)


@rule("ReduceMax", summary="maximum over axes")
def _reduce_max(call: Call) -> Value:
    tensor = call.tensor(0)
    axes = call.reduced_axes(len(tensor.shape), 18)
    return reduce_axes(call.builder, tensor, axes, bool(call.attribute("keepdims", 1)), 0.0, call.name)


@rule("ReduceLogSumExp", summary="log-sum-exp at ε = 1, rescaled by what surrounds it")
def _reduce_log_sum_exp(call: Call) -> Value:
    tensor = call.tensor(0)
    axes = call.reduced_axes(len(tensor.shape), 18)
    return reduce_axes(call.builder, tensor, axes, bool(call.attribute("keepdims", 1)), 1.0, call.name)


@rule("Exp", summary="in log-sum-exp patterns: kept as its logarithm")
def _exp(call: Call) -> Value:
    tensor = call.tensor(0)
    call.context.exponents.append(tensor)
    return Exponential(tensor)


@rule("Log", summary="of sums of exponentials: log-sum-exp")
def _log(call: Call) -> Value:
    value = call.input(0)
    if isinstance(value, Exponential):
        call.context.logarithms.append(value.log)
        return value.log
    raise Unsupported(f"{call.what}: the logarithm of something that is no sum of exponentials has no exact rule")


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


@rule("Softmax", summary="Gibbs weights")
def _softmax(call: Call) -> Value:
    logits = call.tensor(0)
    axes = _softmax_axes(call, len(logits.shape))
    return Exponential(_log_softmax_of(call, logits, axes), value=gibbs(call.builder, logits, axes, call.name))


@rule("LogSoftmax", summary="z − LSE(z)")
def _log_softmax(call: Call) -> Value:
    logits = call.tensor(0)
    return _log_softmax_of(call, logits, _softmax_axes(call, len(logits.shape)))

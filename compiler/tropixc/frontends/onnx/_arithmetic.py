"""Rules of the elementwise arithmetic: sums, differences, products and quotients by constants, exponentials."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tropix.arrays import FloatArray
from tropix.errors import FormatError, Unsupported
from tropixc.frontends.onnx._call import Call, rule
from tropixc.frontends.onnx._values import (
    Constant,
    Exponential,
    Scaled,
    Tensor,
    Value,
    combine,
    gibbs,
    join,
    ordinary,
)


def _signed_sum(call: Call, values: list[Value], signs: list[float]) -> Value:
    """Σ ±value, one operand after the other as the runtime adds them, so that no constants are added up here."""
    call.shape_with(*values)
    computed = [i for i, value in enumerate(values) if not isinstance(value, np.ndarray)]
    total, done = ordinary(values[computed[0]], call.what), computed[0]
    scale = signs[done]
    steps = [i for i in range(len(values)) if i != done]
    for number, i in enumerate(steps):
        value = values[i]
        name = call.name if number == len(steps) - 1 else f"{call.name}/{number}"
        shape = np.broadcast_shapes(total.shape, value.shape)
        parts: list[tuple[Tensor, FloatArray | float]] = [(total, scale)]
        bias = np.zeros(1)
        if isinstance(value, np.ndarray):
            bias = signs[i] * call.weights(value)
        else:
            parts.append((ordinary(value, call.what), signs[i]))
        total = combine(call.builder, parts, bias, shape, name)
        scale = 1.0
    return total if steps else combine(call.builder, [(total, scale)], 0.0, total.shape, call.name)


@rule("Add", "Sum", summary="sum, with broadcasting")
def _add(call: Call) -> Value:
    values = [call.input(i) for i in range(len(call.inputs))]
    if any(isinstance(value, Exponential) and value.value is None for value in values):
        logs: list[Tensor | Constant] = [_logarithm(call, value) for value in values]
        call.shape_with(*values)
        return Exponential(join(call.builder, logs, 1.0, call.name))
    return _signed_sum(call, values, [1.0] * len(values))


@rule("Sub", summary="difference, with broadcasting")
def _sub(call: Call) -> Value:
    return _signed_sum(call, [call.input(0), call.input(1)], [1.0, -1.0])


@rule("Neg", summary="affine")
def _neg(call: Call) -> Value:
    return _signed_sum(call, [call.tensor(0)], [-1.0])


def _logarithm(call: Call, value: Value) -> Tensor | Constant:
    """The logarithm of a positive operand of an exponential."""
    if isinstance(value, Exponential):
        return value.log
    if isinstance(value, np.ndarray) and (call.weights(value) > 0).all():
        if (value != 1).any():
            call.note("logarithms of constants are rounded to float64 (relative error 1.1e-16)")
        return np.log(np.asarray(value, dtype=np.float64))
    raise Unsupported(f"{call.what}: an exponential can be combined with exponentials and positive constants only")


def _scaled(call: Call, value: Value, factor: FloatArray, divisor: FloatArray | None = None) -> Value:
    """The value times a constant factor, which stands for the reciprocal of ``divisor`` if that is given."""
    shape = call.shape_with(value, factor)
    if isinstance(value, Exponential) and value.value is None:
        log = np.asarray(_logarithm(call, factor if divisor is None else divisor))
        return Exponential(
            combine(call.builder, [(value.log, 1.0)], log if divisor is None else -log, shape, call.name)
        )
    if divisor is not None and (np.frexp(divisor)[0] != np.sign(divisor) * 0.5).any():
        call.note("division becomes a product with the nearest float64 of the reciprocal (relative error 1.1e-16)")
    tensor = ordinary(value, call.what)
    product = combine(call.builder, [(tensor, factor)], 0.0, shape, call.name)
    if factor.size != 1:
        return product
    origin = Scaled(tensor, float(factor.ravel()[0]), None if divisor is None else float(divisor.ravel()[0]))
    return replace(product, origin=origin)


@rule("Mul", summary="affine by a constant")
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


@rule("Div", summary="affine by a constant")
def _div(call: Call) -> Value:
    left, right = call.input(0), call.input(1)
    if isinstance(right, np.ndarray):
        divisor = call.weights(right)
        if (divisor == 0).any():
            raise FormatError(f"{call.what} divides by zero")
        with np.errstate(over="ignore"):
            factor = np.asarray(1.0 / divisor)
        if not np.isfinite(factor).all():
            raise FormatError(f"{call.what} divides by a number too small for its reciprocal to be a float64")
        return _scaled(call, left, factor, divisor)
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
    return gibbs(call.builder, logits, tuple(summed), call.name) if summed else None

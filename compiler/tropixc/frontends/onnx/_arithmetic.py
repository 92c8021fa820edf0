"""Rules of the elementwise arithmetic: sums, differences, products, quotients, powers."""

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
    apply,
    combine,
    gibbs,
    join,
    multiply,
    weights_of,
)


def _signed_sum(call: Call, values: list[Value], signs: list[float]) -> Value:
    """Σ ±value, one operand after the other as the runtime adds them, so that no constants are added up here."""
    call.shape_with(*values)
    computed = [i for i, value in enumerate(values) if not isinstance(value, np.ndarray)]
    total, done = call.ordinary(values[computed[0]]), computed[0]
    scale = signs[done]
    steps = [i for i in range(len(values)) if i != done]
    for number, i in enumerate(steps):
        value = values[i]
        name = call.name if number == len(steps) - 1 else f"{call.name}/{number}"
        shape = np.broadcast_shapes(total.shape, value.shape)
        parts: list[tuple[Tensor, FloatArray | float]] = [(total, scale)]
        bias = np.zeros(1)
        if isinstance(value, np.ndarray):
            bias = signs[i] * call.weights(value, minus_infinity=signs[i] > 0)
        else:
            parts.append((call.ordinary(value), signs[i]))
        total = combine(call.builder, parts, bias, shape, name)
        scale = 1.0
    return total if steps else combine(call.builder, [(total, scale)], 0.0, total.shape, call.name)


@rule("Add", "Sum", summary="sum, with broadcasting")
def _add(call: Call) -> Value:
    values = [call.input(i) for i in range(len(call.inputs))]
    if any(isinstance(value, Exponential) and value.value is None for value in values) and all(
        isinstance(value, Exponential) or _positive(value) for value in values
    ):
        logs: list[tuple[Tensor | Constant, FloatArray | float]] = [(_logarithm(call, value), 1.0) for value in values]
        call.shape_with(*values)
        return Exponential(join(call.builder, logs, 1.0, call.name), joined=tuple(log for log, _ in logs))
    return _signed_sum(call, values, [1.0] * len(values))


@rule("Sub", summary="difference, with broadcasting")
def _sub(call: Call) -> Value:
    return _signed_sum(call, [call.input(0), call.input(1)], [1.0, -1.0])


@rule("Neg", summary="affine")
def _neg(call: Call) -> Value:
    return _signed_sum(call, [call.tensor(0)], [-1.0])


@rule("Mean", summary="affine")
def _mean(call: Call) -> Value:
    count = len(call.inputs)
    total = call.ordinary(_signed_sum(call, [call.input(i) for i in range(count)], [1.0] * count))
    if count & (count - 1):
        call.note("the mean's 1/n is rounded to float64 (relative error 1.1e-16)")
    return combine(call.builder, [(total, 1.0 / count)], 0.0, total.shape, f"{call.name}/mean")


def _positive(value: Value) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "fiu" and bool((value > 0).all())


def _logarithm(call: Call, value: Value) -> Tensor | Constant:
    """The logarithm of a positive operand of an exponential."""
    if isinstance(value, Exponential):
        return value.log
    assert isinstance(value, np.ndarray)
    if (value != 1).any():
        call.note("logarithms of constants are rounded to float64 (relative error 1.1e-16)")
    return np.asarray(np.log(call.weights(value)))


def _scaled(call: Call, value: Value, factor: FloatArray, divisor: FloatArray | None = None) -> Value:
    """The value times a constant factor, which stands for the reciprocal of ``divisor`` if that is given."""
    shape = call.shape_with(value, factor)
    if isinstance(value, Exponential) and value.value is None and _positive(factor):
        log = np.asarray(_logarithm(call, factor if divisor is None else divisor))
        return Exponential(
            combine(call.builder, [(value.log, 1.0)], log if divisor is None else -log, shape, call.name)
        )
    if divisor is not None and (np.frexp(divisor)[0] != np.sign(divisor) * 0.5).any():
        call.note("division becomes a product with the nearest float64 of the reciprocal (relative error 1.1e-16)")
    tensor = call.ordinary(value)
    product = combine(call.builder, [(tensor, factor)], 0.0, shape, call.name)
    if factor.size != 1:
        return product
    origin = Scaled(tensor, float(factor.ravel()[0]), None if divisor is None else float(divisor.ravel()[0]))
    return replace(product, origin=origin)


@rule("Mul", summary="affine by a constant; two computed values become a product, which is structural")
def _mul(call: Call) -> Value:
    left, right = call.input(0), call.input(1)
    if isinstance(right, np.ndarray):
        return _scaled(call, left, call.weights(right))
    if isinstance(left, np.ndarray):
        return _scaled(call, right, call.weights(left))
    shape = call.shape_with(left, right)
    if _pure(left) and _pure(right):
        assert isinstance(left, Exponential)
        assert isinstance(right, Exponential)
        return Exponential(combine(call.builder, [(left.log, 1.0), (right.log, 1.0)], 0.0, shape, call.name))
    return multiply(call.builder, call.ordinary(left), call.ordinary(right), shape, call.name)


def _pure(value: Value) -> bool:
    """Whether the value is known as an exponential only."""
    return isinstance(value, Exponential) and value.value is None


@rule("Div", summary="affine by a constant; softmax quotients; other quotients are structural")
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
    if _positive(left) and isinstance(right, Exponential):
        assert isinstance(left, np.ndarray)
        log = _logarithm(call, left)
        assert isinstance(log, np.ndarray)
        quotient = combine(call.builder, [(right.log, -1.0)], log, shape, call.name)
        return Exponential(quotient, value=_weight_of(call, log, right))
    if isinstance(left, Exponential) and isinstance(right, Exponential):
        log = combine(call.builder, [(left.log, 1.0), (right.log, -1.0)], 0.0, shape, call.name)
        value = _gibbs_of_sum(call, left.log, right.log) if right.summed is left else _weight_of(call, left.log, right)
        return Exponential(log, value=value)
    inverse = apply(call.builder, "reciprocal", call.ordinary(right), f"{call.name}/reciprocal")
    if isinstance(left, np.ndarray):
        return combine(call.builder, [(inverse, call.weights(left))], 0.0, shape, call.name)
    return multiply(call.builder, call.ordinary(left), inverse, shape, call.name)


def _weight_of(call: Call, log: Tensor | Constant, total: Exponential) -> Tensor | None:
    """e^log / (a sum of exponentials) as a Gibbs weight, where e^log is one of the summands: the logistic function."""
    joined = total.joined or ()
    for k, operand in enumerate(joined):
        if isinstance(log, Tensor) and isinstance(operand, Tensor):
            found = log.same(operand)
        else:
            found = not isinstance(log, Tensor) and not isinstance(operand, Tensor) and np.array_equal(log, operand)
        if found:
            operands: list[tuple[Tensor | Constant, FloatArray | float]] = [(value, 1.0) for value in joined]
            return weights_of(call.builder, operands, f"{call.name}/weights")[k]
    return None


def _gibbs_of_sum(call: Call, logits: Tensor, total: Tensor) -> Tensor | None:
    """Gibbs weights, where the sum ran over one axis that was kept."""
    if len(total.shape) != len(logits.shape):
        return None
    summed = [a for a, (n, m) in enumerate(zip(logits.shape, total.shape, strict=True)) if n != m]
    return gibbs(call.builder, logits, tuple(summed), call.name) if summed else None


@rule("Sqrt", summary="structural")
def _sqrt(call: Call) -> Value:
    return apply(call.builder, "sqrt", call.tensor(0), call.name)


@rule("Reciprocal", summary="structural")
def _reciprocal(call: Call) -> Value:
    return apply(call.builder, "reciprocal", call.tensor(0), call.name)


LARGEST_POWER = 16


@rule("Pow", summary="constant exponents: integers up to 16, 1/2 and -1; structural")
def _pow(call: Call) -> Value:
    if isinstance(call.input(0), np.ndarray):
        raise Unsupported(f"{call.what} raises a constant to a computed power: write it as Exp of a multiple")
    given = call.weights(call.constant(1))
    exponents = np.unique(given)
    power = float(exponents[0])
    tensor = call.tensor(0)
    if given.size == 1 and given.ndim <= len(tensor.shape):
        if power == 0.5:
            return apply(call.builder, "sqrt", tensor, call.name)
        if power in (-0.5, -1.0):
            root = apply(call.builder, "sqrt", tensor, f"{call.name}/root") if power == -0.5 else tensor
            return apply(call.builder, "reciprocal", root, call.name)
        if power == int(power) and 1 <= power <= LARGEST_POWER:
            result = tensor
            for step in range(int(power) - 1):
                result = multiply(call.builder, result, tensor, tensor.shape, f"{call.name}/{step}")
            return result
    raise Unsupported(
        f"{call.what} has the exponents {exponents[:4].tolist()}: supported is one number among "
        f"1, 2, …, {LARGEST_POWER}, 0.5, -0.5 and -1"
    )

"""Rules of smooth and piecewise activations: gradients of log-sum-exp, clips, and structural ones."""

from __future__ import annotations

import math

import numpy as np

from tropix.errors import Unsupported
from tropixc.frontends.onnx._call import Call, rule
from tropixc.frontends.onnx._values import (
    Exponential,
    Operand,
    Tensor,
    Value,
    apply,
    combine,
    join,
    multiply,
    weights_of,
)

ZERO = np.zeros(())


def _scaled(call: Call, tensor: Tensor, factor: float, bias: float, name: str) -> Tensor:
    return combine(call.builder, [(tensor, factor)], bias, tensor.shape, f"{call.name}/{name}")


def _clamped(call: Call, tensor: Tensor) -> Tensor:
    """min(max(z, 0), 1)."""
    low = join(call.builder, [(ZERO, 1.0), (tensor, 1.0)], 0.0, f"{call.name}/low")
    high = join(call.builder, [(np.asarray(-1.0), 1.0), (low, -1.0)], 0.0, f"{call.name}/high")
    return _scaled(call, high, -1.0, 0.0, "clamped")


def _logistic(call: Call, tensor: Tensor, name: str, factor: float = 1.0) -> Tensor:
    """1/(1 + e^(−factor·z)): a Gibbs weight of the pair (factor·z, 0)."""
    return weights_of(call.builder, [(tensor, factor), (ZERO, 1.0)], name)[0]


@rule("Sigmoid", summary="Gibbs weights of (z, 0)")
def _sigmoid(call: Call) -> Value:
    tensor = call.tensor(0)
    softplus = join(call.builder, [(ZERO, 1.0), (tensor, -1.0)], 1.0, f"{call.name}/log")
    log = _scaled(call, softplus, -1.0, 0.0, "negative")
    return Exponential(log, value=_logistic(call, tensor, call.name))


@rule("Tanh", summary="difference of the Gibbs weights of (z, -z)")
def _tanh(call: Call) -> Value:
    tensor = call.tensor(0)
    up, down = weights_of(call.builder, [(tensor, 1.0), (tensor, -1.0)], f"{call.name}/weights")
    return combine(call.builder, [(up, 1.0), (down, -1.0)], 0.0, tensor.shape, call.name)


@rule("HardSigmoid", summary="min(max(alpha z + beta, 0), 1)")
def _hard_sigmoid(call: Call) -> Value:
    alpha, beta = call.number("alpha", 0.2), call.number("beta", 0.5)
    return _clamped(call, _scaled(call, call.tensor(0), alpha, beta, "line"))


@rule("HardSwish", summary="z times HardSigmoid: structural")
def _hard_swish(call: Call) -> Value:
    tensor = call.tensor(0)
    call.note("1/6 is rounded to float64 (relative error 5.6e-17)")
    gate = _clamped(call, _scaled(call, tensor, 1 / 6, 0.5, "line"))
    return multiply(call.builder, tensor, gate, tensor.shape, call.name)


@rule("Swish", summary="z times Sigmoid(alpha z): structural")
def _swish(call: Call) -> Value:
    tensor = call.tensor(0)
    gate = _logistic(call, tensor, f"{call.name}/gate", call.number("alpha", 1.0))
    return multiply(call.builder, tensor, gate, tensor.shape, call.name)


@rule("Mish", summary="z times tanh(softplus(z)): structural")
def _mish(call: Call) -> Value:
    tensor = call.tensor(0)
    softplus = join(call.builder, [(ZERO, 1.0), (tensor, 1.0)], 1.0, f"{call.name}/softplus")
    up, down = weights_of(call.builder, [(softplus, 1.0), (softplus, -1.0)], f"{call.name}/weights")
    gate = combine(call.builder, [(up, 1.0), (down, -1.0)], 0.0, tensor.shape, f"{call.name}/tanh")
    return multiply(call.builder, tensor, gate, tensor.shape, call.name)


@rule("Erf", summary="structural")
def _erf(call: Call) -> Value:
    return apply(call.builder, "erf", call.tensor(0), call.name)


@rule("Gelu", summary="z times the normal distribution function, or its tanh approximation: structural")
def _gelu(call: Call) -> Value:
    tensor = call.tensor(0)
    given = call.attribute("approximate", b"none")
    form = given.decode("ascii", "replace") if isinstance(given, bytes) else str(given)
    if form == "none":
        call.note("1/sqrt(2) is rounded to float64 (relative error 1.1e-16)")
        error = apply(call.builder, "erf", _scaled(call, tensor, math.sqrt(0.5), 0.0, "scaled"), f"{call.name}/erf")
        gate = _scaled(call, error, 0.5, 0.5, "gate")
    elif form == "tanh":
        call.note("sqrt(2/pi) and 0.044715 are rounded to float64 (relative error 1.1e-16)")
        square = multiply(call.builder, tensor, tensor, tensor.shape, f"{call.name}/square")
        slope = _scaled(call, square, 0.044715, 1.0, "slope")
        inner = multiply(call.builder, tensor, slope, tensor.shape, f"{call.name}/inner")
        gate = _logistic(call, inner, f"{call.name}/gate", 2 * math.sqrt(2 / math.pi))
    else:
        raise Unsupported(f"{call.what}: approximate={form!r}: supported are 'none' and 'tanh'")
    return multiply(call.builder, tensor, gate, tensor.shape, call.name)


def _exponential_branch(call: Call, inner: float, outer: float, linear: float) -> Tensor:
    """linear·max(z, 0) + outer·(e^{inner·min(z, 0)} − 1)."""
    tensor = call.tensor(0)
    positive = join(call.builder, [(ZERO, 1.0), (tensor, 1.0)], 0.0, f"{call.name}/positive")
    below = join(call.builder, [(ZERO, 1.0), (tensor, -1.0)], 0.0, f"{call.name}/below")
    power = apply(call.builder, "exp", _scaled(call, below, -inner, 0.0, "exponent"), f"{call.name}/exp")
    return combine(call.builder, [(positive, linear), (power, outer)], -outer, tensor.shape, call.name)


@rule("Elu", summary="max(z, 0) + alpha (exp(min(z, 0)) - 1): structural")
def _elu(call: Call) -> Value:
    return _exponential_branch(call, 1.0, call.number("alpha", 1.0), 1.0)


@rule("Selu", summary="gamma Elu(z): structural")
def _selu(call: Call) -> Value:
    alpha = call.number("alpha", 1.67326319217681884765625)
    gamma = call.number("gamma", 1.05070102214813232421875)
    call.note("the product of alpha and gamma is rounded to float64 (relative error 1.1e-16)")
    return _exponential_branch(call, 1.0, alpha * gamma, gamma)


@rule("Celu", summary="max(z, 0) + alpha (exp(min(z, 0)/alpha) - 1): structural; alpha > 0")
def _celu(call: Call) -> Value:
    alpha = call.number("alpha", 1.0)
    if not alpha > 1e-300:
        raise Unsupported(f"{call.what}: alpha is {alpha}: supported are positive numbers")
    if math.frexp(alpha)[0] != 0.5:
        call.note("1/alpha is rounded to float64 (relative error 1.1e-16)")
    return _exponential_branch(call, 1 / alpha, alpha, 1.0)


@rule("Softsign", summary="z / (1 + |z|): structural")
def _softsign(call: Call) -> Value:
    tensor = call.tensor(0)
    operands: list[Operand] = [(tensor, 1.0), (tensor, -1.0)]
    size = join(call.builder, operands, 0.0, f"{call.name}/abs")
    inverse = apply(call.builder, "reciprocal", _scaled(call, size, 1.0, 1.0, "plus-one"), f"{call.name}/reciprocal")
    return multiply(call.builder, tensor, inverse, tensor.shape, call.name)

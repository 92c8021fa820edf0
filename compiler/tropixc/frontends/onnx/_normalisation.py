"""Rules of normalisations: by stored statistics (affine), or by the entries themselves (structural)."""

from __future__ import annotations

import numpy as np

from tropix.arrays import FloatArray
from tropix.errors import FormatError, Unsupported
from tropixc.frontends.onnx._call import Call, rule
from tropixc.frontends.onnx._values import (
    Tensor,
    Value,
    apply,
    combine,
    multiply,
    reduction,
    rows_matrix,
    unrepeated,
    whole,
)


@rule("BatchNormalization", summary="affine, in inference mode")
def _batch_normalization(call: Call) -> Value:
    if call.attribute("training_mode", 0) or any(name for name in call.node.output[1:]):
        raise Unsupported(f"{call.what} is in training mode: export the model in inference mode")
    if not call.attribute("spatial", 1):
        raise Unsupported(f"{call.what}: spatial=0 is not supported: only one mean and variance a channel")
    tensor = call.tensor(0)
    if len(tensor.shape) < 2:
        raise FormatError(f"{call.what}: input of shape {tensor.shape}: expected (batch, channels, …)")
    channels = tensor.shape[1]
    scale, shift, mean, variance = (call.weights(call.constant(i)) for i in range(1, 5))
    if any(part.shape != (channels,) for part in (scale, shift, mean, variance)):
        raise FormatError(f"{call.what}: its parameters must have shape ({channels},)")
    spread = variance + _epsilon(call)
    if not (spread > 0).all():
        raise FormatError(f"{call.what}: variance + epsilon must be positive, found {spread.min()}")
    factor = scale / np.sqrt(spread)
    if not np.isfinite(factor).all():
        raise FormatError(f"{call.what}: scale / sqrt(variance + epsilon) exceeds float64")
    call.note("scale / sqrt(variance + epsilon) is rounded to float64 (relative error 4.4e-16)")
    column = (1, channels, *(1 for _ in tensor.shape[2:]))
    centred = combine(call.builder, [(tensor, 1.0)], -mean.reshape(column), tensor.shape, f"{call.name}/centred")
    parts: list[tuple[Tensor, FloatArray | float]] = [(centred, factor.reshape(column))]
    return combine(call.builder, parts, shift.reshape(column), tensor.shape, call.name)


def _epsilon(call: Call) -> float:
    epsilon = call.number("epsilon", 1e-5)
    if epsilon < 0:
        raise FormatError(f"{call.what}: epsilon is {epsilon}")
    return epsilon


def _mean(call: Call, tensor: Tensor, axes: tuple[int, ...], bias: float, name: str) -> Tensor:
    """The mean over axes, kept, plus a constant."""
    groups, shape = reduction(unrepeated(call.builder, tensor, f"{call.name}/entries"), axes, True)
    count, width = groups.shape
    rows = np.repeat(np.arange(count), width)
    data = np.full(count * width, 1.0 / width)
    matrix = rows_matrix(rows, groups.index.ravel(), data, (count, call.builder.size(tensor.source)))
    position = call.builder.affine([(tensor.source, matrix)], np.full(count, bias), f"{call.name}/{name}")
    return whole(call.builder, position, shape)


def _normalised(call: Call, tensor: Tensor, axes: tuple[int, ...], *, centre: bool) -> Tensor:
    """(z − mean) / sqrt(mean((z − mean)²) + epsilon) over axes; the mean is taken as 0 unless ``centre``."""
    if tensor.masked:
        raise Unsupported(f"{call.what} needs finite values, but finds -inf (masked entries)")
    call.note("the mean's 1/n is rounded to float64 (relative error 1.1e-16)")
    if centre:
        mean = _mean(call, tensor, axes, 0.0, "mean")
        tensor = combine(call.builder, [(tensor, 1.0), (mean, -1.0)], 0.0, tensor.shape, f"{call.name}/centred")
    square = multiply(call.builder, tensor, tensor, tensor.shape, f"{call.name}/square")
    spread = apply(
        call.builder, "sqrt", _mean(call, square, axes, _epsilon(call), "variance"), f"{call.name}/deviation"
    )
    inverse = apply(call.builder, "reciprocal", spread, f"{call.name}/inverse")
    return multiply(call.builder, tensor, inverse, tensor.shape, f"{call.name}/normalised")


def _finished(call: Call, tensor: Tensor, scale: FloatArray, shift: FloatArray) -> Tensor:
    if call.shape_with(tensor, scale, shift) != tensor.shape:
        raise FormatError(f"{call.what}: scale {scale.shape} and bias {shift.shape} do not fit {tensor.shape}")
    return combine(call.builder, [(tensor, scale)], shift, tensor.shape, call.name)


@rule("LayerNormalization", "RMSNormalization", summary="products and reciprocal square roots: structural")
def _layer_normalization(call: Call) -> Value:
    if any(name for name in call.node.output[1:]):
        raise Unsupported(f"{call.what}: the outputs Mean and InvStdDev are not supported")
    tensor = call.tensor(0)
    rank = len(tensor.shape)
    first = call.axis(int(call.attribute("axis", -1)), rank)
    if call.batched and first == 0:
        raise Unsupported(f"{call.what} normalises over the batch axis: rows must stay independent")
    centre = call.node.op_type == "LayerNormalization"
    normal = _normalised(call, tensor, tuple(range(first, rank)), centre=centre)
    shift = call.weights(call.constant(2)) if call.optional(2) is not None else np.zeros(())
    return _finished(call, normal, call.weights(call.constant(1)), shift)


@rule("InstanceNormalization", summary="products and reciprocal square roots: structural")
def _instance_normalization(call: Call) -> Value:
    tensor = call.tensor(0)
    if len(tensor.shape) < 3:
        raise FormatError(f"{call.what}: input of shape {tensor.shape}: expected (batch, channels, spatial axes)")
    normal = _normalised(call, tensor, tuple(range(2, len(tensor.shape))), centre=True)
    scale, shift = call.weights(call.constant(1)), call.weights(call.constant(2))
    column = (1, tensor.shape[1], *(1 for _ in tensor.shape[2:]))
    if scale.shape != (tensor.shape[1],) or shift.shape != scale.shape:
        raise FormatError(f"{call.what}: scale {scale.shape} and bias {shift.shape} for {tensor.shape[1]} channels")
    return _finished(call, normal, scale.reshape(column), shift.reshape(column))

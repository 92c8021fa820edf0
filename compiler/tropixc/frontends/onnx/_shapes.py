"""Rules that only rearrange: shapes, casts, and operators that do nothing at inference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import TensorProto

from tropix.errors import FormatError, Unsupported
from tropixc.frontends.onnx._call import Call, rule
from tropixc.frontends.onnx._values import (
    Comparison,
    Exponential,
    Tensor,
    Value,
)


def _reindexed(value: Value, change: Callable[[Any], Any]) -> Value:
    if isinstance(value, Tensor):
        return Tensor(value.source, change(value.index))
    if isinstance(value, Exponential):
        held = None if value.value is None else Tensor(value.value.source, change(value.value.index))
        return Exponential(Tensor(value.log.source, change(value.log.index)), value=held)
    if isinstance(value, Comparison):
        raise Unsupported("comparisons cannot be reshaped")
    return np.asarray(change(value))


@rule("Identity")
def _identity(call: Call) -> Value:
    return call.input(0)


@rule("Dropout")
def _dropout(call: Call) -> Value:
    mode = call.optional(2)
    if mode is not None and (not isinstance(mode, np.ndarray) or bool(mode.any())):
        raise Unsupported(f"{call.what} is in training mode: export the model in inference mode")
    return call.input(0)


@rule("Cast")
def _cast(call: Call) -> Value:
    if int(call.attribute("to", 0)) not in (TensorProto.FLOAT, TensorProto.DOUBLE):
        raise Unsupported(f"{call.what} casts a computed tensor to another type than float32 or float64")
    return call.input(0)


@rule("Flatten")
def _flatten(call: Call) -> Value:
    value = call.input(0)
    rank = len(value.shape)
    axis = int(call.attribute("axis", 1))
    axis = axis + rank if axis < 0 else axis
    if not 0 <= axis <= rank or (call.batched and axis == 0):
        raise Unsupported(f"{call.what}: axis {axis} of {rank}: the batch axis must stay in front")
    rows = int(np.prod(value.shape[:axis]))
    return _reindexed(value, lambda index: index.reshape(rows, -1))


@rule("Reshape")
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


@rule("Transpose")
def _transpose(call: Call) -> Value:
    value = call.input(0)
    order = call.attribute("perm", list(reversed(range(len(value.shape)))))
    if sorted(order) != list(range(len(value.shape))):
        raise FormatError(f"{call.what}: perm {list(order)} is no permutation of {len(value.shape)} axes")
    if call.batched and order[0] != 0 and not isinstance(value, np.ndarray):
        raise Unsupported(f"{call.what} moves the batch axis: it must stay in front")
    return _reindexed(value, lambda index: index.transpose(order))


def _listed_axes(call: Call, rank: int) -> list[int] | None:
    given = call.attribute("axes", None) if call.opset < 13 else call.optional(1)
    if given is None:
        return None
    if not isinstance(given, (list, np.ndarray)):
        raise Unsupported(f"{call.what}: axes must be constant")
    return [call.axis(int(axis), rank) for axis in given]


@rule("Squeeze")
def _squeeze(call: Call) -> Value:
    value = call.input(0)
    axes = _listed_axes(call, len(value.shape))
    chosen = tuple(a for a, size in enumerate(value.shape) if size == 1) if axes is None else tuple(axes)
    if any(value.shape[axis] != 1 for axis in chosen):
        raise FormatError(f"{call.what}: axes {chosen} of shape {value.shape} do not all have length 1")
    if call.batched and 0 in chosen:
        raise Unsupported(f"{call.what} squeezes the batch axis: name the axes")
    return _reindexed(value, lambda index: np.squeeze(index, axis=chosen))


@rule("Unsqueeze")
def _unsqueeze(call: Call) -> Value:
    value = call.input(0)
    given = call.attribute("axes", None) if call.opset < 13 else call.constant(1)
    axes = [] if given is None else [int(axis) for axis in given]
    rank = len(value.shape) + len(axes)
    chosen = tuple(call.axis(axis, rank) for axis in axes)
    if call.batched and 0 in chosen:
        raise Unsupported(f"{call.what} puts an axis before the batch axis: it must stay in front")
    return _reindexed(value, lambda index: np.expand_dims(index, axis=chosen))


@rule("Shape")
def _shape(call: Call) -> Value:
    return np.array(call.input(0).shape, dtype=np.int64)

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
    Label,
    Tensor,
    Value,
    combine,
)

BATCH = -1_000_000_000_039
"""Stands for a symbolic batch size in shapes that the graph computes."""


def reindexed(value: Value, change: Callable[[Any], Any]) -> Value:
    """The value with its entries rearranged: ``change`` maps an array of positions to another."""
    if isinstance(value, Tensor):
        return Tensor(value.source, change(value.index))
    if isinstance(value, Exponential):
        held = None if value.value is None else Tensor(value.value.source, change(value.value.index))
        return Exponential(Tensor(value.log.source, change(value.log.index)), value=held)
    if isinstance(value, Label):
        return Label(value.of, value.name, change(np.zeros(value.shape)).shape)
    if isinstance(value, Comparison):
        raise Unsupported("comparisons cannot be reshaped")
    return np.asarray(change(value))


@rule("Identity", summary="nothing")
def _identity(call: Call) -> Value:
    return call.input(0)


@rule("Dropout", summary="nothing, in inference mode")
def _dropout(call: Call) -> Value:
    mode = call.optional(2)
    if mode is not None and (not isinstance(mode, np.ndarray) or bool(mode.any())):
        raise Unsupported(f"{call.what} is in training mode: export the model in inference mode")
    return call.input(0)


@rule("Cast", summary="between float types")
def _cast(call: Call) -> Value:
    kind = int(call.attribute("to", 0))
    if isinstance(call.input(0), Label):
        return call.input(0)
    if kind not in (TensorProto.FLOAT, TensorProto.DOUBLE):
        raise Unsupported(f"{call.what} casts a computed tensor to another type than float32 or float64")
    if kind == TensorProto.DOUBLE or call.context.unit_roundoff >= 2.0**-24:
        return call.input(0)
    # narrowing rounds in the runtime: a node of its own carries that error
    tensor = call.tensor(0)
    return combine(call.builder, [(tensor, 1.0)], 0.0, tensor.shape, call.name)


@rule("Flatten", summary="shape")
def _flatten(call: Call) -> Value:
    value = call.input(0)
    rank = len(value.shape)
    axis = int(call.attribute("axis", 1))
    axis = axis + rank if axis < 0 else axis
    if not 0 <= axis <= rank or (call.batched and axis == 0):
        raise Unsupported(f"{call.what}: axis {axis} of {rank}: the batch axis must stay in front")
    rows = int(np.prod(value.shape[:axis]))
    return reindexed(value, lambda index: index.reshape(rows, -1))


@rule("Reshape", summary="shape")
def _reshape(call: Call) -> Value:
    value = call.input(0)
    given = call.constant(1)
    if given.dtype.kind not in "iu" or given.ndim != 1:
        raise FormatError(f"{call.what}: a target shape of type {given.dtype} and {given.ndim} axes")
    target = _target(call, value, [int(size) for size in given])
    try:
        return reindexed(value, lambda index: index.reshape(target))
    except ValueError:
        raise FormatError(
            f"{call.what}: shape {value.shape} does not reshape to {target}; the batch axis counts as 1 "
            "(export with a symbolic batch axis, or a batch of 1)"
        ) from None


def _target(call: Call, value: Value, target: list[int]) -> list[int]:
    """The target shape at batch 1; with a symbolic batch its first axis must be the batch, or a multiple of it."""
    if call.batched and target and target[0] % BATCH == 0 and target[0] != 0:
        rest_known = -1 not in target[1:]
        target = [-1 if rest_known else target[0] // BATCH, *target[1:]]
    elif call.batched and (not target or target[0] not in (0, -1)):
        raise Unsupported(
            f"{call.what} reshapes {value.shape} to {target}, which fixes or moves the batch axis: "
            "keep the batch in front (a target that begins with -1 or 0)"
        )
    if any(size < -1 for size in target):
        raise FormatError(f"{call.what}: target shape {target}: sizes must be positive, 0 (copy) or one -1")
    if not call.attribute("allowzero", 0):
        if any(size == 0 and i >= len(value.shape) for i, size in enumerate(target)):
            raise FormatError(f"{call.what}: shape {target} copies an axis that {value.shape} does not have")
        target = [value.shape[i] if size == 0 else size for i, size in enumerate(target)]
    return target


@rule("Transpose", summary="shape")
def _transpose(call: Call) -> Value:
    value = call.input(0)
    order = call.attribute("perm", list(reversed(range(len(value.shape)))))
    if sorted(order) != list(range(len(value.shape))):
        raise FormatError(f"{call.what}: perm {list(order)} is no permutation of {len(value.shape)} axes")
    if call.batched and order[0] != 0 and not isinstance(value, np.ndarray):
        raise Unsupported(f"{call.what} moves the batch axis: it must stay in front, or be fixed to 1")
    return reindexed(value, lambda index: index.transpose(order))


@rule("Squeeze", summary="shape")
def _squeeze(call: Call) -> Value:
    value = call.input(0)
    axes = call.listed_axes(13, len(value.shape))
    if axes is None and call.batched:
        raise Unsupported(f"{call.what} squeezes every axis of length 1, the batch axis perhaps: name the axes")
    chosen = tuple(a for a, size in enumerate(value.shape) if size == 1) if axes is None else axes
    if any(value.shape[axis] != 1 for axis in chosen):
        raise FormatError(f"{call.what}: axes {chosen} of shape {value.shape} do not all have length 1")
    if call.batched and 0 in chosen:
        raise Unsupported(f"{call.what} squeezes the batch axis: it must stay in front, or be fixed to 1")
    return reindexed(value, lambda index: np.squeeze(index, axis=chosen))


@rule("Unsqueeze", summary="shape")
def _unsqueeze(call: Call) -> Value:
    value = call.input(0)
    given: Any = call.attribute("axes", None) if call.opset < 13 else call.constant(1)
    chosen = call.listed_axes(13, len(value.shape) + np.size(given)) if given is not None else None
    if chosen is None:
        raise FormatError(f"{call.what} names no axes")
    if call.batched and 0 in chosen:
        raise Unsupported(f"{call.what} puts an axis before the batch axis: it must stay in front, or be fixed to 1")
    return reindexed(value, lambda index: np.expand_dims(index, axis=chosen))


@rule("Shape", summary="constant; a symbolic batch size may only be used to reshape")
def _shape(call: Call) -> Value:
    sizes = list(call.input(0).shape)
    if call.batched:
        sizes[0] *= BATCH
    stop = call.attribute("end", None)
    return np.array(sizes[int(call.attribute("start", 0)) : None if stop is None else int(stop)], dtype=np.int64)

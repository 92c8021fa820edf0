"""Rules that select, join and repeat entries: views where possible, else sparse selections."""

from __future__ import annotations

import math

import numpy as np

from tropix.arrays import IntArray
from tropix.errors import FormatError, Unsupported
from tropixc.frontends.onnx._call import Call, rule
from tropixc.frontends.onnx._shapes import BATCH, reindexed
from tropixc.frontends.onnx._values import Constant, Tensor, Value, assemble, check_entries

NO_END = 2**31 - 1
"""Exporters write such an end, or a larger one, for a slice up to the last entry."""
LARGEST_END = 2**62
"""Ends from here on stand for the last entry, and are not computed from a batch size."""


@rule("Concat", summary="joined along an axis, constants included")
def _concat(call: Call) -> Value:
    values = [call.input(i) for i in range(len(call.inputs))]
    rank = len(values[0].shape)
    axis = call.axis(int(call.attribute("axis", 1)), rank)
    if call.batched and axis == 0:
        raise Unsupported(f"{call.what} joins along the batch axis: rows must stay independent")
    shapes = [value.shape for value in values]
    frames = {(*shape[:axis], *shape[axis + 1 :]) for shape in shapes if len(shape) == rank}
    if len(frames) != 1 or any(len(shape) != rank for shape in shapes):
        raise FormatError(f"{call.what}: shapes {shapes[:4]} do not fit along axis {axis}")
    ends = np.cumsum([shape[axis] for shape in shapes])
    total = (*shapes[0][:axis], int(ends[-1]), *shapes[0][axis + 1 :])
    check_entries(math.prod(total), call.what)
    places = np.arange(math.prod(total), dtype=np.int64).reshape(total)
    pieces: list[tuple[Tensor | Constant, IntArray]] = []
    for value, part in zip(values, np.split(places, ends[:-1], axis=axis), strict=True):
        if not part.size:
            continue
        if isinstance(value, np.ndarray):
            pieces.append((call.weights(value, minus_infinity=True), part.ravel()))
        else:
            pieces.append((call.ordinary(value), part.ravel()))
    return assemble(call.builder, pieces, total, call.name)


@rule("Split", summary="parts along an axis")
def _split(call: Call) -> tuple[Value, ...]:
    value = call.input(0)
    rank = len(value.shape)
    axis = call.axis(int(call.attribute("axis", 0)), rank)
    if call.batched and axis == 0:
        raise Unsupported(f"{call.what} splits the batch axis: rows must stay independent")
    length, count = value.shape[axis], len(call.node.output)
    sizes = call.listed("split", 1, 13)
    if sizes is None:
        parts = int(call.attribute("num_outputs", count))
        size = -(-length // parts) if parts >= 1 else 0
        sizes = [size] * (parts - 1) + [length - size * (parts - 1)] if parts >= 1 else []
    if len(sizes) != count or sum(sizes) != length or min(sizes, default=0) < 0:
        raise FormatError(f"{call.what}: parts of sizes {sizes[:8]} from {length} entries for {count} outputs")
    ends = np.cumsum(sizes)[:-1].tolist()
    return tuple(
        reindexed(value, lambda index, k=k: np.split(index, ends, axis=axis)[k])  # type: ignore[misc]
        for k in range(count)
    )


@rule("Slice", summary="a view; constant starts, ends and steps")
def _slice(call: Call) -> Value:
    value = call.input(0)
    rank = len(value.shape)
    starts, ends = call.listed("starts", 1, 10), call.listed("ends", 2, 10)
    if starts is None or ends is None or len(starts) != len(ends):
        raise FormatError(f"{call.what}: starts {starts} and ends {ends}")
    axes, steps = call.listed("axes", 3, 10), None if call.opset < 10 else call.listed("steps", 4, 10)
    chosen = list(range(len(starts))) if axes is None else [call.axis(axis, rank) for axis in axes]
    pace = [1] * len(starts) if steps is None else steps
    if not len(chosen) == len(pace) == len(starts) <= rank or len(set(chosen)) < len(chosen) or 0 in pace:
        raise FormatError(f"{call.what}: starts {starts}, ends {ends}, axes {axes}, steps {steps}")
    cut = [slice(None)] * rank
    for axis, start, end, step in zip(chosen, starts, ends, pace, strict=True):
        if call.batched and axis == 0:
            if start == 0 and step == 1 and (end >= NO_END or end == BATCH):
                continue
            raise Unsupported(f"{call.what} slices the batch axis: rows must stay independent")
        if call.batched and -BATCH // 2 <= abs(end) < LARGEST_END:
            raise Unsupported(f"{call.what} ends at a number computed from the batch size: rows must stay independent")
        cut[axis] = slice(start, end, step)
    result = reindexed(value, lambda index: index[tuple(cut)])
    if not math.prod(result.shape):
        raise FormatError(f"{call.what} leaves nothing of shape {value.shape}")
    return result


@rule("Gather", summary="constant indices")
def _gather(call: Call) -> Value:
    value, indices = call.input(0), call.constant(1)
    if isinstance(value, np.ndarray):
        raise Unsupported(f"{call.what}: a constant with computed indices is not supported")
    axis = call.axis(int(call.attribute("axis", 0)), len(value.shape))
    if call.batched and axis == 0:
        raise Unsupported(f"{call.what} picks rows of the batch: rows must stay independent")
    size = value.shape[axis]
    if indices.dtype.kind not in "iu" or ((indices < -size) | (indices >= size)).any():
        raise FormatError(f"{call.what}: indices of type {indices.dtype} must lie in [{-size}, {size})")
    check_entries(math.prod(value.shape) // max(size, 1) * indices.size, call.what)
    return reindexed(value, lambda index: np.take(index, indices, axis=axis))


@rule("Pad", summary="constants, or entries repeated (reflect, edge, wrap)")
def _pad(call: Call) -> Value:
    tensor = call.tensor(0)
    rank = len(tensor.shape)
    pads = call.listed("pads", 1, 11)
    axes = call.listed("axes", 3, 18) if call.opset >= 18 else None
    chosen = list(range(rank)) if axes is None else [call.axis(axis, rank) for axis in axes]
    if pads is None or len(pads) != 2 * len(chosen) or len(set(chosen)) < len(chosen):
        raise FormatError(f"{call.what}: pads {pads} for axes {chosen}")
    before, after = [0] * rank, [0] * rank
    for k, axis in enumerate(chosen):
        before[axis], after[axis] = pads[k], pads[k + len(chosen)]
    if call.batched and (before[0] or after[0]):
        raise Unsupported(f"{call.what} pads the batch axis: rows must stay independent")
    cut = tuple(slice(max(-b, 0), n - max(-a, 0)) for b, a, n in zip(before, after, tensor.shape, strict=True))
    index = tensor.index[cut]
    widths = [(max(b, 0), max(a, 0)) for b, a in zip(before, after, strict=True)]
    shape = tuple(n + b + a for n, (b, a) in zip(index.shape, widths, strict=True))
    if not index.size:
        raise FormatError(f"{call.what} leaves nothing of shape {tensor.shape}")
    check_entries(math.prod(shape), call.what)
    return _padded(call, Tensor(tensor.source, index), widths, shape)


def _padded(call: Call, tensor: Tensor, widths: list[tuple[int, int]], shape: tuple[int, ...]) -> Tensor:
    given = call.attribute("mode", b"constant")
    mode = given.decode("ascii", "replace") if isinstance(given, bytes) else str(given)
    if mode in ("edge", "reflect", "wrap"):
        if mode != "edge" and any(max(w) > n - (mode == "reflect") for w, n in zip(widths, tensor.shape, strict=True)):
            raise Unsupported(f"{call.what}: padding {widths} wider than shape {tensor.shape}: not supported")
        return Tensor(tensor.source, np.pad(tensor.index, widths, mode))  # type: ignore[call-overload]
    if mode != "constant":
        raise Unsupported(f"{call.what}: mode {mode!r}: supported are constant, reflect, edge, wrap")
    filling = float(call.attribute("value", 0.0))
    if call.opset >= 11 and call.optional(2) is not None:
        constant = call.weights(call.constant(2), minus_infinity=True)
        if constant.size != 1:
            raise FormatError(f"{call.what}: a filling of shape {constant.shape}: expected one number")
        filling = float(constant.ravel()[0])
    if math.isnan(filling) or filling == math.inf:
        raise FormatError(f"{call.what} fills with {filling}: only finite numbers and -inf are supported")
    places = np.arange(math.prod(shape), dtype=np.int64).reshape(shape)
    inner = places[tuple(slice(b, b + n) for (b, _), n in zip(widths, tensor.shape, strict=True))].ravel()
    outside = np.setdiff1d(places.ravel(), inner, assume_unique=True)
    pieces: list[tuple[Tensor | Constant, IntArray]] = [(Tensor(tensor.source, tensor.index.ravel()), inner)]
    if len(outside):
        pieces.append((np.full(len(outside), filling), outside))
    return assemble(call.builder, pieces, shape, call.name)


@rule("Expand", summary="a view; constant shape")
def _expand(call: Call) -> Value:
    value = call.input(0)
    target = call.integers(1)
    if call.batched and len(target) == len(value.shape) and target[0] == BATCH:
        target[0] = 1
    if any(size < 1 for size in target):
        raise FormatError(f"{call.what}: shape {target}: sizes must be positive")
    try:
        shape = np.broadcast_shapes(value.shape, tuple(target))
    except ValueError:
        raise FormatError(f"{call.what}: shape {value.shape} does not expand to {target}") from None
    if call.batched and (len(shape) > len(value.shape) or shape[0] != value.shape[0]):
        raise Unsupported(
            f"{call.what} expands {value.shape} to {target} along the batch axis: "
            "it must stay in front, or be fixed to 1"
        )
    check_entries(math.prod(shape), call.what)
    return reindexed(value, lambda index: np.broadcast_to(index, shape))


@rule("Tile", summary="a view; constant repeats")
def _tile(call: Call) -> Value:
    value = call.input(0)
    repeats = call.integers(1)
    if len(repeats) != len(value.shape) or any(times < 1 for times in repeats):
        raise FormatError(f"{call.what}: repeats {repeats} for shape {value.shape}")
    if call.batched and repeats[0] != 1:
        raise Unsupported(f"{call.what} repeats the batch axis: rows must stay independent")
    check_entries(math.prod(value.shape) * math.prod(repeats), call.what)
    return reindexed(value, lambda index: np.tile(index, repeats))

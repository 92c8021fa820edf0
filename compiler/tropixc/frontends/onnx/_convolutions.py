"""Rules of convolutions and pooling: sparse affine maps, and maxima over windows."""

from __future__ import annotations

import math

import numpy as np
import scipy.sparse as sp

from tropix.arrays import FloatArray, IntArray
from tropix.errors import FormatError, Unsupported
from tropixc.frontends.onnx._call import Call, rule
from tropixc.frontends.onnx._values import (
    Tensor,
    Value,
    check_size,
    contiguous,
    reduce_rows,
    rows_matrix,
    unrepeated,
    whole,
)
from tropixc.frontends.onnx._windows import Windows, auto_pad, numbers, read_windows


def _spatial(call: Call, tensor: Tensor) -> tuple[int, ...]:
    """The sizes of the spatial axes of (batch, channels, …)."""
    if len(tensor.shape) < 3:
        raise FormatError(f"{call.what}: input of shape {tensor.shape}: expected (batch, channels, spatial axes)")
    if tensor.shape[0] != 1:
        raise Unsupported(f"{call.what}: a first axis of {tensor.shape[0]}: only a batch axis is supported there")
    return tensor.shape[2:]


def _bias(call: Call, channels: int) -> FloatArray:
    if call.optional(2) is None:
        return np.zeros(channels)
    bias = call.weights(call.constant(2))
    if bias.shape != (channels,):
        raise FormatError(f"{call.what}: bias {bias.shape} for {channels} channels")
    return bias


def _kernel(call: Call, spatial: tuple[int, ...]) -> tuple[FloatArray, int]:
    """The kernel (…, …, spatial axes) and the number of groups."""
    kernel = call.weights(call.constant(1))
    if kernel.ndim != len(spatial) + 2:
        raise FormatError(f"{call.what}: weights of shape {kernel.shape} for {len(spatial)} spatial axes")
    given = call.attribute("kernel_shape", None)
    if given is not None and tuple(given) != kernel.shape[2:]:
        raise FormatError(f"{call.what}: kernel_shape {list(given)} and weights of shape {kernel.shape}")
    groups = int(call.attribute("group", 1))
    if groups < 1 or kernel.shape[0] % groups:
        raise FormatError(f"{call.what}: weights of shape {kernel.shape} do not split into {groups} groups")
    return kernel, groups


@rule("Conv", summary="sparse affine; 1-D, 2-D and beyond, groups, strides, pads, dilations; constant weights")
def _conv(call: Call) -> Value:
    tensor = unrepeated(call.builder, call.tensor(0), f"{call.name}/entries")
    spatial = _spatial(call, tensor)
    kernel, groups = _kernel(call, spatial)
    channels, inner = kernel.shape[0], kernel.shape[1]
    if inner * groups != tensor.shape[1]:
        raise FormatError(
            f"{call.what}: weights of shape {kernel.shape} in {groups} groups for {tensor.shape[1]} channels"
        )
    windows = read_windows(call, spatial, kernel.shape[2:])
    check_size(channels * inner * windows.count * math.prod(windows.kernel), call.what)
    bias = np.repeat(_bias(call, channels), windows.count)
    matrix = _conv_matrix(call, tensor, kernel, groups, windows, spatial)
    position = call.builder.affine([(tensor.source, matrix)], bias, call.name)
    return whole(call.builder, position, (1, channels, *windows.counts))


def _conv_matrix(
    call: Call, tensor: Tensor, kernel: FloatArray, groups: int, windows: Windows, spatial: tuple[int, ...]
) -> sp.csr_array:
    """The convolution as a sparse matrix, its rows (channel, window), built in row order."""
    if tensor.masked:
        raise Unsupported(f"{call.what} needs finite values, but finds -inf (masked entries)")
    channels, inner = kernel.shape[:2]
    places = windows.positions(spatial)
    inside = places >= 0
    entries = np.nonzero(inside)[1]
    flat = tensor.index.reshape(groups, inner, -1)[:, :, places[inside]].transpose(0, 2, 1)
    columns = np.repeat(flat.reshape(groups, -1).astype(np.int32), channels // groups, axis=0)
    data = kernel.reshape(channels, inner, -1)[:, :, entries].transpose(0, 2, 1)
    lengths = np.tile(inside.sum(axis=1) * inner, channels)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    shape = (channels * windows.count, call.builder.size(tensor.source))
    return sp.csr_array((data.reshape(-1), columns.reshape(-1), offsets), shape=shape)


@rule("ConvTranspose", summary="sparse affine; groups, strides, pads, dilations, output_padding, output_shape")
def _conv_transpose(call: Call) -> Value:
    tensor = unrepeated(call.builder, call.tensor(0), f"{call.name}/entries")
    spatial = _spatial(call, tensor)
    kernel, groups = _kernel(call, spatial)
    inner, per_group = kernel.shape[:2]
    if inner != tensor.shape[1]:
        raise FormatError(f"{call.what}: weights of shape {kernel.shape} for {tensor.shape[1]} channels")
    begins, counts, strides, dilations = _transposed_sizes(call, spatial, kernel.shape[2:])
    check_size(inner * per_group * math.prod(spatial) * math.prod(kernel.shape[2:]), call.what)
    check_size(per_group * groups * math.prod(counts), call.what)
    # Entry j of the kernel sends input place i to output place i·stride + j·dilation − begin.
    reversed_windows = Windows(kernel.shape[2:], strides, dilations, begins, (0,) * len(spatial), spatial)
    places = reversed_windows.positions(counts)
    sources, entries = np.nonzero(places >= 0)
    targets = places[sources, entries]
    out = per_group * groups
    group_of = np.arange(inner) // (inner // groups)
    rows = (group_of[:, None] * per_group + np.arange(per_group))[:, :, None] * math.prod(counts) + targets
    columns = np.broadcast_to(tensor.index.reshape(inner, -1)[:, None, sources], rows.shape)
    data = kernel.reshape(inner, per_group, -1)[:, :, entries]
    if tensor.masked:
        raise Unsupported(f"{call.what} needs finite values, but finds -inf (masked entries)")
    shape = (out * math.prod(counts), call.builder.size(tensor.source))
    matrix = rows_matrix(rows.ravel(), columns.ravel(), data.ravel(), shape)
    bias = np.repeat(_bias(call, out), math.prod(counts))
    return whole(call.builder, call.builder.affine([(tensor.source, matrix)], bias, call.name), (1, out, *counts))


def _transposed_sizes(
    call: Call, spatial: tuple[int, ...], kernel: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Padding in front, output sizes, strides and dilations of a transposed convolution."""
    rank = len(spatial)
    strides, dilations = numbers(call, "strides", rank, 1), numbers(call, "dilations", rank, 1)
    extra = numbers(call, "output_padding", rank, 0)
    mode = auto_pad(call)
    given = call.attribute("output_shape", None)
    pads = numbers(call, "pads", 2 * rank, 0) if mode == "NOTSET" and given is None else (0,) * (2 * rank)
    begins, counts = [], []
    for axis in range(rank):
        full = strides[axis] * (spatial[axis] - 1) + extra[axis] + (kernel[axis] - 1) * dilations[axis] + 1
        if given is None and not mode.startswith("SAME"):
            begins.append(pads[axis])
            counts.append(full - pads[axis] - pads[axis + rank])
        else:
            count = spatial[axis] * strides[axis] if given is None else int(given[len(given) - rank + axis])
            total = max(full - count, 0)
            begins.append(total // 2 if mode == "SAME_UPPER" else total - total // 2)
            counts.append(count)
        if not 1 <= counts[-1] <= full:
            raise FormatError(f"{call.what}: an output size of {counts[-1]}, where at most {full} entries are computed")
    return tuple(begins), tuple(counts), strides, dilations


def _pool(call: Call) -> tuple[Tensor, Windows, IntArray]:
    """Input, windows, and the entries of each window, (channels, windows, kernel); −1 in the padding."""
    tensor = unrepeated(call.builder, call.tensor(0), f"{call.name}/entries")
    spatial = _spatial(call, tensor)
    kernel = call.attribute("kernel_shape", None)
    if kernel is None:
        raise FormatError(f"{call.what} has no kernel_shape")
    windows = read_windows(call, spatial, tuple(int(size) for size in kernel))
    check_size(tensor.shape[1] * windows.count * math.prod(windows.kernel), call.what)
    places = windows.positions(spatial)
    flat = tensor.index.reshape(tensor.shape[1], -1)
    return tensor, windows, np.where(places >= 0, flat[:, places], -1)


@rule("MaxPool", summary="maximum over windows; pads, dilations, ceil_mode")
def _max_pool(call: Call) -> Value:
    if len(call.node.output) > 1 and call.node.output[1]:
        raise Unsupported(f"{call.what}: the output Indices is not supported: only the maxima are")
    tensor, windows, members = _pool(call)
    shape = (1, tensor.shape[1], *windows.counts)
    groups = Tensor(tensor.source, members.reshape(-1, members.shape[-1]))
    if not (groups.index >= 0).any(axis=1).all():
        raise Unsupported(f"{call.what}: a window lies in the padding alone")
    return reduce_rows(call.builder, groups, 0.0, shape, call.name)


@rule("AveragePool", summary="sparse affine; pads, count_include_pad, dilations, ceil_mode")
def _average_pool(call: Call) -> Value:
    tensor, windows, members = _pool(call)
    inside = (members >= 0).reshape(-1, members.shape[-1])
    counts = inside.sum(axis=1)
    if call.attribute("count_include_pad", 0):
        counts = np.tile(_padded_counts(windows, tensor.shape[2:]), tensor.shape[1])
    if not inside.any(axis=1).all():
        raise Unsupported(f"{call.what}: a window lies in the padding alone")
    return _averaged(call, tensor, members.reshape(inside.shape), counts, (1, tensor.shape[1], *windows.counts))


def _padded_counts(windows: Windows, spatial: tuple[int, ...]) -> IntArray:
    """Entries of each window that lie in the tensor or its padding (not beyond it, where ceil_mode may reach)."""
    padded = tuple(b + n + e for b, n, e in zip(windows.begins, spatial, windows.ends, strict=True))
    zero = (0,) * len(spatial)
    moved = Windows(windows.kernel, windows.strides, windows.dilations, zero, zero, windows.counts)
    return np.asarray((moved.positions(padded) >= 0).sum(axis=1))


def _averaged(call: Call, tensor: Tensor, members: IntArray, counts: IntArray, shape: tuple[int, ...]) -> Tensor:
    """Rows of members (−1: none) added up and divided by counts."""
    inside = members >= 0
    if (counts & (counts - 1)).any():
        call.note("the mean's 1/n is rounded to float64 (relative error 1.1e-16)")
    rows = np.nonzero(inside)[0]
    size = len(members)
    matrix = rows_matrix(rows, members[inside], (1.0 / counts)[rows], (size, call.builder.size(tensor.source)))
    return whole(call.builder, call.builder.affine([(tensor.source, matrix)], np.zeros(size), call.name), shape)


@rule("GlobalAveragePool", summary="sparse affine")
def _global_average_pool(call: Call) -> Value:
    tensor = unrepeated(call.builder, call.tensor(0), f"{call.name}/entries")
    spatial = _spatial(call, tensor)
    contiguous(call.builder, tensor, f"{call.name}/order")  # refuses masked entries
    members = tensor.index.reshape(tensor.shape[1], -1)
    counts = np.full(len(members), members.shape[1])
    return _averaged(call, tensor, members, counts, (1, tensor.shape[1], *(1 for _ in spatial)))


@rule("GlobalMaxPool", summary="maximum over all spatial axes")
def _global_max_pool(call: Call) -> Value:
    tensor = call.tensor(0)
    spatial = _spatial(call, tensor)
    groups = Tensor(tensor.source, tensor.index.reshape(tensor.shape[1], -1))
    return reduce_rows(call.builder, groups, 0.0, (1, tensor.shape[1], *(1 for _ in spatial)), call.name)

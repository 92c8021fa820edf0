"""Sliding windows over the spatial axes of a tensor, as convolutions and pooling use them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tropix.arrays import IntArray
from tropix.errors import FormatError, Unsupported
from tropixc.frontends.onnx._call import Call

AUTO_PADS = ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")


@dataclass(frozen=True)
class Windows:
    """Kernel, strides, dilations, the padding in front of each spatial axis, and the number of windows along it."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    begins: tuple[int, ...]
    ends: tuple[int, ...]
    counts: tuple[int, ...]

    @property
    def count(self) -> int:
        """Number of windows."""
        return math.prod(self.counts)

    def positions(self, spatial: tuple[int, ...]) -> IntArray:
        """Flat positions in the spatial axes, (windows, kernel entries); −1 where an entry lies in the padding."""
        rank = len(spatial)
        flat = np.zeros((), dtype=np.int64)
        inside = np.ones((), dtype=np.bool_)
        for axis, size in enumerate(spatial):
            starts = np.arange(self.counts[axis])[:, None] * self.strides[axis] - self.begins[axis]
            places = starts + np.arange(self.kernel[axis]) * self.dilations[axis]
            shape = [1] * (2 * rank)
            shape[axis], shape[rank + axis] = places.shape
            flat = flat * size + places.reshape(shape)
            inside = inside & ((places >= 0) & (places < size)).reshape(shape)
        return np.where(inside, flat, -1).reshape(self.count, math.prod(self.kernel))


def read_windows(call: Call, spatial: tuple[int, ...], kernel: tuple[int, ...]) -> Windows:
    """The windows that a node's attributes describe, checked."""
    rank = len(spatial)
    strides = numbers(call, "strides", rank, 1)
    dilations = numbers(call, "dilations", rank, 1)
    if len(kernel) != rank or min(kernel) < 1 or rank < 1:
        raise FormatError(f"{call.what}: kernel {kernel} for {rank} spatial axes")
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    mode = auto_pad(call)
    begins, ends, counts = [], [], []
    pads = numbers(call, "pads", 2 * rank, 0) if mode == "NOTSET" else (0,) * (2 * rank)
    for axis, (size, span, stride) in enumerate(zip(spatial, spans, strides, strict=True)):
        begin, end = pads[axis], pads[axis + rank]
        if mode.startswith("SAME"):
            wanted = (-(-size // stride) - 1) * stride + span - size
            if (wanted < 0 or dilations[axis] > 1) and call.node.op_type != "Conv":
                raise Unsupported(
                    f"{call.what}: auto_pad {mode} with dilations, or where it would cut entries off: on that runtimes "
                    "disagree. Export with explicit pads."
                )
            total = max(wanted, 0)
            begin = total // 2 if mode == "SAME_UPPER" else total - total // 2
            end = total - begin
        room = size + begin + end - span
        if room < 0:
            raise FormatError(f"{call.what}: a window of {span} does not fit {size} entries and padding {begin}, {end}")
        count = room // stride + 1
        if call.attribute("ceil_mode", 0) and -(-room // stride) * stride < size + begin:
            count = -(-room // stride) + 1
        begins.append(begin)
        ends.append(end)
        counts.append(count)
    return Windows(kernel, strides, dilations, tuple(begins), tuple(ends), tuple(counts))


def auto_pad(call: Call) -> str:
    """The padding mode."""
    given = call.attribute("auto_pad", b"NOTSET")
    mode = given.decode("ascii", "replace") if isinstance(given, bytes) else str(given)
    if mode not in AUTO_PADS:
        raise FormatError(f"{call.what}: auto_pad {mode!r}: expected one of {', '.join(AUTO_PADS)}")
    return mode


LARGEST = 2**31


def numbers(call: Call, name: str, count: int, least: int) -> tuple[int, ...]:
    """A list of integers in an attribute; all ``least`` if it is omitted."""
    given = call.attribute(name, None)
    if given is None or not len(given):
        return (least,) * count
    values = tuple(int(value) for value in given)
    if len(values) != count or any(not least <= value < LARGEST for value in values):
        if name == "pads" and len(values) == count:
            raise Unsupported(f"{call.what}: {name} {list(values)}: only nonnegative padding is supported")
        raise FormatError(f"{call.what}: {name} {list(values)}: expected {count} numbers >= {least}")
    return values

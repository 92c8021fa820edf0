"""Tiles of a max-plus matrix product, held in registers."""

from __future__ import annotations

from itertools import product
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types

from tropix.kernels._simd import BYTES, HALF, INDEX, LONG, ROWS, VECTORS, Code, Value, intrinsic, outlined


@intrinsic
def max_plus_tile(
    typing: Any, a: Any, a_start: Any, b: Any, b_start: Any, count: Any, c: Any, c_start: Any, width: Any
) -> Any:
    """c[r, l] ← max(c[r, l], max_k a[k, r] + b[k, l]) for a tile of c at ``c_start``, rows ``width`` numbers apart.

    a and b are flat arrays with packed panels (count, ROWS) at ``a_start`` and (count, tile) at ``b_start``.
    """

    def body(code: Code) -> Value:
        builder = code.builder
        a, a_start, b, b_start, count, c, c_start, width = code.arguments
        offsets = code.tile_offsets(c_start, width, ROWS)
        code.prefetch(c, offsets)

        def step(k: Value, best: list[Value]) -> list[Value]:
            row = code.row_of_tile(b, b_start, k)
            first = code.at(a_start, code.times(k, code.long(ROWS)))
            found = []
            for r in range(ROWS):  # an entry just before its use: loaded together they would not fit
                entry = code.entry(a, code.at(first, code.long(r)))
                tops = best[r * VECTORS : (r + 1) * VECTORS]
                found += [code.maximum(builder.fadd(entry, q), top) for q, top in zip(row, tops, strict=True)]
            return found

        found = code.loop(count, [code.constant(float("-inf"))] * len(offsets), step)
        for value, offset in zip(found, offsets, strict=True):
            code.store(code.maximum(value, code.load(c, offset)), c, offset)

    return outlined("max_plus_tile", types.void, (a, a_start, b, b_start, count, c, c_start, width), body)


@intrinsic
def max_plus_argmax_tile(
    typing: Any,
    a: Any,
    a_start: Any,
    b: Any,
    b_start: Any,
    count: Any,
    base: Any,
    c: Any,
    indices: Any,
    start: Any,
    width: Any,
) -> Any:
    """HALF rows of :func:`max_plus_tile`; where c grows, its int64 in ``indices`` becomes base + the lowest k."""

    def body(code: Code) -> Value:
        builder = code.builder
        a, a_start, b, b_start, count, base, c, indices, start, width = code.arguments
        offsets = code.tile_offsets(start, width, HALF)
        narrow = ir.VectorType(ir.IntType(8 * BYTES // code.lanes), code.lanes)
        wide = ir.VectorType(LONG, code.lanes)
        one, zero = (ir.Constant(narrow, [value] * code.lanes) for value in (1, 0))

        def step(k: Value, carried: list[Value]) -> list[Value]:
            index, best, where = carried[0], carried[1 : 1 + len(offsets)], carried[1 + len(offsets) :]
            row = code.row_of_tile(b, b_start, k)
            first = code.at(a_start, code.times(k, code.long(ROWS)))
            values, places = [], []
            # one after the other: there are fewer mask registers than vectors in the tile
            for (r, vector), top, place in zip(product(range(HALF), row), best, where, strict=True):
                t = builder.fadd(code.entry(a, code.at(first, code.long(r))), vector)
                larger = builder.fcmp_ordered(">", t, top)
                values.append(builder.select(larger, t, top))
                places.append(builder.select(larger, index, place))
            return [builder.add(index, one), *values, *places]

        initial = [zero, *[code.constant(float("-inf"))] * len(offsets), *[zero] * len(offsets)]
        found = code.loop(count, initial, step)[1:]
        shift = code.broadcast_as(base, wide)
        for value, place, offset in zip(found[: len(offsets)], found[len(offsets) :], offsets, strict=True):
            old = code.load(c, offset)
            larger = builder.fcmp_ordered(">", value, old)
            code.store(builder.select(larger, value, old), c, offset)
            target = builder.bitcast(builder.gep(indices, [offset]), wide.as_pointer())
            index = builder.add(place if narrow == wide else builder.sext(place, wide), shift)
            builder.store(builder.select(larger, index, builder.load(target, align=8)), target, align=8)

    kinds = (a, a_start, b, b_start, count, base, c, indices, start, width)
    return outlined("max_plus_argmax_tile", types.void, kinds, body)


@intrinsic
def max_plus_dot(typing: Any, a: Any, a_start: Any, x: Any, x_start: Any, count: Any) -> Any:
    """max_k a[a_start + k] + x[x_start + k] over ``count`` numbers, a multiple of 4 LANES."""
    chains = 4

    def body(code: Code) -> Value:
        builder = code.builder
        a, a_start, x, x_start, count = code.arguments
        step_length = code.long(chains * code.lanes)

        def step(k: Value, best: list[Value]) -> list[Value]:
            shifts = [code.at(code.times(k, step_length), code.long(c * code.lanes)) for c in range(chains)]
            left = [code.load(a, code.at(a_start, shift)) for shift in shifts]
            right = [code.load(x, code.at(x_start, shift)) for shift in shifts]
            return [code.maximum(builder.fadd(p, q), v) for p, q, v in zip(left, right, best, strict=True)]

        found = code.loop(builder.sdiv(count, step_length), [code.constant(float("-inf"))] * chains, step)
        best = code.maximum(code.maximum(found[0], found[1]), code.maximum(found[2], found[3]))
        lanes = [builder.extract_element(best, ir.Constant(INDEX, lane)) for lane in range(code.lanes)]
        while len(lanes) > 1:
            lanes = [code.maximum(p, q) for p, q in zip(lanes[::2], lanes[1::2], strict=True)]
        return lanes[0]

    return outlined("max_plus_dot", a.dtype, (a, a_start, x, x_start, count), body)


@intrinsic
def max_plus_entries(
    typing: Any, data: Any, indices: Any, first: Any, stop: Any, b: Any, width: Any, lane: Any, out: Any, start: Any
) -> Any:
    """out[start + l] ← max over first ≤ p < stop of data[p] + b[indices[p], lane + l], for a tile's lanes l."""

    def body(code: Code) -> Value:
        builder = code.builder
        data, indices, first, stop, b, width, lane, out, start = code.arguments

        def step(k: Value, best: list[Value]) -> list[Value]:
            p = code.at(first, k)
            entry = code.entry(data, p)
            index = builder.load(builder.gep(indices, [p]))
            column = index if index.type == LONG else builder.sext(index, LONG)
            begin = code.at(lane, code.times(column, width))
            row = [code.load(b, code.at(begin, code.long(v * code.lanes))) for v in range(VECTORS)]
            return [code.maximum(builder.fadd(entry, q), v) for q, v in zip(row, best, strict=True)]

        found = code.loop(builder.sub(stop, first), [code.constant(float("-inf"))] * VECTORS, step)
        for v, value in enumerate(found):
            code.store(value, out, code.at(start, code.long(v * code.lanes)))

    return outlined("max_plus_entries", types.void, (data, indices, first, stop, b, width, lane, out, start), body)

"""Tiles of a max-plus matrix product, held in registers."""

from __future__ import annotations

from itertools import product
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types

from tropix.kernels._simd import BYTES, HALF, LONG, ROWS, Code, Value, intrinsic


@intrinsic
def max_plus_tile(
    typing: Any, a: Any, a_start: Any, b: Any, b_start: Any, count: Any, c: Any, c_start: Any, width: Any
) -> Any:
    """c[r, l] ← max(c[r, l], max_k a[k, r] + b[k, l]) for a tile of c at ``c_start``, rows ``width`` numbers apart.

    a and b are flat arrays with packed panels (count, ROWS) at ``a_start`` and (count, tile) at ``b_start``.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        code = Code(context, builder, signature, arguments)
        a, a_start, b, b_start, count, c, c_start, width = code.arguments
        offsets = code.tile_offsets(c_start, width, ROWS)
        code.prefetch(c, offsets)

        def step(k: Value, best: list[Value]) -> list[Value]:
            row = code.row_of_tile(b, b_start, k)
            first = code.at(a_start, code.times(k, code.long(ROWS)))
            left = [code.entry(a, code.at(first, code.long(r))) for r in range(ROWS)]
            sums = [builder.fadd(entry, vector) for entry, vector in product(left, row)]
            return [code.maximum(t, v) for t, v in zip(sums, best, strict=True)]

        found = code.loop(count, [code.constant(float("-inf"))] * len(offsets), step)
        for value, offset in zip(found, offsets, strict=True):
            code.store(code.maximum(value, code.load(c, offset)), c, offset)
        return context.get_dummy_value()

    return types.void(a, a_start, b, b_start, count, c, c_start, width), generate


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

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        code = Code(context, builder, signature, arguments)
        a, a_start, b, b_start, count, base, c, indices, start, width = code.arguments
        offsets = code.tile_offsets(start, width, HALF)
        narrow = ir.VectorType(ir.IntType(8 * BYTES // code.lanes), code.lanes)
        wide = ir.VectorType(LONG, code.lanes)
        one, zero = (ir.Constant(narrow, [value] * code.lanes) for value in (1, 0))

        def step(k: Value, carried: list[Value]) -> list[Value]:
            index, best, where = carried[0], carried[1 : 1 + len(offsets)], carried[1 + len(offsets) :]
            row = code.row_of_tile(b, b_start, k)
            first = code.at(a_start, code.times(k, code.long(ROWS)))
            left = [code.entry(a, code.at(first, code.long(r))) for r in range(HALF)]
            values, places = [], []
            # one after the other: there are fewer mask registers than vectors in the tile
            for (entry, vector), top, place in zip(product(left, row), best, where, strict=True):
                t = builder.fadd(entry, vector)
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
        return context.get_dummy_value()

    return types.void(a, a_start, b, b_start, count, base, c, indices, start, width), generate

"""Tiles of affine functions at many points, held in registers: points lie in the lanes, pieces in the rows.

All arrays are flat; a tile of points is as wide as TILE_BYTES. What is carried from one chunk of pieces to the next
(the largest value so far, the sum of exponentials) has a number a lane, so nothing is ever reduced across lanes.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types

from tropix.kernels._simd import ROWS, VECTORS, Code, Value, intrinsic, outlined

PAIR = 2
"""Rows of a narrow tile, for the coordinates that do not fill a tile of ROWS."""


@intrinsic
def affine_tile(typing: Any, w: Any, w_start: Any, x: Any, x_start: Any, count: Any, out: Any, out_start: Any) -> Any:
    """out[r, l] ← Σ_k w[k, r] x[k, l] for panels (count, ROWS) of w and (count, tile) of x, tile by tile in memory."""

    def body(code: Code) -> Value:
        w, w_start, x, x_start, count, out, out_start = code.arguments
        offsets = code.tile_offsets(out_start, code.long(VECTORS * code.lanes), ROWS)
        initial = [code.constant(0.0)] * len(offsets)
        sums = _add_products(code, w, w_start, x, x_start, count, initial, ROWS)
        for value, offset in zip(sums, offsets, strict=True):
            code.store(value, out, offset)

    return outlined("affine_tile", types.void, (w, w_start, x, x_start, count, out, out_start), body)


@intrinsic
def product_tile(
    typing: Any, a: Any, a_start: Any, b: Any, b_start: Any, count: Any, out: Any, out_start: Any, width: Any
) -> Any:
    """out[r, l] ← out[r, l] + Σ_k a[k, r] b[k, l] for packed panels; the rows of out are ``width`` numbers apart."""

    def body(code: Code) -> Value:
        builder = code.builder
        a, a_start, b, b_start, count, out, out_start, width = code.arguments
        offsets = code.tile_offsets(out_start, width, ROWS)
        code.prefetch(out, offsets)
        sums = _add_products(code, a, a_start, b, b_start, count, [code.constant(0.0)] * len(offsets), ROWS)
        for value, offset in zip(sums, offsets, strict=True):
            code.store(builder.fadd(value, code.load(out, offset)), out, offset)

    return outlined("product_tile", types.void, (a, a_start, b, b_start, count, out, out_start, width), body)


@intrinsic
def weighted_tile(
    typing: Any,
    w: Any,
    w_start: Any,
    e: Any,
    e_start: Any,
    count: Any,
    scale: Any,
    scale_start: Any,
    out: Any,
    start: Any,
) -> Any:
    """out[r, l] ← out[r, l] scale[l] + Σ_j w[j, r] e[j, l] for panels (count, ROWS) of w and (count, tile) of e."""
    return _weighted("weighted_tile", ROWS, w, w_start, e, e_start, count, scale, scale_start, out, start)


@intrinsic
def weighted_pair(
    typing: Any,
    w: Any,
    w_start: Any,
    e: Any,
    e_start: Any,
    count: Any,
    scale: Any,
    scale_start: Any,
    out: Any,
    start: Any,
) -> Any:
    """:func:`weighted_tile` with PAIR rows."""
    return _weighted("weighted_pair", PAIR, w, w_start, e, e_start, count, scale, scale_start, out, start)


def _weighted(name: str, rows: int, *kinds: Any) -> Any:
    def body(code: Code) -> Value:
        builder = code.builder
        w, w_start, e, e_start, count, scale, scale_start, out, start = code.arguments
        offsets = code.tile_offsets(start, code.long(VECTORS * code.lanes), rows)
        factors = code.row_of_tile(scale, scale_start, code.long(0)) * rows
        initial = [builder.fmul(code.load(out, o), f) for o, f in zip(offsets, factors, strict=True)]
        sums = _add_products(code, w, w_start, e, e_start, count, initial, rows)
        for value, offset in zip(sums, offsets, strict=True):
            code.store(value, out, offset)

    return outlined(name, types.void, kinds, body)


def _add_products(
    code: Code, w: Value, w_start: Value, x: Value, x_start: Value, count: Value, initial: list[Value], rows: int
) -> list[Value]:
    def step(k: Value, sums: list[Value]) -> list[Value]:
        row = code.row_of_tile(x, x_start, k)
        first = code.at(w_start, code.times(k, code.long(rows)))
        added = []
        for r in range(rows):  # an entry just before its use: loaded together they would not fit
            entry = code.entry(w, code.at(first, code.long(r)))
            held = sums[r * VECTORS : (r + 1) * VECTORS]
            added += [code.multiply_add(entry, v, s) for v, s in zip(row, held, strict=True)]
        return added

    return code.loop(count, initial, step)


@intrinsic
def tile_maxima(typing: Any, z: Any, z_start: Any, count: Any, first: Any, top: Any, index: Any, at: Any) -> Any:
    """top[l] ← max(top[l], max_j z[j, l]) over ``count`` rows of a tile; where it grows, index[l] ← first + lowest j.

    index has integers as wide as the numbers; ``at`` is where the tile's lanes begin in top and index.
    """

    def body(code: Code) -> Value:
        builder = code.builder
        z, z_start, count, first, top, index, at = code.arguments
        integers = ir.VectorType(ir.IntType(code.width), code.lanes)
        number = first if code.width == 64 else builder.trunc(first, ir.IntType(code.width))
        one = ir.Constant(integers, [1] * code.lanes)
        offsets = [code.at(at, code.long(v * code.lanes)) for v in range(VECTORS)]
        pointers = [builder.bitcast(builder.gep(index, [o]), integers.as_pointer()) for o in offsets]

        def step(j: Value, carried: list[Value]) -> list[Value]:
            piece, best, where = carried[0], carried[1 : 1 + VECTORS], carried[1 + VECTORS :]
            row = code.row_of_tile(z, z_start, j)
            larger = [builder.fcmp_ordered(">", t, v) for t, v in zip(row, best, strict=True)]
            values = [builder.select(m, t, v) for m, t, v in zip(larger, row, best, strict=True)]
            places = [builder.select(m, piece, old) for m, old in zip(larger, where, strict=True)]
            return [builder.add(piece, one), *values, *places]

        old = [code.load(top, o) for o in offsets]
        places = [builder.load(pointer, align=4) for pointer in pointers]
        found = code.loop(count, [code.broadcast_as(number, integers), *old, *places], step)[1:]
        for value, offset in zip(found[:VECTORS], offsets, strict=True):
            code.store(value, top, offset)
        for place, pointer in zip(found[VECTORS:], pointers, strict=True):
            builder.store(place, pointer, align=4)

    return outlined("tile_maxima", types.void, (z, z_start, count, first, top, index, at), body)


@intrinsic
def tile_exponentials(
    typing: Any, z: Any, z_start: Any, count: Any, inverse: Any, top: Any, total: Any, scale: Any, at: Any
) -> Any:
    """One step of the online sum of exponentials over ``count`` rows of a tile (a multiple of 2).

    top[l] becomes the largest z so far, scale[l] ← e^{(old top − top) inverse}, z[j, l] ← e^{(z[j, l] − top) inverse},
    and total[l] ← total[l] scale[l] + Σ_j of these. Where all is −∞, they are 0.
    """

    def body(code: Code) -> Value:
        builder = code.builder
        z, z_start, count, inverse, top, total, scale, at = code.arguments
        offsets = [code.at(at, code.long(v * code.lanes)) for v in range(VECTORS)]
        factor = code.broadcast(inverse)
        old = [code.load(top, o) for o in offsets]
        half = builder.lshr(count, code.long(1))

        def larger(j: Value, best: list[Value]) -> list[Value]:
            # two chains of maxima, because each waits for its last step
            twice = code.times(j, code.long(2))
            rows = [*code.row_of_tile(z, z_start, twice), *code.row_of_tile(z, z_start, code.at(twice, code.long(1)))]
            return [code.maximum(t, v) for t, v in zip(rows, best, strict=True)]

        both = code.loop(half, old * 2, larger)
        best = [code.maximum(t, v) for t, v in zip(both[:VECTORS], both[VECTORS:], strict=True)]

        def term(value: Value, v: int) -> Value:
            return code.exponential(builder.fmul(builder.fsub(value, best[v]), factor))

        factors = [term(old[v], v) for v in range(VECTORS)]

        def add(j: Value, sums: list[Value]) -> list[Value]:
            first = code.at(z_start, code.times(j, code.long(VECTORS * code.lanes)))
            terms = [term(value, v) for v, value in enumerate(code.row_of_tile(z, z_start, j))]
            for v, value in enumerate(terms):
                code.store(value, z, code.at(first, code.long(v * code.lanes)))
            return [builder.fadd(s, value) for s, value in zip(sums, terms, strict=True)]

        start = [builder.fmul(code.load(total, o), f) for o, f in zip(offsets, factors, strict=True)]
        sums = code.loop(count, start, add)
        for offset, most, factor_, value in zip(offsets, best, factors, sums, strict=True):
            code.store(most, top, offset)
            code.store(factor_, scale, offset)
            code.store(value, total, offset)

    return outlined("tile_exponentials", types.void, (z, z_start, count, inverse, top, total, scale, at), body)


@intrinsic
def exponentials(typing: Any, t: Any, count: Any) -> Any:
    """t[i] ← e^{t[i]} for t[i] ≤ 0 and i < count, rounded up to whole vectors: t is that long."""

    def body(code: Code) -> Value:
        builder = code.builder
        t, count = code.arguments
        vectors = builder.sdiv(code.at(count, code.long(code.lanes - 1)), code.long(code.lanes))

        def step(i: Value, carried: list[Value]) -> list[Value]:
            offset = code.times(i, code.long(code.lanes))
            code.store(code.exponential(code.load(t, offset)), t, offset)
            return carried

        code.loop(vectors, [], step)

    return outlined("exponentials", types.void, (t, count), body)

"""Tiles of squared distances between points and sites, and of weighted differences: points lie in the lanes.

Memory is laid out as in `_affine_tiles`. Differences are formed before they are squared or summed, so nothing cancels.
"""

from __future__ import annotations

from typing import Any

from numba import types

from tropix.kernels._simd import ROWS, VECTORS, Value, intrinsic, outlined

PAIR = 2
"""Coordinates of a tile of differences."""


@intrinsic
def distance_tile(
    typing: Any, y: Any, y_start: Any, x: Any, x_start: Any, d: Any, factor: Any, out: Any, out_start: Any
) -> Any:
    """out[r, l] ← y[0, r] + factor·Σ_{k=1…d} (x[k, l] − y[k, r])², for panels (d+1, ROWS) of y, (d+1, tile) of x."""

    def body(code: Any) -> Value:
        builder = code.builder
        y, y_start, x, x_start, d, factor, out, out_start = code.arguments

        def step(k: Value, sums: list[Value]) -> list[Value]:
            following = code.at(k, code.long(1))
            row = code.row_of_tile(x, x_start, following)
            first = code.at(y_start, code.times(following, code.long(ROWS)))
            added = []
            for r in range(ROWS):
                entry = code.entry(y, code.at(first, code.long(r)))
                held = sums[r * VECTORS : (r + 1) * VECTORS]
                steps = [builder.fsub(v, entry) for v in row]
                added += [code.multiply_add(v, v, s) for v, s in zip(steps, held, strict=True)]
            return added

        sums = code.loop(d, [code.constant(0.0)] * (ROWS * VECTORS), step)
        offsets = code.tile_offsets(out_start, code.long(VECTORS * code.lanes), ROWS)
        factor = code.broadcast(factor)
        for i, (value, offset) in enumerate(zip(sums, offsets, strict=True)):
            constant = code.entry(y, code.at(y_start, code.long(i // VECTORS)))
            code.store(code.multiply_add(factor, value, constant), out, offset)

    return outlined("distance_tile", types.void, (y, y_start, x, x_start, d, factor, out, out_start), body)


@intrinsic
def weighted_differences(
    typing: Any,
    y: Any,
    y_start: Any,
    x: Any,
    x_start: Any,
    m: Any,
    m_start: Any,
    e: Any,
    count: Any,
    sums: Any,
    sums_start: Any,
    squares: Any,
) -> Any:
    """sums[r, l] += Σ_j e[j, l] v_jrl and squares[l] += Σ_jr e[j, l] v_jrl² with v_jrl = (x[r, l] − y[j, r]) − m[r, l].

    For panels (count, PAIR) of y, (PAIR, tile) of x, m and sums, (count, tile) of e.
    """

    def body(code: Any) -> Value:
        builder = code.builder
        y, y_start, x, x_start, m, m_start, e, count, sums, sums_start, squares = code.arguments
        rows = [code.long(r) for r in range(PAIR)]
        places = [code.row_of_tile(x, x_start, r) for r in rows]
        means = [code.row_of_tile(m, m_start, r) for r in rows]
        held = [v for r in rows for v in code.row_of_tile(sums, sums_start, r)]
        held += code.row_of_tile(squares, code.long(0), code.long(0))

        def step(j: Value, carried: list[Value]) -> list[Value]:
            weights = code.row_of_tile(e, code.long(0), j)
            first = code.at(y_start, code.times(j, code.long(PAIR)))
            moved, second = list(carried), carried[PAIR * VECTORS :]
            for r in range(PAIR):
                entry = code.entry(y, code.at(first, code.long(r)))
                for v, weight in enumerate(weights):
                    difference = builder.fsub(builder.fsub(places[r][v], entry), means[r][v])
                    share = builder.fmul(weight, difference)
                    moved[r * VECTORS + v] = builder.fadd(carried[r * VECTORS + v], share)
                    second[v] = code.multiply_add(share, difference, second[v])
            return [*moved[: PAIR * VECTORS], *second]

        held = code.loop(count, held, step)
        offsets = code.tile_offsets(sums_start, code.long(VECTORS * code.lanes), PAIR)
        for value, offset in zip(held, offsets, strict=False):
            code.store(value, sums, offset)
        for v, value in enumerate(held[PAIR * VECTORS :]):
            code.store(value, squares, code.long(v * code.lanes))

    return outlined(
        "weighted_differences",
        types.void,
        (y, y_start, x, x_start, m, m_start, e, count, sums, sums_start, squares),
        body,
    )

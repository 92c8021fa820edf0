"""Vector instructions that numba's own loops do not reach, written in LLVM: tiles of sums held in registers.

A tile has ROWS×VECTORS accumulators of LANES numbers, which with the operands fill the registers of the CPU, so that
each step of a matrix product is a broadcast entry of the left factor against VECTORS vectors of the right one. Maxima
are a comparison and a selection, which LLVM turns into one instruction; −∞ is exact, and NaN (−∞ + ∞) is never taken.
The tile is chosen by the CPU that numba compiles for; code for AVX-512, AVX2, 128-bit vectors and Arm is the same.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import extending, types
from numba.core import cgutils, codegen, config

intrinsic: Any = extending.intrinsic


def _tile() -> tuple[int, int, int]:
    """Bytes in a vector, rows and vectors in a tile."""
    chosen: Any = config
    detect: Any = codegen.get_host_cpu_features
    features = detect() if chosen.CPU_FEATURES is None else chosen.CPU_FEATURES
    if "+avx512f" in features.split(","):
        return 64, 8, 3
    if "+avx2" in features.split(","):
        return 32, 6, 2
    return 16, *((8, 3) if platform.machine().lower() in ("aarch64", "arm64") else (4, 2))


BYTES, ROWS, VECTORS = _tile()
HALF = ROWS // 2
"""Rows of a tile that also holds indices."""
TILE_BYTES = BYTES * VECTORS
"""Bytes in a row of a tile."""
LONG, INDEX = ir.IntType(64), ir.IntType(32)
Value = Any
"""A value of LLVM."""


class Code:
    """A builder of LLVM code with vectors of one type of numbers."""

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        self.builder = builder
        self.arguments = list(arguments)
        for position, given in enumerate(signature.args):
            if isinstance(given, types.Array):
                array = context.make_array(given)(context, builder, arguments[position])
                self.arguments[position] = array.data
        first = next(given.dtype for given in signature.args if isinstance(given, types.Array))
        self.number = ir.FloatType() if first == types.float32 else ir.DoubleType()
        self.lanes = BYTES // (first.bitwidth // 8)
        self.vector = ir.VectorType(self.number, self.lanes)

    def long(self, value: int) -> Value:
        return ir.Constant(LONG, value)

    def at(self, start: Value, *terms: Value) -> Value:
        for term in terms:
            start = self.builder.add(start, term)
        return start

    def times(self, left: Value, right: Value) -> Value:
        return self.builder.mul(left, right)

    def constant(self, value: float) -> Value:
        return ir.Constant(self.vector, [value] * self.lanes)

    def load(self, array: Value, offset: Value) -> Value:
        pointer = self.builder.bitcast(self.builder.gep(array, [offset]), self.vector.as_pointer())
        return self.builder.load(pointer, align=4)

    def store(self, value: Value, array: Value, offset: Value) -> None:
        pointer = self.builder.bitcast(self.builder.gep(array, [offset]), self.vector.as_pointer())
        self.builder.store(value, pointer, align=4)

    def broadcast(self, number: Value) -> Value:
        return self.broadcast_as(number, self.vector)

    def broadcast_as(self, number: Value, vector: Any) -> Value:
        blank = ir.Constant(vector, ir.Undefined)
        single = self.builder.insert_element(blank, number, ir.Constant(INDEX, 0))
        zeros = ir.Constant(ir.VectorType(INDEX, self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(single, blank, zeros)

    def entry(self, array: Value, offset: Value) -> Value:
        """One number of an array in all lanes."""
        return self.broadcast(self.builder.load(self.builder.gep(array, [offset])))

    def maximum(self, candidate: Value, best: Value) -> Value:
        return self.builder.select(self.builder.fcmp_ordered(">", candidate, best), candidate, best)

    def loop(
        self, count: Value, initial: Sequence[Value], body: Callable[[Value, list[Value]], list[Value]]
    ) -> list[Value]:
        """``for k in range(count): carried = body(k, carried)``; the last values carried."""
        builder = self.builder
        before = builder.block
        head, inside, after = (builder.append_basic_block(name) for name in ("head", "body", "after"))
        builder.branch(head)
        builder.position_at_end(head)
        k = builder.phi(LONG)
        carried = [builder.phi(value.type) for value in initial]
        builder.cbranch(builder.icmp_signed("<", k, count), inside, after)
        builder.position_at_end(inside)
        following = [builder.add(k, self.long(1)), *body(k, carried)]
        end = builder.block
        builder.branch(head)
        for phi, first, step in zip([k, *carried], [self.long(0), *initial], following, strict=True):
            phi.add_incoming(first, before)
            phi.add_incoming(step, end)
        builder.position_at_end(after)
        return carried

    def tile_offsets(self, start: Value, stride: Value, rows: int) -> list[Value]:
        """Where the vectors of a tile lie in an array whose rows are ``stride`` numbers apart."""
        places = product(range(rows), range(VECTORS))
        return [self.at(start, self.times(self.long(r), stride), self.long(v * self.lanes)) for r, v in places]

    def row_of_tile(self, b: Value, start: Value, k: Value) -> list[Value]:
        """The vectors of row k of a packed panel of the right factor."""
        first = self.at(start, self.times(k, self.long(VECTORS * self.lanes)))
        return [self.load(b, self.at(first, self.long(v * self.lanes))) for v in range(VECTORS)]

    def prefetch(self, array: Value, offsets: Sequence[Value]) -> None:
        byte = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, INDEX, INDEX, INDEX])
        declare: Any = cgutils.get_or_insert_function
        function = declare(self.builder.module, kind, "llvm.prefetch.p0")
        for offset in offsets:
            place = self.builder.bitcast(self.builder.gep(array, [offset]), byte)
            self.builder.call(function, [place, *(ir.Constant(INDEX, flag) for flag in (1, 3, 1))])


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

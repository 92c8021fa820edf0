"""Vector instructions that numba's own loops do not reach, written in LLVM: what the tiles of registers are made of.

A tile has ROWS×VECTORS accumulators of LANES numbers, which with the operands fill the registers of the CPU, so that
each step of a matrix product is a broadcast entry of the left factor against VECTORS vectors of the right one. Maxima
are a comparison and a selection, which LLVM turns into one instruction; −∞ is exact, and NaN (−∞ + ∞) is never taken.
The tile is chosen by the CPU that numba compiles for; code for AVX-512, AVX2, 128-bit vectors and Arm is the same.
Numba's cache sees changes of a kernel's file only: after a change here or to a tile, delete the files *.nbi and *.nbc.
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
EXPONENTIALS = {
    64: (-708.0, 1.5 * 2.0**52, 52, 0.693147180369123816490, 1.90821492927058770002e-10,
         (0.5, 0.16666666666666669, 0.04166666666662413, 0.008333333333330062, 0.0013888888917213717,
          0.00019841269863053618, 2.4801521295954376e-05, 2.7557268459997064e-06, 2.7620088445409746e-07,
          2.510038549551032e-08)),
    32: (-87.0, 1.5 * 2.0**23, 23, 0.693145751953125, 1.42860682030941723212e-6,
         (0.5, 0.16666576266288757, 0.041666556149721146, 0.008363178931176662, 0.0013926184037700295)),
}  # fmt: skip
"""Per width in bits: the least exponent that counts, the number that rounds, bits of a mantissa, ln 2 in two parts, and
the polynomial q with e^r ≈ 1 + r + r² q(r) for |r| ≤ ½ ln 2 (interpolated in Chebyshev's nodes; 2e-17 and 1e-8 off)."""
LOG2E = 1.4426950408889634
LONG, INDEX = ir.IntType(64), ir.IntType(32)
Value = Any
"""A value of LLVM."""


class Code:
    """A builder of LLVM code with vectors of one type of numbers."""

    def __init__(self, builder: Any, width: int, arguments: Sequence[Value]) -> None:
        self.builder = builder
        self.arguments = arguments
        self.width = width
        self.lanes = 8 * BYTES // width
        self.number = ir.FloatType() if width == 32 else ir.DoubleType()
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

    def multiply_add(self, left: Value, right: Value, summand: Value) -> Value:
        """left·right + summand, rounded once where the CPU can."""
        flags = ("contract",)
        return self.builder.fadd(self.builder.fmul(left, right, flags=flags), summand, flags=flags)

    def exponential(self, t: Value) -> Value:
        """e^t for t ≤ 0, at most 1 ulp off; 0 for −∞, NaN and what is below the least exponent that counts.

        Cody and Waite's reduction t = k ln 2 + r: k comes of adding 1.5·2^bits, and is added to the exponent of e^r.
        """
        least, rounder, bits, high, low, coefficients = EXPONENTIALS[self.width]
        rounded = self.multiply_add(t, self.constant(LOG2E), self.constant(rounder))
        k = self.builder.fsub(rounded, self.constant(rounder))
        r = self.multiply_add(k, self.constant(-low), self.multiply_add(k, self.constant(-high), t))
        q = self.constant(coefficients[-1])
        for coefficient in (*coefficients[-2::-1], 1.0, 1.0):
            q = self.multiply_add(q, r, self.constant(coefficient))
        integers = ir.VectorType(ir.IntType(self.width), self.lanes)
        shift = ir.Constant(integers, [bits] * self.lanes)
        exponent = self.builder.shl(self.builder.bitcast(rounded, integers), shift)
        power = self.builder.bitcast(self.builder.add(self.builder.bitcast(q, integers), exponent), self.vector)
        alive = self.builder.fcmp_ordered(">=", t, self.constant(least))
        return self.builder.select(alive, power, self.constant(0.0))

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


def outlined(name: str, result: Any, kinds: Sequence[Any], body: Callable[[Code], Value]) -> tuple[Any, Any]:
    """What an intrinsic returns: its types, and code that calls a function of its own with the given body.

    Arrays are passed as pointers to their data; the first one tells the type of the numbers. Inlined into a kernel, a
    tile would share the registers with the loops around it: accumulators would be moved about and spilled.
    """
    first = next(kind.dtype for kind in kinds if isinstance(kind, types.Array))

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values = [
            context.make_array(kind)(context, builder, value).data if isinstance(kind, types.Array) else value
            for kind, value in zip(signature.args, arguments, strict=True)
        ]
        returned = ir.VoidType() if result == types.void else context.get_value_type(result)
        shape = ir.FunctionType(returned, [value.type for value in values])
        full = f"tropix.{name}." + ".".join(str(value.type) for value in values)
        function = builder.module.globals.get(full)
        if function is None:
            function = ir.Function(builder.module, shape, full)
            function.linkage = "internal"
            function.attributes.add("noinline")
            function.attributes.add("nounwind")
            code = Code(ir.IRBuilder(function.append_basic_block("entry")), first.bitwidth, function.args)
            value = body(code)
            if value is None:
                code.builder.ret_void()
            else:
                code.builder.ret(value)
        value = builder.call(function, values)
        return context.get_dummy_value() if result == types.void else value

    return result(*kinds), generate

"""Sparse matrix times a block of points: the affine nodes that come of convolutions, pooling and reshapes."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.extending import intrinsic

from tropix.arrays import FloatArray

LANES, VECTORS = 8, 5
TILE = LANES * VECTORS
"""Points whose sums stay in registers: five vectors of eight, on AVX2 ten of four. With an odd number of vectors in a
row the entries of a column fall on all sets of the first-level cache; with 4 or 8 on some of them, which costs a third.
"""


def add_sparse_product(matrix: sp.csr_array, columns: FloatArray, out: FloatArray) -> None:
    """Out += A·columns in place, one thread.

    matrix (m, k) sparse, columns (k, n) with a point in each column, out (m, n) C-contiguous. Infinities and NaN are
    plain arithmetic's; entries that the matrix does not store multiply nothing. Fastest where k·n floats fit in the
    second-level cache, n is an odd multiple of 40, and columns come from `aligned_empty`.
    """
    assert out.flags.c_contiguous
    _add_rows(matrix.data, matrix.indices, matrix.indptr, np.ascontiguousarray(columns), out)


def add_sparse_product_numpy(matrix: sp.csr_array, columns: FloatArray, out: FloatArray) -> None:
    """The specification of :func:`add_sparse_product`."""
    with np.errstate(over="ignore", invalid="ignore"):
        out += matrix @ columns


@intrinsic
def _add_row(typing: Any, data: Any, indices: Any, first: Any, stop: Any, columns: Any, out: Any, row: Any, lane: Any):  # type: ignore[no-untyped-def]
    """out[row, lane + p] += Σ_k data[k] columns[indices[k], lane + p] for first ≤ k < stop and p < TILE; first < stop.

    Written in LLVM because numba's own loop stores the sums after every few entries and uses half of a vector.
    """
    signature = types.void(data, indices, first, stop, columns, out, row, lane)
    return signature, _generate_add_row


def _generate_add_row(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    vector, long = ir.VectorType(ir.DoubleType(), LANES), ir.IntType(64)

    def pointers(base: Any, row: Any, width: Any) -> list[Any]:
        start = builder.add(builder.mul(row, width), lane)
        offsets = [builder.add(start, ir.Constant(long, v * LANES)) for v in range(VECTORS)]
        return [builder.bitcast(builder.gep(base, [offset]), vector.as_pointer()) for offset in offsets]

    def array(position: int) -> Any:
        return context.make_array(signature.args[position])(context, builder, arguments[position])

    def load(pointer: Any) -> Any:
        return builder.load(pointer, align=8)

    _, _, first, stop, _, _, row, lane = arguments
    data, indices, columns, out = (array(position) for position in (0, 1, 4, 5))
    width = builder.extract_value(columns.shape, 1)
    targets = pointers(out.data, row, width)
    held = [load(target) for target in targets]
    before, loop, after = builder.block, builder.append_basic_block("entry"), builder.append_basic_block("done")
    builder.branch(loop)
    builder.position_at_end(loop)
    k = builder.phi(long)
    sums = [builder.phi(vector) for _ in held]
    entry = builder.load(builder.gep(data.data, [k]))
    column = builder.load(builder.gep(indices.data, [k]))
    column = column if column.type == long else builder.sext(column, long)
    blank = ir.Constant(vector, ir.Undefined)
    single = builder.insert_element(blank, entry, ir.Constant(ir.IntType(32), 0))
    weight = builder.shuffle_vector(single, blank, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))
    flags = ("contract",)
    added = [
        builder.fadd(total, builder.fmul(weight, load(source), flags=flags), flags=flags)
        for total, source in zip(sums, pointers(columns.data, column, width), strict=True)
    ]
    following = builder.add(k, ir.Constant(long, 1))
    for phi, start, step in zip([k, *sums], [first, *held], [following, *added], strict=True):
        phi.add_incoming(start, before)
        phi.add_incoming(step, loop)
    builder.cbranch(builder.icmp_signed("<", following, stop), loop, after)
    builder.position_at_end(after)
    for target, total in zip(targets, added, strict=True):
        builder.store(total, target, align=8)
    return context.get_dummy_value()


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _add_rows(data, indices, indptr, columns, out):  # type: ignore[no-untyped-def]
    width = columns.shape[1]
    tiled = width - width % TILE
    # tile by tile, because neighbouring rows read the same columns: they are still in the first-level cache
    for lane in range(0, tiled, TILE):
        for row in range(out.shape[0]):
            first, stop = np.int64(indptr[row]), np.int64(indptr[row + 1])
            if first < stop:
                _add_row(data, indices, first, stop, columns, out, row, lane)  # type: ignore[call-arg]
    if tiled < width:
        for row in range(out.shape[0]):
            for k in range(indptr[row], indptr[row + 1]):
                w, c = data[k], indices[k]
                for p in range(tiled, width):
                    out[row, p] += w * columns[c, p]

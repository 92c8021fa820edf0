"""Rules of the linear maps: Gemm, MatMul, sums and means."""

from __future__ import annotations

import math

import numpy as np
import scipy.sparse as sp

from tropix.arrays import FloatArray
from tropix.circuits import Matrix
from tropix.errors import FormatError, Unsupported
from tropixc.frontends.onnx._call import Call, rule
from tropixc.frontends.onnx._values import (
    Exponential,
    Tensor,
    Value,
    check_size,
    combine,
    contiguous,
    multiply,
    reduce_axes,
    reduction,
    rows_matrix,
    unrepeated,
    whole,
)


def _linear(call: Call, tensor: Tensor, matrix: FloatArray, bias: FloatArray) -> Tensor:
    """The last axis times a constant: matrix (m, k), bias broadcast to (…, m)."""
    if call.batched and len(tensor.shape) < 2:
        raise Unsupported(f"{call.what} contracts the batch axis: rows must stay independent")
    *leading, width = tensor.shape
    if matrix.shape[1] != width:
        raise FormatError(f"{call.what}: a last axis of {width} meets a matrix of {matrix.shape[1]} columns")
    shape = (*leading, matrix.shape[0])
    groups = math.prod(leading)
    check_size(groups * (matrix.size if groups > 1 else 1), call.what)
    source = contiguous(call.builder, tensor, f"{call.name}/order")
    full: Matrix = matrix if groups == 1 else sp.kron(sp.eye_array(groups), sp.csr_array(matrix), format="csr")
    constant = np.broadcast_to(bias, shape).ravel()
    return whole(call.builder, call.builder.affine([(source, full)], constant, call.name), shape)


@rule("Gemm", summary="affine; constant weights")
def _gemm(call: Call) -> Value:
    if call.attribute("transA", 0):
        raise Unsupported(f"{call.what}: transA = 1 mixes the batch: only transA = 0 is supported")
    if isinstance(call.input(0), np.ndarray):
        raise Unsupported(f"{call.what} multiplies a constant by a computed matrix, which mixes the batch: use MatMul")
    matrix = call.weights(call.constant(1))
    if matrix.ndim != 2:
        raise FormatError(f"{call.what}: weights of shape {matrix.shape}, expected a matrix")
    matrix = matrix if call.attribute("transB", 0) else matrix.T
    alpha, beta = call.number("alpha", 1.0), call.number("beta", 1.0)
    tensor = call.tensor(0)
    if len(tensor.shape) != 2:
        raise FormatError(f"{call.what}: input of shape {tensor.shape}, expected (batch, features)")
    bias = np.zeros(1)
    if call.optional(2) is not None:
        bias = call.weights(call.constant(2))
        if bias.ndim > 2 or bias.shape[:-1] not in ((), (1,)) or bias.shape[-1:] not in ((), (1,), (len(matrix),)):
            raise FormatError(f"{call.what}: bias {bias.shape} does not fit {len(matrix)} outputs")
        bias = bias.reshape(-1)
    product = _linear(call, tensor, matrix, bias if alpha == beta == 1.0 else np.zeros(1))
    if alpha == beta == 1.0:
        return product
    # alpha·(A v) + beta·c with c a node of its own, so that no weight is rounded here
    parts: list[tuple[Tensor, FloatArray | float]] = [(product, alpha)]
    if bias.any():
        constant = call.builder.affine([], np.broadcast_to(bias, (len(matrix),)), f"{call.name}/bias")
        parts.append((whole(call.builder, constant, (1, len(matrix))), beta))
    return combine(call.builder, parts, 0.0, product.shape, f"{call.name}/scale")


@rule("MatMul", summary="affine with one constant operand; of two computed ones sums of products, which are structural")
def _matmul(call: Call) -> Value:
    left, right = call.input(0), call.input(1)
    if isinstance(right, np.ndarray) and right.ndim == 1 and not isinstance(left, np.ndarray):
        product = _linear(call, call.tensor(0), call.weights(right)[None, :], np.zeros(1))
        return Tensor(product.source, product.index[..., 0])
    if isinstance(right, np.ndarray) and right.ndim == 2 and not isinstance(left, np.ndarray):
        return _linear(call, call.tensor(0), call.weights(right).T, np.zeros(1))
    shape = _matmul_shape(call, left.shape, right.shape)
    for position, (constant, place) in enumerate(((left, 1), (right, 0))):
        if isinstance(constant, np.ndarray):
            tensor = unrepeated(call.builder, call.tensor(place), f"{call.name}/entries")
            return _contracted(call, tensor, call.weights(constant), shape, constant_left=position == 0)
    return _product(call, call.tensor(0), call.tensor(1), shape)


def _matmul_shape(call: Call, left: tuple[int, ...], right: tuple[int, ...]) -> tuple[int, ...]:
    """The shape (…, m, k, n) of all products, of operands with at least two axes."""
    if len(left) < 2 or len(right) < 2:
        raise Unsupported(
            f"{call.what}: shapes {left} and {right}: vectors are not supported, only matrices and stacks"
        )
    if left[-1] != right[-2]:
        raise FormatError(f"{call.what}: shapes {left} and {right} do not fit")
    try:
        stack = np.broadcast_shapes(left[:-2], right[:-2])
    except ValueError:
        raise FormatError(f"{call.what}: shapes {left} and {right} do not fit") from None
    if call.batched:
        for value in (call.input(0), call.input(1)):
            shape = value.shape
            ahead = len(shape) == len(stack) + 2 and len(stack) >= 1
            constant = isinstance(value, np.ndarray)
            if (not ahead and not constant) or (ahead and constant and shape[0] != 1):
                raise Unsupported(
                    f"{call.what}: shapes {left} and {right} mix the batch axis: "
                    "it must stay in front, or be fixed to 1"
                )
    return (*stack, left[-2], left[-1], right[-1])


def _contracted(call: Call, tensor: Tensor, matrix: FloatArray, shape: tuple[int, ...], constant_left: bool) -> Tensor:
    """A stack of matrices times a stack of constant matrices, or the other way round."""
    *stack, m, k, n = shape
    count = math.prod(stack) * m * n
    check_size(count * k, call.what)
    inner, outer = (tensor.index[..., None, :, :], matrix[..., :, :, None])
    if not constant_left:
        inner, outer = (tensor.index[..., :, :, None], matrix[..., None, :, :])
    columns = np.moveaxis(np.broadcast_to(inner, shape), -2, -1).reshape(-1)
    data = np.moveaxis(np.broadcast_to(outer, shape), -2, -1).reshape(-1)
    if tensor.masked:
        raise Unsupported(f"{call.what} needs finite values, but finds -inf (masked entries)")
    rows = np.repeat(np.arange(count), k)
    weights = rows_matrix(rows, columns, data, (count, call.builder.size(tensor.source)))
    position = call.builder.affine([(tensor.source, weights)], np.zeros(count), call.name)
    return whole(call.builder, position, (*stack, m, n))


def _product(call: Call, left: Tensor, right: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Two computed stacks of matrices: all products, then their sums."""
    *stack, m, k, n = shape
    wide = (*stack, m, n, k)
    first = Tensor(left.source, np.broadcast_to(left.index[..., :, None, :], wide))
    second = Tensor(right.source, np.broadcast_to(np.swapaxes(right.index, -1, -2)[..., None, :, :], wide))
    products = multiply(call.builder, first, second, wide, f"{call.name}/products")
    count = math.prod(wide[:-1])
    sums = rows_matrix(np.repeat(np.arange(count), k), np.arange(count * k), np.ones(count * k), (count, count * k))
    position = call.builder.affine([(products.source, sums)], np.zeros(count), call.name)
    return whole(call.builder, position, wide[:-1])


@rule("ReduceSum", "ReduceMean", summary="sparse affine")
def _reduce_sum(call: Call) -> Value:
    mean = call.node.op_type == "ReduceMean"
    value = call.input(0)
    keepdims = bool(call.attribute("keepdims", 1))
    axes = call.reduced_axes(len(value.shape), 18 if mean else 13)
    if isinstance(value, Exponential) and value.value is None:
        if mean:
            raise Unsupported(f"{call.what}: the mean of exponentials is not supported: use ReduceSum")
        return Exponential(reduce_axes(call.builder, value.log, axes, keepdims, 1.0, call.name), summed=value)
    groups, shape = reduction(unrepeated(call.builder, call.ordinary(value), f"{call.name}/entries"), axes, keepdims)
    count, width = groups.shape
    if groups.masked:
        raise Unsupported(f"{call.what} adds up -inf (masked entries)")
    weight = 1.0 / width if mean else 1.0
    if mean and width & (width - 1):
        call.note("the mean's 1/n is rounded to float64 (relative error 1.1e-16)")
    entries = (np.full(count * width, weight), (np.repeat(np.arange(count), width), groups.index.ravel()))
    matrix = sp.csr_array(entries, shape=(count, call.builder.size(groups.source)))
    return whole(call.builder, call.builder.affine([(groups.source, matrix)], np.zeros(count), call.name), shape)

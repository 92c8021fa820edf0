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
    ordinary,
    reduce_axes,
    reduction,
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
    matrix = call.weights(call.constant(1))
    if matrix.ndim != 2:
        raise FormatError(f"{call.what}: weights of shape {matrix.shape}, expected a matrix")
    matrix = matrix if call.attribute("transB", 0) else matrix.T
    alpha, beta = float(call.attribute("alpha", 1.0)), float(call.attribute("beta", 1.0))
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


@rule("MatMul", summary="affine with one constant operand")
def _matmul(call: Call) -> Value:
    if isinstance(call.input(0), np.ndarray):
        raise Unsupported(f"{call.what}: constant times tensor: only tensor times constant matrix is supported")
    if not isinstance(call.input(1), np.ndarray):
        raise Unsupported(f"{call.what} multiplies two computed tensors: only products with constants are supported")
    matrix = call.weights(call.constant(1))
    if matrix.ndim != 2:
        raise Unsupported(f"{call.what}: weights of shape {matrix.shape}: only matrices are supported")
    return _linear(call, call.tensor(0), matrix.T, np.zeros(1))


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
    groups, shape = reduction(ordinary(value, call.what), axes, keepdims)
    count, width = groups.shape
    weight = 1.0 / width if mean else 1.0
    if mean and width & (width - 1):
        call.note("the mean's 1/n is rounded to float64 (relative error 1.1e-16)")
    entries = (np.full(count * width, weight), (np.repeat(np.arange(count), width), groups.index.ravel()))
    matrix = sp.csr_array(entries, shape=(count, call.builder.size(groups.source)))
    return whole(call.builder, call.builder.affine([(groups.source, matrix)], np.zeros(count), call.name), shape)

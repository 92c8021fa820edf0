"""The values an ONNX graph computes, as the importer sees them: constants, views of circuit nodes, and exponentials."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from tropix.arrays import FloatArray, IntArray
from tropix.circuits import CircuitBuilder, Gibbs, Matrix, uniform_segments
from tropix.errors import FormatError, Unsupported

MAX_COMPUTED = 20_000_000
"""Largest number of entries of a computed tensor, or of a sparse matrix that a rule builds."""

Constant: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor whose entry at each position is a component of one circuit node: reshapes and slices are free.

    ``index`` has the tensor's shape (batch axis of length 1 included) and holds positions in the node's vector.
    ``origin`` remembers how it was computed where a later operator must recognise that.
    """

    source: int
    index: IntArray
    origin: Softplus | Scaled | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape, with the batch axis of length 1."""
        return self.index.shape

    def same(self, other: Tensor) -> bool:
        """Whether both hold the same components of the same node."""
        return self.source == other.source and np.array_equal(self.index, other.index)


@dataclass(frozen=True, eq=False)
class Softplus:
    """log(1 + exp(·)) of a tensor."""

    of: Tensor


@dataclass(frozen=True, eq=False)
class Scaled:
    """A tensor times one number; ``divisor`` is set where the graph divides by that number instead."""

    of: Tensor
    factor: float
    divisor: float | None = None


@dataclass(frozen=True, eq=False)
class Comparison:
    """left > right, which only a softplus with a threshold may use."""

    left: Tensor
    right: Constant
    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Exponential:
    """exp of a tensor, kept as its logarithm: the semiring isomorphism from (ℝ_{≥0}, +, ×) to S_1.

    ``summed`` is the exponential whose sum this is; ``value`` is set where the exponential itself is a node
    (Gibbs weights), so that it can be used as an ordinary tensor.
    """

    log: Tensor
    summed: Exponential | None = None
    value: Tensor | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape, with the batch axis of length 1."""
        return self.log.shape


Value: TypeAlias = Constant | Tensor | Exponential | Comparison


def whole(builder: CircuitBuilder, position: int, shape: tuple[int, ...]) -> Tensor:
    """All components of a node, as a tensor of the given shape."""
    return Tensor(position, np.arange(builder.size(position), dtype=np.int64).reshape(shape))


def check_size(count: int, what: str) -> None:
    """Refuse tensors and matrices too large to index, before they are allocated."""
    if count > MAX_COMPUTED:
        raise FormatError(f"{what} computes {count} numbers for one point, more than {MAX_COMPUTED}")


def combine(
    builder: CircuitBuilder,
    parts: list[tuple[Tensor, FloatArray | float]],
    bias: npt.ArrayLike,
    shape: tuple[int, ...],
    name: str,
) -> Tensor:
    """Σ scale·tensor + bias, elementwise with broadcasting to ``shape``."""
    size = math.prod(shape)
    check_size(size * max(1, len(parts)), name)
    rows = np.arange(size)
    terms: list[tuple[int, Matrix]] = []
    for source in dict.fromkeys(tensor.source for tensor, _ in parts):
        data, columns = [], []
        for tensor, scale in parts:
            if tensor.source == source:
                data.append(np.broadcast_to(np.asarray(scale, dtype=np.float64), shape).ravel())
                columns.append(np.broadcast_to(tensor.index, shape).ravel())
        entries = (np.concatenate(data), (np.tile(rows, len(data)), np.concatenate(columns)))
        terms.append((source, sp.csr_array(entries, shape=(size, builder.size(source)))))
    constant = np.broadcast_to(np.asarray(bias, dtype=np.float64), shape).ravel()
    return whole(builder, builder.affine(terms, constant, name), shape)


def contiguous(builder: CircuitBuilder, tensor: Tensor, name: str) -> int:
    """The position of a node whose vector is the flattened tensor."""
    flat = tensor.index.ravel()
    count = builder.size(tensor.source)
    if len(flat) == count and bool((flat == np.arange(count)).all()):
        return tensor.source
    return combine(builder, [(Tensor(tensor.source, flat), 1.0)], 0.0, flat.shape, name).source


def interleave(builder: CircuitBuilder, values: list[Tensor | Constant], shape: tuple[int, ...], name: str) -> int:
    """A node that lists, entry by entry of ``shape``, the values of all operands (constants as biases)."""
    wide = (*shape, len(values))
    bias = np.zeros(wide)
    terms: list[tuple[Tensor, FloatArray | float]] = []
    for k, value in enumerate(values):
        if isinstance(value, Tensor):
            mask = np.zeros(len(values))
            mask[k] = 1.0
            terms.append((Tensor(value.source, np.broadcast_to(value.index, shape)[..., None]), mask))
        else:
            bias[..., k] = np.broadcast_to(value, shape)
    return combine(builder, terms, bias, wide, name).source


def join(builder: CircuitBuilder, values: list[Tensor | Constant], eps: float, name: str) -> Tensor:
    """⊕_ε of several operands, elementwise with broadcasting."""
    shape = np.broadcast_shapes(*(value.shape for value in values))
    check_size(math.prod(shape) * len(values), name)
    source = interleave(builder, values, shape, f"{name}/operands")
    size = int(np.prod(shape))
    return whole(builder, builder.log_sum_exp(source, eps, uniform_segments(size, len(values)), name), shape)


def reduce_axes(
    builder: CircuitBuilder, tensor: Tensor, axes: tuple[int, ...], keepdims: bool, eps: float, name: str
) -> Tensor:
    """⊕_ε over axes."""
    ordered, shape = reduction(tensor, axes, keepdims)
    source = contiguous(builder, ordered, f"{name}/order")
    segments = uniform_segments(int(np.prod(shape)), ordered.shape[-1])
    return whole(builder, builder.log_sum_exp(source, eps, segments, name), shape)


def gibbs(builder: CircuitBuilder, logits: Tensor, axes: tuple[int, ...], name: str) -> Tensor:
    """Softmax over axes, at temperature 1."""
    ordered, _ = reduction(logits, axes, True)
    source = contiguous(builder, ordered, f"{name}/order")
    position = builder.add(Gibbs(source, 1.0, uniform_segments(*ordered.shape)), name)
    order = [*(axis for axis in range(len(logits.shape)) if axis not in axes), *axes]
    moved = np.arange(logits.index.size).reshape([logits.shape[axis] for axis in order])
    return Tensor(position, moved.transpose(np.argsort(order)))


def reduction(tensor: Tensor, axes: tuple[int, ...], keepdims: bool) -> tuple[Tensor, tuple[int, ...]]:
    """The tensor as a matrix whose rows are the groups to be reduced, and the shape of the result."""
    kept = [axis for axis in range(tensor.index.ndim) if axis not in axes]
    moved = tensor.index.transpose(*kept, *axes).reshape(int(np.prod([tensor.shape[a] for a in kept])), -1)
    if keepdims:
        shape = tuple(1 if axis in axes else size for axis, size in enumerate(tensor.shape))
    else:
        shape = tuple(tensor.shape[axis] for axis in kept)
    return Tensor(tensor.source, moved), shape


def ordinary(value: Value, what: str) -> Tensor:
    """The value as a tensor; an exponential that never became a sum or a quotient has no rule."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, Exponential) and value.value is not None:
        return value.value
    if isinstance(value, Exponential):
        raise Unsupported(
            f"{what} uses exp(…) directly: supported are exponentials that end in a Log (log-sum-exp, softplus) "
            "or in a quotient by their own sum (softmax)"
        )
    kind = "a comparison" if isinstance(value, Comparison) else "a constant"
    raise Unsupported(f"{what} has {kind} where a computed tensor is expected")

"""The values an ONNX graph computes, as the importer sees them: constants, views of circuit nodes, and exponentials."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from tropix.arrays import BoolArray, FloatArray, IntArray
from tropix.circuits import CircuitBuilder, FunctionName, Gibbs, Matrix, Pointwise, Product, uniform_segments
from tropix.errors import FormatError, Unsupported

MAX_COMPUTED = 10_000_000
"""Largest number of entries of a sparse matrix that a rule builds."""
MAX_TENSOR = 2_000_000
"""Largest number of entries of a computed tensor, for one point."""

Constant: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor whose entry at each position is a component of one circuit node: reshapes and slices are free.

    ``index`` has the tensor's shape (batch axis of length 1 included) and holds positions in the node's vector, or −1
    where the entry is −∞ (a masked logit): maxima, sums of exponentials and softmax leave such entries out, and what
    has no rule for them refuses them. ``origin`` remembers how it was computed, for operators that must recognise it.
    """

    source: int
    index: IntArray
    origin: Softplus | Scaled | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape, with the batch axis of length 1."""
        return self.index.shape

    @property
    def masked(self) -> bool:
        """Whether some entry is −∞."""
        return bool((self.index < 0).any())

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

    ``summed`` is the exponential whose sum over axes this is, ``joined`` the logarithms of the operands that were
    added up; ``value`` is set where the exponential itself is a node (Gibbs weights), so that it can be used as an
    ordinary tensor.
    """

    log: Tensor
    summed: Exponential | None = None
    joined: tuple[Tensor | Constant, ...] | None = None
    value: Tensor | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape, with the batch axis of length 1."""
        return self.log.shape


@dataclass(frozen=True, eq=False)
class Label:
    """The position of the largest entry along an axis: only the last step of a model may compute it."""

    of: Tensor
    name: str
    shape: tuple[int, ...]


Value: TypeAlias = Constant | Tensor | Exponential | Comparison | Label
Operand: TypeAlias = "tuple[Tensor | Constant, FloatArray | float]"
"""A tensor and a factor, or a constant (factor ignored)."""


def whole(builder: CircuitBuilder, position: int, shape: tuple[int, ...]) -> Tensor:
    """All components of a node, as a tensor of the given shape."""
    return Tensor(position, np.arange(builder.size(position), dtype=np.int64).reshape(shape))


def check_size(count: int, what: str) -> None:
    """Refuse matrices too large to build, before they are allocated."""
    _refuse_above(MAX_COMPUTED, count, what)


def check_entries(count: int, what: str) -> None:
    """Refuse tensors too large to index, before they are allocated."""
    _refuse_above(MAX_TENSOR, count, what)


def _refuse_above(limit: int, count: int, what: str) -> None:
    if count > limit:
        raise FormatError(f"{what} computes {count} numbers for one point, more than {limit}")


def rows_matrix(rows: IntArray, columns: IntArray, data: FloatArray, shape: tuple[int, int]) -> sp.csr_array:
    """A sparse matrix from its entries, with small indices; entries of one place are added."""
    small = np.int32 if max(shape) < 2**31 else np.int64
    return sp.csr_array((data, (rows.astype(small), columns.astype(small))), shape=shape)


def combine(
    builder: CircuitBuilder,
    parts: list[tuple[Tensor, FloatArray | float]],
    bias: npt.ArrayLike,
    shape: tuple[int, ...],
    name: str,
) -> Tensor:
    """Σ scale·tensor + bias, elementwise with broadcasting to ``shape``; −∞ stays −∞ under positive scales."""
    size = math.prod(shape)
    check_size(size * max(1, len(parts)), name)
    constant = np.broadcast_to(np.asarray(bias, dtype=np.float64), shape).ravel()
    absent = np.isneginf(constant)
    wide = []
    for tensor, scale in parts:
        index = np.broadcast_to(tensor.index, shape).ravel()
        factor = np.broadcast_to(np.asarray(scale, dtype=np.float64), shape).ravel()
        if (factor[index < 0] <= 0).any():
            raise Unsupported(f"{name} multiplies -inf (a masked entry) by a number that is not positive")
        absent = absent | (index < 0)
        wide.append((tensor.source, index, factor))
    kept = np.flatnonzero(~absent)
    terms: list[tuple[int, Matrix]] = []
    for source in dict.fromkeys(position for position, _, _ in wide):
        own = [(index[kept], factor[kept]) for position, index, factor in wide if position == source]
        columns = np.concatenate([index for index, _ in own])
        data = np.concatenate([factor for _, factor in own])
        terms.append((source, rows_matrix(np.tile(kept, len(own)), columns, data, (size, builder.size(source)))))
    position = builder.affine(terms, np.where(absent, 0.0, constant), name)
    index = np.where(absent, -1, np.arange(size, dtype=np.int64))
    return Tensor(position, index.reshape(shape))


def contiguous(builder: CircuitBuilder, tensor: Tensor, name: str) -> int:
    """The position of a node whose vector is the flattened tensor."""
    flat = tensor.index.ravel()
    count = builder.size(tensor.source)
    if tensor.masked:
        raise Unsupported(f"{name} needs finite values, but finds -inf (masked entries)")
    if len(flat) == count and bool((flat == np.arange(count)).all()):
        return tensor.source
    return combine(builder, [(Tensor(tensor.source, flat), 1.0)], 0.0, flat.shape, name).source


def unrepeated(builder: CircuitBuilder, tensor: Tensor, name: str) -> Tensor:
    """The tensor with every entry a component of its own, so that no sum over entries adds up weights."""
    flat = tensor.index.ravel()
    if len(np.unique(flat)) == len(flat):
        return tensor
    return combine(builder, [(tensor, 1.0)], 0.0, tensor.shape, name)


def assemble(
    builder: CircuitBuilder, pieces: list[tuple[Tensor | Constant, IntArray]], shape: tuple[int, ...], name: str
) -> Tensor:
    """A tensor put together: each piece is a flat list of values and the flat places in ``shape`` where they go.

    Places that no piece names are 0. Views of one node stay a view if every place is filled.
    """
    size = math.prod(shape)
    check_size(size, name)
    tensors = [(value, places) for value, places in pieces if isinstance(value, Tensor)]
    if len(tensors) == len(pieces) and len({value.source for value, _ in tensors}) == 1:
        index = np.full(size, -2, dtype=np.int64)
        for view, places in tensors:
            index[places] = view.index.ravel()
        if (index > -2).all():
            return Tensor(tensors[0][0].source, index.reshape(shape))
    bias = np.zeros(size)
    entries: dict[int, list[tuple[IntArray, IntArray]]] = {}
    for value, places in pieces:
        if isinstance(value, Tensor):
            index = value.index.ravel()
            bias[places[index < 0]] = -np.inf
            entries.setdefault(value.source, []).append((places[index >= 0], index[index >= 0]))
        else:
            bias[places] = np.asarray(value, dtype=np.float64).ravel()
    absent = np.isneginf(bias)
    terms: list[tuple[int, Matrix]] = []
    for source, found in entries.items():
        rows, columns = (np.concatenate(part) for part in zip(*found, strict=True))
        terms.append((source, rows_matrix(rows, columns, np.ones(len(rows)), (size, builder.size(source)))))
    position = builder.affine(terms, np.where(absent, 0.0, bias), name)
    return Tensor(position, np.where(absent, -1, np.arange(size, dtype=np.int64)).reshape(shape))


def join(builder: CircuitBuilder, operands: list[Operand], eps: float, name: str) -> Tensor:
    """⊕_ε of several operands, elementwise with broadcasting; operands that are −∞ at an entry are left out there."""
    shape = np.broadcast_shapes(*(value.shape for value, _ in operands))
    flat, present = _flattened(operands, shape, name)
    return _joined(builder, _listed(builder, flat, present, name), eps, present.sum(axis=1), shape, name)


def weights_of(builder: CircuitBuilder, operands: list[Operand], name: str) -> list[Tensor]:
    """The Gibbs weights, at temperature 1, of several finite operands: one tensor an operand."""
    shape = np.broadcast_shapes(*(value.shape for value, _ in operands))
    flat, present = _flattened(operands, shape, name)
    if not present.all():
        raise Unsupported(f"{name} has -inf among its logits: write it as Softmax")
    source = _listed(builder, flat, present, name)
    segments = uniform_segments(math.prod(shape), len(operands))
    listed = whole(builder, builder.add(Gibbs(source, 1.0, segments), name), (*shape, len(operands)))
    return [Tensor(listed.source, listed.index[..., k]) for k in range(len(operands))]


def _flattened(
    operands: list[Operand], shape: tuple[int, ...], name: str
) -> tuple[list[tuple[Tensor | Constant, FloatArray]], BoolArray]:
    """Operands and factors broadcast to flat lists; where (entry, operand) is no −∞."""
    size = math.prod(shape)
    check_size(size * len(operands), name)
    flat: list[tuple[Tensor | Constant, FloatArray]] = []
    present = np.empty((size, len(operands)), dtype=np.bool_)
    for k, (value, scale) in enumerate(operands):
        factor = np.broadcast_to(np.asarray(scale, dtype=np.float64), shape).ravel()
        if isinstance(value, Tensor):
            index = np.broadcast_to(value.index, shape).ravel()
            if (factor[index < 0] <= 0).any():
                raise Unsupported(f"{name} multiplies -inf (a masked entry) by a number that is not positive")
            present[:, k] = index >= 0
            flat.append((Tensor(value.source, index), factor))
        else:
            constant = np.broadcast_to(np.asarray(value, dtype=np.float64), shape).ravel()
            present[:, k] = ~np.isneginf(constant)
            flat.append((constant, factor))
    return flat, present


def _listed(
    builder: CircuitBuilder, flat: list[tuple[Tensor | Constant, FloatArray]], present: BoolArray, name: str
) -> int:
    """A node that lists the operands that are present, entry by entry."""
    place = np.cumsum(present.ravel()).reshape(present.shape) - 1
    total = int(present.sum())
    bias = np.zeros(total)
    entries: dict[int, list[tuple[IntArray, IntArray, FloatArray]]] = {}
    for k, (value, factor) in enumerate(flat):
        on = present[:, k]
        if isinstance(value, Tensor):
            entries.setdefault(value.source, []).append((place[on, k], value.index[on], factor[on]))
        else:
            bias[place[on, k]] = value[on]
    terms: list[tuple[int, Matrix]] = []
    for source, found in entries.items():
        rows = np.concatenate([part[0] for part in found])
        columns = np.concatenate([part[1] for part in found])
        data = np.concatenate([part[2] for part in found])
        terms.append((source, rows_matrix(rows, columns, data, (total, builder.size(source)))))
    return builder.affine(terms, bias, f"{name}/operands")


def _joined(
    builder: CircuitBuilder, source: int, eps: float, counts: IntArray, shape: tuple[int, ...], name: str
) -> Tensor:
    """⊕_ε of consecutive groups of the given sizes; an empty group is −∞."""
    filled = counts > 0
    if not filled.any():
        raise Unsupported(f"{name}: every entry is -inf")
    segments = np.concatenate([[0], np.cumsum(counts[filled])]).astype(np.int64)
    position = builder.log_sum_exp(source, eps, segments, name)
    index = np.where(filled, np.cumsum(filled) - 1, -1).astype(np.int64)
    return Tensor(position, index.reshape(shape))


def reduce_axes(
    builder: CircuitBuilder, tensor: Tensor, axes: tuple[int, ...], keepdims: bool, eps: float, name: str
) -> Tensor:
    """⊕_ε over axes."""
    groups, shape = reduction(tensor, axes, keepdims)
    return reduce_rows(builder, groups, eps, shape, name)


def reduce_rows(builder: CircuitBuilder, groups: Tensor, eps: float, shape: tuple[int, ...], name: str) -> Tensor:
    """⊕_ε of the rows of a matrix, as a tensor of the given shape."""
    present = groups.index >= 0
    if not present.any():
        raise Unsupported(f"{name}: every entry is -inf")
    source = contiguous(builder, Tensor(groups.source, groups.index[present]), f"{name}/order")
    return _joined(builder, source, eps, present.sum(axis=1), shape, name)


def gibbs(builder: CircuitBuilder, logits: Tensor, axes: tuple[int, ...], name: str) -> Tensor:
    """Softmax over axes, at temperature 1; masked entries have weight 0."""
    ordered, _ = reduction(logits, axes, True)
    present = ordered.index >= 0
    counts = present.sum(axis=1)
    if not counts.all():
        raise Unsupported(f"{name}: a softmax whose logits are all -inf has no value")
    source = contiguous(builder, Tensor(ordered.source, ordered.index[present]), f"{name}/order")
    segments = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    weights = whole(builder, builder.add(Gibbs(source, 1.0, segments), name), (int(segments[-1]),))
    if not present.all():
        places = np.flatnonzero(present.ravel())
        weights = assemble(builder, [(weights, places)], (present.size,), f"{name}/masked")
    order = [*(axis for axis in range(len(logits.shape)) if axis not in axes), *axes]
    moved = weights.index.reshape([logits.shape[axis] for axis in order])
    return Tensor(weights.source, moved.transpose(np.argsort(order)))


def reduction(tensor: Tensor, axes: tuple[int, ...], keepdims: bool) -> tuple[Tensor, tuple[int, ...]]:
    """The tensor as a matrix whose rows are the groups to be reduced, and the shape of the result."""
    kept = [axis for axis in range(tensor.index.ndim) if axis not in axes]
    moved = tensor.index.transpose(*kept, *axes).reshape(int(np.prod([tensor.shape[a] for a in kept])), -1)
    if keepdims:
        shape = tuple(1 if axis in axes else size for axis, size in enumerate(tensor.shape))
    else:
        shape = tuple(tensor.shape[axis] for axis in kept)
    return Tensor(tensor.source, moved), shape


def multiply(builder: CircuitBuilder, left: Tensor, right: Tensor, shape: tuple[int, ...], name: str) -> Tensor:
    """The elementwise product of two computed tensors, with broadcasting to ``shape``."""
    size = math.prod(shape)
    check_size(4 * size, name)  # two selections, the product, and what adds it up
    sides = [
        contiguous(builder, Tensor(side.source, np.broadcast_to(side.index, shape).ravel()), f"{name}/{which}")
        for side, which in ((left, "left"), (right, "right"))
    ]
    return whole(builder, builder.add(Product(sides[0], sides[1], size), name), shape)


def apply(builder: CircuitBuilder, function: FunctionName, tensor: Tensor, name: str) -> Tensor:
    """A smooth function of each entry."""
    source = contiguous(builder, tensor, f"{name}/order")
    return whole(builder, builder.add(Pointwise(source, function, builder.size(source)), name), tensor.shape)


def ordinary(builder: CircuitBuilder, value: Value, what: str, name: str) -> Tensor:
    """The value as a tensor; an exponential that never became a sum or a quotient becomes a smooth node."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, Exponential):
        return value.value if value.value is not None else apply(builder, "exp", value.log, f"{name}/exp")
    if isinstance(value, Label):
        raise Unsupported(f"{what} uses the label that {value.name} computes: only the last step of a model may do so")
    kind = "a comparison" if isinstance(value, Comparison) else "a constant"
    raise Unsupported(f"{what} has {kind} where a computed tensor is expected")

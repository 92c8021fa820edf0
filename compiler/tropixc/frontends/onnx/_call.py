"""One operator application, what a rule may ask of it, and the registry of rules."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from onnx import NodeProto, helper

from tropix.arrays import FloatArray
from tropix.circuits import CircuitBuilder
from tropix.errors import FormatError, Unsupported
from tropixc.frontends.onnx._file import describe
from tropixc.frontends.onnx._values import Constant, Tensor, Value, check_entries, ordinary


@dataclass(frozen=True)
class Context:
    """What all operators of one model share.

    ``notes`` collects where the circuit and the stored graph differ; ``exponents`` and ``logarithms`` collect what the
    graph exponentiates and the logarithms it takes, because a float runtime overflows there where the circuit does not.
    """

    builder: CircuitBuilder
    opset: int
    batched: bool
    unit_roundoff: float
    notes: list[str] = field(default_factory=list)
    exponents: list[Tensor] = field(default_factory=list)
    logarithms: list[Tensor] = field(default_factory=list)


@dataclass(frozen=True)
class Call:
    """One operator application: the node, its inputs (None where omitted), and the model's context."""

    node: NodeProto
    inputs: list[Value | None]
    context: Context

    @property
    def builder(self) -> CircuitBuilder:
        """Where nodes are written."""
        return self.context.builder

    @property
    def opset(self) -> int:
        """The version of the operator set."""
        return self.context.opset

    @property
    def batched(self) -> bool:
        """Whether axis 0 of every computed tensor is a symbolic batch, whose rows must stay independent."""
        return self.context.batched

    @property
    def name(self) -> str:
        """Name for the circuit nodes that come of it."""
        return str(self.node.name or self.node.output[0])

    @property
    def what(self) -> str:
        """The node, as error messages name it."""
        return describe(self.node)

    def attribute(self, name: str, default: Any) -> Any:
        """An attribute's value, or the default of the operator's specification."""
        for attribute in self.node.attribute:
            if attribute.name == name:
                return helper.get_attribute_value(attribute)
        return default

    def number(self, name: str, default: float) -> float:
        """A finite number in an attribute; its default is a float32, as the attribute would be."""
        value = float(self.attribute(name, np.float32(default)))
        if not math.isfinite(value):
            raise FormatError(f"{self.what}: {name} is {value}")
        return value

    def input(self, index: int) -> Value:
        """A required input."""
        if index >= len(self.inputs) or (value := self.inputs[index]) is None:
            raise FormatError(f"{self.what} lacks its input {index}")
        return value

    def optional(self, index: int) -> Value | None:
        """An input that may be omitted."""
        return self.inputs[index] if index < len(self.inputs) else None

    def tensor(self, index: int) -> Tensor:
        """A required input that depends on the model's input."""
        return self.ordinary(self.input(index))

    def ordinary(self, value: Value) -> Tensor:
        """A value that depends on the model's input, as a tensor."""
        return ordinary(self.builder, value, self.what, self.name)

    def constant(self, index: int) -> Constant:
        """A required input that must be constant."""
        value = self.input(index)
        if not isinstance(value, np.ndarray):
            raise Unsupported(f"{self.what}: input {index} must be a constant, but it depends on the model's input")
        return value

    def integers(self, index: int) -> list[int]:
        """A required input that must be a constant list of integers."""
        value = self.constant(index)
        if value.dtype.kind not in "iu" or value.ndim > 1:
            raise FormatError(
                f"{self.what}: input {index} has type {value.dtype} and {value.ndim} axes: expected integers"
            )
        return [int(number) for number in value.ravel()]

    def listed(self, name: str, index: int, since: int) -> list[int] | None:
        """Integers that are an attribute before opset ``since`` and an input from then on; None if omitted."""
        if self.opset >= since:
            return None if self.optional(index) is None else self.integers(index)
        given = self.attribute(name, None)
        return None if given is None else [int(number) for number in given]

    def weights(self, value: Constant, *, minus_infinity: bool = False) -> FloatArray:
        """A constant as float64, without NaN or infinities (but −∞ where it masks a logit)."""
        if value.dtype.kind not in "fiu":
            raise FormatError(f"{self.what} has a constant of type {value.dtype}: expected real numbers")
        array = np.asarray(value, dtype=np.float64)
        if not array.size:
            raise FormatError(f"{self.what} has a constant of shape {array.shape}, which holds nothing")
        if minus_infinity and not np.isnan(array).any() and not np.isposinf(array).any():
            return array
        if not np.isfinite(array).all():
            kind = "NaN" if np.isnan(array).any() else "an infinity"
            raise FormatError(f"{self.what} has {kind} among its constants: only finite weights are supported")
        return array

    def note(self, text: str) -> None:
        """Say where the circuit and the stored graph differ in real arithmetic."""
        self.context.notes.append(f"{self.what}: {text}")

    def listed_axes(self, since: int, rank: int) -> tuple[int, ...] | None:
        """Axes counted from the front: an attribute before opset ``since``, an input from then on; None if omitted."""
        given: Any = self.attribute("axes", None) if self.opset < since else self.optional(1)
        if given is None:
            return None
        if not isinstance(given, (list, np.ndarray)):
            raise Unsupported(f"{self.what}: axes must be constant")
        array = np.asarray(given, dtype=np.int64) if isinstance(given, list) else given
        if array.dtype.kind not in "iu":
            raise FormatError(f"{self.what}: axes of type {array.dtype}: expected integers")
        axes = tuple(self.axis(int(axis), rank) for axis in array.ravel())
        if len(set(axes)) < len(axes):
            raise FormatError(f"{self.what}: an axis is named twice in {list(array.ravel())}")
        return axes

    def reduced_axes(self, rank: int, since: int) -> tuple[int, ...]:
        """The axes of a reduction; all by default."""
        axes = self.listed_axes(since, rank)
        if not axes:
            if self.attribute("noop_with_empty_axes", 0):
                raise Unsupported(f"{self.what}: noop_with_empty_axes without axes is not supported")
            axes = tuple(range(rank))
        if self.batched and 0 in axes:
            raise Unsupported(f"{self.what} reduces over the batch axis: rows must stay independent")
        return tuple(sorted(axes))

    def axis(self, axis: int, rank: int) -> int:
        """An axis in range, counted from the front."""
        if not -rank <= axis < rank:
            raise FormatError(f"{self.what}: axis {axis} of a tensor with {rank} axes")
        return axis % rank

    def shape_with(self, *values: Value) -> tuple[int, ...]:
        """The broadcast shape of the values."""
        try:
            shape = np.broadcast_shapes(*(value.shape for value in values))
        except ValueError:
            shapes = " and ".join(str(value.shape) for value in values)
            raise FormatError(f"{self.what}: shapes {shapes} do not broadcast") from None
        if self.batched:
            for value in values:
                if isinstance(value, np.ndarray):
                    moved = len(value.shape) == len(shape) and value.shape[0] != 1
                else:
                    moved = len(value.shape) < len(shape) or value.shape[0] != shape[0]
                if moved or len(value.shape) > len(shape):
                    raise Unsupported(
                        f"{self.what} joins {value.shape} to {shape} along the batch axis: "
                        "it must stay in front, or be fixed to 1"
                    )
        check_entries(math.prod(shape), self.what)
        return shape


Rule: TypeAlias = Callable[[Call], "Value | tuple[Value, ...]"]


@dataclass(frozen=True)
class Operator:
    """A supported operator: its rule, and what the rule makes of it, for the table in the documentation."""

    rule: Rule
    summary: str


RULES: dict[str, Operator] = {}
"""Operators by name; those of another domain than ONNX's own carry it in front, as in ``ai.onnx.ml.Scaler``."""


def rule(*names: str, summary: str) -> Callable[[Rule], Rule]:
    """Register a function as the rule of operators."""

    def register(function: Rule) -> Rule:
        for name in names:
            RULES[name] = Operator(function, summary)
        return function

    return register


def operator_name(node: NodeProto) -> str:
    """The key of a node's operator in the registry."""
    return str(node.op_type) if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"

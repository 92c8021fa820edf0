"""One operator application, what a rule may ask of it, and the registry of rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from onnx import NodeProto, helper

from tropix.arrays import FloatArray
from tropix.circuits import CircuitBuilder
from tropix.errors import FormatError, Unsupported
from tropixc.frontends.onnx._file import describe
from tropixc.frontends.onnx._values import Constant, Tensor, Value, ordinary


@dataclass(frozen=True)
class Call:
    """One operator application: the node, its inputs (None where omitted), and where to write nodes."""

    node: NodeProto
    inputs: list[Value | None]
    builder: CircuitBuilder
    opset: int
    batched: bool
    unit_roundoff: float
    notes: list[str]

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
        return ordinary(self.input(index), self.what)

    def constant(self, index: int) -> Constant:
        """A required input that must be constant."""
        value = self.input(index)
        if not isinstance(value, np.ndarray):
            raise Unsupported(f"{self.what}: input {index} must be a constant, but it depends on the model's input")
        return value

    def weights(self, value: Constant) -> FloatArray:
        """A constant as float64, without NaN or infinities."""
        array = np.asarray(value, dtype=np.float64)
        if not np.isfinite(array).all():
            kind = "NaN" if np.isnan(array).any() else "an infinity"
            raise FormatError(f"{self.what} has {kind} among its constants: only finite weights are supported")
        return array

    def axes(self, rank: int, since: int) -> tuple[int, ...]:
        """The axes of a reduction: an attribute before opset ``since``, an input from then on; all by default."""
        given: Any = self.attribute("axes", None) if self.opset < since else self.optional(1)
        if given is None or (isinstance(given, (list, np.ndarray)) and len(given) == 0):
            if self.attribute("noop_with_empty_axes", 0):
                raise Unsupported(f"{self.what}: noop_with_empty_axes without axes is not supported")
            axes = tuple(range(rank))
        else:
            if not isinstance(given, (list, np.ndarray)):
                raise Unsupported(f"{self.what}: axes must be constant")
            axes = tuple(sorted({self.axis(int(axis), rank) for axis in given}))
        if self.batched and 0 in axes:
            raise Unsupported(f"{self.what} reduces over the batch axis: rows must stay independent")
        return axes

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
                moved = len(value.shape) < len(shape) or value.shape[:1] != shape[:1]
                if not isinstance(value, np.ndarray) and moved:
                    raise Unsupported(
                        f"{self.what} broadcasts {value.shape} to {shape}: the batch axis must stay in front"
                    )
        return shape


Rule: TypeAlias = Callable[[Call], Value]
RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register a function as the rule of operators."""

    def register(function: Rule) -> Rule:
        for name in names:
            RULES[name] = function
        return function

    return register

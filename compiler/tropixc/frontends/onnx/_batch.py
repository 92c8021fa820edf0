"""The symbolic batch size among a graph's constants: it may say how to reshape, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from onnx import NodeProto, TensorProto

from tropix.errors import Unsupported
from tropixc.frontends.onnx._file import describe
from tropixc.frontends.onnx._folding import ENTRYWISE
from tropixc.frontends.onnx._shapes import BATCH
from tropixc.frontends.onnx._values import Constant, Value

SELECTIONS = {"Gather", "Slice", "Squeeze", "Unsqueeze", "Identity", "Reshape", "Split", "Shape"}
"""They pick or arrange entries of their first input."""
SHAPES = {("Reshape", 1), ("Expand", 1), ("Slice", 2)}
"""Inputs of operators on computed tensors that may hold the batch size."""


class BatchSizes:
    """Which constants hold the batch size (as `BATCH`), and which have one row for every row of the batch.

    A number that depends on the batch size would make a row's result depend on the other rows, so whatever else is
    computed from it is refused, however small the result.
    """

    def __init__(self) -> None:
        self.sizes: set[str] = set()
        self.uniform: set[str] = set()

    def note(self, name: str, value: Value) -> None:
        """Remember a constant that holds the batch size."""
        if isinstance(value, np.ndarray) and value.dtype.kind in "iu" and (np.abs(value) >= -BATCH).any():
            self.sizes.add(name)

    def before_rule(self, node: NodeProto) -> None:
        """Refuse an operator on computed tensors that would use the batch size as a number."""
        for position, name in enumerate(node.input):
            if name in self.sizes and (node.op_type, position) not in SHAPES:
                raise _refusal(node)

    def before_fold(
        self, node: NodeProto, inputs: list[Constant | None], values: Mapping[str, Value]
    ) -> list[Constant | None]:
        """The inputs of a node of constants; a constant of shape (batch, …) with equal rows is kept at batch 1."""
        if self.uniform.intersection(node.input):
            if not self._keeps_rows_apart(node, values):
                raise Unsupported(f"{describe(node)} computes with a constant of the batch's size: rows must not mix")
            self.uniform.update(node.output)
        held = [i for i, name in enumerate(node.input) if name in self.sizes]
        if not held:
            return inputs
        position = {"Expand": 1, "ConstantOfShape": 0}.get(node.op_type)
        if held == [position]:
            sizes = inputs[held[0]]
            assert sizes is not None
            flat = sizes.ravel()
            if flat[0] != BATCH or (np.abs(flat[1:]) >= -BATCH).any():
                raise _refusal(node)
            self.uniform.update(node.output)
            return [np.where(sizes == BATCH, 1, sizes) if i == held[0] else part for i, part in enumerate(inputs)]
        if not _selects(node, inputs, held):
            raise _refusal(node)
        return inputs

    def _keeps_rows_apart(self, node: NodeProto, values: Mapping[str, Value]) -> bool:
        """Whether a node treats the equal rows of a constant of the batch's size apart."""
        if node.op_type in ENTRYWISE:
            return True
        attributes = {attribute.name: attribute.i for attribute in node.attribute}
        if node.op_type in ("Gemm", "MatMul"):
            rest = self.uniform.intersection(node.input[1:])
            return not rest and not attributes.get("transA", 0) and len(values[node.input[0]].shape) >= 2
        return node.op_type in ("Concat", "Split") and attributes.get("axis", 0) > 0


def _refusal(node: NodeProto) -> Unsupported:
    return Unsupported(f"{describe(node)} computes with the batch size: rows must stay independent")


def _selects(node: NodeProto, inputs: list[Constant | None], held: list[int]) -> bool:
    """Whether the results are entries of the inputs, or the batch size times a number, as shapes need it."""
    match node.op_type:
        case "Concat":
            return True
        case "Where":
            return 0 not in held
        case "Cast":
            return any(attribute.name == "to" and attribute.i == TensorProto.INT64 for attribute in node.attribute)
        case "Mul":
            others = [part for i, part in enumerate(inputs) if i not in held and part is not None]
            return len(held) == 1 and all(part.dtype.kind in "iu" and bool((part >= 1).all()) for part in others)
        case "ReduceProd":
            first = inputs[0]
            return held == [0] and first is not None and int((np.abs(first) >= -BATCH).sum()) == 1
        case "Equal":  # exporters ask whether a size is -1, which the batch size never is
            others = [part for i, part in enumerate(inputs) if i not in held and part is not None]
            return len(held) == 1 and all(bool((part <= 0).all()) for part in others)
    return node.op_type in SELECTIONS and held == [0]

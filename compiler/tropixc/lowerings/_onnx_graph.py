"""An ONNX graph under construction: values, constants of one float type, and their total size."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
from onnx import NodeProto, TensorProto, helper, numpy_helper

from tropix.errors import Unsupported

MAX_NUMBERS = 100_000_000
"""Largest number of constants of a graph; protobuf messages end at 2 GiB."""
_REDUCTIONS_WITH_INPUT_AXES = {"ReduceSum": 13, "ReduceMax": 18, "ReduceLogSumExp": 18}


class OnnxGraph:
    """Nodes and initializers; every method that computes something returns the name of its value, shape (batch, …)."""

    def __init__(self, dtype: npt.DTypeLike, opset: int, reserved: Sequence[str]) -> None:
        self.dtype = np.dtype(dtype)
        self.opset = opset
        self.nodes: list[NodeProto] = []
        self.initializers: list[TensorProto] = []
        self._taken = set(reserved)
        self._numbers = 0
        self._prefix = ""

    def enter(self, name: str) -> None:
        """Values and nodes that follow belong to a circuit node of this name, which is untrusted text."""
        self._prefix = self._unique(re.sub(r"[^A-Za-z0-9_./ -]", "_", name)[:80] or "node")

    def _unique(self, name: str) -> str:
        count, found = 1, name
        while found in self._taken:
            count += 1
            found = f"{name}~{count}"
        self._taken.add(found)
        return found

    def refuse(self, reason: str) -> NoReturn:
        """Raise `Unsupported`, naming the circuit node."""
        raise Unsupported(f"node {self._prefix!r}: {reason}")

    def check_room(self, count: int) -> None:
        """Refuse constants that would make the model too large, before they are allocated."""
        total = self._numbers + count
        if total > MAX_NUMBERS:
            self.refuse(f"the ONNX model comes to {total} constants or more, at most {MAX_NUMBERS} are written")

    def number(self, values: npt.ArrayLike, role: str) -> str:
        """A constant of the graph's float type, rounded to it; raises `Unsupported` where it overflows."""
        given = np.asarray(values)
        with np.errstate(over="ignore", under="ignore"):
            array = given.astype(self.dtype)
        if not np.isfinite(array).all():
            self.refuse(f"{role} exceed {self.dtype}: export in float64")
        return self._initializer(array, role)

    def indices(self, values: npt.ArrayLike, role: str) -> str:
        """A constant of int64."""
        return self._initializer(np.asarray(values, dtype=np.int64), role)

    def _initializer(self, array: npt.NDArray[Any], role: str) -> str:
        self.check_room(array.size)
        self._numbers += array.size
        name = self._unique(f"{self._prefix}/{role}")
        self.initializers.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
        return name

    def apply(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Append one ONNX node."""
        name = self._unique(f"{self._prefix}/{operator}")
        self.nodes.append(helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    def reduce(self, operator: str, value: str, *, keepdims: bool) -> str:
        """Reduce the last axis of a value of shape (batch, K, w)."""
        if self.opset < _REDUCTIONS_WITH_INPUT_AXES[operator]:
            return self.apply(operator, value, axes=[2], keepdims=int(keepdims))
        return self.apply(operator, value, self.indices([2], "axis"), keepdims=int(keepdims))

    def reshape(self, value: str, *shape: int) -> str:
        """(batch, …) → (batch, *shape), whatever the batch."""
        return self.apply("Reshape", value, self.indices([0, *shape], "shape"))

    def columns(self, value: str, columns: npt.NDArray[np.int64], size: int) -> str:
        """The given columns of a value of shape (batch, size); itself where they are all of it, in order."""
        if len(columns) == size and np.array_equal(columns, np.arange(size)):
            return value
        return self.apply("Gather", value, self.indices(columns, "columns"), axis=1)

    def gathered(self, parts: Sequence[tuple[str, npt.NDArray[np.int64]]]) -> str:
        """One value of shape (batch, m) from parts and the places of their columns in it."""
        joined = parts[0][0] if len(parts) == 1 else self.apply("Concat", *(value for value, _ in parts), axis=1)
        places = np.concatenate([place for _, place in parts])
        return self.columns(joined, np.argsort(places), len(places))

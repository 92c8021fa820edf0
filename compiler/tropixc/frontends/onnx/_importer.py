"""The walk over an ONNX graph: constants are folded, every other node is handed to its rule."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import scipy.sparse as sp
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from tropix.circuits import Circuit, CircuitBuilder
from tropix.errors import FormatError, InvalidInput, TropixError, Unsupported
from tropixc.frontends.onnx._batch import BatchSizes
from tropixc.frontends.onnx._call import Call, Context, operator_name
from tropixc.frontends.onnx._file import describe, opset, parse_model, read_bytes
from tropixc.frontends.onnx._folding import FOLDABLE, fold
from tropixc.frontends.onnx._operators import RULES
from tropixc.frontends.onnx._values import (
    Constant,
    Label,
    Tensor,
    Value,
    check_entries,
    check_size,
    contiguous,
    ordinary,
    whole,
)

MAX_CONSTANTS = 40_000_000
"""Largest number of constants that a model may compute, beyond four times those that it stores."""
FLOATS: dict[int, float] = {TensorProto.FLOAT: 2.0**-24, TensorProto.DOUBLE: 2.0**-53}
"""The supported precisions of a model's input and their unit roundoff."""


@dataclass(frozen=True, eq=False)
class ImportedModel:
    """A model and the circuit that mirrors it node by node, before any pass.

    ``content`` holds a model that was given in memory, and is None for a file; ``input_shape`` is the declared shape
    without a batch axis; ``batch`` is None where it is symbolic, its fixed length 1, or 0 where the input has no batch
    axis; ``unit_roundoff`` is that of the coarsest precision in the model; ``exponents`` and ``logarithms`` compute all
    arguments of the graph's Exp nodes and all results of its Log nodes; ``notes`` say where the circuit and the stored
    graph differ in real arithmetic, and by how much; ``operators`` tell the ONNX operator that a circuit node comes of:
    its name is a key, or begins with a key and a slash.
    """

    path: Path
    content: bytes | None
    sha256: str
    circuit: Circuit
    exponents: Circuit | None
    logarithms: Circuit | None
    input_name: str
    output_name: str
    input_shape: tuple[int, ...]
    batch: int | None
    input_type: Literal["float32", "float64"]
    unit_roundoff: float
    opset: int
    notes: tuple[str, ...] = ()
    operators: Mapping[str, str] = field(default_factory=dict)


def import_onnx(path: str | Path, output: str | None = None) -> ImportedModel:
    """Read an ONNX model; ``output`` names one of its outputs where there are several.

    Raises `FormatError` for files that are not sound, `Unsupported` for operators or shapes without a rule.
    The circuit is exactly the real-valued function of the stored weights, but for what ``notes`` of the result name:
    reciprocals, logarithms of constants and the like are rounded to float64. Sub-graphs of constants are computed once,
    in the model's own precision.
    """
    file = Path(path)
    data = read_bytes(file)
    return _imported(file, None, data, output)


def import_bytes(data: bytes, output: str | None = None, name: str = "model") -> ImportedModel:
    """Read an ONNX model in memory, without external data; ``name`` stands for it in messages."""
    return _imported(Path(name), data, data, output)


def _imported(path: Path, content: bytes | None, data: bytes, output: str | None) -> ImportedModel:
    model, sha256 = parse_model(path, data)
    try:
        return _Importer(path, content, model, sha256).run(output)
    except TropixError as error:
        raise type(error)(f"{path}: {error}") from None


class _Importer:
    def __init__(self, path: Path, content: bytes | None, model: ModelProto, sha256: str) -> None:
        self.path = path
        self.content = content
        self.sha256 = sha256
        self.model = model
        self.opset = opset(model)
        self.values: dict[str, Value] = {}
        self.batch_sizes = BatchSizes()
        self.folded = 0
        self.budget = MAX_CONSTANTS

    def run(self, output: str | None) -> ImportedModel:
        graph = self.model.graph
        self._check_operators()
        self._read_initializers()
        info = self._single_input()
        shape, batch = _input_shape(info)
        builder = CircuitBuilder(math.prod(shape), info.name)
        self.input_kind = info.type.tensor_type.elem_type
        unit_roundoff = FLOATS[self.input_kind]
        self.context = Context(builder, self.opset, batch is None, unit_roundoff)
        self.values[info.name] = whole(builder, 0, (shape if batch == 0 else (1, *shape)))
        for node in graph.node:
            self._visit(node)
        name = self._choose_output(output)
        if name not in self.values:
            raise FormatError(f"output {name!r} is computed by no node")
        value = self.values[name]
        if isinstance(value, np.ndarray):
            raise Unsupported(f"output {name!r} is constant: it does not depend on the input")
        content = self.content
        if isinstance(value, Label):
            name, content = value.name, self._with_output(value.name)
            self.context.notes.append(f"the final ArgMax is left out: the outputs are the scores {name!r} it compares")
            value = value.of
        tensor = ordinary(builder, value, f"output {name!r}", name)
        if tensor.masked:
            raise Unsupported(f"output {name!r} holds -inf (masked entries): only finite outputs are supported")
        position = contiguous(builder, tensor, f"{name}/order")
        if not builder.size(position):
            raise FormatError(f"output {name!r} has no elements")
        return ImportedModel(
            path=self.path,
            content=content,
            sha256=self.sha256,
            circuit=builder.build(position),
            exponents=self._watched(self.context.exponents),
            logarithms=self._watched(self.context.logarithms),
            input_name=info.name,
            output_name=name,
            input_shape=shape,
            batch=batch,
            input_type="float32" if unit_roundoff > 2.0**-53 else "float64",
            unit_roundoff=2.0**-24 if self._casts_to_single() else unit_roundoff,
            opset=self.opset,
            notes=tuple(self.context.notes),
            operators={node.name or node.output[0]: str(node.op_type) for node in graph.node if node.output},
        )

    def _with_output(self, name: str) -> bytes:
        """The model with another output, for a runtime."""
        model = ModelProto()
        model.CopyFrom(self.model)
        del model.graph.output[:]
        model.graph.output.append(helper.make_tensor_value_info(name, self.input_kind, None))
        return bytes(model.SerializeToString())

    def _watched(self, tensors: list[Tensor]) -> Circuit | None:
        """A circuit that lists all entries of the given tensors."""
        if not tensors:
            return None
        builder = self.context.builder
        tensors = [Tensor(tensor.source, tensor.index[tensor.index >= 0]) for tensor in tensors]
        sizes = np.cumsum([0, *(tensor.index.size for tensor in tensors)])
        check_size(int(sizes[-1]), "the model")
        terms = []
        for tensor, start, stop in zip(tensors, sizes[:-1], sizes[1:], strict=True):
            entries = (np.ones(stop - start), (np.arange(start, stop), tensor.index.ravel()))
            terms.append((tensor.source, sp.csr_array(entries, shape=(int(sizes[-1]), builder.size(tensor.source)))))
        return builder.build(builder.affine(terms, np.zeros(int(sizes[-1])), "watched"))

    def _check_operators(self) -> None:
        """Report every node without a rule at once."""
        unknown: dict[str, list[str]] = {}
        for node in self.model.graph.node:
            operator = operator_name(node)
            if operator not in RULES and operator not in FOLDABLE:
                unknown.setdefault(operator, []).append(node.name or (node.output[0] if node.output else "?"))
        if unknown:
            listed = "; ".join(
                f"{operator} (node {', '.join(repr(n) for n in nodes[:3])}{', …' if len(nodes) > 3 else ''})"
                for operator, nodes in sorted(unknown.items())
            )
            raise Unsupported(
                f"no rule for {listed}. Export without it (unroll loops and recurrent cells, or take the part in front "
                "of it as the model); 'tropix operators' lists what is read"
            )

    def _read_initializers(self) -> None:
        faults = []
        for tensor in self.model.graph.initializer:
            array = numpy_helper.to_array(tensor)
            if array.dtype.kind == "f" and np.isnan(array).any():
                faults.append(f"initializer {tensor.name!r} contains NaN")
            self.values[tensor.name] = array
            self.budget += 4 * array.size
        if faults:
            raise FormatError("; ".join(faults))

    def _single_input(self) -> ValueInfoProto:
        inputs = [info for info in self.model.graph.input if info.name not in self.values]
        if len(inputs) != 1:
            names = ", ".join(repr(info.name) for info in inputs) or "none"
            raise Unsupported(f"the model has inputs {names}: exactly one is supported")
        info: ValueInfoProto = inputs[0]
        return info

    def _choose_output(self, output: str | None) -> str:
        names = [info.name for info in self.model.graph.output]
        if output is not None:
            if output not in names:
                raise InvalidInput(f"the model has no output {output!r}: it has {', '.join(map(repr, names))}")
            return output
        if len(names) != 1:
            raise InvalidInput(f"the model has outputs {', '.join(map(repr, names))}: name one of them")
        return str(names[0])

    def _casts_to_single(self) -> bool:
        casts = [node for node in self.model.graph.node if node.op_type == "Cast"]
        return any(a.name == "to" and a.i == TensorProto.FLOAT for node in casts for a in node.attribute)

    def _visit(self, node: NodeProto) -> None:
        missing = [name for name in node.input if name and name not in self.values]
        if missing:
            raise FormatError(f"{describe(node)} reads {missing[0]!r}, which nothing before it computes")
        inputs = [self.values[name] if name else None for name in node.input]
        constants: list[Constant | None] = [v for v in inputs if v is None or isinstance(v, np.ndarray)]
        if len(constants) == len(inputs) and operator_name(node) in FOLDABLE:
            self._fold(node, constants)
            return
        if inputs and len(constants) == len(inputs):
            raise Unsupported(
                f"{describe(node)} computes a constant, with an operator that is not evaluated here: "
                "fold constants before export (for instance with onnxruntime's or the exporter's optimizer)"
            )
        if operator_name(node) not in RULES:
            raise Unsupported(
                f"{describe(node)} is supported for constants only; 'tropix operators' lists what is read of values "
                "that depend on the input"
            )
        self.batch_sizes.before_rule(node)
        try:
            result = RULES[operator_name(node)].rule(Call(node, inputs, self.context))
        except TropixError as error:
            raise type(error)(str(error) if describe(node) in str(error) else f"{describe(node)}: {error}") from None
        except (ValueError, IndexError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
            # a file is untrusted: what a rule did not foresee is still a fault of the file, and named as one
            raise FormatError(f"{describe(node)}: its inputs or attributes do not fit together ({error})") from None
        for name, value in zip(node.output, result if isinstance(result, tuple) else (result,), strict=False):
            if isinstance(value, np.ndarray):
                self.batch_sizes.note(name, value)
            else:
                check_entries(math.prod(value.shape), describe(node))
            self.values[name] = value

    def _fold(self, node: NodeProto, inputs: list[Constant | None]) -> None:
        """Compute a constant."""
        inputs = self.batch_sizes.before_fold(node, inputs, self.values)
        for name, value in zip(node.output, fold(node, inputs, self.opset), strict=False):
            self.folded += value.size
            if self.folded > self.budget:
                raise FormatError(f"{describe(node)}: the model computes more than {self.budget} constant numbers")
            self.batch_sizes.note(name, value)
            self.values[name] = value


def _input_shape(info: ValueInfoProto) -> tuple[tuple[int, ...], int | None]:
    """Shape without the batch axis, and the batch: None symbolic, 1 fixed, 0 absent."""
    kind = info.type.tensor_type
    if not info.type.HasField("tensor_type") or kind.elem_type not in FLOATS:
        raise Unsupported(f"input {info.name!r}: only float32 and float64 tensors are supported")
    if not kind.HasField("shape") or not kind.shape.dim:
        raise Unsupported(f"input {info.name!r} has no static shape: export with fixed feature axes")
    dims = [dim.dim_value if dim.HasField("dim_value") else None for dim in kind.shape.dim]
    if any(size is not None and size < 1 for size in dims):
        raise FormatError(f"input {info.name!r} has shape {dims}: every fixed axis must be positive")
    batched = len(dims) > 1 or dims[0] is None
    rest = dims[1:] if batched else dims
    if any(size is None for size in rest):
        raise Unsupported(f"input {info.name!r} has shape {dims}: only the first (batch) axis may be dynamic")
    if batched and dims[0] not in (None, 1):
        raise Unsupported(f"input {info.name!r} has a fixed batch of {dims[0]}: export with a symbolic batch or 1")
    shape = tuple(size for size in rest if size is not None)
    check_entries(math.prod(shape), f"input {info.name!r}")
    return shape, (dims[0] if batched else 0)

"""What is certified: a circuit of logits or functions of classes, and the digest that names the model."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from functools import cached_property
from typing import Any, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import scipy.sparse as sp

from tropix.certify._pieces import Classes, classes_of_circuit, classes_of_functions
from tropix.certify._properties import as_written, derived, monotone
from tropix.certify._steps import Steps, steps_of_circuit, steps_of_classes
from tropix.circuits import Affine, Circuit, CircuitBuilder, Gibbs
from tropix.circuits._matrices import dense
from tropix.errors import Unsupported
from tropix.polynomials import LogSumExp, TropicalPolynomial

Model: TypeAlias = Circuit | Sequence[LogSumExp | TropicalPolynomial]
"""A circuit, or one function for each class."""
Found = TypeVar("Found")


@dataclass(frozen=True, eq=False)
class Subject:
    """A model whose largest output names the class.

    Softmax outputs are left out: they do not move the classes. A model with a single output f decides between class 0,
    the function 0, and class 1, the function f; one whose output is a sigmoid π, or a(π − 1/2) with a > 0, at π = 1/2.
    With a property the classes are the function 0 and the functions that are negative where the property holds; softmax
    outputs then count as they are.
    """

    model: Model
    property: Mapping[str, Any] | None = None

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what the model computes with: kinds, connections and numbers of its nodes, without their names."""
        return (
            model_digest(self.model)
            if not isinstance(self.model, Circuit)
            else _kept(_digests, self.model, model_digest)
        )

    @cached_property
    def circuit(self) -> Circuit:
        """The circuit of the classes' functions, two or more. Raises `Unsupported` for lists of functions."""
        if not isinstance(self.model, Circuit):
            raise Unsupported("this method needs a circuit, not a list of functions")
        if self.property is not None:
            return derived(self.model, self.property)
        if self.model.output_size == 1 and not _decides_at_half(self.model):
            return _against_zero(self.model)
        try:
            logits = self.model.logits()
        except Unsupported:
            logits = self.model
        return logits if logits.output_size > 1 else _against_zero(logits)

    @cached_property
    def classes(self) -> Classes:
        """The functions, exactly. Raises `Unsupported` for outputs that are no single ⊕_ε of affine functions."""
        if self.property is not None:
            return classes_of_circuit(self.circuit)
        if isinstance(self.model, Circuit):
            return _kept(_classes, self.model, lambda _: classes_of_circuit(self.circuit))
        return classes_of_functions(self.model)

    @cached_property
    def steps(self) -> Steps:
        """The nonlinear steps of the classes' functions, for derivatives."""
        if isinstance(self.model, Circuit) and self.property is None:
            return _kept(_steps, self.model, lambda _: self._read_steps())
        return self._read_steps()

    @cached_property
    def is_monotone(self) -> bool:
        """Whether the claim is about signs of derivatives."""
        return self.property is not None and self.property["kind"] == "monotone"

    def _read_steps(self) -> Steps:
        if self.property is not None and self.is_monotone and isinstance(self.model, Circuit):
            read = monotone(self.model, dict(self.property["inputs"]), self.property["output"])
            wanted = as_written(self.property, read)
            return steps_of_circuit(self.model.select([wanted["output"]]))
        try:
            return steps_of_classes(self.classes)
        except Unsupported:
            return steps_of_circuit(self.circuit)

    @cached_property
    def dimension(self) -> int:
        """Number of inputs d."""
        return self.model.input_size if isinstance(self.model, Circuit) else self.classes.dimension


_digests: WeakKeyDictionary[Circuit, str] = WeakKeyDictionary()
_classes: WeakKeyDictionary[Circuit, Classes] = WeakKeyDictionary()
_steps: WeakKeyDictionary[Circuit, Steps] = WeakKeyDictionary()


def _kept(known: WeakKeyDictionary[Circuit, Found], model: Circuit, find: Callable[[Circuit], Found]) -> Found:
    """What was found for a circuit before, as long as the circuit lives."""
    if model not in known:
        known[model] = find(model)
    return known[model]


def _decides_at_half(circuit: Circuit) -> bool:
    """Whether the one output is a weight π of a pair, or a(π − 1/2): then it is decided where the pair is equal."""
    scale, shift, position, entry = Fraction(1), Fraction(0), circuit.output, 0
    while isinstance(node := circuit.nodes[position], Affine):
        rows = [(term.source, dense(term.matrix[[entry]])[0]) for term in node.terms]
        read = [(source, column, row[column]) for source, row in rows for column in np.flatnonzero(row).tolist()]
        if len(read) != 1:
            return False
        shift += scale * Fraction(float(node.bias[entry]))
        [(position, entry, factor)] = read
        scale *= Fraction(float(factor))
    if not isinstance(node, Gibbs) or scale <= 0:
        return False
    segment = int(np.searchsorted(node.segments, entry, side="right")) - 1
    return bool(node.widths[segment] == 2) and ((scale == 1 and shift == 0) or 2 * shift == -scale)


def _against_zero(logits: Circuit) -> Circuit:
    """The outputs 0 and f."""
    builder = CircuitBuilder(logits.input_size)
    for node, name in zip(logits.nodes[1:], logits.names[1:], strict=True):
        builder.add(node, name)
    return builder.build(builder.affine([(logits.output, [[0.0], [1.0]])], np.zeros(2), "against zero"))


def model_digest(model: Model) -> str:
    """SHA-256 of what a model computes with: kinds, connections and numbers of its nodes, without their names."""
    digest = hashlib.sha256()
    if isinstance(model, Circuit):
        digest.update(f"circuit {model.output}".encode())
        for node in model.nodes:
            _feed(digest, node)
    else:
        for function in model:
            _feed(digest, function if isinstance(function, LogSumExp) else function.exact)
    return digest.hexdigest()


def _feed(digest: Any, value: Any) -> None:
    """Add a value, with its kind and length, so that different values give different streams."""
    if isinstance(value, np.ndarray) and value.dtype != object:
        digest.update(f"|{value.dtype.str}{value.shape}|".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    elif sp.issparse(value):
        table = sp.csr_array(value).toarray() if value.shape[0] * value.shape[1] <= 1 << 16 else None
        if table is not None:
            _feed(digest, table)
        else:
            sorted_rows = sp.csr_array(value).sorted_indices()
            for part in (sorted_rows.data, sorted_rows.indices.astype(np.int64), sorted_rows.indptr.astype(np.int64)):
                _feed(digest, part)
    elif isinstance(value, np.ndarray | tuple | list):
        digest.update(f"|{len(value)}|".encode())
        for item in value:
            _feed(digest, item)
    elif hasattr(value, "__dataclass_fields__"):
        digest.update(f"|{type(value).__name__}|".encode())
        for part in fields(value):
            _feed(digest, getattr(value, part.name))
    else:
        digest.update(f"|{value!r}|".encode())

"""A model as exact data: each output one ⊕_ε of affine functions, and a digest that names the model."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
import scipy.sparse as sp

from tropix.circuits import Circuit, exact_single_layer
from tropix.errors import InvalidInput, Unsupported
from tropix.exact import Rationals
from tropix.polynomials import LogSumExp, TropicalPolynomial

Model: TypeAlias = Circuit | Sequence[LogSumExp | TropicalPolynomial]
"""A circuit, or one function for each class."""


@dataclass(frozen=True, eq=False)
class Pieces:
    """One function ⊕_ε (W x + b) in exact numbers: weights (N, d), bias (N,), temperature ε ≥ 0."""

    weights: Rationals
    bias: Rationals
    eps: Fraction


@dataclass(frozen=True, eq=False)
class Classes:
    """The functions whose largest one names the class, and the digest of the model they come from.

    A model with a single output f decides between class 0, the function 0, and class 1, the function f.
    """

    functions: tuple[Pieces, ...]
    digest: str

    def __post_init__(self) -> None:
        # the temperature of a single piece says nothing
        plain = (Pieces(f.weights, f.bias, Fraction(0)) if len(f.bias) == 1 and f.eps else f for f in self.functions)
        object.__setattr__(self, "functions", tuple(plain))

    @property
    def dimension(self) -> int:
        """Number of inputs d."""
        return self.functions[0].weights.shape[1]


_known: WeakKeyDictionary[Circuit, Classes] = WeakKeyDictionary()
_known_functions: WeakKeyDictionary[LogSumExp, Pieces] = WeakKeyDictionary()


def classes_of(model: Model) -> Classes:
    """The functions of a classifier, exactly. Softmax is left out: it does not move the classes.

    Raises `Unsupported` for outputs that are no single ⊕_ε of affine functions.
    """
    if isinstance(model, Circuit):
        if model not in _known:
            _known[model] = _read_circuit(model)
        return _known[model]
    functions = tuple(_read_function(f) for f in model)
    if not functions or len({f.weights.shape[1] for f in functions}) != 1:
        raise InvalidInput("expected one function a class, all of the same variables")
    return Classes(_paired(functions), model_digest(model))


def _read_circuit(circuit: Circuit) -> Classes:
    try:
        logits = circuit.logits()
    except Unsupported:
        logits = circuit
    read = (exact_single_layer(logits, k) for k in range(logits.output_size))
    functions = tuple(Pieces(w, b, Fraction(int(eps.numerators[0]), eps.denominator)) for w, b, eps in read)
    return Classes(_paired(functions), model_digest(circuit))


def _read_function(function: LogSumExp | TropicalPolynomial) -> Pieces:
    if isinstance(function, LogSumExp) and function in _known_functions:
        return _known_functions[function]
    if isinstance(function, TropicalPolynomial):
        rows = function.exact
        found = Pieces(rows[:, :-1], rows[:, -1], Fraction(0))
    elif isinstance(function, LogSumExp):
        present = np.isfinite(function.bias)
        found = Pieces(
            Rationals.of(function.weights[present]), Rationals.of(function.bias[present]), Fraction(function.eps)
        )
    else:
        raise InvalidInput(f"expected a circuit or log-sum-exp functions, found {type(function).__name__}")
    if not len(found.bias):
        raise Unsupported("a class whose function is −∞ everywhere: leave it out")
    if isinstance(function, LogSumExp):
        _known_functions[function] = found
    return found


def _paired(functions: tuple[Pieces, ...]) -> tuple[Pieces, ...]:
    if len(functions) > 1:
        return functions
    d = functions[0].weights.shape[1]
    zero = Pieces(Rationals.of(np.zeros((1, d))), Rationals.of(np.zeros(1)), Fraction(0))
    return (zero, functions[0])


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

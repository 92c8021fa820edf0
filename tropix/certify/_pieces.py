"""Classes as exact data: each one ⊕_ε of affine functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from tropix.circuits import Circuit, exact_single_layer
from tropix.errors import InvalidInput, Unsupported
from tropix.exact import Rationals
from tropix.polynomials import LogSumExp, TropicalPolynomial


@dataclass(frozen=True, eq=False)
class Pieces:
    """One function ⊕_ε (W x + b) in exact numbers: weights (N, d), bias (N,), temperature ε ≥ 0."""

    weights: Rationals
    bias: Rationals
    eps: Fraction


@dataclass(frozen=True, eq=False)
class Classes:
    """The functions whose largest one names the class."""

    functions: tuple[Pieces, ...]

    def __post_init__(self) -> None:
        # the temperature of a single piece says nothing
        plain = (Pieces(f.weights, f.bias, Fraction(0)) if len(f.bias) == 1 and f.eps else f for f in self.functions)
        object.__setattr__(self, "functions", tuple(plain))

    @cached_property
    def known(self) -> dict[Any, Any]:
        """What was computed from the functions before, by what it depends on."""
        return {}

    @property
    def dimension(self) -> int:
        """Number of inputs d."""
        return self.functions[0].weights.shape[1]


_known_functions: WeakKeyDictionary[LogSumExp, Pieces] = WeakKeyDictionary()


def classes_of_circuit(logits: Circuit) -> Classes:
    """The outputs of a circuit of two or more, exactly. Raises `Unsupported` where one is no single ⊕_ε."""
    read = (exact_single_layer(logits, k) for k in range(logits.output_size))
    return Classes(tuple(Pieces(w, b, Fraction(int(eps.numerators[0]), eps.denominator)) for w, b, eps in read))


def classes_of_functions(model: Sequence[LogSumExp | TropicalPolynomial]) -> Classes:
    """One function a class; a single function decides against 0."""
    if isinstance(model, str) or not isinstance(model, Sequence):
        raise InvalidInput(f"expected a circuit or a list of log-sum-exp functions, found {type(model).__name__}")
    functions = tuple(_read_function(f) for f in model)
    if not functions or len({f.weights.shape[1] for f in functions}) != 1:
        raise InvalidInput("expected one function a class, all of the same variables")
    return Classes(_paired(functions))


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

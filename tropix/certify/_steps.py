"""A model as its nonlinear steps, each of which reads exact affine functions of the input and of steps before it."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from tropix.arrays import IntArray
from tropix.certify._pieces import Classes
from tropix.circuits import Affine, Circuit, Gibbs, Input, LogSumExp, Pointwise, Product
from tropix.exact import Rationals


@dataclass(frozen=True, eq=False)
class Reading:
    """Σ_b A_b v_b + c in exact numbers, b = 0 the input; ``held`` keeps what was computed from it."""

    terms: dict[int, Rationals]
    constant: Rationals
    held: dict[Any, Any] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Number of rows."""
        return len(self.constant)


@dataclass(frozen=True, eq=False)
class Join:
    """⊕_ε or, if ``weights``, Gibbs weights, over the segments of a reading. ``pairs``: all differences in segments.

    Row r of the pairs is entry ``second[r]`` minus entry ``first[r]``, first < second; segments of more than
    `MAX_WIDTH` entries have none.
    """

    reading: Reading
    segments: IntArray
    eps: Fraction
    weights: bool
    first: IntArray
    second: IntArray
    pairs: Reading

    @property
    def size(self) -> int:
        """Number of outputs."""
        return int(self.segments[-1]) if self.weights else len(self.segments) - 1


@dataclass(frozen=True, eq=False)
class Bend:
    """A product of two readings, or a smooth function of one."""

    readings: tuple[Reading, ...]
    function: str

    @property
    def size(self) -> int:
        """Number of outputs."""
        return self.readings[0].size


MAX_WIDTH = 16


@dataclass(frozen=True, eq=False)
class Steps:
    """The steps by their number, in order, and the output as a reading. ``heads``: output k is step k + 1 alone."""

    dimension: int
    steps: dict[int, Join | Bend]
    output: Reading
    heads: bool = False


def join(reading: Reading, segments: IntArray, eps: Fraction, *, weights: bool = False) -> Join:
    """A step with the differences within its segments."""
    first, second = [], []
    for start, stop in zip(segments[:-1].tolist(), segments[1:].tolist(), strict=True):
        if 1 < stop - start <= MAX_WIDTH:
            i, j = np.triu_indices(stop - start, 1)
            first += (start + i).tolist()
            second += (start + j).tolist()
    a, b = np.array(first, dtype=np.int64), np.array(second, dtype=np.int64)
    pairs = Reading(
        {base: rows[b] - rows[a] for base, rows in reading.terms.items()}, reading.constant[b] - reading.constant[a]
    )
    return Join(reading, segments, eps, weights, a, b, pairs)


def steps_of_classes(classes: Classes) -> Steps:
    """One step a class."""
    steps: dict[int, Join | Bend] = {}
    terms, count = {}, len(classes.functions)
    for k, function in enumerate(classes.functions):
        reading = Reading({0: function.weights}, function.bias)
        steps[k + 1] = join(reading, np.array([0, len(function.bias)], dtype=np.int64), function.eps)
        terms[k + 1] = Rationals.of(np.eye(count)[:, k : k + 1])
    return Steps(classes.dimension, steps, Reading(terms, Rationals.of(np.zeros(count))), True)


def steps_of_circuit(circuit: Circuit) -> Steps:
    """The nodes that the output needs and that are not affine."""
    forms = circuit.affine_forms

    def read(position: int) -> Reading:
        form = forms.of(position)
        return Reading({b: rows for b, rows in form.terms.items() if (rows.numerators != 0).any()}, form.constant)

    output = read(circuit.output)
    steps: dict[int, Join | Bend] = {}
    needed = set(output.terms)
    for position in range(len(circuit.nodes) - 1, 0, -1):
        node = circuit.nodes[position]
        if position not in needed or isinstance(node, Input | Affine):
            continue
        if isinstance(node, LogSumExp | Gibbs):
            reading = read(node.source)
            steps[position] = join(reading, node.segments, Fraction(node.eps), weights=isinstance(node, Gibbs))
            needed |= set(reading.terms)
        elif isinstance(node, Product | Pointwise):
            readings = tuple(read(source) for source in node.sources)
            steps[position] = Bend(readings, "product" if isinstance(node, Product) else node.function)
            needed |= {base for reading in readings for base in reading.terms}
    return Steps(circuit.input_size, dict(sorted(steps.items())), output)

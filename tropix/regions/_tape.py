"""Piecewise-linear functions as straight-line programs: affine steps and maxima, with exact numbers behind the floats.

A tape computes values z_0, z_1, …: first the input x, then for each step in turn affine forms of earlier values or
maxima over *segments* of them. Which entry attains each maximum is the *pattern* (S,) of a point: one index a segment,
the smallest of equal entries. A pattern fixes every value as one affine form of x.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import scipy.sparse as sp

from tropix.arrays import FloatArray, IntArray
from tropix.circuits import Affine, Circuit, Gibbs, Input, LogSumExp, Matrix, Pointwise, Product
from tropix.errors import InvalidInput, Unsupported
from tropix.exact import Rationals
from tropix.polynomials import TropicalMap, TropicalPolynomial, TropicalRational
from tropix.regions._exact_forms import ExactTape

MAX_WIDTH = 1 << 15
"""Largest number of entries of a segment: patterns are 16-bit."""

Function: TypeAlias = "Circuit | TropicalPolynomial | TropicalRational | TropicalMap"


@dataclass(frozen=True, eq=False)
class AffineStep:
    """Σ_i A_i v_i + b. ``exact`` holds the A_i and b where the floats are only their nearest float64."""

    sources: tuple[int, ...]
    matrices: tuple[Matrix, ...]
    bias: FloatArray
    exact: tuple[tuple[Rationals, ...], Rationals] | None = None

    @property
    def size(self) -> int:
        """Number of values."""
        return len(self.bias)


@dataclass(frozen=True, eq=False)
class MaxStep:
    """The maximum over each segment of a source's values; ``first`` is the position of the first one in the pattern."""

    source: int
    segments: IntArray
    first: int

    @property
    def size(self) -> int:
        """Number of values: one a segment."""
        return len(self.segments) - 1


Step: TypeAlias = "AffineStep | MaxStep"


class Flat(NamedTuple):
    """A tape for kernels: value v ≥ d is Σ weight·z[source] + bias over ``start[v]:start[v+1]``, or their maximum.

    ``segment`` (n,) is the segment of a maximum, −1 for other values. Segment s is value ``owner[s]`` and has the
    entries ``entry[s]:entry[s+1]`` among those of all segments. ``outputs`` are the values of the output. ``unit``
    bounds the relative error of the weights: 0, or 2⁻⁵³ if some are rounded.
    """

    inputs: int
    start: IntArray
    source: IntArray
    weight: FloatArray
    bias: FloatArray
    segment: IntArray
    owner: IntArray
    entry: IntArray
    outputs: IntArray
    unit: float


@dataclass(frozen=True, eq=False)
class Tape:
    """Steps that compute a piecewise-linear function ℝ^d → ℝ^m: step i is value block i + 1, block 0 is the input."""

    inputs: int
    steps: tuple[Step, ...]
    output: int
    names: tuple[str, ...]

    @classmethod
    def of(cls, function: Function) -> Tape:
        """The limit of a circuit, or a polynomial, rational function or map.

        Raises `Unsupported` for circuits with nodes other than affine maps and maxima before their output.
        """
        if isinstance(function, Circuit):
            return _of_circuit(function)
        if isinstance(function, TropicalPolynomial):
            if not len(function):
                raise InvalidInput("the zero polynomial is -inf everywhere: it has no linear regions")
            return _of_polynomials([[function]])
        if isinstance(function, TropicalRational):
            return _of_polynomials([[function.numerator, function.denominator]])
        if isinstance(function, TropicalMap):
            return _of_polynomials([[part.numerator, part.denominator] for part in function.components])
        raise InvalidInput(f"expected a circuit, a tropical polynomial or rational function, found {type(function)}")

    @classmethod
    def of_kept(cls, function: Function, kept: IntArray | None) -> Tape | None:
        """The tape of a function, of a polynomial with the monomials ``kept`` alone; None if it has not got them."""
        if kept is not None and isinstance(function, TropicalPolynomial):
            if len(kept) and not (kept.min() >= 0 and kept.max() < len(function)):
                return None
            function = TropicalPolynomial.from_rationals(function.exact[kept])
        return cls.of(function)

    @cached_property
    def digest(self) -> str:
        """What tells one tape from another: all numbers, as floats and where those are rounded as they are meant."""
        seen = hashlib.sha256()
        for part in self.flat:
            array = np.asarray(part)
            seen.update(f"{array.dtype}{array.shape}".encode())
            seen.update(np.ascontiguousarray(array).tobytes())
        for step in self.steps:
            if isinstance(step, AffineStep) and step.exact is not None:
                for numbers in (*step.exact[0], step.exact[1]):
                    seen.update(" ".join(f"{n:x}" for n in [*numbers.numerators.ravel(), numbers.denominator]).encode())
        return seen.hexdigest()

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Number of values of each block."""
        return (self.inputs, *(step.size for step in self.steps))

    @cached_property
    def offsets(self) -> IntArray:
        """Where each block begins among all values."""
        return np.concatenate([[0], np.cumsum(self.sizes)]).astype(np.int64)

    @cached_property
    def segment_count(self) -> int:
        """Number of segments S."""
        return sum(step.size for step in self.steps if isinstance(step, MaxStep))

    @cached_property
    def units(self) -> tuple[tuple[str, int], ...]:
        """For each segment the name of its node and its position in it: which neuron it is."""
        return tuple(
            (name, k)
            for step, name in zip(self.steps, self.names[1:], strict=True)
            if isinstance(step, MaxStep)
            for k in range(step.size)
        )

    @cached_property
    def depth(self) -> IntArray:
        """For each segment (S,) how many maxima lie one behind the other up to it: its layer, from 1."""
        levels = [0]
        found: list[int] = []
        for step in self.steps:
            sources = step.sources if isinstance(step, AffineStep) else (step.source,)
            level = max((levels[source] for source in sources), default=0)
            if isinstance(step, MaxStep) and (np.diff(step.segments) > 1).any():
                level += 1
            levels.append(level)
            if isinstance(step, MaxStep):
                found += [level] * step.size
        return np.array(found, dtype=np.int64)

    @cached_property
    def rivals(self) -> tuple[IntArray, IntArray, IntArray]:
        """Segment, place and value of the entries of all segments that have more than one."""
        flat = self.flat
        widths = np.diff(flat.entry)
        segment = np.repeat(np.arange(self.segment_count), widths)
        place = np.arange(len(segment)) - flat.entry[segment]
        several = widths[segment] > 1
        segment, place = segment[several], place[several]
        return segment, place, flat.source[flat.start[flat.owner[segment]] + place]

    @cached_property
    def exact(self) -> ExactTape:
        """The tape over integers."""
        return ExactTape(self)

    def __getstate__(self) -> dict[str, Any]:
        """What is computed from the steps is not sent to other processes."""
        names = ("inputs", "steps", "output", "names")
        return {name: self.__dict__[name] for name in names}

    @cached_property
    def flat(self) -> Flat:
        """The tape as arrays for kernels."""
        start, source, weight, bias, segment, owner, widths = [np.zeros(self.inputs + 1)], [], [], [], [], [], [0]
        bias.append(np.zeros(self.inputs))
        segment.append(np.full(self.inputs, -1))
        total = 0
        for block, step in enumerate(self.steps, 1):
            if isinstance(step, MaxStep):
                columns = self.offsets[step.source] + np.arange(step.segments[-1])
                counts, values = np.diff(step.segments), np.ones(len(columns))
                bias.append(np.zeros(step.size))
                segment.append(step.first + np.arange(step.size))
                owner.append(self.offsets[block] + np.arange(step.size))
                widths += counts.tolist()
            else:
                matrix = joined_matrix(step, self.sizes)
                columns, values = _columns(step, matrix, self.sizes, self.offsets), matrix.data
                counts = np.diff(matrix.indptr)
                bias.append(step.bias)
                segment.append(np.full(step.size, -1))
            start.append(total + np.cumsum(counts))
            source.append(columns)
            weight.append(values)
            total += len(columns)
        return Flat(
            self.inputs,
            np.concatenate(start).astype(np.int64),
            _joint(source, np.int64),
            _joint(weight, np.float64),
            np.concatenate(bias),
            np.concatenate(segment).astype(np.int64),
            _joint(owner, np.int64),
            np.cumsum(widths).astype(np.int64),
            self.offsets[self.output] + np.arange(self.sizes[self.output]),
            2.0**-53 if any(isinstance(step, AffineStep) and step.exact is not None for step in self.steps) else 0.0,
        )


def _joint(parts: Sequence[np.ndarray], dtype: type) -> np.ndarray:
    return np.concatenate([*parts, np.zeros(0)]).astype(dtype)


def joined_matrix(step: AffineStep, sizes: tuple[int, ...]) -> sp.csr_array:
    """All matrices of a step side by side, without stored zeros."""
    if not step.matrices:
        return sp.csr_array((step.size, 0))
    matrix = sp.csr_array(sp.hstack([sp.csr_array(part) for part in step.matrices], format="csr"))
    matrix.eliminate_zeros()
    return matrix


def _columns(step: AffineStep, matrix: sp.csr_array, sizes: tuple[int, ...], offsets: IntArray) -> IntArray:
    places = [offsets[source] + np.arange(sizes[source]) for source in step.sources]
    return np.asarray(_joint(places, np.int64)[matrix.indices])


def _of_circuit(circuit: Circuit) -> Tape:
    needed = {circuit.output}
    for position in range(circuit.output, -1, -1):
        if position in needed:
            needed.update(circuit.nodes[position].sources)
    place: dict[int, int] = {0: 0}
    steps: list[Step] = []
    names = [circuit.names[0]]
    segments = 0
    for position, (node, name) in enumerate(zip(circuit.nodes, circuit.names, strict=True)):
        if position not in needed or isinstance(node, Input):
            continue
        if isinstance(node, Affine):
            sources = tuple(place[term.source] for term in node.terms)
            steps.append(AffineStep(sources, tuple(term.matrix for term in node.terms), node.bias))
        elif isinstance(node, LogSumExp):
            if int(node.widths.max()) > MAX_WIDTH:
                raise Unsupported(f"node {name!r} takes maxima over more than {MAX_WIDTH} entries")
            steps.append(MaxStep(place[node.source], node.segments, segments))
            segments += node.size
        else:
            raise Unsupported(_refusal(node, name, position == circuit.output))
        place[position] = len(steps)
        names.append(name)
    return Tape(circuit.input_size, tuple(steps), place[circuit.output], tuple(names))


def _refusal(node: Gibbs | Product | Pointwise, name: str, last: bool) -> str:
    kind = {"Gibbs": "softmax weights", "Product": "a product of computed values"}.get(type(node).__name__)
    if isinstance(node, Pointwise):
        kind = f"the function {node.function}"
    advice = "ask about its logits: the node in front of it" if last else "cut the model in front of it"
    return f"node {name!r} ({node.size} values) is {kind}, which is not piecewise linear: {advice}"


def _of_polynomials(components: list[list[TropicalPolynomial]]) -> Tape:
    """Each component is the first polynomial minus the second, if there is one."""
    functions = [function for parts in components for function in parts]
    widths = [len(function) for function in functions]
    if max(widths) > MAX_WIDTH:
        raise Unsupported(f"a polynomial of more than {MAX_WIDTH} monomials: prune it first")
    rows = Rationals.concatenate([function.exact for function in functions])
    dimension = functions[0].dimension
    floats = rows.floats()
    mask = rows.float_mask()
    inexact = not bool(mask.all())
    if (~mask & (np.abs(floats) < np.finfo(np.float64).tiny)).any():
        raise InvalidInput("a number lies below the range of float64: rescale the model")
    forms = AffineStep(
        (0,),
        (np.ascontiguousarray(floats[:, :-1]),),
        np.ascontiguousarray(floats[:, -1]),
        ((rows[:, :-1],), rows[:, -1]) if inexact else None,
    )
    steps: list[Step] = [forms, MaxStep(1, np.cumsum([0, *widths]).astype(np.int64), 0)]
    names = ["x", "monomials", "maxima"]
    if any(len(parts) > 1 for parts in components):
        signs = np.zeros((len(components), len(functions)))
        column = 0
        for i, parts in enumerate(components):
            signs[i, column] = 1.0
            signs[i, column + 1 : column + len(parts)] = -1.0
            column += len(parts)
        steps.append(AffineStep((2,), (signs,), np.zeros(len(components))))
        names.append("difference")
    return Tape(dimension, tuple(steps), len(steps), tuple(names))

"""A tape on a line x(t) = a + t·(b − a): arrays for the sweep, and exact forms c + s·t where floats do not decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from math import lcm

import numpy as np

from tropix.arrays import FloatArray, IntArray, ObjectArray
from tropix.errors import Unsupported
from tropix.exact import Rationals
from tropix.kernels import LineProgram
from tropix.regions._tape import AffineStep, Function, Tape


@dataclass(frozen=True, eq=False)
class LineFunction:
    """A tape with what traversals of it share."""

    tape: Tape

    @classmethod
    def of(cls, function: Function | Tape | LineFunction) -> LineFunction:
        """Read whatever has a tape; raises what `Tape.of` raises."""
        if isinstance(function, LineFunction):
            return function
        return cls(function if isinstance(function, Tape) else Tape.of(function))

    @cached_property
    def program(self) -> LineProgram:
        """The tape for the kernel."""
        flat = self.tape.flat
        order = np.argsort(flat.source, kind="stable")
        reader = np.repeat(np.arange(len(flat.bias)), np.diff(flat.start, prepend=0)[1:])
        return LineProgram(
            flat.inputs,
            flat.start,
            flat.source,
            flat.weight,
            flat.bias,
            flat.segment,
            flat.owner,
            flat.entry,
            np.repeat(np.arange(len(flat.owner)), np.diff(flat.entry)),
            np.searchsorted(flat.source[order], np.arange(len(flat.bias) + 1)),
            reader[order],
            flat.outputs,
            flat.unit,
        )

    @cached_property
    def integers(self) -> Integers:
        """The tape over common denominators."""
        return Integers.of(self.tape)


@dataclass(frozen=True, eq=False)
class Integers:
    """Weights and biases of a tape as integers: value v is an integer form over ``denominators[block of v]``."""

    weights: ObjectArray
    bias: ObjectArray
    denominators: tuple[int, ...]

    @classmethod
    def of(cls, tape: Tape) -> Integers:
        """Raises `Unsupported` where a weight that is not 0 is 0 in float64."""
        flat = tape.flat
        weights = np.ones(len(flat.weight), dtype=object)
        bias = np.zeros(len(flat.bias), dtype=object)
        denominators = [1]
        for block, (step, name) in enumerate(zip(tape.steps, tape.names[1:], strict=True), 1):
            if not isinstance(step, AffineStep):
                denominators.append(denominators[step.source])
                continue
            rows = slice(int(tape.offsets[block]), int(tape.offsets[block + 1]))
            span = slice(int(flat.start[rows.start]), int(flat.start[rows.stop]))
            given, constants = _rational_weights(step, flat.weight[span])
            if len(given) != span.stop - span.start:
                raise Unsupported(f"{name!r} has weights below the range of float64: rescale the function")
            sources = [denominators[source] for source in step.sources]
            common = lcm(constants.denominator, *(given.denominator * source for source in sources))
            factors = np.empty(len(denominators), dtype=object)
            factors[:] = [common // given.denominator // d if common % (given.denominator * d) == 0 else 0
                          for d in denominators]  # fmt: skip
            blocks = np.searchsorted(tape.offsets, flat.source[span], side="right") - 1
            weights[span] = given.numerators * factors[blocks]
            bias[rows] = constants.numerators * (common // constants.denominator)
            denominators.append(common)
        return cls(weights, bias, tuple(denominators))


def _rational_weights(step: AffineStep, floats: FloatArray) -> tuple[Rationals, Rationals]:
    """The weights of a step that are not 0, row by row, and its bias."""
    if step.exact is None:
        return Rationals.of(floats), Rationals.of(step.bias)
    matrices, constants = step.exact
    joined = Rationals.concatenate(list(matrices), axis=1) if matrices else Rationals.of(np.zeros((step.size, 0)))
    return joined[joined.numerators != 0], constants


@dataclass(frozen=True, eq=False)
class ExactForms:
    """Exact forms (k,) of values on one piece after another, remembered while they stay what they are.

    Every value is linear in the forms of the inputs, and a bias adds to the first entry: (c, s) with c + s·t on a line,
    or a value with its gradient. Form v is ``forms[v]`` over ``denominator·denominators[block of v]``. What was found
    on a piece is good as long as ``stamp`` (n,), the piece on which a value last changed, says so.
    """

    function: LineFunction
    forms: ObjectArray
    denominator: int
    seen: IntArray = field(repr=False)

    @classmethod
    def of(cls, function: LineFunction, inputs: Rationals) -> ExactForms:
        """Forms (d, k) of the inputs are given."""
        count = len(function.program.bias)
        forms = np.zeros((count, inputs.shape[1]), dtype=object)
        forms[: len(inputs)] = inputs.numerators
        seen = np.full(count, -1)
        seen[: len(inputs)] = np.iinfo(np.int64).max
        return cls(function, forms, inputs.denominator, seen)

    @classmethod
    def through(cls, function: LineFunction, start: FloatArray, end: FloatArray) -> ExactForms:
        """On the line start + t·(end − start): forms (c, s)."""
        ends = Rationals.of(np.stack([start, end], axis=1))
        return cls.of(function, Rationals.concatenate([ends[:, :1], ends[:, 1:] - ends[:, :1]], axis=1))

    @classmethod
    def around(cls, function: LineFunction, point: FloatArray) -> ExactForms:
        """At a point: values with their gradients."""
        return cls.of(function, Rationals.of(np.column_stack([point, np.eye(len(point))])))

    def find(self, values: Sequence[int], pattern: IntArray, stamp: IntArray | None = None, now: int = 0) -> None:
        """Compute the forms of some values on piece ``now``, and of all that they come from."""
        program = self.function.program
        changed = np.zeros(len(self.seen), dtype=np.int64) if stamp is None else stamp
        stale, stack = set(), [np.asarray(values, dtype=np.int64)]
        while stack:
            some = stack.pop()
            for v in some[self.seen[some] < changed[some]].tolist():
                if v in stale:
                    continue
                stale.add(v)
                segment = program.segment[v]
                first, last = program.start[v], program.start[v + 1]
                if segment >= 0:
                    first += pattern[segment]
                    last = first + 1
                stack.append(program.source[first:last])
        for v in sorted(stale):
            self._compute(v, pattern)
            self.seen[v] = now

    def _compute(self, v: int, pattern: IntArray) -> None:
        program, integers = self.function.program, self.function.integers
        segment, first, last = program.segment[v], program.start[v], program.start[v + 1]
        if segment >= 0:
            self.forms[v] = self.forms[program.source[first + pattern[segment]]]
            return
        self.forms[v] = integers.weights[first:last] @ self.forms[program.source[first:last]] if last > first else 0
        self.forms[v, 0] += integers.bias[v] * self.denominator

    def meeting(self, winner: int, other: int) -> Fraction | None:
        """Where on a line another entry of a segment overtakes the winner; None if it does not grow faster."""
        gap, rate = self.forms[winner] - self.forms[other]
        return Fraction(gap, -rate) if rate < 0 else None

    def outputs(self) -> Rationals:
        """The forms (m, k) of the output, which were found."""
        function = self.function
        numerators = self.forms[function.program.outputs]
        return Rationals(numerators, self.denominator * function.integers.denominators[function.tape.output])

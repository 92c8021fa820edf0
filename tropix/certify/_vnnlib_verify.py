"""The verdict on a property: a counterexample that is checked exactly, or a proof that there is none."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, Literal

import flint
import numpy as np

from tropix.arrays import FloatArray, ObjectArray
from tropix.certify._branching import Query, search
from tropix.certify._branching_attack import candidates
from tropix.certify._check_values import circuit_values
from tropix.certify._propagation import Propagation
from tropix.certify._vnnlib import Case, Inequality, Property, read_property
from tropix.circuits import Circuit
from tropix.deadline import Deadline
from tropix.errors import InvalidInput
from tropix.exact import Rationals

PRECISION = 96


@dataclass(frozen=True, eq=False)
class Witness:
    """An input (d,) and its output (m,): rational where ``exact``, else floats, the rounding of the output bounded."""

    inputs: ObjectArray
    outputs: ObjectArray
    exact: bool

    def text(self) -> str:
        """In the form of the verification competition: ((X_0 …) … (Y_0 …) …), 17 digits."""
        named = [("X", self.inputs), ("Y", self.outputs)]
        lines = [f"({side}_{i} {float(v)!r})" for side, values in named for i, v in enumerate(values)]
        return "(" + "\n".join(lines) + ")"


@dataclass(frozen=True, eq=False)
class PropertyResult:
    """A verdict in real arithmetic, for the circuit with its stored weights.

    ``sat``: the witness is an input with unsafe output. ``unsat``: there is none. ``timeout``: the time limit passed
    first. ``unknown``: parts of the input box could neither be excluded nor split further. ``boxes`` were looked at.
    """

    status: Literal["sat", "unsat", "unknown", "timeout"]
    witness: Witness | None
    boxes: int
    seconds: float

    def text(self) -> str:
        """The status, and the witness on the lines after it."""
        return self.status if self.witness is None else f"{self.status}\n{self.witness.text()}"


def verify_property(
    circuit: Circuit, path: str | Path, time_limit: float | None = None, *, seed: int = 0
) -> PropertyResult:
    """Decide a VNN-LIB property: is there an input of its box whose output is unsafe?

    ``unsat`` rests on linear bounds whose own rounding is bounded and taken off (CROWN, Zhang et al. 2018, with branch
    and bound over the input box). A ``sat`` witness is evaluated in rational arithmetic; where the circuit has
    exponentials, between the ends of an Arb ball. Input bounds and coefficients are the decimal numbers of the
    file. Raises `InvalidInput` where the property has other numbers of inputs or outputs than the circuit, and what
    `read_property` raises.
    """
    return decide(circuit, read_property(path), time_limit, seed=seed)


def decide(circuit: Circuit, wanted: Property, time_limit: float | None = None, *, seed: int = 0) -> PropertyResult:
    """The same for a property that has been read."""
    sizes = circuit.input_size, circuit.output_size
    if (wanted.inputs, wanted.outputs) != sizes:
        raise InvalidInput(
            f"the property has {wanted.inputs} inputs and {wanted.outputs} outputs, the model {sizes[0]} and {sizes[1]}"
        )
    deadline = Deadline(time_limit)
    queries = [(case, _query(case, wanted)) for case in wanted.cases]
    propagation = Propagation(circuit)
    for case, query in queries:  # counterexamples of any case first
        for point in candidates(circuit, query, deadline, seed):
            found = confirmed(circuit, case, point)
            if found is not None:
                return PropertyResult("sat", found, 0, deadline.elapsed)
        if deadline.passed:
            break
    boxes, statuses = 0, set()
    for case, query in queries:
        outcome = search(propagation, query, deadline, partial(confirmed, circuit, case))
        boxes += outcome.boxes
        statuses.add(outcome.status)
        if outcome.status in ("sat", "timeout"):
            return PropertyResult(outcome.status, outcome.witness, boxes, deadline.elapsed)
    return PropertyResult("unknown" if "unknown" in statuses else "unsat", None, boxes, deadline.elapsed)


def confirmed(circuit: Circuit, case: Case, point: FloatArray) -> Witness | None:
    """The witness at a point moved into the exact box, if the inequalities hold there beyond doubt."""
    ends = zip(point.tolist(), case.lower, case.upper, strict=True)
    inputs = np.array([min(max(Fraction(value), low), high) for value, low, high in ends], dtype=object)
    with flint.ctx.workprec(PRECISION):
        values = circuit_values(circuit, Rationals.of(inputs))
        exact = all(isinstance(value, flint.fmpq) for value in values)
        if not exact and not all(value.is_finite() for value in values):
            return None
        outputs = np.array([_fraction(value if exact else value.mid()) for value in values], dtype=object)
        slack = [Fraction(0) if exact else _fraction(value.rad()) for value in values]
    if not all(_holds(row, inputs, outputs, slack) for row in case.inequalities):
        return None
    return Witness(inputs, outputs, exact)


def _fraction(value: Any) -> Fraction:
    """A rational, or a ball that is one number."""
    number = value if isinstance(value, flint.fmpq) else value.fmpq()
    return Fraction(int(number.p), int(number.q))


def _holds(row: Inequality, inputs: ObjectArray, outputs: ObjectArray, errors: list[Fraction]) -> bool:
    total = sum((weight * inputs[i] for i, weight in row.inputs), Fraction(0))
    total += sum((weight * outputs[j] + abs(weight) * errors[j] for j, weight in row.outputs), Fraction(0))
    return bool(total < row.bound if row.strict else total <= row.bound)


def _query(case: Case, wanted: Property) -> Query:
    rows = case.inequalities
    inputs, outputs = np.zeros((len(rows), wanted.inputs)), np.zeros((len(rows), wanted.outputs))
    for r, row in enumerate(rows):
        for i, weight in row.inputs:
            inputs[r, i] = _float(weight)
        for j, weight in row.outputs:
            outputs[r, j] = _float(weight)
    return Query(
        np.array([_rounded(end, -1) for end in case.lower]),
        np.array([_rounded(end, 1) for end in case.upper]),
        inputs,
        outputs,
        np.array([_rounded(row.bound, 1) for row in rows]),
    )


def _float(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        raise InvalidInput("a number of the property exceeds the range of float64: rescale the model") from None


def _rounded(value: Fraction, direction: int) -> float:
    """The nearest float at or below (−1) or at or above (1) a number."""
    nearest = _float(value)
    if (Fraction(nearest) - value) * direction >= 0:
        return nearest
    return math.nextafter(nearest, math.inf * direction)

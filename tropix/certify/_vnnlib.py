"""Properties in VNN-LIB: which inputs and outputs of a network together are unsafe, in exact numbers.

A property is *satisfied* by a counterexample: an input with unsafe output. Version 1.0 is read here, version 2.0 by the
`vnnlib` package.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

from tropix.errors import FormatError, InvalidInput, Unsupported

MAX_CHARACTERS = 50_000_000
MAX_NESTING = 100
MAX_CASES = 10_000
MAX_DIGITS = 5_000
"""Longest text, deepest nesting, most cases of the disjunction, longest number and largest power of ten."""


@dataclass(frozen=True)
class Inequality:
    """Σ inputs[i] x_i + Σ outputs[j] y_j ≤ bound, or < where ``strict``; coefficients by index, none is 0."""

    inputs: tuple[tuple[int, Fraction], ...]
    outputs: tuple[tuple[int, Fraction], ...]
    bound: Fraction
    strict: bool = False


@dataclass(frozen=True)
class Case:
    """Inputs in a box, all inequalities hold: one part of the unsafe set."""

    lower: tuple[Fraction, ...]
    upper: tuple[Fraction, ...]
    inequalities: tuple[Inequality, ...]


@dataclass(frozen=True)
class Property:
    """The unsafe set of a network of d inputs and m outputs: the union of its cases."""

    inputs: int
    outputs: int
    cases: tuple[Case, ...]


@dataclass(frozen=True)
class Junction:
    """A disjunction (``every`` False) or conjunction of formulas."""

    parts: tuple[Formula, ...]
    every: bool


Formula: TypeAlias = "Inequality | Junction"


def read_property(path: str | Path) -> Property:
    """Read a VNN-LIB file.

    Raises `FormatError` for what is not VNN-LIB, `InvalidInput` where an input is unbounded or its bounds contradict
    each other, `Unsupported` for terms that are not linear and for version 2.0 without the `vnnlib` package.
    """
    return parse_property(read_text(path))


def read_text(path: str | Path) -> str:
    """The text of a file. Raises `FormatError` where it is none and `InvalidInput` where it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise FormatError(f"{path} is not text: {error}") from None
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from None


def parse_property(text: str) -> Property:
    """Read VNN-LIB text; see `read_property`.

    >>> property = parse_property(
    ...     "(declare-const X_0 Real) (declare-const Y_0 Real)"
    ...     "(assert (>= X_0 0)) (assert (<= X_0 0.1)) (assert (>= Y_0 (+ X_0 2)))")
    >>> property.cases[0].upper, property.cases[0].inequalities[0].bound
    ((Fraction(1, 10),), Fraction(-2, 1))
    """
    if len(text) > MAX_CHARACTERS:
        raise FormatError(f"the text has {len(text)} characters: at most {MAX_CHARACTERS} are read")
    if re.search(r"\(\s*(vnnlib-version|declare-network)\b", text):
        from tropix.certify._vnnlib_second import parse_second

        return parse_second(text)
    from tropix.certify._vnnlib_text import parse_first

    return parse_first(text)


def property_of(inputs: int, outputs: int, assertions: Sequence[Formula]) -> Property:
    """The property that all assertions hold, as a union of cases."""
    if not (inputs and outputs):
        raise FormatError(f"the property declares {inputs} inputs X_i and {outputs} outputs Y_j: expected some of both")
    rows = _disjunction(Junction(tuple(assertions), True))
    cases = [case for part in rows if (case := _case(inputs, part)) is not None]
    if rows and not cases:
        raise InvalidInput("the bounds of the inputs contradict each other: no input satisfies the property")
    return Property(inputs, outputs, tuple(cases))


def _disjunction(formula: Formula) -> list[tuple[Inequality, ...]]:
    if isinstance(formula, Inequality):
        return [(formula,)]
    parts = [_disjunction(part) for part in formula.parts]
    if not formula.every:
        found = [row for part in parts for row in part]
        _limit(len(found))
        return found
    found = [()]
    for part in parts:
        _limit(len(found) * len(part))
        found = [(*left, *right) for left in found for right in part]
    return found


def _limit(count: int) -> None:
    if count > MAX_CASES:
        raise Unsupported(f"the property has more than {MAX_CASES} cases once 'or' is moved outwards: split the file")


def _case(inputs: int, rows: Sequence[Inequality]) -> Case | None:
    """Bounds of single inputs become the box; None where it is empty."""
    lower: list[Fraction | None] = [None] * inputs
    upper: list[Fraction | None] = [None] * inputs
    rest: list[Inequality] = []
    for row in rows:
        if row.outputs or len(row.inputs) > 1 or row.strict:
            rest.append(row)
        if row.outputs or len(row.inputs) > 1:
            continue
        if not row.inputs:
            if row.bound < 0 or (row.strict and row.bound == 0):
                return None
            continue
        ((i, weight),) = row.inputs
        end = row.bound / weight
        low, high = lower[i], upper[i]
        if weight > 0:
            upper[i] = end if high is None else min(high, end)
        else:
            lower[i] = end if low is None else max(low, end)
    for i, (low, high) in enumerate(zip(lower, upper, strict=True)):
        if low is None or high is None:
            side = "lower" if low is None else "upper"
            raise InvalidInput(f"input X_{i} has no {side} bound: every input needs an interval")
        if low > high:
            return None
    ends = [tuple(end for end in ends if end is not None) for ends in (lower, upper)]
    return Case(ends[0], ends[1], tuple(rest))


@dataclass(frozen=True)
class Linear:
    """An affine form of inputs and outputs: coefficients by (``"X"`` or ``"Y"``, index), and a constant."""

    weights: dict[tuple[str, int], Fraction]
    constant: Fraction

    def plus(self, other: Linear, factor: Fraction) -> Linear:
        """Self + factor·other."""
        weights = dict(self.weights)
        for name, weight in other.weights.items():
            weights[name] = weights.get(name, Fraction(0)) + factor * weight
        return Linear(weights, self.constant + factor * other.constant)

    def times(self, other: Linear) -> Linear:
        """The product; one factor must be a number."""
        if self.weights and other.weights:
            raise Unsupported("the property multiplies variables: only linear terms are supported")
        factor, form = (self.constant, other) if not self.weights else (other.constant, self)
        return Linear({}, Fraction(0)).plus(form, factor)


def compared(sign: str, left: Linear, right: Linear) -> Formula:
    """Left sign right, for <=, >=, <, >, == and !=."""
    if sign in ("==", "!="):
        signs = ("<=", ">=") if sign == "==" else ("<", ">")
        pair = tuple(compared(side, left, right) for side in signs)
        return Junction(pair, sign == "==")
    if sign in (">=", ">"):
        left, right = right, left
    form = left.plus(right, Fraction(-1))
    sides = [
        tuple(sorted((i, w) for (kind, i), w in form.weights.items() if kind == side and w)) for side in ("X", "Y")
    ]
    return Inequality(sides[0], sides[1], -form.constant, sign in ("<", ">"))


def number(text: str) -> Fraction:
    """A decimal number, exactly."""
    match = re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE]([+-]?\d{1,6}))?", text)
    if match is None:
        raise FormatError(f"{text[:40]!r} is not a number")
    if len(text) > MAX_DIGITS or abs(int(match.group(3) or 0)) > MAX_DIGITS:
        raise FormatError(f"the number {text[:40]}… has more than {MAX_DIGITS} digits")
    return Fraction(text)

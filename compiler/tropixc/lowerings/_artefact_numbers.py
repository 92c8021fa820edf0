"""Tropical functions and boxes as data of JSON, in which every number survives exactly, and back.

A number that is a float64 is written as the shortest decimal that reads back as it; any other rational as the string
"p/q". What is read is checked: shapes, kinds of numbers, numbers of digits.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any, NoReturn

import numpy as np

from tropix.boxes import Box, Polyhedron
from tropix.errors import FormatError, TropixError, Unsupported
from tropix.exact import Rationals
from tropix.polynomials import TropicalPolynomial, TropicalRational
from tropixc.lowerings._functions import TropicalFunction

MAX_DIGITS = 4000
SIDES = ("numerator", "denominator")
TABLES = ("exponents", "coefficients")
_RATIONAL = re.compile(rf"-?[0-9]{{1,{MAX_DIGITS}}}(/[0-9]{{1,{MAX_DIGITS}}})?")


def function_data(function: TropicalFunction) -> dict[str, Any]:
    """The exponents and coefficients of a polynomial, or those of numerator and denominator."""
    if isinstance(function, TropicalRational):
        return {"numerator": function_data(function.numerator), "denominator": function_data(function.denominator)}
    return {"exponents": _numbers(function.exact[:, :-1]), "coefficients": _numbers(function.exact[:, -1])}


def read_function(entry: dict[str, Any], dimension: int, where: str, *, rational: bool) -> TropicalFunction:
    """The function that `function_data` wrote; raises `FormatError` that begins with ``where``."""
    if not rational or not any(side in entry for side in SIDES):
        return _polynomial(entry, dimension, where)
    if any(table in entry for table in TABLES):
        raise FormatError(f"{where}: expected either a polynomial's exponents or a numerator and a denominator")
    sides = []
    for side in SIDES:
        value = entry.get(side)
        if not isinstance(value, dict):
            raise FormatError(f"{where}: expected objects 'numerator' and 'denominator'")
        sides.append(_polynomial(value, dimension, f"{where}.{side}"))
    try:
        return TropicalRational(sides[0], sides[1])
    except TropixError as error:
        raise FormatError(f"{where}: {error}") from None


def box_data(box: Box | None) -> dict[str, Any] | None:
    """The ends of a box, and the halfspaces of a polyhedron."""
    if box is None:
        return None
    data: dict[str, Any] = {"lower": [_end(v) for v in box.lower], "upper": [_end(v) for v in box.upper]}
    if isinstance(box, Polyhedron):
        data.update(weights=box.weights.tolist(), bounds=box.bounds.tolist())
    return data


def read_box(value: Any, dimension: int, *, halfspaces: bool) -> Box | None:
    """The box, or where ``halfspaces`` are allowed the polyhedron, that `box_data` wrote."""
    if value is None:
        return None
    ends = []
    for name in ("lower", "upper"):
        numbers = value.get(name) if isinstance(value, dict) else None
        if not isinstance(numbers, list) or len(numbers) != dimension:
            raise FormatError(f"box: expected {dimension} numbers in {name!r}")
        try:
            ends.append([float(v) if v in ("inf", "-inf") else float(_number(v, f"box {name}")) for v in numbers])
        except OverflowError:
            raise FormatError(f"box: a number in {name!r} exceeds the range of float64") from None
    if not halfspaces or ("weights" not in value and "bounds" not in value):
        return Box.of((ends[0], ends[1]), dimension)
    weights, bounds = value.get("weights"), value.get("bounds")
    if not isinstance(weights, list) or not isinstance(bounds, list) or len(weights) != len(bounds):
        raise FormatError("box: expected equally long lists 'weights' and 'bounds'")
    if not all(isinstance(row, list) and len(row) == dimension for row in weights):
        raise FormatError(f"box: every row of 'weights' needs {dimension} numbers")
    try:
        rows = [[float(_number(v, "box weights")) for v in row] for row in weights]
        limits = [float(_number(v, "box bounds")) for v in bounds]
    except OverflowError:
        raise FormatError("box: a halfspace exceeds the range of float64") from None
    table = np.array(rows, dtype=np.float64).reshape(len(rows), dimension)
    return Polyhedron.where(table, np.array(limits, dtype=np.float64), (ends[0], ends[1]))


def reject_constant(name: str) -> NoReturn:
    """What `json.loads` does with NaN and Infinity here."""
    raise ValueError(f"{name} is not a number of JSON")


def _end(value: float) -> float | str:
    return float(value) if np.isfinite(value) else "inf" if value > 0 else "-inf"


def _numbers(values: Rationals) -> Any:
    floats, exact = values.floats(), values.float_mask()
    flat: list[Any] = floats.ravel().tolist()
    for i in np.flatnonzero(~exact.ravel()):
        fraction = Fraction(values.numerators.ravel()[i], values.denominator)
        if max(abs(fraction.numerator), fraction.denominator) >= 10**MAX_DIGITS:
            raise Unsupported(f"a rational number has more than {MAX_DIGITS} digits: compile fewer layers")
        flat[i] = f"{fraction.numerator}/{fraction.denominator}"
    if len(values.shape) == 1:
        return flat
    width = values.shape[1]
    return [flat[i * width : (i + 1) * width] for i in range(values.shape[0])]


def _number(value: Any, where: str) -> float | int | Fraction:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _RATIONAL.fullmatch(value):
        numerator, _, denominator = value.partition("/")
        if not denominator or int(denominator):
            return Fraction(int(numerator), int(denominator or 1))
    raise FormatError(f"{where}: {str(value)[:40]!r} is no number: expected a float or a string 'p/q'")


def _polynomial(entry: dict[str, Any], dimension: int, where: str) -> TropicalPolynomial:
    exponents, coefficients = entry.get("exponents"), entry.get("coefficients")
    if not isinstance(exponents, list) or not isinstance(coefficients, list) or len(exponents) != len(coefficients):
        raise FormatError(f"{where}: expected equally long lists 'exponents' and 'coefficients'")
    if not all(isinstance(row, list) and len(row) == dimension for row in exponents):
        raise FormatError(f"{where}: every exponent vector needs {dimension} numbers")
    flat = [_number(value, where) for row, c in zip(exponents, coefficients, strict=True) for value in (*row, c)]
    values = np.empty(len(flat), dtype=object)
    values[:] = flat
    try:
        return TropicalPolynomial.from_rationals(Rationals.of(values.reshape(len(exponents), dimension + 1)))
    except TropixError as error:
        raise FormatError(f"{where}: {error}") from None

"""How numbers, variables and affine forms are written, everywhere in tropix."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from fractions import Fraction

import flint

from tropix.errors import InvalidInput

NAME = re.compile(r"[^\W\d]\w{0,99}")
"""A name of a variable that text can hold."""
RESERVED = frozenset({"max", "min", "inf"})


def variables(dimension: int, names: Sequence[str] | None = None) -> list[str]:
    """Names of the variables: x0, x1, … unless given."""
    if names is None:
        return [f"x{i}" for i in range(dimension)]
    if len(names) != dimension:
        raise InvalidInput(f"{len(names)} variable names for {dimension} variables")
    return list(names)


def check_names(names: Iterable[str]) -> list[str]:
    """The names as a list; `InvalidInput` where one cannot stand in a text, or stands twice."""
    listed = list(names)
    for name in listed:
        if not isinstance(name, str):
            raise InvalidInput(f"names of variables must be text, found {type(name).__name__}")
        # isidentifier refuses what \w takes beyond letters and digits: x² is no name
        if not (NAME.fullmatch(name) and name.isidentifier()) or name in RESERVED:
            raise InvalidInput(f"{name[:40]!r} is no name of a variable: letters, digits and _ only, not max, min, inf")
    if len(set(listed)) != len(listed):
        raise InvalidInput(f"variables {listed}: a name occurs twice")
    return listed


def natural_order(name: str) -> list[tuple[int, int, str]]:
    """The key by which x2 comes before x10."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return [(0, int(part), part) if part[0] in "0123456789" else (1, 0, part) for part in parts]


def number(value: Fraction, *, floats: bool = True) -> str:
    """A number that reads back exactly: an integer, a decimal, or p/q.

    With ``floats`` a decimal is the shortest one of a float64 and stands for that; else it is the number itself.
    """
    if value.denominator == 1 and abs(value.numerator) < 10**16:
        return str(value.numerator)
    try:
        image = float(value)
    except OverflowError:
        return _quotient(value)
    decimal = repr(image)
    return decimal if (Fraction(image) if floats else Fraction(decimal)) == value else _quotient(value)


def exact_number(value: Fraction) -> str:
    """A number whose decimals, if it has any, are the number itself."""
    return number(value, floats=False)


def _quotient(value: Fraction) -> str:
    # flint writes integers of any length, Python refuses beyond 4300 digits
    top = str(flint.fmpz(value.numerator))
    return top if value.denominator == 1 else f"{top}/{flint.fmpz(value.denominator)}"


def joined(
    row: Sequence[Fraction],
    symbols: Sequence[str],
    times: str,
    write: Callable[[Fraction], str],
    named: Collection[int] = (),
) -> str:
    """Σ row[i]·symbol[i] + row[-1] as text; terms with coefficient 0 are left out unless ``named``."""
    terms: list[tuple[Fraction, str]] = []
    for i, (coefficient, symbol) in enumerate(zip(row[:-1], symbols, strict=True)):
        if coefficient or i in named:
            size = abs(coefficient)
            terms.append((coefficient, symbol if size == 1 else f"{write(size)}{times}{symbol}"))
    if row[-1] or not terms:
        terms.append((row[-1], write(abs(row[-1]))))
    text = ""
    for i, (value, term) in enumerate(terms):
        sign = "-" if value < 0 else "+"
        text += (f" {sign} " if i else "-" if value < 0 else "") + term
    return text

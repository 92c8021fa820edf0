"""Text → tropical polynomials and rational functions: a recursive-descent parser that evaluates nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import NoReturn, TypeVar

import flint

from tropix.errors import FormatError, InvalidInput, Unsupported
from tropix.exact import MAX_BITS
from tropix.polynomials import _pieces
from tropix.polynomials._pieces import Pieces
from tropix.polynomials._rational import TropicalRational
from tropix.polynomials._tropical import TropicalPolynomial
from tropix.polynomials.text import NAME, check_names, natural_order

MAX_CHARACTERS = 20_000_000
MAX_NESTING = 100
MAX_DIGITS = 19_000
"""Longest text, deepest nesting, longest number and largest power of ten that are read."""

Made = TypeVar("Made")

_SPACE = re.compile(r"\s*")
_MORE = re.compile(r"\w")
_NUMBER = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE]([+-]?[0-9]{1,6}))?")
_OPERAND = "a number, a variable, max(...), min(...) or '('"


def parse_polynomial(text: str, names: Sequence[str] | None, floats: bool) -> TropicalPolynomial:
    """See `TropicalPolynomial.parse`."""
    parser = _Parser(text, names, floats)
    pieces = parser.function()
    polynomial = parser.guarded(lambda: _pieces.polynomial(pieces, parser.variables()))
    if polynomial is None:
        parser.refuse(
            parser.turned,
            "a minimum, or a maximum with a negative sign: a tropical polynomial is a maximum of affine forms. "
            "Read the text with TropicalRational.parse.",
        )
    return polynomial


def parse_rational(text: str, names: Sequence[str] | None, floats: bool) -> TropicalRational:
    """See `TropicalRational.parse`."""
    parser = _Parser(text, names, floats)
    pieces = parser.function()
    if pieces.infinite:
        raise FormatError("the function is -inf: a tropical rational function is finite everywhere")
    return parser.guarded(lambda: _pieces.rational(pieces, parser.variables()))


FOLDED = 256
"""A sum of more terms is added up before the next one is read."""


class _Parser:
    """The rules, one a method; ``at`` is the position of the token that comes next."""

    def __init__(self, text: str, names: Sequence[str] | None, floats: bool) -> None:
        if not isinstance(text, str):
            raise InvalidInput(f"expected text, found {type(text).__name__}")
        if len(text) > MAX_CHARACTERS:
            raise FormatError(f"the text has {len(text)} characters: at most {MAX_CHARACTERS} are read")
        self.text = text
        self.names = None if names is None else check_names(names)
        self.floats = floats
        self.seen: dict[str, None] = dict.fromkeys(self.names or [])
        self.depth = 0
        self.turned = -1
        self.at = self._skip(0)

    def function(self) -> Pieces:
        """The whole text."""
        pieces = self._expression()
        if self.at < len(self.text):
            self._fail("an operator, or the end of the text")
        if pieces.bottom == ():
            raise FormatError("the function is +inf, or has no value: only -inf is a tropical number")
        return pieces

    def variables(self) -> list[str]:
        """The variables in their order."""
        return self.names if self.names is not None else sorted(self.seen, key=natural_order)

    def guarded(self, make: Callable[[], Made], at: int | None = None) -> Made:
        """What ``make`` returns; faults that it finds are errors of the text."""
        try:
            return make()
        except Unsupported:
            raise
        except InvalidInput as error:
            raise FormatError(f"{'' if at is None else self._place(at)}{error}") from None

    # -- rules --------------------------------------------------------------------------------------------------------

    def _expression(self) -> Pieces:
        """Sum ⊕ sum ⊕ …"""
        parts = [self._sum()]
        while self._take("⊕"):
            parts.append(self._sum())
        return parts[0] if len(parts) == 1 else self.guarded(lambda: _pieces.maximum(parts), self.at)

    def _sum(self) -> Pieces:
        """Terms joined by + or -; ⊗ and ⊘ are other names of them."""
        start, parts, limit = self.at, [self._term()], FOLDED
        while sign := self._take("+", "-", "⊗", "⊘"):
            at, term = self.at, self._term()
            parts.append(term if sign in "+⊗" else self._times(term, Fraction(-1), at))
            if len(parts) > limit:  # long sums are added up on the way: a million terms of one variable are one row
                parts = [self._total(parts, start)]
                limit = FOLDED + 2 * parts[0].size
        return parts[0] if len(parts) == 1 else self._total(parts, start)

    def _total(self, parts: list[Pieces], start: int) -> Pieces:
        """The terms read so far, added up."""
        return self.guarded(lambda: _pieces.total(parts), start)

    def _term(self) -> Pieces:
        """Factors joined by * or /, at most one of them not constant."""
        value = self._factor()
        while True:
            at = self.at
            sign = self._take("*", "/")
            if sign is None:
                return value
            value = self._scaled(value, sign, self._factor(), at)

    def _scaled(self, value: Pieces, sign: str, factor: Pieces, at: int) -> Pieces:
        number = factor.constant
        if sign == "/":
            if number is None:
                self.refuse(at, "division by what is no number: piecewise-linear functions have no quotient")
            if number == 0:
                self.refuse(at, "division by zero")
            number = 1 / number
        elif number is None:
            number, value = value.constant, factor
            if number is None:
                self.refuse(at, "a product of two functions is not piecewise linear: one factor must be a number")
        if value.infinite and number == 0:
            self.refuse(at, "infinity times zero")
        return self._times(value, number, at)

    def _times(self, value: Pieces, number: Fraction, at: int) -> Pieces:
        if number < 0 and not value.affine and self.turned < 0:
            self.turned = at
        return self.guarded(lambda: value.scaled(number), at)

    def _factor(self) -> Pieces:
        negative, at = False, self.at
        while sign := self._take("+", "-"):
            negative ^= sign == "-"
        value = self._operand()
        return self._times(value, Fraction(-1), at) if negative else value

    def _operand(self) -> Pieces:
        if found := _NUMBER.match(self.text, self.at):
            return Pieces.form({}, self._number(found))
        if self._take("("):
            return self._nested(lambda: [self._expression()])[0]
        found = NAME.match(self.text, self.at)
        if found is None:
            self._fail(_OPERAND)
        name, at = found[0], self.at
        if _MORE.match(self.text, found.end()):
            self.refuse(at, "a name has at most 100 characters")
        if not name.isidentifier():
            self.refuse(at, f"{name!r} is no name of a variable: letters, digits and _ only, and no powers")
        self.at = self._skip(found.end())
        if name in ("max", "min"):
            if not self._take("("):
                self._fail(f"'(' after {name}")
            parts = self._nested(self._arguments)
            join = _pieces.maximum if name == "max" else _pieces.minimum
            if name == "min" and self.turned < 0:
                self.turned = at
            return self.guarded(lambda: join(parts), at)
        if name == "inf":
            return Pieces(None, ())
        return self._variable(name, at)

    def _variable(self, name: str, at: int) -> Pieces:
        if name not in self.seen:
            if self.names is not None:
                listed = ", ".join(self.names[:8]) + (", ..." if len(self.names) > 8 else "")
                self.refuse(at, f"{name!r} is none of the variables {listed}")
            self.seen[name] = None
        return Pieces.form({name: Fraction(1)}, Fraction(0))

    def _arguments(self) -> list[Pieces]:
        parts = [self._expression()]
        while self._take(","):
            parts.append(self._expression())
        return parts

    def _nested(self, rule: Callable[[], list[Pieces]]) -> list[Pieces]:
        """What stands between parentheses, of which the first has been read."""
        self.depth += 1
        if self.depth > MAX_NESTING:
            self.refuse(self.at, f"more than {MAX_NESTING} parentheses deep")
        parts = rule()
        if not self._take(")"):
            self._fail("an operator, ',' or ')'" if rule == self._arguments else "an operator or ')'")
        self.depth -= 1
        return parts

    # -- tokens -------------------------------------------------------------------------------------------------------

    def _skip(self, at: int) -> int:
        found = _SPACE.match(self.text, at)
        return at if found is None else found.end()

    def _take(self, *tokens: str) -> str | None:
        """The next token if it is one of these."""
        token = self.text[self.at : self.at + 1]
        if token not in tokens:
            return None
        self.at = self._skip(self.at + 1)
        return token

    def _number(self, found: re.Match[str]) -> Fraction:
        digits, power = found[1], found[2]
        at, self.at = self.at, self._skip(found.end())
        if NAME.match(self.text, self.at) and self.at == found.end():
            self._fail("an operator between a number and a name, such as 2*x")
        exponent = 0 if power is None else int(power)
        if len(digits) > MAX_DIGITS or abs(exponent) > MAX_DIGITS:
            self.refuse(at, f"the number has more than {MAX_DIGITS} digits")
        if self.floats and (power is not None or "." in digits):
            image = float(found[0])
            if math.isinf(image):
                self.refuse(at, "the number is beyond float64")
            return Fraction(image)
        whole, _, part = digits.partition(".")
        # flint reads integers of any length, Python refuses beyond 4300 digits
        value = int(flint.fmpz(whole + part)) * Fraction(10) ** (exponent - len(part))
        if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
            self.refuse(at, f"the number has more than {MAX_BITS} bits")
        return value

    # -- errors -------------------------------------------------------------------------------------------------------

    def _place(self, at: int) -> str:
        line = self.text.count("\n", 0, at) + 1
        column = at - (self.text.rfind("\n", 0, at) + 1) + 1
        return f"column {column}: " if line == 1 and "\n" not in self.text else f"line {line}, column {column}: "

    def refuse(self, at: int, reason: str) -> NoReturn:
        raise FormatError(f"{self._place(at)}{reason}")

    def _fail(self, expected: str) -> NoReturn:
        rest = self.text[self.at : self.at + 12]
        found = f"found {rest.split()[0]!r}" if rest else "the text ends here"
        self.refuse(self.at, f"{found}, expected {expected}")

"""Piecewise-linear functions under construction: differences of maxima of affine forms in named variables.

What the parser of text and the reader of sympy expressions build. The variables need not be known in advance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

import numpy as np

from tropix.errors import InvalidInput, Unsupported
from tropix.exact import MAX_BITS, Rationals
from tropix.polynomials._rational import TropicalRational
from tropix.polynomials._tropical import TropicalPolynomial

MAX_NUMBERS = 2_000_000
"""Largest number of coefficients that a function may hold while it is read."""

Row: TypeAlias = tuple[dict[str, Fraction], Fraction]
Rows: TypeAlias = tuple[Row, ...]


@dataclass(frozen=True)
class Pieces:
    """max(top) − max(bottom); None stands for the constant 0, () for −∞.

    ``affine`` says that this is one affine form that sums may fold into other rows.
    """

    top: Rows | None
    bottom: Rows | None = None
    affine: bool = False

    @classmethod
    def form(cls, slopes: dict[str, Fraction], constant: Fraction) -> Pieces:
        """An affine form."""
        return cls(((slopes, constant),), None, True)

    @property
    def constant(self) -> Fraction | None:
        """The value of a constant, None of any other function."""
        if self.affine and self.top is not None and not any(self.top[0][0].values()):
            return self.top[0][1]
        return None

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return sum(1 + len(slopes) for side in (self.top, self.bottom) if side for slopes, _ in side)

    @property
    def infinite(self) -> bool:
        """Whether a side is −∞."""
        return self.top == () or self.bottom == ()

    def __neg__(self) -> Pieces:
        return self.scaled(Fraction(-1)) if self.affine else Pieces(self.bottom, self.top)

    def scaled(self, factor: Fraction) -> Pieces:
        """factor·f."""
        if factor < 0 and not self.affine:
            return (-self).scaled(-factor)
        if factor == 0 and not self.affine:
            return Pieces.form({}, Fraction(0))
        return Pieces(_scaled(self.top, factor), _scaled(self.bottom, factor), self.affine)

    def maximum_alone(self) -> Pieces:
        """The same function, as a maximum of one argument: it stays on its side of a difference."""
        return Pieces(self.top, self.bottom)


def total(parts: Sequence[Pieces]) -> Pieces:
    """The sum: affine forms are added up, maxima multiplied out in order."""
    slopes: dict[str, Fraction] = {}
    constant = Fraction(0)
    top: Rows | None = None
    bottom: Rows | None = None
    folded = 0
    for part in parts:
        if part.affine and part.top is not None:
            _add_into(slopes, part.top[0][0])
            constant = checked(constant + part.top[0][1])
            folded += 1
        else:
            top, bottom = _product(top, part.top), _product(bottom, part.bottom)
    if folded == len(parts):
        return Pieces.form(slopes, constant)
    if folded:
        top = _product(((slopes, constant),), top)
    return Pieces(top, bottom)


def maximum(parts: Sequence[Pieces]) -> Pieces:
    """The maximum, over the product of the distinct denominators."""
    if len(parts) == 1:
        return parts[0].maximum_alone()
    bottoms: list[Rows] = []
    for part in parts:
        if part.bottom is not None and part.bottom not in bottoms:
            bottoms.append(part.bottom)
    rows: list[Row] = []
    held = 0
    for part in parts:
        top = part.top
        for other in bottoms:
            if other != part.bottom:
                top = _product(top, other)
        rows.extend(_known(top))
        held += sum(1 + len(slopes) for slopes, _ in _known(top))
        _check_size(held)
    common: Rows | None = None
    for other in bottoms:
        common = _product(common, other)
    return Pieces(tuple(rows), common)


def minimum(parts: Sequence[Pieces]) -> Pieces:
    """The minimum, −max of the negatives."""
    return -maximum([-part for part in parts])


def polynomial(pieces: Pieces, names: Sequence[str]) -> TropicalPolynomial | None:
    """The function as a polynomial, if its denominator, pruned, is one monomial; else None."""
    if pieces.bottom is None:
        return _polynomial(pieces.top, names)
    bottom = _polynomial(pieces.bottom, names).prune()
    if len(bottom) != 1:
        return None
    top = _polynomial(pieces.top, names)
    return TropicalPolynomial.from_rationals(top.exact - bottom.exact) if len(top) else top


def rational(pieces: Pieces, names: Sequence[str]) -> TropicalRational:
    """The function as numerator and denominator."""
    return TropicalRational(_polynomial(pieces.top, names), _polynomial(pieces.bottom, names))


def _polynomial(rows: Rows | None, names: Sequence[str]) -> TropicalPolynomial:
    given = _known(rows)
    _check_size(len(given) * (len(names) + 1))
    position = {name: i for i, name in enumerate(names)}
    table = np.full((len(given), len(names) + 1), Fraction(0), dtype=object)
    for i, (slopes, constant) in enumerate(given):
        for name, slope in slopes.items():
            table[i, position[name]] = slope
        table[i, -1] = constant
    if not len(given):
        return TropicalPolynomial.zero(len(names))
    return TropicalPolynomial.from_rationals(Rationals.of(table))


def checked(value: Fraction) -> Fraction:
    """The value; `InvalidInput` if it is too long to go on with."""
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
        raise InvalidInput(f"a number has more than {MAX_BITS} bits")
    return value


def _known(rows: Rows | None) -> Rows:
    return (({}, Fraction(0)),) if rows is None else rows


def _add_into(slopes: dict[str, Fraction], more: dict[str, Fraction]) -> None:
    for name, slope in more.items():
        slopes[name] = checked(slopes[name] + slope) if name in slopes else slope


def _scaled(rows: Rows | None, factor: Fraction) -> Rows | None:
    if rows is None:
        return None
    return tuple(
        ({name: checked(factor * slope) for name, slope in slopes.items()}, checked(factor * constant))
        for slopes, constant in rows
    )


def _product(left: Rows | None, right: Rows | None) -> Rows | None:
    if left is None or right is None:
        return right if left is None else left
    widest = [max((len(row[0]) for row in rows), default=0) for rows in (left, right)]
    _check_size(len(left) * len(right) * (1 + max(widest)))
    result = []
    for slopes, constant in left:
        for more, shift in right:
            sum_of_slopes = dict(slopes)
            _add_into(sum_of_slopes, more)
            result.append((sum_of_slopes, checked(constant + shift)))
    return tuple(result)


def _check_size(count: int) -> None:
    if count > MAX_NUMBERS:
        raise Unsupported(f"multiplied out, the function has more than {MAX_NUMBERS} coefficients: read its parts")

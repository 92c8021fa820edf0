"""Tropical polynomials as plain text and as LaTeX; every number is written exactly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from tropix.errors import InvalidInput
from tropix.polynomials import TropicalPolynomial


def variables(dimension: int, names: Sequence[str] | None = None) -> list[str]:
    """Names of the variables: x0, x1, … unless given."""
    if names is None:
        return [f"x{i}" for i in range(dimension)]
    if len(names) != dimension:
        raise InvalidInput(f"{len(names)} variable names for {dimension} variables")
    return list(names)


def number(value: Fraction) -> str:
    """A number that reads back exactly: an integer, the shortest decimal of a float64, or p/q."""
    if value.denominator == 1 and abs(value.numerator) < 10**16:
        return str(value.numerator)
    try:
        image = float(value)
    except OverflowError:
        return f"{value.numerator}/{value.denominator}"
    return repr(image) if Fraction(image) == value else f"{value.numerator}/{value.denominator}"


def to_text(polynomial: TropicalPolynomial, names: Sequence[str] | None = None) -> str:
    """Text such as ``max(0, 2*x0 + x1 + 1)``; ``-inf`` for the zero polynomial.

    >>> to_text(TropicalPolynomial([[0, 0], [2, 1]], [0, 0.5]))
    'max(0, 2*x0 + x1 + 0.5)'
    """
    symbols = variables(polynomial.dimension, names)
    monomials = [joined(row, symbols, "*", number) for row in polynomial.exact.fractions()]
    if not monomials:
        return "-inf"
    return monomials[0] if len(monomials) == 1 else f"max({', '.join(monomials)})"


def to_latex(polynomial: TropicalPolynomial, names: Sequence[str] | None = None) -> str:
    r"""LaTeX such as ``\max\left\{0,\ 2 x_{0} + x_{1} + 0.5\right\}``, without dollar signs."""
    separator = r",\ "
    symbols = names if names is not None else [f"x_{{{i}}}" for i in range(polynomial.dimension)]
    monomials = [
        joined(row, variables(polynomial.dimension, symbols), r" \, ", _latex_number)
        for row in polynomial.exact.fractions()
    ]
    if not monomials:
        return r"-\infty"
    return monomials[0] if len(monomials) == 1 else rf"\max\left\{{{separator.join(monomials)}\right\}}"


def _latex_number(value: Fraction) -> str:
    text = number(value)
    if "/" in text:
        sign = "-" if value < 0 else ""
        return rf"{sign}\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"
    mantissa, _, exponent = text.partition("e")
    return rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if exponent else text


def joined(row: Sequence[Fraction], symbols: Sequence[str], times: str, write: Callable[[Fraction], str]) -> str:
    """Σ row[i]·symbol[i] + row[-1] as text; terms with coefficient 0 are left out."""
    terms: list[tuple[Fraction, str]] = []
    for coefficient, symbol in zip(row[:-1], symbols, strict=True):
        if coefficient:
            size = abs(coefficient)
            terms.append((coefficient, symbol if size == 1 else f"{write(size)}{times}{symbol}"))
    if row[-1] or not terms:
        terms.append((row[-1], write(abs(row[-1]))))
    text = ""
    for i, (value, term) in enumerate(terms):
        sign = "-" if value < 0 else "+"
        text += (f" {sign} " if i else "-" if value < 0 else "") + term
    return text

"""Tropical polynomials, rational functions and log-sum-exps as text, as LaTeX, and as Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from tropix.exact import Rationals
from tropix.polynomials.text import check_names, exact_number, joined, number, variables

if TYPE_CHECKING:
    from tropix.polynomials._log_sum_exp import LogSumExp
    from tropix.polynomials._rational import TropicalRational
    from tropix.polynomials._tropical import TropicalPolynomial

MOST_MONOMIALS = 12
MOST_NUMBERS = 120
MOST_BITS = 4096
"""Up to these sizes `repr` spells a polynomial out."""

Write = Callable[[Fraction], str]


def polynomial_text(polynomial: TropicalPolynomial, names: Sequence[str] | None, floats: bool) -> str:
    """See `TropicalPolynomial.to_text`."""
    symbols = _symbols(polynomial.dimension, names)
    named = [] if floats else _unused([polynomial.exact])
    monomials = _monomials(polynomial.exact, symbols, floats, named)
    if not monomials:
        return " + ".join(["-inf", *(f"0*{symbols[i]}" for i in named)])
    return monomials[0] if len(monomials) == 1 else f"max({', '.join(monomials)})"


def rational_text(function: TropicalRational, names: Sequence[str] | None, floats: bool) -> str:
    """See `TropicalRational.to_text`."""
    symbols = _symbols(function.dimension, names)
    top, bottom = function.numerator.exact, function.denominator.exact
    named = [] if floats else _unused([top, bottom])
    monomials = _monomials(top, symbols, floats, named)
    text = monomials[0] if len(monomials) == 1 else f"max({', '.join(monomials)})"
    if _is_one(bottom):
        return text
    # a maximum of one monomial marks a denominator; a bare one would be read as a part of the numerator
    return f"{text} - max({', '.join(_monomials(bottom, symbols, floats, []))})"


def log_sum_exp_text(function: LogSumExp, names: Sequence[str] | None = None) -> str:
    """``lse[0.5](0, x0)``: every decimal stands for its float64."""
    pieces = _monomials(function.limit().exact, _symbols(function.dimension, names), True, [])
    return f"lse[{number(Fraction(function.eps))}]({', '.join(pieces)})" if pieces else "-inf"


def row_texts(rows: Rationals) -> list[str]:
    """Each row as exact text in x0, x1, …; the first one names the variables that occur nowhere."""
    return _monomials(rows, variables(rows.shape[1] - 1), False, _unused([rows]))


def _symbols(dimension: int, names: Sequence[str] | None) -> list[str]:
    return variables(dimension) if names is None else check_names(variables(dimension, names))


def _monomials(rows: Rationals, symbols: list[str], floats: bool, named: list[int]) -> list[str]:
    write: Write = number if floats else exact_number
    return [joined(row, symbols, "*", write, () if i else named) for i, row in enumerate(rows.fractions())]


def _unused(sides: list[Rationals]) -> list[int]:
    """The variables that occur nowhere; the first monomial names them, so that reading finds them."""
    used = np.logical_or.reduce([(side.numerators[:, :-1] != 0).any(axis=0) for side in sides])
    return [int(i) for i in np.flatnonzero(~used.astype(np.bool_))]


def _is_one(rows: Rationals) -> bool:
    return len(rows) == 1 and not any(rows.numerators[0])


def polynomial_latex(polynomial: TropicalPolynomial, names: Sequence[str] | None) -> str:
    """See `TropicalPolynomial.to_latex`."""
    return _latex(polynomial.exact, _latex_symbols(polynomial.dimension, names))


def rational_latex(function: TropicalRational, names: Sequence[str] | None) -> str:
    """See `TropicalRational.to_latex`."""
    symbols = _latex_symbols(function.dimension, names)
    text = _latex(function.numerator.exact, symbols)
    bottom = function.denominator.exact
    if _is_one(bottom):
        return text
    below = _latex(bottom, symbols)
    return f"{text} - {below}" if len(bottom) > 1 else rf"{text} - \left({below}\right)"


def log_sum_exp_latex(function: LogSumExp, names: Sequence[str] | None = None) -> str:
    """LaTeX such as ``0.5 \\log\\left(e^{(0)/0.5} + e^{(x_{0})/0.5}\\right)``; at ε = 0 the maximum."""
    symbols = _latex_symbols(function.dimension, names)
    rows = function.limit().exact
    if function.eps == 0.0 or not len(rows):
        return _latex(rows, symbols)
    eps = _latex_number(Fraction(function.eps))
    powers = [rf"e^{{({_latex(rows[i : i + 1], symbols)})/({eps})}}" for i in range(len(rows))]
    return rf"{eps} \log\left({' + '.join(powers)}\right)"


def _latex_symbols(dimension: int, names: Sequence[str] | None) -> list[str]:
    return [f"x_{{{i}}}" for i in range(dimension)] if names is None else variables(dimension, names)


def _latex(rows: Rationals, symbols: list[str]) -> str:
    separator = r",\ "
    monomials = [joined(row, symbols, r" \, ", _latex_number) for row in rows.fractions()]
    if not monomials:
        return r"-\infty"
    return monomials[0] if len(monomials) == 1 else rf"\max\left\{{{separator.join(monomials)}\right\}}"


def _latex_number(value: Fraction) -> str:
    text = number(value)
    if "/" in text:
        sign = "-" if value < 0 else ""
        top, _, bottom = text.lstrip("-").partition("/")
        return rf"{sign}\frac{{{top}}}{{{bottom}}}"
    mantissa, _, exponent = text.partition("e")
    return rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if exponent else text


def polynomial_repr(polynomial: TropicalPolynomial) -> str:
    """Python that makes the polynomial again; of a large one only the size, in angle brackets."""
    count, width = len(polynomial), polynomial.dimension
    if count > MOST_MONOMIALS or count * (width + 1) > MOST_NUMBERS or _longest(polynomial.exact) > MOST_BITS:
        return f"<TropicalPolynomial: {count} monomials in {width} variables>"
    if not count:
        return f"TropicalPolynomial.zero({width})"
    rows = polynomial.exact.fractions().tolist()
    exponents = ", ".join(_listed(row[:-1]) for row in rows)
    return f"TropicalPolynomial([{exponents}], {_listed([row[-1] for row in rows])})"


def rational_repr(function: TropicalRational) -> str:
    """Python that makes the function again; of a large one only the sizes, in angle brackets."""
    sides = [polynomial_repr(side) for side in (function.numerator, function.denominator)]
    if any(side.startswith("<") for side in sides):
        top, bottom = function.size
        return f"<TropicalRational: {top} over {bottom} monomials in {function.dimension} variables>"
    return f"TropicalRational({', '.join(sides)})"


def log_sum_exp_repr(function: LogSumExp) -> str:
    """Python that makes the function again; of a large one only the size, in angle brackets."""
    count, width = len(function), function.dimension
    if count > MOST_MONOMIALS or count * (width + 1) > MOST_NUMBERS:
        return f"<LogSumExp: {count} pieces in {width} variables, eps={function.eps:g}>"
    if not count:
        return f"LogSumExp.zero({width}, eps={function.eps!r})"
    bias = ", ".join("float('-inf')" if b == -np.inf else repr(b) for b in function.bias.tolist())
    return f"LogSumExp({function.weights.tolist()}, [{bias}], eps={function.eps!r})"


def notebook(function: TropicalPolynomial | TropicalRational | LogSumExp) -> str | None:
    """LaTeX for notebooks of what `repr` spells out; None of the rest, so that they show its `repr`."""
    return None if repr(function).startswith("<") else f"${function.to_latex()}$"


def _longest(rows: Rationals) -> int:
    """Size in bits of the longest number."""
    numbers: list[int] = [rows.denominator, *rows.numerators.ravel().tolist()]
    return max(value.bit_length() for value in numbers)


def _listed(values: Sequence[Fraction]) -> str:
    return f"[{', '.join(_python_number(value) for value in values)}]"


def _python_number(value: Fraction) -> str:
    text = number(value)
    # an integer beyond 2**53 among floats would be rounded by NumPy, a fraction is not
    if "/" in text or (value.denominator == 1 and abs(value) > 2**53):
        return f"Fraction({value.numerator}, {value.denominator})"
    return text

"""Tropical polynomials and rational functions ↔ sympy, with exact rational numbers."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from tropix.errors import InvalidInput, Unsupported
from tropix.exact import MAX_BITS, Rationals
from tropix.polynomials import _pieces
from tropix.polynomials._pieces import Pieces
from tropix.polynomials._rational import TropicalRational
from tropix.polynomials._tropical import TropicalPolynomial
from tropix.polynomials.text import natural_order, variables

if TYPE_CHECKING:
    Symbols = Sequence[Any]

MAX_NESTING = 100
"""Deepest expression that is read."""


def polynomial_to_sympy(polynomial: TropicalPolynomial, symbols: Symbols | None) -> Any:
    """See `TropicalPolynomial.to_sympy`."""
    return _maximum(polynomial.exact, _symbols(polynomial.dimension, symbols))


def rational_to_sympy(function: TropicalRational, symbols: Symbols | None) -> Any:
    """See `TropicalRational.to_sympy`."""
    known = _symbols(function.dimension, symbols)
    return _maximum(function.numerator.exact, known) - _maximum(function.denominator.exact, known)


def polynomial_from_sympy(expression: Any, symbols: Symbols | None) -> TropicalPolynomial:
    """See `TropicalPolynomial.from_sympy`."""
    pieces, names = _read(expression, symbols)
    polynomial = None if pieces.bottom == () else _pieces.polynomial(pieces, names)
    if polynomial is None:
        raise InvalidInput(
            f"{_short(expression)} has a minimum or a negated maximum, a tropical polynomial is a maximum of affine "
            "forms: read it with TropicalRational.from_sympy"
        )
    return polynomial


def rational_from_sympy(expression: Any, symbols: Symbols | None) -> TropicalRational:
    """See `TropicalRational.from_sympy`."""
    pieces, names = _read(expression, symbols)
    return _pieces.rational(pieces, names)


def _symbols(dimension: int, symbols: Symbols | None) -> list[Any]:
    """Real symbols x0, x1, …, or those of the given names; symbols are taken as they are."""
    import sympy

    given: Sequence[Any] = variables(dimension, symbols)
    return [sympy.Symbol(name, real=True) if isinstance(name, str) else name for name in given]


def _maximum(rows: Rationals, symbols: list[Any]) -> Any:
    import sympy

    monomials = []
    for row in rows.fractions():
        *exponents, constant = [sympy.Rational(value.numerator, value.denominator) for value in row]
        monomials.append(sympy.Add(constant, *(c * x for c, x in zip(exponents, symbols, strict=True))))
    if not monomials:
        return -sympy.oo
    return monomials[0] if len(monomials) == 1 else sympy.Max(*monomials, evaluate=False)


def _read(expression: Any, symbols: Symbols | None) -> tuple[Pieces, list[str]]:
    """The function, with the position of each variable as its name."""
    import sympy

    if not isinstance(expression, sympy.Expr):
        raise InvalidInput(f"expected a sympy expression, found {type(expression).__name__}: text is not interpreted")
    known = sorted(expression.free_symbols, key=lambda s: natural_order(s.name)) if symbols is None else list(symbols)
    if any(not isinstance(symbol, sympy.Symbol) for symbol in known) or len(set(known)) != len(known):
        raise InvalidInput(f"symbols {known}: expected distinct sympy symbols")
    names = {symbol: str(i) for i, symbol in enumerate(known)}
    return _pieces_of(expression, names, 0), list(names.values())


def _pieces_of(expression: Any, names: dict[Any, str], depth: int) -> Pieces:
    import sympy

    if depth > MAX_NESTING:
        raise Unsupported(f"the expression is more than {MAX_NESTING} levels deep")
    if expression in names:
        return Pieces.form({names[expression]: Fraction(1)}, Fraction(0))
    if expression.is_Number:
        return _constant(expression)
    if isinstance(expression, sympy.Symbol):
        raise InvalidInput(f"{expression} is none of the symbols {list(names)}")
    if isinstance(expression, sympy.Mul):
        factor, rest = expression.as_coeff_Mul()
        if (factor.is_Rational or factor.is_Float) and factor != 1:
            return _pieces_of(rest, names, depth + 1).scaled(_fraction(factor))
    elif isinstance(expression, sympy.Add | sympy.Max | sympy.Min):
        join = {sympy.Add: _pieces.total, sympy.Max: _pieces.maximum, sympy.Min: _pieces.minimum}[expression.func]
        return join([_pieces_of(part, names, depth + 1) for part in expression.args])
    elif isinstance(expression, sympy.Abs):
        inner = _pieces_of(expression.args[0], names, depth + 1)
        return _pieces.maximum([inner, -inner])
    raise Unsupported(
        f"{_short(expression)} is not piecewise linear by its form: sums, rational multiples, Max, Min and Abs of "
        "symbols and numbers are read"
    )


def _constant(value: Any) -> Pieces:
    import sympy

    if value == -sympy.oo:
        return Pieces(())
    if value == sympy.oo:
        return Pieces(None, ())
    return Pieces.form({}, _fraction(value))


def _fraction(value: Any) -> Fraction:
    """A sympy number as the rational that it is; a Float is a binary fraction."""
    import sympy

    if not value.is_finite:
        raise InvalidInput(f"{value} is no finite number")
    if value.is_Float:
        _, _, exponent, bits = value._mpf_
        if max(exponent + bits, -exponent) > MAX_BITS:
            # before it is written out: the power of two may have more bits than there is memory
            raise InvalidInput(f"a number has more than {MAX_BITS} bits")
    exact = sympy.Rational(value)
    return _pieces.checked(Fraction(int(exact.p), int(exact.q)))


def _short(expression: Any) -> str:
    return str(expression)[:80]

"""Tropical polynomials and rational functions → sympy, with exact rational numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tropix.polynomials import TropicalPolynomial, TropicalRational


def to_sympy(function: TropicalPolynomial | TropicalRational, names: Sequence[str] | None = None) -> Any:
    """A sympy expression ``Max(…)`` of the monomials with `sympy.Rational` numbers in real symbols x0, x1, …

    The zero polynomial is ``-oo``; a single monomial is returned as it is.
    """
    return function.to_sympy(names)

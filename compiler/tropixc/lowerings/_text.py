"""Tropical polynomials and rational functions as plain text and as LaTeX, for people to read."""

from __future__ import annotations

from collections.abc import Sequence

from tropix.polynomials import TropicalPolynomial, TropicalRational


def to_text(function: TropicalPolynomial | TropicalRational, names: Sequence[str] | None = None) -> str:
    """Text such as ``max(0, 2*x0 + x1 + 1)``; ``-inf`` for the zero polynomial. A decimal stands for its float64.

    >>> to_text(TropicalPolynomial([[0, 0], [2, 1]], [0, 0.5]))
    'max(0, 2*x0 + x1 + 0.5)'
    """
    return function.to_text(names, floats=True)


def to_latex(function: TropicalPolynomial | TropicalRational, names: Sequence[str] | None = None) -> str:
    r"""LaTeX such as ``\max\left\{0,\ 2 x_{0} + x_{1} + 0.5\right\}``, without dollar signs."""
    return function.to_latex(names)

"""Do two piecewise-linear functions agree everywhere? Decided exactly, with a point where they do not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from tropix.boxes import Box, BoxLike
from tropix.errors import InvalidInput
from tropix.exact import Rationals
from tropix.polynomials._rational import TropicalRational
from tropix.polynomials._tropical import TropicalPolynomial

Function: TypeAlias = TropicalPolynomial | TropicalRational


@dataclass(frozen=True, eq=False)
class Equivalence:
    """The answer: equal on the whole domain, or a rational ``witness`` (d,) where the values differ."""

    equal: bool
    witness: Rationals | None = None

    def __bool__(self) -> bool:
        return self.equal


def equivalent(f: Function, g: Function, box: BoxLike | None = None) -> Equivalence:
    """Decide in rational arithmetic whether two functions agree on ℝ^d, or on a box.

    p₁ − q₁ = p₂ − q₂ exactly if the polynomials p₁ ⊗ q₂ and p₂ ⊗ q₁ are equal. Their maximum is pruned exactly: each of
    its monomials has a point where it alone is largest, so a side that attains the maximum at all these points holds
    every monomial of it, and is the maximum. Raises `InvalidInput` for functions of different dimensions.

    >>> x, y = TropicalPolynomial([[1]], [0]), TropicalPolynomial([[-1]], [1])
    >>> bool(equivalent(x + y, y + x)), bool(equivalent(x, x + y))
    (True, False)
    >>> equivalent(x, x + y).witness.floats() < 0.5  # there 1 - x is the larger one
    array([ True])
    """
    left, right = (h if isinstance(h, TropicalRational) else TropicalRational.of(h) for h in (f, g))
    if left.dimension != right.dimension:
        raise InvalidInput(f"functions in {left.dimension} and {right.dimension} variables")
    domain = None if box is None else Box.of(box, left.dimension)
    if left.denominator == right.denominator:
        first, second = left.numerator, right.numerator
    else:
        first, second = left.numerator * right.denominator, right.numerator * left.denominator
    first, second = first.prune(domain), second.prune(domain)
    pruning = (first + second).pruning(domain)
    points = pruning.witnesses
    top = pruning.polynomial(points)
    for side in (first, second):
        apart = np.flatnonzero((top - side(points)).numerators != 0)
        if len(apart):
            return Equivalence(False, points[int(apart[0])])
    return Equivalence(True)

"""Do two piecewise-linear functions agree everywhere? Decided exactly, with a point where they do not."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

import numpy as np

from tropix.boxes import Box, BoxLike
from tropix.errors import InvalidInput
from tropix.exact import Rationals
from tropix.polynomials._cells import Progress
from tropix.polynomials._product import prune_product
from tropix.polynomials._rational import TropicalRational
from tropix.polynomials._reduction import on_box, wall_rows
from tropix.polynomials._tropical import TropicalPolynomial

Function: TypeAlias = TropicalPolynomial | TropicalRational


@dataclass(frozen=True, eq=False)
class Equivalence:
    """The answer: equal on the whole domain, or a rational ``witness`` (d,) where the values differ."""

    equal: bool
    witness: Rationals | None = None

    def __bool__(self) -> bool:
        return self.equal


def equivalent(
    f: Function, g: Function, box: BoxLike | None = None, *, progress: Progress | None = None
) -> Equivalence:
    """Decide in rational arithmetic whether two functions agree on ℝ^d, or on a box.

    p₁ − q₁ = p₂ − q₂ exactly if the polynomials p₁ ⊗ q₂ and p₂ ⊗ q₁ are equal, which is to say that their irredundant
    monomials are the same. A monomial of one that the other lacks is the largest around its witness point, where the
    two differ, if not at that point then at most points nearby. ``progress(done, total)`` is called now and then.
    Raises `InvalidInput` for functions of different dimensions.

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
    one = TropicalPolynomial.constant(0, left.dimension)
    common = left.denominator == right.denominator
    first = prune_product(left.numerator, one if common else right.denominator, domain, progress)
    second = prune_product(right.numerator, one if common else left.denominator, domain, progress)
    tables = [
        part.polynomial.exact if domain is None else on_box(part.polynomial.exact, domain) for part in (first, second)
    ]
    keys = Rationals.concatenate(tables).keys()
    ours, theirs = keys[: len(tables[0])], keys[len(tables[0]) :]
    for part, rows, others in ((first, ours, set(theirs)), (second, theirs, set(ours))):
        for k, row in enumerate(rows):
            if row not in others:
                return Equivalence(False, _apart(left, right, part.witnesses[k : k + 1], domain))
    return Equivalence(True)


def _apart(f: TropicalRational, g: TropicalRational, near: Rationals, box: Box | None) -> Rationals:
    """A point near the given one at which the values differ; they differ in every neighbourhood of it."""
    rng = np.random.default_rng(0)
    point = near
    step = Fraction(1)
    walls = wall_rows(box)
    while f(point).equals(g(point)):
        step /= 2
        goal = near + Rationals.of(rng.normal(size=near.shape)) if box is None else Rationals.of(box.sample(1, rng))
        moved = near + (goal - near) * Rationals.of(np.array([step], dtype=object))
        if walls is None or bool(((moved @ walls[:, :-1].transpose + walls[:, -1]).numerators <= 0).all()):
            point = moved
    return point[0]

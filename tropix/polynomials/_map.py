"""Vector-valued tropical rational maps: networks and their layers, composed exactly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import overload

import numpy as np
import numpy.typing as npt

from tropix.arrays import FloatArray, IntArray
from tropix.boxes import Box, BoxLike
from tropix.errors import InvalidInput
from tropix.exact import Rationals
from tropix.polynomials._product import prune_product
from tropix.polynomials._rational import TropicalRational
from tropix.polynomials._tropical import TropicalPolynomial


@dataclass(frozen=True, eq=False, repr=False)
class TropicalMap:
    """F = (f_1, …, f_m): ℝ^d → ℝ^m with tropical rational components.

    ``+``, ``*``, ``/`` and ``**`` act on the components; ``F.compose(G)`` is x ↦ F(G(x)). Components share monomials:
    :attr:`monomials` holds each distinct row (e, c) of any side once. Raises `InvalidInput` for no components or
    components in different numbers of variables.

    >>> x, zero = TropicalPolynomial([[1]], [0]), TropicalPolynomial.constant(0, 1)
    >>> relu = TropicalMap([x + zero])
    >>> twice = relu.compose(relu)
    >>> twice([[-1.0], [2.0]]).ravel(), twice[0].size
    (array([0., 2.]), (2, 1))
    """

    components: tuple[TropicalRational, ...]

    def __init__(self, components: Sequence[TropicalRational | TropicalPolynomial]) -> None:
        read = tuple(f if isinstance(f, TropicalRational) else TropicalRational.of(f) for f in components)
        if not read:
            raise InvalidInput("a tropical map needs at least one component")
        if len({f.dimension for f in read}) > 1:
            raise InvalidInput(f"components in {sorted({f.dimension for f in read})} variables: expected one number")
        object.__setattr__(self, "components", read)

    @property
    def dimension(self) -> int:
        """Number of variables d."""
        return self.components[0].dimension

    def __len__(self) -> int:
        return len(self.components)

    def __iter__(self) -> Iterator[TropicalRational]:
        return iter(self.components)

    def __getitem__(self, k: int) -> TropicalRational:
        return self.components[k]

    def __repr__(self) -> str:
        sizes = len(self.monomials), sum(sum(f.size) for f in self.components)
        return (
            f"<TropicalMap: {self.dimension} variables to {len(self)} values, "
            f"{sizes[0]} distinct of {sizes[1]} monomials>"
        )

    @cached_property
    def _shared(self) -> tuple[Rationals, list[tuple[IntArray, IntArray]]]:
        sides = [side for f in self.components for side in (f.numerator, f.denominator)]
        rows = Rationals.concatenate([side.exact for side in sides])
        keys = rows.keys()
        position = {key: i for i, key in enumerate(dict.fromkeys(keys))}
        first = np.unique([position[key] for key in keys], return_index=True)[1]
        numbers = np.array([position[key] for key in keys], dtype=np.int64)
        parts = np.split(numbers, np.cumsum([len(side) for side in sides])[:-1])
        return rows[first], list(zip(parts[::2], parts[1::2], strict=True))

    @property
    def monomials(self) -> Rationals:
        """The distinct monomials (e, c) of all numerators and denominators, shape (M, d+1)."""
        return self._shared[0]

    @property
    def members(self) -> list[tuple[IntArray, IntArray]]:
        """For each component, the numbers of its numerator's and its denominator's monomials."""
        return self._shared[1]

    @overload
    def __call__(self, points: npt.ArrayLike) -> FloatArray: ...
    @overload
    def __call__(self, points: Rationals) -> Rationals: ...
    def __call__(self, points: npt.ArrayLike | Rationals) -> FloatArray | Rationals:
        """Values at points (n, d) → (n, m), or at one point (d,) → (m,); for `Rationals` (n, d) exact."""
        if isinstance(points, Rationals):
            return Rationals.concatenate([f(points)[:, None] for f in self.components], axis=1)
        return np.stack([f(points) for f in self.components], axis=-1)

    def __add__(self, other: TropicalMap) -> TropicalMap:
        """F ⊕ G, the larger value in each component."""
        return TropicalMap([f + g for f, g in self._paired(other)])

    def __mul__(self, other: TropicalMap) -> TropicalMap:
        """F ⊗ G = F + G."""
        return TropicalMap([f * g for f, g in self._paired(other)])

    def __truediv__(self, other: TropicalMap) -> TropicalMap:
        """F ⊘ G = F − G."""
        return TropicalMap([f / g for f, g in self._paired(other)])

    def __pow__(self, power: float | Fraction) -> TropicalMap:
        """F^{⊗ c} = c·F for any real c."""
        return TropicalMap([f**power for f in self.components])

    def _paired(self, other: TropicalMap) -> list[tuple[TropicalRational, TropicalRational]]:
        if len(self) != len(other):
            raise InvalidInput(f"maps with {len(self)} and {len(other)} components do not combine")
        return list(zip(self.components, other.components, strict=True))

    def compose(self, inner: TropicalMap, box: BoxLike | None = None) -> TropicalMap:
        """The map x ↦ F(G(x)), every side pruned on ℝ^n or on a box of x."""
        return TropicalMap([compose(f, inner.components, box) for f in self.components])

    def simplify(self, box: BoxLike | None = None) -> TropicalMap:
        """Each component simplified; see `TropicalRational.simplify`."""
        return TropicalMap([f.simplify(box) for f in self.components])


def compose(
    f: TropicalRational, inner: Sequence[TropicalRational | TropicalPolynomial], box: BoxLike | None = None
) -> TropicalRational:
    """The function x ↦ f(g_1(x), …, g_d(x)), both sides pruned on ℝ^n or on a box, exactly.

    With g_k = a_k ⊘ b_k, a monomial c ⊗ g^e of f becomes a product of powers of a_k (where e_k > 0) and b_k (e_k < 0)
    over b_k and a_k; all monomials are brought over the denominator ⊗_k b_k^{max e_k⁺} ⊗ a_k^{max e_k⁻}.
    Raises `InvalidInput` if the number of functions is not f's number of variables.
    """
    parts = [g if isinstance(g, TropicalRational) else TropicalRational.of(g) for g in inner]
    if len(parts) != f.dimension or len({g.dimension for g in parts}) != 1:
        raise InvalidInput(
            f"{len(parts)} functions of {sorted({g.dimension for g in parts})} variables for a function of "
            f"{f.dimension}: expected one function a variable, all of the same variables"
        )
    domain = None if box is None else Box.of(box, parts[0].dimension)
    top, bottom = (_substitute(side, parts, domain) for side in (f.numerator, f.denominator))
    if top.denominator == bottom.denominator:
        return TropicalRational(top.numerator, bottom.numerator)
    return TropicalRational(
        prune_product(top.numerator, bottom.denominator, domain).polynomial,
        prune_product(bottom.numerator, top.denominator, domain).polynomial,
    )


def _substitute(p: TropicalPolynomial, inner: Sequence[TropicalRational], box: Box | None) -> TropicalRational:
    exponents, coefficients = p.exact[:, :-1].fractions(), p.exact[:, -1].fractions()
    zero = Fraction(0)
    up = [max([zero, *exponents[:, k]]) for k in range(p.dimension)]
    down = [max([zero, *(-exponents[:, k])]) for k in range(p.dimension)]
    width = inner[0].dimension

    def product(constant: Fraction, powers: list[tuple[TropicalPolynomial, Fraction]]) -> TropicalPolynomial:
        total = TropicalPolynomial.constant(constant, width)
        for factor, power in sorted(powers, key=lambda pair: len(pair[0])):
            if power:
                scaled = factor.scale(power)
                few = min(len(total), len(scaled)) == 1
                total = total * scaled if few else prune_product(total, scaled, box).polynomial
        return total

    monomials = []
    for row, constant in zip(exponents, coefficients, strict=True):
        powers = []
        for k, (e, g) in enumerate(zip(row, inner, strict=True)):
            rise, fall = max(e, zero), max(-e, zero)
            powers += [(g.numerator, rise + down[k] - fall), (g.denominator, fall + up[k] - rise)]
        monomials.append(product(Fraction(constant), powers).exact)
    below = product(
        zero, [pair for k, g in enumerate(inner) for pair in ((g.denominator, up[k]), (g.numerator, down[k]))]
    )
    above = TropicalPolynomial.from_rationals(Rationals.concatenate(monomials)).prune(box)
    return TropicalRational(above, below)

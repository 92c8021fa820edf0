"""Mixed subdivisions of products of tropical polynomials, and stable intersections read off them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from operator import mul
from typing import TYPE_CHECKING

from tropix.arrays import ObjectArray
from tropix.errors import InvalidInput
from tropix.polynomials._newton import NewtonPolytope, mixed_volume
from tropix.polynomials._subdivision import DualSubdivision, active_sets

if TYPE_CHECKING:
    from tropix.polynomials._tropical import TropicalPolynomial


@dataclass(frozen=True)
class MixedCell:
    """A maximal cell σ_1 + … + σ_k: σ_i are the monomials of the i-th polynomial that are active at the dual vertex.

    ``dimensions`` are those of the summands, ``mixed_volume`` is MV(σ_1, …, σ_k) for k = d polynomials in d variables,
    else None. With k = d the cell is called mixed where that is positive.
    """

    summands: tuple[tuple[int, ...], ...]
    dimensions: tuple[int, ...]
    lattice_volume: Fraction
    mixed_volume: Fraction | None


@dataclass(frozen=True, eq=False, repr=False)
class MixedSubdivision:
    """The dual subdivision of f_1 ⊗ … ⊗ f_k, which subdivides Newt(f_1) + … + Newt(f_k), with cells labelled.

    Cell i belongs to the point ``vertices[i]`` of the union of the k hypersurfaces.
    Source: Maclagan and Sturmfels (2015), §4.6; Huber and Sturmfels, *A polyhedral method* (1995).
    """

    polynomials: tuple[TropicalPolynomial, ...]
    dimension: int
    cells: tuple[MixedCell, ...]
    vertices: ObjectArray

    def __repr__(self) -> str:
        return f"<MixedSubdivision: {len(self.cells)} cells for {len(self.polynomials)} polynomials>"

    @property
    def is_fine(self) -> bool:
        """Whether in every cell the dimensions of the summands add up to r: hypersurfaces meet transversally."""
        return all(sum(cell.dimensions) == self.dimension for cell in self.cells)

    @property
    def mixed_volume(self) -> Fraction:
        """Σ of the cells' mixed volumes: MV(Newt f_1, …, Newt f_d). Raises `InvalidInput` unless k = d."""
        return sum((_needed(cell) for cell in self.cells), Fraction(0))


@dataclass(frozen=True)
class IntersectionPoint:
    """A point of the stable intersection with its multiplicity, an integer when the exponents are integral."""

    point: tuple[Fraction, ...]
    multiplicity: Fraction


def mixed_subdivision(*polynomials: TropicalPolynomial) -> MixedSubdivision:
    """The mixed subdivision of k ≥ 1 tropical polynomials in the same variables.

    Raises `InvalidInput` without polynomials, for different numbers of variables and for the zero polynomial.

    >>> from tropix import TropicalPolynomial
    >>> line = TropicalPolynomial([[0, 0], [1, 0], [0, 1]], [0, 0, 0])
    >>> moved = TropicalPolynomial([[0, 0], [1, 0], [0, 1]], [0, -1, -3])
    >>> [(cell.dimensions, int(cell.mixed_volume)) for cell in mixed_subdivision(line, moved).cells]
    [((2, 0), 0), ((0, 2), 0), ((1, 1), 1)]
    """
    _check(polynomials)
    product = reduce(mul, (polynomial.prune() for polynomial in polynomials))
    subdivision = DualSubdivision.of(product)
    labels = [active_sets(polynomial, subdivision.vertices) for polynomial in polynomials]
    square = len(polynomials) == polynomials[0].dimension
    cells = []
    for *summands, volume in zip(*labels, subdivision.volumes, strict=True):
        hulls = [NewtonPolytope.of(f.exact[list(s), :-1]) for f, s in zip(polynomials, summands, strict=True)]
        dimensions = tuple(hull.dimension for hull in hulls)
        cells.append(MixedCell(tuple(summands), dimensions, volume, mixed_volume(*hulls) if square else None))
    return MixedSubdivision(polynomials, subdivision.dimension, tuple(cells), subdivision.vertices)


def stable_intersection(*polynomials: TropicalPolynomial) -> tuple[IntersectionPoint, ...]:
    """The stable intersection of d tropical hypersurfaces in ℝ^d: the limit of their generic translates' common points.

    A point x has the multiplicity MV(σ_1, …, σ_d) of the cells dual to x, and only points of positive multiplicity
    belong to it; the multiplicities add up to MV(Newt f_1, …, Newt f_d) (Bernstein), for full curves of degrees D and
    E in the plane to D·E (Bézout). Exact, also for curves with common components. In the order of the cells.

    Source: Maclagan and Sturmfels (2015), Theorem 4.6.8 and Definition 3.6.5.

    >>> from tropix import TropicalPolynomial
    >>> line = TropicalPolynomial([[0, 0], [1, 0], [0, 1]], [0, 0, 0])
    >>> stable_intersection(line, line)
    (IntersectionPoint(point=(Fraction(0, 1), Fraction(0, 1)), multiplicity=Fraction(1, 1)),)
    """
    _check(polynomials)
    if len(polynomials) != polynomials[0].dimension:
        raise InvalidInput(
            f"{len(polynomials)} polynomials in {polynomials[0].dimension} variables: expected as many as variables"
        )
    subdivision = mixed_subdivision(*polynomials)
    rows = subdivision.vertices.tolist()
    return tuple(
        IntersectionPoint(tuple(row), multiplicity)
        for row, cell in zip(rows, subdivision.cells, strict=True)
        if (multiplicity := _needed(cell))
    )


def _needed(cell: MixedCell) -> Fraction:
    if cell.mixed_volume is None:
        raise InvalidInput("a mixed volume needs as many polynomials as variables")
    return cell.mixed_volume


def _check(polynomials: tuple[TropicalPolynomial, ...]) -> None:
    if not polynomials:
        raise InvalidInput("no polynomials: expected at least one")
    dimensions = sorted({polynomial.dimension for polynomial in polynomials})
    if len(dimensions) > 1:
        raise InvalidInput(f"polynomials in {dimensions} variables do not combine")
    if not all(len(polynomial) for polynomial in polynomials):
        raise InvalidInput("the zero polynomial is -inf everywhere: its hypersurface would be the whole space")

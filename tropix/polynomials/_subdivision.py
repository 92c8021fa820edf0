"""The regular subdivision of a Newton polytope that a tropical polynomial induces, and the dual polyhedral complex."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

import flint
import numpy as np

from tropix.arrays import ObjectArray, frozen
from tropix.polynomials._hull import Cone, Face, cone
from tropix.polynomials._newton import NewtonPolytope, normalised_volume
from tropix.polynomials._support import Support
from tropix.polynomials._vectors import Normal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tropix.polynomials._curves import TropicalCurve
    from tropix.polynomials._tropical import TropicalPolynomial


@dataclass(frozen=True)
class DualCell:
    """A cell of the subdivision, and the cell of the tropical complex that is dual to it.

    ``monomials`` are the indices of all monomials that attain the maximum on the dual cell, in its interior no other
    does; ``corners`` are one index for each vertex of the cell. A cell of dimension k in an r-dimensional subdivision
    is dual to conv(``vertices``) + cone(``rays``) + lineality, of dimension d − k (indices into the subdivision's
    ``vertices`` and ``rays``).
    """

    monomials: tuple[int, ...]
    corners: tuple[int, ...]
    dimension: int
    vertices: tuple[int, ...]
    rays: tuple[int, ...]


@dataclass(frozen=True, eq=False, repr=False)
class DualSubdivision:
    """The projection of the upper hull of the lifted points (e_j, c_j): a subdivision of conv{e_j}, exactly.

    ``cells`` are its maximal cells. Cell i is the set of monomials that attain f(x) at x = ``vertices[i]`` (fractions):
    points on a face belong to it also where they are no vertices of it; monomials below the hull belong to no cell.
    ``dimension`` r is that of the Newton polytope, −1 without monomials; ``rays`` are the primitive outward normals
    of its facets. For r < d the complex is invariant under ``lineality`` (d − r vectors), and ``vertices`` and
    ``rays`` stand for their translates.

    Source: Maclagan and Sturmfels (2015), §3.1, Proposition 3.1.6; Zhang, Naitzat, Lim (2018), §3.
    """

    polynomial: TropicalPolynomial
    dimension: int
    cells: tuple[DualCell, ...]
    vertices: ObjectArray
    rays: tuple[Normal, ...]
    lineality: tuple[Normal, ...]
    _support: Support = field(repr=False)
    _cone: Cone | None = field(repr=False)

    @classmethod
    def of(cls, polynomial: TropicalPolynomial) -> DualSubdivision:
        """See `TropicalPolynomial.dual_subdivision`."""
        rows = polynomial.exact
        support = Support.of(rows[:, :-1], rows[:, -1])
        if support.dimension < 0:
            nothing = np.empty((0, polynomial.dimension), dtype=object)
            return cls(polynomial, -1, (), nothing, (), support.orthogonal(), support, None)
        vectors = support.vectors()
        down = (*(0,) * (len(vectors[0]) - 1), -1)
        hull = _sorted_upper_first(cone([*vectors, down]), len(vectors))
        upper = [i for i, facet in enumerate(hull.facets) if len(vectors) not in facet]
        points = np.empty((len(upper), polynomial.dimension), dtype=object)
        for row, i in enumerate(upper):
            points[row] = _dual_vertex(hull.normals[i], support)
        frozen(points)
        rays = tuple(support.normal(hull.normals[i][1:-1], -1) for i in range(len(upper), len(hull.facets)))
        result = cls(
            polynomial,
            support.dimension,
            (),
            points,
            rays if support.dimension else (),
            support.orthogonal(),
            support,
            hull,
        )
        object.__setattr__(result, "cells", tuple(result._cell(hull.facets[i], result.dimension) for i in upper))
        return result

    def __repr__(self) -> str:
        return f"<DualSubdivision: {len(self.cells)} maximal cells of dimension {self.dimension}>"

    def _cell(self, face: Face, dimension: int) -> DualCell:
        assert self._cone is not None
        members = self._support.members
        around = self._cone.containing(face)
        count = len(self.vertices)
        return DualCell(
            tuple(sorted(j for i in face for j in members[i])),
            tuple(sorted(members[i][0] for i in face if i in self._extreme)),
            dimension,
            tuple(i for i in around if i < count),
            tuple(i - count for i in around if i >= count),
        )

    @cached_property
    def _extreme(self) -> frozenset[int]:
        assert self._cone is not None
        return frozenset(self._cone.extreme())

    @cached_property
    def _levels(self) -> list[list[Face]]:
        """Faces of the upper hull by codimension."""
        assert self._cone is not None
        levels = [list(self._cone.facets[: len(self.vertices)])]
        for _ in range(self.dimension):
            levels.append(list({part for face in levels[-1] for part in self._cone.boundary(face)}))
        return levels

    def faces(self, dimension: int) -> tuple[DualCell, ...]:
        """All cells of a dimension 0…r: r gives ``cells``, 0 the linear regions, 1 their common facets.

        >>> from tropix import TropicalPolynomial
        >>> line = TropicalPolynomial([[0, 0], [1, 0], [0, 1]], [0, 0, 0]).dual_subdivision()
        >>> [(edge.monomials, [line.rays[i] for i in edge.rays]) for edge in line.faces(1)]
        [((0, 1), [(0, -1)]), ((0, 2), [(-1, 0)]), ((1, 2), [(1, 1)])]
        """
        if self._cone is None or not 0 <= dimension <= self.dimension:
            return ()
        if dimension == self.dimension:
            return self.cells
        faces = (self._cell(face, dimension) for face in self._levels[self.dimension - dimension])
        return tuple(sorted(faces, key=lambda cell: cell.monomials))

    @property
    def f_vector(self) -> tuple[int, ...]:
        """Numbers of cells of dimension 0, …, r; Σ (−1)^k f_k = 1 (Euler)."""
        return tuple(len(self.faces(k)) for k in range(self.dimension + 1))

    def multiplicity(self, cell: DualCell) -> Fraction:
        """The lattice volume of a cell, see `NewtonPolytope.lattice_volume`.

        For a cell of dimension 1 it is the weight of the dual facet of the hypersurface, an integer when the
        exponents are integral.
        """
        return NewtonPolytope.of(self.polynomial.exact[list(cell.monomials), :-1]).lattice_volume

    @property
    def volumes(self) -> tuple[Fraction, ...]:
        """Lattice volumes of ``cells``; their sum is that of the Newton polytope."""
        if self._cone is None:
            return ()
        factor, columns = self._support.lattice_factor(), slice(self.dimension + 1)
        faces = self._cone.facets[: len(self.cells)]
        return tuple(factor * normalised_volume(self._cone, face, columns) for face in faces)

    @property
    def is_triangulation(self) -> bool:
        """Whether every cell is a simplex without further points (of equal monomials one counts)."""
        faces = () if self._cone is None else self._cone.facets[: len(self.cells)]
        return all(len(face) == self.dimension + 1 for face in faces)

    @property
    def is_unimodular(self) -> bool:
        """Whether it is a triangulation into simplices of lattice volume 1; in the plane: the curve is smooth."""
        return self.is_triangulation and all(volume == 1 for volume in self.volumes)

    def newton_polytope(self) -> NewtonPolytope:
        """The polytope that is subdivided."""
        return self.polynomial.newton_polytope()

    def verify(self) -> bool:
        """Recheck without the hull: every cell is all that is active at its vertex, and the volumes add up."""
        if self.dimension < 0:
            return not self.cells
        if active_sets(self.polynomial, self.vertices) != [cell.monomials for cell in self.cells]:
            return False
        points = self.polynomial.exact[:, :-1]
        polytopes = [NewtonPolytope.of(points[list(cell.monomials)]) for cell in self.cells]
        total = sum((polytope.lattice_volume for polytope in polytopes), Fraction(0))
        full = all(polytope.dimension == self.dimension for polytope in polytopes)
        return full and total == NewtonPolytope.of(points).lattice_volume

    def curve(self) -> TropicalCurve:
        """The tropical curve of a polynomial in two variables, see `TropicalCurve`."""
        from tropix.polynomials._curves import TropicalCurve

        return TropicalCurve.of(self)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the subdivision (d = 1, 2) with all exponents; raises `Unsupported` for other d."""
        from tropix.polynomials._draw import draw_subdivision

        return draw_subdivision(self, ax)

    def plot_duality(self) -> Figure:
        """A figure of the plane curve and, beside it, this subdivision; what is dual has the same colour."""
        from tropix.polynomials._draw import draw_duality

        return draw_duality(self)


def active_sets(polynomial: TropicalPolynomial, points: ObjectArray) -> list[tuple[int, ...]]:
    """For each point (n, d) of fractions the indices of all monomials that attain the maximum there, exactly."""
    if not len(points):
        return []
    # one denominator a point: a common one for all would have as many bits as all of them together
    scales = [math.lcm(*(x.denominator for x in point)) for point in points]
    rows = [[*(int(x * scale) for x in point), scale] for point, scale in zip(points, scales, strict=True)]
    logits = (flint.fmpz_mat(rows) * polynomial.exact.to_flint().transpose()).tolist()
    tops = [max(values) for values in logits]
    return [tuple(j for j, v in enumerate(values) if v == top) for values, top in zip(logits, tops, strict=True)]


def _sorted_upper_first(hull: Cone, down: int) -> Cone:
    """The same cone, its facets without the vector ``down`` before the others, each in lexicographic order."""
    order = sorted(range(len(hull.facets)), key=lambda i: (down in hull.facets[i], sorted(hull.facets[i])))
    return Cone(hull.vectors, tuple(hull.normals[i] for i in order), tuple(hull.facets[i] for i in order))


def _dual_vertex(normal: Normal, support: Support) -> list[Fraction]:
    """The point whose hyperplane c + e·x = f(x) is the facet n₀ + n·e + n_c c = 0, n_c < 0, so x = n/n_c."""
    point = [Fraction(0)] * int(support.points.shape[1])
    for i, value in zip(support.coordinates, normal[1:-1], strict=True):
        point[i] = Fraction(value, normal[-1])
    return point

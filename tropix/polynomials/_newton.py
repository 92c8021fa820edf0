"""Newton polytopes of tropical polynomials, exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property, reduce
from itertools import combinations
from operator import add

import flint
import numpy as np
import numpy.typing as npt

from tropix.arrays import BoolArray
from tropix.errors import InvalidInput
from tropix.exact import Rationals
from tropix.polynomials._hull import Cone, Face, cone
from tropix.polynomials._support import Support
from tropix.polynomials._vectors import Normal


@dataclass(frozen=True)
class Facet:
    """The facet {e ∈ P : normal·e = offset} of a polytope on which normal·e ≤ offset; ``vertices`` are indices.

    The normal is primitive (integers without a common factor) and points outward. For a polytope that is not
    full-dimensional it is one of many that cut the same facet from the affine hull.
    """

    normal: Normal
    offset: Fraction
    vertices: tuple[int, ...]


@dataclass(frozen=True, eq=False, repr=False)
class NewtonPolytope:
    """P = conv{e_1, …, e_N} ⊂ ℝ^d for rational points; for the exponents of a polynomial its Newton polytope.

    ``vertices`` (V, d) in lexicographic order; ``dimension`` r ≤ d, −1 for the empty polytope. Points, segments and
    other flat polytopes are ordinary. ``==`` compares sets, ``+`` is the Minkowski sum, and
    Newt(f ⊗ g) = Newt(f) + Newt(g). Everything is exact.

    Raises `Unsupported` where there are too many facets to list (from some ten thousands on).
    Source: Ziegler, *Lectures on Polytopes* (1995), §1, §2; Maclagan and Sturmfels (2015), §2.3.

    >>> square = NewtonPolytope.of([[0, 0], [2, 0], [0, 2], [2, 2], [1, 1]])
    >>> square.vertices.numerators.tolist(), square.volume, [facet.normal for facet in square.facets]
    ([[0, 0], [0, 2], [2, 0], [2, 2]], Fraction(4, 1), [(-1, 0), (0, -1), (0, 1), (1, 0)])
    """

    vertices: Rationals
    dimension: int
    facets: tuple[Facet, ...]
    _support: Support = field(repr=False)
    _cone: Cone | None = field(repr=False)

    @classmethod
    def of(cls, points: npt.ArrayLike | Rationals) -> NewtonPolytope:
        """The convex hull of points (N, d), which need be neither vertices nor distinct."""
        rows = Rationals.of(points)
        if len(rows.shape) != 2:
            raise InvalidInput(f"points have shape {rows.shape}: expected (N, d)")
        rows = rows.reduced()
        support = Support.of(rows)
        if support.dimension < 0:
            return cls(rows[:0], -1, (), support, None)
        hull = cone(support.vectors())
        corners = hull.extreme()
        support = Support(support.points[corners], None, (), support.coordinates, support.basis)
        restricted = _restricted(hull, corners)
        return cls(support.points.reduced(), len(support.basis), _facets(restricted, support), support, restricted)

    @property
    def ambient(self) -> int:
        """Dimension d of the space."""
        return int(self.vertices.shape[1])

    def __repr__(self) -> str:
        shape = f"{len(self.vertices)} vertices and {len(self.facets)} facets"
        return f"<NewtonPolytope: dimension {self.dimension} in R^{self.ambient}, {shape}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NewtonPolytope):
            return NotImplemented
        return self.vertices.equals(other.vertices)

    def __hash__(self) -> int:
        return hash((tuple(self.vertices.keys()), self.vertices.denominator))

    @property
    def equations(self) -> tuple[tuple[Normal, Fraction], ...]:
        """The affine hull as pairs (a, b) for a·e = b, d − r of them; none is given for the empty polytope."""
        if self._cone is None:
            return ()
        base = self.vertices[0].fractions()
        return tuple((a, sum((x * v for x, v in zip(a, base, strict=True)), Fraction(0))) for a in self._orthogonal)

    @cached_property
    def _orthogonal(self) -> tuple[Normal, ...]:
        return self._support.orthogonal()

    @cached_property
    def _reduced_volume(self) -> Fraction:
        """R! times the volume in the independent coordinates."""
        return (
            Fraction(0) if self._cone is None else normalised_volume(self._cone, frozenset(range(len(self.vertices))))
        )

    @property
    def volume(self) -> Fraction:
        """Euclidean volume in ℝ^d: 0 for a flat polytope."""
        if self.dimension < self.ambient:
            return Fraction(0)
        return self._reduced_volume / math.factorial(self.ambient)

    @property
    def lattice_volume(self) -> Fraction:
        """R! times the r-dimensional volume in units of the lattice ℤ^d ∩ span(P − P): 1 for a unimodular simplex.

        d!·volume when full-dimensional, the lattice length of a segment, 1 for a point, 0 when empty.

        >>> NewtonPolytope.of([[0, 0], [6, 4]]).lattice_volume
        Fraction(2, 1)
        """
        return self._reduced_volume * self._support.lattice_factor()

    def faces(self, dimension: int) -> tuple[tuple[int, ...], ...]:
        """The faces of a dimension 0…r, each as the indices of its vertices, in lexicographic order."""
        if self._cone is None or not 0 <= dimension <= self.dimension:
            return ()
        return tuple(sorted(tuple(sorted(face)) for face in self._levels[self.dimension - dimension]))

    @cached_property
    def _levels(self) -> list[set[Face]]:
        assert self._cone is not None
        levels = [{frozenset(range(len(self.vertices)))}]
        for _ in range(self.dimension):
            levels.append({part for face in levels[-1] for part in self._cone.boundary(face)})
        return levels

    @property
    def f_vector(self) -> tuple[int, ...]:
        """Numbers of faces of dimension 0, …, r; Σ (−1)^k f_k = 1 (Euler)."""
        return tuple(len(self.faces(k)) for k in range(self.dimension + 1))

    def contains(self, points: npt.ArrayLike | Rationals) -> BoolArray:
        """For points (n, d) whether each lies in P, boundary included, (n,)."""
        rows = Rationals.of(points)
        if len(rows.shape) != 2 or rows.shape[1] != self.ambient:
            raise InvalidInput(f"points have shape {rows.shape}: expected (n, {self.ambient})")
        inside = np.full(len(rows), self._cone is not None)
        for normal, offset in self.equations:
            inside &= _slack(rows, normal, offset) == 0
        for facet in self.facets:
            inside &= _slack(rows, facet.normal, facet.offset) >= 0
        return inside

    def support(self, direction: npt.ArrayLike | Rationals) -> Fraction:
        """The support function h(u) = max_{e ∈ P} u·e of a direction (d,)."""
        values = self._along(direction)
        return Fraction(max(values.numerators), values.denominator)

    def face(self, direction: npt.ArrayLike | Rationals) -> tuple[int, ...]:
        """The face on which u·e is largest, as indices of vertices."""
        values = self._along(direction).numerators.tolist()
        return tuple(i for i, value in enumerate(values) if value == max(values))

    def _along(self, direction: npt.ArrayLike | Rationals) -> Rationals:
        vector = Rationals.of(direction)
        if vector.shape != (self.ambient,):
            raise InvalidInput(f"direction has shape {vector.shape}: expected ({self.ambient},)")
        if self._cone is None:
            raise InvalidInput("the support function of the empty polytope is -inf, which is no rational number")
        return (self.vertices @ vector[:, None])[:, 0]

    def __add__(self, other: NewtonPolytope) -> NewtonPolytope:
        """Minkowski sum {a + b : a ∈ P, b ∈ Q}."""
        if not isinstance(other, NewtonPolytope):
            return NotImplemented
        if self.ambient != other.ambient:
            raise InvalidInput(f"polytopes in {self.ambient} and {other.ambient} dimensions do not add")
        total = self.vertices[:, None, :] + other.vertices[None, :, :]
        count = len(self.vertices) * len(other.vertices)
        return NewtonPolytope.of(Rationals(total.numerators.reshape(count, self.ambient), total.denominator))


def mixed_volume(*polytopes: NewtonPolytope) -> Fraction:
    """The mixed volume of d polytopes in ℝ^d, with MV(P, …, P) = d!·vol(P).

    Σ over nonempty S of (−1)^{d−|S|} vol(Σ_{i ∈ S} P_i). For d = 2: area(P + Q) − area(P) − area(Q), the number of
    solutions that Bernstein's theorem gives. Raises `InvalidInput` unless there are d polytopes, none empty.
    Source: Cox, Little and O'Shea, *Using Algebraic Geometry* (2005), §7.4.

    >>> triangle = NewtonPolytope.of([[0, 0], [1, 0], [0, 1]])
    >>> mixed_volume(triangle, triangle + triangle)
    Fraction(2, 1)
    """
    count = len(polytopes)
    if not count or any(polytope.ambient != count for polytope in polytopes):
        raise InvalidInput(f"mixed volume of {count} polytopes: expected d polytopes in d dimensions, d >= 1")
    if any(polytope.dimension < 0 for polytope in polytopes):
        raise InvalidInput("a mixed volume with an empty polytope is not defined")
    if any(polytope.dimension == 0 for polytope in polytopes):
        return Fraction(0)
    return sum(
        (
            (-1) ** (count - size) * reduce(add, chosen).volume
            for size in range(1, count + 1)
            for chosen in combinations(polytopes, size)
        ),
        Fraction(0),
    )


def normalised_volume(hull: Cone, face: Face, columns: slice = slice(None)) -> Fraction:
    """The volume of a k-dimensional face in the k+1 ``columns`` of its vectors (D, D·e), times k!."""
    rows = [vector[columns] for vector in hull.vectors]
    rank = len(rows[0])
    total = sum(abs(int(flint.fmpz_mat([rows[i] for i in s]).det())) for s in hull.triangulation(face, rank))
    return Fraction(total, rows[min(face)][0] ** rank)


def _restricted(hull: Cone, kept: list[int]) -> Cone:
    """The same cone generated by some of its vectors, among them all extreme ones."""
    number = {old: new for new, old in enumerate(kept)}
    facets = tuple(frozenset(number[i] for i in facet if i in number) for facet in hull.facets)
    return Cone(tuple(hull.vectors[i] for i in kept), hull.normals, facets)


def _facets(hull: Cone, support: Support) -> tuple[Facet, ...]:
    if not support.basis:
        return ()
    found = []
    for reduced, vertices in zip(hull.normals, hull.facets, strict=True):
        normal = support.normal(reduced[1:], -1)
        corner = support.points[min(vertices)].fractions()
        offset = sum((a * x for a, x in zip(normal, corner, strict=True)), Fraction(0))
        found.append(Facet(normal, offset, tuple(sorted(vertices))))
    return tuple(sorted(found, key=lambda facet: (facet.normal, facet.offset)))


def _slack(points: Rationals, normal: Normal, offset: Fraction) -> npt.NDArray[np.object_]:
    products = points @ Rationals.of(np.array(normal, dtype=object))[:, None]
    return (Rationals.of(np.array(offset, dtype=object)) - products[:, 0]).numerators

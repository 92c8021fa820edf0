"""Facets of polyhedral cones over the integers: Qhull proposes, exact gift wrapping decides and completes.

A point e is the vector (D, D·e) with a common denominator D > 0; a vector whose first entry is 0 is a direction at
infinity. Facets of a polytope are facets of the cone over it, and the upper hull of lifted points consists of the
facets of the cone that do not contain the direction "down". So one algorithm serves both, and flat inputs,
coplanar points and points inside a face are ordinary.

Every facet is a valid inequality whose zero set has full rank, checked on all vectors. The list is complete when each
ridge lies in two facets of it, because the facets of a polytope are connected through ridges; a ridge with one known
facet leads to the other by rotating the hyperplane about it (Chand and Kapur 1970; Ziegler, *Lectures on Polytopes*
(1995), Theorem 3.14).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import flint
import numpy as np
import numpy.typing as npt

from tropix.arrays import FloatArray, IntArray
from tropix.errors import Unsupported
from tropix.polynomials._vectors import IntegerVectors, Normal, primitive

Face = frozenset[int]

MAX_SIZE = 2_000_000
"""Largest number of incidences of vectors with facets of facets that is kept."""
SEED_DIMENSION = 8
SEED_COUNT = 12
SEED_SIZE = 2_500
"""Qhull proposes for at least SEED_COUNT vectors, in affine dimension two up to SEED_DIMENSION.

Above dimension five for at most SEED_SIZE entries, because the number of facets may explode.
"""
DEEP = 1e4


@dataclass(frozen=True)
class Cone:
    """All facets of a cone: ``normals[i]`` is ≥ 0 on every vector and 0 exactly on those of ``facets[i]``."""

    vectors: tuple[Normal, ...]
    normals: tuple[Normal, ...]
    facets: tuple[Face, ...]

    @cached_property
    def _facets_at(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for number, facet in enumerate(self.facets):
            for i in facet:
                found.setdefault(i, []).append(number)
        return found

    def extreme(self) -> list[int]:
        """The vectors that are alone in the intersection of the facets through them."""
        if len(self.vectors) == 1:
            return [0]
        least: dict[int, Face] = {}
        for facet in self.facets:
            for i in facet:
                least[i] = least[i] & facet if i in least else facet
        return sorted(i for i, face in least.items() if len(face) == 1)

    def containing(self, face: Face) -> tuple[int, ...]:
        """Numbers of the facets that contain a nonempty face, ascending."""
        anchor = min(face, key=lambda i: len(self._facets_at.get(i, ())))
        return tuple(number for number in self._facets_at.get(anchor, ()) if face <= self.facets[number])

    def boundary(self, face: Face) -> list[Face]:
        """The facets of a face: its maximal proper intersections with facets of the cone."""
        touching = {number for i in face for number in self._facets_at.get(i, ())}
        parts = {part for number in touching if (part := face & self.facets[number]) != face}
        largest: list[Face] = []
        for part in sorted(parts, key=len, reverse=True):
            if not any(part < other for other in largest):
                largest.append(part)
        return largest

    def triangulation(self, face: Face, rank: int) -> list[tuple[int, ...]]:
        """Simplices that fill a face of the given rank: pull its first vector, then triangulate the far sides."""
        if len(face) == rank:
            return [tuple(sorted(face))]
        apex = min(face)
        return [
            (apex, *simplex)
            for part in self.boundary(face)
            if apex not in part
            for simplex in self.triangulation(part, rank - 1)
        ]


def cone(vectors: Sequence[Sequence[int]]) -> Cone:
    """All facets of the pointed cone that integer vectors of full rank generate, no two of them parallel.

    The first entry of every vector is ≥ 0. Raises `Unsupported` where the facets and their facets fill MAX_SIZE.
    """
    if len(vectors) == len(vectors[0]):
        return _simplicial(IntegerVectors(vectors))
    return _Wrapping(IntegerVectors(vectors), range(len(vectors)), {}).run()


def _simplicial(vectors: IntegerVectors) -> Cone:
    """The cone of linearly independent vectors: each normal vanishes on all but one."""
    count = vectors.rank
    inverse, denominator = flint.fmpq_mat(flint.fmpz_mat(vectors.rows)).inv().numer_denom()
    columns = inverse.transpose().tolist()
    sign = 1 if denominator > 0 else -1
    normals = tuple(primitive(sign * int(v) for v in column) for column in columns)
    return Cone(tuple(vectors.rows), normals, tuple(frozenset(range(count)) - {i} for i in range(count)))


class _Wrapping:
    """The growing list of facets. The vectors may be those of a face of a larger cone, where ``labels`` number them.

    ``known`` holds the boundaries of faces of that cone by their labels: many facets share a face.
    """

    def __init__(self, vectors: IntegerVectors, labels: Sequence[int], known: dict[Face, list[Face]]) -> None:
        self.vectors = vectors
        self.labels = labels
        self.known = known
        self.facets: dict[Face, int] = {}
        self.normals: list[Normal] = []
        self.owners: dict[Face, list[Face]] = {}
        self.open: list[Face] = []
        self.size = 0

    def run(self) -> Cone:
        self._seed()
        if not self.facets:
            self._add(self._first())
        while self.open:
            ridge = self.open.pop()
            if len(self.owners[ridge]) == 1:
                self._add(self._across(ridge, self.owners[ridge][0]))
        return Cone(tuple(self.vectors.rows), tuple(self.normals), tuple(self.facets))

    def _add(self, normal: Normal) -> None:
        signs = self.vectors.signs([normal])[0]
        self._keep(normal, frozenset(np.flatnonzero(signs == 0).tolist()))

    def _keep(self, normal: Normal, facet: Face) -> None:
        if facet in self.facets:
            return
        self.facets[facet] = len(self.normals)
        self.normals.append(normal)
        ridges = self._ridges(facet, normal)
        self.size += sum(map(len, ridges)) + len(facet)
        if self.size > MAX_SIZE:
            raise Unsupported(
                f"the hull of {len(self.labels)} points in {self.vectors.rank - 1} dimensions has more than "
                f"{len(self.facets)} facets, too many to list: prune, or fix some variables"
            )
        for ridge in ridges:
            self.owners.setdefault(ridge, []).append(facet)
            self.open.append(ridge)

    def _ridges(self, facet: Face, normal: Normal) -> list[Face]:
        rank = self.vectors.rank
        if rank == 1:
            return []
        order = sorted(facet)
        if len(order) == rank - 1:
            return [frozenset(part) for part in combinations(order, rank - 2)]
        labels = [self.labels[i] for i in order]
        key = frozenset(labels)
        if key not in self.known:
            # The hyperplane keeps its shape when a coordinate with a nonzero entry in its normal is left out.
            gone = next(i for i in range(rank - 1, -1, -1) if normal[i])
            rows = [self.vectors.rows[i] for i in order]
            below = _Wrapping(IntegerVectors([row[:gone] + row[gone + 1 :] for row in rows]), labels, self.known).run()
            self.known[key] = [frozenset(labels[i] for i in part) for part in below.facets]
        place = dict(zip(labels, order, strict=True))
        return [frozenset(place[label] for label in part) for part in self.known[key]]

    def _across(self, ridge: Face, facet: Face) -> Normal:
        """The other facet at a ridge."""
        normal = self.normals[self.facets[facet]]
        inside = self.vectors.rows[next(iter(facet - ridge))]
        for tilt in self.vectors.nullspace(ridge):
            slope = sum(a * b for a, b in zip(tilt, inside, strict=True))
            if slope:
                return self._rotate(normal, tilt if slope > 0 else tuple(-v for v in tilt))
        raise AssertionError("a ridge spans its facet")

    def _rotate(self, normal: Normal, tilt: Normal) -> Normal:
        """Tilt + t·normal with the least t for which it is ≥ 0 on the vectors off the hyperplane of ``normal``."""
        values = self.vectors.values([normal, tilt]).tolist()
        depth, offset = 0, 0
        for under, across in zip(*values, strict=True):
            if under > 0 and (depth == 0 or across * depth < offset * under):
                depth, offset = int(under), int(across)
        return primitive(depth * b - offset * a for a, b in zip(normal, tilt, strict=True))

    def _first(self) -> Normal:
        """Some facet: a supporting hyperplane, turned until the vectors on it have full rank."""
        normal = tuple(int(i == 0) for i in range(self.vectors.rank))
        while True:
            touched = np.flatnonzero(self.vectors.signs([normal])[0] == 0).tolist()
            free = self.vectors.nullspace(touched)
            if len(free) == 1:
                return normal
            tilt = next(row for row in free if not _parallel(row, normal))
            normal = self._rotate(normal, tilt)

    def _seed(self) -> None:
        """Facets that Qhull proposes and exact arithmetic confirms."""
        rank, count = self.vectors.rank, len(self.vectors.rows)
        if not (3 <= rank <= SEED_DIMENSION + 1 and count >= SEED_COUNT) or (rank > 6 and rank * count > SEED_SIZE):
            return
        proposed: dict[Normal, None] = {}
        for simplex in _propose(self.vectors.rows).tolist():
            free = self.vectors.nullspace(simplex)
            if len(free) == 1:
                sign = 1 if next(v for v in free[0] if v) > 0 else -1
                proposed[tuple(sign * v for v in free[0])] = None
        normals = list(proposed)
        block = max(1, 1_000_000 // count)
        for start in range(0, len(normals), block):
            part = normals[start : start + block]
            for normal, signs in zip(part, self.vectors.signs(part), strict=True):
                below, above = bool((signs < 0).any()), bool((signs > 0).any())
                if not (below and above):
                    facet = frozenset(np.flatnonzero(signs == 0).tolist())
                    self._keep(tuple(-v for v in normal) if below else normal, facet)


def _parallel(a: Normal, b: Normal) -> bool:
    i = next(i for i, v in enumerate(b) if v)
    return all(x * b[i] == y * a[i] for x, y in zip(a, b, strict=True))


def _propose(rows: Sequence[Normal]) -> IntArray:
    """Index sets of facets as Qhull sees them in floating point, shape (F, rank − 1); empty where it gives up."""
    from scipy.spatial import ConvexHull, QhullError

    nothing = np.empty((0, len(rows[0]) - 1), dtype=np.int64)
    finite = np.array([row[0] > 0 for row in rows])
    try:
        points = np.array([[v / (row[0] or 1) for v in row[1:]] for row in rows], dtype=np.float64)
        hull = ConvexHull(_scaled(points, finite), qhull_options="Qt")
    except (QhullError, ValueError, OverflowError):
        return nothing
    return np.asarray(hull.simplices, dtype=np.int64)


def _scaled(points: FloatArray, finite: npt.NDArray[np.bool_]) -> FloatArray:
    """Points in [−1, 1]; a direction at infinity becomes a point far out along it."""
    centre = points[finite].mean(axis=0)
    width = np.abs(points[finite] - centre).max(axis=0)
    width[width == 0] = 1.0
    scaled = np.where(finite[:, None], (points - centre) / width, DEEP * points)
    return np.asarray(scaled)

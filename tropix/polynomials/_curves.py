"""Tropical curves in the plane: vertices, edges, rays and lines with multiplicities, exactly."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from tropix.arrays import ObjectArray
from tropix.errors import InvalidInput, Unsupported
from tropix.polynomials._vectors import Normal, primitive

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from tropix.boxes import BoxLike
    from tropix.polynomials._subdivision import DualCell, DualSubdivision


@dataclass(frozen=True)
class CurveEdge:
    """A bounded edge between two vertices; ``direction`` is primitive and leads from the first to the second.

    ``monomials`` attain the maximum on it; ``multiplicity`` is the lattice length of the dual edge.
    """

    ends: tuple[int, int]
    direction: Normal
    multiplicity: Fraction
    monomials: tuple[int, ...]


@dataclass(frozen=True)
class CurveRay:
    """An unbounded edge from a vertex along a primitive ``direction``."""

    start: int
    direction: Normal
    multiplicity: Fraction
    monomials: tuple[int, ...]


@dataclass(frozen=True)
class CurveLine:
    """A whole line through ``point``; a curve has such components only where all exponents are collinear."""

    point: tuple[Fraction, Fraction]
    direction: Normal
    multiplicity: Fraction
    monomials: tuple[int, ...]


@dataclass(frozen=True, eq=False, repr=False)
class TropicalCurve:
    """The points of ℝ² where a tropical polynomial attains its maximum at least twice, as a weighted complex.

    ``vertices`` (V, 2) are fractions. At each vertex Σ multiplicity·direction over outgoing edges and rays is 0 (the
    balancing condition). Exponents on one line give parallel ``lines`` and no vertices; one exponent the empty curve.

    Source: Maclagan and Sturmfels (2015), §1.3, Theorem 3.3.5.

    >>> from tropix import TropicalPolynomial
    >>> line = TropicalPolynomial([[0, 0], [1, 0], [0, 1]], [0, -1, -2]).curve()
    >>> line.vertices.astype(int).tolist(), [ray.direction for ray in line.rays]
    ([[1, 2]], [(0, -1), (-1, 0), (1, 1)])
    """

    subdivision: DualSubdivision
    vertices: ObjectArray
    edges: tuple[CurveEdge, ...]
    rays: tuple[CurveRay, ...]
    lines: tuple[CurveLine, ...]

    @classmethod
    def of(cls, subdivision: DualSubdivision) -> TropicalCurve:
        """Read the curve off the dual subdivision. Raises `Unsupported` for d ≠ 2, `InvalidInput` for f ≡ −∞."""
        if subdivision.polynomial.dimension != 2:
            raise Unsupported(
                f"a curve of a polynomial in {subdivision.polynomial.dimension} variables: two are supported; "
                "dual_subdivision().faces(1) lists the facets of a hypersurface in any dimension"
            )
        if subdivision.dimension < 0:
            raise InvalidInput("the zero polynomial is -inf everywhere: its curve would be the whole plane")
        points = subdivision.vertices
        if subdivision.dimension < 2:
            lines = [_line(subdivision, cell) for cell in subdivision.faces(1)]
            return cls(subdivision, points[:0], (), (), tuple(lines))
        edges, rays = [], []
        for cell in subdivision.faces(1):
            across, multiplicity = _dual_vector(subdivision, cell)
            if cell.rays:
                direction = subdivision.rays[cell.rays[0]]
                rays.append(CurveRay(cell.vertices[0], direction, multiplicity, cell.monomials))
                continue
            first, second = cell.vertices
            along = points[second] - points[first]
            sign = 1 if -across[1] * along[0] + across[0] * along[1] > 0 else -1
            direction = (-sign * across[1], sign * across[0])
            edges.append(CurveEdge((first, second), direction, multiplicity, cell.monomials))
        return cls(subdivision, points, tuple(edges), tuple(rays), ())

    def __repr__(self) -> str:
        parts = f"{len(self.vertices)} vertices, {len(self.edges)} edges, {len(self.rays)} rays"
        return f"<TropicalCurve: {parts}, {len(self.lines)} lines>"

    @property
    def genus(self) -> int:
        """Number of independent cycles, E − V + 1; for a smooth curve its genus."""
        return len(self.edges) - len(self.vertices) + 1 if len(self.vertices) else 0

    def plot(self, ax: Axes | None = None, box: BoxLike | None = None) -> Axes:
        """Draw the curve, rays cut at a bounded box; without one at a window around the vertices."""
        from tropix.polynomials._draw import draw_curve

        return draw_curve(self, ax, box)


def _dual_vector(subdivision: DualSubdivision, cell: DualCell) -> tuple[Normal, Fraction]:
    """The edge between the two corners of a cell as primitive direction and lattice length."""
    points = subdivision.polynomial.exact[list(cell.corners), :-1]
    step: list[int] = (points[1] - points[0]).numerators.tolist()
    direction = primitive(step)
    i = 0 if direction[0] else 1
    return direction, Fraction(step[i], direction[i] * points.denominator)


def _line(subdivision: DualSubdivision, cell: DualCell) -> CurveLine:
    across, multiplicity = _dual_vector(subdivision, cell)
    x, y = subdivision.vertices[cell.vertices[0]]
    return CurveLine((x, y), (-across[1], across[0]), multiplicity, cell.monomials)

"""Conjugates of tropical polynomials from a hull that is built once."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tropix.arrays import FloatArray, points_array
from tropix.errors import InvalidInput
from tropix.exact import Rationals
from tropix.kernels import max_affine
from tropix.polynomials import TropicalPolynomial
from tropix.polynomials._newton import NewtonPolytope

ULPS = 64
UNIT = 2.0**-53


@dataclass(frozen=True, eq=False, repr=False)
class TropicalConjugate:
    """f_0* as the function it is: max_v ⟨x_v, y⟩ − f(x_v) on conv{w_j}, +∞ elsewhere; microseconds a point.

    x_v runs over the vertices of the complex where f bends, which are dual to the maximal cells of the lower hull of
    the points (w_j, −b_j). The hull is exact; it is meant for d ≤ 3: it may have some N^⌊(d+1)/2⌋ cells.
    Calling it with y (n, d) gives values (n,), with y (d,) a 0-d array; their error is
    (d + 2)·2⁻⁵³·max_v(|x_v|·|y| + |f(x_v)|). A point that lies outside by at most 64 units in the last place
    of the largest coordinate, as rounding leaves points of faces, counts as inside.

    Raises `InvalidInput` for the zero polynomial; `Unsupported` where there are too many facets to list.

    >>> f = TropicalPolynomial([[0], [1], [2]], [0, 0, -1])
    >>> TropicalConjugate(f)([[0.5], [2.0], [2.1]])
    array([ 0.,  1., inf])
    """

    polynomial: TropicalPolynomial
    polytope: NewtonPolytope = field(init=False)
    slopes: FloatArray = field(init=False)
    offsets: FloatArray = field(init=False)
    _normals: FloatArray = field(init=False)
    _limits: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        if not len(self.polynomial):
            raise InvalidInput("the zero polynomial is -inf: its conjugate is +inf everywhere")
        vertices = Rationals.of(self.polynomial.dual_subdivision().vertices)
        polytope = self.polynomial.newton_polytope()
        values = self.polynomial(vertices)
        normals = [facet.normal for facet in polytope.facets] + [a for a, _ in polytope.equations]
        normals += [tuple(-v for v in a) for a, _ in polytope.equations]
        limits = [facet.offset for facet in polytope.facets] + [b for _, b in polytope.equations]
        limits += [-b for _, b in polytope.equations]
        lengths = [max(map(abs, normal)) for normal in normals]
        rows = [[v / length for v in normal] for normal, length in zip(normals, lengths, strict=True)]
        ends = [float(b / length) for b, length in zip(limits, lengths, strict=True)]
        for name, value in (
            ("polytope", polytope),
            ("slopes", vertices.floats()),
            ("offsets", -values.floats()),
            ("_normals", np.array(rows).reshape(len(rows), self.polynomial.dimension)),
            ("_limits", np.array(ends)),
        ):
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"<TropicalConjugate: {len(self.offsets)} cells in R^{self.polynomial.dimension}>"

    def __call__(self, y: npt.ArrayLike) -> FloatArray:
        """Values f*(y), +∞ outside."""
        rows, single = points_array(y, self.polynomial.dimension)
        values, _ = max_affine(rows, self.slopes, self.offsets)
        values = np.where(self._inside(rows), values, np.inf)
        return values.reshape(()) if single else values

    def maximiser(self, y: npt.ArrayLike) -> FloatArray:
        """A maximiser x of ⟨x, y⟩ − f(x), (n, d) or (d,), for y in the polytope: a subgradient of f* there."""
        rows, single = points_array(y, self.polynomial.dimension)
        _, cells = max_affine(rows, self.slopes, self.offsets)
        result = self.slopes[cells]
        return result[0] if single else result

    def _inside(self, rows: FloatArray) -> npt.NDArray[np.bool_]:
        size = float(np.abs(self._limits).max(initial=0.0)) + float(np.abs(rows).max(initial=0.0))
        excess = (rows @ self._normals.T - self._limits).max(axis=1, initial=-np.inf)
        return np.asarray(excess <= 2 * ULPS * UNIT * size)

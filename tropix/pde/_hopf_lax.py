"""The inviscid Hamilton–Jacobi equation with atomic initial data: the Hopf–Lax solution, its shocks and cells."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tropix.arrays import FloatArray, IntArray
from tropix.errors import InvalidInput, Unsupported
from tropix.exact import Rationals
from tropix.pde._atoms import Atoms, checked_points, costs_array, positive, sites_array, squared_lengths

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from tropix.boxes import BoxLike, Polyhedron
    from tropix.pde._hopf_cole import HopfCole
    from tropix.polynomials import DualSubdivision, TropicalCurve, TropicalPolynomial


@dataclass(frozen=True, eq=False, repr=False)
class HopfLax(Atoms):
    """The viscosity solution at time t of u_t + |∇u|² = 0 with u = g_j at sites y_j and +∞ elsewhere at time 0.

    u(x, t) = min_j (g_j + |x−y_j|²/(4t)): the lower envelope of paraboloids, the Moreau envelope of the data. Its
    linear part is a tropical polynomial, |x|²/(4t) − u = f_0 = max_j (w_j·x + b_j) with w_j = y_j/(2t) and
    b_j = −g_j − |y_j|²/(4t), so that its shocks are the tropical hypersurface of f_0 and its cells, one for each active
    site, the power (Laguerre) cells of the sites.

    ``sites`` y (N, d) finite, ``costs`` g (N,) real or +∞ (a site that is absent), ``t`` > 0. Methods take points
    (n, d), or one point (d,). What concerns shocks and cells is exact: floats are the rational numbers they are.
    Only the convex envelope of g + |·|²/(4t) leaves a trace in u: g_j = f_0*(y_j/2t) − |y_j|²/(4t) at active sites, and
    nothing but a lower bound of g_j, the right-hand side, is known at others.

    Raises `InvalidInput` for NaN, −∞, mismatched shapes, t that is not a normal number > 0, and where a term could
    exceed 1e300. Source: Hopf (1965), Lax (1957); Evans, *Partial Differential Equations*, §3.3.2; Aurenhammer (1987).

    >>> u = HopfLax([[-1], [1], [0]], [0, 0, 5], t=1.0)
    >>> u.value([[0.0], [3.0]]), u.minimiser([0.0], ties=True), u.active_sites()
    (array([0.25, 1.  ]), ((0, 1),), array([0, 1]))
    """

    sites: FloatArray
    costs: FloatArray
    t: float

    def __init__(self, sites: npt.ArrayLike, costs: npt.ArrayLike, t: float) -> None:
        object.__setattr__(self, "costs", costs_array(costs))
        object.__setattr__(self, "sites", sites_array(sites, self.costs))
        object.__setattr__(self, "t", positive(t, "t"))

    @classmethod
    def from_tropical(cls, f: TropicalPolynomial, t: float) -> HopfLax:
        """The solution |x|²/(4t) − f(x) at time t: y_j = 2t e_j, g_j = −c_j − t|e_j|², the nearest floats to these.

        Raises `InvalidInput` where they exceed the range of float64.
        """
        time = Rationals.of([positive(t, "t")])
        slopes = f.exact[:, :-1]
        costs = -f.exact[:, -1] - squared_lengths(slopes) * time
        return cls((slopes * (time + time)[:, None]).floats(), costs.floats(), t)

    def __repr__(self) -> str:
        return f"<HopfLax: {len(self)} sites in {self.dimension} dimensions, t={self.t:g}>"

    def _minimum(self, points: npt.ArrayLike) -> tuple[FloatArray, FloatArray, IntArray, bool]:
        """Points, values, indices among all sites, and whether one point was given."""
        from tropix.kernels import atomic_minimum

        sites, costs, indices = self._present
        rows, single = checked_points(points, sites, costs, self.t)
        values, which = atomic_minimum(rows, sites, costs, 0.25 / self.t)
        return rows, values, indices[which] if len(costs) else which, single

    def value(self, points: npt.ArrayLike) -> FloatArray:
        """Values u(x, t), (n,); +∞ without present sites. The error is at most (d+4)·2⁻⁵³·(|g_j| + |x−y_j|²/(4t))."""
        _, values, _, single = self._minimum(points)
        return values.reshape(()) if single else values

    def minimiser(self, points: npt.ArrayLike, *, ties: bool = False) -> IntArray | tuple[tuple[int, ...], ...]:
        """The site that attains the minimum, (n,), in float64: ties go to the lowest index, −1 without sites.

        With ``ties`` a tuple for each point of all indices that attain it, decided exactly.
        """
        from tropix.pde._laguerre import exact_minimisers

        rows, values, which, single = self._minimum(points)
        if ties:
            return exact_minimisers(self, rows, values)
        return which.reshape(()) if single else which

    def gradient(self, points: npt.ArrayLike) -> FloatArray:
        """∇u = (x − y_j)/(2t) at the minimiser j, (n, d); at a shock that of the lowest index, 0 without sites."""
        rows, _, which, single = self._minimum(points)
        steps = rows - self.sites[which] if len(self._present[1]) else np.zeros_like(rows)
        result = steps / (2 * self.t)
        return result[0] if single else result

    def evolve(self, t: float) -> HopfLax:
        """The same initial data at another time t > 0."""
        return HopfLax(self.sites, self.costs, t)

    def viscous(self, eps: float) -> HopfCole:
        """The viscous solution with the same sites, costs and time."""
        from tropix.pde._hopf_cole import HopfCole

        return HopfCole(self.sites, self.costs, eps, self.t)

    @cached_property
    def _tropical(self) -> TropicalPolynomial:
        from tropix.polynomials import TropicalPolynomial

        sites, costs, _ = self._present
        place, reciprocal = Rationals.of(sites), Rationals.of(np.array([1 / (4 * Fraction(self.t))]))
        bias = -Rationals.of(costs) - squared_lengths(place) * reciprocal
        slopes = place * (reciprocal + reciprocal)[:, None]
        return TropicalPolynomial.from_rationals(Rationals.concatenate([slopes, bias[:, None]], axis=1))

    def to_tropical(self) -> TropicalPolynomial:
        """f_0(x) = |x|²/(4t) − u(x, t) = max_j (w_j·x + b_j), with rational weights: no rounding.

        Monomials are the present sites in their order; sites that are absent have none.
        """
        return self._tropical

    @cached_property
    def _active(self) -> IntArray:
        return self._present[2][self.to_tropical().pruning().kept]

    def active_sites(self) -> IntArray:
        """Indices of the sites that are the only minimiser on an open set, ascending, exactly.

        They are the vertices of the upper hull of the points (w_j, b_j). Of equal sites with equal costs the first is.
        """
        return self._active.copy()

    def subdivision(self) -> DualSubdivision:
        """The dual subdivision of the sites (a regular triangulation with duals of all dimensions), exactly.

        Facets of the shock set are the duals of its edges, ``subdivision().faces(1)``; monomials count present sites.
        """
        return self._subdivision

    @cached_property
    def _subdivision(self) -> DualSubdivision:
        return self.to_tropical().dual_subdivision()

    def shock_points(self) -> tuple[Fraction, ...]:
        """The shocks for d = 1, ascending, exactly. Raises `Unsupported` for other d."""
        if self.dimension != 1:
            raise Unsupported(f"shock points in {self.dimension} dimensions: use shock_curve (d = 2) or subdivision()")
        if not len(self._present[1]):
            return ()
        return tuple(sorted({root.point for root in self.to_tropical().roots() if isinstance(root.point, Fraction)}))

    def shock_curve(self) -> TropicalCurve:
        """The shocks for d = 2 as the tropical curve of f_0: edges, rays and triple points, exactly.

        The jump of ∇u across a part is the dual edge, at right angles to it. Raises `Unsupported` for other d,
        `InvalidInput` without present sites.
        """
        return self.subdivision().curve()

    def cell(self, site: int) -> Polyhedron:
        """The power cell of an active site: the points where no other is cheaper, {x : (w_i−w_j)·x ≤ b_j−b_i}.

        One halfspace for each neighbour (for d > 3 for each other active site), rounded to float64 from exact numbers.
        Raises `InvalidInput` for a site that is not active, whose cell has no interior.
        """
        from tropix.pde._laguerre import cell

        if site not in self._active:
            raise InvalidInput(f"site {site} is not active: its cell is empty or has no interior (see active_sites)")
        return cell(self, site)

    def volumes(self, box: BoxLike) -> FloatArray:
        """Lengths (d = 1) or areas (d = 2) of all cells within a bounded box, (N,), 0 for sites that are not active.

        Computed exactly and rounded once: the exact numbers add up to the volume of the box. Raises `Unsupported` for
        other d, `InvalidInput` for unbounded boxes and for polyhedra.
        """
        from tropix.pde._laguerre import volumes

        return volumes(self, box).floats()

    def plot(self, box: BoxLike, ax: Axes | None = None, *, pixels: int = 400) -> Axes:
        """Draw u (d = 1) or its cells and level lines (d = 2) on a bounded box, with the shocks."""
        from tropix.pde._plot import plot_solution

        return plot_solution(self, box, ax, pixels)

"""A grid solver for u_t + H(∇u) = εΔu in one and two dimensions, which knows nothing of closed-form solutions."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from tropix.arrays import FloatArray, frozen, temperature
from tropix.deadline import Deadline
from tropix.errors import InvalidInput
from tropix.pde._grid import Data, Grid, GridSolution, initial_values, product_points, sampled
from tropix.pde._hamiltonians import Bound, Hamiltonian, Speeds, quadratic_speeds, speeds_of

Scheme = Literal["weno5", "lax-friedrichs"]
Progress = Callable[[float, float], None]
BoundaryData = Callable[[FloatArray, float], npt.ArrayLike]
"""A function of points (n, d) and the time → values (n,)."""
RUNGE_KUTTA = ((0.0, 1.0, 0.0), (0.75, 0.25, 1.0), (1 / 3, 2 / 3, 0.5))
"""For each stage: share of the old values, share of the new, time of the stage in steps (Shu and Osher 1988)."""
DIFFUSION = {"lax-friedrichs": 2.0, "weno5": 2.25}
"""Bound of a step's ε/h² for stability: 2 keeps the scheme monotone; (16/3)/2.51 < 2.25 with differences of order 4."""
SAFETY = {"lax-friedrichs": 1.0, "weno5": 1.1}
"""WENO slopes may exceed the differences that they are made of by a little."""


def solve_on_grid(
    initial: Data | npt.ArrayLike,
    grid: Grid,
    t: float,
    *,
    eps: float = 0.0,
    hamiltonian: Hamiltonian | None = None,
    speeds: Speeds | Sequence[float] | None = None,
    scheme: Scheme = "weno5",
    boundary: BoundaryData | None = None,
    cfl: float = 0.5,
    max_step: float = math.inf,
    start: float = 0.0,
    time_limit: float | None = None,
    progress: Progress | None = None,
) -> GridSolution:
    """Solve u_t + H(∇u) = εΔu from ``start`` to ``t`` on a grid, for the viscosity solution.

    ``initial`` is an array of the grid's shape or a function of points (n, d). ``hamiltonian`` maps slopes (d, …) to
    values (…); without it H(p) = |p|². ``speeds`` bounds |∂H/∂p_k|: d numbers, or a function of the least and largest
    slopes (d,), (d,); without it they are estimated by differences of H on samples of that range.

    ``"lax-friedrichs"``: first order, explicit Euler; monotone, so convergent to the viscosity solution (Crandall and
    Lions 1984) if the speeds are bounds. ``"weno5"``: fifth order in space where u is smooth, with the third-order
    TVD method of Runge and Kutta in time (Jiang and Peng 2000; Shu and Osher 1988). Steps are ``cfl`` ∈ (0, 1] of the
    largest that convection and diffusion allow together, and at most ``max_step``.

    Beyond the ends of a grid that is not periodic u is ``boundary(points, time)``, or without it continued linearly,
    which is right where characteristics leave the domain.

    ``progress(time, t)`` is called after each step. After ``time_limit`` seconds, or an interrupt, the solution at the
    time then reached comes back; it is not ``complete``.

    Raises `InvalidInput` for shapes that do not match, NaN, t < start, cfl outside (0, 1], unknown schemes, and where
    the solution leaves float64 (speeds that are no bounds).

    >>> grid = Grid((-1, 1), (64,), periodic=True)
    >>> solution = solve_on_grid(lambda x: -np.cos(np.pi * x[:, 0]), grid, 0.02)
    >>> solution, solution.values.min().round(6)
    (<GridSolution on <Grid 64, periodic> at t=0.02 after 9 steps>, np.float64(-1.0))
    """
    march = _March(grid, temperature(eps), hamiltonian, speeds, _scheme(scheme), boundary, _checked_cfl(cfl), start)
    if not (math.isfinite(t) and t >= start and max_step > 0):
        raise InvalidInput(f"t = {t}, start = {start}, max_step = {max_step}: expected start <= t and max_step > 0")
    return march.run(initial, float(t), max_step, Deadline(time_limit), progress)


class _March:
    """One solution on its way; three padded arrays are used in turn."""

    def __init__(
        self,
        grid: Grid,
        eps: float,
        hamiltonian: Hamiltonian | None,
        speeds: Speeds | Sequence[float] | None,
        scheme: Scheme,
        boundary: BoundaryData | None,
        cfl: float,
        start: float,
    ) -> None:
        from tropix.kernels import HALO

        self.grid, self.eps, self.hamiltonian = grid, eps, hamiltonian
        self.scheme, self.weno, self.cfl, self.time = scheme, scheme == "weno5", cfl, float(start)
        self.spacing, self.halo = grid.spacing, HALO
        self.bound: Bound = (
            quadratic_speeds
            if hamiltonian is None and speeds is None
            else speeds_of(hamiltonian, speeds, grid.dimension)
        )
        self.boundary = boundary
        if boundary is not None and grid.periodic:
            raise InvalidInput("a periodic grid has no boundary: leave boundary out")
        rows = grid.shape[0] + 2 * HALO if grid.dimension == 2 else 1
        self.shape = (rows, grid.shape[-1] + 2 * HALO)
        self.inside = (slice(HALO, -HALO) if grid.dimension == 2 else slice(None), slice(HALO, -HALO))
        self.ghosts = [] if boundary is None else self._ghosts()

    def run(
        self, initial: Data | npt.ArrayLike, t: float, max_step: float, deadline: Deadline, progress: Progress | None
    ) -> GridSolution:
        base = np.zeros(self.shape)
        base[self.inside] = initial_values(initial, self.grid).reshape(base[self.inside].shape)
        self.reached = base, self.time, 0
        with contextlib.suppress(KeyboardInterrupt):  # what was reached is whole: a step is entered when it is done
            self._run(t, max_step, deadline, progress)
        now, time, steps = self.reached
        values = now[self.inside].reshape(self.grid.shape).copy()
        if not np.isfinite(values).all():
            raise InvalidInput("the solution left float64: the speeds given are no bounds, or the data are too steep")
        frozen(values)
        return GridSolution(self.grid, values, time, steps, time >= t)

    def _run(self, t: float, max_step: float, deadline: Deadline, progress: Progress | None) -> None:
        base, first, second = self.reached[0], np.zeros(self.shape), np.zeros(self.shape)
        while self.time < t and not deadline.passed:
            self._fill(base, self.time)
            step = min(self.largest_step(base), max_step)
            final = self.time + step >= t
            step = t - self.time if final else step
            if self.time + step == self.time and not final:
                raise InvalidInput(f"time steps vanish at t = {self.time}: slopes are too large for this grid")
            stages = RUNGE_KUTTA if self.weno else RUNGE_KUTTA[:1]
            now = base
            for number, (old, new, at) in enumerate(stages):
                if number:
                    self._fill(now, self.time + at * step)
                target = first if now is not first else second
                self._stage(now, base, (old, new), step, target)
                now = target
            base, first, second = now, base, second if now is first else first
            self.time = t if final else self.time + step
            self.reached = base, self.time, self.reached[2] + 1
            if progress is not None:
                progress(self.time, t)

    def _dissipation(self, u: FloatArray) -> FloatArray:
        """Bounds of |∂H/∂p_k| over the slopes of u, (d,)."""
        from tropix.kernels import largest_differences

        steepest = largest_differences(u)[-self.grid.dimension :] / self.spacing
        if not np.isfinite(steepest).all():
            raise InvalidInput("the solution left float64: the speeds given are no bounds, or the data are too steep")
        reach = SAFETY[self.scheme] * steepest
        return self.bound(-reach, reach)

    def largest_step(self, u: FloatArray) -> float:
        rate = float((self._dissipation(u) / self.spacing).sum())
        rate += DIFFUSION[self.scheme] * self.eps * float((1 / self.spacing**2).sum())
        return self.cfl / rate if rate > 0 else math.inf

    def _stage(
        self, u: FloatArray, base: FloatArray, shares: tuple[float, float], step: float, out: FloatArray
    ) -> None:
        from tropix.kernels import laplacian, one_sided_slopes, quadratic_stage

        dissipation = self._dissipation(u)
        if self.hamiltonian is None:
            quadratic_stage(u, base, shares, step, self.spacing, self.eps, dissipation, self.weno, out)
            return
        low, high = one_sided_slopes(u, self.spacing, self.weno)
        mean = ((low + high) / 2).reshape(self.grid.dimension, *self.grid.shape)
        energy = sampled_energy(self.hamiltonian, mean).reshape(low.shape[1:])
        change = 0.5 * np.tensordot(dissipation, high - low, axes=1) - energy
        if self.eps:
            change += self.eps * laplacian(u, self.spacing, self.weno)
        out[self.inside] = shares[0] * base[self.inside] + shares[1] * (u[self.inside] + step * change)

    def _ghosts(self) -> list[tuple[tuple[slice, slice], FloatArray]]:
        """Slices of the padded array beyond the ends, and their points."""
        halo, plane = self.halo, self.grid.dimension == 2
        near: tuple[slice, ...] = (slice(0, halo), slice(-halo, None))
        parts = []
        for k in range(self.grid.dimension):
            wide, inner = self.grid._axis(k, halo), self.inside[0]
            for end in near:
                axes = [wide[end] if i == k else axis for i, axis in enumerate(self.grid.axes)]
                place = (end, self.inside[1]) if plane and k == 0 else (inner, end)
                parts.append((place, product_points(axes)))
        return parts

    def _fill(self, u: FloatArray, time: float) -> None:
        if self.boundary is not None:
            for place, points in self.ghosts:
                values = sampled(lambda rows: self.boundary(rows, time), points, "boundary")  # type: ignore[misc]
                u[place] = values.reshape(u[place].shape)
            return
        extend(u, self.halo, self.grid.periodic)
        if self.grid.dimension == 2:
            extend(u.T, self.halo, self.grid.periodic)


def extend(u: FloatArray, halo: int, periodic: bool) -> None:
    """Fill the halo along the last axis: periodically, or linearly from the last two values."""
    if periodic:
        u[:, :halo] = u[:, -2 * halo : -halo]
        u[:, -halo:] = u[:, halo : 2 * halo]
        return
    for k in range(halo):
        u[:, halo - 1 - k] = 2 * u[:, halo - k] - u[:, halo - k + 1]
        u[:, k - halo] = 2 * u[:, k - halo - 1] - u[:, k - halo - 2]


def sampled_energy(hamiltonian: Hamiltonian, slopes: FloatArray) -> FloatArray:
    """Values of a Hamiltonian of the shape that is expected."""
    values = np.asarray(hamiltonian(slopes), dtype=np.float64)
    if values.shape != slopes.shape[1:]:
        raise InvalidInput(f"the Hamiltonian maps slopes {slopes.shape} to {values.shape}: expected {slopes.shape[1:]}")
    return values


def _scheme(scheme: str) -> Scheme:
    if scheme not in DIFFUSION:
        raise InvalidInput(f"scheme {scheme!r}: expected one of {', '.join(DIFFUSION)}")
    return "weno5" if scheme == "weno5" else "lax-friedrichs"


def _checked_cfl(cfl: float) -> float:
    if not 0 < cfl <= 1:
        raise InvalidInput(f"cfl = {cfl}: expected 0 < cfl <= 1")
    return float(cfl)

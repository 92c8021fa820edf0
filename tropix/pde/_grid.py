"""Grids of one and two dimensions, and values on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tropix.arrays import FloatArray
from tropix.boxes import Box, BoxLike, Polyhedron
from tropix.errors import InvalidInput, Unsupported

Data = Callable[[FloatArray], npt.ArrayLike]
"""A function of points (n, d) → values (n,)."""
LEAST_NODES = 4


@dataclass(frozen=True, eq=False, repr=False)
class Grid:
    """Equidistant points of a bounded box: ``shape`` of them, ends included, or without the upper end if periodic.

    ``spacing`` (d,) is (upper − lower)/(n−1), periodic (upper − lower)/n. Raises `InvalidInput` for unbounded boxes and
    fewer than 4 points an axis, `Unsupported` for d > 2.

    >>> Grid((0, 1), (5,)).axes[0], Grid((0, 1), (4,), periodic=True).axes[0]
    (array([0.  , 0.25, 0.5 , 0.75, 1.  ]), array([0.  , 0.25, 0.5 , 0.75]))
    """

    box: Box
    shape: tuple[int, ...]
    periodic: bool

    def __init__(self, box: BoxLike, shape: Sequence[int], *, periodic: bool = False) -> None:
        if isinstance(shape, int):
            raise InvalidInput(f"grid of shape {shape}: expected a number of points for each axis, such as ({shape},)")
        sizes = tuple(int(n) for n in shape)
        if len(sizes) not in (1, 2):
            raise Unsupported(f"a grid of {len(sizes)} dimensions: one and two are supported")
        if min(sizes) < LEAST_NODES:
            raise InvalidInput(f"grid of shape {sizes}: expected at least {LEAST_NODES} points an axis")
        domain = Box.of(box, len(sizes))
        if not domain.bounded or (domain.lower == domain.upper).any() or isinstance(domain, Polyhedron):
            raise InvalidInput("a grid needs a bounded box with an interior, without halfspaces")
        object.__setattr__(self, "box", domain)
        object.__setattr__(self, "shape", sizes)
        object.__setattr__(self, "periodic", periodic)

    def __repr__(self) -> str:
        return f"<Grid {'x'.join(map(str, self.shape))}{', periodic' if self.periodic else ''}>"

    @property
    def dimension(self) -> int:
        """Number of axes d."""
        return len(self.shape)

    @property
    def spacing(self) -> FloatArray:
        """Distance of neighbours along each axis, (d,)."""
        return np.asarray((self.box.upper - self.box.lower) / (np.array(self.shape) - (not self.periodic)))

    @property
    def axes(self) -> tuple[FloatArray, ...]:
        """Coordinates along each axis."""
        return tuple(self._axis(k, 0) for k in range(self.dimension))

    def _axis(self, k: int, margin: int) -> FloatArray:
        return np.asarray(self.box.lower[k] + np.arange(-margin, self.shape[k] + margin) * self.spacing[k])

    @property
    def points(self) -> FloatArray:
        """All points, (∏ shape, d), the last axis fastest."""
        return product_points(self.axes)


@dataclass(frozen=True, eq=False, repr=False)
class GridSolution:
    """Values (grid.shape) at time ``t``, reached in ``steps`` steps; not ``complete`` if a later time was asked for."""

    grid: Grid
    values: FloatArray
    t: float
    steps: int
    complete: bool = True

    def __repr__(self) -> str:
        return f"<GridSolution on {self.grid} at t={self.t:g} after {self.steps} steps>"

    def errors(self, exact: Data) -> FloatArray:
        """|values − exact(points)|, of the grid's shape."""
        return np.abs(self.values - sampled(exact, self.grid.points, "exact").reshape(self.grid.shape))


def product_points(axes: Sequence[FloatArray]) -> FloatArray:
    """The points of a product of axes, (n, d), the last axis fastest."""
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))


def sampled(function: Data, points: FloatArray, name: str) -> FloatArray:
    """Finite values (n,) of a function; raises `InvalidInput` for others."""
    values = np.asarray(function(points), dtype=np.float64)
    if values.shape != (len(points),) or not np.isfinite(values).all():
        raise InvalidInput(
            f"{name} gave shape {values.shape} at {len(points)} points: expected finite ({len(points)},)"
        )
    return values


def initial_values(initial: Data | npt.ArrayLike, grid: Grid) -> FloatArray:
    """Initial values of the grid's shape; raises `InvalidInput` for other shapes and what is not finite."""
    if callable(initial):
        return sampled(initial, grid.points, "initial").reshape(grid.shape)
    values = np.asarray(initial, dtype=np.float64)
    if values.shape != grid.shape or not np.isfinite(values).all():
        raise InvalidInput(f"initial values of shape {values.shape}: expected finite ones of shape {grid.shape}")
    return values

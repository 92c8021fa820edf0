"""Boxes and polyhedra: the domains on which functions are pruned and bounded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from tropix.arrays import BoolArray, FloatArray, frozen, real_array
from tropix.errors import InvalidInput


@dataclass(frozen=True, eq=False)
class Box:
    """The box ∏ [lower_i, upper_i] ⊂ ℝ^d; infinite ends are allowed, an empty box is not.

    >>> box = Box.of((-1, [1, 2]), 2)
    >>> box.contains([[0, 0], [0, 3]])
    array([ True, False])
    """

    lower: FloatArray
    upper: FloatArray

    def __post_init__(self) -> None:
        for name in ("lower", "upper"):
            array = np.array(getattr(self, name), dtype=np.float64) + 0.0
            if array.ndim != 1:
                raise InvalidInput(f"box {name} has shape {array.shape}: expected (d,)")
            frozen(array)
            object.__setattr__(self, name, array)
        if self.lower.shape != self.upper.shape:
            raise InvalidInput(f"box ends have shapes {self.lower.shape} and {self.upper.shape}")
        if np.isnan(self.lower).any() or np.isnan(self.upper).any():
            raise InvalidInput("box contains NaN")
        if np.isposinf(self.lower).any() or np.isneginf(self.upper).any():
            raise InvalidInput("box has a lower end of +inf or an upper end of -inf: it is empty")
        empty = np.flatnonzero(self.lower > self.upper)
        if empty.size:
            i = int(empty[0])
            raise InvalidInput(f"box is empty: coordinate {i} has lower {self.lower[i]} > upper {self.upper[i]}")

    @classmethod
    def of(cls, value: BoxLike, dimension: int) -> Box:
        """Read a box from a `Box` or a pair (lower, upper), each a number for all coordinates or d of them."""
        if isinstance(value, Box):
            box = value
        else:
            try:
                lower, upper = value
                ends = [np.broadcast_to(np.asarray(end, dtype=np.float64), (dimension,)) for end in (lower, upper)]
            except (TypeError, ValueError) as error:
                raise InvalidInput(
                    f"box must be (lower, upper), each a number or {dimension} of them: {error}"
                ) from None
            box = cls(ends[0], ends[1])
        if box.dimension != dimension:
            raise InvalidInput(f"box has {box.dimension} coordinates: expected {dimension}")
        return box

    @classmethod
    def parse(cls, text: str, dimension: int) -> Box:
        """Read ``"-1,1"`` (every coordinate) or ``"-1,1;0,2"`` (one interval a coordinate); also ``"-1:1,0:2"``."""
        if ":" in text:
            text = text.replace(",", ";").replace(":", ",")
        try:
            pairs = [[float(number) for number in part.split(",")] for part in text.split(";")]
            ends = np.array(pairs, dtype=np.float64)
            if ends.ndim != 2 or ends.shape[1] != 2 or len(ends) not in (1, dimension):
                raise ValueError
        except ValueError:
            raise InvalidInput(
                f"box {text!r}: expected 'lower,upper' for all coordinates or {dimension} such pairs joined by ';'"
            ) from None
        return cls.of((ends[:, 0], ends[:, 1]) if len(ends) > 1 else (ends[0, 0], ends[0, 1]), dimension)

    @property
    def dimension(self) -> int:
        """Number of coordinates d."""
        return len(self.lower)

    @property
    def bounded(self) -> bool:
        """Whether both ends of every interval are finite."""
        return bool(np.isfinite(self.lower).all() and np.isfinite(self.upper).all())

    def contains(self, points: npt.ArrayLike) -> BoolArray:
        """For each row of points (n, d), whether it lies in the closed box."""
        array = np.asarray(points, dtype=np.float64)
        return np.asarray(((array >= self.lower) & (array <= self.upper)).all(axis=-1), dtype=np.bool_)

    def outside(self, points: npt.ArrayLike) -> list[int]:
        """The indices of the rows of points (n, d) that do not lie in the closed box."""
        return [int(i) for i in np.flatnonzero(~self.contains(points))]

    def sample(self, count: int, rng: np.random.Generator) -> FloatArray:
        """Draw points uniformly; an unbounded interval is cut to length 2 at its finite end (or [−1, 1])."""
        lower = np.where(np.isfinite(self.lower), self.lower, np.where(np.isfinite(self.upper), self.upper - 2, -1))
        upper = np.where(np.isfinite(self.upper), self.upper, lower + 2)
        share = rng.uniform(size=(count, self.dimension))
        return np.asarray(np.clip(lower * (1 - share) + upper * share, lower, upper))


@dataclass(frozen=True, eq=False)
class Polyhedron(Box):
    """The points of a box with weights·x ≤ bounds; weights (H, d), bounds (H,). Its interior must not be empty.

    Wherever a box is taken a polyhedron may stand. Pruning, compilation and equivalence use its halfspaces; bounds of
    circuits use the box around it alone, which is sound. `contains` decides in float64.

    >>> triangle = Polyhedron.where([[1, 1]], [1], (0, 1))
    >>> triangle.contains([[0.2, 0.3], [0.8, 0.7]])
    array([ True, False])
    """

    weights: FloatArray
    bounds: FloatArray

    def __post_init__(self) -> None:
        super().__post_init__()
        weights, bounds = real_array(self.weights, "weights", 2), real_array(self.bounds, "bounds", 1)
        if weights.shape != (len(bounds), self.dimension):
            raise InvalidInput(
                f"weights {weights.shape} and bounds {bounds.shape} of halfspaces: expected (H, {self.dimension}), (H,)"
            )
        for name, array in (("weights", weights), ("bounds", bounds)):
            frozen(array)
            object.__setattr__(self, name, array)

    @classmethod
    def where(cls, weights: npt.ArrayLike, bounds: npt.ArrayLike, box: BoxLike | None = None) -> Polyhedron:
        """The points with weights·x ≤ bounds, of ℝ^d or of a box."""
        rows = real_array(weights, "weights", 2)
        around = Box.of((-np.inf, np.inf) if box is None else box, rows.shape[1])
        return cls(around.lower, around.upper, rows, real_array(bounds, "bounds", 1))

    def contains(self, points: npt.ArrayLike) -> BoolArray:
        """For each row of points (n, d), whether it satisfies all inequalities, evaluated in float64."""
        array = np.asarray(points, dtype=np.float64)
        return np.asarray(super().contains(array) & (array @ self.weights.T <= self.bounds).all(axis=-1))

    def sample(self, count: int, rng: np.random.Generator) -> FloatArray:
        """Draw points by hit-and-run from a Chebyshev centre; unbounded directions are cut at length about 1."""
        point = self._centre()
        free = self.lower < self.upper
        points = np.empty((count, self.dimension))
        for i in range(count):
            for _ in range(3):
                step = rng.normal(size=self.dimension) * free
                rates = np.concatenate([self.weights @ step, step, -step])
                room = np.concatenate([self.bounds - self.weights @ point, self.upper - point, point - self.lower])
                with np.errstate(divide="ignore", invalid="ignore"):
                    limits = np.maximum(room, 0.0) / rates
                ahead = min(1.0, float(limits[rates > 0].min(initial=1.0)))
                behind = max(-1.0, float(limits[rates < 0].max(initial=-1.0)))
                moved = point + rng.uniform(behind, ahead) * step
                point = moved if self.contains(moved) else point
            points[i] = point
        return points

    def _centre(self) -> FloatArray:
        """The centre of a largest ball of radius at most 1 in the halfspaces, cut to the box."""
        from scipy.optimize import linprog

        length = np.linalg.norm(self.weights, axis=1)
        left = np.column_stack([self.weights, length])
        answer = linprog(
            np.append(np.zeros(self.dimension), -1.0),
            A_ub=left,
            b_ub=self.bounds,
            bounds=[*zip(self.lower, self.upper, strict=True), (0, 1)],
        )
        if answer.status != 0:
            raise InvalidInput("the polyhedron is empty: no point satisfies all inequalities")
        return np.asarray(np.clip(answer.x[:-1], self.lower, self.upper))


BoxLike: TypeAlias = Box | tuple[npt.ArrayLike, npt.ArrayLike]

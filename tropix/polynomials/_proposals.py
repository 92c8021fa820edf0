"""Floating-point proposals for pruning: who dominates whom, and where a monomial might win. They decide nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tropix.arrays import FloatArray, IntArray
from tropix.boxes import Box
from tropix.kernels import max_affine

TINY = 1e-300
COPLANAR = 32
"""How many coplanar facets are tried for one monomial before a linear program is."""
FAR = 1e6
"""Half-width, in scaled coordinates, of the box that keeps the linear programs feasible."""


@dataclass(frozen=True)
class Scaling:
    """Centred and scaled rows; a scaled point x' is the point x = x'·slope."""

    weights: FloatArray
    bias: FloatArray
    slope: FloatArray

    @classmethod
    def of(cls, weights: FloatArray, bias: FloatArray) -> Scaling:
        """Scale every coordinate of the exponents, and the coefficients, into [−1, 1].

        Numbers whose differences overflow give proposals without meaning, which the exact tests then reject.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            moved, level = weights - weights.mean(axis=0), bias - bias.mean()
        width = np.abs(moved).max(axis=0, initial=0.0)
        height = float(np.abs(level).max(initial=0.0))
        if not (np.isfinite(width).all() and np.isfinite(height)):
            return cls(np.zeros_like(weights), np.zeros_like(bias), np.ones(weights.shape[1]))
        width[width < TINY] = 1.0
        height = height if height >= TINY else 1.0
        with np.errstate(over="ignore", under="ignore"):
            slope = np.clip(height / width, TINY, 1 / TINY)
        return cls(moved / width, level / height, slope)

    def point(self, scaled: FloatArray) -> FloatArray:
        """The point that a scaled point stands for; infinite where it overflows."""
        with np.errstate(over="ignore"):
            return np.asarray(scaled * self.slope)


@dataclass(frozen=True)
class HullProposal:
    """Upper hull by Qhull: the facet above each other index, and for each vertex a candidate witness.

    Facet f is the upper plane w ↦ levels_f − dual_f·w through the d+1 points ``facets[f]``.
    """

    facets: IntArray
    dual: FloatArray
    levels: FloatArray
    above: dict[int, int]
    witnesses: dict[int, FloatArray]

    def supports(self, weights: FloatArray, k: int) -> Iterator[list[int]]:
        """Supports that may dominate k: the facet above it, then those that tie with it (coplanar facets)."""
        first = self.above[k]
        yield self.facets[first].tolist()
        heights = self.levels - self.dual @ weights[k]
        ties = np.flatnonzero(heights <= heights[first] + 1e-9 * (1 + abs(heights[first])))
        for f in ties[ties != first][:COPLANAR]:
            yield self.facets[f].tolist()


def upper_hull(scaling: Scaling) -> HullProposal | None:
    """Propose the vertices of the upper hull of (w_j, b_j); None where Qhull finds the points degenerate."""
    from scipy.spatial import ConvexHull, QhullError

    weights, bias = scaling.weights, scaling.bias
    count, dimension = weights.shape
    lifted = np.column_stack([weights, bias])
    # A deep point below makes the lower hull trivial and its facets the recession directions.
    lifted = np.vstack([lifted, np.append(np.zeros(dimension), -1e4)])
    try:
        hull = ConvexHull(lifted, qhull_options="Qt")
    except (QhullError, ValueError):
        return None
    normals, offsets = hull.equations[:, :-1], hull.equations[:, -1]
    upper = (normals[:, -1] > 1e-12) & (hull.simplices != count).all(axis=1)
    if not upper.any():
        return None
    facets = hull.simplices[upper]
    dual = normals[upper, :-1] / normals[upper, -1:]
    levels = -offsets[upper] / normals[upper, -1]

    vertices = np.unique(facets)
    sums, hits, rays = np.zeros((count, dimension)), np.zeros(count), np.zeros((count, dimension))
    for corner in range(facets.shape[1]):
        np.add.at(sums, facets[:, corner], dual)
        np.add.at(hits, facets[:, corner], 1.0)
    side = hull.simplices[~upper]
    outward = normals[~upper, :-1]
    length = np.linalg.norm(outward, axis=1, keepdims=True)
    outward = outward / np.where(length == 0, 1.0, length)
    for corner in range(side.shape[1]):
        inside = side[:, corner] < count
        np.add.at(rays, side[inside, corner], outward[inside])
    points = sums[vertices] / hits[vertices, None] + rays[vertices]
    witnesses = {int(k): scaling.point(point) for k, point in zip(vertices, points, strict=True)}

    rest = np.setdiff1d(np.arange(count), vertices)
    # The facet above w is the lowest upper plane there: min_f (−dual_f·w + level_f).
    _, above = max_affine(np.ascontiguousarray(weights[rest]), np.ascontiguousarray(dual), -levels)
    located = {int(k): int(f) for k, f in zip(rest, above, strict=True) if f >= 0}
    return HullProposal(facets.astype(np.int64), dual, levels, located, witnesses)


@dataclass(frozen=True)
class LinearProposal:
    """What one linear program suggests about a monomial: its gap, a point, and the basic columns."""

    gap: float
    point: FloatArray
    columns: list[int]


class DominanceProgram:
    """The linear program of pruning in HiGHS; consecutive monomials differ by a right-hand side, so it stays warm.

    Columns 0…N−1 are monomials, then the finite ends of the box in the order of `box_ends`.
    """

    def __init__(self, scaling: Scaling, box: Box | None, ends: list[tuple[int, int, float]]) -> None:
        import highspy
        from scipy.sparse import csc_array

        self._infinity = highspy.kHighsInf
        weights, bias = scaling.weights, scaling.bias
        self.scaling = scaling
        self.count, self.dimension = weights.shape
        self.real = self.count + len(ends)
        matrix = np.zeros((self.dimension + 1, self.real + 2 * self.dimension))
        matrix[:-1, : self.count] = weights.T
        matrix[-1, : self.count] = 1.0
        costs = np.concatenate([bias, np.zeros(len(ends)), np.full(2 * self.dimension, -FAR)])
        for j, (coordinate, sign, end) in enumerate(ends, start=self.count):
            matrix[coordinate, j] = sign
            costs[j] = -sign * float(np.clip(end / scaling.slope[coordinate], -FAR, FAR))
        for i in range(self.dimension):
            matrix[i, self.real + 2 * i] = 1.0
            matrix[i, self.real + 2 * i + 1] = -1.0
        sparse = csc_array(matrix)
        program = highspy.HighsLp()
        program.num_col_, program.num_row_ = matrix.shape[1], matrix.shape[0]
        program.col_cost_ = -costs
        program.col_lower_ = np.zeros(matrix.shape[1])
        program.col_upper_ = np.full(matrix.shape[1], self._infinity)
        program.row_lower_ = program.row_upper_ = np.zeros(matrix.shape[0])
        program.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        program.a_matrix_.start_ = sparse.indptr
        program.a_matrix_.index_ = sparse.indices
        program.a_matrix_.value_ = sparse.data
        self.solver = highspy.Highs()
        for option, value in (
            ("output_flag", False),
            ("threads", 1),
            ("presolve", "off"),
            ("solver", "simplex"),
        ):
            self.solver.setOptionValue(option, value)
        self.solver.passModel(program)
        self._optimal = highspy.HighsModelStatus.kOptimal

    def remove(self, k: int) -> None:
        """Take monomial k out of every program to come."""
        self.solver.changeColBounds(k, 0.0, 0.0)

    def propose(self, k: int) -> LinearProposal | None:
        """Solve the program of monomial k against the monomials still in; None when the solver did not finish."""
        solver = self.solver
        solver.changeColBounds(k, 0.0, 0.0)
        for i, value in enumerate([*self.scaling.weights[k].tolist(), 1.0]):
            solver.changeRowBounds(i, value, value)
        solver.run()
        finished = solver.getModelStatus() == self._optimal
        proposal = None
        if finished:
            level = -solver.getInfo().objective_function_value
            point = self.scaling.point(np.array(solver.getSolution().row_dual[: self.dimension]))
            basic: IntArray = np.asarray(solver.getBasicVariables()[1], dtype=np.int64)
            columns = [int(j) for j in basic if 0 <= j < self.real]
            proposal = LinearProposal(float(self.scaling.bias[k] - level), point, columns)
        solver.changeColBounds(k, 0.0, self._infinity)
        return proposal

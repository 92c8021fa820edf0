"""Floating-point proposals for faces of the lower convex hull of data. They decide nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tropix.arrays import FloatArray

TINY = 1e-300
FAR = 1e6
"""Price of leaving the hull, in scaled coordinates: it keeps the programs feasible, and bounds the slopes."""


@dataclass(frozen=True)
class FaceProposal:
    """The points that a face may go through, and its slope."""

    points: list[int]
    slope: FloatArray


class EnvelopeProgram:
    """min Σ λ_j v_j over convex combinations of points with mean x_k, in HiGHS; warm from one k to the next."""

    def __init__(self, points: FloatArray, values: FloatArray) -> None:
        import highspy
        from scipy.sparse import csc_array

        self._infinity = highspy.kHighsInf
        self.count, self.dimension = points.shape
        self.places, width = _scaled(points)
        heights, height = _scaled(values[:, None])
        with np.errstate(over="ignore", under="ignore"):
            self._slope_unit = height[0] / width
        ones, away = np.ones((1, self.count)), np.eye(self.dimension + 1, self.dimension)
        matrix = csc_array(np.hstack([np.vstack([self.places.T, ones]), away, -away]))
        program = highspy.HighsLp()
        program.num_row_, program.num_col_ = matrix.shape
        program.col_cost_ = np.concatenate([heights[:, 0], np.full(2 * self.dimension, FAR)])
        program.col_lower_ = np.zeros(matrix.shape[1])
        program.col_upper_ = np.full(matrix.shape[1], self._infinity)
        program.row_lower_ = program.row_upper_ = np.zeros(matrix.shape[0])
        program.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        program.a_matrix_.start_ = matrix.indptr
        program.a_matrix_.index_ = matrix.indices
        program.a_matrix_.value_ = matrix.data
        self.solver = highspy.Highs()
        for option, value in (("output_flag", False), ("threads", 1), ("presolve", "off"), ("solver", "simplex")):
            self.solver.setOptionValue(option, value)
        self.solver.passModel(program)
        self._optimal = highspy.HighsModelStatus.kOptimal

    def face(self, k: int) -> FaceProposal | None:
        """A face at point k, which takes part; None if the solver did not finish."""
        for i, value in enumerate([*self.places[k].tolist(), 1.0]):
            self.solver.changeRowBounds(i, value, value)
        self.solver.run()
        if self.solver.getModelStatus() != self._optimal:
            return None
        basic = np.asarray(self.solver.getBasicVariables()[1], dtype=np.int64)
        dual = np.array(self.solver.getSolution().row_dual[: self.dimension])
        with np.errstate(over="ignore", invalid="ignore"):
            return FaceProposal([int(j) for j in basic if 0 <= j < self.count], dual * self._slope_unit)

    def face_below(self, k: int) -> FaceProposal | None:
        """A face of the other points, below or above k: its slope is a tangent's if k is a vertex of the hull."""
        self.solver.changeColBounds(k, 0.0, 0.0)
        proposal = self.face(k)
        self.solver.changeColBounds(k, 0.0, self._infinity)
        return proposal


def _scaled(columns: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Columns moved and scaled into [−1, 1], and the widths; zeros, which propose nothing, where that overflows."""
    with np.errstate(over="ignore", invalid="ignore"):
        moved = columns - columns.mean(axis=0)
    width = np.abs(moved).max(axis=0, initial=0.0)
    if not np.isfinite(width).all():
        return np.zeros_like(columns), np.ones_like(width)
    width[width < TINY] = 1.0
    return np.asarray(moved / width), np.asarray(width)

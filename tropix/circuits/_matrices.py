"""Helpers for matrices that are dense or sparse."""

from __future__ import annotations

import numpy as np

from tropix.arrays import FloatArray
from tropix.circuits._nodes import Matrix

UNIT = 2.0**-53
"""Unit roundoff of float64."""


def dense(matrix: Matrix) -> FloatArray:
    """The matrix as a dense array."""
    return matrix if isinstance(matrix, np.ndarray) else np.asarray(matrix.toarray(), dtype=np.float64)


def parts(matrix: Matrix) -> tuple[Matrix, Matrix]:
    """A⁺ and A⁻, both nonnegative, with A = A⁺ − A⁻."""
    if isinstance(matrix, np.ndarray):
        return np.maximum(matrix, 0.0), np.maximum(-matrix, 0.0)
    return matrix.maximum(0.0), (-matrix).maximum(0.0)

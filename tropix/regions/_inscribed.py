"""Largest balls in cells."""

from __future__ import annotations

import numpy as np

from tropix.arrays import FloatArray, IntArray

FAR = 1e6
"""Balls that only this bound of the coordinates, in units of the cell, keeps from growing are of every size."""


def inscribed_radii(rows: FloatArray, offsets: IntArray, points: FloatArray) -> FloatArray:
    """The radius of a largest ball in each cell {x : a·x + b ≤ 0} with rows (a, b), |a| = 1; ∞ where there is none.

    It is −z* of z* = min { z : a·x + b ≤ z }, one small linear program a cell (`tropix.kernels.cell_programs`).
    """
    from tropix.kernels import cell_programs

    d = points.shape[1]
    radii = np.full(len(points), np.inf)
    nowhere, everywhere = np.full((1, 1), -1), np.array([np.full(d, -np.inf), np.full(d, np.inf)])
    for q in range(len(points)):
        part = rows[offsets[q] : offsets[q + 1]]
        if not len(part):
            continue
        at = part[:, :-1] @ points[q] + part[:, -1]
        scale = float(-at.min())
        table = np.vstack([part[:, :-1].T, at / scale])
        gaps, _, bases = cell_programs(
            table, np.array([0, len(part)]), np.zeros((1, 1, d + 1)), nowhere, everywhere, FAR
        )
        if (bases[0] < len(part)).all():
            radii[q] = -gaps[0] * scale
    return radii

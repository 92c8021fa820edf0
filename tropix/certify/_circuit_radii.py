"""The largest radii at which bounds of margins are positive, for many points at once."""

from __future__ import annotations

import numpy as np

from tropix.arrays import FloatArray, IntArray
from tropix.certify._circuit_margins import Bounds, Margins
from tropix.deadline import Deadline

ROUNDS = 60


def largest_radii(
    margins: Margins,
    which: IntArray,
    method: Bounds,
    proved: FloatArray,
    starts: FloatArray,
    ceiling: float,
    precision: float,
    deadline: Deadline,
) -> FloatArray:
    """Radii ≤ ceiling, up to the relative ``precision``, that the bounds prove; not below those ``proved``.

    From ``starts`` radii grow or shrink until the bound changes sign; then the secant, and the middle where it is slow.
    A passed deadline ends the search. Bounds need not fall steadily: what is returned was bounded itself.
    """
    floor, above = proved.copy(), np.full(len(which), np.inf)
    heights = np.full(len(which), np.nan), np.full(len(which), np.nan)
    radii = np.where(proved > 0, 1.05 * np.maximum(starts, proved), starts)
    active = np.arange(len(which))
    for step in range(ROUNDS):
        radii = np.minimum(radii, ceiling)
        active = active[~_settled(floor[active], above[active], radii[active], starts[active], ceiling, precision)]
        if not len(active) or (step and deadline.passed):
            break
        bound = margins.worst(which[active], radii[active], method)
        good = bound > 0
        up, down = active[good], active[~good]
        floor[up], heights[0][up] = radii[up], bound[good]
        above[down], heights[1][down] = radii[down], bound[~good]
        radii[active] = _next(floor, above, heights, active, step, 1.3 if method == "slopes" else 2.0)
    return floor


def _settled(
    floor: FloatArray, above: FloatArray, radii: FloatArray, starts: FloatArray, ceiling: float, precision: float
) -> np.ndarray:
    near = np.isfinite(above) & (above - np.minimum(floor, above) <= precision * above)
    return near | (floor >= ceiling) | (above < 1e-9 * starts) | (radii <= floor)


def _next(
    floor: FloatArray,
    above: FloatArray,
    heights: tuple[FloatArray, FloatArray],
    active: IntArray,
    step: int,
    growth: float,
) -> FloatArray:
    """More, or a quarter, of the radius without an end above or below; else a point between."""
    low, high = floor[active], above[active]
    ends = heights[0][active], heights[1][active]
    with np.errstate(invalid="ignore", divide="ignore"):
        share = ends[0] / (ends[0] - ends[1])
        room = np.where(np.isfinite(high), high, 0.0) - low
        # a little to the side of the secant's root that is farther from an end: both ends come near
        share = np.where(share > 0.5, share - 0.02 * share, share + 0.02 * (1 - share))
        usable = np.isfinite(share) & (step % 3 != 2)
        between = low + room * np.where(usable, np.clip(share, 0.002, 0.998), 0.5)
    between = np.where(low > 0, between, 0.25 * high)
    return np.where(np.isfinite(high), between, growth * low)

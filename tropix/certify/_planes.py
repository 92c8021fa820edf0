"""Planes below and above ⊕_ε of a segment, for a batch of boxes of the differences of its entries.

⊕_ε(y) = y_p + ⊕_ε(y − y_p): planes are made from bounds l ≤ y_i − y_p ≤ u of the differences to one entry, the pivot p,
whose own difference is 0. Entries that do not take part have l = u = −∞.

Below: for weights π of the simplex ⊕_ε(y) ≥ π·y + ε H(π), which is the tangent plane where π are the Gibbs weights.
Above: α·y + c, with Σα = 1, is valid once c ≥ ⊕_ε(δ) − α·δ at the corners of the box of δ, since ⊕_ε is convex.
The planes hold up to the rounding of their own weights and constants, of which `SegmentPlanes.size` bounds the terms.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from tropix.arrays import BoolArray, FloatArray, IntArray

CORNER_WIDTH = 4
"""Segments of at most so many entries are bounded above at all corners of their box."""

Entry = TypeVar("Entry", np.float64, np.bool_)


@dataclass(frozen=True, eq=False)
class Layout:
    """The entries of K segments as a table (K, W), padded where a segment is narrower than the widest."""

    segments: IntArray

    @cached_property
    def widths(self) -> IntArray:
        """Number of entries of each segment."""
        return np.diff(self.segments)

    @cached_property
    def present(self) -> BoolArray:
        """Which places of the table (K, W) hold an entry."""
        return np.asarray(np.arange(int(self.widths.max())) < self.widths[:, None])

    @cached_property
    def entries(self) -> IntArray:
        """The entry at each place, (K, W); the segment's first one where there is none."""
        places = self.segments[:-1, None] + np.arange(self.present.shape[1])
        return np.where(self.present, places, self.segments[:-1, None])

    @cached_property
    def owner(self) -> IntArray:
        """The segment of each entry."""
        return np.repeat(np.arange(len(self.widths)), self.widths)

    def table(self, values: FloatArray, absent: float) -> FloatArray:
        """Values (..., M) of entries as (..., K, W)."""
        return np.where(self.present, values[..., self.entries], absent)

    def flat(self, table: npt.NDArray[Entry]) -> npt.NDArray[Entry]:
        """The entries (..., M) of a table (..., K, W)."""
        return np.ascontiguousarray(table[..., self.present])


@dataclass(frozen=True, eq=False)
class SegmentPlanes:
    """For K segments in B boxes: slopes (B, K, W) and constants (B, K) of a plane below and one above.

    ``size`` (B, K) bounds the absolute terms that went into the constants.
    """

    lower: FloatArray
    lower_constant: FloatArray
    upper: FloatArray
    upper_constant: FloatArray
    size: FloatArray


def segment_planes(
    low: FloatArray, high: FloatArray, pivot: IntArray, eps: float, grid: float | None = None
) -> SegmentPlanes:
    """Planes of ⊕_ε from bounds (B, K, W) of the differences to the pivot (B, K).

    Below: the tangent at the middle of the box, at ε = 0 the entry that is largest there. Above: the secant where two
    entries remain, at ε = 0 the plane through the level t = max l or, where that lies lower at the middle of the box,
    the third largest u; for ε > 0 and wider segments the tangent of ε log Σ (chord of e^{δ/ε}), after Shi et al.
    (2020), or the plane of the maximum raised by ε log N, whichever lies lower at the middle. Slopes are rounded to
    multiples of 1/``grid`` first.
    """
    middle = np.where(np.isfinite(low), 0.5 * (low + high), -np.inf)
    lower = on_grid(tangent_weights(middle, eps), grid)
    at_max, constant = _above_maximum(low, high, grid)
    if eps > 0.0:
        count = np.isfinite(low).sum(axis=2)
        constant = constant + eps * np.log(count)
        other, other_constant = _above_sum(low, high, eps, grid)
        centre = np.where(np.isfinite(middle), middle, 0.0)
        better = (other * centre).sum(axis=2) + other_constant < (at_max * centre).sum(axis=2) + constant
        at_max = np.where(better[..., None], other, at_max)
        constant = np.where(better, other_constant, constant)
    finite_low, finite_high = (np.where(np.isfinite(end), np.abs(end), 0.0) for end in (low, high))
    size = finite_high.max(axis=2) + (at_max * (finite_low + finite_high)).sum(axis=2) + np.abs(constant)
    if eps > 0.0:
        size = size + eps * (1.0 + np.log(low.shape[2]))
    rest = 1.0 - at_max.sum(axis=2)
    spread = np.take_along_axis(at_max, pivot[..., None], axis=2)
    np.put_along_axis(at_max, pivot[..., None], spread + rest[..., None], axis=2)
    return SegmentPlanes(lower, entropy_constant(lower, eps), at_max, constant, size)


def tangent_weights(point: FloatArray, eps: float) -> FloatArray:
    """The Gibbs weights (B, K, W) at a point; at ε = 0 all weight on the first largest entry."""
    if eps == 0.0:
        return np.asarray((np.arange(point.shape[2]) == point.argmax(axis=2)[..., None]).astype(np.float64))
    with np.errstate(under="ignore"):
        weights = np.exp((point - point.max(axis=2, keepdims=True)) / eps)
    return np.asarray(weights / weights.sum(axis=2, keepdims=True))


def entropy_constant(weights: FloatArray, eps: float) -> FloatArray:
    """ε H(π): the constant of the plane below with slopes π of the simplex."""
    if eps == 0.0:
        return np.zeros(weights.shape[:-1])
    logs = np.log(np.where(weights > 0.0, weights, 1.0))
    return np.asarray(-eps * (weights * logs).sum(axis=-1))


def on_grid(weights: FloatArray, grid: float | None) -> FloatArray:
    """Weights (..., W) of the simplex as multiples of 1/grid with sum 1: the largest takes what rounding leaves."""
    if grid is None:
        return weights
    rounded = np.floor(weights * grid) / grid
    top = weights.argmax(axis=-1)[..., None]
    rest = 1.0 - rounded.sum(axis=-1, keepdims=True)
    np.put_along_axis(rounded, top, np.take_along_axis(rounded, top, axis=-1) + rest, axis=-1)
    return np.asarray(rounded)


def _rounded(slopes: FloatArray, grid: float | None) -> FloatArray:
    return slopes if grid is None else np.asarray(np.rint(slopes * grid) / grid)


def _above_maximum(low: FloatArray, high: FloatArray, grid: float | None) -> tuple[FloatArray, FloatArray]:
    """Slopes α_i = (u_i − t)⁺/(u_i − l_i) and constant t − Σ α_i l_i, for a level t ≥ max l."""
    level = low.max(axis=2)
    if low.shape[2] > 2:
        level = np.maximum(level, -np.partition(-high, 2, axis=2)[..., 2])
    with np.errstate(invalid="ignore", divide="ignore"):
        slopes = np.maximum(high - level[..., None], 0.0) / (high - low)
    slopes = _rounded(np.where(np.isfinite(slopes), np.minimum(slopes, 1.0), 0.0), grid)
    start = np.where(np.isfinite(low), low, 0.0)
    # With these slopes as they are rounded, the smallest valid constant: max_i (u_i − α_i (u_i − l_i)) − Σ α_i l_i.
    with np.errstate(invalid="ignore"):
        ends = np.where(np.isfinite(low), high - slopes * (high - low), -np.inf)
    return slopes, np.maximum(ends.max(axis=2), low.max(axis=2)) - (slopes * start).sum(axis=2)


def _above_sum(low: FloatArray, high: FloatArray, eps: float, grid: float | None) -> tuple[FloatArray, FloatArray]:
    if low.shape[2] <= CORNER_WIDTH:
        return _above_corners(low, high, eps, grid)
    top = high.max(axis=2, keepdims=True)
    with np.errstate(under="ignore", invalid="ignore"):
        ends = [np.exp((end - top) / eps) for end in (low, high)]
        gaps = high - low
        flat = ~(gaps > 0.0)
        rises = np.where(flat, ends[1] / eps, (ends[1] - ends[0]) / np.where(flat, 1.0, gaps))
    total = 0.5 * (ends[0] + ends[1]).sum(axis=2)
    slopes = _rounded(np.where(np.isfinite(low), eps * rises / total[..., None], 0.0), grid)
    # ε log Σ ≤ ε (log T + Σ/T − 1), with the chords' Σ: the rest over the slopes is largest at ends, term by term
    alive = np.isfinite(low)
    rests = [
        np.where(alive, eps * end / total[..., None] - slopes * np.where(alive, side, 0.0), 0.0)
        for end, side in zip(ends, (low, high), strict=True)
    ]
    return slopes, top[..., 0] + eps * (np.log(total) - 1.0) + np.maximum(*rests).sum(axis=2)


def _above_corners(low: FloatArray, high: FloatArray, eps: float, grid: float | None) -> tuple[FloatArray, FloatArray]:
    """Mean secant slopes and the largest excess of ⊕_ε at the corners; exact where one entry alone varies."""
    width = low.shape[2]
    corners = list(product((0, 1), repeat=width))
    values = np.stack([_sum_at(np.where(np.array(corner, dtype=bool), high, low), eps) for corner in corners])
    with np.errstate(invalid="ignore"):
        gaps = np.where(np.isfinite(low) & (high > low), high - low, np.inf)
    slopes = np.zeros_like(low)
    for i in range(width):
        rise = [
            (values[k] - values[corners.index((*corner[:i], 0, *corner[i + 1 :]))])
            for k, corner in enumerate(corners)
            if corner[i] and len(set(corner[:i] + corner[i + 1 :])) <= 1
        ]
        slopes[..., i] = np.clip(np.mean(rise, axis=0) / gaps[..., i], 0.0, 1.0)
    slopes = _rounded(slopes, grid)
    ends = [np.where(np.isfinite(end), slopes * np.where(np.isfinite(end), end, 0.0), 0.0) for end in (low, high)]
    excess = [
        values[k] - np.where(np.array(corner, dtype=bool), ends[1], ends[0]).sum(axis=2)
        for k, corner in enumerate(corners)
    ]
    return slopes, np.max(excess, axis=0)


def _sum_at(point: FloatArray, eps: float) -> FloatArray:
    top = point.max(axis=2)
    with np.errstate(under="ignore"):
        return np.asarray(top + eps * np.log(np.exp((point - top[..., None]) / eps).sum(axis=2)))

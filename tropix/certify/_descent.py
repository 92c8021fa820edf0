"""Projected gradient descent in balls of the norms 1, 2 and ∞, for many points and starts together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tropix.arrays import FloatArray


def lowest(
    slopes: Callable[[FloatArray], tuple[FloatArray, FloatArray]],
    starts: FloatArray,
    limits: FloatArray,
    room: tuple[FloatArray, FloatArray],
    p: float,
    steps: int,
    count: int,
) -> tuple[FloatArray, FloatArray]:
    """The shifts of least value seen from ``count`` starts a point, (n, d), and those values (n,).

    ``slopes`` gives values and gradients of shifts (n·count, d). Their norms are at most ``limits`` (n·count, 1), and
    they stay in the ``room``. Steps are steepest in the norm and shrink (Madry and others 2018).
    """
    low, high = room
    shifts = np.clip(starts, low, high)
    best, kept = np.full(len(shifts), np.inf), shifts.copy()
    for step in range(steps + 1):
        values, gradient = slopes(shifts)
        better = values < best
        best[better], kept[better] = values[better], shifts[better]
        if step == steps:
            break
        blocked = ((shifts <= low) & (gradient > 0)) | ((shifts >= high) & (gradient < 0))
        move = steepest(np.where(blocked, 0.0, -gradient), p)
        length = limits * max(0.02, 1.5 * (1 - step / steps) ** 2)
        shifts = np.clip(project(shifts + length * move, limits, p), low, high)
    order = best.reshape(-1, count).argmin(axis=1) + count * np.arange(len(best) // count)
    return kept[order], best[order]


def steepest(gradient: FloatArray, p: float) -> FloatArray:
    """The direction of norm 1 in which a linear function rises fastest."""
    if p == np.inf:
        return np.sign(gradient)
    if p == 2:
        return np.asarray(gradient / np.maximum(np.linalg.norm(gradient, axis=1, keepdims=True), 1e-300))
    found = np.zeros_like(gradient)
    rows = np.arange(len(gradient))
    top = np.abs(gradient).argmax(axis=1)
    found[rows, top] = np.sign(gradient[rows, top])
    return found


def project(shifts: FloatArray, radii: npt.ArrayLike, p: float) -> FloatArray:
    """The points of the balls of radii (n, 1) that are nearest to rows (n, d) in the Euclidean sense."""
    limits = np.asarray(radii, dtype=np.float64)
    if p == np.inf:
        return np.asarray(np.clip(shifts, -limits, limits))
    if p == 2:
        lengths = np.linalg.norm(shifts, axis=1, keepdims=True)
        return np.asarray(shifts * (limits / np.maximum(np.maximum(lengths, limits), 1e-300)))
    sizes = np.abs(shifts)
    ordered = -np.sort(-sizes, axis=1)
    excess = np.cumsum(ordered, axis=1) - limits
    ranks = np.arange(1, shifts.shape[1] + 1)
    last = np.maximum((ordered * ranks > excess).sum(axis=1, keepdims=True), 1)
    level = np.maximum(np.take_along_axis(excess, last - 1, axis=1) / last, 0.0)
    return np.asarray(np.sign(shifts) * np.maximum(sizes - level, 0.0))

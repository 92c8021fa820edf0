"""The largest gap between a log-sum-exp and its tropical limit on a box, by branch and bound."""

from __future__ import annotations

import heapq
import itertools
import math
from dataclasses import dataclass

import numpy as np

from tropix.arrays import FloatArray
from tropix.boxes import Box, BoxLike, Polyhedron
from tropix.deadline import Deadline
from tropix.errors import InvalidInput
from tropix.polynomials import LogSumExp

UNIT = 2.0**-53
CORNERS = 1 << 10
"""Boxes of more corners are bounded by slopes and curvature alone."""
BATCH = 256
LOGITS = 4_000_000
"""Logits that are formed at once."""


@dataclass(frozen=True, eq=False)
class Supremum:
    """``lower`` ≤ sup_x (f_ε − f_0) ≤ ``upper`` on a box, rounding errors included; the gap at ``point`` is ``lower``.

    ``complete`` is False where the work ended before the two were within the tolerance.
    """

    lower: float
    upper: float
    point: FloatArray
    boxes: int
    complete: bool


def gap_supremum(
    f: LogSumExp, box: BoxLike, *, tolerance: float = 1e-6, time_limit: float | None = None, max_boxes: int = 200_000
) -> Supremum:
    """The supremum of f_ε − f_0 over a bounded box, to ``tolerance`` (absolute).

    For any λ in the simplex f_0 ≥ Σ λ_j z_j, so f_ε − f_0 ≤ f_ε − λ·z, which is convex: its maximum over a box is
    attained at a corner. Taken with λ the Gibbs weights in the middle, and with λ a leading piece; where corners are
    too many, with slopes and the curvature bound of `LogSumExp.curvature`. Nowhere more than ε log N. The best box
    first; ends early after ``max_boxes`` or ``time_limit`` seconds, with what is then proved. Where rounding errors on
    the box may exceed ε log N, as where numbers leave the range of floats, that is all that is proved.

    Raises `InvalidInput` for an unbounded box, a polyhedron, or a tolerance that is not >= 0.

    >>> found = gap_supremum(LogSumExp([[0.0], [1.0]], [0.0, 0.0], 1.0), (-1, 1))
    >>> round(found.lower, 9), round(found.upper, 9)
    (0.693147181, 0.693147181)
    """
    domain = Box.of(box, f.dimension)
    if not domain.bounded or isinstance(domain, Polyhedron):
        raise InvalidInput("the supremum of the gap is searched on a bounded box")
    if not tolerance >= 0:
        raise InvalidInput(f"tolerance {tolerance}: expected a number >= 0")
    search = _Search(f, domain)
    if search.trivial:
        return Supremum(0.0, 0.0, search.middle, 0, True)
    if not search.error < search.ceiling:
        return Supremum(0.0, search.ceiling, search.middle, 0, search.ceiling <= tolerance)
    deadline = Deadline(time_limit)
    heap: list[tuple[float, int, FloatArray, FloatArray]] = []
    search.visit(domain.lower[None], domain.upper[None], heap)
    seen = 1
    while heap and -heap[0][0] > search.best + tolerance and seen < max_boxes and not deadline.passed:
        parents = [heapq.heappop(heap) for _ in range(min(BATCH, len(heap)))]
        parents = [parent for parent in parents if -parent[0] > search.best + tolerance]
        if not parents:
            break
        lower, upper = np.array([p[2] for p in parents]), np.array([p[3] for p in parents])
        longest = np.argmax(0.5 * upper - 0.5 * lower, axis=1)
        rows = np.arange(len(parents))
        middle = 0.5 * lower[rows, longest] + 0.5 * upper[rows, longest]
        left, right = upper.copy(), lower.copy()
        left[rows, longest], right[rows, longest] = middle, middle
        search.visit(np.concatenate([lower, right]), np.concatenate([left, upper]), heap)
        seen += 2 * len(parents)
    above = max([search.best + tolerance, *(-entry[0] for entry in heap[:1])])
    complete = above <= search.best + tolerance
    return Supremum(search.best, min(above, search.ceiling), search.point, seen, complete)


class _Search:
    def __init__(self, f: LogSumExp, domain: Box) -> None:
        present = np.isfinite(f.bias)
        self.weights, self.bias, self.eps = f.weights[present], f.bias[present], f.eps
        self.middle = 0.5 * domain.lower + 0.5 * domain.upper
        self.trivial = len(self.bias) < 2 or f.eps == 0.0
        if self.trivial:
            return
        self.ceiling = f.eps * math.log(len(self.bias)) * (1 + 4 * UNIT)
        self.curvature = f.curvature() * (1 + 1e-9)
        self.best, self.point = 0.0, self.middle
        reach = np.maximum(np.abs(domain.lower), np.abs(domain.upper))
        # rounding of logits anywhere in the box, and of sums of exponentials
        with np.errstate(over="ignore", invalid="ignore"):
            size = float((np.abs(self.weights) @ reach + np.abs(self.bias)).max())
        count = len(self.bias)
        self.error = 4 * UNIT * ((f.dimension + count + 6) * size + f.eps * (count + 40))
        self.numbers = itertools.count()
        d = f.dimension
        self.signs = np.array(list(itertools.product([-1.0, 1.0], repeat=d))) if 1 << d <= CORNERS else None

    def visit(
        self, lower: FloatArray, upper: FloatArray, heap: list[tuple[float, int, FloatArray, FloatArray]]
    ) -> None:
        """Bound the gap on boxes (B, d) and put them on the heap."""
        corners = 1 if self.signs is None else len(self.signs)
        step = max(1, LOGITS // (len(self.bias) * corners))
        for start in range(0, len(lower), step):
            a, b = lower[start : start + step], upper[start : start + step]
            for i, bound in enumerate(self._bounds(a, b)):
                heapq.heappush(heap, (-float(bound), next(self.numbers), a[i], b[i]))

    def _bounds(self, lower: FloatArray, upper: FloatArray) -> FloatArray:
        centre, half = 0.5 * lower + 0.5 * upper, 0.5 * upper - 0.5 * lower
        logits = centre @ self.weights.T + self.bias
        top = logits.max(axis=1, keepdims=True)
        powers = np.exp((logits - top) / self.eps)
        total = powers.sum(axis=1, keepdims=True)
        gaps = self.eps * np.log(total[:, 0])
        self._improve(gaps, centre)
        gibbs = powers / total
        mean = gibbs @ self.weights
        leader = logits.argmax(axis=1)
        if self.signs is None:
            return self._smooth_bounds(centre, half, logits, gibbs, mean)
        points = centre[:, None, :] + half[:, None, :] * self.signs
        at = points @ self.weights.T + self.bias  # (B, corners, N)
        high = at.max(axis=2, keepdims=True)
        values = self.eps * np.log(np.exp((at - high) / self.eps).sum(axis=2))
        self._improve(values.ravel(), points.reshape(-1, points.shape[2]))
        values += high[:, :, 0]
        averaged = np.einsum("bcn,bn->bc", at, gibbs)
        led = np.take_along_axis(at, leader[:, None, None], axis=2)[:, :, 0]
        # λ sums to 1 only up to rounding: its excess times the size of logits is within the error
        bound = np.minimum((values - averaged).max(axis=1), (values - led).max(axis=1))
        return np.asarray(np.fmin(bound + 2 * self.error, self.ceiling))

    def _smooth_bounds(
        self, centre: FloatArray, half: FloatArray, logits: FloatArray, gibbs: FloatArray, mean: FloatArray
    ) -> FloatArray:
        """F(x) − λ·z(x) with λ = π(centre): its gradient is 0 in the middle; by curvature, or by slopes."""
        top = logits.max(axis=1, keepdims=True)
        value = self.eps * np.log(np.exp((logits - top) / self.eps).sum(axis=1)) + top[:, 0]
        flat = value - (gibbs * logits).sum(axis=1)
        with np.errstate(over="ignore", invalid="ignore"):
            bound = flat + 0.5 * self.curvature * (half**2).sum(axis=1)
        for i in range(len(centre)):
            reach = np.abs(self.weights - mean[i]) @ half[i]
            shifted = (logits[i] - top[i, 0] + reach) / self.eps
            high = shifted.max()
            steep = self.eps * (np.log(np.exp(shifted - high).sum()) + high) + top[i, 0] - gibbs[i] @ logits[i]
            bound[i] = np.fmin(bound[i], steep)
        return np.asarray(np.fmin(bound + 3 * self.error, self.ceiling))

    def _improve(self, gaps: FloatArray, points: FloatArray) -> None:
        place = int(gaps.argmax())
        if gaps[place] - 2 * self.error > self.best:
            self.best, self.point = float(gaps[place] - 2 * self.error), points[place].copy()

"""Exact radii of log-sum-exp classes: branch and bound over the Gibbs weights of the rival, not over the input.

F_k = max {q·y + ε_k H(q)} over the simplex, and T(q) = max_δ (q·y − F_c)(x+δ) is convex in q, a concave program in δ
whose dual is the best multipliers. On a part of the simplex T lies below the interpolation of its corners and H below
a tangent; splitting the part closes the gap. Its dimension is the number of the rival's pieces less one.
"""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tropix.arrays import FloatArray
from tropix.certify._ball import Ball, Plane
from tropix.deadline import Deadline
from tropix.kernels import part_bound


def entropy(q: FloatArray) -> float:
    """H(q) in nats."""
    positive = q[q > 0]
    return float(-(positive * np.log(positive)).sum())


@dataclass(eq=False)
class Part:
    """A part of the simplex: its corners by number, and the two parts it was split into at a new corner."""

    corners: list[int]
    at: int = -1
    parts: list[Part] = field(default_factory=list)
    slope: FloatArray | None = None

    def tree(self) -> dict[str, Any]:
        """The evidence: splits, and at the leaves the slopes of the entropy bound."""
        if self.parts:
            return {"at": self.at, "parts": [part.tree() for part in self.parts]}
        assert self.slope is not None
        return {"slope": self.slope.tolist()}


class Simplices:
    """The search against one rival: corners q with their planes, and the parts between them."""

    def __init__(self, ball: Ball, rival: int, multipliers: FloatArray) -> None:
        self.ball, self.rival = ball, rival
        self.eps = float(ball.heads.eps[rival])
        count = len(multipliers)
        self.corners: list[FloatArray] = list(np.eye(count))
        self.planes: list[Plane] = [ball.plane(rival, q, m) for q, m in zip(self.corners, multipliers, strict=True)]
        self.midpoints: list[tuple[int, int]] = []
        self.known: dict[tuple[int, int], int] = {}
        self.best_at = [0.0] * count  # the radius for which each corner's multipliers are the best
        self.root = Part(list(range(count)))

    def leaves(self) -> list[Part]:
        """The parts that are not split."""
        found, todo = [], [self.root]
        while todo:
            part = todo.pop()
            todo += part.parts
            if not part.parts:
                found.append(part)
        return found

    def bound(self, part: Part, radius: float) -> tuple[float, FloatArray]:
        """An upper bound of F_k − F_c in the ball where the rival's weights lie in the part; and the shares μ."""
        heights = np.array([self.ball.ceiling(self.planes[v], radius) for v in part.corners])
        if self.eps == 0:
            part.slope = np.full(len(self.corners[0]), 1 / len(self.corners[0]))
            return float(heights.max()), np.eye(len(heights))[heights.argmax()]
        corners = np.array([self.corners[v] for v in part.corners])
        part.slope, shares = np.empty(corners.shape[1]), np.empty(len(corners))
        return part_bound(corners, heights, self.eps, part.slope, shares), shares

    def holds(self, radius: float) -> bool:
        """Whether all parts are bounded below 0 at a radius."""
        return all(self.bound(part, radius)[0] < 0 for part in self.leaves())

    def search(self, radius: float, deadline: Deadline, most: int) -> FloatArray | bool | None:
        """True: F_k < F_c in the ball. A shift δ: there F_k ≥ F_c. None: given up."""
        numbers = itertools.count()
        queue: list[tuple[float, int, Part, FloatArray]] = []
        for part in self.leaves():
            value, shares = self.bound(part, radius)
            if value >= 0:
                heapq.heappush(queue, (-value, next(numbers), part, shares))
        while queue:
            if deadline.passed or len(self.corners) >= most:
                return None
            _, _, part, shares = heapq.heappop(queue)
            if self._sharpen(part, radius):
                value, shares = self.bound(part, radius)
                if value >= 0:
                    heapq.heappush(queue, (-value, next(numbers), part, shares))
                continue
            if self.eps == 0:
                return None
            found = self._split(part, shares, radius)
            if found is not None:
                return found
            if not part.parts:
                return None
            for child in part.parts:
                value, shares = self.bound(child, radius)
                if value >= 0:
                    heapq.heappush(queue, (-value, next(numbers), child, shares))
        return True

    def _sharpen(self, part: Part, radius: float) -> bool:
        """Find the best multipliers of the corners for a radius; False where that has been done."""
        stale = [v for v in part.corners if abs(self.best_at[v] - radius) > 1e-6 * radius]
        for v in stale:
            self.best_at[v] = radius
            size = abs(self.planes[v].height) + 1e-9
            bound, _ = self.ball.best(self.rival, self.corners[v], radius, 1e-8 * size)
            if self.ball.ceiling(bound, radius) < self.ball.ceiling(self.planes[v], radius):
                self.planes[v] = bound
        return bool(stale)

    def _split(self, part: Part, shares: FloatArray, radius: float) -> FloatArray | None:
        """Split at the middle of the edge that promises most; a counterexample where one is found."""
        own = [entropy(self.corners[v]) for v in part.corners]
        best, edge = 0.0, (-1, -1)
        for i, j in itertools.combinations(range(len(part.corners)), 2):
            a, b = part.corners[i], part.corners[j]
            bend = entropy((self.corners[a] + self.corners[b]) / 2) - (own[i] + own[j]) / 2
            promise = (shares[i] * shares[j] + 1e-4) * bend
            if promise > best:
                best, edge = promise, (a, b)
        if best < 1e-18:
            return None
        middle, shift = self._middle(min(edge), max(edge), radius)
        part.at = middle
        part.parts = [Part([middle if v == gone else v for v in part.corners]) for gone in self._ends(middle)]
        return shift

    def _ends(self, middle: int) -> tuple[int, int]:
        a, b = self.midpoints[middle - len(self.corners[0])]
        return b, a

    def _middle(self, a: int, b: int, radius: float) -> tuple[int, FloatArray | None]:
        if (a, b) in self.known:
            return self.known[a, b], None
        q = (self.corners[a] + self.corners[b]) / 2
        size = max(abs(self.planes[a].height), abs(self.planes[b].height))
        bound, shift = self.ball.best(self.rival, q, radius, 1e-8 * size)
        self.corners.append(q)
        self.planes.append(bound)
        self.best_at.append(radius)
        self.midpoints.append((a, b))
        self.known[a, b] = len(self.corners) - 1
        excess, _ = self.ball.excess(self.ball.moved(shift)[None, :])
        crossed = bool(excess[0, self.rival] >= 0 and np.isfinite(shift).all())
        return self.known[a, b], shift if crossed else None

    def evidence(self) -> dict[str, Any]:
        """What `check` needs; the slopes are those of the last radius at which all parts were bounded."""
        return {
            "rival": self.rival,
            "multipliers": [bound.multipliers.tolist() for bound in self.planes],
            "midpoints": [list(pair) for pair in self.midpoints],
            "tree": self.root.tree() if self.root.parts else None,
        }

"""Radii from the gradient at a point and the curvature of the rivals, in closed form."""

from __future__ import annotations

import numpy as np

from tropix.arrays import FloatArray
from tropix.certify._certify_heads import HeadsBatch
from tropix.certify._engine import Answer, Request
from tropix.certify._heads import CAP
from tropix.certify._pieces import Classes
from tropix.deadline import Deadline
from tropix.errors import Unsupported
from tropix.polynomials._steepness import largest_difference
from tropix.polynomials._tropical import dual_norms

ROOM = 1e-9
"""What the radii are reduced by, relatively: far more than the rounding of the few sums they come from."""
FLAT = 1e-10
"""Margins below this share of the numbers they come from are left to other methods: rounding could decide them."""


class CurvatureEngine(HeadsBatch):
    """The r with m − r‖∇m‖_q − diam_q(U)² r²/(8 ε_k) = 0, for the rival where it is least."""

    def __init__(self, classes: Classes, request: Request) -> None:
        super().__init__(classes, request)
        heads = self.heads
        counts, several = np.diff(heads.offsets), len(set(self.labels.tolist())) > 1
        for k in np.flatnonzero((heads.eps == 0) & (counts > 1)).tolist():
            if several or (self.labels != k).any():
                raise Unsupported(
                    f"class {k} is a maximum of {counts[k]} pieces: it has kinks, and no bounded curvature; "
                    "use method='combined'"
                )
        self.radii = self._by_curvature()

    def _by_curvature(self) -> FloatArray:
        heads, everyone = self.heads, np.arange(len(self.points))
        slopes = [heads.gibbs(self.logits, k) @ heads.slopes[heads.part(k)] for k in range(len(heads))]
        own = np.stack(slopes, axis=1)[everyone, self.labels]
        size = np.abs(self.logits).max(axis=1)
        best = np.full(len(self.points), CAP)
        for k in range(len(heads)):
            part = heads.slopes[heads.part(k)]
            spread = largest_difference(part, part, heads.norm.p) if len(part) > 1 else 0.0
            bend = spread**2 / (8 * heads.eps[k]) if len(part) > 1 and heads.eps[k] > 0 else 0.0
            margin = self.values[everyone, self.labels] - self.values[:, k]
            margin = np.where(margin > FLAT * size, margin - FLAT * size * 1e-2, 0.0)
            steep = dual_norms(own - slopes[k], heads.norm.p) + 1e-12 * (heads.norms.max() + spread)
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                # the larger of 1/r and its scale stays in range
                found = 2 * margin / (steep + np.sqrt(steep * steep + 4 * bend * margin))
            found = np.where(margin > 0, found, 0.0)
            best = np.where(self.labels == k, best, np.minimum(best, found))
        return np.asarray(np.where(np.isfinite(best), best, CAP) * (1 - ROOM))

    def answer(self, i: int, deadline: Deadline) -> Answer:
        """The radius; the point itself where another class is not below."""
        if self.margins[i] <= 0:
            return Answer(0.0, self.at_point(i), "second-order", {"kind": "curvature"})
        return Answer(float(self.radii[i]), None, "second-order", {"kind": "curvature"})

"""Radii from slopes: the Lipschitz constants of margins, everywhere or on the ball itself."""

from __future__ import annotations

from fractions import Fraction

import flint
import numpy as np

from tropix.arrays import FloatArray
from tropix.certify._attack import Witness
from tropix.certify._check_balls import Ball
from tropix.certify._check_enclosure import Enclosure, Region
from tropix.certify._check_reach import room_of
from tropix.certify._check_slopes import difference_rows, proves
from tropix.certify._check_slopes import steepness as enclosed_steepness
from tropix.certify._engine import Answer, Request, labels_of, margins_of
from tropix.certify._heads import CAP
from tropix.certify._slopes import Balls, Slopes, steepness
from tropix.certify._steps import Steps
from tropix.deadline import Deadline
from tropix.exact import Rationals

PRECISION = 96
HALVINGS = 40
ROOM = 1e-9
"""What floats may be wrong by, relative to the radius; more is found out by the enclosure."""
BLOCK = 2_000_000
"""Derivatives that are held at once."""


class SlopesEngine:
    """The largest r with r·L(r) below the margin, L from derivatives on the ball of radius r, or everywhere.

    All points are halved together in floats; each radius is confirmed by the enclosure that the check uses.
    """

    def __init__(self, steps: Steps, request: Request) -> None:
        self.steps, self.request = steps, request
        n, d = request.points.shape
        box = request.box
        low, high = np.full((n, d), -np.inf), np.full((n, d), np.inf)
        if box is not None:
            low, high = box.lower - request.points, box.upper - request.points
        self.balls = Balls(request.points, np.zeros(n), request.norm, low, high)
        values = 0.5 * sum(Slopes(steps, self.balls).read(steps.output))
        self.labels = labels_of(request, np.asarray(values))
        self.margins = margins_of(np.asarray(values), self.labels)
        gaps = np.asarray(values)[np.arange(n), self.labels][:, None] - values
        gaps[np.arange(n), self.labels] = np.inf
        self.gaps = gaps
        self.everywhere, self.ball = self._radii()

    def _radii(self) -> tuple[FloatArray, FloatArray]:
        whole = Balls(self.request.points[:1], None, self.request.norm, self.balls.low[:1], self.balls.high[:1])
        slopes = Slopes(self.steps, whole)
        steep = {c: steepness(slopes, np.array([c]))[0] for c in np.unique(self.labels).tolist()}
        with np.errstate(divide="ignore", invalid="ignore"):
            each = [np.where(g > 0, g / steep[c], 0.0) for g, c in zip(self.gaps, self.labels.tolist(), strict=True)]
        everywhere = np.clip(np.array([np.nanmin(row, initial=np.inf) for row in each]), 0.0, CAP)
        if self.request.method == "lipschitz":
            return everywhere, np.zeros(len(everywhere))
        size = max(1, *(step.size * self.steps.dimension for step in self.steps.steps.values()), 1)
        block = max(1, BLOCK // (size * self.steps.output.size))
        parts = [np.arange(len(everywhere))[i : i + block] for i in range(0, len(everywhere), block)]
        return everywhere, np.concatenate([self._halved(part) for part in parts])

    def _halved(self, part: np.typing.NDArray[np.intp]) -> FloatArray:
        """The largest radii, to eight digits, at which slopes on the ball prove it."""
        hopeful = self.margins[part] > 0
        floor, ceiling = np.zeros(len(part)), np.full(len(part), CAP)
        tried = np.where(hopeful, 1.0, 0.0)
        for step in range(2 * HALVINGS):
            good = self._proved(part, tried) & hopeful
            floor, ceiling = np.where(good, tried, floor), np.where(good, ceiling, tried)
            far = (ceiling >= CAP) | (floor == 0)
            scale = np.where(ceiling >= CAP, floor * 4.0 ** min(step + 1, 8), ceiling / 4.0 ** min(step + 1, 8))
            tried = np.where(far, scale, 0.5 * (floor + ceiling))
            tried = np.where(hopeful & (floor < CAP), np.minimum(tried, CAP), 0.0)
            if not (hopeful & (ceiling - floor > 1e-8 * ceiling) & (ceiling > 1e-12)).any():
                break
        return floor

    def _proved(self, part: np.typing.NDArray[np.intp], radii: FloatArray) -> np.typing.NDArray[np.bool_]:
        b = self.balls
        balls = Balls(b.points[part], radii, b.norm, b.low[part], b.high[part])
        steep = steepness(Slopes(self.steps, balls), self.labels[part])
        with np.errstate(invalid="ignore"):
            return np.asarray((radii[:, None] * steep < self.gaps[part]).all(axis=1))

    # -- one point ------------------------------------------------------------------------------------------------

    def answer(self, i: int, deadline: Deadline) -> Answer:
        """The radius of the method that is confirmed; at a margin that is certainly ≤ 0, the point itself."""
        method = "lipschitz" if self.request.method == "lipschitz" else "local"
        for precision in (PRECISION, 4 * PRECISION):
            with flint.ctx.workprec(precision):
                margins = self._margins(i)
                if any(m <= 0 for m in margins):
                    point = self.request.points[i]
                    return Answer(0.0, Witness(point, 0.0, -1), method, {"kind": "slopes", "region": "ball"})
                for region, radius in self._candidates(i):
                    if self._confirmed(i, region, radius, margins):
                        return Answer(radius, None, method, {"kind": "slopes", "region": region})
        return Answer(0.0, None, method, {"kind": "slopes", "region": "ball"})

    def _candidates(self, i: int) -> list[tuple[str, float]]:
        both = [("everywhere", float(self.everywhere[i])), ("ball", float(self.ball[i]))]
        both.sort(key=lambda pair: -pair[1])
        shrunk = [(name, radius * (1 - slack)) for slack in (ROOM, 1e-6, 1e-3, 0.5) for name, radius in both]
        return [(name, radius) for name, radius in shrunk if radius > 0]

    def _margins(self, i: int) -> list[Ball]:
        here = Enclosure(self.steps, region_of(self.request, i, Fraction(0)))
        apart = here.read(difference_rows(self.steps, int(self.labels[i]))[0])
        return [] if apart is None else [a.union(b) for a, b in zip(*apart, strict=True)]

    def _confirmed(self, i: int, region: str, radius: float, margins: list[Ball]) -> bool:
        where = region_of(self.request, i, Fraction(radius) if region == "ball" else None)
        bounds = enclosed_steepness(Enclosure(self.steps, where), int(self.labels[i]))
        return proves(margins, bounds, Fraction(radius))


def region_of(request: Request, i: int, radius: Fraction | None, at: FloatArray | None = None) -> Region:
    """The ball around point i of a request, or around another point."""
    point, norm, box = Rationals.of(request.points[i] if at is None else at), request.norm, request.box
    scales = [Fraction(s) for s in norm.scales(len(point)).tolist()]
    room = None
    if box is not None and radius:
        room = room_of((box.lower.tolist(), box.upper.tolist()), point.fractions().tolist())
    return Region(point, radius, norm.p, scales, room)

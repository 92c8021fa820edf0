"""Counterexamples of circuits: descent on the margin, then along the boundary towards the nearest point."""

from __future__ import annotations

from dataclasses import dataclass

import flint
import numpy as np

from tropix.arrays import FloatArray, IntArray
from tropix.boxes import Box
from tropix.certify._attack import Witness
from tropix.certify._check_values import circuit_values
from tropix.certify._descent import lowest, project, steepest
from tropix.certify._norms import Norm
from tropix.circuits import Circuit
from tropix.circuits._evaluation import node_values, pull_back
from tropix.deadline import Deadline
from tropix.exact import Rationals

BLOCK = 1024
ROUNDS = 12
GRID = np.arange(1, 9) / 8
SHARES = (1.0, 0.5, 0.2, 0.05)
PRECISION = 96


@dataclass(frozen=True, eq=False)
class Target:
    """A circuit whose largest output names the class, and the norm of perturbations: x' = x + s δ."""

    circuit: Circuit
    norm: Norm

    def room(self, points: FloatArray, box: Box | None) -> tuple[FloatArray, FloatArray]:
        """The least and largest δ (n, d) in the box."""
        if box is None:
            return np.full(points.shape, -np.inf), np.full(points.shape, np.inf)
        scales = self.norm.scales(points.shape[1])
        return (box.lower - points) / scales, (box.upper - points) / scales

    def moved(self, points: FloatArray, shifts: FloatArray, box: Box | None) -> FloatArray:
        """The points x + s δ, in the box."""
        found = points + self.norm.scales(points.shape[1]) * shifts
        return found if box is None else np.asarray(np.clip(found, box.lower, box.upper))

    def margins(self, points: FloatArray, labels: IntArray) -> FloatArray:
        """F_c − max F_k, (n,); ∞ where values leave float64."""
        return self.slopes(points, labels, gradient=False)[0]

    def slopes(
        self, points: FloatArray, labels: IntArray, *, gradient: bool = True
    ) -> tuple[FloatArray, FloatArray]:  # fmt: skip
        """Margins (n,) and their gradients (n, d) in δ."""
        margins, found = np.empty(len(points)), np.zeros(points.shape if gradient else (0, 0))
        nodes, output = self.circuit.nodes, self.circuit.output
        for start in range(0, len(points), BLOCK):
            part = slice(start, start + BLOCK)
            values = node_values(nodes, points[part], None if gradient else output)
            outputs, marks = values[output].copy(), labels[part]
            everyone = np.arange(len(marks))
            own = outputs[marks, everyone].copy()
            outputs[marks, everyone] = -np.inf
            rivals = outputs.argmax(axis=0)
            margins[part] = own - outputs[rivals, everyone]
            if gradient:
                seed = np.zeros_like(outputs)
                seed[marks, everyone] = 1.0
                seed[rivals, everyone] = -1.0
                found[part] = pull_back(nodes, values, output, seed).T
        scaled = np.nan_to_num(found, nan=0.0, posinf=0.0, neginf=0.0)
        return np.where(np.isnan(margins), np.inf, margins), (
            scaled * self.norm.scales(points.shape[1]) if gradient else scaled
        )


def descend(
    target: Target,
    points: FloatArray,
    labels: IntArray,
    radii: FloatArray,
    box: Box | None = None,
    *,
    restarts: int = 4,
    steps: int = 30,
    seed: int = 0,
) -> tuple[FloatArray, FloatArray]:
    """Projected gradient descent on the margin from x and random starts: shifts (n, d) of least margin, and those.

    Steps are steepest in the norm and shrink; all points and restarts move together (Madry and others 2018).
    """
    n, d = points.shape
    count = max(1, restarts)
    rng = np.random.default_rng(seed)
    low, high = (np.repeat(end, count, 0) for end in target.room(points, box))
    centres, marks, limits = np.repeat(points, count, 0), np.repeat(labels, count), np.repeat(radii, count)[:, None]
    starts = project(rng.uniform(-1, 1, (n * count, d)) * limits, limits, target.norm.p)
    starts[::count] = 0.0
    return lowest(
        lambda shifts: target.slopes(target.moved(centres, shifts, box), marks),
        starts, limits, (low, high), target.norm.p, steps, count,
    )  # fmt: skip


def boundary(
    target: Target, points: FloatArray, labels: IntArray, shifts: FloatArray, box: Box | None
) -> FloatArray:  # fmt: skip
    """For shifts (n, d) of margin ≤ 0: about the first share of each at which it is ≤ 0, (n,); ∞ where it is not."""
    n, d = shifts.shape
    below, above = np.zeros(n), np.ones(n)
    for step in range(18):
        shares = below[:, None] + (above - below)[:, None] * GRID
        moved = shares[..., None] * shifts[:, None]
        places = target.moved(np.repeat(points, 8, 0), moved.reshape(-1, d), box)
        crossed = target.margins(places, np.repeat(labels, 8)).reshape(n, 8) <= 0
        if step == 0:
            above[~crossed[:, -1] & ~crossed.any(axis=1)] = np.inf
        first = np.where(crossed.any(axis=1), crossed.argmax(axis=1), 7)
        rows = np.arange(n)
        with np.errstate(invalid="ignore"):
            below, above = np.where(first > 0, shares[rows, first - 1], below), shares[rows, first]
    return above


def polished(
    target: Target, points: FloatArray, labels: IntArray, shifts: FloatArray, box: Box | None, rounds: int = ROUNDS
) -> FloatArray:
    """Shifts (n, d) on the boundary, moved along it towards the nearest point; NaN where there was none.

    Each round replaces the margin by its tangent plane, steps some of the way to the nearest point of that, and goes
    back to the boundary on the ray (Croce and Hein 2020). Lengths never grow.
    """
    shares = boundary(target, points, labels, shifts, box)
    current = np.where(np.isfinite(shares)[:, None], shifts * np.where(np.isfinite(shares), shares, 0)[:, None], np.nan)
    low, high = target.room(points, box)
    p = target.norm.p
    active = np.flatnonzero(np.isfinite(shares))
    for _ in range(rounds):
        if not len(active):
            break
        here, own = current[active], labels[active]
        _, gradient = target.slopes(target.moved(points[active], here, box), own)
        lengths = np.linalg.norm(here, ord=p, axis=1)
        nearest = _nearest(gradient, (gradient * here).sum(axis=1), p, low[active], high[active])
        gained = np.zeros(len(active), dtype=bool)
        for share in SHARES:
            trial = np.clip((1 - share) * here + share * nearest, low[active], high[active])
            trial *= np.minimum(1.0, lengths / np.maximum(np.linalg.norm(trial, ord=p, axis=1), 1e-300))[:, None]
            open_ = ~gained & (target.margins(target.moved(points[active], trial, box), own) <= 0)
            if not open_.any():
                continue
            chosen = active[open_]
            ends = boundary(target, points[chosen], labels[chosen], trial[open_], box)
            fresh = trial[open_] * ends[:, None]
            good = np.linalg.norm(fresh, ord=p, axis=1) < lengths[open_] * (1 - 1e-7)
            current[chosen[good]] = fresh[good]
            gained[np.flatnonzero(open_)[good]] = True
        active = active[gained]
    return current


def _nearest(slopes: FloatArray, levels: FloatArray, p: float, low: FloatArray, high: FloatArray) -> FloatArray:
    """About the shortest δ with g·δ ≤ level < 0 within the room, row by row: blocked coordinates are left out."""
    free = np.ones(slopes.shape, dtype=bool)
    found = np.zeros_like(slopes)
    for _ in range(3):
        g = np.where(free, slopes, 0.0)
        fixed = np.where(free, 0.0, found)
        rest = levels - (slopes * fixed).sum(axis=1)
        q = {1.0: np.inf, 2.0: 2.0, np.inf: 1.0}[p]
        length = np.maximum(np.linalg.norm(g, ord=q, axis=1), 1e-300)
        step = steepest(-g, p) * (np.maximum(-rest, 0.0) / length * (1 + 1e-6))[:, None]
        found = np.clip(np.where(free, step, found), low, high)
        outside = free & ((step < low) | (step > high))
        if not outside.any():
            break
        free &= ~outside
    return found


def nearest_witnesses(
    target: Target,
    points: FloatArray,
    labels: IntArray,
    radii: FloatArray,
    box: Box | None,
    *,
    seed: int = 0,
    deadline: Deadline,
) -> list[Witness | None]:
    """The nearest counterexamples found from radii (n,) on, each confirmed; closer ones until a deadline."""
    n, d = points.shape
    shifts = np.full((n, d), np.nan)
    for factor in (1.2, 3.0, 10.0, 100.0):
        open_ = np.flatnonzero(np.isnan(shifts[:, 0]))
        if not len(open_):
            break
        _attempt(target, points, labels, shifts, open_, factor * radii[open_], box, seed)
    for turn in (1, 2):  # from other starts, below what was found
        some = np.flatnonzero(np.isfinite(shifts[:, 0]))
        if len(some) and not deadline.passed:
            limits = 0.97 * np.linalg.norm(shifts[some], ord=target.norm.p, axis=1)
            _attempt(target, points, labels, shifts, some, limits, box, seed + turn)
    return [confirmed(target, points[i], int(labels[i]), shifts[i], box) for i in range(n)]


def _attempt(
    target: Target,
    points: FloatArray,
    labels: IntArray,
    shifts: FloatArray,
    chosen: IntArray,
    limits: FloatArray,
    box: Box | None,
    seed: int,
) -> None:
    """Descend within limits, and keep what is nearer than before."""
    moved, margins = descend(target, points[chosen], labels[chosen], limits, box, seed=seed)
    hit = margins <= 0
    if not hit.any():
        return
    chosen = chosen[hit]
    fresh = polished(target, points[chosen], labels[chosen], moved[hit], box)
    sizes = [np.linalg.norm(np.nan_to_num(s, nan=np.inf), ord=target.norm.p, axis=1) for s in (fresh, shifts[chosen])]
    better = sizes[0] < sizes[1]
    shifts[chosen[better]] = fresh[better]


def confirmed(target: Target, point: FloatArray, label: int, shift: FloatArray, box: Box | None) -> Witness | None:
    """A witness at about x + s δ, a little farther if need be, whose label is certainly another one.

    The circuit is evaluated in rationals where its values are rational, else in Arb balls.
    """
    if not np.isfinite(shift).all():
        return None
    for farther in (0.0, 1e-15, 1e-13, 1e-11, 1e-9, 1e-7, 1e-5):
        place = target.moved(point[None], shift[None] * (1 + farther), box)[0]
        with flint.ctx.workprec(PRECISION):
            values = circuit_values(target.circuit, Rationals.of(place))
            ahead = [k for k, v in enumerate(values) if k != label and values[label] - v <= 0]
        if ahead:
            return Witness(place, target.norm.distance(place - point), ahead[0])
    return None

"""The other side: perturbations that change the label, found by descent and brought to the nearest boundary."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tropix.arrays import FloatArray, IntArray
from tropix.boxes import Box
from tropix.certify._ball import Ball
from tropix.certify._descent import lowest, project, steepest
from tropix.certify._heads import CAP, Heads
from tropix.certify._heads_exact import entropy
from tropix.exact import Rationals
from tropix.polynomials._tropical import dual_norms

ROUNDS = 6
STEPS = 8
SLACK = 1e-8
TIGHT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
GRID = np.arange(1, 65) / 64


@dataclass(frozen=True, eq=False)
class Witness:
    """A point at which the label's function is not above all others, and its distance, rounded upwards."""

    point: FloatArray
    distance: float
    rival: int


def cross(ball: Ball, shift: FloatArray, k: int | None = None, *, beyond: float = 1.0) -> Witness | None:
    """The first point on the ray of δ, up to ``beyond`` times its length, that certainly has another label.

    Certainly: the margin lies below its error bound. With k only that rival counts.
    """
    if not np.isfinite(shift).all() or not shift.any():
        return None
    low, high, _ = ball.room
    shift = np.clip(shift, low, high)

    def first(times: FloatArray) -> int | None:
        excess, error = ball.excess(ball.moved(times[:, None] * shift))
        crossed = (excess.max(axis=1) if k is None else excess[:, k]) >= error
        return int(crossed.argmax()) if crossed.any() else None

    ends = np.array([t for t in (1.0, 1 + 1e-9, 1 + 1e-6, 1 + 1e-3, beyond) if t <= beyond])
    place = first(ends)
    if place is None:
        return next((w for t in ends if (w := _tied(ball, ball.moved(t * shift), k)) is not None), None)
    below, above = 0.0, float(ends[place])
    while above - below > 4e-16 * above:
        times = below + (above - below) * GRID
        place = first(times)
        fresh = above if place is None else float(times[place])
        lower = float(times[-2] if place is None else times[place - 1] if place else below)
        if fresh - lower >= above - below:
            break
        below, above = lower, fresh
    for farther in (0.0, 1e-15, 1e-14, 1e-12, 1e-9):  # products in other shapes are rounded differently
        point = ball.moved(min(above * (1 + farther), float(ends[-1])) * shift)
        excess, error = ball.excess(point[None, :])
        rival = int(excess[0].argmax()) if k is None else k
        if excess[0, rival] >= error[0]:
            return Witness(point, distance(ball, point), rival)
    return None


def _tied(ball: Ball, point: FloatArray, k: int | None) -> Witness | None:
    """The point, where a maximum of affine functions is at least the label's, another one, in rational arithmetic.

    Classes that share a piece are equal in whole regions, which no bound of rounding errors can show.
    """
    functions = ball.heads.classes.functions
    if k is None or functions[k].eps or functions[ball.label].eps:
        return None
    column = Rationals.of(point)[:, None]
    own, other = ((f.weights @ column)[:, 0] + f.bias for f in (functions[ball.label], functions[k]))
    behind = max(other.fractions()) >= max(own.fractions())
    return Witness(point, distance(ball, point), k) if behind else None


def distance(ball: Ball, point: FloatArray) -> float:
    """‖x' − x‖, rounded upwards."""
    return ball.heads.norm.distance(point - ball.point)


def polish(ball: Ball, witness: Witness, rounds: int = ROUNDS) -> Witness:
    """A nearer point of the same boundary: the convex-concave procedure, exact in each of its convex programs.

    With the rival's function replaced by its tangent plane at the witness, a lower bound, the points of another label
    form a convex set; its nearest point is the next witness (Yuille and Rangarajan 2003). Distances never grow.
    """
    for _ in range(rounds):
        mixture = ball.gibbs(witness.point, witness.rival)
        shift = nearest(ball, witness.rival, mixture, witness.distance)
        found = None if shift is None else cross(ball, shift, witness.rival, beyond=1.01)
        if found is None or not found.distance < witness.distance:
            return witness
        gained = witness.distance - found.distance
        witness = found
        if gained <= 1e-9 * witness.distance:
            return witness
    return witness


def nearest(ball: Ball, k: int, mixture: FloatArray, start: float) -> FloatArray | None:
    """About the nearest δ at which q·y + ε_k H(q) reaches the label's function, by tangents from the outside."""
    heads = ball.heads
    if heads.eps[ball.label] == 0 and heads.norm.p != 2:
        return _nearest_by_program(ball, k, mixture)
    level = float(heads.eps[k]) * entropy(mixture)
    level -= SLACK * abs(float(ball.excess(ball.point[None, :])[0][0, k]))
    radius, shift = start, None
    for _ in range(STEPS):
        if not 0 < radius < CAP:
            return None
        bound, shift = ball.best(k, mixture, radius, 1e-9 * max(1e-12, start))
        fresh = ball.reach(bound, level)
        if abs(fresh - radius) <= 1e-10 * radius:
            break
        radius = fresh
    if shift is None or heads.eps[ball.label] > 0 or ball.room[2]:
        return shift
    return _on_its_planes(ball, k, mixture, level, shift)


def _on_its_planes(ball: Ball, k: int, mixture: FloatArray, level: float, shift: FloatArray) -> FloatArray:
    """The nearest point of the planes on which an inexact nearest point of a polyhedron lies, where that is one of it.

    In a narrow corner the ray through an inexact one misses the polyhedron.
    """
    heads = ball.heads
    own = heads.part(ball.label)
    logits = heads.logits(ball.point[None, :])[0][0]
    rows = heads.slopes[own] - mixture @ heads.slopes[heads.part(k)]
    right = mixture @ logits[heads.part(k)] + level - logits[own]
    size = 1e-300 + float(np.abs(right).max() + np.abs(rows @ shift).max())
    near = rows @ shift > right - 1e-4 * size
    if not near.any():
        return shift
    found = np.linalg.lstsq(rows[near], right[near], rcond=None)[0]
    inside = (rows @ found <= right + 1e-12 * size).all()
    close = np.linalg.norm(found - shift) <= 1e-3 * np.linalg.norm(shift)
    return np.asarray(found if inside and close else shift)


def _nearest_by_program(ball: Ball, k: int, mixture: FloatArray) -> FloatArray | None:
    """The same as a linear program, for max-affine labels and the norms 1 and ∞."""
    from scipy.optimize import linprog

    heads = ball.heads
    own, rival, d = heads.part(ball.label), heads.part(k), heads.dimension
    logits = heads.logits(ball.point[None, :])[0][0]
    level = mixture @ logits[rival] + float(heads.eps[k]) * entropy(mixture)
    level -= max(1e-9, SLACK * float(logits[own].max() - level))  # behind the boundary, beyond the tolerance
    rows = heads.slopes[own] - mixture @ heads.slopes[rival]
    low, high, _ = ball.room
    one = np.eye(d)
    if heads.norm.p == np.inf:
        parts = [np.column_stack([one, -np.ones(d)]), np.column_stack([-one, -np.ones(d)])]
        table = np.vstack([np.column_stack([rows, np.zeros(len(rows))]), *parts])
        right = np.concatenate([level - logits[own], np.zeros(2 * d)])
        bounds = [*zip(low.tolist(), high.tolist(), strict=True), (0, None)]
        answer = linprog(np.append(np.zeros(d), 1.0), A_ub=table, b_ub=right, bounds=bounds, options=TIGHT)
        return None if answer.status != 0 else np.asarray(answer.x[:d])
    ends = [(0, h) for h in high.tolist()] + [(0, -a) for a in low.tolist()]
    answer = linprog(
        np.ones(2 * d), A_ub=np.hstack([rows, -rows]), b_ub=level - logits[own], bounds=ends, options=TIGHT
    )
    return None if answer.status != 0 else np.asarray(answer.x[:d] - answer.x[d:])


def descend(
    heads: Heads,
    points: FloatArray,
    labels: IntArray,
    radii: FloatArray,
    box: Box | None = None,
    *,
    restarts: int = 4,
    steps: int = 30,
    seed: int = 0,
) -> tuple[FloatArray, FloatArray]:
    """Projected gradient descent on the margin from several starts: shifts (n, d) of least margin, and those margins.

    The first start is x, up to half are where single pieces of rivals rise most, the others are random. Steps are
    steepest in the norm and shrink; all points and restarts move together (Madry and others 2018).
    """
    n, d = points.shape
    count = max(1, restarts)
    rng = np.random.default_rng(seed)
    low, high, _ = heads.room(points, box)
    low, high = np.repeat(low, count, 0), np.repeat(high, count, 0)
    limits, marks = np.repeat(radii, count)[:, None], np.repeat(labels, count)
    logits = np.repeat(points @ heads.weights.T + heads.bias, count, 0)
    starts = project(rng.uniform(-1, 1, (n * count, d)) * limits, limits, heads.norm.p)
    starts[::count] = 0.0
    for place, risen in enumerate(_risen(heads, points, labels, radii, count // 2), start=1):
        starts[place::count] = risen
    everyone = np.arange(n * count)

    def slopes(shifts: FloatArray) -> tuple[FloatArray, FloatArray]:
        here = logits + shifts @ heads.slopes.T
        values = heads.values(here)
        own = values[everyone, marks].copy()
        values[everyone, marks] = -np.inf
        rivals = values.argmax(axis=1)
        gradient = np.zeros((n * count, d))
        weights = [heads.gibbs(here, k) for k in range(len(heads))]
        for k in range(len(heads)):
            for rows, sign in ((marks == k, 1.0), (rivals == k, -1.0)):
                if rows.any():
                    gradient[rows] += sign * weights[k][rows] @ heads.slopes[heads.part(k)]
        return own - values[everyone, rivals], gradient

    return lowest(slopes, starts, limits, (low, high), heads.norm.p, steps, count)


def _risen(heads: Heads, points: FloatArray, labels: IntArray, radii: FloatArray, count: int) -> Iterator[FloatArray]:
    """Where pieces of rivals rise most above the tangent of the label's function in the balls, highest pieces first.

    At low temperatures the gradient at x knows the leading piece alone, and another one may be the nearest.
    """
    logits = points @ heads.weights.T + heads.bias
    n, total = logits.shape
    tangent, heights = np.empty_like(points), np.full((n, total), -np.inf)
    for k in range(len(heads)):
        tangent[labels == k] = heads.gibbs(logits[labels == k], k) @ heads.slopes[heads.part(k)]
    owner = np.repeat(np.arange(len(heads)), np.diff(heads.offsets))
    for j in range(total):
        rise = radii * dual_norms(heads.slopes[j] - tangent, heads.norm.p)
        heights[:, j] = np.where(labels == owner[j], -np.inf, logits[:, j] + rise)
    order = np.argsort(-heights, axis=1, kind="stable")
    for j in order.T[: min(count, total - 1)]:
        yield radii[:, None] * steepest(heads.slopes[j] - tangent, heads.norm.p)

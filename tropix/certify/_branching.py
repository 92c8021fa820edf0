"""Branch and bound over the input box: is there a point of it where affine inequalities in (x, F(x)) hold?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import numpy as np

from tropix.arrays import BoolArray, FloatArray
from tropix.certify._planes_nodes import Differences
from tropix.certify._propagation import Propagation
from tropix.certify._propagation_backward import UNIT, Forms
from tropix.circuits import Circuit
from tropix.deadline import Deadline

BATCH_VALUES = 3_000_000
"""So many floats the rows of one layer of a batch may have."""
LARGEST_BATCH = 512
Witness = TypeVar("Witness")
Status = Literal["sat", "unsat", "unknown", "timeout"]


@dataclass(frozen=True, eq=False)
class Query:
    """The points x of a box with inputs·x + outputs·F(x) ≤ bounds, row by row: inputs (R, d), outputs (R, m).

    Floats: the box contains the one that is meant and the bounds are not below those that are meant; coefficients may
    be rounded to nearest.
    """

    lower: FloatArray
    upper: FloatArray
    inputs: FloatArray
    outputs: FloatArray
    bounds: FloatArray

    def excess(self, circuit: Circuit, points: FloatArray) -> FloatArray:
        """By how much points (n, d) miss the worst of the rows, (n,), in float64: ≤ 0 at witnesses."""
        values = points @ self.inputs.T + circuit(points) @ self.outputs.T - self.bounds
        return np.asarray(values.max(axis=1, initial=-np.inf))


@dataclass(frozen=True, eq=False)
class Outcome(Generic[Witness]):
    """``sat`` with a confirmed witness, ``unsat`` if every part of the box was excluded, else why not; counts."""

    status: Status
    witness: Witness | None
    boxes: int
    seconds: float


@dataclass(eq=False)
class _Parts:
    """Boxes (N, d) that are still to be excluded, and for each what its parent knew of differences in segments."""

    lower: FloatArray
    upper: FloatArray
    known: dict[int, Differences]

    def take(self, index: BoolArray | slice | np.ndarray) -> _Parts:
        known = {i: Differences(g.lower[index], g.upper[index], g.pivot[index]) for i, g in self.known.items()}
        return _Parts(self.lower[index], self.upper[index], known)


def search(
    propagation: Propagation,
    query: Query,
    deadline: Deadline,
    confirm: Callable[[FloatArray], Witness | None],
) -> Outcome[Witness]:
    """Split the box until every part is excluded, or `confirm` accepts a point as a witness, or time is over.

    A part is excluded where the linear lower bound of a row exceeds its bound, errors of rounding included, or where
    the rows' halfspaces have no common point with it coordinate by coordinate; else it shrinks to those.
    """
    circuit = propagation.circuit
    stack = [_Parts(query.lower[None], query.upper[None], {})]
    batch = _batch_size(circuit)
    done, undecided = 0, False
    while stack:
        if deadline.passed:
            return Outcome("timeout", None, done, deadline.elapsed)
        parts = _popped(stack, batch)
        done += len(parts.lower)
        state, gaps = propagation.bounded(parts.lower, parts.upper, parts.known)
        rows = {0: query.inputs[None], circuit.output: query.outputs[None]}
        if circuit.output == 0:
            rows = {0: (query.inputs + query.outputs)[None]}
        forms = propagation.forms(state, rows)
        bound = np.maximum(forms.least(parts.lower, parts.upper), propagation.interval_least(state, rows))
        lower, upper, empty = contracted(forms, query.bounds, parts.lower, parts.upper)
        left = ~((bound > query.bounds).any(axis=1) | empty)
        if not left.any():
            continue
        witness = _witness(circuit, query, forms, lower[left], upper[left], confirm)
        if witness is not None:
            return Outcome("sat", witness, done, deadline.elapsed)
        remaining = _Parts(lower, upper, gaps).take(left)
        score = np.abs(forms.slopes[left]) * (remaining.upper - remaining.lower)[:, None, :]
        closest = np.argmax((bound - query.bounds)[left], axis=1)
        halves, stuck = _halves(remaining, score[np.arange(len(score)), closest] + 0.1 * score.mean(axis=1))
        undecided |= stuck
        if halves is not None:
            stack.append(halves)
    return Outcome("unknown" if undecided else "unsat", None, done, deadline.elapsed)


def contracted(
    forms: Forms, bounds: FloatArray, lower: FloatArray, upper: FloatArray
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """The boxes shrunk to slopes·x + constant − error ≤ bounds, coordinate by coordinate, and which became empty."""
    lower, upper = lower.copy(), upper.copy()
    slopes = forms.slopes
    with np.errstate(all="ignore"):
        room = bounds - forms.constant + forms.error
        for r in range(slopes.shape[1]):
            slope = slopes[:, r]
            parts = np.minimum(slope * lower, slope * upper)
            total = parts.sum(axis=1, keepdims=True)
            size = np.maximum(np.abs(lower), np.abs(upper))
            slack = (4 * len(slope[0]) + 16) * UNIT * ((np.abs(slope) * size).sum(axis=1) + np.abs(room[:, r]))
            limit = (room[:, r] + slack)[:, None] - (total - parts)
            limit = limit / slope
            usable = np.isfinite(limit) & (slope != 0.0)
            limit = np.where(usable, limit, 0.0)
            reach = 4 * UNIT * np.abs(limit) + 1e-300
            upper = np.where(usable & (slope > 0), np.minimum(upper, limit + reach), upper)
            lower = np.where(usable & (slope < 0), np.maximum(lower, limit - reach), lower)
    return lower, upper, np.asarray((lower > upper).any(axis=1))


def _witness(
    circuit: Circuit,
    query: Query,
    forms: Forms,
    lower: FloatArray,
    upper: FloatArray,
    confirm: Callable[[FloatArray], Witness | None],
) -> Witness | None:
    points = 0.5 * (lower + upper)
    excess = query.excess(circuit, points)
    for i in np.argsort(excess)[:3]:
        if excess[i] > 1e-9:
            break
        found = confirm(points[i])
        if found is not None:
            return found
    return None


def _halves(parts: _Parts, score: FloatArray) -> tuple[_Parts | None, bool]:
    """Each box cut in two across the coordinate of the highest score; whether some cannot be cut."""
    middle = 0.5 * (parts.lower + parts.upper)
    possible = (middle > parts.lower) & (middle < parts.upper)
    axis = np.where(possible, score, -1.0).argmax(axis=1)
    rows = np.arange(len(axis))
    able = possible[rows, axis]
    if not able.any():
        return None, True
    parts, axis, middle = parts.take(able), axis[able], middle[able]
    rows = np.arange(len(axis))
    twice = parts.take(np.repeat(rows, 2))
    cut = middle[rows, axis]
    twice.upper[2 * rows, axis] = cut
    twice.lower[2 * rows + 1, axis] = cut
    return twice, not able.all()


def _popped(stack: list[_Parts], batch: int) -> _Parts:
    """The last boxes of the stack, up to a batch."""
    taken: list[_Parts] = []
    count = 0
    while stack and count < batch:
        last = stack.pop()
        room = batch - count
        if len(last.lower) > room:
            cut = len(last.lower) - room
            stack.append(last.take(slice(0, cut)))
            last = last.take(slice(cut, None))
        taken.append(last)
        count += len(last.lower)
    return taken[0] if len(taken) == 1 else _joined(taken)


def _joined(parts: Sequence[_Parts]) -> _Parts:
    nodes = set.intersection(*(set(part.known) for part in parts))
    known = {
        i: Differences(
            np.concatenate([part.known[i].lower for part in parts]),
            np.concatenate([part.known[i].upper for part in parts]),
            np.concatenate([part.known[i].pivot for part in parts]),
        )
        for i in nodes
    }
    return _Parts(np.concatenate([part.lower for part in parts]), np.concatenate([part.upper for part in parts]), known)


def _batch_size(circuit: Circuit) -> int:
    widest = max(node.size for node in circuit.nodes)
    return int(max(1, min(LARGEST_BATCH, BATCH_VALUES // (2 * widest * widest))))

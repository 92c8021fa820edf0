"""Branch and bound: is there a point of a box where affine inequalities in (x, F(x)) hold?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import numpy as np

from tropix.arrays import BoolArray, FloatArray, IntArray
from tropix.certify._branching_parts import Parts, halves, popped, tie_halves
from tropix.certify._propagation import Propagation
from tropix.certify._propagation_backward import UNIT, Forms
from tropix.certify._propagation_slopes import Optimised, optimised
from tropix.circuits import Circuit, LogSumExp
from tropix.deadline import Deadline

FEW_INPUTS = 8
"""Up to so many free coordinates the box is split, beyond that the ties of maxima."""
STEPS = 12
"""Steps in which slopes and multipliers are improved where ties are split."""
BATCH_VALUES = 3_000_000
LARGEST_BATCH = 512
"""So many floats the rows of one layer of a batch may have; so many boxes a batch."""
LOOSE = 1e-9
"""Planes that miss their maxima by less than this share are as good as exact: such boxes are split themselves."""
Witness = TypeVar("Witness")
Status = Literal["sat", "unsat", "unknown", "timeout"]
Split = Literal["auto", "inputs", "ties"]


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

    def rows(self, circuit: Circuit) -> dict[int, FloatArray]:
        """The rows by node, as backward substitution takes them."""
        if circuit.output == 0:
            return {0: (self.inputs + self.outputs)[None]}
        return {circuit.output: self.outputs[None], **({0: self.inputs[None]} if self.inputs.any() else {})}


@dataclass(frozen=True, eq=False)
class Outcome(Generic[Witness]):
    """``sat`` with a confirmed witness, ``unsat`` if every part of the box was excluded, else why not; parts seen."""

    status: Status
    witness: Witness | None
    boxes: int
    seconds: float


def search(
    propagation: Propagation,
    query: Query,
    deadline: Deadline,
    confirm: Callable[[FloatArray], Witness | None],
    split: Split = "auto",
) -> Outcome[Witness]:
    """Split the box until every part is excluded, or `confirm` accepts a point as a witness, or time is over.

    A part is excluded where the lower bound of a row exceeds its bound, errors of rounding included, where the rows'
    halfspaces have no common point with it coordinate by coordinate (else it shrinks to those), or where the ties
    decided in it contradict each other. It is split at the middle of a coordinate or along the tie of two entries of a
    maximum, whose halfspace enters the bounds of both sides by its multiplier.
    """
    circuit = propagation.circuit
    ties = split == "ties" or (split == "auto" and int((query.lower < query.upper).sum()) > FEW_INPUTS)
    ties = ties and any(_is_maximum(circuit, i) for i in propagation.needed)
    rows, batch = query.rows(circuit), _batch_size(circuit)
    stack = [Parts(query.lower[None], query.upper[None])]
    done, undecided = 0, not len(query.bounds)
    while stack:
        if deadline.passed:
            return Outcome("timeout", None, done, deadline.elapsed)
        parts = popped(stack, batch)
        done += len(parts)
        state, parts.known = propagation.bounded(parts.lower, parts.upper, parts.known)
        if ties:
            found = optimised(propagation, state, parts.known, rows, parts.cuts(), STEPS)
        else:
            forms = propagation.forms(state, rows)
            found = Optimised(forms.least(parts.lower, parts.upper), forms, {}, {})
        bound = np.maximum(found.bound, propagation.interval_least(state, rows))
        parts.lower, parts.upper, empty = contracted(found.forms, query.bounds, parts.lower, parts.upper)
        left = np.flatnonzero(~((bound > query.bounds).any(axis=1) | empty | state.empty))
        if not len(left):
            continue
        closest = (bound - query.bounds)[left].argmax(axis=1, keepdims=False) if bound.shape[1] else left * 0
        parts, slopes = parts.take(left), found.forms.slopes[left]
        witness = _witness(circuit, query, slopes[np.arange(len(left)), closest], parts, confirm)
        if witness is not None:
            return Outcome("sat", witness, done, deadline.elapsed)
        by_tie = _ties(found, left, bound[left])
        if by_tie is not None:
            chosen, node, segment = by_tie
            values = {i: v[left][chosen] for i, v in found.values.items()}
            stack.append(tie_halves(propagation, parts.take(chosen), node[chosen], segment[chosen], values))
            parts, slopes, closest = parts.take(~chosen), slopes[~chosen], closest[~chosen]
        if len(parts):
            score = np.abs(slopes) * (parts.upper - parts.lower)[:, None, :]
            score = score[np.arange(len(score)), closest] + 0.1 * score.mean(axis=1)
            two, stuck = halves(parts, score)
            undecided |= stuck
            if two is not None:
                stack.append(two)
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
            limit = ((room[:, r] + slack)[:, None] - (total - parts)) / slope
            usable = np.isfinite(limit) & (slope != 0.0)
            limit = np.where(usable, limit, 0.0)
            reach = 4 * UNIT * np.abs(limit) + 1e-300
            upper = np.where(usable & (slope > 0), np.minimum(upper, limit + reach), upper)
            lower = np.where(usable & (slope < 0), np.maximum(lower, limit - reach), lower)
    return lower, upper, np.asarray((lower > upper).any(axis=1))


def _witness(
    circuit: Circuit,
    query: Query,
    slopes: FloatArray,
    parts: Parts,
    confirm: Callable[[FloatArray], Witness | None],
) -> Witness | None:
    """Try the middles of boxes, and the corners towards which their closest rows fall."""
    middle = np.clip(0.5 * (parts.lower + parts.upper), query.lower, query.upper)
    points = np.vstack([middle, np.where(slopes > 0, parts.lower, parts.upper)])
    excess = query.excess(circuit, points)
    for i in np.argsort(excess)[:3]:
        if excess[i] > 1e-9 * (1.0 + np.abs(query.bounds).max(initial=0.0)):
            break
        found = confirm(points[i])
        if found is not None:
            return found
    return None


def _ties(found: Optimised, left: IntArray, bound: FloatArray) -> tuple[BoolArray, IntArray, IntArray] | None:
    """Which parts to split by a tie, and by which: the node and segment whose plane is loosest."""
    if not found.loose:
        return None
    nodes = np.concatenate([np.full(loose.shape[1], i) for i, loose in found.loose.items()])
    segments = np.concatenate([np.arange(loose.shape[1]) for loose in found.loose.values()])
    loose = np.concatenate([loose[left] for loose in found.loose.values()], axis=1)
    best = loose.argmax(axis=1)
    chosen = loose[np.arange(len(best)), best] > LOOSE * (
        1.0 + np.abs(np.where(np.isfinite(bound), bound, 0)).max(axis=1)
    )
    return (chosen, nodes[best], segments[best]) if chosen.any() else None


def _is_maximum(circuit: Circuit, i: int) -> bool:
    node = circuit.nodes[i]
    return isinstance(node, LogSumExp) and node.eps == 0.0


def _batch_size(circuit: Circuit) -> int:
    widest = max(node.size for node in circuit.nodes)
    return int(max(1, min(LARGEST_BATCH, BATCH_VALUES // (2 * widest * widest))))

"""Exact potentials: the certificate that a digraph has no cycle of positive weight, or such a cycle.

A potential v with w_ij + v_j ≤ v_i on every edge proves that no cycle is positive: along a cycle the v cancel. Edges
where equality holds are *tight*; a cycle has weight 0 exactly if all its edges are tight. Floating point proposes v;
what is near to tight is settled in integers, and the rest is known to be slack by more than all that changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from tropix.arrays import FloatArray, IntArray
from tropix.exact import Rationals
from tropix.linalg._carrier import Array

NEAR = 1e-9
"""Edges whose slack is below this part of the largest number are settled exactly."""


@dataclass(frozen=True, eq=False)
class Settled:
    """Either a potential (integers over ``denominator``) with its tight edges, or a cycle of positive weight."""

    potential: list[int]
    denominator: int
    tight: tuple[IntArray, IntArray]
    cycle: tuple[int, ...] | None = None

    def fractions(self) -> list[Fraction]:
        """The potential as rational numbers."""
        return [Fraction(v, self.denominator) for v in self.potential]


def settle(
    rows: IntArray,
    columns: IntArray,
    weights: Array,
    shift: Fraction,
    proposal: FloatArray,
    removed: Array | None = None,
) -> Settled:
    """Decide exactly whether w_ij − shift + v_j ≤ v_i has a solution v, that is, whether no cycle has mean > shift.

    Edges rows[e] → columns[e] with weights[e] finite: floats, taken as rationals, or Python integers; ``proposal``
    (n,) is a finite guess of v. Weights are less ``removed``, if given: a difference that floats would round. Nodes
    of a cycle are listed in order.
    """
    approximate = weights.astype(np.float64)
    whole = weights.dtype == object or bool((weights == np.rint(weights)).all())
    if removed is not None:
        approximate = approximate - removed.astype(np.float64)
        whole = whole and (removed.dtype == object or bool((removed == np.rint(removed)).all()))
    if whole:
        proposal = np.rint(proposal * shift.denominator) / shift.denominator
    largest = float(np.abs(weights).max(initial=0) + np.abs(proposal).max(initial=0.0)) + abs(float(shift))
    largest += 0.0 if removed is None else float(np.abs(removed).max(initial=0))
    slack = approximate - float(shift) + proposal[columns] - proposal[rows]
    near = NEAR * largest
    chosen = np.flatnonzero(slack >= -near) if largest else np.arange(len(rows))

    def numbers(part: Any) -> Rationals:
        given = Rationals.of(weights[part])
        return given if removed is None else given - Rationals.of(removed[part])

    settled, moved = _relax(rows[chosen], columns[chosen], numbers(chosen), shift, proposal.tolist())
    # errors of rounding in `slack` are below 1e-15·largest, so the edges left out stay slack
    if settled.cycle is not None or moved <= near / 4 or len(chosen) == len(rows):
        return settled
    return _relax(rows, columns, numbers(slice(None)), shift, proposal.tolist())[0]


def _relax(
    rows: IntArray, columns: IntArray, numbers: Rationals, shift: Fraction, proposal: list[float]
) -> tuple[Settled, float]:
    unit = numbers.denominator * shift.denominator
    cost = numbers.numerators * shift.denominator - shift.numerator * numbers.denominator
    start = [round(Fraction(v) * unit) for v in proposal]
    v = np.array([*start, 0], dtype=object)[:-1]
    violated = np.flatnonzero(cost + v[columns] > v[rows]) if len(rows) else np.zeros(0, dtype=np.int64)
    cycle = None
    if len(violated):
        cycle = _raise(rows, columns, cost, v, sorted(set(columns[violated].tolist())))
    if cycle is not None:
        return Settled([], unit, (rows[:0], columns[:0]), cycle), 0.0
    tight = np.flatnonzero(cost + v[columns] == v[rows]) if len(rows) else np.zeros(0, dtype=np.int64)
    moved = max(
        (abs(Fraction(int(now), unit) - Fraction(was)) for now, was in zip(v, proposal, strict=True)), default=0
    )
    return Settled(v.tolist(), unit, (rows[tight], columns[tight])), float(moved)


def _raise(rows: IntArray, columns: IntArray, cost: Any, v: Any, queue: list[int]) -> tuple[int, ...] | None:
    """Raise v in place until no edge is violated; a positive cycle closes a loop in the graph of parents."""
    order = np.argsort(columns, kind="stable")
    starts = np.searchsorted(columns[order], np.arange(len(v) + 1)).tolist()
    tails, costs = rows[order].tolist(), cost[order].tolist()
    parent: dict[int, int] = {}
    waiting, steps = set(queue), 0
    while queue:
        following: list[int] = []
        for j in queue:
            waiting.discard(j)
            for e in range(starts[j], starts[j + 1]):
                i, value = tails[e], costs[e] + v[j]
                if value > v[i]:
                    v[i], parent[i] = value, j
                    if i not in waiting:
                        waiting.add(i)
                        following.append(i)
        queue, steps = following, steps + 1
        if steps & (steps - 1) == 0 or steps >= len(v):
            cycle = _loop(parent)
            if cycle is not None:
                return cycle
    return None


def _loop(parent: dict[int, int]) -> tuple[int, ...] | None:
    done: set[int] = set()
    for start in parent:
        path: list[int] = []
        here: dict[int, int] = {}
        node = start
        while node in parent and node not in done:
            if node in here:
                return tuple(path[here[node] :])
            here[node] = len(path)
            path.append(node)
            node = parent[node]
        done.update(here)
    return None


def edges(matrix: Any) -> tuple[IntArray, IntArray, Array]:
    """Rows, columns and weights of the finite entries of a matrix that was read (dense or CSR)."""
    if isinstance(matrix, np.ndarray):
        rows, columns = np.nonzero(matrix != -np.inf)
        return rows, columns, matrix[rows, columns]
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return rows, matrix.indices.astype(np.int64), matrix.data


def cycle_weight(matrix: Any, cycle: tuple[int, ...]) -> Fraction:
    """The exact weight of a cycle, as a sum of rationals."""
    following = [*cycle[1:], *cycle[:1]]
    weights = [matrix[i, j] for i, j in zip(cycle, following, strict=True)]
    return sum((Fraction(w.item() if isinstance(w, np.generic) else w) for w in weights), Fraction(0))

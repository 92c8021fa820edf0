"""Parts of a box that branch and bound still has to exclude, and how they are split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from tropix.arrays import BoolArray, FloatArray, IntArray
from tropix.certify._planes_nodes import Differences
from tropix.certify._propagation import Propagation
from tropix.certify._propagation_backward import Halfspaces

Index: TypeAlias = "BoolArray | IntArray | slice"


@dataclass(eq=False)
class Parts:
    """Boxes (N, d); for each what its parent knew of differences in segments, and the ties that were decided.

    ``beaten`` by node (N, entries of its source): which entry of its segment an entry does not exceed in this part, or
    −1 where that was not asked.
    """

    lower: FloatArray
    upper: FloatArray
    known: dict[int, Differences] = field(default_factory=dict)
    beaten: dict[int, IntArray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.lower)

    def take(self, index: Index) -> Parts:
        """Some of the parts, copied."""
        known = {i: Differences(g.lower[index], g.upper[index], g.pivot[index]) for i, g in self.known.items()}
        beaten = {i: entries[index] for i, entries in self.beaten.items()}
        return Parts(self.lower[index], self.upper[index], known, beaten)

    def cuts(self) -> dict[int, Halfspaces]:
        """The decided ties by node."""
        found = {}
        for i, entries in self.beaten.items():
            box, loser = np.nonzero(entries >= 0)
            if len(box):
                found[i] = Halfspaces(box, entries[box, loser], loser)
        return found


def joined(parts: Sequence[Parts]) -> Parts:
    """All parts in one; what not all know is forgotten, ties that some have not decided are open there."""
    if len(parts) == 1:
        return parts[0]
    known = {}
    for i in set.intersection(*(set(part.known) for part in parts)):
        tables = [part.known[i] for part in parts]
        known[i] = Differences(
            np.concatenate([table.lower for table in tables]),
            np.concatenate([table.upper for table in tables]),
            np.concatenate([table.pivot for table in tables]),
        )
    beaten = {}
    for i in set.union(*(set(part.beaten) for part in parts)):
        width = next(part.beaten[i].shape[1] for part in parts if i in part.beaten)
        open_ = [np.full((len(part), width), -1, dtype=np.int64) for part in parts]
        beaten[i] = np.concatenate([part.beaten.get(i, none) for part, none in zip(parts, open_, strict=True)])
    lower, upper = (np.concatenate([getattr(part, end) for part in parts]) for end in ("lower", "upper"))
    return Parts(lower, upper, known, beaten)


def popped(stack: list[Parts], batch: int) -> Parts:
    """The last parts of a stack, up to a batch."""
    taken: list[Parts] = []
    count = 0
    while stack and count < batch:
        last = stack.pop()
        cut = len(last) - (batch - count)
        if cut > 0:
            stack.append(last.take(slice(0, cut)))
            last = last.take(slice(cut, None))
        taken.append(last)
        count += len(last)
    return joined(taken)


def halves(parts: Parts, score: FloatArray) -> tuple[Parts | None, bool]:
    """Each box cut in two across the coordinate of the highest score (N, d); whether some cannot be cut."""
    middle = 0.5 * (parts.lower + parts.upper)
    possible = (middle > parts.lower) & (middle < parts.upper)
    axis = np.where(possible, score, -1.0).argmax(axis=1)
    able = possible[np.arange(len(axis)), axis]
    if not able.any():
        return None, len(able) > 0
    axis, middle = axis[able], middle[able]
    rows = np.arange(len(axis))
    twice = parts.take(np.repeat(np.flatnonzero(able), 2))
    cut = middle[rows, axis]
    twice.upper[2 * rows, axis] = cut
    twice.lower[2 * rows + 1, axis] = cut
    return twice, not able.all()


def tie_halves(
    propagation: Propagation, parts: Parts, node: IntArray, segment: IntArray, values: Mapping[int, FloatArray]
) -> Parts:
    """Each part cut along the tie of the two largest entries of a maximum: ``segment`` (N,) of node ``node`` (N,).

    ``values`` by node: those of its source (N, M), which say which two entries these are.
    """
    twice = parts.take(np.repeat(np.arange(len(parts)), 2))
    for i in np.unique(node).tolist():
        layout = propagation.layouts[i]
        here = np.flatnonzero(node == i)
        table, k = twice.known[i], segment[here]
        alive = table.upper[2 * here, k] > -np.inf
        heights = np.where(alive & layout.present[k], values[i][here[:, None], layout.entries[k]], -np.inf)
        order = np.argsort(-heights, axis=1, kind="stable")[:, :2]
        size = int(layout.segments[-1])
        beaten = twice.beaten.setdefault(i, np.full((len(twice), size), -1, dtype=np.int64))
        for side in range(2):
            winner, loser, child = order[:, side], order[:, 1 - side], 2 * here + side
            beaten[child, layout.entries[k, loser]] = layout.entries[k, winner]
            if layout.present.shape[1] > 2:
                table.lower[child, k, loser] = -np.inf
                table.upper[child, k, loser] = -np.inf
                continue
            first = winner == 0  # the bounded difference is that of entry 0 to entry 1
            at = child[first], k[first], np.zeros(int(first.sum()), dtype=np.int64)
            table.lower[at] = np.maximum(table.lower[at], 0.0)
            at = child[~first], k[~first], np.zeros(int((~first).sum()), dtype=np.int64)
            table.upper[at] = np.minimum(table.upper[at], 0.0)
    return twice

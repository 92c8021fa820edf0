"""Activation cells by trying every pattern: an oracle that shares nothing with the search."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import linprog

from tropix import Circuit
from tropix.arrays import FloatArray
from tropix.boxes import Polyhedron
from tropix.circuits import Affine, Input, LogSumExp


def has_interior(rows: list[FloatArray], box: Any, dimension: int) -> bool:
    """Whether {x : a·x + b < 0 for all rows (a, b)} meets the interior of the box or polyhedron."""
    left = [np.append(row[:-1], np.linalg.norm(row[:-1])) for row in rows]
    right = [-row[-1] for row in rows]
    bounds: list[tuple[float | None, float | None]] = [(None, None)] * dimension
    if box is not None:
        for i in range(dimension):
            for sign, end in ((1.0, box.upper[i]), (-1.0, box.lower[i])):
                if np.isfinite(end):
                    left.append(np.append(sign * np.eye(dimension)[i], 1.0))
                    right.append(sign * end)
        if isinstance(box, Polyhedron):
            for row, end in zip(box.weights, box.bounds, strict=True):
                left.append(np.append(row, np.linalg.norm(row)))
                right.append(end)
    if not left:
        return True
    answer = linprog(
        np.append(np.zeros(dimension), -1.0), A_ub=np.array(left), b_ub=np.array(right), bounds=[*bounds, (0, 1)]
    )
    return bool(answer.status == 0 and -answer.fun > 1e-7)


def all_patterns(circuit: Circuit, box: Any = None) -> set[tuple[int, ...]]:
    """The patterns of all full-dimensional cells: of entries that are equal on a cell the first wins."""
    limit = circuit.limit()
    dimension = limit.input_size
    needed = {limit.output}
    for i in range(limit.output, -1, -1):
        if i in needed:
            needed.update(limit.nodes[i].sources)
    steps: list[tuple[int, int]] = []
    for i, node in enumerate(limit.nodes):
        if i in needed and isinstance(node, LogSumExp):
            steps += [(i, k) for k in range(node.size)]
    found: set[tuple[int, ...]] = set()

    def forms(chosen: dict[tuple[int, int], int], upto: int) -> list[FloatArray | None]:
        values: list[FloatArray | None] = []
        for i, node in enumerate(limit.nodes[: upto + 1]):
            if i not in needed:
                values.append(None)
            elif isinstance(node, Input):
                values.append(np.eye(dimension, dimension + 1))
            elif isinstance(node, Affine):
                total = np.zeros((node.size, dimension + 1))
                total[:, -1] = node.bias
                for term in node.terms:
                    total = total + term.matrix @ values[term.source]
                values.append(total)
            elif isinstance(node, LogSumExp):
                source = values[node.source]
                assert source is not None
                values.append(np.array([source[node.segments[k] + chosen.get((i, k), 0)] for k in range(node.size)]))
        return values

    def extend(chosen: dict[tuple[int, int], int], rows: list[FloatArray], place: int) -> None:
        if place == len(steps):
            found.add(tuple(chosen[step] for step in steps))
            return
        i, k = steps[place]
        node = limit.nodes[i]
        assert isinstance(node, LogSumExp)
        source = forms(chosen, i)[node.source]
        assert source is not None
        entries = source[node.segments[k] : node.segments[k + 1]]
        for winner in range(len(entries)):
            more = []
            for other in range(len(entries)):
                row = entries[other] - entries[winner]
                if other == winner:
                    continue
                if np.abs(row).max() < 1e-11:
                    if other < winner:
                        break
                    continue
                if np.abs(row[:-1]).max() < 1e-11:
                    if row[-1] > 0:
                        break
                    continue
                more.append(row)
            else:
                if not more or has_interior(rows + more, box, dimension):
                    extend({**chosen, (i, k): winner}, rows + more, place + 1)

    extend({}, [], 0)
    return found

"""Speed of the subdivision of the plane: cells a second, and whether the time of a cell depends on their number.

The peer is the search from facet to facet, in the same run on a network of the same family.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from tropix import Box, Circuit
from tropix.circuits import CircuitBuilder
from tropix.deadline import Deadline
from tropix.regions._domain import Domain
from tropix.regions._planar import planar_cells
from tropix.regions._search import Search
from tropix.regions._tape import Tape

SQUARE = Box.of((-1, 1), 2)
FAMILIES: dict[str, tuple[Callable[[int], list[int]], list[int], int]] = {
    "one hidden layer": (lambda w: [2, w, 1], [160, 400, 890], 40),
    "two hidden layers": (lambda w: [2, w, w, 1], [85, 220, 490], 20),
    "three hidden layers": (lambda w: [2, w, w, w, 1], [56, 140, 310], 15),
}
"""Widths for about 1e4, 6e4 and 3e5 cells, and one that the facet search can do."""


def network(widths: list[int]) -> Circuit:
    rng = np.random.default_rng(0)
    builder, value = CircuitBuilder(widths[0]), 0
    for i, (m, n) in enumerate(pairwise(widths)):
        value = builder.affine([(value, rng.normal(size=(n, m)) * np.sqrt(2 / m))], rng.normal(size=n) * 0.3)
        if i < len(widths) - 2:
            value = builder.relu(value)
    return builder.build(value)


def rate_of_search(circuit: Circuit) -> float:
    search = Search(Tape.of(circuit), Domain.of(SQUARE, 2), True)
    begun = time.perf_counter()
    search.run(Deadline(None), None, None, None)
    return len(search.state.points) / (time.perf_counter() - begun)


@pytest.mark.parametrize("family", FAMILIES)
def test_cells_a_second(benchmark: Any, family: str) -> None:
    shape, sizes, small = FAMILIES[family]
    planar_cells(Tape.of(network(shape(8))), SQUARE)
    times, lines = [], []
    for width in sizes[:-1]:
        tape = Tape.of(network(shape(width)))
        begun = time.perf_counter()
        count = len(planar_cells(tape, SQUARE))
        times.append((time.perf_counter() - begun) / count)
        lines.append(f"{shape(width)}: {count} cells, {1 / times[-1]:.0f} a second")
    tape = Tape.of(network(shape(sizes[-1])))
    cells = benchmark.pedantic(planar_cells, (tape, SQUARE), rounds=1)
    assert cells.complete
    times.append(benchmark.stats.stats.median / len(cells))
    lines.append(f"{shape(sizes[-1])}: {len(cells)} cells, {1 / times[-1]:.0f} a second")
    peer = rate_of_search(network(shape(small)))
    print(f"\n{family}: " + "; ".join(lines))
    print(f"time of a cell, last over first: {times[-1] / times[0]:.2f}")
    print(f"facet search on {shape(small)}: {peer:.0f} a second, ratio {1 / times[-1] / peer:.0f}")

"""Looks ahead of the planar subdivision: against the facet search, and that they do decide something."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from piecewise_linear import layers, relu_network

from tropix import Box, Circuit
from tropix.circuits import CircuitBuilder, uniform_segments
from tropix.deadline import Deadline
from tropix.kernels import PlanarMachine, _planar_machine
from tropix.regions._domain import Domain
from tropix.regions._enumerate import result_of
from tropix.regions._planar import PlanarCells, planar_cells
from tropix.regions._search import Search
from tropix.regions._tape import Tape

SQUARE = Box.of((-1, 1), 2)


def integers(seed: int, *widths: int) -> Circuit:
    """Small integers: many lines through common points, equal neurons, dead ones."""
    rng = np.random.default_rng(seed)
    shapes = list(zip(widths[1:], widths[:-1], strict=True))
    weights = [rng.integers(-1, 2, size=shape).astype(float) for shape in shapes]
    return layers(weights, [rng.integers(-1, 2, size=shape[0]) / 2 for shape in shapes])


def maxout(seed: int, width: int, pieces: int, depth: int) -> Circuit:
    """Maxima over several affine functions, and the input again in each layer."""
    rng = np.random.default_rng(seed)
    builder, value, size = CircuitBuilder(2), 0, 2
    for _ in range(depth):
        terms = [(value, rng.normal(size=(width * pieces, size)) / np.sqrt(size))]
        if value:
            terms.append((0, rng.normal(size=(width * pieces, 2))))
        affine = builder.affine(terms, rng.normal(size=width * pieces) / 2)
        value, size = builder.log_sum_exp(affine, 0.0, uniform_segments(width, pieces)), width
    return builder.build(value)


def skipping(seed: int, width: int, whole: bool) -> Circuit:
    """Three ReLU layers, each of which reads all before it."""
    rng = np.random.default_rng(seed)

    def numbers(*shape: int) -> np.ndarray:
        return rng.integers(-1, 2, size=shape).astype(float) if whole else rng.normal(size=shape) / 3

    builder = CircuitBuilder(2)
    hidden = [0]
    for _ in range(3):
        terms = [(value, numbers(width, width if value else 2)) for value in hidden]
        hidden.append(builder.relu(builder.affine(terms, numbers(width) / 2)))
    return builder.build(hidden[-1])


CIRCUITS = {
    "wide and deep": relu_network(0, 2, 24, 24, 24, 1),
    "deep": relu_network(1, 2, *[10] * 6, 1),
    "integers": integers(2, 2, 16, 16, 16, 1),
    "integers again": integers(3, 2, 12, 20, 12, 12, 1),
    "maxout": maxout(4, 8, 3, 3),
    "pairs": maxout(5, 12, 2, 3),
    "skip connections": skipping(6, 14, False),
    "skip connections of integers": skipping(7, 10, True),
}


def counted(patterns: np.ndarray, offsets: np.ndarray, neighbours: np.ndarray) -> Counter[Any]:
    names = [*(row.tobytes() for row in patterns.astype(np.uint16)), None]
    owners = np.repeat(np.arange(len(patterns)), np.diff(offsets)).tolist()
    return Counter((names[owner], names[other]) for owner, other in zip(owners, neighbours.tolist(), strict=True))


def by_search(circuit: Circuit) -> Counter[Any]:
    """The cells and their neighbours by the search that knows nothing of stages."""
    search = Search(Tape.of(circuit), Domain.of(SQUARE, 2), True)
    found = result_of(search, search.run(Deadline(None), None, None, None), 0.0)
    assert found.complete
    return counted(found.patterns, found.facet_offsets, found.neighbours)


def ours(circuit: Circuit, **options: Any) -> PlanarCells:
    cells = planar_cells(Tape.of(circuit), SQUARE, **options)
    assert cells.complete
    assert cells.misfits == 0
    return cells


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many maxima were decided ahead, after each step of a subdivision."""
    seen: list[int] = []
    run = PlanarMachine.run

    def spy(self: PlanarMachine, budget: int) -> int:
        status = run(self, budget)
        seen.append(self.decided_ahead)
        return status

    monkeypatch.setattr(PlanarMachine, "run", spy)
    return seen


@pytest.mark.parametrize("name", CIRCUITS)
def test_same_cells_as_the_facet_search(name: str, looks: list[int]) -> None:
    circuit = CIRCUITS[name]
    cells = ours(circuit)
    assert looks[-1] > 0
    assert counted(cells.patterns, cells.offsets, cells.neighbours) == by_search(circuit)


@pytest.mark.parametrize("name", CIRCUITS)
def test_same_cells_without_looks(name: str, monkeypatch: pytest.MonkeyPatch, looks: list[int]) -> None:
    cells = ours(CIRCUITS[name])
    monkeypatch.setattr(_planar_machine, "MOST_NUMBERS", 0)
    looks.clear()
    plain = ours(CIRCUITS[name])
    assert looks[-1] == 0
    assert counted(cells.patterns, cells.offsets, cells.neighbours) == counted(
        plain.patterns, plain.offsets, plain.neighbours
    )


def test_looks_decide_most_maxima_of_later_layers(looks: list[int]) -> None:
    circuit = relu_network(1, 2, 60, 60, 60, 1)
    cells = ours(circuit)
    assert looks[-1] > len(cells)
    assert len({row.tobytes() for row in cells.patterns}) == len(cells)
    assert cells.areas().sum() == pytest.approx(4.0, rel=1e-12)


def test_float_mode_looks_ahead_too(looks: list[int]) -> None:
    circuit = relu_network(2, 2, 30, 30, 30, 1)
    exact = ours(circuit)
    looks.clear()
    loose = ours(circuit, exact=False)
    assert looks[-1] > 0
    assert (loose.patterns == exact.patterns).all()
    assert (loose.neighbours == exact.neighbours).all()

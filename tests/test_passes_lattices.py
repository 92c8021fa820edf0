"""Lattices, sorting networks and medians, written as ReLU networks, come back as maxima and minima."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from circuits_for_passes import (
    as_network,
    exactly,
    joined,
    random_lattice,
    random_leaves,
    rows_read_from_input,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from tropix import Circuit
from tropix.circuits import CircuitBuilder, LogSumExp
from tropixc.passes import Size, optimize


def rational_points(seed: int, count: int, inputs: int) -> list[list[Fraction]]:
    rng = np.random.default_rng(seed)
    return [[Fraction(int(v), 7) for v in row] for row in rng.integers(-30, 31, size=(count, inputs))]


@settings(max_examples=50)
@given(seed=st.integers(0, 10**6), depth=st.integers(1, 4), inputs=st.integers(1, 3), shared=st.booleans())
def test_lattices_come_back(seed: int, depth: int, inputs: int, shared: bool) -> None:
    rng = np.random.default_rng(seed)
    tree = random_lattice(rng, random_leaves(rng, 20, inputs), depth, repeat=False)
    trees = [tree, *tree.children] if shared else [tree]
    after = optimize(as_network(rng, trees, inputs))
    for point in rational_points(seed, 5, inputs):
        assert exactly(after, point) == [top.value(point) for top in trees]
    assert len(rows_read_from_input(after)) <= len(tree.leaves())


@settings(max_examples=50)
@given(seed=st.integers(0, 10**6), depth=st.integers(1, 4), inputs=st.integers(1, 3), count=st.integers(1, 6))
def test_lattices_with_repeated_leaves_keep_their_value(seed: int, depth: int, inputs: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    tree = random_lattice(rng, random_leaves(rng, count, inputs), depth, repeat=True)
    after = optimize(as_network(rng, [tree], inputs))
    for point in rational_points(seed, 5, inputs):
        assert exactly(after, point) == [tree.value(point)]


def sorting_network(inputs: int, encoding: int) -> Circuit:
    """Odd-even transposition: comparators of neighbours."""
    builder = CircuitBuilder(inputs)
    lines = [builder.affine([(0, row[None])], [0.0]) for row in np.eye(inputs)]
    for step in range(inputs):
        for k in range(step % 2, inputs - 1, 2):
            low, high = (joined(builder, kind, lines[k], lines[k + 1], encoding) for kind in ("min", "max"))
            lines[k], lines[k + 1] = low, high
    places = np.eye(inputs)
    return builder.build(builder.affine([(line, places[:, [k]]) for k, line in enumerate(lines)], np.zeros(inputs)))


@pytest.mark.parametrize("encoding", [0, 1])
@pytest.mark.parametrize("inputs", [1, 2, 3, 4, 5])
def test_sorting_networks_become_comparisons_of_inputs(inputs: int, encoding: int) -> None:
    network = sorting_network(inputs, encoding)
    after = optimize(network)
    for point in [*rational_points(0, 20, inputs), [Fraction(1)] * inputs, [Fraction(-k, 3) for k in range(inputs)]]:
        assert exactly(after, point) == sorted(point)
    units = {tuple(row) for row in np.eye(inputs, inputs + 1).tolist()}
    assert rows_read_from_input(after) <= units | {(0.0,) * (inputs + 1)}
    assert Size.of(after).weights <= Size.of(network).weights


@pytest.mark.parametrize("encodings", list(product([0, 1], repeat=4)))
def test_the_median_of_three(encodings: tuple[int, ...]) -> None:
    """max(min(a, b), min(max(a, b), c)), the whole of it in one encoding or not."""
    builder = CircuitBuilder(3)
    a, b, c = (builder.affine([(0, row[None])], [0.0]) for row in np.eye(3))
    low, high = joined(builder, "min", a, b, encodings[0]), joined(builder, "max", a, b, encodings[1])
    top = joined(builder, "max", low, joined(builder, "min", high, c, encodings[2]), encodings[3])
    after = optimize(builder.build(top))
    for point in rational_points(1, 20, 3):
        assert exactly(after, point) == [sorted(point)[1]]
    if len(set(encodings)) == 1:
        assert rows_read_from_input(after) <= {tuple(row) for row in np.eye(3, 4).tolist()}
        assert Size.of(after).pieces <= 8


def test_an_absolute_value_is_one_maximum() -> None:
    builder = CircuitBuilder(1)
    hidden = builder.relu(builder.affine([(0, [[3.0], [-3.0]])], [1.5, -1.5]))
    after = optimize(builder.build(builder.affine([(hidden, [[1.0, 1.0]])], [0.0])))
    assert [node.segments.tolist() for node in after.nodes if isinstance(node, LogSumExp)] == [[0, 2]]
    assert rows_read_from_input(after) == {(3.0, 1.5)}


def test_a_pair_that_cancels_is_affine() -> None:
    builder = CircuitBuilder(2)
    hidden = builder.relu(builder.affine([(0, [[1.0, 2.0], [-1.0, -2.0]])], [0.5, -0.5]))
    after = optimize(builder.build(builder.affine([(hidden, [[1.0, -1.0]])], [1.0])))
    assert len(after.nodes) == 2
    assert rows_read_from_input(after) == {(1.0, 2.0, 1.5)}

"""Slices and logits: values, the patterns met on a slice, exactness, refusals."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp

from tropix import Circuit, InvalidInput, Unsupported, regions
from tropix.arrays import FloatArray
from tropix.circuits import CircuitBuilder, Gibbs
from tropix.exact import Rationals
from tropix.regions import slice_of, slice_through


def layers(widths: list[int], seed: int) -> list[tuple[FloatArray, FloatArray]]:
    rng = np.random.default_rng(seed)
    return [(rng.normal(size=(n, m)), rng.normal(size=n)) for m, n in pairwise(widths)]


def network(parts: list[tuple[FloatArray, FloatArray]]) -> Circuit:
    builder, value = CircuitBuilder(parts[0][0].shape[1]), 0
    for i, (weights, bias) in enumerate(parts):
        value = builder.affine([(value, weights)], bias)
        value = builder.relu(value) if i < len(parts) - 1 else value
    return builder.build(value)


def signs(parts: list[tuple[FloatArray, FloatArray]], points: FloatArray) -> set[bytes]:
    found, values = [], points
    for weights, bias in parts[:-1]:
        values = values @ weights.T + bias
        found.append(values > 0)
        values = np.maximum(values, 0)
    return {row.tobytes() for row in np.concatenate(found, axis=1)}


def test_cells_of_a_slice_are_the_patterns_met_on_it() -> None:
    parts = layers([6, 5, 4, 2], 3)
    circuit = network(parts)
    rng = np.random.default_rng(1)
    corners = rng.normal(size=(3, 6))
    sliced = slice_through(circuit, corners)
    found = regions.enumerate(sliced, ((-0.5, -0.5), (1.5, 1.5)))
    steps = np.linspace(-0.5, 1.5, 1201)
    u, v = (axis.ravel() for axis in np.meshgrid(steps, steps))
    points = corners[0] + np.outer(u, corners[1] - corners[0]) + np.outer(v, corners[2] - corners[0])
    met = signs(parts, points)
    inside = np.array([corners[0] + (corners[1:] - corners[0]).T @ point for point in found.points])
    cells = signs(parts, inside)
    assert found.complete
    assert len(cells) == found.n_cells == len(found)
    assert met <= cells
    assert len(met) > 0.9 * len(cells)


def test_a_plane_goes_through_its_points_exactly() -> None:
    circuit = network(layers([3, 4, 2], 0))
    corners = np.array([[1e16, 0.1, 3.0], [1.0, 0.3, -0.7], [0.1, 1e-9, 2.0]])  # differences are no floats
    sliced = slice_through(circuit, corners)
    here = sliced.exact(Rationals.of(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])))
    assert here.equals(circuit.exact(Rationals.of(corners)))


def test_a_line_in_given_directions() -> None:
    circuit = network(layers([4, 5, 1], 2))
    origin, direction = np.array([0.5, -1.0, 2.0, 0.25]), np.array([[1.0, 2.0, -1.0, 0.5]])
    sliced = slice_of(circuit, origin, direction)
    t = np.array([[Fraction(1, 3)], [Fraction(-22, 7)]], dtype=object)
    there = Rationals.of(origin[None]) + Rationals.of(t) @ Rationals.of(direction)
    assert sliced.exact(Rationals.of(t)).equals(circuit.exact(there))
    assert sliced.names[-1] == circuit.names[-1]


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]], "do not span 2"),
        ([[0.0, 0.0], [1.0, 1.0], [1.0, 1.0]], "do not span 2"),
        ([[0.0, 0.0], [0.0, 0.0]], "do not span 1"),
        ([[0.0, 0.0]], "give two for a line"),
        ([[0.0, 0.0, 1.0]], "rows of 2 numbers"),
        ([0.0, 0.0], "expected 2 axes"),
        ([[0.0, np.nan], [1.0, 1.0]], "NaN"),
    ],
)
def test_points_that_span_no_slice(points: list[object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        slice_through(network(layers([2, 2, 1], 0)), points)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        slice_of(network(layers([2, 2, 1], 0)), [0.0, 0.0], [[0.0, 0.0]])


def classifier(tail: str) -> Circuit:
    builder = CircuitBuilder(2)
    scores = builder.affine([(builder.relu(0), [[1.0, 0.0], [0.0, 1.0], [-1.0, 2.0]])], [0.0, 0.5, 0.0], "scores")
    if tail == "none":
        return builder.build(scores)
    weights = builder.add(Gibbs(scores, 0.5, np.array([0, 3])), "softmax")
    if tail == "affine":
        weights = builder.affine([(weights, [[2.0, 0.0, 1.0]])], [1.0])
    elif tail == "scaled":
        weights = builder.affine([(weights, 2 * np.eye(3))], np.ones(3))
    elif tail == "uneven":
        weights = builder.affine([(weights, np.eye(3))], [0.0, 0.25, 0.0])
    elif tail == "skip":
        weights = builder.affine([(weights, np.eye(3)), (scores, np.eye(3))], np.zeros(3))
    elif tail == "max":
        weights = builder.relu(weights)
    return builder.build(weights)


@pytest.mark.parametrize("tail", ["none", "softmax", "scaled"])
def test_logits_are_what_is_in_front_of_the_softmax(tail: str) -> None:
    circuit = classifier(tail)
    logits = circuit.logits()
    points = np.random.default_rng(0).normal(size=(50, 2))
    assert (logits(points) == classifier("none")(points)).all()
    assert logits.names[logits.output] == "scores"
    assert (logits is circuit) == (tail == "none")


@pytest.mark.parametrize(
    ("order", "segments"), [([2, 0], [0, 3]), ([1], [0, 3]), ([0], [0, 2]), ([1, 2], [0, 2, 4]), ([3, 1], [0, 2, 4])]
)
def test_logits_are_in_the_order_of_the_outputs(order: list[int], segments: list[int]) -> None:
    rng = np.random.default_rng(3)
    builder = CircuitBuilder(2)
    scores = builder.affine([(0, rng.normal(size=(segments[-1], 2)))], rng.normal(size=segments[-1]))
    weights = builder.add(Gibbs(scores, 1.0, np.array(segments)))
    weights = builder.affine([(weights, sp.csr_array(np.eye(segments[-1])[order]))], np.zeros(len(order)))
    circuit = builder.build(weights)
    points = rng.normal(size=(200, 2))
    outputs, logits = circuit(points), circuit.logits()(points)
    assert logits.shape == outputs.shape
    assert (logits.argsort(axis=1) == outputs.argsort(axis=1)).all()
    if segments[1] == 2:  # a sigmoid: 1/2 where its logit is 0
        assert ((logits > 0) == (outputs > 0.5)).all()


def test_logits_of_several_softmaxes_are_not_compared() -> None:
    builder = CircuitBuilder(6)
    weights = builder.add(Gibbs(0, 1.0, np.array([0, 3, 6])))
    with pytest.raises(Unsupported, match="not comparable"):
        builder.build(weights).logits()


@pytest.mark.parametrize(
    ("tail", "reason"),
    [
        ("skip", "do not go through it"),
        ("max", "is not affine"),
        ("affine", "mix its weights"),
        ("uneven", "mix its weights"),
    ],
)
def test_a_softmax_in_the_middle_is_refused(tail: str, reason: str) -> None:
    with pytest.raises(Unsupported, match=reason):
        classifier(tail).logits()

"""Networks of every piecewise-linear kind are their rational functions: exactly, at thousands of points."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper
from onnx_models import model, save

import tropixc
from tropix import Circuit, TropicalPolynomial, TropicalRational, equivalent
from tropix.circuits import Affine, LogSumExp
from tropix.exact import Rationals
from tropixc.lowerings import lower_to_rational

Kind = Any


def dense(seed: int, inputs: int, kinds: list[Kind], width: int, outputs: int = 2, bits: int = 2) -> Circuit:
    """A random network whose weights have few bits, so that ties and common hyperplanes occur."""
    rng = np.random.default_rng(seed)
    layers, size = [], inputs
    for kind in kinds:
        weights = rng.integers(-(2**bits), 2**bits + 1, size=(width, size)) / 2**bits
        layers.append((weights, rng.integers(-(2**bits), 2**bits + 1, size=width) / 2**bits, kind))
        size = width // 2 if kind == ("max", 2) else width
    weights = rng.integers(-(2**bits), 2**bits + 1, size=(outputs, size)) / 2**bits
    return tropixc.from_arrays([*layers, (weights, np.zeros(outputs), None)])


def convolutional(seed: int, folder: Path) -> Circuit:
    """One-dimensional convolution, ReLU, maximum pooling, a dense layer, leaky ReLU, a dense layer; six inputs."""
    rng = np.random.default_rng(seed)
    nodes = [
        helper.make_node("Reshape", ["x", "image"], ["i"]),
        helper.make_node("Conv", ["i", "k", "kb"], ["c"], kernel_shape=[3], pads=[1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("MaxPool", ["r"], ["p"], kernel_shape=[3], strides=[3]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "w", "wb"], ["g"]),
        helper.make_node("LeakyRelu", ["g"], ["l"], alpha=0.25),
        helper.make_node("Gemm", ["l", "v", "vb"], ["y"]),
    ]
    constants = {
        "image": np.array([-1, 1, 6]),
        "k": rng.integers(-4, 5, size=(2, 1, 3)) / 4,
        "kb": rng.integers(-4, 5, size=2) / 4,
        "w": rng.integers(-4, 5, size=(4, 3)) / 4,
        "wb": rng.integers(-4, 5, size=3) / 4,
        "v": rng.integers(-4, 5, size=(3, 2)) / 4,
        "vb": np.zeros(2),
    }
    return tropixc.load(save(model(nodes, constants, shape=("batch", 6)), folder / "conv.onnx"))


def grid_points(rng: np.random.Generator, count: int, dimension: int, box: tuple[float, float] | None) -> Rationals:
    low, high = box or (-16.0, 16.0)
    return Rationals.of(rng.integers(int(1024 * low), int(1024 * high) + 1, size=(count, dimension)) / 1024)


def assert_equal(circuit: Circuit, box: tuple[float, float] | None, count: int) -> list[TropicalRational]:
    functions = tropixc.compile(circuit, "rational", box=box, time_limit=60)
    points = grid_points(np.random.default_rng(1), count, circuit.input_size, box)
    exact = circuit.exact(points)
    for k, function in enumerate(functions):
        assert function(points).equals(exact[:, k])
    return list(functions)


CASES = [
    ("relu", 1, 3, 6, None),
    ("relu", 2, 3, 6, None),
    ("relu", 3, 2, 5, None),
    ("abs", 2, 1, 5, None),
    (("leaky_relu", 0.25), 2, 2, 4, None),
    (("max", 2), 4, 3, 6, None),
    ("relu", 4, 3, 6, (-0.5, 0.5)),
    ("relu", 6, 3, 6, (-0.25, 0.25)),
    (("leaky_relu", 0.125), 4, 2, 5, (-0.5, 0.5)),
    (("max", 2), 6, 3, 6, (-1.0, 1.0)),
]


@pytest.mark.parametrize(("kind", "inputs", "depth", "width", "box"), CASES)
@pytest.mark.parametrize("seed", [0, 1])
def test_networks_equal_their_rational_functions(
    kind: Kind, inputs: int, depth: int, width: int, box: tuple[float, float] | None, seed: int
) -> None:
    assert_equal(dense(seed, inputs, [kind] * depth, width), box, 1000)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "inputs", "depth", "width", "box"), CASES)
@pytest.mark.parametrize("seed", range(2, 8))
def test_networks_equal_their_rational_functions_at_ten_thousand_points(
    kind: Kind, inputs: int, depth: int, width: int, box: tuple[float, float] | None, seed: int
) -> None:
    circuit = dense(seed, inputs, [kind] * depth, width, bits=2 if seed % 2 else 8)
    for function in assert_equal(circuit, box, 10_000):
        assert_minimal(function, box)


@pytest.mark.parametrize("seed", [0, 1])
def test_convolutional_networks(seed: int, tmp_path: Path) -> None:
    circuit = convolutional(seed, tmp_path)
    for function in assert_equal(circuit, (-0.5, 0.5), 1000):
        assert_minimal(function, (-0.5, 0.5))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 8))
def test_convolutional_networks_at_ten_thousand_points(seed: int, tmp_path: Path) -> None:
    assert_equal(convolutional(seed, tmp_path), (-0.5, 0.5), 10_000)


def assert_minimal(function: TropicalRational, box: tuple[float, float] | None) -> None:
    """Without any one monomial of either side the value at that monomial's witness is another."""
    for side in (function.numerator, function.denominator):
        pruning = side.pruning(box)
        assert pruning.kept.tolist() == list(range(len(side)))
        if len(side) == 1:
            continue
        values = side(pruning.witnesses)
        for k in range(len(side)):
            rest = side.take([j for j in range(len(side)) if j != k])
            assert rest(pruning.witnesses[k : k + 1]).fractions()[0] < values[k : k + 1].fractions()[0]


@pytest.mark.parametrize("kind", ["relu", ("max", 2)])
def test_sizes_are_minimal(kind: Kind) -> None:
    for function in tropixc.compile(dense(3, 2, [kind, kind], 4), "rational"):
        assert_minimal(function, None)


def test_a_sawtooth_has_two_to_the_depth_pieces() -> None:
    # g(x) = 2 relu(x) − 4 relu(x − 1/2) on [0, 1], iterated: 2^L teeth
    layers: list[Any] = []
    depth = 4
    for k in range(depth):
        weights = [[1.0], [1.0]] if k == 0 else [[2.0, -4.0], [2.0, -4.0]]
        layers.append((weights, [0.0, -0.5], "relu"))
    circuit = tropixc.from_arrays([*layers, ([[2.0, -4.0]], [0.0], None)])
    function = tropixc.compile(circuit, "rational", box=(0, 1))
    # every kink is a kink of one side: 2^L − 1 of them
    assert sum(function.size) - 2 == 2**depth - 1
    at = Rationals.of(np.arange(2**depth + 1)[:, None] / 2**depth)
    assert function(at).fractions().tolist() == [Fraction(k % 2) for k in range(2**depth + 1)]


def test_order_statistics() -> None:
    # the median of three as max–min: 3 affine maps, one rational function
    x = [TropicalRational.of(TropicalPolynomial([row], [0])) for row in np.eye(3)]
    pairs = [(x[i] ** -1 + x[j] ** -1) ** -1 for i, j in ((0, 1), (0, 2), (1, 2))]
    median = (pairs[0] + pairs[1] + pairs[2]).simplify()
    points = Rationals.of(np.random.default_rng(0).integers(-9, 10, size=(500, 3)))
    assert median(points).fractions().tolist() == [sorted(row)[1] for row in points.fractions().tolist()]
    total = x[0] * x[1] * x[2]
    largest, smallest = x[0] + x[1] + x[2], (x[0] ** -1 + x[1] ** -1 + x[2] ** -1) ** -1
    assert equivalent(median, total / largest / smallest)


@pytest.mark.parametrize("box", [None, (-0.5, 0.5)])
def test_the_way_back_to_the_neurons(box: tuple[float, float] | None) -> None:
    circuit = dense(1, 2, ["relu", ("max", 2)], 4)
    lowering = lower_to_rational(circuit, 0, box)
    pieces = lowering.pieces
    assert pieces.verify()
    assert len(lowering.activations) == len(pieces.pairs)
    for (i, j), at, pattern in zip(
        pieces.pairs.tolist(), pieces.witnesses.fractions(), lowering.activations, strict=True
    ):
        # the network with its winners held fixed is affine: the difference of the two monomials
        expected = lowering.function.numerator.exact[i].fractions() - lowering.function.denominator.exact[j].fractions()
        assert (affine_piece(circuit, pattern) == expected).all()
        assert all(len(winners) for winners in pattern.values())
        assert len(at) == 2


def affine_piece(circuit: Circuit, pattern: dict[str, np.ndarray]) -> np.ndarray:
    """Output 0 as a row of Fractions, every maximum replaced by the entry that the pattern names."""
    rows: list[np.ndarray] = []
    for node, name in zip(circuit.nodes, circuit.names, strict=True):
        if isinstance(node, Affine):
            total = np.zeros((node.size, circuit.input_size + 1), dtype=object)
            total[:, -1] = [Fraction(value) for value in node.bias.tolist()]
            for term in node.terms:
                matrix = term.matrix if isinstance(term.matrix, np.ndarray) else term.matrix.toarray()
                total = total + np.vectorize(Fraction, otypes=[object])(matrix) @ rows[term.source]
            rows.append(total)
        elif isinstance(node, LogSumExp):
            rows.append(rows[node.source][node.segments[:-1] + pattern[name]])
        else:
            rows.append(np.vectorize(Fraction, otypes=[object])(np.eye(node.size, node.size + 1)))
    return np.asarray(rows[circuit.output][0])


@pytest.mark.parametrize("target", ["polynomial", "rational"])
def test_networks_may_be_deeper_than_the_stack(target: str) -> None:
    layers = [(np.eye(2), [-1.0, -1.0], "relu") for _ in range(300)]
    sign = 1.0 if target == "polynomial" else -1.0
    circuit = tropixc.from_arrays([*layers, ([[1.0, sign]], [0.0], None)])
    function = tropixc.compile(circuit, target)
    assert function([[301.0, 300.0], [0.0, 302.0]]).tolist() == [1.0, 2 * sign]

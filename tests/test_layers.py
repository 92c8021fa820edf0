"""Log-sum-exps inside circuits, read back as functions: exact affine chains, rounded once."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from tropix import Circuit, InvalidInput, Unsupported
from tropix.circuits import AffineForms, CircuitBuilder, Gibbs, Product, layers, single_layer, uniform_segments


def chain(eps: float = 0.5, factor: float = 2.0) -> Circuit:
    """factor·⊕_ε(three affine chains) − x_0 + 1."""
    rng = np.random.default_rng(0)
    builder = CircuitBuilder(2)
    first = builder.affine([(0, rng.normal(size=(4, 2)))], rng.normal(size=4))
    pieces = builder.affine([(first, rng.normal(size=(3, 4))), (0, rng.normal(size=(3, 2)))], rng.normal(size=3))
    value = builder.log_sum_exp(pieces, eps, np.array([0, 3]))
    return builder.build(builder.affine([(value, [[factor]]), (0, [[-1.0, 0.0]])], [1.0]))


def test_affine_chains_are_composed_exactly() -> None:
    circuit = chain()
    form = AffineForms(circuit).of(2)
    first, second = circuit.nodes[1], circuit.nodes[2]
    weights = [[Fraction(float(w)) for w in row] for row in first.terms[0].matrix]  # type: ignore[union-attr]
    for i in range(3):
        for j in range(2):
            expected = Fraction(float(second.terms[1].matrix[i, j]))  # type: ignore[union-attr]
            expected += sum(
                Fraction(float(second.terms[0].matrix[i, k])) * weights[k][j]  # type: ignore[union-attr]
                for k in range(4)
            )
            assert form.terms[0].fractions()[i, j] == expected


@pytest.mark.parametrize("eps", [0.0, 0.5])
def test_a_single_layer_is_the_output(eps: float) -> None:
    circuit = chain(eps)
    f = single_layer(circuit)
    x = np.random.default_rng(1).normal(size=(100, 2))
    assert f.eps == 2 * eps
    assert np.abs(f(x) - circuit(x)[:, 0]).max() < 1e-13


def test_rounded_pieces_can_be_refused() -> None:
    assert single_layer(chain(factor=2.0)).eps == 1.0
    with pytest.raises(Unsupported, match="rounded"):
        single_layer(chain(), exact=True)
    builder = CircuitBuilder(1)
    plain = builder.build(builder.pairs_with_zero(0, 0.5))
    assert single_layer(plain, exact=True).weights.tolist() == [[0.0], [1.0]]


def test_affine_outputs_are_one_piece() -> None:
    builder = CircuitBuilder(2)
    circuit = builder.build(builder.affine([(0, [[1.0, 2.0]])], [3.0]))
    f = single_layer(circuit)
    assert (f.weights.tolist(), f.bias.tolist(), f.eps) == ([[1.0, 2.0]], [3.0], 0.0)
    constant = CircuitBuilder(2)
    g = single_layer(constant.build(constant.affine([], [3.0])))
    assert (g.weights.tolist(), g.bias.tolist()) == ([[0.0, 0.0]], [3.0])
    identity = CircuitBuilder(2)
    assert single_layer(identity.build(0), 1).weights.tolist() == [[0.0, 1.0]]


def test_what_is_no_single_layer_says_why() -> None:
    with pytest.raises(Unsupported, match="concave"):
        single_layer(chain(factor=-1.0))
    with pytest.raises(InvalidInput, match="outputs 0 to 0"):
        single_layer(chain(), 1)
    builder = CircuitBuilder(2)
    soft = builder.pairs_with_zero(builder.affine([(0, np.eye(2))], np.zeros(2)), 0.5)
    two = builder.affine([(soft, [[1.0, 1.0], [1.0, 0.0]])], np.zeros(2))
    with pytest.raises(Unsupported, match="sum of 2"):
        single_layer(builder.build(two))
    assert len(single_layer(builder.build(two), 1)) == 2
    deep = builder.pairs_with_zero(two, 0.5)
    with pytest.raises(Unsupported, match="not a single layer"):
        single_layer(builder.build(deep))
    weights = builder.add(Gibbs(two, 1.0, uniform_segments(1, 2)))
    with pytest.raises(Unsupported, match="softmax"):
        single_layer(builder.build(weights))
    product = builder.add(Product(soft, soft, 2))
    with pytest.raises(Unsupported, match="product"):
        single_layer(builder.build(product))


def test_layers_are_functions_of_what_they_read() -> None:
    rng = np.random.default_rng(3)
    builder = CircuitBuilder(3)
    hidden = builder.pairs_with_zero(builder.affine([(0, rng.normal(size=(4, 3)))], rng.normal(size=4)), 0.5)
    sparse = np.array([[1.0, 0.0, 0.0, 2.0], [0.0, 0.0, 0.0, 0.0]])
    joined = builder.affine([(hidden, sparse), (0, [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])], [0.1, 0.2])
    second = builder.pairs_with_zero(joined, 0.25)
    builder.relu(second)
    circuit = builder.build(builder.relu(second))
    found = layers(circuit)
    assert [len(layer.functions) for layer in found] == [4, 2]  # the ReLU has no temperature
    values = circuit.values(rng.normal(size=(50, 3)))
    for layer in found:
        points = layer.points(values)
        for k, (f, columns) in enumerate(zip(layer.functions, layer.columns, strict=True)):
            assert np.abs(f(points[:, columns]) - values[layer.node][:, k]).max() < 1e-13
    assert [columns.tolist() for columns in found[1].columns] == [[1, 3, 6], [2]]


def test_outputs_can_be_selected() -> None:
    builder = CircuitBuilder(2)
    circuit = builder.build(builder.affine([(0, np.arange(6.0).reshape(3, 2))], [1.0, 2.0, 3.0]))
    x = np.array([[0.5, -1.0]])
    assert np.array_equal(circuit.select([2, 0])(x), circuit(x)[:, [2, 0]])
    with pytest.raises(InvalidInput, match="output 3"):
        circuit.select([3])

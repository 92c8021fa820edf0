"""Passes keep the function: on random inputs at several temperatures, and exactly in rational arithmetic."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from tropix import Circuit
from tropix.circuits import Affine, CircuitBuilder, Gibbs, LogSumExp, Product, uniform_segments
from tropix.exact import Rationals
from tropixc.passes import AbsorbScales, FoldConstants, FuseAffine, PullShifts, optimize
from tropixc.passes._exact import exact_product

PASSES = [FoldConstants(), FuseAffine(), PullShifts(), AbsorbScales(), optimize]


def random_circuit(seed: int, *, short: bool) -> Circuit:
    """A random circuit with shared nodes, constants, scalings and shifts; ``short`` keeps weights to few bits."""
    rng = np.random.default_rng(seed)

    def numbers(*shape: int) -> np.ndarray:
        values = rng.normal(size=shape)
        return np.round(values * 8) / 8 if short else values

    builder = CircuitBuilder(3)
    nodes = [0]
    for _ in range(int(rng.integers(2, 9))):
        a, b = (int(rng.choice(nodes)) for _ in range(2))
        size = builder.size(a)
        match int(rng.integers(6)):
            case 0:
                node = builder.affine(
                    [(a, numbers(3, size)), (b, sp.csr_array(numbers(3, builder.size(b))))], numbers(3)
                )
            case 1:
                scale = float(rng.choice([0.25, 2.0, 4.0]))
                node = builder.affine([(a, sp.eye_array(size, format="csr") * scale)], np.zeros(size))
            case 2:
                node = builder.pairs_with_zero(a, float(rng.choice([0.0, 0.5, 1.0])))
            case 3:  # a log-sum-exp with a max-shift
                top = builder.log_sum_exp(a, 0.0, uniform_segments(1, size))
                shifted = builder.affine([(a, np.eye(size)), (top, -np.ones((size, 1)))], np.zeros(size))
                joined = builder.log_sum_exp(shifted, 1.0, uniform_segments(1, size))
                node = builder.affine([(joined, [[1.0]]), (top, [[1.0]])], [0.0])
            case 4:
                constant = builder.affine([], numbers(2 * size))
                node = builder.log_sum_exp(constant, 0.0, uniform_segments(size, 2))
                node = builder.affine([(node, np.eye(size)), (a, np.eye(size))], np.zeros(size))
            case _:
                node = builder.log_sum_exp(a, 0.5, uniform_segments(1, size))
        nodes.append(node)
    return builder.build(nodes[-1])


@pytest.mark.parametrize("step", PASSES, ids=lambda p: getattr(p, "__name__", type(p).__name__))
@settings(max_examples=60)
@given(seed=st.integers(0, 10**6))
def test_same_function_at_every_temperature(step: object, seed: int) -> None:
    circuit = random_circuit(seed, short=False)
    after = step(circuit)  # type: ignore[operator]
    points = np.random.default_rng(seed).normal(size=(20, 3))
    for scale in (1.0, 0.1, 0.0):
        before = circuit.heat(scale)(points)
        np.testing.assert_allclose(after.heat(scale)(points), before, rtol=1e-9, atol=1e-9 * (1 + np.abs(before).max()))


@pytest.mark.parametrize("step", PASSES, ids=lambda p: getattr(p, "__name__", type(p).__name__))
@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), short=st.booleans())
def test_exactly_the_same_limit(step: object, seed: int, short: bool) -> None:
    circuit = random_circuit(seed, short=short)
    after = step(circuit)  # type: ignore[operator]
    points = Rationals.of(np.random.default_rng(seed).integers(-8, 9, size=(5, 3)) / 4)
    assert after.limit().exact(points).equals(circuit.limit().exact(points))


matrices = st.lists(
    st.lists(st.floats(-1e3, 1e3, width=32) | st.just(0.0), min_size=2, max_size=2), min_size=2, max_size=2
)


@given(matrices, matrices, st.booleans())
def test_exact_product_is_exact_or_nothing(a: list[list[float]], b: list[list[float]], diagonal: bool) -> None:
    left = np.diag(np.diag(a)) if diagonal else np.array(a)
    product = exact_product(left, np.array(b))
    expected = [
        [sum((Fraction(float(left[i, k])) * Fraction(b[k][j]) for k in range(2)), Fraction(0)) for j in range(2)]
        for i in range(2)
    ]
    if product is not None:
        dense = product if isinstance(product, np.ndarray) else product.toarray()
        assert [[Fraction(float(v)) for v in row] for row in dense] == expected
    elif diagonal:
        # one product of two float32 numbers always fits into float64 unless it is tiny
        assert any(0 < abs(v) < Fraction(1, 2**900) for row in expected for v in row)


def test_exact_product_refuses_rounding() -> None:
    third = np.array([[1 / 3]])
    assert exact_product(third, third) is None
    assert exact_product(np.array([[1.0, 2.0**-60]]), np.array([[1.0], [1.0]])) is None
    assert exact_product(np.array([[1e200]]), np.array([[1e200]])) is None
    assert exact_product(np.array([[2.0**-600]]), np.array([[2.0**-600]])) is None
    assert exact_product(np.array([[1.0, 1.0]]), np.array([[2.0**53 - 1], [2.0]])) is None
    assert exact_product(np.array([[2.0**27 - 1]]), np.array([[2.0**27 - 1]])) is None
    lossy = np.array([[(1 + 2.0**-20) * 2.0**-530]])
    assert exact_product(lossy, lossy) is None


def test_affine_chains_become_one_node() -> None:
    builder = CircuitBuilder(2)
    first = builder.affine([(0, [[1.0, 2.0], [3.0, 4.0]])], [1.0, -1.0])
    second = builder.affine([(first, [[0.5, 0.0], [0.0, 2.0]]), (0, np.eye(2))], [0.0, 1.0])
    fused = FuseAffine()(builder.build(second))
    assert len(fused.nodes) == 2
    node = fused.nodes[1]
    assert isinstance(node, Affine)
    assert np.asarray(node.terms[0].matrix).tolist() == [[1.5, 1.0], [6.0, 9.0]]
    assert node.bias.tolist() == [0.5, -1.0]


def test_inexact_compositions_stay_apart() -> None:
    builder = CircuitBuilder(1)
    first = builder.affine([(0, [[1 / 3]])], [0.0])
    circuit = builder.build(builder.affine([(first, [[1 / 3]])], [0.0]))
    assert len(FuseAffine()(circuit).nodes) == 3


def test_terms_that_cancel_disappear() -> None:
    builder = CircuitBuilder(2)
    hidden = builder.relu(0)
    minus = builder.affine([(hidden, -np.eye(2)), (0, np.eye(2))], np.zeros(2))
    circuit = builder.build(builder.affine([(hidden, np.eye(2)), (minus, np.eye(2))], np.ones(2)))
    assert len(FuseAffine()(circuit).nodes) == 2


def test_the_max_shift_is_recognised() -> None:
    builder = CircuitBuilder(4)
    top = builder.log_sum_exp(0, 0.0, uniform_segments(2, 2))
    spread = np.kron(np.eye(2), np.ones((2, 1)))
    shifted = builder.affine([(0, np.eye(4)), (top, -spread)], np.zeros(4))
    joined = builder.log_sum_exp(shifted, 1.0, uniform_segments(2, 2))
    circuit = builder.build(builder.affine([(joined, np.eye(2)), (top, np.eye(2))], np.zeros(2)))
    after = optimize(circuit)
    assert [type(node) for node in after.nodes] == [type(circuit.nodes[0]), LogSumExp]
    weights = builder.add(Gibbs(shifted, 1.0, uniform_segments(2, 2)))
    assert [type(node).__name__ for node in optimize(builder.build(weights)).nodes] == ["Input", "Gibbs"]


def test_a_shift_that_differs_within_a_segment_stays() -> None:
    builder = CircuitBuilder(2)
    top = builder.log_sum_exp(0, 0.0, uniform_segments(1, 2))
    shifted = builder.affine([(0, np.eye(2)), (top, [[-1.0], [1.0]])], np.zeros(2))
    circuit = builder.build(builder.log_sum_exp(shifted, 1.0, uniform_segments(1, 2)))
    assert len(PullShifts()(circuit).nodes) == len(circuit.nodes)


def test_temperatures_are_read_off() -> None:
    builder = CircuitBuilder(2)
    hot = builder.affine([(0, 16 * np.eye(2))], np.zeros(2))
    joined = builder.log_sum_exp(hot, 1.0, uniform_segments(1, 2))
    circuit = builder.build(builder.affine([(joined, [[1 / 16]])], [0.0]))
    after = optimize(circuit)
    assert after.temperatures == (1 / 16,)
    assert len(after.nodes) == 2
    cold = builder.build(builder.affine([(joined, [[-1.0]])], [0.0]))
    assert optimize(cold).temperatures == (1.0,)


def test_constants_fold() -> None:
    builder = CircuitBuilder(2)
    constant = builder.affine([], [1.0, 5.0, 2.0, 3.0])
    best = builder.log_sum_exp(constant, 0.0, uniform_segments(2, 2))
    product = builder.add(Product(best, 0, 2))
    after = optimize(builder.build(product))
    assert after([[1.0, 1.0]]).tolist() == [[5.0, 3.0]]
    assert [type(node).__name__ for node in after.nodes] == ["Input", "Affine"]
    smooth = builder.build(builder.log_sum_exp(constant, 1.0, uniform_segments(2, 2)))
    assert any(isinstance(node, LogSumExp) for node in optimize(smooth).nodes)


def test_only_identities_vanish() -> None:
    builder = CircuitBuilder(2)
    circuit = builder.build(builder.affine([(0, [[1.0, 1.0], [0.0, 1.0]])], [0.0, 0.0]))
    assert len(FuseAffine()(circuit).nodes) == 2


def test_temperatures_that_would_be_rounded_stay() -> None:
    builder = CircuitBuilder(2)
    joined = builder.log_sum_exp(0, 0.1, uniform_segments(1, 2))
    circuit = builder.build(builder.affine([(joined, [[1 / 3]])], [0.0]))
    assert AbsorbScales()(circuit).temperatures == (0.1,)

"""Bounds of the number of regions, against published values, sums written out, and counts of actual cells."""

from __future__ import annotations

from itertools import combinations, product
from math import comb, prod
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from piecewise_linear import layers, relu_network, sawtooth, tangled

import tropixc
from tropix import Circuit, TropicalPolynomial
from tropix.boxes import Box
from tropix.circuits import CircuitBuilder
from tropix.errors import InvalidInput
from tropix.regions import ceilings, maxout_layer, montufar_lower, serra_upper, traverse, zaslavsky
from tropix.regions import enumerate as enumerate_regions


def cells(circuit: Circuit, box: Box | None = None) -> int:
    return len(enumerate_regions(circuit, box))


def maxout(seed: int, inputs: int, ranks: list[int], *, bias: bool = True) -> Circuit:
    rng = np.random.default_rng(seed)
    builder = CircuitBuilder(inputs)
    weights = rng.normal(size=(sum(ranks), inputs))
    # a strictly concave lifting, so that every entry is somewhere the largest
    lifting = -(weights**2).sum(axis=1) if bias else np.zeros(sum(ranks))
    forms = builder.affine([(0, weights)], lifting)
    return builder.build(builder.log_sum_exp(forms, 0.0, np.concatenate([[0], np.cumsum(ranks)])))


@pytest.mark.parametrize(("dimension", "count", "regions"), [(2, 8, 37), (3, 8, 93), (4, 8, 163), (5, 8, 219)])
def test_known_numbers_of_hyperplane_arrangements(dimension: int, count: int, regions: int) -> None:
    assert zaslavsky(count, dimension) == maxout_layer([2] * count, dimension) == regions
    assert serra_upper(dimension, [count]) == montufar_lower(dimension, [count]) == regions


@pytest.mark.parametrize(("dimension", "count", "regions"), [(2, 6, 12), (3, 6, 32), (4, 7, 84), (3, 0, 1), (2, 1, 2)])
def test_known_numbers_of_central_arrangements(dimension: int, count: int, regions: int) -> None:
    assert zaslavsky(count, dimension, central=True) == regions


@pytest.mark.parametrize(("inputs", "count"), [(1, 4), (2, 4), (3, 4)])
def test_one_layer_attains_its_ceiling(inputs: int, count: int) -> None:
    rng = np.random.default_rng(inputs)
    weights, ones = rng.normal(size=(count, inputs)), np.ones((1, count))
    for bias in (rng.normal(size=count), np.zeros(count)):
        circuit = layers([weights, ones], [bias, np.zeros(1)])
        found = ceilings(circuit)
        assert found.upper == cells(circuit)
        assert (found.upper_source, found.attained) == ("Zaslavsky 1975", True)


def test_biases_behind_the_maxima_do_not_move_the_ties() -> None:
    circuit = layers([np.eye(2), np.ones((1, 2))], [np.zeros(2), np.ones(1)])
    assert ceilings(circuit).upper == 4
    assert zaslavsky(2, 2, central=True) == 4
    shifted = layers([np.ones((3, 1)), np.ones((1, 3))], [np.arange(3.0), np.zeros(1)])
    assert ceilings(shifted).upper == 4


@given(st.lists(st.integers(1, 5), min_size=0, max_size=6), st.integers(0, 4))
def test_maxout_sums_written_out(ranks: list[int], dimension: int) -> None:
    subsets = (s for size in range(dimension + 1) for s in combinations(ranks, size))
    assert maxout_layer(ranks, dimension) == sum(prod(k - 1 for k in s) for s in subsets)


@pytest.mark.parametrize(("inputs", "ranks"), [(1, [3, 4, 2]), (2, [3, 3]), (2, [4]), (3, [3, 2])])
def test_no_maxout_layer_has_more_cells(inputs: int, ranks: list[int]) -> None:
    counts = [cells(maxout(seed, inputs, ranks)) for seed in range(6)]
    ceiling = maxout_layer(ranks, inputs)
    assert max(counts) <= ceiling == ceilings(maxout(0, inputs, ranks)).upper
    if inputs == 1 or len(ranks) == 1:  # hidden entries and parallel ties aside, these attain it
        assert max(counts) == ceiling


def test_nine_cells_of_two_maxima_over_three_exist() -> None:
    assert max(cells(maxout(seed, 2, [3, 3])) for seed in range(14)) == maxout_layer([3, 3], 2) == 9


def published_sum(inputs: int, widths: list[int]) -> int:
    """Theorem 1 of Serra, Tjandraatmadja, Ramalingam as it is printed."""
    total = 0
    for chosen in product(*(range(n + 1) for n in widths)):
        if all(j <= min([inputs, widths[i], *(widths[k] - chosen[k] for k in range(i))]) for i, j in enumerate(chosen)):
            total += prod(comb(n, j) for n, j in zip(widths, chosen, strict=True))
    return total


@given(st.integers(1, 5), st.lists(st.integers(1, 5), min_size=0, max_size=4))
def test_the_recursion_is_the_printed_sum(inputs: int, widths: list[int]) -> None:
    assert serra_upper(inputs, widths) == published_sum(inputs, widths)


@given(st.integers(1, 6), st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_lower_and_upper_bounds_of_the_maximum(inputs: int, widths: list[int]) -> None:
    lower, upper = montufar_lower(inputs, widths), serra_upper(inputs, widths)
    assert 1 < lower <= upper <= prod(zaslavsky(n, inputs) for n in widths)
    assert upper <= 2 ** sum(widths)
    if min(widths) >= inputs:
        printed = prod((n // inputs) ** inputs for n in widths[:-1]) * zaslavsky(widths[-1], inputs)
        assert printed <= lower


@given(st.integers(2, 9), st.integers(1, 5))
def test_in_one_dimension_the_bound_is_a_product(width: int, depth: int) -> None:
    assert serra_upper(1, [width] * depth) == (width + 1) ** depth
    assert montufar_lower(1, [width] * depth) == width ** (depth - 1) * (width + 1)


def test_large_shapes_are_quick() -> None:
    assert serra_upper(64, [256] * 8).bit_length() > 600
    assert maxout_layer([2] * 1000 + [5] * 1000, 100) > zaslavsky(2000, 100)


@pytest.mark.parametrize(
    ("seed", "widths"),
    [(0, (1, 3, 3, 1)), (1, (2, 3, 3, 1)), (2, (2, 1, 4, 1)), (3, (2, 4, 1, 3, 2)), (4, (3, 3, 2, 1))],
)
def test_no_deep_network_has_more_cells(seed: int, widths: tuple[int, ...]) -> None:
    circuit = relu_network(seed, *widths)
    found = ceilings(circuit)
    assert cells(circuit) <= found.upper == serra_upper(widths[0], widths[1:-1])
    assert found.lower == montufar_lower(widths[0], widths[1:-1])
    assert [layer.size for layer in found.layers] == list(widths[1:-1])
    assert all(layer.rectifying for layer in found.layers)


def test_a_sawtooth_and_its_ceiling() -> None:
    found = ceilings(sawtooth(6))
    assert (found.upper, found.lower) == (3**6, 2**5 * 3)
    assert traverse(sawtooth(6), [-1], [2]).n_pieces == 66 <= 3**6


def test_maxima_that_are_no_relu_get_the_weaker_bound() -> None:
    builder = CircuitBuilder(2)
    leaky = builder.pairs_with_zero(builder.affine([(0, np.ones((3, 2)))], np.ones(3)), 0.0, 0.1)
    circuit = builder.build(builder.pairs_with_zero(builder.affine([(leaky, np.ones((3, 3)))], np.ones(3)), 0.0, 0.1))
    found = ceilings(circuit)
    assert found.upper == zaslavsky(3, 2) ** 2 == 49
    assert found.lower is None
    assert serra_upper(2, [3, 3]) < 49


def test_a_narrow_affine_map_between_layers_counts() -> None:
    builder = CircuitBuilder(3)
    first = builder.pairs_with_zero(builder.affine([(0, np.eye(3))], np.ones(3)), 0.0)
    narrow = builder.affine([(first, np.ones((1, 3)))], np.zeros(1))
    second = builder.affine([(narrow, np.ones((4, 1)))], np.arange(4.0))
    circuit = builder.build(builder.pairs_with_zero(second, 0.0))
    found = ceilings(circuit)
    assert cells(circuit) <= found.upper < serra_upper(3, [3, 4])
    assert found.upper == 1 + 7 * 5  # where all of the first layer is off nothing is left to cut
    assert found.lower is None


def test_shipped_models(models: Path) -> None:
    cancer = ceilings(tropixc.load(models / "breast_cancer_relu.onnx"))
    assert (cancer.upper, cancer.lower) == (serra_upper(30, [16, 8]), montufar_lower(30, [16, 8]))
    digits = ceilings(tropixc.load(models / "digits_lse.onnx").limit())
    assert (digits.upper, digits.attained) == (4**10, True)
    skipping = ceilings(tropixc.load(models / "iris_icnn.onnx").limit())
    assert skipping.upper is skipping.lower is None
    assert "plain chains" in skipping.reason


def test_polynomials_and_functions_without_maxima() -> None:
    assert ceilings(TropicalPolynomial([[0], [1], [2]], [0, 0, 0])).upper == 3
    builder = CircuitBuilder(2)
    assert ceilings(builder.build(builder.affine([(0, np.eye(2))], np.ones(2)))).upper == 1


@pytest.mark.parametrize("seed", range(40))
def test_ceilings_of_tangled_circuits_hold(seed: int) -> None:
    circuit = tangled(seed, inputs=1 + seed % 2, size=3)
    found = ceilings(circuit)
    assert (found.upper is None) == bool(found.reason)
    if found.upper is not None:
        assert cells(circuit, Box.of((-50, 50), circuit.input_size)) <= found.upper


def test_what_is_no_shape() -> None:
    calls = [(zaslavsky, -1, 2), (zaslavsky, 2, 0), (zaslavsky, True, 2), (serra_upper, 0, [1]),
             (montufar_lower, 2, [0]), (maxout_layer, [0], 1)]  # fmt: skip
    for function, *arguments in calls:
        with pytest.raises(InvalidInput, match="expected an integer"):
            function(*arguments)

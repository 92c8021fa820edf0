"""Tropical rational functions: laws, exact equivalence, and lowering of circuits of every kind of maximum."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tropixc
from tropix import Circuit, InvalidInput, TropicalPolynomial, TropicalRational, Unsupported, equivalent
from tropix.circuits import CircuitBuilder, Gibbs, uniform_segments
from tropix.exact import Rationals
from tropixc.lowerings import _rational, lower_to_rational


def polynomial(rng: np.random.Generator, count: int, dimension: int) -> TropicalPolynomial:
    return TropicalPolynomial(rng.integers(-3, 4, size=(count, dimension)) / 2, rng.integers(-4, 5, size=count) / 2)


def rational(seed: int, dimension: int = 2) -> TropicalRational:
    rng = np.random.default_rng(seed)
    return TropicalRational(polynomial(rng, int(rng.integers(1, 5)), dimension), polynomial(rng, 3, dimension))


def grid(dimension: int = 2) -> Rationals:
    axes = [np.arange(-4, 5) / 2] * dimension
    return Rationals.of(np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, dimension))


def values(function: TropicalRational | TropicalPolynomial) -> list[Fraction]:
    return list(function(grid(function.dimension)).fractions())


seeds = st.integers(0, 10**6)


@settings(max_examples=60)
@given(seeds, seeds, seeds)
def test_the_operations_are_pointwise(a: int, b: int, power: int) -> None:
    f, g = rational(a), rational(b)
    left, right = values(f), values(g)
    c = Fraction(power % 13 - 6, 4)
    assert values(f + g) == [max(x, y) for x, y in zip(left, right, strict=True)]
    assert values(f * g) == [x + y for x, y in zip(left, right, strict=True)]
    assert values(f / g) == [x - y for x, y in zip(left, right, strict=True)]
    assert values(f**c) == [c * x for x in left]
    matrix, offset = np.array([[1.0, 2.0, 0.0], [0.5, 0.0, -1.0]]), np.array([0.25, -1.0])
    points = grid(3)
    moved = points @ Rationals.of(matrix.T) + Rationals.of(offset)
    assert f.substitute(matrix, offset)(points).equals(f(moved))


@settings(max_examples=60)
@given(seeds, seeds)
def test_equivalence_is_decided_with_a_witness(a: int, b: int) -> None:
    f, g, h = rational(a), rational(b), rational(a + 1)
    assert equivalent(f * g / g, f)
    assert equivalent((f + g) * h, f * h + g * h)
    assert equivalent(f.simplify(), f)
    found = equivalent(f, g)
    if found:
        assert values(f) == values(g)
    else:
        assert found.witness is not None
        point = Rationals(found.witness.numerators[None, :], found.witness.denominator)
        assert f(point).fractions()[0] != g(point).fractions()[0]


def test_functions_that_agree_on_a_box_alone() -> None:
    x, zero = TropicalPolynomial([[1]], [0]), TropicalPolynomial.constant(0, 1)
    relu, line = TropicalRational.of(x + zero), TropicalRational.of(x)
    assert relu.equivalent(line, (0, 5))
    found = relu.equivalent(line, (-1, 5))
    assert found.witness is not None
    assert -1 <= found.witness.floats()[0] < 0
    assert relu.equivalent(line, (2, 2))


def test_bad_input() -> None:
    one = TropicalPolynomial.constant(0, 1)
    with pytest.raises(InvalidInput, match="monomial on each side"):
        TropicalRational(one, TropicalPolynomial.zero(1))
    with pytest.raises(InvalidInput, match="1 variables, denominator in 2"):
        TropicalRational(one, TropicalPolynomial.constant(0, 2))
    with pytest.raises(InvalidInput, match="1 and 2 variables"):
        equivalent(one, TropicalPolynomial.constant(0, 2))


def network(seed: int, kinds: list[Any]) -> Circuit:
    """A random network of few inputs with short weights."""
    rng = np.random.default_rng(seed)
    width = int(rng.integers(1, 4))
    layers = []
    for kind in kinds:
        rows = 4
        layers.append((rng.integers(-4, 5, size=(rows, width)) / 4, rng.integers(-4, 5, size=rows) / 4, kind))
        width = rows // 2 if kind == ("max", 2) else rows
    layers.append((rng.integers(-4, 5, size=(2, width)) / 4, rng.integers(-4, 5, size=2) / 4, None))
    return tropixc.from_arrays(layers)


KINDS = st.lists(st.sampled_from(["relu", "abs", ("leaky_relu", 0.25), ("max", 2)]), min_size=1, max_size=2)


@settings(max_examples=40, deadline=None)
@given(seeds, KINDS, st.booleans())
def test_a_network_is_its_rational_function(seed: int, kinds: list[Any], boxed: bool) -> None:
    circuit = network(seed, kinds)
    box = (-1.0, 0.5) if boxed else None
    functions = tropixc.compile(circuit, "rational", box=box)
    rng = np.random.default_rng(seed)
    ends = box or (-8.0, 8.0)
    points = Rationals.of(rng.integers(int(4 * ends[0]), int(4 * ends[1]) + 1, size=(40, circuit.input_size)) / 4)
    exact = circuit.exact(points)
    for k, function in enumerate(functions):
        assert function(points).equals(exact[:, k])
        for side in (function.numerator, function.denominator):
            assert len(side.prune(box)) == len(side)


def test_the_limit_of_a_smooth_network() -> None:
    circuit = tropixc.from_arrays([([[1.0], [-1.0]], [0.0, 0.5], ("softplus", 0.5)), ([[1.0, -2.0]], [0.0], None)])
    function = tropixc.compile(circuit, "rational")
    points = Rationals.of(np.arange(-8, 9)[:, None] / 4)
    assert function(points).equals(circuit.limit().exact(points)[:, 0])


def test_what_cancels_is_gone() -> None:
    # relu(z) - relu(-z) = z, and relu(2z) = 2 relu(z)
    builder = CircuitBuilder(2)
    z = builder.affine([(0, [[1.0, 2.0], [-1.0, -2.0], [2.0, 4.0]])], [0.5, -0.5, 1.0])
    relu = builder.relu(z)
    circuit = builder.build(builder.affine([(relu, [[1.0, -1.0, 0.0], [2.0, 0.0, -1.0], [1.0, 1.0, 0.0]])], [0.0] * 3))
    sizes = [lower_to_rational(circuit, k).function.size for k in range(3)]
    assert sizes == [(1, 1), (1, 1), (2, 1)]
    assert lower_to_rational(circuit, 2).atoms == 1


def test_what_has_no_rational_function_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    builder = CircuitBuilder(2)
    circuit = builder.build(builder.add(Gibbs(0, 1.0, uniform_segments(1, 2)), "weights"))
    with pytest.raises(Unsupported, match=r"node 'weights' .* is a Gibbs"):
        tropixc.compile(circuit, "rational")
    wide = network(3, ["relu", "relu"])
    with pytest.raises(Unsupported, match="time limit of 0 s after forming"):
        lower_to_rational(wide, 0, time_limit=0)
    monkeypatch.setattr(_rational, "MAX_PRODUCT", 1)
    with pytest.raises(Unsupported, match="more than 1: compile on a smaller box"):
        lower_to_rational(wide, 0)
    with pytest.raises(InvalidInput, match="outputs 0 to 1"):
        lower_to_rational(wide, 2)


def test_progress_can_stop_the_work() -> None:
    seen: list[int] = []
    lower_to_rational(network(3, ["relu", "relu"]), 0, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] > 0

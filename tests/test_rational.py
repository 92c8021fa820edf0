"""Tropical rational functions: laws, exact equivalence, and lowering of circuits of every kind of maximum."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tropixc
from tropix import Circuit, InvalidInput, TropicalPolynomial, TropicalRational, Unsupported, deadline, equivalent
from tropix.circuits import CircuitBuilder, Gibbs, uniform_segments
from tropix.exact import Rationals
from tropixc.agreement import _evaluation_error
from tropixc.lowerings import _rational, lower_all_to_rational, lower_to_rational


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
    # an output that does not depend on such a node has its function all the same
    builder = CircuitBuilder(2)
    weights = builder.add(Gibbs(0, 1.0, uniform_segments(1, 2)), "weights")
    mixed = builder.build(builder.affine([(weights, [[1.0, 0.0], [0.0, 0.0]]), (0, [[0.0, 0.0], [1.0, 2.0]])], [0, 0]))
    assert tropixc.compile(mixed, "rational", output=1).numerator.exponents.tolist() == [[1.0, 2.0]]
    with pytest.raises(Unsupported, match="node 'weights'"):
        tropixc.compile(mixed, "rational")
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


@settings(max_examples=30)
@given(seeds, KINDS)
def test_outputs_share_one_expansion(seed: int, kinds: list[Any]) -> None:
    circuit = network(seed, kinds)
    apart = [lower_to_rational(circuit, k) for k in range(2)]
    together = lower_all_to_rational(circuit, [1, 0])
    assert [lowering.output for lowering in together] == [1, 0]
    for one, other in zip(apart, reversed(together), strict=True):
        assert sorted(one.function.numerator.exact.keys()) == sorted(other.function.numerator.exact.keys())
        assert sorted(one.function.denominator.exact.keys()) == sorted(other.function.denominator.exact.keys())
        assert one.atoms == other.atoms
    assert together[0].expanded == apart[1].expanded
    assert together[1].expanded <= apart[0].expanded


def test_what_is_shared_is_formed_once() -> None:
    circuit = network(3, ["relu", "relu"])
    apart = [lower_to_rational(circuit, k).expanded for k in range(2)]
    told: list[tuple[int, int]] = []
    together = lower_all_to_rational(circuit, [0, 1], progress=lambda output, formed: told.append((output, formed)))
    assert together[0].expanded + together[1].expanded < sum(apart)
    assert [output for output, _ in told] == sorted(output for output, _ in told)
    assert [formed for _, formed in told] == sorted(formed for _, formed in told)
    assert told[-1] == (1, together[0].expanded + together[1].expanded)


def test_what_dropped_out_is_counted_by_output() -> None:
    builder = CircuitBuilder(2)
    z = builder.affine([(0, [[1.0, 2.0], [-1.0, -2.0], [1.0, 0.0]])], [0.5, -0.5, 0.0])
    relu = builder.relu(z)
    circuit = builder.build(builder.affine([(relu, [[1.0, -1.0, 0.0], [1.0, -1.0, 1.0], [0.0, 0.0, -1.0]])], [0.0] * 3))
    counts = [(found.atoms, found.cancelled) for found in lower_all_to_rational(circuit, [0, 1, 2])]
    assert counts == [(0, 1), (1, 1), (1, 0)]
    # the atoms of the first layer are parts of that of the second
    deep = tropixc.from_arrays([(np.eye(2), [0.0, 0.0], "relu"), ([[1.0, 1.0]], [-1.0], "relu")])
    found = lower_to_rational(deep, 0)
    assert (found.atoms, found.cancelled, found.polynomial) == (1, 0, found.function.numerator)
    # relu(relu(x) + 1) = relu(x) + 1: the second maximum is settled
    settled = tropixc.from_arrays([([[1.0]], [0.0], "relu"), ([[1.0]], [1.0], "relu"), ([[-1.0]], [0.0], None)])
    found = lower_to_rational(settled, 0)
    assert (found.function.size, found.polynomial) == ((1, 2), None)


def test_each_output_has_the_whole_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    circuit = network(3, ["relu", "relu"])
    ticks = 0

    def clock() -> float:
        nonlocal ticks
        ticks += 1
        return float(ticks)

    monkeypatch.setattr(deadline.time, "monotonic", clock)
    spent = []
    for outputs in ([0], [1], [0, 1]):
        ticks = 0
        lower_all_to_rational(circuit, outputs, time_limit=10**6)
        spent.append(ticks)
    limit = max(spent[:2])
    assert limit < spent[2]
    assert len(lower_all_to_rational(circuit, [0, 1], time_limit=limit)) == 2
    with pytest.raises(Unsupported, match=r"output 0: the expansion reached its time limit of 5 s"):
        lower_all_to_rational(circuit, [0, 1], time_limit=5)


def test_text_forms_of_what_is_not_convex() -> None:
    circuit = tropixc.from_arrays([(np.eye(2), [0.0, 0.5], "relu"), ([[1.0, -2.0], [1.0, 0.0]], [0.0, 0.0], None)])
    assert tropixc.compile(circuit, "text") == ["max(0, x0) - max(0, 2*x1 + 1)", "max(0, x0)"]
    assert tropixc.compile(circuit, "text", box=(0, 1)) == ["x0 - 2*x1 - 1", "x0"]
    assert str(tropixc.compile(circuit, "sympy", output=0)) == "Max(0, x0) - Max(0, 2*x1 + 1)"
    assert tropixc.compile(circuit, "latex", output=1) == r"\max\left\{0,\ x_{0}\right\}"
    with pytest.raises(Unsupported, match=r"output 0 .*--to rational"):
        tropixc.compile(circuit, "polynomial")
    with pytest.raises(InvalidInput, match="outputs 0 to 1"):
        tropixc.compile(circuit, "text", output=2)


@given(seeds)
def test_the_active_monomials_give_the_value(seed: int) -> None:
    f = rational(seed)
    points = grid().floats()
    active = f.active(points)
    assert active.shape == (len(points), 2)
    tops, bottoms = points @ f.numerator.exponents.T, points @ f.denominator.exponents.T
    assert active[:, 0].tolist() == np.argmax(tops + f.numerator.coefficients, axis=1).tolist()
    assert active[:, 1].tolist() == np.argmax(bottoms + f.denominator.coefficients, axis=1).tolist()
    assert f.active(points[0]).tolist() == active[0].tolist()


@pytest.mark.parametrize("pairs", [10**7, 1])
@given(seed=seeds, p=st.sampled_from([1.0, 1.5, 2.0, np.inf]))
def test_the_lipschitz_bound(pairs: int, seed: int, p: float) -> None:
    from tropix.polynomials import _steepness

    f = rational(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_steepness, "MAX_PAIRS", pairs)
        patch.setattr(_steepness, "BLOCK", 5)
        bound = f.lipschitz(p)
    q = {1.0: np.inf, 1.5: 3.0, 2.0: 2.0, np.inf: 1.0}[p]
    first, second = f.numerator.exponents, f.denominator.exponents
    largest = max(np.linalg.norm(e - g, ord=q) for e in first for g in second)
    if pairs > 1:
        assert bound == pytest.approx(largest)
    else:
        assert largest * (1 - 1e-12) <= bound <= 3 * largest + np.linalg.norm(np.ptp(first, axis=0), ord=q) + 1e-12
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, 50, 2))
    assert (abs(f(x) - f(y)) <= bound * np.linalg.norm(x - y, ord=p, axis=1) * (1 + 1e-12) + 1e-12).all()


awkward = st.floats(-1e6, 1e6) | st.fractions(-100, 100) | st.floats(-1e-300, 1e-300)
rows_of_three = st.lists(st.tuples(awkward, awkward, awkward), min_size=1, max_size=3)


@settings(max_examples=200)
@given(rows_of_three, rows_of_three, st.lists(st.tuples(*2 * [st.floats(-1e6, 1e6)]), min_size=1, max_size=3))
def test_the_rounding_of_evaluation_is_bounded(top: list[Any], bottom: list[Any], points: list[Any]) -> None:
    tables = []
    for rows in (top, bottom, [(a, b, Fraction(c) + 1) for a, b, c in top]):
        table = np.empty((len(rows), 3), dtype=object)
        table[:] = rows
        tables.append(TropicalPolynomial(table[:, :2], table[:, 2]))
    x = np.array(points)
    # the last one is a difference of almost nothing
    for f in (TropicalRational(tables[0], tables[1]), TropicalRational(tables[2], tables[0]), tables[1]):
        error = [Fraction(e) for e in _evaluation_error(f, x).tolist()]
        exact = f(Rationals.of(x)).fractions()
        for value, truth, e in zip(f(x).tolist(), exact, error, strict=True):
            assert abs(Fraction(value) - truth) <= e
        size = max(abs(row).max() for side in tables for row in side.exact.floats()) * (1 + abs(x).sum()) + 1e-300
        assert max(error) <= 1e-14 * size


def test_numbers_below_the_range_of_floats_are_bounded_too() -> None:
    f = TropicalPolynomial(np.array([[Fraction(3, 2**1076)]], dtype=object), [0.0])
    x = np.array([[1e6]])
    gap = Fraction(float(f(x)[0])) - f(Rationals.of(x)).fractions()[0]
    assert 0 < gap <= Fraction(float(_evaluation_error(f, x)[0]))

"""Interval bounds, monotonicity and rounding of circuits of every node kind, against sampled points."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
from circuits_of_all_kinds import everything
from hypothesis import given, settings
from hypothesis import strategies as st

from tropix import Circuit, InvalidInput
from tropix.circuits import Affine, CircuitBuilder, Gibbs, Input, LogSumExp, Pointwise, Product, uniform_segments


@settings(max_examples=150)
@given(seed=st.integers(0, 10**6))
def test_bounds_hold_at_every_node(seed: int) -> None:
    circuit = everything(seed)
    rng = np.random.default_rng(seed)
    centre, half = rng.normal(size=2), rng.uniform(0, 1, size=2)
    bounds = circuit.bounds((centre - half, centre + half))
    points = np.clip(centre + half * rng.uniform(-1, 1, size=(200, 2)).round(1), centre - half, centre + half)
    for value, bound in zip(circuit.values(points), bounds, strict=True):
        assert (value >= bound.lower).all()
        assert (value <= bound.upper).all()


@settings(max_examples=100)
@given(seed=st.integers(0, 10**6))
def test_a_point_has_tight_bounds(seed: int) -> None:
    circuit = everything(seed)
    x = np.random.default_rng(seed).normal(size=2)
    end = circuit.bounds((x, x))[circuit.output]
    value = circuit(x)
    assert (end.lower <= value).all()
    assert (end.upper - end.lower <= 1e-9 * (1 + np.abs(value))).all()


def test_exact_ends_of_an_affine_map_lie_inside() -> None:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(20, 6))
    builder = CircuitBuilder(6)
    circuit = builder.build(builder.affine([(0, weights)], np.zeros(20)))
    found = circuit.bounds((-1 / 3, 0.1))[1]
    for row, lower, upper in zip(weights, found.lower, found.upper, strict=True):
        ends = [Fraction(-1 / 3), Fraction(0.1)]
        low = sum((Fraction(w) * ends[0 if w > 0 else 1] for w in row), Fraction(0))
        high = sum((Fraction(w) * ends[1 if w > 0 else 0] for w in row), Fraction(0))
        assert Fraction(lower) <= low <= Fraction(lower) + Fraction(1, 10**13)
        assert Fraction(upper) - Fraction(1, 10**13) <= high <= Fraction(upper)


def test_a_small_sum_on_a_large_bias_lies_inside() -> None:
    builder = CircuitBuilder(1)
    found = builder.build(builder.affine([(0, [[1.0]])], [1.0])).bounds((1e-20, 1e-20))[1]
    assert Fraction(found.lower[0]) <= 1 + Fraction(1e-20) <= Fraction(found.upper[0])


def test_exact_products_lie_inside() -> None:
    builder = CircuitBuilder(2)
    circuit = builder.build(builder.add(Product(0, builder.affine([(0, [[0.0, 1.0], [0.0, 1.0]])], [0.0, 0.0]), 2)))
    for x in np.random.default_rng(0).normal(size=(20, 2)):
        found = circuit.bounds((x, x))[circuit.output]
        assert Fraction(found.lower[0]) <= Fraction(x[0]) * Fraction(x[1]) <= Fraction(found.upper[0])


@pytest.mark.parametrize("eps", [0.01, 1.0, 1000.0])
def test_exact_joins_and_weights_lie_inside(eps: float) -> None:
    joined = Circuit((Input(3), LogSumExp(0, eps, uniform_segments(1, 3))), 1)
    weights = Circuit((Input(3), Gibbs(0, eps, uniform_segments(1, 3))), 1)
    for x in np.random.default_rng(1).normal(size=(40, 3)):
        total, shares = joined.bounds((x, x))[1], weights.bounds((x, x))[1]
        with mpmath.workdps(50):
            terms = [mpmath.exp(mpmath.mpf(float(v)) / mpmath.mpf(eps)) for v in x]
            value = mpmath.mpf(eps) * mpmath.log(mpmath.fsum(terms))
            assert total.lower[0] <= value <= total.upper[0]
            for k, term in enumerate(terms):
                assert shares.lower[k] <= term / mpmath.fsum(terms) <= shares.upper[k]


@pytest.mark.parametrize("name", ["erf", "exp", "log", "reciprocal", "sqrt"])
def test_exact_values_of_functions_lie_inside(name: Any) -> None:
    form = {"reciprocal": lambda x: 1 / x}.get(name) or getattr(mpmath, name)
    circuit = Circuit((Input(1), Pointwise(0, name, 1)), 1)
    for x in np.random.default_rng(2).uniform(0.1, 3, size=60):
        found = circuit.bounds((x, x))[1]
        with mpmath.workdps(50):
            assert found.lower[0] <= form(mpmath.mpf(float(x))) <= found.upper[0]


def test_ends_of_domains_and_ranges() -> None:
    far = Circuit((Input(2), Gibbs(0, 1.0, uniform_segments(1, 2))), 1).bounds(([-1e6, 0.0], [-1e6, 0.0]))[1]
    assert far.upper[0] > 0  # e^-1000000 is no 0
    alone = Circuit((Input(2), Gibbs(0, 1.0, uniform_segments(2, 1))), 1).bounds(([-np.inf, 0.0], [np.inf, 1.0]))[1]
    assert (alone.lower.tolist(), alone.upper.tolist()) == ([1.0, 1.0], [1.0, 1.0])
    root = Circuit((Input(1), Pointwise(0, "sqrt", 1)), 1).bounds((-1.0, 4.0))[1]
    assert root.lower[0] == pytest.approx(0.0, abs=1e-14)
    logarithm = Circuit((Input(1), Pointwise(0, "log", 1)), 1).bounds((-2.0, -1.0))[1]
    assert (logarithm.lower[0], logarithm.upper[0]) == (-np.inf, np.inf)
    zero = Affine((), np.zeros(1))
    product = Circuit((Input(1), zero, Product(0, 1, 1)), 2).bounds((-np.inf, np.inf))[2]
    assert max(-product.lower[0], product.upper[0]) < 1e-300


def test_unbounded_boxes() -> None:
    builder = CircuitBuilder(2)
    z = builder.affine([(0, [[1.0, 0.0], [1.0, -1.0]])], [0.0, 1.0])
    r = builder.relu(z)
    e = builder.add(Pointwise(r, "reciprocal", 2))
    bounds = builder.build(e).bounds(([0.0, -np.inf], [1.0, np.inf]))
    assert bounds[z].lower.tolist()[1] == -np.inf
    assert bounds[z].upper[0] == pytest.approx(1)
    assert bounds[r].lower.min() == 0
    assert bounds[r].upper[1] == np.inf
    assert bounds[e].lower.tolist() == [-np.inf, -np.inf]  # 0 lies in the interval


@settings(max_examples=150)
@given(seed=st.integers(0, 10**6))
def test_monotonicity_holds_along_every_coordinate(seed: int) -> None:
    circuit = everything(seed)
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(60, 2))
    before = circuit.values(points)
    for j in range(2):
        moved = points.copy()
        moved[:, j] += rng.uniform(0, 2, size=60)
        for i, (low, high) in enumerate(zip(before, circuit.values(moved), strict=True)):
            found = circuit.monotonicity(i)
            tolerance = 1e-12 * (1 + np.abs(low))
            assert (high >= low - tolerance)[:, found.nondecreasing[:, j]].all()
            assert (high <= low + tolerance)[:, found.nonincreasing[:, j]].all()


def test_monotonicity_is_found_where_signs_show_it() -> None:
    builder = CircuitBuilder(3)
    z = builder.affine([(0, [[1.0, -2.0, 0.0], [3.0, 0.0, 0.0]])], [0.0, 0.0])
    top = builder.log_sum_exp(z, 0.5, uniform_segments(1, 2))
    found = builder.build(top).monotonicity()
    assert found.nondecreasing.tolist() == [[True, False, True]]
    assert found.nonincreasing.tolist() == [[False, True, True]]
    pair = builder.affine([(0, [[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])], [0.0, 0.0])
    sigmoid = builder.build(builder.add(Gibbs(pair, 1.0, uniform_segments(1, 2))))
    assert sigmoid.monotonicity().nondecreasing[:, 0].tolist() == [True, False]
    assert sigmoid.monotonicity().nonincreasing[:, 0].tolist() == [False, True]


def test_what_does_not_depend_on_the_input_has_every_direction(monkeypatch: pytest.MonkeyPatch) -> None:
    builder = CircuitBuilder(2)
    square = builder.add(Product(0, 0, 2))
    alone = builder.build(builder.add(Gibbs(square, 1.0, uniform_segments(2, 1))))
    assert alone.monotonicity().nondecreasing.all()
    assert alone.monotonicity().nonincreasing.all()
    builder = CircuitBuilder(2)
    first = builder.affine([(0, [[1.0, 0.0]])], [0.0])
    found = builder.build(builder.add(Product(first, first, 1))).monotonicity()
    assert found.nondecreasing.tolist() == found.nonincreasing.tolist() == [[False, True]]
    monkeypatch.setattr("tropix.circuits._analysis.MAX_DIRECTIONS", 1)
    line = Circuit((Input(2), LogSumExp(0, 0.0, uniform_segments(1, 2))), 1).monotonicity()
    assert not line.nondecreasing.any()


@settings(max_examples=80)
@given(seed=st.integers(0, 10**6))
def test_float32_execution_stays_within_the_rounding_bound(seed: int) -> None:
    circuit = everything(seed)
    points = np.random.default_rng(seed).normal(size=(30, 2)).astype(np.float32).astype(np.float64)
    bound = circuit.rounding_bound(points, 2.0**-24)
    single = in_float32(circuit, points)
    gap = np.abs(single - circuit(points))
    finite = np.isfinite(bound)
    assert (gap <= bound)[finite].all()


def test_the_rounding_of_equal_weights_is_bounded() -> None:
    circuit = Circuit((Input(3), Gibbs(0, 0.0, uniform_segments(1, 3))), 1)
    points = np.zeros((1, 3))
    third = abs(Fraction(float(np.float32(1) / np.float32(3))) - Fraction(1, 3))
    assert third < Fraction(circuit.rounding_bound(points, 2.0**-24)[0, 0]) < 8 * third


def test_rounding_of_single_nodes() -> None:
    u, ulps = 2.0**-24, 8  # what is assumed of a runtime's exp and log
    builder = CircuitBuilder(2)
    inexact = builder.affine([(0, 3 * np.eye(2))], [0.0, 0.0])
    half = builder.affine([], np.full(2, -np.log(2)))

    def bound(node: int, x: tuple[float, float] = (1.0, 1.0)) -> Any:
        return builder.build(node).rounding_bound(np.array([x]), u)[0]

    error = bound(inexact)[0]
    assert error >= 3 * u
    assert bound(builder.affine([(inexact, 1e6 * np.eye(2)), (0, np.eye(2))], [0.0, 0.0]))[0] >= 1e6 * error
    assert bound(builder.log_sum_exp(half, 1.0, uniform_segments(1, 2)))[0] >= ulps * u  # of log(1/2 + 1/2) = 0
    assert bound(builder.add(Pointwise(0, "exp", 2)))[0] >= ulps * u * np.e
    assert bound(builder.add(Pointwise(inexact, "log", 2)), (1e-45, 1e-45))[0] > 0
    difference = builder.affine([(inexact, [[1.0, -1.0], [1.0, 0.0]])], [0.0, 0.0])  # 0, perhaps negative
    assert bound(builder.add(Pointwise(difference, "sqrt", 2)))[0] == np.inf
    assert bound(builder.add(Gibbs(inexact, 0.0, uniform_segments(1, 2)))).tolist() == [1.0, 1.0]  # a tie, by rounding
    assert bound(builder.add(Gibbs(difference, 0.0, uniform_segments(1, 2)))).max() <= 2 * u  # 0 and 3, whatever errs
    weights = bound(builder.add(Gibbs(inexact, 1.0, uniform_segments(1, 2))))
    assert (weights >= np.expm1(2 * error) / 2).all()
    product = bound(builder.add(Product(inexact, inexact, 2)))
    assert (product >= 2 * 3 * error + 9 * u).all()


def test_an_unknown_error_stays_unknown() -> None:
    builder = CircuitBuilder(2)
    z = builder.affine([(0, np.eye(2))], [-1.0, 0.0])
    inverse = builder.add(Pointwise(z, "reciprocal", 2))  # 1/(x0 - 1): next to 1, rounding may change its sign
    shown = builder.affine([(inverse, [[0.0, 1.0], [1.0, 1.0]])], [0.0, 0.0])
    product = builder.add(Product(shown, builder.affine([(0, [[1.0, 0.0], [0.0, 0.0]])], [0.0, 0.0]), 2))
    bound = builder.build(product).rounding_bound(np.array([[1.0 + 2.0**-52, 4.0]]), 2.0**-53)
    assert 0 < bound[0, 0] < 1e-14  # 0 times an unknown is left out of a sum
    assert bound[0, 1] == np.inf  # but a factor of 0 may itself be unknown
    # a weight that underflows is not known to be small where its logits are not known
    logits = builder.affine([(0, [[1e20, 0.0], [0.0, 0.0]])], [-1e20, 0.0])
    weights = builder.build(builder.add(Gibbs(logits, 1.0, uniform_segments(1, 2))))
    assert weights([1.0 - 2.0**-30, 0.0])[0] == 0
    assert weights.rounding_bound(np.array([[1.0 - 2.0**-30, 0.0]]), 2.0**-24)[0, 0] == 1


def in_float32(circuit: Circuit, points: np.ndarray) -> np.ndarray:
    """The circuit executed in float32, node by node; affine weights must be rounded first, so they are bounded too."""
    from scipy.special import erf

    from tropix.circuits import Affine, LogSumExp

    names = {"erf": erf, "exp": np.exp, "log": np.log, "reciprocal": np.reciprocal, "sqrt": np.sqrt}
    values: list[np.ndarray] = []
    for node in circuit.nodes:
        if isinstance(node, Input):
            values.append(points.astype(np.float32))
        elif isinstance(node, Affine):
            total = np.broadcast_to(node.bias.astype(np.float32), (len(points), node.size))
            for term in node.terms:
                matrix = term.matrix if isinstance(term.matrix, np.ndarray) else term.matrix.toarray()
                total = total + values[term.source] @ matrix.astype(np.float32).T
            values.append(total.astype(np.float32))
        elif isinstance(node, LogSumExp | Gibbs):
            z, starts = values[node.source], node.segments[:-1]
            top = np.repeat(np.maximum.reduceat(z, starts, axis=1), node.widths, axis=1)
            if node.eps == 0.0:
                values.append(np.maximum.reduceat(z, starts, axis=1))
                continue
            eps = np.float32(node.eps)
            terms = np.exp((z - top) / eps)
            total = np.add.reduceat(terms, starts, axis=1)
            if isinstance(node, LogSumExp):
                values.append(top[:, starts] + eps * np.log(total))
            else:
                values.append(terms / np.repeat(total, node.widths, axis=1))
        elif isinstance(node, Product):
            values.append(values[node.left] * values[node.right])
        else:
            assert isinstance(node, Pointwise)
            values.append(names[node.function](values[node.source]))
        assert values[-1].dtype == np.float32
    return values[circuit.output].astype(np.float64)


def test_unknown_functions_are_refused() -> None:
    with pytest.raises(InvalidInput, match="expected one of 'erf', 'exp'"):
        Pointwise(0, "sinh", 2)  # type: ignore[arg-type]

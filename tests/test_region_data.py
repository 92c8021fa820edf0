"""Cells and distances of data points, against exact arithmetic, optimisation, sampling and closed forms."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from piecewise_linear import ill_conditioned, layers, maximum_of, median_of_three, relu_network, tangled
from scipy.optimize import linprog, minimize

import tropixc
from tropix import Circuit, TropicalPolynomial
from tropix.circuits import CircuitBuilder, LogSumExp, uniform_segments
from tropix.errors import InvalidInput
from tropix.exact import Rationals
from tropix.kernels import point_distances_numpy
from tropix.regions import boundary_distances, traverse, visited_between, visited_cells
from tropix.regions._tape import MaxStep, Tape

ORDERS = [1, 2, np.inf]


def exact_pattern(circuit: Circuit, point: np.ndarray) -> list[int]:
    """The first largest entry of every segment, by exact evaluation."""
    values = circuit.exact_values(Rationals.of(np.atleast_2d(point)))
    pattern = []
    for node in circuit.nodes:
        if isinstance(node, LogSumExp):
            row = values[node.source].numerators[0].tolist()
            pattern += [max(range(b - a), key=lambda k, a=a: row[a + k]) for a, b in pairwise(node.segments)]
    return pattern


def inequalities(tape: Tape, pattern: np.ndarray, point: np.ndarray) -> list[tuple[list[Fraction], Fraction, int, int]]:
    """The rows a, slacks s ≥ 0, segments and entries of the inequalities a·δ ≤ s of the cell around a point."""
    maps = np.split(tape.exact.table(pattern).astype(object), tape.offsets[1:-1])
    at = [Fraction(float(v)) for v in point]
    found = []
    for step in tape.steps:
        if not isinstance(step, MaxStep):
            continue
        table = Rationals(maps[step.source], tape.exact.denominators[step.source]).fractions()
        for k, (first, last) in enumerate(pairwise(step.segments)):
            winner = table[first + pattern[step.first + k]]
            for e in range(last - first):
                row = table[first + e] - winner
                if row.any():
                    slack = -(sum(a * x for a, x in zip(row[:-1], at, strict=True)) + row[-1])
                    found.append((row[:-1].tolist(), slack, step.first + k, e))
    return found


def check_bounds(circuit: Circuit, points: np.ndarray, *, tight: bool = True) -> None:
    """Patterns, and bounds of distances in rational numbers."""
    tape = Tape.of(circuit)
    rows = [inequalities(tape, np.array(exact_pattern(circuit, x), dtype=np.int64), x) for x in points]
    for p in ORDERS:
        found = boundary_distances(circuit, points, p)
        for i, x in enumerate(points):
            assert found.visits.patterns[found.visits.cell[i]].tolist() == exact_pattern(circuit, x)
            low, high = found.lower[i], found.upper[i]
            apart = []  # distances, squared for p = 2
            for row, slack, segment, entry in rows[i]:
                length = {1: max(map(abs, row)), 2: sum(a * a for a in row), np.inf: sum(map(abs, row))}[p]
                if length:
                    apart.append(((slack * slack if p == 2 else slack) / length, segment, entry))
            if not apart:
                assert low == high == found.distances[i] == np.inf
                assert found.neuron(i) is None
                continue
            nearest = min(apart)[0]
            power = 2 if p == 2 else 1
            assert Fraction(float(low)) ** power <= nearest
            assert np.isinf(high) or nearest <= Fraction(float(high)) ** power
            if not tight:
                continue
            size = float(nearest) ** (1 / power)
            assert low == pytest.approx(size, rel=1e-6, abs=1e-12)
            assert found.distances[i] == pytest.approx(size, rel=1e-9, abs=1e-12)
            made = [d for d, s, e in apart if (s, e) == (found.segment[i], found.entry[i])]
            assert float(min(made)) == pytest.approx(float(nearest), rel=1e-9, abs=1e-20)
            assert found.neuron(i) == tape.units[found.segment[i]]


@given(st.integers(0, 10**6), st.booleans())
def test_bounds_enclose_the_rational_distance(seed: int, lattice: bool) -> None:
    circuit = tangled(seed)
    rng = np.random.default_rng(seed)
    points = rng.integers(-2, 3, size=(2, circuit.input_size)) if lattice else rng.normal(size=(2, circuit.input_size))
    check_bounds(circuit, points.astype(float))


@given(st.integers(0, 10**6))
def test_error_bounds_hold_where_rounding_decides(seed: int) -> None:
    points = np.random.default_rng(seed).integers(-2, 3, size=(2, 2)) * (1 + 2.0**-52)
    check_bounds(ill_conditioned(seed), points, tight=False)


@given(st.integers(0, 10**6), st.booleans())
def test_patterns_are_those_of_exact_evaluation(seed: int, exact: bool) -> None:
    circuit = tangled(seed, size=7)
    points = np.random.default_rng(seed).integers(-2, 3, size=(5, circuit.input_size)).astype(float)
    found = visited_cells(circuit, points, exact=exact)
    expected = [exact_pattern(circuit, x) for x in points]
    if exact:
        assert found.patterns[found.cell].tolist() == expected
        assert found.n_cells == len({tuple(row) for row in expected})
        assert found.counts.sum() == len(points)
    assert (np.bincount(found.cell) == found.counts).all()


@pytest.mark.parametrize("seed", range(4))
def test_distances_by_optimisation(seed: int) -> None:
    """The nearest point of the cell's boundary, searched on every inequality's hyperplane inside the cell."""
    circuit = relu_network(seed, 3, 6, 5, 1)
    tape = Tape.of(circuit)
    point = np.random.default_rng(seed).normal(size=3)
    rows = [
        (np.array(row, dtype=float), float(slack))
        for row, slack, _, _ in inequalities(tape, np.array(exact_pattern(circuit, point)), point)
        if any(row)
    ]
    left, right = np.array([row for row, _ in rows]), np.array([slack for _, slack in rows])
    nearest = dict.fromkeys(ORDERS, np.inf)
    for row, slack in rows:
        split, ones = np.hstack([left, -left]), np.hstack([np.eye(3), np.eye(3)])
        for p in (1, np.inf):
            size = 6 if p == 1 else 7
            costs = np.ones(6) if p == 1 else np.append(np.zeros(6), 1.0)
            above = split if p == 1 else np.block([[split, np.zeros((len(rows), 1))], [ones, -np.ones((3, 1))]])
            limits = right if p == 1 else np.append(right, np.zeros(3))
            on = np.zeros((1, size))
            on[0, :6] = np.append(row, -row)
            answer = linprog(costs, A_ub=above, b_ub=limits, A_eq=on, b_eq=[slack])
            if answer.status == 0:
                nearest[p] = min(nearest[p], answer.fun)
        # two constraints at least for SLSQP: all of the cell's, and the hyperplane
        answer = minimize(
            lambda x: x @ x, row * slack / (row @ row), jac=lambda x: 2 * x, method="SLSQP",
            constraints=[{"type": "ineq", "fun": lambda x: right - left @ x, "jac": lambda x: -left},
                         {"type": "eq", "fun": lambda x, r=row, s=slack: r @ x - s, "jac": lambda x, r=row: r}],
        )  # fmt: skip
        if answer.success:
            nearest[2] = min(nearest[2], np.sqrt(answer.fun))
    for p in ORDERS:
        assert boundary_distances(circuit, [point], p).distances[0] == pytest.approx(nearest[p], rel=1e-5)


@pytest.mark.parametrize("p", ORDERS)
def test_within_the_proved_distance_nothing_switches(p: float) -> None:
    circuit = relu_network(7, 4, 12, 12, 2)
    rng = np.random.default_rng(0)
    points = rng.normal(size=(30, 4))
    found = boundary_distances(circuit, points, p)
    for i in range(len(points)):
        steps = rng.normal(size=(200, 4))
        steps *= found.lower[i] * (1 - 1e-9) / np.linalg.norm(steps, ord=p, axis=1, keepdims=True)
        assert visited_cells(circuit, points[i] + steps).n_cells == 1
    assert (found.lower > 0.999999 * found.distances).all()
    assert (found.upper < 1.000001 * found.distances).all()


@given(st.integers(0, 10**6))
def test_the_kernel_computes_what_the_specification_says(seed: int) -> None:
    circuit = relu_network(seed, 3, 5, 4, 2)
    point = np.random.default_rng(seed).normal(size=3)
    tape = Tape.of(circuit)
    rows = inequalities(tape, np.array(exact_pattern(circuit, point)), point)
    table, slacks = np.array([row for row, *_ in rows], dtype=float), np.array([s for _, s, *_ in rows], dtype=float)
    distances, which = point_distances_numpy(table, slacks, np.zeros(len(rows), dtype=bool))
    for j, p in enumerate(ORDERS):
        found = boundary_distances(circuit, [point], p)
        assert found.distances[0] == pytest.approx(distances[j], rel=1e-9)
        assert (found.segment[0], found.entry[0]) == rows[which[j]][2:]


class TestTies:
    def test_a_point_on_the_boundary(self) -> None:
        found = boundary_distances(maximum_of([1, 0, 0], [0, 1, 0]), [[2, 2], [2, 1]], 1)
        assert found.distances.tolist() == [0, 1]  # from (2, 1) one coordinate has to move by 1
        assert (found.lower[0], found.upper[0]) == (0, 0)
        assert found.neuron(0) is not None

    def test_equal_functions_make_no_boundary(self) -> None:
        found = boundary_distances(maximum_of([1, 0], [1, 0], [0, 0]), [[3.0]])
        assert found.distances.tolist() == [3]
        assert boundary_distances(maximum_of([1, 0], [1, 0]), [[3.0]]).distances.tolist() == [np.inf]

    def test_equal_functions_with_rounded_weights(self) -> None:
        weights = np.random.default_rng(0).normal(size=(6, 4))
        mix = np.random.default_rng(1).normal(size=6)
        builder = CircuitBuilder(4)
        once = builder.pairs_with_zero(builder.affine([(0, np.vstack([weights, weights]))], np.ones(12) / 7), 0.0)
        table = np.zeros((2, 12))
        table[0, :6] = table[1, 6:] = mix
        twins = builder.affine([(once, table)], np.zeros(2))
        circuit = builder.build(builder.log_sum_exp(twins, 0.0, uniform_segments(1, 2)))
        points = np.random.default_rng(2).normal(size=(8, 4))
        check_bounds(circuit, points)
        assert (boundary_distances(circuit, points).lower > 0).all()
        assert (visited_cells(circuit, points).patterns[:, -1] == 0).all()
        floats = boundary_distances(circuit, points, exact=False)
        assert np.allclose(floats.distances, boundary_distances(circuit, points).distances)
        assert (floats.lower <= boundary_distances(circuit, points).upper).all()

    def test_an_equal_entry_with_another_gradient_that_rounding_hides(self) -> None:
        # the two functions differ by 1e-17 x: less than rounding, so that the bounds are wide, but hold
        builder = CircuitBuilder(2)
        mixed = builder.affine([(0, np.array([[0.1, 0.2]]))], np.zeros(1))
        forms = builder.affine([(mixed, np.ones((2, 1))), (0, np.array([[0.0, 0], [1e-17, 0]]))], np.zeros(2))
        circuit = builder.build(builder.log_sum_exp(forms, 0.0, uniform_segments(1, 2)))
        check_bounds(circuit, np.array([[0.0, 1.0], [1.0, 1.0], [-1.0, 1.0]]), tight=False)
        assert visited_cells(circuit, [[0.0, 1.0], [1.0, 1.0], [-1.0, 1.0]]).cell.tolist() == [0, 1, 0]

    def test_the_median_at_its_centre(self) -> None:
        found = boundary_distances(median_of_three(), [[1, 1, 1], [0, 1, 3]], np.inf)
        assert found.distances.tolist() == [0, 0.5]

    def test_no_maxima(self) -> None:
        builder = CircuitBuilder(2)
        circuit = builder.build(builder.affine([(0, np.eye(2))], np.ones(2)))
        found = boundary_distances(circuit, [[1, 2], [3, 4]])
        assert (found.visits.n_cells, found.visits.counts.tolist()) == (1, [2])
        assert (found.lower == np.inf).all()


@pytest.mark.parametrize("seed", range(20))
def test_rounded_gradients_widen_the_bounds(seed: int) -> None:
    """At 0 all values are exact, but the rows are small differences of large gradients."""
    rng = np.random.default_rng(seed)
    builder = CircuitBuilder(2)
    mixed = builder.affine([(0, rng.random((1, 2)))], np.zeros(1))
    forms = builder.affine([(mixed, np.full((2, 1), 1e8)), (0, 1e-3 * rng.random((2, 2)))], np.array([1.0, 0.0]))
    circuit = builder.build(builder.log_sum_exp(forms, 0.0, uniform_segments(1, 2)))
    check_bounds(circuit, np.zeros((1, 2)), tight=False)


def test_no_points_at_all() -> None:
    circuit = relu_network(0, 2, 3, 1)
    found = boundary_distances(circuit, np.zeros((0, 2)))
    assert (found.visits.n_cells, found.distances.shape) == (0, (0,))
    for count in (0, 1):
        between = visited_between(circuit, np.zeros((count, 2)))
        assert (between.pieces.shape, between.n_cells) == ((0,), 0)


def test_rational_coefficients_are_not_their_floats() -> None:
    # −x/3 and −x/3 − 10⁻²⁰ x: equal in floats
    f = TropicalPolynomial([[Fraction(-1, 3)], [Fraction(-1, 3) - Fraction(1, 10**20)]], [0, 0])
    assert visited_cells(f, [[1.0], [-1.0]]).cell.tolist() == [0, 1]
    assert boundary_distances(f, [[1.0], [-2.0]]).upper.tolist() == [np.inf, np.inf]
    assert boundary_distances(f, [[0.0]]).upper.tolist() == [0]
    g = TropicalPolynomial([[1], [1 + Fraction(1, 10**20)]], [0, 0])
    assert visited_cells(g, [[1.0], [-1.0]]).patterns.tolist() == [[1], [0]]


@pytest.mark.parametrize("name", ["digits_conv", "breast_cancer_relu"])
def test_shipped_models(models: Path, name: str) -> None:
    circuit = tropixc.load(models / f"{name}.onnx").limit()
    rng = np.random.default_rng(0)
    points = rng.random((6, circuit.input_size)).round(3)
    points[1] = points[0]
    found = boundary_distances(circuit, points, threads=2)
    assert found.visits.cell[:2].tolist() == [0, 0]
    assert found.visits.patterns[found.visits.cell].tolist() == [exact_pattern(circuit, x) for x in points]
    # walking from the point along the nearest row, the named maximum switches at the proved distance, none before
    gradients = circuit.gradient(points)
    assert gradients.shape[0] == len(points)
    for i in (0, 3):
        step = rng.normal(size=circuit.input_size)
        step *= 1.5 * found.distances[i] / np.linalg.norm(step)
        walk = traverse(circuit, points[i], points[i] + step)
        assert walk.n_pieces == 1 or walk.breakpoints[0] * 1.5 * found.distances[i] >= found.lower[i] * (1 - 1e-9)


def test_cells_between_points() -> None:
    circuit = relu_network(3, 2, 10, 10, 1)
    points = np.random.default_rng(1).normal(size=(80, 2)) * 2
    pairs = [(i, (i * 7 + 3) % 80) for i in range(80)]
    for chosen in (None, pairs):
        found = visited_between(circuit, points, chosen, threads=2)
        expected = [(i, i + 1) for i in range(79)] if chosen is None else pairs
        assert found.pairs.tolist() == [list(pair) for pair in expected]
        walks = [traverse(circuit, points[a], points[b]) for a, b in expected]
        assert found.pieces.tolist() == [len(walk) for walk in walks]
        assert found.n_cells == len({tuple(row) for walk in walks for row in walk.patterns.tolist()})
        assert found.n_cells < found.pieces.sum()


def test_what_is_no_data() -> None:
    circuit = relu_network(0, 2, 3, 1)
    with pytest.raises(InvalidInput, match="p = 1, 2 or inf"):
        boundary_distances(circuit, [[0, 0]], 3)
    with pytest.raises(InvalidInput, match="expected \\(n, 2\\)"):
        visited_cells(circuit, [[0, 0, 0]])
    with pytest.raises(InvalidInput, match="there are 2"):
        visited_between(circuit, [[0, 0], [1, 1]], [[0, 2]])
    with pytest.raises(InvalidInput, match="integers"):
        visited_between(circuit, [[0, 0], [1, 1]], [[0.5, 1]])
    with pytest.raises(InvalidInput, match="float64"):
        visited_cells(layers([np.full((1, 2), 1e300), np.ones((1, 1))], [np.zeros(1)] * 2), [[1e300, 0]])

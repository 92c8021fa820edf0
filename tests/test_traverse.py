"""Linear regions along segments, against exact evaluation, brute force over pairs, and closed forms."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from piecewise_linear import ill_conditioned, layers, maximum_of, median_of_three, relu_network, sawtooth, tangled

import tropixc
from tropix import Circuit, TropicalPolynomial, TropicalRational
from tropix.circuits import Affine, CircuitBuilder, Gibbs, Input, LogSumExp, uniform_segments
from tropix.errors import InvalidInput, Unsupported
from tropix.exact import Rationals
from tropix.kernels import sweep_line_fractions
from tropix.regions import Traversal, count_pieces, traverse, traverse_many
from tropix.regions._exact_cells import along_ray
from tropix.regions._line import LineFunction


def on_line(start: np.ndarray, end: np.ndarray, places: list[Fraction]) -> Rationals:
    ends = [[Fraction(float(v)) for v in point] for point in (start, end)]
    return Rationals.of([[a + t * (b - a) for a, b in zip(*ends, strict=True)] for t in places])


def check_against_evaluation(circuit: Circuit, found: Traversal) -> None:
    """Patterns by exact evaluation inside each piece, affinity on its closure, and a change at every breakpoint."""
    ends = [Fraction(0), *(found.exact_breakpoint(k) for k in range(len(found) - 1)), Fraction(1)]
    assert all(a < b for a, b in pairwise(ends))
    previous = None
    for i, (low, high) in enumerate(pairwise(ends)):
        direction = on_line(found.start, found.end, [Fraction(1), Fraction(0)])
        direction = direction[0] - direction[1]
        place = (2 * low + high) / 3
        pattern, length = along_ray(found.tape, on_line(found.start, found.end, [place])[0], direction)
        assert (found.pattern(i) == pattern).all()
        assert length is None or place + length >= high
        assert previous is None or (previous != pattern).any()
        previous = pattern
        values = circuit.exact(on_line(found.start, found.end, [low, place, high])).fractions()
        assert (values[0] * 2 + values[2] == values[1] * 3).all()
        forms = found.exact_map(i).fractions()
        assert (forms[:, 0] + low * forms[:, 1] == values[0]).all()
        assert (forms[:, 0] + high * forms[:, 1] == values[2]).all()
        assert np.allclose(forms.astype(float), np.stack([found.values[i], found.slopes[i]], axis=1), atol=1e-9)
    for k, t in enumerate(ends[1:-1]):
        assert found.bounds[k, 0] <= t <= found.bounds[k, 1]
        assert found.breakpoints[k] == pytest.approx(float(t), abs=1e-9)
        slopes = [found.exact_map(i).fractions()[:, 1] for i in (k, k + 1)]
        assert found.kinks[k] == (slopes[0] != slopes[1]).any()


@given(st.integers(0, 10**6), st.booleans())
def test_pieces_are_what_exact_evaluation_sees(seed: int, lattice: bool) -> None:
    circuit = tangled(seed)
    rng = np.random.default_rng(seed)
    start, end = (
        rng.integers(-2, 3, size=(2, circuit.input_size)) if lattice else rng.normal(size=(2, circuit.input_size)) * 3
    )
    check_against_evaluation(circuit, traverse(circuit, start, end))


@given(st.integers(0, 10**6))
def test_the_kernel_does_what_its_specification_says(seed: int) -> None:
    circuit = tangled(seed, size=8)
    function = LineFunction.of(circuit)
    start, end = np.random.default_rng(seed).integers(-3, 4, size=(2, circuit.input_size)).astype(float)
    breakpoints, patterns = sweep_line_fractions(function.program, *([Fraction(v) for v in p] for p in (start, end)))
    found = traverse(circuit, start, end)
    assert [found.exact_breakpoint(k) for k in range(len(found) - 1)] == breakpoints
    assert [piece.pattern.tolist() for piece in found] == patterns


@given(st.integers(0, 10**6))
def test_error_bounds_hold_where_rounding_decides(seed: int) -> None:
    circuit = ill_conditioned(seed)
    rng = np.random.default_rng(seed)
    start, end = rng.integers(-2, 3, size=(2, 2)) * (1 + rng.integers(0, 3, size=(2, 2)) * 2.0**-52)
    program = LineFunction.of(circuit).program
    breakpoints, patterns = sweep_line_fractions(program, *([Fraction(float(v)) for v in p] for p in (start, end)))
    found = traverse(circuit, start, end)
    assert [piece.pattern.tolist() for piece in found] == patterns
    for k, t in enumerate(breakpoints):
        assert found.bounds[k, 0] <= t <= found.bounds[k, 1]
        assert found.exact_breakpoint(k) == t


@given(st.integers(0, 10**6))
def test_backwards_the_breakpoints_are_mirrored(seed: int) -> None:
    circuit = tangled(seed)
    start, end = np.random.default_rng(seed).integers(-3, 4, size=(2, circuit.input_size)).astype(float)
    there, back = traverse(circuit, start, end), traverse(circuit, end, start)
    assert [there.exact_breakpoint(k) for k in range(len(there) - 1)] == [
        1 - back.exact_breakpoint(k) for k in reversed(range(len(back) - 1))
    ]
    assert all((there.pattern(i) == back.pattern(len(back) - 1 - i)).all() for i in range(len(there)))


@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 12))
def test_one_layer_crosses_each_hyperplane_by_itself(seed: int, dimension: int, neurons: int) -> None:
    rng = np.random.default_rng(seed)
    weights, bias = rng.integers(-2, 3, size=(neurons, dimension)), rng.integers(-2, 3, size=neurons)
    start, end = rng.integers(-3, 4, size=(2, dimension))
    crossings = set()
    for w, b in zip(weights.tolist(), bias.tolist(), strict=True):
        at, rate = int(w @ start) + b, int(w @ (end - start))
        if rate and 0 < Fraction(-at, rate) < 1:
            crossings.add(Fraction(-at, rate))
    found = traverse(layers([weights, np.ones((1, neurons))], [bias, np.zeros(1)]), start, end)
    assert [found.exact_breakpoint(k) for k in range(len(found) - 1)] == sorted(crossings)


@given(st.integers(0, 10**6), st.integers(1, 12))
def test_the_upper_envelope_of_lines_by_brute_force(seed: int, count: int) -> None:
    rows = np.random.default_rng(seed).integers(-4, 5, size=(count, 2))
    found = traverse(maximum_of(*rows.tolist()), [-3], [3])

    def winner(x: Fraction) -> int:
        return max(range(count), key=lambda k: int(rows[k, 0]) * x + int(rows[k, 1]))

    meetings = {Fraction(int(d - b), int(a - c)) for a, b in rows for c, d in rows if a != c}
    ends = sorted({Fraction(-3), Fraction(3), *(x for x in meetings if -3 < x < 3)})
    patterns = [winner((low + high) / 2) for low, high in pairwise(ends)]
    expected = [x for x, (a, b) in zip(ends[1:-1], pairwise(patterns), strict=True) if a != b]
    assert [6 * found.exact_breakpoint(k) - 3 for k in range(len(found) - 1)] == expected


@pytest.mark.parametrize("times", [1, 2, 5, 9])
def test_a_sawtooth_doubles_with_every_layer(times: int) -> None:
    found = traverse(sawtooth(times), [0.0], [1.0])
    assert found.n_pieces == found.n_affine_pieces == 2**times
    assert (found.breakpoints == np.arange(1, 2**times) / 2**times).all()
    assert (found.slopes[:, 0] == 2.0**times * (-1) ** np.arange(2**times)).all()
    assert traverse(sawtooth(times), [-1.0], [2.0]).n_pieces == 2**times + min(times, 2)


def test_the_median_has_hidden_pieces() -> None:
    found = traverse(median_of_three(), [0, 1, 5], [3, 1, 2])
    # x₀ = 3t, x₁ = 1, x₂ = 5 − 3t: the order changes at 1/3 (x₀x₁) and 5/6 (x₀x₂), the median is x₁, x₀, x₂
    assert [found.exact_breakpoint(k) for k in range(2)] == [Fraction(1, 3), Fraction(5, 6)]
    assert found.slopes[:, 0].tolist() == [0, 3, -3]
    assert found.n_affine_pieces == 3
    same = traverse(median_of_three(), [0, 1, 5], [3, 4, 5])
    assert (same.n_pieces, same.n_affine_pieces) == (1, 1)
    crossing = traverse(median_of_three(), [0, 1, 5], [1, 0, 5])
    assert (crossing.n_pieces, crossing.n_affine_pieces) == (2, 2)


def test_a_switch_that_the_output_does_not_show() -> None:
    rows = np.array([[1.0], [-1.0]])
    absolute_minus_absolute = layers(
        [np.vstack([rows, rows]), np.array([[1.0, 1, -1, -1]])], [np.zeros(4), np.zeros(1)]
    )
    found = traverse(absolute_minus_absolute, [-1], [1])
    assert (found.n_pieces, found.n_affine_pieces) == (2, 1)
    assert [switch.segment for switch in found.switched(0)] == [0, 1, 2, 3]


def test_a_kink_smaller_than_rounding() -> None:
    circuit = layers([np.array([[1.0], [1.0]]), np.array([[1.0, 1e-20]])], [np.array([5.0, 0.0]), np.zeros(1)])
    assert traverse(circuit, [-1], [1]).kinks.tolist() == [True]


class TestTies:
    def test_equal_entries_count_as_the_first(self) -> None:
        found = traverse(maximum_of([1, 0], [1, 0], [-1, 0]), [-1], [1])
        assert [piece.pattern.tolist() for piece in found] == [[2], [0]]

    def test_touching_is_no_breakpoint(self) -> None:
        # |x| is at least 0, the third entry, which it touches
        found = traverse(
            layers([np.array([[1.0], [-1.0]]), np.array([[1.0, 1.0], [1, 1]]), np.ones((1, 2))],
                   [np.zeros(2), np.array([0.0, -1.0]), np.zeros(1)]),
            [-2], [2],
        )  # fmt: skip
        assert [found.exact_breakpoint(k) for k in range(3)] == [Fraction(1, 4), Fraction(1, 2), Fraction(3, 4)]
        assert [switch.index for switch in found.switched(1)] == [0, 1]

    def test_touching_at_an_upper_corner(self) -> None:
        builder = CircuitBuilder(1)
        sides = builder.pairs_with_zero(builder.affine([(0, np.array([[1.0], [-1.0]]))], np.zeros(2)), 0.0)
        roof = builder.affine([(sides, np.array([[-1.0, -1.0], [0, 0]]))], np.array([1.0, 1.0]))
        circuit = builder.build(builder.log_sum_exp(roof, 0.0, uniform_segments(1, 2)))
        found = traverse(circuit, [-2], [2])
        assert found.patterns[:, 2].tolist() == [1, 1]

    def test_a_segment_inside_a_hyperplane(self) -> None:
        circuit = layers([np.array([[1.0, 0], [0, 1]]), np.ones((1, 2))], [np.zeros(2), np.zeros(1)])
        found = traverse(circuit, [0, -1], [0, 1])
        names = [circuit.names.index(switch.name) for switch in found.switched(0)]
        assert found.n_pieces == 2
        assert [(s.segment, s.index) for s in found.switched(0)] == [(1, 1)]
        assert circuit.nodes[names[0]].size == 2
        assert found.pattern(0)[0] == found.pattern(1)[0] == 0

    def test_breakpoints_at_the_ends_do_not_count(self) -> None:
        found = traverse(maximum_of([1, 0], [-1, 0]), [0], [1])
        assert [piece.pattern.tolist() for piece in found] == [[0]]
        assert traverse(maximum_of([1, 0], [-1, 0]), [-1], [0]).pattern(0).tolist() == [1]

    def test_equal_ends_have_the_pattern_of_the_point(self) -> None:
        circuit = maximum_of([1, 0], [-1, 0], [2, -1])
        found = traverse(circuit, [1], [1])
        assert (found.n_pieces, found.pattern(0).tolist()) == (1, [0])
        assert found.values.tolist() == [[1.0]]
        assert found.slopes.tolist() == [[0.0]]

    def test_equal_entries_that_part_ways(self) -> None:
        # r(x) and r(x) + r(−x) are equal for x ≥ 0 only
        builder = CircuitBuilder(1)
        sides = builder.pairs_with_zero(builder.affine([(0, np.array([[1.0], [-1.0]]))], np.zeros(2)), 0.0)
        both = builder.affine([(sides, np.array([[1.0, 0.0], [1.0, 1.0]]))], np.zeros(2))
        circuit = builder.build(builder.log_sum_exp(both, 0.0, uniform_segments(1, 2)))
        assert traverse(circuit, [-1], [1]).patterns[:, 2].tolist() == [1, 0]
        assert traverse(circuit, [1], [-1]).patterns[:, 2].tolist() == [0, 1]

    def test_equal_functions_with_rounded_weights(self) -> None:
        rng = np.random.default_rng(0)
        first, second = rng.normal(size=(8, 5)), rng.normal(size=(8, 16))
        twice = layers(
            [np.vstack([first, first]), np.vstack([second, np.roll(second, 8, axis=1)]), rng.normal(size=(1, 16))],
            [np.tile(np.arange(8.0) / 7, 2), np.tile(np.arange(8.0) / 9, 2), np.zeros(1)],
        )
        once = layers(
            [first, second[:, :8] + second[:, 8:], np.ones((1, 8))],
            [np.arange(8.0) / 7, np.arange(8.0) / 9, np.zeros(1)],
        )
        start, end = rng.normal(size=(2, 5)) * 8
        check_against_evaluation(twice, found := traverse(twice, start, end))
        assert found.n_pieces == traverse(once, start, end).n_pieces > 3
        assert all(len(found.switched(k)) == 2 for k in range(len(found) - 1))

    def test_breakpoints_closer_than_floats(self) -> None:
        third = 1 / 3
        rows = np.array([[3.0], [3.0], [3.0 + 2**-51]])
        circuit = layers([rows, np.ones((1, 3))], [np.array([-1.0, -3 * third, -1.0]), np.zeros(1)])
        found = traverse(circuit, [0], [1])
        assert found.n_pieces == 3
        assert found.exact_breakpoint(0) == 1 / Fraction(3.0 + 2**-51)
        assert [switch.index for switch in found.switched(0)] == [2]
        assert found.exact_breakpoint(1) == Fraction(1, 3)
        assert [switch.index for switch in found.switched(1)] == [0, 1]  # fl(3·fl(1/3)) is 1

    def test_a_breakpoint_next_to_one(self) -> None:
        before, after = np.nextafter(1.0, 0.0), np.nextafter(1.0, 2.0)
        counts = [traverse(maximum_of([0, end], [1, 0]), [0], [1]).n_pieces for end in (before, 1.0, after)]
        assert counts == [2, 1, 1]


class TestOtherFunctions:
    def test_rational_coefficients(self) -> None:
        found = traverse(TropicalPolynomial([[Fraction(1, 3)], [Fraction(-1, 7)]], [0, Fraction(1, 10)]), [-1], [1])
        assert found.exact_breakpoint(0) == (Fraction(1, 10) / (Fraction(1, 3) + Fraction(1, 7)) + 1) / 2

    def test_coefficients_that_floats_take_for_equal(self) -> None:
        tiny = Fraction(1, 10**20)
        found = traverse(TropicalPolynomial([[1], [1 + tiny]], [0, 0]), [-1], [1])
        assert [found.exact_breakpoint(k) for k in range(len(found) - 1)] == [Fraction(1, 2)]
        assert found.kinks.tolist() == [True]
        constants = traverse(TropicalPolynomial([[0], [0]], [Fraction(1, 10), Fraction(1, 10) + tiny]), [-1], [1])
        assert constants.patterns.tolist() == [[1]]

    def test_a_rational_function(self) -> None:
        absolute = TropicalPolynomial([[1], [-1]], [0, 0])
        found = traverse(TropicalRational(absolute, TropicalPolynomial([[0], [1]], [0, 0])), [-1], [1])
        assert found.slopes[:, 0].tolist() == [-2, 0]

    def test_no_maximum_at_all(self) -> None:
        circuit = CircuitBuilder(2)
        found = traverse(circuit.build(circuit.affine([(0, np.eye(2))], np.ones(2))), [0, 0], [1, 2])
        assert (found.n_pieces, found.patterns.shape) == (1, (1, 0))
        assert found([0.0, 0.5]).tolist() == [[1, 1], [1.5, 2]]

    def test_a_constant(self) -> None:
        builder = CircuitBuilder(1)
        constant = builder.add(Affine((), np.array([1.0, 1.0])))
        found = traverse(builder.build(builder.add(LogSumExp(constant, 0.0, np.array([0, 2])))), [0], [1])
        assert [(p.start, p.end, p.pattern.tolist(), p.value.tolist()) for p in found] == [(0, 1, [0], [1])]


@pytest.mark.parametrize("seed", range(3))
def test_a_deep_network_in_many_dimensions(seed: int) -> None:
    circuit = relu_network(seed, 20, 24, 24, 16, 3)
    rng = np.random.default_rng(seed)
    start, end = rng.normal(size=(2, 20)) * 5
    found = traverse(circuit, start, end)
    assert len(found) > 15
    t = np.linspace(0, 1, 301)
    points = start + t[:, None] * (end - start)
    assert np.allclose(found(t), circuit(points), atol=1e-10)
    middles = [(piece.start + piece.end) / 2 for piece in found]
    gradients = circuit.gradient(start + np.array(middles)[:, None] * (end - start))
    for i in range(len(found)):
        assert np.allclose(found.gradient(i), gradients[i], atol=1e-12)
        assert np.allclose(found.gradient(i) @ (end - start), found.slopes[i], atol=1e-10)
    floats = traverse(circuit, start, end, exact=False)
    assert (floats.exact, found.exact) == (False, True)
    assert np.allclose(floats.breakpoints, found.breakpoints, rtol=0, atol=1e-12)
    assert (floats.patterns == found.patterns).all()
    assert (floats.kinks == found.kinks).all()


def test_patterns_by_node_values(models: Path) -> None:
    """The shipped classifier, between two images: which entry is the largest, by evaluation of the circuit."""
    circuit = tropixc.load(models / "digits_conv.onnx").limit()
    rng = np.random.default_rng(0)
    start, end = rng.random((2, 64)).round(2)
    found = traverse(circuit, start, end)
    assert len(found) > 150
    ends = np.concatenate([[0], found.breakpoints, [1]])
    values = circuit.values(start + ((ends[1:] + ends[:-1]) / 2)[:, None] * (end - start))
    column = 0
    for node in circuit.nodes:
        if isinstance(node, LogSumExp):
            source = values[node.source]
            for k, (first, last) in enumerate(pairwise(node.segments)):
                largest = source[:, first:last].max(axis=1)
                chosen = source[np.arange(len(found)), first + found.patterns[:, column + k]]
                assert np.allclose(chosen, largest, rtol=0, atol=1e-12)
            column += node.size


@pytest.mark.parametrize("exact", [True, False])
def test_many_segments_are_the_same_as_one_by_one(exact: bool) -> None:
    circuit = relu_network(5, 3, 16, 16, 1)
    starts, ends = np.random.default_rng(0).normal(size=(2, 300, 3)) * 3
    counts = count_pieces(circuit, starts, ends, exact=exact, threads=2)
    several = traverse_many(circuit, starts[:20], ends[:20], exact=exact, threads=2)
    assert [len(found) for found in several] == counts[:20].tolist()
    for i in (0, 150, 299):
        assert len(traverse(circuit, starts[i], ends[i], exact=exact)) == counts[i]
    assert count_pieces(circuit, starts[:0], ends[:0]).shape == (0,)
    assert traverse_many(circuit, starts[:0], ends[:0]) == ()


def test_a_time_limit_leaves_a_known_part() -> None:
    circuit = sawtooth(14)
    whole, part = traverse(circuit, [0.0], [1.0]), traverse(circuit, [0.0], [1.0], time_limit=0)
    assert (whole.complete, part.complete) == (True, False)
    assert 0 < part.until < 1
    assert whole.n_pieces == 2**14 > len(part)
    assert part.until == whole.breakpoints[len(part) - 1]
    assert (part.breakpoints == whole.breakpoints[: len(part) - 1]).all()
    assert (part.patterns == whole.patterns[: len(part)]).all()
    assert [piece.end for piece in part][-1] == part.until
    with pytest.raises(InvalidInput, match="known"):
        part(1.0)


def test_floats_alone_on_degenerate_functions() -> None:
    for seed in range(200):
        circuit = tangled(seed, size=6)
        start, end = np.random.default_rng(seed).integers(-3, 4, size=(2, circuit.input_size))
        t = np.linspace(0, 1, 40)
        found = traverse(circuit, start, end, exact=False)
        assert np.allclose(found(t), circuit(start + t[:, None] * (end - start)), atol=1e-8)


def test_what_cannot_be_traversed() -> None:
    circuit = relu_network(0, 2, 4, 1)
    with pytest.raises(InvalidInput, match=r"\(1,\)"):
        traverse(circuit, [0], [1, 2])
    with pytest.raises(InvalidInput, match="traverse_many"):
        traverse(circuit, [[0, 0]], [[1, 2]])
    with pytest.raises(InvalidInput, match="2 starts and 1 ends"):
        count_pieces(circuit, [[0, 0], [1, 1]], [[1, 2]])
    with pytest.raises(InvalidInput, match="number 7"):
        traverse(circuit, [0, 0], [0, 0]).pattern(7)
    builder = CircuitBuilder(1)
    large = np.array([[1e200]])
    far = builder.build(builder.affine([(builder.affine([(0, large)], np.zeros(1)), large)], np.zeros(1)))
    with pytest.raises(InvalidInput, match="float64"):
        traverse(far, [0], [1])
    with pytest.raises(InvalidInput, match="rescale"):
        traverse(TropicalPolynomial([[1], [0]], [Fraction(1, 10**330), 0]), [0], [1])
    with pytest.raises(Unsupported, match="softmax"):
        traverse(Circuit((Input(1), Gibbs(0, 1.0, uniform_segments(1, 1))), 1), [0], [1])

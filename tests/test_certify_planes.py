"""Linear bounds: planes lie on their side of every node, substituted bounds below every sampled value."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse as sp
from circuits_of_all_kinds import assorted, degenerate, everything, wide_and_sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from tropix import Circuit
from tropix.certify._branching_parts import Parts, tie_halves
from tropix.certify._norms import Norm
from tropix.certify._planes import Layout, segment_planes
from tropix.certify._planes_curves import CURVES, curve_planes, sigmoid
from tropix.certify._planes_nodes import Ends
from tropix.certify._propagation import Propagation
from tropix.certify._propagation_balls import Balls
from tropix.certify._propagation_intervals import affine_ends
from tropix.certify._propagation_slopes import optimised
from tropix.circuits import Affine, CircuitBuilder, Gibbs, LogSumExp, uniform_segments
from tropix.exact import Rationals
from tropix.kernels import (
    substitute_constants,
    substitute_constants_numpy,
    substitute_slopes,
    substitute_slopes_numpy,
)


def boxes(rng: np.random.Generator, circuit: Circuit, count: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Random boxes of several widths: a point, and some coordinates of width 0, among them."""
    middle = rng.normal(size=(count, circuit.input_size))
    width = 10.0 ** rng.uniform(-4, 0.5, size=(count, 1)) * rng.integers(0, 2, size=middle.shape)
    width[0] = 0.0
    return middle - width, middle + width


def check(circuit: Circuit, seed: int) -> None:
    rng = np.random.default_rng(seed)
    lower, upper = boxes(rng, circuit)
    propagation = Propagation(circuit)
    state, _ = propagation.bounded(lower, upper)
    rows = np.vstack([np.eye(circuit.output_size), -np.eye(circuit.output_size)])
    rows = np.vstack([rows, rng.normal(size=(2, circuit.output_size))])
    forms = propagation.forms(state, {circuit.output: rows[None]})
    bounds = forms.least(lower, upper)
    for b in range(len(lower)):
        share = np.vstack([rng.uniform(size=(200, lower.shape[1])), rng.integers(0, 2, size=(50, lower.shape[1]))])
        points = np.clip(lower[b] + share * (upper[b] - lower[b]), lower[b], upper[b])
        values = circuit.values(points)
        for i in propagation.needed:
            room = 1e-12 * (1 + np.abs(values[i]))
            assert (values[i] >= state.ends[i].lower[b] - room).all(), circuit.names[i]
            assert (values[i] <= state.ends[i].upper[b] + room).all(), circuit.names[i]
        found = values[circuit.output] @ rows.T
        room = 1e-11 * (1 + np.abs(found))
        assert (found >= bounds[b] - room).all()
        below = points @ forms.slopes[b].T + forms.constant[b] - forms.error[b]
        assert (found >= np.where(np.isnan(below), -np.inf, below) - room).all()


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("make", [everything, assorted])
def test_bounds_hold_at_samples(make, seed: int) -> None:
    check(make(seed), seed)


@pytest.mark.parametrize("name", degenerate())
def test_bounds_hold_for_degenerate_circuits(name: str) -> None:
    check(degenerate()[name], 0)


def test_bounds_hold_for_sparse_matrices() -> None:
    check(wide_and_sparse(1, 40), 0)


@pytest.mark.parametrize("function", [*CURVES, 0.3, 2.0])
@pytest.mark.parametrize("width", [0.0, 1e-9, 0.1, 1.0, 6.0])
def test_curve_planes(function, width: float) -> None:
    curve = sigmoid(function) if isinstance(function, float) else CURVES[function]
    start = np.linspace(0.05 if curve.least == 0.0 else -5, 5, 60)
    planes = curve_planes(curve, start, start + width)
    points = start[:, None] + width * np.linspace(0, 1, 101)
    values = curve.value(points)
    room = 1e-13 * (1 + np.abs(values)) * (1 + np.abs(planes.lower[:, None]) + np.abs(planes.upper[:, None]))
    assert (planes.lower[:, None] * points + planes.lower_constant[:, None] <= values + room).all()
    assert (planes.upper[:, None] * points + planes.upper_constant[:, None] >= values - room).all()
    if width == 0.0:
        for slope, constant in ((planes.lower, planes.lower_constant), (planes.upper, planes.upper_constant)):
            np.testing.assert_allclose(slope * start + constant, values[:, 0], rtol=1e-12, atol=1e-12)


def test_curves_that_are_not_finite_have_no_planes() -> None:
    planes = curve_planes(CURVES["log"], np.array([-1.0, 0.0]), np.array([1.0, 1.0]))
    assert (planes.lower_constant == -np.inf).all()
    assert (planes.upper == 0).all()


def tables(draw: st.DrawFn, width: int) -> tuple[np.ndarray, np.ndarray, int]:
    pivot = draw(st.integers(0, width - 1))
    low = np.array(draw(st.lists(st.integers(-6, 6), min_size=width, max_size=width)), dtype=float)
    high = low + np.array(draw(st.lists(st.integers(0, 6), min_size=width, max_size=width)), dtype=float)
    low[pivot] = high[pivot] = 0.0
    return low, high, pivot


@given(st.data(), st.integers(1, 7), st.sampled_from([0.0, 0.01, 0.5, 5.0]))
@settings(max_examples=150, deadline=None)
def test_segment_planes_hold_at_corners_and_inside(data: st.DataObject, width: int, eps: float) -> None:
    low, high, pivot = tables(data.draw, width)
    planes = segment_planes(low[None, None], high[None, None], np.array([[pivot]]), eps)
    corners = np.array(np.meshgrid(*zip(low, high, strict=True))).reshape(width, -1).T
    rng = np.random.default_rng(0)
    points = np.vstack([corners, rng.uniform(low, high, size=(100, width))]) + rng.normal()
    top = points.max(axis=1)
    value = top if eps == 0 else top + eps * np.log(np.exp((points - top[:, None]) / eps).sum(axis=1))
    below = points @ planes.lower[0, 0] + planes.lower_constant[0, 0]
    above = points @ planes.upper[0, 0] + planes.upper_constant[0, 0]
    assert (below <= value + 1e-11).all()
    assert (above >= value - 1e-11).all()
    if width == 2:  # the secant touches at both ends: no plane lies lower
        assert np.isclose((above - value)[: len(corners)], 0, atol=1e-9).sum() >= min(2, len(corners))


def test_segment_without_one_entry_is_a_smaller_segment() -> None:
    low, high = np.array([-1.0, 0.0, -np.inf]), np.array([2.0, 0.0, -np.inf])
    for eps in (0.0, 0.5):
        three = segment_planes(low[None, None], high[None, None], np.array([[1]]), eps)
        two = segment_planes(low[None, None, :2], high[None, None, :2], np.array([[1]]), eps)
        np.testing.assert_allclose(three.upper[..., :2], two.upper, atol=1e-12)
        np.testing.assert_allclose(three.upper_constant, two.upper_constant, atol=1e-12)
        assert three.upper[0, 0, 2] == three.lower[0, 0, 2] == 0.0


def test_layout_tables() -> None:
    layout = Layout(np.array([0, 2, 3, 6]))
    values = np.arange(6.0)
    table = layout.table(values, -1.0)
    assert table.tolist() == [[0, 1, -1], [2, -1, -1], [3, 4, 5]]
    assert layout.flat(table).tolist() == values.tolist()


def test_one_hidden_layer_equals_the_linear_program() -> None:
    """With one layer the bound is the optimum of the planes' linear program (Salman et al. 2019) for fixed slopes."""
    rng = np.random.default_rng(3)
    weights, bias, head = rng.normal(size=(6, 3)), rng.normal(size=6), rng.normal(size=6)
    builder = CircuitBuilder(3)
    hidden = builder.relu(builder.affine([(0, weights)], bias))
    circuit = builder.build(builder.affine([(hidden, head[None])], [0.0]))
    propagation = Propagation(circuit)
    state, _ = propagation.bounded(-np.ones((1, 3)), np.ones((1, 3)))
    bound = propagation.forms(state, {circuit.output: np.ones((1, 1, 1))}).least(-np.ones((1, 3)), np.ones((1, 3)))
    reach = np.abs(weights).sum(axis=1)
    low, high = bias - reach, bias + reach
    chord = np.where(low >= 0, 1.0, np.where(high <= 0, 0.0, high / (high - low)))
    intercept = np.where((low < 0) & (high > 0), -chord * low, 0.0)
    below = np.where(low >= 0, 1.0, np.where(high <= 0, 0.0, (high > -low).astype(float)))
    # variables x (3), h (6): below·z ≤ h ≤ chord·z + intercept with z = Wx + b
    rows = np.vstack(
        [np.hstack([below[:, None] * weights, -np.eye(6)]), np.hstack([-chord[:, None] * weights, np.eye(6)])]
    )
    limits = np.concatenate([-below * bias, chord * bias + intercept])
    answer = linprog(np.append(np.zeros(3), head), A_ub=rows, b_ub=limits, bounds=[(-1, 1)] * 3 + [(None, None)] * 6)
    assert bound[0, 0] == pytest.approx(answer.fun, rel=1e-9)


def test_substituted_bounds_are_tighter_than_intervals() -> None:
    rng = np.random.default_rng(0)
    builder = CircuitBuilder(4)
    node = 0
    for _ in range(3):
        node = builder.pairs_with_zero(
            builder.affine([(node, rng.normal(size=(8, builder.size(node))))], np.zeros(8)), 0.1
        )
    circuit = builder.build(builder.affine([(node, rng.normal(size=(2, 8)))], np.zeros(2)))
    box = -0.1 * np.ones((1, 4)), 0.1 * np.ones((1, 4))
    propagation = Propagation(circuit)
    state, _ = propagation.bounded(*box)
    rows = np.vstack([np.eye(2), -np.eye(2)])
    bound = propagation.forms(state, {circuit.output: rows[None]}).least(*box)
    interval = circuit.bounds((box[0][0], box[1][0]))[circuit.output]
    assert (-bound[0, :2] - bound[0, 2:]).sum() < 0.5 * (interval.upper - interval.lower).sum()


def test_gibbs_pairs_have_planes_and_bounds() -> None:
    """Along a line a sigmoid network is bounded almost exactly once the boxes are small."""
    rng = np.random.default_rng(1)
    builder = CircuitBuilder(1)
    pairs = builder.affine([(0, sp.csr_array(rng.normal(size=(8, 1))))], rng.normal(size=8))
    node = builder.add(Gibbs(pairs, 0.7, uniform_segments(4, 2)))
    circuit = builder.build(builder.affine([(node, rng.normal(size=(1, 8)))], [0.0]))
    edges = np.linspace(-3, 3, 201)[:, None]
    propagation = Propagation(circuit)
    state, _ = propagation.bounded(edges[:-1], edges[1:])
    bound = propagation.forms(state, {circuit.output: np.ones((1, 1, 1))}).least(edges[:-1], edges[1:])[:, 0]
    exact = np.minimum(circuit(edges[:-1]), circuit(edges[1:]))[:, 0]
    assert (bound <= exact + 1e-12).all()
    assert (exact - bound).max() < 2e-3


def test_the_error_bound_covers_a_large_cancellation() -> None:
    """1e16 + x − 1e16 loses x in float64: the bound must not exclude what is lost."""
    builder = CircuitBuilder(1)
    shifted = builder.affine([(0, [[1.0]])], [1e16])
    hidden = builder.relu(shifted)
    circuit = builder.build(builder.affine([(hidden, [[1.0]])], [-1e16]))
    box = np.array([[0.25]]), np.array([[0.25]])
    propagation = Propagation(circuit)
    state, _ = propagation.bounded(*box)
    for sign in (1.0, -1.0):
        bound = propagation.forms(state, {circuit.output: np.full((1, 1, 1), sign)}).least(*box)
        assert bound[0, 0] <= sign * 0.25


def test_bounds_on_points_are_below_exact_values() -> None:
    """On one point nothing but rounding is between a bound and the value: rationals see the last digit of it."""
    rng = np.random.default_rng(0)
    builder, node = CircuitBuilder(3), 0
    for width in (6, 5):
        node = builder.affine([(node, rng.normal(size=(width, builder.size(node))))], rng.normal(size=width))
        if width == 6:
            node = builder.pairs_with_zero(node, 0.0)
    circuit = builder.build(node)
    points = np.concatenate([rng.normal(size=(40, 3)), 1e8 * rng.normal(size=(10, 3))])
    propagation = Propagation(circuit)
    state, _ = propagation.bounded(points, points)
    rows = np.vstack([np.eye(5), -np.eye(5)])
    forms = propagation.forms(state, {circuit.output: rows[None]})
    bounds, plain = forms.least(points, points), propagation.interval_least(state, {circuit.output: rows[None]})
    values = circuit.exact(Rationals.of(points)).fractions()
    for b, exact in enumerate(values.tolist()):
        for low, value, high in zip(state.ends[-1].lower[b], exact, state.ends[-1].upper[b], strict=True):
            assert Fraction(low) <= value <= Fraction(high)
        signed = [*exact, *(-v for v in exact)]
        for r, value in enumerate(signed):
            slopes = [Fraction(v) * Fraction(x) for v, x in zip(forms.slopes[b, r], points[b], strict=True)]
            form = sum(slopes, Fraction(forms.constant[b, r])) - Fraction(forms.error[b, r])
            assert max(form, Fraction(bounds[b, r]), Fraction(plain[b, r])) <= value


def test_ends_of_affine_nodes_contain_exact_sums() -> None:
    rng = np.random.default_rng(1)
    builder = CircuitBuilder(6)
    circuit = builder.build(builder.affine([(0, rng.normal(size=(4, 6)))], rng.normal(size=4)))
    node = circuit.nodes[1]
    assert isinstance(node, Affine)
    points = rng.normal(size=(50, 6))
    found, _ = affine_ends(node, [np.abs(term.matrix) for term in node.terms], [Ends(points, points)])
    for low, exact, high in zip(
        found.lower, circuit.exact(Rationals.of(points)).fractions().tolist(), found.upper, strict=True
    ):
        assert all(Fraction(a) <= v <= Fraction(b) for a, v, b in zip(low, exact, high, strict=True))


@pytest.mark.parametrize("seed", range(5))
def test_known_differences_keep_the_bounds_sound(seed: int) -> None:
    circuit = everything(seed)
    rng = np.random.default_rng(seed)
    propagation = Propagation(circuit)
    lower, upper = boxes(rng, circuit, 3)
    _, gaps = propagation.bounded(lower, upper)
    middle = 0.5 * (lower + upper)
    state, _ = propagation.bounded(lower, middle, gaps)
    rows = np.eye(circuit.output_size)[None]
    bound = propagation.forms(state, {circuit.output: rows}).least(lower, middle)
    for b in range(3):
        points = lower[b] + rng.uniform(size=(200, circuit.input_size)) * (middle[b] - lower[b])
        assert (circuit(points) >= bound[b] - 1e-10).all()


@pytest.mark.parametrize("shapes", [(1, 1, 1, 1), (4, 1, 1, 3), (1, 4, 2, 1), (4, 4, 3, 3)])
def test_substitution_kernels_equal_their_twins(shapes: tuple[int, int, int, int]) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(shapes[0], shapes[3], 5)) * rng.integers(0, 2, size=(shapes[0], shapes[3], 5))
    owner = np.array([0, 0, 2, 4, 4, 4])
    lower, upper = rng.normal(size=(2, shapes[1], 1, 6))
    np.testing.assert_allclose(
        substitute_slopes(rows, owner, lower, upper), substitute_slopes_numpy(rows, owner, lower, upper)
    )
    below, above = rng.normal(size=(2, shapes[1], 1, 5))
    below[0, 0, 1] = -np.inf
    above[0, 0, 2] = np.inf
    size = np.abs(rng.normal(size=(shapes[1], 5)))
    size[0, 3] = np.inf
    for found, expected in zip(
        substitute_constants(rows, below, above, size),
        substitute_constants_numpy(rows, below, above, size),
        strict=True,
    ):
        np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("make", [everything, assorted])
def test_improved_slopes_hold_and_are_not_worse(make, seed: int) -> None:
    circuit = make(seed)
    rng = np.random.default_rng(seed)
    lower, upper = boxes(rng, circuit, 3)
    propagation = Propagation(circuit)
    state, gaps = propagation.bounded(lower, upper)
    rows = {circuit.output: rng.normal(size=(1, 2, circuit.output_size))}
    plain = optimised(propagation, state, gaps, rows, {}, 0)
    better = optimised(propagation, state, gaps, rows, {}, 8)
    assert (better.bound >= plain.bound).all()
    for b in range(3):
        points = lower[b] + rng.uniform(size=(200, lower.shape[1])) * (upper[b] - lower[b])
        found = circuit(np.clip(points, lower[b], upper[b])) @ rows[circuit.output][0].T
        assert (found >= better.bound[b] - 1e-10 * (1 + np.abs(found))).all()
        below = points @ better.forms.slopes[b].T + better.forms.constant[b] - better.forms.error[b]
        assert (found >= np.where(np.isnan(below), -np.inf, below) - 1e-10 * (1 + np.abs(found))).all()


def deep(seed: int, widths: tuple[int, ...], eps: float, group: int = 2, inputs: int = 3) -> Circuit:
    rng = np.random.default_rng(seed)
    builder = CircuitBuilder(inputs)
    node = 0
    for width in widths:
        size = builder.size(node)
        rows = rng.normal(size=(width * (group if group > 2 else 1), size)) / np.sqrt(size)
        forms = builder.affine([(node, rows)], 0.2 * rng.normal(size=len(rows)))
        if group > 2:
            node = builder.log_sum_exp(forms, eps, uniform_segments(width, group))
        else:
            node = builder.pairs_with_zero(forms, eps)
    return builder.build(builder.affine([(node, rng.normal(size=(2, builder.size(node))))], np.zeros(2)))


@pytest.mark.parametrize("eps", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("group", [2, 3, 6])
def test_improved_slopes_gain(eps: float, group: int) -> None:
    circuit = deep(0, (8, 8), eps, group)
    propagation = Propagation(circuit)
    box = -0.5 * np.ones((1, 3)), 0.5 * np.ones((1, 3))
    state, gaps = propagation.bounded(*box)
    rows = {circuit.output: np.vstack([np.eye(2), -np.eye(2)])[None]}
    plain = optimised(propagation, state, gaps, rows, {}, 0).bound
    assert (optimised(propagation, state, gaps, rows, {}, 20).bound.sum() - plain.sum()) > 1e-3 * abs(plain.sum())


@pytest.mark.parametrize("group", [2, 3, 5])
@pytest.mark.parametrize("seed", range(4))
def test_both_sides_of_a_tie_keep_their_points(group: int, seed: int) -> None:
    """Down a random path of ties the bounds hold at all samples that lie on the chosen sides."""
    circuit = deep(seed, (5, 4), 0.0, group)
    rng = np.random.default_rng(seed)
    propagation = Propagation(circuit)
    parts = Parts(-np.ones((1, 3)), np.ones((1, 3)))
    points = rng.uniform(-1, 1, size=(20000, 3))
    rows = {circuit.output: np.array([[[1.0, -1.0], [-1.0, 0.5]]])}
    plain = None
    for _ in range(6):
        state, parts.known = propagation.bounded(parts.lower, parts.upper, parts.known)
        found = optimised(propagation, state, parts.known, rows, parts.cuts(), 10)
        plain = found.bound if plain is None else plain
        if len(points):
            assert not state.empty[0]
            values = circuit(points) @ rows[circuit.output][0].T
            assert (values >= found.bound[0] - 1e-10).all()
        loose = {i: table[0] for i, table in found.loose.items()}
        node = max(loose, key=lambda i: loose[i].max())
        if loose[node].max() < 1e-9:
            break
        two = tie_halves(propagation, parts, np.array([node]), np.array([loose[node].argmax()]), found.values)
        side = int(rng.integers(2))
        parts = two.take(slice(side, side + 1))
        (cut,) = [h for i, h in parts.cuts().items() if i == node]
        layer = circuit.nodes[node]
        assert isinstance(layer, LogSumExp)
        source = circuit.values(points)[layer.source]
        points = points[(source[:, cut.winner] >= source[:, cut.loser]).all(axis=1)]
    assert (found.bound > plain + 1e-6).any()


@pytest.mark.parametrize("p", [1.0, 2.0, np.inf])
def test_bounds_on_balls(p: float) -> None:
    circuit = deep(1, (6, 6), 0.2)
    rng = np.random.default_rng(0)
    centres, radii = rng.normal(size=(4, 3)), np.array([0.0, 0.01, 0.1, 0.5])
    propagation = Propagation(circuit)
    lower, upper = centres - radii[:, None], centres + radii[:, None]
    state, _ = propagation.bounded(lower, upper)
    forms = propagation.forms(state, {circuit.output: np.eye(2)[None]})
    bound = forms.least_in_balls(Balls(centres, radii, Norm(p)), lower, upper)
    steps = rng.normal(size=(2000, 3))
    steps /= np.linalg.norm(steps, ord=p, axis=1, keepdims=True)
    for b in range(4):
        found = circuit(centres[b] + radii[b] * steps)
        assert (found >= bound[b] - 1e-11).all()
    assert (bound >= forms.least(lower, upper) - 1e-11).all()
    np.testing.assert_allclose(bound[0], circuit(centres[0]), rtol=1e-9)
    if p == np.inf:
        np.testing.assert_allclose(bound, forms.least(lower, upper), rtol=1e-10)

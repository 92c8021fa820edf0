"""The planar subdivision: known answers, other enumerations, geometry, degenerate inputs, partial results."""

from __future__ import annotations

import json
from collections import Counter
from fractions import Fraction
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brute_force_regions import all_patterns
from hypothesis import given, settings
from hypothesis import strategies as st
from piecewise_linear import ill_conditioned, layers, relu_network, tangled

from tropix import Box, Circuit, InvalidInput, Polyhedron, TropicalPolynomial, regions
from tropix.circuits import CircuitBuilder, uniform_segments
from tropix.deadline import Deadline
from tropix.kernels import PlanarMachine
from tropix.kernels._planar_determinant import determinant_sign
from tropix.regions._planar import PlanarCells, planar_cells
from tropix.regions._tape import Tape

SQUARE = Box.of((-1, 1), 2)
BOXES = [SQUARE, Box.of(([-1.5, -0.3], [2, 1.7]), 2), Polyhedron.where([[1, 1], [-1, 2]], [1, 2], (-1, 1))]


def one_layer(rows: Any, bias: Any = None) -> Circuit:
    rows = np.asarray(rows, dtype=np.float64)
    builder = CircuitBuilder(2)
    hidden = builder.relu(builder.affine([(0, rows)], np.zeros(len(rows)) if bias is None else bias))
    return builder.build(hidden)


def cells_of(function: Any, box: Box = SQUARE, **options: Any) -> PlanarCells:
    return planar_cells(Tape.of(function), box, **options)


def keys(patterns: np.ndarray) -> list[tuple[int, ...]]:
    return [tuple(row) for row in patterns.tolist()]


def pairs(patterns: np.ndarray, offsets: np.ndarray, neighbours: np.ndarray) -> Counter[Any]:
    """How often each pair of patterns is on the two sides of an edge; None behind a wall."""
    names = [*keys(patterns), None]
    owners = np.repeat(np.arange(len(patterns)), np.diff(offsets)).tolist()
    assert (neighbours >= -1).all()
    return Counter((names[owner], names[other]) for owner, other in zip(owners, neighbours.tolist(), strict=True))


def check_edges(tape: Tape, cells: PlanarCells, box: Box) -> None:
    """In rationals: every point is strictly inside its edges, every edge is the tie or wall that it is said to be."""
    walls = regions.enumerate(tape_free(), box).domain.walls.fractions()
    for i in range(len(cells)):
        point = [Fraction(value) for value in cells.points[i].tolist()]
        if i in cells.exact_points:
            point = cells.exact_points[i].fractions().tolist()
        table = tape.exact.table(cells.patterns[i].astype(np.int64)).astype(object)
        tables = np.split(table, tape.offsets[1:-1])
        for e in range(cells.offsets[i], cells.offsets[i + 1]):
            segment, entry = cells.ties[e].tolist()
            if segment < 0:
                assert cells.neighbours[e] == -1
                a, b, c = walls[entry]
            else:
                step = next(s for s in tape.steps if hasattr(s, "first") and s.first <= segment < s.first + s.size)
                table, first = tables[step.source], int(step.segments[segment - step.first])
                a, b, c = table[first + entry] - table[first + int(cells.patterns[i, segment])]
                other = cells.neighbours[e]
                assert cells.patterns[other, segment] != cells.patterns[i, segment]
            assert a * point[0] + b * point[1] + c < 0
            size = float(max(abs(a), abs(b), abs(c)))
            end = cells.vertices[e + 1 if e + 1 < cells.offsets[i + 1] else cells.offsets[i]]
            for x, y in (cells.vertices[e], end):
                assert abs(float(a * Fraction(x) + b * Fraction(y) + c)) <= 1e-9 * size


def tape_free() -> TropicalPolynomial:
    return TropicalPolynomial([[0, 0]], [0])


def check_shape(cells: PlanarCells, area: float) -> None:
    """V − E + F = 1, neighbours are mutual, cells fill the domain."""
    assert cells.complete
    assert cells.misfits == 0
    assert (cells.areas() > 0).all()
    assert cells.areas().sum() == pytest.approx(area, rel=1e-12)
    inner, outer = int((cells.neighbours >= 0).sum()), int((cells.neighbours == -1).sum())
    corners = len(np.unique(np.round(cells.vertices, 9) + 0.0, axis=0))
    assert corners - (inner // 2 + outer) + len(cells) == 1
    owners = np.repeat(np.arange(len(cells)), np.diff(cells.offsets))
    links = Counter(zip(owners.tolist(), cells.neighbours.tolist(), strict=True))
    assert all(links[j, i] == count == 1 for (i, j), count in links.items() if j >= 0)


@pytest.mark.parametrize("seed", range(14))
@pytest.mark.parametrize("make", [tangled, ill_conditioned])
def test_same_cells_and_neighbours_as_the_search(make: Any, seed: int) -> None:
    circuit = make(seed, 2)
    for box in BOXES if seed < 4 else BOXES[:1]:
        cells, found = cells_of(circuit, box), regions.enumerate(circuit, box)
        assert found.complete
        assert cells.complete
        assert cells.exact
        ours = pairs(cells.patterns, cells.offsets, cells.neighbours)
        assert ours == pairs(found.patterns, found.facet_offsets, found.neighbours)
        assert len(set(keys(cells.patterns))) == len(cells) == len(found.patterns)
        check_edges(Tape.of(circuit), cells, box)


@pytest.mark.parametrize("seed", range(40, 52))
def test_same_patterns_as_brute_force(seed: int) -> None:
    for circuit in (tangled(seed, 2, size=3), relu_network(seed, 2, 4, 3, 1)):
        assert set(keys(cells_of(circuit).patterns)) == all_patterns(circuit, SQUARE)


@pytest.mark.parametrize("widths", [(2, 40, 1), (2, 12, 12, 1), (2, 8, 8, 8, 8, 2)])
def test_shape_of_networks_in_general_position(widths: tuple[int, ...]) -> None:
    circuit = relu_network(1, *widths)
    cells = cells_of(circuit)
    check_shape(cells, 4.0)
    points = np.random.default_rng(0).uniform(-1, 1, size=(3000, 2))
    known = set(keys(cells.patterns))
    values, patterns = points, []
    for node in circuit.nodes:
        kind = type(node).__name__
        if kind == "Affine" and node.terms[0].matrix.shape[0] == 2 * node.terms[0].matrix.shape[1]:
            patterns.append((values > 0).astype(int))
            values = np.maximum(values, 0)
        elif kind == "Affine":
            values = values @ np.asarray(node.terms[0].matrix).T + node.bias
    assert {tuple(row) for row in np.concatenate(patterns, axis=1).tolist()} <= known


@pytest.mark.parametrize("n", [1, 2, 8, 60])
def test_lines_in_general_position(n: int) -> None:
    """A box large enough holds all crossings."""
    rng = np.random.default_rng(n)
    cells = cells_of(one_layer(rng.normal(size=(n, 2)), rng.normal(size=n)), Box.of((-1e6, 1e6), 2))
    assert len(cells) == 1 + n + comb(n, 2)


GRID = [[1, 0]] * 4 + [[0, 1]] * 4
DEGENERATE = {
    "the coordinate axes": ([[1, 0], [0, 1]], None, 4),
    "four lines through the origin": ([[1, 0], [0, 1], [1, 1], [1, -1]], None, 8),
    "the same line thrice": ([[1, 2], [-3, -6], [0.1, 0.2]], None, 2),
    "a line along the box": ([[1, 0], [0, -1]], [-1, 1], 1),
    "a line through corners": ([[1, 1], [1, -1], [1, 0]], [0, 0, -1], 4),
    "a corner touched": ([[1, 1]], [-2], 1),
    "a grid": (GRID, [-0.5, 0, 0.25, 0.5] * 2, 25),
    "a grid with diagonals": ([*GRID, [1, -1], [1, 1]], [-0.5, 0, 0.25, 0.5] * 2 + [0, 0], 25 + 5 + 6),
    "neurons that never change": ([[0, 0], [0, 0], [1, 0]], [1, -1, 0], 2),
    "a dead one": ([[0, 0]], [0], 1),
}


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_arrangements(name: str) -> None:
    rows, bias, count = DEGENERATE[name]
    cells = cells_of(one_layer(rows, bias))
    assert len(cells) == count
    check_shape(cells, 4.0)


def test_functions_of_absolute_values() -> None:
    builder = CircuitBuilder(2)
    signs = builder.affine([(0, np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]]))], np.zeros(4))
    both = builder.log_sum_exp(signs, 0.0, uniform_segments(2, 2))
    largest = builder.log_sum_exp(signs, 0.0, uniform_segments(1, 4))
    for node in (builder.affine([(both, np.ones((1, 2)))], np.zeros(1)), largest):
        cells = cells_of(builder.build(node))
        assert len(cells) == 4
        check_shape(cells, 4.0)


@pytest.mark.parametrize("k", [1, 2, 5, 12])
@pytest.mark.parametrize(("concave", "count"), [(True, lambda k: comb(k + 2, 2)), (False, lambda k: 3)])
def test_a_maximum_over_all_monomials_of_a_degree(k: int, concave: bool, count: Any) -> None:
    exponents = np.array([(i, j) for i in range(k + 1) for j in range(k + 1 - i)], dtype=float)
    heights = -(exponents**2).sum(axis=1) - exponents.prod(axis=1) if concave else np.zeros(len(exponents))
    cells = cells_of(TropicalPolynomial(exponents, heights), Box.of((-40, 40), 2))
    assert len(cells) == count(k)
    check_shape(cells, 6400.0)


def test_equal_entries_count_once_and_the_first_wins() -> None:
    repeated = np.array([[1.0, 0], [1, 0], [-1, 0], [0, 1], [0, 1], [0, 0]])
    builder = CircuitBuilder(2)
    cells = cells_of(builder.build(builder.log_sum_exp(builder.affine([(0, repeated)], np.zeros(6)), 0.0, [0, 6])))
    assert sorted(keys(cells.patterns)) == [(0,), (2,), (3,)]


def test_an_affine_function_has_one_cell() -> None:
    builder = CircuitBuilder(2)
    cells = cells_of(builder.build(builder.affine([(0, np.ones((1, 2)))], np.zeros(1))))
    assert (cells.patterns.shape, cells.neighbours.tolist()) == ((1, 0), [-1] * 4)
    assert sorted(cells.ties.tolist()) == [[-1, 0], [-1, 1], [-1, 2], [-1, 3]]
    assert cells.points.tolist() == [[0, 0]]


def test_a_box_far_away_and_a_tiny_one() -> None:
    rng = np.random.default_rng(3)
    rows, bias = rng.normal(size=(9, 2)), rng.normal(size=9)
    near = cells_of(one_layer(rows, bias), Box.of((-1e6, 1e6), 2))
    away = np.array([2.0**30, -(2.0**28)])
    exact = one_layer(np.round(rows, 2), np.round(bias, 2))
    there = one_layer(np.round(rows, 2), np.round(bias, 2) - np.round(rows, 2) @ away)
    assert len(near) == 1 + 9 + comb(9, 2)
    # rounding of the biases moves lines by less than 1e-6, which no crossing of this arrangement is near
    assert set(keys(cells_of(there, Box.of((away - 5, away + 5), 2)).patterns)) == set(
        keys(cells_of(exact, Box.of((-5, 5), 2)).patterns)
    )
    corner = np.linalg.solve(rows[:2], -bias[:2])
    tiny = cells_of(one_layer(rows, bias), Box.of((corner - 1e-9, corner + 1e-9), 2))
    assert len(tiny) == 4


def test_many_ties_that_floats_cannot_decide_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights of 53 bits whose sums round: neither floats nor the exact determinant of floats settle them."""
    asked = []
    answer = PlanarMachine.answer
    monkeypatch.setattr(PlanarMachine, "answer", lambda self, *a: (asked.append(a), answer(self, *a))[1])
    rows = np.random.default_rng(5).normal(size=(3, 2))
    # positive and negative parts of three forms, and their differences: the second layer repeats the first one's lines
    first = np.concatenate([rows, -rows])
    second = np.concatenate([np.hstack([np.eye(3), -np.eye(3)]), np.hstack([np.eye(3) / 3, -np.eye(3) / 3])])
    circuit = layers([first, second, np.ones((1, 6))], [np.zeros(6), np.zeros(6), np.zeros(1)])
    cells = cells_of(circuit)
    assert asked
    assert len(cells) == 6
    check_shape(cells, 4.0)
    loose = cells_of(circuit, exact=False)
    assert not loose.exact
    assert set(keys(loose.patterns)) == set(keys(cells.patterns))


def test_float_mode_agrees_in_general_position() -> None:
    circuit = relu_network(4, 2, 16, 16, 1)
    loose, cells = cells_of(circuit, exact=False), cells_of(circuit)
    assert (loose.exact, cells.exact) == (False, True)
    assert keys(loose.patterns) == keys(cells.patterns)
    np.testing.assert_array_equal(loose.neighbours, cells.neighbours)


def test_partial_results() -> None:
    circuit = relu_network(6, 2, 200, 1)
    whole = cells_of(circuit)
    index = {key: i for i, key in enumerate(keys(whole.patterns))}
    full = pairs(whole.patterns, whole.offsets, whole.neighbours)
    part = cells_of(circuit, limit=5000)
    assert not part.complete
    assert 5000 <= len(part) < len(whole)
    names = keys(part.patterns)
    assert len(set(names)) == len(names)
    owners = np.repeat(np.arange(len(part)), np.diff(part.offsets))
    for owner, other in zip(owners.tolist(), part.neighbours.tolist(), strict=True):
        assert names[owner] in index
        if other >= 0:
            assert full[names[owner], names[other]] == 1
    assert (part.neighbours == -2).any()
    assert (part.neighbours >= 0).mean() > 0.9
    stopped = cells_of(circuit, deadline=Deadline(0.0))
    assert not stopped.complete
    assert len(stopped) < len(whole)
    assert cells_of(circuit, limit=len(whole)).complete


def test_progress_reports_all_cells() -> None:
    seen: list[tuple[int, int]] = []
    cells = cells_of(relu_network(6, 2, 150, 1), progress=lambda done, known: seen.append((done, known)))
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert seen[-1] == (len(cells), len(cells))


def test_long_stacks_and_polygons_with_many_edges() -> None:
    """A paraboloid's tangents: the last monomial's cell touches 400 others."""
    angles = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    circle = np.column_stack([np.cos(angles), np.sin(angles)])
    polynomial = TropicalPolynomial(np.concatenate([circle, [[0, 0]]]), np.concatenate([np.full(400, -0.5), [0.0]]))
    cells = cells_of(polynomial)
    assert len(cells) == 401
    assert np.diff(cells.offsets)[keys(cells.patterns).index((400,))] == 400
    check_shape(cells, 4.0)


@pytest.mark.parametrize(
    ("box", "match"),
    [
        (Box.of((0, np.inf), 2), "unbounded"),
        (Polyhedron.where([[1, 0], [-1, 0]], [1, 1]), "unbounded"),
        (Polyhedron.where([[1, 0], [-1, 0]], [-1, -1], (-5, 5)), "no interior"),
        (Box.of((0, [1, 0]), 2), "interior"),
    ],
)
def test_domains_that_are_refused(box: Box, match: str) -> None:
    with pytest.raises(InvalidInput, match=match):
        cells_of(one_layer([[1, 0]]), box)


def test_another_number_of_inputs_is_refused() -> None:
    with pytest.raises(InvalidInput, match="3 inputs"):
        cells_of(relu_network(0, 3, 4, 1), Box.of((-1, 1), 3))


def test_polyhedron_without_a_box() -> None:
    triangle = Polyhedron.where([[-1, 0], [0, -1], [3, 3]], [0, 0, 1])
    cells = cells_of(one_layer([[1, -1], [1, 1]], [0, -0.25]), triangle)
    assert len(cells) == 4
    check_shape(cells, 1 / 18)
    assert set(cells.ties[cells.neighbours == -1, 1].tolist()) == {0, 1, 2}


numbers = st.one_of(
    st.integers(-3, 3).map(float), st.floats(-1e3, 1e3), st.sampled_from([1e-40, 1 + 2**-52, 1 / 3, 0.1])
)


@settings(max_examples=300)
@given(st.lists(numbers, min_size=9, max_size=9), st.booleans())
def test_sign_of_a_determinant(entries: list[float], dependent: bool) -> None:
    if dependent:
        entries[6:] = [2 * a - 4 * b for a, b in zip(entries[:3], entries[3:6], strict=True)]
    a, b, c, a_, b_, c_, p, q, r = (Fraction(v) for v in entries)
    exact = p * (b * c_ - b_ * c) + q * (c * a_ - c_ * a) + r * (a * b_ - a_ * b)
    found = determinant_sign(*entries)
    fine = all(v == 0 or 1e-60 < abs(v) < 1e60 for v in entries)
    assert found == ((exact > 0) - (exact < 0) if fine else 2)


def test_points_that_are_no_floats_are_rational() -> None:
    """The decimals of the third line are the sum of the others', their floats are not: a triangle without floats."""
    circuit = one_layer([[0.1, 0.3], [0.3, 0.1], [0.4, 0.4]], [0.1, 0.1, 0.2])
    cells = cells_of(circuit)
    assert len(cells) == 7
    assert list(cells.exact_points) == [int(np.argmin(cells.areas()))]
    check_edges(Tape.of(circuit), cells, SQUARE)
    found = regions.enumerate(circuit, SQUARE)
    ours = pairs(cells.patterns, cells.offsets, cells.neighbours)
    assert ours == pairs(found.patterns, found.facet_offsets, found.neighbours)


def test_nothing_found_is_partial_and_can_be_resumed(tmp_path: Path) -> None:
    """Stopped before the first cell: no counts, but everything can be asked for, written and gone on from."""
    circuit = layers([np.array([[0.1, 0.2], [0.3, 0.6], [1, 1]]), np.ones((1, 3))], [np.array([0.3, 0.9, 0]), [0]])
    part = regions.enumerate(circuit, (-1, 1), time_limit=0.0)
    assert (part.n_cells, part.n_affine_regions, part.n_affine_maps, part.complete) == (0, 0, 0, False)
    assert json.loads(part.to_json())["cells"] == []
    (tmp_path / "part.npz").write_bytes(part.to_npz())
    whole = regions.enumerate(circuit, (-1, 1))
    for begun in (part, regions.load(tmp_path / "part.npz", circuit)):
        again = regions.enumerate(circuit, resume=begun)
        assert again.complete
        assert sorted(keys(again.patterns)) == sorted(keys(whole.patterns))


@pytest.mark.parametrize("block", [1, 100, 5000])
def test_cells_are_joined_from_blocks_of_any_size(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from tropix.regions import _planar

    circuit = layers([np.random.default_rng(0).normal(size=(9, 2)), np.ones((1, 9))], [np.arange(9) / 9, [0]])
    expected = regions.enumerate(circuit, SQUARE)
    monkeypatch.setattr(_planar, "BLOCK", block)
    found = regions.enumerate(circuit, SQUARE)
    for name in ("patterns", "points", "facet_offsets", "facet_segments", "facet_entries", "neighbours"):
        assert np.array_equal(getattr(found, name), getattr(expected, name)), name


def test_numbers_far_from_one_are_left_to_the_search() -> None:
    """The planar engine's squares would leave the range of floats, up or down."""
    rng = np.random.default_rng(5)
    matrices, biases = (
        [rng.normal(size=(5, 2)), rng.normal(size=(4, 5)), np.ones((1, 4))],
        [rng.normal(size=5), rng.normal(size=4), [0]],
    )
    plain = layers(matrices, biases)
    expected = sorted(keys(regions.enumerate(plain, (-1e9, 1e9)).patterns))
    for scale in (1e-200, 1e-120, 1e120, 1e160):
        scaled = layers([scale * matrices[0], *matrices[1:]], [scale * biases[0], scale * biases[1], [0]])
        for box in ((-1e9, 1e9), (-1e200, 1e200)):
            found = regions.enumerate(scaled, box)
            assert sorted(keys(found.patterns)) == expected
            assert regions.certify_completeness(found)

"""Linear regions: known answers, brute force over all patterns, samples, interrupted and resumed searches."""

from __future__ import annotations

import signal
from itertools import combinations, pairwise, permutations
from math import comb, factorial
from typing import Any

import numpy as np
import pytest
from brute_force_regions import all_patterns

from tropix import Box, Circuit, InvalidInput, Polyhedron, TropicalPolynomial, TropicalRational, Unsupported, regions
from tropix.circuits import Affine, CircuitBuilder, LogSumExp
from tropix.regions import _search


def one_layer(rows: Any, bias: Any = None) -> Circuit:
    rows = np.asarray(rows, dtype=np.float64)
    builder = CircuitBuilder(rows.shape[1])
    hidden = builder.relu(builder.affine([(0, rows)], np.zeros(len(rows)) if bias is None else bias))
    return builder.build(builder.affine([(hidden, np.arange(1.0, len(rows) + 1)[None])], [0.0]))


def relu_net(widths: list[int], seed: int = 0) -> Circuit:
    rng = np.random.default_rng(seed)
    builder, value = CircuitBuilder(widths[0]), 0
    for i, (m, n) in enumerate(pairwise(widths)):
        value = builder.affine([(value, rng.normal(size=(n, m)))], rng.normal(size=n))
        if i < len(widths) - 2:
            value = builder.relu(value)
    return builder.build(value)


def order_statistic(n: int, k: int) -> Circuit:
    """The k-th largest of n inputs: the maximum over k-subsets of their minima."""
    subsets = list(combinations(range(n), k))
    builder = CircuitBuilder(n)
    picks = builder.affine([(0, -np.eye(n)[np.array(subsets).ravel()])], np.zeros(k * len(subsets)))
    minima = builder.log_sum_exp(picks, 0.0, np.arange(len(subsets) + 1) * k)
    negated = builder.affine([(minima, -np.eye(len(subsets)))], np.zeros(len(subsets)))
    return builder.build(builder.log_sum_exp(negated, 0.0, np.array([0, len(subsets)])))


@pytest.mark.parametrize(("d", "n", "count"), [(2, 8, 37), (3, 8, 93), (4, 8, 163), (5, 8, 219)])
def test_one_layer_in_general_position(d: int, n: int, count: int) -> None:
    rng = np.random.default_rng(d)
    found = regions.enumerate(one_layer(rng.normal(size=(n, d)), rng.normal(size=n)))
    assert found.complete
    assert found.n_cells == count == sum(comb(n, i) for i in range(d + 1))
    assert found.n_affine_maps == count


@pytest.mark.parametrize(("d", "n", "count"), [(2, 6, 12), (3, 6, 32), (4, 7, 84)])
def test_one_layer_without_biases(d: int, n: int, count: int) -> None:
    found = regions.enumerate(one_layer(np.random.default_rng(d).normal(size=(n, d))))
    assert found.n_cells == count == 2 * sum(comb(n - 1, i) for i in range(d))


@pytest.mark.parametrize("n", [2, 3, 4, 5])
@pytest.mark.parametrize("box", [None, (-1, 1)])
def test_braid_arrangements(n: int, box: Any) -> None:
    rows = [np.eye(n)[i] - np.eye(n)[j] for i, j in combinations(range(n), 2)]
    found = regions.enumerate(one_layer(rows), box)
    assert found.n_cells == factorial(n)
    assert (found.degrees == n - 1).all()
    orders = {tuple(np.argsort(point).tolist()) for point in found.points}
    assert orders == set(permutations(range(n)))


@pytest.mark.parametrize("n", [2, 3, 4])
def test_arrangements_of_type_b(n: int) -> None:
    rows = [np.eye(n)[i] + s * np.eye(n)[j] for i, j in combinations(range(n), 2) for s in (1, -1)]
    assert regions.enumerate(one_layer([*rows, *np.eye(n)])).n_cells == 2**n * factorial(n)


@pytest.mark.parametrize(
    ("n", "k", "maps", "cells", "areas"), [(3, 2, 3, 6, 6), (4, 2, 4, 24, 12), (4, 3, 4, 24, 12), (3, 1, 3, 3, 3)]
)
def test_order_statistics(n: int, k: int, maps: int, cells: int, areas: int) -> None:
    found = regions.enumerate(order_statistic(n, k))
    assert (found.n_affine_maps, found.n_affine_regions) == (maps, areas)
    assert areas == n * comb(n - 1, k - 1)
    if 1 < k < n:  # for k = 3 of 4 the minima of triples do not tell all orders apart
        assert found.n_cells == cells or k == 3


@pytest.mark.parametrize("degree", [1, 2, 3, 4])
def test_plane_curves(degree: int) -> None:
    exponents = np.array([(i, j) for i in range(degree + 1) for j in range(degree + 1 - i)])
    lifted = TropicalPolynomial(exponents, -(exponents**2).sum(axis=1) - exponents.prod(axis=1))
    found = regions.enumerate(lifted)
    assert found.n_cells == comb(degree + 2, 2)
    # edges of the curve: 3D rays and 3D(D−1)/2 bounded ones, each a facet of two cells
    assert len(found.adjacency[0]) == 3 * degree + 3 * degree * (degree - 1) // 2
    assert sum(not cell.bounded for cell in found) == max(3, 3 * degree)
    flat = TropicalPolynomial(exponents, np.zeros(len(exponents)))
    assert regions.enumerate(flat).n_cells == 3


def sawtooth(times: int) -> Circuit:
    builder, value = CircuitBuilder(1), 0
    for _ in range(times):
        hidden = builder.relu(builder.affine([(value, [[1.0], [1.0]])], [0.0, -0.5]))
        value = builder.affine([(hidden, [[2.0, -4.0]])], [0.0])
    return builder.build(value)


@pytest.mark.parametrize("times", [1, 2, 5, 8])
def test_sawtooth(times: int) -> None:
    found = regions.enumerate(sawtooth(times), (0, 1))
    assert found.n_affine_regions == 2**times
    assert found.n_affine_maps == 2**times
    assert sum(cell.exact_volume for cell in found) == 1


@pytest.mark.parametrize("d", [1, 2, 3, 4])
def test_norms(d: int) -> None:
    builder = CircuitBuilder(d)
    pairs = builder.affine([(0, np.repeat(np.eye(d), 2, axis=0) * np.tile([[1.0], [-1.0]], (d, 1)))], np.zeros(2 * d))
    sizes = builder.log_sum_exp(pairs, 0.0, np.arange(d + 1) * 2)
    total = builder.build(builder.affine([(sizes, np.ones((1, d)))], [0.0]))
    assert regions.enumerate(total).n_cells == 2**d
    largest = TropicalPolynomial(np.concatenate([np.eye(d), -np.eye(d)]), np.zeros(2 * d))
    assert regions.enumerate(largest).n_cells == 2 * d


def test_a_tropical_determinant() -> None:
    exponents = [np.eye(3)[list(order)].ravel() for order in permutations(range(3))]
    assert regions.enumerate(TropicalPolynomial(exponents, np.zeros(6))).n_cells == 6


def random_circuit(kind: str, d: int, seed: int) -> Circuit:
    rng = np.random.default_rng(seed)
    small = seed % 2 == 0  # small integers: many ties

    def weights(*shape: int) -> Any:
        return rng.integers(-2, 3, size=shape).astype(float) if small else rng.normal(size=shape)

    builder = CircuitBuilder(d)
    first = builder.affine([(0, weights(4, d))], weights(4))
    if kind == "maxout":
        hidden = builder.log_sum_exp(builder.affine([(0, weights(6, d))], weights(6)), 0.0, np.array([0, 3, 6]))
    elif kind == "lse":
        hidden = builder.log_sum_exp(builder.affine([(0, weights(5, d))], weights(5)), 0.7, np.array([0, 2, 5]))
    else:
        hidden = builder.pairs_with_zero(first, 0.0, slope=0.25 if kind == "leaky" else 0.0)
    size = builder.size(hidden)
    if kind == "skip":
        second = builder.affine([(hidden, weights(3, size)), (0, weights(3, d))], weights(3))
    else:
        second = builder.affine([(hidden, weights(3, size))], weights(3))
    last = builder.relu(second)
    return builder.build(builder.affine([(last, weights(2, 3))], weights(2)))


KINDS = ["relu", "leaky", "maxout", "lse", "skip"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("d", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("seed", [0, 1])
def test_brute_force_over_all_patterns(kind: str, d: int, seed: int) -> None:
    circuit = random_circuit(kind, d, 7 * d + seed)
    boxes = [None, Box.of((-1.0, 1.5), d)]
    if d == 2:
        boxes.append(Polyhedron.where([[1.0, 1.0]], [0.75], (-1, 1)))
    for box in boxes:
        found = regions.enumerate(circuit, box)
        assert found.complete
        assert {tuple(row) for row in found.patterns.tolist()} == all_patterns(circuit, box)
        # the search is symmetric: a facet to a cell is a facet back
        pairs = set(zip(found.owners.tolist(), found.neighbours.tolist(), strict=True))
        assert all((j, i) in pairs for i, j in pairs if j >= 0)
        assert (found.neighbours >= -1).all()


def sampled_patterns(circuit: Circuit, points: Any) -> set[tuple[int, ...]]:
    """Patterns at points, leaving out those near a tie."""
    limit = circuit.limit()
    values = limit.values(points)
    columns, clear = [], np.ones(len(points), dtype=np.bool_)
    for node in limit.nodes:
        if isinstance(node, LogSumExp):
            entries = values[node.source]
            for a, b in zip(node.segments[:-1], node.segments[1:], strict=True):
                part = entries[:, a:b]
                best = part.argmax(axis=1)
                ordered = np.sort(part, axis=1)
                if b - a > 1:
                    clear &= ordered[:, -1] - ordered[:, -2] > 1e-9
                columns.append(best)
    return {tuple(row) for row in np.unique(np.column_stack(columns)[clear], axis=0).tolist()}


@pytest.mark.parametrize("kind", KINDS)
def test_no_sampled_pattern_is_missing(kind: str) -> None:
    d = 1 + KINDS.index(kind)
    circuit = random_circuit(kind, d, 101 + 2 * d)
    found = {tuple(row) for row in regions.enumerate(circuit, (-2, 2)).patterns.tolist()}
    seen = sampled_patterns(circuit, np.random.default_rng(0).uniform(-2, 2, size=(100_000, d)))
    assert seen <= found
    assert len(seen) > 1


def test_equal_entries_beside_others() -> None:
    def maxout(*rows: list[float]) -> Circuit:
        builder = CircuitBuilder(len(rows[0]))
        entries = builder.affine([(0, np.array(rows))], np.zeros(len(rows)))
        return builder.build(builder.log_sum_exp(entries, 0.0, np.array([0, len(rows)])))

    for circuit, patterns in (
        (maxout([1], [1], [0]), {(0,), (2,)}),
        (maxout([0], [0], [1], [1]), {(0,), (2,)}),
        (maxout([1, 0, 0], [0, 0, 0], [1, 0, 0], [0, 1, 0]), {(0,), (1,), (3,)}),
    ):
        found = regions.enumerate(circuit)
        assert {tuple(row) for row in found.patterns.tolist()} == patterns
        assert regions.certify_completeness(found, "facets")


@pytest.mark.parametrize("seed", range(12))
def test_maxima_over_repeated_entries(seed: int) -> None:
    rng = np.random.default_rng(seed)
    d = 1 + seed % 3
    builder, value = CircuitBuilder(d), 0
    for _ in range(2):
        rows, bias = rng.integers(-2, 3, size=(6, builder.size(value))), rng.integers(-1, 2, size=6)
        pick = rng.integers(0, 4, size=6)
        value = builder.affine([(value, rows[pick].astype(np.float64))], bias[pick].astype(np.float64))
        value = builder.log_sum_exp(value, 0.0, np.array([0, 3, 6]))
    circuit = builder.build(value)
    for box in (None, Box.of((-1.0, 1.5), d)):
        found = regions.enumerate(circuit, box)
        assert {tuple(row) for row in found.patterns.tolist()} == all_patterns(circuit, box)
        assert regions.certify_completeness(found, "facets")


@pytest.mark.parametrize("scale", [1e-140, 1e140])
def test_numbers_far_from_one(scale: float) -> None:
    rng = np.random.default_rng(0)
    builder = CircuitBuilder(3)
    hidden = builder.relu(builder.affine([(0, scale * rng.normal(size=(4, 3)))], scale * rng.normal(size=4)))
    hidden = builder.relu(builder.affine([(hidden, rng.normal(size=(3, 4)) * scale)], rng.normal(size=3)))
    circuit = builder.build(builder.affine([(hidden, np.ones((1, 3)))], [0.0]))
    for box in (None, (-1, 1)):
        found = regions.enumerate(circuit, box)
        assert regions.certify_completeness(found, "facets")
        maps = {tuple(cell.exact_map.fractions().ravel()) for cell in found}
        assert found.n_affine_maps == len(maps)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("d", [1, 2, 3, 4, 5])
def test_a_million_samples(kind: str, d: int) -> None:
    circuit = random_circuit(kind, d, 1001 + 2 * d)
    found = {tuple(row) for row in regions.enumerate(circuit, (-2, 2)).patterns.tolist()}
    for seed in range(10):
        points = np.random.default_rng(seed).uniform(-2, 2, size=(100_000, d))
        assert sampled_patterns(circuit, points) <= found


@pytest.mark.parametrize("seed", range(4))
def test_fast_and_exact_agree_in_general_position(seed: int) -> None:
    circuit = relu_net([3, 8, 5, 1], seed)
    exact = regions.enumerate(circuit, (-1, 1))
    fast = regions.enumerate(circuit, (-1, 1), exact=False)
    assert exact.exact
    assert not fast.exact
    assert {row.tobytes() for row in exact.patterns} == {row.tobytes() for row in fast.patterns}


@pytest.mark.parametrize("widths", [[2, 9, 6, 1], [3, 6, 4, 1], [4, 5, 1]])
def test_volumes_fill_the_box(widths: list[int]) -> None:
    found = regions.enumerate(relu_net(widths, 3), (-1, 1))
    assert sum(cell.exact_volume for cell in found) == 2 ** widths[0]
    for cell in list(found)[::7]:
        assert cell.volume == pytest.approx(float(cell.exact_volume))


def test_cells_are_what_they_say() -> None:
    circuit = relu_net([3, 6, 5, 2], 1)
    found = regions.enumerate(circuit, (-1, 1))
    assert len(found) > 20
    for cell in found:
        weights, bias = cell.affine_map
        np.testing.assert_allclose(weights @ cell.point + bias, circuit(cell.point), atol=1e-12)
        normals, offsets = cell.inequalities
        assert (normals @ cell.point < offsets).all()
        centre, radius = cell.chebyshev
        assert 0 < radius <= (offsets - normals @ centre).min() + 1e-9
        assert cell.bounded
        corners = cell.vertices
        assert (corners @ normals.T <= offsets + 1e-7).all()
        np.testing.assert_allclose(corners @ weights.T + bias, circuit(corners), atol=1e-7)
        for facet in cell.facets:
            on_it = np.abs(corners @ facet.normal - facet.offset) < 1e-7
            assert on_it.sum() >= 3
            middle = corners[on_it].mean(axis=0)
            beyond = middle + 1e-6 * facet.normal
            if facet.wall is not None:
                assert facet.neighbour == -1
                assert np.abs(beyond).max() > 1
            elif np.abs(beyond).max() < 1:
                assert found.locate(beyond) == facet.neighbour


def test_locate_and_describe() -> None:
    circuit = relu_net([2, 6, 6, 1], 2)
    found = regions.enumerate(circuit, (-1, 1))
    for point in np.random.default_rng(0).uniform(-1, 1, size=(20, 2)):
        number = found.locate(point)
        assert number is not None
        cell = regions.describe(circuit, point, (-1, 1))
        assert cell.pattern.tolist() == found.patterns[number].tolist()
        normals, offsets = cell.inequalities
        assert (normals @ point <= offsets + 1e-12).all()
    assert found.locate(np.array([3.0, 0.0])) is None
    corner = regions.describe(circuit, [1.0, -1.0], (-1, 1))
    normals, offsets = corner.inequalities
    assert (normals @ [1.0, -1.0] <= offsets + 1e-12).all()
    with pytest.raises(InvalidInput, match="outside"):
        regions.describe(circuit, [1.0, -1.5], (-1, 1))
    with pytest.raises(InvalidInput, match="2 finite coordinates"):
        regions.describe(circuit, [1.0, np.nan])


def test_limits_and_resumption() -> None:
    circuit = relu_net([2, 16, 16, 1], 5)
    whole = regions.enumerate(circuit)
    part = regions.enumerate(circuit, max_cells=50)
    assert not part.complete
    assert part.stopped is not None
    assert "50 cells" in part.stopped
    assert 50 <= part.n_cells < whole.n_cells
    assert (part.neighbours == -2).any()
    again = regions.enumerate(circuit, resume=part)
    assert again.complete
    assert {row.tobytes() for row in again.patterns} == {row.tobytes() for row in whole.patterns}
    assert len(again.adjacency[0]) == len(whole.adjacency[0])
    late = regions.enumerate(circuit, time_limit=0.0)
    assert not late.complete
    assert late.stopped == "the time limit of 0 s was reached"
    assert regions.enumerate(circuit, resume=late).n_cells == whole.n_cells


@pytest.mark.parametrize("exact", [True, False])
def test_the_plane_and_the_search_agree(exact: bool) -> None:
    from concurrent.futures import ThreadPoolExecutor

    circuit = relu_net([2, 16, 16, 1], 5)
    plane = regions.enumerate(circuit, (-1, 1), exact=exact)
    with ThreadPoolExecutor(2) as pool:
        search = regions.enumerate(circuit, (-1, 1), exact=exact, executor=pool)
    assert plane.corners is not None
    assert search.corners is None
    assert {row.tobytes() for row in plane.patterns} == {row.tobytes() for row in search.patterns}
    pairs = [
        {tuple(sorted((f.patterns[i].tobytes(), f.patterns[j].tobytes()))) for i, j in zip(*f.adjacency, strict=True)}
        for f in (plane, search)
    ]
    assert pairs[0] == pairs[1]
    part = regions.enumerate(circuit, (-1, 1), exact=exact, max_cells=100)
    assert not part.complete
    assert len(part) < len(plane)
    again = regions.enumerate(circuit, resume=part)
    assert again.complete
    assert {row.tobytes() for row in again.patterns} == {row.tobytes() for row in plane.patterns}
    assert len(again.adjacency[0]) == len(plane.adjacency[0])


def test_interrupts_in_the_plane() -> None:
    circuit = relu_net([2, 40, 40, 1], 5)

    def stop(done: int, met: int) -> None:
        raise KeyboardInterrupt

    part = regions.enumerate(circuit, (-1, 1), progress=stop, max_cells=300)
    assert part.stopped == "interrupted"
    whole = regions.enumerate(circuit, (-1, 1))
    assert 0 < len(part) < len(whole)
    again = regions.enumerate(circuit, resume=part)
    assert {row.tobytes() for row in again.patterns} == {row.tobytes() for row in whole.patterns}


def test_interrupts_leave_what_was_found() -> None:
    circuit = relu_net([2, 16, 16, 1], 5)

    def stop(done: int, met: int) -> None:
        if done > 20:
            raise KeyboardInterrupt

    part = regions.enumerate(circuit, progress=stop)
    assert part.stopped == "interrupted"
    assert part.n_cells > 20
    assert regions.enumerate(circuit, resume=part).n_cells == regions.enumerate(circuit).n_cells


def test_the_kernel_and_exact_arithmetic_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    circuit = relu_net([3, 6, 5, 1], 4)
    usual = regions.enumerate(circuit)
    real = _search.expand_cells

    def unsure(*args: Any) -> Any:
        out = real(*args)
        out.status[:] = 1
        return out

    monkeypatch.setattr(_search, "expand_cells", unsure)
    exact = regions.enumerate(circuit)
    assert {row.tobytes() for row in exact.patterns} == {row.tobytes() for row in usual.patterns}
    assert sorted(exact.degrees.tolist()) == sorted(usual.degrees.tolist())


def test_patterns_that_have_no_cell_are_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    circuit = relu_net([2, 8, 1], 4)
    usual = regions.enumerate(circuit)
    real = _search.expand_cells
    spoiled = 0

    def wrong(*args: Any) -> Any:
        nonlocal spoiled
        out = real(*args)
        if out.status[0] == 0 and out.segments[0] >= 0 and spoiled < 3:
            out.patterns[0] = 1 - out.patterns[0]  # almost surely not a pattern of a cell
            spoiled += 1
        return out

    monkeypatch.setattr(_search, "expand_cells", wrong)
    found = regions.enumerate(circuit)
    assert spoiled
    assert {row.tobytes() for row in found.patterns} == {row.tobytes() for row in usual.patterns}
    assert (found.neighbours >= -1).all()


def test_rational_functions_and_fractions() -> None:
    from fractions import Fraction

    third = Fraction(1, 3)
    p = TropicalPolynomial([[0, 0], [third, 0], [0, third]], [0, third, 0])
    q = TropicalPolynomial([[0, 0], [1, 1]], [0, 0])
    found = regions.enumerate(TropicalRational(p, q))
    assert found.n_cells == 5  # three sectors around (−1, 0), of which the line x + y = 0 cuts two
    assert found.n_affine_maps == 5


def test_fractions_that_no_float_holds() -> None:
    from fractions import Fraction

    f = TropicalPolynomial([[0], [Fraction(1, 10**400)]], [0, 0])
    with pytest.raises(InvalidInput, match="below the range"):
        regions.enumerate(f)


@pytest.mark.parametrize("box", [None, (-1, 1)])
def test_redundant_and_equal_monomials(box: Any) -> None:
    rng = np.random.default_rng(0)
    exponents = rng.integers(-2, 3, size=(60, 2))
    f = TropicalPolynomial(exponents, rng.integers(-2, 3, size=60))
    found = regions.enumerate(f, box)
    alone = regions.enumerate(f, box, adjacency=False)
    kept = f.pruning(None if box is None else Box.of(box, 2)).kept
    assert found.kept is not None
    assert found.kept.tolist() == kept.tolist()
    assert found.n_cells == alone.n_cells == found.n_affine_regions == alone.n_affine_regions == len(kept) < 60
    assert {tuple(row) for row in found.patterns.tolist()} == {tuple(row) for row in alone.patterns.tolist()}
    rows = f.prune(None if box is None else Box.of(box, 2)).exact
    for cell in [*found, *alone]:
        assert cell.exact_map.equals(rows[cell.pattern])
    with pytest.raises(Unsupported, match="polynomials only"):
        regions.enumerate(relu_net([2, 3, 1]), adjacency=False)


def test_bad_input() -> None:
    circuit = relu_net([2, 3, 1])
    with pytest.raises(InvalidInput, match="coordinate 1 of the box"):
        regions.enumerate(circuit, ([0, 1], [1, 1]))
    with pytest.raises(InvalidInput, match="no interior"):
        regions.enumerate(circuit, Polyhedron.where([[1, 0], [-1, 0]], [0, 0]))
    with pytest.raises(InvalidInput, match="max_cells"):
        regions.enumerate(circuit, max_cells=0)
    with pytest.raises(InvalidInput, match="expected a circuit"):
        regions.enumerate("max(x, 0)")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="-inf everywhere"):
        regions.enumerate(TropicalPolynomial.zero(2))
    builder = CircuitBuilder(2)
    squared = builder.build(builder.affine([(0, np.eye(2))], [0.0, 0.0]))
    assert regions.enumerate(squared).n_cells == 1


def test_products_are_not_piecewise_linear() -> None:
    from tropix.circuits import Product

    builder = CircuitBuilder(2)
    builder.add(Product(0, 0, 2), "square")
    with pytest.raises(Unsupported, match="'square'"):
        regions.enumerate(builder.build(1))


@pytest.mark.parametrize("box", [None, (-1, 1)])
def test_statistics(box: Any) -> None:
    circuit = relu_net([2, 7, 5, 1], 8)
    found = regions.enumerate(circuit, box)
    first = circuit.nodes[1]
    assert isinstance(first, Affine)
    layer = one_layer(first.terms[0].matrix, first.bias)
    assert found.cells_by_depth == {1: regions.enumerate(layer, box).n_cells, 2: found.n_cells}
    assert sum(found.facets_by_depth.values()) == len(found.adjacency[0])
    assert found.degrees.sum() == 2 * len(found.adjacency[0])
    for cell, radius in zip(found, found.inradii, strict=True):
        assert radius == pytest.approx(cell.chebyshev[1], rel=1e-6)
        rows = found.facet_rows[found.facet_offsets[cell.number] : found.facet_offsets[cell.number + 1]]
        normals, offsets = cell.inequalities
        order, other = np.lexsort(np.round(rows[:, :-1].T, 9)), np.lexsort(np.round(normals.T, 9))
        np.testing.assert_allclose(rows[order, :-1], normals[other], atol=1e-9)
        np.testing.assert_allclose(-rows[order, -1], offsets[other], atol=1e-9)
    graph = found.graph
    assert graph.number_of_nodes() == len(found)
    assert set(graph.edges) == set(zip(*(part.tolist() for part in found.adjacency), strict=True))


def test_other_executors() -> None:
    from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
    from multiprocessing import get_context

    circuit = relu_net([2, 12, 8, 1], 8)
    usual = regions.enumerate(circuit)
    with ThreadPoolExecutor(1) as pool:
        one = regions.enumerate(circuit, executor=pool)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        two = regions.enumerate(circuit, executor=pool)
    for found in (one, two):
        assert {row.tobytes() for row in found.patterns} == {row.tobytes() for row in usual.patterns}


@pytest.mark.parametrize("table", ["points", "keys"])
def test_interrupts_do_not_come_between_the_tables_of_a_state(table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from tropix.regions._search import State

    class Alarm(list[Any]):
        def append(self, item: Any) -> None:
            super().append(item)
            if len(self) % 7 == 0:
                signal.raise_signal(signal.SIGINT)

    circuit = relu_net([3, 8, 6, 1], 2)
    found = regions.enumerate(circuit, (-1, 1), max_cells=3)
    assert found.state is not None
    setattr(found.state, table, Alarm(getattr(found.state, table)))
    monkeypatch.setattr(State, "copy", lambda state: state)  # so that the alarm stays in it
    stops = []
    for _ in range(1000):
        found = regions.enumerate(circuit, (-1, 1), resume=found)
        stops.append(found.stopped)
        if found.complete:
            break
    assert set(stops[:-1]) == {"interrupted"}
    expected = regions.enumerate(circuit, (-1, 1))
    assert {tuple(row) for row in found.patterns.tolist()} == {tuple(row) for row in expected.patterns.tolist()}
    assert regions.certify_completeness(found, "facets")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_is_resumed_is_the_same_search() -> None:
    circuit, other = relu_net([2, 8, 8, 1], 1), relu_net([2, 8, 8, 1], 2)
    part = regions.enumerate(circuit, (-1, 1), max_cells=5)
    with pytest.raises(InvalidInput, match="another function"):
        regions.enumerate(other, resume=part)
    with pytest.raises(InvalidInput, match="another domain"):
        regions.enumerate(circuit, (-3, 3), resume=part)
    with pytest.raises(InvalidInput, match="another domain"):
        regions.enumerate(circuit, Polyhedron.where([[1, 1]], [1], (-1, 1)), resume=part)
    whole = regions.enumerate(circuit, (-1, 1))
    for _ in range(2):  # what is resumed is left as it was
        more = regions.enumerate(circuit, (-1, 1), resume=part, max_cells=20)
        assert not more.complete
        assert len(part) < len(more) < len(whole)
    assert len(regions.enumerate(circuit, resume=part)) == len(whole)

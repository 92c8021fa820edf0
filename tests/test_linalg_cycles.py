"""Eigenvalues, stars, critical graphs and transients against networkx, scipy and enumeration."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
from matrices import ARITHMETICS, INF, SEMIRINGS, random_matrices, to_dense
from scipy.sparse.csgraph import NegativeCycleError, floyd_warshall, johnson

from tropix import linalg
from tropix.errors import InvalidInput, Unsupported
from tropix.kernels import _cycle_mean
from tropix.kernels._max_plus_csr import max_plus_csr_product, max_plus_csr_product_numpy
from tropix.linalg import (
    Divergent,
    classes,
    critical_graph,
    cyclicity,
    eigenvalue,
    eigenvectors,
    exact,
    least_solution,
    matmul,
    plus,
    power,
    spectrum,
    star,
    transient,
)
from tropix.linalg._potential import settle


def graph_of(a: np.ndarray) -> nx.DiGraph:
    graph = nx.DiGraph()
    graph.add_nodes_from(range(len(a)))
    graph.add_weighted_edges_from((i, j, a[i, j]) for i in range(len(a)) for j in range(len(a)) if a[i, j] > -INF)
    return graph


def cycles_of(a: np.ndarray) -> list[tuple[Fraction, list[int]]]:
    """The mean and the nodes of every simple cycle."""
    found = []
    for cycle in nx.simple_cycles(graph_of(a)):
        weight = sum(Fraction(a[i, j]) for i, j in zip(cycle, [*cycle[1:], cycle[0]], strict=True))
        found.append((weight / len(cycle), cycle))
    return found


def strongly_connected(count: int, seed: int, largest: int = 9) -> Any:
    """Random matrices whose digraph holds a Hamiltonian cycle."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        n = int(rng.integers(1, largest + 1))
        a = rng.integers(-9, 10, size=(n, n)).astype(float)
        a[rng.random((n, n)) > 0.5] = -INF
        order = rng.permutation(n)
        a[order, np.roll(order, 1)] = rng.integers(-9, 10, size=n)
        yield a


def test_cycle_mean_kernels_agree_with_their_specifications() -> None:
    for a in strongly_connected(60, 0):
        expected = _cycle_mean.karp_numpy(a)
        assert _cycle_mean.howard_numpy(a) == pytest.approx(expected)
        rows, columns = np.nonzero(a > -INF)
        starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(a)))])
        parts = a[rows, columns], columns, starts
        for cycle, v, *done in (
            _cycle_mean.howard(a),
            _cycle_mean.howard_sparse(*parts),
            _cycle_mean.karp(a),
            _cycle_mean.karp_sparse(*parts),
        ):
            assert all(done)
            assert len(set(cycle.tolist())) == len(cycle)
            mean = np.mean([a[i, j] for i, j in zip(cycle, np.roll(cycle, -1), strict=True)])
            assert mean == pytest.approx(expected, abs=1e-12)
            assert (a + v <= mean + v[:, None] + 1e-9).all()


def test_large_matrices_and_long_rows() -> None:
    rng = np.random.default_rng(4)
    for n in (33, 70, 200):  # more than one stretch of vector lanes, and a rest
        a = rng.normal(size=(n, n))
        result = eigenvalue(a)
        assert result.value == pytest.approx(_cycle_mean.karp_numpy(a), abs=1e-12)
        assert eigenvalue(a, method="karp").value == pytest.approx(result.value, abs=1e-12)
        assert result.gap < 1e-10
        proved = eigenvalue(a, exact=True)
        assert float(proved.value) == pytest.approx(result.value, abs=1e-14)
        check_certificate(exact(a), proved, "max")


def check_certificate(a: Any, result: Any, semiring: str) -> None:
    """Exactly: the cycle attains the value, and the potential bounds all cycles."""
    cycle = result.cycle
    weights = [a[i, j] for i, j in zip(cycle, [*cycle[1:], cycle[0]], strict=True)]
    assert sum(weights) == result.value * len(cycle)
    v, sign = result.potential, 1 if semiring == "max" else -1
    for i, j in zip(*np.nonzero(np.isfinite(a.astype(float))), strict=True):
        assert sign * (a[i, j] + v[j]) <= sign * (result.value + v[i])


@pytest.mark.parametrize("semiring", SEMIRINGS)
@pytest.mark.parametrize("method", ["howard", "karp"])
@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_the_eigenvalue_is_the_best_mean_of_all_cycles(arithmetic: str, method: Any, semiring: Any) -> None:
    scale = {"thirds": Fraction(1, 3), "beyond 2^53": 1 << 60}.get(arithmetic, 1)
    zero = -INF if semiring == "max" else INF
    for a in random_matrices(25, 1):
        given = ARITHMETICS[arithmetic](a if semiring == "max" else -a)
        cycles = cycles_of(a)
        result = eigenvalue(given, semiring, method=method)
        if not cycles:
            assert result.value == zero
            assert result.cycle == ()
            rows, columns = np.nonzero(a > -INF)
            assert (result.potential[rows] > result.potential[columns]).all()
            continue
        best = max(mean for mean, _ in cycles) * scale * (1 if semiring == "max" else -1)
        is_exact = arithmetic in ("exact", "thirds", "beyond 2^53", "sparse integers")
        assert result.proved is is_exact
        assert result.value == (best if is_exact else float(best))
        if is_exact:
            check_certificate(to_dense(given, zero), result, semiring)
        else:
            v, sign = result.potential.astype(float), 1 if semiring == "max" else -1
            steps = sign * (to_dense(given, zero) + v - v[:, None])
            assert steps[np.isfinite(steps)].max() <= sign * result.value + result.gap + 1e-5
            assert result.gap < 1e-5


def test_proof_repairs_a_wrong_proposal() -> None:
    """The certificate decides, whatever the proposal was: a cycle better by less than rounding is found."""
    tiny = 2.0**-60
    a = np.array([[1.0, -INF, 0.5], [-INF, 1.0, 0.5], [0.5, 0.5, -INF]])
    a[2, 2] = 0.0
    shifted = exact(a)
    shifted[1, 1] += Fraction(tiny)
    result = eigenvalue(shifted)
    assert result.value == 1 + Fraction(tiny)
    assert result.cycle == (1,)


def test_components() -> None:
    for a in random_matrices(80, 2, 7, finite=0.25):
        parts = classes(a)
        assert {frozenset(p.tolist()) for p in parts} == {
            frozenset(c) for c in nx.strongly_connected_components(graph_of(a))
        }
        place = {int(i): k for k, nodes in enumerate(parts) for i in nodes}
        assert all(place[i] >= place[j] for i, j in graph_of(a).edges)


@pytest.mark.parametrize("oracle", [floyd_warshall, johnson])
def test_stars_are_longest_walks(oracle: Any) -> None:
    seen = {True: 0, False: 0}
    for a in random_matrices(150, 3, 7, finite=0.5):
        a = a - 2
        if not len(a):
            assert star(a).shape == (0, 0)
            continue
        graph = graph_of(a)
        weights = nx.to_scipy_sparse_array(graph, nodelist=range(len(a))) * -1.0
        if (a == 0.0).any():  # scipy would take a stored 0 as no edge
            continue
        positive = any(mean > 0 for mean, _ in cycles_of(a))
        seen[positive] += 1
        if positive:
            if a.diagonal().max() <= 0:  # scipy's floyd_warshall overlooks loops
                with pytest.raises(NegativeCycleError):
                    oracle(weights)
            for values in (a, exact(a)):
                with pytest.raises(Divergent, match="mean weight"):
                    star(values)
                with pytest.raises(Divergent):
                    plus(values)
        else:
            expected = -oracle(weights)
            assert (star(a) == expected).all()
            assert (star(exact(a)) == expected).all()
            assert (star(-a, "min") == -expected).all()
    assert min(seen.values()) > 10


def test_a_star_at_the_edge_of_existence() -> None:
    a = np.array([[-INF, 0.1], [-0.1, -INF]])
    assert star(a).tolist() == [[0, 0.1], [-0.1, 0]]
    b = np.array([[-INF, 0.1, -INF], [-INF, -INF, 0.2], [-(0.1 + 0.2), -INF, -INF]])
    weight = Fraction(0.1) + Fraction(0.2) - Fraction(0.1 + 0.2)
    assert weight < 0  # in floats the same sum is 0
    np.testing.assert_allclose(star(b), star(exact(b)).astype(float), atol=1e-15)
    c = b.copy()
    c[2, 0] = np.nextafter(-(0.1 + 0.2), 1)  # positive by one unit in the last place
    with pytest.raises(Divergent) as caught:
        star(exact(c))
    assert caught.value.mean == (Fraction(0.1) + Fraction(0.2) + Fraction(c[2, 0])) / 3
    assert sorted(caught.value.cycle) == [0, 1, 2]


def test_rounding_alone_makes_no_positive_cycle() -> None:
    """Circuits of weight 0 whose sums round: the star is right up to rounding, or the cycle is positive."""
    rng = np.random.default_rng(8)
    outcomes = set()
    for _ in range(60):
        v = rng.normal(size=5) * 10.0 ** rng.integers(-3, 4)
        a = v[:, None] - v  # every cycle has weight 0, up to rounding
        positive = any(mean > 0 for mean, _ in cycles_of(a))
        outcomes.add(positive)
        try:
            np.testing.assert_allclose(star(a), a, atol=1e-9)
        except Divergent:
            assert positive
        if positive:
            with pytest.raises(Divergent):
                star(exact(a))
        else:
            star(exact(a))
    assert outcomes == {True, False} or outcomes == {True}


def test_least_solutions_need_no_star() -> None:
    a = np.array([[1.0, -INF], [-INF, -1.0]])
    assert least_solution(a, [-INF, 2.0]).tolist() == [-INF, 2.0]
    with pytest.raises(Divergent):
        least_solution(a, [0.0, 2.0])
    with pytest.raises(Divergent):
        least_solution(exact(a), exact([0.0, 2.0]))


@pytest.mark.parametrize("semiring", SEMIRINGS)
def test_critical_graphs(semiring: Any) -> None:
    for a in random_matrices(60, 5, 5, span=2):
        sign = 1 if semiring == "max" else -1
        cycles = cycles_of(a)
        best = max((mean for mean, _ in cycles), default=None)
        critical = [c for mean, c in cycles if mean == best]
        expected = {(i, j) for c in critical for i, j in zip(c, [*c[1:], c[0]], strict=True)}
        for values in (sign * a, exact(sign * a)):
            assert set(critical_graph(values, semiring).edges) == expected
        lengths: dict[frozenset[int], list[int]] = {}
        parts = list(nx.strongly_connected_components(nx.DiGraph(list(expected))))
        for c in critical:
            home = next(frozenset(p) for p in parts if c[0] in p)
            lengths.setdefault(home, []).append(len(c))
        assert cyclicity(sign * a, semiring) == np.lcm.reduce([np.gcd.reduce(x) for x in lengths.values()] or [1])


@pytest.mark.parametrize("semiring", SEMIRINGS)
@pytest.mark.parametrize("arithmetic", ["float64", "float32", "exact", "beyond 2^53", "sparse"])
def test_spectra(arithmetic: str, semiring: Any) -> None:
    zero = -INF if semiring == "max" else INF
    for a in random_matrices(50, 6, 5, finite=0.45, span=3):
        given = ARITHMETICS[arithmetic](a if semiring == "max" else -a)
        spaces = spectrum(given, semiring)
        scale = 2.0**60 if arithmetic == "beyond 2^53" else 1.0
        values = [float(space.value) / scale for space in spaces]
        assert len(set(values)) == len(values)
        for space in spaces:
            assert np.isfinite(space.basis.astype(float)).any(axis=0).all()
            image = matmul(given, space.basis, semiring)
            expected = space.basis + space.value if np.isfinite(float(space.value)) else np.full_like(space.basis, zero)
            np.testing.assert_allclose(image.astype(float), expected.astype(float), atol=1e-5)
            for k, node in enumerate(space.critical):
                assert space.basis[node, k] == 0
        assert set(np.round(values, 4)) == eigenvalues_by_support(a, semiring)


def eigenvalues_by_support(a: np.ndarray, semiring: str) -> set[float]:
    """λ is an eigenvalue if for some set of nodes, closed under predecessors, it is the eigenvalue of a matrix whose
    nodes all reach a critical cycle: try the predecessors of each node."""
    graph = graph_of(a)
    found = set()
    for node in graph:
        nodes = sorted(nx.ancestors(graph, node) | {node})
        part = a[np.ix_(nodes, nodes)]
        cycles = cycles_of(part)
        best = max((mean for mean, _ in cycles), default=None)
        here = nodes.index(node)
        if best is not None and any(here in c for mean, c in cycles if mean == best):
            found.add(round(float(best) * (1 if semiring == "max" else -1), 4))
    if len(a) and (a == -INF).all(axis=0).any():
        found.add(-INF if semiring == "max" else INF)
    return found


def test_an_eigenspace_basis_is_minimal_and_complete() -> None:
    a = exact(np.array([[0, -1, -5], [-1, 0, -5], [-2, -2, 0]]))
    space = eigenvectors(a)
    assert space.value == 0
    assert space.basis.shape == (3, 3)
    assert space.basis.tolist() == star(a).tolist()
    with pytest.raises(InvalidInput, match="no eigenvectors"):
        eigenvectors(np.zeros((0, 0)))


def test_transients() -> None:
    found = 0
    for a in strongly_connected(25, 7, 4):
        result = transient(a)
        assert result.status == "found"
        c, lam = result.cyclicity, result.eigenvalue
        assert c == cyclicity(a)
        powers = [power(exact(a), k) for k in range(result.transient + c + 3)]
        equal = [bool((powers[k + c] == powers[k] + c * lam).all()) for k in range(result.transient + 3)]
        assert all(equal[result.transient :])
        assert result.transient == 0 or not equal[result.transient - 1]
        found += result.transient > 1
    assert found > 5
    slow = transient([[0, -1000], [-1000, -1]], limit=64)
    assert (slow.status, slow.transient) == ("limit", 64)
    assert transient([[0, -1000], [-1000, -1]]).transient == 2000
    for reducible in ([[0, 1], [-INF, 0]], [[-INF]], np.zeros((0, 0))):
        with pytest.raises(Unsupported, match="reducible"):
            transient(np.array(reducible))


def test_sparse_products_agree_with_their_specification() -> None:
    rng = np.random.default_rng(9)
    for _ in range(30):
        m, k, n = rng.integers(0, 6, size=3)
        rows = []
        for shape in ((m, k), (k, n)):
            mask = rng.random(shape) < 0.4
            rows.append(
                (
                    rng.integers(-5, 5, size=mask.sum()).astype(float),
                    np.nonzero(mask)[1],
                    np.concatenate([[0], np.cumsum(mask.sum(axis=1))]),
                )
            )
        for left, right in zip(
            max_plus_csr_product(rows[0], rows[1], n), max_plus_csr_product_numpy(rows[0], rows[1], n), strict=True
        ):
            assert left.tolist() == right.tolist()


def test_potentials_do_not_depend_on_the_proposal() -> None:
    rng, moved = np.random.default_rng(10), 0
    for a in random_matrices(60, 11, 6, finite=0.5):
        a = a - 1.5
        rows, columns = np.nonzero(a > -INF)
        best = max((mean for mean, _ in cycles_of(a)), default=Fraction(-100))
        for shift in (best, best - Fraction(1, 7)):
            for scale in (0.0, 1.0, 1e3):
                proposal = rng.normal(size=len(a)) * scale
                settled = settle(rows, columns, a[rows, columns], shift, proposal)
                if shift < best and cycles_of(a):
                    assert settled.cycle is not None
                    nodes = [*settled.cycle, settled.cycle[0]]
                    assert sum(Fraction(a[i, j]) - shift for i, j in pairwise(nodes)) > 0
                    continue
                v = settled.fractions()
                slack = {(i, j): Fraction(a[i, j]) - shift + v[j] - v[i] for i, j in zip(rows, columns, strict=True)}
                assert max(slack.values(), default=0) <= 0
                assert set(zip(*settled.tight, strict=True)) == {e for e, s in slack.items() if s == 0}
                moved += bool(np.abs(np.array([float(f) for f in v]) - proposal).max(initial=0) > 1)
    assert moved > 20


def test_the_gap_is_what_the_potential_leaves() -> None:
    rng, gaps = np.random.default_rng(12), []
    for _ in range(20):
        a = rng.normal(size=(8, 8))
        result = eigenvalue(a)
        steps = (a + result.potential).max(axis=1) - result.potential
        gaps.append(result.gap)
        assert result.gap == pytest.approx(max(0.0, steps.max() - float(result.value)), abs=1e-14)
    assert 0 < max(gaps) < 1e-14


@pytest.mark.parametrize("kind", [np.float64, np.float32, "sparse"])
@pytest.mark.parametrize("semiring", SEMIRINGS)
def test_the_gap_holds_in_rational_arithmetic(semiring: Any, kind: Any) -> None:
    rng, sign = np.random.default_rng(13), 1 if semiring == "max" else -1
    for _ in range(60):
        a = rng.integers(-4, 5, size=(5, 5)) * 0.1
        a = (a + 1.0 if kind == "sparse" else a).astype(np.float64 if kind == "sparse" else kind)
        result = eigenvalue(sp.csr_array(a) if kind == "sparse" else a, semiring)
        bound = sign * Fraction(result.value) + Fraction(result.gap)
        v = [sign * Fraction(float(x)) for x in result.potential]
        weights = [[sign * Fraction(float(x)) for x in row] for row in a]
        assert sign * eigenvalue(a, semiring, exact=True).value <= bound
        assert max(weights[i][j] + v[j] - v[i] for i in range(5) for j in range(5)) <= bound
        assert result.gap < (1e-5 if kind is np.float32 else 1e-13)


def test_classes_of_equal_eigenvalue_share_an_eigenspace() -> None:
    for a in (np.array([[1.0, -INF], [-INF, 1.0]]), exact([[1.0, -INF], [-INF, 1.0]])):
        (space,) = spectrum(a)
        assert space.value == 1
        assert space.basis.tolist() == [[0, -INF], [-INF, 0]]
    assert type(eigenvectors(np.array([[0, 3], [4, 1]])).basis[0, 0]) is int
    assert {type(v) for v in linalg.adjugate([[3, 1], [2, 2]]).flat} == {int}


def test_a_search_for_the_transient_ends_at_its_limit() -> None:
    result = transient([[0, -1000], [-1000, -1]], limit=100)
    assert (result.status, result.transient) == ("limit", 100)


def test_the_cyclicity_of_two_critical_components() -> None:
    a = np.full((5, 5), -9)
    for i, j in ((0, 1), (1, 0), (2, 3), (3, 4), (4, 2)):
        a[i, j] = 0
    assert cyclicity(a) == 6
    assert transient(a).cyclicity == 6


def test_floats_that_differ_by_little_are_told_apart() -> None:
    """The policy of largest edges has mean 0, the best one 5e-13."""
    a = np.array([[-INF, 1.0, 0.9], [-1.0, -INF, -INF], [-0.9 + 1e-12, -INF, -INF]])
    for method in ("howard", "karp"):
        result = eigenvalue(a, method=method)
        assert sorted(result.cycle) == [0, 2]
        assert result.value == pytest.approx(5e-13, abs=1e-15)
        assert result.gap < 1e-14

"""Exact radii of piecewise-linear circuits: against all patterns by other solvers, and proved by the check alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import cvxpy as cp
import numpy as np
import pytest
from piecewise_linear import layers, relu_network, tangled
from scipy.optimize import linprog

from tropix import Circuit
from tropix.boxes import Box
from tropix.certify import Norm
from tropix.certify._cells import CellsAnswer, nearest_boundary
from tropix.certify._check_cells import check_cells
from tropix.certify._check_claim import Fault
from tropix.certify._heads import CAP
from tropix.circuits import Affine, CircuitBuilder, uniform_segments
from tropix.circuits import LogSumExp as Maximum
from tropix.deadline import Deadline
from tropix.exact import Rationals

EXPONENTS = (1.0, 2.0, np.inf)
Rows = list[np.ndarray]


def search(net: Circuit, x: np.ndarray, label: int, norm: Norm, box: Box | None = None, **options: Any) -> CellsAnswer:
    return nearest_boundary(net, x, label, norm, box, deadline=options.pop("deadline", Deadline(None)), **options)


def proved(net: Circuit, x: np.ndarray, label: int, radius: float, norm: Norm, box: Box | None, evidence: Any) -> bool:
    try:
        check_cells(net, x.tolist(), label, radius, norm, box, evidence)
    except Fault:
        return False
    return True


# -- the oracle: every pattern, other code and other solvers ------------------------------------------------------


def feasible(rows: Rows, ends: np.ndarray) -> bool:
    table = np.array(rows)
    bounds = list(zip(*ends, strict=True))
    return bool(
        linprog(np.zeros(table.shape[1] - 1), A_ub=-table[:, :-1], b_ub=table[:, -1], bounds=bounds).status == 0
    )


def cells(net: Circuit, ends: np.ndarray) -> Iterator[tuple[Rows, np.ndarray]]:
    """The inequalities (rows ≥ 0) of every pattern with a cell in a box, and the output's affine forms."""
    d = net.input_size

    def walk(place: int, tables: list[np.ndarray], rows: Rows) -> Iterator[tuple[Rows, np.ndarray]]:
        if place == len(net.nodes):
            yield rows, tables[net.output]
            return
        node = net.nodes[place]
        if isinstance(node, Affine):
            table = np.column_stack([np.zeros((node.size, d)), node.bias])
            for term in node.terms:
                table = table + term.matrix @ tables[term.source]
            yield from walk(place + 1, [*tables, table], rows)
            return
        assert isinstance(node, Maximum)
        yield from choose(place, node, tables, rows, [])

    def choose(
        place: int, node: Maximum, tables: list[np.ndarray], rows: Rows, chosen: Rows
    ) -> Iterator[tuple[Rows, np.ndarray]]:
        k = len(chosen)
        if k == node.size:
            yield from walk(place + 1, [*tables, np.array(chosen)], rows)
            return
        entries = tables[node.source][node.segments[k] : node.segments[k + 1]]
        for i, entry in enumerate(entries):
            more = [entry - other for j, other in enumerate(entries) if j != i]
            if not more or feasible([*rows, *more], ends):
                yield from choose(place, node, tables, [*rows, *more], [*chosen, entry])

    yield from walk(1, [np.eye(d, d + 1)], [])


def brute_force(net: Circuit, x: np.ndarray, label: int, norm: Norm, box: Box | None = None) -> float:
    """The least distance over all cells and rivals, one program each; ∞ if there is no other label."""
    d, best = len(x), np.inf
    scales = norm.scales(d)
    ends = np.array([np.full(d, -np.inf), np.full(d, np.inf)]) if box is None else np.array([box.lower, box.upper])
    for rows, outputs in cells(net, ends):
        for k in range(len(outputs)):
            if k == label:
                continue
            table = np.array([*rows, outputs[k] - outputs[label]])
            delta = cp.Variable(d)
            place = x + cp.multiply(scales, delta)
            limits = [table[:, :-1] @ place + table[:, -1] >= 0]
            finite = np.isfinite(ends)
            if finite.any():
                limits += [place[finite[0]] >= ends[0][finite[0]], place[finite[1]] <= ends[1][finite[1]]]
            problem = cp.Problem(cp.Minimize(cp.norm(delta, norm.p)), limits)
            problem.solve(solver=cp.CLARABEL)
            if problem.status in ("optimal", "optimal_inaccurate"):
                best = min(best, float(problem.value))
    return best


# -- networks -----------------------------------------------------------------------------------------------------


def leaky(seed: int) -> Circuit:
    rng = np.random.default_rng(seed)
    b = CircuitBuilder(2)
    hidden = b.pairs_with_zero(b.affine([(0, rng.normal(size=(4, 2)))], rng.normal(size=4) / 2), 0.0, 0.1)
    hidden = b.pairs_with_zero(b.affine([(hidden, rng.normal(size=(3, 4)))], rng.normal(size=3) / 2), 0.0, 0.2)
    return b.build(b.affine([(hidden, rng.normal(size=(2, 3)))], rng.normal(size=2) / 2))


def maxout(seed: int) -> Circuit:
    rng = np.random.default_rng(seed)
    b = CircuitBuilder(3)
    hidden = b.affine([(0, rng.normal(size=(9, 3)))], rng.normal(size=9))
    hidden = b.log_sum_exp(hidden, 0.0, uniform_segments(3, 3))
    return b.build(b.affine([(hidden, rng.normal(size=(3, 3)))], rng.normal(size=3) / 2))


def skip(seed: int) -> Circuit:
    rng = np.random.default_rng(seed)
    b = CircuitBuilder(2)
    first = b.relu(b.affine([(0, rng.normal(size=(4, 2)))], rng.normal(size=4) / 2))
    second = b.relu(b.affine([(first, rng.normal(size=(3, 4))), (0, rng.normal(size=(3, 2)))], rng.normal(size=3) / 2))
    return b.build(b.affine([(second, rng.normal(size=(2, 3))), (first, rng.normal(size=(2, 4)))], np.zeros(2)))


def pooled(seed: int) -> Circuit:
    """Overlapping windows of maxima: two segments with the same tie."""
    rng = np.random.default_rng(seed)
    b = CircuitBuilder(3)
    hidden = b.relu(b.affine([(0, rng.normal(size=(3, 3)))], rng.normal(size=3) / 2))
    windows = np.eye(3)[[0, 1, 2, 1, 2]]
    pool = b.log_sum_exp(b.affine([(hidden, windows)], np.zeros(5)), 0.0, np.array([0, 3, 5]))
    return b.build(b.affine([(pool, rng.normal(size=(3, 2)))], rng.normal(size=3) / 2))


def duplicated(seed: int) -> Circuit:
    """Each neuron twice, once as −2 times itself, dead neurons, neurons that are never inactive, and constants."""
    rng = np.random.default_rng(seed)
    weights, bias = rng.integers(-2, 3, size=(2, 2)).astype(float), rng.integers(-1, 2, size=2).astype(float)
    first = np.vstack([weights, weights, -2 * weights, np.zeros((3, 2))])
    biases = np.concatenate([bias, bias, -2 * bias, [-1.0, 0.0, 1.0]])
    return layers([first, rng.integers(-1, 2, size=(2, 9)).astype(float)], [biases, rng.normal(size=2)])


def single(seed: int) -> Circuit:
    return relu_network(seed, 1, 5, 3, 2)


NETWORKS: list[Callable[[int], Circuit]] = [
    single,
    leaky,
    maxout,
    skip,
    pooled,
    duplicated,
    lambda seed: relu_network(seed, 2, 4, 3, 2),
    lambda seed: tangled(seed, 2, 3),
]


@pytest.mark.parametrize("p", EXPONENTS)
@pytest.mark.parametrize("kind", range(len(NETWORKS)))
def test_radii_are_the_least_distances_over_all_cells(kind: int, p: float) -> None:
    rng = np.random.default_rng(kind)
    for seed in range(3):
        net = NETWORKS[kind](seed)
        d = net.input_size
        x = np.round(rng.normal(size=d), int(rng.choice([0, 6])))
        label = int(net(x).argmax())
        norm = Norm(p, tuple(rng.uniform(0.2, 2, size=d).tolist()) if seed == 1 else None)
        box = Box.of((x - rng.choice([0.0, 0.5, 3.0], size=d), x + rng.choice([0.1, 1.0], size=d)), d)
        for domain in (None, box):
            found = search(net, x, label, norm, domain)
            expected = brute_force(net, x, label, norm, domain)
            assert found.complete
            assert found.radius == pytest.approx(min(expected, CAP), rel=1e-6, abs=1e-7)
            assert proved(net, x, label, found.radius, norm, domain, json.loads(json.dumps(found.evidence)))
            if np.isfinite(expected):
                assert found.upper == pytest.approx(expected, rel=1e-6, abs=1e-7)
                assert found.radius >= found.upper * (1 - 1e-6)
                assert found.witness is not None
                values = net.exact(Rationals.of(found.witness)[None, :]).fractions()[0]
                assert max(v for k, v in enumerate(values) if k != label) >= values[label]
                assert domain is None or domain.contains(found.witness)
                assert float(norm.length(found.witness - x)[0]) <= found.upper
            else:
                assert found.witness is None
                assert found.upper == np.inf

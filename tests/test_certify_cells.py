"""Exact radii of piecewise-linear circuits: against all patterns by other solvers, and proved by the check alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import cvxpy as cp
import numpy as np
import pytest
from piecewise_linear import layers, relu_network, tangled
from scipy.optimize import linprog

from tropix import Circuit, LogSumExp, Unsupported
from tropix.boxes import Box
from tropix.certify import Certificate, Norm, certify, check
from tropix.certify._cells import CellsAnswer, nearest_boundary
from tropix.certify._check_cells import CellsClaim, check_cells
from tropix.certify._check_fields import Fault
from tropix.certify._heads import CAP
from tropix.circuits import Affine, CircuitBuilder, uniform_segments
from tropix.circuits import LogSumExp as Maximum
from tropix.deadline import Deadline
from tropix.exact import Rationals
from tropix.kernels import EMPTY, OPTIMAL, distance_program, distance_program_numpy

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
    """Each neuron twice, one as −2 times itself too, and neurons that are constant: dead, on a tie, always active."""
    rng = np.random.default_rng(seed)
    weights, bias = rng.integers(-2, 3, size=(2, 2)).astype(float), rng.integers(-1, 2, size=2).astype(float)
    first = np.vstack([weights, weights, -2 * weights[:1], np.zeros((3, 2))])
    biases = np.concatenate([bias, bias, -2 * bias[:1], [-1.0, 0.0, 1.0]])
    return layers([first, rng.integers(-1, 2, size=(2, 8)).astype(float)], [biases, rng.normal(size=2)])


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
    for seed, scaled, boxed in ((0, False, False), (1, True, True), (2, False, True)):
        net = NETWORKS[kind](seed)
        d = net.input_size
        x = np.round(rng.normal(size=d), int(rng.choice([0, 6])))
        label = int(net(x).argmax())
        norm = Norm(p, tuple(rng.uniform(0.2, 2, size=d).tolist()) if scaled else None)
        box = None
        if boxed:
            box = Box.of((x - rng.choice([0.0, 0.5, 3.0], size=d), x + rng.choice([0.1, 1.0], size=d)), d)
        found = search(net, x, label, norm, box)
        expected = brute_force(net, x, label, norm, box)
        assert found.complete
        assert found.radius == pytest.approx(min(expected, CAP), rel=1e-6, abs=1e-7)
        assert proved(net, x, label, found.radius, norm, box, json.loads(json.dumps(found.evidence)))
        if np.isfinite(expected):
            assert found.upper == pytest.approx(expected, rel=1e-6, abs=1e-7)
            assert found.radius >= found.upper * (1 - 1e-6)
            assert_witness(net, x, label, norm, box, found)
        else:
            assert found.witness is None
            assert found.upper == np.inf


def assert_witness(net: Circuit, x: np.ndarray, label: int, norm: Norm, box: Box | None, found: CellsAnswer) -> None:
    assert found.witness is not None
    values = net.exact(Rationals.of(found.witness)[None, :]).fractions()[0]
    assert max(v for k, v in enumerate(values) if k != label) >= values[label]
    assert box is None or box.contains(found.witness)
    assert float(norm.length(found.witness - x)[0]) <= found.upper


@pytest.mark.parametrize("p", EXPONENTS)
def test_one_layer_agrees_with_the_programs_of_max_affine_classes(p: float) -> None:
    """`certify(method="exact")` finds the same radius from one program for each piece of the rival."""
    rng = np.random.default_rng(5)
    for _ in range(6):
        d, classes, pieces = 4, 3, 3
        rows, bias = rng.normal(size=(classes * pieces, d)), rng.normal(size=classes * pieces)
        b = CircuitBuilder(d)
        net = b.build(b.log_sum_exp(b.affine([(0, rows)], bias), 0.0, uniform_segments(classes, pieces)))
        heads = [LogSumExp(w, c, 0.0) for w, c in zip(rows.reshape(3, 3, d), bias.reshape(3, 3), strict=True)]
        x = rng.normal(size=d)
        expected = certify(heads, x, norm=p, method="exact")
        found = search(net, x, expected.label, Norm(p))
        assert found.radius == pytest.approx(expected.radius, rel=1e-6)
        assert found.upper == pytest.approx(expected.upper, rel=1e-6)


def test_interval_bounds_prove_no_larger_radius() -> None:
    """Interval arithmetic on F_c − F_k, a sound bound that knows nothing of cells, in the norm ∞."""
    for seed in range(4):
        net = relu_network(seed, 3, 6, 5, 2)
        x = np.random.default_rng(seed).normal(size=3)
        label = int(net(x).argmax())
        b = CircuitBuilder(3)
        for node in net.nodes[1:]:
            b.add(node)
        signs = np.array([[1.0, -1.0] if label == 0 else [-1.0, 1.0]])
        margin = b.build(b.affine([(net.output, signs)], np.zeros(1)))
        found = search(net, x, label, Norm(np.inf))
        low, high = 0.0, 10.0
        for _ in range(30):
            middle = (low + high) / 2
            sound = margin.bounds((x - middle, x + middle))[margin.output].lower[0] > 0
            low, high = (middle, high) if sound else (low, middle)
        assert 0 < low <= found.upper
        assert low <= found.radius * (1 + 1e-8)


@pytest.mark.parametrize("one", [False, True])
def test_distance_programs_are_those_of_another_solver(one: bool) -> None:
    rng = np.random.default_rng(one)
    statuses = set()
    for trial in range(60):
        d, m = int(rng.integers(1, 6)), int(rng.integers(1, 10))
        rows, limits = rng.normal(size=(m, d)), rng.normal(size=m)
        if trial % 3 == 0:
            rows, limits = np.round(rows), np.round(limits)
        status, multipliers, shift = distance_program(rows, limits, one)
        statuses.add(status)
        expected = distance_program_numpy(rows, limits, one)
        dual = multipliers @ rows
        assert (multipliers >= 0).all()
        if status == OPTIMAL:
            assert float(np.linalg.norm(shift, 1 if one else np.inf)) == pytest.approx(expected, abs=1e-9)
            assert multipliers @ limits == pytest.approx(expected, abs=1e-9)
            assert np.linalg.norm(dual, np.inf if one else 1) <= 1 + 1e-9
            assert (rows @ shift >= limits - 1e-9).all()
        else:
            assert (status, expected) == (EMPTY, np.inf)
            assert multipliers @ limits > 0
            assert np.abs(dual).max() <= 1e-9 * max(1.0, multipliers.max())
    assert statuses == {OPTIMAL, EMPTY}


def test_a_single_output_decides_between_two_classes() -> None:
    """|x₁| + |x₂| − 1: its zero set is nearest to (0, 0) in the middle of an edge, to (2, 0) in a corner."""
    net = layers([np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]]), np.ones((1, 4))], [np.zeros(4), np.array([-1.0])])
    for x, label, distances in (([0.0, 0.0], 0, (1.0, np.sqrt(0.5), 0.5)), ([2.0, 0.0], 1, (1.0, 1.0, 1.0))):
        for norm, expected in zip(EXPONENTS, distances, strict=True):
            found = search(net, np.array(x), label, Norm(norm))
            assert found.radius == pytest.approx(expected, rel=1e-8)
            assert proved(net, np.array(x), label, found.radius, Norm(norm), None, found.evidence)
            assert search(net, np.array(x), 1 - label, Norm(norm)).upper == 0.0


def test_a_point_on_ties_sees_the_cells_on_all_sides() -> None:
    """max(x₁, 0) + 2·max(−x₁, 0) + 3·max(x₂, 0) against 1, from the corner of four cells."""
    net = layers(
        [np.array([[1.0, 0], [-1, 0], [0, 1]]), np.array([[1.0, 2, 3], [0, 0, 0]])], [np.zeros(3), np.array([0.0, 1])]
    )
    # −x₁ rises by 2, x₂ by 3: the nearest point of 2a + 3b = 1 is 1/√13 away
    found = search(net, np.zeros(2), 1, Norm(2.0))
    assert found.radius == pytest.approx(1 / np.sqrt(13), rel=1e-8)
    assert found.cells >= 3  # the first one, and those behind both ties of the nearest point's
    assert proved(net, np.zeros(2), 1, found.radius, Norm(2.0), None, found.evidence)


@pytest.mark.parametrize("p", EXPONENTS)
def test_without_a_boundary_the_radius_is_the_largest_and_without_a_margin_zero(p: float) -> None:
    norm, x = Norm(p), np.array([0.5, -0.25])
    first = np.random.default_rng(0).normal(size=(3, 2))
    constant = layers([first, np.zeros((2, 3))], [np.zeros(3), np.array([1.0, 0.0])])
    found = search(constant, x, 0, norm)
    assert (found.radius, found.upper, found.complete) == (CAP, np.inf, True)
    assert proved(constant, x, 0, CAP, norm, None, found.evidence)
    behind = layers([first, np.array([[1.0, 1, 1], [0, 0, 0]])], [np.zeros(3), np.array([0.5, 0])])
    found = search(behind, x, 0, norm)
    assert found.radius == CAP
    assert proved(behind, x, 0, found.radius, norm, None, found.evidence)
    equal = layers([first, np.zeros((2, 3))], [np.zeros(3), np.zeros(2)])
    found = search(equal, x, 0, norm)
    assert (found.radius, found.upper) == (0.0, 0.0)


def test_a_class_that_only_touches_has_no_ball_beyond_the_touching_point() -> None:
    """max(x, 0) against 0 from −1: equal from 0 on, which counts as a change; and |x| against 0 from 1."""
    relu = layers([np.array([[1.0]]), np.array([[-1.0], [0.0]])], [np.zeros(1), np.array([0.0, -1e-30])])
    found = search(relu, np.array([-1.0]), 0, Norm(2.0))
    assert found.radius == pytest.approx(1.0, rel=1e-6)
    assert found.upper == pytest.approx(1.0, rel=1e-6)
    absolute = layers([np.array([[1.0], [-1.0]]), np.array([[1.0, 1.0], [0, 0]])], [np.zeros(2), np.zeros(2)])
    found = search(absolute, np.array([1.0]), 0, Norm(2.0))
    assert found.radius == pytest.approx(1.0, rel=1e-6)
    assert proved(absolute, np.array([1.0]), 0, found.radius, Norm(2.0), None, found.evidence)
    assert not proved(absolute, np.array([1.0]), 0, 1.0, Norm(2.0), None, found.evidence)


def test_networks_so_deep_that_exact_numerators_exceed_float64() -> None:
    rng = np.random.default_rng(20)
    sizes = [2, *[3] * 20, 2]
    pairs = [(rng.normal(size=(m, n)), rng.normal(size=m)) for n, m in pairwise(sizes)]
    net = layers([w for w, _ in pairs], [b for _, b in pairs])
    found = certify(net, [0.1, 0.2], method="cells", time_limit=1.0)
    assert found.radius > 0
    assert check(found, net)


@pytest.mark.parametrize("p", EXPONENTS)
def test_slopes_times_scales_below_the_least_float_count(p: float) -> None:
    """Inputs measured in 1e-310: 10⁻¹⁵·10⁻³¹⁰ is 0 in floats, but the radius is 10³⁰⁴."""
    net = layers([np.array([[1.0]]), np.array([[-1e-15], [0.0]])], [np.ones(1), np.array([1e-15 + 1e-21, 0.0])])
    evidence = {"cells": [{"pattern": [1], "rivals": [], "flips": []}]}
    norm = Norm(p, (1e-310,))
    assert proved(net, np.zeros(1), 0, 1e303, norm, None, evidence)
    assert not proved(net, np.zeros(1), 0, 1e305, norm, None, evidence)


def test_a_search_that_is_cut_short_still_proves_what_it_has_seen() -> None:
    net = relu_network(1, 2, 10, 10, 2)
    x = np.random.default_rng(1).normal(size=2)
    label, norm = int(net(x).argmax()), Norm(2.0)
    whole = search(net, x, label, norm)
    assert whole.complete
    radii = []
    for most in (1, 5, 20):
        found = search(net, x, label, norm, most_cells=most)
        assert not found.complete
        assert found.cells == most
        assert 0 < found.radius < whole.radius
        assert proved(net, x, label, found.radius, norm, None, found.evidence)
        assert not proved(net, x, label, found.radius * (1 + 1e-6), norm, None, found.evidence)
        radii.append(found.radius)
    assert radii == sorted(radii)
    late = search(net, x, label, norm, deadline=Deadline(0.0))
    assert late.cells == 1
    assert 0 < late.radius < whole.radius
    asked = search(net, x, label, norm, asked=whole.radius / 2)
    assert asked.radius >= whole.radius / 2
    assert asked.cells < whole.cells
    rough = search(net, x, label, norm, gap=0.2)
    assert rough.upper * 0.79 <= rough.radius <= whole.upper
    assert rough.cells <= whole.cells


def test_what_is_no_network_of_maxima_is_refused() -> None:
    b = CircuitBuilder(2)
    smooth = b.build(b.log_sum_exp(b.affine([(0, np.eye(4, 2))], np.zeros(4)), 0.5, uniform_segments(2, 2)))
    with pytest.raises(Unsupported, match="smooth maximum"):
        search(smooth, np.zeros(2), 0, Norm(2.0))


# -- tampering ----------------------------------------------------------------------------------------------------


def tampered(evidence: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The evidence without a part that it needs, or with another number in it."""
    text = json.dumps(evidence)
    cells = evidence["cells"]
    for i in range(len(cells)):
        changed = json.loads(text)
        del changed["cells"][i]
        yield f"without cell {i}", changed
        for s in range(len(cells[i]["pattern"])):
            changed = json.loads(text)
            changed["cells"][i]["pattern"][s] ^= 1
            yield f"another pattern {i} {s}", changed
        for part in ("rivals", "flips"):
            for j, (_, own, others) in enumerate(cells[i][part]):
                changed = json.loads(text)
                del changed["cells"][i][part][j]
                yield f"without {part} {i} {j}", changed
                for t, (_, weight) in enumerate(others):
                    for fresh in (-weight, weight * 4 + 1, float("nan"), True, "1"):
                        changed = json.loads(text)
                        changed["cells"][i][part][j][2][t][1] = fresh
                        yield f"multiplier {part} {i} {j} {t} {fresh}", changed
                for fresh in (-own, float("inf"), own * 50 + 50):
                    changed = json.loads(text)
                    changed["cells"][i][part][j][1] = fresh
                    yield f"own multiplier {part} {i} {j} {fresh}", changed


@pytest.mark.parametrize("p", EXPONENTS)
def test_changed_evidence_proves_nothing_false(p: float) -> None:
    """Most changes break the proof; what still passes at the radius must not pass beyond the true distance."""
    norm, x = Norm(p), np.array([0.3, -0.2])
    net = relu_network(3, 2, 5, 4, 2)
    label = int(net(x).argmax())
    found = search(net, x, label, norm)
    assert found.cells >= 3
    assert proved(net, x, label, found.radius, norm, None, found.evidence)
    assert not proved(net, x, label, found.upper * (1 + 1e-9), norm, None, found.evidence)
    assert not proved(net, x, label, found.radius * (1 + 1e-6), norm, None, found.evidence)
    rejected = 0
    for name, changed in tampered(found.evidence):
        try:
            accepted = proved(net, x, label, found.radius, norm, None, changed)
            beyond = accepted and proved(net, x, label, found.upper * (1 + 1e-9), norm, None, changed)
        except (KeyError, IndexError, TypeError, ValueError, OverflowError):
            accepted = beyond = False
        assert not beyond, name
        needed = name.startswith(("without cell", "another pattern", "without rivals", "without flips"))
        assert not (accepted and needed), name
        assert not (accepted and ("nan" in name or "True" in name or "inf" in name or " -" in name)), name
        rejected += not accepted
    assert rejected > 20


def test_evidence_is_for_one_model_point_and_label() -> None:
    norm, x = Norm(2.0), np.array([0.3, -0.2])
    net, other = relu_network(3, 2, 5, 4, 2), relu_network(4, 2, 5, 4, 2)
    label = int(net(x).argmax())
    found = search(net, x, label, norm)
    claim = (label, found.radius, norm, None, found.evidence)
    assert proved(net, x, *claim)
    assert not proved(other, x, *claim)
    assert not proved(net, x, 1 - label, *claim[1:])
    assert not proved(net, x + 0.5, *claim)
    assert not proved(net, x, label, found.radius, Norm(2.0, (1.5, 1.0)), None, found.evidence)
    assert not proved(net, x, label, found.radius, Norm(1.0, (2.0, 2.0)), None, found.evidence)
    assert not proved(net, x, label, -found.radius, norm, None, found.evidence)
    assert not proved(net, x, label, found.radius, norm, Box.of((1.0, 2.0), 2), found.evidence)
    inside = Box.of((x - 1e-3, x + 1e-3), 2)  # a part of the ball
    assert proved(net, x, label, found.radius, norm, inside, found.evidence)


@pytest.mark.parametrize("boxed", [False, True])
def test_certificates_with_cells_are_checked_field_by_field(boxed: bool) -> None:
    """As a certificate: `CellsClaim` reads margin, witness, box and radius."""
    net, norm, x = relu_network(3, 2, 5, 4, 2), Norm(2.0, (1.0, 0.5)), np.array([0.3, -0.2])
    values = net(x)
    label = int(values.argmax())
    box = Box.of((x - 0.75, x + 0.5), 2) if boxed else None
    found = search(net, x, label, norm, box)
    assert found.witness is not None
    fields: dict[str, Any] = {
        "model": "",
        "point": tuple(x.tolist()),
        "label": label,
        "margin": float(values[label] - values[1 - label]),
        "radius": found.radius,
        "upper": found.upper,
        "method": "cells",
        "status": "robust",
        "evidence": {"kind": "cells", **found.evidence, "witness": found.witness.tolist()},
        "seconds": 0.0,
        "norm": norm,
        "box": None if box is None else (tuple(box.lower.tolist()), tuple(box.upper.tolist())),
    }

    def holds(**changed: Any) -> bool:
        try:
            CellsClaim(Certificate.from_json(Certificate(**(fields | changed)).to_json()), net).run()
        except Fault:
            return False
        return True

    assert holds()
    assert not holds(radius=found.radius * (1 + 1e-6), upper=found.upper * 1.1)
    assert not holds(upper=found.upper * (1 - 1e-6))
    assert not holds(margin=fields["margin"] + 1e-3)
    assert not holds(label=1 - label)
    assert not holds(evidence=fields["evidence"] | {"witness": x.tolist()})
    assert not holds(evidence=fields["evidence"] | {"cells": found.evidence["cells"][1:]})
    assert not holds(box=((0.31, -1.0), (1.0, 1.0)))

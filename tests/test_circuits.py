"""Circuits: values, gradients, limits, curvature, exactness, bounds."""

from __future__ import annotations

from typing import Any

import mpmath
import networkx
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import tropixc
from tropix import Circuit, InvalidInput, Unsupported
from tropix.circuits import (
    Affine,
    CircuitBuilder,
    Curvature,
    Exactness,
    Gibbs,
    Input,
    LogSumExp,
    Pointwise,
    Product,
    Term,
    uniform_segments,
)
from tropix.exact import Rationals


def deep(seed: int, *, eps: float = 0.3, convex: bool = True) -> Circuit:
    """Two hidden layers with a skip connection, a sparse matrix, and two log-sum-exp outputs."""
    rng = np.random.default_rng(seed)
    builder = CircuitBuilder(3)
    first = builder.pairs_with_zero(builder.affine([(0, rng.normal(size=(4, 3)))], rng.normal(size=4)), eps)
    inner = rng.normal(size=(4, 4))
    inner = sp.csr_array(np.abs(inner) if convex else inner)
    second = builder.affine([(first, inner), (0, rng.normal(size=(4, 3)))], rng.normal(size=4))
    return builder.build(builder.log_sum_exp(second, 2 * eps, uniform_segments(2, 2)))


def gated(seed: int) -> Circuit:
    """Softmax weights times values: structural."""
    rng = np.random.default_rng(seed)
    builder = CircuitBuilder(2)
    logits = builder.affine([(0, rng.normal(size=(3, 2)))], np.zeros(3))
    weights = builder.add(Gibbs(logits, 0.7, uniform_segments(1, 3)))
    return builder.build(builder.add(Product(weights, logits, 3)))


def reference(circuit: Circuit, x: np.ndarray) -> np.ndarray:
    """Evaluation of one point by plain Python loops."""
    values: list[np.ndarray] = []
    for node in circuit.nodes:
        if isinstance(node, Input):
            values.append(x)
        elif isinstance(node, Affine):
            total = np.array(node.bias)
            for term in node.terms:
                matrix = term.matrix if isinstance(term.matrix, np.ndarray) else term.matrix.toarray()
                total = total + matrix @ values[term.source]
            values.append(total)
        elif isinstance(node, Product):
            values.append(values[node.left] * values[node.right])
        else:
            parts = np.split(values[node.source], node.segments[1:-1])
            if isinstance(node, LogSumExp):
                joined = [p.max() if node.eps == 0 else node.eps * np.logaddexp.reduce(p / node.eps) for p in parts]
                values.append(np.array(joined))
            else:
                values.append(np.concatenate([np.exp(p / node.eps) / np.exp(p / node.eps).sum() for p in parts]))
    return values[circuit.output]


CASES = [deep(0), deep(1, convex=False), deep(2, eps=0.0), gated(3)]


@pytest.mark.parametrize("circuit", CASES, ids=["convex", "mixed", "relu", "gated"])
def test_values_and_gradients(circuit: Circuit) -> None:
    points = np.random.default_rng(9).normal(size=(30, circuit.input_size))
    values = circuit(points)
    np.testing.assert_allclose(values, [reference(circuit, x) for x in points], rtol=1e-12, atol=1e-13)
    assert circuit(points[0]).shape == (circuit.output_size,)
    assert circuit(points[:0]).shape == (0, circuit.output_size)
    gradient = circuit.gradient(points)
    h = 1e-6
    for k in range(circuit.input_size):
        step = np.eye(circuit.input_size)[k] * h
        slope = (circuit(points + step) - circuit(points - step)) / (2 * h)
        np.testing.assert_allclose(gradient[:, :, k], slope, atol=1e-7)


def test_blocks_of_points_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    circuit, points = deep(0), np.random.default_rng(0).normal(size=(101, 3))
    whole = circuit(points), circuit.gradient(points)
    monkeypatch.setattr("tropix.circuits._evaluation.BLOCK_VALUES", 100)
    np.testing.assert_allclose(circuit(points), whole[0], rtol=1e-14)
    np.testing.assert_allclose(circuit.gradient(points), whole[1], rtol=1e-13)


def test_gradient_at_ties_is_the_limit_of_the_smooth_one() -> None:
    circuit = tropixc.from_arrays([([[1.0], [-3.0], [9.0]], [0.0, 0.0, -5.0], ("lse", 1.0, 3))])
    smooth = [circuit.heat(s).gradient([[0.0]])[0, 0, 0] for s in (1e-1, 1e-3)]
    assert smooth == pytest.approx([-1.0, -1.0], abs=1e-12)
    assert circuit.limit().gradient([[0.0]])[0, 0, 0] == -1.0


def test_heat_and_limit() -> None:
    circuit = deep(0)
    assert circuit.temperatures == (0.3, 0.6)
    assert circuit.heat(0.5).temperatures == (0.15, 0.3)
    assert circuit.limit().temperatures == (0.0,)
    points = np.random.default_rng(0).normal(size=(40, 3))
    gaps = [np.abs(circuit.heat(s)(points) - circuit.limit()(points)).max() for s in (1, 1e-1, 1e-2, 1e-3)]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] < 1e-2
    with pytest.raises(InvalidInput, match="heat"):
        circuit.heat(-1)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.booleans(), st.floats(1e-3, 2.0))
def test_deformation_bound_holds(seed: int, convex: bool, scale: float) -> None:
    circuit = deep(seed, convex=convex)
    points = np.random.default_rng(seed).normal(size=(200, 3)) * 3
    gap = circuit.heat(scale)(points) - circuit.limit()(points)
    bound = circuit.deformation_bound(scale)
    assert (np.abs(gap).max(axis=0) <= bound + 1e-12).all()
    deviation = circuit.heat(scale).deviations[circuit.output]
    assert (gap <= deviation.above + 1e-12).all()
    assert (gap >= -deviation.below - 1e-12).all()
    if convex:
        assert (deviation.below == 0).all()


def test_deformation_bound_by_hand() -> None:
    # x ↦ 3·softplus(x) − 2·LSE of four: hi = 3 ε log 2, lo = 2 ε' log 4
    builder = CircuitBuilder(1)
    soft = builder.pairs_with_zero(0, 0.5)
    four = builder.log_sum_exp(builder.affine([(0, np.ones((4, 1)))], np.zeros(4)), 0.25, uniform_segments(1, 4))
    out = builder.build(builder.affine([(soft, [[3.0]]), (four, [[-2.0]])], [0.0]))
    deviation = out.deviations[out.output]
    assert deviation.above[0] == pytest.approx(1.5 * np.log(2), rel=1e-14)
    assert deviation.below[0] == pytest.approx(0.5 * np.log(4), rel=1e-14)
    assert deviation.above[0] >= 1.5 * np.log(2)
    # attained: both gaps are largest at x = 0
    assert out(np.zeros(1))[0] == pytest.approx(1.5 * np.log(2) - 0.5 * np.log(4))


def test_deformations_are_rounded_upwards() -> None:
    weights = np.random.default_rng(0).uniform(0, 1, size=(200, 7))
    builder = CircuitBuilder(7)
    circuit = builder.build(builder.affine([(builder.pairs_with_zero(0, 0.3), weights)], np.zeros(200)))
    with mpmath.workdps(50):
        for row, bound in zip(weights, circuit.deformation_bound(), strict=True):
            exact = mpmath.fsum(mpmath.mpf(float(w)) for w in row) * mpmath.mpf(0.3) * mpmath.log(2)
            assert exact <= bound <= exact * (1 + mpmath.mpf("1e-13"))


def test_gradients_that_vanish() -> None:
    hard = Circuit((Input(2), Gibbs(0, 0.0, uniform_segments(1, 2))), 1)
    assert hard.gradient([[0.0, 1.0], [1.0, 1.0]]).tolist() == [[[0.0, 0.0]] * 2] * 2
    constant = Circuit((Input(2), Affine((), np.ones(1))), 1)
    assert constant.gradient([[3.0, 4.0]]).tolist() == [[[0.0, 0.0]]]


def test_deformation_of_single_nodes() -> None:
    builder = CircuitBuilder(3)
    joined = builder.build(builder.log_sum_exp(0, 0.5, np.array([0, 1, 3])))
    assert joined.deformation_bound().tolist() == pytest.approx([0.0, 0.5 * np.log(2)], rel=1e-12)
    builder = CircuitBuilder(2)
    plain = builder.add(Gibbs(0, 0.0, uniform_segments(1, 2)))
    moved = builder.add(Gibbs(builder.pairs_with_zero(0, 0.5), 0.0, uniform_segments(1, 2)))
    assert builder.build(plain).deformation_bound().tolist() == [0.0, 0.0]
    assert builder.build(moved).deformation_bound().tolist() == pytest.approx([1.0, 1.0])
    assert builder.build(builder.add(Pointwise(0, "exp", 2))).deformation_bound().tolist() == [0.0, 0.0]
    inverse = builder.build(builder.add(Pointwise(builder.pairs_with_zero(0, 0.5), "reciprocal", 2)))
    assert np.isinf(inverse.deviations[inverse.output].below).all()  # softplus only rises, its reciprocal falls


def test_lipschitz_of_weights() -> None:
    builder = CircuitBuilder(1)
    pair = builder.affine([(0, [[1.0], [-1.0]])], [0.0, 0.0])
    weights = builder.build(builder.add(Gibbs(pair, 0.25, uniform_segments(1, 2))))
    assert weights.lipschitz(2).tolist() == pytest.approx([2.0, 2.0])
    assert (weights.lipschitz(2) >= np.abs(weights.gradient([0.0])[:, 0])).all()  # attained
    alone = builder.build(builder.add(Gibbs(pair, 0.25, uniform_segments(2, 1))))
    assert alone.lipschitz(2).tolist() == [0.0, 0.0]
    constant = builder.affine([], [1.0, 2.0])
    assert builder.build(builder.add(Gibbs(constant, 0.0, uniform_segments(1, 2)))).lipschitz(2).tolist() == [0.0, 0.0]


def test_structural_circuits_have_no_bound_but_gradients_do() -> None:
    assert np.isinf(gated(0).deformation_bound()).all()
    builder = CircuitBuilder(2)
    circuit = builder.build(builder.add(Gibbs(0, 1.0, uniform_segments(1, 2))))
    assert circuit.deformation_bound().tolist() == pytest.approx([1.0, 1.0])
    points = np.random.default_rng(0).normal(size=(100, 2))
    assert (np.abs(circuit(points) - circuit.limit()(points)) <= 1).all()
    assert circuit.limit()([[1.0, 1.0], [2.0, 0.0]]).tolist() == [[0.5, 0.5], [1.0, 0.0]]


@pytest.mark.parametrize("p", [1, 2, np.inf])
@pytest.mark.parametrize("circuit", [deep(0), deep(1, convex=False)], ids=["convex", "mixed"])
def test_lipschitz_bounds_hold(circuit: Circuit, p: float) -> None:
    q = {1: np.inf, 2: 2, np.inf: 1}[p]
    points = np.random.default_rng(0).normal(size=(300, 3)) * 5
    steepest = np.linalg.norm(circuit.gradient(points), ord=q, axis=2).max(axis=0)
    assert (steepest <= circuit.lipschitz(p)).all()


def test_lipschitz_of_one_layer_is_the_constant() -> None:
    weights = np.array([[3.0, 4.0], [1.0, 0.0]])
    circuit = tropixc.from_arrays([(weights, [0.0, 1.0], ("lse", 0.1, 2))])
    assert circuit.lipschitz(2)[0] == pytest.approx(5.0, rel=1e-12)
    assert circuit.lipschitz(2)[0] >= 5.0
    assert np.isinf(gated(0).lipschitz()).all()


def test_gibbs_lipschitz_bound_holds() -> None:
    builder = CircuitBuilder(2)
    logits = builder.affine([(0, [[2.0, 1.0], [-1.0, 1.0], [0.0, 3.0]])], np.zeros(3))
    circuit = builder.build(builder.add(Gibbs(logits, 0.3, uniform_segments(1, 3))))
    points = np.random.default_rng(0).normal(size=(500, 2))
    assert (np.linalg.norm(circuit.gradient(points), axis=2).max(axis=0) <= circuit.lipschitz(2)).all()


def test_curvature() -> None:
    assert deep(0).curvature() is Curvature.CONVEX
    assert deep(1, convex=False).curvature() is Curvature.DIFFERENCE_OF_CONVEX
    assert gated(0).curvature() is Curvature.UNKNOWN
    negative = tropixc.from_arrays([([[1.0], [2.0]], [0, 0], ("max", 2)), ([[-1.0]], [0.0], None)])
    assert negative.curvature() is Curvature.CONCAVE
    assert negative.curvature(0) is Curvature.AFFINE
    # −max(−a, −b) = min(a, b), and −(−f) is convex again
    back = tropixc.from_arrays([([[1.0], [2.0]], [0, 0], ("max", 2)), ([[-1.0]], [0.0], None), ([[-1.0]], [0.0], None)])
    assert back.curvature() is Curvature.CONVEX


def test_curvature_of_functions() -> None:
    def bent(name: Any, sign: float) -> Curvature:
        builder = CircuitBuilder(1)
        joined = builder.log_sum_exp(builder.affine([(0, [[1.0], [2.0]])], [0.0, 1.0]), 1.0, uniform_segments(1, 2))
        inner = builder.affine([(joined, [[sign]])], [9.0])
        return builder.build(builder.add(Pointwise(inner, name, 1))).curvature()

    assert [bent("exp", sign) for sign in (1.0, -1.0)] == [Curvature.CONVEX, Curvature.UNKNOWN]
    for name in ("log", "sqrt"):
        assert [bent(name, sign) for sign in (1.0, -1.0)] == [Curvature.UNKNOWN, Curvature.CONCAVE]
    for name in ("erf", "reciprocal"):
        assert {bent(name, sign) for sign in (1.0, -1.0)} == {Curvature.UNKNOWN}


def test_curvature_of_weights_and_sums() -> None:
    builder = CircuitBuilder(1)
    assert builder.build(builder.add(Gibbs(0, 1.0, uniform_segments(1, 1)))).curvature() is Curvature.AFFINE
    square, bend = builder.add(Product(0, 0, 1)), builder.relu(0)
    for terms in ([(square, [[1.0]]), (bend, [[1.0]])], [(bend, [[1.0]]), (square, [[1.0]])]):
        assert builder.build(builder.affine(terms, [0.0])).curvature() is Curvature.UNKNOWN


def test_exactness() -> None:
    assert deep(0).exactness is Exactness.SOLUTION
    circuit = gated(0)
    classes = dict(zip([type(n).__name__ for n in circuit.nodes], circuit.exactness_classes, strict=True))
    assert classes == {
        "Input": Exactness.SOLUTION,
        "Affine": Exactness.SOLUTION,
        "Gibbs": Exactness.GRADIENT,
        "Product": Exactness.STRUCTURAL,
    }
    builder = CircuitBuilder(2)
    weights = builder.add(Gibbs(0, 1.0, uniform_segments(1, 2)))
    assert builder.build(builder.affine([(weights, np.eye(2))], [0, 0])).exactness is Exactness.GRADIENT
    assert builder.build(builder.relu(weights)).exactness is Exactness.STRUCTURAL


def test_exact_evaluation() -> None:
    limit = deep(0).limit()
    points = Rationals.of(np.random.default_rng(0).normal(size=(10, 3)))
    np.testing.assert_allclose(limit.exact(points).floats(), limit(points.floats()), rtol=1e-13, atol=1e-14)
    with pytest.raises(Unsupported, match="limit"):
        deep(0).exact(points)


def test_graph() -> None:
    graph = deep(0).graph()
    assert networkx.is_directed_acyclic_graph(graph)
    assert next(iter(networkx.topological_sort(graph))) == 0
    last = graph.nodes[len(graph) - 1]
    assert (last["kind"], last["eps"], last["size"], last["curvature"]) == ("LogSumExp", 0.6, 2, "convex")


def test_nodes_that_nothing_reads_are_left_out() -> None:
    builder = CircuitBuilder(1)
    used = builder.relu(0)
    builder.affine([(used, [[1.0]])], [0.0])
    assert len(builder.build(used).nodes) == 3


def single(circuit: Circuit, points: np.ndarray) -> np.ndarray:
    """The circuit in float32 arithmetic; sums in NumPy's order."""
    values: list[np.ndarray] = []
    for node in circuit.nodes:
        if isinstance(node, Input):
            values.append(points.astype(np.float32))
        elif isinstance(node, Affine):
            total = np.broadcast_to(node.bias.astype(np.float32), (len(points), node.size)).copy()
            for term in node.terms:
                matrix = term.matrix if isinstance(term.matrix, np.ndarray) else term.matrix.toarray()
                total += values[term.source] @ matrix.T.astype(np.float32)
            values.append(total)
        else:
            assert isinstance(node, LogSumExp)
            eps = np.float32(node.eps)
            values.append(eps * np.logaddexp.reduceat(values[node.source] / eps, node.segments[:-1], axis=1))
    return values[circuit.output].astype(np.float64)


def rounded(circuit: Circuit) -> Circuit:
    """The circuit with weights that float32 holds."""
    nodes: list[object] = []
    for node in circuit.nodes:
        if isinstance(node, Affine):
            terms = tuple(Term(t.source, sp.csr_array(t.matrix).astype(np.float32)) for t in node.terms)
            nodes.append(Affine(terms, node.bias.astype(np.float32)))
        else:
            nodes.append(node)
    return Circuit(tuple(nodes), circuit.output)  # type: ignore[arg-type]


def test_running_error_bound_covers_float32() -> None:
    for seed in range(5):
        circuit = rounded(deep(seed, convex=False, eps=0.25))
        points = np.random.default_rng(seed).normal(size=(100, 3)).astype(np.float32).astype(np.float64)
        error = np.abs(single(circuit, points) - circuit(points))
        bound = circuit.rounding_bound(points, 2.0**-24)
        assert (error <= bound).all()
        assert bound.max() < 1e-3


def test_running_error_bound_by_hand() -> None:
    u = 2.0**-24
    row = np.full((1, 1000), 0.1)
    builder = CircuitBuilder(1000)
    circuit = builder.build(builder.affine([(0, row)], [0.5]))
    points = np.ones((1, 1000))
    # γ_{k+2}·(Σ|a||x| + |b|) at least, and not much more
    assert 1002 * u * 100.5 <= circuit.rounding_bound(points, u)[0, 0] <= 1010 * u * 100.6
    builder = CircuitBuilder(1)
    first = builder.affine([(0, [[3.0]])], [0.0])
    second = builder.affine([(first, [[1e6]])], [0.0])
    bound = builder.build(second).rounding_bound(np.ones((1, 1)), u)[0, 0]
    assert bound >= 3e6 * 3 * u + 1e6 * 9 * u  # its own rounding, and 1e6 times that of the first node
    big = CircuitBuilder(2)
    joined = big.build(big.log_sum_exp(0, 1.0, uniform_segments(1, 2)))
    assert joined.rounding_bound(np.array([[1e4, 1e4]]), u)[0, 0] >= 1e4 * u


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Circuit((), 0), "Input"),
        (lambda: Circuit((Affine((), np.zeros(1)),), 0), "Input"),
        (lambda: Circuit((Input(1), Input(1)), 1), "one Input"),
        (lambda: Circuit((Input(1),), 3), "output 3"),
        (lambda: Circuit((Input(2), Affine((Term(0, np.ones((1, 3))),), np.zeros(1))), 1), "sizes"),
        (lambda: Circuit((Input(1), Affine((Term(1, np.ones((1, 1))),), np.zeros(1))), 1), "before it"),
        (lambda: Affine((Term(0, np.ones((2, 1))),), np.zeros(1)), "outputs"),
        (lambda: Affine((Term(0, np.full((1, 1), np.nan)),), np.zeros(1)), "NaN"),
        (lambda: Affine((Term(0, sp.csr_array([[np.nan]])),), np.zeros(1)), "NaN"),
        (lambda: LogSumExp(0, 1.0, np.array([0, 2, 2])), "empty"),
        (lambda: LogSumExp(0, -1.0, np.array([0, 2])), "eps"),
        (lambda: Input(0), "at least one"),
        (lambda: Circuit((Input(1),), 0)([[np.nan]]), "points"),
        (lambda: Circuit((Input(1),), 0, ("a", "b")), "names"),
    ],
)
def test_bad_circuits(build: object, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        build()  # type: ignore[operator]


LAYERS = [
    ([([[1.0]], [0.0], "swish")], "activation"),
    ([([[1.0]], [0.0], ("softplus", 0.0))], "activation"),
    ([([[1.0]], [0.0], ("leaky_relu", 1.5))], "activation"),
    ([([[1.0]], [0.0], ("max", 2))], "groups"),
    ([([[1.0]], [0.0], ("lse", 1.0, 0))], "groups"),
    ([([[1.0]], [0.0, 1.0], None)], "expected"),
    ([([[1.0]], [0.0], None), ([[1.0, 2.0]], [0.0], None)], "layer 1"),
    ([([[np.nan]], [0.0], None)], "layer 0"),
    ([([[1.0]], [0.0])], "triple"),
    ([None], "triple"),
    (None, "at least one layer"),
    ([], "at least one layer"),
]


@pytest.mark.parametrize(("layers", "message"), LAYERS)
def test_bad_layers(layers: list[object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        tropixc.from_arrays(layers)  # type: ignore[arg-type]


def test_from_arrays_against_numpy() -> None:
    rng = np.random.default_rng(0)
    w = [rng.normal(size=s) for s in ((4, 3), (4, 4), (4, 4), (6, 4), (6, 6))]
    b = [rng.normal(size=len(m)) for m in w]
    circuit = tropixc.from_arrays(
        [
            (w[0], b[0], "relu"),
            (w[1], b[1], ("leaky_relu", 0.1)),
            (w[2], b[2], ("softplus", 0.5)),
            (w[3], b[3], None),
            (w[4], b[4], ("lse", 0.2, 3)),
        ]
    )
    x = rng.normal(size=(20, 3))
    v = np.maximum(x @ w[0].T + b[0], 0)
    v = v @ w[1].T + b[1]
    v = np.where(v > 0, v, 0.1 * v)
    v = 0.5 * np.logaddexp(0, (v @ w[2].T + b[2]) / 0.5)
    v = v @ w[3].T + b[3]
    v = 0.2 * np.logaddexp.reduce(((v @ w[4].T + b[4]) / 0.2).reshape(20, 2, 3), axis=2)
    np.testing.assert_allclose(circuit(x), v, rtol=1e-12)


def test_lipschitz_bounds_survive_cancellation() -> None:
    # 1/3·(3x) + (−1)·x is −2^-54·x in exact arithmetic, since 1/3 is rounded; in float64 it vanishes.
    builder = CircuitBuilder(1)
    third = builder.affine([(0, [[3.0]])], [0.0])
    circuit = builder.build(builder.affine([(third, [[1 / 3]]), (0, [[-1.0]])], [0.0]))
    exact = abs(circuit.exact(Rationals.of([[1.0]])).fractions()[0, 0])
    assert exact > 0
    assert circuit.lipschitz(2)[0] >= exact
    assert circuit.lipschitz(2)[0] < 1e-14


def test_bounds_are_rounded_upwards() -> None:
    # δ = Σ_i (1/3)·ε log 3 over many terms, against 50 digits
    count = 200
    builder = CircuitBuilder(3)
    spread = builder.affine([(0, np.tile(np.eye(3), (count, 1)))], np.zeros(3 * count))
    joined = builder.log_sum_exp(spread, 0.1, uniform_segments(count, 3))
    circuit = builder.build(builder.affine([(joined, np.full((1, count), 1 / 3))], [0.0]))
    with mpmath.workdps(50):
        exact = count * mpmath.mpf(1 / 3) * mpmath.mpf(0.1) * mpmath.log(3)
        assert exact <= circuit.deformation_bound()[0] <= exact * (1 + 1e-12)
        rows = np.random.default_rng(0).normal(size=(50, 3))
        slopes = [mpmath.sqrt(mpmath.fsum(mpmath.mpf(float(v)) ** 2 for v in row)) for row in rows]
        single_layer = tropixc.from_arrays([(rows, np.zeros(50), None)])
        bounds = single_layer.lipschitz(2)
        assert all(s <= b <= s * (1 + mpmath.mpf("1e-13")) for s, b in zip(slopes, bounds, strict=True))


def test_lipschitz_adds_terms_that_are_affine_in_x() -> None:
    builder = CircuitBuilder(1)
    double = builder.affine([(0, [[2.0]])], [0.0])
    circuit = builder.build(builder.affine([(double, [[1.0]]), (0, [[3.0]])], [0.0]))
    assert circuit.lipschitz(2)[0] == pytest.approx(5.0, rel=1e-12)


@pytest.mark.parametrize("p", [1.001, 1.5, 3.0, 100.0])
@pytest.mark.parametrize("scale", [1e-200, 0.5, 1e200])
def test_lipschitz_in_every_norm_and_size(p: float, scale: float) -> None:
    weights = np.array([[0.4, 0.3]]) * scale
    circuit = tropixc.from_arrays([(weights, [0.0], None)])
    q = mpmath.mpf(p) / (mpmath.mpf(p) - 1)
    exact = mpmath.power(sum(mpmath.power(mpmath.mpf(float(w)), q) for w in weights[0]), 1 / q)
    assert exact * (1 - mpmath.mpf("1e-13")) <= circuit.lipschitz(p)[0] <= exact * (1 + mpmath.mpf("1e-11"))


def test_large_inputs_need_no_jacobian() -> None:
    builder = CircuitBuilder(100_000)
    circuit = builder.build(builder.relu(0))
    assert (circuit.lipschitz(2) >= 1).all()
    assert circuit.lipschitz(2).max() < 1 + 1e-9


def test_unbounded_nodes_pass_through_zero_weights() -> None:
    builder = CircuitBuilder(2)
    soft = builder.pairs_with_zero(0, 1.0)
    square = builder.add(Product(soft, soft, 2))
    circuit = builder.build(builder.affine([(square, [[0.0, 1.0], [0.0, 0.0]])], [0.0, 0.0]))
    assert circuit.deformation_bound().tolist() == [np.inf, 0.0]
    assert circuit.exactness is Exactness.STRUCTURAL


def test_sums_of_gradients_and_solutions_are_structural() -> None:
    builder = CircuitBuilder(2)
    weights = builder.add(Gibbs(0, 1.0, uniform_segments(1, 2)))
    joined = builder.log_sum_exp(0, 1.0, uniform_segments(2, 1))
    circuit = builder.build(builder.affine([(weights, np.eye(2)), (joined, np.eye(2))], [0, 0]))
    assert circuit.exactness is Exactness.STRUCTURAL


def test_softplus_far_below_zero_keeps_its_digits() -> None:
    circuit = tropixc.from_arrays([([[1.0]], [0.0], ("softplus", 1.0))])
    assert circuit([[-50.0]])[0, 0] == pytest.approx(np.exp(-50.0), rel=1e-14)


def test_nodes_do_not_share_memory_with_the_caller() -> None:
    weights, sparse = np.ones((1, 1)), sp.csr_array([[2.0]])
    view = weights[:]
    view.flags.writeable = False
    node = Affine((Term(0, view), Term(0, sparse)), np.zeros(1))
    weights[0, 0], sparse.data[0] = 7.0, 7.0
    assert np.asarray(node.terms[0].matrix)[0, 0] == 1.0
    assert node.terms[1].matrix[0, 0] == 2.0
    frozen_nan = sp.csr_array([[np.nan]])
    frozen_nan.data.flags.writeable = False
    with pytest.raises(InvalidInput, match="NaN"):
        Affine((Term(0, frozen_nan),), np.zeros(1))


def test_overflow_is_an_error() -> None:
    circuit = tropixc.from_arrays([([[1e200, -1e200]], [0.0], None), ([[1e200]], [0.0], "relu")])
    for method in (circuit, circuit.gradient):
        with pytest.raises(InvalidInput, match="range of float64"):
            method([[1.0, 0.0]])
    assert circuit([[1.0, 1.0]])[0, 0] == 0.0

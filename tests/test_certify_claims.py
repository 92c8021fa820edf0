"""Claims other than a label: linear properties, regression, monotonicity, against grids, programs, closed forms."""

from __future__ import annotations

from dataclasses import replace

import cvxpy as cp
import numpy as np
import pytest
from test_certify_heads import in_ball

from tropix import Circuit, InvalidInput, LogSumExp
from tropix.certify import (
    Certificate,
    Norm,
    certify,
    certify_monotone,
    certify_property,
    certify_property_all,
    certify_regression,
    certify_regression_all,
    check,
)
from tropix.circuits import CircuitBuilder, Gibbs, uniform_segments

EXPONENTS = (1.0, 2.0, np.inf)
METHODS = ("local", "lipschitz")


def heads(eps: float, seed: int = 0, outputs: int = 2, d: int = 2) -> Circuit:
    """One ⊕_ε of three affine functions an output."""
    rng = np.random.default_rng(seed)
    builder = CircuitBuilder(d)
    rows = builder.affine([(0, rng.normal(size=(3 * outputs, d)))], rng.normal(size=3 * outputs))
    return builder.build(builder.log_sum_exp(rows, eps, uniform_segments(outputs, 3)))


def deep(eps: float, seed: int = 0) -> Circuit:
    rng = np.random.default_rng(seed)
    builder = CircuitBuilder(3)
    hidden = builder.pairs_with_zero(builder.affine([(0, rng.normal(size=(6, 3)))], rng.normal(size=6)), eps)
    return builder.build(builder.affine([(hidden, rng.normal(size=(2, 6)))], np.zeros(2)))


def softmax(seed: int = 0) -> Circuit:
    rng = np.random.default_rng(seed)
    builder = CircuitBuilder(2)
    rows = builder.affine([(0, rng.normal(size=(3, 2)))], rng.normal(size=3))
    return builder.build(builder.add(Gibbs(rows, 1.0, uniform_segments(1, 3))))


def reread(found: Certificate) -> Certificate:
    return Certificate.from_json(found.to_json())


@pytest.mark.parametrize("p", EXPONENTS)
def test_the_exact_distance_to_a_half_space_of_outputs(p: float) -> None:
    """For a maximum of affine functions F < b fails first in one piece: min_j (b − z_j)/‖w_j‖_q."""
    circuit = heads(0.0, outputs=1, d=4)
    x = np.random.default_rng(1).normal(size=4)
    bound = float(circuit(x)[0]) + 0.7
    found = certify_property(circuit, x, [[1.0]], [bound], norm=p)
    rng = np.random.default_rng(0)
    weights, bias = rng.normal(size=(3, 4)), rng.normal(size=3)
    q = {1.0: np.inf, 2.0: 2.0, np.inf: 1.0}[p]
    expected = float(np.min((bound - weights @ x - bias) / np.linalg.norm(weights, ord=q, axis=1)))
    assert found.radius == pytest.approx(expected, rel=1e-9)
    assert found.upper == pytest.approx(expected, rel=1e-6)
    assert found.margin == pytest.approx(0.7, abs=1e-12)
    assert check(reread(found), circuit)


@pytest.mark.parametrize("p", EXPONENTS)
@pytest.mark.parametrize("box", [None, (-0.4, 0.9)])
def test_differences_of_outputs_are_margins(p: float, box: tuple[float, float] | None) -> None:
    """The property F_k − F_c < 0 for all k is the label c, where the model is a classifier."""
    circuit = deep(0.3)
    x = np.array([0.2, -0.1, 0.5])
    label = certify(circuit, x, norm=p, box=box, method="local")
    rows = np.eye(2)[[1 - label.label]] - np.eye(2)[[label.label]]
    found = certify_property(circuit, x, rows, [0.0], norm=p, box=box, method="local")
    assert found.radius == pytest.approx(label.radius, rel=1e-8)
    assert found.margin == pytest.approx(label.margin)
    assert check(found, circuit)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("p", EXPONENTS)
@pytest.mark.parametrize("circuit", [heads(0.0), heads(0.5), deep(0.0), deep(0.5), softmax()], ids=repr)
def test_regression_holds_in_the_ball(circuit: Circuit, p: float, method) -> None:
    rng = np.random.default_rng(2)
    d = circuit.input_size
    x = rng.normal(size=d)
    for output in (None, 1, [0, 1]):
        found = certify_regression(circuit, x, 0.2, output=output, norm=p, method=method)
        assert check(reread(found), circuit), check(found, circuit)
        assert found.status == "robust"
        assert found.margin == pytest.approx(0.2, abs=1e-12)
        chosen = list(range(circuit.output_size)) if output is None else np.atleast_1d(output).tolist()
        assert found.property == {
            "kind": "regression",
            "outputs": chosen,
            "values": circuit(x)[chosen].tolist(),
            "tolerance": 0.2,
        }
        ball = x + in_ball(rng, Norm(p), d, found.radius)
        away = np.abs(circuit(ball) - circuit(x))[:, chosen]
        assert away.max() < 0.2
        assert away.max() > 0.01  # the radius is no token one


def test_the_side_that_a_convex_output_leaves_first_is_exact() -> None:
    """F < F(x) + t for one ⊕_ε is a single-layer claim: the exact radius is the distance by a convex program."""
    circuit = heads(0.5, outputs=1, d=3)
    rng = np.random.default_rng(0)
    weights, bias = rng.normal(size=(3, 3)), rng.normal(size=3)
    x = np.array([0.1, 0.2, -0.3])
    bound = float(circuit(x)[0]) + 0.5
    found = certify_property(circuit, x, [[1.0]], [bound], norm=np.inf, box=(-0.6, 1.0))
    assert check(found, circuit)
    # the largest F on a ball in the box is at one of its corners, for F is convex
    for radius, above in ((found.radius, False), (found.upper * (1 + 1e-9), True)):
        ends = np.clip(np.stack([x - radius, x + radius]), -0.6, 1.0)
        corners = np.stack(np.meshgrid(*ends.T), axis=-1).reshape(-1, 3)
        largest = LogSumExp(weights, bias, 0.5)(corners).max()
        assert (largest >= bound) == above
    assert found.gap <= 2e-3 * found.upper


@pytest.mark.parametrize("p", [1.0, 2.0])
def test_exact_distances_of_heads_in_a_box(p: float) -> None:
    """Max-affine classes in a box: the least of the programs, one for each piece of a rival."""
    rng = np.random.default_rng(int(p))
    for _ in range(8):
        d = int(rng.integers(2, 6))
        model = [LogSumExp(rng.normal(size=(3, d)), rng.normal(size=3), 0.0) for _ in range(3)]
        x = rng.normal(size=d)
        low, high = x - rng.choice([0.0, 0.2, 1.0], size=d), x + rng.choice([0.0, 0.3, np.inf], size=d)
        found = certify(model, x, norm=p, box=(low, high))
        best = np.inf
        for k, rival in enumerate(model):
            for u, c in zip(rival.weights, rival.bias, strict=True):
                if k != found.label:
                    best = min(best, _distance(model[found.label], u, c, x, low, high, p))
        assert check(found, model)
        assert found.radius <= best * (1 + 1e-6)
        if np.isfinite(best):
            assert found.radius == pytest.approx(best, rel=2e-3)
            assert found.upper == pytest.approx(best, rel=2e-3)
        else:
            assert found.radius > 1e6  # multipliers are rounded to 40 bits


def _distance(own: LogSumExp, u: np.ndarray, c: float, x: np.ndarray, low, high, p: float) -> float:
    delta = cp.Variable(len(x))
    rules = [(u - own.weights) @ (x + delta) + c - own.bias >= 0]
    rules += [delta[i] >= low[i] - x[i] for i in range(len(x)) if np.isfinite(low[i])]
    rules += [delta[i] <= high[i] - x[i] for i in range(len(x)) if np.isfinite(high[i])]
    problem = cp.Problem(cp.Minimize(cp.norm(delta, p)), rules)
    problem.solve(solver="CLARABEL")
    return float(problem.value) if problem.status == "optimal" else np.inf


def test_batches() -> None:
    circuit = deep(0.3)
    points = np.random.default_rng(5).normal(size=(4, 3))
    for together, alone in (
        (
            certify_property_all(circuit, points, [[1.0, -1.0]], [9.0], method="local"),
            lambda x: certify_property(circuit, x, [[1.0, -1.0]], [9.0], method="local"),
        ),
        (
            certify_regression_all(circuit, points, 0.3, norm=1, method="local"),
            lambda x: certify_regression(circuit, x, 0.3, norm=1, method="local"),
        ),
    ):
        assert len(together) == 4
        for found, x in zip(together, points, strict=True):
            assert found.radius == pytest.approx(alone(x).radius, rel=1e-6)
            assert check(found, circuit)


# -- monotonicity -------------------------------------------------------------------------------------------------


def test_one_layer_is_monotone_everywhere_just_where_its_slopes_are() -> None:
    """For ⊕_ε (W x + b) the derivative in x_i lies between min_j w_ji and max_j w_ji, and comes near both."""
    weights = np.array([[0.0, 1.0, 0.5], [2.0, -1.0, 0.5], [1.0, 3.0, 0.5]])
    for eps in (0.0, 0.7):
        builder = CircuitBuilder(3)
        circuit = builder.build(
            builder.log_sum_exp(builder.affine([(0, weights)], np.zeros(3)), eps, np.array([0, 3], dtype=np.int64))
        )
        x = np.array([0.1, 0.2, 0.3])
        for inputs in ({0: 1}, {2: 1}, {0: 1, 2: 1}, {1: 1}, {0: -1}):
            everywhere = all((sign * weights[:, i] >= 0).all() for i, sign in inputs.items())
            found = certify_monotone(circuit, x, inputs, norm="inf")
            assert check(reread(found), circuit), check(found, circuit)
            assert (found.radius == 1e12) == everywhere
            assert (found.upper < np.inf) == (not everywhere)
            assert found.status == ("falsified" if found.upper == 0 else "robust")
            if found.upper < np.inf:
                slopes = circuit.gradient(np.array(found.evidence["witness"]))[0]
                assert min(sign * slopes[i] for i, sign in inputs.items()) < 0


@pytest.mark.parametrize("eps", [0.0, 0.4])
@pytest.mark.parametrize("p", EXPONENTS)
def test_signs_hold_in_the_ball_and_fail_at_the_witness(eps: float, p: float) -> None:
    rng = np.random.default_rng(4)
    proved = 0
    for seed in range(4):
        circuit = deep(eps, seed)
        x = rng.normal(size=3)
        slopes = circuit.gradient(x)[1]
        box = (x - 0.5, x + 2.0) if seed % 2 else None
        signs = {i: int(np.sign(slopes[i])) for i in range(2)}
        found = certify_monotone(circuit, x, signs, output=1, norm=p, box=box)
        assert check(found, circuit), check(found, circuit)
        assert found.margin <= min(abs(slopes[0]), abs(slopes[1])) + 1e-9
        ball = np.clip(x + in_ball(rng, Norm(p), 3, min(found.radius, 1e3)), *(box or (-np.inf, np.inf)))
        inside = circuit.gradient(ball)[:, 1]
        assert all((sign * inside[:, i] > -1e-9).all() for i, sign in signs.items())
        proved += found.radius > 0
        if found.upper < np.inf:
            assert found.radius <= found.upper
            wrong = circuit.gradient(np.array(found.evidence["witness"]))[1]
            assert min(sign * wrong[i] for i, sign in signs.items()) < 0
    assert proved >= 3


def test_the_radius_is_that_of_the_sign_change() -> None:
    """⊕_ε (x, −x) + x/2 rises where tanh(x/ε) ≥ −1/2: down to ε·artanh(−1/2)."""
    builder = CircuitBuilder(1)
    pair = builder.log_sum_exp(
        builder.affine([(0, [[1.0], [-1.0]])], [0.0, 0.0]), 0.5, np.array([0, 2], dtype=np.int64)
    )
    circuit = builder.build(builder.affine([(pair, [[1.0]]), (0, [[0.5]])], [0.0]))
    found = certify_monotone(circuit, [1.0], {0: 1})
    expected = 1 + 0.5 * np.arctanh(0.5)
    assert found.radius == pytest.approx(expected, rel=1e-6)
    assert found.upper == pytest.approx(expected, rel=1e-6)
    assert found.radius < expected < found.upper
    for radius, status in ((1.0, "robust"), (2.0, "falsified")):
        asked = certify_monotone(circuit, [1.0], {0: 1}, radius=radius)
        assert asked.status == status
        assert check(asked, circuit)
    falling = certify_monotone(circuit, [1.0], {0: -1})
    assert (falling.radius, falling.upper, falling.status) == (0.0, 0.0, "falsified")
    assert check(falling, circuit)


# -- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: certify_property(c, np.zeros(3), [[1.0]], [0.0]), "rows have shape"),
        (lambda c: certify_property(c, np.zeros(3), [1.0, 0.0], [0.0]), "rows has shape"),
        (lambda c: certify_property(c, np.zeros(3), [[1.0, np.nan]], [0.0]), "NaN"),
        (lambda c: certify_property(c, np.zeros(3), [[1.0, 0.0]], [np.inf]), "inf"),
        (lambda c: certify_property(c, np.zeros(3), [[1.0, 0.0]], [0.0, 1.0]), "rows have shape"),
        (lambda c: certify_property(c, np.zeros(3), np.zeros((0, 2)), []), "rows have shape"),
        (lambda c: certify_property(c, np.zeros(2), [[1.0, 0.0]], [0.0]), "points have shape"),
        (lambda c: certify_property(c, np.zeros((1, 3)), [[1.0, 0.0]], [0.0]), "one point"),
        (lambda c: certify_property(c, np.zeros(3), [[1.0, 0.0]], [9.0], radius=-1.0), "radius"),
        (lambda c: certify_property([LogSumExp([[1.0]], [0.0], 0.0)], [0.0], [[1.0]], [9.0]), "circuit's outputs"),
        (lambda c: certify_regression(c, np.zeros(3), 0.0), "tolerance"),
        (lambda c: certify_regression(c, np.zeros(3), -1.0), "tolerance"),
        (lambda c: certify_regression(c, np.zeros(3), np.nan), "tolerance"),
        (lambda c: certify_regression(c, np.zeros(3), 0.1, output=2), "output 2"),
        (lambda c: certify_regression(c, np.zeros(3), 0.1, output=[]), "no output"),
        (lambda c: certify_regression(c, [0.0, np.nan, 0.0], 0.1), "NaN"),
        (lambda c: certify_regression_all(c, np.zeros(3), 0.1), "points have shape"),
        (lambda c: certify_monotone(c, np.zeros(3), {3: 1}), "input 3"),
        (lambda c: certify_monotone(c, np.zeros(3), {True: 1}), "input True"),
        (lambda c: certify_monotone(c, np.zeros(3), {0: 2}), "sign 2"),
        (lambda c: certify_monotone(c, np.zeros(3), {}), "in which inputs"),
        (lambda c: certify_monotone(c, np.zeros(3), {0: 1}, output=5), "output 5"),
        (lambda c: certify_monotone(c, np.zeros(3), {0: 1}, radius=0.0), "radius"),
        (lambda c: certify_monotone(c, np.zeros(3), {0: 1}, box=(1.0, 2.0)), "holds the point"),
        (lambda c: certify_monotone(c, np.zeros(3), {0: 1}, norm=3), "norm"),
    ],
)
def test_bad_input_is_refused(call, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        call(deep(0.3))


def test_changed_properties_are_rejected() -> None:
    circuit = deep(0.3)
    x = np.array([0.2, -0.1, 0.5])
    bound = float(circuit(x)[0]) + 0.2
    linear = certify_property(circuit, x, [[1.0, 0.0]], [bound], method="local")
    near = certify_regression(circuit, x, 0.2, output=0, method="local")
    rising = certify_monotone(circuit, x, {0: int(np.sign(circuit.gradient(x)[0, 0]))}, output=0)
    assert all(check(found, circuit) for found in (linear, near, rising))
    value, sign = near.property["values"][0], rising.property["inputs"][0][1]
    changes = [
        (linear, {"bounds": [bound - 0.01]}),
        (linear, {"bounds": [bound + 1e-3]}),  # true, but not with this margin
        (linear, {"rows": [[2.0, 0.0]]}),
        (linear, {"rows": [[1.0, 0.0, 0.0]]}),
        (linear, {"rows": [[float("nan"), 0.0]]}),
        (linear, {"kind": "regression"}),
        (linear, {"kind": "monotone"}),
        (near, {"values": [value + 1e-6]}),
        (near, {"tolerance": 0.1999}),
        (near, {"tolerance": -0.2}),
        (near, {"outputs": [1]}),
        (near, {"outputs": [7]}),
        (rising, {"inputs": [[0, -sign]]}),
        (rising, {"inputs": [[1, sign]]}),
        (rising, {"inputs": [[9, sign]]}),
        (rising, {"output": 1}),
        (rising, {"kind": "linear"}),
    ]
    for found, change in changes:
        other = {**found.property, **change}
        assert not check(replace(found, property=other), circuit), change
        assert not check(replace(found, property=other, digest=""), circuit), change
    for found in (linear, near, rising):
        assert not check(replace(found, property=None, digest=""), circuit)
        assert not check(replace(found, radius=found.upper * 1.5 if found is rising else 9.0, digest=""), circuit)
        assert not check(found, deep(0.3, seed=1))
    pieces = certify(heads(0.5), [0.0, 0.0])
    assert check(pieces, heads(0.5))
    assert not check(
        replace(pieces, property={"kind": "monotone", "output": 0, "inputs": [[0, 1]]}, digest=""), heads(0.5)
    )

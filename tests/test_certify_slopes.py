"""Radii from slopes and curvature: enclosures of derivatives against differentiation and sampling, and the check."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import flint
import mpmath
import numpy as np
import pytest
from circuits_of_all_kinds import assorted, degenerate, everything
from test_certify_heads import in_ball, margins, random_model

from tropix import Circuit, InvalidInput, LogSumExp, Unsupported
from tropix.certify import Certificate, Norm, certify, certify_all, check
from tropix.certify._check_derivatives import jacobian as enclosed_jacobian
from tropix.certify._check_enclosure import Enclosure, Region
from tropix.certify._models import Subject
from tropix.certify._slopes import Balls, Slopes
from tropix.certify._steps import steps_of_circuit
from tropix.circuits import CircuitBuilder, Gibbs, Pointwise, uniform_segments
from tropix.exact import Rationals

EXPONENTS = (1.0, 2.0, np.inf)


def random_norm(rng: np.random.Generator, d: int) -> Norm:
    scale = tuple(rng.uniform(0.2, 2, size=d).tolist()) if rng.random() < 0.3 else None
    return Norm(float(rng.choice(EXPONENTS)), scale)


def random_box(rng: np.random.Generator, x: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    if rng.random() > 0.3:
        return None
    return x - rng.choice([0.0, 0.2, 2.0], size=len(x)), x + rng.choice([0.0, 0.1, 1.0], size=len(x))


def room_of(box: tuple[np.ndarray, np.ndarray] | None, x: np.ndarray) -> list | None:
    if box is None:
        return None
    return [(Fraction(a) - Fraction(v), Fraction(b) - Fraction(v)) for a, b, v in zip(*box, x, strict=True)]


def numbers(end: flint.arb_mat, shape: tuple[int, ...]) -> np.ndarray:
    return np.array([float(entry.mid()) for entry in end.entries()]).reshape(shape)


@pytest.mark.parametrize("block", range(3))
@pytest.mark.parametrize("circuits", [everything, assorted])
def test_values_and_derivatives_lie_in_their_ranges(circuits, block: int) -> None:
    """At points all over the ball, for floats and for the enclosure of the check, which agree."""
    rng = np.random.default_rng(block)
    for seed in range(8):
        circuit: Circuit = circuits(10 * block + seed)
        d = circuit.input_size
        x, norm = rng.normal(size=d), random_norm(rng, d)
        box = random_box(rng, x)
        low, high = (np.full((1, d), -np.inf), np.full((1, d), np.inf)) if box is None else (box[0] - x, box[1] - x)
        steps = steps_of_circuit(circuit)
        for radius in (0.0, 1e-3, 0.1, 1.0):
            slopes = Slopes(steps, Balls(x[None], np.array([radius]), norm, np.atleast_2d(low), np.atleast_2d(high)))
            rows = {base: table.floats()[None] for base, table in steps.output.terms.items()}
            ends, jacobian = slopes.read(steps.output), slopes.jacobian(rows, steps.output.size)
            points = np.clip(x + in_ball(rng, norm, d, radius, 60), *(box or (-np.inf, np.inf)))
            try:
                values, gradients = circuit(points), circuit.gradient(points)
            except InvalidInput:
                continue
            slack = 1e-9 * (1 + np.abs(values))
            assert (values >= ends[0] - slack).all()
            assert (values <= ends[1] + slack).all()
            bounded = np.isfinite(jacobian[0]).all() and np.isfinite(jacobian[1]).all()
            region = Region(
                Rationals.of(x), Fraction(radius), norm.p, [Fraction(s) for s in norm.scales(d)], room_of(box, x)
            )
            with flint.ctx.workprec(96):
                enclosed = enclosed_jacobian(Enclosure(steps, region), steps.output)
            assert (enclosed is not None) == bounded
            if enclosed is None:
                continue
            shape = gradients.shape[1:]
            slack = 1e-8 * (1 + np.abs(gradients))
            assert (gradients >= numbers(enclosed[0], shape) - slack).all()
            assert (gradients <= numbers(enclosed[1], shape) + slack).all()
            for end, ours in zip(enclosed, jacobian, strict=True):
                np.testing.assert_allclose(ours[0], numbers(end, shape), rtol=1e-6, atol=1e-7)


def test_ranges_of_weights_are_those_of_two_pieces() -> None:
    """For two entries the derivative of ⊕_ε on a ball is known: the logistic function of an affine one."""
    builder = CircuitBuilder(2)
    rows = np.array([[1.0, -2.0], [0.5, 1.0]])
    circuit = builder.build(
        builder.log_sum_exp(builder.affine([(0, rows)], [0.25, 0.0]), 0.5, np.array([0, 2], dtype=np.int64))
    )
    x, radius = np.array([0.3, -0.4]), 0.7
    apart = rows[1] - rows[0]
    middle, reach = apart @ x - 0.25, radius * np.linalg.norm(apart)
    share = [float(1 / (1 + mpmath.exp(-(middle + side * reach) / 0.5))) for side in (-1, 1)]
    expected = np.sort([rows[0] + pi * apart for pi in share], axis=0)
    region = Region(Rationals.of(x), Fraction(radius), 2.0, [Fraction(1)] * 2, None)
    steps = steps_of_circuit(circuit)
    with flint.ctx.workprec(96):
        found = enclosed_jacobian(Enclosure(steps, region), steps.output)
    assert found is not None
    for end, ours in zip(expected, found, strict=True):
        np.testing.assert_allclose(numbers(ours, (2,)), end, rtol=1e-12)


@pytest.mark.parametrize("block", range(2))
def test_radii_of_heads_are_sound_in_order_and_proved(block: int) -> None:
    """lipschitz ≤ local, and both, as second-order, at most the nearest counterexample."""
    rng = np.random.default_rng(100 + block)
    for _ in range(10):
        model = random_model(rng)
        d = model[0].dimension
        x, norm = rng.normal(size=d), random_norm(rng, d)
        box = random_box(rng, x)
        best = certify(model, x, norm=norm, box=box, time_limit=0.5)
        global_one = certify(model, x, norm=norm, box=box, method="lipschitz")
        found = {"local": certify(model, x, norm=norm, box=box, method="local")}
        assert found["local"].radius >= global_one.radius * (1 - 1e-8)
        kinks = any(f.eps == 0 and np.isfinite(f.bias).sum() > 1 for k, f in enumerate(model) if k != best.label)
        if kinks:
            with pytest.raises(Unsupported, match="kinks"):
                certify(model, x, norm=norm, box=box, method="second-order")
        else:
            found["second-order"] = certify(model, x, norm=norm, box=box, method="second-order")
        for method, one in found.items():
            assert one.method == method
            assert check(one, model), check(one, model)
            assert one.radius <= best.upper
            if one.radius > 0:
                ball = np.clip(x + in_ball(rng, norm, d, min(one.radius, 1e6)), *(box or (-np.inf, np.inf)))
                assert (margins(model, ball, one.label) > -1e-9 * (1 + np.abs(ball).max())).all()


def test_second_order_is_its_formula_and_may_be_the_better_one() -> None:
    """F_c = 0.1, F_k = ⊕_1 (x, −x) − log 2: no slope at 0, curvature 1; termwise bounds see slopes of pieces."""
    model = [LogSumExp([[0.0]], [0.1], 0.0), LogSumExp([[1.0], [-1.0]], [-np.log(2)] * 2, 1.0)]
    found = certify(model, [0.0], 0, method="second-order")
    assert found.radius == pytest.approx(np.sqrt(0.1 / (4 / 8)), rel=1e-6)
    assert found.radius > certify(model, [0.0], 0, method="combined").radius * 1.5
    exact = float(mpmath.acosh(mpmath.exp(0.1)))
    assert found.radius < exact == pytest.approx(certify(model, [0.0], 0, method="exact").radius, rel=2e-3)
    assert check(found, model)
    assert not check(Certificate.from_json(replace(found, radius=0.46, digest="").to_json()), model)


@pytest.mark.parametrize("block", range(2))
def test_radii_of_circuits_are_sound_in_order_and_proved(block: int) -> None:
    rng = np.random.default_rng(200 + block)
    positive = 0
    for seed in range(12):
        circuit = (everything if seed % 2 else assorted)(1000 + 20 * block + seed)
        d = circuit.input_size
        x, norm = rng.normal(size=d), random_norm(rng, d)
        box = random_box(rng, x)
        local = certify(circuit, x, norm=norm, box=box, method="local")
        everywhere = certify(circuit, x, norm=norm, box=box, method="lipschitz")
        assert local.radius >= everywhere.radius * (1 - 1e-8)
        for one in (local, everywhere):
            assert check(Certificate.from_json(one.to_json()), circuit), check(one, circuit)
            if one.radius > 0:
                positive += 1
                ball = np.clip(x + in_ball(rng, norm, d, min(one.radius, 1e4)), *(box or (-np.inf, np.inf)))
                values = Subject(circuit).circuit(ball)
                margin = values[:, one.label] - np.delete(values, one.label, axis=1).max(axis=1)
                assert (margin > -1e-9 * (1 + np.abs(values).max())).all()
    assert positive > 10


def network(eps: float, seed: int = 0) -> Circuit:
    """Two hidden layers."""
    rng = np.random.default_rng(seed)
    builder = CircuitBuilder(5)
    node = 0
    for width in (8, 8):
        size = builder.size(node)
        node = builder.pairs_with_zero(
            builder.affine([(node, rng.normal(size=(width, size)) / np.sqrt(size))], rng.normal(size=width)), eps
        )
    return builder.build(builder.affine([(node, rng.normal(size=(3, 8)))], np.zeros(3)))


@pytest.mark.parametrize("eps", [0.0, 0.3])
@pytest.mark.parametrize("p", EXPONENTS)
def test_slopes_on_small_balls_are_the_gradients(eps: float, p: float) -> None:
    """Where the margin is small, the local radius is about margin over gradient; the global one is far smaller."""
    circuit = network(eps)
    rng = np.random.default_rng(3)
    q = {1.0: np.inf, 2.0: 2.0, np.inf: 1.0}[p]
    x = rng.normal(size=5)
    values, slopes = circuit(x), circuit.gradient(x)
    label, rival = 0, 1
    shifted = CircuitBuilder(5)
    for node, name in zip(circuit.nodes[1:], circuit.names[1:], strict=True):
        shifted.add(node, name)
    rows = np.eye(3)[[label, rival]]
    output = shifted.affine([(circuit.output, rows)], [values[rival] - values[label] + 1e-3, 0.0])
    pair = shifted.build(output)
    local = certify(pair, x, 0, norm=p, method="local")
    expected = 1e-3 / np.linalg.norm(slopes[label] - slopes[rival], ord=q)
    assert local.radius == pytest.approx(expected, rel=0.1)
    assert local.radius <= expected * (1 + 1e-6) if eps == 0 else True
    assert certify(pair, x, 0, norm=p, method="lipschitz").radius < local.radius
    assert check(local, pair)


def test_batches_are_their_points() -> None:
    circuit = network(0.3)
    points = np.random.default_rng(0).normal(size=(6, 5))
    together = certify_all(circuit, points, norm="inf", method="local")
    for one, x in zip(together, points, strict=True):
        alone = certify(circuit, x, norm="inf", method="local")
        assert one.radius == pytest.approx(alone.radius, rel=1e-6)
        assert one.label == alone.label


@pytest.mark.parametrize(("name", "circuit"), list(degenerate().items()))
def test_degenerate_circuits(name: str, circuit: Circuit) -> None:
    for method in ("local", "lipschitz"):
        found = certify(circuit, np.full(circuit.input_size, 0.5), method=method)
        assert check(found, circuit), (name, check(found, circuit))


def test_functions_without_bounded_slopes_give_nothing() -> None:
    """log beside 0, and Gibbs weights at ε = 0 beside a tie: no radius, and no proof of one."""
    builder = CircuitBuilder(2)
    log = builder.build(builder.add(Pointwise(0, "log", 2)))
    found = certify(log, [1.0, 2.0], method="lipschitz")
    assert (found.radius, found.status) == (0.0, "unknown")
    found = certify(log, [1.0, 2.0], norm="inf", method="local")
    assert 0 < found.radius < 0.5
    assert check(found, log)
    builder = CircuitBuilder(2)
    steps = builder.build(
        builder.affine([(builder.add(Gibbs(0, 0.0, uniform_segments(1, 2))), [[1.0, 0.0], [0.0, 2.0]])], [0.0, 0.5])
    )
    found = certify(steps, [0.0, 1.0], norm="inf", method="local")
    assert found.radius == pytest.approx(0.5, rel=1e-6)
    assert check(found, steps)
    assert not check(Certificate.from_json(replace(found, radius=0.51, digest="").to_json()), steps)


@pytest.mark.parametrize("method", ["local", "lipschitz"])
def test_changed_certificates_are_rejected(method) -> None:
    circuit = network(0.3)
    found = certify(circuit, np.zeros(5), method=method)
    changes = [
        {"radius": found.radius * 1.001},
        {"margin": found.margin * 1.001},
        {"label": (found.label + 1) % 3},
        {"norm": Norm(np.inf)},
        {"point": (0.5,) * 5},
        {"evidence": {"kind": "slopes", "region": "nowhere"}},
        {"evidence": {"kind": "slopes"}},
        {"evidence": {"kind": "curvature"}},
        {"property": {"kind": "linear", "rows": [[1.0, 0.0, 0.0]], "bounds": [1.0]}},
    ]
    assert check(found, circuit)
    for change in changes:
        assert not check(replace(found, **change, digest=""), circuit), change
        assert not check(replace(found, **change), circuit), change
    assert not check(found, network(0.3, seed=1))

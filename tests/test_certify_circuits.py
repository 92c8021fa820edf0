"""Certificates of deep circuits: sound radii, methods in their order, evidence that the check proves."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tropix.certify import Certificate, Norm, certify, certify_all, check
from tropix.certify._attack_circuits import Target, descend, nearest_witnesses
from tropix.certify._descent import project
from tropix.circuits import Circuit, CircuitBuilder, Gibbs, Pointwise, Product
from tropix.deadline import Deadline
from tropix.errors import Unsupported
from tropix.kernels import ball_supports, ball_supports_numpy

NORMS = [1, 2, "inf", Norm(2, (1.0, 0.5, 2.0)), Norm(1, (0.5, 1.0, 2.0))]
PLAIN = ["relu", "softplus", "leaky", "maxout", "lse", "skip"]
MIXED = ["product", "gibbs", "sigmoid", "erf", "exp", "hardmax", "softmax", "one output"]


def deep(seed: int, kind: str, inputs: int = 3, classes: int = 3, sizes: tuple[int, ...] = (5, 5)) -> Circuit:
    """A random network whose hidden layers, or what follows them, are of one kind."""
    rng = np.random.default_rng(seed)
    builder = CircuitBuilder(inputs)

    def affine(source: int, size: int) -> int:
        width = builder.size(source)
        matrix = rng.normal(size=(size, width)) / np.sqrt(width)
        return builder.affine([(source, matrix)], 0.3 * rng.normal(size=size))

    layer = 0
    for size in sizes:
        if kind in ("maxout", "lse"):
            segments = np.array([0, 1, 3, 6, 11, 16])
            layer = builder.log_sum_exp(affine(layer, 16), 0.3 if kind == "lse" else 0.0, segments)
        elif kind == "skip":
            inner = builder.pairs_with_zero(affine(layer, size), 0.0)
            matrices = [rng.normal(size=(size, builder.size(v))) / 2 for v in (inner, layer)]
            layer = builder.affine([(inner, matrices[0]), (layer, matrices[1])], np.zeros(size))
        else:
            eps = 0.0 if kind in ("relu", "leaky") else 0.3
            layer = builder.pairs_with_zero(affine(layer, size), eps, 0.2 if kind == "leaky" else 0.0)
    if kind == "product":
        layer = builder.add(Product(affine(layer, 4), affine(layer, 4), 4))
    elif kind in ("gibbs", "sigmoid"):
        widths = [3, 2, 2] if kind == "gibbs" else [2, 2]
        layer = builder.add(Gibbs(affine(layer, sum(widths)), 0.5, np.cumsum([0, *widths])))
    elif kind == "hardmax":
        layer = builder.add(Gibbs(affine(layer, 4), 0.0, np.array([0, 2, 4])))
        layer = builder.affine([(layer, 0.1 * np.eye(4)), (affine(0, 4), np.eye(4))], np.zeros(4))
    elif kind in ("erf", "exp"):
        layer = builder.add(Pointwise(affine(layer, 4), kind, 4))
    last = affine(layer, 1 if kind == "one output" else classes)
    if kind == "softmax":
        last = builder.add(Gibbs(last, 1.0, np.array([0, classes])))
    return builder.build(last)


def around(certificate: Certificate, rng: np.random.Generator, box: tuple[float, float] | None) -> np.ndarray:
    """Points of the certified ball, most of them near its boundary."""
    d, measure = len(certificate.point), certificate.norm
    steps = rng.normal(size=(1500, d)) * measure.scales(d)
    steps *= min(certificate.radius, 1e3) / measure.length(steps)[:, None]
    moved = np.array(certificate.point) + steps * rng.uniform(size=(1500, 1)) ** 0.2
    return moved if box is None else np.clip(moved, *box)


def labels(circuit: Circuit, points: np.ndarray) -> np.ndarray:
    values = circuit(points)
    return values.argmax(axis=1) if values.shape[1] > 1 else (values[:, 0] > 0).astype(int)


@pytest.mark.parametrize("kind", PLAIN + MIXED)
def test_radii_are_sound_and_proved(kind: str) -> None:
    circuit = deep(1, kind)
    rng = np.random.default_rng(2)
    points = rng.uniform(-1, 1, size=(2, 3))
    cases = [*((norm, None) for norm in NORMS), (2, (-1.0, 1.5)), (1, (-1.2, 1.0)), ("inf", (-1.5, 1.0))]
    for norm, box in cases[len(kind) % 2 :: 2]:
        before = np.zeros(len(points))
        for method in ("interval", "linear"):
            found = certify_all(circuit, points, norm=norm, box=box, method=method)
            assert all(c.margin > 0 for c in found)
            radii = np.array([c.radius for c in found])
            assert (radii > 0).all()
            assert (radii >= before).all()
            before = radii
            for certificate in found:
                verdict = check(certificate, circuit)
                assert verdict, verdict.reason
                assert (labels(circuit, around(certificate, rng, box)) == certificate.label).all()


@pytest.mark.parametrize("kind", ["relu", "softplus", "lse", "maxout", "gibbs"])
@pytest.mark.parametrize("inputs", [2, 9], ids=["by inputs", "by ties"])
def test_branching_closes_the_gap_and_is_proved(kind: str, inputs: int) -> None:
    circuit = deep(3, kind, inputs, sizes=(4, 4))
    rng = np.random.default_rng(4)
    point = rng.uniform(-1, 1, size=inputs)
    for norm in (2, "inf"):
        linear = certify(circuit, point, norm=norm, method="linear")
        found = certify(circuit, point, norm=norm, method="branching", gap=0.05)
        verdict = check(found, circuit)
        assert verdict, verdict.reason
        assert linear.radius <= found.radius <= found.upper
        if kind in ("relu", "softplus") and linear.radius < 0.9 * found.upper < np.inf:
            assert found.radius > linear.radius
        assert (labels(circuit, around(found, rng, None)) == found.label).all()
        if found.upper < np.inf:
            witness = np.array(found.evidence["witness"])
            assert Norm.of(norm).length(witness - point)[0] <= found.upper
            values = circuit(witness)
            assert np.delete(values, found.label).max() >= values[found.label] - 1e-9


def test_two_inputs_to_the_gap() -> None:
    """Against the nearest other label on a fine grid of rays."""
    circuit = deep(5, "relu", 2)
    point = np.array([0.3, -0.2])
    found = certify(circuit, point, norm=2, method="branching", gap=0.02, time_limit=20.0)
    angles = np.linspace(0, 2 * np.pi, 721)[:-1]
    rays = np.column_stack([np.cos(angles), np.sin(angles)])
    lengths = np.linspace(0, 3, 1501)
    grid = point + lengths[:, None, None] * rays
    other = labels(circuit, grid.reshape(-1, 2)).reshape(1501, 720) != found.label
    nearest = lengths[other.any(axis=1).argmax()] if other.any() else np.inf
    assert other.any()
    assert found.radius <= nearest
    assert found.upper >= found.radius >= 0.98 * found.upper - 1e-9
    assert found.upper <= nearest * 1.01


@pytest.mark.parametrize("method", ["interval", "linear", "branching", "auto", "exact"])
def test_a_radius_that_is_asked_about(method: str) -> None:
    circuit = deep(6, "softplus")
    points = np.random.default_rng(0).uniform(-1, 1, (4, 3))
    whole = certify_all(circuit, points, method="linear", norm="inf")
    small = min(c.radius for c in whole) / 50
    for found in certify_all(circuit, points, norm="inf", method=method, radius=small):
        assert (found.status, found.radius) == ("robust", small)
        assert check(found, circuit)
    for found in certify_all(circuit, points, norm="inf", method=method, radius=50.0):
        assert found.status in ("falsified", "unknown", "robust")
        assert (found.status == "falsified") == (found.upper <= 50.0)
        assert check(found, circuit)


def changed(value: Any) -> list[Any]:
    """Evidence with one place changed, each place once."""
    if isinstance(value, dict):
        return [{**value, key: new} for key, item in value.items() for new in changed(item)]
    if isinstance(value, list):
        if len(value) > 6:  # slopes at one node: all of them at once
            return [[v + 300_000 if isinstance(v, int) else v + 3.0 for v in value], value[:-1]]
        return [[*value[:n], new, *value[n + 1 :]] for n, item in enumerate(value) for new in changed(item)]
    return [value + 7] if isinstance(value, int) else [value + 3.0]


@pytest.mark.parametrize("kind", ["softplus", "maxout", "gibbs", "erf"])
def test_changed_evidence_is_rejected(kind: str) -> None:
    """Every change of slopes, cuts, rivals and multipliers at a radius that leaves no room."""
    circuit = deep(7, kind, 2)
    found = certify(circuit, [0.4, -0.3], norm=2, method="linear")
    assert check(found, circuit)
    for key in ("proofs", "kind"):
        missing = {k: v for k, v in found.evidence.items() if k != key}
        assert not check(replace(found, evidence=missing, digest=""), circuit)
    worse = 0
    for evidence in changed({"proofs": found.evidence["proofs"]}):
        forged = replace(found, evidence={**found.evidence, **evidence}, radius=found.radius * 1.3, digest="")
        assert not check(forged, circuit)  # other slopes may prove the old radius, but not a larger one
        worse += not check(replace(forged, radius=found.radius, digest=""), circuit)
    assert worse > 3
    assert not check(replace(found, radius=found.radius * 1.001, digest=""), circuit)
    assert not check(found, deep(8, kind, 2))


def test_trees_have_to_be_whole() -> None:
    circuit = deep(3, "relu", 9)
    point = np.random.default_rng(4).uniform(-1, 1, size=9)
    found = certify(circuit, point, norm="inf", method="branching")
    trees = [proof["tree"] for proof in found.evidence["proofs"] if "parts" in proof["tree"]]
    assert trees
    assert "tie" in trees[0]

    def forged(change: Any) -> bool:
        evidence = copy.deepcopy(found.evidence)
        tree = next(p["tree"] for p in evidence["proofs"] if "parts" in p["tree"])
        change(tree, evidence)
        return bool(check(replace(found, evidence=evidence, digest=""), circuit))

    assert not forged(lambda tree, _: tree["parts"].pop())
    assert not forged(lambda tree, _: tree.update(at=tree["at"] + 5.0))
    assert not forged(lambda tree, _: tree["tie"].reverse())
    assert not forged(lambda tree, _: tree.update(tie=[0, 0, 1]))
    assert not forged(lambda tree, _: tree["parts"].reverse())
    assert not forged(lambda tree, evidence: evidence["proofs"].pop())
    assert not forged(lambda tree, evidence: evidence["proofs"].append(evidence["proofs"][0]))


def test_degenerate_points() -> None:
    builder = CircuitBuilder(2)
    hidden = builder.pairs_with_zero(builder.affine([(0, [[1.0, 1.0], [1.0, -1.0]])], [0.0, 0.0]), 0.0)
    circuit = builder.build(builder.affine([(builder.relu(hidden), [[1.0, 0.0], [0.0, 1.0]])], [0.0, 0.0]))
    tied = certify(circuit, [0.5, 0.0], method="branching")
    assert (tied.radius, tied.upper, tied.status) == (0.0, 0.0, "falsified")
    assert check(tied, circuit)
    wrong = certify(circuit, [0.5, 0.2], 1, method="linear")
    assert (wrong.radius, wrong.upper, wrong.status) == (0.0, 0.0, "falsified")
    assert check(wrong, circuit)
    exact = certify(circuit, [1.0, 0.5], norm="inf", method="branching", gap=1e-4)
    assert exact.upper == pytest.approx(0.5, rel=1e-6)
    assert exact.radius >= 0.5 * (1 - 2e-4)

    builder = CircuitBuilder(2)
    hidden = builder.pairs_with_zero(builder.affine([(0, np.zeros((3, 2)))], [1.0, 0.0, -1.0]), 0.5)
    constant = builder.build(builder.affine([(builder.pairs_with_zero(hidden, 0.5), np.eye(3))], np.zeros(3)))
    for method in ("interval", "linear", "auto"):
        found = certify(constant, [0.0, 3.0], method=method)
        assert (found.radius, found.upper, found.label) == (1e12, np.inf, 0)
        assert check(found, constant)


def test_time_limit_and_methods_for_single_layers() -> None:
    circuit = deep(9, "lse", 9)
    point = np.random.default_rng(1).normal(size=9)
    found = certify(circuit, point, method="branching", time_limit=0.0)
    interval, linear = (certify(circuit, point, method=method) for method in ("interval", "linear"))
    assert found.method == "interval"
    assert 0 < found.radius == interval.radius < linear.radius
    assert check(found, circuit)
    assert certify(circuit, point, method="branching", time_limit=60.0).radius >= linear.radius
    with pytest.raises(Unsupported):
        certify(circuit, point, method="combined")
    single = CircuitBuilder(3)
    rng = np.random.default_rng(0)
    inner = single.affine([(0, rng.normal(size=(8, 3)))], rng.normal(size=8))
    heads = single.build(single.log_sum_exp(inner, 0.2, np.array([0, 4, 8])))
    for start in rng.normal(size=(3, 3)):
        radii = {m: certify(heads, start, method=m).radius for m in ("interval", "linear", "combined", "exact")}
        assert radii["interval"] <= radii["combined"] <= radii["exact"]
        assert radii["interval"] <= radii["linear"] <= radii["exact"] * (1 + 1e-3)


def test_attacks_cross_linear_boundaries_at_their_distance() -> None:
    builder = CircuitBuilder(3)
    weights = np.array([[2.0, -1.0, 0.5], [0.0, 0.0, 0.0]])
    circuit = builder.build(builder.affine([(0, weights)], [0.1, 0.0]))
    points = np.array([[0.5, 0.2, 0.1], [1.0, 0.0, -1.0]])
    level = points @ weights[0] + 0.1
    for p, length in ((1, 2.0), (2, np.sqrt(5.25)), (np.inf, 3.5)):
        target = Target(circuit, Norm(p))
        radii = level / length
        shifts, margins = descend(target, points, np.zeros(2, dtype=np.int64), 1.01 * radii)
        assert (margins < 0).all()
        assert (np.linalg.norm(shifts, ord=p, axis=1) <= 1.01 * radii * (1 + 1e-12)).all()
        found = nearest_witnesses(target, points, np.zeros(2, dtype=np.int64), radii, None, deadline=Deadline(None))
        for witness, radius in zip(found, radii, strict=True):
            assert witness is not None
            assert radius * (1 - 1e-12) <= witness.distance <= radius * (1 + 1e-5)


@pytest.mark.parametrize("p", [0, 1, 2])
def test_supports_of_balls_in_boxes(p: int) -> None:
    rng = np.random.default_rng(p)
    slopes, radii = rng.normal(size=(3, 4, 5)), rng.uniform(0.5, 2, size=3)
    low, high = -rng.uniform(0, 1, size=(3, 5)), rng.uniform(0, 1, size=(3, 5))
    found = ball_supports(slopes, p, radii, low, high)
    np.testing.assert_allclose(found, ball_supports_numpy(slopes, p, radii, low, high), rtol=1e-9)
    order = {0: np.inf, 1: 1, 2: 2}[p]
    steps = np.clip(rng.normal(size=(20000, 3, 5)), low, high)
    steps *= np.minimum(1, radii[:, None] / np.linalg.norm(steps, ord=order, axis=2, keepdims=True))
    assert (np.einsum("nbd,brd->nbr", steps, slopes) <= found + 1e-12).all()
    free = ball_supports(slopes, p, radii, low - 10, high + 10)
    dual = {0: 1, 1: np.inf, 2: 2}[p]
    np.testing.assert_allclose(free, np.linalg.norm(slopes, ord=dual, axis=2) * radii[:, None], rtol=1e-9)
    shifted = ball_supports(slopes, p, radii, low + 0.9, high + 1.2)  # the box need not hold 0
    inside = np.clip(steps, low + 0.9, high + 1.2)
    fits = np.linalg.norm(inside, ord=order, axis=2) <= radii
    assert ((np.einsum("nbd,brd->nbr", inside, slopes) <= shifted + 1e-12) | ~fits[..., None]).all()


@pytest.mark.parametrize(
    ("scale", "shift", "boundary"),
    [(1.0, 0.0, 0.0), (2.0, -1.0, 0.0), (1.0, -0.9, np.log(9.0)), (4.0, -1.0, -np.log(3.0)), (-1.0, 0.5, 0.0)],
)
@pytest.mark.parametrize("x", [-3.0, 1.0, 4.0])
def test_one_sigmoid_is_decided_at_half_or_where_it_is_zero(
    scale: float, shift: float, boundary: float, x: float
) -> None:
    """σ(x) and a(σ(x) − 1/2) change at x = 0, other functions a σ(x) + b of it where they are 0."""
    builder = CircuitBuilder(1)
    pairs = builder.affine([(0, [[1.0], [0.0]])], [0.0, 0.0])
    gate = builder.add(Gibbs(pairs, 1.0, np.array([0, 2])))
    circuit = builder.build(builder.affine([(gate, [[scale, 0.0]])], [shift]))
    found = certify(circuit, [x])
    assert found.label == int((x > boundary) == (scale > 0))
    assert check(found, circuit)
    assert found.radius <= abs(x - boundary) <= found.upper * (1 + 1e-9)
    assert found.radius > 0.5 * abs(x - boundary)


def test_one_weight_of_a_wide_softmax_is_compared_with_zero() -> None:
    """Softmax does not change when its logits are shifted together: a logit alone says nothing."""
    builder = CircuitBuilder(1)
    logits = builder.affine([(0, [[1.0], [-1.0], [0.5]])], np.zeros(3))
    gate = builder.add(Gibbs(logits, 1.0, np.array([0, 3])))
    circuit = builder.build(builder.affine([(gate, [[1.0, 0.0, 0.0]])], [-0.5]))
    for x in (-1.0, 3.0):
        found = certify(circuit, [x])
        assert found.label == int(circuit([[x]])[0, 0] > 0)
        assert check(found, circuit)
        changed = np.sign(circuit([[x + found.upper], [x - found.upper]])[:, 0])
        assert not np.isfinite(found.upper) or changed.min() < changed.max() or 0 in changed
        inside = circuit(np.linspace(x - found.radius, x + found.radius, 101)[:, None])[:, 0] > 0
        assert (inside == (found.label == 1)).all()


def test_attacks_on_functions_that_grow_slowly_look_very_far() -> None:
    """The label changes nowhere: steps of 1e11 and lengths of 0 are projected without overflow."""
    shifts = project(np.array([[0.0], [7.4e11], [0.0]]), np.array([[7.1e11], [7.1e11], [0.0]]), 2.0)
    assert shifts.ravel().tolist() == [0.0, 7.1e11, 0.0]

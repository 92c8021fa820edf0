"""Certificates of single-layer classifiers: sound against grids, attacks and programs, and proved by the check."""

from __future__ import annotations

import json
from itertools import product

import cvxpy as cp
import numpy as np
import pytest

from tropix import Circuit, InvalidInput, LogSumExp, TropicalPolynomial, Unsupported
from tropix.certify import Certificate, Norm, certify, certify_all, check
from tropix.circuits import CircuitBuilder, uniform_segments
from tropix.errors import FormatError

METHODS = ("lipschitz", "tangent", "transfer", "combined", "exact")
EXPONENTS = (1.0, 2.0, np.inf)
Heads = list[LogSumExp]


def random_model(rng: np.random.Generator, d: int | None = None) -> Heads:
    """Two to four classes of one to four pieces; temperatures of any size, ties, duplicates and absent pieces."""
    d = d or int(rng.integers(1, 4))
    heads = []
    for _ in range(int(rng.integers(2, 5))):
        count = int(rng.integers(1, 5))
        weights, bias = rng.normal(size=(count, d)), rng.normal(size=count)
        if rng.random() < 0.3:
            weights, bias = np.round(weights), np.round(bias)
        if rng.random() < 0.2:
            weights[-1], bias[-1] = weights[0], bias[0]
        if count > 1 and rng.random() < 0.1:
            bias[0] = -np.inf
        eps = float(rng.choice([0.0, 10.0 ** rng.uniform(-3, 1)]))
        heads.append(LogSumExp(weights, bias, eps))
    return heads


def values(model: Heads, points: np.ndarray) -> np.ndarray:
    return np.stack([f(points) for f in model], axis=1)


def margins(model: Heads, points: np.ndarray, label: int) -> np.ndarray:
    found = values(model, points)
    return np.asarray(found[:, label] - np.delete(found, label, axis=1).max(axis=1))


def in_ball(rng: np.random.Generator, norm: Norm, d: int, radius: float, count: int = 400) -> np.ndarray:
    """Points of the ball, half of them on its sphere."""
    shifts = rng.normal(size=(count, d)) * rng.choice([0.0, 1.0], size=(count, d), p=[0.3, 0.7])
    if norm.p == np.inf:
        shifts = np.sign(shifts) * rng.choice([1.0, 0.5], size=(count, d))
    lengths = np.linalg.norm(shifts, ord=norm.p, axis=1, keepdims=True)
    shifts /= np.where(lengths > 0, lengths, 1.0)
    shifts[: count // 2] *= rng.random((count // 2, 1))
    return np.asarray(shifts * radius * norm.scales(d))


@pytest.mark.parametrize("block", range(6))
def test_radii_are_sound_in_order_and_proved(block: int) -> None:
    """No point of the ball has another label; the witness has; each method is at least the one before it."""
    rng = np.random.default_rng(block)
    for _ in range(25):
        model = random_model(rng)
        d = model[0].dimension
        x = np.round(rng.normal(size=d), int(rng.integers(0, 6)))
        scale = tuple(rng.uniform(0.2, 2, size=d).tolist()) if rng.random() < 0.3 else None
        norm = Norm(float(rng.choice(EXPONENTS)), scale)
        box = None
        if rng.random() < 0.3:
            box = (x - rng.choice([0.0, 0.2, 2.0], size=d), x + rng.choice([0.0, 0.1, 1.0], size=d))
        radii = {}
        for method in METHODS:
            found = certify(model, x, norm=norm, method=method, box=box, time_limit=1.0)
            assert check(found, model), (check(found, model), method)
            assert found.margin == pytest.approx(float(margins(model, x[None, :], found.label)[0]), abs=1e-9)
            radii[method] = found.radius
            ball = x + in_ball(rng, norm, d, min(found.radius, 1e6))
            if box is not None:
                ball = np.clip(ball, *box)
            if found.radius > 0:
                assert (margins(model, ball, found.label) > -1e-9 * (1 + np.abs(ball).max())).all()
        assert found.upper >= found.radius
        if np.isfinite(found.upper):
            witness = np.array(found.evidence["witness"])
            assert margins(model, witness[None, :], found.label)[0] <= 1e-12
            assert float(norm.length(witness - x)[0]) <= found.upper * (1 + 1e-12)
        slack = 1 + 1e-9
        assert radii["lipschitz"] <= radii["tangent"] * slack
        assert radii["tangent"] <= radii["combined"] * slack
        assert radii["combined"] <= radii["exact"] * slack
        assert min(radii["transfer"], 1e6) <= radii["combined"] * (1 + 1e-6)
        assert found.radius >= 1e6 or found.gap <= 2e-3 * found.upper


@pytest.mark.parametrize("p", EXPONENTS)
def test_max_affine_radii_are_those_of_the_programs(p: float) -> None:
    """The distance is the least over the rivals' pieces of a quadratic or linear program."""
    rng = np.random.default_rng(int(min(p, 5)))
    for _ in range(12):
        d = int(rng.integers(1, 6))
        model = [LogSumExp(rng.normal(size=(3, d)), rng.normal(size=3), 0.0) for _ in range(3)]
        x = rng.normal(size=d)
        found = certify(model, x, norm=p)
        own, best = model[found.label], np.inf
        for k, rival in enumerate(model):
            if k == found.label:
                continue
            for u, c in zip(rival.weights, rival.bias, strict=True):
                delta = cp.Variable(d)
                behind = [(u - own.weights) @ (x + delta) + c - own.bias >= 0]
                problem = cp.Problem(cp.Minimize(cp.norm(delta, p)), behind)
                problem.solve(solver="CLARABEL")
                if problem.status == "optimal":
                    best = min(best, float(problem.value))
        assert found.radius == pytest.approx(min(best, 1e12), rel=1e-6)
        assert found.upper == np.inf or found.upper == pytest.approx(best, rel=1e-6)


@pytest.mark.parametrize(("p", "eps"), list(product(EXPONENTS, (0.05, 1.0))))
def test_smooth_radii_agree_with_a_grid(p: float, eps: float) -> None:
    rng = np.random.default_rng(7)
    axis = np.linspace(-1, 1, 401)
    unit = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    lengths = np.linalg.norm(unit, ord=p, axis=1)
    for _ in range(4):
        model = [LogSumExp(rng.normal(size=(4, 2)), rng.normal(size=4), eps) for _ in range(3)]
        x = rng.normal(size=2)
        found = certify(model, x, norm=p, gap=1e-5)
        if found.upper == np.inf:
            continue
        assert found.gap <= 1.1e-5 * found.upper
        reach = 1.05 * found.upper
        inside = margins(model, x + reach * unit, found.label)
        assert (inside[lengths * reach < found.radius] > 0).all()
        nearest = float((lengths * reach)[inside <= 0].min())
        assert found.radius <= nearest <= found.radius + 0.02 * reach


def digits_like(eps: float = 0.25) -> tuple[Circuit, Heads]:
    """Four classes of three pieces of six inputs, as a circuit and as functions; numbers of few digits."""
    rng = np.random.default_rng(3)
    weights, bias = np.round(rng.normal(size=(12, 6)), 2), np.round(rng.normal(size=12), 2)
    builder = CircuitBuilder(6)
    pieces = builder.affine([(0, weights)], bias)
    heads = builder.log_sum_exp(pieces, eps, uniform_segments(4, 3))
    functions = [LogSumExp(weights[3 * k : 3 * k + 3], bias[3 * k : 3 * k + 3], eps) for k in range(4)]
    return builder.build(heads), functions


def test_a_circuit_and_its_functions_have_the_same_radii() -> None:
    circuit, functions = digits_like()
    x = np.random.default_rng(0).normal(size=(5, 6))
    for norm in EXPONENTS:
        one, other = certify_all(circuit, x, norm=norm), certify_all(functions, x, norm=norm)
        assert [c.radius for c in one] == [c.radius for c in other]
        assert all(check(c, circuit) for c in one)
        assert not check(one[0], functions)  # another model by its digest


def test_softmax_and_one_output_are_read() -> None:
    builder = CircuitBuilder(2)
    f = builder.affine([(0, [[1.0, 0.0]])], [-1.0])
    single = builder.build(f)
    found = certify(single, [3.0, 5.0])
    assert (found.label, found.radius) == (1, pytest.approx(2.0, rel=1e-12))
    assert check(found, single)
    polynomials = [TropicalPolynomial([[1, 0]], [0]), TropicalPolynomial([[0, 1]], [0])]
    found = certify(polynomials, [3.0, 1.0], norm="inf")
    assert found.radius == pytest.approx(1.0, rel=1e-12)
    assert check(found, polynomials)


def test_asked_radii_settle_the_status() -> None:
    circuit, _ = digits_like()
    x = np.random.default_rng(1).normal(size=6)
    exact = certify(circuit, x, norm="inf", gap=1e-6)
    robust = certify(circuit, x, norm="inf", radius=0.9 * exact.radius)
    falsified = certify(circuit, x, norm="inf", radius=1.1 * exact.upper)
    assert (robust.status, falsified.status) == ("robust", "falsified")
    assert robust.radius >= 0.9 * exact.radius
    assert falsified.upper <= 1.1 * exact.upper
    assert check(robust, circuit)
    assert check(falsified, circuit)
    wrong = certify(circuit, x, label=(exact.label + 1) % 4)
    assert (wrong.status, wrong.radius, wrong.upper) == ("falsified", 0.0, 0.0)
    assert check(wrong, circuit)


def test_certificates_are_written_exactly_and_tampering_is_seen() -> None:
    circuit, functions = digits_like()
    x = np.random.default_rng(2).normal(size=6)
    found = certify(circuit, x, norm=2, gap=1e-4)
    text = found.to_json()
    again = Certificate.from_json(text)
    assert again == found
    assert check(again, circuit)
    data = json.loads(text)
    for key, value in data.items():
        changed = dict(data)
        if isinstance(value, float):
            changed[key] = float(np.nextafter(value, np.inf))
        elif isinstance(value, int):
            changed[key] = value + 1
        elif isinstance(value, str):
            changed[key] = value[:-1] + ("0" if value[-1] != "0" else "1")
        elif value is None:
            changed[key] = 1.0 if key == "asked" else [[-9.0] * 6, [9.0] * 6]
        elif key == "point":
            changed[key] = [float(np.nextafter(value[0], 9)), *value[1:]]
        elif key == "norm":
            changed[key] = {"p": 1.0, "scale": None}
        else:
            changed[key] = {**value, "witness": [float(np.nextafter(v, 9)) for v in value["witness"]]}
        try:
            verdict = check(Certificate.from_json(json.dumps(changed)), circuit)
        except FormatError:
            continue
        assert not verdict, key
    assert not check(found, functions)
    assert not check(found, circuit.heat(0.5))


def forged(found: Certificate, **fields: object) -> Certificate:
    """A certificate with other fields and the digest that fits them."""
    kept = {name: getattr(found, name) for name in found.__dataclass_fields__ if name != "digest"}
    return Certificate(**{**kept, **fields})


def test_forged_certificates_with_a_fitting_digest_are_not_proved() -> None:
    """What the evidence does not show is refused, whatever the digest says."""
    circuit, _ = digits_like()
    x = np.random.default_rng(2).normal(size=6)
    found = certify(circuit, x, norm=2, gap=1e-6)
    assert check(forged(found), circuit)
    assert not check(forged(found, radius=found.radius * (1 + 1e-4), upper=found.upper * 1.1), circuit)
    assert not check(forged(found, upper=found.upper * (1 - 1e-9)), circuit)
    assert not check(forged(found, margin=found.margin + 1e-6), circuit)
    assert not check(forged(found, label=(found.label + 1) % 4), circuit)
    assert not check(forged(found, status="unknown"), circuit)
    assert not check(forged(found, norm=Norm(np.inf)), circuit)
    assert not check(forged(found, point=tuple((x + 0.01).tolist())), circuit)
    evidence = json.loads(json.dumps(found.evidence))
    assert not check(forged(found, evidence={**evidence, "rivals": evidence["rivals"][:-1]}), circuit)
    row = evidence["rivals"][0]["multipliers"][0]
    row[0] += 2.0**-30
    assert "sum 1" in str(check(forged(found, evidence=evidence), circuit).reason)
    row[0], row[1] = -1.0, 2.0 - row[2]
    assert not check(forged(found, evidence=evidence), circuit)
    for broken in ({}, {"rivals": None}, {"rivals": [{"rival": 0}]}, {"rivals": 3, "witness": ["a"]}):
        assert not check(forged(found, evidence=broken), circuit)


def split_certificate() -> tuple[Heads, Certificate]:
    """A certificate that needs parts of the simplex."""
    for seed in range(50):
        rng = np.random.default_rng(seed)
        model = [LogSumExp(rng.normal(size=(3, 2)), rng.normal(size=3), 1.0) for _ in range(2)]
        found = certify(model, rng.normal(size=2), gap=1e-6)
        if any(proof.get("tree") for proof in found.evidence["rivals"]):
            return model, found
    raise AssertionError("no model needs a split")


def test_trees_must_cover_the_simplex() -> None:
    model, found = split_certificate()
    assert found.method == "exact"
    assert check(found, model)

    def with_proof(**changes: object) -> Certificate:
        rivals = [{**proof, **changes} if proof.get("tree") else proof for proof in found.evidence["rivals"]]
        return forged(found, evidence={**found.evidence, "rivals": rivals})

    proof = next(p for p in found.evidence["rivals"] if p.get("tree"))
    assert check(with_proof(), model)
    assert not check(with_proof(tree=None), model)
    assert not check(with_proof(tree={"at": proof["tree"]["at"], "parts": proof["tree"]["parts"][:1]}), model)
    assert not check(with_proof(tree={"slope": [0.5, 0.5, 0.5]}), model)
    assert not check(with_proof(tree={"at": 0, "parts": proof["tree"]["parts"]}), model)
    assert not check(with_proof(multipliers=proof["multipliers"][:-1]), model)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": [0.0, 1.0]}, "shape"),
        ({"x": [np.nan] * 6}, "finite"),
        ({"x": [0.0] * 6, "label": 4}, "label 4"),
        ({"x": [0.0] * 6, "label": -1}, "label -1"),
        ({"x": [0.0] * 6, "radius": 0.0}, "radius"),
        ({"x": [0.0] * 6, "radius": float("nan")}, "radius"),
        ({"x": [0.0] * 6, "norm": 3}, "norm"),
        ({"x": [0.0] * 6, "norm": "two"}, "norm"),
        ({"x": [0.0] * 6, "norm": Norm(2, (1.0, 2.0))}, "scales"),
        ({"x": [0.0] * 6, "method": "magic"}, "method"),
        ({"x": [0.0] * 6, "box": (1, 2)}, "outside"),
        ({"x": [0.0] * 6, "box": (2, 1)}, "empty"),
        ({"x": [0.0] * 6, "gap": 0.0}, "gap"),
        ({"x": [0.0] * 6, "time_limit": -1.0}, "time limit"),
        ({"x": [1j] * 6}, "real numbers"),
        ({"x": ["a"] * 6}, "real numbers"),
        ({"x": [0.0] * 6, "radius": "a"}, "radius"),
        ({"x": [0.0] * 6, "radius": True}, "radius"),
        ({"x": [0.0] * 6, "gap": "a"}, "gap"),
        ({"x": [0.0] * 6, "seed": -1}, "seed"),
        ({"x": [0.0] * 6, "seed": 1.5}, "seed"),
    ],
)
def test_bad_input_is_refused(arguments: dict, message: str) -> None:
    circuit, _ = digits_like()
    with pytest.raises(InvalidInput, match=message):
        certify(circuit, **arguments)


def test_other_models_and_files_are_refused() -> None:
    builder = CircuitBuilder(1)
    hidden = builder.pairs_with_zero(0, 0.5)
    deep = builder.pairs_with_zero(builder.affine([(hidden, [[1.0]])], [-1.0]), 0.5)
    with pytest.raises(Unsupported, match="single layer"):
        certify(builder.build(deep), [0.0], method="combined")
    with pytest.raises(InvalidInput, match="one function a class"):
        certify([], [0.0])
    with pytest.raises(InvalidInput, match="found NoneType"):
        certify(None, [0.0])
    for text in ("", "[]", '{"format": "other"}', "{}"):
        with pytest.raises(FormatError):
            Certificate.from_json(text)
    assert certify_all(digits_like()[0], np.zeros((0, 6))) == []


def test_constant_classes_never_change() -> None:
    model = [LogSumExp(np.zeros((2, 3)), [1.0, 0.0], 0.5), LogSumExp(np.zeros((1, 3)), [0.0], 0.0)]
    found = certify(model, [0.0, 1.0, 2.0])
    assert (found.radius, found.upper, found.status) == (1e12, np.inf, "robust")
    assert check(found, model)

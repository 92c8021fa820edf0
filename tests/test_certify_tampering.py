"""Changed certificates: what becomes false is refused, whether or not the forger writes the digest anew.

With the old digest every change is refused. With a digest that fits, the fields are a new claim, and it is judged as
one. Some are weaker than the old and still proved by its evidence: a lower radius, a larger upper bound with the same
witness, another method or time; those are no forgeries. Claims that a counterexample contradicts, or that the evidence
does not reach, must be refused whatever the evidence is made to look like.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import pytest

from tropix import Circuit, LogSumExp
from tropix.certify import Certificate, Norm, certify, certify_monotone, certify_property, certify_regression, check
from tropix.certify._models import Subject
from tropix.circuits import CircuitBuilder, uniform_segments
from tropix.errors import FormatError

Data = dict[str, Any]
MOST = 150  # changes of one certificate, where each costs a check
Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Case:
    """A model with a tight certificate: the counterexample at ``upper`` shows larger radii to be false."""

    model: Any
    found: Certificate

    @property
    def data(self) -> Data:
        return dict(json.loads(self.found.to_json()))


def heads(seed: int, eps: float, d: int = 3, classes: int = 3, count: int = 3) -> list[LogSumExp]:
    rng = np.random.default_rng(seed)
    return [
        LogSumExp(np.round(rng.normal(size=(count, d)), 3), np.round(rng.normal(size=count), 3), eps)
        for _ in range(classes)
    ]


def of_heads(eps: float, **arguments: Any) -> Case:
    """The first seed at which the point has a counterexample and, in a box, the box matters."""
    gap = arguments.pop("gap", 1e-4)
    for seed in range(100):
        model = heads(seed, eps)
        x = np.round(np.random.default_rng(seed).normal(size=3), 3)
        box = arguments.get("box")
        given = {**arguments, "box": None if box is None else (x - box, x + box)}
        found = certify(model, x, gap=gap, **given)
        free = certify(model, x, gap=gap, **{**given, "box": None})
        if found.radius > 0 and found.upper < np.inf and (box is None or found.radius > 1.01 * free.upper):
            return Case(model, found)
    raise AssertionError("no seed has such a certificate")


def with_a_tree() -> Case:
    for seed in range(50):
        rng = np.random.default_rng(seed)
        model = [LogSumExp(rng.normal(size=(3, 2)), rng.normal(size=3), 1.0) for _ in range(2)]
        found = certify(model, rng.normal(size=2), gap=1e-6)
        if found.upper < np.inf and any(proof.get("tree") for proof in found.evidence["rivals"]):
            return Case(model, found)
    raise AssertionError("no model needs a split")


def network(seed: int) -> Circuit:
    """Three inputs, four hidden units, softplus, two outputs."""
    rng = np.random.default_rng(seed)
    builder = CircuitBuilder(3)
    hidden = builder.pairs_with_zero(builder.affine([(0, rng.normal(size=(4, 3)))], rng.normal(size=4)), 0.5)
    return builder.build(builder.affine([(hidden, rng.normal(size=(2, 4)))], rng.normal(size=2)))


def of_slopes() -> Case:
    circuit = network(0)
    return Case(circuit, certify(circuit, [0.5, -0.25, 1.0], method="local", norm="inf"))


def of_a_property() -> Case:
    circuit = circuit_of(heads(1, 0.2))
    x = np.array([0.5, -0.25, 1.0])
    bound = float(circuit(x)[1]) + 0.5
    return Case(circuit, certify_property(circuit, x, [[0.0, 1.0, 0.0]], [bound], norm=2))


def of_a_tolerance() -> Case:
    circuit = circuit_of(heads(1, 0.0))
    return Case(circuit, certify_regression(circuit, [0.5, -0.25, 1.0], 0.5, norm="inf", method="local"))


def circuit_of(classes: list[LogSumExp]) -> Circuit:
    builder = CircuitBuilder(3)
    weights, bias = np.vstack([f.weights for f in classes]), np.concatenate([f.bias for f in classes])
    pieces = builder.affine([(0, weights)], bias)
    return builder.build(builder.log_sum_exp(pieces, classes[0].eps, uniform_segments(len(classes), 3)))


def of_monotonicity() -> Case:
    builder = CircuitBuilder(2)
    hidden = builder.pairs_with_zero(builder.affine([(0, [[1.0, 0.0], [0.5, 1.0], [-1.0, 0.5]])], np.zeros(3)), 0.5)
    circuit = builder.build(builder.affine([(hidden, [[1.0, 1.0, -0.25], [1.0, -1.0, 2.0]])], np.zeros(2)))
    return Case(circuit, certify_monotone(circuit, [1.0, 0.5], {0: 1, 1: 1}))


def of_planes(method: str) -> Case:
    return Case(network(1), certify(network(1), [0.5, -0.25, 1.0], method=method, norm="inf", time_limit=2.0))  # type: ignore[arg-type]


def of_cells() -> Case:
    rng = np.random.default_rng(4)
    builder = CircuitBuilder(3)
    hidden = builder.relu(builder.affine([(0, rng.normal(size=(4, 3)))], rng.normal(size=4)))
    circuit = builder.build(builder.affine([(hidden, rng.normal(size=(2, 4)))], rng.normal(size=2)))
    return Case(circuit, certify(circuit, [0.5, -0.25, 1.0], method="exact", norm=2))


def of_curvature() -> Case:
    circuit = circuit_of(heads(1, 0.5))
    return Case(circuit, certify(circuit, [0.5, -0.25, 1.0], method="second-order"))


CASES: dict[str, Callable[[], Case]] = {
    "max-affine, 2": lambda: of_heads(0.0, norm=2),
    "max-affine, inf": lambda: of_heads(0.0, norm="inf"),
    "max-affine, 1": lambda: of_heads(0.0, norm=1),
    "smooth, 2": lambda: of_heads(0.2, norm=2),
    "smooth, inf, scaled": lambda: of_heads(0.2, norm=Norm(np.inf, (0.5, 1.0, 2.0))),
    "smooth, 1, hot": lambda: of_heads(3.0, norm=1),
    "smooth, inf, box": lambda: of_heads(0.1, norm="inf", box=np.array([0.25, 0.5, 1.0])),
    "max-affine, 2, box": lambda: of_heads(0.0, norm=2, box=np.array([0.25, 0.5, 1.0])),
    "tree": with_a_tree,
    "property": of_a_property,
}
"""Tight certificates: their counterexamples show what is false."""
LOOSE: dict[str, Callable[[], Case]] = {
    "slopes": of_slopes,
    "intervals": lambda: of_planes("interval"),
    "planes": lambda: of_planes("linear"),
    "branching": lambda: of_planes("branching"),
    "cells": of_cells,
    "curvature": of_curvature,
    "tolerance": of_a_tolerance,
    "monotone": of_monotonicity,
}
"""The other kinds of evidence, where no counterexample is near."""


@cache
def case(name: str) -> Case:
    found = (CASES | LOOSE)[name]()
    assert check(found.found, found.model), name
    if name in LOOSE:
        assert found.found.radius > 0
        return found
    assert found.found.gap <= (0.1 if found.found.box is not None else 1.1e-3) * found.found.upper, name
    return found


def signed(data: Data) -> Certificate:
    """The certificate with a digest that fits; `FormatError` where the fields are none."""
    read = Certificate.from_json(json.dumps({**data, "digest": "none"}))
    return Certificate.from_json(json.dumps({**data, "digest": read.content_digest()}))


def proved(data: Data, model: Any, *, anew: bool = True) -> bool:
    """Whether the changed certificate passes, with the digest written anew or left."""
    try:
        return bool(check(signed(data) if anew else Certificate.from_json(json.dumps(data)), model))
    except FormatError:
        return False


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """The paths to all values inside a JSON value, lists and objects too."""
    if path:
        yield path, value
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from leaves(item, (*path, key))


def put(data: Data, path: Path, value: Any) -> Data:
    found = copy.deepcopy(data)
    place: Any = found
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return found


def digits_changed(value: float) -> Iterator[float]:
    """The numbers that differ in one digit of the text, each position one up and one down."""
    text = repr(value)
    end = text.find("e") if "e" in text else len(text)
    for i in range(end):
        if text[i].isdigit():
            for step in (1, -1):
                digit = int(text[i]) + step
                if 0 <= digit <= 9:
                    changed = float(text[:i] + str(digit) + text[i + 1 :])
                    if changed != value:
                        yield changed


ODD: tuple[Any, ...] = (
    None, True, False, float("nan"), "inf", "-inf", -1, 0, 10**400, 2**64, -1e-300, 5e-324, "0.5", "", [], [[]], {},
    {"at": 3}, [[[[0.5]]]],
)  # fmt: skip


def changes(value: Any) -> Iterator[Any]:
    """Other values in a value's place."""
    if isinstance(value, float):
        yield from digits_changed(value)
        yield from (-value, np.nextafter(value, np.inf).item(), np.nextafter(value, -np.inf).item())
    elif isinstance(value, bool | int):
        yield from (value + 1, value - 1, float(value))
    elif isinstance(value, str):
        yield from (value + "0", value[:-1], value[:-1] + ("0" if value[-1:] != "0" else "1"))
    elif isinstance(value, list):
        yield from (value[:-1], value[1:], [*value, *value[-1:]], value[::-1])
    elif isinstance(value, dict):
        for key in value:
            yield {k: v for k, v in value.items() if k != key}
        yield {**value, "more": 1}
    yield from ODD


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are written alike; 1 and 1.0 are not, −0.0 and 0.0 are not."""
    return json.dumps(one) == json.dumps(other)


@pytest.mark.parametrize("name", CASES | LOOSE)
def test_every_change_under_the_old_digest_is_refused(name: str) -> None:
    """Each field, each digit position, each entry of the evidence: a thousand changes and more over the cases."""
    known = case(name)
    data = known.data
    changed = [
        (path, other)
        for path, value in leaves(data)
        for other in changes(value)
        if not same(value, other) and not same(float_fields(path, other), value)
    ]
    fields = [change for change in changed if change[0][0] != "evidence"]
    evidence = [change for change in changed if change[0][0] == "evidence"]
    order = np.random.default_rng(0).permutation(len(evidence))[: 10 * MOST]
    assert len(fields) + len(order) > 500
    for path, other in fields + [evidence[i] for i in order]:
        assert not proved(put(data, path, other), known.model, anew=False), (path, other)
    for key in data:
        assert not proved({k: v for k, v in data.items() if k != key}, known.model, anew=False)


def float_fields(path: Path, value: Any) -> Any:
    """What a field of numbers reads: whole numbers and floats are the same there, as texts are of infinities."""
    plain = path[0] in ("margin", "radius", "upper", "seconds", "asked", "point", "box", "norm")
    return float(value) if plain and type(value) is int and abs(value) < 2**53 else value


@pytest.mark.parametrize("name", CASES)
def test_each_digit_of_the_radius(name: str) -> None:
    """Raised above the counterexample it is refused in any company; lowered it is weaker and has the same proof."""
    known = case(name)
    data, refused = known.data, 0
    for radius in digits_changed(known.found.radius):
        if radius > known.found.radius:
            for upper in (data["upper"], max(radius, data["upper"]), 2 * radius, "inf"):
                answer = proved({**data, "radius": radius, "upper": upper}, known.model)
                false = radius > known.found.upper or (upper != "inf" and radius > upper)
                refused += false
                assert not (false and answer), (radius, upper)
        elif radius > 0:
            assert proved({**data, "radius": radius}, known.model), radius
    assert refused >= 4


@pytest.mark.parametrize("name", CASES)
def test_each_digit_of_the_upper_bound_and_the_margin(name: str) -> None:
    """An upper bound below its witness and a margin of another model are refused; a larger upper bound is weaker."""
    known = case(name)
    data, found = known.data, known.found
    reach = witness_distance(found, found.norm)
    for upper in digits_changed(found.upper):
        answer = proved({**data, "upper": upper}, known.model)
        assert answer == at_most(reach, upper, found.norm.p), upper
    size = 100.0  # more than all the numbers of these models
    for margin in digits_changed(found.margin):
        if abs(margin - found.margin) > 3e-9 * size:
            assert not proved({**data, "margin": margin}, known.model), margin


def witness_distance(found: Certificate, norm: Norm) -> Fraction:
    """‖x' − x‖, squared for the norm 2, as a rational."""
    scales = norm.scale or (1.0,) * len(found.point)
    parts = [
        abs(Fraction(a) - Fraction(b)) / Fraction(s)
        for a, b, s in zip(found.evidence["witness"], found.point, scales, strict=True)
    ]
    return sum(p * p for p in parts) if norm.p == 2 else sum(parts) if norm.p == 1 else max(parts)


def at_most(reach: Fraction, upper: float, p: float) -> bool:
    return upper >= 0 and reach <= (Fraction(upper) ** 2 if p == 2 else Fraction(upper))


def claims_made_false(known: Case) -> Iterator[tuple[str, Data]]:
    """Claims that are false, or say nothing, with the evidence of a true one."""
    data, found = known.data, known.found
    free = {**data, "upper": "inf"}
    d, classes = len(found.point), len(data["evidence"]["rivals"]) + 1
    for k in range(classes):
        if k != found.label:
            yield "label", {**data, "label": k}
            yield "label", {**free, "label": k}
    for label in (classes, -1, True, float(found.label), str(found.label)):
        yield "no label", {**data, "label": label}
    for status in ("robust", "falsified", "unknown", "proved"):
        if status != data["status"]:
            yield "status", {**data, "status": status}
    for asked in (0.0, -1.0, "inf", "-inf", float("nan"), found.upper * 1.5):
        for status in ("robust", "falsified", "unknown"):
            if (asked, status) != (found.upper * 1.5, "falsified"):
                yield "asked", {**data, "asked": asked, "status": status}
    scales = np.array(found.norm.scale or (1.0,) * d)
    larger = [Norm(p, found.norm.scale) for p in (1.0, 2.0, np.inf)]
    larger += [Norm(found.norm.p, tuple(scales * factor)) for factor in (*(1 + 3 * np.eye(d)), 1.01 * np.ones(d))]
    for norm in larger:
        if at_most(witness_distance(found, norm), found.radius * (1 - 1e-12), norm.p):  # the witness is in the new ball
            written = {"p": "inf" if norm.p == np.inf else norm.p, "scale": norm.scale}
            yield "norm", {**data, "norm": written}
            yield "norm", {**free, "norm": written}
    for scale in ([], [1.0] * (d + 1), [0.0] * d, [-1.0] * d, ["inf"] * d):
        yield "scales", {**data, "norm": {**data["norm"], "scale": scale}}
    x = np.array(found.point)
    behind = np.array(found.evidence["witness"])
    for share in (0.5, 1.0, 1.5):
        moved = (x + share * (behind - x)).tolist()
        yield "point", {**free, "point": moved}
        yield "point", {**data, "point": moved}
    for share in (0.0, 0.5, 0.9):
        moved = (x + share * (behind - x)).tolist()
        yield "witness", {**data, "evidence": {**data["evidence"], "witness": moved}}
    for witness in (None, [], data["point"][:-1], ["x"] * d, [float("nan")] * d, ["inf"] * d, [10**400] * d):
        yield "no witness", {**data, "evidence": {**data["evidence"], "witness": witness}}
    if found.box is not None:
        yield "no box", {**data, "box": None}
        yield "no box", {**free, "box": None}
        yield "no box", {**free, "box": [["-inf"] * d, ["inf"] * d]}
    yield "box", {**data, "box": [(x + 1).tolist(), (x + 2).tolist()]}
    yield "box", {**data, "box": [x.tolist(), x.tolist()]}  # the witness is outside
    yield "box", {**data, "box": [(x + 1).tolist(), (x - 1).tolist()]}
    yield "box", {**data, "box": [x.tolist()]}
    for rivals in ([], data["evidence"]["rivals"][:-1], None, {}, data["evidence"]["rivals"] * 2):
        yield "rivals", {**data, "evidence": {**data["evidence"], "rivals": rivals}}
    for kind in ("", "planes?", None, 1, ["pieces"]):
        yield "kind", {**data, "evidence": {**data["evidence"], "kind": kind}}
    yield "model", {**data, "model": "0" * 64}
    yield "format", {**data, "format": "tropix certificate 0"}
    yield "unknown field", {**data, "certified": 2.0}
    yield "unknown field", {**data, "norm": {**data["norm"], "q": 1}}


@pytest.mark.parametrize("name", CASES)
def test_false_claims_are_refused_with_a_digest_that_fits(name: str) -> None:
    known = case(name)
    assert proved(known.data, known.model)
    for what, data in claims_made_false(known):
        assert not proved(data, known.model), (what, {k: v for k, v in data.items() if v != known.data.get(k)})


@pytest.mark.parametrize("name", CASES)
def test_no_change_of_the_evidence_proves_a_radius_beyond_the_counterexample(name: str) -> None:
    """Negative or missing multipliers, sums other than 1, texts, huge numbers, nesting, trees that do not cover."""
    known = case(name)
    beyond = {**known.data, "radius": known.found.upper * (1 + 1e-9), "upper": "inf"}
    assert not proved(beyond, known.model)
    changed = [(path, other) for path, value in leaves(beyond["evidence"]) for other in changes(value)]
    for i in np.random.default_rng(1).permutation(len(changed))[:MOST]:
        path, other = changed[i]
        assert not proved(put(beyond, ("evidence", *path), other), known.model), (path, other)


@pytest.mark.parametrize("name", [name for name in CASES if "box" not in name])
def test_no_evidence_that_is_made_up_proves_a_false_radius(name: str) -> None:
    """A forger who knows the format: any multipliers, midpoints, trees and slopes, for a radius just too large."""
    known = case(name)
    if known.data["evidence"]["kind"] != "pieces":
        pytest.skip("the evidence has another grammar")
    rng = np.random.default_rng(0)
    true, false = 0, {**known.data, "radius": known.found.upper * (1 + 1e-6), "upper": "inf"}
    small = {**known.data, "radius": 1e-3 * known.found.radius, "upper": "inf"}
    for _ in range(60):
        rivals = [made_up(rng, known, proof) for proof in known.data["evidence"]["rivals"]]
        evidence = {**known.data["evidence"], "rivals": rivals}
        assert not proved({**false, "evidence": evidence}, known.model), evidence
        true += proved({**small, "evidence": evidence}, known.model)
    assert true  # the grammar is that of the check: some of it proves what is true


def made_up(rng: np.random.Generator, known: Case, proof: Data) -> Data:
    functions = Subject(known.model, known.found.property).classes.functions
    own, count = len(functions[known.found.label].bias), len(functions[proof["rival"]].bias)
    midpoints: list[list[int]] = []

    def part(cell: list[int], depth: int) -> Data:
        if count == 1 or depth == 0 or rng.random() < 0.3:
            slope = rng.dirichlet(np.ones(count)) * (1 - 1e-12)
            return {"slope": np.maximum(slope, 1e-9).tolist() if rng.random() < 0.9 else [1.0] * count}
        a, b = (int(v) for v in rng.choice(cell, size=2, replace=rng.random() < 0.1))
        midpoints.append([a, b])
        at = count + len(midpoints) - 1
        ends = (b, a) if rng.random() < 0.9 else (b, b)
        return {"at": at, "parts": [part([at if v == gone else v for v in cell], depth - 1) for gone in ends]}

    tree = part(list(range(count)), int(rng.integers(0, 3)))
    sharp = np.array(proof["multipliers"])
    rows = []
    for _ in range(count + len(midpoints)):
        row = sharp[rng.integers(len(sharp))] + rng.choice([0.0, 0.01, 1.0]) * rng.dirichlet(np.ones(own))
        whole = np.floor(row / row.sum() * 2**40)
        whole[int(row.argmax())] += 2**40 - whole.sum()
        rows.append((whole / 2**40).tolist())
    return {"rival": proof["rival"], "multipliers": rows, "midpoints": midpoints, "tree": tree if midpoints else None}


def test_models_and_points_are_not_exchanged() -> None:
    """A certificate of another model or point, whether or not it is made to name the right one."""
    known = case("smooth, 2")
    model = known.model
    nudged = np.array(model[0].weights)
    nudged[0, 0] = np.nextafter(nudged[0, 0], np.inf)
    others = {
        "one digit": [LogSumExp(nudged, model[0].bias, model[0].eps), *model[1:]],
        "hotter": [LogSumExp(f.weights, f.bias, 1.1 * f.eps) for f in model],
        "other order": model[::-1],
        "one class less": model[:-1],
        "one class more": [*model, LogSumExp(np.zeros((1, 3)), [50.0], 0.2)],
        "other weights": [LogSumExp(2 * f.weights, f.bias, f.eps) for f in model],
        "rival raised": [
            f if k == known.found.label else LogSumExp(f.weights, f.bias + 1e-3, f.eps) for k, f in enumerate(model)
        ],
    }
    for name, other in others.items():
        assert not check(known.found, other), name
        data = {**known.data, "model": certify(other, known.found.point).model}
        if name != "one digit":  # so small a change leaves the claim true
            assert not proved(data, other), name
    x = np.array(known.found.point)
    for shift in np.eye(3) * 0.01:
        near = certify(model, x + shift, gap=1e-6)
        data = json.loads(near.to_json())
        mixed = {**known.data, "evidence": data["evidence"], "radius": 1.001 * max(near.upper, known.found.upper)}
        assert not proved({**mixed, "upper": "inf"}, model)
        assert not proved({**data, "point": known.data["point"]}, model)


def test_texts_that_readers_would_read_differently() -> None:
    """A name given twice, values that are no JSON, numbers too long, and nesting without end."""
    known = case("smooth, 2")
    text = known.found.to_json()
    assert check(Certificate.from_json(text), known.model)
    line = f'"radius": {known.found.radius!r}'
    assert line in text
    for other in (
        text.replace(line, f'"radius": 99.0, {line}'),
        text.replace(line, f'{line}, "radius": {known.found.radius!r}'),
        text.replace('"multipliers"', '"multipliers": 1, "multipliers"', 1),
        text.replace(line, '"radius": NaN'),
        text.replace(line, '"radius": true'),
        text.replace(line, '"radius": "0.5"'),
        text.replace(line, '"radius": 1' + "0" * 5000),
        text.replace(f'"{known.found.digest}"', '""'),
        text.replace('"evidence": {', '"evidence": {"deep": ' + "[" * 100_000 + "]" * 100_000 + ","),
        text + "x",
        text[:-2],
    ):
        assert other != text
        with pytest.raises(FormatError):
            Certificate.from_json(other)


def test_evidence_too_deep_to_read_is_refused_not_raised() -> None:
    known = case("tree")
    deep: Any = {"slope": [1.0]}
    for _ in range(100_000):
        deep = {"at": 3, "parts": [deep, deep]}
    evidence = {**known.found.evidence, "deep": deep}
    fields = {n: getattr(known.found, n) for n in known.found.__dataclass_fields__ if n not in ("digest", "evidence")}
    assert not check(Certificate(**fields, evidence=evidence, digest="0"), known.model)


@pytest.mark.parametrize("name", LOOSE)
def test_no_evidence_of_other_kinds_proves_what_is_false(name: str) -> None:
    """A radius in which the claim certainly fails, with changed evidence, and any region to enclose slopes in."""
    known = case(name)
    data = {**known.data, "upper": "inf"}
    assert proved(data, known.model)
    assert proved({**data, "radius": known.found.radius / 3}, known.model)
    beyond = known.found.upper * (1 + 1e-6) if known.found.upper < np.inf else 1e3
    far = {**data, "radius": beyond}
    changed = [(path, other) for path, value in leaves(far["evidence"]) for other in changes(value)]
    most = min(MOST, 60_000 // len(known.found.to_json()))  # long evidence is dear to check
    for i in np.random.default_rng(2).permutation(len(changed))[:most]:
        path, other = changed[i]
        assert not proved(put(far, ("evidence", *path), other), known.model), (path, other)
    for evidence in [data["evidence"], *({**data["evidence"], "region": r} for r in ("ball", "everywhere", *ODD))]:
        assert not proved({**far, "evidence": evidence}, known.model), evidence
        assert not proved({**data, "label": 1 - known.found.label, "evidence": evidence}, known.model)
    for kind in ("pieces", "planes", "cells", "slopes", "curvature", "", None):
        if kind != data["evidence"]["kind"]:
            assert not proved({**far, "evidence": {**data["evidence"], "kind": kind}}, known.model)
    assert not proved({**data, "margin": known.found.margin + 1e-5}, known.model)


def test_properties_are_read_to_the_letter() -> None:
    """Another property is another claim; what the check does not read of one must not be there to be believed."""
    known = case("property")
    data = {**known.data, "upper": "inf"}
    written = data["property"]
    bounds = written["bounds"][0]
    for other in (
        None,
        {},
        {**written, "bounds": [bounds - 1e-3]},
        {**written, "rows": [[0.0, 2.0, 0.0]]},
        {**written, "rows": [[1.0, 0.0, 0.0]]},
        {**written, "rows": [[0.0, 1.0]]},
        {**written, "bounds": [bounds, bounds]},
        {**written, "rows": [], "bounds": []},
        {**written, "tolerance": 1e-6},
        {**written, "kind": "regression"},
        {**written, "kind": "monotone"},
        {**written, "kind": ["linear"]},
        {**written, "bounds": ["inf"]},
    ):
        assert not proved({**data, "property": other}, known.model), other
    # label 1 says that the inequality is violated: it must not pass for the property
    broken = {**written, "bounds": [bounds - 1.0]}
    evidence = {"kind": "pieces", "rivals": [{"rival": 0, "multipliers": data["evidence"]["rivals"][0]["multipliers"]}]}
    violated = {**data, "property": broken, "label": 1, "margin": 0.5, "radius": 1e-3}
    for rows in ([[1.0]], [[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]], [[0.0, 0.0, 1.0]]):
        evidence["rivals"] = [{"rival": 0, "multipliers": rows}]
        assert not proved({**violated, "evidence": evidence}, known.model)

    known = case("tolerance")
    written = known.data["property"]
    for other in (
        {**written, "tolerance": 0.4},
        {**written, "tolerance": -0.5},
        {**written, "values": written["values"][:1]},
        {**written, "values": [v + 0.01 for v in written["values"]]},
        {**written, "outputs": [0], "values": written["values"][:1], "bounds": [0.1]},
        {**written, "outputs": [0, 1, True]},
    ):
        assert not proved({**known.data, "property": other}, known.model), other

    known = case("monotone")
    written = known.data["property"]
    for other in (
        {**written, "inputs": []},
        {**written, "inputs": [[0, -1], [1, 1]]},
        {**written, "inputs": [[0, 1], [0, -1]]},
        {**written, "inputs": [[0, 1], [2, 1]]},
        {**written, "inputs": [[0, 1], [-1, 1]]},
        {**written, "output": 1},
        {**written, "output": -2},
        {**written, "strictly": True},
    ):
        assert not proved({**known.data, "property": other}, known.model), other

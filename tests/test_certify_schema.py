"""The JSON Schema of certificates holds for all that are written, and not for others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from tropix import LogSumExp
from tropix.certify import (
    Certificate,
    Norm,
    certificate_schema,
    certify,
    certify_monotone,
    certify_property,
    certify_regression,
)
from tropix.certify._check import KINDS
from tropix.circuits import CircuitBuilder


def heads(seed: int) -> list[LogSumExp]:
    rng = np.random.default_rng(seed)
    return [LogSumExp(rng.normal(size=(3, 2)), rng.normal(size=3), eps) for eps in (0.0, 0.5, 2.0)]


def network() -> Any:
    rng = np.random.default_rng(0)
    builder = CircuitBuilder(2)
    hidden = builder.relu(builder.affine([(0, rng.normal(size=(4, 2)))], rng.normal(size=4)))
    return builder.build(builder.affine([(hidden, rng.normal(size=(2, 4)))], [0.1, -0.1]))


def made() -> list[Certificate]:
    found = []
    for seed in range(4):
        point = np.random.default_rng(seed).normal(size=2)
        methods: tuple[Any, ...] = ("lipschitz", "tangent", "combined", "transfer", "exact")
        norm = (1, 2, "inf")[seed % 3]
        found += [certify(heads(seed), point, norm=norm, method=method) for method in methods]
        found.append(certify(heads(seed), point, radius=0.1))
        found.append(certify(heads(seed), point, box=(-10, np.inf), norm=Norm(2, (0.5, 2.0))))
        found.append(certify(heads(seed), point, (found[-1].label + 1) % 3))
    circuit = network()
    of_circuits: tuple[Any, ...] = ("lipschitz", "local", "interval", "linear", "branching", "cells", "auto")
    found += [certify(circuit, [0.3, -0.2], method=method) for method in of_circuits]
    found.append(certify(heads(0)[1:], [0.1, 0.2], method="second-order"))
    found.append(certify_property(circuit, [0.3, -0.2], [[1.0, -1.0]], [5.0], method="local"))
    found.append(certify_regression(circuit, [0.3, -0.2], 0.5, method="local"))
    found.append(certify_monotone(circuit, [0.3, -0.2], {0: 1}))
    return found


@pytest.fixture(scope="module")
def certificates() -> list[Certificate]:
    return made()


def faults(data: Any) -> list[str]:
    return [error.message for error in Draft202012Validator(certificate_schema()).iter_errors(data)]


def test_what_is_written_conforms(certificates: list[Certificate]) -> None:
    Draft202012Validator.check_schema(certificate_schema())
    kinds, statuses = set(), set()
    for certificate in certificates:
        data = json.loads(certificate.to_json())
        assert faults(data) == []
        kinds.add(data["evidence"]["kind"])
        statuses.add(data["status"])
    assert kinds == set(KINDS)
    assert statuses >= {"robust", "falsified"}
    assert any("tree" in rival for c in certificates for rival in c.evidence.get("rivals", []))


def test_every_kind_of_evidence_is_described() -> None:
    schema = certificate_schema()
    described = {rule["$ref"].removeprefix("#/$defs/") for rule in schema["properties"]["evidence"]["anyOf"]}
    assert described >= set(KINDS)
    for name in described:
        assert schema["$defs"][name]["properties"]["kind"] == {"const": name}


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("radius",), "0.5"), (("radius",), -1.0), (("radius",), "inf"), (("upper",), "-inf"), (("label",), -1),
        (("label",), 1.5), (("label",), True), (("point",), None), (("point", 0), "0"), (("status",), "proved"),
        (("norm", "p"), 3.0), (("norm", "q"), 2.0), (("box",), [[0.0]]), (("asked",), 0.0), (("model",), "abc"),
        (("digest",), ""), (("more",), 1), (("evidence", "kind"), "magic"), (("evidence", "rivals"), None),
        (("evidence", "rivals", 0, "rival"), 0.5), (("evidence", "rivals", 0, "multipliers", 0, 0), -0.25),
        (("evidence", "rivals", 0, "extra"), 1), (("property",), {"kind": "other"}),
    ],
)  # fmt: skip
def test_what_is_changed_does_not(certificates: list[Certificate], place: tuple[Any, ...], value: Any) -> None:
    data = json.loads(certificates[2].to_json())
    inside = data
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = value
    assert faults(data)


@pytest.mark.parametrize("name", ["format", "model", "point", "radius", "evidence", "property", "digest"])
def test_no_field_may_be_missing(certificates: list[Certificate], name: str) -> None:
    data = json.loads(certificates[0].to_json())
    del data[name]
    assert faults(data) == [f"'{name}' is a required property"]


def test_the_page_names_every_field(root: Path) -> None:
    page = (root / "docs/certificates.md").read_text()
    schema = certificate_schema()
    for name in (*schema["properties"], *KINDS):
        assert f"`{name}`" in page

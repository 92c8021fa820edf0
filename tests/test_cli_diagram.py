"""tropix check, tropix conjugate, and compile to conjugate programs and Hopf–Cole forms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import asked, saved

from tropix import Circuit, LogSumExp
from tropix.circuits import CircuitBuilder
from tropix.convex import conjugate
from tropix.pde import HopfCole, HopfLax
from tropixc.lowerings import lower_to_conjugates, lower_to_solutions

MODELS = Path(__file__).resolve().parent.parent / "examples/models"


def one_layer(eps: float = 0.5) -> Circuit:
    """2.5 times a log-sum-exp of four pieces, plus an affine function."""
    rng = np.random.default_rng(0)
    builder = CircuitBuilder(2)
    pieces = builder.affine([(0, rng.normal(size=(4, 2)))], rng.normal(size=4), "pieces")
    value = builder.log_sum_exp(pieces, eps, np.array([0, 4]), "soft")
    return builder.build(builder.affine([(value, [[2.5]]), (0, [[1.0, -1.0]])], [0.25], "score"))


def deep() -> Circuit:
    rng = np.random.default_rng(1)
    builder = CircuitBuilder(2)
    hidden = builder.pairs_with_zero(builder.affine([(0, rng.normal(size=(3, 2)))], np.zeros(3)), 0.5, name="first")
    second = builder.pairs_with_zero(
        builder.affine([(hidden, rng.normal(size=(2, 3)))], np.ones(2)), 0.25, name="second"
    )
    return builder.build(builder.affine([(second, [[1.0, -1.0]])], [0.0]))


def test_a_model_that_holds(tropix: Any, tmp_path: Path) -> None:
    path = saved(tmp_path, one_layer())
    report = asked(tropix, "check", path, "--box", "-1,1", "--solves", 2)
    assert report["holds"] is True
    assert {row["verdict"] for row in report["rows"]} == {"holds"}
    assert len(report["rows"]) == 9
    supremum = next(row["supremum"] for row in report["rows"] if row["edge"] == "network-tropical")
    f = LogSumExp(*_pieces(one_layer()), 1.25)
    x = np.random.default_rng(0).uniform(-1, 1, size=(2000, 2))
    assert (f(x) - f.limit()(x)).max() <= supremum[1] <= 1.25 * np.log(4) + 1e-12
    code, out, _ = tropix("check", path, "--box", "-1,1", "--solves", 1)
    assert code == 0
    assert "f_eps*" in out
    assert "every edge that applies holds" in out


def _pieces(circuit: Circuit) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    weights, bias = rng.normal(size=(4, 2)), rng.normal(size=4)
    return 2.5 * weights + [1.0, -1.0], 2.5 * bias + 0.25


def test_a_violated_edge_ends_with_status_one(tropix: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HopfCole, "normalisation", property(lambda self: 0.0))
    path = saved(tmp_path, one_layer())
    code, out, _ = tropix("check", path, "--edges", "network-viscous,tropical-inviscid")
    assert code == 1
    assert "VIOLATED" in out
    assert "1 violated" in out
    code, out, _ = tropix("check", path, "--edges", "network-viscous", "--json")
    assert code == 1
    assert json.loads(out)["holds"] is False


def test_heats_and_pictures(tropix: Any, tmp_path: Path) -> None:
    path = saved(tmp_path, one_layer())
    gaps, corners = tmp_path / "gaps.svg", tmp_path / "corners.png"
    edges = ("--edges", "network-tropical,viscous-inviscid")
    report = asked(tropix, "check", path, "--heat", "sweep", *edges, "--plot", gaps)
    assert len({row["heat"] for row in report["rows"]}) == 8
    assert {order["edge"] for order in report["orders"]} == {"network-tropical", "viscous-inviscid"}
    assert "network-tropical" in gaps.read_text() or gaps.read_text().count("<path") > 10
    assert "order of convergence" in tropix("check", path, "--heat", "1,0.5", *edges)[1]
    assert tropix("check", path, *edges, "--plot", corners)[0] == 0
    assert corners.read_bytes().startswith(b"\x89PNG")
    line = CircuitBuilder(1)
    soft = line.build(line.pairs_with_zero(0, 0.5))
    assert tropix("check", saved(tmp_path, soft), *edges, "--plot", tmp_path / "line.pdf")[0] == 0
    code, _, err = tropix("check", MODELS / "digits_lse.onnx", *edges, "--plot", corners)
    assert code == 2
    assert "64 inputs" in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--heat", "warm"), "--heat"),
        (("--heat", "-1"), "heat"),
        (("--edges", "nonsense"), "expected some of"),
        (("--plot", "x.gif"), "suffix"),
        (("--t", "-1"), "t"),
        (("--box", "1,0"), "box"),
    ],
)
def test_bad_options(tropix: Any, tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    code, out, err = tropix("check", saved(tmp_path, one_layer()), *options)
    assert code == 2, out
    assert message in err.lower()


@pytest.mark.parametrize("name", ["diabetes_lse", "digits_lse", "iris_icnn", "breast_cancer_relu", "digits_conv"])
@pytest.mark.parametrize("box", [(), ("--box", "0,1")])
def test_shipped_models_hold(tropix: Any, name: str, box: tuple[str, ...]) -> None:
    report = asked(tropix, "check", MODELS / f"{name}.onnx", *box, "--solves", 2)
    verdicts = {row["verdict"] for row in report["rows"]}
    assert verdicts <= {"holds", "not applicable"}
    assert ("holds" in verdicts) == (name not in ("breast_cancer_relu", "digits_conv"))
    for row in report["rows"]:
        assert row["verdict"] == "holds" or len(row["reason"]) > 20


# -- conjugates --------------------------------------------------------------------------------------------------------


def test_conjugates_of_layers_and_networks(tropix: Any, tmp_path: Path) -> None:
    path = saved(tmp_path, one_layer())
    f = LogSumExp(*_pieces(one_layer()), 1.25)
    inside = f.gradient([[0.3, 0.4]])[0]
    report = asked(tropix, "conjugate", path, "--at", f"{float(inside[0])!r},{float(inside[1])!r};1000,0")
    found, outside = report["points"]
    expected = conjugate(f, inside)
    assert found["value"] == pytest.approx(float(expected.value), abs=1e-9)
    assert found["x"] == pytest.approx([0.3, 0.4], abs=1e-6)
    assert found["gap"] < 1e-9
    assert (outside["value"], outside["status"]) == (None, "outside")
    direction = np.array(outside["separation"])
    assert (direction @ [1000, 0]) > (f.weights @ direction).max()
    text = tropix("conjugate", path, "--at", "0,0")[1]
    assert "log-sum-exp of 4 pieces" in text
    limit = asked(tropix, "conjugate", path, "--at", "1,-1", "--heat", "0")["points"][0]
    assert limit["value"] == pytest.approx(float(conjugate(f.limit(), [1.0, -1.0]).value), abs=1e-9)
    code, _, err = tropix("conjugate", saved(tmp_path, deep()), "--at", "0,0")
    assert code == 2
    assert "convex" in err
    assert tropix("conjugate", path, "--at", "0,0", "--output", 3)[0] == 2


def test_a_conjugate_of_a_deep_network_is_infinite_where_its_slopes_do_not_reach(tropix: Any, tmp_path: Path) -> None:
    builder = CircuitBuilder(1)
    first = builder.pairs_with_zero(builder.affine([(0, [[1.0], [-1.0]])], [0.0, 0.0]), 1.0)
    path = saved(tmp_path, builder.build(builder.pairs_with_zero(builder.affine([(first, [[1.0, 1.0]])], [0.0]), 1.0)))
    text = tropix("conjugate", path, "--at", "5")[1]
    assert "inf" in text
    assert "unknown" not in text


# -- lowerings ---------------------------------------------------------------------------------------------------------


def test_hopf_cole_forms_are_the_model(tropix: Any, tmp_path: Path) -> None:
    circuit = one_layer()
    (found,) = lower_to_solutions(circuit, t=0.7)
    assert isinstance(found.solution, HopfCole)
    x = np.random.default_rng(2).normal(size=(50, 2))
    u = found.solution.value(x)
    square = (x**2).sum(axis=1) / (4 * 0.7)
    assert np.abs(square - u + found.solution.normalisation - circuit(x)[:, 0]).max() < 1e-12
    path, target = saved(tmp_path, circuit), tmp_path / "form.json"
    assert tropix("compile", path, "--format", "hopf-cole", "--t", "0.7", "-o", target)[0] == 0
    data = json.loads(target.read_text())["functions"][0]
    again = HopfCole(data["sites"], data["costs"], data["eps"], data["t"])
    assert np.array_equal(again.value(x), u)
    cold_path = saved(tmp_path, circuit.limit())
    assert "at eps = 0 the minimum" in tropix("compile", cold_path, "--format", "hopf-cole")[1]
    (cold,) = lower_to_solutions(circuit.limit())
    assert isinstance(cold.solution, HopfLax)
    assert np.abs((x**2).sum(axis=1) / 4 - cold.solution.value(x) - circuit.limit()(x)[:, 0]).max() < 1e-12


def test_deep_networks_are_lowered_layer_by_layer() -> None:
    circuit = deep()
    forms = lower_to_solutions(circuit)
    assert [(form.layer, form.unit) for form in forms] == [
        ("first", 0), ("first", 1), ("first", 2), ("second", 0), ("second", 1)
    ]  # fmt: skip
    x = np.random.default_rng(2).normal(size=(20, 2))
    values = dict(zip(circuit.names, circuit.values(x), strict=True))
    for form in forms:
        assert form.layer is not None
        inputs = np.concatenate([values[name] for name in form.inputs], axis=1)[:, form.columns]
        square = (inputs**2).sum(axis=1) / 4
        assert isinstance(form.solution, HopfCole)
        back = square - form.solution.value(inputs) + form.solution.normalisation
        assert np.abs(back - values[form.layer][:, form.unit]).max() < 1e-12
        assert form.name == f"layer {form.layer}, unit {form.unit}"


def test_conjugate_programs_are_the_model(tropix: Any, tmp_path: Path) -> None:
    circuit = one_layer()
    (found,) = lower_to_conjugates(circuit)
    x = np.array([0.3, -0.2])
    y = circuit.gradient(x)[0]
    program = found.program()
    program.param_dict["y"].value = y
    assert program.solve() == pytest.approx(float(x @ y - circuit(x)[0]), abs=1e-6)
    data = json.loads(_output(tropix, "compile", saved(tmp_path, circuit), "--format", "conjugate", "--json"))
    form = data["functions"][0]
    assert LogSumExp(form["W"], form["b"], form["eps"])(x) == pytest.approx(float(circuit(x)[0]), rel=1e-14)
    assert tropix("compile", saved(tmp_path, deep()), "--format", "conjugate")[0] == 2
    code, _, err = tropix("compile", MODELS / "breast_cancer_relu.onnx", "--format", "hopf-cole")
    assert code == 2
    assert "no log-sum-exp layer" in err


def _output(tropix: Any, *arguments: object) -> str:
    code, out, err = tropix(*arguments)
    assert code == 0, err
    return str(out)

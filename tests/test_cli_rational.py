"""The command line on networks that are not convex: kinds, neighbourhoods, files, evaluation, pictures, refusals."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import sympy

import tropixc
from tropix import Circuit, TropicalPolynomial, TropicalRational
from tropix.circuits import CircuitBuilder
from tropix.exact import Rationals
from tropixc.agreement import run_onnx
from tropixc.cli import _compile
from tropixc.frontends.onnx import import_onnx

KINDS = ["polynomial", "rational", "polynomial", "rational"]


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Two inputs; outputs that are convex, not convex, convex after cancellation, and concave."""
    builder = CircuitBuilder(2)
    z = builder.affine([(0, [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [1.0, 1.0]])], [0.0, -0.25, 0.0, 0.5])
    relu = builder.relu(z)
    rows = [[1.0, 0.5, 0.0, 0.0], [1.0, -2.0, 0.0, 0.0], [1.0, 0.0, -1.0, 0.25], [0.0, 0.0, 0.0, -1.0]]
    circuit = builder.build(builder.affine([(relu, rows)], [0.0, 1.0, 0.0, 0.125]))
    path = tmp_path / "mixed.txt"
    path.write_text(tropixc.circuit_to_text(circuit))
    return path


def model_of(path: Path) -> Circuit:
    return tropixc.circuit_from_text(path.read_text())


def exact(circuit: Circuit, output: int, points: Rationals) -> Rationals:
    return circuit.limit().exact(points)[:, output]


def lattice(lower: float = -2.0, upper: float = 2.0) -> Rationals:
    axis = np.linspace(lower, upper, 17)
    return Rationals.of(np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2))


def test_each_output_gets_its_kind(tropix, mixed: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    target = tmp_path / "f.json"
    code, out, _ = tropix("compile", mixed, "-o", target, "--json")
    report = json.loads(out)
    assert code == 0
    assert report["agreement"]["status"] == "holds"
    assert [f["kind"] for f in report["functions"]] == KINDS
    assert [f["monomials"] for f in report["functions"]] == [4, [2, 2], 2, [1, 2]]
    assert [f["convex_parts"] for f in report["functions"]] == [None, 2, None, 1]
    assert [f["cancelled"] for f in report["functions"]] == [None, 0, None, 0]
    assert {f["variables"] for f in report["functions"]} == {2}
    artefact = tropixc.read_artefact(target)
    circuit = model_of(mixed)
    for k, (function, told) in enumerate(zip(artefact.functions, report["functions"], strict=True)):
        assert isinstance(function, TropicalPolynomial if KINDS[k] == "polynomial" else TropicalRational)
        assert function(lattice()).equals(exact(circuit, k, lattice()))
        read = TropicalRational.parse(told["text"], ["x0", "x1"], floats=True)
        assert read(lattice()).equals(exact(circuit, k, lattice()))
    # without the passes, which find it first: what cancels leaves a polynomial
    plain = json.loads(tropix("compile", mixed, "--passes", "none", "--json")[1])["functions"]
    assert [f["kind"] for f in plain] == KINDS
    assert [plain[2][key] for key in ("monomials", "convex_parts", "cancelled")] == [2, 1, 1]
    # gradients of x0⁺ − 2 (x1 − 1/4)⁺ are (0|1, 0|−2)
    assert report["functions"][1]["lipschitz_l2"] == pytest.approx(np.sqrt(5))


def test_the_table_says_the_kind(tropix, mixed: Path) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = tropix("compile", mixed)
    assert code == 0
    lines = out.splitlines()
    heading = "output kind variables monomials formed convex parts cancelled Lipschitz (l2)"
    assert lines[0].split() == heading.split()
    assert lines[2].split()[:6] == ["1", "rational", "2", "2", "/", "2"]
    assert lines[3].split()[:4] == ["2", "polynomial", "2", "2"]
    assert "f1 = max(1, x0 + 1) - max(0, 2*x1 - 0.5)" in out
    assert "agrees with onnxruntime" in lines[-1]
    _, out, _ = tropix("compile", mixed, "--output", 0)
    assert "convex parts" not in out.splitlines()[0]


def test_the_kind_can_be_asked_for(tropix, mixed: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    report = json.loads(tropix("compile", mixed, "--to", "rational", "--json")[1])
    assert [f["kind"] for f in report["functions"]] == ["rational"] * 4
    assert report["functions"][0]["monomials"] == [4, 1]
    report = json.loads(tropix("compile", mixed, "--to", "polynomial", "--output", 0, "--json")[1])
    assert report["functions"][0]["kind"] == "polynomial"
    code, out, err = tropix("compile", mixed, "--to", "polynomial", "-o", tmp_path / "f.json")
    assert (code, out) == (2, "")
    assert "--to rational" in err
    assert not (tmp_path / "f.json").exists()
    assert tropix("compile", mixed, "--to", "nonsense")[0] == 2


@pytest.mark.parametrize("form", ["text", "latex", "sympy", "json"])
def test_formats(tropix, mixed: Path, form: str) -> None:  # type: ignore[no-untyped-def]
    code, out, err = tropix("compile", mixed, "--format", form)
    assert code == 0
    assert err.startswith("agrees with onnxruntime")
    circuit, points = model_of(mixed), lattice()
    if form == "json":
        functions = tropixc.Artefact.from_json(out).functions
    elif form == "text":
        functions = tuple(TropicalRational.parse(line, ["x0", "x1"], floats=True) for line in out.splitlines())
    elif form == "latex":
        assert out.splitlines() == tropixc.compile(tropixc.load(mixed), "latex")
        assert r"\max\left\{1,\ x_{0} + 1\right\} - \max\left\{" in out
        return
    else:
        x = sympy.symbols("x0 x1")
        functions = tuple(TropicalRational.from_sympy(sympy.parse_expr(line), x) for line in out.splitlines())
    for k, function in enumerate(functions):
        assert function(points).equals(exact(circuit, k, points))


def test_a_neighbourhood_is_a_box(tropix, mixed: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    rows = np.array([[9.0, 9.0], [0.5, 1.0]])
    np.save(tmp_path / "p.npy", rows)
    np.savetxt(tmp_path / "p.csv", rows, delimiter=",")
    np.savetxt(tmp_path / "r.csv", [[0.25, 0.75]], delimiter=",")

    def functions(*arguments: object) -> list[object]:
        code, out, err = tropix("compile", mixed, "--json", *arguments)
        assert (code, err) == (0, "")
        report = json.loads(out)
        assert report["agreement"]["status"] == "holds"
        return [report["box"], report["functions"]]

    expected = functions("--box", "0.25,0.75;0.75,1.25")
    for point in ("0.5,1", f"{tmp_path}/p.npy:1", f"{tmp_path}/p.csv:1"):
        assert functions("--around", point, "--radius", "0.25") == expected
        assert functions("--around", point, "--radius", "0.25;0.25") == expected
    assert functions("--around", "0.5,1", "--radius", "9", "--box", "0.25,0.75;0.75,1.25") == expected
    wide = functions("--box", "0.25,0.75;0.25,1.75")
    assert functions("--around", "0.5,1", "--radius", "0.25;0.75") == wide
    assert functions("--around", "0.5,1", "--radius", f"{tmp_path}/r.csv:0") == wide
    assert wide != expected
    assert functions("--around", "0.5,1", "--radius", "0")[0] == [["0.5", "1.0"]] * 2
    assert functions("--around", "0.5,1", "--radius", "inf")[1] == functions()[1]


BAD = [
    (("--around", "1,2"), "--around without --radius"),
    (("--radius", "1"), "--radius without --around"),
    (("--around", "1,2,3", "--radius", "1"), "expected rows of 2"),
    (("--around", "1,2;3,4", "--radius", "1"), "2 points, expected one"),
    (("--around", "a,b", "--radius", "1"), "--around 'a,b': expected numbers"),
    (("--around", "1,inf", "--radius", "1"), "NaN or infinite"),
    (("--around", "1,2", "--radius", "-1"), "numbers >= 0"),
    (("--around", "1,2", "--radius", "nan"), "numbers >= 0"),
    (("--around", "1,2", "--radius", "1;2;3"), "a number, or 2 joined by ';'"),
    (("--around", "1,2", "--radius", "1,2"), "a number, or 2 joined by ';'"),
    (("--around", "1,2", "--radius", "r.csv:0"), "r.csv: no such file"),
    (("--around", "p.csv:2", "--radius", "1"), "rows 0 to 1"),
    (("--around", "p.csv:-1", "--radius", "1"), "a row from 0"),
    (("--around", "p.csv:", "--radius", "1"), "a row from 0"),
    (("--around", "p.csv", "--radius", "1"), "'p.csv': expected numbers"),
    (("--around", "words.csv:0", "--radius", "1"), "comma-separated numbers"),
    (("--around", "1,2", "--radius", "1", "--box", "4,5"), r"no point in common: coordinate 0 is in \[4.0, 5.0\]"),
    (("--time-limit", "0"), r"output 1: the expansion reached its time limit of 0 s .* --around with --radius"),
    (("--to", "polynomial"), "output 1 .*--to rational"),
    (("--output", "4"), "outputs 0 to 3"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_bad_usage_writes_nothing(  # type: ignore[no-untyped-def]
    tropix, mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    if "--time-limit" in arguments:
        arguments = (*arguments, "--output", "1")
    monkeypatch.chdir(tmp_path)
    Path("p.csv").write_text("1,2\n3,4\n")
    Path("words.csv").write_text("a,b\n")
    before = sorted(tmp_path.iterdir())
    code, out, err = tropix("compile", mixed, "-o", "f.json", "--plot", "p.png", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("tropix: error: ")
    assert re.search(message, err)
    assert sorted(tmp_path.iterdir()) == before


def test_the_default_time_limit_is_for_rational_functions(  # type: ignore[no-untyped-def]
    tropix, mixed: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "120 for rational functions" in " ".join(tropix("compile", "--help")[1].replace("│", " ").split())
    assert _compile.RATIONAL_TIME_LIMIT == 120.0
    monkeypatch.setattr(_compile, "RATIONAL_TIME_LIMIT", 0.0)
    assert "time limit of 0 s after forming" in tropix("compile", mixed)[2]
    assert tropix("compile", mixed, "--time-limit", "60")[0] == 0
    assert tropix("compile", models / "iris_icnn.onnx")[0] == 0
    assert tropix("compile", mixed, "--output", 0)[0] == 0


def test_a_refusal_says_what_was_done(tropix, mixed: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    from tropixc.lowerings import _rational

    monkeypatch.setattr(_rational, "MAX_PRODUCT", 2)  # output 0 needs a product of 2 and 2 monomials, 3 of 1 and 2
    out, err = tropix("compile", mixed, "--to", "rational")[1:]
    assert out == ""
    assert re.search(r"output 0: .* product of 2 and 2 monomials, more than 2: compile on a smaller box", err)
    with pytest.raises(tropixc.lowerings._rational.Unsupported, match=r"more than 2 \(done: outputs 3, 1\): compile"):
        _rational.lower_all_to_rational(model_of(mixed), [3, 1, 0])


def test_a_disagreement_writes_nothing(tropix, mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    from tropixc import agreement

    run = agreement.run_onnx
    # one value of one output, off by a millionth
    monkeypatch.setattr(agreement, "run_onnx", lambda model, points: run(model, points) + _bump(len(points)))
    before = sorted(tmp_path.iterdir())
    code, out, err = tropix("compile", mixed, "-o", tmp_path / "f.json", "--plot", tmp_path / "p.png")
    assert code == 1
    assert "DISAGREES with onnxruntime" in out
    assert "nothing is written" in err
    assert sorted(tmp_path.iterdir()) == before


def _bump(count: int) -> np.ndarray:
    bump = np.zeros((count, 4))
    bump[count // 2, 1] = 1e-6
    return bump


def test_a_trained_network_around_a_patient(tropix, models: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    patient = models.parent / "breast_cancer_patient.csv"
    model = models / "breast_cancer_relu.onnx"
    target = tmp_path / "local.json"
    where = ("--around", f"{patient}:0", "--radius", f"{models.parent}/breast_cancer_radius.csv:0")
    code, out, _ = tropix("compile", model, *where, "-o", target, "--json")
    report = json.loads(out)
    assert (code, report["agreement"]["status"]) == (0, "holds")
    assert [f["kind"] for f in report["functions"]] == ["rational"] * 2
    artefact = tropixc.read_artefact(target)
    assert artefact.box is not None
    points = artefact.box.sample(20, np.random.default_rng(0)).astype(np.float32).astype(np.float64)
    points = points[artefact.box.contains(points)]
    values = tropixc.load(model).exact(Rationals.of(points))
    for k, function in enumerate(artefact.functions):
        assert function(Rationals.of(points)).equals(values[:, k])
    np.save(tmp_path / "p.npy", points)
    told = json.loads(tropix("eval", target, "--data", tmp_path / "p.npy", "--json")[1])
    np.testing.assert_allclose(told["values"], run_onnx(import_onnx(model), points), atol=1e-3)
    for k, function in enumerate(artefact.functions):
        assert isinstance(function, TropicalRational)
        for point, row in zip(points, told["active"], strict=True):
            for side, j in zip((function.numerator, function.denominator), row[k], strict=True):
                assert j == np.argmax(side.exponents @ point + side.coefficients)
    code, _, err = tropix("eval", target, "--at", ",".join(["0"] * 30))
    assert code == 2
    assert "outside the box" in err


def test_eval_shows_both_monomials(tropix, mixed: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    target = tmp_path / "f.json"
    assert tropix("compile", mixed, "-o", target)[0] == 0
    code, out, _ = tropix("eval", target, "--at", "1,1;-1,-1")
    assert code == 0
    assert "f0 (monomial)" in out
    assert "f1 (monomials)" in out
    report = json.loads(tropix("eval", target, "--at", "1,1;-1,-1", "--json")[1])
    assert report["values"] == [[1.375, 0.5, 1.625, -2.375], [0.0, 1.0, -1.0, 0.125]]
    f = tropixc.read_artefact(target).functions[1]
    assert isinstance(f, TropicalRational)
    for point, row in (([1.0, 1.0], report["active"][0]), ([-1.0, -1.0], report["active"][1])):
        i, j = row[1]
        assert f.numerator.take([i])(point) - f.denominator.take([j])(point) == f(point)
        assert isinstance(row[0], int)
        assert f"({i} / {j})" in out


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_pictures(tropix, mixed: Path, tmp_path: Path, suffix: str) -> None:  # type: ignore[no-untyped-def]
    target = tmp_path / f"p.{suffix}"
    assert tropix("compile", mixed, "--output", 1, "--plot", target, "--around", "0,0", "--radius", 1)[0] == 0
    assert target.read_bytes().startswith({"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[suffix])
    assert target.stat().st_size > 4000

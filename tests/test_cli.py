"""The command line: what it prints, writes and returns."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sympy

import tropixc


def test_info(tropix, models: Path) -> None:  # type: ignore[no-untyped-def]
    code, out, err = tropix("info", models / "digits_lse.onnx")
    assert (code, err) == (0, "")
    for words in ("64 values", "10 values", "exact solution", "convex", "0.0625", "LSE", "|p|²", "delta(eps)"):
        assert words in out
    code, out, _ = tropix("info", models / "breast_cancer_relu.onnx", "--norm", "inf", "--json")
    report = json.loads(out)
    assert report["curvature"] == "difference of convex"
    assert report["delta"] == [0.0, 0.0]
    assert report["lipschitz"]["norm"] == "inf"
    assert [node["kind"] for node in report["nodes"]].count("LogSumExp") == 2


def test_compile_prints_and_checks(tropix, models: Path) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = tropix("compile", models / "diabetes_lse.onnx")
    assert code == 0
    assert "f0 = max(" in out
    assert out.strip().splitlines()[-1].startswith("agrees with onnxruntime on 1000 points: |f_eps - f_0| = ")


def test_compile_writes_and_eval_reads(tropix, models: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    target = tmp_path / "iris.json"
    code, out, _ = tropix("compile", models / "iris_icnn.onnx", "-o", target, "--json")
    report = json.loads(out)
    assert code == 0
    assert report["agreement"]["status"] == "holds"
    assert report["file"] == str(target)
    expected = tropixc.compile(models / "iris_icnn.onnx")
    assert tropixc.read_artefact(target).polynomials == (expected,)
    points = np.array([[4.0, 1.3], [6.0, 2.0]])
    code, out, _ = tropix("eval", target, "--at", "4,1.3;6,2", "--json")
    assert code == 0
    assert np.array(json.loads(out)["values"])[:, 0].tolist() == expected(points).tolist()  # type: ignore[operator]
    np.save(tmp_path / "p.npy", points)
    np.savetxt(tmp_path / "p.csv", points, delimiter=",")
    for data in ("p.npy", "p.csv"):
        assert tropix("eval", target, "--data", tmp_path / data, "--json")[1] == out
    code, out, _ = tropix("eval", target, "--at", "4,1.3")
    assert code == 0
    assert f"{float(expected([4.0, 1.3])):.10g}" in out  # type: ignore[operator]


@pytest.mark.parametrize("form", ["text", "latex", "sympy", "json"])
def test_formats(tropix, models: Path, tmp_path: Path, form: str) -> None:  # type: ignore[no-untyped-def]
    code, out, err = tropix("compile", models / "digits_lse.onnx", "--output", 3, "--format", form)
    assert code == 0
    assert err.startswith("agrees with onnxruntime")
    polynomial = tropixc.compile(models / "digits_lse.onnx", output=3)
    if form == "json":
        assert tropixc.Artefact.from_json(out).polynomials == (polynomial,)
    else:
        write = {"text": tropixc.to_text, "latex": tropixc.to_latex, "sympy": lambda p: str(tropixc.to_sympy(p))}[form]
        assert out.strip() == write(polynomial)  # type: ignore[arg-type]
    target = tmp_path / "out.any"
    assert tropix("compile", models / "digits_lse.onnx", "--output", 3, "--format", form, "-o", target)[0] == 0
    assert target.read_text().strip() == out.strip()


def test_sympy_output_is_a_sympy_expression(tropix, models: Path) -> None:  # type: ignore[no-untyped-def]
    _, out, _ = tropix("compile", models / "diabetes_lse.onnx", "--format", "sympy")
    expression = sympy.parse_expr(out)
    point = np.random.default_rng(0).integers(-8, 9, size=10) / 8
    value = expression.subs({f"x{i}": sympy.Rational(*float(v).as_integer_ratio()) for i, v in enumerate(point)})
    assert float(value) == pytest.approx(float(tropixc.compile(models / "diabetes_lse.onnx")(point)), rel=1e-14)  # type: ignore[operator]


def test_boxes(tropix, models: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    target = tmp_path / "f.json"
    arguments = ("compile", models / "iris_icnn.onnx", "--box", "4,5;1,2", "-o", target, "--json")
    report = json.loads(tropix(*arguments)[1])
    whole = json.loads(tropix("compile", models / "iris_icnn.onnx", "--json")[1])
    assert report["functions"][0]["monomials"] < whole["functions"][0]["monomials"]
    assert report["agreement"]["status"] == "holds"
    assert tropix("eval", target, "--at", "4.5,1.5")[0] == 0
    code, out, err = tropix("eval", target, "--at", "4.5,1.5;0,0")
    assert (code, out) == (2, "")
    assert "point 1 lies outside the box" in err
    # float32 cannot hold this box's only point, so nothing can be compared there
    code, out, _ = tropix("compile", models / "iris_icnn.onnx", "--box", "0.1,0.1", "--json")
    assert json.loads(out)["agreement"]["status"] == "unknown"


def test_data_is_used_for_the_check(tropix, models: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    np.savetxt(tmp_path / "p.csv", np.ones((7, 2)), delimiter=",")
    report = json.loads(tropix("compile", models / "iris_icnn.onnx", "--data", tmp_path / "p.csv", "--json")[1])
    assert report["agreement"]["points"] == 7


def test_a_disagreement_exits_with_1(tropix, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    from tropixc import agreement

    monkeypatch.setattr(agreement, "run_onnx", lambda model, points: np.full((len(points), 1), 1e9))
    for target in (tmp_path / "f.json", tmp_path / "f.txt"):
        code, out, err = tropix("compile", models / "iris_icnn.onnx", "-o", target, "--plot", tmp_path / "p.png")
        assert code == 1
        assert "DISAGREES with onnxruntime" in out
        assert "nothing is written" in err
        assert list(tmp_path.iterdir()) == []


def test_a_runtime_that_fails_is_reported_as_unknown(tropix, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    import onnxruntime

    def fail(*arguments: object, **options: object) -> None:
        raise RuntimeError("no provider")

    monkeypatch.setattr(onnxruntime, "InferenceSession", fail)
    code, out, _ = tropix("compile", models / "iris_icnn.onnx")
    assert code == 0
    assert "agreement unknown: onnxruntime could not run" in out


BAD = [
    (("compile", "MODEL", "-o", "f.xyz"), "unknown suffix"),
    (("compile", "MODEL", "--box", "1"), "box '1'"),
    (("compile", "MODEL", "--box", "2,1"), "empty"),
    (("compile", "MODEL", "--box", "0,nan"), "NaN"),
    (("compile", "MODEL", "--output", "7"), "outputs 0 to 0"),
    (("compile", "MODEL", "--data", "absent.csv"), "no such file"),
    (("compile", "MODEL", "--graph-output", "z"), "no output 'z'"),
    (("compile", "absent.onnx"), "no such file"),
    (("info", "MODEL", "--norm", "0.5"), "norm"),
    (("eval", "MODEL", "--at", "1,2"), "not a text file|not a JSON"),
    (("eval", "f.json", "--at", "1"), "expected rows of 2"),
    (("eval", "f.json", "--at", "1,nan"), "NaN"),
    (("eval", "f.json", "--at", "a,b"), "expected numbers"),
    (("eval", "f.json"), "--at or with --data"),
    (("eval", "f.json", "--data", "words.csv"), "comma-separated numbers"),
    (("eval", "f.json", "--data", "objects.npy"), "npy array"),
    (("eval", "f.json", "--data", "empty.csv"), "expected rows of 2"),
    (("eval", "f.json", "--data", "empty.npy"), "expected rows of 2"),
    (("eval", "f.json", "--data", "scalar.npy"), "expected rows of 2"),
    (("eval", "f.json", "--data", "complex.npy"), "real numbers"),
    (("eval", "f.json", "--data", "."), "a folder"),
    (("compile", "MODEL", "--box", "8,9", "--data", "points.csv"), "row 0 of the data lies outside"),
    (("compile", "."), "a folder"),
    (("compile", "MODEL", "-o", "g.json", "--plot", "absent/p.png"), "cannot write"),
    (("compile", "MODEL", "--time-limit", "0"), "time limit"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_bad_usage_writes_nothing(  # type: ignore[no-untyped-def]
    tropix, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    import re

    monkeypatch.chdir(tmp_path)
    tropixc.write_artefact("f.json", tropixc.Artefact((tropixc.compile(models / "iris_icnn.onnx"),), (0,)))  # type: ignore[arg-type]
    Path("words.csv").write_text("a,b\n")
    np.save("objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    Path("empty.csv").write_text("")
    Path("points.csv").write_text("1,1\n")
    for name, array in (
        ("empty", np.zeros((0, 2))),
        ("scalar", np.array(1.0)),
        ("complex", np.ones((1, 2), dtype=complex)),
    ):
        np.save(f"{name}.npy", array)
    before = sorted(tmp_path.iterdir())
    code, out, err = tropix(*(models / "iris_icnn.onnx" if a == "MODEL" else a for a in arguments))
    assert code == 2
    assert out == ""
    assert err.startswith("tropix: error: ")
    assert re.search(message, err)
    assert sorted(tmp_path.iterdir()) == before


def test_version_and_help(tropix) -> None:  # type: ignore[no-untyped-def]
    import tropix as package

    assert tropix("--version")[1].strip() == f"tropix {package.__version__}"
    code, out, _ = tropix("compile", "--help")
    assert code == 0
    assert "--box" in out


def test_importing_tropix_loads_nothing_heavy() -> None:
    script = (
        "import sys, tropix; print(sorted({'numpy', 'numba', 'scipy', 'onnx', 'sympy', 'flint'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_public_names_resolve() -> None:
    import tropix as package

    for name in dir(package):
        assert getattr(package, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        package.nonsense  # noqa: B018


def test_eval_prints_valid_json_for_the_zero_polynomial(tropix, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    import tropix as package

    target = tmp_path / "zero.json"
    tropixc.write_artefact(target, tropixc.Artefact((package.TropicalPolynomial.zero(1),), (0,)))
    code, out, _ = tropix("eval", target, "--at", "1", "--json")
    assert code == 0
    assert json.loads(out, parse_constant=lambda name: pytest.fail(name))["values"] == [["-inf"]]


def test_passes_are_chosen_and_explained(tropix, models: Path) -> None:  # type: ignore[no-untyped-def]
    model = models / "iris_icnn.onnx"
    code, out, _ = tropix("compile", model, "--explain", "--output", "0")
    assert code == 0
    assert "fuse-affine" in out
    assert "->" in out
    code, out, _ = tropix("compile", model, "--passes", "fold-constants, fuse-affine", "--explain", "--json")
    report = json.loads(out)
    assert [step["pass"] for step in report["passes"]] == ["fold-constants", "fuse-affine"]
    assert report["passes"][1]["nodes"][1] < report["passes"][1]["nodes"][0]
    code, out, _ = tropix("compile", model, "--passes", "none", "--explain", "--json")
    assert code == 0
    assert json.loads(out)["passes"] == []
    code, out, err = tropix("compile", model, "--passes", "nonsense")
    assert code == 2
    assert "known are fold-constants" in err


def test_arrays_are_models_too(tropix, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "layer.npz"
    np.savez(path, weights=[[1.0, 0.0], [-1.0, 2.0], [0.0, 0.0]], bias=[0.0, 0.5, -1.0], eps=0.25)
    code, out, err = tropix("info", path)
    assert (code, err) == (0, "")
    assert "agrees with onnxruntime on 1000 points" in out
    assert "LSE" in out
    code, out, _ = tropix("compile", path)
    assert code == 0
    assert "f0 = max(x0, -x0 + 2*x1 + 0.5, -1)" in out
    assert "agrees with onnxruntime" in out
    assert tropix("export", path, "-o", tmp_path / "layer.onnx")[0] == 0
    code, out, _ = tropix("compile", tmp_path / "layer.onnx")
    assert "f0 = max(x0, -x0 + 2*x1 + 0.5, -1)" in out
    assert tropix("export", path, "-o", tmp_path / "layer.txt")[0] == 0
    code, out, _ = tropix("info", tmp_path / "layer.txt")
    assert code == 0
    assert "agrees with onnxruntime on 1000 points" in out
    (tmp_path / "layer.txt").write_text("tropix circuit 1\nnonsense\n")
    code, _, err = tropix("info", tmp_path / "layer.txt")
    assert code == 2
    assert "layer.txt: line 2" in err
    code, _, err = tropix("info", path, "--graph-output", "y")
    assert code == 2
    assert "leave out --graph-output" in err


def test_info_bounds_expressions_and_nodes(tropix, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "layer.json"
    path.write_text(json.dumps({"weights": [[1.0], [-1.0]], "bias": [0.0, 0.5], "eps": 0}))
    code, out, _ = tropix("info", path, "--box", "-1,2", "--expression", "--nodes")
    assert code == 0
    assert "f0 in [-1, 2] on the box" in out or "f0 in [-1.0, 2.0]" in out
    assert "f0 = max(a0, a1)" in out
    assert "a1 = -x0 + 0.5" in out
    assert "LogSumExp" in out
    report = json.loads(tropix("info", path, "--box", "-1,2", "--expression", "--json")[1])
    assert report["bounds"][1] == [pytest.approx(2.0)]
    assert report["expressions"][0].startswith("f0 = max(a0, a1)")
    assert report["agreement"]["status"] == "holds"
    assert [block["kind"] for block in report["blocks"]] == ["maxout"]
    assert report["monotonicity"] == {"nondecreasing": [], "nonincreasing": []}
    path.write_text(json.dumps({"weights": [[1.0, -1.0], [2.0, 0.0]], "eps": 0.5}))
    out = tropix("info", path)[1]
    assert "nondecreasing in x0; nonincreasing in x1" in out

"""Circuits as Python source, executed in another interpreter that knows NumPy and not tropix."""

from __future__ import annotations

import ast
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from circuits_of_all_kinds import assorted, degenerate, everything, wide_and_sparse

import tropixc
from tropix import Circuit, InvalidInput, Unsupported
from tropix.circuits import Affine, CircuitBuilder, Input, LogSumExp, Term, uniform_segments
from tropixc.lowerings import _numpy

# Executes each source beside it in turn, with a finder that refuses tropix, and stores what it returns.
RUNNER = """
import sys, warnings
import numpy as np
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tropix", "tropixc", "scipy", "numba"):
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
warnings.simplefilter("error")
folder = sys.argv[1]
for i in range(int(sys.argv[2])):
    scope = {}
    with open(f"{folder}/{i}.py", encoding="utf-8") as file:
        exec(compile(file.read(), f"{i}.py", "exec"), scope)
    points = np.load(f"{folder}/{i}.npy")
    values = scope["network"](points)
    assert values.dtype == np.float64 and values.flags.writeable and not np.shares_memory(values, points)
    assert np.allclose(scope["network"](points[0].tolist()), values[0], rtol=1e-13, atol=1e-13)
    assert scope["network"](points[:0]).shape == (0, values.shape[1])
    np.save(f"{folder}/{i}.out.npy", values)
"""


def run(folder: Path, circuits: list[Circuit], seed: int = 0) -> None:
    """Write, run elsewhere, and compare with the circuits."""
    batches = []
    for i, circuit in enumerate(circuits):
        points = np.random.default_rng(seed + i).normal(size=(12, circuit.input_size))
        points[::3] = points[::3].round()
        batches.append(points)
        np.save(folder / f"{i}.npy", points)
        (folder / f"{i}.py").write_text(checked(tropixc.to_numpy_source(circuit)), encoding="utf-8")
    command = [sys.executable, "-I", "-c", RUNNER, str(folder), str(len(circuits))]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    for i, (circuit, points) in enumerate(zip(circuits, batches, strict=True)):
        found, expected = np.load(folder / f"{i}.out.npy"), circuit(points)
        assert found.shape == expected.shape
        assert np.allclose(found, expected, rtol=1e-12, atol=1e-12 * (1 + np.abs(expected).max())), i


def checked(source: str) -> str:
    """The source, which must compile without warnings, and define and import nothing unexpected."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tree = ast.parse(source)
        compile(source, "network.py", "exec")
    assert ast.get_docstring(tree)
    kinds = {type(statement) for statement in tree.body}
    assert kinds <= {ast.Expr, ast.Import, ast.Assign, ast.FunctionDef}
    imported = {name.name for node in tree.body if isinstance(node, ast.Import) for name in node.names}
    assert imported <= {"numpy", "math", "base64"}
    public = [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name[0] != "_"]
    assert public == ["network"]
    return source


def test_random_circuits(tmp_path: Path) -> None:
    circuits = [make(seed).heat(heat) for seed in range(60) for make in (everything, assorted) for heat in (1.0, 0.0)]
    run(tmp_path, circuits)


def test_degenerate_and_sparse_circuits(tmp_path: Path) -> None:
    run(tmp_path, [*degenerate().values(), wide_and_sparse(0), wide_and_sparse(1, 20)])


def test_shipped_models(tmp_path: Path, models: Path) -> None:
    run(tmp_path, [tropixc.load(path) for path in sorted(models.glob("*.onnx"))])


def test_small_networks_are_readable() -> None:
    circuit = tropixc.from_arrays([([[1.0, -2.0], [0.1, 0.0]], [0.0, 0.5], ("max", 2))])
    source = tropixc.to_numpy_source(circuit, "ridge")
    for line in (
        "def ridge(points):",
        "_A1 = np.array([[1.0, -2.0], [0.1, 0.0]])",
        "_b1 = np.array([0.0, 0.5])",
        "    # node 1, 'layer 0': Affine, size 2",
        "    v1 = v0 @ _A1.T + _b1",
        "    v2 = v1.reshape(len(v0), 1, 2).max(axis=2)",
    ):
        assert line in source.splitlines()
    assert "base64" not in source


def test_every_float_survives() -> None:
    rng = np.random.default_rng(0)
    odd = np.array([0.1, -1 / 3, 5e-324, 1.7976931348623157e308, 1e-310, 2.0**53 + 1])
    for weights in (odd[:, None], rng.normal(size=(40, 30)) * 10.0 ** rng.integers(-300, 300, size=(40, 30))):
        bias = np.resize(odd[:5] * 1e-5, len(weights))
        circuit = Circuit((Input(weights.shape[1]), Affine((Term(0, weights),), bias)), 1)
        scope: dict[str, np.ndarray] = {}
        exec(tropixc.to_numpy_source(circuit), scope)
        assert scope["_b1"].tobytes() == circuit.nodes[1].bias.tobytes()  # type: ignore[union-attr]
        assert scope["_A1"].tobytes() == circuit.nodes[1].terms[0].matrix.tobytes()  # type: ignore[union-attr]


def test_a_softplus_far_below_zero_keeps_its_digits() -> None:
    circuit = Circuit((Input(2), LogSumExp(0, 1.0, uniform_segments(1, 2))), 1)
    scope: dict[str, object] = {}
    exec(tropixc.to_numpy_source(circuit), scope)
    points = np.array([[-50.0, 0.0], [0.0, 0.0], [1e308, -1e308], [-700.0, 0.0]])
    assert np.allclose(scope["network"](points), circuit(points), rtol=1e-14, atol=0)  # type: ignore[operator]


HOSTILE = [
    "x\nimport os; os.system('false')\n#",
    "x\r\x0b\x0c\x1c\x85\u2028\u2029raise SystemExit(3)",
    '"""', "'''", "\\", "\\\n", "\x00", "{name}", "%s", "\ud800", "é", "", "a" * 10_000, "# coding: utf-7",
]  # fmt: skip


def test_hostile_names_stay_comments(tmp_path: Path) -> None:
    builder = CircuitBuilder(1, HOSTILE[0])
    node = 0
    for name in HOSTILE:
        node = builder.affine([(node, [[1.0]])], [1.0], name)
    circuit = builder.build(node)
    source = checked(tropixc.to_numpy_source(circuit))
    plain = tropixc.to_numpy_source(Circuit(circuit.nodes, circuit.output))
    assert source.isascii()
    assert ast.dump(ast.parse(source)) == ast.dump(ast.parse(plain))
    run(tmp_path, [circuit])


@pytest.mark.parametrize("name", ["", "1x", "a b", "class", "f(x): pass\ndef g", "_array", "np", "math", "é"])
def test_function_names_are_checked(name: str) -> None:
    with pytest.raises(InvalidInput, match="function name"):
        tropixc.to_numpy_source(degenerate()["a square"], name)


def test_too_many_numbers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_numpy, "MAX_NUMBERS", 500)
    with pytest.raises(Unsupported, match="more than 500 numbers"):
        tropixc.to_numpy_source(wide_and_sparse(0))

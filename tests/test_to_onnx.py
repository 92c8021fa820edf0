"""Circuits as ONNX models, executed by onnxruntime."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import scipy.sparse as sp
from circuits_of_all_kinds import assorted, degenerate, everything, wide_and_sparse
from hypothesis import given, settings
from hypothesis import strategies as st

import tropixc
from tropix import Circuit, InvalidInput, Unsupported
from tropix.circuits import Affine, CircuitBuilder, Gibbs, Input, LogSumExp, Pointwise, Term, uniform_segments
from tropixc.frontends.onnx import import_onnx
from tropixc.lowerings import _onnx_graph

UNITS = {"float32": 2.0**-24, "float64": 2.0**-53}


def run(model: onnx.ModelProto, points: np.ndarray) -> np.ndarray:
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    given = session.get_inputs()[0]
    kind = {"tensor(float)": np.float32, "tensor(double)": np.float64}[given.type]
    (result,) = session.run(None, {given.name: points.astype(kind)})
    assert result.dtype == kind
    return np.asarray(result, dtype=np.float64)


def sample(circuit: Circuit, seed: int, count: int = 20) -> np.ndarray:
    """Points that float32 holds, some with equal coordinates."""
    points = np.random.default_rng(seed).normal(size=(count, circuit.input_size)).astype(np.float32)
    points[::3] = points[::3].round()
    return points.astype(np.float64)


def agrees(circuit: Circuit, dtype: str, seed: int, opset: int = 18) -> None:
    points = sample(circuit, seed)
    result = run(tropixc.to_onnx(circuit, dtype=dtype, opset=opset), points)  # type: ignore[arg-type]
    expected = circuit(points)
    assert result.shape == expected.shape
    bound = circuit.rounding_bound(points, UNITS[dtype]) + circuit.rounding_bound(points, 2.0**-53)
    finite = np.isfinite(bound)
    assert (np.abs(result - expected) <= bound + 1e-37)[finite].all()
    if dtype == "float64":
        assert np.allclose(result, expected, rtol=1e-12, atol=1e-12 * (1 + np.abs(expected).max(initial=0)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), heat=st.sampled_from([0.0, 1.0, 1.0, 0.3]))
def test_random_circuits(dtype: str, seed: int, heat: float) -> None:
    agrees(everything(seed).heat(heat), dtype, seed)
    agrees(assorted(seed).heat(heat), dtype, seed)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("opset", [13, 17, 20, 22])
def test_opsets(dtype: str, opset: int) -> None:
    for seed in range(12):
        agrees(assorted(seed), dtype, seed, opset)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", list(degenerate()))
def test_degenerate_circuits(dtype: str, name: str) -> None:
    agrees(degenerate()[name], dtype, 1)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_any_batch_goes_through(count: int) -> None:
    for circuit in (wide_and_sparse(0, 80), degenerate()["a constant"], assorted(3)):
        points = sample(circuit, 0, count)
        assert run(tropixc.to_onnx(circuit, dtype="float64"), points).shape == (count, circuit.output_size)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sparse_matrices_stay_sparse(dtype: str) -> None:
    circuit = wide_and_sparse(0)
    agrees(circuit, dtype, 0)
    model = tropixc.to_onnx(circuit, dtype=dtype)  # type: ignore[arg-type]
    entries = sum(term.matrix.nnz for node in circuit.nodes if isinstance(node, Affine) for term in node.terms)
    assert sum(math.prod(tensor.dims) for tensor in model.graph.initializer) < 6 * entries + 6 * 300
    assert "Gemm" not in {node.op_type for node in model.graph.node}


def test_the_cost_of_one_full_row_is_that_row() -> None:
    size = 30_000
    matrix = sp.lil_array(sp.eye_array(size))
    matrix[0] = 1.0
    circuit = Circuit((Input(size), Affine((Term(0, sp.csr_array(matrix)),), np.zeros(size))), 1)
    points = np.random.default_rng(0).normal(size=(2, size))
    assert np.allclose(run(tropixc.to_onnx(circuit, dtype="float64"), points), circuit(points), rtol=0, atol=1e-10)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("eps", [0.0, 1e-20, 0.01, 1.0])
def test_large_logits_overflow_nowhere(dtype: str, eps: float) -> None:
    points = np.array([[1e30, -1e30, 0.0], [-1e30, -1e30, -1e30], [800.0, -800.0, 799.0], [1e4, 1e4, 1e4]])
    points = points.astype(np.float32).astype(np.float64)
    for kind in (LogSumExp, Gibbs):
        circuit = Circuit((Input(3), kind(0, eps, uniform_segments(1, 3))), 1)
        result = run(tropixc.to_onnx(circuit, dtype=dtype), points)  # type: ignore[arg-type]
        assert np.allclose(result, circuit(points), rtol=1e-6 if dtype == "float32" else 1e-14, atol=1e-30)


def test_erf_in_float64_is_exact_to_rounding() -> None:
    from mpmath import erf, mp, mpf

    x = np.concatenate([np.linspace(-7, 7, 701), 10.0 ** np.linspace(-300, 0, 100), [0.0, 30.0, -1e300]])
    circuit = Circuit((Input(1), Pointwise(0, "erf", 1)), 1)
    result = run(tropixc.to_onnx(circuit, dtype="float64"), x[:, None])[:, 0]
    with mp.workdps(40):
        exact = [erf(mpf(float(value))) for value in x]
        assert max(abs(mpf(float(y)) - e) / max(abs(e), mpf(10) ** -400) for y, e in zip(result, exact)) < 8 * 2.0**-53  # noqa: B905


def dense_nets() -> dict[str, Circuit]:
    rng = np.random.default_rng(0)
    first, second, third = rng.normal(size=(6, 3)), rng.normal(size=(4, 6)), rng.normal(size=(4, 3))
    return {
        "relu": tropixc.from_arrays([(first, rng.normal(size=6), "relu"), (second, np.ones(4), None)]),
        "softplus": tropixc.from_arrays([(first, rng.normal(size=6), ("softplus", 0.2)), (second, np.ones(4), None)]),
        "lse": tropixc.from_arrays([(third, np.ones(4), ("lse", 0.3, 2)), (rng.normal(size=(1, 2)), [0.0], None)]),
        "max": tropixc.from_arrays([(third, np.ones(4), ("max", 4))]),
    }


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", list(dense_nets()))
def test_what_is_written_is_read_again(tmp_path: Path, dtype: str, name: str) -> None:
    circuit = dense_nets()[name]
    tropixc.write_onnx(circuit, tmp_path / "m.onnx", dtype=dtype, input_name="point", output_name="value")  # type: ignore[arg-type]
    imported = import_onnx(tmp_path / "m.onnx")
    assert (imported.input_name, imported.output_name, imported.batch) == ("point", "value", None)
    points = sample(circuit, 0, 200)
    again = tropixc.optimize(imported.circuit)
    tolerance = 1e-12 if dtype == "float64" else 1e-5
    assert np.allclose(again(points), circuit(points), rtol=tolerance, atol=tolerance)
    assert np.allclose(again.limit()(points), circuit.limit()(points), rtol=tolerance, atol=tolerance)
    assert (0.0 in again.temperatures) == (0.0 in circuit.temperatures)  # no max-shift is left behind


def test_shipped_models_survive(models: Path, tmp_path: Path) -> None:
    for path in sorted(models.glob("*.onnx")):
        circuit = tropixc.load(path)
        agrees(circuit, "float64", 0)
        agrees(circuit.limit(), "float32", 0)


@pytest.mark.parametrize("name", ["iris_icnn", "diabetes_lse"])
def test_shipped_models_compile_to_the_same_polynomial(models: Path, tmp_path: Path, name: str) -> None:
    # their temperatures are powers of two, so that z/ε and the product with ε are exact
    tropixc.write_onnx(tropixc.load(models / f"{name}.onnx"), tmp_path / "m.onnx", dtype="float64")
    assert tropixc.compile(tmp_path / "m.onnx") == tropixc.compile(models / f"{name}.onnx")


def operators(circuit: Circuit) -> list[str]:
    return [node.op_type for node in tropixc.to_onnx(circuit).graph.node]


def test_relu_networks_are_gemm_and_relu(models: Path) -> None:
    circuit = dense_nets()["relu"]
    expected = ["Gemm", "Relu", "Gemm", "Identity"]
    assert operators(circuit) == operators(tropixc.optimize(circuit)) == expected
    assert set(operators(tropixc.load(models / "breast_cancer_relu.onnx"))) == {"Gemm", "Relu", "Identity"}
    assert set(operators(dense_nets()["softplus"].limit())) == {"Gemm", "Relu", "Identity"}


def test_only_relus_become_relu() -> None:
    rows = {
        "zero first": ([[0, 0], [1, 2], [0, 0], [3, 4]], [0, 1, 0, 0], True),
        "zero last": ([[1, 2], [0, 0], [0, 0], [3, 4]], [5, 0, 0, 0], True),
        "both zero": ([[0, 0], [0, 0], [0, 0], [3, 4]], [0, 0, 0, 0], True),
        "a constant that is not 0": ([[0, 0], [1, 2], [0, 0], [3, 4]], [1, 1, 0, 0], False),
        "one pair without 0": ([[0, 0], [1, 2], [1, 0], [3, 4]], [0, 1, 0, 0], False),
    }
    for matrix, bias, relu in rows.values():
        weights = np.array(matrix, dtype=float)
        for stored in (weights, sp.csr_array(weights)):
            builder = CircuitBuilder(2)
            pairs = builder.affine([(0, stored)], bias)
            top = builder.log_sum_exp(pairs, 0.0, uniform_segments(2, 2))
            circuit = builder.build(top)
            agrees(circuit, "float64", 0)
            assert ("Relu" in operators(circuit)) is relu
            shared = builder.build(builder.affine([(top, np.ones((1, 2))), (pairs, np.ones((1, 4)))], [0.0]))
            agrees(shared, "float64", 0)
            assert "Relu" not in operators(shared)  # the pairs are read elsewhere too


def test_hostile_names_are_only_names() -> None:
    names = ("x", "x", "y\n\x00\ud800é\u2028" + "z" * 10_000, "", "y")
    builder = CircuitBuilder(1, names[0])
    node = 0
    for name in names[1:]:
        node = builder.affine([(node, [[2.0]])], [1.0], name)
    circuit = builder.build(node)
    model = tropixc.to_onnx(circuit, dtype="float64")
    assert run(model, np.array([[1.0]])).tolist() == circuit([[1.0]]).tolist()
    assert all(len(node.name) < 200 for node in model.graph.node)


def test_what_cannot_be_written_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    big = Circuit((Input(1), Affine((Term(0, np.array([[1e39]])),), np.zeros(1))), 1, ("x", "steep"))
    with pytest.raises(Unsupported, match="node 'steep': weights exceed float32"):
        tropixc.to_onnx(big)
    assert run(tropixc.to_onnx(big, dtype="float64"), np.array([[2.0]])).tolist() == [[2e39]]
    cold = Circuit((Input(2), LogSumExp(0, 1e-60, uniform_segments(1, 2))), 1, ("x", "cold"))
    with pytest.raises(Unsupported, match="node 'cold': temperature 1e-60"):
        tropixc.to_onnx(cold)
    for options, message in (
        ({"dtype": "float16"}, "expected 'float32' or 'float64'"),
        ({"opset": 12}, "opset 12"),
        ({"opset": 10_000}, "opset 10000"),
        ({"input_name": "y"}, "two different"),
        ({"output_name": ""}, "two different"),
        ({"output_name": "\ud800"}, "printable"),
    ):
        with pytest.raises(InvalidInput, match=message):
            tropixc.to_onnx(cold, **options)  # type: ignore[arg-type]
    monkeypatch.setattr(_onnx_graph, "MAX_NUMBERS", 100)
    with pytest.raises(Unsupported, match="node 'moved': the ONNX model comes to"):
        tropixc.to_onnx(wide_and_sparse(0))

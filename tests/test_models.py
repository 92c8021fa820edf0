"""The shipped models: accuracy as their table says, exact compilation, agreement with onnxruntime."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

import tropixc
from tropix import Box, Circuit, InvalidInput, TropicalPolynomial, Unsupported
from tropix.circuits import CircuitBuilder
from tropix.exact import Rationals
from tropixc.agreement import check_agreement, check_circuit, run_onnx, sample_points
from tropixc.frontends.onnx import ImportedModel, import_onnx

sys.path.append(str(Path(__file__).resolve().parent.parent / "examples"))
import datasets

EXACT = ["digits_lse", "diabetes_lse", "iris_icnn"]
ALL = [*EXACT, "breast_cancer_relu", "digits_conv"]


def loaded(models: Path, name: str) -> tuple[ImportedModel, Circuit]:
    imported = import_onnx(models / f"{name}.onnx")
    return imported, tropixc.optimize(imported.circuit)


def score(name: str, output: np.ndarray, target: np.ndarray) -> float:
    if name == "diabetes_lse":
        return float(1 - np.mean((output[:, 0] - target) ** 2) / np.var(target))
    predicted = (output[:, 0] < 0) if name == "iris_icnn" else output.argmax(axis=1)
    return float(np.mean(predicted == target))


DATA = {
    "digits_lse": datasets.digits,
    "diabetes_lse": datasets.diabetes,
    "iris_icnn": datasets.iris_petals,
    "breast_cancer_relu": datasets.breast_cancer,
    "digits_conv": datasets.digits,
}


def table(models: Path) -> dict[str, float]:
    """The scores in the models' README."""
    rows = [line.split("|") for line in (models / "README.md").read_text().splitlines() if line.startswith("| `")]
    return {row[1].strip(" `").removesuffix(".onnx"): float(row[-2].split()[-1]) for row in rows}


@pytest.mark.parametrize("name", ALL)
def test_scores_are_those_of_the_table(name: str, models: Path) -> None:
    imported, circuit = loaded(models, name)
    _, test_x, _, test_y = DATA[name]()
    expected = table(models)[name]
    points = test_x.astype(np.float64)
    assert score(name, run_onnx(imported, points), test_y) == pytest.approx(expected, abs=5e-4)
    assert score(name, circuit(points), test_y) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize("name", ALL)
def test_circuits_agree_with_onnxruntime(name: str, models: Path) -> None:
    imported, circuit = loaded(models, name)
    points = sample_points(circuit.input_size, None, None, 300, 1, True)
    gap = np.abs(circuit(points) - run_onnx(imported, points))
    assert (gap <= imported.circuit.rounding_bound(points, imported.unit_roundoff)).all()


@pytest.mark.parametrize("name", EXACT)
def test_compiled_polynomials(name: str, models: Path) -> None:
    imported, circuit = loaded(models, name)
    polynomials = tropixc.compile(circuit)
    polynomials = polynomials if isinstance(polynomials, list) else [polynomials]
    points = sample_points(circuit.input_size, None, None, 10_000, 2, True)
    values = np.column_stack([polynomial(points) for polynomial in polynomials])
    np.testing.assert_allclose(values, circuit.limit()(points), rtol=1e-12, atol=1e-12 * np.abs(values).max())
    agreement = check_agreement(imported, circuit, polynomials, range(len(polynomials)), points)
    assert agreement.holds
    assert agreement.points == 10_000
    assert (agreement.rounding < 0.1 * agreement.bound).all()  # the bound is about the deformation, not a cushion
    exact = Rationals.of(points)
    limit = imported.circuit.limit().exact(exact)
    for k, polynomial in enumerate(polynomials):
        assert polynomial(exact).equals(limit[:, k])  # at all points, without any rounding
        assert polynomial.pruning().verify()
        assert len(polynomial.prune()) == len(polynomial)


def test_temperatures_of_the_shipped_models(models: Path) -> None:
    assert loaded(models, "digits_lse")[1].temperatures == (1 / 16,)
    assert loaded(models, "diabetes_lse")[1].temperatures == (16.0,)
    assert loaded(models, "iris_icnn")[1].temperatures == (1 / 16,)
    assert loaded(models, "breast_cancer_relu")[1].temperatures == (0.0,)
    assert loaded(models, "digits_conv")[1].temperatures == (0.0,)


def test_the_relu_classifier_is_rational_not_polynomial(models: Path) -> None:
    with pytest.raises(Unsupported, match="tropical rational function"):
        tropixc.compile(models / "breast_cancer_relu.onnx")


def test_a_wrong_polynomial_is_caught(models: Path) -> None:
    imported, circuit = loaded(models, "digits_lse")
    polynomials = tropixc.compile(circuit)
    assert isinstance(polynomials, list)
    points = sample_points(64, None, None, 1000, 0, True)
    for wrong in (polynomials[::-1], [p.scale(1.1) for p in polynomials], [p.take([0]) for p in polynomials]):
        assert not check_agreement(imported, circuit, wrong, range(10), points).holds


def test_fixed_batch_and_no_batch_models_run(tmp_path: Path) -> None:
    from onnx import helper
    from onnx_models import model, save

    for shape in ((1, 4), (4,), ("n", 4)):
        path = save(model([helper.make_node("Relu", ["x"], ["y"])], shape=shape, dtype=np.float32), tmp_path / "m.onnx")
        points = np.arange(-4.0, 4.0).reshape(2, 4)
        assert run_onnx(import_onnx(path), points).tolist() == np.maximum(points, 0).tolist()


def one_piece(
    tmp_path: Path, nodes: list[object], constants: dict[str, object], dtype: type
) -> tuple[ImportedModel, Circuit]:
    from onnx_models import model, save

    imported = import_onnx(save(model(nodes, constants, dtype=dtype), tmp_path / "m.onnx"))  # type: ignore[arg-type]
    return imported, tropixc.optimize(imported.circuit)


def test_shifts_beyond_the_bound_are_caught_on_either_side(models: Path) -> None:
    imported, circuit = loaded(models, "diabetes_lse")
    polynomial = tropixc.compile(circuit)
    points = sample_points(10, None, None, 1000, 0, True)
    bound = float(circuit.deformation_bound()[0])
    for shift in (-1.5 * bound, -bound, 0.05 * bound, 1.5 * bound):
        moved = polynomial * TropicalPolynomial.constant(shift, 10)
        # f_eps >= f_0 for a convex network: raising f_0 a little is caught as well
        assert not check_agreement(imported, circuit, [moved], [0], points).holds
    assert check_agreement(imported, circuit, [polynomial], [0], points).holds


def test_points_where_the_runtime_overflows_are_left_out(tmp_path: Path) -> None:
    from onnx import helper

    nodes = [
        helper.make_node("Exp", ["x"], ["e"]),
        helper.make_node("ReduceSum", ["e", "axes"], ["s"]),
        helper.make_node("Log", ["s"], ["y"]),
    ]
    imported, circuit = one_piece(tmp_path, nodes, {"axes": np.array([1])}, np.float32)
    polynomial = tropixc.compile(circuit)
    points = np.vstack([np.eye(4), 100 * np.eye(4), -70 * np.ones((3, 4)), -110 * np.ones((3, 4))])
    agreement = check_agreement(imported, circuit, [polynomial], [0], points)
    assert (agreement.points, agreement.left_out, agreement.holds) == (4, 10, True)
    assert "10 left out where its exponentials overflow" in agreement.line
    with pytest.raises(InvalidInput, match="overflow at all 4 points"):
        check_agreement(imported, circuit, [polynomial], [0], points[4:8])


def test_narrowing_casts_widen_the_rounding(tmp_path: Path) -> None:
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("Cast", ["x"], ["c"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["c", "axes"], ["m"]),
        helper.make_node("Cast", ["m"], ["y"], to=TensorProto.DOUBLE),
    ]
    imported, circuit = one_piece(tmp_path, nodes, {"axes": np.array([1])}, np.float64)
    assert imported.unit_roundoff == 2.0**-24
    assert imported.input_type == "float64"
    points = np.random.default_rng(0).normal(size=(50, 4))
    assert check_agreement(imported, circuit, [tropixc.compile(circuit)], [0], points).holds


def test_affine_double_models_agree_within_rounding(tmp_path: Path) -> None:
    from onnx import helper

    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    weights = np.random.default_rng(0).normal(size=(4, 1))
    imported, circuit = one_piece(tmp_path, nodes, {"w": weights}, np.float64)
    points = 1e6 * np.random.default_rng(1).normal(size=(500, 4))
    agreement = check_agreement(imported, circuit, [tropixc.compile(circuit)], [0], points)
    assert agreement.holds
    assert agreement.bound.tolist() == [0.0]


def test_wide_models_are_compared_at_fewer_points() -> None:
    assert sample_points(1_000_000, None, None, 1000, 0, False).shape == (10, 1_000_000)


def test_data_outside_the_box_is_refused() -> None:
    with pytest.raises(InvalidInput, match="row 1 of the data"):
        sample_points(1, Box.of((0, 1), 1), np.array([[0.5], [2.0]]), 10, 0, False)
    with np.errstate(all="raise"):
        assert np.isfinite(sample_points(1, Box.of((-1e308, 1e308), 1), None, 10, 0, False)).all()


def test_circuits_that_are_not_the_model_are_found_out(tmp_path: Path) -> None:
    from onnx_models import node

    imported, _ = one_piece(tmp_path, [node("Gemm", "x w")], {"w": np.eye(4)}, np.float32)
    points = np.arange(8.0).reshape(2, 4)
    found = check_circuit(imported, points)
    assert (found.status, found.points, found.compared, found.left_out) == ("holds", 2, 8, 0)
    assert 0 < found.rounding < 1e-5
    assert found.line.startswith("agrees with onnxruntime on 2 points: largest difference 0 ")
    builder = CircuitBuilder(4)
    shifted = builder.build(builder.affine([(0, np.eye(4))], [0.0, 0.0, 0.25, 0.0]))
    other = check_circuit(dataclasses.replace(imported, circuit=shifted), points)
    assert (other.status, other.gap) == ("violated", 0.25)
    assert other.line.startswith("DISAGREES")
    with pytest.raises(InvalidInput, match="at all 0 points"):
        check_circuit(imported, points[:0])


def test_values_without_a_rounding_bound_are_not_compared(tmp_path: Path) -> None:
    from onnx_models import node

    nodes = [node("Sub", "x one", "d"), node("Reciprocal", "d")]
    imported, _ = one_piece(tmp_path, nodes, {"one": 1.0}, np.float32)
    near = 1 + 2.0**-23
    found = check_circuit(imported, np.array([[near] * 4, [3.0, near, near, near]]))
    assert (found.status, found.compared) == ("holds", 1)
    assert found.gap < 1e-6
    unknown = check_circuit(imported, np.full((2, 4), near))
    assert (unknown.status, unknown.compared) == ("unknown", 0)
    assert "unknown" in unknown.line


def test_circuits_are_compared_where_the_runtime_does_not_overflow(tmp_path: Path) -> None:
    from onnx_models import axes, node

    nodes = [node("Exp", "x", "e"), node("ReduceSum", "e axes", "s"), node("Log", "s")]
    imported, _ = one_piece(tmp_path, nodes, axes([1]), np.float32)
    found = check_circuit(imported, np.array([[0.0] * 4, [100.0] * 4, [-90.0] * 4]))
    assert (found.status, found.points, found.left_out) == ("holds", 1, 2)
    assert "2 left out where its exponentials overflow" in found.line
    with pytest.raises(InvalidInput, match="at all 1 points"):
        check_circuit(imported, np.full((1, 4), 100.0))


def test_the_shipped_patient_is_of_the_data_set(models: Path) -> None:
    train_x, test_x, _, _ = datasets.breast_cancer()
    patient, radius = (
        np.loadtxt(models.parent / f"breast_cancer_{name}.csv", delimiter=",") for name in ("patient", "radius")
    )
    np.testing.assert_allclose(patient, test_x[0], rtol=1e-6)
    np.testing.assert_allclose(radius, train_x.std(axis=0) / 10, rtol=1e-5)

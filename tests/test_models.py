"""The shipped models: accuracy as their table says, exact compilation, agreement with onnxruntime."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import tropixc
from tropix import Circuit, Unsupported
from tropix.exact import Rationals
from tropixc.agreement import check_agreement, run_onnx, sample_points
from tropixc.frontends.onnx import ImportedModel, import_onnx

sys.path.append(str(Path(__file__).resolve().parent.parent / "examples"))
import datasets

EXACT = ["digits_lse", "diabetes_lse", "iris_icnn"]
ALL = [*EXACT, "breast_cancer_relu"]


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
    exact = Rationals.of(points[:40])
    limit = imported.circuit.limit().exact(exact)
    for k, polynomial in enumerate(polynomials):
        assert polynomial(exact).equals(limit[:, k])
        assert polynomial.pruning().verify()
        assert len(polynomial.prune()) == len(polynomial)


def test_temperatures_of_the_shipped_models(models: Path) -> None:
    assert loaded(models, "digits_lse")[1].temperatures == (1 / 16,)
    assert loaded(models, "diabetes_lse")[1].temperatures == (16.0,)
    assert loaded(models, "iris_icnn")[1].temperatures == (1 / 16,)
    assert loaded(models, "breast_cancer_relu")[1].temperatures == (0.0,)


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

"""scikit-learn estimators as circuits, against the estimators themselves."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import onnxruntime
import pytest
import skl2onnx
from onnx import helper
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, LogisticRegression, Ridge, RidgeClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, PowerTransformer, StandardScaler
from sklearn.svm import LinearSVC, LinearSVR

import tropixc
from tropix.circuits import Exactness
from tropix.errors import FormatError, InvalidInput, Unsupported
from tropixc.frontends.onnx import import_bytes

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3)) * [1.0, 10.0, 0.1] + [0.0, 5.0, 1.0]
SLOPE = X @ [1.0, 0.1, 10.0]
TARGETS: dict[str, Any] = {
    "two": (SLOPE > 10.5).astype(int),
    "three": np.digitize(SLOPE, [10.0, 11.0]),
    "labels": np.stack([SLOPE > 10.5, X[:, 1] > 5.0, X[:, 0] > 0.0], axis=1).astype(int),
    "value": SLOPE,
    "values": np.stack([SLOPE, X[:, 0] ** 2], axis=1),
}


def mlp(kind: Any, **options: Any) -> Any:
    return kind(hidden_layer_sizes=(6, 4), max_iter=30, random_state=0, **options)


CASES: dict[str, tuple[Any, str]] = {
    **{
        f"MLPClassifier {activation}, {target}": (mlp(MLPClassifier, activation=activation), target)
        for activation in ("identity", "logistic", "tanh", "relu")
        for target in ("two", "three", "labels")
    },
    **{
        f"MLPRegressor {activation}, {target}": (mlp(MLPRegressor, activation=activation), target)
        for activation in ("identity", "logistic", "tanh", "relu")
        for target in ("value", "values")
    },
    **{
        f"{type(kind).__name__}, {target}": (kind, target)
        for kind in (LogisticRegression(), LinearSVC(), RidgeClassifier())
        for target in ("two", "three")
    },
    **{
        f"{type(kind).__name__}, values": (kind, "values")
        for kind in (LinearRegression(), Ridge(), Lasso(), ElasticNet())
    },
    "LinearSVR": (LinearSVR(), "value"),
    "no intercept": (LinearRegression(fit_intercept=False), "value"),
    "liblinear, two": (LogisticRegression(solver="liblinear"), "two"),
}


def fitted(estimator: Any, points: np.ndarray, target: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some of them do not converge in so few steps
        return estimator.fit(points, TARGETS[target])


def scores(estimator: Any, points: np.ndarray) -> np.ndarray:
    for name in ("predict_proba", "decision_function", "predict"):
        if hasattr(estimator, name):
            return np.asarray(getattr(estimator, name)(points)).reshape(len(points), -1)
    raise AssertionError


@pytest.mark.parametrize("features", [3, 1])
@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_scores_are_the_estimators(case: str, scaled: bool, features: int) -> None:
    final, target = CASES[case]
    points = X[:, :features]
    estimator = fitted(make_pipeline(StandardScaler(), final) if scaled else final, points, target)
    circuit = tropixc.from_sklearn(estimator)
    np.testing.assert_allclose(circuit(points), scores(estimator, points), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("target", ["two", "three"])
def test_probabilities_are_gibbs_weights(target: str) -> None:
    for kind in (LogisticRegression(), mlp(MLPClassifier)):
        assert tropixc.from_sklearn(fitted(kind, X, target)).exactness is Exactness.GRADIENT
    assert tropixc.from_sklearn(fitted(mlp(MLPClassifier), X, target), output="logits").exactness is Exactness.SOLUTION


@pytest.mark.parametrize("target", ["two", "three"])
@pytest.mark.parametrize("scaled", [False, True])
def test_logits_of_a_logistic_regression_compile(scaled: bool, target: str) -> None:
    final = LogisticRegression()
    estimator = fitted(make_pipeline(StandardScaler(), final) if scaled else final, X, target)
    circuit = tropixc.from_sklearn(estimator, output="logits")
    expected = estimator.decision_function(X).reshape(len(X), -1)
    np.testing.assert_allclose(circuit(X), expected, rtol=1e-9, atol=1e-11)
    polynomials = tropixc.compile(circuit)
    for k, polynomial in enumerate(polynomials if isinstance(polynomials, list) else [polynomials]):
        np.testing.assert_allclose(polynomial(X), expected[:, k], rtol=1e-9, atol=1e-11)


def test_logits_of_a_network_are_those_before_the_softmax() -> None:
    estimator = fitted(mlp(MLPClassifier), X, "three")
    logits = tropixc.from_sklearn(estimator, output="logits")(X)
    powers = np.exp(logits)
    np.testing.assert_allclose(powers / powers.sum(axis=1, keepdims=True), estimator.predict_proba(X), rtol=1e-9)


def test_other_scalers_and_steps_that_do_nothing() -> None:
    steps = [("scale", MinMaxScaler()), ("nothing", "passthrough"), ("fit", Ridge())]
    estimator = fitted(Pipeline(steps), X, "value")
    np.testing.assert_allclose(tropixc.from_sklearn(estimator)(X).ravel(), estimator.predict(X), rtol=1e-9)


def test_sparse_coefficients() -> None:
    estimator = fitted(LogisticRegression(), X, "three")
    expected = estimator.predict_proba(X)
    np.testing.assert_allclose(tropixc.from_sklearn(estimator.sparsify())(X), expected, rtol=1e-9)


def test_the_estimator_is_left_as_it_was() -> None:
    estimator = fitted(mlp(MLPClassifier), X, "two")
    before = (estimator.out_activation_, [part.copy() for part in estimator.coefs_], estimator.predict_proba(X))
    tropixc.from_sklearn(estimator)
    assert estimator.out_activation_ == before[0]
    np.testing.assert_array_equal(estimator.predict_proba(X), before[2])


class Doubled(LinearRegression):  # type: ignore[misc]
    def predict(self, points: Any) -> Any:
        return 2 * super().predict(points)


@pytest.mark.parametrize(
    ("estimator", "text"),
    [
        (RandomForestClassifier(n_estimators=2), "RandomForestClassifier has no exact rule here: supported are"),
        (make_pipeline(StandardScaler(), RandomForestClassifier(n_estimators=2)), "RandomForestClassifier"),
        (StandardScaler(), "StandardScaler has no exact rule"),
        (Doubled(), "Doubled has no exact rule"),
        (make_pipeline(PowerTransformer(), LogisticRegression()), "."),
    ],
    ids=["forest", "forest in a pipeline", "a scaler alone", "another class", "a scaler without a rule"],
)
def test_what_has_no_rule_is_refused(estimator: Any, text: str) -> None:
    with pytest.raises(Unsupported, match=text):
        tropixc.from_sklearn(fitted(estimator, X, "two"))


@pytest.mark.parametrize("estimator", [Ridge(), MLPClassifier(), make_pipeline(StandardScaler(), LogisticRegression())])
def test_what_is_not_fitted_is_refused(estimator: Any) -> None:
    with pytest.raises(InvalidInput, match="not fitted"):
        tropixc.from_sklearn(estimator)


def test_wrong_arguments() -> None:
    with pytest.raises(InvalidInput, match="expected a fitted"):
        tropixc.from_sklearn("ridge")
    with pytest.raises(InvalidInput, match="'scores' or 'logits'"):
        tropixc.from_sklearn(fitted(Ridge(), X, "value"), output="labels")  # type: ignore[arg-type]


FILES: dict[str, tuple[Any, str]] = {
    "logistic, two": (LogisticRegression(), "two"),
    "logistic, three": (LogisticRegression(), "three"),
    "scaled": (make_pipeline(StandardScaler(), LogisticRegression()), "three"),
    "margins, two": (LinearSVC(), "two"),
    "margins, three": (LinearSVC(), "three"),
    "network": (mlp(MLPClassifier, activation="tanh"), "two"),
    "ridge": (Ridge(), "value"),
    "several values": (make_pipeline(StandardScaler(with_mean=False), LinearRegression()), "values"),
}


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("case", FILES)
def test_files_of_skl2onnx(case: str, zipped: bool) -> None:
    estimator = fitted(FILES[case][0], X, FILES[case][1])
    final = estimator[-1] if isinstance(estimator, Pipeline) else estimator
    names = hasattr(final, "predict_proba")
    options = {id(final): {"zipmap": zipped}} if names else None
    model = skl2onnx.to_onnx(
        estimator, X[:1].astype(np.float32), options=options, target_opset={"": 17, "ai.onnx.ml": 3}
    )
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    output = session.get_outputs()[-1].name
    expected = session.run([output], {session.get_inputs()[0].name: X.astype(np.float32)})[0]
    if isinstance(expected, list):  # a dictionary for each row, by class
        expected = np.array([[row[name] for name in final.classes_] for row in expected])
    circuit = import_bytes(model.SerializeToString(), output).circuit
    points = X.astype(np.float32).astype(np.float64)
    np.testing.assert_allclose(circuit(points), np.reshape(expected, (len(X), -1)), rtol=1e-4, atol=1e-5)


def test_labels_of_a_file_are_left_out() -> None:
    estimator = fitted(LogisticRegression(), X, "three")
    model = skl2onnx.to_onnx(estimator, X[:1].astype(np.float32), target_opset={"": 17, "ai.onnx.ml": 3})
    circuit = import_bytes(model.SerializeToString(), "output_label").circuit
    np.testing.assert_array_equal(estimator.classes_[circuit(X).argmax(axis=1)], estimator.predict(X))


def learned(operator: str, outputs: int, **attributes: Any) -> bytes:
    """A model of one operator of ai.onnx.ml on three features."""
    names = [f"y{i}" for i in range(outputs)]
    node = helper.make_node(operator, ["x"], names, domain="ai.onnx.ml", name="n", **attributes)
    info = helper.make_tensor_value_info("x", 1, ["batch", 3])
    ends = [helper.make_tensor_value_info(names[-1], 1, ["batch", None])]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    graph = helper.make_graph([node], "g", [info], ends)
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString())


@pytest.mark.parametrize(
    ("model", "error", "text"),
    [
        (learned("Scaler", 1, offset=[1.0, 2.0]), FormatError, "2 numbers for 3 features"),
        (learned("Scaler", 1, scale=[1.0, np.nan, 1.0]), FormatError, "NaN"),
        (learned("LinearRegressor", 1, coefficients=[1.0, 2.0]), FormatError, "2 coefficients"),
        (learned("LinearRegressor", 1), FormatError, "no coefficients"),
        (learned("LinearRegressor", 1, coefficients=[1.0, 2.0, 3.0], post_transform="PROBIT"), Unsupported, "PROBIT"),
        (learned("LinearClassifier", 2, coefficients=[1.0, 2.0, 3.0]), FormatError, "for 0 outputs"),
        (
            learned(
                "LinearClassifier", 2, coefficients=[1.0] * 6, classlabels_ints=[0, 1], post_transform="SOFTMAX_ZERO"
            ),
            Unsupported,
            "SOFTMAX_ZERO",
        ),
        (learned("Normalizer", 1, norm="L1"), Unsupported, "only the L1 norm of softmax"),
    ],
)
def test_files_without_a_rule(model: bytes, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        import_bytes(model)


def test_pipelines_with_steps_that_do_nothing() -> None:
    classes = TARGETS["two"]
    first = Pipeline([("nothing", "passthrough"), ("scale", StandardScaler()), ("model", LogisticRegression())])
    circuit = tropixc.from_sklearn(first.fit(X, classes))
    np.testing.assert_allclose(circuit(X), first.predict_proba(X), rtol=1e-9)
    for empty in (Pipeline([]), Pipeline([("nothing", "passthrough")])):
        with pytest.raises(Unsupported, match="must end in an estimator"):
            tropixc.from_sklearn(empty)

"""scikit-learn → circuit, by way of ONNX in float64."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
import scipy.sparse as sp

from tropix.circuits import Circuit, CircuitBuilder, Gibbs, uniform_segments
from tropix.errors import InvalidInput, Unsupported
from tropixc.frontends._activations import activate
from tropixc.frontends.onnx import import_bytes
from tropixc.passes import optimize

Link: TypeAlias = Literal["identity", "sigmoid", "softmax", "binary"]

LINEAR_REGRESSORS = (
    "LinearRegression",
    "Ridge",
    "RidgeCV",
    "Lasso",
    "LassoCV",
    "ElasticNet",
    "ElasticNetCV",
    "LinearSVR",
)
MARGIN_CLASSIFIERS = ("LinearSVC", "RidgeClassifier", "Perceptron")
LOGISTIC = ("LogisticRegression", "LogisticRegressionCV")
NETWORKS = ("MLPClassifier", "MLPRegressor")
OPSETS = {"": 21, "ai.onnx.ml": 3}
"""The newest that are asked for; the installed onnx and skl2onnx may know older ones only."""


def from_sklearn(estimator: Any, *, output: Literal["scores", "logits"] = "scores") -> Circuit:
    """The circuit of a fitted scikit-learn estimator, or of a `Pipeline` that ends in one, simplified exactly.

    ``output="scores"`` is ``predict_proba`` where the estimator has it (Gibbs weights: a binary classifier has two,
    (1 − σ(s), σ(s))), ``decision_function`` for the other classifiers, ``predict`` for regressors. ``output="logits"``
    are the values before the softmax or logistic, ``decision_function`` for linear classifiers; they compile to
    polynomials. The labels themselves are no part of the circuit.

    Final steps: MLPClassifier, MLPRegressor, LogisticRegression, LinearSVC, RidgeClassifier, Perceptron,
    LinearRegression, Ridge, Lasso, ElasticNet, LinearSVR. Steps before them: what skl2onnx converts to operators that
    the ONNX front end reads, such as StandardScaler. Weights stay float64. Needs the extra ``sklearn``; raises
    `Unsupported` for other estimators, `InvalidInput` for what is not fitted.
    """
    if output not in ("scores", "logits"):
        raise InvalidInput(f"output {output!r}: expected 'scores' or 'logits'")
    try:
        from sklearn.base import BaseEstimator
        from sklearn.pipeline import Pipeline
    except ImportError:
        raise _missing("scikit-learn") from None
    if not isinstance(estimator, BaseEstimator):
        raise InvalidInput(f"estimator is a {type(estimator).__name__}: expected a fitted scikit-learn estimator")
    steps = list(estimator.steps) if isinstance(estimator, Pipeline) else [("estimator", estimator)]
    if not steps or any(step in (None, "passthrough") for _, step in steps[-1:]):
        raise Unsupported("a pipeline must end in an estimator: add one as its last step")
    final = steps[-1][1]
    _check_supported(final)
    _check_fitted(estimator)
    link = _link(final) if output == "scores" else "identity"
    before = [(name, step) for name, step in steps[:-1] if step not in (None, "passthrough")]
    converted = Pipeline([*before, ("head", _head(final))]) if before else _head(final)
    features = (before[0][1] if before else final).n_features_in_
    circuit = import_bytes(_to_onnx(converted, features), name=type(final).__name__).circuit
    return optimize(_linked(circuit, link))


def _missing(package: str) -> Unsupported:
    return Unsupported(f"{package} is not installed: pip install 'tropix-compiler[sklearn]'")


def _check_supported(final: Any) -> None:
    known = (*LINEAR_REGRESSORS, *MARGIN_CLASSIFIERS, *LOGISTIC, *NETWORKS)
    name = type(final).__name__
    if name not in known or not type(final).__module__.startswith("sklearn."):
        raise Unsupported(
            f"{name} has no exact rule here: supported are {', '.join(known)}, alone or as the last step of a "
            "Pipeline. Other estimators: convert with skl2onnx and load the file, if its operators are supported."
        )


def _check_fitted(estimator: Any) -> None:
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(estimator)
    except NotFittedError:
        raise InvalidInput(f"{type(estimator).__name__} is not fitted: call fit first") from None


def _head(final: Any) -> Any:
    """A regressor whose prediction is the estimator's value before its link: of a kind that converts in float64."""
    if type(final).__name__ in NETWORKS:
        return _network_head(final)
    from sklearn.linear_model import LinearRegression

    coefficients = final.coef_.toarray() if sp.issparse(final.coef_) else np.asarray(final.coef_)
    head = LinearRegression()
    head.coef_ = np.atleast_2d(coefficients).astype(np.float64)
    head.intercept_ = np.broadcast_to(np.asarray(final.intercept_, dtype=np.float64), len(head.coef_)).copy()
    head.n_features_in_ = head.coef_.shape[1]
    return head


def _network_head(final: Any) -> Any:
    from sklearn.neural_network import MLPRegressor

    if type(final).__name__ == "MLPRegressor" and final.out_activation_ != "identity":
        raise Unsupported(f"MLPRegressor with loss {final.loss!r} ends in {final.out_activation_!r}: no exact rule")
    head = MLPRegressor(hidden_layer_sizes=final.hidden_layer_sizes, activation=final.activation)
    for name in ("n_layers_", "n_outputs_", "n_features_in_"):
        setattr(head, name, getattr(final, name))
    head.coefs_ = [np.asarray(part, dtype=np.float64) for part in final.coefs_]
    head.intercepts_ = [np.asarray(part, dtype=np.float64) for part in final.intercepts_]
    head.out_activation_ = "identity"
    return head


def _link(final: Any) -> Link:
    """What turns the logits into ``predict_proba``."""
    name = type(final).__name__
    if name == "MLPClassifier":
        if final.out_activation_ == "softmax":
            return "softmax"
        return "binary" if final.n_outputs_ == 1 else "sigmoid"
    if name not in LOGISTIC:
        return "identity"
    several = len(final.classes_) > 2
    scheme = getattr(final, "multi_class", "auto")  # older versions of scikit-learn
    if (several and (scheme == "ovr" or final.solver == "liblinear")) or (scheme == "multinomial" and not several):
        raise Unsupported(
            f"{name} normalises its probabilities in another way than softmax (multi_class={scheme!r}, "
            f"solver={final.solver!r}): take output='logits', or fit with the defaults"
        )
    return "softmax" if several else "binary"


def _to_onnx(estimator: Any, features: int) -> bytes:
    try:
        import skl2onnx
        from skl2onnx.common.data_types import DoubleTensorType
        from skl2onnx.common.exceptions import MissingConverter, MissingShapeCalculator
    except ImportError:
        raise _missing("skl2onnx") from None
    import onnx

    newest = min(onnx.defs.onnx_opset_version(), skl2onnx.__max_supported_opset__)
    opsets = {**OPSETS, "": min(OPSETS[""], newest)}
    inputs = [("x", DoubleTensorType([None, features]))]
    try:
        model = skl2onnx.to_onnx(estimator, initial_types=inputs, target_opset=opsets)
    except (MissingConverter, MissingShapeCalculator, NotImplementedError, RuntimeError) as error:
        raise Unsupported(f"skl2onnx does not convert this pipeline: {' '.join(str(error).split())[:300]}") from None
    return bytes(model.SerializeToString())


def _linked(circuit: Circuit, link: Link) -> Circuit:
    """The circuit with softmax or logistic behind its output."""
    if link == "identity":
        return circuit
    builder = CircuitBuilder(circuit.input_size, circuit.names[0])
    for node, name in zip(circuit.nodes[1:], circuit.names[1:], strict=True):
        builder.add(node, name)
    if link != "binary":
        return builder.build(activate(builder, circuit.output, link, None, "scores"))
    pair = builder.affine([(circuit.output, [[0.0], [1.0]])], [0.0, 0.0], "scores/pair")
    return builder.build(builder.add(Gibbs(pair, 1.0, uniform_segments(1, 2)), "scores"))

"""Rules of the domain ai.onnx.ml: linear models and scalers, as skl2onnx writes them."""

from __future__ import annotations

import numpy as np

from tropix.arrays import FloatArray
from tropix.circuits import Gibbs
from tropix.errors import FormatError, Unsupported
from tropixc.frontends.onnx._call import Call, rule
from tropixc.frontends.onnx._linear import _linear as linear
from tropixc.frontends.onnx._shapes import reindexed
from tropixc.frontends.onnx._values import Label, Tensor, Value, combine, gibbs, weights_of


def _rows(call: Call) -> Tensor:
    """The input as (batch, features)."""
    tensor = call.tensor(0)
    if len(tensor.shape) != 2:
        raise Unsupported(f"{call.what}: input of shape {tensor.shape}: expected (batch, features)")
    return tensor


def _numbers(call: Call, name: str, default: float | None = None) -> FloatArray:
    given = call.attribute(name, None if default is None else [default])
    if given is None:
        raise FormatError(f"{call.what} has no {name}")
    return call.weights(np.asarray(given, dtype=np.float64))


def _post_transform(call: Call) -> str:
    given = call.attribute("post_transform", b"NONE")
    return given.decode("ascii", "replace") if isinstance(given, bytes) else str(given)


@rule("ai.onnx.ml.Scaler", summary="affine")
def _scaler(call: Call) -> Value:
    tensor = _rows(call)
    offset, scale = _numbers(call, "offset", 0.0), _numbers(call, "scale", 1.0)
    for values in (offset, scale):
        if len(values) not in (1, tensor.shape[1]):
            raise FormatError(f"{call.what}: {len(values)} numbers for {tensor.shape[1]} features")
    # two nodes, so that no product of scale and offset is rounded
    moved = combine(call.builder, [(tensor, 1.0)], -offset, tensor.shape, f"{call.name}/offset")
    return combine(call.builder, [(moved, scale)], 0.0, tensor.shape, call.name)


def _scores(call: Call, count: int) -> Tensor:
    """The affine part of a linear model with ``count`` outputs."""
    tensor = _rows(call)
    matrix, bias = _numbers(call, "coefficients"), _numbers(call, "intercepts", 0.0)
    if call.attribute("intercepts", None) is None:
        bias = np.zeros(count)
    if count < 1 or len(matrix) != count * tensor.shape[1] or len(bias) != count:
        raise FormatError(
            f"{call.what}: {len(matrix)} coefficients and {len(bias)} intercepts "
            f"for {count} outputs of {tensor.shape[1]} features"
        )
    return linear(call, tensor, matrix.reshape(count, tensor.shape[1]), bias)


@rule("ai.onnx.ml.LinearRegressor", summary="affine")
def _linear_regressor(call: Call) -> Value:
    if _post_transform(call) != "NONE":
        raise Unsupported(f"{call.what}: post_transform {_post_transform(call)!r}: only 'NONE' is supported")
    return _scores(call, int(call.attribute("targets", 1)))


@rule("ai.onnx.ml.LinearClassifier", summary="affine, then Gibbs weights; the label only as the last step")
def _linear_classifier(call: Call) -> tuple[Value, ...]:
    classes = call.attribute("classlabels_ints", None) or call.attribute("classlabels_strings", None) or []
    scores = _scores(call, len(classes))
    label = Label(scores, str(call.node.output[-1]), (scores.shape[0],))
    match _post_transform(call):
        case "NONE":
            return label, scores
        case "SOFTMAX":
            return label, gibbs(call.builder, scores, (1,), f"{call.name}/weights")
        case "LOGISTIC":
            return label, weights_of(call.builder, [(scores, 1.0), (np.zeros(()), 1.0)], f"{call.name}/weights")[0]
        case other:
            raise Unsupported(f"{call.what}: post_transform {other!r}: supported are 'NONE', 'SOFTMAX', 'LOGISTIC'")


@rule("ai.onnx.ml.Normalizer", summary="of softmax weights in L1: nothing")
def _normalizer(call: Call) -> Value:
    norm, tensor = call.attribute("norm", b"MAX"), _rows(call)
    node = call.builder.node(tensor.source)
    if norm in (b"L1", "L1") and isinstance(node, Gibbs) and (tensor.index >= 0).all():
        groups = np.searchsorted(node.segments, tensor.index, side="right") - 1
        whole = all(
            len(set(group)) == 1 and len(set(row)) == len(row) == node.widths[group[0]]
            for group, row in zip(groups.tolist(), tensor.index.tolist(), strict=True)
        )
        if whole:
            return tensor
    raise Unsupported(f"{call.what}: only the L1 norm of softmax weights, which is 1, is supported")


@rule("ai.onnx.ml.ZipMap", summary="left out: the scores are the outputs, in the order of the classes")
def _zip_map(call: Call) -> Value:
    return call.tensor(0)


@rule("ai.onnx.ml.ArrayFeatureExtractor", summary="constant columns; names of classes are left out")
def _array_feature_extractor(call: Call) -> Value:
    value, index = call.input(0), call.input(1)
    if isinstance(value, np.ndarray) and isinstance(index, Label):
        return index
    columns, tensor = call.constant(1).ravel(), _rows(call)
    if columns.dtype.kind not in "iu" or ((columns < 0) | (columns >= tensor.shape[1])).any() or not columns.size:
        raise FormatError(f"{call.what}: columns must be integers in [0, {tensor.shape[1]})")
    return reindexed(tensor, lambda positions: positions[:, columns])

"""The activations of `from_arrays`, as circuit nodes."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import scipy.sparse as sp

from tropix.arrays import FloatArray, IntArray
from tropix.circuits import CircuitBuilder, Gibbs, uniform_segments
from tropix.errors import InvalidInput

Activation: TypeAlias = str | tuple[str, float] | tuple[str, int] | tuple[str, float, int] | None

EXPECTED = (
    "expected None, 'relu', 'abs', 'sigmoid', 'tanh', 'softmax', ('leaky_relu', slope in [0, 1)), "
    "('softplus', eps > 0), ('softmax', eps >= 0, pieces), ('lse', eps >= 0, pieces) or ('max', pieces)"
)


def plain(activation: Activation, where: str) -> Activation:
    """The activation with Python numbers; raises `InvalidInput` for what is none."""
    if isinstance(activation, (tuple, list)):
        activation = tuple(part.item() if isinstance(part, np.generic) else part for part in activation)  # type: ignore[assignment]
    match activation:
        case None | "relu" | "abs" | "sigmoid" | "tanh" | "softmax":
            return activation
        case ("leaky_relu", float() | int() as slope) if _number(slope) and 0 <= slope < 1:
            return activation
        case ("softplus", float() | int() as eps) if _number(eps) and eps > 0:
            return activation
        case ("lse" | "softmax", float() | int() as eps, int() as pieces) if (
            _number(eps) and _number(pieces) and eps >= 0
        ):
            return activation
        case ("max", int() as pieces) if _number(pieces):
            return activation
    raise InvalidInput(f"{where}: activation {activation!r}: {EXPECTED}")


def _number(value: object) -> bool:
    return not isinstance(value, bool)


def group_size(activation: Activation) -> int | None:
    """Rows of a group, for the activations whose absent rows are left out."""
    if isinstance(activation, tuple) and activation[0] in ("lse", "max"):
        return int(activation[-1])
    return None


def activate(
    builder: CircuitBuilder, source: int, activation: Activation, segments: IntArray | None, where: str
) -> int:
    """Append the activation of a node; ``segments`` are the groups of "lse" and "max"."""
    count = builder.size(source)
    match activation:
        case "relu":
            return builder.relu(source, f"{where}/relu")
        case "abs":
            return builder.log_sum_exp(_signs(builder, source, where), 0.0, uniform_segments(count, 2), f"{where}/abs")
        case "sigmoid":
            return _sigmoid(builder, source, 1.0, np.zeros(count), f"{where}/sigmoid")
        case "tanh":
            return _sigmoid(builder, source, 2.0, -np.ones(count), f"{where}/tanh")
        case "softmax":
            return builder.add(Gibbs(source, 1.0, uniform_segments(1, count)), f"{where}/softmax")
        case ("softmax", eps, int() as pieces):
            if pieces < 1 or count % pieces:
                raise InvalidInput(f"{where}: {count} rows do not split into groups of {pieces}")
            return builder.add(Gibbs(source, float(eps), uniform_segments(count // pieces, pieces)), f"{where}/softmax")
        case ("leaky_relu", slope):
            return builder.pairs_with_zero(source, 0.0, float(slope), f"{where}/leaky_relu")
        case ("softplus", eps):
            return builder.pairs_with_zero(source, float(eps), name=f"{where}/softplus")
        case ("lse" | "max" as kind, first, *_) if segments is not None:
            return builder.log_sum_exp(source, float(first) if kind == "lse" else 0.0, segments, f"{where}/{kind}")
    return source


def _signs(builder: CircuitBuilder, source: int, where: str) -> int:
    """The pairs (v, −v) of every entry."""
    matrix = sp.kron(sp.eye_array(builder.size(source)), np.array([[1.0], [-1.0]]), format="csr")
    return builder.affine([(source, matrix)], np.zeros(matrix.shape[0]), f"{where}/signs")


def _sigmoid(builder: CircuitBuilder, source: int, slope: float, shift: FloatArray, where: str) -> int:
    """Append slope·σ(slope·v) + shift, σ as the Gibbs weight of v among the pair (0, v)."""
    count = builder.size(source)
    places = (2 * np.arange(count) + 1, np.arange(count))
    pairs = sp.csr_array((np.full(count, slope), places), shape=(2 * count, count))
    logits = builder.affine([(source, pairs)], np.zeros(2 * count), f"{where}/pairs")
    weights = builder.add(Gibbs(logits, 1.0, uniform_segments(count, 2)), f"{where}/weights")
    chosen = sp.csr_array((np.full(count, slope), places[::-1]), shape=(count, 2 * count))
    return builder.affine([(weights, chosen)], shift, where)

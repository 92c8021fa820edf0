"""Arrays → circuit: a feed-forward network given layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from tropix.arrays import FloatArray, IntArray, real_array
from tropix.circuits import Circuit, CircuitBuilder
from tropix.errors import InvalidInput
from tropixc.frontends._activations import Activation, activate, group_size, plain

Layer: TypeAlias = tuple[npt.ArrayLike, npt.ArrayLike | None, Activation]


def from_arrays(layers: Sequence[Layer]) -> Circuit:
    """The circuit of layers ``(weights, bias, activation)``: z = weights·v + bias, then the activation.

    weights (out, in), bias (out,) or ``None`` for zeros. Activations: ``None``; ``"relu"``; ``"abs"``;
    ``("leaky_relu", slope)`` with 0 ≤ slope < 1; ``("softplus", eps)``: ε log(1 + e^{z/ε}); ``("lse", eps, pieces)``
    and ``("max", pieces)``: consecutive groups of ``pieces`` rows are joined by ⊕_ε or max;
    ``("softmax", eps, pieces)``: Gibbs weights within such groups, or ``"softmax"`` over all rows at ε = 1;
    ``"sigmoid"`` and ``"tanh"``, affine images of Gibbs weights: σ(z) of (z, 0), tanh z = 2σ(2z) − 1. Under "lse" and
    "max" a bias −∞ leaves its row out, as long as its group keeps another. Raises `InvalidInput` naming the layer.

    >>> circuit = from_arrays([([[1.0], [-1.0]], [0.0, 0.0], ("max", 2))])
    >>> circuit([[-3.0], [2.0]]).ravel()
    array([3., 2.])
    """
    if not isinstance(layers, Sequence) or not layers:
        raise InvalidInput("a network needs at least one layer (weights, bias, activation)")
    builder: CircuitBuilder | None = None
    position = 0
    for number, layer in enumerate(layers):
        where = f"layer {number}"
        if not isinstance(layer, (tuple, list)) or len(layer) != 3:
            raise InvalidInput(f"{where} is no triple: expected (weights, bias, activation)")
        activation = plain(layer[2], where)
        pieces = group_size(activation)
        weights, bias = _affine_part(layer, pieces is not None, where)
        if builder is None:
            builder = CircuitBuilder(weights.shape[1])
        if weights.shape != (len(bias), builder.size(position)):
            raise InvalidInput(
                f"{where}: weights have shape {weights.shape}, bias {bias.shape}: "
                f"expected ({len(bias)}, {builder.size(position)}) after {builder.size(position)} values"
            )
        present = np.isfinite(bias)
        position = builder.affine([(position, weights[present])], bias[present], where)
        segments = None if pieces is None else _segments(present, pieces, where)
        position = activate(builder, position, activation, segments, where)
    assert builder is not None
    return builder.build(position)


def _affine_part(layer: Layer, grouped: bool, where: str) -> tuple[FloatArray, FloatArray]:
    weights = real_array(layer[0], f"{where}: weights", 2)
    if not weights.size:
        raise InvalidInput(f"{where}: weights have shape {weights.shape}: expected at least one row and one column")
    given = np.zeros(len(weights)) if layer[1] is None else layer[1]
    return weights, real_array(given, f"{where}: bias", 1, minus_infinity=grouped)


def _segments(present: np.ndarray, pieces: int, where: str) -> IntArray:
    """Offsets of groups of ``pieces`` rows, counting only the rows that are present."""
    if pieces < 1 or len(present) % pieces:
        raise InvalidInput(f"{where}: {len(present)} rows do not split into groups of {pieces}")
    counts = present.reshape(-1, pieces).sum(axis=1)
    if not counts.all():
        raise InvalidInput(f"{where}: group {int(np.argmin(counts))} has no finite bias: its value is -inf everywhere")
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

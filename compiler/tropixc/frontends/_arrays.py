"""Arrays → circuit: a feed-forward network given layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from tropix.arrays import real_array
from tropix.circuits import Circuit, CircuitBuilder, uniform_segments
from tropix.errors import InvalidInput

Activation: TypeAlias = str | tuple[str, float] | tuple[str, int] | tuple[str, float, int] | None
Layer: TypeAlias = tuple[npt.ArrayLike, npt.ArrayLike, Activation]


def from_arrays(layers: Sequence[Layer]) -> Circuit:
    """The circuit of layers ``(weights, bias, activation)``: z = weights·v + bias, then the activation.

    weights (out, in), bias (out,). Activations: ``None``; ``"relu"``; ``("leaky_relu", slope)`` with 0 ≤ slope < 1;
    ``("softplus", eps)``: ε log(1 + e^{z/ε}); ``("lse", eps, pieces)`` and ``("max", pieces)``: consecutive groups
    of ``pieces`` rows are joined by ⊕_ε or max. Raises `InvalidInput` naming the layer.

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
        weights = real_array(layer[0], f"{where}: weights", 2)
        bias = real_array(layer[1], f"{where}: bias", 1)
        if builder is None:
            builder = CircuitBuilder(weights.shape[1])
        if weights.shape != (len(bias), builder.size(position)):
            raise InvalidInput(
                f"{where}: weights have shape {weights.shape}, bias {bias.shape}: "
                f"expected ({len(bias)}, {builder.size(position)}) after {builder.size(position)} values"
            )
        position = builder.affine([(position, weights)], bias, where)
        position = _activate(builder, position, layer[2], where)
    assert builder is not None
    return builder.build(position)


def _activate(builder: CircuitBuilder, source: int, activation: Activation, where: str) -> int:
    if isinstance(activation, (tuple, list)):
        activation = tuple(part.item() if isinstance(part, np.generic) else part for part in activation)  # type: ignore[assignment]
    match activation:
        case None:
            return source
        case "relu":
            return builder.relu(source, f"{where}/relu")
        case ("leaky_relu", float() | int() as slope) if 0 <= slope < 1:
            return builder.pairs_with_zero(source, 0.0, float(slope), f"{where}/leaky_relu")
        case ("softplus", float() | int() as eps) if eps > 0:
            return builder.pairs_with_zero(source, float(eps), name=f"{where}/softplus")
        case ("lse", float() | int() as eps, int() as pieces) if eps >= 0:
            return _grouped(builder, source, float(eps), pieces, f"{where}/lse")
        case ("max", int() as pieces):
            return _grouped(builder, source, 0.0, pieces, f"{where}/max")
    raise InvalidInput(
        f"{where}: activation {activation!r}: expected None, 'relu', ('leaky_relu', slope in [0, 1)), "
        "('softplus', eps > 0), ('lse', eps >= 0, pieces) or ('max', pieces)"
    )


def _grouped(builder: CircuitBuilder, source: int, eps: float, pieces: int, where: str) -> int:
    count = builder.size(source)
    if pieces < 1 or count % pieces:
        raise InvalidInput(f"{where}: {count} rows do not split into groups of {pieces}")
    segments = uniform_segments(int(np.floor_divide(count, pieces)), pieces)
    return builder.log_sum_exp(source, eps, segments, where)

"""Networks as arrays in files: ``.npz`` and JSON. See `read_arrays` for the layout."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tropix.circuits import Circuit
from tropix.errors import FormatError, InvalidInput, TropixError
from tropixc.frontends._activations import Activation
from tropixc.frontends._arrays import Layer, from_arrays
from tropixc.frontends._json import read_json
from tropixc.frontends._npz import read_npz

Entries = dict[str, Any]

LAYER_KEYS = ("weights", "bias", "activation", "eps", "pieces", "slope")
WITH_NUMBERS: dict[str, tuple[str, ...]] = {
    "softplus": ("eps",),
    "leaky_relu": ("slope",),
    "lse": ("eps", "pieces"),
    "max": ("pieces",),
    "softmax": ("eps", "pieces"),
}
"""The numbers that an activation needs; the others need none."""
DEFAULTS: dict[str, Callable[[int], float]] = {"pieces": lambda rows: rows, "eps": lambda rows: 1.0}
"""Numbers that may be left out: one group of all rows; temperature 1."""


def read_arrays(path: str | Path) -> Circuit:
    """Read a ``.npz`` or ``.json`` file of a feed-forward network into a circuit.

    A layer has the keys ``weights`` (out, in), optionally ``bias`` (out,), and ``activation``, the name of one of those
    of `from_arrays`, with its numbers ``eps``, ``pieces``, ``slope`` beside it; ``pieces`` is by default all rows,
    ``eps`` 1. With ``eps`` or ``pieces`` and no name the activation is ``"lse"``. So ``weights``, ``bias``, ``eps``
    alone are one layer f(x) = ε log Σ_j exp((w_j·x + b_j)/ε); ε = 0 is max, and a bias −∞ leaves its piece out.

    In a ``.npz`` file the layers of a network have numbered keys: ``weights_0``, ``bias_0``, ``activation_0``, ….
    JSON has ``{"layers": [layer, …]}``, where an activation may also be ``{"softplus": 0.1}`` or
    ``{"lse": {"eps": 0.1, "pieces": 4}}``. Numbers are read as the nearest float64. Files are data: nothing is
    unpickled or evaluated, and sizes are bounded before anything is allocated.
    Raises `FormatError` or `InvalidInput` naming the file and the key.
    """
    file = Path(path)
    if not file.is_file():
        raise FormatError(f"{file}: {'a folder' if file.is_dir() else 'no such file'}")
    try:
        layers = _numbered(read_npz(file)) if file.suffix.lower() == ".npz" else _nested(read_json(file))
        return from_arrays([_layer(layer, name) for name, layer in layers])
    except TropixError as error:
        raise type(error)(f"{file}: {error}") from None


def _numbered(entries: Entries) -> list[tuple[str, Entries]]:
    """The layers of flat keys ``weights`` or ``weights_0``, ``weights_1``, …."""
    if "weights" in entries:
        return [("", entries)]
    layers: dict[int, Entries] = {}
    for key, value in entries.items():
        found = re.fullmatch(rf"({'|'.join(LAYER_KEYS)})_(0|[1-9][0-9]{{0,5}})", key)
        if found is None:
            raise FormatError(f"key {key!r}: expected {_listed(LAYER_KEYS)}, or each with _0, _1, … for several layers")
        layers.setdefault(int(found[2]), {})[found[1]] = value
    if sorted(layers) != list(range(len(layers))) or not layers:
        raise FormatError(f"layers are numbered {sorted(layers)}: expected 0, 1, … without gaps")
    return [(f"_{number}", layers[number]) for number in sorted(layers)]


def _nested(data: Any) -> list[tuple[str, Entries]]:
    """The layers of a JSON object."""
    if not isinstance(data, dict):
        raise FormatError(f"a JSON {type(data).__name__}: expected an object with 'weights' or 'layers'")
    if str(data.get("format", "")).startswith("tropix/"):
        raise FormatError(
            f"{data['format']!r} is the result of a compilation, no network: read it with tropixc.read_artefact, "
            "or evaluate it with `tropix eval`"
        )
    if "layers" not in data:
        return [("", data)]
    layers = data["layers"]
    if set(data) != {"layers"} or not isinstance(layers, list) or not layers:
        raise FormatError("'layers' must be the only key and hold a list of at least one layer")
    for number, layer in enumerate(layers):
        if not isinstance(layer, dict):
            raise FormatError(f"layers[{number}] is a {type(layer).__name__}: expected an object with 'weights'")
    return [(f" of layers[{number}]", layer) for number, layer in enumerate(layers)]


def _layer(entries: Entries, suffix: str) -> Layer:
    """(weights, bias, activation) of one layer; ``suffix`` completes a key in messages."""
    unknown = [key for key in entries if key not in LAYER_KEYS]
    if unknown:
        raise FormatError(f"key {unknown[0]!r}{suffix}: expected {_listed(LAYER_KEYS)}")
    if "weights" not in entries:
        raise FormatError(f"weights{suffix} is missing")
    weights, bias = entries["weights"], entries.get("bias")
    return weights, bias, _activation(entries, _count(weights), suffix)


def _count(weights: Any) -> int:
    """Number of rows; what has none is refused later."""
    return len(weights) if isinstance(weights, list) or (isinstance(weights, np.ndarray) and weights.ndim) else 1


def _activation(entries: Entries, rows: int, suffix: str) -> Activation:
    name = entries.get("activation")
    numbers: Entries = {key: entries[key] for key in ("eps", "pieces", "slope") if key in entries}
    if isinstance(name, np.ndarray):
        name = name.item() if name.ndim == 0 else None
    if isinstance(name, dict):
        if len(name) != 1 or numbers:
            raise FormatError(f'activation{suffix}: expected one name with its numbers, such as {{"softplus": 0.1}}')
        name, given = next(iter(name.items()))
        wanted = WITH_NUMBERS.get(name, ())
        numbers = given if isinstance(given, dict) else dict(zip(wanted[:1], [given], strict=False))
    if name is None and "activation" in entries and entries["activation"] is not None:
        raise FormatError(f"activation{suffix}: expected a name")
    if name is None and numbers:
        name = "lse"
    if name is None:
        return None
    if not isinstance(name, str):
        raise FormatError(f"activation{suffix} is {str(name)[:40]!r}: expected a name")
    wanted = WITH_NUMBERS.get(name, ())
    spare = [key for key in numbers if key not in wanted]
    if spare:
        raise FormatError(f"{spare[0]}{suffix}: activation {name!r} has no such number")
    values = [_number(numbers, key, rows, name, suffix) for key in wanted]
    return (name, *values) if wanted else name  # type: ignore[return-value]


def _number(numbers: Entries, key: str, rows: int, name: str, suffix: str) -> float | int:
    if key not in numbers:
        if key not in DEFAULTS or name == "softplus":
            raise FormatError(f"{key}{suffix} is missing: activation {name!r} needs it")
        return DEFAULTS[key](rows)
    value = numbers[key]
    if isinstance(value, np.ndarray):
        value = value.item() if value.size == 1 else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidInput(f"{key}{suffix}: expected one number")
    if key == "pieces":
        if value != value or abs(value) > rows or value != int(value):
            raise InvalidInput(f"pieces{suffix} is {value}: expected a whole number up to {rows}, the number of rows")
        return int(value)
    try:
        return float(value)
    except OverflowError:
        raise InvalidInput(f"{key}{suffix} exceeds the range of float64") from None


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(map(repr, names))

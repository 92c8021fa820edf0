"""Load and compile: what most users call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from tropix.boxes import BoxLike
from tropix.circuits import Circuit
from tropix.errors import InvalidInput, Unsupported
from tropixc.frontends import read_arrays
from tropixc.frontends.onnx import ImportedModel, import_onnx
from tropixc.lowerings import (
    Kind,
    TropicalFunction,
    function_of,
    lower_outputs,
    read_circuit,
    to_latex,
    to_sympy,
    to_text,
)
from tropixc.passes import optimize

Compiled: TypeAlias = Any
"""A `TropicalPolynomial` or `TropicalRational`, or for other targets a sympy expression or text."""

FORMS: dict[str, Callable[[TropicalFunction], Compiled]] = {"sympy": to_sympy, "latex": to_latex, "text": to_text}
KINDS: dict[str, Kind] = {"polynomial": "polynomial", "rational": "rational", **dict.fromkeys(FORMS, "auto")}
"""Targets, and what the outputs become for them."""

PLAIN_FILES: dict[str, Callable[[Path], Circuit]] = {".npz": read_arrays, ".json": read_arrays, ".txt": read_circuit}
"""Files that hold a circuit or its arrays, by suffix; all else is ONNX."""


def load(path: str | Path, output: str | None = None) -> Circuit:
    """Read a model file into a circuit and simplify it exactly.

    ``.npz`` and ``.json`` hold a network as arrays (see `read_arrays`), ``.txt`` a circuit as text (see
    `circuit_to_text`), all else is ONNX; ``output`` names the graph output where an ONNX model has several. The circuit
    is the real-valued function of the stored weights. Raises `FormatError` for unsound files, `Unsupported` for what
    has no exact rule.
    """
    if not isinstance(path, (str, Path)):
        raise InvalidInput(f"path is a {type(path).__name__}: expected a file name")
    read = PLAIN_FILES.get(Path(path).suffix.lower())
    if read is None:
        return optimize(import_onnx(path, output).circuit)
    if output is not None:
        raise InvalidInput(f"{path}: this kind of file has one output, without a name: leave out {output!r}")
    return optimize(read(Path(path)))


def compile(
    model: str | Path | Circuit | ImportedModel,
    to: str = "polynomial",
    *,
    box: BoxLike | None = None,
    output: int | None = None,
    time_limit: float | None = None,
) -> Compiled | list[Compiled]:
    """Compile a model or circuit at ε → 0 to its exact, irredundant tropical polynomial or rational function.

    One result for ``output``, or where the model has one output; else a list, one an output. ``to`` is
    ``"polynomial"`` for convex outputs, ``"rational"`` for a `TropicalRational` of any circuit of affine maps and
    maxima (several outputs share one expansion), or ``"sympy"``, ``"latex"``, ``"text"``: the polynomial of a convex
    output, the rational function of another, in that form (JSON: `Artefact`). On a ``box`` (lower, upper) only
    monomials that are active there are kept, and the result is valid there.
    Raises `Unsupported` for ``"polynomial"`` of an output that is not convex, for what is not piecewise linear, and for
    work beyond ``time_limit`` seconds an output, `InvalidInput` for a wrong box, output or target.
    """
    kind = KINDS.get(to)
    if kind is None:
        raise Unsupported(f"target {to!r}: supported are {', '.join(map(repr, KINDS))}")
    if isinstance(model, Circuit):
        circuit = model
    elif isinstance(model, ImportedModel):
        circuit = optimize(model.circuit)
    elif isinstance(model, (str, Path)):
        circuit = load(model)
    else:
        raise InvalidInput(f"model is a {type(model).__name__}: expected a path or a Circuit")
    if output is not None and not isinstance(output, (int, np.integer)):
        raise InvalidInput(f"output is {output!r}: expected an index")
    outputs = range(circuit.output_size) if output is None else [int(output)]
    if kind != "polynomial" and box is not None:
        circuit = optimize(circuit, box)
    lowerings = lower_outputs(circuit, outputs, kind, box, time_limit=time_limit)
    functions = [function_of(lowering, kind) for lowering in lowerings]
    results = [FORMS[to](function) for function in functions] if to in FORMS else functions
    return results[0] if len(results) == 1 else results

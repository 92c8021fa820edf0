"""Load and compile: what most users call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from tropix.boxes import BoxLike
from tropix.circuits import Circuit
from tropix.errors import InvalidInput, Unsupported
from tropix.polynomials import TropicalPolynomial
from tropixc.frontends import read_arrays
from tropixc.frontends.onnx import ImportedModel, import_onnx
from tropixc.lowerings import lower_to_polynomial, lower_to_rational, read_circuit, to_latex, to_sympy, to_text
from tropixc.passes import optimize

Compiled: TypeAlias = Any
"""A `TropicalPolynomial` or `TropicalRational`, or for other targets a sympy expression or text."""

TARGETS: dict[str, Callable[[TropicalPolynomial], Compiled]] = {
    "polynomial": lambda polynomial: polynomial,
    "sympy": to_sympy,
    "latex": to_latex,
    "text": to_text,
}

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
    ``"polynomial"`` for convex outputs, or ``"sympy"``, ``"latex"``, ``"text"`` for the polynomial in that form (JSON:
    `Artefact`); ``"rational"`` is a `TropicalRational`, for any circuit of affine maps and maxima. On a ``box``
    (lower, upper) only monomials that are active there are kept, and the result is valid there.
    Raises `Unsupported` for outputs that are not convex (or with ``"rational"`` not piecewise linear) and for work
    beyond ``time_limit`` seconds an output, `InvalidInput` for a wrong box, output or target.
    """
    if to not in TARGETS and to != "rational":
        raise Unsupported(f"target {to!r}: supported are {', '.join(map(repr, [*TARGETS, 'rational']))}")
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
    if to == "rational":
        simple = circuit if box is None else optimize(circuit, box)
        functions = [lower_to_rational(simple, k, box, time_limit=time_limit).function for k in outputs]
        return functions[0] if len(functions) == 1 else functions
    lowerings = [lower_to_polynomial(circuit, k, box, time_limit=time_limit) for k in outputs]
    results = [TARGETS[to](lowering.polynomial) for lowering in lowerings]
    return results[0] if len(results) == 1 else results

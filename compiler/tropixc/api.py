"""Load and compile: what most users call."""

from __future__ import annotations

from pathlib import Path

from tropix.boxes import BoxLike
from tropix.circuits import Circuit
from tropix.errors import InvalidInput, Unsupported
from tropix.polynomials import TropicalPolynomial
from tropixc.frontends.onnx import ImportedModel, import_onnx
from tropixc.lowerings import lower_to_polynomial
from tropixc.passes import optimize

TARGETS = ("polynomial",)


def load(path: str | Path, output: str | None = None) -> Circuit:
    """Read a model file (.onnx) into a circuit and simplify it exactly.

    ``output`` names the graph output where the model has several. The circuit is the real-valued function of the
    stored weights. Raises `FormatError` for unsound files, `Unsupported` for what has no exact rule.
    """
    return optimize(import_onnx(path, output).circuit)


def compile(
    model: str | Path | Circuit | ImportedModel,
    to: str = "polynomial",
    *,
    box: BoxLike | None = None,
    output: int | None = None,
) -> TropicalPolynomial | list[TropicalPolynomial]:
    """Compile a model or circuit at ε → 0 to its exact, irredundant tropical polynomial.

    One polynomial for ``output``, or where the model has one output; else a list, one an output. On a ``box``
    (lower, upper) only monomials that are active there are kept, and the result is valid there.
    Raises `Unsupported` for outputs that are not convex, `InvalidInput` for a wrong box, output or target.
    """
    if to not in TARGETS:
        raise Unsupported(f"target {to!r}: supported are {', '.join(map(repr, TARGETS))}")
    if isinstance(model, Circuit):
        circuit = model
    elif isinstance(model, ImportedModel):
        circuit = optimize(model.circuit)
    elif isinstance(model, (str, Path)):
        circuit = load(model)
    else:
        raise InvalidInput(f"model is a {type(model).__name__}: expected a path or a Circuit")
    if output is not None:
        return lower_to_polynomial(circuit, output, box).polynomial
    polynomials = [lower_to_polynomial(circuit, k, box).polynomial for k in range(circuit.output_size)]
    return polynomials[0] if len(polynomials) == 1 else polynomials

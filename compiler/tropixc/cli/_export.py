"""``tropix export``: a model as ONNX, as Python source or as text; what is written was executed first."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tropix.errors import InvalidInput
from tropixc.cli._shared import GraphOutputOption, JsonOption, ModelArgument, console

if TYPE_CHECKING:
    from tropix.circuits import Circuit
    from tropixc.cli._execution import Comparison
    from tropixc.cli._models import LoadedModel

SUFFIXES = (".onnx", ".py", ".txt")
POINTS = 1000
SEED = 0


class Precision(StrEnum):
    """Float types of exported ONNX models."""

    float32 = "float32"
    float64 = "float64"


def export_command(
    model: ModelArgument,
    target: Annotated[
        Path, typer.Option("-o", help="The file to write: .onnx, .py (NumPy alone) or .txt.", show_default=False)
    ],
    heat: Annotated[
        float, typer.Option(help="Factor of all temperatures: 1 the trained network, 0 its tropical limit.")
    ] = 1.0,
    dtype: Annotated[
        Precision | None, typer.Option(help="Float type of an .onnx file; that of the model's input by default.")
    ] = None,
    graph_output: GraphOutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a model, or its tropical limit, as a simplified ONNX model, a NumPy function, or text."""
    from tropixc.cli._models import load_model
    from tropixc.lowerings import write_all
    from tropixc.passes import optimize

    if target.suffix not in SUFFIXES:
        raise InvalidInput(f"-o {target}: unknown suffix: use {', '.join(SUFFIXES)}")
    if target.resolve() == model.resolve():
        raise InvalidInput(f"-o {target} is the model itself: name another file")
    if dtype is not None and target.suffix != ".onnx":
        raise InvalidInput(f"--dtype {dtype} is for .onnx files: {target.suffix} files hold float64")
    loaded = load_model(model, graph_output)
    circuit = optimize(loaded.circuit)
    if heat != 1.0:
        circuit = circuit.heat(heat)
    precision: Literal["float32", "float64"] = "float64"
    if target.suffix == ".onnx":
        precision = dtype.value if dtype is not None else "float32" if loaded.single else "float64"
    content, checked = _exported(circuit, target.suffix, precision)
    holds = checked is None or checked.holds
    if holds:
        write_all({target: content})
    line = "reads back as the same circuit" if checked is None else checked.line
    if as_json:
        typer.echo(json.dumps(_report(loaded, circuit, target if holds else None, heat, precision, checked)))
    else:
        _print(circuit, target if holds else None, line, loaded.notes)
    if not holds:
        print("tropix: nothing is written, because the check failed", file=sys.stderr)
        raise typer.Exit(1)


def _exported(
    circuit: Circuit, suffix: str, precision: Literal["float32", "float64"]
) -> tuple[str | bytes, Comparison | None]:
    """The file's content, and how its execution compares with the circuit; text is read back instead."""
    from tropixc.agreement import sample_points
    from tropixc.cli._execution import compare, onnx_run, python_run
    from tropixc.lowerings import circuit_from_text, circuit_to_text, to_numpy_source, to_onnx

    if suffix == ".txt":
        text = circuit_to_text(circuit)
        if circuit_to_text(circuit_from_text(text)) != text:
            raise AssertionError("a circuit's text does not read back: please report this")
        return text, None
    points = sample_points(circuit.input_size, None, None, POINTS, SEED, precision == "float32")
    if suffix == ".py":
        source = to_numpy_source(circuit)
        return source, compare(circuit, python_run(source), "Python", points, "float64")
    content = to_onnx(circuit, dtype=precision).SerializeToString()
    return content, compare(circuit, onnx_run(content, precision), "onnxruntime", points, precision)


def _report(
    loaded: LoadedModel,
    circuit: Circuit,
    target: Path | None,
    heat: float,
    precision: str,
    checked: Comparison | None,
) -> dict[str, Any]:
    check: dict[str, Any] = {"status": "holds", "runtime": None}
    if checked is not None:
        status = "unknown" if not checked.compared else "holds" if checked.holds else "violated"
        check = {
            "status": status,
            "runtime": checked.runtime,
            "points": checked.points,
            "values_left_out": checked.unbounded,
            "gap": checked.gap if checked.gap < float("inf") else None,
            "tolerance": checked.tolerance,
        }
    return {
        "model": str(loaded.path),
        "sha256": loaded.sha256,
        "notes": list(loaded.notes),
        "file": None if target is None else str(target),
        "heat": heat,
        "dtype": precision,
        "temperatures": list(circuit.temperatures),
        "nodes": len(circuit.nodes),
        "inputs": circuit.input_size,
        "outputs": circuit.output_size,
        "check": check,
    }


def _print(circuit: Circuit, target: Path | None, line: str, notes: tuple[str, ...]) -> None:
    out = console()
    temperatures = ", ".join(f"{t:.6g}" for t in circuit.temperatures) or "none (affine)"
    out.print(
        f"{circuit.input_size} inputs, {len(circuit.nodes)} nodes, {circuit.output_size} outputs; "
        f"temperatures {temperatures}",
        markup=False,
        soft_wrap=True,
    )
    if target is not None:
        out.print(f"written to {target}", markup=False, soft_wrap=True)
    for note in notes:
        out.print(f"note: {note}", markup=False, soft_wrap=True)
    out.print(line, markup=False, soft_wrap=True)

"""``tropix compile``: a model becomes tropical polynomials, and the result is checked against the model."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tropix.errors import InvalidInput, TropixError
from tropixc.cli._passes import chosen_passes, explained, explanation
from tropixc.cli._shared import GraphOutputOption, JsonOption, ModelArgument, console, read_points

if TYPE_CHECKING:
    from tropix.arrays import FloatArray
    from tropix.boxes import Box
    from tropix.circuits import Circuit
    from tropixc.agreement import Agreement
    from tropixc.cli._models import LoadedModel
    from tropixc.lowerings import Artefact, PolynomialLowering

SHOWN_CHARACTERS = 2000


class Format(StrEnum):
    """How polynomials are written."""

    text = "text"
    latex = "latex"
    sympy = "sympy"
    json = "json"


PICTURES = (".png", ".pdf", ".svg")
SUFFIXES = {".json": Format.json, ".tex": Format.latex, ".txt": Format.text}


def compile_command(
    model: ModelArgument,
    target: Annotated[Path | None, typer.Option("-o", help="Write the polynomials to this file.")] = None,
    output: Annotated[int | None, typer.Option(help="Compile this output only (from 0).")] = None,
    box: Annotated[
        str | None, typer.Option(help="Domain 'lower,upper' for all inputs, or one pair an input joined by ';'.")
    ] = None,
    form: Annotated[
        Format | None,
        typer.Option("--format", help="Default: by the suffix of -o (.json, .tex, .txt), else a summary."),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Check on these rows (.npy or comma-separated text).")] = None,
    points: Annotated[int, typer.Option(help="Number of points for the check.", min=1, max=1_000_000)] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the points.", min=0)] = 0,
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw the regions (1 or 2 inputs) on the box, or on [-1, 1]; .png, .pdf or .svg."),
    ] = None,
    passes: Annotated[
        str | None, typer.Option(help="Simplify with these passes, joined by commas ('none' for none); see --explain.")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Print what each pass did to the circuit.")] = False,
    time_limit: Annotated[float | None, typer.Option(help="Give up on an output after so many seconds.", min=0)] = None,
    graph_output: GraphOutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compile a model at eps -> 0 to its exact tropical polynomials, and check them against onnxruntime."""
    from tropix.boxes import Box
    from tropixc.agreement import sample_points
    from tropixc.cli._models import load_model
    from tropixc.lowerings import Artefact, write_all
    from tropixc.passes import explain as apply_passes

    if plot is not None and plot.suffix not in PICTURES:
        raise InvalidInput(f"--plot {plot}: unknown suffix: use {', '.join(PICTURES)}")
    if target is not None and form is None:
        form = SUFFIXES.get(target.suffix)
        if form is None:
            raise InvalidInput(f"-o {target}: unknown suffix: use .json, .tex or .txt, or name a --format")
    loaded = load_model(model, graph_output)
    domain = None if box is None else Box.parse(box, loaded.circuit.input_size)
    steps = apply_passes(loaded.circuit, domain, chosen_passes(passes))
    circuit = steps[-1].circuit if steps else loaded.circuit
    if explain and not as_json:
        console(stderr=form is not None and target is None).print(explanation(steps))
    rows = None if data is None else read_points(data, circuit.input_size)
    chosen = sample_points(circuit.input_size, domain, rows, points, seed, loaded.single)
    outputs = list(range(circuit.output_size)) if output is None else [output]
    lowerings = _lower(circuit, outputs, domain, time_limit)
    artefact = Artefact(
        tuple(lowering.polynomial for lowering in lowerings),
        tuple(outputs),
        domain,
        _source(loaded),
    )
    agreement = _check(loaded, circuit, artefact, chosen)
    picture = None if plot is None else _draw(artefact, plot.suffix[1:])
    violated = not isinstance(agreement, str) and not agreement.holds
    files: dict[Path, str | bytes] = {}
    if target is not None and form is not None:
        files[target] = render(artefact, form)
    if plot is not None and picture is not None:
        files[plot] = picture
    if not violated:
        write_all(files)
    if as_json:
        report = _report(loaded, lowerings, domain, agreement, None if violated else target)
        typer.echo(json.dumps({**report, "passes": explained(steps)} if explain else report))
    elif form is not None and target is None:
        typer.echo(render(artefact, form))
        print(_line(agreement), file=sys.stderr)
    else:
        _print(lowerings, agreement, None if violated else target, loaded.notes)
    if violated:
        print("tropix: nothing is written, because the check failed", file=sys.stderr)
        raise typer.Exit(1)


def _source(loaded: LoadedModel) -> dict[str, str]:
    source = {"model": loaded.path.name, "sha256": loaded.sha256, "graph_output": loaded.output_name}
    return {**source, "notes": "\n".join(loaded.notes)} if loaded.notes else source


def _lower(
    circuit: Circuit, outputs: list[int], domain: Box | None, time_limit: float | None
) -> list[PolynomialLowering]:
    from rich.progress import Progress

    from tropixc.lowerings import lower_to_polynomial

    with Progress(console=console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("compiling", total=len(outputs))
        lowerings = []
        for k in outputs:

            def report(formed: int, k: int = k) -> None:
                progress.update(task, description=f"output {k}: {formed} monomials formed")

            lowerings.append(lower_to_polynomial(circuit, k, domain, progress=report, time_limit=time_limit))
            progress.advance(task)
    return lowerings


def _check(loaded: LoadedModel, circuit: Circuit, artefact: Artefact, points: FloatArray) -> Agreement | str:
    """The agreement, or why it could not be checked."""
    from tropixc.agreement import check_agreement

    if loaded.runnable is None:
        return "this circuit has no ONNX form that runs"
    try:
        return check_agreement(loaded.runnable, circuit, artefact.polynomials, artefact.outputs, points)
    except TropixError as error:
        return str(error)


def render(artefact: Artefact, form: Format) -> str:
    """The polynomials in a format; several are one a line, in the order of the outputs."""
    from tropixc.lowerings import to_latex, to_sympy, to_text

    if form is Format.json:
        return artefact.to_json()
    if form is Format.sympy:
        return "\n".join(str(to_sympy(polynomial)) for polynomial in artefact.polynomials)
    write = to_latex if form is Format.latex else to_text
    return "\n".join(write(polynomial) for polynomial in artefact.polynomials)


def _draw(artefact: Artefact, form: str) -> bytes:
    """A picture of the first polynomial."""
    import io

    from matplotlib.figure import Figure

    box = artefact.box if artefact.box is not None and artefact.box.bounded else (-1.0, 1.0)
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = artefact.polynomials[0].plot(box, figure.subplots())
    axes.set_title(f"output {artefact.outputs[0]}: {len(artefact.polynomials[0])} monomials")
    stream = io.BytesIO()
    figure.savefig(stream, format=form, dpi=150)
    return stream.getvalue()


def _line(agreement: Agreement | str) -> str:
    return f"agreement unknown: {agreement}" if isinstance(agreement, str) else agreement.line


def _report(
    loaded: LoadedModel,
    lowerings: list[PolynomialLowering],
    domain: Box | None,
    agreement: Agreement | str,
    target: Path | None,
) -> dict[str, Any]:
    from tropixc.lowerings import to_text

    checked: dict[str, Any] = {"status": "unknown", "reason": agreement}
    if not isinstance(agreement, str):
        checked = {
            "status": "holds" if agreement.holds else "violated",
            "points": agreement.points,
            "left_out": agreement.left_out,
            "gap": agreement.gap.tolist(),
            "delta": agreement.bound.tolist(),
            "rounding": agreement.rounding.tolist(),
        }
    ends = None if domain is None else [[str(v) for v in domain.lower], [str(v) for v in domain.upper]]
    return {
        "model": str(loaded.path),
        "sha256": loaded.sha256,
        "notes": list(loaded.notes),
        "file": None if target is None else str(target),
        "box": ends,
        "polynomials": [
            {
                "output": lowering.output,
                "monomials": len(lowering.polynomial),
                "formed": lowering.expanded,
                "lipschitz_l2": lowering.polynomial.lipschitz(2),
                "text": to_text(lowering.polynomial),
            }
            for lowering in lowerings
        ],
        "agreement": checked,
    }


def _print(
    lowerings: list[PolynomialLowering], agreement: Agreement | str, target: Path | None, notes: Sequence[str]
) -> None:
    from rich.table import Table

    from tropixc.lowerings import to_text

    out = console()
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("output", "variables", "monomials", "formed", "Lipschitz (l2)"):
        table.add_column(heading, justify="right")
    for lowering in lowerings:
        polynomial = lowering.polynomial
        size = f"{polynomial.lipschitz(2):.6g}"
        counts = (lowering.output, polynomial.dimension, len(polynomial), lowering.expanded)
        table.add_row(*map(str, counts), size)
    out.print(table)
    text = "\n".join(f"f{lowering.output} = {to_text(lowering.polynomial)}" for lowering in lowerings)
    if target is not None:
        out.print(f"\nwritten to {target}", markup=False)
    elif len(text) <= SHOWN_CHARACTERS:
        out.print(f"\n{text}", markup=False, soft_wrap=True)
    else:
        out.print(f"\n{text[: SHOWN_CHARACTERS // 4]} …", markup=False, soft_wrap=True)
        out.print(f"({len(text)} characters in all: --format text prints them, -o FILE.json saves them)", markup=False)
    for note in notes:
        out.print(f"\nnote: {note}", markup=False, soft_wrap=True)
    out.print(f"\n{_line(agreement)}", markup=False, soft_wrap=True)

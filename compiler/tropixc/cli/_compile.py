"""``tropix compile``: a model becomes tropical polynomials and rational functions, checked against the model."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tropix.errors import InvalidInput, TropixError
from tropixc.cli._compiled import (
    CompiledOutput,
    Format,
    agreement_line,
    agreement_report,
    picture,
    render,
    table,
)
from tropixc.cli._corner_forms import write_corner
from tropixc.cli._domain import AroundOption, BoxOption, RadiusOption, domain
from tropixc.cli._passes import chosen_passes, explained, explanation
from tropixc.cli._shared import GraphOutputOption, JsonOption, ModelArgument, console, read_points

if TYPE_CHECKING:
    from tropix.arrays import FloatArray
    from tropix.boxes import Box
    from tropix.circuits import Circuit
    from tropixc.agreement import Agreement
    from tropixc.cli._models import LoadedModel
    from tropixc.lowerings import Artefact

SHOWN_CHARACTERS = 2000
RATIONAL_TIME_LIMIT = 120.0
"""Seconds for an output that becomes a rational function, unless another limit is given."""


PICTURES = (".png", ".pdf", ".svg")
SUFFIXES = {".json": Format.json, ".tex": Format.latex, ".txt": Format.text}


class Target(StrEnum):
    """What outputs become."""

    auto = "auto"
    polynomial = "polynomial"
    rational = "rational"


def compile_command(
    model: ModelArgument,
    target: Annotated[Path | None, typer.Option("-o", help="Write the functions to this file.")] = None,
    to: Annotated[
        Target,
        typer.Option(help="What outputs become; auto: polynomials where they are convex, else rational functions."),
    ] = Target.auto,
    output: Annotated[int | None, typer.Option(help="Compile this output only (from 0).")] = None,
    box: BoxOption = None,
    around: AroundOption = None,
    radius: RadiusOption = None,
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
    time_limit: Annotated[
        float | None,
        typer.Option(
            help="Give up on an output after so many seconds "
            f"(default: {RATIONAL_TIME_LIMIT:g} for rational functions, none for polynomials; inf: none).",
            min=0,
        ),
    ] = None,
    t: Annotated[
        float, typer.Option("--t", help="With --format hopf-cole: the time at which weights are sites.")
    ] = 1.0,
    graph_output: GraphOutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compile a model at eps -> 0 to exact tropical polynomials or rational functions, checked against onnxruntime."""
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
    if form in (Format.conjugate, Format.hopf_cole):
        write_corner(loaded, form, None if output is None else [output], t, target, as_json)
        return
    where = domain(box, around, radius, loaded.circuit.input_size)
    steps = apply_passes(loaded.circuit, where, chosen_passes(passes))
    circuit = steps[-1].circuit if steps else loaded.circuit
    if explain and not as_json:
        console(stderr=form is not None and target is None).print(explanation(steps))
    rows = None if data is None else read_points(data, circuit.input_size)
    chosen = sample_points(circuit.input_size, where, rows, points, seed, loaded.single)
    outputs = list(range(circuit.output_size)) if output is None else [output]
    compiled = _lower(circuit, outputs, to, where, time_limit)
    artefact = Artefact(tuple(one.function for one in compiled), tuple(outputs), where, _source(loaded))
    agreement = _check(loaded, circuit, artefact, chosen)
    drawn = None if plot is None else picture(artefact, compiled[0], plot.suffix[1:])
    violated = not isinstance(agreement, str) and not agreement.holds
    files: dict[Path, str | bytes] = {}
    if target is not None and form is not None:
        files[target] = render(artefact, form)
    if plot is not None and drawn is not None:
        files[plot] = drawn
    if not violated:
        write_all(files)
    if as_json:
        report = _report(loaded, compiled, where, agreement, None if violated else target)
        typer.echo(json.dumps({**report, "passes": explained(steps)} if explain else report))
    elif form is not None and target is None:
        typer.echo(render(artefact, form))
        print(agreement_line(agreement), file=sys.stderr)
    else:
        _print(compiled, agreement, None if violated else target, loaded.notes)
    if violated:
        print("tropix: nothing is written, because the check failed", file=sys.stderr)
        raise typer.Exit(1)


def _source(loaded: LoadedModel) -> dict[str, str]:
    source = {"model": loaded.path.name, "sha256": loaded.sha256, "graph_output": loaded.output_name}
    return {**source, "notes": "\n".join(loaded.notes)} if loaded.notes else source


def _lower(
    circuit: Circuit, outputs: list[int], to: Target, where: Box | None, time_limit: float | None
) -> list[CompiledOutput]:
    from rich.progress import Progress

    from tropixc.lowerings import function_of, lower_outputs

    rational_limit = RATIONAL_TIME_LIMIT if time_limit is None else time_limit
    with Progress(console=console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("compiling", total=len(outputs))
        seen: dict[int, None] = {}

        def report(output: int, formed: int) -> None:
            seen[output] = None
            progress.update(task, description=f"output {output}: {formed} monomials formed", completed=len(seen) - 1)

        lowerings = lower_outputs(
            circuit,
            outputs,
            to.value,
            where,
            progress=report,
            time_limit=time_limit,
            rational_time_limit=rational_limit,
        )
    return [CompiledOutput(lowering, function_of(lowering, to.value)) for lowering in lowerings]


def _check(loaded: LoadedModel, circuit: Circuit, artefact: Artefact, points: FloatArray) -> Agreement | str:
    """The agreement, or why it could not be checked."""
    from tropixc.agreement import check_agreement

    if loaded.runnable is None:
        return "this circuit has no ONNX form that runs"
    try:
        return check_agreement(loaded.runnable, circuit, artefact.functions, artefact.outputs, points)
    except TropixError as error:
        return str(error)


def _report(
    loaded: LoadedModel,
    compiled: list[CompiledOutput],
    where: Box | None,
    agreement: Agreement | str,
    target: Path | None,
) -> dict[str, Any]:
    ends = None if where is None else [[str(v) for v in where.lower], [str(v) for v in where.upper]]
    return {
        "model": str(loaded.path),
        "sha256": loaded.sha256,
        "notes": list(loaded.notes),
        "file": None if target is None else str(target),
        "box": ends,
        "functions": [one.report() for one in compiled],
        "agreement": agreement_report(agreement),
    }


def _print(
    compiled: list[CompiledOutput], agreement: Agreement | str, target: Path | None, notes: Sequence[str]
) -> None:
    out = console()
    out.print(table(compiled))
    if target is not None:
        out.print(f"\nwritten to {target}", markup=False)
    else:
        _print_text(compiled)
    for note in notes:
        out.print(f"\nnote: {note}", markup=False, soft_wrap=True)
    out.print(f"\n{agreement_line(agreement)}", markup=False, soft_wrap=True)


def _print_text(compiled: list[CompiledOutput]) -> None:
    from tropixc.lowerings import to_text

    out = console()
    text = "\n".join(f"f{one.lowering.output} = {to_text(one.function)}" for one in compiled)
    if len(text) <= SHOWN_CHARACTERS:
        out.print(f"\n{text}", markup=False, soft_wrap=True)
    else:
        out.print(f"\n{text[: SHOWN_CHARACTERS // 4]} …", markup=False, soft_wrap=True)
        out.print(f"({len(text)} characters in all: --format text prints them, -o FILE.json saves them)", markup=False)

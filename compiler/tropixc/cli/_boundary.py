"""``tropix boundary``: the decision boundary between two classes, as polyhedra."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tropix.errors import InvalidInput
from tropixc.cli._domain import AroundOption, BoxOption, RadiusOption
from tropixc.cli._piecewise import (
    Asked,
    DataOption,
    FastOption,
    MarginOption,
    MaxOption,
    PassesOption,
    PiecewiseModel,
    PlotOption,
    SliceOption,
    TimeLimitOption,
    check_picture,
    domain_text,
    piecewise,
    region_picture,
)
from tropixc.cli._regions import enumerated
from tropixc.cli._shared import INTERRUPTED, GraphOutputOption, JsonOption, ModelArgument, console

if TYPE_CHECKING:
    from tropix.regions import BoundaryPiece, Regions

SHOWN = 12


def boundary_command(
    model: ModelArgument,
    classes: Annotated[str, typer.Option(help="The two outputs that tie, 'a,b'; or 'a' alone: that output against 0.")],
    pair_only: Annotated[
        bool, typer.Option("--pair-only", help="Also where another output is larger than both.")
    ] = False,
    box: BoxOption = None,
    around: AroundOption = None,
    radius: RadiusOption = None,
    data: DataOption = None,
    margin: MarginOption = 0.0,
    along: SliceOption = None,
    max_cells: MaxOption = None,
    time_limit: TimeLimitOption = None,
    fast: FastOption = False,
    passes: PassesOption = None,
    plot: PlotOption = None,
    target: Annotated[Path | None, typer.Option("-o", help="Write the pieces to this file (.json).")] = None,
    graph_output: GraphOutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """The pieces on which two classes tie and no other one is larger, one hyperplane a linear region."""
    from tropixc.lowerings import write_all

    check_picture(plot)
    if target is not None and target.suffix.lower() != ".json":
        raise InvalidInput(f"-o {target}: unknown suffix: use .json")
    a, b = _pair(classes)
    found = piecewise(model, Asked(graph_output, box, around, radius, data, margin, along, None, passes))
    for output in (a,) if b is None else (a, b):
        if output >= found.circuit.output_size:
            raise InvalidInput(f"--classes {classes}: the model has outputs 0 to {found.circuit.output_size - 1}")
    if plot is not None and found.circuit.input_size > 2:
        raise InvalidInput(f"--plot: {found.circuit.input_size} inputs cannot be drawn: draw a plane with --slice")
    regions = enumerated(found, exact=not fast, time_limit=time_limit, max_cells=max_cells)
    pieces = _pieces(regions, a, b, pair_only)
    report = _report(found, regions, pieces, (a, b), pair_only)
    text = json.dumps({**report, "pieces": [piece.to_dict() for piece in pieces]}, allow_nan=False)
    files: dict[Path, str | bytes] = {}
    if target is not None:
        files[target] = text
    if plot is not None:
        partial = "" if regions.complete else " on the cells found"
        title = f"{found.loaded.path.name}: {len(pieces)} boundary piece{'' if len(pieces) == 1 else 's'}{partial}"
        files[plot] = region_picture(regions, plot.suffix.lower(), "class", title, found, pieces)
    write_all(files)
    if as_json:
        typer.echo(text)
    else:
        _print(report, found, pieces)
        for path in files:
            console().print(f"written to {path}", markup=False)
    if regions.stopped == "interrupted":
        raise typer.Exit(INTERRUPTED)


def _pair(text: str) -> tuple[int, int | None]:
    parts = [part.strip() for part in text.split(",")]
    if len(parts) not in (1, 2) or not all(part.isdecimal() and len(part) < 10 for part in parts):
        raise InvalidInput(f"--classes {text!r}: expected two outputs such as '0,1', or one such as '0'")
    numbers = [int(part) for part in parts]
    if len(set(numbers)) < len(numbers):
        raise InvalidInput(f"--classes {text!r}: name two different outputs")
    return numbers[0], numbers[1] if len(numbers) == 2 else None


def _pieces(regions: Regions, a: int, b: int | None, pair_only: bool) -> tuple[BoundaryPiece, ...]:
    from rich.progress import Progress

    from tropix.regions import boundary

    with Progress(console=console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("comparing the classes on each cell", total=len(regions))
        return boundary(
            regions, a, b, pair_only=pair_only, progress=lambda done, _: progress.update(task, completed=done)
        )


def _report(
    found: PiecewiseModel,
    regions: Regions,
    pieces: tuple[BoundaryPiece, ...],
    classes: tuple[int, int | None],
    pair_only: bool,
) -> dict[str, Any]:
    where = found.where
    return {
        "model": str(found.loaded.path),
        "sha256": found.loaded.sha256,
        "notes": list(found.notes),
        "classes": [k for k in classes if k is not None],
        "pair_only": pair_only,
        "inputs": found.circuit.input_size,
        "box": None if where is None else [[str(v) for v in where.lower], [str(v) for v in where.upper]],
        "activation_cells": regions.n_cells,
        "exact": regions.exact,
        "complete": regions.complete,
        "stopped": regions.stopped,
        "cells_with_pieces": len({piece.cell for piece in pieces}),
        "kinds": dict(Counter(piece.kind for piece in pieces)),
    }


def _print(report: dict[str, Any], found: PiecewiseModel, pieces: tuple[BoundaryPiece, ...]) -> None:
    from rich.table import Table
    from rich.text import Text

    out = console()
    facts = Table(show_header=False, box=None, pad_edge=False)
    pair = report["classes"]
    ties = f"{pair[0]} and {pair[1]}" if len(pair) == 2 else f"{pair[0]} and the number 0"
    kinds = ", ".join(f"{count} {kind}" for kind, count in report["kinds"].items())
    rows = [
        ("model", report["model"]),
        *(("", note) for note in report["notes"]),
        ("domain", domain_text(found.where, report["inputs"])),
        ("tie", f"of outputs {ties}{', whatever the others are' if report['pair_only'] else ''}"),
        ("pieces", f"{len(pieces)}{f' ({kinds})' if kinds else ''}"),
        ("cells", f"{report['cells_with_pieces']} of {report['activation_cells']} have one"),
        ("result", "complete" if report["complete"] else f"partial: {report['stopped']}"),
        ("mode", "exact: every decision is proved" if report["exact"] else "fast: cells not proved"),
    ]
    for name, value in rows:
        facts.add_row(f"[bold]{name}[/bold]", Text(str(value)))
    out.print(facts)
    if not pieces or report["inputs"] != 2:
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("cell", "from", "to"):
        table.add_column(heading, justify="right")
    for piece in pieces[:SHOWN]:
        ends = ("all of the cell", "") if piece.kind == "area" else tuple(map(_end, piece.ends))
        table.add_row(str(piece.cell), *ends)
    out.print()
    out.print(table)
    if len(pieces) > SHOWN:
        out.print(f"... and {len(pieces) - SHOWN} more: --json prints all of them")


def _end(point: Any) -> str:
    return "infinity" if point is None else "(" + ", ".join(f"{v:.6g}" for v in point.tolist()) + ")"

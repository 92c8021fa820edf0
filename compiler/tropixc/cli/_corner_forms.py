"""``tropix compile --format conjugate|hopf-cole``: a model as convex programs, or as solutions of Hamilton–Jacobi."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from tropixc.cli._compiled import Format
from tropixc.cli._shared import console

if TYPE_CHECKING:
    from tropixc.cli._models import LoadedModel

SOLUTION = "u = -eps log sum_j exp(-(g_j + |x - y_j|^2/4t)/eps) + (d eps/2) log(4 pi eps t); at eps = 0 the minimum"


def write_corner(
    loaded: LoadedModel, form: Format, outputs: Sequence[int] | None, t: float, target: Path | None, as_json: bool
) -> None:
    """Write or print the forms of a model's outputs, or of its layers where the outputs are deep."""
    from tropixc.lowerings import lower_to_conjugates, lower_to_solutions, write_all

    circuit = loaded.circuit.logits()
    notes = list(loaded.notes)
    if circuit is not loaded.circuit:
        notes.append("of the logits, in front of the softmax")
    if form is Format.conjugate:
        found = [lowering.to_json() for lowering in lower_to_conjugates(circuit, outputs)]
    else:
        found = [lowering.to_json() for lowering in lower_to_solutions(circuit, outputs, t=t)]
    report = {"model": loaded.path.name, "sha256": loaded.sha256, "notes": notes, "functions": found}
    text = json.dumps(report, allow_nan=False)
    if target is not None:
        write_all({target: text})
    if as_json:
        typer.echo(text)
        return
    _print(found, notes)
    if target is not None:
        console().print(f"written to {target}", markup=False)


def _print(found: Sequence[dict[str, Any]], notes: Sequence[str]) -> None:
    from rich.table import Table
    from rich.text import Text

    out = console()
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("function", "kind"):
        table.add_column(heading)
    for heading in ("variables", "pieces", "eps", "t"):
        table.add_column(heading, justify="right")
    for one in found:
        if one["kind"] == "conjugate":
            name, rows, t = f"output {one['output']}", one["W"], ""
        else:
            layer = one["layer"]
            name = f"output {one['unit']}" if layer is None else f"layer {layer}, unit {one['unit']}"
            rows, t = one["sites"], f"{one['t']:g}"
        table.add_row(Text(name), one["kind"], str(len(rows[0])), str(len(rows)), f"{one['eps']:g}", t)
    out.print(table)
    statement = found[0].get("program", SOLUTION)
    out.print(f"\n{statement}", markup=False, soft_wrap=True)
    for note in notes:
        out.print(f"note: {note}", markup=False, soft_wrap=True)

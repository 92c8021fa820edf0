"""``tropix eval``: values of compiled polynomials and rational functions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from tropix.errors import InvalidInput
from tropixc.cli._compiled import count
from tropixc.cli._shared import JsonOption, console, parse_points, read_points

SHOWN_ROWS = 50


def eval_command(
    file: Annotated[Path, typer.Argument(help="A compiled artefact (.json).", show_default=False)],
    at: Annotated[str | None, typer.Option(help="Points such as '1,2' or '1,2;3,4'.")] = None,
    data: Annotated[Path | None, typer.Option(help="Points as rows of a .npy or comma-separated text file.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Evaluate compiled functions: value and active monomials of each output at each point."""
    import numpy as np

    from tropix.polynomials import TropicalRational
    from tropixc.lowerings import read_artefact

    artefact = read_artefact(file)
    if (at is None) == (data is None):
        raise InvalidInput("give the points either with --at or with --data")
    points = parse_points(at, artefact.dimension) if at is not None else read_points(data or Path(), artefact.dimension)
    outside = [] if artefact.box is None else artefact.box.outside(points)
    if outside:
        raise InvalidInput(
            f"point {outside[0]} lies outside the box on which {file} was compiled: "
            "evaluate inside it, or compile without --box"
        )
    values = np.column_stack([function(points) for function in artefact.functions])
    pieces = [function.active(points).tolist() for function in artefact.functions]
    active = [list(row) for row in zip(*pieces, strict=True)]
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "outputs": list(artefact.outputs),
                    "values": [[v if v > -np.inf else "-inf" for v in row] for row in values.tolist()],
                    "active": active,
                },
                allow_nan=False,
            )
        )
        return
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("point", justify="right")
    for output, function in zip(artefact.outputs, artefact.functions, strict=True):
        named = "monomials" if isinstance(function, TropicalRational) else "monomial"
        table.add_column(f"f{output} ({named})", justify="right")
    for i in range(min(len(points), SHOWN_ROWS)):
        table.add_row(str(i), *(f"{v:.10g} ({count(j)})" for v, j in zip(values[i], active[i], strict=True)))
    out = console()
    out.print(table)
    if len(points) > SHOWN_ROWS:
        out.print(f"… and {len(points) - SHOWN_ROWS} more rows: --json prints all of them")

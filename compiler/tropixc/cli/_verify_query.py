"""``tropix verify-query``: a query of VNN-LIB 2.0, called as its standard says a solver is called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tropix.errors import InvalidInput
from tropixc.cli._certify_property import STATUS


def verify_query_command(
    query: Annotated[Path, typer.Argument(help="A query in VNN-LIB 2.0.", show_default=False)],
    network: Annotated[
        list[str] | None,
        typer.Option(help="NAME=MODEL: the file of the network that the query declares under that name."),
    ] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds to spend on the query.", min=0)] = None,
    seed: Annotated[int, typer.Option(help="Seed of the search for witnesses.", min=0)] = 0,
) -> None:
    """Decide a VNN-LIB 2.0 query over the type real: prints sat, unsat, unknown or timed-out, then the assignment.

    The form is that of the command verify in the solver interface of the VNN-LIB 2.0 standard. Queries over float types
    are refused, as it asks: verdicts are for real arithmetic. Needs the package vnnlib.

    Exit status: 0 unsat, 1 sat, 3 unknown or timed-out.
    """
    from tropix.certify import verify_query
    from tropixc.cli._models import load_model

    circuits = {}
    for text in network or []:
        name, sign, path = text.partition("=")
        if not (name and sign and path):
            raise InvalidInput(f"--network {text!r}: expected NAME=MODEL")
        if name in circuits:
            raise InvalidInput(f"--network {name}: given twice")
        circuits[name] = load_model(Path(path), None).circuit
    found = verify_query(circuits, query, timeout, seed=seed)
    typer.echo(found.text())
    if STATUS[found.result.status]:
        raise typer.Exit(STATUS[found.result.status])

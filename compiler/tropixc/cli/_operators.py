"""``tropix operators``: the ONNX operators that have a rule."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from tropixc.cli._shared import JsonOption, console


def operators_command(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the supported ONNX operators and what each becomes."""
    from tropixc.frontends.onnx import operator_summaries, operator_table

    if as_json:
        typer.echo(json.dumps(operator_summaries()))
        return
    if markdown:
        typer.echo(operator_table(), nl=False)
        return
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("operator", "becomes"):
        table.add_column(heading)
    for name, summary in operator_summaries().items():
        table.add_row(name, summary)
    console().print(table)

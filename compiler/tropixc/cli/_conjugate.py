"""``tropix conjugate``: the value of f*(y), with the evidence for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tropixc.cli._shared import GraphOutputOption, JsonOption, ModelArgument, console, parse_points, read_points

if TYPE_CHECKING:
    from tropix.circuits import Circuit

SHOWN = 8


def conjugate_command(
    model: ModelArgument,
    at: Annotated[str, typer.Option(help="Slopes y: '1,2' or '1,2;3,4', or a file of rows (.npy or comma-separated).")],
    output: Annotated[int, typer.Option(help="The output whose conjugate is asked for (from 0).", min=0)] = 0,
    heat: Annotated[float, typer.Option(help="Temperatures times this number; 0 is the tropical limit.", min=0)] = 1.0,
    graph_output: GraphOutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """The convex conjugate f*(y) = sup_x <x, y> - f(x) of a convex output, with a proved duality gap."""
    from tropix.convex import conjugate
    from tropixc.cli._models import load_model

    loaded = load_model(model, graph_output)
    circuit = loaded.circuit.logits().heat(heat)
    named = Path(at).suffix.lower() in (".npy", ".csv", ".txt")
    slopes = read_points(Path(at), circuit.input_size) if named else parse_points(at, circuit.input_size)
    f, how = _function(circuit, output)
    found = conjugate(f, slopes)
    rows = [_row(found, slopes, i) for i in range(len(slopes))]
    if as_json:
        report = {"model": str(loaded.path), "sha256": loaded.sha256, "output": output, "heat": heat, "of": how}
        typer.echo(json.dumps({**report, "points": rows}, allow_nan=False))
        return
    _print(rows, how)


def _function(circuit: Circuit, output: int) -> tuple[Any, str]:
    """The output as one log-sum-exp where it is one, else as a circuit."""
    from tropix.circuits import single_layer
    from tropix.errors import Unsupported

    try:
        f = single_layer(circuit, output)
    except Unsupported:
        return circuit.select([output]), "a convex network"
    return f, f"a log-sum-exp of {len(f)} pieces, eps = {f.eps:g}"


def _row(found: Any, slopes: Any, i: int) -> dict[str, Any]:
    import numpy as np

    def plain(values: Any) -> Any:
        return values.tolist() if np.isfinite(values).all() else None

    value, gap = float(found.value[i]), float(found.gap[i])
    return {
        "y": slopes[i].tolist(),
        "value": value if np.isfinite(value) else None,
        "gap": gap if np.isfinite(gap) else None,
        "status": str(found.status[i]),
        "x": plain(found.x[i]),
        "separation": plain(found.separation[i]),
    }


def _print(rows: list[dict[str, Any]], how: str) -> None:
    from rich.table import Table
    from rich.text import Text

    out = console()
    out.print(f"conjugate of {how}", markup=False)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("y", "f*(y)", "gap", "status", "maximiser x, or a separating direction"):
        table.add_column(heading)
    for row in rows:
        shown = row["x"] if row["x"] is not None else row["separation"]
        value = (
            f"{row['value']:.12g}" if row["value"] is not None else ("inf" if row["status"] == "outside" else "unknown")
        )
        gap = "unknown" if row["gap"] is None else f"{row['gap']:.1e}"
        table.add_row(_short(row["y"]), value, gap, row["status"], Text("" if shown is None else _short(shown)))
    out.print(table)


def _short(vector: list[float]) -> str:
    numbers = ", ".join(f"{v:.6g}" for v in vector[:SHOWN])
    return numbers + (f", ... ({len(vector)})" if len(vector) > SHOWN else "")

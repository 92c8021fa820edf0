"""``tropix check``: the edges of the commutative diagram of a model, and whether their bounds hold."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tropix.errors import InvalidInput
from tropixc.cli._domain import AroundOption, BoxOption, RadiusOption, domain
from tropixc.cli._piecewise import domain_text
from tropixc.cli._shared import GraphOutputOption, JsonOption, ModelArgument, console, read_points

if TYPE_CHECKING:
    from tropix.diagram import Diagram, Row
    from tropixc.cli._models import LoadedModel

PICTURES = (".png", ".pdf", ".svg")
MARKS = {"holds": "[green]holds[/green]", "violated": "[bold red]violated[/bold red]", "not applicable": "n/a"}


def check_command(
    model: ModelArgument,
    heat: Annotated[
        str,
        typer.Option(
            help="Temperatures times this number: 1 is the trained model, 0 its limit; '1,0.5,0.1', or 'sweep'."
        ),
    ] = "1",
    box: BoxOption = None,
    around: AroundOption = None,
    radius: RadiusOption = None,
    data: Annotated[Path | None, typer.Option(help="Compare at these rows (.npy or comma-separated text).")] = None,
    edges: Annotated[str | None, typer.Option(help="Only these edges, joined by commas.")] = None,
    t: Annotated[float, typer.Option("--t", help="The time at which weights are read as sites.")] = 1.0,
    points: Annotated[int, typer.Option(help="Number of points, without --data.", min=1, max=1_000_000)] = 200,
    solves: Annotated[int, typer.Option(help="Points at which conic programs are solved.", min=1, max=1000)] = 4,
    seed: Annotated[int, typer.Option(help="Seed of the points.", min=0)] = 0,
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw the four corners (1 or 2 inputs) and the gaps against eps; .png, .pdf or .svg."),
    ] = None,
    graph_output: GraphOutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check every edge of the commutative diagram, both sides computed apart; exit status 1 if one is violated."""
    from tropixc.cli._models import load_model
    from tropixc.lowerings import write_all

    if plot is not None and plot.suffix.lower() not in PICTURES:
        raise InvalidInput(f"--plot {plot}: unknown suffix: use {', '.join(PICTURES)}")
    heats = _heats(heat)
    loaded = load_model(model, graph_output)
    where = domain(box, around, radius, loaded.circuit.input_size)
    rows = None if data is None else read_points(data, loaded.circuit.input_size)
    names = None if edges is None else [name.strip() for name in edges.split(",")]
    if plot is not None:
        from tropix.diagram import check_drawable

        check_drawable(loaded.circuit, heats)
    found = _checked(loaded, heats, box=where, data=rows, edges=names, t=t, points=points, seed=seed, solves=solves)
    if plot is not None:
        from tropix.diagram import figure_bytes

        write_all({plot: figure_bytes(loaded.circuit, found, where, plot.suffix[1:].lower(), t=t)})
    if as_json:
        report = {"model": str(loaded.path), "sha256": loaded.sha256, **found.to_json()}
        typer.echo(json.dumps(report, allow_nan=False))
    else:
        _print(loaded, found, where)
        if plot is not None:
            console().print(f"written to {plot}", markup=False)
    if not found.holds:
        raise typer.Exit(1)


def _heats(text: str) -> list[float]:
    from tropix.diagram import SWEEP

    if text == "sweep":
        return list(SWEEP)
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InvalidInput(f"--heat {text!r}: expected numbers >= 0 joined by commas, or 'sweep'") from None


def _checked(loaded: LoadedModel, heats: list[float], **options: Any) -> Diagram:
    from rich.progress import Progress

    from tropix.diagram import check

    with Progress(console=console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("checking", total=len(heats))
        return check(
            loaded.circuit, heat=heats, progress=lambda done, _: progress.update(task, completed=done), **options
        )


def _print(loaded: LoadedModel, found: Diagram, where: Any) -> None:
    from rich.table import Table
    from rich.text import Text

    out = console()
    facts = Table(show_header=False, box=None, pad_edge=False)
    facts.add_row("[bold]model[/bold]", Text(str(loaded.path)))
    for note in (*loaded.notes, *found.notes):
        facts.add_row("", Text(note))
    facts.add_row("[bold]domain[/bold]", Text(domain_text(where, loaded.circuit.input_size)))
    facts.add_row("[bold]sample[/bold]", Text(f"{found.domain}, sites at t = {found.t:g}"))
    out.print(facts)
    for heat in dict.fromkeys(row.heat for row in found.rows):
        rows = [row for row in found.rows if row.heat == heat]
        out.print(f"\n[bold]heat {heat:g}[/bold]")
        for line in square(rows):
            out.print(line, markup=False)
        out.print()
        out.print(_table(rows))
    if found.orders:
        out.print()
        out.print(_orders(found))
    bad = len(found.violated)
    text = "[green]every edge that applies holds[/green]" if not bad else f"[bold red]{bad} violated[/bold red]"
    if all(row.verdict == "not applicable" for row in found.rows):
        text = "no edge applies: nothing was compared"
    out.print(f"\n{text} ({found.seconds:.1f} s)")


def _table(rows: list[Row]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading, side in (
        ("edge", "left"),
        ("of", "left"),
        ("gap", "right"),
        ("bound", "right"),
        ("tolerance", "right"),
    ):
        table.add_column(heading, justify=side)  # type: ignore[arg-type]
    table.add_column("verdict")
    table.add_column("how, or why not")
    for row in rows:
        if row.verdict == "not applicable":
            table.add_row(row.edge.value, Text(row.subject), "", "", "", MARKS[row.verdict], Text(row.reason))
            continue
        how = f"{row.left} against {row.right}, {row.points} points"
        if row.supremum is not None:
            how += f"; on the box at most {row.supremum[1]:.9g}, and {row.supremum[0]:.9g} is reached"
        table.add_row(
            row.edge.value, Text(row.subject), f"{row.gap:.3g}", f"{row.bound:.3g}", f"{row.tolerance:.1e}",
            MARKS[row.verdict], Text(how),
        )  # fmt: skip
    return table


def _orders(found: Diagram) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=None, header_style="bold", pad_edge=False, title="order of convergence in eps", title_justify="left"
    )
    for heading in ("edge", "of", "measured, from hot to cold", "theory"):
        table.add_column(heading)
    for order in found.orders:
        rates = ", ".join(f"{rate:.2f}" for rate in order.rates)
        table.add_row(order.edge.value, Text(order.subject), rates, Text(order.theory))
    return table


def square(rows: list[Row]) -> list[str]:
    """The diagram in characters, each edge with the gap of the first row that applies, or of one that is violated."""
    from tropix.diagram import Edge

    shown: dict[Edge, str] = {}
    for row in sorted(rows, key=lambda row: ("violated", "holds", "not applicable").index(row.verdict)):
        shown.setdefault(row.edge, _mark(row))

    def gap(edge: Edge) -> str:
        return shown.get(edge, "-")

    width = 34

    def across(left: str, edge: Edge, right: str) -> str:
        return f"{left:>7} {f' {gap(edge)} ':-^{width}} {right}"

    def down(left: Edge, right: Edge) -> list[str]:
        bar = f"{'|':>7} {'':{width}} |"
        return [bar, f"{'|':>7} {gap(left):<{width}} | {gap(right)}", bar]

    return [
        across("f_eps*", Edge.CONJUGATE_LIMIT, "f_0*"),
        *down(Edge.FENCHEL, Edge.TROPICAL_FENCHEL),
        across("f_eps", Edge.LIMIT, "f_0"),
        *down(Edge.HOPF_COLE, Edge.HOPF_LAX),
        across("u_eps", Edge.VISCOSITY, "u_0"),
    ]


def _mark(row: Row) -> str:
    if row.verdict == "not applicable":
        return "n/a"
    return f"{row.gap:.2g}{'' if row.verdict == 'holds' else ' VIOLATED'}"

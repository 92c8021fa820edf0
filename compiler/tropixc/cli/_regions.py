"""``tropix regions``: into which linear pieces a model cuts its input space, and which of them contains a point."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tropix.errors import InvalidInput
from tropixc.cli._domain import AroundOption, BoxOption, RadiusOption
from tropixc.cli._piecewise import (
    Asked,
    ColourOption,
    DataOption,
    FastOption,
    MarginOption,
    MaxOption,
    OutputOption,
    PassesOption,
    PiecewiseModel,
    PlotOption,
    SliceOption,
    TimeLimitOption,
    check_picture,
    domain_text,
    piecewise,
    point_of,
    region_picture,
)
from tropixc.cli._shared import INTERRUPTED, GraphOutputOption, JsonOption, ModelArgument, console

if TYPE_CHECKING:
    from tropix.regions import Cell, Regions

FILES = (".json", ".csv", ".npz")
SHOWN_FACETS = 12
SHOWN_INPUTS = 8


def regions_command(
    model: ModelArgument,
    box: BoxOption = None,
    around: AroundOption = None,
    radius: RadiusOption = None,
    data: DataOption = None,
    margin: MarginOption = 0.0,
    along: SliceOption = None,
    output: OutputOption = None,
    max_cells: MaxOption = None,
    time_limit: TimeLimitOption = None,
    count_only: Annotated[
        bool, typer.Option("--count-only", help="Count activation cells, and leave affine maps alone.")
    ] = False,
    fast: FastOption = False,
    certify: Annotated[
        bool, typer.Option("--certify", help="Prove anew, in rational arithmetic, that no cell is missing.")
    ] = False,
    resume: Annotated[
        Path | None, typer.Option(help="Go on from a search that was stopped: an .npz file written by -o.")
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            help="Describe the one region around this point: '1,2,...' ('u,v' on a slice), or a file with one row."
        ),
    ] = None,
    passes: PassesOption = None,
    plot: PlotOption = None,
    colour: ColourOption = "map",
    target: Annotated[
        Path | None,
        typer.Option("-o", help="Write the cells: .json, .csv, or .npz, which tropix.regions.load reads."),
    ] = None,
    graph_output: GraphOutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count, draw and save the linear regions of a model's limit eps -> 0, or describe the one around a point."""
    from tropixc.lowerings import write_all

    check_picture(plot, colour)
    searching = {
        "-o": target is not None, "--plot": plot is not None, "--count-only": count_only, "--fast": fast,
        "--certify": certify, "--resume": resume is not None, "--max": max_cells is not None,
        "--time-limit": time_limit is not None,
    }  # fmt: skip
    _check(target, at, searching)
    asked = Asked(graph_output, box, around, radius, data, margin, along, output, passes)
    found = piecewise(model, asked)
    if at is not None:
        _tell(found, point_of(at, found.circuit.input_size), as_json)
        return
    if plot is not None and found.circuit.input_size > 2:
        raise InvalidInput(
            f"--plot: the model has {found.circuit.input_size} inputs, one or two can be drawn: "
            "draw a plane through three points with --slice 'x0;x1;x2'"
        )
    regions = enumerated(found, exact=not fast, time_limit=time_limit, max_cells=max_cells, resume=resume)
    report = _report(found, regions, count_only) | (_certificate(regions) if certify else {})
    files: dict[Path, str | bytes] = {}
    if target is not None:
        files[target] = _file(regions, target.suffix.lower())
    if plot is not None:
        title = (
            f"{found.loaded.path.name}: {regions.n_cells} cells{'' if regions.complete else ' found, more are missing'}"
        )
        files[plot] = region_picture(regions, plot.suffix.lower(), colour, title, found, ())
    write_all(files)
    if as_json:
        typer.echo(json.dumps({**report, "files": [str(path) for path in files]}, allow_nan=False))
    else:
        out = console()
        out.print(_table(report, found))
        for path in files:
            out.print(f"written to {path}", markup=False)
    if regions.stopped == "interrupted":
        raise typer.Exit(INTERRUPTED)


def _check(target: Path | None, at: str | None, searching: dict[str, bool]) -> None:
    """Refuse what does not fit together before anything long is done; ``searching`` are options of a search."""
    if target is not None and target.suffix.lower() not in FILES:
        raise InvalidInput(f"-o {target}: unknown suffix: use {', '.join(FILES)}")
    given = [name for name, is_given in searching.items() if is_given]
    if at is not None and given:
        raise InvalidInput(f"--at describes one region and searches for none: leave out {', '.join(given)}")
    if searching["--fast"] and searching["--resume"]:
        raise InvalidInput("--fast: a search that is resumed goes on in the mode in which it began")


def enumerated(
    found: PiecewiseModel,
    *,
    exact: bool = True,
    time_limit: float | None = None,
    max_cells: int | None = None,
    resume: Path | None = None,
) -> Regions:
    """All regions, with a line of progress on stderr."""
    from rich.progress import Progress

    from tropix.regions import enumerate as enumerate_regions
    from tropix.regions import load

    before = None if resume is None else load(resume, found.circuit)
    if before is not None and found.where is None and len(before.domain.walls):
        raise InvalidInput(f"--resume {resume}: these are the regions on a part of the inputs: give the same --box")
    with Progress(console=console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("looking for cells", total=None)

        def show(done: int, met: int) -> None:
            progress.update(task, description=f"{done} cells looked at, {met} met", completed=done, total=met)

        return enumerate_regions(
            found.circuit,
            found.where,
            exact=exact,
            time_limit=time_limit,
            max_cells=max_cells,
            progress=show,
            resume=before,
        )


def _certificate(regions: Regions) -> dict[str, Any]:
    """The proof that no cell is missing, with a line of progress on stderr."""
    from rich.progress import Progress

    from tropix.regions import certify_completeness

    with Progress(console=console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("proving completeness", total=len(regions))
        answer = certify_completeness(regions, progress=lambda done, total: progress.update(task, completed=done))
    return {"certificate": {"kind": answer.kind, "holds": answer.holds, "reason": answer.reason}}


def _visits(found: PiecewiseModel) -> dict[str, Any]:
    """Where the data lie among the cells."""
    import numpy as np

    from tropix.regions import boundary_distances

    if found.data is None:
        return {}
    distances = boundary_distances(found.circuit, found.data)
    return {
        "data": {
            "points": len(found.data),
            "cells": distances.visits.n_cells,
            "nearest_boundary": float(distances.distances.min()),
            "median_distance": float(np.median(distances.distances)),
        }
    }


def _report(found: PiecewiseModel, regions: Regions, count_only: bool) -> dict[str, Any]:
    """What was found, as JSON-ready data."""
    from tropix.regions import ceilings

    where, bound = found.where, ceilings(found.circuit)
    ends = None if where is None else [[str(v) for v in where.lower], [str(v) for v in where.upper]]
    report: dict[str, Any] = {
        "model": str(found.loaded.path),
        "sha256": found.loaded.sha256,
        "notes": list(found.notes),
        "inputs": found.circuit.input_size,
        "outputs": found.circuit.output_size,
        "box": ends,
        "activation_cells": regions.n_cells,
    }
    if not count_only:
        report |= {"affine_regions": regions.n_affine_regions, "affine_maps": regions.n_affine_maps}
    return report | {
        "exact": regions.exact,
        "complete": regions.complete,
        "stopped": regions.stopped,
        "seconds": regions.seconds,
        "cells_by_depth": {str(depth): count for depth, count in regions.cells_by_depth.items()},
        "facets_by_depth": {str(depth): count for depth, count in regions.facets_by_depth.items()},
        "ceiling": {
            "activation_cells": bound.upper,
            "source": bound.upper_source or None,
            "attained": bound.attained,
            "affine_regions_possible": bound.lower,
            "unknown": bound.reason or None,
        },
        **_visits(found),
    }


def _table(report: dict[str, Any], found: PiecewiseModel) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(show_header=False, box=None, pad_edge=False)
    least = "" if report["complete"] else "at least "
    rate = report["activation_cells"] / max(report["seconds"], 1e-9)
    rows = [
        ("model", report["model"]),
        *(("", note) for note in report["notes"]),
        ("domain", domain_text(found.where, report["inputs"])),
        ("activation cells", f"{least}{report['activation_cells']}"),
    ]
    if "affine_maps" in report:
        # a region of the cells found may be a part of a larger one, or two of them be parts of one
        rows.append(("affine regions", f"{report['affine_regions']}{'' if report['complete'] else ' so far'}"))
        rows.append(("distinct affine maps", f"{least}{report['affine_maps']}"))
    rows.append(("ceiling", _ceiling(report["ceiling"])))
    for name, counts in (("cells by depth", "cells_by_depth"), ("facets by depth", "facets_by_depth")):
        by_depth = ", ".join(f"{count} at depth {depth}" for depth, count in report[counts].items())
        rows.append((name, by_depth or "none"))
    if "data" in report:
        data = report["data"]
        rows.append(("data", f"{data['points']} points in {data['cells']} cells"))
        near, median = data["nearest_boundary"], data["median_distance"]
        rows.append(("distance of data to a boundary", f"{near:.4g} at least, median {median:.4g} (l2)"))
    if "certificate" in report:
        rows.append(("certificate", _proof(report["certificate"])))
    rows += [
        ("result", "complete" if report["complete"] else f"partial: {report['stopped']}"),
        ("mode", _mode(report)),
        ("time", f"{report['seconds']:.2f} s ({rate:.0f} cells a second)"),
    ]
    for name, value in rows:
        table.add_row(f"[bold]{name}[/bold]", Text(str(value)))
    return table


def _mode(report: dict[str, Any]) -> str:
    if report["exact"]:
        return "exact: every decision is proved"
    if report.get("certificate", {}).get("holds"):
        return "fast: floating point, proved afterwards by the certificate"
    return "fast: floating point, not proved"


def _proof(certificate: dict[str, Any]) -> str:
    if not certificate["holds"]:
        return f"none: {certificate['reason']}"
    if certificate["kind"] == "volumes":
        return "complete: the exact volumes of the cells add up to that of the domain"
    return "complete: every exact facet has its neighbour or lies on the boundary of the domain"


def _ceiling(bound: dict[str, Any]) -> str:
    """The theoretical bound of the number of cells, for people."""
    if bound["activation_cells"] is None:
        return f"none known: {bound['unknown']}"
    attained = ", attained by some" if bound["attained"] else ""
    text = f"{_large(bound['activation_cells'])} cells ({bound['source']}{attained})"
    possible = bound["affine_regions_possible"]
    return text if possible is None else f"{text}; {_large(possible)} affine regions are possible"


def _large(number: int) -> str:
    return (
        str(number) if number < 10**9 else f"{number // 10 ** (len(str(number)) - 3) / 100:.2f}e{len(str(number)) - 1}"
    )


def _file(regions: Regions, suffix: str) -> str | bytes:
    if suffix == ".json":
        return regions.to_json()
    return regions.to_csv() if suffix == ".csv" else regions.to_npz()


def _tell(found: PiecewiseModel, point: Any, as_json: bool) -> None:
    """Describe the region around a point."""
    from tropix.regions import describe

    cell = describe(found.circuit, point, found.where)
    report = _cell_report(found, cell, point)
    if as_json:
        typer.echo(json.dumps(report, allow_nan=False))
    else:
        _print_cell(report)


def _cell_report(found: PiecewiseModel, cell: Cell, point: Any) -> dict[str, Any]:
    from tropix.errors import Unsupported

    try:
        volume: float | None = cell.volume if cell.bounded else None
        no_volume = None if cell.bounded else "unbounded"
    except Unsupported as error:
        volume, no_volume = None, str(error)
    radius = cell.chebyshev[1]
    report = cell.to_dict()
    distances = [facet.distance(point) for facet in cell.facets]
    order = sorted(range(len(distances)), key=distances.__getitem__)
    for facet, distance in zip(report["facets"], distances, strict=True):
        facet["distance"] = distance
    report["facets"] = [report["facets"][i] for i in order]
    weights, bias = cell.affine_map
    return {
        "model": str(found.loaded.path),
        "notes": list(found.notes),
        "at": point.tolist(),
        "value": (weights @ point + bias).tolist(),
        "chebyshev_radius": radius if radius < float("inf") else None,
        "volume": volume,
        "volume_unknown": no_volume,
        **report,
    }


def _print_cell(report: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    out = console()
    facts = Table(show_header=False, box=None, pad_edge=False)
    radius, volume = report["chebyshev_radius"], report["volume"]
    rows = [
        ("model", report["model"]),
        *(("", note) for note in report["notes"]),
        ("region", "bounded" if report["bounded"] else "unbounded"),
        ("Chebyshev radius", "balls of every size fit" if radius is None else f"{radius:.6g} (measured)"),
        ("volume", report["volume_unknown"] if volume is None else f"{volume:.6g}"),
        ("facets", str(len(report["facets"]))),
    ]
    for name, value in rows:
        facts.add_row(f"[bold]{name}[/bold]", Text(str(value)))
    out.print(facts)
    out.print()
    maps = zip(report["value"], report["map"]["weights"], report["map"]["bias"], strict=True)
    for k, (value, weights, bias) in enumerate(maps):
        terms = " ".join(f"{w:+.6g} x{i}" for i, w in enumerate(weights[:SHOWN_INPUTS]))
        more = f" + ... ({len(weights)} inputs)" if len(weights) > SHOWN_INPUTS else ""
        out.print(f"f{k} = {bias:.6g} {terms}{more} = {value:.6g} at the point", markup=False, soft_wrap=True)
    out.print()
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("distance", justify="right")
    table.add_column("facet of")
    for facet in report["facets"][:SHOWN_FACETS]:
        wall = [] if facet["wall"] is None else ["a wall of the domain"]
        table.add_row(f"{facet['distance']:.6g}", Text(", ".join(facet["neurons"] + wall)))
    out.print(table)
    if len(report["facets"]) > SHOWN_FACETS:
        out.print(f"... and {len(report['facets']) - SHOWN_FACETS} more: --json prints all of them")

"""A model as the piecewise-linear function whose regions are asked for: its limit, logits, an output, a slice."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tropix.errors import InvalidInput
from tropixc.cli._domain import domain
from tropixc.cli._passes import chosen_passes
from tropixc.cli._shared import parse_points, read_points

if TYPE_CHECKING:
    from tropix.arrays import FloatArray
    from tropix.boxes import Box
    from tropix.circuits import Circuit
    from tropixc.cli._models import LoadedModel

DataOption = Annotated[
    Path | None, typer.Option(help="Rows of points (.npy or comma-separated): the domain is the box around them.")
]
MarginOption = Annotated[float, typer.Option(help="Width added to the box around --data on every side.", min=0)]
SliceOption = Annotated[
    str | None,
    typer.Option(
        "--slice",
        help="Points 'x0;x1;x2' (or a file with three rows): only the plane x0 + u (x1 - x0) + v (x2 - x0), on which "
        "--box is about (u, v), by default [-0.5, 1.5] each. Two points: a line.",
    ),
]
OutputOption = Annotated[int | None, typer.Option("--output", help="Regions of this output only (from 0).", min=0)]
PassesOption = Annotated[
    str | None,
    typer.Option(help="Simplify with these passes first, joined by commas; 'none': cells of the model as it is."),
]
TimeLimitOption = Annotated[
    float | None,
    typer.Option(help="Stop looking for cells after so many seconds; what is made of them takes its own time.", min=0),
]
MaxOption = Annotated[int | None, typer.Option("--max", help="Stop after so many more cells, or a few beyond.", min=1)]
FastOption = Annotated[
    bool, typer.Option("--fast", help="Let what is nearly certain pass for certain: faster, not proved.")
]
PlotOption = Annotated[
    Path | None, typer.Option(help="Draw them (1 or 2 inputs, or a slice): .png, .pdf, .svg, or .html with tooltips.")
]
ColourOption = Annotated[str, typer.Option("--colour", help="Cells coloured by map, region, class or depth.")]
PICTURES = (".png", ".pdf", ".svg", ".html")
SLICE = (-0.5, 1.5)
"""Where the coordinates of a slice run, unless a box is given."""


@dataclass(frozen=True)
class Asked:
    """What the options say about the function and its domain."""

    graph_output: str | None
    box: str | None
    around: str | None
    radius: str | None
    data: Path | None
    margin: float
    along: str | None
    output: int | None
    passes: str | None


@dataclass(frozen=True, eq=False)
class PiecewiseModel:
    """The function, where to look at it, and what was done to get it; ``data`` are points in its own coordinates."""

    loaded: LoadedModel
    circuit: Circuit
    where: Box | None
    notes: tuple[str, ...]
    data: FloatArray | None
    sliced: bool = False


def piecewise(model: Path, asked: Asked) -> PiecewiseModel:
    """Load a model and cut, slice and simplify it as asked. Raises `InvalidInput` for options that do not fit."""
    import numpy as np

    from tropix.regions import slice_through
    from tropixc.cli._models import load_model
    from tropixc.passes import optimize

    loaded = load_model(model, asked.graph_output)
    notes = list(loaded.notes)
    circuit = _logits(loaded.circuit, notes)
    if asked.margin and asked.data is None:
        raise InvalidInput("--margin is about --data: give both, or neither")
    if asked.data is not None and (asked.along is not None or asked.box is not None or asked.around is not None):
        raise InvalidInput("--data says what the domain is: leave out --box, --around and --slice, or --data")
    rows = None if asked.data is None else read_points(asked.data, circuit.input_size)
    if asked.along is not None:
        corners = _corners(asked.along, circuit.input_size)
        circuit = slice_through(circuit, corners)
        rows = np.eye(len(corners))[:, 1:]
        notes.append(f"on the {'plane' if len(corners) == 3 else 'line'} through {len(corners)} points")
    if asked.output is not None:
        if asked.output >= circuit.output_size:
            raise InvalidInput(f"--output {asked.output}: the model has outputs 0 to {circuit.output_size - 1}")
        circuit = circuit.select([asked.output])
        notes.append(f"output {asked.output} only")
    where = _where(asked, rows, circuit.input_size)
    names = chosen_passes(asked.passes)
    circuit = _logits(optimize(circuit, where, names), notes).limit()
    if loaded.circuit.temperatures and max(loaded.circuit.temperatures) > 0:
        notes.append("of the limit eps -> 0")
    return PiecewiseModel(loaded, circuit, where, tuple(notes), rows, asked.along is not None)


def _logits(circuit: Circuit, notes: list[str]) -> Circuit:
    found = circuit.logits()
    if found is not circuit:
        notes.append(f"of the logits: the values of {found.names[found.output]!r}, in front of the softmax or sigmoid")
    return found


def _corners(text: str, dimension: int) -> FloatArray:
    if Path(text).suffix.lower() in (".npy", ".csv", ".txt") or Path(text).is_file():
        points = read_points(Path(text), dimension)
    else:
        points = parse_points(text, dimension, "--slice")
    if len(points) not in (2, 3):
        raise InvalidInput(f"--slice: {len(points)} points: give three for a plane, two for a line")
    return points


def _where(asked: Asked, rows: FloatArray | None, dimension: int) -> Box | None:
    from tropix.boxes import Box

    if asked.data is not None and rows is not None:
        return Box(rows.min(axis=0) - asked.margin, rows.max(axis=0) + asked.margin)
    found = domain(asked.box, asked.around, asked.radius, dimension)
    return Box.of(SLICE, dimension) if found is None and asked.along is not None else found


def point_of(text: str, dimension: int) -> FloatArray:
    """The point of ``--at``: numbers, or a file with one row."""
    named = re.search(r"[a-zA-Z]", re.sub(r"e[+-]?\d|nan|inf", "", text)) is not None
    points = read_points(Path(text), dimension) if named else parse_points(text, dimension, "--at")
    if len(points) != 1:
        raise InvalidInput(f"--at: {len(points)} points, expected one")
    point: FloatArray = points[0]
    return point


def check_picture(plot: Path | None, colour: str = "map") -> None:
    """Refuse unknown suffixes and colours before anything long is done."""
    from tropix.regions import colour_of

    colour_of(colour)
    if plot is not None and plot.suffix.lower() not in PICTURES:
        raise InvalidInput(f"--plot {plot}: unknown suffix: use {', '.join(PICTURES)}")


def region_picture(regions: Any, suffix: str, colour: str, title: str, found: PiecewiseModel, boundary: Any) -> bytes:
    """A picture of regions, as a file."""
    import io

    from tropix.regions import plot_regions, regions_html

    data = found.data
    names = ("u", "v")[: found.circuit.input_size] if found.sliced else ()
    if suffix == ".html":
        return regions_html(regions, colour, title=title, data=data, boundary=boundary).encode()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6), layout="constrained")
    axes = plot_regions(regions, colour, data=data, boundary=boundary, ax=figure.subplots())
    axes.set_title(title)
    for name, axis in zip(names, (axes.xaxis, axes.yaxis), strict=False):
        axis.set_label_text(name)
    stream = io.BytesIO()
    figure.savefig(stream, format=suffix[1:], dpi=150)
    return stream.getvalue()


def domain_text(where: Box | None, dimension: int) -> str:
    """The domain for people."""
    if where is None:
        return f"all of R^{dimension}" if dimension > 1 else "all of R"
    sides = list(dict.fromkeys(f"[{low:g}, {high:g}]" for low, high in zip(where.lower, where.upper, strict=True)))
    if len(sides) == 1:
        return sides[0] + (f"^{dimension}" if dimension > 1 else "")
    shown = [f"[{low:g}, {high:g}]" for low, high in zip(where.lower[:4], where.upper[:4], strict=True)]
    return " x ".join(shown) + (f" x ... ({dimension} sides)" if dimension > 4 else "")

"""The domain of a command: a box, a neighbourhood of a point, or the common part of both."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tropix.errors import InvalidInput
from tropixc.cli._shared import parse_points, read_points

if TYPE_CHECKING:
    from tropix.arrays import FloatArray
    from tropix.boxes import Box

BoxOption = Annotated[
    str | None,
    typer.Option(help="Domain 'lower,upper' for all inputs, one pair an input joined by ';', or a file of two rows."),
]
AroundOption = Annotated[
    str | None,
    typer.Option(help="Centre of the domain: '1,2,…', or a row (from 0) of a file, 'FILE.npy:ROW' or 'FILE.csv:ROW'."),
]
RadiusOption = Annotated[
    str | None,
    typer.Option(help="Half-width of the domain around that point: one number, one an input joined by ';', or a row."),
]


def _box(text: str, dimension: int) -> Box:
    """A box from text, or from a file with a row of lower and a row of upper ends."""
    from tropix.boxes import Box

    if not text.lower().endswith((".npy", ".csv", ".txt")):
        return Box.parse(text, dimension)
    rows = read_points(Path(text), dimension)
    if len(rows) != 2:
        raise InvalidInput(f"{text}: {len(rows)} rows: expected a row of lower and a row of upper ends")
    return Box.of((rows[0], rows[1]), dimension)


def domain(box: str | None, around: str | None, radius: str | None, dimension: int) -> Box | None:
    """The box ``[point − radius, point + radius]``, of it the part in ``box``, or ``box`` alone; None for ℝ^d.

    The ends are rounded to float64. Raises `InvalidInput` for what is no box, no point or no radius, and where the box
    and the neighbourhood have no point in common.
    """
    import numpy as np

    from tropix.boxes import Box

    outer = None if box is None else _box(box, dimension)
    if (around is None) != (radius is None):
        given, missing = ("--around", "--radius") if radius is None else ("--radius", "--around")
        raise InvalidInput(f"{given} without {missing}: a neighbourhood needs both")
    if around is None or radius is None:
        return outer
    centre, widths = _centre(around, dimension), _widths(radius, dimension)
    lower, upper = centre - widths, centre + widths
    if outer is None:
        return Box(lower, upper)
    apart = np.flatnonzero((upper < outer.lower) | (lower > outer.upper))
    if apart.size:
        i = int(apart[0])
        raise InvalidInput(
            f"--box and --around have no point in common: coordinate {i} is in "
            f"[{outer.lower[i]}, {outer.upper[i]}] and in [{lower[i]}, {upper[i]}]"
        )
    return Box(np.maximum(lower, outer.lower), np.minimum(upper, outer.upper))


def _centre(text: str, dimension: int) -> FloatArray:
    if ":" in text:
        return _row(text, dimension, "--around")
    points = parse_points(text, dimension, "--around")
    if len(points) != 1:
        raise InvalidInput(f"--around: {len(points)} points, expected one")
    point: FloatArray = points[0]
    return point


def _widths(text: str, dimension: int) -> FloatArray:
    import numpy as np

    if ":" in text:
        widths = _row(text, dimension, "--radius")
    else:
        try:
            widths = np.array([float(number) for number in text.split(";")])
            if len(widths) not in (1, dimension):
                raise ValueError
        except ValueError:
            raise InvalidInput(f"--radius {text!r}: expected a number, or {dimension} joined by ';'") from None
    if not (widths >= 0).all():
        raise InvalidInput(f"--radius {text!r}: expected numbers >= 0")
    return np.broadcast_to(widths, (dimension,))


def _row(text: str, dimension: int, option: str) -> FloatArray:
    """A row of a file, named 'FILE:ROW'."""
    name, _, number = text.rpartition(":")
    if not number.isdecimal() or len(number) > 18:
        raise InvalidInput(f"{option} {text!r}: expected 'FILE:ROW' with a row from 0")
    points = read_points(Path(name), dimension)
    if int(number) >= len(points):
        raise InvalidInput(f"{option} {text!r}: the file has rows 0 to {len(points) - 1}")
    row: FloatArray = points[int(number)]
    return row

"""What several commands need: reading points and boxes, consoles, the model argument."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tropix.arrays import FloatArray
from tropix.errors import FormatError, InvalidInput

if TYPE_CHECKING:
    from rich.console import Console

MAX_DATA_BYTES = 1 << 30
INTERRUPTED = 130
"""Exit status after Ctrl-C: what had been found until then may have been written."""

ModelArgument = Annotated[
    Path, typer.Argument(help="A model: .onnx, arrays in .npz or .json, or a circuit in .txt.", show_default=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
GraphOutputOption = Annotated[str | None, typer.Option(help="Name of the graph output, where the model has several.")]


def console(*, stderr: bool = False) -> Console:
    """A rich console; wide where the output is no terminal, so that lines are not broken."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else 200)


def read_points(path: Path, dimension: int) -> FloatArray:
    """Rows of points from a .npy file (never pickled) or a comma-separated text file."""
    import numpy as np

    if not path.is_file():
        raise FormatError(f"{path}: {'a folder' if path.is_dir() else 'no such file'}")
    if path.stat().st_size > MAX_DATA_BYTES:
        raise FormatError(f"{path}: larger than {MAX_DATA_BYTES} bytes")
    try:
        if path.suffix == ".npy":
            array = np.load(path, allow_pickle=False)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # an empty file warns; it is refused below
                array = np.loadtxt(path, delimiter=",", ndmin=2, dtype=np.float64)
    except (ValueError, OSError, EOFError) as error:
        hint = "; leave out a line of column names" if "could not convert string" in str(error) else ""
        raise FormatError(
            f"{path}: expected a .npy array or comma-separated numbers: {str(error)[:300]}{hint}"
        ) from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iuf":
        raise FormatError(f"{path}: expected an array of real numbers")
    points = np.asarray(array, dtype=np.float64)
    return check_points(points[None, :] if points.ndim == 1 else points, dimension, str(path))


def parse_points(text: str, dimension: int, option: str = "--at") -> FloatArray:
    """Points such as ``"1,2"`` or ``"1,2;3,4"``."""
    import numpy as np

    try:
        rows = [[float(number) for number in part.split(",")] for part in text.split(";")]
        points = np.array(rows, dtype=np.float64)
    except ValueError:
        raise InvalidInput(f"{option} {text[:80]!r}: expected numbers such as '1,2' or '1,2;3,4'") from None
    return check_points(points, dimension, option)


def check_points(points: FloatArray, dimension: int, where: str) -> FloatArray:
    """Points of the right width, finite."""
    import numpy as np

    if points.ndim != 2 or points.shape[1] != dimension or not len(points):
        raise InvalidInput(f"{where}: points of shape {points.shape}, expected rows of {dimension} numbers")
    if not np.isfinite(points).all():
        raise InvalidInput(f"{where}: points contain NaN or infinite numbers")
    return points

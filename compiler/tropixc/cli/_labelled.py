"""Points with labels for ``tropix certify`` and ``tropix attack``: files, and the digits of scikit-learn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tropix.errors import FormatError, InvalidInput, Unsupported
from tropixc.cli._shared import MAX_DATA_BYTES, check_points, read_points

if TYPE_CHECKING:
    from tropix.arrays import FloatArray, IntArray

DIGITS = "digits"
POINTS, LABELS = ("x", "points", "data", "inputs"), ("y", "labels", "targets")
"""Names of arrays in a .npz file, in either case."""

DATA = typer.Option(
    help="Points: .npz (arrays x and y), .npy or comma-separated rows, or 'digits', the held-out quarter of "
    "scikit-learn's digits, pixels in [0, 1]."
)
LabelsOption = Annotated[
    str | None,
    typer.Option(help="True labels: a file of whole numbers, or a column of the data (from 0; -1 is the last one)."),
]
LimitOption = Annotated[int | None, typer.Option("--limit", help="The first points only.", min=1)]
IndexOption = Annotated[
    str | None, typer.Option("--index", help="These points only: numbers from 0 joined by commas, or 'FIRST:END'.")
]


@dataclass(frozen=True, eq=False)
class Labelled:
    """Points (n, d), their numbers in the data set (n,), and their true labels (n,) where they are known."""

    points: FloatArray
    numbers: IntArray
    labels: IntArray | None


def read_labelled(
    data: str, labels: str | None, dimension: int, limit: int | None = None, index: str | None = None
) -> Labelled:
    """Read a data set for a model with so many inputs. Raises `InvalidInput` that says what is wrong with it."""
    import numpy as np

    path = Path(data)
    truth: IntArray | None
    column = _column(labels)
    if data == DIGITS and not path.exists():
        if labels is not None:
            raise InvalidInput("--labels: the digits bring their own labels: leave it out")
        points, truth = _digits(dimension)
    elif path.suffix.lower() == ".npz":
        points, truth = _from_npz(path, dimension)
        if column is not None:
            raise InvalidInput("--labels: the labels of a .npz file are its array y, not a column")
    elif column is not None:
        table = read_points(path, dimension + 1)
        if not -dimension - 1 <= column <= dimension:
            raise InvalidInput(f"--labels {column}: the data has {dimension + 1} columns")
        points, truth = np.delete(table, column, axis=1), _whole(table[:, column], f"column {column} of {path}")
    else:
        points, truth = _plain(path, dimension), None
    if labels is not None and column is None:
        truth = _label_file(Path(labels))
    if truth is not None and len(truth) != len(points):
        raise InvalidInput(f"{len(truth)} labels for {len(points)} points")
    chosen = _chosen(len(points), limit, index)
    return Labelled(points[chosen], chosen, None if truth is None else truth[chosen])


def _plain(path: Path, dimension: int) -> FloatArray:
    try:
        return read_points(path, dimension)
    except InvalidInput as error:
        if f"expected rows of {dimension} numbers" in str(error) and f", {dimension + 1})" in str(error):
            raise InvalidInput(f"{error}: if the last column holds the labels, say --labels -1") from None
        raise


def _column(labels: str | None) -> int | None:
    if labels is None or not labels.removeprefix("-").isdecimal() or len(labels) > 10:
        return None
    return int(labels)


def _from_npz(path: Path, dimension: int) -> tuple[FloatArray, IntArray | None]:
    import numpy as np

    if not path.is_file():
        raise FormatError(f"{path}: {'a folder' if path.is_dir() else 'no such file'}")
    if path.stat().st_size > MAX_DATA_BYTES:
        raise FormatError(f"{path}: larger than {MAX_DATA_BYTES} bytes")
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = {name.lower(): archive[name] for name in archive.files if name.lower() in (*POINTS, *LABELS)}
            names = list(archive.files)
    except Exception as error:  # a damaged archive raises what zipfile and zlib see fit
        raise FormatError(f"{path}: not a .npz file of plain arrays: {error}") from None
    found = next((arrays[name] for name in POINTS if name in arrays), None)
    if found is None:
        raise FormatError(f"{path}: holds {', '.join(names) or 'nothing'}: expected an array {' or '.join(POINTS)}")
    if found.dtype.kind not in "iuf" or found.ndim < 2:
        raise FormatError(
            f"{path}: points have shape {found.shape} of {found.dtype}: expected (n, {dimension}) numbers"
        )
    points = check_points(
        np.asarray(found, dtype=np.float64).reshape(len(found), math.prod(found.shape[1:])), dimension, str(path)
    )
    given = next((arrays[name] for name in LABELS if name in arrays), None)
    return points, None if given is None else _whole(given, f"the labels of {path}")


def _label_file(path: Path) -> IntArray:
    import numpy as np

    if path.suffix.lower() == ".npy":
        try:
            values = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise FormatError(f"--labels {path}: {getattr(error, 'strerror', None) or error}") from None
        return _whole(values, str(path))
    try:
        if path.stat().st_size > MAX_DATA_BYTES:
            raise FormatError(f"--labels {path}: larger than {MAX_DATA_BYTES} bytes")
        text = path.read_text(encoding="utf-8")
        return _whole(np.array([float(word) for word in text.replace(",", " ").split()]), str(path))
    except OSError as error:
        raise FormatError(f"--labels {path}: {error.strerror}") from None
    except ValueError as error:
        if isinstance(error, InvalidInput):
            raise
        raise FormatError(f"--labels {path}: expected whole numbers: {error}") from None


def _whole(values: Any, where: str) -> IntArray:
    """Labels as whole numbers (n,)."""
    import numpy as np

    array = np.asarray(values)
    if array.dtype.kind not in "iuf" or array.ndim != 1:
        raise InvalidInput(
            f"{where}: labels of shape {array.shape} and type {array.dtype}: expected (n,) whole numbers"
        )
    if array.dtype.kind == "f" and not (np.isfinite(array).all() and (array == np.round(array)).all()):
        raise InvalidInput(f"{where}: labels must be whole numbers")
    if array.size and (array.min() < 0 or array.max() > 2**31):
        raise InvalidInput(f"{where}: label {int(array.min() if array.min() < 0 else array.max())}: expected 0, 1, ...")
    return array.astype(np.int64)


def _digits(dimension: int) -> tuple[FloatArray, IntArray]:
    """The test split on which the shipped models are scored: a stratified quarter, pixels / 16 in float32."""
    import numpy as np

    try:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split
    except ImportError:
        raise Unsupported(
            "--data digits needs scikit-learn: install it (the extra 'sklearn'), or give points in a file"
        ) from None
    found = load_digits()
    features = (found.data / 16.0).astype(np.float32)
    _, points, _, labels = train_test_split(
        features, found.target, test_size=0.25, random_state=0, stratify=found.target
    )
    if dimension != points.shape[1]:
        raise InvalidInput(f"--data digits: the model has {dimension} inputs: expected {points.shape[1]} pixels")
    return points.astype(np.float64), labels.astype(np.int64)


def _chosen(count: int, limit: int | None, index: str | None) -> IntArray:
    import numpy as np

    if index is None:
        return np.arange(count if limit is None else min(limit, count))
    if limit is not None:
        raise InvalidInput("--limit and --index: give one of them")
    try:
        if ":" in index:
            first, end = index.split(":")
            chosen = np.arange(int(first or 0), min(int(end or count), count))
        else:
            chosen = np.array([int(part) for part in index.split(",")], dtype=np.int64)
    except (ValueError, OverflowError):
        raise InvalidInput(f"--index {index[:80]!r}: expected numbers such as '0,3,7' or 'FIRST:END'") from None
    if not len(chosen) or chosen.min() < 0 or chosen.max() >= count:
        raise InvalidInput(f"--index {index[:80]!r}: the data has points 0 to {count - 1}")
    if len(np.unique(chosen)) != len(chosen):
        raise InvalidInput(f"--index {index[:80]!r}: a point is named twice")
    return chosen

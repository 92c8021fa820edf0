"""Regions as files: JSON and CSV for people and other tools, NPZ to keep and to go on from."""

from __future__ import annotations

import csv
import io
import json
import zipfile
import zlib
from collections import deque
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tropix.arrays import FloatArray, IntArray
from tropix.boxes import Box, Polyhedron
from tropix.errors import FormatError, InvalidInput
from tropix.exact import Rationals
from tropix.regions._domain import Domain
from tropix.regions._search import Facets, State
from tropix.regions._tape import Function, Tape

if TYPE_CHECKING:
    from tropix.regions._regions import Regions

VERSION = 1
MAX_FILE = 8 << 30
"""Largest size in bytes of the arrays in a file that is read."""


def to_json(regions: Regions, cells: bool = True) -> str:
    """Counts, domain, and the cells with their maps, facets and neighbours, as JSON text."""
    return json.dumps(summary(regions) | ({"cells": [cell.to_dict() for cell in regions]} if cells else {}), indent=1)


def summary(regions: Regions) -> dict[str, Any]:
    """The counts by each definition, how they were had, and where."""
    box = regions.domain.box
    return {
        "activation_cells": regions.n_cells,
        "affine_regions": regions.n_affine_regions,
        "affine_maps": regions.n_affine_maps,
        "exact": regions.exact,
        "complete": regions.complete,
        "stopped": regions.stopped,
        "seconds": regions.seconds,
        "inputs": regions.tape.inputs,
        "box": None
        if box is None
        else {"lower": [_number(v) for v in box.lower.tolist()], "upper": [_number(v) for v in box.upper.tolist()]},
    }


def _number(value: float) -> float | None:
    """A finite number, or None: JSON has no infinity."""
    return value if np.isfinite(value) else None


def to_csv(regions: Regions) -> str:
    """A row a cell: number, affine map, affine region, number of neighbours, inner point, output there, as CSV text."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    d = regions.tape.inputs
    writer.writerow(["cell", "map", "region", "neighbours", *(f"x{i}" for i in range(d)), "pattern"])
    labels, areas, degrees = regions.map_labels.tolist(), regions.region_labels.tolist(), regions.degrees.tolist()
    for i, (label, area, degree, point, pattern) in enumerate(
        zip(labels, areas, degrees, regions.points.tolist(), regions.patterns.tolist(), strict=True)
    ):
        writer.writerow([i, label, area, degree, *point, " ".join(map(str, pattern))])
    return stream.getvalue()


def to_npz(regions: Regions) -> bytes:
    """Everything, and of a search that was stopped also where it stood, as an NPZ archive without pickles."""
    box = regions.domain.box
    arrays: dict[str, Any] = {
        "version": np.array(VERSION),
        "digest": np.array(regions.tape.digest),
        "patterns": regions.patterns,
        "points": regions.points,
        "facet_offsets": regions.facet_offsets,
        "facet_segments": regions.facet_segments,
        "facet_entries": regions.facet_entries,
        "neighbours": regions.neighbours,
        "exact": np.array(regions.exact),
        "stopped": np.array(regions.stopped or ""),
        "seconds": np.array(regions.seconds),
        "kept": np.zeros(0, dtype=np.int64) if regions.kept is None else regions.kept,
        **_texts("exact_points", regions.exact_points),
    }
    if box is not None:
        arrays["box"] = np.array([box.lower, box.upper])
        if isinstance(box, Polyhedron):
            arrays["weights"], arrays["bounds"] = box.weights, box.bounds
    if regions.state is not None:
        arrays |= _state_arrays(regions.state, regions.tape.inputs)
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def load(path: str | Path, function: Function) -> Regions:
    """Read regions that :meth:`Regions.to_npz` wrote, of the same function.

    Raises `FormatError` for files of another kind, `InvalidInput` if they belong to another function.
    """
    from tropix.polynomials import TropicalPolynomial
    from tropix.regions._regions import Regions

    arrays = _read(Path(path))
    try:
        version = int(arrays["version"])
        if version != VERSION:
            raise FormatError(f"{path}: regions of version {version}: this tropix reads version {VERSION}")
        kept = arrays["kept"] if isinstance(function, TropicalPolynomial) else None
        tape = Tape.of_kept(function, kept)
        if tape is None or str(arrays["digest"]) != tape.digest:
            raise InvalidInput(
                f"{path}: these are the regions of another function: give the same model, simplified in the same way "
                "(the passes depend on the box)"
            )
        box: Box | None = None
        if "box" in arrays:
            lower, upper = arrays["box"]
            box = Box(lower, upper)
            if "weights" in arrays:
                box = Polyhedron(lower, upper, arrays["weights"], arrays["bounds"])
        stopped = str(arrays["stopped"]) or None
        domain = Domain.of(box, tape.inputs)
        regions = Regions(
            tape,
            domain,
            arrays["patterns"],
            arrays["points"],
            _points(arrays, "exact_points"),
            _integers(arrays, "facet_offsets"),
            _integers(arrays, "facet_segments"),
            _integers(arrays, "facet_entries"),
            _integers(arrays, "neighbours"),
            bool(arrays["exact"]),
            stopped,
            float(arrays["seconds"]),
            _state(arrays, tape, len(domain.walls)) if "frontier" in arrays else None,
            kept,
        )
    except InvalidInput:
        raise
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise FormatError(f"{path}: not a file of regions: {error}") from None
    _check(regions, Path(path))
    return regions


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FormatError(f"{path}: {'a folder' if path.is_dir() else 'no such file'}")
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > MAX_FILE:
                raise FormatError(f"{path}: larger than {MAX_FILE >> 30} GiB")
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, EOFError, ValueError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise FormatError(f"{path}: not a file of regions: {error}") from None


def _check(regions: Regions, path: Path) -> None:
    """That the arrays fit one another; what they claim can be checked by `certify_completeness`."""
    count, d = len(regions.points), regions.tape.inputs
    walls = len(regions.domain.walls)
    facets = len(regions.neighbours)
    offsets = regions.facet_offsets
    good = (
        regions.patterns.shape == (count, regions.tape.segment_count)
        and regions.patterns.dtype in (np.uint8, np.uint16)
        and regions.points.shape == (count, d)
        and regions.points.dtype == np.float64
        and offsets.shape == (count + 1,)
        and offsets[0] == 0
        and offsets[-1] == facets == len(regions.facet_segments) == len(regions.facet_entries)
        and bool((np.diff(offsets) >= 0).all())
        and bool((regions.neighbours < count).all() and (regions.neighbours >= -2).all())
        and _named(regions.tape, walls, regions.facet_segments, regions.facet_entries)
        and all(0 <= number < count for number in regions.exact_points)
        and bool((regions.patterns < np.diff(regions.tape.flat.entry)).all())
    )
    if not good:
        raise FormatError(f"{path}: not a file of regions: its arrays do not fit together")


def _named(tape: Tape, walls: int, segments: IntArray, entries: IntArray) -> bool:
    """Whether facets are named by ties and walls that there are."""
    if not bool(((segments >= -1) & (segments < tape.segment_count) & (entries >= 0)).all()):
        return False
    return bool((entries < np.append(np.diff(tape.flat.entry), walls)[segments]).all())


def _integers(arrays: dict[str, Any], name: str) -> IntArray:
    """A column of integers."""
    column = arrays[name]
    if column.ndim != 1 or column.dtype.kind != "i":
        raise ValueError(f"{name} holds no integers")
    return np.asarray(column)


def _texts(name: str, points: dict[int, Rationals]) -> dict[str, Any]:
    """Rational points as text, for they may have any number of digits."""
    rows = [" ".join(str(value) for value in point.fractions().ravel()) for point in points.values()]
    return {f"{name}_of": np.array(list(points), dtype=np.int64), name: np.array(rows, dtype=np.str_)}


def _points(arrays: dict[str, Any], name: str) -> dict[int, Rationals]:
    numbers = arrays[f"{name}_of"].tolist()
    rows = [
        Rationals.of(np.array([Fraction(value) for value in str(row).split()], dtype=object)) for row in arrays[name]
    ]
    return dict(zip(numbers, rows, strict=True))


def _state_arrays(state: State, inputs: int) -> dict[str, Any]:
    starts = np.array([start for start, _ in state.starts]).reshape(-1, inputs)
    rays = np.array([ray for _, ray in state.starts]).reshape(-1, inputs)
    flat = [
        np.array(getattr(state.facets, name), dtype=np.int64)
        for name in ("counts", "segments", "entries", "neighbours")
    ]
    replaced = [
        [number, segment, entry, neighbour]
        for number, anew in state.replaced.items()
        for segment, entry, neighbour in zip(anew.segments, anew.entries, anew.neighbours, strict=True)
    ]
    return {
        "keys": np.frombuffer(b"".join(state.keys), dtype=np.uint8).reshape(len(state.keys), len(state.keys[0])),
        "frontier": starts,
        "rays": rays,
        "parents": np.array(state.parents, dtype=np.int64),
        "looked_at": np.array(state.points).reshape(-1, inputs),
        **dict(zip(("counts", "segments", "entries", "behind"), flat, strict=True)),
        "replaced": np.array(replaced, dtype=np.int64).reshape(-1, 4),
        "void": np.array(sorted(state.void), dtype=np.int64),
        **_texts("all_exact_points", state.exact_points),
    }


def _state(arrays: dict[str, Any], tape: Tape, walls: int) -> State:
    keys, width = [row.tobytes() for row in arrays["keys"]], arrays["patterns"].dtype
    points: list[FloatArray] = list(arrays["looked_at"].astype(np.float64))
    starts = zip(arrays["frontier"].astype(np.float64), arrays["rays"].astype(np.float64), strict=True)
    if len(arrays["frontier"]) != len(keys) - len(points) or arrays["frontier"].shape[1] != tape.inputs:
        raise ValueError("its frontier does not fit its cells")
    met = np.frombuffer(b"".join(keys), dtype=width).reshape(len(keys), tape.segment_count)
    counts, segments = _integers(arrays, "counts"), _integers(arrays, "segments")
    entries, behind = _integers(arrays, "entries"), _integers(arrays, "behind")
    anew, parents, void = arrays["replaced"], _integers(arrays, "parents"), _integers(arrays, "void")
    known = np.concatenate([behind, anew[:, 3]])
    if not (
        arrays["keys"].dtype == np.uint8
        and arrays["rays"].shape == arrays["frontier"].shape
        and arrays["looked_at"].shape[1] == tape.inputs
        and bool((met < np.diff(tape.flat.entry)).all())
        and len(counts) == len(points)
        and bool((counts >= 0).all())
        and counts.sum() == len(segments) == len(entries) == len(behind)
        and anew.dtype.kind == "i"
        and _named(tape, walls, np.concatenate([segments, anew[:, 1]]), np.concatenate([entries, anew[:, 2]]))
        and bool(((known >= -1) & (known < len(keys))).all())
        and len(parents) == len(keys)
        and bool(((parents >= -1) & (parents < len(keys))).all())
        and all(0 <= number < len(points) for number in [*void.tolist(), *anew[:, 0].tolist()])
        and all(0 <= number < len(keys) for number in arrays["all_exact_points_of"].tolist())
    ):
        raise ValueError("where the search stood does not fit together")
    replaced: dict[int, Facets] = {}
    for number, segment, entry, neighbour in anew.tolist():
        facets = replaced.setdefault(number, Facets())
        facets.segments.append(segment)
        facets.entries.append(entry)
        facets.neighbours.append(neighbour)
    for facets in replaced.values():
        facets.counts.append(len(facets.segments))
    columns = [column.tolist() for column in (counts, segments, entries, behind)]
    return State(
        {key: i for i, key in enumerate(keys)},
        keys,
        deque(starts),
        parents.tolist(),
        points,
        _points(arrays, "all_exact_points"),
        Facets(*columns),
        replaced,
        set(void.tolist()),
    )

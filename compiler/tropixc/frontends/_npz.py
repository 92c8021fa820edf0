"""Reading ``.npz`` without trusting it: headers first, and no array that the archive does not hold."""

from __future__ import annotations

import math
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from tropix.errors import FormatError

MAX_BYTES = 1 << 28
"""Largest size of all arrays of an archive together, unpacked."""
MAX_ENTRIES = 10_000
MAX_HEADER = 10_000
LARGEST_RATIO = 1_040
"""Deflate packs no data tighter than 1032 : 1."""
MAX_TEXT = 64
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def read_npz(path: Path) -> dict[str, npt.NDArray[np.generic]]:
    """The arrays of an archive by key: real numbers, or single short texts."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _check_sizes(entries)
            return {entry.filename.removesuffix(".npy"): _array(archive, entry) for entry in entries}
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
        raise FormatError(f"no .npz archive, or a damaged one: {error}") from None


def _check_sizes(entries: list[zipfile.ZipInfo]) -> None:
    if not 1 <= len(entries) <= MAX_ENTRIES:
        raise FormatError(f"{len(entries)} arrays: expected 1 to {MAX_ENTRIES}")
    names = [entry.filename for entry in entries]
    if len(set(names)) < len(names):
        raise FormatError("a key occurs twice")
    for entry in entries:
        if not entry.filename.endswith(".npy") or "/" in entry.filename or "\\" in entry.filename:
            raise FormatError(f"entry {entry.filename!r}: expected .npy arrays only, as numpy.savez writes them")
        if entry.flag_bits & 1 or entry.compress_type not in METHODS:
            raise FormatError(f"{entry.filename}: encrypted, or packed by another method than numpy's")
        if entry.file_size > LARGEST_RATIO * entry.compress_size + 1024:
            raise FormatError(f"{entry.filename} announces {entry.file_size} bytes in {entry.compress_size}")
    total = sum(entry.file_size for entry in entries)
    if total > MAX_BYTES:
        raise FormatError(f"the arrays take {total} bytes, more than {MAX_BYTES}")


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> npt.NDArray[np.generic]:
    with archive.open(entry) as stream:
        shape, fortran, dtype = _header(stream, entry.filename)
        count = math.prod(shape)
        text = dtype.kind == "U" and shape == () and dtype.itemsize <= 4 * MAX_TEXT
        if not text and not (dtype.kind in "fiu" and dtype.itemsize <= 8):
            raise FormatError(f"{entry.filename} holds {dtype} of shape {shape}: expected real numbers")
        expected = count * dtype.itemsize
        if expected > entry.file_size:
            raise FormatError(f"{entry.filename}: shape {shape} announces {expected} bytes, but the file is shorter")
        data = stream.read(expected + 1)
    if len(data) != expected:
        raise FormatError(f"{entry.filename}: shape {shape} announces {expected} bytes, {len(data)} or more are there")
    return np.frombuffer(data, dtype, count).reshape(shape, order="F" if fortran else "C")


def _header(stream: IO[bytes], name: str) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # numpy warns of headers that it had to mend
            version = np.lib.format.read_magic(stream)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = read(stream, max_header_size=MAX_HEADER)
    except Exception as error:  # numpy hands the header to ast and tokenize, whose errors have no common class
        raise FormatError(f"{name}: no header of a .npy array: {' '.join(str(error).split())[:200]}") from None
    if any(size < 0 for size in shape):
        raise FormatError(f"{name}: negative size in shape {shape}")
    return shape, fortran, dtype

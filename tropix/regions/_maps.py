"""Which cells share an affine map: decided exactly, in floating point where rounding allows."""

from __future__ import annotations

from typing import Any

import numpy as np

from tropix.arrays import FloatArray, IntArray
from tropix.kernels import output_forms, used_patterns
from tropix.regions._tape import Tape

CHUNK = 5_000_000
"""Forms are held for so many numbers at a time."""


def map_labels(tape: Tape, patterns: Any) -> IntArray:
    """A number for each of C cells, equal for two cells exactly if the output is the same affine map on both.

    Cells whose output depends on the same winners share their map; maps that differ by more than their rounding errors
    are different; the rest is compared in rational arithmetic.
    """
    if not len(patterns):
        return np.zeros(0, dtype=np.int64)
    used = used_patterns(tuple(tape.flat), patterns)
    rows = np.ascontiguousarray(used).view(np.dtype((np.void, used.shape[1] * 2))).ravel() if used.shape[1] else None
    if rows is None:
        return np.zeros(len(patterns), dtype=np.int64)
    _, first, group = np.unique(rows, return_index=True, return_inverse=True)
    low, high = _projections(tape, patterns[first])
    order = np.argsort(low, kind="stable")
    apart = low[order][1:] > np.maximum.accumulate(high[order])[:-1]
    cluster = np.empty(len(first), dtype=np.int64)
    cluster[order] = np.concatenate([[0], np.cumsum(apart)])
    alone = np.bincount(cluster)[cluster] == 1
    keys: list[bytes | int] = list(range(len(first)))
    shared = np.flatnonzero(~alone)
    for i, key in zip(shared.tolist(), tape.exact.output_keys(patterns[first[shared]]), strict=True):
        keys[i] = key
    seen: dict[bytes | int, int] = {}
    labels = np.array([seen.setdefault(key, len(seen)) for key in keys], dtype=np.int64)
    return np.asarray(labels[group.ravel()])


def _projections(tape: Tape, patterns: Any) -> tuple[FloatArray, FloatArray]:
    """An interval for one generic linear function of the map of each cell: maps with disjoint intervals differ."""
    flat = tuple(tape.flat)
    size = len(tape.flat.outputs) * (tape.inputs + 1)
    weights = np.random.default_rng(0).uniform(0.5, 1.0, size=size)
    low, high = np.empty(len(patterns)), np.empty(len(patterns))
    step = max(1, CHUNK // size)
    for start in range(0, len(patterns), step):
        part = slice(start, start + step)
        forms, errors = output_forms(flat, patterns[part])
        values = forms.reshape(-1, size)
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is nan, and not apart from anything
            middle = values @ weights
            doubt = errors.reshape(-1, size) @ weights
            doubt += (size + 3) * 2.0**-53 * (np.abs(values) @ weights) + 1e-300
            low[part], high[part] = middle - 1.01 * doubt, middle + 1.01 * doubt
    return low, high

"""Counterexamples run again by onnxruntime, as the original model: in its own floats they may not hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from tropix.arrays import BoolArray, FloatArray, IntArray
from tropix.boxes import Box
from tropix.circuits import Affine, Circuit, Gibbs
from tropix.errors import InvalidInput, Unsupported
from tropixc.agreement import run_onnx
from tropixc.frontends.onnx import ImportedModel, import_onnx

FARTHER = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2)


@dataclass(frozen=True)
class Replay:
    """What onnxruntime says of a counterexample.

    ``confirmed``: it gives the point another class, or where ``farther`` > 0 the point by that share farther away from
    the one that was attacked. ``not confirmed``: it gives the old class at all of them. ``not installed``: nothing ran.
    """

    status: Literal["confirmed", "not confirmed", "not installed"]
    farther: float = 0.0

    def text(self) -> str:
        """One phrase."""
        return self.status if not self.farther else f"{self.status} {self.farther:g} farther"


def replay(
    model: str | Path | ImportedModel,
    points: npt.ArrayLike,
    labels: Sequence[int] | npt.ArrayLike,
    *,
    origins: npt.ArrayLike | None = None,
    room: npt.ArrayLike | None = None,
    box: Box | None = None,
) -> list[Replay]:
    """Whether onnxruntime gives points (n, d) another class than their labels (n,).

    The model is an ONNX file, or was imported from one; a single output decides between class 0 (≤ 0, or a probability
    of at most a half) and 1. Points are rounded to the type of its input, and it computes in its own type, usually
    float32: a counterexample on the boundary need not hold there. With ``origins`` (n, d) points up to a hundredth
    farther away from those are tried too, in the box, and by no larger share than ``room`` (n,). Raises `InvalidInput`
    for shapes that do not fit and `Unsupported` where onnxruntime cannot run the model.
    """
    imported = model if isinstance(model, ImportedModel) else import_onnx(Path(model), None)
    rows, marks = np.asarray(points, dtype=np.float64), np.asarray(labels)
    d = imported.circuit.input_size
    if rows.ndim != 2 or rows.shape[1] != d or marks.shape != (len(rows),):
        raise InvalidInput(f"points {rows.shape} and labels {marks.shape}: expected (n, {d}) and (n,)")
    starts = rows if origins is None else np.asarray(origins, dtype=np.float64)
    if starts.shape != rows.shape:
        raise InvalidInput(f"origins {starts.shape}: expected {rows.shape}")
    most = np.full(len(rows), np.inf) if room is None else np.asarray(room, dtype=np.float64)
    found = [Replay("not confirmed")] * len(rows)
    open_ones = np.arange(len(rows))
    for farther in (0.0, *(() if origins is None else FARTHER)):
        open_ones = open_ones[(farther == 0) | (most[open_ones] >= farther)]
        if not len(open_ones):
            break
        moved = rows[open_ones] + farther * (rows - starts)[open_ones]
        moved = moved if box is None else np.clip(moved, box.lower, box.upper)
        try:
            changed = _changed(imported, moved, marks[open_ones])
        except ImportError:
            return [Replay("not installed")] * len(rows)
        for i in open_ones[changed].tolist():
            found[i] = Replay("confirmed", farther)
        open_ones = open_ones[~changed]
    return found


def _changed(model: ImportedModel, points: FloatArray, labels: IntArray) -> BoolArray:
    """Where another output exceeds that of the label."""
    values = run_onnx(model, points)
    if values.shape[1] == 1:
        values = np.hstack([np.full_like(values, _threshold(model.circuit)), values])
    everyone = np.arange(len(points))
    own = values[everyone, labels].copy()
    values[everyone, labels] = -np.inf
    return np.asarray(values.max(axis=1) > own)


def _threshold(circuit: Circuit) -> float:
    """What a single output is compared with: 0, or its value where the sigmoid that it comes from is a half."""
    gates = [i for i, node in enumerate(circuit.nodes) if isinstance(node, Gibbs)]
    try:
        if not gates or circuit.logits() is circuit:
            return 0.0
    except Unsupported:
        return 0.0
    values: dict[int, FloatArray] = {gates[-1]: np.full(circuit.nodes[gates[-1]].size, 0.5)}
    for i in range(gates[-1] + 1, len(circuit.nodes)):
        node = circuit.nodes[i]
        if isinstance(node, Affine) and all(term.source in values for term in node.terms):
            values[i] = node.bias + sum(term.matrix @ values[term.source] for term in node.terms)
    return float(values[circuit.output][0])

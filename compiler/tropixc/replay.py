"""Counterexamples run again by onnxruntime, as the original model: in its own floats they may not hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from tropix.arrays import FloatArray
from tropix.circuits import Affine, Circuit, Gibbs
from tropix.errors import InvalidInput, Unsupported
from tropixc.agreement import run_onnx
from tropixc.frontends.onnx import ImportedModel, import_onnx

Replay: TypeAlias = Literal["confirmed", "not confirmed", "not installed"]


def replay(
    model: str | Path | ImportedModel, points: npt.ArrayLike, labels: Sequence[int] | npt.ArrayLike
) -> list[Replay]:
    """Whether onnxruntime gives points (n, d) another class than their labels (n,).

    The model is an ONNX file, or was imported from one; a single output decides between class 0 (≤ 0) and 1. Points
    are rounded to the type of its input, and it computes in its own type, usually float32: a counterexample near the
    boundary need not hold there. Raises `InvalidInput` for shapes that do not fit and `Unsupported` where onnxruntime
    cannot run the model.
    """
    imported = model if isinstance(model, ImportedModel) else import_onnx(Path(model), None)
    rows, marks = np.asarray(points, dtype=np.float64), np.asarray(labels)
    if rows.ndim != 2 or rows.shape[1] != imported.circuit.input_size or marks.shape != (len(rows),):
        raise InvalidInput(
            f"points {rows.shape} and labels {marks.shape}: expected (n, {imported.circuit.input_size}) and (n,)"
        )
    if not len(rows):
        return []
    try:
        values = run_onnx(imported, rows)
    except ImportError:
        return ["not installed"] * len(rows)
    if values.shape[1] == 1:
        values = np.hstack([np.full_like(values, _threshold(imported.circuit)), values])
    own = values[np.arange(len(rows)), marks]
    others = values.copy()
    others[np.arange(len(rows)), marks] = -np.inf
    return ["confirmed" if other > value else "not confirmed" for other, value in zip(others.max(1), own, strict=True)]


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

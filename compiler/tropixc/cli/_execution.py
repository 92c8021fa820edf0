"""Running what was exported, in onnxruntime or in another interpreter, and comparing it with the circuit."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from tropix.arrays import FloatArray
from tropix.circuits import Circuit
from tropix.errors import Unsupported

BLOCK_VALUES = 4_000_000
UNITS = {"float32": 2.0**-24, "float64": 2.0**-53}
TIME_LIMIT = 600
"""Seconds that the exported Python file may run."""

Run: TypeAlias = Callable[[FloatArray, int], FloatArray]
"""Points (n, d) and how many of them to take at a time → values (n, m)."""

_RUNNER = """
import runpy, sys
import numpy as np
network = runpy.run_path(sys.argv[1])["network"]
points, step = np.load(sys.argv[2]), int(sys.argv[3])
np.save(sys.argv[4], np.concatenate([network(points[i:i + step]) for i in range(0, len(points), step)]))
"""


@dataclass(frozen=True, eq=False)
class Comparison:
    """Values of an exported file against those of the circuit, at sampled points.

    ``gap`` is the largest difference, or where a value exceeds its tolerance the one that does so most; ``tolerance``
    is the bound on rounding there. ``unbounded`` values have no such bound, or overflow, and were not compared.
    """

    runtime: str
    points: int
    compared: int
    unbounded: int
    gap: float
    tolerance: float
    holds: bool

    @property
    def line(self) -> str:
        """One line that says what was checked."""
        if not self.compared:
            return f"agreement unknown: no bound on rounding is known at the {self.points} points"
        apart = f" ({self.unbounded} values without a bound on rounding left out)" if self.unbounded else ""
        return (
            f"{'agrees' if self.holds else 'DISAGREES'} with the circuit, run by {self.runtime} on {self.points} "
            f"points{apart}: largest difference {self.gap:.3g} (measured) {'<=' if self.holds else '>'} "
            f"{self.tolerance:.3g} (bound on rounding there)"
        )


def compare(circuit: Circuit, run: Run, runtime: str, points: FloatArray, dtype: str) -> Comparison:
    """Compare at points that ``dtype`` holds; each value may differ by what rounding explains, in both executions."""
    step = max(1, BLOCK_VALUES // sum(node.size for node in circuit.nodes))
    found = run(points, step)
    if found.shape != (len(points), circuit.output_size):
        raise Unsupported(f"{runtime} returned values of shape {found.shape} for {len(points)} points")
    blocks = [points[start : start + step] for start in range(0, len(points), step)]
    expected = np.concatenate([circuit.values(block)[circuit.output] for block in blocks])
    tolerance = np.concatenate([_tolerance(circuit, block, dtype) for block in blocks])
    bounded = np.isfinite(tolerance) & np.isfinite(expected)
    with np.errstate(invalid="ignore"):
        gap, tolerance = np.abs(found - expected)[bounded], tolerance[bounded]
    gap[np.isnan(gap)] = np.inf
    holds = bool((gap <= tolerance).all())
    worst = int(np.argmax(gap if holds else gap - tolerance)) if gap.size else 0
    return Comparison(
        runtime=runtime,
        points=len(points),
        compared=gap.size,
        unbounded=int(bounded.size - gap.size),
        gap=float(gap[worst]) if gap.size else 0.0,
        tolerance=float(tolerance[worst]) if gap.size else 0.0,
        holds=holds,
    )


def _tolerance(circuit: Circuit, points: FloatArray, dtype: str) -> FloatArray:
    with np.errstate(all="ignore"):
        both = circuit.rounding_bound(points, UNITS[dtype]) + circuit.rounding_bound(points, UNITS["float64"])
    return np.asarray(both + float(np.finfo(dtype).tiny))


def onnx_run(content: bytes, dtype: str) -> Run:
    """Run an exported ONNX model in onnxruntime; raises `Unsupported` where it cannot."""

    def run(points: FloatArray, step: int) -> FloatArray:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        try:
            session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
            name = session.get_inputs()[0].name
            blocks = [points[start : start + step].astype(dtype) for start in range(0, len(points), step)]
            return np.concatenate([session.run(None, {name: block})[0] for block in blocks]).astype(np.float64)
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            raise Unsupported(f"onnxruntime could not run the exported model: {reason}") from None

    return run


def python_run(source: str) -> Run:
    """Run an exported Python file in an isolated interpreter; raises `Unsupported` where it fails."""

    def run(points: FloatArray, step: int) -> FloatArray:
        with tempfile.TemporaryDirectory() as folder:
            script, given, result = (Path(folder, name) for name in ("network.py", "points.npy", "values.npy"))
            script.write_text(source, encoding="utf-8")
            np.save(given, points)
            command = [sys.executable, "-I", "-c", _RUNNER, str(script), str(given), str(step), str(result)]
            try:
                subprocess.run(command, check=True, capture_output=True, text=True, timeout=TIME_LIMIT)
            except subprocess.CalledProcessError as error:
                raise Unsupported(f"the exported Python file fails: {error.stderr.strip()[-200:]}") from None
            except subprocess.TimeoutExpired:
                raise Unsupported(f"the exported Python file runs longer than {TIME_LIMIT} s") from None
            return np.asarray(np.load(result, allow_pickle=False))

    return run

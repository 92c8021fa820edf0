"""Does the compiled function agree with the original model, as another runtime executes it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tropix.arrays import BoolArray, FloatArray
from tropix.boxes import Box
from tropix.circuits import Circuit
from tropix.errors import InvalidInput, Unsupported
from tropix.polynomials import TropicalPolynomial, TropicalRational
from tropixc.frontends.onnx import ImportedModel

SAFE_EXPONENTS = {"float32": (-60.0, 80.0), "float64": (-650.0, 690.0)}
"""Where a runtime's exp neither overflows nor loses digits to underflow."""
UNIT = 2.0**-53
SMALLEST = 2.0**-1074
"""The smallest positive float64."""
MAX_COORDINATES = 10_000_000
"""Largest number of coordinates of all sampled points together."""


@dataclass(frozen=True, eq=False)
class Agreement:
    """f_ε − f_0 at sampled points, f_ε run by onnxruntime, f_0 the compiled function; arrays are per output.

    ``bound`` is the certified δ(ε), valid for every x and every real-valued evaluation; ``rounding`` bounds what
    float execution may add at the worst sampled point. ``holds``: at every point the difference lies within the
    certified deviation, above and below, widened by the rounding. ``left_out`` points were not compared: there the
    model exponentiates numbers beyond the range of the runtime's floats.
    """

    points: int
    left_out: int
    gap: FloatArray
    bound: FloatArray
    rounding: FloatArray
    holds: bool

    @property
    def line(self) -> str:
        """One line that says what was checked."""
        worst = int(np.argmax(self.gap - self.bound))
        relation = "<=" if self.holds else "exceeds"
        apart = f", {self.left_out} left out where its exponentials overflow" if self.left_out else ""
        return (
            f"{'agrees' if self.holds else 'DISAGREES'} with onnxruntime on {self.points} points{apart}: "
            f"|f_eps - f_0| = {self.gap[worst]:.6g} (measured) {relation} delta(eps) = {self.bound[worst]:.6g} "
            f"(certified) + {self.rounding[worst]:.2g} (rounding of the runtime)"
        )


def sample_points(
    dimension: int, box: Box | None, data: FloatArray | None, count: int, seed: int, single: bool
) -> FloatArray:
    """Points to compare at: all rows of data, else uniform in the box, else normal at scales from 0.1 to 10.

    At most 10⁷ coordinates are drawn, so very wide models are compared at fewer points. With ``single`` the points are
    rounded to float32, so that a float32 runtime sees the same ones.
    """
    rng = np.random.default_rng(seed)
    count = max(1, min(count, MAX_COORDINATES // dimension))
    if data is not None:
        points = np.array(data, dtype=np.float64)
        outside = [] if box is None else box.outside(points)
        if outside:
            raise InvalidInput(f"row {outside[0]} of the data lies outside the box on which the functions are valid")
    elif box is not None:
        points = box.sample(count, rng)
    else:
        points = rng.normal(size=(count, dimension)) * 10.0 ** rng.uniform(-1, 1, size=(count, 1))
    if single:
        points = points.astype(np.float32).astype(np.float64)
    return points if box is None else points[box.contains(points)]


def run_onnx(model: ImportedModel, points: FloatArray) -> FloatArray:
    """The model's output at points (n, d), executed by onnxruntime, as float64 (n, m)."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(
            model.content or str(model.path), options, providers=["CPUExecutionProvider"]
        )
        inputs = points.astype(model.input_type).reshape(len(points), *model.input_shape)
        batches = [inputs] if model.batch is None else inputs[:, None] if model.batch == 1 else inputs
        parts = [session.run([model.output_name], {model.input_name: batch})[0] for batch in batches]
        results = np.concatenate([np.ravel(part) for part in parts])
    except Exception as error:
        raise Unsupported(f"onnxruntime could not run {model.path}: {' '.join(str(error).split())[:200]}") from None
    if results.size % len(points):
        raise Unsupported(f"onnxruntime returned {results.size} numbers for {len(points)} points")
    return results.astype(np.float64).reshape(len(points), -1)


def _in_range(model: ImportedModel, points: FloatArray) -> BoolArray:
    """For each point, whether the model's own Exp and Log nodes stay within the runtime's range there."""
    low, high = SAFE_EXPONENTS["float32" if model.unit_roundoff > 2.0**-53 else "float64"]
    inside = np.ones(len(points), dtype=np.bool_)
    if model.exponents is not None:
        inside &= (model.exponents(points) <= high).all(axis=1)
    if model.logarithms is not None:
        inside &= (model.logarithms(points) >= low).all(axis=1)
    return inside


def check_agreement(
    model: ImportedModel,
    circuit: Circuit,
    functions: Sequence[TropicalPolynomial | TropicalRational],
    outputs: Sequence[int],
    points: FloatArray,
) -> Agreement:
    """Compare the compiled functions of the given outputs with the model run by onnxruntime.

    ``circuit`` is the simplified circuit, whose δ(ε) bounds the deformation; the model's own circuit, before any
    pass, bounds the runtime's rounding. Raises `TropixError` if there is no point or the runtime fails.
    """
    if not len(points):
        raise InvalidInput("no sampled point lies in the box")
    inside = _in_range(model, points)
    left_out = int((~inside).sum())
    points = points[inside]
    if not len(points):
        raise InvalidInput(f"the model's exponentials overflow at all {left_out} points: use --data or a smaller --box")
    columns = list(outputs)
    network = run_onnx(model, points)[:, columns]
    if not np.isfinite(network).all():
        raise Unsupported("onnxruntime returned NaN or infinite values")
    limit = np.column_stack([function(points) for function in functions])
    own = np.column_stack([_evaluation_error(function, points) for function in functions])
    rounding = model.circuit.rounding_bound(points, model.unit_roundoff)[:, columns] + own
    deviation = circuit.deviations[circuit.output]
    difference = network - limit
    holds = (difference <= deviation.above[columns] + rounding) & (difference >= -deviation.below[columns] - rounding)
    return Agreement(
        points=len(points),
        left_out=left_out,
        gap=np.abs(difference).max(axis=0),
        bound=circuit.deformation_bound()[columns],
        rounding=rounding.max(axis=0),
        holds=bool(holds.all()),
    )


@dataclass(frozen=True)
class CircuitAgreement:
    """The circuit of a model against the model run by onnxruntime, at sampled points.

    ``gap`` is the largest difference of any output where a rounding bound is known, ``rounding`` the largest bound;
    ``compared`` counts the values with a known bound. ``holds``: every one of them lies within its own bound.
    """

    points: int
    left_out: int
    compared: int
    gap: float
    rounding: float
    holds: bool

    @property
    def status(self) -> str:
        """holds, violated, or unknown where nothing could be bounded."""
        return "unknown" if not self.compared else "holds" if self.holds else "violated"

    @property
    def line(self) -> str:
        """One line that says what was checked."""
        if not self.compared:
            return f"agreement unknown: the rounding of no value at {self.points} points has a bound"
        apart = f", {self.left_out} left out where its exponentials overflow" if self.left_out else ""
        word = "agrees" if self.holds else "DISAGREES"
        return (
            f"{word} with onnxruntime on {self.points} points{apart}: largest difference {self.gap:.6g} (measured), "
            f"rounding of the runtime at most {self.rounding:.2g}"
        )


def check_circuit(model: ImportedModel, points: FloatArray) -> CircuitAgreement:
    """Compare a model's circuit with the model run by onnxruntime, value by value within the rounding bound.

    Raises `TropixError` if there is no point, or the runtime fails.
    """
    inside = _in_range(model, points)
    left_out = int((~inside).sum())
    points = points[inside]
    if not len(points):
        raise InvalidInput(f"the model's exponentials overflow at all {left_out} points")
    network = run_onnx(model, points)
    bound = model.circuit.rounding_bound(points, model.unit_roundoff)
    own = model.circuit.rounding_bound(points, 2.0**-53)
    values = model.circuit(points)
    known = np.isfinite(bound) & np.isfinite(network)
    gap = np.abs(network - values)
    return CircuitAgreement(
        points=len(points),
        left_out=left_out,
        compared=int(known.sum()),
        gap=float(gap[known].max(initial=0.0)),
        rounding=float(bound[known].max(initial=0.0)),
        holds=bool((gap <= bound + own)[known].all()),
    )


def _evaluation_error(function: TropicalPolynomial | TropicalRational, points: FloatArray) -> FloatArray:
    """Bound of the rounding of a function's own float64 evaluation, (n,), its numbers rounded to float64 included.

    A polynomial: (d + 4)·u·max_j(|e_j|·|x| + |c_j|), u = 2⁻⁵³; a rational function: that of both sides, and u·|p − q|
    for the subtraction.
    """
    if isinstance(function, TropicalRational):
        sides = _evaluation_error(function.numerator, points) + _evaluation_error(function.denominator, points)
        return np.asarray((sides + np.abs(function(points)) * UNIT) * (1 + 8 * UNIT))
    if not len(function):
        return np.zeros(len(points))
    size = np.abs(points) @ np.abs(function.exponents).max(axis=0) + np.abs(function.coefficients).max()
    # numbers and products below the range of float64 lose at most half its smallest number
    vanishing = SMALLEST * (1 + np.abs(points).sum(axis=1))
    return np.asarray((function.dimension + 4) * (UNIT * size + vanishing))

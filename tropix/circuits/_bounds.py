"""Bounds that hold on all of ℝ^d: deformation, Lipschitz constants, and the rounding of a float execution.

Every sum here has nonnegative terms; each step is inflated by a bound on its own rounding, so results are upper bounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tropix.arrays import FloatArray
from tropix.circuits._matrices import UNIT, parts
from tropix.circuits._nodes import Affine, Gibbs, Input, LogSumExp, Matrix, Pointwise, Product
from tropix.circuits._pointwise import FUNCTIONS
from tropix.polynomials._tropical import dual_norms

if TYPE_CHECKING:
    from tropix.circuits._circuit import Circuit

MAX_JACOBIAN = 20_000_000
"""Nodes with a larger Jacobian have Lipschitz constants by the triangle inequality alone."""
TINY = 1e-36
"""Weights below it may be flushed to zero by a float32 runtime."""
UNDERFLOW = 1e-300
"""Positive numbers that underflow in float64 are smaller."""
LIBRARY_ULPS = 8
"""Accuracy assumed of a foreign runtime's exp and log, in units in the last place."""


@dataclass(frozen=True, eq=False)
class Deviation:
    """Per component: value_0 − below ≤ value_ε ≤ value_0 + above, for every x; both ≥ 0."""

    below: FloatArray
    above: FloatArray


def deviations(circuit: Circuit) -> tuple[Deviation, ...]:
    """The deformation recursion for every node; see `Circuit.deformation_bound`."""
    result: list[Deviation] = []
    for node in circuit.nodes:
        zeros = np.zeros(node.size)
        if isinstance(node, Input):
            result.append(Deviation(zeros, zeros))
        elif isinstance(node, Affine):
            below, above = zeros, zeros
            for term in node.terms:
                source = result[term.source]
                positive, negative = parts(term.matrix)
                below = below + _times(positive, source.below) + _times(negative, source.above)
                above = above + _times(positive, source.above) + _times(negative, source.below)
            terms = sum(term.matrix.shape[1] for term in node.terms)
            result.append(Deviation(_up(below, terms), _up(above, terms)))
        elif isinstance(node, LogSumExp):
            source = result[node.source]
            starts = node.segments[:-1]
            gap = node.eps * np.log(node.widths)
            above = _up(np.maximum.reduceat(source.above, starts) + gap, 4)
            result.append(Deviation(np.maximum.reduceat(source.below, starts), above))
        elif isinstance(node, Gibbs):
            source = result[node.source]
            moved = np.maximum(source.below, source.above).max() > 0 or node.eps > 0
            whole = np.repeat((node.widths > 1) & moved, node.widths).astype(np.float64)
            result.append(Deviation(whole, whole))
        elif isinstance(node, Pointwise):
            function, source = FUNCTIONS[node.function], result[node.source]
            either = np.maximum(source.below, source.above)
            ends = (source.below, source.above) if function.monotone else (either, either)
            result.append(Deviation(*(_steep(end, function.slope) for end in ends)))
        else:
            total = np.zeros(node.size)
            for source_index in node.sources:
                total += result[source_index].below + result[source_index].above
            unbounded = np.where(total > 0, np.inf, 0.0)
            result.append(Deviation(unbounded, unbounded))
    return tuple(result)


def lipschitz(circuit: Circuit, p: float) -> FloatArray:
    """Upper bounds of the output components' Lipschitz constants in ‖·‖_p.

    Nodes that are affine in x carry their Jacobian, whose rows have the constants ‖g‖_q. Otherwise Σ |a_i| L_i through
    affine nodes, the maximum over a segment through ⊕_ε, and L/(2ε), L that maximum, through Gibbs weights.
    """
    jacobians: list[_Jacobian | None] = []
    constants: list[FloatArray] = []
    for node in circuit.nodes:
        jacobian: _Jacobian | None = None
        if isinstance(node, Input):
            if node.size**2 <= MAX_JACOBIAN:
                jacobian = _Jacobian(np.eye(node.size), np.zeros((node.size, node.size)))
            constants.append(dual_norms(np.ones((node.size, 1)), p))
        elif isinstance(node, Affine):
            carried = node.size * circuit.input_size <= MAX_JACOBIAN
            shape = (node.size, circuit.input_size if carried else 0)
            linear = _Jacobian(np.zeros(shape), np.zeros(shape))
            rest, affine = np.zeros(node.size), True
            for term in node.terms:
                source = jacobians[term.source]
                if carried and source is not None:
                    linear = linear.plus(term.matrix, source)
                    continue
                affine = False
                positive, negative = parts(term.matrix)
                for part in (positive, negative):
                    rest = rest + _times(part, constants[term.source])
            jacobian = linear if affine else None
            terms = sum(term.matrix.shape[1] for term in node.terms)
            constants.append(_up(linear.norms(p) + rest, terms))
        elif isinstance(node, LogSumExp):
            constants.append(np.maximum.reduceat(constants[node.source], node.segments[:-1]))
        elif isinstance(node, Gibbs):
            top = np.maximum.reduceat(constants[node.source], node.segments[:-1])
            with np.errstate(divide="ignore", invalid="ignore"):
                slope = np.where((node.widths == 1) | (top == 0), 0.0, top / (2 * node.eps))
            constants.append(_up(np.repeat(slope, node.widths), 4))
        elif isinstance(node, Pointwise):
            constants.append(_steep(constants[node.source], FUNCTIONS[node.function].slope))
        else:
            both = constants[node.left] + constants[node.right]
            constants.append(np.where(both > 0, np.inf, 0.0))
        jacobians.append(jacobian)
    return constants[circuit.output]


@dataclass(frozen=True, eq=False)
class _Jacobian:
    """A Jacobian in float64 and an entrywise bound on its rounding error."""

    value: FloatArray
    error: FloatArray

    def plus(self, matrix: Matrix, inner: _Jacobian) -> _Jacobian:
        """The sum of itself and matrix·inner."""
        positive, negative = parts(matrix)
        absolute = positive + negative
        size = np.abs(self.value) + absolute @ (np.abs(inner.value) + inner.error)
        error = self.error + absolute @ inner.error + size * ((matrix.shape[1] + 4) * 2 * UNIT)
        return _Jacobian(self.value + matrix @ inner.value, error)

    def norms(self, p: float) -> FloatArray:
        """Upper bounds of the rows' dual norms."""
        return _up(dual_norms(np.abs(self.value) + self.error, p), 2 * self.value.shape[1] + 16)


def rounding_bound(circuit: Circuit, points: FloatArray, unit: float) -> FloatArray:
    """Running error analysis; see `Circuit.rounding_bound`.

    An affine row of k products errs by γ_{k+2}·(|A||v| + |b|) plus |A| times the error of v; ⊕_ε passes the largest
    error of its segment on and adds the rounding of exp, sum and log.
    """
    values = circuit.values(points)
    errors: list[FloatArray] = []
    for node, value in zip(circuit.nodes, values, strict=True):
        if isinstance(node, Input):
            errors.append(np.zeros_like(value))
        elif isinstance(node, Affine):
            magnitude = np.abs(np.broadcast_to(node.bias, value.shape)).copy()
            carried = np.zeros_like(value)
            terms = 2
            for term in node.terms:
                positive, negative = parts(term.matrix)
                absolute = positive + negative
                source = np.abs(values[term.source]) + errors[term.source]
                magnitude += _times(absolute, source.T).T
                carried += _times(absolute, errors[term.source].T).T
                terms += _row_length(term.matrix) + 1
            errors.append(carried + magnitude * (terms * unit / (1 - terms * unit)))
        elif isinstance(node, LogSumExp):
            starts, source = node.segments[:-1], errors[node.source]
            error = np.maximum.reduceat(source, starts, axis=1)
            if node.eps > 0:
                # z/ε is rounded by the argument's own size; exp, the sum and log by a few units each.
                size = np.maximum.reduceat(np.abs(values[node.source]) + source, starts, axis=1)
                relative = (node.widths + 3 * LIBRARY_ULPS) * unit
                scale = 4 * size + (4 + 2 * LIBRARY_ULPS) * np.abs(value)
                error = error + unit * scale + node.eps * (1 + np.log(node.widths)) * relative
            errors.append(error)
        elif isinstance(node, Gibbs):
            errors.append(_gibbs_rounding(node, value, values[node.source], errors[node.source], unit))
        elif isinstance(node, Product):
            left, right = np.abs(values[node.left]), np.abs(values[node.right])
            one, two = errors[node.left], errors[node.right]
            with np.errstate(invalid="ignore"):
                error = left * two + right * one + one * two + 2 * unit * (left + one) * (right + two)
            errors.append(np.where(np.isnan(error), np.inf, error))
        else:
            errors.append(_pointwise_rounding(node, values[node.source], errors[node.source], unit))
    return errors[circuit.output]


def _gibbs_rounding(
    node: Gibbs, weights: FloatArray, logits: FloatArray, errors: FloatArray, unit: float
) -> FloatArray:
    """A weight changes by the factor e^{±2e/ε} where its logits err by e; at ε = 0 an error may move all of it,
    unless one logit leads by more than 2e.

    A weight that underflowed to 0 changes like one at the end of the range.
    """
    starts = node.segments[:-1]
    error = np.repeat(np.maximum.reduceat(errors, starts, axis=1), node.widths, axis=1)
    if node.eps == 0.0:
        top = np.repeat(np.maximum.reduceat(logits, starts, axis=1), node.widths, axis=1)
        rivals = np.add.reduceat((logits >= top - 2 * error * (1 + 4 * unit)).astype(np.int64), starts, axis=1)
        moves = (error > 0) & (np.repeat(rivals, node.widths, axis=1) > 1)
        return np.where(moves, 1.0, 2 * unit * weights)
    size = np.repeat(np.maximum.reduceat(np.abs(logits) + errors, starts, axis=1), node.widths, axis=1)
    relative = (np.repeat(node.widths, node.widths) + 3 * LIBRARY_ULPS) * unit
    with np.errstate(over="ignore", invalid="ignore"):
        grown = np.expm1((2 * error + 4 * unit * size) / node.eps + relative)
        return np.asarray(np.minimum(np.maximum(weights, UNDERFLOW) * grown + TINY, 1.0))


def _pointwise_rounding(node: Pointwise, arguments: FloatArray, errors: FloatArray, unit: float) -> FloatArray:
    """The image of [x − e, x + e], and a few units of the library's own error."""
    value, monotone = FUNCTIONS[node.function].value, FUNCTIONS[node.function].monotone
    with np.errstate(all="ignore"):
        centre = value(arguments)
        low, high = value(arguments - errors), value(arguments + errors)
        spread = np.maximum(np.abs(low - centre), np.abs(high - centre))
        if not monotone:
            spread = np.where(np.abs(arguments) > errors, spread, np.inf)
        return np.where(np.isnan(spread), np.inf, spread + LIBRARY_ULPS * 2 * unit * (np.abs(centre) + spread))


def _steep(values: FloatArray, slope: float) -> FloatArray:
    """slope·values rounded upwards, for values ≥ 0 and a slope that may be infinite (0·∞ counts as 0)."""
    with np.errstate(invalid="ignore"):
        return _up(np.where(values > 0, values * slope, 0.0), 1)


def _row_length(matrix: Matrix) -> int:
    if isinstance(matrix, np.ndarray):
        return int(np.count_nonzero(matrix, axis=1).max(initial=0))
    return int(np.diff(matrix.indptr).max(initial=0))


def _times(matrix: Matrix, vector: FloatArray) -> FloatArray:
    """A·v for nonnegative A and v, a vector or columns, where v may hold +∞ or NaN (0·∞ counts as 0, NaN as +∞)."""
    infinite = ~np.isfinite(vector)
    product = np.asarray(matrix @ np.where(infinite, 0.0, vector))
    if infinite.any():
        product = np.where(np.asarray(matrix @ infinite.astype(np.float64)) > 0, np.inf, product)
    return product


def _up(values: FloatArray, operations: int) -> FloatArray:
    """Inflate nonnegative results of ``operations`` float operations to upper bounds."""
    return np.asarray(values * (1 + 2 * (operations + 2) * UNIT) + np.where(values > 0, 5e-324, 0.0))

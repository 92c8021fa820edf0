"""The conjugate at ε = 0: a linear program with d + 1 rows, solved in floats, its basis proved feasible."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import flint
import numpy as np

from tropix.arrays import FloatArray, IntArray
from tropix.exact import Rationals, fraction_of, maximize
from tropix.kernels import cell_programs

UNIT = 2.0**-53
FAR = 1e9
SMALL = 12
"""Up to this dimension the exact simplex method is given many columns."""


@dataclass(frozen=True, eq=False)
class LinearAnswers:
    """Bounds (n,), maximisers x (n, d), and the weights (n, d+1) on pieces ``columns`` (n, d+1) that attain them."""

    lower: FloatArray
    upper: FloatArray
    x: FloatArray
    columns: IntArray
    weights: FloatArray


def solve_linear(points: FloatArray, sites: FloatArray, bias: FloatArray, *, settle: bool = False) -> LinearAnswers:
    """Min {−b·p : Σ p_j w_j = y, Σ p = 1, p ≥ 0} for each row y of points (n, d), sites (m, d) spanning ℝ^d.

    ``upper`` is +∞ where no feasible basis was found, as outside the convex hull. With ``settle`` the exact simplex
    method looks for one where the basis found in floats is infeasible by rounding.
    """
    n, d = points.shape
    centre = sites.mean(axis=0)
    width = np.exp2(np.round(np.log2(np.maximum(np.abs(sites - centre).max(axis=0, initial=0.0), 1e-300))))
    height = float(np.exp2(np.round(np.log2(max(float(np.ptp(bias)), 1e-300)))))
    middle = float(bias.mean())
    table = np.ascontiguousarray(np.column_stack([(sites - centre) / width, (bias - middle) / height]).T)
    chosen = np.column_stack([(points - centre) / width, np.zeros(n)])[:, None, :]
    ends = np.array([np.full(d, -np.inf), np.full(d, np.inf)])
    offsets, skipped = np.array([0, len(sites)], dtype=np.int64), np.full((n, 1), -1, dtype=np.int64)
    _, x, bases = cell_programs(table, offsets, np.ascontiguousarray(chosen), skipped, ends, FAR)
    x = x * height / width
    usable = (bases < len(sites)).all(axis=1) & np.isfinite(x).all(axis=1)
    columns = np.where(usable[:, None], bases, 0)
    weights, error = _verified(points, sites, columns, width)
    lower, upper = np.full(n, -np.inf), np.full(n, np.inf)
    for i in np.flatnonzero(usable).tolist():
        lower[i] = _below(points[i], sites, bias, x[i])
        if error[i] <= weights[i].min():
            upper[i] = _above(bias[columns[i]], weights[i], error[i])
            continue
        exact = _exact_weights(points[i], sites[columns[i]])
        if settle and (exact is None or min(exact) < 0):
            for near in _nearly_active(points[i], sites, bias, x[i], height):
                columns[i], exact = _settled(points[i], sites, bias, near)
                if exact is not None:
                    break
        if exact is not None and min(exact) >= 0:
            total = -sum((p * Fraction(b) for p, b in zip(exact, bias[columns[i]].tolist(), strict=True)), Fraction(0))
            upper[i] = np.nextafter(float(total), np.inf)
            weights[i] = [float(p) for p in exact]
    return LinearAnswers(lower, upper, x, columns, weights)


def _verified(
    points: FloatArray, sites: FloatArray, columns: IntArray, width: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Approximate barycentric weights of each point in its simplex, and bounds of their errors (+∞ if none).

    With R an approximate inverse of B and M ≥ |I − R B|, ‖M‖ < 1, the weights R e differ from the true ones by at most
    ‖M |R e|‖ / (1 − ‖M‖) (Rump, *Verification methods*, Acta Numerica 2010, §10).
    """
    n, d = points.shape
    picked = (sites[columns] - points[:, None, :]) / width
    size = np.concatenate([np.abs(picked), np.ones((n, d + 1, 1))], axis=2).transpose(0, 2, 1)
    matrix = np.concatenate([picked, np.ones((n, d + 1, 1))], axis=2).transpose(0, 2, 1).copy()
    with np.errstate(all="ignore"):
        singular = ~(np.abs(np.linalg.det(matrix)) > 0)
        matrix[singular] = np.eye(d + 1)
        inverse = np.linalg.inv(matrix)
        magnitude = np.abs(inverse) @ size
        off = np.abs(np.eye(d + 1) - inverse @ matrix) + (d + 6) * UNIT * (magnitude + np.eye(d + 1))
        contraction = 1.01 * off.sum(axis=2).max(axis=1)
        weights = inverse[:, :, -1]
        error = 1.01 * (off @ np.abs(weights)[:, :, None])[:, :, 0].max(axis=1) / (1 - contraction)
    return weights, np.where(singular | ~(contraction < 0.5) | ~np.isfinite(error), np.inf, error)


def _above(bias: FloatArray, weights: FloatArray, error: float) -> float:
    value = -float(weights @ bias)
    slack = error * np.abs(bias).sum() + (len(bias) + 2) * UNIT * (np.abs(weights) @ np.abs(bias))
    return float(np.nextafter(value + 1.01 * slack, np.inf))


def _below(y: FloatArray, sites: FloatArray, bias: FloatArray, x: FloatArray) -> float:
    """−max_j ((w_j − y)·x + b_j), rounded down."""
    terms = (sites - y) * x
    error = 1.01 * (len(x) + 4) * UNIT * (np.abs(terms).sum(axis=1) + np.abs(bias)) + 1e-300
    highest = float((terms.sum(axis=1) + bias + error).max())
    return float(np.nextafter(-highest, -np.inf))


def _nearly_active(y: FloatArray, sites: FloatArray, bias: FloatArray, x: FloatArray, height: float) -> list[IntArray]:
    """The pieces that are nearly largest at x, at most a few hundred; then some more, then up to a thousand."""
    logits = (sites - y) @ x + bias
    order = np.argsort(-logits, kind="stable")
    ties = int((logits >= logits.max() - 1e-7 * (height + np.abs(logits).max())).sum())
    wider = [order[: 10 * (len(y) + 1)], order[:1000]] if len(y) <= SMALL else []
    return [order[: min(ties, 300)], *wider]


def _settled(
    y: FloatArray, sites: FloatArray, bias: FloatArray, near: IntArray
) -> tuple[IntArray, list[Fraction] | None]:
    """The program on a few pieces in rational arithmetic: d + 1 columns and their weights, or None.

    Floats may choose a neighbour of the simplex that holds y, where y lies between several of them.
    """
    ones = Rationals.of(np.ones((len(near), 1)))
    table = Rationals.concatenate([Rationals.of(sites[near]), ones], axis=1).transpose
    right = Rationals.of(np.append(y, 1.0)).fractions().tolist()
    costs = Rationals.of(bias[near]).fractions().tolist()
    answer = maximize(
        flint.fmpq_mat(table.to_flint()) / flint.fmpq(table.denominator), _rational(right), _rational(costs)
    )
    chosen = np.zeros(len(y) + 1, dtype=np.int64)
    if answer.status != "optimal":
        return chosen, None
    weights = [Fraction(0)] * len(chosen)
    for place, (column, value) in enumerate(zip(answer.basis, answer.values, strict=True)):
        if column < len(near):
            chosen[place], weights[place] = near[column], fraction_of(value)
    return chosen, weights


def _rational(values: list[Fraction]) -> list[Any]:
    return [flint.fmpq(value.numerator, value.denominator) for value in values]


def _exact_weights(y: FloatArray, sites: FloatArray) -> list[Fraction] | None:
    """The barycentric weights in rational arithmetic; None for a flat simplex."""
    ones = Rationals.of(np.ones((1, len(sites))))
    matrix = Rationals.concatenate([Rationals.of(sites).transpose, ones])
    right = Rationals.of(np.append(y, 1.0))[:, None]
    try:
        solution = matrix.to_flint().solve(right.to_flint())
    except ZeroDivisionError:
        return None
    factor = Fraction(matrix.denominator, right.denominator)
    return [Fraction(int(v.p), int(v.q)) * factor for v in solution.entries()]

"""Derivatives of a model on a ball, in Arb balls, from the ranges of its steps.

They run backwards, as lower and upper ends, so that signs that are certain stay so: the gradient of ⊕_ε is
Σ_i π_i a_i = t + Σ_i π_i (a_i − t) for any t, as Σ π_i = 1. Where a maximum has kinks, the generalised derivatives
(Clarke 1983) are enclosed.
"""

from __future__ import annotations

from typing import Any

import flint
import numpy as np

from tropix.arrays import ObjectArray
from tropix.certify._check_balls import Ends, Slopes, ball, matrix, meet, split, times
from tropix.certify._check_enclosure import Enclosure, Region, parts_of
from tropix.certify._steps import Join, Reading
from tropix.exact import Rationals


def jacobian(enclosure: Enclosure, rows: Reading) -> Slopes | None:
    """Enclosures (k, d) of the derivatives of some rows in the input; None where one is unbounded."""
    count, width = rows.size, enclosure.steps.dimension
    waiting: dict[int, Slopes] = {}
    for base, term in rows.terms.items():
        whole = matrix(term.numerators, term.denominator)
        waiting[base] = whole, whole
    for number in sorted(enclosure.steps.steps, reverse=True):
        adjoint = waiting.pop(number, None)
        if adjoint is None:
            continue
        gradient = _gradient(enclosure, number)
        if gradient is None:
            return None
        for base, inner in gradient.items():
            low, high = times(adjoint, inner)
            known = waiting.get(base)
            waiting[base] = (low, high) if known is None else (known[0] + low, known[1] + high)
    nothing = flint.arb_mat(count, width)
    return waiting.get(0, (nothing, nothing))


def _gradient(enclosure: Enclosure, number: int) -> dict[int, Slopes] | None:
    step = enclosure.steps.steps[number]
    if isinstance(step, Join):
        form = _weight_slopes if step.weights else _join_slopes
        return form(step, enclosure.shares[number])
    inner = [enclosure.read(reading) for reading in step.readings]
    if step.function == "product":
        if inner[0] is None or inner[1] is None:
            return None
        factors: list[Ends | None] = [inner[1], inner[0]]
    else:
        factors = [enclosure.rates(step, inner[0])]
    found: dict[int, Slopes] = {}
    for reading, factor in zip(step.readings, factors, strict=True):
        if factor is None:
            return None
        for base in reading.terms:
            part = _scaled(factor, reading, base)
            known = found.get(base)
            found[base] = part if known is None else (known[0] + part[0], known[1] + part[1])
    return found


def _scaled(factor: Ends, reading: Reading, base: int) -> Slopes:
    """Each row of a reading times a number of its own."""
    plus, _, entries = Region.table(reading, base)
    width = plus.ncols()
    low, high = [], []
    for i, entry in enumerate(entries):
        ends = factor[0][i // width] * entry, factor[1][i // width] * entry
        low.append(ends[0].min(ends[1]))
        high.append(ends[0].max(ends[1]))
    return flint.arb_mat(plus.nrows(), width, low), flint.arb_mat(plus.nrows(), width, high)


def _join_slopes(step: Join, shares: Ends) -> dict[int, Slopes]:
    found = {}
    for base, rows in step.reading.terms.items():
        lower, upper, width = [], [], rows.shape[1]
        for part in parts_of(step):
            table = rows.numerators[part]
            weights = [flint.arb_mat(1, len(table), end[part]) for end in shares]
            leader = int(np.argmax([float(a.mid()) for a in shares[1][part]]))
            first = _around(table, rows.denominator, table[leader], weights)
            low = _around(table, rows.denominator, table.min(axis=0), weights)[0]
            high = _around(table, rows.denominator, table.max(axis=0), weights)[1]
            ends = meet(first, (low, high))
            lower += ends[0].entries()
            upper += ends[1].entries()
        found[base] = flint.arb_mat(step.size, width, lower), flint.arb_mat(step.size, width, upper)
    return found


def _around(table: ObjectArray, scale: int, middle: ObjectArray, weights: list[Any]) -> Slopes:
    """T + Σ π_i (a_i − t)."""
    start = matrix(middle[None, :], scale)
    plus, minus = split(Rationals(table - middle, scale))
    return start + weights[0] * plus - weights[1] * minus, start + weights[1] * plus - weights[0] * minus


def _weight_slopes(step: Join, shares: Ends) -> dict[int, Slopes] | None:
    """∂π_i = Σ_j π_i π_j (a_i − a_j)/ε."""
    if step.eps == 0 and not all(low > 0 or high < 1 for low, high in zip(*shares, strict=True)):
        return None
    found = {}
    for base, rows in step.reading.terms.items():
        lower, upper, width = [], [], rows.shape[1]
        for part in parts_of(step):
            table = rows.numerators[part]
            for i in range(len(table)):
                ends = flint.arb_mat(1, width), flint.arb_mat(1, width)
                if step.eps > 0:
                    own = shares[0][part][i], shares[1][part][i]
                    powers = [
                        flint.arb_mat(1, len(table), [x * v / ball(step.eps) for v in end[part]])
                        for x, end in zip(own, shares, strict=True)
                    ]
                    plus, minus = split(Rationals(table[i] - table, rows.denominator))
                    ends = powers[0] * plus - powers[1] * minus, powers[1] * plus - powers[0] * minus
                lower += ends[0].entries()
                upper += ends[1].entries()
        found[base] = flint.arb_mat(step.size, width, lower), flint.arb_mat(step.size, width, upper)
    return found

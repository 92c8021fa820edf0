"""Ranges and derivatives of a model on a ball, in Arb balls.

Ranges run forwards: affine functions of the input range over a ball exactly, ⊕_ε rises with its operands, Gibbs weights
1/Σ_j exp((z_j − z_i)/ε) follow from differences. Derivatives run backwards, as lower and upper ends, so that signs that
are certain stay so: the gradient of ⊕_ε is Σ_i π_i a_i = t + Σ_i π_i (a_i − t) for any t, as Σ π_i = 1. Where a maximum
has kinks, the generalised derivatives (Clarke 1983) are enclosed.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import flint
import numpy as np

from tropix.arrays import ObjectArray
from tropix.certify._check_balls import (
    ONE,
    ZERO,
    Ends,
    Slopes,
    bell,
    column,
    corners,
    image,
    joined,
    largest,
    matrix,
    meet,
    rate,
    share,
    split,
    times,
)
from tropix.certify._check_claim import ball
from tropix.certify._steps import Bend, Join, Reading, Steps
from tropix.exact import Rationals


class Region:
    """All inputs x + δ with ‖δ/s‖_p ≤ r (and δ in the box's room), or for r = None all inputs at all."""

    def __init__(
        self,
        point: Rationals,
        radius: Fraction | None,
        p: float,
        scales: Sequence[Fraction],
        room: Sequence[tuple[Fraction | None, Fraction | None]] | None,
    ) -> None:
        self.point, self.radius, self.p = point, radius, p
        self.key = p, tuple(scales)
        self.exact, self.scales = scales, [ball(s) for s in scales]
        if radius is None:
            return
        steps = [(-radius * s, radius * s) for s in scales]
        for i, (low, high) in enumerate(room or []):
            steps[i] = (
                steps[i][0] if low is None else max(steps[i][0], low),
                steps[i][1] if high is None else min(steps[i][1], high),
            )
        self.below = column([ball(-low) for low, _ in steps])
        self.above = column([ball(high) for _, high in steps])
        self.at = column([ball(v) for v in point.fractions().tolist()])

    def norm(self, sizes: Sequence[Any]) -> Any:
        """‖s·v‖_q of absolute values."""
        scaled = [a * s for a, s in zip(sizes, self.scales, strict=True)]
        if self.p == 1:
            return largest(scaled)
        if self.p == 2:
            return sum((a * a for a in scaled), ZERO).sqrt()
        return sum(scaled, ZERO)

    def norms(self, reading: Reading) -> list[Any]:
        """‖s·a‖_q of the rows that read the input."""
        key = ("norms", self.key, flint.ctx.prec)
        if key not in reading.held:
            rows, width = reading.terms.get(0), len(self.scales)
            sizes = [ZERO] * (reading.size * width) if rows is None else [abs(e) for e in self.table(reading, 0)[2]]
            reading.held[key] = [self.norm(sizes[i * width : (i + 1) * width]) for i in range(reading.size)]
        found: list[Any] = reading.held[key]
        return found

    @staticmethod
    def table(reading: Reading, base: int) -> tuple[Any, Any, list[Any]]:
        """A⁺, A⁻ and the entries of A."""
        key = ("table", base, flint.ctx.prec)
        if key not in reading.held:
            plus, minus = split(reading.terms[base])
            reading.held[key] = plus, minus, (plus - minus).entries()
        found: tuple[Any, Any, list[Any]] = reading.held[key]
        return found


class Enclosure:
    """The ranges of all steps on a region, upper bounds of their slopes' norms, and their derivatives."""

    def __init__(self, steps: Steps, region: Region) -> None:
        self.steps, self.region = steps, region
        self.ranges: dict[int, Ends | None] = {}
        self.steep: dict[int, list[Any] | None] = {}
        self.shares: dict[int, Ends] = {}
        self.centre: Enclosure | None = None
        if region.radius:
            self.centre = Enclosure(steps, Region(region.point, Fraction(0), region.p, region.exact, None))
        for number, step in steps.steps.items():
            if isinstance(step, Join):
                self._join(number, step)
            else:
                self._bend(number, step)
            self._narrow(number)

    # -- ranges ---------------------------------------------------------------------------------------------------

    def read(self, reading: Reading) -> Ends | None:
        """The range of a reading; None for all numbers."""
        constant = [ball(c) for c in reading.constant.fractions().tolist()]
        low, high = column(constant), column(constant)
        for base in reading.terms:
            plus, minus, _ = self.region.table(reading, base)
            if base == 0:
                if self.region.radius is None:
                    return None
                centre = (plus - minus) * self.region.at
                reach = [ball(self.region.radius) * n for n in self.region.norms(reading)]
                fall = plus * self.region.below + minus * self.region.above
                rise = plus * self.region.above + minus * self.region.below
                low -= column([a.min(b) for a, b in zip(fall.entries(), reach, strict=True)]) - centre
                high += column([a.min(b) for a, b in zip(rise.entries(), reach, strict=True)]) + centre
                continue
            inner = self.ranges[base]
            if inner is None:
                return None
            lower, upper = column(inner[0]), column(inner[1])
            low += plus * lower - minus * upper
            high += plus * upper - minus * lower
        return low.entries(), high.entries()

    def slope(self, reading: Reading) -> list[Any] | None:
        """Upper bounds of ‖s·∇‖_q of a reading, by the triangle inequality; None without one."""
        found = column(self.region.norms(reading))
        for base in reading.terms:
            if base == 0:
                continue
            inner = self.steep[base]
            if inner is None:
                return None
            plus, minus, _ = self.region.table(reading, base)
            found += (plus + minus) * column(inner)
        entries: list[Any] = found.entries()
        return entries

    def _narrow(self, number: int) -> None:
        """A value lies within r·L of that at the centre."""
        steep, centre = self.steep[number], self.centre
        if steep is None or centre is None or self.region.radius is None or centre.ranges[number] is None:
            return
        here = centre.ranges[number]
        assert here is not None
        away = [ball(self.region.radius) * s for s in steep]
        low = [v - a for v, a in zip(here[0], away, strict=True)]
        high = [v + a for v, a in zip(here[1], away, strict=True)]
        known = self.ranges[number]
        if known is not None:
            low = [a.max(b) for a, b in zip(low, known[0], strict=True)]
            high = [a.min(b) for a, b in zip(high, known[1], strict=True)]
        self.ranges[number] = low, high

    def _join(self, number: int, step: Join) -> None:
        inner, steep = self.read(step.reading), self.slope(step.reading)
        shares = self.shares[number] = self._weights(step, inner)
        eps, parts = ball(step.eps), parts_of(step)
        if step.weights:
            self.ranges[number] = shares
            self.steep[number] = None if steep is None else self._gibbs_slopes(step, shares, steep)
            return
        self.ranges[number] = (
            None
            if inner is None
            else ([joined(inner[0][p], eps) for p in parts], [joined(inner[1][p], eps) for p in parts])
        )
        self.steep[number] = None if steep is None else [
            mean(steep[p], shares[0][p], shares[1][p]) for p in parts
        ]  # fmt: skip

    def _gibbs_slopes(self, step: Join, shares: Ends, steep: list[Any]) -> list[Any] | None:
        found = []
        for part in parts_of(step):
            top = largest(steep[part])
            for low, high in zip(shares[0][part], shares[1][part], strict=True):
                if step.eps == 0:
                    if not (low > 0 or high < 1):
                        return None
                    found.append(ZERO)
                else:
                    found.append(2 * bell(low, high)[1] * top / ball(step.eps))
        return found

    def _weights(self, step: Join, inner: Ends | None) -> Ends:
        """Ranges of Gibbs weights; at ε = 0 those of all weights on maximal entries."""
        gaps = self.read(step.pairs) if len(step.first) else None
        low, high = [ZERO] * step.reading.size, [ONE] * step.reading.size
        differences: dict[tuple[int, int], tuple[Any, Any]] = {}
        if gaps is not None:
            for i, j, a, b in zip(step.first.tolist(), step.second.tolist(), *gaps, strict=True):
                differences[i, j], differences[j, i] = (a, b), (-b, -a)
        for part in parts_of(step):
            entries = range(part.start, part.stop)
            for i in entries:
                others = [j for j in entries if j != i]
                if not others:
                    low[i] = ONE
                    continue
                if (i, others[0]) in differences:
                    apart = [differences[i, j] for j in others]
                elif inner is not None:
                    apart = [(inner[0][j] - inner[1][i], inner[1][j] - inner[0][i]) for j in others]
                else:
                    continue
                if step.eps == 0:
                    low[i] = ONE if all(b < 0 for _, b in apart) else ZERO
                    high[i] = ZERO if any(a > 0 for a, _ in apart) else ONE
                    continue
                eps = ball(step.eps)
                low[i] = share([b / eps for _, b in apart])
                high[i] = share([a / eps for a, _ in apart])
        return low, high

    def _bend(self, number: int, step: Bend) -> None:
        inner = [self.read(reading) for reading in step.readings]
        steep = [self.slope(reading) for reading in step.readings]
        self.ranges[number], self.steep[number] = None, None
        if step.function == "product":
            left, right = inner
            if left is None or right is None:
                return
            self.ranges[number] = corners(left, right)
            if steep[0] is not None and steep[1] is not None:
                sizes = [[(-a).max(b) for a, b in zip(*ends, strict=True)] for ends in (left, right)]
                self.steep[number] = [a * t + b * s for a, b, s, t in zip(*sizes, *steep, strict=True)]
            return
        if inner[0] is not None:
            found = [image(step.function, a, b) for a, b in zip(*inner[0], strict=True)]
            if all(low.is_finite() and high.is_finite() for low, high in found):
                self.ranges[number] = [low for low, _ in found], [high for _, high in found]
        rates = self._rates(step, inner[0])
        if rates is not None and steep[0] is not None:
            self.steep[number] = [(-a).max(b) * s for a, b, s in zip(*rates, steep[0], strict=True)]

    @staticmethod
    def _rates(step: Bend, inner: Ends | None) -> Ends | None:
        """Ranges of the derivatives of a smooth function."""
        if inner is None:
            steepest = 2 / flint.arb.pi().sqrt()
            count = step.size
            return ([ZERO] * count, [steepest] * count) if step.function == "erf" else None
        found = [rate(step.function, a, b) for a, b in zip(*inner, strict=True)]
        if not all(low.is_finite() and high.is_finite() for low, high in found):
            return None
        return [low for low, _ in found], [high for _, high in found]

    # -- derivatives ----------------------------------------------------------------------------------------------

    def jacobian(self, rows: Reading) -> Slopes | None:
        """Enclosures (k, d) of the derivatives of some rows in the input; None where one is unbounded."""
        count, width = rows.size, self.steps.dimension
        waiting: dict[int, Slopes] = {}
        for base, term in rows.terms.items():
            whole = matrix(term.numerators, term.denominator)
            waiting[base] = whole, whole
        for number in sorted(self.steps.steps, reverse=True):
            adjoint = waiting.pop(number, None)
            if adjoint is None:
                continue
            gradient = self._gradient(number)
            if gradient is None:
                return None
            for base, inner in gradient.items():
                low, high = times(adjoint, inner)
                known = waiting.get(base)
                waiting[base] = (low, high) if known is None else (known[0] + low, known[1] + high)
        nothing = flint.arb_mat(count, width)
        return waiting.get(0, (nothing, nothing))

    def _gradient(self, number: int) -> dict[int, Slopes] | None:
        step = self.steps.steps[number]
        if isinstance(step, Join):
            form = self._weight_slopes if step.weights else self._join_slopes
            return form(step, self.shares[number])
        inner = [self.read(reading) for reading in step.readings]
        if step.function == "product":
            if inner[0] is None or inner[1] is None:
                return None
            factors: list[Ends | None] = [inner[1], inner[0]]
        else:
            factors = [self._rates(step, inner[0])]
        found: dict[int, Slopes] = {}
        for reading, factor in zip(step.readings, factors, strict=True):
            if factor is None:
                return None
            for base in reading.terms:
                part = self._scaled(factor, reading, base)
                known = found.get(base)
                found[base] = part if known is None else (known[0] + part[0], known[1] + part[1])
        return found

    def _scaled(self, factor: Ends, reading: Reading, base: int) -> Slopes:
        """Each row of a reading times a number of its own."""
        plus, _, entries = self.region.table(reading, base)
        width = plus.ncols()
        low, high = [], []
        for i, entry in enumerate(entries):
            ends = factor[0][i // width] * entry, factor[1][i // width] * entry
            low.append(ends[0].min(ends[1]))
            high.append(ends[0].max(ends[1]))
        return flint.arb_mat(plus.nrows(), width, low), flint.arb_mat(plus.nrows(), width, high)

    def _join_slopes(self, step: Join, shares: Ends) -> dict[int, Slopes]:
        found = {}
        for base, rows in step.reading.terms.items():
            lower, upper, width = [], [], rows.shape[1]
            for part in parts_of(step):
                table = rows.numerators[part]
                weights = [flint.arb_mat(1, len(table), end[part]) for end in shares]
                leader = int(np.argmax([float(a.mid()) for a in shares[1][part]]))
                first = self._around(table, rows.denominator, table[leader], weights)
                low = self._around(table, rows.denominator, table.min(axis=0), weights)[0]
                high = self._around(table, rows.denominator, table.max(axis=0), weights)[1]
                ends = meet(first, (low, high))
                lower += ends[0].entries()
                upper += ends[1].entries()
            found[base] = flint.arb_mat(step.size, width, lower), flint.arb_mat(step.size, width, upper)
        return found

    @staticmethod
    def _around(table: ObjectArray, scale: int, middle: ObjectArray, weights: list[Any]) -> Slopes:
        """T + Σ π_i (a_i − t)."""
        start = matrix(middle[None, :], scale)
        plus, minus = split(Rationals(table - middle, scale))
        return start + weights[0] * plus - weights[1] * minus, start + weights[1] * plus - weights[0] * minus

    def _weight_slopes(self, step: Join, shares: Ends) -> dict[int, Slopes] | None:
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


def parts_of(step: Join) -> list[slice]:
    return [slice(a, b) for a, b in zip(step.segments[:-1].tolist(), step.segments[1:].tolist(), strict=True)]


def mean(values: list[Any], low: list[Any], high: list[Any]) -> Any:
    """An upper bound of Σ π_i v_i."""
    top = largest(values)
    best = top - sum((a * (top - v) for a, v in zip(low, values, strict=True)), ZERO)
    t = values[max(range(len(values)), key=lambda i: float(high[i].mid()))]
    other = sum((((v - t) * a).max((v - t) * b) for v, a, b in zip(values, low, high, strict=True)), t)
    return best.min(other)

"""Ranges and slopes of a model on a ball, in Arb balls.

Ranges run forwards: affine functions of the input range over a ball exactly, ⊕_ε rises with its operands, Gibbs weights
1/Σ_j exp((z_j − z_i)/ε) follow from differences. Upper bounds of the slopes' norms run with them and narrow them.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import flint

from tropix.certify._check_balls import ONE, ZERO, Ends, ball, column, largest, log_sum_exp, mean, share, split
from tropix.certify._check_curves import bell, corners, image, rate
from tropix.certify._check_reach import Room, ends_of
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
        room: Room | None,
    ) -> None:
        self.point, self.radius, self.p = point, radius, p
        self.key = p, tuple(scales)
        self.exact, self.scales = scales, [ball(s) for s in scales]
        if radius is None:
            return
        low, high = ends_of(radius, scales, room)
        self.below, self.above = column([ball(-a) for a in low]), column([ball(b) for b in high])
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
    """The ranges of all steps on a region, upper bounds of their slopes' norms."""

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
            else ([log_sum_exp(inner[0][p], eps) for p in parts], [log_sum_exp(inner[1][p], eps) for p in parts])
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
        rates = self.rates(step, inner[0])
        if rates is not None and steep[0] is not None:
            self.steep[number] = [(-a).max(b) * s for a, b, s in zip(*rates, steep[0], strict=True)]

    @staticmethod
    def rates(step: Bend, inner: Ends | None) -> Ends | None:
        """Ranges of the derivatives of a smooth function."""
        if inner is None:
            steepest = 2 / flint.arb.pi().sqrt()
            count = step.size
            return ([ZERO] * count, [steepest] * count) if step.function == "erf" else None
        found = [rate(step.function, a, b) for a, b in zip(*inner, strict=True)]
        if not all(low.is_finite() and high.is_finite() for low, high in found):
            return None
        return [low for low, _ in found], [high for _, high in found]


def parts_of(step: Join) -> list[slice]:
    return [slice(a, b) for a, b in zip(step.segments[:-1].tolist(), step.segments[1:].tolist(), strict=True)]

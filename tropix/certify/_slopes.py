"""Slopes of a model on a batch of balls, in floats: what `_check_slopes` encloses one by one in Arb balls.

Rounding is not bounded here; the radii found are confirmed by that enclosure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tropix.arrays import FloatArray, IntArray
from tropix.certify._norms import Norm
from tropix.certify._steps import Bend, Join, Reading, Steps
from tropix.circuits._pointwise import FUNCTIONS
from tropix.polynomials._tropical import dual_norms

Ends = tuple[FloatArray, FloatArray]


@dataclass(frozen=True, eq=False)
class Balls:
    """x + δ, ‖δ/s‖_p ≤ r, low ≤ δ ≤ high, for points (B, d), radii (B,), or r = None everywhere; low, high (B, d)."""

    points: FloatArray
    radii: FloatArray | None
    norm: Norm
    low: FloatArray
    high: FloatArray

    @property
    def scales(self) -> FloatArray:
        """The scales of the norm."""
        return self.norm.scales(self.points.shape[1])

    def centres(self) -> Balls:
        """The same points alone."""
        return Balls(self.points, np.zeros(len(self.points)), self.norm, self.low, self.high)

    def norms(self, rows: FloatArray) -> FloatArray:
        """‖s·a‖_q of the last axis."""
        flat = np.abs(rows.reshape(-1, rows.shape[-1])) * self.scales
        unbounded = ~np.isfinite(flat.sum(axis=1))
        found = dual_norms(np.where(unbounded[:, None], 0.0, flat), self.norm.p)
        return np.where(unbounded, np.inf, found).reshape(rows.shape[:-1])


def _floats(reading: Reading) -> tuple[dict[int, FloatArray], FloatArray]:
    """The matrices and the constant, rounded once."""
    if "floats" not in reading.held:
        reading.held["floats"] = {b: rows.floats() for b, rows in reading.terms.items()}, reading.constant.floats()
    found: tuple[dict[int, FloatArray], FloatArray] = reading.held["floats"]
    return found


def _interval(rows: FloatArray, inner: Ends) -> Ends:
    """A·v for v between ends (B, n)."""
    plus, minus = np.maximum(rows, 0.0).T, np.maximum(-rows, 0.0).T
    low, high = inner[0] @ plus - inner[1] @ minus, inner[1] @ plus - inner[0] @ minus
    return np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high)


def times(rows: Ends, inner: Ends) -> Ends:
    """The product of batches of enclosed matrices (B, k, m), (B, m, n)."""
    low, high = [(np.maximum(e, 0.0), np.maximum(-e, 0.0)) for e in rows]
    below, above = [(np.maximum(e, 0.0), np.maximum(-e, 0.0)) for e in inner]
    lower = low[0] @ below[0] - high[0] @ below[1] - low[1] @ above[0] + high[1] @ above[1]
    upper = high[0] @ above[0] - low[0] @ above[1] - high[1] @ below[0] + low[1] @ below[1]
    return lower, upper


class Slopes:
    """Ranges, norms of slopes, and derivatives of all steps on each of the balls; infinite where there is no bound."""

    def __init__(self, steps: Steps, balls: Balls) -> None:
        self.steps, self.balls, self.batch = steps, balls, len(balls.points)
        self.ranges: dict[int, Ends] = {}
        self.steep: dict[int, FloatArray] = {}
        self.shares: dict[int, Ends] = {}
        around = balls.radii is not None and bool(balls.radii.any())
        self.centre = Slopes(steps, balls.centres()) if around else None
        with np.errstate(all="ignore"):
            for number, step in steps.steps.items():
                (self._join if isinstance(step, Join) else self._bend)(number, step)  # type: ignore[arg-type]
                self._narrow(number)

    # -- ranges ---------------------------------------------------------------------------------------------------

    def read(self, reading: Reading) -> Ends:
        """The range of a reading, (B, n) each."""
        tables, constant = _floats(reading)
        low = high = np.broadcast_to(constant, (self.batch, reading.size))
        balls = self.balls
        for base, rows in tables.items():
            if base:
                ends = _interval(rows, self.ranges[base])
            elif balls.radii is None:
                ends = np.full(low.shape, -np.inf), np.full(low.shape, np.inf)
            else:
                reach = balls.radii[:, None] * balls.norms(rows)
                step = balls.radii[:, None] * balls.scales
                shifts = _interval(rows, (np.maximum(-step, balls.low), np.minimum(step, balls.high)))
                at = balls.points @ rows.T
                ends = at + np.maximum(shifts[0], -reach), at + np.minimum(shifts[1], reach)
            low, high = low + ends[0], high + ends[1]
        return np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high)

    def slope(self, reading: Reading) -> FloatArray:
        """Bounds (B, n) of ‖s·∇‖_q of a reading, by the triangle inequality."""
        tables, _ = _floats(reading)
        found = np.zeros((self.batch, reading.size))
        for base, rows in tables.items():
            if base == 0:
                found = found + self.balls.norms(rows)
            else:
                part = self.steep[base] @ np.abs(rows).T
                found = found + np.where(np.isnan(part), np.inf, part)
        return found

    def _narrow(self, number: int) -> None:
        if self.centre is None or self.balls.radii is None:
            return
        away = self.balls.radii[:, None] * self.steep[number]
        (low, high), here = self.ranges[number], self.centre.ranges[number]
        self.ranges[number] = np.fmax(low, here[0] - away), np.fmin(high, here[1] + away)

    def _join(self, number: int, step: Join) -> None:
        inner, steep = self.read(step.reading), self.slope(step.reading)
        shares = self.shares[number] = self._weights(step, inner)
        eps, starts = float(step.eps), step.segments[:-1]
        widths = np.diff(step.segments)
        if step.weights:
            self.ranges[number] = shares
            top = np.repeat(np.maximum.reduceat(steep, starts, axis=1), widths, axis=1)
            fixed = (shares[0] > 0) | (shares[1] < 1)
            half = np.clip(0.5, *shares)
            rate = 2 * half * (1 - half) * top / eps if eps else np.where(fixed, 0.0, np.inf)
            self.steep[number] = np.where(np.isnan(rate), np.inf, rate)
            return
        from tropix.kernels import segment_log_sum_exp

        low, high = (segment_log_sum_exp(np.ascontiguousarray(end.T), step.segments, eps).T for end in inner)
        self.ranges[number] = np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high)
        self.steep[number] = np.stack(
            [mean(steep[:, a:b], shares[0][:, a:b], shares[1][:, a:b]) for a, b in _bounds(step)], axis=1
        )

    def _weights(self, step: Join, inner: Ends) -> Ends:
        """Ranges of Gibbs weights (B, n) from the differences within segments."""
        low, high = np.zeros((self.batch, step.reading.size)), np.ones((self.batch, step.reading.size))
        gaps = self.read(step.pairs) if len(step.first) else (low[:, :0], high[:, :0])
        eps, done = float(step.eps), 0
        for a, b in _bounds(step):
            width = b - a
            if width == 1:
                low[:, a] = 1.0
                continue
            # apart[..., i, j] are the ends of z_j − z_i
            if len(step.first) > done and step.first[done] == a and (step.first == a).sum() == width - 1:
                i, j = np.triu_indices(width, 1)
                part = slice(done, done + len(i))
                done += len(i)
                below, above = np.zeros((2, self.batch, width, width))
                below[:, i, j], above[:, i, j] = gaps[0][:, part], gaps[1][:, part]
                below[:, j, i], above[:, j, i] = -gaps[1][:, part], -gaps[0][:, part]
            else:
                below = inner[0][:, None, a:b] - inner[1][:, a:b, None]
                above = inner[1][:, None, a:b] - inner[0][:, a:b, None]
            below[:, np.arange(width), np.arange(width)] = 0.0
            above[:, np.arange(width), np.arange(width)] = 0.0
            if eps == 0:
                low[:, a:b] = (above < 0).sum(axis=2) == width - 1
                high[:, a:b] = ~(below > 0).any(axis=2)
            else:
                shares = 1 / np.exp(above / eps).sum(axis=2), 1 / np.exp(below / eps).sum(axis=2)
                low[:, a:b] = np.where(np.isnan(shares[0]), 0.0, shares[0])
                high[:, a:b] = np.where(np.isnan(shares[1]), 1.0, shares[1])
        return low, high

    def _bend(self, number: int, step: Bend) -> None:
        inner = [self.read(reading) for reading in step.readings]
        steep = [self.slope(reading) for reading in step.readings]
        if step.function == "product":
            sizes = [np.maximum(np.abs(low), np.abs(high)) for low, high in inner]
            products = [a * b for a in inner[0] for b in inner[1]]
            ends = np.minimum.reduce(products), np.maximum.reduce(products)
            rate = sizes[0] * steep[1] + sizes[1] * steep[0]
        else:
            ends = _image(step.function, *inner[0])
            rate = np.maximum(*(np.abs(end) for end in _rate(step.function, *inner[0]))) * steep[0]
        self.ranges[number] = (
            np.where(np.isnan(ends[0]), -np.inf, ends[0]),
            np.where(np.isnan(ends[1]), np.inf, ends[1]),
        )
        self.steep[number] = np.where(np.isnan(rate), np.inf, rate)

    # -- derivatives ----------------------------------------------------------------------------------------------

    def jacobian(self, rows: dict[int, FloatArray], count: int) -> Ends:
        """Ends (B, k, d) of the derivatives of k rows of steps, (B, k, n) each; NaN where one is unbounded."""
        waiting: dict[int, Ends] = {base: (part, part) for base, part in rows.items()}
        with np.errstate(all="ignore"):
            for number in sorted(self.steps.steps, reverse=True):
                adjoint = waiting.pop(number, None)
                if adjoint is None:
                    continue
                for base, inner in self._gradient(number).items():
                    low, high = times(adjoint, inner)
                    known = waiting.get(base)
                    waiting[base] = (low, high) if known is None else (known[0] + low, known[1] + high)
        nothing = np.zeros((self.batch, count, self.steps.dimension))
        return waiting.get(0, (nothing, nothing))

    def _gradient(self, number: int) -> dict[int, Ends]:
        step = self.steps.steps[number]
        found: dict[int, Ends] = {}
        if isinstance(step, Join):
            tables, _ = _floats(step.reading)
            form = self._weight_slopes if step.weights else self._join_slopes
            return {base: form(step, rows, self.shares[number]) for base, rows in tables.items()}
        inner = [self.read(reading) for reading in step.readings]
        factors = [inner[1], inner[0]] if step.function == "product" else [_rate(step.function, *inner[0])]
        for reading, factor in zip(step.readings, factors, strict=True):
            for base, rows in _floats(reading)[0].items():
                ends = factor[0][..., None] * rows, factor[1][..., None] * rows
                low, high = np.minimum(*ends), np.maximum(*ends)
                known = found.get(base)
                found[base] = (low, high) if known is None else (known[0] + low, known[1] + high)
        return found

    def _join_slopes(self, step: Join, rows: FloatArray, shares: Ends) -> Ends:
        lower, upper = [], []
        for a, b in _bounds(step):
            table, low, high = rows[a:b], shares[0][:, a:b], shares[1][:, a:b]
            middle = table[high.argmax(axis=1)]
            ends = middle.copy(), middle.copy()
            for i in range(b - a):
                apart = table[i] - middle
                one, other = low[:, i : i + 1] * apart, high[:, i : i + 1] * apart
                ends[0][...] += np.minimum(one, other)
                ends[1][...] += np.maximum(one, other)
            least, most = table.min(axis=0), table.max(axis=0)
            lower.append(np.maximum(ends[0], least + low @ (table - least)))
            upper.append(np.minimum(ends[1], most - low @ (most - table)))
        return np.stack(lower, axis=1), np.stack(upper, axis=1)

    def _weight_slopes(self, step: Join, rows: FloatArray, shares: Ends) -> Ends:
        lower, upper = (np.zeros((self.batch, step.reading.size, rows.shape[1])) for _ in range(2))
        eps = float(step.eps)
        if eps == 0:
            fixed = ((shares[0] > 0) | (shares[1] < 1)).all(axis=1)
            lower[~fixed], upper[~fixed] = np.nan, np.nan
            return lower, upper
        for a, b in _bounds(step):
            for i in range(a, b):
                apart = rows[i] - rows[a:b]
                plus, minus = np.maximum(apart, 0.0), np.maximum(-apart, 0.0)
                low, high = (end[:, i : i + 1] * end[:, a:b] / eps for end in shares)
                lower[:, i], upper[:, i] = low @ plus - high @ minus, high @ plus - low @ minus
        return lower, upper


def _bounds(step: Join) -> list[tuple[int, int]]:
    return list(zip(step.segments[:-1].tolist(), step.segments[1:].tolist(), strict=True))


def mean(values: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """Upper bounds (B,) of Σ π_i v_i for π in ranges (B, n) with sum 1."""
    top = values.max(axis=1)
    best = top - (low * (top[:, None] - values)).sum(axis=1)
    t = np.take_along_axis(values, high.argmax(axis=1)[:, None], axis=1)
    apart = values - t
    other = t[:, 0] + np.maximum(apart * low, apart * high).sum(axis=1)
    found = np.fmin(best, other)
    return np.where(np.isnan(found), np.inf, found)


def _image(function: str, low: FloatArray, high: FloatArray) -> Ends:
    value: Any = FUNCTIONS[function].value  # type: ignore[index]
    if function != "reciprocal":
        return value(low), value(high)
    apart = (low > 0) | (high < 0)
    return np.where(apart, 1 / high, np.nan), np.where(apart, 1 / low, np.nan)


def _rate(function: str, low: FloatArray, high: FloatArray) -> Ends:
    """The range of the derivative of a smooth function; NaN where it is unbounded."""
    slope: Any = FUNCTIONS[function].derivative  # type: ignore[index]
    if function == "exp":
        return slope(low), slope(high)
    if function == "erf":
        near, far = np.maximum(np.maximum(low, -high), 0.0), np.maximum(-low, high)
        return slope(far), slope(near)
    inside = (low > 0) | (high < 0) if function == "reciprocal" else low > 0
    ends = slope(low), slope(high)
    return np.where(inside, np.minimum(*ends), np.nan), np.where(inside, np.maximum(*ends), np.nan)


def steepness(slopes: Slopes, labels: IntArray) -> FloatArray:
    """Bounds (B, K) of the Lipschitz constants of F_c − F_k on the balls, 0 for the label itself."""
    steps, balls = slopes.steps, slopes.balls
    tables, constant = _floats(steps.output)
    rows = {base: table[labels][:, None, :] - table[None] for base, table in tables.items()}
    low, high = slopes.jacobian(rows, len(constant))
    found = balls.norms(np.maximum(np.abs(low), np.abs(high)))
    chain = np.zeros(found.shape)
    with np.errstate(invalid="ignore"):
        for base, part in rows.items():
            more = balls.norms(part) if base == 0 else np.einsum("bkn,bn->bk", np.abs(part), slopes.steep[base])
            chain = chain + np.where(np.isnan(more), np.inf, more)
    found = np.fmin(found, chain)
    if steps.heads:
        found = np.fmin(found, _pairwise(slopes, labels))
    found[np.arange(len(labels)), labels] = 0.0
    return found


def _pairwise(slopes: Slopes, labels: IntArray) -> FloatArray:
    steps = slopes.steps
    found = np.zeros((len(labels), steps.output.size))
    for c in np.unique(labels).tolist():
        who = np.flatnonzero(labels == c)
        one = steps.steps[c + 1]
        assert isinstance(one, Join)
        own = [end[who] for end in slopes.shares[c + 1]]
        for k in range(steps.output.size):
            other = steps.steps[k + 1]
            assert isinstance(other, Join)
            key = "float pairs", c, slopes.balls.norm
            if key not in other.reading.held:
                table = _floats(one.reading)[0][0][:, None, :] - _floats(other.reading)[0][0][None]
                other.reading.held[key] = slopes.balls.norms(table)
            norms = other.reading.held[key]
            theirs = [end[who] for end in slopes.shares[k + 1]]
            each = np.repeat(norms, len(who), axis=0)
            inner = mean(each, *(np.tile(end, (len(norms), 1)) for end in theirs))
            found[who, k] = mean(inner.reshape(len(norms), len(who)).T, *own)
    return found

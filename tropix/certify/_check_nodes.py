"""Bounds of all nodes of a circuit on a region in Arb balls, from the slopes of planes that a certificate names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise, product
from typing import Any
from weakref import WeakKeyDictionary

import flint
import numpy as np

from tropix.arrays import ObjectArray
from tropix.certify._check_claim import Fault, fraction
from tropix.certify._check_region import Region
from tropix.certify._check_values import exact_parts, excess_ends, gibbs, largest, log_sum_exp
from tropix.circuits import Affine, Circuit, Gibbs, Input, LogSumExp, Pointwise, Product
from tropix.circuits._matrices import dense
from tropix.exact import Rationals

UNIT, MOST = 1 << 20, 1 << 40
CORNER_WIDTH = 4
ZERO: Any = flint.arb(0)
ONE: Any = flint.arb(1)


_SIDES = ("below", "above")


@dataclass(eq=False)
class Plane:
    """Planes of a node: from each source, which output reads which entry with which slopes; constants (K,)."""

    taps: list[tuple[int, Any, Any, ObjectArray, ObjectArray]]
    below: ObjectArray
    above: ObjectArray


class Leaf:
    """Bounds of the nodes of a circuit on a region around a point; ``empty`` if its ties contradict each other."""

    def __init__(self, circuit: Circuit, region: Region, point: Rationals, slopes: dict[str, Any]) -> None:
        self.circuit, self.region, self.slopes, self.empty = circuit, region, slopes, False
        self.point: ObjectArray = np.array(
            [flint.arb(flint.fmpq(v.numerator, v.denominator)) for v in point.fractions().tolist()], dtype=object
        )
        self.ends: list[tuple[ObjectArray, ObjectArray]] = []
        self.planes: dict[int, Plane] = {}
        for i, node in enumerate(circuit.nodes[: circuit.output + 1]):
            if isinstance(node, Input):
                low, high = region.ends()
                self.ends.append((self.point + low, self.point + high))
            elif isinstance(node, Affine):
                self.ends.append(self._affine(node))
                if region.p < np.inf and set(node.sources) == {0}:
                    self._tightened(i)
            else:
                self._nonlinear(i, node)

    # -- substitution ---------------------------------------------------------------------------------------------

    def least(
        self, waiting: dict[int, ObjectArray], own: dict[int, ObjectArray] | None = None,
        ties: dict[int, ObjectArray] | None = None,
    ) -> ObjectArray:  # fmt: skip
        """Lower bounds (R,) of sums of rows (R, size) times the values of nodes.

        ``own``: slopes (R, entries) below by node instead of those of its plane; ``ties``: multipliers (R, ties).
        """
        waiting = dict(waiting)
        constant = np.full(len(next(iter(waiting.values()))), ZERO, dtype=object)
        for i in range(max(waiting), -1, -1):
            if i not in waiting:
                continue
            row, blur = exact_parts(waiting.pop(i))
            if (blur > 0).any():  # exact coefficients, and what that neglects
                sizes = np.array([largest((abs(a), abs(b))) for a, b in zip(*self.ends[i], strict=True)], dtype=object)
                constant = constant - (blur * sizes).sum(axis=1)
            node = self.circuit.nodes[i]
            if isinstance(node, Input):
                return np.asarray(constant + (row * self.point).sum(axis=1) + self.region.least(row))
            if isinstance(node, Affine):
                constant = constant + (row * node.bias).sum(axis=1)
                for term, (matrix, _) in zip(node.terms, _matrices(node), strict=True):
                    _add(waiting, term.source, _times(row, matrix))
                continue
            plane, rises = self.planes[i], row > 0
            below = plane.below
            if own is not None and i in own:
                below = self._entropies(i, own[i])
            constant = constant + _products(row, rises, below, plane.above).sum(axis=1)
            for source, owner, columns, lower, upper in plane.taps:
                lower = own[i] if own is not None and i in own else lower
                shift = np.full((len(row), self.circuit.nodes[source].size), ZERO, dtype=object)
                shift[:, columns] = _products(row[:, owner], rises[:, owner], lower, upper)
                _add(waiting, source, shift)
            if ties is not None and i in ties:
                for t, (first, second, level) in enumerate(self.region.ties[i]):
                    constant = constant + ties[i][:, t] * _ball(level)
                    _move(waiting, self.circuit, i, first, -ties[i][:, t])
                    _move(waiting, self.circuit, i, second, ties[i][:, t])
        return np.asarray(constant)

    def least_margins(self, rows: ObjectArray, rivals: Sequence[dict[str, Any]]) -> ObjectArray:
        """Lower bounds (R,) of rows·F with what the evidence names for each row alone."""
        own: dict[int, ObjectArray] = {}
        ties: dict[int, ObjectArray] = {}
        for i, plane in self.planes.items():
            node = self.circuit.nodes[i]
            given = [rival.get("below", {}).get(str(i)) for rival in rivals]
            if isinstance(node, LogSumExp) and any(g is not None for g in given):
                shared = plane.taps[0][3] if plane.taps else None
                if shared is None:
                    raise Fault("slopes of rivals need slopes of the node")
                found = [shared if g is None else _weights(node, g, signed=False) for g in given]
                own[i] = np.array(found, dtype=object)
            held = len(self.region.ties.get(i, []))
            given = [rival.get("ties", {}).get(str(i)) for rival in rivals]
            if held and any(g is not None for g in given):
                betas = [[fraction(0)] * held if g is None else [fraction(v) for v in g] for g in given]
                if any(len(b) != held or min(b) < 0 for b in betas):
                    raise Fault("multipliers of ties must be nonnegative, one for each")
                ties[i] = np.array([[_ball(v) for v in b] for b in betas], dtype=object)
        return self.least({self.circuit.output: rows}, own, ties)

    # -- bounds of nodes ------------------------------------------------------------------------------------------

    def _affine(self, node: Affine) -> tuple[ObjectArray, ObjectArray]:
        centre = np.array([flint.arb(b) for b in node.bias.tolist()], dtype=object)
        width = np.full(node.size, ZERO, dtype=object)
        for term, (matrix, absolute) in zip(node.terms, _matrices(node), strict=True):
            low, high = self.ends[term.source]
            centre = centre + _column(matrix, (low + high) / 2)
            width = width + _column(absolute, (high - low) / 2)
        return centre - width, centre + width

    def _tightened(self, i: int) -> tuple[ObjectArray, ObjectArray]:
        """The bounds of a node, met with those by substitution."""
        low, high = self.ends[i]
        if isinstance(self.circuit.nodes[i], Affine):
            unit = np.where(np.eye(len(low)) > 0, ONE, ZERO)
            found = self.least({i: np.vstack([unit, -unit])})
            self.ends[i] = low, high = _larger(low, found[: len(low)]), -_larger(-high, found[len(low) :])
        return low, high

    def _nonlinear(self, i: int, node: LogSumExp | Gibbs | Product | Pointwise) -> None:
        given = self.slopes.get(str(i))
        if isinstance(node, LogSumExp | Gibbs):
            self._segmented(i, node, given)
            return
        sources = [self._tightened(source) for source in dict.fromkeys(node.sources)]
        (a, b), (c, d) = sources[0], sources[-1]
        everyone = np.arange(node.size)
        if isinstance(node, Product):
            corners = [x * y for x in (a, b) for y in (c, d)]
            self.ends.append(_span(corners))
            if given is not None:
                taps, ends = [], []
                pairs = [np.array([[_ball(fraction(v)) for v in pair] for pair in given[side]]) for side in _SIDES]
                for n, source in enumerate(node.sources):
                    taps.append((source, everyone, everyone, pairs[0][:, n], pairs[1][:, n]))
                for p in pairs:
                    ends += [_span([x * y - p[:, 0] * x - p[:, 1] * y for x in (a, b) for y in (c, d)])]
                self.planes[i] = Plane(taps, ends[0][0], ends[1][1])
        else:
            flat = [excess_ends(node.function, x, y, ZERO) for x, y in zip(a, b, strict=True)]
            self.ends.append(_columns(flat))
            if given is not None:
                slopes = [_balls(given[side], node.size) for side in _SIDES]
                found = [
                    [excess_ends(node.function, x, y, k) for x, y, k in zip(a, b, side, strict=True)] for side in slopes
                ]
                taps = [(node.source, everyone, everyone, slopes[0], slopes[1])]
                self.planes[i] = Plane(taps, _columns(found[0])[0], _columns(found[1])[1])
        if given is None:
            self.planes[i] = Plane([], *self.ends[i])

    # -- segments -------------------------------------------------------------------------------------------------

    def _segmented(self, i: int, node: LogSumExp | Gibbs, given: dict[str, Any] | None) -> None:
        low, high = self.ends[node.source]
        starts, stops = node.segments[:-1], node.segments[1:]
        pivots = stops - 1
        if given is not None and "pivot" in given:
            pivots = starts + np.array([int(v) for v in given["pivot"]])
            if len(pivots) != len(starts) or (pivots < starts).any() or (pivots >= stops).any():
                raise Fault("a pivot lies outside its segment")
        given = given if given is not None and "below" in given else None
        at = np.repeat(pivots, node.widths)
        below, above = low - high[at], high - low[at]
        gone = {second for _, second, level in self.region.ties.get(i, []) if level >= 0}
        below, above = self._clipped(i, at, below, above)
        self._differences(node, at, below, above, gone)
        heat = flint.arb(node.eps)
        rows = []
        for a, b, p in zip(starts.tolist(), stops.tolist(), pivots.tolist(), strict=True):
            alive = list(range(a, b))
            if node.eps == 0:
                alive = [j for j in alive if j not in gone]
                lead = largest([below[j] for j in alive]) if alive else ZERO
                alive = [j for j in alive if not above[j] < lead]
            if not alive or any(below[j] > above[j] for j in range(a, b)):
                self.empty = True  # decided ties contradict each other or the bounds
                alive = list(range(a, b))
            rows.append((a, b, p, alive))
        if isinstance(node, Gibbs):
            self._gibbs(i, node, given, below, above)
            return
        ends = []
        for a, b, p, alive in rows:
            everyone = range(a, b)  # entries that cannot be largest count below: the largest exceeds them
            rise = [log_sum_exp([s[j] for j in part], heat) for s, part in ((below, everyone), (above, alive))]
            whole = [log_sum_exp([s[j] for j in part], heat) for s, part in ((low, everyone), (high, alive))]
            ends.append((largest((whole[0], low[p] + rise[0])), -largest((-whole[1], -(high[p] + rise[1])))))
        self.ends.append(_columns(ends))
        if given is None:
            self.planes[i] = Plane([], *self.ends[i])
            return
        owner = np.repeat(np.arange(node.size), node.widths)
        lower, upper = _weights(node, given["below"], signed=False), _weights(node, given["above"], signed=True)
        tops = [_above(below, above, upper, p, alive, range(a, b), heat) for a, b, p, alive in rows]
        tap = (node.source, owner, np.arange(len(owner)), lower, upper)
        self.planes[i] = Plane([tap], self._entropies(i, lower[None])[0], np.array(tops, dtype=object))

    def _clipped(self, i: int, at: Any, below: ObjectArray, above: ObjectArray) -> tuple[ObjectArray, ObjectArray]:
        """Decided ties with the pivot of a segment are bounds of a difference."""
        below[np.unique(at)] = above[np.unique(at)] = ZERO
        for first, second, level in self.region.ties.get(i, []):
            if at[first] == second:
                below[first] = below[first].max(_ball(level))
            if at[second] == first:
                above[second] = above[second].min(_ball(-level))
        return below, above

    def _differences(self, node: Any, at: Any, below: ObjectArray, above: ObjectArray, gone: set[int]) -> None:
        """Bounds of the differences to the pivots by substitution, where intervals leave anything open; in place."""
        ends = node.segments.tolist()
        leads = np.repeat([largest(below[a:b].tolist()) for a, b in pairwise(ends)], node.widths)
        wanted = [
            j
            for j in range(len(at))
            if j != at[j] and not (node.eps == 0 and (j in gone or above[j] < leads[j]))
        ]  # fmt: skip
        if node.eps == 0:
            wide = np.repeat(node.widths, node.widths)
            wanted = [j for j in wanted if not (wide[j] == 2 and below[j] >= 0)]
        if not wanted:
            return
        rows = np.full((len(wanted), len(at)), ZERO, dtype=object)
        rows[np.arange(len(wanted)), wanted] = ONE
        rows[np.arange(len(wanted)), at[wanted]] = -ONE
        found = self.least({node.source: np.vstack([rows, -rows])})
        below[wanted] = _larger(below[wanted], found[: len(wanted)])
        above[wanted] = -_larger(-above[wanted], found[len(wanted) :])

    def _entropies(self, i: int, weights: ObjectArray) -> ObjectArray:
        """ε H(π) by segment, (R, K)."""
        node = self.circuit.nodes[i]
        assert isinstance(node, LogSumExp)
        if node.eps == 0:
            return np.full((len(weights), node.size), ZERO, dtype=object)
        terms = _ENTROPY(weights) * flint.arb(node.eps)
        return np.add.reduceat(terms, node.segments[:-1], axis=1)

    def _gibbs(self, i: int, node: Gibbs, given: Any, below: ObjectArray, above: ObjectArray) -> None:
        ends = []
        heat = flint.arb(node.eps)
        for a, b in zip(node.segments[:-1].tolist(), node.segments[1:].tolist(), strict=True):
            for j in range(a, b):
                worst = [above[k] if k != j else below[k] for k in range(a, b)]
                best = [below[k] if k != j else above[k] for k in range(a, b)]
                ends.append((gibbs(worst, heat)[j - a].max(ZERO), gibbs(best, heat)[j - a].min(ONE)))
        low, high = _columns(ends)
        self.ends.append((low, high))
        plane = Plane([], low, high)
        if given is not None and node.eps > 0:
            pairs = np.repeat(node.widths == 2, node.widths)
            partner = np.arange(node.size)
            first = node.segments[:-1][node.widths == 2]
            partner[first], partner[first + 1] = first + 1, first
            slopes = [np.where(pairs, _balls(given[side], node.size), ZERO) for side in _SIDES]
            found = []
            for k, side in enumerate(slopes):
                constants = plane.below.copy() if k == 0 else plane.above.copy()
                for j in np.flatnonzero(pairs).tolist():
                    gap = below[j] - above[partner[j]], above[j] - below[partner[j]]
                    constants[j] = excess_ends(heat, *gap, side[j])[k]
                found.append(constants)
            everyone = np.arange(node.size)
            taps = [
                (node.source, everyone, everyone, slopes[0], slopes[1]),
                (node.source, everyone, partner, -slopes[0], -slopes[1]),
            ]
            plane = Plane(taps, found[0], found[1])
        self.planes[i] = plane


def _above(
    low: ObjectArray, high: ObjectArray, slopes: ObjectArray, pivot: int, alive: list[int], entries: range, heat: Any
) -> Any:
    """The smallest constant known with which the plane of some slopes lies above ⊕_ε of the entries that are alive."""
    others = [j for j in entries if j != pivot]
    rests = {j: largest((-slopes[j] * low[j], -slopes[j] * high[j])) for j in others}
    total = sum(rests.values(), ZERO)
    found = []
    for i in alive:
        if i == pivot:
            found.append(total)
            continue
        rise = largest(((1 - slopes[i]) * low[i], (1 - slopes[i]) * high[i]))
        found.append(sum((rests[j] for j in others if j != i), rise))
    best = largest(found)
    if heat == 0 or len(alive) == 1:
        return best
    best = best + heat * flint.arb(len(alive)).log()
    if len(others) < CORNER_WIDTH:
        corners = []
        for choice in product((low, high), repeat=len(others)):
            point = {j: side[j] for j, side in zip(others, choice, strict=True)}
            value = log_sum_exp([ZERO, *point.values()], heat)
            corners.append(value - sum((slopes[j] * d for j, d in point.items()), ZERO))
        return -largest((-best, -largest(corners)))
    ends = {j: ((low[j] / heat).exp(), (high[j] / heat).exp()) for j in others}
    level = (ONE + sum(((a + b) / 2 for a, b in ends.values()), ZERO)).mid()
    rest = heat * (level.log() - 1 + 1 / level)
    for j, (a, b) in ends.items():
        rest += largest((heat * a / level - slopes[j] * low[j], heat * b / level - slopes[j] * high[j]))
    return -largest((-best, -rest))


def _weights(node: LogSumExp, given: Sequence[Any], *, signed: bool) -> ObjectArray:
    """Slopes of all entries, those of a segment with sum 1, from numerators of all but its last."""
    numbers = list(given)
    if len(numbers) != node.segments[-1] - node.size or any(type(v) is not int or abs(v) > MOST for v in numbers):
        raise Fault("slopes at a node are integers, one for each entry but the last of a segment")
    found: list[Any] = []
    place = 0
    for width in node.widths.tolist():
        part = numbers[place : place + width - 1]
        place += width - 1
        part.append(UNIT - sum(part))
        if not signed and min(part) < 0:
            raise Fault("weights of a plane below must be nonnegative with sum 1")
        found.extend(flint.arb(v) / UNIT for v in part)
    return np.array(found, dtype=object)


def _ball(value: Fraction) -> Any:
    return flint.arb(flint.fmpq(value.numerator, value.denominator))


def _balls(values: Sequence[Any], size: int) -> ObjectArray:
    if len(values) != size:
        raise Fault("slopes at a node are one number for each output")
    return np.array([_ball(fraction(v)) for v in values], dtype=object)


def _products(row: ObjectArray, rises: Any, lower: ObjectArray, upper: ObjectArray) -> ObjectArray:
    """Entries > 0 times the lower ones, others times the upper ones; 0 times anything is 0."""
    found = np.where(rises, row * lower, row * upper)
    return np.asarray(np.where(row == 0, ZERO, found))


def _add(waiting: dict[int, ObjectArray], source: int, amount: ObjectArray) -> None:
    waiting[source] = amount if source not in waiting else waiting[source] + amount


def _move(waiting: dict[int, ObjectArray], circuit: Circuit, i: int, entry: int, amount: ObjectArray) -> None:
    rows = waiting[circuit.nodes[i].sources[0]]
    rows[:, entry] = rows[:, entry] + amount


_tables: WeakKeyDictionary[Affine, list[tuple[Any, Any]]] = WeakKeyDictionary()


def _matrices(node: Affine) -> list[tuple[Any, Any]]:
    """The matrices of a node and their absolute values, kept for the next leaf."""
    if node not in _tables:
        tables = [dense(term.matrix) for term in node.terms]
        _tables[node] = [(flint.arb_mat(t.tolist()), flint.arb_mat(np.abs(t).tolist())) for t in tables]
    return _tables[node]


def _times(rows: ObjectArray, matrix: Any) -> ObjectArray:
    table = flint.arb_mat(len(rows), rows.shape[1], rows.ravel().tolist()) * matrix
    return np.array(table.entries(), dtype=object).reshape(len(rows), matrix.ncols())


def _column(matrix: Any, values: ObjectArray) -> ObjectArray:
    return np.array((matrix * flint.arb_mat(len(values), 1, values.tolist())).entries(), dtype=object)


def _larger(one: ObjectArray, other: ObjectArray) -> ObjectArray:
    return np.array([a.max(b) for a, b in zip(one, other, strict=True)], dtype=object)


def _span(corners: list[ObjectArray]) -> tuple[ObjectArray, ObjectArray]:
    """Bounds of the least and the largest of some values, entry by entry."""
    low, high = -corners[0], corners[0]
    for corner in corners[1:]:
        low, high = _larger(low, -corner), _larger(high, corner)
    return -low, high


def _columns(pairs: Sequence[tuple[Any, Any]]) -> tuple[ObjectArray, ObjectArray]:
    return np.array([a for a, _ in pairs], dtype=object), np.array([b for _, b in pairs], dtype=object)


_ENTROPY = np.frompyfunc(lambda p: -p * p.log() if p > 0 else ZERO, 1, 1)

"""Bounds of all nodes of a circuit on a part of the ball in Arb balls, and the substitution of planes to the input."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any
from weakref import WeakKeyDictionary

import flint
import numpy as np

from tropix.arrays import ObjectArray
from tropix.certify._check_balls import ONE, ZERO, applied, array, ball, balls, column, exact_parts, larger, zeros
from tropix.certify._check_fields import Fault, fraction
from tropix.certify._check_nodes import (
    Gaps,
    Pair,
    Plane,
    clipped,
    curve_plane,
    dominated,
    entropies,
    gibbs_plane,
    living,
    maximum_plane,
    pivots_of,
    product_plane,
    undecided,
    weights,
)
from tropix.certify._check_part import Part
from tropix.circuits import Affine, Circuit, Gibbs, Input, LogSumExp, Pointwise, Product
from tropix.circuits._matrices import dense
from tropix.exact import Rationals


class Leaf:
    """Bounds of the nodes of a circuit on a part of the ball around a point; ``empty`` if its ties contradict."""

    def __init__(self, circuit: Circuit, part: Part, point: Rationals, slopes: dict[str, Any]) -> None:
        self.circuit, self.part, self.slopes, self.empty = circuit, part, slopes, False
        self.point = balls(point.fractions().tolist())
        self.ends: list[Pair] = []
        self.planes: dict[int, Plane] = {}
        for i, node in enumerate(circuit.nodes[: circuit.output + 1]):
            if isinstance(node, Input):
                low, high = part.ends()
                self.ends.append((self.point + low, self.point + high))
            elif isinstance(node, Affine):
                self.ends.append(self._affine(node))
                if part.p < np.inf and set(node.sources) == {0}:
                    self._tightened(i)
            else:
                found, self.planes[i] = self._nonlinear(i, node)
                self.ends.append(found)

    # -- substitution ---------------------------------------------------------------------------------------------

    def least(
        self, waiting: dict[int, ObjectArray], own: dict[int, ObjectArray] | None = None,
        ties: dict[int, ObjectArray] | None = None,
    ) -> ObjectArray:  # fmt: skip
        """Lower bounds (R,) of sums of rows (R, size) times the values of nodes.

        ``own``: slopes (R, entries) below by node instead of those of its plane; ``ties``: multipliers (R, ties).
        """
        waiting = dict(waiting)
        constant = zeros(len(next(iter(waiting.values()))))
        for i in range(max(waiting), -1, -1):
            if i not in waiting:
                continue
            row, blur = exact_parts(waiting.pop(i))
            if (blur > 0).any():  # exact coefficients, and what that neglects
                sizes = array([abs(a).max(abs(b)) for a, b in zip(*self.ends[i], strict=True)])
                constant = constant - (blur * sizes).sum(axis=1)
            node = self.circuit.nodes[i]
            if isinstance(node, Input):
                return np.asarray(constant + (row * self.point).sum(axis=1) + self.part.least(row))
            if isinstance(node, Affine):
                constant = constant + (row * node.bias).sum(axis=1)
                for term, (matrix, _) in zip(node.terms, _matrices(node), strict=True):
                    _add(waiting, term.source, applied(row, matrix))
                continue
            plane, rises = self.planes[i], row > 0
            below = plane.below
            if own is not None and i in own and isinstance(node, LogSumExp):
                below = entropies(node, own[i])
            constant = constant + _products(row, rises, below, plane.above).sum(axis=1)
            for source, owner, columns, lower, upper in plane.taps:
                lower = own[i] if own is not None and i in own else lower
                shift = zeros(len(row), self.circuit.nodes[source].size)
                shift[:, columns] = _products(row[:, owner], rises[:, owner], lower, upper)
                _add(waiting, source, shift)
            if ties is not None and i in ties:
                for t, (first, second, level) in enumerate(self.part.ties[i]):
                    rows, beta = waiting[node.sources[0]], ties[i][:, t]
                    constant = constant + beta * ball(level)
                    rows[:, first], rows[:, second] = rows[:, first] - beta, rows[:, second] + beta
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
                found = [shared if g is None else weights(node, g, signed=False) for g in given]
                own[i] = array(found)
            held = len(self.part.ties.get(i, []))
            given = [rival.get("ties", {}).get(str(i)) for rival in rivals]
            if held and any(g is not None for g in given):
                betas = [[fraction(0)] * held if g is None else [fraction(v) for v in g] for g in given]
                if any(len(b) != held or min(b) < 0 for b in betas):
                    raise Fault("multipliers of ties must be nonnegative, one for each")
                ties[i] = array([balls(b) for b in betas])
        return self.least({self.circuit.output: rows}, own, ties)

    # -- bounds of nodes ------------------------------------------------------------------------------------------

    def _affine(self, node: Affine) -> Pair:
        centre = array([flint.arb(b) for b in node.bias.tolist()])
        width = zeros(node.size)
        for term, (matrix, absolute) in zip(node.terms, _matrices(node), strict=True):
            low, high = self.ends[term.source]
            centre = centre + array((matrix * column((low + high) / 2)).entries())
            width = width + array((absolute * column((high - low) / 2)).entries())
        return centre - width, centre + width

    def _tightened(self, i: int) -> Pair:
        """The bounds of a node, met with those by substitution."""
        low, high = self.ends[i]
        if isinstance(self.circuit.nodes[i], Affine):
            unit = np.asarray(np.where(np.eye(len(low)) > 0, ONE, ZERO))
            found = self.least({i: np.vstack([unit, -unit])})
            self.ends[i] = low, high = larger(low, found[: len(low)]), -larger(-high, found[len(low) :])
        return low, high

    def _nonlinear(self, i: int, node: LogSumExp | Gibbs | Product | Pointwise) -> tuple[Pair, Plane]:
        given = self.slopes.get(str(i))
        if isinstance(node, LogSumExp | Gibbs):
            gaps = self._gaps(i, node, given)
            given = given if given is not None and "below" in given else None
            if isinstance(node, Gibbs):
                return gibbs_plane(node, given, gaps)
            return maximum_plane(node, given, self.ends[node.source], gaps)
        sources = [self._tightened(source) for source in dict.fromkeys(node.sources)]
        if isinstance(node, Product):
            return product_plane(node, given, sources[0], sources[-1])
        return curve_plane(node, given, sources[0])

    def _gaps(self, i: int, node: LogSumExp | Gibbs, given: dict[str, Any] | None) -> Gaps:
        """Differences to the pivots, by substitution where intervals leave anything open."""
        (low, high), ties = self.ends[node.source], self.part.ties.get(i, [])
        at = np.repeat(pivots_of(node, given), node.widths)
        gone = dominated(ties)
        below, above = clipped(at, ties, low - high[at], high - low[at])
        wanted = undecided(node, at, gone, below, above)
        if wanted:
            rows = zeros(len(wanted), len(at))
            rows[np.arange(len(wanted)), wanted] = ONE
            rows[np.arange(len(wanted)), at[wanted]] = -ONE
            found = self.least({node.source: np.vstack([rows, -rows])})
            below[wanted] = larger(below[wanted], found[: len(wanted)])
            above[wanted] = -larger(-above[wanted], found[len(wanted) :])
        alive = living(node, gone, below, above)
        if alive is None:
            self.empty = True  # decided ties contradict each other or the bounds: whatever follows is true
            alive = [list(range(a, b)) for a, b in pairwise(node.segments.tolist())]
        return Gaps(at, below, above, alive)


def _products(row: ObjectArray, rises: Any, lower: ObjectArray, upper: ObjectArray) -> ObjectArray:
    """Entries > 0 times the lower ones, others times the upper ones; 0 times anything is 0."""
    found = np.where(rises, row * lower, row * upper)
    return np.asarray(np.where(row == 0, ZERO, found))


def _add(waiting: dict[int, ObjectArray], source: int, amount: ObjectArray) -> None:
    waiting[source] = amount if source not in waiting else waiting[source] + amount


_tables: WeakKeyDictionary[Affine, list[tuple[Any, Any]]] = WeakKeyDictionary()


def _matrices(node: Affine) -> list[tuple[Any, Any]]:
    """The matrices of a node and their absolute values, kept for the next leaf."""
    if node not in _tables:
        tables = [dense(term.matrix) for term in node.terms]
        _tables[node] = [(flint.arb_mat(t.tolist()), flint.arb_mat(np.abs(t).tolist())) for t in tables]
    return _tables[node]

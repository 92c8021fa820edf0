"""Backward substitution of planes through a circuit, with a bound on its own rounding.

Rounding is bounded, not steered: with u the unit roundoff, a sum of at most N products differs from its float value by
at most about N u times the sum of the absolute products, in any order of summation. Those are bounded from intervals of
all values, and one error bound is taken off each result. It also covers the rounding of the planes themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import scipy.sparse as sp

from tropix.arrays import BoolArray, FloatArray, IntArray
from tropix.certify._planes_nodes import Ends, Planes, Tap
from tropix.certify._propagation_balls import Balls
from tropix.certify._propagation_intervals import felt, magnitudes, times
from tropix.circuits import Affine, Circuit, Gibbs, LogSumExp, Matrix
from tropix.kernels import substitute_constants, substitute_slopes

UNIT = 2.0**-53
TINY = 1e-290
"""Far above what underflow can lose of sums of products with values up to 1."""


@dataclass(frozen=True, eq=False)
class Forms:
    """Affine functions slopes·x + constant, slopes (B, R, d), that hold up to ``error`` (B, R)."""

    slopes: FloatArray
    constant: FloatArray
    error: FloatArray

    def least(self, lower: FloatArray, upper: FloatArray) -> FloatArray:
        """Lower bounds (B, R) over boxes (B, d); −∞ where there is none."""
        with np.errstate(invalid="ignore"):
            ends = np.maximum(self.slopes, 0.0) @ lower[:, :, None] + np.minimum(self.slopes, 0.0) @ upper[:, :, None]
            bound = ends[..., 0] + self.constant - self.error
        return np.where(np.isnan(bound), -np.inf, bound)

    def least_in_balls(self, balls: Balls, lower: FloatArray, upper: FloatArray) -> FloatArray:
        """Lower bounds (B, R) over the balls within boxes (B, d), which must be those for which the forms hold."""
        with np.errstate(invalid="ignore"):
            bound = balls.least(self.slopes, self.constant - self.error, lower, upper)
        return np.where(np.isnan(bound), -np.inf, bound)


@dataclass(eq=False)
class Bounded:
    """What is known of a circuit's nodes over each box of a batch.

    Bounds, planes (folded, and ``whole`` as they were made), and sizes of affine sums; ``empty`` (B,) where what was
    known beforehand contradicts the bounds, so that no point is left. With ``balls`` only points in them count.
    """

    lower: FloatArray
    upper: FloatArray
    empty: BoolArray
    ends: list[Ends] = field(default_factory=list)
    planes: dict[int, Planes] = field(default_factory=dict)
    whole: dict[int, Planes] = field(default_factory=dict)
    sizes: dict[int, FloatArray] = field(default_factory=dict)
    balls: Balls | None = None
    _seen: int = field(default=0, init=False)
    _largest: FloatArray = field(default_factory=lambda: np.zeros(1), init=False)

    @property
    def lost(self) -> FloatArray:
        """What underflow can lose of a sum of products with values of the nodes bounded so far, (B, 1)."""
        for ends in self.ends[self._seen :]:
            size = ends.size
            self._largest = np.maximum(self._largest, np.where(np.isfinite(size), size, 0.0).max(axis=1, initial=0.0))
        self._seen = len(self.ends)
        return TINY * (1.0 + np.broadcast_to(self._largest, len(self.lower)))[:, None]

    def least(self, forms: Forms) -> FloatArray:
        """Lower bounds (B, R) of affine functions over the boxes, or over the balls in them."""
        bound = forms.least(self.lower, self.upper)
        if self.balls is None or self.balls.norm.p == np.inf:
            return bound
        return np.maximum(bound, forms.least_in_balls(self.balls, self.lower, self.upper))

    def lowest(self, forms: Forms) -> FloatArray:
        """About where they are least, (B, R, d)."""
        if self.balls is None or self.balls.norm.p == np.inf:
            return np.where(forms.slopes > 0, self.lower[:, None], self.upper[:, None])
        return self.balls.lowest(forms.slopes, self.lower, self.upper)


@dataclass(frozen=True, eq=False)
class Halfspaces:
    """Entries of a segmented node's source with v_winner ≥ v_loser + level on some boxes of a batch: (H,) each.

    A multiplier ≥ 0 times v_winner − v_loser − level may be taken off any lower bound. Levels are 0 unless given.
    """

    box: IntArray
    winner: IntArray
    loser: IntArray
    level: FloatArray | None = None


class Rows:
    """A sum of rows·values of some nodes, while it is substituted backwards; rows (1 or B, R, live outputs).

    ``record``: if given, the rows of each nonlinear node are kept there. ``cuts``: halfspaces by node, and multipliers
    (H, R) of each.
    """

    def __init__(self, batch: int, count: int) -> None:
        self.waiting: dict[int, FloatArray] = {}
        self.record: dict[int, FloatArray] | None = None
        self.cuts: Mapping[int, tuple[Halfspaces, FloatArray]] = {}
        self.constant = np.zeros((batch, count))
        self.weight = np.zeros((batch, count))


class Substitution:
    """Backward substitution in one circuit.

    Outputs of affine nodes that are constant are left out: the others are called live.
    """

    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit
        nodes = circuit.nodes
        needed = {0, circuit.output}
        for i in range(circuit.output, 0, -1):
            if i in needed:
                needed.update(nodes[i].sources)
        self.needed = sorted(needed)
        affine = {i: node for i in self.needed if isinstance(node := nodes[i], Affine)}
        self.live = {i: _live(node) for i, node in affine.items()}
        self.matrices = {i: [_rows(term.matrix, self.live[i]) for term in node.terms] for i, node in affine.items()}
        self.absolute = {i: [magnitudes(term.matrix) for term in node.terms] for i, node in affine.items()}
        terms = max((sum(term.matrix.shape[1] for term in node.terms) for node in affine.values()), default=0)
        widest = max((int(n.widths.max()) for n in nodes if isinstance(n, LogSumExp | Gibbs)), default=0)
        self.unit = 4 * (max(terms, widest, *(node.size for node in nodes)) + len(nodes) + 64) * UNIT
        """At least twice the relative rounding of any sum here."""

    def forms(
        self,
        state: Bounded,
        rows: Mapping[int, FloatArray],
        planes: Mapping[int, Planes] | None = None,
        cuts: Mapping[int, tuple[Halfspaces, FloatArray]] | None = None,
        record: dict[int, FloatArray] | None = None,
    ) -> Forms:
        """Affine functions of x below Σ_i rows[i]·(values of node i), on each box: rows[i] (1 or B, R, size).

        ``planes``: others than those of the state. ``cuts`` and ``record``: see `Rows`.
        """
        work = Rows(len(state.lower), max(row.shape[1] for row in rows.values()))
        work.record, work.cuts = record, cuts or {}
        for i, row in rows.items():
            work.weight += sizes(row, state.ends[i].size)  # the rows themselves may be rounded
            live = self.live.get(i)
            if live is not None:
                work.constant += row @ np.where(live, 0.0, self._bias(i))
            work.waiting[i] = row if live is None else np.ascontiguousarray(row[..., live])
        return self.finish(state, work, planes or state.planes)

    def interval_least(self, state: Bounded, rows: Mapping[int, FloatArray]) -> FloatArray:
        """Lower bounds (B, R) of Σ_i rows[i]·(values of node i) from the bounds of the values alone."""
        total, weight = np.zeros((1, 1)), np.zeros((1, 1))
        for i, row in rows.items():
            ends = state.ends[i]
            part, _ = substitute_constants(row, ends.lower[:, None], ends.upper[:, None], ends.size)
            with np.errstate(invalid="ignore"):
                total, weight = total + part, weight + sizes(row, ends.size)
        with np.errstate(invalid="ignore"):
            bound = total - self.unit * weight - state.lost
        return np.where(np.isnan(bound), -np.inf, bound)

    def differences(self, state: Bounded, source: int, entries: IntArray, others: IntArray) -> Forms:
        """Affine functions below v_e − v_o for values of node ``source``: entries e and others o, (1 or B, R)."""
        work = Rows(len(state.lower), entries.shape[1])
        node = self.circuit.nodes[source]
        which = np.arange(len(state.lower))[:, None]
        if not isinstance(node, Affine):
            rows = np.zeros((*entries.shape, node.size))
            own, at = np.arange(len(entries))[:, None], np.arange(entries.shape[1])
            rows[own, at, entries] += 1.0
            rows[own, at, others] -= 1.0
            work.waiting[source] = rows
            work.weight += sizes(rows, state.ends[source].size)
            return self.finish(state, work, state.planes)
        total = self.affine_sizes(state, source)
        work.constant += node.bias[entries] - node.bias[others]
        work.weight += total[which, entries] + total[which, others]
        for term in node.terms:
            self._add(state, work, term.source, _gathered(term.matrix, entries, others, self.live.get(term.source)))
            live = self.live.get(term.source)
            if live is not None:
                fixed = np.where(live, 0.0, self._bias(term.source))
                if fixed.any():
                    work.constant += _gathered(term.matrix, entries, others, None) @ fixed
        return self.finish(state, work, state.planes)

    def finish(self, state: Bounded, work: Rows, planes: Mapping[int, Planes]) -> Forms:
        """Substitute until only the input is left; consumes the rows."""
        batch, count = work.constant.shape
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite proves nothing
            for i in range(max(work.waiting, default=0), 0, -1):
                row = work.waiting.pop(i, None)
                if row is not None:
                    self._step(state, work, planes, i, row)
        slopes = work.waiting.get(0, np.zeros((1, 1, 1)))
        slopes = np.broadcast_to(slopes, (batch, count, self.circuit.input_size))
        with np.errstate(invalid="ignore"):
            weight = work.weight + sizes(slopes, state.ends[0].size) + np.abs(work.constant)
            return Forms(slopes, work.constant, self.unit * weight + state.lost)

    def _step(self, state: Bounded, work: Rows, planes: Mapping[int, Planes], i: int, row: FloatArray) -> None:
        node = self.circuit.nodes[i]
        if isinstance(node, Affine):
            live, total = self.live[i], self.affine_sizes(state, i)
            work.constant += row @ (node.bias if live is None else node.bias[live])
            work.weight += sizes(row, total if live is None else total[:, live])
            for k, term in enumerate(node.terms):
                amount = times(row, self.matrices[i][k])
                inner = self.live.get(term.source)
                if inner is not None:
                    work.constant += amount @ np.where(inner, 0.0, self._bias(term.source))
                    amount = np.ascontiguousarray(amount[..., inner])
                self._add(state, work, term.source, amount)
            return
        plane = planes[i]
        if work.record is not None:
            work.record[i] = row
        constant, weight = substitute_constants(row, plane.lower, plane.upper, plane.size)
        with np.errstate(invalid="ignore"):
            work.constant += constant
            work.weight += weight
        for tap in plane.taps:
            slopes = substitute_slopes(row, tap.owner, tap.lower, tap.upper)
            if tap.columns is not None:
                live = self.live.get(tap.source)
                size = self.circuit.nodes[tap.source].size if live is None else int(live.sum())
                moved = np.zeros((*slopes.shape[:2], size))
                moved[..., tap.columns] = slopes
                slopes = moved
            if i in work.cuts:
                self._cut(state, work, tap.source, slopes, *work.cuts[i])
            self._add(state, work, tap.source, slopes)

    def _cut(
        self, state: Bounded, work: Rows, source: int, slopes: FloatArray, cuts: Halfspaces, multipliers: FloatArray
    ) -> None:
        """Take the multipliers times (v_winner − v_loser) off a sum, in place."""
        live, size = self.live.get(source), state.ends[source].size
        if cuts.level is not None:
            amount = multipliers * cuts.level[:, None]
            np.add.at(work.constant, cuts.box, amount)
            np.add.at(work.weight, cuts.box, np.abs(amount))
        for entry, sign in ((cuts.winner, -1.0), (cuts.loser, 1.0)):
            amount = sign * multipliers
            np.add.at(work.weight, cuts.box, multipliers * size[cuts.box, entry][:, None])
            if live is not None:
                fixed = ~live[entry]
                values = np.where(fixed, self._bias(source)[entry], 0.0)
                np.add.at(work.constant, cuts.box, amount * values[:, None])
                kept = ~fixed
                entry, amount, box = (np.cumsum(live) - 1)[entry[kept]], amount[kept], cuts.box[kept]
            else:
                box = cuts.box
            np.add.at(slopes, (box[:, None], np.arange(slopes.shape[1]), entry[:, None]), amount)

    def _add(self, state: Bounded, work: Rows, source: int, amount: FloatArray) -> None:
        held = work.waiting.get(source)
        if held is None:
            work.waiting[source] = amount
            return
        work.waiting[source] = held + amount
        live, size = self.live.get(source), state.ends[source].size
        work.weight += sizes(work.waiting[source], size if live is None else size[:, live])

    def folded(self, planes: Planes) -> Planes:
        """The planes with what they read of constant outputs of affine nodes moved into their constants."""
        taps: list[Tap] = []
        lower, upper = planes.lower, planes.upper
        for tap in planes.taps:
            live = self.live.get(tap.source)
            if live is None:
                taps.append(tap)
                continue
            reads = np.arange(len(tap.owner)) if tap.columns is None else tap.columns
            kept, rank = live[reads], np.cumsum(live) - 1
            values = self._bias(tap.source)[reads[~kept]]
            if values.any():
                owner = tap.owner[~kept]
                lower = _spread(lower, tap.lower[..., ~kept] * values, owner)
                upper = _spread(upper, tap.upper[..., ~kept] * values, owner)
            columns = rank[reads[kept]]
            ordered = len(columns) == int(live.sum()) and bool((columns == np.arange(len(columns))).all())
            sides = [np.ascontiguousarray(side[..., kept]) for side in (tap.lower, tap.upper)]
            taps.append(Tap(tap.source, tap.owner[kept], None if ordered else columns, *sides))
        return replace(planes, taps=tuple(taps), lower=lower, upper=upper)

    def _bias(self, i: int) -> FloatArray:
        node = self.circuit.nodes[i]
        assert isinstance(node, Affine)
        return node.bias

    def affine_sizes(self, state: Bounded, position: int) -> FloatArray:
        """Bounds (B, size) of Σ |A||v| + |b| of an affine node."""
        if position not in state.sizes:
            node = self.circuit.nodes[position]
            assert isinstance(node, Affine)
            total = np.broadcast_to(np.abs(node.bias), (len(state.lower), node.size))
            for term, matrix in zip(node.terms, self.absolute[position], strict=True):
                size = state.ends[term.source].size
                finite = np.isfinite(size)
                total = total + times(felt(np.where(finite, size, 0.0))[:, None], matrix.T)[:, 0]
                if not finite.all():
                    total = np.where(times((~finite)[:, None].astype(np.float64), matrix.T)[:, 0] > 0, np.inf, total)
            state.sizes[position] = np.asarray(total)
        return state.sizes[position]


def sizes(rows: FloatArray, size: FloatArray) -> FloatArray:
    """Σ |row|·size for rows (1 or B, R, n) and sizes (B, n), (B, R); 0·∞ counts as 0."""
    zero = np.zeros((1, 1, rows.shape[2]))
    return substitute_constants(rows, zero, zero, size)[1]


def _live(node: Affine) -> BoolArray | None:
    """Which outputs are not constant; None for all of them (or none: then nothing is gained)."""
    live = np.zeros(node.size, dtype=np.bool_)
    for term in node.terms:
        live |= np.asarray(abs(term.matrix).sum(axis=1)).ravel() > 0
    return None if live.all() or not live.any() else live


def _rows(matrix: Matrix, live: BoolArray | None) -> Matrix:
    if live is None:
        return matrix
    return np.ascontiguousarray(matrix[live]) if isinstance(matrix, np.ndarray) else sp.csr_array(matrix[live])


def _gathered(matrix: Matrix, entries: IntArray, others: IntArray, live: BoolArray | None) -> FloatArray:
    """Differences of rows, (1 or B, R, live columns)."""
    if isinstance(matrix, np.ndarray):
        rows = matrix[entries] - matrix[others]
    else:
        rows = (matrix[entries.ravel()] - matrix[others.ravel()]).toarray().reshape(*entries.shape, -1)
    return rows if live is None else np.ascontiguousarray(rows[..., live])


def _spread(constants: FloatArray, amounts: FloatArray, owner: IntArray) -> FloatArray:
    """The constants (B, R, K) with amounts (B, R, T) added at their owners."""
    shape = np.broadcast_shapes(constants.shape[:2], amounts.shape[:2])
    result = np.broadcast_to(constants, (*shape, constants.shape[2])).copy()
    for t, k in enumerate(owner.tolist()):
        result[..., k] += amounts[..., t]
    return result

"""Linear bounds of a circuit over a batch of boxes, by backward substitution of planes (CROWN, Zhang et al. 2018).

Every value is bounded by intervals; what a nonlinear node reads (for ⊕_ε and Gibbs weights the differences within its
segments) is bounded again by substituting planes backwards to the input.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tropix.arrays import BoolArray, FloatArray, IntArray
from tropix.certify._planes import Layout
from tropix.certify._planes_nodes import (
    Differences,
    Ends,
    Planes,
    gibbs_planes,
    log_sum_exp_planes,
    pointwise_planes,
    product_planes,
)
from tropix.certify._propagation_backward import UNIT, Bounded, Substitution
from tropix.certify._propagation_balls import Balls
from tropix.certify._propagation_intervals import affine_ends, node_ends
from tropix.circuits import Affine, Circuit, Gibbs, Input, LogSumExp, Pointwise, Product

SHARE = 0.7
"""Where more than this share of all differences is wanted for some box, all are bounded: their rows are shared."""


class Propagation(Substitution):
    """The linear bounds of one circuit.

    With ``flat`` nonlinear nodes have constant planes, their bounds: interval propagation, but affine nodes in a row
    and differences within segments are bounded as one function. The slopes at ⊕_ε are multiples of 1/``grid`` if it is
    given, so that they can be written exactly in few digits.
    """

    def __init__(self, circuit: Circuit, *, flat: bool = False, grid: float | None = None) -> None:
        super().__init__(circuit)
        self.flat, self.grid = flat, grid
        self.layouts = {
            i: Layout(node.segments) for i in self.needed if isinstance(node := circuit.nodes[i], LogSumExp | Gibbs)
        }

    def bounded(
        self,
        lower: FloatArray,
        upper: FloatArray,
        known: Mapping[int, Differences] | None = None,
        balls: Balls | None = None,
    ) -> tuple[Bounded, dict[int, Differences]]:
        """Bounds and planes of all nodes over boxes (B, d), and the bounds of differences within segments by node.

        With balls only points of the boxes in them are meant.

        ``known``: such bounds that hold on the boxes already; what they decide is not bounded again.
        """
        state = Bounded(lower, upper, np.zeros(len(lower), dtype=np.bool_), balls=balls)
        gaps: dict[int, Differences] = {}
        nothing = np.zeros((len(lower), 0))
        for i, node in enumerate(self.circuit.nodes[: self.circuit.output + 1]):
            if i not in self.needed:
                state.ends.append(Ends(nothing, nothing))
                continue
            if isinstance(node, LogSumExp | Gibbs):
                gaps[i] = self._differences(state, i, node, (known or {}).get(i))
            elif isinstance(node, Product | Pointwise):
                for source in dict.fromkeys(node.sources):
                    self._tighten(state, source)
            if isinstance(node, Affine):
                ends, size = affine_ends(node, self.absolute[i], state.ends)
                if np.isfinite(size).all():
                    state.sizes[i] = size
            else:
                ends = node_ends(node, state.ends, lower, upper, self.layouts.get(i), gaps.get(i))
            state.ends.append(ends)
            if balls is not None and balls.norm.p < np.inf and isinstance(node, Affine) and set(node.sources) == {0}:
                self._tighten(state, i)
            if not isinstance(node, Input | Affine):
                state.whole[i] = self._planes(state, i, gaps.get(i))
                state.planes[i] = self.folded(state.whole[i])
        return state, gaps

    def _planes(self, state: Bounded, i: int, gaps: Differences | None) -> Planes:
        node = self.circuit.nodes[i]
        if self.flat:
            ends = state.ends[i]
            return Planes((), ends.lower[:, None], ends.upper[:, None], ends.size)
        if isinstance(node, Product):
            return product_planes(node, state.ends[node.left], state.ends[node.right])
        if isinstance(node, Pointwise):
            return pointwise_planes(node, state.ends[node.source], state.ends[i])
        assert isinstance(node, LogSumExp | Gibbs)
        assert gaps is not None
        inner = state.ends[node.source]
        if isinstance(node, LogSumExp):
            return log_sum_exp_planes(node, self.layouts[i], inner, gaps, self.grid)
        return gibbs_planes(node, self.layouts[i], inner, gaps, state.ends[i])

    def _tighten(self, state: Bounded, source: int) -> None:
        """Bound each value of a node by backward substitution, where that may gain anything."""
        node = self.circuit.nodes[source]
        if not self._gains(source) and state.balls is None:
            return
        rows = np.concatenate([np.eye(node.size), -np.eye(node.size)])[None]
        bounds = state.least(self.forms(state, {source: rows}))
        state.ends[source] = state.ends[source].meet(Ends(bounds[:, : node.size], -bounds[:, node.size :]))

    def _gains(self, source: int) -> bool:
        """Intervals are exact for affine functions of the input alone."""
        node = self.circuit.nodes[source]
        return isinstance(node, Affine) and bool(set(node.sources) - {0})

    def _differences(self, state: Bounded, i: int, node: LogSumExp | Gibbs, known: Differences | None) -> Differences:
        layout = self.layouts[i]
        ends, (count, width) = state.ends[node.source], layout.present.shape
        absent = np.broadcast_to(~layout.present, (len(state.lower), count, width))
        if known is not None:
            absent = absent | (known.upper == -np.inf)
        pivot = _pivots(layout, ends, absent, isinstance(node, Gibbs))
        if width == 1:
            zero = np.zeros(absent.shape)
            return Differences(zero, zero, pivot)
        low, high = _from_intervals(layout, ends, pivot)
        if known is not None:
            same = (known.pivot == pivot)[..., None] & (known.upper > -np.inf)
            low = np.where(same, np.fmax(low, known.lower), low)
            high = np.where(same, np.fmin(high, known.upper), high)
        own = np.arange(width) == pivot[..., None]
        state.empty |= (~own & ~absent & (low > high)).any(axis=(1, 2))
        low, high = _cleaned(low, high, own, absent)
        wanted = ~own & ~absent
        if node.eps == 0.0:
            wanted &= high >= low.max(axis=2, keepdims=True)  # others never attain the maximum
            if width == 2:
                wanted &= low < 0.0  # the second one never does
        if wanted.any():
            low, high = self._substituted(state, node.source, layout, pivot, wanted, low, high)
            state.empty |= (~own & ~absent & (low > high)).any(axis=(1, 2))
            low, high = _cleaned(low, high, own, absent)
        out = absent
        if node.eps == 0.0:
            leader = np.arange(width) == low.argmax(axis=2)[..., None]
            out = out | (~leader & (high <= low.max(axis=2, keepdims=True)))
        return Differences(np.where(out, -np.inf, low), np.where(out, -np.inf, high), pivot)

    def _substituted(
        self,
        state: Bounded,
        source: int,
        layout: Layout,
        pivot: IntArray,
        wanted: BoolArray,
        low: FloatArray,
        high: FloatArray,
    ) -> tuple[FloatArray, FloatArray]:
        """The bounds (B, K, W) met with those by backward substitution of the wanted differences."""
        batch, _, width = wanted.shape
        flat = wanted.reshape(batch, -1)
        some = int(flat.sum(axis=1).max())
        ever = np.flatnonzero(flat.any(axis=0))
        if some > SHARE * len(ever) and (pivot == pivot[:1]).all():
            chosen = ever[None]
        else:
            chosen = np.argsort(~flat, axis=1, kind="stable")[:, :some]
        k = chosen // width
        entries = layout.entries.ravel()[chosen]
        own = np.take_along_axis(pivot[: len(chosen)], k, axis=1)
        others = layout.entries[k, own]
        forms = self.differences(state, source, np.hstack([entries, others]), np.hstack([others, entries]))
        bounds = state.least(forms)
        half = chosen.shape[1]
        at = np.arange(batch)[:, None], np.broadcast_to(chosen, (batch, half))
        low, high = low.reshape(batch, -1).copy(), high.reshape(batch, -1).copy()
        low[at], high[at] = np.fmax(low[at], bounds[:, :half]), np.fmin(high[at], -bounds[:, half:])
        return low.reshape(wanted.shape), high.reshape(wanted.shape)


def _pivots(layout: Layout, ends: Ends, absent: BoolArray, paired: bool) -> IntArray:
    """The second of two entries (among wider segments if ``paired``), else the one that is largest in the middle."""
    if layout.present.shape[1] <= 2:
        return np.broadcast_to(layout.widths - 1, absent.shape[:2])
    with np.errstate(invalid="ignore"):
        middle = 0.5 * (ends.lower + ends.upper)
    middle = np.where(np.isfinite(middle), middle, 0.0)
    pivots = np.where(absent, -np.inf, layout.table(middle, -np.inf)).argmax(axis=2)
    return np.where(layout.widths == 2, 1, pivots) if paired else pivots


def _from_intervals(layout: Layout, ends: Ends, pivot: IntArray) -> tuple[FloatArray, FloatArray]:
    table = layout.table(ends.lower, 0.0), layout.table(ends.upper, 0.0)
    at_pivot = [np.take_along_axis(end, pivot[..., None], axis=2) for end in table]
    with np.errstate(invalid="ignore"):
        low, high = table[0] - at_pivot[1], table[1] - at_pivot[0]
        low, high = low - 2 * UNIT * np.abs(low), high + 2 * UNIT * np.abs(high)
    return np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high)


def _cleaned(low: FloatArray, high: FloatArray, own: BoolArray, absent: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Zero at the pivot, −∞ where there is no entry, and order where rounding or an empty set crossed the ends."""
    low, high = np.where(own, 0.0, low), np.where(own, 0.0, high)
    low, high = np.minimum(low, high), np.maximum(low, high)
    return np.where(absent, -np.inf, low), np.where(absent, -np.inf, high)

"""Maxima, minima and absolute values that a network spells out in pairs of ReLUs are raised back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from tropix.arrays import BoolArray, FloatArray, IntArray
from tropix.circuits import Affine, Circuit, CircuitBuilder, LogSumExp, Node, uniform_segments
from tropixc.passes._exact import exact_rows
from tropixc.passes._pass import component_uses, heavy, rewrite
from tropixc.passes._rows import Columns, as_affine, numbered_rows

LARGEST_ROW = 64
"""Rows that read more maxima than this are left alone."""


@dataclass(frozen=True)
class RaisePairs:
    """Write Σ c_k max(p_k, q_k) + ℓ as one maximum, as one minimum, or without any, where the differences allow it.

    max(p, q) = m + |h| with m = (p + q)/2 and h = (p − q)/2, so a row that reads such maxima is Σ c_k |h_k| plus
    something affine. Where the h_k are multiples of one another (by powers of two, of either sign) their weights add up
    to some β: for β = 0 the row is affine, for β ≠ 0 it is r + β|h| = ±max(±(r + βh), ±(r − βh)). That covers
    max(a, b) = b + relu(a − b), ½(relu(s) − relu(−s) + relu(t) + relu(−t)) with s = a + b, t = a − b, the same for
    minima and absolute values, and whole lattices of them. Applied where all arithmetic is exact and the new rows have
    fewer entries than what they replace.
    """

    def __call__(self, circuit: Circuit) -> Circuit:
        """Apply the pass."""
        uses = component_uses(circuit)
        read: dict[int, IntArray] = {}

        def rule(builder: CircuitBuilder, old: int, node: Node) -> int:
            name = circuit.names[old]
            new = _raised(builder, node, read, name) if isinstance(node, Affine) else None
            if new is None:
                new = builder.add(node, name)
            read[new] = uses[old]
            return new

        return rewrite(circuit, rule)


@dataclass(frozen=True, eq=False)
class _Pairs:
    """The two-piece maxima that an affine node reads, over common columns."""

    columns: Columns
    where: IntArray
    """The columns of the maxima themselves."""
    middle: sp.csr_array
    """Row k: m_k."""
    direction: sp.csr_array
    """Row g: the representative of the g-th group of proportional h_k."""
    share: sp.csr_array
    """Entry (k, g): s > 0 with |h_k| = s |direction_g|; an empty row where h_k = 0."""
    cost: FloatArray
    """Entries of both pieces, divided among the readers."""


def _raised(builder: CircuitBuilder, node: Affine, read: dict[int, IntArray], name: str) -> int | None:
    """The position of the node with some of its rows raised; None if there is none."""
    maxima = [s for s in dict.fromkeys(node.sources) if _has_pairs(builder, s)]
    if not maxima:
        return None
    inner = [as_affine(builder, _source(builder, position)) for position in maxima]
    columns = Columns(builder, [node, *inner])
    whole = columns.rows(node)
    pairs = _pairs(builder, columns, maxima, inner, whole, read)
    if pairs is None:
        return None
    plan = _Plan.of(whole, pairs)
    return None if plan is None else plan.build(builder, pairs.columns, read, name)


def _has_pairs(builder: CircuitBuilder, position: int) -> bool:
    node = builder.node(position)
    if not isinstance(node, LogSumExp) or node.eps > 0.0 or heavy(builder.node(node.source)):
        return False
    return bool((node.widths == 2).any())


def _source(builder: CircuitBuilder, position: int) -> int:
    node = builder.node(position)
    assert isinstance(node, LogSumExp)
    return node.source


def _pairs(
    builder: CircuitBuilder,
    columns: Columns,
    maxima: list[int],
    inner: list[Affine],
    whole: sp.csr_array,
    read: dict[int, IntArray],
) -> _Pairs | None:
    """The pairs that short rows read."""
    marks = np.zeros(columns.count)
    for position in maxima:
        node = builder.node(position)
        assert isinstance(node, LogSumExp)
        marks[columns.of(position)[node.widths == 2]] = 1.0
    pattern = sp.csr_array((np.ones_like(whole.data), whole.indices, whole.indptr), shape=whole.shape)
    lengths = pattern @ marks
    short = (lengths > 0) & (lengths <= LARGEST_ROW)
    wanted = (marks > 0) & (pattern.T @ short.astype(np.float64) > 0)
    where, firsts, seconds, cost = [], [], [], []
    for position, affine in zip(maxima, inner, strict=True):
        node = builder.node(position)
        assert isinstance(node, LogSumExp)
        chosen = np.flatnonzero(wanted[columns.of(position)])
        rows = columns.rows(affine)
        first, second = rows[node.segments[chosen]], rows[node.segments[chosen] + 1]
        where.append(columns.of(position)[chosen])
        firsts.append(first)
        seconds.append(second)
        cost.append((np.diff(first.indptr) + np.diff(second.indptr)) / np.maximum(read[position][chosen], 1))
    if not sum(len(part) for part in where):
        return None
    return _grouped(columns, np.concatenate(where), sp.vstack(firsts), sp.vstack(seconds), np.concatenate(cost))


def _grouped(
    columns: Columns, where: IntArray, first: sp.csr_array, second: sp.csr_array, cost: FloatArray
) -> _Pairs | None:
    """Middles and differences, where both are exact, grouped by direction."""
    count = len(where)
    halves = sp.eye_array(count, format="csr") * 0.5
    stacked = sp.vstack([first, second], format="csr")
    middle, exact = exact_rows(sp.hstack([halves, halves], format="csr"), stacked)
    difference, also = exact_rows(sp.hstack([halves, -halves], format="csr"), stacked)
    filled = np.diff(difference.indptr) > 0
    lead = np.zeros(count)
    lead[filled] = difference.data[difference.indptr[:-1][filled]]
    size = np.ldexp(1.0, np.frexp(lead)[1] - 1)
    normal, divided = exact_rows(sp.diags_array(np.where(lead < 0, -1.0, 1.0) / size, format="csr"), difference)
    kept = np.flatnonzero(exact & also & divided)
    if not len(kept):
        return None
    middle, normal, size, filled = sp.csr_array(middle[kept]), sp.csr_array(normal[kept]), size[kept], filled[kept]
    group = numbered_rows(normal)
    representatives = np.unique(group, return_index=True)[1]
    entries = (size[filled], (np.flatnonzero(filled), group[filled]))
    share = sp.csr_array(entries, shape=(len(kept), len(representatives)))
    return _Pairs(columns, where[kept], middle, sp.csr_array(normal[representatives]), share, cost[kept])


@dataclass(frozen=True, eq=False)
class _Plan:
    """Which rows of a node change: those that become affine, and those that become one maximum or minimum."""

    rows: sp.csr_array
    """All rows, the affine ones replaced."""
    raised: IntArray
    """Numbers of the rows that become ±max."""
    sign: FloatArray
    """+1 for a maximum, −1 for a minimum."""
    upper: sp.csr_array
    lower: sp.csr_array
    """Their two pieces, times the sign."""

    @classmethod
    def of(cls, whole: sp.csr_array, pairs: _Pairs) -> _Plan | None:
        """The rows that can be raised exactly and become smaller for it."""
        count = pairs.columns.count
        weights = sp.csr_array(sp.csc_array(whole)[:, pairs.where])
        strength, exact = exact_rows(weights, pairs.share)
        groups = np.diff(strength.indptr)
        candidates = np.flatnonzero((np.diff(weights.indptr) > 0) & (groups <= 1) & exact)
        if not len(candidates):
            return None
        inside = np.ones(count)
        inside[pairs.where] = 0.0
        rest = sp.csr_array(whole @ sp.diags_array(inside))
        rest.eliminate_zeros()
        identity = sp.eye_array(count, format="csr")
        left = sp.hstack([rest[candidates], weights[candidates]], format="csr")
        remainder, fine = exact_rows(left, sp.vstack([identity, pairs.middle], format="csr"))
        affine = fine & (groups[candidates] == 0)
        slopes = sp.csr_array(strength[candidates])
        sign = np.where(slopes.sum(axis=1) < 0, -1.0, 1.0)
        signed = sp.diags_array(sign)
        both = []
        for side in (1.0, -1.0):
            ahead = sp.hstack([signed @ remainder, signed @ slopes * side], format="csr")
            piece, exactly = exact_rows(ahead, sp.vstack([identity, pairs.direction], format="csr"))
            fine = fine & exactly
            both.append(piece)
        more = np.diff(whole.indptr)[candidates] > 1  # a multiple of one maximum alone stays
        raised = fine & ~affine & more & _smaller(whole, weights, candidates, both, pairs.cost)
        if not (affine.any() or raised.any()):
            return None
        rows = _replaced(whole, candidates[affine], sp.csr_array(remainder[affine]))
        return cls(rows, candidates[raised], sign[raised], both[0][raised], both[1][raised])

    def build(self, builder: CircuitBuilder, columns: Columns, read: dict[int, IntArray], name: str) -> int:
        """Append the new nodes; their pieces may in turn read pairs, once something in them has cancelled."""
        count = len(self.raised)
        if not count:
            return builder.add(columns.affine(self.rows), name)
        order = np.arange(2 * count).reshape(2, count).T.ravel()
        pieces = sp.csr_array(sp.vstack([self.upper, self.lower], format="csr")[order])
        affine = columns.affine(pieces)
        source = _raised(builder, affine, read, f"{name}/pieces")
        if source is None:
            source = builder.add(affine, f"{name}/pieces")
        joined = builder.log_sum_exp(source, 0.0, uniform_segments(count, 2), f"{name}/raised")
        read[joined] = np.ones(count, dtype=np.int64)
        places = sp.csr_array((self.sign, (self.raised, np.arange(count))), shape=(self.rows.shape[0], count))
        left = columns.affine(_replaced(self.rows, self.raised, sp.csr_array((count, columns.count))))
        terms = [(term.source, term.matrix) for term in left.terms]
        return builder.affine([*terms, (joined, places)], left.bias, name)


def _smaller(
    whole: sp.csr_array, weights: sp.csr_array, rows: IntArray, pieces: list[sp.csr_array], cost: FloatArray
) -> BoolArray:
    """Whether the two pieces have fewer entries than the rows and the maxima they replace."""
    pattern = sp.csr_array((np.ones_like(weights.data), weights.indices, weights.indptr), shape=weights.shape)
    before = np.diff(whole.indptr)[rows] + (pattern @ cost)[rows]
    after = sum(np.diff(piece.indptr) for piece in pieces)
    return np.asarray(after < before)


def _replaced(matrix: sp.csr_array, rows: IntArray, new: sp.csr_array) -> sp.csr_array:
    """The matrix with some rows replaced."""
    kept = np.ones(matrix.shape[0])
    kept[rows] = 0.0
    places = sp.csr_array((np.ones(len(rows)), (rows, np.arange(len(rows)))), shape=(matrix.shape[0], len(rows)))
    result = sp.csr_array(sp.diags_array(kept) @ matrix + places @ new)
    result.eliminate_zeros()
    return result

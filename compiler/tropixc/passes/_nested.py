"""⊕_ε of ⊕_ε is one ⊕_ε, where the temperatures are equal: associativity and distributivity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from tropix.arrays import BoolArray, IntArray
from tropix.circuits import Affine, Circuit, CircuitBuilder, LogSumExp, Node
from tropixc.passes._exact import exact_rows
from tropixc.passes._pass import component_uses, heavy, rewrite
from tropixc.passes._rows import Columns, as_affine


@dataclass(frozen=True)
class MergeNested:
    """Open a piece ℓ + c·⊕_ε(p_1, …, p_n) of a ⊕_ε of the same temperature into the pieces ℓ + c·p_j.

    c = 1, or any c > 0 at ε = 0. Applied to pieces that read one such component, which nothing else reads, so that the
    number of pieces does not grow.
    """

    def __call__(self, circuit: Circuit) -> Circuit:
        """Apply the pass."""
        uses = component_uses(circuit)
        read: dict[int, IntArray] = {}

        def rule(builder: CircuitBuilder, old: int, node: Node) -> int:
            name = circuit.names[old]
            new = _merged(builder, node, read, name) if isinstance(node, LogSumExp) else None
            if new is None:
                new = builder.add(node, name)
            read[new] = uses[old]
            return new

        return rewrite(circuit, rule)


def _merged(builder: CircuitBuilder, node: LogSumExp, read: dict[int, IntArray], name: str) -> int | None:
    if heavy(builder.node(node.source)):
        return None
    pieces = as_affine(builder, node.source)
    if builder.node(node.source) is pieces and (read.get(node.source, np.zeros(1)) > 1).any():
        return None  # others read the pieces themselves
    inner = [s for s in dict.fromkeys(pieces.sources) if _joins(builder, s, node.eps)]
    if not inner:
        return None
    below = {position: as_affine(builder, _source(builder, position)) for position in inner}
    columns = Columns(builder, [pieces, *below.values()])
    rows = columns.rows(pieces)
    chosen, place = _single(builder, columns, rows, inner, node.eps, read)
    while len(chosen):
        pieces, lengths, exact = _opened(builder, columns, rows, chosen, place, below)
        if exact.all():
            ends = np.concatenate([[0], np.cumsum(lengths)])
            source = builder.add(columns.affine(pieces), f"{name}/opened")
            return builder.add(LogSumExp(source, node.eps, ends[node.segments]), name)
        chosen, place = chosen[exact], place[exact]
    return None


def _joins(builder: CircuitBuilder, position: int, eps: float) -> bool:
    node = builder.node(position)
    return isinstance(node, LogSumExp) and node.eps == eps and not heavy(builder.node(node.source))


def _source(builder: CircuitBuilder, position: int) -> int:
    node = builder.node(position)
    assert isinstance(node, LogSumExp)
    return node.source


def _single(
    builder: CircuitBuilder,
    columns: Columns,
    rows: sp.csr_array,
    inner: list[int],
    eps: float,
    read: dict[int, IntArray],
) -> tuple[IntArray, IntArray]:
    """Rows that read exactly one component of the inner nodes, alone and with a fitting factor; and its column."""
    marked = np.zeros(columns.count, dtype=np.bool_)
    once = np.zeros(columns.count, dtype=np.bool_)
    for position in inner:
        marked[columns.of(position)] = True
        once[columns.of(position)] = read[position] == 1
    entry_rows = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    hits = marked[rows.indices]
    counts = np.bincount(entry_rows[hits], minlength=rows.shape[0])
    fitting = hits & once[rows.indices] & ((rows.data > 0) if eps == 0.0 else (rows.data == 1.0))
    fitting &= counts[entry_rows] == 1
    return entry_rows[fitting], rows.indices[fitting].astype(np.int64)


def _opened(
    builder: CircuitBuilder,
    columns: Columns,
    rows: sp.csr_array,
    chosen: IntArray,
    place: IntArray,
    below: dict[int, Affine],
) -> tuple[sp.csr_array, IntArray, BoolArray]:
    """All pieces with the chosen ones opened, how many came of each, and which of the chosen are exact."""
    count = rows.shape[0]
    pieces = [columns.rows(affine) for affine in below.values()]
    offsets = np.cumsum([count, *(part.shape[0] for part in pieces)])
    starts, widths = np.zeros(columns.count, dtype=np.int64), np.ones(columns.count, dtype=np.int64)
    for position, offset in zip(below, offsets, strict=False):
        node = builder.node(position)
        assert isinstance(node, LogSumExp)
        starts[columns.of(position)] = offset + node.segments[:-1]
        widths[columns.of(position)] = node.widths
    bare = sp.coo_array(rows)
    column_of = np.full(count, -1, dtype=np.int64)
    column_of[chosen] = place
    factors = np.ones(count)
    opened_entry = bare.coords[1] == column_of[bare.coords[0]]
    factors[bare.coords[0][opened_entry]] = bare.data[opened_entry]
    data = np.where(opened_entry, 0.0, bare.data)
    rest = sp.csr_array((data, bare.coords), shape=rows.shape)
    rest.eliminate_zeros()
    lengths = np.where(column_of < 0, 1, widths[column_of])
    owner = np.repeat(np.arange(count), lengths)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    new = np.flatnonzero(column_of[owner] >= 0)
    target = starts[column_of[owner[new]]] + within[new]
    entries = np.concatenate([np.ones(len(owner)), factors[owner[new]]])
    places = (np.concatenate([np.arange(len(owner)), new]), np.concatenate([owner, target]))
    left = sp.csr_array((entries, places), shape=(len(owner), int(offsets[-1])))
    product, exact = exact_rows(left, sp.vstack([rest, *pieces], format="csr"))
    good = np.logical_and.reduceat(exact, np.cumsum(lengths) - lengths)
    return product, lengths, np.asarray(good[chosen])

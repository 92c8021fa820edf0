"""Finding ReLU layers: maxima of pairs in which one entry is 0."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tropix.arrays import BoolArray
from tropix.circuits import Affine, Circuit, LogSumExp, Term


def relu_arguments(circuit: Circuit, positions: Iterable[int]) -> dict[int, Affine]:
    """For each of the nodes that is max(v, 0) entry by entry, the affine map v.

    That is a `LogSumExp` at ε = 0 over pairs, the only reader of an `Affine` node of which one row in each pair is 0.
    """
    chosen = list(positions)
    readers: dict[int, int] = {circuit.output: 1}
    for position in chosen:
        for source in circuit.nodes[position].sources:
            readers[source] = readers.get(source, 0) + 1
    found: dict[int, Affine] = {}
    for position in chosen:
        node = circuit.nodes[position]
        if isinstance(node, LogSumExp) and node.eps == 0.0 and (node.widths == 2).all() and readers[node.source] == 1:
            pairs = circuit.nodes[node.source]
            if isinstance(pairs, Affine) and (argument := _argument(pairs)) is not None:
                found[position] = argument
    return found


def _argument(pairs: Affine) -> Affine | None:
    zero = _zero_rows(pairs).reshape(-1, 2)
    if not zero.any(axis=1).all():
        return None
    kept = 2 * np.arange(len(zero)) + zero[:, 0]
    return Affine(tuple(Term(term.source, term.matrix[kept]) for term in pairs.terms), pairs.bias[kept])


def _zero_rows(node: Affine) -> BoolArray:
    zero = node.bias == 0.0
    for term in node.terms:
        if isinstance(term.matrix, np.ndarray):
            zero &= ~term.matrix.any(axis=1)
        else:
            zero &= np.diff(term.matrix.indptr) == 0
    return np.asarray(zero)

"""The logits of a classifier: what is in front of its softmax."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from tropix.circuits._nodes import Affine, Gibbs, Term
from tropix.errors import Unsupported

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropix.arrays import IntArray
    from tropix.circuits._circuit import Circuit


def logits(circuit: Circuit) -> Circuit:
    """See `Circuit.logits`."""
    needed = {circuit.output}
    for position in range(circuit.output, -1, -1):
        if position in needed:
            needed.update(circuit.nodes[position].sources)
    weights = [position for position in needed if isinstance(circuit.nodes[position], Gibbs)]
    if not weights:
        return circuit
    last = max(weights)
    apart = {position for position in needed if position != last and not _passes(circuit, position, last)}
    if circuit.output in apart:
        raise _refusal(circuit, last, "the output also depends on values that do not go through it")
    behind = [position for position in needed if position > last and position not in apart]
    other = next((position for position in behind if not isinstance(circuit.nodes[position], Affine)), None)
    if other is not None:
        raise _refusal(circuit, last, f"{circuit.names[other]!r} behind it is not affine")
    gate = circuit.nodes[last]
    assert isinstance(gate, Gibbs)
    taken = _taken(circuit, last, sorted(behind))
    if taken is None:
        raise _refusal(circuit, last, "the outputs behind it mix its weights, and need not rise as the logits do")
    rows = _rows(gate, taken)
    if rows is None:
        raise _refusal(circuit, last, "the outputs belong to several softmaxes, whose logits are not comparable")
    source = gate.source
    nodes, names = circuit.nodes[: source + 1], circuit.names[: source + 1]
    if rows.shape[0] == rows.shape[1] and (rows != sp.eye_array(gate.size)).nnz == 0:
        return type(circuit)(nodes, source, names)
    row = Affine((Term(source, rows),), np.zeros(len(taken)))
    return type(circuit)((*nodes, row), source + 1, (*names, f"{circuit.names[last]}/logits"))


def _taken(circuit: Circuit, gate: int, behind: Sequence[int]) -> IntArray | None:
    """Which weight each output is, up to one rising affine function for all of them; None if they are not."""
    node = circuit.nodes[gate]
    assert isinstance(node, Gibbs)
    # of each node: the weights its entries are, and the steps (scale, shift) from them, the same for the same history
    found: dict[int, tuple[IntArray, list[tuple[tuple[float, float], ...]]]]
    found = {gate: (np.arange(node.size), [()] * node.size)}
    for position in behind:
        affine = circuit.nodes[position]
        assert isinstance(affine, Affine)
        if len(affine.terms) != 1 or affine.terms[0].source not in found:
            return None
        matrix = sp.csr_array(affine.terms[0].matrix, copy=True)
        matrix.eliminate_zeros()
        if (np.diff(matrix.indptr) != 1).any() or (matrix.data <= 0).any():
            return None
        weights, steps = found[affine.terms[0].source]
        changes = zip(matrix.indices.tolist(), matrix.data.tolist(), affine.bias.tolist(), strict=True)
        found[position] = (
            weights[matrix.indices],
            [steps[i] if (scale, shift) == (1, 0) else (*steps[i], (scale, shift)) for i, scale, shift in changes],
        )
    weights, steps = found[circuit.output]
    return weights if len(set(steps)) == 1 else None


def _rows(gate: Gibbs, taken: IntArray) -> sp.csr_array | None:
    """What rises with the weights taken, in terms of the operands: logits of one softmax, or differences of pairs."""
    starts, widths = gate.segments[:-1], np.diff(gate.segments)
    segments = np.searchsorted(gate.segments, taken, side="right") - 1
    count = np.arange(len(taken))
    if len(set(segments.tolist())) == 1 and (len(taken) > 1 or widths[segments[0]] != 2):
        return sp.csr_array((np.ones(len(taken)), (count, taken)), shape=(len(taken), gate.size))
    if (widths[segments] != 2).any():
        return None
    others = 2 * starts[segments] + 1 - taken
    values, columns = np.repeat([1.0, -1.0], len(taken)), np.concatenate([taken, others])
    return sp.csr_array((values, (np.tile(count, 2), columns)), shape=(len(taken), gate.size))


def _passes(circuit: Circuit, position: int, gate: int) -> bool:
    """Whether every path from the input to a node goes through another."""
    free = {0}
    for node in range(1, position + 1):
        if node != gate and free.intersection(circuit.nodes[node].sources):
            free.add(node)
    return position not in free


def _refusal(circuit: Circuit, gate: int, reason: str) -> Unsupported:
    return Unsupported(
        f"softmax node {circuit.names[gate]!r} is not the last step of the model: {reason}. "
        "Cut the model in front of what is to be studied, for instance by naming a graph output"
    )

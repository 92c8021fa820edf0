"""Patterns in a circuit: attention, gates, residual connections, repeated cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import networkx
import numpy as np
import scipy.sparse as sp

from tropix.arrays import BoolArray
from tropix.circuits import Affine, Circuit, Gibbs, Matrix, Product, Term


@dataclass(frozen=True)
class Pattern:
    """Some nodes that belong together: what they are, the temperature if they have one, and a remark.

    ``span``: it covers other blocks, which are listed beside it.
    """

    kind: str
    nodes: tuple[int, ...]
    eps: float | None = None
    detail: str = ""
    span: bool = False


@dataclass(frozen=True, eq=False)
class View:
    """A circuit with what the patterns ask of it: readers, ancestors, the operators its nodes come of."""

    circuit: Circuit
    operators: Mapping[str, str]

    @cached_property
    def readers(self) -> list[list[int]]:
        """For each node, the nodes that read it."""
        readers: list[list[int]] = [[] for _ in self.circuit.nodes]
        for i, node in enumerate(self.circuit.nodes):
            for source in dict.fromkeys(node.sources):
                readers[source].append(i)
        return readers

    @cached_property
    def graph(self) -> networkx.DiGraph[Any]:
        """The edges alone."""
        graph: networkx.DiGraph[Any] = networkx.DiGraph()
        graph.add_nodes_from(range(len(self.circuit.nodes)))
        graph.add_edges_from((s, i) for i, node in enumerate(self.circuit.nodes) for s in node.sources)
        return graph

    def origin(self, position: int) -> tuple[str, str]:
        """The name of the ONNX node that a node comes of, and its operator; the node's own name and "" if unknown."""
        name = self.circuit.names[position]
        while name and name not in self.operators:
            name = name.rpartition("/")[0]
        return (name, self.operators[name]) if name else (self.circuit.names[position], "")

    def single_source(self, position: int) -> int | None:
        """The source of an affine node that reads one node only."""
        node = self.circuit.nodes[position]
        return node.terms[0].source if isinstance(node, Affine) and len(node.terms) == 1 else None


def is_selection(matrix: Matrix) -> bool:
    """Whether each row has one entry at most, all of one size."""
    sparse = sp.csr_array(matrix)
    return bool((np.diff(sparse.indptr) <= 1).all() and sparse.nnz and (sparse.data == sparse.data[0]).all())


def _factor(node: Affine) -> float | None:
    """The one value of all entries of an affine node with a single source and no constants."""
    if len(node.terms) != 1 or node.bias.any():
        return None
    values = np.unique(sp.csr_array(node.terms[0].matrix).data)
    return float(values[0]) if len(values) == 1 and values[0] > 0 else None


def attention(view: View) -> Iterable[Pattern]:
    """Softmax weights that multiply values; their logits are sums of products where queries meet keys."""
    for position, node in enumerate(view.circuit.nodes):
        if not isinstance(node, Gibbs):
            continue
        after = _weighted(view, position)
        if not after:
            continue
        before, factor, width = _scores(view, node.source)
        if width and not _pairs_with_zero(view, node):
            eps = node.eps / factor
            detail = f"{width} products a score: sqrt(d_k) = {np.sqrt(width):.6g}"
            yield Pattern("attention", tuple(sorted({*before, position, *after})), eps, detail)
        else:
            yield Pattern("gate", tuple(sorted({position, *after})), node.eps)


def _weighted(view: View, position: int) -> list[int]:
    """The nodes between the weights and the sums of their products with values; none if nothing is multiplied."""
    found: list[int] = []
    for reader in view.readers[position]:
        node = view.circuit.nodes[reader]
        if isinstance(node, Affine) and view.single_source(reader) == position and is_selection(node.terms[0].matrix):
            deeper = _weighted(view, reader)
            found += [reader, *deeper] if deeper else []
        elif isinstance(node, Product):
            found.append(reader)
            sums = [r for r in view.readers[reader] if view.single_source(r) == reader]
            if len(view.readers[reader]) == len(sums) == 1:
                found += sums
            for other in node.sources:
                held = view.circuit.nodes[other]
                alone = view.readers[other] == [reader] and isinstance(held, Affine) and len(held.terms) == 1
                if other != position and alone and is_selection(held.terms[0].matrix):  # type: ignore[union-attr]
                    found.append(other)
    return found


def empty_rows(node: Affine) -> BoolArray:
    """Which components of an affine node are 0."""
    empty = node.bias == 0
    for term in node.terms:
        empty &= np.diff(sp.csr_array(term.matrix).indptr) == 0
    return np.asarray(empty)


def _pairs_with_zero(view: View, node: Gibbs) -> bool:
    """Whether the weights are logistic functions: one logit of every pair is 0."""
    source = view.circuit.nodes[node.source]
    if not isinstance(source, Affine) or (node.widths != 2).any():
        return False
    return bool(empty_rows(source).reshape(-1, 2).any(axis=1).all())


def _scores(view: View, source: int) -> tuple[list[int], float, int]:
    """The nodes that make the scores, the factor in front of q·k, and the number of products in each; 0 if none.

    Masks and positions may add constants; every product counts alike.
    """
    members, factor, width = [source], 1.0, 1
    while True:
        node = view.circuit.nodes[source]
        if isinstance(node, Product):
            for side in node.sources:
                chain, scale = _operand(view, side)
                members += chain
                factor *= scale
            return members, factor, width
        below = view.single_source(source)
        if not isinstance(node, Affine) or below is None:
            return [], 1.0, 0
        matrix = sp.csr_array(node.terms[0].matrix)
        if not matrix.nnz or (matrix.data != matrix.data[0]).any() or matrix.data[0] <= 0:
            return [], 1.0, 0
        factor *= float(matrix.data[0])
        width = max(width, int(np.diff(matrix.indptr).max()))
        members.append(below)
        source = below


def _operand(view: View, source: int) -> tuple[list[int], float]:
    """The selections and scalings in front of one operand of q·k, and the factor of all together."""
    members: list[int] = []
    factor = 1.0
    while True:
        node = view.circuit.nodes[source]
        own = _factor(node) if isinstance(node, Affine) and len(view.readers[source]) == 1 else None
        if own is None or not isinstance(node, Affine) or not is_selection(node.terms[0].matrix):
            return members, factor
        members.append(source)
        factor *= own
        source = node.terms[0].source


def residual(view: View) -> Iterable[Pattern]:
    """Affine nodes that add a node, unchanged, to something computed from it."""
    for position, node in enumerate(view.circuit.nodes):
        if not isinstance(node, Affine) or len(node.terms) < 2:
            continue
        for term in node.terms:
            if not _is_skip(term.matrix, view.circuit.nodes[term.source].size) or not _is_added(node, term):
                continue
            later = networkx.descendants(view.graph, term.source)
            between = later & (networkx.ancestors(view.graph, position) | {position})
            if all(isinstance(view.circuit.nodes[i], Affine) for i in between) or view.origin(position)[1] in NORMS:
                continue
            name = view.circuit.names[term.source]
            yield Pattern("residual block x + F(x)", tuple(sorted(between)), None, f"x = {name}", span=True)
            break


NORMS = ("BatchNormalization", "LayerNormalization", "RMSNormalization", "InstanceNormalization")


def _is_skip(matrix: Matrix, size: int) -> bool:
    """Whether the matrix hands every component on, unchanged."""
    sparse = sp.csr_array(matrix)
    once = (np.diff(sparse.indptr) <= 1).all() and (sparse.data == 1.0).all()
    return bool(once and len(np.unique(sparse.indices)) == size)


def recurrent(view: View) -> Iterable[Pattern]:
    """Affine nodes with the same weights, each computed from the one before: a cell that was unrolled."""
    groups: dict[tuple[int, bytes], list[int]] = {}
    for position, node in enumerate(view.circuit.nodes):
        for term in node.terms if isinstance(node, Affine) else ():
            sparse = sp.csr_array(term.matrix)
            if sparse.nnz > node.size and len(np.unique(sparse.data)) > 2:
                sparse.sort_indices()
                groups.setdefault((node.size, sparse.data.tobytes()), []).append(position)
    chains = [chain for chain in (_chain(view, positions) for positions in groups.values()) if len(chain) > 1]
    if chains:
        longest = max(chains, key=len)
        nodes = {*longest} | (
            networkx.descendants(view.graph, longest[0]) & networkx.ancestors(view.graph, longest[-1])
        )
        steps = f"the same weights {len(longest)} times, one after the other"
        yield Pattern("recurrent cell, unrolled", tuple(sorted(nodes)), None, steps, span=True)


def _is_added(node: Affine, skip: Term) -> bool:
    """Whether every row that reads the skip connection also reads something else: a sum, no concatenation."""
    alone = np.diff(sp.csr_array(skip.matrix).indptr) > 0
    for term in node.terms:
        if term is not skip:
            alone &= np.diff(sp.csr_array(term.matrix).indptr) == 0
    return not alone.any()


def _chain(view: View, positions: list[int]) -> list[int]:
    """Positions of which each is computed from the one before."""
    chain: list[int] = []
    for position in dict.fromkeys(positions):
        if not chain or position in networkx.descendants(view.graph, chain[-1]):
            chain.append(position)
    return chain


SUMMED = {
    "BatchNormalization": "batch norm", "LayerNormalization": "layer norm", "RMSNormalization": "rms norm",
    "InstanceNormalization": "instance norm", "Gelu": "GELU", "Elu": "ELU", "Selu": "SELU", "Celu": "CELU",
    "HardSwish": "hard swish", "Swish": "SiLU", "Mish": "Mish", "Softsign": "softsign", "Tanh": "tanh",
    "Sigmoid": "sigmoid", "Clip": "clip", "HardSigmoid": "hard sigmoid", "LogSoftmax": "log-softmax",
}  # fmt: skip
"""Operators whose nodes are shown as one block."""


def operators(view: View) -> Iterable[Pattern]:
    """The nodes of one ONNX operator that has a name of its own."""
    groups: dict[str, list[int]] = {}
    for position in range(1, len(view.circuit.nodes)):
        name, operator = view.origin(position)
        if operator in SUMMED:
            groups.setdefault(name, []).append(position)
    for name, positions in groups.items():
        kind = SUMMED[view.operators[name]]
        joins = [view.circuit.nodes[i] for i in positions]
        if kind == "sigmoid" and not any(isinstance(node, Gibbs) for node in joins):
            kind = "log-sigmoid"
        yield Pattern(kind, tuple(positions))


FINDERS: tuple[Callable[[View], Iterable[Pattern]], ...] = (operators, attention, residual, recurrent)
"""In this order; a node belongs to the first pattern that claims it, spans aside."""

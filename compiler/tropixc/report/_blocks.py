"""A circuit as a table of blocks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from tropix.circuits import (
    Affine,
    Circuit,
    CircuitBuilder,
    Exactness,
    Gibbs,
    LogSumExp,
    Pointwise,
    Product,
)
from tropixc.passes import FuseAffine, optimize
from tropixc.report._patterns import FINDERS, Pattern, View, empty_rows


def _reading_passes(circuit: Circuit) -> tuple[Any, ...]:
    """Passes that read temperatures off and join neighbours, but leave the network's own structure in place.

    Sums of several nodes stay, as residual connections; where there are products, so do scalings, which are a part of
    attention's temperature.
    """
    fuse = FuseAffine(keep_scales=any(isinstance(node, Product) for node in circuit.nodes), keep_sums=True)
    return ("fold-constants", "absorb-scales", fuse, "pull-shifts", fuse, "absorb-scales", fuse, "drop-unused")


AFFINE = {
    "Conv": "convolution", "ConvTranspose": "transposed convolution", "AveragePool": "average pooling",
    "GlobalAveragePool": "average pooling",
}  # fmt: skip
MAXIMA = {
    "MaxPool": "max pooling", "GlobalMaxPool": "max pooling", "LeakyRelu": "leaky ReLU", "PRelu": "leaky ReLU",
    "Abs": "absolute value", "Min": "minimum", "ReduceMin": "minimum",
}  # fmt: skip


@dataclass(frozen=True)
class Block:
    """One row of the report.

    ``exactness`` is that of the block by itself; ``hamiltonian`` and ``viscosity`` are its Hamilton–Jacobi reading;
    ``temperature`` its ε; ``lipschitz`` an upper bound of each output's Lipschitz constant as a function of what the
    block reads, +∞ where none is known.
    """

    name: str
    kind: str
    size: int
    exactness: Exactness
    hamiltonian: str
    viscosity: float | None
    temperature: float | None
    lipschitz: float
    detail: str
    nodes: tuple[int, ...]


def describe_blocks(circuit: Circuit, operators: Mapping[str, str] | None = None, p: float = 2.0) -> tuple[Block, ...]:
    """The blocks of a circuit in the order of evaluation; ``operators`` as in `ImportedModel.operators`.

    Source of the readings: u_t + |∇u|² = εΔu for log-sum-exp (viscosity ε, 0 for maxima); a residual block is a step of
    the transport equation with H = p·F(x, θ); attention is a Gibbs average at ε = √d_k.
    """
    view = View(optimize(circuit, passes=_reading_passes(circuit)), operators or {})
    return tuple(_block(view, pattern, p) for pattern in _patterns(view))


def _patterns(view: View) -> list[Pattern]:
    """A partition of the nodes into patterns, and the patterns that span others, in the order of their last nodes."""
    taken = {0}
    found: list[Pattern] = []
    for finder in FINDERS:
        for pattern in finder(view):
            if pattern.span:
                found.append(pattern)
            elif not taken.intersection(pattern.nodes):
                taken.update(pattern.nodes)
                found.append(pattern)
    found += _remaining(view, taken)
    return sorted(found, key=lambda pattern: (pattern.nodes[-1], pattern.span))


def _remaining(view: View, taken: set[int]) -> Iterable[Pattern]:
    """Nodes that belong to no larger pattern; a ⊕_ε together with its pieces, where nothing else reads them."""
    for position in range(len(view.circuit.nodes) - 1, 0, -1):
        if position in taken:
            continue
        node = view.circuit.nodes[position]
        taken.add(position)
        members = [position]
        if isinstance(node, LogSumExp | Gibbs):
            own = node.source
            if own not in taken and isinstance(view.circuit.nodes[own], Affine) and view.readers[own] == [position]:
                taken.add(own)
                members.insert(0, own)
        yield Pattern(_named(view, position), tuple(members))


def _named(view: View, position: int) -> str:
    node = view.circuit.nodes[position]
    operator = view.origin(position)[1]
    if isinstance(node, Affine):
        return AFFINE.get(operator, "affine" if node.terms else "constant")
    if isinstance(node, Product):
        return "product"
    if isinstance(node, Pointwise):
        return node.function
    if isinstance(node, Gibbs):
        return "softmax"
    assert isinstance(node, LogSumExp)
    if _with_zero(view, node):
        return "ReLU" if node.eps == 0.0 else "softplus"
    return MAXIMA.get(operator, "maxout") if node.eps == 0.0 else "LSE"


def _with_zero(view: View, node: LogSumExp) -> bool:
    """Whether every segment is a pair whose first piece is 0."""
    source = view.circuit.nodes[node.source]
    if not isinstance(source, Affine) or (node.widths != 2).any():
        return False
    return bool(empty_rows(source)[node.segments[:-1]].all())


def _block(view: View, pattern: Pattern, p: float) -> Block:
    last = pattern.nodes[-1]
    inner = cut_out(view.circuit, pattern.nodes)
    eps = pattern.eps if pattern.eps is not None else _temperature(view, pattern)
    if inner.exactness is Exactness.STRUCTURAL and pattern.kind not in ("attention", "gate"):
        eps = None
    hamiltonian, viscosity = _reading(pattern, inner.exactness, eps)
    return Block(
        name=view.origin(last)[0],
        kind=pattern.kind,
        size=view.circuit.nodes[last].size,
        exactness=inner.exactness,
        hamiltonian=hamiltonian,
        viscosity=viscosity,
        temperature=eps,
        lipschitz=float(inner.lipschitz(p).max()),
        detail=pattern.detail,
        nodes=pattern.nodes,
    )


def _temperature(view: View, pattern: Pattern) -> float | None:
    """The temperature of the one ⊕_ε or Gibbs node of a block."""
    nodes = [view.circuit.nodes[i] for i in pattern.nodes]
    found = {n.eps for n in nodes if isinstance(n, LogSumExp | Gibbs) and (n.widths > 1).any()}
    return found.pop() if len(found) == 1 and not pattern.span else None


def _reading(pattern: Pattern, exactness: Exactness, eps: float | None) -> tuple[str, float | None]:
    """Hamiltonian and viscosity."""
    if pattern.kind.startswith("residual"):
        return "p·F(x, θ)", 0.0
    if pattern.kind == "attention":
        return "Gibbs average", eps
    if eps is None or exactness is Exactness.STRUCTURAL:
        return "", None
    if exactness is Exactness.GRADIENT:
        return "∇ of |p|² solution", eps
    return "|p|²", eps


def cut_out(circuit: Circuit, positions: Iterable[int]) -> Circuit:
    """Some nodes as a circuit of their own: its input is what they read, side by side; its output their last node."""
    chosen = sorted(positions)
    outside = sorted({s for i in chosen for s in circuit.nodes[i].sources if s not in set(chosen)})
    sizes = [circuit.nodes[i].size for i in outside]
    builder = CircuitBuilder(max(sum(sizes), 1))
    place: dict[int, int] = {}
    start = 0
    for position, size in zip(outside, sizes, strict=True):
        if len(outside) == 1:
            place[position] = 0
            break
        identity = sp.eye_array(size, sum(sizes), k=start, format="csr")
        place[position] = builder.affine([(0, identity)], np.zeros(size))
        start += size
    for i in chosen:
        place[i] = builder.add(circuit.nodes[i].reading(place), circuit.names[i])
    return builder.build(place[chosen[-1]])

"""Curvature, monotonicity and exactness of the nodes of a circuit."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

from tropix.arrays import BoolArray
from tropix.circuits._nodes import Affine, Gibbs, Input, LogSumExp, Matrix, Pointwise
from tropix.circuits._pointwise import FUNCTIONS

if TYPE_CHECKING:
    from tropix.circuits._circuit import Circuit


class Curvature(Enum):
    """What is proved about a function of x by the signs of the weights alone."""

    AFFINE = "affine"
    CONVEX = "convex"
    CONCAVE = "concave"
    DIFFERENCE_OF_CONVEX = "difference of convex"
    UNKNOWN = "unknown"


class Exactness(Enum):
    """What a node is in the Hamilton–Jacobi reading.

    ``SOLUTION``: a circuit of ⊕_ε and affine maps. ``GRADIENT``: an affine image of Gibbs weights of one.
    ``STRUCTURAL``: neither; its shape is known, but no exact identity is claimed.
    """

    SOLUTION = "exact solution"
    GRADIENT = "exact gradient"
    STRUCTURAL = "structural"


@dataclass(frozen=True, eq=False)
class CurvatureFlags:
    """Per component: proved convex, proved concave; ``exact``: built of affine and ⊕_ε nodes only."""

    convex: BoolArray
    concave: BoolArray
    exact: bool

    def summary(self) -> Curvature:
        """The strongest statement that holds for every component."""
        if (self.convex & self.concave).all():
            return Curvature.AFFINE
        if self.convex.all():
            return Curvature.CONVEX
        if self.concave.all():
            return Curvature.CONCAVE
        return Curvature.DIFFERENCE_OF_CONVEX if self.exact else Curvature.UNKNOWN


def curvature_flags(circuit: Circuit) -> tuple[CurvatureFlags, ...]:
    """Flags of each node, by composition rules.

    A row Σ a_i v_i is convex if every a_i > 0 meets a convex v_i and every a_i < 0 a concave one. ⊕_ε of convex
    functions is convex; of one function it is that function. exp of a convex function is convex, log and the square
    root of a concave one concave. Gibbs weights and products are taken as neither.
    """
    flags: list[CurvatureFlags] = []
    for node in circuit.nodes:
        if isinstance(node, Input):
            yes = np.ones(node.size, dtype=np.bool_)
            flags.append(CurvatureFlags(yes, yes, True))
        elif isinstance(node, Affine):
            flags.append(_affine_flags(node, flags))
        elif isinstance(node, LogSumExp):
            source = flags[node.source]
            starts = node.segments[:-1]
            convex = np.logical_and.reduceat(source.convex, starts)
            concave = np.logical_and.reduceat(source.concave, starts) & (node.widths == 1)
            flags.append(CurvatureFlags(convex, concave, source.exact))
        elif isinstance(node, Pointwise):
            inner, bend = flags[node.source], FUNCTIONS[node.function].curvature
            never = np.zeros(node.size, dtype=np.bool_)
            flags.append(
                CurvatureFlags(inner.convex if bend > 0 else never, inner.concave if bend < 0 else never, False)
            )
        else:
            constant = np.zeros(node.size, dtype=np.bool_)
            if isinstance(node, Gibbs):
                constant = np.repeat(node.widths == 1, node.widths)
            flags.append(CurvatureFlags(constant, constant, False))
    return tuple(flags)


def _affine_flags(node: Affine, flags: list[CurvatureFlags]) -> CurvatureFlags:
    convex = np.ones(node.size, dtype=np.bool_)
    concave = np.ones(node.size, dtype=np.bool_)
    exact = True
    for term in node.terms:
        source = flags[term.source]
        exact = exact and source.exact
        not_convex, not_concave = ~source.convex, ~source.concave
        convex &= ~_reads(term.matrix, 1, not_convex) & ~_reads(term.matrix, -1, not_concave)
        concave &= ~_reads(term.matrix, 1, not_concave) & ~_reads(term.matrix, -1, not_convex)
    return CurvatureFlags(convex, concave, exact)


def _reads(matrix: Matrix, sign: int, marked: BoolArray) -> BoolArray:
    """For each row, whether it has an entry of the given sign in a marked column."""
    if not marked.any():
        return np.zeros(matrix.shape[0], dtype=np.bool_)
    part = matrix[:, np.flatnonzero(marked)] * sign
    if isinstance(part, np.ndarray):
        return np.asarray((part > 0).any(axis=1))
    return np.asarray((part > 0).sum(axis=1)).ravel() > 0


MAX_DIRECTIONS = 5_000_000
"""Nodes with more pairs of a component and an input have unknown monotonicity."""


@dataclass(frozen=True, eq=False)
class Monotonicity:
    """For each component (row) and input coordinate (column), what is proved: nondecreasing, nonincreasing.

    Both: the component does not depend on that coordinate. Neither: unknown.
    """

    nondecreasing: BoolArray
    nonincreasing: BoolArray


def monotonicities(circuit: Circuit) -> tuple[Monotonicity, ...]:
    """Monotonicity of each node in each input coordinate, (size, d), by composition rules.

    Positive weights, ⊕_ε, exp, erf, log and the square root keep the direction, negative weights turn it; a Gibbs
    weight rises with its own logit and falls with the others of its segment; products and reciprocals are unknown
    unless they are constant.
    """
    width = circuit.input_size
    found: list[Monotonicity] = []
    for node in circuit.nodes:
        if node.size * width > MAX_DIRECTIONS:
            unknown = np.broadcast_to(np.zeros((), dtype=np.bool_), (node.size, width))
            found.append(Monotonicity(unknown, unknown))
        elif isinstance(node, Input):
            same = ~np.eye(width, dtype=np.bool_)
            found.append(Monotonicity(np.ones((width, width), dtype=np.bool_), same))
        elif isinstance(node, Affine):
            found.append(_affine_directions(node, found, width))
        elif isinstance(node, LogSumExp):
            inner, starts = found[node.source], node.segments[:-1]
            up = np.logical_and.reduceat(inner.nondecreasing, starts, axis=0)
            found.append(Monotonicity(up, np.logical_and.reduceat(inner.nonincreasing, starts, axis=0)))
        elif isinstance(node, Gibbs):
            inner = found[node.source]
            found.append(
                Monotonicity(
                    _weight_rises(node, inner.nondecreasing, inner.nonincreasing),
                    _weight_rises(node, inner.nonincreasing, inner.nondecreasing),
                )
            )
        elif isinstance(node, Pointwise) and FUNCTIONS[node.function].monotone:
            found.append(found[node.source])
        else:
            fixed = np.ones((node.size, width), dtype=np.bool_)
            for source in node.sources:
                fixed &= found[source].nondecreasing & found[source].nonincreasing
            found.append(Monotonicity(fixed, fixed))
    return tuple(found)


def _affine_directions(node: Affine, found: list[Monotonicity], width: int) -> Monotonicity:
    up = np.ones((node.size, width), dtype=np.bool_)
    down = np.ones((node.size, width), dtype=np.bool_)
    for term in node.terms:
        source = found[term.source]
        falls = (~source.nondecreasing).astype(np.float32)
        rises = (~source.nonincreasing).astype(np.float32)
        positive = (term.matrix > 0).astype(np.float32)
        negative = (term.matrix < 0).astype(np.float32)
        up &= np.asarray((positive @ falls + negative @ rises) == 0)
        down &= np.asarray((positive @ rises + negative @ falls) == 0)
    return Monotonicity(up, down)


def _weight_rises(node: Gibbs, own: BoolArray, others: BoolArray) -> BoolArray:
    """Components whose own logit has one direction while all other logits of the segment have the opposite one."""
    blocked = (~others).astype(np.int64)
    total = np.add.reduceat(blocked, node.segments[:-1], axis=0)
    free = np.repeat(total, node.widths, axis=0) == blocked
    return np.asarray((own & free) | np.repeat(node.widths == 1, node.widths)[:, None])


def exactness_classes(circuit: Circuit) -> tuple[Exactness, ...]:
    """The class of each node.

    Solutions feed solutions and gradients; a sum of both, and what is nonlinear after a gradient, are structural.
    """
    classes: list[Exactness] = []
    for node in circuit.nodes:
        sources = {classes[source] for source in node.sources}
        if sources <= {Exactness.SOLUTION}:
            if isinstance(node, Input | Affine | LogSumExp):
                classes.append(Exactness.SOLUTION)
            else:
                classes.append(Exactness.GRADIENT if isinstance(node, Gibbs) else Exactness.STRUCTURAL)
        elif isinstance(node, Affine) and sources == {Exactness.GRADIENT}:
            classes.append(Exactness.GRADIENT)
        else:
            classes.append(Exactness.STRUCTURAL)
    return tuple(classes)

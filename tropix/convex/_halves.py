"""Difference-of-convex circuits: their two convex halves, and the convex–concave procedure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from tropix.arrays import FloatArray, points_array
from tropix.circuits import Affine, Circuit, CircuitBuilder, Input
from tropix.circuits import LogSumExp as LogSumExpNode
from tropix.convex._expressions import as_cvxpy
from tropix.errors import InvalidInput, Unsupported


def convex_halves(circuit: Circuit) -> tuple[Circuit, Circuit]:
    """Convex circuits g and h with F = g − h, for any circuit of affine and ⊕_ε nodes, at every temperature.

    Through an affine node A(g − h) = (A⁺g + A⁻h) − (A⁺h + A⁻g), A = A⁺ − A⁻; through ⊕_ε of a segment
    ⊕_j (g_j − h_j) = ⊕_j (g_j − h_j + Σ_k h_k) − Σ_k h_k. What is convex already has h = 0 (as signs of weights show).
    Each ⊕_ε over m entries may multiply the sizes of values by m: the halves of deep networks are steep.

    Raises `Unsupported` for circuits with other nodes.
    Source: Hartman, *On functions representable as a difference of convex functions* (1959).

    >>> builder = CircuitBuilder(1)
    >>> hat = builder.affine([(builder.relu(builder.affine([(0, [[1.0], [1.0]])], [1.0, 0.0])), [[1.0, -2.0]])], [0.0])
    >>> g, h = convex_halves(builder.build(hat))
    >>> (g([[0.5]]) - h([[0.5]])).item(), g.curvature().value, h.curvature().value
    (0.5, 'convex', 'convex')
    """
    builder = CircuitBuilder(circuit.input_size, circuit.names[0])
    halves: list[tuple[int, int | None]] = []
    for position, node in enumerate(circuit.nodes):
        if isinstance(node, Input):
            halves.append((0, None))
        elif isinstance(node, Affine):
            halves.append(_affine(builder, circuit, node, halves))
        elif isinstance(node, LogSumExpNode):
            halves.append(_log_sum_exp(builder, node, halves[node.source]))
        else:
            name = circuit.names[position]
            raise Unsupported(f"node {name!r} ({type(node).__name__}) is no difference of convex functions here")
    g, h = halves[circuit.output]
    if h is None:
        h = builder.affine([], np.zeros(circuit.output_size))
    return builder.build(g), builder.build(h)


def _affine(builder: CircuitBuilder, circuit: Circuit, node: Affine, halves: list[tuple[int, int | None]]) -> Any:
    up: list[tuple[int, Any]] = []
    down: list[tuple[int, Any]] = []
    for term in node.terms:
        g, h = halves[term.source]
        matrix = sp.csr_array(term.matrix)
        positive, negative = matrix.maximum(0), (-matrix).maximum(0)
        flags = circuit.curvature_flags[term.source]
        straight = sp.diags_array((flags.convex & flags.concave).astype(np.float64)).tocsr()
        bent = sp.diags_array((~(flags.convex & flags.concave)).astype(np.float64)).tocsr()
        # affine components keep their signs: their second half is 0
        up.append((g, sp.csr_array(positive @ bent + matrix @ straight)))
        down.append((g, sp.csr_array(negative @ bent)))
        if h is not None:
            up.append((h, negative))
            down.append((h, positive))
    up, down = [(s, m) for s, m in up if m.nnz], [(s, m) for s, m in down if m.nnz]
    first = builder.affine(up, node.bias)
    return first, builder.affine(down, np.zeros(node.size)) if down else None


def _log_sum_exp(builder: CircuitBuilder, node: LogSumExpNode, half: tuple[int, int | None]) -> Any:
    g, h = half
    if h is None:
        return builder.add(LogSumExpNode(g, node.eps, node.segments)), None
    size, count = int(node.segments[-1]), node.size
    owner = np.repeat(np.arange(count), node.widths)
    sums = sp.csr_array((np.ones(size), (owner, np.arange(size))), shape=(count, size))
    lifted = sp.csr_array(sums.T @ sums - sp.eye_array(size))
    lifted.eliminate_zeros()
    terms: list[tuple[int, Any]] = [(g, sp.eye_array(size).tocsr())]
    if lifted.nnz:
        terms.append((h, lifted))
    entries = builder.affine(terms, np.zeros(size))
    joined = builder.add(LogSumExpNode(entries, node.eps, node.segments))
    return joined, builder.affine([(h, sums)], np.zeros(count))


@dataclass(frozen=True, eq=False)
class ConvexConcave:
    """What the procedure found: ``x`` (d,), F(x) after each step in ``values``, and "converged" or "step limit".

    A status of the solver stands there where it did not answer. Values never rise, up to the solver's accuracy.
    """

    x: FloatArray
    values: tuple[float, ...]
    status: str

    @property
    def value(self) -> float:
        """F at x."""
        return self.values[-1]


def convex_concave_procedure(
    circuit: Circuit,
    start: npt.ArrayLike,
    constraints: Callable[[Any], Sequence[Any]] | None = None,
    *,
    steps: int = 50,
    tolerance: float = 1e-8,
    **options: Any,
) -> ConvexConcave:
    """A local minimum of F = g − h: x ← argmin g(x) − ⟨∇h(x_k), x⟩ subject to convex constraints, from ``start`` (d,).

    ``constraints(x)`` maps the cvxpy variable to a list of constraints; ``options`` go to cvxpy's ``solve``. Every step
    is a convex program that lies above F and touches it at x_k, so values fall; the limit is stationary, not global.
    Stops when F falls by less than ``tolerance``·(1 + |F|).

    Raises `InvalidInput` for several outputs; `Unsupported` as `convex_halves` does.
    Source: Yuille and Rangarajan, *The concave-convex procedure* (2003).
    """
    import cvxpy

    if circuit.output_size != 1:
        raise InvalidInput(f"the circuit has {circuit.output_size} outputs: the procedure minimises one")
    x = points_array(start, circuit.input_size)[0][0]
    g, h = convex_halves(circuit)
    variable, slope = cvxpy.Variable(circuit.input_size, name="x"), cvxpy.Parameter(circuit.input_size)
    limits = [] if constraints is None else list(constraints(variable))
    problem = cvxpy.Problem(cvxpy.Minimize(as_cvxpy(g, variable)[0] - slope @ variable), limits)
    values = [float(circuit(x)[0])]
    for _ in range(steps):
        slope.value = h.gradient(x)[0]
        problem.solve(**options)
        if variable.value is None:
            return ConvexConcave(x, tuple(values), str(problem.status))
        x = np.asarray(variable.value, dtype=np.float64)
        values.append(float(circuit(x)[0]))
        if values[-2] - values[-1] <= tolerance * (1 + abs(values[-1])):
            return ConvexConcave(x, tuple(values), "converged")
    return ConvexConcave(x, tuple(values), "step limit")

"""Convex models as cvxpy expressions, for use inside a user's own problem."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tropix.arrays import BoolArray, IntArray
from tropix.circuits import Affine, Circuit, Input
from tropix.circuits import LogSumExp as LogSumExpNode
from tropix.circuits._matrices import dense
from tropix.errors import InvalidInput, Unsupported
from tropix.polynomials import LogSumExp, TropicalPolynomial

AFFINE, CONVEX, CONCAVE = 0, 1, -1


def as_cvxpy(model: LogSumExp | TropicalPolynomial | Circuit, expression: Any) -> Any:
    """The model at an affine cvxpy expression (d,), as a DCP expression: convex where the model is.

    Scalar for `LogSumExp` and `TropicalPolynomial`, (m,) for a circuit with m outputs: affine, convex or concave, all
    outputs alike. Affine maps before and after it may be cvxpy's own. Curvature of circuits is decided by the signs of
    weights, entry by entry, as `Circuit.curvature` does.

    Raises `InvalidInput` for another shape or an expression that is not affine, or f without pieces; `Unsupported` for
    circuits that are neither convex nor concave (see `convex_halves`).
    Source: Grant, Boyd and Ye, *Disciplined convex programming* (2006).

    >>> import cvxpy
    >>> x = cvxpy.Variable(1)
    >>> as_cvxpy(LogSumExp([[0.0], [1.0]], [0.0, 0.0], eps=1.0), 2 * x - 1).curvature
    'CONVEX'
    """
    import cvxpy

    size = model.input_size if isinstance(model, Circuit) else model.dimension
    given = cvxpy.Expression.cast_to_const(expression)
    if given.shape != (size,) or not given.is_affine():
        raise InvalidInput(f"expression has shape {given.shape}, {given.curvature}: expected an affine one, ({size},)")
    if isinstance(model, Circuit):
        return _circuit(model, given)
    lse = model.deform(0.0) if isinstance(model, TropicalPolynomial) else model
    present = np.isfinite(lse.bias)
    if not present.any():
        raise InvalidInput("the model has no piece: it is -inf everywhere, which is no cvxpy expression")
    return _joined(lse.weights[present] @ given + lse.bias[present], lse.eps)


def _joined(logits: Any, eps: float, axis: int | None = None) -> Any:
    import cvxpy

    if eps == 0.0:
        return cvxpy.max(logits, axis=axis)
    return eps * cvxpy.log_sum_exp(logits / eps, axis=axis)


@dataclass(frozen=True, eq=False)
class _Part:
    """The components ``indices`` of a node, all of one curvature."""

    indices: IntArray
    expression: Any
    kind: int


@dataclass(frozen=True, eq=False)
class _Value:
    """A node's value: parts of one curvature each, since cvxpy knows one for a whole vector."""

    size: int
    parts: tuple[_Part, ...]

    def take(self, wanted: IntArray) -> Any:
        """The components ``wanted`` as one vector."""
        import cvxpy

        pieces, order = [], []
        for part in self.parts:
            place = {int(index): i for i, index in enumerate(part.indices)}
            chosen = [n for n, index in enumerate(wanted.tolist()) if index in place]
            if chosen:
                pieces.append(part.expression[[place[int(wanted[n])] for n in chosen]])
                order += chosen
        if not pieces:
            raise Unsupported("a component that the output needs is neither convex nor concave: see convex_halves")
        if len(order) < len(wanted):
            raise Unsupported("a component that the output needs is neither convex nor concave: see convex_halves")
        joined = pieces[0] if len(pieces) == 1 else cvxpy.hstack(pieces)
        back = np.argsort(order)
        return joined if (back == np.arange(len(back))).all() else joined[back.tolist()]


def _circuit(circuit: Circuit, given: Any) -> Any:
    values: list[_Value] = []
    for position, node in enumerate(circuit.nodes):
        flags = circuit.curvature_flags[position]
        kinds = _kinds(flags.convex, flags.concave)
        if isinstance(node, Input):
            values.append(_Value(node.size, (_Part(np.arange(node.size), given, AFFINE),)))
        elif isinstance(node, Affine):
            values.append(_affine(node, values, kinds))
        elif isinstance(node, LogSumExpNode):
            values.append(_log_sum_exp(node, values[node.source], kinds))
        else:
            values.append(_Value(node.size, ()))
    return values[circuit.output].take(np.arange(circuit.output_size))


def _kinds(convex: BoolArray, concave: BoolArray) -> list[tuple[int, IntArray]]:
    """Components by curvature; those of unknown curvature are left out."""
    groups = ((AFFINE, convex & concave), (CONVEX, convex & ~concave), (CONCAVE, concave & ~convex))
    return [(kind, np.flatnonzero(mask)) for kind, mask in groups if mask.any()]


def _affine(node: Affine, values: list[_Value], kinds: list[tuple[int, IntArray]]) -> _Value:
    parts = []
    for kind, rows in kinds:
        total: Any = node.bias[rows]
        for term in node.terms:
            matrix = dense(term.matrix)[rows]
            for part in values[term.source].parts:
                columns = matrix[:, part.indices]
                signs = (columns,) if part.kind == AFFINE else (np.maximum(columns, 0.0), np.minimum(columns, 0.0))
                for block in signs:
                    used = np.flatnonzero(block.any(axis=0))
                    if len(used):
                        source = part.expression if len(used) == len(part.indices) else part.expression[used.tolist()]
                        total = total + block[:, used] @ source
        if isinstance(total, np.ndarray):
            import cvxpy

            total = cvxpy.Constant(total)
        parts.append(_Part(rows, total, kind))
    return _Value(node.size, tuple(parts))


def _log_sum_exp(node: LogSumExpNode, source: _Value, kinds: list[tuple[int, IntArray]]) -> _Value:
    import cvxpy

    parts = []
    for kind, rows in kinds:
        for width in np.unique(node.widths[rows]).tolist():
            chosen = rows[node.widths[rows] == width]
            wanted = (node.segments[chosen][:, None] + np.arange(width)).ravel()
            entries = source.take(wanted)
            if width > 1:
                table = cvxpy.reshape(entries, (len(chosen), width), order="C")
                entries = _joined(table, node.eps, axis=1)
            parts.append(_Part(chosen, entries, kind))
    return _Value(node.size, tuple(parts))

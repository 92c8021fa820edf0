"""The commutative diagram of a model: every edge checked, with both sides computed apart."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tropix.arrays import FloatArray, points_array, real_array
from tropix.boxes import Box, BoxLike
from tropix.circuits import Circuit, CircuitBuilder
from tropix.diagram._network_edges import network_rows
from tropix.diagram._order import Order, orders
from tropix.diagram._rows import Edge, Row, Verdict
from tropix.errors import InvalidInput, Unsupported
from tropix.polynomials import LogSumExp, TropicalPolynomial

Model: TypeAlias = Circuit | LogSumExp | TropicalPolynomial
Progress: TypeAlias = Callable[[int, int], None]

SWEEP = tuple(2.0**-k for k in range(8))
"""The heats of a sweep towards the limit."""


@dataclass(frozen=True, eq=False)
class Diagram:
    """The table of a check: ``rows``, and the measured ``orders`` of convergence where there are heats to compare.

    ``domain`` says in words where the points lie, ``time`` at which t weights were read as sites, ``notes`` what was
    left out of the model.
    """

    rows: tuple[Row, ...]
    orders: tuple[Order, ...]
    domain: str
    points: int
    t: float
    seconds: float
    notes: tuple[str, ...] = field(default=())

    @property
    def violated(self) -> tuple[Row, ...]:
        """The rows that do not hold."""
        return tuple(row for row in self.rows if row.verdict is Verdict.VIOLATED)

    @property
    def holds(self) -> bool:
        """Whether no row is violated."""
        return not self.violated

    def row(self, edge: Edge | str, subject: str | None = None) -> Row:
        """The first row of an edge, and of a subject whose name begins so."""
        for row in self.rows:
            if row.edge == Edge(edge) and (subject is None or row.subject.startswith(subject)):
                return row
        raise InvalidInput(f"no row for {edge!r}" + (f" and {subject!r}" if subject else ""))

    def to_json(self) -> dict[str, Any]:
        """The table as plain data."""
        return {
            "holds": self.holds,
            "domain": self.domain,
            "points": self.points,
            "t": self.t,
            "seconds": self.seconds,
            "notes": list(self.notes),
            "rows": [row.to_json() for row in self.rows],
            "orders": [order.to_json() for order in self.orders],
        }


def check(
    model: Model,
    *,
    heat: float | Sequence[float] = 1.0,
    box: BoxLike | None = None,
    data: npt.ArrayLike | None = None,
    edges: Iterable[Edge | str] | None = None,
    t: float = 1.0,
    points: int = 200,
    seed: int = 0,
    solves: int = 4,
    progress: Progress | None = None,
) -> Diagram:
    """Check the edges of the commutative diagram for a model, at one heat or several.

    ``heat`` s multiplies every temperature: 1 is the trained model, 0 its tropical limit. The sides are compared at the
    rows of ``data``, else at ``points`` points of the ``box``, else at standard normal ones; ``solves`` of them go
    through conic programs. A one-layer output is checked along all edges, with the supremum of its gap where a box of
    few dimensions is given; a deeper one along those that it has, and each of its log-sum-exp layers by itself.
    ``t`` is the time at which weights are read as sites. Rows say `not applicable`, with the reason, where there is
    nothing to check. A softmax at the end is left out: its logits are checked.

    >>> diagram = check(LogSumExp([[0.0], [1.0]], [0.0, 0.0], 1.0), box=(-1, 1), edges=["network-tropical"])
    >>> diagram.rows[0].verdict.value, round(diagram.rows[0].supremum[1], 6)
    ('holds', 0.693147)
    """
    started = time.monotonic()
    circuit, notes = _circuit(model)
    heats = real_array(np.atleast_1d(heat), "heat", 1).tolist()
    if not heats or not all(0 <= s < np.inf for s in heats):
        raise InvalidInput(f"heat {heat}: expected finite numbers >= 0")
    if solves < 1:
        raise InvalidInput(f"solves = {solves}: expected at least one")
    if not 0 < t < np.inf:
        raise InvalidInput(f"t = {t}: the time must be a finite number > 0")
    chosen = _edges(edges)
    where = None if box is None else Box.of(box, circuit.input_size)
    sample, domain = _sample(circuit.input_size, where, data, points, np.random.default_rng(seed))
    rows: list[Row] = []
    for number, s in enumerate(heats):
        rows += network_rows(circuit.heat(s), s, sample, where, t, solves, chosen)
        if progress is not None:
            progress(number + 1, len(heats))
    seconds = time.monotonic() - started
    return Diagram(tuple(rows), tuple(orders(rows)), domain, len(sample), t, seconds, notes)


def _edges(edges: Iterable[Edge | str] | None) -> frozenset[Edge]:
    if edges is None:
        return frozenset(Edge)
    try:
        return frozenset(Edge(edge) for edge in edges)
    except ValueError as error:
        raise InvalidInput(f"{error}: expected some of {', '.join(Edge)}") from None


def _circuit(model: Model) -> tuple[Circuit, tuple[str, ...]]:
    if isinstance(model, Circuit):
        try:
            logits = model.logits()
        except Unsupported:
            return model, ()  # softmax weights inside, which are not classes
        return logits, () if logits is model else ("the softmax at the end is left out: its logits are checked",)
    if isinstance(model, TropicalPolynomial):
        model = LogSumExp(model.exponents, model.coefficients, 0.0)
    if not isinstance(model, LogSumExp):
        raise InvalidInput(f"expected a circuit, a log-sum-exp or a tropical polynomial, found {type(model).__name__}")
    present = np.isfinite(model.bias)
    if not present.any():
        raise InvalidInput("the function is -inf everywhere: there is nothing to check")
    builder = CircuitBuilder(model.dimension)
    pieces = builder.affine([(0, model.weights[present])], model.bias[present], "pieces")
    value = builder.log_sum_exp(pieces, model.eps, np.array([0, int(present.sum())]), "log-sum-exp")
    return builder.build(value), ()


def _sample(
    dimension: int, box: Box | None, data: npt.ArrayLike | None, count: int, rng: np.random.Generator
) -> tuple[FloatArray, str]:
    if data is not None:
        rows, _ = points_array(data, dimension)
        if not len(rows):
            raise InvalidInput("the data has no rows: there is nothing to compare at")
        outside = [] if box is None else box.outside(rows)
        if outside:
            raise InvalidInput(f"row {outside[0]} of the data lies outside the box")
        return rows, f"{len(rows)} rows of data"
    if count < 1:
        raise InvalidInput(f"{count} points: expected at least one")
    if box is not None:
        return box.sample(count, rng), f"{count} points of the box"
    return rng.normal(size=(count, dimension)), f"{count} standard normal points"

"""Pictures of the diagram: its corners for one or two inputs, and gaps against the temperature."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tropix.arrays import FloatArray
from tropix.boxes import Box
from tropix.circuits import Circuit, single_layer
from tropix.diagram._diagram import Diagram
from tropix.diagram._rows import Edge, Verdict
from tropix.errors import InvalidInput, Unsupported
from tropix.pde import HopfCole, HopfLax
from tropix.polynomials import LogSumExp

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GRID = 161
"""Points of a picture along each axis."""
SHOWN = (Edge.LIMIT, Edge.VISCOSITY, Edge.CONJUGATE_LIMIT)
"""Edges whose gap closes with the temperature."""


def plot_corners(f: LogSumExp, box: Box, *, t: float = 1.0, figure: Figure | None = None) -> Figure:
    """The corners f_ε, f_0, u_ε and u_0 of one log-sum-exp of one or two inputs on a bounded box.

    The shocks of u_0, which are the ridges of f_0, are drawn in all of them. Raises `Unsupported` for other dimensions.
    """
    from matplotlib.figure import Figure

    if f.dimension not in (1, 2):
        raise Unsupported(f"the corners of a function of {f.dimension} inputs cannot be drawn: draw a slice")
    if not box.bounded or f.eps == 0.0:
        raise InvalidInput("the corners are drawn on a bounded box and at a temperature above 0")
    viscous, inviscid = HopfCole.from_lse(f, t), HopfLax.from_tropical(f.limit(), t)
    corners: list[tuple[str, Any]] = [
        (f"$f_\\varepsilon$, $\\varepsilon$ = {f.eps:g}", f),
        ("$f_0$", f.limit()),
        (f"$u_\\varepsilon$, t = {t:g}", viscous.value),
        ("$u_0$", inviscid.value),
    ]
    drawn = Figure(figsize=(9, 7), layout="constrained") if figure is None else figure
    axes = drawn.subplots(2, 2, sharex=True, sharey=f.dimension == 2)
    points, shape = _grid(box)
    winners = np.asarray(inviscid.minimiser(points)).reshape(shape)
    at = np.asarray(inviscid.shock_points()).ravel().tolist() if f.dimension == 1 else []
    shocks = [float(s) for s in at if box.lower[0] <= s <= box.upper[0]]
    for ax, (title, function) in zip(axes.ravel(), corners, strict=True):
        _panel(ax, points, np.asarray(function(points)).reshape(shape), winners, shocks, title)
    return drawn


def _grid(box: Box) -> tuple[FloatArray, tuple[int, ...]]:
    axes = [np.linspace(low, high, GRID) for low, high in zip(box.lower, box.upper, strict=True)]
    mesh = np.meshgrid(*axes, indexing="ij")
    return np.column_stack([part.ravel() for part in mesh]), mesh[0].shape


def _panel(ax: Axes, points: FloatArray, values: FloatArray, winners: Any, shocks: Sequence[float], title: str) -> None:
    ax.set_title(title)
    if values.ndim == 1:
        ax.plot(points[:, 0], values, color="tab:blue")
        for shock in shocks:
            ax.axvline(shock, color="tab:red", linewidth=0.8, linestyle="--")
        ax.set_xlabel("x0")
        return
    x, y = points[:, 0].reshape(values.shape), points[:, 1].reshape(values.shape)
    ax.contourf(x, y, values, levels=24, cmap="viridis")
    for site in np.unique(winners):
        ax.contour(x, y, (winners == site).astype(float), levels=[0.5], colors="white", linewidths=0.9)
    ax.set_xlabel("x0")
    ax.set_ylabel("x1")


def plot_gaps(diagram: Diagram, ax: Axes | None = None) -> Axes:
    """Gaps against heat, on logarithmic axes, with their bounds dashed; for diagrams at several heats."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(7, 5), layout="constrained").subplots() if ax is None else ax
    groups: dict[tuple[Edge, str], list[tuple[float, float, float]]] = {}
    for row in diagram.rows:
        if row.edge in SHOWN and row.heat > 0 and row.verdict is not Verdict.NOT_APPLICABLE:
            subject = row.subject.split(", worst ")[0]
            groups.setdefault((row.edge, subject), []).append((row.heat, row.gap, row.bound))
    for number, ((edge, subject), rows) in enumerate(groups.items()):
        heats, gaps, bounds = (np.array(part) for part in zip(*sorted(rows), strict=True))
        colour = f"C{number % 10}"
        marker, size = "os^Dv"[number % 5], 9 - 1.5 * (number % 4)  # lines may lie on one another
        style: dict[str, Any] = {"marker": marker, "markersize": size, "fillstyle": "none"}
        label = f"{edge.value}, {subject}"
        drawn.plot(heats, np.where(gaps > 0, gaps, math.nan), color=colour, label=label, **style)
        drawn.plot(heats, np.where(bounds > 0, bounds, math.nan), "--", color=colour)
    drawn.set_xscale("log")
    drawn.set_yscale("log")
    drawn.set_xlabel("heat: temperatures over those of the trained model")
    drawn.set_ylabel("gap (dashed: certified bound)")
    if groups:
        drawn.legend(fontsize="small")
    return drawn


def check_drawable(circuit: Circuit, heats: Sequence[float]) -> None:
    """Raise `Unsupported` or `InvalidInput` where :func:`figure_bytes` would have nothing to draw at these heats."""
    warm = [heat for heat in heats if heat > 0]
    if not warm:
        raise InvalidInput("at heat 0 there is nothing to draw: give a heat above 0, or several for the gaps")
    if len(warm) > 1:
        return
    if circuit.input_size > 2:
        raise Unsupported(
            f"the corners of a function of {circuit.input_size} inputs cannot be drawn: give several heats for the gaps"
        )
    if single_layer(circuit.logits()).eps == 0.0:
        raise Unsupported("a function of temperature 0 has no smooth corners to draw")


def figure_bytes(circuit: Circuit, diagram: Diagram, box: Box | None, form: str, *, t: float = 1.0) -> bytes:
    """What can be drawn of a check, as a file: gaps where there are several heats, else the corners of output 0.

    Raises `Unsupported` where there is one heat and the output is no log-sum-exp of one or two inputs.
    """
    from matplotlib.figure import Figure

    heats = sorted({row.heat for row in diagram.rows if row.heat > 0})
    check_drawable(circuit, heats)
    if len(heats) > 1:
        figure = Figure(figsize=(7, 5), layout="constrained")
        plot_gaps(diagram, figure.subplots())
    else:
        where = Box.of((-2.0, 2.0), circuit.input_size) if box is None else box
        figure = plot_corners(single_layer(circuit.logits().heat(heats[0])), where, t=t)
    stream = io.BytesIO()
    figure.savefig(stream, format=form, dpi=150)
    return stream.getvalue()

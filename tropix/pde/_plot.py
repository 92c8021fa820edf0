"""Pictures of solutions and their shocks in one and two dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tropix.arrays import FloatArray
from tropix.boxes import Box, BoxLike
from tropix.errors import InvalidInput, Unsupported
from tropix.pde._hopf_cole import HopfCole
from tropix.pde._hopf_lax import HopfLax

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOCK = "crimson"


def plot_solution(solution: HopfCole | HopfLax, box: BoxLike, ax: Axes | None, pixels: int) -> Axes:
    """See `HopfCole.plot` and `HopfLax.plot`."""
    if solution.dimension not in (1, 2):
        raise Unsupported(f"a solution in {solution.dimension} dimensions cannot be drawn: one or two can")
    window = Box.of(box, solution.dimension)
    if not window.bounded or (window.lower == window.upper).any():
        raise InvalidInput("a picture needs a bounded box with an interior")
    if not len(solution._present[1]):
        raise InvalidInput("without present sites u is +inf: there is nothing to draw")
    if ax is None:
        from matplotlib.figure import Figure

        ax = Figure(figsize=(7, 5), layout="constrained").subplots()
    (_draw_line if solution.dimension == 1 else _draw_plane)(solution, window, ax, pixels)
    ax.set_xlim(window.lower[0], window.upper[0])
    ax.set_xlabel("x0")
    return ax


def _inviscid(solution: HopfCole | HopfLax) -> HopfLax:
    return solution if isinstance(solution, HopfLax) else solution.limit()


def _draw_line(solution: HopfCole | HopfLax, box: Box, ax: Axes, pixels: int) -> None:
    x = np.linspace(box.lower[0], box.upper[0], pixels)
    name = "u" if isinstance(solution, HopfLax) else f"u, eps = {solution.eps:g}"
    ax.plot(x, solution.value(x[:, None]), color="0.15", linewidth=1.8, label=name)
    shocks = np.array([float(point) for point in _inviscid(solution).shock_points()])
    shocks = shocks[(shocks >= box.lower[0]) & (shocks <= box.upper[0])]
    for shock in shocks:
        ax.axvline(shock, color=SHOCK, linewidth=0.8, linestyle=":")
    ax.plot(shocks, solution.value(shocks[:, None]), "o", color=SHOCK, markersize=4, label="shocks")
    ax.set_ylabel(f"u at t = {solution.t:g}")
    ax.legend(frameon=False)


def _draw_plane(solution: HopfCole | HopfLax, box: Box, ax: Axes, pixels: int) -> None:
    from matplotlib.collections import LineCollection

    axes = [np.linspace(box.lower[i], box.upper[i], pixels) for i in range(2)]
    first, second = np.meshgrid(*axes)
    points = np.column_stack([first.ravel(), second.ravel()])
    values = solution.value(points).reshape(pixels, pixels)
    ax.contourf(first, second, values, levels=24, cmap="Blues", alpha=0.8)
    ax.contour(first, second, values, levels=24, colors="0.25", linewidths=0.3)
    ax.add_collection(LineCollection(list(shock_segments(_inviscid(solution), box)), colors=SHOCK, linewidths=1.4))
    ax.set_ylim(box.lower[1], box.upper[1])
    ax.set_ylabel("x1")
    ax.set_aspect("equal", adjustable="box")


def shock_segments(solution: HopfLax, box: Box) -> FloatArray:
    """The parts of the shock curve as segments (k, 2, 2); what is unbounded is cut far outside of the box."""
    curve = solution.shock_curve()
    vertices = np.array([[float(x) for x in vertex] for vertex in curve.vertices]).reshape(-1, 2)
    centre, size = (box.lower + box.upper) / 2, float(np.linalg.norm(box.upper - box.lower))

    def far(start: FloatArray, direction: tuple[int, ...], sign: int) -> FloatArray:
        step = np.array([float(v) / max(map(abs, direction)) for v in direction])
        return np.asarray(start + sign * (size + float(np.linalg.norm(start - centre))) * step)

    segments = [vertices[list(edge.ends)] for edge in curve.edges]
    segments += [np.array([vertices[ray.start], far(vertices[ray.start], ray.direction, 1)]) for ray in curve.rays]
    for line in curve.lines:
        point = np.array([float(x) for x in line.point])
        segments.append(np.array([far(point, line.direction, -1), far(point, line.direction, 1)]))
    return np.array(segments).reshape(-1, 2, 2)

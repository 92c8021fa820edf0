"""The curve of a data set: how accuracy falls with the radius."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tropix.arrays import FloatArray
from tropix.errors import InvalidInput

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from tropix.certify._summary import Summary

CERTIFIED, ATTACKED = "#1b6ca8", "#f2b5a0"
LEAST_AREA = 1e-3
"""Share of the picture below which the area between both curves is not shown."""


def plot_summary(summary: Summary, ax: Axes | None = None, *, most: float | None = None) -> Axes:
    """Certified accuracy and accuracy under attack over the radius, up to ``most``; the truth lies between them.

    Both are step functions, drawn at every radius at which they change. Lines mark the ``radii`` of the summary.
    Raises `InvalidInput` where there is no point.
    """
    if not len(summary):
        raise InvalidInput("there is no point to draw")
    if ax is None:
        from matplotlib.figure import Figure

        ax = Figure(figsize=(6.5, 4), layout="constrained").subplots()
    end = _end(summary) if most is None else float(most)
    curves = (("no counterexample found", ATTACKED, 4.0, summary.upper), ("certified", CERTIFIED, 1.4, summary.lower))
    drawn = []
    for name, colour, width, distances in curves:  # the first one stays visible behind the second
        radii, shares = steps(np.where(summary.right, distances, -np.inf), end)
        ax.step(radii, shares, where="post", color=colour, linewidth=width, label=name)
        drawn.append((radii, shares))
    grid = np.unique(np.concatenate([radii for radii, _ in drawn]))
    above, below = (shares[np.searchsorted(radii, grid, side="right") - 1] for radii, shares in drawn)
    if np.diff(grid) @ (above - below)[:-1] > LEAST_AREA * end:
        ax.fill_between(grid, below, above, step="post", color="0.88", linewidth=0, zorder=0, label="not decided")
    for radius in summary.radii:
        if radius <= end:
            ax.axvline(radius, color="0.6", linewidth=0.8, linestyle=":", zorder=0)
    ax.set_xlim(0.0, end)
    ax.set_ylim(0.0, 1.02)
    ax.set_xlabel("radius")
    ax.set_ylabel("accuracy")
    ax.legend(frameon=False, fontsize="small")
    return ax


def steps(distances: FloatArray, end: float) -> tuple[FloatArray, FloatArray]:
    """The share of distances above r as a step function on [0, end]: where it changes, and its value from there on."""
    inner = np.unique(distances[(distances > 0) & (distances < end)])
    radii = np.concatenate([[0.0], inner, [end]])
    ordered = np.sort(distances)
    shares = 1.0 - np.searchsorted(ordered, radii, side="right") / len(ordered)
    return radii, shares


def _end(summary: Summary) -> float:
    """A radius at which both have become small, and all radii that were asked about."""
    finite = [d[summary.right & np.isfinite(d) & (d < 1e12)] for d in (summary.lower, summary.upper)]
    ends = [float(np.quantile(d, 0.99)) for d in finite if len(d)]
    return 1.05 * max([*ends, *summary.radii], default=1.0) or 1.0

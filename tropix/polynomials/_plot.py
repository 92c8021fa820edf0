"""Pictures of tropical polynomials and rational functions in one and two variables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tropix.arrays import FloatArray, IntArray
from tropix.boxes import Box
from tropix.errors import InvalidInput, Unsupported
from tropix.polynomials._rational import TropicalRational

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from tropix.polynomials._tropical import TropicalPolynomial

GOLDEN = 0.6180339887498949


def plot(function: TropicalPolynomial | TropicalRational, box: Box, ax: Axes | None, pixels: int) -> Axes:
    """See `TropicalPolynomial.plot` and `TropicalRational.plot`."""
    if function.dimension not in (1, 2):
        raise Unsupported(f"a function of {function.dimension} variables cannot be drawn: one or two can")
    if not box.bounded or (box.lower == box.upper).any():
        raise InvalidInput("a picture needs a bounded box with an interior")
    if ax is None:
        from matplotlib.figure import Figure

        ax = Figure(figsize=(7, 5), layout="constrained").subplots()
    if function.dimension == 1:
        _plot_line(function, box, ax, pixels)
    else:
        _plot_plane(function, box, ax, pixels)
    return ax


def pastels(count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Pastels whose hues differ between consecutive monomials."""
    from matplotlib.colors import hsv_to_rgb

    index = np.arange(max(count, 1))
    hue = (index * GOLDEN) % 1.0
    return np.asarray(hsv_to_rgb(np.column_stack([hue, 0.25 + 0.2 * (index % 2), 0.97 - 0.07 * (index % 3)])))


def _pieces(function: TropicalPolynomial | TropicalRational, points: FloatArray) -> tuple[IntArray, int]:
    """A number for the monomials that are largest at each point, and how many such numbers there are."""
    if not isinstance(function, TropicalRational):
        return function.active(points), len(function)
    pairs, pieces = np.unique(function.active(points), axis=0, return_inverse=True)
    return np.asarray(pieces, dtype=np.int64).ravel(), len(pairs)


def _plot_line(function: TropicalPolynomial | TropicalRational, box: Box, ax: Axes, pixels: int) -> None:
    x = np.linspace(box.lower[0], box.upper[0], pixels)[:, None]
    values = function(x)
    pieces, count = _pieces(function, x)
    cuts = np.flatnonzero(np.diff(pieces)) + 1
    colours = pastels(count) * 0.75
    for part in np.split(np.arange(pixels), cuts):
        reach = slice(part[0], min(part[-1] + 2, pixels))
        ax.plot(x[reach, 0], values[reach], color=tuple(colours[pieces[part[0]]]), linewidth=2)
    ax.plot(x[cuts, 0], values[cuts], "k.", markersize=5)
    ax.set_xlabel("x0")


def _plot_plane(function: TropicalPolynomial | TropicalRational, box: Box, ax: Axes, pixels: int) -> None:
    axes = [np.linspace(box.lower[i], box.upper[i], pixels) for i in range(2)]
    first, second = np.meshgrid(*axes)
    points = np.column_stack([first.ravel(), second.ravel()])
    numbers, count = _pieces(function, points)
    pieces = numbers.reshape(pixels, pixels)
    values = function(points).reshape(pixels, pixels)
    shock = np.zeros_like(pieces, dtype=np.bool_)
    shock[:, 1:] |= pieces[:, 1:] != pieces[:, :-1]
    shock[1:] |= pieces[1:] != pieces[:-1]
    image = np.where(shock[..., None], 0.35, pastels(count)[pieces])
    extent = (box.lower[0], box.upper[0], box.lower[1], box.upper[1])
    ax.imshow(image, origin="lower", extent=extent, aspect="auto", interpolation="antialiased")
    if count and values.min() < values.max():
        ax.contour(first, second, values, levels=12, colors="black", linewidths=0.4, alpha=0.5)
    ax.set_xlabel("x0")
    ax.set_ylabel("x1")

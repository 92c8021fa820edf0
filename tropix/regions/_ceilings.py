"""How many regions a network of a given shape can have: bounds from the literature, as integers.

The upper bounds hold for the activation cells of any network of that shape, on all of ℝ^d or a convex part of it; the
lower bound is one of the maximum over such networks, not of each of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import comb, prod

import numpy as np

from tropix.arrays import BoolArray
from tropix.errors import InvalidInput
from tropix.regions._tape import AffineStep, Function, MaxStep, Tape


def zaslavsky(hyperplanes: int, dimension: int, *, central: bool = False) -> int:
    """The largest number of regions of n hyperplanes in ℝ^d: Σ_{i≤d} C(n, i); 2 Σ_{i<d} C(n−1, i) if all meet in 0.

    Attained in general position, in particular by one layer of n ReLUs with, or without, biases (Zaslavsky 1975).

    >>> zaslavsky(8, 2), zaslavsky(6, 2, central=True)
    (37, 12)
    """
    _check("hyperplanes", hyperplanes, 0)
    _check("dimension", dimension, 1)
    if central and hyperplanes:
        return 2 * sum(comb(hyperplanes - 1, i) for i in range(dimension))
    return sum(comb(hyperplanes, i) for i in range(dimension + 1))


def maxout_layer(ranks: Sequence[int], dimension: int) -> int:
    """The largest number of cells of one layer of maxima over k_1, …, k_n affine forms in ℝ^d.

    Σ over sets S of at most d units of Π_{i∈S} (k_i − 1): the upper vertices of a Minkowski sum of n polytopes in
    ℝ^{d+1}, attained (Montúfar, Ren, Zhang 2022, *Sharp bounds for the number of regions of maxout networks and
    vertices of Minkowski sums*). With all k_i = 2 it is Zaslavsky's number.

    >>> maxout_layer([3, 3], 2), maxout_layer([3, 3], 1)
    (9, 5)
    """
    _check("dimension", dimension, 0)
    sums = [1] + [0] * dimension
    for rank, count in Counter(ranks).items():
        _check("a rank", rank, 1)
        own = [comb(count, j) * (rank - 1) ** j for j in range(min(count, dimension) + 1)]
        sums = [sum(own[j] * sums[i - j] for j in range(min(i + 1, len(own)))) for i in range(dimension + 1)]
    return int(sum(sums))


def montufar_lower(inputs: int, widths: Sequence[int]) -> int:
    """A number of affine regions that some ReLU network with these layers has on ℝ^d.

    The largest over 1 ≤ m ≤ d of Π_{l<L} ⌊n_l/m⌋^m · Σ_{j≤m} C(n_L, j): Montúfar, Pascanu, Cho, Bengio 2014,
    Theorem 5 (stated for m = d ≤ n_l), for networks that read m of their inputs.

    >>> montufar_lower(2, [4, 4])
    44
    """
    _check_layers(inputs, widths)
    if not widths:
        return 1
    found: list[int] = [
        prod((n // m) ** m for n in widths[:-1]) * sum(comb(widths[-1], j) for j in range(m + 1))
        for m in range(1, inputs + 1)
    ]
    return max(found)


def serra_upper(inputs: int, widths: Sequence[int]) -> int:
    """A bound of the number of activation cells of a ReLU network: Serra, Tjandraatmadja, Ramalingam 2018, Theorem 1.

    Σ Π_l C(n_l, j_l) over all j with 0 ≤ j_l ≤ min(d, n_1 − j_1, …, n_{l−1} − j_{l−1}, n_l), summed layer by layer over
    the dimension that is left.

    >>> serra_upper(2, [4, 4]), serra_upper(1, [3, 3])
    (121, 16)
    """
    _check_layers(inputs, widths)
    return _recursion(inputs, [Layer(n, n, (2,) * n, True) for n in widths])


@dataclass(frozen=True)
class Layer:
    """A layer of ``size`` values, ``cutting`` of which are maxima over more than one entry: over ``ranks`` entries.

    ``rectifying``: each of them is the larger of an affine form and a constant, as in ReLU.
    """

    size: int
    cutting: int
    ranks: tuple[int, ...]
    rectifying: bool


@dataclass(frozen=True)
class Ceilings:
    """Bounds beside a count. ``upper`` bounds the activation cells; ``attained`` says that some network has as many.

    ``lower`` is a number of affine regions that some network of the same shape has, None where no theorem is known.
    Where the function is no plain chain of layers both are None, and ``reason`` says why.
    """

    inputs: int
    layers: tuple[Layer, ...]
    upper: int | None
    upper_source: str
    attained: bool
    lower: int | None
    lower_source: str
    reason: str


def ceilings(function: Function | Tape) -> Ceilings:
    """Read the layers of a function and bound its number of regions; raises what `Tape.of` raises.

    One layer: `zaslavsky` or `maxout_layer`, exact maxima. Several ReLU layers: `serra_upper`. Layers with other
    maxima: the product of the layers' own bounds, each in the smallest dimension before it.
    """
    tape = function if isinstance(function, Tape) else Tape.of(function)
    reason = _why_no_chain(tape)
    if reason:
        return Ceilings(tape.inputs, (), None, "", False, None, "", reason)
    dimensions, layers, central = _layers(tape)
    upper, source, attained = _upper(dimensions, layers, central)
    lower = None
    widths = [layer.size for layer in layers]
    plain = all(layer.rectifying and layer.cutting == layer.size for layer in layers)
    # an affine map between two layers narrows nothing if it is as wide as one of them
    wide = all(d >= min(pair) for d, pair in zip(dimensions, pairwise([tape.inputs, *widths]), strict=True))
    if plain and wide and not central:
        lower = montufar_lower(tape.inputs, widths)
    cited = "" if lower is None else "Montúfar, Pascanu, Cho, Bengio 2014"
    return Ceilings(tape.inputs, tuple(layers), upper, source, attained, lower, cited, "")


def _upper(dimensions: list[int], layers: list[Layer], central: bool) -> tuple[int, str, bool]:
    if not layers:
        return 1, "no maxima", True
    if len(layers) == 1:
        dimension, layer = dimensions[0], layers[0]
        if set(layer.ranks) == {2}:
            return zaslavsky(layer.cutting, dimension, central=central), "Zaslavsky 1975", True
        return maxout_layer(layer.ranks, dimension), "Montúfar, Ren, Zhang 2022", not central
    if all(layer.rectifying for layer in layers):
        return _recursion(dimensions[0], layers, dimensions), "Serra, Tjandraatmadja, Ramalingam 2018", False
    bound = prod(maxout_layer(layer.ranks, least) for layer, least in zip(layers, _least(dimensions), strict=True))
    return bound, "Montúfar, Ren, Zhang 2022, layer by layer", False


def _least(dimensions: list[int]) -> list[int]:
    return [min(dimensions[: i + 1]) for i in range(len(dimensions))]


def _recursion(inputs: int, layers: Sequence[Layer], dimensions: Sequence[int] | None = None) -> int:
    """Σ_j C(n_l, j) R_{l+1}(min(d, size − j)) from the last layer on; ``dimensions`` bound what each layer reads."""
    known = [1] * (inputs + 1)
    for i in range(len(layers) - 1, -1, -1):
        layer = layers[i]
        widest = inputs if dimensions is None else min(inputs, dimensions[i])
        found = []
        for d in range(inputs + 1):
            left = min(d, widest)
            most = min(layer.cutting, left)
            found.append(sum(comb(layer.cutting, j) * known[min(left, layer.size - j)] for j in range(most + 1)))
        known = found
    return known[inputs]


def _why_no_chain(tape: Tape) -> str:
    for block, step in enumerate(tape.steps, 1):
        sources = step.sources if isinstance(step, AffineStep) else (step.source,)
        if set(sources) != {block - 1}:
            read = ", ".join(repr(tape.names[source]) for source in sorted(set(sources))) or "nothing"
            return f"{tape.names[block]!r} reads {read}: bounds are known for plain chains of layers"
    return ""


def _layers(tape: Tape) -> tuple[list[int], list[Layer], bool]:
    """The smallest dimension between each layer and the one before it, the layers, and whether all ties meet in 0."""
    dimensions, layers, central = [], [], True
    least = tape.inputs
    constant = np.zeros(tape.inputs, dtype=np.bool_)
    for step in tape.steps:
        if isinstance(step, AffineStep):
            central = central and not (step.bias if step.exact is None else step.exact[1].numerators).any()
            constant = _constant_rows(step, constant)
        elif (widths := np.diff(step.segments)).max() > 1:
            ranks = tuple(int(width) for width in widths[widths > 1])
            dimensions.append(least)
            layers.append(Layer(step.size, len(ranks), ranks, _rectifying(step, constant)))
            constant = np.logical_and.reduceat(constant, step.segments[:-1])
            least = step.size
            continue
        least = min(least, step.size)
    return dimensions, layers, central


def _constant_rows(step: AffineStep, constant: BoolArray) -> BoolArray:
    """Which values do not depend on the input, for all that the zeros of the matrices tell."""
    moving = np.zeros(step.size)
    for matrix in step.matrices:
        moving += abs(matrix) @ (~constant).astype(np.float64)
    return np.asarray(moving == 0.0)


def _rectifying(step: MaxStep, constant: BoolArray) -> bool:
    widths = np.diff(step.segments)
    some = np.logical_or.reduceat(constant, step.segments[:-1])
    return bool((widths <= 2).all() and some[widths == 2].all())


def _check(name: str, value: int, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise InvalidInput(f"{name}: expected an integer >= {least}, found {value!r}")


def _check_layers(inputs: int, widths: Sequence[int]) -> None:
    _check("inputs", inputs, 1)
    for width in widths:
        _check("a width", width, 1)

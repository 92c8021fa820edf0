"""Random piecewise-linear circuits of many shapes, with and without ties, for the tests of linear regions."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import scipy.sparse as sp

from tropix import Circuit
from tropix.circuits import CircuitBuilder, LogSumExp, uniform_segments


def tangled(seed: int, inputs: int | None = None, size: int = 4) -> Circuit:
    """Affine maps and maxima in any order: skip connections, repeated sources, unequal segments, few distinct weights.

    Half of them have weights in {−1, 0, 1}, so that ties and equal functions abound.
    """
    rng = np.random.default_rng(seed)
    builder = CircuitBuilder(inputs or int(rng.integers(1, 5)))
    small = bool(rng.integers(2))

    def numbers(*shape: int) -> np.ndarray:
        return rng.integers(-1, 2, size=shape).astype(float) if small else rng.normal(size=shape)

    nodes = [0]
    for _ in range(int(rng.integers(2, 9))):
        a = int(rng.choice(nodes[-3:]))
        match int(rng.integers(4)):
            case 0 | 1:
                sources = [a, *(int(rng.choice(nodes)) for _ in range(int(rng.integers(0, 3))))]
                terms = [(s, numbers(size, builder.size(s))) for s in sources]
                node = builder.affine([(s, sp.csr_array(m) if rng.integers(2) else m) for s, m in terms], numbers(size))
            case 2:
                node = builder.pairs_with_zero(a, 0.0, float(rng.choice([0.0, 0.25])))
            case _:
                cuts = np.flatnonzero(rng.random(builder.size(a) - 1) < 0.4) + 1
                node = builder.add(LogSumExp(a, 0.0, np.array([0, *cuts, builder.size(a)], dtype=np.int64)))
        nodes.append(node)
    return builder.build(nodes[-1])


def layers(weights: list[np.ndarray], biases: list[np.ndarray]) -> Circuit:
    """A ReLU network; no ReLU behind the last layer."""
    builder = CircuitBuilder(weights[0].shape[1])
    node = 0
    for i, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        if i:
            node = builder.pairs_with_zero(node, 0.0)
        node = builder.affine([(node, np.asarray(weight, dtype=float))], np.asarray(bias, dtype=float))
    return builder.build(node)


def relu_network(seed: int, *widths: int) -> Circuit:
    """A ReLU network with random weights."""
    rng = np.random.default_rng(seed)
    pairs = list(pairwise(widths))
    return layers([rng.normal(size=(n, m)) / np.sqrt(m) for m, n in pairs], [rng.normal(size=n) / 2 for _, n in pairs])


def ill_conditioned(seed: int, inputs: int = 2, width: int = 6) -> Circuit:
    """Two ReLU layers of small integers that differ in their last bits, over many orders of magnitude: near ties."""
    rng = np.random.default_rng(seed)
    spread = int(rng.choice([0, 4, 12, 40]))

    def numbers(*shape: int) -> np.ndarray:
        off = 1.0 + rng.integers(-2, 3, size=shape) * 2.0 ** -int(rng.integers(45, 53))
        return rng.integers(-2, 3, size=shape) * off * 10.0 ** rng.integers(-spread, spread + 1, size=shape)

    sizes = [(width, inputs), (width, width), (2, width)]
    return layers([numbers(*size) for size in sizes], [numbers(size[0]) for size in sizes])


def sawtooth(times: int) -> Circuit:
    """G∘…∘g, g(x) = 2r(x) − 4r(x − ½): 2^times pieces on [0, 1]."""
    first, inner = np.array([[1.0], [1.0]]), np.array([[2.0, -4.0], [2.0, -4.0]])
    weights = [first, *[inner] * (times - 1), np.array([[2.0, -4.0]])]
    return layers(weights, [*[np.array([0.0, -0.5])] * times, np.zeros(1)])


def maximum_of(*rows: list[float]) -> Circuit:
    """The largest of affine forms (w, b)."""
    table = np.array(rows, dtype=float)
    builder = CircuitBuilder(table.shape[1] - 1)
    forms = builder.affine([(0, table[:, :-1])], table[:, -1])
    return builder.build(builder.log_sum_exp(forms, 0.0, uniform_segments(1, len(table))))


def median_of_three() -> Circuit:
    """The middle one of three inputs: the largest of the pairwise minima."""
    builder = CircuitBuilder(3)
    pairs = -np.eye(3)[[0, 1, 0, 2, 1, 2]]
    negative = builder.log_sum_exp(builder.affine([(0, pairs)], np.zeros(6)), 0.0, uniform_segments(3, 2))
    minima = builder.affine([(negative, -np.eye(3))], np.zeros(3))
    return builder.build(builder.log_sum_exp(minima, 0.0, uniform_segments(1, 3)))

"""Random circuits in which every node kind occurs, for the tests."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from tropix import Circuit
from tropix.circuits import (
    Affine,
    CircuitBuilder,
    Gibbs,
    Input,
    LogSumExp,
    Pointwise,
    Product,
    Term,
    uniform_segments,
)

FUNCTIONS = ("erf", "exp", "log", "reciprocal", "sqrt")


def everything(seed: int) -> Circuit:
    """A random circuit in which every node kind occurs; arguments of log, sqrt and reciprocal stay positive."""
    rng = np.random.default_rng(seed)
    builder = CircuitBuilder(2)
    nodes = [0]
    for _ in range(int(rng.integers(2, 8))):
        a, b = (int(rng.choice(nodes)) for _ in range(2))
        size = builder.size(a)
        match int(rng.integers(6)):
            case 0:
                terms = [(a, rng.normal(size=(3, size))), (b, 0.3 * rng.normal(size=(3, builder.size(b))))]
                node = builder.affine(terms, rng.normal(size=3))
            case 1:
                node = builder.pairs_with_zero(a, float(rng.choice([0.0, 0.5])), 0.25)
            case 2:
                node = builder.log_sum_exp(a, float(rng.choice([0.0, 0.7])), uniform_segments(1, size))
            case 3:
                node = builder.add(Gibbs(a, float(rng.choice([0.5, 2.0])), uniform_segments(1, size)))
            case 4:
                other = builder.affine([(b, rng.normal(size=(size, builder.size(b))))], np.zeros(size))
                node = builder.add(Product(a, other, size))
            case _:
                weights = builder.add(Gibbs(a, 1.0, uniform_segments(1, size)))
                positive = builder.affine([(weights, np.eye(size))], np.full(size, 0.5))
                node = builder.add(Pointwise(positive, str(rng.choice(FUNCTIONS)), size))  # type: ignore[arg-type]
        nodes.append(node)
    return builder.build(nodes[-1])


def assorted(seed: int) -> Circuit:
    """Like `everything`, with more shapes: sparse matrices, unequal segments, constants, nodes that nothing reads.

    Any number of inputs from 1 to 4, sources that occur twice in a sum, Gibbs weights at ε = 0.
    """
    rng = np.random.default_rng(seed)
    builder = CircuitBuilder(int(rng.integers(1, 5)))
    nodes = [0]
    for _ in range(int(rng.integers(0, 9))):
        a = int(rng.choice(nodes))
        size = builder.size(a)
        match int(rng.integers(7)):
            case 0 | 1:
                rows = int(rng.integers(1, 7))
                sources = [int(rng.choice(nodes)) for _ in range(int(rng.integers(0, 4)))]
                terms = [(source, _matrix(rng, rows, builder.size(source))) for source in sources]
                node = builder.affine(terms, rng.normal(size=rows) * rng.integers(0, 2, size=rows))
            case 2:
                node = builder.log_sum_exp(a, float(rng.choice([0.0, 0.1, 3.0])), _segments(rng, size))
            case 3:
                node = builder.add(Gibbs(a, float(rng.choice([0.0, 0.5, 2.0])), _segments(rng, size)))
            case 4:
                node = builder.pairs_with_zero(a, float(rng.choice([0.0, 0.5])))
            case 5:
                node = builder.add(Product(a, a, size))
            case _:
                weights = builder.add(Gibbs(a, 1.0, _segments(rng, size)))
                positive = builder.affine([(weights, sp.eye_array(size, format="csr"))], np.full(size, 0.5))
                node = builder.add(Pointwise(positive, str(rng.choice(FUNCTIONS)), size))  # type: ignore[arg-type]
        nodes.append(node)
    whole = Circuit(tuple(builder.node(i) for i in range(nodes[-1] + 1)), nodes[-1])
    return whole if rng.integers(2) else builder.build(nodes[-1])


def _matrix(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray | sp.csr_array:
    dense = rng.normal(size=(rows, columns))
    if rng.integers(2):
        return dense
    return sp.csr_array(np.where(rng.random(size=dense.shape) < 0.5, np.round(dense), 0.0))


def _segments(rng: np.random.Generator, size: int) -> np.ndarray:
    inner = np.flatnonzero(rng.random(size - 1) < 0.5) + 1
    return np.array([0, *inner, size], dtype=np.int64)


def degenerate() -> dict[str, Circuit]:
    """Circuits at the edges of what is allowed, by name."""
    one, two = Input(1), Input(2)
    rows = np.arange(3, dtype=np.int64)
    return {
        "the input": Circuit((two,), 0),
        "one input": Circuit((one,), 0),
        "the input, with a node behind it": Circuit((one, Affine((), np.ones(2))), 0),
        "a constant": Circuit((two, Affine((), np.array([1.5, -2.0, 0.0]))), 1),
        "zero": Circuit((two, Affine((), np.zeros(1))), 1),
        "no matrix entry": Circuit((two, Affine((Term(0, sp.csr_array((3, 2))),), np.ones(3))), 1),
        "a maximum of single entries": Circuit((two, LogSumExp(0, 0.0, rows)), 1),
        "log-sum-exp of single entries": Circuit((two, LogSumExp(0, 0.5, rows)), 1),
        "weights of single entries": Circuit((two, Gibbs(0, 0.5, rows), Gibbs(0, 0.0, rows), Product(1, 2, 2)), 3),
        "a tiny temperature": Circuit((two, LogSumExp(0, 1e-30, uniform_segments(1, 2))), 1),
        "weights at a tiny temperature": Circuit((two, Gibbs(0, 1e-30, uniform_segments(1, 2))), 1),
        "a square": Circuit((one, Product(0, 0, 1)), 1),
        "one name for all": Circuit((one, Product(0, 0, 1), Product(1, 0, 1)), 2, ("x", "x", "x")),
    }


def wide_and_sparse(seed: int, size: int = 300) -> Circuit:
    """Sparse matrices too large to be written dense: a permutation, and a band with one full row and empty ones."""
    rng = np.random.default_rng(seed)
    builder = CircuitBuilder(size)
    permutation = sp.eye_array(size, format="csr")[rng.permutation(size)]
    moved = builder.affine([(0, permutation)], np.zeros(size), "moved")
    band = sp.lil_array(sp.diags_array([np.ones(size), rng.normal(size=size - 1)], offsets=[0, 1]))
    band[7] = rng.normal(size=size)
    band[9:20] = 0.0
    mixed = builder.affine([(moved, sp.csr_array(band)), (0, 0.5 * permutation)], rng.normal(size=size), "band")
    active = builder.pairs_with_zero(mixed, 0.0, name="relu")
    cuts = np.flatnonzero(rng.random(size - 1) < 0.3) + 1
    return builder.build(builder.log_sum_exp(active, 0.25, np.array([0, *cuts, size]), "pool"))

"""Circuits in which the passes have something to do, and a plain evaluator in fractions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
import scipy.sparse as sp

from tropix import Circuit
from tropix.circuits import Affine, CircuitBuilder, Gibbs, Input, LogSumExp, Pointwise, Product, uniform_segments

Point = Sequence[Fraction]


def exactly(circuit: Circuit, point: Point) -> list[Fraction]:
    """The value of circuit.limit() in plain Python fractions.

    No pass knows what a smooth function does, so each stands for a rational one here.
    """
    values: list[list[Fraction]] = []
    for node in circuit.nodes:
        if isinstance(node, Input):
            values.append([Fraction(v) for v in point])
        elif isinstance(node, Affine):
            total = [Fraction(float(b)) for b in node.bias]
            for term in node.terms:
                for i, j, weight in zip(*sp.find(sp.coo_array(term.matrix)), strict=True):
                    total[i] += Fraction(float(weight)) * values[term.source][j]
            values.append(total)
        elif isinstance(node, LogSumExp):
            values.append([max(values[node.source][a:b]) for a, b in pairwise(node.segments)])
        elif isinstance(node, Gibbs):
            parts = [values[node.source][a:b] for a, b in pairwise(node.segments)]
            values.append([Fraction(v == max(part), part.count(max(part))) for part in parts for v in part])
        elif isinstance(node, Product):
            values.append([a * b for a, b in zip(values[node.left], values[node.right], strict=True)])
        else:
            shift = len(node.function)
            values.append([(v + shift) ** 2 for v in values[node.source]])
    return values[circuit.output]


def awkward(seed: int) -> Circuit:
    """A random circuit of all node kinds, small, with much for every pass to find.

    Weights of few bits, of float32 and of float64, now and then very large or small; zeros, ties, repeated sources,
    repeated nodes and pieces, pairs of ReLUs, shifts, scalings, nested maxima, constants, dead nodes.
    """
    rng = np.random.default_rng(seed)
    style = int(rng.integers(4))

    def numbers(*shape: int) -> np.ndarray:
        values = rng.normal(size=shape) * (rng.random(size=shape) < 0.7)
        if style == 0:
            return np.round(values * 4) / 4
        if style == 1:
            return values.astype(np.float32).astype(np.float64)
        if style == 2:
            return np.round(values * 2) * np.where(
                rng.random(size=shape) < 0.2, 2.0 ** rng.choice([-500, -80, 80]), 1.0
            )
        return values

    def matrix(rows: int, columns: int) -> np.ndarray | sp.csr_array:
        dense = numbers(rows, columns)
        return dense if rng.integers(2) else sp.csr_array(dense)

    builder = CircuitBuilder(int(rng.integers(1, 4)))
    nodes = [0]

    def affine() -> int:
        rows = int(rng.integers(1, 5))
        sources = [int(rng.choice(nodes)) for _ in range(int(rng.integers(0, 4)))]
        terms = [(source, matrix(rows, builder.size(source))) for source in sources]
        return builder.affine(terms, numbers(rows) * rng.integers(2))

    def selection(a: int) -> int:
        size = builder.size(a)
        rows = int(rng.integers(1, size + 3))
        chosen = np.eye(size)[rng.integers(size, size=rows)] * rng.choice([1.0, 1.0, 1.0, -1.0, 0.5, 2.0])
        return builder.affine([(a, chosen)], numbers(rows) * rng.integers(2))

    def pair(a: int) -> int:
        """A row of relu(a), relu(−a), relu(2a) … and a itself."""
        size = builder.size(a)
        scales = [float(rng.choice([1.0, -1.0, 2.0, -0.5])) for _ in range(int(rng.integers(1, 4)))]
        parts = [builder.relu(builder.affine([(a, np.eye(size) * s)], np.zeros(size))) for s in scales]
        terms = [(part, np.eye(size) * float(rng.choice([1.0, -1.0, 0.5, -2.0]))) for part in parts]
        terms.append((a, np.eye(size) * float(rng.choice([1.0, 0.0, -1.0]))))
        return builder.affine(terms, numbers(size) * rng.integers(2))

    def repeated(a: int) -> int:
        """Pieces that repeat others, with and without a constant."""
        size = builder.size(a)
        doubled = builder.affine([(a, np.vstack([np.eye(size)] * 2))], np.concatenate([np.zeros(size), numbers(size)]))
        return builder.log_sum_exp(doubled, eps(), segments(rng, 2 * size))

    def shifted(a: int) -> int:
        size = builder.size(a)
        top = builder.log_sum_exp(a, 0.0, uniform_segments(1, size))
        inside = builder.affine([(a, np.eye(size)), (top, -np.ones((size, 1)))], np.zeros(size))
        if rng.integers(2):
            return builder.add(Gibbs(inside, 1.0, uniform_segments(1, size)))
        joined = builder.log_sum_exp(inside, eps(), uniform_segments(1, size))
        return builder.affine([(joined, [[1.0]]), (top, [[1.0]])], [0.0])

    def scaled(a: int) -> int:
        size = builder.size(a)
        inside = builder.affine([(a, np.eye(size) * float(rng.choice([0.5, 4.0, 3.0, -2.0])))], np.zeros(size))
        if rng.integers(2):
            return builder.add(Gibbs(inside, eps(), segments(rng, size)))
        joined = builder.log_sum_exp(inside, eps(), segments(rng, size))
        return builder.affine(
            [(joined, np.eye(builder.size(joined)) * float(rng.choice([0.25, 2.0, -1.0])))],
            numbers(builder.size(joined)),
        )

    def again(a: int) -> int:
        """A node that is there already."""
        return builder.add(builder.node(a)) if a else 0

    def eps() -> float:
        return float(rng.choice([0.0, 0.0, 0.5, 1.0]))

    kinds: list[Callable[[int], int]] = [
        lambda a: affine(),
        lambda a: affine(),
        selection,
        selection,
        pair,
        repeated,
        shifted,
        scaled,
        again,
        lambda a: builder.log_sum_exp(a, eps(), segments(rng, builder.size(a))),
        lambda a: builder.log_sum_exp(a, eps(), segments(rng, builder.size(a))),
        lambda a: builder.add(Product(a, a, builder.size(a))),
        lambda a: builder.add(Pointwise(a, "erf", builder.size(a))),
    ]
    for _ in range(int(rng.integers(1, 9))):
        recent = nodes[-1] if rng.random() < 0.6 else int(rng.choice(nodes))
        if builder.size(recent) <= 8:
            nodes.append(kinds[int(rng.integers(len(kinds)))](recent))
    size = max(nodes) + 1
    if rng.integers(4) == 0:
        return Circuit(tuple(builder.node(i) for i in range(size)), int(rng.choice(nodes)))
    return builder.build(nodes[-1])


def segments(rng: np.random.Generator, size: int) -> np.ndarray:
    """Random segments of a vector."""
    inner = np.flatnonzero(rng.random(size - 1) < 0.4) + 1
    return np.array([0, *inner, size], dtype=np.int64)


@dataclass(frozen=True)
class Lattice:
    """A tree of maxima and minima over affine functions; a leaf has no children."""

    kind: str
    children: tuple[Lattice, ...] = ()
    weights: tuple[float, ...] = ()

    def leaves(self) -> set[tuple[float, ...]]:
        """The distinct affine functions."""
        return {self.weights} if self.kind == "leaf" else set().union(*(child.leaves() for child in self.children))

    def value(self, point: Point) -> Fraction:
        """Evaluate the tree."""
        if self.kind == "leaf":
            *slopes, constant = map(Fraction, self.weights)
            return sum((a * x for a, x in zip(slopes, point, strict=True)), constant)
        values = [child.value(point) for child in self.children]
        return max(values) if self.kind == "max" else min(values)


def random_lattice(rng: np.random.Generator, leaves: list[tuple[float, ...]], depth: int, *, repeat: bool) -> Lattice:
    """A tree of the given depth, with leaves here and there before; ``repeat``: a leaf may occur more than once."""
    if depth == 0 or rng.random() < 0.1:
        chosen = int(rng.integers(len(leaves)))
        return Lattice("leaf", weights=leaves[chosen] if repeat else leaves.pop(chosen))
    kind = str(rng.choice(["max", "min"]))
    return Lattice(kind, tuple(random_lattice(rng, leaves, depth - 1, repeat=repeat) for _ in range(2)))


def random_leaves(rng: np.random.Generator, count: int, inputs: int) -> list[tuple[float, ...]]:
    """Affine functions with weights of float32."""
    return [tuple(map(float, row)) for row in rng.normal(size=(count, inputs + 1)).astype(np.float32)]


def as_network(rng: np.random.Generator, trees: Sequence[Lattice], inputs: int) -> Circuit:
    """The trees as one ReLU network, each node in one of two encodings; equal subtrees are shared."""
    builder = CircuitBuilder(inputs)
    done: dict[Lattice, int] = {}

    def built(node: Lattice) -> int:
        if node not in done:
            if node.kind == "leaf":
                done[node] = builder.affine([(0, [list(node.weights[:-1])])], [node.weights[-1]])
            else:
                a, b = (built(child) for child in node.children)
                done[node] = joined(builder, node.kind, a, b, int(rng.integers(2)))
        return done[node]

    tops = [built(tree) for tree in trees]
    places = np.eye(len(tops))
    return builder.build(builder.affine([(top, places[:, [k]]) for k, top in enumerate(tops)], np.zeros(len(tops))))


def joined(builder: CircuitBuilder, kind: str, a: int, b: int, encoding: int) -> int:
    """max(a, b) or min(a, b) of two components of one number each, by ReLUs.

    Encoding 0: b + relu(a − b). Encoding 1: ½(relu(s) − relu(−s) + relu(t) + relu(−t)), s = a + b, t = a − b.
    """
    sign = 1.0 if kind == "max" else -1.0
    if encoding == 0:
        over = builder.relu(builder.affine([(a, [[1.0]]), (b, [[-1.0]])], [0.0]))
        base = b if kind == "max" else a
        return builder.affine([(base, [[1.0]]), (over, [[sign]])], [0.0])
    first, second = [[1.0], [-1.0], [1.0], [-1.0]], [[1.0], [-1.0], [-1.0], [1.0]]
    hidden = builder.relu(builder.affine([(a, first), (b, second)], np.zeros(4)))
    return builder.affine([(hidden, [[0.5, -0.5, 0.5 * sign, 0.5 * sign]])], [0.0])


def rows_read_from_input(circuit: Circuit) -> set[tuple[float, ...]]:
    """The distinct rows, up to sign, of all affine nodes, as functions of the input where they read nothing else."""
    found: set[tuple[float, ...]] = set()
    for node in circuit.nodes:
        if isinstance(node, Affine):
            whole = np.zeros((node.size, circuit.input_size + 1))
            whole[:, -1] = node.bias
            alone = np.ones(node.size, dtype=np.bool_)
            for term in node.terms:
                matrix = sp.csr_array(term.matrix).toarray()
                if term.source == 0:
                    whole[:, :-1] += matrix
                else:
                    alone &= ~matrix.any(axis=1)
            found |= {max(tuple(row + 0.0), tuple(-row + 0.0)) for row in whole[alone]}
    return found

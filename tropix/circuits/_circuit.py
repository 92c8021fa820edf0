"""Circuits over S_ε: evaluation, differentiation, limits, and what is known about each node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from tropix.arrays import FloatArray, IntArray, points_array
from tropix.boxes import Box, BoxLike
from tropix.circuits._evaluation import node_values, over_blocks, pull_back
from tropix.circuits._matrices import dense
from tropix.circuits._nodes import Affine, Gibbs, Input, LogSumExp, Matrix, Node, Pointwise, Product, Term
from tropix.errors import InvalidInput, Unsupported
from tropix.exact import Rationals

if TYPE_CHECKING:
    import networkx

    from tropix.circuits._analysis import Curvature, CurvatureFlags, Exactness, Monotonicity
    from tropix.circuits._bounds import Deviation
    from tropix.circuits._intervals import Interval
    from tropix.circuits._layers import AffineForms


@dataclass(frozen=True, eq=False, repr=False)
class Circuit:
    """An immutable, topologically ordered circuit of the node kinds; node 0 is its only `Input`.

    Sources come before the nodes that read them; ``output`` is the position of the node that is the value
    F: ℝ^d → ℝ^m. Build one with `CircuitBuilder`. Raises `InvalidInput` where sizes or order do not fit.
    """

    nodes: tuple[Node, ...]
    output: int
    names: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "nodes", tuple(self.nodes))
        if not self.nodes or not isinstance(self.nodes[0], Input):
            raise InvalidInput("the first node of a circuit must be its Input")
        names = self.names or tuple(f"{type(node).__name__.lower()}{i}" for i, node in enumerate(self.nodes))
        if len(names) != len(self.nodes):
            raise InvalidInput(f"{len(names)} names for {len(self.nodes)} nodes")
        object.__setattr__(self, "names", tuple(names))
        if not 0 <= self.output < len(self.nodes):
            raise InvalidInput(f"output {self.output} is none of the {len(self.nodes)} nodes")
        for i, node in enumerate(self.nodes[1:], start=1):
            self._check(i, node)

    def _check(self, position: int, node: Node) -> None:
        name = self.names[position]
        if isinstance(node, Input):
            raise InvalidInput(f"node {name!r}: a circuit has one Input, at position 0")
        for source in node.sources:
            if not 0 <= source < position:
                raise InvalidInput(f"node {name!r} at {position} reads {source}: sources must come before it")
        sizes = [self.nodes[source].size for source in node.sources]
        if isinstance(node, Affine):
            expected = [term.matrix.shape[1] for term in node.terms]
        elif isinstance(node, Product | Pointwise):
            expected = [node.size] * len(sizes)
        else:
            expected = [int(node.segments[-1])]
        if sizes != expected:
            raise InvalidInput(f"node {name!r} reads vectors of sizes {sizes}: expected {expected}")

    def __repr__(self) -> str:
        return f"<Circuit: {self.input_size} inputs, {len(self.nodes)} nodes, {self.output_size} outputs>"

    @property
    def input_size(self) -> int:
        """Number of input coordinates d."""
        return self.nodes[0].size

    @property
    def output_size(self) -> int:
        """Number of outputs m."""
        return self.nodes[self.output].size

    # -- values -------------------------------------------------------------------------------------------------

    def __call__(self, points: npt.ArrayLike) -> FloatArray:
        """Values F(x): points (n, d) → (n, m); one point (d,) → (m,). Memory is bounded by blocks of points.

        Raises `InvalidInput` for points of another width or not finite, and where values leave float64.
        """
        rows, single = points_array(points, self.input_size)
        result = np.empty((len(rows), self.output_size))

        def run(start: int, stop: int) -> None:
            result[start:stop] = node_values(self.nodes, rows[start:stop], self.output)[self.output].T

        over_blocks(self.nodes, len(rows), run)
        self._finite(result)
        return result[0] if single else result

    @staticmethod
    def _finite(values: FloatArray) -> FloatArray:
        if not np.isfinite(values).all():
            raise InvalidInput("values exceed the range of float64 at these points: rescale the model or the points")
        return values

    def values(self, points: FloatArray) -> list[FloatArray]:
        """The values (n, size) of every node at points (n, d); NaN or infinite where they overflow."""
        return [columns.T for columns in node_values(self.nodes, points)]

    def exact(self, points: Rationals) -> Rationals:
        """Values F(x), (n, m), in rational arithmetic; every temperature must be 0, no node a `Gibbs` or `Pointwise`.

        Raises `Unsupported` otherwise: exponentials of rationals are not rational.
        """
        return self.exact_values(points)[self.output]

    def exact_values(self, points: Rationals) -> list[Rationals]:
        """The exact values (n, size) of every node; see :meth:`exact`."""
        values: list[Rationals] = []
        for node, name in zip(self.nodes, self.names, strict=True):
            if isinstance(node, Input):
                values.append(points)
            elif isinstance(node, Affine):
                total = Rationals.of(np.broadcast_to(node.bias, (len(points), node.size)))
                for term in node.terms:
                    total = total + values[term.source] @ Rationals.of(dense(term.matrix)).transpose
                values.append(total)
            elif isinstance(node, Product):
                values.append(values[node.left] * values[node.right])
            elif isinstance(node, Gibbs | Pointwise):
                kind = "softmax weights" if isinstance(node, Gibbs) else f"values of {node.function}"
                raise Unsupported(f"node {name!r} holds {kind}: there is no exact rule for them")
            elif node.eps > 0.0 and (node.widths > 1).any():
                raise Unsupported(f"node {name!r} is not rational: evaluate circuit.limit(), which has no exponentials")
            else:
                source = values[node.source]
                best = np.maximum.reduceat(source.numerators, node.segments[:-1], axis=1)
                values.append(Rationals(best, source.denominator))
        return values

    def gradient(self, points: npt.ArrayLike) -> FloatArray:
        """Jacobian of F by reverse differentiation: points (n, d) → (n, m, d); one point (d,) → (m, d).

        At ties of a max node it is the limit ε → 0 of the deformed node's gradient: the mean over the tied entries.
        `Gibbs` nodes at ε = 0 are piecewise constant and have derivative 0.
        """
        rows, single = points_array(points, self.input_size)
        result = np.empty((len(rows), self.output_size, self.input_size))

        def run(start: int, stop: int) -> None:
            values = node_values(self.nodes, rows[start:stop])
            self._finite(values[self.output])
            for k in range(self.output_size):
                seed = np.zeros_like(values[self.output])
                seed[k] = 1.0
                result[start:stop, k] = pull_back(self.nodes, values, self.output, seed).T

        over_blocks(self.nodes, len(rows), run)
        return result[0] if single else result

    # -- the family in ε ----------------------------------------------------------------------------------------

    def heat(self, scale: float) -> Circuit:
        """The circuit with every temperature multiplied by ``scale`` ≥ 0; 1 is the trained network."""
        if not (scale >= 0 and np.isfinite(scale)):
            raise InvalidInput(f"heat {scale}: expected a finite number >= 0")
        nodes = tuple(
            replace(node, eps=node.eps * scale) if isinstance(node, LogSumExp | Gibbs) else node for node in self.nodes
        )
        return Circuit(nodes, self.output, self.names)

    def limit(self) -> Circuit:
        """The tropical limit: every temperature 0, so that every `LogSumExp` is a maximum."""
        return self.heat(0.0)

    def select(self, outputs: Sequence[int]) -> Circuit:
        """The circuit with some of its outputs alone, in the order given."""
        for output in outputs:
            if not 0 <= output < self.output_size:
                raise InvalidInput(f"output {output}: the model has outputs 0 to {self.output_size - 1}")
        rows = sp.csr_array(
            (np.ones(len(outputs)), (np.arange(len(outputs)), np.asarray(outputs, dtype=np.int64))),
            shape=(len(outputs), self.output_size),
        )
        node = Affine((Term(self.output, rows),), np.zeros(len(outputs)))
        name = f"outputs {', '.join(map(str, outputs))}" if len(outputs) > 1 else f"output {outputs[0]}"
        return Circuit((*self.nodes, node), len(self.nodes), (*self.names, name))

    def logits(self) -> Circuit:
        """The logits in front of the last `Gibbs` node, one for each weight that is an output; itself without one.

        Softmax rises with each logit, so that class regions and boundaries are those of the logits. A logit of a pair
        (a sigmoid) is the difference of its operands, which is 0 where the weight is 1/2. Raises `Unsupported` where
        outputs are more than weights of one softmax, or of pairs, with one rising affine function for all of them.
        """
        from tropix.circuits._logits import logits

        return logits(self)

    @property
    def temperatures(self) -> tuple[float, ...]:
        """The distinct temperatures of nodes with a segment of two or more entries, ascending."""
        found = {n.eps for n in self.nodes if isinstance(n, LogSumExp | Gibbs) and (n.widths > 1).any()}
        return tuple(sorted(found))

    # -- analysis -----------------------------------------------------------------------------------------------

    @cached_property
    def curvature_flags(self) -> tuple[CurvatureFlags, ...]:
        """For each node, which of its components are provably convex, concave, or exact circuits over S_ε."""
        from tropix.circuits._analysis import curvature_flags

        return curvature_flags(self)

    def curvature(self, node: int | None = None) -> Curvature:
        """Curvature of all components of a node (the output by default) as functions of x."""
        return self.curvature_flags[self.output if node is None else node].summary()

    @cached_property
    def exactness_classes(self) -> tuple[Exactness, ...]:
        """The exactness class of each node."""
        from tropix.circuits._analysis import exactness_classes

        return exactness_classes(self)

    @property
    def exactness(self) -> Exactness:
        """The exactness class of the output."""
        return self.exactness_classes[self.output]

    @cached_property
    def deviations(self) -> tuple[Deviation, ...]:
        """For each node, a certified enclosure of (value − value of the tropical limit) over all of ℝ^d."""
        from tropix.circuits._bounds import deviations

        return deviations(self)

    @cached_property
    def affine_forms(self) -> AffineForms:
        """Nodes as exact affine forms of the nearest nodes before them that are not affine, each computed once."""
        from tropix.circuits._layers import AffineForms

        return AffineForms(self)

    @cached_property
    def monotonicities(self) -> tuple[Monotonicity, ...]:
        """For each node, in which input coordinates its components provably rise or fall."""
        from tropix.circuits._analysis import monotonicities

        return monotonicities(self)

    def monotonicity(self, node: int | None = None) -> Monotonicity:
        """Monotonicity of a node (the output by default) in each input coordinate."""
        return self.monotonicities[self.output if node is None else node]

    def bounds(self, box: BoxLike, *, every_temperature: bool = False) -> tuple[Interval, ...]:
        """Sound lower and upper bounds of every node on a box, by interval arithmetic rounded outwards.

        With ``every_temperature`` they hold for :meth:`heat` at every scale s ≥ 0, not for the circuit's own alone.
        """
        from tropix.circuits._intervals import interval_bounds

        return interval_bounds(self, Box.of(box, self.input_size), every_temperature=every_temperature)

    def deformation_bound(self, scale: float = 1.0) -> FloatArray:
        """δ(ε) for each output, (m,): sup_x |F_ε(x) − F_0(x)| ≤ δ, ε being the temperatures times ``scale``.

        Sound without sampling and rounded upwards; +∞ where a `Product` or `Pointwise` leaves none.
        Recursion: |A| e through affine nodes, max e_j + ε log N through ⊕_ε, one-sided where signs allow.
        """
        circuit = self if scale == 1.0 else self.heat(scale)
        deviation = circuit.deviations[circuit.output]
        return np.maximum(deviation.below, deviation.above)

    def lipschitz(self, p: float = 2.0) -> FloatArray:
        """Upper bounds, (m,), of each output's Lipschitz constant on ℝ^d in ‖·‖_p, rounded upwards.

        Equal to the constant for one ⊕_ε of affine functions with distinct active slopes. +∞ where none is known.
        """
        from tropix.circuits._bounds import lipschitz

        return lipschitz(self, p)

    def rounding_bound(self, points: FloatArray, unit: float) -> FloatArray:
        """How far a float execution, node by node, may lie from F at points (n, d), (n, m), by running error analysis.

        ``unit`` is the unit roundoff: 2⁻²⁴ for float32, 2⁻⁵³ for float64. Sums may run in any order; exp and log
        are taken to be accurate to 8 units in the last place. +∞ where no bound is known.
        """
        from tropix.circuits._bounds import rounding_bound

        return rounding_bound(self, points, unit)

    def graph(self) -> networkx.DiGraph[int]:
        """The circuit as a `networkx.DiGraph`: node attributes name, kind, size, eps, curvature, exactness."""
        import networkx

        graph: networkx.DiGraph[int] = networkx.DiGraph()
        for i, (node, name) in enumerate(zip(self.nodes, self.names, strict=True)):
            graph.add_node(
                i,
                name=name,
                kind=type(node).__name__,
                size=node.size,
                eps=node.eps if isinstance(node, LogSumExp | Gibbs) else None,
                curvature=self.curvature(i).value,
                exactness=self.exactness_classes[i].value,
            )
            graph.add_edges_from((source, i) for source in node.sources)
        return graph


class CircuitBuilder:
    """Appends nodes one by one and returns their positions.

    >>> builder = CircuitBuilder(2)
    >>> z = builder.affine([(0, [[1.0, -1.0]])], [0.5])
    >>> circuit = builder.build(builder.relu(z))
    >>> circuit([[0.0, 2.0], [1.0, 0.0]]).ravel()
    array([0. , 1.5])
    """

    def __init__(self, input_size: int, name: str = "input") -> None:
        self._nodes: list[Node] = [Input(input_size)]
        self._names = [name]

    def node(self, position: int) -> Node:
        """The node at a position."""
        return self._nodes[position]

    def name(self, position: int) -> str:
        """The name of the node at a position."""
        return self._names[position]

    def size(self, position: int) -> int:
        """Size of the node at a position."""
        return self._nodes[position].size

    def add(self, node: Node, name: str | None = None) -> int:
        """Append a node."""
        self._nodes.append(node)
        self._names.append(name or f"{type(node).__name__.lower()}{len(self._nodes) - 1}")
        return len(self._nodes) - 1

    def affine(
        self,
        terms: Sequence[tuple[int, Matrix | npt.ArrayLike]],
        bias: npt.ArrayLike,
        name: str | None = None,
    ) -> int:
        """Append Σ A v + bias for pairs (position of v, A)."""
        parts = tuple(Term(source, matrix) for source, matrix in terms)
        return self.add(Affine(parts, np.asarray(bias, dtype=np.float64)), name)

    def log_sum_exp(self, source: int, eps: float, segments: IntArray, name: str | None = None) -> int:
        """Append ⊕_ε over segments of a node."""
        return self.add(LogSumExp(source, eps, segments), name)

    def pairs_with_zero(self, source: int, eps: float, slope: float = 0.0, name: str | None = None) -> int:
        """Append elementwise (slope·v) ⊕_ε v: ReLU (ε = 0), softplus (ε > 0), leaky ReLU (0 < slope < 1)."""
        count = self.size(source)
        rows = np.arange(count)
        data = [np.ones(count)] if slope == 0.0 else [np.ones(count), np.full(count, slope)]
        index = [2 * rows + 1] if slope == 0.0 else [2 * rows + 1, 2 * rows]
        matrix = sp.csr_array(
            (np.concatenate(data), (np.concatenate(index), np.tile(rows, len(data)))),
            shape=(2 * count, count),
        )
        pairs = self.affine([(source, matrix)], np.zeros(2 * count), None if name is None else f"{name}/pairs")
        return self.log_sum_exp(pairs, eps, np.arange(count + 1, dtype=np.int64) * 2, name)

    def relu(self, source: int, name: str | None = None) -> int:
        """Append max(v, 0)."""
        return self.pairs_with_zero(source, 0.0, name=name)

    def build(self, output: int) -> Circuit:
        """The circuit whose value is the node at ``output``; nodes that it does not need are left out."""
        needed = {0, output}
        for i in range(output, 0, -1):
            if i in needed:
                needed.update(self._nodes[i].sources)
        place = {old: new for new, old in enumerate(sorted(needed))}
        nodes = tuple(self._nodes[old].reading(place) for old in place)
        return Circuit(nodes, place[output], tuple(self._names[old] for old in place))

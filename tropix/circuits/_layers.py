"""The log-sum-exps inside a circuit, as functions of what they read: exact affine chains, rounded once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from tropix.arrays import FloatArray, IntArray
from tropix.circuits._matrices import dense
from tropix.circuits._nodes import Affine, Gibbs, Input, Pointwise, Product
from tropix.circuits._nodes import LogSumExp as LogSumExpNode
from tropix.errors import InvalidInput, Unsupported
from tropix.exact import Rationals
from tropix.polynomials import LogSumExp

if TYPE_CHECKING:
    from tropix.circuits._circuit import Circuit

MAX_TABLE = 5_000_000
"""Largest number of exact numbers that describe one node."""


@dataclass(frozen=True, eq=False)
class AffineForm:
    """Σ_i A_i v_i + b, exactly: ``terms`` holds A_i (size, n_i) by the position of v_i, ``constant`` is b (size,)."""

    terms: dict[int, Rationals]
    constant: Rationals


class AffineForms:
    """The nodes of a circuit as affine forms of the nearest nodes before them that are not affine."""

    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit
        self._held: dict[int, AffineForm] = {}

    def of(self, position: int) -> AffineForm:
        """The form of one node. Raises `Unsupported` for one of more than five million numbers."""
        needed = {position}
        for place in range(position, -1, -1):
            node = self.circuit.nodes[place]
            if place in needed and isinstance(node, Affine) and place not in self._held:
                needed.update(term.source for term in node.terms)
        for place in sorted(needed):
            node = self.circuit.nodes[place]
            if isinstance(node, Affine) and place not in self._held:
                self._held[place] = self._compute(place, node)
        if position not in self._held:
            size = self.circuit.nodes[position].size
            self._check(position, size)
            self._held[position] = AffineForm({position: Rationals.of(np.eye(size))}, Rationals.of(np.zeros(size)))
        return self._held[position]

    def _compute(self, position: int, node: Affine) -> AffineForm:
        terms: dict[int, Rationals] = {}
        constant = Rationals.of(node.bias)
        for term in node.terms:
            self._check(position, term.matrix.shape[1])
            matrix, source = exact_matrix(term.matrix), self._held.get(term.source)
            if source is None or not isinstance(self.circuit.nodes[term.source], Affine):
                products = {term.source: matrix}
            else:
                constant = constant + (matrix @ source.constant[:, None])[:, 0]
                for rows in source.terms.values():
                    self._check(position, rows.shape[1])
                products = {base: matrix @ rows for base, rows in source.terms.items()}
            for base, product in products.items():
                terms[base] = terms[base] + product if base in terms else product
        return AffineForm(terms, constant)

    def _check(self, position: int, width: int) -> None:
        size = self.circuit.nodes[position].size
        if size * width > MAX_TABLE:
            raise Unsupported(
                f"node {self.circuit.names[position]!r} has {size} affine functions of {width} values, more than "
                f"{MAX_TABLE} exact numbers: take a part of the model"
            )


def exact_matrix(matrix: FloatArray | sp.csr_array) -> Rationals:
    """A matrix of floats as the rationals they are."""
    return Rationals.of(dense(matrix))


@dataclass(frozen=True, eq=False)
class Layer:
    """A log-sum-exp node as functions f_k(v) = ⊕_ε (W v + b) of what it reads.

    ``inputs`` are the positions of the nodes that v joins; component ``units[k]`` of the node is ``functions[k]`` of
    the coordinates ``columns[k]`` of v, those that it depends on; components of one entry are left out. Weights and
    biases are computed exactly and rounded once.
    """

    node: int
    name: str
    inputs: tuple[int, ...]
    units: IntArray
    functions: tuple[LogSumExp, ...]
    columns: tuple[IntArray, ...]

    def points(self, values: list[FloatArray]) -> FloatArray:
        """V (n, ·) from the values of all nodes, as `Circuit.values` gives them."""
        return np.concatenate([values[position] for position in self.inputs], axis=1)


def layers(circuit: Circuit) -> tuple[Layer, ...]:
    """The log-sum-exp nodes of positive temperature, each with the functions of its segments of two or more entries."""
    found = []
    for position, node in enumerate(circuit.nodes):
        if isinstance(node, LogSumExpNode) and node.eps > 0 and (node.widths > 1).any():
            found.append(_layer(circuit, position, node))
    return tuple(found)


def _layer(circuit: Circuit, position: int, node: LogSumExpNode) -> Layer:
    form = circuit.affine_forms.of(node.source)
    inputs = tuple(sorted(form.terms))
    weights = np.concatenate([form.terms[base].floats() for base in inputs], axis=1) if inputs else None
    constants, functions, columns = form.constant.floats(), [], []
    units = np.flatnonzero(node.widths > 1)
    for first, stop in zip(node.segments[units], node.segments[units + 1], strict=True):
        rows = np.zeros((stop - first, 0)) if weights is None else weights[first:stop]
        used = np.flatnonzero((rows != 0).any(axis=0))
        functions.append(LogSumExp(rows[:, used], constants[first:stop], node.eps))
        columns.append(used)
    return Layer(position, circuit.names[position], inputs, units, tuple(functions), tuple(columns))


def single_layer(circuit: Circuit, output: int = 0, *, exact: bool = False) -> LogSumExp:
    """One output as a single log-sum-exp of affine functions of x, c·⊕_ε(W x + b) + a·x + d with c > 0, if it is one.

    The result has the pieces c·w_j + a, c·b_j + d at the temperature c·ε, computed exactly and rounded once; an affine
    output is a single piece at temperature 0. Raises `Unsupported` with the reason otherwise, and with ``exact`` also
    where a number had to be rounded.
    """
    weights, bias, temperature = exact_single_layer(circuit, output)
    return _rounded(weights, bias, temperature, exact)


def exact_single_layer(circuit: Circuit, output: int = 0) -> tuple[Rationals, Rationals, Rationals]:
    """Weights (N, d), biases (N,) and the temperature (1,) of `single_layer` before they are rounded.

    Raises `Unsupported` like `single_layer`.
    """
    if not 0 <= output < circuit.output_size:
        raise InvalidInput(f"output {output}: the model has outputs 0 to {circuit.output_size - 1}")
    forms = circuit.affine_forms
    form, width = forms.of(circuit.output), circuit.input_size
    rows = {base: rows[output] for base, rows in form.terms.items() if (rows[output].numerators != 0).any()}
    slope = rows.pop(0, Rationals.of(np.zeros(width)))
    constant = form.constant[output : output + 1]
    if not rows:
        return slope[None, :], constant, Rationals.of(np.zeros(1))
    used = [(base, k) for base, row in rows.items() for k in np.flatnonzero(row.numerators != 0).tolist()]
    base, k = used[0]
    node, name = circuit.nodes[base], circuit.names[base]
    if not isinstance(node, LogSumExpNode):
        raise Unsupported(f"output {output} depends on node {name!r}, {_kind(node)}: it is no log-sum-exp")
    if len(used) > 1:
        raise Unsupported(f"output {output} is a sum of {len(used)} log-sum-exps or maxima, not a single one")
    factor = rows[base][k : k + 1]
    if factor.numerators[0] < 0:
        raise Unsupported(f"output {output} is concave, minus a log-sum-exp: take its negative")
    inner = forms.of(node.source)
    part = slice(int(node.segments[k]), int(node.segments[k + 1]))
    deeper = [b for b, matrix in inner.terms.items() if b != 0 and (matrix[part].numerators != 0).any()]
    if deeper:
        below = circuit.nodes[deeper[0]]
        kind = "another log-sum-exp or maximum" if isinstance(below, LogSumExpNode) else _kind(below)
        raise Unsupported(f"output {output} is not a single layer: {name!r} reads {circuit.names[deeper[0]]!r}, {kind}")
    slopes = inner.terms[0][part] if 0 in inner.terms else Rationals.of(np.zeros((part.stop - part.start, width)))
    weights = slopes * factor + slope[None, :]
    bias = inner.constant[part] * factor + constant
    return weights, bias, factor * Rationals.of(np.array([node.eps]))


def _rounded(weights: Rationals, bias: Rationals, temperature: Rationals, exact: bool) -> LogSumExp:
    if exact and not all(part.float_mask().all() for part in (weights, bias, temperature)):
        raise Unsupported("the pieces of this output are no floats: they would have to be rounded")
    return LogSumExp(weights.floats(), bias.floats(), float(temperature.floats()[0]))


def _kind(node: object) -> str:
    if isinstance(node, Gibbs):
        return "softmax weights"
    if isinstance(node, Product):
        return "a product of computed values"
    if isinstance(node, Pointwise):
        return f"the function {node.function}"
    assert isinstance(node, Input)
    return "the input"

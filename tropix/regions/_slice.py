"""Slices: a circuit on a line, a plane or another affine subspace of its input space."""

from __future__ import annotations

import flint
import numpy as np
import numpy.typing as npt

from tropix.arrays import FloatArray, real_array
from tropix.circuits import Affine, Circuit, Input, Node, Term
from tropix.errors import InvalidInput
from tropix.exact import Rationals


def slice_of(circuit: Circuit, origin: npt.ArrayLike, directions: npt.ArrayLike) -> Circuit:
    """The circuit u ↦ F(origin + Σ u_k directions_k) of k new inputs: one affine node in front.

    ``origin`` (d,), ``directions`` (k, d), linearly independent. Exact: numbers stay the floats that are given. The
    linear regions of the slice are what the regions of F leave on it. Raises `InvalidInput` for other shapes,
    numbers that are not finite, and dependent directions.

    >>> from tropix.circuits import CircuitBuilder
    >>> builder = CircuitBuilder(2)
    >>> circuit = builder.build(builder.relu(0))
    >>> slice_of(circuit, [0, 1], [[1, -1]])([[0.25], [2.0]])
    array([[0.25, 0.75],
           [2.  , 0.  ]])
    """
    start = _rows(origin, circuit, "origin", 1)
    along = _rows(directions, circuit, "directions", 2)
    _independent(Rationals.of(along), "directions")
    return _behind(circuit, len(along), [(np.ascontiguousarray(along.T), start, "slice")])


def slice_through(circuit: Circuit, points: npt.ArrayLike) -> Circuit:
    """The circuit u ↦ F(x_0 + Σ u_k (x_k − x_0)) on the subspace through k + 1 points (k+1, d): 3 span a plane.

    Exact, also where x_k − x_0 is no float: two affine nodes in front, (1 − Σ u, u) and Σ λ_k x_k. So u = 0 is x_0 and
    u = e_k is x_k. Raises `InvalidInput` for points that are not finite or do not span k dimensions.
    """
    corners = _rows(points, circuit, "points", 2)
    k = len(corners) - 1
    if k < 1:
        raise InvalidInput(f"{len(corners)} points span no slice: give two for a line, three for a plane")
    exact = Rationals.of(corners)
    _independent(exact[1:] - exact[:1], "differences of the points")
    shares = np.concatenate([np.full((1, k), -1.0), np.eye(k)])
    return _behind(
        circuit,
        k,
        [
            (shares, np.eye(1, k + 1)[0], "barycentric"),
            (np.ascontiguousarray(corners.T), np.zeros(circuit.input_size), "slice"),
        ],
    )


def _rows(value: npt.ArrayLike, circuit: Circuit, name: str, ndim: int) -> FloatArray:
    array = real_array(value, name, ndim)
    if array.shape[-1] != circuit.input_size or not array.size:
        raise InvalidInput(
            f"{name} of shape {array.shape}: expected {'rows of ' * (ndim - 1)}{circuit.input_size} numbers"
        )
    return array


def _independent(rows: Rationals, name: str) -> None:
    if flint.fmpz_mat([[int(value) for value in row] for row in rows.numerators]).rank() < len(rows):
        raise InvalidInput(f"the {len(rows)} {name} do not span {len(rows)} dimensions: choose others")


def _behind(circuit: Circuit, inputs: int, maps: list[tuple[FloatArray, FloatArray, str]]) -> Circuit:
    """The circuit with affine maps in place of its input."""
    nodes: list[Node] = [Input(inputs)]
    names = [f"{circuit.names[0]}/slice"]
    for matrix, bias, name in maps:
        nodes.append(Affine((Term(len(nodes) - 1, matrix),), bias))
        names.append(name)
    shift = len(maps)
    place = {position: position + shift for position in range(len(circuit.nodes))}
    nodes += [node.reading(place) for node in circuit.nodes[1:]]
    return Circuit(tuple(nodes), circuit.output + shift, (*names, *circuit.names[1:]))

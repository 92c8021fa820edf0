"""The one region that contains a point."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from tropix.arrays import IntArray
from tropix.boxes import Box, BoxLike
from tropix.errors import InvalidInput
from tropix.exact import Rationals
from tropix.regions._cell import Cell
from tropix.regions._domain import Domain
from tropix.regions._exact_cells import ExactCell, along_ray
from tropix.regions._tape import Function, Tape


def describe(function: Function, x: npt.ArrayLike, box: BoxLike | None = None) -> Cell:
    """The activation cell that contains the point x (d,), of the whole space or a box; exact.

    Where x lies on the boundary of several cells, one of them is taken. The cost does not depend on the number of
    cells. Raises `InvalidInput` for points of another size, not finite, or outside the box.

    >>> from tropix import TropicalPolynomial
    >>> cell = describe(TropicalPolynomial([[0], [1], [3]], [0, 0, -4]), [0.5])
    >>> cell.affine_map, cell.vertices.ravel().tolist()
    ((array([[1.]]), array([0.])), [0.0, 2.0])
    """
    tape = Tape.of(function)
    point = np.asarray(x, dtype=np.float64)
    if point.shape != (tape.inputs,) or not np.isfinite(point).all():
        raise InvalidInput(f"expected a point of {tape.inputs} finite coordinates, found shape {point.shape}")
    domain = Domain.of(None if box is None else Box.of(box, tape.inputs), tape.inputs)
    cell = cell_at(tape, domain, Rationals.of(point))
    if cell is None:
        raise InvalidInput("the point lies outside the domain")
    return Cell(tape, domain, cell.pattern, cell.point)


def pattern_at(tape: Tape, domain: Domain, point: Rationals) -> IntArray | None:
    """The pattern of a cell of the domain that contains a point; None outside."""
    cell = cell_at(tape, domain, point)
    return None if cell is None else cell.pattern


def cell_at(tape: Tape, domain: Domain, point: Rationals) -> ExactCell | None:
    """A cell of the domain that contains a point, found by a small step towards the inside; None outside."""
    walls = domain.walls
    at = walls[:, :-1] @ Rationals(point.numerators[:, None], point.denominator) + walls[:, -1:]
    if (at.numerators > 0).any():
        return None
    rng = np.random.default_rng(0)
    inner = None if (at.numerators < 0).all() else domain.centre() - point
    while True:
        direction = Rationals.of(rng.integers(-1000, 1001, size=tape.inputs))
        if inner is not None:  # from a wall: towards the middle, then a little aside
            room = domain.room(point + inner, direction)
            share = Rationals.of(np.array([min(room or Fraction(1), Fraction(1)) / 2], dtype=object))
            direction = inner + direction * share
        pattern, length = along_ray(tape, point, direction)
        steps = [step for step in (length, domain.room(point, direction), Fraction(2)) if step is not None]
        half = Rationals.of(np.array([min(steps) / 2], dtype=object))
        cell = ExactCell.around(tape, domain, pattern, point + direction * half)
        if cell is not None and cell.contains(point):
            return cell

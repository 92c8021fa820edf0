"""Certificates of claims other than a label: linear properties of the output, and regression."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tropix.arrays import FloatArray, points_array
from tropix.boxes import BoxLike
from tropix.certify._certificate import Certificate
from tropix.certify._certify import certify_subject
from tropix.certify._engine import Method
from tropix.certify._models import Subject
from tropix.certify._norms import NormLike
from tropix.certify._properties import linear, regression
from tropix.circuits import Circuit
from tropix.errors import InvalidInput


def certify_property(
    circuit: Circuit,
    x: npt.ArrayLike,
    rows: npt.ArrayLike,
    bounds: npt.ArrayLike,
    *,
    norm: NormLike = 2,
    radius: float | None = None,
    box: BoxLike | None = None,
    method: Method = "auto",
    time_limit: float | None = None,
) -> Certificate:
    """A radius around x (d,) in which A F(x') < b in every row; A (k, m), b (k,), F the model's outputs as they are.

    It is the certificate of class 0 for the circuit with the outputs 0, A F − b: ``margin`` is the least b_i − (A F)_i
    at x, a witness is a point where one of them is ≤ 0. Raises `InvalidInput` for other shapes, NaN or infinities, and
    what `certify_all` raises.

    >>> from tropix.circuits import CircuitBuilder
    >>> builder = CircuitBuilder(1)
    >>> found = certify_property(builder.build(builder.relu(0)), [-1.0], [[1.0]], [0.5])
    >>> found.property["kind"], round(found.radius, 6), round(found.upper, 6)
    ('linear', 1.5, 1.5)
    """
    point = one_point(circuit, x)
    subject = Subject(_circuit(circuit), linear(circuit, rows, bounds))
    return certify_subject(
        subject, point[None, :], norm=norm, radius=radius, box=box, method=method, time_limit=time_limit
    )[0]


def certify_regression(
    circuit: Circuit,
    x: npt.ArrayLike,
    tolerance: float,
    *,
    output: int | Sequence[int] | None = None,
    norm: NormLike = 2,
    radius: float | None = None,
    box: BoxLike | None = None,
    method: Method = "auto",
    time_limit: float | None = None,
) -> Certificate:
    """A radius around x (d,) in which |F_j(x') − y_j| < tolerance for the outputs j named, all by default.

    y = F(x) in double precision; it is stored, and the claim is about the numbers stored. Raises `InvalidInput` for
    unknown outputs and a tolerance that is no finite number > 0, and what `certify_all` raises.
    """
    point = one_point(circuit, x)
    subject = Subject(_circuit(circuit), regression(circuit, circuit(point), tolerance, output))
    return certify_subject(
        subject, point[None, :], norm=norm, radius=radius, box=box, method=method, time_limit=time_limit
    )[0]


def certify_property_all(
    circuit: Circuit,
    points: npt.ArrayLike,
    rows: npt.ArrayLike,
    bounds: npt.ArrayLike,
    *,
    norm: NormLike = 2,
    radius: float | None = None,
    box: BoxLike | None = None,
    method: Method = "auto",
    time_limit: float | None = None,
) -> list[Certificate]:
    """`certify_property` for points (n, d) together."""
    subject = Subject(_circuit(circuit), linear(circuit, rows, bounds))
    return certify_subject(subject, points, norm=norm, radius=radius, box=box, method=method, time_limit=time_limit)


def certify_regression_all(
    circuit: Circuit,
    points: npt.ArrayLike,
    tolerance: float,
    *,
    output: int | Sequence[int] | None = None,
    norm: NormLike = 2,
    radius: float | None = None,
    box: BoxLike | None = None,
    method: Method = "auto",
    time_limit: float | None = None,
) -> list[Certificate]:
    """`certify_regression` for points (n, d), each with the outputs at its own point."""
    if np.ndim(points) != 2:
        raise InvalidInput(f"points have shape {np.shape(points)}: expected (n, {_circuit(circuit).input_size})")
    return [
        certify_regression(
            circuit, x, tolerance, output=output, norm=norm, radius=radius, box=box, method=method,
            time_limit=time_limit,
        )
        for x in np.asarray(points)
    ]  # fmt: skip


def _circuit(model: Circuit) -> Circuit:
    if not isinstance(model, Circuit):
        raise InvalidInput(f"properties are of a circuit's outputs, found {type(model).__name__}")
    return model


def one_point(model: Circuit, x: npt.ArrayLike) -> FloatArray:
    """Read one point (d,) of a circuit."""
    rows, single = points_array(x, _circuit(model).input_size)
    if not single:
        raise InvalidInput(f"one point (d,) is expected, found shape {np.shape(x)}")
    return np.asarray(rows[0])

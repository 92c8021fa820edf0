"""What is asked, checked once for certificates and attacks."""

from __future__ import annotations

from typing import get_args

import numpy as np
import numpy.typing as npt

from tropix.arrays import points_array
from tropix.boxes import Box, BoxLike
from tropix.certify._engine import Method, Request
from tropix.certify._heads import CAP
from tropix.certify._models import Subject
from tropix.certify._norms import Norm, NormLike
from tropix.errors import InvalidInput


def request_of(
    subject: Subject,
    points: npt.ArrayLike,
    labels: npt.ArrayLike | None,
    *,
    norm: NormLike,
    radius: float | None,
    box: BoxLike | None,
    method: Method = "auto",
    gap: float = 1e-3,
    seed: int = 0,
) -> Request:
    """The request, or `InvalidInput` with what is wrong: shapes, NaN, points outside the box, radius, method, gap."""
    dimension = subject.dimension
    measure = Norm.of(norm, dimension)
    rows, _ = points_array(points, dimension)
    rows = rows + 0.0
    if rows.ndim != 2 or np.ndim(points) != 2:
        raise InvalidInput(f"points have shape {np.shape(points)}: expected (n, {dimension})")
    domain = None if box is None else Box.of(box, dimension)
    if domain is not None and type(domain) is not Box:
        raise InvalidInput("the valid inputs must be a box, not a polyhedron")
    if domain is not None and domain.outside(rows):
        raise InvalidInput(f"point {domain.outside(rows)[0]} lies outside the box of valid inputs")
    if radius is not None and not (_is_number(radius) and 0 < radius < CAP):
        raise InvalidInput(f"radius {radius!r}: expected a number > 0 and below {CAP:g}")
    if method not in get_args(Method):
        raise InvalidInput(f"method {method!r}: expected one of {', '.join(get_args(Method))}")
    if not (_is_number(gap) and 0 < gap < 1):
        raise InvalidInput(f"gap {gap!r}: expected a number between 0 and 1")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise InvalidInput(f"seed {seed!r}: expected a whole number >= 0")
    if labels is not None and np.shape(labels) != (len(rows),):
        raise InvalidInput(f"labels have shape {np.shape(labels)}: expected ({len(rows)},), one a point")
    return Request(rows, labels, measure, radius, domain, method, gap, seed)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)

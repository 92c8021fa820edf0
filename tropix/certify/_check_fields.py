"""What the checker reads from evidence: numbers, places and multipliers; anything that would be rounded is refused."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
from typing import Any


class Fault(Exception):
    """Why a certificate is not proved."""


def fraction(value: Any) -> Fraction:
    """The rational that a float is; anything else is refused."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Fault(f"expected a number, found {value!r}")
    return Fraction(value)


def index(value: Any, end: int | None = None) -> int:
    """A number of a class, a corner, a node or an entry, below an end."""
    if type(value) is not int or value < 0 or (end is not None and value >= end):
        raise Fault(f"expected an index{'' if end is None else f' below {end}'}, found {value!r}")
    return value


def multiplier(value: Any) -> float:
    """A finite number ≥ 0."""
    if type(value) not in (int, float) or not 0 <= value < math.inf:
        raise Fault(f"expected a multiplier, a number >= 0, found {value!r}")
    return float(value)


def by_index(pairs: Iterable[tuple[Any, Any]], what: str) -> dict[int, Any]:
    """Evidence by the index it is for; of two pieces for one index readers would take different ones."""
    found: dict[int, Any] = {}
    for key, value in pairs:
        if index(key) in found:
            raise Fault(f"there is evidence {what} {key} twice")
        found[key] = value
    return found

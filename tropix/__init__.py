"""tropix: the symbolic engine for networks that are deformations of tropical polynomials.

Names load on first use, so that ``import tropix`` stays fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tropix.errors import FormatError as FormatError
from tropix.errors import InvalidInput as InvalidInput
from tropix.errors import TropixError as TropixError
from tropix.errors import Unsupported as Unsupported

if TYPE_CHECKING:
    from tropix.boxes import Box as Box
    from tropix.boxes import Polyhedron as Polyhedron
    from tropix.circuits import Circuit as Circuit
    from tropix.polynomials import LogSumExp as LogSumExp
    from tropix.polynomials import TropicalMap as TropicalMap
    from tropix.polynomials import TropicalPolynomial as TropicalPolynomial
    from tropix.polynomials import TropicalRational as TropicalRational
    from tropix.polynomials import equivalent as equivalent

__version__ = "0.1.0"

_HOMES = {
    "Box": "tropix.boxes",
    "Circuit": "tropix.circuits",
    "LogSumExp": "tropix.polynomials",
    "Polyhedron": "tropix.boxes",
    "TropicalMap": "tropix.polynomials",
    "TropicalPolynomial": "tropix.polynomials",
    "TropicalRational": "tropix.polynomials",
    "equivalent": "tropix.polynomials",
}
_ROOMS = {
    "boxes", "certify", "circuits", "convex", "diagram", "exact", "kernels", "linalg", "pde", "polynomials", "regions",
    "semirings",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in _ROOMS:
        return importlib.import_module(f"tropix.{name}")
    raise AttributeError(f"module 'tropix' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_ROOMS})

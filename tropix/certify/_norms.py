"""Norms of perturbations: 1, 2 and ∞, each coordinate measured in units of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from tropix.arrays import FloatArray
from tropix.errors import InvalidInput


@dataclass(frozen=True)
class Norm:
    """‖δ‖ = ‖δ/s‖_p with p = 1, 2 or ∞ and scales s > 0 (d,), or s = 1.

    With p = ∞ its balls are boxes of half-widths r·s.

    >>> Norm.of(2), Norm.of("inf").p
    (Norm(p=2.0, scale=None), inf)
    """

    p: float
    scale: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.p not in (1.0, 2.0, np.inf):
            raise InvalidInput(f"norm {self.p!r}: expected 1, 2 or inf")
        if self.scale is not None:
            scale = tuple(float(s) for s in self.scale)
            if not all(0 < s < np.inf for s in scale):
                raise InvalidInput("the scales of a norm must be finite and > 0: fix coordinates by the input box")
            object.__setattr__(self, "scale", scale)

    @classmethod
    def of(cls, value: NormLike, dimension: int | None = None) -> Norm:
        """Read 1, 2, ∞, "1", "2", "inf" or a `Norm`. Raises `InvalidInput` for anything else."""
        try:
            norm = value if isinstance(value, Norm) else cls(float(value))
        except (TypeError, ValueError):
            raise InvalidInput(f"norm {value!r}: expected 1, 2 or inf") from None
        if dimension is not None and norm.scale is not None and len(norm.scale) != dimension:
            raise InvalidInput(f"the norm has {len(norm.scale)} scales: expected {dimension}")
        return norm

    @property
    def code(self) -> int:
        """1, 2, or 0 for ∞: how kernels name it."""
        return 0 if self.p == np.inf else int(self.p)

    def scales(self, dimension: int) -> FloatArray:
        """The scales (d,)."""
        return np.ones(dimension) if self.scale is None else np.array(self.scale)

    def length(self, shifts: npt.ArrayLike) -> FloatArray:
        """‖δ‖ of each row, not less than the true value."""
        rows = np.atleast_2d(np.asarray(shifts, dtype=np.float64))
        rows = rows if self.scale is None else rows / np.array(self.scale)
        exact = self.p == np.inf and self.scale is None
        found = np.linalg.norm(rows, ord=self.p, axis=1)
        return np.asarray(found if exact else found * (1 + (rows.shape[1] + 6) * 2.0**-53))

    def distance(self, shift: FloatArray) -> float:
        """‖δ‖ of one perturbation (d,), rounded upwards; 0 for none."""
        return float(np.nextafter(self.length(shift)[0] * (1 + 2.0**-51), np.inf)) if shift.any() else 0.0

    def text(self) -> str:
        """How messages name it."""
        return ("inf" if self.p == np.inf else f"{self.p:g}") + ("" if self.scale is None else ", scaled")


NormLike: TypeAlias = "Norm | float | str"

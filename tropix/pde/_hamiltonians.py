"""Bounds of the speeds |∂H/∂p_k| over a box of slopes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from tropix.arrays import FloatArray
from tropix.errors import InvalidInput

Hamiltonian = Callable[[FloatArray], npt.ArrayLike]
"""Slopes (d, …) → values (…)."""
Speeds = Callable[[FloatArray, FloatArray], npt.ArrayLike]
"""Least and largest slopes (d,), (d,) → bounds (d,)."""
Bound = Callable[[FloatArray, FloatArray], FloatArray]
SAMPLES = {1: 257, 2: 33}
"""Samples of slopes an axis, by dimension."""
ESTIMATE = 1.1
"""Sampled speeds are taken so many times as large."""


def quadratic_speeds(low: FloatArray, high: FloatArray) -> FloatArray:
    """Bounds for H(p) = |p|²: 2 max |p_k|."""
    return np.asarray(2 * np.maximum(np.abs(low), np.abs(high)))


def speeds_of(hamiltonian: Hamiltonian | None, speeds: Speeds | Sequence[float] | None, dimension: int) -> Bound:
    """The bounds that were given, checked, or an estimate."""
    if speeds is None:
        assert hamiltonian is not None
        return lambda low, high: estimated_speeds(hamiltonian, low, high)
    if callable(speeds):
        return lambda low, high: _checked(speeds(low, high), dimension)
    constant = _checked(speeds, dimension)
    return lambda low, high: constant


def estimated_speeds(hamiltonian: Hamiltonian, low: FloatArray, high: FloatArray) -> FloatArray:
    """The steepest difference of H on a grid of slopes, enlarged by a tenth; no proof for a wild H."""
    d = len(low)
    reach = np.maximum(high - low, 1e-8 * (1 + np.abs(high)))
    axes = [np.linspace(start, start + width, SAMPLES[d]) for start, width in zip(low, reach, strict=True)]
    values = np.asarray(hamiltonian(np.stack(np.meshgrid(*axes, indexing="ij"))), dtype=np.float64)
    if values.shape != (SAMPLES[d],) * d:
        raise InvalidInput(f"the Hamiltonian gave shape {values.shape}: expected {(SAMPLES[d],) * d}")
    steepest = [np.abs(np.diff(values, axis=k)).max() for k in range(d)]
    return np.asarray(ESTIMATE * np.array(steepest) * (np.array([SAMPLES[d]] * d) - 1) / reach)


def _checked(speeds: npt.ArrayLike, dimension: int) -> FloatArray:
    bounds = np.asarray(speeds, dtype=np.float64)
    if bounds.shape != (dimension,) or not (np.isfinite(bounds) & (bounds >= 0)).all():
        raise InvalidInput(f"speeds {bounds}: expected {dimension} finite numbers >= 0")
    return bounds

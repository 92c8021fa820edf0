"""The array types of the public interface, and the one place where foreign numbers become arrays."""

from __future__ import annotations

import sys

import numpy as np
import numpy.typing as npt

from tropix.errors import InvalidInput

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
ObjectArray = npt.NDArray[np.object_]


def frozen(array: npt.NDArray[np.generic]) -> None:
    """Make an array read-only in place."""
    array.flags.writeable = False


def real_array(values: npt.ArrayLike, name: str, ndim: int, *, minus_infinity: bool = False) -> FloatArray:
    """Copy numbers into a read-only float64 array of ``ndim`` axes (one that is read-only already is shared).

    Raises :class:`InvalidInput` for a wrong number of axes, NaN, +∞, and (unless ``minus_infinity``) −∞.
    """
    try:
        shared = isinstance(values, np.ndarray) and values.dtype == np.float64 and not values.flags.writeable
        array = np.asarray(values) if shared else np.array(values, dtype=np.float64, order="C")
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{name} must be an array of real numbers: {error}") from None
    if array.ndim != ndim:
        raise InvalidInput(f"{name} has shape {array.shape}: expected {ndim} axes")
    if np.isnan(array).any():
        raise InvalidInput(f"{name} contains NaN: only real numbers are allowed")
    if np.isposinf(array).any():
        raise InvalidInput(f"{name} contains +inf, which is no element of the max-plus semiring")
    if not minus_infinity and np.isneginf(array).any():
        raise InvalidInput(f"{name} contains -inf: finite numbers are expected here")
    if array.flags.writeable:
        array += 0.0  # -0.0 becomes 0.0, so that equal numbers have equal bytes
        frozen(array)
    return array


def points_array(points: npt.ArrayLike, dimension: int) -> tuple[FloatArray, bool]:
    """Read points as an (n, d) array; also say whether a single point of shape (d,) was given.

    Raises :class:`InvalidInput` where the last axis is not ``dimension`` long or a coordinate is not finite.
    """
    try:
        array = np.ascontiguousarray(points, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"points must be an array of real numbers: {error}") from None
    single = np.ndim(points) == 1
    if np.ndim(points) not in (1, 2) or array.shape[-1] != dimension:
        raise InvalidInput(f"points have shape {np.shape(points)}: expected (n, {dimension}) or ({dimension},)")
    if not np.isfinite(array).all():
        raise InvalidInput("points contain NaN or infinite coordinates: only finite points can be evaluated")
    return array.reshape(-1, dimension), single


def temperature(eps: float, name: str = "eps") -> float:
    """Check a temperature: 0 (the tropical limit) or a normal positive float64.

    A subnormal temperature has no finite reciprocal, so kernels could not scale by it.
    """
    value = float(eps)
    if not (value == 0.0 or sys.float_info.min <= value <= sys.float_info.max):
        raise InvalidInput(f"{name} is {eps!r}: expected 0 (the tropical limit) or a finite number > 0")
    return value

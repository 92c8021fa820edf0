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
    """Copy real numbers into a read-only float64 array of ``ndim`` axes.

    Raises :class:`InvalidInput` for a wrong number of axes, NaN, +∞, (unless ``minus_infinity``) −∞, and for what is no
    real number: complex numbers, booleans, text.
    """
    array = _as_floats(values, name)
    if array.ndim != ndim:
        raise InvalidInput(f"{name} has shape {array.shape}: expected {ndim} axes")
    if np.isnan(array).any():
        raise InvalidInput(f"{name} contains NaN: only real numbers are allowed")
    if np.isposinf(array).any():
        raise InvalidInput(f"{name} contains +inf, which is no element of the max-plus semiring")
    if not minus_infinity and np.isneginf(array).any():
        raise InvalidInput(f"{name} contains -inf: finite numbers are expected here")
    array += 0.0  # -0.0 becomes 0.0, so that equal numbers have equal bytes
    frozen(array)
    return array


def _as_floats(values: npt.ArrayLike, name: str) -> FloatArray:
    """A new float64 array of the values."""
    try:
        given = np.asarray(values)
        if given.dtype.kind in "iuf" or (given.dtype == object and not any(_foreign(v) for v in given.flat)):
            return np.array(given, dtype=np.float64, order="C")
        kind = str(given.dtype)
    except (TypeError, ValueError, OverflowError) as error:
        kind = str(error)
    raise InvalidInput(f"{name} must be an array of real numbers, found {kind}")


def _foreign(value: object) -> bool:
    return isinstance(value, (bool, str, bytes, complex)) or value is None


def points_array(points: npt.ArrayLike, dimension: int) -> tuple[FloatArray, bool]:
    """Read points as an (n, d) array; also say whether a single point of shape (d,) was given.

    Raises :class:`InvalidInput` where the last axis is not ``dimension`` long or a coordinate is not finite.
    """
    shared = isinstance(points, np.ndarray) and points.dtype == np.float64
    array = np.ascontiguousarray(points) if shared else _as_floats(points, "points")
    if np.ndim(points) not in (1, 2) or array.shape[-1] != dimension:
        raise InvalidInput(f"points have shape {np.shape(points)}: expected (n, {dimension}) or ({dimension},)")
    if not np.isfinite(array).all():
        raise InvalidInput("points contain NaN or infinite coordinates: only finite points can be evaluated")
    single = array.ndim == 1
    return (array[None, :] if single else array), single


LARGEST_LOGIT = 1e300


def check_logits(points: FloatArray, weights: FloatArray, constants: FloatArray) -> None:
    """Raise :class:`InvalidInput` where a logit w·x + b might leave float64, and comparisons lose their meaning."""
    if not (points.size and weights.size):
        return
    finite = constants[np.isfinite(constants)]
    with np.errstate(over="ignore"):
        steepest = np.abs(weights).sum(axis=1).max() * np.abs(points).max()
        largest = steepest + np.abs(finite).max(initial=0.0)
    if not largest < LARGEST_LOGIT:
        raise InvalidInput("values may exceed the range of float64 at these points: rescale, or evaluate exactly")


def temperature(eps: float, name: str = "eps") -> float:
    """Check a temperature: 0 (the tropical limit) or a normal positive float64.

    A subnormal temperature has no finite reciprocal, so kernels could not scale by it.
    """
    try:
        value = float(eps)
    except (TypeError, ValueError):
        raise InvalidInput(f"{name} is {eps!r}: expected a number >= 0") from None
    if not (value == 0.0 or sys.float_info.min <= value <= sys.float_info.max):
        raise InvalidInput(f"{name} is {eps!r}: expected 0 (the tropical limit) or a finite number > 0")
    return value

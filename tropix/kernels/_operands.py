"""The operands of matrix kernels: their types and the one check that keeps a kernel inside its arrays."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from tropix.errors import InvalidInput

Real = TypeVar("Real", np.float32, np.float64)
"""The numbers of a kernel: all float32, or all float64."""


def operands(a: npt.NDArray[Real], b: npt.NDArray[Real]) -> tuple[Any, Any]:
    """Both arrays C-contiguous and of one type: float32 if both are, otherwise float64.

    Raises :class:`InvalidInput` where a (n, K) and b (K, …) have different K.
    """
    if a.ndim != 2 or b.ndim not in (1, 2) or a.shape[1] != len(b):
        raise InvalidInput(f"factors have shapes {a.shape} and {b.shape}: expected (n, K) and (K, m) or (K,)")
    kind = common_type(a, b)
    return readable(a, kind), readable(b, kind)


def readable(array: npt.NDArray[Any], kind: Any) -> Any:
    """The array, C-contiguous, of the type and never marked read-only: numba would compile a kernel anew for that.

    Kernels write to their results only.
    """
    array = np.ascontiguousarray(array, dtype=kind)
    return array if array.flags.writeable else np.asarray(_Unlocked(array))


class _Unlocked:
    """Memory of a read-only array."""

    def __init__(self, array: npt.NDArray[Any]) -> None:
        facts = array.__array_interface__
        self.array = array  # lives as long as this does
        self.__array_interface__ = {**facts, "data": (facts["data"][0], False)}


def common_type(*arrays: npt.NDArray[Any]) -> Any:
    """float32 if all arrays are, otherwise float64."""
    return np.float32 if all(array.dtype == np.float32 for array in arrays) else np.float64

"""Integer vectors: the exact signs of linear functionals on them, settled in floating point where that is safe."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import flint
import numpy as np
import numpy.typing as npt

from tropix.arrays import FloatArray

Normal = tuple[int, ...]


def primitive(values: Iterable[int]) -> Normal:
    """Integers divided by their greatest common divisor."""
    entries = tuple(values)
    divisor = math.gcd(*entries)
    return tuple(v // divisor for v in entries) if divisor > 1 else entries


class IntegerVectors:
    """Integer vectors with exact products, in int64 where that cannot overflow."""

    def __init__(self, rows: Sequence[Sequence[int]]) -> None:
        self.rows = [tuple(row) for row in rows]
        self.rank = len(self.rows[0])
        self.largest = max((abs(v) for row in self.rows for v in row), default=0)
        self.small = np.array(self.rows, dtype=np.int64).T if self.largest < 2**62 else None
        self.columns = flint.fmpz_mat(self.rows).transpose()

    def values(self, normals: Sequence[Normal]) -> npt.NDArray[Any]:
        """Products of functionals with all vectors, (F, N)."""
        steepest = max(abs(v) for normal in normals for v in normal)
        if self.small is not None and self.rank * steepest * self.largest < 2**62:
            return np.asarray(np.array(normals, dtype=np.int64) @ self.small)
        product = flint.fmpz_mat(normals) * self.columns
        values = np.empty(len(normals) * len(self.rows), dtype=object)
        values[:] = product.entries()
        return values.reshape(len(normals), len(self.rows))

    @cached_property
    def _bits(self) -> list[int]:
        return [max(abs(row[i]) for row in self.rows).bit_length() for i in range(self.rank)]

    @cached_property
    def _images(self) -> FloatArray:
        """The columns in [−1, 1]: each divided by a power of two, then rounded to the nearest float."""
        return np.array([[row[i] / (1 << bits) for row in self.rows] for i, bits in enumerate(self._bits)])

    def signs(self, normals: Sequence[Normal]) -> npt.NDArray[np.int8]:
        """Signs of the products of functionals with all vectors, (F, N).

        Floating point settles those that exceed its error bound γ·|n|·|v|, exact arithmetic all others.
        """
        steepest = max(abs(v) for normal in normals for v in normal)
        if self.small is not None and self.rank * steepest * self.largest < 2**62:
            return np.asarray(np.sign(self.values(normals)), dtype=np.int8)
        scaled = [[v << bits for v, bits in zip(normal, self._bits, strict=True)] for normal in normals]
        tops = [max(v.bit_length() for v in normal) for normal in scaled]
        images = np.array([[v / (1 << top) for v in normal] for normal, top in zip(scaled, tops, strict=True)])
        products = images @ self._images
        # two roundings on entry and rank for the sum, doubled; the constant covers what underflows
        error = (self.rank + 2) * 2.0**-52 * (np.abs(images) @ np.abs(self._images)) + 1e-290
        signs = np.sign(products).astype(np.int8)
        for f, i in zip(*np.nonzero(np.abs(products) <= error), strict=True):
            value = sum(a * b for a, b in zip(normals[f], self.rows[i], strict=True))
            signs[f, i] = (value > 0) - (value < 0)
        return signs

    def nullspace(self, face: Iterable[int]) -> list[Normal]:
        """A basis of the functionals that vanish on the vectors of a face."""
        rows = [self.rows[i] for i in sorted(face)]
        if not rows:
            return [tuple(int(i == j) for j in range(self.rank)) for i in range(self.rank)]
        basis, nullity = flint.fmpz_mat(rows).nullspace()
        return [primitive(int(v) for v in column) for column in basis.transpose().tolist()[:nullity]]

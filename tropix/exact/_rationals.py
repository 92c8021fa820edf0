"""Arrays of rational numbers over one common denominator."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import flint
import numpy as np
import numpy.typing as npt

from tropix.arrays import FloatArray, ObjectArray, frozen
from tropix.errors import InvalidInput

MAX_BITS = 1 << 16
"""Largest size, in bits, of a numerator or a common denominator read from outside."""


@dataclass(frozen=True, eq=False)
class Rationals:
    """An array of rationals ``numerators / denominator`` (Python integers, denominator > 0).

    Every finite float is taken as the rational number it is. Arithmetic is exact and broadcasts as NumPy does.

    >>> third = Rationals.of([Fraction(1, 3), 0.5])
    >>> third.numerators.tolist(), third.denominator
    ([2, 3], 6)
    """

    numerators: ObjectArray
    denominator: int

    def __post_init__(self) -> None:
        frozen(self.numerators)

    @classmethod
    def of(cls, values: npt.ArrayLike | Rationals) -> Rationals:
        """Read floats, integers, `fractions.Fraction` or flint rationals; raise `InvalidInput` for others."""
        if isinstance(values, Rationals):
            return values
        try:
            array = np.asarray(values)
        except ValueError as error:
            raise InvalidInput(f"expected an array of rational numbers: {error}") from None
        if array.dtype.kind not in "fiuO" or array.dtype.itemsize > 8:
            raise InvalidInput(f"expected rational numbers, found {array.dtype}")
        if array.dtype.kind == "f":
            return cls._of_floats(array.astype(np.float64))
        if array.dtype.kind in "iu":
            return cls(array.astype(object), 1)
        fractions = [_fraction(value) for value in array.ravel().tolist()]
        denominator = _common_denominator(fractions)
        numerators = np.empty(len(fractions), dtype=object)
        numerators[:] = [f.numerator * (denominator // f.denominator) for f in fractions]
        return cls(numerators.reshape(array.shape), denominator)

    @classmethod
    def _of_floats(cls, array: FloatArray) -> Rationals:
        if not np.isfinite(array).all():
            raise InvalidInput("only finite numbers are rational: found NaN or an infinity")
        mantissa, exponent = np.frexp(array)
        odd = (mantissa * 2.0**53).astype(np.int64)
        trailing = np.frexp((odd & -odd).astype(np.float64))[1] - 1
        trailing[odd == 0] = 0
        odd >>= trailing
        power = exponent.astype(np.int64) - 53 + trailing
        power[odd == 0] = 0
        shift = max(0, -int(power.min(initial=0)))
        numerators = np.asarray(np.left_shift(odd.astype(object), (power + shift).astype(object)), dtype=object)
        return cls(numerators.reshape(array.shape), 1 << shift)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.numerators.shape

    def __len__(self) -> int:
        return len(self.numerators)

    def __getitem__(self, key: Any) -> Rationals:
        part = self.numerators[key]
        return Rationals(part if isinstance(part, np.ndarray) else _scalar(part), self.denominator)

    def __add__(self, other: Rationals) -> Rationals:
        left, right, denominator = _common(self, other)
        return Rationals(np.asarray(left + right, dtype=object), denominator)

    def __sub__(self, other: Rationals) -> Rationals:
        left, right, denominator = _common(self, other)
        return Rationals(np.asarray(left - right, dtype=object), denominator)

    def __mul__(self, other: Rationals) -> Rationals:
        product = np.asarray(self.numerators * other.numerators, dtype=object)
        return Rationals(product, self.denominator * other.denominator).reduced()

    def __neg__(self) -> Rationals:
        return Rationals(np.asarray(-self.numerators, dtype=object), self.denominator)

    def __matmul__(self, other: Rationals) -> Rationals:
        """Exact matrix product of two 2-D arrays, computed by flint."""
        product = self.to_flint() * other.to_flint()
        numerators = np.empty(product.nrows() * product.ncols(), dtype=object)
        numerators[:] = [int(entry) for entry in product.entries()]
        shape = (self.shape[0], other.shape[1])
        return Rationals(numerators.reshape(shape), self.denominator * other.denominator).reduced()

    def to_flint(self) -> Any:
        """The numerators of a 2-D array as a flint ``fmpz_mat``."""
        rows, columns = self.shape
        return flint.fmpz_mat(rows, columns, self.numerators.ravel().tolist())

    @property
    def transpose(self) -> Rationals:
        """The array with its axes reversed."""
        return Rationals(self.numerators.T, self.denominator)

    def reduced(self) -> Rationals:
        """The same numbers over the least common denominator."""
        if self.denominator == 1:
            return self
        divisor = self.denominator
        for numerator in self.numerators.ravel():
            if divisor == 1:
                return self
            divisor = math.gcd(divisor, numerator)
        if divisor == 1:
            return self
        return Rationals(np.asarray(self.numerators // divisor, dtype=object), self.denominator // divisor)

    def floats(self) -> FloatArray:
        """The nearest float64 to each number; `InvalidInput` where one lies beyond the largest float."""
        denominator = self.denominator
        try:
            values = [numerator / denominator for numerator in self.numerators.ravel()]
        except OverflowError:
            raise InvalidInput("a number exceeds the range of float64: rescale the model") from None
        return np.array(values, dtype=np.float64).reshape(self.shape) + 0.0

    def fractions(self) -> ObjectArray:
        """The numbers as an object array of `fractions.Fraction`."""
        values = np.empty(self.numerators.size, dtype=object)
        values[:] = [Fraction(numerator, self.denominator) for numerator in self.numerators.ravel()]
        return values.reshape(self.shape)

    def float_mask(self) -> npt.NDArray[np.bool_]:
        """For each number, whether it is exactly a float64."""
        image = Rationals.of(self.floats())
        left, right, _ = _common(self, image)
        return np.asarray(left == right, dtype=np.bool_)

    def equals(self, other: Rationals) -> bool:
        """Whether both arrays have the same shape and the same numbers."""
        if self.shape != other.shape:
            return False
        left, right, _ = _common(self, other)
        return bool(np.all(left == right))

    def keys(self) -> list[tuple[int, ...]]:
        """Each row of a 2-D array as a hashable tuple of numerators (comparable within this array only)."""
        return [tuple(row) for row in self.numerators.tolist()]

    @staticmethod
    def concatenate(parts: list[Rationals], axis: int = 0) -> Rationals:
        """Join arrays along an axis."""
        denominator = math.lcm(*(part.denominator for part in parts))
        scaled = [part.numerators * (denominator // part.denominator) for part in parts]
        return Rationals(np.concatenate(scaled, axis=axis), denominator)


def _scalar(value: Any) -> ObjectArray:
    array = np.empty((), dtype=object)
    array[()] = value
    return array


def _common(a: Rationals, b: Rationals) -> tuple[ObjectArray, ObjectArray, int]:
    """Numerators of both over their least common denominator."""
    if a.denominator == b.denominator:
        return a.numerators, b.numerators, a.denominator
    denominator = math.lcm(a.denominator, b.denominator)
    return (
        a.numerators * (denominator // a.denominator),
        b.numerators * (denominator // b.denominator),
        denominator,
    )


def fraction_of(value: Any) -> Fraction:
    """A flint rational as a `Fraction`."""
    return Fraction(int(value.p), int(value.q))


def _common_denominator(fractions: list[Fraction]) -> int:
    denominator = 1
    for fraction in fractions:
        if denominator % fraction.denominator:
            denominator = math.lcm(denominator, fraction.denominator)
            if denominator.bit_length() > MAX_BITS:
                raise InvalidInput(f"the common denominator of the numbers has more than {MAX_BITS} bits")
    return denominator


def _fraction(value: Any) -> Fraction:
    if isinstance(value, flint.fmpq):
        return fraction_of(value)
    if isinstance(value, flint.fmpz):
        return Fraction(int(value))
    if isinstance(value, (np.integer, np.floating)):
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, (int, float, Fraction)):
        raise InvalidInput(f"expected a rational number, found {type(value).__name__}")
    try:
        fraction = Fraction(value)
    except (ValueError, OverflowError):
        raise InvalidInput(f"{value!r} is not a rational number: only finite numbers are") from None
    if max(fraction.numerator.bit_length(), fraction.denominator.bit_length()) > MAX_BITS:
        raise InvalidInput(f"a rational number has more than {MAX_BITS} bits")
    return fraction

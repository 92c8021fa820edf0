"""How matrices come in and go out: floats as they are, exact numbers as integers over one denominator.

Inside this package every matrix is a max-plus matrix. Min-plus matrices are negated on the way in and out, which is
exact. Exact entries become integers over one common denominator: float64 arrays where all results stay below 2⁵³ (every
such sum is exact, and the fast kernels apply), object arrays of Python integers otherwise. −∞ stays the float −∞.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from tropix.arrays import LARGEST_LOGIT, ObjectArray
from tropix.errors import InvalidInput, Unsupported
from tropix.exact import Rationals
from tropix.semirings import Deformed, MaxPlus, MinPlus, Semiring

Array: TypeAlias = npt.NDArray[Any]
Matrix: TypeAlias = Any
"""A dense array or a sparse matrix of scipy.sparse, in which entries that are not stored are the semiring's zero."""
Number: TypeAlias = float | int | Fraction
SemiringLike: TypeAlias = Literal["max", "min"] | Semiring

EXACT_FLOATS = float(2**53)


@dataclass(frozen=True)
class Arithmetic:
    """What was given and how results go back: the semiring's sign and ε, the kind of number, the denominator."""

    sign: int
    kind: Literal["float64", "float32", "exact"]
    denominator: int = 1
    eps: float = 0.0

    def write(self, values: Array) -> Array:
        """Results in the arithmetic and the semiring of the operands."""
        if self.kind != "exact":
            return (values if self.sign == 1 else 0.0 - values).astype(self.kind, copy=False)
        out = np.empty(values.shape, dtype=object)
        flat, given = out.reshape(-1), values.reshape(-1)
        finite = np.isfinite(given) if given.dtype == np.float64 else np.array([_is_finite(v) for v in given], bool)
        if self.denominator == 1 and given.dtype == np.float64:
            flat[finite] = (self.sign * given[finite]).astype(np.int64)
        else:
            flat[finite] = [self.number(v) for v in given[finite].tolist()]
        flat[~finite] = self.sign * given[~finite]
        return out

    def write_sparse(self, matrix: Any) -> Any:
        """A CSR matrix in the arithmetic and the semiring of the operands; whole numbers are int64."""
        import scipy.sparse as sp

        if self.kind != "exact":
            return sp.csr_array((self.write(matrix.data), matrix.indices, matrix.indptr), shape=matrix.shape)
        if self.denominator != 1:
            raise Unsupported("exact sparse results hold whole numbers only: use dense object arrays for fractions")
        data = (self.sign * matrix.data).astype(np.int64)
        return sp.csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)

    def number(self, value: Any) -> Number:
        """One result: a float, or exactly an int (where whole) or a `Fraction`; infinities are floats."""
        if self.kind != "exact" or not _is_finite(value):
            return float(self.sign * value) + 0.0
        result = self.sign * Fraction(value) / self.denominator
        return int(result) if result.denominator == 1 else result

    @property
    def exact(self) -> bool:
        """Whether results are rational numbers."""
        return self.kind == "exact"


def _is_finite(value: Any) -> bool:
    return not (isinstance(value, float) and value in (np.inf, -np.inf))


def signed_eps(semiring: SemiringLike) -> tuple[int, float]:
    """The sign that makes a semiring max-plus, and its ε (0 for max-plus and min-plus)."""
    if isinstance(semiring, Deformed):
        return 1, semiring.eps
    if isinstance(semiring, MaxPlus) or (isinstance(semiring, str) and semiring == "max"):
        return 1, 0.0
    if isinstance(semiring, MinPlus) or (isinstance(semiring, str) and semiring == "min"):
        return -1, 0.0
    raise InvalidInput(f'semiring is {semiring!r}: expected "max", "min", MAX_PLUS, MIN_PLUS or Deformed(eps)')


def exact(values: npt.ArrayLike) -> ObjectArray:
    """An object array of the same numbers: int where whole, `Fraction` otherwise; ±∞ stay floats.

    Every finite float is taken as the rational number it is. Arrays of integers are exact without this.

    >>> exact([0.5, 3.0, -np.inf]).tolist()
    [Fraction(1, 2), 3, -inf]
    """
    if is_sparse(values):
        raise InvalidInput("exact arrays are dense: sparse matrices of integers are exact without this")
    arithmetic, (array,) = read("max", [values], exact=True, top=True)
    return arithmetic.write(array)


def read(
    semiring: SemiringLike,
    operands: Sequence[Matrix],
    *,
    growth: int = 2,
    exact: bool = False,
    top: bool = False,
    deformed: str | None = None,
) -> tuple[Arithmetic, list[Any]]:
    """Operands as max-plus arrays (or CSR matrices) and the arithmetic they share.

    Exact if all operands are (or ``exact`` asks for it), float32 if all are that, float64 otherwise. ``growth`` bounds
    how many entries are added up in a result; ``top`` admits the dual infinity. A deformed semiring raises
    `Unsupported` with the reason ``deformed``, if given.
    """
    sign, eps = signed_eps(semiring)
    if eps and deformed:
        raise Unsupported(f"not over S_eps: {deformed}")
    arrays = [_as_matrix(operand) for operand in operands]
    kinds = {_kind(array) for array in arrays}
    kind: Any = "exact" if exact else kinds.pop() if len(kinds) == 1 else "float64"
    if eps:
        if kind == "exact" and not exact:
            kind = "float64"
        if kind == "float32":
            kind = "float64"
    if kind != "exact":
        return Arithmetic(sign, kind, 1, eps), [_floats(array, kind, sign, top) for array in arrays]
    numbers = [_rationals(array, sign, top) for array in arrays]
    joint = Rationals.concatenate([finite for _, finite in numbers] or [Rationals.of([0])])
    denominator = joint.denominator
    largest = max((abs(v) for v in joint.numerators), default=0) * max(2, growth)
    if largest > LARGEST_LOGIT:
        raise Unsupported(
            f"entries of more than {int(largest).bit_length()} bits over their common denominator; exact matrices are "
            "supported up to about 1000 bits: round very small entries"
        )
    small, results, begin = largest < EXACT_FLOATS, [], 0
    for array, (mask, finite) in zip(arrays, numbers, strict=True):
        part = joint.numerators[begin : begin + len(finite)]
        begin += len(finite)
        results.append(_scaled(array, mask, part, small, sign))
    return Arithmetic(sign, "exact", denominator), results


def is_sparse(matrix: Matrix) -> bool:
    """Whether a matrix is one of scipy.sparse (which is imported only if there is one)."""
    return not isinstance(matrix, np.ndarray) and hasattr(matrix, "tocsr")


def _as_matrix(operand: Matrix) -> Any:
    if is_sparse(operand):
        import scipy.sparse as sp

        if operand.ndim != 2:
            raise InvalidInput(f"sparse array has shape {operand.shape}: expected two axes")
        matrix = sp.csr_array(operand)
        if not matrix.has_canonical_format:
            matrix = matrix.copy()
            matrix.sum_duplicates()  # what duplicates mean in scipy
        return matrix
    if isinstance(operand, np.ma.MaskedArray):
        raise InvalidInput("masked arrays are not supported: fill them with the semiring's zero")
    try:
        return np.asarray(operand)
    except ValueError:
        raise InvalidInput("expected a rectangular array of numbers") from None


def _kind(array: Any) -> str:
    dtype = array.dtype
    if dtype == np.float64 or dtype == np.float32:
        return str(dtype)
    if dtype.kind in "iuO":
        return "exact"
    if dtype == np.float16:
        return "float32"
    raise InvalidInput(f"entries are {dtype}: expected floats, integers or fractions.Fraction")


def _floats(array: Any, kind: str, sign: int, top: bool) -> Any:
    if is_sparse(array):
        data = _floats(array.data, kind, sign, False)
        return _without_zeros(array, data)
    try:
        values = np.asarray(array, dtype=kind)
    except (TypeError, ValueError, OverflowError):
        raise InvalidInput("expected real numbers: floats, integers or fractions.Fraction") from None
    if sign == -1:
        values = 0.0 - values
    _check(values, top)
    return values


def _check(values: Array, top: bool) -> None:
    if not values.size:
        return
    high = values.max()
    if np.isnan(high):
        raise InvalidInput("an entry is NaN: only numbers are allowed")
    if high == np.inf and not top:
        raise InvalidInput("an entry is the infinity that is no element of the semiring (+inf in max-plus)")
    low = values.min()
    if low == -np.inf or high == np.inf:
        finite = values[np.isfinite(values)]
        low, high = finite.min(initial=0.0), finite.max(initial=0.0)
    if max(abs(float(low)), abs(float(high))) > (LARGEST_LOGIT if values.dtype == np.float64 else 1e37):
        raise InvalidInput("entries are so large that sums might overflow: rescale")


def _without_zeros(array: Any, data: Array) -> Any:
    """A CSR matrix with these data, without stored −∞."""
    import scipy.sparse as sp

    keep = data != -np.inf
    if keep.all():
        return sp.csr_array((data, array.indices, array.indptr), shape=array.shape)
    counts = np.concatenate([[0], np.cumsum(keep)])
    return sp.csr_array((data[keep], array.indices[keep], counts[array.indptr]), shape=array.shape)


def _rationals(array: Any, sign: int, top: bool) -> tuple[Array, Rationals]:
    """Which entries are finite, and these as rationals (flat), negated for min-plus."""
    values = array.data if is_sparse(array) else array.ravel()
    if values.dtype == object:
        try:
            undefined = any(v != v for v in values)
        except (TypeError, ValueError):
            raise InvalidInput("expected rational numbers as entries") from None
        if undefined:
            raise InvalidInput("an entry is NaN: only numbers are allowed")
        infinite = np.array([isinstance(v, (float, np.floating)) and np.isinf(v) for v in values], dtype=np.bool_)
    else:
        if np.isnan(values).any():
            raise InvalidInput("an entry is NaN: only numbers are allowed")
        infinite = np.isinf(values)
    if not top and any(sign * float(v) > 0 for v in values[infinite]):
        raise InvalidInput("an entry is the infinity that is no element of the semiring (+inf in max-plus)")
    finite = Rationals.of(values[~infinite]) if not infinite.all() else Rationals.of(np.zeros(0, dtype=np.int64))
    return ~infinite, (finite if sign == 1 else -finite)


def _scaled(array: Any, finite: Array, numerators: Array, small: bool, sign: int) -> Any:
    values = array.data if is_sparse(array) else array.ravel()
    out: Array = np.empty(len(values), dtype=np.float64 if small else object)
    out[finite] = numerators
    out[~finite] = sign * values[~finite].astype(np.float64)
    if not is_sparse(array):
        return out.reshape(array.shape)
    if not small:
        raise Unsupported("exact sparse matrices need results below 2**53: use a dense object array")
    return _without_zeros(array, out)

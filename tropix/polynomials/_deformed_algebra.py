"""Sums, products, powers and substitutions of polynomials over S_ε."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from itertools import combinations_with_replacement, groupby
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tropix.arrays import FloatArray, IntArray
from tropix.errors import InvalidInput, Unsupported
from tropix.exact import Rationals

if TYPE_CHECKING:
    from tropix.polynomials._log_sum_exp import LogSumExp

MAX_PIECES = 2_000_000
MAX_INDICES = 10_000_000
"""Largest number of pieces that one operation may form, and of factors that a power may multiply."""


def add(f: LogSumExp, g: LogSumExp) -> LogSumExp:
    """See `LogSumExp.__add__`."""
    _check_pair(f, g)
    _check_count(len(f) + len(g))
    return type(f)(np.concatenate([f.weights, g.weights]), np.concatenate([f.bias, g.bias]), f.eps)


def multiply(f: LogSumExp, g: LogSumExp) -> LogSumExp:
    """See `LogSumExp.__mul__`."""
    _check_pair(f, g)
    _check_count(len(f) * len(g))
    weights = _sums(f.weights[:, None, :], g.weights[None, :, :]).reshape(-1, f.dimension)
    return type(f)(weights, _sums(f.bias[:, None], g.bias[None, :]).ravel(), f.eps)


def power(f: LogSumExp, exponent: int) -> LogSumExp:
    """See `LogSumExp.__pow__`."""
    if isinstance(exponent, bool) or not isinstance(exponent, int | np.integer) or exponent < 0:
        raise InvalidInput(
            f"power {exponent!r} of a log-sum-exp: expected an integer >= 0. For c*f with a real c > 0 use scale(c), "
            "which has the temperature c*eps; for negative powers use a DeformedRational."
        )
    k = int(exponent)
    if k == 0:
        return type(f).constant(0.0, f.dimension, f.eps)
    present = np.isfinite(f.bias)
    rows = Rationals.of(np.column_stack([f.weights, f.bias])[present])
    choices = _multisets(len(rows), k)
    totals = rows[choices].numerators.sum(axis=1)
    images = Rationals(totals.reshape(-1, f.dimension + 1), rows.denominator).floats()
    logs = np.array([_log_multinomial(tuple(len(list(run)) for _, run in groupby(c))) for c in choices.tolist()])
    with np.errstate(over="ignore"):
        added = f.eps * logs.astype(np.float64)
    if np.isinf(added).any():
        raise InvalidInput("a number exceeds the range of float64: rescale the model")
    return type(f)(images[:, :-1], _sums(images[:, -1], added), f.eps)


def scale(f: LogSumExp, factor: float | Fraction) -> LogSumExp:
    """See `LogSumExp.scale`."""
    number = Rationals.of(np.array([factor], dtype=object))
    if number.numerators[0] <= 0:
        raise InvalidInput(f"factor {factor} of a log-sum-exp: expected a number > 0")
    eps = float((number * Rationals.of(np.array([f.eps]))).floats()[0])
    if f.eps and not eps:
        raise InvalidInput(f"the temperature {f.eps} times {factor} vanishes in float64")
    present = np.isfinite(f.bias)
    rows = Rationals.of(np.column_stack([f.weights, f.bias])[present]) * number
    return type(f)(rows.floats()[:, :-1], rows.floats()[:, -1], eps)


def substitute(f: LogSumExp, matrix: npt.ArrayLike, offset: npt.ArrayLike) -> LogSumExp:
    """See `LogSumExp.substitute`."""
    image = f.limit().substitute(matrix, offset)
    return type(f)(image.exponents, image.coefficients, f.eps)


def merge(f: LogSumExp) -> LogSumExp:
    """See `LogSumExp.merge`."""
    from tropix.semirings import semiring

    places: dict[bytes, list[int]] = {}
    for j in np.flatnonzero(np.isfinite(f.bias)).tolist():
        places.setdefault(f.weights[j].tobytes(), []).append(j)
    ring = semiring(f.eps)
    bias = [float(ring.sum(f.bias[group])) for group in places.values()]
    first = np.array([group[0] for group in places.values()], dtype=np.int64)
    return type(f)(f.weights[first], np.array(bias, dtype=np.float64), f.eps)


def _multisets(count: int, size: int) -> IntArray:
    """All multisets of ``size`` indices below ``count``, ascending, one a row."""
    total = math.comb(count + size - 1, size) if count else 0
    _check_count(total)
    if total * size > MAX_INDICES:
        raise Unsupported(f"the expansion multiplies {total} times {size} pieces, more than {MAX_INDICES} factors")
    return np.array(list(combinations_with_replacement(range(count), size)), dtype=np.int64).reshape(total, size)


@lru_cache(maxsize=4096)
def _log_multinomial(parts: tuple[int, ...]) -> float:
    """log((Σ parts)! / ∏ parts!), rounded from the integer."""
    number, left = 1, sum(parts)
    for part in parts:
        number *= math.comb(left, part)
        left -= part
    return math.log(number)


def _check_pair(f: LogSumExp, g: LogSumExp) -> None:
    if f.dimension != g.dimension:
        raise InvalidInput(f"log-sum-exps in {f.dimension} and {g.dimension} variables do not combine")
    if f.eps != g.eps:
        raise InvalidInput(
            f"temperatures {f.eps} and {g.eps} differ: only polynomials over the same S_eps combine. A sum of "
            "functions of different temperatures is a circuit."
        )


def _check_count(count: int) -> None:
    if count > MAX_PIECES:
        raise Unsupported(f"the result would have {count} pieces, more than {MAX_PIECES}")


def _sums(a: FloatArray, b: FloatArray) -> FloatArray:
    """A + b, where −∞ may come only from −∞."""
    with np.errstate(over="ignore"):
        values = np.asarray(a + b)
    if (np.isinf(values) & np.isfinite(a) & np.isfinite(b)).any():
        raise InvalidInput("a number exceeds the range of float64: rescale the model")
    return values

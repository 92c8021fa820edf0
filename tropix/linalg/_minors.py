"""All minors of a small matrix at once: their optima, and whether these are attained once."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from tropix.errors import Unsupported
from tropix.linalg._carrier import Array

MAX_MINORS = 200_000
"""Most minors of one matrix that are looked at (10×10 has 184 755)."""

Minor = tuple[Any, bool]
"""The determinant, and whether exactly one permutation attains it."""


def check_size(shape: tuple[int, ...]) -> None:
    """Raise `Unsupported` for matrices with too many minors."""
    count = math.comb(shape[0] + shape[1], shape[0])
    if count > MAX_MINORS:
        raise Unsupported(f"a {shape[0]}x{shape[1]} matrix has {count} minors: at most {MAX_MINORS} are supported")


def levels(a: Array) -> Iterator[dict[tuple[int, int], Minor]]:
    """For k = 1, 2, … the k×k minors, keyed by bit masks of rows and columns; minors of value −∞ are left out.

    Each is expanded along its last row: optima of order k−1 are known, and their numbers of optimal permutations add.
    """
    m, n = a.shape
    check_size(a.shape)
    entries = [[(1 << j, row[j]) for j in range(n) if row[j] != -math.inf] for row in a.tolist()]
    previous: dict[tuple[int, int], Minor] = {(0, 0): (0, True)}
    while previous:
        following: dict[tuple[int, int], Minor] = {}
        for (rows, columns), (value, unique) in previous.items():
            for i in range(rows.bit_length(), m):
                for bit, entry in entries[i]:
                    if columns & bit:
                        continue
                    key, total = (rows | 1 << i, columns | bit), value + entry
                    known = following.get(key)
                    if known is None or total > known[0]:
                        following[key] = (total, unique)
                    elif total == known[0]:
                        following[key] = (total, False)
        if following:
            yield following
        previous = following


def members(mask: int) -> tuple[int, ...]:
    """The positions of the bits of a mask."""
    return tuple(i for i in range(mask.bit_length()) if mask >> i & 1)


def both_parities(a: Array) -> bool:
    """Whether even and odd permutations of a square matrix have the same optimum (|A|⁺ = |A|⁻, both −∞ included)."""
    n = len(a)
    if n > 16:
        raise Unsupported(f"parities of optimal permutations of a matrix of order {n}: supported up to order 16")
    best: dict[int, list[Any]] = {0: [0, -math.inf]}
    for row in a.tolist():
        following: dict[int, list[Any]] = {}
        for columns, values in best.items():
            for j, entry in enumerate(row):
                if entry == -math.inf or columns >> j & 1:
                    continue
                odd = (columns >> j).bit_count() & 1  # inversions that column j closes
                known = following.setdefault(columns | 1 << j, [-math.inf, -math.inf])
                for parity in (0, 1):
                    if values[parity] != -math.inf:
                        known[parity ^ odd] = max(known[parity ^ odd], values[parity] + entry)
        best = following
    even, odd_best = best.get((1 << n) - 1, [-math.inf, -math.inf])
    return bool(even == odd_best)

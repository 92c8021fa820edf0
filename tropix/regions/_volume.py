"""Volumes of polytopes in rational arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction

from tropix.exact import Rationals


def exact_volume(inequalities: Rationals) -> Fraction:
    """The volume of the polytope {x : a·x ≤ b} from rows (a, b), which may be redundant. It must be bounded.

    vol(P) = (1/d) Σ_i b_i / |a_ij| · vol(P ∩ {a_i·x = b_i}, coordinate j left out), for any j with a_ij ≠ 0
    (Lasserre, *An analytical expression and an algorithm for the volume of a convex polyhedron in R^n*, 1983). The
    number of terms grows like (number of facets)^d.
    """
    rows = [tuple(int(v) for v in row) for row in inequalities.numerators.tolist()]
    return _volume(rows, inequalities.shape[1] - 1)


def _distinct(rows: list[tuple[int, ...]]) -> list[tuple[int, ...]] | None:
    """Of parallel rows the tightest; None if some row 0 ≤ b is violated."""
    best: dict[tuple[int, ...], Fraction] = {}
    for row in rows:
        divisor = math.gcd(*row[:-1])
        if divisor == 0:
            if row[-1] < 0:
                return None
            continue
        normal = tuple(value // divisor for value in row[:-1])
        offset = Fraction(row[-1], divisor)
        if normal not in best or offset < best[normal]:
            best[normal] = offset
    found = []
    for normal, offset in best.items():
        scale = offset.denominator
        found.append((*(value * scale for value in normal), offset.numerator))
    return found


def _length(rows: list[tuple[int, ...]]) -> Fraction:
    """The length of {x : a·x ≤ b}."""
    high = low = (0, 0)  # the tightest b / |a| so far, and on the other side; 0 / 0 if there is none
    for a, b in rows:
        if a > 0 and (high[1] == 0 or b * high[1] < high[0] * a):
            high = (b, a)
        elif a < 0 and (low[1] == 0 or b * low[1] < low[0] * -a):
            low = (b, -a)
        elif a == 0 and b < 0:
            return Fraction(0)
    return max(Fraction(0), Fraction(high[0] * low[1] + low[0] * high[1], high[1] * low[1]))


def _volume(rows: list[tuple[int, ...]], dimension: int) -> Fraction:
    if dimension == 1:
        return _length(rows)
    distinct = _distinct(rows)
    if distinct is None:
        return Fraction(0)
    rows, total = distinct, Fraction(0)
    for i, row in enumerate(rows):
        if row[-1] == 0:
            continue
        j = max(range(dimension), key=lambda c: abs(row[c]))
        pivot = row[j]
        # on the facet x_j = (b − Σ a_c x_c) / a_j; the other rows times |a_j| stay integers
        sign = 1 if pivot > 0 else -1
        left = []
        for k, other in enumerate(rows):
            if k != i:
                reduced = [sign * (v * pivot - other[j] * w) for v, w in zip(other, row, strict=True)]
                del reduced[j]
                left.append(tuple(reduced))
        total += Fraction(row[-1], abs(pivot)) * _volume(left, dimension - 1)
    return total / dimension

"""Factorizations A = B ⊗ C with few inner indices, by search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tropix.linalg._carrier import Array

Entry = tuple[int, int]
MAX_ENTRIES = 800
"""Most finite entries of a matrix that is searched: the search nests as deep."""


@dataclass(frozen=True, eq=False)
class Factorization:
    """The best factors found, and a proved lower bound of the number of inner indices."""

    lower: int
    factors: tuple[Array, Array]


class _LimitReached(Exception):
    pass


def factorize(a: Array, lower: int, limit: int) -> Factorization:
    """Factors of an object matrix of integers and −∞ with as few inner indices as the search finds.

    A = ⊕ of matrices u ⊗ wᵀ ≤ A, each of which attains a set of entries. A set is attainable if its rows and columns
    cross in finite entries only and u_i + w_j ≤ a_ij there, with equality on the set, has a solution.
    """
    m, n = a.shape
    if (a != -np.inf).sum() > MAX_ENTRIES:
        return Factorization(lower, _trivial(a))
    entries = [(int(i), int(j)) for i, j in zip(*np.nonzero(a != -np.inf), strict=True)]
    clashes = {e: {f for f in entries if f != e and _clash(a, e, f)} for e in entries}
    order = sorted(entries, key=lambda e: -len(clashes[e]))
    lower = max(lower, _clique(order, clashes))
    for k in range(lower, min(m, n)):
        search = _Search(a, order, clashes, k, limit)
        try:
            groups = search.run()
        except _LimitReached:
            return Factorization(k, _trivial(a))
        if groups is not None:
            return Factorization(k, _from_groups(a, groups))
    return Factorization(min(m, n) if entries else 0, _trivial(a) if entries else _from_groups(a, []))


def _clash(a: Array, e: Entry, f: Entry) -> bool:
    """Whether no u ⊗ wᵀ ≤ A attains both entries."""
    (i, j), (k, last) = e, f
    if a[i, last] == -np.inf or a[k, j] == -np.inf:
        return True
    return bool(a[i, j] + a[k, last] > a[i, last] + a[k, j])


def _clique(order: list[Entry], clashes: dict[Entry, set[Entry]]) -> int:
    """The size of a set of entries that clash pairwise, found greedily: a lower bound."""
    best = 0
    for first in order:
        chosen = [first]
        candidates = set(clashes[first])
        for e in order:
            if e in candidates:
                chosen.append(e)
                candidates &= clashes[e]
        best = max(best, len(chosen))
    return best


class _Search:
    """Depth-first: each entry joins a group that can still be attained, or begins a new one."""

    def __init__(self, a: Array, order: list[Entry], clashes: dict[Entry, set[Entry]], k: int, limit: int) -> None:
        self.a, self.order, self.clashes, self.k, self.left = a, order, clashes, k, limit
        self.groups: list[list[Entry]] = []

    def run(self, position: int = 0) -> list[list[Entry]] | None:
        if position == len(self.order):
            return self.groups
        self.left -= 1
        if self.left < 0:
            raise _LimitReached
        entry = self.order[position]
        for group in self.groups:
            if not self.clashes[entry].isdisjoint(group):
                continue
            group.append(entry)
            if potentials(self.a, group) is not None:
                found = self.run(position + 1)
                if found is not None:
                    return found
            group.pop()
        if len(self.groups) < self.k:
            self.groups.append([entry])
            found = self.run(position + 1)
            if found is not None:
                return found
            self.groups.pop()
        return None


def potentials(a: Array, group: list[Entry]) -> tuple[dict[int, Any], dict[int, Any]] | None:
    """u, w with u_i + w_j ≤ a_ij on the rows and columns of the group, and equality on it; None if there are none."""
    rows, columns = sorted({i for i, _ in group}), sorted({j for _, j in group})
    if any(a[i, j] == -np.inf for i in rows for j in columns):
        return None
    u: dict[int, Any] = dict.fromkeys(rows, 0)
    z: dict[int, Any] = dict.fromkeys(columns, 0)  # z = −w: u_i − z_j ≤ a_ij, and z_j − u_i ≤ −a_ij on the group
    for _ in range(len(rows) + len(columns) + 1):
        changed = False
        for i in rows:
            least = min(a[i, j] + z[j] for j in columns)
            if least < u[i]:
                u[i], changed = least, True
        for i, j in group:
            if u[i] - a[i, j] < z[j]:
                z[j], changed = u[i] - a[i, j], True
        if not changed:
            return u, {j: -value for j, value in z.items()}
    return None


def _from_groups(a: Array, groups: list[list[Entry]]) -> tuple[Array, Array]:
    left = np.full((a.shape[0], len(groups)), -np.inf, dtype=object)
    right = np.full((len(groups), a.shape[1]), -np.inf, dtype=object)
    for k, group in enumerate(groups):
        found = potentials(a, group)
        assert found is not None
        for i, value in found[0].items():
            left[i, k] = value
        for j, value in found[1].items():
            right[k, j] = value
    return left, right


def _trivial(a: Array) -> tuple[Array, Array]:
    """A ⊗ I or I ⊗ A, whichever is smaller."""
    unit = np.full((min(a.shape), min(a.shape)), -np.inf, dtype=object)
    np.fill_diagonal(unit, 0)
    return (unit, a) if a.shape[0] <= a.shape[1] else (a, unit)

"""Closures of max-plus matrices: longest walks between all pairs of nodes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from tropix.errors import InvalidInput
from tropix.kernels._max_plus_product import accumulate
from tropix.kernels._operands import Real, common_type
from tropix.kernels._simd import ROWS
from tropix.kernels._threads import over_rows

BLOCK = 96
"""Nodes handled together."""


def max_plus_closure(a: npt.NDArray[Real], *, threads: int | None = None) -> tuple[npt.NDArray[Real], bool]:
    """A⁺ = A ⊕ A² ⊕ A³ ⊕ …: the largest weight of a walk of at least one edge from i to j, and whether it diverges.

    a (n, n), float64 or float32, −∞ for no edge → (n, n). The flag says that a cycle's weight, as it is rounded here,
    is positive; then entries are +∞ where a walk from i to j can pass such a cycle.
    """
    if a.ndim != 2 or a.shape[0] != a.shape[1]:
        raise InvalidInput(f"matrix has shape {a.shape}: expected a square one")
    closure: Any = np.array(a, dtype=common_type(a), order="C")
    _close(closure, threads)
    on_cycle = np.flatnonzero(closure.diagonal() > 0)
    if len(on_cycle):
        before, after = closure[:, on_cycle] > -np.inf, closure[on_cycle] > -np.inf
        closure[(before.astype(np.float32) @ after.astype(np.float32)) > 0] = np.inf
    return closure, bool(len(on_cycle))


def max_plus_star(a: npt.NDArray[Real], *, threads: int | None = None) -> tuple[npt.NDArray[Real], bool]:
    """The Kleene star A* = I ⊕ A⁺ and whether it diverges, as in :func:`max_plus_closure`; I has 0 and −∞."""
    start = np.array(a, order="C")
    np.fill_diagonal(start, np.maximum(start.diagonal(), 0.0))
    return max_plus_closure(start, threads=threads)


def max_plus_closure_numpy(a: npt.NDArray[Real]) -> tuple[npt.NDArray[Real], bool]:
    """The specification of :func:`max_plus_closure`: Floyd and Warshall's recursion, row by row."""
    closure: Any = np.array(a, order="C")
    for k in range(len(closure)):
        with np.errstate(invalid="ignore", over="ignore"):
            closure = np.fmax(closure, closure[:, k, None] + closure[k])
    on_cycle = np.flatnonzero(closure.diagonal() > 0)
    for v in on_cycle:
        closure[np.ix_(closure[:, v] > -np.inf, closure[v] > -np.inf)] = np.inf
    return closure, bool(len(on_cycle))


def _close(d: Any, threads: int | None) -> None:
    """Floyd and Warshall's recursion in place, BLOCK nodes at a time.

    A walk through a block goes into it, within it, and out of it. The middle part is closed first, joined to the last
    one, and both to the first one by a matrix product, which is where the time goes.
    """
    n = len(d)
    for start in range(0, n, BLOCK):
        stop = min(n, start + BLOCK)
        inside = d[start:stop, start:stop].copy()
        _close_small(inside)
        into = d[:, start:stop].copy()
        out = d[start:stop].copy()
        accumulate(inside, out, 0, stop - start, 0, n, d, start)
        d[start:stop, start:stop] = inside
        out = d[start:stop].copy()
        _extend(into, out, start, d, threads)


def _extend(into: Any, out: Any, start: int, d: Any, threads: int | None) -> None:
    """D ← d ⊕ into ⊗ out, apart from the rows of the block that begins at ``start``."""
    n, stop = len(d), start + len(out)

    def run(begin: int, end: int) -> None:
        first, last = begin * ROWS, min(n, end * ROWS)
        accumulate(into, out, first, min(last, start), 0, n, d, 0)
        accumulate(into, out, max(first, stop), last, 0, n, d, 0)

    over_rows(run, -(-n // ROWS), n * n * len(out), threads)


@njit(cache=True, nogil=True, error_model="numpy")
def _close_small(d):  # type: ignore[no-untyped-def]
    for k in range(len(d)):
        for i in range(len(d)):
            entry = d[i, k]
            if entry > -np.inf:
                for j in range(len(d)):
                    t, v = entry + d[k, j], d[i, j]
                    d[i, j] = t if t > v else v

"""Maximum cycle mean of a strongly connected digraph: Howard's policy iteration and Karp's recursion.

The digraph has an edge i → j of weight a_ij where a_ij > −∞. It comes in compressed rows (``data, indices, indptr``);
a dense matrix is the case of ``indices`` 0 … n−1 in every row, read without storing them.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from tropix.arrays import FloatArray, IntArray

NOTHING = np.empty(0, dtype=np.int64)
"""Stands for the indices of a dense matrix."""
LANES = 32
"""Maxima of a row that are kept apart: a single running maximum does not vectorise."""


def howard(matrix: FloatArray, limit: int = 10_000) -> tuple[IntArray, FloatArray, bool]:
    """Policy iteration on a dense matrix (n, n), n ≥ 1: the best cycle, a potential, and whether it converged.

    The digraph must be strongly connected and have an edge. The cycle lists its nodes i₀ → i₁ → … → i₀; with its
    mean λ the potential v satisfies a_ij + v_j ≤ λ + v_i up to rounding. (Howard 1960; Cochet-Terrasson et al. 1998.)
    """
    n = len(matrix)
    starts = np.arange(n + 1, dtype=np.int64) * n
    return _finish(*_howard(np.ascontiguousarray(matrix).ravel(), NOTHING, starts, NOTHING, NOTHING, limit))


def howard_sparse(
    data: FloatArray, indices: IntArray, indptr: IntArray, limit: int = 10_000
) -> tuple[IntArray, FloatArray, bool]:
    """:func:`howard` on compressed rows."""
    order = np.argsort(indices, kind="stable")
    counts = np.bincount(indices, minlength=len(indptr) - 1)
    entering = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return _finish(*_howard(data, indices, indptr, order.astype(np.int64), entering, limit))


def _finish(policy: IntArray, start: int, potential: FloatArray, done: bool) -> tuple[IntArray, FloatArray, bool]:
    cycle = [start]
    while policy[cycle[-1]] != start:
        cycle.append(int(policy[cycle[-1]]))
    return np.array(cycle, dtype=np.int64), potential, bool(done)


def karp(matrix: FloatArray) -> tuple[IntArray, FloatArray]:
    """Karp's recursion on a dense matrix (n, n): a best cycle and a potential; the contract is that of :func:`howard`.

    F_k(j) is the largest weight of a walk of k edges from node 0 to j, and
    λ = max_j min_{k<n} (F_n(j) − F_k(j))/(n − k). Needs (n + 1)·n numbers. (Karp 1978.)
    """
    n = len(matrix)
    starts = np.arange(n + 1, dtype=np.int64) * n
    return _karp_cycle(*_karp(np.ascontiguousarray(matrix).ravel(), NOTHING, starts))


def karp_sparse(data: FloatArray, indices: IntArray, indptr: IntArray) -> tuple[IntArray, FloatArray]:
    """:func:`karp` on compressed rows."""
    return _karp_cycle(*_karp(data, indices, indptr))


def karp_numpy(matrix: FloatArray) -> float:
    """The specification of both: the maximum cycle mean by Karp's formula."""
    n = len(matrix)
    walks = np.full((n + 1, n), -np.inf)
    walks[0, 0] = 0.0
    for k in range(n):
        walks[k + 1] = (walks[k][:, None] + matrix).max(axis=0)
    with np.errstate(invalid="ignore"):
        means = (walks[n] - walks[:n]) / (n - np.arange(n))[:, None]
    return float(np.where(np.isneginf(walks[:n]), np.inf, means).min(axis=0)[walks[n] > -np.inf].max())


def howard_numpy(matrix: FloatArray) -> float:
    """Policy iteration over plain arrays: the maximum cycle mean."""
    n = len(matrix)
    policy, best = matrix.argmax(axis=1), -np.inf
    while True:
        seen, mean, node = np.full(n, -1), -np.inf, 0
        for start in range(n):
            path, i = [], start
            while seen[i] < 0:
                path.append(i)
                seen[i] = start
                i = int(policy[i])
            if seen[i] == start:
                loop = path[path.index(i) :]
                value = float(np.mean([matrix[j, policy[j]] for j in loop]))
                mean, node = (value, i) if value > mean else (mean, node)
        potential, reached, front = np.zeros(n), np.zeros(n, dtype=np.bool_), [node]
        reached[node] = True
        for wanted in (policy, None):  # first along the policy, then along any edge
            front = [int(i) for i in np.flatnonzero(reached)]
            while front:
                j = front.pop()
                new = ~reached & (matrix[:, j] > -np.inf if wanted is None else policy == j)
                policy[new], potential[new] = j, matrix[new, j] - mean + potential[j]
                reached |= new
                front += [int(i) for i in np.flatnonzero(new)]
        gain = matrix - mean + potential[None, :]
        slack = 1e-11 * (1 + np.abs(potential).max() + np.abs(matrix[np.isfinite(matrix)]).max())
        better = gain.max(axis=1) > potential + slack
        if not better.any() or mean < best:
            return mean
        best = mean
        policy[better] = gain.argmax(axis=1)[better]


def _karp_cycle(walk: IntArray, potential: FloatArray) -> tuple[IntArray, FloatArray]:
    """A cycle inside the longest walk of n edges: each one attains the mean (Chaturvedi, McConnell 2017)."""
    place: dict[int, int] = {}
    for position, node in enumerate(walk.tolist()):
        if node in place:
            return walk[place[node] : position], potential
        place[node] = position
    raise AssertionError("a walk of n edges meets a node twice")


@njit(cache=True, nogil=True, error_model="numpy")
def _best_cycle(data, choice, policy, seen):  # type: ignore[no-untyped-def]
    """The largest mean of a cycle of the policy, and a node on it."""
    n = len(policy)
    seen[:] = -1
    mean, node = -np.inf, -1
    for start in range(n):
        i = start
        while seen[i] < 0:
            seen[i] = start
            i = policy[i]
        if seen[i] == start:
            total, length, j = data[choice[i]], 1, policy[i]
            while j != i:
                total += data[choice[j]]
                length += 1
                j = policy[j]
            if total / length > mean:
                mean, node = total / length, i
    return mean, node


@njit(cache=True, nogil=True, error_model="numpy")
def _reach(data, indices, indptr, order, entering, policy, choice, node, mean, v, queue, reached):  # type: ignore[no-untyped-def]
    """Potentials from the node backwards: along the policy, then, where that does not lead there, along any edge."""
    n = len(policy)
    dense = len(indices) == 0
    head = np.full(n, -1, dtype=np.int64)
    after = np.empty(n, dtype=np.int64)
    for i in range(n):
        after[i] = head[policy[i]]
        head[policy[i]] = i
    reached[:] = False
    reached[node] = True
    v[node] = 0.0
    queue[0] = node
    count, first = 1, 0
    while first < count:
        j = queue[first]
        first += 1
        i = head[j]
        while i >= 0:
            if not reached[i]:
                reached[i] = True
                v[i] = data[choice[i]] - mean + v[j]
                queue[count] = i
                count += 1
            i = after[i]
    first = 0
    while count < n and first < count:
        j = queue[first]
        first += 1
        low, high = (0, n) if dense else (entering[j], entering[j + 1])
        for q in range(low, high):
            if dense:
                i, p = q, q * n + j
            else:
                p = order[q]
                i = np.searchsorted(indptr, p, side="right") - 1
            if not reached[i] and data[p] > -np.inf:
                reached[i] = True
                policy[i], choice[i] = j, p
                v[i] = data[p] - mean + v[j]
                queue[count] = i
                count += 1


@njit(cache=True, nogil=True, error_model="numpy")
def _howard(data, indices, indptr, order, entering, limit):  # type: ignore[no-untyped-def]
    n = len(indptr) - 1
    dense = len(indices) == 0
    policy = np.zeros(n, dtype=np.int64)
    choice = np.zeros(n, dtype=np.int64)
    size = 0.0
    for i in range(n):
        best = -np.inf
        for p in range(indptr[i], indptr[i + 1]):
            if data[p] > best:
                best, choice[i] = data[p], p
            if data[p] > -np.inf and abs(data[p]) > size:
                size = abs(data[p])
        policy[i] = choice[i] - indptr[i] if dense else indices[choice[i]]
    v = np.zeros(n)
    queue = np.empty(n, dtype=np.int64)
    seen = np.empty(n, dtype=np.int64)
    reached = np.zeros(n, dtype=np.bool_)
    lanes = np.empty(LANES)
    node = 0
    done = False
    for _ in range(limit):
        mean, node = _best_cycle(data, choice, policy, seen)
        _reach(data, indices, indptr, order, entering, policy, choice, node, mean, v, queue, reached)
        largest = size
        for i in range(n):
            largest = max(largest, abs(v[i]))
        slack = 1e-14 * largest  # below it, rounding could make the policies go round
        done = True
        for i in range(n):
            low, high = indptr[i], indptr[i + 1]
            best = -np.inf
            if dense:
                row = data[low:high]
                whole = n - n % LANES
                for t in range(LANES):
                    lanes[t] = -np.inf
                for j in range(0, whole, LANES):  # maxima side by side, without their places: vectorises
                    for t in range(LANES):
                        gain = row[j + t] + v[j + t]
                        lanes[t] = gain if gain > lanes[t] else lanes[t]
                for t in range(LANES):
                    best = lanes[t] if lanes[t] > best else best
                for j in range(whole, n):
                    gain = row[j] + v[j]
                    best = gain if gain > best else best
            else:
                for p in range(low, high):
                    gain = data[p] + v[indices[p]]
                    best = gain if gain > best else best
            if best - mean > v[i] + slack:
                done = False
                for p in range(low, high):
                    j = p - low if dense else indices[p]
                    if data[p] + v[j] == best:
                        policy[i], choice[i] = j, p
                        break
        if done:
            break
    if not done:
        mean, node = _best_cycle(data, choice, policy, seen)
    return policy, node, v, done


@njit(cache=True, nogil=True, error_model="numpy")
def _karp(data, indices, indptr):  # type: ignore[no-untyped-def]
    n = len(indptr) - 1
    dense = len(indices) == 0
    walks = np.full((n + 1, n), -np.inf)
    walks[0, 0] = 0.0
    for k in range(n):
        old, new = walks[k], walks[k + 1]
        for i in range(n):
            if old[i] == -np.inf:
                continue
            low, high = indptr[i], indptr[i + 1]
            reach = old[i]
            if dense:
                for j in range(n):
                    total = reach + data[low + j]
                    new[j] = total if total > new[j] else new[j]
            else:
                for p in range(low, high):
                    total = reach + data[p]
                    if total > new[indices[p]]:
                        new[indices[p]] = total
    mean, end = -np.inf, 0
    for j in range(n):
        if walks[n, j] == -np.inf:
            continue
        low_mean = np.inf
        for k in range(n):
            if walks[k, j] > -np.inf:
                low_mean = min(low_mean, (walks[n, j] - walks[k, j]) / (n - k))
        if low_mean > mean:
            mean, end = low_mean, j
    potential = np.full(n, np.inf)
    for k in range(n):
        for j in range(n):
            if walks[k, j] > -np.inf:
                potential[j] = min(potential[j], k * mean - walks[k, j])
    walk = np.empty(n + 1, dtype=np.int64)
    walk[n] = end
    for k in range(n, 0, -1):
        j = walk[k]
        for i in range(n):
            if walks[k - 1, i] == -np.inf:
                continue
            low, high = (i * n + j, i * n + j + 1) if dense else (indptr[i], indptr[i + 1])
            found = False
            for p in range(low, high):
                if (dense or indices[p] == j) and walks[k - 1, i] + data[p] == walks[k, j]:
                    found = True
                    break
            if found:
                walk[k - 1] = i
                break
    return walk, potential

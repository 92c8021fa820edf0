"""Linear algebra over S_ε: closures by elimination, Perron roots, permanents."""

from __future__ import annotations

import numpy as np

from tropix.arrays import FloatArray
from tropix.errors import InvalidInput, Unsupported
from tropix.linalg._classes import ordered_classes
from tropix.linalg._eigenvalue import Eigenvalue, best_cycle

MAX_PERMANENT = 20
"""Largest order of a permanent: 2^n partial sums are held."""
MAX_STEPS = 100


def closure(a: FloatArray, eps: float) -> FloatArray:
    """ε log Σ_{k≥1} exp(A/ε)^k by Gauss–Jordan elimination in logarithms; `Divergent` if the Perron root is ≥ 1.

    Step k replaces a_ij by a_ij ⊕ a_ik ⊗ a_kk* ⊗ a_kj. Nothing is subtracted but in a_kk* = −ε log(1 − e^{a_kk/ε}), so
    that small entries keep their digits. The pivots stay below 0 exactly if the series converges.
    """
    from tropix.linalg._star import Divergent

    with np.errstate(over="ignore"):
        d = a / eps
    if (np.isfinite(d) != np.isfinite(a)).any():
        raise InvalidInput(f"entries divided by eps = {eps:g} overflow: use a larger eps, or the limit")
    for k in range(len(d)):
        if d[k, k] >= 0:
            result = perron(a, eps)
            raise Divergent(result.cycle, result.value, eps)
        pivot = -np.log(-np.expm1(d[k, k]))
        d = np.logaddexp(d, (d[:, k] + pivot)[:, None] + d[k])
    return np.asarray(d * eps)


def perron(a: FloatArray, eps: float) -> Eigenvalue:
    """ε log of the Perron root of exp(A/ε), the largest over the strongly connected components (see `eigenvalue`)."""
    n = len(a)
    found = best_cycle(a, "howard")
    vector = np.full(n, -np.inf)
    if found is None:
        return Eigenvalue(-np.inf, (), vector, 0.0, "noda", False)
    cycle, potential, mean = found
    low = high = -np.inf
    for nodes in ordered_classes(a):
        v = potential[nodes]
        with np.errstate(over="ignore"):
            scaled = np.exp((a[np.ix_(nodes, nodes)] - float(mean) + v - v[:, None]) / eps)
        if len(nodes) == 1 and scaled[0, 0] == 0.0:
            continue
        if not scaled.any():  # far below the component of the cycle
            continue
        bottom, top, x = _noda(scaled)
        if np.log(bottom) > low:
            low = float(np.log(bottom))
            vector[:] = -np.inf
            vector[nodes] = v + eps * np.log(x)
        high = max(high, float(np.log(top)))
    value = float(mean) + eps * low
    return Eigenvalue(value, cycle, vector, float(eps * max(0.0, high - low)), "noda", False)


def _noda(matrix: FloatArray) -> tuple[float, float, FloatArray]:
    """Collatz–Wielandt bounds min (Bx)_i/x_i ≤ ρ(B) ≤ max (Bx)_i/x_i of a nonnegative matrix, and the vector.

    Inverse iteration with the upper bound as shift: positive and quadratically convergent (Noda 1971, Elsner 1976).
    """
    x = np.ones(len(matrix))
    low, high, best = 0.0, np.inf, x
    for _ in range(MAX_STEPS):
        ratios = (matrix @ x) / x
        if ratios.max() - ratios.min() < high - low:
            low, high, best = float(ratios.min()), float(ratios.max()), x
        elif high < np.inf and low > 0.0:
            break
        if high - low <= 4e-16 * high:
            break
        try:
            x = np.abs(np.linalg.solve(high * np.eye(len(matrix)) - matrix, x))
        except np.linalg.LinAlgError:
            break
        x = x / x.max()
        if not (x > 0).all():
            x = np.maximum(x, np.finfo(float).tiny)
    return low, high, best


def permanent(a: FloatArray, eps: float) -> float:
    """ε log perm exp(A/ε): ⊕_ε over all permutations, by sums over sets of columns."""
    n = len(a)
    if n > MAX_PERMANENT:
        raise Unsupported(f"a determinant over S_eps is a permanent: order {n} exceeds {MAX_PERMANENT}")
    sets = np.arange(1 << n)
    sums = np.full(1 << n, -np.inf)
    sums[0] = 0.0
    with np.errstate(over="ignore"):
        scaled = a / eps
    sizes = np.array([bin(s).count("1") for s in range(1 << n)])
    for row in range(n):
        chosen = sets[sizes == row + 1]
        total = np.full(len(chosen), -np.inf)
        for j in range(n):
            with_j = (chosen >> j) & 1 == 1
            total[with_j] = np.logaddexp(total[with_j], sums[chosen[with_j] ^ (1 << j)] + scaled[row, j])
        sums[chosen] = total
    return float(sums[-1] * eps)

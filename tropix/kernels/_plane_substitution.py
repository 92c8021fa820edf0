"""One step of backward substitution: a lower bound Σ λ_k v_k, each v_k replaced by a plane below or above it."""

from __future__ import annotations

import numpy as np
from numba import njit

from tropix.arrays import FloatArray, IntArray
from tropix.kernels._threads import over_rows


def substitute_slopes(rows: FloatArray, owner: IntArray, lower: FloatArray, upper: FloatArray) -> FloatArray:
    """out[b, r, t] = λ·lower[b, r, t] where λ = rows[b, r, owner[t]] ≥ 0, else λ·upper[b, r, t].

    rows (B, R, K), owner (T,) with values below K, lower and upper (B, R, T) → (B, R, T); of each pair of axes 0 and 1
    an argument may have length 1, which stands for all.
    """
    batch, count = max(rows.shape[0], lower.shape[0]), max(rows.shape[1], lower.shape[1])
    out = np.empty((batch, count, len(owner)))

    def run(start: int, stop: int) -> None:
        _slopes(rows, owner, lower, upper, out, start, stop)

    over_rows(run, batch, out.size)
    return out


def substitute_slopes_numpy(rows: FloatArray, owner: IntArray, lower: FloatArray, upper: FloatArray) -> FloatArray:
    """The specification of :func:`substitute_slopes`."""
    spread = rows[..., owner]
    return np.asarray(np.maximum(spread, 0.0) * lower + np.minimum(spread, 0.0) * upper)


def substitute_constants(
    rows: FloatArray, lower: FloatArray, upper: FloatArray, size: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Σ_k λ_k lower_k over λ_k > 0 plus Σ_k λ_k upper_k over λ_k < 0, and Σ_k |λ_k| size_k, each (B, R).

    rows (B, R, K), lower and upper (B, R, K), size (B, K); axes of length 1 stand for all. Constants may be infinite:
    those with λ_k = 0 do not count.
    """
    batch, count = max(rows.shape[0], lower.shape[0], len(size)), max(rows.shape[1], lower.shape[1])
    constant, weight = np.empty((batch, count)), np.empty((batch, count))

    def run(start: int, stop: int) -> None:
        _constants(rows, lower, upper, size, constant, weight, start, stop)

    over_rows(run, batch, batch * count * rows.shape[2])
    return constant, weight


def substitute_constants_numpy(
    rows: FloatArray, lower: FloatArray, upper: FloatArray, size: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The specification of :func:`substitute_constants`."""
    with np.errstate(invalid="ignore"):
        products = np.where(rows > 0, rows * lower, np.where(rows < 0, rows * upper, 0.0))
        weights = np.where(rows != 0, np.abs(rows) * size[:, None, :], 0.0)
    shape = np.broadcast_shapes(products.shape[:2], weights.shape[:2])
    return np.broadcast_to(products.sum(axis=2), shape), np.broadcast_to(weights.sum(axis=2), shape)


@njit(cache=True, nogil=True, error_model="numpy")
def _slopes(
    rows: FloatArray, owner: IntArray, lower: FloatArray, upper: FloatArray, out: FloatArray, start: int, stop: int
) -> None:
    for b in range(start, stop):
        for r in range(out.shape[1]):
            row = rows[b % rows.shape[0], r % rows.shape[1]]
            below = lower[b % lower.shape[0], r % lower.shape[1]]
            above = upper[b % upper.shape[0], r % upper.shape[1]]
            target = out[b, r]
            for t in range(len(owner)):
                value = row[owner[t]]
                target[t] = value * (below[t] if value >= 0.0 else above[t])


@njit(cache=True, nogil=True, error_model="numpy")
def _constants(
    rows: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    size: FloatArray,
    constant: FloatArray,
    weight: FloatArray,
    start: int,
    stop: int,
) -> None:
    for b in range(start, stop):
        for r in range(constant.shape[1]):
            row = rows[b % rows.shape[0], r % rows.shape[1]]
            below = lower[b % lower.shape[0], r % lower.shape[1]]
            above = upper[b % upper.shape[0], r % upper.shape[1]]
            sizes = size[b % len(size)]
            total, heavy = 0.0, 0.0
            for k in range(len(row)):
                value = row[k]
                if value > 0.0:
                    total += value * below[k]
                    heavy += value * sizes[k]
                elif value < 0.0:
                    total += value * above[k]
                    heavy -= value * sizes[k]
            constant[b, r] = total
            weight[b, r] = heavy

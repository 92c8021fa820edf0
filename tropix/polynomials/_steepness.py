"""How far apart the gradients of two families of affine pieces are."""

from __future__ import annotations

import numpy as np

from tropix.arrays import FloatArray
from tropix.polynomials._tropical import dual_norms

MAX_PAIRS = 10_000_000
BLOCK = 4_000_000
"""Numbers that are held at a time."""


def largest_difference(first: FloatArray, second: FloatArray, p: float) -> float:
    """max_{j,k} ‖first_j − second_k‖_q, or for more than `MAX_PAIRS` pairs an upper bound; q the dual exponent of p."""
    if len(first) * len(second) > MAX_PAIRS:
        middle = (np.concatenate([first, second]).max(axis=0) + np.concatenate([first, second]).min(axis=0)) / 2
        return float(dual_norms(first - middle, p).max() + dual_norms(second - middle, p).max())
    step = max(1, BLOCK // max(1, second.size))
    blocks = (first[i : i + step, None, :] - second[None, :, :] for i in range(0, len(first), step))
    return float(max(dual_norms(block.reshape(-1, first.shape[1]), p).max() for block in blocks))

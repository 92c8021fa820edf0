"""Arrays that begin at a cache line: a vector load across two lines takes twice as long."""

from __future__ import annotations

import numpy as np

from tropix.arrays import FloatArray

LINE = 64


def aligned_empty(rows: int, width: int) -> FloatArray:
    """A new C-contiguous float64 array (rows, width) at a cache line, as is then each row if 8 divides ``width``."""
    spare = LINE // 8
    memory = np.empty(rows * width + spare)
    start = -memory.ctypes.data % LINE // 8
    return memory[start : start + rows * width].reshape(rows, width)

"""Rows of a batch over threads: kernels release the GIL, and each row's result depends on that row alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

SERIAL_WORK = 4_000_000
"""Below this many multiply-adds one thread is faster than starting several."""


def over_rows(run: Callable[[int, int], None], rows: int, work: int) -> None:
    """Call ``run(start, stop)`` on a partition of ``range(rows)``; ``work`` counts multiply-adds in all."""
    workers = min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, rows)
    if work < SERIAL_WORK or workers < 2:
        run(0, rows)
        return
    cuts = [rows * i // workers for i in range(workers + 1)]
    with ThreadPoolExecutor(workers) as pool:
        for future in [pool.submit(run, a, b) for a, b in pairwise(cuts)]:
            future.result()

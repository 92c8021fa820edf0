"""Rows of a batch over threads: kernels release the GIL, and each row's result depends on that row alone."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import pairwise

SERIAL_WORK = 4_000_000
"""Below this many multiply-adds one thread is faster than several."""
_inside = threading.local()
_pools: dict[int, ThreadPoolExecutor] = {}
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pools.clear)  # a forked child has none of its parent's threads


def over_rows(run: Callable[[int, int], None], rows: int, work: int, threads: int | None = None) -> None:
    """Call ``run(start, stop)`` on a partition of ``range(rows)``; ``work`` counts multiply-adds in all.

    At most ``threads`` threads are used, by default one a core.

    The threads are kept for the next call. Calls from within ``run`` are serial, so no thread waits for another.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = min(cores if threads is None else threads, rows)
    if work < SERIAL_WORK or workers < 2 or getattr(_inside, "parallel", False):
        run(0, rows)
        return

    def part(start: int, stop: int) -> None:
        _inside.parallel = True
        try:
            run(start, stop)
        finally:
            _inside.parallel = False

    cuts = [rows * i // workers for i in range(workers + 1)]
    if workers not in _pools:
        _pools[workers] = ThreadPoolExecutor(workers)
    futures = [_pools[workers].submit(part, a, b) for a, b in pairwise(cuts)]
    wait(futures)
    for future in futures:
        future.result()

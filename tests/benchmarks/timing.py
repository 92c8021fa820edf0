"""The time of a peer, beside which a benchmark reads as a ratio."""

from __future__ import annotations

import time
from collections.abc import Callable


def best_time(work: Callable[[], object], repeats: int = 3) -> float:
    """The shortest of several runs, in seconds, after one that does not count."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)

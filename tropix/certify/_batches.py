"""Points in blocks of a fixed size, in this process or in others: certificates do not depend on who makes them."""

from __future__ import annotations

import multiprocessing
import pickle
import signal
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from dataclasses import replace
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np

from tropix.certify._certificate import Certificate
from tropix.certify._engine import Request
from tropix.certify._models import Subject
from tropix.deadline import Deadline
from tropix.errors import InvalidInput, TropixError

BLOCK, LARGEST_BLOCK, BLOCKS = 16, 64, 16
"""Least and most points of a block, and how many blocks there should be, to keep as many processes busy."""

Progress: TypeAlias = Callable[[int, int], None]
"""How many points are done, and how many there are."""
Run: TypeAlias = Callable[[Subject, Request, float | None], Iterator[Certificate]]
"""Certificates of a request, one after another; a function of a module, so that other processes find it."""


def blocks_of(request: Request) -> Iterator[Request]:
    """The request in parts of a size that depends on the number of points alone.

    What is found for a block together depends on its size in the last digits, so that workers must not choose it.
    """
    size = min(LARGEST_BLOCK, max(BLOCK, len(request.points) // BLOCKS))
    labels = None if request.labels is None else np.asarray(request.labels)
    for start in range(0, len(request.points), size):
        end = start + size
        part = None if labels is None else labels[start:end]
        yield replace(request, points=request.points[start:end], labels=part, first=start)


def in_blocks(
    run: Run,
    subject: Subject,
    request: Request,
    time_limit: float | None,
    *,
    executor: Executor | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Iterator[Certificate]:
    """The certificates of all points in their order, each as soon as it and those before it are there."""
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 1):
        raise InvalidInput(f"workers {workers!r}: expected a number of processes >= 1")
    if workers is not None and executor is not None:
        raise InvalidInput("workers and an executor: give one of them")
    Deadline(time_limit)  # refuses what is no limit before any work
    if executor is not None or (workers or 1) > 1:
        found = _elsewhere(run, subject, request, time_limit, executor, workers or 0)
    else:
        found = (certificate for part in blocks_of(request) for certificate in run(subject, part, time_limit))
    return found if progress is None else _counted(found, len(request.points), progress)


def _counted(found: Iterator[Certificate], total: int, progress: Progress) -> Iterator[Certificate]:
    for done, certificate in enumerate(found, 1):
        progress(done, total)
        yield certificate


def _elsewhere(
    run: Run, subject: Subject, request: Request, time_limit: float | None, executor: Executor | None, workers: int
) -> Iterator[Certificate]:
    """The same, by an executor or by processes of our own, which end with the search."""
    content = pickle.dumps((subject.model, subject.property))
    own = None
    if executor is None:
        # a forked child inherits locks of threads that it does not have
        context = multiprocessing.get_context("spawn")
        own = ProcessPoolExecutor(workers, mp_context=context, initializer=_leave_interrupts)
    pool = own if executor is None else executor
    assert pool is not None
    waiting: deque[Future[list[Certificate]]] = deque()
    try:
        waiting.extend(pool.submit(_work, run, content, part, time_limit) for part in blocks_of(request))
        while waiting:
            yield from waiting.popleft().result()
    except BrokenExecutor:
        raise TropixError("a process ended before its work was done, perhaps for want of memory: use fewer") from None
    except BaseException:
        if own is not None:  # what they are doing may take long, and nobody waits for it
            for process in list((getattr(own, "_processes", None) or {}).values()):
                process.terminate()
        raise
    finally:
        for future in waiting:
            future.cancel()
        if own is not None:
            own.shutdown(cancel_futures=True)


def _leave_interrupts() -> None:
    """Ctrl-C reaches all processes of a terminal: the first one ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@lru_cache(maxsize=4)
def _subject(content: bytes) -> Subject:
    """The model and property that another process sent, kept for the next block."""
    return Subject(*pickle.loads(content))


def _work(run: Run, content: bytes, request: Request, time_limit: float | None) -> Any:
    return list(run(_subject(content), request, time_limit))

"""The search over facets: from one cell to its neighbours, until no facet is left without one.

A kernel settles cells in floating point with proved error bounds; what rounding or ties leave open is done again in
rational arithmetic. Cells are told apart by their patterns.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np

from tropix.arrays import FloatArray, IntArray
from tropix.deadline import Deadline
from tropix.exact import Rationals
from tropix.kernels import Expansion, expand_cells
from tropix.regions._domain import Domain
from tropix.regions._exact_cells import ExactCell, first_cell
from tropix.regions._tape import Tape

Progress = Callable[[int, int], None]

WALL = -1
"""The neighbour behind a wall of the domain."""
TASK = 128
"""Cells a task."""
ROOM = 32
"""A cell has at most ROOM + 8 d facets in the kernel; those with more are done exactly."""


@dataclass
class Facets:
    """The facets of consecutive cells: ``counts`` of each, and for each facet a tie or wall, and what is behind."""

    counts: list[int] = field(default_factory=list)
    segments: list[int] = field(default_factory=list)
    entries: list[int] = field(default_factory=list)
    neighbours: list[int] = field(default_factory=list)

    def copy(self) -> Facets:
        """The same in lists of their own."""
        return Facets(list(self.counts), list(self.segments), list(self.entries), list(self.neighbours))


@dataclass
class State:
    """Cells in the order in which they were met; those from ``len(points)`` on have not been looked at yet.

    A cell that has not been looked at is on the ray from its start along its ray (`expand_cells`), behind a facet of
    its ``parents`` cell. ``exact_points`` holds inner points that are no floats.
    """

    numbers: dict[bytes, int] = field(default_factory=dict)
    keys: list[bytes] = field(default_factory=list)
    starts: deque[tuple[FloatArray, FloatArray]] = field(default_factory=deque)
    parents: list[int] = field(default_factory=list)
    points: list[FloatArray] = field(default_factory=list)
    exact_points: dict[int, Rationals] = field(default_factory=dict)
    facets: Facets = field(default_factory=Facets)
    replaced: dict[int, Facets] = field(default_factory=dict)
    void: set[int] = field(default_factory=set)
    settled_exactly: int = 0

    def meet(self, key: bytes, start: FloatArray, ray: FloatArray, parent: int) -> int:
        """The number of a cell, a new one if it was not met before."""
        number = self.numbers.setdefault(key, len(self.keys))
        if number == len(self.keys):
            self.keys.append(key)
            self.starts.append((start, ray))
            self.parents.append(parent)
        return number

    def copy(self) -> State:
        """A state that can be changed without this one."""
        return State(
            dict(self.numbers), list(self.keys), deque(self.starts), list(self.parents), list(self.points),
            dict(self.exact_points), self.facets.copy(), {n: f.copy() for n, f in self.replaced.items()},
            set(self.void), self.settled_exactly,
        )  # fmt: skip

    @property
    def frontier(self) -> int:
        """How many cells have not been looked at."""
        return len(self.keys) - len(self.points)


class Search:
    """One search: ``run`` it until it is complete, a limit is reached, or it is interrupted; and run it on."""

    def __init__(self, tape: Tape, domain: Domain, exact: bool = True, state: State | None = None) -> None:
        self.tape, self.domain, self.exact = tape, domain, exact
        widest = int(np.diff(tape.flat.entry).max(initial=1))
        self.dtype = np.dtype(np.uint8 if widest <= 256 else np.uint16)
        self.walls = domain.walls.floats()
        self.cap = min(ROOM + 8 * tape.inputs, int(tape.flat.entry[-1]) - tape.segment_count + len(self.walls))
        self.state = State() if state is None else state
        if state is None:
            pattern, point = first_cell(tape, domain)
            self._meet_exact(pattern, point, -1)

    def run(
        self,
        deadline: Deadline,
        limit: int | None = None,
        progress: Progress | None = None,
        executor: Executor | None = None,
    ) -> str | None:
        """Look at cells; returns None when all are done, else why it stopped."""
        pool = executor or ThreadPoolExecutor(_cores())
        try:
            return self._run(deadline, limit, progress, pool)
        except KeyboardInterrupt:
            return "interrupted"
        finally:
            if executor is None:
                pool.shutdown(cancel_futures=True)

    def _run(self, deadline: Deadline, limit: int | None, progress: Progress | None, pool: Executor) -> str | None:
        state, waiting = self.state, deque[tuple[Any, Future[Expansion]]]()
        ahead = 0
        while True:
            while state.frontier > ahead and len(waiting) < 2 * _cores():
                task = self._task(ahead)
                waiting.append((task, pool.submit(expand_cells, *task)))
                ahead += len(task[3])
            if not waiting:
                if self._mend():
                    continue
                return None
            task, future = waiting[0]
            expansion = future.result()
            waiting.popleft()
            ahead -= len(task[3])
            with _undisturbed():
                self._absorb(task, expansion)
            if progress is not None:
                progress(len(state.points), len(state.keys))
            if deadline.passed:
                return f"the time limit of {deadline.seconds:g} s was reached"
            if limit is not None and len(state.points) >= limit and (state.frontier or self._open()):
                return f"the limit of {limit} cells was reached"

    def _task(self, ahead: int) -> tuple[Any, ...]:
        state = self.state
        first = len(state.points) + ahead
        size = min(TASK, max(8, (state.frontier - ahead) // (2 * _cores())), state.frontier - ahead)
        chosen = list(islice(state.starts, ahead, ahead + size))
        patterns = self.patterns(state.keys[first : first + size])
        starts = np.array([start for start, _ in chosen])
        rays = np.array([ray for _, ray in chosen])
        return tuple(self.tape.flat), self.walls, self.domain.ends, patterns, starts, rays, self.cap, self.exact

    def patterns(self, keys: list[bytes]) -> Any:
        """The patterns (n, S) behind keys."""
        return np.frombuffer(b"".join(keys), dtype=self.dtype).reshape(len(keys), self.tape.segment_count)

    def _absorb(self, task: tuple[Any, ...], found: Expansion) -> None:
        """Enter what a task found; cells that it could not settle are settled exactly."""
        state, cap, patterns = self.state, self.cap, task[3]
        width = patterns.shape[1] * self.dtype.itemsize
        for q in range(len(patterns)):
            number = len(state.points)
            state.starts.popleft()
            if found.status[q] != 0:
                self._settle(number, patterns[q], found.points[q])
                continue
            a, b = q * cap, q * cap + int(found.counts[q])
            state.points.append(found.points[q].copy())
            behind = found.patterns[a:b].tobytes()
            segments = found.segments[a:b].tolist()
            facets = state.facets
            facets.counts.append(b - a)
            facets.segments += segments
            facets.entries += found.entries[a:b].tolist()
            numbers, keys = state.numbers, state.keys
            for i, segment in enumerate(segments):
                if segment < 0:
                    facets.neighbours.append(WALL)
                    continue
                key = behind[i * width : (i + 1) * width]
                other = numbers.get(key, -1)
                if other < 0:
                    other = numbers[key] = len(keys)
                    keys.append(key)
                    state.starts.append((found.crossings[a + i].copy(), found.directions[a + i].copy()))
                    state.parents.append(number)
                facets.neighbours.append(other)

    def _settle(self, number: int, pattern: Any, near: FloatArray) -> None:
        """Decide a cell in rational arithmetic."""
        state = self.state
        state.settled_exactly += 1
        pattern = pattern.astype(np.int64)
        point = state.exact_points.get(number)
        if point is None:
            point = Rationals.of(np.where(np.isfinite(near), near, 0.0))
        cell = ExactCell.around(self.tape, self.domain, pattern, point)
        if cell is None:
            state.void.add(number)
            state.points.append(np.full(self.tape.inputs, np.nan))
            state.facets.counts.append(0)
            return
        rounded = cell.point.floats()
        state.exact_points.pop(number, None)
        if not Rationals.of(rounded).equals(cell.point):
            if cell.holds_inside(Rationals.of(rounded)):
                cell = ExactCell.around(self.tape, self.domain, pattern, Rationals.of(rounded)) or cell
            else:
                state.exact_points[number] = cell.point
        state.points.append(cell.point.floats())
        self._enter(number, cell, state.facets)

    def _enter(self, number: int, cell: ExactCell, facets: Facets) -> None:
        facets.counts.append(len(cell.facets))
        for i in cell.facets:
            behind, origins = cell.behind(i), cell.origins
            segment, entry = (-1, origins.walls(i)[0]) if behind is None else origins.ties(i)[0]
            facets.segments.append(segment)
            facets.entries.append(entry)
            facets.neighbours.append(WALL if behind is None else self._meet_exact(*behind, number))

    def _meet_exact(self, pattern: IntArray, point: Rationals, parent: int) -> int:
        state = self.state
        start = point.floats()
        fresh = len(state.keys)
        number = state.meet(pattern.astype(self.dtype).tobytes(), start, np.zeros_like(start), parent)
        if number == fresh and not Rationals.of(start).equals(point):
            state.exact_points[number] = point
        return number

    def _open(self) -> bool:
        return bool(self.state.void)

    def _mend(self) -> bool:
        """Do the cells again that led to patterns without a cell; whether there is more to look at."""
        state = self.state
        if not state.void:
            return False
        neighbours = np.array(state.facets.neighbours, dtype=np.int64)
        owners = np.repeat(np.arange(len(state.points)), state.facets.counts)
        wrong = set(owners[np.isin(neighbours, list(state.void))].tolist()) - set(state.replaced)
        for number in sorted(wrong):
            pattern = self.patterns([state.keys[number]])[0].astype(np.int64)
            cell = ExactCell.around(self.tape, self.domain, pattern, Rationals.of(state.points[number]))
            assert cell is not None
            facets = Facets()
            with _undisturbed():
                self._enter(number, cell, facets)
                state.replaced[number] = facets
        return bool(wrong)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl-C waits until the tables of a state agree with one another again, and takes effect then."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    held: list[tuple[Any, ...]] = []
    signal.signal(signal.SIGINT, lambda *where: held.append(where))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if held:
        before(*held[0])


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

"""The sweep along a line: floats as far as their bounds prove, rational arithmetic for the rest."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from tropix.arrays import FloatArray, IntArray
from tropix.kernels import LineRecord, LineState, sweep_line
from tropix.kernels._line_traversal import (
    CHOSEN,
    CLUSTER,
    DECIDE,
    EXACT,
    NOW,
    PHASE,
    PIECES,
    POSITION,
    SETTLE,
    SWITCHES,
    Flags,
)
from tropix.regions._line import ExactForms, LineFunction

CHUNK = 2_000_000
"""Multiply-adds between two looks at the clock, about."""


@dataclass(eq=False)
class Sweep:
    """A traversal under way. `advance` goes on for a while, `drain` hands over what was found meanwhile."""

    function: LineFunction
    start: FloatArray
    end: FloatArray
    state: LineState
    record: LineRecord
    first_pattern: IntArray
    line: ExactForms | None = None
    pieces: int = 0

    @classmethod
    def along(cls, function: LineFunction, start: FloatArray, end: FloatArray, exact: bool) -> Sweep:
        """A sweep that stands at t = 0."""
        program = function.program
        values, segments, entries = len(program.bias), len(program.owner), int(program.entry[-1])
        outputs = len(program.outputs)
        forms = np.zeros((values, 4))
        forms[: len(start)] = _input_forms(start, end)
        dirty = np.ones(values, dtype=np.uint8)
        stamp = np.zeros(values, dtype=np.int64)
        control = np.zeros(8, dtype=np.int64)
        control[[PHASE, CHOSEN, EXACT]] = SETTLE, -1, exact
        state = LineState(
            forms,
            dirty,
            stamp,
            np.zeros(segments, dtype=np.int64),
            np.zeros(entries, dtype=np.uint8),
            np.zeros(entries, dtype=np.uint8),
            np.full(entries, np.inf),
            np.full(entries, np.inf),
            np.zeros(2),
            np.zeros((outputs, 2)),
            control,
        )
        room = min(4096, max(16, CHUNK // max(1, len(program.weight))))
        record = LineRecord(
            np.zeros((room, 2)),
            np.zeros((room, outputs, 4)),
            np.zeros(room, dtype=np.uint8),
            np.zeros((2 * room + segments, 4), dtype=np.int64),
        )
        return cls(function, start, end, state, record, state.pattern)

    def advance(self) -> bool:
        """Sweep on until the record is full or t = 1 is reached: then True. The record starts anew."""
        control = self.state.control
        control[[PIECES, SWITCHES]] = 0
        fresh = self.pieces == 0
        while True:
            answer = sweep_line(self.function.program, self.state, self.record)
            if fresh and control[PIECES]:
                # the pattern of the first piece: what it is now, but for the switches since
                self.first_pattern = self.state.pattern.copy()
                for _, segment, old, _ in self.record.switches[: control[SWITCHES]][::-1]:
                    self.first_pattern[segment] = old
                fresh = False
            if answer == DECIDE:
                self._decide()
            elif answer == CLUSTER:
                self._separate()
            else:
                self.pieces += int(control[PIECES])
                return answer == 0

    def drain(self) -> tuple[FloatArray, FloatArray, Flags, IntArray]:
        """Copies of what the last call of `advance` found: the parts of `LineRecord`."""
        pieces, switches = self.state.control[[PIECES, SWITCHES]]
        begins, outputs, bends, rows = self.record
        return begins[:pieces].copy(), outputs[:pieces].copy(), bends[:pieces].copy(), rows[:switches].copy()

    def _exact(self, values: list[int]) -> ExactForms:
        """Exact forms of some values on the piece that is being settled."""
        if self.line is None:
            self.line = ExactForms.through(self.function, self.start, self.end)
        self.line.find(values, self.state.pattern, self.state.stamp, int(self.state.control[NOW]))
        return self.line

    def _decide(self) -> None:
        """Say which of the entries that are equal at the breakpoint is the largest behind it."""
        program, state = self.function.program, self.state
        v = int(state.control[POSITION])
        segment = int(program.segment[v])
        span = slice(int(program.entry[segment]), int(program.entry[segment + 1]))
        held = (state.active[span] | state.tied[span]).astype(bool)
        first = state.control[NOW] == 0
        if not first:
            held[state.pattern[segment]] = True
        entries = np.flatnonzero(held).tolist()
        sources = program.source[program.start[v] : program.start[v + 1]]
        line = self._exact([int(sources[k]) for k in entries])
        keys = [tuple(line.forms[sources[k]][0 if first else 1 :]) for k in entries]
        best = max(keys)
        winners = [k for k, key in zip(entries, keys, strict=True) if key == best]
        state.active[span] = 0
        state.tied[span] = 0
        state.tied[span][winners] = 1
        state.control[CHOSEN] = winners[0]

    def _separate(self) -> None:
        """Find the first of some breakpoints that may be equal, with all that share it, and go there."""
        program, state = self.function.program, self.state
        entries = np.flatnonzero((state.lower <= state.upper.min()) & (state.lower < 1)).tolist()
        pairs = []
        for entry in entries:
            segment = int(program.entry_segment[entry])
            first = int(program.start[program.owner[segment]])
            winner = int(program.source[first + state.pattern[segment]])
            pairs.append((winner, int(program.source[first + entry - program.entry[segment]])))
        line = self._exact([v for pair in pairs for v in pair])
        met = [line.meeting(*pair) for pair in pairs]
        for entry, t in zip(entries, met, strict=True):
            state.lower[entry], state.upper[entry] = (math.inf, math.inf) if t is None or t >= 1 else _enclosure(t)
        soonest = min((t for t in met if t is not None and t < 1), default=None)
        if soonest is None:
            return
        state.time[:] = _enclosure(soonest)
        for entry, t in zip(entries, met, strict=True):
            if t == soonest:
                state.active[entry] = 1
                state.dirty[program.owner[program.entry_segment[entry]]] = 1
        state.control[[PHASE, POSITION]] = SETTLE, 0
        state.control[NOW] += 1


def _input_forms(start: FloatArray, end: FloatArray) -> FloatArray:
    """Forms (d, 4) of the input: the slope's error is the rounding error of end − start, known exactly."""
    with np.errstate(over="ignore", invalid="ignore"):
        slope = end - start
        virtual = slope - end
        error = np.abs((end - (slope - virtual)) - (start + virtual))
    return np.column_stack([start, slope, np.zeros_like(start), np.where(np.isnan(error), np.inf, error)])


def _enclosure(t: Fraction) -> tuple[float, float]:
    """The floats next to a number, equal if it is one."""
    near = float(t)
    exact = Fraction(near)
    low = near if exact <= t else math.nextafter(near, -math.inf)
    return low, near if exact >= t else math.nextafter(near, math.inf)

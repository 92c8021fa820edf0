"""Time limits of long work."""

from __future__ import annotations

import math
import time

from tropix.errors import InvalidInput


class Deadline:
    """A number of seconds from now, or no limit (None).

    >>> Deadline(None).passed
    False

    Raises `InvalidInput` unless the seconds are a nonnegative number or None.
    """

    def __init__(self, seconds: float | None) -> None:
        if seconds is not None and (not isinstance(seconds, int | float) or math.isnan(seconds) or seconds < 0):
            raise InvalidInput(f"time limit {seconds!r}: expected a nonnegative number of seconds, or None")
        self.seconds = seconds
        self.started = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since it was set."""
        return time.monotonic() - self.started

    @property
    def passed(self) -> bool:
        """Whether the time is over."""
        return self.seconds is not None and self.elapsed > self.seconds

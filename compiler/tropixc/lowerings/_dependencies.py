"""Recursion without the stack of Python: values whose dependencies are computed first, however deep they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


def dependencies_first(
    key: Key, needs: Callable[[Key], list[Key]], compute: Callable[[Key], Value], held: dict[Key, Value]
) -> Value:
    """The value of ``key``, in ``held`` or computed once all that it ``needs`` is there; new values are kept in it."""
    waiting = [key]
    while waiting:
        last = waiting[-1]
        missing = [] if last in held else [one for one in needs(last) if one not in held]
        waiting += reversed(missing)
        if not missing:
            if last not in held:
                held[last] = compute(last)
            waiting.pop()
    return held[key]

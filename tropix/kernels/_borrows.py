"""A decorator for kernels that only read and write arrays of their caller."""

from __future__ import annotations

from typing import Any

from numba import njit
from numba.core.options import DefaultOptions

_UNCOUNTED: dict[str, Any] = {"_nrt": False} if hasattr(DefaultOptions, "_nrt") else {}
borrows = njit(cache=True, nogil=True, error_model="numpy", **_UNCOUNTED)
"""`njit` without counts of references to arrays, which are atomic and cost more than a small kernel's own work.

A function so decorated, and all that it calls, must not create, return or keep arrays; views that it drops are fine.
"""

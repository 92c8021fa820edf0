"""Arrays as Python source that evaluates to exactly them: lists where small, else base64 of their bytes."""

from __future__ import annotations

import base64
import textwrap
from typing import Any

import numpy as np
import numpy.typing as npt

SHOWN = 64
"""Arrays with at most so many entries are written as lists."""
LINE = 100

DECODER = '''
def _array(kind, shape, text):
    """The array whose little-endian bytes are given in base64."""
    return np.frombuffer(base64.b64decode(text), dtype=kind).reshape(shape)
'''


def array_source(array: npt.NDArray[Any]) -> str:
    """An expression for a finite array of float64 or int64; arithmetic progressions of integers become ``np.arange``.

    `DECODER` must be in scope where the expression begins with ``_array``.
    """
    if array.dtype.kind == "i" and (steps := _progression(array)) is not None:
        return steps
    if array.size <= SHOWN:
        return _listed(array)
    kind = "<f8" if array.dtype.kind == "f" else "<i8"
    data = base64.b64encode(np.ascontiguousarray(array, dtype=kind).tobytes()).decode()
    return (
        f'_array("{kind}", {array.shape}, """\n'
        + "\n".join(data[i : i + LINE] for i in range(0, len(data), LINE))
        + '\n""")'
    )


def _listed(array: npt.NDArray[Any]) -> str:
    kind = ", dtype=np.int64" if array.dtype.kind == "i" else ""
    text = f"np.array({array.tolist()!r}{kind})"
    if len(text) <= LINE:
        return text
    rows = [repr(row) for row in array.tolist()]
    if array.ndim == 1:
        body = textwrap.fill(", ".join(rows), LINE, break_long_words=False, break_on_hyphens=False)
    else:
        body = ",\n".join(rows)
    return f"np.array(\n    [\n{textwrap.indent(body, '        ')},\n    ]{kind}\n)"


def _progression(array: npt.NDArray[Any]) -> str | None:
    if array.ndim != 1 or len(array) < 3:
        return None
    step = int(array[1] - array[0])
    if step < 1 or (np.diff(array) != step).any():
        return None
    return f"np.arange({int(array[0])}, {int(array[-1]) + 1}, {step})"

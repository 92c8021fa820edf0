"""Reading JSON of bearable size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tropix.errors import FormatError

MAX_BYTES = 1 << 26
"""Numbers in text take ten times their size once read: larger networks belong into ``.npz``."""


def read_json(path: Path) -> Any:
    """The content of a JSON file; NaN and Infinity are read as Python writes them, a key may occur once."""
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise FormatError(f"{size} bytes of JSON, more than {MAX_BYTES}: save the arrays as .npz")
    try:
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"not a JSON file, or truncated: {error}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key occurs twice")
    return found

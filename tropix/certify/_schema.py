"""The JSON Schema of certificates."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any


def certificate_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of `Certificate.to_json`; it says how certificates look, `check` what is proved.

    >>> certificate_schema()["title"]
    'tropix certificate 1'
    """
    text = files("tropix.certify").joinpath("certificate.schema.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found

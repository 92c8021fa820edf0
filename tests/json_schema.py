"""The part of JSON Schema (draft 2020-12) that the project's own schema uses, and refusal of any other keyword."""

from __future__ import annotations

import re
from typing import Any

ANNOTATIONS = {"$schema", "$defs", "title", "description"}
TYPES: dict[str, Any] = {
    "object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "null": type(None),
}  # fmt: skip


def faults(value: Any, schema: dict[str, Any], root: dict[str, Any] | None = None, at: str = "$") -> list[str]:
    """Where a value departs from a schema; nothing if it conforms."""
    top = schema if root is None else root
    found: list[str] = []
    for keyword, wanted in schema.items():
        if keyword in ANNOTATIONS or keyword == "additionalProperties":
            continue
        found += RULES[keyword](value, wanted, schema, top, at)
    return found


def _typed(value: Any, wanted: str) -> bool:
    return isinstance(value, TYPES[wanted]) and not (isinstance(value, bool) and wanted in ("integer", "number"))


def _number(value: Any) -> bool:
    return _typed(value, "number")


def _same(value: Any, wanted: Any) -> bool:
    return value == wanted and isinstance(value, bool) == isinstance(wanted, bool)


def _if(wrong: bool, at: str, says: str) -> list[str]:
    return [f"{at}: {says}"] if wrong else []


def _properties(value: Any, wanted: dict[str, Any], schema: dict[str, Any], top: dict[str, Any], at: str) -> list[str]:
    if not isinstance(value, dict):
        return []
    found = [f"{at}: unknown {name}" for name in value if name not in wanted and not schema["additionalProperties"]]
    for name, rule in wanted.items():
        if name in value:
            found += faults(value[name], rule, top, f"{at}.{name}")
    return found


def _items(value: Any, wanted: Any, schema: dict[str, Any], top: dict[str, Any], at: str) -> list[str]:
    if not isinstance(value, list):
        return []
    return [fault for i, item in enumerate(value) for fault in faults(item, wanted, top, f"{at}[{i}]")]


def _prefix(value: Any, wanted: Any, schema: dict[str, Any], top: dict[str, Any], at: str) -> list[str]:
    if not isinstance(value, list):
        return []
    pairs = zip(value, wanted, strict=False)
    return [fault for i, (item, rule) in enumerate(pairs) for fault in faults(item, rule, top, f"{at}[{i}]")]


def _any_of(value: Any, wanted: Any, schema: dict[str, Any], top: dict[str, Any], at: str) -> list[str]:
    tried = [faults(value, rule, top, at) for rule in wanted]
    return [] if any(not t for t in tried) else [f"{at}: none of {tried}"]


def _reference(value: Any, wanted: str, schema: dict[str, Any], top: dict[str, Any], at: str) -> list[str]:
    return faults(value, top["$defs"][wanted.removeprefix("#/$defs/")], top, at)


RULES: dict[str, Any] = {
    "type": lambda v, w, s, t, at: _if(not _typed(v, w), at, f"no {w}"),
    "const": lambda v, w, s, t, at: _if(not _same(v, w), at, f"not {w!r}"),
    "enum": lambda v, w, s, t, at: _if(not any(_same(v, x) for x in w), at, f"none of {w!r}"),
    "pattern": lambda v, w, s, t, at: _if(isinstance(v, str) and re.search(w, v) is None, at, f"does not match {w}"),
    "minimum": lambda v, w, s, t, at: _if(_number(v) and v < w, at, f"below {w}"),
    "maximum": lambda v, w, s, t, at: _if(_number(v) and v > w, at, f"above {w}"),
    "exclusiveMinimum": lambda v, w, s, t, at: _if(_number(v) and v <= w, at, f"not above {w}"),
    "minItems": lambda v, w, s, t, at: _if(isinstance(v, list) and len(v) < w, at, f"fewer than {w}"),
    "maxItems": lambda v, w, s, t, at: _if(isinstance(v, list) and len(v) > w, at, f"more than {w}"),
    "required": lambda v, w, s, t, at: [f"{at}: no {n}" for n in w if isinstance(v, dict) and n not in v],
    "properties": _properties,
    "items": _items,
    "prefixItems": _prefix,
    "anyOf": _any_of,
    "$ref": _reference,
}

"""Circuits as files for the command line, and its answers as data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import tropixc
from tropix import Circuit


def saved(folder: Path, circuit: Circuit, name: str = "net.txt") -> Path:
    path = folder / name
    path.write_text(tropixc.circuit_to_text(circuit))
    return path


def asked(tropix: Any, *arguments: object) -> Any:
    code, out, err = tropix(*arguments, "--json")
    assert code == 0, err
    return json.loads(out)

"""The verdict on a VNN-LIB property, in the form of the verification competition."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from tropix.errors import InvalidInput

STATUS = {"unsat": 0, "sat": 1, "unknown": 3, "timeout": 3}
"""Exit status: the property holds, is violated, or is not decided."""


def decide_property(
    model: Path,
    wanted: Path,
    timeout: float | None,
    seed: int,
    graph_output: str | None,
    as_json: bool,
    target: Path | None,
) -> None:
    """Print sat, unsat, unknown or timeout, and the witness after it; exit with the status of the verdict."""
    from tropix.certify import verify_property
    from tropixc.cli._models import load_model
    from tropixc.lowerings import write_all

    if target is not None and target.suffix.lower() not in (".txt", ".json"):
        raise InvalidInput(f"-o {target}: unknown suffix: use .txt (the competition's form) or .json")
    loaded = load_model(model, graph_output)
    found = verify_property(loaded.circuit, wanted, timeout, seed=seed)
    witness = found.witness
    report = {
        "model": str(loaded.path),
        "sha256": loaded.sha256,
        "property": str(wanted),
        "semantics": "real",
        "status": found.status,
        "witness": None
        if witness is None
        else {
            "inputs": [float(v) for v in witness.inputs],
            "outputs": [float(v) for v in witness.outputs],
            "exact": witness.exact,
        },
        "boxes": found.boxes,
        "seconds": found.seconds,
    }
    if target is not None:
        text = json.dumps(report, indent=1) if target.suffix.lower() == ".json" else found.text()
        write_all({target: text + "\n"})
    typer.echo(json.dumps(report, allow_nan=False) if as_json else found.text())
    if STATUS[found.status]:
        raise typer.Exit(STATUS[found.status])

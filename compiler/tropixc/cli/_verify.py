"""``tropix verify``: certificates proved anew, without a solver."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from tropix.errors import FormatError, InvalidInput
from tropixc.cli._shared import GraphOutputOption, JsonOption, console

MAX_CERTIFICATE_BYTES = 1 << 28


def verify_command(
    certificates: Annotated[
        list[Path], typer.Argument(help="Certificates (.json), or folders of them.", show_default=False)
    ],
    model: Annotated[Path, typer.Option(help="The model that they are about.", show_default=False)],
    graph_output: GraphOutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """Prove certificates anew in rational and ball arithmetic.

    Exit status: 0 all proved, 1 one is not proved, 2 one cannot be read.
    """
    from tropixc.cli._models import load_model

    paths = _files(certificates)
    loaded = load_model(model, graph_output)
    rows = [_row(path, loaded.circuit) for path in paths]
    unreadable = any(row["error"] is not None for row in rows)
    proved = sum(bool(row["proved"]) for row in rows)
    if as_json:
        report = {"model": str(loaded.path), "sha256": loaded.sha256, "proved": proved, "certificates": rows}
        typer.echo(json.dumps(report, allow_nan=False))
    else:
        out = console()
        for row in rows:
            text = "proved" if row["proved"] else f"not proved: {row['error'] or row['reason']}"
            out.print(f"{row['file']}: {text}", markup=False, soft_wrap=True)
        out.print(f"{proved} of {len(rows)} certificates proved", markup=False)
    if unreadable or proved < len(rows):
        raise typer.Exit(2 if unreadable else 1)


def _files(given: list[Path]) -> list[Path]:
    """The files, those of folders by name."""
    paths: list[Path] = []
    for path in given:
        inside = sorted(path.glob("*.json")) if path.is_dir() else [path]
        if not inside:
            raise InvalidInput(f"{path}: the folder holds no .json file")
        paths += inside
    return paths


def _row(path: Path, circuit: Any) -> dict[str, Any]:
    from tropix.certify import check

    row: dict[str, Any] = {"file": str(path), "proved": False, "reason": None, "error": None}
    try:
        certificate = read_certificate(path)
    except FormatError as error:
        return row | {"error": str(error)}
    verdict = check(certificate, circuit)
    return row | {"proved": verdict.proved, "reason": verdict.reason}


def read_certificate(path: Path) -> Any:
    """Read a certificate of a bounded size. Raises `FormatError` where the file is none."""
    from tropix.certify import Certificate

    try:
        size = path.stat().st_size
        if size > MAX_CERTIFICATE_BYTES:
            raise FormatError(f"the file has {size} bytes: at most {MAX_CERTIFICATE_BYTES} are read")
        return Certificate.from_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FormatError(f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise FormatError(f"is not text: {error}") from None

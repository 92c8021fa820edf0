"""``tropix attack``: counterexamples near the points of a data set, run again by onnxruntime."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tropix.errors import InvalidInput, Unsupported
from tropixc.cli._certify_table import BoxOption, NormOption, ScaleOption, chosen_norm
from tropixc.cli._domain import domain
from tropixc.cli._labelled import DATA, IndexOption, LabelsOption, LimitOption, read_labelled
from tropixc.cli._shared import GraphOutputOption, JsonOption, ModelArgument, console

if TYPE_CHECKING:
    from tropix.boxes import Box
    from tropix.certify import AttackResult, Norm
    from tropixc.cli._labelled import Labelled
    from tropixc.cli._models import LoadedModel

FILES = (".json", ".csv", ".npz")
NO_ONNX = "no ONNX model"


def attack_command(
    model: ModelArgument,
    data: Annotated[str, DATA],
    radius: Annotated[float, typer.Option(help="How far counterexamples may lie.", show_default=False)],
    labels: LabelsOption = None,
    norm: NormOption = "2",
    scale: ScaleOption = None,
    box: BoxOption = None,
    nearest: Annotated[
        bool, typer.Option("--nearest", help="Look further, up to 256 times the radius, where there is none within it.")
    ] = False,
    restarts: Annotated[int, typer.Option(help="Starts of the descent.", min=1, max=10_000)] = 4,
    steps: Annotated[int, typer.Option(help="Steps of the descent.", min=1, max=100_000)] = 30,
    limit: LimitOption = None,
    index: IndexOption = None,
    seed: Annotated[int, typer.Option(help="Seed of the starts.", min=0)] = 0,
    target: Annotated[
        Path | None, typer.Option("-o", help="Write what was found: .json, .csv, or .npz with the points themselves.")
    ] = None,
    graph_output: GraphOutputOption = None,
    as_json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a line a point, separated by commas.")] = False,
) -> None:
    """Look for points of another class than the data's true labels (else the model's own) within a radius.

    Every counterexample holds in double precision beyond rounding; where the model is an ONNX file onnxruntime runs it
    again, in the model's own type, and says confirmed or not confirmed.
    """
    from tropix.certify import attack
    from tropixc.cli._models import load_model
    from tropixc.lowerings import write_all

    if as_json and as_csv:
        raise InvalidInput("--json and --csv: give one of them")
    if target is not None and target.suffix.lower() not in FILES:
        raise InvalidInput(f"-o {target}: unknown suffix: use {', '.join(FILES)}")
    loaded = load_model(model, graph_output)
    d = loaded.circuit.input_size
    where = domain(box, None, None, d)
    measure = chosen_norm(norm, scale, d)
    points = read_labelled(data, labels, d, limit, index)
    found = attack(
        loaded.circuit, points.points, points.labels, radius=radius, norm=measure, box=where,
        restarts=restarts, steps=steps, seed=seed, nearest=nearest,
    )  # fmt: skip
    report = _report(loaded, points, found, radius, measure, where)
    if target is not None:
        write_all({target: _file(report, points, found, target.suffix.lower())})
    if as_json:
        typer.echo(json.dumps(report, allow_nan=False))
    elif as_csv:
        typer.echo(_csv(report), nl=False)
    else:
        _print(report)
        if target is not None:
            console().print(f"written to {target}", markup=False)


def _replayed(
    loaded: LoadedModel, data: Labelled, found: list[AttackResult], radius: float, box: Box | None
) -> list[dict[str, Any]]:
    """For each result what onnxruntime says of its point; nothing where there is no point."""
    import numpy as np

    from tropixc.replay import replay

    there = [i for i, result in enumerate(found) if result.point is not None]
    words: list[dict[str, Any]] = [{"onnxruntime": None, "farther": None} for _ in found]
    for i in there:
        words[i]["onnxruntime"] = NO_ONNX
    if not there or loaded.runnable is None or loaded.opset is None:  # not read from an ONNX file
        return words
    points = np.array([found[i].point for i in there])
    distances = np.array([found[i].distance for i in there])
    with np.errstate(divide="ignore"):
        room = np.where(distances <= radius, radius / distances - 1, np.inf)
    labels = [found[i].label for i in there]
    try:
        results = replay(loaded.runnable, points, labels, origins=data.points[there], room=room, box=box)
    except Unsupported as error:
        print(f"tropix: {error}", file=sys.stderr)
        for i in there:
            words[i]["onnxruntime"] = "cannot run it"
        return words
    for i, result in zip(there, results, strict=True):
        words[i] = {"onnxruntime": result.status, "farther": result.farther or None}
    return words


def _report(
    loaded: LoadedModel, data: Labelled, found: list[AttackResult], radius: float, norm: Norm, box: Box | None
) -> dict[str, Any]:
    words = _replayed(loaded, data, found, radius, box)
    rows = []
    for number, result, word in zip(data.numbers.tolist(), found, words, strict=True):
        row = result.to_dict()
        counterexample = row.pop("point")
        rows.append({"point": number, **row, **word, "counterexample": counterexample})
    successes = sum(result.success for result in found)
    statuses = Counter(word["onnxruntime"] for word in words if word["onnxruntime"])
    return {
        "model": str(loaded.path),
        "sha256": loaded.sha256,
        "norm": {"p": "inf" if norm.p == math.inf else f"{norm.p:g}", "scale": norm.scale},
        "radius": radius,
        "points": rows,
        "summary": {
            "points": len(found),
            "successes": successes,
            "accuracy": 1.0 - successes / len(found),
            "onnxruntime": dict(sorted(statuses.items())),
        },
    }


def _file(report: dict[str, Any], data: Labelled, found: list[AttackResult], suffix: str) -> str | bytes:
    import numpy as np

    if suffix == ".json":
        return json.dumps(report, indent=1, allow_nan=False) + "\n"
    if suffix == ".csv":
        return _csv(report)
    there = [i for i, result in enumerate(found) if result.point is not None]
    target = io.BytesIO()
    np.savez(
        target,
        x=np.array([found[i].point for i in there]).reshape(len(there), data.points.shape[1]),
        y=np.array([found[i].label for i in there], dtype=np.int64),
        point=data.numbers[there],
    )
    return target.getvalue()


COLUMNS = ("point", "label", "success", "found", "distance", "margin", "onnxruntime", "farther")


def _csv(report: dict[str, Any]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([row[name] for name in COLUMNS] for row in report["points"])
    return out.getvalue()


def _print(report: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    out = console()
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("point", "label", "found", "distance", "margin"):
        table.add_column(heading, justify="right")
    table.add_column("within the radius")
    table.add_column("onnxruntime")
    for row in report["points"]:
        distance = "none found" if row["distance"] is None else f"{row['distance']:.6g}"
        table.add_row(
            str(row["point"]), str(row["label"]), "" if row["found"] is None else str(row["found"]), distance,
            f"{row['margin']:.3g}", "yes" if row["success"] else "no", _word(row),
        )  # fmt: skip
    out.print(table)
    facts = Table(show_header=False, box=None, pad_edge=False)
    summary = report["summary"]
    facts.add_row("[bold]model[/bold]", Text(report["model"]))
    facts.add_row("[bold]points[/bold]", str(summary["points"]))
    facts.add_row(
        f"[bold]accuracy within {report['radius']:g} (l{report['norm']['p']})[/bold]", f"{summary['accuracy']:.4f}"
    )
    words = ", ".join(f"{count} {word}" for word, count in summary["onnxruntime"].items())
    facts.add_row("[bold]onnxruntime[/bold]", words or "nothing to run")
    out.print()
    out.print(facts)


def _word(row: dict[str, Any]) -> str:
    return (row["onnxruntime"] or "") + (f" {row['farther']:g} farther" if row["farther"] else "")

"""``tropix certify``: certified radii of a data set, or the verdict on a property."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tropix.errors import InvalidInput, Unsupported
from tropixc.cli._certify_table import BoxOption, NormOption, ScaleOption, chosen_norm, printed, report_of, table_csv
from tropixc.cli._domain import domain
from tropixc.cli._labelled import DATA, IndexOption, LabelsOption, LimitOption, read_labelled
from tropixc.cli._shared import INTERRUPTED, GraphOutputOption, JsonOption, ModelArgument, console

if TYPE_CHECKING:
    from tropix.boxes import Box
    from tropix.certify import AttackResult, Certificate, Norm
    from tropixc.cli._labelled import Labelled
    from tropixc.cli._models import LoadedModel

FILES, PICTURES = (".json", ".csv"), (".png", ".pdf", ".svg")


@dataclass(frozen=True, eq=False)
class Asked:
    """What the options say about the certificates."""

    norm: Norm
    box: Box | None
    radii: tuple[float, ...]
    method: str
    gap: float
    time_limit: float | None
    seed: int
    workers: int

    @property
    def radius(self) -> float | None:
        """The radius that a certificate is asked about: with several, the whole radius is wanted."""
        return self.radii[0] if len(self.radii) == 1 else None


def certify_command(
    model: ModelArgument,
    data: Annotated[str | None, DATA] = None,
    labels: LabelsOption = None,
    wanted: Annotated[
        Path | None,
        typer.Option(
            "--property",
            help="Decide this VNN-LIB property instead, in real arithmetic: prints sat, unsat, unknown or timeout, "
            "then the witness.",
        ),
    ] = None,
    norm: NormOption = "2",
    scale: ScaleOption = None,
    radius: Annotated[
        list[float] | None,
        typer.Option(
            help="A radius to ask about. One: the search stops where it is settled. Repeated: whole radii are "
            "looked for, and every one of these has its column of status and its accuracies."
        ),
    ] = None,
    box: BoxOption = None,
    method: Annotated[
        str, typer.Option(help="auto (cheapest first), or one method alone: see tropix.certify.certify_all.")
    ] = "auto",
    gap: Annotated[float, typer.Option(help="The relative gap to which exact radii are found.")] = 1e-3,
    limit: LimitOption = None,
    index: IndexOption = None,
    time_limit: Annotated[
        float | None, typer.Option("--time-limit", help="Seconds for each point.", min=0, show_default=False)
    ] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds for a --property.", min=0, show_default=False)] = None,
    workers: Annotated[int, typer.Option(help="Number of processes.", min=1, max=1024)] = 1,
    seed: Annotated[int, typer.Option(help="Seed of the attacks.", min=0)] = 0,
    certificates: Annotated[
        Path | None, typer.Option(help="Write certificates into this folder, each as it is found: point-0007.json.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw accuracy over the radius: .png, .pdf or .svg.")] = None,
    target: Annotated[
        Path | None, typer.Option("-o", help="Write the report: .json, or .csv with a line a point.")
    ] = None,
    graph_output: GraphOutputOption = None,
    as_json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a line a point, separated by commas.")] = False,
) -> None:
    """Prove radii in which labels stay the same, with certificates that tropix verify checks; or decide a property.

    Claims are about the function over real numbers with the stored weights (real in the words of VNN-LIB 2.0), not
    about its execution in floats. Exit status of a data set: 0 done. Of a property: 0 unsat (it holds), 1 sat (it is
    violated), 3 unknown or timeout.
    """
    if (data is None) == (wanted is None):
        raise InvalidInput("expected --data DATA or --property FILE.vnnlib, one of both")
    if as_json and as_csv:
        raise InvalidInput("--json and --csv: give one of them")
    if wanted is not None:
        from tropixc.cli._certify_property import decide_property

        others = {
            "--labels": labels, "--scale": scale, "--radius": radius, "--box": box, "--limit": limit, "--index": index,
            "--certificates": certificates, "--plot": plot, "--csv": as_csv or None, "--time-limit": time_limit,
        }  # fmt: skip
        others |= {name: value if value != usual else None for name, value, usual in (
            ("--method", method, "auto"), ("--norm", norm, "2"), ("--gap", gap, 1e-3), ("--workers", workers, 1)
        )}  # fmt: skip
        if given := [name for name, value in others.items() if value not in (None, [])]:
            raise InvalidInput(f"{', '.join(given)}: a --property says itself what it is about")
        decide_property(model, wanted, timeout, seed, graph_output, as_json, target)
        return
    assert data is not None
    if timeout is not None:
        raise InvalidInput("--timeout is about a --property: with --data say --time-limit")
    _check_files(target, plot, certificates)
    from tropixc.cli._models import load_model

    loaded = load_model(model, graph_output)
    d = loaded.circuit.input_size
    where = domain(box, None, None, d)
    asked = Asked(
        chosen_norm(norm, scale, d), where, _radii(radius or []), method, gap, time_limit, seed, workers
    )  # fmt: skip
    points = read_labelled(data, labels, d, limit, index)
    _check_labels(points, loaded.circuit.output_size)
    _certify_data(loaded, points, asked, certificates, plot, target, "json" if as_json else "csv" if as_csv else "")


def _check_files(target: Path | None, plot: Path | None, certificates: Path | None) -> None:
    """Refuse names of files before anything long is done."""
    for option, path, suffixes in (("-o", target, FILES), ("--plot", plot, PICTURES)):
        if path is not None and path.suffix.lower() not in suffixes:
            raise InvalidInput(f"{option} {path}: unknown suffix: use {', '.join(suffixes)}")
        if path is not None and not path.resolve().parent.is_dir():
            raise InvalidInput(f"{option} {path}: there is no folder {path.parent}")
    if certificates is not None:
        try:
            certificates.mkdir(exist_ok=True)
        except OSError as error:
            raise InvalidInput(f"--certificates {certificates}: {error.strerror}") from None


def _check_labels(data: Labelled, outputs: int) -> None:
    """Refuse labels that the model does not have: they would count as its mistakes. One output decides between two."""
    classes = 2 if outputs == 1 else outputs
    for number, label in zip(data.numbers.tolist(), [] if data.labels is None else data.labels.tolist(), strict=False):
        if label >= classes:
            raise InvalidInput(f"label {label} of point {number}: the model has classes 0 to {classes - 1}")


def _radii(given: Sequence[float]) -> tuple[float, ...]:
    for r in given:
        if not 0 < r < math.inf:
            raise InvalidInput(f"--radius {r:g}: expected a finite number > 0")
    return tuple(dict.fromkeys(given))


def _certify_data(
    loaded: LoadedModel,
    data: Labelled,
    asked: Asked,
    certificates: Path | None,
    plot: Path | None,
    target: Path | None,
    form: str,
) -> None:
    from tropix.certify import summarise
    from tropixc.lowerings import write_all

    found, whole = certified(loaded, data, asked, certificates)
    attacks: list[AttackResult | None] = [None] * len(found)
    try:
        attacks = _attacks(loaded, data, asked, found) if whole else attacks
    except KeyboardInterrupt:
        whole = False
    truth = None if data.labels is None else data.labels[: len(found)]
    summary = summarise(found, attacks, truth, asked.radii)
    report = report_of(loaded, data, asked, found, summary, partial=not whole)
    files: dict[Path, str | bytes] = {}
    if target is not None:
        as_text = target.suffix.lower() == ".json"
        files[target] = json.dumps(report, indent=1, allow_nan=False) + "\n" if as_text else table_csv(report)
    if plot is not None and len(found):
        from tropixc.cli._certify_table import curve

        files[plot] = curve(summary, asked.norm, loaded.path.name, plot.suffix[1:].lower())
    write_all(files)
    if form == "json":
        typer.echo(json.dumps({**report, "files": [str(path) for path in files]}, allow_nan=False))
    elif form == "csv":
        typer.echo(table_csv(report), nl=False)
    else:
        out = console()
        for table in printed(report, summary, loaded.notes):
            out.print(table)
        for path in files:
            out.print(f"written to {path}", markup=False)
        if certificates is not None:
            out.print(f"{len(found)} certificates in {certificates}", markup=False)
    if not whole:
        raise typer.Exit(INTERRUPTED)


def certified(loaded: LoadedModel, data: Labelled, asked: Asked, folder: Path | None) -> tuple[list[Certificate], bool]:
    """The certificates, written as they are found; and whether that was all, or Ctrl-C came before."""
    from rich.progress import Progress

    from tropix.certify import certify_each
    from tropixc.lowerings import write_all

    found: list[Certificate] = []
    with Progress(console=console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("certifying", total=len(data.points))
        each = certify_each(
            loaded.circuit, data.points, norm=asked.norm, radius=asked.radius, box=asked.box,
            method=asked.method,  # type: ignore[arg-type]  # checked there
            time_limit=asked.time_limit, gap=asked.gap, seed=asked.seed,
            workers=min(asked.workers, max(1, len(data.points))),
            progress=lambda done, _: progress.update(task, completed=done),
        )  # fmt: skip
        try:
            for number, certificate in zip(data.numbers.tolist(), each, strict=False):
                if folder is not None:
                    write_all({folder / f"point-{number:04d}.json": certificate.to_json() + "\n"})
                found.append(certificate)
        except KeyboardInterrupt:
            return found, False
    return found, True


def _attacks(loaded: LoadedModel, data: Labelled, asked: Asked, found: list[Certificate]) -> list[AttackResult | None]:
    """Attacks where a certificate has no counterexample, and where one could change an accuracy."""
    import numpy as np

    from tropix.certify import attack

    results: list[AttackResult | None] = [None] * len(found)
    proved = asked.radius
    open_ones = [i for i, c in enumerate(found) if c.upper == math.inf and (proved is None or c.radius < proved)]
    if not open_ones:
        return results
    middle = float(np.median([found[i].radius for i in open_ones]))
    start = proved or max(asked.radii, default=0.0) or middle or 1.0
    try:
        answers = attack(
            loaded.circuit, data.points[open_ones], [found[i].label for i in open_ones], radius=min(start, 1e9),
            norm=asked.norm, box=asked.box, seed=asked.seed, nearest=proved is None,
        )  # fmt: skip
    except Unsupported:
        return results
    for i, answer in zip(open_ones, answers, strict=True):
        results[i] = answer
    return results

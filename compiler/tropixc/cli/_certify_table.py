"""Reports of ``tropix certify``: as data, as tables, as a picture."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tropix.errors import InvalidInput
from tropixc.cli._shared import read_points

if TYPE_CHECKING:
    from tropix.certify import Certificate, Norm, Summary
    from tropixc.cli._certify import Asked
    from tropixc.cli._labelled import Labelled
    from tropixc.cli._models import LoadedModel

NormOption = Annotated[str, typer.Option(help="Norm of perturbations: 1, 2 or inf.")]
ScaleOption = Annotated[
    str | None,
    typer.Option(help="Units of the norm, > 0: one an input joined by ';', or a file with one row: |d_i / s_i|."),
]
BoxOption = Annotated[
    str | None,
    typer.Option(
        help="Valid inputs 'lower,upper' for all, one pair an input joined by ';', or a file of two rows: pixels 0,1."
    ),
]
MARKS = {"robust": "[green]robust[/green]", "falsified": "[red]falsified[/red]", "unknown": "unknown"}


def chosen_norm(norm: str, scale: str | None, dimension: int) -> Norm:
    """The norm of the options."""
    from tropix.certify import Norm

    if norm not in ("1", "2", "inf"):
        raise InvalidInput(f"--norm {norm!r}: expected 1, 2 or inf")
    if scale is None:
        return Norm(float(norm))
    if scale.lower().endswith((".npy", ".csv", ".txt")):
        rows = read_points(Path(scale), dimension)
        if len(rows) != 1:
            raise InvalidInput(f"--scale {scale}: {len(rows)} rows: expected one")
        units = rows[0].tolist()
    else:
        try:
            units = [float(number) for number in scale.split(";")]
        except ValueError:
            raise InvalidInput(f"--scale {scale[:80]!r}: expected numbers > 0 joined by ';', or a file") from None
    if len(units) != dimension:
        raise InvalidInput(f"--scale: {len(units)} units: the model has {dimension} inputs")
    return Norm(float(norm), tuple(units))


def report_of(
    loaded: LoadedModel,
    data: Labelled,
    asked: Asked,
    found: list[Certificate],
    summary: Summary,
    *,
    partial: bool,
) -> dict[str, Any]:
    """Everything that was found, ready for JSON; infinite numbers are None."""
    from tropix.certify import status_of

    rows = []
    for i, c in enumerate(found):
        upper = float(summary.upper[i])
        rows.append(
            {
                "point": int(data.numbers[i]),
                "label": c.label,
                "true_label": None if data.labels is None else int(data.labels[i]),
                "margin": c.margin,
                "radius": c.radius,
                "upper": _plain(upper),
                "gap": _plain(upper - c.radius),
                "method": c.method,
                "status": status_of(c.radius, upper, asked.radius),
                "statuses": {f"{r:g}": status_of(c.radius, upper, r) for r in asked.radii},
                "seconds": c.seconds,
            }
        )
    box = asked.box
    return {
        "model": str(loaded.path),
        "sha256": loaded.sha256,
        "semantics": "real",
        "norm": {"p": "inf" if asked.norm.p == math.inf else f"{asked.norm.p:g}", "scale": asked.norm.scale},
        "box": None if box is None else [[str(v) for v in box.lower], [str(v) for v in box.upper]],
        "radii": list(asked.radii),
        "method": asked.method,
        "gap": asked.gap,
        "seed": asked.seed,
        "partial": partial,
        "asked_points": len(data.points),
        "points": rows,
        "summary": summary.to_dict(),
    }


def table_csv(report: dict[str, Any]) -> str:
    """A line a point; empty where there is no number."""
    out = io.StringIO()
    columns = ["point", "label", "true_label", "margin", "radius", "upper", "gap", "method", "status"]
    radii = [f"{r:g}" for r in report["radii"]]
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*columns, *(f"at {r}" for r in radii), "seconds"])
    for row in report["points"]:
        statuses = [row["statuses"][r] for r in radii]
        writer.writerow([*(row[name] for name in columns), *statuses, row["seconds"]])
    return out.getvalue()


def printed(report: dict[str, Any], summary: Summary, notes: tuple[str, ...]) -> list[Any]:
    """The tables for people: what was asked, the points, the summary."""
    from rich.table import Table
    from rich.text import Text

    facts, table, sums = (Table(show_header=k == 1, box=None, pad_edge=False, header_style="bold") for k in range(3))
    facts.add_row("[bold]model[/bold]", Text(report["model"]))
    for note in notes:
        facts.add_row("", Text(note))
    scaled = "" if report["norm"]["scale"] is None else ", scaled"
    facts.add_row("[bold]norm[/bold]", Text(f"l{report['norm']['p']}{scaled}"))
    facts.add_row("[bold]claim[/bold]", Text("for real arithmetic with the stored weights"))
    truth = any(row["true_label"] is not None for row in report["points"])
    radii = [f"{r:g}" for r in report["radii"]]
    for heading in ("point", "label", *(["true"] if truth else []), "margin", "radius", "upper", "gap"):
        table.add_column(heading, justify="right")
    for heading in ("method", *([f"at {r}" for r in radii] or ["status"])):
        table.add_column(heading)
    table.add_column("ms", justify="right")
    for row in report["points"]:
        labels = [str(row["label"]), *([str(row["true_label"])] if truth else [])]
        numbers = [_number(row[name]) for name in ("margin", "radius", "upper")]
        gap = "inf" if row["gap"] is None else f"{row['gap']:.2g}"
        statuses = [MARKS[s] for s in ([row["statuses"][r] for r in radii] or [row["status"]])]
        table.add_row(
            str(row["point"]), *labels, *numbers, gap, row["method"], *statuses, f"{1000 * row['seconds']:.2f}"
        )  # fmt: skip
    if report["partial"]:
        sums.add_row("[bold]result[/bold]", f"partial: interrupted after {len(summary)} of {report['asked_points']}")
    for name, value in summary.rows():
        sums.add_row(f"[bold]{name}[/bold]", Text(value))
    return [facts, "", table, "", sums]


def curve(summary: Summary, norm: Norm, title: str, suffix: str) -> bytes:
    """The picture of both accuracies over the radius."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.hashsalt": "tropix"}):  # the same numbers give the same file
        figure = Figure(figsize=(6.5, 4), layout="constrained")
        ax = summary.plot(figure.subplots())
        ax.set_title(title, fontsize="medium")
        ax.set_xlabel(f"radius (l{norm.text()})")
        target = io.BytesIO()
        figure.savefig(target, format=suffix, dpi=150, metadata={"Date": None} if suffix == "svg" else None)
    return target.getvalue()


def _number(value: float | None) -> str:
    return "inf" if value is None else f"{value:.6g}"


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None

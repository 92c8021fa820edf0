"""Choosing passes on the command line, and telling what each of them did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from tropixc.passes import Step


def chosen_passes(text: str | None) -> tuple[str, ...]:
    """The names in a list joined by commas; the default passes for None."""
    from tropixc.passes import DEFAULT_PASSES

    if text is None:
        return DEFAULT_PASSES
    return () if text.strip() == "none" else tuple(name.strip() for name in text.split(","))


def explained(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """What each pass did, as JSON-ready data."""
    return [
        {
            "pass": step.name,
            "nodes": [step.before.nodes, step.after.nodes],
            "pieces": [step.before.pieces, step.after.pieces],
            "weights": [step.before.weights, step.after.weights],
        }
        for step in steps
    ]


def explanation(steps: Sequence[Step]) -> Table:
    """A table of what each pass did; what stayed the same is shown once."""
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("pass")
    for heading in ("nodes", "pieces", "weights"):
        table.add_column(heading, justify="right")
    for row in explained(steps):
        changes = [row[heading] for heading in ("nodes", "pieces", "weights")]
        table.add_row(row["pass"], *(str(a) if a == b else f"{a} -> {b}" for a, b in changes))
    return table

"""Compiled outputs as the command line shows them: a table, JSON, text in every format, a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from tropixc.agreement import Agreement
    from tropixc.lowerings import Artefact, Lowering, TropicalFunction


class Format(StrEnum):
    """How functions are written."""

    text = "text"
    latex = "latex"
    sympy = "sympy"
    json = "json"
    conjugate = "conjugate"
    hopf_cole = "hopf-cole"


@dataclass(frozen=True, eq=False)
class CompiledOutput:
    """One output: how it was compiled, and the polynomial or rational function that it became."""

    lowering: Lowering
    function: TropicalFunction

    @property
    def kind(self) -> str:
        """Polynomial or rational."""
        return "rational" if isinstance(self.monomials, list) else "polynomial"

    @property
    def monomials(self) -> int | list[int]:
        """How many; of numerator and denominator for a rational function."""
        from tropix.polynomials import TropicalRational

        return list(self.function.size) if isinstance(self.function, TropicalRational) else len(self.function)

    @property
    def parts(self) -> tuple[int, int] | None:
        """The convex parts of a rational expansion, and those that cancelled or were dominated."""
        from tropixc.lowerings import RationalLowering

        found = self.lowering
        return (found.atoms, found.cancelled) if isinstance(found, RationalLowering) else None

    def report(self) -> dict[str, Any]:
        """All of it, as JSON-ready data."""
        from tropixc.lowerings import to_text

        parts = self.parts
        return {
            "output": self.lowering.output,
            "kind": self.kind,
            "variables": self.function.dimension,
            "monomials": self.monomials,
            "formed": self.lowering.expanded,
            "convex_parts": None if parts is None else parts[0],
            "cancelled": None if parts is None else parts[1],
            "lipschitz_l2": self.function.lipschitz(2),
            "text": to_text(self.function),
        }


def count(monomials: int | Sequence[int]) -> str:
    """Numbers of monomials, or of two of them, for people: ``12`` or ``12 / 5``."""
    return str(monomials) if isinstance(monomials, int) else " / ".join(map(str, monomials))


def table(outputs: Sequence[CompiledOutput]) -> Table:
    """A row an output; what only rational functions have is left out where there are none."""
    from rich.table import Table

    rational = any(output.parts is not None for output in outputs)
    shown = Table(box=None, header_style="bold", pad_edge=False)
    shown.add_column("output", justify="right")
    shown.add_column("kind")
    extra = ("convex parts", "cancelled") if rational else ()
    for heading in ("variables", "monomials", "formed", *extra, "Lipschitz (l2)"):
        shown.add_column(heading, justify="right")
    for output in outputs:
        size = f"{output.function.lipschitz(2):.6g}"
        parts = ("", "") if output.parts is None else tuple(map(str, output.parts))
        shown.add_row(
            str(output.lowering.output),
            output.kind,
            str(output.function.dimension),
            count(output.monomials),
            str(output.lowering.expanded),
            *(parts if rational else ()),
            f"<= {size}" if output.kind == "rational" else size,
        )
    return shown


def render(artefact: Artefact, form: Format) -> str:
    """The functions in a format; several are one a line, in the order of the outputs."""
    from tropixc.lowerings import to_latex, to_sympy, to_text

    if form is Format.json:
        return artefact.to_json()
    if form is Format.sympy:
        return "\n".join(str(to_sympy(function)) for function in artefact.functions)
    write = to_latex if form is Format.latex else to_text
    return "\n".join(write(function) for function in artefact.functions)


def picture(artefact: Artefact, first: CompiledOutput, form: str) -> bytes:
    """A picture of the first output, as a file of a format of matplotlib."""
    import io

    from matplotlib.figure import Figure

    box = artefact.box if artefact.box is not None and artefact.box.bounded else (-1.0, 1.0)
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = first.function.plot(box, figure.subplots())
    axes.set_title(f"output {first.lowering.output}: {count(first.monomials)} monomials")
    stream = io.BytesIO()
    figure.savefig(stream, format=form, dpi=150)
    return stream.getvalue()


def agreement_line(agreement: Agreement | str) -> str:
    """One line for people."""
    return f"agreement unknown: {agreement}" if isinstance(agreement, str) else agreement.line


def agreement_report(agreement: Agreement | str) -> dict[str, Any]:
    """The agreement as JSON-ready data."""
    if isinstance(agreement, str):
        return {"status": "unknown", "reason": agreement}
    return {
        "status": "holds" if agreement.holds else "violated",
        "points": agreement.points,
        "left_out": agreement.left_out,
        "gap": agreement.gap.tolist(),
        "delta": agreement.bound.tolist(),
        "rounding": agreement.rounding.tolist(),
    }

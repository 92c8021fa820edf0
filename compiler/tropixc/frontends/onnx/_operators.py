"""The table of operators: importing this module registers every rule."""

from tropixc.frontends.onnx import (
    _activations,
    _arithmetic,
    _convolutions,
    _indexing,
    _linear,
    _maxima,
    _normalisation,
    _shapes,
)
from tropixc.frontends.onnx._call import RULES

__all__ = ["RULES", "SUPPORTED_OPERATORS", "operator_table"]

SUPPORTED_OPERATORS: tuple[str, ...] = tuple(sorted({*RULES, "Constant"}))
_MODULES = (_activations, _arithmetic, _convolutions, _indexing, _linear, _maxima, _normalisation, _shapes)


def operator_table() -> str:
    """The supported operators as a Markdown table: those with one summary share a row."""
    rows: dict[str, list[str]] = {}
    for name in SUPPORTED_OPERATORS:
        rows.setdefault(RULES[name].summary if name in RULES else "constant", []).append(name)
    lines = [f"| {', '.join(f'`{name}`' for name in names)} | {summary} |" for summary, names in rows.items()]
    return "\n".join(["| operator | becomes |", "|---|---|", *lines]) + "\n"

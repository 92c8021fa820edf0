"""The table of operators: importing this module registers every rule."""

from tropixc.frontends.onnx import (
    _activations,
    _arithmetic,
    _convolutions,
    _indexing,
    _linear,
    _maxima,
    _ml,
    _normalisation,
    _shapes,
)
from tropixc.frontends.onnx._call import RULES

__all__ = ["RULES", "SUPPORTED_OPERATORS", "operator_summaries", "operator_table"]

SUPPORTED_OPERATORS: tuple[str, ...] = tuple(sorted({*RULES, "Constant"}))
_MODULES = (_activations, _arithmetic, _convolutions, _indexing, _linear, _maxima, _ml, _normalisation, _shapes)


def operator_summaries() -> dict[str, str]:
    """For each supported operator, what it becomes."""
    return {name: RULES[name].summary if name in RULES else "a constant" for name in SUPPORTED_OPERATORS}


def operator_table() -> str:
    """The supported operators as a Markdown table: those with one summary share a row."""
    rows: dict[str, list[str]] = {}
    for name, summary in operator_summaries().items():
        rows.setdefault(summary, []).append(f"`{name}`")
    lines = [f"| {', '.join(names)} | {summary.replace('|', chr(92) + '|')} |" for summary, names in rows.items()]
    return "\n".join(["| operator | becomes |", "|---|---|", *lines]) + "\n"

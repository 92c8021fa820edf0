"""``tropix info``: what a model is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tropixc.cli._shared import GraphOutputOption, JsonOption, ModelArgument, console

if TYPE_CHECKING:
    from tropix.circuits import Circuit
    from tropixc.frontends.onnx import ImportedModel


def info_command(
    model: ModelArgument,
    graph_output: GraphOutputOption = None,
    norm: Annotated[float, typer.Option(help="The p of the norm for Lipschitz constants, 1 <= p <= inf.")] = 2.0,
    as_json: JsonOption = False,
) -> None:
    """Describe a model: inputs, outputs, nodes, temperatures, curvature, exactness, Lipschitz constant, delta(eps)."""
    from tropixc.frontends.onnx import import_onnx
    from tropixc.passes import optimize

    imported = import_onnx(model, graph_output)
    circuit = optimize(imported.circuit)
    report = describe(imported, circuit, norm)
    if as_json:
        typer.echo(json.dumps(report))
    else:
        _print(report)


def describe(imported: ImportedModel, circuit: Circuit, norm: float) -> dict[str, Any]:
    """The facts that ``tropix info`` prints, as JSON-ready data; null stands for an infinite bound."""
    graph = circuit.graph()
    return {
        "model": str(imported.path),
        "sha256": imported.sha256,
        "opset": imported.opset,
        "input": {"name": imported.input_name, "shape": list(imported.input_shape), "size": circuit.input_size},
        "output": {"name": imported.output_name, "size": circuit.output_size},
        "exactness": circuit.exactness.value,
        "curvature": circuit.curvature().value,
        "temperatures": list(circuit.temperatures),
        "lipschitz": {"norm": "inf" if norm == float("inf") else norm, "bounds": _finite(circuit.lipschitz(norm))},
        "delta": _finite(circuit.deformation_bound()),
        "notes": list(imported.notes),
        "nodes": [
            {"position": i, **attributes, "sources": sorted(graph.predecessors(i))}
            for i, attributes in graph.nodes(data=True)
        ],
    }


def _finite(values: Any) -> list[float | None]:
    return [float(v) if v < float("inf") else None for v in values]


def _span(values: list[float | None]) -> str:
    known = [v for v in values if v is not None]
    if len(known) < len(values):
        return "unbounded"
    low, high = min(known), max(known)
    return f"{high:.6g}" if low == high else f"{low:.6g} to {high:.6g} over the outputs"


def _print(report: dict[str, Any]) -> None:
    from rich.table import Table

    out = console()
    facts = Table(show_header=False, box=None, pad_edge=False)
    temperatures = ", ".join(f"{t:.6g}" for t in report["temperatures"]) or "none (affine)"
    norm = report["lipschitz"]["norm"]
    for name, value in (
        ("model", report["model"]),
        ("input", f"{report['input']['name']}: {report['input']['size']} values, shape {report['input']['shape']}"),
        ("output", f"{report['output']['name']}: {report['output']['size']} values"),
        ("class", report["exactness"]),
        ("curvature", report["curvature"]),
        ("temperatures", temperatures),
        (
            f"Lipschitz (l{norm:g})" if norm != "inf" else "Lipschitz (linf)",
            f"<= {_span(report['lipschitz']['bounds'])}",
        ),
        ("delta(eps)", f"|f_eps - f_0| <= {_span(report['delta'])}, for every input"),
    ):
        facts.add_row(f"[bold]{name}[/bold]", value)
    out.print(facts)
    for note in report["notes"]:
        out.print(f"note: {note}", markup=False, soft_wrap=True)
    nodes = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("node", "kind", "size", "eps", "curvature", "class", "reads"):
        nodes.add_column(heading, justify="right" if heading in ("size", "eps") else "left")
    for node in report["nodes"]:
        nodes.add_row(
            node["name"],
            node["kind"],
            str(node["size"]),
            "" if node["eps"] is None else f"{node['eps']:.6g}",
            node["curvature"],
            node["exactness"],
            ", ".join(report["nodes"][i]["name"] for i in node["sources"]),
        )
    out.print()
    out.print(nodes)

"""``tropix info``: what a model is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tropix.errors import TropixError
from tropixc.cli._shared import GraphOutputOption, JsonOption, ModelArgument, console

if TYPE_CHECKING:
    from tropix.circuits import Circuit
    from tropixc.agreement import CircuitAgreement
    from tropixc.cli._models import LoadedModel

SHOWN_EXPRESSION = 2000


def info_command(
    model: ModelArgument,
    graph_output: GraphOutputOption = None,
    norm: Annotated[float, typer.Option(help="The p of the norm for Lipschitz constants, 1 <= p <= inf.")] = 2.0,
    box: Annotated[
        str | None,
        typer.Option(help="Bound the outputs on this box: 'lower,upper', or one pair an input joined by ';'."),
    ] = None,
    points: Annotated[int, typer.Option(help="Number of points for the check against onnxruntime.", min=1)] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the points.", min=0)] = 0,
    expression: Annotated[
        bool, typer.Option("--expression", help="Print each output as nested maxima and minima of affine functions.")
    ] = False,
    nodes: Annotated[bool, typer.Option("--nodes", help="Print the nodes of the simplified circuit as well.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Describe a model, block by block: exactness, Hamilton-Jacobi reading, temperature, Lipschitz constants."""
    from tropix.boxes import Box
    from tropixc.cli._models import load_model
    from tropixc.passes import optimize

    loaded = load_model(model, graph_output)
    circuit = optimize(loaded.circuit)
    report = describe(loaded, circuit, norm)
    if box is not None:
        end = circuit.bounds(Box.parse(box, circuit.input_size))[circuit.output]
        report["bounds"] = [_finite(end.lower), _finite(end.upper)]
    report["agreement"] = _agreement(loaded, points, seed)
    if expression:
        from tropixc.lowerings import to_expression

        report["expressions"] = [str(to_expression(circuit, k)) for k in range(circuit.output_size)]
    if as_json:
        typer.echo(json.dumps(report))
    else:
        _print(report, nodes)
    if report["agreement"]["status"] == "violated":
        raise typer.Exit(1)


def describe(loaded: LoadedModel, circuit: Circuit, norm: float) -> dict[str, Any]:
    """The facts that ``tropix info`` prints, as JSON-ready data; null stands for an infinite bound."""
    from tropixc.report import describe_blocks

    graph = circuit.graph()
    return {
        "model": str(loaded.path),
        "sha256": loaded.sha256,
        "opset": loaded.opset,
        "input": {"name": loaded.input_name, "shape": list(loaded.input_shape), "size": circuit.input_size},
        "output": {"name": loaded.output_name, "size": circuit.output_size},
        "exactness": circuit.exactness.value,
        "curvature": circuit.curvature().value,
        "monotonicity": _directions(circuit),
        "temperatures": list(circuit.temperatures),
        "lipschitz": {"norm": "inf" if norm == float("inf") else norm, "bounds": _finite(circuit.lipschitz(norm))},
        "delta": _finite(circuit.deformation_bound()),
        "notes": list(loaded.notes),
        "blocks": [
            {
                "name": block.name,
                "kind": block.kind,
                "size": block.size,
                "exactness": block.exactness.value,
                "hamiltonian": block.hamiltonian or None,
                "viscosity": block.viscosity,
                "eps": block.temperature,
                "lipschitz": _finite([block.lipschitz])[0],
                "detail": block.detail,
            }
            for block in describe_blocks(loaded.circuit, loaded.operators, norm)
        ],
        "nodes": [
            {"position": i, **attributes, "sources": sorted(graph.predecessors(i))}
            for i, attributes in graph.nodes(data=True)
        ],
    }


def _directions(circuit: Circuit) -> dict[str, list[int]]:
    """The inputs in which every output provably rises, or falls; those in both lists have no influence."""
    import numpy as np

    found = circuit.monotonicity()
    return {
        "nondecreasing": np.flatnonzero(found.nondecreasing.all(axis=0)).tolist(),
        "nonincreasing": np.flatnonzero(found.nonincreasing.all(axis=0)).tolist(),
    }


def _agreement(loaded: LoadedModel, points: int, seed: int) -> dict[str, Any]:
    """The circuit against onnxruntime."""
    from tropixc.agreement import check_circuit, sample_points

    if loaded.runnable is None:
        return {"status": "unknown", "line": "agreement unknown: this circuit has no ONNX form that runs"}
    try:
        chosen = sample_points(loaded.circuit.input_size, None, None, points, seed, loaded.single)
        found: CircuitAgreement = check_circuit(loaded.runnable, chosen)
    except TropixError as error:
        return {"status": "unknown", "line": f"agreement unknown: {error}"}
    return {
        "status": found.status,
        "points": found.points,
        "left_out": found.left_out,
        "gap": found.gap,
        "rounding": _finite([found.rounding])[0],
        "line": found.line,
    }


def _finite(values: Any) -> list[float | None]:
    return [float(v) if abs(v) < float("inf") else None for v in values]


def _span(values: list[float | None]) -> str:
    known = [v for v in values if v is not None]
    if len(known) < len(values):
        return "unbounded"
    low, high = min(known), max(known)
    return f"{high:.6g}" if low == high else f"{low:.6g} to {high:.6g} over the outputs"


def _print(report: dict[str, Any], nodes: bool) -> None:
    from rich.table import Table

    out = console()
    facts = Table(show_header=False, box=None, pad_edge=False)
    temperatures = ", ".join(f"{t:.6g}" for t in report["temperatures"]) or "none (affine)"
    norm = report["lipschitz"]["norm"]
    rows = [
        ("model", report["model"]),
        ("input", f"{report['input']['name']}: {report['input']['size']} values, shape {report['input']['shape']}"),
        ("output", f"{report['output']['name']}: {report['output']['size']} values"),
        ("class", report["exactness"]),
        ("curvature", report["curvature"]),
        ("monotonicity", _monotone(report["monotonicity"], report["input"]["size"])),
        ("temperatures", temperatures),
        (
            f"Lipschitz (l{norm:g})" if norm != "inf" else "Lipschitz (linf)",
            f"<= {_span(report['lipschitz']['bounds'])}",
        ),
        ("delta(eps)", f"|f_eps - f_0| <= {_span(report['delta'])}, for every input"),
    ]
    for name, value in rows:
        facts.add_row(f"[bold]{name}[/bold]", value)
    out.print(facts)
    if "bounds" in report:
        for k, (low, high) in enumerate(zip(*report["bounds"], strict=True)):
            ends = ("-inf" if low is None else f"{low:.6g}", "inf" if high is None else f"{high:.6g}")
            out.print(f"f{k} in [{ends[0]}, {ends[1]}] on the box", markup=False)
    for note in report["notes"]:
        out.print(f"note: {note}", markup=False, soft_wrap=True)
    out.print()
    out.print(_blocks(report["blocks"], norm))
    if nodes:
        out.print()
        out.print(_nodes(report["nodes"]))
    for text in report.get("expressions", ()):
        short = text if len(text) <= SHOWN_EXPRESSION else f"{text[:SHOWN_EXPRESSION]} … (--json prints all of it)"
        out.print(f"\n{short}", markup=False, soft_wrap=True)
    out.print(f"\n{report['agreement']['line']}", markup=False, soft_wrap=True)


def _monotone(directions: dict[str, list[int]], size: int) -> str:
    parts = []
    for word in ("nondecreasing", "nonincreasing"):
        held = directions[word]
        if held:
            names = ", ".join(f"x{i}" for i in held[:8]) + (", …" if len(held) > 8 else "")
            parts.append(f"{word} in {names if len(held) < size else 'every input'}")
    return "; ".join(parts) or "none proved"


def _number(value: float | None, otherwise: str = "") -> str:
    return otherwise if value is None else f"{value:.6g}"


def _blocks(blocks: list[dict[str, Any]], norm: float | str) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    name = norm if norm == "inf" else f"{norm:g}"
    for heading in ("block", "kind", "size", "class", "H(p)", "viscosity", "eps", f"Lipschitz (l{name})", ""):
        table.add_column(heading, justify="right" if heading in ("size", "viscosity", "eps") else "left")
    for block in blocks:
        table.add_row(
            Text(block["name"]),
            block["kind"],
            str(block["size"]),
            block["exactness"],
            block["hamiltonian"] or "",
            _number(block["viscosity"]),
            _number(block["eps"]),
            f"<= {_number(block['lipschitz'])}" if block["lipschitz"] is not None else "unbounded",
            Text(block["detail"]),
        )
    return table


def _nodes(nodes: list[dict[str, Any]]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("node", "kind", "size", "eps", "curvature", "class", "reads"):
        table.add_column(heading, justify="right" if heading in ("size", "eps") else "left")
    for node in nodes:
        table.add_row(
            Text(node["name"]),
            node["kind"],
            str(node["size"]),
            _number(node["eps"]),
            node["curvature"],
            node["exactness"],
            Text(", ".join(nodes[i]["name"] for i in node["sources"])),
        )
    return table

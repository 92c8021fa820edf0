"""Circuit → Hopf–Cole and Hopf–Lax form: log-sum-exp layers as solutions of Hamilton–Jacobi equations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tropix.arrays import IntArray
from tropix.circuits import Circuit, layers, single_layer
from tropix.errors import InvalidInput, Unsupported
from tropix.pde import HopfCole, HopfLax
from tropix.polynomials import LogSumExp


@dataclass(frozen=True, eq=False)
class SolutionLowering:
    """One function f and the solution u = |x|²/(4t) − f + (dε/2) log(4πεt) that it is, read at time t.

    ``f`` is output ``unit`` of the circuit where ``layer`` is None; else unit ``unit`` of that log-sum-exp node, as a
    function of the coordinates ``columns`` of the values of the nodes ``inputs``, joined. Site j is the entry j of the
    unit: the way back to the network. At temperature 0 the solution is inviscid.
    """

    layer: str | None
    unit: int
    inputs: tuple[str, ...]
    columns: IntArray
    f: LogSumExp
    solution: HopfCole | HopfLax

    @property
    def name(self) -> str:
        """The function in words."""
        return f"output {self.unit}" if self.layer is None else f"layer {self.layer}, unit {self.unit}"

    def to_json(self) -> dict[str, Any]:
        """All of it as plain data; absent sites have no entry."""
        present = np.isfinite(self.solution.costs)
        viscous = isinstance(self.solution, HopfCole)
        data: dict[str, Any] = {
            "kind": "hopf-cole" if viscous else "hopf-lax",
            "layer": self.layer,
            "unit": self.unit,
            "inputs": list(self.inputs),
            "columns": self.columns.tolist(),
            "t": self.solution.t,
            "eps": self.solution.eps if isinstance(self.solution, HopfCole) else 0.0,
            "entries": np.flatnonzero(present).tolist(),
            "sites": self.solution.sites[present].tolist(),
            "costs": self.solution.costs[present].tolist(),
        }
        if isinstance(self.solution, HopfCole):
            data["normalisation"] = self.solution.normalisation
        return data


def lower_to_solutions(
    circuit: Circuit, outputs: Sequence[int] | None = None, *, t: float = 1.0
) -> list[SolutionLowering]:
    """The Hopf–Cole form of each output that is one log-sum-exp layer, exactly; of others, of each layer below them.

    Any t > 0 may be chosen: it is the time at which weights are read as sites y_j = 2t w_j and costs
    g_j = −b_j − t|w_j|². An output that is a single maximum becomes its inviscid (Hopf–Lax) solution. Raises
    `Unsupported` where an output is neither a layer nor has log-sum-exp layers of positive temperature below it.
    """
    chosen = range(circuit.output_size) if outputs is None else outputs
    found, deep = [], []
    for k in chosen:
        try:
            f = single_layer(circuit, k)
        except Unsupported as reason:
            deep.append(str(reason))
            continue
        columns = np.arange(circuit.input_size)
        found.append(SolutionLowering(None, k, (circuit.names[0],), columns, f, _solution(f, t)))
    if not deep:
        return found
    below = layers(circuit)
    if not below and not found:
        raise Unsupported(f"{deep[0]}; and the model has no log-sum-exp layer of positive temperature")
    for layer in below:
        names = tuple(circuit.names[position] for position in layer.inputs)
        for unit, f, columns in zip(layer.units.tolist(), layer.functions, layer.columns, strict=True):
            if len(columns):
                found.append(SolutionLowering(layer.name, unit, names, columns, f, _solution(f, t)))
    return found


def _solution(f: LogSumExp, t: float) -> HopfCole | HopfLax:
    if not np.isfinite(f.bias).any():
        raise InvalidInput("the function is -inf everywhere")
    return HopfCole.from_lse(f, t) if f.eps > 0 else HopfLax.from_tropical(f.limit(), t)

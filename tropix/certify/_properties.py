"""Claims other than a label, as circuits in which class 0, the function 0, stays the largest.

Properties are plain data, so that they can be written into certificates:

- ``{"kind": "linear", "rows": A, "bounds": b}``: A F(x') < b in every row;
- ``{"kind": "regression", "outputs": j, "values": y, "tolerance": t}``: |F_j(x') − y_j| < t for the outputs named;
- ``{"kind": "monotone", "output": j, "inputs": [[i, s], …]}``: s·∂F_j/∂x_i ≥ 0, s = 1 or −1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tropix.arrays import real_array
from tropix.circuits import Circuit, CircuitBuilder
from tropix.errors import InvalidInput, Unsupported


def linear(circuit: Circuit, rows: npt.ArrayLike, bounds: npt.ArrayLike) -> dict[str, Any]:
    """The property A F < b: rows A (k, m), bounds b (k,)."""
    table, right = real_array(rows, "rows", 2), real_array(bounds, "bounds", 1)
    if table.shape[1] != circuit.output_size or len(table) != len(right) or not len(right):
        raise InvalidInput(
            f"rows have shape {table.shape}, bounds {right.shape}: expected (k, {circuit.output_size}) and (k,), k > 0"
        )
    return {"kind": "linear", "rows": table.tolist(), "bounds": right.tolist()}


def regression(
    circuit: Circuit, values: npt.ArrayLike, tolerance: float, outputs: Sequence[int] | int | None
) -> dict[str, Any]:
    """The property |F_j − y_j| < t, with y (m,) the values of all outputs."""
    chosen = chosen_outputs(circuit, outputs)
    if isinstance(tolerance, bool | str | complex) or not 0 < tolerance < np.inf:
        raise InvalidInput(f"tolerance {tolerance!r}: expected a finite number > 0")
    taken = real_array(values, "values", 1)[chosen]
    return {"kind": "regression", "outputs": chosen, "values": taken.tolist(), "tolerance": float(tolerance)}


def monotone(circuit: Circuit, inputs: Mapping[int, int], output: int) -> dict[str, Any]:
    """The property s·∂F_j/∂x_i ≥ 0 for the inputs i with their signs s."""
    chosen_outputs(circuit, output)
    if not inputs:
        raise InvalidInput("monotone in which inputs? expected {input: 1 or -1, …}")
    for i, sign in inputs.items():
        if isinstance(i, bool) or not isinstance(i, int | np.integer) or not 0 <= i < circuit.input_size:
            raise InvalidInput(f"input {i!r}: the model has inputs 0 to {circuit.input_size - 1}")
        if sign not in (1, -1):
            raise InvalidInput(f"input {i}: sign {sign!r}, expected 1 (rising) or -1 (falling)")
    return {"kind": "monotone", "output": int(output), "inputs": [[int(i), int(s)] for i, s in sorted(inputs.items())]}


def chosen_outputs(circuit: Circuit, outputs: Sequence[int] | int | None) -> list[int]:
    """The outputs named, all for None."""
    if outputs is None:
        return list(range(circuit.output_size))
    chosen = [outputs] if isinstance(outputs, int | np.integer) else list(outputs)
    if not chosen:
        raise InvalidInput("no output is named")
    for output in chosen:
        known = isinstance(output, int | np.integer) and not isinstance(output, bool)
        if not known or not 0 <= output < circuit.output_size:
            raise InvalidInput(f"output {output!r}: the model has outputs 0 to {circuit.output_size - 1}")
    return [int(output) for output in chosen]


def derived(circuit: Circuit, wanted: Mapping[str, Any]) -> Circuit:
    """The outputs 0 and, for each inequality of a property, the function that must stay below 0."""
    if wanted["kind"] == "linear":
        read = as_written(wanted, linear(circuit, wanted["rows"], wanted["bounds"]))
        rows, right = np.array(read["rows"]), np.array(read["bounds"])
        return _with_zero(circuit, [(np.vstack([np.zeros(circuit.output_size), rows]), np.append(0.0, right))])
    if wanted["kind"] == "regression":
        values = np.zeros(circuit.output_size)
        values[chosen_outputs(circuit, wanted["outputs"])] = real_array(wanted["values"], "values", 1)
        read = as_written(wanted, regression(circuit, values, wanted["tolerance"], wanted["outputs"]))
        count = len(read["outputs"])
        # two steps, so that no sum of value and tolerance is rounded
        apart = np.eye(circuit.output_size)[read["outputs"]], np.array(read["values"])
        sides = np.vstack([np.zeros(count), np.eye(count), -np.eye(count)])
        return _with_zero(circuit, [apart, (sides, np.append(0.0, np.full(2 * count, read["tolerance"])))])
    raise Unsupported(f"property of kind {wanted['kind']!r}: expected linear or regression")


def as_written(wanted: Mapping[str, Any], read: dict[str, Any]) -> dict[str, Any]:
    """What was read of a property, if that is all of it: what is ignored would be claimed to those who read on."""
    if dict(wanted) != read:
        raise InvalidInput(f"the property says more or less than is read of it: {read}")
    return read


def _with_zero(circuit: Circuit, steps: list[tuple[npt.ArrayLike, npt.NDArray[np.float64]]]) -> Circuit:
    builder = CircuitBuilder(circuit.input_size)
    for node, name in zip(circuit.nodes[1:], circuit.names[1:], strict=True):
        builder.add(node, name)
    place = circuit.output
    for matrix, right in steps:
        place = builder.affine([(place, matrix)], -right, "property")
    return builder.build(place)

"""Circuit → conjugate program: the convex program whose value is f*(y), for outputs that are one layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tropix.circuits import Circuit, single_layer
from tropix.polynomials import LogSumExp

if TYPE_CHECKING:
    import cvxpy

STATEMENT = "minimise eps sum_j p_j log p_j - b.p subject to W^T p = y, p >= 0, sum p = 1"


@dataclass(frozen=True, eq=False)
class ConjugateLowering:
    """One output f and its conjugate program, min {ε Σ p log p − b·p : Wᵀp = y, p ≥ 0, Σp = 1}."""

    output: int
    f: LogSumExp

    def program(self) -> cvxpy.Problem:
        """The program; its variables, parameters and dual variables are those of `tropix.convex.conjugate_program`."""
        from tropix.convex import conjugate_program

        problem: cvxpy.Problem = conjugate_program(self.f)
        return problem

    def to_json(self) -> dict[str, Any]:
        """The data of the program; absent pieces are left out, ``entries`` numbers those that are there."""
        present = np.isfinite(self.f.bias)
        return {
            "kind": "conjugate",
            "output": self.output,
            "program": STATEMENT,
            "eps": self.f.eps,
            "entries": np.flatnonzero(present).tolist(),
            "W": self.f.weights[present].tolist(),
            "b": self.f.bias[present].tolist(),
        }


def lower_to_conjugates(circuit: Circuit, outputs: Sequence[int] | None = None) -> list[ConjugateLowering]:
    """The conjugate program of each output, which must be one log-sum-exp layer (or maximum) of affine functions.

    Raises `Unsupported` with the reason otherwise; a convex output of any depth has a conjugate too, by
    `tropix.convex.conjugate`.
    """
    chosen = range(circuit.output_size) if outputs is None else outputs
    return [ConjugateLowering(k, single_layer(circuit, k)) for k in chosen]

"""Queries of VNN-LIB 2.0 in the form in which its standard lets tools call a solver."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tropix.certify._vnnlib import read_text
from tropix.certify._vnnlib_second import parse_second, parsed
from tropix.certify._vnnlib_verify import PropertyResult, decide
from tropix.circuits import Circuit
from tropix.errors import FormatError, InvalidInput, Unsupported


@dataclass(frozen=True)
class Declared:
    """A variable of the query: its name, type and shape, in the words of the file."""

    name: str
    kind: str
    shape: tuple[int, ...]

    def text(self) -> str:
        """The line above its values."""
        return f"{self.name} {self.kind} [{','.join(map(str, self.shape))}]"


@dataclass(frozen=True, eq=False)
class QueryResult:
    """The verdict on a query, and its variables in the order of their declarations: inputs, then outputs."""

    result: PropertyResult
    variables: tuple[Declared, ...]

    @property
    def status(self) -> str:
        """Sat, unsat, unknown, or timed-out, as the standard calls it."""
        return "timed-out" if self.result.status == "timeout" else self.result.status

    def text(self) -> str:
        """The status; where it is sat, each variable with its type and shape, and its values in row-major order."""
        lines = [self.status]
        if self.result.witness is not None:
            values = iter([*self.result.witness.inputs, *self.result.witness.outputs])
            for variable in self.variables:
                lines.append(variable.text())
                lines += [repr(float(next(values))) for _ in range(math.prod(variable.shape))]
        return "\n".join(lines)


def verify_query(
    networks: Mapping[str, Circuit], path: str | Path, time_limit: float | None = None, *, seed: int = 0
) -> QueryResult:
    """Decide a VNN-LIB 2.0 query with the circuit of each network that it declares, by name.

    What was followed: the chapter on the command line of solvers of the VNN-LIB 2.0 standard (December 2025): statuses,
    the printed form of assignments, and the duty to refuse queries over types for which the analysis is not sound. Here
    that is every type but ``real``. One network without hidden values is supported, and linear terms. Raises
    `Unsupported` for what is not, and without the package `vnnlib`; `InvalidInput` for networks that are missing or not
    declared, and what `verify_property` raises.
    """
    text = read_text(path)
    if not re.search(r"\(\s*(vnnlib-version|declare-network)\b", text):
        raise FormatError(f"{path} is no query of VNN-LIB 2.0: for version 1.0 use `verify_property`")
    network = parsed(text).networks[0]
    if set(networks) != {network.name}:
        given = ", ".join(sorted(networks)) or "none"
        raise InvalidInput(f"the query declares the network {network.name}, and models are given for: {given}")
    variables = tuple(
        Declared(v.name, v.dtype.name.lower(), tuple(v.shape)) for v in (*network.inputs, *network.outputs)
    )
    for variable in variables:
        if variable.kind != "real":
            raise Unsupported(
                f"{variable.name} has the type {_LONG.get(variable.kind, variable.kind)}: verdicts are for real "
                "arithmetic: declare the variables as real to ask for that"
            )
    return QueryResult(decide(networks[network.name], parse_second(text), time_limit, seed=seed), variables)


_LONG = {"f16": "float16", "f32": "float32", "f64": "float64", "bf16": "bfloat16"}

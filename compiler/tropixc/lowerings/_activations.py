"""The way back from monomials to neurons: which entry of each maximum wins at a point, exactly."""

from __future__ import annotations

from itertools import pairwise
from typing import TypeAlias

import numpy as np

from tropix.arrays import IntArray
from tropix.circuits import Circuit, LogSumExp
from tropix.exact import Rationals

Pattern: TypeAlias = dict[str, IntArray]
"""For each max node, by name, the entry that wins each of its segments."""


def activation_patterns(circuit: Circuit, points: Rationals) -> list[Pattern]:
    """The activation pattern of the circuit's limit at each point (n, d), ties to the first entry, in rationals."""
    patterns: list[Pattern] = [{} for _ in range(len(points))]
    limit = circuit.limit()
    values = limit.exact_values(points)
    for node, name in zip(limit.nodes, limit.names, strict=True):
        if isinstance(node, LogSumExp):
            for pattern, row in zip(patterns, values[node.source].numerators, strict=True):
                entries = [int(np.argmax(row[a:b])) for a, b in pairwise(node.segments)]
                pattern[name] = np.array(entries, dtype=np.int64)
    return patterns

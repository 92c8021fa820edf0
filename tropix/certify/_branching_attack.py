"""Looking for witnesses of a query: samples, then projected gradient steps on the worst row."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tropix.arrays import FloatArray
from tropix.certify._branching import Query
from tropix.circuits import Circuit
from tropix.deadline import Deadline

SAMPLES = 1000
STARTS = 40
STEPS = 60


def candidates(circuit: Circuit, query: Query, deadline: Deadline, seed: int) -> Iterator[FloatArray]:
    """Points of the box that satisfy the query in float64, or nearly, most promising first; may be none.

    Samples are the middle, the corners towards which each row falls there, and uniform ones; the best of them descend
    on the worst row by steps in the sign of its gradient, scaled to the box.
    """
    rng = np.random.default_rng(seed)
    middle, width = 0.5 * (query.lower + query.upper), query.upper - query.lower
    points = query.lower + width * rng.uniform(size=(SAMPLES, len(middle)))
    slopes = query.outputs @ circuit.gradient(middle) + query.inputs
    corners = np.where(slopes > 0, query.lower, query.upper)
    points = np.clip(np.vstack([middle, corners, points]), query.lower, query.upper)
    excess = query.excess(circuit, points)
    order = np.argsort(excess, kind="stable")[:STARTS]
    best, height = points[order], excess[order]
    current = best.copy()
    for step in range(STEPS):
        if deadline.passed or height.min() < 0:
            break
        values = current @ query.inputs.T + circuit(current) @ query.outputs.T - query.bounds
        worst = values.argmax(axis=1)
        pulls = np.einsum("nm,nmd->nd", query.outputs[worst], circuit.gradient(current)) + query.inputs[worst]
        current = np.clip(current - 0.3 * 0.93**step * width * np.sign(pulls), query.lower, query.upper)
        found = query.excess(circuit, current)
        better = found < height
        best[better], height[better] = current[better], found[better]
    for i in np.argsort(height, kind="stable"):
        if height[i] > 1e-9 * (1.0 + np.abs(query.bounds).max(initial=0.0)):
            return
        yield best[i]

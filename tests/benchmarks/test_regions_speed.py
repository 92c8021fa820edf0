"""Speed of the enumeration of linear regions.

The peer is relucent 1.0 in an environment of its own, for it needs packages that this one does not:

    python -m venv peer && peer/bin/pip install relucent torch
    RELUCENT_PYTHON=peer/bin/python python -m pytest tests/benchmarks/test_regions_speed.py -s
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tropix import Circuit, TropicalPolynomial, regions
from tropix.circuits import CircuitBuilder

PEER = os.environ.get("RELUCENT_PYTHON")


def network(widths: list[int], seed: int = 0) -> tuple[Circuit, dict[str, Any]]:
    rng = np.random.default_rng(seed)
    builder, value, arrays = CircuitBuilder(widths[0]), 0, {}
    for i in range(len(widths) - 1):
        weight, bias = rng.normal(size=(widths[i + 1], widths[i])), rng.normal(size=widths[i + 1])
        arrays[f"W{i}"], arrays[f"b{i}"] = weight, bias
        value = builder.affine([(value, weight)], bias)
        if i < len(widths) - 2:
            value = builder.relu(value)
    return builder.build(value), arrays


@pytest.mark.parametrize("widths", [[2, 32, 32, 1], [3, 10, 10, 1]])
def test_all_of_space_against_relucent(benchmark: Any, widths: list[int], tmp_path: Path) -> None:
    circuit, arrays = network(widths)
    regions.enumerate(circuit, max_cells=10)
    found = benchmark.pedantic(regions.enumerate, (circuit,), rounds=5)
    assert found.complete
    assert found.exact
    seconds = benchmark.stats.stats.median
    line = f"{widths}: {len(found)} cells in {seconds:.3f} s, {len(found) / seconds:.0f} a second"
    if PEER is None:
        print(f"\n{line} (RELUCENT_PYTHON is not set: no ratio)")
        return
    np.savez(tmp_path / "weights.npz", **arrays)
    script = Path(__file__).with_name("relucent_peer.py")
    text = subprocess.run(
        [PEER, str(script), str(tmp_path / "weights.npz")], check=True, capture_output=True, text=True
    ).stdout
    peer = json.loads(text.strip().splitlines()[-1])
    print(f"\n{line}; relucent: {peer['cells']} in {peer['seconds']:.1f} s; ratio {peer['seconds'] / seconds:.0f}")


def test_six_dimensions(benchmark: Any) -> None:
    circuit, _ = network([6, 10, 10, 1])
    regions.enumerate(circuit, (-1, 1), max_cells=10)
    found = benchmark.pedantic(regions.enumerate, (circuit, (-1, 1)), rounds=5)
    assert found.complete
    seconds = benchmark.stats.stats.median
    print(f"\n[6, 10, 10, 1] on [-1, 1]^6: {len(found)} cells, {len(found) / seconds:.0f} a second")


@pytest.mark.parametrize(("count", "d"), [(10_000, 3), (1_000, 20)])
def test_one_polynomial(benchmark: Any, count: int, d: int) -> None:
    rng = np.random.default_rng(0)
    f = TropicalPolynomial(rng.normal(size=(count, d)), rng.normal(size=count))
    found = benchmark.pedantic(regions.enumerate, (f,), {"adjacency": d < 10}, rounds=3)
    facets = f", {len(found.adjacency[0])} facets" if d < 10 else ""
    print(f"\n{count} monomials in {d} variables: {len(found)} cells{facets}, {benchmark.stats.stats.median:.2f} s")

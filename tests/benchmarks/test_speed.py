"""Speed and memory, as ratios to a peer in the same run. Command: python -m pytest tests/benchmarks -s

Nothing here asserts a time; the tables are for reading. Needs the extra ``bench``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from scipy.special import logsumexp
from timing import best_time

import tropixc
from tropix import TropicalPolynomial, kernels

ROOT = Path(__file__).resolve().parent.parent.parent
POINTS, DIMENSION = 100_000, 16


def problem(pieces: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(POINTS, DIMENSION)), rng.normal(size=(pieces, DIMENSION)), rng.normal(size=pieces)


@pytest.mark.parametrize("pieces", [64, 1000])
@pytest.mark.parametrize("what", ["value", "value and gradient", "max and argmax"])
def test_batched_evaluation(benchmark: Any, pieces: int, what: str) -> None:
    points, weights, bias = problem(pieces)

    def ours() -> object:
        if what == "max and argmax":
            return kernels.max_affine(points, weights, bias)
        return kernels.log_sum_exp(points, weights, bias, 1.0, gradient=what != "value")

    def peer() -> object:
        if what == "max and argmax":
            return kernels.max_affine_numpy(points, weights, bias)
        return logsumexp(points @ weights.T + bias, axis=1)

    reference = best_time(peer, 2)
    benchmark.pedantic(ours, rounds=5, warmup_rounds=1)
    ratio = reference / benchmark.stats.stats.min
    name = "NumPy" if what == "max and argmax" else "scipy logsumexp (value)"
    benchmark.extra_info["ratio"] = ratio
    print(f"\n{what}, n={POINTS}, d={DIMENSION}, N={pieces}: {ratio:.1f} times as fast as {name}")


def test_a_convolutional_network_against_onnxruntime(benchmark: Any) -> None:
    path = ROOT / "examples/models/digits_conv.onnx"
    circuit = tropixc.load(path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    images = np.random.default_rng(1).random((1000, 64)).astype(np.float32)
    expected = session.run(None, {"pixels": images})[0]
    points = images.astype(np.float64)
    np.testing.assert_allclose(circuit(points), expected, rtol=1e-4, atol=1e-4)
    reference = best_time(lambda: session.run(None, {"pixels": images}), 30)
    benchmark.pedantic(lambda: circuit(points), rounds=30, warmup_rounds=2)
    ratio = benchmark.stats.stats.min / reference
    benchmark.extra_info["ratio"] = ratio
    print(f"\nconvolutional network, n=1000: {ratio:.1f} times the time of onnxruntime in float32")


MEMORY = """
import re, sys
import numpy as np
from scipy.special import logsumexp
from tropix import kernels
rng = np.random.default_rng(0)
pieces = int(sys.argv[1])
points, weights, bias = rng.normal(size=(100_000, 16)), rng.normal(size=(pieces, 16)), rng.normal(size=pieces)
run = {"value": lambda p: kernels.log_sum_exp(p, weights, bias, 1.0),
       "gradient": lambda p: kernels.log_sum_exp(p, weights, bias, 1.0, gradient=True),
       "max": lambda p: kernels.max_affine(p, weights, bias),
       "scipy": lambda p: logsumexp(p @ weights.T + bias, axis=1)}[sys.argv[2]]
def status(key):
    return int(re.search(key + r":\\s+([0-9]+) kB", open("/proc/self/status").read())[1]) / 1024
run(points[:1000])
open("/proc/self/clear_refs", "w").write("5")  # Linux: the peak starts again from here
before = status("VmRSS")
run(points)
print(status("VmHWM") - before)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="the peak can be measured on Linux only")
@pytest.mark.parametrize("pieces", [64, 1000])
@pytest.mark.parametrize("what", ["value", "gradient", "max", "scipy"])
def test_peak_memory(benchmark: Any, pieces: int, what: str) -> None:
    def run() -> float:
        command = [sys.executable, "-c", MEMORY, str(pieces), what]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    extra = benchmark.pedantic(run, rounds=1)
    benchmark.extra_info["megabytes"] = extra
    print(f"\n{what}, N={pieces}: peak {extra:.1f} MB above what was held before the call")


@pytest.mark.parametrize("seed", [0, 1])
def test_pruning_a_thousand_monomials_in_eight_dimensions(benchmark: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    polynomial = TropicalPolynomial(rng.normal(size=(1000, 8)), rng.normal(size=1000))
    if hasattr(os, "sched_setaffinity"):
        cores = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(cores)})
    try:
        pruned = benchmark.pedantic(polynomial.prune, rounds=2)
    finally:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, cores)
    print(f"\n{len(pruned)} of 1000 monomials kept")


@pytest.mark.parametrize(
    "command",
    [
        [sys.executable, "-c", "import tropix"],
        [sys.executable, "-m", "tropixc.cli", "info", str(ROOT / "examples/models/digits_lse.onnx")],
        [sys.executable, "-m", "tropixc.cli", "compile", str(ROOT / "examples/models/digits_lse.onnx")],
    ],
    ids=["import tropix", "tropix info", "tropix compile"],
)
def test_start_up(benchmark: Any, command: list[str]) -> None:
    benchmark.pedantic(lambda: subprocess.run(command, capture_output=True, check=True), rounds=3, warmup_rounds=1)

"""Traversals of the shipped digits classifiers, beside evaluation of as many points by numpy, and distances of data.

Command: python -m pytest tests/benchmarks/test_traversal_speed.py -s

Nothing here asserts a time; the lines are for reading. Needs the extra ``bench``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from timing import best_time

import tropixc
from tropix.regions import boundary_distances, count_pieces, traverse, visited_between
from tropix.regions._tape import Tape

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "examples"), str(ROOT / "tests")]

from datasets import digits  # noqa: E402
from piecewise_linear import relu_network, sawtooth  # noqa: E402


def images() -> np.ndarray:
    return digits()[1].astype(np.float64)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("name", ["digits_conv", "digits_lse"])
def test_segments_between_images(benchmark: Any, name: str, exact: bool) -> None:
    circuit = tropixc.load(ROOT / "examples" / "models" / f"{name}.onnx").limit()
    tape, points = Tape.of(circuit), images()[:101]
    pieces = int(benchmark.pedantic(lambda: count_pieces(tape, points[:-1], points[1:], exact=exact, threads=1),
                                    rounds=3, warmup_rounds=1).sum())  # fmt: skip
    seconds = benchmark.stats.stats.min
    middles = np.random.default_rng(0).random((pieces, 64))
    evaluation = best_time(lambda: circuit(middles))
    print(
        f"\n{name}, 100 segments between images, {'exact' if exact else 'in floats'}, one thread: {pieces} pieces, "
        f"{pieces / seconds:.0f} a second; as long as {seconds / evaluation:.1f} evaluations at as many points"
    )


@pytest.mark.parametrize("widths", [(2, 32, 32, 1), (64, 256, 256, 256, 10), (784, 512, 512, 10)])
def test_dense_networks(benchmark: Any, widths: tuple[int, ...]) -> None:
    circuit = relu_network(0, *widths)
    tape = Tape.of(circuit)
    start, end = 10 * np.random.default_rng(1).normal(size=(2, widths[0]))
    pieces = len(benchmark.pedantic(lambda: traverse(tape, start, end), rounds=3, warmup_rounds=1))
    rows = start + np.linspace(0, 1, 10 * pieces)[:, None] * (end - start)
    sampled = best_time(lambda: circuit(rows))
    print(
        f"\nReLU network {widths}: {pieces} pieces, {pieces / benchmark.stats.stats.min:.0f} a second; "
        f"{benchmark.stats.stats.min / sampled:.2f} times as long as ten samples a piece"
    )


@pytest.mark.parametrize("times", [10, 14])
def test_sawtooth(benchmark: Any, times: int) -> None:
    tape = Tape.of(sawtooth(times))
    found = benchmark.pedantic(lambda: traverse(tape, [0.0], [1.0]), rounds=2, warmup_rounds=1)
    assert len(found) == 2**times
    speed = 2**times / benchmark.stats.stats.min
    print(f"\nsawtooth with 2^{times} pieces, half of them with a tie: {speed:.0f} a second")


@pytest.mark.parametrize("name", ["digits_conv", "digits_lse", "breast_cancer_relu"])
def test_distances(benchmark: Any, name: str) -> None:
    circuit = tropixc.load(ROOT / "examples" / "models" / f"{name}.onnx").limit()
    points = images() if circuit.input_size == 64 else np.random.default_rng(0).normal(size=(450, circuit.input_size))
    found = benchmark.pedantic(lambda: boundary_distances(circuit, points), rounds=3, warmup_rounds=1)
    gradients = best_time(lambda: circuit.gradient(points))
    print(
        f"\n{name}: proved distances of {len(points)} points in {found.visits.n_cells} cells, "
        f"{len(points) / benchmark.stats.stats.min:.0f} points a second, {benchmark.stats.stats.min / gradients:.1f} "
        f"times as long as the gradients of the outputs alone"
    )


def test_cells_between_images(benchmark: Any) -> None:
    circuit = tropixc.load(ROOT / "examples" / "models" / "digits_conv.onnx").limit()
    found = benchmark.pedantic(lambda: visited_between(circuit, images()[:101]), rounds=2, warmup_rounds=1)
    print(f"\ndigits_conv: {found.n_cells} cells in {found.pieces.sum()} pieces, "
          f"{found.pieces.sum() / benchmark.stats.stats.min:.0f} a second on all cores")  # fmt: skip

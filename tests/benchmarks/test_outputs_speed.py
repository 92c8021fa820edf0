"""Several outputs of a trained network as rational functions: one expansion against one for each.

Command: python -m pytest tests/benchmarks/test_outputs_speed.py -s. Nothing here asserts a time.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import tropixc
from tropixc.lowerings import lower_all_to_rational, lower_to_rational

sys.path.append(str(Path(__file__).resolve().parent.parent.parent / "examples"))
import datasets


def test_ten_logits_of_a_convolutional_network(benchmark: Any) -> None:
    """Around one image, every pixel within 0.001 of it."""
    image = datasets.digits()[1][0].astype(np.float64)
    box = (image - 0.001, image + 0.001)
    circuit = tropixc.optimize(tropixc.load(Path(datasets.__file__).parent / "models/digits_conv.onnx"), box)
    benchmark.pedantic(lower_all_to_rational, (circuit, range(10), box), rounds=3, warmup_rounds=1)
    start = time.perf_counter()
    for output in range(10):
        lower_to_rational(circuit, output, box)
    ratio = (time.perf_counter() - start) / benchmark.stats.stats.min
    print(f"\nten logits: an expansion for each takes {ratio:.1f} times as long as one for all")

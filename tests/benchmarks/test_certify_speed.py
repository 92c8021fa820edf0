"""Certified accuracy beside accuracy under projected gradient, and time a point, on a digits classifier.

Command: python -m pytest tests/benchmarks/test_certify_speed.py -m "" -s -p no:cacheprovider
The classifier is that of examples/train_digits.py at the temperatures 0.05 and 0.5: four affine pieces a class; 200
test points. It is trained as there, and with a penalty on squared weights, which makes it more robust. The attack has
10 restarts of 60 steps. The peer of a certificate is this attack, in time a point.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from timing import best_time

from tropix import LogSumExp
from tropix.certify import certify_all, check
from tropix.certify._attack import descend
from tropix.certify._heads import Heads
from tropix.certify._models import Subject
from tropix.certify._norms import Norm

pytest.importorskip("pytest_benchmark")
torch = pytest.importorskip("torch")
sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
POINTS = 200


@cache
def trained(eps: float, penalty: float = 0.0) -> tuple[list[LogSumExp], np.ndarray, np.ndarray]:
    """The classes, and 200 test points with their labels."""
    from datasets import digits

    torch.manual_seed(0)
    train_x, test_x, train_y, test_y = (torch.as_tensor(part) for part in digits())
    pieces = torch.nn.Linear(64, 40)
    optimizer = torch.optim.AdamW(pieces.parameters(), lr=0.02, weight_decay=0.05)
    if penalty:
        optimizer = torch.optim.Adam(pieces.parameters(), lr=0.01, weight_decay=penalty)
    for _ in range(1000 if penalty else 600):
        optimizer.zero_grad()
        logits = torch.logsumexp(pieces(train_x).view(-1, 10, 4) / eps, dim=2) * eps
        torch.nn.functional.cross_entropy((1 if penalty else 2) * logits, train_y).backward()
        optimizer.step()
    weights = pieces.weight.detach().numpy().astype(np.float64).reshape(10, 4, 64)
    bias = pieces.bias.detach().numpy().astype(np.float64).reshape(10, 4)
    model = [LogSumExp(w, b, eps) for w, b in zip(weights, bias, strict=True)]
    return model, test_x[:POINTS].numpy().astype(np.float64), test_y[:POINTS].numpy()


def attacked(model: list[LogSumExp], x: np.ndarray, y: np.ndarray, p: float, radius: float) -> np.ndarray:
    """The margins that descent leaves."""
    heads = Heads.of(Subject(model).classes, Norm(p))
    return descend(heads, x, y.astype(np.int64), np.full(len(x), radius), restarts=10, steps=60)[1]


@pytest.mark.parametrize(("p", "radii"), [(np.inf, (0.04,)), (2.0, (0.3, 0.5))])
@pytest.mark.parametrize(("eps", "penalty"), [(0.05, 0.0), (0.5, 0.0), (0.05, 1e-3), (0.5, 1e-3)])
@pytest.mark.parametrize("method", ["lipschitz", "combined", "auto"])
def test_digits(benchmark: Any, method: Any, eps: float, penalty: float, p: float, radii: tuple[float, ...]) -> None:
    model, x, y = trained(eps, penalty)
    found = certify_all(model, x, y, norm=p, method=method)
    benchmark.pedantic(certify_all, (model, x, y), {"norm": p, "method": method}, rounds=3)
    ours = benchmark.stats.stats.min / POINTS
    theirs = best_time(lambda: attacked(model, x, y, p, radii[0]), 1) / POINTS
    assert all(check(c, model) for c in found[:20])
    lines = {}
    for radius in radii:
        certified = float(np.mean([c.radius >= radius for c in found]))
        upper = float((attacked(model, x, y, p, radius) > 0).mean())
        assert certified <= upper
        if method == "auto":
            assert certified >= upper - 0.005
        lines[f"accuracy at {radius}"] = (certified, upper)
    gaps = [c.gap / c.upper for c in found if 0 < c.upper < np.inf]
    checking = best_time(lambda: [check(c, model) for c in found[:20]], 1) / 20
    median = float(np.median([c.seconds for c in found]))
    benchmark.extra_info.update(
        ours=ours, median=median, attack=theirs, check=checking, gap=max(gaps, default=None), **lines
    )
    print(f"{method}, eps {eps}, penalty {penalty}, norm {p}: {ours * 1e3:.2f} ms a point, ", end="")
    print(f"median {median * 1e3:.2f}, attack {theirs * 1e3:.2f}, ", end="")
    print(f"check {checking * 1e3:.1f}; certified, attacked {lines}")


@pytest.mark.parametrize("p", [1.0, 2.0, np.inf])
def test_the_exact_distance_of_the_limit(benchmark: Any, p: float) -> None:
    model, x, y = trained(0.05)
    limit = [LogSumExp(f.weights, f.bias, 0.0) for f in model]
    found = certify_all(limit, x, y, norm=p)
    gaps = [c.gap / c.upper for c in found if 0 < c.upper < np.inf]
    assert max(gaps) < 1e-6
    benchmark.pedantic(certify_all, (limit, x, y), {"norm": p}, rounds=3)
    seconds = float(np.median([c.seconds for c in found]))
    checking = best_time(lambda: [check(c, limit) for c in found[:20]], 1) / 20
    benchmark.extra_info.update(median=seconds, check=checking, gap=max(gaps))
    print(f"limit, norm {p}: median {seconds * 1e3:.2f} ms, check {checking * 1e3:.2f} ms, gap {max(gaps):.1e}")

"""Balls in boxes: best multipliers and the reach of slopes, against convex programs."""

from __future__ import annotations

from dataclasses import replace

import cvxpy as cp
import flint
import numpy as np
import pytest

from tropix import LogSumExp
from tropix.certify import Norm, certify
from tropix.certify._check_heads import PiecesClaim
from tropix.certify._models import Subject
from tropix.kernels import best_multipliers, support

CODES = {1: 1.0, 2: 2.0, 0: np.inf}


def ball_in_box(delta: cp.Variable, p: float, radius: float, low: np.ndarray, high: np.ndarray, scale=1.0) -> list:
    rules = [cp.norm(cp.multiply(1 / scale, delta), p) <= radius]
    rules += [delta[i] >= low[i] for i in range(len(low)) if np.isfinite(low[i])]
    return rules + [delta[i] <= high[i] for i in range(len(high)) if np.isfinite(high[i])]


@pytest.mark.parametrize("p", list(CODES))
def test_multipliers_attain_the_maximum(p: int) -> None:
    """max {u·δ − ⊕_ε (z + W δ)} over the ball in the box is the value of the multipliers: the duality is strong."""
    rng = np.random.default_rng(p)
    for _ in range(15):
        count, d = int(rng.integers(1, 5)), int(rng.integers(1, 7))
        eps = float(rng.choice([0.0, 0.05, 1.0]))
        weights, logits, target = rng.normal(size=(count, d)), rng.normal(size=count), rng.normal(size=d)
        radius = float(rng.uniform(0.05, 3))
        low, high = -rng.choice([0.0, 0.1, 1.0, np.inf], size=d), rng.choice([0.0, 0.1, 1.0, np.inf], size=d)
        found, shift = np.empty(count), np.empty(d)
        best_multipliers(weights, logits, eps, target, p, radius, low, high, 1e-8, found, shift)
        entropy = -np.sum(found * np.log(np.maximum(found, 1e-300)))
        bound = -found @ logits - eps * entropy + support(target - found @ weights, p, radius, low, high)
        delta = cp.Variable(d)
        own = logits + weights @ delta
        value = cp.max(own) if eps == 0 else eps * cp.log_sum_exp(own / eps)
        problem = cp.Problem(cp.Maximize(target @ delta - value), ball_in_box(delta, CODES[p], radius, low, high))
        problem.solve(solver="CLARABEL")
        assert found.min() >= 0
        assert found.sum() == pytest.approx(1, abs=1e-12)
        assert bound == pytest.approx(float(problem.value), abs=2e-6)


@pytest.mark.parametrize("p", [1.0, 2.0, np.inf])
def test_the_reach_in_the_check_is_the_maximum(p: float) -> None:
    rng = np.random.default_rng(int(min(p, 9)))
    for _ in range(15):
        d = int(rng.integers(1, 6))
        scale = tuple(rng.uniform(0.2, 2, size=d).tolist()) if rng.random() < 0.5 else None
        model = [LogSumExp(rng.normal(size=(2, d)), rng.normal(size=2), 0.5) for _ in range(2)]
        x = rng.normal(size=d)
        low, high = -rng.choice([0.0, 0.2, 2.0, np.inf], size=d), rng.choice([0.0, 0.1, 1.0, np.inf], size=d)
        found = certify(model, x, norm=Norm(p, scale), box=(x + low, x + high), method="tangent")
        radius = float(rng.uniform(0.05, 3))
        claim = PiecesClaim(replace(found, radius=radius, upper=np.inf, digest=""), Subject(model).classes)
        slope = rng.integers(-1000, 1000, size=d)
        part, square = claim.reach.bound(slope.tolist(), 256)
        reach = float(flint.arb(part) + flint.arb(square).sqrt())
        delta = cp.Variable(d)
        rules = ball_in_box(delta, p, radius, low, high, np.ones(d) if scale is None else np.array(scale))
        problem = cp.Problem(cp.Maximize(slope / 256 @ delta), rules)
        problem.solve(solver="CLARABEL")
        assert reach == pytest.approx(float(problem.value), abs=1e-5, rel=1e-6)

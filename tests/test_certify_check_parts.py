"""The parts of the checker where doubt must never count as proof: balls, fields, linear functions, hostile evidence."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import flint
import numpy as np
import pytest

from tropix import LogSumExp
from tropix.certify import certify, check
from tropix.certify._check_balls import gibbs, largest, least, log_sum_exp, share
from tropix.certify._check_cells import _Ball
from tropix.certify._check_fields import Fault, by_index, fraction, index, multiplier
from tropix.certify._check_heads import MAX_DEPTH, MAX_NUMBERS, _corners
from tropix.certify._check_leaf import Leaf
from tropix.certify._check_nodes import dominated
from tropix.certify._check_part import Part
from tropix.certify._check_reach import Reach
from tropix.certify._models import Subject
from tropix.circuits import Circuit, CircuitBuilder
from tropix.exact import Rationals

NAN, ONE = flint.arb.nan(), flint.arb(1)


def test_doubt_stays_doubt() -> None:
    wide = flint.arb(0, 2)
    tops = [least([ONE, NAN]), largest([NAN, ONE]), log_sum_exp([ONE, NAN], ONE), log_sum_exp([NAN, ONE], 0 * ONE)]
    assert not any(found > -(10**9) or found < 10**9 for found in tops)
    cold = 0 * ONE
    shares = [share([NAN]), gibbs([ONE, NAN], 0, ONE), gibbs([ONE, NAN], 0, cold), gibbs([wide, ONE], 0, cold)]
    assert all(found.contains(0) and found.contains(1) for found in shares)
    assert log_sum_exp([flint.arb(1e308), flint.arb(-1e308)], flint.arb(5e-324)).contains(flint.arb(1e308))


@pytest.mark.parametrize("value", [True, 1.0, "1", -1, None, 10**30])
def test_only_integers_are_places(value: Any) -> None:
    with pytest.raises(Fault):
        index(value, 5)


def test_numbers_are_read_as_they_are() -> None:
    for value in (True, "1", None):
        with pytest.raises(Fault):
            fraction(value)
    for value in (True, -1, float("inf"), float("nan"), "1"):
        with pytest.raises(Fault):
            multiplier(value)
    with pytest.raises(Fault, match="twice"):
        by_index([(1, "a"), (1, "b")], "against class")


@pytest.mark.parametrize("p", [1.0, 2.0, np.inf])
def test_no_shift_goes_beyond_the_reach(p: float) -> None:
    """Exactly, for shifts of the ball in the box with numbers of all sizes, coordinates at their caps among them."""
    rng = np.random.default_rng(int(min(p, 9)))
    for case in range(60):
        d = int(rng.integers(1, 6))
        size = [1.0, 1e-300, 1e150, 1e-20][case % 4]
        radius = Fraction(float(rng.uniform(0.1, 2) * size))
        scales = [Fraction(float(s)) for s in rng.uniform(0.1, 3, size=d)] if case % 3 else [Fraction(1)] * d
        far = rng.choice([0.0, 1e-9, 0.3, 1.0, 5.0], size=(2, d)) * float(radius)
        room = [(None if rng.random() < 0.2 else Fraction(-a), Fraction(b)) for a, b in far.T.tolist()]
        slope = [int(v) for v in rng.integers(-(10**6), 10**6, size=d) * rng.choice([0, 1, 10**12], size=d)]
        reach = Reach(radius, p, scales, None if case % 5 == 0 else room)
        part, square = (Fraction(int(v.p), int(v.q)) for v in reach.bound(slope, 7))
        for _ in range(20):
            # along the slope, cut at the box and, with the other coordinates, shrunk into the ball
            top = max(1, *map(abs, slope))
            raw = [
                Fraction(float(t)) * (1 if v > 0 else -1) for t, v in zip(rng.exponential(size=d), slope, strict=True)
            ]
            if p == 2:
                raw = [
                    Fraction(v, top) * s * Fraction(float(rng.uniform(0.5, 3)))
                    for v, s in zip(slope, scales, strict=True)
                ]
            shift = [u * radius * s for u, s in zip(raw, scales, strict=True)]
            if reach.room is not None:
                shift = [t if a is None else max(t, a) for t, (a, _) in zip(shift, reach.room, strict=True)]
                shift = [t if b is None else min(t, b) for t, (_, b) in zip(shift, reach.room, strict=True)]
            units = [abs(t) / s / radius for t, s in zip(shift, scales, strict=True)]
            length = sum(u * u for u in units) if p == 2 else (sum(units) if p == 1 else max(units)) ** 2
            if length > 1:
                shift = [t * 2**60 / (math.isqrt(int(length * 2**120)) + 1) for t in shift]
            value = sum((Fraction(v, 7) * t for v, t in zip(slope, shift, strict=True)), Fraction(0))
            assert value <= part or (value - part) ** 2 <= square
            assert not reach.below(flint.fmpq(-value.numerator, value.denominator), slope, 7)


def test_floats_show_nothing_where_products_vanish() -> None:
    """r·s·|a| = 1e-25 although s·|a| is 0 in floats."""
    ball = _Ball(Rationals.of(np.zeros(1)), Reach(Fraction(1e300), np.inf, [Fraction(1e-310)], None))
    row = np.array([[1e-15, -1e-26]])
    assert not ball.reach.below(flint.fmpq(-1, 10**26), [1], 10**15)
    assert not ball.surely_below_zero(row, np.zeros_like(row))[0]


def test_floats_that_overflow_show_nothing() -> None:
    ball = _Ball(Rationals.of(np.zeros(1)), Reach(Fraction(1), 2.0, [Fraction(1)], None))
    assert ball.surely_below_zero(np.array([[0.0, -1.0]]), np.zeros((1, 2)))[0]
    assert not ball.surely_below_zero(np.array([[0.0, -np.inf]]), np.zeros((1, 2)))[0]


def hinge() -> Circuit:
    builder = CircuitBuilder(2)
    top = builder.log_sum_exp(0, 0.0, np.array([0, 2]))
    return builder.build(builder.affine([(top, [[1.0], [-1.0]])], np.zeros(2)))


def test_entries_tied_in_a_circle_are_equal_not_absent() -> None:
    """v_0 ≥ v_1 and v_1 ≥ v_0 hold on a line: a part without a bound would prove anything there."""
    zero = Fraction(0)
    assert len(dominated([(0, 1, zero), (1, 0, zero)])) == 1
    assert dominated([(1, 2, zero), (0, 1, zero)]) == {1, 2}
    assert len(dominated([(0, 1, zero), (1, 2, zero), (2, 0, zero)])) == 2
    assert dominated([(0, 1, Fraction(-1))]) == set()
    part = Part.around(Fraction(1), np.inf, [Fraction(1)] * 2, None).tied(1, 0, 1, zero)[0].tied(1, 1, 0, zero)[0]
    leaf = Leaf(hinge(), part, Rationals.of(np.zeros(2)), {})
    assert not leaf.empty
    low, high = leaf.ends[1]
    assert low[0] <= -1
    assert high[0] >= 1


def test_midpoints_do_not_exhaust_the_memory() -> None:
    """A chain doubles the denominators; many cost memory by the pieces of a class."""
    assert _corners(2, [[0, 1]])[2] == [Fraction(1, 2)] * 2
    with pytest.raises(Fault, match="deep"):
        _corners(2, [[0, 1]] + [[0, 2 + i] for i in range(MAX_DEPTH)])
    with pytest.raises(Fault, match="many"):
        _corners(1000, [[0, 1]] * (MAX_NUMBERS // 1000 + 1))
    for pair in ([0, 2], [0, True], [0, -1]):
        with pytest.raises(Fault):
            _corners(2, [pair])


def test_evidence_for_planes_is_read_to_the_letter() -> None:
    found = certify(hinge(), [1.0, 0.5], method="linear")
    assert check(found, hinge()), check(found, hinge()).reason
    proof = found.evidence["proofs"][0]
    for rivals in ([True], [1.0], ["1"], [1, 1]):
        other = replace(found, evidence={**found.evidence, "proofs": [{**proof, "rivals": rivals}]}, digest="")
        assert not check(other, hinge())
    for cut in ({"input": False}, {"input": 0.0}, {"input": -1}, {"tie": [1, 0, True]}, {"tie": [1.0, 0, 1]}):
        tree = {**cut, "at": 0.5, "parts": [proof["tree"]] * 2}
        other = replace(found, evidence={**found.evidence, "proofs": [{**proof, "tree": tree}]}, digest="")
        assert not check(other, hinge()), cut


def line(slope: float) -> Circuit:
    builder = CircuitBuilder(1)
    return builder.build(builder.affine([(0, [[slope], [0.0]])], np.zeros(2)))


def test_the_margin_counts_where_outputs_exceed_floats() -> None:
    """It is 1e309, which no float is: nothing else is true in its place."""
    claim: dict[str, Any] = {"radius": 0.0, "upper": np.inf, "status": "unknown", "evidence": {"kind": "planes"}}
    model = line(1e308)
    known = replace(certify(line(1.0), [1.0], method="linear"), **claim, model=Subject(model).digest, digest="")
    assert check(replace(known, margin=1e308, digest=""), model)
    wrong = replace(known, point=(10.0,), margin=1e308, digest="")
    assert "margin" in str(check(wrong, model).reason)


def test_of_two_proofs_for_one_class_none_counts() -> None:
    rng = np.random.default_rng(0)
    model = [LogSumExp(rng.normal(size=(2, 2)), rng.normal(size=2), 0.5) for _ in range(2)]
    found = certify(model, [0.3, 0.1], method="tangent")
    assert check(found, model)
    rivals = found.evidence["rivals"]
    assert not check(replace(found, evidence={**found.evidence, "rivals": rivals * 2}, digest=""), model)
    net = hinge()
    found = certify(net, [1.0, 0.5], method="exact")
    assert found.evidence["kind"] == "cells"
    assert check(found, net)
    cells = found.evidence["cells"]
    twice = [{**cells[0], "rivals": [*cells[0]["rivals"], [1, 0.0, []], [1, 1.0, []]]}, *cells[1:]]
    for changed in ([*cells, cells[0]], twice):
        assert not check(replace(found, evidence={**found.evidence, "cells": changed}, digest=""), net)

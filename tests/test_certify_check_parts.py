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
from tropix.certify import Certificate, Norm, certify, check
from tropix.certify._check_balls import gibbs, largest, least, log_sum_exp, share
from tropix.certify._check_cells import _Ball
from tropix.certify._check_fields import Fault, by_index, fraction, index, multiplier
from tropix.certify._check_heads import MAX_DEPTH, MAX_NUMBERS, _corners
from tropix.certify._check_leaf import Leaf
from tropix.certify._check_nodes import dominated
from tropix.certify._check_part import Part
from tropix.certify._check_reach import Reach
from tropix.certify._models import Subject
from tropix.certify._vnnlib import Inequality
from tropix.certify._vnnlib_verify import _holds
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


def planes(model: Circuit, radius: float, proofs: list[dict[str, Any]], **changes: Any) -> Certificate:
    """A certificate at 0 whose evidence is made up, with digests that fit."""
    known = certify(model, np.zeros(model.input_size), method="linear", norm="inf")
    claim: dict[str, Any] = {"radius": radius, "upper": np.inf, "status": "robust" if radius else "unknown"}
    return replace(known, **{**claim, "evidence": {"kind": "planes", "proofs": proofs}, **changes}, digest="")


def test_evidence_against_one_class_says_nothing_of_another() -> None:
    """F = (2, −5, x): the third class is the largest from 2 on."""
    builder = CircuitBuilder(1)
    model = builder.build(builder.affine([(0, [[0.0], [0.0], [1.0]])], np.array([2.0, -5.0, 0.0])))
    assert check(planes(model, 1.5, [{"rivals": [1, 2], "tree": {}}]), model)
    assert check(planes(model, 1.5, [{"rivals": [1], "tree": {}}, {"rivals": [2], "tree": {}}]), model)
    for proofs in ([{"rivals": [1], "tree": {}}], [{"rivals": [], "tree": {}}], []):
        assert "class" in str(check(planes(model, 3.0, proofs), model).reason)


def test_entries_of_two_maxima_cannot_be_tied() -> None:
    """F_1 = (x_0 ∨ −5) + (x_1 ∨ −5) is 6 at (3, 3): of x_0 ≥ x_1 does not follow that x_1 is not the largest."""
    builder = CircuitBuilder(2)
    entries = builder.affine([(0, [[1.0, 0.0], [0.0, 0.0], [0.0, 1.0], [0.0, 0.0]])], [0.0, -5.0, 0.0, -5.0])
    top = builder.log_sum_exp(entries, 0.0, np.array([0, 2, 4]))
    model = builder.build(builder.affine([(top, [[0.0, 0.0], [1.0, 1.0]])], [2.0, 0.0]))
    for tie in ([top, 0, 2], [top, 2, 0], [top, 1, 2]):
        tree = {"tie": tie, "at": 0.0, "parts": [{}, {}]}
        assert "two segments" in str(check(planes(model, 3.0, [{"rivals": [1], "tree": tree}]), model).reason)
    tree = {"tie": [top, 0, 1], "at": 0.0, "parts": [{}, {}]}
    assert check(planes(model, 0.5, [{"rivals": [1], "tree": tree}]), model)
    assert not check(planes(model, 1.5, [{"rivals": [1], "tree": tree}]), model)


@pytest.mark.parametrize("p", [1.0, 2.0, np.inf])
def test_floats_show_only_what_numbers_show(p: float) -> None:
    """Rows whose maximum on the ball is just above and just below zero, with scales of all sizes."""
    rng, shown = np.random.default_rng(0), 0
    for _ in range(100):
        d = int(rng.integers(1, 5))
        scales = [Fraction(float(v)) for v in 10 ** rng.uniform(-3, 3, size=d)]
        ball = _Ball(Rationals.of(np.zeros(d)), Reach(Fraction(float(rng.uniform(0.1, 3))), p, scales, None))
        slope = rng.integers(-1000, 1000, size=d)
        most, square = (float(v) for v in ball.reach.bound([int(v) for v in slope], 1))
        most += math.sqrt(square)
        rows = np.array([[*slope, -most * factor] for factor in (1 - 1e-9, 1 + 1e-9)])
        answers = ball.surely_below_zero(rows, np.zeros_like(rows))
        assert not answers[0]
        shown += int(answers[1])
        errors = np.zeros_like(rows)
        errors[:, -1] = 1e-6 * most
        assert not ball.surely_below_zero(rows, errors).any()
    assert shown > 80


def test_inputs_outside_the_box_are_no_witnesses() -> None:
    """F = (1, x): the class changes at 1, and the witness is 5/4."""
    builder = CircuitBuilder(1)
    model = builder.build(builder.affine([(0, [[0.0], [1.0]])], np.array([1.0, 0.0])))
    known = planes(model, 0.5, [{"rivals": [1], "tree": {}}])
    evidence = {**known.evidence, "witness": [1.25]}
    assert check(replace(known, upper=1.25, evidence=evidence, digest=""), model)
    for box, proved in (([-1.0], [1.25]), True), (([-1.0], [1.0]), False), (([-1.0], [0.75]), False):
        ends = tuple(tuple(side) for side in box)
        answer = check(replace(known, upper=1.25, box=ends, evidence=evidence, digest=""), model)
        assert bool(answer) == proved, answer.reason
    assert not check(replace(known, upper=1.2, evidence=evidence, digest=""), model)
    inside = {**known.evidence, "witness": [0.999]}
    assert not check(replace(known, upper=1.25, evidence=inside, digest=""), model)


def test_inequalities_hold_beyond_the_error_of_outputs() -> None:
    """Whatever sign a coefficient has, an error counts against it; a strict inequality is none at its bound."""
    none: Any = np.array([], dtype=object)
    for weight in (Fraction(2), Fraction(-2)):
        row = Inequality((), ((0, weight),), Fraction(0))
        at: Any = np.array([-weight / 4], dtype=object)  # 2·|y| = 1 below the bound
        assert _holds(row, none, at, [Fraction(1, 2)])
        assert not _holds(row, none, at, [Fraction(1, 2) + Fraction(1, 10**9)])
        assert not _holds(replace(row, strict=True), none, at, [Fraction(1, 2)])


def pieces(model: list[LogSumExp], radius: float, **proof: Any) -> Certificate:
    """A certificate of two classes at 0 with multipliers and trees that are made up."""
    known = certify(model, [0.0], method="tangent")
    evidence = {"kind": "pieces", "rivals": [{"rival": 1, **proof}]}
    return replace(known, radius=radius, upper=np.inf, status="robust", evidence=evidence, digest="")


def test_entropies_are_bounded_by_slopes_with_sum_one() -> None:
    """F = (1, ⊕_1(x, x)): they are equal at 1 − log 2 = 0.307."""
    model = [LogSumExp(np.zeros((1, 1)), np.ones(1), 0.0), LogSumExp(np.ones((2, 1)), np.zeros(2), 1.0)]
    for proof in ({}, {"tree": {"slope": [0.5, 0.5]}}):
        for radius, proved in ((0.3, True), (0.31, False), (0.5, False)):
            assert bool(check(pieces(model, radius, multipliers=[[1.0]], **proof), model)) == proved, (proof, radius)
    for slope in ([1.0, 1.0], [0.75, 0.5], [2.0, -1.0], [0.5, 0.0], [0.5], [1.0]):
        assert not check(pieces(model, 0.31, multipliers=[[1.0]], tree={"slope": slope}), model), slope


def test_the_entropy_of_multipliers_counts_once() -> None:
    """F = (⊕_ε(0, 0), x): they are equal at ε log 2."""
    for eps in (1.0, 0.25):
        model = [LogSumExp(np.zeros((2, 1)), np.zeros(2), eps), LogSumExp(np.ones((1, 1)), np.zeros(1), 0.0)]
        for factor, proved in ((0.999, True), (1.001, False), (1.9, False)):
            claim = pieces(model, factor * eps * math.log(2), multipliers=[[0.5, 0.5]])
            assert bool(check(claim, model)) == proved, (eps, factor)
        for row in ([1.0, 0.0], [0.5, 0.25], [1.5, -0.5], [1.0, 1.0]):
            assert not check(pieces(model, 0.5 * eps * math.log(2), multipliers=[row]), model)


@pytest.mark.parametrize(("p", "reach"), [(1.0, 1 / 2.5), (2.0, 1 / math.hypot(1.5, 2.5)), (np.inf, 1 / 4)])
def test_curvature_counts_slopes_and_bends(p: float, reach: float) -> None:
    """F = (1, 3 x_0 + 5 x_1) with both scales 1/2: equal at 1/‖s·w‖_q. With a second piece the bend comes on top."""
    for count in (1, 2):
        rows = np.array([[3.0, 5.0], [3.0, 4.0]])[:count]
        model = [LogSumExp(np.zeros((1, 2)), [1.0], 0.0), LogSumExp(rows, [0.0, -50.0][:count], 1.0)]
        known = certify(model, [0.0, 0.0], method="second-order", norm=Norm(p, (0.5, 0.5)))
        # 1 = r‖s·g‖ + r² diam²/8, with a gradient that is (3, 5) but for e^−50
        bend = (0.5 * (count - 1)) ** 2 / 8
        limit = (math.sqrt(reach**-2 + 4 * bend) - 1 / reach) / (2 * bend) if bend else reach
        for factor, proved in ((1 - 1e-6, True), (1 + 1e-6, False), (2.0, False)):
            claim = replace(known, radius=factor * limit, upper=np.inf, status="robust", digest="")
            assert claim.evidence["kind"] == "curvature"
            assert bool(check(claim, model)) == proved, (count, factor)


def test_cells_out_of_reach_prove_nothing() -> None:
    """F = (1, x ∨ −3) at 0: of a cell that the ball does not meet all is true, and the class changes at 1."""
    builder = CircuitBuilder(1)
    top = builder.log_sum_exp(builder.affine([(0, [[1.0], [0.0]])], [0.0, -3.0]), 0.0, np.array([0, 2]))
    model = builder.build(builder.affine([(top, [[0.0], [1.0]])], [1.0, 0.0]))
    far = {"pattern": [1], "rivals": [[1, 1.0, []]], "flips": [[0, 0.0, [[0, 1.0]]]]}
    near = {"pattern": [0], "rivals": [[1, 1.0, []]], "flips": [[1, 1.0, []]]}
    for cells, radius, reason in (
        ([near], 0.99, None), ([near], 1.01, "against class"), ([far], 0.99, "first cell"), ([far], 2.0, "first cell"),
        ([far, near], 2.0, "first cell"), ([near, far], 2.0, "against class"),
    ):  # fmt: skip
        claim = planes(model, radius, [], evidence={"kind": "cells", "cells": cells})
        answer = check(claim, model)
        assert bool(answer) == (reason is None)
        assert reason is None or reason in str(answer.reason)
    wide = planes(model, 3.5, [], evidence={"kind": "cells", "cells": [{**near, "flips": []}]}, label=0)
    assert not check(wide, model)


def test_negative_multipliers_of_pieces_prove_nothing() -> None:
    """F = (0 ∨ −100, x − 1): with the multipliers (3/2, −1/2) the first would be at least 50."""
    model = [LogSumExp(np.zeros((2, 1)), [0.0, -100.0], 0.0), LogSumExp(np.ones((1, 1)), [-1.0], 0.0)]
    for radius, row, proved in ((0.99, [1.0, 0.0], True), (1.01, [1.0, 0.0], False), (2.0, [1.5, -0.5], False)):
        assert bool(check(pieces(model, radius, multipliers=[row]), model)) == proved


def test_every_rival_counts_in_every_cell() -> None:
    """F = (2, −5, x), one linear piece: the third class is the largest from 2 on."""
    builder = CircuitBuilder(1)
    model = builder.build(builder.affine([(0, [[0.0], [0.0], [1.0]])], np.array([2.0, -5.0, 0.0])))
    for rivals in ([[1, 1.0, []], [2, 1.0, []]], [[1, 1.0, []]], []):
        evidence = {"kind": "cells", "cells": [{"pattern": [], "rivals": rivals, "flips": []}]}
        assert check(planes(model, 1.99, [], evidence=evidence), model)  # no multipliers are those of the row alone
        assert "class 2" in str(check(planes(model, 2.01, [], evidence=evidence), model).reason)


@pytest.mark.parametrize(("p", "length"), [(1.0, 1.4), (2.0, 1.0), (np.inf, 0.8)])
def test_a_witness_is_as_far_away_as_its_norm_says(p: float, length: float) -> None:
    """The class changes where x_0 + x_1 = 1; the witness (0.6, 0.8) is 1.4, 1.0 or 0.8 away."""
    model = [LogSumExp([[0.0, 0.0]], [1.0], 0.0), LogSumExp([[1.0, 1.0]], [0.0], 0.0)]
    found = certify(model, [0.0, 0.0], norm=p, method="tangent")
    evidence = {**found.evidence, "witness": [0.6, 0.8]}
    for upper, proved in ((length * (1 + 1e-9), True), (length * (1 - 1e-9), False)):
        other = replace(found, radius=0.25, upper=upper, evidence=evidence, digest="")
        assert check(other, model).proved == proved

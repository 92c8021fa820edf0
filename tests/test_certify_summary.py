"""Data sets summed up: numbers computed by hand; certificates by several processes; public attacks."""

from __future__ import annotations

import csv
import io
import json
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tropix import Circuit, InvalidInput, LogSumExp, TropicalPolynomial
from tropix.certify import (
    AttackResult,
    Certificate,
    Norm,
    Summary,
    attack,
    certify_all,
    certify_each,
    check,
    plot_summary,
    summarise,
)
from tropix.certify._batches import BLOCK
from tropix.certify._plot import steps
from tropix.circuits import CircuitBuilder
from tropix.circuits import LogSumExp as LogSumExpNode


def made(label: int, margin: float, radius: float, upper: float, **more: Any) -> Certificate:
    fields: dict[str, Any] = {
        "model": "m", "point": (0.0,), "method": "combined", "status": "robust", "evidence": {}, "seconds": 0.25,
        "norm": Norm(2.0),
    }  # fmt: skip
    return Certificate(label=label, margin=margin, radius=radius, upper=upper, **{**fields, **more})


FIVE = [
    made(0, 1.0, 0.5, 0.5),
    made(1, 2.0, 1.0, 1.25, method="exact", seconds=1.0),
    made(2, 0.5, 0.25, math.inf, status="unknown"),
    made(1, 3.0, 4.0, 8.0),  # labelled 0
    made(1, 0.0, 0.0, 0.0, status="falsified"),
]
TRUTH = [0, 1, 2, 0, 1]


def test_numbers_by_hand() -> None:
    found = summarise(FIVE, None, TRUTH, [0.25, 0.5, 1.0, 2.0])
    assert len(found) == 5
    assert found.right.tolist() == [True, True, True, False, False]
    assert found.clean_accuracy == 3 / 5
    assert found.certified == (3 / 5, 2 / 5, 1 / 5, 0.0)
    assert found.attacked == (3 / 5, 2 / 5, 2 / 5, 1 / 5)
    assert found.average_radius == pytest.approx((0.5 + 1.0 + 0.25) / 5)
    assert found.median_gap == 0.25  # of 0, 0.25 and infinity
    assert found.statuses == {"falsified": 1, "robust": 3, "unknown": 1}
    assert found.methods == {"combined": 4, "exact": 1}
    assert found.seconds == 2.0
    assert found.median_seconds == 0.25


def test_attacks_bound_radii_from_above() -> None:
    near = AttackResult(2, True, 0.75, -1e-9, 0, (0.75,))
    other = AttackResult(0, True, 0.1, -1.0, 2, (0.1,))  # an attack on another label than the certificate's
    found = summarise(FIVE, [None, other, near, None, None], TRUTH, [0.7, 0.8])
    assert found.upper.tolist() == [0.5, 1.25, 0.75, 8.0, 0.0]
    assert found.attacked == (2 / 5, 1 / 5)
    assert found.median_gap == 0.25
    assert found.certified == summarise(FIVE, None, TRUTH, [0.7, 0.8]).certified


def test_without_true_labels_all_are_right_but_ties() -> None:
    found = summarise(FIVE, radii=[3.0])
    assert found.clean_accuracy == 4 / 5
    assert found.certified == (1 / 5,)
    assert found.median_gap == pytest.approx(0.5 * (0.25 + 4.0))


def test_no_points_and_no_counterexamples() -> None:
    nothing = summarise([], radii=[1.0])
    assert math.isnan(nothing.clean_accuracy)
    assert nothing.to_dict()["median_seconds"] is nothing.to_dict()["clean_accuracy"] is None
    json.loads(nothing.to_json())
    with pytest.raises(InvalidInput, match="no point"):
        plot_summary(nothing)
    far = summarise([made(0, 1.0, 1.0, math.inf)] * 2)
    assert far.median_gap == math.inf
    assert far.to_dict()["median_gap"] is None


def test_what_is_written() -> None:
    found = summarise(FIVE, None, TRUTH, [0.25, 1.0])
    data = json.loads(found.to_json())
    assert data["points"] == 5
    assert data["accuracies"][1] == {"radius": 1.0, "certified": 0.2, "attack": 0.4}
    rows = list(csv.DictReader(io.StringIO(found.to_csv())))
    assert [float(row["certified_accuracy"]) for row in rows] == list(found.certified)
    assert [float(row["attack_accuracy"]) for row in rows] == list(found.attacked)
    shown = dict(found.rows())
    assert shown["certified accuracy at 0.25"] == "0.6000"
    assert shown["method"] == "4 combined, 1 exact"


def test_bad_summaries() -> None:
    with pytest.raises(InvalidInput, match="one of each"):
        summarise(FIVE, None, [0, 1])
    with pytest.raises(InvalidInput, match="one of each"):
        summarise(FIVE, [None])
    for wrong in (-1.0, math.inf, math.nan):
        with pytest.raises(InvalidInput, match="radius"):
            summarise(FIVE, radii=[wrong])
    with pytest.raises(InvalidInput, match="different models"):
        summarise([FIVE[0], replace(FIVE[1], model="other", digest="")])
    with pytest.raises(InvalidInput, match="different models or norms"):
        summarise([FIVE[0], replace(FIVE[1], norm=Norm(1.0), digest="")])


def test_the_curve_is_the_summary() -> None:
    found = summarise(FIVE, None, TRUTH, [0.25])
    ax = plot_summary(found, most=2.0)
    attacked, certified = (line for line in ax.get_lines() if len(line.get_xdata()) > 2)
    for line, share in ((attacked, found.attack_accuracy), (certified, found.certified_accuracy)):
        assert line.get_drawstyle() == "steps-post"
        x, y = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
        for r in (0.1, 0.3, 0.6, 1.1, 1.5, 1.9):  # where nothing changes
            assert y[np.searchsorted(x, r, side="right") - 1] == pytest.approx(share(r))
    assert {text.get_text() for text in ax.get_legend().get_texts()} >= {"certified", "no counterexample found"}


def test_steps_of_equal_and_infinite_distances() -> None:
    radii, shares = steps(np.array([0.0, 1.0, 1.0, np.inf, -np.inf]), 2.0)
    assert radii.tolist() == [0.0, 1.0, 2.0]
    assert shares == pytest.approx([3 / 5, 1 / 5, 1 / 5])


# -- several processes ------------------------------------------------------------------------------------------------


def three_classes(seed: int = 0) -> list[LogSumExp]:
    rng = np.random.default_rng(seed)
    return [LogSumExp(rng.normal(size=(3, 4)), rng.normal(size=3), 0.3) for _ in range(3)]


def bare(certificates: list[Certificate]) -> list[Certificate]:
    return [replace(c, seconds=0.0, digest="") for c in certificates]


def test_workers_do_not_change_certificates() -> None:
    model, points = three_classes(), np.random.default_rng(1).normal(size=(2 * BLOCK + 3, 4))
    alone = certify_all(model, points)
    seen: list[tuple[int, int]] = []
    both = certify_all(model, points, workers=2, progress=lambda done, total: seen.append((done, total)))
    with ThreadPoolExecutor(3) as pool:
        threads = certify_all(model, points, executor=pool)
    assert bare(alone) == bare(both) == bare(threads)
    assert seen == [(k + 1, len(points)) for k in range(len(points))]
    assert all(check(c, model) for c in both[::7])


def test_what_was_done_before_an_interrupt_is_there() -> None:
    model, points = three_classes(), np.random.default_rng(1).normal(size=(9, 4))
    found: list[Certificate] = []

    def stop(done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        found.extend(certify_each(model, points, progress=stop))
    assert bare(found) == bare(certify_all(model, points))[:4]


def test_blocks_know_the_number_of_a_point() -> None:
    model = three_classes()
    labels = np.zeros(BLOCK + 2, dtype=int)
    labels[-1] = 7
    with pytest.raises(InvalidInput, match=f"label 7 of point {BLOCK + 1}: the model has classes 0 to 2"):
        certify_all(model, np.zeros((BLOCK + 2, 4)), labels)
    with pytest.raises(InvalidInput, match="labels have shape"):
        certify_all(model, np.zeros((3, 4)), [0, 1])
    with pytest.raises(InvalidInput, match="workers 0"):
        certify_all(model, np.zeros((3, 4)), workers=0)
    with ThreadPoolExecutor(1) as pool, pytest.raises(InvalidInput, match="give one of them"):
        certify_all(model, np.zeros((3, 4)), workers=2, executor=pool)


# -- attacks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", ["1", "2", "inf", Norm(2.0, (0.5, 1.0, 2.0, 1.0)), Norm(np.inf, (0.5, 1.0, 2.0, 1.0))])
def test_attacks_are_real_and_never_inside_a_certificate(norm: Any) -> None:
    model, points = three_classes(3), np.random.default_rng(2).normal(size=(12, 4))
    certificates = certify_all(model, points, norm=norm)
    middle = float(np.median([c.radius for c in certificates]))
    measure = Norm.of(norm)
    hits = 0
    for result, x, proof in zip(attack(model, points, radius=middle, norm=norm), points, certificates, strict=True):
        assert result.label == proof.label
        assert result.success == (result.point is not None)
        assert result.distance >= proof.radius
        if proof.upper < 0.9 * middle:
            assert result.success
        if result.point is None:
            assert (result.distance, result.found) == (math.inf, None)
            assert result.margin > 0
            continue
        hits += 1
        values = [float(f(result.point)) for f in model]
        assert int(np.argmax(values)) == result.found != result.label
        assert result.margin == pytest.approx(values[result.label] - max(values), abs=1e-12)
        assert result.margin <= 0
        assert measure.length(np.array(result.point) - x)[0] <= result.distance <= middle
    assert 0 < hits < len(points)


def test_the_nearest_counterexample_closes_the_gap() -> None:
    model, points = three_classes(4), np.random.default_rng(5).normal(size=(10, 4))
    certificates = certify_all(model, points)
    found = attack(model, points, radius=0.01, nearest=True)
    for result, proof in zip(found, certificates, strict=True):
        if result.point is None:
            assert proof.upper > 2.0
            continue
        assert proof.radius <= result.distance
        assert result.success == (result.distance <= 0.01)
    close = [r.distance / p.radius for r, p in zip(found, certificates, strict=True) if r.point is not None]
    assert np.median(close) < 1.01
    summary = summarise(certificates, found)
    assert isinstance(summary, Summary)
    assert (summary.upper >= summary.lower).all()


def test_attacks_stay_in_the_box_and_depend_on_the_seed_alone() -> None:
    model, points = three_classes(6), np.random.default_rng(7).uniform(size=(8, 4))
    found = attack(model, points, radius=2.0, box=(0, 1), seed=3)
    assert found == attack(model, points, radius=2.0, box=(0, 1), seed=3)
    inside = [np.array(r.point) for r in found if r.point is not None]
    assert all(((p >= 0) & (p <= 1)).all() for p in inside)
    free = attack(model, points, radius=2.0)
    assert sum(r.success for r in free) >= len(inside)


def test_a_wrong_label_is_a_counterexample_at_no_distance() -> None:
    model = [LogSumExp([[0.0], [1.0]], [0.0, 0.0], 0.5), LogSumExp([[0.0]], [1.0], 0.5)]
    [found] = attack(model, [[0.0]], [0], radius=0.5)
    assert (found.success, found.distance, found.found, found.point) == (True, 0.0, 1, (0.0,))
    assert found.to_dict()["point"] == [0.0]
    assert attack(model, np.zeros((0, 1)), radius=1.0) == []


def test_circuits_confirm_beyond_their_rounding() -> None:
    builder = CircuitBuilder(2)
    shared = builder.affine([(0, [[1.0, 2.0], [-1.0, 0.5], [0.25, -1.0], [0.0, 0.0]])], [0.1, 0.0, 0.2, 0.0])
    circuit = builder.build(builder.add(LogSumExpNode(shared, 0.1, np.array([0, 2, 4])), "lse"))
    points = np.random.default_rng(0).normal(size=(20, 2))
    found = attack(circuit, points, radius=1.0)
    assert any(r.success for r in found)
    for result in found:
        if result.point is not None:
            x = np.array([result.point])
            values, errors = circuit(x)[0], circuit.rounding_bound(x, 2.0**-53)[0]
            k = 1 - result.label
            assert values[k] - errors[k] > values[result.label] + errors[result.label]


def test_what_cannot_be_attacked() -> None:
    flat = [TropicalPolynomial([[1.0]], [0.0]), TropicalPolynomial([[1.0]], [-1.0])]
    [found] = attack(flat, [[0.0]], radius=10.0, nearest=True)
    assert not found.success
    assert found.margin == pytest.approx(1.0)
    for name in ("restarts", "steps"):
        with pytest.raises(InvalidInput, match=name):
            attack(flat, [[0.0]], radius=1.0, **{name: 0})
    for radius in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(InvalidInput, match="radius"):
            attack(flat, [[0.0]], radius=radius)
    with pytest.raises(InvalidInput, match="label 5 of point 0"):
        attack(flat, [[0.0]], [5], radius=1.0)
    with pytest.raises(InvalidInput):
        attack(flat, [[math.nan]], radius=1.0)


def deep() -> Circuit:
    """A softplus network of two hidden layers, three classes."""
    rng = np.random.default_rng(0)
    builder = CircuitBuilder(3)
    value = 0
    for width, size in ((3, 8), (8, 8)):
        value = builder.affine([(value, rng.normal(size=(size, width)))], rng.normal(size=size) * 0.2)
        value = builder.pairs_with_zero(value, 0.2)
    return builder.build(builder.affine([(value, rng.normal(size=(3, 8)))], np.zeros(3)))


@pytest.mark.parametrize("norm", [1, 2, "inf"])
def test_attacks_on_circuits_of_any_depth(norm: Any) -> None:
    circuit, points = deep(), np.random.default_rng(1).normal(size=(8, 3))
    proofs = certify_all(circuit, points, method="linear", norm=norm)
    found = attack(circuit, points, radius=0.5, norm=norm, nearest=True, box=(-4, 4))
    assert sum(r.point is not None for r in found) >= 6
    for result, proof, x in zip(found, proofs, points, strict=True):
        assert result.label == proof.label
        if result.point is None:
            continue
        place = np.array([result.point])
        values, errors = circuit(place)[0], circuit.rounding_bound(place, 2.0**-53)[0]
        assert result.found == int(values.argmax()) != result.label
        assert values[result.found] - errors[result.found] > values[result.label] + errors[result.label]
        assert np.abs(place).max() <= 4
        length = Norm.of(norm).length(place[0] - x)[0]
        assert proof.radius <= length <= result.distance <= length * (1 + 1e-12)
        assert result.success == (result.distance <= 0.5)
    wrong = attack(circuit, points[:1], [(found[0].label + 1) % 3], radius=0.5, norm=norm)
    assert (wrong[0].success, wrong[0].distance) == (True, 0.0)

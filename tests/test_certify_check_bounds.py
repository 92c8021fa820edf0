"""The bounds of the checker hold at samples whatever slopes, pivots and ties the evidence names, tight ones on points.

A bound that is too good proves false radii, and the evidence of the library's own searches rarely comes near it: here
slopes are random, parts are small as well as large, and functions of few numbers are compared with all their values.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from typing import Any

import flint
import numpy as np
import pytest

from tropix import LogSumExp as SoftMaximum
from tropix.certify._check_balls import mean
from tropix.certify._check_curves import FUNCTIONS, bell, corners, excess_ends, image, rate
from tropix.certify._check_enclosure import Enclosure, Region
from tropix.certify._check_fields import Fault
from tropix.certify._check_leaf import Leaf
from tropix.certify._check_nodes import UNIT, clipped
from tropix.certify._check_part import Part, _rise
from tropix.certify._check_slopes import pairwise as pairwise_slopes
from tropix.certify._check_slopes import steepness
from tropix.certify._models import Subject
from tropix.circuits import Circuit, CircuitBuilder, Gibbs, LogSumExp, Pointwise, Product
from tropix.exact import Rationals

SLACK = 1e-9
KINDS = ["relu", "softplus", "maxima", "soft maxima", "product", "pairs", "weights", "erf", "exp"]


def model(kind: str, rng: np.random.Generator) -> tuple[Circuit, int]:
    """Two inputs, one nonlinear node of a kind behind an affine one, two outputs; the number of the nonlinear node."""
    builder = CircuitBuilder(2)

    def affine(source: int, size: int) -> int:
        return builder.affine([(source, rng.normal(size=(size, builder.size(source))))], rng.normal(size=size))

    if kind in ("relu", "softplus"):
        node = builder.log_sum_exp(affine(0, 4), 0.0 if kind == "relu" else 0.4, np.array([0, 2, 4]))
    elif kind in ("maxima", "soft maxima"):
        node = builder.log_sum_exp(affine(0, 10), 0.0 if kind == "maxima" else 0.4, np.array([0, 1, 4, 10]))
    elif kind in ("pairs", "weights"):
        node = builder.add(Gibbs(affine(0, 4), 0.4, np.array([0, 2, 4] if kind == "pairs" else [0, 4])))
    elif kind == "product":
        node = builder.add(Product(affine(0, 3), affine(0, 3), 3))
    else:
        node = builder.add(Pointwise(affine(0, 3), kind, 3))
    return builder.build(affine(node, 2)), node


def slopes(circuit: Circuit, number: int, rng: np.random.Generator) -> dict[str, Any]:
    """Any slopes that may be named at a node."""
    node = circuit.nodes[number]
    if isinstance(node, LogSumExp):
        pivot = [int(rng.integers(w)) for w in node.widths]
        below = [np.floor(rng.dirichlet(np.ones(w)) * UNIT)[:-1] for w in node.widths]
        above = [np.floor(rng.normal(size=w - 1) * UNIT) for w in node.widths]
        return {
            "pivot": pivot,
            "below": np.concatenate(below).astype(int).tolist(),
            "above": np.concatenate(above).astype(int).tolist(),
        }
    if isinstance(node, Product):
        return {side: rng.normal(size=(node.size, 2)).tolist() for side in ("below", "above")}
    return {side: rng.uniform(-0.3, 0.8, size=node.size).tolist() for side in ("below", "above")}


def shifts(part: Part, rng: np.random.Generator, count: int = 300) -> np.ndarray:
    """Points of a part with two inputs, ties aside: inside, on the ball, where the box cuts it, and corners."""
    r, p, s = float(part.radius), part.p, np.array([float(v) for v in part.scales])
    low, high = (np.array([float(v) for v in side]) for side in (part.low, part.high))
    turn = rng.uniform(0, 2 * np.pi, size=count)
    raw = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    raw /= np.linalg.norm(raw, ord=p, axis=1)[:, None]
    found = [np.concatenate([raw, raw * rng.uniform(size=(count, 1)), [[1.0, 0], [-1, 0], [0, 1], [0, -1]]]) * r * s]
    found.append(np.array(list(product(*zip(low, high, strict=True)))))
    for axis, ends in enumerate(zip(low, high, strict=True)):
        for end in ends:
            left = 1 - (abs(end) / s[axis] / r) ** p if p < np.inf else 1.0
            if left >= 0:
                other = r * s[1 - axis] * left ** (1 / p)
                found.append(np.array([[end, side] if axis == 0 else [side, end] for side in (other, -other)]))
    points = np.concatenate(found)
    inside = np.linalg.norm(points / s, ord=p, axis=1) <= r * (1 + 1e-12)
    return points[inside & (points >= low).all(axis=1) & (points <= high).all(axis=1)]


def random_part(rng: np.random.Generator, radius: float, p: float) -> Part:
    scales = [Fraction(float(v)) for v in rng.uniform(0.5, 2, size=2)]
    ends = [(Fraction(float(-a * radius)), Fraction(float(b * radius))) for a, b in rng.uniform(0, 2, size=(2, 2))]
    part = Part.around(Fraction(radius), p, scales, None if rng.random() < 0.3 else ends)
    if rng.random() < 0.4:
        part = part.cut(int(rng.integers(2)), Fraction(float(rng.normal() * radius / 3)))[int(rng.integers(2))]
    return part


def lower(values: Any) -> np.ndarray:
    return np.array([float(v.lower()) for v in values])


def upper(values: Any) -> np.ndarray:
    return np.array([float(v.upper()) for v in values])


@pytest.mark.parametrize("precision", [96, 12])
@pytest.mark.parametrize("kind", KINDS)
def test_bounds_of_leaves_hold_at_samples(kind: str, precision: int) -> None:
    """Ends of all nodes, and sums of outputs with slopes and multipliers of their own, where decided ties hold.

    With 12 bits rounding is as large as anything, and still counts against the bound.
    """
    rng = np.random.default_rng(KINDS.index(kind))
    looked, empty = 0, 0
    for case in range(60 if precision == 96 else 40):
        circuit, number = model(kind, rng)
        node = circuit.nodes[number]
        p, radius = [1.0, 2.0, np.inf][case % 3], [1e-9, 0.3, 1.0, 3.0][case // 3 % 4]
        x, part = rng.normal(size=2), random_part(rng, radius, [1.0, 2.0, np.inf][case % 3])
        points = shifts(part, rng)
        assert len(points) or part.radius < max(max(part.low), -min(part.high)) * 3 or part.empty, p
        values = circuit.values(x + points) if len(points) else None
        held = np.ones(len(points), dtype=bool)
        if isinstance(node, LogSumExp) and values is not None:
            source = values[node.source]
            for _ in range(case % 3):
                a = int(rng.integers(node.segments[1], len(source[0]))) if kind.endswith("maxima") else 0
                segment = int(np.searchsorted(node.segments, a, side="right")) - 1
                b = int(rng.choice([j for j in range(*node.segments[segment : segment + 2]) if j != a]))
                level = Fraction(float(np.quantile(source[:, a] - source[:, b], rng.uniform())))
                side = int(rng.integers(2))
                part = part.tied(number, a, b, level)[side]
                gap = source[:, a] - source[:, b] - float(level)
                held &= gap >= 0 if side == 0 else gap <= 0
        given = {} if case % 5 == 4 else {str(number): slopes(circuit, number, rng)}
        rivals: list[dict[str, Any]] = [{} for _ in range(3)]
        rows = np.vstack([np.eye(2), rng.normal(size=(1, 2))])
        if isinstance(node, LogSumExp) and given:
            rivals[1]["below"] = {str(number): slopes(circuit, number, rng)["below"]}
            rivals[2]["ties"] = {str(number): rng.uniform(0, 2, size=len(part.ties.get(number, []))).tolist()}
        exact = np.array([[flint.arb(v) for v in row] for row in rows.tolist()], dtype=object)
        with flint.ctx.workprec(precision):
            leaf = Leaf(circuit, part, Rationals.of(x), given)
            bounds = lower(leaf.least_margins(exact, rivals))
        empty += leaf.empty
        if values is None or not held.any():
            continue
        assert not leaf.empty
        looked += 1
        for i, (low, high) in enumerate(leaf.ends):
            found, slack = values[i][held], SLACK * (1 + np.abs(values[i][held]))
            assert (found >= lower(low) - slack).all(), (case, i)
            assert (found <= upper(high) + slack).all(), (case, i)
        found = values[circuit.output][held] @ rows.T
        assert (found >= bounds - SLACK * (1 + np.abs(found))).all(), case
    assert looked > 20, (looked, empty)


@pytest.mark.parametrize("p", [1.0, 2.0, np.inf])
def test_linear_functions_on_parts(p: float) -> None:
    """Below all values; parts with a point are not empty."""
    rng = np.random.default_rng(int(min(p, 9)))
    seen = 0
    for _ in range(60):
        part = random_part(rng, float(rng.choice([0.1, 1.0, 4.0])), p)
        points = shifts(part, rng)
        if not len(points):
            continue
        assert not part.empty
        rows = np.concatenate([rng.normal(size=(6, 2)), np.eye(2), -np.eye(2), [[0.0, 0.0]]])
        with flint.ctx.workprec(96):
            bounds = part.least(np.array([[flint.arb(v) for v in row] for row in rows.tolist()], dtype=object))
        least = (rows @ points.T).min(axis=1)
        found = np.array([float(v.mid()) for v in bounds])
        assert (found <= least + 1e-12).all()
        seen += 1
    assert seen > 40


@pytest.mark.parametrize("p", [1.0, 2.0, np.inf])
def test_linear_functions_on_balls(p: float) -> None:
    """−r‖s·v‖_q in any number of inputs."""
    rng = np.random.default_rng(0)
    dual = {1.0: np.inf, 2.0: 2.0, np.inf: 1.0}[p]
    for _ in range(20):
        d, radius = int(rng.integers(1, 6)), float(rng.uniform(0.1, 3))
        scales, rows = rng.uniform(0.1, 3, size=d), rng.normal(size=(5, d))
        part = Part.around(Fraction(radius), p, [Fraction(v) for v in scales.tolist()], None)
        with flint.ctx.workprec(96):
            found = part.least(np.array([[flint.arb(v) for v in row] for row in rows.tolist()], dtype=object))
        expected = -radius * np.linalg.norm(rows * scales, ord=dual, axis=1)
        assert (lower(found) <= expected * (1 - 1e-13)).all()
        np.testing.assert_allclose(lower(found), expected, rtol=1e-9)


@pytest.mark.parametrize("p", [1.0, 2.0])
def test_one_coordinate_against_its_price(p: float) -> None:
    """The maximum of v δ − μ |δ/s|^p between ends, at an end, at 0 or inside."""
    rng = np.random.default_rng(0)
    for _ in range(100):
        v, (mu, s) = float(rng.normal()), rng.uniform(0.1, 2, size=2).tolist()
        low, high = np.sort(rng.normal(size=2)).tolist()
        delta = np.append(np.linspace(low, high, 2001), np.clip(0.0, low, high))
        expected = (v * delta - mu * np.abs(delta / s) ** p).max()
        found = _rise(*(flint.arb(number) for number in (v, mu, s, low, high)), p)
        assert expected - 1e-12 <= float(found.mid()) <= expected + 1e-3


def test_parts_without_a_point_are_empty() -> None:
    for p, away in ((1.0, 0.5), (2.0, 0.7), (np.inf, 1.0)):
        for far, empty in ((away - 0.01, False), (away + 0.02, True)):
            part = Part.around(Fraction(1), p, [Fraction(1)] * 2, None)
            for axis, sign in ((0, 1), (1, -1)):
                part = part.cut(axis, Fraction(sign * far))[0 if sign < 0 else 1]
            assert part.empty == empty, (p, far)
    wide = Part.around(Fraction(1), 2.0, [Fraction(2), Fraction(1)], None).cut(0, Fraction(3, 2))[1]
    assert not wide.empty


CURVES: list[tuple[Any, float, float]] = [
    ("erf", -3, 3), ("exp", -3, 2), ("log", 0.1, 4), ("sqrt", 0.1, 4), ("reciprocal", 0.2, 4), ("reciprocal", -4, -0.2),
    (0.5, -4, 4), (2.0, -4, 4),
]  # fmt: skip


@pytest.mark.parametrize(("curve", "least", "most"), CURVES)
def test_curves_against_lines(curve: Any, least: float, most: float) -> None:
    """The extremes of f(x) − kx, of f and of f′ are those of all points between the ends."""
    rng = np.random.default_rng(0)

    def value(x: Any) -> Any:
        return FUNCTIONS[curve](x) if isinstance(curve, str) else 1 / (1 + (-x / flint.arb(curve)).exp())

    for case in range(60):
        low, high = np.sort(rng.uniform(least, most, size=2)).tolist()
        points = np.linspace(low, high, 200).tolist()
        heights = np.array([float(value(flint.arb(v)).mid()) for v in points])
        ends = flint.arb(low), flint.arb(high)
        k = float(rng.uniform(-1, 1)) if case % 3 else float((heights[-1] - heights[0]) / (high - low))
        found = excess_ends(curve if isinstance(curve, str) else flint.arb(curve), *ends, flint.arb(k))
        rest = heights - k * np.array(points)
        step = (high - low) ** 2 * 1e-3 * (1 + 1 / min(abs(low), abs(high)) ** 3)
        assert float(found[0].mid()) <= rest.min() + SLACK
        assert float(found[1].mid()) >= rest.max() - SLACK
        assert rest.min() - step <= float(found[0].mid())
        assert float(found[1].mid()) <= rest.max() + step
        if isinstance(curve, str):
            over, steep = image(curve, *ends), rate(curve, *ends)
            pitch = np.diff(heights) / np.diff(points)
            for bounds, seen in ((over, heights), (steep, pitch)):
                assert float(bounds[0].mid()) <= seen.min() + SLACK
                assert float(bounds[1].mid()) >= seen.max() - SLACK


def test_products_and_bells() -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        a, b = (np.sort(v) for v in rng.normal(size=(2, 2)))
        low, high = corners(*(([flint.arb(float(v[0]))], [flint.arb(float(v[1]))]) for v in (a, b)))
        seen = np.multiply.outer(np.linspace(*a, 9), np.linspace(*b, 9))
        assert float(low[0].mid()) <= seen.min() + SLACK
        assert float(high[0].mid()) >= seen.max() - SLACK
        ends = np.sort(rng.uniform(size=2))
        found = bell(*(flint.arb(v) for v in ends.tolist()))
        seen = np.linspace(*ends, 99) * (1 - np.linspace(*ends, 99))
        assert float(found[0].mid()) <= seen.min() + SLACK
        assert seen.max() - SLACK <= float(found[1].mid()) <= seen.max() + 1e-3


def test_means_under_weights_between_ends() -> None:
    """At vertices of the weights: all at an end but one."""
    rng = np.random.default_rng(0)
    for _ in range(100):
        values, middle = rng.normal(size=4), rng.dirichlet(np.ones(4))
        low = middle * rng.uniform(0.2, 1, size=4)
        high = np.minimum(middle + rng.uniform(size=4) * 0.5, 1.0)
        found = mean(*([flint.arb(v) for v in side.tolist()] for side in (values, low, high)))
        for i, sides in product(range(4), product((0, 1), repeat=4)):
            shares = np.where(sides, low, high)
            shares[i] += 1 - shares.sum()
            if low[i] <= shares[i] <= high[i]:
                assert float(found.mid()) >= values @ shares - SLACK


def test_decided_ties_bound_differences() -> None:
    """v_0 − v_1 ≥ t, whichever of them the pivot is, and whatever sign t has."""
    wide = np.array([flint.arb(9)] * 2, dtype=object)
    for level in (Fraction(-1), Fraction(0), Fraction(1, 2)):
        for pivot in (0, 1):
            low, high = clipped(np.array([pivot] * 2), [(0, 1, level)], -wide, wide)
            ends = float(low[1 - pivot]), float(high[1 - pivot])
            assert ends == ((float(level), 9.0) if pivot == 1 else (-9.0, float(-level)))


def test_multipliers_and_weights_have_their_signs() -> None:
    """A negative multiplier of a tie, or a negative weight of a plane below, would prove anything."""
    circuit, number = model("relu", np.random.default_rng(0))
    part = Part.around(Fraction(1), 2.0, [Fraction(1)] * 2, None).tied(number, 0, 1, Fraction(0))[0]
    rows = np.array([[flint.arb(1), flint.arb(0)]], dtype=object)
    here, key = Rationals.of(np.zeros(2)), str(number)
    good = {"below": [UNIT // 2, UNIT // 2], "above": [UNIT // 2, UNIT // 2]}
    leaf = Leaf(circuit, part, here, {key: good})
    leaf.least_margins(rows, [{"ties": {key: [0.5]}, "below": {key: [UNIT, 0]}}])
    for rival in ({"ties": {key: [-0.5]}}, {"ties": {key: [0.5, 0.5]}}, {"below": {key: [-1, 0]}},
                  {"below": {key: [UNIT + 1, 0]}}):  # fmt: skip
        with pytest.raises(Fault):
            leaf.least_margins(rows, [rival])
    for below in ([-1, 0], [UNIT + 1, 0], [0], [0.5, 0.5]):
        with pytest.raises(Fault):
            Leaf(circuit, part, here, {key: {**good, "below": below}})


def test_what_rounding_takes_from_a_slope_counts() -> None:
    """a − b = −2^−k is lost where a and b are rounded, and (a − b)·2^m is not."""
    for k in range(8, 50, 3):
        builder = CircuitBuilder(1)
        inner = builder.affine([(0, [[1 / 3], [1 / 3 + 2.0**-k]])], np.zeros(2))
        circuit = builder.build(builder.affine([(inner, [[1.0, -1.0], [-1.0, 1.0]])], np.zeros(2)))
        for m in (0, 20, 40):
            part = Part.around(Fraction(1, 2**60), np.inf, [Fraction(1)], None)
            x, rows = np.array([2.0**m]), np.array([[flint.arb(1), flint.arb(0)], [flint.arb(0), flint.arb(1)]])
            with flint.ctx.workprec(12):
                bounds = lower(Leaf(circuit, part, Rationals.of(x), {}).least_margins(rows, [{}, {}]))
            exact = circuit.exact(Rationals.of(x[None])).fractions()[0]
            assert all(Fraction(b) <= v for b, v in zip(bounds, exact, strict=True)), (k, m)


@pytest.mark.parametrize("p", [1.0, 2.0, np.inf])
def test_slopes_of_differences_of_classes(p: float) -> None:
    """‖s·∇(F_c − F_k)‖_q at points of the ball, and differences over their distance, are below each bound known."""
    rng = np.random.default_rng(0)
    dual = {1.0: np.inf, 2.0: 2.0, np.inf: 1.0}[p]
    for case in range(30):
        eps = [0.0, 0.1, 1.0][case % 3]
        heads = [SoftMaximum(rng.normal(size=(w, 2)), rng.normal(size=w), eps) for w in (3, 2, 4)]
        steps = Subject(heads, None).steps
        x, radius, scales = rng.normal(size=2), float(rng.choice([1e-6, 0.1, 1.0])), rng.uniform(0.5, 2, size=2)
        unit = [Fraction(v) for v in scales.tolist()]
        points = x + np.concatenate([np.zeros((1, 2)), shifts(Part.around(Fraction(radius), p, unit, None), rng)])
        logits = [points @ np.array(f.weights).T + np.array(f.bias) for f in heads]
        if eps:
            shares = [np.exp((z - z.max(axis=1, keepdims=True)) / eps) for z in logits]
        else:
            shares = [(z == z.max(axis=1, keepdims=True)).astype(float) for z in logits]
        gradients = [s / s.sum(axis=1, keepdims=True) @ np.array(f.weights) for s, f in zip(shares, heads, strict=True)]
        for everywhere in (False, True):
            region = Region(Rationals.of(x), None if everywhere else Fraction(radius), p, unit, None)
            with flint.ctx.workprec(96):
                enclosure = Enclosure(steps, region)
                found = steepness(enclosure, 0)
                alone = [pairwise_slopes(enclosure, 0, k)[0] for k in (1, 2)]
            for k in (1, 2):
                seen = np.linalg.norm((gradients[0] - gradients[k]) * scales, ord=dual, axis=1).max()
                assert float(found[k - 1].upper()) >= seen - SLACK
                assert float(alone[k - 1].upper()) >= seen - SLACK

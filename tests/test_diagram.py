"""The commutative diagram: edges that hold, faults that are caught on the right edge, and what does not apply."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy.optimize import minimize

import tropix.convex
from tropix import Box, Circuit, InvalidInput, LogSumExp, TropicalPolynomial
from tropix.boxes import Polyhedron
from tropix.circuits import CircuitBuilder, Gibbs, uniform_segments
from tropix.convex import ConjugateProgram
from tropix.diagram import SWEEP, Edge, Verdict, check, gap_supremum
from tropix.diagram._jets import hopf_cole_derivatives
from tropix.pde import HopfCole, HopfLax

POTENTIAL = (Edge.LIMIT, Edge.HOPF_COLE, Edge.EQUATION, Edge.VISCOSITY, Edge.HOPF_LAX, Edge.SQUARE)
CONVEX = (Edge.FENCHEL, Edge.CONJUGATE_LIMIT, Edge.TROPICAL_FENCHEL)


def layer(d: int, count: int, eps: float, seed: int = 0) -> LogSumExp:
    rng = np.random.default_rng(seed)
    return LogSumExp(rng.normal(size=(count, d)), rng.normal(size=count), eps)


def relu_network(*widths: int, eps: float = 0.0, convex: bool = False, seed: int = 0) -> Circuit:
    rng = np.random.default_rng(seed)
    builder, value = CircuitBuilder(widths[0]), 0
    for number, (m, n) in enumerate(pairwise(widths)):
        weights = rng.normal(size=(n, m))
        value = builder.affine([(value, np.abs(weights) if convex and number else weights)], rng.normal(size=n))
        if number < len(widths) - 2:
            value = builder.pairs_with_zero(value, eps)
    return builder.build(value)


@pytest.mark.parametrize("eps", [1e-4, 1e-2, 1.0, 1e2])
@pytest.mark.parametrize(("d", "count"), [(1, 1), (1, 2), (2, 7), (5, 40), (50, 2000)])
def test_random_layers_hold(d: int, count: int, eps: float) -> None:
    edges = None if d * count < 1000 or eps == 1.0 else POTENTIAL
    diagram = check(layer(d, count, eps), edges=edges, points=50, solves=2)
    assert diagram.holds, [row.to_json() for row in diagram.violated]
    assert {row.edge for row in diagram.rows} == (set(Edge) if edges is None else set(edges))
    assert all(row.verdict is Verdict.HOLDS for row in diagram.rows)


@pytest.mark.parametrize(
    "f",
    [
        LogSumExp([[1.0, 2.0], [1.0, 2.0], [0.0, -1.0]], [0.5, 0.5, 0.0], 0.3),  # duplicates
        LogSumExp([[1.0], [-1.0], [0.0]], [0.0, 0.0, 0.0], 0.5),  # a tie of three at 0
        LogSumExp([[1.0, 0.0], [2.0, 0.0]], [0.0, -np.inf], 1.0),  # one piece is absent
        LogSumExp([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]], [0.0, 0.2, -0.1], 0.1),  # weights on a line
        LogSumExp([[0.0, 0.0]], [2.0], 1.0),  # a constant
        LogSumExp([[1e6], [-1e6]], [1e6, 3.0], 1e-3),
    ],
)
def test_degenerate_layers_hold(f: LogSumExp) -> None:
    for t in (0.01, 1.0, 30.0):
        diagram = check(f, box=(-1, 1), t=t, solves=2)
        assert diagram.holds, [row.to_json() for row in diagram.violated]


def test_gaps_are_those_of_the_definitions() -> None:
    f = LogSumExp([[0.0], [1.0]], [0.0, 0.0], 0.5)
    diagram = check(f, data=[[0.0], [3.0], [-1.0]])
    row = diagram.row("network-tropical")
    assert row.high == pytest.approx(0.5 * math.log(2))
    assert row.low == pytest.approx(0.5 * math.log1p(math.exp(-6)))
    assert row.bound == pytest.approx(0.5 * math.log(2))
    arrow = diagram.row("viscous-inviscid")
    assert (arrow.low, arrow.high) == (pytest.approx(-row.high), pytest.approx(-row.low))
    conjugate = diagram.row("conjugate-limit")  # at y = ½: −ε log 2, the most there is
    assert conjugate.low == pytest.approx(-0.5 * math.log(2), abs=1e-9)
    assert diagram.domain == "3 rows of data"
    assert diagram.row(Edge.LIMIT, "the output").points == 3
    with pytest.raises(InvalidInput, match="no row"):
        diagram.row(Edge.LIMIT, "layer")


# -- deliberate faults -------------------------------------------------------------------------------------------------


def caught(f: LogSumExp, **options: Any) -> set[Edge]:
    return {row.edge for row in check(f, box=(-1, 1), **options).violated}


def test_a_dropped_normalisation_term_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HopfCole, "normalisation", property(lambda self: 0.0))
    found = caught(layer(2, 5, 0.3))
    assert found == {Edge.HOPF_COLE, Edge.VISCOSITY, Edge.SQUARE}


def test_a_wrong_sign_of_the_dual_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = ConjugateProgram.x.fget  # type: ignore[attr-defined]
    monkeypatch.setattr(ConjugateProgram, "x", property(lambda self: -honest(self)))
    assert caught(layer(2, 5, 0.3)) == {Edge.FENCHEL}


def test_eps_in_the_wrong_place_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = HopfCole.value
    # (1/ε) and ε exchanged in front of the logarithm
    monkeypatch.setattr(
        HopfCole, "value", lambda self, x: (honest(self, x) - self.normalisation) / self.eps**2 + self.normalisation
    )
    assert Edge.HOPF_COLE in caught(layer(2, 5, 0.3))
    monkeypatch.undo()
    honest_dt = HopfCole.dt
    monkeypatch.setattr(HopfCole, "dt", lambda self, x: honest_dt(self, x) * self.eps)
    assert caught(layer(2, 5, 0.3)) == {Edge.EQUATION}


@pytest.mark.parametrize("place", ["weights", "bias"])
def test_a_weight_off_by_a_thousandth_is_caught(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    honest, shift = HopfCole.from_lse, np.zeros((5, 2))
    shift[1, 0] = 1e-3  # a piece that is active on the box

    def moved(f: LogSumExp, t: float) -> HopfCole:
        weights, bias = (f.weights + shift, f.bias) if place == "weights" else (f.weights, f.bias + shift[:, 0])
        return honest(LogSumExp(weights, bias, f.eps), t)

    monkeypatch.setattr(HopfCole, "from_lse", moved)
    assert Edge.HOPF_COLE in caught(layer(2, 5, 0.3))
    monkeypatch.undo()
    lax = HopfLax.from_tropical

    def moved_limit(f: TropicalPolynomial, t: float) -> HopfLax:
        return lax(TropicalPolynomial(f.exponents + shift, f.coefficients), t)

    monkeypatch.setattr(HopfLax, "from_tropical", moved_limit)
    assert Edge.HOPF_LAX in caught(layer(2, 5, 0.3))
    monkeypatch.undo()
    program = tropix.convex.conjugate_program
    monkeypatch.setattr(
        tropix.convex,
        "conjugate_program",
        lambda f: program(
            LogSumExp(f.weights + shift, f.bias, f.eps)
            if place == "weights"
            else LogSumExp(f.weights, f.bias + shift[:, 0], f.eps)
        ),
    )
    assert caught(layer(2, 5, 0.3)) == {Edge.FENCHEL}


def test_sites_at_the_wrong_time_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = HopfCole.from_lse

    def late(f: LogSumExp, t: float) -> HopfCole:
        right = honest(f, t)
        return HopfCole(honest(f, 1.1 * t).sites, right.costs, f.eps, t)

    monkeypatch.setattr(HopfCole, "from_lse", late)
    assert Edge.HOPF_COLE in caught(layer(2, 5, 0.3))
    monkeypatch.undo()
    lax = HopfLax.from_tropical

    def late_limit(f: TropicalPolynomial, t: float) -> HopfLax:
        right = lax(f, t)
        return HopfLax(lax(f, 1.1 * t).sites, right.costs, t)

    monkeypatch.setattr(HopfLax, "from_tropical", late_limit)
    assert Edge.HOPF_LAX in caught(layer(2, 5, 0.3))


def test_faults_in_the_network_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Circuit.values

    def wrong(self: Circuit, points: Any) -> Any:
        values = honest(self, points)
        values[self.output] = values[self.output] - 1e-6
        return values

    monkeypatch.setattr(Circuit, "values", wrong)
    found = caught(layer(2, 5, 0.3))
    assert Edge.HOPF_COLE in found
    assert Edge.SQUARE in found


# -- what does not apply -----------------------------------------------------------------------------------------------


def test_relu_networks_have_nothing_to_heat() -> None:
    diagram = check(relu_network(3, 6, 2), solves=1)
    assert diagram.holds
    row = diagram.row(Edge.LIMIT)
    assert row.verdict is Verdict.NOT_APPLICABLE
    assert "temperature is 0" in row.reason
    for edge in CONVEX:
        assert "not convex" in diagram.row(edge).reason
    for edge in (Edge.HOPF_COLE, Edge.VISCOSITY, Edge.HOPF_LAX):
        assert "sum of 6" in diagram.row(edge).reason
    single = check(TropicalPolynomial([[1, 0], [0, 1], [0, 0]], [0, 0, 1]), solves=1)
    assert single.holds
    assert {row.edge for row in single.rows if row.verdict is Verdict.HOLDS} == {Edge.HOPF_LAX, Edge.TROPICAL_FENCHEL}
    assert "temperature" in single.row(Edge.HOPF_COLE).reason


def test_structural_networks_have_no_bound() -> None:
    builder = CircuitBuilder(2)
    hidden = builder.add(Gibbs(builder.affine([(0, np.eye(2))], np.zeros(2)), 1.0, uniform_segments(1, 2)))
    squares = builder.affine([(hidden, [[1.0, 2.0], [0.0, 1.0]]), (0, np.eye(2))], np.zeros(2))
    soft = builder.pairs_with_zero(squares, 0.5)
    circuit = builder.build(builder.affine([(soft, np.ones((1, 2)))], [0.0]))
    from tropix.circuits import Product

    product = builder.add(Product(soft, soft, 2))
    structural = builder.build(builder.affine([(product, np.ones((1, 2)))], [0.0]))
    row = check(structural, solves=1).row(Edge.LIMIT)
    assert row.verdict is Verdict.NOT_APPLICABLE
    assert "structural" in row.reason
    diagram = check(circuit, solves=1)  # softmax weights move by at most 1: a bound, and layers behind it
    assert diagram.row(Edge.LIMIT).verdict is Verdict.HOLDS
    assert diagram.row(Edge.LIMIT).tolerance < 1e-10  # away from ties rounding does not move the limit's weights
    assert diagram.row(Edge.HOPF_COLE, "layer").verdict is Verdict.HOLDS
    cold = builder.build(builder.add(Product(0, 0, 2)))  # no temperatures, and yet no limit
    row = check(cold, solves=1).row(Edge.LIMIT)
    assert "product" in row.reason
    assert "structural" in row.reason


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("heat", "t"), [(1e-20, 1.0), (1e-300, 1.0), (1.0, 1e-20), (1.0, 1e-300), (1.0, 1e200)])
def test_derivatives_that_drown_in_rounding_are_not_compared(heat: float, t: float) -> None:
    rng = np.random.default_rng(0)
    layer = LogSumExp(rng.normal(size=(7, 2)), rng.normal(size=7), 1.0)
    row = check(layer, heat=heat, t=t, edges=[Edge.EQUATION]).rows[0]
    assert row.verdict is Verdict.NOT_APPLICABLE
    assert "rounding" in row.reason


def test_deep_convex_networks_hold_by_layers_and_as_a_whole() -> None:
    diagram = check(relu_network(2, 5, 4, 1, eps=0.2, convex=True), box=(-2, 2), solves=2)
    assert diagram.holds, [row.to_json() for row in diagram.violated]
    for edge in CONVEX:
        assert diagram.row(edge, "the deep output").verdict is Verdict.HOLDS
    assert "sum of 4" in diagram.row(Edge.HOPF_COLE, "the deep output").reason
    for edge in Edge:
        assert diagram.row(edge, "layer").verdict is Verdict.HOLDS
    limit = diagram.row(Edge.LIMIT, "the deep output")
    circuit = relu_network(2, 5, 4, 1, eps=0.2, convex=True)
    assert limit.bound == pytest.approx(float(circuit.deformation_bound()[0]))


def test_concave_outputs_say_so() -> None:
    builder = CircuitBuilder(2)
    soft = builder.pairs_with_zero(builder.affine([(0, np.eye(2))], np.zeros(2)), 0.5)
    circuit = builder.build(builder.affine([(soft, -np.ones((1, 2)))], [0.0]))
    assert "concave" in check(circuit, solves=1).row(Edge.FENCHEL).reason


# -- heats, orders, suprema --------------------------------------------------------------------------------------------


def test_orders_are_first_where_pieces_tie() -> None:
    f = LogSumExp([[0.0], [1.0], [-1.0]], [0.0, 0.0, -3.0], 1.0)
    diagram = check(f, heat=SWEEP, data=[[0.0], [2.0]], edges=[Edge.LIMIT, Edge.VISCOSITY])
    order = next(order for order in diagram.orders if order.edge is Edge.LIMIT)
    assert order.rates[-1] == pytest.approx(1.0, abs=1e-6)
    assert order.heats == SWEEP
    away = check(f, heat=[0.4, 0.2], data=[[2.0]], edges=[Edge.LIMIT]).orders[0]
    assert away.rates[0] > 5  # exponentially, away from ties
    assert check(f, heat=0.0, data=[[2.0]], solves=1).row(Edge.LIMIT).verdict is Verdict.NOT_APPLICABLE


@pytest.mark.parametrize(("d", "count", "eps"), [(1, 2, 1.0), (1, 9, 0.1), (2, 12, 0.2), (2, 6, 3.0), (3, 5, 0.5)])
def test_suprema_enclose_what_is_found_by_ascent(d: int, count: int, eps: float) -> None:
    f, rng = layer(d, count, eps, seed=count), np.random.default_rng(1)
    found = gap_supremum(f, (-1, 1), tolerance=1e-6)
    assert found.complete
    assert found.upper - found.lower <= 1e-6 * (1 + 1e-9)

    def gap(x: Any) -> Any:
        return f(x) - f.limit()(x)

    assert gap(found.point) >= found.lower
    points = rng.uniform(-1, 1, size=(20_000, d))
    best = points[np.argsort(-gap(points))[:10]]
    ascents = [minimize(lambda x: -float(gap(np.clip(x, -1, 1))), x, method="Nelder-Mead").fun for x in best]
    assert found.lower - 1e-9 <= found.upper
    assert -min(ascents) <= found.upper
    assert -min(ascents) >= found.lower - 2e-4


def test_suprema_of_degenerate_layers() -> None:
    assert gap_supremum(LogSumExp([[1.0]], [0.0], 1.0), (-1, 1)).upper == 0.0
    assert gap_supremum(LogSumExp([[1.0], [2.0]], [0.0, 0.0], 0.0), (-1, 1)).upper == 0.0
    everywhere = gap_supremum(LogSumExp(np.zeros((4, 2)), np.zeros(4), 0.5), (-1, 1))
    assert everywhere.lower == pytest.approx(0.5 * math.log(4), abs=1e-6)
    short = gap_supremum(layer(6, 20, 1.0), (-1, 1), max_boxes=50)
    assert not short.complete
    assert short.lower < short.upper <= math.log(20) * (1 + 1e-9)
    many = gap_supremum(layer(12, 5, 1.0), (-1, 1), max_boxes=500)
    points = np.random.default_rng(0).uniform(-1, 1, size=(5000, 12))
    f = layer(12, 5, 1.0)
    assert (f(points) - f.limit()(points)).max() <= many.upper
    with pytest.raises(InvalidInput, match="bounded"):
        gap_supremum(layer(1, 2, 1.0), (-np.inf, 0))


def test_the_supremum_stands_in_the_row() -> None:
    row = check(layer(2, 5, 0.3), box=(-1, 1), edges=[Edge.LIMIT]).rows[0]
    assert row.supremum is not None
    assert row.high <= row.supremum[0] + 1e-12 <= row.supremum[1] + 1e-12 <= row.bound + 2e-12


# -- derivatives -------------------------------------------------------------------------------------------------------


def test_taylor_derivatives_against_mpmath() -> None:
    rng = np.random.default_rng(3)
    sites, costs, x, eps, t = rng.normal(size=(4, 2)), rng.normal(size=4), rng.normal(size=2), 0.3, 0.7
    found = hopf_cole_derivatives(sites, costs, eps, t, x[None])
    with mpmath.workdps(40):

        def u(a: Any, b: Any, s: Any) -> Any:
            total = mpmath.mpf(0)
            for (p, q), g in zip(sites.tolist(), costs.tolist(), strict=True):
                total += mpmath.exp(-(g + ((a - p) ** 2 + (b - q) ** 2) / (4 * s)) / eps)
            return -eps * mpmath.log(total) + eps * mpmath.log(4 * mpmath.pi * eps * s)

        at = (mpmath.mpf(x[0]), mpmath.mpf(x[1]), mpmath.mpf(t))
        assert found.value[0] == pytest.approx(float(u(*at)), rel=1e-13)
        assert found.along_t[0] == pytest.approx(float(mpmath.diff(u, at, (0, 0, 1))), rel=1e-11)
        assert found.gradient[0, 1] == pytest.approx(float(mpmath.diff(u, at, (0, 1, 0))), rel=1e-11)
        laplacian = mpmath.diff(u, at, (2, 0, 0)) + mpmath.diff(u, at, (0, 2, 0))
        assert found.laplacian[0] == pytest.approx(float(laplacian), rel=1e-10)


# -- input -------------------------------------------------------------------------------------------------------------


def test_bad_input() -> None:
    f = layer(2, 3, 0.5)
    for wrong in ({"heat": -1.0}, {"heat": []}, {"heat": math.nan}, {"edges": ["nonsense"]}, {"points": 0}):
        with pytest.raises(InvalidInput):
            check(f, **wrong)
    with pytest.raises(InvalidInput, match="outside"):
        check(f, box=(-1, 1), data=[[2.0, 0.0]])
    with pytest.raises(InvalidInput, match="found int"):
        check(3)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="-inf everywhere"):
        check(LogSumExp([[1.0]], [-np.inf], 1.0))


def test_softmax_models_are_checked_by_their_logits() -> None:
    builder = CircuitBuilder(2)
    pieces = builder.affine([(0, np.random.default_rng(0).normal(size=(6, 2)))], np.zeros(6))
    logits = builder.log_sum_exp(pieces, 0.5, np.array([0, 3, 6]))
    circuit = builder.build(builder.add(Gibbs(logits, 1.0, uniform_segments(1, 2))))
    diagram = check(circuit, solves=1)
    assert diagram.holds
    assert "softmax" in diagram.notes[0]
    assert diagram.row(Edge.HOPF_COLE).subject.startswith("2 outputs")


def test_json_has_no_numbers_that_are_not_finite(tmp_path: Path) -> None:
    import json

    diagram = check(relu_network(2, 4, 1, eps=0.5), heat=[1.0, 0.0], box=Box.of((-1, 1), 2), solves=1)
    data = json.loads(json.dumps(diagram.to_json(), allow_nan=False))
    assert data["holds"] is True
    assert {row["edge"] for row in data["rows"]} == {edge.value for edge in Edge}
    assert Fraction(data["t"]) == 1


@pytest.mark.parametrize(
    ("weights", "bias", "reach"),
    [
        ([[1e200], [-1e200]], [0.0, 0.0], 1e200),
        ([[1.0], [2.0]], [1e308, -1e308], 1e308),
        ((np.random.default_rng(0).normal(size=(5, 12)) * 1e100).tolist(), [0.0] * 5, 1e250),
    ],
)
def test_no_supremum_is_claimed_where_numbers_overflow(weights: Any, bias: Any, reach: float) -> None:
    """All pieces tie at a point of the box, or nearly: the supremum is far from 0."""
    found = gap_supremum(LogSumExp(weights, bias, 1.0), (-reach, reach))
    assert found.upper == pytest.approx(math.log(len(bias)))
    assert not found.complete


def test_the_supremum_is_not_searched_in_polyhedra() -> None:
    """The largest gap of the box, at 0, lies outside the polyhedron x >= 1."""
    f, part = LogSumExp([[0.0], [1.0]], [0.0, 0.0], 1.0), Polyhedron.where([[-1]], [-1], (-3, 3))
    with pytest.raises(InvalidInput, match="bounded box"):
        gap_supremum(f, part)
    assert check(f, box=part, edges=[Edge.LIMIT]).rows[0].supremum is None
    with pytest.raises(InvalidInput, match="tolerance"):
        gap_supremum(f, (-1, 1), tolerance=math.nan)


def test_nothing_is_compared_with_infinite_tolerances_or_without_points() -> None:
    f = LogSumExp([[0.0], [1.0]], [0.0, 0.0], 1.0)
    with np.errstate(all="ignore"):
        row = check(f, data=[[1e150]], edges=[Edge.EQUATION]).rows[0]
    assert row.verdict is Verdict.NOT_APPLICABLE
    assert "rounding" in row.reason
    for options in ({"data": np.zeros((0, 1))}, {"solves": 0}, {"heat": "warm"}):
        with pytest.raises(InvalidInput):
            check(f, **options)
    assert check(f, heat=np.float32(1.0), edges=[Edge.LIMIT]).holds


def test_a_wrong_value_of_newton_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = tropix.convex.conjugate

    def wrong(f: Any, y: Any) -> Any:
        answer = honest(f, y)
        return replace(answer, value=answer.value * (1 + 1e-6)) if isinstance(f, LogSumExp) else answer

    monkeypatch.setattr(tropix.convex, "conjugate", wrong)
    assert caught(layer(2, 5, 0.3)) == {Edge.FENCHEL}


def test_a_site_without_weight_hides_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    f = layer(2, 5, 0.3)
    far = LogSumExp(np.vstack([f.weights, [1e7, 0.0]]), np.append(f.bias, -1e9), 0.3)
    honest = HopfCole.dt
    assert caught(far, edges=[Edge.EQUATION]) == set()
    monkeypatch.setattr(HopfCole, "dt", lambda self, x: honest(self, x) * (1 + 1e-6))
    assert caught(far, edges=[Edge.EQUATION]) == {Edge.EQUATION}


def test_slopes_at_vertices_of_large_layers_hold() -> None:
    """There the entropy of the solver's many small weights adds up, unless it is asked for more than by default."""
    rng = np.random.default_rng(0)
    f = LogSumExp(rng.normal(size=(500, 1)) * 50, rng.normal(size=500) * 1000, 0.007)
    assert check(f, data=rng.normal(size=(3, 1)) * 50, edges=[Edge.FENCHEL]).holds

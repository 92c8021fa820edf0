"""Verdicts on properties against exact extrema over linear regions, and the VNN-LIB readers."""

from __future__ import annotations

import sys
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tropix import Circuit
from tropix.certify._branching import Query, contracted, search
from tropix.certify._propagation import Propagation
from tropix.certify._propagation_backward import Forms
from tropix.certify._vnnlib import Inequality, Junction, Linear, compared, parse_property, read_property
from tropix.certify._vnnlib_verify import _query, confirmed, decide, verify_property
from tropix.circuits import CircuitBuilder, uniform_segments
from tropix.deadline import Deadline
from tropix.errors import FormatError, InvalidInput, Unsupported
from tropix.exact import Rationals
from tropix.regions import enumerate


def network(seed: int, kind: str, inputs: int = 2) -> Circuit:
    rng = np.random.default_rng(seed)
    builder = CircuitBuilder(inputs)
    node = 0
    for width in (6, 5):
        terms = [(node, np.round(rng.normal(size=(2 * width, builder.size(node))) * 8) / 8)]
        forms = builder.affine(terms, np.round(rng.normal(size=2 * width) * 8) / 8)
        if kind == "relu":
            node = builder.relu(forms)
        elif kind == "maxout":
            node = builder.log_sum_exp(forms, 0.0, np.array([0, 3, 4, 2 * width]))
        else:
            node = builder.log_sum_exp(forms, 0.3, uniform_segments(width, 2))
    return builder.build(builder.affine([(node, rng.normal(size=(2, builder.size(node))))], rng.normal(size=2)))


def maximum(circuit: Circuit, row: np.ndarray) -> float:
    """The largest row·F over [−1, 1]²: at a corner of a linear region; for smooth circuits on a fine grid."""
    builder = CircuitBuilder(2)
    for node in circuit.nodes[1:]:
        builder.add(node)
    scalar = builder.build(builder.affine([(circuit.output, row[None])], [0.0]))
    if all(getattr(node, "eps", 0.0) == 0.0 for node in circuit.nodes):
        return max(float(scalar(cell.vertices).max()) for cell in enumerate(scalar, (-1, 1)))
    axis = np.linspace(-1, 1, 201)
    return float(scalar(np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)).max())


def text(inputs: int, outputs: int, assertions: str, box: tuple[str, str] = ("-1", "1")) -> str:
    lines = [f"(declare-const X_{i} Real)" for i in range(inputs)]
    lines += [f"(declare-const Y_{j} Real)" for j in range(outputs)]
    lines += [f"(assert (>= X_{i} {box[0]}))\n(assert (<= X_{i} {box[1]}))" for i in range(inputs)]
    return "\n".join([*lines, assertions])


@pytest.mark.parametrize("kind", ["relu", "maxout", "smooth"])
@pytest.mark.parametrize("seed", range(6))
def test_verdicts_against_the_true_maximum(kind: str, seed: int) -> None:
    circuit = network(seed, kind)
    for row in (np.array([1.0, 0.0]), np.array([-1.0, 2.0])):
        top = maximum(circuit, row)
        gap = 0.02 * (1 + abs(top))
        claim = f"(assert (>= (+ (* {row[0]} Y_0) (* {row[1]} Y_1)) {{:.12f}}))"
        above = decide(circuit, parse_property(text(2, 2, claim.format(top + gap))), 60)
        below = decide(circuit, parse_property(text(2, 2, claim.format(top - gap))), 60)
        assert (above.status, below.status) == ("unsat", "sat")
        assert below.witness is not None
        assert below.witness.exact == (kind != "smooth")
        point = below.witness.inputs
        assert all(-1 <= value <= 1 for value in point)
        assert row @ circuit(point.astype(float)) >= top - gap - 1e-9
        if below.witness.exact:
            values = circuit.exact(Rationals.of(point[None])).fractions()[0]
            assert values.tolist() == below.witness.outputs.tolist()


@pytest.mark.parametrize("kind", ["relu", "maxout"])
def test_a_maximum_that_is_only_touched(kind: str) -> None:
    """One ulp above the maximum of max(x, y) there is nothing; at the maximum one point, found and checked exactly."""
    builder = CircuitBuilder(2)
    peak = builder.log_sum_exp(0, 0.0, uniform_segments(1, 2)) if kind == "maxout" else builder.relu(0)
    size = builder.size(peak)
    circuit = builder.build(builder.affine([(peak, np.ones((1, size)))], [0.0]))
    best = Fraction(size) * Fraction("0.1")
    at = decide(circuit, parse_property(text(2, 1, f"(assert (>= Y_0 {float(best)}))", ("-1", "0.1"))), 20)
    assert at.status == "sat"
    assert at.witness is not None
    assert at.witness.outputs[0] == best
    over = decide(circuit, parse_property(text(2, 1, "(assert (>= Y_0 0.2000000001))", ("-1", "0.1"))), 20)
    assert over.status == "unsat"


@pytest.mark.parametrize("split", ["ties", "inputs"])
@pytest.mark.parametrize("kind", ["relu", "maxout", "smooth"])
@pytest.mark.parametrize("seed", range(3))
def test_both_ways_of_splitting_decide(split: str, kind: str, seed: int) -> None:
    circuit = network(seed, kind)
    row = np.array([[-1.0, 0.3]])
    top = maximum(circuit, -row[0])
    for gap, status in ((0.02, "unsat"), (-0.02, "sat")):
        bound = np.array([-top - gap * (1 + abs(top))])
        query = Query(-np.ones(2), np.ones(2), np.zeros((1, 2)), row, bound)

        def confirm(point: np.ndarray, query: Query = query) -> np.ndarray | None:
            return point if query.excess(circuit, point[None])[0] <= 0 else None

        found = search(Propagation(circuit), query, Deadline(60), confirm, split)  # type: ignore[arg-type]
        assert found.status == status
        assert (found.witness is None) == (status == "unsat")


def test_ties_decide_where_inputs_are_many() -> None:
    """max(x, 0) summed over 12 coordinates minus the sum of x is at least 0, and 0 wherever no x is negative."""
    builder = CircuitBuilder(12)
    active = builder.relu(builder.affine([(0, np.eye(12))], np.zeros(12)))
    circuit = builder.build(builder.affine([(active, np.ones((1, 12))), (0, -np.ones((1, 12)))], [0.0]))
    assert decide(circuit, parse_property(text(12, 1, "(assert (<= Y_0 -0.01))")), 30).status == "unsat"
    assert decide(circuit, parse_property(text(12, 1, "(assert (<= Y_0 0))")), 30).status == "sat"


def test_several_rows_and_cases_and_inputs_in_rows() -> None:
    builder = CircuitBuilder(1)
    both = builder.relu(builder.affine([(0, [[1.0], [-1.0]])], [0.0, 0.0]))
    circuit = builder.build(both)  # (x⁺, x⁻): never both positive
    together = "(assert (>= Y_0 0.001)) (assert (>= Y_1 0.001))"
    assert decide(circuit, parse_property(text(1, 2, together)), 20).status == "unsat"
    either = "(assert (or (and (>= Y_0 0.5) (>= Y_1 0.5)) (>= Y_1 (+ 0.25 (* 0.5 Y_0) 0.25))))"
    found = decide(circuit, parse_property(text(1, 2, either)), 20)
    assert found.status == "sat"
    assert found.witness is not None
    assert found.witness.inputs[0] <= -0.5
    slanted = "(assert (<= (+ Y_0 X_0) -0.001)) (assert (>= X_0 -0.5)) (assert (<= Y_1 (- 0.002 X_0 0.003)))"
    assert decide(circuit, parse_property(text(1, 2, slanted)), 20).status == "unsat"  # y_1 = −x for x < 0


def test_strict_inequalities_need_strict_witnesses() -> None:
    circuit = CircuitBuilder(1).build(0)
    box = text(1, 1, "", ("0", "1"))
    assert decide(circuit, parse_property(box + "(assert (>= Y_0 1))"), 5).status == "sat"
    assert decide(circuit, parse_property(box + "(assert (> Y_0 1))"), 5).status in ("unsat", "unknown")
    assert decide(circuit, parse_property(box + "(assert (> Y_0 0.99))"), 5).status == "sat"


def test_strict_bounds_of_inputs_are_kept() -> None:
    """y = x reaches 1 only where x does, which the strict bound leaves out of a closed box."""
    circuit = CircuitBuilder(1).build(0)
    box = text(1, 1, "", ("0", "1"))
    for bound in ("(assert (< X_0 1))", "(assert (> 1 X_0))"):
        wanted = parse_property(box + bound + "(assert (>= Y_0 1))")
        assert [row.strict for row in wanted.cases[0].inequalities] == [True, False]
        assert decide(circuit, wanted, 5).status in ("unsat", "unknown")


def test_rows_are_searched_with_their_signs() -> None:
    """Of y = x, y − x ≤ 1/10 holds everywhere, and y + x ≤ 1/10 nowhere on [0.7, 1.1]; ends are rounded outwards."""
    circuit = CircuitBuilder(1).build(0)
    for sign, status in (("-", "sat"), ("+", "unsat")):
        wanted = parse_property(text(1, 1, f"(assert (<= ({sign} Y_0 X_0) 0.1))", ("0.7", "1.1")))
        query = _query(wanted.cases[0], wanted)
        assert query.inputs.tolist() == [[-1.0 if sign == "-" else 1.0]]
        assert query.outputs.tolist() == [[1.0]]
        assert Fraction(query.lower[0]) <= Fraction("0.7")
        assert Fraction(query.upper[0]) >= Fraction("1.1")
        assert Fraction(query.bounds[0]) >= Fraction("0.1")
        found = search(Propagation(circuit), query, Deadline(20), partial(confirmed, circuit, wanted.cases[0]))
        assert found.status == status


def test_no_part_is_excluded_that_reaches_a_bound_by_little() -> None:
    """x ≥ 1 − g on [0, 1] holds for some x, if it is only g wide; x ≥ 1 + g for none."""
    circuit = CircuitBuilder(1).build(0)
    for gap in (1e-4, 1e-8, 0.0, -1e-8):
        query = Query(np.zeros(1), np.ones(1), np.zeros((1, 1)), -np.ones((1, 1)), np.array([gap - 1]))

        def confirm(point: np.ndarray, least: float = 1 - gap) -> np.ndarray | None:
            return point if point[0] >= least else None

        found = search(Propagation(circuit), query, Deadline(20), confirm)
        assert found.status == ("sat" if gap >= 0 else "unsat"), gap


def test_unequal_is_either_side() -> None:
    left, right = Linear({("Y", 0): Fraction(1)}, Fraction(0)), Linear({}, Fraction(2))
    below, above = ((((0, Fraction(sign)),), Fraction(2 * sign)) for sign in (1, -1))
    for sign, every, strict in (("==", True, False), ("!=", False, True)):
        found = compared(sign, left, right)
        assert isinstance(found, Junction)
        assert found.every == every
        expected = tuple(Inequality((), weights, bound, strict) for weights, bound in (below, above))
        assert found.parts == expected


def test_a_point_as_box_and_a_time_limit() -> None:
    circuit = network(0, "relu")
    at = circuit.exact(Rationals.of([[Fraction("0.1"), Fraction("0.1")]])).fractions()[0][0]
    for sign, status in ((1, "unsat"), (-1, "sat")):
        claim = f"(assert (>= Y_0 {float(at + sign * Fraction(1, 1000))!r}))"
        assert decide(circuit, parse_property(text(2, 2, claim, ("0.1", "0.1"))), 20).status == status
    result = decide(circuit, parse_property(text(2, 2, "(assert (>= Y_0 1e6))")), 0.0)
    assert (result.status, result.witness, result.text()) == ("timeout", None, "timeout")


def test_products_below_the_least_float_count() -> None:
    """Weights of 1e-165 in a row: their product is 0 in floats, but what comes behind makes it 1 again."""
    builder = CircuitBuilder(1)
    node = 0
    for weight in (1e-165, 1e-165, 1e110, 1e110, 1e110):
        node = builder.relu(builder.affine([(node, [[weight]])], [0.0]))
    circuit = builder.build(builder.affine([(node, [[1.0]])], [0.0]))
    propagation = Propagation(circuit)
    state, _ = propagation.bounded(np.array([[0.5]]), np.array([[1.0]]))
    assert state.ends[circuit.output].upper[0, 0] >= 1
    rows = {circuit.output: np.array([[[-1.0]]])}
    assert propagation.forms(state, rows).least(state.lower, state.upper)[0, 0] <= -1
    assert propagation.interval_least(state, rows)[0, 0] <= -1


def test_contracted_boxes_keep_every_solution() -> None:
    rng = np.random.default_rng(0)
    lower, upper = -np.ones((200, 3)), np.ones((200, 3))
    forms = Forms(rng.normal(size=(200, 2, 3)), rng.normal(size=(200, 2)), np.zeros((200, 2)))
    low, high, empty = contracted(forms, np.zeros(2), lower, upper)
    assert empty.any()
    assert ((low > -1) | (high < 1)).any()
    points = rng.uniform(-1, 1, size=(500, 3))
    holds = (np.einsum("brd,nd->bnr", forms.slopes, points) + forms.constant[:, None] <= 0).all(axis=2)
    inside = ((points[None] >= low[:, None]) & (points[None] <= high[:, None])).all(axis=2)
    assert (inside | ~holds).all()
    assert not (holds & empty[:, None]).any()


def test_files_and_the_text_of_a_verdict(tmp_path: Path) -> None:
    path = tmp_path / "p.vnnlib"
    path.write_text("; a comment ( with parentheses\n" + text(1, 1, "(assert (>= Y_0 0.5))"), encoding="utf-8")
    circuit = CircuitBuilder(1).build(0)
    result = verify_property(circuit, path, 5)
    lines = result.text().splitlines()
    assert lines[0] == "sat"
    assert lines[1].startswith("((X_0 ")
    assert lines[2].endswith("))")
    assert read_property(path).cases[0].lower == (Fraction(-1),)
    with pytest.raises(InvalidInput, match="1 inputs and 1 outputs, the model 2 and 2"):
        verify_property(CircuitBuilder(2).build(0), path, 5)
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_property(tmp_path / "none.vnnlib")
    (tmp_path / "b.vnnlib").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FormatError, match="is not text"):
        read_property(tmp_path / "b.vnnlib")


def test_equal_numbers_are_exact() -> None:
    wanted = parse_property(text(1, 1, "(assert (= (* 2 Y_0) (- (+ X_0 0.3) (* 3 X_0) -1e-2)))", ("-1e-1", "+.1")))
    (case,) = wanted.cases
    assert (case.lower, case.upper) == ((Fraction(-1, 10),), (Fraction(1, 10),))
    first, second = case.inequalities
    assert first.inputs == ((0, Fraction(2)),)
    assert first.outputs == ((0, Fraction(2)),)
    assert first.bound == Fraction(31, 100)
    assert second.bound == -first.bound


ONE = "(declare-const X_0 Real)(declare-const Y_0 Real)(assert (<= X_0 1))(assert (>= X_0 0))"


@pytest.mark.parametrize(
    ("content", "error", "says"),
    [
        ("", FormatError, "0 inputs"),
        ("(declare-const X_0 Real)", FormatError, "0 outputs"),
        ("(declare-const X_0 Real", FormatError, "line 1: '\\(' is never closed"),
        (ONE + "\n)", FormatError, "line 2: '\\)' closes nothing"),
        ("(declare-const Z_0 Real)", FormatError, "found the name 'Z_0', expected X_0"),
        ("(declare-const X_0 Bool)", FormatError, "the sort 'Bool'"),
        ("(declare-const X_0 Real)(declare-const X_0 Real)", FormatError, "second declaration of X_0"),
        ("(declare-const X_1 Real)(declare-const Y_0 Real)", FormatError, "X_0 is not declared, but X_1 is"),
        ("(check-sat)", FormatError, "check-sat"),
        ("hello", FormatError, "'hello'"),
        ("()", FormatError, "name of an operation"),
        (ONE + "(assert (<= Y_1 0))", FormatError, "Y_1, which is not declared"),
        (ONE + "(assert (<= Y_0))", FormatError, "1 arguments of <=, expected 2"),
        (ONE + "(assert (and))", FormatError, "at least one formula"),
        (ONE + "(assert (not (<= Y_0 1)))", FormatError, "'not'"),
        (ONE + "\n\n(assert (<= Y_0 nan))", FormatError, "line 3: 'nan' is not a number"),
        (ONE + "(assert (<= Y_0 1e999999))", FormatError, "digits"),
        (ONE + "(assert (<= Y_0 " + "1" * 6000 + "))", FormatError, "digits"),
        (ONE + "(assert (<= (* Y_0 X_0) 1))", Unsupported, "multiplies variables"),
        (ONE + "(assert (<= (/ Y_0 2) 1))", FormatError, "'\\(/ …\\)'"),
        (ONE + "(assert " + "(and " * 200 + ")" * 201, FormatError, "more than 100 parentheses"),
        ("(declare-const X_0 Real)(declare-const Y_0 Real)(assert (<= X_0 1))", InvalidInput, "X_0 has no lower bound"),
        (ONE + "(assert (>= X_0 2))", InvalidInput, "contradict"),
        (ONE + "(assert (or (<= Y_0 1) (<= Y_0 2)))" * 14, Unsupported, "more than 10000 cases"),
    ],
)
def test_errors_of_the_parser(content: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        parse_property(content)


SECOND = """(vnnlib-version <2.0>)
(declare-network f (declare-input X real [2,1]) (declare-output Y real [1,2]))
(assert (and (>= X[0,0] 0.1) (<= X[0,0] 1.0) (>= X[1,0] -1.0) (<= X[1,0] 1.0)))
(assert (or (<= (+ Y[0,0] (* 2.0 X[1,0])) (- Y[0,1] 3.0)) (> Y[0,1] -0.001)))
"""


def test_second_version() -> None:
    first, second = parse_property(SECOND).cases
    assert first.lower == second.lower == (Fraction(1, 10), Fraction(-1))
    assert first.inequalities[0].inputs == ((1, Fraction(2)),)
    assert first.inequalities[0].outputs == ((0, Fraction(1)), (1, Fraction(-1)))
    assert first.inequalities[0].bound == -3
    assert second.inequalities[0].strict
    with pytest.raises(FormatError, match=r"not VNN-LIB 2\.0"):
        parse_property("(vnnlib-version <2.0>) (assert")


def test_second_version_without_its_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vnnlib", None)
    with pytest.raises(Unsupported, match="which is read by the package 'vnnlib'"):
        parse_property(SECOND)


def test_smooth_witnesses_at_decimal_bounds() -> None:
    """The maximum lies at 0.1, which is no float: its value is enclosed."""
    builder = CircuitBuilder(1)
    circuit = builder.build(builder.pairs_with_zero(0, 0.5))
    value = 0.5 * np.log1p(np.exp(0.2))
    for box in (("-1", "0.1"), ("0.1", "0.1")):
        below = decide(circuit, parse_property(text(1, 1, f"(assert (>= Y_0 {value - 1e-9:.15f}))", box)), 20)
        above = decide(circuit, parse_property(text(1, 1, f"(assert (>= Y_0 {value + 1e-9:.15f}))", box)), 20)
        assert (below.status, above.status) == ("sat", "unsat")
        assert below.witness is not None
        assert not below.witness.exact
        assert Fraction(-1) <= below.witness.inputs[0] <= Fraction("0.1")

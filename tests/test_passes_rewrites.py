"""Each rewrite happens where it may, and does not happen where it must not."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse as sp
from circuits_for_passes import exactly
from hypothesis import given
from hypothesis import strategies as st

import tropixc.passes._rows as rows_module
from tropix import Circuit
from tropix.boxes import Box
from tropix.circuits import Affine, CircuitBuilder, Gibbs, Input, LogSumExp, Pointwise, Product, uniform_segments
from tropix.errors import InvalidInput
from tropix.polynomials import TropicalPolynomial
from tropixc.passes import (
    DropDominated,
    DropUnused,
    FuseAffine,
    InferTemperatures,
    MergeCommon,
    MergeNested,
    RaisePairs,
    SettleOnBox,
    Size,
    explain,
    optimize,
)
from tropixc.passes._rows import numbered


def kinds(circuit: Circuit) -> list[str]:
    return [type(node).__name__ for node in circuit.nodes]


def one(size: int) -> np.ndarray:
    return uniform_segments(1, size)


def widths(circuit: Circuit) -> list[list[int]]:
    return [node.widths.tolist() for node in circuit.nodes if isinstance(node, LogSumExp)]


# -- full precision --


def test_weights_of_full_precision_are_selected_and_scaled() -> None:
    builder = CircuitBuilder(2)
    weights = np.random.default_rng(0).normal(size=(3, 2))
    first = builder.affine([(0, weights)], weights[:, 0])
    fused = FuseAffine()(builder.build(builder.affine([(first, [[0.0, -0.5, 0.0], [1.0, 0.0, 0.0]])], [0.0, 0.0])))
    assert kinds(fused) == ["Input", "Affine"]
    assert fused.nodes[1].terms[0].matrix.tolist() == [(-0.5 * weights[1]).tolist(), weights[0].tolist()]  # type: ignore[union-attr]


def test_a_source_that_two_read_is_not_computed_twice() -> None:
    builder = CircuitBuilder(2)
    source = builder.affine([(0, [[1.0, 3.0], [3.0, 5.0]])], np.zeros(2))
    ends = [builder.affine([(source, [[1.0, k], [k, 3.0]])], np.zeros(2)) for k in (3.0, 5.0)]
    fused = FuseAffine()(builder.build(builder.add(Product(*ends, 2))))
    assert kinds(fused) == ["Input", "Affine", "Affine", "Affine", "Product"]


# -- sources that are read twice --


@pytest.mark.parametrize("step", [DropDominated(), MergeCommon(), RaisePairs(), MergeNested(), optimize])
def test_weights_that_one_float_cannot_hold_together(step: object) -> None:
    """x·10¹⁶ + x and x·10¹⁶ differ, though their rounded weights do not."""
    builder = CircuitBuilder(1)
    pieces = builder.affine([(0, [[1e16], [1e16], [0.0]]), (0, [[0.0], [1.0], [0.0]])], np.zeros(3))
    first = builder.log_sum_exp(pieces, 0.0, one(3))
    halves = builder.affine([(pieces, [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])], np.zeros(2))
    second = builder.log_sum_exp(halves, 0.0, uniform_segments(2, 1))
    third = builder.affine([(first, [[1.0], [0.0]]), (second, [[0.0, 0.0], [-1.0, 1.0]])], np.zeros(2))
    circuit = builder.build(third)
    after = step(circuit)  # type: ignore[operator]
    for x in (Fraction(3), Fraction(-5, 7)):
        assert exactly(after, [x]) == [max(x * (10**16 + 1), x * 10**16, 0), x]


# -- pairs --


def paired(weights: list[float], bias: float, factor: float, own: list[float]) -> Circuit:
    """factor·relu(weights·x + bias) + own·x."""
    builder = CircuitBuilder(len(weights))
    hidden = builder.relu(builder.affine([(0, [weights])], [bias]))
    return builder.build(builder.affine([(0, [own]), (hidden, [[factor]])], [0.0]))


def test_a_negative_factor_gives_a_minimum() -> None:
    after = optimize(paired([1.0, -1.0], 0.5, -1.0, [1.0, 0.0]))
    assert kinds(after) == ["Input", "Affine", "LogSumExp", "Affine"]
    inner, top = after.nodes[1], after.nodes[3]
    assert isinstance(inner, Affine)
    assert isinstance(top, Affine)
    assert sp.csr_array(top.terms[0].matrix).toarray().tolist() == [[-1.0]]
    assert {(*row, b) for row, b in zip((-inner.terms[0].matrix).tolist(), (-inner.bias).tolist(), strict=True)} == {  # type: ignore[union-attr,operator]
        (1.0, 0.0, 0.0),
        (0.0, 1.0, -0.5),
    }


@pytest.mark.parametrize(
    ("weights", "factor", "own"),
    [
        ([1.0, 1 / 3], 1 / 3, [1 / 3, 0.0]),
        ([2.0**600, 2.0**-600], 1.0, [2.0**600, 1.0]),
        ([1.0, 1.0], -2.5, [0.0, 0.0]),
    ],
    ids=["rounded", "too far apart", "a multiple alone"],
)
def test_pairs_that_stay(weights: list[float], factor: float, own: list[float]) -> None:
    circuit = paired(weights, 0.0, factor, own)
    after = RaisePairs()(circuit)
    assert not any("raised" in name for name in after.names)
    for point in ([Fraction(1), Fraction(2)], [Fraction(-1), Fraction(2**700)]):
        assert exactly(optimize(circuit), point) == exactly(circuit, point)


@pytest.mark.parametrize(
    ("pieces", "factors", "own"),
    [
        ([[2.0**600, 2.0**-600, 1.0], [0.0, 0.0, 1.0]], [1.0], [0.0, 0.0, -1.0]),
        ([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]] * 2, [1.0, 2.0**-60], [0.0, 0.0, 0.0]),
        ([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]], [1.0], [2.0**60, 0.0, 0.0]),
        ([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 0.0]], [1.0, -1.0], [2.0**60, 0.0, 0.0]),
    ],
    ids=[
        "the direction underflows",
        "the weights add up inexactly",
        "the new pieces are rounded",
        "what is left is rounded",
    ],
)
def test_maxima_that_cannot_be_raised_exactly(
    pieces: list[list[float]], factors: list[float], own: list[float]
) -> None:
    builder = CircuitBuilder(3)
    pairs = builder.affine([(0, pieces)], np.zeros(len(pieces)))
    joined = builder.log_sum_exp(pairs, 0.0, uniform_segments(len(factors), 2))
    circuit = builder.build(builder.affine([(0, [own]), (joined, [factors])], [0.0]))
    after = RaisePairs()(circuit)
    for point in ([1, 0, 0], [-1, 3, 0], [0, 2**700, 1], [3, 0, 5]):
        assert exactly(after, [Fraction(v) for v in point]) == exactly(circuit, [Fraction(v) for v in point])


def test_pairs_of_positive_temperature_stay() -> None:
    builder = CircuitBuilder(1)
    soft = builder.pairs_with_zero(builder.affine([(0, [[1.0], [-1.0]])], np.zeros(2)), 0.5)
    circuit = builder.build(builder.affine([(soft, [[1.0, -1.0]])], [0.0]))
    assert kinds(RaisePairs()(circuit)) == kinds(circuit)


# -- nested --


def nested(inner_eps: float, outer_eps: float, factor: float, *, twice: bool = False, constant: float = 0.0) -> Circuit:
    builder = CircuitBuilder(3)
    inner = builder.log_sum_exp(0, inner_eps, np.array([0, 2, 3]))
    pieces = builder.affine([(inner, np.eye(2) * factor)], [constant, 0.0])
    outer = builder.log_sum_exp(pieces, outer_eps, one(2))
    if not twice:
        return builder.build(outer)
    return builder.build(builder.affine([(outer, [[1.0]]), (inner, [[1.0, 1.0]])], [0.0]))


@pytest.mark.parametrize(
    ("circuit", "merges"),
    [
        (nested(0.0, 0.0, 1.0), True),
        (nested(0.0, 0.0, 2.5, constant=1.0), True),
        (nested(0.5, 0.5, 1.0, constant=1.0), True),
        (nested(0.5, 0.5, 2.0), False),
        (nested(0.5, 0.25, 1.0), False),
        (nested(0.5, 0.0, 1.0), False),
        (nested(0.0, 0.5, 1.0), False),
        (nested(0.0, 0.0, -1.0), False),
        (nested(0.0, 0.0, 1.0, twice=True), False),
    ],
)
def test_nested_maxima(circuit: Circuit, merges: bool) -> None:
    after = MergeNested()(circuit)
    assert (widths(after) == [[3]]) == merges
    points = np.random.default_rng(0).normal(size=(9, 3))
    for scale in (1.0, 0.3, 0.0):
        np.testing.assert_allclose(after.heat(scale)(points), circuit.heat(scale)(points), rtol=1e-12, atol=1e-12)


def test_of_nested_maxima_those_that_are_exact_are_opened() -> None:
    builder = CircuitBuilder(3)
    parts = builder.affine([(0, [[1 / 3, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])], np.zeros(4))
    inner = builder.log_sum_exp(parts, 0.0, uniform_segments(2, 2))
    pieces = builder.affine([(inner, [[1 / 3, 0.0], [0.0, 1.0]])], np.zeros(2))
    circuit = builder.build(builder.log_sum_exp(pieces, 0.0, one(2)))
    after = MergeNested()(circuit)
    assert widths(after) == [[2, 2], [3]]
    for x in ([9, 1, 0], [-9, -7, -5], [0, 8, 1]):
        point = [Fraction(v) for v in x]
        assert exactly(after, point) == exactly(circuit, point)


def test_nested_without_an_affine_node_between() -> None:
    builder = CircuitBuilder(4)
    inner = builder.log_sum_exp(0, 0.5, uniform_segments(2, 2))
    after = optimize(builder.build(builder.log_sum_exp(inner, 0.5, one(2))))
    assert kinds(after) == ["Input", "LogSumExp"]
    assert widths(after) == [[4]]


# -- common, unused --


def test_equal_nodes_become_one() -> None:
    builder = CircuitBuilder(2)
    copies = []
    for matrix in (np.array([[1.0, 2.0], [3.0, 5.0]]), sp.csr_array([[1.0, 2.0], [3.0, 5.0]])):
        wide = builder.affine([(0, matrix)], [1.0, 1.0])
        copies.append(builder.add(Pointwise(builder.add(Gibbs(wide, 0.5, one(2))), "exp", 2)))
    after = MergeCommon()(builder.build(builder.add(Product(*copies, 2))))
    assert kinds(after) == ["Input", "Affine", "Gibbs", "Pointwise", "Product"]


@pytest.mark.parametrize(
    ("matrix", "bias", "eps"),
    [([[2.0, 1.0], [3.0, 5.0]], 1.0, 0.5), ([[1.0, 2.0], [3.0, 5.0]], 2.0, 0.5), ([[1.0, 2.0], [3.0, 5.0]], 1.0, 0.25)],
)
def test_nodes_that_differ_stay_two(matrix: list[list[float]], bias: float, eps: float) -> None:
    builder = CircuitBuilder(2)
    one_ = builder.log_sum_exp(builder.affine([(0, [[1.0, 2.0], [3.0, 5.0]])], [1.0, 1.0]), 0.5, one(2))
    two = builder.log_sum_exp(builder.affine([(0, matrix)], [bias, 1.0]), eps, one(2))
    after = MergeCommon()(builder.build(builder.add(Product(one_, two, 1))))
    assert kinds(after).count("LogSumExp") == 2


def test_equal_segments_in_any_order_are_computed_once() -> None:
    builder = CircuitBuilder(2)
    pieces = builder.affine(
        [(0, [[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])], np.zeros(6)
    )
    joined = builder.log_sum_exp(pieces, 0.5, uniform_segments(3, 2))
    after = optimize(builder.build(joined))
    assert widths(after) == [[2, 2]]


@given(st.lists(st.lists(st.integers(0, 2), max_size=3), min_size=1, max_size=8))
def test_equal_lists_have_equal_numbers(lists: list[list[int]]) -> None:
    ends = np.concatenate([[0], np.cumsum([len(part) for part in lists])])
    values = np.array([v for part in lists for v in part], dtype=np.int32)
    seen: dict[tuple[int, ...], int] = {}
    expected = [seen.setdefault(tuple(part), len(seen)) for part in lists]
    assert numbered(ends, values, values.astype(np.float64)).tolist() == expected


def test_checksums_that_collide_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "_mixed", lambda words: np.zeros(len(words[0]), dtype=np.uint64))
    assert numbered(np.array([0, 2, 4, 6, 6, 7]), np.array([1, 2, 2, 1, 1, 2, 1])).tolist() == [0, 1, 0, 2, 3]
    assert numbered(np.array([0, 2, 3]), np.array([1, 2, 1])).tolist() == [0, 1]


def test_components_that_nothing_reads_go() -> None:
    builder = CircuitBuilder(2)
    wide = builder.affine([(0, np.arange(12.0).reshape(6, 2))], np.arange(6.0))
    joined = builder.log_sum_exp(wide, 0.5, np.array([0, 1, 3, 6]))
    weights = builder.add(Gibbs(wide, 0.5, np.array([0, 1, 3, 6])))
    circuit = builder.build(builder.affine([(joined, [[0.0, 1.0, 0.0]]), (weights, [[0, 0, 1.0, 0, 0, 0]])], [0.0]))
    after = DropUnused()(circuit)
    assert [node.size for node in after.nodes] == [2, 2, 1, 2, 1]
    points = np.random.default_rng(0).normal(size=(5, 2))
    np.testing.assert_allclose(after(points), circuit(points), rtol=1e-14)


def test_readers_of_different_components_each_find_theirs() -> None:
    builder = CircuitBuilder(1)
    wide = builder.affine([(0, [[1.0], [2.0], [3.0], [5.0]])], np.zeros(4))
    squares = builder.add(Product(wide, wide, 4))
    circuit = builder.build(builder.affine([(wide, [[0.0, 1.0, 0.0, 1.0]]), (squares, [[0.0, 0.0, 1.0, 0.0]])], [0.0]))
    after = DropUnused()(circuit)
    assert after.nodes[1].size == 3
    assert exactly(after, [Fraction(1)]) == [2 + 5 + 9]


# -- dominated --


@given(seed=st.integers(0, 10**6), boxed=st.booleans())
def test_what_is_left_of_a_maximum_is_the_pruned_polynomial(seed: int, boxed: bool) -> None:
    rng = np.random.default_rng(seed)
    inputs, count = int(rng.integers(1, 3)), int(rng.integers(1, 9))
    slopes, constants = rng.integers(-2, 3, size=(count, inputs)), rng.integers(-3, 4, size=count)
    builder = CircuitBuilder(inputs)
    pieces = builder.affine([(0, slopes.astype(float))], constants.astype(float))
    circuit = builder.build(builder.log_sum_exp(pieces, 0.0, one(count)))
    box = Box.of((-1.0, 2.0), inputs) if boxed else None
    after = optimize(circuit, box, ["drop-dominated"])
    kept = int(after.nodes[after.output].segments[-1])  # type: ignore[union-attr]
    least = len(TropicalPolynomial(slopes, constants).prune(box).coefficients)
    assert kept == least or (kept == 2 and least == 1)  # a pair is left to SettleOnBox
    for point in np.stack(np.meshgrid(*[np.arange(-4, 9)] * inputs), -1).reshape(-1, inputs):
        x = [Fraction(int(v), 4) for v in point]
        expected = max(
            sum(int(a) * v for a, v in zip(row, x, strict=True)) + int(c)
            for row, c in zip(slopes, constants, strict=True)
        )
        assert exactly(after, x) == [expected]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_lattice_absorption(sign: float) -> None:
    """max(min(a, b), min(a, b, c)) = min(a, b), max(max(a, b), max(a, b, c)) = max(a, b, c)."""
    builder = CircuitBuilder(3)
    parts = builder.affine([(0, np.eye(3)[[0, 1, 0, 1, 2]])], np.zeros(5))
    inner = builder.log_sum_exp(parts, 0.0, np.array([0, 2, 5]))
    outer = builder.log_sum_exp(builder.affine([(inner, np.eye(2) * sign)], np.zeros(2)), 0.0, one(2))
    after = DropDominated()(builder.build(outer))
    selected = after.nodes[after.nodes[after.output].source]  # type: ignore[union-attr]
    assert sp.csr_array(selected.terms[0].matrix).toarray().tolist() == ([[0.0, 1.0]] if sign > 0 else [[1.0, 0.0]])  # type: ignore[union-attr]


@pytest.mark.parametrize(("eps", "constant", "factor"), [(0.0, 5.0, 1.0), (0.5, 0.0, 1.0), (0.0, 0.0, 2.0)])
def test_no_absorption_past_constants_temperatures_and_factors(eps: float, constant: float, factor: float) -> None:
    """max(max(a, b) + 5, max(a, b, c)) has two pieces, and so has max(a ⊕ a ⊕ b, a ⊕ b ⊕ c) at ε > 0."""
    builder = CircuitBuilder(3)
    chosen = [0, 1, 0, 1, 2] if eps == 0.0 else [0, 0, 1, 0, 1, 2]
    parts = builder.affine([(0, np.eye(3)[chosen])], np.zeros(len(chosen)))
    inner = builder.log_sum_exp(parts, eps, np.array([0, len(chosen) - 3, len(chosen)]))
    outer = builder.log_sum_exp(builder.affine([(inner, np.diag([factor, 1.0]))], [constant, 0.0]), 0.0, one(2))
    after = DropDominated()(builder.build(outer))
    assert after.nodes[after.output].segments.tolist() == [0, 2]  # type: ignore[union-attr]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_of_equal_pieces_one_stays(sign: float) -> None:
    builder = CircuitBuilder(2)
    inner = builder.log_sum_exp(
        builder.affine([(0, np.eye(2)[[0, 1, 1, 0]])], np.zeros(4)), 0.0, uniform_segments(2, 2)
    )
    outer = builder.log_sum_exp(builder.affine([(inner, np.eye(2) * sign)], np.zeros(2)), 0.0, one(2))
    assert widths(DropDominated()(builder.build(outer)))[-1] == [1]


def test_of_parallel_pieces_the_highest_stays_at_temperature_zero_alone() -> None:
    builder = CircuitBuilder(1)
    pieces = builder.affine([(0, [[1.0], [1.0], [2.0]])], [0.0, 1.0, 0.0])
    cold, hot = (builder.build(builder.log_sum_exp(pieces, eps, one(3))) for eps in (0.0, 0.5))
    assert widths(DropDominated()(cold)) == [[2]]
    assert exactly(DropDominated()(cold), [Fraction(0)]) == [1]
    assert widths(DropDominated()(hot)) == [[3]]


# -- boxes --


def test_stable_relus_become_affine_on_the_box() -> None:
    builder = CircuitBuilder(1)
    circuit = builder.build(builder.relu(builder.affine([(0, [[1.0], [1.0], [1.0]])], [1.0, -1.0, 0.0])))
    after = SettleOnBox(Box.of((-0.999, 0.999), 1))(circuit)
    assert widths(after) == [[1, 1, 2]]
    assert widths(SettleOnBox(Box.of((-1.001, 1.001), 1))(circuit)) == [[2, 2, 2]]


def test_differences_settle_what_bounds_of_the_pieces_do_not() -> None:
    builder = CircuitBuilder(2)
    hot = builder.log_sum_exp(0, 0.5, one(2))
    pieces = builder.affine([(hot, [[1.0], [1.0]]), (0, [[1.0, 0.0], [1.0, 0.1]])], [0.0, 1.0])
    circuit = builder.build(builder.log_sum_exp(pieces, 0.0, one(2)))
    assert widths(SettleOnBox(Box.of((-5.0, 5.0), 2))(circuit)) == [[2], [1]]
    assert widths(SettleOnBox(Box.of((-50.0, 5.0), 2))(circuit)) == [[2], [2]]


def test_what_holds_at_one_temperature_alone_settles_nothing() -> None:
    """x ⊕₁ x = x + log 2 exceeds x + ½, and max(x, x) does not."""
    builder = CircuitBuilder(1)
    hot = builder.log_sum_exp(builder.affine([(0, [[1.0], [1.0]])], np.zeros(2)), 1.0, one(2))
    pieces = builder.affine([(hot, [[1.0], [0.0]]), (0, [[0.0], [1.0]])], [0.0, 0.5])
    circuit = builder.build(builder.log_sum_exp(pieces, 0.0, one(2)))
    after = optimize(circuit, (0.0, 0.01))
    for scale in (0.0, 0.1, 1.0, 10.0):
        assert after.heat(scale)([[0.005]]) == pytest.approx(circuit.heat(scale)([[0.005]]))


def test_bounds_at_every_temperature_hold_at_each() -> None:
    builder = CircuitBuilder(2)
    hot = builder.log_sum_exp(0, 1.0, one(2))
    weights = builder.add(Gibbs(0, 1.0, one(2)))
    circuit = builder.build(builder.affine([(hot, [[1.0]]), (weights, [[1.0, -1.0]])], [0.0]))
    box = Box.of((-1.0, 1.0), 2)
    for scale in (0.0, 0.5, 1.0, 20.0):
        for value, bound in zip(
            circuit.heat(scale).values(box.sample(50, np.random.default_rng(0))),
            circuit.bounds(box, every_temperature=True),
            strict=True,
        ):
            assert (value >= bound.lower).all()
            assert (value <= bound.upper).all()


# -- temperatures --


@pytest.mark.parametrize(("size", "found"), [(4, 2.0), (16, 4.0), (64, 8.0), (8, 1.0)])
def test_attention_has_the_temperature_of_its_scaling(size: int, found: float) -> None:
    """q·k/√d_k: products summed, and divided by √d_k where that is a power of two."""
    builder = CircuitBuilder(size)
    rng = np.random.default_rng(0)
    queries = builder.affine([(0, np.vstack([rng.normal(size=(size, size))] * 3))], np.zeros(3 * size))
    keys = builder.affine([(0, rng.normal(size=(3 * size, size)))], np.zeros(3 * size))
    products = builder.add(Product(queries, keys, 3 * size))
    logits = builder.affine([(products, np.kron(np.eye(3), np.ones((1, size))))], np.zeros(3))
    scaled = builder.affine([(logits, np.eye(3) * (1 / np.sqrt(size)))], np.zeros(3))
    circuit = builder.build(builder.add(Gibbs(scaled, 1.0, one(3))))
    after = optimize(circuit)
    assert after.temperatures == (found,)
    points = rng.normal(size=(5, size)) / size
    np.testing.assert_allclose(after(points), circuit(points), rtol=1e-10)


@pytest.mark.parametrize(
    ("matrix", "bias", "eps", "found"),
    [
        ([[0.5, 0.0], [0.0, -0.5]], 0.0, 1.0, 2.0),
        ([[2.0, 0.0], [0.0, 2.0]], 0.0, 3.0, 1.5),
        ([[3.0, 0.0], [0.0, 3.0]], 0.0, 3.0, 3.0),
        ([[0.5, 0.0], [0.0, 0.25]], 0.0, 1.0, 1.0),
        ([[0.5, 0.0], [0.0, 0.5]], 1.0, 1.0, 1.0),
        ([[0.0, 0.0], [0.0, 0.0]], 0.0, 1.0, 1.0),
    ],
)
def test_factors_of_softmax_weights(matrix: list[list[float]], bias: float, eps: float, found: float) -> None:
    builder = CircuitBuilder(2)
    logits = builder.affine([(0, matrix)], [bias, 0.0])
    circuit = builder.build(builder.add(Gibbs(logits, eps, one(2))))
    after = InferTemperatures()(circuit)
    assert after.temperatures == (found,)
    points = np.random.default_rng(0).normal(size=(5, 2))
    for scale in (1.0, 0.25, 0.0):
        np.testing.assert_allclose(after.heat(scale)(points), circuit.heat(scale)(points), rtol=1e-13)


def test_a_scaled_log_sum_exp_that_another_reads_keeps_its_temperature() -> None:
    builder = CircuitBuilder(2)
    joined = builder.log_sum_exp(0, 1.0, one(2))
    twice = builder.affine([(joined, [[2.0]])], [0.0])
    circuit = builder.build(builder.add(Product(joined, twice, 1)))
    assert optimize(circuit).temperatures == (1.0,)


# -- the pipeline --


def test_explain_tells_each_step() -> None:
    circuit = paired([1.0, -1.0], 0.5, 1.0, [0.0, 1.0])
    steps = explain(circuit, passes=["settle-on-box", "fuse-affine", RaisePairs()])
    assert [step.name for step in steps] == ["fuse-affine", "RaisePairs"]
    assert steps[0].before == Size.of(circuit)
    assert steps[0].after == steps[1].before == Size.of(steps[0].circuit)
    assert steps[1].after == Size.of(steps[1].circuit)
    assert Size.of(circuit) == Size(5, 2, 5)


def test_the_pipeline_refuses_unknown_passes_and_boxes_that_do_not_fit() -> None:
    circuit = Circuit((Input(2),), 0)
    with pytest.raises(InvalidInput, match="fuse-affine"):
        optimize(circuit, passes=["fuse"])
    with pytest.raises(InvalidInput):
        optimize(circuit, ([0.0] * 3, [1.0] * 3))
    assert optimize(circuit, passes=[]) is circuit


def test_a_box_settles_nothing_that_another_temperature_undoes() -> None:
    builder = CircuitBuilder(1)
    smooth = builder.pairs_with_zero(0, 1.0)  # softplus(x) > 1/2 on [0, 1], but its limit is not
    circuit = builder.build(builder.relu(builder.affine([(smooth, [[1.0]])], [-0.5])))
    after = optimize(circuit, (0.0, 1.0))
    for scale in (0.0, 0.1, 1.0):
        assert after.heat(scale)([[0.25]]) == pytest.approx(circuit.heat(scale)([[0.25]]), abs=1e-12)


def test_passes_that_find_nothing_return_the_circuit_and_are_not_asked_again() -> None:
    builder = CircuitBuilder(2)
    circuit = builder.build(builder.relu(builder.affine([(0, np.eye(2) / 3)], [0.1, 0.2])))
    simple = optimize(circuit)
    asked: list[str] = []

    class Watched:
        def __call__(self, given: Circuit) -> Circuit:
            asked.append("again")
            return given

    step = Watched()
    assert optimize(simple, passes=[step, step, "fuse-affine", step]) is simple
    assert asked == ["again"]

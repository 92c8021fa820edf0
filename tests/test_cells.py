"""The small linear programs against scipy, and verdicts on cells against exact arithmetic."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tropix import Box, kernels
from tropix.exact import Rationals
from tropix.polynomials._cells import Cells
from tropix.polynomials._dominance import Domination

FAR = 1e6


def problem(seed: int, dimension: int, sizes: list[int], count: int, *, integral: bool) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(sum(sizes), dimension + 1))
    if integral:
        rows = rng.integers(-2, 3, size=rows.shape).astype(float)
    offsets = np.cumsum([0, *sizes])
    chosen = np.column_stack([offsets[g] + rng.integers(size, size=count) for g, size in enumerate(sizes)])
    return np.ascontiguousarray(rows.T), offsets, rows[chosen], chosen


@pytest.mark.parametrize("integral", [False, True])
@pytest.mark.parametrize(
    ("dimension", "sizes"), [(1, [3]), (1, [2, 4]), (2, [9, 1]), (3, [20, 5]), (5, [9, 9, 9]), (12, [40])]
)
@pytest.mark.parametrize("ends", [(-np.inf, np.inf), (-0.5, 0.25), (-np.inf, 1.0)])
def test_programs_agree_with_scipy(dimension: int, sizes: list[int], ends: tuple[float, float], integral: bool) -> None:
    table, offsets, bases, chosen = problem(dimension, dimension, sizes, 30, integral=integral)
    box = np.array([np.full(dimension, ends[0]), np.full(dimension, ends[1])])
    gaps, points, columns = kernels.cell_programs(table, offsets, bases, chosen, box, FAR)
    expected = kernels.cell_programs_numpy(table, offsets, bases, chosen, box, FAR)
    np.testing.assert_allclose(gaps, expected, rtol=1e-7, atol=1e-7)
    # the points attain the values, in the box
    assert (points >= np.maximum(box[0], -FAR) - 1e-6).all()
    assert (points <= np.minimum(box[1], FAR) + 1e-6).all()
    owner = np.repeat(np.arange(len(sizes)), sizes)
    for q in range(len(gaps)):
        rows = table.T - bases[q][owner]
        rows = np.delete(rows, chosen[q], axis=0)
        top = (rows[:, :-1] @ points[q] + rows[:, -1]).max()
        assert top == pytest.approx(gaps[q], rel=1e-6, abs=1e-6)
    assert columns.shape == (30, dimension + 1)
    assert not (columns[:, :, None] == chosen[:, None, :]).any()


def test_rows_outside_the_table_and_more_threads_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    table, offsets, bases, _ = problem(0, 3, [30], 500, integral=False)
    bases = bases + 0.125
    free = np.full((500, 1), -1)
    box = np.array([[-np.inf] * 3, [np.inf] * 3])
    whole = kernels.cell_programs(table, offsets, bases, free, box, FAR)
    parts = [kernels.cell_programs(table, offsets, bases[i : i + 1], free[:1], box, FAR) for i in range(500)]
    for k in range(3):
        np.testing.assert_array_equal(whole[k], np.concatenate([part[k] for part in parts]))
    np.testing.assert_allclose(whole[0], kernels.cell_programs_numpy(table, offsets, bases, free, box, FAR), atol=1e-8)
    none = kernels.cell_programs(table, offsets, bases[:0], free[:0], box, FAR)
    assert [part.shape for part in none] == [(0,), (0, 3), (0, 4)]


def strict(cells: Cells, chosen: np.ndarray, point: Rationals) -> bool:
    """The definition, in Fractions."""
    x = point.fractions()[0]
    rows = cells.rows.fractions()
    values = [sum((w * v for w, v in zip(row[:-1], x, strict=True)), Fraction(0)) + row[-1] for row in rows]
    return all(
        values[k] > values[j]
        for g, k in enumerate(chosen)
        for j in range(cells.offsets[g], cells.offsets[g + 1])
        if j != k
    )


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_each_verdict_comes_with_its_proof(seed: int, boxed: bool) -> None:
    rng = np.random.default_rng(seed)
    d = int(rng.integers(1, 4))
    functions = []
    for _ in range(int(rng.integers(1, 4))):
        rows = np.unique(rng.integers(-2, 3, size=(int(rng.integers(1, 6)), d)), axis=0)
        functions.append(Rationals.of(np.column_stack([rows, rng.integers(-2, 3, size=len(rows))])))
    box = Box.of((-1, rng.integers(0, 3, size=d)), d) if boxed else None
    cells = Cells(functions, box)
    grids = np.meshgrid(*(np.arange(a, b) for a, b in zip(cells.offsets, cells.offsets[1:], strict=False)))
    choices = np.stack([grid.ravel() for grid in grids], axis=1)
    verdicts = cells.decide(choices)
    position = 0
    for q, choice in enumerate(choices):
        if verdicts.interior[q]:
            point = verdicts.points[position : position + 1]
            position += 1
            assert strict(cells, choice, point)
            assert box is None or box.contains(point.floats()).all()
            continue
        proof = verdicts.settled.get(q) or cells.multipliers(choice, verdicts.bases[q])
        assert isinstance(proof, Domination)
        assert sum(proof.weights) == 1
        assert min(proof.weights) >= 0
        assert not set(proof.support) & set(choice.tolist())
        group = np.searchsorted(cells.offsets, proof.support, side="right") - 1
        rows = cells.rows.fractions()
        total = sum(
            w * (rows[j] - rows[choice[g]]) for w, j, g in zip(proof.weights, proof.support, group, strict=True)
        )
        if box is None:
            assert not any(total[:-1])
            assert total[-1] >= 0
        else:
            corners = np.stack(np.meshgrid(*zip(box.lower, box.upper, strict=True)), axis=-1).reshape(-1, d)
            assert all(
                sum(a * Fraction(b) for a, b in zip(total, corner, strict=False)) + total[-1] >= 0 for corner in corners
            )


def test_gaps_far_below_rounding_are_decided_exactly() -> None:
    tiny = Fraction(1, 2**300)
    for lift, inside in ((tiny, True), (Fraction(0), False), (-tiny, False)):
        rows = Rationals.of(np.array([[0, 0], [1, lift], [2, 0]], dtype=object))
        verdicts = Cells([rows], None).decide(np.array([[0], [1], [2]]))
        assert verdicts.interior.tolist() == [True, inside, True]


@pytest.mark.parametrize("box", [(5e299, 1e300), (-1e300, 1e300), (1e299, np.inf)])
def test_rationals_that_floats_round_to_subnormal_numbers_are_told_apart(box: tuple[float, float]) -> None:
    steep, flat = Fraction(12, 5) / 2**1074, Fraction(2) / 2**1074  # one float64 stands for both
    lift = Fraction(1e-25)
    domain = Box.of(box, 1)
    rows = Rationals.of(np.array([[steep, 0], [flat, lift]], dtype=object))
    verdicts = Cells([rows], domain).decide(np.array([[0], [1]]))
    crossing = lift / (steep - flat)
    assert verdicts.interior.tolist() == [crossing < box[1], crossing > Fraction(box[0])]


@pytest.mark.parametrize("seed", range(5))
def test_values_that_cancel_are_never_certain_by_rounding(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(40):
        weights, point = rng.normal(size=3), rng.normal(size=(1, 3))
        value = (Rationals.of(weights[None]) @ Rationals.of(point).transpose).floats()[0, 0]
        near = np.nextafter(value, rng.choice([-np.inf, np.inf]))
        lifts = np.array([value, near, value + rng.normal() * 1e-16])
        cells = Cells([Rationals.of(np.vstack([[*weights, 0.0], [0, 0, 0, lift]])) for lift in lifts], None)
        for g in range(3):
            for row in (0, 1):
                choice = np.array([[2 * h + (row if h == g else 0) for h in range(3)]])
                expected = cells.holds_strictly(choice[0], Rationals.of(point))
                assert cells.strictly_largest(choice, point).tolist() == [expected]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("thickness", [1.0, 1e-15])
@pytest.mark.parametrize(("share", "depth"), [(0.0, 1.0), (0.25, 0.0)])
def test_multipliers_are_never_certain_by_rounding(seed: int, thickness: float, share: float, depth: float) -> None:
    """Rows on the border of a simplex (share 0), or on the plane above it (depth 0): errors of either sign."""
    rng = np.random.default_rng(seed)
    for _ in range(60):
        corners = rng.normal(size=(3, 3))
        corners[2, :2] = corners[:2, :2].mean(axis=0) + thickness * rng.normal(size=2)
        mix = np.array([0.75 - share, 0.25, share])
        chosen = mix @ corners - [0, 0, depth]
        cells = Cells([Rationals.of(np.vstack([chosen, corners]))], None)
        bases = np.array([[1, 2, 3]])
        if cells._multipliers_certain(np.array([[0]]), bases)[0]:
            assert cells.multipliers(np.array([0]), bases[0]) is not None


def test_multipliers_are_not_certain_where_floats_stand_for_other_rationals() -> None:
    beside = Fraction(1) + Fraction(1, 2**70)  # its float64 is 1, but 1 is no mean of it and 2
    cells = Cells([Rationals.of(np.array([[1, -1], [beside, 0], [2, 0]], dtype=object))], None)
    assert not cells._multipliers_certain(np.array([[0]]), np.array([[1, 2]]))[0]
    assert cells.multipliers(np.array([0]), np.array([1, 2])) is None


@pytest.mark.parametrize("scale", [2.0**-20, 1.0, 2.0**20])
def test_ends_of_boxes_count_in_the_scale_of_their_coordinate(scale: float) -> None:
    for height, dominated in ((0.5, False), (2.0, True)):  # at the upper end the other row is 1 - height
        cells = Cells([Rationals.of([[0.0, 0.0], [1 / scale, -height]])], Box.of((0.0, scale), 1))
        upper = np.array([[0, 2]])
        assert cells._multipliers_certain(np.array([[1]]), upper).tolist() == [dominated]
        assert (cells.multipliers(np.array([1]), upper[0]) is not None) == dominated


def test_a_coordinate_beyond_the_range_of_scales_leaves_nothing_certain() -> None:
    rows = Rationals.of([[0.0, 0.0], [1.4 * 2.0**-512, -1.5 * 2.0**511]])
    cells = Cells([rows], Box.of((0.0, 1.7e308), 1))  # at the upper end the second row is positive
    assert not cells._multipliers_certain(np.array([[1]]), np.array([[0, 2]]))[0]
    assert cells.decide(np.array([[0], [1]])).interior.tolist() == [True, True]

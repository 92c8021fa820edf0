"""Decision boundaries against closed forms, Voronoi diagrams and roots found on random segments."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.spatial import Voronoi

from tropix import Circuit, InvalidInput, TropicalMap, TropicalPolynomial, regions
from tropix.circuits import CircuitBuilder
from tropix.exact import Rationals
from tropix.regions import BoundaryPiece, boundary


def parse(*texts: str) -> TropicalMap:
    return TropicalMap([TropicalPolynomial.parse(text, variables=["x", "y"]) for text in texts])


def relu_net(widths: list[int], seed: int) -> Circuit:
    rng = np.random.default_rng(seed)
    builder, value = CircuitBuilder(widths[0]), 0
    for i, (m, n) in enumerate(pairwise(widths)):
        value = builder.affine([(value, rng.normal(size=(n, m)))], rng.normal(size=n) * 0.3)
        value = builder.relu(value) if i < len(widths) - 2 else value
    return builder.build(value)


def segments(pieces: tuple[BoundaryPiece, ...]) -> set[frozenset[tuple[float, ...]]]:
    """End points of bounded pieces in the plane, to 12 digits."""
    return {frozenset(tuple((np.round(end, 12) + 0.0).tolist()) for end in piece.ends) for piece in pieces}  # type: ignore[union-attr]


def test_the_circle_of_the_l1_norm() -> None:
    pieces = boundary(parse("max(x, -x) + max(y, -y)", "1"), 0, 1)
    corners = [(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)]
    expected = {frozenset(pair) for pair in pairwise([*corners, corners[0]])}
    assert segments(pieces) == expected
    assert {piece.kind for piece in pieces} == {"crossing"}
    assert all(piece.normal is not None and piece.normal @ piece.point < 0 for piece in pieces)  # 1 wins inside
    assert [piece.offset for piece in pieces] == pytest.approx([-np.sqrt(0.5)] * 4)


def test_xor_is_cut_by_two_parallel_lines() -> None:
    builder = CircuitBuilder(2)
    hidden = builder.relu(builder.affine([(0, [[1.0, 1.0], [1.0, 1.0]])], [0.0, -1.0]))
    circuit = builder.build(builder.affine([(hidden, [[1.0, -2.0]])], [-0.5]))
    pieces = boundary(circuit, 0)
    assert sorted(round(float(piece.point.sum()), 12) for piece in pieces) == [0.5, 1.5]
    assert [piece.ends for piece in pieces] == [(None, None)] * 2
    assert segments(boundary(circuit, 0, box=(0, 1))) == {
        frozenset([(0.5, 0.0), (0.0, 0.5)]),
        frozenset([(1.0, 0.5), (0.5, 1.0)]),
    }


def test_linear_logits_have_one_piece() -> None:
    builder = CircuitBuilder(3)
    circuit = builder.build(builder.affine([(0, [[1.0, 0.0, 2.0], [0.0, 1.0, 2.0]])], [0.5, 0.0]))
    (piece,) = boundary(circuit, 0, 1)
    assert piece.normal == pytest.approx(np.array([-1.0, 1.0, 0.0]) / np.sqrt(2))
    assert piece.offset == pytest.approx(0.5 / np.sqrt(2))
    assert piece.exact_inequalities.shape == (0, 4)
    assert (piece.dimension, piece.kind, piece.cell) == (2, "crossing", 0)


def test_nearest_centres_have_the_voronoi_diagram() -> None:
    centres = np.random.default_rng(4).uniform(-1, 1, size=(9, 2)).round(3)
    builder = CircuitBuilder(2)
    circuit = builder.build(builder.affine([(0, 2 * centres)], -(centres**2).sum(axis=1)))
    found = regions.enumerate(circuit)
    diagram = Voronoi(centres)
    ridges = {tuple(sorted(pair)): corners for pair, corners in diagram.ridge_dict.items()}
    for a in range(9):
        for b in range(a + 1, 9):
            pieces = boundary(found, a, b)
            assert len(pieces) == ((a, b) in ridges)
            if pieces and -1 not in ridges[a, b]:
                corners = diagram.vertices[ridges[a, b]]
                ends = np.array(pieces[0].ends, dtype=np.float64)
                assert sorted(ends.tolist()) == pytest.approx(np.array(sorted(corners.tolist())), abs=1e-9)
            elif pieces:
                assert any(end is None for end in pieces[0].ends)
            assert len(boundary(found, a, b, pair_only=True)) == 1


@pytest.mark.parametrize(
    ("texts", "kinds"),
    [
        (("max(x, 0.25*x)", "0"), ["facet"]),  # crosses on the facet itself
        (("max(x, -x)", "0"), ["facet"]),  # touches there
        (("max(x, 0)", "0"), ["area"]),
        (("x", "x"), ["area"]),
        (("x", "x + 1"), []),
        (("max(x, 0)", "0", "1"), []),  # a third one is larger on all of the area
        (("max(x, 0)", "0", "-x - 1"), ["area"]),  # and here on a part of it
        (("0", "0", "max(x, -x)"), ["facet"]),  # larger off the facet
        (("max(x, 0)", "max(2*x, 0)", "-x"), ["facet"]),  # area on one side, but larger there
        (("0", "0", "x", "-x"), ["crossing"]),  # one affine map, two others change places
        (("x", "0", "max(x, 0)"), ["facet"]),
        (("x", "0", "max(x, 0)", "0"), ["facet"]),
        (("x", "0", "0"), ["crossing"]),  # a third one that ties with both
        (("x", "0", "y"), ["crossing"]),
    ],
)
def test_degenerate_ties(texts: tuple[str, ...], kinds: list[str]) -> None:
    pieces = boundary(parse(*texts), 0, 1)
    assert [piece.kind for piece in pieces] == kinds
    assert [piece.kind for piece in boundary(parse(*texts), 1, 0)] == kinds


def test_a_tie_on_a_wall_is_left_out() -> None:
    assert boundary(parse("x", "0"), 0, 1, box=((0, -1), (1, 1))) == ()


def holds(piece: BoundaryPiece, point: Rationals, strict: bool = False) -> bool:
    rows = piece.exact_inequalities
    left = [a - b for a, b in zip(value(rows, point), rows.fractions()[:, -1], strict=True)]
    return all(v < 0 if strict else v <= 0 for v in left)


def value(rows: Rationals, point: Rationals) -> Any:
    return (rows[:, :-1] @ Rationals(point.numerators[:, None], point.denominator)).fractions()[:, 0]


@pytest.mark.parametrize(("widths", "seed"), [([1, 6, 3], 2), ([2, 6, 4, 3], 2), ([3, 5, 4, 3], 2), ([2, 5, 2], 3)])
@pytest.mark.parametrize("pair_only", [False, True])
def test_pieces_against_roots_on_segments(widths: list[int], seed: int, pair_only: bool) -> None:
    circuit = relu_net(widths, seed)
    found = regions.enumerate(circuit, (-3, 3))
    rng = np.random.default_rng(seed)
    met = 0
    for a, b in ((0, 1), (1, widths[-1] - 1) if widths[-1] > 2 else (1, 0)):
        pieces = boundary(found, a, b, pair_only=pair_only)
        for piece in pieces:
            values = circuit.exact(piece.exact_point[None]).fractions()[0]
            assert values[a] == values[b]
            assert pair_only or values[a] == max(values)
            assert holds(piece, piece.exact_point, strict=True)
            here = found[piece.cell]
            assert here.exact.contains(piece.exact_point)
        starts, stops = rng.uniform(-3, 3, size=(2, 400, widths[0]))
        for start, stop in zip(starts, stops, strict=True):
            root = bisect(circuit, start, stop, a, b)
            if root is None or (not pair_only and circuit(root).max() > circuit(root)[a] + 1e-9):
                continue
            met += 1
            assert any(near(piece, root) for piece in pieces)
    assert met > 20


def bisect(circuit: Circuit, start: Any, stop: Any, a: int, b: int) -> Any:
    def difference(point: Any) -> float:
        values = circuit(point)
        return float(values[a] - values[b])

    if difference(start) > 0:
        start, stop = stop, start
    if difference(start) > 0 or difference(stop) < 0:
        return None
    for _ in range(60):
        middle = (start + stop) / 2
        start, stop = (middle, stop) if difference(middle) <= 0 else (start, middle)
    return start


def near(piece: BoundaryPiece, point: Any) -> bool:
    assert piece.normal is not None
    rows = np.array(piece.to_dict()["inequalities"]).reshape(-1, len(point) + 1)
    return abs(piece.normal @ point - piece.offset) < 1e-9 and bool((rows[:, :-1] @ point <= rows[:, -1] + 1e-9).all())


def test_pieces_of_partial_regions_are_a_part() -> None:
    circuit = relu_net([2, 12, 8, 2], 1)
    partial = regions.enumerate(circuit, (-3, 3), max_cells=5)
    full = regions.enumerate(circuit, (-3, 3))
    assert not partial.complete
    assert segments(boundary(partial, 0, 1)) <= segments(boundary(full, 0, 1))
    assert segments(boundary(full, 0, 1)) == segments(boundary(full, 1, 0)) != set()


def test_refusals() -> None:
    f = parse("x", "y")
    with pytest.raises(InvalidInput, match="outputs 0 to 1"):
        boundary(f, 0, 2)
    with pytest.raises(InvalidInput, match="are the same"):
        boundary(f, 1, 1)
    with pytest.raises(InvalidInput, match="their own domain"):
        boundary(regions.enumerate(f), 0, 1, box=(0, 1))
    alone = regions.enumerate(TropicalPolynomial.parse("max(x, y)", variables=["x", "y"]), adjacency=False)
    with pytest.raises(InvalidInput, match="with adjacency"):
        boundary(alone, 0)
    with pytest.raises(InvalidInput, match="with adjacency"):
        regions.plot_regions(alone)
    with pytest.raises(InvalidInput, match="give more time"):
        boundary(relu_net([4, 30, 20, 2], 0), 0, 1, time_limit=0.0)

"""Completeness of enumerations: proofs that hold, and that fail where something is taken away or changed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from test_regions import KINDS, one_layer, random_circuit, relu_net

from tropix import Box, Circuit, InvalidInput, Polyhedron, Unsupported, regions
from tropix.circuits import CircuitBuilder
from tropix.regions import Regions, certify_completeness
from tropix.regions._domain import Domain
from tropix.regions._exact_cells import ExactCell
from tropix.regions._tape import Tape


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("d", [1, 2, 3])
def test_proofs_hold(kind: str, d: int) -> None:
    circuit = random_circuit(kind, d, 50 + d)
    found = regions.enumerate(circuit, (-1, 1))
    for way in ("volumes", "facets"):
        answer = certify_completeness(found, way)  # type: ignore[arg-type]
        assert answer.holds is True, answer.reason
        assert answer.checked == len(found)
    unbounded = certify_completeness(regions.enumerate(circuit))
    assert unbounded.kind == "facets"
    assert unbounded


def test_polyhedra_and_five_dimensions() -> None:
    triangle = Polyhedron.where([[1, 1]], [1], (0, 1))
    assert certify_completeness(regions.enumerate(relu_net([2, 8, 4, 1], 3), triangle), "volumes")
    assert certify_completeness(regions.enumerate(relu_net([5, 5, 1], 3), (-1, 1))).kind == "facets"


def test_degenerate_arrangements() -> None:
    rows = [[1, 1], [1, -1], [1, 0], [0, 1], [2, 2]]
    found = regions.enumerate(one_layer(rows), (-1, 1))
    assert len(found) == 8
    assert certify_completeness(found, "volumes")
    assert certify_completeness(found, "facets")


def without(found: Regions, number: int) -> Regions:
    """The enumeration without one cell, as if it had never been met."""
    keep = np.arange(len(found)) != number
    mask = np.repeat(keep, np.diff(found.facet_offsets))
    place = np.append(np.cumsum(keep) - 1, [-2, -1])
    place[number] = -2
    return replace(
        found,
        patterns=found.patterns[keep],
        points=found.points[keep],
        facet_offsets=np.concatenate([[0], np.cumsum(np.diff(found.facet_offsets)[keep])]),
        facet_segments=found.facet_segments[mask],
        facet_entries=found.facet_entries[mask],
        neighbours=place[found.neighbours[mask]],
    )


@pytest.mark.parametrize("way", ["volumes", "facets"])
def test_a_missing_cell_is_noticed(way: Any) -> None:
    found = regions.enumerate(relu_net([2, 6, 4, 1], 1), (-1, 1))
    for number in range(0, len(found), 5):
        answer = certify_completeness(without(found, number), way)
        assert answer.holds is False


def test_wrong_neighbours_and_patterns_are_noticed() -> None:
    found = regions.enumerate(relu_net([2, 6, 4, 1], 1), (-1, 1))
    inner = np.flatnonzero(found.neighbours >= 0)
    neighbours = found.neighbours.copy()
    neighbours[inner[0]] = neighbours[inner[3]]
    assert certify_completeness(replace(found, neighbours=neighbours), "facets").holds is False
    segments = found.facet_segments.copy()
    segments[inner[0]] = segments[inner[1]]
    assert certify_completeness(replace(found, facet_segments=segments), "facets").holds is False
    patterns = found.patterns.copy()
    patterns[0] = patterns[1]
    assert "same pattern" in str(certify_completeness(replace(found, patterns=patterns)).reason)
    patterns[0] = 1 - found.patterns[0]
    assert certify_completeness(replace(found, patterns=patterns)).holds is False


def test_limits_and_bad_input() -> None:
    found = regions.enumerate(relu_net([2, 6, 4, 1], 1))
    late = certify_completeness(found, time_limit=0.0)
    assert late.holds is None
    assert not late
    with pytest.raises(Unsupported, match="bounded"):
        certify_completeness(found, "volumes")
    with pytest.raises(InvalidInput, match="'volumes' or 'facets'"):
        certify_completeness(found, "area")  # type: ignore[arg-type]
    partial = regions.enumerate(relu_net([3, 6, 4, 1], 1), (-1, 1), max_cells=10)
    assert certify_completeness(partial, "volumes").holds is False
    assert certify_completeness(partial, "facets").holds is False


@pytest.mark.parametrize("seed", range(0, 20, 2))
def test_inequalities_do_not_depend_on_the_width_of_integers(seed: int) -> None:
    """64-bit integers give the rows, ties and walls that Python's integers give, but for rows far from the box."""
    rng = np.random.default_rng(seed)
    circuit = random_circuit(KINDS[seed // 2 % len(KINDS)], 2, seed)
    box = None if seed < 10 else Box(np.array([-1.0, -0.5]), np.array([0.75, 2.0]))
    tape, domain = Tape.of(circuit), Domain.of(box, 2)
    assert tape.exact.integers is not None
    corners = np.array([[-1, -0.5], [-1, 2], [0.75, -0.5], [0.75, 2]])
    for found in regions.enumerate(circuit, box, max_cells=20):
        pattern = found.pattern.astype(np.int64)
        cell = ExactCell.around(tape, domain, pattern, found.exact_point)
        wide = ExactCell.around(wider(circuit), domain, pattern, found.exact_point)
        assert cell is not None
        assert wide is not None
        ours, theirs = ({tuple(row): i for i, row in enumerate(c.rows.tolist())} for c in (cell, wide))
        assert len(ours) == len(cell.rows)
        for row, i in theirs.items():
            if row in ours:
                assert cell.origins.ties(ours[row]) == wide.origins.ties(i)
                assert cell.origins.walls(ours[row]) == wide.origins.walls(i)
            else:
                assert box is not None
                assert (corners @ np.array(row[:-1], dtype=float) + float(row[-1]) < 0).all()
        assert set(ours) <= set(theirs)
        wrong = pattern.copy()
        segment = rng.integers(len(wrong))
        wrong[segment] = (wrong[segment] + 1) % np.diff(tape.flat.entry)[segment]
        assert (ExactCell.around(tape, domain, wrong, found.exact_point) is None) == (
            ExactCell.around(wider(circuit), domain, wrong, found.exact_point) is None
        )


def wider(circuit: Circuit) -> Tape:
    """The tape of a circuit that works with Python's integers alone."""
    tape = Tape.of(circuit)
    tape.exact.__dict__["integers"] = None
    return tape


@pytest.mark.parametrize("way", ["volumes", "facets"])
def test_patterns_of_entries_that_do_not_exist_prove_nothing(way: Any) -> None:
    builder = CircuitBuilder(1)
    forms = builder.affine([(0, [[1.0], [-1.0], [1.0], [-1.0]])], [0.0, 0.0, 0.0, 5.0])
    found = regions.enumerate(builder.build(builder.log_sum_exp(forms, 0.0, np.array([0, 2, 4]))), (-1, 1))
    assert certify_completeness(found, way)
    patterns = found.patterns.astype(np.int64)
    beyond, before = patterns.copy(), patterns.copy()
    beyond[0, 1], before[0, 0] = 4, -1
    forged = [
        replace(found, patterns=beyond),
        replace(found, patterns=before),
        replace(found, patterns=patterns[[0, 0]] + [[0.0, 0.0], [0.25, 0.0]], points=found.points[[0, 0]]),
        replace(found, patterns=patterns[[0, 0, 1]], points=found.points[[0, 0]]),  # the first one counts twice
    ]
    for other in forged:
        answer = certify_completeness(other, way)
        assert (answer.holds, answer.reason) == (False, "the arrays of the enumeration do not fit together")


def test_neighbours_that_changed_places_are_noticed() -> None:
    found = regions.enumerate(relu_net([2, 6, 4, 1], 1), (-1, 1))
    for number in range(len(found)):
        a, b = found.facet_offsets[number], found.facet_offsets[number + 1]
        inner = a + np.flatnonzero(found.neighbours[a:b] >= 0)
        if len(inner) > 1:
            neighbours = found.neighbours.copy()
            neighbours[inner[:2]] = neighbours[inner[1::-1]]
            assert certify_completeness(replace(found, neighbours=neighbours), "facets").holds is False


@pytest.mark.parametrize("bits", [5, 16, 20, 25])
def test_forms_beyond_64_bits(bits: int) -> None:
    rng = np.random.default_rng(bits)
    builder, value = CircuitBuilder(2), 0
    for _ in range(3):
        weights, bias = (rng.integers(-(2**bits), 2**bits, size=size).astype(float) for size in ((3, 2), 3))
        value = builder.relu(builder.affine([(value, weights[:, : builder.size(value)])], bias))
        value = builder.affine([(value, np.eye(2, 3) * 2.0 ** (bits - 1) + 1)], np.zeros(2))
    circuit = builder.build(value)
    found = regions.enumerate(circuit)
    tape = wider(circuit)
    maps = {str(tape.exact.output(row.astype(np.int64)).fractions().tolist()) for row in found.patterns}
    assert (Tape.of(circuit).exact.integers is None) == (bits > 12)
    assert found.n_affine_maps == len(maps)
    assert certify_completeness(found)
    for cell in found:
        exact = ExactCell.around(tape, found.domain, cell.pattern, cell.exact_point)
        assert exact is not None
        assert {tuple(row) for row in cell.exact.rows.tolist()} == {tuple(row) for row in exact.rows.tolist()}

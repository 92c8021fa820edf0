"""The contract of every pass: the same function at every temperature scale, exactly; on ℝ^d or on the box."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from circuits_for_passes import awkward, exactly
from circuits_of_all_kinds import assorted, degenerate, everything, wide_and_sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from tropix import Circuit
from tropix.boxes import Box
from tropix.circuits import Pointwise
from tropixc.passes import PASSES, Size, optimize

EVERYWHERE = [*PASSES, "optimize"]
ON_A_BOX = ["settle-on-box", "drop-dominated", "optimize"]
GENERATORS = {"awkward": awkward, "assorted": assorted, "everything": everything}


def applied(name: str, circuit: Circuit, box: Box | None = None) -> Circuit:
    return optimize(circuit, box) if name == "optimize" else optimize(circuit, box, [name])


def fractions(rng: np.random.Generator, count: int, inputs: int) -> list[list[Fraction]]:
    numerators = rng.integers(-40, 41, size=(count, inputs))
    return [[Fraction(int(v), int(rng.integers(1, 8))) for v in row] for row in numerators]


def assert_same(before: Circuit, after: Circuit, points: list[list[Fraction]], *, boxed: bool = False) -> None:
    """The limits agree in rational numbers, and all scales within proved rounding bounds.

    On a box the passes use what is known of smooth functions; then `exactly` has no stand-ins for them.
    """
    if not (boxed and any(isinstance(node, Pointwise) for node in before.nodes)):
        for point in points:
            assert exactly(after, point) == exactly(before, point)
    floats = np.array([[float(v) for v in point] for point in points])
    for scale in (1.0, 0.1, 7.0):
        with np.errstate(all="ignore"):
            ours, theirs = (c.heat(scale).values(floats)[c.output] for c in (after, before))
            slack = sum(c.heat(scale).rounding_bound(floats, 2.0**-53) for c in (after, before))
            wrong = np.abs(ours - theirs) > slack + 1e-300
        assert not wrong.any()


@pytest.mark.parametrize("name", EVERYWHERE)
@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), kind=st.sampled_from(sorted(GENERATORS)))
def test_same_function(name: str, seed: int, kind: str) -> None:
    circuit = GENERATORS[kind](seed)
    points = fractions(np.random.default_rng(seed), 4, circuit.input_size)
    assert_same(circuit, applied(name, circuit), [[Fraction(0)] * circuit.input_size, *points])


def some_box(rng: np.random.Generator, inputs: int) -> Box:
    """Some ends infinite, some equal."""
    lower = rng.integers(-8, 9, size=inputs) / 4
    upper = lower + rng.integers(0, 9, size=inputs) / 8
    return Box(np.where(rng.random(inputs) < 0.1, -np.inf, lower), np.where(rng.random(inputs) < 0.1, np.inf, upper))


def inside(box: Box, rng: np.random.Generator) -> list[list[Fraction]]:
    """Corners and random rational points of a box; 50 units stand for an infinite end."""
    ends = [
        (Fraction(max(a, min(b, 0) - 50)), Fraction(min(b, max(a, 0) + 50)))
        for a, b in zip(box.lower.tolist(), box.upper.tolist(), strict=True)
    ]
    shares = [[Fraction(int(k), 7) for k in rng.integers(0, 8, size=len(ends))] for _ in range(6)]
    middle = [[a + (b - a) * s for (a, b), s in zip(ends, share, strict=True)] for share in shares]
    return [*(list(corner) for corner in product(*ends)), *middle]


@pytest.mark.parametrize("name", ON_A_BOX)
@settings(max_examples=150)
@given(seed=st.integers(0, 10**6), kind=st.sampled_from(["awkward", "awkward", "assorted"]))
def test_same_function_on_a_box(name: str, seed: int, kind: str) -> None:
    circuit = GENERATORS[kind](seed)
    rng = np.random.default_rng(seed)
    box = some_box(rng, circuit.input_size)
    assert_same(circuit, applied(name, circuit, box), inside(box, rng), boxed=True)


@pytest.mark.parametrize("name", EVERYWHERE)
@pytest.mark.parametrize("kind", sorted(degenerate()))
def test_degenerate_circuits(name: str, kind: str) -> None:
    circuit = degenerate()[kind]
    rng = np.random.default_rng(0)
    box = some_box(rng, circuit.input_size)
    assert_same(circuit, applied(name, circuit, box), inside(box, rng))
    assert_same(circuit, applied(name, circuit), fractions(rng, 4, circuit.input_size))


@pytest.mark.parametrize("name", EVERYWHERE)
def test_large_sparse_circuits(name: str) -> None:
    circuit = wide_and_sparse(3)
    assert_same(circuit, applied(name, circuit), fractions(np.random.default_rng(1), 2, circuit.input_size))


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), boxed=st.booleans())
def test_optimizing_again_and_again_does_not_grow(seed: int, boxed: bool) -> None:
    circuit = awkward(seed)
    box = some_box(np.random.default_rng(seed), circuit.input_size) if boxed else None
    twice = optimize(optimize(circuit, box), box)
    before, after = Size.of(twice), Size.of(optimize(twice, box))
    assert after.nodes <= before.nodes
    assert after.pieces <= before.pieces
    assert after.weights <= before.weights

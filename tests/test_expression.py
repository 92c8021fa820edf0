"""Expressions: their text, evaluated by Python, is the circuit's output."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tropix import Circuit, InvalidInput, Unsupported
from tropix.circuits import CircuitBuilder, Gibbs, Pointwise, Product, uniform_segments
from tropix.exact import Rationals
from tropixc import optimize, to_expression
from tropixc.lowerings import Expression, _expression

NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w.])")


def quoted(found: re.Match[str]) -> str:
    """A number as a fraction: a decimal stands for its float64."""
    text = found[0]
    return f'F("{Fraction(int(text)) if text.isdigit() else Fraction(float(text))}")'


def value(expression: Expression, x: np.ndarray, names: dict[str, Any] | None = None) -> Any:
    """Python's reading of the text, in rationals."""
    scope: dict[str, Any] = {"max": max, "min": min, "F": Fraction, **(names or {})}
    scope |= {f"x{i}": Fraction(float(v)) for i, v in enumerate(x)}

    def read(text: str) -> Any:
        return eval(NUMBER.sub(quoted, text), {"__builtins__": {}}, scope)

    for name, text in expression.leaves.items():
        scope[name] = read(text)
    for name, text in expression.shared.items():
        scope[name] = read(text)
    return read(expression.value)


def lattice(seed: int) -> Circuit:
    """Random maxima, minima, sums and shared parts."""
    rng = np.random.default_rng(seed)
    builder = CircuitBuilder(2)
    nodes = [builder.affine([(0, rng.integers(-4, 5, size=(4, 2)) / 2)], rng.integers(-4, 5, size=4) / 2)]
    for _ in range(int(rng.integers(1, 5))):
        a, b = (int(rng.choice(nodes)) for _ in range(2))
        weights = [rng.integers(-2, 3, size=(4, builder.size(i))) / 2 for i in (a, b)]
        mixed = builder.affine([(a, weights[0]), (b, weights[1]), (0, np.ones((4, 2)))], rng.integers(-2, 3, size=4))
        joined = builder.log_sum_exp(mixed, 0.0, np.array([0, 1, 4]))
        nodes.append(builder.affine([(joined, rng.choice([-1.0, 1.0, 0.5], size=(4, 2)))], np.zeros(4)))
    return builder.build(nodes[-1])


def tree(seed: int) -> Circuit:
    """Random maxima and minima of sums where every part is read once, so that signs go down to the leaves."""
    rng = np.random.default_rng(seed)
    builder = CircuitBuilder(2)
    node = builder.affine([(0, rng.integers(-4, 5, size=(8, 2)) / 2)], rng.integers(-4, 5, size=8) / 2)
    for size in (4, 2, 1):
        node = builder.log_sum_exp(node, 0.0, uniform_segments(size, 2))
        signs = np.diag(rng.choice([-1.0, 1.0, -0.5], size=size))
        node = builder.affine([(node, signs), (0, rng.integers(-2, 3, size=(size, 2)))], rng.integers(-2, 3, size=size))
    return builder.build(node)


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), simplified=st.booleans(), build=st.sampled_from([lattice, tree]))
def test_the_text_is_the_function(seed: int, simplified: bool, build: Callable[[int], Circuit]) -> None:
    circuit = build(seed)
    circuit = optimize(circuit) if simplified else circuit
    points = np.random.default_rng(seed).integers(-6, 7, size=(5, 2)) / 4
    exact = circuit.exact(Rationals.of(points)).fractions()
    for k in range(circuit.output_size):
        expression = to_expression(circuit, k)
        assert [value(expression, x) for x in points] == [row[k] for row in exact]


def test_minima_and_leaves() -> None:
    builder = CircuitBuilder(2)
    z = builder.affine([(0, -np.eye(2))], [0.0, -1.0])
    low = builder.log_sum_exp(z, 0.0, uniform_segments(1, 2))
    top = builder.affine([(low, [[-1.0], [0.0]]), (0, [[0.0, 0.0], [1.0, 0.0]])], [0.0, 0.0])
    circuit = builder.build(builder.log_sum_exp(top, 0.0, uniform_segments(1, 2)))
    expression = to_expression(circuit)
    assert str(expression) == "f0 = max(min(a0, a1), a0)\na0 = x0\na1 = x1 + 1"


def test_smooth_nodes_and_shared_parts() -> None:
    builder = CircuitBuilder(1)
    pair = builder.affine([(0, [[1.0], [-1.0]])], [0.0, 0.0])
    joined = builder.log_sum_exp(pair, 0.5, uniform_segments(1, 2))
    weights = builder.add(Gibbs(pair, 1.0, uniform_segments(1, 2)))
    first = builder.affine([(weights, [[1.0, 0.0]])], [0.0])
    product = builder.add(Product(joined, first, 1))
    error = builder.add(Pointwise(product, "erf", 1))
    circuit = builder.build(builder.affine([(error, [[2.0]]), (joined, [[-3.0]])], [0.0]))
    expression = to_expression(circuit)
    assert expression.shared == {"t0": "lse[0.5](a0, a1)"}
    assert expression.value == "2*erf((t0)*(gibbs[1](a0; a0, a1))) - 3*t0"
    x = 0.75
    softmax = math.exp(x) / (math.exp(x) + math.exp(-x))
    total = 0.5 * math.log(math.exp(x / 0.5) + math.exp(-x / 0.5))
    assert circuit([x])[0] == pytest.approx(2 * math.erf(total * softmax) - 3 * total)


def test_signs_of_smooth_nodes() -> None:
    builder = CircuitBuilder(1)
    pair = builder.affine([(0, [[1.0], [-1.0]])], [0.0, 0.0])
    joined = builder.log_sum_exp(pair, 0.5, uniform_segments(1, 2))
    weights = builder.add(Gibbs(pair, 1.0, uniform_segments(1, 2)))
    for node, text in {
        joined: "-lse[0.5](a0, a1)",
        weights: "-gibbs[1](a0; a0, a1)",
        builder.add(Product(pair, pair, 2)): "-(a0)*(a0)",
        builder.add(Pointwise(pair, "erf", 2)): "-erf(a0)",
    }.items():
        first = np.eye(1, builder.size(node))
        assert to_expression(builder.build(builder.affine([(node, -first)], [0.0]))).value == text


def test_constants_and_affine_outputs() -> None:
    builder = CircuitBuilder(1)
    circuit = builder.build(builder.affine([], [2.5]))
    assert str(to_expression(circuit)) == "f0 = 2.5"
    line = builder.build(builder.affine([(0, [[2.0]])], [1.0]))
    assert str(to_expression(line)) == "f0 = a0\na0 = 2*x0 + 1"


def test_outputs_and_sizes_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    circuit = lattice(3)
    for output in (4, -1):
        with pytest.raises(InvalidInput, match="outputs 0 to 3"):
            to_expression(circuit, output)
    monkeypatch.setattr(_expression, "MAX_CHARACTERS", 10)
    with pytest.raises(Unsupported, match="more than 10 characters"):
        to_expression(circuit)

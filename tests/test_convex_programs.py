"""Circuits inside cvxpy: values, DCP, halves, the convex–concave procedure, mixed-integer forms, conjugates."""

from __future__ import annotations

import cvxpy
import numpy as np
import pytest
from scipy.optimize import minimize

from tropix import Box, InvalidInput, LogSumExp, TropicalPolynomial, Unsupported
from tropix.boxes import Polyhedron
from tropix.circuits import Circuit, CircuitBuilder
from tropix.circuits import LogSumExp as LogSumExpNode
from tropix.convex import (
    as_cvxpy,
    conjugate,
    conjugate_circuit,
    convex_concave_procedure,
    convex_halves,
    mixed_integer,
)


def convex_network(eps: float, seed: int = 0, dimension: int = 3) -> Circuit:
    """Two layers of ⊕_ε with segments of several widths; nonnegative weights after the first, a skip connection."""
    rng = np.random.default_rng(seed)
    builder = CircuitBuilder(dimension)
    first = builder.affine([(0, rng.normal(size=(8, dimension)))], rng.normal(size=8))
    hidden = builder.add(LogSumExpNode(first, eps, np.array([0, 1, 3, 6, 8])))
    second = builder.affine(
        [(hidden, rng.uniform(0, 1, size=(5, 4))), (0, rng.normal(size=(5, dimension)))], rng.normal(size=5)
    )
    joined = builder.add(LogSumExpNode(second, eps, np.array([0, 2, 5])))
    return builder.build(
        builder.affine([(joined, np.array([[0.5, 2.0]])), (0, rng.normal(size=(1, dimension)))], [0.3])
    )


def relu_network(seed: int = 0, eps: float = 0.0) -> Circuit:
    rng = np.random.default_rng(seed)
    builder = CircuitBuilder(2)
    z = builder.affine([(0, rng.normal(size=(6, 2)))], rng.normal(size=6))
    for _ in range(2):
        pairs = np.zeros((12, 6))
        pairs[2 * np.arange(6), np.arange(6)] = 1
        wide = builder.affine([(z, pairs)], np.zeros(12))
        z = builder.add(LogSumExpNode(wide, eps, 2 * np.arange(7)))
        z = builder.affine([(z, rng.normal(size=(6, 6)) / 2)], rng.normal(size=6) / 2)
    return builder.build(builder.affine([(z, rng.normal(size=(1, 6)))], [0.1]))


@pytest.mark.parametrize("eps", [0.0, 0.3])
def test_expressions_are_dcp_and_have_the_values(eps: float) -> None:
    rng = np.random.default_rng(1)
    weights, bias = rng.normal(size=(6, 3)), rng.normal(size=6)
    bias[2] = -np.inf
    frame, shift, u = rng.normal(size=(3, 2)), rng.normal(size=3), cvxpy.Variable(2)
    models = [LogSumExp(weights, bias, eps), convex_network(eps)]
    if eps == 0.0:
        models.append(TropicalPolynomial(weights, bias))
    for model in models:
        expression = as_cvxpy(model, frame @ u + shift)
        assert expression.is_dcp()
        assert expression.is_convex()
        for _ in range(3):
            u.value = rng.normal(size=2)
            truth = np.ravel(model(frame @ u.value + shift))
            np.testing.assert_allclose(np.ravel(expression.value), truth, atol=1e-12)
    concave = -2 * as_cvxpy(models[0], u[0] * np.ones(3))
    assert concave.is_concave()


def test_minimum_inside_a_users_problem() -> None:
    circuit = convex_network(0.3)
    x = cvxpy.Variable(3)
    problem = cvxpy.Problem(
        cvxpy.Minimize(cvxpy.sum(as_cvxpy(circuit, x)) + cvxpy.sum_squares(x)), [x >= -1, x[0] + x[1] <= 0.2]
    )
    problem.solve(solver=cvxpy.CLARABEL)
    brute = minimize(
        lambda v: circuit(v)[0] + v @ v,
        np.zeros(3),
        jac=lambda v: circuit.gradient(v)[0] + 2 * v,
        bounds=[(-1, None)] * 3,
        constraints=[{"type": "ineq", "fun": lambda v: 0.2 - v[0] - v[1]}],
        method="SLSQP",
    )
    assert problem.value == pytest.approx(brute.fun, abs=1e-6)


def test_mixed_signs_of_affine_and_convex_components() -> None:
    """One matrix with negative entries on affine components and positive ones on convex components is convex."""
    builder = CircuitBuilder(2)
    z = builder.affine([(0, [[1.0, 2.0], [-1.0, 1.0], [3.0, 0.0]])], [0.0, 1.0, 2.0])
    part = builder.add(LogSumExpNode(z, 0.5, np.array([0, 2, 3])))  # convex, affine
    circuit = builder.build(builder.affine([(part, [[2.0, -5.0]])], [0.0]))
    x = cvxpy.Variable(2)
    expression = as_cvxpy(circuit, x)
    assert expression.is_convex()
    x.value = np.array([0.3, -0.7])
    np.testing.assert_allclose(expression.value, circuit(x.value))


def test_what_has_no_expression() -> None:
    x = cvxpy.Variable(2)
    with pytest.raises(Unsupported, match="convex_halves"):
        as_cvxpy(relu_network(), x)
    with pytest.raises(InvalidInput, match="affine"):
        as_cvxpy(LogSumExp(np.eye(2), [0, 0], 1.0), cvxpy.square(x))
    with pytest.raises(InvalidInput, match=r"expected an affine one, \(2,\)"):
        as_cvxpy(LogSumExp(np.eye(2), [0, 0], 1.0), cvxpy.Variable(3))


@pytest.mark.parametrize("eps", [0.0, 0.2])
def test_halves_are_convex_and_subtract_to_the_circuit(eps: float) -> None:
    circuit, points = relu_network(2, eps), np.random.default_rng(3).normal(size=(30, 2)) * 2
    g, h = convex_halves(circuit)
    assert (g.curvature().value, h.curvature().value) == ("convex", "convex")
    np.testing.assert_allclose(g(points) - h(points), circuit(points), atol=1e-10)
    x = cvxpy.Variable(2)
    assert as_cvxpy(g, x).is_dcp()
    already, zero = convex_halves(convex_network(0.3))
    points = np.random.default_rng(3).normal(size=(5, 3))
    assert not zero(points).any()
    np.testing.assert_allclose(already(points), convex_network(0.3)(points), atol=1e-13)


def test_convex_concave_procedure_descends_to_a_stationary_point() -> None:
    circuit = relu_network(4, 0.2)
    answer = convex_concave_procedure(circuit, [0.5, 0.5], lambda x: [cvxpy.norm(x) <= 2], solver=cvxpy.CLARABEL)
    assert answer.status == "converged"
    assert (np.diff(answer.values) <= 1e-6).all()
    assert answer.values[-1] < answer.values[0] - 0.01
    gradient, x = circuit.gradient(answer.x)[0], answer.x
    if np.linalg.norm(x) > 2 - 1e-5:  # the gradient points inward along the normal
        gradient = gradient - x * min(0.0, gradient @ x) / (x @ x)
    assert np.linalg.norm(gradient) < 1e-2
    builder = CircuitBuilder(1)
    pair = builder.build(builder.affine([(0, [[1.0], [2.0]])], [0, 0]))
    with pytest.raises(InvalidInput, match="one"):
        convex_concave_procedure(pair, [0.0])


@pytest.mark.parametrize("seed", [0, 1])
def test_mixed_integer_optimum_is_the_maximum_over_the_box(seed: int) -> None:
    circuit = relu_network(seed)
    model = mixed_integer(circuit, (-1, 1))
    problem = cvxpy.Problem(cvxpy.Maximize(model.output[0]), list(model.constraints))
    problem.solve(solver=cvxpy.HIGHS)
    axis = np.linspace(-1, 1, 401)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    best = float(circuit(grid).max())
    assert problem.value >= best - 1e-6
    assert problem.value == pytest.approx(float(circuit(np.clip(model.x.value, -1, 1))[0]), abs=1e-5)
    assert problem.value <= best + float(circuit.lipschitz(np.inf)[0]) * 0.005 + 1e-6
    assert model.binaries > 0
    # a fixed input forces the value
    fixed = cvxpy.Problem(cvxpy.Minimize(model.output[0]), [*model.constraints, model.x == [0.3, -0.4]])
    assert fixed.solve(solver=cvxpy.HIGHS) == pytest.approx(float(circuit([0.3, -0.4])[0]), abs=1e-6)


def test_mixed_integer_domains_and_refusals() -> None:
    circuit = relu_network(0)
    half = Polyhedron.where([[1.0, 1.0]], [0.0], (-1, 1))
    model = mixed_integer(circuit, half)
    problem = cvxpy.Problem(cvxpy.Maximize(cvxpy.sum(model.x)), list(model.constraints))
    assert problem.solve(solver=cvxpy.HIGHS) == pytest.approx(0, abs=1e-7)
    tiny = mixed_integer(circuit, Box(np.array([0.5, 0.5]), np.array([0.5, 0.5])))
    assert tiny.binaries == 0
    with pytest.raises(InvalidInput, match="unbounded"):
        mixed_integer(circuit, (0, np.inf))
    with pytest.raises(Unsupported, match="limit"):
        mixed_integer(relu_network(0, 0.1), (-1, 1))


@pytest.mark.parametrize("eps", [0.0, 0.3])
def test_conjugate_of_a_circuit(eps: float) -> None:
    """At y = ∇F(x) Fenchel's inequality is an equality; the lower bound is sound everywhere."""
    circuit = convex_network(eps)
    x = np.random.default_rng(5).normal(size=(3, 3))
    y = circuit.gradient(x)[:, 0]
    answer = conjugate(circuit, y, tolerance=1e-6)
    truth = (x * y).sum(axis=1) - circuit(x)[:, 0]
    np.testing.assert_allclose(answer.value, truth, atol=1e-6)
    assert (answer.lower <= truth + 1e-9).all()
    assert set(answer.status) == {"measured"}
    assert conjugate(circuit, y[0] + 100).value == np.inf
    with pytest.raises(Unsupported, match="convex"):
        conjugate(relu_network(), [0.0, 0.0])
    with pytest.raises(InvalidInput, match="vector of weights"):
        _ = answer.p


def test_one_layer_as_a_circuit_has_the_conjugate_of_the_function() -> None:
    rng = np.random.default_rng(6)
    weights, bias = rng.normal(size=(7, 2)), rng.normal(size=7)
    builder = CircuitBuilder(2)
    z = builder.affine([(0, weights)], bias)
    circuit = builder.build(builder.add(LogSumExpNode(z, 0.4, np.array([0, 7]))))
    y = rng.dirichlet(np.ones(7), size=3) @ weights
    answer, exact = conjugate_circuit(circuit, y), conjugate(LogSumExp(weights, bias, 0.4), y)
    assert set(conjugate(circuit, y).status) == {"attained"}
    np.testing.assert_allclose(conjugate(circuit, y).value, exact.value, atol=1e-15)
    np.testing.assert_allclose(answer.value, exact.value, atol=1e-9)
    np.testing.assert_allclose(answer.x, exact.x, atol=1e-6)


def test_big_m_covers_the_highest_of_several_rivals() -> None:
    """Max(x, −5x, 10x − 2) is 8 at x = 1, beyond the least of the rivals' upper ends."""
    builder = CircuitBuilder(1)
    pieces = builder.affine([(0, np.array([[1.0], [-5.0], [10.0]]))], np.array([0.0, 0.0, -2.0]))
    program = mixed_integer(builder.build(builder.log_sum_exp(pieces, 0.0, np.array([0, 3]))), (-1, 1))
    problem = cvxpy.Problem(cvxpy.Maximize(program.output[0]), list(program.constraints))
    assert problem.solve(solver=cvxpy.HIGHS) == pytest.approx(8.0)

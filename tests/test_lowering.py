"""Circuit → polynomial: exactness, minimality, the way back, refusals; text, LaTeX and sympy."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

import tropixc
from tropix import Circuit, InvalidInput, TropicalPolynomial, Unsupported
from tropix.circuits import CircuitBuilder, Gibbs, Product, uniform_segments
from tropix.exact import Rationals
from tropixc.lowerings import _polynomial, lower_to_polynomial


def input_convex(seed: int, d: int = 2, eps: float = 0.5) -> Circuit:
    """Softplus, leaky ReLU, and weights of both signs that cancel; outputs: a log-sum-exp of two rows, and a row."""
    rng = np.random.default_rng(seed)
    builder = CircuitBuilder(d)
    first = builder.pairs_with_zero(builder.affine([(0, rng.normal(size=(4, d)))], rng.normal(size=4)), eps)
    second = builder.affine(
        [(first, np.abs(rng.normal(size=(3, 4)))), (0, rng.normal(size=(3, d)))], rng.normal(size=3)
    )
    hidden = builder.pairs_with_zero(second, 0.0, 0.2)
    negated = builder.affine([(hidden, -np.eye(3)), (0, rng.normal(size=(3, d)))], rng.normal(size=3))  # concave
    last = builder.affine(
        [(negated, -np.abs(rng.normal(size=(3, 3)))), (0, rng.normal(size=(3, d)))], rng.normal(size=3)
    )
    return builder.build(builder.log_sum_exp(last, eps, np.array([0, 2, 3])))


@settings(max_examples=12)
@given(st.integers(0, 10**6), st.booleans())
def test_polynomials_equal_the_limit_exactly(seed: int, boxed: bool) -> None:
    circuit = input_convex(seed)
    box = (-1.0, 1.0) if boxed else None
    polynomials = tropixc.compile(circuit, box=box)
    assert isinstance(polynomials, list)
    points = Rationals.of(np.random.default_rng(seed).integers(-16, 17, size=(40, 2)) / (16 if boxed else 4))
    values = circuit.limit().exact(points)
    for k, polynomial in enumerate(polynomials):
        assert polynomial(points).equals(values[:, k])
        assert len(polynomial.prune(box)) == len(polynomial)


def test_one_layer_keeps_every_digit() -> None:
    rng = np.random.default_rng(0)
    weights, bias = rng.normal(size=(5, 3)), rng.normal(size=5)
    polynomial = tropixc.compile(tropixc.from_arrays([(weights, bias, ("lse", 0.1, 5))]))
    assert isinstance(polynomial, TropicalPolynomial)
    assert polynomial == TropicalPolynomial(weights, bias).prune()


def test_sums_are_not_rounded() -> None:
    # max(x/3, 0) + max(x/3, 0)·0.1 with float weights: the slope is the exact rational sum of products
    circuit = tropixc.from_arrays([([[1 / 3], [1 / 7]], [0.0, 0.0], "relu"), ([[0.1, 0.2]], [0.3], None)])
    polynomial = tropixc.compile(circuit)
    assert isinstance(polynomial, TropicalPolynomial)
    slope = Fraction(0.1) * Fraction(1 / 3) + Fraction(0.2) * Fraction(1 / 7)
    assert {tuple(row) for row in polynomial.exact.fractions()} == {(0, Fraction(0.3)), (slope, Fraction(0.3))}


def test_the_way_back() -> None:
    circuit = input_convex(3)
    lowering = lower_to_polynomial(circuit, 0)
    limit = circuit.limit()
    assert len(lowering.activations) == len(lowering.polynomial)
    for i, pattern in enumerate(lowering.activations):
        witness = lowering.pruning.witnesses[i : i + 1]
        # the network's own affine map under this activation pattern is the monomial
        gradient = limit.gradient(witness.floats())[0, 0]
        np.testing.assert_allclose(gradient, lowering.polynomial.exponents[i], rtol=1e-9, atol=1e-12)
        assert set(pattern) == {
            name for name, node in zip(limit.names, limit.nodes, strict=True) if hasattr(node, "eps")
        }


def test_outputs_are_chosen() -> None:
    circuit = input_convex(1)
    one = tropixc.compile(circuit, output=1)
    assert isinstance(one, TropicalPolynomial)
    for bad in (-1, 2):
        with pytest.raises(InvalidInput, match="outputs 0 to 1"):
            tropixc.compile(circuit, output=bad)
    for bad in ("a", 0.5):
        with pytest.raises(InvalidInput, match="index"):
            tropixc.compile(circuit, output=bad)  # type: ignore[arg-type]
    assert tropixc.compile(circuit, to="text", output=1) == tropixc.to_text(one)
    assert tropixc.compile(circuit, to="latex", output=1) == tropixc.to_latex(one)
    assert tropixc.compile(circuit, to="sympy", output=1) == tropixc.to_sympy(one)
    with pytest.raises(Unsupported, match="target 'haskell'"):
        tropixc.compile(circuit, to="haskell")
    with pytest.raises(InvalidInput, match="expected a path or a Circuit"):
        tropixc.compile(3)  # type: ignore[arg-type]


def test_what_has_no_polynomial_says_why() -> None:
    negative = tropixc.from_arrays([([[1.0], [-1.0]], [0, 0], "relu"), ([[1.0, -1.0]], [0.0], None)])
    with pytest.raises(Unsupported, match=r"difference of convex.*rational function"):
        tropixc.compile(negative)
    concave = tropixc.from_arrays([([[1.0], [-1.0]], [0, 0], ("max", 2)), ([[-1.0]], [0.0], None)])
    with pytest.raises(Unsupported, match=r"concave.*negative"):
        tropixc.compile(concave)
    builder = CircuitBuilder(2)
    weights = builder.add(Gibbs(0, 1.0, uniform_segments(1, 2)), "attention")
    with pytest.raises(Unsupported, match=r"'attention'.*softmax.*logits"):
        tropixc.compile(builder.build(weights))
    product = builder.add(Product(0, 0, 2), "square")
    with pytest.raises(Unsupported, match=r"'square'.*product"):
        tropixc.compile(builder.build(product))


def test_expansions_that_explode_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_polynomial, "MAX_PRODUCT", 10)
    with pytest.raises(Unsupported, match="more than 10: compile on a smaller box"):
        tropixc.compile(input_convex(0))


def test_progress_is_reported_and_can_end_the_work() -> None:
    formed: list[int] = []
    lowering = lower_to_polynomial(input_convex(0), 0, progress=formed.append)
    assert formed == sorted(formed)
    assert formed[-1] == lowering.expanded

    def stop(formed: int) -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        lower_to_polynomial(input_convex(0), 0, progress=stop)


def test_affine_models_have_one_monomial() -> None:
    polynomial = tropixc.compile(tropixc.from_arrays([([[2.0, 3.0]], [1.0], None)]))
    assert isinstance(polynomial, TropicalPolynomial)
    assert tropixc.to_text(polynomial) == "2*x0 + 3*x1 + 1"


F = TropicalPolynomial(
    np.array([[0, 0], [2, 1], [-1, Fraction(1, 3)]], dtype=object), np.array([Fraction(0), 0.5, -1e-20], dtype=object)
)


def test_text() -> None:
    assert tropixc.to_text(F) == "max(0, 2*x0 + x1 + 0.5, -x0 + 1/3*x1 - 1e-20)"
    assert tropixc.to_text(F, ["u", "v"]).startswith("max(0, 2*u + v")
    assert tropixc.to_text(TropicalPolynomial.zero(1)) == "-inf"
    with pytest.raises(InvalidInput, match="names"):
        tropixc.to_text(F, ["u"])


def test_latex() -> None:
    assert tropixc.to_latex(F) == (
        r"\max\left\{0,\ 2 \, x_{0} + x_{1} + 0.5,\ -x_{0} + \frac{1}{3} \, x_{1} - 1 \cdot 10^{-20}\right\}"
    )
    assert tropixc.to_latex(TropicalPolynomial.zero(1)) == r"-\infty"


def test_sympy_is_exact() -> None:
    x0, x1 = sympy.symbols("x0 x1", real=True)
    expression = tropixc.to_sympy(F)
    tiny = Fraction(-1e-20)
    expected = {
        sympy.Integer(0),
        2 * x0 + x1 + sympy.Rational(1, 2),
        -x0 + x1 / 3 + sympy.Rational(tiny.numerator, tiny.denominator),
    }
    assert set(expression.args) == expected
    for point in ((0, 0), (1, -5), (-2, 3)):
        value = expression.subs(dict(zip((x0, x1), map(sympy.Integer, point), strict=True)))
        exact = F(Rationals.of([point])).fractions()[0]
        assert value == sympy.Rational(exact.numerator, exact.denominator)
    assert tropixc.to_sympy(TropicalPolynomial.zero(1)) == -sympy.oo
    assert tropixc.to_sympy(TropicalPolynomial([[2.0]], [1.0])) == 2 * x0 + 1


@pytest.mark.parametrize("seconds", [np.nan, -1.0, "5"])
def test_time_limits_are_nonnegative_numbers(seconds: float) -> None:
    for target in ("polynomial", "rational"):
        with pytest.raises(InvalidInput, match="time limit"):
            tropixc.compile(input_convex(0), target, time_limit=seconds)


def test_time_limits_end_the_work() -> None:
    with pytest.raises(Unsupported, match=r"time limit of 0 s after forming \d+ monomials"):
        tropixc.compile(input_convex(0), time_limit=0.0)


def test_boxes_are_used_on_the_way() -> None:
    circuit = input_convex(5)
    assert lower_to_polynomial(circuit, 0, (-0.1, 0.1)).expanded < lower_to_polynomial(circuit, 0).expanded
    shifted = tropixc.from_arrays([([[1.0], [1.0]], [0.0, -5.0], "relu"), ([[1.0, 1.0]], [0.0], None)])
    assert len(tropixc.compile(shifted, box=(1, 2))) == 1
    assert len(tropixc.compile(shifted)) == 3


def test_softmax_over_one_entry_is_one() -> None:
    builder = CircuitBuilder(2)
    ones = builder.add(Gibbs(0, 1.0, uniform_segments(2, 1)))
    assert [tropixc.to_text(f) for f in tropixc.compile(builder.build(ones))] == ["1", "1"]


def test_models_too_wide_for_exact_tables_are_refused() -> None:
    builder = CircuitBuilder(100_000)
    with pytest.raises(Unsupported, match="exact numbers"):
        tropixc.compile(builder.build(builder.relu(0)), output=0)

"""Text of polynomials and rational functions: read back exactly, evaluated by Python, one clear error for all else."""

from __future__ import annotations

import re
import sys
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tropixc
from tropix import FormatError, InvalidInput, LogSumExp, TropicalPolynomial, TropicalRational, Unsupported
from tropix.exact import Rationals
from tropix.polynomials import _parse, _pieces

numbers = st.one_of(
    st.integers(-(10**20), 10**20).map(Fraction),
    st.fractions(max_denominator=1000),
    st.floats(allow_nan=False, allow_infinity=False).map(Fraction),
    st.sampled_from([Fraction(0), Fraction(1), Fraction(-1), Fraction(1, 10), Fraction(10**16), Fraction(2**53 + 1)]),
)


@st.composite
def polynomials(draw: st.DrawFn, least: int = 0, dimension: int | None = None) -> TropicalPolynomial:
    width = draw(st.integers(0, 12)) if dimension is None else dimension
    count = draw(st.integers(least, 4))
    if not count:
        return TropicalPolynomial.zero(width)
    rows = draw(st.lists(st.lists(numbers, min_size=width + 1, max_size=width + 1), min_size=count, max_size=count))
    table = np.array(rows, dtype=object).reshape(count, width + 1)
    return TropicalPolynomial.from_rationals(Rationals.of(table))


@given(polynomials(), st.booleans())
def test_text_reads_back(f: TropicalPolynomial, named: bool) -> None:
    names = [f"{'abc'[i % 3]}{i}" for i in range(f.dimension)]
    assert TropicalPolynomial.parse(str(f)) == f
    assert TropicalPolynomial.parse(f.to_text(names), names) == f
    default = [f"x{i}" for i in range(f.dimension)]
    assert TropicalPolynomial.parse(f.to_text(floats=True), default, floats=True) == f
    assert eval(repr(f)) == f or repr(f).startswith("<")


@given(st.integers(0, 3).flatmap(lambda d: st.tuples(polynomials(1, d), polynomials(1, d))))
def test_text_of_rational_functions_reads_back(sides: tuple[TropicalPolynomial, TropicalPolynomial]) -> None:
    f = TropicalRational(*sides)
    for g in (TropicalRational.parse(str(f)), eval(repr(f))):
        assert g.numerator == f.numerator
        assert g.denominator == f.denominator


def test_what_repr_spells_out() -> None:
    many = TropicalPolynomial(np.arange(13)[:, None], np.zeros(13))
    assert repr(many) == "<TropicalPolynomial: 13 monomials in 1 variables>"
    assert many._repr_latex_() is None
    assert many.take([0, 1])._repr_latex_() == r"$\max\left\{0,\ x_{0}\right\}$"
    assert repr(TropicalRational.of(many)) == "<TropicalRational: 13 over 1 monomials in 1 variables>"
    assert repr(many.deform(0.5)) == "<LogSumExp: 13 pieces in 1 variables, eps=0.5>"
    assert repr(TropicalPolynomial([[0], [2**53 + 1]], [Fraction(1, 3), 0.5])) == (
        "TropicalPolynomial([[0], [Fraction(9007199254740993, 1)]], [Fraction(1, 3), 0.5])"
    )
    long = TropicalPolynomial([[Fraction(1, 3**9000)]], [0])
    assert repr(long).startswith("<")
    assert TropicalPolynomial.parse(str(long)) == long
    nothing = eval(repr(LogSumExp.zero(3, 0.5)))
    assert (len(nothing), nothing.dimension, nothing.eps) == (0, 3, 0.5)
    smooth = LogSumExp([[0.1], [-2.0]], [-np.inf, 0.3], 1e-3)
    again = eval(repr(smooth))
    assert again.weights.tolist() == smooth.weights.tolist()
    assert again.bias.tolist() == smooth.bias.tolist()
    assert again.eps == smooth.eps


def test_known_texts() -> None:
    f = TropicalPolynomial.parse("max(0, 2*x + y + 1, 3*x - 1/2)")
    assert f == TropicalPolynomial([[0, 0], [2, 1], [3, 0]], [0, 1, -0.5])
    assert str(f) == "max(0, 2*x0 + x1 + 1, 3*x0 - 0.5)"
    ten = " + ".join(f"{i}*x{i}" for i in (10, 2, 1, 9))
    assert TropicalPolynomial.parse(ten).exponents.tolist() == [[1, 2, 9, 10]]
    assert TropicalPolynomial.parse(ten, ["x10", "x9", "x2", "x1"]).exponents.tolist() == [[10, 9, 2, 1]]
    assert TropicalPolynomial.parse("x", ["y", "x"]).exponents.tolist() == [[0, 1]]
    assert str(TropicalPolynomial([[0, 0, 1]], [0.5])) == "0*x0 + 0*x1 + x2 + 0.5"
    assert str(TropicalPolynomial.zero(2)) == "-inf + 0*x0 + 0*x1"
    assert str(TropicalRational.parse("x - max(2)")) == "x0 - max(2)"
    smooth = LogSumExp([[0.0], [1.0]], [0.0, 0.1], 0.5)
    assert str(smooth) == "lse[0.5](0, x0 + 0.1)"
    assert smooth.to_latex() == r"0.5 \log\left(e^{(0)/(0.5)} + e^{(x_{0} + 0.1)/(0.5)}\right)"
    assert smooth._repr_latex_() == f"${smooth.to_latex()}$"
    rational = TropicalRational.parse("max(x, 1/3) - max(y, 1)")
    assert rational.to_latex() == (r"\max\left\{x_{0},\ \frac{1}{3}\right\} - \max\left\{x_{1},\ 1\right\}")
    assert TropicalRational.parse("x - max(y + 1)").to_latex(["a", "b"]) == r"a - \left(b + 1\right)"


def test_decimals_are_what_they_spell_or_their_float() -> None:
    exact, rounded = (TropicalPolynomial.parse("0.1*x + 1e-3", floats=floats) for floats in (False, True))
    assert exact.exact.fractions()[0].tolist() == [Fraction(1, 10), Fraction(1, 1000)]
    assert rounded.exact.fractions()[0].tolist() == [Fraction(0.1), Fraction(1e-3)]
    assert tropixc.to_text(rounded) == "0.1*x0 + 0.001"
    assert str(exact) == "0.1*x0 + 0.001"
    assert str(rounded).startswith(f"{Fraction(0.1)}*x0")


# -- expressions against Python's own reading of them --

leaves = st.one_of(
    st.sampled_from(["x", "y", "z1", "0", "1", "2.5", "1e-1", ".5", "12.e1", "3/4", "-2"]),
)


def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    constant = st.sampled_from(["2", "-1/2", "0.25", "(3 - 1)", "0"])
    return st.one_of(
        st.tuples(st.sampled_from(["max", "min"]), st.lists(inner, min_size=2, max_size=3)).map(
            lambda t: f"{t[0]}({', '.join(t[1])})"
        ),
        st.tuples(inner, st.sampled_from([" + ", "-", " - "]), inner).map(lambda t: f"({t[0]}{t[1]}{t[2]})"),
        st.tuples(constant, inner).map(lambda t: f"{t[0]} * ({t[1]})"),
        inner.map(lambda t: f"({t})/-4"),
        inner.map(lambda t: f"-{t}"),
        inner.map(lambda t: f"max( {t} )"),
    )


NUMBER = re.compile(r"(?<![\w.])(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?")
POINTS = [(Fraction(a, 2), Fraction(b, 3), Fraction(c)) for a in (-3, 0, 5) for b in (-4, 1) for c in (-1, 2)]


def value(text: str, x: Fraction, y: Fraction, z: Fraction) -> Fraction:
    """Python's own reading, in fractions; max and min of one argument are the argument."""

    def of(choose: Any) -> Any:
        return lambda *values: choose(values)

    source = NUMBER.sub(lambda found: f"F('{found[0]}')", text)
    return Fraction(eval(source, {"F": Fraction, "max": of(max), "min": of(min), "x": x, "y": y, "z1": z}))


@settings(max_examples=200)
@given(st.recursive(leaves, larger, max_leaves=6))
def test_the_function_is_what_the_text_says(text: str) -> None:
    points = Rationals.of(np.array(POINTS, dtype=object))
    expected = [value(text, *point) for point in POINTS]
    f = TropicalRational.parse(text, ["x", "y", "z1"])
    assert f(points).fractions().tolist() == expected
    try:
        polynomial = TropicalPolynomial.parse(text, ["x", "y", "z1"])
    except FormatError:
        assert "min" in text or "-" in text or "*" in text
    else:
        assert polynomial(points).fractions().tolist() == expected
    assert TropicalRational.parse(text.replace(" ", "\n\t "), ["x", "y", "z1"]).equivalent(f)


def test_tropical_notation() -> None:
    f = TropicalPolynomial.parse("2 ⊗ x ⊕ 3 ⊘ y ⊕ (x ⊕ y) ⊗ 1")
    assert f == TropicalPolynomial.parse("max(2 + x, 3 - y, max(x, y) + 1)")


def test_minus_infinity() -> None:
    assert TropicalPolynomial.parse("max(-inf, x)") == TropicalPolynomial([[1]], [0])
    assert len(TropicalPolynomial.parse("-inf + x")) == 0
    assert TropicalPolynomial.parse("-inf + 0*x").dimension == 1
    assert TropicalRational.parse("min(inf, x)").equivalent(TropicalRational.parse("x"))
    with pytest.raises(FormatError, match="finite everywhere"):
        TropicalRational.parse("-inf")


OPERAND = "expected a number, a variable, max"
BAD = {
    "": rf"column 1: the text ends here, {OPERAND}",
    "max(": rf"column 5: the text ends here, {OPERAND}",
    "max()": rf"column 5: found '\)', {OPERAND}",
    "max(0, x": r"column 9: the text ends here, expected an operator, ',' or '\)'",
    "(x": r"column 3: the text ends here, expected an operator or '\)'",
    "(x, y)": r"column 3: found ',', expected an operator or '\)'",
    "max x": r"column 5: found 'x', expected '\(' after max",
    "2x": "column 2: found 'x', expected an operator between a number and a name",
    "2 x": "column 3: found 'x', expected an operator, or the end",
    "x*y": "column 2: a product of two functions",
    "x/y": "column 2: division by what is no number",
    "1 / (2 - 2)": "column 3: division by zero",
    "0 * -inf": "column 3: infinity times zero",
    "inf": r"\+inf",
    "inf - inf": "no value",
    "x + 1.2.3": "column 8: found '.3', expected an operator, or the end",
    "1e99999": "column 1: the number has more than",
    "1e9999999": "column 1: the number has more than",
    "1e19000*1e19000*x": "column 8: a number has more than 65536 bits",
    "9" * 20_000: "column 1: the number has more than",
    "1e400": "exceeds the range of float64",
    "max(0,\n x $)": r"line 2, column 4: found '\$\)'",
    "(" * 101: "column 102: more than 100 parentheses deep",
    "min(x, y)": "column 1: a minimum, or",
    "1 + x - max(x, y)": "column 9: a minimum, or",
    "-2*max(x, y)": "column 3: a minimum, or",
    "__import__('os')": r"column 11: found \"\('os'\)\"",
    "x.real": "column 2: found '.real'",
    "x[0]": r"column 2: found '\[0\]'",
    "a" * 101: "column 1: a name has at most 100",
    "x²": "column 1: 'x²' is no name",
    "max(x, ³)": "column 8: '³' is no name",
    "x**2": rf"column 3: found '\*2', {OPERAND}",
}


@pytest.mark.parametrize("text", BAD)
def test_bad_texts(text: str) -> None:
    with pytest.raises(FormatError, match=BAD[text]):
        TropicalPolynomial.parse(text)


def test_bad_names() -> None:
    for names, message in [
        (["max"], "no name"),
        (["x", "x"], "twice"),
        (["x y"], "no name"),
        ([""], "no name"),
        (["x²"], "no name"),
    ]:
        with pytest.raises(InvalidInput, match=message):
            TropicalPolynomial.parse("1", names)
        with pytest.raises(InvalidInput, match=message):
            TropicalPolynomial.constant(1, len(names)).to_text(names)
    with pytest.raises(InvalidInput, match="'x²' is no name"):
        TropicalPolynomial.parse("1", ["x²"])
    with pytest.raises(InvalidInput, match="must be text, found int"):
        TropicalPolynomial.parse("x", [1])  # type: ignore[list-item]
    with pytest.raises(FormatError, match="column 5: 'z' is none of the variables x, y"):
        TropicalPolynomial.parse("x + z", ["x", "y"])
    with pytest.raises(InvalidInput, match="expected text, found int"):
        TropicalPolynomial.parse(3)  # type: ignore[arg-type]
    with pytest.raises(FormatError, match="beyond float64"):
        TropicalPolynomial.parse("1e400", floats=True)


def test_sizes_are_bounded_before_anything_is_formed(monkeypatch: pytest.MonkeyPatch) -> None:
    factor = f"max({', '.join(f'{i}*x' for i in range(40))})"
    with pytest.raises(Unsupported, match="more than 2000000 coefficients"):
        TropicalPolynomial.parse(" + ".join([factor] * 5))
    monkeypatch.setattr(_pieces, "MAX_NUMBERS", 10)
    with pytest.raises(Unsupported, match="more than 10 coefficients"):
        TropicalPolynomial.parse("max(x, y, x)", [f"{c}" for c in "abcdefgxy"])
    monkeypatch.setattr(_parse, "MAX_CHARACTERS", 10)
    with pytest.raises(FormatError, match="11 characters: at most 10"):
        TropicalPolynomial.parse("1" * 11)


def test_nesting_does_not_exhaust_the_stack() -> None:
    depth = _parse.MAX_NESTING
    text = "max(0, " * depth + "x" + ")" * depth
    assert sys.getrecursionlimit() <= 1000
    assert len(TropicalPolynomial.parse(text)) == depth + 1
    assert TropicalPolynomial.parse("-" * 10_000 + "x") == TropicalPolynomial([[1]], [0])


@settings(max_examples=300)
@given(st.text("max(in,) +-*/0.e⊕xyé\n", max_size=30))
def test_anything_else_is_one_clear_error(text: str) -> None:
    try:
        f = TropicalPolynomial.parse(text)
    except (FormatError, Unsupported):
        return
    assert TropicalPolynomial.parse(str(f)) == f

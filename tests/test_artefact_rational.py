"""Version 2 of the compiled file: rational functions survive exactly, and bad files are refused."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tropixc
from tropix import (
    Box,
    FormatError,
    InvalidInput,
    Polyhedron,
    TropicalPolynomial,
    TropicalRational,
    TropixError,
    Unsupported,
)

numbers = st.floats(allow_nan=False, allow_infinity=False) | st.fractions()
tables = st.lists(st.tuples(numbers, numbers, numbers), min_size=1, max_size=4)


def polynomial(rows: list[tuple[object, object, object]]) -> TropicalPolynomial:
    table = np.empty((len(rows), 3), dtype=object)
    table[:] = rows
    return TropicalPolynomial(table[:, :2], table[:, 2])


@given(tables, tables, tables)
def test_every_number_survives(
    top: list[tuple[object, object, object]],
    bottom: list[tuple[object, object, object]],
    alone: list[tuple[object, object, object]],
) -> None:
    f = TropicalRational(polynomial(top), polynomial(bottom))
    box = Box.of(([-np.inf, 0.1], [1e300, np.inf]), 2)
    artefact = tropixc.Artefact((polynomial(alone), f), (3, 0), box, {"model": "m.onnx"})
    back = tropixc.Artefact.from_json(artefact.to_json())
    assert artefact.version == back.version == 2
    assert (back.outputs, back.source, back.dimension) == ((3, 0), {"model": "m.onnx"}, 2)
    assert back.box is not None
    assert (back.box.lower.tolist(), back.box.upper.tolist()) == ([-np.inf, 0.1], [1e300, np.inf])
    first, second = back.functions
    assert isinstance(first, TropicalPolynomial)
    assert isinstance(second, TropicalRational)
    pairs = [(alone, first), (top, second.numerator), (bottom, second.denominator)]
    for rows, read in pairs:
        assert [tuple(row) for row in read.exact.fractions()] == [tuple(map(Fraction, row)) for row in rows]


def half() -> TropicalRational:
    third = TropicalPolynomial(np.array([[Fraction(1, 3)], [Fraction(0)]], dtype=object), [0.0, 1.0])
    return TropicalRational(third, TropicalPolynomial([[1.0], [-1.0]], [0.5, 0.0]))


def artefact() -> tropixc.Artefact:
    return tropixc.Artefact((half(), TropicalPolynomial([[1.0]], [2.0])), (0, 2))


def test_the_file_is_what_the_documentation_says() -> None:
    assert json.loads(artefact().to_json()) == {
        "format": "tropix/polynomials",
        "version": 2,
        "source": {},
        "dimension": 1,
        "box": None,
        "functions": [
            {
                "output": 0,
                "numerator": {"exponents": [["1/3"], [0.0]], "coefficients": [0.0, 1.0]},
                "denominator": {"exponents": [[1.0], [-1.0]], "coefficients": [0.5, 0.0]},
            },
            {"output": 2, "exponents": [[1.0]], "coefficients": [2.0]},
        ],
    }


def test_polynomials_alone_stay_version_1() -> None:
    f = TropicalPolynomial([[1.0]], [2.0])
    alone = tropixc.Artefact((f,), (0,))
    data = json.loads(alone.to_json())
    assert data["version"] == 1
    assert data["polynomials"] == [{"output": 0, "exponents": [[1.0]], "coefficients": [2.0]}]
    assert alone.polynomials == (f,)
    # a version 2 file may hold polynomials alone
    moved = {**data, "version": 2, "functions": data.pop("polynomials")}
    assert tropixc.Artefact.from_json(json.dumps(moved)).polynomials == (f,)


def test_polynomials_of_a_rational_artefact_are_refused_by_name() -> None:
    f = TropicalPolynomial([[1.0]], [2.0])
    with pytest.raises(InvalidInput, match=r"output 7 is a rational function of 2 / 2 monomials.*artefact\.functions"):
        _ = tropixc.Artefact((f, half()), (0, 7)).polynomials
    with pytest.raises(FormatError, match="different numbers of variables"):
        tropixc.Artefact((half(), TropicalPolynomial([[1.0, 2.0]], [0.0])), (0, 1))


def change(**values: object) -> str:
    return json.dumps({**json.loads(artefact().to_json()), **values})


def entry(**values: object) -> str:
    first = {**json.loads(artefact().to_json())["functions"][0], **values}
    return change(functions=[{key: value for key, value in first.items() if value != "absent"}])


def side(**values: object) -> dict[str, object]:
    return {"exponents": [[1.0]], "coefficients": [0.0], **values}


BAD = {
    "truncated": (artefact().to_json()[:-3], "truncated"),
    "version 3": (change(version=3), "artefact version 3: this tropix reads versions 1 and 2"),
    "version 2.0": (change(version=2.0), "artefact version 2.0"),
    "true version": (change(version=True), "artefact version True"),
    "a list as version": (change(version=[2]), "artefact version"),
    "version 1 with functions": (change(version=1), "polynomials: expected a non-empty list"),
    "version 2 with polynomials": (change(functions=None, polynomials=[side(output=0)]), "functions: expected"),
    "a rational function in version 1": (
        change(version=1, polynomials=json.loads(artefact().to_json())["functions"]),
        r"polynomials\[0\]: expected equally long lists",
    ),
    "no functions": (change(functions=[]), "functions: expected a non-empty list"),
    "numbers": (change(functions=[1]), "functions: expected a non-empty list of objects"),
    "no denominator": (entry(denominator="absent"), r"functions\[0\]: expected objects 'numerator' and 'denominator'"),
    "no numerator": (entry(numerator="absent"), r"functions\[0\]: expected objects 'numerator' and 'denominator'"),
    "neither": (entry(numerator="absent", denominator="absent"), r"functions\[0\]: expected equally long lists"),
    "a null denominator": (entry(denominator=None), r"functions\[0\]: expected objects"),
    "a list as side": (entry(numerator=[[1.0]]), r"functions\[0\]: expected objects"),
    "both kinds": (entry(exponents=[[1.0]], coefficients=[0.0]), r"functions\[0\]: expected either"),
    "half of both": (entry(coefficients=[0.0]), r"functions\[0\]: expected either"),
    "nested sides": (entry(numerator={"numerator": side(), "denominator": side()}), r"\[0\]\.numerator: expected equa"),
    "an empty denominator": (entry(denominator=side(exponents=[], coefficients=[])), "monomial on each side"),
    "an empty numerator": (entry(numerator=side(exponents=[], coefficients=[])), "monomial on each side"),
    "unequal lists": (entry(denominator=side(coefficients=[0.0, 1.0])), r"\[0\]\.denominator: expected equally long"),
    "a wide row": (entry(denominator=side(exponents=[[1.0, 2.0]])), r"\[0\]\.denominator: every exponent vector"),
    "a word": (entry(numerator=side(coefficients=["two"])), r"\[0\]\.numerator: 'two' is no number"),
    "an expression": (entry(numerator=side(coefficients=["__import__('os')"])), "is no number"),
    "zero denominators": (entry(denominator=side(coefficients=["1/0"])), "'1/0' is no number"),
    "a boolean": (entry(denominator=side(coefficients=[True])), "'True' is no number"),
    "a null": (entry(denominator=side(coefficients=[None])), "'None' is no number"),
    "huge digits": (entry(denominator=side(coefficients=["1" * 5000])), "is no number"),
    "NaN": (artefact().to_json().replace("0.5", "NaN"), "NaN is not a number of JSON"),
    "infinity": (artefact().to_json().replace("0.5", "1e999"), r"functions\[0\]\.denominator: "),
    "beyond float64": (entry(denominator=side(coefficients=["1" + "0" * 400])), r"functions\[0\]\.denominator: "),
    "no output": (entry(output=None), "output index"),
    "an output twice": (change(functions=2 * json.loads(artefact().to_json())["functions"]), "twice"),
}


@pytest.mark.parametrize("name", BAD)
def test_malformed_files_are_refused(name: str, tmp_path: Path) -> None:
    text, message = BAD[name]
    path = tmp_path / "f.json"
    path.write_text(text)
    with pytest.raises(TropixError, match=message) as caught:
        tropixc.read_artefact(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 400
    assert isinstance(caught.value, Unsupported if "version" in name and "with" not in name else FormatError) or (
        name == "a rational function in version 1"
    )


def test_the_file_of_a_rational_function_is_written_and_read(tmp_path: Path) -> None:
    circuit = tropixc.from_arrays([([[1.0], [-1.0]], [0.0, 0.5], "relu"), ([[1.0, -2.0]], [0.25], None)])
    f = tropixc.compile(circuit, "rational", box=(-2, 2))
    assert isinstance(f, TropicalRational)
    path = tmp_path / "f.json"
    tropixc.write_artefact(path, tropixc.Artefact((f,), (0,), Box.of((-2, 2), 1)))
    back = tropixc.read_artefact(path).functions[0]
    assert isinstance(back, TropicalRational)
    assert (back.numerator, back.denominator) == (f.numerator, f.denominator)
    assert back([-1.5]) == circuit([[-1.5]])[0, 0] == -3.75


@pytest.mark.parametrize("simple", [False, True])
def test_a_polyhedron_survives_with_its_halfspaces(simple: bool) -> None:
    domain = Polyhedron.where([[0.1, 1.0]], [1 / 3], ([-np.inf, -1], [1e300, 1]))
    line = TropicalPolynomial([[1.0, 0.5]], [2.0])
    artefact = tropixc.Artefact((line if simple else TropicalRational(line, line),), (0,), domain)
    back = tropixc.Artefact.from_json(artefact.to_json()).box
    assert artefact.version == 2
    assert isinstance(back, Polyhedron)
    for name in ("lower", "upper", "weights", "bounds"):
        assert getattr(back, name).tolist() == getattr(domain, name).tolist()


@pytest.mark.parametrize(
    "change",
    [
        {"weights": None},
        {"bounds": []},
        {"weights": [[1.0]]},
        {"weights": [["x", 1.0]]},
        {"bounds": [10**400]},
        {"bounds": ["1/0"]},
    ],
)
def test_bad_halfspaces_are_refused(change: dict[str, object]) -> None:
    line = TropicalPolynomial([[1.0, 0.5]], [2.0])
    data = json.loads(tropixc.Artefact((line,), (0,), Polyhedron.where([[1.0, 1.0]], [1.0])).to_json())
    data["box"].update(change)
    with pytest.raises(InvalidInput):
        tropixc.Artefact.from_json(json.dumps(data))

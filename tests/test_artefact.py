"""The compiled file: exact, atomic, versioned, and strict."""

from __future__ import annotations

import json
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tropixc
from tropix import Box, FormatError, InvalidInput, TropicalPolynomial, TropixError
from tropixc.lowerings import _files, write_all

numbers = st.floats(allow_nan=False, allow_infinity=False) | st.fractions()


@given(st.lists(st.tuples(numbers, numbers, numbers), min_size=1, max_size=5))
def test_every_number_survives(rows: list[tuple[object, object, object]]) -> None:
    table = np.empty((len(rows), 3), dtype=object)
    table[:] = rows
    polynomial = TropicalPolynomial(table[:, :2], table[:, 2])
    box = Box.of(([-np.inf, 0.1], [1e300, np.inf]), 2)
    artefact = tropixc.Artefact((polynomial, polynomial), (0, 3), box, {"model": "m.onnx"})
    back = tropixc.Artefact.from_json(artefact.to_json())
    assert back.polynomials == artefact.polynomials
    assert back.outputs == (0, 3)
    assert back.source == {"model": "m.onnx"}
    assert back.box is not None
    assert back.box.lower.tolist() == [-np.inf, 0.1]
    assert back.box.upper.tolist() == [1e300, np.inf]


def simple() -> tropixc.Artefact:
    return tropixc.Artefact((TropicalPolynomial([[1.0], [2.0]], [0.0, 1.0]),), (0,))


def test_the_zero_polynomial_survives() -> None:
    zero = tropixc.Artefact((TropicalPolynomial.zero(2),), (0,))
    assert len(tropixc.Artefact.from_json(zero.to_json()).polynomials[0]) == 0
    assert tropixc.Artefact.from_json(zero.to_json()).dimension == 2


def change(**values: object) -> str:
    return json.dumps({**json.loads(simple().to_json()), **values})


def entry(**values: object) -> str:
    return change(polynomials=[{**json.loads(simple().to_json())["polynomials"][0], **values}])


BAD = {
    "truncated": simple().to_json()[:-5],
    "not json": "max(0, x)",
    "deep": "[" * 100_000,
    "a list": "[]",
    "another format": change(format="onnx"),
    "a later version": change(version=3),
    "rational functions": change(version=2),
    "NaN": simple().to_json().replace("1.0", "NaN"),
    "infinity": simple().to_json().replace("1.0", "1e999"),
    "no dimension": change(dimension=None),
    "negative dimension": change(dimension=-1),
    "true dimension": change(dimension=True),
    "wrong dimension": change(dimension=2),
    "no polynomials": change(polynomials=[]),
    "polynomials of numbers": change(polynomials=[1]),
    "unequal lists": entry(coefficients=[0.0]),
    "a word": entry(coefficients=[0.0, "two"]),
    "an expression": entry(coefficients=[0.0, "__import__('os')"]),
    "zero denominator": entry(coefficients=[0.0, "1/0"]),
    "a null": entry(coefficients=[0.0, None]),
    "a boolean": entry(coefficients=[0.0, True]),
    "huge digits": entry(coefficients=[0.0, "1" * 5000]),
    "huge integer": simple().to_json().replace("1.0", "1" * 5000),
    "beyond float64": entry(coefficients=[0.0, "1" + "0" * 400]),
    "rows": entry(exponents=[1.0, 2.0]),
    "no output": entry(output=None),
    "negative output": entry(output=-1),
    "box of words": change(box={"lower": ["a"], "upper": [1]}),
    "box of another size": change(box={"lower": [0, 0], "upper": [1, 1]}),
    "empty box": change(box={"lower": [1], "upper": [0]}),
    "box list": change(box=[0, 1]),
    "one output twice": change(polynomials=2 * json.loads(simple().to_json())["polynomials"]),
    "a true version": change(version=True),
    "a box beyond float64": change(box={"lower": [-(10**400)], "upper": [1]}),
    "source": change(source={"model": 3}),
}


@pytest.mark.parametrize("name", BAD)
def test_malformed_files_are_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    path.write_text(BAD[name])
    with pytest.raises(TropixError) as caught:
        tropixc.read_artefact(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 400


def test_other_bad_files(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="no such file"):
        tropixc.read_artefact(tmp_path / "absent.json")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FormatError, match="not a text file"):
        tropixc.read_artefact(tmp_path / "binary.json")


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f.json"
    tropixc.write_artefact(path, simple())
    before = path.read_text()

    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(_files.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        tropixc.write_artefact(path, tropixc.Artefact((TropicalPolynomial([[5.0]], [1.0]),), (0,)))
    assert path.read_text() == before
    assert os.listdir(tmp_path) == ["f.json"]


def test_unwritable_targets(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no regular file"):
        tropixc.write_artefact(tmp_path, simple())
    with pytest.raises(InvalidInput, match="cannot write"):
        tropixc.write_artefact(tmp_path / "absent" / "f.json", simple())


def test_special_files_are_left_alone_and_links_followed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidInput, match="no regular file"):
        tropixc.write_artefact(tmp_path / "pipe", simple())
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    tropixc.write_artefact(tmp_path / "link.json", simple())
    assert (tmp_path / "link.json").is_symlink()
    assert tropixc.read_artefact(tmp_path / "real.json").polynomials == simple().polynomials


def test_several_files_are_written_together_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot write"):
        write_all({tmp_path / "a": "1", tmp_path / "absent" / "b": "2"})
    assert os.listdir(tmp_path) == []


def test_common_denominators_are_bounded() -> None:
    rows = [f"1/{10**3900 + 2 * k + 1}" for k in range(300)]
    text = entry(exponents=[[1.0]] * 300, coefficients=rows)
    with pytest.raises(FormatError, match="common denominator"):
        tropixc.Artefact.from_json(text)


def test_artefacts_are_consistent() -> None:
    f = TropicalPolynomial([[1.0]], [0.0])
    with pytest.raises(FormatError, match="different numbers of variables"):
        tropixc.Artefact((f, TropicalPolynomial([[1.0, 2.0]], [0.0])), (0, 1))
    with pytest.raises(FormatError, match="outputs"):
        tropixc.Artefact((f,), (0, 1))


def test_fractions_are_written_as_strings() -> None:
    f = TropicalPolynomial(np.array([[Fraction(1, 3)]], dtype=object), [0.1])
    data = json.loads(tropixc.Artefact((f,), (0,)).to_json())
    assert data["polynomials"][0] == {"output": 0, "exponents": [["1/3"]], "coefficients": [0.1]}

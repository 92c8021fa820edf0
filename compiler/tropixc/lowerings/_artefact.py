"""The compiled artefact: polynomials in a versioned JSON file in which every number survives exactly.

A number that is a float64 is written as the shortest decimal that reads back as it; any other rational as the string
"p/q". The file is data: reading it evaluates nothing, and sizes are bounded.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from tropix.boxes import Box
from tropix.errors import FormatError, TropixError, Unsupported
from tropix.exact import Rationals
from tropix.polynomials import TropicalPolynomial
from tropixc.lowerings._files import write_atomically

FORMAT = "tropix/polynomials"
VERSION = 1
MAX_BYTES = 1 << 30
MAX_DIGITS = 4000
_RATIONAL = re.compile(rf"-?[0-9]{{1,{MAX_DIGITS}}}(/[0-9]{{1,{MAX_DIGITS}}})?")


@dataclass(frozen=True, eq=False)
class Artefact:
    """Compiled polynomials, the model outputs they stand for, their domain, and where they come from.

    ``source`` is free-form information about the model (file name, SHA-256, …), strings only.
    """

    polynomials: tuple[TropicalPolynomial, ...]
    outputs: tuple[int, ...]
    box: Box | None = None
    source: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.polynomials or len(self.polynomials) != len(self.outputs):
            raise FormatError(f"{len(self.polynomials)} polynomials for {len(self.outputs)} outputs")
        if len(set(self.outputs)) < len(self.outputs):
            raise FormatError(f"an output is named twice in {self.outputs}")
        if len({polynomial.dimension for polynomial in self.polynomials}) != 1:
            raise FormatError("polynomials in different numbers of variables")

    @property
    def dimension(self) -> int:
        """Number of input coordinates."""
        return self.polynomials[0].dimension

    def to_json(self) -> str:
        """The file's text."""
        box = None
        if self.box is not None:
            box = {"lower": [_end(v) for v in self.box.lower], "upper": [_end(v) for v in self.box.upper]}
        return json.dumps(
            {
                "format": FORMAT,
                "version": VERSION,
                "source": self.source,
                "dimension": self.dimension,
                "box": box,
                "polynomials": [
                    {
                        "output": output,
                        "exponents": _numbers(polynomial.exact[:, :-1]),
                        "coefficients": _numbers(polynomial.exact[:, -1]),
                    }
                    for output, polynomial in zip(self.outputs, self.polynomials, strict=True)
                ],
            },
            allow_nan=False,
        )

    @classmethod
    def from_json(cls, text: str) -> Artefact:
        """Read the file's text; raises `FormatError` that says what is wrong, `Unsupported` for other versions."""
        try:
            data = json.loads(text, parse_constant=_reject_constant)
        except (ValueError, RecursionError) as error:
            raise FormatError(f"not a JSON file, or truncated: {error}") from None
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise FormatError(f'no compiled artefact: expected "format": "{FORMAT}"')
        if data.get("version") != VERSION or isinstance(data["version"], bool):
            raise Unsupported(f"artefact version {data.get('version')!r}: this tropix reads version {VERSION}")
        dimension = data.get("dimension")
        if not isinstance(dimension, int) or isinstance(dimension, bool) or dimension < 1:
            raise FormatError(f"dimension {dimension!r}: expected a positive integer")
        entries = data.get("polynomials")
        if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
            raise FormatError("polynomials: expected a non-empty list of objects")
        source = data.get("source", {})
        if not isinstance(source, dict) or not all(isinstance(v, str) for v in source.values()):
            raise FormatError("source: expected an object of strings")
        polynomials = tuple(_polynomial(entry, dimension, f"polynomials[{i}]") for i, entry in enumerate(entries))
        outputs = tuple(entry.get("output") for entry in entries)
        if not all(isinstance(output, int) and not isinstance(output, bool) and output >= 0 for output in outputs):
            raise FormatError("every polynomial needs an output index >= 0")
        return cls(polynomials, outputs, _box(data.get("box"), dimension), source)


def write_artefact(path: str | Path, artefact: Artefact) -> None:
    """Write an artefact atomically."""
    write_atomically(path, artefact.to_json())


def read_artefact(path: str | Path) -> Artefact:
    """Read an artefact; raises `FormatError` naming the file."""
    file = Path(path)
    if not file.is_file():
        raise FormatError(f"{file}: {'a folder' if file.is_dir() else 'no such file'}")
    if file.stat().st_size > MAX_BYTES:
        raise FormatError(f"{file}: larger than {MAX_BYTES} bytes")
    try:
        return Artefact.from_json(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise FormatError(f"{file}: not a text file") from None
    except TropixError as error:
        raise type(error)(f"{file}: {error}") from None


def _end(value: float) -> float | str:
    return float(value) if np.isfinite(value) else "inf" if value > 0 else "-inf"


def _numbers(values: Rationals) -> Any:
    floats, exact = values.floats(), values.float_mask()
    flat: list[Any] = floats.ravel().tolist()
    for i in np.flatnonzero(~exact.ravel()):
        fraction = Fraction(values.numerators.ravel()[i], values.denominator)
        if max(abs(fraction.numerator), fraction.denominator) >= 10**MAX_DIGITS:
            raise Unsupported(f"a rational number has more than {MAX_DIGITS} digits: compile fewer layers")
        flat[i] = f"{fraction.numerator}/{fraction.denominator}"
    if len(values.shape) == 1:
        return flat
    width = values.shape[1]
    return [flat[i * width : (i + 1) * width] for i in range(values.shape[0])]


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON")


def _number(value: Any, where: str) -> float | int | Fraction:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _RATIONAL.fullmatch(value):
        numerator, _, denominator = value.partition("/")
        if not denominator or int(denominator):
            return Fraction(int(numerator), int(denominator or 1))
    raise FormatError(f"{where}: {str(value)[:40]!r} is no number: expected a float or a string 'p/q'")


def _polynomial(entry: dict[str, Any], dimension: int, where: str) -> TropicalPolynomial:
    exponents, coefficients = entry.get("exponents"), entry.get("coefficients")
    if not isinstance(exponents, list) or not isinstance(coefficients, list) or len(exponents) != len(coefficients):
        raise FormatError(f"{where}: expected equally long lists 'exponents' and 'coefficients'")
    if not all(isinstance(row, list) and len(row) == dimension for row in exponents):
        raise FormatError(f"{where}: every exponent vector needs {dimension} numbers")
    flat = [_number(value, where) for row, c in zip(exponents, coefficients, strict=True) for value in (*row, c)]
    values = np.empty(len(flat), dtype=object)
    values[:] = flat
    try:
        return TropicalPolynomial.from_rationals(Rationals.of(values.reshape(len(exponents), dimension + 1)))
    except TropixError as error:
        raise FormatError(f"{where}: {error}") from None


def _box(value: Any, dimension: int) -> Box | None:
    if value is None:
        return None
    ends = []
    for name in ("lower", "upper"):
        numbers = value.get(name) if isinstance(value, dict) else None
        if not isinstance(numbers, list) or len(numbers) != dimension:
            raise FormatError(f"box: expected {dimension} numbers in {name!r}")
        try:
            ends.append([float(v) if v in ("inf", "-inf") else float(_number(v, f"box {name}")) for v in numbers])
        except OverflowError:
            raise FormatError(f"box: a number in {name!r} exceeds the range of float64") from None
    return Box.of((ends[0], ends[1]), dimension)

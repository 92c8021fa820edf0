"""Text → circuit: a parser that evaluates nothing, bounds sizes before it allocates, and says which line is wrong."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypeVar

import numpy as np
import scipy.sparse as sp

from tropix.arrays import IntArray
from tropix.circuits import (
    Affine,
    Circuit,
    Gibbs,
    Input,
    LogSumExp,
    Matrix,
    Node,
    Pointwise,
    Product,
    Term,
    uniform_segments,
)
from tropix.errors import FormatError, InvalidInput
from tropixc.lowerings._circuit_text import HEADER, MAX_INPUTS, MAX_NUMBERS, PLAIN, VERSION

Made = TypeVar("Made")
_NAME = PLAIN.pattern
_LABEL = rf"(?:{_NAME}|#[0-9]{{1,9}})"
_COUNT = "([0-9]{1,9})"
_REAL = r"(?:[0-9]{1,400}(?:\.[0-9]{1,400})?(?:e[+-]?[0-9]{1,4})?)"
_QUOTED = r'"(?:[^"\\]|\\u\{[0-9a-f]{1,6}\})*"'

_DEFINITION = re.compile(rf"(?:({_NAME})|#([0-9]{{1,9}}) ({_QUOTED})) = (.*)")
_OUTPUT = re.compile(rf"output ({_LABEL})")
_INPUT = re.compile(f"input {_COUNT}")
_AFFINE = re.compile(rf"affine {_COUNT}(?:: (.*))?")
_TERM = re.compile(rf"(dense|sparse) ({_LABEL})")
_MAX = re.compile(rf"max ({_LABEL}) \[(.*)\]")
_SOFT = re.compile(rf"(lse|gibbs) ({_LABEL}) eps ({_REAL}) \[(.*)\]")
_PRODUCT = re.compile(rf"product ({_LABEL}) ({_LABEL})")
_POINTWISE = re.compile(rf"(erf|exp|log|reciprocal|sqrt) ({_LABEL})")
_UNIFORM = re.compile(f"{_COUNT} x {_COUNT}")
_SEGMENT = re.compile(f"{_COUNT}:{_COUNT}")
_SUMMAND = re.compile(
    r"(?P<sign> [+-] |-|)(?:"
    rf"(?:(?P<weight>{_REAL})\*)?(?P<label>{_LABEL}(?:\.[0-9]{{1,9}})?)\[(?P<column>[0-9]{{1,9}})\]"
    rf"|(?P<constant>{_REAL}))(?= |$)"
)


def circuit_from_text(text: str) -> Circuit:
    """The circuit that `circuit_to_text` wrote, bit for bit.

    Raises `FormatError`, naming the line, for anything that is not such a text: other versions, NaN and infinities,
    names that no earlier line defines, wrong sizes, lines behind the output.

    >>> circuit_from_text("tropix circuit 1\\nx = input 1\\ny = product x x\\noutput y\\n")([3.0])
    array([9.])
    """
    return _Parser(text).circuit()


MAX_FILE_BYTES = 1 << 30


def read_circuit(path: str | Path) -> Circuit:
    """The circuit in a text file; see :func:`circuit_from_text`. Errors name the file."""
    file = Path(path)
    if not file.is_file():
        raise FormatError(f"{file}: {'a folder' if file.is_dir() else 'no such file'}")
    if file.stat().st_size > MAX_FILE_BYTES:
        raise FormatError(f"{file}: larger than {MAX_FILE_BYTES} bytes")
    try:
        return circuit_from_text(file.read_text(encoding="utf-8"))
    except (FormatError, UnicodeDecodeError) as error:
        raise FormatError(f"{file}: {error}") from None


class _Parser:
    def __init__(self, text: str) -> None:
        self.lines = [line.removesuffix("\r") for line in text.split("\n")]
        self.at = 0
        self.numbers = 0
        self.nodes: list[Node] = []
        self.names: list[str] = []
        self.named: dict[str, int] = {}

    def circuit(self) -> Circuit:
        self._header()
        while not (output := _OUTPUT.fullmatch(line := self._next())):
            self._definition(line)
        position = self._position(output[1])
        if any(self.lines[self.at :]):
            self.at += 1
            self._fail("nothing may follow the output")
        return self._made(lambda: Circuit(tuple(self.nodes), position, tuple(self.names)))

    # -- lines ----------------------------------------------------------------------------------------------------

    def _fail(self, reason: str) -> NoReturn:
        raise FormatError(f"line {self.at}: {reason}")

    def _next(self) -> str:
        if self.at >= len(self.lines) or (self.at == len(self.lines) - 1 and not self.lines[self.at]):
            self.at = min(self.at + 1, len(self.lines))
            self._fail("the text ends here: expected more lines, and at last the output")
        self.at += 1
        return self.lines[self.at - 1]

    def _header(self) -> None:
        line = self._next()
        if line != f"{HEADER} {VERSION}":
            if re.fullmatch(rf"{HEADER} [0-9]{{1,9}}", line):
                self._fail(f"version {line.rpartition(' ')[2]} of the format: only version {VERSION} is known")
            self._fail(f"{line[:40]!r}: expected '{HEADER} {VERSION}'")

    def _definition(self, line: str) -> None:
        found = _DEFINITION.fullmatch(line)
        if found is None:
            self._fail(f"{line[:40]!r}: expected a node such as 'y = max x [1 x 2]', or the output")
        plain, position, literal, what = found.groups()
        if plain is not None:
            if plain in self.named:
                self._fail(f"the name {plain!r} is defined twice")
        elif int(position) != len(self.nodes):
            self._fail(f"node #{position} is the node of position {len(self.nodes)}")
        name = plain if plain is not None else self._unquoted(literal)
        node = self._node(what)
        if isinstance(node, Input) != (not self.nodes):
            self._fail("the first node, and only the first, is the input")
        if plain is not None:
            self.named[plain] = len(self.nodes)
        self.nodes.append(node)
        self.names.append(name)

    def _unquoted(self, literal: str) -> str:
        def character(code: re.Match[str]) -> str:
            value = int(code[1], 16)
            return chr(value) if value < 0x110000 else self._fail(f"\\u{{{code[1]}}} is no character")

        return re.sub(r"\\u\{([0-9a-f]{1,6})\}", character, literal[1:-1])

    # -- nodes ----------------------------------------------------------------------------------------------------

    def _node(self, what: str) -> Node:
        if found := _INPUT.fullmatch(what):
            size = int(found[1])
            if size > MAX_INPUTS:
                self._fail(f"{size} inputs: at most {MAX_INPUTS} are read")
            return self._made(lambda: Input(size))
        if found := _AFFINE.fullmatch(what):
            return self._affine(int(found[1]), found[2])
        if found := _MAX.fullmatch(what):
            source = self._position(found[1])
            return LogSumExp(source, 0.0, self._segments(found[2], self.nodes[source].size))
        if found := _SOFT.fullmatch(what):
            kind = LogSumExp if found[1] == "lse" else Gibbs
            source, eps = self._position(found[2]), self._real(found[3])
            segments = self._segments(found[4], self.nodes[source].size)
            return self._made(lambda: kind(source, eps, segments))
        if found := _PRODUCT.fullmatch(what):
            left, right = self._position(found[1]), self._position(found[2])
            sizes = self.nodes[left].size, self.nodes[right].size
            if sizes[0] != sizes[1]:
                self._fail(f"a product of vectors of sizes {sizes[0]} and {sizes[1]}")
            return Product(left, right, sizes[0])
        if found := _POINTWISE.fullmatch(what):
            source = self._position(found[2])
            return Pointwise(source, found[1], self.nodes[source].size)  # type: ignore[arg-type]
        self._fail(f"{what[:40]!r}: expected input, affine, max, lse, gibbs, product, or a function")

    def _made(self, make: Callable[[], Made]) -> Made:
        try:
            return make()
        except InvalidInput as error:
            self._fail(str(error))

    def _position(self, label: str) -> int:
        position = int(label[1:]) if label[0] == "#" else self.named.get(label, -1)
        if not 0 <= position < len(self.nodes):
            self._fail(f"{label[:40]!r} is no node of an earlier line")
        return position

    def _real(self, text: str) -> float:
        value = float(text)
        if not math.isfinite(value):
            self._fail(f"{text[:40]} is beyond float64")
        return value

    def _allocate(self, count: int) -> None:
        self.numbers += count
        if self.numbers > MAX_NUMBERS:
            self._fail(f"the circuit announces {self.numbers} numbers: at most {MAX_NUMBERS} are read")

    def _segments(self, text: str, size: int) -> IntArray:
        if found := _UNIFORM.fullmatch(text):
            count, width = int(found[1]), int(found[2])
            if count * width != size or not size:
                self._fail(f"{count} segments of {width} entries, but the source has {size}")
            self._allocate(count + 1)
            return uniform_segments(count, width)
        offsets = [0]
        for part in text.split(" "):
            pair = _SEGMENT.fullmatch(part)
            if pair is None or int(pair[1]) != offsets[-1] or int(pair[2]) <= offsets[-1]:
                self._fail(f"segment {part[:40]!r}: expected '{offsets[-1]}:…', or all as '2 x 3'")
            offsets.append(int(pair[2]))
        if offsets[-1] != size:
            self._fail(f"segments end at {offsets[-1]}, but the source has {size} entries")
        self._allocate(len(offsets))
        return np.array(offsets, dtype=np.int64)

    # -- affine maps ----------------------------------------------------------------------------------------------

    def _affine(self, size: int, listed: str | None) -> Affine:
        kinds: list[str] = []
        sources: list[int] = []
        labels: list[str] = []
        for part in [] if listed is None else listed.split(", "):
            found = _TERM.fullmatch(part)
            if found is None:
                self._fail(f"{part[:40]!r}: expected terms such as 'dense x, sparse z'")
            kinds.append(found[1])
            labels.append(found[2])
            sources.append(self._position(found[2]))
        if size > len(self.lines) - self.at:
            self._fail(f"{size} rows are announced, but {len(self.lines) - self.at} lines follow")
        matrices = [_Entries(kind, size, self.nodes[source].size) for kind, source in zip(kinds, sources, strict=True)]
        self._allocate(size + sum(matrix.allocated for matrix in matrices))
        count = Counter(sources)
        names = {
            f"{label}.{k}" if count[source] > 1 else label: k
            for k, (label, source) in enumerate(zip(labels, sources, strict=True))
        }
        bias = [self._row(i, names, matrices) for i in range(size)]
        terms = tuple(Term(source, matrix.matrix()) for source, matrix in zip(sources, matrices, strict=True))
        return self._made(lambda: Affine(terms, np.array(bias, dtype=np.float64)))

    def _row(self, row: int, names: dict[str, int], matrices: list[_Entries]) -> float:
        """Read one row into the matrices; returns its constant, which comes last."""
        line = self._next()
        if not line.startswith("  "):
            self._fail(f"{line[:40]!r}: expected a row of the affine map, indented by two spaces")
        at, last = 2, (-1, -1)
        while True:
            found = _SUMMAND.match(line, at)
            if found is None or found["sign"].startswith(" ") == (at == 2):
                self._fail(f"{line[at : at + 40]!r}: expected summands such as '2*x[0] - x[1] + 0.5'")
            at, sign = found.end(), -1.0 if "-" in found["sign"] else 1.0
            if found["constant"] is not None:
                if at < len(line):
                    self._fail(f"{line[at : at + 40]!r} follows the constant of the row")
                return sign * self._real(found["constant"])
            place, column = names.get(found["label"], -1), int(found["column"])
            if place < 0 or column >= matrices[place].width or (place, column) <= last:
                self._fail(f"{found['label'][:40]}[{column}]: no entry of the sources, or out of their order")
            last = (place, column)
            matrices[place].add(row, column, sign * (1.0 if found["weight"] is None else self._real(found["weight"])))
            if at == len(line):
                return 0.0


class _Entries:
    """A matrix whose nonzero entries are being read."""

    def __init__(self, kind: str, height: int, width: int) -> None:
        self.dense = kind == "dense"
        self.shape = (height, width)
        self.rows: list[int] = []
        self.columns: list[int] = []
        self.weights: list[float] = []

    @property
    def width(self) -> int:
        return self.shape[1]

    @property
    def allocated(self) -> int:
        """How many numbers the matrix holds apart from the entries that the text spells out."""
        return self.shape[0] * (1 + (self.width if self.dense else 0))

    def add(self, row: int, column: int, weight: float) -> None:
        self.rows.append(row)
        self.columns.append(column)
        self.weights.append(weight)

    def matrix(self) -> Matrix:
        place = np.array(self.rows, dtype=np.int64), np.array(self.columns, dtype=np.int64)
        weights = np.array(self.weights, dtype=np.float64)
        if not self.dense:
            return sp.csr_array((weights, place), shape=self.shape)
        dense = np.zeros(self.shape)
        dense[place] = weights
        return dense

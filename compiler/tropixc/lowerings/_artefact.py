"""The compiled artefact: tropical functions in a versioned JSON file in which every number survives exactly.

Version 1 holds polynomials on ℝ^d or a box, version 2 rational functions and polyhedra as well; what version 1 can hold
is written as version 1. The file is data: reading it evaluates nothing, and sizes are bounded.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from tropix.boxes import Box, Polyhedron
from tropix.errors import FormatError, InvalidInput, TropixError, Unsupported
from tropix.polynomials import TropicalPolynomial, TropicalRational
from tropixc.lowerings._artefact_numbers import box_data, function_data, read_box, read_function, reject_constant
from tropixc.lowerings._files import write_atomically
from tropixc.lowerings._functions import TropicalFunction

FORMAT = "tropix/polynomials"
ENTRIES = {1: "polynomials", 2: "functions"}
"""The versions that are read, and the key that holds their functions."""
MAX_BYTES = 1 << 30


@dataclass(frozen=True, eq=False)
class Artefact:
    """Compiled functions, the model outputs they stand for, their domain, and where they come from.

    ``functions`` are `TropicalPolynomial` and `TropicalRational` objects. ``source`` is free-form information about the
    model (file name, SHA-256, …), strings only.
    """

    functions: tuple[TropicalFunction, ...]
    outputs: tuple[int, ...]
    box: Box | None = None
    source: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.functions or len(self.functions) != len(self.outputs):
            raise FormatError(f"{len(self.functions)} functions for {len(self.outputs)} outputs")
        if len(set(self.outputs)) < len(self.outputs):
            raise FormatError(f"an output is named twice in {self.outputs}")
        if len({function.dimension for function in self.functions}) != 1:
            raise FormatError("functions in different numbers of variables")

    @property
    def dimension(self) -> int:
        """Number of input coordinates."""
        return self.functions[0].dimension

    @property
    def polynomials(self) -> tuple[TropicalPolynomial, ...]:
        """The functions, where all of them are polynomials; raises `InvalidInput` that names an output that is not."""
        for output, function in zip(self.outputs, self.functions, strict=True):
            if isinstance(function, TropicalRational):
                top, bottom = function.size
                raise InvalidInput(
                    f"output {output} is a rational function of {top} / {bottom} monomials, not a polynomial: "
                    "use artefact.functions"
                )
        return tuple(function for function in self.functions if isinstance(function, TropicalPolynomial))

    @property
    def version(self) -> int:
        """The version of the format that holds all this: 1 for polynomials, 2 for rational functions and polyhedra."""
        simple = all(isinstance(function, TropicalPolynomial) for function in self.functions)
        return 1 if simple and not isinstance(self.box, Polyhedron) else 2

    def to_json(self) -> str:
        """The file's text."""
        entries = [
            {"output": output, **function_data(function)}
            for output, function in zip(self.outputs, self.functions, strict=True)
        ]
        return json.dumps(
            {
                "format": FORMAT,
                "version": self.version,
                "source": self.source,
                "dimension": self.dimension,
                "box": box_data(self.box),
                ENTRIES[self.version]: entries,
            },
            allow_nan=False,
        )

    @classmethod
    def from_json(cls, text: str) -> Artefact:
        """Read the file's text; raises `FormatError` that says what is wrong, `Unsupported` for other versions."""
        try:
            data = json.loads(text, parse_constant=reject_constant)
        except (ValueError, RecursionError) as error:
            raise FormatError(f"not a JSON file, or truncated: {error}") from None
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise FormatError(f'no compiled artefact: expected "format": "{FORMAT}"')
        version = data.get("version")
        if type(version) is not int or version not in ENTRIES:
            raise Unsupported(f"artefact version {version!r}: this tropix reads versions 1 and 2")
        dimension = data.get("dimension")
        if not isinstance(dimension, int) or isinstance(dimension, bool) or dimension < 1:
            raise FormatError(f"dimension {dimension!r}: expected a positive integer")
        key = ENTRIES[version]
        entries = data.get(key)
        if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
            raise FormatError(f"{key}: expected a non-empty list of objects")
        source = data.get("source", {})
        if not isinstance(source, dict) or not all(isinstance(v, str) for v in source.values()):
            raise FormatError("source: expected an object of strings")
        functions = tuple(
            read_function(entry, dimension, f"{key}[{i}]", rational=version > 1) for i, entry in enumerate(entries)
        )
        outputs = tuple(entry.get("output") for entry in entries)
        if not all(isinstance(output, int) and not isinstance(output, bool) and output >= 0 for output in outputs):
            raise FormatError(f"every entry of {key} needs an output index >= 0")
        return cls(functions, outputs, read_box(data.get("box"), dimension, halfspaces=version > 1), source)


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

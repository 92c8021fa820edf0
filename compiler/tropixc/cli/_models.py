"""Models of any format, as the commands see them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tropix.errors import InvalidInput, TropixError

if TYPE_CHECKING:
    from tropix.circuits import Circuit
    from tropixc.frontends.onnx import ImportedModel


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A model: its circuit before any pass, and what is known of where it comes from.

    ``runnable`` is what onnxruntime executes for comparison: the ONNX model itself, or for arrays
    and circuits their export to ONNX in double precision; None where there is none.
    """

    path: Path
    circuit: Circuit
    sha256: str
    runnable: ImportedModel | None
    input_name: str = "x"
    output_name: str = "y"
    input_shape: tuple[int, ...] = ()
    opset: int | None = None
    notes: tuple[str, ...] = ()
    operators: Mapping[str, str] = field(default_factory=dict)

    @property
    def single(self) -> bool:
        """Whether the model takes float32."""
        return self.runnable is not None and self.runnable.input_type == "float32"


def load_model(path: Path, graph_output: str | None) -> LoadedModel:
    """Read a model: arrays and circuits by their suffix, all else as ONNX."""
    from tropixc.api import PLAIN_FILES

    read = PLAIN_FILES.get(path.suffix.lower())
    if read is not None:
        return _plain(path, read, graph_output)
    from tropixc.frontends.onnx import import_onnx

    model = import_onnx(path, graph_output)
    return LoadedModel(
        path=path,
        circuit=model.circuit,
        sha256=model.sha256,
        runnable=model,
        input_name=model.input_name,
        output_name=model.output_name,
        input_shape=model.input_shape,
        opset=model.opset,
        notes=model.notes,
        operators=model.operators,
    )


def _plain(path: Path, read: Callable[[Path], Circuit], graph_output: str | None) -> LoadedModel:
    from tropixc.frontends.onnx import import_bytes
    from tropixc.lowerings import to_onnx

    if graph_output is not None:
        raise InvalidInput(f"{path}: this kind of file has one output, without a name: leave out --graph-output")
    circuit = read(path)
    try:
        runnable = import_bytes(to_onnx(circuit, dtype="float64").SerializeToString(), name=str(path))
    except TropixError:
        runnable = None
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return LoadedModel(path, circuit, digest, runnable, input_shape=(circuit.input_size,))

"""Reading an ONNX file without trusting it: every announced size is checked against the bytes that are there."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from pathlib import Path

import google.protobuf.message
import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper

from tropix.errors import FormatError, Unsupported

MAX_FILE_BYTES = 2**31 - 1
MAX_ELEMENTS = 200_000_000
"""Largest number of elements of one tensor, stored or computed while folding constants."""
OLDEST_OPSET = 7
MAX_FAULTS = 20


def read_bytes(path: Path) -> bytes:
    """The content of a model file of bearable size."""
    if not path.is_file():
        raise FormatError(f"{path}: {'a folder' if path.is_dir() else 'no such file'}")
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise FormatError(f"{path}: {size} bytes, more than a protobuf message can hold: use external data")
    return path.read_bytes()


def parse_model(path: Path, data: bytes) -> tuple[ModelProto, str]:
    """Parse and validate a model; external data beside ``path`` is read into it. Also the SHA-256 of ``data``.

    Raises `FormatError` (not readable as a sound ONNX model, all faults at once) or `Unsupported` (opset).
    """
    try:
        model: ModelProto = ModelProto.FromString(data)
    except google.protobuf.message.DecodeError as error:
        raise FormatError(f"{path}: not an ONNX file, or truncated ({error})") from None
    if not model.HasField("graph") or not model.graph.output:
        raise FormatError(f"{path}: no ONNX graph with an output found: the file is empty or of another format")
    check_opset(path, model)
    faults = list(_faults(model, path.resolve().parent))
    if faults:
        shown = faults[:MAX_FAULTS] + [f"… and {len(faults) - MAX_FAULTS} more"] * (len(faults) > MAX_FAULTS)
        raise FormatError(f"{path}: " + "; ".join(shown))
    _load_external(model, path.resolve().parent)
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError, RuntimeError) as error:
        raise FormatError(f"{path}: not a valid ONNX model: {_first_lines(error)}") from None
    return model, hashlib.sha256(data).hexdigest()


def check_opset(path: Path, model: ModelProto) -> None:
    """Raise unless the default domain's opset lies in the supported range."""
    # skl2onnx writes the same version twice
    versions = list({entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")})
    newest = onnx.defs.onnx_opset_version()
    if len(versions) != 1:
        raise FormatError(f"{path}: the model imports {len(versions)} versions of the default operator set: expected 1")
    if not OLDEST_OPSET <= versions[0] <= newest:
        raise Unsupported(
            f"{path}: opset {versions[0]}: supported are {OLDEST_OPSET} to {newest}. "
            "Export again with such an opset, or convert with onnx.version_converter."
        )


def opset(model: ModelProto) -> int:
    """The version of the default operator set."""
    return int(next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")))


def _first_lines(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _tensors(model: ModelProto) -> Iterator[tuple[str, TensorProto]]:
    """Every tensor stored in the model, with the name of what holds it."""
    for tensor in model.graph.initializer:
        yield f"initializer {tensor.name!r}", tensor
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield f"attribute {attribute.name!r} of {describe(node)}", attribute.t
            for tensor in attribute.tensors:
                yield f"attribute {attribute.name!r} of {describe(node)}", tensor


def describe(node: NodeProto) -> str:
    """A node as error messages name it."""
    name = node.name or (node.output[0] if node.output else "?")
    return f"{node.op_type} node {name!r}"


def _faults(model: ModelProto, folder: Path) -> Iterator[str]:
    if model.functions:
        yield "model-local functions are not supported: inline them with onnx.inliner.inline_local_functions"
    if model.graph.sparse_initializer:
        yield "sparse initializers are not supported: store them densely"
    for owner, tensor in _tensors(model):
        fault = _tensor_fault(tensor, folder)
        if fault:
            yield f"{owner}: {fault}"


def _tensor_fault(tensor: TensorProto, folder: Path) -> str | None:
    try:
        dtype = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type))
    except (KeyError, TypeError, ValueError):
        return f"unknown data type {tensor.data_type}"
    if dtype.kind not in "fiub":
        return f"data type {dtype} is not supported: expected real numbers"
    if any(size < 0 for size in tensor.dims):
        return f"negative dimension in shape {list(tensor.dims)}"
    count = math.prod(tensor.dims)
    if max(count, *tensor.dims, 0) > MAX_ELEMENTS or math.prod(size or 1 for size in tensor.dims) > MAX_ELEMENTS**2:
        return f"shape {list(tensor.dims)} announces {count} elements, more than {MAX_ELEMENTS}"
    if tensor.data_location == TensorProto.EXTERNAL:
        return _external_fault(tensor, folder, count * dtype.itemsize)
    stored, expected = _stored(tensor, count, dtype.itemsize)
    if stored != expected:
        return f"shape {list(tensor.dims)} announces {count} elements, but the file does not hold them"
    return None


def _stored(tensor: TensorProto, count: int, itemsize: int) -> tuple[int, int]:
    """What is stored and what should be, in the unit of the field that holds the data."""
    if tensor.HasField("raw_data"):
        return len(tensor.raw_data), count * itemsize
    field = helper.tensor_dtype_to_field(tensor.data_type)
    return len(getattr(tensor, field)), count


def _external_path(tensor: TensorProto, folder: Path) -> tuple[Path, int, int | None] | str:
    """The file, offset and length of external data, or what is wrong with them."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    try:
        offset = int(entries.get("offset") or 0)
        length = int(entries["length"]) if entries.get("length") else None
    except ValueError:
        return "external data has an unreadable offset or length"
    if not location or "\0" in location:
        return "external data without a location"
    target = (folder / location).resolve()
    if Path(location).is_absolute() or not target.is_relative_to(folder):
        return f"external data {location!r} lies outside the model's folder: refused"
    if not target.is_file():
        return f"external data {location!r} not found beside the model"
    return target, offset, length


def _external_fault(tensor: TensorProto, folder: Path, expected: int) -> str | None:
    found = _external_path(tensor, folder)
    if isinstance(found, str):
        return found
    target, offset, length = found
    available = target.stat().st_size - offset
    if offset < 0 or (length is not None and length != expected) or available < expected:
        return f"external data {target.name!r} does not hold the {expected} bytes that its shape announces"
    return None


def _load_external(model: ModelProto, folder: Path) -> None:
    for _, tensor in _tensors(model):
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        found = _external_path(tensor, folder)
        if isinstance(found, str):
            raise FormatError(found)
        target, offset, _ = found
        itemsize = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type)).itemsize
        with target.open("rb") as stream:
            stream.seek(offset)
            tensor.raw_data = stream.read(math.prod(tensor.dims) * itemsize)
        tensor.data_location = TensorProto.DEFAULT
        del tensor.external_data[:]

"""PyTorch → circuit, by way of ONNX in memory."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from typing import Any

from tropix.circuits import Circuit
from tropix.errors import InvalidInput, Unsupported
from tropixc.frontends.onnx import import_bytes
from tropixc.passes import optimize


def from_torch(module: Any, example_input: Any, *, output: int | None = None) -> Circuit:
    """The circuit of a `torch.nn.Module` in evaluation mode, simplified exactly; points are flattened inputs.

    ``example_input`` is a batch of inputs, a tensor (n, …) of the type and shape that the module takes; its values do
    not matter. Axis 0 is the batch, whose rows must stay independent. ``output`` is the position of the wanted output
    where the module returns several. The module is exported with `torch.onnx.export` in memory and left as it was.
    A graph that moves the batch axis, as attention does, is exported for one row, after a test on random rows that
    each is computed by itself.
    Needs the extra ``torch``. Raises `Unsupported` where torch cannot export the module, or an operator has no rule;
    `InvalidInput` where the module does not take the input.
    """
    try:
        import onnxscript  # noqa: F401
        import torch
    except ImportError as error:
        raise Unsupported(f"{error.name} is not installed: pip install 'tropix-compiler[torch]'") from None
    if not isinstance(module, torch.nn.Module):
        raise InvalidInput(f"module is a {type(module).__name__}: expected a torch.nn.Module")
    if not isinstance(example_input, torch.Tensor) or example_input.ndim < 2 or not len(example_input):
        found = tuple(example_input.shape) if isinstance(example_input, torch.Tensor) else type(example_input).__name__
        raise InvalidInput(f"example_input is {found}: expected a tensor (n, ...) with the batch in front")
    # a batch of one would be taken for a constant by the exporter
    batch = torch.cat([example_input[:1], example_input[:1]]).detach()
    with _evaluating(module), _silent(), torch.no_grad():
        _try(module, batch)
        data, names = _exported(torch, module, batch)
        chosen = _chosen(names, output)
        try:
            circuit = import_bytes(data, names[chosen], type(module).__name__).circuit
        except Unsupported as refusal:
            circuit = _of_one_row(torch, module, batch, chosen, refusal)
    return optimize(circuit)


def _chosen(names: list[str], output: int | None) -> int:
    if output is not None and not -len(names) <= output < len(names):
        raise InvalidInput(f"output {output}: the module returns {len(names)}")
    if output is None and len(names) > 1:
        raise InvalidInput(f"the module returns {len(names)} tensors: choose one by its position, such as output=0")
    return output or 0


def _try(module: Any, batch: Any) -> None:
    try:
        module(batch)
    except Exception as error:  # whatever the module's own code raises
        kind, shape = type(module).__name__, tuple(batch.shape)
        raise InvalidInput(f"{kind} does not take an input of shape {shape}: {_short(error)}") from None


def _of_one_row(torch: Any, module: Any, batch: Any, chosen: int, refusal: Unsupported) -> Circuit:
    """The circuit of the module exported for a batch of one; the first refusal where that does not help."""
    if not _rows_are_independent(torch, module, batch, chosen):
        raise refusal
    try:
        data, names = _exported(torch, module, batch[:1])
        return import_bytes(data, names[chosen], type(module).__name__).circuit
    except Unsupported:
        raise refusal from None


def _rows_are_independent(torch: Any, module: Any, batch: Any, chosen: int) -> bool:
    """Whether random rows have the same values together and one by one, to the accuracy of their type."""
    if not batch.is_floating_point():
        return False
    generator = torch.Generator(batch.device).manual_seed(0)
    rows = torch.randn((4, *batch.shape[1:]), generator=generator, dtype=batch.dtype, device=batch.device)

    def value(part: Any) -> Any:
        found = module(part)
        return found[chosen] if isinstance(found, (tuple, list)) else found

    together, each = value(rows), [value(row[None]) for row in rows]
    if not all(isinstance(part, torch.Tensor) for part in (together, *each)):
        return False
    alone = torch.cat(each)
    tolerance = torch.finfo(batch.dtype).eps ** 0.5
    same = together.shape == alone.shape and torch.allclose(together, alone, rtol=tolerance, atol=tolerance)
    return bool(same)


def _exported(torch: Any, module: Any, batch: Any) -> tuple[bytes, list[str]]:
    """The ONNX model and the names of its outputs; the batch axis is dynamic unless the batch has one row."""
    kind = type(module).__name__
    shapes = ({0: torch.export.Dim("batch")},) if len(batch) > 1 else None
    try:
        program = torch.onnx.export(module, (batch,), dynamic_shapes=shapes, dynamo=True, verbose=False)
        model = program.model_proto
        return bytes(model.SerializeToString()), [str(info.name) for info in model.graph.output]
    except Exception as error:  # the exporter's errors have no common class
        raise Unsupported(
            f"torch.onnx.export does not export {kind} with a dynamic batch axis: {_short(error)}. "
            "Rows of a batch must be computed alike, without branches on their values."
        ) from None


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


@contextlib.contextmanager
def _evaluating(module: Any) -> Iterator[None]:
    """Evaluation mode; each submodule's own mode comes back."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """No warnings, log lines or progress of the exporter: what fails is raised."""
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)

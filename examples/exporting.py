"""What the torch training scripts share: ONNX export with a symbolic batch axis, and the command line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import torch

Trained = tuple[torch.nn.Module, float]


def export(model: torch.nn.Module, size: int, target: Path, names: tuple[str, str]) -> None:
    """Write a model of ``size`` inputs; ``names`` are those of the input and the output."""
    torch.onnx.export(
        model,
        (torch.zeros(2, size),),
        target,
        input_names=[names[0]],
        output_names=[names[1]],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        external_data=False,
        dynamo=True,
        verbose=False,
    )


def run(name: str, train: Callable[[], Trained], size: int, names: tuple[str, str]) -> None:
    """Train, export to the file named on the command line (or into ``models/``), print the accuracy."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "models" / f"{name}.onnx"
    model, accuracy = train()
    export(model, size, target, names)
    print(f"{name}: accuracy {accuracy:.4f}")

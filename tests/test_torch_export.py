"""Models as torch exports them today, and the training scripts. Run with: python -m pytest -m torch"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tropixc
from tropixc.agreement import run_onnx, sample_points
from tropixc.frontends.onnx import import_onnx

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


def networks() -> dict[str, Any]:
    import torch
    from torch import nn
    from torch.nn import functional as F

    torch.manual_seed(0)

    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pieces = nn.Linear(6, 12)

        def forward(self, x: Any) -> Any:
            return torch.logsumexp(8 * self.pieces(x).view(-1, 3, 4), dim=2) / 8

    class Convex(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(6, 5), nn.Linear(6, 4)
            self.inner = nn.Parameter(torch.randn(4, 5))
            self.act = nn.Softplus(beta=4)

        def forward(self, x: Any) -> Any:
            v = self.act(self.second(x) + F.linear(self.act(self.first(x)), F.softplus(self.inner)))
            return v.sum(1, keepdim=True)

    class Maxout(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(6, 4), nn.Linear(6, 4)

        def forward(self, x: Any) -> Any:
            z = torch.maximum(self.a(x), self.b(x))
            return z.amax(dim=1, keepdim=True) + torch.relu(z)

    class Shifted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pieces = nn.Linear(6, 5)

        def forward(self, x: Any) -> Any:
            z = self.pieces(x)
            top = z.max(1, keepdim=True).values
            return top + torch.log(torch.exp(z - top).sum(1, keepdim=True))

    return {
        "log-sum-exp heads": Heads(),
        "input-convex softplus": Convex(),
        "maxout": Maxout(),
        "max-shifted": Shifted(),
        "relu classifier": nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3), nn.LogSoftmax(dim=1)),
        "softmax": nn.Sequential(nn.Linear(6, 8), nn.LeakyReLU(0.1), nn.Linear(8, 3), nn.Softmax(dim=1)),
    }


@pytest.mark.parametrize("dynamo", [True, False], ids=["dynamo", "torchscript"])
@pytest.mark.parametrize(
    "name", ["log-sum-exp heads", "input-convex softplus", "maxout", "max-shifted", "relu classifier", "softmax"]
)
def test_exports_import_and_agree(name: str, dynamo: bool, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    network = networks()[name].eval()
    path = tmp_path / "m.onnx"
    options: dict[str, Any] = (
        {"dynamic_shapes": ({0: torch.export.Dim("batch")},), "external_data": False, "verbose": False}
        if dynamo
        else {"dynamic_axes": {"x": {0: "batch"}}}
    )
    torch.onnx.export(network, (torch.zeros(2, 6),), path, input_names=["x"], dynamo=dynamo, **options)
    imported = import_onnx(path)
    circuit = tropixc.optimize(imported.circuit)
    points = sample_points(6, None, None, 200, 0, True)
    with torch.no_grad():
        expected = network(torch.as_tensor(points, dtype=torch.float32)).numpy().astype(np.float64)
    np.testing.assert_allclose(circuit(points), expected.reshape(200, -1), rtol=2e-5, atol=2e-5)
    np.testing.assert_allclose(run_onnx(imported, points), expected.reshape(200, -1), rtol=2e-5, atol=2e-5)
    if name == "max-shifted":
        assert [type(node).__name__ for node in circuit.nodes] == ["Input", "Affine", "LogSumExp"]
    if name in ("log-sum-exp heads", "input-convex softplus"):
        assert circuit.temperatures == ((1 / 8,) if name == "log-sum-exp heads" else (1 / 4,))
        assert circuit.curvature().value == "convex"


@pytest.mark.parametrize("script", ["digits", "diabetes", "iris", "breast_cancer", "digits_conv"])
def test_training_scripts_reproduce_the_table(script: str, root: Path, tmp_path: Path) -> None:
    target = tmp_path / "model.onnx"
    result = subprocess.run(
        [sys.executable, root / "examples" / f"train_{script}.py", target], capture_output=True, text=True, check=True
    )
    printed = float(re.findall(r"(?:accuracy|R2) (-?[0-9.]+)", result.stdout)[-1])
    row = next(r for r in (root / "examples/models/README.md").read_text().splitlines() if f"train_{script}.py" in r)
    assert printed == pytest.approx(float(row.split("|")[-2].split()[-1]), abs=0.03)
    assert tropixc.load(target).output_size >= 1

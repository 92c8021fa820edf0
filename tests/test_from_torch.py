"""Modules of torch as circuits, against torch itself. Run with: python -m pytest -m torch"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tropixc
from tropix.errors import InvalidInput, Unsupported

torch = pytest.importorskip("torch")
nn = torch.nn

pytestmark = pytest.mark.torch


class Function(nn.Module):  # type: ignore[misc, name-defined]
    """A module whose forward is a function of its parts and the input."""

    def __init__(self, function: Callable[..., Any], *parts: Any) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.function = function

    def forward(self, x: Any) -> Any:
        return self.function(x, *self.parts)


def heads(x: Any, pieces: Any) -> Any:
    return torch.logsumexp(8 * pieces(x).view(-1, 3, 4), dim=2) / 8


def attention(x: Any, attend: Any) -> Any:
    return attend(x, x, x, need_weights=False)[0]


def residual(x: Any, first: Any, second: Any) -> Any:
    return torch.relu(x + second(torch.relu(first(x))))


def images(*parts: Any) -> Any:
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), *parts)


def trained_statistics(module: Any, shape: tuple[int, ...]) -> Any:
    """The module after a training step, so that batch normalisation has statistics of its own."""
    module.train()
    module(torch.randn(16, *shape) * 2 + 1)
    return module


CASES: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "linear": (lambda: nn.Linear(6, 3), (6,)),
    "relu": (lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)), (6,)),
    "leaky relu": (lambda: nn.Sequential(nn.Linear(6, 8), nn.LeakyReLU(0.1), nn.Linear(8, 3)), (6,)),
    "softplus": (lambda: nn.Sequential(nn.Linear(6, 8), nn.Softplus(beta=4), nn.Linear(8, 1)), (6,)),
    "log-sum-exp heads": (lambda: Function(heads, nn.Linear(6, 12)), (6,)),
    "softmax": (lambda: nn.Sequential(nn.Linear(6, 4), nn.Softmax(dim=1)), (6,)),
    "sigmoid": (lambda: nn.Sequential(nn.Linear(6, 4), nn.Sigmoid()), (6,)),
    "tanh": (lambda: nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 2)), (6,)),
    "hardtanh": (lambda: nn.Sequential(nn.Linear(6, 4), nn.Hardtanh()), (6,)),
    "elu": (lambda: nn.Sequential(nn.Linear(6, 4), nn.ELU()), (6,)),
    "gelu": (lambda: nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 2)), (6,)),
    "gelu, tanh": (lambda: nn.Sequential(nn.Linear(6, 8), nn.GELU(approximate="tanh")), (6,)),
    "silu": (lambda: nn.Sequential(nn.Linear(6, 8), nn.SiLU()), (6,)),
    "dropout": (lambda: nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.5), nn.ReLU()), (6,)),
    "residual": (lambda: Function(residual, nn.Linear(6, 8), nn.Linear(8, 6)), (6,)),
    "layer norm": (lambda: nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8)), (6,)),
    "batch norm": (lambda: trained_statistics(nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8)), (6,)), (6,)),
    "convolution": (lambda: images(nn.ReLU(), nn.Flatten(), nn.Linear(256, 3)), (1, 8, 8)),
    "max pooling": (lambda: images(nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 3)), (1, 8, 8)),
    "mean pooling": (lambda: images(nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(64, 3)), (1, 8, 8)),
    "global pooling": (lambda: images(nn.AdaptiveAvgPool2d(1), nn.Flatten()), (1, 8, 8)),
    "strides and groups": (lambda: images(nn.Conv2d(4, 4, 3, stride=2, groups=2), nn.Flatten()), (1, 8, 8)),
    "transposed": (lambda: images(nn.ConvTranspose2d(4, 2, 2, stride=2), nn.Flatten()), (1, 4, 4)),
    "batch norm, images": (lambda: trained_statistics(images(nn.BatchNorm2d(4), nn.ReLU()), (1, 8, 8)), (1, 8, 8)),
    "attention": (lambda: Function(attention, nn.MultiheadAttention(8, 2, batch_first=True)), (4, 8)),
    "transformer": (lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (4, 8)),
}


@pytest.mark.parametrize("case", CASES)
def test_circuits_agree_with_torch(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    build, shape = CASES[case]
    module = build()
    circuit = tropixc.from_torch(module, torch.zeros(1, *shape))
    points = torch.randn(50, *shape, dtype=torch.float32)
    with torch.no_grad():
        expected = module.eval()(points).double().numpy().reshape(50, -1)
    found = circuit(points.double().numpy().reshape(50, -1))
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * max(1.0, scale))
    assert os.listdir(tmp_path) == []


def test_double_precision_agrees_to_the_last_digits() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)).double()
    points = torch.randn(20, 6, dtype=torch.float64)
    circuit = tropixc.from_torch(module, points)
    np.testing.assert_allclose(circuit(points.numpy()), module(points).detach().numpy(), rtol=1e-13, atol=1e-13)


def test_modes_come_back_and_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    module = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.5))
    module.train()
    module[1].eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    tropixc.from_torch(module, torch.zeros(2, 6))
    assert [part.training for part in module.modules()] == [True, True, False, True]
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    assert capfd.readouterr() == ("", "")


def test_one_of_several_outputs() -> None:
    module = Function(lambda x, part: (part(x), 2 * x), nn.Linear(3, 1))
    assert tropixc.from_torch(module, torch.zeros(2, 3), output=1)([1.0, 2.0, 3.0]).tolist() == [2.0, 4.0, 6.0]
    with pytest.raises(InvalidInput, match="returns 2"):
        tropixc.from_torch(module, torch.zeros(2, 3))
    with pytest.raises(InvalidInput, match="returns 2"):
        tropixc.from_torch(module, torch.zeros(2, 3), output=2)


def test_wrong_input() -> None:
    module = nn.Linear(3, 1)
    module.train()
    with pytest.raises(InvalidInput, match=r"does not take an input of shape \(2, 4\)"):
        tropixc.from_torch(module, torch.zeros(2, 4))
    assert module.training
    with pytest.raises(InvalidInput, match="batch in front"):
        tropixc.from_torch(module, torch.zeros(3))
    with pytest.raises(InvalidInput, match="batch in front"):
        tropixc.from_torch(module, [[0.0]])
    with pytest.raises(InvalidInput, match=r"expected a torch\.nn\.Module"):
        tropixc.from_torch(lambda x: x, torch.zeros(2, 3))


def test_what_cannot_be_exported_or_has_no_rule() -> None:
    def branching(x: Any) -> Any:
        return x if float(x.sum()) > 0 else -x

    with pytest.raises(Unsupported, match=r"torch\.onnx\.export does not export Function"):
        tropixc.from_torch(Function(branching), torch.zeros(2, 3))
    with pytest.raises(Unsupported, match="Sin"):
        tropixc.from_torch(Function(torch.sin), torch.zeros(2, 3))
    with pytest.raises(Unsupported, match="GRU"):
        tropixc.from_torch(Function(lambda x, cell: cell(x)[0], nn.GRU(3, 4, batch_first=True)), torch.zeros(2, 5, 3))


def test_rows_that_depend_on_each_other_are_refused() -> None:
    with pytest.raises(Unsupported, match="batch axis"):
        tropixc.from_torch(Function(lambda x: x - x.amax(dim=0, keepdim=True)), torch.zeros(2, 3))


def test_where_torch_is_missing(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('No module named torch', name='torch')")
    script = (
        "import tropixc\n"
        "try:\n    tropixc.from_torch(None, None)\n"
        "except NotImplementedError as error:\n    print(error)"
    )
    path = os.pathsep.join([str(tmp_path), *(part for part in sys.path if part)])
    result = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert "pip install 'tropix-compiler[torch]'" in result.stdout, result.stderr

"""Certified accuracy of deep networks, radius for radius, beside interval and linear bound propagation of auto_LiRPA.

The peer is auto_LiRPA 0.3 (its newest release on PyPI, 2022) in an environment of its own. It asks for torch < 1.13;
the script beside this file bridges what has changed since, so that its dependencies are left out:

    python -m venv peer && peer/bin/pip install torch "numpy<2" appdirs ninja packaging pyyaml tqdm
    peer/bin/pip install --no-deps auto-LiRPA
    LIRPA_PYTHON=peer/bin/python python -m pytest tests/benchmarks/test_certify_peers.py -s

Networks of softplus and of ⊕_ε of pairs, two and three hidden layers of 32, on scikit-learn's digits (pixels/16), and
the shipped ReLU classifier of tumours. Asserted is a count, not a time: at each radius the package certifies at least
as many points as the peer by interval, by linear and by optimised linear bounds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tropix import Circuit
from tropix.certify import certify_all, check
from tropix.circuits import CircuitBuilder, uniform_segments

torch = pytest.importorskip("torch")
PEER = os.environ.get("LIRPA_PYTHON")
EXAMPLES = Path(__file__).parents[2] / "examples"
sys.path.insert(0, str(EXAMPLES))
POINTS = int(os.environ.get("CERTIFY_POINTS", "50"))
LIMIT = 1.0
"""Seconds for each point and norm."""
OURS = {"interval": "interval", "linear": "linear", "auto": "auto"}
RADII = {"inf": (0.005, 0.01, 0.02, 0.04), "2": (0.05, 0.1, 0.2, 0.3)}
SCALED = {"inf": (0.01, 0.05, 0.1, 0.2), "2": (0.05, 0.2, 0.5, 1.0)}  # of standardised measurements


@dataclass(frozen=True)
class Network:
    """Affine layers, each but the last followed by one kind of ⊕_ε."""

    layers: tuple[tuple[np.ndarray, np.ndarray], ...]
    kind: str
    eps: float

    def circuit(self) -> Circuit:
        builder = CircuitBuilder(self.layers[0][0].shape[1])
        node = 0
        for i, (weight, bias) in enumerate(self.layers):
            node = builder.affine([(node, weight)], bias)
            if i < len(self.layers) - 1:
                if self.kind == "log-sum-exp":
                    node = builder.log_sum_exp(node, self.eps, uniform_segments(len(bias) // 2, 2))
                else:
                    node = builder.pairs_with_zero(node, self.eps)
        return builder.build(node)

    def arrays(self) -> dict[str, Any]:
        found: dict[str, Any] = {"kind": self.kind, "eps": self.eps, "depth": len(self.layers)}
        for i, (weight, bias) in enumerate(self.layers):
            found |= {f"W{i}": weight, f"b{i}": bias}
        return found


@cache
def trained(kind: str, hidden: int, eps: float = 0.5) -> tuple[Network, np.ndarray, np.ndarray]:
    """A network on digits, and test points with their labels."""
    from datasets import digits

    torch.manual_seed(0)
    train_x, test_x, train_y, test_y = (torch.as_tensor(part) for part in digits())
    group = 2 if kind == "log-sum-exp" else 1
    sizes = [64] + [32] * hidden
    layers = [torch.nn.Linear(a, b * group) for a, b in pairwise(sizes)]
    layers.append(torch.nn.Linear(32, 10))
    optimizer = torch.optim.Adam([p for layer in layers for p in layer.parameters()], lr=0.005, weight_decay=1e-4)

    def logits(x: Any) -> Any:
        for layer in layers[:-1]:
            z = layer(x).view(len(x), 32, group) / eps
            z = torch.cat([z, torch.zeros_like(z)], dim=2) if group == 1 else z
            x = eps * torch.logsumexp(z, dim=2)
        return layers[-1](x)

    for _ in range(200):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(logits(train_x), train_y).backward()
        optimizer.step()
    parts = tuple(
        (layer.weight.detach().numpy().astype(np.float64), layer.bias.detach().numpy().astype(np.float64))
        for layer in layers
    )
    return Network(parts, kind, eps), test_x[:POINTS].numpy().astype(np.float64), test_y[:POINTS].numpy()


@cache
def shipped() -> tuple[Network, np.ndarray, np.ndarray]:
    """The classifier of examples/models on standardised measurements, so that one radius suits all of them."""
    from datasets import breast_cancer

    model = onnx.load(EXAMPLES / "models" / "breast_cancer_relu.onnx")
    values = {v.name: numpy_helper.to_array(v).astype(np.float64) for v in model.graph.initializer}
    layers = []
    for node in model.graph.node:
        if node.op_type == "Gemm":
            weight = values[node.input[1]]
            transposed = any(a.name == "transB" and a.i for a in node.attribute)
            layers.append((weight if transposed else weight.T, values[node.input[2]]))
    train_x, test_x, _, test_y = breast_cancer()
    mean, scale = train_x.mean(0), 1 / train_x.std(0, ddof=1)
    return Network(tuple(layers), "relu", 0.0), ((test_x - mean) * scale)[:POINTS].astype(np.float64), test_y[:POINTS]


NETWORKS = {
    "softplus, 2 layers": lambda: trained("softplus", 2),
    "softplus, 3 layers": lambda: trained("softplus", 3),
    "log-sum-exp, 2 layers": lambda: trained("log-sum-exp", 2),
    "log-sum-exp, 3 layers": lambda: trained("log-sum-exp", 3),
    "shipped ReLU classifier": shipped,
}


def peer(network: Network, x: np.ndarray, y: np.ndarray, radii: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What auto_LiRPA certifies."""
    assert PEER is not None
    path = folder / "network.npz"
    limits = {f"radii_{norm}": np.array(row) for norm, row in radii.items()}
    np.savez(path, x=x, y=y.astype(np.int64), **limits, **network.arrays())
    script = Path(__file__).with_name("lirpa_peer.py")
    run = subprocess.run([PEER, str(script), str(path)], check=True, capture_output=True, text=True)
    return dict(json.loads(run.stdout.strip().splitlines()[-1]))


@pytest.mark.skipif(PEER is None, reason="LIRPA_PYTHON names no interpreter with auto_LiRPA")
@pytest.mark.parametrize("name", NETWORKS)
def test_certified_accuracy(name: str, tmp_path: Path) -> None:
    network, x, y = NETWORKS[name]()
    radii = SCALED if name.startswith("shipped") else RADII
    theirs = peer(network, x, y, radii, tmp_path)
    circuit = network.circuit()
    clean = float((circuit(x).argmax(axis=1) == y).mean())
    print(f"\n{name}: clean accuracy {clean:.3f} of {len(x)} points")
    worse = []
    for norm, row in radii.items():
        table: dict[str, list[float]] = {}
        for method, flags in theirs["certified"].items():
            table[f"auto_LiRPA {method}"] = np.mean(flags, axis=1).tolist()
        for method, title in OURS.items():
            began = time.perf_counter()
            found = certify_all(circuit, x, y, norm=norm, method=method, time_limit=LIMIT)  # type: ignore[arg-type]
            seconds = (time.perf_counter() - began) / len(x)
            assert all(check(c, circuit) for c in found[:10])
            table[f"tropix {title} ({seconds * 1e3:.0f} ms)"] = [
                float(np.mean([c.radius >= r for c in found])) for r in row
            ]
        print(f"  norm {norm}, radii {row}")
        for title, numbers in table.items():
            print(f"    {title:32}", " ".join(f"{v:.3f}" for v in numbers))
        lines = {title.split(" (")[0]: numbers for title, numbers in table.items()}
        for one, other in (("interval", "interval"), ("linear", "linear"), ("auto", "interval"), ("auto", "linear"),
                           ("auto", "optimised")):  # fmt: skip
            for r, a, b in zip(row, lines[f"tropix {one}"], lines.get(f"auto_LiRPA {other}", [0.0] * 4), strict=True):
                if a < b:
                    worse.append((norm, r, one, a, other, b))
    assert not worse, worse

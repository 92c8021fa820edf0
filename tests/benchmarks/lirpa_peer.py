"""Certified points by interval and linear bound propagation of auto_LiRPA, in an environment of its own.

NPZ of layers, points, labels and radii in, JSON out. Layers are affine maps, each but the last followed by max(z, 0),
softplus, or ⊕_ε of neighbours, written as log ∘ Σ ∘ exp, for the library has no bounds of these.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import torch
import torch.onnx.symbolic_helper as helper

# the library (0.3, 2022) calls three things of older torch
try:
    from torch.onnx._globals import GLOBALS
except ImportError:
    from torch.onnx._internal.torchscript_exporter._globals import GLOBALS
helper._set_opset_version = lambda version: setattr(GLOBALS, "export_onnx_opset_version", version)
torch._C.Node.__getitem__ = lambda node, key: getattr(node, node.kindOf(key))(key)

from auto_LiRPA import BoundedModule, BoundedTensor, PerturbationLpNorm  # noqa: E402

_members = BoundedModule._named_members
BoundedModule._named_members = lambda self, get, prefix="", recurse=True, **_: _members(self, get, prefix, recurse)
METHODS = {"interval": "IBP", "linear": "CROWN", "optimised": "CROWN-Optimized"}
OPTIONS = {
    "conv_mode": "matrix",
    "sparse_intermediate_bounds": False,
    "sparse_features_alpha": False,
    "sparse_spec_alpha": False,
    "optimize_bound_args": {"iteration": 20, "ob_iteration": 20},
}


class Network(torch.nn.Module):
    """Affine layers with ⊕_ε between them."""

    def __init__(self, arrays: np.lib.npyio.NpzFile) -> None:
        super().__init__()
        self.kind, self.eps = str(arrays["kind"]), float(arrays["eps"])
        self.layers = torch.nn.ModuleList()
        for i in range(int(arrays["depth"])):
            weight, bias = arrays[f"W{i}"], arrays[f"b{i}"]
            layer = torch.nn.Linear(weight.shape[1], weight.shape[0])
            with torch.no_grad():
                layer.weight.copy_(torch.from_numpy(weight))
                layer.bias.copy_(torch.from_numpy(bias))
            self.layers.append(layer)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The logits."""
        for i, layer in enumerate(self.layers):
            x = layer(x)
            if i == len(self.layers) - 1:
                return x
            if self.kind == "relu":
                x = torch.relu(x)
            elif self.kind == "softplus":
                x = self.eps * torch.log(torch.exp(x / self.eps) + 1.0)
            else:
                x = self.eps * torch.log(torch.exp(x.view(-1, layer.out_features // 2, 2) / self.eps).sum(2))
        raise AssertionError("there is no layer")


def margins(count: int, labels: np.ndarray) -> torch.Tensor:
    """Rows of label minus rival, (n, K−1, K); for a single output its sign, (n, 1, 1)."""
    if count == 1:
        return torch.tensor(2.0 * labels - 1.0).view(-1, 1, 1)
    eye = torch.eye(count)
    return torch.stack([torch.stack([eye[y] - eye[k] for k in range(count) if k != y]) for y in labels])


def main() -> None:
    """Print which points are certified at each radius, by method and norm, and the seconds taken."""
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    arrays = np.load(sys.argv[1])
    network = Network(arrays)
    x, y = torch.from_numpy(arrays["x"]), arrays["y"]
    rows = margins(network(x[:1]).shape[1], y)
    found: dict[str, dict[str, list[list[bool]]]] = {}
    seconds: dict[str, float] = {}
    for name, method in METHODS.items():
        if name == "optimised" and network.kind != "relu":
            continue  # exp and log have no slopes to optimise there: the bounds are the linear ones
        began = time.perf_counter()
        found[name] = {}
        for norm in ("inf", "2"):
            flags = []
            for radius in arrays[f"radii_{norm}"]:
                model = BoundedModule(network, x[:1], bound_opts=OPTIONS)
                box = BoundedTensor(x, PerturbationLpNorm(norm=float(norm), eps=float(radius)))
                lower, _ = model.compute_bounds(x=(box,), C=rows, method=method, bound_upper=False)
                flags.append((lower.min(dim=1).values > 0).tolist())
            found[name][norm] = flags
        seconds[name] = (time.perf_counter() - began) / (2 * len(flags) * len(x))
    print(json.dumps({"certified": found, "seconds": seconds}))


if __name__ == "__main__":
    main()

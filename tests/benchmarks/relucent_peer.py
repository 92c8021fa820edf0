"""Counts the regions of a ReLU network with relucent, in an environment of its own: NPZ of weights in, JSON out."""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import relucent
import torch


def main() -> None:
    """Read W0, b0, W1, b1, … from the file named on the command line and print the count and the seconds."""
    arrays = np.load(sys.argv[1])
    layers: list[torch.nn.Module] = []
    depth = len(arrays.files) // 2
    for i in range(depth):
        weight, bias = arrays[f"W{i}"], arrays[f"b{i}"]
        layer = torch.nn.Linear(weight.shape[1], weight.shape[0], dtype=torch.float64)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(weight))
            layer.bias.copy_(torch.from_numpy(bias))
        layers += [layer, torch.nn.ReLU()]
    complex_ = relucent.Complex(torch.nn.Sequential(*layers[:-1]))
    start = time.perf_counter()
    complex_.bfs()
    print(json.dumps({"cells": len(complex_), "seconds": time.perf_counter() - start}))


if __name__ == "__main__":
    main()

"""Train the diabetes regressor: one log-sum-exp of six affine pieces, a convex function of ten features.

    python examples/train_diabetes.py [FILE.onnx]

Needs the extra ``sklearn`` only: numpy and scipy train it, onnx writes it. Prints R² on the held-out quarter.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
from datasets import diabetes
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from scipy.optimize import minimize

PIECES = 6
SCALE = 64.0  # of the target
EPS = 0.25  # in units of SCALE; both are powers of two, so scaling is exact
RIDGE = 2e-4

Floats = NDArray[np.float64]


def value_and_gibbs(parameters: Floats, x: Floats) -> tuple[Floats, Floats]:
    table = parameters.reshape(PIECES, x.shape[1] + 1)
    logits = (x @ table[:, :-1].T + table[:, -1]) / EPS
    top = logits.max(axis=1, keepdims=True)
    terms = np.exp(logits - top)
    total = terms.sum(axis=1, keepdims=True)
    return EPS * (top + np.log(total))[:, 0], terms / total


def objective(parameters: Floats, x: Floats, y: Floats) -> tuple[float, Floats]:
    value, gibbs = value_and_gibbs(parameters, x)
    residual = value - y
    weighted = gibbs * residual[:, None] / len(y)
    table = parameters.reshape(PIECES, -1).copy()
    table[:, -1] = 0.0
    gradient = np.column_stack([weighted.T @ x, weighted.sum(axis=0)]) + RIDGE * table
    return float(0.5 * np.mean(residual**2) + 0.5 * RIDGE * (table**2).sum()), gradient.ravel()


def train() -> tuple[NDArray[np.float32], float]:
    train_x, test_x, train_y, test_y = diabetes()
    start = np.random.default_rng(0).normal(size=PIECES * 11)
    fit = minimize(objective, start, (train_x.astype(float), train_y / SCALE), jac=True, method="L-BFGS-B")
    table = fit.x.reshape(PIECES, 11).astype(np.float32)
    value, _ = value_and_gibbs(table.astype(float).ravel(), test_x.astype(float))
    return table, float(1 - np.mean((SCALE * value - test_y) ** 2) / np.var(test_y))


def write(table: NDArray[np.float32], target: Path) -> None:
    constants = {
        "weights": table[:, :-1],
        "bias": table[:, -1],
        "heat": np.float32(1 / EPS),
        "scale": np.float32(EPS * SCALE),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["features", "weights", "bias"], ["pieces"], "pieces", transB=1),
            helper.make_node("Mul", ["pieces", "heat"], ["logits"], "logits"),
            helper.make_node("ReduceLogSumExp", ["logits", "axes"], ["joined"], "joined", keepdims=1),
            helper.make_node("Mul", ["joined", "scale"], ["progression"], "progression"),
        ],
        "convex_regressor",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", 10])],
        [helper.make_tensor_value_info("progression", TensorProto.FLOAT, ["batch", 1])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
        + [numpy_helper.from_array(np.array([1], dtype=np.int64), "axes")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    onnx.save(model, target)


def main(target: Path) -> float:
    table, score = train()
    write(table, target)
    print(f"diabetes: R2 {score:.4f}")
    return score


if __name__ == "__main__":
    default = Path(__file__).parent / "models" / "diabetes_lse.onnx"
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else default)

"""Models of every operator, over opsets, shapes and attributes, for the comparison with onnxruntime."""

from __future__ import annotations

import numpy as np
from onnx_models import Case, axes, node

rng = np.random.default_rng(0)
W = rng.normal(size=(6, 4))
V = rng.normal(size=(4, 6))
B = rng.normal(size=6)
ROW = rng.normal(size=4)
POSITIVE = np.exp(rng.normal(size=4))

THREE = ("batch", 2, 3)
CASES = {
    "pieces-as-rows": Case(
        [
            node("Reshape", "x s", "r"),
            node("ReduceLogSumExp", "r axes", "l", keepdims=0),
            node("Reshape", "l t"),
        ],
        {"s": np.array([-1, 2], dtype=np.int64), "t": np.array([-1, 2], dtype=np.int64), **axes([1])},
        (18, 20),
    ),
    "gemm": Case([node("Gemm", "x w b", transB=1)], {"w": W, "b": B}, (7, 9, 13, 20)),
    "gemm-scaled": Case([node("Gemm", "x w b", alpha=0.3, beta=0.7)], {"w": V, "b": B}, (9, 20)),
    "gemm-scalar-bias": Case([node("Gemm", "x w b")], {"w": V, "b": 0.5}, (11, 20)),
    "gemm-row-bias": Case([node("Gemm", "x w b", beta=0.5)], {"w": V, "b": B[None]}, (11, 20)),
    "gemm-one-bias": Case([node("Gemm", "x w b")], {"w": V, "b": [[0.5]]}, (11, 20)),
    "gemm-no-bias": Case([node("Gemm", "x w")], {"w": V}, (11, 20)),
    "matmul": Case([node("MatMul", "x w")], {"w": V}, (7, 13, 20)),
    "matmul-3d": Case([node("MatMul", "x w")], {"w": rng.normal(size=(3, 5))}, shape=THREE),
    "add": Case([node("Add", "x c")], {"c": ROW}, (7, 20)),
    "add-left": Case([node("Add", "c x")], {"c": ROW}),
    "add-broadcast": Case([node("Add", "x c")], {"c": rng.normal(size=(1, 2, 1))}, shape=THREE),
    "grow-features": Case([node("Mul", "x c")], {"c": rng.normal(size=(5,))}, shape=("batch", 1)),
    "add-two": Case([node("Relu", "x", "r"), node("Add", "x r")]),
    "add-itself": Case([node("Add", "x x")]),
    "sub": Case([node("Sub", "x c")], {"c": ROW}),
    "sub-left": Case([node("Sub", "c x")], {"c": ROW}),
    "sub-two": Case([node("Relu", "x", "r"), node("Sub", "x r")]),
    "mul": Case([node("Mul", "x c")], {"c": ROW}),
    "mul-left": Case([node("Mul", "c x")], {"c": -0.3}),
    "div": Case([node("Div", "x c")], {"c": ROW}),
    "neg": Case([node("Neg", "x")]),
    "sum": Case([node("Relu", "x", "r"), node("Sum", "x r c x")], {"c": ROW}),
    "reduce-sum": Case([node("ReduceSum", "x axes", keepdims=0)], axes([1]), shape=THREE),
    "reduce-sum-old": Case([node("ReduceSum", "x", axes=[2])], opsets=(7, 12), shape=THREE),
    "reduce-mean": Case([node("ReduceMean", "x axes")], axes([-1]), (18, 20), THREE),
    "reduce-mean-old": Case([node("ReduceMean", "x", axes=[1, 2])], opsets=(7, 17), shape=THREE),
    "relu": Case([node("Relu", "x")], opsets=(7, 14, 20)),
    "leaky-relu": Case([node("LeakyRelu", "x", alpha=0.2)], opsets=(7, 16)),
    "leaky-relu-default": Case([node("LeakyRelu", "x")]),
    "softplus": Case([node("Softplus", "x")], opsets=(7, 20)),
    "max": Case([node("Neg", "x", "n"), node("Max", "x n c")], {"c": ROW}, (8, 13, 20)),
    "max-one": Case([node("Max", "x")]),
    "max-broadcast": Case([node("Max", "x c")], {"c": rng.normal(size=(1, 2, 1))}, shape=THREE),
    "reduce-max": Case([node("ReduceMax", "x axes", keepdims=0)], axes([1, 2]), (18, 20), THREE),
    "reduce-max-old": Case([node("ReduceMax", "x", axes=[1], keepdims=0)], opsets=(7, 13, 17), shape=THREE),
    "reduce-lse": Case([node("ReduceLogSumExp", "x axes", keepdims=0)], axes([-1]), (18, 20), THREE),
    "reduce-lse-old": Case([node("ReduceLogSumExp", "x", axes=[1])], opsets=(7, 17), shape=THREE),
    "lse-subtracted": Case([node("ReduceLogSumExp", "x axes", "l"), node("Sub", "x l")], axes([1]), (18, 20), THREE),
    "log-softmax": Case([node("LogSoftmax", "x", axis=1)], opsets=(7, 12, 13, 20)),
    "log-softmax-3d": Case([node("LogSoftmax", "x")], shape=THREE),
    "log-softmax-3d-old": Case([node("LogSoftmax", "x")], opsets=(11,), shape=THREE),
    "softmax": Case([node("Softmax", "x", axis=-1)], opsets=(13, 20)),
    "softmax-middle": Case([node("Softmax", "x", axis=1)], shape=THREE),
    "softmax-3d-old": Case([node("Softmax", "x")], opsets=(7, 12), shape=THREE),
    "softmax-then-affine": Case([node("Softmax", "x", "s"), node("Gemm", "s w b")], {"w": V, "b": B}),
    "log-of-softmax": Case([node("Softmax", "x", "s"), node("Log", "s")]),
    "exp-sum-log": Case(
        [node("Exp", "x", "e"), node("ReduceSum", "e axes", "s"), node("Log", "s")], axes([1]), (13, 20)
    ),
    "exp-sum-log-shifted": Case(
        [
            node("ReduceMax", "x axes", "m"),
            node("Sub", "x m", "d"),
            node("Exp", "d", "e"),
            node("ReduceSum", "e axes", "s"),
            node("Log", "s", "l"),
            node("Add", "l m"),
        ],
        axes([1]),
        (18, 20),
    ),
    "softmax-spelled-out": Case(
        [node("Exp", "x", "e"), node("ReduceSum", "e axes", "s"), node("Div", "e s")], axes([1])
    ),
    "softplus-spelled-out": Case([node("Exp", "x", "e"), node("Add", "e c", "s"), node("Log", "s")], {"c": 1.0}),
    "exp-times-constant": Case(
        [
            node("Exp", "x", "e"),
            node("Mul", "e c", "s"),
            node("ReduceSum", "s axes", "t"),
            node("Div", "t d", "u"),
            node("Log", "u"),
        ],
        {"c": POSITIVE, "d": 3.0, **axes([1])},
    ),
    "exp-times-zero": Case([node("Exp", "x", "e"), node("Mul", "e c")], {"c": [0.0, 1.0, 2.0, 0.5]}),
    "exp-times-signs": Case([node("Exp", "x", "e"), node("Mul", "e c")], {"c": [0.0, 1.0, -2.0, 0.5]}),
    "negative-over-exps": Case(
        [node("Exp", "x", "e"), node("Add", "e one", "d"), node("Div", "minus d")], {"one": 1.0, "minus": -1.0}
    ),
    "exps-over-another-axis": Case(
        [
            node("Reshape", "x s", "r"),
            node("Exp", "r", "e"),
            node("ReduceSum", "e axes", "t", keepdims=0),
            node("Div", "e t"),
        ],
        {"s": np.array([3, 3], dtype=np.int64), **axes([1])},
        (13,),
        (9,),
    ),
    "product-of-exps": Case(
        [node("Exp", "x", "e"), node("Neg", "x", "n"), node("Exp", "n", "g"), node("Mul", "e g", "p"), node("Log", "p")]
    ),
    "sum-of-exps": Case(
        [node("Exp", "x", "e"), node("Neg", "x", "n"), node("Exp", "n", "g"), node("Add", "e g", "p"), node("Log", "p")]
    ),
    "flatten": Case([node("Flatten", "x", "f"), node("Gemm", "f w")], {"w": rng.normal(size=(6, 2))}, (11, 20), THREE),
    "flatten-negative": Case(
        [node("Flatten", "x", "f", axis=-2), node("ReduceMax", "f axes")], axes([1]), (18, 20), THREE
    ),
    "reshape": Case(
        [node("Reshape", "x s", "r"), node("ReduceMax", "r", axes=[2], keepdims=0)],
        {"s": np.array([-1, 2, 2], dtype=np.int64)},
        (13, 17),
    ),
    "reshape-copy": Case([node("Reshape", "x s")], {"s": np.array([0, 3, 2], dtype=np.int64)}, shape=THREE),
    "transpose": Case([node("Transpose", "x", perm=[0, 2, 1])], shape=THREE),
    "unsqueeze-squeeze": Case(
        [node("Unsqueeze", "x axes", "u"), node("Relu", "u", "r"), node("Squeeze", "r axes")], axes([1])
    ),
    "unsqueeze-squeeze-old": Case(
        [node("Unsqueeze", "x", "u", axes=[2]), node("Squeeze", "u", axes=[2])], opsets=(7, 12)
    ),
    "identity-dropout-cast": Case(
        [node("Identity", "x", "i"), node("Dropout", "i", "d"), node("Cast", "d", to=11)],
        opsets=(13, 20),
        only=np.float64,
    ),
    "folded-weights": Case(
        [
            node("Softplus", "w", "p"),
            node("Transpose", "p", "t"),
            node("MatMul", "x t"),
        ],
        {"w": W},
    ),
    "constant-node": Case(
        [node("Constant", "", "c", value_float=2.0), node("Cast", "c", "d", to=11), node("Mul", "x d")], only=np.float64
    ),
    "shape-driven-reshape": Case(
        [
            node("Shape", "x", "full"),
            node("Gather", "full zero", "n", axis=0),
            node("Concat", "n rest", "s", axis=0),
            node("Reshape", "x s", "r"),
            node("ReduceMax", "r axes", keepdims=0),
        ],
        {"zero": np.array([0], dtype=np.int64), "rest": np.array([2, 2], dtype=np.int64), **axes([2])},
        (18, 20),
    ),
    "no-batch": Case([node("Relu", "x")], shape=(4,)),
}

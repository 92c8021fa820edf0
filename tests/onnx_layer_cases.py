"""Convolutions, pooling, activations, indexing, normalisations and products."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx_models import Case, axes, ints, node

rng = np.random.default_rng(1)
IMAGE = ("batch", 4, 7, 6)
LINE = ("batch", 4, 9)
CUBE = ("batch", 2, 4, 5, 3)
ROWS = ("batch", 3, 4)


def normal(*shape: int) -> Any:
    return rng.normal(size=shape)


def conv(
    shape: tuple[int | str, ...], kernel: tuple[int, ...], *, opsets: tuple[int, ...] = (11, 20), **given: Any
) -> Case:
    bias = normal(kernel[0])
    return Case([node("Conv", "x w b", **given)], {"w": normal(*kernel), "b": bias}, opsets, shape)


def transposed(shape: tuple[int | str, ...], kernel: tuple[int, ...], **given: Any) -> Case:
    bias = normal(kernel[1] * given.get("group", 1))
    weights = {"w": normal(*kernel), "b": bias}
    # the reference implementation, which stands in for doubles, has no groups and no output_shape
    only = np.float32 if {"group", "output_shape"} & set(given) else None
    return Case([node("ConvTranspose", "x w b", **given)], weights, (7, 11, 20), shape, only=only)


CONVOLUTIONS = {
    "conv": conv(IMAGE, (3, 4, 3, 2), opsets=(7, 11, 20, 22)),
    "conv-no-bias": Case([node("Conv", "x w")], {"w": normal(3, 4, 1, 1)}, shape=IMAGE),
    "conv-pads": conv(IMAGE, (3, 4, 3, 3), pads=[1, 0, 2, 1], kernel_shape=[3, 3]),
    "conv-strides": conv(IMAGE, (3, 4, 3, 2), strides=[2, 3], pads=[1, 1, 1, 1]),
    "conv-dilations": conv(IMAGE, (3, 4, 3, 2), dilations=[2, 3], pads=[2, 2, 2, 2]),
    "conv-groups": conv(IMAGE, (6, 2, 3, 3), group=2),
    "conv-depthwise": conv(IMAGE, (8, 1, 3, 3), group=4, pads=[1, 1, 1, 1]),
    "conv-same-upper": conv(IMAGE, (3, 4, 2, 4), auto_pad="SAME_UPPER", strides=[2, 1]),
    "conv-same-lower": conv(IMAGE, (3, 4, 2, 4), auto_pad="SAME_LOWER", strides=[1, 2]),
    "conv-same-strides": Case(
        [node("Conv", "x w", auto_pad="SAME_UPPER", strides=[3, 3])],
        {"w": normal(3, 4, 2, 1)},
        (11, 20),
        IMAGE,
        only=np.float32,
    ),
    "conv-valid": conv(IMAGE, (3, 4, 2, 4), auto_pad="VALID", strides=[2, 2]),
    "conv-1d": conv(LINE, (5, 4, 3), strides=[2], pads=[2, 1], dilations=[2]),
    "conv-1d-groups": conv(LINE, (6, 2, 4), group=2),
    "conv-3d": conv(CUBE, (3, 2, 2, 3, 2), pads=[0, 1, 1, 1, 0, 0]),
    "conv-batch-one": conv((1, 4, 7, 6), (3, 4, 3, 3)),
    "conv-relu-conv": Case(
        [node("Conv", "x w", "a", pads=[1, 1, 1, 1]), node("Relu", "a", "r"), node("Conv", "r v")],
        {"w": normal(5, 4, 3, 3), "v": normal(2, 5, 3, 3)},
        (11, 20),
        IMAGE,
    ),
    "conv-transpose": transposed(IMAGE, (4, 3, 3, 2)),
    "conv-transpose-strides": transposed(IMAGE, (4, 3, 3, 2), strides=[2, 3]),
    "conv-transpose-pads": transposed(IMAGE, (4, 3, 3, 3), pads=[1, 0, 1, 2], strides=[2, 1], output_padding=[1, 0]),
    "conv-transpose-dilations": transposed(IMAGE, (4, 3, 2, 3), dilations=[2, 2]),
    "conv-transpose-groups": transposed(IMAGE, (4, 3, 2, 3), group=2, strides=[1, 2]),
    "conv-transpose-shape": transposed(IMAGE, (4, 3, 3, 3), strides=[2, 2], output_shape=[14, 12]),
    "conv-transpose-same": transposed(IMAGE, (4, 3, 3, 3), strides=[2, 2], auto_pad="SAME_UPPER"),
    "conv-transpose-same-lower": transposed(IMAGE, (4, 3, 3, 3), strides=[2, 2], auto_pad="SAME_LOWER"),
    "conv-transpose-1d": transposed(LINE, (4, 3, 3), strides=[2], pads=[1, 0]),
}


def pool(kind: str, shape: tuple[int | str, ...], *, opsets: tuple[int, ...] = (10, 12, 20), **given: Any) -> Case:
    return Case([node(kind, "x", **given)], {}, opsets, shape)


POOLING = {
    "max-pool": pool("MaxPool", IMAGE, kernel_shape=[2, 3], opsets=(7, 8, 10, 11, 12, 20, 22)),
    "max-pool-strides": pool("MaxPool", IMAGE, kernel_shape=[2, 2], strides=[2, 2]),
    "max-pool-pads": pool("MaxPool", IMAGE, kernel_shape=[3, 3], pads=[1, 2, 1, 0], strides=[2, 1]),
    "max-pool-ceil": pool("MaxPool", IMAGE, kernel_shape=[2, 3], strides=[2, 2], ceil_mode=1),
    "max-pool-ceil-pads": pool("MaxPool", IMAGE, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], ceil_mode=1),
    "max-pool-dilations": pool("MaxPool", IMAGE, kernel_shape=[3, 2], dilations=[2, 3]),
    "max-pool-same": pool("MaxPool", IMAGE, kernel_shape=[3, 2], strides=[2, 2], auto_pad="SAME_UPPER"),
    "max-pool-same-lower": pool("MaxPool", IMAGE, kernel_shape=[2, 2], auto_pad="SAME_LOWER"),
    "max-pool-ceil-end": pool("MaxPool", LINE, kernel_shape=[2], strides=[3], pads=[0, 1], ceil_mode=1),
    "max-pool-1d": pool("MaxPool", LINE, kernel_shape=[3], strides=[2]),
    "max-pool-3d": pool("MaxPool", CUBE, kernel_shape=[2, 2, 2]),
    "average-pool": pool("AveragePool", IMAGE, kernel_shape=[2, 3], opsets=(7, 10, 11, 19, 20, 22)),
    "average-pool-pads": pool("AveragePool", IMAGE, kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 1]),
    "average-pool-include": pool("AveragePool", IMAGE, kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1),
    "average-pool-ceil": pool("AveragePool", IMAGE, kernel_shape=[2, 3], strides=[2, 2], ceil_mode=1),
    "average-pool-ceil-include": pool(
        "AveragePool", IMAGE, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 0, 0], ceil_mode=1, count_include_pad=1,
        opsets=(19, 20),
    ),
    "average-pool-dilations": pool("AveragePool", IMAGE, kernel_shape=[2, 2], dilations=[2, 3], opsets=(19, 20)),
    "average-pool-1d": pool("AveragePool", LINE, kernel_shape=[4], strides=[3], pads=[1, 2]),
    "average-pool-same": pool("AveragePool", IMAGE, kernel_shape=[3, 2], strides=[2, 2], auto_pad="SAME_LOWER"),
    "global-average-pool": pool("GlobalAveragePool", IMAGE, opsets=(7, 20)),
    "global-average-pool-1d": pool("GlobalAveragePool", LINE),
    "global-max-pool": pool("GlobalMaxPool", IMAGE, opsets=(7, 20)),
    "global-max-pool-3d": Case([node("GlobalMaxPool", "x")], shape=CUBE, only=np.float32),
}  # fmt: skip


def one(kind: str, opsets: tuple[int, ...] = (13, 20), only: type | None = None, **given: Any) -> Case:
    return Case([node(kind, "x", **given)], {}, opsets, only=only)


ACTIVATIONS = {
    "abs": one("Abs", (7, 13)),
    "prelu": Case([node("PRelu", "x s")], {"s": np.array([0.1, -0.5, 2.0, 1.0])}, (7, 9, 16)),
    "prelu-channels": Case([node("PRelu", "x s")], {"s": normal(4, 1, 1)}, (9, 16), IMAGE),
    "leaky-relu-steep": one("LeakyRelu", (7, 16), alpha=2.5),
    "leaky-relu-negative": one("LeakyRelu", (16,), alpha=-0.5),
    "leaky-relu-zero": one("LeakyRelu", (16,), alpha=0.0),
    "clip": Case([node("Clip", "x lo hi")], {"lo": -0.5, "hi": 0.7}, (11, 13, 20)),
    "clip-low": Case([node("Clip", "x lo")], {"lo": -0.5}),
    "clip-high": Case([node("Clip", "x - hi")], {"hi": 0.25}),
    "clip-nothing": one("Clip"),
    "clip-crossed": Case([node("Clip", "x lo hi")], {"lo": 0.5, "hi": -0.25}),
    "clip-old": Case([node("Clip", "x", min=-1.0, max=0.5)], {}, (7, 10), only=np.float32),
    "clip-old-low": Case([node("Clip", "x", min=0.0)], {}, (7,), only=np.float32),
    "clip-wrong-side": Case([node("Clip", "x lo")], {"lo": 3.4028234663852886e38}),
    "clip-double": Case([node("Clip", "x lo")], {"lo": 1e39}, only=np.float64),
    "clip-infinite": Case([node("Clip", "x lo hi")], {"lo": -np.inf, "hi": 0.5}),
    "min": Case([node("Neg", "x", "n"), node("Min", "x n c")], {"c": normal(4)}, (8, 13, 20)),
    "min-one": one("Min"),
    "reduce-min": Case([node("ReduceMin", "x axes", keepdims=0)], axes([1, 2]), (18, 20), ROWS),
    "reduce-min-old": Case([node("ReduceMin", "x", axes=[-1])], {}, (7, 17), ROWS),
    "sigmoid": one("Sigmoid", (7, 13)),
    "log-sigmoid": Case([node("Sigmoid", "x", "s"), node("Log", "s")]),
    "sigmoid-spelled-out": Case(
        [node("Neg", "x", "n"), node("Exp", "n", "e"), node("Add", "e one", "d"), node("Div", "one d", "q"),
         node("Mul", "q c")],
        {"one": 1.0, "c": normal(4)},
    ),
    "weight-of-a-sum": Case(
        [node("Exp", "x", "e"), node("Add", "e one", "d"), node("Div", "e d", "q"), node("Relu", "q")], {"one": 1.0}
    ),
    "tanh": one("Tanh", (7, 13)),
    "hard-sigmoid": one("HardSigmoid", (7, 20), alpha=0.3, beta=0.6),
    "hard-sigmoid-default": one("HardSigmoid"),
    "hard-swish": one("HardSwish", (14, 20), only=np.float32),
    "silu": Case([node("Sigmoid", "x", "s"), node("Mul", "x s")]),
    "swish": one("Swish", (24,), alpha=1.5),
    "swish-default": one("Swish", (24,)),
    "mish": one("Mish", (18, 20)),
    "erf": one("Erf", (9, 13), only=np.float32),
    "gelu": one("Gelu", (20,), only=np.float32),
    "gelu-tanh": one("Gelu", (20,), approximate="tanh", only=np.float32),
    "gelu-spelled-out": Case(
        [node("Div", "x r", "z"), node("Erf", "z", "e"), node("Add", "e one", "p"), node("Mul", "x p", "q"),
         node("Mul", "q half")],
        {"r": 2.0**0.5, "one": 1.0, "half": 0.5},
        only=np.float32,
    ),
    "elu": one("Elu", (7, 20), alpha=0.7),
    "elu-default": one("Elu"),
    "selu": one("Selu", (7, 20)),
    "celu": one("Celu", (12, 20), alpha=1.5, only=np.float32),
    "celu-default": one("Celu", only=np.float32),
    "softsign": one("Softsign", (7, 20)),
    "exp": one("Exp"),
    "exp-of-sum": Case([node("Exp", "x", "e"), node("ReduceSum", "e axes", "s"), node("Relu", "s")], axes([1])),
    "exp-minus-one": Case([node("Exp", "x", "e"), node("Sub", "e c", "s"), node("Relu", "s")], {"c": 1.0}),
    "log": Case([node("Log", "x")], positive=True),
    "sqrt": Case([node("Sqrt", "x")], positive=True),
    "reciprocal": Case([node("Reciprocal", "x")], positive=True),
    "softplus-smooth": Case([node("Mul", "x c", "z"), node("Softplus", "z", "s"), node("Div", "s c")], {"c": 5.0}),
}  # fmt: skip

MASK = np.array([True, False, True, True])
INDEXING = {
    "concat": Case([node("Relu", "x", "r"), node("Concat", "x r c x", axis=1)], {"c": normal(1, 3)}, (7, 11, 20),
                   (1, 4)),
    "concat-constant-batch": Case([node("Concat", "x x", axis=-1)], {}, (11, 20), ROWS),
    "concat-middle": Case([node("Relu", "x", "r"), node("Concat", "r x", axis=1)], {}, (13,), ROWS),
    "split": Case([node("Split", "x s", "a b", axis=1), node("Sub", "a b")], {"s": ints(2, 2)}),
    "split-uneven": Case([node("Split", "x s", "a b", axis=-1), node("Concat", "b a", axis=1)], {"s": ints(1, 3)}),
    "split-equal": Case([node("Split", "x", "a b", axis=1), node("Sub", "a b")], {}, (13, 17)),
    "split-old": Case([node("Split", "x", "a b", axis=1, split=[1, 3]), node("Concat", "b a", axis=1)], {}, (7, 12)),
    "split-number": Case(
        [node("Split", "x", "a b c", axis=2, num_outputs=3), node("Concat", "c a", axis=2)], {}, (18, 20),
        ("batch", 2, 5),
    ),
    "slice": Case([node("Slice", "x a b c d")], {"a": ints(1), "b": ints(4), "c": ints(1), "d": ints(2)}, (10, 13, 20)),
    "slice-negative": Case(
        [node("Slice", "x a b c d")], {"a": ints(-1, 2), "b": ints(-100, 0), "c": ints(2, 1), "d": ints(-2, -1)},
        shape=ROWS,
    ),
    "slice-end": Case([node("Slice", "x a b c")], {"a": ints(0, -2), "b": ints(2**62, 2**31 - 1), "c": ints(0, 1)}),
    "slice-whole-batch": Case(
        [node("Shape", "x", "s"), node("Gather", "s zero", "n"), node("Slice", "x zero n zero")], {"zero": ints(0)}
    ),
    "slice-old": Case([node("Slice", "x", starts=[1], ends=[-1], axes=[1])], {}, (7, 9)),
    "slice-clamped": Case([node("Slice", "x a b c")], {"a": ints(-50), "b": ints(50), "c": ints(-1)}),
    "gather": Case([node("Gather", "x i", axis=1)], {"i": ints(3, 0, -1, 0)}, (7, 13)),
    "gather-scalar": Case([node("Gather", "x i", axis=1)], {"i": np.array(2)}, (13,), ROWS),
    "gather-matrix": Case([node("Gather", "x i", axis=-1)], {"i": np.array([[0, 1], [3, 2]])}, (13,), ROWS),
    "pad": Case([node("Pad", "x p")], {"p": ints(0, 1, 0, 2)}, (11, 13, 18, 21)),
    "pad-value": Case([node("Pad", "x p v")], {"p": ints(0, 1, 0, 0, 2, 3), "v": -1.5}, (13, 18), ROWS),
    "pad-axes": Case([node("Pad", "x p - axes")], {"p": ints(1, 2), **axes([-1])}, (18, 21), ROWS),
    "pad-negative": Case([node("Pad", "x p v")], {"p": ints(0, -1, 1, 0, 0, -2), "v": 2.0}, (13,), ROWS),
    "pad-reflect": Case([node("Pad", "x p", mode="reflect")], {"p": ints(0, 0, 2, 0, 0, 3)}, (13, 18), ROWS),
    "pad-edge": Case([node("Pad", "x p", mode="edge")], {"p": ints(0, 1, 2, 0, 0, 3)}, (13, 18), ROWS),
    "pad-edge-wide": Case([node("Pad", "x p", mode="edge")], {"p": ints(0, 6, 0, 5)}, (13,)),
    "pad-wrap": Case([node("Pad", "x p", mode="wrap")], {"p": ints(0, 1, 2, 0, 0, 3)}, (19, 21), ROWS),
    "pad-old": Case([node("Pad", "x", pads=[0, 1, 0, 2], value=0.5)], {}, (7, 10)),
    "pad-minus-infinity": Case(
        [node("Pad", "x p v", "q"), node("MaxPool", "q", kernel_shape=[2], strides=[2])],
        {"p": ints(0, 0, 1, 0, 0, 1), "v": -np.inf}, (13,), ROWS,
    ),
    "expand-to-batch": Case(
        [node("Shape", "x", "s"), node("Gather", "s zero", "n"), node("Concat", "n rest", "t", axis=0),
         node("Expand", "x t")],
        {"zero": ints(0), "rest": ints(4)}, (13, 20), ("batch", 1),
    ),
    "expand": Case([node("Unsqueeze", "x axes", "u"), node("Expand", "u s")], {**axes([1]), "s": ints(1, 3, 4)}),
    "tile": Case([node("Tile", "x r")], {"r": ints(1, 2, 3)}, (7, 13), ROWS),
    "where-mask": Case([node("Relu", "x", "r"), node("Where", "m x r")], {"m": MASK}, (9, 16)),
    "where-constant": Case([node("Where", "m c x")], {"m": MASK, "c": 0.5}),
    "masked-softmax": Case(
        [node("Where", "m x c", "z"), node("Softmax", "z", axis=-1)], {"m": MASK, "c": -np.inf}, (13, 20)
    ),
    "masked-lse": Case(
        [node("Add", "x m", "z"), node("ReduceMax", "z axes", "t"), node("Sub", "z t", "d"), node("Exp", "d", "e"),
         node("ReduceSum", "e axes", "s"), node("Log", "s", "l"), node("Add", "l t")],
        {"m": np.where(MASK, 0.0, -np.inf), **axes([1])}, (18, 20),
    ),
    "masked-max": Case([node("Add", "x m", "z"), node("Relu", "x", "r"), node("Max", "z r")],
                       {"m": np.where(MASK, 0.0, -np.inf)}),
    "masked-log-softmax": Case(
        [node("Add", "x m", "z"), node("LogSoftmax", "z", "l"), node("Gather", "l i", axis=1)],
        {"m": np.where(MASK, 0.0, -np.inf), "i": ints(0, 2, 3)},
    ),
    "masked-concat": Case(
        [node("Add", "x m", "z"), node("Relu", "x", "r"), node("Concat", "z r", "t", axis=1), node("Softmax", "t")],
        {"m": np.where(MASK, 0.0, -np.inf)},
    ),
    "max-minus-infinity": Case([node("Max", "x c")], {"c": [-np.inf, 0.0, 1.0, -np.inf]}),
    "softmax-channels": Case([node("Softmax", "x", axis=1)], {}, (13, 20), IMAGE),
    "large-mask": Case([node("Add", "x m", "z"), node("Softmax", "z", axis=-1)], {"m": np.where(MASK, 0.0, -1e9)}),
    "expand-by-batch": Case(
        [node("Shape", "x", "s"), node("Gather", "s zero", "n"), node("Concat", "n rest", "t", axis=0),
         node("Expand", "c t", "e"), node("Concat", "e x", axis=1)],
        {"zero": ints(0), "rest": ints(3), "c": normal(1, 3)}, (13, 20),
    ),
    "state-of-zeros": Case(
        [node("Shape", "x", "s"), node("Gather", "s zero", "n"), node("Concat", "n rest", "t", axis=0),
         node("ConstantOfShape", "t", "h"), node("Gemm", "h w b", "g"), node("Relu", "g", "r"), node("Add", "r x", "o"),
         node("Split", "g half", "p q", axis=1), node("Concat", "q o p", axis=1)],
        {"zero": ints(0), "rest": ints(3), "w": normal(3, 4), "b": normal(4), "half": ints(1, 3)}, (13, 20),
        only=np.float32,
    ),
    "constant-of-shape": Case(
        [node("ConstantOfShape", "s", "c"), node("Add", "x c")], {"s": ints(4)}, (9, 20), only=np.float32
    ),
    "shape-of-some-axes": Case(
        [node("Shape", "x", "s", start=1, end=2), node("Concat", "minus s", "t", axis=0), node("Reshape", "x t", "r"),
         node("ReduceMax", "r axes", keepdims=0)],
        {"minus": ints(-1), **axes([1])}, (18, 20), ROWS,
    ),
    "shape-of-rows": Case(
        [node("Reshape", "x two", "r"), node("Shape", "r", "s"), node("Gather", "s zero", "n"),
         node("Concat", "n minus", "t", axis=0), node("Reshape", "x t", "q"), node("ReduceMax", "q axes", keepdims=0)],
        {"two": ints(-1, 2), "zero": ints(0), "minus": ints(-1), **axes([1])}, (18, 20), ROWS,
    ),
    "shape-of-part": Case(
        [node("Shape", "x", "s"), node("Slice", "s one end", "n"), node("ReduceProd", "n", "p", keepdims=1),
         node("Concat", "minus p", "t", axis=0), node("Reshape", "x t")],
        {"one": ints(1), "end": ints(3), "minus": ints(-1)}, (13, 17), ROWS,
    ),
}  # fmt: skip
NORMALISATIONS = {
    "batch-norm": Case(
        [node("BatchNormalization", "x s b m v", epsilon=1e-3)],
        {"s": normal(4), "b": normal(4), "m": normal(4), "v": np.exp(normal(4))}, (7, 9, 14, 15, 20), IMAGE,
    ),
    "batch-norm-flat": Case(
        [node("BatchNormalization", "x s b m v")],
        {"s": normal(4), "b": normal(4), "m": normal(4), "v": np.exp(normal(4))},
    ),
    "layer-norm": Case([node("LayerNormalization", "x s b")], {"s": normal(4), "b": normal(4)}, (17, 20), ROWS),
    "layer-norm-axis": Case(
        [node("LayerNormalization", "x s", axis=1, epsilon=1e-2)], {"s": normal(3, 4)}, (17,), ROWS
    ),
    "layer-norm-spelled-out": Case(
        [node("ReduceMean", "x axes", "m"), node("Sub", "x m", "c"), node("Pow", "c two", "q"),
         node("ReduceMean", "q axes", "v"), node("Add", "v e", "w"), node("Sqrt", "w", "d"), node("Div", "c d")],
        {"two": 2.0, "e": 1e-5, **axes([-1])}, (18, 20), ROWS,
    ),
    "rms-norm": Case([node("RMSNormalization", "x s")], {"s": normal(4)}, (23,), ROWS),
    "instance-norm": Case(
        [node("InstanceNormalization", "x s b", epsilon=1e-3)], {"s": normal(4), "b": normal(4)}, (7, 20), LINE
    ),
}  # fmt: skip

PRODUCTS = {
    "product": Case([node("Relu", "x", "r"), node("Mul", "x r")]),
    "product-broadcast": Case([node("ReduceMax", "x axes", "m"), node("Mul", "x m")], axes([1]), (18, 20), ROWS),
    "square": Case([node("Mul", "x x")]),
    "quotient": Case([node("Relu", "x", "r"), node("Div", "r x")], positive=True),
    "constant-quotient": Case([node("Div", "c x")], {"c": normal(4)}, positive=True),
    "power-two": Case([node("Pow", "x p")], {"p": 2.0}, (7, 13, 20)),
    "power-three": Case([node("Pow", "x p")], {"p": 3.0}),
    "power-one": Case([node("Pow", "x p")], {"p": 1.0}),
    "power-half": Case([node("Pow", "x p")], {"p": 0.5}, positive=True),
    "power-minus-half": Case([node("Pow", "x p")], {"p": -0.5}, positive=True),
    "power-minus-one": Case([node("Pow", "x p")], {"p": -1.0}, positive=True),
    "matmul-vector": Case([node("MatMul", "x w")], {"w": normal(4)}, (9, 20), ROWS),
    "constant-softmax-old": Case(
        [node("Softmax", "c", "s", axis=1), node("LogSoftmax", "c", "l"), node("Add", "x s", "a"), node("Add", "a l")],
        {"c": normal(1, 3, 4)}, (7, 11, 12, 13), ROWS,
    ),
    "matmul-left": Case([node("MatMul", "w x")], {"w": normal(5, 3)}, (9, 20), ROWS),
    "matmul-left-stack": Case([node("MatMul", "w x")], {"w": normal(1, 5, 3)}, (13,), ROWS),
    "matmul-right-stack": Case([node("MatMul", "x w")], {"w": normal(1, 4, 5)}, (13,), ROWS),
    "matmul-heads": Case([node("MatMul", "x w")], {"w": normal(2, 3, 5)}, (13,), ("batch", 2, 4, 3)),
    "matmul-computed": Case(
        [node("Transpose", "x", "t", perm=[0, 2, 1]), node("MatMul", "x t")], {}, (9, 20), ROWS
    ),
    "attention": Case(
        [node("MatMul", "x wq", "q"), node("MatMul", "x wk", "k"), node("MatMul", "x wv", "v"),
         node("Transpose", "k", "t", perm=[0, 2, 1]), node("MatMul", "q t", "s"), node("Div", "s root", "z"),
         node("Softmax", "z", "a", axis=-1), node("MatMul", "a v")],
        {"wq": normal(4, 4), "wk": normal(4, 4), "wv": normal(4, 5), "root": 2.0}, (13, 20), ROWS,
    ),
    "constant-mean": Case([node("Mean", "c d", "m"), node("Elu", "m", "e"), node("Add", "x e")],
                          {"c": normal(4), "d": normal(1)}, (13,), only=np.float32),
    "mean": Case([node("Relu", "x", "r"), node("Mean", "x r x")], {}, (8, 13)),
}  # fmt: skip
CASES: dict[str, Case] = {**CONVOLUTIONS, **POOLING, **ACTIVATIONS, **INDEXING, **NORMALISATIONS, **PRODUCTS}

"""Models that must be refused, with the text that says why."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx_cases import W
from onnx_models import axes, ints, node

BASIC: dict[str, tuple[list[Any], dict[str, Any], str]] = {
    "divide-by-zero": ([node("Div", "x c")], {"c": 0.0}, "divides by zero"),
    "batch-max": ([node("ReduceMax", "x axes")], axes([0]), "batch axis"),
    "batch-softmax": ([node("Softmax", "x", axis=0)], {}, "batch axis"),
    "all-axes": ([node("ReduceSum", "x")], {}, "batch axis"),
    "noop": ([node("ReduceSum", "x", noop_with_empty_axes=1)], {}, "noop_with_empty_axes"),
    "trans-a": ([node("Gemm", "x w", transA=1)], {"w": W}, "transA"),
    "computed-weights": ([node("Relu", "x", "r"), node("Gemm", "x r")], {}, "must be a constant"),
    "nan": ([node("Add", "x c")], {"c": [np.nan]}, "NaN"),
    "infinite": ([node("Add", "x c")], {"c": [np.inf]}, "infinity"),
    "wrong-width": ([node("MatMul", "x w")], {"w": W}, "columns"),
    "reshape": ([node("Reshape", "x s")], {"s": np.array([-1, 3])}, "does not reshape"),
    "axis": ([node("Softmax", "x", axis=5)], {}, "axis 5"),
    "int-cast": ([node("Cast", "x", "i", to=7), node("Cast", "i", to=11)], {}, "float32 or float64"),
    "constant-output": ([node("Constant", "", "y", value_float=2.0)], {}, "does not depend on the input"),
    "unfit": ([node("Add", "x c")], {"c": np.ones(3)}, "do not broadcast"),
    "transpose-batch": ([node("Transpose", "x")], {}, "moves the batch axis"),
    "unsqueeze-batch": ([node("Unsqueeze", "x axes")], axes([0]), "before the batch axis"),
    "broadcast-batch": ([node("Add", "x c")], {"c": np.ones((3, 4))}, "along the batch axis"),
    "broadcast-rank": ([node("Max", "x c")], {"c": np.ones((3, 1, 4))}, "along the batch axis"),
    "reshape-fixed": ([node("Reshape", "x s")], {"s": np.array([1, -1])}, "fixes or moves the batch axis"),
    "reshape-rows": ([node("Reshape", "x s")], {"s": np.array([4, -1])}, "fixes or moves the batch axis"),
    "reshape-minus-two": ([node("Reshape", "x s")], {"s": np.array([-1, -2])}, "must be positive"),
    "flatten-batch": ([node("Flatten", "x", axis=0)], {}, "batch axis"),
    "reshape-to-nothing": ([node("Reshape", "x s", allowzero=1)], {"s": np.array([0, 4])}, "does not reshape"),
    "squeeze-batch": ([node("Squeeze", "x axes")], axes([0]), "squeezes the batch axis"),
    "squeeze-long": ([node("Squeeze", "x axes")], axes([1]), "do not all have length 1|not a valid"),
    "squeeze-all": ([node("Squeeze", "x")], {}, "name the axes"),
    "batch-size": (
        [node("Shape", "x", "s"), node("Gather", "s i", "n"), node("Cast", "n", "m", to=11), node("Mul", "x m")],
        {"i": np.array(0)},
        "computes with the batch size",
    ),
    "keepdims": ([node("ReduceMax", "x axes", "m", keepdims=0), node("Sub", "x m")], axes([1]), "along the batch axis"),
    "vector": (
        [node("ReduceMax", "x axes", "m", keepdims=0), node("MatMul", "m w")],
        {**axes([1]), "w": np.ones((1, 2))},
        "contracts the batch axis",
    ),
    "axes-twice": ([node("ReduceMax", "x axes")], axes([1, -1]), "named twice"),
    "float-axes": ([node("ReduceMax", "x axes")], {"axes": [1.0]}, "expected integers|not a valid"),
    "bias": ([node("Gemm", "x w c")], {"w": W.T, "c": np.ones((5, 6))}, "bias"),
    "bias-column": ([node("Gemm", "x w c")], {"w": W.T, "c": np.ones((5, 1))}, "bias"),
    "no-elements": ([node("MatMul", "x w")], {"w": np.ones((4, 0))}, "holds nothing"),
    "tiny-divisor": ([node("Div", "x c")], {"c": 1e-310}, "too small"),
    "compare": ([node("Greater", "x c", "g"), node("Relu", "g")], {"c": 1.0}, "comparison"),
}

IMAGE = ("batch", 4, 7, 6)
KERNEL = np.ones((3, 4, 3, 3))
Refusal = tuple[list[Any], dict[str, Any], str, tuple[int | str, ...], int]


def refusal(
    item: Any, constants: dict[str, Any], text: str, shape: tuple[int | str, ...] = ("batch", 4), opset: int = 20
) -> Refusal:
    return (item if isinstance(item, list) else [item], constants, text, shape, opset)


def image(item: Any, constants: dict[str, Any], text: str, opset: int = 20) -> Refusal:
    return refusal(item, constants, text, IMAGE, opset)


ROWS = ("batch", 3, 4)
STATISTICS = {"s": np.ones(4), "b": np.ones(4), "m": np.ones(4), "v": np.ones(4)}
INFINITE = {"m": np.array([0.0, -np.inf, 0.0, 0.0])}
MASKED = node("Add", "x m", "z")
BATCH_SIZE = [node("Shape", "x", "s"), node("Gather", "s zero", "n")]
ZEROS = [node("Shape", "x", "s"), node("ConstantOfShape", "s", "h")]
ROWS_MIX = "constant of the batch's size"
COLUMN = {"m": np.array([0.0, -np.inf, 0.0, 0.0, 0.0, 0.0])}
LAYERS: dict[str, Refusal] = {
    "conv-flat": refusal(node("Conv", "x w"), {"w": np.ones((3, 4))}, "expected .batch, channels|not a valid"),
    "conv-computed": image([node("Relu", "x", "w"), node("Conv", "x w")], {}, "must be a constant"),
    "conv-rank": image(node("Conv", "x w"), {"w": np.ones((3, 4, 3))}, "for 2 spatial axes|not a valid"),
    "conv-kernel-shape": image(node("Conv", "x w", kernel_shape=[2, 2]), {"w": KERNEL}, "kernel_shape"),
    "conv-channels": image(node("Conv", "x w"), {"w": np.ones((3, 5, 3, 3))}, "for 4 channels"),
    "conv-groups": image(node("Conv", "x w", group=2), {"w": np.ones((3, 2, 3, 3))}, "do not split into 2 groups"),
    "conv-bias": image(node("Conv", "x w b"), {"w": KERNEL, "b": np.ones(2)}, "bias .2,. for 3 channels"),
    "conv-pads": image(node("Conv", "x w", pads=[-1, 0, 0, 0]), {"w": KERNEL}, "only nonnegative padding"),
    "conv-strides": image(node("Conv", "x w", strides=[0, 1]), {"w": KERNEL}, "expected 2 numbers >= 1|not a valid"),
    "conv-auto-pad": image(node("Conv", "x w", auto_pad="EVEN"), {"w": KERNEL}, "auto_pad 'EVEN'|not a valid"),
    "conv-too-wide": image(node("Conv", "x w"), {"w": np.ones((3, 4, 9, 3))}, "does not fit|not a valid"),
    "conv-rows": refusal(
        [node("Reshape", "x s", "r"), node("Conv", "r w")], {"s": ints(2, 4, 7), "w": np.ones((3, 4, 3))},
        "only a batch axis is supported", (1, 2, 4, 7),
    ),
    "transposed-shape": image(
        node("ConvTranspose", "x w", output_shape=[40, 8]), {"w": np.ones((4, 3, 3, 3))}, "output size of 40"
    ),
    "transposed-channels": image(node("ConvTranspose", "x w"), {"w": KERNEL}, "for 4 channels"),
    "transposed-pads": image(
        node("ConvTranspose", "x w", pads=[5, 5, 5, 5]), {"w": np.ones((4, 3, 3, 3))}, "an output size of -1"
    ),
    "max-pool-padding": image(node("MaxPool", "x", kernel_shape=[2, 2], pads=[2, 0, 0, 0]), {}, "in the padding alone"),
    "average-pool-padding": image(
        node("AveragePool", "x", kernel_shape=[2, 2], pads=[2, 0, 0, 0]), {}, "in the padding alone"
    ),
    "pool-same-strides": image(
        node("MaxPool", "x", kernel_shape=[2, 1], strides=[3, 3], auto_pad="SAME_UPPER"), {}, "runtimes disagree"
    ),
    "pool-rank": image(node("MaxPool", "x", kernel_shape=[2]), {}, "for 2 spatial axes|not a valid"),
    "pool-empty": image(node("MaxPool", "x", kernel_shape=[0, 2]), {}, "for 2 spatial axes|not a valid"),
    "pool-strides": image(node("MaxPool", "x", kernel_shape=[2, 2], strides=[2**40, 1]), {}, "expected 2 numbers"),
    "pool-indices": image(node("MaxPool", "x", "y i", kernel_shape=[2, 2]), {}, "output Indices"),
    "batch-norm-training": image(
        node("BatchNormalization", "x s b m v", "y p q", training_mode=1), STATISTICS, "training mode"
    ),
    "batch-norm-zero": image(
        node("BatchNormalization", "x s b m v", epsilon=0.0), {**STATISTICS, "v": np.zeros(4)}, "must be positive"
    ),
    "dropout-training": refusal(node("Dropout", "x r t"), {"r": 0.5, "t": np.array(True)}, "training mode"),
    "flatten-axis": refusal(node("Flatten", "x", axis=7), {}, "axis 7|not a valid"),
    "batch-norm-spatial": image(node("BatchNormalization", "x s b m v", spatial=0), STATISTICS, "spatial=0", 7),
    "batch-norm-variance": image(
        node("BatchNormalization", "x s b m v"), {**STATISTICS, "v": -np.ones(4)}, "must be positive"
    ),
    "batch-norm-shape": image(node("BatchNormalization", "x s b m v"), {**STATISTICS, "v": np.ones(3)}, "have shape"),
    "layer-norm-outputs": refusal(node("LayerNormalization", "x s", "y m"), {"s": np.ones(4)}, "Mean and InvStdDev"),
    "layer-norm-batch": refusal(node("LayerNormalization", "x s", axis=0), {"s": np.ones(4)}, "over the batch axis"),
    "layer-norm-scale": refusal(node("LayerNormalization", "x s"), {"s": np.ones(3)}, "do not fit|not broadcast"),
    "layer-norm-epsilon": refusal(node("LayerNormalization", "x s", epsilon=-1.0), {"s": np.ones(4)}, "epsilon is -1"),
    "instance-norm": refusal(node("InstanceNormalization", "x s s"), {"s": np.ones(4)}, "expected .batch, channels"),
    "prelu": refusal(node("PRelu", "x s"), {"s": np.ones((3, 1))}, "slopes of shape|along the batch axis"),
    "leaky-relu": refusal(node("LeakyRelu", "x", alpha=np.inf), {}, "alpha is inf"),
    "clip-computed": refusal([node("ReduceMax", "x", "m", keepdims=0), node("Clip", "x m")], {}, "batch axis"),
    "clip-shape": refusal(node("Clip", "x lo"), {"lo": np.zeros(4)}, "expected a number|not a valid"),
    "clip-nan": refusal(node("Clip", "x c"), {"c": np.nan}, "NaN"),
    "clip-minus": refusal(node("Clip", "x - hi"), {"hi": -np.inf}, "max is -inf"),
    "clip-nan-old": refusal(node("Clip", "x", min=np.nan), {}, "min is nan", opset=7),
    "clip-plus": refusal(node("Clip", "x lo"), {"lo": np.inf}, "min is inf"),
    "gelu": refusal(node("Gelu", "x", approximate="fast"), {}, "approximate='fast'"),
    "celu": refusal(node("Celu", "x", alpha=-1.0), {}, "alpha is -1"),
    "celu-zero": refusal(node("Celu", "x", alpha=0.0), {}, "alpha is 0"),
    "concat-batch": refusal(node("Concat", "x x", axis=0), {}, "along the batch axis"),
    "concat-shapes": refusal(node("Concat", "x c", axis=2), {"c": np.ones((1, 2, 4))}, "do not fit|not a valid", ROWS),
    "split-batch": refusal(node("Split", "x s", "y z", axis=0), {"s": ints(1, 1)}, "splits the batch axis"),
    "split-sizes": refusal(node("Split", "x s", "y z", axis=1), {"s": ints(1, 1)}, "parts of sizes|not a valid"),
    "slice-batch": refusal(node("Slice", "x a b c"), {"a": ints(1), "b": ints(9), "c": ints(0)}, "slices the batch"),
    "slice-batch-start": refusal(
        node("Slice", "x a b c"), {"a": ints(1), "b": ints(2**31 - 1), "c": ints(0)}, "slices the batch"
    ),
    "slice-batch-end": refusal(
        node("Slice", "x a b c"), {"a": ints(0), "b": ints(1), "c": ints(0)}, "slices the batch"
    ),
    "slice-batch-step": refusal(
        node("Slice", "x a b c d"), {"a": ints(0), "b": ints(2**31 - 1), "c": ints(0), "d": ints(2)}, "slices the batch"
    ),
    "slice-from-batch": refusal(
        [*BATCH_SIZE, node("Slice", "x n e a")], {"zero": ints(0), "e": ints(4), "a": ints(1)}, "with the batch size"
    ),
    "slice-back-to-batch": refusal(
        [*BATCH_SIZE, node("Slice", "x b n a step")],
        {"zero": ints(0), "b": ints(3), "a": ints(1), "step": ints(-1)}, "from the batch size",
    ),
    "compare-reshaped": refusal(
        [node("Greater", "x c", "g"), node("Reshape", "g s"), node("Relu", "y", "z")], {"c": 1.0, "s": ints(-1, 4)},
        "Reshape node .*comparisons cannot be reshaped",
    ),
    "slice-nothing": refusal(node("Slice", "x a b c"), {"a": ints(3), "b": ints(1), "c": ints(1)}, "leaves nothing"),
    "slice-step": refusal(
        node("Slice", "x a b c d"), {"a": ints(3), "b": ints(1), "c": ints(1), "d": ints(0)}, "steps .0.|not a valid"
    ),
    "slice-computed": refusal([node("Relu", "x", "r"), node("Slice", "x r r")], {}, "must be a constant|not a valid"),
    "gather-batch": refusal(node("Gather", "x i"), {"i": ints(0)}, "picks rows of the batch"),
    "gather-range": refusal(node("Gather", "x i", axis=1), {"i": ints(4)}, "must lie in .-4, 4"),
    "gather-below": refusal(node("Gather", "x i", axis=1), {"i": ints(-5)}, "must lie in .-4, 4"),
    "gather-computed": refusal([node("Cast", "x", "i", to=7), node("Gather", "c i")], {"c": np.ones(4)}, "float32 or"),
    "pad-batch": refusal(node("Pad", "x p"), {"p": ints(1, 0, 0, 0)}, "pads the batch axis"),
    "pad-batch-after": refusal(node("Pad", "x p"), {"p": ints(0, 0, 1, 0)}, "pads the batch axis"),
    "pad-nan": refusal(node("Pad", "x", pads=[0, 1, 0, 0], value=np.nan), {}, "fills with nan", opset=10),
    "pad-filling": refusal(node("Pad", "x p v"), {"p": ints(0, 1, 0, 0), "v": np.ones(2)}, "expected one number"),
    "pad-to-nothing": refusal(node("Pad", "x p"), {"p": ints(0, -2, 0, -2)}, "leaves nothing"),
    "pad-count": refusal(node("Pad", "x p"), {"p": ints(1, 0, 0)}, "pads|not a valid"),
    "pad-mode": refusal(node("Pad", "x p", mode="mirror"), {"p": ints(0, 1, 0, 0)}, "mode 'mirror'"),
    "pad-reflect": refusal(node("Pad", "x p", mode="reflect"), {"p": ints(0, 4, 0, 0)}, "wider than shape"),
    "pad-infinite": refusal(node("Pad", "x p v"), {"p": ints(0, 1, 0, 0), "v": np.inf}, "infinity"),
    "expand": refusal(node("Expand", "x s"), {"s": ints(1, 3)}, "does not expand|not a valid"),
    "expand-rows": refusal(node("Expand", "x s"), {"s": ints(3, 4)}, "along the batch axis"),
    "expand-rank": refusal(node("Expand", "x s"), {"s": ints(1, 1, 4)}, "along the batch axis"),
    "expand-nothing": refusal(node("Expand", "x s"), {"s": ints(1, 0)}, "must be positive", ("batch", 1)),
    "expand-batch": refusal(node("Expand", "x s"), {"s": ints(3, 1, 4)}, "along the batch axis"),
    "tile-batch": refusal(node("Tile", "x r"), {"r": ints(2, 1)}, "repeats the batch axis"),
    "tile-nothing": refusal(node("Tile", "x r"), {"r": ints(1, 0)}, "repeats"),
    "tile-count": refusal(node("Tile", "x r"), {"r": ints(2)}, "repeats|not a valid"),
    "matmul-vector": refusal(node("MatMul", "w x"), {"w": np.ones(3)}, "vectors are not supported", ROWS),
    "matmul-rows": refusal(node("MatMul", "w x"), {"w": np.ones((3, 1))}, "mix the batch axis|do not fit"),
    "matmul-stack": refusal(node("MatMul", "x w"), {"w": np.ones((2, 1, 4, 5))}, "mix the batch axis", ROWS),
    "matmul-fit": refusal(node("MatMul", "x x"), {}, "do not fit|not a valid", ROWS),
    "matmul-row-weights": refusal(node("MatMul", "x w"), {"w": np.ones((2, 4, 5))}, "mix the batch axis", ROWS),
    "matmul-pairs": refusal([node("Relu", "x", "r"), node("MatMul", "x r")], {}, "mix the batch axis", ("batch", 1)),
    "gemm-rank": refusal(node("Gemm", "x w"), {"w": np.ones((4, 2))}, "expected .batch, features", ROWS),
    "gemm-weights": refusal(node("Gemm", "x w"), {"w": np.ones((1, 4, 2))}, "expected a matrix"),
    "gemm-left": refusal(node("Gemm", "w x"), {"w": np.ones((2, 1))}, "use MatMul"),
    "power": refusal(node("Pow", "x p"), {"p": 2.5}, r"exponents \[2.5\]"),
    "power-equal": refusal(node("Pow", "x p"), {"p": np.full(3, 2.0)}, "exponents", ("batch", 1)),
    "power-rank": refusal(node("Pow", "x p"), {"p": np.full((1, 1, 1), 2.0)}, "exponents"),
    "power-several": refusal(node("Pow", "x p"), {"p": np.arange(1.0, 5.0)}, "exponents"),
    "power-zero": refusal(node("Pow", "x p"), {"p": 0.0}, r"exponents \[0.0\]"),
    "power-large": refusal(node("Pow", "x p"), {"p": 17.0}, r"exponents \[17.0\]"),
    "power-computed": refusal(node("Pow", "c x"), {"c": 2.0}, "raises a constant"),
    "where-computed": refusal(
        [node("Greater", "x c", "g"), node("Relu", "x", "r"), node("Where", "g x r")], {"c": 0.0}, "constant conditions"
    ),
    "exponentials-mix": refusal(
        [node("Exp", "x", "e"), node("ReduceMax", "x axes", "m", keepdims=0), node("Exp", "m", "g"),
         node("Add", "e g")],
        axes([1]), "along the batch axis",
    ),
    "arg-max-default": refusal([node("ArgMax", "x", "l"), node("Cast", "l", to=11)], {}, "along the batch"),
    "arg-max-batch": refusal([node("ArgMax", "x", "l", axis=0), node("Cast", "l", to=11)], {}, "along the batch"),
    "constant-of-batch-copied": refusal(
        [*ZEROS, node("Identity", "h", "i"), node("ReduceSum", "i axes", "k"), node("Add", "x k")], axes([0]), ROWS_MIX
    ),
    "constant-of-batch-transposed": refusal(
        [*ZEROS, node("Gemm", "h w", "k", transA=1), node("Add", "x k")], {"w": np.ones((1, 4))}, ROWS_MIX
    ),
    "constant-of-batch-right": refusal(
        [*ZEROS, node("MatMul", "w h", "k"), node("Add", "x k")], {"w": np.ones((1, 1))}, ROWS_MIX
    ),
    "constant-of-batch-joined": refusal([*ZEROS, node("Concat", "h h", "k", axis=0), node("Add", "x k")], {}, ROWS_MIX),
    **{
        f"batch-{name}": refusal(
            [node("Shape", "x", "s"), node("Gather", "s zero", "n"), *chain, node("Cast", "q", "d", to=11), last],
            {"zero": ints(0), "three": ints(3)}, "computes with the batch size",
        )
        for name, chain, last in (
            ("reciprocal", [node("Cast", "n", "f", to=11), node("Reciprocal", "f", "q")], node("Mul", "x d")),
            ("greater", [node("Greater", "n three", "q")], node("Add", "x d")),
            ("quotient", [node("Div", "n three", "q")], node("Add", "x d")),
            ("single", [node("Cast", "n", "q", to=6)], node("Add", "x d")),
            ("range", [node("Squeeze", "n", "k"), node("Range", "k k k", "q")], node("Add", "x d")),
            ("equal", [node("Equal", "n three", "q")], node("Add", "x d")),
            ("sigmoid", [node("Cast", "n", "f", to=11), node("Sigmoid", "f", "q")], node("Add", "x d")),
        )
    },
    "constant-of-batch": refusal(
        [node("Shape", "x", "s"), node("ConstantOfShape", "s", "h"), node("ReduceSum", "h axes", "k"),
         node("Cast", "k", "d", to=11), node("Add", "x d")],
        axes([0]), "constant of the batch's size",
    ),
    "masked-relu": refusal([MASKED, node("Relu", "z")], INFINITE, "-inf .masked entries"),
    "masked-output": refusal(node("Add", "x m"), INFINITE, "-inf .masked entries"),
    "masked-negative": refusal([MASKED, node("Neg", "z")], INFINITE, "not positive"),
    "masked-zero": refusal([MASKED, node("Mul", "z c")], {**INFINITE, "c": 0.0}, "not positive"),
    "masked-leaky": refusal([MASKED, node("LeakyRelu", "z", alpha=0.0)], INFINITE, "not positive"),
    "masked-swish": refusal([MASKED, node("Swish", "z")], INFINITE, "-inf among its logits", opset=24),
    "masked-min": refusal([MASKED, node("Min", "z x")], INFINITE, "not positive"),
    "masked-sum": refusal([MASKED, node("ReduceSum", "z axes")], {**INFINITE, **axes([1])}, "adds up -inf"),
    "masked-all": refusal(
        [MASKED, node("Softmax", "z", axis=-1)], {"m": np.full(4, -np.inf)}, "logits are all -inf"
    ),
    "masked-row": refusal(
        [MASKED, node("Softmax", "z", axis=-1)], {"m": [[0.0] * 4, [-np.inf] * 4, [0.0] * 4]}, "logits are all", ROWS
    ),
    "masked-join": refusal([MASKED, node("Max", "z m")], {"m": np.full(4, -np.inf)}, "every entry is -inf"),
    "masked-matmul": refusal([MASKED, node("MatMul", "w z")], {**INFINITE, "w": np.ones((2, 3))}, "needs finite", ROWS),
    "masked-max": refusal(
        [MASKED, node("ReduceMax", "z axes")], {"m": np.full(4, -np.inf), **axes([1])}, "every entry"
    ),
    "masked-conv": image([MASKED, node("Conv", "z w")], {**COLUMN, "w": KERNEL}, "needs finite values"),
    "masked-conv-transpose": image(
        [MASKED, node("ConvTranspose", "z w")], {**COLUMN, "w": np.ones((4, 3, 2, 2))}, "needs finite values"
    ),
    "masked-mean": image([MASKED, node("GlobalAveragePool", "z")], COLUMN, "needs finite values"),
    "masked-norm": refusal(
        [MASKED, node("RMSNormalization", "z s")], {**INFINITE, "s": np.ones(4)}, "needs finite values", opset=23
    ),
    "min-infinity": refusal(node("Min", "x m"), INFINITE, "infinity"),
    "plus-infinity": refusal(node("Sub", "x m"), INFINITE, "infinity"),
    "constant-conv": refusal(
        [node("Conv", "w w", "c"), node("ReduceSum", "c", "s", keepdims=0), node("Add", "x s")],
        {"w": np.ones((1, 1, 3))}, "fold constants before export",
    ),
    "mean-of-exponentials": refusal(
        [node("Exp", "x", "e"), node("ReduceMean", "e axes")], axes([1]), "the mean of exponentials"
    ),
}  # fmt: skip
REFUSED: dict[str, Refusal] = {**{name: refusal(*case) for name, case in BASIC.items()}, **LAYERS}

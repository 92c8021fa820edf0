"""Mutated model files for the fuzz test, and the process that reads them under a limit of memory."""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

import numpy as np
import onnx

EXTRA_BYTES = 1 << 30
SECONDS = 5.0
INTERESTING = (-(2**63), -(2**31), -1000, -2, -1, 0, 1, 2, 3, 7, 1000, 2**31 - 1, 2**40, 2**63 - 1)


def mutant(source: bytes, rng: np.random.Generator) -> bytes:
    """One of: flipped bits, a truncation, a spliced part, or a change of the graph's attributes, shapes or edges."""
    kind = int(rng.integers(5))
    data = bytearray(source)
    if kind == 0:
        for _ in range(int(rng.integers(1, 9))):
            data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
        return bytes(data)
    if kind == 1:
        return bytes(data[: int(rng.integers(len(data)))])
    if kind == 2:
        a, b = sorted(int(v) for v in rng.integers(len(data), size=2))
        return bytes(data[:a] + data[b:] if rng.random() < 0.5 else data[:b] + data[a:])
    proto = onnx.ModelProto.FromString(source)
    for _ in range(int(rng.integers(1, 4))):
        _change(proto, rng)
    return bytes(proto.SerializeToString())


def _change(proto: onnx.ModelProto, rng: np.random.Generator) -> None:
    """Change one thing in the graph, perhaps to nonsense."""

    def number() -> int:
        return int(rng.choice(INTERESTING))

    graph = proto.graph
    node = graph.node[int(rng.integers(len(graph.node)))]
    other = graph.node[int(rng.integers(len(graph.node)))]
    match int(rng.integers(9)):
        case 0 if node.attribute:
            chosen = node.attribute[int(rng.integers(len(node.attribute)))]
            chosen.i = number()
            if chosen.ints:
                chosen.ints[int(rng.integers(len(chosen.ints)))] = number()
            chosen.f = float(rng.choice([0.0, -1.0, 1e38, np.inf, np.nan]))
        case 1:
            del node.attribute[:]
            node.attribute.extend(other.attribute)
        case 2:
            node.op_type = other.op_type if rng.random() < 0.5 else str(rng.choice(OPERATORS))
        case 3 if node.input and other.output:
            node.input[int(rng.integers(len(node.input)))] = str(rng.choice([*other.input, *other.output, ""]))
        case 4 if graph.initializer:
            tensor = graph.initializer[int(rng.integers(len(graph.initializer)))]
            if tensor.dims:
                tensor.dims[int(rng.integers(len(tensor.dims)))] = number()
        case 5 if graph.initializer:
            tensor = graph.initializer[int(rng.integers(len(graph.initializer)))]
            raw = bytearray(tensor.raw_data)
            for _ in range(min(4, len(raw))):
                raw[int(rng.integers(len(raw)))] = int(rng.integers(256))
            tensor.raw_data = bytes(raw)
        case 6:
            dims = graph.input[0].type.tensor_type.shape.dim
            dims[int(rng.integers(len(dims)))].dim_value = number()
        case 7:
            node.input.append(str(rng.choice([*other.input, *other.output])))
        case _:
            proto.opset_import[0].version = int(rng.integers(1, 30))


OPERATORS = (
    "Conv", "ConvTranspose", "MaxPool", "AveragePool", "Gemm", "MatMul", "Reshape", "Pad", "Tile", "Expand", "Slice",
    "Gather", "Split", "Concat", "Softmax", "ReduceSum", "ConstantOfShape", "Range", "Where", "Pow", "Transpose",
    "LayerNormalization", "Squeeze", "Unsqueeze", "Clip", "Flatten", "Cast", "Shape", "ArgMax", "Loop", "If",
)  # fmt: skip


def main() -> None:
    """Read mutants of the files named on the command line; print one line for each that does not behave."""
    from tropix import TropixError
    from tropixc import load

    count, seed, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    sources = [Path(name).read_bytes() for name in sys.argv[4:]]
    rng = np.random.default_rng(seed)
    for source in sources:  # compile the kernels before memory is limited
        (folder / "m.onnx").write_bytes(source)
        load(folder / "m.onnx")
    virtual = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (virtual + EXTRA_BYTES, virtual + EXTRA_BYTES))
    read = 0
    for i in range(count):
        data = mutant(sources[int(rng.integers(len(sources)))], rng)
        path = folder / "m.onnx"
        path.write_bytes(data)
        start = time.perf_counter()
        try:
            load(path)
            read += 1
        except TropixError:
            pass
        except BaseException as error:
            (folder / f"bad-{seed}-{i}.onnx").write_bytes(data)
            print(f"{i}: {type(error).__name__}: {' '.join(str(error).split())[:200]}")
        if time.perf_counter() - start > SECONDS:
            (folder / f"slow-{seed}-{i}.onnx").write_bytes(data)
            print(f"{i}: took {time.perf_counter() - start:.1f} s")
    print(f"read {read}")


if __name__ == "__main__":
    main()

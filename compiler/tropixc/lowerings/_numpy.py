"""Circuit → Python source that needs nothing but NumPy."""

from __future__ import annotations

import keyword
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from tropix.circuits import Affine, Circuit, Gibbs, Input, LogSumExp, Pointwise, Product
from tropix.errors import InvalidInput, Unsupported
from tropixc.lowerings._needed import needed
from tropixc.lowerings._numpy_arrays import DECODER, array_source

MAX_NUMBERS = 10_000_000
"""Largest number of constants in a source file."""
SHOWN_NAME = 80

SPARSE = '''
def _sparse(v, columns, weights, rows, starts, size):
    """v times a sparse matrix: entries row by row, rows[k] begins at starts[k], all other rows are empty."""
    out = np.zeros((len(v), size))
    step = 1 + 4_000_000 // len(columns)  # points at a time, so that memory stays bounded
    for i in range(0, len(v), step):
        out[i : i + step, rows] = np.add.reduceat(v[i : i + step, columns] * weights, starts, axis=1)
    return out
'''
LOG_SUM_EXP = '''
def _log_sum_exp(z, eps, starts, widths):
    """eps * log(sum(exp(z / eps))) of each segment of columns, shifted so that nothing overflows or loses digits."""
    top = np.maximum.reduceat(z, starts, axis=1)
    with np.errstate(over="ignore"):
        shifted = z - np.repeat(top, widths, axis=1)
        rest = np.where(shifted == 0.0, 0.0, np.exp(shifted / eps))
    ties = np.add.reduceat((shifted == 0.0).astype(np.float64), starts, axis=1)
    return top + eps * np.log1p(ties - 1.0 + np.add.reduceat(rest, starts, axis=1))
'''
GIBBS = '''
def _gibbs(z, eps, starts, widths):
    """Softmax of z / eps in each segment of columns; at eps = 0 uniform on the maximal entries."""
    with np.errstate(over="ignore"):
        shifted = z - np.repeat(np.maximum.reduceat(z, starts, axis=1), widths, axis=1)
        terms = np.exp(shifted / eps) if eps > 0.0 else (shifted == 0.0).astype(np.float64)
    return terms / np.repeat(np.add.reduceat(terms, starts, axis=1), widths, axis=1)
'''
ERF = """
_erf = np.vectorize(math.erf, otypes=[np.float64])
"""
HELPERS = {"_array(": DECODER, "_sparse(": SPARSE, "_log_sum_exp(": LOG_SUM_EXP, "_gibbs(": GIBBS, "_erf(": ERF}


def to_numpy_source(circuit: Circuit, name: str = "network") -> str:
    """A Python file with one function ``name(points)``, (n, d) or (d,) → (n, m) or (m,), that depends on NumPy only.

    It computes in float64 what `Circuit.__call__` computes, node by node, with every weight written exactly. Names of
    nodes occur in comments alone, escaped. Raises `InvalidInput` where ``name`` is no plain identifier, `Unsupported`
    for circuits of more than ten million constants.
    """
    taken = name.startswith("_") or name in ("np", "math", "base64")
    if not (name.isascii() and name.isidentifier()) or keyword.iskeyword(name) or taken:
        raise InvalidInput(f"function name {name!r}: expected an identifier such as 'network'")
    writer = _Writer(circuit)
    body = "\n".join(writer.statements())
    constants = "\n".join(f"{key} = {text}" for key, text in writer.constants.items())
    helpers = "".join(f"\n{text}" for call, text in HELPERS.items() if call in body or call in constants)
    imports = [line for line, use in (("import base64", "base64."), ("import math", "math.")) if use in helpers]
    d, m = circuit.input_size, circuit.output_size
    parts = [
        _DOCUMENTATION.format(name=name, d=d, m=m, count=len(circuit.nodes)),
        *imports,
        *([""] if imports else []),
        "import numpy as np",
        helpers,
        constants,
        _FUNCTION.format(name=name, d=d, m=m, body=body, output=circuit.output),
    ]
    return "\n".join(parts)


_DOCUMENTATION = '''"""{name}: a function from {d} to {m} numbers, written by tropix as a circuit of {count} nodes.

Nodes are affine maps; log-sum-exp of segments of a vector, lse(z) = eps * log(sum(exp(z / eps))), which is max(z) at
eps = 0; Gibbs weights exp(z / eps) / sum(exp(z / eps)) of segments; products; and functions of each entry. Every
weight is the float64 that the model holds.
"""
'''
_FUNCTION = '''

def {name}(points):
    """Values at points (n, {d}) as (n, {m}), or at one point ({d},) as ({m},), in float64."""
    v0 = np.asarray(points, dtype=np.float64)
    if v0.ndim not in (1, 2) or v0.shape[-1] != {d}:
        raise ValueError("points have shape %s: expected (n, {d}) or ({d},)" % (v0.shape,))
    single = v0.ndim == 1
    v0 = np.atleast_2d(v0)
{body}
    return np.array(v{output}[0] if single else v{output})
'''


class _Writer:
    """Writes one statement a node, and collects the constants that the statements name."""

    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit
        self.constants: dict[str, str] = {}
        self._numbers = 0

    def statements(self) -> Iterator[str]:
        for position in needed(self.circuit):
            node, name = self.circuit.nodes[position], self.circuit.names[position]
            # ascii() escapes line breaks, so that a name cannot leave its comment
            yield f"    # node {position}, {ascii(name)[:SHOWN_NAME]}: {type(node).__name__}, size {node.size}"
            yield f"    v{position} = {self._expression(position)}"

    def _constant(self, name: str, array: npt.NDArray[np.generic]) -> str:
        self._numbers += array.size
        if self._numbers > MAX_NUMBERS:
            raise Unsupported(f"the source would hold more than {MAX_NUMBERS} numbers: export to ONNX instead")
        self.constants[name] = array_source(array)
        return name

    def _expression(self, position: int) -> str:
        match self.circuit.nodes[position]:
            case Affine() as node:
                return self._affine(position, node)
            case LogSumExp() | Gibbs() as node:
                return self._segments(position, node)
            case Product() as node:
                return f"v{node.left} * v{node.right}"
            case Pointwise() as node:
                return f"_erf(v{node.source})" if node.function == "erf" else f"np.{node.function}(v{node.source})"
            case Input():
                raise AssertionError("the input is node 0, and has no expression")

    def _affine(self, position: int, node: Affine) -> str:
        summands = []
        for k, term in enumerate(node.terms):
            label = f"{position}" if len(node.terms) == 1 else f"{position}_{k}"
            if isinstance(term.matrix, np.ndarray):
                summands.append(f"v{term.source} @ {self._constant(f'_A{label}', term.matrix)}.T")
            elif term.matrix.nnz:
                summands.append(self._sparse(label, f"v{term.source}", term.matrix))
        bias = self._constant(f"_b{position}", node.bias)
        return " + ".join([*summands, bias]) if summands else f"np.tile({bias}, (len(v0), 1))"

    def _sparse(self, label: str, source: str, matrix: sp.csr_array) -> str:
        columns = self._constant(f"_columns{label}", matrix.indices.astype(np.int64))
        weights = "1.0" if (matrix.data == 1.0).all() else self._constant(f"_weights{label}", matrix.data)
        lengths = np.diff(matrix.indptr)
        if (lengths == 1).all():
            return f"{source}[:, {columns}]" + ("" if weights == "1.0" else f" * {weights}")
        filled = np.flatnonzero(lengths)
        rows = self._constant(f"_rows{label}", filled)
        starts = self._constant(f"_starts{label}", matrix.indptr[filled].astype(np.int64))
        return f"_sparse({source}, {columns}, {weights}, {rows}, {starts}, {matrix.shape[0]})"

    def _segments(self, position: int, node: LogSumExp | Gibbs) -> str:
        source, widths = f"v{node.source}", node.widths
        uniform = bool((widths == widths[0]).all())
        if isinstance(node, LogSumExp) and node.eps == 0.0 and uniform:
            return f"{source}.reshape(len(v0), {len(widths)}, {int(widths[0])}).max(axis=2)"
        starts = self._constant(f"_starts{position}", node.segments[:-1])
        if isinstance(node, LogSumExp) and node.eps == 0.0:
            return f"np.maximum.reduceat({source}, {starts}, axis=1)"
        repeats = str(int(widths[0])) if uniform else self._constant(f"_widths{position}", widths)
        function = "_log_sum_exp" if isinstance(node, LogSumExp) else "_gibbs"
        return f"{function}({source}, {node.eps!r}, {starts}, {repeats})"

"""The kinds of nodes of a circuit. A node names its sources by their position in the circuit."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Self, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from tropix.arrays import FloatArray, IntArray, frozen, real_array, temperature
from tropix.circuits._pointwise import FUNCTIONS, FunctionName
from tropix.errors import InvalidInput

Renamed = TypeVar("Renamed")
Matrix: TypeAlias = "FloatArray | sp.csr_array"


@dataclass(frozen=True, eq=False)
class Input:
    """The point x ∈ ℝ^size."""

    size: int

    def __post_init__(self) -> None:
        if self.size < 1:
            raise InvalidInput(f"a circuit needs at least one input coordinate, found {self.size}")

    @property
    def sources(self) -> tuple[int, ...]:
        """Positions of the nodes this one reads."""
        return ()

    def reading(self, place: Mapping[int, int]) -> Self:
        """The same node with its sources renamed."""
        return self


@dataclass(frozen=True, eq=False)
class Term:
    """One summand A·v of an affine node: the matrix and the position of v."""

    source: int
    matrix: Matrix

    @cached_property
    def transposed(self) -> Matrix:
        """Aᵀ, stored row by row: what reverse differentiation multiplies by."""
        return self.matrix.T if isinstance(self.matrix, np.ndarray) else sp.csr_array(self.matrix.T)


@dataclass(frozen=True, eq=False)
class Affine:
    """Σ_i A_i v_i + bias; each A_i is dense or `scipy.sparse.csr_array`, finite. No terms: a constant."""

    terms: tuple[Term, ...]
    bias: FloatArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "bias", real_array(self.bias, "bias", 1))
        terms = tuple(Term(term.source, _matrix(term.matrix)) for term in self.terms)
        for term in terms:
            if term.matrix.shape[0] != len(self.bias):
                raise InvalidInput(f"matrix {term.matrix.shape} does not match {len(self.bias)} outputs")
        object.__setattr__(self, "terms", terms)

    @property
    def size(self) -> int:
        """Number of outputs."""
        return len(self.bias)

    @property
    def sources(self) -> tuple[int, ...]:
        """Positions of the nodes this one reads."""
        return tuple(term.source for term in self.terms)

    def reading(self, place: Mapping[int, int]) -> Self:
        """The same node with its sources renamed."""
        return _with(self, terms=tuple(Term(place[term.source], term.matrix) for term in self.terms))


@dataclass(frozen=True, eq=False)
class _Segmented:
    source: int
    eps: float
    segments: IntArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "eps", temperature(self.eps))
        offsets = np.array(self.segments, dtype=np.int64)
        if offsets.ndim != 1 or len(offsets) < 2 or offsets[0] != 0 or (np.diff(offsets) < 1).any():
            raise InvalidInput("segments must be offsets 0 = s_0 < s_1 < … < s_K: no segment may be empty")
        frozen(offsets)
        object.__setattr__(self, "segments", offsets)

    @property
    def sources(self) -> tuple[int, ...]:
        """Positions of the nodes this one reads."""
        return (self.source,)

    def reading(self, place: Mapping[int, int]) -> Self:
        """The same node with its sources renamed."""
        return _with(self, source=place[self.source])

    @property
    def widths(self) -> IntArray:
        """Number of entries N_k of each segment."""
        return np.diff(self.segments)


@dataclass(frozen=True, eq=False)
class LogSumExp(_Segmented):
    """out[k] = ⊕_ε of the source's entries segments[k]:segments[k+1]; ε = 0 is max (ReLU, maxout, pooling)."""

    @property
    def size(self) -> int:
        """Number of outputs: one a segment."""
        return len(self.segments) - 1


@dataclass(frozen=True, eq=False)
class Gibbs(_Segmented):
    """Softmax within each segment: the gradient of `LogSumExp`. At ε = 0 uniform on the maximal entries."""

    @property
    def size(self) -> int:
        """Number of outputs: one an entry."""
        return int(self.segments[-1])


@dataclass(frozen=True, eq=False)
class Product:
    """Elementwise product of two nodes of the same size. Everything downstream of it is structural."""

    left: int
    right: int
    size: int

    @property
    def sources(self) -> tuple[int, ...]:
        """Positions of the nodes this one reads."""
        return (self.left, self.right)

    def reading(self, place: Mapping[int, int]) -> Self:
        """The same node with its sources renamed."""
        return _with(self, left=place[self.left], right=place[self.right])


@dataclass(frozen=True, eq=False)
class Pointwise:
    """A smooth function of each entry: "erf", "exp", "log", "reciprocal" or "sqrt".

    It has no identity over S_ε and no temperature; like `Product` it makes everything downstream structural
    (GELU, ELU, layer normalisation).
    """

    source: int
    function: FunctionName
    size: int

    def __post_init__(self) -> None:
        if self.function not in FUNCTIONS:
            raise InvalidInput(f"function {self.function!r}: expected one of {', '.join(map(repr, FUNCTIONS))}")

    @property
    def sources(self) -> tuple[int, ...]:
        """Positions of the nodes this one reads."""
        return (self.source,)

    def reading(self, place: Mapping[int, int]) -> Self:
        """The same node with its sources renamed."""
        return _with(self, source=place[self.source])


Node: TypeAlias = Input | Affine | LogSumExp | Gibbs | Product | Pointwise


def uniform_segments(count: int, width: int) -> IntArray:
    """Offsets of ``count`` consecutive segments of equal width."""
    return np.arange(count + 1, dtype=np.int64) * width


def _with(node: Renamed, **fields: object) -> Renamed:
    """A copy of a node with other fields; nothing that was validated is validated again."""
    copied = copy.copy(node)
    for name, value in fields.items():
        object.__setattr__(copied, name, value)
    return copied


def _matrix(matrix: Matrix | npt.ArrayLike) -> Matrix:
    """A finite, read-only copy."""
    if not sp.issparse(matrix):
        return real_array(matrix, "matrix", 2)
    array = sp.csr_array(matrix, dtype=np.float64, copy=True)
    array.sum_duplicates()
    real_array(array.data, "matrix", 1)
    array.eliminate_zeros()
    for part in (array.data, array.indices, array.indptr):
        frozen(part)
    return array

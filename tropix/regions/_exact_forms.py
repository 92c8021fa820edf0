"""Affine forms of a tape's values in integers: every block of values has one denominator, whatever the pattern."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import flint
import numpy as np
import scipy.sparse as sp

from tropix.arrays import IntArray, ObjectArray
from tropix.exact import Rationals
from tropix.kernels import integer_forms

if TYPE_CHECKING:
    from tropix.regions._tape import AffineStep, Tape

MAX_LISTED = 1_000_000
"""Steps of more weights are not tried in 64-bit integers."""
SPARSE = 0.25
"""Matrices with a smaller share of nonzero entries are applied entry by entry, others by flint."""


class ExactTape:
    """The steps of a tape over integers. ``denominators`` holds the one of each block; that of the input is given.

    With tables of numerators over ``denominators[block]`` as values (n, w), an affine step is an integer matrix and a
    bias that goes to the last column; a maximum takes rows. The input's denominator scales all others.
    """

    def __init__(self, tape: Tape) -> None:
        from tropix.regions._tape import AffineStep

        self.tape = tape
        self.denominators = [1]
        self.affine: list[_Affine | None] = [None]
        for step in tape.steps:
            if isinstance(step, AffineStep):
                self.affine.append(_Affine(step, [self.denominators[source] for source in step.sources]))
                self.denominators.append(self.affine[-1].denominator)  # type: ignore[union-attr]
            else:
                self.affine.append(None)
                self.denominators.append(self.denominators[step.source])

    def run(
        self, start: ObjectArray, choose: Callable[[Any, ObjectArray], IntArray], unit: int = 1
    ) -> list[ObjectArray]:
        """The tables of all blocks from that of the input (d, w), over ``unit`` times their denominators.

        ``choose(step, table)`` names for each maximum the row of its source's table.
        """
        tables = [start]
        for step, affine in zip(self.tape.steps, self.affine[1:], strict=True):
            if affine is None:
                tables.append(tables[step.source][choose(step, tables[step.source])])  # type: ignore[union-attr]
            else:
                tables.append(affine.apply([tables[source] for source in affine.sources], unit))
        return tables

    @cached_property
    def integers(self) -> tuple[IntArray, IntArray] | None:
        """Weights and bias of `Tape.flat` as 64-bit integers over the denominators, if no form can exceed 61 bits."""
        flat, offsets = self.tape.flat, self.tape.offsets
        weights, bias = np.zeros(len(flat.weight), dtype=np.int64), np.zeros(len(flat.bias), dtype=np.int64)
        largest = np.ones(len(flat.bias))
        for block, affine in enumerate(self.affine):
            first, stop = int(offsets[block]), int(offsets[block + 1])
            if block == 0:
                continue
            a, b = int(flat.start[first]), int(flat.start[stop])
            sources = flat.source[a:b]
            counts = np.diff(flat.start[first : stop + 1])
            if affine is None:
                np.maximum.at(largest[first:stop], np.repeat(np.arange(stop - first), counts), largest[sources])
                continue
            step: Any = self.tape.steps[block - 1]
            if step.exact is not None or b - a > MAX_LISTED:
                return None
            numbers = Rationals.of(flat.weight[a:b])
            below = np.searchsorted(offsets, sources, side="right") - 1
            factors = np.array([affine.denominator // self.denominators[s] for s in range(block)], dtype=object)
            exact = numbers.numerators * factors[below] // numbers.denominator if b > a else np.zeros(0, dtype=object)
            if max(map(abs, (*affine.bias.tolist(), *exact.tolist())), default=0) >= 1 << 61:
                return None  # too large for floats, perhaps
            size = np.abs(affine.bias.astype(np.float64))
            np.add.at(
                size, np.repeat(np.arange(stop - first), counts), np.abs(exact.astype(np.float64)) * largest[sources]
            )
            if not size.max(initial=0.0) < 2.0**61:
                return None
            largest[first:stop] = np.maximum(size, 1.0)
            weights[a:b], bias[first:stop] = exact.astype(np.int64), affine.bias.astype(np.int64)
        return weights, bias

    def output_keys(self, patterns: Any) -> list[bytes]:
        """Something to compare for the output's affine map under each pattern (C, S): equal exactly if the maps are."""
        if self.integers is not None:
            values = self.tape.flat.outputs
            forms = integer_forms(tuple(self.tape.flat), *self.integers, patterns, values)
            return [form.tobytes() for form in forms]
        return [repr(self.output(row.astype(np.int64)).numerators.tolist()).encode() for row in patterns]

    def forms(self, pattern: IntArray) -> list[ObjectArray]:
        """The affine forms (n, d+1) of all blocks under a pattern: Python integers, or 64-bit ones."""
        d = self.tape.inputs
        if self.integers is not None:
            every = np.arange(len(self.tape.flat.bias))
            table = integer_forms(tuple(self.tape.flat), *self.integers, pattern[None], every)[0]
            return np.split(table, self.tape.offsets[1:-1])

        def choose(step: Any, table: ObjectArray) -> IntArray:
            return np.asarray(step.segments[:-1] + pattern[step.first : step.first + step.size])

        return self.run(np.eye(d, d + 1, dtype=np.int64).astype(object), choose)

    def output(self, pattern: IntArray) -> Rationals:
        """The affine forms (m, d+1) of the output alone: values that it does not depend on are left out."""
        d, last = self.tape.inputs, self.tape.output
        wanted: list[set[int]] = [set() for _ in self.denominators]
        wanted[last] = set(range(self.tape.sizes[last]))
        for block in range(last, 0, -1):
            if wanted[block]:
                for source, rows in self._needs(block, wanted[block], pattern):
                    wanted[source].update(rows)
        known: list[dict[int, list[int]]] = [{} for _ in self.denominators]
        known[0] = {i: [int(i == c) for c in range(d + 1)] for i in range(d)}
        for block in range(1, last + 1):
            affine = self.affine[block]
            if affine is not None:
                known[block] = affine.rows(sorted(wanted[block]), known, d + 1)
            else:
                step: Any = self.tape.steps[block - 1]
                source = known[step.source]
                for k in wanted[block]:
                    known[block][k] = source[int(step.segments[k]) + int(pattern[step.first + k])]
        rows = np.empty((self.tape.sizes[last], d + 1), dtype=object)
        for i in range(len(rows)):
            rows[i] = known[last][i]
        return Rationals(rows, self.denominators[last])

    def _needs(self, block: int, wanted: set[int], pattern: IntArray) -> Iterable[tuple[int, Iterable[int]]]:
        affine = self.affine[block]
        if affine is not None:
            return affine.needs(wanted)
        step: Any = self.tape.steps[block - 1]
        return [(step.source, [int(step.segments[k]) + int(pattern[step.first + k]) for k in wanted])]


class _Affine:
    """Σ A_i v_i + b over integers."""

    def __init__(self, step: AffineStep, below: Sequence[int]) -> None:
        self.sources = step.sources
        matrices: Sequence[Any] = step.matrices if step.exact is None else step.exact[0]
        bias = Rationals.of(step.bias) if step.exact is None else step.exact[1]
        parts = [_split(matrix) for matrix in matrices]
        totals = [denominator * d for (_, denominator), d in zip(parts, below, strict=True)]
        self.denominator = math.lcm(bias.denominator, *totals)
        self.bias = bias.numerators * (self.denominator // bias.denominator)
        self.scales = [self.denominator // total for total in totals]
        self.parts = [part for part, _ in parts]

    def apply(self, tables: Sequence[ObjectArray], unit: int) -> ObjectArray:
        """The whole block, from whole blocks."""
        width = tables[0].shape[1] if tables else 1
        total = np.zeros((len(self.bias), width), dtype=object)
        total[:, -1] = self.bias * unit
        for part, scale, table in zip(self.parts, self.scales, tables, strict=True):
            if isinstance(part, _Sparse):
                total[part.filled] += part.times(table) * scale
            else:
                product = part * flint.fmpz_mat(len(table), width, table.ravel().tolist())
                flat = np.empty(len(self.bias) * width, dtype=object)
                flat[:] = [int(n) for n in product.entries()]
                total += flat.reshape(-1, width) * scale
        return total

    def needs(self, wanted: Iterable[int]) -> list[tuple[int, Iterable[int]]]:
        """Which rows of the sources some rows are made of."""
        found: list[tuple[int, Iterable[int]]] = []
        for source, part in zip(self.sources, self.parts, strict=True):
            if isinstance(part, _Sparse):
                found += [(source, part.columns[i]) for i in wanted]
            else:
                found.append((source, range(part.ncols())))
        return found

    def rows(self, wanted: Sequence[int], known: Sequence[dict[int, list[int]]], width: int) -> dict[int, list[int]]:
        """Some rows of the block, from those of the sources that they need."""
        found = {i: [*[0] * (width - 1), int(self.bias[i])] for i in wanted}
        for source, part, scale in zip(self.sources, self.parts, self.scales, strict=True):
            table = known[source]
            if isinstance(part, _Sparse):
                for i in wanted:
                    for j, weight in zip(part.columns[i], part.weights[i], strict=True):
                        factor = weight * scale
                        found[i] = [a + factor * b for a, b in zip(found[i], table[j], strict=True)]
            elif wanted:
                chosen = flint.fmpz_mat([[part[i, j] for j in range(part.ncols())] for i in wanted])
                flat = [number for j in range(part.ncols()) for number in table[j]]
                product = [int(n) for n in (chosen * flint.fmpz_mat(part.ncols(), width, flat)).entries()]
                for place, i in enumerate(wanted):
                    new = product[place * width : (place + 1) * width]
                    found[i] = [a + scale * b for a, b in zip(found[i], new, strict=True)]
        return found


class _Sparse:
    """An integer matrix by its nonzero entries."""

    def __init__(self, matrix: sp.csr_array, data: ObjectArray) -> None:
        counts = np.diff(matrix.indptr)
        self.filled = np.flatnonzero(counts)
        self.starts = matrix.indptr[:-1][self.filled]
        self.indices, self.data = matrix.indices, data
        cuts = matrix.indptr.tolist()
        indices, weights = matrix.indices.tolist(), data.tolist()
        self.columns = [indices[a:b] for a, b in pairwise(cuts)]
        self.weights = [weights[a:b] for a, b in pairwise(cuts)]

    def times(self, table: ObjectArray) -> ObjectArray:
        """The rows that are not empty, times a table."""
        if not len(self.filled):
            return np.zeros((0, table.shape[1]), dtype=object)
        products = self.data[:, None] * table[self.indices]
        return np.asarray(np.add.reduceat(products, self.starts, axis=0))


def _split(matrix: Any) -> tuple[Any, int]:
    """A matrix as a `_Sparse` one or a flint ``fmpz_mat``, over its denominator."""
    if isinstance(matrix, Rationals):
        return matrix.to_flint(), matrix.denominator
    count = matrix.nnz if sp.issparse(matrix) else np.count_nonzero(matrix)
    if count >= SPARSE * matrix.shape[0] * matrix.shape[1] and not sp.issparse(matrix):
        exact = Rationals.of(matrix)
        return exact.to_flint(), exact.denominator
    listed = sp.csr_array(matrix, copy=True)
    listed.eliminate_zeros()
    exact = Rationals.of(listed.data)
    return _Sparse(listed, exact.numerators), exact.denominator

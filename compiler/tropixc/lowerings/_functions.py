"""Outputs of a circuit → tropical polynomials where they are convex, rational functions where they are not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from tropix.boxes import BoxLike
from tropix.circuits import Circuit
from tropix.errors import InvalidInput
from tropix.polynomials import TropicalPolynomial, TropicalRational
from tropixc.lowerings._polynomial import PolynomialLowering, lower_to_polynomial
from tropixc.lowerings._rational import OutputProgress, RationalLowering, lower_all_to_rational

Kind: TypeAlias = Literal["auto", "polynomial", "rational"]
Lowering: TypeAlias = PolynomialLowering | RationalLowering
TropicalFunction: TypeAlias = TropicalPolynomial | TropicalRational


def lower_outputs(
    circuit: Circuit,
    outputs: Sequence[int],
    to: Kind = "auto",
    box: BoxLike | None = None,
    *,
    progress: OutputProgress | None = None,
    time_limit: float | None = None,
    rational_time_limit: float | None = None,
) -> list[Lowering]:
    """Each of the outputs by `lower_to_polynomial` or `lower_to_rational`, in their order.

    With ``"auto"`` an output that is convex by the signs of its weights becomes a polynomial, any other a rational
    function; all rational functions share one expansion. The time limits are in seconds for each output, the second one
    for rational functions alone (default: the first). Raises as the two lowerings do.
    """
    limit = time_limit if rational_time_limit is None else rational_time_limit
    rational = [k for k in outputs if _is_rational(circuit, k, to)]
    found: dict[int, Lowering] = {}
    for k in outputs:
        if k not in rational:
            found[k] = _polynomial(circuit, k, box, progress, time_limit)
    if rational:
        lowerings = lower_all_to_rational(circuit, rational, box, progress=progress, time_limit=limit)
        found.update(zip(rational, lowerings, strict=True))
    return [found[k] for k in outputs]


def function_of(lowering: Lowering, to: Kind = "auto") -> TropicalFunction:
    """What a lowering found; with ``"auto"`` a rational function from which nothing is subtracted is a polynomial."""
    if isinstance(lowering, PolynomialLowering):
        return lowering.polynomial
    polynomial = lowering.polynomial if to == "auto" else None
    return lowering.function if polynomial is None else polynomial


def _is_rational(circuit: Circuit, output: int, to: Kind) -> bool:
    if not 0 <= output < circuit.output_size:
        raise InvalidInput(f"output {output}: the model has outputs 0 to {circuit.output_size - 1}")
    return to == "rational" or (to == "auto" and not circuit.curvature_flags[circuit.output].convex[output])


def _polynomial(
    circuit: Circuit, output: int, box: BoxLike | None, progress: OutputProgress | None, time_limit: float | None
) -> PolynomialLowering:
    def formed(count: int) -> None:
        if progress is not None:
            progress(output, count)

    return lower_to_polynomial(circuit, output, box, progress=formed, time_limit=time_limit)

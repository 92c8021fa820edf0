"""The check of certificates: evidence is evaluated anew in rationals and Arb balls; no solver, no bound is imported.

Trusted are python-flint, Python's integers, the model as data (`_models`, `_pieces`, `_steps`, `_properties`,
`_cells_forms` and the exact circuits they read) and the modules ``_check*``. In `_check_cells` floats decide where
bounds of their errors leave no doubt; everywhere else they choose at most which valid bound is taken. Whatever cannot
be read or proved is a `Fault`. What evidence proves for all x + δ in the ball and the box:

- ``pieces`` (`_check_heads`): F_c > F_k by multipliers, for classes that are each one ⊕_ε of affine functions;
- ``curvature`` (`_check_curvature`): the same from gradients at x and diameters; it needs no evidence;
- ``slopes`` (`_check_slopes`): margins exceed r times Lipschitz constants (`_check_enclosure`, `_check_derivatives`);
  for monotone properties (`_check_monotone`) derivatives keep their signs;
- ``cells`` (`_check_cells`): F_c > F_k in every linear piece that the ball meets, and no piece is left out;
- ``planes`` (`_check_planes`): F_c − F_k > 0 by planes at nonlinear nodes (`_check_nodes`, `_check_leaf`) on parts of
  the ball (`_check_part`).

Common to all: `_check_claim` (fields, margin, witness), `_check_fields` (what is read from evidence), `_check_reach`
(linear functions on the ball in the box), `_check_balls`, `_check_curves` and `_check_values` (Arb).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flint

from tropix.certify._certificate import Certificate, Verdict
from tropix.certify._check_cells import CellsClaim
from tropix.certify._check_claim import Claim
from tropix.certify._check_curvature import CurvatureClaim
from tropix.certify._check_fields import Fault
from tropix.certify._check_heads import PiecesClaim
from tropix.certify._check_monotone import MonotoneClaim
from tropix.certify._check_planes import PlanesClaim
from tropix.certify._check_slopes import SlopesClaim
from tropix.certify._models import Model, Subject
from tropix.errors import TropixError

PRECISIONS = (96, 400)
KINDS: dict[str, Callable[[Certificate, Subject], Claim]] = {
    "pieces": lambda certificate, subject: PiecesClaim(certificate, subject.classes),
    "curvature": lambda certificate, subject: CurvatureClaim(certificate, subject.classes),
    "slopes": lambda certificate, subject: (
        MonotoneClaim(certificate, subject.steps) if subject.is_monotone else SlopesClaim(certificate, subject.steps)
    ),
    "cells": lambda certificate, subject: CellsClaim(certificate, subject.circuit),
    "planes": lambda certificate, subject: PlanesClaim(certificate, subject.circuit),
}
"""What reads the evidence of each kind."""


def check(certificate: Certificate, model: Model) -> Verdict:
    """Whether a certificate is proved for a model, with the reason if it is not.

    All of it counts: the digests, margin, radius, upper bound with its witness, and the status. The claim is about the
    function over real numbers with the stored weights.
    """
    try:
        if certificate.digest != certificate.content_digest():
            raise Fault("the fields do not have the digest that is stored: something was changed")
        if certificate.property is not None and certificate.label != 0:
            # another label claims that one inequality of the property is violated
            raise Fault("a property holds where class 0, the function 0, is the largest")
        subject = Subject(model, certificate.property)
        if certificate.model != subject.digest:
            raise Fault("it is a certificate of another model")
        kind: Any = certificate.evidence["kind"]
        if kind not in KINDS:
            raise Fault(f"evidence of kind {kind!r}: expected one of {', '.join(KINDS)}")
        fault: Fault | None = None
        for precision in PRECISIONS:
            with flint.ctx.workprec(precision):
                try:
                    KINDS[kind](certificate, subject).run()
                    return Verdict(True)
                except Fault as found:
                    fault = found
        assert fault is not None
        raise fault
    except Fault as found:
        return Verdict(False, str(found))
    except TropixError as error:
        return Verdict(False, f"the model does not fit the evidence: {error}")
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError, MemoryError) as error:
        return Verdict(False, f"the evidence is malformed: {type(error).__name__}: {error}")

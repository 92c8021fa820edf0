"""Exact radii of piecewise-linear circuits, point by point, by the search of activation cells."""

from __future__ import annotations

from tropix.certify._attack import Witness
from tropix.certify._cells import nearest_boundary
from tropix.certify._engine import Answer, Request, labels_of, margins_of
from tropix.certify._models import Subject
from tropix.deadline import Deadline


class CellsEngine:
    """Answers of `nearest_boundary`."""

    def __init__(self, subject: Subject, request: Request) -> None:
        self.request, self.circuit = request, subject.circuit
        values = self.circuit(request.points)
        self.labels = labels_of(request, values)
        self.margins = margins_of(values, self.labels)

    def answer(self, i: int, deadline: Deadline) -> Answer:
        """The answer for one point; without a time limit as many cells as there are."""
        request = self.request
        found = nearest_boundary(
            self.circuit, request.points[i], int(self.labels[i]), request.norm, request.box, asked=request.asked,
            deadline=deadline,
        )  # fmt: skip
        witness = None if found.witness is None else Witness(found.witness, found.upper, -1)
        return Answer(found.radius, witness, "cells", {"kind": "cells", **found.evidence})

"""What a certificate says, and how it is written."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeAlias

from tropix.certify._norms import Norm
from tropix.errors import FormatError

Status: TypeAlias = Literal["robust", "falsified", "unknown"]
FORMAT = "tropix certificate 1"


def status_of(radius: float, upper: float, asked: float | None) -> Status:
    """What radius and upper bound say about the radius asked about, or about any at all."""
    if asked is None:
        return "robust" if radius > 0 else "falsified" if upper == 0 else "unknown"
    return "robust" if radius >= asked else "falsified" if upper <= asked else "unknown"


@dataclass(frozen=True)
class Verdict:
    """Whether a certificate is proved, and the reason if it is not. True in a condition if it is proved."""

    proved: bool
    reason: str | None = None

    def __bool__(self) -> bool:
        return self.proved


@dataclass(frozen=True)
class Certificate:
    """The label of one input stays the same in a ball of a radius, with the evidence.

    - ``radius``: at every x' in the box with ‖x' − x‖ ≤ radius the label's function exceeds all others. It holds for
      the function over real numbers with the stored weights, not for its execution in floats.
    - ``upper``: there is a point in the box at most this far at which it does not; ∞ if none was found.
    - ``status``: ``robust`` if radius ≥ ``asked``, ``falsified`` if upper ≤ ``asked``, else ``unknown``; without
      ``asked``, ``robust`` if the radius is > 0 and ``falsified`` if upper is 0.
    - ``margin``: the label's function minus the largest other one at x, in double precision.
    - ``property``: None for a label; else the claim in place of it, for which the label is 0 (see `certify_property`,
      `certify_regression`, `certify_monotone`).
    - ``evidence``: what `check` evaluates; ``model`` is the digest of the model, ``digest`` that of all fields.
    """

    model: str
    point: tuple[float, ...]
    label: int
    margin: float
    radius: float
    upper: float
    method: str
    status: Status
    evidence: dict[str, Any]
    seconds: float
    norm: Norm
    box: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    asked: float | None = None
    property: dict[str, Any] | None = None
    digest: str = field(default="")

    def __post_init__(self) -> None:
        if not self.digest:
            object.__setattr__(self, "digest", self.content_digest())

    @cached_property
    def gap(self) -> float:
        """How far the radius may be from the true one: upper − radius."""
        return self.upper - self.radius

    def _fields(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "model": self.model,
            "point": list(self.point),
            "label": self.label,
            "margin": self.margin,
            "norm": {"p": self.norm.p, "scale": None if self.norm.scale is None else list(self.norm.scale)},
            "box": None if self.box is None else [list(end) for end in self.box],
            "asked": self.asked,
            "property": self.property,
            "radius": self.radius,
            "upper": self.upper,
            "method": self.method,
            "status": self.status,
            "seconds": self.seconds,
            "evidence": self.evidence,
        }

    def content_digest(self) -> str:
        """SHA-256 of all fields in canonical JSON."""
        text = json.dumps(_written(self._fields()), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def to_json(self) -> str:
        """The certificate as JSON; floats are written so that they are read back exactly."""
        return json.dumps(_written({**self._fields(), "digest": self.digest}), indent=1)

    @classmethod
    def from_json(cls, text: str) -> Certificate:
        """Read a certificate. Raises `FormatError` where it is none; whether it is true is for `check` to say."""
        try:
            data = _read(json.loads(text, object_pairs_hook=_unique))
            if data["format"] != FORMAT:
                raise FormatError(f"format {_shown(data['format'])}: expected {FORMAT!r}")
            box = data["box"]
            found = cls(
                model=_of(str, data["model"]),
                point=_numbers(data["point"]),
                label=_of(int, data["label"]),
                margin=_number(data["margin"]),
                radius=_number(data["radius"]),
                upper=_number(data["upper"]),
                method=_of(str, data["method"]),
                status=_status(data["status"]),
                evidence=_of(dict, data["evidence"]),
                seconds=_number(data["seconds"]),
                norm=Norm(_number(data["norm"]["p"]), _optional(data["norm"]["scale"])),
                box=None if box is None else (_numbers(box[0]), _numbers(box[1])),
                asked=None if data["asked"] is None else _number(data["asked"]),
                property=None if data["property"] is None else _of(dict, data["property"]),
                digest=_of(str, data["digest"]),
            )
            if not data["digest"]:
                raise FormatError("the digest is missing")
            # what no field holds would be neither digested nor checked, yet read by people
            unknown = sorted(data.keys() - found._fields().keys() - {"digest"})
            if unknown:
                raise FormatError(f"unknown fields: {_shown(unknown)}")
            if data["norm"].keys() != {"p", "scale"} or (box is not None and len(box) != 2):
                raise FormatError("norm or box hold more than they should")
            return found
        except FormatError:
            raise
        except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError) as error:
            raise FormatError(f"no certificate: {_complaint(error)}") from None


def _complaint(error: Exception) -> str:
    """What is wrong with a text, for its reader: a missing field, or where JSON ends to be JSON."""
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON: {error}"
    if isinstance(error, KeyError):
        return f"the field {error} is missing"
    if isinstance(error, RecursionError):
        return "brackets are nested too deeply"
    if isinstance(error, TypeError | AttributeError | IndexError):
        return "it is not the JSON object that tropix certify writes"
    return f"{type(error).__name__}: {error}"


def _shown(value: Any) -> str:
    """A value in a message: its beginning."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; of two values of one name readers would take different ones."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise FormatError("a name occurs twice in an object")
    return found


def _of(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise FormatError(f"expected {kind.__name__}, found {_shown(value)}")
    return value


def _status(value: Any) -> Status:
    if value == "robust" or value == "falsified" or value == "unknown":
        found: Status = value
        return found
    raise FormatError(f"status {_shown(value)}: expected robust, falsified or unknown")


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise FormatError(f"expected a number, found {_shown(value)}")
    return float(value)


def _numbers(values: Any) -> tuple[float, ...]:
    return tuple(_number(value) for value in values)


def _optional(values: Any) -> tuple[float, ...] | None:
    return None if values is None else _numbers(values)


def _written(value: Any) -> Any:
    """JSON has no infinities: they are written as text."""
    if isinstance(value, float) and math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if isinstance(value, dict):
        return {key: _written(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_written(item) for item in value]
    return value


def _read(value: Any) -> Any:
    if value == "inf" or value == "-inf":
        return float(value)
    if isinstance(value, dict):
        return {key: _read(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_read(item) for item in value]
    return value

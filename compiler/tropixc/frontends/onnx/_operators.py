"""The table of operators: importing this module registers every rule."""

from tropixc.frontends.onnx import _arithmetic, _linear, _maxima, _shapes
from tropixc.frontends.onnx._call import RULES

__all__ = ["RULES", "SUPPORTED_OPERATORS"]

SUPPORTED_OPERATORS: tuple[str, ...] = tuple(sorted({*RULES, "Constant"}))
_MODULES = (_arithmetic, _linear, _maxima, _shapes)

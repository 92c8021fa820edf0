"""Lowerings: circuits become engine objects, and engine objects become text and files."""

from tropixc.lowerings._artefact import Artefact as Artefact
from tropixc.lowerings._artefact import read_artefact as read_artefact
from tropixc.lowerings._artefact import write_artefact as write_artefact
from tropixc.lowerings._circuit_parser import circuit_from_text as circuit_from_text
from tropixc.lowerings._circuit_parser import read_circuit as read_circuit
from tropixc.lowerings._circuit_text import circuit_to_text as circuit_to_text
from tropixc.lowerings._expression import Expression as Expression
from tropixc.lowerings._expression import to_expression as to_expression
from tropixc.lowerings._files import write_all as write_all
from tropixc.lowerings._functions import Kind as Kind
from tropixc.lowerings._functions import Lowering as Lowering
from tropixc.lowerings._functions import TropicalFunction as TropicalFunction
from tropixc.lowerings._functions import function_of as function_of
from tropixc.lowerings._functions import lower_outputs as lower_outputs
from tropixc.lowerings._numpy import to_numpy_source as to_numpy_source
from tropixc.lowerings._onnx import to_onnx as to_onnx
from tropixc.lowerings._onnx import write_onnx as write_onnx
from tropixc.lowerings._polynomial import PolynomialLowering as PolynomialLowering
from tropixc.lowerings._polynomial import lower_to_polynomial as lower_to_polynomial
from tropixc.lowerings._rational import RationalLowering as RationalLowering
from tropixc.lowerings._rational import lower_all_to_rational as lower_all_to_rational
from tropixc.lowerings._rational import lower_to_rational as lower_to_rational
from tropixc.lowerings._sympy import to_sympy as to_sympy
from tropixc.lowerings._text import to_latex as to_latex
from tropixc.lowerings._text import to_text as to_text

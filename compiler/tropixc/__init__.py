"""tropixc: the compiler from trained models to the objects of tropix.

>>> import tropixc
>>> circuit = tropixc.from_arrays([([[1.0], [-1.0]], [0.0, 0.0], ("lse", 0.1, 2))])
>>> tropixc.compile(circuit).exponents.ravel()
array([ 1., -1.])
"""

from tropixc.api import compile as compile
from tropixc.api import load as load
from tropixc.frontends import from_arrays as from_arrays
from tropixc.frontends import from_sklearn as from_sklearn
from tropixc.frontends import from_torch as from_torch
from tropixc.frontends import read_arrays as read_arrays
from tropixc.lowerings import Artefact as Artefact
from tropixc.lowerings import circuit_from_text as circuit_from_text
from tropixc.lowerings import circuit_to_text as circuit_to_text
from tropixc.lowerings import read_artefact as read_artefact
from tropixc.lowerings import to_expression as to_expression
from tropixc.lowerings import to_latex as to_latex
from tropixc.lowerings import to_numpy_source as to_numpy_source
from tropixc.lowerings import to_onnx as to_onnx
from tropixc.lowerings import to_sympy as to_sympy
from tropixc.lowerings import to_text as to_text
from tropixc.lowerings import write_artefact as write_artefact
from tropixc.lowerings import write_onnx as write_onnx
from tropixc.passes import explain as explain
from tropixc.passes import optimize as optimize

"""ONNX → circuit. Model files are untrusted: sizes are checked before anything is allocated."""

from tropixc.frontends.onnx._importer import ImportedModel as ImportedModel
from tropixc.frontends.onnx._importer import import_bytes as import_bytes
from tropixc.frontends.onnx._importer import import_onnx as import_onnx
from tropixc.frontends.onnx._operators import SUPPORTED_OPERATORS as SUPPORTED_OPERATORS
from tropixc.frontends.onnx._operators import operator_summaries as operator_summaries
from tropixc.frontends.onnx._operators import operator_table as operator_table

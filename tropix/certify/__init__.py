"""Robustness: certified radii with evidence that a small checker evaluates anew, and attacks from the other side."""

from tropix.certify._attacks import AttackResult as AttackResult
from tropix.certify._attacks import attack as attack
from tropix.certify._certificate import Certificate as Certificate
from tropix.certify._certificate import Verdict as Verdict
from tropix.certify._certificate import status_of as status_of
from tropix.certify._certify import certify as certify
from tropix.certify._certify import certify_all as certify_all
from tropix.certify._certify import certify_each as certify_each
from tropix.certify._certify_monotone import certify_monotone as certify_monotone
from tropix.certify._certify_properties import certify_property as certify_property
from tropix.certify._certify_properties import certify_property_all as certify_property_all
from tropix.certify._certify_properties import certify_regression as certify_regression
from tropix.certify._certify_properties import certify_regression_all as certify_regression_all
from tropix.certify._check import check as check
from tropix.certify._norms import Norm as Norm
from tropix.certify._plot import plot_summary as plot_summary
from tropix.certify._schema import certificate_schema as certificate_schema
from tropix.certify._summary import Summary as Summary
from tropix.certify._summary import summarise as summarise
from tropix.certify._vnnlib_query import QueryResult as QueryResult
from tropix.certify._vnnlib_query import verify_query as verify_query
from tropix.certify._vnnlib_verify import PropertyResult as PropertyResult
from tropix.certify._vnnlib_verify import verify_property as verify_property

"""Robustness certificates and properties of circuits: bounds that prove, attacks that refute."""

"""The command line: the only place that prints."""

from tropixc.cli._main import main as main

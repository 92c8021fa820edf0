"""The command ``tropix``: its sub-commands, and how errors end."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from tropix.errors import TropixError
from tropixc.cli._attack import attack_command
from tropixc.cli._boundary import boundary_command
from tropixc.cli._certify import certify_command
from tropixc.cli._check import check_command
from tropixc.cli._compile import compile_command
from tropixc.cli._conjugate import conjugate_command
from tropixc.cli._eval import eval_command
from tropixc.cli._export import export_command
from tropixc.cli._info import info_command
from tropixc.cli._operators import operators_command
from tropixc.cli._regions import regions_command
from tropixc.cli._shared import INTERRUPTED
from tropixc.cli._verify import verify_command
from tropixc.cli._verify_query import verify_query_command

app = typer.Typer(
    name="tropix",
    help="Compile log-sum-exp, ReLU and max-affine networks into exact tropical polynomials.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("info")(info_command)
app.command("compile")(compile_command)
app.command("eval")(eval_command)
app.command("operators")(operators_command)
app.command("export")(export_command)
app.command("regions")(regions_command)
app.command("boundary")(boundary_command)
app.command("check")(check_command)
app.command("conjugate")(conjugate_command)
app.command("certify")(certify_command)
app.command("verify")(verify_command)
app.command("attack")(attack_command)
app.command("verify-query")(verify_query_command)


def _version(show: bool) -> None:
    if show:
        import tropix

        typer.echo(f"tropix {tropix.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Exit status: 0 done or proved, 1 a check failed or a property is violated, 2 wrong usage or input, 3 unknown or
    timeout, 130 interrupted.
    """


def main() -> None:
    """Run the command line; an error of tropix becomes one message on stderr and exit status 2."""
    try:
        app()
    except TropixError as error:
        print(f"tropix: error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("tropix: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)

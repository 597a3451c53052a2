"""The command group, loaded lazily, and the one place that turns errors into exit codes.

Exit codes: 0 fine, 1 findings in the content, 2 wrong usage, 3 refused, 4 partner unreachable.
"""

import importlib
import sys
from typing import Any

import click

from fhirbridge import __version__
from fhirbridge.errors import BridgeError, Forbidden, Misconfigured, PartnerUnreachable

# command -> module in fhirbridge.cli that defines `command`
COMMANDS = {
    "convert": "convert",
    "db": "db",
    "demo": "demo",
    "explain": "explain",
    "mappings": "mappings",
    "outbox": "outbox",
    "partner": "partner",
    "plan": "plan",
    "remap": "remap",
    "sandbox": "sandbox",
    "send": "send",
    "serve": "serve",
    "validate": "validate",
    "work": "work",
}


class LazyGroup(click.Group):
    """Imports a command's module only when it is used: `fhirbridge --help` stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        command = importlib.import_module(f"fhirbridge.cli.{module}").command
        assert isinstance(command, click.Command)  # noqa: S101
        return command


@click.group(cls=LazyGroup)
@click.version_option(__version__, prog_name="fhirbridge")
def main() -> None:
    """Carry discharge plans between treatment providers and EHRs over FHIR R4."""


def exit_code_of(error: BridgeError) -> int:
    """The exit code that a refused contract becomes."""
    if isinstance(error, PartnerUnreachable):
        return 4
    if isinstance(error, Forbidden):
        return 3
    if isinstance(error, Misconfigured):
        return 2
    return 1


def run(arguments: list[str] | None = None) -> Any:
    """Entry point of the console script."""
    try:
        code = main.main(args=arguments, prog_name="fhirbridge", standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except BridgeError as error:
        for issue in error.issues:
            place = f"{', '.join(issue.expression)}: " if issue.expression else ""
            click.echo(f"{issue.severity}: {place}{issue.diagnostics}", err=True)
        sys.exit(exit_code_of(error))
    sys.exit(code if isinstance(code, int) else 0)

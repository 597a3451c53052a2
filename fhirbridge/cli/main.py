"""The command group, loaded lazily, and the one place that turns errors into exit codes.

Exit codes: 0 fine, 1 findings in the content, 2 wrong usage, settings, or a name that is not known,
3 refused, 4 partner or database unreachable.
"""

import importlib
import sys
from typing import Any

import click

from fhirbridge import __version__
from fhirbridge.cli.output import print_issues
from fhirbridge.errors import (
    BridgeError,
    Forbidden,
    Misconfigured,
    NotFound,
    PartnerUnreachable,
    Unavailable,
)

# Each command is `command` in the module of its name. What it does stands here too, so that
# `fhirbridge --help` imports none of them.
COMMANDS = {
    "audit": "Check the audit; account for disclosures, emergencies, a breach.",
    "client": "Register systems that call us, list and revoke them.",
    "consent": "List consents and explain what they permit; attest, end and revoke them.",
    "convert": "Convert documents to FHIR R4 transaction Bundles, or Bundles back.",
    "db": "Create, upgrade and repair the database.",
    "demo": "Send a discharge plan from a provider's bridge to a flaky EHR and back, offline.",
    "explain": "Say why each FHIR element is there, and what was not mapped.",
    "handoff": "Look at handoffs and referrals, and answer them.",
    "mappings": "Look at the mapping packs.",
    "outbox": "Look at what was sent, what waits and what failed.",
    "partner": "Register partners, see what they can do and what they would lose.",
    "patient": "Link patients of our documents with patients that came from outside.",
    "plan": "Begin plans.",
    "pull": "Fetch a patient's plans and referrals from PARTNER; store and print documents.",
    "remap": "Convert stored documents again that another mapping pack made.",
    "sandbox": "Try out FHIR servers with data of nobody.",
    "send": "Hand a document over to PARTNER: a file, or a stored one by its record id.",
    "serve": "Serve the FHIR API and deliver handoffs until stopped.",
    "validate": "Validate FHIR R4 resources, and documents.",
    "work": "Deliver what is queued and look at the partners' Tasks, until stopped.",
}


class LazyGroup(click.Group):
    """Imports a command's module only when it is used: `fhirbridge --help` stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"fhirbridge.cli.{cmd_name}").command
        assert isinstance(command, click.Command)  # noqa: S101
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


@click.group(cls=LazyGroup)
@click.version_option(__version__, prog_name="fhirbridge")
def main() -> None:
    """Carry discharge plans between treatment providers and EHRs over FHIR R4."""


def exit_code_of(error: BridgeError) -> int:
    """The exit code that a refused contract becomes."""
    if isinstance(error, PartnerUnreachable | Unavailable):
        return 4
    if isinstance(error, Forbidden):
        return 3
    if isinstance(error, Misconfigured | NotFound):
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
        print_issues(error.issues)
        sys.exit(exit_code_of(error))
    sys.exit(code if isinstance(code, int) else 0)

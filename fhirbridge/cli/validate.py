"""`fhirbridge validate FILE…`: check FHIR resources (and documents) and say everything found."""

import sys
from pathlib import Path

import click

from fhirbridge.cli import output
from fhirbridge.cli.convert import FILES
from fhirbridge.errors import InvalidContent, Issue, TooLarge
from fhirbridge.fhir import outcome
from fhirbridge.fhir.validation import check
from fhirbridge.fhir.validation.profiles import US_CORE, check_profile, known_profiles
from fhirbridge.native import documents


@click.command("validate")
@FILES
@click.option(
    "--profile",
    type=click.Choice(sorted(url.rpartition("/")[2] for url in known_profiles())),
    help="Also hold it against this US Core profile, in all versions 6.1.0 to 9.0.0.",
)
@click.option("--json", "as_json", is_flag=True, help="An OperationOutcome a file.")
def command(files: tuple[Path, ...], profile: str | None, as_json: bool) -> int:
    """Validate FHIR R4 resources, and documents.

    Resources by the official definitions, documents by their schemas. The findings are the data:
    they go to stdout.
    """
    worst = 0
    outcomes = []
    for file in files:
        issues = _findings(file, profile)
        worst = max(worst, int(any(issue.is_error for issue in issues)))
        if as_json:
            outcomes.append(outcome.to_outcome(issues))
            continue
        output.print_issues(issues, stream=sys.stdout)
        errors = sum(issue.is_error for issue in issues)
        others = output.number(len(issues) - errors, "other finding")
        click.echo(f"{file}: {output.number(errors, 'error')}, {others}.", err=True)
    if as_json:
        output.print_json(outcomes[0] if len(outcomes) == 1 else outcomes)
    return worst


def _findings(file: Path, profile: str | None) -> list[Issue]:
    try:
        data = output.read_json(file)
        if "resourceType" in data:
            asked = check_profile(data, US_CORE + profile, is_sound=False) if profile else []
            return [*check(data), *asked]
        if "schema" in data:
            return list(documents.load(documents.kind_of(data), data).issues)
    except (InvalidContent, TooLarge) as error:
        return list(error.issues)
    text = "This is neither a FHIR resource, which has resourceType, nor a document, with schema."
    return [Issue("structure", text, "fatal")]

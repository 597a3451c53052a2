"""`fhirbridge convert FILE… [--reverse]`: document -> FHIR Bundle, or Bundle -> document."""

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import click

from fhirbridge import config
from fhirbridge.cli import output
from fhirbridge.conversion.identity import DEMO_NAMESPACE, Identity
from fhirbridge.conversion.mappings import Mappings, compiled
from fhirbridge.conversion.own_codes import own_codes
from fhirbridge.conversion.to_fhir import to_fhir
from fhirbridge.conversion.to_native import to_native
from fhirbridge.errors import InvalidContent, Issue, TooLarge
from fhirbridge.fhir.validation import check
from fhirbridge.jsontypes import Json, JsonObject
from fhirbridge.native import documents

FILES = click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))


@click.command("convert")
@FILES
@click.option("--reverse", is_flag=True, help="Bundle -> document.")
@click.option(
    "--to",
    "kind",
    type=click.Choice(documents.KINDS),
    help="The document that --reverse makes; found out when left out.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Write here instead of stdout.")
@click.option(
    "--namespace",
    type=click.UUID,
    default=DEMO_NAMESPACE,
    help="UUID under which ids are made; a fixed demo one by default.",
)
@click.option("--json", "as_json", is_flag=True, help="Result and findings in one JSON object.")
def command(
    files: tuple[Path, ...],
    reverse: bool,
    kind: documents.Kind | None,
    out: Path | None,
    namespace: UUID,
    as_json: bool,
) -> int:
    """Convert documents to FHIR R4 transaction Bundles, or Bundles back. No database is touched."""
    settings = config.load()
    mappings = compiled(settings.base, settings.mappings)
    made: list[_Made] = []
    for file in files:
        try:
            data = output.read_json(file)
            made.append(
                _backward(data, kind, mappings)
                if reverse
                else _forward(data, mappings, Identity(namespace), settings.uscore_version)
            )
        except (InvalidContent, TooLarge) as error:
            made.append(_Made(None, error.issues))
    refused = any(one.result is None for one in made)
    if as_json:
        results = [one.to_json() for one in made]
    else:
        results = [one.result for one in made]
        for file, one in zip(files, made, strict=True):
            output.print_issues(one.issues, source=file if len(files) > 1 else None)
    if as_json or not refused:  # nothing is written when a file is refused
        output.print_json(results[0] if len(results) == 1 else results, None if refused else out)
    return 1 if any(issue.is_error for one in made for issue in one.issues) else 0


@dataclass(frozen=True, slots=True)
class _Made:
    """What one file became, None where it was refused, and everything found."""

    result: JsonObject | None
    issues: tuple[Issue, ...]

    def to_json(self) -> Json:
        return {"result": self.result, "issues": [issue.to_json() for issue in self.issues]}


def _forward(
    data: JsonObject, mappings: Mappings, identity: Identity, uscore_version: str
) -> _Made:
    if "resourceType" in data and "schema" not in data:
        text = "This is a FHIR resource, not a document; --reverse reads it."
        raise InvalidContent(Issue("structure", text))
    document = documents.load(documents.kind_of(data), data)
    made = to_fhir(document, mappings[document.kind], identity, uscore_version=uscore_version)
    faults = check(made.bundle, ours=True, own_codes=own_codes(mappings))
    return _Made(made.bundle, (*document.issues, *made.issues, *faults))


def _backward(data: JsonObject, kind: documents.Kind | None, mappings: Mappings) -> _Made:
    if "schema" in data and "resourceType" not in data:
        text = "This is a document, not a FHIR resource; leave out --reverse."
        raise InvalidContent(Issue("structure", text))
    faults = [issue for issue in check(data) if issue.is_error]
    if faults:
        raise InvalidContent.of(faults)
    chosen = kind or _kind(data, mappings)
    made = to_native(data, mappings[chosen])
    return _Made({"schema": documents.schema_of(chosen), **made.document}, made.issues)


def _kind(data: JsonObject, mappings: Mappings) -> documents.Kind:
    """The document whose mapping leaves the least behind."""
    tried = {kind: to_native(data, mapping) for kind, mapping in mappings.items()}
    return min(tried, key=lambda kind: len(tried[kind].issues))

"""`fhirbridge convert FILE… [--reverse]`: document -> FHIR Bundle, or Bundle -> document."""

from pathlib import Path
from uuid import UUID

import click

from fhirbridge import config
from fhirbridge.cli import output
from fhirbridge.conversion.identity import DEMO_NAMESPACE, Identity
from fhirbridge.conversion.mappings import Mappings, load_mappings
from fhirbridge.conversion.own_codes import own_codes
from fhirbridge.conversion.to_fhir import to_fhir
from fhirbridge.conversion.to_native import to_native
from fhirbridge.errors import InvalidContent, Issue
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
    kind: str | None,
    out: Path | None,
    namespace: UUID,
    as_json: bool,
) -> int:
    """Convert documents to FHIR R4 transaction Bundles, or Bundles back. No database is touched."""
    settings = config.load()
    mappings = load_mappings(base=settings.base, site=settings.mappings)
    results: list[Json] = []
    findings: list[Issue] = []
    for file in files:
        data = output.read_json(file)
        if reverse:
            result, issues = _backward(data, kind, mappings)
        else:
            result, issues = _forward(data, mappings, Identity(namespace), settings.uscore_version)
        results.append(
            {"result": result, "issues": [i.to_json() for i in issues]} if as_json else result
        )
        findings.extend(issues)
    if not as_json:
        output.print_issues(findings)
    output.print_json(results[0] if len(results) == 1 else results, out)
    return 1 if any(issue.is_error for issue in findings) else 0


def _forward(
    data: JsonObject, mappings: Mappings, identity: Identity, uscore_version: str
) -> tuple[JsonObject, list[Issue]]:
    document = documents.load(documents.kind_of(data), data)
    made = to_fhir(document, mappings[document.kind], identity, uscore_version=uscore_version)
    faults = check(made.bundle, ours=True, own_codes=own_codes(mappings))
    return made.bundle, [*document.issues, *made.issues, *faults]


def _backward(
    data: JsonObject, kind: str | None, mappings: Mappings
) -> tuple[JsonObject, list[Issue]]:
    faults = [issue for issue in check(data) if issue.is_error]
    if faults:
        raise InvalidContent.of(faults)
    chosen = (
        _kind(data, mappings)
        if kind is None
        else next(known for known in documents.KINDS if known == kind)
    )
    made = to_native(data, mappings[chosen])
    return {"schema": documents.schema_of(chosen), **made.document}, list(made.issues)


def _kind(data: JsonObject, mappings: Mappings) -> documents.Kind:
    """The document whose mapping leaves the least behind."""
    tried = {kind: to_native(data, mapping) for kind, mapping in mappings.items()}
    return min(tried, key=lambda kind: len(tried[kind].issues))

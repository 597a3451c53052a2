"""What a trial sends: a synthetic document with a Task, tagged, and new for each trial."""

from datetime import datetime
from uuid import UUID

from fhirbridge.conversion.identity import Identity
from fhirbridge.conversion.mappings import Mappings
from fhirbridge.conversion.packet import Outgoing, Package, handoff_id, pack
from fhirbridge.conversion.to_fhir import to_fhir
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.native import documents

TEST_DATA = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason",
    "code": "HTEST",
    "display": "test health data",
}


def trial_package(
    document: JsonObject, mappings: Mappings, *, trial: UUID, base: str, now: datetime
) -> Package:
    """Convert and tag a document. `trial` makes ids and identifiers new, so that nothing that is
    on the server already is ever matched or touched.

    Raises InvalidDocument if the document is not accepted.
    """
    kind = documents.kind_of(document)
    loaded = documents.load(kind, {**document, "sourceSystem": marker_of(trial)})
    made = to_fhir(loaded, mappings[kind], Identity(trial))
    data = loaded.data
    outgoing = Outgoing(kind, data["sourceSystem"], data["recordId"], data["version"], made.bundle)
    package = pack(
        outgoing,
        handoff=handoff_id(trial, outgoing, "sandbox"),
        namespace=trial,
        base=base,
        partner="sandbox",
        profile="base",
        held=(),
        now=now,
    )
    for entry in package.bundle["entry"]:
        _tag(entry["resource"], base)
    return package


def marker_of(trial: UUID) -> str:
    """The source system of a trial, which is part of the identifiers that belong to it alone."""
    return f"sandbox-{trial.hex[:12]}"


def _tag(resource: Resource, base: str) -> None:
    """Say that it is test data. Source: R4 security-labels.html (HTEST)."""
    meta = resource.setdefault("meta", {})
    meta["security"] = [*meta.get("security", []), TEST_DATA]
    meta["tag"] = [*meta.get("tag", []), {"system": f"{base}/CodeSystem/tag", "code": "sandbox"}]

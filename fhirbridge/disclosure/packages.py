"""`authorise`: what of a Bundle may go to its receiver, and the notice that goes with it.

It is asked when something is sent, not when it was enqueued: a consent may have ended meanwhile.
Source: 42 CFR 2.31 to 2.33; design.md sections 9 and 10
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fhirbridge.consent.classes import (
    CONSENT,
    COUNSELING_NOTES,
    DIRECTORY,
    both,
    stored_class,
)
from fhirbridge.consent.decision import Permit, Redisclosure, Withhold
from fhirbridge.consent.labels import labels_of, merged, redacted
from fhirbridge.consent.reasons import Reason, reason
from fhirbridge.consent.redaction import redact, removed_elements
from fhirbridge.consent.stripping import View
from fhirbridge.disclosure.allowance import Allowance, of_resource, question
from fhirbridge.disclosure.gate import MARKS_WITHOUT_HIPAA, PERSIST, Gate
from fhirbridge.disclosure.manifest import words
from fhirbridge.fhir import bundles, references
from fhirbridge.fhir.narrative import narrate
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.storage import resources
from fhirbridge.storage.keys import key_of
from fhirbridge.storage.session import Session


@dataclass(frozen=True, slots=True)
class Authorised:
    """What may be sent. `withheld` counts entries that stay, by resource type."""

    bundle: Resource
    patient: str
    consents: tuple[str, ...]
    redisclosure: Redisclosure
    withheld: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Nothing may be sent, and why."""

    patient: str
    reasons: tuple[Reason, ...]


def authorise(session: Session, gate: Gate, bundle: Resource) -> Authorised | Refusal:
    """Decide about a Bundle for one patient, whose entries have `urn:uuid:` of their ids.

    Without a permit for the patient's identity nothing goes: a receiver must know whom it is about.
    """
    patient = next(iter(bundles.resources_of(bundle, "Patient")), {})
    reference = f"Patient/{patient.get('id', '')}"
    patient_key = key_of(reference)
    if not patient:
        return Refusal("", (reason("no-consent"),))
    entries = [each for each in bundle.get("entry", ()) if isinstance(each.get("resource"), dict)]
    permitted = _Permitted(session, gate, patient_key, entries)
    allowance = permitted.decide(patient)
    decision = allowance.decisions["identity"]
    if isinstance(decision, Withhold):
        return Refusal(reference, decision.reasons)
    kept = _reduced(entries, permitted, str(patient["id"]))
    urls = {entry.get("fullUrl") for entry in kept}
    withheld: dict[str, int] = {}
    for entry in entries:
        if entry.get("fullUrl") not in urls:
            name = str(entry["resource"]["resourceType"])
            withheld[name] = withheld.get(name, 0) + 1
    notice = _notice(gate, allowance, decision)
    if stays := words(gate.place.policy.manifest, withheld):
        notice = f"{notice} Withheld: {stays}"
    if gate.place.policy.manifest != "nothing":
        kept = _marked(entries, kept)
    allowances = [permitted.of_entry(entry) for entry in kept]
    made = [
        {
            **entry,
            "resource": _finished(
                entry["resource"], gate, each, notice, of_class=permitted.class_of(entry)
            ),
        }
        for entry, each in zip(kept, allowances, strict=True)
    ]
    return Authorised(
        {**bundle, "entry": made},
        reference,
        tuple(sorted(frozenset().union(*(each.permitting for each in allowances)))),
        allowance.redisclosure("identity"),
        withheld,
    )


class _Permitted:
    """Which entries of the Bundle may go, by what is decided about the patient."""

    def __init__(
        self, session: Session, gate: Gate, patient_key: int, entries: list[JsonObject]
    ) -> None:
        self._allowance = gate.allowance(session, patient_key)
        self._place = gate.place
        self._known = gate.known(session, patient_key)
        self._asked = question(gate.caller, gate.recipient, self._known, gate.place.now)
        self._named = {
            str(entry.get("fullUrl")): f"{entry['resource']['resourceType']}/{resource_id}"
            for entry in entries
            if (resource_id := entry["resource"].get("id"))
        }
        self._by_url = {
            str(entry.get("fullUrl")): self.decide(entry["resource"]) for entry in entries
        }
        self._classes = {
            str(entry.get("fullUrl")): _class_of(session, gate, entry["resource"])
            for entry in entries
        }

    def decide(self, resource: Resource) -> Allowance:
        """What may go of a resource."""
        if not self._allowance.by_resource:
            return self._allowance
        return of_resource(
            self._known,
            self._asked,
            self._place.policy,
            resource,
            bases=self._place.bases,
            named=self._named,
        )

    def of_entry(self, entry: JsonObject) -> Allowance:
        """What may go of an entry, by what it was before anything was taken out."""
        return self._by_url[str(entry.get("fullUrl"))]

    def class_of(self, entry: JsonObject) -> str:
        """The class of an entry, as it is stored."""
        return self._classes[str(entry.get("fullUrl"))]

    def __call__(self, entry: JsonObject) -> bool:
        of_class = self.class_of(entry)
        if of_class == DIRECTORY:
            return True
        return self.of_entry(entry).permits(of_class, f"Consent/{entry['resource'].get('id')}")


def _class_of(session: Session, gate: Gate, resource: Resource) -> str:
    """The class of a resource, or the stricter one under which it is stored."""
    found = stored_class(resource)
    resource_type, resource_id = str(resource["resourceType"]), str(resource.get("id") or "")
    version = resources.read(session, gate.place.custodian_id, resource_type, resource_id)
    if version is None or version.deleted or found in (CONSENT, COUNSELING_NOTES):
        return found
    if found == DIRECTORY:
        return version.content_class if version.patient_key else found
    if version.content_class == COUNSELING_NOTES:
        return COUNSELING_NOTES
    return both(found, version.content_class)


def _reduced(entries: list[JsonObject], permitted: _Permitted, patient_id: str) -> list[JsonObject]:
    """The entries that may go, each without what refers to the others; until nothing changes."""
    kept = [entry for entry in entries if permitted(entry)]
    while True:
        urls = {entry.get("fullUrl") for entry in kept}
        hidden = frozenset(
            str(entry.get("fullUrl")) for entry in entries if entry.get("fullUrl") not in urls
        )
        reduced = []
        for entry in kept:
            resource = entry["resource"]
            view = View(
                classes=permitted.of_entry(entry).classes,
                sees=lambda _: True,
                patients=frozenset({f"Patient/{patient_id}"}),
                hidden=hidden,
                has_exceptions=permitted.of_entry(entry).by_resource,
            )
            smaller = redact(resource, view, of_class=permitted.class_of(entry))
            if smaller is not None:
                reduced.append({**entry, "resource": smaller})
        if len(reduced) == len(kept):
            return _needed(entries, reduced)
        kept = reduced


def _needed(before: list[JsonObject], kept: list[JsonObject]) -> list[JsonObject]:
    """Without entries of directories that only what stays referred to: they would tell of it."""
    named = {url for entry in before for url in _names(entry)}
    by_url = {str(entry.get("fullUrl")): entry for entry in kept}
    waiting = [
        url
        for url, entry in by_url.items()
        if url not in named or stored_class(entry["resource"]) != DIRECTORY
    ]
    found: set[str] = set()
    while waiting:
        url = waiting.pop()
        if url in by_url and url not in found:
            found.add(url)
            waiting += _names(by_url[url])
    return [entry for entry in kept if str(entry.get("fullUrl")) in found]


def _names(entry: JsonObject) -> list[str]:
    """The addresses to which an entry refers."""
    found = references.walk(entry["resource"])
    return [str(each.reference.get("reference")) for each in found]


def _marked(before: list[JsonObject], kept: list[JsonObject]) -> list[JsonObject]:
    """The entries, those labelled of which elements stay."""
    whole = {entry.get("fullUrl"): entry["resource"] for entry in before}
    return [
        {**entry, "resource": redacted(entry["resource"])}
        if removed_elements(whole[entry.get("fullUrl")], entry["resource"])
        else entry
        for entry in kept
    ]


def _finished(
    resource: Resource, gate: Gate, allowance: Allowance, notice: str, *, of_class: str
) -> Resource:
    if of_class == DIRECTORY:
        return resource
    free = allowance.redisclosure(of_class) == "hipaa"
    marks = (PERSIST,) if free else (PERSIST, *MARKS_WITHOUT_HIPAA)
    if resource["resourceType"] == "Task":
        resource = {**resource, "note": [*resource.get("note", ()), {"text": notice}]}
        if "text" in resource:
            resource = {**resource, "text": narrate(resource)}
    labels = labels_of(resource, is_part2=gate.place.policy.is_part2, of_class=of_class)
    return merged(resource, labels, more=marks)


def _notice(gate: Gate, allowance: Allowance, decision: Permit) -> str:
    """Both statements and the scope of the consent, for the Task that every receiver reads.

    Source: 42 CFR 2.32(a) and (b)
    """
    notice = gate.place.policy.notice
    return f"{notice.short} {notice.long} {scope_words(gate, allowance.classes, decision.consents)}"


def scope_words(gate: Gate, classes: Iterable[str], consents: Iterable[str]) -> str:
    """The scope of a disclosure in a sentence. Source: 42 CFR 2.32(b)"""
    named = ", ".join(sorted(consents)) or "an exception"
    return (
        f"Disclosed to {gate.recipient.name} for {gate.caller.purpose} under {named};"
        f" information: {', '.join(sorted(classes))}."
    )

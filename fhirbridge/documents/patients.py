"""Patients from outside who may be patients of our documents.

Nobody is merged by machine. An equal identifier (system and value) links two records; anything else
is a candidate that a person confirms. A link is Patient.link on both sides and can be taken back;
what a person decided is never proposed again. Source: design.md section 5; R4 patient.html#links
"""

from collections.abc import Iterator

from fhirbridge.bridge import Bridge
from fhirbridge.documents.stored import circumstances_of
from fhirbridge.errors import InvalidContent, Issue, NotFound
from fhirbridge.fhir import wire
from fhirbridge.jsontypes import Json, Resource
from fhirbridge.search import query
from fhirbridge.search.context import SearchContext
from fhirbridge.search.escapes import escape
from fhirbridge.storage import document_resources, patient_links, resources, search
from fhirbridge.storage.patient_links import PatientLink
from fhirbridge.storage.session import Session
from fhirbridge.storage.versions import ResourceVersion

MACHINE = "equal identifier"
_PAGE = 200


def look(bridge: Bridge) -> list[PatientLink]:
    """Compare the patients from outside with those of our documents, and note what is new.

    Returns every pair that is known, candidates first.
    """
    found = list(_matches(bridge))
    with bridge.database.transaction() as session:
        custodian_id = bridge.custodian.id
        for patient_id, other_id, reason in found:
            if patient_links.get(session, custodian_id, patient_id, other_id) is not None:
                continue
            if reason == MACHINE:
                _write(bridge, session, patient_id, other_id, linked=True)
            state: patient_links.LinkState = "linked" if reason == MACHINE else "candidate"
            new = PatientLink(patient_id, other_id, state, reason, "", bridge.now())
            patient_links.put(session, custodian_id, new)
        return patient_links.all_of(session, custodian_id)


def link(bridge: Bridge, one: str, other: str, *, by: str) -> PatientLink:
    """Say that two patients are the same person. `by` is who says so.

    Raises NotFound for a patient that does not exist, InvalidContent for one and the same.
    """
    return _decide(bridge, one, other, state="linked", by=by)


def unlink(bridge: Bridge, one: str, other: str, *, by: str) -> PatientLink:
    """Say that two patients are not the same person; a link between them is removed."""
    return _decide(bridge, one, other, state="separate", by=by)


def named(bridge: Bridge, text: str) -> str:
    """The id of a patient by id, `Patient/id`, or identifier: `system|value`, or the value alone.

    Raises NotFound, and InvalidContent for an identifier that several patients have.
    """
    patient_id = text.removeprefix("Patient/")
    system, bar, value = text.rpartition("|")
    with bridge.database.read() as session:
        stored = resources.read(session, bridge.custodian.id, "Patient", patient_id)
        if stored is not None and not stored.deleted:
            return patient_id
        asked = [("identifier", f"{escape(system)}{bar}{escape(value)}")]
        found = (
            [version.resource_id for version in _search(bridge, session, asked)] if value else []
        )
    if not found:
        raise NotFound(Issue("not-found", "No patient with this id or identifier is stored."))
    if len(found) > 1:
        words = "Several patients have this identifier; say SYSTEM|VALUE, or the id of one of them."
        raise InvalidContent(Issue("value", words))
    return found[0]


def _decide(
    bridge: Bridge, one: str, other: str, *, state: patient_links.LinkState, by: str
) -> PatientLink:
    if one == other:
        raise InvalidContent(Issue("business-rule", "These are one and the same Patient."))
    custodian_id = bridge.custodian.id
    with bridge.database.transaction() as session:
        known = patient_links.get(session, custodian_id, one, other)
        if known is None:
            if document_resources.is_made(session, custodian_id, f"Patient/{other}"):
                one, other = other, one
            known = PatientLink(one, other, state, "said by a person", by, bridge.now())
        decided = PatientLink(
            known.patient_id, known.other_id, state, known.reason, by, bridge.now()
        )
        _write(bridge, session, decided.patient_id, decided.other_id, linked=state == "linked")
        patient_links.put(session, custodian_id, decided)
    return decided


def _write(bridge: Bridge, session: Session, one: str, other: str, *, linked: bool) -> None:
    """Bring Patient.link of both sides to what was decided."""
    for patient_id, target in ((one, other), (other, one)):
        current = resources.read(session, bridge.custodian.id, "Patient", patient_id)
        if current is None or current.deleted:
            raise NotFound(Issue("not-found", f"Patient/{patient_id} does not exist."))
        patient = wire.parse(current.content)
        reference = f"Patient/{target}"
        links = [
            known
            for known in patient.get("link", ())
            if known["other"].get("reference") != reference
        ]
        if linked:
            links.append({"other": {"reference": reference}, "type": "seealso"})
        changed = {**patient, "link": links}
        if not links:
            del changed["link"]
        resources.update(session, circumstances_of(bridge), changed, current=current)


def _matches(bridge: Bridge) -> Iterator[tuple[str, str, str]]:
    """Our patient, the patient from outside, and why they may be the same."""
    with bridge.database.read() as session:
        for version in _search(bridge, session, []):
            if not _is_ours(bridge, session, version):
                other = wire.parse(version.content)
                for patient_id, reason in _match(bridge, session, other):
                    yield patient_id, version.resource_id, reason


def _match(bridge: Bridge, session: Session, other: Resource) -> Iterator[tuple[str, str]]:
    equal: set[str] = set()
    for identifier in other.get("identifier", ()):
        system, value = identifier.get("system"), identifier.get("value")
        if system and value:
            asked = [("identifier", f"{escape(system)}|{escape(value)}")]
            equal |= {
                version.resource_id
                for version in _search(bridge, session, asked)
                if _is_ours(bridge, session, version)
            }
    for patient_id in sorted(equal):
        yield patient_id, MACHINE
    if equal or len(other.get("birthDate", "")) != len("2000-01-01"):
        return
    for version in _search(bridge, session, [("birthdate", other["birthDate"])]):
        if _is_ours(bridge, session, version):
            reason = _likeness(wire.parse(version.content), other)
            if reason:
                yield version.resource_id, reason


def _likeness(one: Resource, other: Resource) -> str:
    """Why two patients with the same birth date may be one; "" if nothing says so.

    A family name alone says nothing: twins have it in common.
    """
    if _names(one) & _names(other):
        return "same name and birth date"
    if _contacts(one) & _contacts(other):
        return "same phone or e-mail and birth date"
    return ""


def _names(patient: Resource) -> set[tuple[str, str]]:
    return {
        (_fold(name.get("family")), _fold(given))
        for name in patient.get("name", ())
        for given in name.get("given", ())
        if _fold(name.get("family")) and _fold(given)
    }


def _contacts(patient: Resource) -> set[str]:
    return {_fold(contact.get("value")) for contact in patient.get("telecom", ())} - {""}


def _fold(text: Json) -> str:
    return "".join(text.casefold().split()) if isinstance(text, str) else ""


def _is_ours(bridge: Bridge, session: Session, version: ResourceVersion) -> bool:
    return document_resources.is_made(session, bridge.custodian.id, version.reference)


def _search(
    bridge: Bridge, session: Session, pairs: list[tuple[str, str]]
) -> Iterator[ResourceVersion]:
    """All patients that match."""
    settings = bridge.settings
    context = SearchContext(settings.zone, (settings.own_base,), bridge.now())
    cursor = ""
    while True:
        asked = [*pairs, ("_count", str(_PAGE)), *([(query.CURSOR, cursor)] if cursor else [])]
        parsed = query.parse("Patient", asked, context=context)
        page = search.run(session, parsed, custodian_id=bridge.custodian.id)
        yield from page.matches
        cursor = page.next
        if not cursor:
            return

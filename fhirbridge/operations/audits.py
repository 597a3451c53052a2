"""The audit: check its chain, account for disclosures, review emergencies, report a breach.

Source: 42 CFR 2.16, 2.25, 2.51; 45 CFR 164.404
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from fhirbridge.bridge import Bridge
from fhirbridge.clock import to_instant
from fhirbridge.consent.classes import DIRECTORY, TYPE_CLASSES
from fhirbridge.consent.provisions import flatten
from fhirbridge.consent.purposes import class_code, is_same
from fhirbridge.consent.recipient import Recipient
from fhirbridge.disclosure.knowledge import recipient_in
from fhirbridge.disclosure.trail import NOT_SHOWN, OF_EACH
from fhirbridge.errors import Conflict, Issue, NotFound
from fhirbridge.jsontypes import JsonObject
from fhirbridge.storage import alerts, audit, audit_reviews, consents
from fhirbridge.storage.audit import AuditRow, Checked
from fhirbridge.storage.keys import key_of
from fhirbridge.storage.session import Session

_LEFT = ("permit", "emergency")
_OWN = ("resources", "consents")  # what a row has for each of its patients
_YEARS = timedelta(days=3 * 366)  # 42 CFR 2.25 gives three years
_MANY = 1_000_000


@dataclass(frozen=True, slots=True)
class Disclosed:
    """One disclosure as a patient is told of it: when, to whom, for what, of what, by what."""

    id: int
    at: datetime
    action: str
    recipient: str
    purpose: str
    resources: dict[str, int]
    consents: tuple[str, ...]
    patients: tuple[str, ...]
    is_emergency: bool
    redisclosure: str  # what the recipient may do with it (consent.decision)
    policy: str
    content_hash: str
    reason: str
    actor: str
    identifiers: tuple[tuple[str, str], ...] = ()  # the recipient's, not shown

    def to_json(self) -> JsonObject:
        """The disclosure for programs; what does not apply is left out."""
        shown: JsonObject = {
            "id": self.id,
            "at": to_instant(self.at),
            "action": self.action,
            "recipient": self.recipient,
            "purpose": self.purpose,
            "resources": self.resources,
            "consents": list(self.consents),
            "patients": list(self.patients),
            "emergency": self.is_emergency,
            "redisclosure": self.redisclosure,
            "policy": self.policy,
            "hash": self.content_hash,
            "reason": self.reason,
            "actor": self.actor,
        }
        return {name: value for name, value in shown.items() if value not in ("", [], {})}


def check(bridge: Bridge) -> Checked:
    """Compute the chain of the audit again. Note its last hash elsewhere, to see a cut end too."""
    with bridge.database.read() as session:
        return audit.check(session, bridge.custodian.id)


def accounting(
    bridge: Bridge, patient: str, *, since: datetime | None = None, designated: bool = False
) -> list[Disclosed]:
    """Disclosures about a patient in the last three years, newest first.

    It answers for a patient who is not stored any more as well. `designated`: only those to whom
    the consents speak as a class, which an intermediary lists for the patient (42 CFR 2.24).
    """
    reference = f"Patient/{patient.removeprefix('Patient/')}"
    with bridge.database.read() as session:
        found = disclosures(
            session,
            bridge,
            patient_key=key_of(reference),
            since=since or bridge.now() - _YEARS,
        )
        if not designated:
            return found
        return [each for each in found if _is_designated(session, bridge, each)]


def disclosures(
    session: Session, bridge: Bridge, *, patient_key: int, since: datetime | None = None
) -> list[Disclosed]:
    """What left about a patient, newest first; whom else it was about is no business of theirs."""
    rows = audit.find(
        session,
        bridge.custodian.id,
        patient_key=patient_key,
        since=since,
        decisions=_LEFT,
        limit=_MANY,
    )
    return [
        _disclosed(session, bridge, _of_one(row, patient_key))
        for row in rows
        if patient_key in _shown(row)
    ]


def breach(
    bridge: Bridge, *, since: datetime, until: datetime | None = None, recipient: str = ""
) -> list[Disclosed]:
    """Every disclosure in a span of time, to one recipient or client or to all, newest first.

    What was about no patient, such as a code system, is no breach.
    """
    with bridge.database.read() as session:
        rows = audit.find(session, bridge.custodian.id, since=since, decisions=_LEFT, limit=_MANY)
        return [
            _disclosed(session, bridge, row)
            for row in rows
            if _shown(row)
            and (until is None or row.recorded_at <= until)
            and recipient in ("", row.entry.get("recipient"), row.entry.get("client"))
        ]


def unreviewed(bridge: Bridge) -> list[Disclosed]:
    """Emergency access that nobody has reviewed yet, oldest first."""
    with bridge.database.read() as session:
        known = audit_reviews.reviewed(session, bridge.custodian.id)
        rows = audit.find(session, bridge.custodian.id, decisions=("emergency",), limit=_MANY)
        return [_disclosed(session, bridge, row) for row in reversed(rows) if row.id not in known]


def review(bridge: Bridge, number: int, *, by: str, outcome: str) -> None:
    """Note that a person has looked at an emergency. Raises NotFound, or Conflict if known."""
    with bridge.database.transaction() as session:
        row = audit.get(session, bridge.custodian.id, number)
        if row is None or row.decision != "emergency":
            raise NotFound(Issue("not-found", "There is no emergency access with this number."))
        if number in audit_reviews.reviewed(session, bridge.custodian.id):
            raise Conflict(Issue("conflict", "It was reviewed before."))
        audit_reviews.add(
            session, bridge.custodian.id, number, by=by, outcome=outcome, at=bridge.now()
        )
        _close_alert(session, bridge, row)


def _close_alert(session: Session, bridge: Bridge, row: AuditRow) -> None:
    """Close the alert of an emergency once all of it is reviewed."""
    custodian_id = bridge.custodian.id
    known = audit_reviews.reviewed(session, custodian_id)
    rows = audit.find(session, custodian_id, decisions=("emergency",), limit=_MANY)
    key = audit.alert_key(row.entry, row.patient_keys)
    left = (each for each in rows if each.id not in known)
    if all(audit.alert_key(each.entry, each.patient_keys) != key for each in left):
        alerts.close(session, custodian_id, key, now=bridge.now())


def _shown(row: AuditRow) -> frozenset[int]:
    """The patients of whom something left, among those whom the row is about."""
    return row.patient_keys.difference(row.entry.get(NOT_SHOWN, ()))


def _of_one(row: AuditRow, patient_key: int) -> AuditRow:
    """The row as if nobody else had been asked about in it."""
    entry = row.entry
    own = entry.get(OF_EACH, {}).get(str(patient_key))
    is_emergency = row.decision == "emergency"
    if own is not None:
        parts = {name: [entry[name][place] for place in own[name]] for name in _OWN if own[name]}
        entry = {name: value for name, value in entry.items() if name not in _OWN} | parts
        entry["redisclosure"] = own["redisclosure"]
        is_emergency = own["emergency"]
    return replace(
        row,
        entry=entry,
        patient_keys=frozenset({patient_key}),
        decision="emergency" if is_emergency else "permit",
    )


def _disclosed(session: Session, bridge: Bridge, row: AuditRow) -> Disclosed:
    entry = row.entry
    found = consents.current(session, bridge.custodian.id, sorted(_shown(row)))
    return Disclosed(
        id=row.id,
        at=row.recorded_at,
        action=row.action,
        recipient=str(entry.get("recipient", "")),
        purpose=str(entry.get("purpose", "")),
        resources=_counted(entry.get("resources", ())),
        consents=tuple(entry.get("consents", ())),
        patients=tuple(name for name in found if name.startswith("Patient/")),
        is_emergency=row.decision == "emergency",
        redisclosure=str(entry.get("redisclosure", "")),
        policy=str(entry.get("policy", "")),
        content_hash=str(entry.get("hash", "")),
        reason=str(entry.get("reason", "")),
        actor=str(entry.get("actor", "")),
        identifiers=tuple((system, value) for system, value in entry.get("identifiers", ())),
    )


def _is_designated(session: Session, bridge: Bridge, found: Disclosed) -> bool:
    """True if no consent by which it left names the recipient, and one has a class."""
    stored = consents.current(session, bridge.custodian.id, map(key_of, found.consents))
    actors = [
        actor
        for content in stored.values()
        for provision in flatten(json.loads(content), bridge.settings.zone)
        for actor in provision.actors
        if provision.type == "permit" and actor.is_recipient()
    ]
    has_class = any(class_code(each) for actor in actors for each in (actor.name, *actor.roles))
    if not has_class:
        return False
    references = sorted({actor.reference for actor in actors if actor.reference})
    known = consents.current(session, bridge.custodian.id, map(key_of, references))
    named = [recipient_in(json.loads(content)) for content in known.values()]
    for actor in actors:
        named.append(Recipient(actor.name))
        if actor.identifier:
            named.append(Recipient("", (actor.identifier,)))
    recipient = Recipient(found.recipient, found.identifiers)
    return not any(is_same(each, recipient) for each in named)


def _counted(references: Iterable[str]) -> dict[str, int]:
    """How many of each type; what is about no patient is no disclosure of one."""
    types = Counter(each.partition("/")[0] for each in references)
    return {name: types[name] for name in sorted(types) if TYPE_CLASSES.get(name) != DIRECTORY}

"""Consents: attest, end and revoke one.

Source: 42 CFR 2.31; design.md section 9
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from fhirbridge.bridge import Bridge
from fhirbridge.clock import to_instant
from fhirbridge.consent.elements import ELEMENTS
from fhirbridge.errors import InvalidContent, Issue, NotFound
from fhirbridge.jsontypes import JsonObject
from fhirbridge.operations.audits import Disclosed, disclosures
from fhirbridge.storage import audit, consents, outbox_rows, resources
from fhirbridge.storage.consents import Mark, MarkKind
from fhirbridge.storage.outbox_rows import OutboxRow
from fhirbridge.storage.session import Session
from fhirbridge.workflow.words import DeliveryState

_POLL_SECONDS = 0.2
_MANY = 100_000


def attest(bridge: Bridge, consent_id: str, *, by: str, confirmed: frozenset[str]) -> Mark:
    """Let a consent from elsewhere permit: its present version, and no later one.

    `confirmed` are elements that the officer saw on the signed form and the resource does not say.
    Raises NotFound, and InvalidContent for elements that there are not.
    """
    unknown = confirmed - ELEMENTS.keys()
    if unknown:
        listed = ", ".join(ELEMENTS)
        raise InvalidContent(Issue("value", f"Elements of a written consent are: {listed}."))
    return _mark(bridge, consent_id, "attested", by=by, confirmed=confirmed)


def end(bridge: Bridge, consent_id: str, *, by: str, at: datetime | None = None) -> Mark:
    """Note that the event or condition of a consent's expiry has come. Raises NotFound."""
    return _mark(bridge, consent_id, "ended", by=by, at=at)


@dataclass(frozen=True, slots=True)
class Revocation:
    """What a revocation did. From `effective_at` on nothing leaves by this consent.

    `in_flight` were on the wire and have ended since; with `still_in_flight` it is not effective
    yet. `waiting` are decided anew at their next try. `holders` were told before.
    """

    consent: str
    effective_at: datetime | None
    in_flight: tuple[int, ...] = ()
    still_in_flight: tuple[int, ...] = ()
    waiting: tuple[int, ...] = ()
    holders: tuple[Disclosed, ...] = field(default=())


def revocation_json(found: Revocation) -> JsonObject:
    """A revocation for programs."""
    return {
        "consent": found.consent,
        "effectiveAt": to_instant(found.effective_at) if found.effective_at else None,
        "inFlight": list(found.in_flight),
        "stillInFlight": list(found.still_in_flight),
        "waiting": list(found.waiting),
        "holders": [each.to_json() for each in found.holders],
    }


def revoke(
    bridge: Bridge,
    consent_id: str,
    *,
    by: str,
    wait_seconds: float = 60.0,
    sleep: Callable[[float], None] = time.sleep,
) -> Revocation:
    """Stop everything that a consent permits, and say when that took effect.

    The fence is up at once: whatever has not begun to be sent is not sent. Deliveries that are on
    the wire are waited for. A consent that was revoked before is reported as it was then. Raises
    NotFound.
    """
    with bridge.database.transaction() as session:
        patient_key = _patient_key(session, bridge, consent_id)
        before = _revoked_at(session, bridge, consent_id)
        if before is not None:
            holders = disclosures(session, bridge, patient_key=patient_key)
            return Revocation(f"Consent/{consent_id}", before, holders=tuple(holders))
        _add(session, bridge, consent_id, "revoking", by=by)
        leased = _deliveries(session, bridge, patient_key, DeliveryState.LEASED)
        waiting = _deliveries(session, bridge, patient_key, DeliveryState.QUEUED)
    left = dict(leased)
    waited = 0.0
    while left and waited < wait_seconds:
        sleep(_POLL_SECONDS)
        waited += _POLL_SECONDS
        with bridge.database.read() as session:
            now = _deliveries(session, bridge, patient_key, DeliveryState.LEASED)
        left = {number: tries for number, tries in left.items() if now.get(number) == tries}
    with bridge.database.transaction() as session:
        holders = disclosures(session, bridge, patient_key=patient_key)
        if not left:
            _add(session, bridge, consent_id, "revoked", by=by)
        effective_at = None if left else bridge.now()
        made = audit.event(
            bridge.custodian.id,
            recorded_at=bridge.now(),
            action="revoke",
            decision="own",
            patient_keys=frozenset({patient_key} - {0, -1}),
            entry={"target": f"Consent/{consent_id}", "actor": by, "inFlight": sorted(leased)},
        )
        audit.append(session, (made,))
    return Revocation(
        f"Consent/{consent_id}",
        effective_at,
        tuple(sorted(leased)),
        tuple(sorted(left)),
        tuple(sorted(waiting)),
        tuple(holders),
    )


def _revoked_at(session: Session, bridge: Bridge, consent_id: str) -> datetime | None:
    marks = consents.marks_of(session, bridge.custodian.id, consent_id)
    return next((one.effective_at for one in marks if one.kind == "revoked"), None)


def _deliveries(
    session: Session, bridge: Bridge, patient_key: int, state: DeliveryState
) -> dict[int, int]:
    """Deliveries of a patient in a state, and how often each was tried."""
    rows: list[OutboxRow] = outbox_rows.list_rows(
        session, bridge.custodian.id, states=(state,), limit=_MANY
    )
    return {row.id: row.attempts for row in rows if row.patient_key == patient_key}


def _mark(
    bridge: Bridge,
    consent_id: str,
    kind: MarkKind,
    *,
    by: str,
    confirmed: frozenset[str] = frozenset(),
    at: datetime | None = None,
) -> Mark:
    with bridge.database.transaction() as session:
        mark = _add(session, bridge, consent_id, kind, by=by, confirmed=confirmed, at=at)
        made = audit.event(
            bridge.custodian.id,
            recorded_at=bridge.now(),
            action=f"consent-{kind}",
            decision="own",
            patient_keys=frozenset({_patient_key(session, bridge, consent_id)} - {0, -1}),
            entry={"target": f"Consent/{consent_id}", "actor": by},
        )
        audit.append(session, (made,))
    return mark


def _add(
    session: Session,
    bridge: Bridge,
    consent_id: str,
    kind: MarkKind,
    *,
    by: str,
    confirmed: frozenset[str] = frozenset(),
    at: datetime | None = None,
) -> Mark:
    version = resources.read(session, bridge.custodian.id, "Consent", consent_id)
    if version is None or version.deleted:
        raise _no_consent()
    now = bridge.now()
    mark = Mark(
        consent_id=consent_id,
        version_id=version.version_id,
        kind=kind,
        made_by=by,
        made_at=now,
        effective_at=at or now,
        confirmed=confirmed,
    )
    consents.add_mark(session, bridge.custodian.id, mark)
    return replace(mark)


def _patient_key(session: Session, bridge: Bridge, consent_id: str) -> int:
    version = resources.read(session, bridge.custodian.id, "Consent", consent_id)
    if version is None:
        raise _no_consent()
    return version.patient_key


def _no_consent() -> NotFound:
    return NotFound(Issue("not-found", "There is no Consent with this id."))

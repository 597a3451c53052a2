"""Consent at the moment of sending: what goes, what stays, and the fence that a revocation puts up.

Source: 42 CFR 2.31, 2.32; design.md section 9
"""

from datetime import datetime
from hashlib import sha256

from fhirbridge.bridge import Bridge
from fhirbridge.consent.recipient import Recipient
from fhirbridge.disclosure.caller import Caller
from fhirbridge.disclosure.gate import Gate, Place
from fhirbridge.disclosure.packages import Authorised, Refusal, authorise
from fhirbridge.disclosure.purposes import EMERGENCIES, PURPOSES
from fhirbridge.errors import Forbidden, InvalidContent, Issue
from fhirbridge.fhir import bundles, wire
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.partners.registry import Partner
from fhirbridge.storage import audit, consents
from fhirbridge.storage.keys import key_of
from fhirbridge.storage.session import Session

PURPOSE = "TREAT"


class Withheld(Exception):
    """The patient's consents do not permit it now."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__("Nothing may be sent.")
        self.refusal = refusal

    def details(self) -> JsonObject:
        """The reasons, for the record of the attempt."""
        return {"reasons": [each.to_json() for each in self.refusal.reasons]}


def purpose_of(text: str) -> str:
    """The purpose of a handoff; treatment for "". Raises InvalidContent for one that is none.

    An emergency is no handoff: it is a person who asks.
    """
    if text and (text not in PURPOSES or text in EMERGENCIES):
        known = ", ".join(each for each in PURPOSES if each not in EMERGENCIES)
        raise InvalidContent(Issue("value", f"The purpose of a handoff is one of {known}."))
    return text or PURPOSE


def gate_to(bridge: Bridge, partner: Partner, *, purpose: str = PURPOSE) -> Gate:
    """What the organization behind a partner may see; without one, only its name can permit."""
    recipient = partner.recipient or Recipient(partner.name)
    caller = Caller(client_id=f"partner {partner.name}", recipient=recipient, purpose=purpose)
    settings = bridge.settings
    place = Place(
        custodian_id=bridge.custodian.id,
        policy=bridge.policy,
        now=bridge.now(),
        zone=settings.zone,
        bases=(settings.own_base,),
    )
    return Gate(caller, place)


def check(
    session: Session,
    bridge: Bridge,
    partner: Partner,
    bundle: Resource,
    *,
    purpose: str = PURPOSE,
    is_stored: bool = True,
) -> Authorised:
    """What of a Bundle may go now. Raises Forbidden with the reasons if nothing may.

    `is_stored` False: its document was not received yet, and brings its own consents.
    """
    gate = gate_to(bridge, partner, purpose=purpose)
    if not is_stored:
        learn_from(session, gate, bundle)
    found = authorise(session, gate, bundle)
    if isinstance(found, Authorised):
        return found
    named = dict.fromkeys(
        f"{each.sentence}{f' ({each.consent})' if each.consent else ''}" for each in found.reasons
    )
    raise Forbidden(*(Issue("suppressed", text) for text in named))


def learn_from(session: Session, gate: Gate, bundle: Resource) -> None:
    """Let a gate decide with the consents of a document that was not received yet."""
    patients = bundles.resources_of(bundle, "Patient")
    if patients:
        gate.learn(session, patients[0], bundles.resources_of(bundle, "Consent"))


class Narrowed(Exception):
    """Other things may be sent now than when the delivery began: it has to begin anew."""


class Fence:
    """Between a delivery and the wire: it decides, records, and stops what is revoked meanwhile."""

    def __init__(
        self,
        bridge: Bridge,
        partner: Partner,
        handoff_id: str,
        bundle: Resource,
        *,
        purpose: str = "",
    ) -> None:
        """`purpose` is that of the handoff; treatment if it says none."""
        self._bridge = bridge
        self._partner = partner
        self._purpose = purpose or PURPOSE
        self._handoff_id = handoff_id
        self._bundle = bundle
        self._state = (0, 0)
        self._until: datetime | None = None
        self._permitted = b""

    def authorise(self) -> Authorised:
        """Decide, and note it in the audit before anything is sent. Raises Withheld."""
        bridge = self._bridge
        with bridge.database.transaction() as session:
            gate, found = self._decide(session)
            self._note(session, gate, found)
        if isinstance(found, Refusal):
            raise Withheld(found)
        self._permitted = wire.canonical(found.bundle)
        return found

    def check(self) -> None:
        """Before each request: raise Withheld if nothing may be sent any more, Narrowed if less."""
        bridge = self._bridge
        with bridge.database.read() as session:
            state = consents.state_of_knowledge(session, bridge.custodian.id)
            is_due = self._until is not None and self._until <= bridge.now()
            if state == self._state and not is_due:
                return
            _, found = self._decide(session)
        if isinstance(found, Refusal):
            raise Withheld(found)
        if wire.canonical(found.bundle) != self._permitted:
            raise Narrowed

    def _decide(self, session: Session) -> tuple[Gate, Authorised | Refusal]:
        """Decide, and remember until when that holds if nobody writes a consent."""
        self._state = consents.state_of_knowledge(session, self._bridge.custodian.id)
        gate = gate_to(self._bridge, self._partner, purpose=self._purpose)
        found = authorise(session, gate, self._bundle)
        known = gate.known(session, key_of(found.patient))
        self._until = known.next_change(gate.place.now)
        return gate, found

    def _note(self, session: Session, gate: Gate, found: Authorised | Refusal) -> None:
        entry: JsonObject = {
            "client": gate.caller.client_id,
            "recipient": gate.recipient.name,
            "identifiers": list(map(list, gate.recipient.identifiers)),
            "purpose": gate.caller.purpose,
            "target": self._handoff_id,
            "policy": bridge_policy(self._bridge),
        }
        if isinstance(found, Authorised):
            entry |= {
                "consents": list(found.consents),
                "redisclosure": found.redisclosure,
                "withheld": sum(found.withheld.values()),
                "hash": sha256(wire.canonical(found.bundle)).hexdigest(),
                "resources": [
                    f"{each['resourceType']}/{each.get('id', '')}"
                    for each in bundles.resources_of(found.bundle)
                ],
            }
        else:
            entry["reasons"] = [each.to_json() for each in found.reasons]
        made = audit.event(
            self._bridge.custodian.id,
            recorded_at=gate.place.now,
            action="handoff",
            decision="permit" if isinstance(found, Authorised) else "withhold",
            patient_keys=frozenset({key_of(found.patient)} - {0}),
            entry=entry,
        )
        audit.append(session, (made,))


def bridge_policy(bridge: Bridge) -> str:
    """The version of policy and notice that were used."""
    return f"{bridge.policy.version}; {bridge.policy.notice.version}"

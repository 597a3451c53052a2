"""Whether what is said about a referral is about its own patient and its own order.

A reference means a resource of our server, of the partner's, or of neither, by its base; an id
alone tells nothing. Source: R4 references.html#literal; 360X (another patient's id)
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fhirbridge.bridge import Bridge
from fhirbridge.fhir import references, wire
from fhirbridge.handoffs.readable import Fault
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.storage import resources
from fhirbridge.storage.handoffs import HandoffRow
from fhirbridge.storage.session import Session
from fhirbridge.workflow.known import tokens


@dataclass(frozen=True, slots=True)
class Known:
    """What a reference has to name: here, and at the partner; "" where it is not known."""

    here: str
    there: str

    def differs(self, text: str, *, own: str, base: str) -> bool:
        """True if a literal reference, in a resource of the server at `base`, names another."""
        said = references.parse(text)
        if not said.resource_id:
            return False
        expected = {own.rstrip("/"): self.here}
        if base:
            expected.setdefault(base.rstrip("/"), self.there)
        wanted = expected.get((said.base or base or own).rstrip("/"))
        if wanted is None:  # a server that has no part in it
            return bool(self.here or self.there)
        return bool(wanted) and wanted != references.write(said.resource_type, said.resource_id)


def stranger(
    bridge: Bridge,
    session: Session,
    handoff: HandoffRow,
    resource: Resource,
    *,
    base: str,
    persons: Iterable[str] = (),
) -> Fault | None:
    """Why a Task or an Appointment cannot be about this handoff; None if it can.

    `base` is the server that holds it; `persons` are identifiers of the patient sent with it.
    """
    details, own = handoff.details, bridge.settings.own_base
    kind = str(resource["resourceType"])
    order = Known(str(details.get("orderHere") or ""), handoff.order_reference or "")
    focus = str((resource.get("focus") or {}).get("reference") or "")
    if kind == "Task" and order.differs(focus, own=own, base=base):
        words = "The Task is about another order than the one that was sent."
        return Fault("other-order", words)
    patient = Known(str(details.get("patientHere") or ""), str(details.get("patientThere") or ""))
    said = list(_patients(resource))
    named = [*persons, *(token for one in said for token in _identifiers(one))]
    if any(
        patient.differs(str(one.get("reference") or ""), own=own, base=base) for one in said
    ) or _contradict(named, _tokens_here(bridge, session, patient.here)):
        return Fault("other-patient", f"The {kind} names another patient than the referral.")
    return None


def _patients(resource: Resource) -> Iterator[JsonObject]:
    """References to the patient whom a Task or an Appointment names."""
    if resource["resourceType"] == "Task":
        yield resource.get("for") or {}
        return
    for one in resource.get("participant") or []:
        actor = one.get("actor") or {}
        named = references.parse(str(actor.get("reference") or "")).resource_type
        if "Patient" in (named, actor.get("type")):
            yield actor


def _identifiers(reference: JsonObject) -> Iterator[str]:
    identifier = reference.get("identifier")
    yield from tokens({"identifier": [identifier] if identifier else []})


def _tokens_here(bridge: Bridge, session: Session, reference: str) -> list[str]:
    resource_type, _, resource_id = reference.partition("/")
    found = resources.read(session, bridge.custodian.id, resource_type, resource_id)
    return list(tokens(wire.parse(found.content))) if found and not found.deleted else []


def _contradict(said: Iterable[str], known: Iterable[str]) -> bool:
    """True if an identifier has another value than the one of that system here."""
    values: dict[str, set[str]] = {}
    for token in known:
        system, _, value = token.rpartition("|")
        values.setdefault(system, set()).add(value)
    found = [token.rpartition("|") for token in said]
    return any(
        system in values and system and value not in values[system] for system, _, value in found
    )

"""What a handoff carries: the document's Bundle, and a Task that asks the partner to act on it.

Source: R4 task.html; domain.md 1.5 (code fulfill, intent order, focus the order); design.md 10.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote
from uuid import UUID, uuid5

from fhirbridge.clock import to_instant
from fhirbridge.errors import InvalidContent, Issue
from fhirbridge.fhir import bundles, references
from fhirbridge.fhir.narrative import narrate
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.workflow.words import BSER_STATUS, REFERRAL, Profile, ReferralState, read_task

TASK_CODES = "http://hl7.org/fhir/CodeSystem/task-code"
Entries = Mapping[str, Resource]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What a document gives to a handoff. `bundle` is its conversion, a transaction Bundle.

    `withdrawn` are stored resources of items that the document no longer has: they reach the
    partners that hold them. `with_past`: the sessions that are over were asked for too. `round`
    counts how often the same partner was asked anew, after it had declined or ended it.
    """

    kind: str
    source_system: str
    record_id: str
    version: int
    bundle: Resource
    withdrawn: tuple[Resource, ...] = ()
    with_past: bool = False
    round: int = 0

    def withdrawals(self) -> Resource:
        """The withdrawn resources as a Bundle, linked like the conversion: by `urn:uuid:`."""
        ours = {
            f"{resource['resourceType']}/{resource['id']}": f"urn:uuid:{resource['id']}"
            for resource in (*bundles.resources_of(self.bundle), *self.withdrawn)
        }
        return bundles.transaction(
            bundles.create_entry(
                _unstamped(references.rewrite(resource, ours)),
                full_url=f"urn:uuid:{resource['id']}",
            )
            for resource in self.withdrawn
        )


def _unstamped(resource: Resource) -> Resource:
    """Without the version and time that our own server gave it."""
    kept = {
        name: value
        for name, value in resource.get("meta", {}).items()
        if name not in ("versionId", "lastUpdated")
    }
    bare = {name: value for name, value in resource.items() if name != "meta"}
    return {**bare, "meta": kept} if kept else bare


@dataclass(frozen=True, slots=True)
class Package:
    """What is sent. `task`, `focus` and `patient` are fullUrls of entries of the Bundle."""

    bundle: Resource
    task: str
    focus: str
    patient: str

    @property
    def patient_id(self) -> str:
        """The id of the Patient in our own store."""
        return self.patient.removeprefix("urn:uuid:")


def handoff_id(namespace: UUID, outgoing: Outgoing, partner: str) -> str:
    """The id of the handoff of a document to a partner: always the same for the same two and the
    same round."""
    named = ["handoff", outgoing.kind, outgoing.source_system, outgoing.record_id, partner]
    if outgoing.round:
        named.append(str(outgoing.round))
    return str(uuid5(namespace, "\n".join(named)))


def pack(
    outgoing: Outgoing,
    *,
    handoff: str,
    namespace: UUID,
    base: str,
    partner: str,
    profile: Profile,
    held: Collection[str],
    now: datetime,
    another: bool = False,
) -> Package:
    """Make the Bundle that is sent; a referral brings its own Task, others get one.

    `held` has the fullUrls of withdrawn resources that the partner holds; `another` says that the
    referral's own Task went to somebody else: this recipient gets one of its own, on the same
    order, and nobody is named to the other.

    Raises InvalidContent if the Bundle has no patient or nothing that a partner could act on.
    """
    entries = {e.full_url: e.resource for e in bundles.entries_of(outgoing.bundle) if e.resource}
    patient = _first(entries, "Patient")
    focus = _focus(entries)
    if not patient or not focus:
        raise InvalidContent(
            Issue("business-rule", "A handoff needs a patient and a plan or an order for them.")
        )
    gone = outgoing.withdrawals().get("entry", [])
    bundle = {
        **outgoing.bundle,
        "entry": [*outgoing.bundle["entry"], *(e for e in gone if e["fullUrl"] in held)],
    }
    # the tasks of a plan are other work, such as reconciling medication
    task_url = _first(entries, "Task") if outgoing.kind == "referral" else ""
    own = entries[task_url] if task_url else {}
    # the same is asked of everybody: by whom, by when, how urgently, with which papers
    asked = {name: own[name] for name in _ASKED if name in own}
    if own.get("status") == "draft":
        raise InvalidContent(
            Issue("business-rule", "The referral is a draft; give it the status sent first.")
        )
    if task_url and another:
        bundle["entry"] = [e for e in bundle["entry"] if e["fullUrl"] != task_url]
        bundle["entry"] = _for_another(bundle["entry"], task_url, focus, asked)
        task_url = ""
    if task_url:
        bundle["entry"] = [_in_words_of(profile, e, task_url) for e in bundle["entry"]]
    else:
        task_url = f"urn:uuid:{uuid5(namespace, f'{handoff} Task')}"
        task = _task(
            handoff,
            base=base,
            profile=profile,
            focus=focus,
            patient=patient,
            requester=_requester(entries, entries[patient]),
            partner=partner,
            now=now,
        )
        task |= asked
        task["id"] = task_url.removeprefix("urn:uuid:")
        task["text"] = narrate(task)
        search = f"identifier={quote(base, safe=':/')}/handoff|{handoff}"
        bundle["entry"].append(bundles.create_entry(task, full_url=task_url, if_none_exist=search))
    bundle["entry"] = [_consent_for(profile, entry) for entry in bundle["entry"]]
    return Package(bundle, task_url, focus, patient)


def _consent_for(profile: Profile, entry: JsonObject) -> JsonObject:
    """The entry; a Consent as the partner's profile wants it. Source: domain.md 1.5

    BSeR's has exactly one category: all codes stand in it. Gravity's says where its source is.
    """
    consent = entry["resource"]
    if consent["resourceType"] != "Consent":
        return entry
    made = dict(consent)
    categories = consent.get("category") or []
    if profile == "bser" and len(categories) > 1:
        codings = [coding for one in categories for coding in one.get("coding") or []]
        made["category"] = [{"coding": codings}]
    if profile == "gravity" and not consent.keys() & {"sourceAttachment", "sourceReference"}:
        made["sourceReference"] = {"display": "The form is kept by the sender."}
    if "text" in made and made != consent:
        made["text"] = narrate({name: one for name, one in made.items() if name != "text"})
    return {**entry, "resource": made}


def _in_words_of(profile: Profile, entry: JsonObject, task_url: str) -> JsonObject:
    """The entry; the status of the referral's own Task as partners of this profile say it."""
    if entry["fullUrl"] != task_url:
        return entry
    task = entry["resource"]
    reading = read_task(task)
    if reading is None:
        return entry
    said = {**task, "status": REFERRAL[reading.state].task_status(profile)}
    if "text" in said and said != task:
        said["text"] = narrate({name: one for name, one in said.items() if name != "text"})
    return {**entry, "resource": said}


_ASKED = ("requester", "priority", "restriction", "input")
_PLACES = ("Organization", "HealthcareService", "Endpoint", "PractitionerRole")


def _for_another(
    listed: list[JsonObject], task_url: str, focus: str, asked: JsonObject
) -> list[JsonObject]:
    """The entries without the first recipient: its Task, its name on the order, its places.

    `asked` are the elements that the Task of this recipient has in common with the first.
    """
    entries = []
    for entry in listed:
        resource = entry["resource"]
        if resource["resourceType"] == "Provenance":
            kept = [one for one in resource["target"] if one.get("reference") != task_url]
            resource = {**resource, "target": kept or resource["target"]}
        if entry["fullUrl"] == focus:
            resource = {name: one for name, one in resource.items() if name != "performer"}
        entries.append({**entry, "resource": resource})
    while True:
        linked = {
            str(found.reference.get("reference"))
            for resource in (*(entry["resource"] for entry in entries), _task_of(asked))
            for found in references.walk(resource)
        }
        orphans = [
            entry
            for entry in entries
            if entry["resource"]["resourceType"] in _PLACES and entry["fullUrl"] not in linked
        ]
        if not orphans:
            return entries
        entries = [entry for entry in entries if entry not in orphans]


def _task_of(elements: JsonObject) -> Resource:
    return {"resourceType": "Task", **elements}


def _first(entries: Entries, resource_type: str) -> str:
    matching = (url for url, one in entries.items() if one.get("resourceType") == resource_type)
    return next(matching, "")


def _focus(entries: Entries) -> str:
    """What the partner is asked for: the plan that no other plan contains, else the first order."""
    plans = (
        url
        for url, one in entries.items()
        if one.get("resourceType") == "CarePlan" and "partOf" not in one
    )
    return next(plans, "") or _first(entries, "ServiceRequest")


def _requester(entries: Entries, patient: Resource) -> str:
    managing = str((patient.get("managingOrganization") or {}).get("reference") or "")
    return managing if managing in entries else _first(entries, "Organization")


def _task(
    handoff: str,
    *,
    base: str,
    profile: Profile,
    focus: str,
    patient: str,
    requester: str,
    partner: str,
    now: datetime,
) -> JsonObject:
    task: JsonObject = {
        "resourceType": "Task",
        "identifier": [{"system": f"{base}/handoff", "value": handoff}],
        "status": REFERRAL[ReferralState.SENT].task_status(profile),
        "intent": "order",
        "code": {"coding": [{"system": TASK_CODES, "code": "fulfill"}]},
        "focus": {"reference": focus},
        "for": {"reference": patient},
        "authoredOn": to_instant(now),
        "owner": {"display": partner},
    }
    if profile == "bser":
        code = REFERRAL[ReferralState.SENT].business_status
        task["businessStatus"] = {"coding": [{"system": BSER_STATUS, "code": code}]}
    if requester:
        task["requester"] = {"reference": requester}
    return task

"""Our own copy of a handoff's Task: partners may write to it, paper replies move it.

Source: domain.md 1.5 and 4.4 (Task columns)
"""

from typing import Any

from fhirbridge.bridge import Bridge
from fhirbridge.clock import to_instant
from fhirbridge.conversion.packet import Package
from fhirbridge.fhir import bundles, references, wire
from fhirbridge.fhir.narrative import narrate
from fhirbridge.fhir.validation import check
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.storage import handoff_keys, handoffs, resources
from fhirbridge.storage.handoffs import HandoffRow
from fhirbridge.storage.resources import Circumstances
from fhirbridge.storage.session import Session
from fhirbridge.storage.versions import ResourceVersion
from fhirbridge.workflow.known import tokens
from fhirbridge.workflow.status import is_older
from fhirbridge.workflow.words import BSER_STATUS, REFERRAL, Profile, ReferralState

_MOST_RESULTS = 50


def circumstances(bridge: Bridge, content_class: str = "treatment-plan") -> Circumstances:
    """What a write needs to know besides the resource."""
    settings = bridge.settings
    return Circumstances(
        custodian_id=bridge.custodian.id,
        now=bridge.now(),
        zone=settings.zone,
        bases=(settings.own_base,),
        content_class=content_class,
    )


def read(session: Session, bridge: Bridge, reference: str) -> ResourceVersion | None:
    """A resource of our store that is not deleted, by `Type/id`."""
    resource_type, _, resource_id = reference.partition("/")
    found = resources.read(session, bridge.custodian.id, resource_type, resource_id)
    return found if found is not None and not found.deleted else None


def keep_task(session: Session, bridge: Bridge, handoff: HandoffRow, packed: Package) -> None:
    """Store the Task of a handoff here too, unless it is here, and note what it is known by."""
    ours = {
        entry.full_url: f"{entry.resource['resourceType']}/{entry.resource['id']}"
        for entry in bundles.entries_of(packed.bundle)
        if entry.resource is not None and entry.resource.get("id")
    }
    by_url = {entry.full_url: entry.resource for entry in bundles.entries_of(packed.bundle)}
    task = by_url[packed.task] or {}
    reference = str(handoff.details["taskHere"])
    if read(session, bridge, reference) is None:
        resources.create(
            session,
            circumstances(bridge),
            references.rewrite(task, ours),
            resource_id=reference.partition("/")[2],
            method="PUT",
        )
    keys = [reference, f"order {handoff.details['orderHere']}", handoff.id, *tokens(task)]
    handoff_keys.note(session, bridge.custodian.id, handoff.id, keys)


def with_state(
    task: Resource,
    state: ReferralState,
    *,
    profile: Profile,
    base: str,
    at: str,
    reason: JsonObject | None = None,
) -> Resource:
    """The Task in this state, as a partner of this profile reads it. The argument stays."""
    row = REFERRAL[state]
    moved: dict[str, Any] = {**task, "status": row.task_status(profile), "lastModified": at}
    code = row.business_status
    if code:
        system = f"{base}/CodeSystem/referral-status" if code.startswith("fb:") else BSER_STATUS
        value = code.removeprefix("fb:")
        moved["businessStatus"] = {"coding": [{"system": system, "code": value}]}
    else:
        moved.pop("businessStatus", None)
    if reason:
        moved["statusReason"] = reason
    else:
        moved.pop("statusReason", None)
    if "text" in moved:
        moved["text"] = narrate({k: v for k, v in moved.items() if k != "text"})
    return moved


def mirror(
    session: Session,
    bridge: Bridge,
    handoff: HandoffRow,
    state: ReferralState,
    *,
    profile: Profile,
    reason: JsonObject | None = None,
    said: Resource | None = None,
    base: str = "",
    written: str = "",
) -> None:
    """Let our copy of the Task say where the referral stands, and what came of it.

    `said` is the partner's Task at `base`, whose results are kept here too. `written` is the
    version of our copy that said something else. What was written since it was looked at last
    stays, and is looked at in its turn.
    """
    known = handoffs.get(session, bridge.custodian.id, handoff.id, locked=True) or handoff
    current = read(session, bridge, str(known.details.get("taskHere") or ""))
    taken_in = written or str(known.details.get("versionHere") or "")
    if current is None or (taken_in and is_older(taken_in, str(current.version_id))):
        return  # somebody wrote it meanwhile, and is heard first
    task = wire.parse(current.content)
    at = to_instant(bridge.now())
    moved = with_state(
        task, state, profile=profile, base=bridge.settings.base, at=at, reason=reason
    )
    stands = all(moved.get(name) == task.get(name) for name in ("status", "businessStatus"))
    if stands:
        moved = task
    if written:
        # whom and what it is about is not changed by anybody
        about = {"for": "patientHere", "focus": "orderHere"}
        for name, fact in about.items():
            place = handoff.details.get(fact)
            if place and (task.get(name) or {}).get("reference") not in _ways_to(bridge, place):
                moved = {**moved, name: {"reference": place}}
    found = _results(said or {}, base)
    kept = task.get("output") or []
    fresh = [one for one in found if one not in kept]
    if fresh:
        whole = {**moved, "output": [*kept, *fresh][-_MOST_RESULTS:], "lastModified": at}
        if not any(issue.is_error for issue in check(whole)):
            moved = whole
    if moved is not task:
        if "text" in moved:
            rest = {name: one for name, one in moved.items() if name != "text"}
            moved = {**rest, "text": narrate(rest)}
        version = resources.update(session, circumstances(bridge), moved, current=current)
        ours = {"versionHere": str(version.version_id), "saidHere": state.value}
        handoffs.note_state(
            session,
            bridge.custodian.id,
            known.id,
            status=known.status,
            version=known.task_version,
            details={**known.details, **ours},
            now=bridge.now(),
        )


def _ways_to(bridge: Bridge, place: str) -> tuple[str, str]:
    return place, f"{bridge.settings.own_base}/{place}"


def _results(task: Resource, base: str) -> list[JsonObject]:
    """What a partner's Task has as its output; references lead to its server."""
    found = []
    for one in task.get("output") or []:
        links = {
            text: references.write(parsed.resource_type, parsed.resource_id, base=base)
            for text in _texts(one)
            if (parsed := references.parse(text)).kind == "relative"
        }
        elsewhere = references.rewrite({"resourceType": "Task", "output": [one]}, links)
        [made] = elsewhere["output"]
        if base and not any(text.startswith("#") for text in _texts(made)):
            found.append(made)
    return found


def _texts(output: JsonObject) -> list[str]:
    whole: Resource = {"resourceType": "Task", "output": [output]}
    return [str(each.reference.get("reference") or "") for each in references.walk(whole)]

"""What of the sessions travels: those from today on, and one summary of those that are over.

The past series travels only on request. Source: design.md section 10
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from fhirbridge.fhir import bundles, references
from fhirbridge.fhir.narrative import narrate
from fhirbridge.jsontypes import JsonObject, Resource

_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
# session status -> what it counts as
_COUNTED = {
    "fulfilled": "attended",
    "arrived": "attended",
    "checked-in": "attended",
    "finished": "attended",
    "noshow": "missed",
    "cancelled": "cancelled",
}


def without_past(
    bundle: Resource,
    *,
    now: datetime,
    handoff: str,
    namespace: UUID,
    base: str,
    held: Collection[str] = (),
    sessions: Mapping[str, JsonObject] | None = None,
    with_past: bool = False,
) -> Resource:
    """The Bundle with Appointments from today on; what is over becomes one summary.

    With `with_past` it is summed up and travels too.
    What the partner holds (`held`, fullUrls) travels on, so that it learns what came of it.
    `sessions` are Appointments of the patient that other documents brought, by id.
    """
    entries = list(bundle.get("entry") or [])
    today = now.date().isoformat()
    patient = next(
        (str(one["fullUrl"]) for one in entries if one["resource"]["resourceType"] == "Patient"), ""
    )
    past = {
        str(one["fullUrl"]): one["resource"]
        for one in entries
        if one["resource"]["resourceType"] in ("Appointment", "Encounter")
        and (_day(one["resource"]) or today) < today
    }
    over = {str(one.get("id")): one for one in past.values()}
    over |= {name: one for name, one in (sessions or {}).items() if (_day(one) or today) < today}
    if not over or not patient:
        return bundle
    gone = frozenset() if with_past else past.keys() - set(held)
    kept = [_unlinked(one, gone) for one in entries if one["fullUrl"] not in gone]
    summary = _summary(list(over.values()), patient, base=base, handoff=handoff)
    summary["id"] = str(uuid5(namespace, f"{handoff} attendance"))
    summary["text"] = narrate(summary)
    added = bundles.create_entry(
        summary,
        full_url=f"urn:uuid:{summary['id']}",
        if_none_exist=f"identifier={base}/handoff-attendance|{handoff}",
    )
    return {**bundle, "entry": [*kept, added]}


def _day(session: Resource) -> str:
    start = session.get("start") or (session.get("period") or {}).get("start") or ""
    return str(start)[:10]


def _unlinked(entry: JsonObject, gone: Collection[str]) -> JsonObject:
    resource = entry["resource"]
    if not any(found.reference.get("reference") in gone for found in references.walk(resource)):
        return entry
    return {**entry, "resource": _pruned(resource, gone)}


def _pruned(value: Any, gone: Collection[str]) -> Any:
    """The value without references to what does not travel, and without what only held those."""
    if isinstance(value, list):
        return [kept for one in value if (kept := _pruned(one, gone)) not in (None, {}, [])]
    if not isinstance(value, dict):
        return value
    reference = value.get("reference")
    if isinstance(reference, str) and reference in gone:
        return None
    pruned = {name: _pruned(one, gone) for name, one in value.items()}
    return {name: one for name, one in pruned.items() if one not in (None, {}, [])}


def _summary(over: Sequence[Resource], patient: str, *, base: str, handoff: str) -> dict[str, Any]:
    appointments = [one for one in over if one["resourceType"] == "Appointment"]
    counted = appointments or over  # an Encounter says again what its Appointment says
    counts = {"attended": 0, "missed": 0, "cancelled": 0}
    for one in counted:
        name = _COUNTED.get(str(one.get("status")))
        if name:
            counts[name] += 1
    days = sorted(day for one in counted if (day := _day(one)))
    return {
        "resourceType": "Observation",
        "identifier": [{"system": f"{base}/handoff-attendance", "value": handoff}],
        "status": "final",
        "category": [{"coding": [{"system": _CATEGORY, "code": "therapy"}]}],
        "code": {"text": "Attendance summary"},
        "subject": {"reference": patient},
        "effectivePeriod": {"start": days[0], "end": days[-1]},
        "component": [
            {"code": {"text": name}, "valueInteger": number} for name, number in counts.items()
        ],
    }

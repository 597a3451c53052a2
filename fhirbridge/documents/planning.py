"""A skeleton aftercare plan from an enrollment: what can be carried over, and what is missing.

Nothing clinical is decided here: what continues is carried as it is, what follows is to be
arranged, and what only people can say is listed.
Source: domain.md section 4.2; design.md section 3 (`plan new`)
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from fhirbridge.errors import Issue
from fhirbridge.jsontypes import Json, JsonObject
from fhirbridge.native.documents import Document, load, schema_of

_CARRIED = ("patient", "facility", "part2Program", "authors", "staff", "lifeSkills")
_GOAL_CLOSED = ("achieved", "dropped", "entered-in-error")
_MEDICATION_CONTINUES = ("active", "on-hold", "planned-at-discharge")
_CONSENT_HOLDS = ("active", "pending-signature")
_MAX_ID = 64

# What a service of the program becomes afterwards. A modality that is not here is therapy.
_KINDS: Mapping[str, str] = {
    "alumni": "alumni",
    "case-management": "case-management",
    "check-in": "check-in",
    "couples-therapy": "family-therapy",
    "drug-testing": "drug-testing",
    "education": "education",
    "family-education": "family-therapy",
    "family-therapy": "family-therapy",
    "financial": "financial",
    "legal": "legal",
    "life-skills": "life-skills",
    "mat": "mat",
    "medication-management": "medication-management",
    "mindfulness": "wellness",
    "nutrition": "wellness",
    "peer-support": "peer-support",
    "physical-activity": "wellness",
    "primary-care": "primary-care",
    "psychiatric-evaluation": "psychiatry",
    "psychiatry": "psychiatry",
    "recovery-coaching": "recovery-coaching",
    "sober-living": "sober-living",
    "stress-management": "wellness",
    "support-group": "support-group",
    "vocational": "vocational",
    "yoga": "wellness",
}


@dataclass(frozen=True, slots=True)
class Skeleton:
    """A plan to be completed by people, and what is missing in it."""

    plan: JsonObject
    missing: tuple[Issue, ...]


def skeleton(enrollment: Document, *, now: datetime, plan_id: str = "") -> Skeleton:
    """An aftercare plan that loads with warnings only; the warnings say what is missing.

    `enrollment` is a loaded one. The plan takes effect on the day of discharge, or the one that is
    expected. Raises InvalidDocument if `plan_id` is none.
    """
    source = enrollment.data
    here = now.astimezone(ZoneInfo(source["facility"]["tz"]))
    known_id = source.get("discharge", {}).get("aftercarePlanId")
    record_id = plan_id or known_id or f"{source['enrollmentId'][: _MAX_ID - 10]}-aftercare"
    drafted: JsonObject = {
        "schema": schema_of("aftercare-plan"),
        "sourceSystem": source["sourceSystem"],
        "recordId": record_id,
        "version": 1,
        "updatedAt": here.isoformat(timespec="seconds"),
        "planId": record_id,
        "enrollmentId": source["enrollmentId"],
        "status": "drafting",
        "planningStartedAt": here.date().isoformat(),
        "effective": source.get("dischargeDate") or source.get("expectedEnd"),
        **{name: source.get(name) for name in _CARRIED},
        "consents": _with_status(source, "consents", _CONSENT_HOLDS),
        "goals": [g for g in source.get("goals", ()) if g["status"] not in _GOAL_CLOSED],
        "medicationContinuity": {
            "medications": _with_status(source, "medications", _MEDICATION_CONTINUES)
        },
        "items": list(_items(source)),
        "familyPlan": [_relative(person) for person in source.get("familyInvolvement", ())],
        "wellness": [
            {"id": f"wellness-{number}", "activity": activity}
            for number, activity in enumerate(source.get("wellness", ()), 1)
        ],
        "monitoring": list(_monitoring(source)),
        "stepUpCriteria": list(_step_up(source)),
    }
    plan = load("aftercare-plan", {k: v for k, v in drafted.items() if v is not None})
    return Skeleton(plan.data, (*plan.issues, *_only_people_know(plan.data)))


def _with_status(source: JsonObject, name: str, statuses: tuple[str, ...]) -> list[Json]:
    return [item for item in source.get(name, ()) if item["status"] in statuses]


def _items(source: JsonObject) -> Iterator[JsonObject]:
    """One item for each modality of the program, for the sponsor and for each group."""
    seen: set[str] = set()
    for service in (*source.get("services", ()), *source.get("schedule", ())):
        modality = service["modality"]
        if modality in seen:
            continue
        seen.add(modality)
        yield {
            "id": f"item-{len(seen)}",
            "kind": _KINDS.get(modality, "outpatient-therapy"),
            "modality": modality,
            "status": "to-arrange",
        }
    peers = source.get("peerSupport", {})
    if "sponsor" in peers:
        yield {
            "id": "item-sponsor",
            "kind": "sponsor",
            "provider": peers["sponsor"],
            "status": "active",
        }
    for number, group in enumerate(peers.get("groups", ()), 1):
        yield {
            "id": f"item-group-{number}",
            "kind": "support-group",
            "title": group,
            "status": "active",
        }


def _relative(person: JsonObject) -> JsonObject:
    named = {"id": person["id"], "person": person["person"], "role": person.get("relationship")}
    return {**named, "consentRef": person.get("consentRef")}


def _monitoring(source: JsonObject) -> Iterator[JsonObject]:
    """The instruments that were used go on being used."""
    used = [assessment["instrument"] for assessment in source.get("assessments", ())]
    for number, instrument in enumerate(dict.fromkeys(used), 1):
        yield {"id": f"monitoring-{number}", "measure": instrument, "instrument": instrument}


def _step_up(source: JsonObject) -> Iterator[JsonObject]:
    level = source.get("levelOfCare", {}).get("code")
    if level:
        yield {
            "id": "step-up-1",
            "condition": "Return to use, or needs that the planned level of care cannot meet",
            "action": "Assess again and offer the level of care of the program",
            "targetLevel": level,
        }


def _only_people_know(plan: JsonObject) -> Iterator[Issue]:
    """What was filled in and must be confirmed, and what no rule asks for."""
    for name, sentence in (
        ("safetyPlan", "Nobody has said whether a safety plan is indicated."),
        ("patientAgreement", "The patient has not agreed to the plan yet."),
    ):
        if name not in plan:
            yield Issue("informational", sentence, "information", (f"$.{name}",), "expected")
    for index, item in enumerate(plan.get("items", ())):
        if item["status"] == "to-arrange":
            path = f"$.items[{index}].provider"
            yield Issue("informational", "To be arranged: who.", "information", (path,), "expected")
    for index, _ in enumerate(plan.get("stepUpCriteria", ())):
        path = f"$.stepUpCriteria[{index}].condition"
        sentence = "A standing sentence; say what it means for this patient."
        yield Issue("informational", sentence, "information", (path,), "expected")

"""What others wrote, made readable for the mapping: only where they said it in another place.

Nothing is invented. A name without a use counts as the official one, a record number as the
client's number here, the name of who asks and who is asked as theirs, and a service that has a
row in our code table gets our code beside its own.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from fhirbridge.fhir import references
from fhirbridge.jsontypes import JsonObject, Resource

_ASSESS = {
    "system": "http://hl7.org/fhir/us/core/CodeSystem/careplan-category",
    "code": "assess-plan",
}


def readable(
    pairs: Iterable[tuple[str, Resource]], *, base: str, kinds: Mapping[str, str]
) -> list[tuple[str, Resource]]:
    """Copies of these `(fullUrl, resource)` pairs; `kinds` are our item kinds by SNOMED CT code."""
    listed = list(pairs)
    by_place = {f"{one['resourceType']}/{one.get('id')}": one for _, one in listed if one.get("id")}
    roles = _roles(by_place)
    made = []
    for full_url, resource in listed:
        kind = resource["resourceType"]
        place = f"{kind}/{resource.get('id')}"
        if kind == "Patient":
            resource = _patient(resource, base)
        elif kind == "Organization" and place in roles:
            resource = _organization(resource, f"{base}/identifier/{roles[place]}")
        elif kind == "ServiceRequest":
            resource = _order(resource, base, kinds)
        made.append((full_url, resource))
    return made


def as_plan_of_care(plan: Resource) -> Resource:
    """A CarePlan without the category of US Core, read as if it had it: it is a plan all the same.

    Source: US Core CarePlan (category assess-plan)
    """
    categories = [one for one in plan.get("category") or [] if isinstance(one, dict)]
    codings = [one for each in categories for one in each.get("coding") or []]
    if any(isinstance(one, dict) and one.get("code") == _ASSESS["code"] for one in codings):
        return plan
    return {**plan, "category": [*categories, {"coding": [_ASSESS]}]}


def record_number(patient: Resource) -> str:
    """The number under which others have a patient: a record number, else their first one."""
    identifiers = [one for one in patient.get("identifier") or [] if isinstance(one, dict)]
    marked = [one for one in identifiers if _is_record_number(one)]
    return str((marked or identifiers or [{}])[0].get("value") or "")


def _patient(patient: Resource, base: str) -> Resource:
    made: dict[str, Any] = dict(patient)
    names = [one for one in patient.get("name") or [] if isinstance(one, dict)]
    if names and not any(one.get("use") == "official" for one in names):
        plain = next((one for one in names if one.get("use") in (None, "usual")), names[0])
        made["name"] = [{**one, "use": "official"} if one is plain else one for one in names]
    identifiers = [one for one in patient.get("identifier") or [] if isinstance(one, dict)]
    ours = f"{base}/mrn/"
    if identifiers and not any(str(one.get("system", "")).startswith(ours) for one in identifiers):
        number = record_number(patient)
        if number:
            made["identifier"] = [*identifiers, {"system": f"{ours}fhir", "value": number}]
    return made


def _is_record_number(identifier: JsonObject) -> bool:
    codings = (identifier.get("type") or {}).get("coding") or []
    return any(isinstance(one, dict) and one.get("code") == "MR" for one in codings)


def _roles(by_place: Mapping[str, Resource]) -> dict[str, str]:
    """Organizations that ask or are asked, by `Type/id`."""
    roles: dict[str, str] = {}
    for resource in by_place.values():
        if resource["resourceType"] == "Task":
            sides = [("recipient", resource.get("owner")), ("requester", resource.get("requester"))]
        elif resource["resourceType"] == "ServiceRequest":
            asked = [one for one in resource.get("performer") or [] if isinstance(one, dict)]
            sides = [*(("recipient", one) for one in asked[:1])]
            sides.append(("requester", resource.get("requester")))
        else:
            continue
        for role, reference in sides:
            place = _place(reference)
            target = by_place.get(place) or {}
            if target.get("resourceType") == "PractitionerRole":
                place = _place(target.get("organization"))
            if place.startswith("Organization/"):
                roles.setdefault(place, role)
    return roles


def _place(reference: Any) -> str:
    text = reference.get("reference") if isinstance(reference, dict) else None
    parsed = references.parse(str(text or ""))
    if not parsed.resource_type:
        return ""
    return references.write(parsed.resource_type, parsed.resource_id)


def _organization(organization: Resource, system: str) -> Resource:
    identifiers = [one for one in organization.get("identifier") or [] if isinstance(one, dict)]
    name = organization.get("name")
    if not name or any(one.get("system") == system for one in identifiers):
        return organization
    return {**organization, "identifier": [*identifiers, {"system": system, "value": name}]}


def _order(order: Resource, base: str, kinds: Mapping[str, str]) -> Resource:
    code: JsonObject = order.get("code") or {}
    codings = [one for one in code.get("coding") or [] if isinstance(one, dict)]
    ours = f"{base}/CodeSystem/plan-item-kind"
    if any(one.get("system") == ours for one in codings):
        return order
    known = (kinds.get(str(one.get("code"))) for one in codings)
    kind = next((one for one in known if one), "")
    if not kind:
        return order
    return {**order, "code": {**code, "coding": [*codings, {"system": ours, "code": kind}]}}

"""Rules of the envelope: identity, people, facility.

Source: domain.md section 4.0.
"""

from datetime import date

from fhirbridge.jsontypes import JsonObject
from fhirbridge.native.rules.findings import (
    Findings,
    entries,
    is_after,
    member,
    require_order,
)

MIN_AGE = 12


def check(document: JsonObject, findings: Findings, *, own_id: str) -> None:
    """Check identity and people; `own_id` is the field that repeats `recordId`."""
    record_id = document.get("recordId")
    if record_id and document.get(own_id) and document[own_id] != record_id:
        findings.error((own_id,), f"`{own_id}` differs from `recordId`.", "record-id")
    if "part2Program" not in document:
        findings.inform(
            ("part2Program",),
            "Not stated; the facility is treated as a 42 CFR Part 2 program.",
            "expected-part2Program",
        )
    _check_birth_date(document, findings)
    _check_staff(document, findings)
    _check_accreditations(document, findings)


def age_on(birth_date: str, day: str) -> int:
    """Full years between a birth date and a day (both YYYY-MM-DD)."""
    return int(day[:4]) - int(birth_date[:4]) - (day[5:10] < birth_date[5:10])


def days_between(first: str, second: str) -> int:
    """Days from one date to another; times of day are ignored."""
    return (date.fromisoformat(second[:10]) - date.fromisoformat(first[:10])).days


def _check_birth_date(document: JsonObject, findings: Findings) -> None:
    birth_date = member(document, "patient").get("birthDate")
    updated_at = document.get("updatedAt")
    if not birth_date or not updated_at:
        return
    path = ("patient", "birthDate")
    if is_after(birth_date, updated_at):
        findings.error(path, "The birth date lies after `updatedAt`.", "birth-date")
    elif age_on(birth_date, updated_at) < MIN_AGE:
        findings.warn(path, f"The person is younger than {MIN_AGE}.", "age")


def _check_staff(document: JsonObject, findings: Findings) -> None:
    people = [
        (name, index, person)
        for name in ("authors", "staff")
        for index, person in entries(document, name)
    ]
    for field in ("id", "npi"):
        first_in: dict[str, str] = {}
        for name, index, person in people:
            value = person.get(field, "")
            # the same id twice in one list is found where lists are checked
            if value in first_in and (field == "npi" or first_in[value] != name):
                findings.error(
                    (name, index, field),
                    f"Another entry of `authors` or `staff` has this `{field}`.",
                    f"staff-{field}",
                    code="duplicate",
                )
            if value:
                first_in.setdefault(value, name)
    if not people and not document.get("authors") and not document.get("staff"):
        findings.error(
            ("authors",),
            "Nobody is named: expected at least one author or member of staff.",
            "expected-authors",
            code="required",
        )


def _check_accreditations(document: JsonObject, findings: Findings) -> None:
    facility, updated_at = member(document, "facility"), document.get("updatedAt")
    for index, entry in entries(facility, "accreditations"):
        path = ("facility", "accreditations", index)
        require_order(findings, entry, path, first="validFrom", second="validTo")
        if updated_at and entry.get("validTo") and is_after(updated_at, entry["validTo"]):
            findings.warn((*path, "validTo"), "The accreditation has expired.", "accreditation")

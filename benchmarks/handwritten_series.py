"""The sessions of an enrollment written by hand: patient, people, weekly orders, appointments.

These are nine in ten resources of an enrollment. `SUBSET` names the entries of the mapping that
make the same; the mapping is compiled from them alone, so that both do the same work.
"""

from typing import Any
from urllib.parse import quote
from uuid import UUID

from benchmarks.handwritten import (
    DEFAULT_BASE,
    HCPCS,
    HL7,
    IDENTIFIER,
    OWN,
    SNOMED,
    Codes,
    Entries,
    Json,
    add_practitioners,
    appointment_status,
    concept,
    extensions,
    own_coding,
    patient,
    practitioners,
    put,
    service_type,
    zoned,
)
from fhirbridge.recurrence import Occurrence, occurrences

SUBSET = ("patient", "staff", "author", "order", "session")
WEEKDAYS = {
    "MO": "mon",
    "TU": "tue",
    "WE": "wed",
    "TH": "thu",
    "FR": "fri",
    "SA": "sat",
    "SU": "sun",
}
UNITS = {"DAILY": "d", "WEEKLY": "wk", "MONTHLY": "mo"}


def series(document: Json, codes: Codes, namespace: UUID) -> Json:
    """The Bundle of the sessions of a loaded enrollment."""
    entries = Entries(document, namespace)
    source, record = document["sourceSystem"], document["recordId"]
    native = document["patient"]
    subject = entries.name("Patient", "Patient", (source,), native["mrn"])
    people = practitioners(entries, document, (source,))
    by_id: dict[str, str] = {}
    for name, entry, person in people:
        if entry == "staff" or person["id"] not in by_id:
            by_id[person["id"]] = name
    scope = (source, record)
    prefix = f"{quote(source, safe='')}/{quote(record, safe='')}/"

    entries.add(
        subject, patient(native, source, codes), f"{DEFAULT_BASE}/mrn/{source}", native["mrn"]
    )
    add_practitioners(entries, people, codes)
    schedules = document.get("schedule", ())
    orders = [entries.name("ServiceRequest", "order", scope, item["id"]) for item in schedules]
    for name, item in zip(orders, schedules, strict=True):
        key = prefix + quote(item["id"], safe="")
        made = order(item, key, document, subject, by_id, codes)
        entries.add(name, made, f"{IDENTIFIER}order", key)
    for name, item in zip(orders, schedules, strict=True):
        held = {
            session["occurrenceDate"]: session
            for session in document.get("sessions", ())
            if session["scheduleId"] == item["id"]
        }
        own = prefix + quote(item["id"], safe="") + "/"
        for occurrence in occurrences(item):
            made = appointment(
                item,
                occurrence,
                held.get(occurrence.date),
                own + occurrence.date,
                name,
                subject,
                by_id,
                codes,
            )
            made_as = entries.name("Appointment", "session", scope, item["id"], occurrence.date)
            entries.add(made_as, made, f"{IDENTIFIER}session", own + occurrence.date)
    return entries.bundle()


def order(
    native: Json, key: str, document: Json, subject: str, people: dict[str, str], codes: Codes
) -> Json:
    """One line of the weekly schedule."""
    made: Json = {"resourceType": "ServiceRequest"}
    made["extension"] = [{"extension": rule(native), "url": OWN + "series"}]
    telehealth = native.get("telehealth", {})
    parts = [
        {"url": name, element: telehealth[name]}
        for name, element in (("url", "valueUri"), ("phone", "valueString"))
        if name in telehealth
    ]
    if parts:
        made["extension"].append({"extension": parts, "url": OWN + "telehealth"})
    made["extension"] += extensions(
        ("attendance-required", "valueBoolean", native.get("required")),
        ("capacity", "valuePositiveInt", native.get("capacity")),
    )
    made["identifier"] = [{"system": IDENTIFIER + "order", "value": key}]
    put(made, "status", codes.code["enrollment.ServiceRequest"].get(document.get("status")))
    made["intent"] = "order"
    counselling = {"system": SNOMED, "code": "409063005", "display": "Counseling"}
    made["category"] = [{"coding": [counselling]}]
    modality = native.get("modality")
    code = concept(
        own_coding("modality", modality),
        codes.coding(HCPCS, "modality.hcpcs", modality),
        codes.coding(SNOMED, "modality.snomed", modality),
        text=native.get("title"),
    )
    put(made, "code", code)
    if "format" in native:
        made["orderDetail"] = [concept(own_coding("session-format", native["format"]))]
    made["subject"] = {"reference": subject}
    made["occurrenceTiming"] = {"repeat": repeat(native)}
    put(
        made,
        "performer",
        [{"reference": people[who]} for who in native.get("facilitators", ()) if who in people],
    )
    if "location" in native:
        made["locationCode"] = [{"text": native["location"]}]
    return made


def seconds(clock: str) -> str:
    """hh:mm as FHIR writes a time."""
    return clock if len(clock) > 5 else clock + ":00"


def rule(native: Json) -> list[Json]:
    """The rule of the series, exactly."""
    parts: list[Json] = []
    for name, url, element in (
        ("rrule", "rrule", "valueString"),
        ("startLocal", "startLocal", "valueTime"),
        ("endLocal", "endLocal", "valueTime"),
        ("tz", "tz", "valueString"),
        ("from", "from", "valueDate"),
        ("until", "until", "valueDate"),
        ("count", "count", "valuePositiveInt"),
    ):
        value = native.get(name)
        if value is not None:
            parts.append({"url": url, element: seconds(value) if element == "valueTime" else value})
    parts += [{"url": "exDate", "valueDate": day} for day in native.get("exDates", ())]
    parts += [{"url": "rDate", "valueDate": day} for day in native.get("rDates", ())]
    return parts


def minutes_of(clock: str) -> int:
    """Minutes since midnight."""
    return int(clock[:2]) * 60 + int(clock[3:5])


def repeat(native: Json) -> Json:
    """The rule as FHIR Timing says it."""
    parts = dict(part.split("=", 1) for part in native["rrule"].split(";"))
    days = [WEEKDAYS[day[-2:]] for day in parts.get("BYDAY", "").split(",") if day]
    bounds: Json = {}
    put(bounds, "start", native.get("from"))
    put(bounds, "end", native.get("until"))
    length = minutes_of(native["endLocal"]) - minutes_of(native["startLocal"])
    made: Json = {"boundsPeriod": bounds}
    put(made, "count", native.get("count"))
    made["duration"] = length % 1440 or 1440
    made["durationUnit"] = "min"
    made["frequency"] = max(1, len(dict.fromkeys(days)))
    made["period"] = int(parts.get("INTERVAL", "1"))
    made["periodUnit"] = UNITS[parts["FREQ"]]
    put(made, "dayOfWeek", list(dict.fromkeys(days)))
    made["timeOfDay"] = [seconds(native["startLocal"])]
    return made


def appointment(
    native: Json,
    occurrence: Occurrence,
    session: Json | None,
    key: str,
    order_name: str,
    subject: str,
    people: dict[str, str],
    codes: Codes,
) -> Json:
    """One session of a series."""
    held: Json = session or {}
    tz = native["tz"]
    made: Json = {"resourceType": "Appointment"}
    put(
        made,
        "extension",
        extensions(
            ("attendance", "valueCode", held.get("attendance")),
            ("actual-start", "valueDateTime", held.get("actualStart")),
            ("actual-end", "valueDateTime", held.get("actualEnd")),
            ("participation-note", "valueString", held.get("participationNote")),
        ),
    )
    made["identifier"] = [{"system": IDENTIFIER + "session", "value": key}]
    if "status" in held:
        appointment_status(made, held["status"], codes, "session.Appointment/booked")
    else:
        made["status"] = "booked"
    coding = {"system": HL7 + "service-category", "code": "12", "display": "Drug/Alcohol"}
    made["serviceCategory"] = [{"coding": [coding]}]
    service = service_type(native.get("modality"), codes)
    if service:
        made["serviceType"] = [service]
    coding = {"system": HL7 + "v2-0276", "code": "ROUTINE"}
    made["appointmentType"] = {"coding": [coding]}
    put(made, "description", native.get("title"))
    made["start"], made["_start"] = occurrence.start.isoformat(), zoned(tz)
    made["end"], made["_end"] = occurrence.end.isoformat(), zoned(tz)
    made["basedOn"] = [{"reference": order_name}]
    made["participant"] = participants(native, subject, people)
    return made


def participants(native: Json, subject: str, people: dict[str, str]) -> list[Any]:
    """The patient, the facilitators, the room."""
    made: list[Any] = [{"actor": {"reference": subject}, "status": "accepted"}]
    facilitator = [{"coding": [own_coding("participant-role", "facilitator")]}]
    for who in native.get("facilitators", ()):
        if who in people:
            actor = {"reference": people[who]}
            made.append({"type": facilitator, "actor": actor, "status": "accepted"})
    if "location" in native:
        actor = {"type": "Location", "display": native["location"]}
        made.append({"actor": actor, "status": "accepted"})
    return made

"""The sessions of an enrollment by hand: what the compiled mapping is measured against.

It is what a careful programmer writes who knows the target and has no mapping: the same resources
with the same ids, for patient, people, weekly orders and appointments, which are most of an
enrollment. `SUBSET` names the entries of the mapping that make the same; the mapping is compiled
from them alone, so that both do the same work. The run checks that they give the same; when a rule
of these entries changes, this module changes too.
"""

from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid5

from fhirbridge.config import DEFAULT_BASE
from fhirbridge.mapping.model import CodeTable, Pack
from fhirbridge.recurrence import Occurrence, occurrences

Json = dict[str, Any]

SUBSET = ("patient", "staff", "author", "order", "session")
OWN = f"{DEFAULT_BASE}/StructureDefinition/"
SYSTEM = f"{DEFAULT_BASE}/CodeSystem/"
IDENTIFIER = f"{DEFAULT_BASE}/identifier/"
HL7 = "http://terminology.hl7.org/CodeSystem/"
SNOMED = "http://snomed.info/sct"
HCPCS = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
NPI = "http://hl7.org/fhir/sid/us-npi"
INTERPRETER = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-interpreter-needed"
TZ_CODE = "http://hl7.org/fhir/StructureDefinition/tz-code"
PLACES = "https://www.cms.gov/Medicare/Coding/place-of-service-codes/Place_of_Service_Code_Set"
DATATYPE = "http://hl7.org/fhir/StructureDefinition/_datatype"
VIRTUAL_SERVICE = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Appointment.virtualService"
WEEKDAYS = dict(MO="mon", TU="tue", WE="wed", TH="thu", FR="fri", SA="sat", SU="sun")
UNITS = {"DAILY": "d", "WEEKLY": "wk", "MONTHLY": "mo"}


class Codes:
    """The code tables as dicts: native -> code, native -> display, and what is carried."""

    def __init__(self, pack: Pack) -> None:
        self.code = {n: {r.native: r.fhir for r in t.rows} for n, t in pack.tables.items()}
        self.display = {n: {r.native: r.display for r in t.rows} for n, t in pack.tables.items()}
        self.lossy = {n: self._lossy(t) for n, t in pack.tables.items()}
        self.lossy["sex"] |= {"unknown"}
        self.lossy["session.Appointment/booked"] = self.lossy["session.Appointment"] | {"scheduled"}

    def _lossy(self, table: CodeTable) -> set[str]:
        return {row.native for row in table.rows if table.reverse[row.fhir].native != row.native}

    def coding(self, system: str, table: str, native: str | None) -> Json | None:
        """The public coding that stands beside ours, where the table has one."""
        code = self.code[table].get(native) if native is not None else None
        if code is None or native is None:
            return None
        display = self.display[table].get(native)
        coding = {"system": system, "code": code}
        return {**coding, "display": display} if display else coding


def series(document: Json, codes: Codes, namespace: UUID) -> list[Json]:
    """The resources of the sessions of a loaded enrollment."""
    source, record = document["sourceSystem"], document["recordId"]
    prefix = f"{quote(source, safe='')}/{quote(record, safe='')}/"

    def identify(resource: Json, identity: str, *key: str) -> str:
        text = "|".join((resource["resourceType"], identity, *key))
        resource["id"] = str(uuid5(namespace, text))
        made.append(resource)
        return f"urn:uuid:{resource['id']}"

    made: list[Json] = []
    native = document["patient"]
    needed = document.get("accommodations", {}).get("interpreter")
    subject = identify(patient(native, needed, source, codes), "Patient", source, native["mrn"])
    people: dict[str, str] = {}
    for role, field in (("staff", "staff"), ("author", "authors")):
        for person in document.get(field, ()):
            own = person.get("npi") or person["id"]
            who = practitioner(person, role, source)
            people.setdefault(person["id"], identify(who, "Practitioner", source, own))
    schedules = document.get("schedule", ())
    orders = [
        identify(
            order(item, prefix, document, subject, people, codes),
            "order",
            source,
            record,
            item["id"],
        )
        for item in schedules
    ]
    for based_on, item in zip(orders, schedules, strict=True):
        held = {
            session["occurrenceDate"]: session
            for session in document.get("sessions", ())
            if session["scheduleId"] == item["id"]
        }
        own = prefix + quote(item["id"], safe="") + "/"
        for occurrence in occurrences(item):
            session = held.get(occurrence.date)
            visit = appointment(item, occurrence, session, people, codes)
            visit["identifier"] = [
                {"system": IDENTIFIER + "session", "value": own + occurrence.date}
            ]
            visit["basedOn"] = [{"reference": based_on}]
            visit["participant"] = participants(item, subject, people)
            identify(visit, "session", source, record, item["id"], occurrence.date)
    return made


def patient(native: Json, interpreter: bool | None, source: str, codes: Codes) -> Json:
    """US Core Patient."""
    limits = native.get("contactRestrictions", {})
    system = f"{DEFAULT_BASE}/mrn/{source}"
    kind = {"coding": [{"system": HL7 + "v2-0203", "code": "MR"}]}
    made: Json = {"resourceType": "Patient"}
    told = extensions(
        ("do-not-call", "valueBoolean", limits.get("doNotCall")),
        ("do-not-mail", "valueBoolean", limits.get("doNotMail")),
        ("discreet-voicemail", "valueBoolean", limits.get("discreetVoicemail")),
    )
    if interpreter is not None:
        coding = {"system": SNOMED, "code": "373066001" if interpreter else "373067005"}
        told.append({"url": INTERPRETER, "valueCoding": coding})
    put(made, "extension", told)
    usual = {"use": "usual", "type": kind, "system": system, "value": native["mrn"]}
    old = [
        {"use": "old", "type": kind, "system": system, "value": value}
        for value in native.get("priorMrns", ())
    ]
    made["identifier"] = [usual, *old]
    name = native.get("name", {})
    names = [{"use": "official", **official} for official in (human_name(name),) if official]
    if "preferred" in name:
        names.append({"use": "nickname", "given": [name["preferred"]]})
    put(made, "name", names)
    telecom: list[Json] = []
    if "phone" in native:
        telecom.append({"system": "phone", "value": native["phone"], "rank": 2})
    if "safePhone" in limits:
        telecom.append({"system": "phone", "value": limits["safePhone"], "rank": 1})
    if "email" in native:
        telecom.append({"system": "email", "value": native["email"]})
    put(made, "telecom", telecom)
    sex = native.get("sex")
    made["gender"] = codes.code["sex"][sex] if sex is not None else "unknown"
    if sex in codes.lossy["sex"]:
        carry(made, "sex", sex, "native-code")
    put(made, "birthDate", native.get("birthDate"))
    put(made, "address", address(native.get("address")))
    if "language" in native:
        coding = {"system": "urn:ietf:bcp:47", "code": native["language"]}
        made["communication"] = [{"language": {"coding": [coding]}}]
    return made


def human_name(native: Json) -> Json:
    """family, given, prefix, suffix."""
    made: Json = {}
    put(made, "family", native.get("family"))
    put(made, "given", list(native.get("given", ())))
    if "prefix" in native:
        made["prefix"] = [native["prefix"]]
    if "suffix" in native:
        made["suffix"] = [native["suffix"]]
    return made


def address(native: Json | None) -> list[Json]:
    """One address, or none."""
    if not native:
        return []
    made: Json = {}
    put(made, "line", list(native.get("line", ())))
    for name in ("city", "state", "postalCode", "country"):
        put(made, name, native.get(name))
    return [made] if made else []


def practitioner(native: Json, entry: str, source: str) -> Json:
    """Someone of the staff, or an author."""
    made: Json = {"resourceType": "Practitioner"}
    value = f"{quote(source, safe='')}/{quote(native['id'], safe='')}"
    made["identifier"] = [{"system": IDENTIFIER + entry, "value": value}]
    if "npi" in native:
        made["identifier"].append({"system": NPI, "value": native["npi"]})
    name = human_name(native.get("name", {}))
    if name:
        made["name"] = [name]
    put(
        made,
        "qualification",
        [
            {"code": {"coding": [own_coding("credential", item)]}}
            for item in native.get("credentials", ())
        ],
    )
    return made


def order(
    native: Json, prefix: str, document: Json, subject: str, people: dict[str, str], codes: Codes
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
    made["extension"] += extensions(("capacity", "valuePositiveInt", native.get("capacity")))
    key = prefix + quote(native["id"], safe="")
    made["identifier"] = [{"system": IDENTIFIER + "order", "value": key}]
    put(made, "status", codes.code["enrollment.ServiceRequest"].get(document["status"]))
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
    detail = []
    if "format" in native:
        detail.append(concept(own_coding("session-format", native["format"])))
    if "required" in native:
        word = "required" if native["required"] else "optional"
        detail.append(concept(own_coding("attendance-rule", word)))
    put(made, "orderDetail", detail)
    made["subject"] = {"reference": subject}
    made["occurrenceTiming"] = {"repeat": repeat(native)}
    put(
        made,
        "performer",
        [{"reference": people[who]} for who in native.get("facilitators", ()) if who in people],
    )
    place = codes.coding(PLACES, "telehealth.place", telehealth.get("patientAt"))
    where = concept(place, text=native.get("location"))
    put(made, "locationCode", [where] if where else None)
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
    people: dict[str, str],
    codes: Codes,
) -> Json:
    """One session of a series."""
    held: Json = session or {}
    tz = native["tz"]
    made: Json = {"resourceType": "Appointment"}
    told = extensions(("attendance", "valueCode", held.get("attendance")))
    put(made, "extension", virtual_service(native.get("telehealth", {})) + told)
    put(made, "comment", held.get("participationNote"))
    if "status" in held:
        appointment_status(made, held["status"], codes, "session.Appointment")
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
    return made


def appointment_status(made: Json, status: str | None, codes: Codes, lossy: str) -> None:
    """The status, what it does not say, and why there was no visit."""
    if status is None:
        return
    made["status"] = codes.code["session.Appointment"][status]
    if status in codes.lossy[lossy]:
        carry(made, "session-status", status, "native-status")
    system = HL7 + "appointment-cancellation-reason"
    cause = concept(codes.coding(system, "session.cancel", status))
    put(made, "cancelationReason", cause)


def virtual_service(telehealth: Json) -> list[Json]:
    """How to join, in the form of R5."""
    telecom = [
        {"url": "telecom", "valueContactPoint": {"system": system, "value": telehealth[system]}}
        for system in ("url", "phone")
        if system in telehealth
    ]
    if not telecom:
        return []
    where = [*telecom, {"url": DATATYPE, "valueString": "ExtendedContactDetail"}]
    address: Json = {"extension": where, "url": "address"}
    kind = {"url": DATATYPE, "valueString": "VirtualServiceDetail"}
    return [{"extension": [address, kind], "url": VIRTUAL_SERVICE}]


def service_type(modality: str | None, codes: Codes) -> Json | None:
    """The modality, in our word and in HL7's."""
    public = codes.coding(HL7 + "service-type", "modality.service-type", modality)
    return concept(own_coding("modality", modality), public)


def zoned(tz: str) -> Json:
    """The zone beside an instant."""
    return {"extension": [{"url": TZ_CODE, "valueCode": tz}]}


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


def concept(*codings: Json | None, text: str | None = None) -> Json | None:
    """A CodeableConcept of those codings that are there."""
    made: Json = {}
    present = [coding for coding in codings if coding is not None]
    if present:
        made["coding"] = present
    if text is not None:
        made["text"] = text
    return made or None


def own_coding(system: str, code: str | None) -> Json | None:
    """The native word in a code system of ours."""
    return {"system": SYSTEM + system, "code": code} if code is not None else None


def extensions(*triples: tuple[str, str, Any]) -> list[Json]:
    """Extensions (name, value[x], value) of those values that are there."""
    return [{"url": OWN + n, element: v} for n, element, v in triples if v is not None]


def carry(made: Json, vocabulary: str, code: str, url: str) -> None:
    """Keep the native word that the FHIR code does not say, before other extensions."""
    coding = {"system": SYSTEM + vocabulary, "code": code}
    extension = {"url": OWN + url, "valueCoding": coding}
    made["extension"] = [extension, *made.get("extension", ())]


def put(target: Json, name: str, value: Any) -> None:
    """Set an element that is there."""
    if value is not None and value != []:
        target[name] = value

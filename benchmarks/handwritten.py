"""A referral as a transaction Bundle, by hand: what the compiled mapping is measured against.

It is what a careful programmer writes who knows the target and has no mapping: the same resources,
the same ids. The run checks that both give the same Bundle; when a rule of `mappings/referral`
changes, this module changes too.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid5

from fhirbridge.config import DEFAULT_BASE
from fhirbridge.mapping.model import CodeTable, Pack
from fhirbridge.recurrence import to_instant

Json = dict[str, Any]

OWN = f"{DEFAULT_BASE}/StructureDefinition/"
SYSTEM = f"{DEFAULT_BASE}/CodeSystem/"
IDENTIFIER = f"{DEFAULT_BASE}/identifier/"
HL7 = "http://terminology.hl7.org/CodeSystem/"
SNOMED = "http://snomed.info/sct"
HCPCS = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
NPI = "http://hl7.org/fhir/sid/us-npi"
NUCC = "http://nucc.org/provider-taxonomy"
TZ_CODE = "http://hl7.org/fhir/StructureDefinition/tz-code"


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


class Entries:
    """The entries of one Bundle; every resource gets its deterministic id here."""

    def __init__(self, document: Json, namespace: UUID) -> None:
        self.source = document["sourceSystem"]
        self.namespace = namespace
        self.made: list[Json] = []
        self._taken: set[str] = set()

    def name(self, type_name: str, identity: str, scope: Iterable[str], *key: str) -> str:
        """The reference of the resource with that key."""
        text = "|".join((type_name, identity, *scope, *key))
        return f"urn:uuid:{uuid5(self.namespace, text)}"

    def distinct(self, reference: str, type_name: str, entry: str, key: str, index: int = 0) -> str:
        """The reference, or one of its own where another entry already has this one."""
        if reference in self._taken:
            own = ("own", type_name, entry, f"{quote(self.source, safe='')}/", key, str(index))
            reference = f"urn:uuid:{uuid5(self.namespace, '|'.join(own))}"
        self._taken.add(reference)
        return reference

    def add(self, reference: str, resource: Json, system: str, value: str) -> None:
        """One entry that creates the resource once."""
        resource["id"] = reference[9:]
        token = f"{quote(system, safe=':/')}|{quote(value, safe='/')}"
        url = resource["resourceType"]
        request = {"method": "POST", "url": url, "ifNoneExist": f"identifier={token}"}
        self.made.append({"fullUrl": reference, "resource": resource, "request": request})

    def bundle(self) -> Json:
        """All entries."""
        return {"resourceType": "Bundle", "type": "transaction", "entry": self.made}


def referral(document: Json, codes: Codes, namespace: UUID) -> Json:
    """The Bundle of a loaded referral."""
    entries = Entries(document, namespace)
    source = document["sourceSystem"]
    scope = (source,)
    record = document["recordId"]
    key = f"{quote(source, safe='')}/{quote(record, safe='')}"
    native = document["patient"]
    subject = entries.name("Patient", "Patient", scope, native["mrn"])
    order = entries.name("ServiceRequest", "referral", scope, record)
    carrier = entries.name("QuestionnaireResponse", "referral-carrier", scope, record)
    organizations = {}
    for entry, field in (("facility", "name"), ("requester", "org"), ("recipient", "org")):
        if entry in document:
            own = document[entry].get("npi") or document[entry].get(field, "")
            name = entries.name("Organization", "Organization", scope, own)
            organizations[entry] = entries.distinct(name, "Organization", entry, own)
    people = practitioners(entries, document, scope)

    entries.add(
        subject, patient(native, source, codes), f"{DEFAULT_BASE}/mrn/{source}", native["mrn"]
    )
    for entry, make in (("facility", facility), ("requester", requester), ("recipient", recipient)):
        if entry in organizations:
            made = make(document[entry], source, codes)
            value = made["identifier"][0]["value"]
            entries.add(organizations[entry], made, f"{IDENTIFIER}{entry}", value)
    add_practitioners(entries, people, codes)
    request = service_request(document, key, subject, carrier, organizations, codes)
    entries.add(order, request, f"{IDENTIFIER}referral", key)
    made = task(document, key, subject, order, organizations, codes)
    made_as = entries.name("Task", "referral", scope, record)
    entries.add(made_as, made, f"{IDENTIFIER}referral-task", key)
    if "appointment" in document:
        made = visit(document["appointment"], key, subject, order, codes)
        made_as = entries.name("Appointment", "referral-visit", scope, record)
        entries.add(made_as, made, f"{IDENTIFIER}referral-visit", key)
    made = response(document, key, subject)
    entries.add(carrier, made, f"{IDENTIFIER}referral-carrier", key)
    return entries.bundle()


def practitioners(entries: Entries, document: Json, scope: tuple[str, ...]) -> list[Any]:
    """(reference, role in the document, person) of staff and authors."""
    people = []
    for entry, field in (("staff", "staff"), ("author", "authors")):
        for index, person in enumerate(document.get(field, ())):
            own = person.get("npi") or person["id"]
            name = entries.name("Practitioner", "Practitioner", scope, own)
            name = entries.distinct(name, "Practitioner", entry, own, index)
            people.append((name, entry, person))
    return people


def add_practitioners(entries: Entries, people: list[Any], codes: Codes) -> None:
    """The entries of staff and authors."""
    for name, entry, person in people:
        made = practitioner(person, entry, entries.source, codes)
        value = made["identifier"][0]["value"]
        entries.add(name, made, f"{IDENTIFIER}{entry}", value)


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


def put(target: Json, name: str, value: Any) -> None:
    """Set an element that is there."""
    if value is not None and value != []:
        target[name] = value


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


def carry(made: Json, vocabulary: str, code: str, url: str) -> None:
    """Keep the native word that the FHIR code does not say, before other extensions."""
    coding = {"system": SYSTEM + vocabulary, "code": code}
    extension = {"url": OWN + url, "valueCoding": coding}
    made["extension"] = [extension, *made.get("extension", ())]


def patient(native: Json, source: str, codes: Codes) -> Json:
    """US Core Patient."""
    limits = native.get("contactRestrictions", {})
    system = f"{DEFAULT_BASE}/mrn/{source}"
    kind = {"coding": [{"system": HL7 + "v2-0203", "code": "MR"}]}
    made: Json = {"resourceType": "Patient"}
    put(
        made,
        "extension",
        extensions(
            ("do-not-call", "valueBoolean", limits.get("doNotCall")),
            ("do-not-mail", "valueBoolean", limits.get("doNotMail")),
            ("discreet-voicemail", "valueBoolean", limits.get("discreetVoicemail")),
        ),
    )
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


def organization(key: str, name: str, entry: str, npi: str | None) -> Json:
    """What facility, requester and recipient share."""
    identifiers = [{"system": IDENTIFIER + entry, "value": key}]
    if npi is not None:
        identifiers.append({"system": NPI, "value": npi})
    return {
        "resourceType": "Organization",
        "identifier": identifiers,
        "active": True,
        "name": name,
    }


def phone_of(native: Json) -> list[Json]:
    """The telephone, or none."""
    return [{"system": "phone", "value": native["phone"]}] if "phone" in native else []


def organization_key(native: Json, name: str, source: str) -> str:
    """The value of our own identifier."""
    return f"{quote(source, safe='')}/{quote(native[name], safe='')}"


def facility(native: Json, source: str, codes: Codes) -> Json:
    """The facility of the document."""
    key = organization_key(native, "name", source)
    made = organization(key, native["name"], "facility", native.get("npi"))
    extra = extensions(("timezone", "valueString", native.get("tz")))
    for item in native.get("accreditations", ()):
        parts = [
            {"url": name, element: item[name]}
            for name, element in (
                ("body", "valueCode"),
                ("number", "valueString"),
                ("validFrom", "valueDate"),
                ("validTo", "valueDate"),
            )
            if name in item
        ]
        if parts:
            extra.append({"extension": parts, "url": OWN + "accreditation"})
    put(made, "extension", extra)
    kind = native.get("type")
    if kind is not None:
        nucc = codes.coding(NUCC, "facility-type.nucc", kind)
        role = codes.coding(HL7 + "v3-RoleCode", "facility-type.role-code", kind)
        made["type"] = [concept(own_coding("facility-type", kind), nucc, role)]
    put(made, "telecom", phone_of(native))
    put(made, "address", address(native.get("address")))
    return made


def requester(native: Json, source: str, codes: Codes) -> Json:
    """Who refers."""
    key = organization_key(native, "org", source)
    made = organization(key, native["org"], "requester", native.get("npi"))
    put(made, "extension", extensions(("endpoint", "valueUri", native.get("endpoint"))))
    telecom = phone_of(native)
    if "direct" in native:
        telecom.append({"system": "email", "value": native["direct"]})
    put(made, "telecom", telecom)
    if "practitioner" in native:
        made["contact"] = [{"name": {"text": native["practitioner"]}}]
    return made


def recipient(native: Json, source: str, codes: Codes) -> Json:
    """Who is asked."""
    key = organization_key(native, "org", source)
    made = organization(key, native["org"], "recipient", native.get("npi"))
    put(
        made,
        "extension",
        extensions(
            ("program", "valueString", native.get("program")),
            ("service", "valueString", native.get("service")),
            ("endpoint", "valueUri", native.get("endpoint")),
            ("no-fhir", "valueBoolean", native.get("noFhir")),
        ),
    )
    put(made, "telecom", phone_of(native))
    return made


def practitioner(native: Json, entry: str, source: str, codes: Codes) -> Json:
    """Someone of the staff, or an author."""
    made: Json = {"resourceType": "Practitioner"}
    role = native.get("role")
    if role is not None:
        nucc = codes.coding(NUCC, "role.nucc", role)
        value = concept(own_coding("role", role), nucc)
        made["extension"] = [{"url": OWN + "staff-role", "valueCodeableConcept": value}]
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


def placer(document: Json) -> Json:
    """The number of the one who asks."""
    return {
        "type": {"coding": [{"system": HL7 + "v2-0203", "code": "PLAC"}]},
        "system": f"{DEFAULT_BASE}/referral/{document['sourceSystem']}",
        "value": document["referralId"],
    }


def service_request(
    document: Json, key: str, subject: str, carrier: str, organizations: Json, codes: Codes
) -> Json:
    """The order."""
    made: Json = {"resourceType": "ServiceRequest"}
    made["meta"] = {"source": f"urn:fhirbridge:source:{document['sourceSystem']}"}
    made["extension"] = extensions(
        ("document-version", "valuePositiveInt", document.get("version")),
        ("document-updated", "valueInstant", document.get("updatedAt")),
        ("part2-program", "valueBoolean", document.get("part2Program")),
        ("referral-direction", "valueCode", document.get("direction")),
        ("authorization-number", "valueString", document.get("authNumber")),
    )
    made["identifier"] = [{"system": IDENTIFIER + "referral", "value": key}, placer(document)]
    put(made, "status", codes.code["referral.ServiceRequest"].get(document.get("status")))
    made["intent"] = "order"
    put(made, "priority", document.get("priority"))
    made["subject"] = {"reference": subject}
    if "requester" in organizations:
        made["requester"] = {"reference": organizations["requester"]}
    if "recipient" in organizations:
        made["performer"] = [{"reference": organizations["recipient"]}]
    asked = document.get("serviceRequested", {})
    kind, modality, level = (asked.get(n) for n in ("kind", "modality", "levelOfCare"))
    category = codes.code["referral.category"].get(kind) if kind is not None else None
    made["category"] = [{"coding": [{"system": SNOMED, "code": category or "409063005"}]}]
    put(
        made,
        "code",
        concept(
            own_coding("plan-item-kind", kind),
            own_coding("modality", modality),
            codes.coding(SNOMED, "referral.snomed", kind),
            codes.coding(HCPCS, "kind.hcpcs", kind),
        ),
    )
    if level is not None:
        coding = {"system": SYSTEM + "level-of-care", "code": level}
        put(coding, "display", codes.display["level.title"].get(level))
        made["orderDetail"] = [{"coding": [coding]}]
    if "quantity" in asked:
        made["quantityQuantity"] = {"value": asked["quantity"]}
    put(made, "occurrencePeriod", window(document))
    put(made, "reasonCode", reasons(document.get("reason", {}), codes))
    made["supportingInfo"] = [{"reference": carrier}]
    if "consentRef" in document:
        logical = {"type": "Consent", "identifier": {"value": document["consentRef"]}}
        made["supportingInfo"].append(logical)
    if "coverageRef" in document:
        made["insurance"] = [{"type": "Coverage", "identifier": {"value": document["coverageRef"]}}]
    return made


def window(document: Json) -> Json | None:
    """When the visit is wanted."""
    asked = document.get("requestedWindow", {})
    made = {}
    put(made, "start", asked.get("from"))
    put(made, "end", asked.get("to"))
    return made or None


def reasons(reason: Json, codes: Codes) -> list[Json]:
    """Why, as a word and text, then the diagnoses."""
    word = concept(own_coding("referral-reason", reason.get("kind")), text=reason.get("text"))
    made = [word] if word else []
    for code in reason.get("diagnoses", ()):
        icd10cm = {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": code}
        put(icd10cm, "display", codes.display["icd10cm.title"].get(code) or None)
        snomed = codes.coding(SNOMED, "icd10cm.snomed", code)
        made.append({"coding": [icd10cm, snomed] if snomed else [icd10cm]})
    return made


def task(
    document: Json, key: str, subject: str, order: str, organizations: Json, codes: Codes
) -> Json:
    """Who owes the next step."""
    status = document.get("status")
    made: Json = {"resourceType": "Task"}
    put(made, "extension", extensions(("sla-hours", "valuePositiveInt", document.get("slaHours"))))
    made["identifier"] = [{"system": IDENTIFIER + "referral-task", "value": key}, placer(document)]
    if status is not None:
        made["status"] = codes.code["referral.Task"][status]
        if status in codes.lossy["referral.Task"]:
            carry(made, "referral-status", status, "native-status")
        bser = "http://hl7.org/fhir/us/bser/CodeSystem/TaskBusinessStatusCS"
        public = codes.coding(bser, "referral.businessStatus", status)
        made["businessStatus"] = concept(public, own_coding("referral-status", status))
    made["intent"] = "order"
    coding = {"system": "http://hl7.org/fhir/CodeSystem/task-code", "code": "fulfill"}
    made["code"] = {"coding": [coding]}
    put(made, "priority", document.get("priority"))
    made["focus"] = {"reference": order}
    made["for"] = {"reference": subject}
    put(made, "lastModified", document.get("updatedAt"))
    if "requester" in organizations:
        made["requester"] = {"reference": organizations["requester"]}
    if "recipient" in organizations:
        made["owner"] = {"reference": organizations["recipient"]}
    period = window(document)
    if period:
        made["restriction"] = {"period": period}
    reason = document.get("cancellation", {}).get("reason")
    if reason is not None:
        made["statusReason"] = {"text": reason}
    put(made, "input", task_input(document, codes))
    outcome = document.get("outcome", {})
    put(
        made,
        "output",
        [
            {"type": parameter(f"outcome-{name}"), element: outcome[field]}
            for name, field, element in (
                ("summary", "summary", "valueString"),
                ("at", "at", "valueDateTime"),
                ("document", "documentRef", "valueUri"),
                ("admitted", "admitted", "valueBoolean"),
                ("level", "level", "valueCode"),
            )
            if field in outcome
        ],
    )
    return made


def parameter(code: str) -> Json:
    """The type of an input or output."""
    return {"coding": [own_coding("task-parameter", code)]}


def task_input(document: Json, codes: Codes) -> list[Json]:
    """How it was sent, and what was sent with it."""
    made: list[Json] = []
    if "sentVia" in document:
        made.append({"type": parameter("sent-via"), "valueCode": document["sentVia"]})
    for item in document.get("attachments", ()):
        kind = item.get("kind")
        loinc = codes.coding("http://loinc.org", "attachment.loinc", kind)
        attachment = own_coding("task-parameter", "attachment")
        entry: Json = {"extension": extensions(("item-id", "valueString", item["id"]))}
        entry["type"] = concept(own_coding("attachment", kind), loinc, attachment)
        put(entry, "valueUri", item.get("ref"))
        made.append(entry)
    return made


def zoned(tz: str) -> Json:
    """The zone beside an instant."""
    return {"extension": [{"url": TZ_CODE, "valueCode": tz}]}


def visit(native: Json, key: str, subject: str, order: str, codes: Codes) -> Json:
    """The first visit."""
    made: Json = {"resourceType": "Appointment"}
    tz = native.get("tz")
    put(made, "extension", extensions(("timezone", "valueString", tz)))
    made["identifier"] = [{"system": IDENTIFIER + "referral-visit", "value": key}]
    appointment_status(made, native.get("status"), codes, "session.Appointment")
    minutes = native.get("duration")
    if "startLocal" in native and tz is not None:
        start = to_instant(datetime.fromisoformat(native["startLocal"]), tz)
        made["start"], made["_start"] = start.isoformat(), zoned(tz)
        made["_end"] = zoned(tz)
        if minutes is not None:
            end = start.astimezone(UTC) + timedelta(minutes=minutes)
            made["end"] = end.astimezone(start.tzinfo).isoformat()
    put(made, "minutesDuration", minutes)
    coding = {"system": HL7 + "v2-0276", "code": "FOLLOWUP"}
    made["appointmentType"] = {"coding": [coding]}
    service = service_type(native.get("modality"), codes)
    if service:
        made["serviceType"] = [service]
    made["basedOn"] = [{"reference": order}]
    made["participant"] = [{"actor": {"reference": subject}, "status": "accepted"}]
    return made


def service_type(modality: str | None, codes: Codes) -> Json | None:
    """The modality, in our word and in HL7's."""
    public = codes.coding(HL7 + "service-type", "modality.service-type", modality)
    return concept(own_coding("modality", modality), public)


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


CONSENT = (
    ("id", "valueString"),
    ("type", "valueString"),
    ("status", "valueString"),
    ("signedAt", "valueDateTime"),
    ("signer", "valueString"),
    ("signerRole", "valueString"),
    ("recipients", "valueString"),
    ("purpose", "valueString"),
    ("infoScope", "valueString"),
    ("expires", "valueDate"),
    ("expiresEvent", "valueString"),
    ("revokedAt", "valueDateTime"),
)
STATEMENTS = ("rightToRevoke", "hipaaRedisclosure", "lossOfProtection", "refusalConsequences")
RESPONSE = (
    ("at", "valueDateTime"),
    ("by", "valueString"),
    ("action", "valueString"),
    ("reason", "valueString"),
    ("apptStart", "valueDateTime"),
)
SINGLE = (
    ("warmHandoff", "done", "valueBoolean"),
    ("warmHandoff", "at", "valueDateTime"),
    ("warmHandoff", "with", "valueString"),
    ("cancellation", "requestedBy", "valueString"),
    ("cancellation", "at", "valueDateTime"),
)


def answers(link: str, element: str, value: Any) -> Json:
    """One item with its answers."""
    values = value if isinstance(value, list) else [value]
    return {"linkId": link, "answer": [{element: item} for item in values]}


def response(document: Json, key: str, subject: str) -> Json:
    """What has no FHIR home yet."""
    items: list[Json] = []
    for consent in document.get("consents", ()):
        parts = [answers(f"consents.{n}", e, consent[n]) for n, e in CONSENT if consent.get(n)]
        said = consent.get("statements", {})
        parts += [
            answers(f"consents.statements.{name}", "valueBoolean", said[name])
            for name in STATEMENTS
            if name in said
        ]
        items.append({"linkId": "consents", "item": parts})
    for entry in document.get("responses", ()):
        parts = [answers(f"responses.{n}", e, entry[n]) for n, e in RESPONSE if n in entry]
        items.append({"linkId": "responses", "item": parts})
    for holder, name, element in SINGLE:
        found = document.get(holder, {}).get(name)
        if found is not None:
            items.append(answers(f"{holder}.{name}", element, found))
    made: Json = {
        "resourceType": "QuestionnaireResponse",
        "identifier": {"system": IDENTIFIER + "referral-carrier", "value": key},
        "questionnaire": f"{DEFAULT_BASE}/Questionnaire/referral",
        "status": "completed",
        "subject": {"reference": subject},
    }
    put(made, "authored", document.get("updatedAt"))
    put(made, "item", items)
    return made

"""Where the facts of a referral stand in FHIR (domain.md 4.3)."""

import pytest

from fhirbridge.fhir.validation import check
from fhirbridge.jsontypes import Json, Resource
from tests.unit.mapping.referrals import back, bundle_of, resources, the

PERSON = {"org": "Elsewhere", "practitioner": "Ana Roe", "phone": "+13125550142"}
SAID = [
    {"action": "received", "at": "2026-03-02T09:00:00Z", "by": "There"},
    {"action": "declined", "at": "2026-03-03T09:00:00Z", "by": "There", "reason": "No place."},
]
CANCELLED = {"requestedBy": "Ana Roe", "at": "2026-03-04T09:00:00Z", "reason": "Moved away."}


def proven(**fields: Json) -> Resource:
    """The Bundle, after it passed the gate and gave every field back."""
    bundle = bundle_of(**fields)
    assert [issue for issue in check(bundle) if issue.is_error] == []
    result = back(bundle)
    assert {name: result.document[name] for name in fields} == fields
    assert [issue for issue in result.issues if issue.severity != "information"] == []
    return bundle


def test_named_person_who_refers_is_a_role_at_the_organization() -> None:
    bundle = proven(requester=PERSON)

    roles = [r for r in resources(bundle) if r["resourceType"] == "PractitionerRole"]
    (role,) = (r for r in roles if r["practitioner"].get("display") == "Ana Roe")
    assert the(bundle, "Task")["requester"] == {"reference": f"urn:uuid:{role['id']}"}
    assert the(bundle, "ServiceRequest")["requester"] == {"reference": f"urn:uuid:{role['id']}"}


FACILITY = {"name": "Here", "npi": "1234567893", "tz": "America/Chicago"}


@pytest.mark.parametrize(("field", "element"), [("requester", "requester"), ("recipient", "owner")])
@pytest.mark.parametrize("phone", [None, "+13125550142"], ids=["no phone", "a phone of its own"])
def test_own_facility_is_one_organization_whoever_speaks_of_it(
    field: str, element: str, phone: str | None
) -> None:
    said = {"org": "Here, evenings", "npi": "1234567893", **({"phone": phone} if phone else {})}
    bundle = proven(**{"facility": FACILITY, "requester": {"org": "Elsewhere"}, field: said})

    organizations = [r for r in resources(bundle) if r["resourceType"] == "Organization"]
    known = [r for r in organizations for i in r["identifier"] if i["value"] == "1234567893"]
    roles = {
        f"urn:uuid:{r['id']}": r
        for r in resources(bundle)
        if r["resourceType"] == "PractitionerRole"
    }
    role = roles[the(bundle, "Task")[element]["reference"]]
    assert [f"urn:uuid:{r['id']}" for r in known] == [role["organization"]["reference"]]
    assert role["organization"]["display"] == "Here, evenings"


def test_task_says_when_it_was_authored() -> None:
    task = the(bundle_of(), "Task")

    assert task["authoredOn"] <= task["lastModified"]


def test_without_a_person_the_organization_refers() -> None:
    bundle = proven(requester={"org": "Elsewhere"})

    requester = the(bundle, "Task")["requester"]["reference"]
    assert requester in {
        f"urn:uuid:{r['id']}" for r in resources(bundle) if r["resourceType"] == "Organization"
    }


def test_server_of_the_recipient_is_an_endpoint() -> None:
    bundle = proven(recipient={"org": "There", "endpoint": "https://there.example/r4"})

    assert the(bundle, "Endpoint")["address"] == "https://there.example/r4"


@pytest.mark.parametrize("field", ["program", "service"])
def test_what_the_recipient_offers_is_a_healthcare_service(field: str) -> None:
    bundle = proven(recipient={"org": "There", field: "Evening group"})

    offered = f"urn:uuid:{the(bundle, 'HealthcareService')['id']}"
    performers = [p["reference"] for p in the(bundle, "ServiceRequest")["performer"]]
    assert offered == performers[1]


def test_responses_are_notes_and_the_last_reason_is_the_status_reason() -> None:
    task = the(proven(status="declined", responses=SAID), "Task")

    assert [note["text"] for note in task["note"]] == ["No comment.", "No place."]
    assert task["statusReason"] == {"text": "No place."}


def test_cancellation_is_a_note_and_the_status_reason() -> None:
    task = the(proven(status="cancelled", responses=SAID[:1], cancellation=CANCELLED), "Task")

    assert task["note"][-1]["authorString"] == "Ana Roe"
    assert task["statusReason"] == {"text": "Moved away."}


def test_cancellation_without_a_reason_gives_no_status_reason() -> None:
    task = the(proven(status="cancelled", cancellation={"requestedBy": "Ana Roe"}), "Task")

    assert task["note"][0]["text"] == "No comment."
    assert "statusReason" not in task


def test_referral_without_answers_has_no_notes() -> None:
    assert "note" not in the(proven(status="sent"), "Task")


@pytest.mark.parametrize(
    ("done", "status"), [(True, "completed"), (False, "not-done"), (None, "unknown")]
)
def test_warm_handoff_is_a_communication(done: bool | None, status: str) -> None:
    told: Json = {"with": "Bo Lee"} if done is None else {"with": "Bo Lee", "done": done}

    communication = the(proven(warmHandoff=told), "Communication")

    assert communication["status"] == status
    assert communication["recipient"] == [{"display": "Bo Lee"}]


def test_attachments_are_documents_of_the_order_and_inputs_of_the_task() -> None:
    sent = [{"id": "a1", "kind": "plan-of-care", "ref": "https://here.example/plan.pdf"}]

    bundle = proven(attachments=sent)

    document = the(bundle, "DocumentReference")
    reference = {"reference": f"urn:uuid:{document['id']}"}
    assert document["content"][0]["attachment"]["url"] == "https://here.example/plan.pdf"
    assert the(bundle, "ServiceRequest")["supportingInfo"] == [reference]
    assert the(bundle, "Task")["input"][0]["valueReference"] == reference


def test_outcome_is_output_with_the_report_as_a_document() -> None:
    url = "https://there.example/report"

    bundle = proven(status="completed", outcome={"summary": "Seen.", "documentRef": url})

    outputs = the(bundle, "Task")["output"]
    assert outputs[0]["valueString"] == "Seen."
    reference = f"urn:uuid:{the(bundle, 'DocumentReference')['id']}"
    assert outputs[1]["valueReference"] == {"reference": reference}


def test_task_without_visit_or_report_has_no_output() -> None:
    assert "output" not in the(proven(status="sent"), "Task")


def test_consent_coverage_and_authorization_stand_in_the_order() -> None:
    consent = {"id": "c1", "type": "release", "status": "active"}

    bundle = proven(consents=[consent], consentRef="c1", coverageRef="C-9", authNumber="A-7")

    order = the(bundle, "ServiceRequest")
    reference = f"urn:uuid:{the(bundle, 'Consent')['id']}"
    assert order["supportingInfo"] == [{"reference": reference, "type": "Consent"}]
    assert order["insurance"] == [
        {"type": "Coverage", "identifier": {"value": "C-9"}},
        {"type": "ClaimResponse", "identifier": {"value": "A-7"}},
    ]


@pytest.mark.parametrize(("way", "code"), [("fax", "fax"), ("direct", "semail"), ("dove", "")])
def test_way_of_sending_has_a_standard_code_where_there_is_one(way: str, code: str) -> None:
    (told,) = the(proven(sentVia=way), "Task")["input"]

    codes = [coding["code"] for coding in told["valueCodeableConcept"]["coding"]]
    assert codes == [way, code] if code else codes == [way]


def test_provenance_names_author_and_transmitter_and_is_put_under_its_id() -> None:
    bundle = proven(status="sent")

    provenance = the(bundle, "Provenance")
    author, transmitter = provenance["agent"]
    assert author["who"] == {"reference": f"urn:uuid:{the(bundle, 'Practitioner')['id']}"}
    assert author["onBehalfOf"] == transmitter["who"]
    assert {one["code"] for one in transmitter["type"]["coding"]} == {"transmitter"}
    targets = {target["reference"] for target in provenance["target"]}
    named = [the(bundle, name) for name in ("Patient", "ServiceRequest", "Task")]
    assert targets == {f"urn:uuid:{one['id']}" for one in named}
    (entry,) = (e for e in bundle["entry"] if e["resource"] is provenance)
    assert entry["request"] == {"method": "PUT", "url": f"Provenance/{provenance['id']}"}


@pytest.mark.parametrize("start", ["2027-02-29T18:30:00Z", "0001-01-01T00:00:00+14:00"])
def test_appointment_on_a_day_that_is_not_there_is_listed(start: str) -> None:
    appointment = {"startLocal": "2028-02-29T18:30", "tz": "UTC", "duration": 60}
    bundle = bundle_of(appointment={**appointment, "status": "scheduled"})
    the(bundle, "Appointment")["start"] = start

    issues = back(bundle).issues

    assert [i.expression for i in issues if "a day that exists" in i.diagnostics] == [
        ("Appointment.start",)
    ]

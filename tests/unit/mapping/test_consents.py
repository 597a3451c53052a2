"""What a consent of a document becomes, and that R4 holds it however little was written."""

import pytest

from fhirbridge.fhir.validation import check
from fhirbridge.jsontypes import JsonObject, Resource
from tests.unit.mapping.referrals import back, bundle_of, the

MINIMAL: JsonObject = {"id": "c1", "type": "tpo", "status": "active"}


def made(consent: JsonObject) -> tuple[Resource, str]:
    """The Consent, and the reference of the patient in its Bundle."""
    bundle = bundle_of(consents=[consent])
    assert back(bundle).document["consents"] == [consent]
    assert [issue for issue in check(bundle) if issue.is_error] == []
    return the(bundle, "Consent"), f"urn:uuid:{the(bundle, 'Patient')['id']}"


def test_least_consent_has_scope_category_policy_and_patient() -> None:
    consent, patient = made(MINIMAL)

    assert consent["status"] == "active"
    assert consent["scope"]["coding"][0]["code"] == "patient-privacy"
    assert [c["coding"][-1]["code"] for c in consent["category"]] == ["59284-0", "64292-6", "IDSCL"]
    assert [c["code"] for c in consent["policyRule"]["coding"]] == ["42CFRPart2", "42CFRPart2CD"]
    assert consent["patient"] == {"reference": patient}


def test_consent_without_recipients_permits_nobody() -> None:
    consent, _ = made({**MINIMAL, "purpose": ["TREAT"]})

    assert "type" not in consent["provision"]


def test_recipients_are_actors_of_a_permit() -> None:
    consent, _ = made({**MINIMAL, "recipients": ["There", "treating-providers"]})

    provision = consent["provision"]
    assert provision["type"] == "permit"
    assert [a["reference"]["display"] for a in provision["actor"]] == [
        "There",
        "treating-providers",
    ]
    assert {a["role"]["coding"][0]["code"] for a in provision["actor"]} == {"IRCP"}


def test_purpose_that_hl7_does_not_have_names_no_system() -> None:
    consent, _ = made({**MINIMAL, "purpose": ["TREAT", "x-other"]})

    assert [p.get("system", "") for p in consent["provision"]["purpose"]] == [
        "http://terminology.hl7.org/CodeSystem/v3-ActReason",
        "",
    ]


@pytest.mark.parametrize(("role", "links"), [("patient", True), ("parent", False)])
def test_signer_links_to_the_patient_only_if_it_is_them(role: str, links: bool) -> None:
    consent, patient = made({**MINIMAL, "signer": "A. Doe", "signerRole": role})

    (performer,) = consent["performer"]
    assert performer["display"] == "A. Doe"
    assert (performer.get("reference") == patient) is links


@pytest.mark.parametrize(
    ("native", "fhir"),
    [("pending-signature", "proposed"), ("revoked", "inactive"), ("expired", "inactive")],
)
def test_states_that_share_an_r4_code_come_back(native: str, fhir: str) -> None:
    consent, _ = made({**MINIMAL, "status": native})

    assert consent["status"] == fhir


def test_acknowledged_notice_discloses_nothing() -> None:
    consent, _ = made({**MINIMAL, "type": "notice-acknowledgment"})

    codes = [c["code"] for category in consent["category"] for c in category["coding"]]
    assert "57016-8" in codes
    assert "IDSCL" not in codes
